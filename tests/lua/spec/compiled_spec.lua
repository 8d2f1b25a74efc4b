-- Gets and puts that the compiler has gone through: what they leave out, and what they
-- must not leave out.
local netconnpool = require("netconnpool")
local support = require("support")
local sys = require("netconnpool.sys")

local TIMES, TRIES = 5000, 50

-- fn(pool) for a pool of either driver.
local function for_each_driver(fn)
    local push, listener = support.push({max_connections = 2})
    fn(push)
    push:close()
    sys.close(listener)
    local pull = support.pull({max_connections = 2})
    fn(pull)
    pull:close()
end

-- A function of this text that no trace of the compiler knows yet.
local function fresh(text)
    return assert(loadstring("local pool, times, kept = ... " .. text))
end

-- Kilobytes of garbage that the text makes once it is compiled. When to compile a loop
-- is decided by counters that share places, so it is tried until it was.
local function garbage_of(text, pool)
    local least = math.huge
    for _ = 1, TRIES do
        local run = fresh(text)
        run(pool, TIMES)
        collectgarbage()
        collectgarbage("stop")
        local before = collectgarbage("count")
        run(pool, TIMES)
        least = math.min(least, collectgarbage("count") - before)
        collectgarbage("restart")
        if least < 1 then
            break
        end
    end
    return least
end

describe("a get and a put, once compiled,", function()
    it("make no garbage when the lease goes nowhere else", function()
        if not jit.status() then
            return pending("this LuaJIT has no compiler")
        end
        for_each_driver(function(pool)
            local pair = "for _ = 1, times do pool:put(pool:get()) end"
            assert.is_true(garbage_of(pair, pool) < 1)
            local method = "for _ = 1, times do pool:get():put() end"
            assert.is_true(garbage_of(method, pool) < 1)
            -- What is seen when there is some.
            local keeps = "for _ = 1, times do kept = pool:get() pool:put(kept) "
                .. "pool.last = kept end"
            assert.is_true(garbage_of(keeps, pool) > TIMES * 64 / 1024)
        end)
    end)

    it("refuse a lease that has ended, whoever has the connection now", function()
        for_each_driver(function(pool)
            local stale = assert(pool:get())
            assert.is_true(pool:put(stale))
            local refused = fresh([[
                local count, name = 0, nil
                for _ = 1, times do
                    local conn = pool:get()
                    local ok, _, again = pool:put(kept)
                    count = count + (ok == nil and conn:is_out() and 1 or 0)
                    pool:put(conn)
                    ok, _, name = pool:put(conn)
                    count = count + (ok == nil and again == name and 1 or 0)
                end
                return count, name]])
            local count, name = refused(pool, TIMES, stale)
            assert.equal(2 * TIMES, count)
            assert.equal("invalidconn", name)
            assert.equal(0, pool:active_count())
            assert.equal(1, pool:stats().created)
        end)
    end)

    it("notice a lease that is lost among them", function()
        for_each_driver(function(pool)
            local loses = fresh([[
                for i = 1, times do
                    local conn = pool:get()
                    if i ~= times then
                        pool:put(conn)
                    end
                end]])
            loses(pool, TIMES)
            assert.equal(1, pool:active_count())
            netconnpool.collect()
            assert.equal(0, pool:active_count())
            assert.equal(1, pool:stats().lost)
        end)
    end)
end)

describe("the token of a connection", function()
    local function forget(pool)
        assert(pool:get())
    end

    it("is not kept by a lease that has ended", function()
        for_each_driver(function(pool)
            local stale = assert(pool:get())
            local id = stale:id()
            assert.is_true(stale:put())
            forget(pool)
            netconnpool.collect()
            assert.equal(0, pool:active_count())
            assert.equal(1, pool:stats().lost)
            assert.is_nil(stale:put())
            assert.is_false(stale:is_out())
            assert.not_equal(id, assert(pool:get()):id())
        end)
    end)

    it("is another one after a put by number", function()
        for_each_driver(function(pool)
            local stale = assert(pool:get())
            assert.is_true(pool:put(stale:number()))
            forget(pool)
            netconnpool.collect()
            assert.equal(0, pool:active_count())
            assert.equal(1, pool:stats().lost)
            assert.is_nil(stale:put())
        end)
    end)

    it("comes back after the collector took it", function()
        for_each_driver(function(pool)
            local kept = assert(pool:get())
            for _ = 1, 3 do
                assert.is_true(kept:put())
                netconnpool.collect()
                kept = assert(pool:get())
                netconnpool.collect()
                assert.is_true(kept:is_out())
            end
            assert.is_true(kept:put())
            assert.equal(0, pool:stats().lost)
            assert.equal(1, pool:stats().created)
        end)
    end)
end)
