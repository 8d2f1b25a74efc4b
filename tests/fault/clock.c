/*
 * A clock that stands still, and one that jumps forward by days or centuries:
 * waits, ages and counters stay sane.
 *
 * usage: fault_clock [case]
 */
#include "child.h"
#include "snapshot.h"
#include "world.h"

#include <stdio.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)
#define DAY (UINT64_C(86400) * SECOND)
#define CENTURY (UINT64_C(36525) * DAY)

enum { MAX = 2 };

struct bench {
    ncp_pool *pool;
    struct world *world;
    _Atomic uint64_t now;
};

static uint64_t tell(void *user)
{
    struct bench *bench = user;
    return atomic_load(&bench->now);
}

struct setting {
    int option;
    int64_t value;
};

static struct bench *bench_new(uint64_t now, const struct setting *settings)
{
    static struct bench bench;
    ncp_config *config = NULL;

    memset(&bench, 0, sizeof(bench));
    atomic_store(&bench.now, now);
    bench.world = world_new(MAX + 1);
    atomic_store(&bench.world->may_take_away, true);
    REQUIRE_EQ(ncp_config_new(NCP_MODE_CLIENT, &config), NCP_OK);
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_MAX_CONNECTIONS, MAX), 0);
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, 0), 0);
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_LOG_LEVEL, 0), 0);
    for (; settings && settings->option; settings++)
        REQUIRE_EQ(
            ncp_config_set_int(config, settings->option, settings->value),
            NCP_OK);
    REQUIRE_EQ(ncp_config_set_clock(config, tell, &bench, NULL), NCP_OK);
    REQUIRE_EQ(ncp_config_set_dialer(config, world_dialer, bench.world, NULL),
               NCP_OK);
    REQUIRE_EQ(ncp_config_set_callback(config, NCP_CALLBACK_CLOSER,
                                       world_closer, bench.world, NULL),
               NCP_OK);
    REQUIRE_EQ(ncp_pool_new(config, &bench.pool), NCP_OK);
    ncp_config_free(config);
    expect_about(bench.pool);
    return &bench;
}

static void jump(struct bench *bench, uint64_t by)
{
    atomic_fetch_add(&bench->now, by);
    REQUIRE_EQ(ncp_pool_wake(bench->pool), NCP_OK);
}

static void stats(struct bench *bench, uint64_t *value)
{
    snapshot_take(bench->pool, value, MAX, MAX);
    REQUIRE_EQ(value[NCP_COUNTER_LAST_UPDATE], atomic_load(&bench->now));
    REQUIRE(value[NCP_COUNTER_AVERAGE_LIFETIME] <= atomic_load(&bench->now));
    REQUIRE(value[NCP_COUNTER_MAX_GET_TIME] <= atomic_load(&bench->now));
}

static void bench_end(struct bench *bench)
{
    uint64_t value[NCP_COUNTER_COUNT];

    REQUIRE_EQ(ncp_pool_close(bench->pool), NCP_OK);
    /* What the housekeeping was closing may take a moment more. */
    REQUIRE_SOON((ncp_pool_stats(bench->pool, value, NCP_COUNTER_COUNT),
                  value[NCP_COUNTER_CURRENT] == 0));
    stats(bench, value);
    REQUIRE_EQ(value[NCP_COUNTER_CREATED], value[NCP_COUNTER_CLOSED]);
    expect_about(NULL);
    ncp_pool_free(bench->pool);
    world_require_empty(bench->world);
    world_free(bench->world);
}

struct getter {
    struct bench *bench;
    int64_t timeout_ms;
    pthread_t thread;
    int status;
};

static void *get_and_put(void *arg)
{
    struct getter *getter = arg;
    ncp_lease lease = 0;

    getter->status =
        ncp_pool_get_timeout(getter->bench->pool, getter->timeout_ms, &lease);
    if (getter->status == NCP_OK)
        REQUIRE_EQ(ncp_pool_put(getter->bench->pool, lease), NCP_OK);
    return NULL;
}

static void start(struct getter *getter, struct bench *bench,
                  int64_t timeout_ms)
{
    getter->bench = bench;
    getter->timeout_ms = timeout_ms;
    REQUIRE_EQ(pthread_create(&getter->thread, NULL, get_and_put, getter), 0);
}

static void take_all(struct bench *bench, ncp_lease *lease)
{
    for (int i = 0; i < MAX; i++)
        REQUIRE_EQ(ncp_pool_get(bench->pool, &lease[i]), NCP_OK);
}

/* Time that does not pass holds up nobody but those who wait for it. */
static void standing_clock(void)
{
    struct bench *bench = bench_new(7, NULL);
    struct getter getter;
    ncp_lease lease[MAX];

    for (int round = 0; round < 50; round++) {
        take_all(bench, lease);
        start(&getter, bench, 1 + round % 3);
        REQUIRE_SOON(ncp_pool_waiting_count(bench->pool) == 1);
        REQUIRE_EQ(ncp_pool_wake(bench->pool), NCP_OK);
        for (int i = 0; i < MAX; i++)
            REQUIRE_EQ(round % 2 ? ncp_pool_put(bench->pool, lease[i])
                                 : ncp_pool_discard(bench->pool, lease[i]),
                       NCP_OK);
        pthread_join(getter.thread, NULL);
        REQUIRE_EQ(getter.status, NCP_OK);
    }
    bench_end(bench);
}

