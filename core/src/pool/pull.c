/* The pull driver: the pool hands its work out and never waits. */
#include "pool/queue.h"

#include <sched.h>
#include <string.h>

enum { TICKETS_A_CHUNK = 32, TICKET_INDEX_BITS = 20 };

#define TICKET_LIMIT (UINT32_C(1) << TICKET_INDEX_BITS)

/* Waiters with a number: made when needed, freed with the pool. Guarded by the
 * engine's lock. A waiter is the host's under its number until the ticket is
 * taken or abandoned; and nameless while a caller dials or checks for it. */
struct ncp__tickets {
    struct ncp__waiter **chunk;
    uint32_t chunks, room;
    uint32_t free; /* linked by waiter.link */
};

/* ------------------------------------------------------------------------ tickets */

int ncp__pull_init(ncp_pool *pool)
{
    pool->work_head = NCP__NO_SLOT;
    pool->work_tail = NCP__NO_SLOT;
    if (!pool->pull)
        return NCP_OK;
    pool->tickets = ncp__alloc(sizeof(*pool->tickets));
    if (pool->tickets == NULL)
        return NCP_ENOMEM;
    pool->tickets->free = UINT32_MAX;
    return ncp__host_init(pool);
}

void ncp__pull_destroy(ncp_pool *pool)
{
    struct ncp__tickets *tickets = pool->tickets;

    ncp__host_destroy(pool);
    if (tickets == NULL)
        return;
    for (uint32_t i = 0; i < tickets->chunks; i++)
        ncp__free(tickets->chunk[i]);
    ncp__free(tickets->chunk);
    ncp__free(tickets);
}

static struct ncp__waiter *ticket_at(const struct ncp__tickets *tickets,
                                     uint32_t index)
{
    return &tickets->chunk[index / TICKETS_A_CHUNK][index % TICKETS_A_CHUNK];
}

static bool widen(struct ncp__tickets *tickets)
{
    uint32_t room = tickets->room == 0 ? 8 : tickets->room * 2;
    struct ncp__waiter **chunk =
        ncp__alloc(room * sizeof(struct ncp__waiter *));

    if (chunk == NULL)
        return false;
    if (tickets->chunks != 0)
        memcpy(chunk, tickets->chunk,
               tickets->chunks * sizeof(struct ncp__waiter *));
    ncp__free(tickets->chunk);
    tickets->chunk = chunk;
    tickets->room = room;
    return true;
}

static bool grow(struct ncp__tickets *tickets)
{
    uint32_t first = tickets->chunks * TICKETS_A_CHUNK;

    if (first >= TICKET_LIMIT ||
        (tickets->chunks == tickets->room && !widen(tickets)))
        return false;
    struct ncp__waiter *chunk = ncp__alloc(TICKETS_A_CHUNK * sizeof(*chunk));
    if (chunk == NULL)
        return false;
    tickets->chunk[tickets->chunks++] = chunk;
    for (uint32_t i = TICKETS_A_CHUNK; i-- > 0;) {
        chunk[i].ticket = (UINT64_C(1) << TICKET_INDEX_BITS) | (first + i);
        chunk[i].link = tickets->free;
        tickets->free = first + i;
    }
    return true;
}

/* The number of a freed ticket moves on, so that the old one is stale. */
static uint64_t next_number(uint64_t number)
{
    const uint64_t step = UINT64_C(1) << TICKET_INDEX_BITS;

    number = (number + step) & ((UINT64_C(1) << 52) - 1);
    return number >= step ? number : number + step;
}

static struct ncp__waiter *new_ticket(ncp_pool *pool, ncp_queue *queue,
                                      int protocol, int ip, uint64_t now_ns,
                                      int64_t timeout_ms)
{
    struct ncp__tickets *tickets = pool->tickets;
    struct ncp__waiter *waiter = NULL;

    ncp__engine_lock(&pool->engine);
    if (tickets->free != UINT32_MAX || grow(tickets)) {
        waiter = ticket_at(tickets, tickets->free);
        tickets->free = waiter->link;
        uint64_t number = waiter->ticket;
        ncp__waiter_init(waiter, protocol, ip, now_ns,
                         ncp__deadline(now_ns, timeout_ms));
        waiter->ticket = number;
        waiter->is_ticket = true;
        waiter->pool = pool;
        waiter->queue = ncp__queue_ref(queue);
        pool->events_out++;
    }
    ncp__engine_unlock(&pool->engine);
    return waiter;
}

static void free_ticket(ncp_pool *pool, struct ncp__waiter *waiter)
{
    struct ncp__tickets *tickets = pool->tickets;
    ncp_queue *queue = waiter->queue;

    ncp__engine_lock(&pool->engine);
    waiter->queue = NULL;
    waiter->named = false;
    waiter->link = tickets->free;
    tickets->free = (uint32_t)(waiter->ticket & (TICKET_LIMIT - 1));
    waiter->ticket = next_number(waiter->ticket);
    pool->events_out--;
    ncp__engine_unlock(&pool->engine);
    ncp__queue_unref(queue);
}

