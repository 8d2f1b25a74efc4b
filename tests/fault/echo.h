/*
 * An echo server in a process of its own, so that no fault of this one reaches
 * it: TCP and UDP on the same port of 127.0.0.1, and a unix socket.
 */
#ifndef NCP_TEST_ECHO_H
#define NCP_TEST_ECHO_H

#include <sys/types.h>

struct echo {
    pid_t pid;
    int port;
    char directory[64];
    char path[96]; /* of the unix socket */
};

void echo_start(struct echo *echo);
void echo_stop(struct echo *echo);

#endif
