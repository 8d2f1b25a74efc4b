"""Types, lint, and the abi3 promise."""
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

import netconnpool

FOLDERS = ("python", "tests/python", "tests/bench/python")


def test_mypy_is_strict_and_content(source, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", tmp_path],
        cwd=source, capture_output=True, text=True, check=False)
    if "No module named mypy" in done.stderr:
        if os.environ.get("NCP_REQUIRE_TOOLS"):
            pytest.fail("mypy is not installed")
        pytest.skip("mypy is not installed")
    assert done.returncode == 0, done.stdout + done.stderr


USER = '''
import logging
import socket
import ssl

from netconnpool import (Connection, ConnectFailed, ManualClock, Pool, PoolTimeout,
                         Protocol, Stats)


class Client:
    def ask(self) -> str:
        return ""


def dial() -> Client:
    return Client()


def hello(client: Client) -> None:
    client.ask()


pool = Pool(dial, max_connections=5, get_timeout=None, idle_timeout="5m0s",
            on_borrow=hello, clock=ManualClock(), logger=logging.getLogger())
reveal_type(pool)
with pool.connection(timeout=2.0) as conn:
    reveal_type(conn)
    text: str = conn.raw.ask()
    anything = conn.ask()
lent: Connection[Client] = pool.getconn(protocol=Protocol.TCP, ip="4")
pool.putconn(lent, discard=True)
stats: Stats = pool.stats()
share: float = stats.utilization
reveal_type(Pool("tcp://localhost:80"))
Pool(dial, max_connections="many", no_such_option=1)
Pool(dial, max_connections=[])
'''


def test_a_program_that_uses_it_is_checked(source, tmp_path):
    """py.typed works, generics are inferred, and mistakes are found."""
    if subprocess.run([sys.executable, "-c", "import mypy"], check=False).returncode:
        pytest.skip("mypy is not installed")
    (tmp_path / "user.py").write_text(USER)
    package = pathlib.Path(netconnpool.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", os.devnull,
         "--enable-incomplete-feature=Unpack", "--cache-dir", tmp_path / "cache",
         "user.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "MYPYPATH": str(package)})
    lines = [line for line in done.stdout.splitlines() if line.startswith("user.py")]
    text = "\n".join(lines)
    assert 'type is "netconnpool.pool.Pool[user.Client]"' in text
    assert 'type is "netconnpool.connection.Connection[user.Client]"' in text
    assert 'type is "netconnpool.pool.Pool[socket.socket]"' in text
    found = [line for line in lines if ": error:" in line]
    wanted = {number for number, line in enumerate(USER.splitlines(), 1)
              if "no_such_option" in line or "[])" in line}
    assert {int(line.split(":")[1]) for line in found} == wanted, text


def test_ruff_is_content(source):
    """Not in the distribution: from the path, or from a package index."""
    ruff = os.environ.get("NCP_RUFF") or shutil.which("ruff")
    if ruff is None:
        pytest.skip("NOT RUN: ruff is not installed; test_packaging runs it when "
                    "a package index is reachable")
    done = subprocess.run([ruff, "check", *FOLDERS], cwd=source, capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stdout


# What every Python from 3.10 on promises to have, and we use besides what CFFI
# itself uses: the limited API, as far as the linker can tell.
def test_the_modules_use_only_the_stable_abi(source, need):
    package = pathlib.Path(netconnpool.__file__).parent
    for module in package.glob("*.abi3.so"):
        done = subprocess.run([need("nm"), "-D", "--undefined-only", module],
                              capture_output=True, text=True, check=True)
        names = [line.split()[-1].split("@")[0] for line in done.stdout.splitlines()]
        private = [name for name in names if name.startswith("_Py")
                   and name not in STABLE_THOUGH_PRIVATE]
        assert not private, (module.name, private)


STABLE_THOUGH_PRIVATE = {
    "_Py_Dealloc", "_Py_NoneStruct", "_Py_TrueStruct", "_Py_FalseStruct",
    "_PyArg_ParseTuple_SizeT", "_PyObject_CallMethod_SizeT", "_PyObject_GC_New"}


def test_only_the_entry_points_are_exported(need):
    package = pathlib.Path(netconnpool.__file__).parent
    for module in package.glob("*.abi3.so"):
        done = subprocess.run([need("nm"), "-D", "--defined-only", module],
                              capture_output=True, text=True, check=True)
        names = [line.split()[-1] for line in done.stdout.splitlines()]
        assert names == [f"PyInit_{module.name.split('.')[0]}"]
