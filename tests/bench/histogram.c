#include "bench.h"

static int index_of(uint64_t value)
{
    if (value < HISTOGRAM_STEPS)
        return (int)value;
    int shift = 63 - __builtin_clzll(value) - 5; /* 32 steps are 5 bits */
    int index = (shift + 1) * HISTOGRAM_STEPS +
                (int)((value >> shift) & (HISTOGRAM_STEPS - 1));
    return index < HISTOGRAM_SIZE ? index : HISTOGRAM_SIZE - 1;
}

/* The largest value with that index. */
static double value_of(int index)
{
    if (index < HISTOGRAM_STEPS)
        return index;
    int shift = index / HISTOGRAM_STEPS - 1;
    uint64_t low = (uint64_t)(HISTOGRAM_STEPS + index % HISTOGRAM_STEPS)
                   << shift;
    return (double)(low + ((UINT64_C(1) << shift) - 1));
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    histogram->counts[index_of(value)]++;
    histogram->total++;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (int i = 0; i < HISTOGRAM_SIZE; i++)
        into->counts[i] += from->counts[i];
    into->total += from->total;
}

double histogram_percentile(const struct histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)histogram->total);
    uint64_t seen = 0;
    for (int i = 0; i < HISTOGRAM_SIZE; i++) {
        seen += histogram->counts[i];
        if (seen > wanted || seen == histogram->total)
            return value_of(i);
    }
    return 0;
}
