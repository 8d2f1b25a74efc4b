-- A lease in nginx: what every lease can do (netconnpool.lease), and connecting.
--
-- SPDX-License-Identifier: BSD-3-Clause
local leases = require("netconnpool.lease")

local setmetatable, pairs = setmetatable, pairs

local lease = {}
for name, method in pairs(leases) do
    lease[name] = method
end
lease.__index = lease

local CLIENT, IS_NEW = "client", "is_new"

local parts = leases.parts

-- Called by the pool, for each borrow.
function lease.adopt(base)
    setmetatable(base, lease)
    return base
end

local function slot_of(self)
    local pool, _, connection = parts(self)
    if not self:is_out() then
        return nil, "the lease has ended"
    end
    local slot = connection.object
    if not pool.target then
        return nil, "the pool has a dialer of its own: lease:object() is what it made"
    end
    return slot, pool, connection
end

-- The connection is another one than the pool knows: nginx had dropped the one it
-- kept. Its age begins anew.
local function renewed(self, slot, pool)
    if slot.seen then
        self:renew(slot, pool.target.about)
        pool.renewals = pool.renewals + 1
    end
end

-- Connects: a cosocket, or what the pool's function `connect` returns; or the client
-- that is given, an object with a method connect(host, port, options), such as those
-- of lua-resty-redis. Or nil and why not; the connection is then closed when the
-- lease is given back.
function lease:connect(client)
    if self[CLIENT] then
        return self[CLIENT]
    end
    local slot, pool, connection = slot_of(self)
    if not slot then
        return nil, pool
    end
    local made, is_new = slot:connect(client)
    if not made then
        connection.unfit = 1
        return nil, is_new
    end
    self[CLIENT] = made
    self[IS_NEW] = is_new or slot.fresh == true
    if is_new then
        renewed(self, slot, pool)
    end
    slot.seen, slot.fresh = true, false
    return made
end

-- What a client's connect needs to get this connection: {pool =, pool_size =, host =,
-- port =, ...}, with the fields of `more` added. The client has to be told to the
-- lease, with lease:uses(client), or the caller keeps it alive itself.
function lease:options(more)
    local slot, why = slot_of(self)
    if not slot then
        return nil, why
    end
    local options = {}
    for name, value in pairs(slot.options) do
        options[name] = value
    end
    for name, value in pairs(more or {}) do
        options[name] = value
    end
    return options
end

-- A client that was connected with options(): put() keeps it alive, discard() closes
-- it.
function lease:uses(client)
    local slot, pool = slot_of(self)
    if not slot then
        return nil, pool
    end
    local is_new = slot:note(client)
    self[CLIENT] = client
    self[IS_NEW] = is_new or slot.fresh == true
    if is_new then
        renewed(self, slot, pool)
    end
    slot.seen, slot.fresh = true, false
    return client
end

-- Whether the connection was made for this borrow: nobody has used it before.
function lease:is_first_use()
    return self[IS_NEW] == true
end

-- The client, taken from the lease.
function lease.take_client(self)
    local client = self[CLIENT]
    self[CLIENT] = nil
    return client
end

return lease
