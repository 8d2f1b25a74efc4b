-- The push driver from Lua: the library dials, checks and closes.
local ncp = require("ncp")
local t = require("harness")

local function push(options)
    local all = {target = t.tcp, min_connections = 0}
    for name, value in pairs(options or {}) do
        all[name] = value
    end
    return assert(ncp.pool(all))
end

t.test("get_ask_put", function()
    local pool <close> = push{max_connections = 1}
    for i = 1, 300 do
        local lease = assert(pool:get())
        t.ask(pool:lease_fd(lease), "request " .. i)
        assert(pool:put(lease))
    end
    local stats = pool:stats()
    t.equal(stats.created, 1)
    t.equal(stats.successful, 300)
    t.equal(stats.total_get_time > 0, true)
end)

t.test("borrow_says_everything_about_the_connection", function()
    local pool <close> = push()
    local event = assert(pool:borrow{tag = -1, protocol = ncp.PROTOCOL_TCP})
    t.equal(event.type, ncp.EVENT_CONN)
    t.equal(event.tag, -1) -- all 64 bits
    t.equal(event.ip, ncp.IP_V4)
    t.equal(event.reused, 0)
    t.ask(event.fd, "hello")
    t.equal(pool:lease_info(event.lease, ncp.INFO_FD), event.fd)
    assert(pool:discard(event.lease))
    t.equal(pool:stats().closed, 1)
end)

t.test("a_get_that_takes_too_long_says_so", function()
    local pool <close> = push{max_connections = 1}
    local lease = assert(pool:get_timeout(5000))
    t.fails("timeout", pool:get_timeout(10))
    t.fails("exhausted", pool:try_get())
    t.fails("timeout", pool:borrow{timeout_ms = 10})
    assert(pool:put(lease))
    assert(pool:put(assert(pool:try_get())))
end)

t.test("a_fired_token_ends_gets", function()
    local pool <close> = push{max_connections = 1}
    local lease = assert(pool:get())
    local cancel = assert(ncp.cancel())
    assert(cancel:fire())
    t.fails("canceled", pool:borrow{cancel = cancel})
    assert(pool:put(lease))
end)

t.test("a_dial_that_fails_says_why", function()
    local pool <close> = push{target = t.NOWHERE}
    local got, text, name, code = pool:borrow()
    t.fails("dial", got, text, name)
    assert(text:find("refused"), text)
    assert(code ~= 0)
    t.fails("dial", pool:get())
    t.equal(pool:dial_error().count, 2)
end)

t.test("a_pool_is_found_by_its_name_and_shared", function()
    local pool = push{name = "shared by name"}
    local other = assert(ncp.find("shared by name"))
    local lease = assert(pool:get())
    assert(other:put(lease))
    pool:free()
    t.equal(other:is_closed(), false)
    other:free()
    t.fails("notfound", ncp.find("shared by name"))
end)

t.test("options_are_read_and_changed", function()
    local pool <close> = push{max_connections = 3, get_timeout = "1m"}
    t.equal(pool:option("get_timeout"), 60000)
    assert(pool:set("get_timeout", 250))
    t.equal(pool:option(ncp.OPTION_GET_TIMEOUT), 250)
    t.fails("state", pool:set("mode", 1))
    t.fails("notfound", pool:set("bogus", 1))
    t.fails("invalidconfig", pool:resize(-1))
    assert(pool:resize(5))
    t.equal(pool:option("max_connections"), 5)
end)

t.test("suspend_flush_drain", function()
    local pool <close> = push()
    assert(pool:put(assert(pool:get())))
    assert(pool:suspend())
    t.fails("timeout", pool:get_timeout(5))
    assert(pool:resume())
    assert(pool:flush())
    t.equal(pool:idle_count(), 0)
    local lease = assert(pool:get())
    t.fails("timeout", pool:drain(5))
    assert(pool:put(lease))
    t.equal(pool:is_closed(), true)
    t.fails("closed", pool:get())
end)

t.test("prewarming_is_waited_for", function()
    local pool <close> = push{min_connections = 3}
    assert(pool:prewarm_wait(5000))
    t.equal(pool:idle_count(), 3)
    t.equal(pool:stats().prewarm_completed, 1)
end)

t.test("a_leaked_stack_is_a_text", function()
    local pool <close> = push{capture_stacks = true}
    local lease = assert(pool:get())
    local stack = assert(pool:lease_stack(lease))
    assert(stack:find("ncp_core.so", 1, true) and stack:find("lua_pcall", 1, true), stack)
    assert(pool:put(lease))
end)

t.finish()
