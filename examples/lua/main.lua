-- A script that asks a server over a few connections, alone and with many tasks at once.
--
--     luajit main.lua TARGET        an echo server, such as tcp://127.0.0.1:7
--
-- LUA_PATH has to find netconnpool.lua, NETCONNPOOL_LIBRARY the C library where it is
-- not installed.
local netconnpool = require("netconnpool")

local target = assert(arg[1], "a target is needed")
local TASKS, QUESTIONS, CONNECTIONS, PATIENCE_MS = 60, 50, 4, 2000

-- A line there and a line back. What goes wrong is thrown, so that pool:with() closes the
-- connection in place of giving it back: half an answer may still be on its way.
local function ask(conn, question, patience_ms)
    conn:settimeout(patience_ms or PATIENCE_MS)
    assert(conn:send(question .. "\n"))
    return assert(conn:receive("*l"))
end

-- ------------------------------------------------------------------ one after the other

-- The library dials, checks and closes on a thread of its own; the script just waits.
local pool = assert(netconnpool.new({target = target, name = "plain",
    max_connections = 1, min_connections = 0, get_timeout = "2s"}))
for number = 1, 100 do
    local question = "question " .. number
    local answer = assert(pool:with(function(conn) return ask(conn, question) end))
    assert(answer == question, answer)
end
print(("100 questions, one after the other: %d connection"):format(pool:stats().created))

-- A peer that hangs: no answer in time, so the connection is of no use to anybody.
local lease = assert(pool:get())
assert(lease:send("mute")) -- the echo server says nothing more on this connection
lease:settimeout(50)
local answer, why = lease:receive("*l")
print(("a peer that hangs: %s, %s"):format(tostring(answer), why))
assert(why == "timeout")

-- Meanwhile nobody else gets one: a try says so at once, a get in its time.
local none, text, name = pool:try()
print(("while it is out: %s, %s (%s)"):format(tostring(none), text, name))
assert(not none and name == "exhausted")
assert(lease:put()) -- closed all the same: it had been asked and did not answer
assert(pool:with(function(conn) return ask(conn, "and on") end) == "and on")
assert(pool:stats().created == 2)
assert(pool:close_wait(PATIENCE_MS))

-- ------------------------------------------------------------------------ many at once

-- Coroutines in one loop: who waits, for a connection or for a peer, lets others run.
local loop = netconnpool.loop()
local shared = assert(netconnpool.new({target = target, name = "shared", host = loop,
    max_connections = CONNECTIONS, min_connections = 0}))
local right = 0
for task = 1, TASKS do
    loop:spawn(function()
        for number = 1, QUESTIONS do
            local question = ("task %d, question %d"):format(task, number)
            local said = assert(shared:with(function(conn)
                return ask(conn, question)
            end))
            right = right + (said == question and 1 or 0)
        end
    end)
end
loop:run()
local stats = shared:stats()
print(("%d of %d answers of %d tasks were right, over %d connections"):format(right,
    TASKS * QUESTIONS, TASKS, stats.created))
loop:run(function() assert(shared:drain(PATIENCE_MS)) end)

-- ------------------------------------------------------------------- nobody is there

local nobody = assert(netconnpool.new({target = "tcp://127.0.0.1:1",
    min_connections = 0}))
local nothing, reason = nobody:get()
print(("nobody there: %s, %s"):format(tostring(nothing), reason))
assert(not nothing)

os.exit(right == TASKS * QUESTIONS and stats.created <= CONNECTIONS and 0 or 1)
