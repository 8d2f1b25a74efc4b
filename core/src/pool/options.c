/*
 * The options: one row each, and the functions that read the rows.
 */
#include "pool/options.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define OPTION_SHORT_MS                                                        \
    INT64_C(3600000) /* an hour: it is multiplied by attempts */
#define OPTION_CONNECTIONS 100000
#define OPTION_COUNT 1000000

enum { OPTION_NAME_BYTES = 255, OPTION_TARGET_BYTES = 1023 };

static const char *const option_modes[] = {
    [NCP_MODE_CLIENT] = "client",
    [NCP_MODE_SERVER] = "server",
};
static const char *const option_drivers[] = {
    [NCP_DRIVER_PUSH] = "push",
    [NCP_DRIVER_PULL] = "pull",
};
static const char *const option_idle_orders[] = {
    [NCP_IDLE_LIFO] = "lifo",
    [NCP_IDLE_FIFO] = "fifo",
};
static const char *const option_fairnesses[] = {
    [NCP_FAIRNESS_STRICT] = "strict",
    [NCP_FAIRNESS_ADAPTIVE] = "adaptive",
};
static const char *const option_dial_policies[] = {
    [NCP_DIAL_FAIL_ONE] = "fail_one",
    [NCP_DIAL_FAIL_ALL] = "fail_all",
    [NCP_DIAL_WAIT] = "wait",
};
static const char *const option_stores[] = {
    [NCP_STORE_LOCKFREE] = "lockfree",
    [NCP_STORE_LOCK] = "lock",
    [NCP_STORE_SHARDED] = "sharded",
};
static const char *const option_log_levels[] = {
    [NCP_LOG_OFF] = "off",   [NCP_LOG_ERROR] = "error", [NCP_LOG_WARN] = "warn",
    [NCP_LOG_INFO] = "info", [NCP_LOG_DEBUG] = "debug",
};

/* Whether ncp_pool_set() may change it. */
enum { OPTION_FIXED = 0, OPTION_LIVE = 1 };

#define OPTION_INT(NAME, LIFE, UNIT, CLIENT, SERVER, MIN, MAX, HELP)           \
    {                                                                          \
        NAME, NCP_TYPE_INT, LIFE, UNIT, CLIENT, SERVER, MIN, MAX, NULL, NULL,  \
            HELP                                                               \
    }
#define OPTION_INT_0(NAME, LIFE, UNIT, CLIENT, SERVER, MAX, ZERO, HELP)        \
    {                                                                          \
        NAME, NCP_TYPE_INT, LIFE, UNIT, CLIENT, SERVER, 0, MAX, ZERO, NULL,    \
            HELP "; 0: " ZERO                                                  \
    }
#define OPTION_BOOL(NAME, LIFE, ON, HELP)                                      \
    {                                                                          \
        NAME, NCP_TYPE_BOOL, LIFE, "", ON, ON, 0, 1, NULL, NULL, HELP          \
    }
#define OPTION_TIME(NAME, LIFE, MS, MIN, MAX, HELP)                            \
    {                                                                          \
        NAME, NCP_TYPE_DURATION, LIFE, "ms", MS, MS, MIN, MAX, NULL, NULL,     \
            HELP                                                               \
    }
#define OPTION_TIME_0(NAME, LIFE, MS, MAX, ZERO, HELP)                         \
    {                                                                          \
        NAME, NCP_TYPE_DURATION, LIFE, "ms", MS, MS, 0, MAX, ZERO, NULL,       \
            HELP "; 0: " ZERO                                                  \
    }
#define OPTION_ENUM(NAME, LIFE, CLIENT, SERVER, NAMES, HELP)                   \
    {                                                                          \
        NAME, NCP_TYPE_ENUM, LIFE, "", CLIENT, SERVER, 0,                      \
            sizeof(NAMES) / sizeof((NAMES)[0]) - 1, NULL, NAMES, HELP          \
    }
#define OPTION_TEXT(NAME, BYTES, HELP)                                         \
    {                                                                          \
        NAME, NCP_TYPE_TEXT, OPTION_FIXED, "", 0, 0, 0, BYTES, NULL, NULL,     \
            HELP                                                               \
    }

