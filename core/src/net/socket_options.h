/*
 * Socket options of a configuration.
 */
#ifndef NCP_NET_SOCKET_OPTIONS_H
#define NCP_NET_SOCKET_OPTIONS_H

#include "pool/config.h"

struct ncp__socket_options {
    bool nodelay;
    int keepalive_s;   /* 0 off */
    int send_bytes;    /* 0 the system's */
    int receive_bytes; /* 0 the system's */
};

void ncp__socket_options_read(const struct ncp_config *config,
                              struct ncp__socket_options *out);
/* Sets what fits the protocol. Best effort: a system that refuses a size or an
 * interval still gives a usable connection. Call it before connect, so that the
 * buffers count for the window of TCP. */
void ncp__socket_options_apply(int fd, int protocol,
                               const struct ncp__socket_options *options);

#endif
