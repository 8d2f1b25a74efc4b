/*
 * ncp-bench: what its cases and its subjects share.
 *
 * The program runs one sample of one case with one subject and prints what it
 * measured as a line of JSON; bench.py runs many of them and compares.
 */
#ifndef BENCH_H
#define BENCH_H

#include <netconnpool.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the command line asks for; 0 leaves it to the case. */
struct options {
    double seconds; /* of the timed part */
    int threads, connections, callers;
    int64_t hold_us, dial_ms, use_ms;
};

/* What a sample found: names and numbers, in the order they were added. */
enum { MAX_FIGURES = 32 };

struct sample {
    int count;
    struct {
        const char *name;
        double value;
    } figures[MAX_FIGURES];
    const char *clock; /* of ns_per_op: "cpu" or "wall" */
};

/* The name is kept. */
void sample_add(struct sample *sample, const char *name, double value);

/* Of the wall, and of this thread: what others do meanwhile does not count. */
uint64_t bench_now_ns(void);
uint64_t bench_cpu_ns(void);
void bench_sleep(double seconds);
/* Works until so much time has passed. */
void bench_hold_ns(uint64_t ns);

_Noreturn void bench_fail(const char *what);
/* This machine or this subject cannot do it: says why, exits with 77. */
_Noreturn void bench_skip(const char *why);
/* Ends the program when `held` is false: a figure would be a lie. */
static inline void bench_require(bool held, const char *what)
{
    if (__builtin_expect(!held, 0))
        bench_fail(what);
}
void *bench_alloc(size_t size);

/* Latencies: 32 steps for each power of two, so at most 3 % too high. */
enum { HISTOGRAM_STEPS = 32, HISTOGRAM_SIZE = 60 * HISTOGRAM_STEPS };

struct histogram {
    uint64_t total;
    uint64_t counts[HISTOGRAM_SIZE];
};

void histogram_add(struct histogram *histogram, uint64_t value);
void histogram_merge(struct histogram *into, const struct histogram *from);
/* The value that `share` (0 to 1) of all do not exceed. */
double histogram_percentile(const struct histogram *histogram, double share);

#endif
