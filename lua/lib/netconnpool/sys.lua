-- The few calls of the system that reading and writing need.
--
-- SPDX-License-Identifier: BSD-3-Clause
--
-- Every function is declared under a name of its own, so that it cannot clash with
-- the declarations of other modules.
local ffi = require("ffi")

local sys = {}

if not pcall(ffi.typeof, "ncp_lua_pollfd") then
    ffi.cdef([[
    typedef struct { int fd; short events; short revents; } ncp_lua_pollfd;
    typedef struct { long sec; long nsec; } ncp_lua_timespec;
    int ncp_lua_poll(ncp_lua_pollfd *fds, unsigned long count, int timeout_ms)
        __asm__("poll");
    int ncp_lua_clock(int clock, ncp_lua_timespec *out)
        __asm__("clock_gettime");
    ptrdiff_t ncp_lua_recv(int fd, void *to, size_t size, int flags)
        __asm__("recv");
    ptrdiff_t ncp_lua_send(int fd, const void *from, size_t size, int flags)
        __asm__("send");
    ptrdiff_t ncp_lua_read(int fd, void *to, size_t size) __asm__("read");
    ptrdiff_t ncp_lua_write(int fd, const void *from, size_t size)
        __asm__("write");
    int ncp_lua_close(int fd) __asm__("close");
    int ncp_lua_fcntl(int fd, int command, ...) __asm__("fcntl");
    int ncp_lua_shutdown(int fd, int how) __asm__("shutdown");
    int ncp_lua_peer(int fd, void *address, uint32_t *size)
        __asm__("getpeername");
    int ncp_lua_accept(int fd, void *address, uint32_t *size)
        __asm__("accept");
    int ncp_lua_nameinfo(const void *address, uint32_t size, char *host,
        uint32_t host_size, char *service, uint32_t service_size, int flags)
        __asm__("getnameinfo");
    char *ncp_lua_strerror(int number) __asm__("strerror");
    ]])
end

local system = ffi.C
local linux = ffi.os == "Linux"

-- Numbers that differ between systems: Linux, and the BSDs with macOS.
local function either(on_linux, elsewhere)
    return linux and on_linux or elsewhere
end

local EINTR = 4
local EAGAIN = either(11, 35)
local ENOTSOCK = either(88, 38)
local EPIPE = 32
local ECONNRESET = either(104, 54)
local ECONNABORTED = either(103, 53)
local CLOCK_MONOTONIC = ffi.os == "OSX" and 6 or either(1, 4)
-- One call does not block, whatever the mode of the descriptor is; and a peer that
-- is gone is an error, no signal.
local RECV_FLAGS = either(0x40, 0x80)
local SEND_FLAGS = RECV_FLAGS + either(0x4000, ffi.os == "OSX" and 0x80000 or 0)
local POLLIN, POLLOUT = 1, 4
local F_GETFL, F_SETFL = 3, 4
local O_NONBLOCK = either(0x800, 4)
local NUMERIC = either(1 + 2, 2 + 8) -- NI_NUMERICHOST | NI_NUMERICSERV

sys.CHUNK = 16384
sys.AGAIN = "again" -- the result of a call that would have blocked

local buffer = ffi.new("char[?]", sys.CHUNK)
local one_fd = ffi.new("ncp_lua_pollfd[1]")
local time_out = ffi.new("ncp_lua_timespec")

-- Milliseconds of a clock that does not go back.
function sys.now()
    system.ncp_lua_clock(CLOCK_MONOTONIC, time_out)
    return tonumber(time_out.sec) * 1e3 + tonumber(time_out.nsec) / 1e6
end

function sys.strerror(number)
    return ffi.string(system.ncp_lua_strerror(number))
end

-- Blocks until the descriptor is ready: true, or false when `ms` passed.
function sys.poll_one(fd, write, ms)
    local deadline = ms >= 0 and sys.now() + ms or nil
    repeat
        one_fd[0].fd = fd
        one_fd[0].events = write and POLLOUT or POLLIN
        local left = -1
        if deadline then
            left = math.min(math.max(0, math.ceil(deadline - sys.now())), 2 ^ 31 - 1)
        end
        local ready = system.ncp_lua_poll(one_fd, 1, left)
        if ready > 0 then
            return true
        end
    until ready == 0 or ffi.errno() ~= EINTR
    return false
