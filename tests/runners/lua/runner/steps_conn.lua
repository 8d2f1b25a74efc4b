-- Steps on a connection: what its borrower does, what its peer does.
local ffi = require("ffi")
local C = require("netconnpool.loader").lib
local echo = require("runner.echo")
local facts = require("runner.facts")
local names = require("runner.names")
local scene = require("runner.scene")
local sockets = require("runner.sockets")
local verdict = require("runner.verdict")

local fail, count = verdict.fail, verdict.count

local RECV_MS = 1000 -- of real time
local SEEN_MS = 2000

local function var_of(step, task)
    return scene.find(names.expand(step.conn, task.index), task)
end

-- A lease by name, or "dialed.N": the connection of dial N.
local function conn_named(name, task)
    local index = name:match("^dialed%.(%d+)$")
    if index then
        return echo.at(tonumber(index))
    end
    return scene.find(name, task).conn or fail("%s has no connection", name)
end

local function conn_of(step, task)
    return conn_named(names.expand(step.conn, task.index), task)
end

local function send_to(fd, step)
    local data = step.data or "x"
    for _ = 1, step.count or 1 do
        if sockets.send(fd, data) ~= #data then
            fail("cannot send: errno %d", ffi.errno())
        end
    end
end

-- Looks until it is so, or for at most `ms` of real time; the peers work meanwhile.
local function seen(ms, is_so)
    for _ = 1, ms do
        echo.work()
        if is_so() then
            return true
        end
        scene.place.quiet(0.000001) -- others may have to run before it is so
        sockets.readable(-1, 1)
    end
    return is_so()
end

local function receive(step, task)
    local fd, wanted = conn_of(step, task).fd, step.expect
    count()
    if wanted == nil then
        echo.work()
        if sockets.readable(fd, step.real_ms or 30) then
            fail("received something, expected nothing")
        end
        return
    end
    local data = ""
    seen(RECV_MS, function()
        local piece = #data < #wanted and sockets.receive(fd)
        data = data .. (piece or "")
        return #data >= #wanted or piece == ""
    end)
    if data ~= wanted then
        fail("received %d bytes \"%s\", expected \"%s\"", #data, data, wanted)
    end
end

local function peer_shutdown(step, task)
    if not sockets.stop_sending(conn_of(step, task).peer) then
        fail("shutdown: errno %d", ffi.errno())
    end
end

-- --------------------------------------------------------------------- what is seen

local function assert_one(conn, wanted)
    count()
    local fine
    if wanted then -- once: it must not only become so
        fine = echo.is_open(conn)
    else
        fine = seen(SEEN_MS, function()
            return not echo.is_open(conn)
        end)
    end
    if not fine then
        fail("connection %d is %s", conn.index, wanted and "closed" or "still open")
    end
end

local function assert_each(wanted)
    return function(step, task)
        if step.conn:match("^dialed%.") then
            assert_one(conn_of(step, task), wanted)
            return
        end
        local members = scene.members(step.conn, task)
        if #members == 0 then
            fail("nothing is called %s here", step.conn)
        end
        for _, var in ipairs(members) do
            assert_one(var.conn, wanted)
        end
    end
end

local function assert_peer_eof(step, task)
    local conn = conn_of(step, task)
    local saw = seen(SEEN_MS, function()
        return conn.peer_eof
    end)
    if not saw then
        fail("the peer of connection %d does not see its end", conn.index)
    end
    count()
end

-- -------------------------------------------------------------------- the library's

local function renew(step, task)
    local var = var_of(step, task)
    local fresh = echo.make(step.type or "tcp4")
    local word, err = var.pool:renew(var.lease, fresh)
    local gone = word == "OK" and var.conn or fresh
    gone.ours = true
    echo.close_client(gone)
    if word == "OK" then
        gone.owners, fresh.owners = gone.owners - 1, fresh.owners + 1
        var.conn = fresh
    end
    names.expect(step, word, "renew", err)
end

local function udp_drain(step, task)
    local dropped = ffi.new("int[1]", -1)
    local status = C.ncp_udp_drain(conn_of(step, task).fd, step.timeout_ms or 0,
        step.max or 0, dropped)
    names.expect(step, names.of_status(status), "udp_drain")
    facts.bound(step.dropped, dropped[0], "the datagrams dropped")
end

local function leases(step, task)
    local pool = scene.pool_of(step)
    local found = pool:leases()
    if #found ~= #step.conns then
        fail("%d leases are out, expected %d", #found, #step.conns)
    end
    for i, name in ipairs(step.conns) do
        if found[i] ~= pool:number(scene.find(name, task).lease) then
            fail("lease %d is not %s", i - 1, name)
        end
    end
    count()
end

local family = {
    send = {"conn data count", function(step, task)
        send_to(conn_of(step, task).fd, step)
    end},
    peer_send = {"conn data count", function(step, task)
        send_to(conn_of(step, task).peer, step)
    end},
    recv = {"conn expect real_ms", receive},
    peer_close = {"conn reset", function(step, task)
        echo.end_peer(conn_of(step, task), step.reset)
    end},
    peer_shutdown = {"conn", peer_shutdown},
    client_connect = {"pool", function(step)
        echo.connect(scene.pool_of(step).listener)
    end},
    assert_open = {"conn", assert_each(true)},
    assert_closed = {"conn", assert_each(false)},
    assert_peer_eof = {"conn", assert_peer_eof},
    set_healthy = {"conn healthy expect", function(step, task)
        local var = var_of(step, task)
        names.expect(step, (var.pool:set_healthy(var.lease, step.healthy)),
            "set_healthy")
    end},
    set_tag = {"conn tag expect", function(step, task)
        local var = var_of(step, task)
        names.expect(step, (var.pool:set_tag(var.lease, step.tag)), "set_tag")
    end},
    renew = {"conn type expect", renew},
    set_nonblocking = {"conn", function(step, task)
        sockets.set_nonblocking(conn_of(step, task).fd)
    end},
    udp_has_data = {"conn is", function(step, task)
        facts.bound(step.is, C.ncp_udp_has_data(conn_of(step, task).fd), "udp_has_data")
    end},
    udp_drain = {"conn timeout_ms max dropped expect", udp_drain},
    fd_alive = {"conn is", function(step, task)
        facts.bound(step.is, C.ncp_fd_alive(conn_of(step, task).fd), "fd_alive")
    end},
    leases = {"pool conns", leases},
    stack = {"conn length", function(step, task)
        local var = var_of(step, task)
        facts.bound(step.length, #var.pool:stack(var.lease), "the length of the stack")
    end},
}

return function()
    return family
end
