/*
 * Out of memory at every allocation: each script runs in a process of its own,
 * once for every n, with the n-th allocation failing, and once more with every
 * allocation from the n-th on failing. Every call succeeds or says so, nothing
 * leaks, the counters stay exact.
 *
 * usage: fault_memory [script]
 */
#include "child.h"
#include "snapshot.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    atomic_long calls;
    atomic_long live;
    long fail_at; /* 0 never */
    bool for_good;
} heap;

static void *heap_alloc(void *user, size_t size)
{
    long call = atomic_fetch_add(&heap.calls, 1) + 1;

    REQUIRE(user == &heap);
    if (heap.fail_at && call >= heap.fail_at &&
        (heap.for_good || call == heap.fail_at))
        return NULL;
    void *memory = malloc(size);
    if (memory)
        atomic_fetch_add(&heap.live, 1);
    return memory;
}

static void heap_release(void *user, void *memory)
{
    REQUIRE(user == &heap);
    if (memory)
        atomic_fetch_sub(&heap.live, 1);
    free(memory);
}

/* True when it succeeded; the only excuse is memory. */
#define WENT_WELL(call) went_well((call), __LINE__, #call)

static bool went_well(int status, int line, const char *what)
{
    if (status >= 0)
        return true;
    if (status != NCP_ENOMEM || heap.fail_at == 0)
        expect_failed(__FILE__, line, what, status, NCP_ENOMEM, true);
    return false;
}

struct tally {
    uint64_t total, ok;
};

static int drops;

static void count_drop(void *user)
{
    REQUIRE(user == &drops);
    drops++;
}

static int no_dialer(void *user, ncp_dial *dial)
{
    (void)user;
    (void)dial;
    return NCP_EDIAL;
}

static int no_hook(void *user, const ncp_conn *conn, int reason)
{
    (void)user;
    (void)conn;
    (void)reason;
    return NCP_OK;
}

static void no_log(void *user, int level, uint64_t conn_id, const char *text)
{
    (void)user;
    (void)level;
    (void)conn_id;
    (void)text;
}

static uint64_t some_clock(void *user)
{
    (void)user;
    return 1;
}

/* Every option by its name, through its text and back. */
static void set_options(ncp_config *config)
{
    char text[256];
    int option = 0;

    for (int i = 0; ncp_option_at(i, &option) == NCP_OK; i++) {
        const char *name = ncp_option_name(option);
        if (WENT_WELL(ncp_config_get(config, name, text, sizeof(text))))
            WENT_WELL(ncp_config_set(config, name, text));
    }
    WENT_WELL(ncp_config_set(config, "name", "a name"));
    WENT_WELL(ncp_config_set(config, "name", "another name"));
    WENT_WELL(ncp_config_set(config, "target", "tcp://127.0.0.1:1"));
}

static void script_configuration(void)
{
    ncp_config *config = NULL, *copy = NULL;

    if (!WENT_WELL(ncp_config_new(NCP_MODE_CLIENT, &config))) {
        REQUIRE(config == NULL);
        return;
    }
    set_options(config);
    drops = 0;
    int set = 0;
    /* Taken over in any case: the drop runs, once each. */
    WENT_WELL(ncp_config_set_dialer(config, no_dialer, &drops, count_drop));
    set++;
    WENT_WELL(ncp_config_set_dialer(config, no_dialer, &drops, count_drop));
    set++;
    WENT_WELL(ncp_config_set_acceptor(config, no_dialer, &drops, count_drop));
    set++;
    for (int i = NCP_CALLBACK_CLOSER; i <= NCP_CALLBACK_ON_LEAK; i++, set++)
        WENT_WELL(
            ncp_config_set_callback(config, i, no_hook, &drops, count_drop));
    WENT_WELL(ncp_config_set_log(config, no_log, &drops, count_drop));
    set++;
    WENT_WELL(ncp_config_set_clock(config, some_clock, &drops, count_drop));
    set++;
    if (!WENT_WELL(ncp_config_copy(config, &copy)))
        REQUIRE(copy == NULL);
    ncp_config_free(config);
    if (copy)
        REQUIRE(drops <= set);
    ncp_config_free(copy);
    REQUIRE_EQ(drops, set);
}

