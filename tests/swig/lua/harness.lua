-- Tests in Lua: named by sentences, run in order, each with a clean end.
--
--     lua5.4 pull.lua TCP-TARGET UDP-TARGET
local ncp = require("ncp")

local harness = {
    tcp = arg[1], -- an echo server
    udp = arg[2],
    NOWHERE = "tcp://127.0.0.1:1", -- nobody listens there
}

local ran, failed = 0, 0

function harness.equal(got, wanted, what)
    if got ~= wanted then
        error(("%s: %s, not %s"):format(what or "value", tostring(got),
            tostring(wanted)), 2)
    end
end

-- What a call returned is nil, a text, and this name of a status.
function harness.fails(wanted, got, text, name)
    if got ~= nil or name ~= wanted or type(text) ~= "string" or text == "" then
        error(("%s, %s, %s: not the error %s"):format(tostring(got), tostring(text),
            tostring(name), wanted), 2)
    end
    return text
end

-- The function raises an error with this text in it.
function harness.raises(text, fn, ...)
    local fine, err = pcall(fn, ...)
    if fine or not tostring(err):find(text, 1, true) then
        error(("%s: not an error with %q"):format(fine and "no error" or err, text), 2)
    end
end

function harness.test(sentence, fn)
    local fine, err = xpcall(fn, debug.traceback)
    ran = ran + 1
    if not fine then
        failed = failed + 1
        print("FAILED " .. sentence .. "\n" .. err)
    end
end

function harness.finish()
    collectgarbage()
    print(("%d tests, %d failed"):format(ran, failed))
    os.exit(failed == 0 and ran > 0, true)
end

-- How many descriptors this process has open, apart from pipes, of which asking needs
-- some itself.
function harness.descriptors()
    local list = io.popen("ls -l /proc/$PPID/fd 2>/dev/null")
    local count = 0
    for line in list:lines() do
        if line:find("->", 1, true) and not line:find("pipe:", 1, true) then
            count = count + 1
        end
    end
    list:close()
    return count
end

-- ------------------------------------------------------------------------ a small host

-- A pull pool and its queue; nothing prewarmed unless asked for.
function harness.pull(options)
    local queue = assert(ncp.queue())
    local all = {target = harness.tcp, driver = "pull", queue = queue,
        min_connections = 0}
    for name, value in pairs(options or {}) do
        all[name] = value
    end
    return assert(ncp.pool(all)), queue
end

-- Sends a text and reads it back.
function harness.ask(fd, text)
    assert(ncp.fd_send(fd, text, 5000))
    local got = ""
    while #got < #text do
        got = got .. assert(ncp.fd_receive(fd, #text - #got, 5000))
    end
    harness.equal(got, text, "echo")
end

-- Dials what an event DIAL wants and says so.
function harness.dial(pool, event)
    harness.equal(event.type, ncp.EVENT_DIAL, "event")
    local fd = assert(pool:dial_target(event.protocol, event.ip, event.timeout_ms))
    return assert(pool:fulfil(event.lease, fd))
end

-- An event CONN, whatever is to be done before.
function harness.borrow(pool, options)
    options = options or {}
    options.flags = ncp.FLAG_DIALS
    local event = assert(pool:acquire(options))
    if event.type == ncp.EVENT_DIAL then
        event = harness.dial(pool, event)
    end
    harness.equal(event.type, ncp.EVENT_CONN, "event")
    return event
end

-- Closes what a queue wants to have closed; how many that were.
function harness.close_all(queue)
    local closed = 0
    local events = queue:poll()
    while #events > 0 do
        for _, event in ipairs(events) do
            if event.type == ncp.EVENT_CLOSE then
                assert(ncp.fd_close(event.fd))
                closed = closed + 1
            end
        end
        events = queue:poll()
    end
    return closed
end

-- Closes a pool and everything it has.
function harness.shut(pool, queue)
    assert(pool:close())
    local closed = harness.close_all(queue)
    pool:free()
    return closed
end

return harness
