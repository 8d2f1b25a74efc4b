-- Speaks the protocol of the bench of all languages: one sample a run.
--
-- SPDX-License-Identifier: BSD-3-Clause
--
--     luajit tests/bench/lua/protocol.lua --list
--     luajit tests/bench/lua/protocol.lua --case CASE --subject SUBJECT [--seconds S]
--         [--connections N] [--callers K]
--
-- NETCONNPOOL_LIBRARY names a library that was built with optimization.
local here = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = here .. "/../../../lua/lib/?.lua;" .. here .. "/?.lua;" .. package.path

local jit = require("jit")
local pools = require("pools")
local sys = require("netconnpool.sys")

local BATCH = 10000
local VERSION = jit.version

-- Those with `waiters` have tasks of a loop that can wait.
local subjects = {
    {name = "netconnpool/lua", make = pools.push,
        notes = "a pool that dials a target; one task a process, as in a script"},
    {name = "netconnpool/lua-pull", make = pools.pull, waiters = true,
        notes = "a pool that dials by a function in Lua; tasks of a loop wait"},
    {name = "lua-table", make = pools.pure,
        notes = "a pool in pure Lua: no limit, no line, no check, no count"},
    {name = "ffi-call", make = pools.bare,
        notes = "no pool: one call of C, the least that any binding costs"},
}

local function fail(reason)
    io.stderr:write(reason, "\n")
    os.exit(1)
end

local function read_arguments()
    local given = {seconds = 0.3, connections = 8, callers = 100}
    local i = 1
    while arg[i] do
        local name = arg[i]:match("^%-%-(%a[%a-]*)$") or fail("what is " .. arg[i] .. "?")
        if name == "list" then
            given.list = true
        else
            i = i + 1
            given[name] = tonumber(arg[i]) or arg[i] or fail("--" .. name .. " of what?")
        end
        i = i + 1
    end
    return given
end

-- Fields in order; text is quoted, it has no character that needs more.
local function line(fields)
    local words = {}
    for i = 1, #fields, 2 do
        local value = fields[i + 1]
        words[#words + 1] = ('"%s": %s'):format(fields[i],
            type(value) == "number" and ("%.14g"):format(value) or '"' .. value .. '"')
    end
    print("{" .. table.concat(words, ", ") .. "}")
end

local function list()
    for _, subject in ipairs(subjects) do
        for _, case in ipairs({"uncontended", subject.waiters and "waiters"}) do
            line({"case", case, "subject", subject.name, "version", VERSION,
                "language", "lua", "notes", subject.notes})
        end
    end
end

local function uncontended(subject, given)
    local one = subject.make(given.connections)
    one.run(BATCH) -- compiled by now
    local operations = 0
    local begin, busy = sys.now(), os.clock()
    local till = begin + given.seconds * 1e3
    repeat
        one.run(BATCH)
        operations = operations + BATCH
    until sys.now() >= till
    local fields = {"ns_per_op", (os.clock() - busy) / operations * 1e9,
        "wall_ns_per_op", (sys.now() - begin) / operations * 1e6, "clock", "cpu",
        "ops", operations}
    if one.opened then
        fields[#fields + 1] = "opened"
        fields[#fields + 1] = one.opened()
    end
    return fields
end

local function waiters(_, given)
    pools.crowd(given.callers, sys.now) -- compiled by now
    local waiting, served, opened = pools.crowd(given.callers, sys.now)
    local share = 1e6 / given.callers
    return {"ns_per_op", served * share, "handoff_ns", served * share,
        "enqueue_ns", waiting * share, "ops", given.callers, "opened", opened}
end

local function find(given)
    for _, subject in ipairs(subjects) do
        if subject.name == given.subject then
            return subject
        end
    end
    return fail("no such subject: " .. tostring(given.subject))
end

local function sample(given)
    local subject = find(given)
    local run = given.case == "uncontended" and uncontended
        or given.case == "waiters" and subject.waiters and waiters
        or fail(subject.name .. " cannot do: " .. tostring(given.case))
    local fields = {"case", given.case, "subject", subject.name, "language", "lua",
        "notes", subject.notes}
    for _, value in ipairs(run(subject, given)) do
        fields[#fields + 1] = value
    end
    line(fields)
end

local given = read_arguments()
if given.list then
    list()
else
    sample(given)
end
