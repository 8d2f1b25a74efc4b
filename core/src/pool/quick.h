/*
 * The shortest way of a get and of a put, for every driver: no hook, no check, no
 * sample of the latency, nobody waits. 0 or false: nothing was done, go the long
 * way.
 */
#ifndef NCP_POOL_QUICK_H
#define NCP_POOL_QUICK_H

#include "engine/fast.h"
#include "pool/pool.h"

/* A connection at once, if nothing has to be done to it: its lease. It is of one of
 * the buckets `fitting` (ncp__fitting) as far as the hints know. One get in
 * NCP__LATENCY_EVERY goes the long way, where its time is taken; `gets` counts
 * them for a thread or a tap. */
static inline ncp_lease ncp__quick_hinted(ncp_pool *pool,
                                          struct ncp__shard *shard,
                                          uint32_t *gets, uint32_t fitting)
{
    struct ncp__engine *engine = &pool->engine;

    if (NCP__UNLIKELY((pool->quick & NCP__QUICK_GET) == 0 ||
                      *gets % NCP__LATENCY_EVERY == 0))
        return 0;
    ncp_lease lease =
        NCP__LIKELY(ncp__idle_is_quick(&engine->idle))
            ? ncp__fast_get(engine, shard, fitting, pool->quick_stop,
                            ncp__engine_now_coarse(engine))
            : ncp__fast_list_get(engine, fitting, pool->quick_stop,
                                 ncp__engine_now_coarse(engine));
    *gets += lease != 0;
    return lease;
}

/* A hint was of another kind: as if it had not been lent. Returns 0. */
ncp_lease ncp__put_misfit(ncp_pool *pool, ncp_lease lease);

/* The same for who wants a kind; a want that is none is nobody's. */
static inline ncp_lease ncp__quick_get(ncp_pool *pool, struct ncp__shard *shard,
                                       uint32_t *gets, int protocol, int ip)
{
    if (NCP__UNLIKELY((unsigned)protocol > NCP_PROTOCOL_UDP ||
                      (unsigned)ip > NCP_IP_V6))
        return 0;
    ncp_lease lease =
        ncp__quick_hinted(pool, shard, gets, ncp__fitting[protocol][ip]);
    if (lease == 0 || (protocol | ip) == 0)
        return lease;
    const struct ncp__slot *slot =
        ncp__engine_slot(&pool->engine, ncp__token_index(lease));
    return NCP__LIKELY(ncp__fits(ncp__cold(slot)->protocol, ncp__cold(slot)->ip,
                                 protocol, ip))
               ? lease
               : ncp__put_misfit(pool, lease);
}

/* Has the time of this thread's next get taken. */
static inline void ncp__get_sample_next(void)
{
    ncp__thread.gets -= ncp__thread.gets % NCP__LATENCY_EVERY;
}

/* A pool that is used much gets its time from the housekeeper. */
static inline uint64_t ncp__put_time(ncp_pool *pool)
{
    const struct ncp__engine *engine = &pool->engine;

    if (NCP__UNLIKELY(
            atomic_load_explicit(&engine->tick_ns, memory_order_relaxed) == 0))
        ncp__tick_wanted(pool);
    return ncp__engine_now_coarse(engine);
}

/* A put, but for the serving of who may wait. */
static inline enum ncp__fast_put
ncp__quick_return(ncp_pool *pool, struct ncp__shard *shard, ncp_lease lease)
{
    struct ncp__engine *engine = &pool->engine;

    if (NCP__UNLIKELY((pool->quick & NCP__QUICK_PUT) == 0))
        return NCP__PUT_NOT;
    return NCP__LIKELY(ncp__idle_is_quick(&engine->idle))
               ? ncp__fast_put(engine, shard, lease, ncp__put_time(pool))
               : ncp__fast_list_put(engine, lease, ncp__put_time(pool));
}

static inline bool ncp__quick_put(ncp_pool *pool, struct ncp__shard *shard,
                                  ncp_lease lease)
{
    enum ncp__fast_put put = ncp__quick_return(pool, shard, lease);

    if (NCP__UNLIKELY(put == NCP__PUT_SERVE))
        ncp__put_serve(pool);
    return put != NCP__PUT_NOT;
}

#endif
