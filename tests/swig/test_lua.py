"""The module for PUC Lua: each file of lua/ is a program of its own, beside an
echo server."""
import os
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).with_name("lua")
BUILD = pathlib.Path(os.environ["NCP_BUILD_DIR"])
MODULE = BUILD / "bindings/swig/lua"
ECHO = BUILD / "examples/ncp-echo"
LIMIT = 150  # seconds


def environment():
    return {**os.environ,
            "LUA_PATH": f"{HERE}/?.lua;{MODULE}/?.lua;;",
            "LUA_CPATH": f"{MODULE}/?.so;;"}


def call(run, *command):
    return run(*command, env=environment(), timeout=LIMIT)


@pytest.mark.parametrize("name", ["pull", "push", "misuse", "gc"])
def test_lua(name, run, need):
    printed = call(run, ECHO, need("lua5.4"), HERE / f"{name}.lua", "{tcp}",
                   "{udp}")
    assert printed.endswith(" 0 failed\n"), printed


def test_connections_of_luasocket(run, need):
    lua = need("lua5.4")
    try:
        call(run, lua, "-e", "require('socket')")
    except pytest.fail.Exception:
        if os.environ.get("NCP_REQUIRE_TOOLS"):
            raise
        pytest.skip("LuaSocket is not installed")
    call(run, ECHO, lua, HERE / "luasocket.lua", "{tcp}", "{udp}")


@pytest.mark.parametrize("name", ["pull", "misuse", "gc"])
def test_memory_is_used_as_it_may_be(name, run, need):
    call(run, ECHO, need("valgrind"), "-q", "--error-exitcode=9",
         need("lua5.4"), HERE / f"{name}.lua", "{tcp}", "{udp}")


def test_luacheck_has_nothing_to_say(run, need, source):
    run(need("luacheck"), "--no-config", "--std", "lua54",
        "--max-line-length", "90", HERE, source / "bindings/swig/lua")


ENDINGS = [
    "pool:get()",
    "os.exit(0)",
    "os.exit(0, true)",
    "pool:get() pool:free() os.exit(0, true)",
    "error('on purpose')",
]


@pytest.mark.parametrize("last", ENDINGS)
def test_a_program_ends_whatever_is_still_open(last, run, need, tmp_path):
    script = tmp_path / "ends.lua"
    script.write_text(f"""
        local ncp = require("ncp")
        local queue = ncp.queue()
        pulled = ncp.pool{{target = arg[1], driver = "pull", queue = queue}}
        pulled:acquire{{queue = queue}}
        pool = ncp.pool{{target = arg[1], min_connections = 3}}
        assert(pool:get())
        print("so far")
        {last}
        """)
    for _ in range(10):
        done = subprocess.run([ECHO, need("lua5.4"), script, "{tcp}"],
                              env=environment(), timeout=LIMIT, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert done.stdout == "so far\n", done.stderr
        assert done.returncode == (1 if "error" in last else 0)
