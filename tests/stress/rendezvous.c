/*
 * One connection, a waiter that steps into the line while the connection or
 * its place becomes free: no waiter is ever left behind.
 *
 * usage: stress_rendezvous <rounds> <seed>
 */
#include "snapshot.h"
#include "world.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAITERS = 3 };

/* How the owner makes room while the waiters step in. */
enum way {
    PUT,
    DISCARD,
    CLOSE_BY_HOLDER,
    DETACH,
    UNHEALTHY,
    FAILED_DIAL,  /* the owner's dial fails: its place is free */
    GROWTH,       /* ncp_pool_resize() */
    RESUME,       /* suspended, with an idle connection */
    FLUSHED_PUT,  /* a borrowed connection that is closed when it comes back */
    PUT_CANCEL,   /* waiter 0 is cancelled at the same moment */
    PUT_TIMEOUT,  /* waiter 0 gives up at the same moment */
    OTHER_BUCKET, /* the waiters want what the idle connection is not */
    WAYS
};

struct waiter {
    struct meeting *meeting;
    int id;
    pthread_t thread;
    struct rng rng;
    atomic_int status;
};

struct meeting {
    ncp_pool *pool;
    struct world *world;
    struct waiter waiter[WAITERS];
    enum way way;
    ncp_cancel *cancel; /* of waiter 0, in the way PUT_CANCEL */
    atomic_uint round;  /* the waiters of this round may go */
    atomic_int done;    /* how many have come back */
    atomic_bool stop;
    atomic_int fail_dials;
};

static int dialer(void *user, ncp_dial *dial)
{
    struct meeting *meeting = user;
    int fail = atomic_load(&meeting->fail_dials);

    while (fail > 0)
        if (atomic_compare_exchange_weak(&meeting->fail_dials, &fail, fail - 1))
            return NCP_EDIAL;
    return world_dialer(meeting->world, dial);
}

static int closer(void *user, const ncp_conn *conn, int reason)
{
    struct meeting *meeting = user;
    return world_closer(meeting->world, conn, reason);
}

static ncp_pool *new_pool(struct meeting *meeting, int fairness, bool in_caller)
{
    static const struct {
        int option;
        int64_t value;
    } options[] = {
        {NCP_OPTION_MAX_CONNECTIONS, 1}, {NCP_OPTION_MIN_CONNECTIONS, 0},
        {NCP_OPTION_HEALTH_CHECK, 0},    {NCP_OPTION_LEAK_TIMEOUT, 0},
        {NCP_OPTION_DIAL_BACKOFF, 0},    {NCP_OPTION_BREAKER_FAILURES, 0},
        {NCP_OPTION_LOG_LEVEL, 0},       {NCP_OPTION_GET_TIMEOUT, -1},
        {NCP_OPTION_IDLE_TIMEOUT, 0},    {NCP_OPTION_MAX_LIFETIME, 0},
    };
    ncp_config *config = NULL;
    ncp_pool *pool = NULL;

    REQUIRE_EQ(ncp_config_new(NCP_MODE_CLIENT, &config), NCP_OK);
    world_store(config);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        REQUIRE_EQ(
            ncp_config_set_int(config, options[i].option, options[i].value),
            NCP_OK);
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_FAIRNESS, fairness), 0);
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_DIAL_IN_CALLER, in_caller),
               NCP_OK);
    REQUIRE_EQ(ncp_config_set_dialer(config, dialer, meeting, NULL), NCP_OK);
    REQUIRE_EQ(ncp_config_set_callback(config, NCP_CALLBACK_CLOSER, closer,
                                       meeting, NULL),
               NCP_OK);
    REQUIRE_EQ(ncp_pool_new(config, &pool), NCP_OK);
    ncp_config_free(config);
    return pool;
}

static void spin(struct rng *rng)
{
    uint32_t turns = rng_below(rng, 400);

    for (volatile uint32_t i = 0; i < turns; i++)
        ;
    if (rng_one_in(rng, 8))
        sched_yield();
}

static void own_and_put(struct meeting *meeting, ncp_lease lease)
{
    uint64_t handle = 0;

    REQUIRE_EQ(ncp_lease_handle(meeting->pool, lease, &handle), NCP_OK);
    world_own(meeting->world, handle);
    world_touch(meeting->world, handle);
    REQUIRE(world_disown(meeting->world, handle));
    REQUIRE_EQ(ncp_pool_put(meeting->pool, lease), NCP_OK);
}

