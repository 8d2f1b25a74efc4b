/*
 * Callbacks that hang, fail, lie, or call back into the pool, each in a process
 * of its own: the caller is answered in time, no connection is lost, every
 * counter stays exact.
 *
 * usage: fault_callbacks [case]
 */
#include "child.h"
#include "snapshot.h"
#include "world.h"

#include <semaphore.h>
#include <stdio.h>
#include <string.h>

enum what {
    SUCCEED,
    SAY_NOTHING,    /* NCP_OK without ncp_dial_done */
    FAIL,           /* NCP_EUSER */
    FAIL_WITH_CODE, /* another non-zero value, after ncp_dial_fail */
    GARBAGE_KIND,   /* protocol and IP version that do not exist */
    GARBAGE_FD,     /* a negative fd */
    BAD_SOCKET,     /* ncp_dial_done_fd with a negative fd */
    TWICE           /* ncp_dial_done twice */
};

/* A pool whose callbacks do as they are told. */
struct bench {
    ncp_pool *pool;
    struct world *world;
    _Atomic int what;
    atomic_bool hang; /* the next call of the dialer waits for `go` */
    sem_t hanging;    /* posted when it does */
    sem_t go;
    atomic_bool stopped;         /* what ncp_dial_stopped said after the wait */
    atomic_ullong first, second; /* handles of TWICE */
    atomic_int closer_status;
    atomic_bool closer_hangs;
    atomic_int checker_status;
    atomic_bool checker_hangs;
    atomic_int checks;
    atomic_int created_status;
    atomic_int drops;
};

static void hang(struct bench *bench)
{
    REQUIRE_EQ(sem_post(&bench->hanging), 0);
    while (sem_wait(&bench->go) != 0)
        ;
}

static void await(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        ;
}

static int open_twice(struct bench *bench, ncp_dial *dial)
{
    world_dial(bench->world);
    world_dial(bench->world);
    uint64_t first = world_open(bench->world, 1, 1);
    uint64_t second = world_open(bench->world, 1, 1);
    atomic_store(&bench->first, first);
    atomic_store(&bench->second, second);
    REQUIRE_EQ(ncp_dial_done(dial, first, -1, 1, 1), NCP_OK);
    ncp_dial_done(dial, second, -1, 1, 1);
    return NCP_OK;
}

static int dialer(void *user, ncp_dial *dial)
{
    struct bench *bench = user;
    int what = atomic_load(&bench->what);

    if (atomic_exchange(&bench->hang, false)) {
        hang(bench);
        atomic_store(&bench->stopped, ncp_dial_stopped(dial));
    }
    switch (what) {
    case SAY_NOTHING:
        return NCP_OK;
    case FAIL:
        return NCP_EUSER;
    case FAIL_WITH_CODE:
        ncp_dial_fail(dial, 4711, "the cable was cut");
        return 42;
    case GARBAGE_KIND:
        world_dial(bench->world);
        return ncp_dial_done(dial, world_open(bench->world, 0, 0), -1, 99, -5);
    case GARBAGE_FD:
        world_dial(bench->world);
        return ncp_dial_done(dial, world_open(bench->world, 1, 1), -7, 1, 1);
    case BAD_SOCKET:
        REQUIRE_EQ(ncp_dial_done_fd(dial, -7), NCP_EINVAL);
        return NCP_OK;
    case TWICE:
        return open_twice(bench, dial);
    default:
        return world_dialer(bench->world, dial);
    }
}

static int closer(void *user, const ncp_conn *conn, int reason)
{
    struct bench *bench = user;

    (void)reason;
    if (atomic_exchange(&bench->closer_hangs, false))
        hang(bench);
    world_close(bench->world, ncp_conn_handle(conn));
    return atomic_load(&bench->closer_status);
}

static int checker(void *user, const ncp_conn *conn, int reason)
{
    struct bench *bench = user;

    (void)conn;
    (void)reason;
    atomic_fetch_add(&bench->checks, 1);
    if (atomic_exchange(&bench->checker_hangs, false))
        hang(bench);
    return atomic_load(&bench->checker_status);
}

static int on_created(void *user, const ncp_conn *conn, int reason)
{
    struct bench *bench = user;

    (void)conn;
    (void)reason;
    return atomic_load(&bench->created_status);
}

static void count_drop(void *user)
{
    struct bench *bench = user;
    atomic_fetch_add(&bench->drops, 1);
}

