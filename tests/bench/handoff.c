/*
 * More threads than connections: every connection that comes back is handed to
 * somebody who waits.
 */
#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_THREADS = 16, HOLD_PAUSES = 200 };

/* A way to borrow and give back. */
struct rival {
    const char *name;
    int fairness; /* enum ncp_fairness; -1 the textbook pool */
};

static const struct rival rivals[] = {
    {"strict", NCP_FAIRNESS_STRICT},
    {"adaptive", NCP_FAIRNESS_ADAPTIVE},
    {"textbook pool", -1},
};

enum { RIVALS = sizeof rivals / sizeof *rivals };

/* One run of some threads against one pool. */
struct run {
    ncp_pool *pool; /* one of the two */
    struct textbook *textbook;
    bool holds, timed;
    pthread_barrier_t start;
    atomic_bool stop;
};

struct worker {
    pthread_t thread;
    struct run *run;
    uint64_t operations;
    struct histogram waits; /* ns */
};

/* Leases are numbers above 0, so are the textbook's connections here. */
static uint64_t borrow(struct run *run)
{
    ncp_lease lease;
    if (run->textbook != NULL)
        return (uint64_t)textbook_get(run->textbook) + 1;
    bench_require(ncp_pool_get(run->pool, &lease) == NCP_OK, "get failed");
    return lease;
}

static void give_back(struct run *run, uint64_t borrowed)
{
    if (run->textbook != NULL)
        textbook_put(run->textbook, (int)borrowed - 1);
    else
        bench_require(ncp_pool_put(run->pool, borrowed) == NCP_OK,
                      "put failed");
}

static void *work(void *user)
{
    struct worker *worker = user;
    struct run *run = worker->run;
    pthread_barrier_wait(&run->start);
    while (!atomic_load_explicit(&run->stop, memory_order_relaxed)) {
        uint64_t begin = run->timed ? bench_now_ns() : 0;
        uint64_t borrowed = borrow(run);
        if (run->timed)
            histogram_add(&worker->waits, bench_now_ns() - begin);
        if (run->holds)
            bench_pause(HOLD_PAUSES);
        give_back(run, borrowed);
        worker->operations++;
    }
    return NULL;
}

static void sleep_seconds(double seconds)
{
    struct timespec time = {
        .tv_sec = (time_t)seconds,
        .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&time, NULL);
}

/* Opens what the rival needs, with every connection made. */
static void open_rival(struct run *run, const struct rival *rival,
                       int connections)
{
    if (rival->fairness < 0) {
        run->textbook = textbook_new(connections);
        return;
    }
    ncp_config *config = bench_config();
    ncp_config_set_int(config, NCP_OPTION_MAX_CONNECTIONS, connections);
    ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, connections);
    ncp_config_set_int(config, NCP_OPTION_PREWARM_BLOCKING, 1);
    ncp_config_set_int(config, NCP_OPTION_GET_TIMEOUT, -1);
    ncp_config_set_int(config, NCP_OPTION_FAIRNESS, rival->fairness);
    run->pool = bench_pool(config);
}

/* Runs the threads for some time; returns how long, in seconds. */
static double run_threads(struct run *run, struct worker *workers, int threads,
                          double seconds)
{
    pthread_barrier_init(&run->start, NULL, (unsigned)threads + 1);
    for (int i = 0; i < threads; i++) {
        workers[i].run = run;
        bench_require(
            pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0,
            "no thread");
    }
    pthread_barrier_wait(&run->start);
    uint64_t begin = bench_now_ns();
    sleep_seconds(seconds);
    atomic_store(&run->stop, true);
    for (int i = 0; i < threads; i++)
        pthread_join(workers[i].thread, NULL);
    double took = (double)(bench_now_ns() - begin) / 1e9;
    pthread_barrier_destroy(&run->start);
    ncp_pool_free(run->pool);
    if (run->textbook != NULL)
        textbook_free(run->textbook);
    return took;
}

/* 16 threads, 4 connections, each held for 200 pauses. */
static void crowd(struct bench *bench, const struct rival *rival,
                  struct worker *workers)
{
    static const char *const groups[RIVALS] = {
        "16 threads on 4 connections, strict",
        "16 threads on 4 connections, adaptive",
        "16 threads on 4 connections, textbook pool",
    };
    const char *group = groups[rival - rivals];
    struct run run = {.holds = true, .timed = true};
    struct histogram *waits = calloc(1, sizeof *waits);
    bench_require(waits != NULL, "no memory");
    memset(workers, 0, MAX_THREADS * sizeof *workers);
    open_rival(&run, rival, 4);
    double seconds =
        run_threads(&run, workers, MAX_THREADS, bench->seconds * 10);

    uint64_t sum = 0, least = UINT64_MAX, most = 0;
    for (int i = 0; i < MAX_THREADS; i++) {
        uint64_t operations = workers[i].operations;
        sum += operations;
        least = operations < least ? operations : least;
        most = operations > most ? operations : most;
        histogram_merge(waits, &workers[i].waits);
    }
    bench_require(most > 0, "no hand-off at all");
    bench_add(bench, group, "throughput", "1/s", (double)sum / seconds);
    bench_add(bench, group, "fairness, least / most", "",
              (double)least / (double)most);
    bench_add(bench, group, "wait, p50", "us",
              histogram_percentile(waits, 0.50) / 1e3);
    bench_add(bench, group, "wait, p99", "us",
              histogram_percentile(waits, 0.99) / 1e3);
    bench_add(bench, group, "wait, longest", "us",
              histogram_percentile(waits, 1.0) / 1e3);
    free(waits);
}

/* 2 threads that pass one connection to and fro. */
static void pair(struct bench *bench, const struct rival *rival,
                 struct worker *workers)
{
    struct run run = {0};
    memset(workers, 0, MAX_THREADS * sizeof *workers);
    open_rival(&run, rival, 1);
    double seconds = run_threads(&run, workers, 2, bench->seconds * 5);
    uint64_t sum = workers[0].operations + workers[1].operations;
    bench_require(sum > 0, "no hand-off at all");
    bench_add(bench, "2 threads on 1 connection", rival->name, "ns",
              seconds * 1e9 / (double)sum);
}

/* 2 threads, a connection each and more: the caches meet, nobody waits. */
static void side_by_side(struct bench *bench, const struct rival *rival,
                         struct worker *workers)
{
    struct run run = {0};
    memset(workers, 0, MAX_THREADS * sizeof *workers);
    open_rival(&run, rival, 8);
    double seconds = run_threads(&run, workers, 2, bench->seconds * 5);
    uint64_t sum = workers[0].operations + workers[1].operations;
    bench_require(sum > 0, "no operation at all");
    bench_add(bench, "2 threads on 8 connections", rival->name, "ns",
              seconds * 1e9 / (double)sum);
}

void bench_handoff(struct bench *bench)
{
    static struct worker workers[MAX_THREADS];
    void (*const cases[])(struct bench *, const struct rival *,
                          struct worker *) = {crowd, pair, side_by_side};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int round = 0; round < bench->rounds; round++)
            for (int rival = 0; rival < RIVALS; rival++)
                cases[i](bench, &rivals[rival], workers);
}
