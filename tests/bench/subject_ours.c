/*
 * netconnpool itself: each store, each fairness, by way of the pool and by way
 * of a tap.
 */
#include "subject.h"
#include "tickets.h"

#include <stdlib.h>

enum { DRAIN_MS = 10000 };

struct variant {
    const char *store, *fairness;
    int64_t stats;
};

static int dial(void *user, ncp_dial *dial)
{
    (void)user;
    return ncp_dial_done(dial, dials_open(), -1, NCP_PROTOCOL_TCP, NCP_IP_V4);
}

static int close_connection(void *user, const ncp_conn *conn, int reason)
{
    (void)user, (void)reason;
    dials_close(ncp_conn_handle(conn));
    return NCP_OK;
}

/* The defaults of client mode and what the variant says; NULL when this library
 * does not know its store. */
static ncp_config *configuration(const struct variant *variant)
{
    ncp_config *config;
    bench_require(
        ncp_config_new(NCP_MODE_CLIENT, &config) == NCP_OK &&
            ncp_config_set_dialer(config, dial, NULL, NULL) == NCP_OK &&
            ncp_config_set_int(config, NCP_OPTION_STATS, variant->stats) ==
                NCP_OK &&
            ncp_config_set(config, "fairness", variant->fairness) == NCP_OK,
        "no configuration");
    if (ncp_config_set(config, "store", variant->store) == NCP_OK)
        return config;
    ncp_config_free(config);
    return NULL;
}

static const char *missing(const struct subject *subject)
{
    ncp_config *config = configuration(subject->variant);
    ncp_config_free(config);
    return config == NULL ? "the library has no such store" : NULL;
}

static void *open_pool(const struct subject *subject, const struct setup *setup)
{
    ncp_pool *pool;
    ncp_config *config = configuration(subject->variant);
    ncp_config_set_int(config, NCP_OPTION_MAX_CONNECTIONS, setup->max);
    ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, setup->warm);
    ncp_config_set_int(config, NCP_OPTION_MAX_IDLE_CONNECTIONS, setup->max);
    ncp_config_set_int(config, NCP_OPTION_PREWARM_BLOCKING, setup->warm > 0);
    if (setup->counted)
        ncp_config_set_callback(config, NCP_CALLBACK_CLOSER, close_connection,
                                NULL, NULL);
    bench_require(ncp_pool_new(config, &pool) == NCP_OK, "no pool");
    bench_require(ncp_pool_idle_count(pool) == setup->warm, "not all are idle");
    ncp_config_free(config);
    return pool;
}

static void shut(void *pool)
{
    bench_require(ncp_pool_close(pool) == NCP_OK, "close failed");
}

/* A dial that nobody waits for any more may still be under way. */
static void close_pool(void *pool)
{
    ncp_pool_close_wait(pool, DRAIN_MS);
    ncp_pool_free(pool);
}

static uint64_t get(void *pool)
{
    ncp_lease lease;
    int status = ncp_pool_get(pool, &lease);
    bench_require(status == NCP_OK || status == NCP_ETIMEOUT, "get failed");
    return lease;
}

static void put(void *pool, uint64_t lease)
{
    bench_require(ncp_pool_put(pool, lease) == NCP_OK, "put failed");
}

static void pairs(void *pool, uint64_t operations)
{
    ncp_lease lease;
    for (uint64_t i = 0; i < operations; i++) {
        bench_require(ncp_pool_get(pool, &lease) == NCP_OK, "get failed");
        bench_require(ncp_pool_put(pool, lease) == NCP_OK, "put failed");
    }
}

static void tickets(const struct subject *subject, int callers, double seconds,
                    struct sample *sample)
{
    tickets_measure(configuration(subject->variant), callers, seconds, sample);
}

#define OURS                                                                   \
    .version = ncp_version_text, .missing = missing, .open = open_pool,        \
    .close = close_pool, .get = get, .put = put, .pairs = pairs, .shut = shut

static const struct variant lockfree = {"lockfree", "strict", 1};
static const struct variant lock = {"lock", "strict", 1};
static const struct variant sharded = {"sharded", "strict", 1};
static const struct variant adaptive = {"lockfree", "adaptive", 1};
static const struct variant no_stats = {"lockfree", "strict", 0};

