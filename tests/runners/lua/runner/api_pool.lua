-- A pool of a case through the public API of the binding.
local netconnpool = require("netconnpool")
local config = require("netconnpool.config")
local constants = netconnpool.constants
local dialer = require("runner.dialer")
local echo = require("runner.echo")
local hooks = require("runner.hooks")
local names = require("runner.names")
local scene = require("runner.scene")
local verdict = require("runner.verdict")

local fail = verdict.fail

local api_pool = {}
api_pool.__index = api_pool

-- ---------------------------------------------------------------------- answers

-- Errors that the binding makes itself, for dials that nobody's function failed.
local OWN_TEXTS = {"connection_timeout", "nobody connected", "invalid connection"}

-- What was thrown has to come back as the same object.
local function check_identity(word, err)
    if not names.was_thrown(word) or scene.thrown[err] then
        return
    end
    for _, text in ipairs(OWN_TEXTS) do
        if type(err) == "string" and err:find(text, 1, true) then
            return
        end
    end
    fail("%s: \"%s\" is not what was thrown", word, tostring(err))
end

local function answer(value, err, name)
    local word = names.of_answer(value, err, name)
    check_identity(word, err)
    if word ~= "OK" and err == nil then
        fail("%s without an error", word)
    end
    return word, err
end

-- ------------------------------------------------------------------------- making

local function give_functions(case, options, server)
    if case.acceptor then
        dialer.check(case.acceptor)
        options.accept = dialer.make(case.acceptor, scene.acceptor, "accept")
    end
    if not server and case.dial ~= "none" then
        dialer.check(case.dial)
        options.dial = dialer.make(case.dial, scene.dialer, "dial")
    end
    hooks.give(case, options)
end

local function options_of(case, given)
    local options = {}
    for name, value in pairs(given) do
        options[name] = value
    end
    local server = given.mode == "server" or given.mode == constants.NCP_MODE_SERVER
    give_functions(case, options, server)
    options.host, options.clock = scene.place.host, scene.place.clock
    return options, server
end

-- Makes it: the pool, and the word of the result.
function api_pool.new(case, name, given, listener)
    local self = setmetatable({name = name, freed = false, resized = false,
        listener = listener}, api_pool)
    local object, err, why
    if given == nil then
        object, err, why = netconnpool.new(nil)
    else
        local options = options_of(case, given)
        options.listener_fd = listener
        self.options = options
        object, err, why = netconnpool.new(options)
    end
    self.object = object
    self.ptr = object and object.ptr
    return self, answer(object, err, why)
end

-- The caller changes its table after the pool was made.
function api_pool:mutate(changes)
    for name, value in pairs(changes) do
        if not config.option(name) then
            fail("the library has no option %s", name)
        end
        self.options[name] = value
    end
end

-- ---------------------------------------------------------------------- borrowing

local VIAS = {
    any = function(pool, ms) return pool:get(ms) end,
    try = function(pool) return pool:try() end,
    tcp = function(pool, ms) return pool:tcp(ms) end,
    udp = function(pool, ms) return pool:udp(ms) end,
    ipv4 = function(pool, ms) return pool:ipv4(ms) end,
    ipv6 = function(pool, ms) return pool:ipv6(ms) end,
}

-- Borrows: the word, the lease or the error.
function api_pool:get(request)
    local via = VIAS[request.via] or fail("there is no way to get via %s", request.via)
    local lease, err, name
    if request.protocol or request.ip or request.tag or request.cancel then
        lease, err, name = self.object:get({
            protocol = request.protocol, ip = request.ip, tag = request.tag,
            timeout_ms = request.timeout_ms, cancel = request.cancel})
    else
        lease, err, name = via(self.object, request.timeout_ms)
    end
    local word = answer(lease, err, name)
    return word, lease or err
end

function api_pool:token() -- luacheck: no self
    return netconnpool.cancel()
end

-- The runner's connection of a lease.
function api_pool:conn_of(lease) -- luacheck: no self
    local object = lease:object()
    return type(object) == "table" and object or echo.adopt(lease:fd())
end

local FACTS = {
    id = function(lease) return lease:id() end,
    handle = function(lease) return lease:handle() end,
    reuse = function(lease) return lease:reuse_count() end,
    protocol = function(lease) return names.protocol(
        ({TCP = "TCP", UDP = "UDP"})[lease:protocol()] or "UNKNOWN") end,
    ip = function(lease) return names.ip(
        ({IPv4 = "IPv4", IPv6 = "IPv6"})[lease:ip()] or "UNKNOWN") end,
}

-- A fact of the connection of a lease, as a number; nil and an error.
function api_pool:fact(lease, what) -- luacheck: no self
    local value, err
    if FACTS[what] then
        value, err = FACTS[what](lease)
    else
        value, err = lease[what](lease)
    end
    if type(value) == "boolean" then
        return value and 1 or 0
    end
    return value, err
end

function api_pool:number(lease) -- luacheck: no self
    return lease:number()
end

-- ------------------------------------------------------------------------ methods

-- Each of these calls the method of that name: the word and the error.
for _, name in ipairs({"put", "discard", "close", "close_now", "close_wait", "drain",
    "prewarm_wait", "flush", "suspend", "resume", "resize", "set"}) do
    api_pool[name] = function(self, a, b)
        return answer(self.object[name](self.object, a, b))
    end
end

function api_pool:conn_close(lease)
    return answer(self.object:close_lease(lease))
end

function api_pool:detach(lease)
    local connection, err, name = self.object:detach(lease)
    if connection then
        hooks.conn_of(connection).ours = true
    end
    return answer(connection, err, name)
end

function api_pool:set_healthy(lease, healthy) -- luacheck: no self
    return answer(lease:set_healthy(healthy))
end

function api_pool:set_tag(lease, tag) -- luacheck: no self
    return answer(lease:set_tag(tag))
end

function api_pool:renew(lease, conn) -- luacheck: no self
    return answer(lease:renew(conn, {fd = conn.fd, protocol = conn.protocol,
        ip = conn.ip}))
end

function api_pool:stack(lease) -- luacheck: no self
    return lease:stack() or ""
end

function api_pool:stats()
    return self.object:stats() or fail("no statistics")
end

function api_pool:option(name)
    return (self.object:option(name))
end

function api_pool:describe()
    return self.object:describe()
end

function api_pool:dial_error()
    local last, err, name = self.object:dial_error()
    return answer(last, err, name), last
end

-- The numbers of the leases that are out.
function api_pool:leases()
    local list = {}
    for i, row in ipairs(self.object:leases()) do
        list[i] = row.lease
    end
    return list
end

function api_pool:free()
    self.object:free()
end

function api_pool:finish() -- luacheck: no self
end

-- Does what is left to do after everything was closed.
function api_pool:drain_queue() -- luacheck: no self
end

-- Whether anything of it still runs.
function api_pool:is_busy()
    return self.object.tasks > 0
end

return api_pool
