/*
 * One thread, nobody else: get and put, beside what a mutex and the clock cost
 * at the same moment, in processor time.
 */
#include "bench.h"

#include <pthread.h>
#include <time.h>

#define GROUP "uncontended, one thread"

enum { FIRST_OPERATIONS = 1000 };

/* One way to spend time: `operations` times. */
struct way {
    const char *name;
    void (*run)(void *state, uint64_t operations);
    void *state;
    uint64_t operations; /* that take about one sample's time */
};

static void get_put(void *state, uint64_t operations)
{
    ncp_pool *pool = state;
    ncp_lease lease;
    for (uint64_t i = 0; i < operations; i++) {
        bench_require(ncp_pool_get(pool, &lease) == NCP_OK, "get failed");
        bench_require(ncp_pool_put(pool, lease) == NCP_OK, "put failed");
    }
}

static void lock_unlock(void *state, uint64_t operations)
{
    pthread_mutex_t *lock = state;
    for (uint64_t i = 0; i < operations; i++) {
        pthread_mutex_lock(lock);
        pthread_mutex_unlock(lock);
    }
}

static void read_clock(void *state, uint64_t operations)
{
    uint64_t *sum = state;
    for (uint64_t i = 0; i < operations; i++)
        *sum += bench_now_ns();
}

static void get_put_textbook(void *state, uint64_t operations)
{
    for (uint64_t i = 0; i < operations; i++)
        textbook_put(state, textbook_get(state));
}

/* Of this thread: what others do meanwhile does not count. */
static uint64_t processor_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000U + (uint64_t)time.tv_nsec;
}

static double time_of(const struct way *way)
{
    uint64_t begin = processor_ns();
    way->run(way->state, way->operations);
    return (double)(processor_ns() - begin);
}

/* Finds how many operations fill a sample; this is the warm-up as well. */
static void calibrate(struct way *way, double seconds)
{
    way->operations = FIRST_OPERATIONS;
    for (;;) {
        double ns = time_of(way);
        if (ns >= seconds * 1e9 / 2) {
            double wanted = (double)way->operations * seconds * 1e9 / ns;
            way->operations = (uint64_t)wanted + 1;
            return;
        }
        way->operations *= 2;
    }
}

/* The defaults; one connection is there before the clock starts. */
static ncp_pool *warm_pool(int64_t stats)
{
    ncp_config *config = bench_config();
    ncp_config_set_int(config, NCP_OPTION_STATS, stats);
    ncp_config_set_int(config, NCP_OPTION_PREWARM_BLOCKING, 1);
    return bench_pool(config);
}

void bench_uncontended(struct bench *bench)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    uint64_t sum = 0;
    ncp_pool *with_stats = warm_pool(1), *without_stats = warm_pool(0);
    struct textbook *textbook = textbook_new(10);
    struct way ways[] = {
        {.name = "get + put, statistics on", get_put, with_stats},
        {.name = "get + put, statistics off", get_put, without_stats},
        {.name = "pthread mutex lock + unlock", lock_unlock, &lock},
        {.name = "textbook pool get + put", get_put_textbook, textbook},
        {.name = "clock_gettime(CLOCK_MONOTONIC)", read_clock, &sum},
    };
    enum { WAYS = sizeof ways / sizeof *ways };

    for (int i = 0; i < WAYS; i++)
        calibrate(&ways[i], bench->seconds);
    for (int round = 0; round < bench->rounds; round++) {
        double mutex_ns = 0, pool_ns = 0;
        for (int i = 0; i < WAYS; i++) {
            double ns = time_of(&ways[i]) / (double)ways[i].operations;
            bench_add(bench, GROUP, ways[i].name, "ns", ns);
            pool_ns = ways[i].state == with_stats ? ns : pool_ns;
            mutex_ns = ways[i].state == &lock ? ns : mutex_ns;
        }
        bench_add(bench, GROUP, "get + put in mutex pairs", "x",
                  pool_ns / mutex_ns);
    }
    bench_require(sum != 0, "the clock stands still");
    textbook_free(textbook);
    ncp_pool_free(with_stats);
    ncp_pool_free(without_stats);
}
