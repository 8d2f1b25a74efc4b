-- Steps of the pull driver: the scenario does the work the pool hands out, by the calls
-- of the library.
local ffi = require("ffi")
local C = require("netconnpool.loader").lib
local constants = require("netconnpool.constants")
local dialer = require("runner.dialer")
local names = require("runner.names")
local raw_pool = require("runner.raw_pool")
local scene = require("runner.scene")
local steps_pool = require("runner.steps_pool")
local verdict = require("runner.verdict")

local fail, count = verdict.fail, verdict.count

local OK = constants.NCP_OK
local EVENTS_MAX = 16

local guard_out = ffi.new("ncp_guard *[1]")

local function from(step, task)
    local var = scene.find(names.expand(step.from, task.index), task)
    if not var.event then
        fail("%s is no event", var.name)
    end
    return var
end

local function expect_type(wanted, event)
    count()
    if names.events[wanted] ~= event.type then
        fail("the answer is %s, expected %s", tostring(names.events[event.type]),
            tostring(wanted))
    elseif event.reserved32 ~= 0 then
        fail("the spare space of an event is used")
    end
end

local function copy_of(event)
    local copy = ffi.new("ncp_event")
    ffi.copy(copy, event, ffi.sizeof("ncp_event"))
    return copy
end

local function keep(pool, name, event, task)
    local var = scene.new_var(name, task)
    var.pool, var.event = pool, copy_of(event)
    if event.type == constants.NCP_EVENT_CONN then
        steps_pool.got(var, pool, tonumber(event.lease))
    elseif event.type == constants.NCP_EVENT_CHECK or
        event.type == constants.NCP_EVENT_BORROW then
        var.conn = raw_pool.conn_by_handle(event.handle)
    end
end

-- Judges an answer: an event type, or a status that is no success.
local function answered(step, task, pool, status, out)
    local wanted = step.expect
    if type(wanted) ~= "string" or names.events[wanted] == nil then
        names.expect(step, names.of_status(status), step.op)
        if status ~= OK and out.type ~= constants.NCP_EVENT_NONE then
            fail("an error left the answer %s", tostring(names.events[out.type]))
        end
        return
    elseif status ~= OK then
        fail("%s: %s, expected %s", step.op, names.of_status(status), wanted)
    end
    expect_type(wanted, out)
    keep(pool, names.expand(step.as or "(event)", task.index), out, task)
end

local function queue_of(step, pool)
    if step.queue == "none" then
        return nil
    end
    return pool.queue
end

local function acquire(step, task)
    local pool = scene.pool_of(step)
    local out = ffi.new("ncp_event")
    ffi.fill(out, ffi.sizeof(out), 0x5a)
    local flags = (step.dials and constants.NCP_FLAG_DIALS or 0) +
        (step.try and constants.NCP_FLAG_TRY or 0) +
        (step.take and constants.NCP_FLAG_TAKE or 0)
    local status = C.ncp_pool_acquire(pool.ptr, queue_of(step, pool),
        names.protocol(step.want_protocol or 0), names.ip(step.want_ip or 0),
        step.timeout_ms or constants.NCP_TIMEOUT_DEFAULT, step.tag or 0, flags, out)
    answered(step, task, pool, status, out)
end

-- Dials as the key `dial` of the case says, and hands the result in.
local function fulfil(step, task)
    local var, out = from(step, task), ffi.new("ncp_event")
    local conn = dialer.next(var.event.protocol, var.event.ip)
    local status = C.ncp_pool_fulfil(var.pool.ptr, var.event.lease,
        raw_pool.handle_of(conn), conn.kind == "pipe" and -1 or conn.fd, conn.protocol,
        conn.ip, out)
    if status == constants.NCP_EINVALIDCONN then
        conn.ours = true
    end
    answered(step, task, var.pool, status, out)
end

local function fail_dial(step, task)
    local var, out = from(step, task), ffi.new("ncp_event")
    local status = C.ncp_pool_fail(var.pool.ptr, var.event.lease,
        names.status_of(step.status or "DIAL"), step.code or 111, step.text, out)
    answered(step, task, var.pool, status, out)
end

local function checked(step, task)
    local var, out = from(step, task), ffi.new("ncp_event")
    local status = C.ncp_pool_checked(var.pool.ptr, var.event.lease,
        step.healthy and 1 or 0, out)
    answered(step, task, var.pool, status, out)
end

local function take(step, task)
    local var, out = from(step, task), ffi.new("ncp_event")
    local status = C.ncp_ticket_take(var.pool.ptr, var.event.ticket, out)
    answered(step, task, var.pool, status, out)
end

local function abandon(step, task)
    local var = from(step, task)
    local status = C.ncp_ticket_abandon(var.pool.ptr, var.event.ticket,
        names.status_of(step.status or "CANCELED"))
    names.expect(step, names.of_status(status), "abandon")
end

-- ---------------------------------------------------------------- taking events out

