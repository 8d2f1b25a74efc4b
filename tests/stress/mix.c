/*
 * Many threads, few connections, every operation there is: no connection ever
 * has two owners, no waiter is forgotten, no counter is wrong.
 *
 * usage: stress_mix <variant> <operations> <seed>
 *
 * The threads work in rounds. In a round some gets wait without a limit, so one
 * forgotten waiter keeps the round from ending; between rounds the pool is at
 * rest and its counters are compared with what the threads have seen.
 */
#include "snapshot.h"
#include "world.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 16, ROUND_CALLS = 1500, STALE_LEASES = 64 };

enum {
    HOOKS = 1 << 0,     /* all hooks are set */
    CLASSES = 1 << 1,   /* protocols, IP versions, dialers that ignore them */
    RESIZE = 1 << 2,    /* ncp_pool_resize() */
    SUSPEND = 1 << 3,   /* ncp_pool_suspend(), ncp_pool_resume() */
    FLUSH = 1 << 4,     /* ncp_pool_flush() */
    FAILURES = 1 << 5,  /* dialers and hooks fail now and then */
    IN_CALLER = 1 << 6, /* option dial_in_caller */
    DIAL_WAIT = 1 << 7, /* dial_policy = wait */
    STACKS = 1 << 8,    /* capture_stacks */
    ONE_AT_A_TIME = 1 << 9 /* max_concurrent_creates = 1 */
};

struct variant {
    const char *name;
    int fairness;
    int order;
    int max;
    int max_idle;
    unsigned flags;
};

static const struct variant variants[] = {
    {"strict_lifo", NCP_FAIRNESS_STRICT, NCP_IDLE_LIFO, 4, 4, 0},
    {"strict_fifo_few_idle", NCP_FAIRNESS_STRICT, NCP_IDLE_FIFO, 4, 2,
     ONE_AT_A_TIME},
    {"adaptive_lifo", NCP_FAIRNESS_ADAPTIVE, NCP_IDLE_LIFO, 4, 4, 0},
    {"adaptive_fifo_hooks", NCP_FAIRNESS_ADAPTIVE, NCP_IDLE_FIFO, 4, 1,
     HOOKS | FAILURES},
    {"classes_strict", NCP_FAIRNESS_STRICT, NCP_IDLE_LIFO, 4, 4,
     CLASSES | HOOKS},
    {"classes_adaptive", NCP_FAIRNESS_ADAPTIVE, NCP_IDLE_FIFO, 4, 3,
     CLASSES | FAILURES | HOOKS},
    {"resize_suspend_flush", NCP_FAIRNESS_STRICT, NCP_IDLE_LIFO, 4, 4,
     RESIZE | SUSPEND | FLUSH | HOOKS},
    {"in_caller", NCP_FAIRNESS_STRICT, NCP_IDLE_FIFO, 4, 2,
     IN_CALLER | FAILURES},
    {"dials_again", NCP_FAIRNESS_ADAPTIVE, NCP_IDLE_LIFO, 4, 4,
     DIAL_WAIT | FAILURES | FLUSH},
    {"everything", NCP_FAIRNESS_STRICT, NCP_IDLE_LIFO, 4, 3,
     HOOKS | CLASSES | RESIZE | SUSPEND | FLUSH | FAILURES | STACKS},
    /* Enough for everybody: the shortest ways, and stale bits. */
    {"plenty", NCP_FAIRNESS_STRICT, NCP_IDLE_LIFO, 20, 20, 0},
    {"plenty_resize_flush", NCP_FAIRNESS_STRICT, NCP_IDLE_LIFO, 20, 14,
     CLASSES | RESIZE | FLUSH},
};

/* A get somebody else may cancel. */
struct cancellable {
    pthread_mutex_t lock; /* guards token, so that it is not freed under fire */
    ncp_cancel *token;
};

struct tally {
    uint64_t total;
    uint64_t ok;
    uint64_t timeout;
    uint64_t failed;
    uint64_t cancelled;
    uint64_t detached;
};

struct stress;

