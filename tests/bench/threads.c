/*
 * Several threads: on as many connections, on fewer that each holds for a while,
 * and two on one.
 */
#include "cases.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { BATCH = 256, HOLD_US = 20, CONNECTIONS = 4, MAX_THREADS = 1024 };

/* One run of some threads against one pool. */
struct run {
    const struct subject *subject;
    void *pool;
    uint64_t hold_ns;
    pthread_barrier_t start;
    atomic_bool stop;
    void *(*work)(void *worker);
};

struct worker {
    pthread_t thread;
    struct run *run;
    uint64_t operations, timeouts, cpu_ns;
    struct histogram waits; /* ns */
};

static bool stopped(struct run *run)
{
    return atomic_load_explicit(&run->stop, memory_order_relaxed);
}

/* Gets and puts, nothing between. */
static void *rush(void *user)
{
    struct worker *worker = user;
    struct run *run = worker->run;
    void *handle = subject_join(run->subject, run->pool);
    run->subject->pairs(handle, 1);
    pthread_barrier_wait(&run->start);
    uint64_t cpu = bench_cpu_ns();
    while (!stopped(run)) {
        run->subject->pairs(handle, BATCH);
        worker->operations += BATCH;
    }
    worker->cpu_ns = bench_cpu_ns() - cpu;
    subject_leave(run->subject, handle);
    return NULL;
}

/* Holds what it borrowed, and notes how long it waited for it. */
static void *hold(void *user)
{
    struct worker *worker = user;
    struct run *run = worker->run;
    void *handle = subject_join(run->subject, run->pool);
    pthread_barrier_wait(&run->start);
    while (!stopped(run)) {
        uint64_t begin = bench_now_ns();
        uint64_t borrowed = run->subject->get(handle);
        histogram_add(&worker->waits, bench_now_ns() - begin);
        if (borrowed == 0) {
            worker->timeouts++;
            continue;
        }
        bench_hold_ns(run->hold_ns);
        run->subject->put(handle, borrowed);
        worker->operations++;
    }
    subject_leave(run->subject, handle);
    return NULL;
}

/* Runs the threads for some time; returns how long, in nanoseconds. */
static double run_threads(struct run *run, struct worker *workers, int threads,
                          double seconds)
{
    pthread_barrier_init(&run->start, NULL, (unsigned)threads + 1);
    for (int i = 0; i < threads; i++) {
        workers[i].run = run;
        bench_require(pthread_create(&workers[i].thread, NULL, run->work,
                                     &workers[i]) == 0,
                      "no thread");
    }
    pthread_barrier_wait(&run->start);
    uint64_t begin = bench_now_ns();
    bench_sleep(seconds);
    atomic_store(&run->stop, true);
    for (int i = 0; i < threads; i++)
        pthread_join(workers[i].thread, NULL);
    double took = (double)(bench_now_ns() - begin);
    pthread_barrier_destroy(&run->start);
    run->subject->close(run->pool);
    return took;
}

struct totals {
    uint64_t operations, least, most, timeouts;
    double operations_per_cpu_ns; /* of all threads together */
};

static struct totals add_up(const struct worker *workers, int threads)
{
    struct totals totals = {.least = UINT64_MAX};
    for (int i = 0; i < threads; i++) {
        uint64_t operations = workers[i].operations;
        totals.operations += operations;
        totals.timeouts += workers[i].timeouts;
        totals.least = operations < totals.least ? operations : totals.least;
        totals.most = operations > totals.most ? operations : totals.most;
        if (workers[i].cpu_ns > 0)
            totals.operations_per_cpu_ns +=
                (double)operations / (double)workers[i].cpu_ns;
    }
    bench_require(totals.operations > 0, "no operation at all");
    return totals;
}

static void add_totals(struct sample *sample, const struct totals *totals,
                       double ns)
{
    sample_add(sample, "ns_per_op", ns / (double)totals->operations);
    sample_add(sample, "ops", (double)totals->operations);
    sample_add(sample, "ops_per_s", (double)totals->operations / ns * 1e9);
    sample_add(sample, "fairness",
               (double)totals->least / (double)totals->most);
}

static void run_rush(const struct subject *subject, struct setup setup,
                     int threads, double seconds, struct sample *sample)
{
    struct worker *workers = bench_alloc((size_t)threads * sizeof *workers);
    struct run run = {.subject = subject,
                      .pool = subject->open(subject, &setup),
                      .work = rush};
    double ns = run_threads(&run, workers, threads, seconds);
    struct totals totals = add_up(workers, threads);
    sample->clock = "wall";
    add_totals(sample, &totals, ns);
    sample_add(sample, "cpu_ns_per_op", 1 / totals.operations_per_cpu_ns);
    free(workers);
}

void case_parallel(const struct subject *subject, const struct options *options,
                   struct sample *sample)
{
    int threads = options->threads > 0 ? options->threads : 2;
    int connections = options->connections > 0 ? options->connections : threads;
    bench_require(threads <= MAX_THREADS, "too many threads");
    run_rush(subject, (struct setup){.max = connections, .warm = connections},
             threads, options->seconds, sample);
}

void case_duel(const struct subject *subject, const struct options *options,
               struct sample *sample)
{
    run_rush(subject, (struct setup){.max = 1, .warm = 1}, 2, options->seconds,
             sample);
}

/* What everybody waits when all take turns and nothing but holding takes time:
 * a connection that no processor works for is no connection. */
static double ideal_wait_ns(int threads, int connections, double hold_ns)
{
    double processors = (double)sysconf(_SC_NPROCESSORS_ONLN);
    double at_once = connections < processors ? connections : processors;
    return threads <= at_once ? 0 : ((double)threads / at_once - 1) * hold_ns;
}

void case_contended(const struct subject *subject,
                    const struct options *options, struct sample *sample)
{
    int threads = options->threads > 0 ? options->threads : 4 * CONNECTIONS;
    int connections =
        options->connections > 0 ? options->connections : (threads + 3) / 4;
    bench_require(threads <= MAX_THREADS, "too many threads");
    struct setup setup = {.max = connections, .warm = connections};
    struct worker *workers = bench_alloc((size_t)threads * sizeof *workers);
    struct histogram *waits = bench_alloc(sizeof *waits);
    int64_t hold_us = options->hold_us > 0 ? options->hold_us : HOLD_US;
    struct run run = {.subject = subject,
                      .pool = subject->open(subject, &setup),
                      .hold_ns = (uint64_t)hold_us * 1000,
                      .work = hold};
    double ns = run_threads(&run, workers, threads, options->seconds);
    struct totals totals = add_up(workers, threads);
    for (int i = 0; i < threads; i++)
        histogram_merge(waits, &workers[i].waits);
    double p99 = histogram_percentile(waits, 0.99);
    double ideal = ideal_wait_ns(threads, connections, (double)run.hold_ns);
    sample->clock = "wall";
    add_totals(sample, &totals, ns);
    sample_add(sample, "p50_wait_ns", histogram_percentile(waits, 0.50));
    sample_add(sample, "p99_wait_ns", p99);
    sample_add(sample, "max_wait_ns", histogram_percentile(waits, 1.0));
    sample_add(sample, "ideal_wait_ns", ideal);
    if (ideal > 0)
        sample_add(sample, "p99_in_ideal_waits", p99 / ideal);
    sample_add(sample, "lost_wakeups", (double)totals.timeouts);
    free(waits);
    free(workers);
}
