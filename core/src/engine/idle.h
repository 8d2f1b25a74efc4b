/*
 * The idle store: which connections can be lent, and which one first.
 *
 * The truth is the word of a slot (slot.h): a connection is idle while its state
 * is IDLE, and who wins the compare-and-swap away from it owns the slot. Three
 * stores find such a slot, with the same behaviour:
 *
 *   lockfree (idle_masks.c)  a chain of hints, and a mask of 64 bits a chunk
 *                            whose bit may be stale in one direction: set while
 *                            the slot is lent. Order is exact among returns that
 *                            do not overlap in time.
 *   sharded  (idle_masks.c)  the same, with a chain for each shard; a thread
 *                            begins with its own. A get and a put of a thread
 *                            that has its connection to itself write to no line
 *                            that another thread uses. Order is exact in a shard.
 *   lock     (idle_list.c)   a mutex and a list through the slots. Order is exact.
 *
 * The gets and puts that nothing stands in the way of are in fast.h.
 */
#ifndef NCP_ENGINE_IDLE_H
#define NCP_ENGINE_IDLE_H

#include "engine/slot.h"

#include <pthread.h>

/* The buckets: protocol x IP version, in the order in which a get that wants
 * any of them looks: TCP4, TCP6, UDP4, UDP6, then the others. */
enum { NCP__BUCKETS = 9, NCP__MAX_SHARDS = 64 };

/* Where a thread begins to look, and how it goes on: hints, for each bucket. They are
 * read with acquire and written with release, so that who finds the index of a slot
 * finds the chunk that it is in. */
struct ncp__shard {
    _Atomic uint32_t order;               /* stamp of the latest return */
    _Atomic uint32_t first[NCP__BUCKETS]; /* what to take next */
    _Atomic uint32_t last[NCP__BUCKETS];  /* FIFO: after what to append */
} __attribute__((aligned(NCP__CACHE_LINE)));

/* The list of the lock store, through slot.next and slot.stamp. */
struct ncp__idle_list {
    pthread_mutex_t lock;
    /* guarded by the lock */
    uint32_t head, tail; /* what to take next; the other end */
    _Atomic uint32_t count, puts;
};

struct ncp__idle {
    struct ncp__slots *slots;
    struct ncp__shard *shards; /* &one, or an array of its own */
    uint32_t shard_mask;       /* how many, minus one */
    uint8_t store;             /* enum ncp_store */
    bool fifo;
    _Atomic uint32_t kinds; /* bit b: bucket b was ever used */
    /* A bit is cleared before its slot is taken, so that bits can be counted: for
     * a pool that limits what is idle. */
    _Atomic uint32_t exact;
    _Atomic uint32_t quick; /* bits are not counted, so see fast.h */
    uint32_t checking;      /* how many are under check; the engine's lock */
    struct ncp__idle_list *list; /* store lock */
    struct ncp__shard one;
};

/* What the core knows of a thread. */
struct ncp__thread {
    uint32_t number; /* 0 until its first get */
    uint32_t gets;
};

extern _Thread_local struct ncp__thread ncp__thread
    __attribute__((tls_model("initial-exec")));

/* Gives the thread its number, from 1, if it has none. */
void ncp__thread_enroll(void);

/* NCP_OK, NCP_ENOMEM or NCP_ESYS. */
int ncp__idle_init(struct ncp__idle *idle, struct ncp__slots *slots, int store,
                   bool fifo);
void ncp__idle_destroy(struct ncp__idle *idle);
/* In the child of a fork: nothing is idle. */
void ncp__idle_forget(struct ncp__idle *idle);

/* The shard of the calling thread. */
static inline struct ncp__shard *ncp__idle_home(const struct ncp__idle *idle)
{
    return &idle->shards[ncp__thread.number & idle->shard_mask];
}

/* How many returns there were, roughly: to see whether there were any. */
uint32_t ncp__idle_puts(const struct ncp__idle *idle);

/* Does a connection of (protocol, ip) serve who wants (want_protocol, want_ip)?
 * Unknown in a want is any. */
static inline bool ncp__fits(int protocol, int ip, int want_protocol,
                             int want_ip)
{
    return (want_protocol == NCP_PROTOCOL_UNKNOWN ||
            want_protocol == protocol) &&
           (want_ip == NCP_IP_UNKNOWN || want_ip == ip);
}

