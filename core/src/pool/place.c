/* A place in the line of waiters: how a get comes to wait, or not. */
#include "pool/pull.h"

static int try_once(ncp_pool *pool, struct ncp__waiter *waiter, ncp_event *out)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    int rc = ncp__engine_try(engine, waiter, ncp__engine_now(engine), &acts);

    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    if (rc == NCP_OK)
        return ncp__pull_answer(pool, waiter, out);
    ncp__ticket_free(pool, waiter);
    return rc;
}

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

struct ncp__pending ncp__pull_name(ncp_pool *pool, struct ncp__waiter *waiter)
{
    struct ncp__pending pending = {waiter->ticket, waiter->tag,
                                   waiter->deadline_ns};

    if (waiter->named) /* and nobody has been told of it */
        return pending;
    ncp__engine_lock(&pool->engine);
    waiter->named = true;
    atomic_store_explicit(&waiter->state, NCP__WAITING, memory_order_relaxed);
    ncp__engine_unlock(&pool->engine);
    return pending;
}

static void unname(ncp_pool *pool, struct ncp__waiter *waiter)
{
    ncp__engine_lock(&pool->engine);
    waiter->named = false;
    ncp__engine_unlock(&pool->engine);
}

int ncp__pull_answer_or_pend(ncp_pool *pool, struct ncp__waiter *waiter,
                             bool stood, const struct ncp__pending *pending,
                             struct ncp__acts *acts, ncp_event *out)
{
    bool mine = !stood || forget_decided(acts, waiter);

    if (mine)
        unname(pool, waiter);
    ncp__pool_act(pool, acts, NCP__NO_SLOT);
    if (mine)
        return ncp__pull_answer(pool, waiter, out);
    out->type = NCP_EVENT_PENDING;
    out->ticket = pending->ticket;
    out->tag = pending->tag;
    if (pending->deadline_ns != NCP__NEVER)
        ncp__upkeep_at(pool, pending->deadline_ns);
    return NCP_OK;
}

static int stand_in_line(ncp_pool *pool, struct ncp__waiter *waiter,
                         ncp_event *out)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    struct ncp__pending pending = ncp__pull_name(pool, waiter);
    int rc =
        ncp__engine_enqueue(engine, waiter, ncp__engine_now(engine), &acts);

    if (rc == NCP_OK)
        return ncp__pull_answer_or_pend(pool, waiter, true, &pending, &acts,
                                        out);
    unname(pool, waiter);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    ncp__ticket_free(pool, waiter);
    return rc;
}

int ncp__pull_place(ncp_pool *pool, struct ncp__waiter *waiter, ncp_event *out)
{
    return waiter->tries ? try_once(pool, waiter, out)
                         : stand_in_line(pool, waiter, out);
}
