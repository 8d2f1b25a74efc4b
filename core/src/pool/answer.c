/* What a get has come to: the answer to its host. */
#include "pool/pull.h"

/* The host is to look at it first; the waiter stays with it until then. */
static int ask_host(ncp_pool *pool, struct ncp__waiter *waiter, int type,
                    ncp_event *out)
{
    struct ncp__slot *slot = ncp__engine_slot(&pool->engine, waiter->slot);

    ncp__engine_lock(&pool->engine);
    waiter->outcome = (uint8_t)type;
    slot->of.owner = waiter;
    atomic_fetch_or_explicit(&slot->flags, NCP__FLAG_BORROW_CHECK,
                             memory_order_relaxed);
    ncp__engine_unlock(&pool->engine);
    ncp__event_conn(out, pool, waiter, type);
    if (type == NCP_EVENT_CHECK)
        out->timeout_ms = ncp__pool_num(pool, NCP_OPTION_HEALTH_CHECK_TIMEOUT);
    return NCP_OK;
}

/* The connection is the caller's, and the ticket is over; its queue is to be
 * dropped by a reference. */
static ncp_queue *lend_locked(ncp_pool *pool, struct ncp__waiter *waiter,
                              ncp_event *out)
{
    ncp__event_conn(out, pool, waiter, NCP_EVENT_CONN);
    ncp__count_end_locked(&pool->engine, waiter, NCP_OK, !waiter->fresh);
    ncp__get_mark(pool, waiter->slot, waiter->tag);
    return ncp__ticket_free_locked(pool, waiter);
}

int ncp__pull_lend(ncp_pool *pool, struct ncp__waiter *waiter, ncp_event *out)
{
    struct ncp__slot *slot = ncp__engine_slot(&pool->engine, waiter->slot);
    uint64_t since_ns = waiter->since_ns;

    if (waiter->outcome != NCP_EVENT_CONN) /* the borrow begins now */
        atomic_store_explicit(&slot->touched_ns, ncp__engine_now(&pool->engine),
                              memory_order_relaxed);
    ncp__engine_lock(&pool->engine);
    ncp_queue *queue = lend_locked(pool, waiter, out);
    ncp__engine_unlock(&pool->engine);
    ncp__queue_unref(queue);
    ncp__get_record(pool, since_ns, 1);
    return NCP_OK;
}

/* Most connections that are handed over need nothing to be done to them, and
 * their tickets are taken after everything was said of them. Lock held. */
static bool is_lent_as_it_is(const ncp_pool *pool,
                             const struct ncp__waiter *waiter)
{
    if (waiter->queued || waiter->status != NCP_OK ||
        waiter->outcome != NCP_EVENT_CONN ||
        (pool->borrow_work & NCP__BORROW_ASK) != 0)
        return false;
    const struct ncp__slot *slot =
        ncp__engine_slot(&pool->engine, waiter->slot);
    uint8_t flags = atomic_load_explicit(&slot->flags, memory_order_relaxed);
    return (flags & NCP__FLAG_DATAGRAM) == 0 &&
           atomic_load_explicit(&waiter->state, memory_order_acquire) ==
               NCP__DECIDED &&
           !ncp__queue_holds(waiter);
}

bool ncp__pull_lend_at_once(ncp_pool *pool, ncp_ticket ticket, ncp_event *out)
{
    ncp_queue *queue = NULL;
    uint64_t since_ns = 0;

    ncp__engine_lock(&pool->engine);
    struct ncp__waiter *waiter = ncp__ticket_named_locked(pool, ticket);
    bool lent = waiter != NULL && is_lent_as_it_is(pool, waiter);
    if (lent) {
        since_ns = waiter->since_ns;
        queue = lend_locked(pool, waiter, out);
    }
    ncp__engine_unlock(&pool->engine);
    ncp__queue_unref(queue);
    if (lent)
        ncp__get_record(pool, since_ns, 1);
    return lent;
}

int ncp__pull_lend_checked(ncp_pool *pool, struct ncp__waiter *waiter,
                           ncp_event *out)
{
    return (pool->borrow_work & NCP__BORROW_HOOK) != 0
               ? ask_host(pool, waiter, NCP_EVENT_BORROW, out)
               : ncp__pull_lend(pool, waiter, out);
}

static int answer_conn(ncp_pool *pool, struct ncp__waiter *waiter,
                       ncp_event *out)
{
    if (waiter->fresh)
        return ncp__pull_lend_checked(pool, waiter, out);
    if (!ncp__get_clean(pool, waiter->slot)) {
        ncp__get_reject(pool, waiter->slot, NCP_REASON_DIRTY);
        return ncp__pull_place(pool, waiter, out);
    }
    return (pool->borrow_work & NCP__BORROW_CHECK) != 0
               ? ask_host(pool, waiter, NCP_EVENT_CHECK, out)
               : ncp__pull_lend_checked(pool, waiter, out);
}

static int answer_dial(ncp_pool *pool, struct ncp__waiter *waiter,
                       ncp_event *out)
{
    struct ncp__engine *engine = &pool->engine;
    uint64_t now_ns = ncp__engine_now(engine);

    ncp__engine_lock(engine);
    ncp__event_dial_locked(out, pool, waiter->slot, now_ns);
    ncp__engine_unlock(engine);
    out->tag = waiter->tag;
    if (waiter->not_before_ns > now_ns)
        out->timeout_ms = ncp__ms_until(now_ns, waiter->not_before_ns);
    return NCP_OK;
}

int ncp__pull_answer(ncp_pool *pool, struct ncp__waiter *waiter, ncp_event *out)
{
    int status = waiter->status;

    if (status == NCP_OK && waiter->outcome == NCP_EVENT_CONN)
        return answer_conn(pool, waiter, out);
    if (status == NCP_OK && waiter->outcome == NCP_EVENT_DIAL)
        return answer_dial(pool, waiter, out);
    ncp__event_failure(out, waiter, status);
    ncp__ticket_free(pool, waiter);
    return status;
}
