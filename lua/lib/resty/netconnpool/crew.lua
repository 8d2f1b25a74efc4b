-- Runs tasks outside of any request: dials, checks, closes.
--
-- SPDX-License-Identifier: BSD-3-Clause
--
-- A task needs a place that can wait and that does not end with the request in which
-- it came up. A timer is such a place, but nginx runs a limited number of them
-- (lua_max_running_timers), so one timer runs many tasks, each in a light thread. A
-- timer's memory grows with every task, so after a number of them it retires, and
-- the next one takes its place.
local nap = require("resty.netconnpool.nap")

local thread_spawn = ngx.thread.spawn
local timer_at = ngx.timer.at

local crew = {}
crew.__index = crew

local TASKS_A_TIMER = 128
local PATIENCE_S = 3600

function crew.new()
    return setmetatable({
        tasks = {},
        first = 1,
        last = 0,
        nap = nap.new(), -- of the timer, while there are no tasks
        running = false, -- a timer takes tasks, or is about to
        leaving = false,
    }, crew)
end

local function next_task(self)
    if self.first > self.last then
        return nil
    end
    local task = self.tasks[self.first]
    self.tasks[self.first] = nil
    self.first = self.first + 1
    if self.first > self.last then
        self.first, self.last = 1, 0
    end
    return task
end

local function run(task)
    local ok, why = pcall(task[1], task[2], task[3], task[4], task[5], task[6],
        task[7])
    if not ok then
        ngx.log(ngx.ERR, "netconnpool: a task failed: ", tostring(why))
    end
end

local function wait_for_tasks(self)
    self.nap:sleep(PATIENCE_S)
end

local start

-- Takes tasks until it is old; its light threads may go on for longer.
local function serve(_, self)
    local taken = 0
    while taken < TASKS_A_TIMER do
        local task = next_task(self)
        if task then
            taken = taken + 1
            thread_spawn(run, task)
        elseif self.leaving then
            break
        else
            wait_for_tasks(self)
        end
    end
    self.running = false
    if self.first <= self.last or not self.leaving then
        start(self)
    end
end

function start(self)
    local ok, why = timer_at(0, serve, self)
    self.running = ok
    if not ok then
        ngx.log(ngx.ERR, "netconnpool: no timer for its work: ", why)
    end
end

-- Runs fn(...) soon, in a light thread of its own.
function crew:spawn(fn, a, b, c, d, e, f)
    self.last = self.last + 1
    self.tasks[self.last] = {fn, a, b, c, d, e, f}
    self:hurry()
end

-- Sees to it that somebody takes what is there.
function crew:hurry()
    if self.first > self.last then
        return
    end
    if not self.running then
        start(self)
    else
        self.nap:rouse()
    end
end

-- The worker is exiting: a timer runs only while there are tasks.
function crew:leave()
    self.leaving = true
    self.nap:rouse()
end

return crew
