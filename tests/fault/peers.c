/*
 * Peers that misbehave, over real sockets and the built-in dialer: what is dead
 * is not lent, what is alive is kept with every byte it sent.
 *
 * usage: fault_peers [case]
 */
#include "child.h"
#include "snapshot.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct setting {
    int option;
    int64_t value;
};

struct street {
    ncp_pool *pool;
    int listener; /* or the UDP socket of the peer */
};

static void street_open(struct street *street, const char *scheme,
                        const struct setting *settings)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    ncp_config *config = NULL;
    char target[64];
    bool udp = scheme[0] == 'u';

    street->listener = socket(AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE_EQ(bind(street->listener, (struct sockaddr *)&address, size), 0);
    if (!udp)
        REQUIRE_EQ(listen(street->listener, 16), 0);
    REQUIRE_EQ(
        getsockname(street->listener, (struct sockaddr *)&address, &size), 0);
    snprintf(target, sizeof(target), "%s://127.0.0.1:%d", scheme,
             ntohs(address.sin_port));

    REQUIRE_EQ(ncp_config_new(NCP_MODE_CLIENT, &config), NCP_OK);
    REQUIRE_EQ(ncp_config_set(config, "target", target), NCP_OK);
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, 0), 0);
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_HEALTH_CHECK, 0), 0);
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_LOG_LEVEL, 0), 0);
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_DIAL_BACKOFF, 0), 0);
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_BREAKER_FAILURES, 0), 0);
    for (; settings && settings->option; settings++)
        REQUIRE_EQ(
            ncp_config_set_int(config, settings->option, settings->value),
            NCP_OK);
    REQUIRE_EQ(ncp_pool_new(config, &street->pool), NCP_OK);
    ncp_config_free(config);
    expect_about(street->pool);
}

static void street_close(struct street *street)
{
    uint64_t value[NCP_COUNTER_COUNT];

    REQUIRE_EQ(ncp_pool_close(street->pool), NCP_OK);
    snapshot_take(street->pool, value, 0, 0);
    REQUIRE_EQ(value[NCP_COUNTER_CURRENT], 0);
    expect_about(NULL);
    ncp_pool_free(street->pool);
    if (street->listener >= 0)
        close(street->listener);
}

static const struct setting checked[] = {{NCP_OPTION_CHECK_ON_BORROW, 1},
                                         {0, 0}};

static ncp_lease borrow(struct street *street, uint64_t *id)
{
    ncp_lease lease = 0;

    REQUIRE_EQ(ncp_pool_get_timeout(street->pool, 60000, &lease), NCP_OK);
    REQUIRE_EQ(ncp_lease_info(street->pool, lease, NCP_INFO_ID, id), NCP_OK);
    return lease;
}

/* A borrow whose connection the peer has accepted, then given back. */
static int meet(struct street *street, uint64_t *id)
{
    ncp_lease lease = borrow(street, id);
    int peer = accept(street->listener, NULL, NULL);

    REQUIRE(peer >= 0);
    REQUIRE_EQ(ncp_pool_put(street->pool, lease), NCP_OK);
    return peer;
}

