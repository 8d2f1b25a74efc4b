/*
 * The shortest ways through the library, for count.py: it runs this program
 * under callgrind and counts what `measured` executes.
 *
 *   paths --list           the names of the cases
 *   paths CASE PAIRS       calls measured(PAIRS) and measured(2 * PAIRS) in
 *                          turn, ROUNDS times
 *
 * Exit code 77: this library has no such thing.
 */
#include "pool/pool.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 3, NOT_THERE = 77 };

struct way {
    const char *name;
    /* One pair of operations; false when it did not do what it should. */
    bool (*once)(ncp_pool *pool);
    int driver;
    const char *option, *value; /* what differs from the defaults, or NULL */
    bool all_lent;              /* its only connection is held meanwhile */
};

/* ----------------------------------------------------------------------- pairs */

static bool get_put(ncp_pool *pool)
{
    ncp_lease lease;
    return ncp_pool_get(pool, &lease) == NCP_OK &&
           ncp_pool_put(pool, lease) == NCP_OK;
}

static ncp_tap *tap; /* of the pool of the case */

static bool tap_get_put(ncp_pool *pool)
{
    ncp_lease lease;
    (void)pool;
    return ncp_tap_get(tap, &lease) == NCP_OK &&
           ncp_tap_put(tap, lease) == NCP_OK;
}

static bool get_put_tagged(ncp_pool *pool)
{
    ncp_lease lease;
    return ncp_pool_get_ex(pool, NCP_PROTOCOL_UNKNOWN, NCP_IP_UNKNOWN,
                           NCP_TIMEOUT_DEFAULT, NULL, 7, &lease) == NCP_OK &&
           ncp_pool_put(pool, lease) == NCP_OK;
}

static bool get_tcp_put(ncp_pool *pool)
{
    ncp_lease lease;
    return ncp_pool_get_tcp(pool, &lease) == NCP_OK &&
           ncp_pool_put(pool, lease) == NCP_OK;
}

static bool borrow_put(ncp_pool *pool)
{
    ncp_event event;
    return ncp_pool_borrow(pool, NCP_PROTOCOL_UNKNOWN, NCP_IP_UNKNOWN,
                           NCP_TIMEOUT_DEFAULT, NULL, 0, &event) == NCP_OK &&
           ncp_pool_put(pool, event.lease) == NCP_OK;
}

static bool try_get(ncp_pool *pool)
{
    ncp_lease lease;
    return ncp_pool_try_get(pool, &lease) == NCP_EEXHAUSTED;
}

static bool acquire_release(ncp_pool *pool)
{
    ncp_event event;
    int status;

    return ncp_pool_acquire(pool, NULL, NCP_PROTOCOL_UNKNOWN, NCP_IP_UNKNOWN,
                            NCP_TIMEOUT_DEFAULT, 0, 0, &event) == NCP_OK &&
           event.type == NCP_EVENT_CONN &&
           ncp_pool_release(pool, event.lease, 0, NULL, NULL, 0, &status) ==
               0 &&
           status == NCP_OK;
}

static const struct way ways[] = {
    {"get_put", get_put, NCP_DRIVER_PUSH, NULL, NULL, false},
    {"get_put_without_statistics", get_put, NCP_DRIVER_PUSH, "stats", "false",
     false},
    {"get_put_tagged", get_put_tagged, NCP_DRIVER_PUSH, NULL, NULL, false},
    {"get_tcp_put", get_tcp_put, NCP_DRIVER_PUSH, NULL, NULL, false},
    {"get_put_fifo", get_put, NCP_DRIVER_PUSH, "idle_order", "fifo", false},
    {"get_put_adaptive", get_put, NCP_DRIVER_PUSH, "fairness", "adaptive",
     false},
    {"get_put_lock", get_put, NCP_DRIVER_PUSH, "store", "lock", false},
    {"get_put_sharded", get_put, NCP_DRIVER_PUSH, "store", "sharded", false},
    {"get_put_tap", tap_get_put, NCP_DRIVER_PUSH, NULL, NULL, false},
    {"borrow_put", borrow_put, NCP_DRIVER_PUSH, NULL, NULL, false},
    {"try_get_of_nothing", try_get, NCP_DRIVER_PUSH, NULL, NULL, true},
    {"acquire_release", acquire_release, NCP_DRIVER_PULL, NULL, NULL, false},
};
enum { WAYS = sizeof ways / sizeof *ways };

/* ----------------------------------------------------------------------- pools */

