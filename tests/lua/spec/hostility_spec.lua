-- The collector at full speed, errors everywhere, functions that call the pool, and
-- borrowers that forget.
local netconnpool = require("netconnpool")
local support = require("support")
local sys = require("netconnpool.sys")

-- A cycle for nearly every allocation: each of these takes many.
local BORROWS, TASKS = 200, 100

-- Twice: compiled, with frequent cycles; and interpreted, with a whole cycle at every
-- turn. (That keeps compiled code from getting anywhere: it leaves for the collector's
-- sake and comes back to the same place.)
local function at_full_speed(fn)
    local pause = collectgarbage("setpause", 105)
    local speed = collectgarbage("setstepmul", 400)
    local ok, err = pcall(fn)
    if ok then
        collectgarbage("setpause", 0)
        collectgarbage("setstepmul", 1000000)
        jit.off()
        jit.flush()
        ok, err = pcall(fn)
        jit.on()
    end
    collectgarbage("setpause", pause)
    collectgarbage("setstepmul", speed)
    assert(ok, err)
end

describe("a lease that is lost", function()
    it("gives its place back, and is told of with the place of the borrow", function()
        local lines = {}
        local pool = support.pull({max_connections = 1, capture_stacks = true,
            log_level = "warn", log = function(level, text, id)
                lines[#lines + 1] = {level, text, id}
            end})
        local function forget()
            assert(pool:get())
        end
        forget()
        assert.equal(1, pool:active_count())
        netconnpool.collect()
        assert.equal(0, pool:active_count())
        assert(pool:get(200)):put()
        assert.equal(1, pool:stats().lost)
        assert.equal(1, #lines)
        assert.equal(netconnpool.constants.NCP_LOG_WARN, lines[1][1])
        assert.is_truthy(lines[1][2]:find("event=lost_lease", 1, true))
        assert.is_truthy(lines[1][2]:find("hostility_spec.lua", 1, true))
        assert.is_nil(lines[1][2]:find("\n", 1, true))
        pool:close()
    end)

    it("is no loss while somebody can still put it", function()
        local pool = support.pull({max_connections = 1})
        local kept = {assert(pool:get())}
        netconnpool.collect()
        assert.equal(1, pool:active_count())
        assert.is_true(kept[1]:put())
        assert.equal(0, pool:stats().lost)
        pool:close()
    end)

    it("costs the connection, whichever driver made it", function()
        local pool, listener = support.push({max_connections = 2})
        local function forget()
            assert(pool:get())
            assert(pool:get())
        end
        forget()
        netconnpool.collect()
        assert.equal(0, pool:active_count())
        local stats = pool:stats()
        assert.equal(2, stats.lost)
        assert.equal(2, stats.closed)
        assert(pool:get()):put()
        pool:close()
        sys.close(listener)
    end)

    it("does not keep a pool that nobody can reach any more", function()
        local listener, target = support.listener()
        local function forget()
            local pool = assert(netconnpool.new(support.options({
                target = target, name = "forgotten"})))
            assert(pool:get())
        end
        forget()
        netconnpool.collect()
        netconnpool.collect()
        local none, _, name = netconnpool.find("forgotten")
        assert.is_nil(none)
        assert.equal("notfound", name)
        local peer = support.peer(listener)
        assert.is_true(peer.sees_end())
        peer.close()
        sys.close(listener)
    end)

    it("is found among many", function()
        local pool = support.pull({max_connections = 50, max_idle_connections = 50})
        local kept = {}
        for i = 1, 50 do
            local conn = assert(pool:get())
            if i % 2 == 0 then
                kept[#kept + 1] = conn
            end
        end
        netconnpool.collect()
        assert.equal(25, pool:active_count())
        assert.equal(25, pool:stats().lost)
        for _, conn in ipairs(kept) do
            assert.is_true(conn:put())
        end
        pool:close()
        assert.equal(0, pool:stats().current)
    end)
end)

describe("with the collector at full speed", function()
    it("borrows of either driver lose nothing", function()
        at_full_speed(function()
            local push, listener = support.push({max_connections = 2})
            local pull = support.pull({max_connections = 2, on_borrow = function()
                return {}
            end, on_return = function()
                local _ = ("x"):rep(10)
            end})
            for i = 1, BORROWS do
                local pool = i % 2 == 0 and push or pull
                local conn = assert(pool:get())
                assert(pool:put(conn))
            end
            for _, pool in ipairs({push, pull}) do
                local stats = pool:stats()
                assert.equal(BORROWS / 2, stats.successful)
                assert.equal(1, stats.created)
                assert.equal(0, stats.lost)
                pool:close()
            end
            sys.close(listener)
        end)
    end)

    it("tasks that share few connections are all served", function()
        at_full_speed(function()
            local clock = netconnpool.manual_clock()
            local loop = netconnpool.loop({clock = clock})
            local served = 0
            local pool = support.pull({host = loop, clock = clock, max_connections = 3,
                dial = function()
                    loop:sleep(3)
                    return {}
                end, on_created = function() loop:sleep(1) end,
                on_borrow = function() loop:sleep(1) end,
                on_return = function() loop:sleep(1) end,
                close = function() loop:sleep(1) end})
            for i = 1, TASKS do
                loop:spawn(function()
                    local conn = assert(pool:get(-1))
                    loop:sleep(i % 5)
                    if i % 7 == 0 then
                        conn:discard()
                    else
                        conn:put()
                    end
                    served = served + 1
                end)
            end
            loop:run()
            assert.equal(TASKS, served)
            assert.equal(0, pool:active_count())
            assert.equal(0, pool:stats().lost)
            loop:run(function()
                pool:close()
            end)
            assert.equal(0, pool:stats().current)
            loop:stop()
        end)
    end)

    it("errors in every function, at random, lose no place", function()
        at_full_speed(function()
            local seed = 7
            local function unlucky()
                seed = (seed * 1103515245 + 12345) % 2147483648
                if math.floor(seed / 65536) % 4 == 0 then
                    error(support.error("bad luck"))
                end
                return {}
            end
            local pool = support.pull({max_connections = 3, dial = unlucky,
                close = unlucky, on_created = unlucky, on_borrow = unlucky,
                on_return = unlucky, on_close = unlucky, check = unlucky,
                check_on_borrow = true})
            for i = 1, BORROWS do
                local conn, err = pool:get(50)
                if conn then
                    local _, why = pool[i % 5 == 0 and "discard" or "put"](pool, conn)
                    assert(why == nil or why.text == "bad luck")
                else
                    assert.equal("bad luck", err.text)
                end
            end
            assert.equal(0, pool:active_count())
            assert.equal(0, pool:dialing_count())
            pool:close()
            assert.equal(0, pool:stats().current)
        end)
    end)
end)

describe("a function that calls the pool", function()
    it("may do everything with it", function()
        local pool, depth = nil, 0
        local calls, logged = 0, 0
        local function call_all()
            if not pool or depth > 0 or pool:is_closed() then
                return true
            end
            depth = depth + 1
            assert(pool:stats())
            assert(pool:describe())
            assert(pool:leases())
            local conn = pool:get(20)
            if conn then
                assert(conn:put())
            end
            conn = pool:try()
            if conn then
                conn:discard()
            end
            pool:suspend()
            pool:resume()
            pool:resize(5)
            pool:wake()
            pool:dial_error()
            pool:prewarm_wait(0)
            calls = calls + 1
            depth = depth - 1
            return true
        end
        pool = support.pull({max_connections = 5, check_on_borrow = true,
            dial = function()
                call_all()
                return {}
            end, close = call_all, on_created = call_all, on_borrow = call_all,
            on_return = call_all, on_close = call_all, check = call_all,
            log = function() -- what it does is logged as well
                logged = logged + 1
                return logged > 3 or call_all()
            end, log_level = "debug"})
        for _ = 1, 50 do
            assert(assert(pool:get()):put())
        end
        assert.is_true(calls > 100)
        assert.equal(0, pool:active_count())
        pool:close()
        assert.equal(0, pool:stats().current)
    end)

    it("cannot put what is being given back", function()
        local pool, seen
        pool = support.pull({on_return = function(connection)
            local ok, _, name = pool:put(connection.lease)
            seen = {ok, name}
        end})
        assert.is_true(assert(pool:get()):put())
        assert.same({nil, "invalidconn"}, seen)
        assert.equal(1, pool:idle_count())
        pool:close()
    end)

    it("may close it", function()
        for _, option in ipairs({"on_created", "on_borrow", "on_return", "on_close"}) do
            local pool
            pool = support.pull({[option] = function()
                pool:close()
            end})
            local conn = pool:get(100)
            if conn then
                conn:put()
            end
            pool:close()
            assert.is_true(pool:is_closed())
            assert.equal(0, pool:stats().current, option)
        end
    end)
end)