static int world_checker(void *user, const ncp_conn *conn, int reason)
{
    (void)reason;
    REQUIRE(world_is_open(user, ncp_conn_handle(conn)));
    return NCP_OK;
}

struct setting {
    int option;
    int64_t value;
};

/* NULL when there was no memory for it. */
static ncp_pool *open_pool(struct world *world, ncp_queue *queue,
                           const struct setting *settings, size_t count)
{
    ncp_config *config = NULL;
    ncp_pool *pool = NULL;
    bool well = WENT_WELL(ncp_config_new(NCP_MODE_CLIENT, &config));

    if (!well)
        return NULL;
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_LOG_LEVEL, 0), NCP_OK);
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_DIAL_BACKOFF, 0), NCP_OK);
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_BREAKER_FAILURES, 0),
               NCP_OK);
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, 0),
               NCP_OK);
    for (size_t i = 0; i < count; i++)
        REQUIRE_EQ(
            ncp_config_set_int(config, settings[i].option, settings[i].value),
            NCP_OK);
    well = WENT_WELL(ncp_config_set(config, "name", "scarce"));
    if (queue)
        REQUIRE_EQ(ncp_config_set_queue(config, queue), NCP_OK);
    else
        well = well &&
               WENT_WELL(
                   ncp_config_set_dialer(config, world_dialer, world, NULL)) &&
               WENT_WELL(ncp_config_set_callback(config, NCP_CALLBACK_CLOSER,
                                                 world_closer, world, NULL)) &&
               WENT_WELL(ncp_config_set_callback(config, NCP_CALLBACK_CHECKER,
                                                 world_checker, world, NULL));
    if (well && !WENT_WELL(ncp_pool_new(config, &pool)))
        REQUIRE(pool == NULL);
    ncp_config_free(config);
    expect_about(pool);
    return pool;
}

#define OPEN_POOL(world, queue, settings)                                      \
    open_pool(world, queue, settings, sizeof(settings) / sizeof(settings[0]))

static ncp_lease borrow(ncp_pool *pool, struct world *world,
                        struct tally *tally)
{
    ncp_lease lease = 0;
    uint64_t handle = 0;

    tally->total++;
    if (!WENT_WELL(ncp_pool_get_ex(pool, NCP_PROTOCOL_TCP, NCP_IP_V4, 60000,
                                   NULL, 7, &lease))) {
        REQUIRE_EQ(lease, 0);
        return 0;
    }
    tally->ok++;
    REQUIRE_EQ(ncp_lease_handle(pool, lease, &handle), NCP_OK);
    world_own(world, handle);
    return lease;
}

static void give_back(ncp_pool *pool, struct world *world, ncp_lease lease,
                      bool discard)
{
    uint64_t handle = 0;

    if (!lease)
        return;
    REQUIRE_EQ(ncp_lease_handle(pool, lease, &handle), NCP_OK);
    REQUIRE(world_disown(world, handle));
    /* Giving back never needs memory. */
    REQUIRE_EQ(discard ? ncp_pool_discard(pool, lease)
                       : ncp_pool_put(pool, lease),
               NCP_OK);
}

static void look_at(const ncp_pool *pool, ncp_lease lease)
{
    char text[4096];
    ncp_lease leases[8];
    size_t out = 0;

    WENT_WELL(ncp_pool_describe(pool, text, sizeof(text)));
    WENT_WELL(ncp_pool_leases(pool, leases, 8, &out));
    if (lease)
        WENT_WELL(ncp_lease_stack(pool, lease, text, sizeof(text)));
}

