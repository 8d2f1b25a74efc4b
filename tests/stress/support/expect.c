#include "expect.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_S = 120, DUMP_S = 20 };

static const ncp_pool *_Atomic about;
static char context[256];
static atomic_flag failing = ATOMIC_FLAG_INIT;

static struct {
    pthread_t thread;
    bool running;
    int seconds;
    atomic_bool stop;
    struct {
        atomic_bool active;
        atomic_ullong beats;
        const char *_Atomic what;
    } slot[WATCHDOG_SLOTS];
} dog;

void expect_about(const ncp_pool *pool)
{
    atomic_store(&about, pool);
}

void expect_context(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(context, sizeof(context), format, args);
    va_end(args);
}

static void dump(void)
{
    static char text[16384];
    const ncp_pool *pool = atomic_load(&about);

    for (int i = 0; i < WATCHDOG_SLOTS; i++)
        if (atomic_load(&dog.slot[i].active))
            fprintf(stderr, "  thread %d: %s\n", i,
                    atomic_load(&dog.slot[i].what));
    if (!pool)
        return;
    /* The pool may be what hangs: then the alarm ends us, loudly. */
    alarm(DUMP_S);
    ncp_pool_describe(pool, text, sizeof(text));
    fprintf(stderr, "%s\n", text);
    alarm(0);
}

_Noreturn void expect_failed(const char *file, int line, const char *what,
                             int64_t actual, int64_t expected, bool compared)
{
    if (atomic_flag_test_and_set(&failing))
        for (;;)
            pause();
    fprintf(stderr, "FAILED %s:%d: %s\n", file, line, what);
    if (compared)
        fprintf(stderr, "  got %lld, expected %lld\n", (long long)actual,
                (long long)expected);
    if (context[0])
        fprintf(stderr, "  in %s\n", context);
    dump();
    fflush(NULL);
    abort();
}

void expect_pause(int turn, const char *file, int line, const char *what)
{
    enum { YIELDS = 200 };

    if (turn >= YIELDS + PATIENCE_S * 1000)
        expect_failed(file, line, what, 0, 0, false);
    if (turn < YIELDS)
        sched_yield();
    else
        sleep_us(1000);
}

static void *watch(void *arg)
{
    unsigned long long seen[WATCHDOG_SLOTS] = {0};
    int still[WATCHDOG_SLOTS] = {0};

    (void)arg;
    while (!atomic_load(&dog.stop)) {
        sleep_us(100000);
        for (int i = 0; i < WATCHDOG_SLOTS; i++) {
            unsigned long long beats = atomic_load(&dog.slot[i].beats);
            bool alive = !atomic_load(&dog.slot[i].active) || beats != seen[i];
            seen[i] = beats;
            still[i] = alive ? 0 : still[i] + 1;
            if (still[i] > dog.seconds * 10)
                expect_failed(__FILE__, __LINE__, "a thread hangs", i,
                              dog.seconds, true);
        }
    }
    return NULL;
}

void watchdog_start(int seconds)
{
    dog.seconds = seconds > 0 ? seconds : PATIENCE_S;
    atomic_store(&dog.stop, false);
    REQUIRE_EQ(pthread_create(&dog.thread, NULL, watch, NULL), 0);
    dog.running = true;
}

void watchdog_stop(void)
{
    if (!dog.running)
        return;
    atomic_store(&dog.stop, true);
    pthread_join(dog.thread, NULL);
    dog.running = false;
}

void watchdog_beat(int slot, const char *what)
{
    atomic_store_explicit(&dog.slot[slot].what, what, memory_order_relaxed);
    atomic_fetch_add_explicit(&dog.slot[slot].beats, 1, memory_order_relaxed);
    atomic_store_explicit(&dog.slot[slot].active, true, memory_order_relaxed);
}

void watchdog_rest(int slot)
{
    atomic_store(&dog.slot[slot].active, false);
}

uint64_t rng_next(struct rng *rng)
{
    uint64_t z = (rng->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint32_t rng_below(struct rng *rng, uint32_t bound)
{
    return (uint32_t)((rng_next(rng) >> 32) * bound >> 32);
}

bool rng_one_in(struct rng *rng, uint32_t n)
{
    return rng_below(rng, n) == 0;
}

uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

void sleep_us(unsigned us)
{
    struct timespec pause = {us / 1000000, (long)(us % 1000000) * 1000};
    while (nanosleep(&pause, &pause) != 0)
        ;
}

static int count_entries(const char *path)
{
    int count = 0;
    DIR *directory = opendir(path);

    REQUIRE(directory != NULL);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        if (entry->d_name[0] != '.')
            count++;
    closedir(directory);
    return count;
}

int count_fds(void)
{
    return count_entries("/proc/self/fd") - 1; /* the one just opened */
}

int count_threads(void)
{
    return count_entries("/proc/self/task");
}
