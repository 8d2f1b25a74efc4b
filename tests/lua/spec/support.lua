-- What the tests share: peers in this process, and pools that only do what is asked.
local ffi = require("ffi")
local netconnpool = require("netconnpool")
local sys = require("netconnpool.sys")

local support = {}

-- Nothing happens by itself.
support.QUIET = {
    min_connections = 0, health_check = false, idle_timeout = 0, max_lifetime = 0,
    leak_timeout = 0, get_timeout = 1000,
}

function support.options(more)
    local options = {}
    for name, value in pairs(support.QUIET) do
        options[name] = value
    end
    for name, value in pairs(more or {}) do
        options[name] = value
    end
    return options
end

local port = 20000 + tonumber(ffi.cast("uintptr_t", ffi.new("int[1]"))) / 64 % 20000
port = math.floor(port)

-- A listener on a free port of loopback: its descriptor and its target.
function support.listener()
    for _ = 1, 200 do
        port = port + 1
        local target = "tcp://127.0.0.1:" .. port
        local fd = netconnpool.listen(target)
        if fd then
            return fd, target
        end
    end
    error("no free port")
end

-- The other end of a connection to a listener, as something that can be read and
-- written.
function support.peer(listener)
    assert(sys.poll_one(listener, false, 2000), "nobody connected")
    local fd = assert(sys.accept(listener))
    local peer = {fd = fd}
    function peer.send(data)
        assert(sys.send(fd, data, 0, false))
    end
    function peer.receive(size)
        local data = ""
        while #data < size and sys.poll_one(fd, false, 2000) do
            local piece = sys.receive(fd, size - #data, false)
            if not piece then
                break
            end
            data = data .. piece
        end
        return data
    end
    function peer.sees_end()
        return sys.poll_one(fd, false, 2000) and sys.receive(fd, 1, false) == nil
    end
    function peer.close()
        sys.close(fd)
    end
    return peer
end

-- A pool to a listener of its own: pool, listener.
function support.push(more)
    local listener, target = support.listener()
    local options = support.options(more)
    options.target = target
    return assert(netconnpool.new(options)), listener
end

-- A pool whose connections are tables; what happens is in `log`.
function support.pull(more)
    local log = {made = 0, closed = {}}
    local options = support.options(more)
    options.dial = options.dial or function()
        log.made = log.made + 1
        return {number = log.made}
    end
    options.close = options.close or function(_, reason)
        log.closed[#log.closed + 1] = reason
    end
    return assert(netconnpool.new(options)), log
end

-- An object that is equal to itself alone.
function support.error(text)
    return setmetatable({text = text}, {__tostring = function(self)
        return self.text
    end})
end

return support