static void close_pool(ncp_pool *pool, struct world *world,
                       const struct tally *tally)
{
    uint64_t value[NCP_COUNTER_COUNT];

    REQUIRE_SOON(ncp_pool_dialing_count(pool) == 0);
    REQUIRE_EQ(ncp_pool_close(pool), NCP_OK);
    /* What the housekeeping was closing may take a moment more. */
    REQUIRE_SOON((ncp_pool_stats(pool, value, NCP_COUNTER_COUNT),
                  value[NCP_COUNTER_CURRENT] == 0));
    snapshot_take(pool, value, 0, 0);
    REQUIRE_EQ(value[NCP_COUNTER_IN_FLIGHT], 0);
    REQUIRE_EQ(value[NCP_COUNTER_TOTAL], tally->total);
    REQUIRE_EQ(value[NCP_COUNTER_SUCCESSFUL], tally->ok);
    REQUIRE_EQ(value[NCP_COUNTER_CREATED], atomic_load(&world->opened));
    expect_about(NULL);
    ncp_pool_free(pool);
    world_require_empty(world);
}

static void script_borrowing_with(bool in_caller)
{
    const struct setting settings[] = {
        {NCP_OPTION_MAX_CONNECTIONS, 3}, {NCP_OPTION_DIAL_IN_CALLER, in_caller},
        {NCP_OPTION_CAPTURE_STACKS, 1},  {NCP_OPTION_HEALTH_CHECK, 0},
        {NCP_OPTION_LEAK_TIMEOUT, 0},
    };
    struct world *world = world_new(3);
    struct tally tally = {0};
    ncp_lease lease[3];
    ncp_pool *found = NULL;
    ncp_pool *pool = OPEN_POOL(world, NULL, settings);

    if (pool) {
        for (int round = 0; round < 2; round++) {
            for (int i = 0; i < 3; i++)
                lease[i] = borrow(pool, world, &tally);
            look_at(pool, lease[0]);
            for (int i = 0; i < 3; i++)
                give_back(pool, world, lease[i], i == round);
        }
        if (WENT_WELL(ncp_pool_find("scarce", &found)))
            ncp_pool_free(found);
        REQUIRE_EQ(ncp_pool_flush(pool), NCP_OK);
        close_pool(pool, world, &tally);
    }
    world_free(world);
}

static void script_borrowing(void)
{
    script_borrowing_with(false);
}

static void script_borrowing_in_the_caller(void)
{
    script_borrowing_with(true);
}

struct waiting {
    ncp_pool *pool;
    struct world *world;
    ncp_cancel *cancel;
    atomic_bool ended;
    int status;
};

static void *wait_for_one(void *arg)
{
    struct waiting *waiting = arg;
    ncp_lease lease = 0;

    waiting->status =
        ncp_pool_get_ex(waiting->pool, 0, 0, -1, waiting->cancel, 0, &lease);
    if (waiting->status == NCP_OK)
        REQUIRE_EQ(ncp_pool_put(waiting->pool, lease), NCP_OK);
    atomic_store(&waiting->ended, true);
    return NULL;
}

/* One waits for the connection, one is cancelled, one meets the close. */
static void script_waiting(void)
{
    static const struct setting settings[] = {
        {NCP_OPTION_MAX_CONNECTIONS, 1},
        {NCP_OPTION_HEALTH_CHECK, 0},
        {NCP_OPTION_LEAK_TIMEOUT, 0},
    };
    struct world *world = world_new(1);
    struct tally tally = {0};
    ncp_pool *pool = OPEN_POOL(world, NULL, settings);

    for (int way = 0; pool && way < 3; way++) {
        struct waiting waiting = {.pool = pool, .world = world};
        pthread_t thread;
        ncp_lease lease = borrow(pool, world, &tally);

        if (!lease)
            continue;
        if (way == 1 && !WENT_WELL(ncp_cancel_new(&waiting.cancel)))
            REQUIRE(waiting.cancel == NULL);
        REQUIRE_EQ(pthread_create(&thread, NULL, wait_for_one, &waiting), 0);
        REQUIRE_SOON(ncp_pool_waiting_count(pool) == 1 ||
                     atomic_load(&waiting.ended));
        if (waiting.cancel)
            REQUIRE_EQ(ncp_cancel_fire(waiting.cancel), NCP_OK);
        if (way == 2)
            REQUIRE_EQ(ncp_pool_close(pool), NCP_OK);
        give_back(pool, world, lease, false);
        pthread_join(thread, NULL);
        tally.total++;
        tally.ok += waiting.status == NCP_OK;
        if (waiting.status != NCP_ENOMEM)
            REQUIRE(waiting.status == NCP_OK ||
                    (way == 1 && waiting.status == NCP_ECANCELED) ||
                    (way == 2 && waiting.status == NCP_ECLOSED));
        ncp_cancel_free(waiting.cancel);
    }
    if (pool)
        close_pool(pool, world, &tally);
    world_free(world);
}

