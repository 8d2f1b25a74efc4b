#include "engine/slot.h"

struct ncp__old_table {
    struct ncp__old_table *next;
    struct ncp__chunk **table;
};

void ncp__slots_init(struct ncp__slots *slots)
{
    atomic_init(&slots->chunks, 0);
    atomic_init(&slots->table, NULL);
    slots->room = 0;
    slots->old = NULL;
    slots->free_head = NCP__NO_SLOT;
    slots->free_tail = NCP__NO_SLOT;
}

void ncp__slots_destroy(struct ncp__slots *slots)
{
    uint32_t count = ncp__chunk_count(slots);

    for (uint32_t i = 0; i < count; i++)
        ncp__free_aligned(ncp__chunk_at(slots, i));
    ncp__free(atomic_load_explicit(&slots->table, memory_order_relaxed));
    while (slots->old != NULL) {
        struct ncp__old_table *old = slots->old;
        slots->old = old->next;
        ncp__free(old->table);
        ncp__free(old);
    }
}

/* Makes room for twice as many chunks. Readers may still hold the old table,
 * so it stays until the end: all of them together are as large as the last. */
static bool widen_table(struct ncp__slots *slots)
{
    uint32_t count = ncp__chunk_count(slots);
    uint32_t room = slots->room == 0 ? 1 : slots->room * 2;
    struct ncp__chunk **table = ncp__alloc(room * sizeof(*table));
    struct ncp__old_table *old = NULL;

    if (table == NULL)
        return false;
    if (slots->room != 0) {
        old = ncp__alloc(sizeof(*old));
        if (old == NULL) {
            ncp__free(table);
            return false;
        }
        old->table = atomic_load_explicit(&slots->table, memory_order_relaxed);
        old->next = slots->old;
        slots->old = old;
        for (uint32_t i = 0; i < count; i++)
            table[i] = old->table[i];
    }
    /* Release pairs with the acquire in ncp__chunk_at. */
    atomic_store_explicit(&slots->table, table, memory_order_release);
    slots->room = room;
    return true;
}

/* Where the generations of a new slot begin. A golden-ratio walk spreads the
 * slots of all pools over the whole range, so that a lease of another pool does
 * not happen to be valid here. */
static uint64_t first_generation(void)
{
    static _Atomic uint64_t made;
    uint64_t n = atomic_fetch_add_explicit(&made, 1, memory_order_relaxed) + 1;
    uint64_t generation =
        (n * UINT64_C(0x9E3779B97F4A7C15)) >> (64 - NCP__GENERATION_BITS);

    return generation == 0 ? 1 : generation;
}

static void append_free(struct ncp__slots *slots, uint32_t index)
{
    ncp__cold(ncp__slot_at(slots, index))->link = NCP__NO_SLOT;
    if (slots->free_head == NCP__NO_SLOT)
        slots->free_head = index;
    else
        ncp__cold(ncp__slot_at(slots, slots->free_tail))->link = index;
    slots->free_tail = index;
}

static uint16_t words_between(const struct ncp__slot *slot,
                              const struct ncp__cold *cold)
{
    return (uint16_t)(((uintptr_t)cold - (uintptr_t)slot) / sizeof(uint64_t));
}

static struct ncp__chunk *make_chunk(void)
{
    struct ncp__chunk *chunk =
        ncp__alloc_aligned(sizeof(*chunk), NCP__LINE_PAIR);

    if (chunk == NULL)
        return NULL;
    for (int i = 0; i < NCP__CHUNK_SLOTS; i++) {
        struct ncp__slot *slot = &chunk->slots[i];
        slot->cold_after = words_between(slot, &chunk->cold[i]);
        atomic_init(&slot->word, ncp__word(first_generation(), NCP__FREE));
    }
    return chunk;
}

/* Every other one first: processors fetch lines by twos, and so the connections of
 * a small pool have pairs to themselves. */
