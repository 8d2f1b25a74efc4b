/*
 * What a pool tells about itself: a description for humans, the borrowers, and
 * every counter with its kind and unit, read from the library's own table.
 */
#include "echo_server.h"

#include <netconnpool.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { REQUESTS = 500 };

static void print_description(const ncp_pool *pool)
{
    int length = ncp_pool_describe(pool, NULL, 0);
    char *text = length < 0 ? NULL : malloc((size_t)length + 1);
    if (text == NULL)
        return;
    ncp_pool_describe(pool, text, (size_t)length + 1);
    printf("-- description\n%s\n", text);
    free(text);
}

static void print_borrowers(const ncp_pool *pool)
{
    ncp_lease leases[16];
    size_t out;
    ncp_pool_leases(pool, leases, 16, &out);
    printf("-- borrowers: %zu\n", out);
    for (size_t i = 0; i < out && i < 16; i++) {
        uint64_t id, tag, age_ns;
        if (ncp_lease_info(pool, leases[i], NCP_INFO_ID, &id) != NCP_OK)
            continue; /* given back meanwhile */
        ncp_lease_info(pool, leases[i], NCP_INFO_TAG, &tag);
        ncp_lease_info(pool, leases[i], NCP_INFO_BORROWED_NS, &age_ns);
        printf("   connection %" PRIu64 "  tag %" PRIu64 "  since %.3f ms\n",
               id, tag, (double)age_ns / 1e6);
    }
}

static void print_counters(const ncp_pool *pool)
{
    static const char *const kinds[] = {"", "cumulative", "gauge", "derived"};
    uint64_t values[NCP_COUNTER_COUNT];
    const char *name, *unit, *help;
    int kind;
    ncp_pool_stats(pool, values, NCP_COUNTER_COUNT);
    printf("-- counters\n");
    for (int i = 0; i < NCP_COUNTER_COUNT &&
                    ncp_counter_at(i, &kind, &name, &unit, &help) == NCP_OK;
         i++)
        printf("   %-24s %14" PRIu64 " %-10s %-10s %s\n", name, values[i], unit,
               kinds[kind], help);
}

static int use(ncp_pool *pool)
{
    static const char request[] = "how are you";
    ncp_lease lease;
    for (int i = 0; i < REQUESTS; i++) {
        int status = ncp_pool_get(pool, &lease);
        if (status != NCP_OK)
            return status;
        if (echo_ask(ncp_lease_fd(pool, lease), request, sizeof request) != 0)
            return ncp_pool_discard(pool, lease), NCP_ESYS;
        if ((status = ncp_pool_put(pool, lease)) != NCP_OK)
            return status;
    }
    return NCP_OK;
}

int main(void)
{
    ncp_config *config;
    ncp_pool *pool;
    struct echo_server *server = echo_server_start();
    if (server == NULL) {
        perror("echo server");
        return 1;
    }
    ncp_config_new(NCP_MODE_CLIENT, &config);
    ncp_config_set(config, "name", "monitored");
    ncp_config_set(config, "target", echo_server_tcp(server));
    int status = ncp_pool_new(config, &pool);
    if (status != NCP_OK)
        fprintf(stderr, "pool: %s\n", ncp_config_reason(config));
    ncp_config_free(config);
    if (status == NCP_OK)
        status = use(pool);

    /* two borrowers, told apart by their tags */
    ncp_lease first = 0, second = 0;
    if (status == NCP_OK)
        status = ncp_pool_get_ex(pool, NCP_PROTOCOL_UNKNOWN, NCP_IP_UNKNOWN,
                                 NCP_TIMEOUT_DEFAULT, NULL, 1001, &first);
    if (status == NCP_OK)
        status = ncp_pool_get_ex(pool, NCP_PROTOCOL_TCP, NCP_IP_V4,
                                 NCP_TIMEOUT_DEFAULT, NULL, 1002, &second);
    if (status == NCP_OK) {
        print_description(pool);
        print_borrowers(pool);
        print_counters(pool);
        ncp_pool_put(pool, first);
        ncp_pool_put(pool, second);
    } else {
        fprintf(stderr, "%s\n", ncp_status_text(status));
    }
    ncp_pool_free(pool);
    echo_server_stop(server);
    return status != NCP_OK;
}
