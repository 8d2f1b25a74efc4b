#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { NOT_HERE = 77 };

/* ---------------------------------------------------------------------- time */

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000U + (uint64_t)time.tv_nsec;
}

uint64_t bench_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t bench_cpu_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

void bench_sleep(double seconds)
{
    struct timespec time = {
        .tv_sec = (time_t)seconds,
        .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&time, NULL);
}

void bench_hold_ns(uint64_t ns)
{
    uint64_t end = bench_now_ns() + ns;
    while (bench_now_ns() < end)
        ;
}

/* ------------------------------------------------------------------- the end */

void bench_fail(const char *what)
{
    fprintf(stderr, "ncp-bench: %s\n", what);
    exit(1);
}

void bench_skip(const char *why)
{
    fprintf(stderr, "%s\n", why);
    exit(NOT_HERE);
}

void *bench_alloc(size_t size)
{
    void *memory = calloc(1, size);
    bench_require(memory != NULL, "no memory");
    return memory;
}

void sample_add(struct sample *sample, const char *name, double value)
{
    bench_require(sample->count < MAX_FIGURES, "too many figures");
    sample->figures[sample->count].name = name;
    sample->figures[sample->count++].value = value;
}
