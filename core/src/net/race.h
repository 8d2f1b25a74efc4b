/*
 * Happy eyeballs (RFC 8305, section 5): connects to several addresses, a little
 * apart; the first that answers wins, the others are closed.
 */
#ifndef NCP_NET_RACE_H
#define NCP_NET_RACE_H

#include "net/address.h"
#include "net/socket_options.h"

struct ncp__race {
    const struct ncp__addresses *addresses; /* at least one, in order */
    const struct ncp__socket_options *options;
    int64_t stagger_ms; /* until the next starts; at once when one fails */
    uint64_t deadline_ns;
    const ncp_dial *dial; /* asked whether to stop; may be NULL */
};

/* Returns 0 with a connected TCP socket, blocking and close-on-exec, or an
 * errno: ETIMEDOUT, ECANCELED, or why the attempt failed that says most.
 * `blamed` is the index of that attempt, -1 when it is the fault of none. */
int ncp__race(const struct ncp__race *race, int *out_fd, int *blamed);

#endif
