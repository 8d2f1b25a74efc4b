"""Every function of the public headers is documented, and truthfully."""
import re

import pytest

import ncpheader


@pytest.fixture(scope="module")
def functions(headers):
    found = [f for header, _ in headers for f in ncpheader.functions(header)]
    assert len(found) == sum(len(ncpheader.names(h)) for h, _ in headers)
    return found


def test_every_function_says_since_when(functions):
    assert [f.name for f in functions
            if not f.doc.startswith("/**")
            or not re.search(r"@since \d+\.\d+", f.doc)] == []


def test_every_function_says_what_it_does(functions):
    silent = []
    for function in functions:
        words = re.sub(r"@since \S+|[/*]", " ", function.doc).split()
        if len(words) < 3:
            silent.append(function.name)
    assert silent == []


def test_documented_parameters_exist(functions):
    wrong = []
    for function in functions:
        for listed in re.findall(r"@param (\S+)", function.doc):
            wrong += [f"{function.name}: {name}" for name in listed.split(",")
                      if name not in function.parameters]
    assert wrong == []


def test_errors_are_documented_only_where_an_int_returns(functions):
    assert [f.name for f in functions
            if "@errors" in f.doc and f.returns != "int"] == []


def test_out_parameters_come_last(functions):
    assert [f.name for f in functions
            if "out" in f.parameters and f.parameters[-1] != "out"] == []


def test_comments_name_only_what_exists(headers):
    constants, names, macros = set(), set(), set()
    for header, _ in headers:
        constants |= set(ncpheader.constants(header))
        macros |= set(ncpheader.macros(header))
        names |= set(ncpheader.names(header))
    unknown = []
    for header, _ in headers:
        for comment in ncpheader.comments(header):
            # A quoted name is a text, NCP_E* stands for several.
            for name in re.findall(r'(?<!")\bNCP_[A-Z0-9_]*[A-Z0-9]\b(?![*"])',
                                   comment):
                if name not in constants | macros:
                    unknown.append(name)
            for name in re.findall(r"\b(ncp_\w+)\(\)", comment):
                if name not in names:
                    unknown.append(name)
    assert unknown == []


def test_every_constant_has_its_value_written_down():
    text = re.sub(r"/\*.*?\*/", " ", ncpheader.HEADER.read_text(), flags=re.S)
    bodies = re.findall(r"\benum\s+ncp_\w+\s*\{(.*?)\}", text, flags=re.S)
    assert len(bodies) > 10
    entries = [entry.strip() for body in bodies for entry in body.split(",")]
    assert [entry for entry in entries if entry and "=" not in entry] == []
