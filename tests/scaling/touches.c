/*
 * What a get and a put touch, for simulate.py: it runs this program under
 * valgrind's lackey, which prints every access to memory.
 *
 *   touches STORE CORES ROUNDS
 *
 * Each core has a tap and a connection of its own, which it has most of the time.
 * In a round every tap puts, and gets again, while the others have theirs. An access to `marks` tells whose turn begins and when a
 * mutex is taken and let go of; where things are is printed first.
 */
#include "pool/pool.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINE = 64, MOST = 64, END = MOST, LOCKED, UNLOCKED, MARKS };

static struct {
    volatile char line[LINE];
} marks[MARKS] __attribute__((aligned(LINE)));

static _Thread_local int of_thread;
static int cores;

static void mark(int which)
{
    marks[which].line[0] = 1;
}

/* ------------------------------------------------------- instead of the library's */

uint32_t __wrap_ncp__processors(void);
int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __real_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);

/* The machine that is simulated, not this one. */
uint32_t __wrap_ncp__processors(void)
{
    return (uint32_t)cores;
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    mark(LOCKED);
    return __real_pthread_mutex_lock(mutex);
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    int rc = __real_pthread_mutex_unlock(mutex);

    mark(UNLOCKED);
    return rc;
}

/* ------------------------------------------------------------------------- pool */

static void must(const char *what, int status)
{
    if (status == NCP_OK)
        return;
    fprintf(stderr, "touches: %s: %s\n", what, ncp_status_text(status));
    exit(1);
}

static int dial(void *user, ncp_dial *dial)
{
    (void)user;
    return ncp_dial_done(dial, 1, -1, NCP_PROTOCOL_TCP, NCP_IP_V4);
}

static ncp_pool *pool_with(const char *store)
{
    ncp_config *config;
    ncp_pool *pool;

    must("config", ncp_config_new(NCP_MODE_CLIENT, &config));
    must("store", ncp_config_set(config, "store", store));
    must("min", ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, 0));
    must("max", ncp_config_set_int(config, NCP_OPTION_MAX_CONNECTIONS, cores));
    must("idle",
         ncp_config_set_int(config, NCP_OPTION_MAX_IDLE_CONNECTIONS, cores));
    must("dialer", ncp_config_set_dialer(config, dial, NULL, NULL));
    must("pool", ncp_pool_new(config, &pool));
    ncp_config_free(config);
    return pool;
}

static void round_of_all(ncp_tap *const *taps, ncp_lease *leases)
{
    for (int core = 0; core < cores; core++) {
        mark(core);
        must("put", ncp_tap_put(taps[core], leases[core]));
        must("get", ncp_tap_get(taps[core], &leases[core]));
    }
}

/* Until every connection is there and found its shard; and a pool that is used
 * much has its time from the housekeeper, which would take its time here. */
static void warm_up(ncp_pool *pool, ncp_tap *const *taps, ncp_lease *leases)
{
    for (int core = 0; core < cores; core++)
        must("get", ncp_tap_get(taps[core], &leases[core]));
    for (int round = 0; round < 10; round++)
        round_of_all(taps, leases);
    atomic_store(&pool->engine.tick_ns, ncp__monotonic_coarse_ns());
}

int main(int argc, char **argv)
{
    ncp_tap *taps[MOST];
    ncp_lease leases[MOST];
    int on_stack = 0;

    cores = argc == 4 ? atoi(argv[2]) : 0;
    if (cores < 1 || cores > MOST) {
        fprintf(stderr, "usage: touches STORE CORES(1 to %d) ROUNDS\n", MOST);
        return 2;
    }
    ncp_pool *pool = pool_with(argv[1]);
    for (int core = 0; core < cores; core++)
        must("tap", ncp_tap_new(pool, &taps[core]));
    warm_up(pool, taps, leases);
    printf("%#lx %#lx %#lx\n", (unsigned long)(uintptr_t)marks,
           (unsigned long)(uintptr_t)&on_stack,
           (unsigned long)(uintptr_t)&of_thread);
    fflush(stdout);
    mark(END);
    for (int round = 0; round < atoi(argv[3]); round++)
        round_of_all(taps, leases);
    mark(END);
    for (int core = 0; core < cores; core++) {
        must("put", ncp_tap_put(taps[core], leases[core]));
        ncp_tap_free(taps[core]);
    }
    ncp_pool_free(pool);
    return 0;
}
