/*
 * Accepting for a server pool.
 */
#ifndef NCP_NET_ACCEPT_H
#define NCP_NET_ACCEPT_H

#include "pool/config.h"

/* As wait_client and accept of struct ncp__transport. */
int ncp__wait_client(int listener_fd, int wake_fd, int64_t timeout_ms);
int ncp__accept(const struct ncp_config *config, int listener_fd, int *out_fd);

#endif
