-- The pull machine: does the work that a pull pool hands out, on any host.
--
-- SPDX-License-Identifier: BSD-3-Clause
--
-- A pull pool never blocks, calls nothing back and starts no thread: it answers
-- with events. The machine turns these into gets that wait, dials, checks, closes
-- and hooks, and leaves to its host how anything waits. One machine serves any
-- number of pools of one host through one queue.
--
--
-- The host
-- --------
-- A host is a table with these methods. Times are milliseconds; below 0 is no
-- limit. "Task" is whatever can wait on this host: a coroutine, a light thread, or
-- the only thread there is.
--
--   host:start(machine)     Called once, by machine.new(); netconnpool.new() finds the
--                           machine of a host in host.machine. From now on the host
--                           calls machine:drain() soon after machine:queue_fd()
--                           became readable (or the byte of
--                           ncp_queue_listen_unix() came), from a place that need
--                           not be able to wait, and machine:tick() as asked for
--                           by host:arm().
--   host:arm(ms)            Call machine:tick() in `ms` at the latest; a later call
--                           replaces the earlier one; below 0 there is no need.
--                           tick() arms again by itself.
--   host:spawn(fn, ...)     Run fn(...) (at most six arguments) in a task of its
--                           own, now or soon. fn never throws.
--   host:slot()             Something to wait on, for one wait. The machine refers to it
--                           weakly, so that a task that was ended without a word is
--                           forgotten: a host keeps its tasks, or their slots, alive.
--   host:wait(slot, ms)     Let the calling task wait until the slot was posted
--                           (true; at once when it was posted before) or the time
--                           passed (false). `nil, message` when this task cannot
--                           wait or may not go on: the get is given up and the
--                           message is its error.
--   host:post(slot)         Ends the wait on the slot, now or later. Called at most
--                           once a slot, from anywhere, and never after wait()
--                           returned.
--   host:sleep(ms)          Let the calling task sleep.
--   host:now()              Milliseconds of a clock that does not go back.
--
-- and may have
--
--   host.caller_dials       true: the task that needs a connection dials it itself
--                           (NCP_FLAG_DIALS). Otherwise each dial is a task of its
--                           own: a connection that comes back may serve the caller
--                           first, and a dial outlives the caller that gave up.
--   host.dials_blocking     true: pools may have a target and no function `dial`; the
--                           library then dials, and blocks meanwhile
--                           (ncp_pool_dial_target).
--   host.spawns_closes      true: what a put, a close or a flush closes is closed in
--                           tasks of its own. Otherwise it is done by the task that
--                           called, which is told of the error ("closehook").
--   host:wait_fd(fd, write, ms)  Let the calling task wait until a descriptor is
--                           readable (or writable): true, or false when the time
--                           passed. Without it I/O of connections blocks in poll().
--   host:fd_closed(fd)      This descriptor is about to be closed: who waits for it
--                           is to be woken.
--   host:hold(pool, lease, ticket)  The calling task holds this lease (a number,
--                           0 none) or stands in line with this ticket (0 none).
--   host:drop(pool, lease, ticket)  It holds it no more. The two are for hosts that
--                           end tasks without a word: they keep an ncp_guard, which
--                           gives back what the task held. Called for every get and
--                           give_back, on the task that does it.
--
-- A host that keeps the machine alive has to stop it with machine:stop() when it
-- ends.
--
--
-- The functions of a pool
-- -----------------------
-- All run in a task (so they may wait), may throw anything, and may call the pool.
-- What they throw, or return after nil, is the error of the get or put that needed
-- them: the same value.
--
--   dial(request)           Returns what was made, any value but nil, and a table
--                           {fd =, protocol =, ip =} of which every field may be
--                           missing; or nil, an error and a number (an errno, say)
--                           that is shown with it. request has protocol
--                           ("tcp", "udp" or nil), ip ("ipv4", "ipv6" or nil),
--                           timeout_ms (until nobody waits for it), creation_ms
--                           (until connection_timeout ends), attempt (0, 1, ...),
--                           server (true: accept), handle (the number that the
--                           connection will have, never used again) and pool.
--   close(connection, reason)     Closes it; the default closes its fd.
--   check(connection, timeout_ms) Whether it is healthy; the default looks at the fd.
--   on_created(connection)  May refuse it: by throwing, or with false or nil and an
--                           error.
--   on_borrow(connection), on_return(connection)  Likewise; runs in the task of the
--                           get, of the put.
--   on_close(connection, reason), on_leak(connection, reason)  Are told.
--   log(level, text, conn_id)     Is told; level is a number of ncp_log_level.
--
-- `connection` is the record of the connection (netconnpool.connection): object,
-- fd, id, handle, protocol, ip, data (a table that is yours), and the read and write
-- helpers. reason is a text such as "idle_timeout".
--
--
-- The machine
-- -----------
--   machine.new(host)             A machine and its queue.
--   machine:open(options, own)    A pool (netconnpool.pull), or nil and an error.
--                                 options: those of the library by name, and the
--                                 functions above; own: a set of further names in
--                                 options (it has to have those of pull.FUNCTIONS).
--   machine:attach(name, options) A pool that another Lua state of this process made,
--                                 by its name: its tickets come to this machine, its
--                                 gets dial themselves. options: the functions.
--   machine:get(pool, protocol, ip, timeout_ms, tag, cancel)
--                                 A lease (netconnpool.lease), or nil, error, name of
--                                 the status. protocol and ip are numbers; timeout_ms
--                                 as ncp_pool_get_ex(); tag may be nil; cancel a
--                                 token of netconnpool.cancel or nil. May wait, but
--                                 never with timeout_ms 0.
--   machine:release(pool, number, flags)
--                                 Ends a lease: the status, and what is to be closed
--                                 by work.close_all(), or nil. pool:put() and
--                                 pool:discard() call it.
--   machine:drain()               Handles what is in the queue; how many events.
--   machine:tick()                Does what is due, drains, arms the host again.
--   machine:due_ms()              Milliseconds until tick() has something to do; -1
--                                 never.
--   machine:queue_fd(), machine.queue   The descriptor and the ncp_queue.
--   machine:stop()                Closes its pools and ends its queue.
local ffi = require("ffi")
local C = require("netconnpool.loader").lib
local constants = require("netconnpool.constants")
local errors = require("netconnpool.errors")
local pull = require("netconnpool.pull")
local work = require("netconnpool.work")