/* The host does its work, whatever the memory. */
static void do_work(struct world *world, ncp_pool *pool, ncp_queue *queue)
{
    ncp_event event[4], answer;
    int count;

    while ((count = ncp_queue_poll(queue, event, 4)) > 0) {
        for (int i = 0; i < count; i++) {
            if (event[i].type == NCP_EVENT_CLOSE) {
                world_close(world, event[i].handle);
            } else if (event[i].type == NCP_EVENT_DIAL) {
                world_dial(world);
                if (!WENT_WELL(ncp_pool_fulfil(pool, event[i].lease,
                                               world_open(world, 1, 1), -1, 1,
                                               1, &answer)))
                    expect_failed(__FILE__, __LINE__, "fulfil needs no memory",
                                  0, 0, false);
            } else if (event[i].type == NCP_EVENT_CHECK) {
                REQUIRE_EQ(ncp_pool_checked(pool, event[i].lease, 1, &answer),
                           NCP_OK);
            }
        }
    }
    REQUIRE_EQ(count, 0);
}

static ncp_lease finish_acquire(struct world *world, ncp_pool *pool,
                                struct tally *tally, ncp_event *event)
{
    ncp_event answer;

    if (event->type == NCP_EVENT_DIAL) {
        world_dial(world);
        uint64_t handle = world_open(world, 1, 1);
        REQUIRE_EQ(
            ncp_pool_fulfil(pool, event->lease, handle, -1, 1, 1, &answer),
            NCP_OK);
        *event = answer;
    }
    if (event->type == NCP_EVENT_CONN) {
        tally->ok++;
        world_own(world, event->handle);
        return event->lease;
    }
    return 0;
}

static void pull_once(struct world *world, ncp_pool *pool, ncp_queue *queue,
                      struct tally *tally)
{
    ncp_event event, answer, out[4];
    ncp_lease lease = 0;
    ncp_ticket ticket = 0;
    int status = 0;

    tally->total++;
    if (WENT_WELL(
            ncp_pool_acquire(pool, queue, 1, 1, -1, 1, NCP_FLAG_DIALS, &event)))
        lease = finish_acquire(world, pool, tally, &event);
    if (!lease)
        return;
    uint64_t handle = event.handle;
    /* Two stand in line: one leaves, one is served by the release. */
    for (int i = 0; i < 2; i++) {
        tally->total++;
        if (!WENT_WELL(ncp_pool_acquire(pool, i ? queue : NULL, 0, 0, -1, 2, 0,
                                        &event)))
            continue;
        REQUIRE_EQ(event.type, NCP_EVENT_PENDING);
        if (i == 0)
            REQUIRE_EQ(ncp_ticket_abandon(pool, event.ticket, NCP_ECANCELED),
                       NCP_OK);
        else
            ticket = event.ticket;
    }
    REQUIRE(world_disown(world, handle));
    int count = ncp_pool_release(pool, lease, 0, queue, out, 4, &status);
    REQUIRE_EQ(status, NCP_OK);
    if (!ticket)
        return;
    REQUIRE_EQ(count, 1);
    REQUIRE_EQ(out[0].type, NCP_EVENT_READY);
    REQUIRE_EQ(ncp_ticket_take(pool, ticket, &answer), NCP_OK);
    REQUIRE_EQ(answer.type, NCP_EVENT_CONN);
    tally->ok++;
    REQUIRE_EQ(ncp_pool_discard(pool, answer.lease), NCP_OK);
}

