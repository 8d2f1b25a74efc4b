-- What belongs to the case that runs: its pools, names, records.
local names = require("runner.names")
local verdict = require("runner.verdict")

local fail = verdict.fail

local scene = {}

function scene.begin(case, place)
    for key in pairs(scene) do
        if type(scene[key]) ~= "function" then
            scene[key] = nil
        end
    end
    scene.case = case
    scene.place = place       -- the host, see runner.hosts
    scene.began = place.now()
    scene.pools = {}          -- in the order they were made; and by name
    scene.vars = {}           -- scope -> name -> newest
    scene.tasks = {}
    scene.tokens = {}
    scene.events = {}
    scene.logs = {}
    scene.counts = {}
    scene.order = {}
    scene.hints = {}
    scene.thrown = {}         -- what our functions threw
    scene.dialer = {count = 0, running = 0, most = 0}
    scene.acceptor = {count = 0, running = 0, most = 0}
    scene.has_closer = false
    scene.watched = 0
    scene.last = nil          -- cumulative counters, for I7
    scene.guard = nil
end

-- Milliseconds since the case began.
function scene.now()
    return scene.place.now() - scene.began
end

-- ------------------------------------------------------------------------- records

function scene.count_up(name)
    scene.counts[name] = (scene.counts[name] or 0) + 1
end

function scene.record(event)
    scene.events[#scene.events + 1] = event
    scene.count_up(event)
end

-- Throws an error of the scenario: an object, which has to come back as the same.
function scene.throw(text, code)
    local value = setmetatable({text = text, code = code}, {
        __tostring = function(self)
            return self.text
        end,
    })
    scene.thrown[value] = true
    error(value, 0)
end

-- ------------------------------------------------------------------- names of leases

-- Names belong to everybody (scope -1), except in threads that were started in numbers.
local function scope_of(task)
    return task.scope
end

function scene.new_var(name, task)
    local var = {name = name, out = false}
    local scope = scope_of(task)
    scene.vars[scope] = scene.vars[scope] or {}
    scene.vars[scope][name] = var -- hides an older one, which stays out
    scene.all_vars = scene.all_vars or {}
    scene.all_vars[#scene.all_vars + 1] = var
    return var
end

function scene.look_up(name, task)
    local own = scene.vars[scope_of(task)]
    local shared = scene.vars[-1]
    return own and own[name] or shared and shared[name]
end

function scene.find(name, task)
    return scene.look_up(name, task) or fail("nothing is called %s here", name)
end

-- The variables a name stands for: itself, or name.0, name.1, ...
function scene.members(name, task)
    name = names.expand(name, task.index)
    local single = scene.look_up(name, task)
    if single then
        return {single}
    end
    local list = {}
    while true do
        local member = scene.look_up(("%s.%d"):format(name, #list), task)
        if not member then
            return list
        end
        list[#list + 1] = member
    end
end

function scene.pool_of(step)
    local name = step.pool or "main"
    return scene.pools[name] or fail("no pool is called %s", name)
end

return scene
