/*
 * The stores lockfree and sharded: chains of hints and masks.
 *
 * A bit of a mask may be set while its slot is lent, so that a get and a put
 * leave it alone. Scans clear such bits and look at the slot again: one that was
 * returned meanwhile found its bit set, or sets it, or is seen here.
 *
 * With `exact` (engine.h: a pool that limits what is idle) whoever takes a slot
 * clears its bit first and only goes on if it was set; nobody else clears it.
 */
#include "engine/idle.h"

enum {
    HOPS = 4,          /* stale hints followed before a scan */
    SCANNED_CHUNKS = 4 /* chunks with idle slots that a LIFO scan compares */
};

static struct ncp__slot *slot_at(const struct ncp__idle *idle, uint32_t index)
{
    return ncp__slot_at(idle->slots, index);
}

static struct ncp__chunk *chunk_of(const struct ncp__idle *idle, uint32_t index)
{
    return ncp__chunk_of(idle->slots, index);
}

static bool is_exact(const struct ncp__idle *idle)
{
    return atomic_load_explicit(&idle->exact, memory_order_relaxed) != 0;
}

/* -------------------------------------------------------------------- claiming */

/* The new owner sees what the old one wrote. */
static bool win(struct ncp__slot *slot)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_seq_cst);

    while (ncp__word_state(word) == NCP__IDLE)
        if (atomic_compare_exchange_weak_explicit(
                &slot->word, &word,
                ncp__word(ncp__word_generation(word), NCP__HELD),
                memory_order_seq_cst, memory_order_seq_cst))
            return true;
    return false;
}

/* With `exact`, a slot that is not won after its bit was cleared belongs to
 * somebody who has still to return it, and sets the bit then. */
bool ncp__masks_claim(struct ncp__idle *idle, uint32_t index)
{
    struct ncp__chunk *chunk = chunk_of(idle, index);
    uint64_t bit = ncp__bit_of(index);

    if (is_exact(idle) &&
        (atomic_fetch_and_explicit(&chunk->idle, ~bit, memory_order_seq_cst) &
         bit) == 0)
        return false;
    return win(slot_at(idle, index));
}

/* Whether it seems worth claiming. */
static bool seems_idle(const struct ncp__idle *idle, uint32_t index)
{
    return ncp__state_of(slot_at(idle, index)) == NCP__IDLE;
}

/* Takes what a bucket's chain of hints names; it loses an entry whenever something
 * was taken out of its middle, and a scan finds those. */
static uint32_t take_hinted(struct ncp__idle *idle, uint32_t bucket)
{
    _Atomic uint32_t *head = &ncp__idle_home(idle)->first[bucket];
    uint32_t index = atomic_load_explicit(head, memory_order_acquire);

    for (int hop = 0; hop < HOPS && index != NCP__NO_SLOT; hop++) {
        bool taken = seems_idle(idle, index) && ncp__masks_claim(idle, index);
        uint32_t next = atomic_load_explicit(&slot_at(idle, index)->next,
                                             memory_order_acquire);

        if (taken) {
            atomic_store_explicit(head, next, memory_order_release);
            return index;
        }
        index = next;
    }
    return NCP__NO_SLOT;
}

/* -------------------------------------------------------------------- scanning */

static uint64_t kind_mask(const _Atomic uint64_t *yes1,
                          const _Atomic uint64_t *yes2, int which)
{
    uint64_t first = atomic_load_explicit(yes1, memory_order_relaxed);
    uint64_t second = atomic_load_explicit(yes2, memory_order_relaxed);

    if (which == 1)
        return first;
    return which == 2 ? second : ~(first | second);
}

/* The slots of a chunk that may be idle and are of a bucket. */
static uint64_t in_bucket(const struct ncp__idle *idle, uint32_t chunk_index,
                          uint32_t bucket)
{
    const struct ncp__chunk *chunk = ncp__chunk_at(idle->slots, chunk_index);
    uint64_t mask = ncp__idle_candidates(idle, chunk_index);

    if (mask == 0)
        return mask;
    return mask &
           kind_mask(&chunk->tcp, &chunk->udp, ncp__buckets[bucket].protocol) &
           kind_mask(&chunk->ipv4, &chunk->ipv6, ncp__buckets[bucket].ip);
}

/* Those slots of a chunk that are idle. */
static uint64_t look(struct ncp__chunk *chunk, uint64_t mask)
{
    uint64_t idle = 0;

    for (; mask != 0; mask &= mask - 1) {
        int i = __builtin_ctzll(mask);
        if (ncp__state_of(&chunk->slots[i]) == NCP__IDLE)
            idle |= UINT64_C(1) << i;
    }
    return idle;
}