static void script_pulling(void)
{
    static const struct setting settings[] = {
        {NCP_OPTION_DRIVER, NCP_DRIVER_PULL},
        {NCP_OPTION_MAX_CONNECTIONS, 1},
        {NCP_OPTION_HEALTH_CHECK, 0},
        {NCP_OPTION_LEAK_TIMEOUT, 0},
    };
    struct world *world = world_new(2);
    struct tally tally = {0};
    ncp_queue *queue = NULL;
    ncp_pool *pool = NULL;

    if (WENT_WELL(ncp_queue_new(&queue)))
        pool = OPEN_POOL(world, queue, settings);
    if (pool) {
        for (int i = 0; i < 2; i++) {
            pull_once(world, pool, queue, &tally);
            do_work(world, pool, queue);
        }
        WENT_WELL(ncp_queue_kick(queue));
        REQUIRE_EQ(ncp_pool_work(pool), NCP_OK);
        do_work(world, pool, queue);
        REQUIRE_EQ(ncp_pool_close(pool), NCP_OK);
        do_work(world, pool, queue);
        close_pool(pool, world, &tally);
    }
    ncp_queue_free(queue);
    world_free(world);
}

static void hear_events(struct world *world, ncp_pool *pool, ncp_queue *queue)
{
    ncp_event event[4];
    char line[128];
    int count;

    while ((count = ncp_queue_poll(queue, event, 4)) > 0)
        for (int i = 0; i < count; i++) {
            if (event[i].type == NCP_EVENT_CLOSE)
                world_close(world, event[i].handle);
            else if (event[i].type == NCP_EVENT_LOG)
                while (ncp_pool_log_next(pool, NULL, NULL, line, sizeof(line)) >
                       0)
                    REQUIRE(line[0] != '\0');
            else
                REQUIRE(event[i].type == NCP_EVENT_LEAK ||
                        event[i].type == NCP_EVENT_DUE);
        }
    REQUIRE_EQ(count, 0);
}

/* What a host would be told may be lost for want of memory, nothing else. */
static void host_once(struct world *world, ncp_pool *pool, ncp_queue *queue,
                      struct tally *tally)
{
    ncp_event event, answer;
    uint64_t handle;
    int status = 0;

    tally->total++;
    if (!WENT_WELL(
            ncp_pool_acquire(pool, queue, 1, 1, -1, 1, NCP_FLAG_DIALS, &event)))
        return;
    ncp_lease lease = finish_acquire(world, pool, tally, &event);
    handle = event.handle;
    usleep(3000); /* it is a leak now */
    REQUIRE_EQ(ncp_pool_work(pool), NCP_OK);
    hear_events(world, pool, queue);
    REQUIRE(world_disown(world, handle));
    if (ncp_pool_release(pool, lease, NCP_FLAG_HOOK, queue, &answer, 1,
                         &status) == 1 &&
        answer.type == NCP_EVENT_CLOSE)
        world_close(world, answer.handle);
    REQUIRE_EQ(status, NCP_OK);
    hear_events(world, pool, queue);
}

