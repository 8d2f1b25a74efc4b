/*
 * What the pool asks of sockets. The pool declares it, core/src/net implements
 * it: the arrow of dependency points from net to pool.
 */
#ifndef NCP_POOL_TRANSPORT_H
#define NCP_POOL_TRANSPORT_H

#include "pool/config.h"

struct ncp__transport {
    /* The built-in dialer for option target of `config` (checked before), as a
     * hook with one reference. Everything it needs is copied. */
    int (*dialer_new)(const struct ncp_config *config, struct ncp__hook **out);
    /* NCP_OK, or NCP_EINVALIDCONFIG with a sentence in `reason`. */
    int (*target_check)(const char *target, char *reason, size_t size);
    /* Waits for a client of `listener_fd`. NCP_OK: one may be there; NCP_EAGAIN:
     * `wake_fd` is readable, nothing is read from it; NCP_ETIMEOUT (`timeout_ms`
     * below 0 is no limit); NCP_ESYS with errno. */
    int (*wait_client)(int listener_fd, int wake_fd, int64_t timeout_ms);
    /* Takes a client that waits. Never blocks, because the pool has made the
     * listener non-blocking: NCP_EAGAIN when nobody is there any more, which
     * covers errors that pass and clients that have gone; NCP_ESYS with errno
     * otherwise (EMFILE, ...). The new descriptor is close-on-exec and blocking,
     * with the socket options of `config`. */
    int (*accept)(const struct ncp_config *config, int listener_fd,
                  int *out_fd);
    void (*detect)(int fd, int *protocol, int *ip);
    bool (*alive)(int fd);
    /* As ncp_udp_drain, for a socket that is known to be UDP. */
    int (*drain)(int fd, int64_t timeout_ms, int max_packets, int *out);
    /* Ends both directions, so that a borrower's read and write return; the
     * descriptor stays open. */
    void (*shutdown)(int fd);
    /* 0, or the errno of close(2); the descriptor is gone either way. */
    int (*close)(int fd);
    /* 1 non-blocking, 0 blocking, -1 unknown; and back again. */
    int (*nonblocking)(int fd);
    void (*set_nonblocking)(int fd, bool on);
};

extern const struct ncp__transport ncp__net;

#endif
