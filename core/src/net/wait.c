#include "net/wait.h"

#include <errno.h>
#include <limits.h>

uint64_t ncp__deadline_in(int64_t ms)
{
    if (ms < 0)
        return NCP__NEVER;

    uint64_t now = ncp__monotonic_ns();
    if ((uint64_t)ms > (NCP__NEVER - now) / NCP__NS_PER_MS)
        return NCP__NEVER;
    return now + (uint64_t)ms * NCP__NS_PER_MS;
}

bool ncp__deadline_passed(uint64_t deadline_ns)
{
    return deadline_ns != NCP__NEVER && ncp__monotonic_ns() >= deadline_ns;
}

uint64_t ncp__deadline_or_slice(uint64_t deadline_ns)
{
    uint64_t slice = ncp__deadline_in(NCP__SLICE_MS);

    return slice < deadline_ns ? slice : deadline_ns;
}

/* Rounded up: a poll that ends early would be repeated for nothing. */
static int poll_ms_left(uint64_t deadline_ns)
{
    if (deadline_ns == NCP__NEVER)
        return -1;

    uint64_t now = ncp__monotonic_ns();
    if (now >= deadline_ns)
        return 0;

    uint64_t ms = (deadline_ns - now - 1) / NCP__NS_PER_MS + 1;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

int ncp__poll(struct pollfd *fds, size_t count, uint64_t deadline_ns)
{
    for (;;) {
        int ms = poll_ms_left(deadline_ns);
        int ready = poll(fds, (nfds_t)count, ms);
        if (ready > 0 || (ready < 0 && errno != EINTR))
            return ready;
        if (ready == 0 && ncp__deadline_passed(deadline_ns))
            return 0;
    }
}
