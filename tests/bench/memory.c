/*
 * Bytes the library asks its allocator for. Measured in a child process,
 * because the allocator can be replaced only before anything else.
 */
#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define GROUP "memory"

enum { FEW = 10000, MANY = 20000, WAITERS = 64, HEADER = 16 };

struct sizes {
    double empty, configuration, connection, waiter, ticket;
};

static atomic_size_t in_use;

static void *count_alloc(void *user, size_t size)
{
    (void)user;
    char *memory = malloc(size + HEADER);
    if (memory == NULL)
        return NULL;
    memcpy(memory, &size, sizeof size);
    atomic_fetch_add(&in_use, size);
    return memory + HEADER;
}

static void count_release(void *user, void *memory)
{
    (void)user;
    size_t size;
    if (memory == NULL)
        return;
    char *block = (char *)memory - HEADER;
    memcpy(&size, block, sizeof size);
    atomic_fetch_sub(&in_use, size);
    free(block);
}

static double bytes_since(size_t before)
{
    return (double)atomic_load(&in_use) - (double)before;
}

/* The defaults, nothing open. */
static ncp_pool *empty_pool(int64_t max_connections)
{
    ncp_config *config = bench_config();
    ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, 0);
    ncp_config_set_int(config, NCP_OPTION_MAX_CONNECTIONS, max_connections);
    ncp_config_set_int(config, NCP_OPTION_GET_TIMEOUT, -1);
    return bench_pool(config);
}

/* What a pool takes with that many idle connections. */
static double bytes_with(int64_t connections)
{
    size_t before = atomic_load(&in_use);
    ncp_config *config = bench_config();
    ncp_config_set_int(config, NCP_OPTION_MAX_CONNECTIONS, connections);
    ncp_config_set_int(config, NCP_OPTION_MAX_IDLE_CONNECTIONS, connections);
    ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, connections);
    ncp_config_set_int(config, NCP_OPTION_PREWARM_BLOCKING, 1);
    ncp_pool *pool = bench_pool(config);
    bench_require(ncp_pool_idle_count(pool) == connections, "not all are idle");
    double bytes = bytes_since(before);
    ncp_pool_free(pool);
    return bytes;
}

static void *wait_for_one(void *user)
{
    ncp_lease lease;
    bench_require(ncp_pool_get(user, &lease) == NCP_OK &&
                      ncp_pool_put(user, lease) == NCP_OK,
                  "a waiter was not served");
    return NULL;
}

/* Heap only: a blocked thread has its stack besides. */
static double bytes_of_a_waiter(void)
{
    pthread_t threads[WAITERS];
    ncp_lease lease;
    ncp_pool *pool = empty_pool(1);
    bench_require(ncp_pool_get(pool, &lease) == NCP_OK, "get failed");
    size_t before = atomic_load(&in_use);
    for (int i = 0; i < WAITERS; i++)
        bench_require(pthread_create(&threads[i], NULL, wait_for_one, pool) ==
                          0,
                      "no thread");
    while (ncp_pool_waiting_count(pool) < WAITERS)
        usleep(1000);
    double bytes = bytes_since(before) / WAITERS;
    ncp_pool_put(pool, lease);
    for (int i = 0; i < WAITERS; i++)
        pthread_join(threads[i], NULL);
    ncp_pool_free(pool);
    return bytes;
}

static double bytes_of_a_ticket(void)
{
    ncp_queue *queue;
    ncp_event event;
    ncp_config *config = NULL;
    bench_require(ncp_queue_new(&queue) == NCP_OK &&
                      ncp_config_new(NCP_MODE_CLIENT, &config) == NCP_OK,
                  "no queue");
    ncp_config_set(config, "driver", "pull");
    ncp_config_set_queue(config, queue);
    ncp_config_set_int(config, NCP_OPTION_MAX_CONNECTIONS, 1);
    ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, 0);
    ncp_pool *pool = bench_pool(config);
    bench_require(ncp_pool_acquire(pool, queue, 0, 0, -1, 0, NCP_FLAG_DIALS,
                                   &event) == NCP_OK &&
                      event.type == NCP_EVENT_DIAL,
                  "no reservation");
    size_t before = atomic_load(&in_use);
    for (int i = 0; i < FEW; i++) {
        ncp_event pending;
        bench_require(ncp_pool_acquire(pool, queue, 0, 0, -1, 0, NCP_FLAG_DIALS,
                                       &pending) == NCP_OK &&
                          pending.type == NCP_EVENT_PENDING,
                      "no ticket");
    }
    double bytes = bytes_since(before) / FEW;
    ncp_pool_fail(pool, event.lease, NCP_ECANCELED, 0, NULL, &event);
    ncp_pool_free(pool);
    ncp_queue_free(queue);
    return bytes;
}

static void measure(struct sizes *sizes)
{
    bench_require(ncp_set_allocator(count_alloc, count_release, NULL) == NCP_OK,
                  "the allocator was refused");
    /* What the process needs once is not the second pool's. */
    ncp_pool *first = empty_pool(10);
    size_t before = atomic_load(&in_use);
    ncp_pool *second = empty_pool(10);
    sizes->empty = bytes_since(before);
    ncp_pool_free(second);

    before = atomic_load(&in_use);
    ncp_config *config = bench_config();
    sizes->configuration = bytes_since(before);
    ncp_config_free(config);

    sizes->connection = (bytes_with(MANY) - bytes_with(FEW)) / (MANY - FEW);
    sizes->waiter = bytes_of_a_waiter();
    sizes->ticket = bytes_of_a_ticket();
    ncp_pool_free(first);
}

void bench_memory(struct bench *bench)
{
    int ends[2];
    int status = 1;
    struct sizes sizes = {0};
    bench_require(pipe(ends) == 0, "no pipe");
    pid_t child = fork();
    bench_require(child >= 0, "no child process");
    if (child == 0) {
        close(ends[0]);
        measure(&sizes);
        _exit(write(ends[1], &sizes, sizeof sizes) != sizeof sizes);
    }
    close(ends[1]);
    bool complete = read(ends[0], &sizes, sizeof sizes) == sizeof sizes;
    close(ends[0]);
    bench_require(waitpid(child, &status, 0) == child && status == 0 &&
                      complete,
                  "memory could not be measured");
    bench_add(bench, GROUP, "an empty pool, max_connections 10", "bytes",
              sizes.empty);
    bench_add(bench, GROUP, "a configuration", "bytes", sizes.configuration);
    bench_add(bench, GROUP, "an idle connection", "bytes", sizes.connection);
    bench_add(bench, GROUP, "a blocked caller, besides its thread", "bytes",
              sizes.waiter);
    bench_add(bench, GROUP, "a ticket in line", "bytes", sizes.ticket);
}
