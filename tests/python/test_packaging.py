"""The wheel and the source distribution, as a user gets them.

This needs a package index for the build back end. Where none can be reached that
is said, and nothing here runs; the package itself is tested without it.
"""
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest

import netconnpool

NOT_RUN = ("NOT RUN: no package index can be reached, so neither the wheel nor the "
           "source distribution was built. Everything else was tested.")
PIP = ("--disable-pip-version-check", "--retries", "0", "--timeout", "10")
QUICK = """
import netconnpool, socket, sys, threading
server = socket.create_server(("127.0.0.1", 0))
def echo():
    conn, _ = server.accept()
    conn.sendall(conn.recv(100))
    conn.close()
threading.Thread(target=echo, daemon=True).start()
host, port = server.getsockname()
with netconnpool.Pool(f"tcp://{host}:{port}", min_connections=0) as pool:
    with pool.connection(timeout=10) as conn:
        conn.sendall(b"hello")
        assert conn.recv(100) == b"hello"
assert netconnpool.__file__.startswith(sys.prefix), netconnpool.__file__
print(netconnpool.__version__)
"""


def call(*command, **options):
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("PYTHONPATH", "DESTDIR")}
    done = subprocess.run(
        [str(part) for part in command], stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False,
        env={**environment, **options.pop("env", {})}, **options)
    text = " ".join(map(str, command))
    assert done.returncode == 0, f"{text}\n{done.stdout}"
    return done.stdout


def venv(path):
    call(sys.executable, "-m", "venv", path)
    return path / "bin"


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """An environment with the build back end."""
    path = tmp_path_factory.mktemp("tools")
    tools = venv(path / "venv")
    done = subprocess.run(
        [tools / "pip", "install", "-q", *PIP, "scikit-build-core", "build"],
        capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"\n{NOT_RUN}\n{done.stderr}", file=sys.__stderr__)
        pytest.skip(NOT_RUN)
    return tools


@pytest.fixture(scope="module")
def checkout(tmp_path_factory, source):
    """What git knows of this checkout: nothing is written into it."""
    path = tmp_path_factory.mktemp("checkout")
    done = subprocess.run(["git", "-C", source, "ls-files", "-z"],
                          capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip("this is not a checkout")
    for name in filter(None, done.stdout.decode().split("\0")):
        if (source / name).is_file():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, path / name)
    return path


@pytest.fixture(scope="module")
def sdist(tools, checkout, tmp_path_factory):
    out = tmp_path_factory.mktemp("sdist")
    call(tools / "python", "-m", "build", "--sdist", "--no-isolation", "--outdir", out,
         checkout)
    return next(out.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(tools, sdist, tmp_path_factory):
    """Built from the source distribution, with nothing from outside."""
    out = tmp_path_factory.mktemp("wheel")
    call(tools / "pip", "wheel", "-q", *PIP, "--no-index", "--no-build-isolation",
         "--no-deps", "-w", out, sdist)
    return next(out.glob("*.whl"))


def test_the_source_distribution_has_what_a_build_needs_and_no_more(sdist):
    with tarfile.open(sdist) as tar:
        names = {name.split("/", 1)[1] for name in tar.getnames() if "/" in name}
    for needed in ("CMakeLists.txt", "LICENSE", "pyproject.toml", "docs/python.md",
                   "core/include/netconnpool.h", "core/src/engine/engine.c",
                   "python/netconnpool/_ffi.c", "python/netconnpool/_lease.c",
                   "python/netconnpool/_lease.h", "python/netconnpool/_puller.c",
                   "python/netconnpool/_places.c", "python/netconnpool/_places.h",
                   "python/netconnpool/py.typed", "python/CMakeLists.txt"):
        assert needed in names
    folders = {name.split("/")[0] for name in names if "/" in name}
    assert folders <= {"core", "docs", "python"}
    assert sdist.name == f"netconnpool-{netconnpool.__version__}.tar.gz"


def test_the_wheel_is_one_for_every_python_from_3_10_on(wheel):
    version = re.escape(netconnpool.__version__)
    assert re.fullmatch(rf"netconnpool-{version}-cp310-abi3-\w+\.whl", wheel.name)
    names = set(zipfile.ZipFile(wheel).namelist())
    for needed in ("_ffi.abi3.so", "_lease.abi3.so", "_ffi.pyi", "_lease.pyi",
                   "py.typed", "__init__.py", "pool.py"):
        assert f"netconnpool/{needed}" in names
    assert not [name for name in names if name.endswith((".c", ".h", ".txt", ".map"))
                and "dist-info" not in name]
    top = {name.split("/")[0] for name in names}
    assert top == {"netconnpool", f"netconnpool-{netconnpool.__version__}.dist-info"}


def test_the_wheel_works_in_a_fresh_environment(wheel, tmp_path):
    fresh = venv(tmp_path / "venv")
    call(fresh / "pip", "install", "-q", *PIP, wheel)
    assert call(fresh / "python", "-c", QUICK, cwd=tmp_path).strip() == (
        netconnpool.__version__)


def test_the_tests_pass_with_the_wheel_and_the_newest_cffi(wheel, source, tmp_path):
    fresh = venv(tmp_path / "venv")
    call(fresh / "pip", "install", "-q", *PIP, "-U", wheel, "cffi", "pytest")
    text = call(fresh / "python", "-B", "-m", "pytest", "-q", "-p",
                "no:cacheprovider", source / "tests/python/test_pool.py",
                source / "tests/python/test_hooks.py",
                source / "tests/python/test_connection.py", cwd=tmp_path)
    assert " passed" in text


def test_pip_installs_the_checkout(tools, checkout, tmp_path):
    fresh = venv(tmp_path / "venv")
    call(fresh / "pip", "install", "-q", *PIP, ".", cwd=checkout)
    call(fresh / "python", "-c", QUICK, cwd=tmp_path)


# What a later version finds is for the day on which the number is raised.
TOOLS = {"ruff": "0.17.6", "mypy": "2.4.1", "abi3audit": ""}


def install_tool(tools, name):
    wanted = f"{name}=={TOOLS[name]}" if TOOLS[name] else name
    done = subprocess.run([tools / "pip", "install", "-q", *PIP, wanted],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"NOT RUN: {name} cannot be installed")
    return tools / name


def test_ruff_is_content(tools, source):
    ruff = install_tool(tools, "ruff")
    call(ruff, "check", "--no-cache", "python", "tests/python", "tests/bench/python",
         cwd=source)


def test_a_recent_mypy_is_content(tools, source, tmp_path):
    mypy = install_tool(tools, "mypy")
    call(tools / "pip", "install", "-q", *PIP, "types-cffi==2.1.0.20260827")
    call(mypy, "--cache-dir", tmp_path, cwd=source)


def test_the_stable_abi_is_kept(tools, wheel):
    audit = install_tool(tools, "abi3audit")
    call(audit, "--strict", wheel)
