-- What every pool can do, whoever dials for it.
--
-- SPDX-License-Identifier: BSD-3-Clause
--
-- A method that fails returns nil, an error and the short name of the status.
local debug = require("debug")
local ffi = require("ffi")
local C = require("netconnpool.loader").lib
local config = require("netconnpool.config")
local connections = require("netconnpool.connection")
local constants = require("netconnpool.constants")
local errors = require("netconnpool.errors")
local keeper = require("netconnpool.keeper")
local leases = require("netconnpool.lease")
local stats = require("netconnpool.stats")

local pairs, tonumber, type = pairs, tonumber, type

local pool = {}

local OK = constants.NCP_OK
local INVALID = constants.NCP_EINVALIDCONN
local DEFAULT = constants.NCP_TIMEOUT_DEFAULT
local ANY = 0
local TCP, UDP = constants.NCP_PROTOCOL_TCP, constants.NCP_PROTOCOL_UDP
local IPV4, IPV6 = constants.NCP_IP_V4, constants.NCP_IP_V6
local MOST_MS = 2 ^ 52 -- longer than that is for ever

local handle_out = ffi.new("uint64_t[1]")
local number_out = ffi.new("int64_t[1]")
local size_out = ffi.new("size_t[1]")

-- What a timeout means: nil is the option get_timeout, below 0 no limit, 0 try.
local function timeout_of(ms)
    if ms == nil then
        return DEFAULT
    elseif ms > MOST_MS then
        return -1
    end
    return ms
end

local function protocol_of(name)
    if type(name) == "string" then
        return C.ncp_protocol_parse(name)
    end
    return name or ANY
end

local function ip_of(name)
    if type(name) == "string" then
        return C.ncp_ip_parse(name)
    end
    return name or ANY
end

pool.protocol_of, pool.ip_of = protocol_of, ip_of

-- --------------------------------------------------------------------- borrowing

-- The pools have borrow(protocol, ip, timeout, tag, cancel): a lease.

local function get_with(self, wanted)
    return self:borrow(protocol_of(wanted.protocol), ip_of(wanted.ip),
        timeout_of(wanted.timeout_ms), wanted.tag, wanted.cancel)
end

-- Borrows a connection: an idle one, else a new one, else waits in line. The limit is
-- in milliseconds (nil: the option get_timeout; 0: an idle one or none; below 0: no
-- limit); or a table {timeout_ms =, protocol =, ip =, tag =, cancel =}.
function pool:get(timeout_ms)
    if type(timeout_ms) == "table" then
        return get_with(self, timeout_ms)
    end
    local lease, err, name = self:borrow(ANY, ANY, timeout_of(timeout_ms), nil, nil)
    return lease, err, name -- no tail calls: they would end a trace of the compiler
end

-- Borrows an idle connection or none; never waits.
function pool:try()
    local lease, err, name = self:borrow(ANY, ANY, 0, nil, nil)
    return lease, err, name
end

function pool:tcp(timeout_ms)
    local lease, err, name = self:borrow(TCP, ANY, timeout_of(timeout_ms), nil, nil)
    return lease, err, name
end

function pool:udp(timeout_ms)
    local lease, err, name = self:borrow(UDP, ANY, timeout_of(timeout_ms), nil, nil)
    return lease, err, name
end

function pool:ipv4(timeout_ms)
    local lease, err, name = self:borrow(ANY, IPV4, timeout_of(timeout_ms), nil, nil)
    return lease, err, name
end

function pool:ipv6(timeout_ms)
    local lease, err, name = self:borrow(ANY, IPV6, timeout_of(timeout_ms), nil, nil)
    return lease, err, name
end

local function given_back(self, lease, ok, ...)
    if ok then
        if lease:is_out() then
            local put, err, name = self:put(lease)
            if not put then
                return nil, err, name
            end
        end
        return ...
    end
    if lease:is_out() then
        self:discard(lease)
    end
    error((...), 0)
end

-- Calls fn(lease) and gives the connection back: put when fn returns, discarded when
-- it throws (the same value is thrown on). Returns what fn returns.
function pool:with(fn, timeout_ms)
    local lease, err, name = self:get(timeout_ms)
    if not lease then
        return nil, err, name
    end
    return given_back(self, lease, pcall(fn, lease))
end

