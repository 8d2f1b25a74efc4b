-- A Lua table becomes a configuration: every option of the library by its name.
--
-- SPDX-License-Identifier: BSD-3-Clause
--
-- Durations are milliseconds, or texts such as "30s"; enumerations are their names
-- or numbers. A name that is none is an error that says which one was meant.
local ffi = require("ffi")
local C = require("netconnpool.loader").lib
local constants = require("netconnpool.constants")

local config = {}

local OK = constants.NCP_OK
local TEXT = constants.NCP_TYPE_TEXT
local BOOL = constants.NCP_TYPE_BOOL
local EXACT = 2 ^ 53 -- above it a Lua number is no longer a whole one

local option_out = ffi.new("int[1]")
local config_out = ffi.new("ncp_config *[1]")

-- ------------------------------------------------------------------ suggestions

-- How many letters have to be added, taken away or changed.
local function distance(a, b)
    local row = {}
    for j = 0, #b do
        row[j] = j
    end
    for i = 1, #a do
        local diagonal = row[0]
        row[0] = i
        for j = 1, #b do
            local change = diagonal + (a:byte(i) == b:byte(j) and 0 or 1)
            diagonal = row[j]
            row[j] = math.min(row[j] + 1, row[j - 1] + 1, change)
        end
    end
    return row[#b]
end

local function option_names()
    local list, index = {}, 0
    while C.ncp_option_at(index, option_out) == OK do
        list[#list + 1] = ffi.string(C.ncp_option_name(option_out[0]))
        index = index + 1
    end
    return list
end

local function nearest(name, own)
    local best, best_distance = nil, math.max(2, math.floor(#name / 3)) + 1
    local list = option_names()
    for known in pairs(own) do
        list[#list + 1] = known
    end
    table.sort(list) -- the same answer every time
    for _, known in ipairs(list) do
        local far = distance(name, known)
        if far < best_distance then
            best, best_distance = known, far
        end
    end
    return best
end

local function unknown(name, own)
    local meant = nearest(tostring(name), own)
    return ("there is no option %s%s"):format(tostring(name),
        meant and ("; is it " .. meant .. "?") or "")
end

-- ----------------------------------------------------------------------- values

-- A status, or nil and what is wrong.
local function set_number(handle, option, name, value)
    if value ~= value or value % 1 ~= 0 or value >= EXACT or value <= -EXACT then
        return nil, ("option %s: %s is no whole number"):format(name, value)
    end
    return C.ncp_config_set_int(handle, option, value)
end

local function set_value(handle, option, name, value)
    local kind = type(value)
    if kind == "string" then
        return C.ncp_config_set(handle, name, value)
    elseif kind == "boolean" and C.ncp_option_type(option) == BOOL then
        return C.ncp_config_set_int(handle, option, value and 1 or 0)
    elseif kind == "number" and C.ncp_option_type(option) == TEXT then
        return nil, ("option %s: a text is needed, not %s"):format(name, value)
    elseif kind == "number" then
        return set_number(handle, option, name, value)
    end
    return nil, ("option %s: a %s does not fit"):format(name, kind)
end

-- The reason of a refusal.
function config.reason(handle)
    return ffi.string(C.ncp_config_reason(handle))
end

-- Sets one option: true, or nil and what is wrong. `own` are names that are no
-- options of the library but are known to the caller.
function config.set(handle, name, value, own)
    if type(name) ~= "string" or C.ncp_option_find(name, option_out) ~= OK then
        return nil, unknown(name, own or {})
    end
    local option = option_out[0]
    local status, wrong = set_value(handle, option, name, value)
    if status == OK then
        return true
    end
    return nil, wrong or config.reason(handle)
end

-- ---------------------------------------------------------------- configurations

local function mode_of(options)
    local mode = options.mode
    if mode == nil or mode == "client" then
        return constants.NCP_MODE_CLIENT
    elseif mode == "server" then
        return constants.NCP_MODE_SERVER
    end
    return mode
end

-- A configuration with the defaults of a mode, freed when it is collected.
function config.new(mode)
    if type(mode) ~= "number" then
        return nil, "the mode is client or server, not " .. tostring(mode)
    end
    local status = C.ncp_config_new(mode, config_out)
    if status ~= OK then
        return nil, ("mode %s: %s"):format(mode,
            ffi.string(C.ncp_status_text(status)))
    end
    return ffi.gc(config_out[0], C.ncp_config_free)
end

-- A configuration from a table; names in `own` are left to the caller. Or nil and
-- what is wrong.
function config.build(options, own)
    local handle, wrong = config.new(mode_of(options))
    if not handle then
        return nil, wrong
    end
    for name, value in pairs(options) do
        if name ~= "mode" and own[name] == nil then
            local ok
            ok, wrong = config.set(handle, name, value, own)
            if not ok then
                return nil, wrong
            end
        end
    end
    return handle
end

local pool_out = ffi.new("ncp_pool *[1]")

-- Makes the pool of a configuration, which ends with it: its pointer; or nil, what is
-- wrong, status.
function config.make(handle)
    local status = C.ncp_pool_new(handle, pool_out)
    local wrong
    if status ~= OK then
        wrong = config.reason(handle)
        wrong = wrong ~= "" and wrong or ffi.string(C.ncp_status_text(status))
    end
    C.ncp_config_free(ffi.gc(handle, nil))
    if status ~= OK then
        return nil, wrong, status
    end
    return pool_out[0]
end

local range_out = ffi.new("int64_t[3]")

-- Default and range of a numeric option; nothing for a text.
local function range_of(option, mode)
    local status = C.ncp_option_range(option, mode, range_out, range_out + 1,
        range_out + 2)
    if status ~= OK then
        return nil
    end
    return tonumber(range_out[0]), tonumber(range_out[1]), tonumber(range_out[2])
end

-- Every option of the library: {{name =, type =, unit =, help =, runtime =, default =,
-- min =, max =}, ...}; the default is that of a mode, by default of the client.
function config.options(mode)
    local list = {}
    for index, name in ipairs(option_names()) do
        C.ncp_option_at(index - 1, option_out)
        local option = option_out[0]
        local default, min, max = range_of(option,
            mode_of({mode = mode}) or constants.NCP_MODE_CLIENT)
        list[index] = {
            name = name,
            option = option,
            type = C.ncp_option_type(option),
            unit = ffi.string(C.ncp_option_unit(option)),
            help = ffi.string(C.ncp_option_help(option)),
            runtime = C.ncp_option_runtime(option) == 1,
            default = default,
            min = min,
            max = max,
        }
    end
    return list
end

-- The number of an option by its name, or nil.
function config.option(name)
    if type(name) == "string" and C.ncp_option_find(name, option_out) == OK then
        return option_out[0]
    end
    return nil
end

return config