struct setting {
    int option;
    int64_t value;
};

static const struct setting quiet[] = {
    {NCP_OPTION_MIN_CONNECTIONS, 0},  {NCP_OPTION_HEALTH_CHECK, 0},
    {NCP_OPTION_LEAK_TIMEOUT, 0},     {NCP_OPTION_DIAL_BACKOFF, 0},
    {NCP_OPTION_BREAKER_FAILURES, 0}, {NCP_OPTION_LOG_LEVEL, 0},
    {NCP_OPTION_GET_TIMEOUT, -1},     {0, 0},
};

static void apply(ncp_config *config, const struct setting *settings)
{
    for (; settings && settings->option; settings++)
        REQUIRE_EQ(
            ncp_config_set_int(config, settings->option, settings->value),
            NCP_OK);
}

enum { DROPS = 4 };

static struct bench *bench_new(int max, const struct setting *settings)
{
    static struct bench bench;
    ncp_config *config = NULL;

    memset(&bench, 0, sizeof(bench));
    REQUIRE_EQ(sem_init(&bench.hanging, 0, 0), 0);
    REQUIRE_EQ(sem_init(&bench.go, 0, 0), 0);
    bench.world = world_new(max);
    REQUIRE_EQ(ncp_config_new(NCP_MODE_CLIENT, &config), NCP_OK);
    apply(config, quiet);
    apply(config, settings);
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_MAX_CONNECTIONS, max), 0);
    REQUIRE_EQ(ncp_config_set_dialer(config, dialer, &bench, count_drop), 0);
    REQUIRE_EQ(ncp_config_set_callback(config, NCP_CALLBACK_CLOSER, closer,
                                       &bench, count_drop),
               0);
    REQUIRE_EQ(ncp_config_set_callback(config, NCP_CALLBACK_CHECKER, checker,
                                       &bench, count_drop),
               0);
    REQUIRE_EQ(ncp_config_set_callback(config, NCP_CALLBACK_ON_CREATED,
                                       on_created, &bench, count_drop),
               0);
    REQUIRE_EQ(ncp_pool_new(config, &bench.pool), NCP_OK);
    ncp_config_free(config);
    REQUIRE_EQ(atomic_load(&bench.drops), 0);
    expect_about(bench.pool);
    return &bench;
}

static uint64_t counter(const struct bench *bench, int which)
{
    uint64_t value[NCP_COUNTER_COUNT];

    snapshot_take(bench->pool, value, 0, 0);
    return value[which];
}

/* The pool works, whatever was done to it: with its whole capacity. */
static void require_works(struct bench *bench, int max)
{
    ncp_lease lease[8];

    atomic_store(&bench->what, SUCCEED);
    for (int i = 0; i < max; i++)
        REQUIRE_EQ(ncp_pool_get(bench->pool, &lease[i]), NCP_OK);
    for (int i = 0; i < max; i++)
        REQUIRE_EQ(ncp_pool_put(bench->pool, lease[i]), NCP_OK);
}

static void bench_end(struct bench *bench)
{
    uint64_t value[NCP_COUNTER_COUNT];

    REQUIRE_SOON(ncp_pool_dialing_count(bench->pool) == 0);
    ncp_pool_close(bench->pool);
    REQUIRE_SOON((ncp_pool_stats(bench->pool, value, NCP_COUNTER_COUNT),
                  value[NCP_COUNTER_CURRENT] == 0));
    snapshot_take(bench->pool, value, 0, 0);
    REQUIRE_EQ(value[NCP_COUNTER_IN_FLIGHT], 0);
    REQUIRE_EQ(value[NCP_COUNTER_CREATED], value[NCP_COUNTER_CLOSED]);
    expect_about(NULL);
    ncp_pool_free(bench->pool);
    world_require_empty(bench->world);
    /* The callbacks are let go of with the pool, each once. */
    REQUIRE_SOON(atomic_load(&bench->drops) == DROPS);
    world_free(bench->world);
}

