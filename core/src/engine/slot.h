/*
 * Slots: where connections live.
 *
 * A slot is in two parts: a cache line that a get and a put touch, and a cold
 * part, which shares lines with others because it is seldom written. Slots come in
 * chunks of 64 with their idle mask, are made when needed and freed only with the
 * pool, so a stale lease can always be looked at.
 *
 * Who may write what: the owner of a slot writes everything in it. There is one
 * owner at a time: who reserved it (under the engine's lock), or who won the
 * compare-and-swap on `word`. The exceptions are hints and times, which a loser
 * may have written: `touched_ns`, `next`, `stamp`.
 */
#ifndef NCP_ENGINE_SLOT_H
#define NCP_ENGINE_SLOT_H

#include "engine/base.h"

enum {
    NCP__CHUNK_SLOTS = 64,
    NCP__SLOT_BITS = 17,
    NCP__MAX_SLOTS = 1 << NCP__SLOT_BITS,
    NCP__STATE_BITS = 4,
    NCP__GENERATION_BITS = 36 /* lease = generation and slot: 53 bits */
};

#define NCP__NO_SLOT UINT32_MAX
#define NCP__GENERATION_MASK ((UINT64_C(1) << NCP__GENERATION_BITS) - 1)

/* The low bits of slot.word. IDLE, LEASED, EVICTED and TAKEN are left by a
 * compare-and-swap; every other state belongs to its owner. */
enum ncp__state {
    NCP__FREE = 0,     /* no connection */
    NCP__CREATING = 1, /* capacity reserved, a dial is in progress */
    NCP__IDLE = 2,     /* anybody may take it */
    NCP__LEASED = 3,   /* a borrower holds the lease of this generation */
    NCP__CHECKING = 4, /* reserved for a health check; counts as idle */
    NCP__CLOSING = 5,  /* being closed by its owner */
    NCP__EVICTED = 6,  /* leaked: gone from the pool, the borrower may put it */
    NCP__TAKEN = 7,    /* closed under its borrower, who may put it */
    NCP__OVERDUE = 8,  /* gone from the pool, its checker has not returned */
    NCP__HELD = 9      /* owned for a moment: coming, going or looked at */
};

/* slot.flags: what makes a put take the long way. */
enum {
    NCP__FLAG_UNHEALTHY = 1,
    NCP__FLAG_LEAK_SEEN = 2,
    NCP__FLAG_TAGGED = 4,
    NCP__FLAG_STACK = 8,
    NCP__FLAG_NONBLOCKING = 16,  /* the dialer left it non-blocking */
    NCP__FLAG_BORROW_CHECK = 32, /* pull: the borrower checks it first */
    NCP__FLAG_DATAGRAM = 64 /* a UDP socket: stale datagrams can be dropped */
};

/* cold.dial_flags, guarded by the engine's lock */
enum {
    NCP__DIAL_PERMIT = 1,  /* counts in max_concurrent_creates */
    NCP__DIAL_OVERDUE = 2, /* its error was delivered already */
    NCP__SLOT_OUT = 4,     /* taken away from its borrower */
    NCP__DIAL_ADOPTED = 8  /* its owner came to it when it had begun */
};

struct ncp__waiter;

/* What a get or a put writes, or reads each time. */
struct ncp__slot {
    _Atomic uint64_t word;       /* generation << 4 | state */
    uint64_t handle;             /* the user's */
    _Atomic uint64_t gets;       /* fast gets, ever; written by the owner */
    _Atomic uint64_t touched_ns; /* last borrow or return, coarse */
    _Atomic uint64_t lifetime_end_ns; /* NCP__NEVER for none */
    union {
        struct ncp__waiter *owner; /* CREATING: whose dial it is, or NULL */
        uint64_t tag;              /* of the lease, with FLAG_TAGGED */
    } of;
    _Atomic uint32_t epoch; /* flush generation it belongs to */
    _Atomic uint32_t stamp; /* order of returns; lock store: the one before */
    _Atomic uint32_t next;  /* idle: the one to take after this one */
    _Atomic uint8_t flags;
    _Atomic uint8_t
        where;           /* its bucket; lock store: whether it is in the list */
    uint16_t cold_after; /* where its cold part is: ncp__cold */
} __attribute__((aligned(NCP__CACHE_LINE)));

_Static_assert(sizeof(struct ncp__slot) == NCP__CACHE_LINE,
               "a slot is a cache line");

/* What is written when a connection comes, is checked, handed over or goes. */
struct ncp__cold {
    uint64_t id;
    uint64_t created_ns;
    union {
        uint64_t checked_ns; /* last check; CHECKING: when it began; 0 never */
        uint64_t due_ns;     /* CREATING: when connection_timeout ends */
    };
    _Atomic uint64_t idle_limit_ns; /* NCP__NEVER for none */
    int32_t fd;
    uint32_t gets_base; /* gets when the connection joined, truncated */
    union {
        uint32_t slow_gets;  /* gets of this connection by hand-over */
        uint32_t dials_next; /* CREATING: list of dials in progress */
    };
    uint32_t link; /* list of its state: free, dials, jobs, closes */
    uint8_t protocol;
    uint8_t ip;
    uint8_t dial_kind;  /* CREATING: enum ncp__dial_kind */
    uint8_t reason;     /* CLOSING: enum ncp_reason */
    uint8_t work;       /* pull: queued work, enum ncp_event_type; or 0 */
    uint8_t dial_flags; /* CREATING: NCP__DIAL_* above */
};

