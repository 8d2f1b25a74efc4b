/* The line of waiters: who is served next, and how a get in it ends. */
#include "engine/engine.h"

/* ------------------------------------------------------------------- counting */

void ncp__count_end_locked(struct ncp__engine *engine,
                           struct ncp__waiter *waiter, int status, bool reused)
{
    struct ncp__tally *tally = &engine->tally;

    if (!waiter->counted)
        return;
    waiter->counted = false;
    tally->in_flight--;
    if (status == NCP_OK) {
        tally->slow_successful++;
        tally->slow_reused += reused;
    } else if (status == NCP_ETIMEOUT) {
        tally->timeout++;
    } else {
        tally->failed++;
        tally->canceled += status == NCP_ECANCELED;
    }
}

void ncp__engine_count_end(struct ncp__engine *engine,
                           struct ncp__waiter *waiter, int status, bool reused)
{
    ncp__engine_lock(engine);
    ncp__count_end_locked(engine, waiter, status, reused);
    ncp__engine_unlock(engine);
}

void ncp__engine_count_failure(struct ncp__engine *engine, int status)
{
    struct ncp__waiter nobody = {.counted = true};

    ncp__engine_lock(engine);
    engine->tally.in_flight++;
    ncp__count_end_locked(engine, &nobody, status, false);
    ncp__engine_unlock(engine);
}

static void count_begin_locked(struct ncp__engine *engine,
                               struct ncp__waiter *waiter)
{
    if (waiter->counted)
        return;
    waiter->counted = true;
    engine->tally.in_flight++;
}

/* -------------------------------------------------------------------- deciding */

void ncp__forget_told_locked(struct ncp__engine *engine, uint64_t flags)
{
    /* Seq_cst, before the masks are scanned: pairs with ncp__engine_offer. */
    if ((atomic_load_explicit(&engine->gate, memory_order_relaxed) & flags) !=
        0)
        atomic_fetch_and_explicit(&engine->gate, ~flags, memory_order_seq_cst);
}

void ncp__leave_line_locked(struct ncp__engine *engine,
                            struct ncp__waiter *waiter, struct ncp__acts *acts)
{
    if (!waiter->queued)
        return;
    ncp__lines_remove(&engine->lines, waiter);
    ncp__orphan_dial_locked(engine, waiter, acts);
    atomic_fetch_sub_explicit(&engine->gate, NCP__GATE_WAITER,
                              memory_order_seq_cst);
    ncp__forget_told_locked(engine, NCP__GATE_STARVING | NCP__GATE_TOLD);
}

/* The waiter is told after the lock is released: until then nobody but the
 * holder of `acts` touches it. */
void ncp__append_decided(struct ncp__acts *acts, struct ncp__waiter *waiter)
{
    waiter->next = NULL;
    if (acts->decided_head == NULL)
        acts->decided_head = waiter;
    else
        acts->decided_tail->next = waiter;
    acts->decided_tail = waiter;
}

void ncp__decide_locked(struct ncp__engine *engine, struct ncp__waiter *waiter,
                        int status, struct ncp__acts *acts)
{
    ncp__leave_line_locked(engine, waiter, acts);
    waiter->status = status;
    waiter->outcome = NCP_EVENT_NONE;
    waiter->slot = NCP__NO_SLOT;
    ncp__count_end_locked(engine, waiter, status, false);
    ncp__append_decided(acts, waiter);
}

void ncp__give_locked(struct ncp__engine *engine, struct ncp__waiter *waiter,
                      uint32_t index, bool fresh, uint64_t now_ns,
                      struct ncp__acts *acts)
{
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);

    ncp__leave_line_locked(engine, waiter, acts);
    if (!fresh) {
        ncp__cold(slot)->slow_gets++;
        ncp__pace_served(&engine->pace);
    }
    atomic_store_explicit(&slot->touched_ns, now_ns, memory_order_relaxed);
    atomic_store_explicit(&slot->word,
                          ncp__word(ncp__word_generation(word), NCP__LEASED),
                          memory_order_release);
    waiter->status = NCP_OK;
    waiter->outcome = NCP_EVENT_CONN;
    waiter->slot = index;
    waiter->fresh = fresh;
    if (waiter->plain &&
        (atomic_load_explicit(&slot->flags, memory_order_relaxed) &
         NCP__FLAG_DATAGRAM) == 0)
        ncp__count_end_locked(engine, waiter, NCP_OK, !fresh);
    ncp__append_decided(acts, waiter);
}

/* --------------------------------------------------------------------- serving */

