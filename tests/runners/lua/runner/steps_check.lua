-- Steps that look: at counters, texts, errors.
local ffi = require("ffi")
local C = require("netconnpool.loader").lib
local constants = require("netconnpool.constants")
local facts = require("runner.facts")
local names = require("runner.names")
local scene = require("runner.scene")
local stats = require("netconnpool.stats")
local sys = require("netconnpool.sys")
local verdict = require("runner.verdict")

local fail, count = verdict.fail, verdict.count

local function wait_until(step, task)
    local limit, begin = step.limit_ms or 1000, scene.now()
    while true do
        local fine, why = facts.hold(step, task)
        if fine then
            return
        end
        local left = limit - (scene.now() - begin)
        if left < 0 or (left == 0 and not scene.place.quiet(0.000001)) then
            fail("not within %d ms: %s", limit, why)
        elseif left > 0 then
            scene.place.quiet(left)
        end
    end
end

local function texts_in(list, all, wanted)
    for _, text in ipairs(list or {}) do
        count()
        if (all:find(text, 1, true) ~= nil) ~= wanted then
            fail("\"%s\" is %s in: %s", text, wanted and "missing" or "found", all)
        end
    end
end

local function describe(step)
    local text = scene.pool_of(step):describe() or fail("describe says nothing")
    texts_in(step.contains, text, true)
    texts_in(step.omits, text, false)
end

local function dial_error(step)
    local word, last = scene.pool_of(step):dial_error()
    names.expect(step, word, "dial_error")
    for _, what in ipairs({"code", "age_ms", "count"}) do
        if step[what] ~= nil then
            facts.bound(step[what], last[what], "the " .. what)
        end
    end
    if step.text and last.text ~= step.text then
        fail("the text of the dial error is \"%s\"", last.text)
    end
end

local function log(step)
    for _, text in ipairs(step.contains) do
        local found = false
        for _, line in ipairs(scene.logs) do
            found = found or line:find(text, 1, true) ~= nil
        end
        if not found then
            fail("no line of the log says %s", text)
        end
        count()
    end
end

-- --------------------------------------------------------------------------- misuse

local function is(what, word, wanted)
    count()
    if word ~= wanted then
        fail("%s: %s, expected %s", what, word, wanted)
    end
end

local NEVER = {0, 1, 12345, 2 ^ 52, 2 ^ 53 - 1, -1, "a text", {}}

-- Leases that nobody ever gave out, through the methods of a pool.
local function misuse_leases(pool)
    for _, never in ipairs(NEVER) do
        for _, method in ipairs({"put", "discard", "detach", "conn_close"}) do
            is(method, (pool[method](pool, never)), "INVALID_CONN")
        end
    end
    is("put of nil", (pool:put(nil)), "INVALID_CONN")
end

local function misuse_names(pool)
    is("set of no option", (pool:set("no_such_option", 1)), "NOT_FOUND")
    if pool:option("no_such_option") ~= nil then
        fail("an option that is none has a value")
    end
end

-- NULL, through the calls that the binding makes.
local function misuse_nothing()
    local lease, number = ffi.new("ncp_lease[1]"), ffi.new("uint64_t[1]")
    local function status(what, value, wanted)
        is(what, names.of_status(value), wanted)
    end
    status("get of nothing", C.ncp_pool_get(nil, lease), "INVALID_ARG")
    status("close of nothing", C.ncp_pool_close(nil), "INVALID_ARG")
    status("stats of nothing", C.ncp_pool_stats(nil, nil, 0), "INVALID_ARG")
    status("describe of nothing", C.ncp_pool_describe(nil, nil, 0), "INVALID_ARG")
    status("info of nothing", C.ncp_lease_info(nil, 1, constants.NCP_INFO_ID, number),
        "INVALID_ARG")
    status("new of nothing", C.ncp_pool_new(nil, ffi.new("ncp_pool *[1]")),
        "INVALID_CONFIG")
    status("queue of nothing", C.ncp_queue_fd(nil), "INVALID_ARG")
    status("a negative fd", C.ncp_fd_alive(-1), "INVALID_ARG")
    C.ncp_pool_free(nil)
    C.ncp_config_free(nil)
    C.ncp_queue_free(nil)
    C.ncp_cancel_free(nil)
    C.ncp_guard_fire(nil)
end

local function misuse(step)
    local pool = scene.pool_of(step)
    misuse_leases(pool)
    misuse_names(pool)
    misuse_nothing()
end

-- Reading the statistics is cheap; the bound is far above what it takes.
local function time_stats(step)
    local pool, best = scene.pool_of(step), math.huge
    for _ = 1, step.n do
        local begin = sys.now()
        stats.read(pool.ptr)
        best = math.min(best, (sys.now() - begin) * 1e6)
    end
    local scale = tonumber(os.getenv("NCP_SPEC_SCALE") or 1)
    facts.bound(step.best_ns, best / scale, "ns a snapshot")
end

local family = {
    check = {"stats dials that", facts.check},
    wait_until = {"stats dials that limit_ms", wait_until},
    describe = {"pool contains omits", describe},
    dial_error = {"pool expect code age_ms count text", dial_error},
    log = {"contains", log},
    misuse = {"pool", misuse},
    time_stats = {"pool n best_ns", time_stats},
    wall_clock = {"seconds", function()
        fail("this runner cannot move the clock on the wall")
    end},
}

return function()
    return family
end
