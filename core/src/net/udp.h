/*
 * Stale datagrams.
 */
#ifndef NCP_NET_UDP_H
#define NCP_NET_UDP_H

#include <stdint.h>

/* As ncp_udp_drain(), for any fd; `out` is not NULL. */
int ncp__udp_drain(int fd, int64_t timeout_ms, int max_packets, int *out);

#endif
