/* A place in the line of waiters: how a get comes to wait, or not. */
#include "pool/pull.h"

/* Takes the waiter out of those to be told, for we are about to answer. */
static bool forget_decided(struct ncp__acts *acts,
                           const struct ncp__waiter *waiter)
{
    struct ncp__waiter *before = NULL, *at = acts->decided_head;

    while (at != NULL && at != waiter) {
        before = at;
        at = at->next;
    }
    if (at == NULL)
        return false;
    if (before == NULL)
        acts->decided_head = at->next;
    else
        before->next = at->next;
    if (acts->decided_tail == at)
        acts->decided_tail = before;
    return true;
}

static struct ncp__pending name_locked(struct ncp__waiter *waiter)
{
    waiter->named = true;
    atomic_store_explicit(&waiter->state, NCP__WAITING, memory_order_relaxed);
    return (struct ncp__pending){waiter->ticket, waiter->tag,
                                 waiter->deadline_ns};
}

struct ncp__pending ncp__pull_name(ncp_pool *pool, struct ncp__waiter *waiter)
{
    ncp__engine_lock(&pool->engine);
    struct ncp__pending pending = name_locked(waiter);
    ncp__engine_unlock(&pool->engine);
    return pending;
}

static int pend(ncp_pool *pool, const struct ncp__pending *pending,
                ncp_event *out)
{
    out->type = NCP_EVENT_PENDING;
    out->ticket = pending->ticket;
    out->tag = pending->tag;
    if (pending->deadline_ns != NCP__NEVER)
        ncp__upkeep_at(pool, pending->deadline_ns);
    return NCP_OK;
}

int ncp__pull_answer_or_pend(ncp_pool *pool, struct ncp__waiter *waiter,
                             bool stood, const struct ncp__pending *pending,
                             struct ncp__acts *acts, ncp_event *out)
{
    bool mine = !stood || forget_decided(acts, waiter);

    if (mine) {
        ncp__engine_lock(&pool->engine);
        waiter->named = false;
        ncp__engine_unlock(&pool->engine);
    }
    ncp__pool_act(pool, acts, NCP__NO_SLOT);
    return mine ? ncp__pull_answer(pool, waiter, out)
                : pend(pool, pending, out);
}

/* What came of looking for a place. */
struct placed {
    struct ncp__acts acts;
    struct ncp__pending pending;
    struct ncp__waiter *mine; /* decided at once; NULL: it stands, or is gone */
    ncp_queue *queue;         /* of one that is gone: a reference to drop */
    int status;
};

static void place_locked(ncp_pool *pool, struct ncp__waiter *waiter,
                         uint64_t now_ns, struct placed *placed)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts *acts = &placed->acts;

    placed->pending = name_locked(waiter);
    placed->status = waiter->tries
                         ? ncp__try_locked(engine, waiter, now_ns, acts)
                         : ncp__enqueue_locked(engine, waiter, now_ns, acts);
    if (placed->status != NCP_OK) {
        placed->queue = ncp__ticket_free_locked(pool, waiter);
    } else if (waiter->tries || forget_decided(acts, waiter)) {
        waiter->named = false;
        placed->mine = waiter;
    }
}

static int answer_placed(ncp_pool *pool, struct placed *placed, ncp_event *out)
{
    ncp__pool_act(pool, &placed->acts, NCP__NO_SLOT);
    ncp__queue_unref(placed->queue);
    if (placed->status != NCP_OK)
        return placed->status;
    return placed->mine != NULL ? ncp__pull_answer(pool, placed->mine, out)
                                : pend(pool, &placed->pending, out);
}

int ncp__pull_begin(ncp_pool *pool, const struct ncp__request *request,
                    ncp_event *out)
{
    struct placed placed = {.acts = NCP__NO_ACTS, .status = NCP_ENOMEM};
    uint64_t now_ns = ncp__engine_now(&pool->engine);

    ncp__engine_lock(&pool->engine);
    struct ncp__waiter *waiter = ncp__ticket_new_locked(pool, request, now_ns);
    if (waiter != NULL)
        place_locked(pool, waiter, now_ns, &placed);
    ncp__engine_unlock(&pool->engine);
    if (waiter != NULL)
        return answer_placed(pool, &placed, out);
    ncp__engine_count_failure(&pool->engine, NCP_ENOMEM);
    return NCP_ENOMEM;
}

int ncp__pull_place(ncp_pool *pool, struct ncp__waiter *waiter, ncp_event *out)
{
    struct placed placed = {.acts = NCP__NO_ACTS};
    uint64_t now_ns = ncp__engine_now(&pool->engine);

    ncp__engine_lock(&pool->engine);
    place_locked(pool, waiter, now_ns, &placed);
    ncp__engine_unlock(&pool->engine);
    return answer_placed(pool, &placed, out);
}