static const struct ncp__option_row option_rows[NCP__OPTION_END] = {
    [NCP_OPTION_MODE] = OPTION_ENUM(
        "mode", OPTION_FIXED, NCP_MODE_CLIENT, NCP_MODE_SERVER, option_modes,
        "where connections come from: client (the pool dials) or "
        "server (it accepts)"),
    [NCP_OPTION_DRIVER] =
        OPTION_ENUM("driver", OPTION_FIXED, NCP_DRIVER_PUSH, NCP_DRIVER_PUSH,
                    option_drivers,
                    "who dials, checks and closes: push (the pool calls "
                    "callbacks) or pull (it hands the work out as events)"),
    [NCP_OPTION_NAME] = OPTION_TEXT(
        "name", OPTION_NAME_BYTES, "name of the pool in logs and descriptions"),
    [NCP_OPTION_TARGET] =
        OPTION_TEXT("target", OPTION_TARGET_BYTES,
                    "what the built-in dialer dials: tcp://host:port, tcp4://, "
                    "tcp6://, udp://, udp4://, udp6:// or unix:path"),
    [NCP_OPTION_LISTENER_FD] =
        OPTION_INT("listener_fd", OPTION_FIXED, "", -1, -1, -1, INT_MAX,
                   "server mode: the listening socket, -1 for none; made "
                   "non-blocking by a pool that accepts from it itself, never "
                   "closed by it"),
    [NCP_OPTION_MAX_CONNECTIONS] =
        OPTION_INT_0("max_connections", OPTION_LIVE, "connections", 10, 100,
                     OPTION_CONNECTIONS, "unlimited",
                     "the most connections that are open or being created"),
    [NCP_OPTION_MIN_CONNECTIONS] =
        OPTION_INT("min_connections", OPTION_LIVE, "connections", 2, 0, 0,
                   OPTION_CONNECTIONS,
                   "how many connections are made in advance (client mode)"),
    [NCP_OPTION_MAX_IDLE_CONNECTIONS] =
        OPTION_INT("max_idle_connections", OPTION_LIVE, "connections", 10, 50,
                   1, OPTION_CONNECTIONS,
                   "the most idle connections that are kept; at most "
                   "max_connections"),
    [NCP_OPTION_CONNECTION_TIMEOUT] = OPTION_TIME(
        "connection_timeout", OPTION_LIVE, 10000, 1, NCP__DURATION_MAX_MS,
        "how long the creation of one connection may take"),
    [NCP_OPTION_IDLE_TIMEOUT] = OPTION_TIME_0(
        "idle_timeout", OPTION_LIVE, 300000, NCP__DURATION_MAX_MS, "never",
        "how long a connection may be idle before it is closed"),
    [NCP_OPTION_MAX_LIFETIME] = OPTION_TIME_0(
        "max_lifetime", OPTION_LIVE, 1800000, NCP__DURATION_MAX_MS, "never",
        "how old a connection may become"),
    [NCP_OPTION_EXPIRY_JITTER] =
        OPTION_INT_0("expiry_jitter", OPTION_FIXED, "percent", 3, 3, 50, "none",
                     "by how much a connection's idle timeout and lifetime are "
                     "shortened at most, so that not all expire together"),
    [NCP_OPTION_GET_TIMEOUT] =
        OPTION_TIME("get_timeout", OPTION_LIVE, 5000, -1, NCP__DURATION_MAX_MS,
                    "how long a get waits for a connection; -1 for no limit, "
                    "never 0"),
    [NCP_OPTION_HEALTH_CHECK] =
        OPTION_BOOL("health_check", OPTION_FIXED, 1,
                    "whether idle connections are checked in the background"),
    [NCP_OPTION_HEALTH_CHECK_INTERVAL] = OPTION_TIME(
        "health_check_interval", OPTION_LIVE, 30000, 0, NCP__DURATION_MAX_MS,
        "time between two rounds of health checks; positive while "
        "health_check is on"),
    [NCP_OPTION_HEALTH_CHECK_TIMEOUT] = OPTION_TIME_0(
        "health_check_timeout", OPTION_LIVE, 3000, NCP__DURATION_MAX_MS,
        "3s, or half of health_check_interval if that is less",
        "how long one health check may take; more than "
        "health_check_interval becomes half of it"),
    [NCP_OPTION_CHECK_ON_BORROW] =
        OPTION_BOOL("check_on_borrow", OPTION_FIXED, 0,
                    "whether an idle connection is checked before it is lent"),
    [NCP_OPTION_LEAK_TIMEOUT] = OPTION_TIME_0(
        "leak_timeout", OPTION_LIVE, 300000, NCP__DURATION_MAX_MS, "off",
        "how long a connection may be borrowed before it counts as "
        "leaked"),
    [NCP_OPTION_LEAK_INTERVAL] =
        OPTION_TIME_0("leak_interval", OPTION_LIVE, 0, NCP__DURATION_MAX_MS,
                      "half of leak_timeout, between 1s and 1m0s",
                      "time between two searches for leaks"),
    [NCP_OPTION_LEAK_EVICT_MULTIPLIER] = OPTION_INT_0(
        "leak_evict_multiplier", OPTION_LIVE, "leak timeouts", 2, 2, 20,
        "never",
        "after how many leak timeouts a leaked connection is taken "
        "from its borrower"),
    [NCP_OPTION_CAPTURE_STACKS] = OPTION_BOOL(
        "capture_stacks", OPTION_FIXED, 0,
        "whether the stack of each borrower is kept, to find leaks"),
    [NCP_OPTION_STATS] =
        OPTION_BOOL("stats", OPTION_FIXED, 1, "whether statistics are kept"),
    [NCP_OPTION_LATENCY_SAMPLES] = OPTION_INT(
        "latency_samples", OPTION_FIXED, "samples", 1000, 1000, 100,
        OPTION_COUNT, "how many gets the percentiles are computed from"),
    [NCP_OPTION_CLEAR_UDP] =
        OPTION_BOOL("clear_udp", OPTION_FIXED, 1,
                    "whether stale datagrams are dropped when a UDP connection "
                    "is borrowed again"),
    [NCP_OPTION_UDP_CLEAR_TIMEOUT] = OPTION_TIME_0(
        "udp_clear_timeout", OPTION_FIXED, 100, NCP__DURATION_MAX_MS,
        "the default", "how long dropping stale datagrams may take"),
    [NCP_OPTION_MAX_BUFFER_CLEAR_PACKETS] = OPTION_INT_0(
        "max_buffer_clear_packets", OPTION_FIXED, "datagrams", 100, 100,
        OPTION_COUNT, "the default",
        "how many stale datagrams are dropped at most; a connection "
        "with more is closed"),
    [NCP_OPTION_RESTORE_BLOCKING] =
        OPTION_BOOL("restore_blocking", OPTION_FIXED, 0,
                    "whether a return puts O_NONBLOCK back to what the dialer "
                    "left"),
    [NCP_OPTION_MAX_CONCURRENT_CREATES] =
        OPTION_INT_0("max_concurrent_creates", OPTION_LIVE, "connections", 5, 5,
                     OPTION_CONNECTIONS, "unlimited",
                     "how many connections are created at the same time"),
    [NCP_OPTION_CREATE_RETRIES] =
        OPTION_INT("create_retries", OPTION_LIVE, "attempts", 0, 0, 0, 1000,
                   "how often a failed creation is repeated"),
    [NCP_OPTION_CREATE_RETRY_INTERVAL] = OPTION_TIME(
        "create_retry_interval", OPTION_LIVE, 10, 0, OPTION_SHORT_MS,
        "pause before a creation is repeated, times the attempt"),
    [NCP_OPTION_DIAL_IN_CALLER] = OPTION_BOOL(
        "dial_in_caller", OPTION_FIXED, 0,
        "whether the thread of get dials itself; deadlines then hold "
        "only as well as the dialer keeps them"),
    [NCP_OPTION_DIAL_RATE] =
        OPTION_INT_0("dial_rate", OPTION_LIVE, "dials/s", 0, 0, OPTION_COUNT,
                     "no limit", "how many dials a second are begun"),
    [NCP_OPTION_DIAL_BURST] =
        OPTION_INT("dial_burst", OPTION_LIVE, "dials", 1, 1, 1, OPTION_COUNT,
                   "how many dials may begin at once within dial_rate"),
    [NCP_OPTION_DIAL_BACKOFF] = OPTION_TIME_0(
        "dial_backoff", OPTION_LIVE, 0, NCP__DURATION_MAX_MS, "none",
        "pause after a failed dial; it grows, with jitter, while "
        "dials fail; at least 10ms with dial_policy wait"),
    [NCP_OPTION_DIAL_BACKOFF_MAX] = OPTION_TIME(
        "dial_backoff_max", OPTION_LIVE, 30000, 1, NCP__DURATION_MAX_MS,
        "the longest pause after a failed dial"),
    [NCP_OPTION_BREAKER_FAILURES] =
        OPTION_INT_0("breaker_failures", OPTION_LIVE, "dials", 0, 0,
                     OPTION_COUNT, "no breaker",
                     "after how many failed dials in a row the circuit breaker "
                     "opens"),
    [NCP_OPTION_BREAKER_COOLDOWN] = OPTION_TIME(
        "breaker_cooldown", OPTION_LIVE, 5000, 1, NCP__DURATION_MAX_MS,
        "how long the open breaker waits before a single dial probes "
        "the peer"),
    [NCP_OPTION_DIAL_POLICY] = OPTION_ENUM(
        "dial_policy", OPTION_LIVE, NCP_DIAL_FAIL_ONE, NCP_DIAL_FAIL_ONE,
        option_dial_policies,
        "who is told of a failed dial: fail_one (the waiter that "
        "asked for it), fail_all (every waiter) or wait (nobody: the "
        "pool dials again)"),
    [NCP_OPTION_CLEANUP_INTERVAL] = OPTION_TIME_0(
        "cleanup_interval", OPTION_FIXED, 0, NCP__DURATION_MAX_MS,
        "the least of 30s, half of idle_timeout and half of max_lifetime",
        "time between two searches for expired connections"),
    [NCP_OPTION_MAINTAIN_MIN] =
        OPTION_BOOL("maintain_min", OPTION_LIVE, 0,
                    "whether the pool is refilled to min_connections"),
    [NCP_OPTION_PREWARM_RETRY] =
        OPTION_BOOL("prewarm_retry", OPTION_FIXED, 0,
                    "whether a failed creation in advance is repeated"),
    [NCP_OPTION_PREWARM_MAX_RETRIES] = OPTION_INT(
        "prewarm_max_retries", OPTION_FIXED, "attempts", 3, 3, 0, 1000,
        "how often a creation in advance is repeated, for each connection"),
    [NCP_OPTION_PREWARM_RETRY_INTERVAL] = OPTION_TIME(
        "prewarm_retry_interval", OPTION_FIXED, 100, 0, OPTION_SHORT_MS,
        "pause before a creation in advance is repeated"),
    [NCP_OPTION_PREWARM_BLOCKING] =
        OPTION_BOOL("prewarm_blocking", OPTION_FIXED, 0,
                    "whether making the pool waits for the connections made in "
                    "advance (push driver)"),
    [NCP_OPTION_IDLE_ORDER] = OPTION_ENUM(
        "idle_order", OPTION_FIXED, NCP_IDLE_LIFO, NCP_IDLE_LIFO,
        option_idle_orders,
        "which idle connection is lent first: lifo (the one returned "
        "last) or fifo (the one returned first)"),
    [NCP_OPTION_FAIRNESS] = OPTION_ENUM(
        "fairness", OPTION_LIVE, NCP_FAIRNESS_STRICT, NCP_FAIRNESS_STRICT,
        option_fairnesses,
        "who gets a returned connection: strict (the oldest waiter) "
        "or adaptive (a running caller, until the oldest waiter has "
        "waited 1ms)"),
    [NCP_OPTION_STORE] = OPTION_ENUM("store", OPTION_FIXED, NCP_STORE_LOCKFREE,
                                     NCP_STORE_LOCKFREE, option_stores,
                                     "how idle connections are kept: lockfree, "
                                     "lock (a mutex and a list) or sharded (a "
                                     "chain for each of a few threads)"),
    [NCP_OPTION_MAX_WAITERS] = OPTION_INT_0(
        "max_waiters", OPTION_LIVE, "callers", 0, 0, 10 * OPTION_COUNT,
        "unlimited", "how many callers may wait at the same time"),
    [NCP_OPTION_LOG_LEVEL] = OPTION_ENUM(
        "log_level", OPTION_LIVE, NCP_LOG_WARN, NCP_LOG_WARN, option_log_levels,
        "how much is logged: off, error, warn, info or debug"),
    [NCP_OPTION_TCP_NODELAY] =
        OPTION_BOOL("tcp_nodelay", OPTION_FIXED, 1,
                    "whether the built-in dialer and acceptor set TCP_NODELAY"),
    [NCP_OPTION_TCP_KEEPALIVE] =
        OPTION_TIME_0("tcp_keepalive", OPTION_FIXED, 15000, INT64_C(32767000),
                      "off", "time between two TCP keep-alive probes"),
    [NCP_OPTION_SEND_BUFFER] =
        OPTION_INT_0("send_buffer", OPTION_FIXED, "bytes", 0, 0, 1 << 30,
                     "the system's", "size of the send buffer of a socket"),
    [NCP_OPTION_RECEIVE_BUFFER] =
        OPTION_INT_0("receive_buffer", OPTION_FIXED, "bytes", 0, 0, 1 << 30,
                     "the system's", "size of the receive buffer of a socket"),
    [NCP_OPTION_HAPPY_EYEBALLS_DELAY] =
        OPTION_TIME("happy_eyeballs_delay", OPTION_FIXED, 250, 10, 60000,
                    "how long the built-in dialer waits for one address before "
                    "it tries the next one beside it"),
    [NCP_OPTION_HOST_EVENTS] = OPTION_INT_0(
        "host_events", OPTION_FIXED, "", 0,
        0, NCP_HOST_BORROW | NCP_HOST_LEAK | NCP_HOST_LOG | NCP_HOST_DUE,
        "none",
        "which events the host of a pull pool wants besides; the "
        "sum of 1 (borrow), 2 (leak), 4 (log), 8 (due)"),
};

