/*
 * Close races with everything: every get ends with a connection or with "the
 * pool is closed", every put is accepted, every connection is closed once.
 *
 * usage: stress_close_storm <pools> <seed>
 */
#include "snapshot.h"
#include "world.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

enum { BORROWERS = 8, CLOSERS = 2, PARTIES = BORROWERS + CLOSERS + 1, MAX = 3 };

struct storm;

struct member {
    struct storm *storm;
    int id;
    pthread_t thread;
    struct rng rng;
};

struct storm {
    ncp_pool *pool;
    struct world *world;
    uint64_t pools;
    pthread_barrier_t begin;
    pthread_barrier_t end;
    struct member member[BORROWERS + CLOSERS];
    atomic_int started; /* borrowers of this pool that have had a lease */
    atomic_ulong served;
    atomic_ulong refused;
};

static ncp_pool *new_pool(struct storm *storm, struct rng *rng)
{
    ncp_config *config = NULL;
    ncp_pool *pool = NULL;
    const struct {
        int option;
        int64_t value;
    } options[] = {
        {NCP_OPTION_MAX_CONNECTIONS, MAX},
        {NCP_OPTION_MAX_IDLE_CONNECTIONS, 1 + rng_below(rng, MAX)},
        {NCP_OPTION_MIN_CONNECTIONS, rng_below(rng, 2)},
        {NCP_OPTION_FAIRNESS, rng_below(rng, 2)},
        {NCP_OPTION_IDLE_ORDER, rng_below(rng, 2)},
        {NCP_OPTION_DIAL_IN_CALLER, rng_below(rng, 2)},
        {NCP_OPTION_GET_TIMEOUT, -1},
        {NCP_OPTION_HEALTH_CHECK, 0},
        {NCP_OPTION_LEAK_TIMEOUT, 0},
        {NCP_OPTION_LOG_LEVEL, 0},
    };

    REQUIRE_EQ(ncp_config_new(NCP_MODE_CLIENT, &config), NCP_OK);
    world_store(config);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        REQUIRE_EQ(
            ncp_config_set_int(config, options[i].option, options[i].value),
            NCP_OK);
    REQUIRE_EQ(ncp_config_set_dialer(config, world_dialer, storm->world, NULL),
               NCP_OK);
    REQUIRE_EQ(ncp_config_set_callback(config, NCP_CALLBACK_CLOSER,
                                       world_closer, storm->world, NULL),
               NCP_OK);
    REQUIRE_EQ(ncp_pool_new(config, &pool), NCP_OK);
    ncp_config_free(config);
    return pool;
}

static void borrow_until_closed(struct member *member)
{
    struct storm *storm = member->storm;
    ncp_pool *pool = storm->pool;
    bool first = true;

    for (;;) {
        ncp_lease lease = 0;
        uint64_t handle = 0;

        watchdog_beat(member->id, "get");
        int status = ncp_pool_get_timeout(pool, -1, &lease);
        if (status == NCP_ECLOSED) {
            atomic_fetch_add(&storm->refused, 1);
            REQUIRE_EQ(lease, 0);
            return;
        }
        REQUIRE_EQ(status, NCP_OK);
        atomic_fetch_add(&storm->served, 1);
        /* close_now may take it away before we see it, or at any time. */
        if (ncp_lease_handle(pool, lease, &handle) == NCP_OK)
            world_own(storm->world, handle);
        if (rng_one_in(&member->rng, 4))
            sched_yield();
        if (handle)
            world_disown(storm->world, handle);
        watchdog_beat(member->id, "put");
        if (rng_one_in(&member->rng, 4))
            REQUIRE_EQ(ncp_pool_discard(pool, lease), NCP_OK);
        else
            REQUIRE_EQ(ncp_pool_put(pool, lease), NCP_OK);
        if (first)
            atomic_fetch_add(&storm->started, 1);
        first = false;
    }
}

