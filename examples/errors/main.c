/*
 * Every error of the library, provoked on purpose, and what the library says.
 *
 * Connections here are made up: a dialer may return anything, the pool only
 * keeps the number it is given.
 */
#include <netconnpool.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000 };

/* What the case has to add to the text of its status. */
static char detail[1024];

/* ---------------------------------------------------------- dialers and hooks */

static int dial(void *user, ncp_dial *dial)
{
    (void)user;
    return ncp_dial_done(dial, 1, -1, NCP_PROTOCOL_TCP, NCP_IP_V4);
}

static int dial_nothing(void *user, ncp_dial *dial)
{
    (void)user;
    (void)dial;
    return NCP_OK; /* but never ncp_dial_done() */
}

static int dial_own_error(void *user, ncp_dial *dial)
{
    (void)user;
    ncp_dial_fail(dial, 42, "no credentials");
    return NCP_EUSER;
}

static int refuse(void *user, const ncp_conn *conn, int reason)
{
    (void)user;
    (void)conn;
    (void)reason;
    return 1;
}

static void *alloc_nothing(void *user, size_t size)
{
    (void)user;
    (void)size;
    return NULL;
}

static void release_nothing(void *user, void *memory)
{
    (void)user;
    (void)memory;
}

/* --------------------------------------------------------------------- helpers */

/* A pool with a dialer and "name", "text" pairs; ends the program on failure. */
static ncp_pool *open_pool(ncp_dial_fn dialer, int callback,
                           ncp_conn_fn function, const char *const *options)
{
    ncp_config *config;
    ncp_pool *pool;
    ncp_config_new(NCP_MODE_CLIENT, &config);
    int status = ncp_config_set(config, "min_connections", "0");
    if (dialer != NULL)
        ncp_config_set_dialer(config, dialer, NULL, NULL);
    if (function != NULL)
        ncp_config_set_callback(config, callback, function, NULL, NULL);
    for (; options != NULL && *options != NULL && status == NCP_OK;
         options += 2)
        status = ncp_config_set(config, options[0], options[1]);
    if (status == NCP_OK)
        status = ncp_pool_new(config, &pool);
    if (status != NCP_OK) {
        fprintf(stderr, "%s: %s\n", ncp_status_text(status),
                ncp_config_reason(config));
        exit(1);
    }
    ncp_config_free(config);
    return pool;
}

#define OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* What a get says, without keeping what it may have got. */
static int get_once(ncp_pool *pool, int protocol, int ip, int64_t timeout_ms)
{
    ncp_lease lease;
    int status =
        ncp_pool_get_ex(pool, protocol, ip, timeout_ms, NULL, 0, &lease);
    if (status == NCP_OK)
        ncp_pool_put(pool, lease);
    return status;
}

static int closed_with(ncp_pool *pool, int status)
{
    ncp_pool_free(pool);
    return status;
}

/* ----------------------------------------------------------------------- cases */

static int out_of_memory(void)
{
    ncp_config *config;
    ncp_set_allocator(alloc_nothing, release_nothing, NULL);
    int status = ncp_config_new(NCP_MODE_CLIENT, &config);
    ncp_config_free(config);
    ncp_set_allocator(NULL, NULL, NULL);
    return status;
}

static int get_from_closed_pool(void)
{
    ncp_pool *pool = open_pool(dial, 0, NULL, NULL);
    ncp_pool_close(pool);
    return closed_with(pool, get_once(pool, 0, 0, 1000));
}

static int wait_too_long(void)
{
    ncp_lease lease;
    ncp_pool *pool = open_pool(dial, 0, NULL, OPTIONS("max_connections", "1"));
    ncp_pool_get(pool, &lease);
    int status = get_once(pool, 0, 0, 50);
    ncp_pool_describe(pool, detail, sizeof detail);
    ncp_pool_put(pool, lease);
    return closed_with(pool, status);
}

static int try_with_nothing_idle(void)
{
    ncp_lease lease;
    ncp_pool *pool = open_pool(dial, 0, NULL, NULL);
    return closed_with(pool, ncp_pool_try_get(pool, &lease));
}

static int put_twice(void)
{
    ncp_lease lease;
    ncp_pool *pool = open_pool(dial, 0, NULL, NULL);
    ncp_pool_get(pool, &lease);
    ncp_pool_put(pool, lease);
    return closed_with(pool, ncp_pool_put(pool, lease));
}

static int dialer_returns_nothing(void)
{
    ncp_pool *pool = open_pool(dial_nothing, 0, NULL, NULL);
    return closed_with(pool, get_once(pool, 0, 0, 1000));
}

static int bad_configuration(void)
{
    ncp_config *config;
    ncp_config_new(NCP_MODE_CLIENT, &config);
    ncp_config_set(config, "target", "tcp://127.0.0.1:80");
    ncp_config_set(config, "get_timeout", "0");
    int status = ncp_config_validate(config);
    snprintf(detail, sizeof detail, "%s", ncp_config_reason(config));
    ncp_config_free(config);
    return status;
}

