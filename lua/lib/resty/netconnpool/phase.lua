-- What may be done where: nginx runs Lua in phases, and only some of them can wait.
--
-- SPDX-License-Identifier: BSD-3-Clause
local get_phase = ngx.get_phase

local phase = {}

local CAN_WAIT = {
    rewrite = true,
    server_rewrite = true,
    access = true,
    content = true,
    timer = true,
    preread = true,
    ssl_cert = true,
    ssl_session_fetch = true,
    ssl_client_hello = true,
}

local waits_here = "rewrite, access, content, timers and the TLS handshake"

-- True when the running code can wait; else nil and a sentence.
function phase.check_wait(what)
    local here = get_phase()
    if CAN_WAIT[here] then
        return true
    end
    return nil, ("%s may wait, which the phase %s cannot: use it in %s; "
        .. "try_acquire() works here"):format(what, here, waits_here)
end

-- True when the running code can wait; no text is made.
function phase.can_wait()
    return CAN_WAIT[get_phase()] == true
end

-- True where pools may be made; else nil and a sentence.
function phase.check_open()
    if get_phase() ~= "init" then
        return true
    end
    return nil, "a pool belongs to a worker: open it in init_worker_by_lua*, not "
        .. "in init_by_lua*, which runs before the workers are forked"
end

return phase
