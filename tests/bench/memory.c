/*
 * Bytes of heap: what malloc has handed out, for pools of every kind alike; for
 * ours also what one who waits takes, as asked of its allocator.
 */
#include "cases.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    SMALL = 10,
    FEW = 20000,
    MANY = 100000,
    WAITERS = 64,
    TICKETS = 10000,
    HEADER = 16
};

/* -------------------------------------------------------------- two measures */

static atomic_size_t asked; /* of the library's allocator, in use */

static void *count_alloc(void *user, size_t size)
{
    (void)user;
    char *memory = malloc(size + HEADER);
    if (memory == NULL)
        return NULL;
    memcpy(memory, &size, sizeof size);
    atomic_fetch_add(&asked, size);
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
    atomic_fetch_sub(&asked, size);
    free(block);
}

static double asked_since(size_t before)
{
    return (double)atomic_load(&asked) - (double)before;
}

static double heap(void)
{
    struct mallinfo2 info = mallinfo2();
    return (double)(info.uordblks + info.hblkhd);
}

/* --------------------------------------------------------- pools of any kind */

/* What one more pool with that many idle connections takes. It stays: what it
 * gave back would not be counted for the next. */
static double heap_of(const struct subject *subject, int max, int idle)
{
    struct setup setup = {.max = max, .warm = idle};
    double before = heap();
    subject->open(subject, &setup);
    return heap() - before;
}

static double heap_of_a_connection(const struct subject *subject)
{
    double few = heap_of(subject, FEW, FEW);
    return (heap_of(subject, MANY, MANY) - few) / (MANY - FEW);
}

/* ---------------------------------------------------------------------- ours */

static void *wait_for_one(void *user)
{
    ncp_lease lease;
    bench_require(ncp_pool_get_timeout(user, -1, &lease) == NCP_OK &&
                      ncp_pool_put(user, lease) == NCP_OK,
                  "a waiter was not served");
    return NULL;
}

/* Heap only: a blocked thread has its stack besides. */
static double bytes_of_a_waiter(const struct subject *subject)
{
    pthread_t threads[WAITERS];
    struct setup setup = {.max = 1, .warm = 1};
    ncp_lease lease;
    ncp_pool *pool = subject->open(subject, &setup);
    bench_require(ncp_pool_get(pool, &lease) == NCP_OK, "get failed");
    size_t before = atomic_load(&asked);
    for (int i = 0; i < WAITERS; i++)
        bench_require(pthread_create(&threads[i], NULL, wait_for_one, pool) ==
                          0,
                      "no thread");
    while (ncp_pool_waiting_count(pool) < WAITERS)
        bench_sleep(0.001);
    double bytes = asked_since(before) / WAITERS;
    bench_require(ncp_pool_put(pool, lease) == NCP_OK, "put failed");
    for (int i = 0; i < WAITERS; i++)
        pthread_join(threads[i], NULL);
    subject->close(pool);
    return bytes;
}

/* A pull pool whose only connection is being dialed. */
static ncp_pool *dialing_pool(ncp_queue *queue, ncp_event *dial)
{
    ncp_pool *pool;
    ncp_config *config;
    bench_require(ncp_config_new(NCP_MODE_CLIENT, &config) == NCP_OK &&
                      ncp_config_set(config, "driver", "pull") == NCP_OK &&
                      ncp_config_set_queue(config, queue) == NCP_OK,
                  "no configuration");
    ncp_config_set_int(config, NCP_OPTION_MAX_CONNECTIONS, 1);
    ncp_config_set_int(config, NCP_OPTION_MAX_IDLE_CONNECTIONS, 1);
    ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, 0);
    bench_require(ncp_pool_new(config, &pool) == NCP_OK, "no pool");
    ncp_config_free(config);
    bench_require(ncp_pool_acquire(pool, queue, 0, 0, -1, 0, NCP_FLAG_DIALS,
                                   dial) == NCP_OK &&
                      dial->type == NCP_EVENT_DIAL,
                  "no reservation");
    return pool;
}

static double bytes_of_a_ticket(void)
{
    ncp_queue *queue;
    ncp_event dial, event;
    bench_require(ncp_queue_new(&queue) == NCP_OK, "no queue");
    ncp_pool *pool = dialing_pool(queue, &dial);
    size_t before = atomic_load(&asked);
    for (int i = 0; i < TICKETS; i++)
        bench_require(ncp_pool_acquire(pool, queue, 0, 0, -1, 0, NCP_FLAG_DIALS,
                                       &event) == NCP_OK &&
                          event.type == NCP_EVENT_PENDING,
                      "no ticket");
    double bytes = asked_since(before) / TICKETS;
    ncp_pool_fail(pool, dial.lease, NCP_ECANCELED, 0, NULL, &event);
    ncp_pool_free(pool);
    ncp_queue_free(queue);
    return bytes;
}

static double bytes_of_a_configuration(void)
{
    ncp_config *config;
    size_t before = atomic_load(&asked);
    bench_require(ncp_config_new(NCP_MODE_CLIENT, &config) == NCP_OK,
                  "no configuration");
    double bytes = asked_since(before);
    ncp_config_free(config);
    return bytes;
}

/* ---------------------------------------------------------------------- case */

void case_memory(const struct subject *subject, const struct options *options,
                 struct sample *sample)
{
    int connections = options->connections;
    bool ours = subject->tickets != NULL;
    if (ours && connections == 0)
        bench_require(ncp_set_allocator(count_alloc, count_release, NULL) ==
                          NCP_OK,
                      "the allocator was refused");
    heap_of(subject, SMALL, SMALL); /* what the process needs once */
    if (connections > 0) {
        sample_add(sample, "pool_bytes",
                   heap_of(subject, connections, connections));
        return;
    }
    sample_add(sample, "pool_bytes", heap_of(subject, SMALL, 0));
    sample_add(sample, "connection_bytes", heap_of_a_connection(subject));
    if (ours) {
        sample_add(sample, "waiter_bytes", bytes_of_a_waiter(subject));
        sample_add(sample, "ticket_bytes", bytes_of_a_ticket());
        sample_add(sample, "configuration_bytes", bytes_of_a_configuration());
    }
}
