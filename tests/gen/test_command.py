"""The command itself, on a copy of what it reads and writes."""
import os
import shutil
import subprocess
import sys

import genfiles
import pytest

# What it reads; the rest is what it writes.
READ = ["bindings/gen", "core/include", "core/src", "python/netconnpool/_glue.h",
        "python/netconnpool/_glue.cdef.txt", "python/netconnpool/_ffi.c"]
HEADER = "core/include/netconnpool.h"


@pytest.fixture
def copy(tmp_path):
    for name in READ:
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if (genfiles.ROOT / name).is_dir():
            shutil.copytree(genfiles.ROOT / name, place)
        else:
            shutil.copy(genfiles.ROOT / name, place)
    return tmp_path


def gen(root, *arguments):
    """(exit code, lines of output, text of complaints); no CFFI but the old one
    and no network."""
    environment = {**os.environ, "PIP_NO_INDEX": "1"}
    done = subprocess.run(
        [sys.executable, root / "bindings/gen/gen.py", *arguments],
        capture_output=True, text=True, env=environment)
    return done.returncode, done.stdout.splitlines(), done.stderr


def change(path, before, after):
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def test_what_is_committed_is_what_comes_out(copy):
    status, printed, complaints = gen(copy)
    assert (status, complaints) == (0, "")
    written = [line.removeprefix("wrote ") for line in printed]
    assert len(written) > 15
    for name in written:
        assert (copy / name).read_text() \
            == (genfiles.ROOT / name).read_text(), name
    assert gen(copy) == (0, [], "")  # nothing is written twice
    assert gen(copy, "--check") == (0, [], "")


def test_a_change_of_the_header_makes_stale_what_follows_from_it(copy):
    gen(copy)
    change(copy / HEADER, "int ncp_version(void);", "int ncp_version(int now);")
    change(copy / "core/src/pool/status.c", "int ncp_version(void)",
           "int ncp_version(int now)")
    change(copy / "core/src/pool/status.c", "return NCP_VERSION_MAJOR",
           "return 0 * now + NCP_VERSION_MAJOR")
    status, printed, complaints = gen(copy, "--check")
    assert (status, printed) == (1, [])
    for name in ("bindings/api.json", "python/netconnpool/_ffi.cdef.txt",
                 "python/netconnpool/_ffi.pyi", "lua/lib/netconnpool/cdef.lua",
                 "go/netconnpool.h", "go/netconnpool_core.c",
                 "bindings/swig/netconnpool_api.i",
                 "docs/reference/functions.md"):
        assert f"{name} is stale: run bindings/gen/gen.py" in complaints
    assert "python/netconnpool/_ffi.c is stale" in complaints
    for name in ("core/netconnpool.map", "lua/lib/netconnpool/constants.lua"):
        assert name not in complaints


def test_a_changed_file_is_stale_and_written_again(copy):
    gen(copy)
    change(copy / "go/zz_constants.go", "ncpEclosed = -1", "ncpEclosed = -2")
    status, _, complaints = gen(copy, "--check")
    assert status == 1
    assert complaints == ("go/zz_constants.go is stale: run bindings/gen/gen.py"
                          " and commit what it writes\n")
    assert gen(copy) == (0, ["wrote go/zz_constants.go"], "")


def test_the_rest_is_written_when_the_core_does_not_compile(copy):
    change(copy / "core/src/pool/status.c", "int ncp_version(void)",
           "int ncp_version(wrong)")
    status, printed, complaints = gen(copy)
    assert status == 1
    assert "the core does not compile" in complaints
    assert "wrote lua/lib/netconnpool/cdef.lua" in printed
    assert "wrote go/netconnpool_core.c" not in printed
    assert "wrote bindings/api.json" not in printed


def test_a_broken_rule_writes_nothing(copy):
    change(copy / HEADER, "NCP_ECLOSED = -1,", "NCP_ECLOSED,")
    status, printed, complaints = gen(copy)
    assert (status, printed) == (1, [])
    assert complaints.startswith(f"{HEADER}:")
    assert "NCP_ECLOSED has no value" in complaints


def test_it_takes_no_other_arguments(copy):
    status, _, complaints = gen(copy, "--chekc")
    assert status != 0
    assert "--check" in complaints
    assert gen(copy, "--coverage", "cobol")[2] == "no such language: cobol\n"
