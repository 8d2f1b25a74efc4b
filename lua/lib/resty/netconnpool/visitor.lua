-- The host of a Lua state that ends with its request (lua_code_cache off).
--
-- SPDX-License-Identifier: BSD-3-Clause
--
-- The pools belong to the Lua state in which they were opened first, which lives as
-- long as the worker. A state that comes and goes uses the same pools (the limit, the
-- line and the counters are the worker's) and keeps nothing going: it dials for
-- itself, and who waits looks for itself, in short intervals.
local hosts = require("resty.netconnpool.host")

local visitor = setmetatable({}, {__index = hosts})
visitor.__index = visitor

-- Handles that cannot meet those of another Lua state.
local STATES, HANDLES = 2 ^ 20, 2 ^ 32

function visitor.new()
    local self = setmetatable(hosts.new(), visitor)
    self.crew:leave() -- its timers run only while there are tasks
    return self
end

function visitor:start(machine)
    self.machine = machine
    local seed = tonumber((tostring({}):gsub("%D", ""))) or 0
    machine.next_handle = ((seed + ngx.now() * 1e3) % STATES) * HANDLES
end

function visitor:arm() -- luacheck: no self
end

return visitor
