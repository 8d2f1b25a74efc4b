-- Get and put in LuaJIT, beside what they are to be measured with, in the same run.
--
-- SPDX-License-Identifier: BSD-3-Clause
--
--     luajit tests/bench/lua/main.lua [--quick] [--interpreted] [--json FILE]
--
-- NETCONNPOOL_LIBRARY names a library that was built with optimization. The candidates
-- take turns, so that what else the machine does falls on all of them alike.
local here = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = here .. "/../../../lua/lib/?.lua;" .. here .. "/?.lua;" .. package.path

local pools = require("pools")
local sys = require("netconnpool.sys")

local settings = {rounds = 9, times = 400000, tasks = 1000, json = nil}

local function read_arguments()
    local i = 1
    while arg[i] do
        if arg[i] == "--quick" then
            settings.rounds, settings.times, settings.tasks = 2, 2000, 50
        elseif arg[i] == "--interpreted" then
            jit.off()
            settings.times = settings.times / 10
        elseif arg[i] == "--json" then
            i = i + 1
            settings.json = arg[i]
        else
            io.stderr:write("unknown argument: " .. arg[i] .. "\n")
            os.exit(2)
        end
        i = i + 1
    end
end

-- ------------------------------------------------------------------- the candidates

local candidates = {}

local function candidate(name, one)
    one.name, one.times = name, {}
    candidates[#candidates + 1] = one
    return one
end

local function add_candidates()
    candidate("bare FFI call", pools.bare())
    candidate("a pool in pure Lua", pools.pure())
    local push = candidate("push: get + put", pools.push())
    candidate("push: get + put, the lease kept", pools.kept(push))
    candidate("push: the same two calls of C", pools.push_in_c(push))
    local pull = candidate("pull: get + put", pools.pull())
    candidate("pull: get + put, the lease kept", pools.kept(pull))
    candidate("pull: the same two calls of C", pools.pull_in_c(pull))
    local tasks = settings.tasks
    candidate(("pull: hand-over among %d tasks"):format(tasks), pools.handover(tasks))
    candidates[#candidates].share = 20
end

-- ----------------------------------------------------------------------- measuring

local function measure(one)
    local times = math.ceil(settings.times / (one.share or 1))
    local begin = sys.now()
    one.run(times)
    one.times[#one.times + 1] = (sys.now() - begin) / times * 1e6
end

local function report()
    local figures = {}
    for i, one in ipairs(candidates) do
        table.sort(one.times)
        figures[i] = {name = one.name, best = one.times[1],
            median = one.times[math.ceil(#one.times / 2)]}
        print(("%-40s %9.1f %9.1f"):format(one.name, figures[i].best, figures[i].median))
    end
    return figures
end

local function write_json(figures, path)
    local lines = {}
    for i, one in ipairs(figures) do
        lines[i] = ('{"name": "%s", "best_ns": %.3f, "median_ns": %.3f}'):format(
            one.name, one.best, one.median)
    end
    local file = assert(io.open(path, "w"))
    file:write("[\n  ", table.concat(lines, ",\n  "), "\n]\n")
    file:close()
end

read_arguments()
add_candidates()
print(("%-40s %9s %9s"):format("nanoseconds", "best", "median"))
for _ = 1, settings.rounds do
    for _, one in ipairs(candidates) do
        measure(one)
    end
end
local figures = report()
if settings.json then
    write_json(figures, settings.json)
end
