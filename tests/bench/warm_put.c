/*
 * warm-put STORE pool|tap busy|rested|cold: gets and puts in windows between marks
 * that strace shows. For each window it prints how many puts found the pool resting,
 * and how often this thread allocated.
 *
 * A pool that is used is told the time by the housekeeper; one that rested reads the
 * clock itself, which is how it is found out here: by counting what is read. "busy"
 * goes on until enough windows had no such put; "rested" lets the pool rest before
 * each window, until enough of them began so. With "cold" every connection is
 * discarded, so that each get has to wait for a dial, and a configuration is made each
 * time: what must be seen then shows that nothing is overlooked.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RTLD_NEXT */
#endif
#include <netconnpool.h>

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    WINDOWS = 30,
    RESTED_WINDOWS = 10,
    OPERATIONS = 20000,
    RESTED_OPERATIONS = 1024,
    COLD_OPERATIONS = 20,
    REST_MS = 25
};

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

/* ------------------------------------------------------ counts clock reads */

static _Thread_local uint64_t reads;
static int (*real_clock_gettime)(clockid_t, struct timespec *);

static void find_clock(void)
{
    void *found = dlsym(RTLD_NEXT, "clock_gettime");
    memcpy(&real_clock_gettime, &found, sizeof(found));
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    reads += clock == CLOCK_MONOTONIC_COARSE;
    if (real_clock_gettime == NULL)
        find_clock();
    return real_clock_gettime(clock, time);
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

/* ------------------------------------------------------------ the operations */

static uint64_t resting; /* puts that read the clock */

static void by_pool(ncp_pool *pool, ncp_tap *tap)
{
    ncp_lease lease;
    (void)tap;
    require(ncp_pool_get(pool, &lease) == NCP_OK, "get failed");
    uint64_t before = reads;
    require(ncp_pool_put(pool, lease) == NCP_OK, "put failed");
    resting += reads != before;
}

static void by_tap(ncp_pool *pool, ncp_tap *tap)
{
    ncp_lease lease;
    (void)pool;
    require(ncp_tap_get(tap, &lease) == NCP_OK, "get failed");
    uint64_t before = reads;
    require(ncp_tap_put(tap, lease) == NCP_OK, "put failed");
    resting += reads != before;
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

/* --------------------------------------------------------------- the windows */

struct bench {
    ncp_pool *pool;
    ncp_tap *tap;
    void (*operation)(ncp_pool *, ncp_tap *);
};

/* Returns how many puts found the pool resting. */
static uint64_t window(const struct bench *bench, int operations)
{
    uint64_t allocated = allocations, rested = resting;

    close(MARK_BEGIN);
    for (int i = 0; i < operations; i++)
        bench->operation(bench->pool, bench->tap);
    close(MARK_END);
    allocated = allocations - allocated;
    rested = resting - rested;
    printf("%llu %llu\n", (unsigned long long)rested,
           (unsigned long long)allocated);
    return rested;
}

static void run(const struct bench *bench, const char *how)
{
    const struct timespec rest = {.tv_nsec = REST_MS * 1000000L};
    int enough = 0;

    if (strcmp(how, "cold") == 0)
        while (enough++ < WINDOWS)
            window(bench, COLD_OPERATIONS);
    else if (strcmp(how, "busy") == 0)
        while (enough < WINDOWS)
            enough += window(bench, OPERATIONS) == 0;
    else
        while (enough < RESTED_WINDOWS) {
            nanosleep(&rest, NULL);
            enough += window(bench, RESTED_OPERATIONS) != 0;
        }
}

int main(int argc, char **argv)
{
    static char output[1 << 16]; /* written between windows, not in them */

    require(argc == 4, "usage: warm-put STORE pool|tap busy|rested|cold");
    setvbuf(stdout, output, _IOFBF, sizeof(output));
    struct bench bench = {.pool = open_pool(argv[1])};
    require(ncp_tap_new(bench.pool, &bench.tap) == NCP_OK, "no tap");
    bench.operation = strcmp(argv[3], "cold") == 0  ? cold
                      : strcmp(argv[2], "tap") == 0 ? by_tap
                                                    : by_pool;
    run(&bench, argv[3]);
    ncp_tap_free(bench.tap);
    ncp_pool_free(bench.pool);
    return 0;
}
