/*
 * One thread, nobody else: get and put, in processor time.
 */
#include "cases.h"

enum { FIRST_OPERATIONS = 1000, CONNECTIONS = 10 };

struct times {
    double cpu_ns, wall_ns;
};

static struct times time_of(const struct subject *subject, void *handle,
                            uint64_t operations)
{
    uint64_t wall = bench_now_ns(), cpu = bench_cpu_ns();
    subject->pairs(handle, operations);
    return (struct times){.cpu_ns = (double)(bench_cpu_ns() - cpu),
                          .wall_ns = (double)(bench_now_ns() - wall)};
}

/* Finds how many operations fill a sample; this is the warm-up as well. */
static uint64_t calibrate(const struct subject *subject, void *handle,
                          double seconds)
{
    for (uint64_t operations = FIRST_OPERATIONS;; operations *= 2) {
        double ns = time_of(subject, handle, operations).cpu_ns;
        if (ns >= seconds * 1e9 / 4)
            return (uint64_t)((double)operations * seconds * 1e9 / ns) + 1;
    }
}

void case_uncontended(const struct subject *subject,
                      const struct options *options, struct sample *sample)
{
    struct setup setup = {.max = CONNECTIONS, .warm = CONNECTIONS};
    void *pool = subject->open(subject, &setup);
    void *handle = subject_join(subject, pool);
    uint64_t operations = calibrate(subject, handle, options->seconds);
    struct times times = time_of(subject, handle, operations);
    sample->clock = "cpu";
    sample_add(sample, "ns_per_op", times.cpu_ns / (double)operations);
    sample_add(sample, "wall_ns_per_op", times.wall_ns / (double)operations);
    sample_add(sample, "ops", (double)operations);
    subject_leave(subject, handle);
    subject->close(pool);
}
