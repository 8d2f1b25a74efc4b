/*
 * Target strings: what is to be dialed or listened on.
 */
#ifndef NCP_NET_TARGET_H
#define NCP_NET_TARGET_H

#include "engine/base.h"

#include <sys/un.h>

enum {
    NCP__HOST_SIZE = 254, /* a name has at most 253 bytes */
    NCP__PATH_SIZE = sizeof(((struct sockaddr_un *)0)->sun_path),
    NCP__TARGET_TEXT = 288
};

struct ncp__target {
    int protocol; /* NCP_PROTOCOL_UNKNOWN: a unix socket */
    int family;   /* AF_UNSPEC, AF_INET, AF_INET6, AF_UNIX */
    uint16_t port;
    char host[NCP__HOST_SIZE];   /* without brackets */
    char path[NCP__PATH_SIZE];   /* of a unix socket */
    char text[NCP__TARGET_TEXT]; /* as it was written */
};

/* Reads a target. `lowest_port` is 1, or 0 to let the system choose. Returns
 * NCP_OK, or NCP_EINVALIDCONFIG with a sentence in `reason`, which may be NULL
 * when `size` is 0. */
int ncp__target_parse(const char *text, int lowest_port,
                      struct ncp__target *out, char *reason, size_t size);
/* The same for a target to dial, without a result. */
int ncp__target_check(const char *text, char *reason, size_t size);

#endif
