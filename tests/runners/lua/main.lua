-- ncp-scenario for LuaJIT: runs scenario documents and prints a line of JSON for each.
--
-- SPDX-License-Identifier: BSD-3-Clause
--
--     luajit main.lua DOCUMENT...
--
-- The threads of a scenario are tasks of the loop of the binding, with a clock that
-- jumps: so the machine that drives pull pools is what is proven here.
local here = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = table.concat({here .. "/?.lua", here .. "/../../../lua/lib/?.lua",
    package.path}, ";")

local json = require("cjson")
local scenario = require("runner.scenario")
local hosts = require("runner.hosts")

local function read(path)
    local file = assert(io.open(path))
    local text = file:read("*a")
    file:close()
    return json.decode(text)
end

if #arg == 0 then
    io.stderr:write("usage: luajit main.lua DOCUMENT...\n")
    os.exit(2)
end
local failed = false
for _, path in ipairs(arg) do
    local verdict = scenario.run(read(path), hosts.loop)
    failed = failed or verdict.result == "fail"
    print(json.encode(verdict))
end
os.exit(failed and 1 or 0)
