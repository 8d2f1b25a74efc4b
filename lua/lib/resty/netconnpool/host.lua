-- How a worker of nginx waits: the host of the pull machine (netconnpool.machine).
--
-- SPDX-License-Identifier: BSD-3-Clause
--
-- A worker has one machine, one dispatcher and one crew. The dispatcher is a timer
-- with two light threads: one waits for the queue, the other for the time. It lives
-- as long as the worker. When the worker is told to exit it leaves at once, so that
-- it keeps nobody waiting; the requests that are still there then look for
-- themselves, in short intervals.
local semaphore = require("ngx.semaphore")
local C = require("netconnpool.loader").lib
local sys = require("netconnpool.sys")
local channels = require("resty.netconnpool.channel")
local crews = require("resty.netconnpool.crew")
local guard = require("resty.netconnpool.guard")
local phase = require("resty.netconnpool.phase")
local timekeepers = require("resty.netconnpool.timekeeper")

local sleep = ngx.sleep
local timer_at = ngx.timer.at
local now = sys.now

-- A put may be made where nothing can wait (a log handler, say): what it closes is
-- closed by the crew.
local host = {spawns_closes = true}
host.__index = host

local FAR_S = 20 * 86400 -- below 2^31 ms
local LONGEST_S = 86400
local SLICE_S = 0.005
local SPARE_SLOTS = 64
local POLL_MS, POLL_MOST_MS = 1, 10

function host.new()
    return setmetatable({
        crew = crews.new(),
        listens = false, -- the dispatcher is there
        leaving = false,
        spare = {},
    }, host)
end

if guard.available then
    function host:hold(pool, lease, ticket) -- luacheck: no self
        guard.hold(pool.lease_ptr, lease, ticket)
    end

    function host:drop(pool, lease, ticket) -- luacheck: no self
        guard.drop(pool.lease_ptr, lease, ticket)
    end
end

-- -------------------------------------------------------------------- dispatcher

-- The dispatcher has to live on whatever happens.
local function attempt(machine, name)
    local ok, why = pcall(machine[name], machine)
    if not ok then
        ngx.log(ngx.ERR, "netconnpool: ", name, "(): ", tostring(why))
    end
end

local function listen(self)
    local ok, why = self.channel:connect()
    if not ok then
        ngx.log(ngx.ERR, "netconnpool: the queue cannot be heard (", why,
            "); it is looked at every ", SLICE_S, " s while somebody waits")
        return
    end
    self.listens = true
    repeat
        attempt(self.machine, "drain")
        ok = not self.leaving and self.channel:wait()
    until not ok
    self.listens = false
    attempt(self.machine, "drain")
    self.channel.sock:close()
end

local function dispatch(premature, self)
    if premature or self.leaving then
        return
    end
    if self.channel then
        ngx.thread.spawn(listen, self)
    end
    self.crew:hurry()
    self.timekeeper:run()
end

-- nginx runs a timer that is far away early, as premature, when the worker is to
-- exit. Nothing else tells.
local function look_whether_it_exits(premature, self)
    if premature then
        self:leave()
    else
        self:watch_for_exit()
    end
end

function host:watch_for_exit()
    timer_at(FAR_S, look_whether_it_exits, self)
end

function host:start(machine)
    self.machine = machine
    self.timekeeper = timekeepers.new(function() attempt(machine, "tick") end)
    local why
    self.channel, why = channels.new(machine.queue)
    if not self.channel then
        ngx.log(ngx.ERR, "netconnpool: no socket for the queue: ", why)
    end
    local ok
    ok, why = timer_at(0, dispatch, self)
    if not ok then
        ngx.log(ngx.ERR, "netconnpool: no timer for the dispatcher: ", why)
    end
    self:watch_for_exit()
end

-- The worker is to exit. What is idle is closed by nginx; who still has a request
-- can still borrow.
function host:leave()
    self.leaving = true
    C.ncp_queue_kick(self.machine.queue)
    self.timekeeper:leave()
    self.crew:leave()
end

function host:arm(ms)
    self.timekeeper:arm(ms)
end

-- ------------------------------------------------------------------------- tasks

function host:spawn(fn, ...)
    self.crew:spawn(fn, ...)
end

function host:sleep(ms) -- luacheck: no self
    sleep(ms / 1e3)
end

function host:now() -- luacheck: no self
    return now()
end

-- ----------------------------------------------------------------------- waiting

function host:slot()
    local spare = self.spare
    local count = #spare
    if count > 0 then
        local slot = spare[count]
        spare[count] = nil
        return slot
    end
    return semaphore.new(0)
end

function host:post(slot) -- luacheck: no self
    slot:post(1)
end

-- Nobody hears the queue (yet, or any more): the one who waits looks.
local function wait_in_slices(self, slot, seconds)
    local deadline = now() + seconds * 1e3
    repeat
        local left = (deadline - now()) / 1e3
        local ok, why = slot:wait(math.max(0, math.min(left, SLICE_S)))
        if ok or why ~= "timeout" then
            return ok, why
        end
        self.machine:tick()
    until self.listens or left <= 0
    return nil, "timeout"
end

local function wait_once(self, slot, seconds)
    if self.listens then
        return slot:wait(seconds)
    end
    return wait_in_slices(self, slot, seconds)
end

function host:wait(slot, ms)
    if not phase.can_wait() then
        return phase.check_wait("a get")
    end
    local deadline = ms >= 0 and now() + ms or nil
    while true do
        local seconds = LONGEST_S
        if deadline then
            seconds = math.min(math.max(deadline - now(), 0) / 1e3, LONGEST_S)
        end
        local ok, why = wait_once(self, slot, seconds)
        if ok then
            if #self.spare < SPARE_SLOTS then
                self.spare[#self.spare + 1] = slot
            end
            return true
        elseif why ~= "timeout" then
            return nil, why
        elseif deadline and now() >= deadline then
            return false
        end
    end
end

-- nginx has no way to wait for a foreign descriptor: it is looked at, first often,
-- then less often. Connections that are cosockets do not come here.
function host:wait_fd(fd, write, ms) -- luacheck: no self
    local deadline = ms >= 0 and now() + ms or nil
    local pause = POLL_MS
    while not sys.poll_one(fd, write, 0) do
        if deadline and now() >= deadline then
            return false
        end
        sleep(pause / 1e3)
        pause = math.min(pause * 2, POLL_MOST_MS)
    end
    return true
end

return host
