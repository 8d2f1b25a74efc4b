/*
 * The same work twice: 32 clients ask and verify, dialing for every request or
 * borrowing from a pool.
 */
#include "demo.h"

#include "echo_server.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CLIENTS = 32,
    SMALL_POOL = 8,
    REQUEST = 64, /* bytes */
    RECEIVE_TIMEOUT_S = 5,
    /* Every dialed TCP connection keeps a port for a minute: a system has
     * about 28,000. */
    MOST_DIALS = 24000,
    FIRST_SAMPLES = 4096
};

/* One way of doing the work. */
struct load {
    ncp_pool *pool; /* NULL: dial each time */
    int type;       /* SOCK_STREAM, SOCK_DGRAM */
    struct sockaddr_in peer;
    double until;
    atomic_int dials_left;
};

/* What one client measured; written by it alone. */
struct client {
    pthread_t thread;
    struct load *load;
    int number;
    size_t count, room;
    double *get, *whole; /* seconds, one a request */
    uint64_t dials, errors;
};

struct result {
    double seconds;
    uint64_t requests, opened, errors;
    bool limited;                /* dialing ended before the time did */
    double reuse;                /* 0 to 1 */
    double get_p50, get_p99;     /* seconds */
    double whole_p50, whole_p99; /* seconds */
};

/* ---------------------------------------------------------------------- client */