/* Takes what serves a line; what is too old goes to be closed. */
static uint32_t take_for_locked(struct ncp__engine *engine,
                                const struct ncp__waiter *waiter,
                                uint64_t now_ns, struct ncp__acts *acts)
{
    bool returned; /* under the lock nobody can have missed it */

    for (;;) {
        uint32_t index = ncp__idle_take(&engine->idle, waiter->protocol,
                                        waiter->ip, &returned);
        if (index == NCP__NO_SLOT)
            return index;
        struct ncp__slot *slot = ncp__engine_slot(engine, index);
        int reason = ncp__engine_expired(engine, slot, now_ns, false);
        if (reason == NCP_REASON_NONE)
            return index;
        ncp__begin_close_locked(engine, index, reason, now_ns, acts);
    }
}

/* Gives one idle connection to the oldest waiter that it serves: that may be
 * another than the one it was looked for, when it came between two looks. */
static bool serve_one_locked(struct ncp__engine *engine, uint64_t now_ns,
                             struct ncp__acts *acts)
{
    unsigned tried = 0, line = 0;
    struct ncp__waiter *waiter;

    while ((waiter = ncp__lines_oldest(&engine->lines, tried, &line)) != NULL) {
        uint32_t index = take_for_locked(engine, waiter, now_ns, acts);
        if (index == NCP__NO_SLOT) {
            tried |= 1u << line;
            continue;
        }
        const struct ncp__slot *slot = ncp__engine_slot(engine, index);
        waiter = ncp__lines_oldest_for(
            &engine->lines, ncp__cold(slot)->protocol, ncp__cold(slot)->ip);
        ncp__give_locked(engine, waiter, index, false, now_ns, acts);
        return true;
    }
    return false;
}

void ncp__close_idle_locked(struct ncp__engine *engine, int reason,
                            uint64_t now_ns, struct ncp__acts *acts)
{
    uint32_t chunks = ncp__chunk_count(&engine->slots);

    for (uint32_t chunk = 0; chunk < chunks; chunk++) {
        uint64_t mask = ncp__idle_sweep(&engine->idle, chunk);
        for (; mask != 0; mask &= mask - 1)
            ncp__begin_close_locked(engine,
                                    chunk * NCP__CHUNK_SLOTS +
                                        (uint32_t)__builtin_ctzll(mask),
                                    reason, now_ns, acts);
    }
}

void ncp__serve_locked(struct ncp__engine *engine, uint64_t now_ns,
                       struct ncp__acts *acts)
{
    uint64_t gate = atomic_load_explicit(&engine->gate, memory_order_relaxed);

    if ((gate & NCP__GATE_CLOSED) != 0) {
        ncp__close_idle_locked(engine, NCP_REASON_POOL_CLOSED, now_ns, acts);
        return;
    }
    if ((gate & NCP__GATE_OVER) != 0) /* one came back after the sweep */
        ncp__close_over_locked(engine, now_ns, acts);
    if ((gate & NCP__GATE_SUSPENDED) != 0)
        return;
    while (engine->lines.waiting != 0 && serve_one_locked(engine, now_ns, acts))
        continue;
    ncp__begin_dials_locked(engine, now_ns, acts);
}

void ncp__engine_serve(struct ncp__engine *engine, uint64_t now_ns,
                       struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    ncp__serve_locked(engine, now_ns, acts);
    ncp__engine_unlock(engine);
}

/* -------------------------------------------------------------------- entering */

void ncp__enter_line_locked(struct ncp__engine *engine,
                            struct ncp__waiter *waiter)
{
    if (engine->lines.waiting == 0)
        ncp__pace_new_line(&engine->pace);
    ncp__lines_add(&engine->lines, waiter);
    ncp__lines_need(&engine->lines, waiter);
    ncp__forget_told_locked(engine, NCP__GATE_TOLD);
    /* Seq_cst, before the masks are scanned: pairs with ncp__engine_offer. */
    atomic_fetch_add_explicit(&engine->gate, NCP__GATE_WAITER,
                              memory_order_seq_cst);
}

/* A wait that may not begin: it leaves as if it had never stood there. */
static int refuse_locked(struct ncp__engine *engine, struct ncp__waiter *waiter,
                         int status, struct ncp__acts *acts)
{
    ncp__leave_line_locked(engine, waiter, acts);
    ncp__count_end_locked(engine, waiter, status, false);
    return status;
}

int ncp__enqueue_locked(struct ncp__engine *engine, struct ncp__waiter *waiter,
                        uint64_t now_ns, struct ncp__acts *acts)
{
    uint32_t max_waiters = engine->limits.max_waiters;

    if (ncp__engine_closed(engine))
        return refuse_locked(engine, waiter, NCP_ECLOSED, acts);
    count_begin_locked(engine, waiter);
    ncp__enter_line_locked(engine, waiter);
    ncp__serve_locked(engine, now_ns, acts);
    if (max_waiters != 0 && waiter->needs &&
        engine->lines.needing > max_waiters)
        return refuse_locked(engine, waiter, NCP_EWAITERS, acts);
    return NCP_OK;
}

