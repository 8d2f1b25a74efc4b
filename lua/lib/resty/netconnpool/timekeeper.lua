-- Calls a function at the time it is asked for: one timer of nginx, whatever is
-- asked.
--
-- SPDX-License-Identifier: BSD-3-Clause
--
-- Timers of ngx.timer cannot be taken back, so a new one for each earlier moment
-- would leave the others behind. A light thread that waits for a semaphore can be
-- woken and can wait anew.
local nap = require("resty.netconnpool.nap")
local sys = require("netconnpool.sys")

local timekeeper = {}
timekeeper.__index = timekeeper

local LONGEST_S = 86400

-- `due` is called without arguments and may not wait.
function timekeeper.new(due)
    return setmetatable({
        due = due,
        at = nil, -- ms; nil never
        nap = nap.new(),
    }, timekeeper)
end

-- In `ms` milliseconds at the latest, in place of what was asked before; below 0
-- there is no need.
function timekeeper:arm(ms)
    local before = self.at
    self.at = ms >= 0 and sys.now() + ms or nil
    if self.at and (not before or self.at < before) then
        self.nap:rouse()
    end
end

function timekeeper:leave()
    self.leaving = true
    self.nap:rouse()
end

local function seconds_left(self)
    if not self.at then
        return LONGEST_S
    end
    -- A wait of less than a millisecond would be none.
    return math.min(math.max(self.at - sys.now(), 0) / 1e3 + 0.001, LONGEST_S)
end

-- The light thread; it may be started again.
function timekeeper:run()
    while not self.leaving do
        self.nap:sleep(seconds_left(self))
        if not self.leaving and self.at and sys.now() >= self.at then
            self.at = nil
            self.due()
        end
    end
end

return timekeeper
