-- Two locations: one that works with Redis, one that shows how the pool is.
local netconnpool = require("resty.netconnpool")
local redis = require("redis")

local app = {}

local function fail(status, text)
    ngx.status = status
    ngx.say(text)
end

-- Counts a visit: the answer is its number.
function app.visit()
    local pool = assert(netconnpool.pool("redis"))
    local lease, err = pool:acquire()
    if not lease then
        return fail(503, err)
    end
    local client
    client, err = lease:connect(redis.new())
    if not client then
        lease:discard()
        return fail(502, err)
    end
    local visits
    visits, err = client:incr("visits")
    if not visits then
        lease:discard() -- half an answer may still be on its way
        return fail(502, err)
    end
    lease:put()
    ngx.say(visits)
end

-- The pools of the worker that answers.
function app.status()
    ngx.say("worker ", ngx.worker.pid())
    for _, name in ipairs(netconnpool.names()) do
        local pool = netconnpool.pool(name)
        ngx.say(pool:describe())
        local stats = pool:stats()
        for _, counter in ipairs({"created", "closed", "active", "idle", "waiting",
            "successful", "failed", "timeout", "reused", "renewed",
            "p99_get_time"}) do
            ngx.say(name, ".", counter, " ", stats[counter])
        end
    end
end

return app