struct worker {
    struct stress *stress;
    int id;
    pthread_t thread;
    struct rng rng;
    struct tally tally;
    uint64_t calls;
    struct cancellable get;
    ncp_tap *tap; /* every other worker has one */
};

struct stress {
    const struct variant *variant;
    ncp_pool *pool;
    struct world *world;
    uint64_t rounds;
    pthread_barrier_t barrier;
    struct worker worker[THREADS];
    _Atomic uint64_t stale[STALE_LEASES];
    atomic_ulong refused;     /* on_created said no */
    atomic_ulong dial_errors; /* the dialer said no */
    atomic_ulong closes_told; /* on_close ran */
    _Atomic uint64_t dice;    /* for callbacks */
};

static bool has(const struct stress *stress, unsigned flag)
{
    return (stress->variant->flags & flag) != 0;
}

/* Callbacks draw from one shared sequence: which thread runs them is open. */
static bool callback_one_in(struct stress *stress, uint32_t n)
{
    struct rng rng = {atomic_fetch_add_explicit(
        &stress->dice, UINT64_C(0x9e3779b97f4a7c15), memory_order_relaxed)};
    return rng_one_in(&rng, n);
}

static int dialer(void *user, ncp_dial *dial)
{
    struct stress *stress = user;
    int protocol = ncp_dial_protocol(dial);
    int ip = ncp_dial_ip(dial);

    world_dial(stress->world);
    if (callback_one_in(stress, 4))
        sched_yield();
    if (has(stress, FAILURES) && callback_one_in(stress, 16)) {
        bool own_error = callback_one_in(stress, 2);
        atomic_fetch_add(&stress->dial_errors, 1);
        ncp_dial_fail(dial, 111, "refused by chance");
        world_dial_failed(stress->world);
        return own_error ? NCP_EUSER : NCP_EDIAL;
    }
    bool deaf = has(stress, CLASSES) && callback_one_in(stress, 16);
    if (protocol == NCP_PROTOCOL_UNKNOWN || deaf)
        protocol =
            callback_one_in(stress, 2) ? NCP_PROTOCOL_TCP : NCP_PROTOCOL_UDP;
    if (ip == NCP_IP_UNKNOWN || deaf)
        ip = callback_one_in(stress, 2) ? NCP_IP_V4 : NCP_IP_V6;
    return ncp_dial_done(dial, world_open(stress->world, protocol, ip), -1,
                         protocol, ip);
}

static int closer(void *user, const ncp_conn *conn, int reason)
{
    struct stress *stress = user;

    REQUIRE(strcmp(ncp_reason_text(reason), "unknown") != 0);
    world_close(stress->world, ncp_conn_handle(conn));
    return NCP_OK;
}

static int on_created(void *user, const ncp_conn *conn, int reason)
{
    struct stress *stress = user;

    (void)reason;
    REQUIRE(world_is_open(stress->world, ncp_conn_handle(conn)));
    if (!has(stress, FAILURES) || !callback_one_in(stress, 32))
        return NCP_OK;
    atomic_fetch_add(&stress->refused, 1);
    return NCP_EUSER;
}

static int on_borrow(void *user, const ncp_conn *conn, int reason)
{
    struct stress *stress = user;

    (void)reason;
    REQUIRE(world_is_open(stress->world, ncp_conn_handle(conn)));
    return has(stress, FAILURES) && callback_one_in(stress, 64) ? NCP_EUSER
                                                                : NCP_OK;
}

static int on_return(void *user, const ncp_conn *conn, int reason)
{
    struct stress *stress = user;
    uint64_t lease = 0;

    (void)reason;
    REQUIRE(world_is_open(stress->world, ncp_conn_handle(conn)));
    /* Putting the connection that is being put is refused. */
    ncp_conn_info(conn, NCP_INFO_LEASE, &lease);
    if (lease && callback_one_in(stress, 8))
        REQUIRE_EQ(ncp_pool_put(stress->pool, lease), NCP_EINVALIDCONN);
    return has(stress, FAILURES) && callback_one_in(stress, 64) ? NCP_EUSER
                                                                : NCP_OK;
}