/* Clears bits that seem stale, and sets those again that were not. */
static uint64_t clear_stale(struct ncp__chunk *chunk, uint64_t stale,
                            bool *returned)
{
    /* Seq_cst: pairs with show, which looks at the bit after the word
     * was made idle. */
    atomic_fetch_and_explicit(&chunk->idle, ~stale, memory_order_seq_cst);
    uint64_t back = look(chunk, stale);
    if (back != 0) {
        atomic_fetch_or_explicit(&chunk->idle, back, memory_order_seq_cst);
        *returned = true;
    }
    return back;
}

static uint64_t live(struct ncp__idle *idle, uint32_t chunk_index,
                     uint64_t mask, bool *returned)
{
    struct ncp__chunk *chunk = ncp__chunk_at(idle->slots, chunk_index);
    uint64_t live = look(chunk, mask);

    if (live != mask && !is_exact(idle))
        live |= clear_stale(chunk, mask & ~live, returned);
    return live;
}

/* What a scan has found so far. */
struct best {
    uint32_t index;
    uint32_t stamp;
};

static void consider(struct ncp__idle *idle, struct best *best, uint32_t base,
                     uint64_t mask, bool oldest)
{
    for (; mask != 0; mask &= mask - 1) {
        uint32_t index = base + (uint32_t)__builtin_ctzll(mask);
        uint32_t stamp = atomic_load_explicit(&slot_at(idle, index)->stamp,
                                              memory_order_relaxed);
        bool newer = (int32_t)(stamp - best->stamp) > 0;

        if (best->index == NCP__NO_SLOT || newer != oldest)
            *best = (struct best){index, stamp};
    }
}

static uint32_t scan(struct ncp__idle *idle, uint32_t bucket, bool *returned)
{
    struct best best = {NCP__NO_SLOT, 0};
    uint32_t chunks = ncp__chunk_count(idle->slots);
    int filled = 0;

    for (uint32_t c = 0; c < chunks; c++) {
        uint64_t mask = in_bucket(idle, c, bucket);
        if (mask != 0)
            mask = live(idle, c, mask, returned);
        if (mask == 0)
            continue;
        consider(idle, &best, c * NCP__CHUNK_SLOTS, mask, idle->fifo);
        if (!idle->fifo && ++filled == SCANNED_CHUNKS)
            break;
    }
    return best.index;
}

/* Scans until it wins a slot or there is none: every lost race means that
 * somebody else got one. */
static uint32_t take_scanned(struct ncp__idle *idle, uint32_t bucket,
                             bool *returned)
{
    for (;;) {
        uint32_t index = scan(idle, bucket, returned);
        if (index == NCP__NO_SLOT)
            return NCP__NO_SLOT;
        if (!ncp__masks_claim(idle, index))
            continue;
        if (idle->fifo)
            atomic_store_explicit(
                &ncp__idle_home(idle)->first[bucket],
                atomic_load_explicit(&slot_at(idle, index)->next,
                                     memory_order_acquire),
                memory_order_release);
        return index;
    }
}

/* ---------------------------------------------------------------------- taking */

/* Sets the bit of a slot that was made idle, unless it is set. */
static void show(struct ncp__idle *idle, uint32_t index)
{
    struct ncp__chunk *chunk = chunk_of(idle, index);
    uint64_t bit = ncp__bit_of(index);

    /* Seq_cst, after the word was made idle: pairs with clear_stale. */
    if ((atomic_load_explicit(&chunk->idle, memory_order_seq_cst) & bit) == 0)
        atomic_fetch_or_explicit(&chunk->idle, bit, memory_order_seq_cst);
}

/* Puts a slot back that was taken and does not fit. */
static void untake(struct ncp__idle *idle, uint32_t index, bool *returned)
{
    ncp__idle_let_go(slot_at(idle, index));
    show(idle, index);
    *returned = true;
}

/* FIFO: now and then a scan, which finds what a race lost to the chain. */
static bool rescans(const struct ncp__idle *idle)
{
    return idle->fifo && atomic_load_explicit(&ncp__idle_home(idle)->order,
                                              memory_order_relaxed) %
                                 NCP__CHUNK_SLOTS ==
                             0;
}

static uint32_t take_in_bucket(struct ncp__idle *idle, uint32_t bucket,
                               bool *returned)
{
    uint32_t index = rescans(idle) ? NCP__NO_SLOT : take_hinted(idle, bucket);

    if (index == NCP__NO_SLOT)
        index = take_scanned(idle, bucket, returned);
    if (index == NCP__NO_SLOT)
        return index;
    /* A hint may be of the slot's last connection, a mask of kinds stale. */
    if (atomic_load_explicit(&slot_at(idle, index)->where,
                             memory_order_relaxed) == bucket)
        return index;
    untake(idle, index, returned);
    return NCP__NO_SLOT;
}

