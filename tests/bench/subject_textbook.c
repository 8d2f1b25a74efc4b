/*
 * The simplest pool there is: one mutex, one condition, one array; whoever comes
 * first takes, no statistics, no deadlines, no dials.
 */
#include "subject.h"

#include <gnu/libc-version.h>
#include <pthread.h>
#include <stdlib.h>

struct textbook {
    pthread_mutex_t lock; /* guards idle, stack */
    pthread_cond_t returned;
    int idle;
    uint64_t stack[];
};

static void *open_textbook(const struct subject *subject,
                           const struct setup *setup)
{
    (void)subject;
    struct textbook *pool =
        bench_alloc(sizeof *pool + (size_t)setup->warm * sizeof *pool->stack);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->returned, NULL);
    while (pool->idle < setup->warm)
        pool->stack[pool->idle++] = dials_open();
    return pool;
}

static void close_textbook(void *user)
{
    struct textbook *pool = user;
    while (pool->idle > 0)
        dials_close(pool->stack[--pool->idle]);
    pthread_cond_destroy(&pool->returned);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

static uint64_t get(void *user)
{
    struct textbook *pool = user;
    pthread_mutex_lock(&pool->lock);
    while (pool->idle == 0)
        pthread_cond_wait(&pool->returned, &pool->lock);
    uint64_t connection = pool->stack[--pool->idle];
    pthread_mutex_unlock(&pool->lock);
    return connection;
}

static void put(void *user, uint64_t connection)
{
    struct textbook *pool = user;
    pthread_mutex_lock(&pool->lock);
    pool->stack[pool->idle++] = connection;
    pthread_mutex_unlock(&pool->lock);
    pthread_cond_signal(&pool->returned);
}

static void pairs(void *pool, uint64_t operations)
{
    for (uint64_t i = 0; i < operations; i++)
        put(pool, get(pool));
}

const struct subject subject_textbook = {
    .name = "mutex+condvar",
    .notes = "no order, deadlines, statistics or dials",
    .cases = CASE_UNCONTENDED | CASE_THREADS | CASE_WAITERS | CASE_MEMORY |
             CASE_CLOSE,
    .version = gnu_get_libc_version,
    .open = open_textbook,
    .close = close_textbook,
    .get = get,
    .put = put,
    .pairs = pairs};
