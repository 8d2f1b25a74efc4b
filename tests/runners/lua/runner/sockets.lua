-- Sockets on loopback, for the peers of the connections.
local ffi = require("ffi")
local verdict = require("runner.verdict")

local fail = verdict.fail

ffi.cdef([[
int ncp_run_socket(int family, int type, int protocol) __asm__("socket");
int ncp_run_bind(int fd, const void *address, uint32_t size) __asm__("bind");
int ncp_run_listen(int fd, int backlog) __asm__("listen");
int ncp_run_accept(int fd, void *address, uint32_t *size) __asm__("accept");
int ncp_run_connect(int fd, const void *address, uint32_t size) __asm__("connect");
int ncp_run_pair(int family, int type, int protocol, int *fds) __asm__("socketpair");
int ncp_run_name(int fd, void *address, uint32_t *size) __asm__("getsockname");
int ncp_run_peer(int fd, void *address, uint32_t *size) __asm__("getpeername");
int ncp_run_option(int fd, int level, int name, const void *value, uint32_t size)
    __asm__("setsockopt");
int ncp_run_shutdown(int fd, int how) __asm__("shutdown");
int ncp_run_fcntl(int fd, int command, ...) __asm__("fcntl");
int ncp_run_close(int fd) __asm__("close");
int ncp_run_dup(int fd) __asm__("dup");
ptrdiff_t ncp_run_recv(int fd, void *to, size_t size, int flags) __asm__("recv");
ptrdiff_t ncp_run_send(int fd, const void *from, size_t size, int flags)
    __asm__("send");
ptrdiff_t ncp_run_readlink(const char *path, char *to, size_t size)
    __asm__("readlink");
typedef struct { int fd; short events; short revents; } ncp_run_pollfd;
int ncp_run_poll(ncp_run_pollfd *fds, unsigned long count, int ms) __asm__("poll");
]])

local system = ffi.C
local AF_UNIX, AF_INET, AF_INET6 = 1, 2, 10
local STREAM, DATAGRAM, CLOEXEC = 1, 2, 0x80000
local SOL_SOCKET, SO_LINGER, IPPROTO_IPV6, IPV6_V6ONLY = 1, 13, 41, 26
local DONTWAIT, NOSIGNAL = 0x40, 0x4000
local F_GETFD, F_GETFL, F_SETFL, NONBLOCK = 1, 3, 4, 0x800
local EAGAIN, EINTR = 11, 4
local MAX_FDS = 4096

local sockets = {AGAIN = "again"}

local buffer = ffi.new("char[?]", 65536)
local abstract_names = 0

local function must(fd, what)
    if fd < 0 then
        fail("%s: errno %d", what, ffi.errno())
    end
    return fd
end

-- 127.0.0.1 or ::1 with port 0: the bytes of a sockaddr.
local function loopback(family)
    local address = ffi.new("uint8_t[28]")
    ffi.cast("uint16_t *", address)[0] = family
    if family == AF_INET then
        address[4], address[7] = 127, 1
        return address, 16
    end
    address[23] = 1
    return address, 28
end

-- ::ffff:127.0.0.1
local function mapped(address)
    for i = 8, 17 do
        address[i] = 0
    end
    address[18], address[19], address[20], address[23] = 0xff, 0xff, 127, 1
    address[21], address[22] = 0, 0
end

local function bound(family, kind)
    local fd = must(system.ncp_run_socket(family, kind + CLOEXEC, 0), "socket")
    local address, size = loopback(family)
    must(system.ncp_run_bind(fd, address, size), "bind")
    return fd
end

local function name_of(fd)
    local address, size = ffi.new("uint8_t[128]"), ffi.new("uint32_t[1]", 128)
    must(system.ncp_run_name(fd, address, size), "getsockname")
    return address, size[0]
end

local function connect_to(fd, other)
    local address, size = name_of(other)
    must(system.ncp_run_connect(fd, address, size), "connect")
end

local function accept_and_close(listener)
    local peer = must(system.ncp_run_accept(listener, nil, nil), "accept")
    sockets.close(listener)
    return peer
end

local function stream(family)
    local listener = bound(family, STREAM)
    must(system.ncp_run_listen(listener, 1), "listen")
    local fd = must(system.ncp_run_socket(family, STREAM + CLOEXEC, 0), "socket")
    connect_to(fd, listener)
    return fd, accept_and_close(listener)
end

local function datagram(family)
    local fd, peer = bound(family, DATAGRAM), bound(family, DATAGRAM)
    connect_to(fd, peer)
    connect_to(peer, fd)
    return fd, peer
end

