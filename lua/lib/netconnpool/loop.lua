-- A small scheduler of coroutines: the host for programs that want to do several
-- things at once and have no event loop of their own.
--
-- SPDX-License-Identifier: BSD-3-Clause
--
--     local loop = require("netconnpool.loop").new()
--     local pool = assert(netconnpool.new({target = ..., host = loop}))
--     for _ = 1, 10 do
--         loop:spawn(function() pool:with(work) end)
--     end
--     loop:run()                    -- until no task is left
--
-- Tasks run in the order in which they became able to. With a manual clock
-- (netconnpool.manual_clock) nothing takes time: whenever no task can run, the clock
-- jumps to the next moment at which anything is due, so that programs with time in
-- them are tested at once and exactly.
local coroutine = require("coroutine")
local sys = require("netconnpool.sys")

local loop = {}
loop.__index = loop

local huge = math.huge
local ROUNDING_MS = 5e-7 -- half a nanosecond: the clock counts whole ones

-- With a target and no function `dial`, the library dials and the loop stands still.
loop.dials_blocking = true

-- options: clock (a manual clock), on_error(value, traceback) for errors in tasks that
-- nobody waits for (the default throws them out of run()).
function loop.new(options)
    options = options or {}
    return setmetatable({
        clock = options.clock,
        on_error = options.on_error,
        machine = nil,
        armed = huge,   -- when tick() is due
        first = 1,      -- of `ready`
        last = 0,
        ready = {},     -- tasks that can run, in order
        timers = {},    -- sorted, the earliest at the end
        sequence = 0,
        watched = {},   -- waits for descriptors
        idlers = {},    -- tasks that look whenever nothing else can run
        moment = 0,     -- counts what has happened
        tasks = 0,      -- that have not ended
        living = {},    -- they, so that the collector leaves them alone while they wait
        current = nil,
    }, loop)
end

-- -------------------------------------------------------------------------- tasks

local function push_ready(self, task)
    self.last = self.last + 1
    self.ready[self.last] = task
end

local function pop_ready(self)
    local task = self.ready[self.first]
    if task then
        self.ready[self.first] = nil
        self.first = self.first + 1
    end
    return task
end

-- Runs fn(...) as a task: the task, which has `done`, and `name` to be set.
function loop:spawn(fn, ...)
    local arguments, count = {...}, select("#", ...)
    local task = {name = "task", what = "runs", done = false}
    task.co = coroutine.create(function()
        return fn(unpack(arguments, 1, count))
    end)
    self.tasks = self.tasks + 1
    self.living[task] = true
    push_ready(self, task)
    return task
end

local function ended(self, task, ok, value)
    task.done, task.ok, task.value = true, ok, value
    self.tasks = self.tasks - 1
    self.living[task] = nil
    if task.ended then
        self:post(task.ended)
    end
    if ok then
        return
    end
    local trace = debug.traceback(task.co, tostring(value))
    if self.on_error then
        self.on_error(value, trace)
    else
        error(value, 0)
    end
end

local function resume(self, task)
    local before = self.current
    self.current = task
    task.what = "runs"
    local ok, value = coroutine.resume(task.co)
    self.current = before
    if coroutine.status(task.co) == "dead" then
        ended(self, task, ok, value)
    end
end

-- The task that calls, when it is one of this loop.
local function running(self)
    local task = self.current
    if task and task.co == coroutine.running() then
        return task
    end
    return nil
end

-- Waits until a task has ended: whether it did in time.
function loop:join(task, ms)
    if task.done then
        return true
    end
    task.ended = task.ended or self:slot()
    return self:wait(task.ended, ms or -1)
end

-- --------------------------------------------------------------------------- time

function loop:now()
    return self.clock and self.clock:now() or sys.now()
end

local function later(a, b)
    return a.at > b.at or (a.at == b.at and a.number > b.number)
end

-- Calls fire(timer) at a time; timers of the same time in the order they were made.
local function add_timer(self, at, fire, subject)
    self.sequence = self.sequence + 1
    local timer = {at = at, number = self.sequence, fire = fire, subject = subject}
    local timers = self.timers
    local low, high = 1, #timers + 1
    while low < high do
        local middle = math.floor((low + high) / 2)
        if later(timers[middle], timer) then
            low = middle + 1
        else
            high = middle
        end
    end
    table.insert(timers, low, timer)
    return timer
end

