-- The work that a pull pool hands out: dials, checks, closes, and what it tells.
--
-- SPDX-License-Identifier: BSD-3-Clause
--
-- Each kind of event has a function here, by its number. They are called where waiting
-- is not possible and start tasks of the host.
local ffi = require("ffi")
local C = require("netconnpool.loader").lib
local connections = require("netconnpool.connection")
local constants = require("netconnpool.constants")
local errors = require("netconnpool.errors")
local sys = require("netconnpool.sys")

local ipairs, pcall, tonumber, tostring, type = ipairs, pcall, tonumber, tostring, type

local work = {}

local OK = constants.NCP_OK
local ECLOSED = constants.NCP_ECLOSED
local EDIAL = constants.NCP_EDIAL
local EHOOK = constants.NCP_EHOOK
local EINVALIDCONN = constants.NCP_EINVALIDCONN
local DIAL = constants.NCP_EVENT_DIAL
local TEXT_SIZE = 160
local LINE_SIZE = 1024
local ACCEPT_SLICE_MS = 100 -- how soon an accept notices that the pool was closed
local TIMED_OUT = "the dial took longer than connection_timeout"

local code_out = ffi.new("int64_t[1]")
local fd_out = ffi.new("int[1]")
local protocol_out = ffi.new("int[1]")
local ip_out = ffi.new("int[1]")
local text_out = ffi.new("char[?]", TEXT_SIZE)
local level_out = ffi.new("int[1]")
local id_out = ffi.new("uint64_t[1]")
local line_out = ffi.new("char[?]", LINE_SIZE)

-- -------------------------------------------------------------------------- hooks

-- Whether a function of the user was content: true; or false and its error. No
-- function is content.
function work.call_hook(fn, connection, argument)
    if not fn then
        return true
    end
    local ok, answer, err = pcall(fn, connection, argument)
    if not ok then
        return false, answer
    elseif answer == false or (answer == nil and err ~= nil) then
        return false, err
    end
    return true
end

-- A connection that never was the pool's, or is not any more.
local function close_connection(pool, connection, reason)
    local fine, err = true, nil
    if pool.functions.close then
        fine, err = work.call_hook(pool.functions.close, connection, reason)
        connection:forget()
    else
        connection:close_fd()
    end
    return fine, err
end

work.close_connection = close_connection

-- ------------------------------------------------------------------------- dialing

local PROTOCOLS = {
    [constants.NCP_PROTOCOL_TCP] = "tcp",
    [constants.NCP_PROTOCOL_UDP] = "udp",
}
local IPS = {[constants.NCP_IP_V4] = "ipv4", [constants.NCP_IP_V6] = "ipv6"}

-- What the function `dial` is told.
function work.request_of(pool, event)
    return {
        pool = pool,
        protocol = PROTOCOLS[event.protocol],
        ip = IPS[event.ip],
        timeout_ms = tonumber(event.timeout_ms),
        creation_ms = tonumber(event.creation_ms),
        attempt = event.reason,
        server = pool.server,
        handle = pool.machine:new_handle(),
    }
end

-- With the option target, when there is no function `dial`: blocks.
function work.dial_target(request)
    local status = C.ncp_pool_dial_target(request.pool.work_ptr,
        request.pool.protocol_of(request.protocol), request.pool.ip_of(request.ip),
        request.creation_ms, code_out, text_out, TEXT_SIZE, fd_out)
    if status ~= OK then
        local text = ffi.string(text_out)
        return nil, text ~= "" and text or errors.text(status)
    end
    return fd_out[0], {fd = fd_out[0]}
end

local function poll_fd(_, fd, write, ms)
    return sys.poll_one(fd, write, ms)
end

-- In server mode, when there is no function `accept`.
function work.accept(request)
    local pool = request.pool
    local host, listener = pool.machine.host, pool.listener_fd
    local limit = request.creation_ms < 0 and math.huge or request.creation_ms
    local deadline = host:now() + limit
    while true do
        local fd, why = sys.accept(listener)
        if fd then
            return fd, {fd = fd}
        elseif why ~= sys.AGAIN then
            return nil, why
        end
        local left = deadline - host:now()
        if left <= 0 or pool:is_closed() then
            return nil, "nobody connected in time"
        end
        local wait = host.wait_fd or poll_fd
        wait(host, listener, false, math.min(left, ACCEPT_SLICE_MS))
    end
end

-- Protocol and IP version as numbers, found out when they were not told.
local function kind_of(pool, about, fd)
    if fd >= 0 and about.protocol == nil and about.ip == nil then
        C.ncp_fd_detect(fd, protocol_out, ip_out)
        return protocol_out[0], ip_out[0]
    end
    return pool.protocol_of(about.protocol), pool.ip_of(about.ip)
