-- Finds what was lost: leases that nobody can put any more, and pools that nobody
-- can reach.
--
-- SPDX-License-Identifier: BSD-3-Clause
--
-- A lease costs nothing here while all goes well: each connection knows the number of
-- the lease that is out and, weakly, the token that only this lease has. After every
-- cycle of the collector a number without a token is a lease that was lost; it is
-- discarded, so that its place in the pool is free again. When the Lua state ends,
-- everything it still holds is given back.
local C = require("netconnpool.loader").lib

local keeper = {}

local WEAK = {__mode = "v"}

-- Kept apart from the module, for the time when the state ends.
local discard, free = C.ncp_pool_discard, C.ncp_pool_free

-- What this state holds in one pool: {ptr, connections, owner (weak), told, owns_fds}.
-- `told` is called for each lease that was found; it keeps the pool alive when it
-- refers to it.
local holdings = {}

local function give_back_lost(holding, all)
    for key, connection in pairs(holding.connections) do
        local lease, taken = connection.lease, connection.taken
        if lease + taken ~= 0 and (all or connection.holder[1] == nil) then
            connection.lease, connection.taken = 0, 0
            discard(holding.ptr, lease ~= 0 and lease or taken)
            if taken ~= 0 then
                connection:close_fd()
                holding.connections[key] = nil
            end
            local pool = holding.owner[1]
            if pool then
                pool:after_release()
            end
            if holding.told then
                pcall(holding.told, connection, lease)
            end
        end
    end
end

local function sweep()
    for holding in pairs(holdings) do
        give_back_lost(holding, false)
        if holding.owner[1] == nil then
            holdings[holding] = nil
            if not holding.freed then
                free(holding.ptr)
            end
        end
    end
end

-- An object that nobody refers to is finalized once a cycle.
local function watch_collector()
    local sentinel = newproxy(true)
    getmetatable(sentinel).__gc = function()
        sweep()
        watch_collector()
    end
end

-- The state ends: nobody will do what the pool asks for any more.
local function give_all_back(holding)
    holding.told = nil
    give_back_lost(holding, true)
    if not holding.freed then
        free(holding.ptr)
    end
    if holding.owns_fds then
        for _, connection in pairs(holding.connections) do
            connection:close_fd()
        end
    end
end

-- Lives as long as the state.
local anchor = newproxy(true)
getmetatable(anchor).__gc = function()
    for holding in pairs(holdings) do
        holdings[holding] = nil
        give_all_back(holding)
    end
end
keeper.anchor = anchor

-- Keeps a reference on a pool for as long as `pool` lives. `owns_fds`: descriptors
-- are this state's to close (pull).
function keeper.hold(pool, told, owns_fds)
    local holding = {
        ptr = pool.ptr,
        connections = pool.connections,
        owner = setmetatable({pool}, WEAK),
        told = told,
        owns_fds = owns_fds,
    }
    holdings[holding] = true
    return holding
end

-- The pool gives its reference back itself; leases may still be out.
function keeper.freed(holding)
    holding.freed = true
end

-- Looks for lost leases now, after a full cycle of the collector.
function keeper.collect()
    collectgarbage()
    collectgarbage()
end

watch_collector()

return keeper
