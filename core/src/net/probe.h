/*
 * Whether a connection is alive.
 */
#ifndef NCP_NET_PROBE_H
#define NCP_NET_PROBE_H

#include <stdbool.h>

/* As ncp_fd_alive(), for any fd. */
bool ncp__alive(int fd);
/* Whether a client can neither be read from nor written to any more: it was
 * reset, or it left without a word. One that only stopped sending is no such
 * client. */
bool ncp__client_gone(int fd);

#endif