static int on_close(void *user, const ncp_conn *conn, int reason)
{
    struct stress *stress = user;

    (void)reason;
    REQUIRE(world_is_open(stress->world, ncp_conn_handle(conn)));
    atomic_fetch_add(&stress->closes_told, 1);
    return NCP_OK;
}

static void set(ncp_config *config, int option, int64_t value)
{
    REQUIRE_EQ(ncp_config_set_int(config, option, value), NCP_OK);
}

static ncp_pool *new_pool(struct stress *stress)
{
    const struct variant *variant = stress->variant;
    ncp_config *config = NULL;
    ncp_pool *pool = NULL;

    REQUIRE_EQ(ncp_config_new(NCP_MODE_CLIENT, &config), NCP_OK);
    world_store(config);
    set(config, NCP_OPTION_MAX_CONNECTIONS, variant->max);
    set(config, NCP_OPTION_MIN_CONNECTIONS, 0);
    set(config, NCP_OPTION_MAX_IDLE_CONNECTIONS, variant->max_idle);
    set(config, NCP_OPTION_FAIRNESS, variant->fairness);
    set(config, NCP_OPTION_IDLE_ORDER, variant->order);
    set(config, NCP_OPTION_GET_TIMEOUT, -1);
    set(config, NCP_OPTION_HEALTH_CHECK, 0);
    set(config, NCP_OPTION_LEAK_TIMEOUT, 0);
    set(config, NCP_OPTION_DIAL_BACKOFF, 0);
    set(config, NCP_OPTION_BREAKER_FAILURES, 0);
    set(config, NCP_OPTION_LOG_LEVEL, NCP_LOG_OFF);
    set(config, NCP_OPTION_DIAL_IN_CALLER, has(stress, IN_CALLER));
    set(config, NCP_OPTION_CAPTURE_STACKS, has(stress, STACKS));
    if (has(stress, DIAL_WAIT))
        set(config, NCP_OPTION_DIAL_POLICY, NCP_DIAL_WAIT);
    if (has(stress, ONE_AT_A_TIME))
        set(config, NCP_OPTION_MAX_CONCURRENT_CREATES, 1);

    REQUIRE_EQ(ncp_config_set_dialer(config, dialer, stress, NULL), NCP_OK);
    REQUIRE_EQ(ncp_config_set_callback(config, NCP_CALLBACK_CLOSER, closer,
                                       stress, NULL),
               NCP_OK);
    if (has(stress, HOOKS)) {
        static const struct {
            int callback;
            ncp_conn_fn function;
        } hooks[] = {
            {NCP_CALLBACK_ON_CREATED, on_created},
            {NCP_CALLBACK_ON_BORROW, on_borrow},
            {NCP_CALLBACK_ON_RETURN, on_return},
            {NCP_CALLBACK_ON_CLOSE, on_close},
        };
        for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++)
            REQUIRE_EQ(ncp_config_set_callback(config, hooks[i].callback,
                                               hooks[i].function, stress, NULL),
                       NCP_OK);
    }
    REQUIRE_EQ(ncp_pool_new(config, &pool), NCP_OK);
    ncp_config_free(config);
    return pool;
}

static void hold(struct worker *worker)
{
    switch (rng_below(&worker->rng, 16)) {
    case 0:
        sleep_us(rng_below(&worker->rng, 100));
        return;
    case 1:
    case 2:
    case 3:
        sched_yield();
        return;
    default:
        return;
    }
}

/* An ended lease is refused by everything, whoever has the connection now. */
static void require_stale(ncp_pool *pool, ncp_lease lease, uint32_t which)
{
    uint64_t value = 1;

    switch (which) {
    case 0:
        REQUIRE_EQ(ncp_pool_put(pool, lease), NCP_EINVALIDCONN);
        return;
    case 1:
        REQUIRE_EQ(ncp_pool_discard(pool, lease), NCP_EINVALIDCONN);
        return;
    case 2:
        REQUIRE_EQ(ncp_lease_close(pool, lease), NCP_EINVALIDCONN);
        return;
    case 3:
        REQUIRE_EQ(ncp_pool_detach(pool, lease, &value), NCP_EINVALIDCONN);
        REQUIRE_EQ(value, 0);
        return;
    case 4:
        REQUIRE_EQ(ncp_lease_handle(pool, lease, &value), NCP_EINVALIDCONN);
        REQUIRE_EQ(value, 0);
        return;
    case 5:
        REQUIRE_EQ(ncp_lease_set_healthy(pool, lease, 0), NCP_EINVALIDCONN);
        return;
    case 6:
        REQUIRE_EQ(ncp_lease_set_tag(pool, lease, 7), NCP_EINVALIDCONN);
        return;
    default:
        REQUIRE_EQ(ncp_lease_fd(pool, lease), NCP_EINVALIDCONN);
        return;
    }
}

