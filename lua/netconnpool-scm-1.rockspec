rockspec_format = "3.0"
package = "netconnpool"
version = "scm-1"
source = {
    url = "git+https://github.com/netconnpool/netconnpool.git",
}
description = {
    summary = "A connection pool for LuaJIT programs and for nginx",
    detailed = [[
One connection pool, written in C, with the same behaviour in C, Python, Go and Lua:
limits, first come first served, deadlines, health checks, leaks, statistics. `require
"netconnpool"` is for plain LuaJIT, `require "resty.netconnpool"` for nginx with the Lua
module.]],
    license = "BSD-3-Clause",
}
-- LuaRocks counts LuaJIT as 5.1; the FFI of LuaJIT is needed.
dependencies = { "lua >= 5.1, < 5.2" }
build = {
    type = "cmake",
    variables = {
        NCP_LUAROCKS = "ON",
        NCP_LUA_DIR = "$(LUADIR)",
        NCP_LUA_LIBDIR = "$(LIBDIR)",
        NCP_BUILD_EXAMPLES = "OFF",
        NCP_BUILD_PYTHON = "OFF",
        NCP_BUILD_SWIG = "OFF",
        NCP_BUILD_TESTS = "OFF",
        NCP_INSTALL = "OFF",
        NCP_WITH_JSON = "OFF",
        CMAKE_BUILD_TYPE = "Release",
        CMAKE_INSTALL_PREFIX = "$(PREFIX)",
    },
}
