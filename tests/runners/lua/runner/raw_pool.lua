-- A pool of a case that does the work of the pull driver itself, step by step: the calls
-- of the library, by FFI.
local ffi = require("ffi")
local netconnpool = require("netconnpool")
local C = require("netconnpool.loader").lib
local config = require("netconnpool.config")
local stats = require("netconnpool.stats")
local constants = netconnpool.constants
local dialer = require("runner.dialer")
local echo = require("runner.echo")
local names = require("runner.names")
local scene = require("runner.scene")
local verdict = require("runner.verdict")

local fail = verdict.fail

local raw_pool = {}
raw_pool.__index = raw_pool

local OK = constants.NCP_OK
local DEFAULT = constants.NCP_TIMEOUT_DEFAULT
local FIRST_HANDLE = 1000000 -- far from any descriptor

local pool_out = ffi.new("ncp_pool *[1]")
local queue_out = ffi.new("ncp_queue *[1]")
local lease_out = ffi.new("ncp_lease[1]")
local value_out = ffi.new("uint64_t[1]")
local number_out = ffi.new("int64_t[1]")
local size_out = ffi.new("size_t[1]")

function raw_pool.handle_of(conn)
    return FIRST_HANDLE + conn.index
end

function raw_pool.conn_by_handle(handle)
    return echo.at(tonumber(handle) - FIRST_HANDLE)
end

-- ------------------------------------------------------------------------- making

local function give_queue(self, handle)
    if C.ncp_queue_new(queue_out) ~= OK then
        fail("no queue")
    end
    self.queue = queue_out[0]
    C.ncp_config_set_queue(handle, self.queue)
end

function raw_pool.new(case, name, given)
    local self = setmetatable({name = name, freed = false, resized = false}, raw_pool)
    local handle, wrong = config.build(given, {})
    if not handle then
        fail("%s", wrong)
    end
    dialer.check(case.dial)
    scene.dialer.spec = case.dial
    if scene.place.clock then
        scene.place.clock:give(handle)
    end
    if given.driver == "pull" then
        give_queue(self, handle)
    else
        assert(config.set(handle, "target", "tcp://127.0.0.1:1", {}))
    end
    local status = C.ncp_pool_new(handle, pool_out)
    self.ptr = status == OK and pool_out[0] or nil
    return self, names.of_status(status)
end

-- ---------------------------------------------------------------------- borrowing

function raw_pool:get(request)
    local status
    if request.via == "try" then
        status = C.ncp_pool_try_get(self.ptr, lease_out)
    else
        status = C.ncp_pool_get_timeout(self.ptr, request.timeout_ms or 1, lease_out)
    end
    return names.of_status(status), tonumber(lease_out[0])
end

local INFOS = {
    id = {"ID", 1}, handle = {"HANDLE", 1}, protocol = {"PROTOCOL", 1}, ip = {"IP", 1},
    age_ms = {"AGE_NS", 1e6}, idle_ms = {"IDLE_NS", 1e6}, reuse = {"REUSE_COUNT", 1},
    in_use = {"IN_USE", 1}, healthy = {"HEALTHY", 1},
    leak_detected = {"LEAK_DETECTED", 1}, borrowed_ms = {"BORROWED_NS", 1e6},
    tag = {"TAG", 1}, created_at_ms = {"CREATED_AT_NS", 1e6},
    last_used_at_ms = {"LAST_USED_AT_NS", 1e6},
    last_check_at_ms = {"LAST_CHECK_AT_NS", 1e6},
}

function raw_pool:fact(lease, what)
    local info = INFOS[what]
    local status = C.ncp_lease_info(self.ptr, lease, constants["NCP_INFO_" .. info[1]],
        value_out)
    if status ~= OK then
        return nil, names.of_status(status)
    end
    return tonumber(value_out[0]) / info[2]
end

function raw_pool:conn_of(lease)
    return raw_pool.conn_by_handle(self:fact(lease, "handle"))
end

