/* How connections leave the pool, one by one and all together. */
#include "engine/engine.h"

static void set_state(struct ncp__slot *slot, enum ncp__state state)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);

    atomic_store_explicit(&slot->word,
                          ncp__word(ncp__word_generation(word), state),
                          memory_order_release);
}

uint32_t ncp__over_by_locked(const struct ncp__engine *engine)
{
    uint32_t max = engine->limits.max;
    uint32_t staying = engine->open + engine->dialing;

    return max != 0 && staying > max ? staying - max : 0;
}

static void update_over(struct ncp__engine *engine)
{
    if (ncp__over_by_locked(engine) != 0)
        atomic_fetch_or_explicit(&engine->gate, NCP__GATE_OVER,
                                 memory_order_seq_cst);
    else
        atomic_fetch_and_explicit(&engine->gate, ~(uint64_t)NCP__GATE_OVER,
                                  memory_order_relaxed);
}

/* The connection counts no more. */
static void account_left(struct ncp__engine *engine, uint32_t index,
                         uint64_t now_ns)
{
    const struct ncp__slot *slot = ncp__engine_slot(engine, index);
    const struct ncp__cold *cold = ncp__cold(slot);
    struct ncp__tally *tally = &engine->tally;

    ncp__idle_leave(&engine->idle, index);
    engine->open--;
    tally->closed++;
    tally->current_by_protocol[cold->protocol]--;
    tally->current_by_ip[cold->ip]--;
    tally->lifetime_ns +=
        now_ns > cold->created_ns ? now_ns - cold->created_ns : 0;
    if ((atomic_load_explicit(&engine->gate, memory_order_relaxed) &
         NCP__GATE_OVER) != 0)
        update_over(engine);
}

void ncp__begin_close_locked(struct ncp__engine *engine, uint32_t index,
                             int reason, uint64_t now_ns,
                             struct ncp__acts *acts)
{
    struct ncp__slot *slot = ncp__engine_slot(engine, index);

    set_state(slot, NCP__CLOSING);
    ncp__cold(slot)->reason = (uint8_t)reason;
    ncp__cold(slot)->link = acts->close_head;
    acts->close_head = index;
    account_left(engine, index, now_ns);
    if (engine->limits.close_first)
        engine->closing++; /* its place is free when it is really closed */
}

void ncp__engine_begin_close(struct ncp__engine *engine, uint32_t index,
                             int reason, uint64_t now_ns,
                             struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    ncp__begin_close_locked(engine, index, reason, now_ns, acts);
    if (!engine->limits.close_first)
        ncp__serve_locked(engine, now_ns, acts);
    ncp__engine_unlock(engine);
}

void ncp__engine_closed_some(struct ncp__engine *engine, uint32_t head,
                             uint64_t now_ns, struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    while (head != NCP__NO_SLOT) {
        uint32_t next = ncp__cold(ncp__engine_slot(engine, head))->link;
        if (engine->limits.close_first)
            engine->closing--;
        ncp__slots_release(&engine->slots, head);
        head = next;
    }
    if (!ncp__engine_closed(engine))
        ncp__serve_locked(engine, now_ns, acts);
    ncp__engine_unlock(engine);
    acts->signal = true;
}

void ncp__engine_closed_one(struct ncp__engine *engine, uint32_t index,
                            uint64_t now_ns, struct ncp__acts *acts)
{
    ncp__cold(ncp__engine_slot(engine, index))->link = NCP__NO_SLOT;
    ncp__engine_closed_some(engine, index, now_ns, acts);
}

void ncp__engine_detach(struct ncp__engine *engine, uint32_t index,
                        uint64_t now_ns, struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    account_left(engine, index, now_ns);
    engine->tally.detached++;
    ncp__slots_release(&engine->slots, index);
    ncp__serve_locked(engine, now_ns, acts);
    ncp__engine_unlock(engine);
    acts->signal = true;
}

