/*
 * What the tests of core/src/net share: sockets on loopback, a dial that can be
 * looked into, time and descriptors counted.
 */
#ifndef NCP_TEST_NET_SUPPORT_H
#define NCP_TEST_NET_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/address.h"
#include "net/wait.h"
#include "pool/transport.h"

#include <stdatomic.h>

/* A dial as the built-in dialer sees it; the tests define its inside. */
struct ncp_dial {
    int protocol;
    int ip;
    int64_t timeout_ms;
    atomic_int stopped;
    int done; /* how often ncp_dial_done was called, and with what */
    uint64_t handle;
    int fd;
    int done_protocol;
    int done_ip;
    int64_t code;
    char text[160];
};

/* Ends the program as skipped unless ::1 works. */
void require_ipv6(void);

uint64_t now_ms(void);
void pause_ms(int ms);
int open_descriptors(void);
int socket_option(int fd, int level, int name);
bool is_blocking(int fd);
bool is_close_on_exec(int fd);

/* The address of a numeric host, which must be one. */
struct ncp__address address_of(const char *host, int port);
int port_of(int fd);

/* A blocking socket of `type` bound to a port the system chooses. */
int bound(const char *host, int type);
/* A blocking TCP listener. */
int listening(const char *host);
/* A TCP listener whose queue is full: a connect to it hangs. */
struct full_listener {
    int fd;
    int fillers[4];
};
struct full_listener full_listening(const char *host);
void full_listener_close(struct full_listener *full);
/* A port on which nobody listens. */
int refused_port(const char *host);

/* A connected client of a listener; not accepted yet. */
int client_of(int listener);
/* Ends a TCP connection with a reset. */
void reset_and_close(int fd);
/* Both ends of a TCP connection. */
void tcp_pair(const char *host, int *client, int *server);
/* Two UDP sockets connected to each other. */
void udp_pair(const char *host, int *a, int *b);
/* Waits until poll(2) sees one of `events`; fails after a second. */
void await_events(int fd, short events);

/* A fresh path for a unix socket; the file does not exist. */
const char *fresh_path(void);

#endif
