/* The shortest way of a get and of a put with the store lock. */
#include "engine/fast.h"

static ncp_lease lend_head(struct ncp__engine *engine, uint8_t stop,
                           uint64_t now_ns)
{
    uint32_t index = engine->idle.list->head;

    if (index == NCP__NO_SLOT)
        return 0;
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
    if (ncp__word_state(word) != NCP__IDLE ||
        ncp__fast_stopped(engine, slot, stop, now_ns) ||
        ncp__fast_rested(slot, now_ns))
        return 0;
    ncp__list_unlink_locked(&engine->idle, index);
    atomic_store_explicit(&slot->touched_ns, now_ns, memory_order_relaxed);
    /* Release: who finds the lease finds when it began. */
    atomic_store_explicit(&slot->word, word ^ (NCP__IDLE ^ NCP__LEASED),
                          memory_order_release);
    ncp__engine_count_fast(slot);
    return ncp__token(ncp__word_generation(word), index);
}

ncp_lease ncp__fast_list_get(struct ncp__engine *engine, uint32_t fitting,
                             uint8_t stop, uint64_t now_ns)
{
    struct ncp__idle_list *list = engine->idle.list;

    if (list == NULL || !ncp__fast_open(engine) ||
        !ncp__idle_one_kind(&engine->idle) ||
        ncp__idle_bucket_for(&engine->idle, fitting) == NCP__BUCKETS)
        return 0; /* with several kinds the head need not be the right one */
    pthread_mutex_lock(&list->lock);
    ncp_lease lease = lend_head(engine, stop, now_ns);
    pthread_mutex_unlock(&list->lock);
    return lease;
}

/* The gate was open: a waiter that has raised it since takes the mutex later, or
 * is seen at the gate afterwards. */
static bool take_back(struct ncp__engine *engine, uint32_t index, uint64_t word,
                      uint64_t now_ns)
{
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    uint64_t generation = ncp__word_generation(word);

    if (atomic_load_explicit(&slot->word, memory_order_relaxed) != word ||
        ncp__fast_stopped(engine, slot, NCP__FLAGS_ODD, now_ns))
        return false;
    atomic_store_explicit(&slot->touched_ns, now_ns, memory_order_relaxed);
    /* A lease may be taken away meanwhile, without the mutex. */
    if (!atomic_compare_exchange_strong_explicit(
            &slot->word, &word,
            ncp__word(ncp__next_generation(generation), NCP__IDLE),
            memory_order_seq_cst, memory_order_relaxed))
        return false;
    ncp__list_link_locked(&engine->idle, index);
    return true;
}

enum ncp__fast_put ncp__fast_list_put(struct ncp__engine *engine,
                                      ncp_lease lease, uint64_t now_ns)
{
    struct ncp__idle *idle = &engine->idle;
    uint32_t index = ncp__token_index(lease);
    uint64_t word = ncp__word(ncp__token_generation(lease), NCP__LEASED);

    if (idle->list == NULL ||
        atomic_load_explicit(&idle->exact, memory_order_relaxed) != 0 ||
        index / NCP__CHUNK_SLOTS >= ncp__chunk_count(&engine->slots) ||
        !ncp__gate_is_calm(
            atomic_load_explicit(&engine->gate, memory_order_acquire)))
        return NCP__PUT_NOT;
    pthread_mutex_lock(&idle->list->lock);
    bool back = take_back(engine, index, word, now_ns);
    pthread_mutex_unlock(&idle->list->lock);
    if (!back)
        return NCP__PUT_NOT;
    /* After the mutex: pairs with ncp__engine_enqueue. */
    return ncp__gate_is_calm(ncp__engine_gate(engine)) ? NCP__PUT_DONE
                                                       : NCP__PUT_SERVE;
}
