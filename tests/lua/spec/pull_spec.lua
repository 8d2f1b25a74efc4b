-- Pools of the pull driver: functions of Lua dial, check, close and look.
local netconnpool = require("netconnpool")
local support = require("support")
local sys = require("netconnpool.sys")

describe("a pool with a function `dial`", function()
    it("lends any object, and calls the function once a connection", function()
        local pool, log = support.pull()
        local conn = assert(pool:get())
        assert.equal(1, conn:object().number)
        assert.is_nil(conn:fd())
        assert.equal("Unknown", conn:protocol())
        conn:put()
        conn = assert(pool:get())
        assert.equal(1, conn:object().number)
        conn:put()
        pool:close()
        assert.equal(1, log.made)
        assert.same({"pool_closed"}, log.closed)
    end)

    it("tells the function what is wanted and until when", function()
        local seen = {}
        local pool = support.pull({connection_timeout = 700, dial = function(request)
            seen[#seen + 1] = request
            return {}, {protocol = request.protocol, ip = request.ip}
        end})
        assert(pool:get({protocol = "udp", ip = "ipv6", timeout_ms = 200})):put()
        assert.equal("udp", seen[1].protocol)
        assert.equal("ipv6", seen[1].ip)
        assert.equal(0, seen[1].attempt)
        assert.is_true(seen[1].timeout_ms <= 200)
        assert.is_true(seen[1].creation_ms > 600)
        assert.equal(pool, seen[1].pool)
        local conn = assert(pool:udp())
        assert.equal("UDP", conn:protocol())
        assert.equal("IPv6", conn:ip())
        conn:put()
        pool:close()
    end)

    it("reads and writes a descriptor the function gives, and closes it", function()
        local listener, target = support.listener()
        local other = assert(netconnpool.new(support.options({target = target})))
        local pool = assert(netconnpool.new(support.options({
            dial = function()
                local connection = assert(other:get()):detach()
                return "a name", {fd = connection.fd}
            end})))
        local conn = assert(pool:get())
        local peer = support.peer(listener)
        assert.equal("a name", conn:object())
        assert.equal("TCP", conn:protocol())
        assert(conn:send("ping"))
        assert.equal("ping", peer.receive(4))
        conn:discard()
        assert.is_true(peer.sees_end())
        peer.close()
        pool:close()
        other:close()
        sys.close(listener)
    end)

    it("dials a target itself when there are only hooks", function()
        local listener, target = support.listener()
        local created = {}
        local pool = assert(netconnpool.new(support.options({
            target = target,
            on_created = function(connection)
                created[#created + 1] = connection.id
                assert(connection:send("AUTH\n"))
            end})))
        local conn = assert(pool:get())
        local peer = support.peer(listener)
        assert.equal("AUTH\n", peer.receive(5))
        assert.same({conn:id()}, created)
        conn:put()
        pool:close()
        assert.is_true(peer.sees_end())
        peer.close()
        sys.close(listener)
        local none, err, name = assert(netconnpool.new(support.options({
            target = target, on_created = function() end}))):get(300)
        assert.is_nil(none)
        assert.equal("dial", name)
        assert.is_truthy(tostring(err):find("efused"))
    end)

    it("serves whoever waits, in one thread", function()
        local pool
        pool = support.pull({max_connections = 1, on_return = function() end})
        local conn = assert(pool:get())
        local none, _, name = pool:get(20)
        assert.is_nil(none)
        assert.equal("timeout", name)
        conn:put()
        assert(pool:get(20)):put()
        pool:close()
    end)

    it("closes what is too old when it is asked to work", function()
        local pool, log = support.pull({idle_timeout = 30, cleanup_interval = 10})
        assert(pool:get()):put()
        local begin = sys.now()
        while #log.closed == 0 and sys.now() - begin < 2000 do
            netconnpool.work(20)
        end
        assert.same({"idle_timeout"}, log.closed)
        pool:close()
    end)

    it("accepts in server mode", function()
        local listener, target = support.listener()
        local pool = assert(netconnpool.new(support.options({
            mode = "server", listener_fd = listener, on_borrow = function() end})))
        local client = assert(netconnpool.new(support.options({target = target})))
        local theirs = assert(client:get())
        local ours = assert(pool:get(2000))
        assert(theirs:send("question\n"))
        assert.equal("question", ours:receive())
        assert(ours:send("answer\n"))
        assert.equal("answer", theirs:receive())
        theirs:put()
        ours:put()
        client:close()
        pool:close()
        sys.close(listener)
    end)

    it("renews a connection under its lease", function()
        local pool = support.pull()
        local conn = assert(pool:get())
        assert.is_true(conn:renew("another", {protocol = "udp"}))
        assert.equal("another", conn:object())
        assert.equal("UDP", conn:protocol())
        conn:put()
        assert.equal("another", assert(pool:udp()):object())
        pool:close_now()
    end)
end)

describe("an error of a function", function()
    local thrown

    before_each(function()
        thrown = support.error("of the user")
    end)

    local function throws()
        error(thrown)
    end

    local function refuses()
        return nil, thrown
    end

    -- The same object, nothing lost, and the next get works.
    local function check(pool, stop, what, call)
        local ok, err, name = call(pool)
        assert.is_nil(ok)
        assert.equal(thrown, err)
        assert.equal(what, name)
        assert.equal(0, pool:active_count())
        assert.equal(0, pool:dialing_count())
        stop()
        assert(pool:get(500)):put()
        local stats = pool:stats()
        assert.equal(stats.total, stats.successful + stats.failed)
        pool:close()
        assert.equal(0, pool:stats().current)
    end

    local function get(pool)
        return pool:get(500)
    end

    local function get_and_put(pool)
        return assert(pool:get(500)):put()
    end

    for _, case in ipairs({
        {"dial", "dial", get}, {"on_created", "hook", get}, {"on_borrow", "hook", get},
        {"on_return", "hook", get_and_put}}) do
        local option, name, call = case[1], case[2], case[3]
        for kind, fails in pairs({throws = throws, refuses = refuses}) do
            it(("that %s in %s comes back as it is"):format(kind, option), function()
                local failing = true
                local function once()
                    if failing then
                        return fails()
                    end
                    return option == "dial" and {} or true
                end
                local pool = support.pull({max_connections = 1, [option] = once})
                check(pool, function() failing = false end, name, call)
            end)
        end
    end

    it("in close is told by the put that closed", function()
        local pool = support.pull({max_idle_connections = 1, close = throws})
        local a, b = assert(pool:get()), assert(pool:get())
        assert.is_true(a:put())
        local ok, err, name = b:put()
        assert.is_nil(ok)
        assert.equal(thrown, err)
        assert.equal("closehook", name)
        ok, err, name = pool:close()
        assert.is_nil(ok)
        assert.equal(thrown, err)
        assert.equal("closehook", name)
        assert.equal(2, pool:stats().closed)
    end)

    it("in check makes a connection unhealthy", function()
        local pool, log = support.pull({check_on_borrow = true, check = throws})
        assert(pool:get()):put()
        assert(pool:get()):put()
        assert.same({"unhealthy"}, log.closed)
        assert.equal(2, log.made)
        pool:close()
    end)

    it("in on_close, on_leak and log stays where it is", function()
        local clock = netconnpool.manual_clock()
        local pool = support.pull({on_close = throws, on_leak = throws, log = throws,
            log_level = "debug", leak_timeout = 100, leak_interval = 10,
            clock = clock, leak_evict_multiplier = 0})
        local conn = assert(pool:get())
        clock:advance(150)
        netconnpool.work()
        assert.equal(1, pool:stats().leaked)
        assert.is_true(conn:discard())
        pool:close()
        assert.equal(0, pool:stats().current)
    end)

    it("may be anything but nil", function()
        for _, value in ipairs({"a text", 42, false, {}}) do
            local pool = support.pull({dial = function() return nil, value end})
            local ok, err, name = pool:get(100)
            assert.is_nil(ok)
            assert.equal(value, err)
            assert.equal("dial", name)
            pool:close()
        end
        local pool = support.pull({dial = function() end})
        local ok, err, name = pool:get(100)
        assert.is_nil(ok)
        assert.equal("string", type(err))
        assert.equal("invalidconn", name)
        pool:close()
    end)

    it("is found again in dial_error, with its number", function()
        local pool = support.pull({dial = function() return nil, thrown, 113 end})
        assert.is_nil((pool:get(100)))
        local last = pool:dial_error()
        assert.equal(thrown, last.error)
        assert.equal("of the user", last.text)
        assert.equal(113, last.code)
        assert.is_truthy(pool:describe():find("of the user (113)", 1, true))
        pool:close()
    end)
end)

describe("options", function()
    local function refused(options, text)
        local pool, err, name = netconnpool.new(options)
        assert.is_nil(pool)
        assert.equal("invalidconfig", name)
        assert.is_truthy(err:find(text, 1, true), err)
    end

    it("are refused with what is wrong and what was meant", function()
        refused(nil, "a table of options")
        refused({}, "target")
        refused({target = "tcp://127.0.0.1:1", max_conections = 1}, "max_connections")
        refused({target = "nonsense"}, "target")
        refused({target = "tcp://127.0.0.1:1", on_borow = print}, "on_borrow")
        refused({target = "tcp://127.0.0.1:1", on_borrow = "text"}, "a function")
        refused({target = "tcp://127.0.0.1:1", idle_timeout = "5 days"}, "idle_timeout")
        refused({target = "tcp://127.0.0.1:1", idle_timeout = 1.5}, "whole number")
        refused({target = "tcp://127.0.0.1:1", idle_timeout = 0 / 0}, "whole number")
        refused({target = "tcp://127.0.0.1:1", idle_timeout = {}}, "table")
        refused({target = 42}, "a text is needed")
        refused({target = "tcp://127.0.0.1:1", get_timeout = 0}, "get_timeout")
        refused({dial = function() end, driver = "push"}, "pull driver")
        refused({dial = function() end, mode = "sideways"}, "mode")
        refused({dial = function() end, clock = {}}, "manual_clock")
        refused({mode = "server", on_borrow = function() end}, "listener")
        refused({[1] = "tcp://127.0.0.1:1"}, "no option 1")
    end)

    it("are read as numbers, texts and truths", function()
        local pool = support.pull({idle_timeout = "5m0s", health_check = "off",
            maintain_min = true, idle_order = "fifo", max_waiters = 3})
        assert.equal(300000, pool:option("idle_timeout"))
        assert.equal(0, pool:option("health_check"))
        assert.equal(1, pool:option("maintain_min"))
        assert.equal(1, pool:option("idle_order"))
        assert.equal(3, pool:option("max_waiters"))
        pool:close()
    end)

    it("are listed with type, default and range", function()
        local found
        for _, option in ipairs(netconnpool.options()) do
            if option.name == "max_connections" then
                found = option
            end
            assert.is_true(#option.help > 10)
        end
        assert.equal(10, found.default)
        assert.equal(100000, found.max)
        assert.is_true(found.runtime)
    end)

    it("make a pool in advance when asked to", function()
        local pool, log = support.pull({min_connections = 3, prewarm_blocking = true})
        assert.equal(3, log.made)
        assert.equal(3, pool:idle_count())
        pool:close()
    end)
end)

describe("helpers", function()
    it("judge targets and descriptors", function()
        assert.is_true(netconnpool.check_target("tcp://localhost:80"))
        local ok, why = netconnpool.check_target("tcp://localhost")
        assert.is_nil(ok)
        assert.is_true(#why > 10)
        local pool, listener = support.push()
        local conn = assert(pool:get())
        assert.equal("TCP", (netconnpool.fd_detect(conn:fd())))
        assert.is_true(netconnpool.fd_alive(conn:fd()))
        assert.is_false(netconnpool.udp_has_data(conn:fd()))
        assert.equal(0, netconnpool.udp_drain(conn:fd()))
        assert.is_nil((netconnpool.fd_detect(-1)))
        conn:put()
        pool:close()
        sys.close(listener)
        assert.is_nil((netconnpool.listen("nonsense")))
    end)
end)