/* -------------------------------------------------------------------- taken away */

bool ncp__take_away_locked(struct ncp__engine *engine, uint32_t index,
                           uint64_t generation, enum ncp__state state,
                           uint64_t now_ns, struct ncp__acts *acts)
{
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    uint64_t word = ncp__word(generation, NCP__LEASED);

    if (!atomic_compare_exchange_strong_explicit(
            &slot->word, &word, ncp__word(generation, state),
            memory_order_acq_rel, memory_order_relaxed))
        return false;
    account_left(engine, index, now_ns);
    ncp__cold(slot)->dial_flags |= NCP__SLOT_OUT;
    engine->out++;
    engine->tally.evicted += state == NCP__EVICTED;
    ncp__serve_locked(engine, now_ns, acts);
    acts->signal = true;
    return true;
}

void ncp__mark_closing_locked(struct ncp__slot *slot)
{
    set_state(slot, NCP__CLOSING);
}

void ncp__engine_taken_back(struct ncp__engine *engine, uint32_t index,
                            struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    engine->out--;
    ncp__slots_release(&engine->slots, index);
    ncp__engine_unlock(engine);
    acts->signal = true;
}

/* ------------------------------------------------------------ closed by holder */

void ncp__engine_remember_closed(struct ncp__engine *engine, ncp_lease lease)
{
    ncp__engine_lock(engine);
    if (engine->closed_leases == NULL)
        engine->closed_leases =
            ncp__alloc(NCP__CLOSED_LEASES * sizeof(ncp_lease));
    if (engine->closed_leases != NULL)
        engine->closed_leases[engine->closed_next++ % NCP__CLOSED_LEASES] =
            lease;
    ncp__engine_unlock(engine);
}

bool ncp__engine_forget_closed(struct ncp__engine *engine, ncp_lease lease)
{
    bool found = false;

    ncp__engine_lock(engine);
    for (uint32_t i = 0; engine->closed_leases != NULL && lease != 0 &&
                         !found && i < NCP__CLOSED_LEASES;
         i++) {
        found = engine->closed_leases[i] == lease;
        if (found)
            engine->closed_leases[i] = 0;
    }
    ncp__engine_unlock(engine);
    return found;
}

/* ------------------------------------------------------------------- checks */

static bool under_check(const struct ncp__slot *slot)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);

    return ncp__word_state(word) == NCP__CHECKING;
}

static void count_check(struct ncp__engine *engine, bool healthy)
{
    engine->tally.hc_attempts++;
    engine->tally.hc_failures += !healthy;
    engine->tally.unhealthy += !healthy;
}

void ncp__engine_count_check(struct ncp__engine *engine, bool healthy)
{
    ncp__engine_lock(engine);
    count_check(engine, healthy);
    ncp__engine_unlock(engine);
}

void ncp__engine_count_leak(struct ncp__engine *engine)
{
    ncp__engine_lock(engine);
    engine->tally.leaked++;
    ncp__engine_unlock(engine);
}

void ncp__begin_check_locked(struct ncp__engine *engine, uint32_t index,
                             uint64_t now_ns)
{
    ncp__cold(ncp__engine_slot(engine, index))->checked_ns = now_ns;
    ncp__idle_begin_check(&engine->idle, index);
}

uint64_t ncp__engine_checking_locked(const struct ncp__engine *engine,
                                     uint32_t chunk)
{
    const struct ncp__chunk *looked_at = ncp__chunk_at(&engine->slots, chunk);
    uint64_t mask =
        engine->idle.checking == 0
            ? 0
            : atomic_load_explicit(&looked_at->open, memory_order_relaxed);
    uint64_t checking = 0;

    for (; mask != 0; mask &= mask - 1)
        if (under_check(&looked_at->slots[__builtin_ctzll(mask)]))
            checking |= mask & -mask;
    return checking;
}

