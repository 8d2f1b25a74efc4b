-- Configurations as JSON: a library beside the pool, which the binding has no use for
-- (a Lua table is its configuration).
local ffi = require("ffi")
local constants = require("netconnpool.constants")
local verdict = require("runner.verdict")

local json_config = {}

ffi.cdef([[
int ncp_json_read(ncp_config *config, const char *text, size_t length, char *reason,
    size_t size);
int ncp_json_write(const ncp_config *config, char *buffer, size_t size);
]])

local library

local function loaded()
    if not library then
        library = ffi.load(os.getenv("NETCONNPOOL_JSON_LIBRARY") or
            "libnetconnpool-json.so.0")
    end
    return library
end

-- The status and the reason of a refusal.
function json_config.read(handle, text)
    local reason = ffi.new("char[256]")
    local status = loaded().ncp_json_read(handle, text, #text, reason, 256)
    return status, ffi.string(reason)
end

function json_config.copy(from, to)
    local text = ffi.new("char[8192]")
    local length = loaded().ncp_json_write(from, text, 8192)
    if length <= 0 or length >= 8192 then
        verdict.fail("the configuration cannot be written: %d", length)
    end
    local status, reason = json_config.read(to, ffi.string(text))
    if status ~= constants.NCP_OK then
        verdict.fail("what was written cannot be read: %s", reason)
    end
end

return json_config
