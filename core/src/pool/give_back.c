/* The ways in which a lease ends: put, discard, detach, close by the holder. */
#include "pool/quick.h"

/* A lease that had been taken away, or is none. */
static int put_odd(ncp_pool *pool, ncp_lease lease, uint32_t index, int status)
{
    if (index == NCP__NO_SLOT) /* closed by its holder: welcome, once */
        return ncp__engine_forget_closed(&pool->engine, lease)
                   ? NCP_OK
                   : NCP_EINVALIDCONN;
    int rc = ncp__conn_taken_back(pool, index);
    return status == NCP_ELEAKED ? status : rc;
}

/* Closes an owned slot; the error of its closer, or NCP_OK. */
static int close_owned(ncp_pool *pool, uint32_t index, int reason)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;

    ncp__engine_begin_close(engine, index, reason, ncp__engine_now(engine),
                            &acts);
    return ncp__pool_act(pool, &acts, index);
}

static void restore_blocking(const struct ncp__slot *slot)
{
    uint8_t flags = atomic_load_explicit(&slot->flags, memory_order_relaxed);

    if (ncp__cold(slot)->fd >= 0)
        ncp__net.set_nonblocking(ncp__cold(slot)->fd,
                                 (flags & NCP__FLAG_NONBLOCKING) != 0);
}

/* The next borrower sees nothing of this lease. */
static void wipe(struct ncp__slot *slot)
{
    const uint8_t kept =
        NCP__FLAG_UNHEALTHY | NCP__FLAG_NONBLOCKING | NCP__FLAG_DATAGRAM;
    uint8_t flags = atomic_load_explicit(&slot->flags, memory_order_relaxed);

    if (NCP__LIKELY((flags & ~kept) == 0))
        return;
    slot->of.tag = 0;
    atomic_fetch_and_explicit(&slot->flags, kept, memory_order_relaxed);
}

/* on_return, for a connection that will be kept. */
static int return_work(ncp_pool *pool, uint32_t index)
{
    struct ncp__slot *slot = ncp__engine_slot(&pool->engine, index);
    struct ncp_conn conn = {pool, slot, index};

    if ((pool->return_work & NCP__RETURN_HOOK) != 0) {
        int rc = pool->on_return(pool->on_return_user, &conn, NCP_REASON_NONE);
        if (rc != NCP_OK)
            return rc == NCP_EUSER ? rc : NCP_EHOOK;
    }
    if ((pool->return_work & NCP__RETURN_BLOCKING) != 0)
        restore_blocking(slot);
    return NCP_OK;
}

static int put_owned(ncp_pool *pool, uint32_t index)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp__acts acts = NCP__NO_ACTS;
    uint64_t now_ns = ncp__put_time(pool);
    int reason = ncp__engine_expired(engine, slot, now_ns, true);

    if (NCP__UNLIKELY(ncp__engine_closed(engine)))
        reason = NCP_REASON_POOL_CLOSED;
    if (NCP__UNLIKELY(reason != NCP_REASON_NONE))
        return close_owned(pool, index, reason);
    wipe(slot);
    if (NCP__UNLIKELY(pool->return_work != 0)) {
        int rc = return_work(pool, index);
        if (rc != NCP_OK) {
            (void)close_owned(pool, index, NCP_REASON_HOOK);
            return rc;
        }
    }
    atomic_store_explicit(&slot->touched_ns, now_ns, memory_order_relaxed);
    if (NCP__LIKELY(!ncp__engine_offer(engine, index, now_ns, &acts)))
        return NCP_OK;
    return ncp__pool_act(pool, &acts, index);
}

