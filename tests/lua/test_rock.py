"""`luarocks make` into a fresh tree, from a copy of the checkout, without a network;
and what was installed, as a user finds it."""
import os
import shutil
import subprocess

import pytest

LEFT_OUT = shutil.ignore_patterns(".git", "build*", "__pycache__", "*.o", "*.so")
NOWHERE = {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy")}


@pytest.fixture(scope="module")
def tree(run, need, source, tmp_path_factory):
    luarocks = need("luarocks")
    need("cmake")
    need("luajit")
    folder = tmp_path_factory.mktemp("rock")
    shutil.copytree(source, folder / "checkout", ignore=LEFT_OUT)
    run(luarocks, "--lua-version", "5.1", "--tree", folder / "tree", "make",
        "lua/netconnpool-scm-1.rockspec", cwd=folder / "checkout",
        env={**os.environ, **NOWHERE, "HOME": str(folder)})
    return folder / "tree"


def lua(tree, *arguments):
    environment = {key: value for key, value in os.environ.items()
                   if key not in ("NETCONNPOOL_LIBRARY", "LD_LIBRARY_PATH")}
    environment["LUA_PATH"] = f"{tree}/share/lua/5.1/?.lua;;"
    environment["LUA_CPATH"] = f"{tree}/lib/lua/5.1/?.so;;"
    return subprocess.run(["luajit", *arguments], env=environment, text=True,
                          capture_output=True, check=False, timeout=60, cwd=tree)


def test_it_installs_the_modules_and_the_library_and_nothing_else(tree):
    modules = {str(path.relative_to(tree / "share/lua/5.1"))
               for path in (tree / "share/lua/5.1").rglob("*") if path.is_file()}
    assert {"netconnpool.lua", "netconnpool/machine.lua",
            "resty/netconnpool.lua"} <= modules
    assert all(name.endswith(".lua") for name in modules)
    libraries = [path for path in (tree / "lib/lua").rglob("*") if path.is_file()]
    assert libraries == [tree / "lib/lua/5.1/netconnpool/libnetconnpool.so"]
    assert not (tree / "include").exists()


def test_a_program_finds_it_and_borrows(tree):
    done = lua(tree, "-e", """
        local netconnpool = require("netconnpool")
        assert(netconnpool.library_name:find("libnetconnpool.so$"))
        local listener, port = nil, 21000
        repeat
            port = port + 1
            listener = netconnpool.listen("tcp://127.0.0.1:" .. port)
        until listener
        local pool = assert(netconnpool.new({target = "tcp://127.0.0.1:" .. port}))
        assert(pool:with(function(conn) return conn:send("hello") end) == 5)
        pool:close()
        io.write("borrowed")
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "borrowed", "")


def test_the_checkout_is_left_clean(tree):
    checkout = tree.parent / "checkout"
    left = [path.name for path in checkout.iterdir()
            if path.name not in ("build.luarocks",)]
    assert "netconnpool-scm-1.rockspec" not in left
    assert not list((checkout / "lua").rglob("*.so"))
