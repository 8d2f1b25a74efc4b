/*
 * ncp-bench: what every case shares.
 *
 * A figure is the median of several rounds; the rounds of a figure and of its
 * rivals are interleaved, so that a slow moment of the machine hits all alike.
 */
#ifndef BENCH_H
#define BENCH_H

#include <netconnpool.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_ROUNDS = 64, MAX_FIGURES = 64 };

struct figure {
    const char *group, *name, *unit;
    int count;
    double samples[MAX_ROUNDS];
};

struct bench {
    int rounds;
    double seconds; /* of one sample */
    int count;
    struct figure figures[MAX_FIGURES];
};

/* Adds one sample to the figure of that group and name; the texts are kept. */
void bench_add(struct bench *bench, const char *group, const char *name,
               const char *unit, double sample);
double bench_median(const struct figure *figure);
double bench_min(const struct figure *figure);
double bench_max(const struct figure *figure);
/* NULL when there is none. */
const struct figure *bench_find(const struct bench *bench, const char *group,
                                const char *name);

uint64_t bench_now_ns(void);
_Noreturn void bench_fail(const char *what);
/* Ends the program when `held` is false: a figure would be a lie. */
static inline void bench_require(bool held, const char *what)
{
    if (__builtin_expect(!held, 0))
        bench_fail(what);
}

/* A configuration with the defaults of client mode and a dialer that makes
 * opaque connections, which cost nothing. */
ncp_config *bench_config(void);
/* The pool of a configuration, which is freed. */
ncp_pool *bench_pool(ncp_config *config);

/* `count` pauses of the processor: a borrower that does some work. */
void bench_pause(int count);

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

/* The simplest pool there is, as a yardstick: one mutex, one condition, one
 * array; whoever comes first takes, no statistics, no deadlines. */
struct textbook;
struct textbook *textbook_new(int size);
void textbook_free(struct textbook *pool);
int textbook_get(struct textbook *pool);
void textbook_put(struct textbook *pool, int connection);

/* The cases; each adds the figures of all its rounds. */
void bench_uncontended(struct bench *bench);
void bench_handoff(struct bench *bench);
void bench_close(struct bench *bench);
void bench_memory(struct bench *bench);

#endif
