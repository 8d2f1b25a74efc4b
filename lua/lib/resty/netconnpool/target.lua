-- What the cosockets of a pool connect to, and how.
--
-- SPDX-License-Identifier: BSD-3-Clause
local tcp = ngx.socket.tcp

local target = {}
target.__index = target

-- Options of a pool that are about its target, with the type each must have.
target.OPTIONS = {
    host = "string",
    port = "number",
    unix = "string",
    connect = "function",
    ssl = "boolean",
    ssl_verify = "boolean",
    server_name = "string",
    connect_timeout = "number",
    send_timeout = "number",
    read_timeout = "number",
}

local DEFAULT_MS = 60000

local function check_types(options)
    for name, wanted in pairs(target.OPTIONS) do
        local value = options[name]
        if value ~= nil and type(value) ~= wanted then
            return nil, ("option %s: a %s is needed, not a %s"):format(name,
                wanted, type(value))
        end
    end
    return true
end

local function check_place(options)
    if options.unix then
        return true
    elseif options.host and not options.port then
        return nil, "option port is missing"
    elseif not options.host and not options.connect then
        return nil, "where to? host and port, unix (a path) or a function connect"
    end
    return true
end

local function ip_of(host)
    if not host then
        return nil
    elseif host:find("^%d+%.%d+%.%d+%.%d+$") then
        return "ipv4"
    elseif host:find(":", 1, true) then
        return "ipv6"
    end
    return nil -- a name: nginx does not tell what it resolved to
end

-- cosockets want an IPv6 address in brackets.
local function host_of(options)
    local host = options.host
    if options.unix then
        return "unix:" .. options.unix
    elseif host and host:find(":", 1, true) and host:sub(1, 1) ~= "[" then
        return "[" .. host .. "]"
    end
    return host
end

-- A target from the options of a pool; or nil and what is wrong.
function target.new(options)
    local ok, wrong = check_types(options)
    if ok then
        ok, wrong = check_place(options)
    end
    if not ok then
        return nil, wrong
    end
    return setmetatable({
        name = options.name,
        host = host_of(options),
        port = options.port,
        is_unix = options.unix ~= nil,
        make = options.connect,
        ssl = options.ssl == true,
        ssl_verify = options.ssl_verify == true,
        server_name = options.server_name or options.host,
        connect_timeout = options.connect_timeout or DEFAULT_MS,
        send_timeout = options.send_timeout or DEFAULT_MS,
        read_timeout = options.read_timeout or DEFAULT_MS,
        -- what the pool is told of each connection
        about = {
            protocol = not options.unix and "tcp" or nil,
            ip = not options.unix and ip_of(options.host) or nil,
        },
    }, target)
end

-- What connect() of a cosocket, or of a client that is made like lua-resty-redis, is
-- given to connect under a name.
function target:options(name)
    local options = {pool = name, pool_size = 1}
    options.host, options.port = self.host, self.port
    if self.is_unix then
        options.path = self.host:sub(#"unix:" + 1)
    end
    if self.ssl then
        options.ssl = true
        options.ssl_verify = self.ssl_verify
        options.server_name = self.server_name
    end
    return options
end

local function connect_to(self, client, options)
    local ok, why
    if self.is_unix then
        ok, why = client:connect(self.host, options)
    else
        ok, why = client:connect(self.host, self.port, options)
    end
    return ok, why
end

-- The TLS session is kept for the next handshake.
local function shake_hands(self, sock)
    local session, why = sock:sslhandshake(self.session, self.server_name,
        self.ssl_verify)
    if not session then
        sock:close()
        return nil, "TLS handshake: " .. tostring(why)
    end
    self.session = session
    return sock
end

local function connect_socket(self, options, connect_ms)
    local sock = tcp()
    sock:settimeouts(math.min(self.connect_timeout, connect_ms or math.huge),
        self.send_timeout, self.read_timeout)
    local ok, why = connect_to(self, sock, options)
    if not ok then
        return nil, why
    elseif self.ssl and sock:getreusedtimes() == 0 then
        return shake_hands(self, sock)
    end
    return sock
end

-- Connects, with the options of a slot: a client; or nil and why not.
function target:connect(options, client, connect_ms)
    if client then
        if not self.host then
            return nil, "the pool has no host to connect the client to"
        end
        local ok, why = connect_to(self, client, options)
        return ok and client, why
    elseif self.make then
        local made, why = self.make(options)
        return made, why
    end
    local sock, why = connect_socket(self, options, connect_ms)
    return sock, why
end

return target