static void late_connection_is_kept(void)
{
    struct bench *bench = bench_new(1, NULL);
    ncp_lease lease = 0;

    atomic_store(&bench->hang, true);
    REQUIRE_EQ(ncp_pool_get_timeout(bench->pool, 20, &lease), NCP_ETIMEOUT);
    await(&bench->hanging);
    REQUIRE_EQ(ncp_pool_dialing_count(bench->pool), 1);
    REQUIRE_EQ(counter(bench, NCP_COUNTER_TIMEOUT), 1);
    sem_post(&bench->go);
    REQUIRE_SOON(ncp_pool_idle_count(bench->pool) == 1);
    REQUIRE_EQ(ncp_pool_try_get(bench->pool, &lease), NCP_OK);
    REQUIRE_EQ(ncp_pool_put(bench->pool, lease), NCP_OK);
    REQUIRE_EQ(atomic_load(&bench->world->opened), 1);
    REQUIRE_EQ(counter(bench, NCP_COUNTER_CONNECTION_ERRORS), 0);
    bench_end(bench);
}

static void error_after_the_caller_left_is_only_counted(void)
{
    struct bench *bench = bench_new(1, NULL);
    ncp_lease lease = 0;

    atomic_store(&bench->hang, true);
    atomic_store(&bench->what, FAIL);
    REQUIRE_EQ(ncp_pool_get_timeout(bench->pool, 20, &lease), NCP_ETIMEOUT);
    await(&bench->hanging);
    sem_post(&bench->go);
    REQUIRE_SOON(ncp_pool_dialing_count(bench->pool) == 0);
    REQUIRE_EQ(counter(bench, NCP_COUNTER_TIMEOUT), 1);
    REQUIRE_EQ(counter(bench, NCP_COUNTER_FAILED), 0);
    REQUIRE_EQ(counter(bench, NCP_COUNTER_CONNECTION_ERRORS), 1);
    require_works(bench, 1);
    bench_end(bench);
}

struct cancelled_get {
    struct bench *bench;
    ncp_cancel *cancel;
    int status;
};

static void *get_to_be_cancelled(void *arg)
{
    struct cancelled_get *get = arg;
    ncp_lease lease = 0;

    get->status =
        ncp_pool_get_ex(get->bench->pool, 0, 0, -1, get->cancel, 0, &lease);
    REQUIRE_EQ(lease, 0);
    return NULL;
}

static void error_after_a_cancel_is_only_counted(void)
{
    struct bench *bench = bench_new(1, NULL);
    struct cancelled_get get = {.bench = bench};
    pthread_t thread;

    REQUIRE_EQ(ncp_cancel_new(&get.cancel), NCP_OK);
    atomic_store(&bench->hang, true);
    atomic_store(&bench->what, FAIL);
    REQUIRE_EQ(pthread_create(&thread, NULL, get_to_be_cancelled, &get), 0);
    await(&bench->hanging);
    REQUIRE_EQ(ncp_cancel_fire(get.cancel), NCP_OK);
    pthread_join(thread, NULL); /* the dialer hangs still */
    REQUIRE_EQ(get.status, NCP_ECANCELED);
    sem_post(&bench->go);
    REQUIRE_SOON(ncp_pool_dialing_count(bench->pool) == 0);
    REQUIRE_EQ(counter(bench, NCP_COUNTER_CANCELED), 1);
    REQUIRE_EQ(counter(bench, NCP_COUNTER_FAILED), 1);
    REQUIRE_EQ(counter(bench, NCP_COUNTER_CONNECTION_ERRORS), 1);
    ncp_cancel_free(get.cancel);
    require_works(bench, 1);
    bench_end(bench);
}

static void dial_longer_than_its_limit_fails_the_get(void)
{
    static const struct setting settings[] = {
        {NCP_OPTION_CONNECTION_TIMEOUT, 20}, {0, 0}};
    struct bench *bench = bench_new(2, settings);
    ncp_lease lease = 0;

    atomic_store(&bench->hang, true);
    REQUIRE_EQ(ncp_pool_get_timeout(bench->pool, -1, &lease), NCP_EDIAL);
    await(&bench->hanging);
    REQUIRE_EQ(counter(bench, NCP_COUNTER_FAILED), 1);
    REQUIRE_EQ(counter(bench, NCP_COUNTER_CONNECTION_ERRORS), 1);
    /* Others dial meanwhile. */
    REQUIRE_EQ(ncp_pool_get(bench->pool, &lease), NCP_OK);
    REQUIRE_EQ(ncp_pool_put(bench->pool, lease), NCP_OK);
    sem_post(&bench->go);
    /* What comes late is kept or closed. */
    REQUIRE_SOON(atomic_load(&bench->world->opened) == 2);
    REQUIRE_SOON(ncp_pool_dialing_count(bench->pool) == 0);
    REQUIRE_SOON((long)ncp_pool_idle_count(bench->pool) ==
                 atomic_load(&bench->world->open));
    require_works(bench, 2);
    REQUIRE_EQ(counter(bench, NCP_COUNTER_CONNECTION_ERRORS), 1);
    bench_end(bench);
}

