-- Pools of the pull driver: functions of Lua dial, check and close; the machine of
-- their host does the work.
--
-- SPDX-License-Identifier: BSD-3-Clause
local ffi = require("ffi")
local C = require("netconnpool.loader").lib
local config = require("netconnpool.config")
local connections = require("netconnpool.connection")
local constants = require("netconnpool.constants")
local errors = require("netconnpool.errors")
local leases = require("netconnpool.lease")
local pools = require("netconnpool.pool")
local sys = require("netconnpool.sys")
local work = require("netconnpool.work")

local tonumber, pairs = tonumber, pairs

local pull = {}

local OK = constants.NCP_OK
local EDIAL = constants.NCP_EDIAL
local EHOOK = constants.NCP_EHOOK
local ETIMEOUT = constants.NCP_ETIMEOUT
local ECLOSEHOOK = constants.NCP_ECLOSEHOOK
local EINVALIDCONN = constants.NCP_EINVALIDCONN
local EINVALIDCONFIG = constants.NCP_EINVALIDCONFIG
local DISCARD, HOOK = constants.NCP_FLAG_DISCARD, constants.NCP_FLAG_HOOK
local new_lease, ended = leases.new, leases.ended
local numbers_of = pools.numbers_of

local pool_out = ffi.new("ncp_pool *[1]")

-- --------------------------------------------------------------------- borrowing

-- The connection of a handle, which learns its id when it is first heard of.
function pull:known(handle, id)
    local connection = self.connections[handle]
    if connection then
        connection.id = id
    end
    return connection
end

-- The connection of an event. One that another Lua state made has no object here.
function pull:of_event(event)
    local handle = tonumber(event.handle)
    local connection = self.connections[handle]
    if not connection then
        connection = connections.new(self.machine.host, handle, nil, event.fd,
            event.protocol, event.ip)
        self.connections[handle] = connection
    end
    return connection
end

-- A lease on a connection.
function pull:lend(number, connection, id)
    connection.id = id
    if self.captures then
        connection.stack = pools.stack_of_borrower()
    end
    if self.machine.holds then
        self.machine.host:hold(self, number, 0)
    end
    local made = new_lease(self, number, connection)
    return made
end

function pull:borrow(protocol, ip, timeout_ms, tag, cancel)
    if self.losses.told < self.losses.count then
        self:tell_losses(self.functions.log)
    end
    local lease, err, name = self.machine:get(self, protocol, ip, timeout_ms, tag,
        cancel)
    return lease, err, name
end

-- ------------------------------------------------------------------- giving back

-- on_return of a connection that is fit: the flags of the release, and its error.
local function ask_on_return(self, number, connection)
    connection.in_hook = true
    local fine, err = work.call_hook(self.functions.on_return, connection)
    connection.in_hook = false
    if connection.lease ~= number then
        return 0 -- the function gave it back, or it was taken away meanwhile
    elseif not fine then
        return HOOK, err
    end
    return connection.unfit == 0 and 0 or DISCARD
end

-- What a put or discard answers: the status of the pool first, then what on_return
-- said, then what `close` said.
local function given_back(self, lease, status, refused, err, closes)
    local closed, close_err = true, nil
    if closes then
        closed, close_err = work.close_all(self, closes)
    end
    local connection = leases.is(lease) and leases.connection(lease)
    if connection and connection.taken == leases.number(lease)
        and status ~= EINVALIDCONN then
        closed, close_err = work.close_taken(self, connection)
    end
    if status ~= OK then
        return errors.result(status)
    elseif refused then
        return nil, err, errors.name(EHOOK)
    elseif not closed then
        return nil, close_err, errors.name(ECLOSEHOOK)
    end
    return true
end

-- Gives a connection back. It goes to the oldest in line, else becomes idle; one that
-- is not fit for the next borrower is closed.
function pull:put(lease)
    local number, connection = numbers_of(self, lease)
    local flags, err = 0, nil
    if connection then
        if connection.in_hook then -- it is being given back already
            return errors.result(EINVALIDCONN)
        end
        if connection.unfit ~= 0 then
            flags = DISCARD
        elseif self.functions.on_return and
            C.ncp_lease_keeps(self.lease_ptr, number) == 0 then
            flags, err = ask_on_return(self, number, connection)
        end
        if connection.lease == number then
            ended(lease, connection)
        end
        if self.attached then
            self.connections[connection.handle] = nil
        end
    end
    local status, closes = self.machine:release(self, number, flags)
    if connection and (self.watchers or self.left) then
        self:after_release()
        self:changed()
    end
    if connection and status == OK and flags == 0 and not closes then
        return true
    end
    return given_back(self, lease, status, flags == HOOK, err, closes)
