/*
 * The invariants that hold in every snapshot of the statistics.
 */
#ifndef NCP_TEST_SNAPSHOT_H
#define NCP_TEST_SNAPSHOT_H

#include "expect.h"

#include <pthread.h>
#include <stdatomic.h>

/* Checks one snapshot alone; `max` and `max_idle` are the limits in force, 0
 * for none. */
void snapshot_check(const uint64_t *value, uint64_t max, uint64_t max_idle);
/* Checks that no cumulative counter went back from `before` to `after`. */
void snapshot_check_order(const uint64_t *before, const uint64_t *after);
/* The statistics of `pool`, checked alone. */
void snapshot_take(const ncp_pool *pool, uint64_t *value, uint64_t max,
                   uint64_t max_idle);

/* A thread that takes snapshots without a pause and checks each of them. */
struct sampler {
    const ncp_pool *pool;
    uint64_t max;
    uint64_t max_idle;
    pthread_t thread;
    atomic_bool stop;
    unsigned long taken;
};

void sampler_start(struct sampler *sampler, const ncp_pool *pool, uint64_t max,
                   uint64_t max_idle);
/* Stops it; it has taken at least one snapshot. */
void sampler_stop(struct sampler *sampler);

#endif