/* The waiter of a number, made nameless: it is the caller's now. With `only_
 * decided` one that still waits keeps its name and NCP_EAGAIN is returned. */
static int claim_ticket(ncp_pool *pool, ncp_ticket ticket, bool only_decided,
                        struct ncp__waiter **out)
{
    struct ncp__tickets *tickets = pool->tickets;
    uint32_t index = (uint32_t)(ticket & (TICKET_LIMIT - 1));
    int rc = NCP_EINVALIDCONN;

    *out = NULL;
    ncp__engine_lock(&pool->engine);
    if (tickets != NULL && index / TICKETS_A_CHUNK < tickets->chunks) {
        struct ncp__waiter *waiter = ticket_at(tickets, index);
        bool right = waiter->ticket == ticket && waiter->named;
        if (right && only_decided && waiter->queued) {
            rc = NCP_EAGAIN;
        } else if (right) {
            waiter->named = false;
            *out = waiter;
            rc = NCP_OK;
        }
    }
    ncp__engine_unlock(&pool->engine);
    return rc;
}

/* Whoever decided it is about to say so; after that only we know it. */
static void settle_ticket(struct ncp__waiter *waiter)
{
    while (atomic_load_explicit(&waiter->state, memory_order_acquire) !=
           NCP__DECIDED)
        sched_yield();
    if (waiter->queue != NULL)
        ncp__queue_remove_ticket(waiter->queue, waiter);
}

void ncp__pull_notify(void *pool, struct ncp__waiter *ticket)
{
    (void)pool;
    ncp__queue_push_ticket(ticket->queue, ticket);
}

/* ------------------------------------------------------------------------- events */

void ncp__event_clear(ncp_event *event, ncp_pool *pool)
{
    *event = (ncp_event){.pool = pool, .fd = -1};
}

void ncp__event_slot(ncp_event *event, const ncp_pool *pool, uint32_t index,
                     int type)
{
    const struct ncp__slot *slot = ncp__engine_slot(&pool->engine, index);

    event->type = type;
    event->lease = ncp__engine_lease(&pool->engine, index);
    event->handle = slot->handle;
    event->conn_id = slot->id;
    event->fd = slot->fd;
    event->protocol = slot->protocol;
    event->ip = slot->ip;
}

void ncp__pull_ticket_event(const struct ncp__waiter *ticket, ncp_event *event)
{
    ncp__event_clear(event, ticket->pool);
    event->type = NCP_EVENT_READY;
    event->status = ticket->status;
    event->code = ticket->code;
    event->ticket = ticket->ticket;
    event->tag = ticket->tag;
}

/* What is to be dialed, and until when. Lock held. */
static void fill_dial(ncp_event *event, const ncp_pool *pool, uint32_t index,
                      uint64_t now_ns)
{
    const struct ncp__slot *slot = ncp__engine_slot(&pool->engine, index);
    const struct ncp__waiter *owner = slot->of.owner;
    uint64_t end_ns = slot->due_ns;

    ncp__event_slot(event, pool, index, NCP_EVENT_DIAL);
    event->handle = 0;
    event->conn_id = 0;
    event->fd = -1;
    if (owner != NULL) {
        end_ns = owner->deadline_ns < end_ns ? owner->deadline_ns : end_ns;
        event->tag = owner->tag;
        event->reason = owner->attempts;
        event->ticket = owner->named ? owner->ticket : 0;
    }
    event->timeout_ms = ncp__ms_until(now_ns, end_ns);
    event->creation_ms = ncp__ms_until(now_ns, slot->due_ns);
}

/* --------------------------------------------------------------------------- work */

/* The connection that this thread is giving back: its CLOSE is told at once, by
 * the release that caused it. */
static _Thread_local struct {
    const ncp_pool *pool;
    uint32_t index;
    bool closes;
} giving_back;

static bool is_told_by_release(ncp_pool *pool, uint32_t index, int type)
{
    if (type != NCP_EVENT_CLOSE || giving_back.pool != pool ||
        giving_back.index != index || giving_back.closes)
        return false;
    giving_back.closes = true;
    ncp__pool_hold(pool); /* until it is told */
    return true;
}

void ncp__pull_work(ncp_pool *pool, uint32_t index, int type)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__slot *slot = ncp__engine_slot(engine, index);

    if (is_told_by_release(pool, index, type))
        return;

    ncp__engine_lock(engine);
    bool queued = slot->work != 0;
    slot->work = (uint8_t)type;
    if (!queued) {
        slot->link = NCP__NO_SLOT;
        if (pool->work_head == NCP__NO_SLOT)
            pool->work_head = index;
        else
            ncp__engine_slot(engine, pool->work_tail)->link = index;
        pool->work_tail = index;
        pool->events_out++;
    }
    ncp__engine_unlock(engine);
    ncp__queue_push_pool(pool->config.queue, pool);
}

