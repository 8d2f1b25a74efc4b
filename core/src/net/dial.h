/*
 * One dial of a target, and why it failed.
 */
#ifndef NCP_NET_DIAL_H
#define NCP_NET_DIAL_H

#include "net/address.h"
#include "net/socket_options.h"
#include "net/target.h"

enum { NCP__FAILURE_TEXT = 120 }; /* what ncp_dial_fail() keeps */

struct ncp__dialing {
    const struct ncp__target *target;
    const struct ncp__socket_options *options;
    int64_t stagger_ms;
    int ip; /* wanted; NCP_IP_UNKNOWN any */
    uint64_t deadline_ns;
    const ncp_dial *dial; /* asked whether to stop; may be NULL */
};

struct ncp__failure {
    int code;                    /* an errno */
    const char *step;            /* such as "connect to" */
    const char *reason;          /* NULL: the text of the errno */
    struct ncp__address address; /* size 0: of none */
};

/* Each returns a connected descriptor, blocking and close-on-exec, or -1. */
int ncp__dial_tcp(const struct ncp__dialing *dialing,
                  struct ncp__failure *failure);
int ncp__dial_udp(const struct ncp__dialing *dialing,
                  struct ncp__failure *failure);
int ncp__dial_unix(const struct ncp__dialing *dialing,
                   struct ncp__failure *failure);

/* "connect to tcp://host:1 (127.0.0.1:1): Connection refused" in at most
 * NCP__FAILURE_TEXT bytes: a long target is shortened, the rest is not. */
void ncp__failure_text(const struct ncp__failure *failure,
                       const struct ncp__target *target,
                       char text[NCP__FAILURE_TEXT]);

#endif
