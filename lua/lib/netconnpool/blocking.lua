-- The host of programs without a scheduler: whoever waits blocks the thread, and does
-- what the pools ask for meanwhile.
--
-- SPDX-License-Identifier: BSD-3-Clause
--
-- A dial runs to its end in the get that waits for it. What is due (expiry, checks)
-- is done by the calls that are made: netconnpool.work() is one for quiet times.
local sys = require("netconnpool.sys")

local blocking = {dials_blocking = true}

function blocking:start(machine)
    self.machine = machine
end

-- Nobody but the next call can do what is due: it asks the machine.
function blocking:arm()
end

function blocking:spawn(fn, ...)
    fn(...)
end

function blocking:slot()
    return {posted = false}
end

function blocking:post(slot)
    slot.posted = true
end

function blocking:now()
    return sys.now()
end

local function shorter(a, b)
    if a < 0 then
        return b
    elseif b < 0 then
        return a
    end
    return math.min(a, b)
end

function blocking:wait(slot, ms)
    local deadline = ms >= 0 and sys.now() + ms or nil
    while not slot.posted do
        local left = -1
        if deadline then
            left = math.ceil(deadline - sys.now())
            if left <= 0 then
                return false
            end
        end
        self.machine:pump(shorter(left, self.machine:due_ms()))
    end
    return true
end

function blocking:sleep(ms)
    self:wait({posted = false}, ms)
end

function blocking:wait_fd(fd, write, ms)
    return sys.poll_one(fd, write, ms)
end

return blocking