static uint32_t pop_work_locked(ncp_pool *pool, int *type)
{
    uint32_t index = pool->work_head;

    if (index == NCP__NO_SLOT)
        return index;
    struct ncp__slot *slot = ncp__engine_slot(&pool->engine, index);
    pool->work_head = slot->link;
    *type = slot->work;
    slot->work = 0;
    pool->events_out--;
    return index;
}

/* The first DIAL or CHECK that was not handed out yet; few can be. */
static uint32_t unlink_needless_locked(ncp_pool *pool, int *type)
{
    struct ncp__engine *engine = &pool->engine;
    uint32_t before = NCP__NO_SLOT, index = pool->work_head;

    while (index != NCP__NO_SLOT &&
           ncp__engine_slot(engine, index)->work == NCP_EVENT_CLOSE) {
        before = index;
        index = ncp__engine_slot(engine, index)->link;
    }
    if (index == NCP__NO_SLOT)
        return index;
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    if (before == NCP__NO_SLOT)
        pool->work_head = slot->link;
    else
        ncp__engine_slot(engine, before)->link = slot->link;
    if (pool->work_tail == index)
        pool->work_tail = before;
    *type = slot->work;
    slot->work = 0;
    pool->events_out--;
    return index;
}

/* A check that was work; false when it is over already. */
static bool end_check(ncp_pool *pool, uint32_t index, bool healthy)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;

    if (!ncp__engine_check_done(engine, index, healthy, ncp__engine_now(engine),
                                &acts))
        return false;
    ncp__engine_lock(engine);
    pool->checks_out--;
    ncp__engine_unlock(engine);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    return true;
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
            (void)end_check(pool, index, true);
    }
}

/* A DIAL that nobody needs any more is ended before the host hears of it. */
static void dial_event(ncp_pool *pool, uint32_t index, ncp_event *event)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    uint64_t now_ns = ncp__engine_now(engine);
    bool wanted = ncp__engine_dial_wanted(engine, index, now_ns, &acts);

    if (wanted) {
        ncp__engine_lock(engine);
        fill_dial(event, pool, index, now_ns);
        ncp__engine_unlock(engine);
    }
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
}

static void check_event(ncp_pool *pool, uint32_t index, ncp_event *event)
{
    ncp__event_slot(event, pool, index, NCP_EVENT_CHECK);
    event->timeout_ms = ncp__pool_num(pool, NCP_OPTION_HEALTH_CHECK_TIMEOUT);
}

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
    event->reason = slot->reason;
    if (ncp__word_state(word) != NCP__CLOSING)
        return KEEP_SLOT;
    return (slot->dial_flags & NCP__SLOT_OUT) != 0 ? TAKE_SLOT_BACK : FREE_SLOT;
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