function raw_pool:number(lease) -- luacheck: no self
    return lease
end

-- ------------------------------------------------------------------------ methods

local FUNCTIONS = {
    put = C.ncp_pool_put, discard = C.ncp_pool_discard, conn_close = C.ncp_lease_close,
    close = C.ncp_pool_close, close_now = C.ncp_pool_close_now,
    flush = C.ncp_pool_flush, suspend = C.ncp_pool_suspend, resume = C.ncp_pool_resume,
}

for name, call in pairs(FUNCTIONS) do
    raw_pool[name] = function(self, lease)
        if lease then
            return names.of_status(call(self.ptr, lease))
        end
        return names.of_status(call(self.ptr))
    end
end

function raw_pool:stats()
    return stats.read(self.ptr)
end

function raw_pool:option(name)
    local option = config.option(name)
    if not option or C.ncp_pool_option(self.ptr, option, number_out) ~= OK then
        return nil
    end
    return tonumber(number_out[0])
end

function raw_pool:dial_error()
    local code, age, count = ffi.new("int64_t[1]"), ffi.new("int64_t[1]"),
        ffi.new("uint64_t[1]")
    local text = ffi.new("char[160]")
    local status = C.ncp_pool_dial_error(self.ptr, code, age, count, text, 160)
    return names.of_status(status), {code = tonumber(code[0]), age_ms = tonumber(age[0]),
        count = tonumber(count[0]), text = ffi.string(text)}
end

function raw_pool:leases()
    C.ncp_pool_leases(self.ptr, nil, 0, size_out)
    local numbers = ffi.new("ncp_lease[?]", tonumber(size_out[0]) + 1)
    C.ncp_pool_leases(self.ptr, numbers, size_out[0], size_out)
    local list = {}
    for i = 1, tonumber(size_out[0]) do
        list[i] = tonumber(numbers[i - 1])
    end
    return list
end

function raw_pool:free()
    C.ncp_pool_free(self.ptr)
end

-- After free(): nothing is left to be taken out.
function raw_pool:finish()
    C.ncp_queue_free(self.queue)
end

-- The CLOSE of an event: once a connection.
function raw_pool:close_event(event)
    local conn = raw_pool.conn_by_handle(event.handle)
    conn.closer_calls = conn.closer_calls + 1
    if conn.closer_calls ~= 1 then
        fail("connection %d is closed twice", conn.index)
    end
    local reason = event.reason
    if conn.owners ~= 0 and reason ~= constants.NCP_REASON_POOL_CLOSED and
        reason ~= constants.NCP_REASON_LEAKED then
        fail("connection %d is closed while it is lent", conn.index)
    end
    echo.close_client(conn)
end

-- Ends what a case left undone.
function raw_pool:end_event(event)
    local out = ffi.new("ncp_event")
    local kind = event.type
    if kind == constants.NCP_EVENT_DIAL then
        C.ncp_pool_fail(self.ptr, event.lease, constants.NCP_ECANCELED, 0, nil, out)
    elseif kind == constants.NCP_EVENT_CHECK then
        if C.ncp_pool_checked(self.ptr, event.lease, 0, out) == OK and
            out.type == constants.NCP_EVENT_CONN then
            C.ncp_pool_put(self.ptr, out.lease)
        end
    elseif kind == constants.NCP_EVENT_PENDING or kind == constants.NCP_EVENT_READY then
        C.ncp_ticket_abandon(self.ptr, event.ticket, constants.NCP_ECANCELED)
    end
end

-- Does the work that is left in the queue.
function raw_pool:drain_queue()
    local event = ffi.new("ncp_event[1]")
    while self.queue and C.ncp_queue_poll(self.queue, event, 1) == 1 do
        if event[0].type == constants.NCP_EVENT_CLOSE then
            self:close_event(event[0])
        else
            self:end_event(event[0])
        end
    end
end

function raw_pool:is_busy() -- luacheck: no self
    return false
end

raw_pool.DEFAULT = DEFAULT

return raw_pool
