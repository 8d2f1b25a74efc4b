-- Prints the facts of the header as LuaJIT sees them.
-- luajit luajit_facts.lua DECLARATIONS LIBRARY QUESTIONS
local ffi = require("ffi")

local function read(path)
    local file = assert(io.open(path))
    local text = file:read("*a")
    file:close()
    return text
end

ffi.cdef(read(arg[1]))
local lib = ffi.load(arg[2])

for line in read(arg[3]):gmatch("[^\n]+") do
    local kind, name = line:match("^(%S+) (%S+)$")
    if kind == "const" then
        print(kind, name, tonumber(lib[name]))
    elseif kind == "sizeof" then
        print(kind, name, ffi.sizeof(name))
    elseif kind == "offset" then
        local struct, field = name:match("^(.*)%.(.*)$")
        print(kind, name, ffi.offsetof(struct, field))
    elseif kind == "function" then
        assert(lib[name] ~= nil)
    else
        error("unknown question: " .. line)
    end
end
print("call", "ncp_version", lib.ncp_version())
print("call", "ncp_status_text",
    ffi.string(lib.ncp_status_text(lib.NCP_ETIMEOUT)))