extern const struct ncp__bucket {
    uint8_t protocol, ip;
} ncp__buckets[NCP__BUCKETS];

/* Whether the shortest way is that of the masks. */
static inline bool ncp__idle_is_quick(const struct ncp__idle *idle)
{
    return atomic_load_explicit(&idle->quick, memory_order_relaxed) != 0;
}

/* Whether every connection there ever was is of one kind, as is usual. Another kind
 * may join at any time. */
static inline bool ncp__idle_one_kind(const struct ncp__idle *idle)
{
    uint32_t kinds = atomic_load_explicit(&idle->kinds, memory_order_relaxed);

    return (kinds & (kinds - 1)) == 0;
}

/* The buckets that fit a want, as bits; by protocol and IP version. */
extern const uint16_t ncp__fitting[3][3];

/* The bucket in which a get looks first, of those that were ever used;
 * NCP__BUCKETS when there is none. */
static inline uint32_t ncp__idle_bucket_for(const struct ncp__idle *idle,
                                            uint32_t fitting)
{
    uint32_t kinds = atomic_load_explicit(&idle->kinds, memory_order_relaxed);

    return (kinds & fitting) == 0 ? (uint32_t)NCP__BUCKETS
                                  : (uint32_t)__builtin_ctz(kinds & fitting);
}

/* Tells the store that a slot holds a connection now, or no more. The engine's
 * lock is held; the slot is owned. */
void ncp__idle_join(struct ncp__idle *idle, uint32_t index);
void ncp__idle_leave(struct ncp__idle *idle, uint32_t index);

/* Takes an idle connection that fits; the caller owns the slot, in state HELD.
 * NCP__NO_SLOT when there is none. Something may have been put back on the way:
 * *returned says so, and without the engine's lock that is a put (the caller
 * looks at the gate). */
uint32_t ncp__idle_take(struct ncp__idle *idle, int want_protocol, int want_ip,
                        bool *returned);

/* Makes an owned slot idle: newest in order. Seq_cst: it pairs with the scan of
 * a waiter that has announced itself (engine.h, the gate). */
void ncp__idle_publish(struct ncp__idle *idle, uint32_t index);

/* Takes one certain slot, for maintenance. False when it is not idle. */
bool ncp__idle_claim(struct ncp__idle *idle, uint32_t index);
/* Puts a slot back that was claimed, or checked (state CHECKING): in its old
 * place. */
void ncp__idle_unclaim(struct ncp__idle *idle, uint32_t index);
/* A claimed slot is under check: it goes on counting as idle, until the check has
 * ended. The engine's lock is held. */
void ncp__idle_begin_check(struct ncp__idle *idle, uint32_t index);
void ncp__idle_end_check(struct ncp__idle *idle);

/* Takes the least recently returned connection of all; with a want other than
 * any, only one that does not fit it. NCP__NO_SLOT when there is none. */
uint32_t ncp__idle_take_oldest(struct ncp__idle *idle, int unless_protocol,
                               int unless_ip);

/* The slots of a chunk that may be idle; all that are, are among them. */
uint64_t ncp__idle_candidates(const struct ncp__idle *idle, uint32_t chunk);
/* Takes every idle slot of a chunk at once: their bits. */
uint64_t ncp__idle_sweep(struct ncp__idle *idle, uint32_t chunk);

/* Whether gets are to keep count of what is idle. The engine's lock is held. */
void ncp__idle_count_exactly(struct ncp__idle *idle, bool exact);
/* How many are idle, those under check included. The engine's lock is held. */
uint32_t ncp__idle_count(const struct ncp__idle *idle);
/* Whether that is `limit` or more. */
bool ncp__idle_reaches(const struct ncp__idle *idle, uint32_t limit);

/* ----------------------------------------------------- for the stores themselves */

static inline uint64_t ncp__bit_of(uint32_t index)
{
    return UINT64_C(1) << (index % NCP__CHUNK_SLOTS);
}

static inline struct ncp__chunk *ncp__chunk_of(const struct ncp__slots *slots,
                                               uint32_t index)
{
    return ncp__chunk_at(slots, index / NCP__CHUNK_SLOTS);
}

