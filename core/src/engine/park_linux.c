/* Waiting on a word, with the futex of Linux. */
#ifdef __linux__

#include "engine/park.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void ncp__park(atomic_uint *word, unsigned expected, uint64_t deadline_ns)
{
    struct timespec at;
    struct timespec *timeout = NULL;

    if (deadline_ns != NCP__NEVER) {
        at.tv_sec = (time_t)(deadline_ns / UINT64_C(1000000000));
        at.tv_nsec = (long)(deadline_ns % UINT64_C(1000000000));
        timeout = &at;
    }
    /* WAIT_BITSET takes an absolute CLOCK_MONOTONIC time. */
    syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected, timeout, NULL,
            FUTEX_BITSET_MATCH_ANY);
}

void ncp__unpark(atomic_uint *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

#endif
