/*
 * Closing a pool with idle connections only: opaque ones, which show what the
 * pool itself costs, and TCP sockets, beside closing such sockets by hand.
 */
#include "cases.h"

void case_close(const struct subject *subject, const struct options *options,
                struct sample *sample)
{
    int idle = options->connections > 0 ? options->connections : 1000;
    struct setup setup = {.max = idle, .warm = idle};
    void *pool = subject->open(subject, &setup);
    uint64_t begin = bench_now_ns(), cpu = bench_cpu_ns();
    if (subject->shut != NULL)
        subject->shut(pool);
    else
        subject->close(pool);
    sample->clock = "wall";
    sample_add(sample, "close_us", (double)(bench_now_ns() - begin) / 1e3);
    sample_add(sample, "close_cpu_us", (double)(bench_cpu_ns() - cpu) / 1e3);
    if (subject->shut != NULL)
        subject->close(pool);
}
