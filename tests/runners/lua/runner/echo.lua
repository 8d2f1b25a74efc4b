-- The other side: every connection the runner makes has its peer in this process,
-- which sends back what it receives whenever somebody looks.
local sockets = require("runner.sockets")
local names = require("runner.names")
local verdict = require("runner.verdict")

local fail = verdict.fail

local echo = {}

local conns = {}   -- as the runner made them, by index from 0
local count = 0
local clients = {} -- of a listener, not adopted yet

local PROTOCOLS = {tcp4 = "TCP", tcp6 = "TCP", udp4 = "UDP", udp6 = "UDP"}
local IPS = {tcp4 = "IPv4", udp4 = "IPv4", tcp6 = "IPv6", udp6 = "IPv6"}

local function register(kind, fd, peer)
    local conn = {
        index = count,
        kind = kind,
        fd = fd,
        peer = peer,
        identity = sockets.identity(fd),
        protocol = names.protocol(PROTOCOLS[kind] or "UNKNOWN"),
        ip = names.ip(IPS[kind] or "UNKNOWN"),
        peer_eof = false,
        owners = 0,
        checks = 0,       -- checkers inside
        closer_calls = 0,
        ours = false,     -- detached, replaced or refused: the runner closes it
        accepted = false, -- by a listener
    }
    conns[count] = conn
    count = count + 1
    return conn
end

function echo.make(kind)
    if not sockets.is_kind(kind) then
        fail("no such type of connection: %s", tostring(kind))
    end
    local fd, peer = sockets.pair(kind)
    return register(kind, fd, peer)
end

-- The client among those that wait whose port is that of the peer of `fd`.
local function client_of(fd)
    local port = sockets.peer_port(fd)
    for i, client in ipairs(clients) do
        if sockets.own_port(client) == port then
            table.remove(clients, i)
            return client
        end
    end
    return nil
end

-- A connection that was accepted, by its descriptor.
function echo.adopt(fd)
    for index = count - 1, 0, -1 do
        local conn = conns[index]
        if conn.accepted and conn.fd == fd and echo.is_open(conn) then
            return conn
        end
    end
    local conn = register("tcp4", fd, client_of(fd))
    conn.accepted = true
    return conn
end

function echo.connect(listener)
    clients[#clients + 1] = sockets.client(listener)
end

function echo.at(index)
    return conns[index] or fail("there is no connection number %s", tostring(index))
end

function echo.count()
    return count
end

function echo.is_open(conn)
    return sockets.identity(conn.fd) == conn.identity
end

function echo.close_client(conn)
    sockets.close(conn.fd)
end

function echo.end_peer(conn, reset)
    if not conn.peer then
        fail("the peer of connection %d is closed already", conn.index)
    end
    if reset then
        sockets.reset_at_close(conn.peer)
    end
    sockets.close(conn.peer)
    conn.peer = nil
end

local function is_stream(conn)
    return conn.protocol ~= names.protocol("UDP")
end

local function send_back(conn)
    while conn.peer and not conn.peer_eof do
        local data, why = sockets.receive(conn.peer)
        if data and data ~= "" then
            sockets.send(conn.peer, data)
        elseif is_stream(conn) and why ~= sockets.AGAIN then
            conn.peer_eof = true
        elseif not data then
            return
        end
    end
end

-- Every peer sends back what it has received.
function echo.work()
    for index = 0, count - 1 do
        send_back(conns[index])
    end
end

-- Closes every peer that is left.
function echo.reset()
    for index = 0, count - 1 do
        if conns[index].peer then
            sockets.close(conns[index].peer)
        end
    end
    for _, client in ipairs(clients) do
        sockets.close(client)
    end
    conns, count, clients = {}, 0, {}
end

return echo
