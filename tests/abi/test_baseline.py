"""The ABI is the one that was written down."""
import os
import pathlib
import subprocess

import ncpheader
import pytest

HERE = pathlib.Path(__file__).parent
BASELINE = HERE / "netconnpool-0.1.abi"
CONSTANTS = HERE / "netconnpool-0.1.facts"
HINT = "If that is meant: bash tests/abi/update.sh"


@pytest.fixture(autouse=True)
def comparable(need):
    need("abidiff")
    need("abidw")
    if (os.environ.get("NCP_BUILD_TYPE") not in ("Debug", "RelWithDebInfo")
            or "clang" in os.environ.get("NCP_CC", "")):
        pytest.skip("the baseline is that of gcc with debug information")


def dump(run, library, output):
    run("bash", "-c", '. "$0"; ncp_abi_dump "$@"', HERE / "baseline.sh",
        library, ncpheader.INCLUDE, output)


def abidiff(old, new):
    return subprocess.run(
        ["abidiff", "--headers-dir1", str(ncpheader.INCLUDE),
         "--headers-dir2", str(ncpheader.INCLUDE),
         str(old), str(new)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_abi_equals_the_baseline(library):
    done = abidiff(BASELINE, library)
    assert done.returncode == 0, f"{done.stdout}\n{HINT}"


def test_constants_equal_the_baseline(facts):
    # An enumeration that no signature names leaves no trace in a library.
    now = [fact for fact in facts if not fact.startswith("call ")]
    assert now == CONSTANTS.read_text().splitlines(), HINT


def test_baseline_holds_the_whole_header():
    text = BASELINE.read_text()
    missing = [name for name in ncpheader.names()
               if f"<elf-symbol name='{name}'" not in text]
    assert missing == []
    assert "ncp__" not in text
    assert "path='/" not in text


PROBE = """
#include "netconnpool.h"
{definition}
"""


def probe(run, tmp_path, name, definition):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "probe.c").write_text(PROBE.format(definition=definition))
    run("gcc", "-g", "-shared", "-fPIC", f"-I{ncpheader.INCLUDE}", "-o",
        folder / "probe.so", folder / "probe.c")
    dump(run, folder / "probe.so", folder / "probe.abi")
    return folder


@pytest.mark.parametrize("changed", [
    "int probe(int a, long b) { return a + (int)b; }",
    "int other(int a) { return a; }",
    "long probe(int a) { return a; }",
])
def test_a_changed_signature_is_noticed(run, tmp_path, changed):
    old = probe(run, tmp_path, "old", "int probe(int a) { return a; }")
    new = probe(run, tmp_path, "new", changed)
    assert abidiff(old / "probe.abi", old / "probe.so").returncode == 0
    assert abidiff(old / "probe.abi", new / "probe.so").returncode != 0
