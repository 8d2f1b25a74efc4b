/* How a get of the pull driver begins. */
#include "pool/event.h"
#include "pool/pull.h"
#include "pool/quick.h"

static int acquire_slow(ncp_pool *pool, const struct ncp__request *request,
                        ncp_event *out)
{
    struct ncp__engine *engine = &pool->engine;

    ncp__pool_after_fork(pool);
    if (ncp__engine_closed(engine))
        return NCP_ECLOSED;
    return ncp__pull_begin(pool, request, out);
}

/* No ticket is needed when there is an idle one. */
static bool acquire_idle(ncp_pool *pool, const struct ncp__request *request,
                         ncp_event *out)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    uint64_t since_ns = ncp__get_sampled(pool) ? ncp__engine_now(engine) : 0;

    if ((pool->borrow_work & NCP__BORROW_ASK) != 0)
        return false;
    uint32_t index =
        ncp__engine_fast_get(engine, request->protocol, request->ip,
                             ncp__engine_now_coarse(engine), &acts);
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
    ncp__get_mark(pool, index, request->tag);
    ncp__event_lend(out, pool, ncp__engine_slot(engine, index),
                    ncp__engine_lease(engine, index), request->tag);
    return true;
}

static NCP__APART int acquire(ncp_pool *pool, struct ncp__request *request,
                              ncp_event *out)
{
    if (out == NULL)
        return NCP_EINVAL;
    ncp__event_clear(out, pool);
    if (pool == NULL)
        return NCP_EINVAL;
    if (!pool->pull)
        return NCP_ESTATE;
    int rc = ncp__want_check(request->protocol, request->ip);
    if (rc != NCP_OK)
        return rc;
    if (request->timeout_ms == NCP_TIMEOUT_DEFAULT)
        request->timeout_ms =
            atomic_load_explicit(&pool->get_timeout_ms, memory_order_relaxed);
    if (acquire_idle(pool, request, out))
        return NCP_OK;
    ncp__pool_hold(pool);
    rc = acquire_slow(pool, request, out);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

/* The shortest way: one is there that fits, and nothing is odd. */
static inline bool acquire_quick(ncp_pool *pool, int protocol, int ip,
                                 uint64_t tag, ncp_event *out)
{
    const struct ncp__idle *idle = &pool->engine.idle;
    ncp_lease lease = ncp__quick_get(pool, ncp__idle_home(idle),
                                     &ncp__thread.gets, protocol, ip);

    if (NCP__UNLIKELY(lease == 0))
        return false;
    uint32_t index = ncp__token_index(lease);
    if (NCP__UNLIKELY(tag != 0))
        ncp__get_mark(pool, index, tag);
    ncp__event_lend(out, pool, ncp__engine_slot(&pool->engine, index), lease,
                    tag);
    return true;
}

int ncp_pool_acquire(ncp_pool *pool, ncp_queue *queue, int protocol, int ip,
                     int64_t timeout_ms, uint64_t tag, int flags,
                     ncp_event *out)
{
    if (NCP__LIKELY(pool != NULL && out != NULL && pool->pull &&
                    acquire_quick(pool, protocol, ip, tag, out)))
        return NCP_OK;
    return acquire(
        pool,
        &(struct ncp__request){queue, protocol, ip, timeout_ms, tag, flags},
        out);
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
