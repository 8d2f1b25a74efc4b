-- The job in Lua: coroutines share a pool.
--
--     luajit job.lua TARGET WORKERS CONNECTIONS SECONDS DIALS
--
-- Each worker sends 64 bytes and reads them back, again and again: first over a pool, for
-- SECONDS, then over a connection made for each request, DIALS of them. Prints one line
-- of JSON, which table.py turns into a row.
local netconnpool = require("netconnpool")

local loop = netconnpool.loop()

-- Whether what was sent comes back.
local function ask(conn, text)
    assert(conn:send(text))
    return assert(conn:receive(#text)) == text
end

-- Lets workers call request(text) for a time, each at most so often: {seconds =,
-- requests =, failed =}.
local function run(workers, request, seconds, count)
    local good, failed, begin = 0, 0, loop:now()
    local function work(number)
        local done_so_far = 0
        while done_so_far < count and loop:now() < begin + seconds * 1000 do
            done_so_far = done_so_far + 1
            local done, fine = pcall(request, ("%-32d%32d"):format(number, done_so_far))
            if done and fine then
                good = good + 1
            else
                io.stderr:write("worker ", number, ": ", tostring(fine), "\n")
                failed = failed + 1
            end
        end
    end
    for number = 1, workers do
        loop:spawn(work, number)
    end
    loop:run()
    return {seconds = (loop:now() - begin) / 1000, requests = good, failed = failed}
end

local function json(value)
    if type(value) ~= "table" then
        return type(value) == "string" and ("%q"):format(value) or tostring(value)
    end
    local fields = {}
    for name, field in pairs(value) do
        fields[#fields + 1] = ("%q: %s"):format(name, json(field))
    end
    return "{" .. table.concat(fields, ", ") .. "}"
end

local function open(target, connections)
    return assert(netconnpool.new({target = target, host = loop, min_connections = 0,
        max_connections = connections, latency_samples = 10000}))
end

local function main(target, workers, connections, seconds, dials)
    local pool = open(target, connections)
    local result = run(workers, function(text)
        return pool:with(function(conn) return ask(conn, text) end)
    end, seconds, math.huge)
    loop:run(function() assert(pool:drain(-1)) end)
    result.counters = pool:stats()
    result.p50_us = result.counters.p50_get_time / 1000
    result.p99_us = result.counters.p99_get_time / 1000

    -- LuaJIT has no sockets but those of the pool: one that keeps nothing dials.
    local dialer = open(target, 0)
    local dialing = run(workers, function(text)
        local conn = assert(dialer:get())
        local fine = ask(conn, text)
        assert(conn:discard())
        return fine
    end, math.huge, math.floor(dials / workers))
    print(json({language = "Lua", workers = "coroutines", pool = result,
        dialing = dialing}))
end

local target = assert(arg[1], "a target is needed")
main(target, tonumber(arg[2]), tonumber(arg[3]), tonumber(arg[4]), tonumber(arg[5]))