static int step_in(struct waiter *waiter)
{
    struct meeting *meeting = waiter->meeting;
    bool flaky = waiter->id == 0;
    int64_t timeout_ms = flaky && meeting->way == PUT_TIMEOUT ? 1 : -1;
    ncp_cancel *cancel = flaky ? meeting->cancel : NULL;
    int protocol =
        meeting->way == OTHER_BUCKET ? NCP_PROTOCOL_UDP : NCP_PROTOCOL_UNKNOWN;
    ncp_lease lease = 0;

    spin(&waiter->rng);
    int status = ncp_pool_get_ex(meeting->pool, protocol, 0, timeout_ms, cancel,
                                 0, &lease);
    if (status == NCP_OK)
        own_and_put(meeting, lease);
    return status;
}

static void *wait_in_line(void *arg)
{
    struct waiter *waiter = arg;
    struct meeting *meeting = waiter->meeting;

    for (unsigned round = 1;; round++) {
        while (atomic_load(&meeting->round) != round) {
            if (atomic_load(&meeting->stop))
                return NULL;
            sched_yield();
        }
        watchdog_beat(waiter->id, "get");
        atomic_store(&waiter->status, step_in(waiter));
        watchdog_rest(waiter->id);
        atomic_fetch_add(&meeting->done, 1);
    }
}

static ncp_lease borrow(struct meeting *meeting, uint64_t *handle)
{
    ncp_lease lease = 0;

    REQUIRE_EQ(ncp_pool_get(meeting->pool, &lease), NCP_OK);
    REQUIRE_EQ(ncp_lease_handle(meeting->pool, lease, handle), NCP_OK);
    world_own(meeting->world, *handle);
    world_touch(meeting->world, *handle);
    return lease;
}

static void open_round(struct meeting *meeting, struct rng *rng)
{
    atomic_store(&meeting->done, 0);
    atomic_fetch_add(&meeting->round, 1);
    spin(rng);
    if (rng_one_in(rng, 4)) {
        /* Sometimes all stand in line before the room is made. */
        for (int i = 0; i < 64; i++)
            sched_yield();
    }
}

/* Lets go of the lease in a way that makes room. */
static void make_room(struct meeting *meeting, ncp_lease lease, uint64_t handle)
{
    ncp_pool *pool = meeting->pool;

    REQUIRE(world_disown(meeting->world, handle));
    switch (meeting->way) {
    case DISCARD:
        REQUIRE_EQ(ncp_pool_discard(pool, lease), NCP_OK);
        return;
    case CLOSE_BY_HOLDER:
        REQUIRE_EQ(ncp_lease_close(pool, lease), NCP_OK);
        REQUIRE_EQ(ncp_pool_put(pool, lease), NCP_OK);
        return;
    case DETACH:
        world_close(meeting->world, handle);
        REQUIRE_EQ(ncp_pool_detach(pool, lease, NULL), NCP_OK);
        return;
    case UNHEALTHY:
        REQUIRE_EQ(ncp_lease_set_healthy(pool, lease, 0), NCP_OK);
        REQUIRE_EQ(ncp_pool_put(pool, lease), NCP_OK);
        return;
    case FLUSHED_PUT:
        REQUIRE_EQ(ncp_pool_flush(pool), NCP_OK);
        REQUIRE_EQ(ncp_pool_put(pool, lease), NCP_OK);
        return;
    default:
        REQUIRE_EQ(ncp_pool_put(pool, lease), NCP_OK);
        return;
    }
}

static void play_growth(struct meeting *meeting, struct rng *rng)
{
    uint64_t handle = 0;
    ncp_lease lease = borrow(meeting, &handle);

    atomic_store(&meeting->world->limit, 2);
    open_round(meeting, rng);
    REQUIRE_EQ(ncp_pool_resize(meeting->pool, 2), NCP_OK);
    REQUIRE_SOON(atomic_load(&meeting->done) == WAITERS);
    make_room(meeting, lease, handle);
    REQUIRE_EQ(ncp_pool_resize(meeting->pool, 1), NCP_OK);
    REQUIRE_SOON(atomic_load(&meeting->world->open) == 1);
    atomic_store(&meeting->world->limit, 1);
}

