"""What is installed works without the build folder."""
import os
import pathlib

import pytest

BUILD = pathlib.Path(os.environ["NCP_BUILD_DIR"])
ECHO = BUILD / "examples/ncp-echo"

LUA = """
local ncp = require("ncp")
local pool <close> = assert(ncp.pool{target = arg[1], min_connections = 0})
local lease = assert(pool:get())
assert(ncp.fd_send(pool:lease_fd(lease), "hello"))
print(ncp.version_text(), assert(ncp.fd_receive(pool:lease_fd(lease), 5)))
assert(pool:put(lease))
"""
RUBY = """
require "ncp"
require "socket"
pool = Ncp::Pool.new(target: ARGV[0], min_connections: 0)
lease = pool.get
socket = Socket.for_fd(pool.lease_fd(lease))
socket.autoclose = false
socket.write("hello")
print Ncp.version_text, "\\t", socket.recv(5), "\\n"
pool.put(lease)
"""


@pytest.fixture
def install(run, need, tmp_path):
    def into(component):
        run(need("cmake"), "--install", BUILD, "--component", component,
            "--prefix", tmp_path / "there")
        files = {path.name for path in (tmp_path / "there").rglob("*")
                 if path.is_file()}
        return tmp_path / "there", files
    return into


def script(tmp_path, text):
    path = tmp_path / "script"
    path.write_text(text)
    return path


def test_lua(install, run, need, tmp_path):
    there, files = install("lua")
    assert files == {"ncp.lua", "ncp_core.so"}
    module = next(there.rglob("ncp_core.so")).parent
    source = next(there.rglob("ncp.lua")).parent
    assert module.parts[-2:] == ("lua", source.name), "one version of Lua"
    printed = run(ECHO, need("lua5.4"), script(tmp_path, LUA), "{tcp}",
                  env={**os.environ, "LUA_PATH": f"{source}/?.lua",
                       "LUA_CPATH": f"{module}/?.so"})
    assert printed.endswith("\thello\n")


def test_ruby(install, run, need, tmp_path):
    there, files = install("ruby")
    assert files == {"ncp.rb", "ncp.so"}
    printed = run(ECHO, need("ruby"), "-w", "-I",
                  next(there.rglob("ncp.rb")).parent, script(tmp_path, RUBY),
                  "{tcp}")
    assert printed.endswith("\thello\n")
