/*
 * How long gets took: a log-linear histogram over a sliding window.
 */
#ifndef NCP_ENGINE_LATENCY_H
#define NCP_ENGINE_LATENCY_H

#include "engine/base.h"

enum {
    NCP__LATENCY_STEPS = 16, /* per power of two: error at most 3.2 % */
    NCP__LATENCY_BINS = NCP__LATENCY_STEPS * 40, /* up to 2^43 ns, 2.4 hours */
    NCP__LATENCY_EVERY = 256 /* fast gets of which one is measured */
};

struct ncp__latency {
    /* Two histograms take turns: the percentiles are over the last `window`
     * to twice as many samples. */
    _Atomic uint32_t bins[2][NCP__LATENCY_BINS];
    _Atomic uint32_t turn;   /* which one is being filled */
    _Atomic uint32_t filled; /* samples in it */
    _Atomic uint64_t total_ns;
    _Atomic uint64_t max_ns;
    uint32_t window;
};

struct ncp__percentiles {
    uint64_t p50_ns, p95_ns, p99_ns, max_ns;
};

void ncp__latency_init(struct ncp__latency *latency, uint32_t window);
/* One get took `ns` and stands for `weight` gets. Lock-free. */
void ncp__latency_record(struct ncp__latency *latency, uint64_t ns,
                         uint32_t weight);
struct ncp__percentiles
ncp__latency_percentiles(const struct ncp__latency *latency);

#endif