static int unknown_option(void)
{
    ncp_config *config;
    ncp_config_new(NCP_MODE_CLIENT, &config);
    int status = ncp_config_set(config, "max_conections", "10");
    snprintf(detail, sizeof detail, "%s", ncp_config_reason(config));
    ncp_config_free(config);
    return status;
}

static int put_after_eviction(void)
{
    ncp_lease lease;
    uint64_t stats[NCP_COUNTER_COUNT] = {0};
    ncp_pool *pool =
        open_pool(dial, 0, NULL,
                  OPTIONS("leak_timeout", "20ms", "leak_interval", "10ms"));
    ncp_pool_get(pool, &lease);
    for (int ms = 0; ms < PATIENCE_MS && !stats[NCP_COUNTER_EVICTED]; ms += 5) {
        usleep(5 * 1000);
        ncp_pool_stats(pool, stats, NCP_COUNTER_COUNT);
    }
    return closed_with(pool, ncp_pool_put(pool, lease));
}

static int no_such_ip(void)
{
    ncp_pool *pool = open_pool(dial, 0, NULL, NULL);
    return closed_with(pool, get_once(pool, 0, 7, 1000));
}

static int never_that_ip(void)
{
    ncp_pool *pool = open_pool(dial, 0, NULL, NULL);
    return closed_with(pool, get_once(pool, 0, NCP_IP_V6, 1000));
}

static int no_such_protocol(void)
{
    ncp_pool *pool = open_pool(dial, 0, NULL, NULL);
    return closed_with(pool, get_once(pool, 7, 0, 1000));
}

static int never_that_protocol(void)
{
    ncp_pool *pool = open_pool(dial, 0, NULL, NULL);
    return closed_with(pool, get_once(pool, NCP_PROTOCOL_UDP, 0, 1000));
}

static int nobody_listens(void)
{
    ncp_pool *pool =
        open_pool(NULL, 0, NULL, OPTIONS("target", "tcp://127.0.0.1:1"));
    int status = get_once(pool, 0, 0, 5000);
    int64_t code = 0, age_ms = 0;
    uint64_t in_a_row = 0;
    char text[128] = "";
    ncp_pool_dial_error(pool, &code, &age_ms, &in_a_row, text, sizeof text);
    snprintf(detail, sizeof detail,
             "code %" PRId64 " (%s), %" PRId64 " ms ago, %" PRIu64 " in a row",
             code, text, age_ms, in_a_row);
    return closed_with(pool, status);
}

static int hook_refuses(void)
{
    ncp_pool *pool = open_pool(dial, NCP_CALLBACK_ON_CREATED, refuse, NULL);
    return closed_with(pool, get_once(pool, 0, 0, 1000));
}

static int closer_fails(void)
{
    ncp_lease lease;
    ncp_pool *pool = open_pool(dial, NCP_CALLBACK_CLOSER, refuse, NULL);
    ncp_pool_get(pool, &lease);
    return closed_with(pool, ncp_pool_discard(pool, lease));
}

static int caller_cancels(void)
{
    ncp_cancel *cancel;
    ncp_lease lease;
    ncp_pool *pool = open_pool(dial, 0, NULL, NULL);
    ncp_cancel_new(&cancel);
    ncp_cancel_fire(cancel);
    int status = ncp_pool_get_ex(pool, 0, 0, 1000, cancel, 0, &lease);
    ncp_cancel_free(cancel);
    return closed_with(pool, status);
}

static int cannot_listen(void)
{
    int fd;
    return ncp_listen("tcp://192.0.2.1:1", 1, &fd); /* not an address of ours */
}

static int dialer_has_an_error_of_its_own(void)
{
    ncp_pool *pool = open_pool(dial_own_error, 0, NULL, NULL);
    int status = get_once(pool, 0, 0, 1000);
    ncp_pool_dial_error(pool, NULL, NULL, NULL, detail, sizeof detail);
    return closed_with(pool, status);
}

static int null_argument(void)
{
    ncp_lease lease;
    return ncp_pool_get(NULL, &lease);
}

static void *wait_in_line(void *user)
{
    get_once(user, 0, 0, PATIENCE_MS);
    return NULL;
}

static int line_is_full(void)
{
    ncp_lease lease;
    pthread_t first;
    ncp_pool *pool = open_pool(
        dial, 0, NULL, OPTIONS("max_connections", "1", "max_waiters", "1"));
    ncp_pool_get(pool, &lease);
    if (pthread_create(&first, NULL, wait_in_line, pool) != 0)
        return closed_with(pool, NCP_ESYS);
    while (ncp_pool_waiting_count(pool) == 0)
        usleep(1000);
    int status = get_once(pool, 0, 0, 1000);
    ncp_pool_put(pool, lease);
    pthread_join(first, NULL);
    return closed_with(pool, status);
}

static int breaker_is_open(void)
{
    ncp_pool *pool =
        open_pool(dial_own_error, 0, NULL,
                  OPTIONS("breaker_failures", "1", "breaker_cooldown", "60s"));
    get_once(pool, 0, 0, 1000);
    return closed_with(pool, get_once(pool, 0, 0, 1000));
}

