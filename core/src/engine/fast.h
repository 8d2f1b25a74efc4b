/*
 * The shortest way of a get and of a put: nobody waits, nothing is odd. With the
 * stores of masks each is one compare-and-swap on the slot's word; all else is
 * reads of lines that seldom change, and hints. The store lock does the same under
 * its mutex (fast_list.c). Whatever is not as expected sends the caller the long
 * way (engine.c), which judges anew.
 *
 * A put reads the mask and the gate after its compare-and-swap, all seq_cst: it
 * pairs with a waiter's look (engine.h, the gate) and with the clearing of stale
 * bits (idle_masks.c).
 */
#ifndef NCP_ENGINE_FAST_H
#define NCP_ENGINE_FAST_H

#include "engine/engine.h"

/* Why a slot may not be lent now, as far as reading can tell: flags among `stop`,
 * flushed, too old. The caller owns it, or verifies afterwards that its word has
 * not changed. */
static inline bool ncp__fast_stopped(const struct ncp__engine *engine,
                                     const struct ncp__slot *slot, uint8_t stop,
                                     uint64_t now_ns)
{
    uint8_t flags = atomic_load_explicit(&slot->flags, memory_order_relaxed);
    uint32_t epoch = atomic_load_explicit(&slot->epoch, memory_order_relaxed);

    return (flags & stop) != 0 ||
           epoch !=
               atomic_load_explicit(&engine->epoch, memory_order_acquire) ||
           now_ns > atomic_load_explicit(&slot->lifetime_end_ns,
                                         memory_order_relaxed);
}

/* The coarse clock may lag behind `touched_ns`. */
static inline bool ncp__fast_rested(const struct ncp__slot *slot,
                                    uint64_t now_ns)
{
    uint64_t touched =
        atomic_load_explicit(&slot->touched_ns, memory_order_relaxed);

    return now_ns > touched &&
           now_ns - touched >
               atomic_load_explicit(&ncp__cold(slot)->idle_limit_ns,
                                    memory_order_relaxed);
}

/* Whether the gate lets a get through. */
static inline bool ncp__fast_open(const struct ncp__engine *engine)
{
    uint64_t gate = atomic_load_explicit(&engine->gate, memory_order_acquire);

    return (gate &
            atomic_load_explicit(&engine->get_mask, memory_order_relaxed)) == 0;
}

/* FIFO: now and then a get scans for what a race has lost to the chain. */
static inline bool ncp__fast_rescans(const struct ncp__engine *engine,
                                     const struct ncp__shard *shard)
{
    return engine->idle.fifo &&
           atomic_load_explicit(&shard->order, memory_order_relaxed) %
                   NCP__CHUNK_SLOTS ==
               0;
}

/* Lends what the hint of a shard names, of the first bucket among `fitting` (bits)
 * that was ever used: its lease, or 0. A hint may name a connection of another
 * bucket: the caller looks. `stop`: the flags (NCP__FLAG_*) with which it may not
 * be lent this way. */
static inline ncp_lease ncp__fast_get(struct ncp__engine *engine,
                                      struct ncp__shard *shard,
                                      uint32_t fitting, uint8_t stop,
                                      uint64_t now_ns)
{
    uint32_t bucket = ncp__idle_bucket_for(&engine->idle, fitting);

    if (NCP__UNLIKELY(bucket == NCP__BUCKETS))
        return 0;
    _Atomic uint32_t *head = &shard->first[bucket];
    uint32_t index = atomic_load_explicit(head, memory_order_acquire);
    if (NCP__UNLIKELY(index == NCP__NO_SLOT || !ncp__fast_open(engine) ||
                      ncp__fast_rescans(engine, shard)))
        return 0;
    struct ncp__slot *slot = ncp__slot_at(&engine->slots, index);
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
    if (NCP__UNLIKELY(ncp__word_state(word) != NCP__IDLE ||
                      ncp__fast_stopped(engine, slot, stop, now_ns) ||
                      ncp__fast_rested(slot, now_ns)))
        return 0;
    /* First: who finds the lease finds when it began. */
    atomic_store_explicit(&slot->touched_ns, now_ns, memory_order_relaxed);
    /* Acquire-release: takes over what the last owner wrote. */
    if (NCP__UNLIKELY(!atomic_compare_exchange_strong_explicit(
            &slot->word, &word, word ^ (NCP__IDLE ^ NCP__LEASED),
            memory_order_acq_rel, memory_order_relaxed)))
        return 0;
    atomic_store_explicit(
        head, atomic_load_explicit(&slot->next, memory_order_acquire),
        memory_order_release);
    ncp__engine_count_fast(slot);
    return ncp__token(ncp__word_generation(word), index);
}

/* The flags with which a slot is not put back the shortest way. */
#define NCP__FLAGS_ODD ((uint8_t) ~(NCP__FLAG_NONBLOCKING | NCP__FLAG_DATAGRAM))

enum ncp__fast_put {
    NCP__PUT_NOT = 0,  /* go the long way */
    NCP__PUT_DONE = 1, /* it is idle */
    NCP__PUT_SERVE = 2 /* it is idle, and somebody may have to be served */
};

/* Makes a lease idle, if nothing stands in the way. */
static inline enum ncp__fast_put ncp__fast_put(struct ncp__engine *engine,
                                               struct ncp__shard *shard,
                                               ncp_lease lease, uint64_t now_ns)
{
    uint32_t index = ncp__token_index(lease);
    uint64_t generation = ncp__token_generation(lease);
    uint64_t word = ncp__word(generation, NCP__LEASED);

    if (NCP__UNLIKELY(
            index / NCP__CHUNK_SLOTS >= ncp__chunk_count(&engine->slots) ||
            !ncp__gate_is_calm(
                atomic_load_explicit(&engine->gate, memory_order_acquire))))
        return NCP__PUT_NOT;
    struct ncp__chunk *chunk =
        ncp__chunk_at(&engine->slots, index / NCP__CHUNK_SLOTS);
    struct ncp__slot *slot = &chunk->slots[index % NCP__CHUNK_SLOTS];
    if (NCP__UNLIKELY(atomic_load_explicit(&slot->word, memory_order_relaxed) !=
                          word ||
                      ncp__fast_stopped(engine, slot, NCP__FLAGS_ODD, now_ns)))
        return NCP__PUT_NOT;
    atomic_store_explicit(&slot->touched_ns, now_ns, memory_order_relaxed);
    ncp__masks_chain(&engine->idle, shard, slot, index);
    /* Seq_cst: see above; releases what the borrower wrote. */
    if (NCP__UNLIKELY(!atomic_compare_exchange_strong_explicit(
            &slot->word, &word,
            ncp__word(ncp__next_generation(generation), NCP__IDLE),
            memory_order_seq_cst, memory_order_relaxed)))
        return NCP__PUT_NOT;
    uint64_t bit = ncp__bit_of(index);
    if (NCP__UNLIKELY(
            (atomic_load_explicit(&chunk->idle, memory_order_seq_cst) & bit) ==
            0))
        atomic_fetch_or_explicit(&chunk->idle, bit, memory_order_seq_cst);
    return NCP__LIKELY(ncp__gate_is_calm(ncp__engine_gate(engine)))
               ? NCP__PUT_DONE
               : NCP__PUT_SERVE;
}

/* The same for the store lock; the caller has looked at nothing. */
ncp_lease ncp__fast_list_get(struct ncp__engine *engine, uint32_t fitting,
                             uint8_t stop, uint64_t now_ns);
enum ncp__fast_put ncp__fast_list_put(struct ncp__engine *engine,
                                      ncp_lease lease, uint64_t now_ns);

#endif