-- An abstract name, with words in it that must not be read as anything.
local function unix()
    abstract_names = abstract_names + 1
    local name = ("\0ncp-tcp-udp-%s-%d"):format(
        tostring(buffer):match("0x%x+"), abstract_names)
    local address = ffi.new("uint8_t[110]")
    ffi.cast("uint16_t *", address)[0] = AF_UNIX
    ffi.copy(address + 2, name, #name)
    local listener = must(system.ncp_run_socket(AF_UNIX, STREAM + CLOEXEC, 0), "socket")
    must(system.ncp_run_bind(listener, address, 2 + #name), "bind")
    must(system.ncp_run_listen(listener, 1), "listen")
    local fd = must(system.ncp_run_socket(AF_UNIX, STREAM + CLOEXEC, 0), "socket")
    must(system.ncp_run_connect(fd, address, 2 + #name), "connect")
    return fd, accept_and_close(listener)
end

local function pipe()
    local both = ffi.new("int[2]")
    must(system.ncp_run_pair(AF_UNIX, STREAM + CLOEXEC, 0, both), "socketpair")
    return both[0], both[1]
end

local MAKERS = {
    tcp4 = function() return stream(AF_INET) end,
    tcp6 = function() return stream(AF_INET6) end,
    udp4 = function() return datagram(AF_INET) end,
    udp6 = function() return datagram(AF_INET6) end,
    unix = unix,
    pipe = pipe,
}

-- A connection and its peer.
function sockets.pair(kind)
    return MAKERS[kind]()
end

function sockets.is_kind(kind)
    return MAKERS[kind] ~= nil
end

-- A socket whose peer is an IPv4 address mapped into IPv6.
function sockets.mapped()
    local listener = must(system.ncp_run_socket(AF_INET6, STREAM + CLOEXEC, 0), "socket")
    local fd = must(system.ncp_run_socket(AF_INET6, STREAM + CLOEXEC, 0), "socket")
    local off = ffi.new("int[1]", 0)
    for _, one in ipairs({listener, fd}) do
        system.ncp_run_option(one, IPPROTO_IPV6, IPV6_V6ONLY, off, 4)
    end
    local any = ffi.new("uint8_t[28]")
    ffi.cast("uint16_t *", any)[0] = AF_INET6
    must(system.ncp_run_bind(listener, any, 28), "bind")
    must(system.ncp_run_listen(listener, 1), "listen")
    local address, size = name_of(listener)
    mapped(address)
    must(system.ncp_run_connect(fd, address, size), "connect")
    sockets.close(listener)
    return fd
end

function sockets.unconnected_udp6()
    return bound(AF_INET6, DATAGRAM)
end

function sockets.listener()
    local fd = bound(AF_INET, STREAM)
    must(system.ncp_run_listen(fd, 64), "listen")
    return fd
end

function sockets.accept(listener)
    return must(system.ncp_run_accept(listener, nil, nil), "accept")
end

function sockets.client(listener)
    local fd = must(system.ncp_run_socket(AF_INET, STREAM + CLOEXEC, 0), "socket")
    connect_to(fd, listener)
    return fd
end

local function port_of(address)
    return address[2] * 256 + address[3]
end

function sockets.own_port(fd)
    return port_of((name_of(fd)))
end

-- The port of the other side, or nil.
function sockets.peer_port(fd)
    local address, size = ffi.new("uint8_t[128]"), ffi.new("uint32_t[1]", 128)
    if system.ncp_run_peer(fd, address, size) ~= 0 then
        return nil
    end
    return port_of(address)
end

function sockets.ipv6_works()
    local fd = system.ncp_run_socket(AF_INET6, STREAM + CLOEXEC, 0)
    if fd < 0 then
        return false
    end
    local address, size = loopback(AF_INET6)
    local works = system.ncp_run_bind(fd, address, size) == 0
    sockets.close(fd)
    return works
end

-- ---------------------------------------------------------------------------- use

function sockets.close(fd)
    system.ncp_run_close(fd)
end

function sockets.dup(fd)
    return must(system.ncp_run_dup(fd), "dup")
end

-- What waits there, without blocking: a text; "" at its end; nil and "again" or a number.
function sockets.receive(fd)
    local got = tonumber(system.ncp_run_recv(fd, buffer, 65536, DONTWAIT))
    if got >= 0 then
        return ffi.string(buffer, got)
    end
    local errno = ffi.errno()
    return nil, (errno == EAGAIN or errno == EINTR) and sockets.AGAIN or errno
end

-- Sends at once: how many bytes, below 0 for an error.
function sockets.send(fd, data)
    return tonumber(system.ncp_run_send(fd, data, #data, NOSIGNAL + DONTWAIT))
end

function sockets.readable(fd, ms)
    local one = ffi.new("ncp_run_pollfd[1]", {{fd, 1, 0}})
    return system.ncp_run_poll(one, 1, ms) == 1
end

function sockets.stop_sending(fd)
    return system.ncp_run_shutdown(fd, 1) == 0
end

-- The next close resets the connection.
function sockets.reset_at_close(fd)
    local linger = ffi.new("int[2]", 1, 0)
    system.ncp_run_option(fd, SOL_SOCKET, SO_LINGER, linger, 8)
end

function sockets.is_nonblocking(fd)
    local flags = system.ncp_run_fcntl(fd, F_GETFL)
    return flags >= 0 and flags % (NONBLOCK * 2) >= NONBLOCK
end

function sockets.set_nonblocking(fd)
    if not sockets.is_nonblocking(fd) then
        local flags = system.ncp_run_fcntl(fd, F_GETFL)
        system.ncp_run_fcntl(fd, F_SETFL, ffi.cast("int", flags + NONBLOCK))
    end
end

-- What stands behind a descriptor, such as "socket:[4711]"; nil when it is closed. The
-- number of a descriptor may be somebody else's by now.
function sockets.identity(fd)
    local size = tonumber(system.ncp_run_readlink("/proc/self/fd/" .. fd, buffer, 128))
    return size > 0 and ffi.string(buffer, size) or nil
end

function sockets.open_descriptors()
    local count = 0
    for fd = 0, MAX_FDS - 1 do
        if system.ncp_run_fcntl(fd, F_GETFD) >= 0 then
            count = count + 1
        end
    end
    return count
end

function sockets.threads()
    local file = assert(io.open("/proc/self/status"))
    local text = file:read("*a")
    file:close()
    return tonumber(text:match("Threads:%s*(%d+)"))
end

return sockets
