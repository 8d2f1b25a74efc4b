-- Written by bindings/gen/gen.py from the public header; not to be edited.
-- The layout of the structs where pointers have 64 bits, in bytes.
return {
    ncp_event = {
        size = 128,
        offsets = {
            type = 0,
            status = 4,
            pool = 8,
            lease = 16,
            ticket = 24,
            tag = 32,
            handle = 40,
            conn_id = 48,
            timeout_ms = 56,
            fd = 64,
            protocol = 68,
            ip = 72,
            reason = 76,
            reused = 80,
            reserved32 = 84,
            code = 88,
            creation_ms = 96,
            spare = 104,
        },
    },
}