enum { STALE_USES = 8 };

static void use_stale(struct worker *worker)
{
    struct stress *stress = worker->stress;
    uint32_t at = rng_below(&worker->rng, STALE_LEASES);
    ncp_lease lease = atomic_load(&stress->stale[at]);

    worker->calls++;
    if (lease)
        require_stale(stress->pool, lease, rng_below(&worker->rng, STALE_USES));
}

static void remember(struct worker *worker, ncp_lease lease)
{
    uint32_t at = rng_below(&worker->rng, STALE_LEASES);
    atomic_store(&worker->stress->stale[at], lease);
}

static bool put_is_fine(const struct stress *stress, int status)
{
    if (status == NCP_OK)
        return true;
    return status == NCP_EUSER && has(stress, HOOKS) && has(stress, FAILURES);
}

static void close_and_put(struct worker *worker, ncp_lease lease)
{
    ncp_pool *pool = worker->stress->pool;

    REQUIRE_EQ(ncp_lease_close(pool, lease), NCP_OK);
    worker->calls += 2;
    hold(worker);
    REQUIRE_EQ(ncp_pool_put(pool, lease), NCP_OK);
}

static int put(struct worker *worker, ncp_lease lease)
{
    return worker->tap != NULL && rng_one_in(&worker->rng, 2)
               ? ncp_tap_put(worker->tap, lease)
               : ncp_pool_put(worker->stress->pool, lease);
}

static void end_lease(struct worker *worker, ncp_lease lease, uint64_t handle)
{
    struct stress *stress = worker->stress;
    ncp_pool *pool = stress->pool;
    uint32_t dice = rng_below(&worker->rng, 100);

    REQUIRE(world_disown(stress->world, handle));
    worker->calls++;
    if (dice < 80) {
        REQUIRE(put_is_fine(stress, put(worker, lease)));
    } else if (dice < 86) {
        REQUIRE_EQ(ncp_pool_discard(pool, lease), NCP_OK);
    } else if (dice < 91) {
        close_and_put(worker, lease);
    } else if (dice < 94) {
        uint64_t detached = 0;
        world_close(stress->world, handle); /* its place is free at once */
        REQUIRE_EQ(ncp_pool_detach(pool, lease, &detached), NCP_OK);
        REQUIRE_EQ(detached, handle);
        worker->tally.detached++;
    } else if (dice < 97) {
        REQUIRE_EQ(ncp_lease_set_healthy(pool, lease, 0), NCP_OK);
        REQUIRE_EQ(ncp_pool_put(pool, lease), NCP_OK);
        worker->calls++;
    } else {
        REQUIRE(put_is_fine(stress, put(worker, lease)));
        REQUIRE_EQ(put(worker, lease), NCP_EINVALIDCONN);
        worker->calls++;
    }
    remember(worker, lease);
}

static void use_lease(struct worker *worker, ncp_lease lease, int protocol,
                      int ip)
{
    struct stress *stress = worker->stress;
    uint64_t handle = 0;

    REQUIRE_EQ(ncp_lease_handle(stress->pool, lease, &handle), NCP_OK);
    world_own(stress->world, handle);
    world_touch(stress->world, handle);
    if (protocol)
        REQUIRE_EQ(world_protocol(stress->world, handle), protocol);
    if (ip)
        REQUIRE_EQ(world_ip(stress->world, handle), ip);
    hold(worker);
    if (rng_one_in(&worker->rng, 16)) {
        uint64_t in_use = 0;
        REQUIRE_EQ(
            ncp_lease_info(stress->pool, lease, NCP_INFO_IN_USE, &in_use),
            NCP_OK);
        REQUIRE_EQ(in_use, 1);
        worker->calls++;
    }
    world_touch(stress->world, handle);
    end_lease(worker, lease, handle);
}

