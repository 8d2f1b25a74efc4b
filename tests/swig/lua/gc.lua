-- Everything dropped, nothing freed, with the collector at full speed.
local ncp = require("ncp")
local t = require("harness")

collectgarbage("incremental", 1, 1000, 1)

t.test("dropped_objects_are_given_back", function()
    local before = t.descriptors()
    for _ = 1, 300 do
        local queue = assert(ncp.queue())
        local clock = assert(ncp.clock())
        local config = assert(ncp.config{target = t.tcp, driver = "pull", clock = clock,
            queue = queue, min_connections = 0})
        local pool = assert(ncp.pool(config))
        assert(ncp.cancel():fire())
        local event = assert(pool:acquire{flags = ncp.FLAG_DIALS})
        assert(pool:fail(event.lease, ncp.ECANCELED))
    end
    collectgarbage()
    t.equal(t.descriptors(), before, "descriptors")
end)

t.test("what_is_forgotten_in_the_middle_does_no_harm", function()
    for i = 1, 100 do
        local pool, queue = t.pull{max_connections = 1}
        local conn = t.borrow(pool)
        local waiting = assert(pool:acquire{queue = queue, tag = i})
        assert(ncp.guard()):hold(pool, 0, waiting.ticket)
        t.ask(conn.fd, "hello")
        assert(ncp.fd_close(conn.fd)) -- and nobody tells the pool
    end
    collectgarbage()
end)

t.test("events_outlive_their_pool", function()
    local events = {}
    for i = 1, 100 do
        local pool, queue = t.pull()
        assert(pool:acquire{queue = queue, tag = i})
        for _, event in ipairs(queue:poll()) do
            events[#events + 1] = event
        end
    end
    collectgarbage()
    t.equal(#events, 100)
    for _, event in ipairs(events) do
        t.equal(event.type, ncp.EVENT_DIAL)
        t.equal(ncp.pool_of(event), nil)
    end
end)

t.test("a_finaliser_that_comes_late_finds_an_empty_object", function()
    local seen = 0
    for _ = 1, 100 do
        local holder = setmetatable({}, {__gc = function(self)
            -- The pool may have been finalised before: an error, or it works.
            local fine, err = pcall(self.pool.active_count, self.pool)
            assert(fine or tostring(err):find("was freed", 1, true), err)
            seen = seen + 1
        end})
        holder.pool, holder.queue = t.pull()
    end
    collectgarbage()
    collectgarbage()
    t.equal(seen, 100)
end)

t.test("a_pool_at_work_survives_the_collector", function()
    local before = t.descriptors()
    for _ = 1, 5 do
        local pool, queue = t.pull{max_connections = 2}
        for i = 1, 100 do
            local conn = t.borrow(pool, {tag = i})
            local other = t.borrow(pool)
            local waiting = assert(pool:acquire{queue = queue, tag = i})
            t.ask(conn.fd, "request " .. i)
            local events = pool:release(conn.lease, {queue = queue})
            t.equal(events[1].ticket, waiting.ticket)
            assert(pool:put(assert(pool:ticket_take(events[1].ticket)).lease))
            assert(pool:put(other.lease))
            assert(#pool:describe() > 100)
        end
        t.equal(pool:stats().created, 2)
        t.equal(t.shut(pool, queue), 2)
    end
    collectgarbage()
    t.equal(t.descriptors(), before, "descriptors")
end)

t.test("errors_in_the_middle_leave_nothing_behind", function()
    local pool, queue = t.pull{max_connections = 1}
    local guard = assert(ncp.guard())
    for i = 1, 100 do
        local fine, err = pcall(function()
            local conn = t.borrow(pool)
            assert(guard:hold(pool, conn.lease, 0))
            error({number = i})
        end)
        t.equal(fine, false)
        t.equal(err.number, i) -- the same object
        guard:fire()
        guard = assert(ncp.guard())
        t.equal(t.close_all(queue), 1)
    end
    t.equal(pool:stats().closed, 100)
    t.equal(t.shut(pool, queue), 0)
end)

t.test("pools_of_the_library_are_dropped_while_they_work", function()
    for _ = 1, 40 do
        local pool = assert(ncp.pool{target = t.tcp, min_connections = 2})
        local lease = assert(pool:get())
        t.ask(pool:lease_fd(lease), "hello")
        assert(pool:put(lease))
    end
    collectgarbage()
end)

t.finish()
