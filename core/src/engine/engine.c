#include "engine/fast.h"

int ncp__engine_init(struct ncp__engine *engine,
                     const struct ncp__engine_limits *limits, int store,
                     bool fifo, uint32_t latency_window)
{
    int rc;

    if (limits->stats) {
        engine->latency = ncp__alloc(sizeof(*engine->latency));
        if (engine->latency == NULL)
            return NCP_ENOMEM;
        ncp__latency_init(engine->latency, latency_window);
    }
    ncp__slots_init(&engine->slots);
    rc = ncp__idle_init(&engine->idle, &engine->slots, store, fifo);
    if (rc == NCP_OK && pthread_mutex_init(&engine->lock, NULL) != 0)
        rc = NCP_ESYS;
    if (rc != NCP_OK) {
        ncp__idle_destroy(&engine->idle);
        ncp__free(engine->latency);
        return rc;
    }
    engine->limits = *limits;
    ncp__gatekeeper_init(&engine->gatekeeper, ncp__monotonic_ns());
    engine->random = ncp__monotonic_ns() ^ (uintptr_t)engine;
    engine->dials = NCP__NO_SLOT;
    engine->retry_ns = NCP__NEVER;
    return NCP_OK;
}

void ncp__engine_destroy(struct ncp__engine *engine)
{
    ncp__idle_destroy(&engine->idle);
    ncp__slots_destroy(&engine->slots);
    ncp__free(engine->latency);
    ncp__free(engine->closed_leases);
    pthread_mutex_destroy(&engine->lock);
}

int ncp__engine_expired(const struct ncp__engine *engine,
                        const struct ncp__slot *slot, uint64_t now_ns,
                        bool returning)
{
    uint32_t epoch = atomic_load_explicit(&slot->epoch, memory_order_relaxed);
    uint8_t flags = atomic_load_explicit(&slot->flags, memory_order_relaxed);

    if ((flags & NCP__FLAG_UNHEALTHY) != 0)
        return NCP_REASON_UNHEALTHY;
    if (epoch != atomic_load_explicit(&engine->epoch, memory_order_acquire))
        return NCP_REASON_FLUSHED;
    if (now_ns >
        atomic_load_explicit(&slot->lifetime_end_ns, memory_order_relaxed))
        return NCP_REASON_MAX_LIFETIME;
    if (!returning && ncp__fast_rested(slot, now_ns))
        return NCP_REASON_IDLE_TIMEOUT;
    return NCP_REASON_NONE;
}

/* ---------------------------------------------------------------------- leases */

/* The owner lends its slot. */
static void lend(struct ncp__slot *slot, uint64_t now_ns)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);

    atomic_store_explicit(&slot->touched_ns, now_ns, memory_order_relaxed);
    /* Release pairs with the compare-and-swap that ends the lease. */
    atomic_store_explicit(&slot->word,
                          ncp__word(ncp__word_generation(word), NCP__LEASED),
                          memory_order_release);
}

ncp_lease ncp__engine_lease(const struct ncp__engine *engine, uint32_t index)
{
    const struct ncp__slot *slot = ncp__engine_slot(engine, index);
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);

    return ncp__token(ncp__word_generation(word), index);
}

uint32_t ncp__engine_fast_get(struct ncp__engine *engine, int protocol, int ip,
                              uint64_t now_ns, struct ncp__acts *acts)
{
    bool returned;

    for (;;) {
        uint64_t gate =
            atomic_load_explicit(&engine->gate, memory_order_acquire);
        uint64_t mask =
            atomic_load_explicit(&engine->get_mask, memory_order_relaxed);
        if ((gate & mask) != 0)
            return NCP__NO_SLOT;
        uint32_t index = ncp__idle_take(&engine->idle, protocol, ip, &returned);
        /* Seq_cst, after what was put back: pairs with ncp__engine_enqueue. */
        if (NCP__UNLIKELY(returned) && ncp__engine_gate(engine) != 0)
            ncp__engine_serve(engine, now_ns, acts);
        if (index == NCP__NO_SLOT)
            return NCP__NO_SLOT;
        struct ncp__slot *slot = ncp__engine_slot(engine, index);
        int reason = ncp__engine_expired(engine, slot, now_ns, false);
        if (NCP__UNLIKELY(reason != NCP_REASON_NONE)) {
            ncp__engine_begin_close(engine, index, reason, now_ns, acts);
            continue;
        }
        lend(slot, now_ns);
        return index;
    }
}

int ncp__engine_end_lease(struct ncp__engine *engine, ncp_lease lease,
                          enum ncp__state state, uint32_t *out)
{
    static const struct {
        enum ncp__state from;
        int status;
    } ends[] = {{NCP__LEASED, NCP_OK},
                {NCP__EVICTED, NCP_ELEAKED},
                {NCP__TAKEN, NCP_ECONNCLOSED}};
    struct ncp__slot *slot = ncp__slot_of(&engine->slots, lease);
    uint64_t generation = ncp__token_generation(lease);

