/*
 * A borrower that never gives its connection back is found and named, and its
 * place becomes free again.
 */
#include "demo.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { TAG = 4711, STACK = 4096, PATIENCE_MS = 10000 };

/* What on_leak was told; written on the library's thread. */
static struct {
    pthread_mutex_t lock; /* guards the rest */
    int found, evicted;
    uint64_t id, tag, age_ns;
    char stack[STACK];
} report = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void on_log(void *user, int level, uint64_t conn_id, const char *text)
{
    (void)user;
    (void)level;
    (void)conn_id;
    const char *stack = strstr(text, "stack="); /* shown by on_leak as well */
    int length = (int)(stack == NULL ? strlen(text) : (size_t)(stack - text));
    printf("   log: %.*s%s\n", length, text, stack == NULL ? "" : "stack=...");
    fflush(stdout);
}

/* Called twice for one leak: when the lease is too old, and when it is taken
 * away. */
static int on_leak(void *user, const ncp_conn *conn, int reason)
{
    ncp_pool *pool = *(ncp_pool **)user;
    uint64_t lease = 0;
    pthread_mutex_lock(&report.lock);
    if (reason == NCP_REASON_LEAKED) {
        report.evicted++;
    } else {
        report.found++;
        report.id = ncp_conn_id(conn);
        ncp_conn_info(conn, NCP_INFO_TAG, &report.tag);
        ncp_conn_info(conn, NCP_INFO_BORROWED_NS, &report.age_ns);
        ncp_conn_info(conn, NCP_INFO_LEASE, &lease);
        ncp_lease_stack(pool, lease, report.stack, sizeof report.stack);
    }
    pthread_mutex_unlock(&report.lock);
    return NCP_OK;
}

__attribute__((noinline)) ncp_lease forgetful_worker(ncp_pool *pool,
                                                     uint64_t tag)
{
    ncp_lease lease = 0;
    int status = ncp_pool_get_ex(pool, NCP_PROTOCOL_UNKNOWN, NCP_IP_UNKNOWN,
                                 NCP_TIMEOUT_DEFAULT, NULL, tag, &lease);
    if (status != NCP_OK)
        fprintf(stderr, "get: %s\n", ncp_status_text(status));
    return lease; /* and never gives it back */
}

static bool wait_for(const int *count)
{
    for (int waited = 0; waited < PATIENCE_MS; waited += 5) {
        pthread_mutex_lock(&report.lock);
        bool there = *count > 0;
        pthread_mutex_unlock(&report.lock);
        if (there)
            return true;
        demo_sleep_ms(5);
    }
    return false;
}

static ncp_pool *open_pool(struct demo *demo, ncp_pool **self)
{
    ncp_config *config;
    ncp_config_new(NCP_MODE_CLIENT, &config);
    ncp_config_set(config, "name", "leaky");
    ncp_config_set(config, "target", demo->tcp);
    ncp_config_set(config, "max_connections", "1");
    ncp_config_set(config, "min_connections", "0");
    ncp_config_set(config, "leak_timeout", "300ms");
    ncp_config_set(config, "leak_interval", "50ms");
    ncp_config_set(config, "capture_stacks", "true");
    ncp_config_set(config, "log_level", "warn");
    ncp_config_set_log(config, on_log, NULL, NULL);
    ncp_config_set_callback(config, NCP_CALLBACK_ON_LEAK, on_leak, self, NULL);
    if (ncp_pool_new(config, self) != NCP_OK)
        fprintf(stderr, "pool: %s\n", ncp_config_reason(config));
    ncp_config_free(config);
    return *self;
}

void demo_leak(struct demo *demo)
{
    static ncp_pool *pool;
    ncp_lease other = 0;
    printf(
        "3. A worker with the tag %d borrows the only connection and forgets "
        "it; leak_timeout is 300 ms\n\n",
        TAG);
    ncp_lease lost = forgetful_worker(open_pool(demo, &pool), TAG);
    bool found = lost != 0 && wait_for(&report.found);
    printf("   connection %" PRIu64 ", tag %" PRIu64
           ", lent for %.0f ms, by:\n",
           report.id, report.tag, (double)report.age_ns / 1e6);
    demo_quote(report.stack);
    demo_check(demo, found && report.tag == TAG,
               "the leak was found and named");
    demo_check(demo, strstr(report.stack, "forgetful_worker") != NULL,
               "with the function that borrowed");

    bool evicted = found && wait_for(&report.evicted);
    int status = ncp_pool_get(pool, &other);
    demo_check(demo, evicted && status == NCP_OK,
               "after twice that time its place was free for somebody else");
    if (status == NCP_OK)
        ncp_pool_put(pool, other);
    status = ncp_pool_put(pool, lost);
    printf("   the worker gives it back after all: %s, \"%s\"\n",
           ncp_status_name(status), ncp_status_text(status));
    demo_check(demo, status == NCP_ELEAKED && report.found == 1,
               "it is told so, and nothing was counted twice");
    printf("\n");
    ncp_pool_free(pool);
}