end

-- Calls the user's function: a connection; or nil, error, status, the user's code.
local function dialed(pool, request)
    local ok, object, about, code = pcall(pool.dial, request)
    if not ok then
        local thrown_code = type(object) == "table" and object.code or nil
        return nil, object, EDIAL, tonumber(thrown_code)
    elseif object == nil then
        if about == nil then
            return nil, errors.text(EINVALIDCONN), EINVALIDCONN
        end
        return nil, about, EDIAL, tonumber(code)
    end
    about = type(about) == "table" and about or {}
    local fd = about.fd or -1
    local protocol, ip = kind_of(pool, about, fd)
    return connections.new(pool.machine.host, request.handle, object, fd, protocol, ip)
end

-- Asks on_created, in which the time of the dial does not count any more: the
-- connection; or nil, error, status.
local function created(pool, reservation, connection)
    local hook = pool.functions.on_created
    if not hook then
        return connection
    end
    C.ncp_pool_dialed(pool.work_ptr, reservation, connection.handle, connection.fd,
        connection.protocol, connection.ip, id_out)
    connection.id = tonumber(id_out[0])
    local fine, err = work.call_hook(hook, connection)
    if fine then
        return connection
    end
    close_connection(pool, connection, "hook")
    return nil, err, EHOOK
end

-- Dials and asks on_created, in the task that calls: a connection; or nil, error,
-- status, code.
function work.make(pool, reservation, request)
    local connection, err, status, code = dialed(pool, request)
    if not connection then
        return nil, err, status, code
    end
    connection, err, status = created(pool, reservation, connection)
    return connection, err, status
end

-- Hands a connection over: the status; `event` is the answer.
function work.fulfil(pool, reservation, connection, event)
    local handle = connection.handle
    pool.connections[handle] = connection
    local status = C.ncp_pool_fulfil(pool.work_ptr, reservation, handle,
        connection.fd, connection.protocol, connection.ip, event)
    if status == EINVALIDCONN then -- it stayed ours
        pool.connections[handle] = nil
        close_connection(pool, connection, "pool_closed")
        return ECLOSED
    end
    return status
end

-- Tells that a dial failed: the status; `event` is the answer.
function work.fail(pool, reservation, status, err, code, event)
    local text = tostring(err)
    if code then
        text = ("%s (%d)"):format(text, code)
    end
    return C.ncp_pool_fail(pool.work_ptr, reservation, status, errors.keep(err, code),
        text, event)
end

-- Starts a task of the pool, which counts as something that has not ended yet.
local function start(pool, fn, a, b, c)
    pool.tasks = pool.tasks + 1
    pool.machine.host:spawn(fn, pool, a, b, c)
end

local function task_ended(pool)
    pool.tasks = pool.tasks - 1
    pool:changed()
end

-- A dial as a task of its own, so that the time limit is kept even if the user's
-- function does not keep it: what comes too late is closed.
local function dial_for(job)
    local pool = job.pool
    local connection, err, status, code = dialed(pool, job.request)
    if not job.late then
        job.connection, job.err, job.status, job.code = connection, err, status, code
        pool.machine.host:post(job.slot)
    elseif connection then
        close_connection(pool, connection, "pool_closed")
    end
end

local function dialed_in_time(pool, request)
    local host = pool.machine.host
    local job = {pool = pool, request = request, slot = host:slot()}
    host:spawn(dial_for, job)
    if host:wait(job.slot, request.creation_ms) then
        return job.connection, job.err, job.status, job.code
    end
    job.late = true
    return nil, TIMED_OUT, EDIAL
end

-- Nobody wants it any more.
local function is_needless(pool, reservation, event)
    if C.ncp_pool_is_closed(pool.work_ptr) ~= 1 then
        return false
    end
    C.ncp_pool_fail(pool.work_ptr, reservation, constants.NCP_ECANCELED, 0, nil, event)
    return true
end

local function dial_task(pool, reservation, request)
    local self = pool.machine
    local event = self:take_event()
    local again
    repeat
        again = false
        if is_needless(pool, reservation, event) then
            break
        end
        local connection, err, status, code = dialed_in_time(pool, request)
        if connection then
            connection, err, status = created(pool, reservation, connection)
        end
        if connection then
            work.fulfil(pool, reservation, connection, event)
        elseif work.fail(pool, reservation, status, err, code, event) == OK
            and event.type == DIAL then
            again = true
            reservation, request = tonumber(event.lease), work.request_of(pool, event)
            self.host:sleep(request.timeout_ms) -- the pause before this attempt
        end
    until not again
    self:spare(event)
    self:drain()
    task_ended(pool)