int ncp__engine_enqueue(struct ncp__engine *engine, struct ncp__waiter *waiter,
                        uint64_t now_ns, struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    int rc = ncp__enqueue_locked(engine, waiter, now_ns, acts);
    ncp__engine_unlock(engine);
    return rc;
}

/* A connection for somebody who never stands in line, unless an older waiter
 * can use it. */
int ncp__try_locked(struct ncp__engine *engine, struct ncp__waiter *waiter,
                    uint64_t now_ns, struct ncp__acts *acts)
{
    uint64_t gate = atomic_load_explicit(&engine->gate, memory_order_relaxed);

    if ((gate & NCP__GATE_CLOSED) != 0)
        return NCP_ECLOSED;
    count_begin_locked(engine, waiter);
    while ((gate & NCP__GATE_SUSPENDED) == 0) {
        uint32_t index = take_for_locked(engine, waiter, now_ns, acts);
        if (index == NCP__NO_SLOT)
            break;
        const struct ncp__slot *slot = ncp__engine_slot(engine, index);
        struct ncp__waiter *older = ncp__lines_oldest_for(
            &engine->lines, ncp__cold(slot)->protocol, ncp__cold(slot)->ip);
        if (older != NULL) {
            ncp__give_locked(engine, older, index, false, now_ns, acts);
            continue;
        }
        struct ncp__acts own = NCP__NO_ACTS; /* it needs no telling */
        ncp__give_locked(engine, waiter, index, false, now_ns, &own);
        return NCP_OK;
    }
    ncp__count_end_locked(engine, waiter, NCP_EEXHAUSTED, false);
    return NCP_EEXHAUSTED;
}

int ncp__engine_try(struct ncp__engine *engine, struct ncp__waiter *waiter,
                    uint64_t now_ns, struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    int rc = ncp__try_locked(engine, waiter, now_ns, acts);
    ncp__engine_unlock(engine);
    return rc;
}

/* --------------------------------------------------------------------- leaving */

bool ncp__engine_give_up(struct ncp__engine *engine, struct ncp__waiter *waiter,
                         int status, uint64_t now_ns, struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    bool queued = waiter->queued;
    if (queued) {
        struct ncp__acts own = NCP__NO_ACTS; /* it needs no telling */
        ncp__decide_locked(engine, waiter, status, &own);
        acts->nobody_needs |= own.nobody_needs;
        /* What it would have dialed may be for the next one. */
        ncp__serve_locked(engine, now_ns, acts);
    }
    ncp__engine_unlock(engine);
    return queued;
}

bool ncp__engine_try_woken(struct ncp__engine *engine,
                           struct ncp__waiter *waiter, bool again,
                           uint64_t now_ns, struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    bool queued = waiter->queued;
    if (again) {
        atomic_store_explicit(&waiter->woken, false, memory_order_seq_cst);
        ncp__forget_told_locked(engine, NCP__GATE_TOLD);
    }
    if (queued && now_ns >= waiter->since_ns + NCP__STARVING_NS)
        atomic_fetch_or_explicit(&engine->gate, NCP__GATE_STARVING,
                                 memory_order_seq_cst);
    if (queued)
        ncp__serve_locked(engine, now_ns, acts);
    ncp__engine_unlock(engine);
    return !queued;
}

uint64_t ncp__engine_expire_tickets(struct ncp__engine *engine, uint64_t now_ns,
                                    struct ncp__acts *acts)
{
    uint64_t next_ns = NCP__NEVER;

    ncp__engine_lock(engine);
    for (unsigned line = 0; line < NCP__LINES; line++) {
        struct ncp__waiter *waiter = engine->lines.line[line].head;
        while (waiter != NULL) {
            struct ncp__waiter *after = waiter->next;
            if (!waiter->is_ticket)
                ;
            else if (now_ns >= waiter->deadline_ns)
                ncp__decide_locked(engine, waiter, NCP_ETIMEOUT, acts);
            else if (waiter->deadline_ns < next_ns)
                next_ns = waiter->deadline_ns;
            waiter = after;
        }
    }
    ncp__engine_unlock(engine);
    return next_ns;
}

void ncp__engine_wake(struct ncp__acts *acts,
                      void (*notify)(void *context, struct ncp__waiter *ticket),
                      void *context)
{
    struct ncp__waiter *waiter = acts->decided_head;

    acts->decided_head = NULL;
    acts->decided_tail = NULL;
    while (waiter != NULL) {
        /* After the exchange a waiter without a ticket may be gone. */
        struct ncp__waiter *after = waiter->next;
        if (waiter->queue != NULL)
            notify(context, waiter);
        else if (atomic_exchange_explicit(&waiter->state, NCP__DECIDED,
                                          memory_order_acq_rel) == NCP__PARKED)
            ncp__unpark(&waiter->state);
        waiter = after;
    }
}