static int set_receive_timeout(int fd)
{
    struct timeval limit = {.tv_sec = RECEIVE_TIMEOUT_S};
    return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

static int on_created(void *user, const ncp_conn *conn, int reason)
{
    (void)user;
    (void)reason;
    return set_receive_timeout(ncp_conn_fd(conn)) == 0 ? NCP_OK : NCP_EHOOK;
}

static int dial(const struct load *load)
{
    int on = 1;
    int fd = socket(AF_INET, load->type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, (const struct sockaddr *)&load->peer, sizeof load->peer) <
            0 ||
        set_receive_timeout(fd) < 0 ||
        (load->type == SOCK_STREAM &&
         setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* 64 bytes that no other request has. */
static void fill_request(char request[REQUEST], const struct client *client)
{
    uint64_t seed = (uint64_t)client->number << 40 | client->count;
    for (size_t i = 0; i < REQUEST; i += sizeof seed) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
        memcpy(request + i, &seed, sizeof seed);
    }
}

/* Both return false when there is nothing to measure. */
static bool ask_dialing(struct client *client, const char *request,
                        double begin, double *got)
{
    int fd = dial(client->load);
    *got = demo_now() - begin;
    if (fd < 0)
        return false;
    client->dials++;
    bool good = echo_ask(fd, request, REQUEST) == 0;
    close(fd);
    return good;
}

static bool ask_pooled(struct client *client, const char *request, double begin,
                       double *got)
{
    ncp_lease lease;
    ncp_pool *pool = client->load->pool;
    if (ncp_pool_get(pool, &lease) != NCP_OK)
        return false;
    *got = demo_now() - begin;
    if (echo_ask(ncp_lease_fd(pool, lease), request, REQUEST) == 0)
        return ncp_pool_put(pool, lease) == NCP_OK;
    ncp_pool_discard(pool, lease);
    return false;
}

static bool has_room(struct client *client)
{
    if (client->count < client->room)
        return true;
    size_t room = client->room > 0 ? client->room * 2 : FIRST_SAMPLES;
    double *get = realloc(client->get, room * sizeof *get);
    if (get != NULL)
        client->get = get;
    double *whole = realloc(client->whole, room * sizeof *whole);
    if (whole != NULL)
        client->whole = whole;
    if (get == NULL || whole == NULL)
        return false;
    client->room = room;
    return true;
}

static bool may_go_on(struct load *load)
{
    if (demo_now() >= load->until)
        return false;
    return load->pool != NULL || load->type != SOCK_STREAM ||
           atomic_fetch_sub(&load->dials_left, 1) > 0;
}

static void *run_client(void *user)
{
    struct client *client = user;
    char request[REQUEST];
    while (may_go_on(client->load) && has_room(client)) {
        double got = 0;
        fill_request(request, client);
        double begin = demo_now();
        bool good = client->load->pool != NULL
                        ? ask_pooled(client, request, begin, &got)
                        : ask_dialing(client, request, begin, &got);
        if (!good) {
            client->errors++;
            continue;
        }
        client->get[client->count] = got;
        client->whole[client->count] = demo_now() - begin;
        client->count++;
    }
    return NULL;
}

/* --------------------------------------------------------------------- results */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(const double *sorted, size_t count, double share)
{
    return count == 0 ? 0 : sorted[(size_t)((double)(count - 1) * share)];
}

static void summarize(struct client *clients, struct result *result)
{
    size_t count = 0;
    for (int i = 0; i < CLIENTS; i++) {
        count += clients[i].count;
        result->errors += clients[i].errors;
        result->opened += clients[i].dials;
    }
    result->requests = count;
    double *get = malloc((count + 1) * sizeof *get);
    double *whole = malloc((count + 1) * sizeof *whole);
    if (get == NULL || whole == NULL)
        exit(1);
    count = 0;
    for (int i = 0; i < CLIENTS; i++) {
        size_t size = clients[i].count * sizeof *get;
        if (size > 0) {
            memcpy(get + count, clients[i].get, size);
            memcpy(whole + count, clients[i].whole, size);
        }
        count += clients[i].count;
    }
    qsort(get, count, sizeof *get, compare);
    qsort(whole, count, sizeof *whole, compare);
    result->get_p50 = percentile(get, count, 0.50);
    result->get_p99 = percentile(get, count, 0.99);
    result->whole_p50 = percentile(whole, count, 0.50);
    result->whole_p99 = percentile(whole, count, 0.99);
    free(get);
    free(whole);
}

static struct result run(struct demo *demo, const char *target, ncp_pool *pool)
{
    static struct client clients[CLIENTS];
    struct result result = {0};
    struct load load = {
        .pool = pool,
        .type = strncmp(target, "udp", 3) == 0 ? SOCK_DGRAM : SOCK_STREAM,
        .peer.sin_family = AF_INET,
        .peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .peer.sin_port =
            htons((uint16_t)strtoul(strrchr(target, ':') + 1, NULL, 10)),
        .dials_left = MOST_DIALS,
    };
    memset(clients, 0, sizeof clients);
    double begin = demo_now();
    load.until = begin + demo->seconds;
    for (int i = 0; i < CLIENTS; i++) {
        clients[i].load = &load;
        clients[i].number = i + 1;
        if (pthread_create(&clients[i].thread, NULL, run_client, &clients[i]) !=
            0) {
            perror("thread");
            exit(1);
        }
    }
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(clients[i].thread, NULL);
    result.seconds = demo_now() - begin;
    result.limited = load.dials_left <= 0;
    summarize(clients, &result);
    for (int i = 0; i < CLIENTS; i++) {
        free(clients[i].get);
        free(clients[i].whole);
    }
    return result;
}

static struct result run_pooled(struct demo *demo, const char *target, int size)
{
    ncp_config *config;
    ncp_pool *pool;
    uint64_t stats[NCP_COUNTER_COUNT] = {0};
    ncp_config_new(NCP_MODE_CLIENT, &config);
    ncp_config_set(config, "target", target);
    ncp_config_set_int(config, NCP_OPTION_MAX_CONNECTIONS, size);
    ncp_config_set_int(config, NCP_OPTION_MAX_IDLE_CONNECTIONS, size);
    ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, 0);
    ncp_config_set_callback(config, NCP_CALLBACK_ON_CREATED, on_created, NULL,
                            NULL);
    if (ncp_pool_new(config, &pool) != NCP_OK) {
        fprintf(stderr, "pool: %s\n", ncp_config_reason(config));
        exit(1);
    }
    ncp_config_free(config);
    struct result result = run(demo, target, pool);
    ncp_pool_stats(pool, stats, NCP_COUNTER_COUNT);
    ncp_pool_free(pool);
    result.opened = stats[NCP_COUNTER_CREATED];
    if (stats[NCP_COUNTER_SUCCESSFUL] > 0)
        result.reuse = (double)stats[NCP_COUNTER_REUSED] /
                       (double)stats[NCP_COUNTER_SUCCESSFUL];
    return result;
}

/* ----------------------------------------------------------------------- table */

static void print_counts(const char *name, uint64_t a, uint64_t b, uint64_t c)
{
    printf("   %-28s %13s %14s %23s\n", name, demo_count(a), demo_count(b),
           demo_count(c));
}

/* How many times less `b` is than `a`. */
static const char *gain(double a, double b)
{
    static char texts[4][16];
    static int next;
    double times = b > 0 ? a / b : 0;
    char *text = texts[next++ % 4];
    snprintf(text, sizeof texts[0], times < 100 ? "%.2fx" : "%.0fx", times);
    return text;
}

static void print_times(const char *name, double a, double b, double c)
{
    printf("   %-28s %10.2f us %11.2f us %7s %11.2f us %7s\n", name, a * 1e6,
           b * 1e6, gain(a, b), c * 1e6, gain(a, c));
}

static void print_results(const struct result *a, const struct result *b,
                          const struct result *c)
{
    double rate_a = (double)a->requests / a->seconds;
    double rate_b = (double)b->requests / b->seconds;
    double rate_c = (double)c->requests / c->seconds;
    print_counts("requests, replies verified", a->requests, b->requests,
                 c->requests);
    printf("   %-28s %11s/s %12s/s %7s %12s/s %7s\n", "throughput",
           demo_count((uint64_t)rate_a), demo_count((uint64_t)rate_b),
           gain(rate_b, rate_a), demo_count((uint64_t)rate_c),
           gain(rate_c, rate_a));
    print_times("getting a connection, p50", a->get_p50, b->get_p50,
                c->get_p50);
    print_times("                      p99", a->get_p99, b->get_p99,
                c->get_p99);
    print_times("whole request,        p50", a->whole_p50, b->whole_p50,
                c->whole_p50);
    print_times("                      p99", a->whole_p99, b->whole_p99,
                c->whole_p99);
    print_counts("connections opened", a->opened, b->opened, c->opened);
    printf("   %-28s %12.2f%% %13.2f%% %22.2f%%\n", "reuse rate",
           a->reuse * 100, b->reuse * 100, c->reuse * 100);
    print_counts("errors", a->errors, b->errors, c->errors);
}

static void compare_ways(struct demo *demo, const char *target)
{
    const char *name = strncmp(target, "udp", 3) == 0 ? "UDP" : "TCP";
    printf("   %-28s %13s %14s %7s %14s %7s\n", name, "dialing each",
           "a pool of 32", "gain", "a pool of 8", "gain");
    fflush(stdout);
    struct result direct = run(demo, target, NULL);
    struct result large = run_pooled(demo, target, CLIENTS);
    struct result small = run_pooled(demo, target, SMALL_POOL);
    print_results(&direct, &large, &small);
    if (direct.limited)
        printf("   (Dialing ended after %s connections: each keeps its port "
               "for a minute.)\n",
               demo_count(MOST_DIALS));
    if (strcmp(name, "UDP") == 0)
        printf("   (UDP has no connection to set up: a pool bounds the sockets "
               "and saves a little time.)\n");
    printf("\n");

    char sentence[128];
    snprintf(sentence, sizeof sentence,
             "%s: every request through a pool was answered correctly", name);
    demo_check(demo,
               large.requests > 0 && small.requests > 0 && large.errors == 0 &&
                   small.errors == 0,
               sentence);
    snprintf(sentence, sizeof sentence,
             "%s: no pool opened more connections than it may", name);
    demo_check(demo, large.opened <= CLIENTS && small.opened <= SMALL_POOL,
               sentence);
    printf("\n");
}

void demo_load(struct demo *demo)
{
    printf("1. %d clients, each sends %d bytes and waits for the same %d "
           "bytes, again and again.\n"
           "   With %d connections for %d clients, getting one includes "
           "standing in line.\n\n",
           CLIENTS, REQUEST, REQUEST, SMALL_POOL, CLIENTS);
    compare_ways(demo, demo->tcp);
    compare_ways(demo, demo->udp);
}