    *out = NCP__NO_SLOT;
    if (slot == NULL || generation > NCP__GENERATION_MASK)
        return NCP_EINVALIDCONN;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        uint64_t word = ncp__word(generation, ends[i].from);
        uint64_t next = ncp__word(ncp__next_generation(generation), state);
        /* Acquire-release: takes over what the borrower and the lender wrote. */
        if (!atomic_compare_exchange_strong_explicit(&slot->word, &word, next,
                                                     memory_order_acq_rel,
                                                     memory_order_relaxed))
            continue;
        *out = ncp__token_index(lease);
        return ends[i].status;
    }
    return NCP_EINVALIDCONN;
}

/* ---------------------------------------------------------------------- offers */

/* A put while nobody stops it: publish, then look at the gate again. */
static bool offer_fast(struct ncp__engine *engine, uint32_t index)
{
    if (atomic_load_explicit(&engine->gate, memory_order_acquire) != 0 ||
        atomic_load_explicit(&engine->idle.exact, memory_order_relaxed) != 0)
        return false;
    ncp__idle_publish(&engine->idle, index);
    return true;
}

/* Adaptive: the oldest waiter is told that something came back; whoever runs
 * may take it first. Lock held, so the waiter stays where it is. */
static void wake_oldest(struct ncp__engine *engine, struct ncp__waiter *waiter,
                        const struct ncp__slot *slot)
{
    if (!atomic_exchange_explicit(&waiter->woken, true, memory_order_seq_cst))
        ncp__waiter_poke(waiter);
    /* With several kinds the next return may be for another one. */
    if (ncp__idle_one_kind(&engine->idle) &&
        ncp__lines_all_fit(&engine->lines, ncp__cold(slot)->protocol,
                           ncp__cold(slot)->ip))
        atomic_fetch_or_explicit(&engine->gate, NCP__GATE_TOLD,
                                 memory_order_relaxed);
}

static int refusal(const struct ncp__engine *engine)
{
    uint64_t gate = atomic_load_explicit(&engine->gate, memory_order_relaxed);

    if ((gate & NCP__GATE_CLOSED) != 0)
        return NCP_REASON_POOL_CLOSED;
    if ((gate & NCP__GATE_OVER) != 0 && ncp__over_by_locked(engine) != 0)
        return NCP_REASON_SHRUNK;
    if (atomic_load_explicit(&engine->idle.exact, memory_order_relaxed) != 0 &&
        ncp__idle_reaches(&engine->idle, engine->max_idle))
        return NCP_REASON_IDLE_FULL;
    return NCP_REASON_NONE;
}

/* Adaptive: whether a running caller may take what this waiter could have. */
static bool may_barge(const struct ncp__engine *engine,
                      const struct ncp__waiter *waiter)
{
    uint64_t gate = atomic_load_explicit(&engine->gate, memory_order_relaxed);

    return engine->limits.adaptive && !waiter->is_ticket &&
           (gate & NCP__GATE_STARVING) == 0 &&
           ncp__engine_now(engine) < waiter->since_ns + NCP__STARVING_NS;
}

static void offer_locked(struct ncp__engine *engine, uint32_t index,
                         uint64_t now_ns, struct ncp__acts *acts)
{
    const struct ncp__slot *slot = ncp__engine_slot(engine, index);
    uint64_t gate = atomic_load_explicit(&engine->gate, memory_order_relaxed);
    struct ncp__waiter *waiter = NULL;
    int reason = refusal(engine);

    if ((gate & NCP__GATE_SUSPENDED) == 0)
        waiter = ncp__lines_oldest_for(
            &engine->lines, ncp__cold(slot)->protocol, ncp__cold(slot)->ip);
    if (reason == NCP_REASON_POOL_CLOSED || reason == NCP_REASON_SHRUNK ||
        (reason == NCP_REASON_IDLE_FULL && waiter == NULL)) {
        ncp__begin_close_locked(engine, index, reason, now_ns, acts);
        return;
    }
    if (waiter != NULL &&
        ncp__passes_over_locked(engine, slot, waiter, now_ns)) {
        ncp__begin_close_locked(engine, index, NCP_REASON_EVICTED, now_ns,
                                acts);
        return;
    }
    bool barging = reason == NCP_REASON_NONE && waiter != NULL &&
                   may_barge(engine, waiter);
    if (waiter != NULL && !barging) {
        ncp__give_locked(engine, waiter, index, false, now_ns, acts);
        return;
    }
    ncp__idle_publish(&engine->idle, index);
    if (barging)
        wake_oldest(engine, waiter, slot);
    else if (engine->lines.needing != 0)
        ncp__begin_dials_locked(engine, now_ns,
                                acts); /* LRU of another bucket */
}

bool ncp__engine_offer(struct ncp__engine *engine, uint32_t index,
                       uint64_t now_ns, struct ncp__acts *acts)
{
    if (NCP__LIKELY(offer_fast(engine, index))) {
        /* Seq_cst, after the publish: pairs with ncp__engine_enqueue. */
        if (NCP__LIKELY(ncp__engine_gate(engine) == 0))
            return false;
        ncp__engine_serve(engine, now_ns, acts);
        return true;
    }
    ncp__engine_lock(engine);
    offer_locked(engine, index, now_ns, acts);
    ncp__engine_unlock(engine);
    return true;
}
