/*
 * An echo server for the examples: TCP and UDP on loopback, on ports the system
 * chooses, in one thread of its own.
 */
#ifndef ECHO_SERVER_H
#define ECHO_SERVER_H

#include <stddef.h>

/* A TCP client that sends exactly this gets no answer any more: a peer that is
 * still connected but hangs. */
#define ECHO_MUTE "mute"

struct echo_server;

/* Opens the sockets and starts the thread. NULL with errno on failure. */
struct echo_server *echo_server_start(void);

/* Closes every connection and frees the server; accepts NULL. */
void echo_server_stop(struct echo_server *server);

/* Where it listens, in the form the option target takes. Borrowed. */
const char *echo_server_tcp(const struct echo_server *server);
const char *echo_server_udp(const struct echo_server *server);

/* TCP connections accepted so far. */
unsigned long echo_server_accepted(const struct echo_server *server);

/* Sends `size` bytes over a blocking socket, reads as many back and compares
 * them. 0, or -1 with errno (EPROTO when the answer differs). */
int echo_ask(int fd, const void *request, size_t size);

#endif
