#include "engine/idle.h"

enum {
    HOPS = 4,          /* stale hints followed before a scan */
    SCANNED_CHUNKS = 4 /* chunks with idle slots that a LIFO scan compares */
};

/* In the order of NCP__BUCKETS: TCP4, TCP6, UDP4, UDP6, then the others. */
static const struct {
    uint8_t protocol, ip;
} buckets[NCP__BUCKETS] = {
    {NCP_PROTOCOL_TCP, NCP_IP_V4},          {NCP_PROTOCOL_TCP, NCP_IP_V6},
    {NCP_PROTOCOL_UDP, NCP_IP_V4},          {NCP_PROTOCOL_UDP, NCP_IP_V6},
    {NCP_PROTOCOL_TCP, NCP_IP_UNKNOWN},     {NCP_PROTOCOL_UDP, NCP_IP_UNKNOWN},
    {NCP_PROTOCOL_UNKNOWN, NCP_IP_V4},      {NCP_PROTOCOL_UNKNOWN, NCP_IP_V6},
    {NCP_PROTOCOL_UNKNOWN, NCP_IP_UNKNOWN},
};

static uint32_t bucket_of(int protocol, int ip)
{
    uint32_t b = 0;

    while (buckets[b].protocol != protocol || buckets[b].ip != ip)
        b++;
    return b;
}

static struct ncp__chunk *chunk_of(const struct ncp__idle *idle, uint32_t index)
{
    return ncp__chunk_at(idle->slots, index / NCP__CHUNK_SLOTS);
}

static uint64_t bit_of(uint32_t index)
{
    return UINT64_C(1) << (index % NCP__CHUNK_SLOTS);
}

static void set_bit(_Atomic uint64_t *mask, uint64_t bit)
{
    atomic_fetch_or_explicit(mask, bit, memory_order_relaxed);
}

static void clear_bit(_Atomic uint64_t *mask, uint64_t bit)
{
    atomic_fetch_and_explicit(mask, ~bit, memory_order_relaxed);
}

void ncp__idle_init(struct ncp__idle *idle, struct ncp__slots *slots, bool fifo)
{
    idle->slots = slots;
    idle->fifo = fifo;
    atomic_init(&idle->kinds, 0);
    atomic_init(&idle->first, NCP__NO_SLOT);
    atomic_init(&idle->last, NCP__NO_SLOT);
    atomic_init(&idle->order, 0);
}

void ncp__idle_join(struct ncp__idle *idle, uint32_t index)
{
    struct ncp__chunk *chunk = chunk_of(idle, index);
    struct ncp__slot *slot = ncp__slot_at(idle->slots, index);
    uint64_t bit = bit_of(index);
    uint32_t kind = UINT32_C(1) << bucket_of(slot->protocol, slot->ip);

    set_bit(&chunk->open, bit);
    if (slot->protocol == NCP_PROTOCOL_TCP)
        set_bit(&chunk->tcp, bit);
    if (slot->protocol == NCP_PROTOCOL_UDP)
        set_bit(&chunk->udp, bit);
    if (slot->ip == NCP_IP_V4)
        set_bit(&chunk->ipv4, bit);
    if (slot->ip == NCP_IP_V6)
        set_bit(&chunk->ipv6, bit);
    atomic_fetch_or_explicit(&idle->kinds, kind, memory_order_relaxed);
}

void ncp__idle_leave(struct ncp__idle *idle, uint32_t index)
{
    struct ncp__chunk *chunk = chunk_of(idle, index);
    uint64_t bit = bit_of(index);

    clear_bit(&chunk->open, bit);
    clear_bit(&chunk->tcp, bit);
    clear_bit(&chunk->udp, bit);
    clear_bit(&chunk->ipv4, bit);
    clear_bit(&chunk->ipv6, bit);
}

/* -------------------------------------------------------------------- taking */

/* Clears the bit; true for the one who finds it set. Acquire pairs with the
 * publish: the new owner sees what the old one wrote. */