static void tell_close(ncp_pool *pool, uint32_t index, ncp_event *event)
{
    ncp__event_clear(event, pool);
    ncp__engine_lock(&pool->engine);
    enum after_close what = tell_close_locked(pool, index, event);
    ncp__engine_unlock(&pool->engine);
    after_close(pool, index, what, event);
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

/* ------------------------------------------------------------------------ answers */

static int take_place(ncp_pool *pool, struct ncp__waiter *waiter,
                      ncp_event *out);

static void fill_conn(ncp_event *event, const ncp_pool *pool,
                      const struct ncp__waiter *waiter, int type)
{
    ncp__event_slot(event, pool, waiter->slot, type);
    event->tag = waiter->tag;
    event->reused = !waiter->fresh;
}

/* The host is to look at it first; the waiter stays with it until then. */
static int ask_host(ncp_pool *pool, struct ncp__waiter *waiter, int type,
                    ncp_event *out)
{
    struct ncp__slot *slot = ncp__engine_slot(&pool->engine, waiter->slot);

    ncp__engine_lock(&pool->engine);
    waiter->outcome = (uint8_t)type;
    slot->of.owner = waiter;
    atomic_fetch_or_explicit(&slot->flags, NCP__FLAG_BORROW_CHECK,
                             memory_order_relaxed);
    ncp__engine_unlock(&pool->engine);
    fill_conn(out, pool, waiter, type);
    if (type == NCP_EVENT_CHECK)
        out->timeout_ms = ncp__pool_num(pool, NCP_OPTION_HEALTH_CHECK_TIMEOUT);
    return NCP_OK;
}

/* The connection is the caller's. */
static int lend(ncp_pool *pool, struct ncp__waiter *waiter, ncp_event *out)
{
    struct ncp__slot *slot = ncp__engine_slot(&pool->engine, waiter->slot);

    if (waiter->outcome != NCP_EVENT_CONN) /* the borrow begins now */
        atomic_store_explicit(&slot->touched_ns, ncp__engine_now(&pool->engine),
                              memory_order_relaxed);
    fill_conn(out, pool, waiter, NCP_EVENT_CONN);
    ncp__engine_count_end(&pool->engine, waiter, NCP_OK, !waiter->fresh);
    ncp__get_record(pool, waiter->since_ns, 1);
    ncp__get_mark(pool, waiter->slot, waiter->tag);
    free_ticket(pool, waiter);
    return NCP_OK;
}

/* It is healthy; the borrow hook of the host comes last. */
static int lend_checked(ncp_pool *pool, struct ncp__waiter *waiter,
                        ncp_event *out)
{
    return (pool->borrow_work & NCP__BORROW_HOOK) != 0
               ? ask_host(pool, waiter, NCP_EVENT_BORROW, out)
               : lend(pool, waiter, out);
}

static int answer_conn(ncp_pool *pool, struct ncp__waiter *waiter,
                       ncp_event *out)
{
    if (waiter->fresh)
        return lend_checked(pool, waiter, out);
    if (!ncp__get_clean(pool, waiter->slot)) {
        ncp__get_reject(pool, waiter->slot, NCP_REASON_DIRTY);
        return take_place(pool, waiter, out);
    }
    return (pool->borrow_work & NCP__BORROW_CHECK) != 0
               ? ask_host(pool, waiter, NCP_EVENT_CHECK, out)
               : lend_checked(pool, waiter, out);
}

static int answer_dial(ncp_pool *pool, struct ncp__waiter *waiter,
                       ncp_event *out)
{
    struct ncp__engine *engine = &pool->engine;
    uint64_t now_ns = ncp__engine_now(engine);

    ncp__engine_lock(engine);
    fill_dial(out, pool, waiter->slot, now_ns);
    ncp__engine_unlock(engine);
    out->tag = waiter->tag;
    if (waiter->not_before_ns > now_ns)
        out->timeout_ms = ncp__ms_until(now_ns, waiter->not_before_ns);
    return NCP_OK;
}

static void fill_failure(ncp_event *event, const struct ncp__waiter *waiter,
                         int status)
{
    event->status = status;
    event->code = waiter->code;
    event->tag = waiter->tag;
    event->ticket = waiter->ticket;
}

/* What a nameless waiter came to. It may be gone afterwards. */
static int answer(ncp_pool *pool, struct ncp__waiter *waiter, ncp_event *out)
{
    int status = waiter->status;

    if (status == NCP_OK && waiter->outcome == NCP_EVENT_CONN)
        return answer_conn(pool, waiter, out);
    if (status == NCP_OK && waiter->outcome == NCP_EVENT_DIAL)
        return answer_dial(pool, waiter, out);
    fill_failure(out, waiter, status);
    free_ticket(pool, waiter);
    return status;
}

/* Takes the waiter out of those to be told, for we are about to answer. */
static bool forget_decided(struct ncp__acts *acts,
                           const struct ncp__waiter *waiter)
{
    struct ncp__waiter *before = NULL, *at = acts->decided_head;

    while (at != NULL && at != waiter) {
        before = at;
        at = at->next;
    }
    if (at == NULL)
        return false;
    if (before == NULL)
        acts->decided_head = at->next;
    else
        before->next = at->next;
    if (acts->decided_tail == at)
        acts->decided_tail = before;
    return true;
}

/* What is said of a waiter that stands in line; noted before it does, because
 * after that it may be decided, taken and freed by others at any moment. */
struct pending {
    ncp_ticket ticket;
    uint64_t tag;
    uint64_t deadline_ns;
};

static struct pending name(ncp_pool *pool, struct ncp__waiter *waiter)
{
    struct pending pending = {waiter->ticket, waiter->tag, waiter->deadline_ns};

    ncp__engine_lock(&pool->engine);
    waiter->named = true;
    atomic_store_explicit(&waiter->state, NCP__WAITING, memory_order_relaxed);
    ncp__engine_unlock(&pool->engine);
    return pending;
}

static void unname(ncp_pool *pool, struct ncp__waiter *waiter)
{
    ncp__engine_lock(&pool->engine);
    waiter->named = false;
    ncp__engine_unlock(&pool->engine);
}

/* After a call of the engine that may have put a named waiter in line (`stood`)
 * and decided it. */
static int answer_or_pend(ncp_pool *pool, struct ncp__waiter *waiter,
                          bool stood, const struct pending *pending,
                          struct ncp__acts *acts, ncp_event *out)
{
    bool mine = !stood || forget_decided(acts, waiter);

    if (mine)
        unname(pool, waiter);
    ncp__pool_act(pool, acts, NCP__NO_SLOT);
    if (mine)
        return answer(pool, waiter, out);
    out->type = NCP_EVENT_PENDING;
    out->ticket = pending->ticket;
    out->tag = pending->tag;
    if (pending->deadline_ns != NCP__NEVER)
        ncp__upkeep_at(pool, pending->deadline_ns);
    return NCP_OK;
}

static int stand_in_line(ncp_pool *pool, struct ncp__waiter *waiter,
                         ncp_event *out)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    struct pending pending = name(pool, waiter);
    int rc =
        ncp__engine_enqueue(engine, waiter, ncp__engine_now(engine), &acts);

    if (rc == NCP_OK)
        return answer_or_pend(pool, waiter, true, &pending, &acts, out);
    unname(pool, waiter);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    free_ticket(pool, waiter);
    return rc;
}