/* What a get that did not succeed may answer in this variant. */
static bool is_expected(const struct stress *stress, int status)
{
    switch (status) {
    case NCP_ETIMEOUT:
    case NCP_EEXHAUSTED:
    case NCP_ECANCELED:
        return true;
    case NCP_EDIAL:
    case NCP_EUSER:
        return has(stress, FAILURES);
    case NCP_ENOPROTO:
    case NCP_ENOIP:
        return has(stress, CLASSES);
    default:
        return false;
    }
}

static void count_get(struct worker *worker, int status)
{
    struct tally *tally = &worker->tally;

    tally->total++;
    if (status == NCP_OK) {
        tally->ok++;
        return;
    }
    if (!is_expected(worker->stress, status))
        expect_failed(__FILE__, __LINE__, ncp_status_name(status), status, 0,
                      true);
    if (status == NCP_ETIMEOUT)
        tally->timeout++;
    else
        tally->failed++;
    if (status == NCP_ECANCELED)
        tally->cancelled++;
}

static int64_t draw_timeout(struct rng *rng)
{
    switch (rng_below(rng, 8)) {
    case 0:
        return 0;
    case 1:
        return 1;
    case 2:
        return 1 + rng_below(rng, 4);
    case 3:
        return NCP_TIMEOUT_DEFAULT;
    default:
        return -1;
    }
}

static void publish(struct worker *worker, ncp_cancel *token)
{
    pthread_mutex_lock(&worker->get.lock);
    worker->get.token = token;
    pthread_mutex_unlock(&worker->get.lock);
}

/* The ways of a get that has nothing special to ask for. */
static int get_plain(struct worker *worker, ncp_lease *lease)
{
    return worker->tap != NULL ? ncp_tap_get(worker->tap, lease)
                               : ncp_pool_get(worker->stress->pool, lease);
}

static void borrow(struct worker *worker)
{
    struct stress *stress = worker->stress;
    struct rng *rng = &worker->rng;
    bool classes = has(stress, CLASSES);
    int protocol = classes ? (int)rng_below(rng, 3) : 0;
    int ip = classes ? (int)rng_below(rng, 3) : 0;
    int64_t timeout_ms = draw_timeout(rng);
    ncp_cancel *token = NULL;
    ncp_lease lease = 0;

    if (rng_one_in(rng, 4)) {
        REQUIRE_EQ(ncp_cancel_new(&token), NCP_OK);
        publish(worker, token);
    }
    watchdog_beat(worker->id,
                  timeout_ms < 0 ? "get without a limit" : "get with a limit");
    bool plain = token == NULL && protocol == 0 && ip == 0 && timeout_ms < 0;
    int status = plain ? get_plain(worker, &lease)
                       : ncp_pool_get_ex(stress->pool, protocol, ip, timeout_ms,
                                         token, worker->calls % 4, &lease);
    watchdog_beat(worker->id, "use");
    worker->calls++;
    if (token) {
        publish(worker, NULL);
        ncp_cancel_free(token);
    } else {
        REQUIRE(status != NCP_ECANCELED);
    }
    if (timeout_ms < 0)
        REQUIRE(status != NCP_ETIMEOUT);
    count_get(worker, status);
    if (status == NCP_OK)
        use_lease(worker, lease, protocol, ip);
    else
        REQUIRE_EQ(lease, 0);
}

static void try_borrow(struct worker *worker)
{
    ncp_lease lease = 0;
    int status = ncp_pool_try_get(worker->stress->pool, &lease);

    worker->calls++;
    REQUIRE(status != NCP_ETIMEOUT && status != NCP_EDIAL);
    count_get(worker, status);
    if (status == NCP_OK)
        use_lease(worker, lease, 0, 0);
}

