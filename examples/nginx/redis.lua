-- Two commands of Redis over a cosocket, with the interface of lua-resty-redis: take
-- that one in earnest, it goes with the pool just as well.
local redis = {}
redis.__index = redis

function redis.new()
    return setmetatable({sock = ngx.socket.tcp()}, redis)
end

-- `options` has pool and pool_size: the name of the connection that was borrowed.
function redis:connect(host, port, options)
    return self.sock:connect(host, port, options)
end

function redis:set_keepalive(...)
    return self.sock:setkeepalive(...)
end

function redis:get_reused_times()
    return self.sock:getreusedtimes()
end

function redis:close()
    return self.sock:close()
end

-- A number, or nil and an error.
local function ask(self, command)
    local sent, err = self.sock:send(command .. "\r\n")
    if not sent then
        return nil, err
    end
    local line
    line, err = self.sock:receive()
    if not line then
        return nil, err
    end
    return tonumber(line:match("^:(%d+)$")), line
end

function redis:incr(key)
    return ask(self, "INCR " .. key)
end

function redis:ping()
    local _, line = ask(self, "PING")
    return line == "+PONG"
end

return redis
