/* What both runs of the mixed fuzz share: its crew and its payloads. */
#ifndef BENCH_NET_FUZZ_H
#define BENCH_NET_FUZZ_H

#include "net.h"

enum {
    FUZZ_TCP = 20,
    FUZZ_UDP = 15,
    FUZZ_MIXED = 10,
    FUZZ_FEATURE = 5,
    FUZZ_THREADS = FUZZ_TCP + FUZZ_UDP + FUZZ_MIXED + FUZZ_FEATURE
};

/* Those of the original; fewer connections when the task says so. */
struct bounds fuzz_bounds(const struct task *task);

enum role { ROLE_TCP, ROLE_UDP, ROLE_MIXED, ROLE_FEATURE };

/* The role of a thread; `out` is its number among those with that role. */
enum role fuzz_role(int thread, int *out);

/* What a thread asks for next: ncp_pool_get() or one of its sisters. */
typedef int fuzz_get(ncp_pool *pool, ncp_lease *out);
fuzz_get *fuzz_wanted(enum role role, int number, unsigned iteration);
/* What the dialer makes when it is asked for that. */
int fuzz_protocol(fuzz_get *wanted);

/* Ten patterns that take turns; the sixth is larger than a datagram can be. */
enum { FUZZ_PATTERNS = 10, FUZZ_PAYLOAD_MAX = 65535 };

size_t fuzz_payload_size(unsigned pattern);
void fuzz_payload_fill(unsigned pattern, char *payload);

/* Runs `body` in a process of its own, so that a crash is something that can be
 * counted; whether it crashed. Its results are in memory that both processes
 * have, from fuzz_shared(). */
bool fuzz_supervised(void (*body)(void *), void *user, int *exit_code);
void *fuzz_shared(size_t size);

#endif
