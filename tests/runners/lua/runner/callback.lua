-- Functions of a pool that call the pool back, as the key `call` says.
local coroutine = require("coroutine")
local C = require("netconnpool.loader").lib
local scene = require("runner.scene")
local verdict = require("runner.verdict")

local fail = verdict.fail

local callback = {}

local MAIN = {}
local inside = setmetatable({}, {__mode = "k"}) -- coroutines that are in a callback

local function must(what, value, err)
    if not value then
        fail("%s from a callback: %s", what, tostring(err))
    end
end

-- A get may fail from here; what it gives is given back.
local function get_and_put(pool, lease)
    if lease then
        must("put", pool:put(lease))
    end
end

local CALLS = {
    stats = function(pool) must("stats", pool:stats()) end,
    describe = function(pool) must("describe", pool:describe()) end,
    leases = function(pool) must("leases", pool:leases()) end,
    try_get_put = function(pool) get_and_put(pool, pool:try()) end,
    get_put = function(pool) get_and_put(pool, pool:get(1)) end,
    counts = function(pool)
        if pool:active_count() < 0 or pool:idle_count() < 0 or
            pool:waiting_count() < 0 or pool:dialing_count() < 0 then
            fail("a count from a callback is negative")
        end
        pool:is_closed()
    end,
    wake = function(pool) must("wake", pool:wake()) end,
    dial_error = function(pool) pool:dial_error() end,
    prewarm_wait = function(pool) pool:prewarm_wait(0) end,
    ref = function(pool) C.ncp_pool_free(C.ncp_pool_ref(pool.ptr)) end,
    resize = function(pool) pool:resize(pool:option("max_connections")) end,
    suspend = function(pool)
        must("suspend", pool:suspend())
        must("resume", pool:resume())
    end,
}

-- Those that are not part of `all`.
local SINGLE = {
    flush = function(pool) pool:flush() end,
    close = function(pool) pool:close() end,
    put_own = function(pool, connection)
        local put, _, name = pool:put(connection.lease)
        if put or name ~= "invalidconn" then
            fail("put of its own connection: %s", tostring(name))
        end
    end,
}

local function call_one(name, pool, connection)
    if name == "all" then
        for _, call in pairs(CALLS) do
            call(pool)
        end
        return
    end
    local call = CALLS[name] or SINGLE[name]
    if not call then
        fail("no such call from a callback: %s", name)
    end
    call(pool, connection)
end

-- Calls what spec.call lists; with `record`, not again when that was done.
function callback.call(spec, connection, record)
    local key = coroutine.running() or MAIN
    local pool = scene.pools[1] and scene.pools[1].object
    if not spec.call or inside[key] or not pool or pool.ptr == nil then
        return
    end
    if record then
        if record.called_back then
            return
        end
        record.called_back = true
    end
    inside[key] = true
    for _, name in ipairs(spec.call) do
        call_one(name, pool, connection)
    end
    inside[key] = nil
    scene.count_up("called")
end

return callback
