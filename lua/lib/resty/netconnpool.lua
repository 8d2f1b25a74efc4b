-- netconnpool in nginx and OpenResty: pools of a worker, whose waits never block it.
--
-- SPDX-License-Identifier: BSD-3-Clause
--
--     init_worker_by_lua_block {
--         local netconnpool = require "resty.netconnpool"
--         assert(netconnpool.open({name = "redis", host = "127.0.0.1", port = 6379,
--                                  max_connections = 10, idle_timeout = "60s"}))
--     }
--     content_by_lua_block {
--         local pool = require("resty.netconnpool").pool("redis")
--         local lease, err = pool:acquire(500)          -- ms
--         if not lease then ... end
--         local redis, err = lease:connect(require("resty.redis"):new())
--         ...
--         lease:put()
--     }
--
-- See docs/nginx.md.
local ffi = require("ffi")
local C = require("netconnpool.loader").lib
local loader = require("netconnpool.loader")
local cancels = require("netconnpool.cancel")
local clocks = require("netconnpool.clock")
local constants = require("netconnpool.constants")
local machines = require("netconnpool.machine")
local pull = require("netconnpool.pull")
local hosts = require("resty.netconnpool.host")
local phase = require("resty.netconnpool.phase")
local pools = require("resty.netconnpool.pool")
local targets = require("resty.netconnpool.target")
local visitors = require("resty.netconnpool.visitor")

local netconnpool = {_VERSION = loader.version}

-- The pools of this Lua state by name, and the machines that work for them: one for
-- pools of its own, one for those of another state of this worker.
local opened = {}
local machine_of = {}

local function machine_with(host_class)
    local machine, err, name = machine_of[host_class], nil, nil
    if not machine then
        machine, err, name = machines.new(host_class.new())
        machine_of[host_class] = machine
    end
    return machine, err, name
end

-- Names in the options that are neither the library's nor functions of a pool.
local OWN = {clock = true}
for name in pairs(pull.FUNCTIONS) do
    OWN[name] = true
end

-- ------------------------------------------------------------------------ opening

local function check_name(options)
    if type(options) ~= "table" then
        return nil, "a table of options is needed"
    end
    local name = options.name
    if type(name) ~= "string" or name == "" then
        return nil, "option name is missing: the pool is found by it"
    elseif opened[name] and not opened[name]:is_closed() then
        return nil, ("the pool %s is open already: pool(%q)"):format(name, name)
    end
    return true
end

local pool_out = ffi.new("ncp_pool *[1]")

local function is_in_worker(name)
    if C.ncp_pool_find(name, pool_out) ~= constants.NCP_OK then
        return false
    end
    local is_closed = C.ncp_pool_is_closed(pool_out[0]) == 1
    C.ncp_pool_free(pool_out[0])
    return not is_closed
end

local KINDS = {tcp = "host", tcp4 = "host", tcp6 = "host"}

-- "tcp://host:port" and "unix:path" of the option target, as C understands them.
local function place_of(text)
    local path = text:match("^unix:(.+)$")
    if path then
        return {unix = path}
    end
    local scheme, host, port = text:match("^(%w+)://%[?([^%]]-)%]?:(%d+)$")
    if not scheme or not KINDS[scheme] then
        return nil, ("option target: %s is no tcp://host:port and no unix:path")
            :format(text)
    end
    return {host = host, port = tonumber(port)}
end

-- The options of a pool of cosockets, sorted: those of the target, those of the pool.
local function split(options)
    local place, rest = {}, {}
    for name, value in pairs(options) do
        if targets.OPTIONS[name] then
            place[name] = value
        else
            rest[name] = value
        end
    end
    place.name, rest.target = options.name, nil
    if type(options.target) == "string" then
        local told, wrong = place_of(options.target)
        if not told then
            return nil, wrong
        end
        for name, value in pairs(told) do
            place[name] = value
        end
    end
    return place, rest
end

-- Another Lua state of this worker may have opened the pool: with lua_code_cache off
-- each request has a state of its own. Then that one's pool is used.
local function open_or_attach(options)
    if is_in_worker(options.name) then
        local machine, err, name = machine_with(visitors)
        if not machine then
            return nil, err, name
        end
        return machine:attach(options.name, options)
    end
    local machine, err, name = machine_with(hosts)
    if not machine then
        return nil, err, name
    end
    return machine:open(options, OWN)
end

local function open_sockets(options)
    local place, rest = split(options)
    if not place then
        return nil, rest, "invalidconfig"
    end
    local target, wrong = targets.new(place)
    if not target then
        return nil, wrong, "invalidconfig"
    end
    local functions, made = pools.functions(target, options.check)
    for name, fn in pairs(functions) do
        rest[name] = fn
    end
    local pool, err, name = open_or_attach(rest)
    if not pool then
        return nil, err, name
    end
    return pools.adopt(pool, target, made)
end

-- A pool whose connections the user's own function makes.
local function open_dialer(options)
    local pool, err, name = open_or_attach(options)
    if not pool then
        return nil, err, name
    end
    return pools.adopt(pool, nil)
end

-- Opens a pool of this worker; or nil, what is wrong, the short name of the status.
-- Options are those of the library by their names (docs/options.md), name (needed),
-- and what to connect to: see docs/nginx.md.
function netconnpool.open(options)
    local ok, wrong = phase.check_open()
    if not ok then
        return nil, wrong, "state"
    end
    ok, wrong = check_name(options)
    if not ok then
        return nil, wrong, "invalidconfig"
    end
    local open = (options.dial or options.mode) and open_dialer or open_sockets
    local pool, err, name = open(options)
    if not pool then
        return nil, err, name
    end
    opened[options.name] = pool
    return pool
end

-- The pool of that name in this worker; or nil and what to do.
function netconnpool.pool(name)
    local pool = opened[name]
    if pool then
        return pool
    end
    return nil, ("there is no pool %s in this worker: open it in init_worker_by_lua*")
        :format(tostring(name)), "notfound"
end

-- The names of the pools of this worker, sorted.
function netconnpool.names()
    local names = {}
    for name in pairs(opened) do
        names[#names + 1] = name
    end
    table.sort(names)
    return names
end

-- A token that ends gets from outside (netconnpool.cancel).
netconnpool.cancel = cancels.new

-- A clock for tests, that stands still until it is moved (netconnpool.clock).
netconnpool.manual_clock = clocks.new

netconnpool.constants = constants

-- The text and the short name of a status.
function netconnpool.status_text(status)
    return ffi.string(C.ncp_status_text(status))
end

return netconnpool
