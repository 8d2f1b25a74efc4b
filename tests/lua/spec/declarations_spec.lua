-- What was written down is what the loaded library says.
local ffi = require("ffi")
local C = require("netconnpool.loader").lib
local constants = require("netconnpool.constants")
local layout = require("netconnpool.layout")
local netconnpool = require("netconnpool")

-- Walks a table of the library: the numbers in it.
local function walk(at)
    local found, index, out = {}, 0, ffi.new("int[1]")
    while at(index, out) == 0 do
        found[#found + 1] = out[0]
        index = index + 1
    end
    return found
end

describe("declarations", function()
    it("have the values that C has", function()
        local count = 0
        for name, value in pairs(constants) do
            if not name:find("^NCP_VERSION") and name ~= "NCP_TIMEOUT_DEFAULT" then
                assert.equal(value, tonumber(C[name]), name)
                count = count + 1
            end
        end
        assert.is_true(count > 200)
        assert.equal(-0x8000000000000000LL, constants.NCP_TIMEOUT_DEFAULT)
    end)

    it("are of the version of the library", function()
        assert.equal(C.ncp_version(), constants.NCP_VERSION_MAJOR * 1000000 +
            constants.NCP_VERSION_MINOR * 1000 + constants.NCP_VERSION_PATCH)
        assert.equal(netconnpool.library_version, ("%d.%d.%d"):format(
            constants.NCP_VERSION_MAJOR, constants.NCP_VERSION_MINOR,
            constants.NCP_VERSION_PATCH))
    end)

    it("name every status by its own name", function()
        local statuses = walk(C.ncp_status_at)
        assert.is_true(#statuses > 20)
        for _, status in ipairs(statuses) do
            assert.equal(status, constants[ffi.string(C.ncp_status_name(status))])
        end
    end)

    it("name every option and counter", function()
        for _, option in ipairs(walk(C.ncp_option_at)) do
            local name = ffi.string(C.ncp_option_name(option))
            assert.equal(option, constants["NCP_OPTION_" .. name:upper()], name)
        end
        for i, counter in ipairs(netconnpool.counters) do
            assert.equal(i - 1, constants["NCP_COUNTER_" .. counter.name:upper()])
        end
        assert.equal(constants.NCP_COUNTER_COUNT, #netconnpool.counters)
    end)

    it("lay structures out as C does", function()
        for name, struct in pairs(layout) do
            assert.equal(struct.size, ffi.sizeof(name))
            for field, offset in pairs(struct.offsets) do
                assert.equal(offset, ffi.offsetof(name, field), field)
            end
        end
        assert.equal(128, layout.ncp_event.size)
    end)

    it("may be loaded twice in a Lua state", function()
        package.loaded["netconnpool.cdef"] = nil
        package.loaded["netconnpool.sys"] = nil
        assert.is_true(pcall(require, "netconnpool.cdef"))
        assert.is_true(pcall(require, "netconnpool.sys"))
    end)
end)
