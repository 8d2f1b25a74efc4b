/*
 * What a lock and the clock cost: no pools, but what pools are measured with.
 */
#include "subject.h"

#include <gnu/libc-version.h>
#include <pthread.h>
#include <stdlib.h>

static void *open_lock(const struct subject *subject, const struct setup *setup)
{
    (void)subject, (void)setup;
    pthread_mutex_t *lock = bench_alloc(sizeof *lock);
    pthread_mutex_init(lock, NULL);
    return lock;
}

static void close_lock(void *lock)
{
    pthread_mutex_destroy(lock);
    free(lock);
}

static void lock_unlock(void *lock, uint64_t operations)
{
    for (uint64_t i = 0; i < operations; i++) {
        pthread_mutex_lock(lock);
        pthread_mutex_unlock(lock);
    }
}

static void lock_unlock_twice(void *lock, uint64_t operations)
{
    for (uint64_t i = 0; i < operations; i++) {
        pthread_mutex_lock(lock);
        pthread_mutex_unlock(lock);
        pthread_mutex_lock(lock);
        pthread_mutex_unlock(lock);
    }
}

static void read_clock(void *sum, uint64_t operations)
{
    for (uint64_t i = 0; i < operations; i++)
        *(uint64_t *)sum += bench_now_ns();
}

static void *open_clock(const struct subject *subject,
                        const struct setup *setup)
{
    (void)subject, (void)setup;
    return bench_alloc(sizeof(uint64_t));
}

const struct subject subject_mutex = {.name = "pthread-mutex",
                                      .notes = "lock + unlock; lends nothing",
                                      .cases = CASE_UNCONTENDED | CASE_DUEL,
                                      .version = gnu_get_libc_version,
                                      .open = open_lock,
                                      .close = close_lock,
                                      .pairs = lock_unlock};

const struct subject subject_mutex_twice = {
    .name = "pthread-mutex-twice",
    .notes = "two lock + unlock pairs; lends nothing",
    .cases = CASE_UNCONTENDED,
    .version = gnu_get_libc_version,
    .open = open_lock,
    .close = close_lock,
    .pairs = lock_unlock_twice};

const struct subject subject_clock = {.name = "clock_gettime",
                                      .notes = "one reading of the clock",
                                      .cases = CASE_UNCONTENDED,
                                      .version = gnu_get_libc_version,
                                      .open = open_clock,
                                      .close = free,
                                      .pairs = read_clock};