const struct ncp__option_row *ncp__option_row(int option)
{
    if (option <= 0 || option >= NCP__OPTION_END)
        return NULL;
    return &option_rows[option];
}

int ncp_option_at(int index, int *out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = 0;
    if (index < 0 || index >= NCP__OPTION_END - 1)
        return NCP_ENOTFOUND;
    *out = index + 1;
    return NCP_OK;
}

int ncp_option_find(const char *name, int *out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = 0;
    if (name == NULL)
        return NCP_EINVAL;
    for (int option = 1; option < NCP__OPTION_END; option++) {
        if (strcmp(option_rows[option].name, name) == 0) {
            *out = option;
            return NCP_OK;
        }
    }
    return NCP_ENOTFOUND;
}

const char *ncp_option_name(int option)
{
    const struct ncp__option_row *row = ncp__option_row(option);
    return row == NULL ? NULL : row->name;
}

const char *ncp_option_help(int option)
{
    const struct ncp__option_row *row = ncp__option_row(option);
    return row == NULL ? NULL : row->help;
}

const char *ncp_option_unit(int option)
{
    const struct ncp__option_row *row = ncp__option_row(option);
    return row == NULL ? NULL : row->unit;
}

int ncp_option_type(int option)
{
    const struct ncp__option_row *row = ncp__option_row(option);
    return row == NULL ? NCP_ENOTFOUND : row->type;
}

