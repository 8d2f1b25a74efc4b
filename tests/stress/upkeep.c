/*
 * Borrowers against the housekeeping: tiny idle timeouts and lifetimes, checks
 * that fail by chance, leases that are taken away, refills and prewarming.
 *
 * usage: stress_upkeep <operations> <seed>
 */
#include "snapshot.h"
#include "world.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BORROWERS = 8, POOLS = 3, MOST_POOLS = 100, MAX = 6, MIN = 3 };

struct upkeep;

struct borrower {
    struct upkeep *upkeep;
    int id;
    pthread_t thread;
    struct rng rng;
    uint64_t calls;
    uint64_t leaked; /* puts that were answered with NCP_ELEAKED */
};

struct upkeep {
    ncp_pool *pool;
    struct world *world;
    struct borrower borrower[BORROWERS];
    uint64_t calls; /* each */
    _Atomic uint64_t dice;
    atomic_ulong checks;
    atomic_ulong flagged;
    atomic_ulong evicted;
    atomic_ulong reasons[NCP_REASON_FORKED + 1];
};

static bool callback_one_in(struct upkeep *upkeep, uint32_t n)
{
    struct rng rng = {atomic_fetch_add_explicit(
        &upkeep->dice, UINT64_C(0x9e3779b97f4a7c15), memory_order_relaxed)};
    return rng_one_in(&rng, n);
}

static int dialer(void *user, ncp_dial *dial)
{
    struct upkeep *upkeep = user;

    if (callback_one_in(upkeep, 20))
        return NCP_EDIAL;
    return world_dialer(upkeep->world, dial);
}

static int closer(void *user, const ncp_conn *conn, int reason)
{
    struct upkeep *upkeep = user;

    REQUIRE(reason > NCP_REASON_NONE && reason <= NCP_REASON_FORKED);
    atomic_fetch_add(&upkeep->reasons[reason], 1);
    world_close(upkeep->world, ncp_conn_handle(conn));
    return NCP_OK;
}

static int checker(void *user, const ncp_conn *conn, int reason)
{
    struct upkeep *upkeep = user;

    (void)reason;
    REQUIRE(world_is_open(upkeep->world, ncp_conn_handle(conn)));
    /* While it is checked it is nobody's: the checker is its only owner. */
    world_own(upkeep->world, ncp_conn_handle(conn));
    atomic_fetch_add(&upkeep->checks, 1);
    if (callback_one_in(upkeep, 4))
        sched_yield();
    REQUIRE(world_disown(upkeep->world, ncp_conn_handle(conn)));
    return callback_one_in(upkeep, 6) ? NCP_EUNHEALTHY : NCP_OK;
}

static int on_leak(void *user, const ncp_conn *conn, int reason)
{
    struct upkeep *upkeep = user;

    REQUIRE(ncp_conn_id(conn) != 0);
    atomic_fetch_add(
        reason == NCP_REASON_LEAKED ? &upkeep->evicted : &upkeep->flagged, 1);
    return NCP_OK;
}

static ncp_pool *new_pool(struct upkeep *upkeep)
{
    static const struct {
        int option;
        int64_t value;
    } options[] = {
        {NCP_OPTION_MAX_CONNECTIONS, MAX},
        {NCP_OPTION_MIN_CONNECTIONS, MIN},
        {NCP_OPTION_MAX_IDLE_CONNECTIONS, MAX - 1},
        {NCP_OPTION_MAINTAIN_MIN, 1},
        {NCP_OPTION_PREWARM_RETRY, 1},
        {NCP_OPTION_PREWARM_MAX_RETRIES, 3},
        {NCP_OPTION_PREWARM_RETRY_INTERVAL, 1},
        {NCP_OPTION_GET_TIMEOUT, -1},
        {NCP_OPTION_IDLE_TIMEOUT, 4},
        {NCP_OPTION_MAX_LIFETIME, 8},
        {NCP_OPTION_EXPIRY_JITTER, 30},
        {NCP_OPTION_CLEANUP_INTERVAL, 1},
        {NCP_OPTION_HEALTH_CHECK, 1},
        {NCP_OPTION_HEALTH_CHECK_INTERVAL, 2},
        {NCP_OPTION_LEAK_TIMEOUT, 3},
        {NCP_OPTION_LEAK_INTERVAL, 1},
        {NCP_OPTION_LEAK_EVICT_MULTIPLIER, 2},
        {NCP_OPTION_CAPTURE_STACKS, 1},
        {NCP_OPTION_DIAL_BACKOFF, 0},
        {NCP_OPTION_BREAKER_FAILURES, 0},
        {NCP_OPTION_LOG_LEVEL, 0},
    };
    static const struct {
        int callback;
        ncp_conn_fn function;
    } hooks[] = {
        {NCP_CALLBACK_CLOSER, closer},
        {NCP_CALLBACK_CHECKER, checker},
        {NCP_CALLBACK_ON_LEAK, on_leak},
    };
    ncp_config *config = NULL;
    ncp_pool *pool = NULL;

    REQUIRE_EQ(ncp_config_new(NCP_MODE_CLIENT, &config), NCP_OK);
    world_store(config);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        REQUIRE_EQ(
            ncp_config_set_int(config, options[i].option, options[i].value),
            NCP_OK);
    for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++)
        REQUIRE_EQ(ncp_config_set_callback(config, hooks[i].callback,
                                           hooks[i].function, upkeep, NULL),
                   NCP_OK);
    REQUIRE_EQ(ncp_config_set_dialer(config, dialer, upkeep, NULL), NCP_OK);
    if (ncp_pool_new(config, &pool) != NCP_OK)
        expect_failed(__FILE__, __LINE__, ncp_config_reason(config), 0, 0,
                      false);
    ncp_config_free(config);
    return pool;
}

