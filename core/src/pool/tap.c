/* Taps: a thread's own handle of a pool. */
#include "pool/quick.h"

/* Written at every get, so it shares its line with nothing. */
struct ncp_tap {
    ncp_pool *pool;
    struct ncp__shard *shard;
    uint32_t gets;
} __attribute__((aligned(NCP__CACHE_LINE)));

/* Taps are spread over the shards as threads are. */
static struct ncp__shard *shard_for_tap(ncp_pool *pool)
{
    static _Atomic uint32_t taps;
    const struct ncp__idle *idle = &pool->engine.idle;
    uint32_t number = atomic_fetch_add_explicit(&taps, 1, memory_order_relaxed);

    return &idle->shards[number & idle->shard_mask];
}

int ncp_tap_new(ncp_pool *pool, ncp_tap **out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = NULL;
    if (pool == NULL)
        return NCP_EINVAL;
    if (pool->pull)
        return NCP_ESTATE;
    ncp_tap *tap = ncp__alloc_aligned(sizeof(*tap), NCP__CACHE_LINE);
    if (tap == NULL)
        return NCP_ENOMEM;
    tap->pool = ncp_pool_ref(pool);
    if (tap->pool == NULL) {
        ncp__free_aligned(tap);
        return NCP_ECLOSED;
    }
    tap->shard = shard_for_tap(pool);
    *out = tap;
    return NCP_OK;
}

void ncp_tap_free(ncp_tap *tap)
{
    if (tap == NULL)
        return;
    ncp_pool_free(tap->pool);
    ncp__free_aligned(tap);
}

int ncp_tap_get(ncp_tap *tap, ncp_lease *out)
{
    if (NCP__UNLIKELY(tap == NULL || out == NULL))
        return NCP_EINVAL;
    *out = ncp__quick_get(tap->pool, tap->shard, &tap->gets, 0, 0);
    if (NCP__LIKELY(*out != 0))
        return NCP_OK;
    if (tap->gets % NCP__LATENCY_EVERY == 0) {
        tap->gets++;
        ncp__get_sample_next();
    }
    return ncp_pool_get(tap->pool, out);
}

int ncp_tap_put(ncp_tap *tap, ncp_lease lease)
{
    if (NCP__UNLIKELY(tap == NULL))
        return NCP_EINVAL;
    if (NCP__LIKELY(ncp__quick_put(tap->pool, tap->shard, lease)))
        return NCP_OK;
    return ncp_pool_put(tap->pool, lease);
}
