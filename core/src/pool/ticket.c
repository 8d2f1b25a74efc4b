/* Tickets: waiters with a number, made when needed, freed with the pool.
 *
 * A waiter is the host's under its number until the ticket is taken or
 * abandoned; and nameless while a caller dials or checks for it. */
#include "pool/pull.h"

#include <sched.h>
#include <string.h>

enum { TICKETS_A_CHUNK = 32, TICKET_INDEX_BITS = 20 };

#define TICKET_LIMIT (UINT32_C(1) << TICKET_INDEX_BITS)

/* Guarded by the engine's lock. */
struct ncp__tickets {
    struct ncp__waiter **chunk;
    uint32_t chunks, room;
    uint32_t free; /* linked by waiter.link */
};

int ncp__tickets_init(ncp_pool *pool)
{
    pool->tickets = ncp__alloc(sizeof(*pool->tickets));
    if (pool->tickets == NULL)
        return NCP_ENOMEM;
    pool->tickets->free = UINT32_MAX;
    return NCP_OK;
}

void ncp__tickets_destroy(ncp_pool *pool)
{
    struct ncp__tickets *tickets = pool->tickets;

    if (tickets == NULL)
        return;
    for (uint32_t i = 0; i < tickets->chunks; i++)
        ncp__free(tickets->chunk[i]);
    ncp__free(tickets->chunk);
    ncp__free(tickets);
}

static struct ncp__waiter *ticket_at(const struct ncp__tickets *tickets,
                                     uint32_t index)
{
    return &tickets->chunk[index / TICKETS_A_CHUNK][index % TICKETS_A_CHUNK];
}

static bool widen(struct ncp__tickets *tickets)
{
    uint32_t room = tickets->room == 0 ? 8 : tickets->room * 2;
    struct ncp__waiter **chunk =
        ncp__alloc(room * sizeof(struct ncp__waiter *));

    if (chunk == NULL)
        return false;
    if (tickets->chunks != 0)
        memcpy(chunk, tickets->chunk,
               tickets->chunks * sizeof(struct ncp__waiter *));
    ncp__free(tickets->chunk);
    tickets->chunk = chunk;
    tickets->room = room;
    return true;
}

static bool grow(struct ncp__tickets *tickets)
{
    uint32_t first = tickets->chunks * TICKETS_A_CHUNK;

    if (first >= TICKET_LIMIT ||
        (tickets->chunks == tickets->room && !widen(tickets)))
        return false;
    struct ncp__waiter *chunk = ncp__alloc(TICKETS_A_CHUNK * sizeof(*chunk));
    if (chunk == NULL)
        return false;
    tickets->chunk[tickets->chunks++] = chunk;
    for (uint32_t i = TICKETS_A_CHUNK; i-- > 0;) {
        chunk[i].ticket = (UINT64_C(1) << TICKET_INDEX_BITS) | (first + i);
        chunk[i].link = tickets->free;
        tickets->free = first + i;
    }
    return true;
}

/* The number of a freed ticket moves on, so that the old one is stale. */
static uint64_t next_number(uint64_t number)
{
    const uint64_t step = UINT64_C(1) << TICKET_INDEX_BITS;

    number = (number + step) & ((UINT64_C(1) << 52) - 1);
    return number >= step ? number : number + step;
}

struct ncp__waiter *ncp__ticket_new_locked(ncp_pool *pool,
                                           const struct ncp__request *request,
                                           uint64_t now_ns)
{
    struct ncp__tickets *tickets = pool->tickets;

    if (tickets->free == UINT32_MAX && !grow(tickets))
        return NULL;
    struct ncp__waiter *waiter = ticket_at(tickets, tickets->free);
    uint64_t number = waiter->ticket;
    tickets->free = waiter->link;
    ncp__waiter_init(waiter, request->protocol, request->ip, now_ns,
                     ncp__deadline(now_ns, request->timeout_ms));
    waiter->ticket = number;
    waiter->is_ticket = true;
    waiter->pool = pool;
    waiter->queue = ncp__queue_ref(request->queue);
    waiter->tag = request->tag;
    waiter->dials_itself = (request->flags & NCP_FLAG_DIALS) != 0;
    waiter->tries =
        request->timeout_ms == 0 || (request->flags & NCP_FLAG_TRY) != 0;
    waiter->takes = (request->flags & NCP_FLAG_TAKE) != 0;
    pool->events_out++;
    return waiter;
}