/* ------------------------------------------------------------------------ acquire */

static int try_once(ncp_pool *pool, struct ncp__waiter *waiter, ncp_event *out)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    int rc = ncp__engine_try(engine, waiter, ncp__engine_now(engine), &acts);

    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    if (rc == NCP_OK)
        return answer(pool, waiter, out);
    free_ticket(pool, waiter);
    return rc;
}

static int take_place(ncp_pool *pool, struct ncp__waiter *waiter,
                      ncp_event *out)
{
    return waiter->tries ? try_once(pool, waiter, out)
                         : stand_in_line(pool, waiter, out);
}

static int acquire_slow(ncp_pool *pool, ncp_queue *queue, int protocol, int ip,
                        int64_t timeout_ms, uint64_t tag, int flags,
                        ncp_event *out)
{
    struct ncp__engine *engine = &pool->engine;

    ncp__pool_after_fork(pool);
    if (ncp__engine_closed(engine))
        return NCP_ECLOSED;
    struct ncp__waiter *waiter = new_ticket(
        pool, queue, protocol, ip, ncp__engine_now(engine), timeout_ms);
    if (waiter == NULL) {
        ncp__engine_count_failure(engine, NCP_ENOMEM);
        return NCP_ENOMEM;
    }
    waiter->tag = tag;
    waiter->dials_itself = (flags & NCP_FLAG_DIALS) != 0;
    waiter->tries = timeout_ms == 0 || (flags & NCP_FLAG_TRY) != 0;
    waiter->takes = (flags & NCP_FLAG_TAKE) != 0;
    return take_place(pool, waiter, out);
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

/* ------------------------------------------------------------------- reservations */

/* The slot of a reservation that was told and has not ended. Lock held. */
static struct ncp__slot *told_locked(ncp_pool *pool, ncp_lease reservation)
{
    struct ncp__slot *slot = ncp__slot_of(&pool->engine.slots, reservation);
    uint64_t word =
        ncp__word(ncp__token_generation(reservation), NCP__CREATING);

    if (slot == NULL || slot->work != 0 ||
        atomic_load_explicit(&slot->word, memory_order_acquire) != word)
        return NULL;
    return slot;
}

/* Takes a reservation from its host: its number is used up. */
static int claim_reservation(ncp_pool *pool, ncp_lease reservation,
                             uint32_t *index)
{
    uint64_t generation = ncp__token_generation(reservation);
    uint64_t word = ncp__word(generation, NCP__CREATING);

    if (!pool->pull)
        return NCP_ESTATE;
    ncp__engine_lock(&pool->engine);
    struct ncp__slot *slot = told_locked(pool, reservation);
    bool ours = slot != NULL &&
                atomic_compare_exchange_strong_explicit(
                    &slot->word, &word,
                    ncp__word(ncp__next_generation(generation), NCP__CREATING),
                    memory_order_acq_rel, memory_order_relaxed);
    ncp__engine_unlock(&pool->engine);
    *index = ncp__token_index(reservation);
    return ours ? NCP_OK : NCP_EINVALIDCONN;
}

/* Whose dial it is, if the caller's own. */
static struct ncp__waiter *bound_owner(ncp_pool *pool, uint32_t index)
{
    struct ncp__slot *slot = ncp__engine_slot(&pool->engine, index);

    ncp__engine_lock(&pool->engine);
    struct ncp__waiter *owner =
        slot->dial_kind == NCP__DIAL_BOUND ? slot->of.owner : NULL;
    ncp__engine_unlock(&pool->engine);
    return owner;
}

static int dialed(ncp_pool *pool, ncp_lease reservation,
                  const struct ncp__made *made, uint64_t *out)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;

    ncp__engine_lock(engine);
    struct ncp__slot *slot = told_locked(pool, reservation);
    if (slot != NULL) {
        ncp__dialed_locked(engine, slot, made, ncp__engine_now(engine), &acts);
        *out = slot->id;
    }
    ncp__engine_unlock(engine);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    return slot == NULL ? NCP_EINVALIDCONN : NCP_OK;
}