enum {
    CASES_OF_A_STORE = CASE_UNCONTENDED | CASE_THREADS | CASE_WAITERS |
                       CASE_SPIKE | CASE_MEMORY | CASE_CLOSE
};

const struct subject subject_lockfree = {.name = "netconnpool/lockfree",
                                         .cases = CASES_OF_A_STORE,
                                         .variant = &lockfree,
                                         .tickets = tickets,
                                         OURS};
const struct subject subject_lock = {.name = "netconnpool/lock",
                                     .cases = CASES_OF_A_STORE,
                                     .variant = &lock,
                                     .tickets = tickets,
                                     OURS};
const struct subject subject_sharded = {.name = "netconnpool/sharded",
                                        .cases = CASES_OF_A_STORE,
                                        .variant = &sharded,
                                        .tickets = tickets,
                                        OURS};
const struct subject subject_adaptive = {.name = "netconnpool/adaptive",
                                         .cases = CASE_THREADS,
                                         .variant = &adaptive,
                                         OURS};
const struct subject subject_no_stats = {.name = "netconnpool/no-stats",
                                         .cases = CASE_UNCONTENDED,
                                         .variant = &no_stats,
                                         OURS};

/* ------------------------------------------------------------------- by a tap */

static void *join_tap(void *pool)
{
    ncp_tap *tap;
    bench_require(ncp_tap_new(pool, &tap) == NCP_OK, "no tap");
    return tap;
}

static void leave_tap(void *tap)
{
    ncp_tap_free(tap);
}

static uint64_t get_by_tap(void *tap)
{
    ncp_lease lease;
    int status = ncp_tap_get(tap, &lease);
    bench_require(status == NCP_OK || status == NCP_ETIMEOUT, "get failed");
    return lease;
}

static void put_by_tap(void *tap, uint64_t lease)
{
    bench_require(ncp_tap_put(tap, lease) == NCP_OK, "put failed");
}

static void pairs_by_tap(void *tap, uint64_t operations)
{
    ncp_lease lease;
    for (uint64_t i = 0; i < operations; i++) {
        bench_require(ncp_tap_get(tap, &lease) == NCP_OK, "get failed");
        bench_require(ncp_tap_put(tap, lease) == NCP_OK, "put failed");
    }
}

#define BY_TAP                                                                 \
    .version = ncp_version_text, .open = open_pool, .close = close_pool,       \
    .join = join_tap, .leave = leave_tap, .get = get_by_tap,                   \
    .put = put_by_tap, .pairs = pairs_by_tap

const struct subject subject_tap = {.name = "netconnpool/tap",
                                    .notes = "a tap for each thread",
                                    .cases = CASE_UNCONTENDED | CASE_THREADS,
                                    .variant = &lockfree,
                                    BY_TAP};
const struct subject subject_sharded_tap = {.name = "netconnpool/sharded-tap",
                                            .notes = "a tap for each thread",
                                            .cases =
                                                CASE_UNCONTENDED | CASE_THREADS,
                                            .variant = &sharded,
                                            BY_TAP};

/* -------------------------------------------------------- in other places too */

/* A thread for every waiter, as its rivals have it. */
const struct subject subject_threads = {.name = "netconnpool/threads",
                                        .cases = CASE_WAITERS,
                                        .variant = &lockfree,
                                        OURS};

/* ------------------------------------------------------ a pool for each thread */

static void *open_nothing(const struct subject *subject,
                          const struct setup *setup)
{
    (void)subject, (void)setup;
    return bench_alloc(1);
}

static void *join_own_pool(void *nothing)
{
    (void)nothing;
    return open_pool(&subject_lockfree, &(struct setup){.max = 1, .warm = 1});
}

const struct subject subject_separate = {.name = "netconnpool/separate-pools",
                                         .notes = "a pool for each thread",
                                         .cases = CASE_PARALLEL,
                                         .version = ncp_version_text,
                                         .open = open_nothing,
                                         .close = free,
                                         .join = join_own_pool,
                                         .leave = close_pool,
                                         .pairs = pairs};
