/*
 * Many who wait for one connection: what a place in line costs.
 *
 * A pool that has tickets is measured by tickets, each operation for itself. Any
 * other needs a thread for every waiter: what is measured then is the hand-over
 * from each to the next until all were served once.
 */
#include "cases.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { CALLERS = 100, STACK_SIZE = 64 * 1024 };

struct line {
    const struct subject *subject;
    void *pool;
    atomic_int arrived;
};

static void *wait_once(void *user)
{
    struct line *line = user;
    void *handle = subject_join(line->subject, line->pool);
    atomic_fetch_add(&line->arrived, 1);
    uint64_t borrowed = line->subject->get(handle);
    bench_require(borrowed != 0, "a waiter was not served");
    line->subject->put(handle, borrowed);
    subject_leave(line->subject, handle);
    return NULL;
}

static void start_all(struct line *line, pthread_t *threads, int callers)
{
    pthread_attr_t attributes;
    size_t stack =
        STACK_SIZE > PTHREAD_STACK_MIN ? STACK_SIZE : PTHREAD_STACK_MIN;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack);
    for (int i = 0; i < callers; i++)
        if (pthread_create(&threads[i], &attributes, wait_once, line) != 0)
            bench_skip("this machine has not so many threads");
    pthread_attr_destroy(&attributes);
    while (atomic_load(&line->arrived) < callers)
        bench_sleep(0.001);
    bench_sleep(0.02); /* from there to the line */
}

void case_waiters(const struct subject *subject, const struct options *options,
                  struct sample *sample)
{
    int callers = options->callers > 0 ? options->callers : CALLERS;
    if (subject->tickets != NULL) {
        subject->tickets(subject, callers, options->seconds, sample);
        return;
    }
    struct setup setup = {.max = 1, .warm = 1};
    struct line line = {.subject = subject,
                        .pool = subject->open(subject, &setup)};
    pthread_t *threads = bench_alloc((size_t)callers * sizeof *threads);
    void *handle = subject_join(subject, line.pool);
    uint64_t borrowed = subject->get(handle);
    start_all(&line, threads, callers);
    uint64_t begin = bench_now_ns();
    subject->put(handle, borrowed);
    for (int i = 0; i < callers; i++)
        pthread_join(threads[i], NULL);
    double ns = (double)(bench_now_ns() - begin) / callers;
    sample->clock = "wall";
    sample_add(sample, "ns_per_op", ns);
    sample_add(sample, "handoff_ns", ns);
    sample_add(sample, "ops", callers);
    subject_leave(subject, handle);
    subject->close(line.pool);
    free(threads);
}
