-- A pool of a worker: what every pull pool can do, with cosockets for connections.
--
-- SPDX-License-Identifier: BSD-3-Clause
local constants = require("netconnpool.constants")
local leases = require("netconnpool.lease")
local pull = require("netconnpool.pull")
local resty_leases = require("resty.netconnpool.lease")
local phase = require("resty.netconnpool.phase")
local slots = require("resty.netconnpool.slot")

local pcall, setmetatable, tonumber = pcall, setmetatable, tonumber

local pool = setmetatable({}, {__index = pull})
pool.__index = pool
pool.__tostring = pull.__tostring

local adopt = resty_leases.adopt
local take_client = resty_leases.take_client
local check_wait, can_wait = phase.check_wait, phase.can_wait
local DEFAULT = constants.NCP_TIMEOUT_DEFAULT

-- ---------------------------------------------------------------------- borrowing

-- No tail calls where it has to be fast: a trace of LuaJIT that begins with a function
-- ends at one.

-- Borrows a connection: a lease; or nil, an error, the short name of the status. The
-- limit is in milliseconds (nil: the option get_timeout; 0: an idle one or none; below
-- 0: no limit), or a table as in pool:get(). Waits without blocking the worker, so
-- only in phases that can wait.
function pool:acquire(timeout_ms)
    if can_wait() then
        local lease, err, name = self:get(timeout_ms)
        return lease, err, name
    end
    local _, why = check_wait("acquire()")
    return nil, why, "state"
end

-- Borrows an idle connection or none, in any phase.
function pool:try_acquire()
    local lease, err, name = self:try()
    return lease, err, name
end

local function has_idle_only(timeout_ms)
    return timeout_ms ~= DEFAULT and timeout_ms == 0
end

-- All ways to borrow end here.
function pool:borrow(protocol, ip, timeout_ms, tag, cancel)
    if not has_idle_only(timeout_ms) and not can_wait() then
        local _, why = check_wait("a get")
        return nil, why, "state"
    end
    local lease, err, name = self.machine:get(self, protocol, ip, timeout_ms, tag,
        cancel)
    return lease, err, name
end

local base_lend = pull.lend

-- A connection that another Lua state made (lua_code_cache off) has no slot here yet.
function pool:lend(number, connection, id)
    if not connection.object and self.target then
        connection.object = slots.new(self.target)
    end
    local lease = base_lend(self, number, connection, id)
    adopt(lease)
    return lease
end

-- -------------------------------------------------------------------- giving back

-- How long nginx may keep what is idle; the pool may not be complete yet.
local function keep_ms(self, slot)
    local ms = slot:keep_ms(self.idle_ms or 0, self.lifetime_ms or 0)
    return ms
end

local function keep(self, lease, client)
    local _, number, connection = leases.parts(lease)
    if connection.lease ~= number then -- it was taken away meanwhile
        pcall(client.close, client)
        return
    end
    local slot = connection.object
    if connection.unfit ~= 0 then
        pcall(client.close, client)
    elseif not slot:keep(client, keep_ms(self, slot)) then
        connection.unfit = 1
    end
end

-- Who may wait closes what it makes superfluous, and hears of errors; for others the
-- crew does it.
local function choose_closer(self)
    self.machine.host.spawns_closes = not can_wait()
end

-- The guard of the request need not give it back any more.
local function unguard(self, lease)
    if leases.is(lease) then
        local _, number = leases.parts(lease)
        self.machine:drop(self, number, 0)
    end
end

-- Gives a connection back: its client is kept alive under the name of its slot; one
-- that cannot be (it was closed, or has an answer nobody read) is closed.
function pool:put(lease)
    choose_closer(self)
    local client = self.target and leases.is(lease) and take_client(lease)
    if not client then
        local ok, err, name = pull.put(self, lease)
        return ok, err, name
    end
    keep(self, lease, client)
    local ok, err, name = pull.put(self, lease)
    if ok then
        return true
    end
    local _, _, connection = leases.parts(lease)
    self.machine.host:spawn(slots.evict, connection.object)
    return nil, err, name
end

-- Ends a lease by closing the connection.
function pool:discard(lease)
    choose_closer(self)
    local client = self.target and leases.is(lease) and take_client(lease)
    if client then
        pcall(client.close, client)
    end
    return pull.discard(self, lease)
end

-- The holder closes the connection itself, now.
function pool:close_lease(lease)
    choose_closer(self)
    local client = self.target and leases.is(lease) and take_client(lease)
    if client then
        pcall(client.close, client)
    end
    local ok, err, name = pull.close_lease(self, lease)
    unguard(self, lease)
    return ok, err, name
end

-- Takes the connection out of the pool for good: the client is the caller's.
function pool:detach(lease)
    choose_closer(self)
    if self.target and leases.is(lease) then
        take_client(lease)
    end
    local connection, err, name = pull.detach(self, lease)
    unguard(self, lease)
    return connection, err, name
end

-- ----------------------------------------------------------------------- steering

-- What nginx has to know of the options.
function pool:read_limits()
    self.idle_ms = tonumber(self:option("idle_timeout")) or 0
    self.lifetime_ms = tonumber(self:option("max_lifetime")) or 0
end

for _, name in ipairs({"close", "close_now", "flush", "suspend", "resume", "resize",
    "set", "free", "drain", "close_wait"}) do
    local method = pull[name]
    pool[name] = function(self, a, b)
        choose_closer(self)
        return method(self, a, b)
    end
end

local base_set = pool.set

function pool:set(name, value)
    local ok, err, status = base_set(self, name, value)
    self:read_limits()
    return ok, err, status
end

-- The counters by name; besides `lost` (leases the collector found) and `renewed`
-- (connections that nginx had dropped and that were made anew by their borrower).
function pool:stats()
    local snapshot, err, name = pull.stats(self)
    if snapshot then
        snapshot.renewed = self.renewals
    end
    return snapshot, err, name
end

-- --------------------------------------------------------------------- making one

-- The functions of a pool whose connections are cosockets; `check` is
-- the user's, if any. Its second result has to be given to adopt().
function pool.functions(target, check)
    local functions, made = {}, {}

    function functions.dial(request)
        local slot = slots.new(target)
        if ngx.worker.exiting() then
            return slot, target.about -- nginx keeps nothing now: connect() dials
        end
        local client, why = slot:connect(nil, request.creation_ms)
        if not client then
            return nil, why
        end
        local kept
        kept, why = slot:keep(client, keep_ms(request.pool, slot))
        if not kept then
            return nil, why
        end
        slot.seen, slot.fresh = true, true
        return slot, target.about
    end

    function functions.close(connection)
        if connection.object then
            connection.object:evict()
        end
    end

    -- One that another Lua state made went with it.
    function functions.check(connection, timeout_ms)
        local slot = connection.object
        if not slot then
            return false
        elseif not check then
            return slot:is_kept(keep_ms(made.pool or made, slot))
        end
        return slot:check(check, keep_ms(made.pool or made, slot), timeout_ms)
    end

    return functions, made
end

-- Makes a pool of the machine one of nginx's.
function pool.adopt(self, target, made)
    if made then
        made.pool = self
    end
    self.target = target
    self.renewals = 0
    setmetatable(self, pool)
    self:read_limits()
    return self
end


return pool
