/*
 * A server pool over a real listener: gets that give up never swallow a client,
 * every client is served once.
 *
 * usage: stress_server <clients> <seed>
 */
#include "snapshot.h"
#include "world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SERVERS = 8, CLIENTS = 4, MAX = 4 };

struct lobby;

struct party {
    struct lobby *lobby;
    int id;
    pthread_t thread;
    struct rng rng;
    uint64_t clients; /* a client thread: how many it plays */
};

struct lobby {
    ncp_pool *pool;
    struct sockaddr_in address;
    struct party server[SERVERS];
    struct party client[CLIENTS];
    atomic_ulong served;  /* clients that have had their byte */
    atomic_ulong lent;    /* first lends: accepted and greeted */
    atomic_ulong gave_up; /* gets that timed out */
    atomic_bool *greeted; /* by connection id, from 1 */
    uint64_t clients;
};

/* One client: connects, is greeted with its one byte, sees the end. */
static void play_client(struct lobby *lobby)
{
    struct linger abort_it = {1, 0}; /* no port stays in TIME_WAIT */
    char byte = 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    REQUIRE(fd >= 0);
    while (connect(fd, (struct sockaddr *)&lobby->address,
                   sizeof(lobby->address)) != 0)
        REQUIRE(errno == EINTR || errno == EAGAIN);
    REQUIRE_EQ(recv(fd, &byte, 1, 0), 1);
    REQUIRE_EQ(byte, '!');
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort_it, sizeof(abort_it));
    close(fd);
    atomic_fetch_add(&lobby->served, 1);
}

static void *run_client(void *arg)
{
    struct party *party = arg;

    for (uint64_t i = 0; i < party->clients; i++) {
        watchdog_beat(SERVERS + party->id, "client");
        play_client(party->lobby);
    }
    watchdog_rest(SERVERS + party->id);
    return NULL;
}

static void greet(struct party *party, ncp_lease lease)
{
    ncp_pool *pool = party->lobby->pool;
    struct lobby *lobby = party->lobby;
    uint64_t id = 0;
    int fd = ncp_lease_fd(pool, lease);

    REQUIRE(fd >= 0);
    REQUIRE_EQ(ncp_lease_info(pool, lease, NCP_INFO_ID, &id), 0);
    REQUIRE(id >= 1 && id <= lobby->clients);
    if (!atomic_exchange(&lobby->greeted[id], true)) {
        /* The client may not leave before it has had this byte. */
        REQUIRE_EQ(send(fd, "!", 1, MSG_NOSIGNAL), 1);
        atomic_fetch_add(&party->lobby->lent, 1);
    }
    if (rng_one_in(&party->rng, 4))
        REQUIRE_EQ(ncp_pool_put(pool, lease), NCP_OK);
    else
        REQUIRE_EQ(ncp_pool_discard(pool, lease), NCP_OK);
}

static void *run_server(void *arg)
{
    struct party *party = arg;
    struct lobby *lobby = party->lobby;

    for (;;) {
        ncp_lease lease = 0;
        int64_t timeout_ms = rng_one_in(&party->rng, 4)
                                 ? -1
                                 : (int64_t)rng_below(&party->rng, 3);

        watchdog_beat(party->id, "serve");
        int status = ncp_pool_get_timeout(lobby->pool, timeout_ms, &lease);
        if (status == NCP_ECLOSED)
            break;
        if (status == NCP_OK) {
            greet(party, lease);
            continue;
        }
        REQUIRE(status == NCP_ETIMEOUT || status == NCP_EEXHAUSTED);
        atomic_fetch_add(&lobby->gave_up, 1);
    }
    watchdog_rest(party->id);
    return NULL;
}