/* The owner of a checked slot lets go of it. */
static void end_check(struct ncp__engine *engine, uint32_t index, bool healthy,
                      uint64_t now_ns, struct ncp__acts *acts)
{
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    int reason = healthy ? ncp__engine_expired(engine, slot, now_ns, false)
                         : NCP_REASON_UNHEALTHY;

    ncp__cold(slot)->checked_ns = now_ns;
    ncp__idle_end_check(&engine->idle);
    if (reason == NCP_REASON_NONE && !ncp__engine_closed(engine)) {
        ncp__idle_unclaim(&engine->idle, index);
        return;
    }
    if (reason == NCP_REASON_NONE)
        reason = NCP_REASON_POOL_CLOSED;
    ncp__begin_close_locked(engine, index, reason, now_ns, acts);
}

bool ncp__engine_check_done(struct ncp__engine *engine, uint32_t index,
                            bool healthy, uint64_t now_ns,
                            struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    bool ours = under_check(ncp__engine_slot(engine, index));
    if (ours) {
        count_check(engine, healthy);
        end_check(engine, index, healthy, now_ns, acts);
        ncp__serve_locked(engine, now_ns, acts);
    }
    ncp__engine_unlock(engine);
    return ours;
}

bool ncp__engine_check_overdue(struct ncp__engine *engine, uint32_t index,
                               bool running, uint64_t now_ns,
                               struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    bool ours = under_check(ncp__engine_slot(engine, index));
    if (ours) {
        set_state(ncp__engine_slot(engine, index),
                  running ? NCP__OVERDUE : NCP__CLOSING);
        ncp__idle_end_check(&engine->idle);
        account_left(engine, index, now_ns);
        engine->out += running;
        count_check(engine, false);
        ncp__serve_locked(engine, now_ns, acts);
    }
    ncp__engine_unlock(engine);
    return ours;
}

/* ---------------------------------------------------------------- all together */

void ncp__engine_close(struct ncp__engine *engine, uint64_t now_ns,
                       struct ncp__acts *acts)
{
    struct ncp__waiter *waiter;
    unsigned line;

    ncp__engine_lock(engine);
    /* Seq_cst, before the masks are swept: pairs with ncp__engine_offer. */
    atomic_fetch_or_explicit(&engine->gate, NCP__GATE_CLOSED,
                             memory_order_seq_cst);
    while ((waiter = ncp__lines_oldest(&engine->lines, 0, &line)) != NULL)
        ncp__decide_locked(engine, waiter, NCP_ECLOSED, acts);
    if (!engine->prewarm.ended) {
        engine->prewarm.ended = true;
        engine->prewarm.failed =
            engine->prewarm.created < engine->prewarm.target;
    }
    engine->retry_ns = NCP__NEVER;
    ncp__serve_locked(engine, now_ns, acts); /* sweeps what is idle */
    ncp__engine_unlock(engine);
    acts->signal = true;
    acts->nobody_needs = true;
}

int ncp__engine_flush(struct ncp__engine *engine, uint64_t now_ns,
                      struct ncp__acts *acts)
{
    int rc = NCP_ECLOSED;

    ncp__engine_lock(engine);
    if (!ncp__engine_closed(engine)) {
        atomic_fetch_add_explicit(&engine->epoch, 1, memory_order_seq_cst);
        ncp__close_idle_locked(engine, NCP_REASON_FLUSHED, now_ns, acts);
        ncp__serve_locked(engine, now_ns, acts);
        rc = NCP_OK;
    }
    ncp__engine_unlock(engine);
    return rc;
}

int ncp__engine_suspend(struct ncp__engine *engine, bool on, uint64_t now_ns,
                        struct ncp__acts *acts)
{
    int rc = NCP_ECLOSED;