int ncp_pool_dialed(ncp_pool *pool, ncp_lease reservation, uint64_t handle,
                    int fd, int protocol, int ip, uint64_t *out)
{
    struct ncp__made made = ncp__made(handle, fd, protocol, ip);
    uint64_t unused;

    out = out == NULL ? &unused : out;
    *out = 0;
    if (pool == NULL)
        return NCP_EINVAL;
    if (!pool->pull)
        return NCP_ESTATE;
    ncp__pool_hold(pool);
    ncp__conn_examine(pool, &made);
    int rc = dialed(pool, reservation, &made, out);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

static int fulfil(ncp_pool *pool, uint32_t index, const struct ncp__made *made,
                  ncp_event *out)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__waiter *owner = bound_owner(pool, index);
    struct ncp__acts acts = NCP__NO_ACTS;
    uint64_t now_ns = ncp__engine_now(engine);
    struct pending pending;

    ncp__engine_dialed(engine, index, made, now_ns, &acts);
    ncp__conn_created(pool, ncp__engine_slot(engine, index));
    if (owner == NULL) {
        ncp__engine_connected(engine, index, now_ns, &acts);
        ncp__pool_act(pool, &acts, NCP__NO_SLOT);
        return ncp__engine_closed(engine) ? NCP_ECLOSED : NCP_OK;
    }
    pending = name(pool, owner);
    bool stood = ncp__engine_bound_connected(engine, index, now_ns, &acts);
    return answer_or_pend(pool, owner, stood, &pending, &acts, out);
}

int ncp_pool_fulfil(ncp_pool *pool, ncp_lease reservation, uint64_t handle,
                    int fd, int protocol, int ip, ncp_event *out)
{
    struct ncp__made made = ncp__made(handle, fd, protocol, ip);
    ncp_event unused;
    uint32_t index;

    out = out == NULL ? &unused : out;
    ncp__event_clear(out, pool);
    if (pool == NULL)
        return NCP_EINVAL;
    int rc = claim_reservation(pool, reservation, &index);
    if (rc != NCP_OK)
        return rc;
    ncp__pool_hold(pool);
    ncp__conn_examine(pool, &made);
    rc = fulfil(pool, index, &made, out);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

static int fail(ncp_pool *pool, uint32_t index, int status, int64_t code,
                const char *text, ncp_event *out)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__waiter *owner = bound_owner(pool, index);
    struct ncp__acts acts = NCP__NO_ACTS;
    uint64_t now_ns = ncp__engine_now(engine);
    struct pending pending;

    ncp__log(pool, NCP_LOG_WARN, 0,
             "event=dial_failed status=%s code=%lld text=\"%s\"",
             ncp_status_name(status), (long long)code,
             text == NULL ? "" : text);
    if (owner == NULL) {
        ncp__engine_dial_failed(engine, index, status, code, text, now_ns,
                                &acts);
        ncp__pool_act(pool, &acts, NCP__NO_SLOT);
        return NCP_OK;
    }
    pending = name(pool, owner);
    bool stood = ncp__engine_bound_failed(engine, index, status, code, text,
                                          now_ns, &acts);
    int rc = answer_or_pend(pool, owner, stood, &pending, &acts, out);
    /* The caller knows how it failed; NONE says that the get is over. */
    return rc == status ? NCP_OK : rc;
}

static bool is_failure(int status)
{
    return status == NCP_EDIAL || status == NCP_EUSER || status == NCP_EHOOK ||
           status == NCP_EINVALIDCONN || status == NCP_ECANCELED;
}

