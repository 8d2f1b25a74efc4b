-- luacheck --config lua/.luacheckrc lua tests/lua tests/runners/lua tests/bench/lua
std = "luajit"
max_line_length = 90
codes = true
self = false -- methods of a host need not use it

files["**/resty/**"] = {std = "ngx_lua"}
files["**/*.rockspec"] = {std = "+rockspec"}
files["tests/lua"] = {std = "luajit+busted"}
