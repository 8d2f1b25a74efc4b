-- Gives back what an aborted request held.
--
-- SPDX-License-Identifier: BSD-3-Clause
--
-- nginx ends the coroutines of a request that is aborted, or that failed, without a
-- word: no pcall returns, nothing is unwound. So each request that borrows has one
-- ncp_guard, whose function stands in nginx's own chain of what to do at the end of
-- a request (ngx_http_cleanup_add, which nginx exports). It runs for timers too.
local ffi = require("ffi")
local base = require("resty.core.base")
local loader = require("netconnpool.loader")
local constants = require("netconnpool.constants")

local C = loader.lib
local get_request = base.get_request
local rawget = rawget

local guard = {}

local OK = constants.NCP_OK

if not pcall(ffi.typeof, "ncp_resty_cleanup") then
    ffi.cdef([[
    typedef struct ncp_resty_cleanup {
        void (*handler)(void *data);
        void *data;
        struct ncp_resty_cleanup *next;
    } ncp_resty_cleanup;
    ncp_resty_cleanup *ncp_resty_cleanup_add(void *request, size_t size)
        __asm__("ngx_http_cleanup_add");
    ]])
end

-- The key under which ngx.ctx knows the guard of its request.
local KEY = "netconnpool.guard"

local guard_out = ffi.new("ncp_guard *[1]")
local fire = ffi.cast("void (*)(void *)", C.ncp_guard_fire)

-- Whether requests can be guarded here. The stream module has no such chain for
-- what runs in Lua: there a lost lease is found by the collector.
guard.available = ngx.config.subsystem == "http"
    and (pcall(function() return ffi.C.ncp_resty_cleanup_add end))

local function new_guard(request)
    if C.ncp_guard_new(guard_out) ~= OK then
        return nil
    end
    local cleanup = ffi.C.ncp_resty_cleanup_add(request, 0)
    if cleanup == nil then
        C.ncp_guard_fire(guard_out[0])
        return nil
    end
    cleanup.data = guard_out[0]
    cleanup.handler = fire
    return guard_out[0]
end

-- The guard of the running request, made when there is none yet. ngx.ctx may be
-- shared with other requests (a timer, say): the request it was made for is
-- remembered beside it.
local function of_request()
    local request = get_request()
    if not request then
        return nil
    end
    local ctx = ngx.ctx
    local known = rawget(ctx, KEY)
    if known and known[1] == request then
        return known[2]
    end
    local made = new_guard(request)
    if made then
        ctx[KEY] = {request, made}
    end
    return made
end

-- The running request holds a lease, or stands in line with a ticket; 0 is none.
function guard.hold(ptr, lease, ticket)
    local mine = of_request()
    if mine ~= nil then
        C.ncp_guard_hold(mine, ptr, lease, ticket)
    end
end

-- It gave it back.
function guard.drop(ptr, lease, ticket)
    local request = get_request()
    local known = request and rawget(ngx.ctx, KEY)
    if known and known[1] == request then
        C.ncp_guard_drop(known[2], ptr, lease, ticket)
    end
end

return guard
