/* The pull driver: the pool hands its work out and never waits. This is where it
 * begins and ends, and its time. */
#include "pool/pull.h"

int ncp__pull_init(ncp_pool *pool)
{
    pool->work_head = NCP__NO_SLOT;
    pool->work_tail = NCP__NO_SLOT;
    if (!pool->pull)
        return NCP_OK;
    int rc = ncp__tickets_init(pool);
    return rc == NCP_OK ? ncp__host_init(pool) : rc;
}

void ncp__pull_destroy(ncp_pool *pool)
{
    ncp__host_destroy(pool);
    ncp__tickets_destroy(pool);
}

void ncp__pull_forked(ncp_pool *pool)
{
    pool->work_head = NCP__NO_SLOT;
    pool->work_tail = NCP__NO_SLOT;
    pool->in_queue = false;
    ncp__host_forked(pool);
    ncp__tickets_forked(pool);
}

/* -------------------------------------------------------------------------- time */

int ncp_pool_work(ncp_pool *pool)
{
    if (pool == NULL)
        return NCP_EINVAL;
    if (!pool->pull)
        return NCP_ESTATE;
    ncp__pool_hold(pool);
    ncp__pool_after_fork(pool);
    ncp__upkeep(pool);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return NCP_OK;
}

int64_t ncp_pool_next_due_ms(const ncp_pool *pool)
{
    if (pool == NULL)
        return -1;
    if (atomic_load_explicit(&pool->wake_pending, memory_order_seq_cst) ||
        atomic_load_explicit(&pool->keeping, memory_order_seq_cst))
        return 0;
    return ncp__ms_until(ncp__engine_now(&pool->engine),
                         ncp__host_tell_due(pool));
}
