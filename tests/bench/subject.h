/*
 * A subject: one way to lend connections to threads.
 */
#ifndef BENCH_SUBJECT_H
#define BENCH_SUBJECT_H

#include "bench.h"

/* Which cases a subject can do; bits. */
enum case_bit {
    CASE_UNCONTENDED = 1,
    CASE_PARALLEL = 2,
    CASE_CONTENDED = 4,
    CASE_DUEL = 8,
    CASE_WAITERS = 16,
    CASE_SPIKE = 32,
    CASE_MEMORY = 64,
    CASE_CLOSE = 128,
    CASE_THREADS = CASE_PARALLEL | CASE_CONTENDED | CASE_DUEL
};

/* What a pool is to be like. */
struct setup {
    int max;      /* connections at most */
    int warm;     /* connections that are there when it is opened */
    bool counted; /* tell dials_close() of every close */
};

struct subject {
    const char *name;
    const char *notes; /* what it cannot do; NULL */
    unsigned cases;
    const void *variant; /* for the functions below */
    const char *(*version)(void);
    /* Why it cannot be had here; NULL when it can. The function may be NULL. */
    const char *(*missing)(const struct subject *subject);
    void *(*open)(const struct subject *subject, const struct setup *setup);
    void (*close)(void *pool); /* with all that it lent given back */
    /* What one thread borrows through; NULL functions: the pool itself. */
    void *(*join)(void *pool);
    void (*leave)(void *handle);
    uint64_t (*get)(void *handle); /* 0: it timed out */
    void (*put)(void *handle, uint64_t borrowed);
    /* Gets and puts so often, with nothing between: the timed loop. */
    void (*pairs)(void *handle, uint64_t operations);
    /* Case close: with idle connections only; NULL: close() does it all. */
    void (*shut)(void *pool);
    /* Case waiters, without a thread for each; NULL: it cannot. */
    void (*tickets)(const struct subject *subject, int callers, double seconds,
                    struct sample *sample);
};

/* Every one of them, in the order of the tables; ended by NULL. */
extern const struct subject *const subjects[];

static inline void *subject_join(const struct subject *subject, void *pool)
{
    return subject->join != NULL ? subject->join(pool) : pool;
}

static inline void subject_leave(const struct subject *subject, void *handle)
{
    if (subject->leave != NULL)
        subject->leave(handle);
}

/*
 * Connections, for pools that dial: a dial takes dial_ms and is counted. A
 * connection is a number above 0.
 */
struct dials {
    int64_t dial_ms;
    int opened, closed;
};

void dials_reset(int64_t dial_ms);
struct dials dials_now(void);
uint64_t dials_open(void);
void dials_close(uint64_t connection);

extern const struct subject subject_lockfree, subject_lock, subject_sharded,
    subject_tap, subject_sharded_tap, subject_adaptive, subject_no_stats,
    subject_separate, subject_threads;
extern const struct subject subject_sockets, subject_sockets_by_hand;
extern const struct subject subject_mutex, subject_mutex_twice, subject_clock;
extern const struct subject subject_textbook, subject_apr, subject_glib;

#endif
