-- The functions `dial` and `accept` of the scenarios, as their key says.
local echo = require("runner.echo")
local names = require("runner.names")
local callback = require("runner.callback")
local scene = require("runner.scene")
local sockets = require("runner.sockets")
local verdict = require("runner.verdict")

local fail = verdict.fail

local dialer = {}

local KEYS = "type sequence cycle by_hint fail_first fail_always as_user delay_ms " ..
    "heed record hints call code text detect"
local PROTOCOLS = {tcp = names.protocol("TCP"), udp = names.protocol("UDP")}
local IPS = {ipv4 = names.ip("IPv4"), ipv6 = names.ip("IPv6")}
local ETIMEDOUT, ECONNREFUSED = 110, 111

function dialer.check(spec)
    names.keys_only(spec, KEYS, "dial")
end

local function kind_by_hint(protocol, ip)
    local six = ip == IPS.ipv6
    if protocol == PROTOCOLS.udp then
        return six and "udp6" or "udp4"
    end
    return six and "tcp6" or "tcp4"
end

-- What dial number `n` (from 0) is to become.
local function kind_of_dial(spec, n, protocol, ip)
    if spec.fail_always or n < (spec.fail_first or 0) then
        return "fail"
    end
    local sequence = spec.sequence
    if sequence and #sequence > 0 then
        local at = n
        if at >= #sequence then
            at = spec.cycle and at % #sequence or #sequence - 1
        end
        return sequence[at + 1]
    end
    if spec.by_hint then
        return kind_by_hint(protocol, ip)
    end
    return spec.type or "tcp4"
end

local function delay_of(spec, n)
    local delay = spec.delay_ms or 0
    if type(delay) == "table" then
        return delay[math.min(n + 1, #delay)]
    end
    return delay
end

-- Sleeps as long as the scenario says, or until the limit that it heeds: false when the
-- limit came first.
local function takes_its_time(spec, n, request)
    local delay, limit = delay_of(spec, n), math.huge
    local heed = spec.heed or "creation"
    if heed == "creation" then
        limit = request.creation_ms
    elseif heed == "caller" then
        limit = request.timeout_ms
    end
    limit = limit < 0 and math.huge or limit
    if math.min(delay, limit) > 0 then
        scene.place.sleep(math.min(delay, limit))
    end
    return delay < limit
end

local function note_hint(request)
    scene.hints[#scene.hints + 1] = {
        protocol = PROTOCOLS[request.protocol] or 0,
        ip = IPS[request.ip] or 0,
        deadline_ms = request.timeout_ms,
        timeout_ms = request.creation_ms,
        attempt = request.attempt,
        at_ms = scene.now(),
    }
end

-- P-3, seen from inside a dial: what is open and dialing never exceeds max.
local function check_limit()
    local pool = scene.pools[1]
    if not pool or #scene.pools ~= 1 or pool.resized or pool.freed then
        return
    end
    local max = pool:option("max_connections")
    if max == 0 then
        return
    end
    local stats = pool:stats()
    if stats.current + stats.dialing > max then
        fail("%d connections are open or being dialed, the limit is %d",
            stats.current + stats.dialing, max)
    end
    verdict.count()
end

local function refuse(spec, code, text)
    scene.throw(spec.text or text, spec.code or code)
end

local function accept_one(request)
    local listener = request.pool.listener_fd
    local begin, limit = scene.place.now(), request.timeout_ms
    while limit < 0 or scene.place.now() - begin < limit do
        if sockets.readable(listener, 0) then
            return echo.adopt(sockets.accept(listener))
        end
        scene.place.sleep(1)
    end
    return nil
end

local function deliver(spec, conn)
    if spec.detect then
        return conn, {fd = conn.fd}
    end
    return conn, {
        fd = conn.kind ~= "pipe" and conn.fd or nil,
        protocol = conn.protocol,
        ip = conn.ip,
    }
end

local function dial_once(record, spec, request, event)
    local n = record.count
    record.count = n + 1
    if spec.record then
        scene.record(event)
    end
    note_hint(request)
    check_limit()
    callback.call(spec, nil, record)
    if not takes_its_time(spec, n, request) then
        refuse(spec, ETIMEDOUT, "too slow")
    end
    local kind = kind_of_dial(spec, n, PROTOCOLS[request.protocol], IPS[request.ip])
    if kind == "fail" then
        refuse(spec, ECONNREFUSED, "refused by the scenario")
    elseif kind == "nil" then
        return nil
    end
    local conn
    if event == "accept" then
        conn = accept_one(request)
    else
        conn = echo.make(kind)
    end
    if not conn then
        refuse(spec, ETIMEDOUT, "no client came")
    end
    return deliver(spec, conn)
end

-- A function for netconnpool.new(), from the key `dial` or `acceptor` of a case.
function dialer.make(spec, record, event)
    record.spec = spec
    return function(request)
        record.running = record.running + 1
        record.most = math.max(record.most, record.running)
        verdict.push(event)
        local results = {pcall(dial_once, record, spec, request, event)}
        verdict.pop()
        record.running = record.running - 1
        if not results[1] then
            if not scene.thrown[results[2]] then
                verdict.thrown(results[2])
            end
            error(results[2], 0)
        end
        return results[2], results[3]
    end
end

-- The next connection of the scenario, for the raw calls of the pull driver.
function dialer.next(protocol, ip)
    local record = scene.dialer
    local kind = kind_of_dial(record.spec, record.count, protocol, ip)
    record.count = record.count + 1
    if not sockets.is_kind(kind) then
        fail("this dial was to fail: use the step `fail`")
    end
    return echo.make(kind)
end

return dialer
