/* The work of a pool that its host has to do: dials, checks, closes. It waits in a
 * list of slots until the queue is polled. */
#include "pool/pull.h"

void ncp__pull_work(ncp_pool *pool, uint32_t index, int type)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp__cold *cold = ncp__cold(slot);

    if (ncp__release_tells(pool, index, type))
        return;

    ncp__engine_lock(engine);
    bool queued = cold->work != 0;
    cold->work = (uint8_t)type;
    if (!queued) {
        cold->link = NCP__NO_SLOT;
        if (pool->work_head == NCP__NO_SLOT)
            pool->work_head = index;
        else
            ncp__cold(ncp__engine_slot(engine, pool->work_tail))->link = index;
        pool->work_tail = index;
        pool->events_out++;
    }
    ncp__engine_unlock(engine);
    ncp__queue_push_pool(pool->config.queue, pool);
}

/* ---------------------------------------------------------------------- needless */

/* The first DIAL or CHECK that was not handed out yet; few can be. */
static uint32_t unlink_needless_locked(ncp_pool *pool, int *type)
{
    struct ncp__engine *engine = &pool->engine;
    uint32_t before = NCP__NO_SLOT, index = pool->work_head;

    while (index != NCP__NO_SLOT &&
           ncp__cold(ncp__engine_slot(engine, index))->work ==
               NCP_EVENT_CLOSE) {
        before = index;
        index = ncp__cold(ncp__engine_slot(engine, index))->link;
    }
    if (index == NCP__NO_SLOT)
        return index;
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp__cold *cold = ncp__cold(slot);
    if (before == NCP__NO_SLOT)
        pool->work_head = cold->link;
    else
        ncp__cold(ncp__engine_slot(engine, before))->link = cold->link;
    if (pool->work_tail == index)
        pool->work_tail = before;
    *type = cold->work;
    cold->work = 0;
    pool->events_out--;
    return index;
}

/* The pool is closed: no dial is wanted. */
static void end_dial(ncp_pool *pool, uint32_t index)
{
    struct ncp__acts acts = NCP__NO_ACTS;

    (void)ncp__engine_dial_wanted(&pool->engine, index,
                                  ncp__engine_now(&pool->engine), &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
}

void ncp__pull_drop_needless(ncp_pool *pool)
{
    for (;;) {
        int type = 0;
        ncp__engine_lock(&pool->engine);
        uint32_t index = unlink_needless_locked(pool, &type);
        ncp__engine_unlock(&pool->engine);
        if (index == NCP__NO_SLOT)
            return;
        if (type == NCP_EVENT_DIAL)
            end_dial(pool, index);
        else
            (void)ncp__pull_end_check(pool, index, true);
    }
}

/* ------------------------------------------------------------------------ closes */

/* What is left to do for a slot whose close was told. */
enum after_close { KEEP_SLOT, TAKE_SLOT_BACK, FREE_SLOT };

/* Lock held: the slot of a lease that was taken away stays until it is put, and
 * that may be now. */
static enum after_close tell_close_locked(ncp_pool *pool, uint32_t index,
                                          ncp_event *event)
{
    const struct ncp__slot *slot = ncp__engine_slot(&pool->engine, index);
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);

    ncp__event_slot(event, pool, index, NCP_EVENT_CLOSE);
    event->lease = 0;
    event->reason = ncp__cold(slot)->reason;
    if (ncp__word_state(word) != NCP__CLOSING)
        return KEEP_SLOT;
    return (ncp__cold(slot)->dial_flags & NCP__SLOT_OUT) != 0 ? TAKE_SLOT_BACK
                                                              : FREE_SLOT;
}

static void after_close(ncp_pool *pool, uint32_t index, enum after_close what,
                        const ncp_event *event)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;

    ncp__log(pool, NCP_LOG_DEBUG, event->conn_id, "event=close reason=%s",
             ncp_reason_text(event->reason));
    if (what == TAKE_SLOT_BACK)
        ncp__engine_taken_back(engine, index, &acts);
    else if (what == FREE_SLOT)
        ncp__engine_closed_one(engine, index, ncp__engine_now(engine), &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
}

void ncp__pull_tell_close(ncp_pool *pool, uint32_t index, ncp_event *event)
{
    ncp__event_clear(event, pool);
    ncp__engine_lock(&pool->engine);
    enum after_close what = tell_close_locked(pool, index, event);
    ncp__engine_unlock(&pool->engine);
    after_close(pool, index, what, event);
}

/* ------------------------------------------------------------------- handing out */

/* A DIAL that nobody needs any more is ended before the host hears of it. */
static void dial_event(ncp_pool *pool, uint32_t index, ncp_event *event)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    uint64_t now_ns = ncp__engine_now(engine);
    bool wanted = ncp__engine_dial_wanted(engine, index, now_ns, &acts);

    if (wanted) {
        ncp__engine_lock(engine);
        ncp__event_dial_locked(event, pool, index, now_ns);
        ncp__engine_unlock(engine);
    }
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
}

static void check_event(ncp_pool *pool, uint32_t index, ncp_event *event)
{
    ncp__event_slot(event, pool, index, NCP_EVENT_CHECK);
    event->timeout_ms = ncp__pool_num(pool, NCP_OPTION_HEALTH_CHECK_TIMEOUT);
}

static uint32_t pop_work_locked(ncp_pool *pool, int *type)
{
    uint32_t index = pool->work_head;

    if (index == NCP__NO_SLOT)
        return index;
    struct ncp__slot *slot = ncp__engine_slot(&pool->engine, index);
    struct ncp__cold *cold = ncp__cold(slot);
    pool->work_head = cold->link;
    *type = cold->work;
    cold->work = 0;
    pool->events_out--;
    return index;
}

/* Takes one piece of work out; false when there is none left. A piece that has
 * become needless leaves the event as it is: NONE. */
static bool next_work(ncp_pool *pool, ncp_event *event)
{
    struct ncp__engine *engine = &pool->engine;
    enum after_close what = KEEP_SLOT;
    int type = 0;

    ncp__event_clear(event, pool);
    ncp__engine_lock(engine);
    uint32_t index = pop_work_locked(pool, &type);
    if (type == NCP_EVENT_CLOSE)
        what = tell_close_locked(pool, index, event);
    ncp__engine_unlock(engine);
    if (index == NCP__NO_SLOT)
        return false;
    if (type == NCP_EVENT_CLOSE)
        after_close(pool, index, what, event);
    else if (type == NCP_EVENT_DIAL)
        dial_event(pool, index, event);
    else
        check_event(pool, index, event);
    return true;
}

int ncp__pull_work_events(ncp_pool *pool, ncp_event *events, int max,
                          bool *more)
{
    int count = 0;

    while (count < max && (ncp__host_next(pool, &events[count]) ||
                           next_work(pool, &events[count])))
        count += events[count].type != NCP_EVENT_NONE;
    ncp__engine_lock(&pool->engine);
    *more = pool->work_head != NCP__NO_SLOT || ncp__host_more_locked(pool);
    ncp__engine_unlock(&pool->engine);
    return count;
}
