/* Checks that the host does: of what it is about to borrow, and as work. */
#include "pool/pull.h"

/* The check of check_on_borrow: the waiter that stays with the lease. */
static struct ncp__waiter *claim_borrow_check(ncp_pool *pool, ncp_lease lease)
{
    struct ncp__waiter *waiter = NULL;

    ncp__engine_lock(&pool->engine);
    struct ncp__slot *slot = ncp__lease_slot(pool, lease);
    if (slot != NULL &&
        (atomic_load_explicit(&slot->flags, memory_order_relaxed) &
         NCP__FLAG_BORROW_CHECK) != 0) {
        atomic_fetch_and_explicit(&slot->flags,
                                  (uint8_t)~NCP__FLAG_BORROW_CHECK,
                                  memory_order_relaxed);
        waiter = slot->of.owner;
        slot->of.tag = 0;
    }
    ncp__engine_unlock(&pool->engine);
    return waiter;
}

/* The borrow hook of the host has looked at it. */
static int finish_borrow_hook(ncp_pool *pool, struct ncp__waiter *waiter,
                              bool accepted, ncp_event *out)
{
    if (accepted)
        return ncp__pull_lend(pool, waiter, out);
    ncp__get_reject(pool, waiter->slot, NCP_REASON_HOOK);
    ncp__engine_count_end(&pool->engine, waiter, NCP_EHOOK, false);
    ncp__event_failure(out, waiter, NCP_EHOOK);
    ncp__ticket_free(pool, waiter);
    return NCP_EHOOK;
}

static int finish_borrow_check(ncp_pool *pool, struct ncp__waiter *waiter,
                               bool healthy, ncp_event *out)
{
    if (waiter->outcome == NCP_EVENT_BORROW)
        return finish_borrow_hook(pool, waiter, healthy, out);
    ncp__engine_count_check(&pool->engine, healthy);
    if (healthy)
        return ncp__pull_lend_checked(pool, waiter, out);
    ncp__get_reject(pool, waiter->slot, NCP_REASON_UNHEALTHY);
    return ncp__pull_place(pool, waiter, out);
}

bool ncp__pull_end_check(ncp_pool *pool, uint32_t index, bool healthy)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;

    if (!ncp__engine_check_done(engine, index, healthy, ncp__engine_now(engine),
                                &acts))
        return false;
    ncp__engine_lock(engine);
    pool->checks_out--;
    ncp__engine_unlock(engine);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    return true;
}

/* A check that was handed out as work. */
static int finish_check(ncp_pool *pool, ncp_lease lease, bool healthy)
{
    struct ncp__slot *slot = ncp__slot_of(&pool->engine.slots, lease);
    uint64_t word = ncp__word(ncp__token_generation(lease), NCP__CHECKING);

    if (slot == NULL)
        return NCP_EINVALIDCONN;
    if (atomic_load_explicit(&slot->word, memory_order_acquire) == word &&
        ncp__pull_end_check(pool, ncp__token_index(lease), healthy))
        return NCP_OK;
    ncp__check_answered_late(pool, lease);
    return NCP_EINVALIDCONN;
}

static int checked(ncp_pool *pool, ncp_lease lease, bool healthy,
                   ncp_event *out)
{
    struct ncp__waiter *waiter = claim_borrow_check(pool, lease);

    return waiter != NULL ? finish_borrow_check(pool, waiter, healthy, out)
                          : finish_check(pool, lease, healthy);
}

int ncp_pool_checked(ncp_pool *pool, ncp_lease lease, int healthy,
                     ncp_event *out)
{
    ncp_event unused;

    out = out == NULL ? &unused : out;
    ncp__event_clear(out, pool);
    if (pool == NULL)
        return NCP_EINVAL;
    if (!pool->pull)
        return NCP_ESTATE;
    ncp__pool_hold(pool);
    int rc = checked(pool, lease, healthy != 0, out);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

bool ncp__pull_drop_check(ncp_pool *pool, ncp_lease lease, int status)
{
    struct ncp__waiter *waiter =
        pool->pull ? claim_borrow_check(pool, lease) : NULL;

    if (waiter == NULL)
        return false;
    ncp__engine_count_end(&pool->engine, waiter, status, false);
    ncp__ticket_free(pool, waiter);
    return true;
}
