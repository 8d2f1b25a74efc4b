/* Giving back, and taking out what comes of it, in one call. */
#include "pool/pull.h"

/* The connection that this thread is giving back: its CLOSE is told at once, by
 * the release that caused it. */
static _Thread_local struct {
    const ncp_pool *pool;
    uint32_t index;
    bool closes;
} giving_back;

bool ncp__release_tells(ncp_pool *pool, uint32_t index, int type)
{
    if (type != NCP_EVENT_CLOSE || giving_back.pool != pool ||
        giving_back.index != index || giving_back.closes)
        return false;
    giving_back.closes = true;
    ncp__pool_hold(pool); /* until it is told */
    return true;
}

static int put_flagged(ncp_pool *pool, ncp_lease lease, int flags)
{
    if ((flags & NCP_FLAG_HOOK) != 0)
        return ncp__lease_discard(pool, lease, NCP_REASON_HOOK);
    if ((flags & NCP_FLAG_DISCARD) != 0)
        return ncp__lease_discard(pool, lease, NCP_REASON_DISCARDED);
    return ncp_pool_put(pool, lease);
}

/* The same, and the CLOSE that comes of it. Returns how many events. */
static int put_and_tell(ncp_pool *pool, ncp_lease lease, int flags,
                        ncp_event *event, int *status)
{
    giving_back.pool = pool;
    giving_back.index = ncp__token_index(lease);
    giving_back.closes = false;
    *status = put_flagged(pool, lease, flags);
    giving_back.pool = NULL;
    if (NCP__LIKELY(!giving_back.closes))
        return 0;
    ncp__pull_tell_close(pool, ncp__token_index(lease), event);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return 1;
}

int ncp_pool_release(ncp_pool *pool, ncp_lease lease, int flags,
                     ncp_queue *queue, ncp_event *events, int max, int *status)
{
    int room = max > 0 && events != NULL ? max : 0;
    int count = 0, unused;

    status = status == NULL ? &unused : status;
    ncp__queue_hush(queue);
    if (pool != NULL && pool->pull && room > 0)
        count = put_and_tell(pool, lease, flags, events, status);
    else
        *status = put_flagged(pool, lease, flags);
    if (queue != NULL && room > count)
        count += ncp_queue_poll(queue, events + count, room - count);
    ncp__queue_unhush(queue);
    return count;
}
