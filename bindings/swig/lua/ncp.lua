-- netconnpool for PUC Lua: the pool as objects with methods.
--
-- SPDX-License-Identifier: BSD-3-Clause
--
--     local ncp = require("ncp")
--     local queue = ncp.queue()
--     local pool = assert(ncp.pool{target = "tcp://127.0.0.1:7", driver = "pull",
--         queue = queue, max_connections = 4})
--     local event = assert(pool:acquire{flags = ncp.FLAG_DIALS})
--
-- The names are those of netconnpool.h: ncp_pool_close(pool) is pool:close(),
-- ncp_ticket_take(pool, ticket) is pool:ticket_take(ticket), NCP_EVENT_CONN is
-- ncp.EVENT_CONN, and a function of no object is ncp.target_check(). What C gives
-- through `out` is returned. What fails returns nil, a text, the short name of the
-- status ("timeout") and, when a dial or a hook failed, its code. Wrong arguments and
-- objects that were freed raise an error.
local core = require("ncp_core")

local ncp = {}

-- ------------------------------------------------------------------ names of the header

local methods = {} -- by the name of a class in C: "pool"

local function class_of(class)
    return getmetatable(class)[".instance"]
end

-- Only what is safe with any value: SWIG's __eq looks into foreign userdata.
local function seal(meta, name)
    meta[".fn"].__disown = nil -- an object owns what it stands for
    meta.__eq = nil
    meta.__close = meta.__gc -- local pool <close> = ...
    meta.__metatable = name
end

for name, class in pairs({pool = core.Pool, config = core.Config, queue = core.Queue,
        cancel = core.Cancel, guard = core.Guard, clock = core.Clock}) do
    local meta = class_of(class)
    methods[name] = meta[".fn"]
    seal(meta, name)
end
seal(class_of(core.Event), "event")
methods.lease, methods.ticket = methods.pool, methods.pool

local function add_function(name, value)
    local of, rest = name:match("^(%l+)_(.+)$")
    local class = methods[of]
    if not class then
        ncp[name] = value
    elseif class == methods.pool and of ~= "pool" then
        class[name] = value -- pool:lease_fd(lease)
    else
        class[rest] = value
    end
end

for name, value in pairs(core) do
    if name:find("^NCP_") then
        ncp[name:sub(5)] = value
    elseif name:find("^ncp_") then
        add_function(name:sub(5), value)
    end
end

-- ----------------------------------------------------------------------- configurations

local Config, Pool, Queue = methods.config, methods.pool, methods.queue
Config.new, Pool.new, Queue.new = nil, nil, nil
methods.cancel.new, methods.guard.new, methods.clock.new = nil, nil, nil

local set = Config.set

-- Sets an option by name: a text as the library reads it, a number (durations are
-- milliseconds) or a boolean; a queue for "queue", a clock for "clock".
function Config.set(config, name, value)
    if name == "queue" then
        return config:set_queue(value)
    elseif name == "clock" then
        return config:set_clock(value)
    end
    return set(config, name, tostring(value))
end

-- A configuration with the options of a table; or nil, what is wrong, name.
function ncp.config(options)
    options = options or {}
    local mode = options.mode == "server" and ncp.MODE_SERVER or ncp.MODE_CLIENT
    local config, err, name = core.ncp_config_new(mode)
    if not config then
        return nil, err, name
    end
    for option, value in pairs(options) do
        local fine
        fine, err, name = config:set(option, value)
        if not fine then
            return nil, err, name
        end
    end
    return config
end

-- ------------------------------------------------------------------------------ objects

ncp.queue = core.ncp_queue_new
ncp.cancel = core.ncp_cancel_new
ncp.guard = core.ncp_guard_new

-- A clock that stands still until clock:set(ns): an option for tests.
ncp.clock = core.ncp_clock_new

local living = setmetatable({}, {__mode = "v"}) -- pools by their key

-- Addresses are used again: the latest object is meant.
local function known(pool, ...)
    if pool then
        local key = pool:key()
        local old = living[key]
        if not (old and pcall(old.key, old)) then
            living[key] = pool
        end
    end
    return pool, ...
end

-- A pool of a configuration, or of a table of options; or nil, what is wrong, name.
function ncp.pool(options)
    if type(options) ~= "table" then
        return known(core.ncp_pool_new(options))
    end
    local config, err, name = ncp.config(options)
    if not config then
        return nil, err, name
    end
    return known(core.ncp_pool_new(config))
end

-- A living pool of this process by its name, which another Lua state may have made.
function ncp.find(name)
    return known(core.ncp_pool_find(name))