end

work[DIAL] = function(pool, event)
    start(pool, dial_task, tonumber(event.lease), work.request_of(pool, event))
end

-- ------------------------------------------------------------------------- checking

-- Whether a connection is healthy, by the user's function or by its descriptor.
function work.is_healthy(pool, connection, timeout_ms)
    local check = pool.functions.check
    if check then
        local ok, healthy = pcall(check, connection, timeout_ms)
        return ok and healthy and true or false
    end
    return connection.fd < 0 or C.ncp_fd_alive(connection.fd) == 1
end

local function check_task(pool, number, connection, timeout_ms)
    local self = pool.machine
    local healthy = work.is_healthy(pool, connection, timeout_ms)
    local event = self:take_event()
    C.ncp_pool_checked(pool.work_ptr, number, healthy and 1 or 0, event)
    self:spare(event)
    self:drain()
    task_ended(pool)
end

work[constants.NCP_EVENT_CHECK] = function(pool, event)
    start(pool, check_task, tonumber(event.lease),
        pool:known(tonumber(event.handle), tonumber(event.conn_id)),
        tonumber(event.timeout_ms))
end

-- -------------------------------------------------------------------------- closing

local function reason_of(event)
    return ffi.string(C.ncp_reason_text(event.reason))
end

-- A failure that no caller is told of.
local function log_failure(pool, what, connection, err)
    local log = pool.functions.log
    if log and pool:option("log_level") >= constants.NCP_LOG_WARN then
        pcall(log, constants.NCP_LOG_WARN, ("event=hook_failed hook=%s error=%q"):format(
            what, tostring(err)):gsub("\\?\n", " "), connection.id)
    end
end

-- Closes what the pool let go: true, or false and the error of the function `close`.
function work.close(pool, connection, reason)
    local fine, err = work.call_hook(pool.functions.on_close, connection, reason)
    if not fine then
        log_failure(pool, "on_close", connection, err)
    end
    if connection.lease ~= 0 and connection.fd >= 0 then
        connection:take_away()
        return true
    end
    connection.lease = 0
    pool.connections[connection.handle] = nil
    return close_connection(pool, connection, reason)
end

-- The holder gave back what had been taken away: the rest of the close.
function work.close_taken(pool, connection)
    connection.taken = 0
    pool.connections[connection.handle] = nil
    return close_connection(pool, connection, "leaked")
end

local function close_task(pool, connection, reason)
    local fine, err = work.close(pool, connection, reason)
    if not fine then
        log_failure(pool, "close", connection, err)
    end
    task_ended(pool)
end

-- What a call of the user closes is closed in its task, after the others were served:
-- `closes` collects it. Otherwise each close is a task of its own.
work[constants.NCP_EVENT_CLOSE] = function(pool, event, closes)
    local connection = pool:known(tonumber(event.handle), tonumber(event.conn_id))
    if not connection then
        return
    end
    local functions = pool.functions
    if not functions.on_close and not functions.close then
        work.close(pool, connection, nil)
        pool:changed()
    elseif closes and closes.pool == pool then
        closes[#closes + 1] = {connection, reason_of(event)}
    else
        start(pool, close_task, connection, reason_of(event))
    end
end

-- Does what was collected: true, or false and the first error.
function work.close_all(pool, closes)
    local all_fine, first = true, nil
    for _, one in ipairs(closes) do
        local fine, err = work.close(pool, one[1], one[2])
        if not fine and all_fine then
            all_fine, first = false, err
        end
    end
    return all_fine, first
end

-- -------------------------------------------------------------------------- telling

work[constants.NCP_EVENT_LEAK] = function(pool, event)
    local connection = pool:known(tonumber(event.handle), tonumber(event.conn_id))
    if connection then
        pool.machine.host:spawn(work.call_hook, pool.functions.on_leak, connection,
            reason_of(event))
    end
end

-- What the function `log` does may be logged as well: that is for the next event.
work[constants.NCP_EVENT_LOG] = function(pool)
    local lines = {}
    while C.ncp_pool_log_next(pool.work_ptr, level_out, id_out, line_out,
            LINE_SIZE) > 0 do
        lines[#lines + 1] = {level_out[0], ffi.string(line_out), tonumber(id_out[0])}
    end
    for _, line in ipairs(lines) do
        pool.machine.host:spawn(pcall, pool.functions.log, line[1], line[2], line[3])
    end
end

return work