local function taken(step, task, pool, events, number)
    local wanted = step.events
    if number ~= #wanted then
        local got = {}
        for i = 0, number - 1 do
            got[i + 1] = tostring(names.events[events[i].type])
        end
        fail("%d events: %s, expected %d", number, table.concat(got, " "), #wanted)
    end
    for i = 0, number - 1 do
        local event = events[i]
        expect_type(wanted[i + 1], event)
        keep(pool, ("%s.%d"):format(step.as or "(event)", i), event, task)
        if event.type == constants.NCP_EVENT_CLOSE then
            pool:close_event(event)
            scene.record("close:" .. ffi.string(C.ncp_reason_text(event.reason)))
        end
    end
end

local function poll(step, task)
    local pool = scene.pool_of(step)
    local events = ffi.new("ncp_event[?]", EVENTS_MAX)
    taken(step, task, pool, events, C.ncp_queue_poll(pool.queue, events, EVENTS_MAX))
end

local function queue_wait(step, task)
    local pool = scene.pool_of(step)
    local events = ffi.new("ncp_event[?]", EVENTS_MAX)
    local number = C.ncp_queue_wait(pool.queue, events, EVENTS_MAX, step.real_ms or 1000)
    taken(step, task, pool, events, number)
end

local function release(step, task)
    local var = scene.find(names.expand(step.conn, task.index), task)
    local events, status = ffi.new("ncp_event[?]", EVENTS_MAX), ffi.new("int[1]", 77)
    steps_pool.back(var)
    local number = C.ncp_pool_release(var.pool.ptr, var.lease,
        (step.discard and constants.NCP_FLAG_DISCARD or 0) +
        (step.hook and constants.NCP_FLAG_HOOK or 0), queue_of(step, var.pool),
        events, step.max or EVENTS_MAX, status)
    names.expect(step, names.of_status(status[0]), "release")
    taken(step, task, var.pool, events, number)
end

-- Reads lines of log until there are no more.
local function log_next(step)
    local pool, lines = scene.pool_of(step), 0
    local wanted = step.contains or ""
    local found = wanted == ""
    local level, id, text = ffi.new("int[1]"), ffi.new("uint64_t[1]"),
        ffi.new("char[512]")
    while C.ncp_pool_log_next(pool.ptr, level, id, text, 512) > 0 do
        if level[0] < constants.NCP_LOG_ERROR or level[0] > constants.NCP_LOG_DEBUG then
            fail("a line of log has level %d", level[0])
        end
        found = found or ffi.string(text):find(wanted, 1, true) ~= nil
        lines = lines + 1
    end
    count()
    if not found then
        fail("no line of log contains \"%s\"", wanted)
    elseif (step.lines or lines) ~= lines then
        fail("%d lines of log, expected %d", lines, step.lines)
    end
end

-- --------------------------------------------------------------------------- guards

local function guard_hold(step, task)
    local var = scene.find(step.conn, task)
    if not scene.guard then
        if C.ncp_guard_new(guard_out) ~= OK then
            fail("no guard")
        end
        scene.guard = guard_out[0]
    end
    local lease = var.out and var.lease or 0
    local ticket = var.out and 0 or var.event.ticket
    if C.ncp_guard_hold(scene.guard, var.pool.ptr, lease, ticket) ~= OK then
        fail("the guard does not hold")
    end
end

local function guard_drop(step, task)
    local var = scene.find(step.conn, task)
    if C.ncp_guard_drop(scene.guard, var.pool.ptr, var.lease or 0, var.event.ticket)
        ~= OK then
        fail("the guard does not let go")
    end
end

local function guard_fire(step, task)
    for _, name in ipairs(step.holds or {}) do
        steps_pool.back(scene.find(name, task))
    end
    C.ncp_guard_fire(scene.guard)
    scene.guard = nil
end

local family = {
    acquire = {"pool as queue want_protocol want_ip timeout_ms tag dials try take " ..
        "expect",
        acquire},
    fulfil = {"from as expect", fulfil},
    fail = {"from status code text as expect", fail_dial},
    checked = {"from healthy as expect", checked},
    take = {"from as expect", take},
    abandon = {"from status expect", abandon},
    work = {"pool expect", function(step)
        names.expect(step, names.of_status(C.ncp_pool_work(scene.pool_of(step).ptr)),
            "work")
    end},
    poll = {"pool events as", poll},
    queue_wait = {"pool real_ms events as", queue_wait},
    log_next = {"pool contains lines", log_next},
    release = {"conn discard hook queue max events as expect", release},
    kick = {"pool expect", function(step)
        names.expect(step, names.of_status(C.ncp_queue_kick(scene.pool_of(step).queue)),
            "kick")
    end},
    guard_hold = {"conn", guard_hold},
    guard_drop = {"conn", guard_drop},
    guard_fire = {"holds", guard_fire},
}

return function()
    return family
end
