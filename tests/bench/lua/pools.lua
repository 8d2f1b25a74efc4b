-- What is measured in LuaJIT: each maker returns a candidate, whose run(n) does its thing
-- n times, and whose opened() tells how many connections its pool has made.
--
-- SPDX-License-Identifier: BSD-3-Clause
local ffi = require("ffi")
local netconnpool = require("netconnpool")
local C = require("netconnpool.loader").lib

local DEFAULT = netconnpool.constants.NCP_TIMEOUT_DEFAULT

local PATIENCE_MS = 5000 -- for dials, on a machine that is busy

local pools = {}

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

-- A target that accepts connections, for as long as the program runs.
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

-- Every connection can be had, all at once, and the pool has made no more of them.
local function opener(pool, count)
    return function()
        local all = {}
        for i = 1, count do
            all[i] = assert(pool:get(PATIENCE_MS), "a connection got lost")
        end
        for i = 1, count do
            assert(pool:put(all[i]))
        end
        return assert(pool:stats()).created
    end
end

function pools.bare()
    return {run = function(n)
        local sum = 0
        for _ = 1, n do
            sum = sum + C.ncp_version()
        end
        return sum
    end}
end

-- The least that a pool in Lua can be: no limit, no line, no check, no count.
function pools.pure()
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
    return {
        run = function(n)
            for _ = 1, n do
                pool.put(pool.get())
            end
        end,
        opened = function()
            return count
        end,
    }
end

local function get_and_put(pool, count)
    local opened = opener(pool, count)
    opened()
    return {
        pool = pool,
        opened = opened,
        run = function(n)
            for _ = 1, n do
                pool:put(pool:get())
            end
        end,
    }
end

function pools.push(count)
    return get_and_put(assert(netconnpool.new(with({target = listen()}))), count or 1)
end

function pools.pull(count)
    local dial = function()
        return {}
    end
    return get_and_put(assert(netconnpool.new(with({dial = dial}))), count or 1)
end

-- The same with leases that somebody else sees: the compiler cannot leave them out, so
-- each is an object that is made and collected.
function pools.kept(candidate)
    local pool = candidate.pool
    local kept = {}
    return {run = function(n)
        for _ = 1, n do
            kept.lease = pool:get()
            pool:put(kept.lease)
        end
    end}
end

-- The same two calls of C, of a pool that push or pull has made.
function pools.push_in_c(candidate)
    local pool = candidate.pool
    local lease = ffi.new("ncp_lease[1]")
    return {run = function(n)
        for _ = 1, n do
            C.ncp_pool_get(pool.ptr, lease)
            C.ncp_pool_put(pool.ptr, lease[0])
        end
    end}
end

function pools.pull_in_c(candidate)
    local pool = candidate.pool
    local event, status = ffi.new("ncp_event"), ffi.new("int[1]")
    local batch = ffi.new("ncp_event[64]")
    local queue = pool.machine.queue
    return {run = function(n)
        for _ = 1, n do
            C.ncp_pool_acquire(pool.ptr, queue, 0, 0, DEFAULT, 0, 0, event)
            C.ncp_pool_release(pool.ptr, event.lease, 0, queue, batch, 64, status)
        end
    end}
end

-- A pool of one connection that the tasks of a loop share.
local function shared(loop)
    return assert(netconnpool.new(with({host = loop, max_connections = 1,
        dial = function()
            return {}
        end})))
end

-- Tasks of a loop that all want one connection: what a hand-over costs.
function pools.handover(tasks)
    return {run = function(n)
        local loop = netconnpool.loop()
        local pool = shared(loop)
        local left = n
        for _ = 1, tasks do
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
    end}
end

-- `callers` tasks wait for the one connection, then it is handed from each to the next.
-- now() tells the time; returns how long it took until all waited, and until all had it.
function pools.crowd(callers, now)
    local loop = netconnpool.loop()
    local pool = shared(loop)
    local begin, waiting, served, last = nil, 0, 0, nil
    loop:spawn(function()
        local conn = assert(pool:get())
        begin = now()
        for _ = 1, callers do
            loop:spawn(function()
                waiting = waiting + 1
                local own = assert(pool:get(-1))
                served = served + 1
                last = now()
                assert(pool:put(own))
            end)
        end
        while waiting < callers do
            loop:sleep(0)
        end
        waiting, begin = now() - begin, now()
        assert(pool:put(conn))
    end)
    loop:run()
    assert(served == callers, "somebody was not served")
    local opened = assert(pool:stats()).created
    pool:close()
    loop:stop()
    return waiting, last - begin, opened
end

return pools
