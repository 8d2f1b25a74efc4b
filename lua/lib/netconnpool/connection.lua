-- One connection, for as long as it exists: what was dialed, and the helpers that
-- read and write it.
--
-- SPDX-License-Identifier: BSD-3-Clause
--
-- Hooks are given it; whoever borrows it gets a lease (netconnpool.lease), which
-- has the same helpers. Fields: object (what the function `dial` returned), fd (-1
-- none), handle, id, protocol and ip (numbers), data (a table of yours that lives as
-- long as the connection).
--
-- Reading is buffered. Bytes that were read and not asked for, an answer that did
-- not come in time and an error make a connection unfit for the next borrower: it
-- is closed when it is given back.
local constants = require("netconnpool.constants")
local sys = require("netconnpool.sys")

local setmetatable, type, tonumber = setmetatable, type, tonumber

local connection = {}
connection.__index = connection

local WEAK = {__mode = "v"}
local FIT, UNFIT = 0, 1
local UDP = constants.NCP_PROTOCOL_UDP

function connection.new(host, handle, object, fd, protocol, ip)
    return setmetatable({
        host = host,
        handle = handle,
        id = 0,
        object = object,
        fd = fd,
        protocol = protocol,
        ip = ip,
        data = {},
        -- who has it: the number of the lease, 0 none; and the token of the lease
        -- (netconnpool.lease), weakly, so that one which was lost can be told from one
        -- which is in use
        lease = 0,
        holder = setmetatable({}, WEAK),
        -- the lease that the pool took it away from, 0 none: closed when that one is put
        taken = 0,
        in_hook = false, -- on_return runs
        -- reading and writing
        timeout_ms = -1,
        buffer = "",
        plain = false,
        unfit = FIT,
    }, connection)
end

-- The limit of each read and write that follows, in milliseconds; below 0 none.
function connection:settimeout(ms)
    if type(ms) ~= "number" or ms ~= ms then
        return nil, "a number of milliseconds is needed"
    end
    self.timeout_ms = ms
    return true
end

-- Host and port of the other side, or nil and why not.
function connection:peer()
    if self.fd < 0 then
        return nil, "no descriptor"
    end
    return sys.peer(self.fd)
end

-- ----------------------------------------------------------------------- waiting

local function deadline_of(self)
    if self.timeout_ms < 0 then
        return nil
    end
    return self.host:now() + self.timeout_ms
end

-- True when the descriptor is ready, else nil and "timeout".
local function await(self, write, deadline)
    local left = -1
    if deadline then
        left = deadline - self.host:now()
        if left <= 0 then
            return nil, "timeout"
        end
    end
    local host = self.host
    local ready, why
    if host.wait_fd then
        ready, why = host:wait_fd(self.fd, write, left)
    else
        ready = sys.poll_one(self.fd, write, left)
    end
    if ready then
        return true
    end
    return nil, why or "timeout"
end

-- Does `try` until it does not answer "again": its result, or nil and why not.
local function persist(self, write, deadline, try, a, b)
    while true do
        if self.fd < 0 then
            return nil, "closed"
        end
        if self.plain then -- it would block: only when it is ready
            local ready, why = await(self, write, deadline)
            if not ready then
                return nil, why
            end
        end
        local result, why, plain = try(self.fd, a, b, self.plain)
        if result or why ~= sys.AGAIN then
            return result, why
        end
        if plain then
            self.plain = true
        else
            local ready
            ready, why = await(self, write, deadline)
            if not ready then
                return nil, why
            end
        end
    end
end

-- ----------------------------------------------------------------------- writing

-- Sends a text, or a list of texts, completely: how many bytes; or nil, "timeout",
-- "closed" or the system's text, and how many bytes went out all the same.
function connection:send(data)
    if type(data) == "table" then
        data = table.concat(data)
    end
    local deadline, sent = deadline_of(self), 0
    repeat
        local count, why = persist(self, true, deadline, sys.send, data, sent)
        if not count then
            self.unfit = UNFIT
            return nil, why, sent
        end
        sent = sent + count
    until sent >= #data
    return sent
end

-- ----------------------------------------------------------------------- reading

