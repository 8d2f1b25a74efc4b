-- Finds and loads the C library.
--
-- SPDX-License-Identifier: BSD-3-Clause
--
-- Tried in this order: the environment variable NETCONNPOOL_LIBRARY (a path; in
-- nginx it needs `env NETCONNPOOL_LIBRARY;`), netconnpool/libnetconnpool.so along
-- package.cpath (where LuaRocks puts it), the system's libnetconnpool.so.0, and the
-- name netconnpool, which needs the development package.
local ffi = require("ffi")
local constants = require("netconnpool.constants")

require("netconnpool.cdef")

-- The handle is anchored in this module: a library whose handle is collected would
-- be unloaded.
local loader = {lib = nil, name = nil, version = nil}

local function candidates()
    local list = {}
    local path = os.getenv("NETCONNPOOL_LIBRARY")
    if path and path ~= "" then
        list[#list + 1] = {path, "$NETCONNPOOL_LIBRARY"}
    end
    path = package.searchpath("netconnpool.libnetconnpool", package.cpath)
    if path then
        list[#list + 1] = {path, "package.cpath"}
    else
        list[#list + 1] = {nil, "package.cpath",
            "no netconnpool/libnetconnpool in it"}
    end
    list[#list + 1] = {"libnetconnpool.so.0", "the system's libraries"}
    list[#list + 1] = {"netconnpool", "the system's libraries"}
    return list
end

-- Declarations that are newer than the library would name what it does not have.
local function too_old(lib)
    local wanted = constants.NCP_VERSION_MAJOR * 1000000
        + constants.NCP_VERSION_MINOR * 1000
    local ok, version = pcall(function() return lib.ncp_version() end)
    if not ok then
        return "it has no ncp_version()"
    end
    if version < wanted then
        return ("it is version %s, these declarations are of %d.%d"):format(
            ffi.string(lib.ncp_version_text()),
            constants.NCP_VERSION_MAJOR, constants.NCP_VERSION_MINOR)
    end
    return nil
end

local function load(candidate)
    local name, why = candidate[1], candidate[3]
    if not name then
        return nil, why
    end
    local ok, lib = pcall(ffi.load, name)
    if not ok then
        return nil, tostring(lib)
    end
    why = too_old(lib)
    if why then
        return nil, why
    end
    return lib
end

local function find()
    local tries = {"the library of netconnpool was not found:"}
    for _, candidate in ipairs(candidates()) do
        local lib, why = load(candidate)
        if lib then
            return lib, candidate[1]
        end
        tries[#tries + 1] = ("  %s (%s): %s"):format(
            candidate[1] or "netconnpool.libnetconnpool", candidate[2], why)
    end
    error(table.concat(tries, "\n"), 0)
end

loader.lib, loader.name = find()
loader.version = ffi.string(loader.lib.ncp_version_text())

return loader
