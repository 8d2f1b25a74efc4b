/*
 * 50 callers at once, a dial takes long, the use is short: how many connections
 * a pool opens that needs few.
 */
#include "cases.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    CALLERS = 50,
    MAX = 50,
    WARM = 5,
    DIAL_MS = 150,
    USE_MS = 2,
    SETTLE_DIALS = 2 /* dials begun for the spike may end that much later */
};

struct caller {
    pthread_t thread;
    const struct subject *subject;
    void *pool;
    double use_s;
    pthread_barrier_t *start;
};

static atomic_int lent, most_lent;

static void note_lent(void)
{
    int now = atomic_fetch_add(&lent, 1) + 1;
    int most = atomic_load(&most_lent);
    while (now > most && !atomic_compare_exchange_weak(&most_lent, &most, now))
        ;
}

static void *call(void *user)
{
    struct caller *caller = user;
    void *handle = subject_join(caller->subject, caller->pool);
    pthread_barrier_wait(caller->start);
    uint64_t borrowed = caller->subject->get(handle);
    bench_require(borrowed != 0, "a caller was not served");
    note_lent();
    bench_sleep(caller->use_s);
    atomic_fetch_sub(&lent, 1);
    caller->subject->put(handle, borrowed);
    subject_leave(caller->subject, handle);
    return NULL;
}

void case_spike(const struct subject *subject, const struct options *options,
                struct sample *sample)
{
    int callers = options->callers > 0 ? options->callers : CALLERS;
    int64_t dial_ms = options->dial_ms > 0 ? options->dial_ms : DIAL_MS;
    int64_t use_ms = options->use_ms > 0 ? options->use_ms : USE_MS;
    struct setup setup = {.max = MAX, .warm = WARM, .counted = true};
    struct caller *threads = bench_alloc((size_t)callers * sizeof *threads);
    pthread_barrier_t start;
    dials_reset(dial_ms);
    void *pool = subject->open(subject, &setup);
    pthread_barrier_init(&start, NULL, (unsigned)callers + 1);
    for (int i = 0; i < callers; i++) {
        threads[i] = (struct caller){.subject = subject,
                                     .pool = pool,
                                     .use_s = (double)use_ms / 1e3,
                                     .start = &start};
        bench_require(
            pthread_create(&threads[i].thread, NULL, call, &threads[i]) == 0,
            "no thread");
    }
    pthread_barrier_wait(&start);
    uint64_t begin = bench_now_ns();
    for (int i = 0; i < callers; i++)
        pthread_join(threads[i].thread, NULL);
    double total_ms = (double)(bench_now_ns() - begin) / 1e6;
    bench_sleep((double)(dial_ms * SETTLE_DIALS) / 1e3);
    sample->clock = "wall";
    sample_add(sample, "opened", dials_now().opened);
    sample_add(sample, "peak", atomic_load(&most_lent));
    sample_add(sample, "total_ms", total_ms);
    pthread_barrier_destroy(&start);
    subject->close(pool);
    free(threads);
}
