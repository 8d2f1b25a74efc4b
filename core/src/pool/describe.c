/* A pool in words, for whoever has to find out what is wrong. */
#include "pool/pool.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { SHOWN_LEASES = 10 };

struct text {
    char *buffer;
    size_t size, length;
};

static void add(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(struct text *text, const char *format, ...)
{
    size_t left = text->length < text->size ? text->size - text->length : 0;
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(left != 0 ? text->buffer + text->length : NULL, left,
                           format, arguments);
    va_end(arguments);
    text->length += length > 0 ? (size_t)length : 0;
}

static const char *state_of(const ncp_pool *pool)
{
    uint64_t gate = ncp__engine_gate(&pool->engine);

    if ((gate & NCP__GATE_CLOSED) != 0)
        return "closed";
    return (gate & NCP__GATE_SUSPENDED) != 0 ? "suspended" : "open";
}

static void add_counts(struct text *text, const ncp_pool *pool)
{
    struct ncp__engine *engine = ncp__pool_engine(pool);
    const char *name = pool->config.text[NCP_OPTION_NAME];
    uint32_t idle, active;

    ncp__engine_counts(engine, &idle, &active);
    ncp__engine_lock(engine);
    uint32_t waiting = engine->lines.waiting, dialing = engine->dialing;
    uint32_t max = engine->limits.max;
    enum ncp__breaker breaker = engine->gatekeeper.breaker;
    ncp__engine_unlock(engine);
    add(text, "pool %s: %s, %s, %s driver\n", name == NULL ? "-" : name,
        state_of(pool),
        ncp_mode_text((int)ncp__pool_num(pool, NCP_OPTION_MODE)),
        pool->pull ? "pull" : "push");
    add(text, "connections: %u in use, %u idle, %u being made, ", active, idle,
        dialing);
    if (max == 0)
        add(text, "no limit\n");
    else
        add(text, "limit %u\n", max);
    add(text, "waiting: %u\n", waiting);
    if (breaker != NCP__BREAKER_CLOSED)
        add(text, "circuit breaker: %s\n",
            breaker == NCP__BREAKER_OPEN ? "open" : "probing");
}

static void add_gets(struct text *text, const ncp_pool *pool)
{
    uint64_t v[NCP_COUNTER_COUNT];

    if (pool->engine.latency == NULL)
        return;
    (void)ncp_pool_stats(pool, v, NCP_COUNTER_COUNT);
    add(text,
        "gets: %" PRIu64 " successful, %" PRIu64 " failed, %" PRIu64
        " timed out; p50 %" PRIu64 " ns, p99 %" PRIu64 " ns\n",
        v[NCP_COUNTER_SUCCESSFUL], v[NCP_COUNTER_FAILED],
        v[NCP_COUNTER_TIMEOUT], v[NCP_COUNTER_P50_GET_TIME],
        v[NCP_COUNTER_P99_GET_TIME]);
    add(text,
        "created: %" PRIu64 ", closed: %" PRIu64 ", errors: %" PRIu64
        ", leaked: %" PRIu64 ", evicted: %" PRIu64 "\n",
        v[NCP_COUNTER_CREATED], v[NCP_COUNTER_CLOSED],
        v[NCP_COUNTER_CONNECTION_ERRORS], v[NCP_COUNTER_LEAKED],
        v[NCP_COUNTER_EVICTED]);
}

static void add_dial_error(struct text *text, const ncp_pool *pool)
{
    int64_t code, age_ms;
    uint64_t count;
    char reason[128];

    if (ncp_pool_dial_error(pool, &code, &age_ms, &count, reason,
                            sizeof(reason)) != NCP_OK)
        return;
    add(text,
        "last dial error: code %" PRId64 ", %" PRId64 " ms ago, %" PRIu64
        " in a row: %s\n",
        code, age_ms, count, reason);
}

static void add_lease(struct text *text, const ncp_pool *pool, ncp_lease lease)
{
    uint64_t id = 0, age_ns = 0, tag = 0, leaked = 0;

    if (ncp_lease_info(pool, lease, NCP_INFO_ID, &id) != NCP_OK ||
        ncp_lease_info(pool, lease, NCP_INFO_BORROWED_NS, &age_ns) != NCP_OK ||
        ncp_lease_info(pool, lease, NCP_INFO_TAG, &tag) != NCP_OK ||
        ncp_lease_info(pool, lease, NCP_INFO_LEAK_DETECTED, &leaked) != NCP_OK)
        return; /* it came back meanwhile */
    add(text,
        "borrowed: connection %" PRIu64 " for %" PRIu64 " ms, tag %" PRIu64
        "%s\n",
        id, age_ns / NCP__NS_PER_MS, tag, leaked != 0 ? ", leaked" : "");
}

static void add_leases(struct text *text, const ncp_pool *pool)
{
    ncp_lease leases[SHOWN_LEASES];
    size_t count;

    if (ncp_pool_leases(pool, leases, SHOWN_LEASES, &count) != NCP_OK)
        return;
    for (size_t i = 0; i < count && i < SHOWN_LEASES; i++)
        add_lease(text, pool, leases[i]);
    if (count > SHOWN_LEASES)
        add(text, "borrowed: %zu more\n", count - SHOWN_LEASES);
}

int ncp_pool_describe(const ncp_pool *pool, char *buffer, size_t size)
{
    struct text text = {buffer, size, 0};

    if (size != 0 && buffer != NULL)
        buffer[0] = '\0';
    if (pool == NULL || (buffer == NULL && size != 0))
        return NCP_EINVAL;
    add_counts(&text, pool);
    add_gets(&text, pool);
    add_dial_error(&text, pool);
    add_leases(&text, pool);
    return (int)text.length;
}