static int pull_call_on_a_push_pool(void)
{
    ncp_pool *pool = open_pool(dial, 0, NULL, NULL);
    return closed_with(pool, ncp_pool_work(pool));
}

/* One connection, lent; a second caller stands in line. */
static int ticket_is_not_decided(void)
{
    ncp_config *config;
    ncp_queue *queue;
    ncp_pool *pool;
    ncp_event event;
    ncp_queue_new(&queue);
    ncp_config_new(NCP_MODE_CLIENT, &config);
    ncp_config_set(config, "driver", "pull");
    ncp_config_set(config, "max_connections", "1");
    ncp_config_set(config, "min_connections", "0");
    ncp_config_set_queue(config, queue);
    int status = ncp_pool_new(config, &pool);
    ncp_config_free(config);
    if (status == NCP_OK)
        status = ncp_pool_acquire(pool, queue, 0, 0, 1000, 0, NCP_FLAG_DIALS,
                                  &event);
    if (status == NCP_OK && event.type == NCP_EVENT_DIAL)
        status = ncp_pool_fulfil(pool, event.lease, 1, -1, NCP_PROTOCOL_TCP,
                                 NCP_IP_V4, &event);
    ncp_lease lease = event.lease;
    if (status == NCP_OK)
        status = ncp_pool_acquire(pool, queue, 0, 0, 1000, 0, NCP_FLAG_DIALS,
                                  &event);
    if (status == NCP_OK) {
        ncp_ticket ticket = event.ticket;
        status = ncp_ticket_take(pool, ticket, &event);
        ncp_ticket_abandon(pool, ticket, NCP_ECANCELED);
        ncp_pool_put(pool, lease);
    }
    ncp_pool_free(pool);
    ncp_queue_free(queue);
    return status;
}

static const struct {
    int expected;
    const char *what;
    int (*run)(void);
} cases[] = {
    {NCP_ENOMEM, "an allocator that gives nothing", out_of_memory},
    {NCP_ECLOSED, "a get from a closed pool", get_from_closed_pool},
    {NCP_ETIMEOUT, "a get with 50 ms while all are lent", wait_too_long},
    {NCP_EEXHAUSTED, "a try with nothing idle", try_with_nothing_idle},
    {NCP_EINVALIDCONN, "a connection put twice", put_twice},
    {NCP_EINVALIDCONN, "a dialer that returns nothing", dialer_returns_nothing},
    {NCP_EINVALIDCONFIG, "a get_timeout of 0", bad_configuration},
    {NCP_ENOTFOUND, "an option that is spelt wrong", unknown_option},
    {NCP_ELEAKED, "a lease put after it was evicted", put_after_eviction},
    {NCP_EUNSUPPORTEDIP, "IP version 7", no_such_ip},
    {NCP_ENOIP, "IPv6 wanted, the dialer makes only IPv4", never_that_ip},
    {NCP_EUNSUPPORTEDPROTO, "protocol 7", no_such_protocol},
    {NCP_ENOPROTO, "UDP wanted, the dialer makes only TCP",
     never_that_protocol},
    {NCP_EDIAL, "a target where nobody listens", nobody_listens},
    {NCP_EUSER, "a dialer with an error of its own",
     dialer_has_an_error_of_its_own},
    {NCP_EHOOK, "on_created refuses the connection", hook_refuses},
    {NCP_ECLOSEHOOK, "a closer that fails", closer_fails},
    {NCP_ECANCELED, "a get that was cancelled", caller_cancels},
    {NCP_ESYS, "listening on an address of somebody else", cannot_listen},
    {NCP_EINVAL, "NULL for a pool", null_argument},
    {NCP_EWAITERS, "a second waiter where max_waiters is 1", line_is_full},
    {NCP_EBREAKER, "a get while the breaker is open", breaker_is_open},
    {NCP_ESTATE, "a pull call on a push pool", pull_call_on_a_push_pool},
    {NCP_EAGAIN, "a ticket asked before its turn", ticket_is_not_decided},
};

enum { CASES = sizeof cases / sizeof *cases };

static void print_indented(const char *text)
{
    while (*text != '\0') {
        int length = (int)strcspn(text, "\n");
        printf("    | %.*s\n", length, text);
        text += length;
        text += *text == '\n';
    }
}

int main(void)
{
    int wrong = 0, status;
    for (int i = 0; i < CASES; i++) {
        detail[0] = '\0';
        status = cases[i].run();
        printf("%-22s %s\n    %s\n", ncp_status_name(status),
               ncp_status_text(status), cases[i].what);
        print_indented(detail);
        if (status != cases[i].expected) {
            printf("    expected %s\n", ncp_status_name(cases[i].expected));
            wrong++;
        }
    }
    printf("Not provoked here:");
    for (int row = 0; ncp_status_at(row, &status) == NCP_OK; row++) {
        int provoked = status == NCP_OK;
        for (int i = 0; i < CASES; i++)
            provoked |= cases[i].expected == status;
        if (!provoked)
            printf(" %s", ncp_status_name(status));
    }
    printf("\n");
    return wrong != 0;
}