static bool claim_bit(struct ncp__chunk *chunk, uint64_t bit)
{
    uint64_t old =
        atomic_fetch_and_explicit(&chunk->idle, ~bit, memory_order_acq_rel);

    return (old & bit) != 0;
}

/* Seq_cst pairs with the publish: see engine.c, the gate. */
static uint64_t idle_mask(struct ncp__chunk *chunk)
{
    return atomic_load_explicit(&chunk->idle, memory_order_seq_cst);
}

/* Takes what the chain of hints names; it loses an entry whenever something
 * was taken out of its middle, and a scan finds those. */
static uint32_t take_hinted(struct ncp__idle *idle)
{
    uint32_t index = atomic_load_explicit(&idle->first, memory_order_relaxed);

    for (int hop = 0; hop < HOPS && index != NCP__NO_SLOT; hop++) {
        struct ncp__chunk *chunk = chunk_of(idle, index);
        struct ncp__slot *slot = ncp__slot_at(idle->slots, index);
        uint64_t bit = bit_of(index);
        bool taken = (idle_mask(chunk) & bit) != 0 && claim_bit(chunk, bit);
        uint32_t next = atomic_load_explicit(&slot->next, memory_order_relaxed);

        if (taken) {
            atomic_store_explicit(&idle->first, next, memory_order_relaxed);
            return index;
        }
        index = next;
    }
    return NCP__NO_SLOT;
}

static uint64_t kind_mask(const _Atomic uint64_t *yes1,
                          const _Atomic uint64_t *yes2, int which)
{
    uint64_t first = atomic_load_explicit(yes1, memory_order_relaxed);
    uint64_t second = atomic_load_explicit(yes2, memory_order_relaxed);

    if (which == 1)
        return first;
    return which == 2 ? second : ~(first | second);
}

/* The idle slots of a bucket in a chunk, or of all for NCP__BUCKETS. */
static uint64_t idle_in_bucket(struct ncp__chunk *chunk, uint32_t bucket)
{
    uint64_t mask = idle_mask(chunk);

    if (mask == 0 || bucket == NCP__BUCKETS)
        return mask;
    return mask &
           kind_mask(&chunk->tcp, &chunk->udp, buckets[bucket].protocol) &
           kind_mask(&chunk->ipv4, &chunk->ipv6, buckets[bucket].ip);
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
        uint32_t stamp = atomic_load_explicit(
            &ncp__slot_at(idle->slots, index)->stamp, memory_order_relaxed);
        bool newer = (int32_t)(stamp - best->stamp) > 0;

        if (best->index == NCP__NO_SLOT || newer != oldest)
            *best = (struct best){index, stamp};
    }
}

