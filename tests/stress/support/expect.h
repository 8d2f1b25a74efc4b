/*
 * Checks of the stress, fault and fuzz programs, and the watchdog that turns a
 * hang into a failure that says who hangs where.
 */
#ifndef NCP_TEST_EXPECT_H
#define NCP_TEST_EXPECT_H

#include "netconnpool.h"

#include <stdbool.h>
#include <stdint.h>

_Noreturn void expect_failed(const char *file, int line, const char *what,
                             int64_t actual, int64_t expected, bool compared);

/* Checks stay in every build. */
#define REQUIRE(condition)                                                     \
    do {                                                                       \
        if (!(condition))                                                      \
            expect_failed(__FILE__, __LINE__, #condition, 0, 0, false);        \
    } while (0)

/* Two integers that must be equal; both are printed. */
#define REQUIRE_EQ(actual, expected)                                           \
    do {                                                                       \
        int64_t actual_ = (int64_t)(actual);                                   \
        int64_t expected_ = (int64_t)(expected);                               \
        if (actual_ != expected_)                                              \
            expect_failed(__FILE__, __LINE__, #actual " == " #expected,        \
                          actual_, expected_, true);                           \
    } while (0)

/* Waits for something that must become true; only a hang ends the wait. */
#define REQUIRE_SOON(condition)                                                \
    do {                                                                       \
        for (int turn_ = 0; !(condition); turn_++)                             \
            expect_pause(turn_, __FILE__, __LINE__, #condition);               \
    } while (0)

void expect_pause(int turn, const char *file, int line, const char *what);

/* The pool whose description a failure prints; NULL for none. */
void expect_about(const ncp_pool *pool);

/* What a failure prints first: program, variant, seed. Copied. */
void expect_context(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

enum { WATCHDOG_SLOTS = 64 };

/* Starts the watchdog of this process: a slot that beats no more for `seconds`
 * is a failure. Patience is meant to be far above any real time. */
void watchdog_start(int seconds);
void watchdog_stop(void);
/* Slot `slot` is alive and begins `what` (a literal). */
void watchdog_beat(int slot, const char *what);
/* Slot `slot` has nothing more to do. */
void watchdog_rest(int slot);

/* A small reproducible generator (splitmix64). */
struct rng {
    uint64_t state;
};

uint64_t rng_next(struct rng *rng);
/* 0 .. bound - 1 */
uint32_t rng_below(struct rng *rng, uint32_t bound);
/* True once in `n`. */
bool rng_one_in(struct rng *rng, uint32_t n);

/* Nanoseconds on CLOCK_MONOTONIC. */
uint64_t now_ns(void);
void sleep_us(unsigned us);

/* Descriptors and threads of this process. */
int count_fds(void);
int count_threads(void);

#endif
