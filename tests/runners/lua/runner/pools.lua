-- The pools of a case: from the configuration to the last descriptor.
local json = require("cjson")
local api_pool = require("runner.api_pool")
local echo = require("runner.echo")
local facts = require("runner.facts")
local C = require("netconnpool.loader").lib
local raw_pool = require("runner.raw_pool")
local names = require("runner.names")
local scene = require("runner.scene")
local sockets = require("runner.sockets")
local verdict = require("runner.verdict")

local fail, count = verdict.fail, verdict.count

local pools = {}

local END_LIMIT_MS = 10000
local GONE_TRIES = 20

-- -------------------------------------------------------------------------- set up

local function listener_of(case, given)
    if not given or given.mode ~= "server" or case.listener == "none" then
        return nil
    end
    return sockets.listener()
end

local function check_effective(pool, wanted)
    for name, bound in pairs(wanted or {}) do
        local value = pool:option(name) or fail("the option %s cannot be read", name)
        facts.bound(bound, value, name)
    end
end

local function make(case, name, given)
    given = names.given(given)
    local listener = listener_of(case, given)
    local begin = scene.now()
    local pool, word, err
    if scene.raw then
        pool, word = raw_pool.new(case, name, given)
    else
        pool, word, err = api_pool.new(case, name, given, listener)
    end
    pool.listener = listener
    scene.pools[#scene.pools + 1] = pool
    scene.pools[name] = pool
    names.expect({expect = case.new}, word, "new", err)
    if case.new_within_ms then
        facts.bound(case.new_within_ms, scene.now() - begin, "the time of new")
    end
    if word == "OK" then
        check_effective(pool, case.effective)
    else
        pool.freed = true
    end
end

function pools.make(case)
    make(case, "main", case.config)
    for name, given in pairs(case.pools or {}) do
        make(case, name, given)
    end
end

-- ----------------------------------------------------------------------- take down

-- Waits until done(): whether it came to that.
function pools.wait(done, limit_ms)
    local begin = scene.now()
    while not done() do
        local left = limit_ms - (scene.now() - begin)
        if left <= 0 then
            return false
        end
        scene.place.quiet(left)
    end
    return true
end

local function end_leases()
    for _, var in ipairs(scene.all_vars or {}) do
        if var.out then
            var.out = false
            var.conn.owners = var.conn.owners - 1
            if var.pool:put(var.lease) == "INVALID_CONN" then
                fail("the lease %s, out till the end, is unknown to the pool", var.name)
            end
        end
        if var.event then
            var.pool:end_event(var.event)
        end
    end
end

local ZERO = {"current", "idle", "active", "ipv4", "ipv6", "ipv4_idle", "ipv6_idle",
    "tcp", "udp", "tcp_idle", "udp_idle"}

-- CLOSE-6: after everything is back and closed.
local function all_zero(pool)
    local stats = pool:stats()
    for _, name in ipairs(ZERO) do
        if stats[name] ~= 0 then
            return false
        end
    end
    return stats.created == stats.closed
end

local function check_closed(pool)
    if pool.freed then
        return
    end
    pool:close()
    pool:drain_queue()
    local zero = pools.wait(function()
        return all_zero(pool) and not pool:is_busy()
    end, END_LIMIT_MS)
    if not zero then
        fail("pool %s is closed, all is back, its counters are not zero", pool.name)
    end
    count()
end

local function is_gone(conn)
    if conn.ours then
        return true
    elseif scene.has_closer or scene.raw then
        return conn.closer_calls == 1
    end
    return conn.kind == "pipe" or not echo.is_open(conn)
end

local function all_gone()
    for index = 0, echo.count() - 1 do
        if not is_gone(echo.at(index)) then
            return false, index
        end
    end
    return scene.dialer.running == 0 and scene.acceptor.running == 0, -1
end

local function check_conns_gone()
    if not pools.wait(all_gone, END_LIMIT_MS) then
        local _, index = all_gone()
        fail("connection %d is not closed after the pool is gone", index)
    end
    for index = 0, echo.count() - 1 do
        local conn = echo.at(index)
        if conn.ours and conn.closer_calls ~= 0 then
            fail("connection %d was given away and closed all the same", index)
        end
        local closed_by_us = scene.has_closer or scene.raw
        if (conn.ours or (conn.kind == "pipe" and not closed_by_us)) and
            echo.is_open(conn) then
            echo.close_client(conn)
        end
    end
    count()
end

local function free(pool)
    if pool.freed then
        return
    end
    pool.freed = true
    pool:free()
end

-- Everything is closed; what only the collector holds goes with it.
function pools.check_resources(before)
    local fds, threads
    for _ = 1, GONE_TRIES do
        collectgarbage()
        collectgarbage()
        fds, threads = sockets.open_descriptors(), sockets.threads()
        if fds == before.fds and threads == before.threads then
            return
        end
        sockets.readable(-1, 1)
    end
    fail("left behind: %d descriptors and %d threads, at the start %d and %d", fds,
        threads, before.fds, before.threads)
end

local function nothing_runs()
    for _, pool in ipairs(scene.pools) do
        if pool.object and pool:is_busy() then
            return false
        end
    end
    return true
end

function pools.finish()
    verdict.push("end")
    if scene.guard then
        C.ncp_guard_fire(scene.guard)
    end
    end_leases()
    for _, pool in ipairs(scene.pools) do
        check_closed(pool)
    end
    for _, pool in ipairs(scene.pools) do
        free(pool)
    end
    check_conns_gone()
    if not pools.wait(nothing_runs, END_LIMIT_MS) then
        fail("a dial, check or close still runs after the pools are gone")
    end
    for _, pool in ipairs(scene.pools) do
        pool:finish()
        if pool.listener then
            sockets.close(pool.listener)
        end
    end
    echo.reset()
    verdict.pop()
end

pools.json = json

return pools
