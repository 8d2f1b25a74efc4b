-- A pool in PUC Lua, which has no threads and no sockets: many tasks, each a coroutine,
-- on a few connections in one loop.
--
--     lua5.4 main.lua TARGET          an echo server, such as tcp://127.0.0.1:7
--
-- LUA_PATH and LUA_CPATH have to find ncp.lua and ncp_core.so.
local ncp = require("ncp")

local TASKS, REQUESTS, CONNECTIONS, PATIENCE_MS = 50, 20, 4, 5000

local queue = assert(ncp.queue())
local pool = assert(ncp.pool{target = assert(arg[1], "a target is needed"),
    driver = "pull", queue = queue, max_connections = CONNECTIONS})

-- ----------------------------------------------------------------------------- the host

local waiting = {} -- tasks in line, by their ticket

-- Does what the pool wants done: work of its own, or on behalf of a caller.
local function act(event)
    if event.type == ncp.EVENT_DIAL then
        local fd, err, _, code = pool:dial_target(event.protocol, event.ip,
            event.timeout_ms)
        if fd then
            assert(pool:fulfil(event.lease, fd))
        else
            assert(pool:fail(event.lease, ncp.EDIAL, code, err))
        end
    elseif event.type == ncp.EVENT_CHECK then
        pool:checked(event.lease, ncp.fd_alive(event.fd))
    elseif event.type == ncp.EVENT_CLOSE then
        ncp.fd_close(event.fd)
    elseif event.type == ncp.EVENT_READY then
        local task = waiting[event.ticket]
        waiting[event.ticket] = nil
        assert(coroutine.resume(task, pool:ticket_take(event.ticket)))
    end
end

-- Borrows for the task that runs: an event with lease and fd; or nil, an error.
local function borrow()
    local event, err = pool:acquire{queue = queue}
    if event and event.type == ncp.EVENT_PENDING then
        waiting[event.ticket] = coroutine.running()
        event, err = coroutine.yield()
    end
    return event, err
end

-- Runs until every task has ended.
local function run(tasks)
    for _, task in ipairs(tasks) do
        assert(coroutine.resume(task))
    end
    while next(waiting) do
        for _, event in ipairs(queue:wait(pool:next_due_ms())) do
            act(event)
        end
        pool:work()
    end
end

-- ------------------------------------------------------------------------------ the job

-- One request: what was sent comes back. Waiting for the peer holds the whole program
-- up here; with a library of sockets for coroutines it would not.
local function ask(fd, text)
    assert(ncp.fd_send(fd, text, PATIENCE_MS))
    local reply = ""
    while #reply < #text do
        reply = reply .. assert(ncp.fd_receive(fd, #text - #reply, PATIENCE_MS))
    end
    return reply == text
end

local good, bad = 0, 0

local function work(number)
    for i = 1, REQUESTS do
        local conn = assert(borrow())
        local fine, same = pcall(ask, conn.fd, ("task %d, request %d"):format(number, i))
        if fine and same then
            good = good + 1
            assert(pool:put(conn.lease))
        else
            bad = bad + 1
            pool:discard(conn.lease) -- broken: closed, its place is free
        end
    end
end

local tasks = {}
for number = 1, TASKS do
    tasks[number] = coroutine.create(function() work(number) end)
end
run(tasks)

local stats = pool:stats()
print(("%d requests of %d tasks over %d connections, %d failed"):format(good, TASKS,
    stats.created, bad))

assert(pool:close())
for _, event in ipairs(queue:poll()) do
    act(event) -- CLOSE, for each connection
end
os.exit(good == TASKS * REQUESTS and stats.created <= CONNECTIONS, true)