static uint32_t scan(struct ncp__idle *idle, uint32_t bucket)
{
    struct best best = {NCP__NO_SLOT, 0};
    uint32_t chunks = ncp__chunk_count(idle->slots);
    int filled = 0;

    for (uint32_t c = 0; c < chunks; c++) {
        uint64_t mask = idle_in_bucket(ncp__chunk_at(idle->slots, c), bucket);
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
static uint32_t take_scanned(struct ncp__idle *idle, uint32_t bucket)
{
    for (;;) {
        uint32_t index = scan(idle, bucket);
        if (index == NCP__NO_SLOT)
            return NCP__NO_SLOT;
        if (!claim_bit(chunk_of(idle, index), bit_of(index)))
            continue;
        if (idle->fifo)
            atomic_store_explicit(
                &idle->first,
                atomic_load_explicit(&ncp__slot_at(idle->slots, index)->next,
                                     memory_order_relaxed),
                memory_order_relaxed);
        return index;
    }
}

/* Puts an owned slot back as if it had never been taken. */
static void untake(struct ncp__idle *idle, uint32_t index)
{
    atomic_fetch_or_explicit(&chunk_of(idle, index)->idle, bit_of(index),
                             memory_order_seq_cst);
}

static uint32_t take_in_bucket(struct ncp__idle *idle, uint32_t bucket,
                               bool *returned)
{
    uint32_t index = take_scanned(idle, bucket);

    if (index == NCP__NO_SLOT)
        return index;
    /* The masks of kinds may have been stale. */
    const struct ncp__slot *slot = ncp__slot_at(idle->slots, index);
    if (bucket_of(slot->protocol, slot->ip) == bucket)
        return index;
    untake(idle, index);
    *returned = true;
    return NCP__NO_SLOT;
}

/* The usual pool has connections of one kind: hints first. */
static uint32_t take_any(struct ncp__idle *idle)
{
    bool rescan =
        idle->fifo && atomic_load_explicit(&idle->order, memory_order_relaxed) %
                              NCP__CHUNK_SLOTS ==
                          0; /* finds what a race lost */
    uint32_t index = rescan ? NCP__NO_SLOT : take_hinted(idle);

    return index != NCP__NO_SLOT ? index : take_scanned(idle, NCP__BUCKETS);
}

uint32_t ncp__idle_take(struct ncp__idle *idle, int want_protocol, int want_ip,
                        bool *returned)
{
    uint32_t kinds = atomic_load_explicit(&idle->kinds, memory_order_relaxed);
    bool one_kind = (kinds & (kinds - 1)) == 0;

    *returned = false;
    if (NCP__LIKELY(one_kind) && want_protocol == NCP_PROTOCOL_UNKNOWN &&
        want_ip == NCP_IP_UNKNOWN)
        return take_any(idle);
    for (uint32_t b = 0; b < NCP__BUCKETS; b++) {
        if ((kinds >> b & 1) == 0 ||
            !ncp__fits(buckets[b].protocol, buckets[b].ip, want_protocol,
                       want_ip))
            continue;
        uint32_t index =
            one_kind ? take_any(idle) : take_in_bucket(idle, b, returned);
        if (index == NCP__NO_SLOT)
            continue;
        const struct ncp__slot *slot = ncp__slot_at(idle->slots, index);
        if (ncp__fits(slot->protocol, slot->ip, want_protocol, want_ip))
            return index;
        untake(idle, index); /* a second kind has appeared meanwhile */
        *returned = true;
    }
    return NCP__NO_SLOT;
}

/* ---------------------------------------------------------------- publishing */

static void chain_lifo(struct ncp__idle *idle, uint32_t index)
{
    uint32_t first = atomic_load_explicit(&idle->first, memory_order_relaxed);

    if (first != index)
        atomic_store_explicit(&ncp__slot_at(idle->slots, index)->next, first,
                              memory_order_relaxed);
    atomic_store_explicit(&idle->first, index, memory_order_relaxed);
}

static void chain_fifo(struct ncp__idle *idle, uint32_t index)
{
    uint32_t last = atomic_load_explicit(&idle->last, memory_order_relaxed);

    atomic_store_explicit(&ncp__slot_at(idle->slots, index)->next, NCP__NO_SLOT,
                          memory_order_relaxed);
    if (last != NCP__NO_SLOT && last != index)
        atomic_store_explicit(&ncp__slot_at(idle->slots, last)->next, index,
                              memory_order_relaxed);
    atomic_store_explicit(&idle->last, index, memory_order_relaxed);
    if (atomic_load_explicit(&idle->first, memory_order_relaxed) ==
        NCP__NO_SLOT)
        atomic_store_explicit(&idle->first, index, memory_order_relaxed);
}

void ncp__idle_publish(struct ncp__idle *idle, uint32_t index)
{
    struct ncp__slot *slot = ncp__slot_at(idle->slots, index);
    /* Not a read-modify-write: returns that overlap may share a stamp. */
    uint32_t stamp =
        atomic_load_explicit(&idle->order, memory_order_relaxed) + 1;

    atomic_store_explicit(&idle->order, stamp, memory_order_relaxed);
    atomic_store_explicit(&slot->stamp, stamp, memory_order_relaxed);
    if (idle->fifo)
        chain_fifo(idle, index);
    else
        chain_lifo(idle, index);
    untake(idle, index);
}

/* --------------------------------------------------------------- maintenance */

bool ncp__idle_claim(struct ncp__idle *idle, uint32_t index)
{
    struct ncp__chunk *chunk = chunk_of(idle, index);
    uint64_t bit = bit_of(index);

    return (idle_mask(chunk) & bit) != 0 && claim_bit(chunk, bit);
}

bool ncp__idle_claim_for_check(struct ncp__idle *idle, uint32_t index)
{
    struct ncp__chunk *chunk = chunk_of(idle, index);
    uint64_t bit = bit_of(index);

    if ((idle_mask(chunk) & bit) == 0)
        return false;
    /* Counted twice for a moment rather than not at all. */
    set_bit(&chunk->checking, bit);
    if (claim_bit(chunk, bit))
        return true;
    clear_bit(&chunk->checking, bit);
    return false;
}

void ncp__idle_failed(struct ncp__idle *idle, uint32_t index)
{
    clear_bit(&chunk_of(idle, index)->checking, bit_of(index));
}

/* A connection that was newest before its check is newest after it. */
static void rechain_lifo(struct ncp__idle *idle, uint32_t index)
{
    uint32_t first = atomic_load_explicit(&idle->first, memory_order_relaxed);
    const struct ncp__slot *slot = ncp__slot_at(idle->slots, index);

    if (first != NCP__NO_SLOT) {
        uint32_t mine =
            atomic_load_explicit(&slot->stamp, memory_order_relaxed);
        uint32_t its = atomic_load_explicit(
            &ncp__slot_at(idle->slots, first)->stamp, memory_order_relaxed);
        if ((int32_t)(mine - its) < 0)
            return;
    }
    chain_lifo(idle, index);
}

void ncp__idle_checked(struct ncp__idle *idle, uint32_t index)
{
    if (!idle->fifo)
        rechain_lifo(idle, index);
    untake(idle, index);
    ncp__idle_failed(idle, index); /* no more under check */
}

/* By the masks of kinds, which an unowned slot can be judged by. */
static uint64_t fitting(struct ncp__chunk *chunk, int protocol, int ip)
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

uint32_t ncp__idle_take_oldest(struct ncp__idle *idle, int unless_protocol,
                               int unless_ip)
{
    bool all =
        unless_protocol == NCP_PROTOCOL_UNKNOWN && unless_ip == NCP_IP_UNKNOWN;

    for (;;) {
        struct best best = {NCP__NO_SLOT, 0};
        uint32_t chunks = ncp__chunk_count(idle->slots);

        for (uint32_t c = 0; c < chunks; c++) {
            struct ncp__chunk *chunk = ncp__chunk_at(idle->slots, c);
            uint64_t mask = idle_mask(chunk);
            if (!all)
                mask &= ~fitting(chunk, unless_protocol, unless_ip);
            consider(idle, &best, c * NCP__CHUNK_SLOTS, mask, true);
        }
        if (best.index == NCP__NO_SLOT ||
            claim_bit(chunk_of(idle, best.index), bit_of(best.index)))
            return best.index;
    }
}

uint64_t ncp__idle_sweep(struct ncp__idle *idle, uint32_t chunk)
{
    struct ncp__chunk *swept = ncp__chunk_at(idle->slots, chunk);

    if (idle_mask(swept) == 0)
        return 0;
    return atomic_exchange_explicit(&swept->idle, 0, memory_order_acq_rel);
}

uint32_t ncp__idle_count(const struct ncp__idle *idle)
{
    uint32_t chunks = ncp__chunk_count(idle->slots);
    int count = 0;

    for (uint32_t c = 0; c < chunks; c++) {
        struct ncp__chunk *chunk = ncp__chunk_at(idle->slots, c);
        uint64_t mask =
            idle_mask(chunk) |
            atomic_load_explicit(&chunk->checking, memory_order_relaxed);
        count += __builtin_popcountll(mask);
    }
    return (uint32_t)count;
}