static void use(struct borrower *borrower, ncp_lease lease)
{
    struct upkeep *upkeep = borrower->upkeep;
    char stack[256];
    uint64_t handle = 0;

    /* A lease may be taken away at any moment, this one included. */
    int status = ncp_lease_handle(upkeep->pool, lease, &handle);
    if (status == NCP_OK)
        world_own(upkeep->world, handle);
    else
        REQUIRE_EQ(status, NCP_EINVALIDCONN);
    switch (rng_below(&borrower->rng, 32)) {
    case 0:
        sleep_us(2000 + rng_below(&borrower->rng, 8000));
        break;
    case 1:
        sleep_us(rng_below(&borrower->rng, 1000));
        break;
    case 2:
        ncp_lease_stack(upkeep->pool, lease, stack, sizeof(stack));
        break;
    default:
        break;
    }
    bool mine = handle && world_disown(upkeep->world, handle);
    status = rng_one_in(&borrower->rng, 8)
                 ? ncp_pool_discard(upkeep->pool, lease)
                 : ncp_pool_put(upkeep->pool, lease);
    REQUIRE(status == NCP_OK || status == NCP_ELEAKED);
    if (!mine)
        REQUIRE_EQ(status, NCP_ELEAKED);
    borrower->leaked += status == NCP_ELEAKED;
    REQUIRE_EQ(ncp_pool_put(upkeep->pool, lease), NCP_EINVALIDCONN);
}

static void look_around(struct borrower *borrower)
{
    ncp_pool *pool = borrower->upkeep->pool;
    ncp_lease leases[4];
    char text[2048];
    size_t out = 0;

    REQUIRE_EQ(ncp_pool_leases(pool, leases, 4, &out), NCP_OK);
    REQUIRE(out <= MAX);
    REQUIRE(ncp_pool_describe(pool, text, sizeof(text)) > 0);
    REQUIRE_EQ(ncp_pool_wake(pool), NCP_OK);
}

static void *work(void *arg)
{
    struct borrower *borrower = arg;
    struct upkeep *upkeep = borrower->upkeep;

    while (borrower->calls < upkeep->calls) {
        ncp_lease lease = 0;

        watchdog_beat(borrower->id, "get");
        int status = ncp_pool_get(upkeep->pool, &lease);
        watchdog_beat(borrower->id, "use");
        REQUIRE(status == NCP_OK || status == NCP_EDIAL);
        if (status == NCP_OK)
            use(borrower, lease);
        if (rng_one_in(&borrower->rng, 64))
            look_around(borrower);
        if (rng_one_in(&borrower->rng, 256))
            sleep_us(6000); /* long enough for idle ones to expire */
        borrower->calls += 3;
    }
    watchdog_rest(borrower->id);
    return NULL;
}

