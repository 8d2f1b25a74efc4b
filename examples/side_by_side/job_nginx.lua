-- The job in nginx: light threads of a worker share a pool of cosockets. See
-- job_nginx.py.
local netconnpool = require("resty.netconnpool")

local job = {}

local function now()
    ngx.update_time()
    return ngx.now()
end

-- Whether what was sent comes back.
local function ask(sock, text)
    assert(sock:send(text))
    return assert(sock:receive(#text)) == text
end

-- Lets workers call request(text) for a time, each at most so often: {seconds =,
-- requests =, failed =}.
local function run(workers, request, seconds, count)
    local good, failed, begin = 0, 0, now()
    local function work(number)
        local done_so_far = 0
        while done_so_far < count and now() < begin + seconds do
            done_so_far = done_so_far + 1
            local done, fine = pcall(request, ("%-32d%32d"):format(number, done_so_far))
            if done and fine then
                good = good + 1
            else
                ngx.log(ngx.ERR, "worker ", number, ": ", tostring(fine))
                failed = failed + 1
            end
        end
    end
    local threads = {}
    for number = 1, workers do
        threads[number] = assert(ngx.thread.spawn(work, number))
    end
    for _, thread in ipairs(threads) do
        assert(ngx.thread.wait(thread))
    end
    return {seconds = now() - begin, requests = good, failed = failed}
end

local function pooled(host, port, connections, workers, seconds)
    local pool = assert(netconnpool.open({name = "job", host = host, port = port,
        max_connections = connections, min_connections = 0, latency_samples = 10000}))
    local result = run(workers, function(text)
        local lease = assert(pool:acquire())
        local sock = assert(lease:connect())
        local done, fine = pcall(ask, sock, text)
        if done and fine then
            assert(lease:put())
        else
            lease:discard() -- broken: not for the next one
        end
        return done and fine
    end, seconds, math.huge)
    assert(pool:drain(5000))
    result.counters = pool:stats()
    result.p50_us = result.counters.p50_get_time / 1000
    result.p99_us = result.counters.p99_get_time / 1000
    return result
end

local function dialing(host, port, workers, dials)
    return run(workers, function(text)
        local sock = ngx.socket.tcp()
        assert(sock:connect(host, port))
        local fine = ask(sock, text)
        assert(sock:close())
        return fine
    end, math.huge, math.floor(dials / workers))
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

function job.answer()
    local wanted = ngx.req.get_uri_args()
    local port, workers = tonumber(wanted.port), tonumber(wanted.workers)
    local result = {language = "nginx", workers = "light threads"}
    result.pool = pooled(wanted.host, port, tonumber(wanted.connections), workers,
        tonumber(wanted.seconds))
    result.dialing = dialing(wanted.host, port, workers, tonumber(wanted.dials))
    ngx.say(json(result))
end

return job
