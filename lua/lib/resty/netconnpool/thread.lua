-- The pools of a worker, from ngx.run_worker_thread.
--
-- SPDX-License-Identifier: BSD-3-Clause
--
-- A worker thread has a Lua state of its own, may block, and has no cosockets. It finds
-- a pool of the worker by its name and borrows from it as any request does: same
-- limit, same line, same counters. What it gets is the right to use a connection: its
-- descriptor, if the pool's connections have one; with cosockets just the right, as a
-- limit of what runs at the same time.
--
--     local pool = require("resty.netconnpool.thread").find("jobs")
--     local lease, err, name = pool:acquire(500)
--     ...
--     lease:put()
local ffi = require("ffi")
local C = require("netconnpool.loader").lib
local constants = require("netconnpool.constants")
local errors = require("netconnpool.errors")
local pools = require("netconnpool.pool")

local tonumber, setmetatable = tonumber, setmetatable

local thread = {}

local OK = constants.NCP_OK
local ETIMEOUT = constants.NCP_ETIMEOUT
local EAGAIN = constants.NCP_EAGAIN
local DEFAULT = constants.NCP_TIMEOUT_DEFAULT
local CONN = constants.NCP_EVENT_CONN
local CHECK = constants.NCP_EVENT_CHECK
local BORROW = constants.NCP_EVENT_BORROW
local PENDING = constants.NCP_EVENT_PENDING

local pool_out = ffi.new("ncp_pool *[1]")
local event = ffi.new("ncp_event")

-- ------------------------------------------------------------------------- leases

local lease = {}
lease.__index = lease

-- Gives it back: true, or nil, an error, the name of the status.
function lease:put()
    return errors.checked(C.ncp_pool_put(self.pool.ptr, self.number))
end

-- Gives it back to be closed.
function lease:discard()
    return errors.checked(C.ncp_pool_discard(self.pool.ptr, self.number))
end

local function lend(pool)
    return setmetatable({
        pool = pool,
        number = tonumber(event.lease),
        fd = event.fd >= 0 and event.fd or nil,
        id = tonumber(event.conn_id),
        handle = tonumber(event.handle),
    }, lease)
end

-- -------------------------------------------------------------------------- pools

local pool = {}
pool.__index = pool

-- What can be steered and looked at from any thread.
for _, name in ipairs({"stats", "describe", "leases", "active_count", "idle_count",
    "waiting_count", "dialing_count", "is_closed", "dial_error", "flush", "suspend",
    "resume", "resize", "set", "option", "close"}) do
    pool[name] = pools[name]
end

function pool:connection_of() -- luacheck: no self
    return nil
end

-- The functions of the pool belong to another Lua state: what they would be asked here
-- is answered by the descriptor.
local function answer_for(self)
    local healthy = 1
    if event.type == CHECK and event.fd >= 0 then
        healthy = C.ncp_fd_alive(event.fd)
    end
    return C.ncp_pool_checked(self.ptr, event.lease, healthy, event)
end

local function wait(self)
    local ticket = event.ticket
    local status
    repeat -- the ticket has the limit
        status = C.ncp_ticket_wait(self.ptr, ticket, -1, event)
    until status ~= EAGAIN
    return status
end

-- Borrows a connection: a lease; or nil, an error, the name of the status. Blocks this
-- thread for at most so many milliseconds (nil: the option get_timeout; 0: an idle one
-- or none; below 0: no limit).
function pool:acquire(timeout_ms)
    local status = C.ncp_pool_acquire(self.ptr, nil, 0, 0, timeout_ms or DEFAULT, 0, 0,
        event)
    while status == OK and event.type ~= CONN do
        if event.type == PENDING then
            status = wait(self)
        elseif event.type == CHECK or event.type == BORROW then
            status = answer_for(self)
        else
            status = ETIMEOUT
        end
    end
    if status == OK then
        return lend(self)
    end
    return errors.of_get(self, status, 0)
end

-- Borrows an idle connection or none.
function pool:try_acquire()
    return self:acquire(0)
end

-- A pool of this worker by its name; or nil, an error, the name of the status.
function thread.find(name)
    local status = C.ncp_pool_find(name, pool_out)
    if status ~= OK then
        return errors.result(status)
    end
    return setmetatable({
        ptr = ffi.gc(pool_out[0], C.ncp_pool_free),
        name = name,
        losses = {count = 0},
    }, pool)
end

return thread