static void check_end(struct upkeep *upkeep)
{
    uint64_t value[NCP_COUNTER_COUNT];
    uint64_t leaked = 0;

    for (int i = 0; i < BORROWERS; i++)
        leaked += upkeep->borrower[i].leaked;
    REQUIRE_SOON(ncp_pool_dialing_count(upkeep->pool) == 0);
    REQUIRE_SOON((ncp_pool_stats(upkeep->pool, value, NCP_COUNTER_COUNT),
                  value[NCP_COUNTER_CREATED] == value[NCP_COUNTER_CLOSED]));
    snapshot_take(upkeep->pool, value, MAX, MAX);
    REQUIRE_EQ(value[NCP_COUNTER_CREATED], atomic_load(&upkeep->world->opened));
    REQUIRE_EQ(value[NCP_COUNTER_EVICTED], leaked);
    REQUIRE_EQ(value[NCP_COUNTER_EVICTED], atomic_load(&upkeep->evicted));
    REQUIRE_EQ(value[NCP_COUNTER_LEAKED], atomic_load(&upkeep->flagged));
    REQUIRE(value[NCP_COUNTER_LEAKED] >= leaked);
    REQUIRE(value[NCP_COUNTER_HC_ATTEMPTS] <= atomic_load(&upkeep->checks));
}

/* What this program is about has happened at all. */
static bool has_seen_all(const uint64_t *reasons, uint64_t checks)
{
    return checks > 0 && reasons[NCP_REASON_IDLE_TIMEOUT] > 0 &&
           reasons[NCP_REASON_MAX_LIFETIME] > 0 &&
           reasons[NCP_REASON_UNHEALTHY] > 0 && reasons[NCP_REASON_LEAKED] > 0;
}

static void one_pool(struct upkeep *upkeep, uint64_t calls, struct rng *rng)
{
    struct sampler sampler;

    memset(upkeep, 0, sizeof(*upkeep));
    upkeep->calls = calls / BORROWERS;
    upkeep->dice = rng_next(rng);
    /* A check that ran too long has left the pool before it is closed, and so
     * has a lease that was taken away. */
    upkeep->world = world_new(MAX + 16);
    atomic_store(&upkeep->world->may_take_away, true);
    upkeep->pool = new_pool(upkeep);
    expect_about(upkeep->pool);
    sampler_start(&sampler, upkeep->pool, MAX, MAX - 1);
    for (int i = 0; i < BORROWERS; i++) {
        struct borrower *borrower = &upkeep->borrower[i];
        borrower->upkeep = upkeep;
        borrower->id = i;
        borrower->rng.state = rng_next(rng);
        REQUIRE_EQ(pthread_create(&borrower->thread, NULL, work, borrower), 0);
    }
    for (int i = 0; i < BORROWERS; i++)
        pthread_join(upkeep->borrower[i].thread, NULL);
    /* Nobody borrows: the housekeeping has the pool for itself. */
    sleep_us(30000);
    sampler_stop(&sampler);
    /* Closes that the housekeeping left to a worker end too. */
    REQUIRE_EQ(ncp_pool_close_wait(upkeep->pool, -1), NCP_OK);
    check_end(upkeep);
    expect_about(NULL);
    ncp_pool_free(upkeep->pool);
    world_require_empty(upkeep->world);
    world_free(upkeep->world);
}

int main(int argc, char **argv)
{
    static struct upkeep upkeep;
    uint64_t reasons[NCP_REASON_FORKED + 1] = {0};
    uint64_t checks = 0;

    if (argc != 3) {
        fprintf(stderr, "usage: stress_upkeep <operations> <seed>\n");
        return 2;
    }
    uint64_t operations = strtoull(argv[1], NULL, 10);
    struct rng rng = {strtoull(argv[2], NULL, 10)};
    expect_context("stress_upkeep %s %s", argv[1], argv[2]);
    /* The first thread of all may bring one of a sanitizer's with it. */
    watchdog_start(0);
    int threads = count_threads() - 1;

    for (int i = 0; i < POOLS || !has_seen_all(reasons, checks); i++) {
        REQUIRE(i < MOST_POOLS);
        one_pool(&upkeep, operations / POOLS, &rng);
        for (int j = 0; j <= NCP_REASON_FORKED; j++)
            reasons[j] += upkeep.reasons[j];
        checks += upkeep.checks;
    }
    watchdog_stop();
    /* The housekeeping ends with the last pool. */
    REQUIRE_SOON(count_threads() == threads);
    printf("upkeep: %" PRIu64 " operations, %" PRIu64 " checks;", operations,
           checks);
    for (int i = 1; i <= NCP_REASON_FORKED; i++)
        if (reasons[i])
            printf(" %s %" PRIu64, ncp_reason_text(i), reasons[i]);
    printf("\n");
    return 0;
}
