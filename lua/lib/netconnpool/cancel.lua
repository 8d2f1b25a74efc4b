-- A token that ends gets from outside. One token may be carried by any number of
-- gets, in any number of pools; it stays fired.
--
-- SPDX-License-Identifier: BSD-3-Clause
local ffi = require("ffi")
local C = require("netconnpool.loader").lib
local constants = require("netconnpool.constants")
local errors = require("netconnpool.errors")

local cancel = {}
cancel.__index = cancel

local cancel_out = ffi.new("ncp_cancel *[1]")

-- A token; or nil, text, name.
function cancel.new()
    local status = C.ncp_cancel_new(cancel_out)
    if status ~= constants.NCP_OK then
        return errors.result(status)
    end
    return setmetatable({
        ptr = ffi.gc(cancel_out[0], C.ncp_cancel_free),
        is_fired = false,
        -- of a machine: what is to be called when it is fired, by get
        waiting = {},
    }, cancel)
end

-- Ends every get that carries the token, now and later.
function cancel:fire()
    if self.is_fired then
        return true
    end
    self.is_fired = true
    local status = C.ncp_cancel_fire(self.ptr)
    for get, wake in pairs(self.waiting) do
        self.waiting[get] = nil
        wake(get)
    end
    return errors.checked(status)
end

function cancel.is(value)
    return getmetatable(value) == cancel
end

return cancel
