/*
 * Sixteen threads that borrow and give back as fast as they can, for long: no
 * connection has two owners, no old lease works, no caller is forgotten, every
 * counter is right.
 *
 * usage: stress_soak <variant> <operations> <seed>
 *
 * A get and a put are an operation each. The other stress programs ask for
 * everything there is; this one goes the ways that nearly every call goes.
 */
#include "snapshot.h"
#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { THREADS = 16, BEAT_EVERY = 1024, STALE_EVERY = 256 };

struct variant {
    const char *name;
    int fairness;
    int order;
    int connections;
};

static const struct variant variants[] = {
    {"enough", NCP_FAIRNESS_STRICT, NCP_IDLE_LIFO, 20},
    {"enough_fifo", NCP_FAIRNESS_STRICT, NCP_IDLE_FIFO, 16},
    {"strict", NCP_FAIRNESS_STRICT, NCP_IDLE_LIFO, 4},
    {"adaptive", NCP_FAIRNESS_ADAPTIVE, NCP_IDLE_LIFO, 4},
};

struct soak;

struct worker {
    struct soak *soak;
    int id;
    pthread_t thread;
    struct rng rng;
    ncp_tap *tap; /* every other one has one */
    uint64_t gets;
};

struct soak {
    const struct variant *variant;
    struct world *world;
    ncp_pool *pool;
    uint64_t gets_each;
    struct worker worker[THREADS];
};

static ncp_pool *new_pool(const struct soak *soak)
{
    const struct variant *variant = soak->variant;
    ncp_config *config = NULL;
    ncp_pool *pool = NULL;
    const struct {
        int option;
        int64_t value;
    } options[] = {
        {NCP_OPTION_MAX_CONNECTIONS, variant->connections},
        {NCP_OPTION_MAX_IDLE_CONNECTIONS, variant->connections},
        {NCP_OPTION_FAIRNESS, variant->fairness},
        {NCP_OPTION_IDLE_ORDER, variant->order},
        {NCP_OPTION_GET_TIMEOUT, -1},
        {NCP_OPTION_LEAK_TIMEOUT, 0},
    };

    REQUIRE_EQ(ncp_config_new(NCP_MODE_CLIENT, &config), NCP_OK);
    world_store(config);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        REQUIRE_EQ(
            ncp_config_set_int(config, options[i].option, options[i].value),
            NCP_OK);
    REQUIRE_EQ(ncp_config_set_dialer(config, world_dialer, soak->world, NULL),
               NCP_OK);
    REQUIRE_EQ(ncp_config_set_callback(config, NCP_CALLBACK_CLOSER,
                                       world_closer, soak->world, NULL),
               NCP_OK);
    REQUIRE_EQ(ncp_pool_new(config, &pool), NCP_OK);
    ncp_config_free(config);
    return pool;
}

static ncp_lease get(struct worker *worker)
{
    ncp_lease lease = 0;

    REQUIRE_EQ(worker->tap != NULL ? ncp_tap_get(worker->tap, &lease)
                                   : ncp_pool_get(worker->soak->pool, &lease),
               NCP_OK);
    worker->gets++;
    return lease;
}

static int put(struct worker *worker, ncp_lease lease)
{
    return worker->tap != NULL ? ncp_tap_put(worker->tap, lease)
                               : ncp_pool_put(worker->soak->pool, lease);
}

static void borrow_once(struct worker *worker)
{
    struct soak *soak = worker->soak;
    uint64_t handle = 0;
    ncp_lease lease = get(worker);

    REQUIRE_EQ(ncp_lease_handle(soak->pool, lease, &handle), NCP_OK);
    world_own(soak->world, handle);
    world_touch(soak->world, handle);
    REQUIRE(world_disown(soak->world, handle));
    REQUIRE_EQ(put(worker, lease), NCP_OK);
    if (rng_one_in(&worker->rng, STALE_EVERY))
        REQUIRE_EQ(put(worker, lease), NCP_EINVALIDCONN);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    uint64_t gets = worker->soak->gets_each;

    for (uint64_t i = 0; i < gets; i++) {
        if (i % BEAT_EVERY == 0)
            watchdog_beat(worker->id, "borrow");
        borrow_once(worker);
    }
    watchdog_rest(worker->id);
    return NULL;
}

static void run(struct soak *soak, uint64_t seed)
{
    for (int i = 0; i < THREADS; i++) {
        struct worker *worker = &soak->worker[i];
        worker->soak = soak;
        worker->id = i;
        worker->rng.state = seed * 1000003 + (uint64_t)i;
        if (i % 2 == 1)
            REQUIRE_EQ(ncp_tap_new(soak->pool, &worker->tap), NCP_OK);
    }
    for (int i = 0; i < THREADS; i++)
        REQUIRE_EQ(pthread_create(&soak->worker[i].thread, NULL, work,
                                  &soak->worker[i]),
                   0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(soak->worker[i].thread, NULL);
        ncp_tap_free(soak->worker[i].tap);
    }
}

/* Everything is back, and every get was counted. */
static uint64_t finish(struct soak *soak)
{
    uint64_t value[NCP_COUNTER_COUNT];
    uint64_t gets = 0;

    for (int i = 0; i < THREADS; i++)
        gets += soak->worker[i].gets;
    snapshot_take(soak->pool, value, (uint64_t)soak->variant->connections,
                  (uint64_t)soak->variant->connections);
    REQUIRE_EQ(value[NCP_COUNTER_SUCCESSFUL], gets);
    REQUIRE_EQ(value[NCP_COUNTER_TOTAL], gets);
    REQUIRE_EQ(value[NCP_COUNTER_ACTIVE], 0);
    REQUIRE_EQ(value[NCP_COUNTER_WAITING], 0);
    REQUIRE_EQ(ncp_pool_close(soak->pool), NCP_OK);
    expect_about(NULL);
    ncp_pool_free(soak->pool);
    world_require_empty(soak->world);
    return 2 * gets;
}

static const struct variant *find_variant(const char *name)
{
    for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++)
        if (strcmp(variants[i].name, name) == 0)
            return &variants[i];
    return NULL;
}

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
    static struct soak soak;
    const struct variant *variant = argc == 4 ? find_variant(argv[1]) : NULL;
    struct sampler sampler;

    if (!variant) {
        fprintf(stderr, "usage: stress_soak "
                        "enough|enough_fifo|strict|adaptive "
                        "<operations> <seed>\n");
        return 2;
    }
    uint64_t operations = strtoull(argv[2], NULL, 10);
    uint64_t seed = strtoull(argv[3], NULL, 10);

    expect_context("stress_soak %s %" PRIu64 " %" PRIu64, variant->name,
                   operations, seed);
    soak.variant = variant;
    soak.gets_each = operations / 2 / THREADS;
    soak.world = world_new(variant->connections);
    soak.pool = new_pool(&soak);
    expect_about(soak.pool);
    watchdog_start(0);
    sampler_start(&sampler, soak.pool, (uint64_t)variant->connections,
                  (uint64_t)variant->connections);
    double begin_s = now_s();
    run(&soak, seed);
    double took_s = now_s() - begin_s;
    sampler_stop(&sampler);
    watchdog_stop();
    operations = finish(&soak);
    printf("%s: %" PRIu64 " operations in %.0f s, %lu snapshots\n",
           variant->name, operations, took_s, sampler.taken);
    world_free(soak.world);
    return 0;
}