/* One of the four callers meets the failing dial, the others are served. */
static int play_failed_dial(struct meeting *meeting, struct rng *rng)
{
    ncp_lease lease = 0;

    REQUIRE_EQ(ncp_pool_flush(meeting->pool), NCP_OK);
    atomic_store(&meeting->fail_dials, 1);
    open_round(meeting, rng);
    int status = ncp_pool_get(meeting->pool, &lease);
    if (status == NCP_OK)
        own_and_put(meeting, lease);
    return status;
}

static void play_resume(struct meeting *meeting, struct rng *rng)
{
    uint64_t handle = 0;
    ncp_lease lease = borrow(meeting, &handle);

    REQUIRE_EQ(ncp_pool_suspend(meeting->pool), NCP_OK);
    make_room(meeting, lease, handle);
    open_round(meeting, rng);
    REQUIRE_EQ(ncp_pool_resume(meeting->pool), NCP_OK);
}

static void play_put(struct meeting *meeting, struct rng *rng)
{
    uint64_t handle = 0;
    ncp_lease lease = borrow(meeting, &handle);

    if (meeting->way == PUT_CANCEL)
        REQUIRE_EQ(ncp_cancel_new(&meeting->cancel), NCP_OK);
    open_round(meeting, rng);
    if (meeting->cancel && rng_one_in(rng, 2))
        REQUIRE_EQ(ncp_cancel_fire(meeting->cancel), NCP_OK);
    make_room(meeting, lease, handle);
    if (meeting->cancel)
        REQUIRE_EQ(ncp_cancel_fire(meeting->cancel), NCP_OK);
}

static void check_statuses(struct meeting *meeting, int owner_status)
{
    int failed_dials = owner_status == NCP_EDIAL;

    for (int i = 0; i < WAITERS; i++) {
        int status = atomic_load(&meeting->waiter[i].status);
        if (meeting->way == FAILED_DIAL && status == NCP_EDIAL)
            failed_dials++;
        else if (i == 0 && meeting->way == PUT_CANCEL)
            REQUIRE(status == NCP_OK || status == NCP_ECANCELED);
        else if (i == 0 && meeting->way == PUT_TIMEOUT)
            REQUIRE(status == NCP_OK || status == NCP_ETIMEOUT);
        else
            REQUIRE_EQ(status, NCP_OK);
    }
    REQUIRE_EQ(failed_dials, meeting->way == FAILED_DIAL);
}

static void play(struct meeting *meeting, struct rng *rng)
{
    int status = NCP_OK;

    meeting->way = (enum way)rng_below(rng, WAYS);
    if (meeting->way == GROWTH)
        play_growth(meeting, rng);
    else if (meeting->way == FAILED_DIAL)
        status = play_failed_dial(meeting, rng);
    else if (meeting->way == RESUME)
        play_resume(meeting, rng);
    else
        play_put(meeting, rng);
    REQUIRE_SOON(atomic_load(&meeting->done) == WAITERS);
    check_statuses(meeting, status);
    ncp_cancel_free(meeting->cancel);
    meeting->cancel = NULL;
    REQUIRE_EQ(ncp_pool_waiting_count(meeting->pool), 0);
    REQUIRE_EQ(ncp_pool_active_count(meeting->pool), 0);
}

static void run(uint64_t rounds, uint64_t seed, int fairness, bool in_caller)
{
    static struct meeting meeting;
    struct sampler sampler;
    struct rng rng = {seed};

    memset(&meeting, 0, sizeof(meeting));
    meeting.world = world_new(1);
    meeting.pool = new_pool(&meeting, fairness, in_caller);
    expect_about(meeting.pool);
    sampler_start(&sampler, meeting.pool, 2, 1);
    for (int i = 0; i < WAITERS; i++) {
        struct waiter *waiter = &meeting.waiter[i];
        waiter->meeting = &meeting;
        waiter->id = i;
        waiter->rng.state = rng_next(&rng);
        REQUIRE_EQ(pthread_create(&waiter->thread, NULL, wait_in_line, waiter),
                   0);
    }
    for (uint64_t i = 0; i < rounds; i++) {
        watchdog_beat(WAITERS, "owner");
        play(&meeting, &rng);
    }
    watchdog_rest(WAITERS);
    atomic_store(&meeting.stop, true);
    for (int i = 0; i < WAITERS; i++)
        pthread_join(meeting.waiter[i].thread, NULL);
    sampler_stop(&sampler);
    REQUIRE_EQ(ncp_pool_close(meeting.pool), NCP_OK);
    expect_about(NULL);
    ncp_pool_free(meeting.pool);
    world_require_empty(meeting.world);
    world_free(meeting.world);
}