local function receive_try(fd, size, _, plain)
    return sys.receive(fd, size, plain)
end

-- Bytes from the descriptor, at most `size`. A datagram may be empty.
local function read_more(self, deadline, size)
    local piece, why = persist(self, false, deadline, receive_try, size)
    if why == "closed" and self.protocol == UDP and self.fd >= 0 then
        return ""
    end
    return piece, why
end

local function received(self, data, rest)
    self.buffer = rest
    self.unfit = rest == "" and FIT or UNFIT
    return data
end

local function failed(self, why, partial)
    self.buffer = ""
    self.unfit = UNFIT
    return nil, why, partial
end

local function receive_line(self, deadline)
    local pieces, piece = {}, self.buffer
    while true do
        local stop = piece:find("\n", 1, true)
        if stop then
            pieces[#pieces + 1] = piece:sub(1, stop - 1)
            local line = table.concat(pieces)
            return received(self, (line:gsub("\r$", "")), piece:sub(stop + 1))
        end
        pieces[#pieces + 1] = piece
        local more, why = read_more(self, deadline, sys.CHUNK)
        if not more then
            return failed(self, why, table.concat(pieces))
        end
        piece = more
    end
end

local function receive_count(self, deadline, wanted)
    local pieces, have = {self.buffer}, #self.buffer
    while have < wanted do
        local piece, why = read_more(self, deadline, wanted - have)
        if not piece then
            return failed(self, why, table.concat(pieces))
        end
        pieces[#pieces + 1] = piece
        have = have + #piece
    end
    local all = table.concat(pieces)
    return received(self, all:sub(1, wanted), all:sub(wanted + 1))
end

-- After it the other side has closed: the connection is of no more use.
local function receive_all(self, deadline)
    local pieces = {self.buffer}
    while true do
        local piece, why = read_more(self, deadline, sys.CHUNK)
        if not piece then
            local all = table.concat(pieces)
            failed(self, why)
            if why == "closed" then
                return all
            end
            return nil, why, all
        end
        pieces[#pieces + 1] = piece
    end
end

-- Receives a line ("*l", without its end; the default), a number of bytes, or all
-- until the other side closes ("*a"). Or nil, "timeout", "closed" or the system's
-- text, and what had come till then.
function connection:receive(what)
    local deadline = deadline_of(self)
    if what == nil or what == "*l" or what == "l" then
        return receive_line(self, deadline)
    elseif what == "*a" or what == "a" then
        return receive_all(self, deadline)
    elseif type(what) == "number" and what >= 0 and what % 1 == 0 then
        return receive_count(self, deadline, what)
    end
    return nil, "receive: *l, *a or a number of bytes is needed"
end

-- Receives what there is, at least a byte and at most `max` (default 16384); of a
-- datagram socket, one datagram.
function connection:receive_any(max)
    max = tonumber(max) or sys.CHUNK
    if max < 1 then
        return nil, "receive_any: a number of bytes above 0 is needed"
    end
    if self.buffer ~= "" then
        return received(self, self.buffer:sub(1, max), self.buffer:sub(max + 1))
    end
    local piece, why = read_more(self, deadline_of(self), max)
    if not piece then
        return failed(self, why)
    end
    return received(self, piece, "")
end

-- --------------------------------------------------------------------- the owner

-- It has been closed or is no longer ours: no more reading and writing.
function connection:forget()
    self.fd = -1
    self.buffer = ""
    self.lease = 0
end

-- It was made anew: nothing of the old one is left.
function connection:is_new()
    self.buffer, self.plain, self.unfit, self.data = "", false, FIT, {}
end

-- It is taken away from its holder: ended, but the number of the descriptor stays
-- taken, so that nobody else's connection gets it while the holder may still use it.
function connection:take_away()
    self.taken, self.lease = self.lease, 0
    sys.shutdown(self.fd)
end

-- Closes the descriptor, when there is one.
function connection:close_fd()
    local fd, host = self.fd, self.host
    self:forget()
    if fd < 0 then
        return
    end
    if host.fd_closed then
        host:fd_closed(fd)
    end
    sys.close(fd)
end

-- A connection that was detached is closed by whom it belongs to.
connection.close = connection.close_fd

return connection
