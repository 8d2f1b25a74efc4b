/* What the idle stores share, and which of them is asked. */
#include "engine/idle.h"

const struct ncp__bucket ncp__buckets[NCP__BUCKETS] = {
    {NCP_PROTOCOL_TCP, NCP_IP_V4},          {NCP_PROTOCOL_TCP, NCP_IP_V6},
    {NCP_PROTOCOL_UDP, NCP_IP_V4},          {NCP_PROTOCOL_UDP, NCP_IP_V6},
    {NCP_PROTOCOL_TCP, NCP_IP_UNKNOWN},     {NCP_PROTOCOL_UDP, NCP_IP_UNKNOWN},
    {NCP_PROTOCOL_UNKNOWN, NCP_IP_V4},      {NCP_PROTOCOL_UNKNOWN, NCP_IP_V6},
    {NCP_PROTOCOL_UNKNOWN, NCP_IP_UNKNOWN},
};

_Thread_local struct ncp__thread ncp__thread;

void ncp__thread_enroll(void)
{
    static _Atomic uint32_t threads;

    if (ncp__thread.number == 0)
        ncp__thread.number =
            atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) + 1;
}

static bool is_list(const struct ncp__idle *idle)
{
    return idle->store == NCP_STORE_LOCK;
}

/* --------------------------------------------------------------- beginning, end */

static int make_list(struct ncp__idle *idle)
{
    struct ncp__idle_list *list = ncp__alloc(sizeof(*list));

    if (list == NULL)
        return NCP_ENOMEM;
    if (pthread_mutex_init(&list->lock, NULL) != 0) {
        ncp__free(list);
        return NCP_ESYS;
    }
    list->head = list->tail = NCP__NO_SLOT;
    idle->list = list;
    return NCP_OK;
}

/* Twice as many shards as processors, so that few threads share one. */
static uint32_t shards_wanted(void)
{
    uint32_t processors = ncp__processors(), count = 2;

    while (count < 2 * processors && count < NCP__MAX_SHARDS)
        count *= 2;
    return count;
}

static int make_shards(struct ncp__idle *idle)
{
    uint32_t count = shards_wanted();

    idle->shards =
        ncp__alloc_aligned(count * sizeof(*idle->shards), NCP__LINE_PAIR);
    if (idle->shards == NULL)
        return NCP_ENOMEM;
    idle->shard_mask = count - 1;
    return NCP_OK;
}

static void forget_chains(struct ncp__idle *idle)
{
    for (uint32_t i = 0; i <= idle->shard_mask; i++) {
        for (uint32_t b = 0; b < NCP__BUCKETS; b++) {
            atomic_store_explicit(&idle->shards[i].first[b], NCP__NO_SLOT,
                                  memory_order_relaxed);
            atomic_store_explicit(&idle->shards[i].last[b], NCP__NO_SLOT,
                                  memory_order_relaxed);
        }
    }
}

int ncp__idle_init(struct ncp__idle *idle, struct ncp__slots *slots, int store,
                   bool fifo)
{
    int rc = NCP_OK;

    idle->slots = slots;
    idle->store = (uint8_t)store;
    idle->fifo = fifo;
    idle->shards = &idle->one;
    if (store == NCP_STORE_LOCK)
        rc = make_list(idle);
    else if (store == NCP_STORE_SHARDED)
        rc = make_shards(idle);
    if (rc == NCP_OK)
        forget_chains(idle);
    return rc;
}

void ncp__idle_destroy(struct ncp__idle *idle)
{
    if (idle->list != NULL)
        pthread_mutex_destroy(&idle->list->lock);
    ncp__free(idle->list);
    if (idle->store == NCP_STORE_SHARDED)
        ncp__free_aligned(idle->shards);
}

void ncp__idle_forget(struct ncp__idle *idle)
{
    idle->checking = 0;
    forget_chains(idle);
    if (idle->list == NULL)
        return;
    pthread_mutex_init(&idle->list->lock, NULL);
    idle->list->head = idle->list->tail = NCP__NO_SLOT;
    atomic_store_explicit(&idle->list->count, 0, memory_order_relaxed);
}