static inline enum ncp__state ncp__state_of(const struct ncp__slot *slot)
{
    /* Seq_cst: pairs with what makes a slot idle, see the gate in engine.h. */
    return ncp__word_state(
        atomic_load_explicit(&slot->word, memory_order_seq_cst));
}

/* Makes the slot that the caller owns idle, with the generation it has. Seq_cst:
 * see the gate in engine.h. */
void ncp__idle_let_go(struct ncp__slot *slot);

uint32_t ncp__masks_take(struct ncp__idle *idle, int want_protocol, int want_ip,
                         bool *returned);
bool ncp__masks_claim(struct ncp__idle *idle, uint32_t index);
void ncp__masks_publish(struct ncp__idle *idle, uint32_t index);
void ncp__masks_unclaim(struct ncp__idle *idle, uint32_t index);
uint32_t ncp__masks_take_oldest(struct ncp__idle *idle, int unless_protocol,
                                int unless_ip);
/* Notes a return in the hints of a bucket, as newest; the word has still to
 * follow. */
static inline void ncp__chain_lifo(_Atomic uint32_t *head,
                                   struct ncp__slot *slot, uint32_t index)
{
    uint32_t first = atomic_load_explicit(head, memory_order_acquire);

    if (first == index)
        return;
    atomic_store_explicit(&slot->next, first, memory_order_release);
    atomic_store_explicit(head, index, memory_order_release);
}

static inline void ncp__chain_fifo(const struct ncp__slots *slots,
                                   _Atomic uint32_t *head,
                                   _Atomic uint32_t *tail,
                                   struct ncp__slot *slot, uint32_t index)
{
    uint32_t last = atomic_load_explicit(tail, memory_order_acquire);

    atomic_store_explicit(&slot->next, NCP__NO_SLOT, memory_order_relaxed);
    if (last != NCP__NO_SLOT && last != index)
        atomic_store_explicit(&ncp__slot_at(slots, last)->next, index,
                              memory_order_release);
    atomic_store_explicit(tail, index, memory_order_release);
    if (atomic_load_explicit(head, memory_order_acquire) == NCP__NO_SLOT)
        atomic_store_explicit(head, index, memory_order_release);
}

/* The stamp is later than the last return of this shard, and than the last of this
 * slot, which may have been in another shard. Not a read-modify-write: returns that
 * overlap may share a stamp. */
static inline void ncp__masks_chain(const struct ncp__idle *idle,
                                    struct ncp__shard *shard,
                                    struct ncp__slot *slot, uint32_t index)
{
    uint32_t order = atomic_load_explicit(&shard->order, memory_order_relaxed);
    uint32_t mine = atomic_load_explicit(&slot->stamp, memory_order_relaxed);
    uint32_t next = ((int32_t)(mine - order) > 0 ? mine : order) + 1;
    uint8_t bucket = atomic_load_explicit(&slot->where, memory_order_relaxed);

    atomic_store_explicit(&shard->order, next, memory_order_relaxed);
    atomic_store_explicit(&slot->stamp, next, memory_order_relaxed);
    if (NCP__LIKELY(!idle->fifo))
        ncp__chain_lifo(&shard->first[bucket], slot, index);
    else
        ncp__chain_fifo(idle->slots, &shard->first[bucket],
                        &shard->last[bucket], slot, index);
}

/* How many bits are set. */
uint32_t ncp__masks_bits(const struct ncp__idle *idle);

uint32_t ncp__list_take(struct ncp__idle *idle, int want_protocol, int want_ip);
bool ncp__list_claim(struct ncp__idle *idle, uint32_t index);
void ncp__list_publish(struct ncp__idle *idle, uint32_t index);
void ncp__list_unclaim(struct ncp__idle *idle, uint32_t index);
uint32_t ncp__list_take_oldest(struct ncp__idle *idle, int unless_protocol,
                               int unless_ip);
/* Under the list's mutex: takes a slot out, or puts one in as newest. */
void ncp__list_unlink_locked(const struct ncp__idle *idle, uint32_t index);
void ncp__list_link_locked(const struct ncp__idle *idle, uint32_t index);
/* The slot is to be closed, or gone. */
void ncp__list_leave(struct ncp__idle *idle, uint32_t index);
#endif
