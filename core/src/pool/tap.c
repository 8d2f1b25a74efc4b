/* Taps: a thread's own handle of a pool. */
#include "pool/quick.h"

/* Written at every get, so it shares its line with nothing. */
struct ncp_tap {
    ncp_pool *pool;
    struct ncp__shard *shard;
    uint32_t number; /* as of a thread */
    uint32_t gets;
} __attribute__((aligned(NCP__LINE_PAIR)));

/* Taps are spread over the shards as threads are. */
static void choose_shard(ncp_tap *tap)
{
    static _Atomic uint32_t taps;
    const struct ncp__idle *idle = &tap->pool->engine.idle;

    tap->number = atomic_fetch_add_explicit(&taps, 1, memory_order_relaxed) + 1;
    tap->shard = &idle->shards[tap->number & idle->shard_mask];
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
    ncp_tap *tap = ncp__alloc_aligned(sizeof(*tap), NCP__LINE_PAIR);
    if (tap == NULL)
        return NCP_ENOMEM;
    tap->pool = ncp_pool_ref(pool);
    if (tap->pool == NULL) {
        ncp__free_aligned(tap);
        return NCP_ECLOSED;
    }
    choose_shard(tap);
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

/* The long ways begin with the shard of the thread: for so long it is the tap's. */
static int get_long(ncp_tap *tap, ncp_lease *out)
{
    uint32_t number = ncp__thread.number;

    if (tap->gets % NCP__LATENCY_EVERY == 0) {
        tap->gets++;
        ncp__get_sample_next();
    }
    ncp__thread.number = tap->number;
    int rc = ncp_pool_get(tap->pool, out);
    ncp__thread.number = number;
    return rc;
}

static int put_long(ncp_tap *tap, ncp_lease lease)
{
    uint32_t number = ncp__thread.number;

    ncp__thread.number = tap->number;
    int rc = ncp_pool_put(tap->pool, lease);
    ncp__thread.number = number;
    return rc;
}

int ncp_tap_get(ncp_tap *tap, ncp_lease *out)
{
    if (NCP__UNLIKELY(tap == NULL || out == NULL))
        return NCP_EINVAL;
    *out = ncp__quick_get(tap->pool, tap->shard, &tap->gets, 0, 0);
    return NCP__LIKELY(*out != 0) ? NCP_OK : get_long(tap, out);
}

int ncp_tap_put(ncp_tap *tap, ncp_lease lease)
{
    if (NCP__UNLIKELY(tap == NULL))
        return NCP_EINVAL;
    return NCP__LIKELY(ncp__quick_put(tap->pool, tap->shard, lease))
               ? NCP_OK
               : put_long(tap, lease);
}
