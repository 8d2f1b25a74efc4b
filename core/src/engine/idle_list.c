/*
 * The store lock: a mutex, and a doubly linked list through the slots, first what
 * is to be taken next. Slots become idle and cease to be it only while the mutex
 * is held.
 *
 * A slot that is claimed by maintenance, or under check, stays where it is in the
 * list and is passed over.
 *
 * A get that finds nothing announces itself at the gate before it takes the mutex
 * to look; a put looks at the gate after it has released the mutex. Whichever
 * comes second sees the first.
 */
#include "engine/idle.h"

static struct ncp__slot *slot_at(const struct ncp__idle *idle, uint32_t index)
{
    return ncp__slot_at(idle->slots, index);
}

/* Links and counts: written under the mutex, looked at from outside too. */
static uint32_t get_number(const _Atomic uint32_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

static void set_number(_Atomic uint32_t *number, uint32_t value)
{
    atomic_store_explicit(number, value, memory_order_relaxed);
}

static void link_between(const struct ncp__idle *idle, uint32_t before,
                         uint32_t index, uint32_t after)
{
    struct ncp__idle_list *list = idle->list;
    struct ncp__slot *slot = slot_at(idle, index);

    set_number(&slot->stamp, before);
    set_number(&slot->next, after);
    if (before == NCP__NO_SLOT)
        list->head = index;
    else
        set_number(&slot_at(idle, before)->next, index);
    if (after == NCP__NO_SLOT)
        list->tail = index;
    else
        set_number(&slot_at(idle, after)->stamp, index);
    atomic_store_explicit(&slot->where, 1, memory_order_relaxed);
    set_number(&list->count, get_number(&list->count) + 1);
}

void ncp__list_unlink_locked(const struct ncp__idle *idle, uint32_t index)
{
    struct ncp__idle_list *list = idle->list;
    struct ncp__slot *slot = slot_at(idle, index);
    uint32_t before = get_number(&slot->stamp), after = get_number(&slot->next);

    if (before == NCP__NO_SLOT)
        list->head = after;
    else
        set_number(&slot_at(idle, before)->next, after);
    if (after == NCP__NO_SLOT)
        list->tail = before;
    else
        set_number(&slot_at(idle, after)->stamp, before);
    atomic_store_explicit(&slot->where, 0, memory_order_relaxed);
    set_number(&list->count, get_number(&list->count) - 1);
}

/* The newest is the next one to be taken, or the last. */
void ncp__list_link_locked(const struct ncp__idle *idle, uint32_t index)
{
    struct ncp__idle_list *list = idle->list;

    set_number(&list->puts, get_number(&list->puts) + 1);
    if (idle->fifo)
        link_between(idle, list->tail, index, NCP__NO_SLOT);
    else
        link_between(idle, NCP__NO_SLOT, index, list->head);
}

static void set_state(struct ncp__slot *slot, enum ncp__state state)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);

    /* Release: who finds it sees what was written before. */
    atomic_store_explicit(&slot->word,
                          ncp__word(ncp__word_generation(word), state),
                          memory_order_release);
}

static bool is_idle(const struct ncp__idle *idle, uint32_t index)
{
    return ncp__state_of(slot_at(idle, index)) == NCP__IDLE;
}

static void lock(const struct ncp__idle *idle)
{
    pthread_mutex_lock(&idle->list->lock);
}

static void unlock(const struct ncp__idle *idle)
{
    pthread_mutex_unlock(&idle->list->lock);
}

/* ---------------------------------------------------------------------- taking */

static bool slot_fits(const struct ncp__idle *idle, uint32_t index,
                      int want_protocol, int want_ip)
{
    const struct ncp__slot *slot = slot_at(idle, index);

    return ncp__fits(ncp__cold(slot)->protocol, ncp__cold(slot)->ip,
                     want_protocol, want_ip);
}

/* The first idle one that fits, from the head on, or NCP__NO_SLOT. */
static uint32_t first_fit(const struct ncp__idle *idle, int protocol, int ip)
{
    uint32_t index = idle->list->head;

    while (index != NCP__NO_SLOT &&
           (!is_idle(idle, index) || !slot_fits(idle, index, protocol, ip)))
        index = get_number(&slot_at(idle, index)->next);
    return index;
}