ncp_queue *ncp__ticket_free_locked(ncp_pool *pool, struct ncp__waiter *waiter)
{
    struct ncp__tickets *tickets = pool->tickets;
    ncp_queue *queue = waiter->queue;

    waiter->queue = NULL;
    waiter->named = false;
    waiter->link = tickets->free;
    tickets->free = (uint32_t)(waiter->ticket & (TICKET_LIMIT - 1));
    waiter->ticket = next_number(waiter->ticket);
    pool->events_out--;
    return queue;
}

void ncp__ticket_free(ncp_pool *pool, struct ncp__waiter *waiter)
{
    ncp__engine_lock(&pool->engine);
    ncp_queue *queue = ncp__ticket_free_locked(pool, waiter);
    ncp__engine_unlock(&pool->engine);
    ncp__queue_unref(queue);
}

struct ncp__waiter *ncp__ticket_named_locked(const ncp_pool *pool,
                                             ncp_ticket ticket)
{
    const struct ncp__tickets *tickets = pool->tickets;
    uint32_t index = (uint32_t)(ticket & (TICKET_LIMIT - 1));

    if (tickets == NULL || index / TICKETS_A_CHUNK >= tickets->chunks)
        return NULL;
    struct ncp__waiter *waiter = ticket_at(tickets, index);
    return waiter->ticket == ticket && waiter->named ? waiter : NULL;
}

int ncp__ticket_claim(ncp_pool *pool, ncp_ticket ticket, bool only_decided,
                      struct ncp__waiter **out)
{
    int rc = NCP_EINVALIDCONN;

    *out = NULL;
    ncp__engine_lock(&pool->engine);
    struct ncp__waiter *waiter = ncp__ticket_named_locked(pool, ticket);
    if (waiter != NULL && only_decided && waiter->queued) {
        rc = NCP_EAGAIN;
    } else if (waiter != NULL) {
        waiter->named = false;
        *out = waiter;
        rc = NCP_OK;
    }
    ncp__engine_unlock(&pool->engine);
    return rc;
}

struct ncp__waiter *ncp__ticket_standing(ncp_pool *pool, ncp_ticket ticket,
                                         uint64_t *deadline_ns)
{
    *deadline_ns = NCP__NEVER;
    ncp__engine_lock(&pool->engine);
    struct ncp__waiter *waiter = ncp__ticket_named_locked(pool, ticket);
    if (waiter != NULL && !waiter->queued)
        waiter = NULL;
    if (waiter != NULL)
        *deadline_ns = waiter->deadline_ns;
    ncp__engine_unlock(&pool->engine);
    return waiter;
}

void ncp__ticket_settle(struct ncp__waiter *waiter)
{
    while (atomic_load_explicit(&waiter->state, memory_order_acquire) !=
           NCP__DECIDED)
        sched_yield();
    if (waiter->queue != NULL)
        ncp__queue_remove_ticket(waiter->queue, waiter);
}

void ncp__pull_notify(void *pool, struct ncp__waiter *ticket)
{
    (void)pool;
    ncp__queue_push_ticket(ticket->queue, ticket);
}

void ncp__tickets_forked(ncp_pool *pool)
{
    struct ncp__tickets *tickets = pool->tickets;

    if (tickets == NULL)
        return;
    tickets->free = UINT32_MAX;
    for (uint32_t i = 0; i < tickets->chunks * TICKETS_A_CHUNK; i++) {
        struct ncp__waiter *waiter = ticket_at(tickets, i);
        if (waiter->queue != NULL)
            atomic_fetch_sub_explicit(&waiter->queue->refs, 1,
                                      memory_order_relaxed);
        *waiter = (struct ncp__waiter){.ticket = next_number(waiter->ticket),
                                       .link = tickets->free};
        tickets->free = i;
    }
}