uint32_t ncp__masks_take(struct ncp__idle *idle, int want_protocol, int want_ip,
                         bool *returned)
{
    uint32_t kinds = atomic_load_explicit(&idle->kinds, memory_order_relaxed) &
                     ncp__fitting[want_protocol][want_ip];

    for (; kinds != 0; kinds &= kinds - 1) {
        uint32_t index =
            take_in_bucket(idle, (uint32_t)__builtin_ctz(kinds), returned);
        if (index != NCP__NO_SLOT)
            return index;
    }
    return NCP__NO_SLOT;
}

/* ---------------------------------------------------------------- publishing */

void ncp__masks_publish(struct ncp__idle *idle, uint32_t index)
{
    ncp__masks_chain(idle, ncp__idle_home(idle), slot_at(idle, index), index);
    ncp__idle_let_go(slot_at(idle, index));
    show(idle, index);
}

/* --------------------------------------------------------------- maintenance */

/* A connection that was newest before its check is newest after it. */
static void rechain_lifo(struct ncp__idle *idle, uint32_t index)
{
    struct ncp__slot *slot = slot_at(idle, index);
    uint8_t bucket = atomic_load_explicit(&slot->where, memory_order_relaxed);
    _Atomic uint32_t *head = &ncp__idle_home(idle)->first[bucket];
    uint32_t first = atomic_load_explicit(head, memory_order_acquire);

    if (first != NCP__NO_SLOT) {
        uint32_t mine =
            atomic_load_explicit(&slot->stamp, memory_order_relaxed);
        uint32_t its = atomic_load_explicit(&slot_at(idle, first)->stamp,
                                            memory_order_relaxed);
        if ((int32_t)(mine - its) < 0)
            return;
    }
    ncp__chain_lifo(head, slot, index);
}

void ncp__masks_unclaim(struct ncp__idle *idle, uint32_t index)
{
    if (!idle->fifo)
        rechain_lifo(idle, index);
    ncp__idle_let_go(slot_at(idle, index));
    show(idle, index);
}

/* By the masks of kinds, which an unowned slot can be judged by. */
static uint64_t fitting(const struct ncp__chunk *chunk, int protocol, int ip)
{
    uint64_t mask = UINT64_MAX;

    if (protocol == NCP_PROTOCOL_TCP)
        mask &= atomic_load_explicit(&chunk->tcp, memory_order_relaxed);
    if (protocol == NCP_PROTOCOL_UDP)
        mask &= atomic_load_explicit(&chunk->udp, memory_order_relaxed);
    if (ip == NCP_IP_V4)
        mask &= atomic_load_explicit(&chunk->ipv4, memory_order_relaxed);
    if (ip == NCP_IP_V6)
        mask &= atomic_load_explicit(&chunk->ipv6, memory_order_relaxed);
    return mask;
}

static uint32_t oldest(struct ncp__idle *idle, int unless_protocol,
                       int unless_ip)
{
    bool all =
        unless_protocol == NCP_PROTOCOL_UNKNOWN && unless_ip == NCP_IP_UNKNOWN;
    struct best best = {NCP__NO_SLOT, 0};
    uint32_t chunks = ncp__chunk_count(idle->slots);

    for (uint32_t c = 0; c < chunks; c++) {
        struct ncp__chunk *chunk = ncp__chunk_at(idle->slots, c);
        uint64_t mask = look(chunk, ncp__idle_candidates(idle, c));
        if (!all)
            mask &= ~fitting(chunk, unless_protocol, unless_ip);
        consider(idle, &best, c * NCP__CHUNK_SLOTS, mask, true);
    }
    return best.index;
}

uint32_t ncp__masks_take_oldest(struct ncp__idle *idle, int unless_protocol,
                                int unless_ip)
{
    for (;;) {
        uint32_t index = oldest(idle, unless_protocol, unless_ip);
        if (index == NCP__NO_SLOT || ncp__masks_claim(idle, index))
            return index;
    }
}

uint32_t ncp__masks_bits(const struct ncp__idle *idle)
{
    uint32_t chunks = ncp__chunk_count(idle->slots);
    int count = 0;

    for (uint32_t c = 0; c < chunks; c++)
        count += __builtin_popcountll(ncp__idle_candidates(idle, c));
    return (uint32_t)count;
}
