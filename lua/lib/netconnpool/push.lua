-- Pools of the push driver: C dials the target, on threads of the library; whoever
-- waits blocks in C.
--
-- SPDX-License-Identifier: BSD-3-Clause
--
-- No function of Lua is called from C. The connections are sockets, so a handle is a
-- descriptor.
local ffi = require("ffi")
local C = require("netconnpool.loader").lib
local blocking = require("netconnpool.blocking")
local config = require("netconnpool.config")
local connections = require("netconnpool.connection")
local constants = require("netconnpool.constants")
local errors = require("netconnpool.errors")
local leases = require("netconnpool.lease")
local pools = require("netconnpool.pool")

local new_table = require("table.new")

local tonumber = tonumber

local push = {}

local OK = constants.NCP_OK
local new_lease, ended = leases.new, leases.ended
local numbers_of = pools.numbers_of

local pool_out = ffi.new("ncp_pool *[1]")
local event = ffi.new("ncp_event") -- nothing can run between a call and its reading

-- Fields of it as signed numbers: below 2^53 there is no difference, and they become
-- numbers of Lua with less ado.
local function field_of_event(name)
    return ffi.cast("int64_t *", ffi.cast("char *", event) +
        ffi.offsetof("ncp_event", name))
end

local lease_of_event, id_of_event = field_of_event("lease"), field_of_event("conn_id")

-- Descriptors below are found at their place, others by a search.
local FDS = 64

-- --------------------------------------------------------------------- borrowing

-- The connection behind a descriptor; a new one when the number is used again.
local function connection_of_event(self)
    local fd, id = event.fd, tonumber(id_of_event[0])
    local connection = self.connections[fd]
    if connection and connection.id == id then
        return connection
    end
    connection = connections.new(blocking, tonumber(event.handle), nil, fd,
        event.protocol, event.ip)
    connection.id = id
    self.connections[fd] = connection
    return connection
end

function push:borrow(protocol, ip, timeout_ms, tag, cancel)
    if self.losses.told < self.losses.count then
        self:tell_losses(self.log)
    end
    local status = C.ncp_pool_borrow(self.ptr, protocol, ip, timeout_ms,
        cancel and cancel.ptr or nil, tag or 0, event)
    if status ~= OK then
        return errors.of_get(self, status, tonumber(event.code))
    end
    local number = tonumber(lease_of_event[0])
    local connection = connection_of_event(self)
    if self.captures then
        connection.stack = pools.stack_of_borrower()
    end
    local lease = new_lease(self, number, connection)
    return lease
end

-- ------------------------------------------------------------------- giving back

-- Gives a connection back. It goes to the oldest in line, else becomes idle; one that
-- is not fit for the next borrower is closed.
function push:put(lease)
    local number, connection = numbers_of(self, lease)
    local status
    if connection then
        ended(lease, connection)
        if connection.unfit == 0 then
            status = C.ncp_pool_put(self.lease_ptr, number)
        else
            status = C.ncp_pool_discard(self.lease_ptr, number)
        end
        self:after_release()
    else
        status = C.ncp_pool_put(self.lease_ptr, number)
    end
    if status == OK then
        return true
    end
    return errors.result(status)
end

-- Ends a lease by closing the connection.
function push:discard(lease)
    local number, connection = numbers_of(self, lease)
    local status = C.ncp_pool_discard(self.lease_ptr, number)
    if connection then
        connection.lease = 0
        self:after_release()
    end
    return errors.checked(status)
end

-- ---------------------------------------------------------------------- waiting

-- close(), then waits until the last lease is back.
function push:close_wait(timeout_ms)
    return errors.checked(C.ncp_pool_close_wait(self.ptr, timeout_ms or -1))
end

-- close_wait(), then close_now() for what is still out.
function push:drain(timeout_ms)
    return errors.checked(C.ncp_pool_drain(self.ptr, timeout_ms or -1))
end

-- Waits until pre-warming has ended.
function push:prewarm_wait(timeout_ms)
    return errors.checked(C.ncp_pool_prewarm_wait(self.ptr, timeout_ms or -1))
end

-- ------------------------------------------------------------------------ making

function push.key_of(_, connection)
    return connection.fd
end

-- The connection of a row of leases(); nil when another Lua state has it.
function push:connection_of(row)
    for _, connection in pairs(self.connections) do
        if connection.lease == row.lease then
            return connection
        end
    end
    return nil
end

pools.extend(push)

local function wrap(ptr, name, captures, log)
    local self = setmetatable({captures = captures, log = log, left = nil,
        connections = new_table(FDS, 0)}, push)
    return pools.init(self, ptr, name, false)
end

-- A pool from options without functions; or nil and an error.
function push.open(options, own)
    local handle, wrong = config.build(options, own)
    if not handle then
        return nil, wrong, errors.name(constants.NCP_EINVALIDCONFIG)
    end
    if options.clock then
        options.clock:give(handle)
    end
    local ptr, status
    ptr, wrong, status = config.make(handle)
    if not ptr then
        return nil, wrong, errors.name(status)
    end
    local self = wrap(ptr, options.name,
        options.capture_stacks == true, options.log)
    if options.clock then
        options.clock:watch(self)
    end
    return self
end

-- A living push pool of this process by its name, which another Lua state may have
-- made; or nil and an error.
function push.find(name)
    local status = C.ncp_pool_find(name, pool_out)
    if status ~= OK then
        return errors.result(status)
    end
    local driver = ffi.new("int64_t[1]")
    C.ncp_pool_option(pool_out[0], constants.NCP_OPTION_DRIVER, driver)
    if driver[0] ~= constants.NCP_DRIVER_PUSH then
        C.ncp_pool_free(pool_out[0])
        return nil, ("pool %s hands its work to the Lua state that made it"):format(
            name), errors.name(constants.NCP_ESTATE)
    end
    return wrap(pool_out[0], name, false, nil)
end

return push
