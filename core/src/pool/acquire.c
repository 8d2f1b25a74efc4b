/* How a get of the pull driver begins. */
#include "pool/pull.h"

static int acquire_slow(ncp_pool *pool, ncp_queue *queue, int protocol, int ip,
                        int64_t timeout_ms, uint64_t tag, int flags,
                        ncp_event *out)
{
    struct ncp__engine *engine = &pool->engine;

    ncp__pool_after_fork(pool);
    if (ncp__engine_closed(engine))
        return NCP_ECLOSED;
    struct ncp__waiter *waiter = ncp__ticket_new(
        pool, queue, protocol, ip, ncp__engine_now(engine), timeout_ms);
    if (waiter == NULL) {
        ncp__engine_count_failure(engine, NCP_ENOMEM);
        return NCP_ENOMEM;
    }
    waiter->tag = tag;
    waiter->dials_itself = (flags & NCP_FLAG_DIALS) != 0;
    waiter->tries = timeout_ms == 0 || (flags & NCP_FLAG_TRY) != 0;
    waiter->takes = (flags & NCP_FLAG_TAKE) != 0;
    return ncp__pull_place(pool, waiter, out);
}

/* The shortest way: no ticket is needed. */
static bool acquire_fast(ncp_pool *pool, int protocol, int ip, uint64_t tag,
                         ncp_event *out)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    uint64_t since_ns = ncp__get_sampled(pool) ? ncp__engine_now(engine) : 0;

    if ((pool->borrow_work & NCP__BORROW_ASK) != 0)
        return false;
    uint32_t index = ncp__engine_fast_get(
        engine, protocol, ip, ncp__engine_now_coarse(engine), &acts);
    if (NCP__UNLIKELY(!ncp__acts_empty(&acts)))
        ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    if (index == NCP__NO_SLOT)
        return false;
    if (NCP__UNLIKELY(!ncp__get_clean(pool, index))) {
        ncp__get_reject(pool, index, NCP_REASON_DIRTY);
        return false;
    }
    if (since_ns != 0)
        ncp__get_record(pool, since_ns, NCP__LATENCY_EVERY);
    ncp__engine_count_fast(ncp__engine_slot(engine, index));
    ncp__get_mark(pool, index, tag);
    ncp__event_slot(out, pool, index, NCP_EVENT_CONN);
    out->tag = tag;
    out->reused = 1;
    return true;
}

int ncp_pool_acquire(ncp_pool *pool, ncp_queue *queue, int protocol, int ip,
                     int64_t timeout_ms, uint64_t tag, int flags,
                     ncp_event *out)
{
    if (out == NULL)
        return NCP_EINVAL;
    ncp__event_clear(out, pool);
    if (pool == NULL)
        return NCP_EINVAL;
    if (!pool->pull)
        return NCP_ESTATE;
    int rc = ncp__want_check(protocol, ip);
    if (rc != NCP_OK)
        return rc;
    if (timeout_ms == NCP_TIMEOUT_DEFAULT)
        timeout_ms =
            atomic_load_explicit(&pool->get_timeout_ms, memory_order_relaxed);
    if (acquire_fast(pool, protocol, ip, tag, out))
        return NCP_OK;
    ncp__pool_hold(pool);
    rc = acquire_slow(pool, queue, protocol, ip, timeout_ms, tag, flags, out);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

int ncp_pool_refuse(ncp_pool *pool, int status)
{
    if (pool == NULL)
        return NCP_EINVAL;
    if (ncp__engine_closed(&pool->engine))
        return NCP_ECLOSED;
    ncp__engine_count_failure(
        &pool->engine, status == NCP_ETIMEOUT ? NCP_ETIMEOUT : NCP_ECANCELED);
    return NCP_OK;
}