static void *get_and_meet_the_close(void *arg)
{
    struct bench *bench = arg;
    ncp_lease lease = 0;

    REQUIRE_EQ(ncp_pool_get(bench->pool, &lease), NCP_ECLOSED);
    return NULL;
}

static void dial_that_meets_the_close_is_closed(void)
{
    struct bench *bench = bench_new(1, NULL);
    pthread_t thread;

    atomic_store(&bench->hang, true);
    REQUIRE_EQ(pthread_create(&thread, NULL, get_and_meet_the_close, bench), 0);
    await(&bench->hanging);
    REQUIRE_EQ(ncp_pool_close(bench->pool), NCP_OK); /* does not wait for it */
    pthread_join(thread, NULL);
    sem_post(&bench->go);
    REQUIRE_SOON(ncp_pool_dialing_count(bench->pool) == 0);
    REQUIRE(atomic_load(&bench->stopped));
    bench_end(bench);
}

static void pool_may_be_freed_under_a_dial(void)
{
    struct bench *bench = bench_new(1, NULL);
    ncp_lease lease = 0;

    atomic_store(&bench->hang, true);
    REQUIRE_EQ(ncp_pool_get_timeout(bench->pool, 20, &lease), NCP_ETIMEOUT);
    await(&bench->hanging);
    expect_about(NULL);
    ncp_pool_free(bench->pool);
    REQUIRE_EQ(atomic_load(&bench->drops), 0);
    sem_post(&bench->go);
    REQUIRE_SOON(atomic_load(&bench->drops) == DROPS);
    world_require_empty(bench->world);
    world_free(bench->world);
}

/* A dialer that fails in one of its ways; the pool goes on. */
static void require_failure(int what, int status, int64_t code)
{
    struct bench *bench = bench_new(2, NULL);
    ncp_lease lease = 7;
    int64_t said = 0;

    atomic_store(&bench->what, what);
    for (uint64_t i = 1; i <= 5; i++) {
        REQUIRE_EQ(ncp_pool_get(bench->pool, &lease), status);
        REQUIRE_EQ(lease, 0);
        REQUIRE_EQ(counter(bench, NCP_COUNTER_FAILED), i);
        REQUIRE_EQ(counter(bench, NCP_COUNTER_CONNECTION_ERRORS), i);
    }
    if (code) {
        char text[64];
        uint64_t count = 0;
        REQUIRE_EQ(ncp_pool_dial_error(bench->pool, &said, NULL, &count, text,
                                       sizeof(text)),
                   NCP_OK);
        REQUIRE_EQ(said, code);
        REQUIRE_EQ(count, 5);
        REQUIRE(strcmp(text, "the cable was cut") == 0);
    }
    REQUIRE_EQ(counter(bench, NCP_COUNTER_CREATED), 0);
    require_works(bench, 2);
    bench_end(bench);
}

static void dialer_that_says_nothing(void)
{
    require_failure(SAY_NOTHING, NCP_EINVALIDCONN, 0);
}

static void dialer_that_fails(void)
{
    require_failure(FAIL, NCP_EUSER, 0);
}

static void dialer_that_fails_with_a_code(void)
{
    require_failure(FAIL_WITH_CODE, NCP_EDIAL, 4711);
}

static void dialer_without_a_socket(void)
{
    require_failure(BAD_SOCKET, NCP_EINVALIDCONN, 0);
}

static void garbage_kinds_count_as_unknown(void)
{
    struct bench *bench = bench_new(1, NULL);
    ncp_lease lease = 0;
    uint64_t value = 9;

    atomic_store(&bench->what, GARBAGE_KIND);
    REQUIRE_EQ(ncp_pool_get(bench->pool, &lease), NCP_OK);
    REQUIRE_EQ(ncp_lease_info(bench->pool, lease, NCP_INFO_PROTOCOL, &value),
               NCP_OK);
    REQUIRE_EQ(value, NCP_PROTOCOL_UNKNOWN);
    REQUIRE_EQ(ncp_lease_info(bench->pool, lease, NCP_INFO_IP, &value), NCP_OK);
    REQUIRE_EQ(value, NCP_IP_UNKNOWN);
    REQUIRE_EQ(ncp_pool_put(bench->pool, lease), NCP_OK);
    /* What never fits ends after three connections, not in a circle. */
    REQUIRE_EQ(ncp_pool_get_tcp(bench->pool, &lease), NCP_ENOPROTO);
    REQUIRE_EQ(ncp_pool_get_ipv6(bench->pool, &lease), NCP_ENOIP);
    require_works(bench, 1);
    bench_end(bench);
}

