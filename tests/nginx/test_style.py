"""What is written in Lua here is clean."""
import server


def test_luacheck_finds_nothing(need, run):
    said = run(need("luacheck"), "--config", server.SOURCE / "lua/.luacheckrc",
               "--std", "ngx_lua", "--no-color", "-q",
               server.SOURCE / "lua/lib/resty", server.SOURCE / "tests/nginx/lua",
               server.SOURCE / "tests/runners/nginx",
               server.SOURCE / "examples/nginx")
    assert "0 warnings / 0 errors" in said