int ncp_option_runtime(int option)
{
    const struct ncp__option_row *row = ncp__option_row(option);
    return row == NULL ? NCP_ENOTFOUND : row->runtime;
}

static void option_store(int64_t *out, int64_t value)
{
    if (out != NULL)
        *out = value;
}

int ncp_option_range(int option, int mode, int64_t *def, int64_t *min,
                     int64_t *max)
{
    const struct ncp__option_row *row = ncp__option_row(option);

    option_store(def, 0);
    option_store(min, 0);
    option_store(max, 0);
    if (row == NULL)
        return NCP_ENOTFOUND;
    if (row->type == NCP_TYPE_TEXT)
        return NCP_EINVAL;
    if (mode != NCP_MODE_CLIENT && mode != NCP_MODE_SERVER)
        return NCP_EINVAL;
    option_store(def, mode == NCP_MODE_SERVER ? row->server : row->client);
    option_store(min, row->min);
    option_store(max, row->max);
    return NCP_OK;
}

/* ----------------------------------------------------------------- refusals */

int ncp__refuse(char *reason, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reason, NCP__REASON_SIZE, format, arguments);
    va_end(arguments);
    return NCP_EINVALIDCONFIG;
}

const char *ncp__quote(char *quote, const char *text)
{
    enum { DOTS = 3 };
    size_t i = 0;

    for (; text[i] != '\0' && i < NCP__QUOTE_SIZE - DOTS - 1; i++) {
        bool printable = text[i] >= ' ' && text[i] <= '~';
        quote[i] = printable ? text[i] : '?';
    }
    quote[i] = '\0';
    if (text[i] != '\0')
        memcpy(quote + i, "...", DOTS + 1);
    return quote;
}