end

-- Fills and polls an array of {fd =, write =}: the set of indices that are ready.
function sys.poll_many(wanted, ms)
    local count = #wanted
    local fds = ffi.new("ncp_lua_pollfd[?]", math.max(count, 1))
    for i, one in ipairs(wanted) do
        fds[i - 1].fd = one.fd
        fds[i - 1].events = one.write and POLLOUT or POLLIN
    end
    local ready = {}
    if system.ncp_lua_poll(fds, count, math.min(ms, 2 ^ 31 - 1)) > 0 then
        for i = 1, count do
            ready[i] = fds[i - 1].revents ~= 0
        end
    end
    return ready
end

-- nil and what a failed call means: "again", "closed" or the system's text.
local function failure(number)
    if number == EAGAIN then
        return nil, sys.AGAIN
    elseif number == EPIPE or number == ECONNRESET or number == ECONNABORTED then
        return nil, "closed"
    end
    return nil, sys.strerror(number)
end

local function receive_into(fd, size, plain)
    if plain then
        return system.ncp_lua_read(fd, buffer, size)
    end
    return system.ncp_lua_recv(fd, buffer, size, RECV_FLAGS)
end

local function send_from(fd, pointer, size, plain)
    if plain then
        return system.ncp_lua_write(fd, pointer, size)
    end
    return system.ncp_lua_send(fd, pointer, size, SEND_FLAGS)
end

-- Reads at most `size` bytes (and at most CHUNK) without blocking: a text, or nil
-- and "again", "closed" or an error. A descriptor that is no socket (`plain`) blocks
-- when it is not ready. The third result is true for a descriptor that turned out to
-- be plain.
function sys.receive(fd, size, plain)
    while true do
        local count = tonumber(receive_into(fd, math.min(size, sys.CHUNK), plain))
        if count > 0 then
            return ffi.string(buffer, count)
        elseif count == 0 then
            return nil, "closed"
        end
        local number = ffi.errno()
        if number == ENOTSOCK and not plain then
            return nil, sys.AGAIN, true
        elseif number ~= EINTR then
            return failure(number)
        end
    end
end

-- Writes data from byte `first` (from 0) on: how many bytes, or nil and why not.
function sys.send(fd, data, first, plain)
    local pointer = ffi.cast("const char *", data)
    while true do
        local count = tonumber(send_from(fd, pointer + first, #data - first, plain))
        if count >= 0 then
            return count
        end
        local number = ffi.errno()
        if number == ENOTSOCK and not plain then
            return nil, sys.AGAIN, true
        elseif number ~= EINTR then
            return failure(number)
        end
    end
end

function sys.shutdown(fd)
    return system.ncp_lua_shutdown(fd, 2) == 0 -- both directions
end

function sys.close(fd)
    return system.ncp_lua_close(fd) == 0
end

-- Calls on the descriptor no longer block.
function sys.set_nonblocking(fd)
    local flags = system.ncp_lua_fcntl(fd, F_GETFL)
    if flags >= 0 and math.floor(flags / O_NONBLOCK) % 2 == 0 then
        system.ncp_lua_fcntl(fd, F_SETFL, ffi.cast("int", flags + O_NONBLOCK))
    end
end

-- Accepts a connection: a descriptor, or nil and "again" or an error.
function sys.accept(listener)
    while true do
        local fd = system.ncp_lua_accept(listener, nil, nil)
        if fd >= 0 then
            return fd
        end
        local number = ffi.errno()
        if number ~= EINTR and number ~= ECONNABORTED then
            return failure(number)
        end
    end
end

-- The address of the other side: host and port as texts, or nil and why not.
function sys.peer(fd)
    local address, size = ffi.new("char[128]"), ffi.new("uint32_t[1]", 128)
    local host, service = ffi.new("char[64]"), ffi.new("char[32]")
    if system.ncp_lua_peer(fd, address, size) ~= 0 then
        return nil, sys.strerror(ffi.errno())
    end
    if system.ncp_lua_nameinfo(address, size[0], host, 64, service, 32,
            NUMERIC) ~= 0 then
        return nil, "it has no address"
    end
    return ffi.string(host), ffi.string(service)
end

return sys