/* ------------------------------------------------------------------------- kinds */

/* Bits of buckets: TCP4 1, TCP6 2, UDP4 4, UDP6 8, TCP 16, UDP 32, IPv4 64,
 * IPv6 128, others 256. */
const uint16_t ncp__fitting[3][3] = {
    {0x1ff, 0x045, 0x08a},
    {0x013, 0x001, 0x002},
    {0x02c, 0x004, 0x008},
};

static uint32_t bucket_of(int protocol, int ip)
{
    uint32_t b = 0;

    while (ncp__buckets[b].protocol != protocol || ncp__buckets[b].ip != ip)
        b++;
    return b;
}

/* Only the holder of the engine's lock writes what these change. */
static void set_bit(_Atomic uint64_t *mask, uint64_t bit)
{
    uint64_t old = atomic_load_explicit(mask, memory_order_relaxed);

    atomic_store_explicit(mask, old | bit, memory_order_relaxed);
}

static void clear_bit(_Atomic uint64_t *mask, uint64_t bit)
{
    uint64_t old = atomic_load_explicit(mask, memory_order_relaxed);

    atomic_store_explicit(mask, old & ~bit, memory_order_relaxed);
}

void ncp__idle_join(struct ncp__idle *idle, uint32_t index)
{
    struct ncp__chunk *chunk = ncp__chunk_of(idle->slots, index);
    struct ncp__slot *slot = ncp__slot_at(idle->slots, index);
    struct ncp__cold *cold = ncp__cold(slot);
    uint64_t bit = ncp__bit_of(index);
    uint32_t bucket = bucket_of(cold->protocol, cold->ip);

    if (!is_list(idle))
        atomic_store_explicit(&slot->where, (uint8_t)bucket,
                              memory_order_relaxed);

    set_bit(&chunk->open, bit);
    if (cold->protocol == NCP_PROTOCOL_TCP)
        set_bit(&chunk->tcp, bit);
    if (cold->protocol == NCP_PROTOCOL_UDP)
        set_bit(&chunk->udp, bit);
    if (cold->ip == NCP_IP_V4)
        set_bit(&chunk->ipv4, bit);
    if (cold->ip == NCP_IP_V6)
        set_bit(&chunk->ipv6, bit);
    atomic_fetch_or_explicit(&idle->kinds, UINT32_C(1) << bucket,
                             memory_order_relaxed);
}

void ncp__idle_leave(struct ncp__idle *idle, uint32_t index)
{
    struct ncp__chunk *chunk = ncp__chunk_of(idle->slots, index);
    uint64_t bit = ncp__bit_of(index);

    if (is_list(idle))
        ncp__list_leave(idle, index);
    if ((atomic_load_explicit(&chunk->idle, memory_order_relaxed) & bit) != 0)
        atomic_fetch_and_explicit(&chunk->idle, ~bit, memory_order_relaxed);
    clear_bit(&chunk->open, bit);
    clear_bit(&chunk->tcp, bit);
    clear_bit(&chunk->udp, bit);
    clear_bit(&chunk->ipv4, bit);
    clear_bit(&chunk->ipv6, bit);
}

/* ----------------------------------------------------------------- which store */

void ncp__idle_let_go(struct ncp__slot *slot)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);

    atomic_store_explicit(&slot->word,
                          ncp__word(ncp__word_generation(word), NCP__IDLE),
                          memory_order_seq_cst);
}

uint32_t ncp__idle_take(struct ncp__idle *idle, int want_protocol, int want_ip,
                        bool *returned)
{
    *returned = false;
    return is_list(idle)
               ? ncp__list_take(idle, want_protocol, want_ip)
               : ncp__masks_take(idle, want_protocol, want_ip, returned);
}

void ncp__idle_publish(struct ncp__idle *idle, uint32_t index)
{
    if (is_list(idle))
        ncp__list_publish(idle, index);
    else
        ncp__masks_publish(idle, index);
}

bool ncp__idle_claim(struct ncp__idle *idle, uint32_t index)
{
    return is_list(idle) ? ncp__list_claim(idle, index)
                         : ncp__masks_claim(idle, index);
}