static void script_hosting(void)
{
    static const struct setting settings[] = {
        {NCP_OPTION_DRIVER, NCP_DRIVER_PULL},
        {NCP_OPTION_MAX_CONNECTIONS, 1},
        {NCP_OPTION_HEALTH_CHECK, 0},
        {NCP_OPTION_LEAK_TIMEOUT, 1},
        {NCP_OPTION_LEAK_INTERVAL, 1},
        {NCP_OPTION_LEAK_EVICT_MULTIPLIER, 0},
        {NCP_OPTION_LOG_LEVEL, NCP_LOG_DEBUG},
        {NCP_OPTION_HOST_EVENTS, NCP_HOST_LEAK | NCP_HOST_LOG | NCP_HOST_DUE},
    };
    struct world *world = world_new(2);
    struct tally tally = {0};
    ncp_queue *queue = NULL;
    ncp_pool *pool = NULL;

    if (WENT_WELL(ncp_queue_new(&queue)))
        pool = OPEN_POOL(world, queue, settings);
    if (pool) {
        for (int i = 0; i < 2; i++)
            host_once(world, pool, queue, &tally);
        REQUIRE_EQ(ncp_pool_close(pool), NCP_OK);
        hear_events(world, pool, queue);
        close_pool(pool, world, &tally);
    }
    ncp_queue_free(queue);
    world_free(world);
}

/* A guard that could not hold a lease leaves it to its holder. */
static void script_guarding(void)
{
    static const struct setting settings[] = {
        {NCP_OPTION_DRIVER, NCP_DRIVER_PULL},  {NCP_OPTION_MAX_CONNECTIONS, 24},
        {NCP_OPTION_MAX_IDLE_CONNECTIONS, 24}, {NCP_OPTION_HEALTH_CHECK, 0},
        {NCP_OPTION_LEAK_TIMEOUT, 0},
    };
    struct world *world = world_new(WORLD_PEERS);
    struct tally tally = {0};
    ncp_queue *queue = NULL;
    ncp_pool *pool = NULL;
    ncp_guard *guard = NULL;
    ncp_event event;

    if (WENT_WELL(ncp_queue_new(&queue)))
        pool = OPEN_POOL(world, queue, settings);
    if (pool && WENT_WELL(ncp_guard_new(&guard))) {
        for (int i = 0; i < 24; i++) {
            ncp_lease lease = 0;
            tally.total++;
            if (WENT_WELL(ncp_pool_acquire(pool, queue, 1, 1, -1, 0,
                                           NCP_FLAG_DIALS, &event)))
                lease = finish_acquire(world, pool, &tally, &event);
            if (!lease)
                continue;
            REQUIRE(world_disown(world, event.handle));
            if (!WENT_WELL(ncp_guard_hold(guard, pool, lease, 0)))
                REQUIRE_EQ(ncp_pool_put(pool, lease), NCP_OK);
        }
        ncp_guard_fire(guard);
        REQUIRE_EQ(ncp_pool_active_count(pool), 0);
    }
    if (pool) {
        REQUIRE_EQ(ncp_pool_close(pool), NCP_OK);
        do_work(world, pool, queue);
        close_pool(pool, world, &tally);
    }
    ncp_queue_free(queue);
    world_free(world);
}

/* Prewarming, checks and refills, with the real clock. */
static void script_upkeep(void)
{
    static const struct setting settings[] = {
        {NCP_OPTION_MAX_CONNECTIONS, 4},
        {NCP_OPTION_MIN_CONNECTIONS, 2},
        {NCP_OPTION_MAINTAIN_MIN, 1},
        {NCP_OPTION_IDLE_TIMEOUT, 2},
        {NCP_OPTION_MAX_LIFETIME, 4},
        {NCP_OPTION_CLEANUP_INTERVAL, 1},
        {NCP_OPTION_HEALTH_CHECK_INTERVAL, 1},
        {NCP_OPTION_LEAK_TIMEOUT, 1},
        {NCP_OPTION_LEAK_INTERVAL, 1},
        {NCP_OPTION_LEAK_EVICT_MULTIPLIER, 0},
    };
    struct world *world = world_new(64);
    struct tally tally = {0};
    ncp_pool *pool;

    atomic_store(&world->may_take_away, true);
    pool = OPEN_POOL(world, NULL, settings);
    if (pool) {
        int status = ncp_pool_prewarm_wait(pool, -1);
        REQUIRE(status == NCP_OK || status == NCP_EDIAL ||
                status == NCP_ENOMEM);
        ncp_lease lease = borrow(pool, world, &tally);
        sleep_us(12000);
        give_back(pool, world, lease, false);
        sleep_us(5000);
        close_pool(pool, world, &tally);
    }
    world_free(world);
}

