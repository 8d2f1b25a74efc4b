-- Objects of another library as connections: those of LuaSocket.
local found, socket = pcall(require, "socket")
if not found then
    print("LuaSocket is not there: " .. socket)
    os.exit(77)
end
local ncp = require("ncp")
local t = require("harness")

local host, port = t.tcp:match("^tcp://(.+):(%d+)$")

t.test("a_connection_is_an_object_of_the_host", function()
    local objects, last = {}, 0
    local pool, queue = t.pull{max_connections = 1}

    local function dial(event)
        local conn, err = socket.connect(host, port)
        if not conn then
            return pool:fail(event.lease, ncp.EDIAL, 0, err)
        end
        last = last + 1
        objects[last] = conn
        return pool:fulfil(event.lease, {handle = last, fd = conn:getfd()})
    end

    for i = 1, 50 do
        local event = assert(pool:acquire{flags = ncp.FLAG_DIALS})
        if event.type == ncp.EVENT_DIAL then
            event = assert(dial(event))
        end
        local conn = objects[event.handle]
        assert(conn:send("line " .. i .. "\n"))
        t.equal(assert(conn:receive("*l")), "line " .. i)
        assert(pool:put(event.lease))
    end
    t.equal(last, 1)

    assert(pool:close())
    local closed = 0
    for _, event in ipairs(queue:poll()) do
        t.equal(event.type, ncp.EVENT_CLOSE)
        objects[event.handle]:close()
        objects[event.handle] = nil
        closed = closed + 1
    end
    t.equal(closed, 1)
    pool:free()
end)

t.test("the_same_loop_waits_for_the_queue_and_for_sockets", function()
    local pool, queue = t.pull{max_connections = 1}
    local watched = {getfd = function() return queue:fd() end}
    t.equal(#socket.select({watched}, nil, 0), 0)
    assert(pool:acquire{queue = queue})
    t.equal(socket.select({watched}, nil, 5)[1], watched)
    t.equal(queue:poll()[1].type, ncp.EVENT_DIAL)
    t.equal(#socket.select({watched}, nil, 0), 0)
    pool:free()
end)

t.finish()
