/*
 * Closing a pool with 1,000 idle connections: opaque ones, which show what the
 * pool itself costs, and TCP sockets, beside closing such sockets by hand.
 */
#include "bench.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define GROUP "close with 1,000 idle"

enum { IDLE = 1000, SPARE = 64, TARGET_SIZE = 64 };

/* A listener whose clients are accepted and kept until they are dropped. */
struct peer {
    int listener;
    char target[TARGET_SIZE];
    struct sockaddr_in address;
    int accepted[IDLE];
};

static bool raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return false;
    if (limit.rlim_cur >= 2 * IDLE + SPARE)
        return true;
    if (limit.rlim_max < 2 * IDLE + SPARE)
        return false;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static void open_peer(struct peer *peer)
{
    socklen_t size = sizeof peer->address;
    bench_require(
        ncp_listen("tcp://127.0.0.1:0", IDLE, &peer->listener) == NCP_OK &&
            getsockname(peer->listener, (struct sockaddr *)&peer->address,
                        &size) == 0,
        "cannot listen");
    /* A pool never blocks in accept; our thread may. */
    fcntl(peer->listener, F_SETFL,
          fcntl(peer->listener, F_GETFL) & ~O_NONBLOCK);
    snprintf(peer->target, sizeof peer->target, "tcp://127.0.0.1:%u",
             (unsigned)ntohs(peer->address.sin_port));
}

static void *accept_all(void *user)
{
    struct peer *peer = user;
    for (int i = 0; i < IDLE; i++) {
        peer->accepted[i] = accept(peer->listener, NULL, NULL);
        bench_require(peer->accepted[i] >= 0, "cannot accept");
    }
    return NULL;
}

static void drop_accepted(struct peer *peer)
{
    /* A reset, so that no port is kept for a minute. */
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    for (int i = 0; i < IDLE; i++) {
        setsockopt(peer->accepted[i], SOL_SOCKET, SO_LINGER, &linger,
                   sizeof linger);
        close(peer->accepted[i]);
    }
}

static ncp_pool *full_pool(ncp_config *config)
{
    ncp_config_set_int(config, NCP_OPTION_MAX_CONNECTIONS, IDLE);
    ncp_config_set_int(config, NCP_OPTION_MAX_IDLE_CONNECTIONS, IDLE);
    ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, IDLE);
    ncp_config_set_int(config, NCP_OPTION_PREWARM_BLOCKING, 1);
    ncp_pool *pool = bench_pool(config);
    bench_require(ncp_pool_idle_count(pool) == IDLE, "not all are idle");
    return pool;
}

static double timed_close(ncp_pool *pool)
{
    uint64_t begin = bench_now_ns();
    int status = ncp_pool_close(pool);
    double us = (double)(bench_now_ns() - begin) / 1e3;
    bench_require(status == NCP_OK, "close failed");
    ncp_pool_free(pool);
    return us;
}

static void close_opaque(struct bench *bench)
{
    bench_add(bench, GROUP, "opaque handles", "us",
              timed_close(full_pool(bench_config())));
}

static void close_sockets(struct bench *bench, struct peer *peer)
{
    pthread_t thread;
    ncp_config *config;
    bench_require(pthread_create(&thread, NULL, accept_all, peer) == 0,
                  "no thread");
    bench_require(ncp_config_new(NCP_MODE_CLIENT, &config) == NCP_OK &&
                      ncp_config_set(config, "target", peer->target) == NCP_OK,
                  "no configuration");
    ncp_pool *pool = full_pool(config);
    pthread_join(thread, NULL);
    bench_add(bench, GROUP, "TCP sockets", "us", timed_close(pool));
    drop_accepted(peer);
}

static void close_by_hand(struct bench *bench, struct peer *peer)
{
    pthread_t thread;
    static int fds[IDLE];
    bench_require(pthread_create(&thread, NULL, accept_all, peer) == 0,
                  "no thread");
    for (int i = 0; i < IDLE; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        bench_require(fds[i] >= 0 &&
                          connect(fds[i], (struct sockaddr *)&peer->address,
                                  sizeof peer->address) == 0,
                      "cannot connect");
    }
    pthread_join(thread, NULL);
    uint64_t begin = bench_now_ns();
    for (int i = 0; i < IDLE; i++)
        close(fds[i]);
    bench_add(bench, GROUP, "TCP sockets, close() in a loop", "us",
              (double)(bench_now_ns() - begin) / 1e3);
    drop_accepted(peer);
}

void bench_close(struct bench *bench)
{
    static struct peer peer;
    bool has_room = raise_descriptor_limit();
    if (has_room)
        open_peer(&peer);
    else
        fprintf(stderr, "too few descriptors to close 1,000 sockets\n");
    for (int round = 0; round < bench->rounds; round++) {
        close_opaque(bench);
        if (has_room) {
            close_sockets(bench, &peer);
            close_by_hand(bench, &peer);
        }
    }
    if (has_room)
        close(peer.listener);
}