static void append_chunk(struct ncp__slots *slots, uint32_t chunk)
{
    uint32_t base = chunk * NCP__CHUNK_SLOTS;

    for (uint32_t i = 0; i < NCP__CHUNK_SLOTS; i += 2)
        append_free(slots, base + i);
    for (uint32_t i = 1; i < NCP__CHUNK_SLOTS; i += 2)
        append_free(slots, base + i);
}

static bool grow(struct ncp__slots *slots)
{
    uint32_t count = ncp__chunk_count(slots);

    if (count == NCP__MAX_SLOTS / NCP__CHUNK_SLOTS)
        return false;
    if (count == slots->room && !widen_table(slots))
        return false;
    struct ncp__chunk *chunk = make_chunk();
    if (chunk == NULL)
        return false;
    atomic_load_explicit(&slots->table, memory_order_relaxed)[count] = chunk;
    atomic_store_explicit(&slots->chunks, count + 1, memory_order_release);
    append_chunk(slots, count);
    return true;
}

uint32_t ncp__slots_reserve(struct ncp__slots *slots)
{
    if (slots->free_head == NCP__NO_SLOT && !grow(slots))
        return NCP__NO_SLOT;

    uint32_t index = slots->free_head;
    struct ncp__slot *slot = ncp__slot_at(slots, index);
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);

    slots->free_head = ncp__cold(slot)->link;
    ncp__cold(slot)->link = NCP__NO_SLOT;
    /* Release: whoever finds this generation finds what was written before. */
    atomic_store_explicit(&slot->word,
                          ncp__word(ncp__word_generation(word), NCP__CREATING),
                          memory_order_release);
    return index;
}

void ncp__slots_release(struct ncp__slots *slots, uint32_t index)
{
    struct ncp__slot *slot = ncp__slot_at(slots, index);
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
    uint64_t generation = ncp__next_generation(ncp__word_generation(word));

    atomic_store_explicit(&slot->word, ncp__word(generation, NCP__FREE),
                          memory_order_release);
    append_free(slots, index);
}

static uint64_t relaxed(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

/* What a connection has besides when it was lent; in a reservation the same
 * memory says whose dial it is, and when that has to end. */
static void view_lent(struct ncp__slot_copy *view, const struct ncp__slot *slot)
{
    const struct ncp__cold *cold = ncp__cold(slot);
    uint8_t flags =
        atomic_load_explicit(&view->slot.flags, memory_order_relaxed);

    view->cold.checked_ns = cold->checked_ns;
    view->cold.gets_base = cold->gets_base;
    view->cold.slow_gets = cold->slow_gets;
    if ((flags & NCP__FLAG_TAGGED) != 0)
        view->slot.of.tag = __atomic_load_n(&slot->of.tag, __ATOMIC_RELAXED);
}

void ncp__slot_view(struct ncp__slot_copy *view, const struct ncp__slot *slot)
{
    const struct ncp__cold *cold = ncp__cold(slot);
    uint64_t word = relaxed(&slot->word);

    *view = (struct ncp__slot_copy){
        .slot.handle = slot->handle,
        .slot.cold_after = words_between(&view->slot, &view->cold),
        .cold.fd = __atomic_load_n(&cold->fd, __ATOMIC_RELAXED),
        .cold.protocol = cold->protocol,
        .cold.ip = cold->ip,
        .cold.id = cold->id,
        .cold.created_ns = cold->created_ns,
        .cold.reason = cold->reason,
    };
    atomic_init(&view->slot.word, word);
    atomic_init(&view->slot.gets, relaxed(&slot->gets));
    atomic_init(&view->slot.touched_ns, relaxed(&slot->touched_ns));
    atomic_init(&view->slot.flags,
                atomic_load_explicit(&slot->flags, memory_order_relaxed));
    if (ncp__word_state(word) != NCP__CREATING)
        view_lent(view, slot);
}
