"""The core as one file: what is put together, and what comes out."""
import genfiles
import pytest

from ncpgen import amalgam, names

CORE = genfiles.ROOT / "go" / "netconnpool_core.c"
STRICT = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror",
          "-pthread", "-fvisibility=hidden"]


def core(folder, files):
    """A core of a few files."""
    for part in amalgam.PARTS:
        (folder / part).mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return amalgam.text(folder)


def code(text):
    """The lines that are no comments and not empty."""
    return [line for line in names.blank(text).splitlines() if line.strip()]


@pytest.mark.parametrize("text, found", [
    ("static int a;", ["a"]),
    ("static const char *const a[] = {\"x\", \"y\"};", ["a"]),
    ("static int a(int b)\n{\n    static int c;\n    return b + c;\n}", ["a"]),
    ("static struct a *b(void);", ["b"]),
    ("static int (*a)(int);", ["a"]),
    ("static int (*const a[])(int) = {b};", ["a"]),
    ("struct a {\n    int b;\n};", ["a"]),
    ("enum a { B = 1, C = (1 << 2), D };", ["a", "B", "C", "D"]),
    ("enum { B = sizeof(int) };", ["B"]),
    ("typedef int a;\ntypedef void (*b)(int);", ["a", "b"]),
    ("typedef struct {\n    int x;\n} a;", ["a"]),
    ("int a(void)\n{\n    return 0;\n}", []),
    ("static void a(void)\n{\n    char c = '{';\n    b(\"}\", c); /* } */\n}\n"
     "static int d;", ["a", "d"]),
    ("#define A(x) \\\n    static int x;\nstatic int b;", ["b"]),
])
def test_private_names_are_found(text, found):
    assert names.private(text) == found


def test_a_name_that_two_files_use_is_made_unique(tmp_path):
    text = core(tmp_path, {
        "engine/a.c": "static int f(void)\n{\n    return 1;\n}\n"
                      "int ncp__a(void)\n{\n    return f();\n}\n",
        "pool/b.c": "static int f(int x)\n{\n    return x;\n}\n"
                    "static int g(void)\n{\n    return f(2);\n}\n"})
    assert "static int f__engine_a(void)" in text
    assert "return f__engine_a();" in text
    assert "static int f__pool_b(int x)" in text
    assert "static int g(void)" in text  # only one file has it


def test_fields_comments_and_texts_are_not_renamed():
    assert names.rename('f(x.f, p->f, "f", \'f\'); /* f */', ["f"], "_1") \
        == 'f_1(x.f, p->f, "f", \'f\'); /* f */'


def test_a_header_is_there_once_and_after_those_it_needs(tmp_path):
    text = core(tmp_path, {
        "engine/base.h": "typedef int base;\n",
        "engine/more.h": '#include "engine/base.h"\n\ntypedef base more;\n',
        "engine/a.c": '#include "engine/more.h"\n\nmore ncp__a;\n',
        "pool/b.c": '#include "engine/base.h"\n\nbase ncp__b;\n'})
    assert code(text) == ["typedef int base;", "typedef base more;",
                          "more ncp__a;", "base ncp__b;"]


def test_macros_of_a_file_end_with_it(tmp_path):
    text = core(tmp_path, {
        "engine/a.c": "#define SIZE 1\nint ncp__a = SIZE;\n",
        "pool/b.c": "#define SIZE 2\nint ncp__b = SIZE;\n"})
    assert text.count("#undef SIZE") == 2


def test_macros_of_a_header_stay(tmp_path):
    text = core(tmp_path, {
        "engine/base.h": "#define NCP__SIZE 1\n",
        "engine/a.c": '#include "engine/base.h"\nint ncp__a = NCP__SIZE;\n'})
    assert "#undef" not in text


@pytest.mark.parametrize("compiler, optimize", [("gcc", "-O2"),
                                                ("clang", "-O1")])
def test_the_core_compiles_alone_without_a_warning(run, need, tmp_path,
                                                   compiler, optimize):
    run(need(compiler), *STRICT, optimize, "-c", CORE, "-o",
        tmp_path / "core.o", cwd=tmp_path)


def test_it_compiles_where_there_is_no_linux(run, cc, tmp_path):
    run(cc, *STRICT, "-U__linux__", "-fsyntax-only", CORE, cwd=tmp_path)


def test_go_is_told_when_to_compile_it():
    first = CORE.read_text().split("\n", 1)[0]
    assert first == "//go:build cgo && !netconnpool_system"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory, run, cc):
    place = tmp_path_factory.mktemp("core") / "core.o"
    run(cc, *STRICT, "-O0", "-fPIC", "-c", CORE, "-o", place)
    return place


def test_nothing_of_it_is_seen_from_outside(run, cc, compiled, tmp_path):
    run(cc, "-shared", "-pthread", compiled, "-o", tmp_path / "libcore.so")
    lines = run("nm", "-D", "--defined-only", tmp_path / "libcore.so")
    assert [line for line in lines.splitlines() if "ncp" in line] == []


def test_it_defines_every_function_of_the_model(run, compiled):
    lines = run("nm", "-g", "--defined-only", compiled).splitlines()
    defined = {line.split()[-1] for line in lines}
    assert {item["name"] for item in genfiles.api()["functions"]} <= defined
    assert [name for name in defined if not name.startswith("ncp_")] == []
