-- The pull driver from Lua: everything a host does.
local ncp = require("ncp")
local t = require("harness")

local MS = 1000000 -- ns

t.test("requests_over_the_pool_share_its_connections", function()
    local pool, queue = t.pull{name = "echo", max_connections = 2}
    for i = 1, 200 do
        local one = t.borrow(pool, {tag = i})
        local two = t.borrow(pool)
        t.equal(one.tag, i)
        t.ask(one.fd, "request " .. i)
        t.ask(two.fd, ("x"):rep(i))
        t.equal(#pool:leases(), 2)
        assert(pool:release(one.lease))
        assert(pool:put(two.lease))
    end
    local stats = pool:stats()
    t.equal(stats.created, 2, "created")
    t.equal(stats.successful, 400, "successful")
    t.equal(stats.reused, 398, "reused")
    t.equal(stats.tcp_idle, 2, "tcp_idle")
    assert(pool:describe():find("pool echo: open", 1, true), pool:describe())
    t.equal(t.shut(pool, queue), 2, "closed")
end)

t.test("a_dial_that_no_caller_makes_comes_out_of_the_queue", function()
    local pool, queue = t.pull{max_connections = 1}
    local pending = assert(pool:acquire{queue = queue, tag = 7})
    t.equal(pending.type, ncp.EVENT_PENDING)
    t.equal(pool:waiting_count(), 1)
    local events = queue:wait(5000)
    t.equal(#events, 1)
    t.equal(ncp.pool_of(events[1]), pool, "pool")
    t.equal(t.dial(pool, events[1]).type, ncp.EVENT_NONE)
    local ready = queue:wait(5000)[1]
    t.equal(ready.type, ncp.EVENT_READY)
    t.equal(ready.tag, 7)
    local conn = assert(pool:ticket_take(ready.ticket))
    t.equal(conn.type, ncp.EVENT_CONN)
    t.ask(conn.fd, "late")
    t.fails("invalidconn", pool:ticket_take(ready.ticket))
    assert(pool:put(conn.lease))
    t.equal(t.shut(pool, queue), 1)
end)

t.test("who_waits_is_served_in_order", function()
    local pool, queue = t.pull{max_connections = 1}
    local conn = t.borrow(pool)
    for tag = 1, 6 do
        t.equal(assert(pool:acquire{queue = queue, tag = tag}).type, ncp.EVENT_PENDING)
    end
    local order = {}
    for _ = 1, 6 do
        -- The next in line comes out of the call that gives back.
        local events = pool:release(conn.lease, {queue = queue})
        t.equal(#events, 1)
        t.equal(events[1].type, ncp.EVENT_READY)
        order[#order + 1] = events[1].tag
        conn = assert(pool:ticket_take(events[1].ticket))
        t.equal(conn.reused, 1)
    end
    t.equal(table.concat(order, " "), "1 2 3 4 5 6")
    assert(pool:put(conn.lease))
    t.equal(t.shut(pool, queue), 1)
end)

t.test("who_gives_up_leaves_its_place_to_the_next", function()
    local pool, queue = t.pull{max_connections = 1}
    local conn = t.borrow(pool)
    local tickets = {}
    for tag = 1, 3 do
        tickets[tag] = assert(pool:acquire{queue = queue, tag = tag}).ticket
    end
    assert(pool:ticket_abandon(tickets[1]))
    local events = pool:release(conn.lease, {queue = queue})
    t.equal(events[1].tag, 2)
    -- Handed over already: it goes on to the third.
    assert(pool:ticket_abandon(tickets[2], ncp.ETIMEOUT))
    local ready = queue:poll()[1]
    t.equal(ready.tag, 3)
    assert(pool:put(assert(pool:ticket_take(ready.ticket)).lease))
    local stats = pool:stats()
    t.equal(stats.canceled, 1, "canceled")
    t.equal(stats.timeout, 1, "timeout")
    t.equal(t.shut(pool, queue), 1)
end)

t.test("a_queue_takes_tickets_by_itself", function()
    local pool, queue = t.pull{max_connections = 1}
    local conn = t.borrow(pool)
    assert(pool:acquire{queue = queue, tag = 9, flags = ncp.FLAG_TAKE})
    local events = pool:release(conn.lease, {queue = queue})
    t.equal(events[1].type, ncp.EVENT_CONN)
    t.equal(events[1].tag, 9)
    assert(pool:put(events[1].lease))
    t.equal(t.shut(pool, queue), 1)
end)

t.test("a_ticket_without_a_queue_is_waited_for", function()
    local pool, queue = t.pull{max_connections = 1}
    local conn = t.borrow(pool)
    local ticket = assert(pool:acquire()).ticket
    t.fails("again", pool:ticket_take(ticket))
    t.fails("again", pool:ticket_wait(ticket, 5))
    assert(pool:put(conn.lease))
    conn = assert(pool:ticket_wait(ticket, 5000))
    t.equal(conn.type, ncp.EVENT_CONN)
    assert(pool:put(conn.lease))
    t.equal(t.shut(pool, queue), 1)
end)

t.test("a_failed_dial_says_why", function()
    local pool, queue = t.pull{target = t.NOWHERE, max_connections = 1}
    local event = assert(pool:acquire{flags = ncp.FLAG_DIALS})
    local fd, text, name, code = pool:dial_target(event.protocol, event.ip, -1)
    t.fails("dial", fd, text, name)
    assert(text:find("refused"), text)
    assert(code ~= 0, "an errno")
    event = assert(pool:fail(event.lease, ncp.EDIAL, code, text))
    t.equal(event.type, ncp.EVENT_NONE)
    local last = pool:dial_error()
    t.equal(last.code, code)
    t.equal(last.count, 1)
    t.equal(last.text, text)
    -- The same through the line: the code is the host's.
    local ticket = assert(pool:acquire{queue = queue}).ticket
    local work = queue:poll()[1]
    assert(pool:fail(work.lease, ncp.EDIAL, 4711, "no luck"))
    local got, why, what, told = pool:ticket_take(ticket)
    t.fails("dial", got, why, what)
    assert(why:find("no luck", 1, true), why)
    t.equal(told, 4711)
    pool:free()
end)

t.test("time_is_the_clock_of_a_test", function()
    local clock = assert(ncp.clock())
    local pool, queue = t.pull{max_connections = 1, clock = clock, get_timeout = "2s",
        idle_timeout = 1000, expiry_jitter = 0, host_events = ncp.HOST_DUE}
    local conn = t.borrow(pool)
    local ticket = assert(pool:acquire{queue = queue}).ticket
    assert(clock:set(1999 * MS))
    assert(pool:work())
    t.fails("again", pool:ticket_take(ticket))
    assert(clock:set(2000 * MS))
    assert(pool:work())
    t.fails("timeout", pool:ticket_take(ticket))
    assert(pool:put(conn.lease))
    assert(pool:next_due_ms() <= 1000)
    assert(clock:set(3001 * MS))
    t.equal(pool:next_due_ms(), 0)
    assert(pool:work())
    local reasons = {}
    for _, event in ipairs(queue:poll()) do
        if event.type == ncp.EVENT_CLOSE then
            reasons[#reasons + 1] = ncp.reason_text(event.reason)
            assert(ncp.fd_close(event.fd))
        end
    end
    t.equal(table.concat(reasons), "idle_timeout")
    t.equal(t.shut(pool, queue), 0)
end)

t.test("a_connection_is_checked_before_it_is_lent", function()
    local pool, queue = t.pull{max_connections = 1, check_on_borrow = true}
    local conn = t.borrow(pool)
    assert(pool:put(conn.lease))
    local check = assert(pool:acquire{flags = ncp.FLAG_DIALS})
    t.equal(check.type, ncp.EVENT_CHECK)
    conn = assert(pool:checked(check.lease, ncp.fd_alive(check.fd)))
    t.equal(conn.type, ncp.EVENT_CONN)
    assert(pool:put(conn.lease))
    check = assert(pool:acquire{flags = ncp.FLAG_DIALS})
    local again = assert(pool:checked(check.lease, false))
    t.equal(again.type, ncp.EVENT_DIAL)
    local close = queue:poll()[1]
    t.equal(close.type, ncp.EVENT_CLOSE)
    t.equal(ncp.reason_text(close.reason), "unhealthy")
    assert(ncp.fd_close(close.fd))
    conn = t.dial(pool, again)
    assert(conn.conn_id > close.conn_id)
    assert(pool:put(conn.lease))
    t.equal(t.shut(pool, queue), 1)
end)

t.test("a_host_may_refuse_what_is_lent", function()
    local pool, queue = t.pull{max_connections = 1, host_events = ncp.HOST_BORROW}
    local event = t.dial(pool, assert(pool:acquire{flags = ncp.FLAG_DIALS}))
    t.equal(event.type, ncp.EVENT_BORROW)
    local got, text, name = pool:checked(event.lease, false)
    t.fails("hook", got, text, name)
    t.equal(t.close_all(queue), 1)
    pool:free()
end)

t.test("leaks_and_lines_of_log_are_told", function()
    local clock = assert(ncp.clock())
    local pool, queue = t.pull{name = "leaky", max_connections = 1, clock = clock,
        leak_timeout = 100, leak_interval = 10, log_level = "warn",
        host_events = ncp.HOST_LEAK | ncp.HOST_LOG}
    local conn = t.borrow(pool, {tag = 4711})
    local leaks, lines = {}, {}
    for step = 1, 40 do
        assert(clock:set(step * 10 * MS))
        assert(pool:work())
        for _, event in ipairs(queue:poll()) do
            if event.type == ncp.EVENT_LEAK then
                leaks[#leaks + 1] = ncp.reason_text(event.reason)
                t.equal(event.conn_id, conn.conn_id)
            elseif event.type == ncp.EVENT_LOG then
                local level, conn_id, line = pool:log_next()
                while level do
                    t.equal(conn_id, conn.conn_id)
                    lines[#lines + 1] = line
                    level, conn_id, line = pool:log_next()
                end
            elseif event.type == ncp.EVENT_CLOSE then
                assert(ncp.fd_close(event.fd))
            end
        end
    end
    t.equal(leaks[#leaks], "leaked")
    assert(#lines >= 1 and lines[1]:find("tag=4711", 1, true), lines[1])
    t.fails("leaked", pool:put(conn.lease))
    t.equal(t.shut(pool, queue), 0)
end)

t.test("a_guard_gives_back_what_somebody_held", function()
    local pool, queue = t.pull{max_connections = 1}
    local guard = assert(ncp.guard())
    local conn = t.borrow(pool)
    local ticket = assert(pool:acquire()).ticket
    assert(guard:hold(pool, conn.lease, 0))
    assert(guard:hold(pool, 0, ticket))
    guard:fire()
    t.raises("was freed", guard.hold, guard, pool, 0, 0)
    t.equal(pool:active_count(), 0)
    t.equal(pool:waiting_count(), 0)
    t.fails("invalidconn", pool:put(conn.lease))
    t.equal(t.close_all(queue), 1)
    -- One that is forgotten gives back too.
    guard = assert(ncp.guard())
    conn = t.borrow(pool)
    assert(guard:hold(pool, conn.lease, 0))
    guard = nil -- luacheck: ignore
    collectgarbage()
    t.equal(pool:active_count(), 0)
    t.equal(t.shut(pool, queue), 1)
end)

t.test("a_host_can_run_hooks_around_its_dial", function()
    local pool, queue = t.pull{max_connections = 1}
    local event = assert(pool:acquire{flags = ncp.FLAG_DIALS})
    local fd = assert(pool:dial_target(event.protocol, event.ip, -1))
    local id = assert(pool:dialed(event.lease, {handle = 99, fd = fd}))
    local conn = assert(pool:fulfil(event.lease, {handle = 99, fd = fd}))
    t.equal(conn.conn_id, id)
    t.equal(conn.handle, 99)
    t.equal(conn.protocol, ncp.PROTOCOL_TCP)
    t.equal(conn.ip, ncp.IP_V4)
    t.equal(pool:lease_fd(conn.lease), fd)
    t.equal(pool:lease_handle(conn.lease), 99)
    t.equal(pool:lease_info(conn.lease, ncp.INFO_ID), id)
    t.equal(pool:lease_keeps(conn.lease), ncp.REASON_NONE)
    assert(pool:lease_set_healthy(conn.lease, false))
    t.equal(ncp.reason_text(pool:lease_keeps(conn.lease)), "unhealthy")
    t.equal(assert(pool:detach(conn.lease)), 99)
    t.equal(pool:stats().detached, 1)
    assert(ncp.fd_close(fd))
    t.equal(t.shut(pool, queue), 0)
end)

t.test("datagrams_and_stream_are_lent_apart", function()
    local pool, queue = t.pull{target = t.udp, max_connections = 2}
    local udp = t.borrow(pool, {protocol = ncp.PROTOCOL_UDP})
    t.ask(udp.fd, "datagram")
    assert(ncp.fd_send(udp.fd, "stale", 1000))
    assert(pool:put(udp.lease))
    local tcp = assert(pool:acquire{protocol = ncp.PROTOCOL_TCP, flags = ncp.FLAG_DIALS})
    t.equal(tcp.type, ncp.EVENT_DIAL)
    t.equal(tcp.protocol, ncp.PROTOCOL_TCP)
    assert(pool:fail(tcp.lease, ncp.ECANCELED))
    t.fails("unsupportedproto", pool:acquire{protocol = 77})
    t.equal(t.shut(pool, queue), 1)
end)

t.test("a_kick_ends_a_wait", function()
    local _, queue = t.pull()
    assert(queue:fd() >= 0)
    t.equal(queue:ready(), false)
    assert(queue:kick())
    t.equal(queue:ready(), true)
    t.equal(queue:wait()[1].type, ncp.EVENT_KICK)
    t.equal(#queue:wait(1), 0)
end)

t.test("a_loop_that_can_only_connect_is_woken_by_a_byte", function()
    local queue = assert(ncp.queue())
    local path = os.tmpname()
    os.remove(path)
    t.fails("state", queue:accept())
    assert(queue:listen_unix(path))
    t.fails("again", queue:accept())
    queue:free()
    os.remove(path)
end)

t.test("a_server_pool_accepts_what_dials_in", function()
    local listener = assert(ncp.listen("tcp://127.0.0.1:0", 4))
    local queue = assert(ncp.queue())
    local pool = assert(ncp.pool{mode = "server", driver = "pull", queue = queue,
        listener_fd = listener, max_connections = 1})
    t.equal(pool:option("listener_fd"), listener)
    local event = assert(pool:acquire{flags = ncp.FLAG_DIALS})
    t.equal(event.type, ncp.EVENT_DIAL) -- here: accept
    assert(pool:fail(event.lease, ncp.ECANCELED))
    pool:free()
    assert(ncp.fd_close(listener))
end)

t.finish()
