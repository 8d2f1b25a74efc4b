#include "engine/latency.h"

void ncp__latency_init(struct ncp__latency *latency, uint32_t window)
{
    latency->window = window;
}

/* Values below 16 have bins of their own; above, 16 bins a power of two. */
static uint32_t bin_of(uint64_t ns)
{
    if (ns < NCP__LATENCY_STEPS)
        return (uint32_t)ns;
    uint32_t log = 63 - (uint32_t)__builtin_clzll(ns);
    uint32_t step = (uint32_t)(ns >> (log - 4)) & (NCP__LATENCY_STEPS - 1);
    uint32_t bin = (log - 3) * NCP__LATENCY_STEPS + step;

    return bin < NCP__LATENCY_BINS ? bin : NCP__LATENCY_BINS - 1;
}

/* The middle of a bin. */
static uint64_t value_of(uint32_t bin)
{
    if (bin < NCP__LATENCY_STEPS)
        return bin;
    uint32_t shift = bin / NCP__LATENCY_STEPS - 1;
    uint64_t low = (uint64_t)(NCP__LATENCY_STEPS + bin % NCP__LATENCY_STEPS)
                   << shift;

    return low + ((UINT64_C(1) << shift) >> 1);
}

static void note_max(struct ncp__latency *latency, uint64_t ns)
{
    uint64_t max = atomic_load_explicit(&latency->max_ns, memory_order_relaxed);

    while (ns > max && !atomic_compare_exchange_weak_explicit(
                           &latency->max_ns, &max, ns, memory_order_relaxed,
                           memory_order_relaxed))
        continue;
}

/* The window is full: the older histogram is emptied and filled next. A sample
 * that comes in between may land in either. */
static void turn_over(struct ncp__latency *latency, uint32_t turn)
{
    uint32_t next = turn ^ 1;

    if (!atomic_compare_exchange_strong_explicit(&latency->turn, &turn, next,
                                                 memory_order_relaxed,
                                                 memory_order_relaxed))
        return; /* another thread does it */
    atomic_store_explicit(&latency->filled, 0, memory_order_relaxed);
    for (int i = 0; i < NCP__LATENCY_BINS; i++)
        atomic_store_explicit(&latency->bins[next][i], 0, memory_order_relaxed);
}

void ncp__latency_record(struct ncp__latency *latency, uint64_t ns,
                         uint32_t weight)
{
    uint32_t turn = atomic_load_explicit(&latency->turn, memory_order_relaxed);
    uint32_t filled =
        atomic_fetch_add_explicit(&latency->filled, 1, memory_order_relaxed);

    if (filled >= latency->window)
        turn_over(latency, turn);
    note_max(latency, ns);
    atomic_fetch_add_explicit(&latency->bins[turn][bin_of(ns)], weight,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&latency->total_ns, ns * weight,
                              memory_order_relaxed);
}

static uint64_t bin_count(const struct ncp__latency *latency, uint32_t bin)
{
    return (uint64_t)atomic_load_explicit(&latency->bins[0][bin],
                                          memory_order_relaxed) +
           atomic_load_explicit(&latency->bins[1][bin], memory_order_relaxed);
}

/* The smallest value that at least `percent` of all samples do not exceed. */
static uint64_t percentile(const uint64_t *counts, uint64_t sum,
                           uint64_t percent)
{
    uint64_t seen = 0;

    for (uint32_t bin = 0; bin < NCP__LATENCY_BINS; bin++) {
        seen += counts[bin];
        if (seen != 0 && seen * 100 >= sum * percent)
            return value_of(bin);
    }
    return 0;
}

/* The middle of a bin may lie above the largest value in it. */
static uint64_t at_most(uint64_t ns, uint64_t max_ns)
{
    return ns < max_ns ? ns : max_ns;
}

struct ncp__percentiles
ncp__latency_percentiles(const struct ncp__latency *latency)
{
    uint64_t counts[NCP__LATENCY_BINS];
    uint64_t sum = 0;

    for (uint32_t bin = 0; bin < NCP__LATENCY_BINS; bin++) {
        counts[bin] = bin_count(latency, bin);
        sum += counts[bin];
    }
    /* Last: the largest is noted before its bin is counted. */
    uint64_t max_ns =
        atomic_load_explicit(&latency->max_ns, memory_order_relaxed);
    return (struct ncp__percentiles){
        at_most(percentile(counts, sum, 50), max_ns),
        at_most(percentile(counts, sum, 95), max_ns),
        at_most(percentile(counts, sum, 99), max_ns), max_ns};
}