static void reset(int peer)
{
    struct linger now = {1, 0};

    REQUIRE_EQ(setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    close(peer);
}

static void require_new_connection(struct street *street, uint64_t old)
{
    uint64_t id = 0;
    ncp_lease lease = borrow(street, &id);
    int peer = accept(street->listener, NULL, NULL);

    REQUIRE(id != old);
    REQUIRE_EQ(send(peer, "hi", 2, 0), 2);
    char byte[2];
    REQUIRE_EQ(recv(ncp_lease_fd(street->pool, lease), byte, 2, MSG_WAITALL),
               2);
    REQUIRE_EQ(ncp_pool_put(street->pool, lease), NCP_OK);
    close(peer);
}

static void peer_that_resets(void)
{
    struct street street;
    uint64_t id = 0;

    street_open(&street, "tcp", checked);
    reset(meet(&street, &id));
    require_new_connection(&street, id);
    street_close(&street);
}

static void peer_that_half_closes(void)
{
    struct street street;
    uint64_t id = 0;

    street_open(&street, "tcp", checked);
    int peer = meet(&street, &id);
    REQUIRE_EQ(shutdown(peer, SHUT_WR), 0);
    require_new_connection(&street, id);
    close(peer);
    street_close(&street);
}

/* What arrived unasked is life, and belongs to the next borrower. */
static void peer_that_speaks_unasked(void)
{
    struct street street;
    uint64_t id = 0, again = 0;
    char text[6] = {0};

    street_open(&street, "tcp", checked);
    int peer = meet(&street, &id);
    REQUIRE_EQ(send(peer, "hello", 5, 0), 5);
    ncp_lease lease = borrow(&street, &again);
    REQUIRE_EQ(again, id);
    REQUIRE_EQ(recv(ncp_lease_fd(street.pool, lease), text, 5, MSG_WAITALL), 5);
    REQUIRE(strcmp(text, "hello") == 0);
    REQUIRE_EQ(ncp_pool_put(street.pool, lease), NCP_OK);
    close(peer);
    street_close(&street);
}

/* It goes while the connection is borrowed: the next borrower is spared. */
static void peer_that_leaves_a_borrower(void)
{
    struct street street;
    uint64_t id = 0;
    char byte;

    street_open(&street, "tcp", checked);
    for (int i = 0; i < 20; i++) {
        ncp_lease lease = borrow(&street, &id);
        int peer = accept(street.listener, NULL, NULL);
        if (i % 2)
            reset(peer);
        else
            close(peer);
        REQUIRE(recv(ncp_lease_fd(street.pool, lease), &byte, 1, 0) <= 0);
        REQUIRE_EQ(ncp_pool_put(street.pool, lease), NCP_OK);
    }
    uint64_t value[NCP_COUNTER_COUNT];
    snapshot_take(street.pool, value, 0, 0);
    REQUIRE_EQ(value[NCP_COUNTER_CREATED], 20);
    REQUIRE_EQ(value[NCP_COUNTER_CLOSED], 19);
    street_close(&street);
}

/* The housekeeping finds the dead without anybody borrowing. */
static void peer_that_dies_in_its_sleep(void)
{
    static const struct setting settings[] = {
        {NCP_OPTION_HEALTH_CHECK, 1},
        {NCP_OPTION_HEALTH_CHECK_INTERVAL, 5},
        {0, 0}};
    struct street street;
    uint64_t id = 0;
    uint64_t value[NCP_COUNTER_COUNT];

    street_open(&street, "tcp", settings);
    int peer = meet(&street, &id);
    REQUIRE_SOON((ncp_pool_stats(street.pool, value, NCP_COUNTER_COUNT),
                  value[NCP_COUNTER_HC_ATTEMPTS] >= 3));
    REQUIRE_EQ(value[NCP_COUNTER_HC_FAILURES], 0);
    REQUIRE_EQ(ncp_pool_idle_count(street.pool), 1);
    reset(peer);
    REQUIRE_SOON(ncp_pool_idle_count(street.pool) == 0);
    snapshot_take(street.pool, value, 0, 0);
    REQUIRE_EQ(value[NCP_COUNTER_HC_FAILURES], 1);
    REQUIRE_EQ(value[NCP_COUNTER_UNHEALTHY], 1);
    street_close(&street);
}

static void peer_that_refuses(void)
{
    struct street street;
    ncp_lease lease = 0;
    int64_t code = 0;
    uint64_t count = 0;

    street_open(&street, "tcp", NULL);
    close(street.listener);
    street.listener = -1;
    for (int i = 0; i < 5; i++)
        REQUIRE_EQ(ncp_pool_get_timeout(street.pool, 60000, &lease), NCP_EDIAL);
    REQUIRE_EQ(ncp_pool_dial_error(street.pool, &code, NULL, &count, NULL, 0),
               NCP_OK);
    REQUIRE_EQ(code, ECONNREFUSED);
    REQUIRE_EQ(count, 5);
    street_close(&street);
}

/* A port that nobody has answers a datagram with an error: no reason to die,
 * and no reason to stop the drain. */
static void peer_that_floods_with_datagrams(void)
{
    static const struct setting settings[] = {
        {NCP_OPTION_CLEAR_UDP, 1},
        {NCP_OPTION_MAX_BUFFER_CLEAR_PACKETS, 20},
        {0, 0}};
    struct street street;
    struct sockaddr_in from;
    socklen_t size = sizeof(from);
    uint64_t id = 0, again = 0;
    char byte;

    street_open(&street, "udp", settings);
    ncp_lease lease = borrow(&street, &id);
    REQUIRE_EQ(send(ncp_lease_fd(street.pool, lease), "?", 1, 0), 1);
    REQUIRE_EQ(
        recvfrom(street.listener, &byte, 1, 0, (struct sockaddr *)&from, &size),
        1);
    REQUIRE_EQ(ncp_pool_put(street.pool, lease), NCP_OK);
    /* Few are dropped, and the connection is the same. */
    for (int i = 0; i < 10; i++)
        sendto(street.listener, "x", 1, 0, (struct sockaddr *)&from, size);
    lease = borrow(&street, &again);
    REQUIRE_EQ(again, id);
    REQUIRE_EQ(ncp_udp_has_data(ncp_lease_fd(street.pool, lease)), 0);
    REQUIRE_EQ(ncp_pool_put(street.pool, lease), NCP_OK);
    /* Too many are left to their connection, another one is lent. */
    for (int i = 0; i < 100; i++)
        sendto(street.listener, "x", 1, 0, (struct sockaddr *)&from, size);
    lease = borrow(&street, &again);
    REQUIRE(again != id);
    REQUIRE_EQ(ncp_udp_has_data(ncp_lease_fd(street.pool, lease)), 0);
    REQUIRE_EQ(ncp_pool_put(street.pool, lease), NCP_OK);
    street_close(&street);
}

/* close_now ends what a borrower does with its socket, and keeps the number of
 * its descriptor taken until it is put. */
static void borrower_is_interrupted_by_close_now(void)
{
    struct street street;
    uint64_t id = 0;
    char byte;

    street_open(&street, "tcp", NULL);
    ncp_lease lease = borrow(&street, &id);
    int peer = accept(street.listener, NULL, NULL);
    int fd = ncp_lease_fd(street.pool, lease);
    REQUIRE_EQ(ncp_pool_close_now(street.pool), NCP_OK);
    REQUIRE_EQ(recv(fd, &byte, 1, 0), 0);
    REQUIRE_EQ(recv(peer, &byte, 1, 0), 0);
    int other = socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(other >= 0 && other != fd);
    REQUIRE_EQ(ncp_pool_put(street.pool, lease), NCP_OK);
    close(other);
    close(peer);
    street_close(&street);
}

static const struct child_case cases[] = {
    CHILD_CASE(peer_that_resets),
    CHILD_CASE(peer_that_half_closes),
    CHILD_CASE(peer_that_speaks_unasked),
    CHILD_CASE(peer_that_leaves_a_borrower),
    CHILD_CASE(peer_that_dies_in_its_sleep),
    CHILD_CASE(peer_that_refuses),
    CHILD_CASE(peer_that_floods_with_datagrams),
    CHILD_CASE(borrower_is_interrupted_by_close_now),
};

int main(int argc, char **argv)
{
    return child_cases(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
