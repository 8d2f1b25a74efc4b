/*
 * Idle TCP connections, to be closed: by a pool, and by hand.
 */
#include "subject.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SPARE = 64, TARGET_SIZE = 64 };

/* A listener whose clients are accepted and kept until they are dropped. */
struct peer {
    int listener, count;
    char target[TARGET_SIZE];
    struct sockaddr_in address;
    int *accepted;
};

struct sockets {
    struct peer peer;
    ncp_pool *pool; /* NULL: by hand */
    int *fds;       /* by hand */
};

static void need_descriptors(int count)
{
    struct rlimit limit;
    rlim_t needed = (rlim_t)count + SPARE;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_max < needed)
        bench_skip("this machine does not allow so many descriptors");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        bench_skip("this machine does not allow so many descriptors");
}

static void open_peer(struct peer *peer, int count)
{
    socklen_t size = sizeof peer->address;
    need_descriptors(2 * count);
    peer->count = count;
    peer->accepted = bench_alloc((size_t)count * sizeof *peer->accepted);
    bench_require(
        ncp_listen("tcp://127.0.0.1:0", count, &peer->listener) == NCP_OK &&
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
    for (int i = 0; i < peer->count; i++) {
        peer->accepted[i] = accept(peer->listener, NULL, NULL);
        bench_require(peer->accepted[i] >= 0, "cannot accept");
    }
    return NULL;
}

static void drop_peer(struct peer *peer)
{
    /* A reset, so that no port is kept for a minute. */
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    for (int i = 0; i < peer->count; i++) {
        setsockopt(peer->accepted[i], SOL_SOCKET, SO_LINGER, &linger,
                   sizeof linger);
        close(peer->accepted[i]);
    }
    close(peer->listener);
    free(peer->accepted);
}

static ncp_pool *full_pool(const char *target, int count)
{
    ncp_config *config;
    ncp_pool *pool;
    bench_require(ncp_config_new(NCP_MODE_CLIENT, &config) == NCP_OK &&
                      ncp_config_set(config, "target", target) == NCP_OK,
                  "no configuration");
    ncp_config_set_int(config, NCP_OPTION_MAX_CONNECTIONS, count);
    ncp_config_set_int(config, NCP_OPTION_MAX_IDLE_CONNECTIONS, count);
    ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, count);
    ncp_config_set_int(config, NCP_OPTION_PREWARM_BLOCKING, 1);
    bench_require(ncp_pool_new(config, &pool) == NCP_OK &&
                      ncp_pool_idle_count(pool) == count,
                  "not all are idle");
    ncp_config_free(config);
    return pool;
}

static int *connect_by_hand(const struct peer *peer)
{
    int *fds = bench_alloc((size_t)peer->count * sizeof *fds);
    for (int i = 0; i < peer->count; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        bench_require(fds[i] >= 0 &&
                          connect(fds[i],
                                  (const struct sockaddr *)&peer->address,
                                  sizeof peer->address) == 0,
                      "cannot connect");
    }
    return fds;
}

static void *open_sockets(const struct subject *subject,
                          const struct setup *setup)
{
    struct sockets *sockets = bench_alloc(sizeof *sockets);
    pthread_t thread;
    open_peer(&sockets->peer, setup->warm);
    bench_require(pthread_create(&thread, NULL, accept_all, &sockets->peer) ==
                      0,
                  "no thread");
    if (subject == &subject_sockets)
        sockets->pool = full_pool(sockets->peer.target, setup->warm);
    else
        sockets->fds = connect_by_hand(&sockets->peer);
    pthread_join(thread, NULL);
    return sockets;
}

static void shut_sockets(void *user)
{
    struct sockets *sockets = user;
    if (sockets->pool != NULL)
        bench_require(ncp_pool_close(sockets->pool) == NCP_OK, "close failed");
    else
        for (int i = 0; i < sockets->peer.count; i++)
            close(sockets->fds[i]);
}

static void close_sockets(void *user)
{
    struct sockets *sockets = user;
    drop_peer(&sockets->peer);
    ncp_pool_free(sockets->pool);
    free(sockets->fds);
    free(sockets);
}

#define SOCKETS                                                                \
    .cases = CASE_CLOSE, .version = ncp_version_text, .open = open_sockets,    \
    .shut = shut_sockets, .close = close_sockets

const struct subject subject_sockets = {
    .name = "netconnpool/sockets", .notes = "TCP sockets", SOCKETS};

const struct subject subject_sockets_by_hand = {
    .name = "close() in a loop", .notes = "TCP sockets", SOCKETS};
