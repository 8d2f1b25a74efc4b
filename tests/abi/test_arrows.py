"""Dependencies point one way: engine <- pool <- everything else of the core,
and nobody outside sees a private header."""
import pathlib
import re

import pytest

# Which folders of core/src a folder may include, besides itself.
ALLOWED = {
    "engine": set(),
    "pool": {"engine"},
}
OTHERS = {"engine", "pool"}  # for net, json and every later part
# Who outside the core may see private headers.
INSIDERS = ("tests/unit/", "tests/fuzz/", "tests/fault/", "tests/stress/",
            "tests/instructions/", "tests/scaling/")
FOLDERS = ("core", "tests", "examples", "bindings", "python", "go", "lua")
SUFFIXES = {".c", ".h", ".cc", ".cpp", ".i", ".go"}


def includes(text):
    return re.findall(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', text,
                      flags=re.M)


def part_of(source, including, name):
    """The folder of core/src a quoted include names, or None."""
    for base in (including.parent, source / "core" / "src"):
        path = (base / name).resolve()
        if path.exists():
            try:
                inside = path.relative_to(source / "core" / "src")
            except ValueError:
                return None
            return inside.parts[0]
    return None


def violations(source):
    found = []
    for folder in FOLDERS:
        for path in sorted((source / folder).rglob("*")):
            if path.suffix not in SUFFIXES or not path.is_file():
                continue
            inside = path.relative_to(source).as_posix()
            for name in includes(path.read_text(errors="replace")):
                part = part_of(source, path, name)
                if part is None:
                    continue
                if inside.startswith("core/src/"):
                    own = pathlib.PurePosixPath(inside).parts[2]
                    allowed = ALLOWED.get(own, OTHERS) | {own}
                    if part not in allowed:
                        found.append(f"{inside} includes {name}")
                elif not inside.startswith(INSIDERS):
                    found.append(f"{inside} includes {name}")
    return found


def test_arrows_point_one_way(source):
    assert violations(source) == []


def test_there_is_something_to_check(source):
    parts = {path.parent.name for path in (source / "core/src").rglob("*.c")}
    assert {"engine", "pool", "net"} <= parts


@pytest.mark.parametrize("path, include", [
    ("core/src/engine/a.c", "pool/p.h"),
    ("core/src/engine/a.c", "../net/n.h"),
    ("core/src/pool/a.c", "net/n.h"),
    ("core/src/net/a.c", "json/j.h"),
    ("tests/runners/a.c", "engine/e.h"),
    ("examples/a/a.c", "../../core/src/pool/p.h"),
    ("python/a.c", "pool/p.h"),
])
def test_a_wrong_arrow_is_noticed(tmp_path, path, include):
    tree(tmp_path, path, include)
    assert violations(tmp_path) == [f"{path} includes {include}"]


@pytest.mark.parametrize("path, include", [
    ("core/src/pool/a.c", "engine/e.h"),
    ("core/src/net/a.c", "pool/p.h"),
    ("core/src/net/a.c", "n.h"),
    ("tests/unit/a.c", "engine/e.h"),
    ("examples/a/a.c", "own.h"),
])
def test_a_right_arrow_is_accepted(tmp_path, path, include):
    tree(tmp_path, path, include)
    assert violations(tmp_path) == []


def tree(root, path, include):
    for header in ("engine/e.h", "pool/p.h", "net/n.h", "json/j.h"):
        file = root / "core" / "src" / header
        file.parent.mkdir(parents=True)
        file.write_text("")
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f'#include "{include}"\n')
