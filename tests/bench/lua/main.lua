-- Get and put in LuaJIT, beside what they are to be measured with, in the same run.
--
-- SPDX-License-Identifier: BSD-3-Clause
--
--     luajit tests/bench/lua/main.lua [--quick] [--interpreted] [--json FILE]
--
-- NETCONNPOOL_LIBRARY names a library that was built with optimization. The candidates
-- take turns, so that what else the machine does falls on all of them alike.
local here = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = here .. "/../../../lua/lib/?.lua;" .. package.path

local ffi = require("ffi")
local netconnpool = require("netconnpool")
local C = require("netconnpool.loader").lib
local sys = require("netconnpool.sys")

local constants = netconnpool.constants
local DEFAULT = constants.NCP_TIMEOUT_DEFAULT

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

-- ---------------------------------------------------------------------- the pools

local QUIET = {
    min_connections = 0, max_connections = 8, health_check = false, idle_timeout = 0,
    max_lifetime = 0, leak_timeout = 0,
}

local function with(more)
    local options = {}
    for name, value in pairs(QUIET) do
        options[name] = value
    end
    for name, value in pairs(more) do
        options[name] = value
    end
    return options
end

local function listen()
    for port = 22000, 23000 do
        local target = "tcp://127.0.0.1:" .. port
        local listener = netconnpool.listen(target)
        if listener then
            return target
        end
    end
    error("no free port")
end

-- The least that a pool in Lua can be: no limit, no line, no check, no count.
local function pure_lua_pool()
    local idle, count = {{}}, 1
    local pool = {}
    function pool.get()
        local conn = idle[count]
        idle[count] = nil
        count = count - 1
        return conn
    end
    function pool.put(conn)
        count = count + 1
        idle[count] = conn
    end
    return pool
end

-- ------------------------------------------------------------------- the candidates

local candidates = {}

-- run(n) does the thing n times.
local function candidate(name, run)
    candidates[#candidates + 1] = {name = name, run = run, times = {}}
end

local function add_bare()
    candidate("bare FFI call", function(n)
        local sum = 0
        for _ = 1, n do
            sum = sum + C.ncp_version()
        end
        return sum
    end)
    local pool = pure_lua_pool()
    candidate("a pool in pure Lua", function(n)
        for _ = 1, n do
            pool.put(pool.get())
        end
    end)
end

local function add_push(target)
    local pool = assert(netconnpool.new(with({target = target})))
    assert(pool:get()):put()
    candidate("push: get + put", function(n)
        for _ = 1, n do
            pool:put(pool:get())
        end
    end)
    local lease = ffi.new("ncp_lease[1]")
    candidate("push: the same two calls of C", function(n)
        for _ = 1, n do
            C.ncp_pool_get(pool.ptr, lease)
            C.ncp_pool_put(pool.ptr, lease[0])
        end
    end)
end

local function add_pull()
    local pool = assert(netconnpool.new(with({dial = function() return {} end})))
    assert(pool:get()):put()
    candidate("pull: get + put", function(n)
        for _ = 1, n do
            pool:put(pool:get())
        end
    end)
    local event, status = ffi.new("ncp_event"), ffi.new("int[1]")
    local batch = ffi.new("ncp_event[64]")
    local queue = pool.machine.queue
    candidate("pull: the same two calls of C", function(n)
        for _ = 1, n do
            C.ncp_pool_acquire(pool.ptr, queue, 0, 0, DEFAULT, 0, 0, event)
            C.ncp_pool_release(pool.ptr, event.lease, 0, queue, batch, 64, status)
        end
    end)
end

-- Tasks of a loop that all want one connection: what a hand-over costs.
local function add_handover()
    candidate(("pull: hand-over among %d tasks"):format(settings.tasks), function(n)
        local loop = netconnpool.loop()
        local pool = assert(netconnpool.new(with({host = loop, max_connections = 1,
            dial = function() return {} end})))
        local left = n
        for _ = 1, settings.tasks do
            loop:spawn(function()
                while left > 0 do
                    left = left - 1
                    pool:put(pool:get(-1))
                    loop:sleep(0)
                end
            end)
        end
        loop:run()
        pool:close()
        loop:stop()
    end)
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
add_bare()
add_push(listen())
add_pull()
add_handover()
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
