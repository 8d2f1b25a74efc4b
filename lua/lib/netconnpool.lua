-- netconnpool: a connection pool for LuaJIT programs.
--
-- SPDX-License-Identifier: BSD-3-Clause
--
--     local netconnpool = require("netconnpool")
--     local pool = assert(netconnpool.new({
--         target = "tcp://127.0.0.1:6379", max_connections = 8}))
--     local pong = assert(pool:with(function(conn)
--         assert(conn:send("PING\r\n"))
--         return conn:receive("*l")
--     end))
--
-- With a target alone the library dials, checks and closes on threads of its own
-- (push driver). With a function among the options (dial, close, check, on_created,
-- on_borrow, on_return, on_close, on_leak), or a host, Lua does that (pull driver). No
-- function of Lua is ever called from C.
local ffi = require("ffi")
local loader = require("netconnpool.loader")
local blocking = require("netconnpool.blocking")
local cancel = require("netconnpool.cancel")
local clock = require("netconnpool.clock")
local config = require("netconnpool.config")
local constants = require("netconnpool.constants")
local errors = require("netconnpool.errors")
local keeper = require("netconnpool.keeper")
local leases = require("netconnpool.lease")
local loop = require("netconnpool.loop")
local machines = require("netconnpool.machine")
local pull = require("netconnpool.pull")
local push = require("netconnpool.push")
local stats = require("netconnpool.stats")

local C = loader.lib

local netconnpool = {
    _VERSION = "0.1.0",
    library_version = loader.version,
    library_name = loader.name,
    constants = constants,
}

-- Names in the options that are the binding's own.
local OWN = {host = true, clock = true}
for name in pairs(pull.FUNCTIONS) do
    OWN[name] = true
end

-- ------------------------------------------------------------------------- machines

-- The machine of a host; one a host, which it keeps.
local function machine_of(host)
    local machine, err = rawget(host, "machine"), nil
    if not machine then
        machine, err = machines.new(host)
        host.machine = machine
    end
    return machine, err
end

-- Does what is due for pools with functions of Lua and without a host of their own:
-- closes what is too old, checks what is idle. For programs in which quiet times are
-- long; every get and put does it too. Waits for at most `ms` (default 0).
function netconnpool.work(ms)
    if blocking.machine then
        blocking.machine:pump(ms or 0)
    end
end

-- ---------------------------------------------------------------------------- pools

local function type_of(name)
    return pull.FUNCTIONS[name] and "function" or "table"
end

local function check_own(options)
    for name in pairs(OWN) do
        local value = options[name]
        if value ~= nil and type(value) ~= type_of(name) then
            return nil, ("option %s: a %s is needed, not a %s"):format(name,
                type_of(name), type(value))
        end
    end
    if options.clock and not clock.is(options.clock) then
        return nil, "option clock: netconnpool.manual_clock() makes one"
    end
    return true
end

-- Whether Lua has to do the work.
local function needs_pull(options)
    if options.host or options.driver == "pull" then
        return true
    end
    for name in pairs(pull.FUNCTIONS) do
        if name ~= "log" and options[name] then
            return true
        end
    end
    return false
end

-- A pool. Options are those of the library by name (durations in milliseconds, or
-- texts such as "30s"), the functions dial, accept, close, check, on_created,
-- on_borrow, on_return, on_close, on_leak and log, host (see netconnpool.machine) and
-- clock (netconnpool.manual_clock). Or nil, what is wrong, name.
function netconnpool.new(options)
    if type(options) ~= "table" then
        return nil, "a table of options is needed",
            errors.name(constants.NCP_EINVALIDCONFIG)
    end
    local fine, wrong = check_own(options)
    if not fine then
        return nil, wrong, errors.name(constants.NCP_EINVALIDCONFIG)
    end
    if not needs_pull(options) then
        return push.open(options, OWN)
    end
    if options.driver == "push" then
        return nil, "option driver: functions of Lua and hosts need the pull driver",
            errors.name(constants.NCP_EINVALIDCONFIG)
    end
    local machine, err = machine_of(options.host or blocking)
    if not machine then
        return nil, err
    end
    return machine:open(options, OWN)
end

-- A living pool of this process by its name; another Lua state, on another thread, may
-- have made it. Or nil, error, name. Pools with functions of Lua belong to their state.
function netconnpool.find(name)
    return push.find(name)
end

-- -------------------------------------------------------------------------- helpers

-- A token that ends the gets which carry it.
netconnpool.cancel = cancel.new

-- A clock that stands still until it is moved.
netconnpool.manual_clock = clock.new

-- A scheduler of coroutines, to be given as `host`.
netconnpool.loop = loop.new

-- Whether a value is a lease.
netconnpool.is_lease = leases.is

-- Every option: {name =, type =, unit =, help =, runtime =, default =, min =, max =}.
netconnpool.options = config.options

-- Every counter: {name =, unit =, help =, kind =}.
netconnpool.counters = stats.counters

-- Finds lost leases now, in place of when the collector gets to it.
netconnpool.collect = keeper.collect

local reason = ffi.new("char[256]")
local fd_out = ffi.new("int[1]")

local protocol_out, ip_out = ffi.new("int[1]"), ffi.new("int[1]")

-- What a descriptor is: "TCP", "UDP" or "Unknown", and "IPv4", "IPv6" or "Unknown".
function netconnpool.fd_detect(fd)
    local status = C.ncp_fd_detect(fd, protocol_out, ip_out)
    if status ~= constants.NCP_OK then
        return errors.result(status)
    end
    return ffi.string(C.ncp_protocol_text(protocol_out[0])),
        ffi.string(C.ncp_ip_text(ip_out[0]))
end

-- Whether the connection of a descriptor is alive; consumes nothing, never waits.
function netconnpool.fd_alive(fd)
    return C.ncp_fd_alive(fd) == 1
end

-- Whether a datagram waits in a UDP socket; consumes nothing.
function netconnpool.udp_has_data(fd)
    return C.ncp_udp_has_data(fd) == 1
end

-- Drops the datagrams that wait in a UDP socket, for at most `ms` milliseconds and at
-- most `max` of them (0: 100 each): how many; or nil, error, "again" when some are left.
function netconnpool.udp_drain(fd, ms, max)
    local status = C.ncp_udp_drain(fd, ms or 0, max or 0, fd_out)
    if status ~= constants.NCP_OK then
        return errors.result(status)
    end
    return fd_out[0]
end

-- Whether a target can be dialed: true; or nil and what is wrong.
function netconnpool.check_target(target)
    local status = C.ncp_target_check(target, reason, 256)
    if status == constants.NCP_OK then
        return true
    end
    return nil, ffi.string(reason), errors.name(status)
end

-- A listening socket for a pool in server mode (listener_fd): "tcp://127.0.0.1:0" or
-- "unix:path". It is yours to close.
function netconnpool.listen(target, backlog)
    local status = C.ncp_listen(target, backlog or 128, fd_out)
    if status ~= constants.NCP_OK then
        return errors.result(status)
    end
    return fd_out[0]
end

return netconnpool