local tonumber, pairs, ipairs = tonumber, pairs, ipairs

local machine = {}
machine.__index = machine

local OK = constants.NCP_OK
local EAGAIN = constants.NCP_EAGAIN
local ECANCELED = constants.NCP_ECANCELED
local EHOOK = constants.NCP_EHOOK
local ETIMEOUT = constants.NCP_ETIMEOUT
local CONN = constants.NCP_EVENT_CONN
local DEFAULT = constants.NCP_TIMEOUT_DEFAULT
local EVENT_SIZE = ffi.sizeof("ncp_event")
local BATCH = 64

local queue_out = ffi.new("ncp_queue *[1]")
local option_out = ffi.new("int64_t[1]")

local function address(ptr)
    return tonumber(ffi.cast("intptr_t", ptr))
end

-- ---------------------------------------------------------------------- a machine

-- Or nil, text, name.
function machine.new(host)
    local status = C.ncp_queue_new(queue_out)
    if status ~= OK then
        return errors.result(status)
    end
    local self = setmetatable({
        host = host,
        queue = ffi.gc(queue_out[0], C.ncp_queue_free),
        holds = host.hold ~= nil,
        event = ffi.new("ncp_event"), -- the answer of an acquire, read at once
        status = ffi.new("int[1]"),
        batch = ffi.new("ncp_event[?]", BATCH),
        spare_events = {},
        spare_batches = {},
        pools = {}, -- by address: while anything can come out of the queue for them
        next_handle = 0,
    }, machine)
    -- machines of several Lua states may serve one pool: their handles differ
    self.next_handle = address(self.queue) / 64 % 2 ^ 20 * 2 ^ 32
    host:start(self)
    return self
