/*
 * How large should a pool be? Measured, not guessed.
 *
 * A backend that works on four requests at a time is used by 16 callers through
 * pools of different sizes. Throughput stops growing where the backend is full;
 * a larger pool only moves the waiting from the pool to the backend.
 */
#include <netconnpool.h>

#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { CALLERS = 16, EACH = 25, WORKERS = 4, WORK_US = 2000 };

static sem_t backend; /* WORKERS places */

static int dial(void *user, ncp_dial *dial)
{
    (void)user;
    return ncp_dial_done(dial, 1, -1, NCP_PROTOCOL_UNKNOWN, NCP_IP_UNKNOWN);
}

static void *call(void *user)
{
    ncp_pool *pool = user;
    intptr_t failed = 0;
    for (int i = 0; i < EACH; i++) {
        ncp_lease lease;
        if (ncp_pool_get(pool, &lease) != NCP_OK) {
            failed++;
            continue;
        }
        while (sem_wait(&backend) < 0)
            continue;
        usleep(WORK_US);
        sem_post(&backend);
        failed += ncp_pool_put(pool, lease) != NCP_OK;
    }
    return (void *)failed;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static ncp_pool *new_pool(int64_t size)
{
    ncp_config *config;
    ncp_pool *pool;
    ncp_config_new(NCP_MODE_CLIENT, &config);
    ncp_config_set_dialer(config, dial, NULL, NULL);
    ncp_config_set_int(config, NCP_OPTION_MAX_CONNECTIONS, size);
    ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, 0);
    if (ncp_pool_new(config, &pool) != NCP_OK)
        fprintf(stderr, "pool: %s\n", ncp_config_reason(config));
    ncp_config_free(config);
    return pool;
}

/* The number of failed calls, or -1 when it could not run. */
static intptr_t measure(int64_t size)
{
    pthread_t threads[CALLERS];
    intptr_t failed = 0;
    int started = 0;
    ncp_pool *pool = new_pool(size);
    if (pool == NULL)
        return -1;
    double begin = now();
    while (started < CALLERS &&
           pthread_create(&threads[started], NULL, call, pool) == 0)
        started++;
    for (int i = 0; i < started; i++) {
        void *result;
        pthread_join(threads[i], &result);
        failed += (intptr_t)result;
    }
    double seconds = now() - begin;

    uint64_t stats[NCP_COUNTER_COUNT] = {0};
    ncp_pool_stats(pool, stats, NCP_COUNTER_COUNT);
    printf("%9" PRId64 " %12.0f %17.2f %17.2f %8" PRIu64 "\n", size,
           started * EACH / seconds,
           (double)stats[NCP_COUNTER_P50_GET_TIME] / 1e6,
           (double)stats[NCP_COUNTER_P99_GET_TIME] / 1e6,
           stats[NCP_COUNTER_CREATED]);
    ncp_pool_free(pool);
    return started == CALLERS ? failed : -1;
}

int main(void)
{
    intptr_t failed = 0;
    sem_init(&backend, 0, WORKERS);
    printf("%d callers, a backend with %d places, %d us a request\n\n", CALLERS,
           WORKERS, WORK_US);
    printf("%9s %12s %17s %17s %8s\n", "pool size", "requests/s",
           "p50 wait, ms", "p99 wait, ms", "opened");
    for (int64_t size = 1; size <= CALLERS && failed == 0; size *= 2)
        failed = measure(size);
    sem_destroy(&backend);
    return failed != 0;
}
