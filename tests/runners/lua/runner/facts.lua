-- Expectations: bounds, facts, invariants.
local json = require("cjson")
local netconnpool = require("netconnpool")
local C = require("netconnpool.loader").lib
local names = require("runner.names")
local scene = require("runner.scene")
local sockets = require("runner.sockets")
local verdict = require("runner.verdict")

local fail, count = verdict.fail, verdict.count
local null = json.null

local facts = {}

-- -------------------------------------------------------------------------- bounds

local function holds(bound, value)
    if type(bound) == "boolean" then
        return (value ~= 0) == bound
    elseif type(bound) == "number" then
        return value == bound
    elseif type(bound) ~= "table" or (bound[1] == nil or bound[2] == nil) then
        fail("a bound is a number, true, false, or [low, high]")
    end
    return (bound[1] == null or value >= bound[1]) and
        (bound[2] == null or value <= bound[2])
end

-- Clocks are read as doubles: a millionth of a millisecond is none.
local function rounded(value)
    return math.floor(value * 1e6 + 0.5) / 1e6
end

function facts.bound(bound, value, what)
    count()
    if not holds(bound, rounded(value)) then
        fail("%s is %.15g, expected %s", what, value, json.encode({bound}))
    end
end

function facts.within(step, begin)
    if step.within_ms ~= nil then
        facts.bound(step.within_ms, scene.now() - begin, "the time in ms")
    end
end

-- ---------------------------------------------------------------------- references

function facts.stat(name)
    local plain, pool_name = name:match("^(.-)@(.*)$")
    local pool = scene.pools[1]
    if pool_name then
        pool = scene.pools[pool_name] or fail("no pool is called %s", pool_name)
    end
    local value = pool:stats()[plain or name]
    return value or fail("the library has no counter %s", name)
end

local CONN = "id handle protocol ip age_ms idle_ms reuse in_use healthy leak_detected " ..
    "borrowed_ms tag created_at_ms last_used_at_ms last_check_at_ms"

local function lease_value(var, what)
    if what == "remembered_id" then
        return var.id
    elseif what == "nonblocking" then
        return sockets.is_nonblocking(var.conn.fd) and 1 or 0
    elseif not (" " .. CONN .. " "):find(" " .. what .. " ", 1, true) then
        fail("a connection has no fact %s", what)
    end
    local value, err = var.pool:fact(var.lease, what)
    if value == nil then
        fail("%s of %s: %s", what, var.name, tostring(err))
    end
    return value
end

local EVENT_FIELDS = {
    timeout_ms = "timeout_ms", creation_ms = "creation_ms", code = "code", tag = "tag",
    reused = "reused", reason = "reason",
    attempt = "reason", protocol = "protocol", ip = "ip", status = "status",
}

local function event_value(var, what)
    local field = EVENT_FIELDS[what] or fail("an event has no fact %s", what)
    if not var.event then
        fail("%s is no event", var.name)
    end
    return tonumber(var.event[field])
end