static int option_refuse_enum(const struct ncp__option_row *row, int64_t value,
                              char *reason)
{
    char names[128] = "";
    size_t used = 0;

    for (int64_t i = row->min; i <= row->max; i++) {
        int n =
            snprintf(names + used, sizeof names - used, "%s%s (%lld)",
                     i == row->min ? "" : ", ", row->names[i], (long long)i);
        used += (size_t)n;
        NCP__ASSERT(used < sizeof names);
    }
    return ncp__refuse(reason, "%s is %lld: use %s", row->name,
                       (long long)value, names);
}

static int option_refuse_number(const struct ncp__option_row *row,
                                int64_t value, char *reason)
{
    bool zero = row->zero != NULL && row->min == 0;
    const char *unit = row->unit;
    char meaning[128] = "";

    if (row->type == NCP_TYPE_DURATION)
        unit = "milliseconds";
    if (zero)
        snprintf(meaning, sizeof meaning, "0 (%s), or ", row->zero);
    return ncp__refuse(reason, "%s is %lld: use %s%lld to %lld%s%s", row->name,
                       (long long)value, meaning,
                       (long long)(zero ? 1 : row->min), (long long)row->max,
                       *unit == '\0' ? "" : " ", unit);
}

/* Below 0 is no limit, whatever the number; only 0 has no meaning. */
static int option_check_get(int64_t value, char *reason)
{
    if (value < 0 || (value > 0 && value <= NCP__DURATION_MAX_MS))
        return NCP_OK;
    return ncp__refuse(reason,
                       "get_timeout is %lld: use a positive number of "
                       "milliseconds (at most %lld), or -1 for no limit",
                       (long long)value, (long long)NCP__DURATION_MAX_MS);
}

