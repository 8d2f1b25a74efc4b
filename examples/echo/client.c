/*
 * One pool a target, both protocols: borrows, asks, gives back.
 *
 *   client [TARGET...]     without targets: an echo server of its own
 */
#include "echo_server.h"

#include <netconnpool.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { REQUESTS = 1000 };

/* One request over a borrowed connection. What is broken is not given back. */
static int ask_once(ncp_pool *pool, int number)
{
    ncp_lease lease;
    int status = ncp_pool_get(pool, &lease);
    if (status != NCP_OK) {
        fprintf(stderr, "get: %s\n", ncp_status_text(status));
        return -1;
    }
    char request[64];
    int size = snprintf(request, sizeof request, "request %d", number);
    if (echo_ask(ncp_lease_fd(pool, lease), request, (size_t)size) == 0)
        return ncp_pool_put(pool, lease);
    fprintf(stderr, "ask: %s\n", strerror(errno));
    ncp_pool_discard(pool, lease);
    return -1;
}

static int run(const char *target)
{
    ncp_config *config;
    ncp_pool *pool;
    ncp_config_new(NCP_MODE_CLIENT, &config);
    ncp_config_set(config, "target", target);
    int status = ncp_pool_new(config, &pool);
    if (status != NCP_OK)
        fprintf(stderr, "%s: %s\n", target, ncp_config_reason(config));
    ncp_config_free(config);

    int done = 0;
    while (status == NCP_OK && done < REQUESTS)
        if ((status = ask_once(pool, done)) == NCP_OK)
            done++;

    uint64_t stats[NCP_COUNTER_COUNT] = {0};
    ncp_pool_stats(pool, stats, NCP_COUNTER_COUNT);
    printf("%-28s %5d requests  %3" PRIu64 " connections opened  "
           "%5" PRIu64 " reused\n",
           target, done, stats[NCP_COUNTER_CREATED], stats[NCP_COUNTER_REUSED]);
    ncp_pool_free(pool);
    return status;
}

int main(int argc, char **argv)
{
    int failed = 0;
    for (int i = 1; i < argc; i++)
        failed |= run(argv[i]);
    if (argc > 1)
        return failed != 0;

    struct echo_server *server = echo_server_start();
    if (server == NULL) {
        perror("echo server");
        return 1;
    }
    failed |= run(echo_server_tcp(server));
    failed |= run(echo_server_udp(server));
    echo_server_stop(server);
    return failed != 0;
}