    ncp__engine_lock(engine);
    if (!ncp__engine_closed(engine)) {
        if (on)
            atomic_fetch_or_explicit(&engine->gate, NCP__GATE_SUSPENDED,
                                     memory_order_seq_cst);
        else
            atomic_fetch_and_explicit(&engine->gate,
                                      ~(uint64_t)NCP__GATE_SUSPENDED,
                                      memory_order_seq_cst);
        ncp__serve_locked(engine, now_ns, acts);
        rc = NCP_OK;
    }
    ncp__engine_unlock(engine);
    return rc;
}

static void close_oldest(struct ncp__engine *engine, uint32_t count, int reason,
                         uint64_t now_ns, struct ncp__acts *acts)
{
    while (count-- != 0) {
        uint32_t index = ncp__idle_take_oldest(&engine->idle, 0, 0);
        if (index == NCP__NO_SLOT)
            return;
        ncp__begin_close_locked(engine, index, reason, now_ns, acts);
    }
}

void ncp__close_over_locked(struct ncp__engine *engine, uint64_t now_ns,
                            struct ncp__acts *acts)
{
    close_oldest(engine, ncp__over_by_locked(engine), NCP_REASON_SHRUNK, now_ns,
                 acts);
    update_over(engine);
}

void ncp__limits_changed_locked(struct ncp__engine *engine, uint64_t now_ns,
                                struct ncp__acts *acts)
{
    const struct ncp__engine_limits *limits = &engine->limits;
    uint32_t max = limits->max;
    bool limited = max == 0 || limits->max_idle < max;
    uint64_t mask = ~(uint64_t)NCP__GATE_OVER;

    engine->max_idle = limited ? limits->max_idle : max;
    ncp__idle_count_exactly(&engine->idle, limited);
    if (limits->adaptive)
        mask &= NCP__GATE_WAITER - 1 - NCP__GATE_TOLD;
    else
        ncp__forget_told_locked(engine, NCP__GATE_TOLD);
    atomic_store_explicit(&engine->get_mask, mask, memory_order_relaxed);
    update_over(engine); /* seq_cst, before the sweep: pairs with a put */
    ncp__close_over_locked(engine, now_ns, acts);
    uint32_t idle = ncp__idle_count(&engine->idle);
    if (idle > engine->max_idle)
        close_oldest(engine, idle - engine->max_idle, NCP_REASON_IDLE_FULL,
                     now_ns, acts);
    ncp__serve_locked(engine, now_ns, acts);
}

void ncp__engine_limits_changed(struct ncp__engine *engine, uint64_t now_ns,
                                struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    ncp__limits_changed_locked(engine, now_ns, acts);
    ncp__engine_unlock(engine);
}

int ncp__engine_resize(struct ncp__engine *engine, uint32_t max,
                       uint64_t now_ns, struct ncp__acts *acts)
{
    int rc = NCP_ECLOSED;

    ncp__engine_lock(engine);
    if (!ncp__engine_closed(engine)) {
        engine->limits.max = max;
        ncp__limits_changed_locked(engine, now_ns, acts);
        rc = NCP_OK;
    }
    ncp__engine_unlock(engine);
    return rc;
}

/* One chunk at a time, so that the lock is held for microseconds. */
static void expire_chunk_locked(struct ncp__engine *engine, uint32_t chunk,
                                uint64_t now_ns, struct ncp__acts *acts)
{
    uint64_t mask = ncp__idle_candidates(&engine->idle, chunk);

    for (; mask != 0; mask &= mask - 1) {
        uint32_t index =
            chunk * NCP__CHUNK_SLOTS + (uint32_t)__builtin_ctzll(mask);
        struct ncp__slot *slot = ncp__engine_slot(engine, index);
        if (ncp__engine_expired(engine, slot, now_ns, false) ==
                NCP_REASON_NONE ||
            !ncp__idle_claim(&engine->idle, index))
            continue;
        /* Owned now: what was read before may have been somebody else's. */
        int reason = ncp__engine_expired(engine, slot, now_ns, false);
        if (reason == NCP_REASON_NONE)
            ncp__idle_unclaim(&engine->idle, index);
        else
            ncp__begin_close_locked(engine, index, reason, now_ns, acts);
    }
}