-- The next timer that is still wanted.
local function next_timer(self)
    local timers = self.timers
    while timers[#timers] and not timers[#timers].fire do
        timers[#timers] = nil
    end
    return timers[#timers]
end

local function cancel_timer(timer)
    if timer then
        timer.fire = nil
    end
end

local function fire_due(self)
    local now = self:now()
    local timer = next_timer(self)
    while timer and timer.at <= now + ROUNDING_MS do
        self.timers[#self.timers] = nil
        timer.fire(self, timer.subject)
        timer = next_timer(self)
    end
    if self.armed <= now + ROUNDING_MS then
        self.armed = huge
        self.machine:tick()
    end
end

-- --------------------------------------------------------------------- the host

function loop:start(machine)
    self.machine = machine
end

function loop:arm(ms)
    self.armed = ms < 0 and huge or self:now() + ms
end

function loop:slot()
    return {posted = false}
end

local function wake(self, slot)
    local task = slot.task
    slot.task = nil
    cancel_timer(slot.timer)
    if task then
        push_ready(self, task)
    end
end

function loop:post(slot)
    slot.posted = true
    wake(self, slot)
end

-- Lets the calling task wait; outside of tasks the loop runs meanwhile.
local function suspend(self, slot, what)
    local task = running(self)
    if task then
        slot.task, task.what = task, what
        coroutine.yield()
        return
    end
    while not slot.posted and not slot.late do
        self:turn()
    end
end

local function too_late(self, slot)
    slot.late = true
    wake(self, slot)
end

function loop:wait(slot, ms, what)
    if slot.posted then
        return true
    elseif ms == 0 then
        return false
    end
    slot.late = false
    if ms > 0 then
        slot.timer = add_timer(self, self:now() + ms, too_late, slot)
    end
    suspend(self, slot, what or "waits")
    return slot.posted
end

function loop:sleep(ms)
    local task = running(self)
    if ms <= 0 and task then -- the others have their turn
        push_ready(self, task)
        coroutine.yield()
        return
    end
    self:wait({posted = false}, math.max(ms, 1e-6), "sleeps")
end

function loop:wait_fd(fd, write, ms)
    local slot = {posted = false, fd = fd, write = write}
    self.watched[slot] = true
    self:wait(slot, ms, "waits for a descriptor")
    self.watched[slot] = nil
    return slot.posted
end

function loop:fd_closed(fd)
    for slot in pairs(self.watched) do
        if slot.fd == fd then
            self.watched[slot] = nil
            self:post(slot)
        end
    end
end

-- Lets the calling task wait until nothing else can run: before the clock moves, and
-- again each time after it did. For tests that look whether something has happened.
function loop:idle(ms)
    local slot = {posted = false, moment = self.moment}
    self.idlers[#self.idlers + 1] = slot
    local result = self:wait(slot, ms or -1, "looks")
    for i, one in ipairs(self.idlers) do
        if one == slot then
            table.remove(self.idlers, i)
            break
        end
    end
    return result
end

-- ------------------------------------------------------------------------- turning

local function run_ready(self)
    local ran = false
    -- what becomes ready meanwhile has its turn in the next round
    for _ = self.first, self.last do
        local task = pop_ready(self)
        ran = true
        self.moment = self.moment + 1
        resume(self, task)
    end
    return ran
end

-- Wakes who waits for a descriptor; blocks for at most `ms`.
local function look_at_fds(self, ms)
    local wanted = {}
    for slot in pairs(self.watched) do
        wanted[#wanted + 1] = slot
    end
    if self.machine then
        wanted[#wanted + 1] = {fd = self.machine:queue_fd(), write = false}
    end
    if #wanted == 0 and ms == 0 then
        return false
    end
    local ready, any = sys.poll_many(wanted, ms), false
    for i, slot in ipairs(wanted) do
        if ready[i] and self.watched[slot] then
            self.watched[slot] = nil
            self:post(slot)
            any = true
        end
    end
    return any
end

-- Lets the tasks look that wait for nothing else to run: false when all have.
local function let_look(self)
    local any = false
    for _, slot in ipairs(self.idlers) do
        if slot.moment ~= self.moment and slot.task then
            any = true
            push_ready(self, slot.task)
            slot.task = nil
            slot.posted = true
            cancel_timer(slot.timer)
        end
    end
    if any then
        self.looking = true
    end
    return any
end

-- Tasks that only look are no progress.
local function run_lookers(self)
    local moment = self.moment
    run_ready(self)
    self.moment = moment
    for _, slot in ipairs(self.idlers) do
        slot.moment = moment
    end
    self.looking = false
end

local function next_time(self)
    local timer = next_timer(self)
    return math.min(timer and timer.at or huge, self.armed)
end

local function jump(self)
    local at = next_time(self)
    if at == huge then
        error("nothing can go on: " .. self:who_waits(), 0)
    end
    self.clock:set_ms(at)
    self.moment = self.moment + 1
end

local function block(self)
    local at = next_time(self)
    local ms = -1
    if #self.idlers > 0 then
        ms = 1
    end
    if at < huge then
        local left = math.max(0, math.ceil(at - self:now()))
        ms = ms < 0 and left or math.min(ms, left)
    end
    look_at_fds(self, ms)
    self.moment = self.moment + 1
end

-- One round: what can run runs, once.
function loop:turn()
    fire_due(self)
    if self.machine then
        self.machine:drain()
    end
    if self.looking then
        run_lookers(self)
    elseif run_ready(self) or look_at_fds(self, 0) or let_look(self) then
        return
    elseif self.clock then
        jump(self)
    else
        block(self)
    end
end

-- Ends the pools of this loop, which is of no use to them any more.
function loop:stop()
    if self.machine then
        self.machine:stop()
        self.machine = nil
    end
end

-- Who waits for what, for humans.
function loop:who_waits()
    local list = {}
    local function add(slot)
        if slot.task then
            list[#list + 1] = slot.task.name .. " " .. slot.task.what
        end
    end
    for _, timer in ipairs(self.timers) do
        if timer.fire and timer.subject then
            add(timer.subject)
        end
    end
    for slot in pairs(self.watched) do
        add(slot)
    end
    return #list > 0 and table.concat(list, ", ") or
        ("%d tasks wait for each other"):format(self.tasks)
end

-- Runs fn(...) as a task until it has ended: what it returned first, or throws what it
-- threw. Without a function: until no task is left.
function loop:run(fn, ...)
    if not fn then
        while self.tasks > 0 do
            self:turn()
        end
        return nil
    end
    local task = self:spawn(fn, ...)
    while not task.done do
        self:turn()
    end
    return task.value
end

return loop
