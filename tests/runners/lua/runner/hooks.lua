-- The hooks of the scenarios: they record, sleep, fail and call the pool.
local echo = require("runner.echo")
local callback = require("runner.callback")
local names = require("runner.names")
local scene = require("runner.scene")
local verdict = require("runner.verdict")

local fail = verdict.fail

local hooks = {}

local KEYS = "record fail_first fail_always as_user sleep_ms sleep_after call once"

-- name in the scenario -> what it records, and the name of the function in the binding
local HOOKS = {
    on_created = {event = "created", option = "on_created"},
    on_borrow = {event = "borrow", option = "on_borrow"},
    on_return = {event = "return", option = "on_return"},
    on_close = {event = "close", option = "on_close"},
    on_leak = {event = "leak", option = "on_leak"},
    close_conn = {event = "close_conn", option = "close"},
    checker = {event = "check", option = "check"},
    log = {event = "log", option = "log"},
}

-- The runner's connection behind one of the binding.
function hooks.conn_of(connection)
    if type(connection.object) == "table" then
        return connection.object
    end
    return echo.adopt(connection.fd)
end

local function begins(name, conn)
    if name == "checker" then
        conn.checks = conn.checks + 1
        if conn.owners ~= 0 then
            fail("connection %d is checked while it is lent", conn.index)
        end
    elseif name == "close_conn" then
        conn.closer_calls = conn.closer_calls + 1
        if conn.closer_calls ~= 1 then
            fail("connection %d is closed twice", conn.index)
        end
    end
end

local function ends(name, conn)
    if name == "checker" then
        conn.checks = conn.checks - 1
    elseif name == "close_conn" then
        echo.close_client(conn)
    end
end

local function record(name, reason)
    local event = HOOKS[name].event
    if name == "on_close" or name == "on_leak" then
        event = event .. ":" .. tostring(reason)
    end
    scene.record(event)
end

local function run(hook, connection, reason)
    local spec, n = hook.spec, hook.count
    hook.count = n + 1
    local conn = hooks.conn_of(connection)
    begins(hook.name, conn)
    if spec.record then
        record(hook.name, reason)
    end
    callback.call(spec, connection, spec.once and hook or nil)
    if spec.sleep_ms and n >= (spec.sleep_after or 0) then
        scene.place.sleep(spec.sleep_ms)
    end
    ends(hook.name, conn)
    if spec.fail_always or n < (spec.fail_first or 0) then
        scene.throw("the hook " .. hook.name .. " fails", nil)
    end
    return true
end

local function guarded(hook, fn)
    return function(...)
        verdict.push(hook.name)
        local ok, value = pcall(fn, hook, ...)
        verdict.pop()
        if not ok then
            if not scene.thrown[value] then
                verdict.thrown(value)
            end
            error(value, 0)
        end
        return value
    end
end

local function log(hook, level, text, id)
    if level < 1 or level > 4 or type(id) ~= "number" then
        fail("a line of log with the level %s", tostring(level))
    elseif text:find("\n", 1, true) then
        fail("a line of log has an end of line inside: %s", text)
    end
    scene.logs[#scene.logs + 1] = text
    scene.count_up("log")
    callback.call(hook.spec, nil, hook.spec.once and hook or nil)
end

-- Adds the functions of a case to the options of a pool.
function hooks.give(case, options)
    scene.hooks = scene.hooks or {}
    for name, spec in pairs(case.hooks or {}) do
        names.keys_only(spec, KEYS, name)
        if not HOOKS[name] then
            fail("no such hook: %s", name)
        end
        local hook = scene.hooks[name] or {name = name, spec = spec, count = 0}
        scene.hooks[name] = hook -- shared by several pools
        options[HOOKS[name].option] = guarded(hook, name == "log" and log or run)
        scene.has_closer = scene.has_closer or name == "close_conn"
    end
end

return hooks