end

function machine:queue_fd()
    return C.ncp_queue_fd(self.queue)
end

-- A pool; or nil, what is wrong, name. `own` are the names in options that are neither
-- options of the library nor functions of a pool.
function machine:open(options, own)
    return pull.open(self, options, own)
end

-- A pool that another Lua state made; options are functions only.
function machine:attach(name, options)
    return pull.attach(self, name, options or {})
end

-- A number for a connection that was not used before.
function machine:new_handle()
    self.next_handle = self.next_handle + 1
    return self.next_handle
end

-- An event of one's own, to be given back with spare().
function machine:take_event()
    local count = #self.spare_events
    local event = self.spare_events[count]
    self.spare_events[count] = nil
    return event or ffi.new("ncp_event")
end

function machine:spare(event)
    self.spare_events[#self.spare_events + 1] = event
end

-- ------------------------------------------------------------------------ getting

-- A get that was not answered at once: what is to be done next is told by `event`,
-- step by step. A step returns the status of the call that answered anew; or nil when
-- the get is over and get.lease or get.err, get.name say how.
local steps = {}

local function lend(pool, event)
    local number, handle = tonumber(event.lease), tonumber(event.handle)
    local connection = pool.connections[handle] or pool:of_event(event)
    -- no tail calls from here on: they would end a trace of the compiler
    local lease = pool:lend(number, connection, tonumber(event.conn_id))
    return lease
end

local function ended(get, err, name)
    get.err, get.name = err, name
    return nil
end

steps[CONN] = function(get)
    get.lease = lend(get.pool, get.event)
    return nil
end

-- How long the get may still take, in milliseconds; below 0 no limit.
local function limit_of(get)
    local limit = get.timeout
    if limit == DEFAULT then
        C.ncp_pool_option(get.pool.ptr, constants.NCP_OPTION_GET_TIMEOUT, option_out)
        limit = tonumber(option_out[0])
    end
    if limit < 0 then
        return -1
    end
    return math.max(0, get.begin + limit - get.machine.host:now())
end

-- Called by the token, from whoever fires it.
local function cancelled(get)
    get.cancelled = true
    get.machine:ready(get.pool, get.ticket)
end

-- Waits until the ticket is decided: what host:wait() said.
local function wait_in_line(get)
    local self, pool, cancel = get.machine, get.pool, get.cancel
    local slot = self.host:slot()
    pool.waiting[get.ticket] = slot
    self:drain() -- the dial that this get asked for
    if cancel and cancel.is_fired then
        get.cancelled = true
    elseif cancel then
        cancel.waiting[get] = cancelled
    end
    local posted, why = true, nil
    if not get.cancelled then
        posted, why = self.host:wait(slot, limit_of(get))
    end
    pool.waiting[get.ticket] = nil
    if cancel then
        cancel.waiting[get] = nil
    end
    return posted, why
end

local function give_up(get, status)
    C.ncp_ticket_abandon(get.pool.work_ptr, get.ticket, status)
    return status
end

local function result_of_wait(get, posted, why)
    local ptr = get.pool.work_ptr
    if posted == nil then
        give_up(get, ECANCELED)
        return ended(get, why, errors.name(ECANCELED))
    elseif get.cancelled then
        return give_up(get, ECANCELED)
    end
    local status = C.ncp_ticket_take(ptr, get.ticket, get.event)
    if status == EAGAIN and not posted then
        return give_up(get, ETIMEOUT)
    end
    return status
end

steps[constants.NCP_EVENT_PENDING] = function(get)
    local self, pool = get.machine, get.pool
    local status
    get.ticket = tonumber(get.event.ticket)
    self:hold(pool, 0, get.ticket)
    repeat
        status = result_of_wait(get, wait_in_line(get))
    until status ~= EAGAIN
    self:drop(pool, 0, get.ticket)
    self:drain() -- what an abandoned ticket left to do
    return status
end

-- With host.caller_dials.
steps[constants.NCP_EVENT_DIAL] = function(get)
    local pool, event = get.pool, get.event
    local reservation = tonumber(event.lease)
    local connection, err, status, code = work.make(pool, reservation,
        work.request_of(pool, event))
    if connection then
        return work.fulfil(pool, reservation, connection, event)
    end
    get.err, get.name = err, errors.name(status)
    status = work.fail(pool, reservation, status, err, code, event)
    if status == OK and event.type == constants.NCP_EVENT_DIAL then
        get.machine.host:sleep(tonumber(event.timeout_ms))
    end
    return status
end

steps[constants.NCP_EVENT_CHECK] = function(get)
    local pool, event = get.pool, get.event
    local number = tonumber(event.lease)
    local healthy = work.is_healthy(pool, pool.connections[tonumber(event.handle)],
        tonumber(event.timeout_ms))
    return C.ncp_pool_checked(pool.work_ptr, number, healthy and 1 or 0, event)
end

steps[constants.NCP_EVENT_BORROW] = function(get)
    local pool, event = get.pool, get.event
    local number = tonumber(event.lease)
    local fine, err = work.call_hook(pool.on_borrow,
        pool:known(tonumber(event.handle), tonumber(event.conn_id)))
    if not fine then
        get.refused = {err}
    end
    return C.ncp_pool_checked(pool.work_ptr, number, fine and 1 or 0, event)
end

-- The dial that failed was this caller's own.
steps[constants.NCP_EVENT_NONE] = function()
    return nil
end

local function failed(get, status)
    if status == EHOOK and get.refused then
        return ended(get, get.refused[1], errors.name(status))
    end
    local _
    _, get.err, get.name = errors.of_get(get.pool, status, tonumber(get.event.code))
    return nil
end

-- A get whose token was fired before it began.
local function refused(pool)
    local status = C.ncp_pool_refuse(pool.ptr, ECANCELED)
    return errors.of_get(pool, status == OK and ECANCELED or status, 0)
end

-- Goes on with an answer that was no connection. `status` is that of the acquire, whose
-- event is self.event.
function machine:go_on(pool, status, timeout_ms, cancel)
    if status ~= OK then
        return errors.of_get(pool, status, tonumber(self.event.code))
    end
    local event = self:take_event()
    ffi.copy(event, self.event, EVENT_SIZE)
    local get = {
        machine = self,
        pool = pool,
        event = event,
        timeout = timeout_ms,
        cancel = cancel,
        begin = self.host:now(),
    }
    while status == OK do
        status = steps[event.type](get)
        if status and status ~= OK then
            status = failed(get, status)
        end
    end
    self:spare(event)
    self:drain() -- what a check or a hook left to do
    if get.lease then
        return get.lease
    end
    return nil, get.err, get.name
end

-- A lease; or nil, error, name. `timeout_ms` may be NCP_TIMEOUT_DEFAULT.
function machine:get(pool, protocol, ip, timeout_ms, tag, cancel)
    if cancel and cancel.is_fired then
        return refused(pool)
    end
    local event = self.event
    local status = C.ncp_pool_acquire(pool.ptr, self.queue, protocol, ip, timeout_ms,
        tag or 0, pool.flags, event)
    if status == OK and event.type == CONN then
        local lease = lend(pool, event)
        return lease
    end
    return self:go_on(pool, status, timeout_ms, cancel)
end

-- Ends a lease: the status; and what is to be closed, for work.close_all(), or nil.
-- `flags` of ncp_pool_release().
function machine:release(pool, number, flags)
    local status = self.status
    local count = C.ncp_pool_release(pool.lease_ptr, number, flags, self.queue,
        self.batch, BATCH, status)
    local result = status[0]
    if self.holds then
        self.host:drop(pool, number, 0)
    end
    if count > 0 then
        return result, self:handle(count, pool)
    end
    return result
end

-- For hosts that end tasks without a word.
function machine:hold(pool, number, ticket)
    if self.holds then
        self.host:hold(pool, number, ticket)
    end
end

function machine:drop(pool, number, ticket)
    if self.holds then
        self.host:drop(pool, number, ticket)
    end
end

-- ---------------------------------------------------------------------- the queue

-- Somebody's ticket is decided.
function machine:ready(pool, ticket)
    local slot = pool.waiting[ticket]
    if slot then
        pool.waiting[ticket] = nil
        self.host:post(slot)
    end
end

local function dispatch(self, event, closes)
    local pool = self.pools[address(event.pool)]
    if event.type == constants.NCP_EVENT_DUE then
        self:arm()
    elseif pool and event.type == constants.NCP_EVENT_READY then
        self:ready(pool, tonumber(event.ticket))
    elseif pool and work[event.type] then
        work[event.type](pool, event, closes)
    end
end

-- Handles the first `count` events of the batch; what they start may come back here.
-- `closer` is the pool whose user called: its closes are not done, but returned.
function machine:handle(count, closer)
    local batch, spare = self.batch, self.spare_batches
    local closes = closer and not self.host.spawns_closes and {pool = closer} or nil
    self.batch = spare[#spare] or ffi.new("ncp_event[?]", BATCH)
    spare[#spare] = nil
    for i = 0, count - 1 do
        dispatch(self, batch[i], closes)
    end
    spare[#spare + 1] = batch
    if count == BATCH then
        self:drain()
    end
    return closes and closes[1] and closes or nil
end

function machine:drain()
    local handled = 0
    while C.ncp_queue_ready(self.queue) == 1 do
        local count = C.ncp_queue_poll(self.queue, self.batch, BATCH)
        if count <= 0 then
            break
        end
        handled = handled + count
        self:handle(count)
    end
    return handled
end

-- Handles what a call of a pool's user left: what is to be closed, or nil.
function machine:drain_for(pool)
    local all
    while C.ncp_queue_ready(self.queue) == 1 do
        local count = C.ncp_queue_poll(self.queue, self.batch, BATCH)
        if count <= 0 then
            break
        end
        local closes = self:handle(count, pool)
        for _, one in ipairs(closes or {}) do
            all = all or {}
            all[#all + 1] = one
        end
    end
    return all
end

-- Blocks in C until there are events or `ms` passed, handles them and does what is
-- due; for hosts without anything else to do.
function machine:pump(ms)
    local count = C.ncp_queue_wait(self.queue, self.batch, BATCH, ms)
    if count > 0 then
        self:handle(count)
    end
    self:tick()
end

-- --------------------------------------------------------------------------- time

-- Of pools that another Lua state made, that state keeps the time.
local function due_of(pool)
    if pool.attached then
        return -1
    end
    return tonumber(C.ncp_pool_next_due_ms(pool.ptr))
end

function machine:due_ms()
    local least = -1
    for _, pool in pairs(self.pools) do
        local due = due_of(pool)
        if due >= 0 and (least < 0 or due < least) then
            least = due
        end
    end
    return least
end

function machine:arm()
    self.host:arm(self:due_ms())
end

function machine:tick()
    for _, pool in pairs(self.pools) do
        if due_of(pool) == 0 then
            C.ncp_pool_work(pool.ptr)
        end
    end
    self:drain()
    self:arm()
end

-- -------------------------------------------------------------------------- pools

function machine:add(pool)
    self.pools[address(pool.ptr)] = pool
    self:tick()
end

function machine:remove(pool)
    for key, one in pairs(self.pools) do
        if one == pool then
            self.pools[key] = nil
        end
    end
end

-- Closes the pools, does what that leaves to do and gives the queue back. What is lent
-- should be back by then: what comes later is closed without its function `close`.
function machine:stop()
    local list = {}
    for _, pool in pairs(self.pools) do
        list[#list + 1] = pool
    end
    for _, pool in ipairs(list) do
        pool:close()
    end
    self:drain()
    self.host:arm(-1)
    C.ncp_queue_free(ffi.gc(self.queue, nil))
    self.queue = ffi.cast("ncp_queue *", nil)
end

return machine