/*
 * The narrowest place alone: a put and a get that begin within nanoseconds of
 * each other, again and again, with nobody else there to make good for it.
 */
struct pair {
    ncp_pool *pool;
    uint64_t rounds;
    struct rng rng;
    _Atomic uint64_t begun;
    _Atomic uint64_t ended;
};

static void await(_Atomic uint64_t *counter, uint64_t value)
{
    enum { SPINS = 2000 };

    for (int i = 0; atomic_load(counter) < value; i++)
        if (i > SPINS)
            sched_yield();
}

static void delay(struct rng *rng)
{
    uint32_t turns = rng_below(rng, 256);

    for (volatile uint32_t i = 0; i < turns; i++)
        ;
}

static void *get_at_once(void *arg)
{
    struct pair *pair = arg;
    ncp_lease lease = 0;

    for (uint64_t round = 1; round <= pair->rounds; round++) {
        await(&pair->begun, round);
        watchdog_beat(0, "get");
        delay(&pair->rng);
        REQUIRE_EQ(ncp_pool_get(pair->pool, &lease), NCP_OK);
        REQUIRE_EQ(ncp_pool_put(pair->pool, lease), NCP_OK);
        atomic_store(&pair->ended, round);
    }
    watchdog_rest(0);
    return NULL;
}

static void run_pair(uint64_t rounds, uint64_t seed, int fairness)
{
    struct meeting meeting = {.world = world_new(1)};
    struct pair pair = {.rounds = rounds, .rng = {seed}};
    struct rng rng = {seed + 1};
    pthread_t thread;
    ncp_lease lease = 0;

    pair.pool = new_pool(&meeting, fairness, true);
    expect_about(pair.pool);
    REQUIRE_EQ(pthread_create(&thread, NULL, get_at_once, &pair), 0);
    for (uint64_t round = 1; round <= rounds; round++) {
        REQUIRE_EQ(ncp_pool_get(pair.pool, &lease), NCP_OK);
        atomic_store(&pair.begun, round);
        delay(&rng);
        REQUIRE_EQ(ncp_pool_put(pair.pool, lease), NCP_OK);
        await(&pair.ended, round);
    }
    pthread_join(thread, NULL);
    REQUIRE_EQ(ncp_pool_close(pair.pool), NCP_OK);
    expect_about(NULL);
    ncp_pool_free(pair.pool);
    world_require_empty(meeting.world);
    world_free(meeting.world);
}

int main(int argc, char **argv)
{
    enum { PAIR_ROUNDS = 30 }; /* for each of the others: they are as fast */

    if (argc != 3) {
        fprintf(stderr, "usage: stress_rendezvous <rounds> <seed>\n");
        return 2;
    }
    uint64_t rounds = strtoull(argv[1], NULL, 10);
    uint64_t seed = strtoull(argv[2], NULL, 10);

    expect_context("stress_rendezvous %" PRIu64 " %" PRIu64, rounds, seed);
    watchdog_start(0);
    run(rounds / 3, seed, NCP_FAIRNESS_STRICT, false);
    run(rounds / 3, seed + 1, NCP_FAIRNESS_ADAPTIVE, false);
    run(rounds / 3, seed + 2, NCP_FAIRNESS_STRICT, true);
    run_pair(rounds * PAIR_ROUNDS, seed, NCP_FAIRNESS_STRICT);
    run_pair(rounds * PAIR_ROUNDS, seed + 1, NCP_FAIRNESS_ADAPTIVE);
    watchdog_stop();
    printf("%" PRIu64 " rounds, nobody left behind\n", rounds / 3 * 3);
    return 0;
}