static void cancel_another(struct worker *worker)
{
    struct stress *stress = worker->stress;
    struct worker *victim = &stress->worker[rng_below(&worker->rng, THREADS)];

    pthread_mutex_lock(&victim->get.lock);
    if (victim->get.token) {
        REQUIRE_EQ(ncp_cancel_fire(victim->get.token), NCP_OK);
        worker->calls++;
    }
    pthread_mutex_unlock(&victim->get.lock);
}

static void suspend_and_resume(struct worker *worker)
{
    ncp_pool *pool = worker->stress->pool;

    REQUIRE_EQ(ncp_pool_suspend(pool), NCP_OK);
    hold(worker);
    sleep_us(rng_below(&worker->rng, 200));
    REQUIRE_EQ(ncp_pool_resume(pool), NCP_OK);
    worker->calls += 2;
}

static void disturb(struct worker *worker)
{
    struct stress *stress = worker->stress;

    switch (rng_below(&worker->rng, 3)) {
    case 0:
        if (!has(stress, RESIZE))
            return;
        REQUIRE_EQ(
            ncp_pool_resize(
                stress->pool,
                1 + rng_below(&worker->rng, (uint32_t)stress->variant->max)),
            NCP_OK);
        break;
    case 1:
        if (has(stress, SUSPEND))
            suspend_and_resume(worker);
        return;
    default:
        if (!has(stress, FLUSH))
            return;
        REQUIRE_EQ(ncp_pool_flush(stress->pool), NCP_OK);
        break;
    }
    worker->calls++;
}

static void step(struct worker *worker)
{
    uint32_t dice = rng_below(&worker->rng, 1000);

    if (dice < 700)
        borrow(worker);
    else if (dice < 850)
        try_borrow(worker);
    else if (dice < 920)
        cancel_another(worker);
    else if (dice < 990)
        use_stale(worker);
    else
        disturb(worker);
}

/* All threads are between two rounds: everything adds up. */
static void check_rest(struct stress *stress)
{
    uint64_t value[NCP_COUNTER_COUNT];
    struct tally sum = {0};

    /* A dial whose caller gave up may still be on its way. */
    REQUIRE_SOON(ncp_pool_dialing_count(stress->pool) == 0);
    REQUIRE_SOON((ncp_pool_stats(stress->pool, value, NCP_COUNTER_COUNT),
                  (int64_t)value[NCP_COUNTER_CURRENT] ==
                      (int64_t)atomic_load(&stress->world->open)));
    for (int i = 0; i < THREADS; i++) {
        const struct tally *one = &stress->worker[i].tally;
        sum.total += one->total;
        sum.ok += one->ok;
        sum.timeout += one->timeout;
        sum.failed += one->failed;
        sum.cancelled += one->cancelled;
        sum.detached += one->detached;
    }
    snapshot_take(stress->pool, value, (uint64_t)stress->variant->max,
                  (uint64_t)stress->variant->max_idle);
    REQUIRE_EQ(ncp_pool_active_count(stress->pool), 0);
    REQUIRE_EQ(ncp_pool_waiting_count(stress->pool), 0);
    REQUIRE_EQ(value[NCP_COUNTER_ACTIVE], 0);
    REQUIRE_EQ(value[NCP_COUNTER_IN_FLIGHT], 0);
    REQUIRE_EQ(value[NCP_COUNTER_WAITING], 0);
    REQUIRE_EQ(value[NCP_COUNTER_TOTAL], sum.total);
    REQUIRE_EQ(value[NCP_COUNTER_SUCCESSFUL], sum.ok);
    REQUIRE_EQ(value[NCP_COUNTER_TIMEOUT], sum.timeout);
    REQUIRE_EQ(value[NCP_COUNTER_FAILED], sum.failed);
    REQUIRE_EQ(value[NCP_COUNTER_CANCELED], sum.cancelled);
    REQUIRE_EQ(value[NCP_COUNTER_DETACHED], sum.detached);
    REQUIRE_EQ(value[NCP_COUNTER_CREATED], atomic_load(&stress->world->opened) -
                                               atomic_load(&stress->refused));
    REQUIRE_EQ(value[NCP_COUNTER_CONNECTION_ERRORS],
               atomic_load(&stress->refused) +
                   atomic_load(&stress->dial_errors));
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct stress *stress = worker->stress;

    for (uint64_t round = 1; round <= stress->rounds; round++) {
        while (worker->calls < round * ROUND_CALLS)
            step(worker);
        watchdog_rest(worker->id);
        if (pthread_barrier_wait(&stress->barrier) ==
            PTHREAD_BARRIER_SERIAL_THREAD)
            check_rest(stress);
        pthread_barrier_wait(&stress->barrier);
    }
    return NULL;
}

