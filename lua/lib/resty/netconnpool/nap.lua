-- A light thread sleeps until somebody rouses it or a time has passed.
--
-- SPDX-License-Identifier: BSD-3-Clause
--
-- Nobody is roused who does not sleep: the semaphore never holds a post that a later
-- sleep would take for its own.
local semaphore = require("ngx.semaphore")

local nap = {}
nap.__index = nap

function nap.new()
    return setmetatable({ asleep = false, wake = semaphore.new(0) }, nap)
end

function nap:sleep(seconds)
    self.asleep = true
    self.wake:wait(seconds)
    self.asleep = false
end

function nap:rouse()
    if self.asleep then
        self.asleep = false
        self.wake:post(1)
    end
end

return nap
