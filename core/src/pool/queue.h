/*
 * The completion queue of the pull driver: decided tickets and work, and a
 * descriptor that is readable while there are any.
 */
#ifndef NCP_POOL_QUEUE_H
#define NCP_POOL_QUEUE_H

#include "pool/pool.h"

#include <pthread.h>

struct ncp_queue {
    atomic_int refs;
    atomic_uint ready; /* 1 while there are events; threads sleep on it */
    _Atomic uint32_t sleepers;
    struct ncp__alarm alarm; /* rings while there are events */
    int listen_fd, peer_fd;  /* for loops that can only connect; -1 */
    char *path;              /* of listen_fd; NULL */
    pthread_mutex_t lock;
    /* guarded by the lock */
    struct ncp__waiter *tickets_head, *tickets_tail; /* linked by queue_next */
    ncp_pool *pools_head, *pools_tail; /* with work, linked by work_next */
    uint32_t kicks;
    bool signalled; /* the alarm rings */
    /* registry's lock */
    ncp_queue *registry_next, *registry_previous;
};

/* A pool has work; a ticket was decided. */
void ncp__queue_push_pool(ncp_queue *queue, ncp_pool *pool);
void ncp__queue_push_ticket(ncp_queue *queue, struct ncp__waiter *ticket);
/* Whether a decided ticket is in its queue, or being taken out of it. */
bool ncp__queue_holds(const struct ncp__waiter *ticket);
/* Takes it out again if it is still there. */
void ncp__queue_remove_ticket(ncp_queue *queue, struct ncp__waiter *ticket);
/* Between the two nothing this thread pushes into `queue` wakes anybody. */
void ncp__queue_hush(ncp_queue *queue);
void ncp__queue_unhush(ncp_queue *queue);
/* In the child of a fork: empty, with a descriptor of its own. */
void ncp__queue_forked(ncp_queue *queue);

/* Takes the result of a ticket for its host; false when it was taken by somebody
 * else, or waits again. No lock is held. */
bool ncp__pull_take(ncp_pool *pool, ncp_ticket ticket, ncp_event *event);
/* What a decided ticket says (event.c). The queue's lock is held. */
void ncp__pull_ticket_event(const struct ncp__waiter *ticket, ncp_event *event);
/* Takes work of a pool out; `more` says that there is some left. No lock is
 * held. Returns how many. */
int ncp__pull_work_events(ncp_pool *pool, ncp_event *events, int max,
                          bool *more);

#endif
