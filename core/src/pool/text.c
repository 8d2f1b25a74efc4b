/*
 * The names of modes, protocols, IP versions and reasons.
 */
#include "pool/options.h"

struct text_name {
    const char *text;
    int value;
};

#define NAME_COUNT(NAMES) (sizeof(NAMES) / sizeof((NAMES)[0]))

/* The first name of a value is the one that is written. */
static const struct text_name mode_names[] = {
    {"client", NCP_MODE_CLIENT},
    {"server", NCP_MODE_SERVER},
};
static const struct text_name protocol_names[] = {
    {"TCP", NCP_PROTOCOL_TCP},
    {"UDP", NCP_PROTOCOL_UDP},
};
static const struct text_name ip_names[] = {
    {"IPv4", NCP_IP_V4},
    {"4", NCP_IP_V4},
    {"IPv6", NCP_IP_V6},
    {"6", NCP_IP_V6},
};
static const struct text_name reason_names[] = {
    {"none", NCP_REASON_NONE},
    {"idle_timeout", NCP_REASON_IDLE_TIMEOUT},
    {"max_lifetime", NCP_REASON_MAX_LIFETIME},
    {"unhealthy", NCP_REASON_UNHEALTHY},
    {"idle_full", NCP_REASON_IDLE_FULL},
    {"evicted", NCP_REASON_EVICTED},
    {"leaked", NCP_REASON_LEAKED},
    {"discarded", NCP_REASON_DISCARDED},
    {"flushed", NCP_REASON_FLUSHED},
    {"shrunk", NCP_REASON_SHRUNK},
    {"pool_closed", NCP_REASON_POOL_CLOSED},
    {"hook", NCP_REASON_HOOK},
    {"dirty", NCP_REASON_DIRTY},
    {"mismatch", NCP_REASON_MISMATCH},
    {"detached", NCP_REASON_DETACHED},
    {"forked", NCP_REASON_FORKED},
};

static const char *name_write(const struct text_name *names, size_t count,
                              int value, const char *otherwise)
{
    for (size_t i = 0; i < count; i++) {
        if (names[i].value == value)
            return names[i].text;
    }
    return otherwise;
}

static int name_read(const struct text_name *names, size_t count,
                     const char *text, int otherwise)
{
    for (size_t i = 0; text != NULL && i < count; i++) {
        if (ncp__text_equal(names[i].text, text))
            return names[i].value;
    }
    return otherwise;
}

const char *ncp_mode_text(int mode)
{
    return name_write(mode_names, NAME_COUNT(mode_names), mode, "unknown");
}

const char *ncp_protocol_text(int protocol)
{
    return name_write(protocol_names, NAME_COUNT(protocol_names), protocol,
                      "Unknown");
}

const char *ncp_ip_text(int ip)
{
    return name_write(ip_names, NAME_COUNT(ip_names), ip, "Unknown");
}

const char *ncp_reason_text(int reason)
{
    return name_write(reason_names, NAME_COUNT(reason_names), reason,
                      "unknown");
}

int ncp_mode_parse(const char *text)
{
    return name_read(mode_names, NAME_COUNT(mode_names), text, NCP_MODE_CLIENT);
}

int ncp_protocol_parse(const char *text)
{
    return name_read(protocol_names, NAME_COUNT(protocol_names), text,
                     NCP_PROTOCOL_UNKNOWN);
}

int ncp_ip_parse(const char *text)
{
    return name_read(ip_names, NAME_COUNT(ip_names), text, NCP_IP_UNKNOWN);
}