static void negative_descriptor_is_none(void)
{
    struct bench *bench = bench_new(1, NULL);
    ncp_lease lease = 0;

    atomic_store(&bench->what, GARBAGE_FD);
    REQUIRE_EQ(ncp_pool_get(bench->pool, &lease), NCP_OK);
    REQUIRE_EQ(ncp_lease_fd(bench->pool, lease), -1);
    REQUIRE_EQ(ncp_pool_put(bench->pool, lease), NCP_OK);
    require_works(bench, 1);
    bench_end(bench);
}

/* One of the two is the connection; the other is the dialer's to close. */
static void dialer_that_answers_twice(void)
{
    struct bench *bench = bench_new(1, NULL);
    ncp_lease lease = 0;
    uint64_t handle = 0;

    atomic_store(&bench->world->limit, 2);
    atomic_store(&bench->what, TWICE);
    REQUIRE_EQ(ncp_pool_get(bench->pool, &lease), NCP_OK);
    REQUIRE_EQ(ncp_lease_handle(bench->pool, lease, &handle), NCP_OK);
    uint64_t first = atomic_load(&bench->first);
    uint64_t second = atomic_load(&bench->second);
    REQUIRE(handle == first || handle == second);
    world_close(bench->world, handle == first ? second : first);
    REQUIRE_EQ(counter(bench, NCP_COUNTER_CREATED), 1);
    REQUIRE_EQ(ncp_pool_discard(bench->pool, lease), NCP_OK);
    require_works(bench, 1);
    bench_end(bench);
}

static void refusal_of_on_created(void)
{
    static const int says[][2] = {{NCP_EUSER, NCP_EUSER}, {5, NCP_EHOOK}};

    for (int i = 0; i < 2; i++) {
        struct bench *bench = bench_new(1, NULL);
        ncp_lease lease = 0;

        atomic_store(&bench->created_status, says[i][0]);
        REQUIRE_EQ(ncp_pool_get(bench->pool, &lease), says[i][1]);
        REQUIRE_EQ(atomic_load(&bench->world->opened), 1);
        REQUIRE_EQ(atomic_load(&bench->world->closed), 1);
        REQUIRE_EQ(counter(bench, NCP_COUNTER_CREATED), 0);
        REQUIRE_EQ(counter(bench, NCP_COUNTER_CONNECTION_ERRORS), 1);
        atomic_store(&bench->created_status, NCP_OK);
        require_works(bench, 1);
        bench_end(bench);
    }
}

static void closer_that_fails(void)
{
    struct bench *bench = bench_new(2, NULL);
    ncp_lease lease[2];

    for (int i = 0; i < 2; i++)
        REQUIRE_EQ(ncp_pool_get(bench->pool, &lease[i]), NCP_OK);
    atomic_store(&bench->closer_status, -5);
    REQUIRE_EQ(ncp_pool_discard(bench->pool, lease[0]), NCP_ECLOSEHOOK);
    REQUIRE_EQ(ncp_pool_put(bench->pool, lease[0]), NCP_EINVALIDCONN);
    REQUIRE_EQ(ncp_pool_active_count(bench->pool), 1);
    REQUIRE_EQ(ncp_pool_put(bench->pool, lease[1]), NCP_OK);
    REQUIRE_EQ(ncp_pool_close(bench->pool), NCP_ECLOSEHOOK);
    REQUIRE_EQ(ncp_pool_close(bench->pool), NCP_OK);
    bench_end(bench);
}

struct putter {
    struct bench *bench;
    ncp_lease lease;
};

static void *discard(void *arg)
{
    struct putter *putter = arg;
    REQUIRE_EQ(ncp_pool_discard(putter->bench->pool, putter->lease), NCP_OK);
    return NULL;
}