end

-- Ends a lease by closing the connection.
function pull:discard(lease)
    local number, connection = numbers_of(self, lease)
    if connection then
        if connection.in_hook then
            return errors.result(EINVALIDCONN)
        end
        connection.lease = 0
    end
    local status, closes = self.machine:release(self, number, DISCARD)
    if connection then
        self:after_release()
    end
    self:changed()
    return given_back(self, lease, status, false, nil, closes)
end

-- ------------------------------------------------------------------------ waiting

-- Nothing can come out of the queue for it any more.
local function is_over(self)
    return self.tasks == 0 and next(self.connections) == nil and
        (self.ptr == nil or C.ncp_pool_is_closed(self.ptr) == 1)
end

-- Something happened that close_wait, drain or prewarm_wait may wait for.
function pull:changed()
    if is_over(self) then
        self.machine:remove(self)
    end
    local watchers = self.watchers
    if not watchers then
        return
    end
    self.watchers = nil
    for slot in pairs(watchers) do
        self.machine.host:post(slot)
    end
end

-- Waits until done(self): its answer, or false when the time passed.
local function wait_until(self, timeout_ms, done)
    local host = self.machine.host
    timeout_ms = timeout_ms or -1
    local begin = host:now()
    while not done(self) do
        local left = timeout_ms < 0 and -1 or begin + timeout_ms - host:now()
        if timeout_ms >= 0 and left <= 0 then
            return false
        end
        local slot = host:slot()
        self.watchers = self.watchers or {}
        self.watchers[slot] = true
        local posted, why = host:wait(slot, left)
        if self.watchers then
            self.watchers[slot] = nil
        end
        if posted == nil then
            return nil, why
        end
    end
    return true
end

local function nothing_out(self)
    return C.ncp_pool_active_count(self.ptr) == 0
end

-- close(), then waits until the last lease is back.
function pull:close_wait(timeout_ms)
    self:close()
    local ok, why = wait_until(self, timeout_ms, nothing_out)
    if ok == nil then
        return nil, why
    end
    return errors.checked(C.ncp_pool_close_wait(self.ptr, 0))
end

-- close_wait(), then close_now() for what is still out.
function pull:drain(timeout_ms)
    self:close()
    local ok, why = wait_until(self, timeout_ms, nothing_out)
    if ok == nil then
        return nil, why
    end
    local status = C.ncp_pool_drain(self.ptr, 0)
    local fine, close_err = self:act()
    if status == OK and not fine then
        return nil, close_err, errors.name(ECLOSEHOOK)
    end
    return errors.checked(status)
end

local function prewarmed(self)
    return C.ncp_pool_prewarm_wait(self.ptr, 0) ~= ETIMEOUT
end

-- Waits until pre-warming has ended.
function pull:prewarm_wait(timeout_ms)
    local ok, why = wait_until(self, timeout_ms, prewarmed)
    if ok == nil then
        return nil, why
    end
    local status = C.ncp_pool_prewarm_wait(self.ptr, 0)
    local last = status == EDIAL and errors.dial_error(self.ptr)
    if last and last.error ~= nil then
        return nil, last.error, errors.name(status)
    end
    return errors.checked(status)
end

-- ----------------------------------------------------------------------- steering

-- Does what a call left to do: true, or false and the error of a `close`.
function pull:act()
    local fine, err = true, nil
    local closes = self.machine:drain_for(self)
    self:changed()
    if closes then
        fine, err = work.close_all(self, closes)
        self:changed()
    end
    return fine, err
end

for _, name in ipairs({"close", "close_now", "flush", "suspend", "resume", "resize",
    "set", "detach", "close_lease"}) do
    local method = pools[name]
    pull[name] = function(self, a, b)
        local result, err, status = method(self, a, b)
        local fine, close_err = self:act()
        if result and not fine then
            return nil, close_err, errors.name(ECLOSEHOOK)
        end
        return result, err, status
    end
end

-- The clock was moved.
function pull:wake()
    self.machine:tick()
    return true
end

function pull:free()
    pools.free(self)
    self:act()
    return true
end

-- ------------------------------------------------------------------------- making

function pull.key_of(_, connection)
    return connection.handle
