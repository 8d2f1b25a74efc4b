"""The rules of a public header that the compiler does not know. Each complaint
is "file:line: what is wrong; what to do"."""
import re

from ncpgen import model
from ncpgen.meaning import CODE, LIKE


def complaints(source, header, others=()):
    """All of them, by line; `others` are names that comments may refer to
    though they are in another header."""
    found = list(_references(source, header, set(others)))
    for rule in (_conditions, _markers, _names, _documented, _since, _results,
                 _parameters, _values):
        found += rule(source, header)
    return [f"{source.path}:{line}: {text}" for line, text in sorted(found)]


def _conditions(source, header):
    """Every declaration is there for everybody."""
    guard, opened = None, []
    for directive in source.directives:
        word = re.match(r"\s*#\s*(\w*)", directive.text).group(1)
        if word in ("if", "ifdef", "ifndef"):
            if guard is None:
                guard = directive
            opened.append(directive)
        elif word == "endif" and opened:
            begin = opened.pop()
            if begin is guard:
                continue
            for statement in source.statements:
                if begin.end <= statement.start < directive.start:
                    yield statement.line, (
                        "a declaration under a condition; declare it always,"
                        " bindings read the header without one")


def _markers(source, header):
    """What is not marked is not exported."""
    for statement in source.statements:
        is_function = re.match(r"(?!typedef\b|struct\b|enum\b)[^{]*\(",
                               statement.text)
        if is_function and not statement.text.startswith("NCP_API "):
            yield statement.line, "a function without NCP_API; write it first"


def _names(source, header):
    for item in header.items:
        prefix = "NCP_" if isinstance(item, model.Macro) else "ncp_"
        if not item.name.startswith(prefix):
            yield item.line, f"{item.name} begins with {prefix}; rename it"
    for enum in header.enums:
        for value in enum.values:
            if not value.name.startswith("NCP_"):
                yield value.line, f"{value.name} begins with NCP_; rename it"


def _documented(source, header):
    for item in header.items:
        doc = item.doc or model.Doc()
        if not isinstance(item, model.Macro) \
                and not (doc.text or doc.returns or doc.params):
            yield item.line, (f"{item.name} is not documented; write"
                              " /** ... */ directly before it")


def _since(source, header):
    for item in header.functions:
        since = item.doc.since if item.doc else ""
        if not re.fullmatch(r"\d+\.\d+", since):
            yield item.line, (f"{item.name} does not say since when; write"
                              " @since MAJOR.MINOR")


def _results(source, header):
    """A function that returns an int says which ones: with a tag, or because
    its description is the value, refers to another one or names an error."""
    for item in header.functions:
        doc = item.doc or model.Doc()
        if doc.errors and item.returns != "int":
            yield item.line, f"{item.name} returns no status; drop @errors"
        if item.returns != "int" or doc.errors or doc.returns:
            continue
        said = " ".join(doc.text)
        if not re.match(r"The |-?\d", said) and not LIKE.search(said) \
                and not CODE.search(said):
            yield item.line, (f"{item.name} does not say what it returns;"
                              " write @errors or @returns")


def _parameters(source, header):
    for item in header.functions:
        known = {parameter.name for parameter in item.parameters}
        for name in (item.doc.params if item.doc else {}):
            if name not in known:
                yield item.line, f"{item.name} has no parameter {name}; drop" \
                                 " @param or correct its name"
        if "out" in known and item.parameters[-1].name != "out":
            yield item.line, f"{item.name}: results come last; move `out`"


def _references(source, header, known):
    """Comments name only what there is."""
    known |= header.names
    for comment in source.comments:
        text = re.sub(r'"[^"\n]*"', " ", comment.text)  # a quoted name is text
        for found in re.finditer(r"\bNCP_[A-Z0-9_]*[A-Z0-9]\b(?!\*)"
                                 r"|\bncp_\w+(?=\(\))", text):
            if found.group() not in known:
                line = comment.line + text.count("\n", 0, found.start())
                yield line, f"there is no {found.group()}; correct its name"


def _values(source, header):
    seen = {}
    for enum in header.enums:
        values = {}
        for value in enum.values:
            if value.value in values:
                yield value.line, (f"{value.name} has the value of"
                                   f" {values[value.value]}; values are never"
                                   " reused, take the next one")
            values[value.value] = value.name
            if value.name in seen:
                yield value.line, f"{value.name} is there already; rename it"
            seen[value.name] = value
