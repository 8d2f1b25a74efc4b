/* All pools and queues of the process: to find one by name, and to bring every
 * lock through a fork. */
#include "pool/pool.h"
#include "pool/queue.h"

#include <pthread.h>
#include <string.h>

static struct {
    pthread_mutex_t lock;
    ncp_pool *pools;
    ncp_queue *queues;
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER};

static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

/* In the order of pool.h, so that it cannot wait for itself. A forked child has
 * one thread: what the others held is as they left it outside of the locks. */
static void before_fork(void)
{
    pthread_mutex_lock(&registry.lock);
    ncp__cancel_before_fork();
    for (ncp_pool *pool = registry.pools; pool != NULL;
         pool = pool->registry_next)
        ncp__engine_lock(&pool->engine);
    for (ncp_queue *queue = registry.queues; queue != NULL;
         queue = queue->registry_next)
        pthread_mutex_lock(&queue->lock);
    ncp__service_before_fork();
}

static void after_fork_parent(void)
{
    ncp__service_after_fork(false);
    for (ncp_queue *queue = registry.queues; queue != NULL;
         queue = queue->registry_next)
        pthread_mutex_unlock(&queue->lock);
    for (ncp_pool *pool = registry.pools; pool != NULL;
         pool = pool->registry_next)
        ncp__engine_unlock(&pool->engine);
    ncp__cancel_after_fork(false);
    pthread_mutex_unlock(&registry.lock);
}

/* close(2) and nothing else: a goodbye would end the parent's connection. In a
 * pull pool the descriptors belong to objects of the host. */
static void drop_inherited(void *context, struct ncp__slot *slot)
{
    struct ncp__cold *cold = ncp__cold(slot);

    const ncp_pool *pool = context;

    if (!pool->pull && cold->fd >= 0)
        (void)ncp__net.close(cold->fd);
    cold->fd = -1;
}

static void after_fork_child(void)
{
    pthread_mutex_init(&registry.lock, NULL);
    ncp__cancel_after_fork(true);
    for (ncp_queue *queue = registry.queues; queue != NULL;
         queue = queue->registry_next)
        ncp__queue_forked(queue);
    for (ncp_pool *pool = registry.pools; pool != NULL;
         pool = pool->registry_next)
        ncp__pool_forked(pool, drop_inherited);
    ncp__service_after_fork(true);
}

static void install_fork_handlers(void)
{
    pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

void ncp__registry_add(ncp_pool *pool)
{
    pthread_once(&fork_once, install_fork_handlers);
    pthread_mutex_lock(&registry.lock);
    pool->registry_previous = NULL;
    pool->registry_next = registry.pools;
    if (registry.pools != NULL)
        registry.pools->registry_previous = pool;
    registry.pools = pool;
    pool->registered = true;
    pthread_mutex_unlock(&registry.lock);
}

void ncp__registry_remove(ncp_pool *pool)
{
    pthread_mutex_lock(&registry.lock);
    if (pool->registered) {
        if (pool->registry_previous != NULL)
            pool->registry_previous->registry_next = pool->registry_next;
        else
            registry.pools = pool->registry_next;
        if (pool->registry_next != NULL)
            pool->registry_next->registry_previous = pool->registry_previous;
        pool->registered = false;
    }
    pthread_mutex_unlock(&registry.lock);
}

/* A handle may be taken while there is one: not from 0. */
static bool take_handle(ncp_pool *pool)
{
    int handles = atomic_load_explicit(&pool->handles, memory_order_relaxed);

    while (handles > 0)
        if (atomic_compare_exchange_weak_explicit(
                &pool->handles, &handles, handles + 1, memory_order_relaxed,
                memory_order_relaxed))
            return true;
    return false;
}

ncp_pool *ncp__registry_find(const char *name)
{
    ncp_pool *pool;

    pthread_mutex_lock(&registry.lock);
    for (pool = registry.pools; pool != NULL; pool = pool->registry_next) {
        const char *its = pool->config.text[NCP_OPTION_NAME];
        if (its != NULL && strcmp(its, name) == 0 && take_handle(pool))
            break;
    }
    pthread_mutex_unlock(&registry.lock);
    return pool;
}

void ncp__registry_add_queue(ncp_queue *queue)
{
    pthread_once(&fork_once, install_fork_handlers);
    pthread_mutex_lock(&registry.lock);
    queue->registry_previous = NULL;
    queue->registry_next = registry.queues;
    if (registry.queues != NULL)
        registry.queues->registry_previous = queue;
    registry.queues = queue;
    pthread_mutex_unlock(&registry.lock);
}

void ncp__registry_remove_queue(ncp_queue *queue)
{
    pthread_mutex_lock(&registry.lock);
    if (queue->registry_previous != NULL)
        queue->registry_previous->registry_next = queue->registry_next;
    else
        registry.queues = queue->registry_next;
    if (queue->registry_next != NULL)
        queue->registry_next->registry_previous = queue->registry_previous;
    pthread_mutex_unlock(&registry.lock);
}