int ncp__option_check(int option, int64_t value, char *reason)
{
    const struct ncp__option_row *row = ncp__option_row(option);

    if (row == NULL)
        return ncp__refuse(reason,
                           "%d is no option: use a value of enum "
                           "ncp_option",
                           option);
    if (row->type == NCP_TYPE_TEXT)
        return ncp__refuse(reason, "%s is a text: it takes no number",
                           row->name);
    if (option == NCP_OPTION_GET_TIMEOUT)
        return option_check_get(value, reason);
    if (value >= row->min && value <= row->max)
        return NCP_OK;
    if (row->type == NCP_TYPE_ENUM)
        return option_refuse_enum(row, value, reason);
    if (row->type == NCP_TYPE_BOOL)
        return ncp__refuse(reason, "%s is %lld: use 0 (off) or 1 (on)",
                           row->name, (long long)value);
    return option_refuse_number(row, value, reason);
}

/* --------------------------------------------------------------- suggestion */

enum { NEAREST_LENGTH = 40, NEAREST_DISTANCE = 3 };

static size_t option_min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* How many letters must be put in, taken out or changed (Levenshtein). */
static size_t option_distance(const char *a, const char *b)
{
    size_t row[NEAREST_LENGTH + 1];
    size_t width = strlen(b);

    for (size_t j = 0; j <= width; j++)
        row[j] = j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < width; j++) {
            size_t above = row[j + 1];
            row[j + 1] =
                option_min3(above + 1, row[j] + 1, diagonal + (a[i] != b[j]));
            diagonal = above;
        }
    }
    return row[width];
}

int ncp__option_nearest(const char *name)
{
    size_t least = NEAREST_DISTANCE + 1;
    int nearest = 0;

    if (strlen(name) > NEAREST_LENGTH || strlen(name) <= NEAREST_DISTANCE)
        return 0;
    for (int option = 1; option < NCP__OPTION_END; option++) {
        size_t distance = option_distance(name, option_rows[option].name);
        if (distance < least) {
            least = distance;
            nearest = option;
        }
    }
    return nearest;
}