/* The first idle one of a bucket. */
static uint32_t first_of(const struct ncp__idle *idle,
                         const struct ncp__bucket *bucket)
{
    uint32_t index = idle->list->head;

    while (index != NCP__NO_SLOT &&
           (!is_idle(idle, index) ||
            ncp__cold(slot_at(idle, index))->protocol != bucket->protocol ||
            ncp__cold(slot_at(idle, index))->ip != bucket->ip))
        index = get_number(&slot_at(idle, index)->next);
    return index;
}

static uint32_t find(const struct ncp__idle *idle, int want_protocol,
                     int want_ip)
{
    uint32_t kinds = atomic_load_explicit(&idle->kinds, memory_order_relaxed);
    uint32_t index = NCP__NO_SLOT;

    if (NCP__LIKELY((kinds & (kinds - 1)) == 0))
        return first_fit(idle, want_protocol, want_ip);
    for (uint32_t b = 0; b < NCP__BUCKETS && index == NCP__NO_SLOT; b++)
        if ((kinds >> b & 1) != 0 &&
            ncp__fits(ncp__buckets[b].protocol, ncp__buckets[b].ip,
                      want_protocol, want_ip))
            index = first_of(idle, &ncp__buckets[b]);
    return index;
}

/* Takes a slot out of the list. */
static void own(const struct ncp__idle *idle, uint32_t index)
{
    if (index == NCP__NO_SLOT)
        return;
    ncp__list_unlink_locked(idle, index);
    set_state(slot_at(idle, index), NCP__HELD);
}

uint32_t ncp__list_take(struct ncp__idle *idle, int want_protocol, int want_ip)
{
    lock(idle);
    uint32_t index = find(idle, want_protocol, want_ip);
    own(idle, index);
    unlock(idle);
    return index;
}

bool ncp__list_claim(struct ncp__idle *idle, uint32_t index)
{
    lock(idle);
    bool claimed = is_idle(idle, index);
    if (claimed)
        set_state(slot_at(idle, index), NCP__HELD);
    unlock(idle);
    return claimed;
}

/* From the end where the least recently returned one is. */
static uint32_t find_oldest(const struct ncp__idle *idle, int unless_protocol,
                            int unless_ip)
{
    const struct ncp__idle_list *list = idle->list;
    uint32_t index = idle->fifo ? list->head : list->tail;
    bool all =
        unless_protocol == NCP_PROTOCOL_UNKNOWN && unless_ip == NCP_IP_UNKNOWN;

    while (index != NCP__NO_SLOT &&
           (!is_idle(idle, index) ||
            (!all && slot_fits(idle, index, unless_protocol, unless_ip))))
        index = get_number(idle->fifo ? &slot_at(idle, index)->next
                                      : &slot_at(idle, index)->stamp);
    return index;
}

uint32_t ncp__list_take_oldest(struct ncp__idle *idle, int unless_protocol,
                               int unless_ip)
{
    lock(idle);
    uint32_t index = find_oldest(idle, unless_protocol, unless_ip);
    own(idle, index);
    unlock(idle);
    return index;
}

/* ------------------------------------------------------------------ returning */

void ncp__list_publish(struct ncp__idle *idle, uint32_t index)
{
    lock(idle);
    ncp__list_link_locked(idle, index);
    ncp__idle_let_go(slot_at(idle, index));
    unlock(idle);
}

void ncp__list_unclaim(struct ncp__idle *idle, uint32_t index)
{
    lock(idle);
    ncp__idle_let_go(slot_at(idle, index));
    unlock(idle);
}

void ncp__list_leave(struct ncp__idle *idle, uint32_t index)
{
    lock(idle);
    if (atomic_load_explicit(&slot_at(idle, index)->where,
                             memory_order_relaxed) != 0)
        ncp__list_unlink_locked(idle, index);
    unlock(idle);
}
