-- The loop: pools whose waits let other tasks run.
local netconnpool = require("netconnpool")
local support = require("support")
local sys = require("netconnpool.sys")

describe("tasks of a loop", function()
    local loop, clock

    before_each(function()
        clock = netconnpool.manual_clock()
        loop = netconnpool.loop({clock = clock})
    end)

    after_each(function()
        loop:stop()
    end)

    local function open(more)
        local options = more or {}
        options.host, options.clock = loop, clock
        return support.pull(options)
    end

    it("are served in the order they came", function()
        local pool = open({max_connections = 1})
        local order = {}
        for i = 1, 20 do
            loop:spawn(function()
                local conn = assert(pool:get(-1))
                order[#order + 1] = i
                loop:sleep(10)
                conn:put()
            end)
        end
        local begin = loop:now()
        loop:run()
        assert.equal(200, loop:now() - begin)
        for i = 1, 20 do
            assert.equal(i, order[i])
        end
        assert.equal(1, pool:stats().created)
    end)

    it("give up exactly at their deadline, and the dial goes on", function()
        local pool
        pool = open({dial = function()
            loop:sleep(200)
            return {}
        end})
        loop:run(function()
            local begin = loop:now()
            local none, _, name = pool:get(50)
            assert.is_nil(none)
            assert.equal("timeout", name)
            assert.equal(50, loop:now() - begin)
            assert.equal(1, pool:dialing_count())
            loop:sleep(160)
            assert.equal(1, pool:idle_count())
            assert(pool:try()):put()
        end)
    end)

    it("take a connection that comes back before the dial has ended", function()
        local slow = false
        local pool
        pool = open({max_connections = 2, dial = function()
            loop:sleep(slow and 100 or 1)
            return {}
        end})
        loop:run(function()
            local first = assert(pool:get())
            slow = true
            local begin, second = loop:now(), nil
            local task = loop:spawn(function()
                second = assert(pool:get())
            end)
            loop:sleep(20)
            first:put()
            loop:join(task)
            assert.equal(20, loop:now() - begin)
            assert.is_true(second:is_out())
            second:put()
        end)
    end)

    it("are ended by a token", function()
        local pool = open({max_connections = 1})
        local token = netconnpool.cancel()
        loop:run(function()
            local conn = assert(pool:get())
            loop:spawn(function()
                loop:sleep(30)
                token:fire()
            end)
            local begin = loop:now()
            local none, _, name = pool:get({cancel = token})
            assert.is_nil(none)
            assert.equal("canceled", name)
            assert.equal(30, loop:now() - begin)
            conn:put()
        end)
        assert.equal(1, pool:stats().canceled)
    end)

    it("wait for the last lease at a close", function()
        local pool = open()
        loop:run(function()
            local conn = assert(pool:get())
            loop:spawn(function()
                loop:sleep(40)
                conn:put()
            end)
            local begin = loop:now()
            assert.is_true(pool:close_wait())
            assert.equal(40, loop:now() - begin)
            assert.is_true(pool:drain(10))
        end)
    end)

    it("see a dial that takes too long fail, and its result closed", function()
        local pool, log
        pool, log = open({connection_timeout = 50, dial = function()
            loop:sleep(300)
            return {}
        end})
        loop:run(function()
            local begin = loop:now()
            local none, err, name = pool:get(1000)
            assert.is_nil(none)
            assert.equal("dial", name)
            assert.is_truthy(err:find("connection_timeout", 1, true))
            assert.equal(50, loop:now() - begin)
            loop:sleep(400)
        end)
        assert.equal(1, #log.closed)
        assert.equal(0, pool:stats().current)
    end)

    it("may be cut off in the middle without an error of the pool", function()
        local pool = open({max_connections = 1})
        loop:run(function()
            local conn = assert(pool:get())
            loop:spawn(function()
                pool:get(-1)
                error("never served")
            end)
            loop:sleep(1)
            pool:close()
            conn:put()
        end)
        assert.has_error(function()
            loop:run()
        end)
    end)

    it("say so when nothing can go on", function()
        local ok, err = pcall(loop.run, loop, function()
            loop:wait(loop:slot(), -1)
        end)
        assert.is_false(ok)
        assert.is_truthy(err:find("nothing can go on", 1, true))
    end)
end)

describe("a loop in real time", function()
    it("lets tasks talk side by side over sockets", function()
        local loop = netconnpool.loop()
        local listener, target = support.listener()
        local server = assert(netconnpool.new(support.options({host = loop,
            mode = "server", listener_fd = listener, max_connections = 8})))
        local client = assert(netconnpool.new(support.options({host = loop,
            target = target, max_connections = 2})))
        local answers = 0
        for _ = 1, 2 do
            loop:spawn(function()
                local conn = assert(server:get(5000))
                while true do
                    local line = conn:receive("*l")
                    if not line then
                        break
                    end
                    conn:send(line:upper() .. "\n")
                end
                conn:discard()
            end)
        end
        for i = 1, 30 do
            loop:spawn(function()
                assert(client:with(function(conn)
                    conn:settimeout(5000)
                    assert(conn:send("question " .. i .. "\n"))
                    assert.equal("QUESTION " .. i, conn:receive("*l"))
                    answers = answers + 1
                    return true
                end))
                if answers == 30 then
                    client:close()
                end
            end)
        end
        loop:run()
        assert.equal(30, answers)
        assert.equal(2, client:stats().created)
        server:close()
        loop:stop()
        sys.close(listener)
    end)

    it("keeps deadlines of reads", function()
        local loop = netconnpool.loop()
        local listener, target = support.listener()
        local pool = assert(netconnpool.new(support.options({host = loop,
            target = target})))
        loop:run(function()
            local conn = assert(pool:get())
            conn:settimeout(30)
            local line, why = conn:receive()
            assert.is_nil(line)
            assert.equal("timeout", why)
            conn:put()
            assert.equal(0, pool:idle_count())
        end)
        pool:close()
        loop:stop()
        sys.close(listener)
    end)
end)