static void jump_ends_the_waits_it_passes(void)
{
    static const struct setting settings[] = {{NCP_OPTION_LEAK_TIMEOUT, 0},
                                              {0, 0}};
    struct bench *bench = bench_new(0, settings);
    struct getter limited, patient;
    ncp_lease lease[MAX];
    uint64_t value[NCP_COUNTER_COUNT];

    take_all(bench, lease);
    start(&limited, bench, 3600 * 1000);
    REQUIRE_SOON(ncp_pool_waiting_count(bench->pool) == 1);
    start(&patient, bench, -1);
    REQUIRE_SOON(ncp_pool_waiting_count(bench->pool) == 2);
    jump(bench, 3599 * SECOND);
    REQUIRE_EQ(ncp_pool_waiting_count(bench->pool), 2);
    jump(bench, 10 * SECOND);
    pthread_join(limited.thread, NULL);
    REQUIRE_EQ(limited.status, NCP_ETIMEOUT);
    REQUIRE_EQ(ncp_pool_waiting_count(bench->pool), 1);
    for (int i = 0; i < MAX; i++)
        ncp_pool_put(bench->pool, lease[i]);
    pthread_join(patient.thread, NULL);
    REQUIRE_EQ(patient.status, NCP_OK);
    stats(bench, value);
    REQUIRE_EQ(value[NCP_COUNTER_TIMEOUT], 1);
    REQUIRE(value[NCP_COUNTER_MAX_GET_TIME] >= 3609 * SECOND);
    bench_end(bench);
}

/* Idle ones expire, borrowed ones are never closed for their age. */
static void jump_by(uint64_t by)
{
    static const struct setting settings[] = {
        {NCP_OPTION_LEAK_TIMEOUT, 0}, {NCP_OPTION_HEALTH_CHECK, 0}, {0, 0}};
    struct bench *bench = bench_new(SECOND, settings);
    ncp_lease lease[MAX];
    uint64_t first = 0, second = 0, age = 0;

    take_all(bench, lease);
    REQUIRE_EQ(ncp_lease_info(bench->pool, lease[0], NCP_INFO_ID, &first), 0);
    REQUIRE_EQ(ncp_pool_put(bench->pool, lease[1]), NCP_OK);
    jump(bench, by);
    REQUIRE_SOON(ncp_pool_idle_count(bench->pool) == 0);
    REQUIRE_EQ(ncp_lease_info(bench->pool, lease[0], NCP_INFO_AGE_NS, &age), 0);
    REQUIRE_EQ(age, by);
    REQUIRE_EQ(ncp_pool_put(bench->pool, lease[0]), NCP_OK);
    REQUIRE_EQ(ncp_pool_idle_count(bench->pool), 0);
    REQUIRE_EQ(ncp_pool_get(bench->pool, &lease[0]), NCP_OK);
    REQUIRE_EQ(ncp_lease_info(bench->pool, lease[0], NCP_INFO_ID, &second), 0);
    REQUIRE(second != first);
    REQUIRE_EQ(ncp_pool_put(bench->pool, lease[0]), NCP_OK);
    REQUIRE_EQ(ncp_pool_idle_count(bench->pool), 1);
    bench_end(bench);
}

static void jump_by_days(void)
{
    jump_by(10 * DAY);
}

static void jump_by_centuries(void)
{
    jump_by(2 * CENTURY);
}

static void jump_makes_leases_leak_once(void)
{
    struct bench *bench = bench_new(5, NULL);
    ncp_lease lease[MAX];
    uint64_t value[NCP_COUNTER_COUNT];

    take_all(bench, lease);
    jump(bench, 30 * DAY);
    REQUIRE_SOON(ncp_pool_active_count(bench->pool) == 0);
    stats(bench, value);
    REQUIRE_EQ(value[NCP_COUNTER_LEAKED], MAX);
    REQUIRE_EQ(value[NCP_COUNTER_EVICTED], MAX);
    jump(bench, 30 * DAY);
    for (int i = 0; i < MAX; i++)
        REQUIRE_EQ(ncp_pool_put(bench->pool, lease[i]), NCP_ELEAKED);
    stats(bench, value);
    REQUIRE_EQ(value[NCP_COUNTER_EVICTED], MAX);
    take_all(bench, lease);
    for (int i = 0; i < MAX; i++)
        REQUIRE_EQ(ncp_pool_put(bench->pool, lease[i]), NCP_OK);
    bench_end(bench);
}

/* A deadline may lie past the end of the clock's range. */
static void clock_near_its_end(void)
{
    static const struct setting settings[] = {
        {NCP_OPTION_GET_TIMEOUT, 86400000}, {0, 0}};
    struct bench *bench = bench_new(UINT64_MAX / 2 - SECOND, settings);
    struct getter getter;
    ncp_lease lease[MAX];

    take_all(bench, lease);
    start(&getter, bench, INT64_MAX);
    REQUIRE_SOON(ncp_pool_waiting_count(bench->pool) == 1);
    REQUIRE_EQ(ncp_pool_wake(bench->pool), NCP_OK);
    REQUIRE_EQ(ncp_pool_waiting_count(bench->pool), 1);
    REQUIRE_EQ(ncp_pool_put(bench->pool, lease[0]), NCP_OK);
    pthread_join(getter.thread, NULL);
    REQUIRE_EQ(getter.status, NCP_OK);
    REQUIRE_EQ(ncp_pool_put(bench->pool, lease[1]), NCP_OK);
    REQUIRE_EQ(ncp_pool_idle_count(bench->pool), MAX);
    bench_end(bench);
}

static const struct child_case cases[] = {
    CHILD_CASE(standing_clock),
    CHILD_CASE(jump_ends_the_waits_it_passes),
    CHILD_CASE(jump_by_days),
    CHILD_CASE(jump_by_centuries),
    CHILD_CASE(jump_makes_leases_leak_once),
    CHILD_CASE(clock_near_its_end),
};

int main(int argc, char **argv)
{
    return child_cases(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
