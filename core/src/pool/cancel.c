/* Cancellation: a token that any number of gets may carry. */
#include "pool/pool.h"

#include <pthread.h>

struct ncp_cancel {
    atomic_bool fired;
    struct ncp__cancel_entry *entries; /* guarded by `lock` */
    unsigned forks;   /* how many there had been when `entries` was in use */
    ncp_poll_fn poll; /* set before the token is used */
    void *poll_user;
    uint64_t poll_interval_ns;
};

/* One lock for all tokens: it is taken only by gets that carry one and have to
 * wait. Before the engine's lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned forks; /* of this process's line; guarded by `lock` */

int ncp_cancel_new(ncp_cancel **out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = ncp__alloc(sizeof(**out));
    return *out == NULL ? NCP_ENOMEM : NCP_OK;
}

void ncp_cancel_free(ncp_cancel *cancel)
{
    ncp__free(cancel);
}

bool ncp__cancel_fired(const ncp_cancel *cancel)
{
    return cancel != NULL &&
           atomic_load_explicit(&cancel->fired, memory_order_seq_cst);
}

int ncp_cancel_set_poll(ncp_cancel *cancel, ncp_poll_fn poll, void *user,
                        int64_t interval_ms)
{
    if (cancel == NULL || interval_ms < 1 ||
        interval_ms > INT64_MAX / (int64_t)NCP__NS_PER_MS)
        return NCP_EINVAL;
    cancel->poll = poll;
    cancel->poll_user = user;
    cancel->poll_interval_ns = (uint64_t)interval_ms * NCP__NS_PER_MS;
    return NCP_OK;
}

bool ncp__cancel_polled(const ncp_cancel *cancel)
{
    return cancel != NULL && cancel->poll != NULL &&
           cancel->poll(cancel->poll_user) != 0;
}

uint64_t ncp__cancel_look_again(const ncp_cancel *cancel, uint64_t now_ns,
                                uint64_t until_ns)
{
    if (cancel == NULL || cancel->poll == NULL ||
        until_ns - now_ns < cancel->poll_interval_ns)
        return until_ns;
    return now_ns + cancel->poll_interval_ns;
}

/* In a child the gets of the parent's threads are no more. */
static void forget_parents_gets(ncp_cancel *cancel)
{
    if (cancel->forks != forks)
        cancel->entries = NULL;
    cancel->forks = forks;
}

static void add(struct ncp__cancel_entry *entry)
{
    ncp_cancel *cancel = entry->cancel;

    forget_parents_gets(cancel);
    entry->previous = NULL;
    entry->next = cancel->entries;
    if (cancel->entries != NULL)
        cancel->entries->previous = entry;
    cancel->entries = entry;
}

bool ncp__cancel_watch(struct ncp__cancel_entry *entry, ncp_cancel *cancel,
                       struct ncp__waiter *waiter)
{
    *entry = (struct ncp__cancel_entry){.cancel = cancel, .waiter = waiter};
    if (cancel == NULL)
        return true;
    pthread_mutex_lock(&lock);
    bool fired = ncp__cancel_fired(cancel);
    if (!fired)
        add(entry);
    pthread_mutex_unlock(&lock);
    if (fired)
        entry->cancel = NULL;
    return !fired;
}

void ncp__cancel_unwatch(struct ncp__cancel_entry *entry)
{
    if (entry->cancel == NULL)
        return;
    pthread_mutex_lock(&lock);
    if (entry->previous != NULL)
        entry->previous->next = entry->next;
    else
        entry->cancel->entries = entry->next;
    if (entry->next != NULL)
        entry->next->previous = entry->previous;
    pthread_mutex_unlock(&lock);
}

/* Pokes the waiters of all entries: each thread sees the token and gives up. */
int ncp_cancel_fire(ncp_cancel *cancel)
{
    if (cancel == NULL)
        return NCP_EINVAL;
    pthread_mutex_lock(&lock);
    /* Seq_cst: pairs with a waiter that announces its sleep, then looks. */
    atomic_store_explicit(&cancel->fired, true, memory_order_seq_cst);
    forget_parents_gets(cancel);
    for (struct ncp__cancel_entry *entry = cancel->entries; entry != NULL;
         entry = entry->next)
        ncp__waiter_poke(entry->waiter);
    pthread_mutex_unlock(&lock);
    return NCP_OK;
}

void ncp__cancel_before_fork(void)
{
    pthread_mutex_lock(&lock);
}

void ncp__cancel_after_fork(bool child)
{
    if (child) {
        pthread_mutex_init(&lock, NULL);
        forks++;
    } else {
        pthread_mutex_unlock(&lock);
    }
}
