/*
 * The line of a pull pool: enqueue, cancel, time out, hand over; each by itself.
 */
#ifndef BENCH_TICKETS_H
#define BENCH_TICKETS_H

#include "bench.h"

/* Takes the configuration over: its store and fairness. */
void tickets_measure(ncp_config *config, int callers, double seconds,
                     struct sample *sample);

#endif
