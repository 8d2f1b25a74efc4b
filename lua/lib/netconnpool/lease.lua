-- One borrow of one connection. A lease ends with put, discard, detach or close of a
-- pool or of its own; a lease that has ended answers nil, "invalid connection",
-- "invalidconn", whoever has the connection now.
--
-- SPDX-License-Identifier: BSD-3-Clause
local ffi = require("ffi")
local C = require("netconnpool.loader").lib
local constants = require("netconnpool.constants")
local errors = require("netconnpool.errors")

local getmetatable, setmetatable = getmetatable, setmetatable
local tonumber, type = tonumber, type

local lease = {}
lease.__index = lease

-- What a lease is made of: small, because each borrow makes one. Nobody refers to it
-- but its holder, not even weakly: so the compiler need not make one at all for a borrow
-- that ends where it began.
local POOL, NUMBER, CONNECTION, TOKEN = 1, 2, 3, 4

local OK = constants.NCP_OK
local GONE = constants.NCP_EINVALIDCONN

local value_out = ffi.new("uint64_t[1]")

-- The token of a connection goes from holder to holder: of those who ever borrowed the
-- connection only the lease that is out refers to it, so when the collector has taken it
-- meanwhile, a lease was lost. While nobody borrows it may take it too.
local function new_token(holder)
    local token = {}
    holder[1] = token
    return token
end

-- Called by the pools, for each borrow.
function lease.new(pool, number, connection)
    local holder = connection.holder
    local self = {pool, number, connection, holder[1] or new_token(holder)}
    setmetatable(self, lease) -- a call of its own, which the compiler can go through
    -- After it: the keeper may come in between, and a number without a token is a lease
    -- that was lost.
    connection.lease = number
    return self
end

-- Called by the pools when a connection comes back that others may borrow again: the
-- lease leaves its token to the next. A number has none to leave: the lease it stands
-- for keeps its own, and the next is given a new one.
function lease.ended(self, connection)
    connection.lease = 0
    if type(self) == "table" then
        self[TOKEN] = false
    else
        connection.holder[1] = nil
    end
end

-- Leases, and objects of classes that were made from them.
function lease.is(value)
    local class = getmetatable(value)
    return class == lease or (type(class) == "table" and class.parts == lease.parts)
end

-- The connection of a lease, whether it is still out or not.
function lease.connection(self)
    return self[CONNECTION]
end

-- Pool, number and connection of a lease, for the pools.
function lease.parts(self)
    return self[POOL], self[NUMBER], self[CONNECTION]
end

-- ------------------------------------------------------------------- giving back

function lease:put()
    return self[POOL]:put(self)
end

function lease:discard()
    return self[POOL]:discard(self)
end

function lease:detach()
    return self[POOL]:detach(self)
end

function lease:close()
    return self[POOL]:close_lease(self)
end

-- -------------------------------------------------------------------------- facts

-- Whether it is still out.
function lease:is_out()
    return self[CONNECTION].lease == self[NUMBER]
end

-- The connection, while the lease is out; else nil, text, name.
local function connection_of(self)
    local connection = self[CONNECTION]
    if connection.lease == self[NUMBER] then
        return connection
    end
    return errors.result(GONE)
end

local function info(self, which, unit)
    local status = C.ncp_lease_info(self[POOL].ptr, self[NUMBER], which, value_out)
    if status ~= OK then
        return errors.result(status)
    end
    return tonumber(value_out[0]) / unit
end

local FACTS = { -- name -> what is asked for, and the unit it is counted in
    age_ms = {constants.NCP_INFO_AGE_NS, 1e6},
    idle_ms = {constants.NCP_INFO_IDLE_NS, 1e6},
    reuse_count = {constants.NCP_INFO_REUSE_COUNT, 1},
    borrowed_ms = {constants.NCP_INFO_BORROWED_NS, 1e6},
    tag = {constants.NCP_INFO_TAG, 1},
    created_at_ms = {constants.NCP_INFO_CREATED_AT_NS, 1e6},
    last_used_at_ms = {constants.NCP_INFO_LAST_USED_AT_NS, 1e6},
    last_check_at_ms = {constants.NCP_INFO_LAST_CHECK_AT_NS, 1e6},
}

for name, fact in pairs(FACTS) do
    lease[name] = function(self)
        return info(self, fact[1], fact[2])
    end
end

local TRUTHS = {
    in_use = constants.NCP_INFO_IN_USE,
    healthy = constants.NCP_INFO_HEALTHY,
    leak_detected = constants.NCP_INFO_LEAK_DETECTED,
}

for name, which in pairs(TRUTHS) do
    lease[name] = function(self)
        local value, text, status = info(self, which, 1)
        if value == nil then
            return nil, text, status
        end
        return value ~= 0
    end
end

-- Facts of the connection that do not change while it is lent.
for _, name in ipairs({"id", "handle", "object", "data"}) do
    lease[name] = function(self)
        local connection, text, status = connection_of(self)
        if not connection then
            return nil, text, status
        end
        return connection[name]
    end
end

-- The number that stands for this borrow and no other.
function lease:number()
    return self[NUMBER]
end

function lease:pool()
    return self[POOL]
end

-- The descriptor; nil for a connection without one.
function lease:fd()
    local connection, text, status = connection_of(self)
    if not connection then
        return nil, text, status
    end
    return connection.fd >= 0 and connection.fd or nil
end

-- "TCP", "UDP" or "Unknown".
function lease:protocol()
    local connection, text, status = connection_of(self)
    if not connection then
        return nil, text, status
    end
    return ffi.string(C.ncp_protocol_text(connection.protocol))
end

-- "IPv4", "IPv6" or "Unknown".
function lease:ip()
    local connection, text, status = connection_of(self)
    if not connection then
        return nil, text, status
    end
    return ffi.string(C.ncp_ip_text(connection.ip))
end

-- The stack of the borrower, with the option capture_stacks; nil without.
function lease:stack()
    local connection, text, status = connection_of(self)
    if not connection then
        return nil, text, status
    end
    return connection.stack
end

-- -------------------------------------------------------------------------- marks

-- One that is not healthy is closed when it comes back.
function lease:set_healthy(healthy)
    return errors.checked(C.ncp_lease_set_healthy(self[POOL].ptr, self[NUMBER],
        healthy and 1 or 0))
end

-- A number of yours, shown in lists of borrowers.
function lease:set_tag(tag)
    return errors.checked(C.ncp_lease_set_tag(self[POOL].ptr, self[NUMBER], tag))
end

-- The holder closed the connection and made a new one in its place: the object and
-- {fd =, protocol =, ip =} as a function `dial` returns them.
function lease:renew(object, about)
    local connection, text, status = connection_of(self)
    if not connection then
        return nil, text, status
    end
    return self[POOL]:renew(self[NUMBER], connection, object, about)
end

-- ------------------------------------------------------------- reading and writing

for _, name in ipairs({"send", "receive", "receive_any", "settimeout", "peer"}) do
    lease[name] = function(self, argument)
        local connection, text, status = connection_of(self)
        if not connection then
            return nil, text, status
        end
        return connection[name](connection, argument)
    end
end

function lease:__tostring()
    local connection = self[CONNECTION]
    if connection.lease ~= self[NUMBER] then
        return "connection (given back)"
    end
    return ("connection %d of pool %s"):format(connection.id,
        self[POOL].name or "without a name")
end

return lease
