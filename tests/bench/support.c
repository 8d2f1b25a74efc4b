#include "bench.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__) || defined(__i386__)
#define PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define PAUSE() __asm__ volatile("yield" ::: "memory")
#else
#define PAUSE() __asm__ volatile("" ::: "memory")
#endif

uint64_t bench_now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000U + (uint64_t)time.tv_nsec;
}

void bench_fail(const char *what)
{
    fprintf(stderr, "ncp-bench: %s\n", what);
    exit(1);
}

void bench_pause(int count)
{
    for (int i = 0; i < count; i++)
        PAUSE();
}

/* --------------------------------------------------------------------- figures */

static struct figure *find(struct bench *bench, const char *group,
                           const char *name)
{
    for (int i = 0; i < bench->count; i++) {
        struct figure *figure = &bench->figures[i];
        if (strcmp(figure->group, group) == 0 &&
            strcmp(figure->name, name) == 0)
            return figure;
    }
    return NULL;
}

const struct figure *bench_find(const struct bench *bench, const char *group,
                                const char *name)
{
    for (int i = 0; i < bench->count; i++) {
        const struct figure *figure = &bench->figures[i];
        if (strcmp(figure->group, group) == 0 &&
            strcmp(figure->name, name) == 0)
            return figure;
    }
    return NULL;
}

void bench_add(struct bench *bench, const char *group, const char *name,
               const char *unit, double sample)
{
    struct figure *figure = find(bench, group, name);
    if (figure == NULL) {
        bench_require(bench->count < MAX_FIGURES, "too many figures");
        figure = &bench->figures[bench->count++];
        *figure = (struct figure){.group = group, .name = name, .unit = unit};
    }
    bench_require(figure->count < MAX_ROUNDS, "too many rounds");
    figure->samples[figure->count++] = sample;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(const struct figure *figure)
{
    double sorted[MAX_ROUNDS];
    int middle = figure->count / 2;
    memcpy(sorted, figure->samples, sizeof sorted);
    qsort(sorted, (size_t)figure->count, sizeof *sorted, compare);
    if (figure->count % 2 == 1)
        return sorted[middle];
    return (sorted[middle - 1] + sorted[middle]) / 2;
}

double bench_min(const struct figure *figure)
{
    double min = figure->samples[0];
    for (int i = 1; i < figure->count; i++)
        if (figure->samples[i] < min)
            min = figure->samples[i];
    return min;
}

double bench_max(const struct figure *figure)
{
    double max = figure->samples[0];
    for (int i = 1; i < figure->count; i++)
        if (figure->samples[i] > max)
            max = figure->samples[i];
    return max;
}

/* ------------------------------------------------------------------- histogram */

static int index_of(uint64_t value)
{
    if (value < HISTOGRAM_STEPS)
        return (int)value;
    int shift = 63 - __builtin_clzll(value) - 5; /* 32 steps are 5 bits */
    int index = (shift + 1) * HISTOGRAM_STEPS +
                (int)((value >> shift) & (HISTOGRAM_STEPS - 1));
    return index < HISTOGRAM_SIZE ? index : HISTOGRAM_SIZE - 1;
}

/* The largest value with that index. */
static double value_of(int index)
{
    if (index < HISTOGRAM_STEPS)
        return index;
    int shift = index / HISTOGRAM_STEPS - 1;
    uint64_t low = (uint64_t)(HISTOGRAM_STEPS + index % HISTOGRAM_STEPS)
                   << shift;
    return (double)(low + ((UINT64_C(1) << shift) - 1));
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    histogram->counts[index_of(value)]++;
    histogram->total++;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (int i = 0; i < HISTOGRAM_SIZE; i++)
        into->counts[i] += from->counts[i];
    into->total += from->total;
}

double histogram_percentile(const struct histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)histogram->total);
    uint64_t seen = 0;
    for (int i = 0; i < HISTOGRAM_SIZE; i++) {
        seen += histogram->counts[i];
        if (seen > wanted || seen == histogram->total)
            return value_of(i);
    }
    return 0;
}

/* ----------------------------------------------------------------------- pools */

static int dial(void *user, ncp_dial *dial)
{
    (void)user;
    return ncp_dial_done(dial, 1, -1, NCP_PROTOCOL_TCP, NCP_IP_V4);
}

ncp_config *bench_config(void)
{
    ncp_config *config;
    bench_require(ncp_config_new(NCP_MODE_CLIENT, &config) == NCP_OK &&
                      ncp_config_set_dialer(config, dial, NULL, NULL) == NCP_OK,
                  "no configuration");
    return config;
}

ncp_pool *bench_pool(ncp_config *config)
{
    ncp_pool *pool;
    int status = ncp_pool_new(config, &pool);
    if (status != NCP_OK)
        fprintf(stderr, "%s: %s\n", ncp_status_text(status),
                ncp_config_reason(config));
    bench_require(status == NCP_OK, "no pool");
    ncp_config_free(config);
    return pool;
}

/* -------------------------------------------------------------------- textbook */

struct textbook {
    pthread_mutex_t lock; /* guards idle, stack */
    pthread_cond_t returned;
    int idle;
    int stack[];
};

struct textbook *textbook_new(int size)
{
    struct textbook *pool =
        malloc(sizeof *pool + (size_t)size * sizeof *pool->stack);
    bench_require(pool != NULL, "no memory");
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->returned, NULL);
    pool->idle = size;
    for (int i = 0; i < size; i++)
        pool->stack[i] = i;
    return pool;
}

void textbook_free(struct textbook *pool)
{
    pthread_cond_destroy(&pool->returned);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

int textbook_get(struct textbook *pool)
{
    pthread_mutex_lock(&pool->lock);
    while (pool->idle == 0)
        pthread_cond_wait(&pool->returned, &pool->lock);
    int connection = pool->stack[--pool->idle];
    pthread_mutex_unlock(&pool->lock);
    return connection;
}

void textbook_put(struct textbook *pool, int connection)
{
    pthread_mutex_lock(&pool->lock);
    pool->stack[pool->idle++] = connection;
    pthread_mutex_unlock(&pool->lock);
    pthread_cond_signal(&pool->returned);
}
