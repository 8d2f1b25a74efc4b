/*
 * ncp-bench-net: real sockets, as a contestant of the bench.
 *
 *   --list                      one JSON line for each case and subject
 *   --case CASE --subject SUBJECT [--seconds S] [--threads N] [--connections N]
 *     [--transport tcp|udp] [--size BYTES] [--mode as-original|verified]
 *                               one sample, as one JSON line
 *   --echo                      only the echo server, until its standard input
 *                               ends; says "TCP-PORT... UDP-PORT"
 *
 * The echo server is always a process of its own: its time is the same for
 * whoever is measured.
 */
#ifndef BENCH_NET_H
#define BENCH_NET_H

#include "../bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

/* ------------------------------------------------------------------- the task */

/* Where the sockets come from. */
enum way {
    WAY_POOL,   /* one pool for all threads */
    WAY_DIAL,   /* a new one for every request */
    WAY_PRIVATE /* each thread keeps its own: nothing can be faster */
};

/* One sample that is wanted. */
struct task {
    enum way way;
    const char *store; /* of a pool */
    int protocol;      /* of the case sockets */
    size_t bytes;      /* of a request of the case sockets */
    double seconds;
    int threads;     /* of the case sockets */
    int connections; /* at most, of a pool; 0 leaves it to the case */
};

/* Each says what it found in `sample`; what is returned is the exit code. */
int run_sockets(const struct task *task, struct sample *sample);
int run_fuzz(const struct task *task, struct sample *sample);
int run_verified(const struct task *task, struct sample *sample);

/* A pool that dials the echo server; `bounds` are of connections. */
struct bounds {
    int max, min, idle;
};
struct echo;
ncp_pool *net_pool(struct echo *echo, const char *store,
                   const struct bounds *bounds);
/* Whether this library has that store. */
bool net_has_store(const char *store);

/* -------------------------------------------------------------- the echo server */

/* Several ports, so that dialing each time does not run out of local ones. */
enum { ECHO_TCP_PORTS = 8 };

struct echo {
    uint16_t tcp_ports[ECHO_TCP_PORTS];
    uint16_t udp_port;
    pid_t process;
};

/* Start it before any thread. It ends with the process that started it. */
void echo_start(struct echo *echo);
void echo_stop(const struct echo *echo);
/* The server alone, in this process; the exit code of the program. */
int echo_main(void);

/* -------------------------------------------------------------------- sockets */

enum { ANSWER_WITHIN_S = 5, REQUEST_MAX = 64 * 1024 + 64, STAMP_SIZE = 8 };

/* A blocking socket that gives up after ANSWER_WITHIN_S; -1, and errno. */
int socket_dial(const struct echo *echo, int protocol);

enum outcome {
    ANSWERED,
    WRONG_BYTES, /* its own reply, with other bytes */
    STALE,       /* the reply to another request */
    TIMED_OUT,
    BROKEN, /* the peer or the system ended it */
    OUTCOMES
};

/* The first STAMP_SIZE bytes of a request tell it from every other one. */
void request_stamp(char *request, int thread, uint64_t number);
/* Sends a request of `size` bytes, awaits the reply and compares it. */
enum outcome socket_exchange(int fd, int protocol, const char *request,
                             size_t size);

/* ------------------------------------------------------------------- threads */

/* What a thread of a case has; `user` is the case's own. */
struct worker {
    int number;
    void *user;
    pthread_t thread;
};

/* Runs `body` in `count` threads at once and waits for them. */
void workers_run(struct worker *workers, int count, void *(*body)(void *));

static inline uint64_t seconds_to_ns(double seconds)
{
    return (uint64_t)(seconds * 1e9);
}

#endif
