"""What is generated for LuaJIT agrees with the compiler."""
import genfiles

FOLDER = genfiles.ROOT / "lua" / "lib"
PROBE = """
package.path = arg[1] .. "/?.lua"
local ffi = require("ffi")
assert(require("netconnpool.cdef") == true)
package.loaded["netconnpool.cdef"] = nil
assert(require("netconnpool.cdef") == true) -- a second time does no harm
local constants = require("netconnpool.constants")
local layout = require("netconnpool.layout")
local lib = ffi.load(arg[2])
for line in io.lines(arg[3]) do
    local kind, name = line:match("^(%S+) (%S+)")
    if kind == "const" then
        assert(type(constants[name]) == "number", name)
        assert(constants[name] == tonumber(lib[name]), name)
        print(("const %s %d"):format(name, constants[name]))
    elseif kind == "sizeof" then
        assert(layout[name].size == ffi.sizeof(name), name)
        print(("sizeof %s %d"):format(name, layout[name].size))
    elseif kind == "offset" then
        local struct, field = name:match("^(.*)%.(.*)$")
        assert(layout[struct].offsets[field] == ffi.offsetof(struct, field))
        print(("offset %s %d"):format(name, layout[struct].offsets[field]))
    elseif kind == "function" then
        assert(lib[name] ~= nil)
    end
end
print("macro", tostring(constants.NCP_TIMEOUT_DEFAULT))
"""


def test_luajit_agrees_with_the_compiler_and_the_library(run, need, tmp_path,
                                                         library, facts):
    asked = [fact for fact in facts if not fact.startswith("call ")]
    functions = [f"function {item['name']}"
                 for item in genfiles.api()["functions"]]
    (tmp_path / "asked").write_text("\n".join(asked + functions) + "\n")
    (tmp_path / "probe.lua").write_text(PROBE)
    printed = run(need("luajit"), tmp_path / "probe.lua", FOLDER, library,
                  tmp_path / "asked").splitlines()
    assert printed == asked + ["macro\t-9223372036854775808LL"]


def test_constants_are_all_of_the_model(run, need, tmp_path):
    (tmp_path / "names.lua").write_text(
        "for name in pairs(dofile(arg[1])) do print(name) end\n")
    api = genfiles.api()
    names = {value["name"] for enum in api["enums"]
             for value in enum["values"]}
    names |= {macro["name"] for macro in api["macros"]}
    printed = run(need("luajit"), tmp_path / "names.lua",
                  FOLDER / "netconnpool" / "constants.lua")
    assert set(printed.split()) == names
