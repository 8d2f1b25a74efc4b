-- The counters of a pool, by the names they have in the library.
--
-- SPDX-License-Identifier: BSD-3-Clause
local ffi = require("ffi")
local C = require("netconnpool.loader").lib
local constants = require("netconnpool.constants")
local errors = require("netconnpool.errors")

local tonumber = tonumber

local stats = {}

local OK = constants.NCP_OK

local KINDS = {
    [constants.NCP_KIND_CUMULATIVE] = "cumulative",
    [constants.NCP_KIND_GAUGE] = "gauge",
    [constants.NCP_KIND_DERIVED] = "derived",
}

local function read_table()
    local kind = ffi.new("int[1]")
    local name, unit, help = ffi.new("const char *[1]"),
        ffi.new("const char *[1]"), ffi.new("const char *[1]")
    local rows = {}
    while C.ncp_counter_at(#rows, kind, name, unit, help) == OK do
        rows[#rows + 1] = {
            name = ffi.string(name[0]),
            unit = ffi.string(unit[0]),
            help = ffi.string(help[0]),
            kind = KINDS[kind[0]],
        }
    end
    return rows
end

-- What there is: {name =, unit =, help =, kind =}, in the order of the library.
stats.counters = read_table()

local values = ffi.new("uint64_t[?]", #stats.counters)

-- A consistent snapshot: {created = 3, ...}; all 0 when the option stats is off.
-- Ratios are in millionths, times in nanoseconds.
function stats.read(ptr)
    local status = C.ncp_pool_stats(ptr, values, #stats.counters)
    if status ~= OK then
        return errors.result(status)
    end
    local snapshot = {}
    for i, counter in ipairs(stats.counters) do
        snapshot[counter.name] = tonumber(values[i - 1])
    end
    return snapshot
end

return stats
