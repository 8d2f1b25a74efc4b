/*
 * warm-put STORE pool|tap [cold]: gets and puts on a warm pool, in windows
 * between two marks that strace shows, and prints how often this thread
 * allocated in them. With "cold" every connection is discarded, so that each get
 * has to wait for a dial, and a configuration is made each time: what must be
 * seen then shows that nothing is overlooked.
 */
#include <netconnpool.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { WINDOWS = 30, OPERATIONS = 20000, COLD_OPERATIONS = 20 };

static const double WARM_UP_S = 0.05, BETWEEN_S = 0.002;

/* No descriptors: closing them fails, and strace shows it. */
enum { MARK_BEGIN = -1001, MARK_END = -1002 };

/* ------------------------------------------------------- counts allocations */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

static _Thread_local uint64_t allocations;

void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    allocations++;
    return __libc_realloc(memory, size);
}

/* ----------------------------------------------------------------- the pool */

static void require(int held, const char *what)
{
    if (held)
        return;
    fprintf(stderr, "warm-put: %s\n", what);
    exit(1);
}

static int dial(void *user, ncp_dial *dial)
{
    (void)user;
    return ncp_dial_done(dial, 1, -1, NCP_PROTOCOL_TCP, NCP_IP_V4);
}

static ncp_pool *open_pool(const char *store)
{
    ncp_config *config;
    ncp_pool *pool = NULL;
    require(ncp_config_new(NCP_MODE_CLIENT, &config) == NCP_OK &&
                ncp_config_set_dialer(config, dial, NULL, NULL) == NCP_OK &&
                ncp_config_set(config, "store", store) == NCP_OK &&
                ncp_config_set(config, "prewarm_blocking", "true") == NCP_OK &&
                ncp_pool_new(config, &pool) == NCP_OK,
            "no pool");
    ncp_config_free(config);
    return pool;
}

static void by_pool(ncp_pool *pool, ncp_tap *tap)
{
    ncp_lease lease;
    (void)tap;
    require(ncp_pool_get(pool, &lease) == NCP_OK &&
                ncp_pool_put(pool, lease) == NCP_OK,
            "get or put failed");
}

static void by_tap(ncp_pool *pool, ncp_tap *tap)
{
    ncp_lease lease;
    (void)pool;
    require(ncp_tap_get(tap, &lease) == NCP_OK &&
                ncp_tap_put(tap, lease) == NCP_OK,
            "get or put failed");
}

static void cold(ncp_pool *pool, ncp_tap *tap)
{
    ncp_lease lease;
    ncp_config *config;
    (void)tap;
    require(ncp_config_new(NCP_MODE_CLIENT, &config) == NCP_OK &&
                ncp_pool_get(pool, &lease) == NCP_OK &&
                ncp_pool_discard(pool, lease) == NCP_OK,
            "get or discard failed");
    ncp_config_free(config);
}

static double seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void use_for(double time_s, void (*operation)(ncp_pool *, ncp_tap *),
                    ncp_pool *pool, ncp_tap *tap)
{
    for (double end = seconds() + time_s; seconds() < end;)
        operation(pool, tap);
}

int main(int argc, char **argv)
{
    require(argc >= 3, "usage: warm-put STORE pool|tap [cold]");
    int is_cold = argc > 3 && strcmp(argv[3], "cold") == 0;
    void (*operation)(ncp_pool *, ncp_tap *) =
        strcmp(argv[2], "tap") == 0 ? by_tap : by_pool;
    int operations = is_cold ? COLD_OPERATIONS : OPERATIONS;
    ncp_pool *pool = open_pool(argv[1]);
    ncp_tap *tap;
    require(ncp_tap_new(pool, &tap) == NCP_OK, "no tap");
    use_for(WARM_UP_S, operation, pool, tap);

    uint64_t allocated = 0;
    for (int window = 0; window < WINDOWS; window++) {
        uint64_t before = allocations;
        close(MARK_BEGIN);
        for (int i = 0; i < operations; i++)
            (is_cold ? cold : operation)(pool, tap);
        close(MARK_END);
        allocated += allocations - before;
        use_for(BETWEEN_S, operation, pool, tap);
    }
    printf("%llu\n", (unsigned long long)allocated);
    ncp_tap_free(tap);
    ncp_pool_free(pool);
    return 0;
}