/* The tables of the pool grow with the pool. */
static void script_growing(void)
{
    enum { MANY = 200 };
    static const struct setting settings[] = {
        {NCP_OPTION_MAX_CONNECTIONS, 2}, {NCP_OPTION_MAX_IDLE_CONNECTIONS, 2},
        {NCP_OPTION_DIAL_IN_CALLER, 1},  {NCP_OPTION_HEALTH_CHECK, 0},
        {NCP_OPTION_LEAK_TIMEOUT, 0},
    };
    struct world *world = world_new(MANY);
    struct tally tally = {0};
    ncp_lease lease[MANY];
    ncp_pool *pool = OPEN_POOL(world, NULL, settings);

    if (pool) {
        int64_t max = 2;
        if (WENT_WELL(ncp_pool_resize(pool, MANY)))
            max = MANY;
        for (int64_t i = 0; i < max; i++)
            lease[i] = borrow(pool, world, &tally);
        for (int64_t i = 0; i < max; i++)
            give_back(pool, world, lease[i], false);
        close_pool(pool, world, &tally);
    }
    world_free(world);
}

static const struct {
    const char *name;
    void (*run)(void);
} scripts[] = {
    {"configuration", script_configuration},
    {"borrowing", script_borrowing},
    {"borrowing_in_the_caller", script_borrowing_in_the_caller},
    {"waiting", script_waiting},
    {"pulling", script_pulling},
    {"hosting", script_hosting},
    {"guarding", script_guarding},
    {"upkeep", script_upkeep},
    {"growing", script_growing},
};

struct attempt {
    void (*run)(void);
    struct child_note *note;
    long fail_at;
    bool for_good;
};

static void try_script(void *arg)
{
    struct attempt *attempt = arg;

    heap.fail_at = attempt->fail_at;
    heap.for_good = attempt->for_good;
    REQUIRE_EQ(ncp_set_allocator(heap_alloc, heap_release, &heap), NCP_OK);
    int threads = count_threads();
    int fds = count_fds();

    attempt->run();
    atomic_store(&attempt->note->reached, atomic_load(&heap.calls));
    /* The last thread of the library may be about to end. */
    REQUIRE_SOON(atomic_load(&heap.live) == 0);
    REQUIRE_SOON(count_threads() == threads);
    REQUIRE_SOON(count_fds() == fds);
}

static long try_every_allocation(const char *name, void (*run)(void))
{
    struct attempt attempt = {.run = run, .note = child_note_new()};
    long attempts = 0;

    expect_context("script %s, no failure", name);
    child_run(try_script, &attempt);
    REQUIRE(atomic_load(&attempt.note->reached) > 0);
    for (int for_good = 0; for_good < 2; for_good++) {
        attempt.for_good = for_good;
        for (long n = 1;; n++, attempts++) {
            attempt.fail_at = n;
            expect_context("script %s, allocation %ld fails%s", name, n,
                           for_good ? " and all after it" : "");
            child_run(try_script, &attempt);
            if (atomic_load(&attempt.note->reached) < n)
                break;
        }
    }
    return attempts;
}

int main(int argc, char **argv)
{
    int found = 0;

    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        if (argc > 1 && strcmp(argv[1], scripts[i].name) != 0)
            continue;
        found++;
        printf("%s: ", scripts[i].name);
        fflush(stdout);
        printf("%ld failures survived\n",
               try_every_allocation(scripts[i].name, scripts[i].run));
    }
    if (!found)
        fprintf(stderr, "no such script\n");
    return found ? 0 : 2;
}
