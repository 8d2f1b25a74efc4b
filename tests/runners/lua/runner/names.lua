-- The words of the vocabulary.
local json = require("cjson")
local netconnpool = require("netconnpool")
local verdict = require("runner.verdict")

local fail = verdict.fail
local constants = netconnpool.constants
local null = json.null

local names = {}

local RESULTS = {
    OK = "NCP_OK", POOL_CLOSED = "NCP_ECLOSED", CONN_CLOSED = "NCP_ECONNCLOSED",
    TIMEOUT = "NCP_ETIMEOUT", MAX_CONN = "NCP_EMAXCONN",
    INVALID_CONN = "NCP_EINVALIDCONN", UNHEALTHY = "NCP_EUNHEALTHY",
    INVALID_CONFIG = "NCP_EINVALIDCONFIG", LEAKED = "NCP_ELEAKED",
    EXHAUSTED = "NCP_EEXHAUSTED", UNSUPPORTED_IP = "NCP_EUNSUPPORTEDIP",
    NO_IP = "NCP_ENOIP", UNSUPPORTED_PROTO = "NCP_EUNSUPPORTEDPROTO",
    NO_PROTO = "NCP_ENOPROTO", DIAL = "NCP_EDIAL", HOOK = "NCP_EHOOK",
    CLOSE_HOOK = "NCP_ECLOSEHOOK", CANCELED = "NCP_ECANCELED",
    NOMEM = "NCP_ENOMEM", SYS = "NCP_ESYS", USER = "NCP_EUSER",
    INVALID_ARG = "NCP_EINVAL", WAITERS = "NCP_EWAITERS",
    BREAKER = "NCP_EBREAKER", STATE = "NCP_ESTATE", NOT_FOUND = "NCP_ENOTFOUND",
    AGAIN = "NCP_EAGAIN",
}

local word_of_status, word_of_name = {}, {}
for word, constant in pairs(RESULTS) do
    word_of_status[constants[constant]] = word
    word_of_name[constant:gsub("^NCP_E?", ""):lower()] = word
end

function names.is_result(word)
    return RESULTS[word] ~= nil
end

function names.status_of(word)
    if not RESULTS[word] then
        fail("no such result: %s", tostring(word))
    end
    return constants[RESULTS[word]]
end

function names.of_status(status)
    return word_of_status[status] or ("the status %d"):format(status)
end

-- The word of what a method of the binding answered: value, error, name.
function names.of_answer(value, _, name)
    if value then
        return "OK"
    end
    return word_of_name[name] or ("the unknown name " .. tostring(name))
end

-- In a language that throws, these are all "the error that was thrown".
local THROWN = {DIAL = true, HOOK = true, USER = true}

local function is_word(wanted, word)
    if not RESULTS[wanted] then
        fail("no such result: %s", tostring(wanted))
    end
    return wanted == word or (THROWN[wanted] and THROWN[word]) or false
end

function names.was_thrown(word)
    return THROWN[word] or word == "CLOSE_HOOK"
end

-- Whether a word is what a step expects: nil stands for OK, a list for any of them.
function names.matches(wanted, word)
    if wanted == nil then
        return word == "OK"
    elseif type(wanted) == "string" then
        return is_word(wanted, word)
    end
    for _, one in ipairs(wanted) do
        if is_word(one, word) then
            return true
        end
    end
    return false
end

-- Fails when a step did not answer what it was to.
function names.expect(step, word, what, extra)
    verdict.count()
    if not names.matches(step.expect, word) then
        fail("%s: %s, expected %s%s", what, word,
            json.encode(step.expect == nil and "OK" or step.expect),
            extra and (" (" .. tostring(extra) .. ")") or "")
    end
end

local EVENTS = {}
for _, word in ipairs({"NONE", "CONN", "DIAL", "CHECK", "CLOSE", "PENDING", "READY",
    "KICK", "BORROW", "LEAK", "LOG", "DUE"}) do
    EVENTS[word] = constants["NCP_EVENT_" .. word]
    EVENTS[constants["NCP_EVENT_" .. word]] = word
end

-- The number of a type of event, or the word of a number; nil for what is none.
names.events = EVENTS

local PROTOCOLS = {
    UNKNOWN = constants.NCP_PROTOCOL_UNKNOWN,
    TCP = constants.NCP_PROTOCOL_TCP,
    UDP = constants.NCP_PROTOCOL_UDP,
}
local IPS = {
    UNKNOWN = constants.NCP_IP_UNKNOWN,
    IPv4 = constants.NCP_IP_V4,
    IPv6 = constants.NCP_IP_V6,
}

local function number_or_word(value, words)
    if type(value) == "number" then
        return value
    end
    return words[value] or fail("no such protocol or IP version: %s", tostring(value))
end

function names.protocol(value)
    return number_or_word(value, PROTOCOLS)
end

function names.ip(value)
    return number_or_word(value, IPS)
end

-- Constants among the facts.
names.constants = {
    TCP = PROTOCOLS.TCP, UDP = PROTOCOLS.UDP, UNKNOWN = 0, IPv4 = IPS.IPv4,
    IPv6 = IPS.IPv6,
}

-- Fails on a key that is not among `keys` (a text, separated by spaces).
function names.keys_only(object, keys, what)
    if type(object) ~= "table" then
        fail("%s is no object", what)
    end
    local known = {}
    for key in keys:gmatch("%S+") do
        known[key] = true
    end
    for key in pairs(object) do
        if not known[key] then
            fail("%s: this runner does not know the key %s", what, tostring(key))
        end
    end
end

-- A value that is not null.
function names.given(value)
    if value == null then
        return nil
    end
    return value
end

-- "$i" becomes the index of the thread.
function names.expand(name, index)
    return (name:gsub("%$i", tostring(index), 1))
end

return names
