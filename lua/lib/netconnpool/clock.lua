-- A clock that stands still until it is moved, for tests that move time themselves.
--
-- SPDX-License-Identifier: BSD-3-Clause
--
--     local clock = netconnpool.manual_clock()
--     local pool = netconnpool.new({target = ..., clock = clock})
--     clock:advance(30000)          -- the pool is 30 s older
local ffi = require("ffi")
local C = require("netconnpool.loader").lib

local clock = {}
clock.__index = clock

local NS_PER_MS = 1000000ULL

-- It begins at `ms`, by default at an hour.
function clock.new(ms)
    return setmetatable({
        cell = ffi.new("uint64_t[1]", (ms or 3600000) * NS_PER_MS),
        pools = setmetatable({}, {__mode = "k"}),
    }, clock)
end

function clock.is(value)
    return getmetatable(value) == clock
end

-- Gives the clock to a configuration: the status.
function clock:give(handle)
    return C.ncp_config_set_clock(handle, C.ncp_manual_clock, self.cell, nil)
end

-- `pool` is to be woken when the clock moves.
function clock:watch(pool)
    self.pools[pool] = true
end

function clock:now()
    return tonumber(self.cell[0]) / 1e6
end

-- Moves it to a moment, in nanoseconds; never back.
function clock:set_ns(ns)
    if ns > self.cell[0] then
        self.cell[0] = ns
    end
    for pool in pairs(self.pools) do
        pool:wake()
    end
end

-- Likewise, in milliseconds; not before that moment.
function clock:set_ms(ms)
    self:set_ns(ffi.cast("uint64_t", math.ceil(ms * 1e6)))
end

-- Moves it on by so many milliseconds (a fraction counts).
function clock:advance(ms)
    self:set_ns(self.cell[0] + ffi.cast("uint64_t", ms * 1e6))
end

return clock
