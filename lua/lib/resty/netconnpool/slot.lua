-- Connections that are cosockets.
--
-- SPDX-License-Identifier: BSD-3-Clause
--
-- A cosocket belongs to a request and cannot be kept. nginx can keep the connection
-- beneath it, in a pool of its own that has a name. So each connection of ours is a
-- slot: a name under which nginx keeps exactly this connection. Whoever borrows the
-- slot connects under its name and gets it; whoever gives it back leaves it to nginx
-- under that name. Who may do so when is decided by the pool.
local tcp = ngx.socket.tcp

local slot = {}
slot.__index = slot

-- A host that cannot be: connecting to it under a name gets what is idle there, or
-- fails at once, without a system call and without a line of log.
local NOWHERE = "unix:"

-- nginx closes an idle connection by itself this much later than the pool would, in
-- case the pool does not come to it.
local GRACE_MS = 1000

local last = 0

-- A slot of a target (resty.netconnpool.target).
function slot.new(target)
    last = last + 1
    local self = setmetatable({
        target = target,
        name = ("ncp:%s:%d"):format(target.name, last),
        made_at = 0,
    }, slot)
    self.options = target:options(self.name)
    return self
end

-- --------------------------------------------------------------------- connecting

local function reused_times(client)
    local ask = client.get_reused_times or client.getreusedtimes
    if not ask then
        return 0
    end
    return ask(client) or 0
end

-- Connects under the name: a client, and whether the connection is a new one; or nil
-- and why not. `client` is an object with a method connect(host, port, options), or
-- nil for what the pool makes.
function slot:connect(client, connect_ms)
    local made, why = self.target:connect(self.options, client, connect_ms)
    if not made then
        return nil, why or "connect returned nothing"
    end
    local is_new = self:note(made)
    return made, is_new
end

-- Looks at a client that has connected under the name: whether the connection is a
-- new one.
function slot:note(client)
    local is_new = reused_times(client) == 0
    if is_new then
        self.made_at = ngx.now()
    end
    return is_new
end

-- -------------------------------------------------------------------- giving back

local function left_of(limit_ms, age_ms)
    if limit_ms <= 0 then
        return math.huge
    end
    local left = math.max(limit_ms - age_ms, 0) + GRACE_MS
    return left
end

-- How long nginx may keep it, in ms; 0 is for ever.
function slot:keep_ms(idle_timeout_ms, max_lifetime_ms)
    local age_ms = (ngx.now() - self.made_at) * 1e3
    local ms = math.min(left_of(idle_timeout_ms, 0),
        left_of(max_lifetime_ms, age_ms))
    if ms == math.huge then
        return 0
    end
    ms = math.ceil(ms)
    return ms
end

-- Leaves a client's connection to nginx: true, or nil and why it was closed instead.
function slot:keep(client, keep_ms) -- luacheck: no self
    local keep = client.set_keepalive or client.setkeepalive or client.keepalive
    if not keep then
        return nil, "the client has no set_keepalive"
    end
    local called, ok, why = pcall(keep, client, keep_ms, 1)
    if not called then
        return nil, ok
    elseif not ok then
        return nil, why or "it cannot be kept"
    end
    return true
end

-- ------------------------------------------------------------------------ looking

-- Closes what is idle under the name, if anything.
function slot:evict()
    local sock = tcp()
    if sock:connect(NOWHERE, self.options) then
        sock:close()
    end
end

-- Asks the user's function, with a client that is connected under the name: whether
-- the connection is healthy. One that nginx had dropped is not.
function slot:check(fn, keep_ms, timeout_ms)
    local client, is_new = self:connect(nil, timeout_ms)
    if not client then
        return false
    end
    local ok, healthy = pcall(fn, client, timeout_ms)
    if is_new or not ok or not healthy then
        pcall(client.close, client)
        return false
    end
    return self:keep(client, keep_ms) == true
end

-- Whether nginx still has it; nginx watches idle connections, and drops one whose
-- peer closed it or sent something nobody asked for.
function slot:is_kept(keep_ms)
    local sock = tcp()
    if not sock:connect(NOWHERE, self.options) then
        return false
    end
    return sock:setkeepalive(keep_ms, 1) ~= nil
end

return slot