void ncp__idle_unclaim(struct ncp__idle *idle, uint32_t index)
{
    if (is_list(idle))
        ncp__list_unclaim(idle, index);
    else
        ncp__masks_unclaim(idle, index);
}

void ncp__idle_begin_check(struct ncp__idle *idle, uint32_t index)
{
    struct ncp__slot *slot = ncp__slot_at(idle->slots, index);
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);

    idle->checking++;
    atomic_store_explicit(&slot->word,
                          ncp__word(ncp__word_generation(word), NCP__CHECKING),
                          memory_order_release);
}

void ncp__idle_end_check(struct ncp__idle *idle)
{
    idle->checking--;
}

uint32_t ncp__idle_take_oldest(struct ncp__idle *idle, int unless_protocol,
                               int unless_ip)
{
    return is_list(idle)
               ? ncp__list_take_oldest(idle, unless_protocol, unless_ip)
               : ncp__masks_take_oldest(idle, unless_protocol, unless_ip);
}

uint32_t ncp__idle_puts(const struct ncp__idle *idle)
{
    uint32_t puts = 0;

    if (is_list(idle))
        return atomic_load_explicit(&idle->list->puts, memory_order_relaxed);
    for (uint32_t i = 0; i <= idle->shard_mask; i++)
        puts +=
            atomic_load_explicit(&idle->shards[i].order, memory_order_relaxed);
    return puts;
}

/* --------------------------------------------------------------- whole chunks */

uint64_t ncp__idle_candidates(const struct ncp__idle *idle, uint32_t chunk)
{
    struct ncp__chunk *looked_at = ncp__chunk_at(idle->slots, chunk);

    /* Seq_cst pairs with what makes a slot idle: see the gate in engine.h. */
    return atomic_load_explicit(is_list(idle) ? &looked_at->open
                                              : &looked_at->idle,
                                memory_order_seq_cst);
}

uint64_t ncp__idle_sweep(struct ncp__idle *idle, uint32_t chunk)
{
    uint64_t mask = ncp__idle_candidates(idle, chunk), swept = 0;

    for (; mask != 0; mask &= mask - 1) {
        uint32_t index =
            chunk * NCP__CHUNK_SLOTS + (uint32_t)__builtin_ctzll(mask);
        if (ncp__idle_claim(idle, index))
            swept |= ncp__bit_of(index);
    }
    /* They leave: once for all of them. */
    atomic_fetch_and_explicit(&ncp__chunk_at(idle->slots, chunk)->idle, ~swept,
                              memory_order_relaxed);
    return swept;
}

/* --------------------------------------------------------------------- counting */

static uint32_t count_chunk(const struct ncp__idle *idle, uint32_t chunk)
{
    uint64_t mask = ncp__idle_candidates(idle, chunk);
    uint32_t count = 0;

    for (; mask != 0; mask &= mask - 1) {
        uint32_t index =
            chunk * NCP__CHUNK_SLOTS + (uint32_t)__builtin_ctzll(mask);
        count += ncp__state_of(ncp__slot_at(idle->slots, index)) == NCP__IDLE;
    }
    return count;
}

void ncp__idle_count_exactly(struct ncp__idle *idle, bool exact)
{
    atomic_store_explicit(&idle->exact, exact, memory_order_seq_cst);
    atomic_store_explicit(&idle->quick, !exact && !is_list(idle),
                          memory_order_seq_cst);
}

uint32_t ncp__idle_count(const struct ncp__idle *idle)
{
    uint32_t chunks = ncp__chunk_count(idle->slots);
    uint32_t count = idle->checking;

    for (uint32_t chunk = 0; chunk < chunks; chunk++)
        count += count_chunk(idle, chunk);
    return count;
}

bool ncp__idle_reaches(const struct ncp__idle *idle, uint32_t limit)
{
    if (is_list(idle))
        return atomic_load_explicit(&idle->list->count, memory_order_relaxed) >=
               limit;
    return ncp__masks_bits(idle) + idle->checking >= limit &&
           ncp__idle_count(idle) >= limit;
}
