-- Runs a document: its cases one after the other, each from nothing to nothing.
local verdict = require("runner.verdict")
local facts = require("runner.facts")
local names = require("runner.names")
local pools = require("runner.pools")
local scene = require("runner.scene")
local sockets = require("runner.sockets")
local steps = require("runner.steps")

local scenario = {}

local CASE_KEYS = "clock config dial acceptor listener hooks pools new new_within_ms " ..
    "effective steps dials stats events order that"
local CAPABILITIES = {
    threads = true, cancel = true, hooks = true, udp = true, server = true,
    opaque = true, unix = true, async_dial = true, pull = true, push = true, ex = true,
    lease_api = true, precancel = true,
}

local function has(list, wanted)
    for _, one in ipairs(list or {}) do
        if one == wanted then
            return true
        end
    end
    return false
end

-- What a document needs and this runner cannot do, or nil.
local function missing(document)
    for _, need in ipairs(document.needs or {}) do
        local able = CAPABILITIES[need]
        if need == "ipv6" then
            able = sockets.ipv6_works()
        end
        if not able then
            return need
        end
    end
    -- one thread cannot wait in C for a ticket and move the clock as well
    if has(document.needs, "pull") and has(document.needs, "threads") then
        return "ticket_wait"
    end
    return nil
end

-- The counters of the pools as they are now, for the comparison of languages: what the
-- last step began has come to rest, and time stands still meanwhile.
local function final_counters()
    local finals = {}
    if scene.place.clock then
        scene.place.quiet(0.000001)
    end
    for _, pool in ipairs(scene.pools) do
        if pool.ptr and not pool.freed then
            finals[pool.name] = pool:stats()
        end
    end
    return finals
end

local function run_steps(case, finals)
    local main = {scope = -1, index = 0}
    pools.make(case)
    steps.run(case.steps or {}, main)
    steps.join_all()
    facts.at_the_end(case, main)
    finals[#finals + 1] = final_counters()
    pools.finish()
    verdict.stop_if_failed()
end

local function run_case(case, document, new_place, finals)
    names.keys_only(case, CASE_KEYS, "case")
    local before = {fds = sockets.open_descriptors(), threads = sockets.threads()}
    local place = new_place((case.clock or "virtual") == "virtual")
    scene.begin(case, place)
    scene.raw = has(document.needs, "pull")
    scene.start_threads = before.threads
    place.run(function()
        local ok, value = pcall(run_steps, case, finals)
        if not ok then
            verdict.thrown(value)
        end
    end)
    verdict.stop_if_failed()
    place.finish()
    pools.check_resources(before)
    return place.clock and scene.now() or 0
end

local function run_all(document, new_place, finals)
    names.keys_only(document, "id title rules needs cases", "document")
    local virtual_ms = 0
    for index, case in ipairs(document.cases) do
        verdict.push("case %d", index - 1)
        virtual_ms = run_case(case, document, new_place, finals)
        verdict.pop()
    end
    return virtual_ms
end

-- The verdict on a document: {id, result, reason, counters}. `new_place` makes a host for
-- a case, see runner.hosts.
function scenario.run(document, new_place)
    verdict.begin()
    local result = {id = document.id or "?", result = "pass", reason = "",
        counters = {cases = 0, checks = 0, virtual_ms = 0}}
    local lacking = missing(document)
    if lacking then
        result.result, result.reason = "skip", lacking
        return result
    end
    local finals = {}
    local ok, value = pcall(run_all, document, new_place, finals)
    if not ok then
        verdict.thrown(value)
    end
    result.counters.checks = verdict.checks()
    if verdict.failure() then
        result.result, result.reason = "fail", verdict.failure()
        return result
    end
    result.counters.cases = #document.cases
    result.counters.virtual_ms = value
    result.counters.pools = finals
    return result
end

return scenario