static void run(struct stress *stress, uint64_t seed)
{
    REQUIRE_EQ(pthread_barrier_init(&stress->barrier, NULL, THREADS), 0);
    for (int i = 0; i < THREADS; i++) {
        struct worker *worker = &stress->worker[i];
        worker->stress = stress;
        worker->id = i;
        worker->rng.state = seed * 1000003 + (uint64_t)i;
        REQUIRE_EQ(pthread_mutex_init(&worker->get.lock, NULL), 0);
        if (i % 2 == 1)
            REQUIRE_EQ(ncp_tap_new(stress->pool, &worker->tap), NCP_OK);
    }
    for (int i = 0; i < THREADS; i++)
        REQUIRE_EQ(pthread_create(&stress->worker[i].thread, NULL, work,
                                  &stress->worker[i]),
                   0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(stress->worker[i].thread, NULL);
        ncp_tap_free(stress->worker[i].tap);
    }
    pthread_barrier_destroy(&stress->barrier);
}

static void finish(struct stress *stress)
{
    uint64_t value[NCP_COUNTER_COUNT];
    bool told = has(stress, HOOKS);

    REQUIRE_EQ(ncp_pool_close(stress->pool), NCP_OK);
    snapshot_take(stress->pool, value, (uint64_t)stress->variant->max, 0);
    REQUIRE_EQ(value[NCP_COUNTER_CURRENT], 0);
    REQUIRE_EQ(value[NCP_COUNTER_CREATED], value[NCP_COUNTER_CLOSED]);
    if (told)
        REQUIRE(atomic_load(&stress->closes_told) >=
                value[NCP_COUNTER_CLOSED] - value[NCP_COUNTER_DETACHED]);
    expect_about(NULL);
    ncp_pool_free(stress->pool);
    world_require_empty(stress->world);
}

static const struct variant *find_variant(const char *name)
{
    for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++)
        if (strcmp(variants[i].name, name) == 0)
            return &variants[i];
    return NULL;
}

static int usage(void)
{
    fprintf(stderr, "usage: stress_mix <variant> <operations> <seed>\n"
                    "variants:");
    for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++)
        fprintf(stderr, " %s", variants[i].name);
    fprintf(stderr, "\n");
    return 2;
}

int main(int argc, char **argv)
{
    static struct stress stress;
    const struct variant *variant = argc == 4 ? find_variant(argv[1]) : NULL;
    struct sampler sampler;
    uint64_t calls = 0;

    if (!variant)
        return usage();
    uint64_t operations = strtoull(argv[2], NULL, 10);
    uint64_t seed = strtoull(argv[3], NULL, 10);

    expect_context("stress_mix %s %" PRIu64 " %" PRIu64, variant->name,
                   operations, seed);
    stress.variant = variant;
    stress.dice = seed;
    stress.rounds = operations / THREADS / ROUND_CALLS + 1;
    stress.world = world_new(variant->max);
    stress.pool = new_pool(&stress);
    expect_about(stress.pool);
    watchdog_start(0);
    sampler_start(&sampler, stress.pool, (uint64_t)variant->max,
                  (uint64_t)variant->max_idle);

    run(&stress, seed);

    sampler_stop(&sampler);
    watchdog_stop();
    for (int i = 0; i < THREADS; i++)
        calls += stress.worker[i].calls;
    finish(&stress);
    printf("%s: %" PRIu64 " operations, %lu connections, %lu snapshots\n",
           variant->name, calls, (unsigned long)stress.world->opened,
           sampler.taken);
    world_free(stress.world);
    return 0;
}
