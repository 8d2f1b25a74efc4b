-- The way from a queue of the library into the event loop of a worker.
--
-- SPDX-License-Identifier: BSD-3-Clause
--
-- A cosocket can only connect. So the queue listens on a unix socket in a folder of
-- our own, the worker's dispatcher connects to it, and both the socket's name and the
-- folder are gone before anybody else could know them. A byte comes whenever the
-- queue goes from empty to not empty; what is released in the worker itself is
-- handled at once and needs none.
local ffi = require("ffi")
local C = require("netconnpool.loader").lib
local constants = require("netconnpool.constants")

local channel = {}
channel.__index = channel

if not pcall(ffi.typeof, "ncp_resty_folder") then
    ffi.cdef([[
    typedef struct { char unused; } ncp_resty_folder;
    char *ncp_resty_mkdtemp(char *name) __asm__("mkdtemp");
    int ncp_resty_rmdir(const char *name) __asm__("rmdir");
    int ncp_resty_unlink(const char *name) __asm__("unlink");
    char *ncp_resty_strerror(int number) __asm__("strerror");
    ]])
end

local system = ffi.C
local CHUNK = 256
local CONNECT_MS = 5000
-- A read that times out is written to the error log, so it seldom does.
local WEEK_MS = 7 * 86400 * 1000

local function make_folder()
    local name = (os.getenv("TMPDIR") or "/tmp") .. "/netconnpool-XXXXXX"
    local buffer = ffi.new("char[?]", #name + 1, name)
    if system.ncp_resty_mkdtemp(buffer) == nil then
        return nil, name .. ": "
            .. ffi.string(system.ncp_resty_strerror(ffi.errno()))
    end
    return ffi.string(buffer)
end

-- A channel of a queue that nobody has connected to yet; or nil and why not.
function channel.new(queue)
    local folder, why = make_folder()
    if not folder then
        return nil, why
    end
    local path = folder .. "/queue"
    local status = C.ncp_queue_listen_unix(queue, path)
    if status ~= constants.NCP_OK then
        system.ncp_resty_rmdir(folder)
        return nil, path .. ": " .. ffi.string(C.ncp_status_text(status))
    end
    return setmetatable({queue = queue, folder = folder, path = path}, channel)
end

-- Nobody will connect (any more).
function channel:forget()
    if self.folder then
        system.ncp_resty_unlink(self.path)
        system.ncp_resty_rmdir(self.folder)
        self.folder = nil
    end
end

-- Connects, in a place that can wait: a socket, or nil and why not.
function channel:connect()
    local sock = ngx.socket.tcp()
    sock:settimeouts(CONNECT_MS, CONNECT_MS, WEEK_MS)
    local ok, why = sock:connect("unix:" .. self.path)
    local status = ok and C.ncp_queue_accept(self.queue)
    self:forget()
    if not ok then
        return nil, why
    elseif status ~= constants.NCP_OK then
        sock:close()
        return nil, ffi.string(C.ncp_status_text(status))
    end
    self.sock = sock
    return true
end

-- Waits for bytes: true when the queue should be looked at, or nil and why never
-- again.
function channel:wait()
    local data, why = self.sock:receiveany(CHUNK)
    if data or why == "timeout" then
        return true
    end
    return nil, why
end

return channel
