-- Steps on configurations and on the helpers that read and print words.
local ffi = require("ffi")
local C = require("netconnpool.loader").lib
local config = require("netconnpool.config")
local constants = require("netconnpool.constants")
local echo = require("runner.echo")
local facts = require("runner.facts")
local json_config = require("runner.json_config")
local names = require("runner.names")
local scene = require("runner.scene")
local sockets = require("runner.sockets")
local verdict = require("runner.verdict")

local fail, count = verdict.fail, verdict.count

local OK = constants.NCP_OK

local number_out = ffi.new("int64_t[1]")
local low_out, high_out = ffi.new("int64_t[1]"), ffi.new("int64_t[1]")

local function mode_of(step)
    return C.ncp_mode_parse(step.mode or "client")
end

local function fresh(step)
    return config.new(mode_of(step)) or fail("no configuration")
end

local function number_of(handle, name)
    local option = config.option(name)
    if not option or C.ncp_config_get_int(handle, option, number_out) ~= OK then
        fail("%s cannot be read", name)
    end
    return tonumber(number_out[0])
end

local function text_of(handle, name)
    local text = ffi.new("char[256]")
    if C.ncp_config_get(handle, name, text, 256) < 0 then
        fail("%s has no text", name)
    end
    return ffi.string(text)
end

local function defaults(step)
    local handle = fresh(step)
    for name, bound in pairs(step.values) do
        facts.bound(bound, number_of(handle, name), name)
        C.ncp_option_range(config.option(name), mode_of(step), number_out, nil, nil)
        facts.bound(bound, tonumber(number_out[0]), name)
    end
end

-- What config.set() answered, as a word.
local function word_of(name, ok)
    if ok then
        return "OK"
    end
    return config.option(name) and "INVALID_CONFIG" or "NOT_FOUND"
end

local function config_text(step)
    local handle = fresh(step)
    local ok, why = config.set(handle, step.name, step.text)
    names.expect(step, word_of(step.name, ok), step.name)
    if not ok and (why or "") == "" then
        fail("%s was refused without a reason", step.name)
    end
    if step.reads and text_of(handle, step.name) ~= step.reads then
        fail("%s reads back as \"%s\"", step.name, text_of(handle, step.name))
    end
    if step.value ~= nil then
        facts.bound(step.value, number_of(handle, step.name), step.name)
    end
end

-- ------------------------------------------------------------------------ roundtrip

-- A value that is valid and not the default.
local function other_value(option, mode)
    C.ncp_option_range(option.option, mode, number_out, low_out, high_out)
    local def, low, high = tonumber(number_out[0]), tonumber(low_out[0]),
        tonumber(high_out[0])
    if option.type == constants.NCP_TYPE_BOOL then
        return def == 0
    elseif def < high then
        return def + 1
    end
    return def > low and def - 1 or def
end

local function options_to_change()
    local list = {}
    for _, option in ipairs(config.options()) do
        if option.name ~= "listener_fd" then
            list[#list + 1] = option
        end
    end
    return list
end

local function change_all(handle, mode)
    for _, option in ipairs(options_to_change()) do
        local value = "unix:/tmp/somewhere"
        if option.type ~= constants.NCP_TYPE_TEXT then
            value = other_value(option, mode)
        end
        if option.name ~= "mode" then
            assert(config.set(handle, option.name, value))
        end
    end
end

local function must_be_equal(a, b, way)
    for _, option in ipairs(options_to_change()) do
        local before, after = text_of(a, option.name), text_of(b, option.name)
        if before ~= after then
            fail("%s: %s was %s and became %s", way, option.name, before, after)
        end
        count()
    end
end

local function roundtrip(step)
    local handle, by_text, by_json = fresh(step), fresh(step), fresh(step)
    change_all(handle, mode_of(step))
    for _, option in ipairs(options_to_change()) do
        assert(config.set(by_text, option.name, text_of(handle, option.name)))
    end
    must_be_equal(handle, by_text, "text")
    json_config.copy(handle, by_json)
    must_be_equal(handle, by_json, "json")
end

local function config_json(step)
    local handle, untouched = fresh(step), fresh(step)
    local status, reason = json_config.read(handle, step.text)
    names.expect(step, names.of_status(status), "config_json", reason)
    if step.says and not reason:find(step.says, 1, true) then
        fail("the reason says \"%s\", not %s", reason, step.says)
    end
    if status ~= OK then
        must_be_equal(handle, untouched, "after a refusal")
    end
    for name, bound in pairs(step.values or {}) do
        facts.bound(bound, number_of(handle, name), name)
    end
end

-- -------------------------------------------------------------------------- helpers

local HELPERS = {
    protocol_parse = C.ncp_protocol_parse,
    ip_parse = C.ncp_ip_parse,
    mode_parse = C.ncp_mode_parse,
    protocol_text = C.ncp_protocol_text,
    ip_text = C.ncp_ip_text,
    mode_text = C.ncp_mode_text,
    status_text = function(word)
        return C.ncp_status_text(names.status_of(word))
    end,
}

local function helper(step)
    local call = HELPERS[step.call] or fail("no such helper: %s", step.call)
    local value = call(names.given(step.arg))
    if type(value) == "cdata" then
        value = ffi.string(value)
    end
    count()
    if value ~= step.is then
        fail("%s answers %s", step.call, tostring(value))
    end
end

local SPECIAL = {mapped = sockets.mapped, unconnected_udp6 = sockets.unconnected_udp6}

local function socket_of(kind)
    if SPECIAL[kind] then
        return SPECIAL[kind]()
    end
    local conn = echo.make(kind)
    conn.ours = true
    return sockets.dup(conn.fd)
end

-- What a descriptor is found to be.
local function detect(step)
    local fd = socket_of(step.kind)
    local protocol, ip = ffi.new("int[1]", -1), ffi.new("int[1]", -1)
    local fine = C.ncp_fd_detect(fd, protocol, ip) == OK
    sockets.close(fd)
    if not fine or protocol[0] ~= names.protocol(step.protocol) or
        ip[0] ~= names.ip(step.ip) then
        fail("%s is found to be %d, %d", step.kind, protocol[0], ip[0])
    end
    count()
end

-- A pool of this name can be found, as the same one.
local function find(step)
    local found = ffi.new("ncp_pool *[1]")
    local status = C.ncp_pool_find(step.name, found)
    names.expect(step, names.of_status(status), "find")
    if status == OK and found[0] ~= scene.pool_of(step).ptr then
        fail("another pool was found")
    end
    C.ncp_pool_free(found[0])
end

local family = {
    mutate_config = {"pool config", function(step)
        scene.pool_of(step):mutate(step.config)
    end},
    defaults = {"mode values", defaults},
    config_text = {"mode name text expect reads value", config_text},
    config_roundtrip = {"mode", roundtrip},
    config_json = {"mode text expect says values", config_json},
    helper = {"call arg is", helper},
    detect = {"kind protocol ip", detect},
    find = {"pool name expect", find},
}

return function()
    return family
end