static void closer_that_hangs_holds_nobody_else(void)
{
    struct bench *bench = bench_new(2, NULL);
    struct putter putter = {.bench = bench};
    pthread_t thread;

    REQUIRE_EQ(ncp_pool_get(bench->pool, &putter.lease), NCP_OK);
    atomic_store(&bench->closer_hangs, true);
    REQUIRE_EQ(pthread_create(&thread, NULL, discard, &putter), 0);
    await(&bench->hanging);
    /* The other connection of the pool works meanwhile. */
    for (int i = 0; i < 10; i++) {
        ncp_lease lease = 0;
        REQUIRE_EQ(ncp_pool_get(bench->pool, &lease), NCP_OK);
        REQUIRE_EQ(ncp_pool_put(bench->pool, lease), NCP_OK);
        REQUIRE(ncp_pool_describe(bench->pool, NULL, 0) > 0);
    }
    sem_post(&bench->go);
    pthread_join(thread, NULL);
    require_works(bench, 2);
    bench_end(bench);
}

static void checker_that_hangs_costs_one_connection(void)
{
    static const struct setting settings[] = {
        {NCP_OPTION_HEALTH_CHECK, 1},
        {NCP_OPTION_HEALTH_CHECK_INTERVAL, 10},
        {NCP_OPTION_HEALTH_CHECK_TIMEOUT, 5},
        {0, 0}};
    struct bench *bench = bench_new(2, settings);

    atomic_store(&bench->world->limit, 3); /* the lost one is still open */
    atomic_store(&bench->world->may_take_away, true);
    atomic_store(&bench->checker_hangs, true);
    require_works(bench, 1);
    await(&bench->hanging);
    REQUIRE_SOON(counter(bench, NCP_COUNTER_HC_FAILURES) >= 1);
    REQUIRE_SOON(counter(bench, NCP_COUNTER_UNHEALTHY) >= 1);
    /* The checks of the others go on, the capacity is whole. */
    require_works(bench, 2);
    int checks = atomic_load(&bench->checks);
    REQUIRE_SOON(atomic_load(&bench->checks) > checks);
    REQUIRE_EQ(ncp_pool_close(bench->pool), NCP_OK); /* does not wait for it */
    sem_post(&bench->go);
    bench_end(bench);
}

static void checker_that_fails_is_a_verdict(void)
{
    static const struct setting settings[] = {
        {NCP_OPTION_HEALTH_CHECK, 1},
        {NCP_OPTION_HEALTH_CHECK_INTERVAL, 5},
        {0, 0}};
    static const int says[] = {NCP_EUSER, NCP_EUNHEALTHY, 1, -1000};
    struct bench *bench = bench_new(1, settings);

    for (int i = 0; i < 4; i++) {
        require_works(bench, 1);
        uint64_t closed = atomic_load(&bench->world->closed);
        atomic_store(&bench->checker_status, says[i]);
        REQUIRE_SOON(atomic_load(&bench->world->closed) == closed + 1);
        atomic_store(&bench->checker_status, NCP_OK);
    }
    REQUIRE(counter(bench, NCP_COUNTER_HC_FAILURES) >= 4);
    bench_end(bench);
}

static const struct child_case cases[] = {
    CHILD_CASE(late_connection_is_kept),
    CHILD_CASE(error_after_the_caller_left_is_only_counted),
    CHILD_CASE(error_after_a_cancel_is_only_counted),
    CHILD_CASE(dial_longer_than_its_limit_fails_the_get),
    CHILD_CASE(dial_that_meets_the_close_is_closed),
    CHILD_CASE(pool_may_be_freed_under_a_dial),
    CHILD_CASE(dialer_that_says_nothing),
    CHILD_CASE(dialer_that_fails),
    CHILD_CASE(dialer_that_fails_with_a_code),
    CHILD_CASE(dialer_without_a_socket),
    CHILD_CASE(garbage_kinds_count_as_unknown),
    CHILD_CASE(negative_descriptor_is_none),
    CHILD_CASE(dialer_that_answers_twice),
    CHILD_CASE(refusal_of_on_created),
    CHILD_CASE(closer_that_fails),
    CHILD_CASE(closer_that_hangs_holds_nobody_else),
    CHILD_CASE(checker_that_hangs_costs_one_connection),
    CHILD_CASE(checker_that_fails_is_a_verdict),
};

int main(int argc, char **argv)
{
    return child_cases(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
