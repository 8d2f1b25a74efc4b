/* Giving back, and taking out what comes of it, in one call. */
#include "pool/pull.h"
#include "pool/quick.h"

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

/* What the queue has becomes events, up to `max`; it may have nothing. */
static int poll_too(ncp_queue *queue, ncp_event *events, int max)
{
    if (NCP__LIKELY(queue == NULL || ncp_queue_ready(queue) == 0))
        return 0;
    return max > 0 ? ncp_queue_poll(queue, events, max) : 0;
}

/* The events that this thread causes go to it and wake nobody, unless there is no
 * room for them. */
static NCP__APART int release(ncp_pool *pool, ncp_lease lease, int flags,
                              ncp_queue *queue, ncp_event *events, int room,
                              int *status)
{
    int count = 0;

    ncp__queue_hush(queue);
    if (pool != NULL && pool->pull && room > 0)
        count = put_and_tell(pool, lease, flags, events, status);
    else
        *status = put_flagged(pool, lease, flags);
    count += poll_too(queue, events + count, room - count);
    ncp__queue_unhush(queue);
    return count;
}

/* It is idle, and somebody may have to be served. */
NCP__APART int ncp__release_serve(ncp_pool *pool, ncp_queue *queue,
                                  ncp_event *events, int room)
{
    ncp__queue_hush(queue);
    ncp__put_serve(pool);
    int count = poll_too(queue, events, room);
    ncp__queue_unhush(queue);
    return count;
}

int ncp_pool_release(ncp_pool *pool, ncp_lease lease, int flags,
                     ncp_queue *queue, ncp_event *events, int max, int *status)
{
    int room = max > 0 && events != NULL ? max : 0, unused;
    enum ncp__fast_put put = NCP__PUT_NOT;

    status = status == NULL ? &unused : status;
    if (NCP__LIKELY(flags == 0 && pool != NULL && pool->pull))
        put =
            ncp__quick_return(pool, ncp__idle_home(&pool->engine.idle), lease);
    if (NCP__UNLIKELY(put == NCP__PUT_NOT))
        return release(pool, lease, flags, queue, events, room, status);
    *status = NCP_OK;
    if (NCP__UNLIKELY(put == NCP__PUT_SERVE))
        return ncp__release_serve(pool, queue, events, room);
    /* Nothing came of it for the queue, so nothing had to be hushed. What others
     * put in after this look rings by itself: they are not hushed here. */
    return poll_too(queue, events, room);
}
