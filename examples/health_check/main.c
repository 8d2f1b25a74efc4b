/*
 * A health check of your own: ask the peer something and see whether it answers.
 *
 * The built-in check finds connections that were closed or reset. A peer that is
 * still connected but does not answer any more is found only by asking.
 */
#include "echo_server.h"

#include <netconnpool.h>

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 3, ANSWER_MS = 100, PATIENCE_MS = 10000 };

/* Runs on a thread of the library, while nobody has the connection. It must end
 * by itself: the pool drops a connection whose check takes too long, but cannot
 * stop the function. */
static int check(void *user, const ncp_conn *conn, int reason)
{
    (void)user;
    (void)reason;
    int fd = ncp_conn_fd(conn);
    char reply[8];
    if (send(fd, "ping", 4, MSG_NOSIGNAL) != 4)
        return NCP_EUNHEALTHY;
    struct pollfd answer = {.fd = fd, .events = POLLIN};
    if (poll(&answer, 1, ANSWER_MS) != 1)
        return NCP_EUNHEALTHY;
    ssize_t n = recv(fd, reply, sizeof reply, 0);
    return n == 4 && memcmp(reply, "ping", 4) == 0 ? NCP_OK : NCP_EUNHEALTHY;
}

static int on_close(void *user, const ncp_conn *conn, int reason)
{
    (void)user;
    printf("connection %" PRIu64 " closed: %s\n", ncp_conn_id(conn),
           ncp_reason_text(reason));
    return NCP_OK;
}

static int new_pool(const char *target, ncp_pool **out)
{
    ncp_config *config;
    ncp_config_new(NCP_MODE_CLIENT, &config);
    ncp_config_set(config, "target", target);
    ncp_config_set(config, "health_check_interval", "200ms");
    ncp_config_set(config, "health_check_timeout", "200ms");
    ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, CONNECTIONS);
    ncp_config_set_int(config, NCP_OPTION_MAINTAIN_MIN, 1);
    ncp_config_set(config, "cleanup_interval", "200ms"); /* when it refills */
    ncp_config_set_int(config, NCP_OPTION_PREWARM_BLOCKING, 1);
    ncp_config_set_callback(config, NCP_CALLBACK_CHECKER, check, NULL, NULL);
    ncp_config_set_callback(config, NCP_CALLBACK_ON_CLOSE, on_close, NULL,
                            NULL);
    int status = ncp_pool_new(config, out);
    if (status != NCP_OK)
        fprintf(stderr, "pool: %s %s\n", ncp_status_text(status),
                ncp_config_reason(config));
    ncp_config_free(config);
    return status;
}

/* Makes the peer of one connection hang, and gives the connection back. */
static int spoil_one(ncp_pool *pool)
{
    ncp_lease lease;
    uint64_t id;
    int status = ncp_pool_get(pool, &lease);
    if (status != NCP_OK)
        return status;
    ncp_lease_info(pool, lease, NCP_INFO_ID, &id);
    printf("connection %" PRIu64 ": its peer hangs from now on\n", id);
    if (send(ncp_lease_fd(pool, lease), ECHO_MUTE, strlen(ECHO_MUTE),
             MSG_NOSIGNAL) < 0)
        perror("send");
    return ncp_pool_put(pool, lease);
}

static uint64_t counter(const ncp_pool *pool, int which)
{
    uint64_t stats[NCP_COUNTER_COUNT] = {0};
    ncp_pool_stats(pool, stats, NCP_COUNTER_COUNT);
    return stats[which];
}

/* Until the pool has found the spoilt one and is complete again. */
static int is_whole_again(const ncp_pool *pool)
{
    for (int waited = 0; waited < PATIENCE_MS; waited += 10) {
        if (counter(pool, NCP_COUNTER_UNHEALTHY) == 1 &&
            counter(pool, NCP_COUNTER_IDLE) == CONNECTIONS)
            return 1;
        usleep(10 * 1000);
    }
    return 0;
}

int main(void)
{
    ncp_pool *pool;
    struct echo_server *server = echo_server_start();
    if (server == NULL) {
        perror("echo server");
        return 1;
    }
    int status = new_pool(echo_server_tcp(server), &pool);
    if (status == NCP_OK)
        status = spoil_one(pool);
    int whole = status == NCP_OK && is_whole_again(pool);
    printf("checks %" PRIu64 ", failed %" PRIu64 ", connections now %" PRIu64
           "\n",
           counter(pool, NCP_COUNTER_HC_ATTEMPTS),
           counter(pool, NCP_COUNTER_HC_FAILURES),
           counter(pool, NCP_COUNTER_CURRENT));
    ncp_pool_free(pool);
    echo_server_stop(server);
    return !whole;
}