void ncp__engine_expire_idle(struct ncp__engine *engine, uint64_t now_ns,
                             struct ncp__acts *acts)
{
    uint32_t chunks = ncp__chunk_count(&engine->slots);

    for (uint32_t chunk = 0; chunk < chunks; chunk++) {
        ncp__engine_lock(engine);
        expire_chunk_locked(engine, chunk, now_ns, acts);
        ncp__engine_unlock(engine);
    }
    ncp__engine_serve(engine, now_ns, acts);
}

/* ------------------------------------------------------------------------ fork */

static void forget_chunk(struct ncp__engine *engine, uint32_t chunk_index,
                         void (*drop)(void *context, struct ncp__slot *slot),
                         void *context)
{
    struct ncp__chunk *chunk = ncp__chunk_at(&engine->slots, chunk_index);

    for (uint32_t i = 0; i < NCP__CHUNK_SLOTS; i++) {
        struct ncp__slot *slot = &chunk->slots[i];
        uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
        enum ncp__state state = ncp__word_state(word);

        if (state != NCP__FREE &&
            (state != NCP__CREATING || ncp__cold(slot)->id != 0))
            drop(context, slot);
        ncp__slots_release(&engine->slots, chunk_index * NCP__CHUNK_SLOTS + i);
    }
    atomic_store_explicit(&chunk->idle, 0, memory_order_relaxed);
    atomic_store_explicit(&chunk->open, 0, memory_order_relaxed);
    atomic_store_explicit(&chunk->tcp, 0, memory_order_relaxed);
    atomic_store_explicit(&chunk->udp, 0, memory_order_relaxed);
    atomic_store_explicit(&chunk->ipv4, 0, memory_order_relaxed);
    atomic_store_explicit(&chunk->ipv6, 0, memory_order_relaxed);
}

void ncp__engine_forked(struct ncp__engine *engine,
                        void (*drop)(void *context, struct ncp__slot *slot),
                        void *context)
{
    struct ncp__tally *tally = &engine->tally;
    uint64_t gate = atomic_load_explicit(&engine->gate, memory_order_relaxed);
    uint32_t chunks = ncp__chunk_count(&engine->slots);

    pthread_mutex_init(&engine->lock, NULL);
    engine->slots.free_head = NCP__NO_SLOT;
    engine->slots.free_tail = NCP__NO_SLOT;
    for (uint32_t chunk = 0; chunk < chunks; chunk++)
        forget_chunk(engine, chunk, drop, context);
    for (uint32_t i = 0;
         engine->closed_leases != NULL && i < NCP__CLOSED_LEASES; i++)
        engine->closed_leases[i] = 0;
    ncp__idle_forget(&engine->idle);
    engine->lines = (struct ncp__lines){.sequence = engine->lines.sequence};
    engine->open = engine->dialing = engine->creating = 0;
    engine->closing = engine->out = 0;
    engine->dials = NCP__NO_SLOT;
    engine->retry_ns = NCP__NEVER;
    atomic_store_explicit(&engine->tick_ns, 0, memory_order_relaxed);
    engine->prewarm.ended = true;
    tally->closed = tally->created;
    tally->failed += tally->in_flight;
    tally->in_flight = 0;
    for (int i = 0; i < 3; i++) {
        tally->current_by_protocol[i] = 0;
        tally->current_by_ip[i] = 0;
    }
    if (engine->gatekeeper.breaker == NCP__BREAKER_PROBING)
        engine->gatekeeper.breaker = NCP__BREAKER_OPEN;
    atomic_store_explicit(&engine->signal_waiters, 0, memory_order_relaxed);
    gate &= NCP__GATE_CLOSED | NCP__GATE_SUSPENDED;
    atomic_store_explicit(&engine->gate, gate | NCP__GATE_FORKED,
                          memory_order_seq_cst);
}