-- Where a connection is borrowed, one call a line; without the calls in here.
function pool.stack_of_borrower()
    local lines = {}
    for line in debug.traceback("", 2):gmatch("[^\n]+") do
        if line:find(":%d") and not line:find("netconnpool/%l+%.lua:") then
            lines[#lines + 1] = line:match("^%s*(.*)$")
        end
    end
    return table.concat(lines, "\n")
end

-- ------------------------------------------------------------------- giving back

local function connection_with(self, number)
    for _, connection in pairs(self.connections) do
        if connection.lease == number then
            return connection
        end
    end
    return nil
end

-- Number and connection of what is to be given back; a number stands for itself.
-- The connection is nil when it is not out under that number, or not from this pool.
local function numbers_of(self, lease)
    if leases.is(lease) then
        local owner, number, connection = leases.parts(lease)
        if connection.lease ~= number or owner ~= self then
            connection = nil
        end
        return number, connection
    elseif type(lease) == "number" and lease > 0 then
        return lease, connection_with(self, lease)
    end
    return 0, nil
end

pool.numbers_of = numbers_of

-- Takes a connection out of the pool for good: the connection
-- (netconnpool.connection), which is yours to close.
function pool:detach(lease)
    local number, connection = numbers_of(self, lease)
    local status = C.ncp_pool_detach(self.lease_ptr, number, handle_out)
    if status ~= OK then
        return errors.result(status)
    end
    connection = connection or self.connections[tonumber(handle_out[0])]
    connection.lease = 0
    self.connections[self:key_of(connection)] = nil
    self:after_release()
    return connection
end

-- The holder closes the connection itself, now; a put that follows does nothing.
function pool:close_lease(lease)
    local number, connection = numbers_of(self, lease)
    local status = C.ncp_lease_close(self.lease_ptr, number)
    if connection and status ~= INVALID then
        connection.lease = 0
    end
    self:after_release()
    return errors.checked(status)
end

function pool:renew(number, connection, object, about)
    about = about or {}
    local fd = about.fd or -1
    local protocol, ip = protocol_of(about.protocol), ip_of(about.ip)
    local status = C.ncp_lease_renew(self.lease_ptr, number, connection.handle, fd,
        protocol, ip)
    if status ~= OK then
        return errors.result(status)
    end
    connection.object, connection.fd = object, fd
    connection.protocol, connection.ip = protocol, ip
    connection:is_new()
    return true
end

-- ---------------------------------------------------------------------- steering

-- Stops lending: what is idle is closed, everybody in line is told "closed". What is
-- lent stays usable and is closed when it comes back.
function pool:close()
    return errors.checked(C.ncp_pool_close(self.ptr))
end

-- Also closes what is lent, under its borrowers.
function pool:close_now()
    return errors.checked(C.ncp_pool_close_now(self.ptr))
end

-- Closes softly: what is idle now, what is lent when it comes back.
function pool:flush()
    return errors.checked(C.ncp_pool_flush(self.ptr))
end

-- Gets wait in line, even with idle connections, until resume().
function pool:suspend()
    return errors.checked(C.ncp_pool_suspend(self.ptr))
end

function pool:resume()
    return errors.checked(C.ncp_pool_resume(self.ptr))
end

-- Changes max_connections; 0 is unlimited.
function pool:resize(max_connections)
    return errors.checked(C.ncp_pool_resize(self.ptr, max_connections))
end

local function option_of(name)
    local option = config.option(name)
    if not option then
        return errors.result(constants.NCP_ENOTFOUND)
    end
    return option
end

-- Changes an option of the living pool; numbers, or true and false.
function pool:set(name, value)
    local option, err, status = option_of(name)
    if not option then
        return nil, err, status
    end
    if type(value) == "boolean" then
        value = value and 1 or 0
    end
    return errors.checked(C.ncp_pool_set(self.ptr, option, value))
end

-- The value of a numeric option, corrections included.
function pool:option(name)
    local option, err, status = option_of(name)
    if not option then
        return nil, err, status
    end
    local rc = C.ncp_pool_option(self.ptr, option, number_out)
    if rc ~= OK then
        return errors.result(rc)
    end
    return tonumber(number_out[0])
end

-- Makes every wait read the clock again; for pools with a clock of their own.
function pool:wake()
    return errors.checked(C.ncp_pool_wake(self.ptr))
end

-- ----------------------------------------------------------------------- looking

function pool:is_closed()
    return C.ncp_pool_is_closed(self.ptr) ~= 0
end

function pool:active_count()
    return C.ncp_pool_active_count(self.ptr)
end

function pool:idle_count()
    return C.ncp_pool_idle_count(self.ptr)
end

function pool:waiting_count()
    return C.ncp_pool_waiting_count(self.ptr)
end

function pool:dialing_count()
    return C.ncp_pool_dialing_count(self.ptr)
end

-- The counters by name, and `lost`: leases that this Lua state lost and that were
-- given back for it.
function pool:stats()
    local snapshot, err, name = stats.read(self.ptr)
    if snapshot then
        snapshot.lost = self.losses.count
    end
    return snapshot, err, name
end

-- A text for humans.
function pool:describe()
    local size = C.ncp_pool_describe(self.ptr, nil, 0)
    if size < 0 then
        return errors.result(size)
    end
    local text
    repeat -- it may have grown
        local room = size + 64
        local buffer = ffi.new("char[?]", room)
        size = C.ncp_pool_describe(self.ptr, buffer, room)
        text = ffi.string(buffer)
    until size < room
    return text
end

-- The last failed dial: {text =, code =, age_ms =, count =, error =}; nil when no dial
-- failed since the last success. error is the value that the function `dial` threw or
-- returned, and code what it said besides.
function pool:dial_error()
    local last = errors.dial_error(self.ptr)
    if not last then
        return errors.result(constants.NCP_ENOTFOUND)
    end
    return last
end

local INFOS = {
    id = constants.NCP_INFO_ID,
    handle = constants.NCP_INFO_HANDLE,
    tag = constants.NCP_INFO_TAG,
    protocol = constants.NCP_INFO_PROTOCOL,
    ip = constants.NCP_INFO_IP,
}

local function lease_row(ptr, lease)
    local row = {lease = tonumber(lease)}
    for name, which in pairs(INFOS) do
        if C.ncp_lease_info(ptr, lease, which, handle_out) ~= OK then
            return nil -- given back meanwhile
        end
        row[name] = tonumber(handle_out[0])
    end
    C.ncp_lease_info(ptr, lease, constants.NCP_INFO_BORROWED_NS, handle_out)
    row.borrowed_ms = tonumber(handle_out[0]) / 1e6
    return row
end

-- What is lent, oldest first: {lease =, id =, handle =, tag =, protocol =, ip =,
-- borrowed_ms =, stack =}; stack with the option capture_stacks.
function pool:leases()
    local status = C.ncp_pool_leases(self.ptr, nil, 0, size_out)
    if status ~= OK then
        return errors.result(status)
    end
    local room = tonumber(size_out[0]) + 8
    local numbers = ffi.new("ncp_lease[?]", room)
    C.ncp_pool_leases(self.ptr, numbers, room, size_out)
    local list = {}
    for i = 0, math.min(room, tonumber(size_out[0])) - 1 do
        local row = lease_row(self.ptr, numbers[i])
        if row then
            local connection = self:connection_of(row)
            row.stack = connection and connection.stack
            list[#list + 1] = row
        end
    end
    return list
end

-- ---------------------------------------------------------------- the end of it

-- Gives the reference on the pool back: with the last one the pool is closed. Leases
-- that are out can be given back after it; nothing else is possible any more.
function pool:free()
    if self.ptr == nil then
        return true
    end
    local ptr = self.ptr
    self.left = C.ncp_pool_active_count(ptr)
    self.ptr = ffi.cast("ncp_pool *", nil)
    if self.left == 0 then
        self.lease_ptr = self.ptr
    end
    keeper.freed(self.holding)
    C.ncp_pool_free(ptr)
    return true
end

-- A lease came back. When the pool was freed, the last one takes the memory along.
function pool:after_release()
    if self.left then
        self.left = self.left - 1
        if self.left <= 0 then
            self.lease_ptr = self.ptr
        end
    end
end

function pool:__tostring()
    if self.ptr == nil then
        return "pool (freed)"
    end
    return "pool " .. errors.state(self)
end

-- Adds to a class what all pools have.
function pool.extend(class)
    for name, method in pairs(pool) do
        if class[name] == nil and type(method) == "function" then
            class[name] = method
        end
    end
    class.__index = class
    return class
end

-- What every pool begins with.
function pool.init(self, ptr, name, owns_fds)
    self.ptr = ptr
    self.lease_ptr = ptr -- stays when the pool is freed with leases out
    self.name = name
    self.connections = self.connections or {}
    self.work_ptr = ptr -- for tickets, dials and checks, which keep the pool alive
    local losses = {count = 0, told = 0}
    self.losses = losses
    self.holding = keeper.hold(self, function(connection)
        losses.count = losses.count + 1
        losses[losses.count] = {connection.id, connection.stack}
    end, owns_fds)
    return self
end

-- Writes the leases that were lost into the log. The collector, which finds them, must
-- not run the user's function.
function pool:tell_losses(log)
    local losses = self.losses
    while losses.told < losses.count do
        losses.told = losses.told + 1
        local id, stack = unpack(losses[losses.told])
        losses[losses.told] = nil
        if log then
            pcall(log, constants.NCP_LOG_WARN, "event=lost_lease " .. (stack and
                "borrowed=\"" .. stack:gsub("%s*\n%s*", " < ") .. "\"" or
                "hint=capture_stacks tells where it was borrowed"), id)
        end
    end
end

pool.new_connection = connections.new

return pool
