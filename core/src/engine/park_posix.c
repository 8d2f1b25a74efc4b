/* Waiting on a word, with a table of condition variables: any POSIX system. */
#ifdef __linux__
typedef int ncp__park_posix_not_used; /* no empty file in C */
#else

#include "engine/park.h"

#include <pthread.h>
#include <time.h>

enum { BUCKETS = 64 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
} buckets[BUCKETS] = {[0 ... BUCKETS - 1] = {PTHREAD_MUTEX_INITIALIZER,
                                             PTHREAD_COND_INITIALIZER}};

static size_t bucket_of(const atomic_uint *word)
{
    return ((uintptr_t)word >> 6) % BUCKETS;
}

/* Condition variables take the wall clock: a sleep is cut into slices, so that
 * a step of that clock delays nobody for long. */
static struct timespec slice_end(uint64_t left_ns)
{
    const uint64_t slice_ns = 100 * NCP__NS_PER_MS;
    struct timespec at;

    clock_gettime(CLOCK_REALTIME, &at);
    uint64_t ns =
        (uint64_t)at.tv_nsec + (left_ns < slice_ns ? left_ns : slice_ns);
    at.tv_sec += (time_t)(ns / UINT64_C(1000000000));
    at.tv_nsec = (long)(ns % UINT64_C(1000000000));
    return at;
}

void ncp__park(atomic_uint *word, unsigned expected, uint64_t deadline_ns)
{
    size_t i = bucket_of(word);
    uint64_t now = ncp__monotonic_ns();

    if (now >= deadline_ns)
        return;
    struct timespec at = slice_end(deadline_ns - now);
    pthread_mutex_lock(&buckets[i].lock);
    /* Seq_cst, as a futex would be: after what the caller has announced. */
    if (atomic_load_explicit(word, memory_order_seq_cst) == expected)
        pthread_cond_timedwait(&buckets[i].changed, &buckets[i].lock, &at);
    pthread_mutex_unlock(&buckets[i].lock);
}

void ncp__unpark(atomic_uint *word)
{
    size_t i = bucket_of(word);

    pthread_mutex_lock(&buckets[i].lock);
    pthread_cond_broadcast(&buckets[i].changed);
    pthread_mutex_unlock(&buckets[i].lock);
}

#endif