end

-- The pool of an event; nil when this state has no object of it.
function ncp.pool_of(event)
    return living[event.pool_key]
end

Pool.find, Pool.ref = nil, nil

-- -------------------------------------------------------------------------------- pools

local acquire, borrow, fulfil = Pool.acquire, Pool.borrow, Pool.fulfil
local fail, release = Pool.fail, Pool.release
local TIMEOUT_DEFAULT = ncp.TIMEOUT_DEFAULT
local EVENTS = 64

-- Asks for a connection: {queue =, protocol =, ip =, timeout_ms =, tag =, flags =}, each
-- of which may be missing. Answers with an event (driver pull).
function Pool.acquire(pool, options)
    local o = options or {}
    return acquire(pool, o.queue, o.protocol or 0, o.ip or 0,
        o.timeout_ms or TIMEOUT_DEFAULT, o.tag or 0, o.flags or 0)
end

-- Waits for a connection: {protocol =, ip =, timeout_ms =, cancel =, tag =}. Answers with
-- an event CONN (driver push).
function Pool.borrow(pool, options)
    local o = options or {}
    return borrow(pool, o.protocol or 0, o.ip or 0, o.timeout_ms or TIMEOUT_DEFAULT,
        o.cancel, o.tag or 0)
end

-- What a host made: a descriptor, or {handle =, fd =, protocol =, ip =}. The handle is
-- the descriptor when none is given; protocol and IP version are found out.
local function connection(made)
    if type(made) ~= "table" then
        made = {fd = made}
    end
    local fd = made.fd or -1
    local protocol, ip = made.protocol, made.ip
    if fd >= 0 and not (protocol and ip) then
        local found_protocol, found_ip = ncp.fd_detect(fd)
        protocol, ip = protocol or found_protocol, ip or found_ip
    end
    return made.handle or fd, fd, protocol or 0, ip or 0
end

-- The dial of a reservation succeeded.
function Pool.fulfil(pool, reservation, made)
    return fulfil(pool, reservation, connection(made))
end

local dialed = Pool.dialed

-- The dial of a reservation has ended, and a hook of the host goes on; then fulfil() or
-- fail(). Returns the id of the connection.
function Pool.dialed(pool, reservation, made)
    return dialed(pool, reservation, connection(made))
end

local renew = Pool.lease_renew

-- The holder replaced the connection by a new one.
function Pool.lease_renew(pool, lease, made)
    return renew(pool, lease, connection(made))
end

local function option_of(option)
    if type(option) == "string" then
        return ncp.option_find(option)
    end
    return option
end

local set_option, get_option = Pool.set, Pool.option

-- Changes an option of a living pool: a name or a number of the header, and a number.
function Pool.set(pool, option, value)
    local number, err, name = option_of(option)
    if not number then
        return nil, err, name
    end
    return set_option(pool, number, value)
end

-- The value that an option has in a pool.
function Pool.option(pool, option)
    local number, err, name = option_of(option)
    if not number then
        return nil, err, name
    end
    return get_option(pool, number)
end

-- The dial of a reservation failed.
function Pool.fail(pool, reservation, status, code, text)
    return fail(pool, reservation, status or ncp.EDIAL, code or 0, text)
end

-- Gives a connection back, and takes events out of a queue in the same call: {flags =,
-- queue =, max =}. Returns the events and, when the put itself failed, a text and a name.
function Pool.release(pool, lease, options)
    local o = options or {}
    return release(pool, lease, o.flags or 0, o.queue, o.max or EVENTS)
end

local dial_error = Pool.dial_error

-- The last failed dial: {code =, age_ms =, count =, text =}; or nil.
function Pool.dial_error(pool)
    local code, age_ms, count, text = dial_error(pool)
    return code and {code = code, age_ms = age_ms, count = count, text = text}
end

local abandon = Pool.ticket_abandon

-- Ends a wait in line; it counts as cancelled, or with ncp.ETIMEOUT as timed out.
function Pool.ticket_abandon(pool, ticket, status)
    return abandon(pool, ticket, status or ncp.ECANCELED)
end

-- ------------------------------------------------------------------------------- queues

local poll, wait = Queue.poll, Queue.wait

-- Events that are there.
function Queue.poll(queue, max)
    return poll(queue, max or EVENTS)
end

-- Events, once there is one or the time has passed (nil or below 0: no limit).
function Queue.wait(queue, timeout_ms, max)
    return wait(queue, max or EVENTS, timeout_ms or -1)
end

return ncp
