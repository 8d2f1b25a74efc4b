-- The hosts that scenarios can run on. Each is a function of whether time is virtual,
-- which returns
--
--   host            what netconnpool.new() is given
--   clock           the manual clock, or nil
--   now()           milliseconds
--   spawn(fn)       starts a thread of the scenario: a task
--   join(task)      waits until it has ended
--   sleep(ms)
--   quiet(ms)       waits until nothing else can run, for at most `ms`: false then
--   run(fn)         runs fn() as the main thread to its end, throws what it throws
--   finish()        the case is over, its pools are freed
local netconnpool = require("netconnpool")

local hosts = {}

function hosts.loop(virtual)
    local clock = virtual and netconnpool.manual_clock() or nil
    local loop = netconnpool.loop({clock = clock})
    return {
        host = loop,
        clock = clock,
        now = function()
            return loop:now()
        end,
        spawn = function(fn, name)
            local task = loop:spawn(fn)
            task.name = name
            return task
        end,
        join = function(task)
            loop:join(task)
        end,
        sleep = function(ms)
            loop:sleep(ms)
        end,
        quiet = function(ms)
            return loop:idle(ms)
        end,
        run = function(fn)
            return loop:run(fn)
        end,
        finish = function()
            loop:stop()
        end,
    }
end

return hosts