static void close_somehow(struct member *member)
{
    ncp_pool *pool = member->storm->pool;
    int status;

    /* A few turns, so that the borrowers are in full swing. */
    while (atomic_load(&member->storm->started) <
           (int)rng_below(&member->rng, BORROWERS))
        sched_yield();
    watchdog_beat(member->id, "close");
    switch (rng_below(&member->rng, 4)) {
    case 0:
        REQUIRE_EQ(ncp_pool_close(pool), NCP_OK);
        break;
    case 1:
        REQUIRE_EQ(ncp_pool_close_wait(pool, -1), NCP_OK);
        REQUIRE_EQ(ncp_pool_active_count(pool), 0);
        break;
    case 2:
        REQUIRE_EQ(ncp_pool_close_now(pool), NCP_OK);
        break;
    default:
        status = ncp_pool_drain(pool, rng_below(&member->rng, 2));
        REQUIRE(status == NCP_OK || status == NCP_ETIMEOUT);
        break;
    }
    REQUIRE_EQ(ncp_pool_is_closed(pool), 1);
}

static void *take_part(void *arg)
{
    struct member *member = arg;
    struct storm *storm = member->storm;

    for (uint64_t i = 0; i < storm->pools; i++) {
        pthread_barrier_wait(&storm->begin);
        if (member->id < BORROWERS)
            borrow_until_closed(member);
        else
            close_somehow(member);
        watchdog_rest(member->id);
        pthread_barrier_wait(&storm->end);
    }
    return NULL;
}

static void one_pool(struct storm *storm, struct rng *rng)
{
    uint64_t value[NCP_COUNTER_COUNT];
    struct sampler sampler;

    storm->pool = new_pool(storm, rng);
    expect_about(storm->pool);
    atomic_store(&storm->started, 0);
    sampler_start(&sampler, storm->pool, MAX, MAX);
    pthread_barrier_wait(&storm->begin);
    pthread_barrier_wait(&storm->end);
    sampler_stop(&sampler);

    REQUIRE_SOON(ncp_pool_dialing_count(storm->pool) == 0);
    REQUIRE_EQ(ncp_pool_close_wait(storm->pool, -1), NCP_OK);
    snapshot_take(storm->pool, value, MAX, MAX);
    REQUIRE_EQ(value[NCP_COUNTER_CURRENT], 0);
    REQUIRE_EQ(value[NCP_COUNTER_CREATED], value[NCP_COUNTER_CLOSED]);
    REQUIRE_EQ(value[NCP_COUNTER_IN_FLIGHT], 0);
    REQUIRE_EQ(value[NCP_COUNTER_TIMEOUT], 0);
    expect_about(NULL);
    ncp_pool_free(storm->pool);
    world_require_empty(storm->world);
}

int main(int argc, char **argv)
{
    static struct storm storm;

    if (argc != 3) {
        fprintf(stderr, "usage: stress_close_storm <pools> <seed>\n");
        return 2;
    }
    storm.pools = strtoull(argv[1], NULL, 10);
    struct rng rng = {strtoull(argv[2], NULL, 10)};

    expect_context("stress_close_storm %s %s", argv[1], argv[2]);
    watchdog_start(0);
    /* What close_now takes away has left the pool before it is closed. */
    storm.world = world_new(2 * MAX + 1);
    atomic_store(&storm.world->may_take_away, true);
    REQUIRE_EQ(pthread_barrier_init(&storm.begin, NULL, PARTIES), 0);
    REQUIRE_EQ(pthread_barrier_init(&storm.end, NULL, PARTIES), 0);
    for (int i = 0; i < BORROWERS + CLOSERS; i++) {
        struct member *member = &storm.member[i];
        member->storm = &storm;
        member->id = i;
        member->rng.state = rng_next(&rng);
        REQUIRE_EQ(pthread_create(&member->thread, NULL, take_part, member), 0);
    }
    for (uint64_t i = 0; i < storm.pools; i++)
        one_pool(&storm, &rng);
    for (int i = 0; i < BORROWERS + CLOSERS; i++)
        pthread_join(storm.member[i].thread, NULL);
    watchdog_stop();
    printf("%" PRIu64 " pools closed in the storm, %lu gets served, %lu "
           "refused\n",
           storm.pools, (unsigned long)storm.served,
           (unsigned long)storm.refused);
    world_free(storm.world);
    return 0;
}
