-- Steps that start threads, wait and repeat.
local facts = require("runner.facts")
local names = require("runner.names")
local scene = require("runner.scene")
local steps_pool = require("runner.steps_pool")
local verdict = require("runner.verdict")

local fail = verdict.fail

return function(steps)
    local family = {}

    -- A thread; in numbers they have names of their own.
    local function start(list, name, index, own_names)
        local task = {name = name, index = index, spawned = true}
        scene.tasks[#scene.tasks + 1] = task
        task.scope = own_names and #scene.tasks or -1
        task.handle = scene.place.spawn(function()
            verdict.push("thread %s.%d", name, index)
            local ok, value = pcall(steps.run, list, task)
            if not ok then
                verdict.thrown(value)
            end
            verdict.pop()
        end, ("%s.%d"):format(name, index))
        return task
    end

    local function join(tasks)
        for _, task in ipairs(tasks) do
            scene.place.join(task.handle)
        end
        verdict.stop_if_failed()
    end

    family.spawn = {"name steps", function(step)
        start(step.steps, step.name, 0, false)
    end}

    family.spawn_many = {"name n gap_ms steps", function(step)
        for i = 0, (step.n or 1) - 1 do
            start(step.steps, step.name or "many", i, true)
            if (step.gap_ms or 0) > 0 then
                scene.place.sleep(step.gap_ms)
            end
        end
    end}

    family.parallel = {"n steps", function(step)
        local tasks = {}
        for i = 0, (step.n or 1) - 1 do
            tasks[i + 1] = start(step.steps, "parallel", i, true)
        end
        join(tasks)
    end}

    family.together = {"threads", function(step)
        local tasks = {}
        for i, list in ipairs(step.threads) do
            tasks[i] = start(list, "together", i - 1, false)
        end
        join(tasks)
    end}

    family.join = {"name within_ms", function(step)
        local begin, tasks = scene.now(), {}
        for _, task in ipairs(scene.tasks) do
            if step.name == nil or task.name == step.name then
                tasks[#tasks + 1] = task
            end
        end
        if #tasks == 0 then
            fail("no thread to join")
        end
        join(tasks)
        facts.within(step, begin)
    end}

    family.sleep = {"ms", function(step)
        scene.place.sleep(step.ms)
    end}

    family.log_order = {"", function(_, task)
        scene.order[#scene.order + 1] = task.index
    end}

    family["repeat"] = {"n steps", function(step, task)
        for _ = 1, step.n or 1 do
            steps.run(step.steps, task)
        end
    end}

    -- Takes snapshots; others run in between.
    family.watch = {"pool n", function(step)
        for i = 1, step.n or 1 do
            facts.invariants(scene.pool_of(step))
            scene.watched = scene.watched + 1
            if i % 10 == 0 then
                scene.place.sleep(0)
            end
        end
    end}

    local function give_back(pool, lease, seed)
        local word = pool[seed(16) == 0 and "discard" or "put"](pool, lease)
        if word ~= "OK" then
            fail("giving back: %s", word)
        end
    end

    -- Random numbers that are the same in every run.
    local function seeded(seed)
        return function(below)
            seed = (seed * 1103515245 + 12345) % 2147483648
            return math.floor(seed / 65536) % below
        end
    end

    local function stress_once(pool, step, seed)
        local timeout = seed(4) == 0 and 0 or step.timeout_ms or 50
        local word, lease = pool:get({via = "any", timeout_ms = timeout})
        if word ~= "OK" then
            names.expect(step, word, "get")
            return
        end
        local var = {name = "stress"}
        steps_pool.got(var, pool, lease)
        if seed(8) == 0 then
            scene.place.sleep(1)
        end
        steps_pool.back(var)
        give_back(pool, lease, seed)
    end

    -- Random gets, tries, puts and discards.
    family.stress = {"pool n timeout_ms expect", function(step, task)
        local pool, seed = scene.pool_of(step), seeded(task.index * 7919 + 17)
        for _ = 1, step.n or 1 do
            stress_once(pool, step, seed)
        end
    end}

    return family
end
