#include "snapshot.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#define AT(name) (value[NCP_COUNTER_##name])

static void show(const uint64_t *value)
{
    for (int i = 0; i < NCP_COUNTER_COUNT; i++) {
        const char *name = NULL;
        ncp_counter_at(i, NULL, &name, NULL, NULL);
        fprintf(stderr, "  %s = %lld\n", name ? name : "?",
                (long long)value[i]);
    }
}

#define HOLD(condition)                                                        \
    do {                                                                       \
        if (!(condition)) {                                                    \
            show(value);                                                       \
            REQUIRE(condition);                                                \
        }                                                                      \
    } while (0)

static void check_connections(const uint64_t *value)
{
    HOLD(AT(CREATED) >= AT(CLOSED));
    HOLD(AT(CREATED) - AT(CLOSED) == AT(CURRENT));
    HOLD(AT(IDLE) + AT(ACTIVE) == AT(CURRENT));
    HOLD(AT(TCP) + AT(UDP) <= AT(CURRENT));
    HOLD(AT(IPV4) + AT(IPV6) <= AT(CURRENT));
    HOLD(AT(TCP_IDLE) + AT(UDP_IDLE) <= AT(IDLE));
    HOLD(AT(IPV4_IDLE) + AT(IPV6_IDLE) <= AT(IDLE));
    HOLD(AT(TCP_IDLE) <= AT(TCP) && AT(UDP_IDLE) <= AT(UDP));
    HOLD(AT(IPV4_IDLE) <= AT(IPV4) && AT(IPV6_IDLE) <= AT(IPV6));
    HOLD(AT(DETACHED) <= AT(CLOSED));
}

static void check_gets(const uint64_t *value)
{
    HOLD(AT(TOTAL) ==
         AT(SUCCESSFUL) + AT(FAILED) + AT(TIMEOUT) + AT(IN_FLIGHT));
    HOLD(AT(REUSED) <= AT(SUCCESSFUL));
    HOLD(AT(CANCELED) <= AT(FAILED));
    HOLD(AT(HC_FAILURES) <= AT(HC_ATTEMPTS));
    HOLD(AT(P50_GET_TIME) <= AT(P95_GET_TIME));
    HOLD(AT(P95_GET_TIME) <= AT(P99_GET_TIME));
}

void snapshot_check(const uint64_t *value, uint64_t max, uint64_t max_idle)
{
    /* Nothing is below zero: as an unsigned number it would be enormous. */
    for (int i = 0; i < NCP_COUNTER_COUNT; i++)
        HOLD((int64_t)value[i] >= 0);
    check_connections(value);
    check_gets(value);
    if (max > 0)
        HOLD(AT(CURRENT) + AT(DIALING) <= max);
    if (max_idle > 0)
        HOLD(AT(IDLE) <= max_idle);
}

void snapshot_check_order(const uint64_t *before, const uint64_t *after)
{
    for (int i = 0; i < NCP_COUNTER_COUNT; i++) {
        int kind = 0;
        REQUIRE_EQ(ncp_counter_at(i, &kind, NULL, NULL, NULL), NCP_OK);
        if (kind == NCP_KIND_CUMULATIVE && after[i] < before[i]) {
            show(after);
            expect_failed(__FILE__, __LINE__, "a cumulative counter went back",
                          (int64_t)after[i], (int64_t)before[i], true);
        }
    }
}

void snapshot_take(const ncp_pool *pool, uint64_t *value, uint64_t max,
                   uint64_t max_idle)
{
    REQUIRE_EQ(ncp_pool_stats(pool, value, NCP_COUNTER_COUNT), NCP_OK);
    snapshot_check(value, max, max_idle);
}

static void *sample(void *arg)
{
    struct sampler *sampler = arg;
    uint64_t before[NCP_COUNTER_COUNT] = {0};
    uint64_t after[NCP_COUNTER_COUNT];

    do {
        snapshot_take(sampler->pool, after, sampler->max, sampler->max_idle);
        snapshot_check_order(before, after);
        memcpy(before, after, sizeof(before));
        sampler->taken++;
        sched_yield();
    } while (!atomic_load(&sampler->stop));
    return NULL;
}

void sampler_start(struct sampler *sampler, const ncp_pool *pool, uint64_t max,
                   uint64_t max_idle)
{
    memset(sampler, 0, sizeof(*sampler));
    sampler->pool = pool;
    sampler->max = max;
    sampler->max_idle = max_idle;
    REQUIRE_EQ(pthread_create(&sampler->thread, NULL, sample, sampler), 0);
}

void sampler_stop(struct sampler *sampler)
{
    atomic_store(&sampler->stop, true);
    pthread_join(sampler->thread, NULL);
    REQUIRE(sampler->taken > 0);
}