/* A chunk is 121 bytes a slot, so that with its place in the heap and in the table
 * a connection takes less than two cache lines. */
struct ncp__chunk {
    struct ncp__slot slots[NCP__CHUNK_SLOTS];
    struct ncp__cold cold[NCP__CHUNK_SLOTS];
    /* What the idle store needs, one line for 64 slots. All of it is hints until
     * the slot is owned. */
    _Atomic uint64_t idle __attribute__((aligned(
        NCP__CACHE_LINE))); /* may be idle; clear: is not, or soon set */
    _Atomic uint64_t open;  /* has a connection that counts */
    _Atomic uint64_t tcp;
    _Atomic uint64_t udp;
    _Atomic uint64_t ipv4;
    _Atomic uint64_t ipv6;
};

_Static_assert(sizeof(struct ncp__chunk) == 121 * NCP__CHUNK_SLOTS,
               "a chunk is as small as it says");

/* A slot as it was, for somebody who may look when it is another's already. */
struct ncp__slot_copy {
    struct ncp__slot slot;
    struct ncp__cold cold;
};

static inline struct ncp__cold *ncp__cold(const struct ncp__slot *slot)
{
    return (struct ncp__cold *)((uintptr_t)slot +
                                slot->cold_after * sizeof(uint64_t));
}

struct ncp__slots {
    _Atomic uint32_t chunks;             /* how many exist */
    _Atomic(struct ncp__chunk **) table; /* at least `chunks` of them */
    /* guarded by the engine's lock */
    uint32_t room;                 /* entries in table */
    struct ncp__old_table *old;    /* outgrown tables, freed at the end */
    uint32_t free_head, free_tail; /* oldest first */
};

static inline uint64_t ncp__word(uint64_t generation, enum ncp__state state)
{
    return generation << NCP__STATE_BITS | (uint64_t)state;
}

static inline enum ncp__state ncp__word_state(uint64_t word)
{
    return (enum ncp__state)(word & ((1 << NCP__STATE_BITS) - 1));
}

static inline uint64_t ncp__word_generation(uint64_t word)
{
    return word >> NCP__STATE_BITS;
}

static inline uint64_t ncp__next_generation(uint64_t generation)
{
    generation = (generation + 1) & NCP__GENERATION_MASK;
    return generation + (generation == 0); /* 0 would make lease 0 */
}

static inline ncp_lease ncp__token(uint64_t generation, uint32_t index)
{
    return generation << NCP__SLOT_BITS | index;
}

static inline uint32_t ncp__token_index(ncp_lease token)
{
    return (uint32_t)(token & (NCP__MAX_SLOTS - 1));
}

static inline uint64_t ncp__token_generation(ncp_lease token)
{
    return token >> NCP__SLOT_BITS;
}

static inline struct ncp__chunk *ncp__chunk_at(const struct ncp__slots *slots,
                                               uint32_t chunk)
{
    /* Acquire pairs with the release in ncp__slots_grow. */
    return atomic_load_explicit(&slots->table, memory_order_acquire)[chunk];
}

static inline uint32_t ncp__chunk_count(const struct ncp__slots *slots)
{
    return atomic_load_explicit(&slots->chunks, memory_order_acquire);
}

static inline struct ncp__slot *ncp__slot_at(const struct ncp__slots *slots,
                                             uint32_t index)
{
    struct ncp__chunk *chunk = ncp__chunk_at(slots, index / NCP__CHUNK_SLOTS);
    return &chunk->slots[index % NCP__CHUNK_SLOTS];
}

/* The slot a lease names, or NULL for a number that names none. */
static inline struct ncp__slot *ncp__slot_of(const struct ncp__slots *slots,
                                             ncp_lease token)
{
    uint32_t index = ncp__token_index(token);

    if (NCP__UNLIKELY(index / NCP__CHUNK_SLOTS >= ncp__chunk_count(slots)))
        return NULL;
    return ncp__slot_at(slots, index);
}

void ncp__slots_init(struct ncp__slots *slots);
void ncp__slots_destroy(struct ncp__slots *slots);

/* Takes a free slot, making a chunk when there is none; NCP__NO_SLOT when out
 * of memory. The engine's lock is held. */
uint32_t ncp__slots_reserve(struct ncp__slots *slots);
/* Gives a slot back; its generation moves on. The engine's lock is held. */
void ncp__slots_release(struct ncp__slots *slots, uint32_t index);

/* What there is to know of the connection in a slot, for somebody who looks at it
 * when the slot may be another's already. */
void ncp__slot_view(struct ncp__slot_copy *view, const struct ncp__slot *slot);

#endif