static ncp_pool *new_pool(int listener)
{
    ncp_config *config = NULL;
    ncp_pool *pool = NULL;
    const struct {
        int option;
        int64_t value;
    } options[] = {
        {NCP_OPTION_LISTENER_FD, listener},
        {NCP_OPTION_MAX_CONNECTIONS, MAX},
        {NCP_OPTION_MAX_IDLE_CONNECTIONS, 2},
        {NCP_OPTION_GET_TIMEOUT, -1},
        {NCP_OPTION_HEALTH_CHECK_INTERVAL, 5},
        {NCP_OPTION_LEAK_TIMEOUT, 0},
        {NCP_OPTION_LOG_LEVEL, 0},
    };

    REQUIRE_EQ(ncp_config_new(NCP_MODE_SERVER, &config), NCP_OK);
    world_store(config);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        REQUIRE_EQ(
            ncp_config_set_int(config, options[i].option, options[i].value),
            NCP_OK);
    REQUIRE_EQ(ncp_pool_new(config, &pool), NCP_OK);
    ncp_config_free(config);
    return pool;
}

static void start(struct lobby *lobby, uint64_t clients, struct rng *rng)
{
    for (int i = 0; i < SERVERS; i++) {
        lobby->server[i] =
            (struct party){.lobby = lobby, .id = i, .rng = {rng_next(rng)}};
        REQUIRE_EQ(pthread_create(&lobby->server[i].thread, NULL, run_server,
                                  &lobby->server[i]),
                   0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        lobby->client[i] = (struct party){.lobby = lobby,
                                          .id = i,
                                          .rng = {rng_next(rng)},
                                          .clients = clients / CLIENTS};
        REQUIRE_EQ(pthread_create(&lobby->client[i].thread, NULL, run_client,
                                  &lobby->client[i]),
                   0);
    }
}

static void check_end(struct lobby *lobby, uint64_t clients)
{
    uint64_t value[NCP_COUNTER_COUNT];

    REQUIRE_EQ(atomic_load(&lobby->served), clients);
    REQUIRE_EQ(atomic_load(&lobby->lent), clients);
    snapshot_take(lobby->pool, value, MAX, 2);
    REQUIRE_EQ(value[NCP_COUNTER_CURRENT], 0);
    REQUIRE_EQ(value[NCP_COUNTER_CLOSED], value[NCP_COUNTER_CREATED]);
    REQUIRE_EQ(value[NCP_COUNTER_CREATED], clients);
}

int main(int argc, char **argv)
{
    static struct lobby lobby;
    struct sampler sampler;
    socklen_t size = sizeof(lobby.address);
    int listener = -1;

    if (argc != 3) {
        fprintf(stderr, "usage: stress_server <clients> <seed>\n");
        return 2;
    }
    uint64_t clients = strtoull(argv[1], NULL, 10) / CLIENTS * CLIENTS;
    struct rng rng = {strtoull(argv[2], NULL, 10)};
    expect_context("stress_server %s %s", argv[1], argv[2]);

    int fds = count_fds();
    REQUIRE_EQ(ncp_listen("tcp://127.0.0.1:0", 128, &listener), NCP_OK);
    REQUIRE_EQ(getsockname(listener, (struct sockaddr *)&lobby.address, &size),
               0);
    lobby.clients = clients;
    lobby.greeted = calloc(clients + 1, sizeof(*lobby.greeted));
    REQUIRE(lobby.greeted != NULL);
    lobby.pool = new_pool(listener);
    expect_about(lobby.pool);
    watchdog_start(0);
    sampler_start(&sampler, lobby.pool, MAX, 2);
    start(&lobby, clients, &rng);
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(lobby.client[i].thread, NULL);
    /* Close ends the gets that wait for a client. */
    REQUIRE_EQ(ncp_pool_close(lobby.pool), NCP_OK);
    for (int i = 0; i < SERVERS; i++)
        pthread_join(lobby.server[i].thread, NULL);
    sampler_stop(&sampler);
    watchdog_stop();
    REQUIRE_SOON(ncp_pool_dialing_count(lobby.pool) == 0);
    check_end(&lobby, clients);
    expect_about(NULL);
    ncp_pool_free(lobby.pool);
    REQUIRE_EQ(close(listener), 0); /* it was never ours to lose */
    REQUIRE_SOON(count_fds() == fds);
    free(lobby.greeted);
    printf("server: %" PRIu64 " clients served, %lu gets gave up\n", clients,
           (unsigned long)lobby.gave_up);
    return 0;
}
