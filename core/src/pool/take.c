/* How a ticket ends: taken, waited for, abandoned. */
#include "pool/pull.h"

/* A ticket that was decided, and nobody will take: what it got goes back. */
static void give_back(ncp_pool *pool, struct ncp__waiter *waiter, int status)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;

    ncp__engine_count_end(engine, waiter, status, false);
    if (waiter->status != NCP_OK)
        return;
    if (waiter->outcome == NCP_EVENT_CONN) {
        (void)ncp_pool_put(pool, ncp__engine_lease(engine, waiter->slot));
        return;
    }
    ncp__engine_lock(engine);
    ncp__engine_slot(engine, waiter->slot)->of.owner = NULL;
    ncp__engine_unlock(engine);
    ncp__engine_dial_failed(engine, waiter->slot, NCP_ECANCELED, 0, NULL,
                            ncp__engine_now(engine), &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
}

static int abandon(ncp_pool *pool, ncp_ticket ticket, int status)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    struct ncp__waiter *waiter;
    int rc = ncp__ticket_claim(pool, ticket, false, &waiter);

    if (rc != NCP_OK)
        return rc;
    if (!ncp__engine_give_up(engine, waiter, status, ncp__engine_now(engine),
                             &acts)) {
        ncp__ticket_settle(waiter);
        give_back(pool, waiter, status);
    }
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    ncp__ticket_free(pool, waiter);
    return NCP_OK;
}

int ncp_ticket_abandon(ncp_pool *pool, ncp_ticket ticket, int status)
{
    if (pool == NULL)
        return NCP_EINVAL;
    ncp__pool_hold(pool);
    int rc = abandon(pool, ticket,
                     status == NCP_ETIMEOUT ? NCP_ETIMEOUT : NCP_ECANCELED);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

static int take(ncp_pool *pool, ncp_ticket ticket, ncp_event *out)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__waiter *waiter;
    uint64_t deadline_ns;

    if (ncp__pull_lend_at_once(pool, ticket, out))
        return NCP_OK;
    int rc = ncp__ticket_claim(pool, ticket, true, &waiter);
    if (rc == NCP_EAGAIN) {
        (void)ncp__ticket_standing(pool, ticket, &deadline_ns);
        if (ncp__engine_now(engine) < deadline_ns)
            return rc;
        return abandon(pool, ticket, NCP_ETIMEOUT) == NCP_OK ? NCP_ETIMEOUT
                                                             : NCP_EINVALIDCONN;
    }
    if (rc != NCP_OK)
        return rc;
    ncp__ticket_settle(waiter);
    return ncp__pull_answer(pool, waiter, out);
}

bool ncp__pull_take(ncp_pool *pool, ncp_ticket ticket, ncp_event *event)
{
    ncp__event_clear(event, pool);
    int rc = take(pool, ticket, event);
    if ((rc == NCP_EINVALIDCONN && event->status == NCP_OK) ||
        event->type == NCP_EVENT_PENDING)
        return false;
    if (rc != NCP_OK)
        event->type = NCP_EVENT_READY;
    event->ticket = ticket;
    return true;
}

int ncp_ticket_take(ncp_pool *pool, ncp_ticket ticket, ncp_event *out)
{
    if (out == NULL)
        return NCP_EINVAL;
    ncp__event_clear(out, pool);
    if (pool == NULL)
        return NCP_EINVAL;
    ncp__pool_hold(pool);
    int rc = take(pool, ticket, out);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

/* Announces its sleep, looks once more, sleeps. False when time is up. */
static bool sleep_for_ticket(ncp_pool *pool, ncp_ticket ticket,
                             uint64_t until_ns)
{
    uint64_t deadline_ns;
    struct ncp__waiter *waiter =
        ncp__ticket_standing(pool, ticket, &deadline_ns);
    unsigned waiting = NCP__WAITING;

    if (waiter == NULL)
        return true; /* decided, or no ticket: take says which */
    (void)atomic_compare_exchange_strong_explicit(
        &waiter->state, &waiting, NCP__PARKED, memory_order_seq_cst,
        memory_order_relaxed);
    if (ncp__engine_now(&pool->engine) >= until_ns)
        return false;
    if (ncp__ticket_standing(pool, ticket, &deadline_ns) == NULL)
        return true;
    until_ns = until_ns < deadline_ns ? until_ns : deadline_ns;
    ncp__pool_park(pool, &waiter->state, NCP__PARKED, until_ns);
    return true;
}

static int wait_and_take(ncp_pool *pool, ncp_ticket ticket, int64_t timeout_ms,
                         ncp_event *out)
{
    uint64_t until_ns =
        ncp__deadline(ncp__engine_now(&pool->engine), timeout_ms);

    for (;;) {
        int rc = take(pool, ticket, out);
        if (rc != NCP_EAGAIN || !sleep_for_ticket(pool, ticket, until_ns))
            return rc;
    }
}

int ncp_ticket_wait(ncp_pool *pool, ncp_ticket ticket, int64_t timeout_ms,
                    ncp_event *out)
{
    if (out == NULL)
        return NCP_EINVAL;
    ncp__event_clear(out, pool);
    if (pool == NULL)
        return NCP_EINVAL;
    ncp__pool_hold(pool);
    int rc = wait_and_take(pool, ticket, timeout_ms, out);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}
