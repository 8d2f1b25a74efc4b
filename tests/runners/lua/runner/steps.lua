-- Runs lists of steps: finds each operation, refuses keys it does not know.
local facts = require("runner.facts")
local names = require("runner.names")
local scene = require("runner.scene")
local verdict = require("runner.verdict")

local steps = {}

local FAMILIES = {"pool", "conn", "task", "check", "config", "pull"}
local operations = {}

function steps.run(list, task)
    for index, step in ipairs(list) do
        verdict.push("step %d (%s)", index - 1, tostring(step.op))
        local operation = operations[step.op] or
            verdict.fail("this runner does not know the operation %s", tostring(step.op))
        names.keys_only(step, operation.keys, step.op)
        operation.run(step, task)
        verdict.stop_if_failed()
        if task.scope == -1 and not task.spawned then
            for _, pool in ipairs(scene.pools) do
                facts.invariants(pool)
            end
        end
        verdict.pop()
    end
end

-- Waits for every thread that was started.
function steps.join_all()
    for _, task in ipairs(scene.tasks) do
        scene.place.join(task.handle)
    end
    verdict.stop_if_failed()
end

for _, family in ipairs(FAMILIES) do
    for name, operation in pairs(require("runner.steps_" .. family)(steps)) do
        operations[name] = {keys = "op " .. operation[1], run = operation[2]}
    end
end

return steps
