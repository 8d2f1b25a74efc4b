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

-- The guard has two owners: nginx, which fires it, and Lua, which may ask later.
local function new_guard(request)
    if C.ncp_guard_new(guard_out) ~= OK then
        return nil
    end
    local made = guard_out[0]
    local cleanup = ffi.C.ncp_resty_cleanup_add(request, 0)
    if cleanup == nil then
        C.ncp_guard_free(made)
        return nil
    end
    cleanup.data = made
    cleanup.handler = fire
    return ffi.gc(C.ncp_guard_ref(made), C.ncp_guard_free)
end

-- The guard that ngx.ctx knows, if it is that of the running request. The table may
-- be shared with other requests (a timer, say), also with one that is over.
local function known_guard(request)
    local known = rawget(ngx.ctx, KEY)
    if known and known[1] == request then
        return known[2]
    end
    return nil
end

-- The running request holds a lease, or stands in line with a ticket; 0 is none.
function guard.hold(ptr, lease, ticket)
    local request = get_request()
    if not request then
        return
    end
    local known = known_guard(request)
    if known and C.ncp_guard_hold(known, ptr, lease, ticket) == OK then
        return
    end
    local made = new_guard(request)
    if made then
        ngx.ctx[KEY] = {request, made}
        C.ncp_guard_hold(made, ptr, lease, ticket)
    end
end

-- It gave it back.
function guard.drop(ptr, lease, ticket)
    local request = get_request()
    local known = request and known_guard(request)
    if known then
        C.ncp_guard_drop(known, ptr, lease, ticket)
    end
end

return guard
