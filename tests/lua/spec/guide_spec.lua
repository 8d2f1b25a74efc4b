-- The programs of docs/lua.md, as they stand there.
local here = debug.getinfo(1, "S").source:match("^@(.*)/[^/]*$") or "."
local netconnpool = require("netconnpool")
local support = require("support")
local sys = require("netconnpool.sys")

local function programs()
    local file = assert(io.open(here .. "/../../../docs/lua.md"))
    local text = file:read("*a")
    file:close()
    local list = {}
    for program in text:gmatch("```lua\n(.-)```") do
        list[#list + 1] = program
    end
    return list
end

-- A pool in server mode that answers each line of its clients, as a task of a loop.
local function serve(loop, listener, answer, connections)
    local server = assert(netconnpool.new(support.options({host = loop,
        mode = "server", listener_fd = listener})))
    for _ = 1, connections do
        loop:spawn(function()
            local conn = server:get(3000)
            while conn do
                local line = conn:receive("*l")
                if not line then
                    conn:discard()
                    return
                end
                conn:send(answer)
            end
        end)
    end
    return server
end

describe("the guide", function()
    local list = programs()

    it("has programs", function()
        assert.equal(4, #list)
    end)

    it("begins with one that talks", function()
        local listener, target = support.listener()
        local program = list[1]:gsub("tcp://127.0.0.1:6379", target)
            :gsub('max_connections = 8', 'max_connections = 8, min_connections = 1')
        -- the answer waits in the socket before the question is asked
        program = program:gsub("local pong", "answer(pool)\nlocal pong", 1)
        local peer
        local run = assert(loadstring(program .. "\nreturn pong, pool"))
        setfenv(run, setmetatable({answer = function(pool)
            assert(pool:prewarm_wait(2000))
            peer = support.peer(listener)
            peer.send("+PONG\r\n")
        end}, {__index = _G}))
        local pong, pool = run()
        assert.equal("+PONG", pong)
        pool:close()
        peer.close()
        sys.close(listener)
    end)

    it("goes on with functions", function()
        local run = assert(loadstring(list[2] .. "\nreturn pool"))
        local calls = {}
        local function note(name)
            return function()
                calls[#calls + 1] = name
                return true
            end
        end
        local client = {fd = function() end, quit = note("quit"), ping = note("ping"),
            reset = note("reset")}
        setfenv(run, setmetatable({netconnpool = netconnpool,
            connect_somehow = function()
                return client
            end}, {__index = _G}))
        local pool = run()
        assert(pool:get()):put()
        local conn = assert(pool:get())
        conn:put()
        pool:close()
        local said = table.concat(calls, " ")
        assert.is_truthy(said:find("reset", 1, true))
        assert.is_truthy(said:find("ping", 1, true))
        assert.is_truthy(said:find("quit", 1, true))
    end)

    it("lets tasks wait side by side", function()
        local listener, target = support.listener()
        local program = list[3]:gsub("tcp://127.0.0.1:6379", target)
            :gsub("local loop = netconnpool.loop%(%)", "local loop = the_loop")
        local loop = netconnpool.loop()
        local server = serve(loop, listener, ":1\r\n", 2)
        -- the tasks of the server end with their connections
        program = program:gsub("loop:run%(%)", "loop:run(function() loop:sleep(200) end)")
        local run = assert(loadstring(program .. "\nreturn pool"))
        setfenv(run, setmetatable({the_loop = loop, netconnpool = netconnpool},
            {__index = _G}))
        local pool = run()
        assert.equal(10, pool:stats().successful)
        server:close()
        loop:stop()
        sys.close(listener)
    end)

    it("ends with a clock that jumps", function()
        local run = assert(loadstring(list[4] .. "\nreturn pool, loop"))
        setfenv(run, setmetatable({netconnpool = netconnpool, dial = function()
            return {}
        end}, {__index = _G}))
        local pool, loop = run()
        loop:run(function()
            assert(pool:get()):put()
            loop:sleep(3600000)
            assert.equal(0, pool:idle_count())
        end)
        pool:close()
        loop:stop()
    end)
end)