/* While the pool is closing its memory has to be held on to. */
static int put_closing(ncp_pool *pool, ncp_lease lease)
{
    uint32_t index;

    ncp__pool_hold(pool);
    (void)ncp__pull_drop_check(pool, lease, NCP_ECANCELED);
    int rc = ncp__engine_end_lease(&pool->engine, lease, NCP__HELD, &index);
    rc =
        rc == NCP_OK ? put_owned(pool, index) : put_odd(pool, lease, index, rc);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

void ncp__put_serve(ncp_pool *pool)
{
    struct ncp__acts acts = NCP__NO_ACTS;

    ncp__engine_serve(&pool->engine, ncp__engine_now(&pool->engine), &acts);
    (void)ncp__pool_act(pool, &acts, NCP__NO_SLOT);
}

ncp_lease ncp__put_misfit(ncp_pool *pool, ncp_lease lease)
{
    struct ncp__slot *slot =
        ncp__engine_slot(&pool->engine, ncp__token_index(lease));
    uint64_t gets = atomic_load_explicit(&slot->gets, memory_order_relaxed);

    atomic_store_explicit(&slot->gets, gets - 1, memory_order_relaxed);
    (void)ncp_pool_put(pool, lease);
    return 0;
}

static int put(ncp_pool *pool, ncp_lease lease)
{
    uint32_t index;

    if (NCP__UNLIKELY(ncp__engine_closed(&pool->engine)))
        return put_closing(pool, lease);
    if (NCP__UNLIKELY((pool->borrow_work & NCP__BORROW_ASK) != 0))
        (void)ncp__pull_drop_check(pool, lease, NCP_ECANCELED);
    int rc = ncp__engine_end_lease(&pool->engine, lease, NCP__HELD, &index);
    if (NCP__UNLIKELY(rc != NCP_OK))
        return put_odd(pool, lease, index, rc);
    return put_owned(pool, index);
}

int ncp_pool_put(ncp_pool *pool, ncp_lease lease)
{
    if (NCP__UNLIKELY(pool == NULL))
        return NCP_EINVALIDCONN;
    if (NCP__LIKELY(
            ncp__quick_put(pool, ncp__idle_home(&pool->engine.idle), lease)))
        return NCP_OK;
    return put(pool, lease);
}

static int discard(ncp_pool *pool, ncp_lease lease, int reason)
{
    uint32_t index;

    (void)ncp__pull_drop_check(pool, lease, NCP_ECANCELED);
    int rc = ncp__engine_end_lease(&pool->engine, lease, NCP__CLOSING, &index);
    if (rc != NCP_OK)
        return put_odd(pool, lease, index, rc);
    wipe(ncp__engine_slot(&pool->engine, index));
    return close_owned(pool, index, reason);
}

int ncp__lease_discard(ncp_pool *pool, ncp_lease lease, int reason)
{
    if (pool == NULL)
        return NCP_EINVALIDCONN;
    ncp__pool_hold(pool);
    int rc = discard(pool, lease, reason);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

int ncp_pool_discard(ncp_pool *pool, ncp_lease lease)
{
    return ncp__lease_discard(pool, lease, NCP_REASON_DISCARDED);
}

static int close_by_holder(ncp_pool *pool, ncp_lease lease)
{
    struct ncp__engine *engine = &pool->engine;
    uint32_t index;
    int rc = ncp__engine_end_lease(engine, lease, NCP__CLOSING, &index);

    if (index == NCP__NO_SLOT)
        return NCP_EINVALIDCONN;
    if (rc != NCP_OK)
        return put_odd(pool, lease, index, rc);
    wipe(ncp__engine_slot(engine, index));
    ncp__engine_remember_closed(engine, lease);
    return close_owned(pool, index, NCP_REASON_DISCARDED);
}

int ncp_lease_close(ncp_pool *pool, ncp_lease lease)
{
    if (pool == NULL)
        return NCP_EINVALIDCONN;
    ncp__pool_hold(pool);
    int rc = close_by_holder(pool, lease);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

static int detach(ncp_pool *pool, ncp_lease lease, uint64_t *out)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    uint32_t index;
    int rc = ncp__engine_end_lease(engine, lease, NCP__CLOSING, &index);

    if (index == NCP__NO_SLOT)
        return NCP_EINVALIDCONN;
    if (rc != NCP_OK) {
        (void)ncp__conn_taken_back(pool, index);
        return rc == NCP_ELEAKED ? rc : NCP_EINVALIDCONN;
    }
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    wipe(slot);
    if (out != NULL)
        *out = slot->handle;
    ncp__engine_detach(engine, index, ncp__engine_now(engine), &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    return NCP_OK;
}

int ncp_pool_detach(ncp_pool *pool, ncp_lease lease, uint64_t *out)
{
    if (out != NULL)
        *out = 0;
    if (pool == NULL)
        return NCP_EINVALIDCONN;
    ncp__pool_hold(pool);
    int rc = detach(pool, lease, out);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}