static _Noreturn void fail(const char *what, int status)
{
    fprintf(stderr, "paths: %s: %s\n", what, ncp_status_text(status));
    exit(1);
}

static void must(const char *what, int status)
{
    if (status != NCP_OK)
        fail(what, status);
}

static int dial(void *user, ncp_dial *dial)
{
    (void)user;
    return ncp_dial_done(dial, 1, -1, NCP_PROTOCOL_TCP, NCP_IP_V4);
}

static ncp_pool *pool_for(const struct way *way, ncp_queue *queue)
{
    ncp_config *config;
    ncp_pool *pool;

    must("config", ncp_config_new(NCP_MODE_CLIENT, &config));
    must("driver", ncp_config_set_int(config, NCP_OPTION_DRIVER, way->driver));
    must("min", ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, 0));
    must("max", ncp_config_set_int(config, NCP_OPTION_MAX_CONNECTIONS, 1));
    must("idle",
         ncp_config_set_int(config, NCP_OPTION_MAX_IDLE_CONNECTIONS, 1));
    if (way->driver == NCP_DRIVER_PUSH)
        must("dialer", ncp_config_set_dialer(config, dial, NULL, NULL));
    else
        must("queue", ncp_config_set_queue(config, queue));
    if (way->option != NULL &&
        ncp_config_set(config, way->option, way->value) != NCP_OK)
        exit(NOT_THERE);
    must("pool", ncp_pool_new(config, &pool));
    ncp_config_free(config);
    return pool;
}

/* The only connection there will be, lent. */
static ncp_lease first_lease(ncp_pool *pool, int driver)
{
    ncp_event event;
    ncp_lease lease;

    if (driver == NCP_DRIVER_PUSH) {
        must("get", ncp_pool_get(pool, &lease));
        return lease;
    }
    must("acquire", ncp_pool_acquire(pool, NULL, 0, 0, NCP_TIMEOUT_DEFAULT, 0,
                                     NCP_FLAG_DIALS, &event));
    if (event.type != NCP_EVENT_DIAL)
        fail("no DIAL", NCP_OK);
    must("fulfil", ncp_pool_fulfil(pool, event.lease, 1, -1, NCP_PROTOCOL_TCP,
                                   NCP_IP_V4, &event));
    if (event.type != NCP_EVENT_CONN)
        fail("no CONN", NCP_OK);
    return event.lease;
}

/* ------------------------------------------------------------------- measuring */

/* Its name is known to count.py. */
__attribute__((noinline)) void measured(const struct way *way, ncp_pool *pool,
                                        uint32_t pairs);

void measured(const struct way *way, ncp_pool *pool, uint32_t pairs)
{
    for (uint32_t i = 0; i < pairs; i++)
        if (!way->once(pool))
            fail(way->name, NCP_EINVAL);
}

/* A pool that is used much has its time from the housekeeper, who comes when the
 * machine lets him: here the time stands still. */
static void stop_time(ncp_pool *pool)
{
    ncp__service_set_ticks(pool, false);
    atomic_store(&pool->engine.tick_ns, ncp__monotonic_coarse_ns());
}

static void warm_up(const struct way *way, ncp_pool *pool)
{
    for (int pair = 0; pair < 128; pair++)
        if (!way->once(pool))
            fail(way->name, NCP_EINVAL);
}

static void run(const struct way *way, uint32_t pairs)
{
    ncp_queue *queue;

    must("queue", ncp_queue_new(&queue));
    ncp_pool *pool = pool_for(way, queue);
    ncp_lease lease = first_lease(pool, way->driver);
    if (!way->all_lent)
        must("put", ncp_pool_put(pool, lease));
    if (way->driver == NCP_DRIVER_PUSH) {
        must("tap", ncp_tap_new(pool, &tap));
        stop_time(pool);
    }
    warm_up(way, pool);
    for (int round = 0; round < ROUNDS; round++) {
        measured(way, pool, pairs);
        measured(way, pool, 2 * pairs);
    }
    if (way->all_lent)
        must("put", ncp_pool_put(pool, lease));
    ncp_tap_free(tap);
    ncp_pool_free(pool);
    ncp_queue_free(queue);
}

static int list(void)
{
    for (int i = 0; i < WAYS; i++)
        puts(ways[i].name);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return list();
    for (int i = 0; i < WAYS && argc == 3; i++)
        if (strcmp(ways[i].name, argv[1]) == 0) {
            run(&ways[i], (uint32_t)strtoul(argv[2], NULL, 10));
            return 0;
        }
    fprintf(stderr, "usage: paths --list | CASE PAIRS\n");
    return 2;
}
