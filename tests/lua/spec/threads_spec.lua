-- One pool for Lua states on several threads of the system, by its name.
local ffi = require("ffi")
local netconnpool = require("netconnpool")
local support = require("support")
local sys = require("netconnpool.sys")

ffi.cdef([[
typedef struct lua_State ncp_test_state;
ncp_test_state *ncp_test_new(void) __asm__("luaL_newstate");
void ncp_test_libs(ncp_test_state *state) __asm__("luaL_openlibs");
int ncp_test_load(ncp_test_state *state, const char *text) __asm__("luaL_loadstring");
int ncp_test_call(ncp_test_state *state, int arguments, int results, int handler)
    __asm__("lua_pcall");
const char *ncp_test_text(ncp_test_state *state, int index, size_t *size)
    __asm__("lua_tolstring");
double ncp_test_number(ncp_test_state *state, int index) __asm__("lua_tonumber");
void ncp_test_pop(ncp_test_state *state, int top) __asm__("lua_settop");
void ncp_test_close(ncp_test_state *state) __asm__("lua_close");
int ncp_test_thread(unsigned long *thread, const void *attributes,
    void *(*start)(void *), void *argument) __asm__("pthread_create");
int ncp_test_join(unsigned long thread, void **result) __asm__("pthread_join");
]])

local system = ffi.C

-- Runs a text in a Lua state: the number it returns.
local function run(state, text)
    if system.ncp_test_load(state, text) ~= 0 or
        system.ncp_test_call(state, 0, 1, 0) ~= 0 then
        error(ffi.string(system.ncp_test_text(state, -1, nil)))
    end
    local number = system.ncp_test_number(state, -1)
    system.ncp_test_pop(state, -2)
    return number
end

-- A Lua state whose function work() can be called on another thread: the state, and
-- the address of a function of C.
local function worker(text)
    local state = system.ncp_test_new()
    system.ncp_test_libs(state)
    local address = run(state, ([[
        package.path = %q
        local ffi = require("ffi")
        result = 0
        local function work() %s end
        local callback = ffi.cast("void *(*)(void *)", function(argument)
            local ok, value = pcall(work)
            result = ok and value or -1
            if not ok then io.stderr:write(tostring(value), "\n") end
            return argument
        end)
        keep = callback
        return tonumber(ffi.cast("intptr_t", callback))
    ]]):format(package.path, text))
    return state, address
end

-- Runs texts on threads of their own, side by side: what they returned.
local function side_by_side(texts)
    local states, threads, results = {}, {}, {}
    for i, text in ipairs(texts) do
        local address
        states[i], address = worker(text)
        threads[i] = ffi.new("unsigned long[1]")
        assert(system.ncp_test_thread(threads[i], nil,
            ffi.cast("void *(*)(void *)", address), nil) == 0)
    end
    for i in ipairs(texts) do
        system.ncp_test_join(threads[i][0], nil)
        results[i] = run(states[i], "return result")
        system.ncp_test_close(states[i])
    end
    return results
end

local BORROW = [[
    local pool = assert(require("netconnpool").find("shared"))
    local done = 0
    for i = 1, 2000 do
        local conn = assert(pool:get(10000))
        if i % 50 == 0 then conn:discard() else conn:put() end
        done = done + 1
    end
    return done
]]

describe("a named pool", function()
    it("serves Lua states on several threads", function()
        local pool, listener = support.push({name = "shared", max_connections = 2,
            get_timeout = 10000})
        local results = side_by_side({BORROW, BORROW, BORROW})
        assert.same({2000, 2000, 2000}, results)
        local stats = pool:stats()
        assert.equal(6000, stats.successful)
        assert.equal(0, stats.active)
        assert.equal(120 + stats.idle, stats.created)
        assert(pool:get()):put()
        pool:close()
        sys.close(listener)
    end)

    it("gets back what a Lua state held that has ended", function()
        local pool, listener = support.push({name = "left", max_connections = 2})
        local results = side_by_side({[[
            local pool = assert(require("netconnpool").find("left"))
            kept = {assert(pool:get()), assert(pool:get())}
            return pool:active_count()
        ]]})
        assert.same({2}, results)
        assert.equal(0, pool:active_count())
        assert(pool:get()):put()
        pool:close()
        sys.close(listener)
    end)

    it("outlives the Lua state that made it while another has it", function()
        local listener, target = support.listener()
        local state = worker("return 0")
        run(state, ([[pool = assert(require("netconnpool").new({name = "heir",
            target = %q, min_connections = 0})) return 1]]):format(target))
        local pool = assert(netconnpool.find("heir"))
        system.ncp_test_close(state)
        assert.is_false(pool:is_closed())
        assert(pool:get()):put()
        pool:close()
        sys.close(listener)
    end)

    it("whose functions are in another Lua state is refused", function()
        local pool = support.pull({name = "not-for-others"})
        local none, err, name = netconnpool.find("not-for-others")
        assert.is_nil(none)
        assert.equal("state", name)
        assert.is_truthy(err:find("not-for-others", 1, true))
        pool:close()
    end)
end)
