/*
 * Deadlines and a poll that keeps them, whatever signal comes.
 */
#ifndef NCP_NET_WAIT_H
#define NCP_NET_WAIT_H

#include "engine/base.h"

#include <poll.h>

enum { NCP__SLICE_MS = 50 }; /* how long nobody asks whether to stop */

/* The moment `ms` from now; NCP__NEVER below 0. */
uint64_t ncp__deadline_in(int64_t ms);
bool ncp__deadline_passed(uint64_t deadline_ns);
/* Whichever is first: the deadline, or the end of a slice that begins now. */
uint64_t ncp__deadline_or_slice(uint64_t deadline_ns);
/* poll(2) until a deadline that may have passed: it looks at least once.
 * Entries with a negative descriptor are left out. */
int ncp__poll(struct pollfd *fds, size_t count, uint64_t deadline_ns);

#endif
