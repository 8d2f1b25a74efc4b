"""What is generated for Python: the module compiles, runs with old and new
CFFI, and is what its types say."""
import ast
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig

import genfiles
import pytest

from ncpgen import emit, project as projects
from ncpgen.writers import python

FOLDER = genfiles.ROOT / python.FOLDER
# Prints, from the compiled module: the CFFI that runs it, every constant, every
# function with the number of its arguments.
PROBE = """
import sys
sys.path.insert(0, sys.argv[1])
import _cffi_backend
from netconnpool._ffi import ffi, lib
print(_cffi_backend.__version__)
for name in dir(lib):
    value = getattr(lib, name)
    if isinstance(value, int):
        print("constant", name, value)
    else:
        kind = ffi.typeof(value) if isinstance(value, ffi.CData) \\
            else ffi.typeof(ffi.addressof(lib, name))
        print("callback" if isinstance(value, ffi.CData) else "function", name,
              len((kind.item if kind.kind == "pointer" else kind).args))
print("sizeof", "ncp_event", ffi.sizeof("ncp_event"))
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory, run, cc, library):
    """A folder with the compiled module in it."""
    include = pathlib.Path(sysconfig.get_paths()["include"])
    if not (include / "Python.h").exists():
        if os.environ.get("NCP_REQUIRE_TOOLS"):
            pytest.fail("Python.h is not installed")
        pytest.skip("Python.h is not installed")
    folder = tmp_path_factory.mktemp("package")
    (folder / "netconnpool").mkdir()
    (folder / "netconnpool" / "__init__.py").touch()
    run(cc, "-std=gnu11", "-O0", "-Wall", "-Wextra", "-Werror", "-fPIC",
        "-shared", "-pthread", "-DPy_LIMITED_API=0x030A0000",
        f"-I{include}", f"-I{genfiles.ROOT}/core/include",
        genfiles.ROOT / python.SOURCE, library,
        f"-Wl,-rpath,{library.parent}", "-o",
        folder / "netconnpool" / "_ffi.abi3.so")
    return folder


@pytest.fixture(scope="module")
def pinned(tmp_path_factory):
    """A folder with the CFFI that wrote the source."""
    folder = tmp_path_factory.mktemp("cffi") / "site"
    if emit.CACHE.joinpath(f"cffi-{emit.pinned()}").exists():
        return emit.CACHE / f"cffi-{emit.pinned()}"
    if not emit.install(folder):
        pytest.skip(f"NOT RUN: cffi {emit.pinned()} cannot be fetched")
    return folder


def probe(package, path=None):
    environment = dict(os.environ)
    if path:
        environment["PYTHONPATH"] = str(path)
    done = subprocess.run([sys.executable, "-c", PROBE, str(package)], text=True,
                          capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr
    version, *lines = done.stdout.splitlines()
    return version, [tuple(line.split()) for line in lines]


@pytest.fixture(scope="module")
def told(package):
    return probe(package)[1]


def test_constants_are_those_of_the_model(told):
    api = genfiles.api()
    expected = {value["name"]: value["value"] for enum in api["enums"]
                for value in enum["values"]}
    expected.update({macro["name"]: macro["value"] for macro in api["macros"]})
    found = {name: int(value) for kind, name, value in told
             if kind == "constant" and not name.startswith("NCP_PY_")}
    assert found == expected


def test_functions_are_those_of_the_model(told):
    expected = {item["name"]: len(item["parameters"])
                for item in genfiles.api()["functions"]}
    found = {name: int(count) for kind, name, count in told
             if kind == "function" and not name.startswith("ncp_py_")}
    assert found == expected


def stub():
    """(names of constants and callbacks, {function: number of arguments}) of
    _ffi.pyi."""
    tree = ast.parse((FOLDER / "_ffi.pyi").read_text())
    lib = next(node for node in tree.body
               if isinstance(node, ast.ClassDef) and node.name == "_Lib")
    names = {node.target.id for node in lib.body
             if isinstance(node, ast.AnnAssign)}
    functions = {node.name: len(node.args.posonlyargs) - 1 for node in lib.body
                 if isinstance(node, ast.FunctionDef)}
    return names, functions


def test_types_are_those_of_the_module(told):
    names, functions = stub()
    assert names == {name for kind, name, _ in told
                     if kind in ("constant", "callback")}
    assert functions == {name: int(count) for kind, name, count in told
                         if kind == "function"}


def test_module_runs_with_the_cffi_that_wrote_it(package, pinned, told):
    version, lines = probe(package, pinned)
    assert version == emit.pinned()
    assert lines == told


def test_source_is_what_the_pinned_cffi_writes(pinned):
    project = projects.load(genfiles.ROOT)
    made = emit.source("netconnpool._ffi", python.cdef(project),
                       python.preamble(project), False, pinned)
    assert python.stamp(project, emit.pinned()) + made \
        == (genfiles.ROOT / python.SOURCE).read_text()


def test_stamp_tells_of_other_declarations():
    project = projects.load(genfiles.ROOT)
    before = python.stamp(project, emit.pinned())
    project.header.items.pop()
    assert python.stamp(project, emit.pinned()) != before


def test_declarations_that_cffi_does_not_take_are_refused(pinned):
    with pytest.raises(emit.Rejected, match="CDefError.*int ncp_wrong"):
        emit.source("x", "int ncp_right(void);\nint ncp_wrong(]);", "", False,
                    pinned)


def test_constants_of_python_are_those_of_the_model():
    sys.path.insert(0, str(FOLDER))
    try:
        import _constants
    finally:
        sys.path.pop(0)
    api = genfiles.api()
    values = {value["name"]: value["value"] for enum in api["enums"]
              for value in enum["values"]}
    values.update({macro["name"]: macro["value"] for macro in api["macros"]})
    assert _constants.CONSTANTS == values
    assert {status.value: text
            for status, text in _constants.STATUS_TEXTS.items()} == \
        {row["value"]: row["text"] for row in api["library"]["statuses"]}
    assert {name: option.value for name, option in _constants.OPTIONS.items()} \
        == {row["name"]: row["value"] for row in api["library"]["options"]}
    assert _constants.Flag.TRY | _constants.Flag.DIALS == 3
    assert _constants.Reason.LEAKED.name == "LEAKED"


def test_types_are_clean(run, tmp_path):
    if importlib.util.find_spec("mypy") is None:
        if os.environ.get("NCP_REQUIRE_TOOLS"):
            pytest.fail("mypy is not installed")
        pytest.skip("mypy is not installed")
    for name in ("_ffi.pyi", "_constants.py"):  # without what uses them
        shutil.copy(FOLDER / name, tmp_path / name)
    run(sys.executable, "-m", "mypy", "--strict", "--python-version", "3.10",
        "_ffi.pyi", "_constants.py", cwd=tmp_path)
