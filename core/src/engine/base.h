/*
 * What every file of the core needs: hints to the compiler, assertions that
 * stay in release builds, memory and the clock.
 */
#ifndef NCP_ENGINE_BASE_H
#define NCP_ENGINE_BASE_H

#include "netconnpool.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NCP__LIKELY(x) __builtin_expect(!!(x), 1)
#define NCP__UNLIKELY(x) __builtin_expect(!!(x), 0)
#define NCP__CACHE_LINE 64
/* Processors fetch lines by twos: what threads are to have apart has both. */
#define NCP__LINE_PAIR 128

#define NCP__NS_PER_MS UINT64_C(1000000)
#define NCP__NEVER UINT64_MAX /* a deadline that does not come */

/* An invariant of our own: a failure is a fault of the library. */
#define NCP__ASSERT(condition)                                                 \
    do {                                                                       \
        if (NCP__UNLIKELY(!(condition)))                                       \
            ncp__assert_failed(#condition, __FILE__, __LINE__);                \
    } while (0)

_Noreturn void ncp__assert_failed(const char *condition, const char *file,
                                  int line);

/* Memory: zeroed, or NULL. ncp__free accepts NULL. */
void *ncp__alloc(size_t size);
/* Zeroed and aligned to a power of two above that of malloc; give it back with
 * ncp__free_aligned. */
void *ncp__alloc_aligned(size_t size, size_t alignment);
void ncp__free(void *block);
void ncp__free_aligned(void *aligned);
/* A copy of `text`, or NULL. */
char *ncp__strdup(const char *text);

/* A pause in a loop that waits for another processor. */
static inline void ncp__relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* How many processors there are; at least 1. */
uint32_t ncp__processors(void);

/* CLOCK_MONOTONIC in nanoseconds, and the cheap one that lags by a few ms. */
uint64_t ncp__monotonic_ns(void);
uint64_t ncp__monotonic_coarse_ns(void);

#endif
