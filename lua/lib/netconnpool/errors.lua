-- Errors as Lua knows them: nil, a text that says what happened in which state of
-- the pool, and the short name of the status, such as "timeout".
--
-- SPDX-License-Identifier: BSD-3-Clause
--
-- What a Lua function threw keeps its identity: C is told a number, under which the
-- value is found again.
local ffi = require("ffi")
local C = require("netconnpool.loader").lib
local constants = require("netconnpool.constants")

local tonumber = tonumber

local errors = {}

-- How many values are remembered; one is needed until its get has returned.
local KEPT = 256
local TEXT_SIZE = 160

local OK = constants.NCP_OK
local EDIAL = constants.NCP_EDIAL
local EEXHAUSTED = constants.NCP_EEXHAUSTED
local EHOOK = constants.NCP_EHOOK
local EUSER = constants.NCP_EUSER

-- ------------------------------------------------------------------- names, texts

-- "NCP_ETIMEOUT" is "timeout".
local function short_name(status)
    local name = ffi.string(C.ncp_status_name(status))
    return (name:gsub("^NCP_E?", ""):lower())
end

local names = setmetatable({}, {__index = function(cache, status)
    local name = short_name(status)
    cache[status] = name
    return name
end})

local texts = setmetatable({}, {__index = function(cache, status)
    local text = ffi.string(C.ncp_status_text(status))
    cache[status] = text
    return text
end})

function errors.name(status)
    return names[status]
end

function errors.text(status)
    return texts[status]
end

-- -------------------------------------------------------------- the user's values

local kept, last_code = {}, 2 ^ 32 -- above any errno

-- A number that stands for the value; `code` is the user's own, such as an errno.
function errors.keep(value, code)
    last_code = last_code + 1
    kept[last_code % KEPT] = {last_code, value, code or 0}
    return last_code
end

-- The value of a number: true, the value and the user's code; or false.
function errors.kept(number)
    local entry = kept[number % KEPT]
    if entry and entry[1] == number then
        return true, entry[2], entry[3]
    end
    return false
end

-- ------------------------------------------------------------- the pool's state

local code_out = ffi.new("int64_t[1]")
local age_out = ffi.new("int64_t[1]")
local count_out = ffi.new("uint64_t[1]")
local text_out = ffi.new("char[?]", TEXT_SIZE)

-- The last failed dial: {error =, text =, code =, age_ms =, count =}; or nil. Dials by
-- the library have no `error`, the user's functions may have any.
function errors.dial_error(ptr)
    local status = C.ncp_pool_dial_error(ptr, code_out, age_out, count_out,
        text_out, TEXT_SIZE)
    if status ~= OK then
        return nil
    end
    local last = {
        code = tonumber(code_out[0]),
        age_ms = tonumber(age_out[0]),
        count = tonumber(count_out[0]),
        text = ffi.string(text_out),
    }
    local found, value, code = errors.kept(last.code)
    if found then
        last.error, last.text, last.code = value, tostring(value), code
    end
    return last
end

local function dial_part(ptr)
    local last = errors.dial_error(ptr)
    if not last then
        return ""
    end
    return ("; %d dial%s failed, the last %d ms ago: %s"):format(
        last.count, last.count == 1 and "" or "s", last.age_ms,
        last.text ~= "" and last.text or ("code " .. last.code))
end

-- "3 in use, 0 idle, 2 waiting, 1 dialing; ..."
function errors.state(pool)
    local ptr = pool.ptr
    if ptr == nil then
        return "the pool is freed"
    end
    return ("%s%d in use, %d idle, %d waiting, %d dialing%s"):format(
        pool.name and ("pool " .. pool.name .. ": ") or "",
        C.ncp_pool_active_count(ptr), C.ncp_pool_idle_count(ptr),
        C.ncp_pool_waiting_count(ptr), C.ncp_pool_dialing_count(ptr),
        dial_part(ptr))
end

-- ---------------------------------------------------------------------- results

-- nil, text, name.
function errors.result(status)
    return nil, texts[status], names[status]
end

-- A get failed: nil, the user's value or a text with the state of the pool, name.
function errors.of_get(pool, status, code)
    if code ~= 0 and (status == EDIAL or status == EHOOK or status == EUSER) then
        local found, value = errors.kept(code)
        if found then
            return nil, value, names[status]
        end
    end
    if status == EEXHAUSTED then
        return nil, texts[status], names[status] -- cheap: a try may fail often
    end
    return nil, texts[status] .. " (" .. errors.state(pool) .. ")", names[status]
end

-- true, or nil, text, name.
function errors.checked(status)
    if status == OK then
        return true
    end
    return nil, texts[status], names[status]
end

return errors