int ncp_pool_fail(ncp_pool *pool, ncp_lease reservation, int status,
                  int64_t code, const char *text, ncp_event *out)
{
    ncp_event unused;
    uint32_t index;

    out = out == NULL ? &unused : out;
    ncp__event_clear(out, pool);
    if (pool == NULL || !is_failure(status))
        return NCP_EINVAL;
    int rc = claim_reservation(pool, reservation, &index);
    if (rc != NCP_OK)
        return rc;
    ncp__pool_hold(pool);
    rc = fail(pool, index, status, code, text, out);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

/* ------------------------------------------------------------------------- checks */

/* The check of check_on_borrow: the waiter that stays with the lease. */
static struct ncp__waiter *claim_borrow_check(ncp_pool *pool, ncp_lease lease)
{
    struct ncp__waiter *waiter = NULL;

    ncp__engine_lock(&pool->engine);
    struct ncp__slot *slot = ncp__lease_slot(pool, lease);
    if (slot != NULL &&
        (atomic_load_explicit(&slot->flags, memory_order_relaxed) &
         NCP__FLAG_BORROW_CHECK) != 0) {
        atomic_fetch_and_explicit(&slot->flags,
                                  (uint8_t)~NCP__FLAG_BORROW_CHECK,
                                  memory_order_relaxed);
        waiter = slot->of.owner;
        slot->of.tag = 0;
    }
    ncp__engine_unlock(&pool->engine);
    return waiter;
}

/* The borrow hook of the host has looked at it. */
static int finish_borrow_hook(ncp_pool *pool, struct ncp__waiter *waiter,
                              bool accepted, ncp_event *out)
{
    if (accepted)
        return lend(pool, waiter, out);
    ncp__get_reject(pool, waiter->slot, NCP_REASON_HOOK);
    ncp__engine_count_end(&pool->engine, waiter, NCP_EHOOK, false);
    fill_failure(out, waiter, NCP_EHOOK);
    free_ticket(pool, waiter);
    return NCP_EHOOK;
}

static int finish_borrow_check(ncp_pool *pool, struct ncp__waiter *waiter,
                               bool healthy, ncp_event *out)
{
    if (waiter->outcome == NCP_EVENT_BORROW)
        return finish_borrow_hook(pool, waiter, healthy, out);
    ncp__engine_count_check(&pool->engine, healthy);
    if (healthy)
        return lend_checked(pool, waiter, out);
    ncp__get_reject(pool, waiter->slot, NCP_REASON_UNHEALTHY);
    return take_place(pool, waiter, out);
}

/* A check that was handed out as work. */
static int finish_check(ncp_pool *pool, ncp_lease lease, bool healthy)
{
    struct ncp__slot *slot = ncp__slot_of(&pool->engine.slots, lease);
    uint64_t word = ncp__word(ncp__token_generation(lease), NCP__CHECKING);

    if (slot == NULL)
        return NCP_EINVALIDCONN;
    if (atomic_load_explicit(&slot->word, memory_order_acquire) == word &&
        end_check(pool, ncp__token_index(lease), healthy))
        return NCP_OK;
    ncp__check_answered_late(pool, lease);
    return NCP_EINVALIDCONN;
}

static int checked(ncp_pool *pool, ncp_lease lease, bool healthy,
                   ncp_event *out)
{
    struct ncp__waiter *waiter = claim_borrow_check(pool, lease);

    return waiter != NULL ? finish_borrow_check(pool, waiter, healthy, out)
                          : finish_check(pool, lease, healthy);
}

int ncp_pool_checked(ncp_pool *pool, ncp_lease lease, int healthy,
                     ncp_event *out)
{
    ncp_event unused;

    out = out == NULL ? &unused : out;
    ncp__event_clear(out, pool);
    if (pool == NULL)
        return NCP_EINVAL;
    if (!pool->pull)
        return NCP_ESTATE;
    ncp__pool_hold(pool);
    int rc = checked(pool, lease, healthy != 0, out);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

bool ncp__pull_drop_check(ncp_pool *pool, ncp_lease lease, int status)
{
    struct ncp__waiter *waiter =
        pool->pull ? claim_borrow_check(pool, lease) : NULL;

    if (waiter == NULL)
        return false;
    ncp__engine_count_end(&pool->engine, waiter, status, false);
    free_ticket(pool, waiter);
    return true;
}

/* ------------------------------------------------------------------------ release */

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
    tell_close(pool, ncp__token_index(lease), event);
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

/* ------------------------------------------------------------------------ tickets */

/* A ticket that was decided, and nobody will take: what it got goes back. */
static void give_back(ncp_pool *pool, struct ncp__waiter *waiter, int status)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;

    ncp__engine_count_end(engine, waiter, status, false);
    if (waiter->status != NCP_OK)
        return;
    if (waiter->outcome == NCP_EVENT_CONN) {
        (void)ncp_pool_put(pool, ncp__engine_lease(engine, waiter->slot));
        return;
    }
    ncp__engine_lock(engine);
    ncp__engine_slot(engine, waiter->slot)->of.owner = NULL;
    ncp__engine_unlock(engine);
    ncp__engine_dial_failed(engine, waiter->slot, NCP_ECANCELED, 0, NULL,
                            ncp__engine_now(engine), &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
}

static int abandon(ncp_pool *pool, ncp_ticket ticket, int status)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    struct ncp__waiter *waiter;
    int rc = claim_ticket(pool, ticket, false, &waiter);

    if (rc != NCP_OK)
        return rc;
    if (!ncp__engine_give_up(engine, waiter, status, ncp__engine_now(engine),
                             &acts)) {
        settle_ticket(waiter);
        give_back(pool, waiter, status);
    }
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    free_ticket(pool, waiter);
    return NCP_OK;
}

int ncp_ticket_abandon(ncp_pool *pool, ncp_ticket ticket, int status)
{
    if (pool == NULL)
        return NCP_EINVAL;
    ncp__pool_hold(pool);
    int rc = abandon(pool, ticket,
                     status == NCP_ETIMEOUT ? NCP_ETIMEOUT : NCP_ECANCELED);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

/* The waiter behind a ticket that still stands in line; NULL otherwise. Its
 * memory stays with the pool, so its state may be slept on. */
static struct ncp__waiter *standing(ncp_pool *pool, ncp_ticket ticket,
                                    uint64_t *deadline_ns)
{
    struct ncp__tickets *tickets = pool->tickets;
    uint32_t index = (uint32_t)(ticket & (TICKET_LIMIT - 1));
    struct ncp__waiter *waiter = NULL;

    *deadline_ns = NCP__NEVER;
    ncp__engine_lock(&pool->engine);
    if (tickets != NULL && index / TICKETS_A_CHUNK < tickets->chunks) {
        waiter = ticket_at(tickets, index);
        if (waiter->ticket != ticket || !waiter->named || !waiter->queued)
            waiter = NULL;
        else
            *deadline_ns = waiter->deadline_ns;
    }
    ncp__engine_unlock(&pool->engine);
    return waiter;
}

static int take(ncp_pool *pool, ncp_ticket ticket, ncp_event *out)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__waiter *waiter;
    uint64_t deadline_ns;
    int rc = claim_ticket(pool, ticket, true, &waiter);

    if (rc == NCP_EAGAIN) {
        (void)standing(pool, ticket, &deadline_ns);
        if (ncp__engine_now(engine) < deadline_ns)
            return rc;
        return abandon(pool, ticket, NCP_ETIMEOUT) == NCP_OK ? NCP_ETIMEOUT
                                                             : NCP_EINVALIDCONN;
    }
    if (rc != NCP_OK)
        return rc;
    settle_ticket(waiter);
    return answer(pool, waiter, out);
}

bool ncp__pull_take(ncp_pool *pool, ncp_ticket ticket, ncp_event *event)
{
    ncp__event_clear(event, pool);
    int rc = take(pool, ticket, event);
    if ((rc == NCP_EINVALIDCONN && event->status == NCP_OK) ||
        event->type == NCP_EVENT_PENDING)
        return false;
    if (rc != NCP_OK)
        event->type = NCP_EVENT_READY;
    event->ticket = ticket;
    return true;
}

int ncp_ticket_take(ncp_pool *pool, ncp_ticket ticket, ncp_event *out)
{
    if (out == NULL)
        return NCP_EINVAL;
    ncp__event_clear(out, pool);
    if (pool == NULL)
        return NCP_EINVAL;
    ncp__pool_hold(pool);
    int rc = take(pool, ticket, out);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

/* Announces its sleep, looks once more, sleeps. False when time is up. */
static bool sleep_for_ticket(ncp_pool *pool, ncp_ticket ticket,
                             uint64_t until_ns)
{
    uint64_t deadline_ns;
    struct ncp__waiter *waiter = standing(pool, ticket, &deadline_ns);
    unsigned waiting = NCP__WAITING;

    if (waiter == NULL)
        return true; /* decided, or no ticket: take says which */
    (void)atomic_compare_exchange_strong_explicit(
        &waiter->state, &waiting, NCP__PARKED, memory_order_seq_cst,
        memory_order_relaxed);
    if (ncp__engine_now(&pool->engine) >= until_ns)
        return false;
    if (standing(pool, ticket, &deadline_ns) == NULL)
        return true;
    until_ns = until_ns < deadline_ns ? until_ns : deadline_ns;
    ncp__pool_park(pool, &waiter->state, NCP__PARKED, until_ns);
    return true;
}

static int wait_and_take(ncp_pool *pool, ncp_ticket ticket, int64_t timeout_ms,
                         ncp_event *out)
{
    uint64_t until_ns =
        ncp__deadline(ncp__engine_now(&pool->engine), timeout_ms);

    for (;;) {
        int rc = take(pool, ticket, out);
        if (rc != NCP_EAGAIN || !sleep_for_ticket(pool, ticket, until_ns))
            return rc;
    }
}

int ncp_ticket_wait(ncp_pool *pool, ncp_ticket ticket, int64_t timeout_ms,
                    ncp_event *out)
{
    if (out == NULL)
        return NCP_EINVAL;
    ncp__event_clear(out, pool);
    if (pool == NULL)
        return NCP_EINVAL;
    ncp__pool_hold(pool);
    int rc = wait_and_take(pool, ticket, timeout_ms, out);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

/* --------------------------------------------------------------------------- fork */

void ncp__pull_forked(ncp_pool *pool)
{
    struct ncp__tickets *tickets = pool->tickets;

    pool->work_head = NCP__NO_SLOT;
    pool->work_tail = NCP__NO_SLOT;
    pool->in_queue = false;
    ncp__host_forked(pool);
    if (tickets == NULL)
        return;
    tickets->free = UINT32_MAX;
    for (uint32_t i = 0; i < tickets->chunks * TICKETS_A_CHUNK; i++) {
        struct ncp__waiter *waiter = ticket_at(tickets, i);
        if (waiter->queue != NULL)
            atomic_fetch_sub_explicit(&waiter->queue->refs, 1,
                                      memory_order_relaxed);
        *waiter = (struct ncp__waiter){.ticket = next_number(waiter->ticket),
                                       .link = tickets->free};
        tickets->free = i;
    }
}
