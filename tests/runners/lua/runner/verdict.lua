-- Failing: where, why, and how much was looked at.
local coroutine = require("coroutine")

local verdict = {}

-- Of the document that runs: the first broken expectation, and the checks made.
local state

local MAIN = {} -- stands for the coroutine that is none

function verdict.begin()
    state = {failure = nil, checks = 0, where = setmetatable({}, {__mode = "k"})}
end

local function places()
    local key = coroutine.running() or MAIN
    local list = state.where[key]
    if not list then
        list = {}
        state.where[key] = list
    end
    return list
end

-- Where this thread is, for the reason of a failure.
function verdict.push(format, ...)
    local list = places()
    list[#list + 1] = format:format(...)
end

function verdict.pop()
    local list = places()
    list[#list] = nil
end

function verdict.count()
    state.checks = state.checks + 1
end

function verdict.checks()
    return state.checks
end

-- Ends the thread. It is remembered, because a failure inside a hook is caught by the
-- binding like any error there.
function verdict.fail(format, ...)
    local reason = select("#", ...) > 0 and format:format(...) or format
    local list = places()
    if #list > 0 then
        reason = table.concat(list, ", ") .. ": " .. reason
    end
    state.failure = state.failure or reason
    error({scenario_failed = true}, 0)
end

-- Why the document failed, or nil.
function verdict.failure()
    return state.failure
end

-- Something was thrown: a failure that was told, or a fault of its own.
function verdict.thrown(value)
    if type(value) == "table" and value.scenario_failed then
        return
    end
    local list = places()
    local prefix = #list > 0 and table.concat(list, ", ") .. ": " or ""
    state.failure = state.failure or prefix .. tostring(value)
end

-- Goes on only when nothing failed elsewhere.
function verdict.stop_if_failed()
    if state.failure then
        error({scenario_failed = true}, 0)
    end
end

return verdict