end

function pull:connection_of(row)
    return self.connections[row.handle]
end

pools.extend(pull)

-- The functions a pool may have, and what belongs to the binding.
pull.FUNCTIONS = {
    dial = true, accept = true, close = true, check = true, on_created = true,
    on_borrow = true, on_return = true, on_close = true, on_leak = true, log = true,
}

local function host_events(functions)
    local bits = constants.NCP_HOST_DUE
    if functions.on_borrow then
        bits = bits + constants.NCP_HOST_BORROW
    end
    if functions.on_leak then
        bits = bits + constants.NCP_HOST_LEAK
    end
    if functions.log then
        bits = bits + constants.NCP_HOST_LOG
    end
    return bits
end

-- The function that makes connections, or nil and what is missing.
local function dialer_of(machine, options)
    if options.mode == "server" or options.mode == constants.NCP_MODE_SERVER then
        if not options.listener_fd then
            return nil, "server mode needs a listener_fd"
        end
        return options.accept or work.accept
    end
    if not options.dial and not options.target then
        return nil, "client mode needs a target, or a function dial"
    elseif not options.dial and not machine.host.dials_blocking then
        return nil, "this host must not block: it needs a function dial"
    end
    return options.dial or work.dial_target
end

local function functions_of(options)
    local functions = {}
    for name in pairs(pull.FUNCTIONS) do
        functions[name] = options[name]
    end
    return functions
end

-- Options of the library that are the binding's to set, or to do.
local OURS = {driver = true, host_events = true, prewarm_blocking = true}

local function prepare(machine, options, own)
    local known = setmetatable({}, {__index = function(_, name)
        return own[name] or OURS[name]
    end})
    local handle, wrong = config.build(options, known)
    if not handle then
        return nil, wrong
    end
    local ok
    ok, wrong = config.set(handle, "driver", "pull")
    if ok then
        ok, wrong = config.set(handle, "host_events", host_events(options))
    end
    if not ok then
        return nil, wrong
    end
    C.ncp_config_set_queue(handle, machine.queue)
    if options.clock then
        options.clock:give(handle)
    end
    return handle
end

local function refused(wrong)
    return nil, wrong, errors.name(EINVALIDCONFIG)
end

local function new(machine, ptr, options, dial)
    local self = setmetatable({
        machine = machine,
        functions = functions_of(options),
        dial = dial,
        on_borrow = options.on_borrow,
        flags = machine.host.caller_dials and constants.NCP_FLAG_DIALS or 0,
        server = options.mode == "server" or options.mode == constants.NCP_MODE_SERVER,
        listener_fd = options.listener_fd,
        captures = options.capture_stacks == true,
        attached = false,
        -- ticket -> slot of the host; who vanished without a word is forgotten
        waiting = setmetatable({}, {__mode = "v"}),
        tasks = 0, -- dials, checks and closes that have not ended
        watchers = nil,
        left = nil,
    }, pull)
    return pools.init(self, ptr, options.name, true)
end

-- Makes a pool of a machine. `own` are the names in options that the library need not
-- know. Or nil, what is wrong, name.
function pull.open(machine, options, own)
    local handle, wrong = prepare(machine, options, own or pull.FUNCTIONS)
    if not handle then
        return refused(wrong)
    end
    local dial
    dial, wrong = dialer_of(machine, options)
    if not dial then
        return refused(wrong)
    end
    local ptr, status
    ptr, wrong, status = config.make(handle)
    if not ptr then
        return nil, wrong, errors.name(status)
    end
    local self = new(machine, ptr, options, dial)
    if dial == work.accept then
        sys.set_nonblocking(options.listener_fd)
    end
    if options.clock then
        options.clock:watch(self)
    end
    machine:add(self)
    if options.prewarm_blocking then
        self:prewarm_wait(-1)
    end
    return self
end

-- A living pull pool of this process by its name, made by another Lua state: its work
-- goes there. With a function `dial` gets of this machine dial themselves. Connections
-- that the other state made have no object here. Or nil, what is wrong, name.
function pull.attach(machine, name, options)
    local status = C.ncp_pool_find(name, pool_out)
    if status ~= OK then
        return errors.result(status)
    end
    local self = new(machine, pool_out[0], options, options.dial)
    self.name = name
    self.attached = true
    self.flags = options.dial and constants.NCP_FLAG_DIALS or 0
    machine:add(self)
    return self
end

return pull
