/*
 * The job in C: threads share a pool.
 *
 *   job TARGET WORKERS CONNECTIONS SECONDS DIALS
 *
 * Each worker sends 64 bytes and reads them back, again and again: first over a
 * pool, for SECONDS, then over a connection dialed for each request, DIALS of
 * them. Prints one line of JSON, which table.py turns into a row.
 */
#include "echo_server.h"

#include <netconnpool.h>

#include <arpa/inet.h>
#include <inttypes.h>
#include <math.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 64, MOST_WORKERS = 256 };

struct job {
    ncp_pool *pool; /* NULL: dial each time */
    struct sockaddr_in peer;
    double until;
    uint64_t most; /* requests of a worker */
};

struct worker {
    pthread_t thread;
    const struct job *job;
    unsigned number;
    uint64_t requests, failed;
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int ask_pooled(ncp_pool *pool, const char *text)
{
    ncp_lease lease;
    int status = ncp_pool_get(pool, &lease);
    if (status != NCP_OK)
        return status;
    if (echo_ask(ncp_lease_fd(pool, lease), text, SIZE) == 0)
        return ncp_pool_put(pool, lease);
    ncp_pool_discard(pool, lease); /* broken: not for the next one */
    return NCP_ESYS;
}

static int ask_dialing(const struct sockaddr_in *peer, const char *text)
{
    int on = 1, status = -1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, (const struct sockaddr *)peer, sizeof *peer) == 0 &&
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0)
        status = echo_ask(fd, text, SIZE);
    close(fd);
    return status;
}

static void *work(void *user)
{
    struct worker *worker = user;
    const struct job *job = worker->job;
    char text[SIZE + 1];
    while (worker->requests + worker->failed < job->most &&
           now() < job->until) {
        snprintf(text, sizeof text, "%-64u", worker->number);
        snprintf(text + SIZE / 2, SIZE / 2 + 1, "%32" PRIu64, worker->requests);
        int status = job->pool != NULL ? ask_pooled(job->pool, text)
                                       : ask_dialing(&job->peer, text);
        worker->requests += status == 0;
        worker->failed += status != 0;
    }
    return NULL;
}

/* Prints `"NAME": {...` with what the workers did. */
static void run(const char *name, struct job *job, int count)
{
    static struct worker workers[MOST_WORKERS];
    uint64_t requests = 0, failed = 0;
    double begin = now();
    for (int i = 0; i < count; i++) {
        workers[i] = (struct worker){.job = job, .number = (unsigned)i};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
            perror("thread");
            exit(1);
        }
    }
    for (int i = 0; i < count; i++) {
        pthread_join(workers[i].thread, NULL);
        requests += workers[i].requests;
        failed += workers[i].failed;
    }
    printf("\"%s\": {\"seconds\": %.6f, \"requests\": %" PRIu64
           ", \"failed\": %" PRIu64,
           name, now() - begin, requests, failed);
}

static ncp_pool *open_pool(const char *target, int connections)
{
    ncp_config *config;
    ncp_pool *pool;
    ncp_config_new(NCP_MODE_CLIENT, &config);
    ncp_config_set(config, "target", target);
    ncp_config_set_int(config, NCP_OPTION_MAX_CONNECTIONS, connections);
    ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, 0);
    ncp_config_set_int(config, NCP_OPTION_LATENCY_SAMPLES, 10000);
    if (ncp_pool_new(config, &pool) != NCP_OK) {
        fprintf(stderr, "pool: %s\n", ncp_config_reason(config));
        exit(1);
    }
    ncp_config_free(config);
    return pool;
}

static void print_counters(const ncp_pool *pool)
{
    uint64_t values[NCP_COUNTER_COUNT] = {0};
    const char *name;
    ncp_pool_stats(pool, values, NCP_COUNTER_COUNT);
    printf(", \"counters\": {");
    for (int i = 0; i < NCP_COUNTER_COUNT; i++)
        if (ncp_counter_at(i, NULL, &name, NULL, NULL) == NCP_OK)
            printf("%s\"%s\": %" PRIu64, i > 0 ? ", " : "", name, values[i]);
    printf("}, \"p50_us\": %.3f, \"p99_us\": %.3f}",
           (double)values[NCP_COUNTER_P50_GET_TIME] / 1e3,
           (double)values[NCP_COUNTER_P99_GET_TIME] / 1e3);
}

int main(int argc, char **argv)
{
    int count = argc == 6 ? atoi(argv[2]) : 0;
    if (count < 1 || count > MOST_WORKERS) {
        fprintf(stderr,
                "usage: %s TARGET WORKERS CONNECTIONS SECONDS "
                "DIALS\n",
                argv[0]);
        return 2;
    }
    struct job job = {
        .pool = open_pool(argv[1], atoi(argv[3])),
        .peer.sin_family = AF_INET,
        .peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .peer.sin_port =
            htons((uint16_t)strtoul(strrchr(argv[1], ':') + 1, NULL, 10)),
    };
    printf("{\"language\": \"C\", \"workers\": \"threads\", ");
    job.until = now() + strtod(argv[4], NULL);
    job.most = UINT64_MAX;
    run("pool", &job, count);
    ncp_pool_drain(job.pool, -1);
    print_counters(job.pool);
    ncp_pool_free(job.pool);
    job.pool = NULL;
    job.until = INFINITY;
    job.most = strtoull(argv[5], NULL, 10) / (unsigned)count;
    printf(", ");
    run("dialing", &job, count);
    printf("}}\n");
    return 0;
}
