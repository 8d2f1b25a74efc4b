-- A client of the Redis protocol whose interface is that of lua-resty-redis: new(),
-- connect(host, port, options) with pool, pool_size, ssl, ssl_verify and server_name,
-- set_keepalive(), get_reused_times(), close(), set_timeouts(), and commands.
local tcp = ngx.socket.tcp

local resp = {}
local mt = {__index = resp}

function resp.new()
    return setmetatable({sock = tcp()}, mt)
end

function resp:connect(host, port_or_options, options)
    local ok, err
    if host:sub(1, 5) == "unix:" then
        options = port_or_options
        ok, err = self.sock:connect(host, options)
    else
        ok, err = self.sock:connect(host, port_or_options, options)
    end
    if not ok then
        return nil, err
    end
    if options and options.ssl then
        ok, err = self.sock:sslhandshake(false, options.server_name,
            options.ssl_verify)
        if not ok then
            return nil, "ssl handshake: " .. err
        end
    end
    return 1
end

function resp:set_timeouts(a, b, c)
    return self.sock:settimeouts(a, b, c)
end

function resp:set_keepalive(...)
    return self.sock:setkeepalive(...)
end

function resp:get_reused_times()
    return self.sock:getreusedtimes()
end

function resp:close()
    return self.sock:close()
end

local function encode(...)
    local parts = {"*", select("#", ...), "\r\n"}
    for i = 1, select("#", ...) do
        local text = tostring((select(i, ...)))
        parts[#parts + 1] = "$" .. #text .. "\r\n" .. text .. "\r\n"
    end
    return table.concat(parts)
end

local function read(sock)
    local line, err = sock:receive()
    if not line then
        return nil, err
    end
    local kind, rest = line:sub(1, 1), line:sub(2)
    if kind == "+" then
        return rest
    elseif kind == "-" then
        return false, rest
    elseif kind == ":" then
        return tonumber(rest)
    elseif kind == "$" then
        local size = tonumber(rest)
        if size < 0 then
            return ngx.null
        end
        local text
        text, err = sock:receive(size + 2)
        return text and text:sub(1, -3), err
    elseif kind == "*" then
        local list = {}
        for i = 1, tonumber(rest) do
            list[i] = read(sock)
        end
        return list
    end
    return nil, "not the Redis protocol: " .. line
end

function resp:command(...)
    local sent, err = self.sock:send(encode(...))
    if not sent then
        return nil, err
    end
    return read(self.sock)
end

for _, name in ipairs({"client", "del", "get", "incr", "ping", "select", "set"}) do
    resp[name] = function(self, ...)
        return self:command(name, ...)
    end
end

return resp