local function hint_value(rest)
    local index, what = rest:match("^(%d+)%.(.*)$")
    local hint = index and scene.hints[tonumber(index) + 1]
    if not hint then
        fail("there are %d hints, none is %s", #scene.hints, rest)
    end
    return hint[what] or fail("a hint has no fact %s", what)
end

-- "name.fact", where the name may have a dot of its own.
local function of_var(rest, task, value)
    local name, what = rest:match("^(.*)%.([^.]*)$")
    if not name then
        fail("no fact is named in %s", rest)
    end
    return value(scene.find(name, task), what)
end

local FAMILIES = {
    stat = facts.stat,
    conn = function(rest, task) return of_var(rest, task, lease_value) end,
    event = function(rest, task) return of_var(rest, task, event_value) end,
    hint = hint_value,
    count = function(rest) return scene.counts[rest] or 0 end,
    option = function(rest)
        return scene.pools[1]:option(rest) or
            fail("the option %s cannot be read", rest)
    end,
}

local PLAIN = {
    dials = function() return scene.dialer.count end,
    most_dials_at_once = function() return scene.dialer.most end,
    active_count = function() return C.ncp_pool_active_count(scene.pools[1].ptr) end,
    idle_count = function() return C.ncp_pool_idle_count(scene.pools[1].ptr) end,
    waiting_count = function() return C.ncp_pool_waiting_count(scene.pools[1].ptr) end,
    dialing_count = function() return C.ncp_pool_dialing_count(scene.pools[1].ptr) end,
    is_closed = function() return C.ncp_pool_is_closed(scene.pools[1].ptr) end,
    next_due_ms = function()
        return tonumber(C.ncp_pool_next_due_ms(scene.pools[1].ptr))
    end,
    queue_ready = function() return C.ncp_queue_ready(scene.pools[1].queue) end,
    now_ms = function() return scene.now() end,
    snapshots = function() return scene.watched end,
    threads = function() return sockets.threads() - scene.start_threads end,
}

local function fact_value(fact, task)
    if type(fact) == "boolean" then
        return fact and 1 or 0
    elseif type(fact) == "number" then
        return fact
    elseif type(fact) ~= "string" then
        fail("a fact is a number or a name")
    elseif names.constants[fact] then
        return names.constants[fact]
    end
    local family, rest = fact:match("^(%l+)%.(.*)$")
    if family and FAMILIES[family] then
        return FAMILIES[family](rest, task)
    end
    local plain = PLAIN[fact] or fail("there is no fact %s", fact)
    return plain()
end

-- --------------------------------------------------------------------------- facts

local COMPARISONS = {
    ["=="] = function(a, b) return a == b end,
    ["!="] = function(a, b) return a ~= b end,
    ["<"] = function(a, b) return a < b end,
    ["<="] = function(a, b) return a <= b end,
    [">"] = function(a, b) return a > b end,
    [">="] = function(a, b) return a >= b end,
}

local function that_holds(that, task)
    if type(that) ~= "table" or #that ~= 3 then
        fail("a fact is [left, comparison, right]")
    end
    local compare = COMPARISONS[that[2]] or fail("there is no comparison %s", that[2])
    local a, b = fact_value(that[1], task), fact_value(that[3], task)
    count()
    if compare(rounded(a), rounded(b)) then
        return true
    end
    return false, ("%s does not hold: %.15g and %.15g"):format(json.encode(that), a, b)
end

local function stats_hold(stats)
    for name, bound in pairs(stats) do
        local value = facts.stat(name)
        count()
        if not holds(bound, value) then
            return false, ("counter %s is %.15g, expected %s"):format(name, value,
                json.encode({bound}))
        end
    end
    return true
end

-- Whether `stats`, `dials` and `that` of a table hold: true; or false and why not.
function facts.hold(wanted, task)
    local fine, why = stats_hold(wanted.stats or {})
    if fine and wanted.dials ~= nil and not holds(wanted.dials, scene.dialer.count) then
        fine, why = false, ("%d dials"):format(scene.dialer.count)
    end
    for _, that in ipairs(fine and wanted.that or {}) do
        fine, why = that_holds(that, task)
        if not fine then
            break
        end
    end
    return fine, why
end

function facts.check(wanted, task)
    local fine, why = facts.hold(wanted, task)
    if not fine then
        fail("%s", why)
    end
end

-- ---------------------------------------------------------------------- invariants

local function broken(name, stats)
    local list = {}
    for counter, value in pairs(stats) do
        if value ~= 0 then
            list[#list + 1] = counter .. "=" .. value
        end
    end
    table.sort(list)
    fail("invariant %s is broken: %s", name, table.concat(list, " "))
end

local function check_cumulative(stats)
    local last = scene.last
    for _, counter in ipairs(netconnpool.counters) do
        local name = counter.name
        if counter.kind == "cumulative" and last and stats[name] < last[name] then
            broken("I7 (a cumulative counter went down)", stats)
        end
    end
    scene.last = stats
end

local function must(fine, name, stats)
    if not fine then
        broken(name, stats)
    end
end

-- STAT-2, on one snapshot.
function facts.invariants(pool)
    if pool.freed or not pool.ptr or pool:option("stats") == 0 then
        return
    end
    local s = pool:stats()
    for name, value in pairs(s) do
        must(value >= 0, "I8 (" .. name .. " is negative)", s)
    end
    must(s.created - s.closed == s.current, "I1 (created - closed = current)", s)
    must(s.idle + s.active == s.current, "I2 (idle + active = current)", s)
    must(s.tcp + s.udp <= s.current and s.ipv4 + s.ipv6 <= s.current,
        "I3 (parts of current)", s)
    must(s.tcp_idle + s.udp_idle <= s.idle and s.ipv4_idle + s.ipv6_idle <= s.idle,
        "I3 (parts of idle)", s)
    must(s.total == s.successful + s.failed + s.timeout + s.in_flight,
        "I4 (total = successful + failed + timeout + in flight)", s)
    must(s.successful >= s.reused, "I5", s)
    if not pool.resized then
        local max = pool:option("max_connections")
        must(max == 0 or s.current + s.dialing <= max,
            "I6 (current + dialing <= max)", s)
        must(s.idle <= pool:option("max_idle_connections"), "I6 (idle <= max_idle)", s)
    end
    must(s.p50_get_time <= s.p95_get_time and s.p95_get_time <= s.p99_get_time,
        "I9 (p50 <= p95 <= p99)", s)
    if pool == scene.pools[1] then
        check_cumulative(s)
    end
    count()
end

-- ------------------------------------------------------------------ after the steps

local function check_events(wanted)
    for i, event in ipairs(wanted) do
        if scene.events[i] ~= event then
            fail("event %d is %s, expected %s", i - 1, tostring(scene.events[i]), event)
        end
        count()
    end
    if #scene.events > #wanted then
        fail("one event too many: %s", scene.events[#wanted + 1])
    end
end

local function check_order(wanted)
    if #scene.order ~= #wanted then
        fail("%d threads logged their turn", #scene.order)
    end
    for i, index in ipairs(wanted) do
        if scene.order[i] ~= index then
            fail("turn %d was that of thread %d, expected %d", i - 1, scene.order[i],
                index)
        end
    end
    count()
end

-- What a case expects after its last step.
function facts.at_the_end(case, task)
    verdict.push("then")
    facts.check(case, task)
    if case.events then
        check_events(case.events)
    end
    if case.order then
        check_order(case.order)
    end
    for _, pool in ipairs(scene.pools) do
        facts.invariants(pool)
    end
    verdict.pop()
end

return facts
