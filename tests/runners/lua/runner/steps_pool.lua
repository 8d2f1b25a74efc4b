-- Steps that borrow, give back and steer.
local facts = require("runner.facts")
local names = require("runner.names")
local scene = require("runner.scene")
local verdict = require("runner.verdict")

local fail, count = verdict.fail, verdict.count

-- ------------------------------------------------------------------------------ get

local function token_named(pool, name)
    scene.tokens[name] = scene.tokens[name] or pool:token()
    return scene.tokens[name]
end

-- The token of a get, and the task that fires it later.
local function token_of(step, pool)
    if step.cancel then
        return token_named(pool, step.cancel)
    elseif step.cancelled then
        local token = pool:token()
        token:fire()
        return token
    elseif step.cancel_after_ms then
        local token = pool:token()
        local firing = scene.place.spawn(function()
            scene.place.sleep(step.cancel_after_ms)
            token:fire()
        end, "canceller")
        return token, firing
    end
    return nil
end

local function request_of(step, pool)
    local token, firing = token_of(step, pool)
    return {
        via = step.via or "any",
        protocol = step.want_protocol ~= nil and names.protocol(step.want_protocol)
            or nil,
        ip = step.want_ip ~= nil and names.ip(step.want_ip) or nil,
        timeout_ms = step.timeout_ms,
        tag = step.tag,
        cancel = token,
    }, firing
end

-- The protocol or IP version that the way of getting stands for.
local VIA_PROTOCOLS = {tcp = "TCP", udp = "UDP"}
local VIA_IPS = {ipv4 = "IPv4", ipv6 = "IPv6"}

local function complete(request)
    local ex = request.protocol or request.ip or request.tag or request.cancel
    if not ex then
        return request
    end
    if VIA_PROTOCOLS[request.via] then
        request.protocol = request.protocol or names.protocol(VIA_PROTOCOLS[request.via])
    elseif VIA_IPS[request.via] then
        request.ip = request.ip or names.ip(VIA_IPS[request.via])
    elseif request.via == "try" then
        request.timeout_ms = 0
    end
    return request
end

-- From now on the runner owns the connection; nobody else may.
local function got(var, pool, lease)
    var.pool, var.lease = pool, lease
    local number = pool:number(lease)
    if number <= 0 or number >= 2 ^ 53 then
        fail("a get succeeded with the lease %s", tostring(number))
    end
    var.id = pool:fact(lease, "id") or fail("a lease that was just given is unknown")
    var.conn = pool:conn_of(lease)
    local conn = var.conn
    conn.owners = conn.owners + 1
    if conn.owners ~= 1 then
        fail("connection %d is lent to two borrowers", conn.index)
    elseif conn.checks ~= 0 then
        fail("connection %d is lent while it is checked", conn.index)
    elseif conn.closer_calls ~= 0 then
        fail("connection %d is lent after it was closed", conn.index)
    end
    var.out = true
    count()
end

local function back(var)
    if var.out then
        var.out = false
        var.conn.owners = var.conn.owners - 1
    end
end

local function check_same(step, var, task)
    if step.same_as then
        local other = scene.find(names.expand(step.same_as, task.index), task)
        if other.id ~= var.id then
            fail("the connection is another one than %s", step.same_as)
        end
        count()
    end
    if step.differs_from then
        local other = scene.find(names.expand(step.differs_from, task.index), task)
        if other.id == var.id then
            fail("the connection is the same as %s", step.differs_from)
        end
        count()
    end
end

local READERS = {reuse = tonumber, protocol = names.protocol, ip = names.ip}

local function check_got(step, var, task)
    check_same(step, var, task)
    for what, reads in pairs(READERS) do
        if step[what] ~= nil then
            local value = var.pool:fact(var.lease, what)
            if value ~= reads(step[what]) then
                fail("%s of the connection is %s", what, tostring(value))
            end
            count()
        end
    end
end

local function get_into(step, task, name)
    local pool = scene.pool_of(step)
    local request, firing = request_of(step, pool)
    local begin = scene.now()
    local word, lease = pool:get(complete(request))
    scene.count_up("get:" .. word)
    local var
    if word == "OK" then
        var = scene.new_var(name, task)
        got(var, pool, lease)
    end
    names.expect(step, word, "get", word ~= "OK" and lease or nil)
    facts.within(step, begin)
    if firing then
        scene.place.join(firing)
    end
    if var then
        check_got(step, var, task)
    end
end

local function get(step, task)
    get_into(step, task, names.expand(step.as or "(dropped)", task.index))
end

local function get_many(step, task)
    for i = 0, (step.n or 1) - 1 do
        get_into(step, task, ("%s.%d"):format(step.as or "(dropped)", i))
    end
end

-- ------------------------------------------------------------------------ give back

local function give_one(step, var, method)
    local pool = step.pool and scene.pool_of(step) or var.pool
    local begin = scene.now()
    if pool == var.pool then
        back(var)
    end
    local word, err = pool[method](pool, var.lease)
    names.expect(step, word, step.op, err)
    facts.within(step, begin)
end

local function give(method)
    return function(step, task)
        if type(step.conn) ~= "string" then
            local pool = scene.pool_of(step)
            names.expect(step, (pool[method](pool, step.lease or 0)), "give back")
            return
        end
        local members = scene.members(step.conn, task)
        if #members == 0 and not step.if_got then
            fail("nothing is called %s here", step.conn)
        end
        for _, var in ipairs(members) do
            give_one(step, var, method)
        end
    end
end

-- ---------------------------------------------------------------------------- steer

local function steer(method, argument)
    return function(step)
        local pool = scene.pool_of(step)
        local begin = scene.now()
        local word, err = pool[method](pool, argument and step[argument])
        names.expect(step, word, step.op, err)
        facts.within(step, begin)
    end
end

local function resize(step, task)
    scene.pool_of(step).resized = true
    steer("resize", "max")(step, task)
end

local function set(step)
    local pool = scene.pool_of(step)
    names.expect(step, (pool:set(step.option, step.value)), "set")
end

local function free(step)
    local pool = scene.pool_of(step)
    local begin = scene.now()
    pool.freed = true
    pool:free()
    facts.within(step, begin)
end

local function cancel(step)
    names.expect(step, names.of_answer(token_named(scene.pools[1], step.token):fire()),
        "cancel")
end

local GET = "pool as n via want_protocol want_ip timeout_ms tag cancel cancelled " ..
    "cancel_after_ms expect within_ms same_as differs_from reuse protocol ip"
local GIVE = "pool conn lease expect within_ms if_got"

local family = {
    get = {GET, get},
    get_many = {GET, get_many},
    put = {GIVE, give("put")},
    discard = {GIVE, give("discard")},
    conn_close = {GIVE, give("conn_close")},
    detach = {GIVE, give("detach")},
    close = {"pool expect within_ms", steer("close")},
    close_now = {"pool expect within_ms", steer("close_now")},
    close_wait = {"pool timeout_ms expect within_ms", steer("close_wait", "timeout_ms")},
    drain = {"pool timeout_ms expect within_ms", steer("drain", "timeout_ms")},
    prewarm_wait = {"pool timeout_ms expect within_ms",
        steer("prewarm_wait", "timeout_ms")},
    flush = {"pool expect within_ms", steer("flush")},
    suspend = {"pool expect within_ms", steer("suspend")},
    resume = {"pool expect within_ms", steer("resume")},
    resize = {"pool max expect within_ms", resize},
    set = {"pool option value expect", set},
    free = {"pool within_ms", free},
    cancel = {"token expect", cancel},
}

return setmetatable({got = got, back = back}, {
    __call = function()
        return family
    end,
})
