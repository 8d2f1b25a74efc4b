-- Where scenarios run inside nginx (see tests/runners/lua/runner/hosts.lua): the
-- threads of a scenario are light threads of a request, pools have the host that they
-- have in every worker (resty.netconnpool.host), with its dispatcher, its crew of
-- timers, its semaphores and its guard.
--
-- SPDX-License-Identifier: BSD-3-Clause
--
-- Time is the worker's, or a clock that jumps: then waits and pauses of the host are
-- entries in a list of our own, and whenever no light thread of the worker can go on,
-- the clock moves to the next of them.
local netconnpool = require("netconnpool")
local clocks = require("netconnpool.clock")
local hosts = require("resty.netconnpool.host")
local pools = require("resty.netconnpool.pool")
local semaphore = require("ngx.semaphore")

local huge, max, min = math.huge, math.max, math.min

-- So many turns of the event loop without anything happening: nothing can go on.
local QUIET_TURNS = 3
local FOREVER_S = 3600
local INSTANT_MS = 1e-6

-- -------------------------------------------------------------- a host that counts

-- What both kinds of time share: everything that happens is counted.
local counting = setmetatable({}, {__index = hosts})
counting.__index = counting

function counting:watch_for_exit() -- luacheck: no self
end

local function counted(self, fn, ...)
    self.moment = self.moment + 1
    fn(...)
    self.moment = self.moment + 1
end

function counting:spawn(fn, ...)
    self.moment = self.moment + 1
    hosts.spawn(self, counted, self, fn, ...)
end

-- ------------------------------------------------------------------ virtual time

local virtual = setmetatable({}, {__index = counting})
virtual.__index = virtual

function virtual:now()
    return self.clock:now()
end

function virtual:arm(ms)
    self.armed = ms < 0 and huge or self:now() + ms
end

function virtual:slot() -- luacheck: no self
    return {sema = semaphore.new(0), posted = false, at = huge}
end

function virtual:post(slot)
    self.moment = self.moment + 1
    slot.posted = true
    slot.sema:post(1)
end

function virtual:wait(slot, ms)
    if slot.posted then
        return true
    elseif ms == 0 then
        return false
    end
    slot.at = ms < 0 and huge or self:now() + ms
    self.waits[slot] = true
    repeat
        local ok = slot.sema:wait(FOREVER_S)
    until ok
    self.waits[slot] = nil
    self.moment = self.moment + 1
    return slot.posted
end

function virtual:sleep(ms)
    self:wait(self:slot(), max(ms, INSTANT_MS))
end

-- Waits until nothing else can run, and again each time after something happened.
function virtual:idle(ms)
    local slot = self:slot()
    slot.moment = self.moment
    slot.at = self:now() + ms
    self.idlers[slot] = true
    slot.sema:wait(FOREVER_S)
    self.idlers[slot] = nil
    return slot.posted
end

local function earliest(self)
    local at = self.armed
    for slot in pairs(self.waits) do
        at = min(at, slot.at)
    end
    for slot in pairs(self.idlers) do
        at = min(at, slot.at)
    end
    return at
end

-- Wakes whose time has come; in the order of their times.
local function wake_due(list, now)
    local due = {}
    for slot in pairs(list) do
        if slot.at <= now then
            due[#due + 1] = slot
        end
    end
    table.sort(due, function(a, b)
        return a.at < b.at
    end)
    for _, slot in ipairs(due) do
        list[slot] = nil
        slot.sema:post(1)
    end
end

local function jump(self)
    local at = earliest(self)
    if at == huge then
        error("nothing can go on: threads wait for each other", 0)
    end
    self.clock:set_ms(at)
    self.moment = self.moment + 1
    local now = self:now()
    wake_due(self.waits, now)
    wake_due(self.idlers, now)
    if self.armed <= now then
        self.armed = huge
        self.machine:tick()
    end
end

-- Lets those look who wait for nothing else to run: whether there were any for whom
-- something has happened.
local function let_look(self)
    local any = false
    for slot in pairs(self.idlers) do
        if slot.moment ~= self.moment and not slot.posted then
            any = true
            slot.posted = true
            slot.sema:post(1)
        end
    end
    return any
end

local function wake_up(_, sema)
    sema:post(1)
end

-- One turn of the event loop. (ngx.sleep(0) is none with a stock nginx: it goes on
-- within the same turn.)
local function turn(self)
    ngx.timer.at(0, wake_up, self.turned)
    self.turned:wait(FOREVER_S)
end

-- Turns the event loop until nothing happens any more.
function counting:settle()
    local quiet = 0
    while quiet < QUIET_TURNS do
        local before = self.moment
        turn(self)
        if self.machine and self.machine:drain() > 0 then
            self.moment = self.moment + 1
        end
        quiet = before == self.moment and quiet + 1 or 0
    end
end

function virtual:go_on()
    self:settle()
    if not let_look(self) and not self.over() then
        jump(self)
    end
end

-- --------------------------------------------------------------------- real time

local real = setmetatable({}, {__index = counting})
real.__index = real

function real:idle(ms) -- luacheck: no self
    ngx.sleep(max(0, min(ms, 1)) / 1e3)
    return ms > 1
end

function real:go_on() -- luacheck: no self
    ngx.sleep(0.001)
end

-- ---------------------------------------------------------------------- the place

-- Pools get the methods they have in nginx.
local plain_new = netconnpool.new

netconnpool.new = function(options) -- luacheck: ignore
    local pool, err, name = plain_new(options)
    if pool and options.host then
        pools.adopt(pool, nil)
    end
    return pool, err, name
end

local function new_host(is_virtual)
    local host = hosts.new()
    host.moment, host.turned = 0, semaphore.new(0)
    host.waits, host.idlers, host.armed = {}, {}, huge
    host.clock = is_virtual and clocks.new() or nil
    return setmetatable(host, is_virtual and virtual or real)
end

-- nginx keeps a light thread that has ended until its parent ends, and with it what it
-- was started with.
local function run_task(task)
    task.ok, task.value = pcall(task.fn)
    task.done = true
    local host = task.host
    task.fn, task.host = nil, nil
    host:post(task.ended)
end

local function place(is_virtual)
    local host = new_host(is_virtual)
    local function spawn(fn)
        local task = {done = false, ended = host:slot(), fn = fn, host = host}
        host.moment = host.moment + 1
        ngx.thread.spawn(run_task, task)
        return task
    end

    return {
        host = host,
        clock = host.clock,
        spawn = spawn,
        now = function()
            return host:now()
        end,
        join = function(task)
            if not task.done then
                host:wait(task.ended, -1)
            end
        end,
        sleep = function(ms)
            host:sleep(ms)
        end,
        quiet = function(ms)
            return host:idle(ms)
        end,
        run = function(fn)
            local main = spawn(fn)
            host.over = function()
                return main.done
            end
            local ok, why = true, nil
            while ok and not main.done do
                ok, why = pcall(host.go_on, host)
            end
            if not ok or not main.ok then
                error(ok and main.value or why, 0)
            end
        end,
        -- The dispatcher leaves, as it does when the worker exits.
        finish = function()
            if not host.machine then
                return
            end
            host:leave()
            repeat
                host:settle()
            until not host.listens
            host.machine:stop()
        end,
    }
end

return place
