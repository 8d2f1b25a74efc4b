//go:build cgo && !netconnpool_system

/*
 * netconnpool, the whole core in one file.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Written by bindings/gen/gen.py from core/src; not to be edited. Compile it
 * with -std=c11 -pthread -fvisibility=hidden, so that nothing of it is seen
 * outside of the program that it is linked into.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "netconnpool.h"

/* --------------------------------------------------------- engine/base.c */

/* engine/base.h */
/*
 * What every file of the core needs: hints to the compiler, assertions that
 * stay in release builds, memory and the clock.
 */
#ifndef NCP_ENGINE_BASE_H
#define NCP_ENGINE_BASE_H


#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NCP__LIKELY(x) __builtin_expect(!!(x), 1)
#define NCP__UNLIKELY(x) __builtin_expect(!!(x), 0)
#define NCP__CACHE_LINE 64
/* Processors fetch lines by twos: what threads are to have apart has both. */
#define NCP__LINE_PAIR 128

#define NCP__NS_PER_MS UINT64_C(1000000)
#define NCP__NEVER UINT64_MAX /* a deadline that does not come */

/* An invariant of our own: a failure is a fault of the library. */
#define NCP__ASSERT(condition)                                                 \
    do {                                                                       \
        if (NCP__UNLIKELY(!(condition)))                                       \
            ncp__assert_failed(#condition, __FILE__, __LINE__);                \
    } while (0)

_Noreturn void ncp__assert_failed(const char *condition, const char *file,
                                  int line);

/* Memory: zeroed, or NULL. ncp__free accepts NULL. */
void *ncp__alloc(size_t size);
/* Zeroed and aligned to a power of two above that of malloc; give it back with
 * ncp__free_aligned. */
void *ncp__alloc_aligned(size_t size, size_t alignment);
void ncp__free(void *block);
void ncp__free_aligned(void *aligned);
/* A copy of `text`, or NULL. */
char *ncp__strdup(const char *text);

/* A pause in a loop that waits for another processor. */
static inline void ncp__relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* How many processors there are; at least 1. */
uint32_t ncp__processors(void);

/* CLOCK_MONOTONIC in nanoseconds, and the cheap one that lags by a few ms. */
uint64_t ncp__monotonic_ns(void);
uint64_t ncp__monotonic_coarse_ns(void);

#endif


#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ------------------------------------------------------------------ assert */

void ncp__assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "netconnpool: invariant broken: %s (%s:%d)\n", condition,
            file, line);
    abort();
}

/* ------------------------------------------------------------------ memory */

static struct {
    ncp_alloc_fn alloc; /* NULL: malloc and free */
    ncp_release_fn release;
    void *user;
    atomic_size_t blocks; /* in use: the allocator may change only at 0 */
} memory;

int ncp_set_allocator(ncp_alloc_fn alloc, ncp_release_fn release, void *user)
{
    if ((alloc == NULL) != (release == NULL))
        return NCP_EINVAL;
    if (atomic_load_explicit(&memory.blocks, memory_order_relaxed) != 0)
        return NCP_ESTATE;
    memory.alloc = alloc;
    memory.release = release;
    memory.user = user;
    return NCP_OK;
}

static void *allocate(size_t size)
{
    void *block =
        memory.alloc != NULL ? memory.alloc(memory.user, size) : malloc(size);
    if (block != NULL)
        atomic_fetch_add_explicit(&memory.blocks, 1, memory_order_relaxed);
    return block;
}

void *ncp__alloc(size_t size)
{
    void *block = allocate(size);
    if (block != NULL)
        memset(block, 0, size);
    return block;
}

void ncp__free(void *block)
{
    if (block == NULL)
        return;
    if (memory.release != NULL)
        memory.release(memory.user, block);
    else
        free(block);
    atomic_fetch_sub_explicit(&memory.blocks, 1, memory_order_relaxed);
}

void *ncp__alloc_aligned(size_t size, size_t alignment)
{
    /* The block begins with room for the pointer to give back. */
    char *block = allocate(size + alignment + sizeof(void *));
    if (block == NULL)
        return NULL;
    uintptr_t at = (uintptr_t)block + sizeof(void *);
    at = (at + alignment - 1) & ~(uintptr_t)(alignment - 1);
    memcpy((char *)at - sizeof(void *), &block, sizeof(void *));
    memset((void *)at, 0, size);
    return (void *)at;
}

void ncp__free_aligned(void *aligned)
{
    if (aligned == NULL)
        return;
    void *block;
    memcpy(&block, (char *)aligned - sizeof(void *), sizeof(void *));
    ncp__free(block);
}

char *ncp__strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = ncp__alloc(size);
    if (copy != NULL)
        memcpy(copy, text, size);
    return copy;
}

/* ------------------------------------------------------------------- clock */

static uint64_t clock_ns(clockid_t which)
{
    struct timespec now;
    clock_gettime(which, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

uint64_t ncp__monotonic_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t ncp__monotonic_coarse_ns(void)
{
#ifdef CLOCK_MONOTONIC_COARSE
    return clock_ns(CLOCK_MONOTONIC_COARSE);
#else
    return clock_ns(CLOCK_MONOTONIC);
#endif
}

/* ------------------------------------------------------------------ processors */

uint32_t ncp__processors(void)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);

    return online < 1 ? 1 : (uint32_t)online;
}

/* --------------------------------------------------------- engine/dial.c */

/* engine/gatekeeper.h */
/*
 * When the next dial may begin: a rate limit (token bucket), a back-off with
 * decorrelated jitter, and a circuit breaker with a single probe. Pure
 * arithmetic on times it is given; guarded by the engine's lock.
 */
#ifndef NCP_ENGINE_GATEKEEPER_H
#define NCP_ENGINE_GATEKEEPER_H


enum ncp__breaker {
    NCP__BREAKER_CLOSED = 0,
    NCP__BREAKER_OPEN = 1,   /* nobody dials until the cool-down ends */
    NCP__BREAKER_PROBING = 2 /* one dial is under way to find out */
};

struct ncp__gatekeeper {
    /* settings, changed under the lock */
    uint64_t rate;                       /* dials a second, 0 no limit */
    uint64_t burst;                      /* at least 1 */
    uint64_t backoff_ns, backoff_max_ns; /* 0 none */
    uint64_t breaker_failures;           /* 0 no breaker */
    uint64_t cooldown_ns;
    /* state */
    uint64_t token_at_ns;   /* when the bucket would be empty, virtually */
    uint64_t not_before_ns; /* back-off */
    uint64_t pause_ns;      /* the last one drawn */
    uint64_t failures;      /* in a row */
    uint64_t trips;
    uint64_t open_until_ns;
    uint64_t random;
    enum ncp__breaker breaker;
};

void ncp__gatekeeper_init(struct ncp__gatekeeper *gatekeeper, uint64_t seed);

/* NCP_OK: a dial may begin now, and is accounted for. NCP_EAGAIN: not before
 * *retry_ns. NCP_EBREAKER: not before *retry_ns because the breaker is open;
 * *retry_ns is NCP__NEVER while the probe is under way. */
int ncp__gatekeeper_ask(struct ncp__gatekeeper *gatekeeper, uint64_t now_ns,
                        uint64_t *retry_ns);
void ncp__gatekeeper_success(struct ncp__gatekeeper *gatekeeper);
void ncp__gatekeeper_failure(struct ncp__gatekeeper *gatekeeper,
                             uint64_t now_ns);
/* A dial ended without telling anything about the peer. */
void ncp__gatekeeper_void(struct ncp__gatekeeper *gatekeeper);

/* A number below `bound`; bound is not 0. */
uint64_t ncp__random_below(uint64_t *state, uint64_t bound);

#endif

/* engine/slot.h */
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

/* engine/idle.h */
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

/* engine/latency.h */
/*
 * How long gets took: a log-linear histogram over a sliding window.
 */
#ifndef NCP_ENGINE_LATENCY_H
#define NCP_ENGINE_LATENCY_H


enum {
    NCP__LATENCY_STEPS = 16, /* per power of two: error at most 3.2 % */
    NCP__LATENCY_BINS = NCP__LATENCY_STEPS * 40, /* up to 2^43 ns, 2.4 hours */
    NCP__LATENCY_EVERY = 256 /* fast gets of which one is measured */
};

struct ncp__latency {
    /* Two histograms take turns: the percentiles are over the last `window`
     * to twice as many samples. */
    _Atomic uint32_t bins[2][NCP__LATENCY_BINS];
    _Atomic uint32_t turn;   /* which one is being filled */
    _Atomic uint32_t filled; /* samples in it */
    _Atomic uint64_t total_ns;
    _Atomic uint64_t max_ns;
    uint32_t window;
};

struct ncp__percentiles {
    uint64_t p50_ns, p95_ns, p99_ns, max_ns;
};

void ncp__latency_init(struct ncp__latency *latency, uint32_t window);
/* One get took `ns` and stands for `weight` gets. Lock-free. */
void ncp__latency_record(struct ncp__latency *latency, uint64_t ns,
                         uint32_t weight);
struct ncp__percentiles
ncp__latency_percentiles(const struct ncp__latency *latency);

#endif

/* engine/pace.h */
/*
 * The pace of dials: whether one more is worth beginning.
 *
 * A burst of callers on a pool whose connections come back soon is served by
 * those long before a dial is done; connections dialed for it are needed by
 * nobody then. So the first dial for a line begins at once, and another beside it
 * when it is likely to be of use:
 *   nothing could come back, or nothing has for a part of a dial's time; or
 *   in a dial's time fewer are served by what comes back, at the rate seen, than
 *   stand in line beyond those whom the dials under way will serve; or
 *   what is under way takes much longer than a dial does: it may hang.
 * A waiter is held up by a quarter of a dial's time at most, and never while
 * nothing is known or dials are short.
 *
 * Guarded by the engine's lock.
 */
#ifndef NCP_ENGINE_PACE_H
#define NCP_ENGINE_PACE_H


struct ncp__pace {
    uint64_t dial_ns;  /* how long a dial takes, smoothed; 0: not known */
    uint64_t begun_ns; /* when the last dial began */
    uint64_t since_ns; /* since when `served` is looked at, from `base` on */
    uint64_t
        progress_ns;     /* when one more had been served; or the line formed */
    uint64_t look_ns;    /* when somebody was asked to look again */
    uint32_t served;     /* waiters, ever, by what came back */
    uint32_t base, seen; /* of those: before since_ns, before progress_ns */
    bool formed;         /* the line is known to the look below */
};

/* How things stand when it is asked. */
struct ncp__pace_state {
    uint32_t waiting;   /* in line */
    uint32_t under_way; /* dials */
    uint32_t there;     /* connections that may come back */
};

/* A waiter was served by a connection that came back. */
static inline void ncp__pace_served(struct ncp__pace *pace)
{
    pace->served++;
}

/* Somebody is about to stand where nobody stood. */
static inline void ncp__pace_new_line(struct ncp__pace *pace)
{
    pace->formed = false;
}

/* A dial was begun; it took so long to succeed. */
void ncp__pace_begun(struct ncp__pace *pace, uint64_t now_ns);
void ncp__pace_dialed(struct ncp__pace *pace, uint64_t took_ns);

/* Notes what has changed since the last look. */
void ncp__pace_look(struct ncp__pace *pace, uint64_t now_ns);

/* Whether a dial is worth beginning now; if not, when to ask again at the
 * latest. */
bool ncp__pace_allows(const struct ncp__pace *pace,
                      const struct ncp__pace_state *state, uint64_t now_ns,
                      uint64_t *again_ns);

#endif

/* engine/park.h */
/*
 * Waiting on a word: the one way in which the library blocks a thread.
 */
#ifndef NCP_ENGINE_PARK_H
#define NCP_ENGINE_PARK_H


/* Sleeps while *word == expected, until ncp__unpark, `deadline_ns` (monotonic;
 * NCP__NEVER for none) or for no reason at all: the caller looks again. */
void ncp__park(atomic_uint *word, unsigned expected, uint64_t deadline_ns);

/* Wakes the sleepers of a word; the word may be gone already. */
void ncp__unpark(atomic_uint *word);

#endif

/* engine/waiter.h */
/*
 * Waiters: who stands in line for a connection.
 *
 * One FIFO line for each of the nine wants (protocol or any x IP version or
 * any), so that the oldest waiter that a connection serves is found by looking
 * at four heads at most; and one list, oldest first, of the waiters no dial is
 * under way for. Everything here is guarded by the engine's lock, except
 * `state`, on which the waiter's thread sleeps.
 */
#ifndef NCP_ENGINE_WAITER_H
#define NCP_ENGINE_WAITER_H


enum { NCP__LINES = 9 };

/* waiter.state */
enum {
    NCP__WAITING = 0,
    NCP__PARKED = 1, /* its thread sleeps on `state` */
    NCP__DECIDED = 2 /* `status`, `outcome` and `slot` say how it ended */
};

struct ncp__waiter {
    atomic_uint state;
    int32_t status;     /* how it ended: NCP_OK or NCP_E* */
    int64_t code;       /* what the dial that failed it said, else 0 */
    uint32_t slot;      /* what it got, or NCP__NO_SLOT */
    uint32_t dial;      /* the dial that is under way for it, or none */
    uint8_t outcome;    /* what `slot` is: enum ncp_event_type */
    uint8_t protocol;   /* wanted, 0 any */
    uint8_t ip;         /* wanted, 0 any */
    uint8_t mismatches; /* fresh connections that did not fit */
    uint8_t passed;     /* how often a younger one of another kind was served */
    uint8_t attempts;   /* failed dials, for create_retries */
    bool queued;        /* stands in its line */
    bool needs;         /* stands in the list of those without a dial */
    bool dials_itself;  /* gets reservations instead of waiting for a dial */
    bool counted;       /* its get is counted as in flight */
    bool fresh;         /* the connection was made for it */
    bool plain;         /* nothing but stale datagrams can fail it any more */
    atomic_bool woken;  /* adaptive: told to try for itself */
    bool naps;          /* adaptive: it was told, and was too late */
    bool is_ticket;
    uint64_t sequence; /* place in line; 0 before the first time */
    uint64_t since_ns; /* when the get began */
    uint64_t deadline_ns;
    uint64_t not_before_ns; /* create_retries: pause before the next dial */
    uint64_t tag;
    struct ncp__waiter *next, *previous; /* line; `next`: decided */
    struct ncp__waiter *needs_next, *needs_previous;
    /* tickets only */
    ncp_pool *pool;
    bool named;       /* the host knows its number */
    bool tries;       /* neither dials nor waits */
    bool takes;       /* the queue takes it by itself */
    ncp_queue *queue; /* one reference, or NULL */
    struct ncp__waiter *queue_next;
    uint64_t ticket;
    uint32_t link; /* free list of the ticket table */
    bool in_queue; /* its READY event has not been polled */
};

struct ncp__lines {
    struct {
        struct ncp__waiter *head, *tail;
    } line[NCP__LINES];
    struct ncp__waiter *needs_head, *needs_tail;
    uint32_t waiting; /* in all lines */
    uint32_t needing; /* in the needs list */
    uint64_t sequence;
};

void ncp__waiter_init(struct ncp__waiter *waiter, int protocol, int ip,
                      uint64_t now_ns, uint64_t deadline_ns);

/* Makes the thread of a waiter look around, if it sleeps. A waiter announces
 * its sleep (PARKED) and then looks once more, so a poke after a change is never
 * missed. */
void ncp__waiter_poke(struct ncp__waiter *waiter);

/* Puts a waiter into its line: at the end the first time, where it was before
 * after that. */
void ncp__lines_add(struct ncp__lines *lines, struct ncp__waiter *waiter);
void ncp__lines_remove(struct ncp__lines *lines, struct ncp__waiter *waiter);

/* The needs list, in order of sequence. Both do nothing when it is so. */
void ncp__lines_need(struct ncp__lines *lines, struct ncp__waiter *waiter);
void ncp__lines_covered(struct ncp__lines *lines, struct ncp__waiter *waiter);

/* The oldest waiter that a connection of (protocol, ip) serves, or NULL. */
struct ncp__waiter *ncp__lines_oldest_for(const struct ncp__lines *lines,
                                          int protocol, int ip);
/* Whether a connection of (protocol, ip) serves everybody who waits. */
bool ncp__lines_all_fit(const struct ncp__lines *lines, int protocol, int ip);
/* The oldest waiter of the lines whose bit in `skip` is not set, or NULL; its
 * line in *line. */
struct ncp__waiter *ncp__lines_oldest(const struct ncp__lines *lines,
                                      unsigned skip, unsigned *line);

#endif

/* engine/engine.h */
/*
 * The engine: it decides and never acts. It owns slots, capacity, waiters,
 * generations, ages and counters; it does no I/O, calls no user code, starts no
 * thread and reads time from its clock. What is to be done comes out of it as a
 * struct ncp__acts, which the pool carries out after the lock is released.
 *
 * The gate. `gate` is 0 while a get may take an idle connection and a put may
 * publish one without looking further. Everything else makes it non-zero:
 * waiters (counted above NCP__GATE_WAITER), and the flags below. No wake-up is
 * lost because of three orders, all their operations seq_cst:
 *   a waiter: raises the gate, then scans the masks, then the words of set bits;
 *   a put:    makes the word IDLE, then sets its bit unless it is set, then
 *             reads the gate;
 *   who clears a stale bit: clears it, then reads the word, sets the bit again
 *             when it is IDLE, then reads the gate (or holds the lock).
 * Whatever the interleaving, one of them sees the other.
 */
#ifndef NCP_ENGINE_ENGINE_H
#define NCP_ENGINE_ENGINE_H


#include <pthread.h>

enum {
    NCP__GATE_CLOSED = 1,
    NCP__GATE_SUSPENDED = 2,
    NCP__GATE_FORKED = 4,    /* the first get in a child wakes the services */
    NCP__GATE_OVER = 8,      /* more connections than the (lowered) limit */
    NCP__GATE_STARVING = 16, /* adaptive: the oldest has waited long enough */
    NCP__GATE_TOLD = 32,   /* adaptive: the oldest knows, puts need not look */
    NCP__GATE_WAITER = 256 /* one waiter */
};

/* Adaptive: after this long in line a waiter is served before anybody. */
#define NCP__STARVING_NS (1 * NCP__NS_PER_MS)

/* Leases that their holders closed, whose put is still welcome. */
enum { NCP__CLOSED_LEASES = 1024 };

/* Why a dial was begun. */
enum ncp__dial_kind {
    NCP__DIAL_DEMAND = 0, /* for a waiter: slot.of.owner, or NULL since */
    NCP__DIAL_BOUND = 1, /* the caller dials: slot.of.owner has left the line */
    NCP__DIAL_PREWARM = 2,
    NCP__DIAL_REFILL = 3
};

/* What a dial made. */
struct ncp__made {
    uint64_t handle;
    int32_t fd;
    int protocol, ip;
    bool nonblocking;
    bool datagram; /* it is a UDP socket, not only called one */
};

static inline struct ncp__made ncp__made(uint64_t handle, int fd, int protocol,
                                         int ip)
{
    bool known = protocol == NCP_PROTOCOL_TCP || protocol == NCP_PROTOCOL_UDP;
    bool known_ip = ip == NCP_IP_V4 || ip == NCP_IP_V6;

    return (struct ncp__made){.handle = handle,
                              .fd = fd < 0 ? -1 : fd,
                              .protocol = known ? protocol : 0,
                              .ip = known_ip ? ip : 0};
}

/* The options the engine goes by. */
struct ncp__engine_limits {
    uint32_t max;         /* 0 unlimited */
    uint32_t max_idle;    /* as configured */
    uint32_t min;         /* as configured */
    uint32_t max_creates; /* 0 unlimited */
    uint32_t max_waiters; /* 0 unlimited */
    uint32_t create_retries;
    uint64_t create_retry_ns;
    uint64_t connection_timeout_ns;
    uint64_t idle_timeout_ns; /* 0 never */
    uint64_t max_lifetime_ns; /* 0 never */
    uint32_t jitter_percent;
    uint8_t dial_policy;
    bool adaptive;
    bool server;      /* accepts: nothing is prewarmed, no dial is due */
    bool one_dial;    /* the built-in acceptor: one at a time */
    bool close_first; /* push: capacity is free when the close is done */
    bool prewarm_retry;
    uint32_t prewarm_max_retries;
    uint64_t prewarm_retry_ns;
    bool maintain_min;
    bool stats;
};

/* Counters that change under the lock. */
struct ncp__tally {
    uint64_t created, closed, detached, evicted;
    uint64_t current_by_protocol[3], current_by_ip[3];
    uint64_t slow_successful, slow_reused, failed, timeout, canceled;
    uint64_t in_flight;
    uint64_t connection_errors, leaked;
    uint64_t hc_attempts, hc_failures, unhealthy;
    uint64_t lifetime_ns; /* of closed connections */
};

struct ncp__prewarm {
    uint32_t target, started, created, failures;
    uint64_t not_before_ns;
    bool ended, failed;
};

struct ncp__dial_error {
    int64_t code;
    uint64_t at_ns;
    uint64_t count;
    char text[121];
};

struct ncp__engine {
    _Atomic uint64_t gate __attribute__((aligned(NCP__CACHE_LINE)));
    _Atomic uint64_t get_mask; /* which bits of the gate stop a fast get */
    _Atomic uint32_t epoch;    /* moved on by a flush */
    /* The time, as written by the housekeeper while the pool is busy; 0: read
     * the clock. */
    _Atomic uint64_t tick_ns;
    ncp_clock_fn clock; /* NULL: the system's */
    void *clock_user;
    struct ncp__slots slots;
    struct ncp__idle idle __attribute__((aligned(NCP__CACHE_LINE)));
    struct ncp__latency *latency; /* NULL without statistics */

    pthread_mutex_t lock __attribute__((aligned(NCP__CACHE_LINE)));
    /* guarded by the lock */
    struct ncp__engine_limits limits;
    struct ncp__lines lines;
    struct ncp__gatekeeper gatekeeper;
    struct ncp__pace pace;
    struct ncp__tally tally;
    struct ncp__prewarm prewarm;
    struct ncp__dial_error dial_error;
    uint32_t max_idle; /* in force: as configured, but not above max */
    uint32_t open;     /* connections that count */
    uint32_t dialing;  /* reservations */
    uint32_t creating; /* of those, the ones that hold a permit */
    uint32_t closing;  /* close_first: counted out, but not closed yet */
    uint32_t dials;    /* head of the list of CREATING slots */
    uint64_t retry_ns; /* when somebody may dial who may not now */
    uint64_t random;
    uint32_t out;             /* leases taken away that have not been put */
    ncp_lease *closed_leases; /* the last NCP__CLOSED_LEASES, a ring; or NULL */
    uint32_t closed_next;
    /* Moved on and woken when a lease is back, a dial has ended, ...: what
     * close_wait and prewarm_wait sleep on. */
    atomic_uint signal;
    _Atomic uint32_t signal_waiters;
};

/* What to do when the lock is released. */
struct ncp__acts {
    uint32_t close_head; /* slots in state CLOSING, linked by cold.link */
    uint32_t dial_head, dial_tail; /* slots to dial for, linked by cold.link */
    struct ncp__waiter *decided_head, *decided_tail; /* linked by next */
    bool nobody_needs; /* an accept in progress serves nobody any more */
    bool due_changed;  /* housekeeping may have to run earlier */
    bool signal;
};

#define NCP__NO_ACTS                                                           \
    ((struct ncp__acts){.close_head = NCP__NO_SLOT,                            \
                        .dial_head = NCP__NO_SLOT,                             \
                        .dial_tail = NCP__NO_SLOT})

int ncp__engine_init(struct ncp__engine *engine,
                     const struct ncp__engine_limits *limits, int store,
                     bool fifo, uint32_t latency_window);
void ncp__engine_destroy(struct ncp__engine *engine);

static inline uint64_t ncp__engine_now(const struct ncp__engine *engine)
{
    return engine->clock != NULL ? engine->clock(engine->clock_user)
                                 : ncp__monotonic_ns();
}

/* For ages: may lag by some milliseconds. */
static inline uint64_t ncp__engine_now_coarse(const struct ncp__engine *engine)
{
    uint64_t tick_ns =
        atomic_load_explicit(&engine->tick_ns, memory_order_relaxed);

    if (NCP__LIKELY(tick_ns != 0))
        return tick_ns;
    return engine->clock != NULL ? engine->clock(engine->clock_user)
                                 : ncp__monotonic_coarse_ns();
}

static inline struct ncp__slot *ncp__engine_slot(const struct ncp__engine *e,
                                                 uint32_t index)
{
    return ncp__slot_at(&e->slots, index);
}

static inline void ncp__engine_lock(struct ncp__engine *engine)
{
    pthread_mutex_lock(&engine->lock);
}

static inline void ncp__engine_unlock(struct ncp__engine *engine)
{
    pthread_mutex_unlock(&engine->lock);
}

static inline uint64_t ncp__engine_gate(const struct ncp__engine *engine)
{
    return atomic_load_explicit(&engine->gate, memory_order_seq_cst);
}

/* Whether a put that finds this at the gate has nobody to serve. */
static inline bool ncp__gate_is_calm(uint64_t gate)
{
    return NCP__LIKELY(gate == 0) ||
           (gate & (NCP__GATE_WAITER - 1)) == NCP__GATE_TOLD;
}

/* Waiters do not stop a fast get. */
static inline bool ncp__engine_adaptive(const struct ncp__engine *engine)
{
    return (atomic_load_explicit(&engine->get_mask, memory_order_relaxed) &
            NCP__GATE_WAITER) == 0;
}

static inline bool ncp__engine_closed(const struct ncp__engine *engine)
{
    return (ncp__engine_gate(engine) & NCP__GATE_CLOSED) != 0;
}

/* ------------------------------------------------------------- fast: engine.c */

/* Takes an idle connection without the lock when the gate allows it; the slot
 * is leased, to be counted when the get has succeeded. NCP__NO_SLOT otherwise.
 * What was too old to be lent comes out in `acts`. */
uint32_t ncp__engine_fast_get(struct ncp__engine *engine, int protocol, int ip,
                              uint64_t now_ns, struct ncp__acts *acts);
/* Counts a fast get of an owned slot. */
static inline void ncp__engine_count_fast(struct ncp__slot *slot)
{
    uint64_t gets = atomic_load_explicit(&slot->gets, memory_order_relaxed);

    atomic_store_explicit(&slot->gets, gets + 1, memory_order_relaxed);
}

/* The lease of an owned slot. */
ncp_lease ncp__engine_lease(const struct ncp__engine *engine, uint32_t index);

/* Ends a lease: the caller owns the slot, in `state`, and returns NCP_OK; or
 * NCP_EINVALIDCONN, or NCP_ELEAKED for one that had been evicted (the caller
 * owns the slot too), or NCP_ECONNCLOSED for one that was taken away by
 * close_now (likewise). */
int ncp__engine_end_lease(struct ncp__engine *engine, ncp_lease lease,
                          enum ncp__state state, uint32_t *out);

/* Why an owned slot may not be lent again now: enum ncp_reason, or 0. */
int ncp__engine_expired(const struct ncp__engine *engine,
                        const struct ncp__slot *slot, uint64_t now_ns,
                        bool returning);

/* Gives an owned slot to who waits for it, or to the idle store, or to be
 * closed. True when `acts` has something in it. */
bool ncp__engine_offer(struct ncp__engine *engine, uint32_t index,
                       uint64_t now_ns, struct ncp__acts *acts);

/* ------------------------------------------------- the line of waiters: line.c */

/* Puts a waiter in line and serves whom it can, perhaps at once (then it is in
 * acts->decided). NCP_ECLOSED, NCP_EWAITERS: it does not stand in line. */
int ncp__engine_enqueue(struct ncp__engine *engine, struct ncp__waiter *waiter,
                        uint64_t now_ns, struct ncp__acts *acts);
/* An idle connection at once or NCP_EEXHAUSTED, for a waiter that never stands
 * in line. The waiter's `slot` is set on success. */
int ncp__engine_try(struct ncp__engine *engine, struct ncp__waiter *waiter,
                    uint64_t now_ns, struct ncp__acts *acts);
/* Ends a wait with a status. False when it had been decided already. */
bool ncp__engine_give_up(struct ncp__engine *engine, struct ncp__waiter *waiter,
                         int status, uint64_t now_ns, struct ncp__acts *acts);
/* The adaptive way: a woken waiter tries for itself. True when it got one. With
 * `again` it wants to be told of the next return, and looks once more; without,
 * returns go on without a look at it, and it must come back soon. */
bool ncp__engine_try_woken(struct ncp__engine *engine,
                           struct ncp__waiter *waiter, bool again,
                           uint64_t now_ns, struct ncp__acts *acts);
/* How a get ended that was counted as in flight; a success too is counted only
 * here, when nothing can fail it any more. */
void ncp__engine_count_end(struct ncp__engine *engine,
                           struct ncp__waiter *waiter, int status, bool reused);
/* A get that failed without having stood in line. */
void ncp__engine_count_failure(struct ncp__engine *engine, int status);
/* Looks who can be served. */
void ncp__engine_serve(struct ncp__engine *engine, uint64_t now_ns,
                       struct ncp__acts *acts);
/* Times out every ticket whose deadline passed; returns the next deadline. */
uint64_t ncp__engine_expire_tickets(struct ncp__engine *engine, uint64_t now_ns,
                                    struct ncp__acts *acts);

/* Tells the waiters of acts->decided that they are: wakes threads. A ticket with
 * a queue goes to `notify` instead, which sets its state to NCP__DECIDED and
 * wakes who waits for it. The lock is not held. */
void ncp__engine_wake(struct ncp__acts *acts,
                      void (*notify)(void *context, struct ncp__waiter *ticket),
                      void *context);

/* ncp__engine_enqueue and ncp__engine_try with the lock held. */
int ncp__enqueue_locked(struct ncp__engine *engine, struct ncp__waiter *waiter,
                        uint64_t now_ns, struct ncp__acts *acts);
int ncp__try_locked(struct ncp__engine *engine, struct ncp__waiter *waiter,
                    uint64_t now_ns, struct ncp__acts *acts);

/* The same with the lock held; for the other files of the engine. */
void ncp__serve_locked(struct ncp__engine *engine, uint64_t now_ns,
                       struct ncp__acts *acts);
void ncp__give_locked(struct ncp__engine *engine, struct ncp__waiter *waiter,
                      uint32_t index, bool fresh, uint64_t now_ns,
                      struct ncp__acts *acts);
void ncp__decide_locked(struct ncp__engine *engine, struct ncp__waiter *waiter,
                        int status, struct ncp__acts *acts);
void ncp__count_end_locked(struct ncp__engine *engine,
                           struct ncp__waiter *waiter, int status, bool reused);
/* Puts look at who waits again. */
void ncp__forget_told_locked(struct ncp__engine *engine, uint64_t flags);
void ncp__leave_line_locked(struct ncp__engine *engine,
                            struct ncp__waiter *waiter, struct ncp__acts *acts);
void ncp__append_decided(struct ncp__acts *acts, struct ncp__waiter *waiter);
void ncp__enter_line_locked(struct ncp__engine *engine,
                            struct ncp__waiter *waiter);
bool ncp__has_room_locked(const struct ncp__engine *engine);
/* How many connections there are beyond a lowered limit. */
uint32_t ncp__over_by_locked(const struct ncp__engine *engine);
/* Closes idle ones of them. */
void ncp__close_over_locked(struct ncp__engine *engine, uint64_t now_ns,
                            struct ncp__acts *acts);
void ncp__close_idle_locked(struct ncp__engine *engine, int reason,
                            uint64_t now_ns, struct ncp__acts *acts);

/* ---------------------------------------------------------------- dials: dial.c */

/* Reserves capacity and begins dials for who needs them, as far as room,
 * permits and the gatekeeper allow. The lock is held. */
void ncp__begin_dials_locked(struct ncp__engine *engine, uint64_t now_ns,
                             struct ncp__acts *acts);
/* Whether a connection that comes back should be closed rather than serve `waiter`:
 * an older one that cannot use it has been passed over often enough, and would
 * dial in its place. The lock is held. */
bool ncp__passes_over_locked(const struct ncp__engine *engine,
                             const struct ncp__slot *slot,
                             const struct ncp__waiter *waiter, uint64_t now_ns);
/* A waiter left the line: its dial goes on for somebody else. Lock held. */
void ncp__orphan_dial_locked(struct ncp__engine *engine,
                             struct ncp__waiter *waiter,
                             struct ncp__acts *acts);

/* The dial made something: it is in the slot now, and the permit is free. Next
 * comes on_created, then one of the two below. */
void ncp__engine_dialed(struct ncp__engine *engine, uint32_t index,
                        const struct ncp__made *made, uint64_t now_ns,
                        struct ncp__acts *acts);
void ncp__dialed_locked(struct ncp__engine *engine, struct ncp__slot *slot,
                        const struct ncp__made *made, uint64_t now_ns,
                        struct ncp__acts *acts);
/* The dial succeeded. */
void ncp__engine_connected(struct ncp__engine *engine, uint32_t index,
                           uint64_t now_ns, struct ncp__acts *acts);
/* The dial failed, or was not begun (NCP_ECANCELED). */
void ncp__engine_dial_failed(struct ncp__engine *engine, uint32_t index,
                             int status, int64_t code, const char *text,
                             uint64_t now_ns, struct ncp__acts *acts);
/* Whether a dial is still wanted; when not, it is ended as cancelled. */
bool ncp__engine_dial_wanted(struct ncp__engine *engine, uint32_t index,
                             uint64_t now_ns, struct ncp__acts *acts);
/* When a dial is overdue, or may begin that could not, next. */
uint64_t ncp__engine_next_dial_due(struct ncp__engine *engine);
/* Delivers the error of dials that passed connection_timeout; they go on, and
 * what they bring is kept. Then looks who can be served. */
void ncp__engine_overdue_dials(struct ncp__engine *engine, uint64_t now_ns,
                               struct ncp__acts *acts);
/* Begins what is missing to the minimum. */
void ncp__engine_refill(struct ncp__engine *engine, uint64_t now_ns,
                        struct ncp__acts *acts);
/* What a caller-bound dial came to, for the waiter that owns it:
 * outcome CONN with the slot leased, DIAL to dial again with the same
 * reservation (not before waiter->not_before_ns), or a status. True: it stood in
 * line again, and may have been decided since. */
bool ncp__engine_bound_connected(struct ncp__engine *engine, uint32_t index,
                                 uint64_t now_ns, struct ncp__acts *acts);
bool ncp__engine_bound_failed(struct ncp__engine *engine, uint32_t index,
                              int status, int64_t code, const char *text,
                              uint64_t now_ns, struct ncp__acts *acts);

/* A leased slot got a new connection from its borrower. */
void ncp__engine_renew(struct ncp__engine *engine, uint32_t index,
                       const struct ncp__made *made, uint64_t now_ns);

/* -------------------------------------------------------------- closing: leave.c */

/* An owned slot is to be closed: it comes out in acts->close. Lock held. */
void ncp__begin_close_locked(struct ncp__engine *engine, uint32_t index,
                             int reason, uint64_t now_ns,
                             struct ncp__acts *acts);
void ncp__engine_begin_close(struct ncp__engine *engine, uint32_t index,
                             int reason, uint64_t now_ns,
                             struct ncp__acts *acts);
/* The close is done: frees the capacity (if it was not yet) and the slot; of one,
 * or of some that are linked by cold.link. */
void ncp__engine_closed_some(struct ncp__engine *engine, uint32_t head,
                             uint64_t now_ns, struct ncp__acts *acts);
void ncp__engine_closed_one(struct ncp__engine *engine, uint32_t index,
                            uint64_t now_ns, struct ncp__acts *acts);
/* Takes an owned slot out for good, without a close. */
void ncp__engine_detach(struct ncp__engine *engine, uint32_t index,
                        uint64_t now_ns, struct ncp__acts *acts);
/* Takes a lease away from its borrower: its place is free, the slot stays until
 * the borrower puts it. False when the lease ended meanwhile. Lock held. */
bool ncp__take_away_locked(struct ncp__engine *engine, uint32_t index,
                           uint64_t generation, enum ncp__state state,
                           uint64_t now_ns, struct ncp__acts *acts);
/* The borrower put it, but it has still to be told that it was closed (pull).
 * Lock held. */
void ncp__mark_closing_locked(struct ncp__slot *slot);
/* The borrower of such a slot put it, and it was closed. */
void ncp__engine_taken_back(struct ncp__engine *engine, uint32_t index,
                            struct ncp__acts *acts);
/* A claimed slot is under check. Lock held. */
void ncp__begin_check_locked(struct ncp__engine *engine, uint32_t index,
                             uint64_t now_ns);
/* A check ended: the connection is idle again or goes to be closed. False when it
 * had been overdue: it left the pool, the caller owns what is left of it. */
bool ncp__engine_check_done(struct ncp__engine *engine, uint32_t index,
                            bool healthy, uint64_t now_ns,
                            struct ncp__acts *acts);
/* A connection under check leaves the pool, while its checker still runs or (not
 * `running`) to be closed. False when the check has just ended. */
bool ncp__engine_check_overdue(struct ncp__engine *engine, uint32_t index,
                               bool running, uint64_t now_ns,
                               struct ncp__acts *acts);
/* The slots of a chunk that are under check. Lock held. */
uint64_t ncp__engine_checking_locked(const struct ncp__engine *engine,
                                     uint32_t chunk);
/* Counts a check of a leased connection (check_on_borrow). */
void ncp__engine_count_check(struct ncp__engine *engine, bool healthy);
/* Counts a lease that is flagged as leaked. */
void ncp__engine_count_leak(struct ncp__engine *engine);

/* Remembers that a lease was closed by its holder; and whether it was, once. */
void ncp__engine_remember_closed(struct ncp__engine *engine, ncp_lease lease);
bool ncp__engine_forget_closed(struct ncp__engine *engine, ncp_lease lease);

void ncp__engine_close(struct ncp__engine *engine, uint64_t now_ns,
                       struct ncp__acts *acts);
int ncp__engine_flush(struct ncp__engine *engine, uint64_t now_ns,
                      struct ncp__acts *acts);
int ncp__engine_suspend(struct ncp__engine *engine, bool on, uint64_t now_ns,
                        struct ncp__acts *acts);
int ncp__engine_resize(struct ncp__engine *engine, uint32_t max,
                       uint64_t now_ns, struct ncp__acts *acts);
/* Limits changed: everything derived from them follows. */
void ncp__limits_changed_locked(struct ncp__engine *engine, uint64_t now_ns,
                                struct ncp__acts *acts);
void ncp__engine_limits_changed(struct ncp__engine *engine, uint64_t now_ns,
                                struct ncp__acts *acts);

/* Closes what is idle and too old. */
void ncp__engine_expire_idle(struct ncp__engine *engine, uint64_t now_ns,
                             struct ncp__acts *acts);

/* In a child process, in which no other thread lives: forgets everything.
 * `drop` is told of each connection. */
void ncp__engine_forked(struct ncp__engine *engine,
                        void (*drop)(void *context, struct ncp__slot *slot),
                        void *context);

/* ------------------------------------------------------------ counters: tally.c */

void ncp__engine_snapshot(struct ncp__engine *engine, uint64_t *values);
/* Idle (with those under check) and leased, at one moment. */
void ncp__engine_counts(struct ncp__engine *engine, uint32_t *idle,
                        uint32_t *active);

#endif

/* Dials: who needs one, when it may begin, and where its result goes. */

#include <errno.h>
#include <string.h>

enum {
    MISMATCHES = 3,
    PASSES = 32 /* after so many its kind gets a place */
};              /* fresh connections that may not fit their waiter */

/* ------------------------------------------------------------------- reserving */

bool ncp__has_room_locked(const struct ncp__engine *engine)
{
    uint32_t max = engine->limits.max;

    return max == 0 || engine->open + engine->dialing + engine->closing < max;
}

static bool has_permit(const struct ncp__engine *engine)
{
    const struct ncp__engine_limits *limits = &engine->limits;

    if (limits->one_dial)
        return engine->dialing == 0;
    return limits->max_creates == 0 || engine->creating < limits->max_creates;
}

static void retry_at(struct ncp__engine *engine, uint64_t at_ns,
                     struct ncp__acts *acts)
{
    if (at_ns >= engine->retry_ns)
        return;
    engine->retry_ns = at_ns;
    acts->due_changed = true;
}

static void append_dial(struct ncp__engine *engine, uint32_t index,
                        struct ncp__acts *acts)
{
    ncp__cold(ncp__engine_slot(engine, index))->link = NCP__NO_SLOT;
    if (acts->dial_head == NCP__NO_SLOT)
        acts->dial_head = index;
    else
        ncp__cold(ncp__engine_slot(engine, acts->dial_tail))->link = index;
    acts->dial_tail = index;
}

/* Capacity and a slot; NCP__NO_SLOT when out of memory. */
static uint32_t reserve(struct ncp__engine *engine, enum ncp__dial_kind kind,
                        int protocol, int ip, uint64_t now_ns)
{
    uint32_t index = ncp__slots_reserve(&engine->slots);
    uint64_t due_ns = now_ns + engine->limits.connection_timeout_ns;

    if (index == NCP__NO_SLOT)
        return index;
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp__cold *cold = ncp__cold(slot);
    cold->dial_kind = (uint8_t)kind;
    cold->dial_flags = NCP__DIAL_PERMIT;
    cold->protocol = (uint8_t)protocol;
    cold->ip = (uint8_t)ip;
    cold->fd = -1;
    slot->handle = 0;
    cold->id = 0;
    cold->created_ns = now_ns;
    cold->due_ns = engine->limits.server ? NCP__NEVER : due_ns;
    slot->of.owner = NULL;
    cold->work = 0;
    atomic_store_explicit(
        &slot->epoch,
        atomic_load_explicit(&engine->epoch, memory_order_relaxed),
        memory_order_relaxed);
    atomic_store_explicit(&slot->flags, 0, memory_order_relaxed);
    ncp__pace_begun(&engine->pace, now_ns);
    cold->dials_next = engine->dials;
    engine->dials = index;
    engine->dialing++;
    engine->creating++;
    return index;
}

static void release_permit(struct ncp__engine *engine, struct ncp__slot *slot)
{
    if ((ncp__cold(slot)->dial_flags & NCP__DIAL_PERMIT) == 0)
        return;
    ncp__cold(slot)->dial_flags &= (uint8_t)~NCP__DIAL_PERMIT;
    engine->creating--;
}

/* The dial is over: its capacity is free, the slot is the caller's. */
static void unreserve(struct ncp__engine *engine, uint32_t index)
{
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    uint32_t *at = &engine->dials;

    while (*at != index)
        at = &ncp__cold(ncp__engine_slot(engine, *at))->dials_next;
    *at = ncp__cold(slot)->dials_next;
    ncp__cold(slot)->dials_next = NCP__NO_SLOT;
    release_permit(engine, slot);
    engine->dialing--;
}

/* -------------------------------------------------------------------- covering */

static void cover(struct ncp__engine *engine, struct ncp__waiter *waiter,
                  uint32_t index)
{
    ncp__lines_covered(&engine->lines, waiter);
    waiter->dial = index;
    ncp__engine_slot(engine, index)->of.owner = waiter;
}

static void uncover(struct ncp__engine *engine, struct ncp__waiter *waiter)
{
    waiter->dial = NCP__NO_SLOT;
    if (waiter->queued)
        ncp__lines_need(&engine->lines, waiter);
}

/* A dial that serves nobody is taken over by the oldest it may serve. */
static bool adopt(struct ncp__engine *engine, uint32_t index)
{
    struct ncp__cold *cold = ncp__cold(ncp__engine_slot(engine, index));
    struct ncp__waiter *waiter = engine->lines.needs_head;

    if (cold->dial_kind != NCP__DIAL_DEMAND ||
        (cold->dial_flags & NCP__DIAL_OVERDUE) != 0)
        return false;
    for (; waiter != NULL; waiter = waiter->needs_next) {
        if (waiter->dials_itself ||
            !ncp__fits(cold->protocol, cold->ip, waiter->protocol, waiter->ip))
            continue;
        cover(engine, waiter, index);
        cold->dial_flags |= NCP__DIAL_ADOPTED;
        return true;
    }
    return false;
}

void ncp__orphan_dial_locked(struct ncp__engine *engine,
                             struct ncp__waiter *waiter, struct ncp__acts *acts)
{
    uint32_t index = waiter->dial;

    if (index == NCP__NO_SLOT)
        return;
    waiter->dial = NCP__NO_SLOT;
    ncp__engine_slot(engine, index)->of.owner = NULL;
    if (!adopt(engine, index))
        acts->nobody_needs = true;
}

/* -------------------------------------------------------------------- beginning */

static struct ncp__waiter *next_needing(struct ncp__engine *engine,
                                        uint64_t now_ns, struct ncp__acts *acts)
{
    struct ncp__waiter *waiter = engine->lines.needs_head;

    while (waiter != NULL && waiter->not_before_ns > now_ns) {
        retry_at(engine, waiter->not_before_ns, acts);
        waiter = waiter->needs_next;
    }
    return waiter;
}

/* At the limit, an idle connection that this waiter cannot use gives way: the
 * least recently used one. */
static void make_room__engine_dial(struct ncp__engine *engine,
                      const struct ncp__waiter *waiter, uint64_t now_ns,
                      struct ncp__acts *acts)
{
    if (waiter->protocol == NCP_PROTOCOL_UNKNOWN &&
        waiter->ip == NCP_IP_UNKNOWN)
        return; /* it can use any: what is idle has just come back, for it */
    if (engine->closing >= engine->lines.needing)
        return; /* enough of them are on their way out */
    uint32_t index =
        ncp__idle_take_oldest(&engine->idle, waiter->protocol, waiter->ip);
    if (index != NCP__NO_SLOT)
        ncp__begin_close_locked(engine, index, NCP_REASON_EVICTED, now_ns,
                                acts);
}

/* Whether nothing would stop a dial but the lack of a place. */
static bool could_dial(const struct ncp__engine *engine, uint64_t now_ns)
{
    const struct ncp__gatekeeper *gatekeeper = &engine->gatekeeper;

    return !engine->limits.server && has_permit(engine) &&
           gatekeeper->breaker == NCP__BREAKER_CLOSED &&
           now_ns >= gatekeeper->not_before_ns;
}

bool ncp__passes_over_locked(const struct ncp__engine *engine,
                             const struct ncp__slot *slot,
                             const struct ncp__waiter *waiter, uint64_t now_ns)
{
    struct ncp__waiter *older = engine->lines.needs_head;

    if (NCP__LIKELY(older == NULL || older->sequence >= waiter->sequence ||
                    ncp__fits(ncp__cold(slot)->protocol, ncp__cold(slot)->ip,
                              older->protocol, older->ip)) ||
        ncp__has_room_locked(engine) || !could_dial(engine, now_ns))
        return false;
    /* A dial costs more than a hand-over: not for everybody, and not at once. */
    if (older->passed < PASSES) {
        older->passed++;
        return false;
    }
    if (now_ns < older->since_ns + engine->pace.dial_ns)
        return false;
    older->passed = 0;
    return true;
}

/* The breaker is open and nothing can come back: no reason to wait. */
static void fail_needing(struct ncp__engine *engine, int status,
                         struct ncp__acts *acts)
{
    struct ncp__waiter *waiter;

    while ((waiter = engine->lines.needs_head) != NULL)
        ncp__decide_locked(engine, waiter, status, acts);
}

/* False when no dial may begin now. */
static bool may_dial(struct ncp__engine *engine, uint64_t now_ns,
                     struct ncp__acts *acts)
{
    uint64_t at_ns = NCP__NEVER;
    int rc = ncp__gatekeeper_ask(&engine->gatekeeper, now_ns, &at_ns);

    if (rc == NCP_OK)
        return true;
    if (rc == NCP_EBREAKER && engine->open == 0 && engine->dialing == 0 &&
        engine->limits.dial_policy != NCP_DIAL_WAIT)
        fail_needing(engine, NCP_EBREAKER, acts);
    retry_at(engine, at_ns, acts);
    return false;
}

/* Whether this waiter could have any connection that comes back. */
static bool all_fit(const struct ncp__engine *engine,
                    const struct ncp__waiter *waiter)
{
    const struct ncp__tally *tally = &engine->tally;

    return (waiter->protocol == NCP_PROTOCOL_UNKNOWN ||
            tally->current_by_protocol[waiter->protocol] == engine->open) &&
           (waiter->ip == NCP_IP_UNKNOWN ||
            tally->current_by_ip[waiter->ip] == engine->open);
}

/* Whether anybody would be turned away for want of a dial (max_waiters). */
static bool line_is_full(const struct ncp__engine *engine)
{
    return engine->limits.max_waiters != 0 &&
           engine->lines.needing > engine->limits.max_waiters;
}

/* Has the pace looked at again, once for all who ask meanwhile. */
static void look_again(struct ncp__engine *engine, uint64_t at_ns,
                       uint64_t now_ns, struct ncp__acts *acts)
{
    uint64_t *look_ns = &engine->pace.look_ns;

    if (*look_ns <= now_ns || *look_ns > at_ns) {
        *look_ns = at_ns;
        retry_at(engine, at_ns, acts);
    } else if (*look_ns < engine->retry_ns) {
        engine->retry_ns = *look_ns;
    }
}

/* Whether the line will not be served before the dial is done. A dial of a server
 * is an accept: it costs nothing. */
static bool is_worth_it(struct ncp__engine *engine,
                        const struct ncp__waiter *waiter, uint64_t now_ns,
                        struct ncp__acts *acts)
{
    /* What was dialed and has not joined yet is about to. */
    const struct ncp__pace_state state = {
        .waiting = engine->lines.waiting,
        .under_way = engine->creating,
        .there = engine->open + engine->dialing - engine->creating};
    uint64_t again_ns = NCP__NEVER;

    if (engine->limits.server || !all_fit(engine, waiter) ||
        line_is_full(engine) ||
        ncp__pace_allows(&engine->pace, &state, now_ns, &again_ns))
        return true;
    look_again(engine, again_ns, now_ns, acts);
    return false;
}

/* Hands the reservation to a waiter that dials itself. */
static void give_reservation(struct ncp__engine *engine,
                             struct ncp__waiter *waiter, uint32_t index,
                             struct ncp__acts *acts)
{
    struct ncp__slot *slot = ncp__engine_slot(engine, index);

    ncp__leave_line_locked(engine, waiter, acts);
    ncp__cold(slot)->dial_kind = NCP__DIAL_BOUND;
    slot->of.owner = waiter;
    waiter->status = NCP_OK;
    waiter->outcome = NCP_EVENT_DIAL;
    waiter->slot = index;
    ncp__append_decided(acts, waiter);
}

/* One dial for one waiter; false when no more can begin. */
static bool begin_one(struct ncp__engine *engine, uint64_t now_ns,
                      struct ncp__acts *acts)
{
    struct ncp__waiter *waiter = next_needing(engine, now_ns, acts);

    if (waiter == NULL || !has_permit(engine))
        return false;
    if (!ncp__has_room_locked(engine))
        make_room__engine_dial(engine, waiter, now_ns, acts);
    if (!ncp__has_room_locked(engine) ||
        !is_worth_it(engine, waiter, now_ns, acts) ||
        !may_dial(engine, now_ns, acts))
        return false;
    uint32_t index =
        reserve(engine, NCP__DIAL_DEMAND, waiter->protocol, waiter->ip, now_ns);
    if (index == NCP__NO_SLOT) {
        ncp__gatekeeper_void(&engine->gatekeeper);
        ncp__decide_locked(engine, waiter, NCP_ENOMEM, acts);
        return true;
    }
    if (waiter->dials_itself) {
        give_reservation(engine, waiter, index, acts);
        return true;
    }
    cover(engine, waiter, index);
    append_dial(engine, index, acts);
    acts->due_changed = true;
    return true;
}

static void end_prewarm(struct ncp__engine *engine, bool failed,
                        struct ncp__acts *acts)
{
    engine->prewarm.ended = true;
    engine->prewarm.failed = failed;
    acts->signal = true;
}

/* The first one alone: when it fails, it was only one. */
static bool may_prewarm(struct ncp__engine *engine, uint64_t now_ns,
                        struct ncp__acts *acts)
{
    const struct ncp__prewarm *prewarm__engine_dial = &engine->prewarm;

    if (prewarm__engine_dial->ended || prewarm__engine_dial->started >= prewarm__engine_dial->target ||
        (prewarm__engine_dial->created == 0 && prewarm__engine_dial->started == 1))
        return false;
    if (now_ns < prewarm__engine_dial->not_before_ns) {
        retry_at(engine, prewarm__engine_dial->not_before_ns, acts);
        return false;
    }
    if (!ncp__has_room_locked(engine)) {
        if (prewarm__engine_dial->started == prewarm__engine_dial->created)
            end_prewarm(engine, false, acts);
        return false;
    }
    return has_permit(engine) && may_dial(engine, now_ns, acts);
}

static void prewarm__engine_dial(struct ncp__engine *engine, uint64_t now_ns,
                    struct ncp__acts *acts)
{
    while (may_prewarm(engine, now_ns, acts)) {
        uint32_t index = reserve(engine, NCP__DIAL_PREWARM, 0, 0, now_ns);
        if (index == NCP__NO_SLOT) {
            ncp__gatekeeper_void(&engine->gatekeeper);
            end_prewarm(engine, true, acts);
            return;
        }
        engine->prewarm.started++;
        append_dial(engine, index, acts);
        acts->due_changed = true;
    }
}

void ncp__begin_dials_locked(struct ncp__engine *engine, uint64_t now_ns,
                             struct ncp__acts *acts)
{
    uint64_t gate = atomic_load_explicit(&engine->gate, memory_order_relaxed);

    if ((gate & (NCP__GATE_CLOSED | NCP__GATE_SUSPENDED)) != 0)
        return;
    engine->retry_ns = NCP__NEVER;
    ncp__pace_look(&engine->pace, now_ns);
    while (begin_one(engine, now_ns, acts))
        continue;
    prewarm__engine_dial(engine, now_ns, acts);
}

void ncp__engine_refill(struct ncp__engine *engine, uint64_t now_ns,
                        struct ncp__acts *acts)
{
    const struct ncp__engine_limits *limits = &engine->limits;

    ncp__engine_lock(engine);
    while (limits->maintain_min && !limits->server && engine->prewarm.ended &&
           !ncp__engine_closed(engine) &&
           engine->open + engine->dialing < limits->min &&
           ncp__has_room_locked(engine) && has_permit(engine) &&
           may_dial(engine, now_ns, acts)) {
        uint32_t index = reserve(engine, NCP__DIAL_REFILL, 0, 0, now_ns);
        if (index == NCP__NO_SLOT) {
            ncp__gatekeeper_void(&engine->gatekeeper);
            break;
        }
        append_dial(engine, index, acts);
        acts->due_changed = true;
    }
    ncp__engine_unlock(engine);
}

/* --------------------------------------------------------------------- success */

void ncp__dialed_locked(struct ncp__engine *engine, struct ncp__slot *slot,
                        const struct ncp__made *made, uint64_t now_ns,
                        struct ncp__acts *acts)
{
    struct ncp__cold *cold = ncp__cold(slot);
    static _Atomic uint64_t ids; /* process-wide, from 1 */

    slot->handle = made->handle;
    cold->fd = made->fd;
    cold->protocol = (uint8_t)made->protocol;
    cold->ip = (uint8_t)made->ip;
    if (cold->id == 0)
        cold->id = atomic_fetch_add_explicit(&ids, 1, memory_order_relaxed) + 1;
    if ((cold->dial_flags & NCP__DIAL_PERMIT) != 0)
        ncp__pace_dialed(&engine->pace, now_ns > cold->created_ns
                                            ? now_ns - cold->created_ns
                                            : 0);
    cold->created_ns = now_ns;
    uint8_t flags = made->nonblocking ? NCP__FLAG_NONBLOCKING : 0;
    flags |= made->datagram ? NCP__FLAG_DATAGRAM : 0;
    atomic_store_explicit(&slot->flags, flags, memory_order_relaxed);
    release_permit(engine, slot);
    ncp__begin_dials_locked(engine, now_ns, acts);
}

void ncp__engine_dialed(struct ncp__engine *engine, uint32_t index,
                        const struct ncp__made *made, uint64_t now_ns,
                        struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    ncp__dialed_locked(engine, ncp__engine_slot(engine, index), made, now_ns,
                       acts);
    ncp__engine_unlock(engine);
}

/* Between this share of the limit and the limit, drawn once a connection. */
static uint64_t shortened(struct ncp__engine *engine, uint64_t limit_ns)
{
    uint64_t most = limit_ns / 100 * engine->limits.jitter_percent;

    return limit_ns - ncp__random_below(&engine->random, most + 1);
}

/* Ages begin, limits are drawn. */
static void begin_life(struct ncp__engine *engine, struct ncp__slot *slot,
                       uint64_t now_ns)
{
    struct ncp__cold *cold = ncp__cold(slot);
    const struct ncp__engine_limits *limits = &engine->limits;
    uint64_t end_ns = NCP__NEVER, idle_ns = NCP__NEVER;

    if (limits->max_lifetime_ns != 0)
        end_ns = now_ns + shortened(engine, limits->max_lifetime_ns);
    if (limits->idle_timeout_ns != 0)
        idle_ns = shortened(engine, limits->idle_timeout_ns);
    atomic_store_explicit(&slot->lifetime_end_ns, end_ns, memory_order_relaxed);
    atomic_store_explicit(&cold->idle_limit_ns, idle_ns, memory_order_relaxed);
    cold->created_ns = now_ns;
    cold->checked_ns = 0;
}

/* The connection counts from now on. */
static void join(struct ncp__engine *engine, uint32_t index, uint64_t now_ns)
{
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp__cold *cold = ncp__cold(slot);
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
    uint64_t gets = atomic_load_explicit(&slot->gets, memory_order_relaxed);

    begin_life(engine, slot, now_ns);
    atomic_store_explicit(&slot->touched_ns, now_ns, memory_order_relaxed);
    cold->slow_gets = 0;
    cold->gets_base = (uint32_t)gets;
    slot->of.tag = 0;
    /* A reservation is no lease: its generation ends here. */
    uint64_t generation = ncp__next_generation(ncp__word_generation(word));
    atomic_store_explicit(&slot->word, ncp__word(generation, NCP__HELD),
                          memory_order_release);
    engine->open++;
    engine->tally.created++;
    engine->tally.current_by_protocol[cold->protocol]++;
    engine->tally.current_by_ip[cold->ip]++;
    ncp__idle_join(&engine->idle, index);
    if (!ncp__idle_one_kind(&engine->idle))
        ncp__forget_told_locked(engine, NCP__GATE_TOLD);
}

/* A client that was accepted for somebody who left is not sent away unserved:
 * one that was served before goes instead. */
static bool give_way(struct ncp__engine *engine, uint64_t now_ns,
                     struct ncp__acts *acts)
{
    uint32_t index = engine->limits.server
                         ? ncp__idle_take_oldest(&engine->idle, 0, 0)
                         : NCP__NO_SLOT;

    if (index == NCP__NO_SLOT)
        return false;
    ncp__begin_close_locked(engine, index, NCP_REASON_IDLE_FULL, now_ns, acts);
    return true;
}

/* A new connection: to the oldest it serves, else idle, else closed. Who it was
 * dialed for may be somebody else. */
static void place(struct ncp__engine *engine, uint32_t index, uint64_t now_ns,
                  struct ncp__acts *acts)
{
    const struct ncp__slot *slot = ncp__engine_slot(engine, index);
    uint64_t gate = atomic_load_explicit(&engine->gate, memory_order_relaxed);
    uint32_t epoch = atomic_load_explicit(&slot->epoch, memory_order_relaxed);
    struct ncp__waiter *waiter = NULL;
    int reason = NCP_REASON_NONE;

    if ((gate & NCP__GATE_CLOSED) != 0)
        reason = NCP_REASON_POOL_CLOSED;
    else if (epoch !=
             atomic_load_explicit(&engine->epoch, memory_order_relaxed))
        reason = NCP_REASON_FLUSHED;
    else if (ncp__over_by_locked(engine) != 0)
        reason = NCP_REASON_SHRUNK;
    else if ((gate & NCP__GATE_SUSPENDED) == 0)
        waiter = ncp__lines_oldest_for(
            &engine->lines, ncp__cold(slot)->protocol, ncp__cold(slot)->ip);
    if (waiter != NULL) {
        ncp__give_locked(engine, waiter, index, true, now_ns, acts);
        return;
    }
    if (reason == NCP_REASON_NONE &&
        ncp__idle_reaches(&engine->idle, engine->max_idle) &&
        !give_way(engine, now_ns, acts))
        reason = NCP_REASON_MISMATCH;
    if (reason != NCP_REASON_NONE)
        ncp__begin_close_locked(engine, index, reason, now_ns, acts);
    else
        ncp__idle_publish(&engine->idle, index);
}

/* One more connection that its waiter could not use; false after three. */
static bool may_try_again(struct ncp__waiter *waiter, int *status, int protocol)
{
    *status =
        waiter->protocol != NCP_PROTOCOL_UNKNOWN && waiter->protocol != protocol
            ? NCP_ENOPROTO
            : NCP_ENOIP;
    return ++waiter->mismatches < MISMATCHES;
}

static void prewarm_connected(struct ncp__engine *engine,
                              struct ncp__acts *acts)
{
    engine->prewarm.created++;
    engine->prewarm.failures = 0;
    if (engine->prewarm.created == engine->prewarm.target)
        end_prewarm(engine, false, acts);
}

/* The reservation has become a connection. */
static void welcome(struct ncp__engine *engine, uint32_t index, uint64_t now_ns)
{
    unreserve(engine, index);
    join(engine, index, now_ns);
    ncp__gatekeeper_success(&engine->gatekeeper);
    engine->dial_error.count = 0;
}

static void connected_locked(struct ncp__engine *engine, uint32_t index,
                             uint64_t now_ns, struct ncp__acts *acts)
{
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp__cold *cold = ncp__cold(slot);
    struct ncp__waiter *owner = slot->of.owner;
    int protocol = cold->protocol, ip = cold->ip, status;

    if (cold->dial_kind == NCP__DIAL_PREWARM)
        prewarm_connected(engine, acts);
    if (owner != NULL)
        uncover(engine, owner); /* first: it may take over another's dial */
    welcome(engine, index, now_ns);
    place(engine, index, now_ns, acts);
    if (owner != NULL && owner->queued &&
        !ncp__fits(protocol, ip, owner->protocol, owner->ip) &&
        !may_try_again(owner, &status, protocol))
        ncp__decide_locked(engine, owner, status, acts);
    ncp__serve_locked(engine, now_ns, acts);
}

void ncp__engine_connected(struct ncp__engine *engine, uint32_t index,
                           uint64_t now_ns, struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    connected_locked(engine, index, now_ns, acts);
    ncp__engine_unlock(engine);
}

/* --------------------------------------------------------------------- failure */

static void note_error(struct ncp__engine *engine, int64_t code,
                       const char *text, uint64_t now_ns)
{
    struct ncp__dial_error *error = &engine->dial_error;
    size_t length = text == NULL ? 0 : strlen(text);

    if (length >= sizeof(error->text))
        length = sizeof(error->text) - 1;
    if (length != 0)
        memcpy(error->text, text, length);
    error->text[length] = '\0';
    error->code = code;
    error->at_ns = now_ns;
    error->count++;
    engine->tally.connection_errors++;
    ncp__gatekeeper_failure(&engine->gatekeeper, now_ns);
}

static bool retries(const struct ncp__engine *engine,
                    struct ncp__waiter *waiter, uint64_t now_ns)
{
    if (waiter->attempts >= engine->limits.create_retries)
        return false;
    waiter->attempts++;
    waiter->not_before_ns =
        now_ns + engine->limits.create_retry_ns * waiter->attempts;
    return true;
}

static void fail_one(struct ncp__engine *engine, struct ncp__waiter *waiter,
                     int status, int64_t code, struct ncp__acts *acts)
{
    waiter->code = code;
    ncp__decide_locked(engine, waiter, status, acts);
}

static void fail_all(struct ncp__engine *engine, int status, int64_t code,
                     struct ncp__acts *acts)
{
    struct ncp__waiter *waiter;
    unsigned line;

    while ((waiter = ncp__lines_oldest(&engine->lines, 0, &line)) != NULL)
        fail_one(engine, waiter, status, code, acts);
}

/* Whether the owner of a failed dial goes on waiting. One who adopted it may have
 * come when the peer was back: it says nothing about a dial of his own. */
static bool goes_on(const struct ncp__engine *engine, struct ncp__waiter *owner,
                    bool adopted, uint64_t now_ns)
{
    int policy = engine->limits.dial_policy;

    return (adopted && policy == NCP_DIAL_FAIL_ONE) ||
           retries(engine, owner, now_ns) || policy == NCP_DIAL_WAIT;
}

/* Who is told of a failed dial, after the policy. `owner` may be NULL. */
static void blame(struct ncp__engine *engine, struct ncp__waiter *owner,
                  bool adopted, int status, int64_t code, uint64_t now_ns,
                  struct ncp__acts *acts)
{
    if (owner != NULL)
        owner->dial = NCP__NO_SLOT;
    if (owner != NULL && goes_on(engine, owner, adopted, now_ns)) {
        uncover(engine, owner);
        return;
    }
    if (owner != NULL)
        fail_one(engine, owner, status, code, acts);
    if (engine->limits.dial_policy == NCP_DIAL_FAIL_ALL)
        fail_all(engine, status, code, acts);
}

static void prewarm_failed(struct ncp__engine *engine, uint64_t now_ns,
                           struct ncp__acts *acts)
{
    struct ncp__prewarm *prewarm__engine_dial = &engine->prewarm;
    const struct ncp__engine_limits *limits = &engine->limits;

    if (prewarm__engine_dial->ended)
        return;
    prewarm__engine_dial->started--;
    if (limits->prewarm_retry &&
        prewarm__engine_dial->failures++ < limits->prewarm_max_retries)
        prewarm__engine_dial->not_before_ns = now_ns + limits->prewarm_retry_ns;
    else
        end_prewarm(engine, true, acts);
}

static void dial_failed_locked(struct ncp__engine *engine, uint32_t index,
                               int status, int64_t code, const char *text,
                               uint64_t now_ns, struct ncp__acts *acts)
{
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    const struct ncp__cold *cold = ncp__cold(slot);
    struct ncp__waiter *owner = slot->of.owner;
    bool told = (cold->dial_flags & NCP__DIAL_OVERDUE) != 0;
    bool adopted = (cold->dial_flags & NCP__DIAL_ADOPTED) != 0;
    bool prewarming = cold->dial_kind == NCP__DIAL_PREWARM;

    unreserve(engine, index);
    ncp__slots_release(&engine->slots, index);
    if (status == NCP_ECANCELED)
        ncp__gatekeeper_void(&engine->gatekeeper);
    else if (!told)
        note_error(engine, code, text, now_ns);
    if (prewarming)
        prewarm_failed(engine, now_ns, acts);
    else if (status == NCP_ECANCELED && owner != NULL)
        uncover(engine, owner);
    else if (!told && status != NCP_ECANCELED)
        blame(engine, owner, adopted, status, code, now_ns, acts);
    ncp__serve_locked(engine, now_ns, acts);
    acts->signal = true;
}

void ncp__engine_dial_failed(struct ncp__engine *engine, uint32_t index,
                             int status, int64_t code, const char *text,
                             uint64_t now_ns, struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    dial_failed_locked(engine, index, status, code, text, now_ns, acts);
    ncp__engine_unlock(engine);
}

/* The error is delivered, the dial goes on: what it brings will be kept. */
static void overdue(struct ncp__engine *engine, struct ncp__slot *slot,
                    uint64_t now_ns, struct ncp__acts *acts)
{
    struct ncp__cold *cold = ncp__cold(slot);
    struct ncp__waiter *owner = slot->of.owner;
    bool adopted = (cold->dial_flags & NCP__DIAL_ADOPTED) != 0;

    cold->dial_flags |= NCP__DIAL_OVERDUE;
    slot->of.owner = NULL;
    note_error(engine, ETIMEDOUT, "the dial exceeded connection_timeout",
               now_ns);
    if (cold->dial_kind == NCP__DIAL_PREWARM) {
        cold->dial_kind = NCP__DIAL_REFILL;
        prewarm_failed(engine, now_ns, acts);
    } else {
        blame(engine, owner, adopted, NCP_EDIAL, ETIMEDOUT, now_ns, acts);
    }
}

/* A dial whose error is still to be delivered when it takes too long. */
static bool can_be_overdue(const struct ncp__slot *slot)
{
    const struct ncp__cold *cold = ncp__cold(slot);

    return cold->dial_kind != NCP__DIAL_BOUND && cold->id == 0 &&
           (cold->dial_flags & NCP__DIAL_OVERDUE) == 0;
}

void ncp__engine_overdue_dials(struct ncp__engine *engine, uint64_t now_ns,
                               struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    for (uint32_t i = engine->dials; i != NCP__NO_SLOT;
         i = ncp__cold(ncp__engine_slot(engine, i))->dials_next) {
        struct ncp__slot *slot = ncp__engine_slot(engine, i);
        if (can_be_overdue(slot) && now_ns >= ncp__cold(slot)->due_ns)
            overdue(engine, slot, now_ns, acts);
    }
    ncp__serve_locked(engine, now_ns, acts);
    ncp__engine_unlock(engine);
}

uint64_t ncp__engine_next_dial_due(struct ncp__engine *engine)
{
    ncp__engine_lock(engine);
    uint64_t next_ns = engine->retry_ns;
    for (uint32_t i = engine->dials; i != NCP__NO_SLOT;
         i = ncp__cold(ncp__engine_slot(engine, i))->dials_next) {
        const struct ncp__slot *slot = ncp__engine_slot(engine, i);
        if (can_be_overdue(slot) && ncp__cold(slot)->due_ns < next_ns)
            next_ns = ncp__cold(slot)->due_ns;
    }
    ncp__engine_unlock(engine);
    return next_ns;
}

/* ---------------------------------------------------------- caller-bound dials */

/* The caller goes on waiting, at its old place. */
static void stand_again(struct ncp__engine *engine, struct ncp__waiter *waiter)
{
    waiter->slot = NCP__NO_SLOT;
    waiter->outcome = NCP_EVENT_NONE;
    atomic_store_explicit(&waiter->state, NCP__WAITING, memory_order_relaxed);
    ncp__enter_line_locked(engine, waiter);
}

static void end_bound(struct ncp__engine *engine, struct ncp__waiter *waiter,
                      int status)
{
    waiter->status = status;
    waiter->outcome = NCP_EVENT_NONE;
    waiter->slot = NCP__NO_SLOT;
    ncp__count_end_locked(engine, waiter, status, false);
}

static bool bound_connected_locked(struct ncp__engine *engine, uint32_t index,
                                   uint64_t now_ns, struct ncp__acts *acts)
{
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp__waiter *owner = slot->of.owner;
    uint32_t epoch = atomic_load_explicit(&slot->epoch, memory_order_relaxed);
    int protocol = ncp__cold(slot)->protocol, ip = ncp__cold(slot)->ip, status;
    bool flushed =
        epoch != atomic_load_explicit(&engine->epoch, memory_order_relaxed);

    if (owner == NULL) {
        connected_locked(engine, index, now_ns, acts);
        return false;
    }
    welcome(engine, index, now_ns);
    if (ncp__engine_closed(engine)) {
        ncp__begin_close_locked(engine, index, NCP_REASON_POOL_CLOSED, now_ns,
                                acts);
        end_bound(engine, owner, NCP_ECLOSED);
        return false;
    }
    if (!flushed && ncp__fits(protocol, ip, owner->protocol, owner->ip)) {
        struct ncp__acts own = NCP__NO_ACTS; /* the caller needs no telling */
        ncp__give_locked(engine, owner, index, true, now_ns, &own);
        ncp__serve_locked(engine, now_ns, acts);
        return false;
    }
    place(engine, index, now_ns, acts);
    bool stands = flushed || may_try_again(owner, &status, protocol);
    if (stands)
        stand_again(engine, owner);
    else
        end_bound(engine, owner, status);
    ncp__serve_locked(engine, now_ns, acts);
    return stands;
}

bool ncp__engine_bound_connected(struct ncp__engine *engine, uint32_t index,
                                 uint64_t now_ns, struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    bool stood = bound_connected_locked(engine, index, now_ns, acts);
    ncp__engine_unlock(engine);
    return stood;
}

static bool bound_failed_locked(struct ncp__engine *engine, uint32_t index,
                                int status, int64_t code, const char *text,
                                uint64_t now_ns, struct ncp__acts *acts)
{
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp__waiter *owner = slot->of.owner;
    bool failed = status != NCP_ECANCELED && status != NCP_ETIMEOUT;
    bool closed = ncp__engine_closed(engine);

    if (owner == NULL) {
        dial_failed_locked(engine, index, status, code, text, now_ns, acts);
        return false;
    }
    if (failed)
        note_error(engine, code, text, now_ns);
    if (failed && !closed && retries(engine, owner, now_ns))
        return false; /* the same reservation, after a pause */
    unreserve(engine, index);
    ncp__slots_release(&engine->slots, index);
    acts->signal = true;
    if (!failed)
        ncp__gatekeeper_void(&engine->gatekeeper);
    bool stands =
        failed && !closed && engine->limits.dial_policy == NCP_DIAL_WAIT;
    if (stands)
        stand_again(engine, owner);
    else
        end_bound(engine, owner, closed ? NCP_ECLOSED : status);
    owner->code = failed && !stands && !closed ? code : 0;
    if (failed && engine->limits.dial_policy == NCP_DIAL_FAIL_ALL)
        fail_all(engine, status, code, acts);
    ncp__serve_locked(engine, now_ns, acts);
    return stands;
}

bool ncp__engine_bound_failed(struct ncp__engine *engine, uint32_t index,
                              int status, int64_t code, const char *text,
                              uint64_t now_ns, struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    bool stood =
        bound_failed_locked(engine, index, status, code, text, now_ns, acts);
    ncp__engine_unlock(engine);
    return stood;
}

bool ncp__engine_dial_wanted(struct ncp__engine *engine, uint32_t index,
                             uint64_t now_ns, struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp__cold *cold = ncp__cold(slot);
    bool wanted = !ncp__engine_closed(engine);
    if (wanted && cold->dial_kind == NCP__DIAL_DEMAND)
        wanted = slot->of.owner != NULL || adopt(engine, index);
    cold->dial_flags &= (uint8_t)~NCP__DIAL_ADOPTED; /* it begins only now */
    if (!wanted && cold->dial_kind == NCP__DIAL_BOUND)
        (void)bound_failed_locked(engine, index, NCP_ECANCELED, 0, NULL, now_ns,
                                  acts);
    else if (!wanted)
        dial_failed_locked(engine, index, NCP_ECANCELED, 0, NULL, now_ns, acts);
    ncp__engine_unlock(engine);
    return wanted;
}

/* ------------------------------------------------------------------------ renewal */

void ncp__engine_renew(struct ncp__engine *engine, uint32_t index,
                       const struct ncp__made *made, uint64_t now_ns)
{
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp__cold *cold = ncp__cold(slot);
    struct ncp__tally *tally = &engine->tally;

    ncp__engine_lock(engine);
    ncp__idle_leave(&engine->idle, index);
    tally->current_by_protocol[cold->protocol]--;
    tally->current_by_ip[cold->ip]--;
    slot->handle = made->handle;
    cold->fd = made->fd;
    cold->protocol = (uint8_t)made->protocol;
    cold->ip = (uint8_t)made->ip;
    if (!made->datagram)
        atomic_fetch_and_explicit(&slot->flags, (uint8_t)~NCP__FLAG_DATAGRAM,
                                  memory_order_relaxed);
    begin_life(engine, slot, now_ns);
    tally->current_by_protocol[cold->protocol]++;
    tally->current_by_ip[cold->ip]++;
    ncp__idle_join(&engine->idle, index);
    ncp__engine_unlock(engine);
}

/* ------------------------------------------------------- engine/engine.c */

/* engine/fast.h */
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

static int refusal__engine_engine(const struct ncp__engine *engine)
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
    int reason = refusal__engine_engine(engine);

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

/* ---------------------------------------------------- engine/fast_list.c */

/* The shortest way of a get and of a put with the store lock. */

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

/* --------------------------------------------------- engine/gatekeeper.c */


#define NS_PER_SECOND UINT64_C(1000000000)

uint64_t ncp__random_below(uint64_t *state, uint64_t bound)
{
    /* splitmix64: good enough to spread times. */
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (z ^ (z >> 31)) % bound;
}

void ncp__gatekeeper_init(struct ncp__gatekeeper *gatekeeper, uint64_t seed)
{
    gatekeeper->random = seed;
    gatekeeper->breaker = NCP__BREAKER_CLOSED;
}

static int ask_breaker(struct ncp__gatekeeper *gatekeeper, uint64_t now_ns,
                       uint64_t *retry_ns)
{
    if (gatekeeper->breaker == NCP__BREAKER_CLOSED ||
        gatekeeper->breaker_failures == 0)
        return NCP_OK;
    if (gatekeeper->breaker == NCP__BREAKER_PROBING) {
        *retry_ns = NCP__NEVER;
        return NCP_EBREAKER;
    }
    if (now_ns < gatekeeper->open_until_ns) {
        *retry_ns = gatekeeper->open_until_ns;
        return NCP_EBREAKER;
    }
    return NCP_OK;
}

/* The bucket as a time: each dial moves it on by 1/rate, and it may run ahead
 * of the clock by at most burst - 1 dials. */
static int ask_rate(struct ncp__gatekeeper *gatekeeper, uint64_t now_ns,
                    uint64_t *retry_ns)
{
    if (gatekeeper->rate == 0)
        return NCP_OK;
    uint64_t each = NS_PER_SECOND / gatekeeper->rate;
    uint64_t ahead = each * (gatekeeper->burst - 1);

    if (gatekeeper->token_at_ns < now_ns)
        gatekeeper->token_at_ns = now_ns;
    if (gatekeeper->token_at_ns > now_ns + ahead) {
        *retry_ns = gatekeeper->token_at_ns - ahead;
        return NCP_EAGAIN;
    }
    gatekeeper->token_at_ns += each;
    return NCP_OK;
}

int ncp__gatekeeper_ask(struct ncp__gatekeeper *gatekeeper, uint64_t now_ns,
                        uint64_t *retry_ns)
{
    int rc = ask_breaker(gatekeeper, now_ns, retry_ns);

    if (rc != NCP_OK)
        return rc;
    if (gatekeeper->breaker == NCP__BREAKER_CLOSED &&
        now_ns < gatekeeper->not_before_ns) {
        *retry_ns = gatekeeper->not_before_ns;
        return NCP_EAGAIN;
    }
    rc = ask_rate(gatekeeper, now_ns, retry_ns);
    if (rc == NCP_OK && gatekeeper->breaker == NCP__BREAKER_OPEN)
        gatekeeper->breaker = NCP__BREAKER_PROBING;
    return rc;
}

void ncp__gatekeeper_success(struct ncp__gatekeeper *gatekeeper)
{
    gatekeeper->failures = 0;
    gatekeeper->pause_ns = 0;
    gatekeeper->not_before_ns = 0;
    gatekeeper->breaker = NCP__BREAKER_CLOSED;
}

/* Decorrelated jitter: between the base and three times the last pause. */
static void back_off(struct ncp__gatekeeper *gatekeeper, uint64_t now_ns)
{
    uint64_t base = gatekeeper->backoff_ns;
    uint64_t last = gatekeeper->pause_ns < base ? base : gatekeeper->pause_ns;
    uint64_t pause =
        base + ncp__random_below(&gatekeeper->random, last * 3 - base + 1);

    if (pause > gatekeeper->backoff_max_ns)
        pause = gatekeeper->backoff_max_ns;
    gatekeeper->pause_ns = pause;
    gatekeeper->not_before_ns = now_ns + pause;
}

void ncp__gatekeeper_failure(struct ncp__gatekeeper *gatekeeper,
                             uint64_t now_ns)
{
    gatekeeper->failures++;
    if (gatekeeper->backoff_ns != 0)
        back_off(gatekeeper, now_ns);
    if (gatekeeper->breaker_failures == 0)
        return;
    if (gatekeeper->breaker != NCP__BREAKER_PROBING &&
        gatekeeper->failures < gatekeeper->breaker_failures)
        return;
    if (gatekeeper->breaker == NCP__BREAKER_CLOSED)
        gatekeeper->trips++;
    gatekeeper->breaker = NCP__BREAKER_OPEN;
    gatekeeper->open_until_ns = now_ns + gatekeeper->cooldown_ns;
}

void ncp__gatekeeper_void(struct ncp__gatekeeper *gatekeeper)
{
    /* The probe told nothing: the next one may try at once. */
    if (gatekeeper->breaker == NCP__BREAKER_PROBING)
        gatekeeper->breaker = NCP__BREAKER_OPEN;
}
#undef NS_PER_SECOND

/* --------------------------------------------------------- engine/idle.c */

/* What the idle stores share, and which of them is asked. */

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

static uint32_t bucket_of__engine_idle(int protocol, int ip)
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
    uint32_t bucket = bucket_of__engine_idle(cold->protocol, cold->ip);

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

/* ---------------------------------------------------- engine/idle_list.c */

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

static struct ncp__slot *slot_at__engine_idle_list(const struct ncp__idle *idle, uint32_t index)
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
    struct ncp__slot *slot = slot_at__engine_idle_list(idle, index);

    set_number(&slot->stamp, before);
    set_number(&slot->next, after);
    if (before == NCP__NO_SLOT)
        list->head = index;
    else
        set_number(&slot_at__engine_idle_list(idle, before)->next, index);
    if (after == NCP__NO_SLOT)
        list->tail = index;
    else
        set_number(&slot_at__engine_idle_list(idle, after)->stamp, index);
    atomic_store_explicit(&slot->where, 1, memory_order_relaxed);
    set_number(&list->count, get_number(&list->count) + 1);
}

void ncp__list_unlink_locked(const struct ncp__idle *idle, uint32_t index)
{
    struct ncp__idle_list *list = idle->list;
    struct ncp__slot *slot = slot_at__engine_idle_list(idle, index);
    uint32_t before = get_number(&slot->stamp), after = get_number(&slot->next);

    if (before == NCP__NO_SLOT)
        list->head = after;
    else
        set_number(&slot_at__engine_idle_list(idle, before)->next, after);
    if (after == NCP__NO_SLOT)
        list->tail = before;
    else
        set_number(&slot_at__engine_idle_list(idle, after)->stamp, before);
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

static void set_state__engine_idle_list(struct ncp__slot *slot, enum ncp__state state)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);

    /* Release: who finds it sees what was written before. */
    atomic_store_explicit(&slot->word,
                          ncp__word(ncp__word_generation(word), state),
                          memory_order_release);
}

static bool is_idle(const struct ncp__idle *idle, uint32_t index)
{
    return ncp__state_of(slot_at__engine_idle_list(idle, index)) == NCP__IDLE;
}

static void lock__engine_idle_list(const struct ncp__idle *idle)
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
    const struct ncp__slot *slot = slot_at__engine_idle_list(idle, index);

    return ncp__fits(ncp__cold(slot)->protocol, ncp__cold(slot)->ip,
                     want_protocol, want_ip);
}

/* The first idle one that fits, from the head on, or NCP__NO_SLOT. */
static uint32_t first_fit(const struct ncp__idle *idle, int protocol, int ip)
{
    uint32_t index = idle->list->head;

    while (index != NCP__NO_SLOT &&
           (!is_idle(idle, index) || !slot_fits(idle, index, protocol, ip)))
        index = get_number(&slot_at__engine_idle_list(idle, index)->next);
    return index;
}

/* The first idle one of a bucket. */
static uint32_t first_of(const struct ncp__idle *idle,
                         const struct ncp__bucket *bucket)
{
    uint32_t index = idle->list->head;

    while (index != NCP__NO_SLOT &&
           (!is_idle(idle, index) ||
            ncp__cold(slot_at__engine_idle_list(idle, index))->protocol != bucket->protocol ||
            ncp__cold(slot_at__engine_idle_list(idle, index))->ip != bucket->ip))
        index = get_number(&slot_at__engine_idle_list(idle, index)->next);
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
    set_state__engine_idle_list(slot_at__engine_idle_list(idle, index), NCP__HELD);
}

uint32_t ncp__list_take(struct ncp__idle *idle, int want_protocol, int want_ip)
{
    lock__engine_idle_list(idle);
    uint32_t index = find(idle, want_protocol, want_ip);
    own(idle, index);
    unlock(idle);
    return index;
}

bool ncp__list_claim(struct ncp__idle *idle, uint32_t index)
{
    lock__engine_idle_list(idle);
    bool claimed = is_idle(idle, index);
    if (claimed)
        set_state__engine_idle_list(slot_at__engine_idle_list(idle, index), NCP__HELD);
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
        index = get_number(idle->fifo ? &slot_at__engine_idle_list(idle, index)->next
                                      : &slot_at__engine_idle_list(idle, index)->stamp);
    return index;
}

uint32_t ncp__list_take_oldest(struct ncp__idle *idle, int unless_protocol,
                               int unless_ip)
{
    lock__engine_idle_list(idle);
    uint32_t index = find_oldest(idle, unless_protocol, unless_ip);
    own(idle, index);
    unlock(idle);
    return index;
}

/* ------------------------------------------------------------------ returning */

void ncp__list_publish(struct ncp__idle *idle, uint32_t index)
{
    lock__engine_idle_list(idle);
    ncp__list_link_locked(idle, index);
    ncp__idle_let_go(slot_at__engine_idle_list(idle, index));
    unlock(idle);
}

void ncp__list_unclaim(struct ncp__idle *idle, uint32_t index)
{
    lock__engine_idle_list(idle);
    ncp__idle_let_go(slot_at__engine_idle_list(idle, index));
    unlock(idle);
}

void ncp__list_leave(struct ncp__idle *idle, uint32_t index)
{
    lock__engine_idle_list(idle);
    if (atomic_load_explicit(&slot_at__engine_idle_list(idle, index)->where,
                             memory_order_relaxed) != 0)
        ncp__list_unlink_locked(idle, index);
    unlock(idle);
}

/* --------------------------------------------------- engine/idle_masks.c */

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

enum {
    HOPS = 4,          /* stale hints followed before a scan */
    SCANNED_CHUNKS = 4 /* chunks with idle slots that a LIFO scan compares */
};

static struct ncp__slot *slot_at__engine_idle_masks(const struct ncp__idle *idle, uint32_t index)
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
    return win(slot_at__engine_idle_masks(idle, index));
}

/* Whether it seems worth claiming. */
static bool seems_idle(const struct ncp__idle *idle, uint32_t index)
{
    return ncp__state_of(slot_at__engine_idle_masks(idle, index)) == NCP__IDLE;
}

/* Takes what a bucket's chain of hints names; it loses an entry whenever something
 * was taken out of its middle, and a scan finds those. */
static uint32_t take_hinted(struct ncp__idle *idle, uint32_t bucket)
{
    _Atomic uint32_t *head = &ncp__idle_home(idle)->first[bucket];
    uint32_t index = atomic_load_explicit(head, memory_order_acquire);

    for (int hop = 0; hop < HOPS && index != NCP__NO_SLOT; hop++) {
        bool taken = seems_idle(idle, index) && ncp__masks_claim(idle, index);
        uint32_t next = atomic_load_explicit(&slot_at__engine_idle_masks(idle, index)->next,
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
static uint64_t look__engine_idle_masks(struct ncp__chunk *chunk, uint64_t mask)
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
    uint64_t back = look__engine_idle_masks(chunk, stale);
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
    uint64_t live = look__engine_idle_masks(chunk, mask);

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
        uint32_t stamp = atomic_load_explicit(&slot_at__engine_idle_masks(idle, index)->stamp,
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
                atomic_load_explicit(&slot_at__engine_idle_masks(idle, index)->next,
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
    ncp__idle_let_go(slot_at__engine_idle_masks(idle, index));
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
    if (atomic_load_explicit(&slot_at__engine_idle_masks(idle, index)->where,
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
    ncp__masks_chain(idle, ncp__idle_home(idle), slot_at__engine_idle_masks(idle, index), index);
    ncp__idle_let_go(slot_at__engine_idle_masks(idle, index));
    show(idle, index);
}

/* --------------------------------------------------------------- maintenance */

/* A connection that was newest before its check is newest after it. */
static void rechain_lifo(struct ncp__idle *idle, uint32_t index)
{
    struct ncp__slot *slot = slot_at__engine_idle_masks(idle, index);
    uint8_t bucket = atomic_load_explicit(&slot->where, memory_order_relaxed);
    _Atomic uint32_t *head = &ncp__idle_home(idle)->first[bucket];
    uint32_t first = atomic_load_explicit(head, memory_order_acquire);

    if (first != NCP__NO_SLOT) {
        uint32_t mine =
            atomic_load_explicit(&slot->stamp, memory_order_relaxed);
        uint32_t its = atomic_load_explicit(&slot_at__engine_idle_masks(idle, first)->stamp,
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
    ncp__idle_let_go(slot_at__engine_idle_masks(idle, index));
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
        uint64_t mask = look__engine_idle_masks(chunk, ncp__idle_candidates(idle, c));
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

/* ------------------------------------------------------ engine/latency.c */


void ncp__latency_init(struct ncp__latency *latency, uint32_t window)
{
    latency->window = window;
}

/* Values below 16 have bins of their own; above, 16 bins a power of two. */
static uint32_t bin_of(uint64_t ns)
{
    if (ns < NCP__LATENCY_STEPS)
        return (uint32_t)ns;
    uint32_t log = 63 - (uint32_t)__builtin_clzll(ns);
    uint32_t step = (uint32_t)(ns >> (log - 4)) & (NCP__LATENCY_STEPS - 1);
    uint32_t bin = (log - 3) * NCP__LATENCY_STEPS + step;

    return bin < NCP__LATENCY_BINS ? bin : NCP__LATENCY_BINS - 1;
}

/* The middle of a bin. */
static uint64_t value_of(uint32_t bin)
{
    if (bin < NCP__LATENCY_STEPS)
        return bin;
    uint32_t shift = bin / NCP__LATENCY_STEPS - 1;
    uint64_t low = (uint64_t)(NCP__LATENCY_STEPS + bin % NCP__LATENCY_STEPS)
                   << shift;

    return low + ((UINT64_C(1) << shift) >> 1);
}

static void note_max(struct ncp__latency *latency, uint64_t ns)
{
    uint64_t max = atomic_load_explicit(&latency->max_ns, memory_order_relaxed);

    while (ns > max && !atomic_compare_exchange_weak_explicit(
                           &latency->max_ns, &max, ns, memory_order_relaxed,
                           memory_order_relaxed))
        continue;
}

/* The window is full: the older histogram is emptied and filled next. A sample
 * that comes in between may land in either. */
static void turn_over(struct ncp__latency *latency, uint32_t turn)
{
    uint32_t next = turn ^ 1;

    if (!atomic_compare_exchange_strong_explicit(&latency->turn, &turn, next,
                                                 memory_order_relaxed,
                                                 memory_order_relaxed))
        return; /* another thread does it */
    atomic_store_explicit(&latency->filled, 0, memory_order_relaxed);
    for (int i = 0; i < NCP__LATENCY_BINS; i++)
        atomic_store_explicit(&latency->bins[next][i], 0, memory_order_relaxed);
}

void ncp__latency_record(struct ncp__latency *latency, uint64_t ns,
                         uint32_t weight)
{
    uint32_t turn = atomic_load_explicit(&latency->turn, memory_order_relaxed);
    uint32_t filled =
        atomic_fetch_add_explicit(&latency->filled, 1, memory_order_relaxed);

    if (filled >= latency->window)
        turn_over(latency, turn);
    note_max(latency, ns);
    atomic_fetch_add_explicit(&latency->bins[turn][bin_of(ns)], weight,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&latency->total_ns, ns * weight,
                              memory_order_relaxed);
}

static uint64_t bin_count(const struct ncp__latency *latency, uint32_t bin)
{
    return (uint64_t)atomic_load_explicit(&latency->bins[0][bin],
                                          memory_order_relaxed) +
           atomic_load_explicit(&latency->bins[1][bin], memory_order_relaxed);
}

/* The smallest value that at least `percent` of all samples do not exceed. */
static uint64_t percentile(const uint64_t *counts, uint64_t sum,
                           uint64_t percent)
{
    uint64_t seen = 0;

    for (uint32_t bin = 0; bin < NCP__LATENCY_BINS; bin++) {
        seen += counts[bin];
        if (seen != 0 && seen * 100 >= sum * percent)
            return value_of(bin);
    }
    return 0;
}

/* The middle of a bin may lie above the largest value in it. */
static uint64_t at_most__engine_latency(uint64_t ns, uint64_t max_ns)
{
    return ns < max_ns ? ns : max_ns;
}

struct ncp__percentiles
ncp__latency_percentiles(const struct ncp__latency *latency)
{
    uint64_t counts[NCP__LATENCY_BINS];
    uint64_t sum = 0;

    for (uint32_t bin = 0; bin < NCP__LATENCY_BINS; bin++) {
        counts[bin] = bin_count(latency, bin);
        sum += counts[bin];
    }
    /* Last: the largest is noted before its bin is counted. */
    uint64_t max_ns =
        atomic_load_explicit(&latency->max_ns, memory_order_relaxed);
    return (struct ncp__percentiles){
        at_most__engine_latency(percentile(counts, sum, 50), max_ns),
        at_most__engine_latency(percentile(counts, sum, 95), max_ns),
        at_most__engine_latency(percentile(counts, sum, 99), max_ns), max_ns};
}

/* -------------------------------------------------------- engine/leave.c */

/* How connections leave the pool, one by one and all together. */

static void set_state__engine_leave(struct ncp__slot *slot, enum ncp__state state)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);

    atomic_store_explicit(&slot->word,
                          ncp__word(ncp__word_generation(word), state),
                          memory_order_release);
}

uint32_t ncp__over_by_locked(const struct ncp__engine *engine)
{
    uint32_t max = engine->limits.max;
    uint32_t staying = engine->open + engine->dialing;

    return max != 0 && staying > max ? staying - max : 0;
}

static void update_over(struct ncp__engine *engine)
{
    if (ncp__over_by_locked(engine) != 0)
        atomic_fetch_or_explicit(&engine->gate, NCP__GATE_OVER,
                                 memory_order_seq_cst);
    else
        atomic_fetch_and_explicit(&engine->gate, ~(uint64_t)NCP__GATE_OVER,
                                  memory_order_relaxed);
}

/* The connection counts no more. */
static void account_left(struct ncp__engine *engine, uint32_t index,
                         uint64_t now_ns)
{
    const struct ncp__slot *slot = ncp__engine_slot(engine, index);
    const struct ncp__cold *cold = ncp__cold(slot);
    struct ncp__tally *tally = &engine->tally;

    ncp__idle_leave(&engine->idle, index);
    engine->open--;
    tally->closed++;
    tally->current_by_protocol[cold->protocol]--;
    tally->current_by_ip[cold->ip]--;
    tally->lifetime_ns +=
        now_ns > cold->created_ns ? now_ns - cold->created_ns : 0;
    if ((atomic_load_explicit(&engine->gate, memory_order_relaxed) &
         NCP__GATE_OVER) != 0)
        update_over(engine);
}

void ncp__begin_close_locked(struct ncp__engine *engine, uint32_t index,
                             int reason, uint64_t now_ns,
                             struct ncp__acts *acts)
{
    struct ncp__slot *slot = ncp__engine_slot(engine, index);

    set_state__engine_leave(slot, NCP__CLOSING);
    ncp__cold(slot)->reason = (uint8_t)reason;
    ncp__cold(slot)->link = acts->close_head;
    acts->close_head = index;
    account_left(engine, index, now_ns);
    if (engine->limits.close_first)
        engine->closing++; /* its place is free when it is really closed */
}

void ncp__engine_begin_close(struct ncp__engine *engine, uint32_t index,
                             int reason, uint64_t now_ns,
                             struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    ncp__begin_close_locked(engine, index, reason, now_ns, acts);
    if (!engine->limits.close_first)
        ncp__serve_locked(engine, now_ns, acts);
    ncp__engine_unlock(engine);
}

void ncp__engine_closed_some(struct ncp__engine *engine, uint32_t head,
                             uint64_t now_ns, struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    while (head != NCP__NO_SLOT) {
        uint32_t next = ncp__cold(ncp__engine_slot(engine, head))->link;
        if (engine->limits.close_first)
            engine->closing--;
        ncp__slots_release(&engine->slots, head);
        head = next;
    }
    if (!ncp__engine_closed(engine))
        ncp__serve_locked(engine, now_ns, acts);
    ncp__engine_unlock(engine);
    acts->signal = true;
}

void ncp__engine_closed_one(struct ncp__engine *engine, uint32_t index,
                            uint64_t now_ns, struct ncp__acts *acts)
{
    ncp__cold(ncp__engine_slot(engine, index))->link = NCP__NO_SLOT;
    ncp__engine_closed_some(engine, index, now_ns, acts);
}

void ncp__engine_detach(struct ncp__engine *engine, uint32_t index,
                        uint64_t now_ns, struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    account_left(engine, index, now_ns);
    engine->tally.detached++;
    ncp__slots_release(&engine->slots, index);
    ncp__serve_locked(engine, now_ns, acts);
    ncp__engine_unlock(engine);
    acts->signal = true;
}

/* -------------------------------------------------------------------- taken away */

bool ncp__take_away_locked(struct ncp__engine *engine, uint32_t index,
                           uint64_t generation, enum ncp__state state,
                           uint64_t now_ns, struct ncp__acts *acts)
{
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    uint64_t word = ncp__word(generation, NCP__LEASED);

    if (!atomic_compare_exchange_strong_explicit(
            &slot->word, &word, ncp__word(generation, state),
            memory_order_acq_rel, memory_order_relaxed))
        return false;
    account_left(engine, index, now_ns);
    ncp__cold(slot)->dial_flags |= NCP__SLOT_OUT;
    engine->out++;
    engine->tally.evicted += state == NCP__EVICTED;
    ncp__serve_locked(engine, now_ns, acts);
    acts->signal = true;
    return true;
}

void ncp__mark_closing_locked(struct ncp__slot *slot)
{
    set_state__engine_leave(slot, NCP__CLOSING);
}

void ncp__engine_taken_back(struct ncp__engine *engine, uint32_t index,
                            struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    engine->out--;
    ncp__slots_release(&engine->slots, index);
    ncp__engine_unlock(engine);
    acts->signal = true;
}

/* ------------------------------------------------------------ closed by holder */

void ncp__engine_remember_closed(struct ncp__engine *engine, ncp_lease lease)
{
    ncp__engine_lock(engine);
    if (engine->closed_leases == NULL)
        engine->closed_leases =
            ncp__alloc(NCP__CLOSED_LEASES * sizeof(ncp_lease));
    if (engine->closed_leases != NULL)
        engine->closed_leases[engine->closed_next++ % NCP__CLOSED_LEASES] =
            lease;
    ncp__engine_unlock(engine);
}

bool ncp__engine_forget_closed(struct ncp__engine *engine, ncp_lease lease)
{
    bool found = false;

    ncp__engine_lock(engine);
    for (uint32_t i = 0; engine->closed_leases != NULL && lease != 0 &&
                         !found && i < NCP__CLOSED_LEASES;
         i++) {
        found = engine->closed_leases[i] == lease;
        if (found)
            engine->closed_leases[i] = 0;
    }
    ncp__engine_unlock(engine);
    return found;
}

/* ------------------------------------------------------------------- checks */

static bool under_check(const struct ncp__slot *slot)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);

    return ncp__word_state(word) == NCP__CHECKING;
}

static void count_check(struct ncp__engine *engine, bool healthy)
{
    engine->tally.hc_attempts++;
    engine->tally.hc_failures += !healthy;
    engine->tally.unhealthy += !healthy;
}

void ncp__engine_count_check(struct ncp__engine *engine, bool healthy)
{
    ncp__engine_lock(engine);
    count_check(engine, healthy);
    ncp__engine_unlock(engine);
}

void ncp__engine_count_leak(struct ncp__engine *engine)
{
    ncp__engine_lock(engine);
    engine->tally.leaked++;
    ncp__engine_unlock(engine);
}

void ncp__begin_check_locked(struct ncp__engine *engine, uint32_t index,
                             uint64_t now_ns)
{
    ncp__cold(ncp__engine_slot(engine, index))->checked_ns = now_ns;
    ncp__idle_begin_check(&engine->idle, index);
}

uint64_t ncp__engine_checking_locked(const struct ncp__engine *engine,
                                     uint32_t chunk)
{
    const struct ncp__chunk *looked_at = ncp__chunk_at(&engine->slots, chunk);
    uint64_t mask =
        engine->idle.checking == 0
            ? 0
            : atomic_load_explicit(&looked_at->open, memory_order_relaxed);
    uint64_t checking = 0;

    for (; mask != 0; mask &= mask - 1)
        if (under_check(&looked_at->slots[__builtin_ctzll(mask)]))
            checking |= mask & -mask;
    return checking;
}

/* The owner of a checked slot lets go of it. */
static void end_check(struct ncp__engine *engine, uint32_t index, bool healthy,
                      uint64_t now_ns, struct ncp__acts *acts)
{
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    int reason = healthy ? ncp__engine_expired(engine, slot, now_ns, false)
                         : NCP_REASON_UNHEALTHY;

    ncp__cold(slot)->checked_ns = now_ns;
    ncp__idle_end_check(&engine->idle);
    if (reason == NCP_REASON_NONE && !ncp__engine_closed(engine)) {
        ncp__idle_unclaim(&engine->idle, index);
        return;
    }
    if (reason == NCP_REASON_NONE)
        reason = NCP_REASON_POOL_CLOSED;
    ncp__begin_close_locked(engine, index, reason, now_ns, acts);
}

bool ncp__engine_check_done(struct ncp__engine *engine, uint32_t index,
                            bool healthy, uint64_t now_ns,
                            struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    bool ours = under_check(ncp__engine_slot(engine, index));
    if (ours) {
        count_check(engine, healthy);
        end_check(engine, index, healthy, now_ns, acts);
        ncp__serve_locked(engine, now_ns, acts);
    }
    ncp__engine_unlock(engine);
    return ours;
}

bool ncp__engine_check_overdue(struct ncp__engine *engine, uint32_t index,
                               bool running, uint64_t now_ns,
                               struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    bool ours = under_check(ncp__engine_slot(engine, index));
    if (ours) {
        set_state__engine_leave(ncp__engine_slot(engine, index),
                  running ? NCP__OVERDUE : NCP__CLOSING);
        ncp__idle_end_check(&engine->idle);
        account_left(engine, index, now_ns);
        engine->out += running;
        count_check(engine, false);
        ncp__serve_locked(engine, now_ns, acts);
    }
    ncp__engine_unlock(engine);
    return ours;
}

/* ---------------------------------------------------------------- all together */

void ncp__engine_close(struct ncp__engine *engine, uint64_t now_ns,
                       struct ncp__acts *acts)
{
    struct ncp__waiter *waiter;
    unsigned line;

    ncp__engine_lock(engine);
    /* Seq_cst, before the masks are swept: pairs with ncp__engine_offer. */
    atomic_fetch_or_explicit(&engine->gate, NCP__GATE_CLOSED,
                             memory_order_seq_cst);
    while ((waiter = ncp__lines_oldest(&engine->lines, 0, &line)) != NULL)
        ncp__decide_locked(engine, waiter, NCP_ECLOSED, acts);
    if (!engine->prewarm.ended) {
        engine->prewarm.ended = true;
        engine->prewarm.failed =
            engine->prewarm.created < engine->prewarm.target;
    }
    engine->retry_ns = NCP__NEVER;
    ncp__serve_locked(engine, now_ns, acts); /* sweeps what is idle */
    ncp__engine_unlock(engine);
    acts->signal = true;
    acts->nobody_needs = true;
}

int ncp__engine_flush(struct ncp__engine *engine, uint64_t now_ns,
                      struct ncp__acts *acts)
{
    int rc = NCP_ECLOSED;

    ncp__engine_lock(engine);
    if (!ncp__engine_closed(engine)) {
        atomic_fetch_add_explicit(&engine->epoch, 1, memory_order_seq_cst);
        ncp__close_idle_locked(engine, NCP_REASON_FLUSHED, now_ns, acts);
        ncp__serve_locked(engine, now_ns, acts);
        rc = NCP_OK;
    }
    ncp__engine_unlock(engine);
    return rc;
}

int ncp__engine_suspend(struct ncp__engine *engine, bool on, uint64_t now_ns,
                        struct ncp__acts *acts)
{
    int rc = NCP_ECLOSED;

    ncp__engine_lock(engine);
    if (!ncp__engine_closed(engine)) {
        if (on)
            atomic_fetch_or_explicit(&engine->gate, NCP__GATE_SUSPENDED,
                                     memory_order_seq_cst);
        else
            atomic_fetch_and_explicit(&engine->gate,
                                      ~(uint64_t)NCP__GATE_SUSPENDED,
                                      memory_order_seq_cst);
        ncp__serve_locked(engine, now_ns, acts);
        rc = NCP_OK;
    }
    ncp__engine_unlock(engine);
    return rc;
}

static void close_oldest(struct ncp__engine *engine, uint32_t count, int reason,
                         uint64_t now_ns, struct ncp__acts *acts)
{
    while (count-- != 0) {
        uint32_t index = ncp__idle_take_oldest(&engine->idle, 0, 0);
        if (index == NCP__NO_SLOT)
            return;
        ncp__begin_close_locked(engine, index, reason, now_ns, acts);
    }
}

void ncp__close_over_locked(struct ncp__engine *engine, uint64_t now_ns,
                            struct ncp__acts *acts)
{
    close_oldest(engine, ncp__over_by_locked(engine), NCP_REASON_SHRUNK, now_ns,
                 acts);
    update_over(engine);
}

void ncp__limits_changed_locked(struct ncp__engine *engine, uint64_t now_ns,
                                struct ncp__acts *acts)
{
    const struct ncp__engine_limits *limits = &engine->limits;
    uint32_t max = limits->max;
    bool limited = max == 0 || limits->max_idle < max;
    uint64_t mask = ~(uint64_t)NCP__GATE_OVER;

    engine->max_idle = limited ? limits->max_idle : max;
    ncp__idle_count_exactly(&engine->idle, limited);
    if (limits->adaptive)
        mask &= NCP__GATE_WAITER - 1 - NCP__GATE_TOLD;
    else
        ncp__forget_told_locked(engine, NCP__GATE_TOLD);
    atomic_store_explicit(&engine->get_mask, mask, memory_order_relaxed);
    update_over(engine); /* seq_cst, before the sweep: pairs with a put */
    ncp__close_over_locked(engine, now_ns, acts);
    uint32_t idle = ncp__idle_count(&engine->idle);
    if (idle > engine->max_idle)
        close_oldest(engine, idle - engine->max_idle, NCP_REASON_IDLE_FULL,
                     now_ns, acts);
    ncp__serve_locked(engine, now_ns, acts);
}

void ncp__engine_limits_changed(struct ncp__engine *engine, uint64_t now_ns,
                                struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    ncp__limits_changed_locked(engine, now_ns, acts);
    ncp__engine_unlock(engine);
}

int ncp__engine_resize(struct ncp__engine *engine, uint32_t max,
                       uint64_t now_ns, struct ncp__acts *acts)
{
    int rc = NCP_ECLOSED;

    ncp__engine_lock(engine);
    if (!ncp__engine_closed(engine)) {
        engine->limits.max = max;
        ncp__limits_changed_locked(engine, now_ns, acts);
        rc = NCP_OK;
    }
    ncp__engine_unlock(engine);
    return rc;
}

/* One chunk at a time, so that the lock is held for microseconds. */
static void expire_chunk_locked(struct ncp__engine *engine, uint32_t chunk,
                                uint64_t now_ns, struct ncp__acts *acts)
{
    uint64_t mask = ncp__idle_candidates(&engine->idle, chunk);

    for (; mask != 0; mask &= mask - 1) {
        uint32_t index =
            chunk * NCP__CHUNK_SLOTS + (uint32_t)__builtin_ctzll(mask);
        struct ncp__slot *slot = ncp__engine_slot(engine, index);
        if (ncp__engine_expired(engine, slot, now_ns, false) ==
                NCP_REASON_NONE ||
            !ncp__idle_claim(&engine->idle, index))
            continue;
        /* Owned now: what was read before may have been somebody else's. */
        int reason = ncp__engine_expired(engine, slot, now_ns, false);
        if (reason == NCP_REASON_NONE)
            ncp__idle_unclaim(&engine->idle, index);
        else
            ncp__begin_close_locked(engine, index, reason, now_ns, acts);
    }
}

void ncp__engine_expire_idle(struct ncp__engine *engine, uint64_t now_ns,
                             struct ncp__acts *acts)
{
    uint32_t chunks = ncp__chunk_count(&engine->slots);

    for (uint32_t chunk = 0; chunk < chunks; chunk++) {
        ncp__engine_lock(engine);
        expire_chunk_locked(engine, chunk, now_ns, acts);
        ncp__engine_unlock(engine);
    }
    ncp__engine_serve(engine, now_ns, acts);
}

/* ------------------------------------------------------------------------ fork */

static void forget_chunk(struct ncp__engine *engine, uint32_t chunk_index,
                         void (*drop)(void *context, struct ncp__slot *slot),
                         void *context)
{
    struct ncp__chunk *chunk = ncp__chunk_at(&engine->slots, chunk_index);

    for (uint32_t i = 0; i < NCP__CHUNK_SLOTS; i++) {
        struct ncp__slot *slot = &chunk->slots[i];
        uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
        enum ncp__state state = ncp__word_state(word);

        if (state != NCP__FREE &&
            (state != NCP__CREATING || ncp__cold(slot)->id != 0))
            drop(context, slot);
        ncp__slots_release(&engine->slots, chunk_index * NCP__CHUNK_SLOTS + i);
    }
    atomic_store_explicit(&chunk->idle, 0, memory_order_relaxed);
    atomic_store_explicit(&chunk->open, 0, memory_order_relaxed);
    atomic_store_explicit(&chunk->tcp, 0, memory_order_relaxed);
    atomic_store_explicit(&chunk->udp, 0, memory_order_relaxed);
    atomic_store_explicit(&chunk->ipv4, 0, memory_order_relaxed);
    atomic_store_explicit(&chunk->ipv6, 0, memory_order_relaxed);
}

void ncp__engine_forked(struct ncp__engine *engine,
                        void (*drop)(void *context, struct ncp__slot *slot),
                        void *context)
{
    struct ncp__tally *tally = &engine->tally;
    uint64_t gate = atomic_load_explicit(&engine->gate, memory_order_relaxed);
    uint32_t chunks = ncp__chunk_count(&engine->slots);

    pthread_mutex_init(&engine->lock, NULL);
    engine->slots.free_head = NCP__NO_SLOT;
    engine->slots.free_tail = NCP__NO_SLOT;
    for (uint32_t chunk = 0; chunk < chunks; chunk++)
        forget_chunk(engine, chunk, drop, context);
    for (uint32_t i = 0;
         engine->closed_leases != NULL && i < NCP__CLOSED_LEASES; i++)
        engine->closed_leases[i] = 0;
    ncp__idle_forget(&engine->idle);
    engine->lines = (struct ncp__lines){.sequence = engine->lines.sequence};
    engine->open = engine->dialing = engine->creating = 0;
    engine->closing = engine->out = 0;
    engine->dials = NCP__NO_SLOT;
    engine->retry_ns = NCP__NEVER;
    atomic_store_explicit(&engine->tick_ns, 0, memory_order_relaxed);
    engine->prewarm.ended = true;
    tally->closed = tally->created;
    tally->failed += tally->in_flight;
    tally->in_flight = 0;
    for (int i = 0; i < 3; i++) {
        tally->current_by_protocol[i] = 0;
        tally->current_by_ip[i] = 0;
    }
    if (engine->gatekeeper.breaker == NCP__BREAKER_PROBING)
        engine->gatekeeper.breaker = NCP__BREAKER_OPEN;
    atomic_store_explicit(&engine->signal_waiters, 0, memory_order_relaxed);
    gate &= NCP__GATE_CLOSED | NCP__GATE_SUSPENDED;
    atomic_store_explicit(&engine->gate, gate | NCP__GATE_FORKED,
                          memory_order_seq_cst);
}

/* --------------------------------------------------------- engine/line.c */

/* The line of waiters: who is served next, and how a get in it ends. */

/* ------------------------------------------------------------------- counting */

void ncp__count_end_locked(struct ncp__engine *engine,
                           struct ncp__waiter *waiter, int status, bool reused)
{
    struct ncp__tally *tally = &engine->tally;

    if (!waiter->counted)
        return;
    waiter->counted = false;
    tally->in_flight--;
    if (status == NCP_OK) {
        tally->slow_successful++;
        tally->slow_reused += reused;
    } else if (status == NCP_ETIMEOUT) {
        tally->timeout++;
    } else {
        tally->failed++;
        tally->canceled += status == NCP_ECANCELED;
    }
}

void ncp__engine_count_end(struct ncp__engine *engine,
                           struct ncp__waiter *waiter, int status, bool reused)
{
    ncp__engine_lock(engine);
    ncp__count_end_locked(engine, waiter, status, reused);
    ncp__engine_unlock(engine);
}

void ncp__engine_count_failure(struct ncp__engine *engine, int status)
{
    struct ncp__waiter nobody = {.counted = true};

    ncp__engine_lock(engine);
    engine->tally.in_flight++;
    ncp__count_end_locked(engine, &nobody, status, false);
    ncp__engine_unlock(engine);
}

static void count_begin_locked(struct ncp__engine *engine,
                               struct ncp__waiter *waiter)
{
    if (waiter->counted)
        return;
    waiter->counted = true;
    engine->tally.in_flight++;
}

/* -------------------------------------------------------------------- deciding */

void ncp__forget_told_locked(struct ncp__engine *engine, uint64_t flags)
{
    /* Seq_cst, before the masks are scanned: pairs with ncp__engine_offer. */
    if ((atomic_load_explicit(&engine->gate, memory_order_relaxed) & flags) !=
        0)
        atomic_fetch_and_explicit(&engine->gate, ~flags, memory_order_seq_cst);
}

void ncp__leave_line_locked(struct ncp__engine *engine,
                            struct ncp__waiter *waiter, struct ncp__acts *acts)
{
    if (!waiter->queued)
        return;
    ncp__lines_remove(&engine->lines, waiter);
    ncp__orphan_dial_locked(engine, waiter, acts);
    atomic_fetch_sub_explicit(&engine->gate, NCP__GATE_WAITER,
                              memory_order_seq_cst);
    ncp__forget_told_locked(engine, NCP__GATE_STARVING | NCP__GATE_TOLD);
}

/* The waiter is told after the lock is released: until then nobody but the
 * holder of `acts` touches it. */
void ncp__append_decided(struct ncp__acts *acts, struct ncp__waiter *waiter)
{
    waiter->next = NULL;
    if (acts->decided_head == NULL)
        acts->decided_head = waiter;
    else
        acts->decided_tail->next = waiter;
    acts->decided_tail = waiter;
}

void ncp__decide_locked(struct ncp__engine *engine, struct ncp__waiter *waiter,
                        int status, struct ncp__acts *acts)
{
    ncp__leave_line_locked(engine, waiter, acts);
    waiter->status = status;
    waiter->outcome = NCP_EVENT_NONE;
    waiter->slot = NCP__NO_SLOT;
    ncp__count_end_locked(engine, waiter, status, false);
    ncp__append_decided(acts, waiter);
}

void ncp__give_locked(struct ncp__engine *engine, struct ncp__waiter *waiter,
                      uint32_t index, bool fresh, uint64_t now_ns,
                      struct ncp__acts *acts)
{
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);

    ncp__leave_line_locked(engine, waiter, acts);
    if (!fresh) {
        ncp__cold(slot)->slow_gets++;
        ncp__pace_served(&engine->pace);
    }
    atomic_store_explicit(&slot->touched_ns, now_ns, memory_order_relaxed);
    atomic_store_explicit(&slot->word,
                          ncp__word(ncp__word_generation(word), NCP__LEASED),
                          memory_order_release);
    waiter->status = NCP_OK;
    waiter->outcome = NCP_EVENT_CONN;
    waiter->slot = index;
    waiter->fresh = fresh;
    if (waiter->plain &&
        (atomic_load_explicit(&slot->flags, memory_order_relaxed) &
         NCP__FLAG_DATAGRAM) == 0)
        ncp__count_end_locked(engine, waiter, NCP_OK, !fresh);
    ncp__append_decided(acts, waiter);
}

/* --------------------------------------------------------------------- serving */

/* Takes what serves a line; what is too old goes to be closed. */
static uint32_t take_for_locked(struct ncp__engine *engine,
                                const struct ncp__waiter *waiter,
                                uint64_t now_ns, struct ncp__acts *acts)
{
    bool returned; /* under the lock nobody can have missed it */

    for (;;) {
        uint32_t index = ncp__idle_take(&engine->idle, waiter->protocol,
                                        waiter->ip, &returned);
        if (index == NCP__NO_SLOT)
            return index;
        struct ncp__slot *slot = ncp__engine_slot(engine, index);
        int reason = ncp__engine_expired(engine, slot, now_ns, false);
        if (reason == NCP_REASON_NONE)
            return index;
        ncp__begin_close_locked(engine, index, reason, now_ns, acts);
    }
}

/* Gives one idle connection to the oldest waiter that it serves: that may be
 * another than the one it was looked for, when it came between two looks. */
static bool serve_one_locked(struct ncp__engine *engine, uint64_t now_ns,
                             struct ncp__acts *acts)
{
    unsigned tried = 0, line = 0;
    struct ncp__waiter *waiter;

    while ((waiter = ncp__lines_oldest(&engine->lines, tried, &line)) != NULL) {
        uint32_t index = take_for_locked(engine, waiter, now_ns, acts);
        if (index == NCP__NO_SLOT) {
            tried |= 1u << line;
            continue;
        }
        const struct ncp__slot *slot = ncp__engine_slot(engine, index);
        waiter = ncp__lines_oldest_for(
            &engine->lines, ncp__cold(slot)->protocol, ncp__cold(slot)->ip);
        ncp__give_locked(engine, waiter, index, false, now_ns, acts);
        return true;
    }
    return false;
}

void ncp__close_idle_locked(struct ncp__engine *engine, int reason,
                            uint64_t now_ns, struct ncp__acts *acts)
{
    uint32_t chunks = ncp__chunk_count(&engine->slots);

    for (uint32_t chunk = 0; chunk < chunks; chunk++) {
        uint64_t mask = ncp__idle_sweep(&engine->idle, chunk);
        for (; mask != 0; mask &= mask - 1)
            ncp__begin_close_locked(engine,
                                    chunk * NCP__CHUNK_SLOTS +
                                        (uint32_t)__builtin_ctzll(mask),
                                    reason, now_ns, acts);
    }
}

void ncp__serve_locked(struct ncp__engine *engine, uint64_t now_ns,
                       struct ncp__acts *acts)
{
    uint64_t gate = atomic_load_explicit(&engine->gate, memory_order_relaxed);

    if ((gate & NCP__GATE_CLOSED) != 0) {
        ncp__close_idle_locked(engine, NCP_REASON_POOL_CLOSED, now_ns, acts);
        return;
    }
    if ((gate & NCP__GATE_OVER) != 0) /* one came back after the sweep */
        ncp__close_over_locked(engine, now_ns, acts);
    if ((gate & NCP__GATE_SUSPENDED) != 0)
        return;
    while (engine->lines.waiting != 0 && serve_one_locked(engine, now_ns, acts))
        continue;
    ncp__begin_dials_locked(engine, now_ns, acts);
}

void ncp__engine_serve(struct ncp__engine *engine, uint64_t now_ns,
                       struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    ncp__serve_locked(engine, now_ns, acts);
    ncp__engine_unlock(engine);
}

/* -------------------------------------------------------------------- entering */

void ncp__enter_line_locked(struct ncp__engine *engine,
                            struct ncp__waiter *waiter)
{
    if (engine->lines.waiting == 0)
        ncp__pace_new_line(&engine->pace);
    ncp__lines_add(&engine->lines, waiter);
    ncp__lines_need(&engine->lines, waiter);
    ncp__forget_told_locked(engine, NCP__GATE_TOLD);
    /* Seq_cst, before the masks are scanned: pairs with ncp__engine_offer. */
    atomic_fetch_add_explicit(&engine->gate, NCP__GATE_WAITER,
                              memory_order_seq_cst);
}

/* A wait that may not begin: it leaves as if it had never stood there. */
static int refuse_locked(struct ncp__engine *engine, struct ncp__waiter *waiter,
                         int status, struct ncp__acts *acts)
{
    ncp__leave_line_locked(engine, waiter, acts);
    ncp__count_end_locked(engine, waiter, status, false);
    return status;
}

int ncp__enqueue_locked(struct ncp__engine *engine, struct ncp__waiter *waiter,
                        uint64_t now_ns, struct ncp__acts *acts)
{
    uint32_t max_waiters = engine->limits.max_waiters;

    if (ncp__engine_closed(engine))
        return refuse_locked(engine, waiter, NCP_ECLOSED, acts);
    count_begin_locked(engine, waiter);
    ncp__enter_line_locked(engine, waiter);
    ncp__serve_locked(engine, now_ns, acts);
    if (max_waiters != 0 && waiter->needs &&
        engine->lines.needing > max_waiters)
        return refuse_locked(engine, waiter, NCP_EWAITERS, acts);
    return NCP_OK;
}

int ncp__engine_enqueue(struct ncp__engine *engine, struct ncp__waiter *waiter,
                        uint64_t now_ns, struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    int rc = ncp__enqueue_locked(engine, waiter, now_ns, acts);
    ncp__engine_unlock(engine);
    return rc;
}

/* A connection for somebody who never stands in line, unless an older waiter
 * can use it. */
int ncp__try_locked(struct ncp__engine *engine, struct ncp__waiter *waiter,
                    uint64_t now_ns, struct ncp__acts *acts)
{
    uint64_t gate = atomic_load_explicit(&engine->gate, memory_order_relaxed);

    if ((gate & NCP__GATE_CLOSED) != 0)
        return NCP_ECLOSED;
    count_begin_locked(engine, waiter);
    while ((gate & NCP__GATE_SUSPENDED) == 0) {
        uint32_t index = take_for_locked(engine, waiter, now_ns, acts);
        if (index == NCP__NO_SLOT)
            break;
        const struct ncp__slot *slot = ncp__engine_slot(engine, index);
        struct ncp__waiter *older = ncp__lines_oldest_for(
            &engine->lines, ncp__cold(slot)->protocol, ncp__cold(slot)->ip);
        if (older != NULL) {
            ncp__give_locked(engine, older, index, false, now_ns, acts);
            continue;
        }
        struct ncp__acts own = NCP__NO_ACTS; /* it needs no telling */
        ncp__give_locked(engine, waiter, index, false, now_ns, &own);
        return NCP_OK;
    }
    ncp__count_end_locked(engine, waiter, NCP_EEXHAUSTED, false);
    return NCP_EEXHAUSTED;
}

int ncp__engine_try(struct ncp__engine *engine, struct ncp__waiter *waiter,
                    uint64_t now_ns, struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    int rc = ncp__try_locked(engine, waiter, now_ns, acts);
    ncp__engine_unlock(engine);
    return rc;
}

/* --------------------------------------------------------------------- leaving */

bool ncp__engine_give_up(struct ncp__engine *engine, struct ncp__waiter *waiter,
                         int status, uint64_t now_ns, struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    bool queued = waiter->queued;
    if (queued) {
        struct ncp__acts own = NCP__NO_ACTS; /* it needs no telling */
        ncp__decide_locked(engine, waiter, status, &own);
        acts->nobody_needs |= own.nobody_needs;
        /* What it would have dialed may be for the next one. */
        ncp__serve_locked(engine, now_ns, acts);
    }
    ncp__engine_unlock(engine);
    return queued;
}

bool ncp__engine_try_woken(struct ncp__engine *engine,
                           struct ncp__waiter *waiter, bool again,
                           uint64_t now_ns, struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    bool queued = waiter->queued;
    if (again) {
        atomic_store_explicit(&waiter->woken, false, memory_order_seq_cst);
        ncp__forget_told_locked(engine, NCP__GATE_TOLD);
    }
    if (queued && now_ns >= waiter->since_ns + NCP__STARVING_NS)
        atomic_fetch_or_explicit(&engine->gate, NCP__GATE_STARVING,
                                 memory_order_seq_cst);
    if (queued)
        ncp__serve_locked(engine, now_ns, acts);
    ncp__engine_unlock(engine);
    return !queued;
}

uint64_t ncp__engine_expire_tickets(struct ncp__engine *engine, uint64_t now_ns,
                                    struct ncp__acts *acts)
{
    uint64_t next_ns = NCP__NEVER;

    ncp__engine_lock(engine);
    for (unsigned line = 0; line < NCP__LINES; line++) {
        struct ncp__waiter *waiter = engine->lines.line[line].head;
        while (waiter != NULL) {
            struct ncp__waiter *after = waiter->next;
            if (!waiter->is_ticket)
                ;
            else if (now_ns >= waiter->deadline_ns)
                ncp__decide_locked(engine, waiter, NCP_ETIMEOUT, acts);
            else if (waiter->deadline_ns < next_ns)
                next_ns = waiter->deadline_ns;
            waiter = after;
        }
    }
    ncp__engine_unlock(engine);
    return next_ns;
}

void ncp__engine_wake(struct ncp__acts *acts,
                      void (*notify)(void *context, struct ncp__waiter *ticket),
                      void *context)
{
    struct ncp__waiter *waiter = acts->decided_head;

    acts->decided_head = NULL;
    acts->decided_tail = NULL;
    while (waiter != NULL) {
        /* After the exchange a waiter without a ticket may be gone. */
        struct ncp__waiter *after = waiter->next;
        if (waiter->queue != NULL)
            notify(context, waiter);
        else if (atomic_exchange_explicit(&waiter->state, NCP__DECIDED,
                                          memory_order_acq_rel) == NCP__PARKED)
            ncp__unpark(&waiter->state);
        waiter = after;
    }
}

/* --------------------------------------------------------- engine/pace.c */


enum {
    PARTS = 4,    /* a line is held up for this part of a dial's time */
    WINDOW = 64,  /* who was served before these is forgotten by halves */
    PATIENCE = 2, /* a dial that takes so many times the usual may hang */
    SMOOTH = 4    /* the share of the latest dial in the average */
};

/* Shorter dials are cheaper than to think about them. */
#define SHORT_NS (2 * NCP__NS_PER_MS)
#define LONGEST_PAUSE_NS (1000 * NCP__NS_PER_MS)

/* A clock that lags is no reason to go back. */
static uint64_t past(uint64_t now_ns, uint64_t at_ns)
{
    return now_ns > at_ns ? now_ns - at_ns : 0;
}

void ncp__pace_begun(struct ncp__pace *pace, uint64_t now_ns)
{
    pace->begun_ns = now_ns;
}

void ncp__pace_dialed(struct ncp__pace *pace, uint64_t took_ns)
{
    if (pace->dial_ns == 0)
        pace->dial_ns = took_ns;
    else
        pace->dial_ns += took_ns / SMOOTH - pace->dial_ns / SMOOTH;
}

static void begin_line(struct ncp__pace *pace, uint64_t now_ns)
{
    pace->since_ns = now_ns;
    pace->progress_ns = now_ns;
    pace->base = pace->served;
    pace->seen = pace->served;
    pace->formed = true;
}

void ncp__pace_look(struct ncp__pace *pace, uint64_t now_ns)
{
    if (!pace->formed)
        begin_line(pace, now_ns);
    if (pace->seen != pace->served) {
        pace->seen = pace->served;
        pace->progress_ns = now_ns;
    }
    if (pace->served - pace->base >= WINDOW) {
        pace->base = pace->served - WINDOW / 2;
        pace->since_ns += past(now_ns, pace->since_ns) / 2;
    }
}

/* How many are served by what comes back while a dial is under way. */
static uint64_t served_in_a_dial(const struct ncp__pace *pace, uint64_t now_ns)
{
    uint64_t each_ns =
        past(now_ns, pace->since_ns) / (pace->served - pace->base);

    return pace->dial_ns / (each_ns == 0 ? 1 : each_ns);
}

bool ncp__pace_allows(const struct ncp__pace *pace,
                      const struct ncp__pace_state *state, uint64_t now_ns,
                      uint64_t *again_ns)
{
    uint64_t pause_ns = pace->dial_ns / PARTS;

    if (state->under_way == 0 || state->there == 0 || pace->dial_ns < SHORT_NS)
        return true;
    if (pause_ns > LONGEST_PAUSE_NS)
        pause_ns = LONGEST_PAUSE_NS;
    if (past(now_ns, pace->progress_ns) >= pause_ns ||
        past(now_ns, pace->begun_ns) / PATIENCE >= pace->dial_ns)
        return true;
    *again_ns = pace->progress_ns + pause_ns;
    return pace->served != pace->base &&
           state->waiting > served_in_a_dial(pace, now_ns) + state->under_way;
}
#undef SHORT_NS
#undef LONGEST_PAUSE_NS

/* --------------------------------------------------- engine/park_linux.c */

/* Waiting on a word, with the futex of Linux. */
#ifdef __linux__


#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void ncp__park(atomic_uint *word, unsigned expected, uint64_t deadline_ns)
{
    struct timespec at;
    struct timespec *timeout = NULL;

    if (deadline_ns != NCP__NEVER) {
        at.tv_sec = (time_t)(deadline_ns / UINT64_C(1000000000));
        at.tv_nsec = (long)(deadline_ns % UINT64_C(1000000000));
        timeout = &at;
    }
    /* WAIT_BITSET takes an absolute CLOCK_MONOTONIC time. */
    syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected, timeout, NULL,
            FUTEX_BITSET_MATCH_ANY);
}

void ncp__unpark(atomic_uint *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

#endif

/* --------------------------------------------------- engine/park_posix.c */

/* Waiting on a word, with a table of condition variables: any POSIX system. */
#ifdef __linux__
typedef int ncp__park_posix_not_used; /* no empty file in C */
#else


#include <pthread.h>
#include <time.h>

enum { BUCKETS = 64 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
} buckets[BUCKETS] = {[0 ... BUCKETS - 1] = {PTHREAD_MUTEX_INITIALIZER,
                                             PTHREAD_COND_INITIALIZER}};

static size_t bucket_of__engine_park_posix(const atomic_uint *word)
{
    return ((uintptr_t)word >> 6) % BUCKETS;
}

/* Condition variables take the wall clock: a sleep is cut into slices, so that
 * a step of that clock delays nobody for long. */
static struct timespec slice_end(uint64_t left_ns)
{
    const uint64_t slice_ns = 100 * NCP__NS_PER_MS;
    struct timespec at;

    clock_gettime(CLOCK_REALTIME, &at);
    uint64_t ns =
        (uint64_t)at.tv_nsec + (left_ns < slice_ns ? left_ns : slice_ns);
    at.tv_sec += (time_t)(ns / UINT64_C(1000000000));
    at.tv_nsec = (long)(ns % UINT64_C(1000000000));
    return at;
}

void ncp__park(atomic_uint *word, unsigned expected, uint64_t deadline_ns)
{
    size_t i = bucket_of__engine_park_posix(word);
    uint64_t now = ncp__monotonic_ns();

    if (now >= deadline_ns)
        return;
    struct timespec at = slice_end(deadline_ns - now);
    pthread_mutex_lock(&buckets[i].lock);
    /* Seq_cst, as a futex would be: after what the caller has announced. */
    if (atomic_load_explicit(word, memory_order_seq_cst) == expected)
        pthread_cond_timedwait(&buckets[i].changed, &buckets[i].lock, &at);
    pthread_mutex_unlock(&buckets[i].lock);
}

void ncp__unpark(atomic_uint *word)
{
    size_t i = bucket_of__engine_park_posix(word);

    pthread_mutex_lock(&buckets[i].lock);
    pthread_cond_broadcast(&buckets[i].changed);
    pthread_mutex_unlock(&buckets[i].lock);
}

#endif

/* --------------------------------------------------------- engine/slot.c */


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

static bool grow__engine_slot(struct ncp__slots *slots)
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
    if (slots->free_head == NCP__NO_SLOT && !grow__engine_slot(slots))
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

/* -------------------------------------------------------- engine/tally.c */

/* The counters: one consistent snapshot of them all. */

enum { MILLION = 1000000, TORN_READS = 4 };

/* Idle connections, those under check included. */
struct idle_view {
    uint64_t all, tcp, udp, ipv4, ipv6;
};

static uint64_t count_bits(uint64_t mask)
{
    return (uint64_t)__builtin_popcountll(mask);
}

/* Opening and closing take the lock, so the set of connections stands still;
 * each of them is idle or not at the moment its chunk is read. */
static uint64_t idle_in(const struct ncp__chunk *chunk)
{
    uint64_t mask = atomic_load_explicit(&chunk->open, memory_order_relaxed);
    uint64_t idle = 0;

    for (; mask != 0; mask &= mask - 1) {
        enum ncp__state state =
            ncp__state_of(&chunk->slots[__builtin_ctzll(mask)]);
        if (state == NCP__IDLE || state == NCP__CHECKING)
            idle |= mask & -mask;
    }
    return idle;
}

static void view_idle_locked(const struct ncp__engine *engine,
                             struct idle_view *view)
{
    uint32_t chunks = ncp__chunk_count(&engine->slots);

    *view = (struct idle_view){0};
    for (uint32_t i = 0; i < chunks; i++) {
        const struct ncp__chunk *chunk = ncp__chunk_at(&engine->slots, i);
        uint64_t idle = idle_in(chunk);
        view->all += count_bits(idle);
        view->tcp += count_bits(
            idle & atomic_load_explicit(&chunk->tcp, memory_order_relaxed));
        view->udp += count_bits(
            idle & atomic_load_explicit(&chunk->udp, memory_order_relaxed));
        view->ipv4 += count_bits(
            idle & atomic_load_explicit(&chunk->ipv4, memory_order_relaxed));
        view->ipv6 += count_bits(
            idle & atomic_load_explicit(&chunk->ipv6, memory_order_relaxed));
    }
}

static void at_most__engine_tally(uint64_t *value, uint64_t limit)
{
    if (*value > limit)
        *value = limit;
}

static void keep_limit(struct idle_view *view, uint64_t limit)
{
    at_most__engine_tally(&view->all, limit);
    at_most__engine_tally(&view->tcp, limit);
    at_most__engine_tally(&view->udp, limit - view->tcp);
    at_most__engine_tally(&view->ipv4, limit);
    at_most__engine_tally(&view->ipv6, limit - view->ipv4);
}

/* Chunks are read one after the other, so a connection may be counted idle in
 * two of them in turn: read again until the limit is kept. */
static void view_idle(const struct ncp__engine *engine, struct idle_view *view)
{
    for (int i = 0; i < TORN_READS; i++) {
        view_idle_locked(engine, view);
        if (view->all <= engine->max_idle)
            return;
    }
    keep_limit(view, engine->max_idle);
}

static uint64_t fast_gets(const struct ncp__engine *engine)
{
    uint32_t chunks = ncp__chunk_count(&engine->slots);
    uint64_t sum = 0;

    for (uint32_t c = 0; c < chunks; c++) {
        const struct ncp__chunk *chunk = ncp__chunk_at(&engine->slots, c);
        for (int i = 0; i < NCP__CHUNK_SLOTS; i++)
            sum += atomic_load_explicit(&chunk->slots[i].gets,
                                        memory_order_relaxed);
    }
    return sum;
}

/* part / whole in millionths. */
static uint64_t ratio(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : (uint64_t)((double)part / (double)whole * MILLION);
}

static void connections(const struct ncp__engine *engine, uint64_t *v)
{
    const struct ncp__tally *tally = &engine->tally;
    struct idle_view idle;

    view_idle(engine, &idle);
    v[NCP_COUNTER_CREATED] = tally->created;
    v[NCP_COUNTER_CLOSED] = tally->closed;
    v[NCP_COUNTER_CURRENT] = engine->open;
    v[NCP_COUNTER_IDLE] = idle.all;
    v[NCP_COUNTER_ACTIVE] = engine->open - idle.all;
    v[NCP_COUNTER_IPV4] = tally->current_by_ip[NCP_IP_V4];
    v[NCP_COUNTER_IPV6] = tally->current_by_ip[NCP_IP_V6];
    v[NCP_COUNTER_TCP] = tally->current_by_protocol[NCP_PROTOCOL_TCP];
    v[NCP_COUNTER_UDP] = tally->current_by_protocol[NCP_PROTOCOL_UDP];
    v[NCP_COUNTER_IPV4_IDLE] = idle.ipv4;
    v[NCP_COUNTER_IPV6_IDLE] = idle.ipv6;
    v[NCP_COUNTER_TCP_IDLE] = idle.tcp;
    v[NCP_COUNTER_UDP_IDLE] = idle.udp;
    v[NCP_COUNTER_DIALING] = engine->dialing;
    v[NCP_COUNTER_WAITING] = engine->lines.waiting;
    v[NCP_COUNTER_DETACHED] = tally->detached;
    v[NCP_COUNTER_EVICTED] = tally->evicted;
    v[NCP_COUNTER_LEAKED] = tally->leaked;
    v[NCP_COUNTER_AVERAGE_LIFETIME] =
        tally->closed == 0 ? 0 : tally->lifetime_ns / tally->closed;
    v[NCP_COUNTER_UTILIZATION] =
        ratio(v[NCP_COUNTER_ACTIVE], engine->limits.max);
}

static void gets(const struct ncp__engine *engine, uint64_t *v)
{
    const struct ncp__tally *tally = &engine->tally;
    uint64_t fast = fast_gets(engine);

    v[NCP_COUNTER_SUCCESSFUL] = fast + tally->slow_successful;
    v[NCP_COUNTER_REUSED] = fast + tally->slow_reused;
    v[NCP_COUNTER_FAILED] = tally->failed;
    v[NCP_COUNTER_TIMEOUT] = tally->timeout;
    v[NCP_COUNTER_CANCELED] = tally->canceled;
    v[NCP_COUNTER_IN_FLIGHT] = tally->in_flight;
    v[NCP_COUNTER_TOTAL] = v[NCP_COUNTER_SUCCESSFUL] + tally->failed +
                           tally->timeout + tally->in_flight;
    v[NCP_COUNTER_AVERAGE_REUSE] =
        ratio(v[NCP_COUNTER_REUSED], v[NCP_COUNTER_CREATED]);
}

static void times(const struct ncp__engine *engine, uint64_t *v)
{
    struct ncp__latency *latency = engine->latency;
    struct ncp__percentiles percentiles = ncp__latency_percentiles(latency);
    uint64_t total =
        atomic_load_explicit(&latency->total_ns, memory_order_relaxed);
    uint64_t successful = v[NCP_COUNTER_SUCCESSFUL];

    v[NCP_COUNTER_TOTAL_GET_TIME] = total;
    v[NCP_COUNTER_AVERAGE_GET_TIME] = successful == 0 ? 0 : total / successful;
    v[NCP_COUNTER_MAX_GET_TIME] = percentiles.max_ns;
    v[NCP_COUNTER_P50_GET_TIME] = percentiles.p50_ns;
    v[NCP_COUNTER_P95_GET_TIME] = percentiles.p95_ns;
    v[NCP_COUNTER_P99_GET_TIME] = percentiles.p99_ns;
}

static void creations(const struct ncp__engine *engine, uint64_t *v)
{
    const struct ncp__tally *tally = &engine->tally;
    uint64_t attempts = tally->hc_attempts;

    v[NCP_COUNTER_CONNECTION_ERRORS] = tally->connection_errors;
    v[NCP_COUNTER_CREATION_FAILURE_RATE] = ratio(
        tally->connection_errors, tally->created + tally->connection_errors);
    v[NCP_COUNTER_HC_ATTEMPTS] = attempts;
    v[NCP_COUNTER_HC_FAILURES] = tally->hc_failures;
    v[NCP_COUNTER_UNHEALTHY] = tally->unhealthy;
    v[NCP_COUNTER_HC_SUCCESS_RATE] =
        attempts == 0 ? MILLION
                      : ratio(attempts - tally->hc_failures, attempts);
    v[NCP_COUNTER_PREWARM_TARGET] = engine->prewarm.target;
    v[NCP_COUNTER_PREWARM_CREATED] = engine->prewarm.created;
    v[NCP_COUNTER_PREWARM_COMPLETED] =
        engine->prewarm.ended && !engine->prewarm.failed;
    v[NCP_COUNTER_BREAKER_OPEN] =
        engine->gatekeeper.breaker != NCP__BREAKER_CLOSED;
    v[NCP_COUNTER_BREAKER_TRIPS] = engine->gatekeeper.trips;
}

void ncp__engine_snapshot(struct ncp__engine *engine, uint64_t *values)
{
    for (int i = 0; i < NCP_COUNTER_COUNT; i++)
        values[i] = 0;
    if (engine->latency == NULL)
        return; /* statistics are off */
    ncp__engine_lock(engine);
    connections(engine, values);
    gets(engine, values);
    times(engine, values);
    creations(engine, values);
    ncp__engine_unlock(engine);
    values[NCP_COUNTER_LAST_UPDATE] = ncp__engine_now(engine);
}

void ncp__engine_counts(struct ncp__engine *engine, uint32_t *idle,
                        uint32_t *active)
{
    struct idle_view view;

    ncp__engine_lock(engine);
    view_idle(engine, &view);
    *idle = (uint32_t)view.all;
    *active = engine->open - (uint32_t)view.all;
    ncp__engine_unlock(engine);
}

/* ------------------------------------------------------- engine/waiter.c */



void ncp__waiter_init(struct ncp__waiter *waiter, int protocol, int ip,
                      uint64_t now_ns, uint64_t deadline_ns)
{
    *waiter = (struct ncp__waiter){.slot = NCP__NO_SLOT,
                                   .dial = NCP__NO_SLOT,
                                   .protocol = (uint8_t)protocol,
                                   .ip = (uint8_t)ip,
                                   .since_ns = now_ns,
                                   .deadline_ns = deadline_ns};
}

void ncp__waiter_poke(struct ncp__waiter *waiter)
{
    unsigned parked = NCP__PARKED;

    /* Seq_cst: pairs with the announcement. */
    if (atomic_compare_exchange_strong_explicit(
            &waiter->state, &parked, NCP__WAITING, memory_order_seq_cst,
            memory_order_seq_cst))
        ncp__unpark(&waiter->state);
}

static unsigned line_of(int protocol, int ip)
{
    return (unsigned)protocol * 3 + (unsigned)ip;
}

void ncp__lines_add(struct ncp__lines *lines, struct ncp__waiter *waiter)
{
    unsigned line = line_of(waiter->protocol, waiter->ip);
    struct ncp__waiter *after = lines->line[line].tail;

    if (waiter->sequence == 0)
        waiter->sequence = ++lines->sequence;
    if (after != NULL && lines->line[line].head->sequence > waiter->sequence)
        after = NULL; /* it was the oldest of all */
    while (after != NULL && after->sequence > waiter->sequence)
        after = after->previous;
    waiter->previous = after;
    waiter->next = after != NULL ? after->next : lines->line[line].head;
    if (waiter->next != NULL)
        waiter->next->previous = waiter;
    else
        lines->line[line].tail = waiter;
    if (after != NULL)
        after->next = waiter;
    else
        lines->line[line].head = waiter;
    waiter->queued = true;
    lines->waiting++;
}

void ncp__lines_remove(struct ncp__lines *lines, struct ncp__waiter *waiter)
{
    unsigned line = line_of(waiter->protocol, waiter->ip);

    if (waiter->previous != NULL)
        waiter->previous->next = waiter->next;
    else
        lines->line[line].head = waiter->next;
    if (waiter->next != NULL)
        waiter->next->previous = waiter->previous;
    else
        lines->line[line].tail = waiter->previous;
    waiter->next = NULL;
    waiter->previous = NULL;
    waiter->queued = false;
    lines->waiting--;
    ncp__lines_covered(lines, waiter);
}

void ncp__lines_need(struct ncp__lines *lines, struct ncp__waiter *waiter)
{
    if (waiter->needs)
        return;
    struct ncp__waiter *after = lines->needs_tail;
    if (after != NULL && lines->needs_head->sequence > waiter->sequence)
        after = NULL;
    while (after != NULL && after->sequence > waiter->sequence)
        after = after->needs_previous;
    waiter->needs_previous = after;
    waiter->needs_next = after != NULL ? after->needs_next : lines->needs_head;
    if (waiter->needs_next != NULL)
        waiter->needs_next->needs_previous = waiter;
    else
        lines->needs_tail = waiter;
    if (after != NULL)
        after->needs_next = waiter;
    else
        lines->needs_head = waiter;
    waiter->needs = true;
    lines->needing++;
}

void ncp__lines_covered(struct ncp__lines *lines, struct ncp__waiter *waiter)
{
    if (!waiter->needs)
        return;
    if (waiter->needs_previous != NULL)
        waiter->needs_previous->needs_next = waiter->needs_next;
    else
        lines->needs_head = waiter->needs_next;
    if (waiter->needs_next != NULL)
        waiter->needs_next->needs_previous = waiter->needs_previous;
    else
        lines->needs_tail = waiter->needs_previous;
    waiter->needs_next = NULL;
    waiter->needs_previous = NULL;
    waiter->needs = false;
    lines->needing--;
}

struct ncp__waiter *ncp__lines_oldest_for(const struct ncp__lines *lines,
                                          int protocol, int ip)
{
    const unsigned candidates[4] = {line_of(0, 0), line_of(protocol, 0),
                                    line_of(0, ip), line_of(protocol, ip)};
    struct ncp__waiter *oldest = NULL;

    for (int i = 0; i < 4; i++) {
        struct ncp__waiter *head = lines->line[candidates[i]].head;
        if (head != NULL &&
            (oldest == NULL || head->sequence < oldest->sequence))
            oldest = head;
    }
    return oldest;
}

struct ncp__waiter *ncp__lines_oldest(const struct ncp__lines *lines,
                                      unsigned skip, unsigned *line)
{
    struct ncp__waiter *oldest = NULL;

    for (unsigned i = 0; i < NCP__LINES; i++) {
        struct ncp__waiter *head = lines->line[i].head;
        if ((skip >> i & 1) != 0 || head == NULL)
            continue;
        if (oldest == NULL || head->sequence < oldest->sequence) {
            oldest = head;
            *line = i;
        }
    }
    return oldest;
}

bool ncp__lines_all_fit(const struct ncp__lines *lines, int protocol, int ip)
{
    for (int line = 0; line < NCP__LINES; line++) {
        const struct ncp__waiter *waiter = lines->line[line].head;
        if (waiter != NULL &&
            !ncp__fits(protocol, ip, waiter->protocol, waiter->ip))
            return false;
    }
    return true;
}

/* -------------------------------------------------------- pool/acquire.c */

/* pool/event.h */
/*
 * What an event says. Field by field: a block of zeroes with some of them written
 * over takes longer than a get itself.
 */
#ifndef NCP_POOL_EVENT_H
#define NCP_POOL_EVENT_H


/* Nothing yet, but for its pool. */
static inline void ncp__event_none(ncp_event *event, ncp_pool *pool)
{
    event->type = NCP_EVENT_NONE;
    event->status = NCP_OK;
    event->pool = pool;
    event->lease = 0;
    event->ticket = 0;
    event->tag = 0;
    event->handle = 0;
    event->conn_id = 0;
    event->timeout_ms = 0;
    event->fd = -1;
    event->protocol = NCP_PROTOCOL_UNKNOWN;
    event->ip = NCP_IP_UNKNOWN;
    event->reason = NCP_REASON_NONE;
    event->reused = 0;
    event->reserved32 = 0;
    event->code = 0;
    event->creation_ms = 0;
    for (int i = 0; i < 3; i++)
        event->spare[i] = 0;
}

/* CONN: an idle connection that is lent at once. */
static inline void ncp__event_lend(ncp_event *event, ncp_pool *pool,
                                   const struct ncp__slot *slot,
                                   ncp_lease lease, uint64_t tag)
{
    const struct ncp__cold *cold = ncp__cold(slot);

    ncp__event_none(event, pool);
    event->type = NCP_EVENT_CONN;
    event->lease = lease;
    event->tag = tag;
    event->handle = slot->handle;
    event->conn_id = cold->id;
    event->fd = cold->fd;
    event->protocol = cold->protocol;
    event->ip = cold->ip;
    event->reused = 1;
}

#endif

/* pool/alarm.h */
/*
 * A descriptor that one thread makes readable for another: an eventfd, or a
 * pipe where there is none.
 */
#ifndef NCP_POOL_ALARM_H
#define NCP_POOL_ALARM_H


struct ncp__alarm {
    int fd;       /* readable while it rings; -1 when it is not open */
    int write_fd; /* the same for an eventfd */
};

/* One file a platform. NCP_OK, or NCP_ESYS with errno. */
int ncp__alarm_open(struct ncp__alarm *alarm);
void ncp__alarm_ring(const struct ncp__alarm *alarm);
void ncp__alarm_silence(const struct ncp__alarm *alarm);

/* Does nothing for one that is not open. */
void ncp__alarm_close(struct ncp__alarm *alarm);
/* In the child of a fork: one of its own under the old numbers, since the
 * inherited one would wake the parent. */
void ncp__alarm_forked(struct ncp__alarm *alarm);

#endif

/* pool/config.h */
/*
 * A configuration: numbers and texts by option, callbacks by reference.
 */
#ifndef NCP_POOL_CONFIG_H
#define NCP_POOL_CONFIG_H


enum {
    NCP__OPTION_END = NCP_OPTION_HOST_EVENTS + 1,
    NCP__CALLBACK_END = NCP_CALLBACK_ON_LEAK + 1,
    NCP__REASON_SIZE = 256
};

/* One callback, shared by every configuration and pool that uses it; `drop`
 * runs when the last of them lets go. */
struct ncp__hook {
    atomic_int refs;
    union {
        ncp_dial_fn dial;
        ncp_conn_fn conn;
        ncp_log_fn log;
        ncp_clock_fn clock;
    } fn;
    void *user;
    ncp_drop_fn drop;
};

struct ncp_config {
    int64_t num[NCP__OPTION_END]; /* by option; 0 for text options */
    char *text[NCP__OPTION_END];  /* by option; NULL unless it is a text set */
    struct ncp__hook *dialer;     /* each NULL or one reference */
    struct ncp__hook *acceptor;
    struct ncp__hook *conn[NCP__CALLBACK_END];
    struct ncp__hook *log;
    struct ncp__hook *clock;
    ncp_queue *queue; /* NULL or one reference */
    char reason[NCP__REASON_SIZE];
};

struct ncp__hook *ncp__hook_ref(struct ncp__hook *hook); /* NULL stays NULL */
void ncp__hook_unref(struct ncp__hook *hook);            /* accepts NULL */

/* Fills `config` with what `from` says; on NCP_ENOMEM it is left empty. */
int ncp__config_copy_into(struct ncp_config *config,
                          const struct ncp_config *from);
/* Lets go of everything inside; the struct itself stays. */
void ncp__config_clear(struct ncp_config *config);
/* Checks one option alone against its range; for ncp_pool_set. Returns NCP_OK or
 * NCP_EINVALIDCONFIG with the sentence in `reason` (NCP__REASON_SIZE bytes). */
int ncp__option_check(int option, int64_t value, char *reason);

/* Implemented by the queue (pull driver); both accept NULL. */
ncp_queue *ncp__queue_ref(ncp_queue *queue);
void ncp__queue_unref(ncp_queue *queue);

#endif

/* pool/transport.h */
/*
 * What the pool asks of sockets. The pool declares it, core/src/net implements
 * it: the arrow of dependency points from net to pool.
 */
#ifndef NCP_POOL_TRANSPORT_H
#define NCP_POOL_TRANSPORT_H


struct ncp__transport {
    /* The built-in dialer for option target of `config` (checked before), as a
     * hook with one reference. Everything it needs is copied. */
    int (*dialer_new)(const struct ncp_config *config, struct ncp__hook **out);
    /* NCP_OK, or NCP_EINVALIDCONFIG with a sentence in `reason`. */
    int (*target_check)(const char *target, char *reason, size_t size);
    /* Waits for a client of `listener_fd`. NCP_OK: one may be there; NCP_EAGAIN:
     * `wake_fd` is readable, nothing is read from it; NCP_ETIMEOUT (`timeout_ms`
     * below 0 is no limit); NCP_ESYS with errno. */
    int (*wait_client)(int listener_fd, int wake_fd, int64_t timeout_ms);
    /* Takes a client that waits. Never blocks, because the pool has made the
     * listener non-blocking: NCP_EAGAIN when nobody is there any more, which
     * covers errors that pass and clients that have gone; NCP_ESYS with errno
     * otherwise (EMFILE, ...). The new descriptor is close-on-exec and blocking,
     * with the socket options of `config`. */
    int (*accept)(const struct ncp_config *config, int listener_fd,
                  int *out_fd);
    void (*detect)(int fd, int *protocol, int *ip);
    bool (*alive)(int fd);
    /* As ncp_udp_drain, for a socket that is known to be UDP. */
    int (*drain)(int fd, int64_t timeout_ms, int max_packets, int *out);
    /* Ends both directions, so that a borrower's read and write return; the
     * descriptor stays open. */
    void (*shutdown)(int fd);
    /* 0, or the errno of close(2); the descriptor is gone either way. */
    int (*close)(int fd);
    /* 1 non-blocking, 0 blocking, -1 unknown; and back again. */
    int (*nonblocking)(int fd);
    void (*set_nonblocking)(int fd, bool on);
};

extern const struct ncp__transport ncp__net;

#endif

/* pool/pool.h */
/*
 * A pool: an engine that decides, and what carries its decisions out.
 *
 * Locks, in the order in which they may be taken together:
 *   registry (registry.c) -> cancel (cancel.c) -> engine -> queue;
 *   the service's lock (service.c) is taken alone or after the engine's.
 * None of them is held while a callback runs or a system call may block.
 *
 * Life. `handles` counts the references users hold; `refs` keeps the memory:
 * one for all handles together, one for each thread inside a slow call, one for
 * each job. With the last handle the pool is closed; the reference of the
 * handles is dropped when nothing is left inside (ncp__pool_settle).
 */
#ifndef NCP_POOL_POOL_H
#define NCP_POOL_POOL_H


/* pool.borrow_work: what a get does after it has a connection. */
enum {
    NCP__BORROW_HOOK = 1,
    NCP__BORROW_CHECK = 2,
    NCP__BORROW_DRAIN = 4, /* UDP */
    NCP__BORROW_STACK = 8,
    NCP__BORROW_ASK = NCP__BORROW_HOOK | NCP__BORROW_CHECK /* pull: the host */
};

/* Checks by the user that may run, or hang, at a time. */
enum { NCP__MAX_CHECKS = 10 };

/* pool.return_work: what a put does before it lets go of one. */
enum { NCP__RETURN_HOOK = 1, NCP__RETURN_BLOCKING = 2 };

/* pool.quick: what may go the shortest way (quick.h). */
enum { NCP__QUICK_GET = 1, NCP__QUICK_PUT = 2 };

struct ncp__tickets;
struct ncp__stacks;
struct ncp__host;

struct ncp_pool {
    struct ncp__engine engine;
    _Atomic int64_t get_timeout_ms;
    uint8_t borrow_work;
    uint8_t return_work;
    uint8_t quick;
    uint8_t quick_stop; /* flags of a slot that is not lent the shortest way */
    bool pull;
    bool derives_cleanup, derives_leak; /* intervals follow the timeouts */
    bool accepts; /* by itself: server mode without an acceptor */
    ncp_conn_fn on_borrow, on_return; /* borrowed from config */
    void *on_borrow_user, *on_return_user;

    struct ncp_config config; /* as corrected; numbers change under the lock */
    atomic_int handles;
    atomic_int refs;
    atomic_bool orphaned;     /* no handles left */
    bool settled;             /* engine's lock */
    _Atomic int close_status; /* the first close error */
    struct ncp__alarm wake;   /* ends an accept in progress */

    /* service's lock: slots that wait for a worker, linked by cold.link */
    uint32_t job_head, job_tail;
    /* engine's lock */
    uint32_t checks_out; /* health checks that run or wait for a worker */
    ncp_lease late_checks[NCP__MAX_CHECKS]; /* pull: timed out, not answered */
    uint32_t events_out; /* work events that were not polled, tickets */
    uint32_t work_head,
        work_tail; /* pull: for the queue, linked by cold.link */
    /* queue's lock */
    struct ncp_pool *work_next;
    bool in_queue;

    /* Housekeeping; written by whoever runs it, one at a time. */
    _Atomic uint64_t due_ns;
    _Atomic bool wake_pending; /* the clock was moved */
    _Atomic bool keeping;
    _Atomic bool replan; /* options changed */
    uint64_t next_cleanup_ns, next_check_ns, next_leak_ns, next_ticket_ns;

    /* registry and service locks */
    struct ncp_pool *registry_next, *registry_previous;
    struct ncp_pool *ready_next;
    struct ncp_pool *member_next, *member_previous;
    bool registered, in_service, ready;
    uint64_t seen;          /* pass of the housekeeper */
    _Atomic bool ticks;     /* its ages are coarse enough for ticks */
    uint32_t tick_order;    /* how many puts there had been */
    uint64_t tick_since_ns; /* when that was noted */

    struct ncp__tickets *tickets; /* pull */
    struct ncp__host *host;       /* pull, with host_events */
    struct ncp__stacks *stacks;   /* capture_stacks */
};

/* What callbacks see as ncp_conn. */
struct ncp_conn {
    const struct ncp_pool *pool;
    struct ncp__slot *slot;
    uint32_t index;
};

/* ------------------------------------------------------------------ pool.c */

void ncp__pool_hold(ncp_pool *pool);
void ncp__pool_release(ncp_pool *pool);
/* Drops the reference of the handles when the last one is gone and nothing is
 * left inside. The caller holds a reference. */
void ncp__pool_settle(ncp_pool *pool);
/* Options of `config` that changed while the pool lives. Lock held. */
void ncp__pool_apply_limits(ncp_pool *pool);

static inline int64_t ncp__pool_num(const ncp_pool *pool, int option)
{
    return __atomic_load_n(&pool->config.num[option], __ATOMIC_RELAXED);
}

static inline uint64_t ncp__pool_option_ns(const ncp_pool *pool, int option)
{
    return (uint64_t)ncp__pool_num(pool, option) * NCP__NS_PER_MS;
}

/* The engine of a pool that is only looked at: to take its lock. */
static inline struct ncp__engine *ncp__pool_engine(const ncp_pool *pool)
{
    return (struct ncp__engine *)(uintptr_t)&pool->engine;
}

/* A deadline from a timeout in ms; below 0 never. */
static inline uint64_t ncp__deadline(uint64_t now_ns, int64_t timeout_ms)
{
    if (timeout_ms < 0 ||
        (uint64_t)timeout_ms > (NCP__NEVER - now_ns) / NCP__NS_PER_MS - 1)
        return NCP__NEVER;
    return now_ns + (uint64_t)timeout_ms * NCP__NS_PER_MS;
}

/* Milliseconds until a deadline, rounded up; -1 for never. */
int64_t ncp__ms_until(uint64_t now_ns, uint64_t deadline_ns);

/* Sleeps on a word of a pool until it changes or the deadline; with a clock of
 * its own the pool wakes sleepers by ncp_pool_wake alone. */
void ncp__pool_park(const ncp_pool *pool, atomic_uint *word, unsigned expected,
                    uint64_t deadline_ns);

/* Waits until `done` says so; NCP_OK or NCP_ETIMEOUT. `done` is called with the
 * engine's lock held. */
int ncp__pool_wait(ncp_pool *pool, int64_t timeout_ms,
                   bool (*done)(const ncp_pool *pool));

/* -------------------------------------------------------------- registry.c */

void ncp__registry_add(ncp_pool *pool);
void ncp__registry_remove(ncp_pool *pool);
ncp_pool *ncp__registry_find(const char *name);
/* Queues too have to survive a fork. */
void ncp__registry_add_queue(ncp_queue *queue);
void ncp__registry_remove_queue(ncp_queue *queue);

/* ------------------------------------------------------------------ acts.c */

/* Carries out what the engine decided. Returns the error of closing the slot
 * `mine` (NCP__NO_SLOT: the first error of any). */
int ncp__pool_act(ncp_pool *pool, struct ncp__acts *acts, uint32_t mine);

static inline bool ncp__acts_empty(const struct ncp__acts *acts)
{
    return acts->close_head == NCP__NO_SLOT &&
           acts->dial_head == NCP__NO_SLOT && acts->decided_head == NULL &&
           !acts->nobody_needs && !acts->due_changed && !acts->signal;
}

/* ------------------------------------------------------------------ conn.c */

/* Calls a connection callback; NCP_OK when there is none. `failure` is what a
 * failure is called, unless it says NCP_EUSER. */
int ncp__conn_call(const struct ncp_conn *conn, int callback, int reason,
                   int failure);
/* The same, and what a failure said of itself: a positive result, else 0. */
int ncp__conn_ask(const struct ncp_conn *conn, int callback, int reason,
                  int failure, int64_t *code);
/* Closes the connection in an owned slot: on_close, then the closer or
 * close(2). */
int ncp__conn_close(const struct ncp_conn *conn, int reason);
/* Takes a lease away from its borrower. A descriptor is shut down and stays
 * open, lest its number be reused under the borrower; a connection without one
 * is closed now. What it was goes to `copy`. False when the lease ended
 * meanwhile. */
bool ncp__conn_take_away(ncp_pool *pool, uint32_t index, uint64_t generation,
                         enum ncp__state state, int reason,
                         struct ncp__slot_copy *copy);
/* Finds out what a socket that was just dialed is like. */
void ncp__conn_examine(const ncp_pool *pool, struct ncp__made *made);
/* Logs that a connection joins the pool. */
void ncp__conn_created(const ncp_pool *pool, const struct ncp__slot *slot);
/* Whether it is a UDP socket. */
bool ncp__is_datagram(int fd);
/* The borrower of such a lease put it: the caller owns the slot. */
int ncp__conn_taken_back(ncp_pool *pool, uint32_t index);
/* Nobody may put it any more, or late: lets the descriptor go now. */
void ncp__conn_abandoned(ncp_pool *pool, uint32_t index);

/* --------------------------------------------------------------- dialing.c */

/* Runs the dial of a reserved slot, on this thread. */
void ncp__dial_run(ncp_pool *pool, uint32_t index);
/* Ends an accept in progress so that it looks around. */
void ncp__dial_interrupt(const ncp_pool *pool);

/* --------------------------------------------------------------- service.c */

/* A pool takes part in housekeeping; starts the housekeeper if it can. */
void ncp__service_join(ncp_pool *pool);
void ncp__service_leave(ncp_pool *pool);
/* Makes the housekeeper look when it is needed next. */
void ncp__service_kick(void);
/* Whether the housekeeper may tell this pool the time. */
void ncp__service_set_ticks(ncp_pool *pool, bool on);
/* The pool was used a while without ticks: the housekeeper may begin. */
void ncp__tick_wanted(ncp_pool *pool);
/* Whether there is a housekeeper: a thread may not have been to be had. */
bool ncp__service_keeps_house(void);
/* Whether this thread leaves closers to a worker; the housekeeper does. */
bool ncp__service_defers_closes(void);
/* Makes it so, or not; returns how it was. */
bool ncp__service_defer_closes(bool on);
/* Has a job done by a worker: the slot's state says which. When no thread is to
 * be had it is done here and now. */
void ncp__service_job(ncp_pool *pool, uint32_t index);
/* A dialer has run, and what it set up (of other libraries) cleans up at the end
 * of the process: before that our threads have to be gone. */
void ncp__service_dialer_ran(void);
/* Around a fork. */
void ncp__service_before_fork(void);
void ncp__service_after_fork(bool child);

/* ---------------------------------------------------------------- upkeep.c */

/* Housekeeping that is due; sets pool->due_ns. */
void ncp__upkeep(ncp_pool *pool);
/* When housekeeping is due, for the housekeeper's clock. */
uint64_t ncp__upkeep_due(const ncp_pool *pool);
/* Something may be due earlier than was planned. */
void ncp__upkeep_soon(ncp_pool *pool);
/* Options changed: plans anew, and sooner. */
void ncp__upkeep_replan(ncp_pool *pool);
/* Housekeeping is due at this time at the latest. */
void ncp__upkeep_at(ncp_pool *pool, uint64_t due_ns);
/* Plans the first one. */
void ncp__upkeep_plan(ncp_pool *pool, uint64_t now_ns);
/* Runs the health check of a slot in state CHECKING, on this thread. */
void ncp__check_run(ncp_pool *pool, uint32_t index);
/* The host answered a check that had taken too long. */
void ncp__check_answered_late(ncp_pool *pool, ncp_lease lease);

/* ----------------------------------------------------------------- stack.c */

void ncp__stack_keep(ncp_pool *pool, uint32_t index);
void ncp__stack_free(ncp_pool *pool);
int ncp__stack_text(const ncp_pool *pool, uint32_t index, char *buffer,
                    size_t size);

/* ------------------------------------------------------------------- log.c */

#define NCP__LOGS(pool, level)                                                 \
    NCP__UNLIKELY(((pool)->config.log != NULL || (pool)->host != NULL) &&      \
                  ncp__pool_num((pool), NCP_OPTION_LOG_LEVEL) >= (level))

/* One line of key=value pairs; does nothing below the level. */
void ncp__log(const ncp_pool *pool, int level, uint64_t conn_id,
              const char *format, ...) __attribute__((format(printf, 4, 5)));

/* ---------------------------------------------------------- queue.c, pull.c */

/* There is nothing in the pool any more that its queue could be told. */
void ncp__queue_remove_pool(ncp_queue *queue, ncp_pool *pool);
/* An event that says nothing yet, and the facts of a slot in it. */
void ncp__event_clear(ncp_event *event, ncp_pool *pool);
void ncp__event_slot(ncp_event *event, const ncp_pool *pool, uint32_t index,
                     int type);
/* Puts an event about a slot into the queue of the pool (work). */
void ncp__pull_work(ncp_pool *pool, uint32_t index, int type);
/* A ticket was decided: its READY event. The shape of ncp__engine_wake. */
void ncp__pull_notify(void *pool, struct ncp__waiter *ticket);
int ncp__pull_init(ncp_pool *pool);
void ncp__pull_destroy(ncp_pool *pool);
void ncp__pull_forked(ncp_pool *pool);
/* A closed pool needs no dials and checks that nobody has begun. */
void ncp__pull_drop_needless(ncp_pool *pool);

/* A lease that ends while the host looks at it (CHECK, BORROW): its get is over,
 * with this status. False, and nothing, for other leases. */
bool ncp__pull_drop_check(ncp_pool *pool, ncp_lease lease, int status);

/* ------------------------------------------------------------------ push.c */

/* The first get in the child of a fork brings the services back. */
void ncp__pool_after_fork(ncp_pool *pool);
/* Whether this fast get is one whose time is taken. */
bool ncp__get_sampled(const ncp_pool *pool);
/* A successful get took from `since_ns` until now; it stands for `weight`. */
void ncp__get_record(ncp_pool *pool, uint64_t since_ns, uint32_t weight);
/* Notes the tag of a lease. */
void ncp__get_mark(ncp_pool *pool, uint32_t index, uint64_t tag);
/* Drops stale datagrams; false when there are too many to be rid of them. */
bool ncp__get_clean(const ncp_pool *pool, uint32_t index);
/* Closes a leased connection that may not be lent; the get goes on. */
void ncp__get_reject(ncp_pool *pool, uint32_t index, int reason);

/* ----------------------------------------------------------- give_back.c */

/* After a put that has made its connection idle: serves who waits. */
void ncp__put_serve(ncp_pool *pool);
/* Ends a lease by closing its connection, for a reason. */
int ncp__lease_discard(ncp_pool *pool, ncp_lease lease, int reason);

/* ------------------------------------------------------------------ host.c */

/* What the host of a pull pool wants to be told besides (host_events). */
int ncp__host_init(ncp_pool *pool);
void ncp__host_destroy(ncp_pool *pool);
void ncp__host_forked(ncp_pool *pool);
/* False: it is told by the callback on_leak, if at all. */
bool ncp__host_leak(ncp_pool *pool, ncp_lease lease,
                    const struct ncp__slot *slot, int reason);
/* Keeps a line of log for the host. */
void ncp__host_log(const ncp_pool *pool, int level, uint64_t conn_id,
                   const char *text);
/* Housekeeping is due earlier than it was; tells the host if it thinks not. */
void ncp__host_due(ncp_pool *pool, uint64_t due_ns);
/* When it is due, and the host knows. */
uint64_t ncp__host_tell_due(const ncp_pool *pool);
/* Takes such an event out; false when there is none. */
bool ncp__host_next(ncp_pool *pool, ncp_event *event);
bool ncp__host_more_locked(const ncp_pool *pool);

/* ---------------------------------------------------------------- cancel.c */

struct ncp__cancel_entry {
    ncp_cancel *cancel;
    struct ncp__waiter *waiter;
    struct ncp__cancel_entry *next, *previous;
};

/* False when the token was fired already. */
bool ncp__cancel_watch(struct ncp__cancel_entry *entry, ncp_cancel *cancel,
                       struct ncp__waiter *waiter);
void ncp__cancel_unwatch(struct ncp__cancel_entry *entry);
bool ncp__cancel_fired(const ncp_cancel *cancel);
/* Whether the token, asked on this thread, says that waiting should end. */
bool ncp__cancel_polled(const ncp_cancel *cancel);
/* When it wants to be asked again, if that is before `until_ns`. */
uint64_t ncp__cancel_look_again(const ncp_cancel *cancel, uint64_t now_ns,
                                uint64_t until_ns);
void ncp__cancel_before_fork(void);
void ncp__cancel_after_fork(bool child);

/* ----------------------------------------------------------------- lease.c */

/* Whether a lease is out: its slot, or NULL. */
struct ncp__slot *ncp__lease_slot(const ncp_pool *pool, ncp_lease lease);

/* What a want must be: NCP_OK, NCP_EUNSUPPORTEDPROTO or NCP_EUNSUPPORTEDIP. */
int ncp__want_check(int protocol, int ip);

/* In the child of a fork. */
void ncp__pool_forked(ncp_pool *pool,
                      void (*drop)(void *context, struct ncp__slot *slot));

/* Closes what is out under its borrowers (close_now). */
void ncp__pool_take_away_all(ncp_pool *pool);

#endif

/* pool/queue.h */
/*
 * The completion queue of the pull driver: decided tickets and work, and a
 * descriptor that is readable while there are any.
 */
#ifndef NCP_POOL_QUEUE_H
#define NCP_POOL_QUEUE_H


#include <pthread.h>

struct ncp_queue {
    atomic_int refs;
    atomic_uint ready; /* 1 while there are events; threads sleep on it */
    _Atomic uint32_t sleepers;
    struct ncp__alarm alarm; /* rings while there are events */
    int listen_fd, peer_fd;  /* for loops that can only connect; -1 */
    char *path;              /* of listen_fd; NULL */
    pthread_mutex_t lock;
    /* guarded by the lock */
    struct ncp__waiter *tickets_head, *tickets_tail; /* linked by queue_next */
    ncp_pool *pools_head, *pools_tail; /* with work, linked by work_next */
    uint32_t kicks;
    bool signalled; /* the alarm rings */
    /* registry's lock */
    ncp_queue *registry_next, *registry_previous;
};

/* A pool has work; a ticket was decided. */
void ncp__queue_push_pool(ncp_queue *queue, ncp_pool *pool);
void ncp__queue_push_ticket(ncp_queue *queue, struct ncp__waiter *ticket);
/* Whether a decided ticket is in its queue, or being taken out of it. */
bool ncp__queue_holds(const struct ncp__waiter *ticket);
/* Takes it out again if it is still there. */
void ncp__queue_remove_ticket(ncp_queue *queue, struct ncp__waiter *ticket);
/* Between the two nothing this thread pushes into `queue` wakes anybody. */
void ncp__queue_hush(ncp_queue *queue);
void ncp__queue_unhush(ncp_queue *queue);
/* In the child of a fork: empty, with a descriptor of its own. */
void ncp__queue_forked(ncp_queue *queue);

/* Takes the result of a ticket for its host; false when it was taken by somebody
 * else, or waits again. No lock is held. */
bool ncp__pull_take(ncp_pool *pool, ncp_ticket ticket, ncp_event *event);
/* What a decided ticket says (event.c). The queue's lock is held. */
void ncp__pull_ticket_event(const struct ncp__waiter *ticket, ncp_event *event);
/* Takes work of a pool out; `more` says that there is some left. No lock is
 * held. Returns how many. */
int ncp__pull_work_events(ncp_pool *pool, ncp_event *events, int max,
                          bool *more);

#endif

/* pool/pull.h */
/*
 * The pull driver inside: what its files ask of each other.
 *
 * A get is a waiter (ticket.c) that takes its place (place.c), is decided by the
 * engine and comes to an answer (answer.c). Whoever calls for it holds it without
 * a name meanwhile: nobody else can take, abandon or free it.
 */
#ifndef NCP_POOL_PULL_H
#define NCP_POOL_PULL_H


/* The long way, apart: lest the shortest one saves the registers it needs. */
#define NCP__APART __attribute__((noinline))

/* ---------------------------------------------------------------- ticket.c */

int ncp__tickets_init(ncp_pool *pool);
void ncp__tickets_destroy(ncp_pool *pool);
void ncp__tickets_forked(ncp_pool *pool);

/* What a get asks for. */
struct ncp__request {
    ncp_queue *queue; /* NULL: nobody is told */
    int protocol, ip;
    int64_t timeout_ms; /* 0: no waiting; below: for ever */
    uint64_t tag;
    int flags;
};

/* A waiter without a name; NULL when out of memory. Lock held. */
struct ncp__waiter *ncp__ticket_new_locked(ncp_pool *pool,
                                           const struct ncp__request *request,
                                           uint64_t now_ns);
void ncp__ticket_free(ncp_pool *pool, struct ncp__waiter *waiter);
/* The same with the lock held; the caller drops the reference to the queue, when
 * it does not hold the lock any more. */
ncp_queue *ncp__ticket_free_locked(ncp_pool *pool, struct ncp__waiter *waiter);
/* The waiter that its host knows by a number, or NULL. Lock held. */
struct ncp__waiter *ncp__ticket_named_locked(const ncp_pool *pool,
                                             ncp_ticket ticket);
/* The waiter of a number, made nameless: it is the caller's now. With `only_
 * decided` one that still waits keeps its name and NCP_EAGAIN is returned. */
int ncp__ticket_claim(ncp_pool *pool, ncp_ticket ticket, bool only_decided,
                      struct ncp__waiter **out);
/* The waiter behind a ticket that still stands in line; NULL otherwise. Its
 * memory stays with the pool, so its state may be slept on. */
struct ncp__waiter *ncp__ticket_standing(ncp_pool *pool, ncp_ticket ticket,
                                         uint64_t *deadline_ns);
/* Whoever decided it is about to say so; after that only the caller knows it. */
void ncp__ticket_settle(struct ncp__waiter *waiter);

/* ----------------------------------------------------------------- event.c */

/* The connection of a waiter. */
void ncp__event_conn(ncp_event *event, const ncp_pool *pool,
                     const struct ncp__waiter *waiter, int type);
/* What is to be dialed, and until when. Lock held. */
void ncp__event_dial_locked(ncp_event *event, const ncp_pool *pool,
                            uint32_t index, uint64_t now_ns);
/* Why a get failed. */
void ncp__event_failure(ncp_event *event, const struct ncp__waiter *waiter,
                        int status);

/* ----------------------------------------------------------------- place.c */

/* What is said of a waiter that stands in line; noted before it does, because
 * after that it may be decided, taken and freed by others at any moment. */
struct ncp__pending {
    ncp_ticket ticket;
    uint64_t tag;
    uint64_t deadline_ns;
};

/* The host may know its number from now on. */
struct ncp__pending ncp__pull_name(ncp_pool *pool, struct ncp__waiter *waiter);
/* After a call of the engine that may have put a named waiter in line (`stood`)
 * and decided it. */
int ncp__pull_answer_or_pend(ncp_pool *pool, struct ncp__waiter *waiter,
                             bool stood, const struct ncp__pending *pending,
                             struct ncp__acts *acts, ncp_event *out);
/* A new get: tries once, or stands in line, and answers. */
int ncp__pull_begin(ncp_pool *pool, const struct ncp__request *request,
                    ncp_event *out);
/* The same for a waiter that was lent what it may not have. It may be gone
 * afterwards. */
int ncp__pull_place(ncp_pool *pool, struct ncp__waiter *waiter, ncp_event *out);

/* ---------------------------------------------------------------- answer.c */

/* What a nameless waiter came to. It may be gone afterwards. */
int ncp__pull_answer(ncp_pool *pool, struct ncp__waiter *waiter,
                     ncp_event *out);
/* Whether a ticket is decided, settled and lent without further work: the caller
 * has the answer. */
bool ncp__pull_lend_at_once(ncp_pool *pool, ncp_ticket ticket, ncp_event *out);
/* The connection is the caller's. */
int ncp__pull_lend(ncp_pool *pool, struct ncp__waiter *waiter, ncp_event *out);
/* It is healthy; the borrow hook of the host comes last. */
int ncp__pull_lend_checked(ncp_pool *pool, struct ncp__waiter *waiter,
                           ncp_event *out);

/* ----------------------------------------------------------------- check.c */

/* A check that was work; false when it is over already. */
bool ncp__pull_end_check(ncp_pool *pool, uint32_t index, bool healthy);

/* ------------------------------------------------------------------ work.c */

/* Says that a slot is to be closed, and lets go of it. */
void ncp__pull_tell_close(ncp_pool *pool, uint32_t index, ncp_event *event);

/* --------------------------------------------------------------- release.c */

/* Whether a piece of work comes of a release on this thread, which tells it. */
bool ncp__release_tells(ncp_pool *pool, uint32_t index, int type);
/* After a put that made its connection idle: serves who may be waiting. What comes
 * of it for the queue becomes events, up to `room`; returns how many. */
int ncp__release_serve(ncp_pool *pool, ncp_queue *queue, ncp_event *events,
                       int room);

#endif

/* pool/quick.h */
/*
 * The shortest way of a get and of a put, for every driver: no hook, no check, no
 * sample of the latency, nobody waits. 0 or false: nothing was done, go the long
 * way.
 */
#ifndef NCP_POOL_QUICK_H
#define NCP_POOL_QUICK_H


/* A connection at once, if nothing has to be done to it: its lease. It is of one of
 * the buckets `fitting` (ncp__fitting) as far as the hints know. One get in
 * NCP__LATENCY_EVERY goes the long way, where its time is taken; `gets` counts
 * them for a thread or a tap. */
static inline ncp_lease ncp__quick_hinted(ncp_pool *pool,
                                          struct ncp__shard *shard,
                                          uint32_t *gets, uint32_t fitting)
{
    struct ncp__engine *engine = &pool->engine;

    if (NCP__UNLIKELY((pool->quick & NCP__QUICK_GET) == 0 ||
                      *gets % NCP__LATENCY_EVERY == 0))
        return 0;
    ncp_lease lease =
        NCP__LIKELY(ncp__idle_is_quick(&engine->idle))
            ? ncp__fast_get(engine, shard, fitting, pool->quick_stop,
                            ncp__engine_now_coarse(engine))
            : ncp__fast_list_get(engine, fitting, pool->quick_stop,
                                 ncp__engine_now_coarse(engine));
    *gets += lease != 0;
    return lease;
}

/* A hint was of another kind: as if it had not been lent. Returns 0. */
ncp_lease ncp__put_misfit(ncp_pool *pool, ncp_lease lease);

/* The same for who wants a kind; a want that is none is nobody's. */
static inline ncp_lease ncp__quick_get(ncp_pool *pool, struct ncp__shard *shard,
                                       uint32_t *gets, int protocol, int ip)
{
    if (NCP__UNLIKELY((unsigned)protocol > NCP_PROTOCOL_UDP ||
                      (unsigned)ip > NCP_IP_V6))
        return 0;
    ncp_lease lease =
        ncp__quick_hinted(pool, shard, gets, ncp__fitting[protocol][ip]);
    if (lease == 0 || (protocol | ip) == 0)
        return lease;
    const struct ncp__slot *slot =
        ncp__engine_slot(&pool->engine, ncp__token_index(lease));
    return NCP__LIKELY(ncp__fits(ncp__cold(slot)->protocol, ncp__cold(slot)->ip,
                                 protocol, ip))
               ? lease
               : ncp__put_misfit(pool, lease);
}

/* Has the time of this thread's next get taken. */
static inline void ncp__get_sample_next(void)
{
    ncp__thread.gets -= ncp__thread.gets % NCP__LATENCY_EVERY;
}

/* A pool that is used much gets its time from the housekeeper. */
static inline uint64_t ncp__put_time(ncp_pool *pool)
{
    const struct ncp__engine *engine = &pool->engine;

    if (NCP__UNLIKELY(
            atomic_load_explicit(&engine->tick_ns, memory_order_relaxed) == 0))
        ncp__tick_wanted(pool);
    return ncp__engine_now_coarse(engine);
}

/* A put, but for the serving of who may wait. */
static inline enum ncp__fast_put
ncp__quick_return(ncp_pool *pool, struct ncp__shard *shard, ncp_lease lease)
{
    struct ncp__engine *engine = &pool->engine;

    if (NCP__UNLIKELY((pool->quick & NCP__QUICK_PUT) == 0))
        return NCP__PUT_NOT;
    return NCP__LIKELY(ncp__idle_is_quick(&engine->idle))
               ? ncp__fast_put(engine, shard, lease, ncp__put_time(pool))
               : ncp__fast_list_put(engine, lease, ncp__put_time(pool));
}

static inline bool ncp__quick_put(ncp_pool *pool, struct ncp__shard *shard,
                                  ncp_lease lease)
{
    enum ncp__fast_put put = ncp__quick_return(pool, shard, lease);

    if (NCP__UNLIKELY(put == NCP__PUT_SERVE))
        ncp__put_serve(pool);
    return put != NCP__PUT_NOT;
}

#endif

/* How a get of the pull driver begins. */

static int acquire_slow(ncp_pool *pool, const struct ncp__request *request,
                        ncp_event *out)
{
    struct ncp__engine *engine = &pool->engine;

    ncp__pool_after_fork(pool);
    if (ncp__engine_closed(engine))
        return NCP_ECLOSED;
    return ncp__pull_begin(pool, request, out);
}

/* No ticket is needed when there is an idle one. */
static bool acquire_idle(ncp_pool *pool, const struct ncp__request *request,
                         ncp_event *out)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    uint64_t since_ns = ncp__get_sampled(pool) ? ncp__engine_now(engine) : 0;

    if ((pool->borrow_work & NCP__BORROW_ASK) != 0)
        return false;
    uint32_t index =
        ncp__engine_fast_get(engine, request->protocol, request->ip,
                             ncp__engine_now_coarse(engine), &acts);
    if (NCP__UNLIKELY(!ncp__acts_empty(&acts)))
        ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    if (index == NCP__NO_SLOT)
        return false;
    if (NCP__UNLIKELY(!ncp__get_clean(pool, index))) {
        ncp__get_reject(pool, index, NCP_REASON_DIRTY);
        return false;
    }
    if (since_ns != 0)
        ncp__get_record(pool, since_ns, NCP__LATENCY_EVERY);
    ncp__engine_count_fast(ncp__engine_slot(engine, index));
    ncp__get_mark(pool, index, request->tag);
    ncp__event_lend(out, pool, ncp__engine_slot(engine, index),
                    ncp__engine_lease(engine, index), request->tag);
    return true;
}

static NCP__APART int acquire(ncp_pool *pool, struct ncp__request *request,
                              ncp_event *out)
{
    if (out == NULL)
        return NCP_EINVAL;
    ncp__event_clear(out, pool);
    if (pool == NULL)
        return NCP_EINVAL;
    if (!pool->pull)
        return NCP_ESTATE;
    int rc = ncp__want_check(request->protocol, request->ip);
    if (rc != NCP_OK)
        return rc;
    if (request->timeout_ms == NCP_TIMEOUT_DEFAULT)
        request->timeout_ms =
            atomic_load_explicit(&pool->get_timeout_ms, memory_order_relaxed);
    if (acquire_idle(pool, request, out))
        return NCP_OK;
    ncp__pool_hold(pool);
    rc = acquire_slow(pool, request, out);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

/* The shortest way: one is there that fits, and nothing is odd. */
static inline bool acquire_quick(ncp_pool *pool, int protocol, int ip,
                                 uint64_t tag, ncp_event *out)
{
    const struct ncp__idle *idle = &pool->engine.idle;
    ncp_lease lease = ncp__quick_get(pool, ncp__idle_home(idle),
                                     &ncp__thread.gets, protocol, ip);

    if (NCP__UNLIKELY(lease == 0))
        return false;
    uint32_t index = ncp__token_index(lease);
    if (NCP__UNLIKELY(tag != 0))
        ncp__get_mark(pool, index, tag);
    ncp__event_lend(out, pool, ncp__engine_slot(&pool->engine, index), lease,
                    tag);
    return true;
}

int ncp_pool_acquire(ncp_pool *pool, ncp_queue *queue, int protocol, int ip,
                     int64_t timeout_ms, uint64_t tag, int flags,
                     ncp_event *out)
{
    if (NCP__LIKELY(pool != NULL && out != NULL && pool->pull &&
                    acquire_quick(pool, protocol, ip, tag, out)))
        return NCP_OK;
    return acquire(
        pool,
        &(struct ncp__request){queue, protocol, ip, timeout_ms, tag, flags},
        out);
}

int ncp_pool_refuse(ncp_pool *pool, int status)
{
    if (pool == NULL)
        return NCP_EINVAL;
    if (ncp__engine_closed(&pool->engine))
        return NCP_ECLOSED;
    ncp__engine_count_failure(
        &pool->engine, status == NCP_ETIMEOUT ? NCP_ETIMEOUT : NCP_ECANCELED);
    return NCP_OK;
}

/* ----------------------------------------------------------- pool/acts.c */

/* Carrying out what the engine decided: with no lock held. */

/* The first of a list linked by cold.link, taken out. */
static uint32_t pop(const ncp_pool *pool, uint32_t *head)
{
    uint32_t index = *head;

    if (index != NCP__NO_SLOT)
        *head = ncp__cold(ncp__engine_slot(&pool->engine, index))->link;
    return index;
}

/* In a pull pool the host dials: for a ticket its queue, else the pool's. */
static void start_dial(ncp_pool *pool, uint32_t index)
{
    if (pool->pull)
        ncp__pull_work(pool, index, NCP_EVENT_DIAL);
    else
        ncp__service_job(pool, index);
}

static void start_dials(ncp_pool *pool, struct ncp__acts *acts)
{
    uint32_t index;

    while ((index = pop(pool, &acts->dial_head)) != NCP__NO_SLOT)
        start_dial(pool, index);
    acts->dial_tail = NCP__NO_SLOT;
}

/* A closer may take its time: some threads leave it to a worker. */
static bool close_elsewhere(const ncp_pool *pool)
{
    return ncp__service_defers_closes() &&
           (pool->config.conn[NCP_CALLBACK_CLOSER] != NULL ||
            pool->config.conn[NCP_CALLBACK_ON_CLOSE] != NULL);
}

/* Slots whose connections are closed, linked by cold.link. */
struct closed {
    uint32_t head;
    uint32_t count;
};

/* How many closes of a closed pool may wait for the engine to hear of them. */
enum { CLOSED_AT_ONCE = 64 };

static void tell_closed(ncp_pool *pool, struct closed *closed,
                        struct ncp__acts *acts)
{
    struct ncp__engine *engine = &pool->engine;

    if (closed->count != 0)
        ncp__engine_closed_some(engine, closed->head, ncp__engine_now(engine),
                                acts);
    *closed = (struct closed){NCP__NO_SLOT, 0};
}

static int close_one(ncp_pool *pool, uint32_t index, struct closed *closed)
{
    struct ncp_conn conn = {pool, ncp__engine_slot(&pool->engine, index),
                            index};

    if (pool->pull) {
        ncp__pull_work(pool, index, NCP_EVENT_CLOSE);
        return NCP_OK;
    }
    if (close_elsewhere(pool)) {
        ncp__service_job(pool, index);
        return NCP_OK;
    }
    int rc = ncp__conn_close(&conn, ncp__cold(conn.slot)->reason);
    ncp__cold(conn.slot)->link = closed->head;
    closed->head = index;
    closed->count++;
    return rc;
}

static int close_all(ncp_pool *pool, struct ncp__acts *acts, uint32_t mine)
{
    struct closed closed = {NCP__NO_SLOT, 0};
    int status = NCP_OK;
    uint32_t index;

    while ((index = pop(pool, &acts->close_head)) != NCP__NO_SLOT) {
        int rc = close_one(pool, index, &closed);
        if (status == NCP_OK && (mine == NCP__NO_SLOT || mine == index))
            status = rc;
        mine = mine == index ? NCP__MAX_SLOTS : mine; /* once */
        if (closed.count == CLOSED_AT_ONCE ||
            !ncp__engine_closed(
                &pool->engine)) /* somebody may want the place */
            tell_closed(pool, &closed, acts);
    }
    tell_closed(pool, &closed, acts);
    return status;
}

static void tell_signal(ncp_pool *pool)
{
    struct ncp__engine *engine = &pool->engine;

    /* Seq_cst: pairs with ncp__pool_wait, which announces itself first. */
    atomic_fetch_add_explicit(&engine->signal, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&engine->signal_waiters, memory_order_seq_cst) !=
        0)
        ncp__unpark(&engine->signal);
}

int ncp__pool_act(ncp_pool *pool, struct ncp__acts *acts, uint32_t mine)
{
    int status = NCP_OK;

    while (!ncp__acts_empty(acts)) {
        bool nobody_needs = acts->nobody_needs, signal = acts->signal;
        bool due_changed = acts->due_changed;

        acts->nobody_needs = acts->signal = acts->due_changed = false;
        ncp__engine_wake(acts, ncp__pull_notify, pool);
        start_dials(pool, acts);
        if (nobody_needs && pool->accepts)
            ncp__dial_interrupt(pool);
        int rc = close_all(pool, acts, mine);
        status = status == NCP_OK ? rc : status;
        if (due_changed)
            ncp__upkeep_soon(pool);
        if (signal)
            tell_signal(pool);
    }
    return status;
}

/* ---------------------------------------------------------- pool/alarm.c */


#include <fcntl.h>
#include <unistd.h>

void ncp__alarm_close(struct ncp__alarm *alarm)
{
    if (alarm->fd < 0)
        return;
    close(alarm->fd);
    if (alarm->write_fd != alarm->fd)
        close(alarm->write_fd);
    alarm->fd = -1;
    alarm->write_fd = -1;
}

static void replace(int with, int number)
{
    dup2(with, number);
    fcntl(number, F_SETFD, FD_CLOEXEC);
}

void ncp__alarm_forked(struct ncp__alarm *alarm)
{
    struct ncp__alarm own;

    if (alarm->fd < 0 || ncp__alarm_open(&own) != NCP_OK)
        return;
    replace(own.fd, alarm->fd);
    if (alarm->write_fd != alarm->fd)
        replace(own.write_fd, alarm->write_fd);
    ncp__alarm_close(&own);
}

/* ---------------------------------------------------- pool/alarm_linux.c */

/* An alarm is an eventfd. */
#ifdef __linux__


#include <sys/eventfd.h>
#include <unistd.h>

int ncp__alarm_open(struct ncp__alarm *alarm)
{
    alarm->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    alarm->write_fd = alarm->fd;
    return alarm->fd < 0 ? NCP_ESYS : NCP_OK;
}

void ncp__alarm_ring(const struct ncp__alarm *alarm)
{
    uint64_t one = 1;

    if (write(alarm->write_fd, &one, sizeof(one)) < 0)
        return; /* it rings already */
}

void ncp__alarm_silence(const struct ncp__alarm *alarm)
{
    uint64_t count;

    if (read(alarm->fd, &count, sizeof(count)) < 0)
        return; /* it did not ring */
}

#endif

/* ---------------------------------------------------- pool/alarm_posix.c */

/* An alarm is a pipe. */
#ifdef __linux__
typedef int ncp__alarm_posix_not_used; /* no empty file in C */
#else


#include <fcntl.h>
#include <unistd.h>

static void prepare__pool_alarm_posix(int fd)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
}

int ncp__alarm_open(struct ncp__alarm *alarm)
{
    int ends[2] = {-1, -1};
    int rc = pipe(ends) == 0 ? NCP_OK : NCP_ESYS;

    alarm->fd = ends[0];
    alarm->write_fd = ends[1];
    if (rc == NCP_OK) {
        prepare__pool_alarm_posix(ends[0]);
        prepare__pool_alarm_posix(ends[1]);
    }
    return rc;
}

void ncp__alarm_ring(const struct ncp__alarm *alarm)
{
    if (write(alarm->write_fd, "", 1) < 0)
        return; /* it rings already */
}

void ncp__alarm_silence(const struct ncp__alarm *alarm)
{
    char bytes[64];

    while (read(alarm->fd, bytes, sizeof(bytes)) > 0)
        continue;
}

#endif

/* --------------------------------------------------------- pool/answer.c */

/* What a get has come to: the answer to its host. */

/* The host is to look at it first; the waiter stays with it until then. */
static int ask_host(ncp_pool *pool, struct ncp__waiter *waiter, int type,
                    ncp_event *out)
{
    struct ncp__slot *slot = ncp__engine_slot(&pool->engine, waiter->slot);

    ncp__engine_lock(&pool->engine);
    waiter->outcome = (uint8_t)type;
    slot->of.owner = waiter;
    atomic_fetch_or_explicit(&slot->flags, NCP__FLAG_BORROW_CHECK,
                             memory_order_relaxed);
    ncp__engine_unlock(&pool->engine);
    ncp__event_conn(out, pool, waiter, type);
    if (type == NCP_EVENT_CHECK)
        out->timeout_ms = ncp__pool_num(pool, NCP_OPTION_HEALTH_CHECK_TIMEOUT);
    return NCP_OK;
}

/* The connection is the caller's, and the ticket is over; its queue is to be
 * dropped by a reference. */
static ncp_queue *lend_locked(ncp_pool *pool, struct ncp__waiter *waiter,
                              ncp_event *out)
{
    ncp__event_conn(out, pool, waiter, NCP_EVENT_CONN);
    ncp__count_end_locked(&pool->engine, waiter, NCP_OK, !waiter->fresh);
    ncp__get_mark(pool, waiter->slot, waiter->tag);
    return ncp__ticket_free_locked(pool, waiter);
}

int ncp__pull_lend(ncp_pool *pool, struct ncp__waiter *waiter, ncp_event *out)
{
    struct ncp__slot *slot = ncp__engine_slot(&pool->engine, waiter->slot);
    uint64_t since_ns = waiter->since_ns;

    if (waiter->outcome != NCP_EVENT_CONN) /* the borrow begins now */
        atomic_store_explicit(&slot->touched_ns, ncp__engine_now(&pool->engine),
                              memory_order_relaxed);
    ncp__engine_lock(&pool->engine);
    ncp_queue *queue = lend_locked(pool, waiter, out);
    ncp__engine_unlock(&pool->engine);
    ncp__queue_unref(queue);
    ncp__get_record(pool, since_ns, 1);
    return NCP_OK;
}

/* Most connections that are handed over need nothing to be done to them, and
 * their tickets are taken after everything was said of them. Lock held. */
static bool is_lent_as_it_is(const ncp_pool *pool,
                             const struct ncp__waiter *waiter)
{
    if (waiter->queued || waiter->status != NCP_OK ||
        waiter->outcome != NCP_EVENT_CONN ||
        (pool->borrow_work & NCP__BORROW_ASK) != 0)
        return false;
    const struct ncp__slot *slot =
        ncp__engine_slot(&pool->engine, waiter->slot);
    uint8_t flags = atomic_load_explicit(&slot->flags, memory_order_relaxed);
    return (flags & NCP__FLAG_DATAGRAM) == 0 &&
           atomic_load_explicit(&waiter->state, memory_order_acquire) ==
               NCP__DECIDED &&
           !ncp__queue_holds(waiter);
}

bool ncp__pull_lend_at_once(ncp_pool *pool, ncp_ticket ticket, ncp_event *out)
{
    ncp_queue *queue = NULL;
    uint64_t since_ns = 0;

    ncp__engine_lock(&pool->engine);
    struct ncp__waiter *waiter = ncp__ticket_named_locked(pool, ticket);
    bool lent = waiter != NULL && is_lent_as_it_is(pool, waiter);
    if (lent) {
        since_ns = waiter->since_ns;
        queue = lend_locked(pool, waiter, out);
    }
    ncp__engine_unlock(&pool->engine);
    ncp__queue_unref(queue);
    if (lent)
        ncp__get_record(pool, since_ns, 1);
    return lent;
}

int ncp__pull_lend_checked(ncp_pool *pool, struct ncp__waiter *waiter,
                           ncp_event *out)
{
    return (pool->borrow_work & NCP__BORROW_HOOK) != 0
               ? ask_host(pool, waiter, NCP_EVENT_BORROW, out)
               : ncp__pull_lend(pool, waiter, out);
}

static int answer_conn(ncp_pool *pool, struct ncp__waiter *waiter,
                       ncp_event *out)
{
    if (waiter->fresh)
        return ncp__pull_lend_checked(pool, waiter, out);
    if (!ncp__get_clean(pool, waiter->slot)) {
        ncp__get_reject(pool, waiter->slot, NCP_REASON_DIRTY);
        return ncp__pull_place(pool, waiter, out);
    }
    return (pool->borrow_work & NCP__BORROW_CHECK) != 0
               ? ask_host(pool, waiter, NCP_EVENT_CHECK, out)
               : ncp__pull_lend_checked(pool, waiter, out);
}

static int answer_dial(ncp_pool *pool, struct ncp__waiter *waiter,
                       ncp_event *out)
{
    struct ncp__engine *engine = &pool->engine;
    uint64_t now_ns = ncp__engine_now(engine);

    ncp__engine_lock(engine);
    ncp__event_dial_locked(out, pool, waiter->slot, now_ns);
    ncp__engine_unlock(engine);
    out->tag = waiter->tag;
    if (waiter->not_before_ns > now_ns)
        out->timeout_ms = ncp__ms_until(now_ns, waiter->not_before_ns);
    return NCP_OK;
}

int ncp__pull_answer(ncp_pool *pool, struct ncp__waiter *waiter, ncp_event *out)
{
    int status = waiter->status;

    if (status == NCP_OK && waiter->outcome == NCP_EVENT_CONN)
        return answer_conn(pool, waiter, out);
    if (status == NCP_OK && waiter->outcome == NCP_EVENT_DIAL)
        return answer_dial(pool, waiter, out);
    ncp__event_failure(out, waiter, status);
    ncp__ticket_free(pool, waiter);
    return status;
}

/* ------------------------------------------------------ pool/callbacks.c */

/* pool/options.h */
/*
 * The option table and the texts of its values.
 */
#ifndef NCP_POOL_OPTIONS_H
#define NCP_POOL_OPTIONS_H


/* Ten years. In nanoseconds, times the largest leak_evict_multiplier, it stays
 * below INT64_MAX: no deadline computed from an option overflows. */
#define NCP__DURATION_MAX_MS INT64_C(315360000000)

/* One option. */
struct ncp__option_row {
    const char *name;
    int type; /* enum ncp_type */
    int runtime;
    const char *unit;
    int64_t client; /* the default of each mode */
    int64_t server;
    int64_t min;
    int64_t max;              /* of a text: its longest, in bytes */
    const char *zero;         /* what 0 says, or NULL when it is a mere 0 */
    const char *const *names; /* of an enumeration: by value, min to max */
    const char *help;
};

/* The row of an option, NULL for a value that is none. */
const struct ncp__option_row *ncp__option_row(int option);

/* The option whose name is nearest to a misspelt one, or 0. */
int ncp__option_nearest(const char *name);

/* Reads a value that is no text; NCP_OK, or NCP_EINVALIDCONFIG with a reason
 * (NCP__REASON_SIZE bytes). The range is not checked. */
int ncp__option_read(int option, const char *text, int64_t *out, char *reason);

/* Writes a value in the form ncp__option_read reads, as snprintf does. */
int ncp__option_write(int option, int64_t value, char *buffer, size_t size);

/* Writes a sentence (NCP__REASON_SIZE bytes); returns NCP_EINVALIDCONFIG. */
__attribute__((format(printf, 2, 3))) int ncp__refuse(char *reason,
                                                      const char *format, ...);

enum { NCP__QUOTE_SIZE = 48 };

/* `text` for a sentence: cut, and in printable ASCII. Returns `quote`
 * (NCP__QUOTE_SIZE bytes). */
const char *ncp__quote(char *quote, const char *text);

/* Whether two texts are equal in ASCII, in any case. */
bool ncp__text_equal(const char *a, const char *b);

#endif

/*
 * The callbacks of a configuration: shared hooks, whose `drop` runs once.
 */

struct ncp__hook *ncp__hook_ref(struct ncp__hook *hook)
{
    /* relaxed: who takes a reference holds one already */
    if (hook != NULL)
        atomic_fetch_add_explicit(&hook->refs, 1, memory_order_relaxed);
    return hook;
}

void ncp__hook_unref(struct ncp__hook *hook)
{
    if (hook == NULL)
        return;
    /* acq_rel, pairs with itself: who drops the hook sees what the others
     * did with it before they let go */
    if (atomic_fetch_sub_explicit(&hook->refs, 1, memory_order_acq_rel) > 1)
        return;
    if (hook->drop != NULL)
        hook->drop(hook->user);
    ncp__free(hook);
}

static struct ncp__hook *hook_new(void *user, ncp_drop_fn drop)
{
    struct ncp__hook *hook = ncp__alloc(sizeof *hook);

    if (hook == NULL)
        return NULL;
    atomic_init(&hook->refs, 1);
    hook->user = user;
    hook->drop = drop;
    return hook;
}

/* The call is over and nothing keeps `user`. */
static int hook_refuse(int status, void *user, ncp_drop_fn drop)
{
    if (drop != NULL)
        drop(user);
    return status;
}

/* Puts `hook` in `place`; last, because dropping the old one calls out. */
static int hook_replace(ncp_config *config, struct ncp__hook **place,
                        struct ncp__hook *hook)
{
    struct ncp__hook *old = *place;

    config->reason[0] = '\0';
    *place = hook;
    ncp__hook_unref(old);
    return NCP_OK;
}

static int hook_remove(ncp_config *config, struct ncp__hook **place, void *user,
                       ncp_drop_fn drop)
{
    hook_replace(config, place, NULL);
    return hook_refuse(NCP_OK, user, drop);
}

static int hook_no_memory(ncp_config *config, void *user, ncp_drop_fn drop)
{
    ncp__refuse(config->reason, "the callback is not set: out of memory");
    return hook_refuse(NCP_ENOMEM, user, drop);
}

static int hook_set_dial(ncp_config *config, struct ncp__hook **place,
                         ncp_dial_fn function, void *user, ncp_drop_fn drop)
{
    if (function == NULL)
        return hook_remove(config, place, user, drop);
    struct ncp__hook *hook = hook_new(user, drop);
    if (hook == NULL)
        return hook_no_memory(config, user, drop);
    hook->fn.dial = function;
    return hook_replace(config, place, hook);
}

int ncp_config_set_dialer(ncp_config *config, ncp_dial_fn dial, void *user,
                          ncp_drop_fn drop)
{
    if (config == NULL)
        return hook_refuse(NCP_EINVAL, user, drop);
    return hook_set_dial(config, &config->dialer, dial, user, drop);
}

int ncp_config_set_acceptor(ncp_config *config, ncp_dial_fn acceptor,
                            void *user, ncp_drop_fn drop)
{
    if (config == NULL)
        return hook_refuse(NCP_EINVAL, user, drop);
    return hook_set_dial(config, &config->acceptor, acceptor, user, drop);
}

int ncp_config_set_callback(ncp_config *config, int callback,
                            ncp_conn_fn function, void *user, ncp_drop_fn drop)
{
    if (config == NULL)
        return hook_refuse(NCP_EINVAL, user, drop);
    if (callback < NCP_CALLBACK_CLOSER || callback >= NCP__CALLBACK_END) {
        ncp__refuse(config->reason,
                    "%d is no callback: use a value of enum ncp_callback",
                    callback);
        return hook_refuse(NCP_EINVAL, user, drop);
    }
    if (function == NULL)
        return hook_remove(config, &config->conn[callback], user, drop);
    struct ncp__hook *hook = hook_new(user, drop);
    if (hook == NULL)
        return hook_no_memory(config, user, drop);
    hook->fn.conn = function;
    return hook_replace(config, &config->conn[callback], hook);
}

int ncp_config_set_log(ncp_config *config, ncp_log_fn log, void *user,
                       ncp_drop_fn drop)
{
    if (config == NULL)
        return hook_refuse(NCP_EINVAL, user, drop);
    if (log == NULL)
        return hook_remove(config, &config->log, user, drop);
    struct ncp__hook *hook = hook_new(user, drop);
    if (hook == NULL)
        return hook_no_memory(config, user, drop);
    hook->fn.log = log;
    return hook_replace(config, &config->log, hook);
}

int ncp_config_set_clock(ncp_config *config, ncp_clock_fn clock, void *user,
                         ncp_drop_fn drop)
{
    if (config == NULL)
        return hook_refuse(NCP_EINVAL, user, drop);
    if (clock == NULL)
        return hook_remove(config, &config->clock, user, drop);
    struct ncp__hook *hook = hook_new(user, drop);
    if (hook == NULL)
        return hook_no_memory(config, user, drop);
    hook->fn.clock = clock;
    return hook_replace(config, &config->clock, hook);
}

int ncp_config_set_queue(ncp_config *config, ncp_queue *queue)
{
    if (config == NULL)
        return NCP_EINVAL;
    ncp_queue *old = config->queue;
    config->reason[0] = '\0';
    config->queue = ncp__queue_ref(queue);
    ncp__queue_unref(old);
    return NCP_OK;
}

/* ----------------------------------------------------------- a clock by hand */

uint64_t ncp_manual_clock(void *user)
{
    return __atomic_load_n((const uint64_t *)user, __ATOMIC_ACQUIRE);
}

/* --------------------------------------------------------- pool/cancel.c */

/* Cancellation: a token that any number of gets may carry. */

#include <pthread.h>

struct ncp_cancel {
    atomic_bool fired;
    struct ncp__cancel_entry *entries; /* guarded by `lock` */
    unsigned forks;   /* how many there had been when `entries` was in use */
    ncp_poll_fn poll; /* set before the token is used */
    void *poll_user;
    uint64_t poll_interval_ns;
};

/* One lock for all tokens: it is taken only by gets that carry one and have to
 * wait. Before the engine's lock. */
static pthread_mutex_t lock__pool_cancel = PTHREAD_MUTEX_INITIALIZER;
static unsigned forks; /* of this process's line; guarded by `lock` */

int ncp_cancel_new(ncp_cancel **out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = ncp__alloc(sizeof(**out));
    return *out == NULL ? NCP_ENOMEM : NCP_OK;
}

void ncp_cancel_free(ncp_cancel *cancel)
{
    ncp__free(cancel);
}

bool ncp__cancel_fired(const ncp_cancel *cancel)
{
    return cancel != NULL &&
           atomic_load_explicit(&cancel->fired, memory_order_seq_cst);
}

int ncp_cancel_set_poll(ncp_cancel *cancel, ncp_poll_fn poll, void *user,
                        int64_t interval_ms)
{
    if (cancel == NULL || interval_ms < 1 ||
        interval_ms > INT64_MAX / (int64_t)NCP__NS_PER_MS)
        return NCP_EINVAL;
    cancel->poll = poll;
    cancel->poll_user = user;
    cancel->poll_interval_ns = (uint64_t)interval_ms * NCP__NS_PER_MS;
    return NCP_OK;
}

bool ncp__cancel_polled(const ncp_cancel *cancel)
{
    return cancel != NULL && cancel->poll != NULL &&
           cancel->poll(cancel->poll_user) != 0;
}

uint64_t ncp__cancel_look_again(const ncp_cancel *cancel, uint64_t now_ns,
                                uint64_t until_ns)
{
    if (cancel == NULL || cancel->poll == NULL ||
        until_ns - now_ns < cancel->poll_interval_ns)
        return until_ns;
    return now_ns + cancel->poll_interval_ns;
}

/* In a child the gets of the parent's threads are no more. */
static void forget_parents_gets(ncp_cancel *cancel)
{
    if (cancel->forks != forks)
        cancel->entries = NULL;
    cancel->forks = forks;
}

static void add__pool_cancel(struct ncp__cancel_entry *entry)
{
    ncp_cancel *cancel = entry->cancel;

    forget_parents_gets(cancel);
    entry->previous = NULL;
    entry->next = cancel->entries;
    if (cancel->entries != NULL)
        cancel->entries->previous = entry;
    cancel->entries = entry;
}

bool ncp__cancel_watch(struct ncp__cancel_entry *entry, ncp_cancel *cancel,
                       struct ncp__waiter *waiter)
{
    *entry = (struct ncp__cancel_entry){.cancel = cancel, .waiter = waiter};
    if (cancel == NULL)
        return true;
    pthread_mutex_lock(&lock__pool_cancel);
    bool fired = ncp__cancel_fired(cancel);
    if (!fired)
        add__pool_cancel(entry);
    pthread_mutex_unlock(&lock__pool_cancel);
    if (fired)
        entry->cancel = NULL;
    return !fired;
}

void ncp__cancel_unwatch(struct ncp__cancel_entry *entry)
{
    if (entry->cancel == NULL)
        return;
    pthread_mutex_lock(&lock__pool_cancel);
    if (entry->previous != NULL)
        entry->previous->next = entry->next;
    else
        entry->cancel->entries = entry->next;
    if (entry->next != NULL)
        entry->next->previous = entry->previous;
    pthread_mutex_unlock(&lock__pool_cancel);
}

/* Pokes the waiters of all entries: each thread sees the token and gives up. */
int ncp_cancel_fire(ncp_cancel *cancel)
{
    if (cancel == NULL)
        return NCP_EINVAL;
    pthread_mutex_lock(&lock__pool_cancel);
    /* Seq_cst: pairs with a waiter that announces its sleep, then looks. */
    atomic_store_explicit(&cancel->fired, true, memory_order_seq_cst);
    forget_parents_gets(cancel);
    for (struct ncp__cancel_entry *entry = cancel->entries; entry != NULL;
         entry = entry->next)
        ncp__waiter_poke(entry->waiter);
    pthread_mutex_unlock(&lock__pool_cancel);
    return NCP_OK;
}

void ncp__cancel_before_fork(void)
{
    pthread_mutex_lock(&lock__pool_cancel);
}

void ncp__cancel_after_fork(bool child)
{
    if (child) {
        pthread_mutex_init(&lock__pool_cancel, NULL);
        forks++;
    } else {
        pthread_mutex_unlock(&lock__pool_cancel);
    }
}

/* ---------------------------------------------------------- pool/check.c */

/* Checks that the host does: of what it is about to borrow, and as work. */

/* The check of check_on_borrow: the waiter that stays with the lease. */
static struct ncp__waiter *claim_borrow_check(ncp_pool *pool, ncp_lease lease)
{
    struct ncp__waiter *waiter = NULL;

    ncp__engine_lock(&pool->engine);
    struct ncp__slot *slot = ncp__lease_slot(pool, lease);
    if (slot != NULL &&
        (atomic_load_explicit(&slot->flags, memory_order_relaxed) &
         NCP__FLAG_BORROW_CHECK) != 0) {
        atomic_fetch_and_explicit(&slot->flags,
                                  (uint8_t)~NCP__FLAG_BORROW_CHECK,
                                  memory_order_relaxed);
        waiter = slot->of.owner;
        slot->of.tag = 0;
    }
    ncp__engine_unlock(&pool->engine);
    return waiter;
}

/* The borrow hook of the host has looked at it. */
static int finish_borrow_hook(ncp_pool *pool, struct ncp__waiter *waiter,
                              bool accepted, ncp_event *out)
{
    if (accepted)
        return ncp__pull_lend(pool, waiter, out);
    ncp__get_reject(pool, waiter->slot, NCP_REASON_HOOK);
    ncp__engine_count_end(&pool->engine, waiter, NCP_EHOOK, false);
    ncp__event_failure(out, waiter, NCP_EHOOK);
    ncp__ticket_free(pool, waiter);
    return NCP_EHOOK;
}

static int finish_borrow_check(ncp_pool *pool, struct ncp__waiter *waiter,
                               bool healthy, ncp_event *out)
{
    if (waiter->outcome == NCP_EVENT_BORROW)
        return finish_borrow_hook(pool, waiter, healthy, out);
    ncp__engine_count_check(&pool->engine, healthy);
    if (healthy)
        return ncp__pull_lend_checked(pool, waiter, out);
    ncp__get_reject(pool, waiter->slot, NCP_REASON_UNHEALTHY);
    return ncp__pull_place(pool, waiter, out);
}

bool ncp__pull_end_check(ncp_pool *pool, uint32_t index, bool healthy)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;

    if (!ncp__engine_check_done(engine, index, healthy, ncp__engine_now(engine),
                                &acts))
        return false;
    ncp__engine_lock(engine);
    pool->checks_out--;
    ncp__engine_unlock(engine);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    return true;
}

/* A check that was handed out as work. */
static int finish_check(ncp_pool *pool, ncp_lease lease, bool healthy)
{
    struct ncp__slot *slot = ncp__slot_of(&pool->engine.slots, lease);
    uint64_t word = ncp__word(ncp__token_generation(lease), NCP__CHECKING);

    if (slot == NULL)
        return NCP_EINVALIDCONN;
    if (atomic_load_explicit(&slot->word, memory_order_acquire) == word &&
        ncp__pull_end_check(pool, ncp__token_index(lease), healthy))
        return NCP_OK;
    ncp__check_answered_late(pool, lease);
    return NCP_EINVALIDCONN;
}

static int checked(ncp_pool *pool, ncp_lease lease, bool healthy,
                   ncp_event *out)
{
    struct ncp__waiter *waiter = claim_borrow_check(pool, lease);

    return waiter != NULL ? finish_borrow_check(pool, waiter, healthy, out)
                          : finish_check(pool, lease, healthy);
}

int ncp_pool_checked(ncp_pool *pool, ncp_lease lease, int healthy,
                     ncp_event *out)
{
    ncp_event unused;

    out = out == NULL ? &unused : out;
    ncp__event_clear(out, pool);
    if (pool == NULL)
        return NCP_EINVAL;
    if (!pool->pull)
        return NCP_ESTATE;
    ncp__pool_hold(pool);
    int rc = checked(pool, lease, healthy != 0, out);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

bool ncp__pull_drop_check(ncp_pool *pool, ncp_lease lease, int status)
{
    struct ncp__waiter *waiter =
        pool->pull ? claim_borrow_check(pool, lease) : NULL;

    if (waiter == NULL)
        return false;
    ncp__engine_count_end(&pool->engine, waiter, status, false);
    ncp__ticket_free(pool, waiter);
    return true;
}

/* --------------------------------------------------------- pool/config.c */

/*
 * Configurations: made, copied, set and read. validate.c judges them.
 */

#include <stdio.h>
#include <string.h>

int ncp_config_new(int mode, ncp_config **out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = NULL;
    if (mode != NCP_MODE_CLIENT && mode != NCP_MODE_SERVER)
        return NCP_EINVALIDCONFIG;
    ncp_config *config = ncp__alloc(sizeof *config);
    if (config == NULL)
        return NCP_ENOMEM;
    for (int option = 1; option < NCP__OPTION_END; option++) {
        if (ncp_option_type(option) != NCP_TYPE_TEXT)
            ncp_option_range(option, mode, &config->num[option], NULL, NULL);
    }
    *out = config;
    return NCP_OK;
}

void ncp_config_free(ncp_config *config)
{
    if (config == NULL)
        return;
    ncp__config_clear(config);
    ncp__free(config);
}

int ncp_config_copy(const ncp_config *config, ncp_config **out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = NULL;
    if (config == NULL)
        return NCP_EINVAL;
    ncp_config *copy = ncp__alloc(sizeof *copy);
    if (copy == NULL)
        return NCP_ENOMEM;
    int status = ncp__config_copy_into(copy, config);
    if (status != NCP_OK) {
        ncp__free(copy);
        return status;
    }
    *out = copy;
    return NCP_OK;
}

/* Stores a text that was checked; "" unsets it. Room for the longest one is
 * taken at once, so that replacing a text that is set never fails: a caller
 * that sets several can undo what it did. */
static int config_store(struct ncp_config *config, int option, const char *text)
{
    if (*text == '\0') {
        ncp__free(config->text[option]);
        config->text[option] = NULL;
        return NCP_OK;
    }
    if (config->text[option] == NULL) {
        size_t room = (size_t)ncp__option_row(option)->max + 1;
        config->text[option] = ncp__alloc(room);
    }
    if (config->text[option] == NULL)
        return NCP_ENOMEM;
    memmove(config->text[option], text, strlen(text) + 1);
    return NCP_OK;
}

static int config_copy_texts(struct ncp_config *config,
                             const struct ncp_config *from)
{
    for (int option = 1; option < NCP__OPTION_END; option++) {
        const char *text = from->text[option];
        int status = config_store(config, option, text == NULL ? "" : text);
        if (status != NCP_OK)
            return status;
    }
    return NCP_OK;
}

int ncp__config_copy_into(struct ncp_config *config,
                          const struct ncp_config *from)
{
    *config = (struct ncp_config){0};
    int status = config_copy_texts(config, from);
    if (status != NCP_OK) {
        ncp__config_clear(config);
        return status;
    }
    memcpy(config->num, from->num, sizeof config->num);
    for (int i = 0; i < NCP__CALLBACK_END; i++)
        config->conn[i] = ncp__hook_ref(from->conn[i]);
    config->dialer = ncp__hook_ref(from->dialer);
    config->acceptor = ncp__hook_ref(from->acceptor);
    config->log = ncp__hook_ref(from->log);
    config->clock = ncp__hook_ref(from->clock);
    config->queue = ncp__queue_ref(from->queue);
    return NCP_OK;
}

void ncp__config_clear(struct ncp_config *config)
{
    /* Emptied first: a drop may look at it. */
    struct ncp_config old = *config;

    *config = (struct ncp_config){0};
    for (int i = 0; i < NCP__CALLBACK_END; i++)
        ncp__hook_unref(old.conn[i]);
    ncp__hook_unref(old.dialer);
    ncp__hook_unref(old.acceptor);
    ncp__hook_unref(old.log);
    ncp__hook_unref(old.clock);
    ncp__queue_unref(old.queue);
    for (int option = 1; option < NCP__OPTION_END; option++)
        ncp__free(old.text[option]);
}

const char *ncp_config_reason(const ncp_config *config)
{
    return config == NULL ? "" : config->reason;
}

/* ------------------------------------------------------------------ numbers */

int ncp_config_set_int(ncp_config *config, int option, int64_t value)
{
    if (config == NULL)
        return NCP_EINVAL;
    const struct ncp__option_row *row = ncp__option_row(option);
    if (row == NULL) {
        ncp__refuse(config->reason,
                    "%d is no option: use a value of enum ncp_option", option);
        return NCP_ENOTFOUND;
    }
    if (row->type == NCP_TYPE_TEXT)
        return ncp__refuse(config->reason,
                           "%s is a text: set it with ncp_config_set()",
                           row->name);
    config->num[option] = value;
    config->reason[0] = '\0';
    return NCP_OK;
}

int ncp_config_get_int(const ncp_config *config, int option, int64_t *out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = 0;
    if (config == NULL)
        return NCP_EINVAL;
    const struct ncp__option_row *row = ncp__option_row(option);
    if (row == NULL)
        return NCP_ENOTFOUND;
    if (row->type == NCP_TYPE_TEXT)
        return NCP_EINVALIDCONFIG;
    *out = config->num[option];
    return NCP_OK;
}

/* -------------------------------------------------------------------- texts */

static int config_refuse_name(ncp_config *config, const char *name)
{
    char quote[NCP__QUOTE_SIZE];
    int nearest = ncp__option_nearest(name);

    ncp__quote(quote, name);
    if (nearest != 0)
        ncp__refuse(config->reason, "\"%s\" is no option: did you mean %s?",
                    quote, ncp_option_name(nearest));
    else
        ncp__refuse(config->reason,
                    "\"%s\" is no option: ncp_option_at() lists them", quote);
    return NCP_ENOTFOUND;
}

static bool config_has_control(const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < ' ' || c == 0x7f)
            return true;
    }
    return false;
}

static int config_set_text(ncp_config *config, int option, const char *text)
{
    const struct ncp__option_row *row = ncp__option_row(option);
    char quote[NCP__QUOTE_SIZE];

    if (strlen(text) > (size_t)row->max)
        return ncp__refuse(config->reason,
                           "%s is %zu bytes long: use at most %lld", row->name,
                           strlen(text), (long long)row->max);
    if (config_has_control(text))
        return ncp__refuse(config->reason,
                           "%s is \"%s\": remove the control characters",
                           row->name, ncp__quote(quote, text));
    int status = config_store(config, option, text);
    if (status != NCP_OK)
        ncp__refuse(config->reason, "%s is not set: out of memory", row->name);
    return status;
}

int ncp_config_set(ncp_config *config, const char *name, const char *text)
{
    int option;
    int status;

    if (config == NULL)
        return NCP_EINVAL;
    if (name == NULL || text == NULL) {
        ncp__refuse(config->reason, "the %s is NULL: give one",
                    name == NULL ? "name of an option" : "text of a value");
        return NCP_EINVAL;
    }
    if (ncp_option_find(name, &option) != NCP_OK)
        return config_refuse_name(config, name);
    if (ncp_option_type(option) == NCP_TYPE_TEXT)
        status = config_set_text(config, option, text);
    else
        status = ncp__option_read(option, text, &config->num[option],
                                  config->reason);
    if (status == NCP_OK)
        config->reason[0] = '\0';
    return status;
}

int ncp_config_get(const ncp_config *config, const char *name, char *buffer,
                   size_t size)
{
    int option;

    if (buffer == NULL && size > 0)
        return NCP_EINVAL;
    if (size > 0)
        buffer[0] = '\0';
    if (config == NULL || name == NULL)
        return NCP_EINVAL;
    if (ncp_option_find(name, &option) != NCP_OK)
        return NCP_ENOTFOUND;
    if (ncp_option_type(option) != NCP_TYPE_TEXT)
        return ncp__option_write(option, config->num[option], buffer, size);
    const char *text = config->text[option];
    return snprintf(buffer, size, "%s", text == NULL ? "" : text);
}

/* ----------------------------------------------------------- pool/conn.c */

/* What is done to one connection: callbacks, and the ways of closing it. */

int ncp__conn_ask(const struct ncp_conn *conn, int callback, int reason,
                  int failure, int64_t *code)
{
    const struct ncp__hook *hook = conn->pool->config.conn[callback];

    *code = 0;
    if (hook == NULL)
        return NCP_OK;
    int rc = hook->fn.conn(hook->user, conn, reason);
    if (rc == NCP_OK || rc == NCP_EUSER)
        return rc;
    *code = rc > 0 ? rc : 0;
    return failure;
}

int ncp__conn_call(const struct ncp_conn *conn, int callback, int reason,
                   int failure)
{
    int64_t code;

    return ncp__conn_ask(conn, callback, reason, failure, &code);
}

static int close_descriptor(const struct ncp_conn *conn)
{
    const struct ncp__cold *cold = ncp__cold(conn->slot);

    if (cold->fd < 0)
        return NCP_OK;
    int error = ncp__net.close(cold->fd);
    if (error == 0)
        return NCP_OK;
    ncp__log(conn->pool, NCP_LOG_ERROR, cold->id, "event=close_failed errno=%d",
             error);
    return NCP_ECLOSEHOOK;
}

/* The closer, or close(2): once a connection. The slot forgets the descriptor
 * first: a child forked meanwhile must not close what its number has become. */
static int let_go__pool_conn(const struct ncp_conn *conn, int reason)
{
    struct ncp__slot_copy copy;
    struct ncp_conn view = {conn->pool, &copy.slot, conn->index};

    ncp__slot_view(&copy, conn->slot);
    /* Who looks at leases may still look at this one. */
    __atomic_store_n(&ncp__cold(conn->slot)->fd, -1, __ATOMIC_RELAXED);
    if (conn->pool->config.conn[NCP_CALLBACK_CLOSER] == NULL)
        return close_descriptor(&view);
    int rc = ncp__conn_call(&view, NCP_CALLBACK_CLOSER, reason, NCP_ECLOSEHOOK);
    if (rc != NCP_OK)
        ncp__log(conn->pool, NCP_LOG_ERROR, copy.cold.id,
                 "event=close_failed reason=%s status=%s",
                 ncp_reason_text(reason), ncp_status_name(rc));
    return rc;
}

static void announce__pool_conn(const struct ncp_conn *conn, int reason)
{
    const struct ncp__slot *slot = conn->slot;
    const struct ncp__cold *cold = ncp__cold(slot);

    ncp__log(conn->pool, NCP_LOG_DEBUG, cold->id,
             "event=close reason=%s protocol=%s ip=%s", ncp_reason_text(reason),
             ncp_protocol_text(cold->protocol), ncp_ip_text(cold->ip));
    (void)ncp__conn_call(conn, NCP_CALLBACK_ON_CLOSE, reason, NCP_EHOOK);
}

int ncp__conn_close(const struct ncp_conn *conn, int reason)
{
    announce__pool_conn(conn, reason);
    return let_go__pool_conn(conn, reason);
}

bool ncp__conn_take_away(ncp_pool *pool, uint32_t index, uint64_t generation,
                         enum ncp__state state, int reason,
                         struct ncp__slot_copy *copy)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp__cold *cold = ncp__cold(slot);
    struct ncp_conn conn = {pool, &copy->slot, index};
    struct ncp__acts acts = NCP__NO_ACTS;
    uint64_t now_ns = ncp__engine_now(engine);

    ncp__engine_lock(engine);
    /* While the host looks at it the borrow has not begun. */
    bool begun = (atomic_load_explicit(&slot->flags, memory_order_relaxed) &
                  NCP__FLAG_BORROW_CHECK) == 0;
    bool ours = begun && ncp__take_away_locked(engine, index, generation, state,
                                               now_ns, &acts);
    if (ours) {
        cold->reason = (uint8_t)reason;
        ncp__slot_view(copy, slot); /* the borrower may put it any moment */
        /* Under the lock, which a put takes before it closes the descriptor. */
        if (cold->fd >= 0 && !pool->pull)
            ncp__net.shutdown(cold->fd);
    }
    ncp__engine_unlock(engine);
    if (ours && pool->pull)
        ncp__pull_work(pool, index, NCP_EVENT_CLOSE);
    else if (ours)
        announce__pool_conn(&conn, reason);
    if (ours && !pool->pull && copy->cold.fd < 0)
        (void)let_go__pool_conn(&conn, reason);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    return ours;
}

int ncp__conn_taken_back(ncp_pool *pool, uint32_t index)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp__cold *cold = ncp__cold(slot);
    struct ncp_conn conn = {pool, slot, index};
    struct ncp__acts acts = NCP__NO_ACTS;
    int rc = NCP_OK;

    ncp__engine_lock(engine); /* who took it away is done with it */
    bool to_close = cold->fd >= 0 && !pool->pull;
    bool to_tell = cold->work != 0; /* pull: its CLOSE event frees the slot */
    if (to_tell)
        ncp__mark_closing_locked(slot);
    ncp__engine_unlock(engine);
    if (to_tell)
        return NCP_OK;
    if (to_close)
        rc = let_go__pool_conn(&conn, cold->reason);
    ncp__engine_taken_back(engine, index, &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    return rc;
}

void ncp__conn_abandoned(ncp_pool *pool, uint32_t index)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp__slot_copy copy = {.cold.fd = -1};
    struct ncp_conn conn = {pool, &copy.slot, index};

    ncp__engine_lock(engine);
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
    enum ncp__state state = ncp__word_state(word);
    if (state == NCP__EVICTED || state == NCP__TAKEN) {
        ncp__slot_view(&copy, slot);
        ncp__cold(slot)->fd = -1;
    }
    ncp__engine_unlock(engine);
    if (copy.cold.fd >= 0 && !pool->pull)
        (void)let_go__pool_conn(&conn, copy.cold.reason);
}

void ncp__conn_examine(const ncp_pool *pool, struct ncp__made *made)
{
    if (ncp__pool_num(pool, NCP_OPTION_RESTORE_BLOCKING) != 0 && made->fd >= 0)
        made->nonblocking = ncp__net.nonblocking(made->fd) == 1;
    made->datagram = ncp__is_datagram(made->fd);
}

void ncp__conn_created(const ncp_pool *pool, const struct ncp__slot *slot)
{
    const struct ncp__cold *cold = ncp__cold(slot);

    ncp__log(pool, NCP_LOG_DEBUG, cold->id, "event=create protocol=%s ip=%s",
             ncp_protocol_text(cold->protocol), ncp_ip_text(cold->ip));
}

bool ncp__is_datagram(int fd)
{
    int protocol = NCP_PROTOCOL_UNKNOWN, ip;

    if (fd >= 0)
        ncp__net.detect(fd, &protocol, &ip);
    return protocol == NCP_PROTOCOL_UDP;
}

/* ------------------------------------------------------- pool/describe.c */

/* A pool in words, for whoever has to find out what is wrong. */

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { SHOWN_LEASES = 10 };

struct text {
    char *buffer;
    size_t size, length;
};

static void add__pool_describe(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add__pool_describe(struct text *text, const char *format, ...)
{
    size_t left = text->length < text->size ? text->size - text->length : 0;
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(left != 0 ? text->buffer + text->length : NULL, left,
                           format, arguments);
    va_end(arguments);
    text->length += length > 0 ? (size_t)length : 0;
}

static const char *state_of(const ncp_pool *pool)
{
    uint64_t gate = ncp__engine_gate(&pool->engine);

    if ((gate & NCP__GATE_CLOSED) != 0)
        return "closed";
    return (gate & NCP__GATE_SUSPENDED) != 0 ? "suspended" : "open";
}

static void add_counts(struct text *text, const ncp_pool *pool)
{
    struct ncp__engine *engine = ncp__pool_engine(pool);
    const char *name = pool->config.text[NCP_OPTION_NAME];
    uint32_t idle, active;

    ncp__engine_counts(engine, &idle, &active);
    ncp__engine_lock(engine);
    uint32_t waiting = engine->lines.waiting, dialing = engine->dialing;
    uint32_t max = engine->limits.max;
    enum ncp__breaker breaker = engine->gatekeeper.breaker;
    ncp__engine_unlock(engine);
    add__pool_describe(text, "pool %s: %s, %s, %s driver\n", name == NULL ? "-" : name,
        state_of(pool),
        ncp_mode_text((int)ncp__pool_num(pool, NCP_OPTION_MODE)),
        pool->pull ? "pull" : "push");
    add__pool_describe(text, "connections: %u in use, %u idle, %u being made, ", active, idle,
        dialing);
    if (max == 0)
        add__pool_describe(text, "no limit\n");
    else
        add__pool_describe(text, "limit %u\n", max);
    add__pool_describe(text, "waiting: %u\n", waiting);
    if (breaker != NCP__BREAKER_CLOSED)
        add__pool_describe(text, "circuit breaker: %s\n",
            breaker == NCP__BREAKER_OPEN ? "open" : "probing");
}

static void add_gets(struct text *text, const ncp_pool *pool)
{
    uint64_t v[NCP_COUNTER_COUNT];

    if (pool->engine.latency == NULL)
        return;
    (void)ncp_pool_stats(pool, v, NCP_COUNTER_COUNT);
    add__pool_describe(text,
        "gets: %" PRIu64 " successful, %" PRIu64 " failed, %" PRIu64
        " timed out; p50 %" PRIu64 " ns, p99 %" PRIu64 " ns\n",
        v[NCP_COUNTER_SUCCESSFUL], v[NCP_COUNTER_FAILED],
        v[NCP_COUNTER_TIMEOUT], v[NCP_COUNTER_P50_GET_TIME],
        v[NCP_COUNTER_P99_GET_TIME]);
    add__pool_describe(text,
        "created: %" PRIu64 ", closed: %" PRIu64 ", errors: %" PRIu64
        ", leaked: %" PRIu64 ", evicted: %" PRIu64 "\n",
        v[NCP_COUNTER_CREATED], v[NCP_COUNTER_CLOSED],
        v[NCP_COUNTER_CONNECTION_ERRORS], v[NCP_COUNTER_LEAKED],
        v[NCP_COUNTER_EVICTED]);
}

static void add_dial_error(struct text *text, const ncp_pool *pool)
{
    int64_t code, age_ms;
    uint64_t count;
    char reason[128];

    if (ncp_pool_dial_error(pool, &code, &age_ms, &count, reason,
                            sizeof(reason)) != NCP_OK)
        return;
    add__pool_describe(text,
        "last dial error: code %" PRId64 ", %" PRId64 " ms ago, %" PRIu64
        " in a row: %s\n",
        code, age_ms, count, reason);
}

static void add_lease(struct text *text, const ncp_pool *pool, ncp_lease lease)
{
    uint64_t id = 0, age_ns = 0, tag = 0, leaked = 0;

    if (ncp_lease_info(pool, lease, NCP_INFO_ID, &id) != NCP_OK ||
        ncp_lease_info(pool, lease, NCP_INFO_BORROWED_NS, &age_ns) != NCP_OK ||
        ncp_lease_info(pool, lease, NCP_INFO_TAG, &tag) != NCP_OK ||
        ncp_lease_info(pool, lease, NCP_INFO_LEAK_DETECTED, &leaked) != NCP_OK)
        return; /* it came back meanwhile */
    add__pool_describe(text,
        "borrowed: connection %" PRIu64 " for %" PRIu64 " ms, tag %" PRIu64
        "%s\n",
        id, age_ns / NCP__NS_PER_MS, tag, leaked != 0 ? ", leaked" : "");
}

static void add_leases(struct text *text, const ncp_pool *pool)
{
    ncp_lease leases[SHOWN_LEASES];
    size_t count;

    if (ncp_pool_leases(pool, leases, SHOWN_LEASES, &count) != NCP_OK)
        return;
    for (size_t i = 0; i < count && i < SHOWN_LEASES; i++)
        add_lease(text, pool, leases[i]);
    if (count > SHOWN_LEASES)
        add__pool_describe(text, "borrowed: %zu more\n", count - SHOWN_LEASES);
}

int ncp_pool_describe(const ncp_pool *pool, char *buffer, size_t size)
{
    struct text text = {buffer, size, 0};

    if (size != 0 && buffer != NULL)
        buffer[0] = '\0';
    if (pool == NULL || (buffer == NULL && size != 0))
        return NCP_EINVAL;
    add_counts(&text, pool);
    add_gets(&text, pool);
    add_dial_error(&text, pool);
    add_leases(&text, pool);
    return (int)text.length;
}

/* -------------------------------------------------------- pool/dialing.c */

/* Running a dialer or an acceptor for a reserved slot. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct ncp_dial {
    ncp_pool *pool;
    uint64_t deadline_ns; /* the caller's */
    uint64_t timeout_ns;  /* connection_timeout */
    int protocol, ip, attempt;
    /* result */
    bool done;
    bool nonblocking;
    struct ncp__made made;
    int64_t code;
    char text[121];
};

/* ---------------------------------------------------------- what dialers call */

int ncp_dial_protocol(const ncp_dial *dial)
{
    return dial == NULL ? NCP_PROTOCOL_UNKNOWN : dial->protocol;
}

int ncp_dial_ip(const ncp_dial *dial)
{
    return dial == NULL ? NCP_IP_UNKNOWN : dial->ip;
}

static int64_t left_ms(const ncp_dial *dial, uint64_t end_ns)
{
    return end_ns == NCP__NEVER
               ? INT64_MAX
               : ncp__ms_until(ncp__engine_now(&dial->pool->engine), end_ns);
}

int64_t ncp_dial_deadline_ms(const ncp_dial *dial)
{
    if (dial == NULL)
        return 0;
    return left_ms(dial, dial->deadline_ns < dial->timeout_ns
                             ? dial->deadline_ns
                             : dial->timeout_ns);
}

int64_t ncp_dial_timeout_ms(const ncp_dial *dial)
{
    return dial == NULL ? 0 : left_ms(dial, dial->timeout_ns);
}

int ncp_dial_attempt(const ncp_dial *dial)
{
    return dial == NULL ? 0 : dial->attempt;
}

int ncp_dial_listener_fd(const ncp_dial *dial)
{
    if (dial == NULL ||
        ncp__pool_num(dial->pool, NCP_OPTION_MODE) != NCP_MODE_SERVER)
        return -1;
    return (int)ncp__pool_num(dial->pool, NCP_OPTION_LISTENER_FD);
}

int ncp_dial_stopped(const ncp_dial *dial)
{
    return dial != NULL && ncp__engine_closed(&dial->pool->engine);
}

int ncp_dial_done(ncp_dial *dial, uint64_t handle, int fd, int protocol, int ip)
{
    if (dial == NULL)
        return NCP_EINVAL;
    dial->made = ncp__made(handle, fd, protocol, ip);
    dial->done = true;
    return NCP_OK;
}

int ncp_dial_done_fd(ncp_dial *dial, int fd)
{
    int protocol, ip;

    if (dial == NULL || fd < 0)
        return NCP_EINVAL;
    ncp__net.detect(fd, &protocol, &ip);
    return ncp_dial_done(dial, (uint64_t)fd, fd, protocol, ip);
}

void ncp_dial_fail(ncp_dial *dial, int64_t code, const char *text)
{
    if (dial == NULL)
        return;
    dial->code = code;
    snprintf(dial->text, sizeof(dial->text), "%s", text == NULL ? "" : text);
}

/* Whether it is still wanted after waiting for a worker or for a client; when
 * not, it has been ended. */
static bool still_wanted(ncp_pool *pool, uint32_t index)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    bool wanted =
        ncp__engine_dial_wanted(engine, index, ncp__engine_now(engine), &acts);

    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    return wanted;
}

/* ------------------------------------------------------------------- accepting */

void ncp__dial_interrupt(const ncp_pool *pool)
{
    if (pool->wake.fd >= 0)
        ncp__alarm_ring(&pool->wake);
}

/* Such as "accept: Too many open files". */
static int accept_failed(ncp_dial *dial, const char *call)
{
    int error = errno;
    char buffer[64], text[sizeof(dial->text)];

    snprintf(text, sizeof(text), "%s: %s", call,
             strerror_r(error, buffer, sizeof(buffer)));
    ncp_dial_fail(dial, error, text);
    return NCP_EDIAL;
}

/* Accepts from the listener for as long as somebody waits: they may all have
 * left meanwhile, so that is asked before a client is taken. NCP_ECANCELED: the
 * dial was ended, nobody waits. The engine allows one such dial at a time, so no
 * other misses an interrupt that is drained here. */
static int accept_one(ncp_pool *pool, uint32_t index, ncp_dial *dial)
{
    int listener = (int)ncp__pool_num(pool, NCP_OPTION_LISTENER_FD);
    int fd = -1;

    for (;;) {
        int waited = ncp__net.wait_client(listener, pool->wake.fd, -1);
        if (waited == NCP_EAGAIN)
            ncp__alarm_silence(&pool->wake);
        else if (waited != NCP_OK)
            return accept_failed(dial, "poll");
        if (!still_wanted(pool, index))
            return NCP_ECANCELED;
        if (waited == NCP_EAGAIN)
            continue;
        int rc = ncp__net.accept(&pool->config, listener, &fd);
        if (rc == NCP_OK)
            return ncp_dial_done_fd(dial, fd);
        if (rc != NCP_EAGAIN)
            return accept_failed(dial, "accept");
    }
}

/* -------------------------------------------------------------------- one dial */

static void read_request(ncp_pool *pool, uint32_t index, ncp_dial *dial)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp__cold *cold = ncp__cold(slot);

    *dial = (ncp_dial){.pool = pool, .deadline_ns = NCP__NEVER};
    ncp__engine_lock(engine);
    dial->protocol = cold->protocol;
    dial->ip = cold->ip;
    dial->timeout_ns = cold->due_ns;
    if (slot->of.owner != NULL) {
        dial->deadline_ns = slot->of.owner->deadline_ns;
        dial->attempt = slot->of.owner->attempts;
    }
    ncp__engine_unlock(engine);
}

static int call_dialer(ncp_pool *pool, uint32_t index, ncp_dial *dial)
{
    const struct ncp__hook *hook =
        ncp__pool_num(pool, NCP_OPTION_MODE) == NCP_MODE_SERVER
            ? pool->config.acceptor
            : pool->config.dialer;

    if (pool->accepts)
        return accept_one(pool, index, dial);
    int rc = hook->fn.dial(hook->user, dial);
    ncp__service_dialer_ran();
    if (rc == NCP_OK)
        return dial->done ? NCP_OK : NCP_EINVALIDCONN;
    return rc == NCP_EUSER ? rc : NCP_EDIAL;
}

static void fail__pool_dialing(ncp_pool *pool, uint32_t index, int status,
                 const ncp_dial *dial)
{
    struct ncp__engine *engine = &pool->engine;
    bool bound = ncp__cold(ncp__engine_slot(engine, index))->dial_kind ==
                 NCP__DIAL_BOUND;
    struct ncp__acts acts = NCP__NO_ACTS;
    const char *text = status == NCP_EINVALIDCONN && dial->text[0] == '\0'
                           ? "the dialer returned no connection"
                           : dial->text;

    ncp__log(pool, NCP_LOG_WARN, 0,
             "event=dial_failed status=%s code=%lld text=\"%s\"",
             ncp_status_name(status), (long long)dial->code, text);
    if (bound)
        (void)ncp__engine_bound_failed(engine, index, status, dial->code, text,
                                       ncp__engine_now(engine), &acts);
    else
        ncp__engine_dial_failed(engine, index, status, dial->code, text,
                                ncp__engine_now(engine), &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
}

/* on_created, with the permit given back. */
static int created(ncp_pool *pool, uint32_t index, ncp_dial *dial)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;

    ncp__conn_examine(pool, &dial->made);
    ncp__engine_dialed(engine, index, &dial->made, ncp__engine_now(engine),
                       &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    struct ncp_conn conn = {pool, ncp__engine_slot(engine, index), index};
    int64_t code;
    int rc = ncp__conn_ask(&conn, NCP_CALLBACK_ON_CREATED, NCP_REASON_NONE,
                           NCP_EHOOK, &code);
    if (rc == NCP_OK)
        return rc;
    ncp_dial_fail(dial, code, "on_created refused the connection");
    (void)ncp__conn_close(&conn, NCP_REASON_HOOK);
    return rc;
}

static void succeed(ncp_pool *pool, uint32_t index)
{
    struct ncp__engine *engine = &pool->engine;
    const struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp__acts acts = NCP__NO_ACTS;

    ncp__conn_created(pool, slot);
    if (ncp__cold(slot)->dial_kind == NCP__DIAL_BOUND)
        (void)ncp__engine_bound_connected(engine, index,
                                          ncp__engine_now(engine), &acts);
    else
        ncp__engine_connected(engine, index, ncp__engine_now(engine), &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
}

void ncp__dial_run(ncp_pool *pool, uint32_t index)
{
    ncp_dial dial;

    if (!still_wanted(pool, index))
        return;
    read_request(pool, index, &dial);
    int rc = call_dialer(pool, index, &dial);
    if (rc == NCP_ECANCELED)
        return; /* an accept that was ended */
    if (rc == NCP_OK)
        rc = created(pool, index, &dial);
    if (rc == NCP_OK)
        succeed(pool, index);
    else
        fail__pool_dialing(pool, index, rc, &dial);
}

/* ----------------------------------------------------------- for pull hosts */

static int dial_for_host(ncp_pool *pool, struct ncp__hook *dialer,
                         ncp_dial *dial, int *out)
{
    int rc = dialer->fn.dial(dialer->user, dial);

    ncp__hook_unref(dialer);
    if (rc != NCP_OK)
        return ncp__engine_closed(&pool->engine) ? NCP_ECLOSED : NCP_EDIAL;
    *out = dial->made.fd;
    return NCP_OK;
}

int ncp_pool_dial_target(ncp_pool *pool, int protocol, int ip,
                         int64_t timeout_ms, int64_t *code, char *text,
                         size_t size, int *out)
{
    struct ncp__hook *dialer;

    if (code != NULL)
        *code = 0;
    if (text != NULL && size > 0)
        text[0] = '\0';
    if (out == NULL)
        return NCP_EINVAL;
    *out = -1;
    if (pool == NULL || timeout_ms == 0 || (text == NULL && size > 0))
        return NCP_EINVAL;
    if (pool->config.text[NCP_OPTION_TARGET] == NULL)
        return NCP_ESTATE;
    int rc = ncp__net.dialer_new(&pool->config, &dialer);
    if (rc != NCP_OK)
        return rc;
    if (timeout_ms < 0)
        timeout_ms = ncp__pool_num(pool, NCP_OPTION_CONNECTION_TIMEOUT);
    uint64_t until_ns =
        ncp__deadline(ncp__engine_now(&pool->engine), timeout_ms);
    ncp_dial dial = {.pool = pool,
                     .protocol = protocol,
                     .ip = ip,
                     .deadline_ns = until_ns,
                     .timeout_ns = until_ns};
    ncp__pool_hold(pool);
    rc = dial_for_host(pool, dialer, &dial, out);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    if (code != NULL)
        *code = dial.code;
    if (text != NULL && rc != NCP_OK)
        snprintf(text, size, "%s", dial.text);
    return rc;
}

/* ---------------------------------------------------------- pool/event.c */



void ncp__event_clear(ncp_event *event, ncp_pool *pool)
{
    ncp__event_none(event, pool);
}

void ncp__event_slot(ncp_event *event, const ncp_pool *pool, uint32_t index,
                     int type)
{
    const struct ncp__slot *slot = ncp__engine_slot(&pool->engine, index);
    const struct ncp__cold *cold = ncp__cold(slot);

    event->type = type;
    event->lease = ncp__engine_lease(&pool->engine, index);
    event->handle = slot->handle;
    event->conn_id = cold->id;
    event->fd = cold->fd;
    event->protocol = cold->protocol;
    event->ip = cold->ip;
}

void ncp__event_conn(ncp_event *event, const ncp_pool *pool,
                     const struct ncp__waiter *waiter, int type)
{
    ncp__event_slot(event, pool, waiter->slot, type);
    event->tag = waiter->tag;
    event->reused = !waiter->fresh;
}

void ncp__event_dial_locked(ncp_event *event, const ncp_pool *pool,
                            uint32_t index, uint64_t now_ns)
{
    const struct ncp__slot *slot = ncp__engine_slot(&pool->engine, index);
    const struct ncp__waiter *owner = slot->of.owner;
    uint64_t end_ns = ncp__cold(slot)->due_ns;

    ncp__event_slot(event, pool, index, NCP_EVENT_DIAL);
    event->handle = 0;
    event->conn_id = 0;
    event->fd = -1;
    if (owner != NULL) {
        end_ns = owner->deadline_ns < end_ns ? owner->deadline_ns : end_ns;
        event->tag = owner->tag;
        event->reason = owner->attempts;
        event->ticket = owner->named ? owner->ticket : 0;
    }
    event->timeout_ms = ncp__ms_until(now_ns, end_ns);
    event->creation_ms = ncp__ms_until(now_ns, ncp__cold(slot)->due_ns);
}

void ncp__event_failure(ncp_event *event, const struct ncp__waiter *waiter,
                        int status)
{
    event->status = status;
    event->code = waiter->code;
    event->tag = waiter->tag;
    event->ticket = waiter->ticket;
}

void ncp__pull_ticket_event(const struct ncp__waiter *ticket, ncp_event *event)
{
    ncp__event_clear(event, ticket->pool);
    event->type = NCP_EVENT_READY;
    event->status = ticket->status;
    event->code = ticket->code;
    event->ticket = ticket->ticket;
    event->tag = ticket->tag;
}

/* ------------------------------------------------------ pool/give_back.c */

/* The ways in which a lease ends: put, discard, detach, close by the holder. */

/* A lease that had been taken away, or is none. */
static int put_odd(ncp_pool *pool, ncp_lease lease, uint32_t index, int status)
{
    if (index == NCP__NO_SLOT) /* closed by its holder: welcome, once */
        return ncp__engine_forget_closed(&pool->engine, lease)
                   ? NCP_OK
                   : NCP_EINVALIDCONN;
    int rc = ncp__conn_taken_back(pool, index);
    return status == NCP_ELEAKED ? status : rc;
}

/* Closes an owned slot; the error of its closer, or NCP_OK. */
static int close_owned(ncp_pool *pool, uint32_t index, int reason)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;

    ncp__engine_begin_close(engine, index, reason, ncp__engine_now(engine),
                            &acts);
    return ncp__pool_act(pool, &acts, index);
}

static void restore_blocking(const struct ncp__slot *slot)
{
    uint8_t flags = atomic_load_explicit(&slot->flags, memory_order_relaxed);

    if (ncp__cold(slot)->fd >= 0)
        ncp__net.set_nonblocking(ncp__cold(slot)->fd,
                                 (flags & NCP__FLAG_NONBLOCKING) != 0);
}

/* The next borrower sees nothing of this lease. */
static void wipe(struct ncp__slot *slot)
{
    const uint8_t kept =
        NCP__FLAG_UNHEALTHY | NCP__FLAG_NONBLOCKING | NCP__FLAG_DATAGRAM;
    uint8_t flags = atomic_load_explicit(&slot->flags, memory_order_relaxed);

    if (NCP__LIKELY((flags & ~kept) == 0))
        return;
    slot->of.tag = 0;
    atomic_fetch_and_explicit(&slot->flags, kept, memory_order_relaxed);
}

/* on_return, for a connection that will be kept. */
static int return_work(ncp_pool *pool, uint32_t index)
{
    struct ncp__slot *slot = ncp__engine_slot(&pool->engine, index);
    struct ncp_conn conn = {pool, slot, index};

    if ((pool->return_work & NCP__RETURN_HOOK) != 0) {
        int rc = pool->on_return(pool->on_return_user, &conn, NCP_REASON_NONE);
        if (rc != NCP_OK)
            return rc == NCP_EUSER ? rc : NCP_EHOOK;
    }
    if ((pool->return_work & NCP__RETURN_BLOCKING) != 0)
        restore_blocking(slot);
    return NCP_OK;
}

static int put_owned(ncp_pool *pool, uint32_t index)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp__acts acts = NCP__NO_ACTS;
    uint64_t now_ns = ncp__put_time(pool);
    int reason = ncp__engine_expired(engine, slot, now_ns, true);

    if (NCP__UNLIKELY(ncp__engine_closed(engine)))
        reason = NCP_REASON_POOL_CLOSED;
    if (NCP__UNLIKELY(reason != NCP_REASON_NONE))
        return close_owned(pool, index, reason);
    wipe(slot);
    if (NCP__UNLIKELY(pool->return_work != 0)) {
        int rc = return_work(pool, index);
        if (rc != NCP_OK) {
            (void)close_owned(pool, index, NCP_REASON_HOOK);
            return rc;
        }
    }
    atomic_store_explicit(&slot->touched_ns, now_ns, memory_order_relaxed);
    if (NCP__LIKELY(!ncp__engine_offer(engine, index, now_ns, &acts)))
        return NCP_OK;
    return ncp__pool_act(pool, &acts, index);
}

/* While the pool is closing its memory has to be held on to. */
static int put_closing(ncp_pool *pool, ncp_lease lease)
{
    uint32_t index;

    ncp__pool_hold(pool);
    (void)ncp__pull_drop_check(pool, lease, NCP_ECANCELED);
    int rc = ncp__engine_end_lease(&pool->engine, lease, NCP__HELD, &index);
    rc =
        rc == NCP_OK ? put_owned(pool, index) : put_odd(pool, lease, index, rc);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

void ncp__put_serve(ncp_pool *pool)
{
    struct ncp__acts acts = NCP__NO_ACTS;

    ncp__engine_serve(&pool->engine, ncp__engine_now(&pool->engine), &acts);
    (void)ncp__pool_act(pool, &acts, NCP__NO_SLOT);
}

ncp_lease ncp__put_misfit(ncp_pool *pool, ncp_lease lease)
{
    struct ncp__slot *slot =
        ncp__engine_slot(&pool->engine, ncp__token_index(lease));
    uint64_t gets = atomic_load_explicit(&slot->gets, memory_order_relaxed);

    atomic_store_explicit(&slot->gets, gets - 1, memory_order_relaxed);
    (void)ncp_pool_put(pool, lease);
    return 0;
}

static int put(ncp_pool *pool, ncp_lease lease)
{
    uint32_t index;

    if (NCP__UNLIKELY(ncp__engine_closed(&pool->engine)))
        return put_closing(pool, lease);
    if (NCP__UNLIKELY((pool->borrow_work & NCP__BORROW_ASK) != 0))
        (void)ncp__pull_drop_check(pool, lease, NCP_ECANCELED);
    int rc = ncp__engine_end_lease(&pool->engine, lease, NCP__HELD, &index);
    if (NCP__UNLIKELY(rc != NCP_OK))
        return put_odd(pool, lease, index, rc);
    return put_owned(pool, index);
}

int ncp_pool_put(ncp_pool *pool, ncp_lease lease)
{
    if (NCP__UNLIKELY(pool == NULL))
        return NCP_EINVALIDCONN;
    if (NCP__LIKELY(
            ncp__quick_put(pool, ncp__idle_home(&pool->engine.idle), lease)))
        return NCP_OK;
    return put(pool, lease);
}

static int discard(ncp_pool *pool, ncp_lease lease, int reason)
{
    uint32_t index;

    (void)ncp__pull_drop_check(pool, lease, NCP_ECANCELED);
    int rc = ncp__engine_end_lease(&pool->engine, lease, NCP__CLOSING, &index);
    if (rc != NCP_OK)
        return put_odd(pool, lease, index, rc);
    wipe(ncp__engine_slot(&pool->engine, index));
    return close_owned(pool, index, reason);
}

int ncp__lease_discard(ncp_pool *pool, ncp_lease lease, int reason)
{
    if (pool == NULL)
        return NCP_EINVALIDCONN;
    ncp__pool_hold(pool);
    int rc = discard(pool, lease, reason);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

int ncp_pool_discard(ncp_pool *pool, ncp_lease lease)
{
    return ncp__lease_discard(pool, lease, NCP_REASON_DISCARDED);
}

static int close_by_holder(ncp_pool *pool, ncp_lease lease)
{
    struct ncp__engine *engine = &pool->engine;
    uint32_t index;
    int rc = ncp__engine_end_lease(engine, lease, NCP__CLOSING, &index);

    if (index == NCP__NO_SLOT)
        return NCP_EINVALIDCONN;
    if (rc != NCP_OK)
        return put_odd(pool, lease, index, rc);
    wipe(ncp__engine_slot(engine, index));
    ncp__engine_remember_closed(engine, lease);
    return close_owned(pool, index, NCP_REASON_DISCARDED);
}

int ncp_lease_close(ncp_pool *pool, ncp_lease lease)
{
    if (pool == NULL)
        return NCP_EINVALIDCONN;
    ncp__pool_hold(pool);
    int rc = close_by_holder(pool, lease);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

static int detach(ncp_pool *pool, ncp_lease lease, uint64_t *out)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    uint32_t index;
    int rc = ncp__engine_end_lease(engine, lease, NCP__CLOSING, &index);

    if (index == NCP__NO_SLOT)
        return NCP_EINVALIDCONN;
    if (rc != NCP_OK) {
        (void)ncp__conn_taken_back(pool, index);
        return rc == NCP_ELEAKED ? rc : NCP_EINVALIDCONN;
    }
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    wipe(slot);
    if (out != NULL)
        *out = slot->handle;
    ncp__engine_detach(engine, index, ncp__engine_now(engine), &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    return NCP_OK;
}

int ncp_pool_detach(ncp_pool *pool, ncp_lease lease, uint64_t *out)
{
    if (out != NULL)
        *out = 0;
    if (pool == NULL)
        return NCP_EINVALIDCONN;
    ncp__pool_hold(pool);
    int rc = detach(pool, lease, out);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

/* ---------------------------------------------------------- pool/guard.c */

/* A guard: gives back what somebody held who vanished. */

struct entry {
    struct entry *next;
    ncp_pool *pool; /* one handle */
    ncp_lease lease;
    ncp_ticket ticket;
};

struct ncp_guard {
    int refs; /* a guard belongs to one thread */
    bool fired;
    struct entry *entries;
};

int ncp_guard_new(ncp_guard **out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = ncp__alloc(sizeof(**out));
    if (*out == NULL)
        return NCP_ENOMEM;
    (*out)->refs = 1;
    return NCP_OK;
}

ncp_guard *ncp_guard_ref(ncp_guard *guard)
{
    if (guard != NULL)
        guard->refs++;
    return guard;
}

static void unref(ncp_guard *guard)
{
    if (--guard->refs == 0)
        ncp__free(guard);
}

int ncp_guard_hold(ncp_guard *guard, ncp_pool *pool, ncp_lease lease,
                   ncp_ticket ticket)
{
    if (guard == NULL || pool == NULL)
        return NCP_EINVAL;
    if (guard->fired)
        return NCP_ESTATE;
    struct entry *entry = ncp__alloc(sizeof(*entry));
    if (entry == NULL)
        return NCP_ENOMEM;
    *entry = (struct entry){guard->entries, ncp_pool_ref(pool), lease, ticket};
    guard->entries = entry;
    return NCP_OK;
}

int ncp_guard_drop(ncp_guard *guard, ncp_pool *pool, ncp_lease lease,
                   ncp_ticket ticket)
{
    if (guard == NULL || pool == NULL)
        return NCP_EINVAL;
    for (struct entry **at = &guard->entries; *at != NULL; at = &(*at)->next) {
        struct entry *entry = *at;
        if (entry->pool != pool || entry->lease != lease ||
            entry->ticket != ticket)
            continue;
        *at = entry->next;
        ncp_pool_free(entry->pool);
        ncp__free(entry);
        break;
    }
    return NCP_OK;
}

/* What was given back meanwhile is refused as stale, which is as it should. */
static void give_all_back(ncp_guard *guard)
{
    bool before = ncp__service_defer_closes(true);
    while (guard->entries != NULL) {
        struct entry *entry = guard->entries;
        guard->entries = entry->next;
        if (entry->ticket != 0)
            (void)ncp_ticket_abandon(entry->pool, entry->ticket, NCP_ECANCELED);
        if (entry->lease != 0)
            (void)ncp_pool_discard(entry->pool, entry->lease);
        ncp_pool_free(entry->pool);
        ncp__free(entry);
    }
    (void)ncp__service_defer_closes(before);
}

void ncp_guard_fire(void *guard)
{
    if (guard == NULL)
        return;
    ((ncp_guard *)guard)->fired = true;
    give_all_back(guard);
    unref(guard);
}

void ncp_guard_free(ncp_guard *guard)
{
    if (guard == NULL)
        return;
    if (guard->refs == 1 && !guard->fired)
        ncp_guard_fire(guard);
    else
        unref(guard);
}

/* ----------------------------------------------------------- pool/host.c */

/* What the host of a pull pool wants to be told besides: leaks, lines of log, and
 * that time has become shorter. */

#include <stdio.h>
#include <string.h>

enum { LINES_KEPT = 256 };

struct note {
    struct note *next;
    ncp_event event;
};

struct line {
    struct line *next;
    uint64_t conn_id;
    int level;
    char text[];
};

/* The lists are guarded by the engine's lock. */
struct ncp__host {
    int64_t wants; /* of enum ncp_host_event; never changes */
    struct note *notes_head, *notes_tail;
    struct line *lines_head, *lines_tail;
    uint32_t lines;
    uint64_t lost;            /* lines that found no room */
    bool log_told;            /* of lines that were not all read yet */
    bool log_untold;          /* the LOG event is to be polled */
    _Atomic bool due_untold;  /* the DUE event is to be polled */
    _Atomic uint64_t told_ns; /* when the host thinks that work is due */
};

/* A pool without handles has no host that it could tell anything but what is
 * left to close. */
static bool wants(const ncp_pool *pool, int what)
{
    return pool->host != NULL && (pool->host->wants & what) != 0 &&
           !atomic_load_explicit(&pool->orphaned, memory_order_acquire);
}

int ncp__host_init(ncp_pool *pool)
{
    int64_t bits = ncp__pool_num(pool, NCP_OPTION_HOST_EVENTS);

    if ((bits & ~(int64_t)NCP_HOST_BORROW) == 0)
        return NCP_OK;
    struct ncp__host *host = ncp__alloc(sizeof(*host));
    if (host == NULL)
        return NCP_ENOMEM;
    host->wants = bits;
    atomic_init(&host->told_ns, NCP__NEVER);
    pool->host = host;
    return NCP_OK;
}

static void drop_notes(struct ncp__host *host)
{
    while (host->notes_head != NULL) {
        struct note *note = host->notes_head;
        host->notes_head = note->next;
        ncp__free(note);
    }
    host->notes_tail = NULL;
}

static void drop_lines(struct ncp__host *host)
{
    while (host->lines_head != NULL) {
        struct line *line = host->lines_head;
        host->lines_head = line->next;
        ncp__free(line);
    }
    host->lines_tail = NULL;
    host->lines = 0;
}

void ncp__host_destroy(ncp_pool *pool)
{
    if (pool->host == NULL)
        return;
    drop_notes(pool->host);
    drop_lines(pool->host);
    ncp__free(pool->host);
    pool->host = NULL;
}

/* What was about the parent's connections is not the child's. */
void ncp__host_forked(ncp_pool *pool)
{
    struct ncp__host *host = pool->host;

    if (host == NULL)
        return;
    drop_notes(host);
    drop_lines(host);
    host->lost = 0;
    host->log_told = false;
    host->log_untold = false;
    atomic_store_explicit(&host->due_untold, false, memory_order_relaxed);
    atomic_store_explicit(&host->told_ns, NCP__NEVER, memory_order_relaxed);
}

/* ------------------------------------------------------------------------ leaks */

bool ncp__host_leak(ncp_pool *pool, ncp_lease lease,
                    const struct ncp__slot *slot, int reason)
{
    const struct ncp__cold *cold = ncp__cold(slot);

    if (!wants(pool, NCP_HOST_LEAK))
        return false;
    struct note *note = ncp__alloc(sizeof(*note));
    if (note == NULL)
        return true; /* the counters tell of it all the same */
    ncp__event_clear(&note->event, pool);
    note->event.type = NCP_EVENT_LEAK;
    note->event.lease = lease;
    note->event.reason = reason;
    note->event.handle = slot->handle;
    note->event.conn_id = cold->id;
    note->event.fd = cold->fd;
    note->event.protocol = cold->protocol;
    note->event.ip = cold->ip;
    ncp__engine_lock(&pool->engine);
    if (pool->host->notes_head == NULL)
        pool->host->notes_head = note;
    else
        pool->host->notes_tail->next = note;
    pool->host->notes_tail = note;
    ncp__engine_unlock(&pool->engine);
    ncp__queue_push_pool(pool->config.queue, pool);
    return true;
}

/* -------------------------------------------------------------------------- log */

static void append_line(struct ncp__host *host, struct line *line)
{
    if (host->lines_head == NULL)
        host->lines_head = line;
    else
        host->lines_tail->next = line;
    host->lines_tail = line;
    host->lines++;
}

void ncp__host_log(const ncp_pool *pool, int level, uint64_t conn_id,
                   const char *text)
{
    size_t size = strlen(text) + 1;

    if (!wants(pool, NCP_HOST_LOG))
        return;
    struct ncp__host *host = pool->host;
    struct line *line = ncp__alloc(sizeof(*line) + size);
    if (line != NULL) {
        line->level = level;
        line->conn_id = conn_id;
        memcpy(line->text, text, size);
    }
    ncp__engine_lock(ncp__pool_engine(pool));
    bool kept = line != NULL && host->lines < LINES_KEPT;
    if (kept)
        append_line(host, line);
    else
        host->lost++;
    bool tell = !host->log_told;
    host->log_told = true;
    host->log_untold |= tell;
    ncp__engine_unlock(ncp__pool_engine(pool));
    if (!kept)
        ncp__free(line);
    if (tell)
        ncp__queue_push_pool(pool->config.queue, (ncp_pool *)(uintptr_t)pool);
}

/* A line that stands for those that were lost; it comes before what is left. */
static int tell_lost(uint64_t lost, int *level, uint64_t *conn_id, char *buffer,
                     size_t size)
{
    if (level != NULL)
        *level = NCP_LOG_WARN;
    if (conn_id != NULL)
        *conn_id = 0;
    return snprintf(buffer, size, "event=log_lost lines=%llu",
                    (unsigned long long)lost);
}

static struct line *pop_line_locked(struct ncp__host *host)
{
    struct line *line = host->lines_head;

    if (line == NULL) {
        host->log_told = false;
        return NULL;
    }
    host->lines_head = line->next;
    if (line->next == NULL)
        host->lines_tail = NULL;
    host->lines--;
    return line;
}

int ncp_pool_log_next(ncp_pool *pool, int *level, uint64_t *conn_id,
                      char *buffer, size_t size)
{
    if (pool == NULL || buffer == NULL || size == 0)
        return NCP_EINVAL;
    buffer[0] = '\0';
    if (level != NULL)
        *level = NCP_LOG_OFF;
    if (conn_id != NULL)
        *conn_id = 0;
    if (!wants(pool, NCP_HOST_LOG))
        return 0;
    ncp__engine_lock(&pool->engine);
    uint64_t lost = pool->host->lost;
    pool->host->lost = 0;
    struct line *line = lost == 0 ? pop_line_locked(pool->host) : NULL;
    ncp__engine_unlock(&pool->engine);
    if (lost != 0)
        return tell_lost(lost, level, conn_id, buffer, size);
    if (line == NULL)
        return 0;
    if (level != NULL)
        *level = line->level;
    if (conn_id != NULL)
        *conn_id = line->conn_id;
    int length = snprintf(buffer, size, "%s", line->text);
    ncp__free(line);
    return length;
}

/* ------------------------------------------------------------------------- time */

/* Seq_cst on due_ns and told_ns, here and below: the host says that it knows
 * nothing, then reads; who plans an earlier time writes, then asks what the host
 * knows. One of them sees the other. */
uint64_t ncp__host_tell_due(const ncp_pool *pool)
{
    struct ncp__host *host = pool->host;

    if (host == NULL)
        return atomic_load_explicit(&pool->due_ns, memory_order_seq_cst);
    atomic_store_explicit(&host->told_ns, NCP__NEVER, memory_order_seq_cst);
    uint64_t due_ns = atomic_load_explicit(&pool->due_ns, memory_order_seq_cst);
    atomic_store_explicit(&host->told_ns, due_ns, memory_order_seq_cst);
    return due_ns;
}

void ncp__host_due(ncp_pool *pool, uint64_t due_ns)
{
    struct ncp__host *host = pool->host;

    if (!wants(pool, NCP_HOST_DUE) ||
        due_ns >= atomic_load_explicit(&host->told_ns, memory_order_seq_cst) ||
        atomic_exchange_explicit(&host->due_untold, true, memory_order_acq_rel))
        return;
    ncp__queue_push_pool(pool->config.queue, pool);
}

/* ----------------------------------------------------------------------- taking */

static bool next_note_locked(struct ncp__host *host, ncp_event *event)
{
    struct note *note = host->notes_head;

    if (note == NULL)
        return false;
    host->notes_head = note->next;
    if (note->next == NULL)
        host->notes_tail = NULL;
    *event = note->event;
    ncp__free(note);
    return true;
}

bool ncp__host_next(ncp_pool *pool, ncp_event *event)
{
    struct ncp__host *host = pool->host;
    int type = NCP_EVENT_NONE;

    if (host == NULL ||
        atomic_load_explicit(&pool->orphaned, memory_order_acquire))
        return false;
    ncp__event_clear(event, pool);
    ncp__engine_lock(&pool->engine);
    bool noted = next_note_locked(host, event);
    if (!noted && host->log_untold) {
        host->log_untold = false;
        type = NCP_EVENT_LOG;
    }
    ncp__engine_unlock(&pool->engine);
    if (noted)
        return true;
    if (type == NCP_EVENT_NONE &&
        atomic_exchange_explicit(&host->due_untold, false,
                                 memory_order_acq_rel))
        type = NCP_EVENT_DUE;
    event->type = type;
    return type != NCP_EVENT_NONE;
}

bool ncp__host_more_locked(const ncp_pool *pool)
{
    const struct ncp__host *host = pool->host;

    return host != NULL &&
           !atomic_load_explicit(&pool->orphaned, memory_order_acquire) &&
           (host->notes_head != NULL || host->log_untold ||
            atomic_load_explicit(&host->due_untold, memory_order_acquire));
}

/* ----------------------------------------------------------- pool/lane.c */

/* pool/lane.h */
/*
 * A lane: what a host has to know to take the shortest way of a get and of a put by
 * itself, when a call of C costs it more than they do. The Go package has one.
 *
 * It takes the steps of fast.h and quick.h, in their order, with atomic operations
 * that are at least as strong; go/lane.go says them again, and nothing else does.
 * What a lane cannot do it leaves to ncp_pool_acquire and ncp_pool_release. This is
 * no part of the ABI: who uses it is compiled together with the core.
 */
#ifndef NCP_POOL_LANE_H
#define NCP_POOL_LANE_H


#include <stdbool.h>

/* What the two ways know by number: of slot.h, engine.h and latency.h. */
enum {
    NCP__LANE_IDLE = 2, /* states: the low bits of a word */
    NCP__LANE_LEASED = 3,
    NCP__LANE_STATE_BITS = 4,
    NCP__LANE_SLOT_BITS = 17, /* of a lease; above them the generation */
    NCP__LANE_GENERATION_BITS = 36,
    NCP__LANE_CHUNK_SLOTS = 64,
    NCP__LANE_TOLD = 32,       /* of the gate */
    NCP__LANE_WAITER = 256,    /* of the gate, and all above */
    NCP__LANE_PUT_STOP = 0xaf, /* flags with which a slot is not put this way */
    NCP__LANE_SAMPLE_EVERY = 256 /* gets, of which one goes the long way */
};

/* A slot, as far as a lane looks. Everything is atomic but `handle`, which is the
 * owner's, and `cold_after`, which never changes. */
struct ncp__lane_slot {
    uint64_t word;
    uint64_t handle;
    uint64_t gets;
    uint64_t touched_ns;
    uint64_t lifetime_end_ns;
    uint64_t of;
    uint32_t epoch;
    uint32_t stamp;
    uint32_t next;
    uint8_t flags, where;
    uint16_t cold_after; /* so many words of 64 bits */
};

/* The cold part of a slot. */
struct ncp__lane_cold {
    uint64_t id, created_ns, checked_ns;
    uint64_t idle_limit_ns;
};

/* Where the parts of a pool are: atomic all of them, `32` or `64` bits wide. Valid as
 * long as the pool. */
struct ncp__lane {
    const void *gate64, *get_mask64;
    const void *epoch32;
    const void *chunks32; /* how many there are */
    const void *table; /* of pointers to them; it may be replaced by another */
    size_t
        chunk_idle64; /* where in a chunk its mask is; its slots come first */
    void *order32;    /* of the only shard */
    void *first32;    /* the same; one for each bucket */
    const void *kinds32, *quick32;
    const uint16_t (*fitting)[3]; /* buckets, by protocol and IP version */
    uint8_t get_stop; /* flags with which a slot is not lent this way */
};

/* False: a pool of this configuration has no lane, whatever is set later. */
bool ncp__lane_open(ncp_pool *pool, struct ncp__lane *lane);

/* The next get of this thread that goes the long way has its time taken. */
void ncp__lane_sample(void);

/* Serves who may be waiting, after a put that found it necessary; the events that
 * come of it, at most `max`, and their number, as ncp_pool_release does. */
int ncp__lane_serve(ncp_pool *pool, ncp_queue *queue, ncp_event *events,
                    int max);

#endif

/* Lanes: see lane.h. */

#define SAME(name)                                                             \
    _Static_assert(offsetof(struct ncp__lane_slot, name) ==                    \
                       offsetof(struct ncp__slot, name),                       \
                   "a lane sees the slot as it is: " #name)

SAME(word);
SAME(handle);
SAME(gets);
SAME(touched_ns);
SAME(lifetime_end_ns);
SAME(epoch);
SAME(flags);
SAME(where);
SAME(next);
SAME(stamp);
SAME(cold_after);
_Static_assert(sizeof(struct ncp__lane_slot) == sizeof(struct ncp__slot),
               "and is as long");
_Static_assert(offsetof(struct ncp__lane_cold, idle_limit_ns) ==
                   offsetof(struct ncp__cold, idle_limit_ns),
               "and sees its cold part as it is");
_Static_assert(offsetof(struct ncp__chunk, slots) == 0, "slots come first");
_Static_assert((int)NCP__LANE_IDLE == (int)NCP__IDLE &&
                   (int)NCP__LANE_LEASED == (int)NCP__LEASED &&
                   (int)NCP__LANE_STATE_BITS == (int)NCP__STATE_BITS &&
                   (int)NCP__LANE_SLOT_BITS == (int)NCP__SLOT_BITS &&
                   (int)NCP__LANE_GENERATION_BITS ==
                       (int)NCP__GENERATION_BITS &&
                   (int)NCP__LANE_CHUNK_SLOTS == (int)NCP__CHUNK_SLOTS &&
                   (int)NCP__LANE_TOLD == (int)NCP__GATE_TOLD &&
                   (int)NCP__LANE_WAITER == (int)NCP__GATE_WAITER &&
                   (int)NCP__LANE_PUT_STOP == (int)NCP__FLAGS_ODD &&
                   (int)NCP__LANE_SAMPLE_EVERY == (int)NCP__LATENCY_EVERY,
               "a lane goes by the numbers of the core");

/* One shard, newest first, nothing to be done at a get or a put: as most pools
 * are. */
static bool has_lane(const ncp_pool *pool)
{
    const struct ncp__engine *engine = &pool->engine;

    return pool->pull && pool->quick == (NCP__QUICK_GET | NCP__QUICK_PUT) &&
           engine->idle.list == NULL && engine->idle.shard_mask == 0 &&
           !engine->idle.fifo && engine->clock == NULL;
}

bool ncp__lane_open(ncp_pool *pool, struct ncp__lane *lane)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__idle *idle = &engine->idle;

    if (!has_lane(pool))
        return false;
    *lane = (struct ncp__lane){
        .gate64 = &engine->gate,
        .get_mask64 = &engine->get_mask,
        .epoch32 = &engine->epoch,
        .chunks32 = &engine->slots.chunks,
        .table = &engine->slots.table,
        .chunk_idle64 = offsetof(struct ncp__chunk, idle),
        .order32 = &idle->shards->order,
        .first32 = idle->shards->first,
        .kinds32 = &idle->kinds,
        .quick32 = &idle->quick,
        .fitting = ncp__fitting,
        .get_stop = pool->quick_stop,
    };
    return true;
}

void ncp__lane_sample(void)
{
    ncp__get_sample_next();
}

int ncp__lane_serve(ncp_pool *pool, ncp_queue *queue, ncp_event *events,
                    int max)
{
    return ncp__release_serve(pool, queue, events, max);
}
#undef SAME

/* ---------------------------------------------------------- pool/lease.c */

/* What can be asked and said of a connection while it is borrowed. */

#include <stdlib.h>

struct ncp__slot *ncp__lease_slot(const ncp_pool *pool, ncp_lease lease)
{
    struct ncp__slot *slot = ncp__slot_of(&pool->engine.slots, lease);
    uint64_t word = ncp__word(ncp__token_generation(lease), NCP__LEASED);

    if (slot == NULL ||
        atomic_load_explicit(&slot->word, memory_order_acquire) != word)
        return NULL;
    return slot;
}

/* ------------------------------------------------------------------------ facts */

static bool is_leased(const struct ncp__slot *slot)
{
    return ncp__word_state(atomic_load_explicit(
               &slot->word, memory_order_relaxed)) == NCP__LEASED;
}

static uint64_t since(const struct ncp_conn *conn, uint64_t at_ns)
{
    uint64_t now_ns = ncp__engine_now(&conn->pool->engine);

    return now_ns > at_ns ? now_ns - at_ns : 0;
}

static uint64_t touched(const struct ncp_conn *conn)
{
    return atomic_load_explicit(&conn->slot->touched_ns, memory_order_relaxed);
}

static bool has_flag(const struct ncp_conn *conn, uint8_t flag)
{
    return (atomic_load_explicit(&conn->slot->flags, memory_order_relaxed) &
            flag) != 0;
}

static uint64_t fact_handle(const struct ncp_conn *conn)
{
    return conn->slot->handle;
}

static uint64_t fact_fd(const struct ncp_conn *conn)
{
    return (uint64_t)(int64_t)ncp__cold(conn->slot)->fd;
}

static uint64_t fact_id(const struct ncp_conn *conn)
{
    return ncp__cold(conn->slot)->id;
}

static uint64_t fact_protocol(const struct ncp_conn *conn)
{
    return ncp__cold(conn->slot)->protocol;
}

static uint64_t fact_ip(const struct ncp_conn *conn)
{
    return ncp__cold(conn->slot)->ip;
}

static uint64_t fact_age(const struct ncp_conn *conn)
{
    return since(conn, ncp__cold(conn->slot)->created_ns);
}

static uint64_t fact_idle(const struct ncp_conn *conn)
{
    return is_leased(conn->slot) ? 0 : since(conn, touched(conn));
}

static uint64_t fact_reuse(const struct ncp_conn *conn)
{
    uint32_t gets =
        (uint32_t)atomic_load_explicit(&conn->slot->gets, memory_order_relaxed);

    return (uint32_t)(gets - ncp__cold(conn->slot)->gets_base) +
           (uint64_t)ncp__cold(conn->slot)->slow_gets;
}

static uint64_t fact_in_use(const struct ncp_conn *conn)
{
    return is_leased(conn->slot);
}

static uint64_t fact_healthy(const struct ncp_conn *conn)
{
    return !has_flag(conn, NCP__FLAG_UNHEALTHY);
}

static uint64_t fact_leak(const struct ncp_conn *conn)
{
    return has_flag(conn, NCP__FLAG_LEAK_SEEN);
}

static uint64_t fact_borrowed(const struct ncp_conn *conn)
{
    return is_leased(conn->slot) ? since(conn, touched(conn)) : 0;
}

static uint64_t fact_tag(const struct ncp_conn *conn)
{
    return has_flag(conn, NCP__FLAG_TAGGED)
               ? __atomic_load_n(&conn->slot->of.tag, __ATOMIC_RELAXED)
               : 0;
}

static uint64_t fact_created_at(const struct ncp_conn *conn)
{
    return ncp__cold(conn->slot)->created_ns;
}

static uint64_t fact_checked_at(const struct ncp_conn *conn)
{
    return ncp__cold(conn->slot)->checked_ns;
}

static uint64_t fact_lease(const struct ncp_conn *conn)
{
    uint64_t word =
        atomic_load_explicit(&conn->slot->word, memory_order_relaxed);

    return is_leased(conn->slot)
               ? ncp__token(ncp__word_generation(word), conn->index)
               : 0;
}

static uint64_t (*const facts[])(const struct ncp_conn *conn) = {
    [NCP_INFO_HANDLE] = fact_handle,
    [NCP_INFO_FD] = fact_fd,
    [NCP_INFO_ID] = fact_id,
    [NCP_INFO_PROTOCOL] = fact_protocol,
    [NCP_INFO_IP] = fact_ip,
    [NCP_INFO_AGE_NS] = fact_age,
    [NCP_INFO_IDLE_NS] = fact_idle,
    [NCP_INFO_REUSE_COUNT] = fact_reuse,
    [NCP_INFO_IN_USE] = fact_in_use,
    [NCP_INFO_HEALTHY] = fact_healthy,
    [NCP_INFO_LEAK_DETECTED] = fact_leak,
    [NCP_INFO_BORROWED_NS] = fact_borrowed,
    [NCP_INFO_TAG] = fact_tag,
    [NCP_INFO_CREATED_AT_NS] = fact_created_at,
    [NCP_INFO_LAST_USED_AT_NS] = touched,
    [NCP_INFO_LAST_CHECK_AT_NS] = fact_checked_at,
    [NCP_INFO_LEASE] = fact_lease,
};

int ncp_conn_info(const ncp_conn *conn, int info, uint64_t *out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = 0;
    if (conn == NULL)
        return NCP_EINVAL;
    if (info < 0 || (size_t)info >= sizeof(facts) / sizeof(facts[0]) ||
        facts[info] == NULL)
        return NCP_ENOTFOUND;
    *out = facts[info](conn);
    return NCP_OK;
}

uint64_t ncp_conn_handle(const ncp_conn *conn)
{
    return conn == NULL ? 0 : conn->slot->handle;
}

int ncp_conn_set_handle(const ncp_conn *conn, uint64_t handle)
{
    if (conn == NULL)
        return NCP_EINVAL;
    if (ncp__state_of(conn->slot) != NCP__CREATING)
        return NCP_ESTATE;
    conn->slot->handle = handle;
    return NCP_OK;
}

int ncp_conn_fd(const ncp_conn *conn)
{
    return conn == NULL ? -1 : ncp__cold(conn->slot)->fd;
}

uint64_t ncp_conn_id(const ncp_conn *conn)
{
    return conn == NULL ? 0 : ncp__cold(conn->slot)->id;
}

int ncp_lease_info(const ncp_pool *pool, ncp_lease lease, int info,
                   uint64_t *out)
{
    struct ncp_conn conn = {pool, NULL, ncp__token_index(lease)};

    if (out == NULL)
        return NCP_EINVAL;
    *out = 0;
    if (pool == NULL)
        return NCP_EINVAL;
    /* Whoever asks may not be the borrower: under the lock a slot does not change
     * hands. */
    struct ncp__engine *engine = ncp__pool_engine(pool);
    ncp__engine_lock(engine);
    conn.slot = ncp__lease_slot(pool, lease);
    int rc =
        conn.slot == NULL ? NCP_EINVALIDCONN : ncp_conn_info(&conn, info, out);
    ncp__engine_unlock(engine);
    return rc;
}

int ncp_lease_fd(const ncp_pool *pool, ncp_lease lease)
{
    if (pool == NULL)
        return NCP_EINVAL;
    struct ncp__slot *slot = ncp__lease_slot(pool, lease);
    return slot == NULL ? NCP_EINVALIDCONN : ncp__cold(slot)->fd;
}

int ncp_lease_keeps(const ncp_pool *pool, ncp_lease lease)
{
    if (pool == NULL)
        return NCP_EINVAL;
    const struct ncp__slot *slot = ncp__lease_slot(pool, lease);
    if (slot == NULL)
        return NCP_EINVALIDCONN;
    if (ncp__engine_closed(&pool->engine))
        return NCP_REASON_POOL_CLOSED;
    return ncp__engine_expired(&pool->engine, slot,
                               ncp__engine_now(&pool->engine), true);
}

int ncp_lease_handle(const ncp_pool *pool, ncp_lease lease, uint64_t *out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = 0;
    if (pool == NULL)
        return NCP_EINVAL;
    struct ncp__slot *slot = ncp__lease_slot(pool, lease);
    if (slot == NULL)
        return NCP_EINVALIDCONN;
    *out = slot->handle;
    return NCP_OK;
}

/* ---------------------------------------------------------------------- changes */

int ncp_lease_set_healthy(ncp_pool *pool, ncp_lease lease, int healthy)
{
    if (pool == NULL)
        return NCP_EINVAL;
    struct ncp__slot *slot = ncp__lease_slot(pool, lease);
    if (slot == NULL)
        return NCP_EINVALIDCONN;
    if (healthy != 0)
        atomic_fetch_and_explicit(&slot->flags, (uint8_t)~NCP__FLAG_UNHEALTHY,
                                  memory_order_relaxed);
    else
        atomic_fetch_or_explicit(&slot->flags, NCP__FLAG_UNHEALTHY,
                                 memory_order_relaxed);
    return NCP_OK;
}

int ncp_lease_set_tag(ncp_pool *pool, ncp_lease lease, uint64_t tag)
{
    if (pool == NULL)
        return NCP_EINVAL;
    struct ncp__slot *slot = ncp__lease_slot(pool, lease);
    if (slot == NULL)
        return NCP_EINVALIDCONN;
    __atomic_store_n(&slot->of.tag, tag, __ATOMIC_RELAXED);
    atomic_fetch_or_explicit(&slot->flags, NCP__FLAG_TAGGED,
                             memory_order_release);
    return NCP_OK;
}

int ncp_lease_renew(ncp_pool *pool, ncp_lease lease, uint64_t handle, int fd,
                    int protocol, int ip)
{
    struct ncp__made made = ncp__made(handle, fd, protocol, ip);

    made.datagram = ncp__is_datagram(fd);
    if (pool == NULL)
        return NCP_EINVAL;
    if (ncp__lease_slot(pool, lease) == NULL)
        return NCP_EINVALIDCONN;
    ncp__engine_renew(&pool->engine, ncp__token_index(lease), &made,
                      ncp__engine_now(&pool->engine));
    return NCP_OK;
}

/* ------------------------------------------------------------------------ lists */

struct borrowed {
    ncp_lease lease;
    uint64_t since_ns;
};

static int by_age(const void *a, const void *b)
{
    const struct borrowed *x = a, *y = b;

    return (x->since_ns > y->since_ns) - (x->since_ns < y->since_ns);
}

/* What is out, as each slot is looked at; `list` may be NULL. */
static size_t collect(const ncp_pool *pool, struct borrowed *list, size_t room)
{
    uint32_t slots =
        ncp__chunk_count(&pool->engine.slots) * (uint32_t)NCP__CHUNK_SLOTS;
    size_t count = 0;

    for (uint32_t i = 0; i < slots; i++) {
        const struct ncp__slot *slot = ncp__engine_slot(&pool->engine, i);
        uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
        if (ncp__word_state(word) != NCP__LEASED)
            continue;
        if (count < room)
            list[count] = (struct borrowed){
                ncp__token(ncp__word_generation(word), i),
                atomic_load_explicit(&slot->touched_ns, memory_order_relaxed)};
        count++;
    }
    return count;
}

int ncp_pool_leases(const ncp_pool *pool, ncp_lease *leases, size_t capacity,
                    size_t *out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = 0;
    if (pool == NULL || (leases == NULL && capacity != 0))
        return NCP_EINVAL;
    size_t room = collect(pool, NULL, 0);
    struct borrowed *list = ncp__alloc((room + 1) * sizeof(*list));
    if (list == NULL)
        return NCP_ENOMEM;
    *out = collect(pool, list, room);
    room = *out < room ? *out : room;
    qsort(list, room, sizeof(*list), by_age);
    for (size_t i = 0; i < room && i < capacity; i++)
        leases[i] = list[i].lease;
    if (room<capacity && * out> room)
        *out = room; /* more were borrowed while we looked */
    ncp__free(list);
    return NCP_OK;
}

int ncp_lease_stack(const ncp_pool *pool, ncp_lease lease, char *buffer,
                    size_t size)
{
    if (pool == NULL || (buffer == NULL && size != 0))
        return NCP_EINVAL;
    if (size != 0)
        buffer[0] = '\0';
    const struct ncp__slot *slot = ncp__lease_slot(pool, lease);
    if (slot == NULL)
        return NCP_EINVALIDCONN;
    if ((atomic_load_explicit(&slot->flags, memory_order_relaxed) &
         NCP__FLAG_STACK) == 0)
        return 0;
    return ncp__stack_text(pool, ncp__token_index(lease), buffer, size);
}

/* ------------------------------------------------------------ pool/log.c */


#include <stdarg.h>
#include <stdio.h>

void ncp__log(const ncp_pool *pool, int level, uint64_t conn_id,
              const char *format, ...)
{
    const struct ncp__hook *log = pool->config.log;
    char line[512];
    va_list arguments;

    if (!NCP__LOGS(pool, level))
        return;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (log != NULL)
        log->fn.log(log->user, level, conn_id, line);
    ncp__host_log(pool, level, conn_id, line);
}

/* ---------------------------------------------------- pool/option_text.c */

/*
 * The texts of option values: "30s", "true", "lifo", "10".
 */

#include <stdio.h>
#include <string.h>

#define DURATION_SECOND INT64_C(1000000000)

static char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool ascii_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool ncp__text_equal(const char *a, const char *b)
{
    while (*a != '\0' && ascii_lower(*a) == ascii_lower(*b)) {
        a++;
        b++;
    }
    return ascii_lower(*a) == ascii_lower(*b);
}

/* ------------------------------------------------------------ whole numbers */

enum option_result { OPTION_READ_OK, OPTION_READ_WRONG, OPTION_READ_TOO_LARGE };

/* Adds a digit at the right of a number that is kept below 0, where there is
 * room for INT64_MIN. */
static bool option_push_digit(int64_t *number, char digit)
{
    return !__builtin_mul_overflow(*number, 10, number) &&
           !__builtin_sub_overflow(*number, digit - '0', number);
}

static enum option_result option_read_whole(const char *text, int64_t *out)
{
    bool negative = *text == '-';
    int64_t number = 0;

    text += negative;
    if (*text == '\0')
        return OPTION_READ_WRONG;
    for (const char *c = text; *c != '\0'; c++) {
        if (!ascii_digit(*c))
            return OPTION_READ_WRONG;
    }
    for (; *text != '\0'; text++) {
        if (!option_push_digit(&number, *text))
            return OPTION_READ_TOO_LARGE;
    }
    if (!negative && __builtin_sub_overflow((int64_t)0, number, &number))
        return OPTION_READ_TOO_LARGE;
    *out = number;
    return OPTION_READ_OK;
}

/* ---------------------------------------------------------------- durations */

struct duration_unit {
    const char *name;
    int64_t ns;
};

/* A name that begins with another one stands before it. */
static const struct duration_unit duration_units[] = {
    {"h", 3600 * DURATION_SECOND}, {"ms", 1000000}, {"m", 60 * DURATION_SECOND},
    {"s", DURATION_SECOND},        {"us", 1000},    {"\xc2\xb5s", 1000},
    {"\xce\xbcs", 1000},           {"ns", 1},
};

static const struct duration_unit *duration_unit_at(const char *text)
{
    size_t count = sizeof duration_units / sizeof duration_units[0];

    for (size_t i = 0; i < count; i++) {
        const char *name = duration_units[i].name;
        if (strncmp(text, name, strlen(name)) == 0)
            return &duration_units[i];
    }
    return NULL;
}

/* Adds what the digits after a point are worth; parts of a nanosecond are
 * refused, as nothing here can keep them. */
static enum option_result duration_add_fraction(const char *digits,
                                                const char *end,
                                                int64_t unit_ns, int64_t *total)
{
    int64_t scale = unit_ns;

    for (; digits < end; digits++) {
        int64_t worth = (*digits - '0') * scale;
        scale /= 10;
        if (worth % 10 != 0 || (scale == 0 && *digits != '0' && worth == 0))
            return OPTION_READ_WRONG;
        if (__builtin_add_overflow(*total, worth / 10, total))
            return OPTION_READ_TOO_LARGE;
    }
    return OPTION_READ_OK;
}

/* Reads one part, such as "1.5s", adds it to `total` and moves `*text` on. */
static enum option_result duration_read_part(const char **text, int64_t *total)
{
    const char *whole = *text;
    const char *point = whole;
    int64_t number = 0;

    while (ascii_digit(*point))
        point++;
    const char *fraction = *point == '.' ? point + 1 : point;
    const char *end = fraction;
    while (ascii_digit(*end))
        end++;
    const struct duration_unit *unit = duration_unit_at(end);
    if (point == whole || unit == NULL || (*point == '.' && end == fraction))
        return OPTION_READ_WRONG;
    for (; whole < point; whole++) {
        if (!option_push_digit(&number, *whole))
            return OPTION_READ_TOO_LARGE;
    }
    if (__builtin_mul_overflow(number, -unit->ns, &number) ||
        __builtin_add_overflow(*total, number, total))
        return OPTION_READ_TOO_LARGE;
    *text = end + strlen(unit->name);
    return duration_add_fraction(fraction, end, unit->ns, total);
}

/* Reads "1h30m", "-1.5s"; the result is in milliseconds. */
static enum option_result duration_read_parts(const char *text, int64_t *out)
{
    bool negative = *text == '-';
    int64_t total = 0;

    text += negative;
    do {
        enum option_result result = duration_read_part(&text, &total);
        if (result != OPTION_READ_OK)
            return result;
    } while (*text != '\0');
    if (total % (int64_t)NCP__NS_PER_MS != 0)
        return OPTION_READ_WRONG;
    total /= (int64_t)NCP__NS_PER_MS;
    *out = negative ? -total : total;
    return OPTION_READ_OK;
}

/* As Go writes a time.Duration: "250ms", "1.5s", "5m0s", "1h0m0s". What is
 * below 0 or beyond what the parts can say is a plain number. */
static int duration_write(int64_t ms, char *buffer, size_t size)
{
    char seconds[16];

    if (ms < 0 || ms > INT64_MAX / (int64_t)NCP__NS_PER_MS)
        return snprintf(buffer, size, "%lld", (long long)ms);
    if (ms == 0)
        return snprintf(buffer, size, "0s");
    if (ms < 1000)
        return snprintf(buffer, size, "%dms", (int)ms);
    int n = snprintf(seconds, sizeof seconds, "%d.%03d", (int)(ms / 1000 % 60),
                     (int)(ms % 1000));
    while (seconds[n - 1] == '0')
        n--;
    if (seconds[n - 1] == '.')
        n--;
    seconds[n] = '\0';
    long long minutes = ms / 60000;
    if (minutes == 0)
        return snprintf(buffer, size, "%ss", seconds);
    if (minutes < 60)
        return snprintf(buffer, size, "%lldm%ss", minutes, seconds);
    return snprintf(buffer, size, "%lldh%lldm%ss", minutes / 60, minutes % 60,
                    seconds);
}

/* ----------------------------------------------------------- reader by type */

static int option_refuse_text(const struct ncp__option_row *row,
                              const char *text, enum option_result result,
                              const char *advice, char *reason)
{
    char quote[NCP__QUOTE_SIZE];

    if (result == OPTION_READ_TOO_LARGE)
        return ncp__refuse(reason, "%s is \"%s\", which is too large: %s",
                           row->name, ncp__quote(quote, text), advice);
    return ncp__refuse(reason, "%s is \"%s\": %s", row->name,
                       ncp__quote(quote, text), advice);
}

static int option_read_int(const struct ncp__option_row *row, const char *text,
                           int64_t *out, char *reason)
{
    enum option_result result = option_read_whole(text, out);

    if (result == OPTION_READ_OK)
        return NCP_OK;
    return option_refuse_text(row, text, result, "use a whole number", reason);
}

static int option_read_duration(const struct ncp__option_row *row,
                                const char *text, int64_t *out, char *reason)
{
    enum option_result result = option_read_whole(text, out);

    if (result == OPTION_READ_WRONG)
        result = duration_read_parts(text, out);
    if (result == OPTION_READ_OK)
        return NCP_OK;
    return option_refuse_text(
        row, text, result,
        "use a duration in whole milliseconds, such as 250ms, "
        "30s or 5m0s",
        reason);
}

static int option_read_bool(const struct ncp__option_row *row, const char *text,
                            int64_t *out, char *reason)
{
    static const char *const words[] = {"false", "true", "off", "on",
                                        "no",    "yes",  "0",   "1"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (ncp__text_equal(text, words[i])) {
            *out = (int64_t)(i % 2);
            return NCP_OK;
        }
    }
    return option_refuse_text(row, text, OPTION_READ_WRONG,
                              "use true or false, on or off, yes or no",
                              reason);
}

static int option_read_enum(const struct ncp__option_row *row, const char *text,
                            int64_t *out, char *reason)
{
    char advice[128] = "use";
    size_t used = strlen(advice);

    for (int64_t i = row->min; i <= row->max; i++) {
        if (ncp__text_equal(text, row->names[i])) {
            *out = i;
            return NCP_OK;
        }
        used += (size_t)snprintf(advice + used, sizeof advice - used, "%s %s",
                                 i == row->min ? "" : " or", row->names[i]);
        NCP__ASSERT(used < sizeof advice);
    }
    return option_refuse_text(row, text, OPTION_READ_WRONG, advice, reason);
}

typedef int (*option_reader)(const struct ncp__option_row *row,
                             const char *text, int64_t *out, char *reason);

static const option_reader option_readers[] = {
    [NCP_TYPE_INT] = option_read_int,
    [NCP_TYPE_BOOL] = option_read_bool,
    [NCP_TYPE_DURATION] = option_read_duration,
    [NCP_TYPE_ENUM] = option_read_enum,
};

int ncp__option_read(int option, const char *text, int64_t *out, char *reason)
{
    const struct ncp__option_row *row = ncp__option_row(option);

    NCP__ASSERT(row != NULL && row->type != NCP_TYPE_TEXT);
    return option_readers[row->type](row, text, out, reason);
}

int ncp__option_write(int option, int64_t value, char *buffer, size_t size)
{
    const struct ncp__option_row *row = ncp__option_row(option);

    NCP__ASSERT(row != NULL && row->type != NCP_TYPE_TEXT);
    if (row->type == NCP_TYPE_DURATION)
        return duration_write(value, buffer, size);
    bool named = value >= row->min && value <= row->max;
    if (row->type == NCP_TYPE_BOOL && named)
        return snprintf(buffer, size, "%s", value ? "true" : "false");
    if (row->type == NCP_TYPE_ENUM && named)
        return snprintf(buffer, size, "%s", row->names[value]);
    return snprintf(buffer, size, "%lld", (long long)value);
}
#undef DURATION_SECOND

/* -------------------------------------------------------- pool/options.c */

/*
 * The options: one row each, and the functions that read the rows.
 */

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define OPTION_SHORT_MS                                                        \
    INT64_C(3600000) /* an hour: it is multiplied by attempts */
#define OPTION_CONNECTIONS 100000
#define OPTION_COUNT 1000000

enum { OPTION_NAME_BYTES = 255, OPTION_TARGET_BYTES = 1023 };

static const char *const option_modes[] = {
    [NCP_MODE_CLIENT] = "client",
    [NCP_MODE_SERVER] = "server",
};
static const char *const option_drivers[] = {
    [NCP_DRIVER_PUSH] = "push",
    [NCP_DRIVER_PULL] = "pull",
};
static const char *const option_idle_orders[] = {
    [NCP_IDLE_LIFO] = "lifo",
    [NCP_IDLE_FIFO] = "fifo",
};
static const char *const option_fairnesses[] = {
    [NCP_FAIRNESS_STRICT] = "strict",
    [NCP_FAIRNESS_ADAPTIVE] = "adaptive",
};
static const char *const option_dial_policies[] = {
    [NCP_DIAL_FAIL_ONE] = "fail_one",
    [NCP_DIAL_FAIL_ALL] = "fail_all",
    [NCP_DIAL_WAIT] = "wait",
};
static const char *const option_stores[] = {
    [NCP_STORE_LOCKFREE] = "lockfree",
    [NCP_STORE_LOCK] = "lock",
    [NCP_STORE_SHARDED] = "sharded",
};
static const char *const option_log_levels[] = {
    [NCP_LOG_OFF] = "off",   [NCP_LOG_ERROR] = "error", [NCP_LOG_WARN] = "warn",
    [NCP_LOG_INFO] = "info", [NCP_LOG_DEBUG] = "debug",
};

/* Whether ncp_pool_set() may change it. */
enum { OPTION_FIXED = 0, OPTION_LIVE = 1 };

#define OPTION_INT(NAME, LIFE, UNIT, CLIENT, SERVER, MIN, MAX, HELP)           \
    {                                                                          \
        NAME, NCP_TYPE_INT, LIFE, UNIT, CLIENT, SERVER, MIN, MAX, NULL, NULL,  \
            HELP                                                               \
    }
#define OPTION_INT_0(NAME, LIFE, UNIT, CLIENT, SERVER, MAX, ZERO, HELP)        \
    {                                                                          \
        NAME, NCP_TYPE_INT, LIFE, UNIT, CLIENT, SERVER, 0, MAX, ZERO, NULL,    \
            HELP "; 0: " ZERO                                                  \
    }
#define OPTION_BOOL(NAME, LIFE, ON, HELP)                                      \
    {                                                                          \
        NAME, NCP_TYPE_BOOL, LIFE, "", ON, ON, 0, 1, NULL, NULL, HELP          \
    }
#define OPTION_TIME(NAME, LIFE, MS, MIN, MAX, HELP)                            \
    {                                                                          \
        NAME, NCP_TYPE_DURATION, LIFE, "ms", MS, MS, MIN, MAX, NULL, NULL,     \
            HELP                                                               \
    }
#define OPTION_TIME_0(NAME, LIFE, MS, MAX, ZERO, HELP)                         \
    {                                                                          \
        NAME, NCP_TYPE_DURATION, LIFE, "ms", MS, MS, 0, MAX, ZERO, NULL,       \
            HELP "; 0: " ZERO                                                  \
    }
#define OPTION_ENUM(NAME, LIFE, CLIENT, SERVER, NAMES, HELP)                   \
    {                                                                          \
        NAME, NCP_TYPE_ENUM, LIFE, "", CLIENT, SERVER, 0,                      \
            sizeof(NAMES) / sizeof((NAMES)[0]) - 1, NULL, NAMES, HELP          \
    }
#define OPTION_TEXT(NAME, BYTES, HELP)                                         \
    {                                                                          \
        NAME, NCP_TYPE_TEXT, OPTION_FIXED, "", 0, 0, 0, BYTES, NULL, NULL,     \
            HELP                                                               \
    }

static const struct ncp__option_row option_rows[NCP__OPTION_END] = {
    [NCP_OPTION_MODE] = OPTION_ENUM(
        "mode", OPTION_FIXED, NCP_MODE_CLIENT, NCP_MODE_SERVER, option_modes,
        "where connections come from: client (the pool dials) or "
        "server (it accepts)"),
    [NCP_OPTION_DRIVER] =
        OPTION_ENUM("driver", OPTION_FIXED, NCP_DRIVER_PUSH, NCP_DRIVER_PUSH,
                    option_drivers,
                    "who dials, checks and closes: push (the pool calls "
                    "callbacks) or pull (it hands the work out as events)"),
    [NCP_OPTION_NAME] = OPTION_TEXT(
        "name", OPTION_NAME_BYTES, "name of the pool in logs and descriptions"),
    [NCP_OPTION_TARGET] =
        OPTION_TEXT("target", OPTION_TARGET_BYTES,
                    "what the built-in dialer dials: tcp://host:port, tcp4://, "
                    "tcp6://, udp://, udp4://, udp6:// or unix:path"),
    [NCP_OPTION_LISTENER_FD] =
        OPTION_INT("listener_fd", OPTION_FIXED, "", -1, -1, -1, INT_MAX,
                   "server mode: the listening socket, -1 for none; made "
                   "non-blocking by a pool that accepts from it itself, never "
                   "closed by it"),
    [NCP_OPTION_MAX_CONNECTIONS] =
        OPTION_INT_0("max_connections", OPTION_LIVE, "connections", 10, 100,
                     OPTION_CONNECTIONS, "unlimited",
                     "the most connections that are open or being created"),
    [NCP_OPTION_MIN_CONNECTIONS] =
        OPTION_INT("min_connections", OPTION_LIVE, "connections", 2, 0, 0,
                   OPTION_CONNECTIONS,
                   "how many connections are made in advance (client mode)"),
    [NCP_OPTION_MAX_IDLE_CONNECTIONS] =
        OPTION_INT("max_idle_connections", OPTION_LIVE, "connections", 10, 50,
                   1, OPTION_CONNECTIONS,
                   "the most idle connections that are kept; at most "
                   "max_connections"),
    [NCP_OPTION_CONNECTION_TIMEOUT] = OPTION_TIME(
        "connection_timeout", OPTION_LIVE, 10000, 1, NCP__DURATION_MAX_MS,
        "how long the creation of one connection may take"),
    [NCP_OPTION_IDLE_TIMEOUT] = OPTION_TIME_0(
        "idle_timeout", OPTION_LIVE, 300000, NCP__DURATION_MAX_MS, "never",
        "how long a connection may be idle before it is closed"),
    [NCP_OPTION_MAX_LIFETIME] = OPTION_TIME_0(
        "max_lifetime", OPTION_LIVE, 1800000, NCP__DURATION_MAX_MS, "never",
        "how old a connection may become"),
    [NCP_OPTION_EXPIRY_JITTER] =
        OPTION_INT_0("expiry_jitter", OPTION_FIXED, "percent", 3, 3, 50, "none",
                     "by how much a connection's idle timeout and lifetime are "
                     "shortened at most, so that not all expire together"),
    [NCP_OPTION_GET_TIMEOUT] =
        OPTION_TIME("get_timeout", OPTION_LIVE, 5000, -1, NCP__DURATION_MAX_MS,
                    "how long a get waits for a connection; -1 for no limit, "
                    "never 0"),
    [NCP_OPTION_HEALTH_CHECK] =
        OPTION_BOOL("health_check", OPTION_FIXED, 1,
                    "whether idle connections are checked in the background"),
    [NCP_OPTION_HEALTH_CHECK_INTERVAL] = OPTION_TIME(
        "health_check_interval", OPTION_LIVE, 30000, 0, NCP__DURATION_MAX_MS,
        "time between two rounds of health checks; positive while "
        "health_check is on"),
    [NCP_OPTION_HEALTH_CHECK_TIMEOUT] = OPTION_TIME_0(
        "health_check_timeout", OPTION_LIVE, 3000, NCP__DURATION_MAX_MS,
        "3s, or half of health_check_interval if that is less",
        "how long one health check may take; more than "
        "health_check_interval becomes half of it"),
    [NCP_OPTION_CHECK_ON_BORROW] =
        OPTION_BOOL("check_on_borrow", OPTION_FIXED, 0,
                    "whether an idle connection is checked before it is lent"),
    [NCP_OPTION_LEAK_TIMEOUT] = OPTION_TIME_0(
        "leak_timeout", OPTION_LIVE, 300000, NCP__DURATION_MAX_MS, "off",
        "how long a connection may be borrowed before it counts as "
        "leaked"),
    [NCP_OPTION_LEAK_INTERVAL] =
        OPTION_TIME_0("leak_interval", OPTION_LIVE, 0, NCP__DURATION_MAX_MS,
                      "half of leak_timeout, between 1s and 1m0s",
                      "time between two searches for leaks"),
    [NCP_OPTION_LEAK_EVICT_MULTIPLIER] = OPTION_INT_0(
        "leak_evict_multiplier", OPTION_LIVE, "leak timeouts", 2, 2, 20,
        "never",
        "after how many leak timeouts a leaked connection is taken "
        "from its borrower"),
    [NCP_OPTION_CAPTURE_STACKS] = OPTION_BOOL(
        "capture_stacks", OPTION_FIXED, 0,
        "whether the stack of each borrower is kept, to find leaks"),
    [NCP_OPTION_STATS] =
        OPTION_BOOL("stats", OPTION_FIXED, 1, "whether statistics are kept"),
    [NCP_OPTION_LATENCY_SAMPLES] = OPTION_INT(
        "latency_samples", OPTION_FIXED, "samples", 1000, 1000, 100,
        OPTION_COUNT, "how many gets the percentiles are computed from"),
    [NCP_OPTION_CLEAR_UDP] =
        OPTION_BOOL("clear_udp", OPTION_FIXED, 1,
                    "whether stale datagrams are dropped when a UDP connection "
                    "is borrowed again"),
    [NCP_OPTION_UDP_CLEAR_TIMEOUT] = OPTION_TIME_0(
        "udp_clear_timeout", OPTION_FIXED, 100, NCP__DURATION_MAX_MS,
        "the default", "how long dropping stale datagrams may take"),
    [NCP_OPTION_MAX_BUFFER_CLEAR_PACKETS] = OPTION_INT_0(
        "max_buffer_clear_packets", OPTION_FIXED, "datagrams", 100, 100,
        OPTION_COUNT, "the default",
        "how many stale datagrams are dropped at most; a connection "
        "with more is closed"),
    [NCP_OPTION_RESTORE_BLOCKING] =
        OPTION_BOOL("restore_blocking", OPTION_FIXED, 0,
                    "whether a return puts O_NONBLOCK back to what the dialer "
                    "left"),
    [NCP_OPTION_MAX_CONCURRENT_CREATES] =
        OPTION_INT_0("max_concurrent_creates", OPTION_LIVE, "connections", 5, 5,
                     OPTION_CONNECTIONS, "unlimited",
                     "how many connections are created at the same time"),
    [NCP_OPTION_CREATE_RETRIES] =
        OPTION_INT("create_retries", OPTION_LIVE, "attempts", 0, 0, 0, 1000,
                   "how often a failed creation is repeated"),
    [NCP_OPTION_CREATE_RETRY_INTERVAL] = OPTION_TIME(
        "create_retry_interval", OPTION_LIVE, 10, 0, OPTION_SHORT_MS,
        "pause before a creation is repeated, times the attempt"),
    [NCP_OPTION_DIAL_IN_CALLER] = OPTION_BOOL(
        "dial_in_caller", OPTION_FIXED, 0,
        "whether the thread of get dials itself; deadlines then hold "
        "only as well as the dialer keeps them"),
    [NCP_OPTION_DIAL_RATE] =
        OPTION_INT_0("dial_rate", OPTION_LIVE, "dials/s", 0, 0, OPTION_COUNT,
                     "no limit", "how many dials a second are begun"),
    [NCP_OPTION_DIAL_BURST] =
        OPTION_INT("dial_burst", OPTION_LIVE, "dials", 1, 1, 1, OPTION_COUNT,
                   "how many dials may begin at once within dial_rate"),
    [NCP_OPTION_DIAL_BACKOFF] = OPTION_TIME_0(
        "dial_backoff", OPTION_LIVE, 0, NCP__DURATION_MAX_MS, "none",
        "pause after a failed dial; it grows, with jitter, while "
        "dials fail; at least 10ms with dial_policy wait"),
    [NCP_OPTION_DIAL_BACKOFF_MAX] = OPTION_TIME(
        "dial_backoff_max", OPTION_LIVE, 30000, 1, NCP__DURATION_MAX_MS,
        "the longest pause after a failed dial"),
    [NCP_OPTION_BREAKER_FAILURES] =
        OPTION_INT_0("breaker_failures", OPTION_LIVE, "dials", 0, 0,
                     OPTION_COUNT, "no breaker",
                     "after how many failed dials in a row the circuit breaker "
                     "opens"),
    [NCP_OPTION_BREAKER_COOLDOWN] = OPTION_TIME(
        "breaker_cooldown", OPTION_LIVE, 5000, 1, NCP__DURATION_MAX_MS,
        "how long the open breaker waits before a single dial probes "
        "the peer"),
    [NCP_OPTION_DIAL_POLICY] = OPTION_ENUM(
        "dial_policy", OPTION_LIVE, NCP_DIAL_FAIL_ONE, NCP_DIAL_FAIL_ONE,
        option_dial_policies,
        "who is told of a failed dial: fail_one (the waiter that "
        "asked for it), fail_all (every waiter) or wait (nobody: the "
        "pool dials again)"),
    [NCP_OPTION_CLEANUP_INTERVAL] = OPTION_TIME_0(
        "cleanup_interval", OPTION_FIXED, 0, NCP__DURATION_MAX_MS,
        "the least of 30s, half of idle_timeout and half of max_lifetime",
        "time between two searches for expired connections"),
    [NCP_OPTION_MAINTAIN_MIN] =
        OPTION_BOOL("maintain_min", OPTION_LIVE, 0,
                    "whether the pool is refilled to min_connections"),
    [NCP_OPTION_PREWARM_RETRY] =
        OPTION_BOOL("prewarm_retry", OPTION_FIXED, 0,
                    "whether a failed creation in advance is repeated"),
    [NCP_OPTION_PREWARM_MAX_RETRIES] = OPTION_INT(
        "prewarm_max_retries", OPTION_FIXED, "attempts", 3, 3, 0, 1000,
        "how often a creation in advance is repeated, for each connection"),
    [NCP_OPTION_PREWARM_RETRY_INTERVAL] = OPTION_TIME(
        "prewarm_retry_interval", OPTION_FIXED, 100, 0, OPTION_SHORT_MS,
        "pause before a creation in advance is repeated"),
    [NCP_OPTION_PREWARM_BLOCKING] =
        OPTION_BOOL("prewarm_blocking", OPTION_FIXED, 0,
                    "whether making the pool waits for the connections made in "
                    "advance (push driver)"),
    [NCP_OPTION_IDLE_ORDER] = OPTION_ENUM(
        "idle_order", OPTION_FIXED, NCP_IDLE_LIFO, NCP_IDLE_LIFO,
        option_idle_orders,
        "which idle connection is lent first: lifo (the one returned "
        "last) or fifo (the one returned first)"),
    [NCP_OPTION_FAIRNESS] = OPTION_ENUM(
        "fairness", OPTION_LIVE, NCP_FAIRNESS_STRICT, NCP_FAIRNESS_STRICT,
        option_fairnesses,
        "who gets a returned connection: strict (the oldest waiter) "
        "or adaptive (a running caller, until the oldest waiter has "
        "waited 1ms)"),
    [NCP_OPTION_STORE] = OPTION_ENUM("store", OPTION_FIXED, NCP_STORE_LOCKFREE,
                                     NCP_STORE_LOCKFREE, option_stores,
                                     "how idle connections are kept: lockfree, "
                                     "lock (a mutex and a list) or sharded (a "
                                     "chain for each of a few threads)"),
    [NCP_OPTION_MAX_WAITERS] = OPTION_INT_0(
        "max_waiters", OPTION_LIVE, "callers", 0, 0, 10 * OPTION_COUNT,
        "unlimited", "how many callers may wait at the same time"),
    [NCP_OPTION_LOG_LEVEL] = OPTION_ENUM(
        "log_level", OPTION_LIVE, NCP_LOG_WARN, NCP_LOG_WARN, option_log_levels,
        "how much is logged: off, error, warn, info or debug"),
    [NCP_OPTION_TCP_NODELAY] =
        OPTION_BOOL("tcp_nodelay", OPTION_FIXED, 1,
                    "whether the built-in dialer and acceptor set TCP_NODELAY"),
    [NCP_OPTION_TCP_KEEPALIVE] =
        OPTION_TIME_0("tcp_keepalive", OPTION_FIXED, 15000, INT64_C(32767000),
                      "off", "time between two TCP keep-alive probes"),
    [NCP_OPTION_SEND_BUFFER] =
        OPTION_INT_0("send_buffer", OPTION_FIXED, "bytes", 0, 0, 1 << 30,
                     "the system's", "size of the send buffer of a socket"),
    [NCP_OPTION_RECEIVE_BUFFER] =
        OPTION_INT_0("receive_buffer", OPTION_FIXED, "bytes", 0, 0, 1 << 30,
                     "the system's", "size of the receive buffer of a socket"),
    [NCP_OPTION_HAPPY_EYEBALLS_DELAY] =
        OPTION_TIME("happy_eyeballs_delay", OPTION_FIXED, 250, 10, 60000,
                    "how long the built-in dialer waits for one address before "
                    "it tries the next one beside it"),
    [NCP_OPTION_HOST_EVENTS] = OPTION_INT_0(
        "host_events", OPTION_FIXED, "", 0,
        0, NCP_HOST_BORROW | NCP_HOST_LEAK | NCP_HOST_LOG | NCP_HOST_DUE,
        "none",
        "which events the host of a pull pool wants besides; the "
        "sum of 1 (borrow), 2 (leak), 4 (log), 8 (due)"),
};

const struct ncp__option_row *ncp__option_row(int option)
{
    if (option <= 0 || option >= NCP__OPTION_END)
        return NULL;
    return &option_rows[option];
}

int ncp_option_at(int index, int *out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = 0;
    if (index < 0 || index >= NCP__OPTION_END - 1)
        return NCP_ENOTFOUND;
    *out = index + 1;
    return NCP_OK;
}

int ncp_option_find(const char *name, int *out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = 0;
    if (name == NULL)
        return NCP_EINVAL;
    for (int option = 1; option < NCP__OPTION_END; option++) {
        if (strcmp(option_rows[option].name, name) == 0) {
            *out = option;
            return NCP_OK;
        }
    }
    return NCP_ENOTFOUND;
}

const char *ncp_option_name(int option)
{
    const struct ncp__option_row *row = ncp__option_row(option);
    return row == NULL ? NULL : row->name;
}

const char *ncp_option_help(int option)
{
    const struct ncp__option_row *row = ncp__option_row(option);
    return row == NULL ? NULL : row->help;
}

const char *ncp_option_unit(int option)
{
    const struct ncp__option_row *row = ncp__option_row(option);
    return row == NULL ? NULL : row->unit;
}

int ncp_option_type(int option)
{
    const struct ncp__option_row *row = ncp__option_row(option);
    return row == NULL ? NCP_ENOTFOUND : row->type;
}

int ncp_option_runtime(int option)
{
    const struct ncp__option_row *row = ncp__option_row(option);
    return row == NULL ? NCP_ENOTFOUND : row->runtime;
}

static void option_store(int64_t *out, int64_t value)
{
    if (out != NULL)
        *out = value;
}

int ncp_option_range(int option, int mode, int64_t *def, int64_t *min,
                     int64_t *max)
{
    const struct ncp__option_row *row = ncp__option_row(option);

    option_store(def, 0);
    option_store(min, 0);
    option_store(max, 0);
    if (row == NULL)
        return NCP_ENOTFOUND;
    if (row->type == NCP_TYPE_TEXT)
        return NCP_EINVAL;
    if (mode != NCP_MODE_CLIENT && mode != NCP_MODE_SERVER)
        return NCP_EINVAL;
    option_store(def, mode == NCP_MODE_SERVER ? row->server : row->client);
    option_store(min, row->min);
    option_store(max, row->max);
    return NCP_OK;
}

/* ----------------------------------------------------------------- refusals */

int ncp__refuse(char *reason, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reason, NCP__REASON_SIZE, format, arguments);
    va_end(arguments);
    return NCP_EINVALIDCONFIG;
}

const char *ncp__quote(char *quote, const char *text)
{
    enum { DOTS = 3 };
    size_t i = 0;

    for (; text[i] != '\0' && i < NCP__QUOTE_SIZE - DOTS - 1; i++) {
        bool printable = text[i] >= ' ' && text[i] <= '~';
        quote[i] = printable ? text[i] : '?';
    }
    quote[i] = '\0';
    if (text[i] != '\0')
        memcpy(quote + i, "...", DOTS + 1);
    return quote;
}

static int option_refuse_enum(const struct ncp__option_row *row, int64_t value,
                              char *reason)
{
    char names[128] = "";
    size_t used = 0;

    for (int64_t i = row->min; i <= row->max; i++) {
        int n =
            snprintf(names + used, sizeof names - used, "%s%s (%lld)",
                     i == row->min ? "" : ", ", row->names[i], (long long)i);
        used += (size_t)n;
        NCP__ASSERT(used < sizeof names);
    }
    return ncp__refuse(reason, "%s is %lld: use %s", row->name,
                       (long long)value, names);
}

static int option_refuse_number(const struct ncp__option_row *row,
                                int64_t value, char *reason)
{
    bool zero = row->zero != NULL && row->min == 0;
    const char *unit = row->unit;
    char meaning[128] = "";

    if (row->type == NCP_TYPE_DURATION)
        unit = "milliseconds";
    if (zero)
        snprintf(meaning, sizeof meaning, "0 (%s), or ", row->zero);
    return ncp__refuse(reason, "%s is %lld: use %s%lld to %lld%s%s", row->name,
                       (long long)value, meaning,
                       (long long)(zero ? 1 : row->min), (long long)row->max,
                       *unit == '\0' ? "" : " ", unit);
}

/* Below 0 is no limit, whatever the number; only 0 has no meaning. */
static int option_check_get(int64_t value, char *reason)
{
    if (value < 0 || (value > 0 && value <= NCP__DURATION_MAX_MS))
        return NCP_OK;
    return ncp__refuse(reason,
                       "get_timeout is %lld: use a positive number of "
                       "milliseconds (at most %lld), or -1 for no limit",
                       (long long)value, (long long)NCP__DURATION_MAX_MS);
}

int ncp__option_check(int option, int64_t value, char *reason)
{
    const struct ncp__option_row *row = ncp__option_row(option);

    if (row == NULL)
        return ncp__refuse(reason,
                           "%d is no option: use a value of enum "
                           "ncp_option",
                           option);
    if (row->type == NCP_TYPE_TEXT)
        return ncp__refuse(reason, "%s is a text: it takes no number",
                           row->name);
    if (option == NCP_OPTION_GET_TIMEOUT)
        return option_check_get(value, reason);
    if (value >= row->min && value <= row->max)
        return NCP_OK;
    if (row->type == NCP_TYPE_ENUM)
        return option_refuse_enum(row, value, reason);
    if (row->type == NCP_TYPE_BOOL)
        return ncp__refuse(reason, "%s is %lld: use 0 (off) or 1 (on)",
                           row->name, (long long)value);
    return option_refuse_number(row, value, reason);
}

/* --------------------------------------------------------------- suggestion */

enum { NEAREST_LENGTH = 40, NEAREST_DISTANCE = 3 };

static size_t option_min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* How many letters must be put in, taken out or changed (Levenshtein). */
static size_t option_distance(const char *a, const char *b)
{
    size_t row[NEAREST_LENGTH + 1];
    size_t width = strlen(b);

    for (size_t j = 0; j <= width; j++)
        row[j] = j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < width; j++) {
            size_t above = row[j + 1];
            row[j + 1] =
                option_min3(above + 1, row[j] + 1, diagonal + (a[i] != b[j]));
            diagonal = above;
        }
    }
    return row[width];
}

int ncp__option_nearest(const char *name)
{
    size_t least = NEAREST_DISTANCE + 1;
    int nearest = 0;

    if (strlen(name) > NEAREST_LENGTH || strlen(name) <= NEAREST_DISTANCE)
        return 0;
    for (int option = 1; option < NCP__OPTION_END; option++) {
        size_t distance = option_distance(name, option_rows[option].name);
        if (distance < least) {
            least = distance;
            nearest = option;
        }
    }
    return nearest;
}
#undef OPTION_SHORT_MS
#undef OPTION_CONNECTIONS
#undef OPTION_COUNT
#undef OPTION_INT
#undef OPTION_INT_0
#undef OPTION_BOOL
#undef OPTION_TIME
#undef OPTION_TIME_0
#undef OPTION_ENUM
#undef OPTION_TEXT

/* ---------------------------------------------------------- pool/place.c */

/* A place in the line of waiters: how a get comes to wait, or not. */

/* Takes the waiter out of those to be told, for we are about to answer. */
static bool forget_decided(struct ncp__acts *acts,
                           const struct ncp__waiter *waiter)
{
    struct ncp__waiter *before = NULL, *at = acts->decided_head;

    while (at != NULL && at != waiter) {
        before = at;
        at = at->next;
    }
    if (at == NULL)
        return false;
    if (before == NULL)
        acts->decided_head = at->next;
    else
        before->next = at->next;
    if (acts->decided_tail == at)
        acts->decided_tail = before;
    return true;
}

static struct ncp__pending name_locked(struct ncp__waiter *waiter)
{
    waiter->named = true;
    atomic_store_explicit(&waiter->state, NCP__WAITING, memory_order_relaxed);
    return (struct ncp__pending){waiter->ticket, waiter->tag,
                                 waiter->deadline_ns};
}

struct ncp__pending ncp__pull_name(ncp_pool *pool, struct ncp__waiter *waiter)
{
    ncp__engine_lock(&pool->engine);
    struct ncp__pending pending = name_locked(waiter);
    ncp__engine_unlock(&pool->engine);
    return pending;
}

static int pend(ncp_pool *pool, const struct ncp__pending *pending,
                ncp_event *out)
{
    out->type = NCP_EVENT_PENDING;
    out->ticket = pending->ticket;
    out->tag = pending->tag;
    if (pending->deadline_ns != NCP__NEVER)
        ncp__upkeep_at(pool, pending->deadline_ns);
    return NCP_OK;
}

int ncp__pull_answer_or_pend(ncp_pool *pool, struct ncp__waiter *waiter,
                             bool stood, const struct ncp__pending *pending,
                             struct ncp__acts *acts, ncp_event *out)
{
    bool mine = !stood || forget_decided(acts, waiter);

    if (mine) {
        ncp__engine_lock(&pool->engine);
        waiter->named = false;
        ncp__engine_unlock(&pool->engine);
    }
    ncp__pool_act(pool, acts, NCP__NO_SLOT);
    return mine ? ncp__pull_answer(pool, waiter, out)
                : pend(pool, pending, out);
}

/* What came of looking for a place. */
struct placed {
    struct ncp__acts acts;
    struct ncp__pending pending;
    struct ncp__waiter *mine; /* decided at once; NULL: it stands, or is gone */
    ncp_queue *queue;         /* of one that is gone: a reference to drop */
    int status;
};

static void place_locked(ncp_pool *pool, struct ncp__waiter *waiter,
                         uint64_t now_ns, struct placed *placed)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts *acts = &placed->acts;

    placed->pending = name_locked(waiter);
    placed->status = waiter->tries
                         ? ncp__try_locked(engine, waiter, now_ns, acts)
                         : ncp__enqueue_locked(engine, waiter, now_ns, acts);
    if (placed->status != NCP_OK) {
        placed->queue = ncp__ticket_free_locked(pool, waiter);
    } else if (waiter->tries || forget_decided(acts, waiter)) {
        waiter->named = false;
        placed->mine = waiter;
    }
}

static int answer_placed(ncp_pool *pool, struct placed *placed, ncp_event *out)
{
    ncp__pool_act(pool, &placed->acts, NCP__NO_SLOT);
    ncp__queue_unref(placed->queue);
    if (placed->status != NCP_OK)
        return placed->status;
    return placed->mine != NULL ? ncp__pull_answer(pool, placed->mine, out)
                                : pend(pool, &placed->pending, out);
}

int ncp__pull_begin(ncp_pool *pool, const struct ncp__request *request,
                    ncp_event *out)
{
    struct placed placed = {.acts = NCP__NO_ACTS, .status = NCP_ENOMEM};
    uint64_t now_ns = ncp__engine_now(&pool->engine);

    ncp__engine_lock(&pool->engine);
    struct ncp__waiter *waiter = ncp__ticket_new_locked(pool, request, now_ns);
    if (waiter != NULL)
        place_locked(pool, waiter, now_ns, &placed);
    ncp__engine_unlock(&pool->engine);
    if (waiter != NULL)
        return answer_placed(pool, &placed, out);
    ncp__engine_count_failure(&pool->engine, NCP_ENOMEM);
    return NCP_ENOMEM;
}

int ncp__pull_place(ncp_pool *pool, struct ncp__waiter *waiter, ncp_event *out)
{
    struct placed placed = {.acts = NCP__NO_ACTS};
    uint64_t now_ns = ncp__engine_now(&pool->engine);

    ncp__engine_lock(&pool->engine);
    place_locked(pool, waiter, now_ns, &placed);
    ncp__engine_unlock(&pool->engine);
    return answer_placed(pool, &placed, out);
}

/* ----------------------------------------------------------- pool/pool.c */

/* The life of a pool: new, references, options, and what changes all of it. */

#include <string.h>

#define WAIT_POLICY_BACKOFF_NS (10 * NCP__NS_PER_MS)

/* ------------------------------------------------------------------- references */

void ncp__pool_hold(ncp_pool *pool)
{
    atomic_fetch_add_explicit(&pool->refs, 1, memory_order_relaxed);
}

static void destroy(ncp_pool *pool)
{
    ncp__registry_remove(pool);
    ncp__service_leave(pool);
    ncp__pull_destroy(pool);
    ncp__stack_free(pool);
    ncp__config_clear(&pool->config);
    ncp__alarm_close(&pool->wake);
    ncp__engine_destroy(&pool->engine);
    ncp__free_aligned(pool);
}

void ncp__pool_release(ncp_pool *pool)
{
    if (atomic_fetch_sub_explicit(&pool->refs, 1, memory_order_acq_rel) == 1)
        destroy(pool);
}

void ncp__pool_settle(ncp_pool *pool)
{
    struct ncp__engine *engine = &pool->engine;

    if (!atomic_load_explicit(&pool->orphaned, memory_order_acquire))
        return;
    ncp__engine_lock(engine);
    bool now = !pool->settled && engine->open == 0 && engine->dialing == 0 &&
               engine->closing == 0 && engine->out == 0 &&
               pool->checks_out == 0 && pool->events_out == 0;
    if (now)
        pool->settled = true;
    ncp__engine_unlock(engine);
    if (!now)
        return;
    if (pool->pull)
        ncp__queue_remove_pool(pool->config.queue, pool);
    ncp__pool_release(pool);
}

ncp_pool *ncp_pool_ref(ncp_pool *pool)
{
    if (pool != NULL)
        atomic_fetch_add_explicit(&pool->handles, 1, memory_order_relaxed);
    return pool;
}

/* What was taken away and never put keeps no descriptor. */
static void let_go_of_taken(ncp_pool *pool)
{
    uint32_t count =
        ncp__chunk_count(&pool->engine.slots) * (uint32_t)NCP__CHUNK_SLOTS;

    for (uint32_t index = 0; index < count; index++)
        ncp__conn_abandoned(pool, index);
}

void ncp_pool_free(ncp_pool *pool)
{
    if (pool == NULL ||
        atomic_fetch_sub_explicit(&pool->handles, 1, memory_order_acq_rel) != 1)
        return;
    ncp__pool_hold(pool);
    (void)ncp_pool_close(pool);
    let_go_of_taken(pool);
    ncp__service_leave(pool);
    atomic_store_explicit(&pool->orphaned, true, memory_order_release);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
}

int ncp_pool_find(const char *name, ncp_pool **out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = NULL;
    if (name == NULL)
        return NCP_EINVAL;
    *out = ncp__registry_find(name);
    return *out == NULL ? NCP_ENOTFOUND : NCP_OK;
}

/* ----------------------------------------------------------------------- limits */

static uint32_t count_of(const ncp_pool *pool, int option)
{
    return (uint32_t)ncp__pool_num(pool, option);
}

static void apply_gatekeeper(ncp_pool *pool)
{
    struct ncp__gatekeeper *gatekeeper = &pool->engine.gatekeeper;

    gatekeeper->rate = count_of(pool, NCP_OPTION_DIAL_RATE);
    gatekeeper->burst = count_of(pool, NCP_OPTION_DIAL_BURST);
    gatekeeper->backoff_ns = ncp__pool_option_ns(pool, NCP_OPTION_DIAL_BACKOFF);
    gatekeeper->backoff_max_ns =
        ncp__pool_option_ns(pool, NCP_OPTION_DIAL_BACKOFF_MAX);
    gatekeeper->breaker_failures = count_of(pool, NCP_OPTION_BREAKER_FAILURES);
    gatekeeper->cooldown_ns =
        ncp__pool_option_ns(pool, NCP_OPTION_BREAKER_COOLDOWN);
    /* Waiters that nobody tells of a failure must not dial in a circle. */
    if (ncp__pool_num(pool, NCP_OPTION_DIAL_POLICY) == NCP_DIAL_WAIT &&
        gatekeeper->backoff_ns == 0)
        gatekeeper->backoff_ns = WAIT_POLICY_BACKOFF_NS;
    if (gatekeeper->backoff_max_ns < gatekeeper->backoff_ns)
        gatekeeper->backoff_max_ns = gatekeeper->backoff_ns;
}

void ncp__pool_apply_limits(ncp_pool *pool)
{
    bool server = ncp__pool_num(pool, NCP_OPTION_MODE) == NCP_MODE_SERVER;

    pool->engine.limits = (struct ncp__engine_limits){
        .max = count_of(pool, NCP_OPTION_MAX_CONNECTIONS),
        .max_idle = count_of(pool, NCP_OPTION_MAX_IDLE_CONNECTIONS),
        .min = count_of(pool, NCP_OPTION_MIN_CONNECTIONS),
        .max_creates = count_of(pool, NCP_OPTION_MAX_CONCURRENT_CREATES),
        .max_waiters = count_of(pool, NCP_OPTION_MAX_WAITERS),
        .create_retries = count_of(pool, NCP_OPTION_CREATE_RETRIES),
        .create_retry_ns =
            ncp__pool_option_ns(pool, NCP_OPTION_CREATE_RETRY_INTERVAL),
        .connection_timeout_ns =
            ncp__pool_option_ns(pool, NCP_OPTION_CONNECTION_TIMEOUT),
        .idle_timeout_ns = ncp__pool_option_ns(pool, NCP_OPTION_IDLE_TIMEOUT),
        .max_lifetime_ns = ncp__pool_option_ns(pool, NCP_OPTION_MAX_LIFETIME),
        .jitter_percent = count_of(pool, NCP_OPTION_EXPIRY_JITTER),
        .dial_policy = (uint8_t)ncp__pool_num(pool, NCP_OPTION_DIAL_POLICY),
        .adaptive =
            ncp__pool_num(pool, NCP_OPTION_FAIRNESS) == NCP_FAIRNESS_ADAPTIVE,
        .server = server,
        .one_dial = server && !pool->pull && pool->config.acceptor == NULL,
        .close_first = !pool->pull,
        .prewarm_retry = ncp__pool_num(pool, NCP_OPTION_PREWARM_RETRY) != 0,
        .prewarm_max_retries = count_of(pool, NCP_OPTION_PREWARM_MAX_RETRIES),
        .prewarm_retry_ns =
            ncp__pool_option_ns(pool, NCP_OPTION_PREWARM_RETRY_INTERVAL),
        .maintain_min = ncp__pool_num(pool, NCP_OPTION_MAINTAIN_MIN) != 0,
        .stats = ncp__pool_num(pool, NCP_OPTION_STATS) != 0,
    };
    apply_gatekeeper(pool);
}

static uint32_t prewarm_target(const ncp_pool *pool)
{
    uint32_t min = count_of(pool, NCP_OPTION_MIN_CONNECTIONS);
    uint32_t max = count_of(pool, NCP_OPTION_MAX_CONNECTIONS);
    uint32_t max_idle = count_of(pool, NCP_OPTION_MAX_IDLE_CONNECTIONS);

    if (ncp__pool_num(pool, NCP_OPTION_MODE) == NCP_MODE_SERVER)
        return 0;
    min = min < max_idle ? min : max_idle;
    return max != 0 && max < min ? max : min;
}

/* ---------------------------------------------------------------------- making */

static ncp_conn_fn hook_of(const ncp_pool *pool, int callback, void **user)
{
    const struct ncp__hook *hook = pool->config.conn[callback];

    *user = hook == NULL ? NULL : hook->user;
    return hook == NULL ? NULL : hook->fn.conn;
}

static void choose_work(ncp_pool *pool)
{
    pool->on_borrow =
        hook_of(pool, NCP_CALLBACK_ON_BORROW, &pool->on_borrow_user);
    pool->on_return =
        hook_of(pool, NCP_CALLBACK_ON_RETURN, &pool->on_return_user);
    if (pool->on_borrow != NULL ||
        (ncp__pool_num(pool, NCP_OPTION_HOST_EVENTS) & NCP_HOST_BORROW) != 0)
        pool->borrow_work |= NCP__BORROW_HOOK;
    if (ncp__pool_num(pool, NCP_OPTION_CHECK_ON_BORROW) != 0)
        pool->borrow_work |= NCP__BORROW_CHECK;
    if (ncp__pool_num(pool, NCP_OPTION_CLEAR_UDP) != 0)
        pool->borrow_work |= NCP__BORROW_DRAIN;
    if (ncp__pool_num(pool, NCP_OPTION_CAPTURE_STACKS) != 0)
        pool->borrow_work |= NCP__BORROW_STACK;
    if (pool->on_return != NULL)
        pool->return_work |= NCP__RETURN_HOOK;
    if (ncp__pool_num(pool, NCP_OPTION_RESTORE_BLOCKING) != 0)
        pool->return_work |= NCP__RETURN_BLOCKING;
}

/* Stale datagrams are dropped on the long way. */
static void choose_quick(ncp_pool *pool)
{
    pool->quick_stop = NCP__FLAG_UNHEALTHY;
    if ((pool->borrow_work & NCP__BORROW_DRAIN) != 0)
        pool->quick_stop |= NCP__FLAG_DATAGRAM;
    if ((pool->borrow_work & ~NCP__BORROW_DRAIN) == 0)
        pool->quick |= NCP__QUICK_GET;
    if (pool->return_work == 0 && (pool->borrow_work & NCP__BORROW_ASK) == 0)
        pool->quick |= NCP__QUICK_PUT;
}

/* A dialer for the target, unless the user has one of his own. */
static int choose_dialer(ncp_pool *pool)
{
    struct ncp_config *config = &pool->config;

    if (pool->pull || config->dialer != NULL ||
        ncp__pool_num(pool, NCP_OPTION_MODE) == NCP_MODE_SERVER)
        return NCP_OK;
    return ncp__net.dialer_new(config, &config->dialer);
}

/* Several pools, threads or processes may accept from one listener: it does not
 * block, so that none gets stuck when another was faster. */
static int prepare_accept(ncp_pool *pool)
{
    pool->accepts = ncp__pool_num(pool, NCP_OPTION_MODE) == NCP_MODE_SERVER &&
                    !pool->pull && pool->config.acceptor == NULL;
    if (!pool->accepts)
        return NCP_OK;
    if (ncp__alarm_open(&pool->wake) != NCP_OK)
        return NCP_ESYS;
    ncp__net.set_nonblocking((int)ncp__pool_num(pool, NCP_OPTION_LISTENER_FD),
                             true);
    return NCP_OK;
}

static int init_engine(ncp_pool *pool)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__engine_limits limits;
    struct ncp__acts acts = NCP__NO_ACTS;

    ncp__pool_apply_limits(pool);
    limits = engine->limits;
    if (pool->config.clock != NULL) {
        engine->clock = pool->config.clock->fn.clock;
        engine->clock_user = pool->config.clock->user;
    }
    int rc = ncp__engine_init(
        engine, &limits, (int)ncp__pool_num(pool, NCP_OPTION_STORE),
        ncp__pool_num(pool, NCP_OPTION_IDLE_ORDER) == NCP_IDLE_FIFO,
        count_of(pool, NCP_OPTION_LATENCY_SAMPLES));
    if (rc != NCP_OK)
        return rc;
    apply_gatekeeper(pool);
    engine->prewarm.ended = true; /* until ncp_pool_new says so */
    ncp__engine_limits_changed(engine, ncp__engine_now(engine), &acts);
    return NCP_OK;
}

/* Ages that are judged to the millisecond want the clock itself. */
static bool is_coarse(const ncp_pool *pool)
{
    static const int ages[] = {NCP_OPTION_IDLE_TIMEOUT, NCP_OPTION_MAX_LIFETIME,
                               NCP_OPTION_LEAK_TIMEOUT};
    const int64_t shortest_ms = 10000;

    for (size_t i = 0; i < sizeof(ages) / sizeof(ages[0]); i++) {
        int64_t age_ms = ncp__pool_num(pool, ages[i]);
        if (age_ms != 0 && age_ms < shortest_ms)
            return false;
    }
    return pool->engine.clock == NULL && !pool->pull;
}

/* Everything that can fail; what was made is undone by the caller. */
static int build(ncp_pool *pool, const ncp_config *config)
{
    int rc = ncp__config_copy_into(&pool->config, config);

    if (rc != NCP_OK)
        return rc;
    pool->pull = ncp__pool_num(pool, NCP_OPTION_DRIVER) == NCP_DRIVER_PULL;
    rc = choose_dialer(pool);
    if (rc == NCP_OK)
        rc = prepare_accept(pool);
    if (rc == NCP_OK)
        rc = ncp__pull_init(pool);
    return rc == NCP_OK ? init_engine(pool) : rc;
}

static void unbuild(ncp_pool *pool)
{
    ncp__alarm_close(&pool->wake);
    ncp__pull_destroy(pool);
    ncp__config_clear(&pool->config);
    ncp__free_aligned(pool);
}

static void prewarm__pool_pool(ncp_pool *pool)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;

    ncp__engine_lock(engine);
    engine->prewarm.target = prewarm_target(pool);
    engine->prewarm.ended = engine->prewarm.target == 0;
    ncp__serve_locked(engine, ncp__engine_now(engine), &acts);
    ncp__engine_unlock(engine);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    if (ncp__pool_num(pool, NCP_OPTION_PREWARM_BLOCKING) != 0)
        (void)ncp_pool_prewarm_wait(pool, -1);
}

int ncp_pool_new(ncp_config *config, ncp_pool **out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = NULL;
    if (config == NULL)
        return NCP_EINVALIDCONFIG;
    bool derives_cleanup = config->num[NCP_OPTION_CLEANUP_INTERVAL] == 0;
    bool derives_leak = config->num[NCP_OPTION_LEAK_INTERVAL] == 0;
    int rc = ncp_config_validate(config);
    if (rc != NCP_OK)
        return rc;
    ncp_pool *pool = ncp__alloc_aligned(sizeof(*pool), NCP__CACHE_LINE);
    if (pool == NULL)
        return NCP_ENOMEM;
    pool->wake = (struct ncp__alarm){-1, -1};
    pool->job_head = NCP__NO_SLOT;
    pool->job_tail = NCP__NO_SLOT;
    pool->derives_cleanup = derives_cleanup;
    pool->derives_leak = derives_leak;
    atomic_init(&pool->handles, 1);
    atomic_init(&pool->refs, 1);
    rc = build(pool, config);
    if (rc != NCP_OK) {
        unbuild(pool);
        return rc;
    }
    atomic_init(&pool->get_timeout_ms,
                ncp__pool_num(pool, NCP_OPTION_GET_TIMEOUT));
    choose_work(pool);
    choose_quick(pool);
    ncp__service_set_ticks(pool, is_coarse(pool));
    ncp__upkeep_plan(pool, ncp__engine_now(&pool->engine));
    ncp__registry_add(pool);
    if (!pool->pull)
        ncp__service_join(pool);
    prewarm__pool_pool(pool);
    *out = pool;
    return NCP_OK;
}

/* --------------------------------------------------------------------- options */

/* Intervals that follow a timeout follow it again. */
static int checked_copy(const ncp_pool *pool, int option, int64_t value,
                        struct ncp_config *copy)
{
    int rc = ncp__config_copy_into(copy, &pool->config);

    if (rc != NCP_OK)
        return rc;
    if (pool->derives_cleanup)
        copy->num[NCP_OPTION_CLEANUP_INTERVAL] = 0;
    if (pool->derives_leak)
        copy->num[NCP_OPTION_LEAK_INTERVAL] = 0;
    copy->num[option] = value;
    return ncp_config_validate(copy);
}

static void take_numbers(ncp_pool *pool, const struct ncp_config *from)
{
    for (int option = 0; option < NCP__OPTION_END; option++)
        if (ncp_option_runtime(option) == 1 ||
            option == NCP_OPTION_CLEANUP_INTERVAL)
            __atomic_store_n(&pool->config.num[option], from->num[option],
                             __ATOMIC_RELAXED);
}

static int set_option(ncp_pool *pool, int option, int64_t value)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    struct ncp_config copy = {.queue = NULL};
    int rc = checked_copy(pool, option, value, &copy);

    if (rc == NCP_OK) {
        ncp__engine_lock(engine);
        take_numbers(pool, &copy);
        ncp__pool_apply_limits(pool);
        ncp__limits_changed_locked(engine, ncp__engine_now(engine), &acts);
        ncp__engine_unlock(engine);
        atomic_store_explicit(&pool->get_timeout_ms,
                              ncp__pool_num(pool, NCP_OPTION_GET_TIMEOUT),
                              memory_order_relaxed);
        ncp__service_set_ticks(pool, is_coarse(pool));
        ncp__upkeep_replan(pool);
        ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    }
    ncp__config_clear(&copy);
    return rc;
}

int ncp_pool_set(ncp_pool *pool, int option, int64_t value)
{
    int runtime = ncp_option_runtime(option);

    if (pool == NULL)
        return NCP_EINVAL;
    if (runtime < 0)
        return runtime;
    if (runtime == 0)
        return NCP_ESTATE;
    if (ncp__engine_closed(&pool->engine))
        return NCP_ECLOSED;
    return set_option(pool, option, value);
}

int ncp_pool_resize(ncp_pool *pool, int64_t max_connections)
{
    struct ncp__engine *engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    char reason[NCP__REASON_SIZE];

    if (pool == NULL)
        return NCP_EINVAL;
    if (ncp__option_check(NCP_OPTION_MAX_CONNECTIONS, max_connections,
                          reason) != NCP_OK)
        return NCP_EINVALIDCONFIG;
    engine = &pool->engine;
    int rc = ncp__engine_resize(engine, (uint32_t)max_connections,
                                ncp__engine_now(engine), &acts);
    if (rc == NCP_OK)
        __atomic_store_n(&pool->config.num[NCP_OPTION_MAX_CONNECTIONS],
                         max_connections, __ATOMIC_RELAXED);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    return rc;
}

/* A lowered limit lowers what may not exceed it. */
static int64_t in_force(const ncp_pool *pool, int option, int64_t value)
{
    int64_t max = ncp__pool_num(pool, NCP_OPTION_MAX_CONNECTIONS);

    if (option != NCP_OPTION_MAX_IDLE_CONNECTIONS &&
        option != NCP_OPTION_MIN_CONNECTIONS)
        return value;
    return max != 0 && max < value ? max : value;
}

int ncp_pool_option(const ncp_pool *pool, int option, int64_t *out)
{
    int type = ncp_option_type(option);

    if (out == NULL)
        return NCP_EINVAL;
    *out = 0;
    if (pool == NULL)
        return NCP_EINVAL;
    if (type < 0)
        return type;
    if (type == NCP_TYPE_TEXT)
        return NCP_EINVALIDCONFIG;
    *out = in_force(pool, option, ncp__pool_num(pool, option));
    return NCP_OK;
}

/* ---------------------------------------------------------------------- closing */

static void note_close_status(ncp_pool *pool, int status)
{
    int none = NCP_OK;

    atomic_compare_exchange_strong_explicit(&pool->close_status, &none, status,
                                            memory_order_relaxed,
                                            memory_order_relaxed);
}

int ncp_pool_close(ncp_pool *pool)
{
    struct ncp__acts acts = NCP__NO_ACTS;

    if (pool == NULL)
        return NCP_EINVAL;
    ncp__pool_hold(pool);
    bool first = !ncp__engine_closed(&pool->engine);
    ncp__log(pool, NCP_LOG_INFO, 0, "event=pool_close first=%d", first);
    ncp__engine_close(&pool->engine, ncp__engine_now(&pool->engine), &acts);
    int rc = ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    if (pool->pull)
        ncp__pull_drop_needless(pool);
    note_close_status(pool, rc);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return first ? rc : NCP_OK;
}

static bool all_back(const ncp_pool *pool)
{
    const struct ncp__engine *engine = &pool->engine;

    return engine->open == 0 && engine->dialing == 0 && engine->closing == 0;
}

int ncp_pool_close_wait(ncp_pool *pool, int64_t timeout_ms)
{
    int rc = ncp_pool_close(pool);

    if (rc == NCP_EINVAL)
        return rc;
    int waited = ncp__pool_wait(pool, timeout_ms, all_back);
    return waited != NCP_OK ? waited : rc;
}

void ncp__pool_take_away_all(ncp_pool *pool)
{
    struct ncp__engine *engine = &pool->engine;
    uint32_t count =
        ncp__chunk_count(&engine->slots) * (uint32_t)NCP__CHUNK_SLOTS;

    for (uint32_t index = 0; index < count; index++) {
        struct ncp__slot_copy copy;
        uint64_t word = atomic_load_explicit(
            &ncp__engine_slot(engine, index)->word, memory_order_acquire);
        if (ncp__word_state(word) != NCP__LEASED)
            continue;
        uint64_t generation = ncp__word_generation(word);
        ncp_lease lease = ncp__token(generation, index);
        if (ncp__pull_drop_check(pool, lease, NCP_ECLOSED))
            (void)ncp__lease_discard(pool, lease, NCP_REASON_POOL_CLOSED);
        else
            (void)ncp__conn_take_away(pool, index, generation, NCP__TAKEN,
                                      NCP_REASON_POOL_CLOSED, &copy);
    }
}

int ncp_pool_close_now(ncp_pool *pool)
{
    if (pool == NULL)
        return NCP_EINVAL;
    ncp__pool_hold(pool);
    int rc = ncp_pool_close(pool);
    ncp__pool_take_away_all(pool);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

int ncp_pool_drain(ncp_pool *pool, int64_t timeout_ms)
{
    int rc = ncp_pool_close_wait(pool, timeout_ms);

    if (rc != NCP_ETIMEOUT)
        return rc;
    (void)ncp_pool_close_now(pool);
    return rc;
}

int ncp_pool_is_closed(const ncp_pool *pool)
{
    return pool == NULL ? NCP_EINVAL : ncp__engine_closed(&pool->engine);
}

int ncp_pool_flush(ncp_pool *pool)
{
    struct ncp__acts acts = NCP__NO_ACTS;

    if (pool == NULL)
        return NCP_EINVAL;
    int rc =
        ncp__engine_flush(&pool->engine, ncp__engine_now(&pool->engine), &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    return rc;
}

static int suspend(ncp_pool *pool, bool on)
{
    struct ncp__acts acts = NCP__NO_ACTS;

    if (pool == NULL)
        return NCP_EINVAL;
    int rc = ncp__engine_suspend(&pool->engine, on,
                                 ncp__engine_now(&pool->engine), &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    return rc;
}

int ncp_pool_suspend(ncp_pool *pool)
{
    return suspend(pool, true);
}

int ncp_pool_resume(ncp_pool *pool)
{
    return suspend(pool, false);
}

/* ---------------------------------------------------------------------- waiting */

int64_t ncp__ms_until(uint64_t now_ns, uint64_t deadline_ns)
{
    if (deadline_ns == NCP__NEVER)
        return -1;
    if (deadline_ns <= now_ns)
        return 0;
    return (int64_t)((deadline_ns - now_ns + NCP__NS_PER_MS - 1) /
                     NCP__NS_PER_MS);
}

void ncp__pool_park(const ncp_pool *pool, atomic_uint *word, unsigned expected,
                    uint64_t deadline_ns)
{
    ncp__park(word, expected,
              pool->engine.clock == NULL ? deadline_ns : NCP__NEVER);
}

static bool is_done(ncp_pool *pool, bool (*done)(const ncp_pool *pool))
{
    ncp__engine_lock(&pool->engine);
    bool result = done(pool);
    ncp__engine_unlock(&pool->engine);
    return result;
}

int ncp__pool_wait(ncp_pool *pool, int64_t timeout_ms,
                   bool (*done)(const ncp_pool *pool))
{
    struct ncp__engine *engine = &pool->engine;
    uint64_t deadline_ns = ncp__deadline(ncp__engine_now(engine), timeout_ms);
    int rc = NCP_OK;

    ncp__pool_hold(pool);
    /* Seq_cst: pairs with tell_signal in acts.c. */
    atomic_fetch_add_explicit(&engine->signal_waiters, 1, memory_order_seq_cst);
    for (;;) {
        unsigned seen =
            atomic_load_explicit(&engine->signal, memory_order_seq_cst);
        if (is_done(pool, done))
            break;
        if (ncp__engine_now(engine) >= deadline_ns) {
            rc = NCP_ETIMEOUT;
            break;
        }
        ncp__pool_park(pool, &engine->signal, seen, deadline_ns);
    }
    atomic_fetch_sub_explicit(&engine->signal_waiters, 1, memory_order_relaxed);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

static bool prewarm_ended(const ncp_pool *pool)
{
    return pool->engine.prewarm.ended;
}

int ncp_pool_prewarm_wait(ncp_pool *pool, int64_t timeout_ms)
{
    if (pool == NULL)
        return NCP_EINVAL;
    int rc = ncp__pool_wait(pool, timeout_ms, prewarm_ended);
    if (rc != NCP_OK)
        return rc;
    ncp__engine_lock(&pool->engine);
    bool failed = pool->engine.prewarm.failed;
    ncp__engine_unlock(&pool->engine);
    if (failed)
        return ncp__engine_closed(&pool->engine) ? NCP_ECLOSED : NCP_EDIAL;
    return NCP_OK;
}

static void poke_all(struct ncp__engine *engine)
{
    ncp__engine_lock(engine);
    for (int line = 0; line < NCP__LINES; line++)
        for (struct ncp__waiter *waiter = engine->lines.line[line].head;
             waiter != NULL; waiter = waiter->next)
            ncp__waiter_poke(waiter);
    ncp__engine_unlock(engine);
}

int ncp_pool_wake(ncp_pool *pool)
{
    if (pool == NULL)
        return NCP_EINVAL;
    if (!pool->pull)
        atomic_store_explicit(&pool->wake_pending, true, memory_order_seq_cst);
    poke_all(&pool->engine);
    atomic_fetch_add_explicit(&pool->engine.signal, 1, memory_order_seq_cst);
    ncp__unpark(&pool->engine.signal);
    if (pool->pull)
        ncp__host_due(pool, 0);
    else
        ncp__service_kick();
    return NCP_OK;
}

/* ------------------------------------------------------------------------- fork */

void ncp__pool_forked(ncp_pool *pool,
                      void (*drop)(void *context, struct ncp__slot *slot))
{
    ncp__engine_forked(&pool->engine, drop, pool);
    pool->job_head = NCP__NO_SLOT;
    pool->job_tail = NCP__NO_SLOT;
    pool->checks_out = 0;
    memset(pool->late_checks, 0, sizeof(pool->late_checks));
    pool->events_out = 0;
    atomic_store_explicit(&pool->keeping, false, memory_order_relaxed);
    ncp__pull_forked(pool);
    ncp__alarm_forked(&pool->wake);
}
#undef WAIT_POLICY_BACKOFF_NS

/* ----------------------------------------------------------- pool/pull.c */

/* The pull driver: the pool hands its work out and never waits. This is where it
 * begins and ends, and its time. */

int ncp__pull_init(ncp_pool *pool)
{
    pool->work_head = NCP__NO_SLOT;
    pool->work_tail = NCP__NO_SLOT;
    if (!pool->pull)
        return NCP_OK;
    int rc = ncp__tickets_init(pool);
    return rc == NCP_OK ? ncp__host_init(pool) : rc;
}

void ncp__pull_destroy(ncp_pool *pool)
{
    ncp__host_destroy(pool);
    ncp__tickets_destroy(pool);
}

void ncp__pull_forked(ncp_pool *pool)
{
    pool->work_head = NCP__NO_SLOT;
    pool->work_tail = NCP__NO_SLOT;
    pool->in_queue = false;
    ncp__host_forked(pool);
    ncp__tickets_forked(pool);
}

/* -------------------------------------------------------------------------- time */

int ncp_pool_work(ncp_pool *pool)
{
    if (pool == NULL)
        return NCP_EINVAL;
    if (!pool->pull)
        return NCP_ESTATE;
    ncp__pool_hold(pool);
    ncp__pool_after_fork(pool);
    ncp__upkeep(pool);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return NCP_OK;
}

int64_t ncp_pool_next_due_ms(const ncp_pool *pool)
{
    if (pool == NULL)
        return -1;
    if (atomic_load_explicit(&pool->wake_pending, memory_order_seq_cst) ||
        atomic_load_explicit(&pool->keeping, memory_order_seq_cst))
        return 0;
    return ncp__ms_until(ncp__engine_now(&pool->engine),
                         ncp__host_tell_due(pool));
}

/* ----------------------------------------------------------- pool/push.c */

/* The push driver: get and put of C programs and threads. */

enum {
    SPINS = 30,            /* looks at an answer before a thread sleeps */
    SPINS_LONG = 4000,     /* longer than it takes to wake somebody */
    SPINS_LONG_EVERY = 64, /* waits of which at least one looks for so long */
    NAP_NS = 50000 /* adaptive: how long one that was told too late sleeps */
};

/* One get, from its call to its answer. */
struct get {
    int protocol, ip;
    int64_t timeout_ms;
    ncp_cancel *cancel;
    uint64_t tag;
    /* answers, beside the lease */
    bool fresh;   /* the connection was made for it */
    int64_t code; /* what the dial or hook that failed it said */
};

/* --------------------------------------------------------------- borrow work */

/* A connection that may not be lent: it is closed and the get goes on. */
void ncp__get_reject(ncp_pool *pool, uint32_t index, int reason)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    ncp_lease lease = ncp__engine_lease(engine, index);
    uint32_t owned;

    if (ncp__engine_end_lease(engine, lease, NCP__CLOSING, &owned) != NCP_OK) {
        if (owned != NCP__NO_SLOT)
            (void)ncp__conn_taken_back(pool, owned); /* close_now was first */
        return;
    }
    ncp__engine_begin_close(engine, index, reason, ncp__engine_now(engine),
                            &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
}

static bool is_healthy(ncp_pool *pool, const struct ncp_conn *conn)
{
    int fd = ncp__cold(conn->slot)->fd;
    bool healthy =
        pool->config.conn[NCP_CALLBACK_CHECKER] != NULL
            ? ncp__conn_call(conn, NCP_CALLBACK_CHECKER, NCP_REASON_NONE,
                             NCP_EUNHEALTHY) == NCP_OK
            : fd < 0 || ncp__net.alive(fd);

    ncp__engine_count_check(&pool->engine, healthy);
    return healthy;
}

bool ncp__get_clean(const ncp_pool *pool, uint32_t index)
{
    const struct ncp__slot *slot = ncp__engine_slot(&pool->engine, index);
    uint8_t flags = atomic_load_explicit(&slot->flags, memory_order_relaxed);

    if ((pool->borrow_work & NCP__BORROW_DRAIN) == 0 ||
        (flags & NCP__FLAG_DATAGRAM) == 0)
        return true;
    int64_t timeout_ms = ncp__pool_num(pool, NCP_OPTION_UDP_CLEAR_TIMEOUT);
    int packets = (int)ncp__pool_num(pool, NCP_OPTION_MAX_BUFFER_CLEAR_PACKETS);
    int dropped;
    return ncp__net.drain(ncp__cold(slot)->fd, timeout_ms, packets, &dropped) ==
           NCP_OK;
}

/* What is done to a connection before its borrower sees it. NCP_EAGAIN: it was
 * closed, take another. */
static int borrow(ncp_pool *pool, uint32_t index, bool reused, int64_t *code)
{
    struct ncp__slot *slot = ncp__engine_slot(&pool->engine, index);
    struct ncp_conn conn = {pool, slot, index};
    uint8_t work = pool->borrow_work;
    int reason = NCP_REASON_NONE;

    if (reused && (work & NCP__BORROW_CHECK) != 0 && !is_healthy(pool, &conn))
        reason = NCP_REASON_UNHEALTHY;
    else if (reused && !ncp__get_clean(pool, index))
        reason = NCP_REASON_DIRTY;
    if (reason != NCP_REASON_NONE) {
        ncp__get_reject(pool, index, reason);
        return NCP_EAGAIN;
    }
    if ((work & NCP__BORROW_STACK) != 0) {
        ncp__stack_keep(pool, index);
        atomic_fetch_or_explicit(&slot->flags, NCP__FLAG_STACK,
                                 memory_order_relaxed);
    }
    if ((work & NCP__BORROW_HOOK) == 0)
        return NCP_OK;
    int rc = pool->on_borrow(pool->on_borrow_user, &conn, NCP_REASON_NONE);
    if (rc == NCP_OK)
        return rc;
    *code = rc > 0 ? rc : 0;
    ncp__get_reject(pool, index, NCP_REASON_HOOK);
    return rc == NCP_EUSER ? rc : NCP_EHOOK;
}

static inline bool has_work(const ncp_pool *pool, const struct ncp__slot *slot)
{
    uint8_t work = pool->borrow_work;

    return (work & ~NCP__BORROW_DRAIN) != 0 ||
           ((work & NCP__BORROW_DRAIN) != 0 &&
            ncp__cold(slot)->protocol == NCP_PROTOCOL_UDP);
}

static inline void set_tag(struct ncp__slot *slot, uint64_t tag)
{
    if (NCP__LIKELY(tag == 0))
        return;
    __atomic_store_n(&slot->of.tag, tag, __ATOMIC_RELAXED);
    atomic_fetch_or_explicit(&slot->flags, NCP__FLAG_TAGGED,
                             memory_order_release);
}

void ncp__get_mark(ncp_pool *pool, uint32_t index, uint64_t tag)
{
    set_tag(ncp__engine_slot(&pool->engine, index), tag);
}

/* -------------------------------------------------------------------- latency */

/* One fast get in NCP__LATENCY_EVERY is timed. The first of a thread is. */
bool ncp__get_sampled(const ncp_pool *pool)
{
    ncp__thread_enroll();
    return ncp__thread.gets++ % NCP__LATENCY_EVERY == 0 &&
           pool->engine.latency != NULL;
}

void ncp__get_record(ncp_pool *pool, uint64_t since_ns, uint32_t weight)
{
    struct ncp__latency *latency = pool->engine.latency;
    uint64_t now_ns;

    if (latency == NULL)
        return;
    now_ns = ncp__engine_now(&pool->engine);
    ncp__latency_record(latency, now_ns > since_ns ? now_ns - since_ns : 0,
                        weight);
}

/* -------------------------------------------------------------------- waiting */

/* Without a housekeeper its work is done by those who wait. */
static uint64_t help_out(ncp_pool *pool, uint64_t now_ns, uint64_t deadline_ns)
{
    const uint64_t slice_ns = 20 * NCP__NS_PER_MS;

    if (ncp__service_keeps_house())
        return deadline_ns;
    ncp__upkeep(pool);
    return deadline_ns < now_ns + slice_ns ? deadline_ns : now_ns + slice_ns;
}

/* Why a waiter that is awake should stop waiting: NCP_OK to go on. */
static int reason_to_stop(const struct ncp__waiter *waiter,
                          const ncp_cancel *cancel, uint64_t now_ns)
{
    if (ncp__cancel_fired(cancel) || ncp__cancel_polled(cancel))
        return NCP_ECANCELED;
    return now_ns >= waiter->deadline_ns ? NCP_ETIMEOUT : NCP_OK;
}

static void give_up__pool_push(ncp_pool *pool, struct ncp__waiter *waiter, int status,
                    uint64_t now_ns)
{
    struct ncp__acts acts = NCP__NO_ACTS;

    if (ncp__engine_give_up(&pool->engine, waiter, status, now_ns, &acts))
        atomic_store_explicit(&waiter->state, NCP__DECIDED,
                              memory_order_relaxed);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
}

/* Adaptive: told that something came back, or old enough to be served first. One
 * that was told and comes too late naps before it wants to be told again: those
 * who run return and take meanwhile without a look at it. */
static bool try_for_itself(ncp_pool *pool, struct ncp__waiter *waiter,
                           uint64_t now_ns)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    bool starving = now_ns >= waiter->since_ns + NCP__STARVING_NS;

    if (!ncp__engine_adaptive(engine) ||
        (!starving &&
         !atomic_load_explicit(&waiter->woken, memory_order_seq_cst)))
        return false;
    bool again = starving || waiter->naps || engine->clock != NULL;
    bool got = ncp__engine_try_woken(engine, waiter, again, now_ns, &acts);
    waiter->naps = !again;
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    return got;
}

static uint64_t sleep_until(ncp_pool *pool, const struct ncp__waiter *waiter,
                            const ncp_cancel *cancel, uint64_t now_ns)
{
    uint64_t until_ns =
        ncp__cancel_look_again(cancel, now_ns, waiter->deadline_ns);
    uint64_t starving_ns = waiter->since_ns + NCP__STARVING_NS;

    if (waiter->naps && now_ns + NAP_NS < until_ns)
        until_ns = now_ns + NAP_NS;
    if (ncp__engine_adaptive(&pool->engine) && now_ns < starving_ns &&
        starving_ns < until_ns)
        until_ns = starving_ns;
    return help_out(pool, now_ns, until_ns);
}

/* How a thread looks for its answer before it sleeps. Two threads that hand one
 * connection to each other could go on to sleep and wake each other for ever; a long
 * look after a short one that failed finds out that both are running. When short
 * ones go on to fail, long ones become rare. */
static _Thread_local struct {
    uint32_t left; /* short looks until a long one */
    uint32_t step; /* how many there are between two long ones */
} looks __attribute__((tls_model("initial-exec")));

static void note_long_look(void)
{
    looks.step = (2 * looks.step + 1) % SPINS_LONG_EVERY;
    looks.left = looks.step;
}

static void note_short_look(bool found)
{
    if (found) {
        looks.step = 0;
        looks.left = SPINS_LONG_EVERY;
        return;
    }
    looks.left--;
    if (looks.left > looks.step)
        looks.left = looks.step;
}

static bool is_decided(const struct ncp__waiter *waiter)
{
    return atomic_load_explicit(&waiter->state, memory_order_acquire) ==
           NCP__DECIDED;
}

/* Only the first in line has a chance that it is worth while. */
static bool look__pool_push(const ncp_pool *pool, const struct ncp__waiter *waiter)
{
    uint64_t gate =
        atomic_load_explicit(&pool->engine.gate, memory_order_relaxed);
    bool longer = looks.left == 0, found = false;

    if (gate >= 2 * NCP__GATE_WAITER)
        return false;
    for (int i = longer ? SPINS_LONG : SPINS; i > 0 && !found; i--) {
        ncp__relax();
        found = is_decided(waiter);
    }
    if (longer)
        note_long_look();
    else
        note_short_look(found);
    return found;
}

/* Announces its sleep, then looks once more, then sleeps: whoever changes
 * something and then pokes is heard. */
static void wait_decided(ncp_pool *pool, struct ncp__waiter *waiter,
                         const ncp_cancel *cancel)
{
    if (is_decided(waiter) || look__pool_push(pool, waiter))
        return;
    for (;;) {
        unsigned waiting = NCP__WAITING;
        if (!atomic_compare_exchange_strong_explicit(
                &waiter->state, &waiting, NCP__PARKED, memory_order_seq_cst,
                memory_order_acquire) &&
            waiting == NCP__DECIDED)
            return;
        uint64_t now_ns = ncp__engine_now(&pool->engine);
        int status = reason_to_stop(waiter, cancel, now_ns);
        if (status != NCP_OK)
            give_up__pool_push(pool, waiter, status, now_ns);
        else if (!try_for_itself(pool, waiter, now_ns))
            ncp__pool_park(pool, &waiter->state, NCP__PARKED,
                           sleep_until(pool, waiter, cancel, now_ns));
        if (is_decided(waiter))
            return;
        ncp__relax();
    }
}

/* create_retries: the pause before the next attempt. */
static void pause_before_dial(ncp_pool *pool, const struct ncp__waiter *waiter)
{
    struct ncp__engine *engine = &pool->engine;
    uint64_t until_ns = waiter->not_before_ns < waiter->deadline_ns
                            ? waiter->not_before_ns
                            : waiter->deadline_ns;

    atomic_fetch_add_explicit(&engine->signal_waiters, 1, memory_order_seq_cst);
    for (;;) {
        unsigned seen =
            atomic_load_explicit(&engine->signal, memory_order_seq_cst);
        if (ncp__engine_now(engine) >= until_ns || ncp__engine_closed(engine))
            break;
        ncp__pool_park(pool, &engine->signal, seen, until_ns);
    }
    atomic_fetch_sub_explicit(&engine->signal_waiters, 1, memory_order_seq_cst);
}

static void end_reservation(ncp_pool *pool, uint32_t index, uint64_t now_ns)
{
    struct ncp__acts acts = NCP__NO_ACTS;

    (void)ncp__engine_bound_failed(&pool->engine, index, NCP_ETIMEOUT, 0, NULL,
                                   now_ns, &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
}

/* The waiter was given a reservation: it dials, here. */
static void dial_here(ncp_pool *pool, struct ncp__waiter *waiter)
{
    while (waiter->outcome == NCP_EVENT_DIAL) {
        uint64_t now_ns = ncp__engine_now(&pool->engine);
        if (waiter->not_before_ns > now_ns)
            pause_before_dial(pool, waiter);
        now_ns = ncp__engine_now(&pool->engine);
        if (now_ns >= waiter->deadline_ns)
            end_reservation(pool, waiter->slot, now_ns);
        else
            ncp__dial_run(pool, waiter->slot);
    }
}

/* Stands in line until decided. The waiter's slot is leased on NCP_OK. */
static int stand_in_line(ncp_pool *pool, struct ncp__waiter *waiter,
                         ncp_cancel *cancel)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    struct ncp__cancel_entry entry;

    atomic_store_explicit(&waiter->state, NCP__WAITING, memory_order_relaxed);
    int rc =
        ncp__engine_enqueue(engine, waiter, ncp__engine_now(engine), &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    if (rc != NCP_OK)
        return rc;
    (void)ncp__cancel_watch(&entry, cancel, waiter);
    wait_decided(pool, waiter, cancel);
    while (waiter->status == NCP_OK && waiter->outcome != NCP_EVENT_CONN) {
        dial_here(pool, waiter);
        if (waiter->status == NCP_OK && waiter->outcome != NCP_EVENT_CONN)
            wait_decided(pool, waiter, cancel);
    }
    ncp__cancel_unwatch(&entry);
    return waiter->status;
}

static int take_slow(ncp_pool *pool, struct ncp__waiter *waiter,
                     const struct get *get)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;

    if (get->timeout_ms != 0)
        return stand_in_line(pool, waiter, get->cancel);
    int rc = ncp__engine_try(engine, waiter, ncp__engine_now(engine), &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    return rc;
}

void ncp__pool_after_fork(ncp_pool *pool)
{
    struct ncp__engine *engine = &pool->engine;

    if ((ncp__engine_gate(engine) & NCP__GATE_FORKED) == 0)
        return;
    atomic_fetch_and_explicit(&engine->gate, ~(uint64_t)NCP__GATE_FORKED,
                              memory_order_seq_cst);
    ncp__upkeep_replan(pool);
    if (!pool->pull)
        ncp__service_join(pool);
}

/* Everything but the shortest way. Counts the get, whatever becomes of it. */
static int get_slow(ncp_pool *pool, struct get *get, ncp_lease *out)
{
    struct ncp__engine *engine = &pool->engine;
    uint64_t now_ns = ncp__engine_now(engine);
    struct ncp__waiter waiter;
    int rc;

    ncp__pool_after_fork(pool);
    if (ncp__engine_closed(engine))
        return NCP_ECLOSED;
    if (ncp__cancel_fired(get->cancel)) {
        ncp__engine_count_failure(engine, NCP_ECANCELED);
        return NCP_ECANCELED;
    }
    ncp__waiter_init(&waiter, get->protocol, get->ip, now_ns,
                     ncp__deadline(now_ns, get->timeout_ms));
    waiter.dials_itself = ncp__pool_num(pool, NCP_OPTION_DIAL_IN_CALLER) != 0;
    waiter.plain = (pool->borrow_work & ~NCP__BORROW_DRAIN) == 0;
    do {
        rc = take_slow(pool, &waiter, get);
        get->code = waiter.code;
        if (rc == NCP_OK)
            rc = borrow(pool, waiter.slot, !waiter.fresh, &get->code);
    } while (rc == NCP_EAGAIN);
    get->fresh = waiter.fresh;
    if (waiter.counted)
        ncp__engine_count_end(engine, &waiter, rc, !waiter.fresh);
    if (rc != NCP_OK)
        return rc;
    ncp__get_record(pool, now_ns, 1);
    set_tag(ncp__engine_slot(engine, waiter.slot), get->tag);
    *out = ncp__engine_lease(engine, waiter.slot);
    return NCP_OK;
}

static int get_held(ncp_pool *pool, struct get *get, ncp_lease *out)
{
    ncp__pool_hold(pool);
    int rc = get_slow(pool, get, out);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

/* A fast get that still has to do something with its connection. */
static int get_with_work(ncp_pool *pool, uint32_t index, struct get *get,
                         uint64_t since_ns, ncp_lease *out)
{
    struct ncp__engine *engine = &pool->engine;
    int rc;

    if (ncp__cancel_fired(get->cancel)) {
        (void)ncp_pool_put(pool, ncp__engine_lease(engine, index));
        return get_held(pool, get, out);
    }
    rc = borrow(pool, index, true, &get->code);
    if (rc == NCP_EAGAIN)
        return get_held(pool, get, out);
    if (rc != NCP_OK) {
        ncp__engine_count_failure(engine, rc);
        return rc;
    }
    if (since_ns != 0)
        ncp__get_record(pool, since_ns, NCP__LATENCY_EVERY);
    ncp__engine_count_fast(ncp__engine_slot(engine, index));
    set_tag(ncp__engine_slot(engine, index), get->tag);
    *out = ncp__engine_lease(engine, index);
    return NCP_OK;
}

static int get(ncp_pool *pool, struct get *get, ncp_lease *out)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    uint64_t since_ns = ncp__get_sampled(pool) ? ncp__engine_now(engine) : 0;
    uint32_t index = ncp__engine_fast_get(
        engine, get->protocol, get->ip, ncp__engine_now_coarse(engine), &acts);

    if (NCP__UNLIKELY(!ncp__acts_empty(&acts)))
        ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    if (index == NCP__NO_SLOT)
        return get_held(pool, get, out);
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    if (NCP__UNLIKELY(has_work(pool, slot) || since_ns != 0 ||
                      get->cancel != NULL))
        return get_with_work(pool, index, get, since_ns, out);
    ncp__engine_count_fast(slot);
    set_tag(slot, get->tag);
    *out = ncp__engine_lease(engine, index);
    return NCP_OK;
}

/* --------------------------------------------------------------- public: get */

int ncp__want_check(int protocol, int ip)
{
    if (protocol < NCP_PROTOCOL_UNKNOWN || protocol > NCP_PROTOCOL_UDP)
        return NCP_EUNSUPPORTEDPROTO;
    if (ip < NCP_IP_UNKNOWN || ip > NCP_IP_V6)
        return NCP_EUNSUPPORTEDIP;
    return NCP_OK;
}

/* `*out` is 0. */
static int answer(ncp_pool *pool, struct get *request, ncp_lease *out)
{
    if (NCP__UNLIKELY(pool == NULL))
        return NCP_EINVAL;
    if (NCP__UNLIKELY(pool->pull))
        return NCP_ESTATE;
    int rc = ncp__want_check(request->protocol, request->ip);
    if (NCP__UNLIKELY(rc != NCP_OK))
        return rc;
    if (request->timeout_ms == NCP_TIMEOUT_DEFAULT)
        request->timeout_ms =
            atomic_load_explicit(&pool->get_timeout_ms, memory_order_relaxed);
    return get(pool, request, out);
}

/* A connection now, from a pool of the push driver; 0 when that takes longer. */
static inline ncp_lease quick(ncp_pool *pool, int protocol, int ip)
{
    if (NCP__UNLIKELY(pool == NULL || pool->pull))
        return 0;
    return ncp__quick_get(pool, ncp__idle_home(&pool->engine.idle),
                          &ncp__thread.gets, protocol, ip);
}

/* The same for somebody who marks it. */
static inline ncp_lease quick_tagged(ncp_pool *pool, int protocol, int ip,
                                     uint64_t tag)
{
    ncp_lease lease = quick(pool, protocol, ip);

    if (lease != 0)
        set_tag(ncp__engine_slot(&pool->engine, ncp__token_index(lease)), tag);
    return lease;
}

int ncp_pool_get_ex(ncp_pool *pool, int protocol, int ip, int64_t timeout_ms,
                    ncp_cancel *cancel, uint64_t tag, ncp_lease *out)
{
    struct get request = {protocol, ip, timeout_ms, cancel, tag, false, 0};

    if (NCP__UNLIKELY(out == NULL))
        return NCP_EINVAL;
    *out = 0;
    if (NCP__LIKELY(cancel == NULL))
        *out = quick_tagged(pool, protocol, ip, tag);
    return NCP__LIKELY(*out != 0) ? NCP_OK : answer(pool, &request, out);
}

int ncp_pool_borrow(ncp_pool *pool, int protocol, int ip, int64_t timeout_ms,
                    ncp_cancel *cancel, uint64_t tag, ncp_event *out)
{
    struct get request = {protocol, ip, timeout_ms, cancel, tag, false, 0};
    ncp_lease lease = 0;

    if (NCP__UNLIKELY(out == NULL))
        return NCP_EINVAL;
    if (NCP__LIKELY(cancel == NULL))
        lease = quick_tagged(pool, protocol, ip, tag);
    if (NCP__LIKELY(lease != 0)) {
        uint32_t index = ncp__token_index(lease);
        ncp__event_lend(out, pool, ncp__engine_slot(&pool->engine, index),
                        lease, tag);
        return NCP_OK;
    }
    ncp__event_clear(out, pool);
    out->status = answer(pool, &request, &lease);
    out->tag = tag;
    if (NCP__UNLIKELY(out->status != NCP_OK)) {
        out->code = request.code;
        return out->status;
    }
    ncp__event_slot(out, pool, ncp__token_index(lease), NCP_EVENT_CONN);
    out->reused = !request.fresh;
    return NCP_OK;
}

int ncp_pool_get(ncp_pool *pool, ncp_lease *out)
{
    ncp_lease lease = NCP__LIKELY(out != NULL) ? quick(pool, 0, 0) : 0;

    if (NCP__LIKELY(lease != 0)) {
        *out = lease;
        return NCP_OK;
    }
    return ncp_pool_get_ex(pool, NCP_PROTOCOL_UNKNOWN, NCP_IP_UNKNOWN,
                           NCP_TIMEOUT_DEFAULT, NULL, 0, out);
}

int ncp_pool_get_timeout(ncp_pool *pool, int64_t timeout_ms, ncp_lease *out)
{
    return ncp_pool_get_ex(pool, NCP_PROTOCOL_UNKNOWN, NCP_IP_UNKNOWN,
                           timeout_ms, NULL, 0, out);
}

int ncp_pool_try_get(ncp_pool *pool, ncp_lease *out)
{
    return ncp_pool_get_timeout(pool, 0, out);
}

int ncp_pool_get_tcp(ncp_pool *pool, ncp_lease *out)
{
    return ncp_pool_get_ex(pool, NCP_PROTOCOL_TCP, NCP_IP_UNKNOWN,
                           NCP_TIMEOUT_DEFAULT, NULL, 0, out);
}

int ncp_pool_get_udp(ncp_pool *pool, ncp_lease *out)
{
    return ncp_pool_get_ex(pool, NCP_PROTOCOL_UDP, NCP_IP_UNKNOWN,
                           NCP_TIMEOUT_DEFAULT, NULL, 0, out);
}

int ncp_pool_get_ipv4(ncp_pool *pool, ncp_lease *out)
{
    return ncp_pool_get_ex(pool, NCP_PROTOCOL_UNKNOWN, NCP_IP_V4,
                           NCP_TIMEOUT_DEFAULT, NULL, 0, out);
}

int ncp_pool_get_ipv6(ncp_pool *pool, ncp_lease *out)
{
    return ncp_pool_get_ex(pool, NCP_PROTOCOL_UNKNOWN, NCP_IP_V6,
                           NCP_TIMEOUT_DEFAULT, NULL, 0, out);
}

/* ---------------------------------------------------------- pool/queue.c */


#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The queue whose events this thread takes out itself in a moment. */
static _Thread_local ncp_queue *hushed;

/* -------------------------------------------------------------------------- life */

int ncp_queue_new(ncp_queue **out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = NULL;
    ncp_queue *queue = ncp__alloc(sizeof(*queue));
    if (queue == NULL)
        return NCP_ENOMEM;
    queue->listen_fd = -1;
    queue->peer_fd = -1;
    atomic_init(&queue->refs, 1);
    pthread_mutex_init(&queue->lock, NULL);
    int rc = ncp__alarm_open(&queue->alarm);
    if (rc != NCP_OK) {
        pthread_mutex_destroy(&queue->lock);
        ncp__free(queue);
        return rc;
    }
    ncp__registry_add_queue(queue);
    *out = queue;
    return NCP_OK;
}

ncp_queue *ncp__queue_ref(ncp_queue *queue)
{
    if (queue != NULL)
        atomic_fetch_add_explicit(&queue->refs, 1, memory_order_relaxed);
    return queue;
}

static void close_listener(ncp_queue *queue)
{
    if (queue->listen_fd < 0)
        return;
    close(queue->listen_fd);
    unlink(queue->path);
    ncp__free(queue->path);
    queue->listen_fd = -1;
    queue->path = NULL;
}

void ncp__queue_unref(ncp_queue *queue)
{
    if (queue == NULL ||
        atomic_fetch_sub_explicit(&queue->refs, 1, memory_order_acq_rel) != 1)
        return;
    ncp__registry_remove_queue(queue);
    close_listener(queue);
    if (queue->peer_fd >= 0)
        close(queue->peer_fd);
    ncp__alarm_close(&queue->alarm);
    pthread_mutex_destroy(&queue->lock);
    ncp__free(queue);
}

void ncp_queue_free(ncp_queue *queue)
{
    ncp__queue_unref(queue);
}

/* --------------------------------------------------------------------- signalling */

static bool is_empty(const ncp_queue *queue)
{
    return queue->tickets_head == NULL && queue->pools_head == NULL &&
           queue->kicks == 0;
}

/* Something was put in. Wakes once until everything is out again. */
static void signal_locked(ncp_queue *queue)
{
    atomic_store_explicit(&queue->ready, 1, memory_order_seq_cst);
    if (queue->signalled || hushed == queue)
        return;
    queue->signalled = true;
    ncp__alarm_ring(&queue->alarm);
    if (queue->peer_fd >= 0 &&
        send(queue->peer_fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        queue->signalled = true; /* full: it has plenty to read */
    if (atomic_load_explicit(&queue->sleepers, memory_order_seq_cst) != 0)
        ncp__unpark(&queue->ready);
}

static void unsignal_locked(ncp_queue *queue)
{
    atomic_store_explicit(&queue->ready, 0, memory_order_seq_cst);
    if (!queue->signalled)
        return;
    queue->signalled = false;
    ncp__alarm_silence(&queue->alarm);
}

void ncp__queue_hush(ncp_queue *queue)
{
    hushed = queue;
}

void ncp__queue_unhush(ncp_queue *queue)
{
    hushed = NULL;
    if (queue == NULL || ncp_queue_ready(queue) == 0)
        return;
    pthread_mutex_lock(&queue->lock);
    if (!is_empty(queue))
        signal_locked(queue);
    pthread_mutex_unlock(&queue->lock);
}

int ncp_queue_fd(const ncp_queue *queue)
{
    return queue == NULL ? NCP_EINVAL : queue->alarm.fd;
}

int ncp_queue_ready(const ncp_queue *queue)
{
    if (queue == NULL)
        return NCP_EINVAL;
    return atomic_load_explicit(&queue->ready, memory_order_acquire) != 0;
}

int ncp_queue_kick(ncp_queue *queue)
{
    if (queue == NULL)
        return NCP_EINVAL;
    pthread_mutex_lock(&queue->lock);
    queue->kicks = 1; /* several are one */
    signal_locked(queue);
    pthread_mutex_unlock(&queue->lock);
    return NCP_OK;
}

/* ------------------------------------------------------------------------ putting */

void ncp__queue_push_pool(ncp_queue *queue, ncp_pool *pool)
{
    pthread_mutex_lock(&queue->lock);
    if (!pool->in_queue) {
        pool->in_queue = true;
        pool->work_next = NULL;
        ncp__pool_hold(pool);
        if (queue->pools_head == NULL)
            queue->pools_head = pool;
        else
            queue->pools_tail->work_next = pool;
        queue->pools_tail = pool;
    }
    signal_locked(queue);
    pthread_mutex_unlock(&queue->lock);
}

void ncp__queue_push_ticket(ncp_queue *queue, struct ncp__waiter *ticket)
{
    pthread_mutex_lock(&queue->lock);
    ticket->queue_next = NULL;
    __atomic_store_n(&ticket->in_queue, true, __ATOMIC_RELAXED);
    if (queue->tickets_head == NULL)
        queue->tickets_head = ticket;
    else
        queue->tickets_tail->queue_next = ticket;
    queue->tickets_tail = ticket;
    /* From here on the ticket may be taken; who frees it takes our lock first. */
    if (atomic_exchange_explicit(&ticket->state, NCP__DECIDED,
                                 memory_order_acq_rel) == NCP__PARKED)
        ncp__unpark(&ticket->state);
    signal_locked(queue);
    pthread_mutex_unlock(&queue->lock);
}

/* It is out, and nothing reads it here any more: who frees it may go on. Release
 * pairs with ncp__queue_holds. */
static void let_go__pool_queue(struct ncp__waiter *ticket)
{
    __atomic_store_n(&ticket->in_queue, false, __ATOMIC_RELEASE);
}

bool ncp__queue_holds(const struct ncp__waiter *ticket)
{
    return __atomic_load_n(&ticket->in_queue, __ATOMIC_ACQUIRE);
}

void ncp__queue_remove_ticket(ncp_queue *queue, struct ncp__waiter *ticket)
{
    struct ncp__waiter *before = NULL, *at;

    if (!ncp__queue_holds(ticket))
        return;
    pthread_mutex_lock(&queue->lock);
    for (at = queue->tickets_head; at != NULL && at != ticket;
         at = at->queue_next)
        before = at;
    if (at != NULL) {
        if (before == NULL)
            queue->tickets_head = ticket->queue_next;
        else
            before->queue_next = ticket->queue_next;
        if (queue->tickets_tail == ticket)
            queue->tickets_tail = before;
        let_go__pool_queue(ticket);
    }
    if (is_empty(queue))
        unsignal_locked(queue);
    pthread_mutex_unlock(&queue->lock);
}

void ncp__queue_remove_pool(ncp_queue *queue, ncp_pool *pool)
{
    ncp_pool *before = NULL, *at;

    pthread_mutex_lock(&queue->lock);
    for (at = queue->pools_head; at != NULL && at != pool; at = at->work_next)
        before = at;
    if (at != NULL) {
        if (before == NULL)
            queue->pools_head = pool->work_next;
        else
            before->work_next = pool->work_next;
        if (queue->pools_tail == pool)
            queue->pools_tail = before;
        pool->in_queue = false;
    }
    if (is_empty(queue))
        unsignal_locked(queue);
    pthread_mutex_unlock(&queue->lock);
    if (at != NULL)
        ncp__pool_release(pool);
}

/* ------------------------------------------------------------------------- taking */

static int take_kick_locked(ncp_queue *queue, ncp_event *event)
{
    if (queue->kicks == 0)
        return 0;
    queue->kicks = 0;
    *event = (ncp_event){.type = NCP_EVENT_KICK, .fd = -1};
    return 1;
}

/* The next ticket in the queue; it lives until it is let go. */
static struct ncp__waiter *pop_ticket_locked(ncp_queue *queue)
{
    struct ncp__waiter *ticket = queue->tickets_head;

    queue->tickets_head = ticket->queue_next;
    if (queue->tickets_head == NULL)
        queue->tickets_tail = NULL;
    return ticket;
}

/* The tickets up to the first whose result the queue takes by itself. */
static int take_tickets_locked(ncp_queue *queue, ncp_event *events, int max)
{
    int count = 0;

    while (count < max && queue->tickets_head != NULL &&
           !queue->tickets_head->takes) {
        struct ncp__waiter *ticket = pop_ticket_locked(queue);
        ncp__pull_ticket_event(ticket, &events[count++]);
        let_go__pool_queue(ticket);
    }
    return count;
}

/* The next pool with work, with the reference of the list. */
static ncp_pool *take_pool_locked(ncp_queue *queue)
{
    ncp_pool *pool = queue->pools_head;

    if (pool == NULL)
        return NULL;
    queue->pools_head = pool->work_next;
    if (queue->pools_head == NULL)
        queue->pools_tail = NULL;
    pool->in_queue = false;
    return pool;
}

/* What a look into the queue found that is done without its lock: a ticket whose
 * result is to be taken, or else the work of a pool. */
struct errand {
    ncp_pool *pool; /* with a reference; NULL: there is nothing to do */
    ncp_ticket ticket;
};

static struct errand find_errand_locked(ncp_queue *queue)
{
    struct errand errand = {0};

    if (queue->tickets_head == NULL) {
        errand.pool = take_pool_locked(queue);
        return errand;
    }
    struct ncp__waiter *ticket = pop_ticket_locked(queue);
    errand.pool = ticket->pool;
    errand.ticket = ticket->ticket;
    ncp__pool_hold(errand.pool);
    let_go__pool_queue(ticket);
    return errand;
}

/* A pool that has more comes back; the queue went on being ready meanwhile. */
static int take_work(ncp_queue *queue, ncp_pool *pool, ncp_event *events,
                     int max)
{
    bool more;
    int count = ncp__pull_work_events(pool, events, max, &more);

    if (more)
        ncp__queue_push_pool(queue, pool);
    pthread_mutex_lock(&queue->lock);
    if (is_empty(queue))
        unsignal_locked(queue);
    pthread_mutex_unlock(&queue->lock);
    return count;
}

static int run_errand(ncp_queue *queue, const struct errand *errand,
                      ncp_event *events, int max)
{
    int count;

    if (errand->pool == NULL)
        return 0;
    if (errand->ticket != 0)
        count = ncp__pull_take(errand->pool, errand->ticket, events);
    else
        count = take_work(queue, errand->pool, events, max);
    ncp__pool_settle(errand->pool);
    ncp__pool_release(errand->pool);
    return count;
}

/* One look, and what comes of it: at most one errand. */
static int poll_once(ncp_queue *queue, ncp_event *events, int max)
{
    struct errand errand = {0};

    pthread_mutex_lock(&queue->lock);
    int count = take_kick_locked(queue, events);
    count += take_tickets_locked(queue, events + count, max - count);
    if (count < max)
        errand = find_errand_locked(queue);
    if (is_empty(queue) && (errand.pool == NULL || errand.ticket != 0))
        unsignal_locked(queue);
    pthread_mutex_unlock(&queue->lock);
    return count + run_errand(queue, &errand, events + count, max - count);
}

int ncp_queue_poll(ncp_queue *queue, ncp_event *events, int max)
{
    int count = 0;

    if (queue == NULL || max < 0 || (events == NULL && max != 0))
        return NCP_EINVAL;
    while (count < max && ncp_queue_ready(queue) != 0)
        count += poll_once(queue, events + count, max - count);
    return count;
}

int ncp_queue_wait(ncp_queue *queue, ncp_event *events, int max,
                   int64_t timeout_ms)
{
    uint64_t deadline_ns = ncp__deadline(ncp__monotonic_ns(), timeout_ms);
    int count = ncp_queue_poll(queue, events, max);

    if (count != 0 || max == 0)
        return count;
    atomic_fetch_add_explicit(&queue->sleepers, 1, memory_order_seq_cst);
    while (count == 0) {
        ncp__park(&queue->ready, 0, deadline_ns);
        count = ncp_queue_poll(queue, events, max);
        if (count == 0 && ncp__monotonic_ns() >= deadline_ns)
            break;
    }
    atomic_fetch_sub_explicit(&queue->sleepers, 1, memory_order_relaxed);
    return count;
}

/* ----------------------------------------------- loops that can only connect */

static int listen_at__pool_queue(const struct sockaddr_un *address, int *out)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return NCP_ESYS;
    if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 ||
        listen(fd, 1) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return NCP_ESYS;
    }
    *out = fd;
    return NCP_OK;
}

int ncp_queue_listen_unix(ncp_queue *queue, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (queue == NULL || path == NULL ||
        strlen(path) >= sizeof(address.sun_path))
        return NCP_EINVAL;
    if (queue->listen_fd >= 0 || queue->peer_fd >= 0)
        return NCP_ESTATE;
    memcpy(address.sun_path, path, strlen(path));
    queue->path = ncp__strdup(path);
    if (queue->path == NULL)
        return NCP_ENOMEM;
    int rc = listen_at__pool_queue(&address, &queue->listen_fd);
    if (rc != NCP_OK) {
        ncp__free(queue->path);
        queue->path = NULL;
    }
    return rc;
}

int ncp_queue_accept(ncp_queue *queue)
{
    if (queue == NULL)
        return NCP_EINVAL;
    if (queue->listen_fd < 0)
        return NCP_ESTATE;
    int fd =
        accept4(queue->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ||
                       errno == ECONNABORTED
                   ? NCP_EAGAIN
                   : NCP_ESYS;
    pthread_mutex_lock(&queue->lock);
    close_listener(queue);
    queue->peer_fd = fd;
    if (!is_empty(queue)) { /* it has not heard of those yet */
        queue->signalled = false;
        signal_locked(queue);
    }
    pthread_mutex_unlock(&queue->lock);
    return NCP_OK;
}

/* --------------------------------------------------------------------------- fork */

void ncp__queue_forked(ncp_queue *queue)
{
    pthread_mutex_init(&queue->lock, NULL);
    while (queue->pools_head != NULL)
        atomic_fetch_sub_explicit(&take_pool_locked(queue)->refs, 1,
                                  memory_order_relaxed);
    queue->tickets_head = queue->tickets_tail = NULL;
    queue->kicks = 0;
    queue->signalled = false;
    atomic_store_explicit(&queue->ready, 0, memory_order_relaxed);
    atomic_store_explicit(&queue->sleepers, 0, memory_order_relaxed);
    if (queue->listen_fd >= 0)
        close(queue->listen_fd); /* the path is the parent's */
    if (queue->peer_fd >= 0)
        close(queue->peer_fd);
    ncp__free(queue->path);
    queue->path = NULL;
    queue->listen_fd = queue->peer_fd = -1;
    ncp__alarm_forked(&queue->alarm);
}

/* ------------------------------------------------------- pool/registry.c */

/* All pools and queues of the process: to find one by name, and to bring every
 * lock through a fork. */

#include <pthread.h>
#include <string.h>

static struct {
    pthread_mutex_t lock;
    ncp_pool *pools;
    ncp_queue *queues;
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER};

static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

/* In the order of pool.h, so that it cannot wait for itself. A forked child has
 * one thread: what the others held is as they left it outside of the locks. */
static void before_fork(void)
{
    pthread_mutex_lock(&registry.lock);
    ncp__cancel_before_fork();
    for (ncp_pool *pool = registry.pools; pool != NULL;
         pool = pool->registry_next)
        ncp__engine_lock(&pool->engine);
    for (ncp_queue *queue = registry.queues; queue != NULL;
         queue = queue->registry_next)
        pthread_mutex_lock(&queue->lock);
    ncp__service_before_fork();
}

static void after_fork_parent(void)
{
    ncp__service_after_fork(false);
    for (ncp_queue *queue = registry.queues; queue != NULL;
         queue = queue->registry_next)
        pthread_mutex_unlock(&queue->lock);
    for (ncp_pool *pool = registry.pools; pool != NULL;
         pool = pool->registry_next)
        ncp__engine_unlock(&pool->engine);
    ncp__cancel_after_fork(false);
    pthread_mutex_unlock(&registry.lock);
}

/* close(2) and nothing else: a goodbye would end the parent's connection. In a
 * pull pool the descriptors belong to objects of the host. */
static void drop_inherited(void *context, struct ncp__slot *slot)
{
    struct ncp__cold *cold = ncp__cold(slot);

    const ncp_pool *pool = context;

    if (!pool->pull && cold->fd >= 0)
        (void)ncp__net.close(cold->fd);
    cold->fd = -1;
}

static void after_fork_child(void)
{
    pthread_mutex_init(&registry.lock, NULL);
    ncp__cancel_after_fork(true);
    for (ncp_queue *queue = registry.queues; queue != NULL;
         queue = queue->registry_next)
        ncp__queue_forked(queue);
    for (ncp_pool *pool = registry.pools; pool != NULL;
         pool = pool->registry_next)
        ncp__pool_forked(pool, drop_inherited);
    ncp__service_after_fork(true);
}

static void install_fork_handlers(void)
{
    pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

void ncp__registry_add(ncp_pool *pool)
{
    pthread_once(&fork_once, install_fork_handlers);
    pthread_mutex_lock(&registry.lock);
    pool->registry_previous = NULL;
    pool->registry_next = registry.pools;
    if (registry.pools != NULL)
        registry.pools->registry_previous = pool;
    registry.pools = pool;
    pool->registered = true;
    pthread_mutex_unlock(&registry.lock);
}

void ncp__registry_remove(ncp_pool *pool)
{
    pthread_mutex_lock(&registry.lock);
    if (pool->registered) {
        if (pool->registry_previous != NULL)
            pool->registry_previous->registry_next = pool->registry_next;
        else
            registry.pools = pool->registry_next;
        if (pool->registry_next != NULL)
            pool->registry_next->registry_previous = pool->registry_previous;
        pool->registered = false;
    }
    pthread_mutex_unlock(&registry.lock);
}

/* A handle may be taken while there is one: not from 0. */
static bool take_handle(ncp_pool *pool)
{
    int handles = atomic_load_explicit(&pool->handles, memory_order_relaxed);

    while (handles > 0)
        if (atomic_compare_exchange_weak_explicit(
                &pool->handles, &handles, handles + 1, memory_order_relaxed,
                memory_order_relaxed))
            return true;
    return false;
}

ncp_pool *ncp__registry_find(const char *name)
{
    ncp_pool *pool;

    pthread_mutex_lock(&registry.lock);
    for (pool = registry.pools; pool != NULL; pool = pool->registry_next) {
        const char *its = pool->config.text[NCP_OPTION_NAME];
        if (its != NULL && strcmp(its, name) == 0 && take_handle(pool))
            break;
    }
    pthread_mutex_unlock(&registry.lock);
    return pool;
}

void ncp__registry_add_queue(ncp_queue *queue)
{
    pthread_once(&fork_once, install_fork_handlers);
    pthread_mutex_lock(&registry.lock);
    queue->registry_previous = NULL;
    queue->registry_next = registry.queues;
    if (registry.queues != NULL)
        registry.queues->registry_previous = queue;
    registry.queues = queue;
    pthread_mutex_unlock(&registry.lock);
}

void ncp__registry_remove_queue(ncp_queue *queue)
{
    pthread_mutex_lock(&registry.lock);
    if (queue->registry_previous != NULL)
        queue->registry_previous->registry_next = queue->registry_next;
    else
        registry.queues = queue->registry_next;
    if (queue->registry_next != NULL)
        queue->registry_next->registry_previous = queue->registry_previous;
    pthread_mutex_unlock(&registry.lock);
}

/* -------------------------------------------------------- pool/release.c */

/* Giving back, and taking out what comes of it, in one call. */

/* The connection that this thread is giving back: its CLOSE is told at once, by
 * the release that caused it. */
static _Thread_local struct {
    const ncp_pool *pool;
    uint32_t index;
    bool closes;
} giving_back;

bool ncp__release_tells(ncp_pool *pool, uint32_t index, int type)
{
    if (type != NCP_EVENT_CLOSE || giving_back.pool != pool ||
        giving_back.index != index || giving_back.closes)
        return false;
    giving_back.closes = true;
    ncp__pool_hold(pool); /* until it is told */
    return true;
}

static int put_flagged(ncp_pool *pool, ncp_lease lease, int flags)
{
    if ((flags & NCP_FLAG_HOOK) != 0)
        return ncp__lease_discard(pool, lease, NCP_REASON_HOOK);
    if ((flags & NCP_FLAG_DISCARD) != 0)
        return ncp__lease_discard(pool, lease, NCP_REASON_DISCARDED);
    return ncp_pool_put(pool, lease);
}

/* The same, and the CLOSE that comes of it. Returns how many events. */
static int put_and_tell(ncp_pool *pool, ncp_lease lease, int flags,
                        ncp_event *event, int *status)
{
    giving_back.pool = pool;
    giving_back.index = ncp__token_index(lease);
    giving_back.closes = false;
    *status = put_flagged(pool, lease, flags);
    giving_back.pool = NULL;
    if (NCP__LIKELY(!giving_back.closes))
        return 0;
    ncp__pull_tell_close(pool, ncp__token_index(lease), event);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return 1;
}

/* What the queue has becomes events, up to `max`; it may have nothing. */
static int poll_too(ncp_queue *queue, ncp_event *events, int max)
{
    if (NCP__LIKELY(queue == NULL || ncp_queue_ready(queue) == 0))
        return 0;
    return max > 0 ? ncp_queue_poll(queue, events, max) : 0;
}

/* The events that this thread causes go to it and wake nobody, unless there is no
 * room for them. */
static NCP__APART int release(ncp_pool *pool, ncp_lease lease, int flags,
                              ncp_queue *queue, ncp_event *events, int room,
                              int *status)
{
    int count = 0;

    ncp__queue_hush(queue);
    if (pool != NULL && pool->pull && room > 0)
        count = put_and_tell(pool, lease, flags, events, status);
    else
        *status = put_flagged(pool, lease, flags);
    count += poll_too(queue, events + count, room - count);
    ncp__queue_unhush(queue);
    return count;
}

/* It is idle, and somebody may have to be served. */
NCP__APART int ncp__release_serve(ncp_pool *pool, ncp_queue *queue,
                                  ncp_event *events, int room)
{
    ncp__queue_hush(queue);
    ncp__put_serve(pool);
    int count = poll_too(queue, events, room);
    ncp__queue_unhush(queue);
    return count;
}

int ncp_pool_release(ncp_pool *pool, ncp_lease lease, int flags,
                     ncp_queue *queue, ncp_event *events, int max, int *status)
{
    int room = max > 0 && events != NULL ? max : 0, unused;
    enum ncp__fast_put put = NCP__PUT_NOT;

    status = status == NULL ? &unused : status;
    if (NCP__LIKELY(flags == 0 && pool != NULL && pool->pull))
        put =
            ncp__quick_return(pool, ncp__idle_home(&pool->engine.idle), lease);
    if (NCP__UNLIKELY(put == NCP__PUT_NOT))
        return release(pool, lease, flags, queue, events, room, status);
    *status = NCP_OK;
    if (NCP__UNLIKELY(put == NCP__PUT_SERVE))
        return ncp__release_serve(pool, queue, events, room);
    /* Nothing came of it for the queue, so nothing had to be hushed. What others
     * put in after this look rings by itself: they are not hushed here. */
    return poll_too(queue, events, room);
}

/* ---------------------------------------------------- pool/reservation.c */

/* Reservations: dials that the host does, and what comes of them. */

/* The slot of a reservation that was told and has not ended. Lock held. */
static struct ncp__slot *told_locked(ncp_pool *pool, ncp_lease reservation)
{
    struct ncp__slot *slot = ncp__slot_of(&pool->engine.slots, reservation);
    uint64_t word =
        ncp__word(ncp__token_generation(reservation), NCP__CREATING);

    if (slot == NULL || ncp__cold(slot)->work != 0 ||
        atomic_load_explicit(&slot->word, memory_order_acquire) != word)
        return NULL;
    return slot;
}

/* Takes a reservation from its host: its number is used up. */
static int claim_reservation(ncp_pool *pool, ncp_lease reservation,
                             uint32_t *index)
{
    uint64_t generation = ncp__token_generation(reservation);
    uint64_t word = ncp__word(generation, NCP__CREATING);

    if (!pool->pull)
        return NCP_ESTATE;
    ncp__engine_lock(&pool->engine);
    struct ncp__slot *slot = told_locked(pool, reservation);
    bool ours = slot != NULL &&
                atomic_compare_exchange_strong_explicit(
                    &slot->word, &word,
                    ncp__word(ncp__next_generation(generation), NCP__CREATING),
                    memory_order_acq_rel, memory_order_relaxed);
    ncp__engine_unlock(&pool->engine);
    *index = ncp__token_index(reservation);
    return ours ? NCP_OK : NCP_EINVALIDCONN;
}

/* Whose dial it is, if the caller's own. */
static struct ncp__waiter *bound_owner(ncp_pool *pool, uint32_t index)
{
    struct ncp__slot *slot = ncp__engine_slot(&pool->engine, index);

    ncp__engine_lock(&pool->engine);
    struct ncp__waiter *owner =
        ncp__cold(slot)->dial_kind == NCP__DIAL_BOUND ? slot->of.owner : NULL;
    ncp__engine_unlock(&pool->engine);
    return owner;
}

static int dialed(ncp_pool *pool, ncp_lease reservation,
                  const struct ncp__made *made, uint64_t *out)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;

    ncp__engine_lock(engine);
    struct ncp__slot *slot = told_locked(pool, reservation);
    if (slot != NULL) {
        ncp__dialed_locked(engine, slot, made, ncp__engine_now(engine), &acts);
        *out = ncp__cold(slot)->id;
    }
    ncp__engine_unlock(engine);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    return slot == NULL ? NCP_EINVALIDCONN : NCP_OK;
}

int ncp_pool_dialed(ncp_pool *pool, ncp_lease reservation, uint64_t handle,
                    int fd, int protocol, int ip, uint64_t *out)
{
    struct ncp__made made = ncp__made(handle, fd, protocol, ip);
    uint64_t unused;

    out = out == NULL ? &unused : out;
    *out = 0;
    if (pool == NULL)
        return NCP_EINVAL;
    if (!pool->pull)
        return NCP_ESTATE;
    ncp__pool_hold(pool);
    ncp__conn_examine(pool, &made);
    int rc = dialed(pool, reservation, &made, out);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

static int fulfil(ncp_pool *pool, uint32_t index, const struct ncp__made *made,
                  ncp_event *out)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__waiter *owner = bound_owner(pool, index);
    struct ncp__acts acts = NCP__NO_ACTS;
    uint64_t now_ns = ncp__engine_now(engine);
    struct ncp__pending pending;

    ncp__engine_dialed(engine, index, made, now_ns, &acts);
    ncp__conn_created(pool, ncp__engine_slot(engine, index));
    if (owner == NULL) {
        ncp__engine_connected(engine, index, now_ns, &acts);
        ncp__pool_act(pool, &acts, NCP__NO_SLOT);
        return ncp__engine_closed(engine) ? NCP_ECLOSED : NCP_OK;
    }
    pending = ncp__pull_name(pool, owner);
    bool stood = ncp__engine_bound_connected(engine, index, now_ns, &acts);
    return ncp__pull_answer_or_pend(pool, owner, stood, &pending, &acts, out);
}

int ncp_pool_fulfil(ncp_pool *pool, ncp_lease reservation, uint64_t handle,
                    int fd, int protocol, int ip, ncp_event *out)
{
    struct ncp__made made = ncp__made(handle, fd, protocol, ip);
    ncp_event unused;
    uint32_t index;

    out = out == NULL ? &unused : out;
    ncp__event_clear(out, pool);
    if (pool == NULL)
        return NCP_EINVAL;
    int rc = claim_reservation(pool, reservation, &index);
    if (rc != NCP_OK)
        return rc;
    ncp__pool_hold(pool);
    ncp__conn_examine(pool, &made);
    rc = fulfil(pool, index, &made, out);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

static int fail__pool_reservation(ncp_pool *pool, uint32_t index, int status, int64_t code,
                const char *text, ncp_event *out)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__waiter *owner = bound_owner(pool, index);
    struct ncp__acts acts = NCP__NO_ACTS;
    uint64_t now_ns = ncp__engine_now(engine);
    struct ncp__pending pending;

    ncp__log(pool, NCP_LOG_WARN, 0,
             "event=dial_failed status=%s code=%lld text=\"%s\"",
             ncp_status_name(status), (long long)code,
             text == NULL ? "" : text);
    if (owner == NULL) {
        ncp__engine_dial_failed(engine, index, status, code, text, now_ns,
                                &acts);
        ncp__pool_act(pool, &acts, NCP__NO_SLOT);
        return NCP_OK;
    }
    pending = ncp__pull_name(pool, owner);
    bool stood = ncp__engine_bound_failed(engine, index, status, code, text,
                                          now_ns, &acts);
    int rc = ncp__pull_answer_or_pend(pool, owner, stood, &pending, &acts, out);
    /* The caller knows how it failed; NONE says that the get is over. */
    return rc == status ? NCP_OK : rc;
}

static bool is_failure(int status)
{
    return status == NCP_EDIAL || status == NCP_EUSER || status == NCP_EHOOK ||
           status == NCP_EINVALIDCONN || status == NCP_ECANCELED;
}

int ncp_pool_fail(ncp_pool *pool, ncp_lease reservation, int status,
                  int64_t code, const char *text, ncp_event *out)
{
    ncp_event unused;
    uint32_t index;

    out = out == NULL ? &unused : out;
    ncp__event_clear(out, pool);
    if (pool == NULL || !is_failure(status))
        return NCP_EINVAL;
    int rc = claim_reservation(pool, reservation, &index);
    if (rc != NCP_OK)
        return rc;
    ncp__pool_hold(pool);
    rc = fail__pool_reservation(pool, index, status, code, text, out);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

/* -------------------------------------------------------- pool/service.c */

/* pool/thread.h */
/*
 * Whether a thread that has said goodbye is gone: what follows its last line (the
 * destructors of thread-specific data) belongs to other libraries, which may not
 * survive the end of the process.
 */
#ifndef NCP_POOL_THREAD_H
#define NCP_POOL_THREAD_H

#include <stdbool.h>

/* One file a platform. A number for the calling thread; 0 when it has none. */
int ncp__thread_number(void);
bool ncp__thread_lives(int number);

#endif

/*
 * The threads of the library: one housekeeper a process for all push pools,
 * started with the first of them and gone with the last; and workers, which run
 * what may block (dialers, user health checks, closers called by housekeeping),
 * started when a job finds none free and gone after a while without work.
 */

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

enum { MAX_WORKERS = 256 };
#define IDLE_NS (2 * 1000 * NCP__NS_PER_MS) /* a worker's patience */
#define TICK_NS (10 * NCP__NS_PER_MS)
/* How long the end of the process waits for threads on their way out. */
#define FAREWELL_NS (100 * NCP__NS_PER_MS)

enum { PUTS_BEFORE_TICKS = 1024 };

static struct {
    pthread_mutex_t lock;
    ncp_pool *ready_head,
        *ready_tail; /* pools with jobs, linked by ready_next */
    uint32_t pools;  /* that take part */
    uint32_t jobs;   /* that wait for a worker */
    uint32_t workers, idle;
    atomic_bool housekeeper; /* it runs; changed under the lock */
    atomic_uint work_word;   /* moved on: a job, or time to go */
    atomic_uint keep_word;   /* moved on: look at the pools again */
    ncp_pool *members;       /* linked by member_next */
    uint64_t pass;
    int ending[MAX_WORKERS]; /* numbers of threads that may not be gone yet */
    uint32_t endings;
} service = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Closers and on_close are left to a worker by this thread. */
static _Thread_local bool defers_closes;

bool ncp__service_defer_closes(bool on)
{
    bool before = defers_closes;

    defers_closes = on;
    return before;
}

bool ncp__service_defers_closes(void)
{
    return defers_closes;
}

static void announce__pool_service(atomic_uint *word)
{
    atomic_fetch_add_explicit(word, 1, memory_order_seq_cst);
    ncp__unpark(word);
}

/* ------------------------------------------------------------------- farewells */

/* This thread is about to end. Lock held. */
static void note_end_locked(void)
{
    service.ending[service.endings++ % MAX_WORKERS] = ncp__thread_number();
}

static bool all_gone(void)
{
    pthread_mutex_lock(&service.lock);
    bool gone = service.workers == 0 && !service.housekeeper;
    uint32_t count =
        service.endings < MAX_WORKERS ? service.endings : MAX_WORKERS;
    for (uint32_t i = 0; gone && i < count; i++)
        gone = !ncp__thread_lives(service.ending[i]);
    pthread_mutex_unlock(&service.lock);
    return gone;
}

/* The process ends. Threads that are leaving, because no pool is left, may still
 * run destructors of libraries that are about to clean up (OpenSSL): they are
 * seen off. Threads of pools that are still open stay asleep. */
static void see_threads_off(void)
{
    uint64_t until_ns = ncp__monotonic_ns() + FAREWELL_NS;
    atomic_uint never;

    pthread_mutex_lock(&service.lock);
    bool leaving = service.pools == 0;
    pthread_mutex_unlock(&service.lock);
    atomic_init(&never, 0);
    while (leaving && !all_gone() && ncp__monotonic_ns() < until_ns)
        ncp__park(&never, 0, ncp__monotonic_ns() + NCP__NS_PER_MS / 4);
}

static void expect_the_end(void)
{
    (void)atexit(see_threads_off);
}

void ncp__service_dialer_ran(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, expect_the_end);
}

/* Detached, with every signal blocked: signals are the program's business. */
static bool start_thread(void *(*body)(void *))
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;

    if (pthread_attr_init(&attributes) != 0)
        return false;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&thread, &attributes, body, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return rc == 0;
}

/* ------------------------------------------------------------------------ jobs */

/* Takes the next job; the pool comes with a reference. Lock held. */
static ncp_pool *next_job_locked(uint32_t *index)
{
    ncp_pool *pool = service.ready_head;

    if (pool == NULL)
        return NULL;
    struct ncp__engine *engine = &pool->engine;
    *index = pool->job_head;
    pool->job_head = ncp__cold(ncp__engine_slot(engine, *index))->link;
    service.jobs--;
    ncp__pool_hold(pool);
    if (pool->job_head != NCP__NO_SLOT && pool->ready_next == NULL)
        return pool; /* the only one, with more to do */
    service.ready_head = pool->ready_next;
    if (service.ready_head == NULL)
        service.ready_tail = NULL;
    pool->ready_next = NULL;
    if (pool->job_head == NCP__NO_SLOT) {
        pool->ready = false;
        ncp__pool_release(pool); /* of the list; ours remains */
        return pool;
    }
    service.ready_tail->ready_next = pool; /* its turn comes again */
    service.ready_tail = pool;
    return pool;
}

static void append_job_locked(ncp_pool *pool, uint32_t index)
{
    struct ncp__engine *engine = &pool->engine;

    ncp__cold(ncp__engine_slot(engine, index))->link = NCP__NO_SLOT;
    if (pool->job_head == NCP__NO_SLOT)
        pool->job_head = index;
    else
        ncp__cold(ncp__engine_slot(engine, pool->job_tail))->link = index;
    pool->job_tail = index;
    service.jobs++;
    if (pool->ready)
        return;
    pool->ready = true;
    ncp__pool_hold(pool);
    pool->ready_next = NULL;
    if (service.ready_head == NULL)
        service.ready_head = pool;
    else
        service.ready_tail->ready_next = pool;
    service.ready_tail = pool;
}

static void run_job(ncp_pool *pool, uint32_t index)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
    struct ncp_conn conn = {pool, slot, index};
    struct ncp__acts acts = NCP__NO_ACTS;

    if (ncp__word_state(word) == NCP__CREATING) {
        ncp__dial_run(pool, index);
    } else if (ncp__word_state(word) == NCP__CLOSING) {
        (void)ncp__conn_close(&conn, ncp__cold(slot)->reason);
        ncp__engine_closed_one(engine, index, ncp__engine_now(engine), &acts);
        ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    } else {
        ncp__check_run(pool, index);
    }
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
}

/* Sleeps until there may be a job; false when it is time to go. Lock held, and
 * again on return. */
static bool wait_for_job_locked(void)
{
    unsigned word =
        atomic_load_explicit(&service.work_word, memory_order_seq_cst);
    uint64_t until_ns = ncp__monotonic_ns() + IDLE_NS;

    if (service.pools == 0)
        return false;
    service.idle++;
    pthread_mutex_unlock(&service.lock);
    ncp__park(&service.work_word, word, until_ns);
    pthread_mutex_lock(&service.lock);
    service.idle--;
    return service.jobs != 0 || ncp__monotonic_ns() < until_ns;
}

static void *worker(void *unused)
{
    uint32_t index;

    (void)unused;
    pthread_mutex_lock(&service.lock);
    for (;;) {
        ncp_pool *pool = next_job_locked(&index);
        if (pool == NULL) {
            if (wait_for_job_locked())
                continue;
            break;
        }
        pthread_mutex_unlock(&service.lock);
        run_job(pool, index);
        pthread_mutex_lock(&service.lock);
    }
    service.workers--;
    note_end_locked();
    pthread_mutex_unlock(&service.lock);
    return NULL;
}

/* A worker for a job that finds none. Lock held. */
static bool hire_locked(void)
{
    if (service.jobs <= service.idle)
        return true;
    if (service.workers >= MAX_WORKERS)
        return true; /* one of them will come to it */
    if (!start_thread(worker))
        return service.workers != 0;
    service.workers++;
    return true;
}

void ncp__service_job(ncp_pool *pool, uint32_t index)
{
    uint32_t own = NCP__NO_SLOT;
    ncp_pool *ours = NULL;

    pthread_mutex_lock(&service.lock);
    append_job_locked(pool, index);
    if (!hire_locked())
        ours = next_job_locked(&own);
    pthread_mutex_unlock(&service.lock);
    announce__pool_service(&service.work_word);
    if (ours != NULL)
        run_job(ours, own);
}

/* ---------------------------------------------------------------- housekeeping */

/* A member that is due, not yet seen in this pass, with a reference; else when
 * the next one will be. Lock held. */
static ncp_pool *next_due_locked(uint64_t now_ns, uint64_t *next_ns)
{
    for (ncp_pool *pool = service.members; pool != NULL;
         pool = pool->member_next) {
        uint64_t due_ns = ncp__upkeep_due(pool);
        if (due_ns > now_ns || pool->seen == service.pass) {
            *next_ns = due_ns < *next_ns ? due_ns : *next_ns;
            continue;
        }
        pool->seen = service.pass;
        ncp__pool_hold(pool);
        return pool;
    }
    return NULL;
}

/* Writes the time for a pool that was used since the last tick, and stops when
 * it was not. Returns when to come again. */
static uint64_t tick(ncp_pool *pool, uint64_t now_ns)
{
    struct ncp__engine *engine = &pool->engine;
    uint32_t order = ncp__idle_puts(&engine->idle);

    if (!atomic_load_explicit(&pool->ticks, memory_order_relaxed))
        return NCP__NEVER;
    bool used = order != pool->tick_order;
    bool begins = used && atomic_load_explicit(&engine->tick_ns,
                                               memory_order_relaxed) == 0;
    if (begins || now_ns >= pool->tick_since_ns + TICK_NS) {
        pool->tick_order = order;
        pool->tick_since_ns = now_ns;
        atomic_store_explicit(&engine->tick_ns, used ? now_ns : 0,
                              memory_order_relaxed);
    }
    if (atomic_load_explicit(&engine->tick_ns, memory_order_relaxed) == 0)
        return NCP__NEVER;
    return pool->tick_since_ns + TICK_NS;
}

void ncp__service_set_ticks(ncp_pool *pool, bool on)
{
    pthread_mutex_lock(&service.lock);
    atomic_store_explicit(&pool->ticks, on, memory_order_relaxed);
    if (!on)
        atomic_store_explicit(&pool->engine.tick_ns, 0, memory_order_relaxed);
    pthread_mutex_unlock(&service.lock);
}

void ncp__tick_wanted(ncp_pool *pool)
{
    static _Thread_local uint32_t puts
        __attribute__((tls_model("initial-exec")));

    if (atomic_load_explicit(&pool->ticks, memory_order_relaxed) &&
        ++puts % PUTS_BEFORE_TICKS == 0)
        ncp__service_kick();
}

static uint64_t tick_all_locked(uint64_t now_ns)
{
    uint64_t next_ns = NCP__NEVER;

    for (ncp_pool *pool = service.members; pool != NULL;
         pool = pool->member_next) {
        uint64_t again_ns = tick(pool, now_ns);
        next_ns = again_ns < next_ns ? again_ns : next_ns;
    }
    return next_ns;
}

/* Everything that is due, once; returns when to come again. Lock held. */
static uint64_t keep_house_locked(void)
{
    uint64_t now_ns = ncp__monotonic_ns(), next_ns = NCP__NEVER;
    ncp_pool *pool;

    service.pass++;
    while ((pool = next_due_locked(now_ns, &next_ns)) != NULL) {
        pthread_mutex_unlock(&service.lock);
        ncp__upkeep(pool);
        ncp__pool_settle(pool);
        ncp__pool_release(pool);
        pthread_mutex_lock(&service.lock);
        next_ns = NCP__NEVER;
    }
    uint64_t tick_ns = tick_all_locked(now_ns);
    return tick_ns < next_ns ? tick_ns : next_ns;
}

static void *housekeeper(void *unused)
{
    (void)unused;
    defers_closes = true;
    pthread_mutex_lock(&service.lock);
    while (service.pools != 0) {
        unsigned word =
            atomic_load_explicit(&service.keep_word, memory_order_seq_cst);
        uint64_t next_ns = keep_house_locked();
        if (service.pools == 0)
            break;
        pthread_mutex_unlock(&service.lock);
        ncp__park(&service.keep_word, word, next_ns);
        pthread_mutex_lock(&service.lock);
    }
    service.housekeeper = false;
    note_end_locked();
    pthread_mutex_unlock(&service.lock);
    return NULL;
}

bool ncp__service_keeps_house(void)
{
    return atomic_load_explicit(&service.housekeeper, memory_order_relaxed);
}

void ncp__service_kick(void)
{
    announce__pool_service(&service.keep_word);
}

void ncp__service_join(ncp_pool *pool)
{
    pthread_mutex_lock(&service.lock);
    if (!pool->in_service) {
        pool->in_service = true;
        pool->member_previous = NULL;
        pool->member_next = service.members;
        if (service.members != NULL)
            service.members->member_previous = pool;
        service.members = pool;
        service.pools++;
    }
    if (!service.housekeeper)
        service.housekeeper = start_thread(housekeeper);
    pthread_mutex_unlock(&service.lock);
    ncp__service_kick();
}

void ncp__service_leave(ncp_pool *pool)
{
    pthread_mutex_lock(&service.lock);
    if (pool->in_service) {
        pool->in_service = false;
        atomic_store_explicit(&pool->engine.tick_ns, 0, memory_order_relaxed);
        if (pool->member_previous != NULL)
            pool->member_previous->member_next = pool->member_next;
        else
            service.members = pool->member_next;
        if (pool->member_next != NULL)
            pool->member_next->member_previous = pool->member_previous;
        service.pools--;
    }
    bool last = service.pools == 0;
    pthread_mutex_unlock(&service.lock);
    if (!last)
        return;
    announce__pool_service(&service.keep_word);
    announce__pool_service(&service.work_word);
}

/* ------------------------------------------------------------------------ fork */

void ncp__service_before_fork(void)
{
    pthread_mutex_lock(&service.lock);
}

/* The child has none of the threads, and none of the jobs: the engines have
 * forgotten their slots. References that threads held stay behind for ever;
 * those of the ready list are given back. */
static void forget_threads(void)
{
    pthread_mutex_init(&service.lock, NULL);
    while (service.ready_head != NULL) {
        ncp_pool *pool = service.ready_head;
        service.ready_head = pool->ready_next;
        pool->ready = false;
        pool->ready_next = NULL;
        atomic_fetch_sub_explicit(&pool->refs, 1, memory_order_relaxed);
    }
    service.ready_tail = NULL;
    service.jobs = 0;
    service.workers = 0;
    service.idle = 0;
    service.endings = 0;
    service.housekeeper = false;
    defers_closes = false;
}

void ncp__service_after_fork(bool child)
{
    if (child)
        forget_threads();
    else
        pthread_mutex_unlock(&service.lock);
}
#undef IDLE_NS
#undef TICK_NS
#undef FAREWELL_NS

/* ---------------------------------------------------------- pool/stack.c */

/* Who borrowed: the stack of a get, kept while the lease is out. For finding
 * leaks; costs a microsecond or more a get. */

#if defined(__GLIBC__) || defined(__APPLE__)
#include <execinfo.h>
#define NCP__HAS_BACKTRACE 1
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES = 24, SKIPPED = 1 /* ncp__stack_keep */ };

struct frames {
    int count;
    void *frame[FRAMES];
};

/* By slot; guarded by the engine's lock. */
struct ncp__stacks {
    uint32_t room;
    struct frames *of;
};

static int capture(struct frames *frames)
{
#ifdef NCP__HAS_BACKTRACE
    frames->count = backtrace(frames->frame, FRAMES);
#else
    frames->count = 0;
#endif
    return frames->count;
}

static bool make_room__pool_stack(ncp_pool *pool, uint32_t index)
{
    struct ncp__stacks *stacks = pool->stacks;
    uint32_t room = (index / NCP__CHUNK_SLOTS + 1) * NCP__CHUNK_SLOTS;

    if (stacks == NULL) {
        stacks = ncp__alloc(sizeof(*stacks));
        if (stacks == NULL)
            return false;
        pool->stacks = stacks;
    }
    if (index < stacks->room)
        return true;
    struct frames *of = ncp__alloc(room * sizeof(*of));
    if (of == NULL)
        return false;
    if (stacks->room != 0)
        memcpy(of, stacks->of, stacks->room * sizeof(*of));
    ncp__free(stacks->of);
    stacks->of = of;
    stacks->room = room;
    return true;
}

void ncp__stack_keep(ncp_pool *pool, uint32_t index)
{
    struct frames frames;

    if (capture(&frames) == 0)
        return;
    ncp__engine_lock(&pool->engine);
    if (make_room__pool_stack(pool, index))
        pool->stacks->of[index] = frames;
    ncp__engine_unlock(&pool->engine);
}

void ncp__stack_free(ncp_pool *pool)
{
    if (pool->stacks != NULL)
        ncp__free(pool->stacks->of);
    ncp__free(pool->stacks);
}

static int frames_text(const struct frames *frames, char *buffer, size_t size)
{
    size_t length = 0;

#ifdef NCP__HAS_BACKTRACE
    char **names = backtrace_symbols(frames->frame, frames->count);
    for (int i = SKIPPED; names != NULL && i < frames->count; i++) {
        size_t left = length < size ? size - length : 0;
        length += (size_t)snprintf(left != 0 ? buffer + length : NULL, left,
                                   "%s\n", names[i]);
    }
    free(names);
#else
    (void)frames;
#endif
    if (length == 0 && size != 0)
        buffer[0] = '\0';
    return (int)length;
}

int ncp__stack_text(const ncp_pool *pool, uint32_t index, char *buffer,
                    size_t size)
{
    struct frames frames = {0, {NULL}};
    struct ncp__engine *engine = ncp__pool_engine(pool);

    ncp__engine_lock(engine);
    if (pool->stacks != NULL && index < pool->stacks->room)
        frames = pool->stacks->of[index];
    ncp__engine_unlock(engine);
    return frames_text(&frames, buffer, size);
}
#undef NCP__HAS_BACKTRACE

/* ---------------------------------------------------------- pool/stats.c */

/* Statistics: the table of counters and the snapshot. */

#include <string.h>

static const struct {
    int kind;
    const char *name, *unit, *help;
} counters[NCP_COUNTER_COUNT] = {
#define ROW(counter, kind, name, unit, help)                                   \
    [NCP_COUNTER_##counter] = {NCP_KIND_##kind, name, unit, help}
    ROW(CREATED, CUMULATIVE, "created", "", "connections that joined the pool"),
    ROW(CLOSED, CUMULATIVE, "closed", "", "connections that left it"),
    ROW(CURRENT, GAUGE, "current", "", "created - closed = idle + active"),
    ROW(IDLE, GAUGE, "idle", "", "connections that wait to be borrowed"),
    ROW(ACTIVE, GAUGE, "active", "", "connections that are borrowed"),
    ROW(IPV4, GAUGE, "ipv4", "", "current connections over IPv4"),
    ROW(IPV6, GAUGE, "ipv6", "", "current connections over IPv6"),
    ROW(IPV4_IDLE, GAUGE, "ipv4_idle", "", "idle connections over IPv4"),
    ROW(IPV6_IDLE, GAUGE, "ipv6_idle", "", "idle connections over IPv6"),
    ROW(TCP, GAUGE, "tcp", "", "current TCP connections"),
    ROW(UDP, GAUGE, "udp", "", "current UDP connections"),
    ROW(TCP_IDLE, GAUGE, "tcp_idle", "", "idle TCP connections"),
    ROW(UDP_IDLE, GAUGE, "udp_idle", "", "idle UDP connections"),
    ROW(TOTAL, CUMULATIVE, "total", "",
        "gets: successful + failed + timeout + in_flight"),
    ROW(SUCCESSFUL, CUMULATIVE, "successful", "", "gets that succeeded"),
    ROW(FAILED, CUMULATIVE, "failed", "", "gets that failed"),
    ROW(TIMEOUT, CUMULATIVE, "timeout", "", "gets whose deadline passed"),
    ROW(IN_FLIGHT, GAUGE, "in_flight", "", "gets that have not ended"),
    ROW(HC_ATTEMPTS, CUMULATIVE, "hc_attempts", "", "health checks that ended"),
    ROW(HC_FAILURES, CUMULATIVE, "hc_failures", "",
        "health checks that failed or timed out"),
    ROW(UNHEALTHY, CUMULATIVE, "unhealthy", "",
        "connections removed by a health check"),
    ROW(CONNECTION_ERRORS, CUMULATIVE, "connection_errors", "",
        "failed attempts to create a connection"),
    ROW(LEAKED, CUMULATIVE, "leaked", "", "leases flagged as leaked"),
    ROW(EVICTED, CUMULATIVE, "evicted", "", "leases taken away as leaked"),
    ROW(REUSED, CUMULATIVE, "reused", "",
        "gets served by a connection that existed"),
    ROW(CANCELED, CUMULATIVE, "canceled", "",
        "failed gets that were cancelled"),
    ROW(DETACHED, CUMULATIVE, "detached", "", "closed: taken out of the pool"),
    ROW(AVERAGE_REUSE, DERIVED, "average_reuse", "millionths",
        "reused / created"),
    ROW(TOTAL_GET_TIME, CUMULATIVE, "total_get_time", "ns",
        "time of successful gets; of fast ones a sample is taken"),
    ROW(AVERAGE_GET_TIME, DERIVED, "average_get_time", "ns",
        "total_get_time / successful"),
    ROW(MAX_GET_TIME, GAUGE, "max_get_time", "ns", "longest get measured"),
    ROW(P50_GET_TIME, DERIVED, "p50_get_time", "ns",
        "half of the recent gets took no longer"),
    ROW(P95_GET_TIME, DERIVED, "p95_get_time", "ns",
        "95 % of the recent gets took no longer"),
    ROW(P99_GET_TIME, DERIVED, "p99_get_time", "ns",
        "99 % of the recent gets took no longer"),
    ROW(UTILIZATION, DERIVED, "utilization", "millionths",
        "active / max_connections; 0 when that is unlimited"),
    ROW(CREATION_FAILURE_RATE, DERIVED, "creation_failure_rate", "millionths",
        "connection_errors / (created + connection_errors)"),
    ROW(HC_SUCCESS_RATE, DERIVED, "hc_success_rate", "millionths",
        "1 - hc_failures / hc_attempts; 1 when there were none"),
    ROW(AVERAGE_LIFETIME, DERIVED, "average_lifetime", "ns",
        "mean age of connections when they left the pool"),
    ROW(PREWARM_TARGET, GAUGE, "prewarm_target", "", "connections to prewarm"),
    ROW(PREWARM_CREATED, GAUGE, "prewarm_created", "", "connections prewarmed"),
    ROW(PREWARM_COMPLETED, GAUGE, "prewarm_completed", "",
        "1 when pre-warming has ended without a failed dial"),
    ROW(WAITING, GAUGE, "waiting", "", "callers in line"),
    ROW(DIALING, GAUGE, "dialing", "", "creations in progress"),
    ROW(BREAKER_OPEN, GAUGE, "breaker_open", "",
        "1 while the circuit breaker is not closed"),
    ROW(BREAKER_TRIPS, CUMULATIVE, "breaker_trips", "",
        "how often the circuit breaker opened"),
    ROW(LAST_UPDATE, GAUGE, "last_update", "ns",
        "the moment of the snapshot on the pool's clock"),
#undef ROW
};

int ncp_counter_at(int index, int *kind, const char **name, const char **unit,
                   const char **help)
{
    if (index < 0 || index >= NCP_COUNTER_COUNT)
        return NCP_ENOTFOUND;
    if (kind != NULL)
        *kind = counters[index].kind;
    if (name != NULL)
        *name = counters[index].name;
    if (unit != NULL)
        *unit = counters[index].unit;
    if (help != NULL)
        *help = counters[index].help;
    return NCP_OK;
}

int ncp_pool_stats(const ncp_pool *pool, uint64_t *values, size_t count)
{
    uint64_t all[NCP_COUNTER_COUNT];

    if (values == NULL && count != 0)
        return NCP_EINVAL;
    if (count != 0)
        memset(values, 0, count * sizeof(*values));
    if (pool == NULL)
        return NCP_EINVAL;
    ncp__engine_snapshot(ncp__pool_engine(pool), all);
    if (count > NCP_COUNTER_COUNT)
        count = NCP_COUNTER_COUNT;
    if (count != 0)
        memcpy(values, all, count * sizeof(*values));
    return NCP_OK;
}

int ncp_pool_active_count(const ncp_pool *pool)
{
    uint32_t idle, active;

    if (pool == NULL)
        return NCP_EINVAL;
    ncp__engine_counts(ncp__pool_engine(pool), &idle, &active);
    return (int)active;
}

int ncp_pool_idle_count(const ncp_pool *pool)
{
    uint32_t idle, active;

    if (pool == NULL)
        return NCP_EINVAL;
    ncp__engine_counts(ncp__pool_engine(pool), &idle, &active);
    return (int)idle;
}

int ncp_pool_waiting_count(const ncp_pool *pool)
{
    if (pool == NULL)
        return NCP_EINVAL;
    ncp__engine_lock(ncp__pool_engine(pool));
    uint32_t waiting = pool->engine.lines.waiting;
    ncp__engine_unlock(ncp__pool_engine(pool));
    return (int)waiting;
}

int ncp_pool_dialing_count(const ncp_pool *pool)
{
    if (pool == NULL)
        return NCP_EINVAL;
    ncp__engine_lock(ncp__pool_engine(pool));
    uint32_t dialing = pool->engine.dialing;
    ncp__engine_unlock(ncp__pool_engine(pool));
    return (int)dialing;
}

int ncp_pool_dial_error(const ncp_pool *pool, int64_t *code, int64_t *age_ms,
                        uint64_t *count, char *text, size_t size)
{
    struct ncp__dial_error error;

    if (pool == NULL || (text == NULL && size != 0))
        return NCP_EINVAL;
    ncp__engine_lock(ncp__pool_engine(pool));
    error = pool->engine.dial_error;
    ncp__engine_unlock(ncp__pool_engine(pool));
    uint64_t now_ns = ncp__engine_now(&pool->engine);
    if (code != NULL)
        *code = error.count == 0 ? 0 : error.code;
    if (count != NULL)
        *count = error.count;
    if (age_ms != NULL)
        *age_ms = error.count == 0 || now_ns < error.at_ns
                      ? 0
                      : (int64_t)((now_ns - error.at_ns) / NCP__NS_PER_MS);
    if (size != 0) {
        size_t length = error.count == 0 ? 0 : strlen(error.text);
        length = length < size ? length : size - 1;
        memcpy(text, error.text, length);
        text[length] = '\0';
    }
    return error.count == 0 ? NCP_ENOTFOUND : NCP_OK;
}
#undef ROW

/* --------------------------------------------------------- pool/status.c */

/*
 * The statuses, and the version.
 */

struct status_row {
    const char *name;
    const char *text;
};

/* By -status: statuses are the numbers from 0 down without a gap. */
#define STATUS_ROW(STATUS, TEXT) [-(STATUS)] = {#STATUS, TEXT}

static const struct status_row status_rows[] = {
    STATUS_ROW(NCP_OK, "success"),
    STATUS_ROW(NCP_ECLOSED, "pool is closed"),
    STATUS_ROW(NCP_ECONNCLOSED, "connection is closed"),
    STATUS_ROW(NCP_ETIMEOUT, "get connection timeout"),
    STATUS_ROW(NCP_EMAXCONN, "max connections limit reached"),
    STATUS_ROW(NCP_EINVALIDCONN, "invalid connection"),
    STATUS_ROW(NCP_EUNHEALTHY, "connection unhealthy"),
    STATUS_ROW(NCP_EINVALIDCONFIG, "invalid config parameters"),
    STATUS_ROW(NCP_ELEAKED, "connection leak detected: connection not "
                            "returned within timeout"),
    STATUS_ROW(NCP_EEXHAUSTED, "pool exhausted, cannot create new connection"),
    STATUS_ROW(NCP_EUNSUPPORTEDIP, "unsupported IP version"),
    STATUS_ROW(NCP_ENOIP, "no available connection for specified IP version"),
    STATUS_ROW(NCP_EUNSUPPORTEDPROTO, "unsupported protocol type"),
    STATUS_ROW(NCP_ENOPROTO, "no available connection for specified protocol"),
    STATUS_ROW(NCP_EDIAL, "connection could not be created"),
    STATUS_ROW(NCP_EHOOK, "connection refused by a hook"),
    STATUS_ROW(NCP_ECLOSEHOOK, "connection could not be closed cleanly"),
    STATUS_ROW(NCP_ECANCELED, "get connection canceled"),
    STATUS_ROW(NCP_ENOMEM, "out of memory"),
    STATUS_ROW(NCP_ESYS, "system call failed"),
    STATUS_ROW(NCP_EUSER, "callback failed"),
    STATUS_ROW(NCP_EINVAL, "invalid argument"),
    STATUS_ROW(NCP_EWAITERS, "too many callers wait for a connection"),
    STATUS_ROW(NCP_EBREAKER, "circuit breaker is open"),
    STATUS_ROW(NCP_ESTATE, "not possible in this state"),
    STATUS_ROW(NCP_ENOTFOUND, "not found"),
    STATUS_ROW(NCP_EAGAIN, "not ready yet"),
};

enum { STATUS_COUNT = sizeof status_rows / sizeof status_rows[0] };

static const struct status_row *status_row(int status)
{
    static const struct status_row unknown = {"NCP_UNKNOWN", "unknown status"};

    if (status > 0 || status <= -STATUS_COUNT)
        return &unknown;
    return &status_rows[-status];
}

const char *ncp_status_text(int status)
{
    return status_row(status)->text;
}

const char *ncp_status_name(int status)
{
    return status_row(status)->name;
}

int ncp_status_at(int index, int *out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = NCP_OK;
    if (index < 0 || index >= STATUS_COUNT)
        return NCP_ENOTFOUND;
    *out = -index;
    return NCP_OK;
}

#define VERSION_TEXT(MAJOR, MINOR, PATCH) #MAJOR "." #MINOR "." #PATCH
#define VERSION_EXPAND(MAJOR, MINOR, PATCH) VERSION_TEXT(MAJOR, MINOR, PATCH)

int ncp_version(void)
{
    return NCP_VERSION_MAJOR * 1000000 + NCP_VERSION_MINOR * 1000 +
           NCP_VERSION_PATCH;
}

const char *ncp_version_text(void)
{
    return VERSION_EXPAND(NCP_VERSION_MAJOR, NCP_VERSION_MINOR,
                          NCP_VERSION_PATCH);
}
#undef STATUS_ROW
#undef VERSION_TEXT
#undef VERSION_EXPAND

/* ----------------------------------------------------------- pool/take.c */

/* How a ticket ends: taken, waited for, abandoned. */

/* A ticket that was decided, and nobody will take: what it got goes back. */
static void give_back(ncp_pool *pool, struct ncp__waiter *waiter, int status)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;

    ncp__engine_count_end(engine, waiter, status, false);
    if (waiter->status != NCP_OK)
        return;
    if (waiter->outcome == NCP_EVENT_CONN) {
        (void)ncp_pool_put(pool, ncp__engine_lease(engine, waiter->slot));
        return;
    }
    ncp__engine_lock(engine);
    ncp__engine_slot(engine, waiter->slot)->of.owner = NULL;
    ncp__engine_unlock(engine);
    ncp__engine_dial_failed(engine, waiter->slot, NCP_ECANCELED, 0, NULL,
                            ncp__engine_now(engine), &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
}

static int abandon(ncp_pool *pool, ncp_ticket ticket, int status)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    struct ncp__waiter *waiter;
    int rc = ncp__ticket_claim(pool, ticket, false, &waiter);

    if (rc != NCP_OK)
        return rc;
    if (!ncp__engine_give_up(engine, waiter, status, ncp__engine_now(engine),
                             &acts)) {
        ncp__ticket_settle(waiter);
        give_back(pool, waiter, status);
    }
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    ncp__ticket_free(pool, waiter);
    return NCP_OK;
}

int ncp_ticket_abandon(ncp_pool *pool, ncp_ticket ticket, int status)
{
    if (pool == NULL)
        return NCP_EINVAL;
    ncp__pool_hold(pool);
    int rc = abandon(pool, ticket,
                     status == NCP_ETIMEOUT ? NCP_ETIMEOUT : NCP_ECANCELED);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

static int take(ncp_pool *pool, ncp_ticket ticket, ncp_event *out)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__waiter *waiter;
    uint64_t deadline_ns;

    if (ncp__pull_lend_at_once(pool, ticket, out))
        return NCP_OK;
    int rc = ncp__ticket_claim(pool, ticket, true, &waiter);
    if (rc == NCP_EAGAIN) {
        (void)ncp__ticket_standing(pool, ticket, &deadline_ns);
        if (ncp__engine_now(engine) < deadline_ns)
            return rc;
        return abandon(pool, ticket, NCP_ETIMEOUT) == NCP_OK ? NCP_ETIMEOUT
                                                             : NCP_EINVALIDCONN;
    }
    if (rc != NCP_OK)
        return rc;
    ncp__ticket_settle(waiter);
    return ncp__pull_answer(pool, waiter, out);
}

bool ncp__pull_take(ncp_pool *pool, ncp_ticket ticket, ncp_event *event)
{
    ncp__event_clear(event, pool);
    int rc = take(pool, ticket, event);
    if ((rc == NCP_EINVALIDCONN && event->status == NCP_OK) ||
        event->type == NCP_EVENT_PENDING)
        return false;
    if (rc != NCP_OK)
        event->type = NCP_EVENT_READY;
    event->ticket = ticket;
    return true;
}

int ncp_ticket_take(ncp_pool *pool, ncp_ticket ticket, ncp_event *out)
{
    if (out == NULL)
        return NCP_EINVAL;
    ncp__event_clear(out, pool);
    if (pool == NULL)
        return NCP_EINVAL;
    ncp__pool_hold(pool);
    int rc = take(pool, ticket, out);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

/* Announces its sleep, looks once more, sleeps. False when time is up. */
static bool sleep_for_ticket(ncp_pool *pool, ncp_ticket ticket,
                             uint64_t until_ns)
{
    uint64_t deadline_ns;
    struct ncp__waiter *waiter =
        ncp__ticket_standing(pool, ticket, &deadline_ns);
    unsigned waiting = NCP__WAITING;

    if (waiter == NULL)
        return true; /* decided, or no ticket: take says which */
    (void)atomic_compare_exchange_strong_explicit(
        &waiter->state, &waiting, NCP__PARKED, memory_order_seq_cst,
        memory_order_relaxed);
    if (ncp__engine_now(&pool->engine) >= until_ns)
        return false;
    if (ncp__ticket_standing(pool, ticket, &deadline_ns) == NULL)
        return true;
    until_ns = until_ns < deadline_ns ? until_ns : deadline_ns;
    ncp__pool_park(pool, &waiter->state, NCP__PARKED, until_ns);
    return true;
}

static int wait_and_take(ncp_pool *pool, ncp_ticket ticket, int64_t timeout_ms,
                         ncp_event *out)
{
    uint64_t until_ns =
        ncp__deadline(ncp__engine_now(&pool->engine), timeout_ms);

    for (;;) {
        int rc = take(pool, ticket, out);
        if (rc != NCP_EAGAIN || !sleep_for_ticket(pool, ticket, until_ns))
            return rc;
    }
}

int ncp_ticket_wait(ncp_pool *pool, ncp_ticket ticket, int64_t timeout_ms,
                    ncp_event *out)
{
    if (out == NULL)
        return NCP_EINVAL;
    ncp__event_clear(out, pool);
    if (pool == NULL)
        return NCP_EINVAL;
    ncp__pool_hold(pool);
    int rc = wait_and_take(pool, ticket, timeout_ms, out);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

/* ------------------------------------------------------------ pool/tap.c */

/* Taps: a thread's own handle of a pool. */

/* Written at every get, so it shares its line with nothing. */
struct ncp_tap {
    ncp_pool *pool;
    struct ncp__shard *shard;
    uint32_t number; /* as of a thread */
    uint32_t gets;
} __attribute__((aligned(NCP__LINE_PAIR)));

/* Taps are spread over the shards as threads are. */
static void choose_shard(ncp_tap *tap)
{
    static _Atomic uint32_t taps;
    const struct ncp__idle *idle = &tap->pool->engine.idle;

    tap->number = atomic_fetch_add_explicit(&taps, 1, memory_order_relaxed) + 1;
    tap->shard = &idle->shards[tap->number & idle->shard_mask];
}

int ncp_tap_new(ncp_pool *pool, ncp_tap **out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = NULL;
    if (pool == NULL)
        return NCP_EINVAL;
    if (pool->pull)
        return NCP_ESTATE;
    ncp_tap *tap = ncp__alloc_aligned(sizeof(*tap), NCP__LINE_PAIR);
    if (tap == NULL)
        return NCP_ENOMEM;
    tap->pool = ncp_pool_ref(pool);
    if (tap->pool == NULL) {
        ncp__free_aligned(tap);
        return NCP_ECLOSED;
    }
    choose_shard(tap);
    *out = tap;
    return NCP_OK;
}

void ncp_tap_free(ncp_tap *tap)
{
    if (tap == NULL)
        return;
    ncp_pool_free(tap->pool);
    ncp__free_aligned(tap);
}

/* The long ways begin with the shard of the thread: for so long it is the tap's. */
static int get_long(ncp_tap *tap, ncp_lease *out)
{
    uint32_t number = ncp__thread.number;

    if (tap->gets % NCP__LATENCY_EVERY == 0) {
        tap->gets++;
        ncp__get_sample_next();
    }
    ncp__thread.number = tap->number;
    int rc = ncp_pool_get(tap->pool, out);
    ncp__thread.number = number;
    return rc;
}

static int put_long(ncp_tap *tap, ncp_lease lease)
{
    uint32_t number = ncp__thread.number;

    ncp__thread.number = tap->number;
    int rc = ncp_pool_put(tap->pool, lease);
    ncp__thread.number = number;
    return rc;
}

int ncp_tap_get(ncp_tap *tap, ncp_lease *out)
{
    if (NCP__UNLIKELY(tap == NULL || out == NULL))
        return NCP_EINVAL;
    *out = ncp__quick_get(tap->pool, tap->shard, &tap->gets, 0, 0);
    return NCP__LIKELY(*out != 0) ? NCP_OK : get_long(tap, out);
}

int ncp_tap_put(ncp_tap *tap, ncp_lease lease)
{
    if (NCP__UNLIKELY(tap == NULL))
        return NCP_EINVAL;
    return NCP__LIKELY(ncp__quick_put(tap->pool, tap->shard, lease))
               ? NCP_OK
               : put_long(tap, lease);
}

/* ----------------------------------------------------------- pool/text.c */

/*
 * The names of modes, protocols, IP versions and reasons.
 */

struct text_name {
    const char *text;
    int value;
};

#define NAME_COUNT(NAMES) (sizeof(NAMES) / sizeof((NAMES)[0]))

/* The first name of a value is the one that is written. */
static const struct text_name mode_names[] = {
    {"client", NCP_MODE_CLIENT},
    {"server", NCP_MODE_SERVER},
};
static const struct text_name protocol_names[] = {
    {"TCP", NCP_PROTOCOL_TCP},
    {"UDP", NCP_PROTOCOL_UDP},
};
static const struct text_name ip_names[] = {
    {"IPv4", NCP_IP_V4},
    {"4", NCP_IP_V4},
    {"IPv6", NCP_IP_V6},
    {"6", NCP_IP_V6},
};
static const struct text_name reason_names[] = {
    {"none", NCP_REASON_NONE},
    {"idle_timeout", NCP_REASON_IDLE_TIMEOUT},
    {"max_lifetime", NCP_REASON_MAX_LIFETIME},
    {"unhealthy", NCP_REASON_UNHEALTHY},
    {"idle_full", NCP_REASON_IDLE_FULL},
    {"evicted", NCP_REASON_EVICTED},
    {"leaked", NCP_REASON_LEAKED},
    {"discarded", NCP_REASON_DISCARDED},
    {"flushed", NCP_REASON_FLUSHED},
    {"shrunk", NCP_REASON_SHRUNK},
    {"pool_closed", NCP_REASON_POOL_CLOSED},
    {"hook", NCP_REASON_HOOK},
    {"dirty", NCP_REASON_DIRTY},
    {"mismatch", NCP_REASON_MISMATCH},
    {"detached", NCP_REASON_DETACHED},
    {"forked", NCP_REASON_FORKED},
};

static const char *name_write(const struct text_name *names, size_t count,
                              int value, const char *otherwise)
{
    for (size_t i = 0; i < count; i++) {
        if (names[i].value == value)
            return names[i].text;
    }
    return otherwise;
}

static int name_read(const struct text_name *names, size_t count,
                     const char *text, int otherwise)
{
    for (size_t i = 0; text != NULL && i < count; i++) {
        if (ncp__text_equal(names[i].text, text))
            return names[i].value;
    }
    return otherwise;
}

const char *ncp_mode_text(int mode)
{
    return name_write(mode_names, NAME_COUNT(mode_names), mode, "unknown");
}

const char *ncp_protocol_text(int protocol)
{
    return name_write(protocol_names, NAME_COUNT(protocol_names), protocol,
                      "Unknown");
}

const char *ncp_ip_text(int ip)
{
    return name_write(ip_names, NAME_COUNT(ip_names), ip, "Unknown");
}

const char *ncp_reason_text(int reason)
{
    return name_write(reason_names, NAME_COUNT(reason_names), reason,
                      "unknown");
}

int ncp_mode_parse(const char *text)
{
    return name_read(mode_names, NAME_COUNT(mode_names), text, NCP_MODE_CLIENT);
}

int ncp_protocol_parse(const char *text)
{
    return name_read(protocol_names, NAME_COUNT(protocol_names), text,
                     NCP_PROTOCOL_UNKNOWN);
}

int ncp_ip_parse(const char *text)
{
    return name_read(ip_names, NAME_COUNT(ip_names), text, NCP_IP_UNKNOWN);
}
#undef NAME_COUNT

/* --------------------------------------------------- pool/thread_linux.c */

/* Threads are numbered by the kernel. */
#ifdef __linux__


#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

int ncp__thread_number(void)
{
    return (int)syscall(SYS_gettid);
}

bool ncp__thread_lives(int number)
{
    return number != 0 &&
           (syscall(SYS_tgkill, getpid(), number, 0) == 0 || errno != ESRCH);
}

#endif

/* --------------------------------------------------- pool/thread_posix.c */

/* Threads have no numbers: the end of the process does not wait for them. */
#ifndef __linux__


int ncp__thread_number(void)
{
    return 0;
}

bool ncp__thread_lives(int number)
{
    (void)number;
    return false;
}

#endif

/* --------------------------------------------------------- pool/ticket.c */

/* Tickets: waiters with a number, made when needed, freed with the pool.
 *
 * A waiter is the host's under its number until the ticket is taken or
 * abandoned; and nameless while a caller dials or checks for it. */

#include <sched.h>
#include <string.h>

enum { TICKETS_A_CHUNK = 32, TICKET_INDEX_BITS = 20 };

#define TICKET_LIMIT (UINT32_C(1) << TICKET_INDEX_BITS)

/* Guarded by the engine's lock. */
struct ncp__tickets {
    struct ncp__waiter **chunk;
    uint32_t chunks, room;
    uint32_t free; /* linked by waiter.link */
};

int ncp__tickets_init(ncp_pool *pool)
{
    pool->tickets = ncp__alloc(sizeof(*pool->tickets));
    if (pool->tickets == NULL)
        return NCP_ENOMEM;
    pool->tickets->free = UINT32_MAX;
    return NCP_OK;
}

void ncp__tickets_destroy(ncp_pool *pool)
{
    struct ncp__tickets *tickets = pool->tickets;

    if (tickets == NULL)
        return;
    for (uint32_t i = 0; i < tickets->chunks; i++)
        ncp__free(tickets->chunk[i]);
    ncp__free(tickets->chunk);
    ncp__free(tickets);
}

static struct ncp__waiter *ticket_at(const struct ncp__tickets *tickets,
                                     uint32_t index)
{
    return &tickets->chunk[index / TICKETS_A_CHUNK][index % TICKETS_A_CHUNK];
}

static bool widen(struct ncp__tickets *tickets)
{
    uint32_t room = tickets->room == 0 ? 8 : tickets->room * 2;
    struct ncp__waiter **chunk =
        ncp__alloc(room * sizeof(struct ncp__waiter *));

    if (chunk == NULL)
        return false;
    if (tickets->chunks != 0)
        memcpy(chunk, tickets->chunk,
               tickets->chunks * sizeof(struct ncp__waiter *));
    ncp__free(tickets->chunk);
    tickets->chunk = chunk;
    tickets->room = room;
    return true;
}

static bool grow__pool_ticket(struct ncp__tickets *tickets)
{
    uint32_t first = tickets->chunks * TICKETS_A_CHUNK;

    if (first >= TICKET_LIMIT ||
        (tickets->chunks == tickets->room && !widen(tickets)))
        return false;
    struct ncp__waiter *chunk = ncp__alloc(TICKETS_A_CHUNK * sizeof(*chunk));
    if (chunk == NULL)
        return false;
    tickets->chunk[tickets->chunks++] = chunk;
    for (uint32_t i = TICKETS_A_CHUNK; i-- > 0;) {
        chunk[i].ticket = (UINT64_C(1) << TICKET_INDEX_BITS) | (first + i);
        chunk[i].link = tickets->free;
        tickets->free = first + i;
    }
    return true;
}

/* The number of a freed ticket moves on, so that the old one is stale. */
static uint64_t next_number(uint64_t number)
{
    const uint64_t step = UINT64_C(1) << TICKET_INDEX_BITS;

    number = (number + step) & ((UINT64_C(1) << 52) - 1);
    return number >= step ? number : number + step;
}

struct ncp__waiter *ncp__ticket_new_locked(ncp_pool *pool,
                                           const struct ncp__request *request,
                                           uint64_t now_ns)
{
    struct ncp__tickets *tickets = pool->tickets;

    if (tickets->free == UINT32_MAX && !grow__pool_ticket(tickets))
        return NULL;
    struct ncp__waiter *waiter = ticket_at(tickets, tickets->free);
    uint64_t number = waiter->ticket;
    tickets->free = waiter->link;
    ncp__waiter_init(waiter, request->protocol, request->ip, now_ns,
                     ncp__deadline(now_ns, request->timeout_ms));
    waiter->ticket = number;
    waiter->is_ticket = true;
    waiter->pool = pool;
    waiter->queue = ncp__queue_ref(request->queue);
    waiter->tag = request->tag;
    waiter->dials_itself = (request->flags & NCP_FLAG_DIALS) != 0;
    waiter->tries =
        request->timeout_ms == 0 || (request->flags & NCP_FLAG_TRY) != 0;
    waiter->takes = (request->flags & NCP_FLAG_TAKE) != 0;
    pool->events_out++;
    return waiter;
}

ncp_queue *ncp__ticket_free_locked(ncp_pool *pool, struct ncp__waiter *waiter)
{
    struct ncp__tickets *tickets = pool->tickets;
    ncp_queue *queue = waiter->queue;

    waiter->queue = NULL;
    waiter->named = false;
    waiter->link = tickets->free;
    tickets->free = (uint32_t)(waiter->ticket & (TICKET_LIMIT - 1));
    waiter->ticket = next_number(waiter->ticket);
    pool->events_out--;
    return queue;
}

void ncp__ticket_free(ncp_pool *pool, struct ncp__waiter *waiter)
{
    ncp__engine_lock(&pool->engine);
    ncp_queue *queue = ncp__ticket_free_locked(pool, waiter);
    ncp__engine_unlock(&pool->engine);
    ncp__queue_unref(queue);
}

struct ncp__waiter *ncp__ticket_named_locked(const ncp_pool *pool,
                                             ncp_ticket ticket)
{
    const struct ncp__tickets *tickets = pool->tickets;
    uint32_t index = (uint32_t)(ticket & (TICKET_LIMIT - 1));

    if (tickets == NULL || index / TICKETS_A_CHUNK >= tickets->chunks)
        return NULL;
    struct ncp__waiter *waiter = ticket_at(tickets, index);
    return waiter->ticket == ticket && waiter->named ? waiter : NULL;
}

int ncp__ticket_claim(ncp_pool *pool, ncp_ticket ticket, bool only_decided,
                      struct ncp__waiter **out)
{
    int rc = NCP_EINVALIDCONN;

    *out = NULL;
    ncp__engine_lock(&pool->engine);
    struct ncp__waiter *waiter = ncp__ticket_named_locked(pool, ticket);
    if (waiter != NULL && only_decided && waiter->queued) {
        rc = NCP_EAGAIN;
    } else if (waiter != NULL) {
        waiter->named = false;
        *out = waiter;
        rc = NCP_OK;
    }
    ncp__engine_unlock(&pool->engine);
    return rc;
}

struct ncp__waiter *ncp__ticket_standing(ncp_pool *pool, ncp_ticket ticket,
                                         uint64_t *deadline_ns)
{
    *deadline_ns = NCP__NEVER;
    ncp__engine_lock(&pool->engine);
    struct ncp__waiter *waiter = ncp__ticket_named_locked(pool, ticket);
    if (waiter != NULL && !waiter->queued)
        waiter = NULL;
    if (waiter != NULL)
        *deadline_ns = waiter->deadline_ns;
    ncp__engine_unlock(&pool->engine);
    return waiter;
}

void ncp__ticket_settle(struct ncp__waiter *waiter)
{
    while (atomic_load_explicit(&waiter->state, memory_order_acquire) !=
           NCP__DECIDED)
        sched_yield();
    if (waiter->queue != NULL)
        ncp__queue_remove_ticket(waiter->queue, waiter);
}

void ncp__pull_notify(void *pool, struct ncp__waiter *ticket)
{
    (void)pool;
    ncp__queue_push_ticket(ticket->queue, ticket);
}

void ncp__tickets_forked(ncp_pool *pool)
{
    struct ncp__tickets *tickets = pool->tickets;

    if (tickets == NULL)
        return;
    tickets->free = UINT32_MAX;
    for (uint32_t i = 0; i < tickets->chunks * TICKETS_A_CHUNK; i++) {
        struct ncp__waiter *waiter = ticket_at(tickets, i);
        if (waiter->queue != NULL)
            atomic_fetch_sub_explicit(&waiter->queue->refs, 1,
                                      memory_order_relaxed);
        *waiter = (struct ncp__waiter){.ticket = next_number(waiter->ticket),
                                       .link = tickets->free};
        tickets->free = i;
    }
}
#undef TICKET_LIMIT

/* --------------------------------------------------------- pool/upkeep.c */

/* Housekeeping of one pool: what is due is done, and the next time planned. */

static uint64_t earlier(uint64_t a_ns, uint64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

/* -------------------------------------------------------------- health checks */

/* By a callback or by the host, which may take its time. */
static bool checked_elsewhere(const ncp_pool *pool)
{
    return pool->pull || pool->config.conn[NCP_CALLBACK_CHECKER] != NULL;
}

static uint64_t check_due(const ncp_pool *pool, const struct ncp__slot *slot)
{
    const struct ncp__cold *cold = ncp__cold(slot);
    uint64_t last_ns =
        cold->checked_ns != 0 ? cold->checked_ns : cold->created_ns;

    return last_ns +
           ncp__pool_option_ns(pool, NCP_OPTION_HEALTH_CHECK_INTERVAL);
}

/* Reserves the slots of a chunk whose check is due, at most `room` of them. A
 * get that finds nothing meanwhile looks again under the lock. */
static uint32_t reserve_due(ncp_pool *pool, uint32_t chunk, uint64_t now_ns,
                            uint32_t room, uint32_t *reserved)
{
    struct ncp__engine *engine = &pool->engine;
    uint32_t count = 0;

    ncp__engine_lock(engine);
    uint64_t mask = ncp__idle_candidates(&engine->idle, chunk);

    for (; mask != 0; mask &= mask - 1) {
        uint32_t index =
            chunk * NCP__CHUNK_SLOTS + (uint32_t)__builtin_ctzll(mask);
        const struct ncp__slot *slot = ncp__engine_slot(engine, index);
        if (!ncp__idle_claim(&engine->idle, index))
            continue;
        uint64_t due_ns = check_due(pool, slot);
        if (now_ns >= due_ns && count < room) {
            ncp__begin_check_locked(engine, index, now_ns);
            reserved[count++] = index;
            continue;
        }
        ncp__idle_unclaim(&engine->idle, index);
        pool->next_check_ns = earlier(pool->next_check_ns, due_ns);
    }
    if (checked_elsewhere(pool))
        pool->checks_out += count;
    ncp__engine_unlock(engine);
    return count;
}

static void check_here(ncp_pool *pool, uint32_t index)
{
    struct ncp__engine *engine = &pool->engine;
    int fd = ncp__cold(ncp__engine_slot(engine, index))->fd;
    struct ncp__acts acts = NCP__NO_ACTS;

    ncp__engine_check_done(engine, index, fd < 0 || ncp__net.alive(fd),
                           ncp__engine_now(engine), &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
}

static void check_reserved(ncp_pool *pool, uint32_t index)
{
    if (pool->pull)
        ncp__pull_work(pool, index, NCP_EVENT_CHECK);
    else if (checked_elsewhere(pool))
        ncp__service_job(pool, index);
    else
        check_here(pool, index);
}

static uint32_t room_for_checks(ncp_pool *pool)
{
    if (!checked_elsewhere(pool))
        return NCP__CHUNK_SLOTS;
    ncp__engine_lock(&pool->engine);
    uint32_t out = pool->checks_out;
    for (int i = 0; i < NCP__MAX_CHECKS; i++)
        out += pool->late_checks[i] != 0;
    ncp__engine_unlock(&pool->engine);
    return out < NCP__MAX_CHECKS ? NCP__MAX_CHECKS - out : 0;
}

static void check_health(ncp_pool *pool, uint64_t now_ns)
{
    uint32_t chunks = ncp__chunk_count(&pool->engine.slots);
    uint64_t interval_ns =
        ncp__pool_option_ns(pool, NCP_OPTION_HEALTH_CHECK_INTERVAL);
    uint32_t reserved[NCP__CHUNK_SLOTS];

    /* What is borrowed now may come back overdue, what is new is due later. */
    pool->next_check_ns = now_ns + interval_ns / 2 + 1;
    for (uint32_t chunk = 0; chunk < chunks; chunk++) {
        uint32_t count =
            reserve_due(pool, chunk, now_ns, room_for_checks(pool), reserved);
        for (uint32_t i = 0; i < count; i++)
            check_reserved(pool, reserved[i]);
    }
    /* What found no room is due already: come back soon. */
    if (pool->next_check_ns <= now_ns)
        pool->next_check_ns = now_ns + interval_ns / 10 + 1;
}

void ncp__check_run(ncp_pool *pool, uint32_t index)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp_conn conn = {pool, slot, index};
    struct ncp__acts acts = NCP__NO_ACTS;
    int rc = ncp__conn_call(&conn, NCP_CALLBACK_CHECKER, NCP_REASON_NONE,
                            NCP_EUNHEALTHY);
    bool ours = ncp__engine_check_done(engine, index, rc == NCP_OK,
                                       ncp__engine_now(engine), &acts);

    ncp__engine_lock(engine);
    pool->checks_out--;
    ncp__engine_unlock(engine);
    if (!ours) {
        (void)ncp__conn_close(&conn, NCP_REASON_UNHEALTHY);
        ncp__engine_taken_back(engine, index, &acts);
    }
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
}

/* The host has not answered this check: until it does, it may hang there. */
static void note_late(ncp_pool *pool, uint32_t index, ncp_lease lease)
{
    ncp__engine_lock(&pool->engine);
    pool->checks_out--;
    bool told = ncp__cold(ncp__engine_slot(&pool->engine, index))->work == 0;
    for (int i = 0; told && i < NCP__MAX_CHECKS; i++)
        if (pool->late_checks[i] == 0) {
            pool->late_checks[i] = lease;
            break;
        }
    ncp__engine_unlock(&pool->engine);
}

void ncp__check_answered_late(ncp_pool *pool, ncp_lease lease)
{
    ncp__engine_lock(&pool->engine);
    for (int i = 0; i < NCP__MAX_CHECKS; i++)
        if (pool->late_checks[i] == lease)
            pool->late_checks[i] = 0;
    ncp__engine_unlock(&pool->engine);
}

/* A check that takes too long has failed: the connection leaves the pool. Its
 * checker goes on until it returns, and the connection is closed then. */
static void check_overdue(ncp_pool *pool, uint32_t index, uint64_t now_ns)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    ncp_lease lease = ncp__engine_lease(engine, index);

    if (!ncp__engine_check_overdue(engine, index, !pool->pull, now_ns, &acts))
        return;
    ncp__log(pool, NCP_LOG_WARN, 0, "event=check_timed_out");
    if (pool->pull) {
        note_late(pool, index, lease);
        ncp__pull_work(pool, index, NCP_EVENT_CLOSE);
    }
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
}

/* The slots of a chunk whose check began too long ago; the next one's time. */
static uint64_t overdue_in(ncp_pool *pool, uint32_t chunk, uint64_t now_ns,
                           uint64_t *overdue)
{
    struct ncp__engine *engine = &pool->engine;
    uint64_t timeout_ns =
        ncp__pool_option_ns(pool, NCP_OPTION_HEALTH_CHECK_TIMEOUT);
    uint64_t next_ns = NCP__NEVER;

    *overdue = 0;
    ncp__engine_lock(engine);
    uint64_t mask = ncp__engine_checking_locked(engine, chunk);
    for (; mask != 0; mask &= mask - 1) {
        uint64_t bit = mask & -mask;
        const struct ncp__slot *slot = ncp__engine_slot(
            engine, chunk * NCP__CHUNK_SLOTS + (uint32_t)__builtin_ctzll(mask));
        uint64_t end_ns = ncp__cold(slot)->checked_ns + timeout_ns;
        if (now_ns > end_ns)
            *overdue |= bit;
        else
            next_ns = earlier(next_ns, end_ns + 1);
    }
    ncp__engine_unlock(engine);
    return next_ns;
}

static uint64_t find_overdue_checks(ncp_pool *pool, uint64_t now_ns)
{
    uint32_t chunks = ncp__chunk_count(&pool->engine.slots);
    uint64_t next_ns = NCP__NEVER, overdue;

    for (uint32_t chunk = 0; chunk < chunks; chunk++) {
        next_ns = earlier(next_ns, overdue_in(pool, chunk, now_ns, &overdue));
        for (; overdue != 0; overdue &= overdue - 1)
            check_overdue(pool,
                          chunk * NCP__CHUNK_SLOTS +
                              (uint32_t)__builtin_ctzll(overdue),
                          now_ns);
    }
    return next_ns;
}

/* ----------------------------------------------------------------------- leaks */

/* A lease that is out, as far as can be told without owning its slot. */
struct lease_view {
    struct ncp__slot *slot;
    uint32_t index;
    uint64_t word;
    uint64_t age_ns;
};

static void tell_leak(ncp_pool *pool, const struct lease_view *lease,
                      int reason)
{
    struct ncp_conn conn = {pool, lease->slot, lease->index};
    const struct ncp__slot *slot = lease->slot;
    uint8_t flags = atomic_load_explicit(&slot->flags, memory_order_relaxed);
    char stack[2048] = "";

    if ((flags & NCP__FLAG_STACK) != 0)
        ncp__stack_text(pool, lease->index, stack, sizeof(stack));
    for (char *c = stack; *c != '\0'; c++)
        *c = *c == '\n' ? ';' : *c;
    ncp__log(pool, NCP_LOG_WARN, ncp__cold(slot)->id,
             "event=%s lease=%llu age_ms=%llu tag=%llu stack=\"%s\"",
             reason == NCP_REASON_LEAKED ? "evict" : "leak",
             (unsigned long long)ncp__token(ncp__word_generation(lease->word),
                                            lease->index),
             (unsigned long long)(lease->age_ns / NCP__NS_PER_MS),
             (unsigned long long)((flags & NCP__FLAG_TAGGED) != 0 ? slot->of.tag
                                                                  : 0),
             stack);
    if (!ncp__host_leak(
            pool, ncp__token(ncp__word_generation(lease->word), lease->index),
            slot, reason))
        (void)ncp__conn_call(&conn, NCP_CALLBACK_ON_LEAK, reason, NCP_EHOOK);
}

/* Flags a lease once. It may have ended meanwhile, and another begun. */
static bool flag_leak(const struct lease_view *lease)
{
    struct ncp__slot *slot = lease->slot;
    uint8_t before = atomic_fetch_or_explicit(&slot->flags, NCP__FLAG_LEAK_SEEN,
                                              memory_order_acq_rel);

    if ((before & NCP__FLAG_LEAK_SEEN) != 0)
        return false;
    if (atomic_load_explicit(&slot->word, memory_order_acquire) == lease->word)
        return true;
    atomic_fetch_and_explicit(&slot->flags, (uint8_t)~NCP__FLAG_LEAK_SEEN,
                              memory_order_relaxed);
    return false;
}

static void evict(ncp_pool *pool, const struct lease_view *lease)
{
    struct ncp__slot_copy copy;
    struct lease_view taken = *lease;

    taken.slot = &copy.slot;
    if (ncp__conn_take_away(pool, lease->index,
                            ncp__word_generation(lease->word), NCP__EVICTED,
                            NCP_REASON_LEAKED, &copy))
        tell_leak(pool, &taken, NCP_REASON_LEAKED);
}

/* It is told of what the lease was when it was flagged. */
static void note_leak(ncp_pool *pool, const struct lease_view *lease)
{
    struct ncp__slot_copy copy;
    struct lease_view noted = *lease;

    ncp__engine_lock(&pool->engine);
    ncp__slot_view(&copy, lease->slot);
    ncp__engine_unlock(&pool->engine);
    ncp__engine_count_leak(&pool->engine);
    noted.slot = &copy.slot;
    tell_leak(pool, &noted, NCP_REASON_NONE);
}

static void judge_lease(ncp_pool *pool, const struct lease_view *lease)
{
    uint64_t timeout_ns = ncp__pool_option_ns(pool, NCP_OPTION_LEAK_TIMEOUT);
    uint64_t times =
        (uint64_t)ncp__pool_num(pool, NCP_OPTION_LEAK_EVICT_MULTIPLIER);
    uint8_t flags =
        atomic_load_explicit(&lease->slot->flags, memory_order_relaxed);

    if ((flags & NCP__FLAG_BORROW_CHECK) != 0)
        return; /* the host looks at it: nobody has it yet */
    if (lease->age_ns > timeout_ns && flag_leak(lease))
        note_leak(pool, lease);
    if (times != 0 && lease->age_ns > timeout_ns * times)
        evict(pool, lease);
}

static void find_leaks(ncp_pool *pool, uint64_t now_ns)
{
    struct ncp__engine *engine = &pool->engine;
    uint32_t count =
        ncp__chunk_count(&engine->slots) * (uint32_t)NCP__CHUNK_SLOTS;

    for (uint32_t index = 0; index < count; index++) {
        struct lease_view lease = {ncp__engine_slot(engine, index), index, 0,
                                   0};
        lease.word =
            atomic_load_explicit(&lease.slot->word, memory_order_acquire);
        if (ncp__word_state(lease.word) != NCP__LEASED)
            continue;
        uint64_t since_ns =
            atomic_load_explicit(&lease.slot->touched_ns, memory_order_relaxed);
        lease.age_ns = now_ns > since_ns ? now_ns - since_ns : 0;
        judge_lease(pool, &lease);
    }
    pool->next_leak_ns =
        now_ns + ncp__pool_option_ns(pool, NCP_OPTION_LEAK_INTERVAL);
}

/* -------------------------------------------------------------------- planning */

static bool checks_health(const ncp_pool *pool)
{
    return ncp__pool_num(pool, NCP_OPTION_HEALTH_CHECK) != 0 &&
           ncp__pool_num(pool, NCP_OPTION_HEALTH_CHECK_INTERVAL) > 0;
}

static bool finds_leaks(const ncp_pool *pool)
{
    return ncp__pool_num(pool, NCP_OPTION_LEAK_TIMEOUT) > 0;
}

static void set_due(ncp_pool *pool, uint64_t due_ns)
{
    atomic_store_explicit(&pool->due_ns, due_ns, memory_order_seq_cst);
}

static void plan(ncp_pool *pool, uint64_t now_ns)
{
    uint64_t cleanup_ns =
        ncp__pool_option_ns(pool, NCP_OPTION_CLEANUP_INTERVAL);

    pool->next_ticket_ns = NCP__NEVER;
    pool->next_cleanup_ns = now_ns + cleanup_ns;
    pool->next_check_ns = NCP__NEVER;
    pool->next_leak_ns = NCP__NEVER;
    if (checks_health(pool))
        pool->next_check_ns =
            now_ns +
            ncp__pool_option_ns(pool, NCP_OPTION_HEALTH_CHECK_INTERVAL);
    if (finds_leaks(pool))
        pool->next_leak_ns =
            now_ns + ncp__pool_option_ns(pool, NCP_OPTION_LEAK_INTERVAL);
}

void ncp__upkeep_plan(ncp_pool *pool, uint64_t now_ns)
{
    plan(pool, now_ns);
    set_due(pool, earlier(pool->next_cleanup_ns,
                          earlier(pool->next_check_ns, pool->next_leak_ns)));
}

uint64_t ncp__upkeep_due(const ncp_pool *pool)
{
    if (atomic_load_explicit(&pool->keeping, memory_order_seq_cst))
        return NCP__NEVER; /* somebody is at it */
    if (pool->engine.clock == NULL)
        return atomic_load_explicit(&pool->due_ns, memory_order_seq_cst);
    return atomic_load_explicit(&pool->wake_pending, memory_order_seq_cst)
               ? 0
               : NCP__NEVER;
}

void ncp__upkeep_at(ncp_pool *pool, uint64_t due_ns)
{
    uint64_t planned_ns =
        atomic_load_explicit(&pool->due_ns, memory_order_seq_cst);

    while (due_ns < planned_ns)
        if (atomic_compare_exchange_weak_explicit(&pool->due_ns, &planned_ns,
                                                  due_ns, memory_order_seq_cst,
                                                  memory_order_seq_cst)) {
            if (pool->pull)
                ncp__host_due(pool, due_ns);
            else if (pool->engine.clock == NULL)
                ncp__service_kick();
            return;
        }
}

void ncp__upkeep_soon(ncp_pool *pool)
{
    ncp__upkeep_at(pool, ncp__engine_next_dial_due(&pool->engine));
}

void ncp__upkeep_replan(ncp_pool *pool)
{
    atomic_store_explicit(&pool->replan, true, memory_order_seq_cst);
    ncp__upkeep_at(pool, 0);
}

static void clean_up(ncp_pool *pool, uint64_t now_ns, struct ncp__acts *acts)
{
    ncp__engine_expire_idle(&pool->engine, now_ns, acts);
    ncp__engine_refill(&pool->engine, now_ns, acts);
    pool->next_cleanup_ns =
        now_ns + ncp__pool_option_ns(pool, NCP_OPTION_CLEANUP_INTERVAL);
}

static void keep(ncp_pool *pool)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    uint64_t now_ns = ncp__engine_now(engine);
    uint64_t checks_end_ns = NCP__NEVER;

    /* Whoever plans an earlier time from now on is heard. */
    set_due(pool, NCP__NEVER);
    if (atomic_exchange_explicit(&pool->replan, false, memory_order_seq_cst))
        plan(pool, now_ns);
    ncp__engine_overdue_dials(engine, now_ns, &acts);
    if (now_ns >= pool->next_cleanup_ns)
        clean_up(pool, now_ns, &acts);
    if (pool->pull)
        pool->next_ticket_ns =
            ncp__engine_expire_tickets(engine, now_ns, &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    if (checks_health(pool) && now_ns >= pool->next_check_ns)
        check_health(pool, now_ns);
    if (checked_elsewhere(pool))
        checks_end_ns = find_overdue_checks(pool, now_ns);
    if (finds_leaks(pool) && now_ns >= pool->next_leak_ns)
        find_leaks(pool, now_ns);

    uint64_t next_ns = earlier(pool->next_cleanup_ns, checks_end_ns);
    next_ns = earlier(next_ns, pool->next_ticket_ns);
    if (checks_health(pool))
        next_ns = earlier(next_ns, pool->next_check_ns);
    if (finds_leaks(pool))
        next_ns = earlier(next_ns, pool->next_leak_ns);
    next_ns = earlier(next_ns, ncp__engine_next_dial_due(engine));
    ncp__upkeep_at(pool, next_ns);
}

void ncp__upkeep(ncp_pool *pool)
{
    bool idle = false;

    if (!atomic_compare_exchange_strong_explicit(&pool->keeping, &idle, true,
                                                 memory_order_seq_cst,
                                                 memory_order_relaxed))
        return;
    atomic_store_explicit(&pool->wake_pending, false, memory_order_seq_cst);
    if (!ncp__engine_closed(&pool->engine) ||
        !atomic_load_explicit(&pool->orphaned, memory_order_acquire))
        keep(pool);
    atomic_store_explicit(&pool->keeping, false, memory_order_seq_cst);
    if (atomic_load_explicit(&pool->wake_pending, memory_order_seq_cst))
        ncp__service_kick();
}

/* ------------------------------------------------------- pool/validate.c */

/*
 * Which configurations make a pool: corrections first, then the rules.
 */

#include <string.h>

enum {
    LEAK_INTERVAL_MIN_MS = 1000,
    LEAK_INTERVAL_MAX_MS = 60000,
    CLEANUP_INTERVAL_MAX_MS = 30000
};

static int64_t config_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t config_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Half of an interval, at least 1 ms. */
static int64_t config_half(int64_t ms)
{
    return config_max(ms / 2, 1);
}

/* -------------------------------------------------------------- corrections */

static void correct_idle(int64_t *num)
{
    int64_t max = num[NCP_OPTION_MAX_CONNECTIONS];

    if (max > 0 && num[NCP_OPTION_MAX_IDLE_CONNECTIONS] > max)
        num[NCP_OPTION_MAX_IDLE_CONNECTIONS] = max;
}

static void correct_check_timeout(int64_t *num)
{
    const struct ncp__option_row *row =
        ncp__option_row(NCP_OPTION_HEALTH_CHECK_TIMEOUT);
    int64_t interval = num[NCP_OPTION_HEALTH_CHECK_INTERVAL];
    int64_t *timeout = &num[NCP_OPTION_HEALTH_CHECK_TIMEOUT];

    if (*timeout <= 0 && num[NCP_OPTION_HEALTH_CHECK] && interval > 0)
        *timeout = config_min(row->client, config_half(interval));
    if (*timeout <= 0 && num[NCP_OPTION_CHECK_ON_BORROW])
        *timeout = row->client;
    if (interval > 0 && *timeout > interval)
        *timeout = config_half(interval);
    *timeout = config_max(*timeout, 0);
}

static void correct_leak_interval(int64_t *num)
{
    int64_t timeout = num[NCP_OPTION_LEAK_TIMEOUT];
    int64_t *interval = &num[NCP_OPTION_LEAK_INTERVAL];

    *interval = config_max(*interval, 0);
    if (*interval > 0 || timeout <= 0)
        return;
    *interval = config_max(timeout / 2, LEAK_INTERVAL_MIN_MS);
    *interval = config_min(*interval, LEAK_INTERVAL_MAX_MS);
}

static void correct_cleanup_interval(int64_t *num)
{
    int64_t idle = num[NCP_OPTION_IDLE_TIMEOUT];
    int64_t lifetime = num[NCP_OPTION_MAX_LIFETIME];
    int64_t *interval = &num[NCP_OPTION_CLEANUP_INTERVAL];

    if (*interval > 0)
        return;
    *interval = CLEANUP_INTERVAL_MAX_MS;
    if (idle > 0)
        *interval = config_min(*interval, config_half(idle));
    if (lifetime > 0)
        *interval = config_min(*interval, config_half(lifetime));
}

/* What 0 or less stands for is the default. */
static void correct_udp(int64_t *num)
{
    static const int options[] = {NCP_OPTION_UDP_CLEAR_TIMEOUT,
                                  NCP_OPTION_MAX_BUFFER_CLEAR_PACKETS};

    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (num[options[i]] <= 0)
            num[options[i]] = ncp__option_row(options[i])->client;
    }
}

static void correct_get_timeout(int64_t *num)
{
    num[NCP_OPTION_GET_TIMEOUT] = config_max(num[NCP_OPTION_GET_TIMEOUT], -1);
}

static void (*const config_corrections[])(int64_t *num) = {
    correct_idle,          correct_check_timeout,
    correct_leak_interval, correct_cleanup_interval,
    correct_udp,           correct_get_timeout,
};

/* -------------------------------------------------------------------- rules */

typedef int (*config_rule)(const struct ncp_config *config, const int64_t *num,
                           char *reason);

static int rule_ranges(const struct ncp_config *config, const int64_t *num,
                       char *reason)
{
    (void)config;
    for (int option = 1; option < NCP__OPTION_END; option++) {
        if (ncp_option_type(option) == NCP_TYPE_TEXT)
            continue;
        int status = ncp__option_check(option, num[option], reason);
        if (status != NCP_OK)
            return status;
    }
    return NCP_OK;
}

static int rule_min(const struct ncp_config *config, const int64_t *num,
                    char *reason)
{
    int64_t min = num[NCP_OPTION_MIN_CONNECTIONS];
    int64_t max = num[NCP_OPTION_MAX_CONNECTIONS];

    (void)config;
    if (max == 0 || min <= max)
        return NCP_OK;
    return ncp__refuse(reason,
                       "min_connections is %lld and max_connections %lld: "
                       "lower the first or raise the second",
                       (long long)min, (long long)max);
}

static int rule_expiry(const struct ncp_config *config, const int64_t *num,
                       char *reason)
{
    int64_t idle = num[NCP_OPTION_IDLE_TIMEOUT];
    int64_t lifetime = num[NCP_OPTION_MAX_LIFETIME];

    (void)config;
    if (idle == 0 || lifetime == 0 || idle <= lifetime)
        return NCP_OK;
    return ncp__refuse(reason,
                       "idle_timeout is %lld ms and max_lifetime %lld ms: "
                       "lower the first, raise the second, or set one to 0 "
                       "(never)",
                       (long long)idle, (long long)lifetime);
}

static int rule_check_interval(const struct ncp_config *config,
                               const int64_t *num, char *reason)
{
    (void)config;
    if (!num[NCP_OPTION_HEALTH_CHECK] || num[NCP_OPTION_HEALTH_CHECK_INTERVAL])
        return NCP_OK;
    return ncp__refuse(reason, "health_check_interval is 0: use a positive "
                               "number of milliseconds, or turn health_check "
                               "off");
}

static int rule_backoff(const struct ncp_config *config, const int64_t *num,
                        char *reason)
{
    int64_t first = num[NCP_OPTION_DIAL_BACKOFF];
    int64_t longest = num[NCP_OPTION_DIAL_BACKOFF_MAX];

    (void)config;
    if (first <= longest)
        return NCP_OK;
    return ncp__refuse(reason,
                       "dial_backoff is %lld ms and dial_backoff_max %lld ms: "
                       "lower the first or raise the second",
                       (long long)first, (long long)longest);
}

static int rule_target(const struct ncp_config *config, const int64_t *num,
                       char *reason)
{
    const char *target = config->text[NCP_OPTION_TARGET];
    char sentence[NCP__REASON_SIZE - sizeof "target: "] = "";

    (void)num;
    if (target == NULL)
        return NCP_OK;
    int status = ncp__net.target_check(target, sentence, sizeof sentence);
    if (status == NCP_OK)
        return NCP_OK;
    return ncp__refuse(reason, "target: %s", sentence);
}

static int rule_push_parts(const struct ncp_config *config, const int64_t *num,
                           char *reason)
{
    if (num[NCP_OPTION_DRIVER] != NCP_DRIVER_PUSH)
        return NCP_OK;
    if (num[NCP_OPTION_MODE] == NCP_MODE_SERVER) {
        if (num[NCP_OPTION_LISTENER_FD] >= 0)
            return NCP_OK;
        return ncp__refuse(reason, "listener_fd is -1: set it to a listening "
                                   "socket; a server pool needs one, with an "
                                   "acceptor too");
    }
    if (config->dialer != NULL || config->text[NCP_OPTION_TARGET] != NULL)
        return NCP_OK;
    return ncp__refuse(reason, "dialer and target are missing: set a dialer, "
                               "or a target for the built-in one");
}

/* A callback that a pull pool would never call; NULL when there is none. */
static const char *config_idle_callback(const struct ncp_config *config)
{
    static const char *const names[NCP__CALLBACK_END] = {
        [NCP_CALLBACK_CLOSER] = "closer",
        [NCP_CALLBACK_CHECKER] = "checker",
        [NCP_CALLBACK_ON_CREATED] = "on_created",
        [NCP_CALLBACK_ON_BORROW] = "on_borrow",
        [NCP_CALLBACK_ON_RETURN] = "on_return",
        [NCP_CALLBACK_ON_CLOSE] = "on_close",
    };

    if (config->dialer != NULL)
        return "dialer";
    if (config->acceptor != NULL)
        return "acceptor";
    for (int i = 0; i < NCP__CALLBACK_END; i++) {
        if (config->conn[i] != NULL && names[i] != NULL)
            return names[i];
    }
    return NULL;
}

static int rule_pull_parts(const struct ncp_config *config, const int64_t *num,
                           char *reason)
{
    if (num[NCP_OPTION_DRIVER] != NCP_DRIVER_PULL) {
        if (num[NCP_OPTION_HOST_EVENTS] == 0)
            return NCP_OK;
        return ncp__refuse(reason, "host_events is set and driver is push, "
                                   "which has no host: use callbacks, or the "
                                   "pull driver");
    }
    if (config->queue == NULL)
        return ncp__refuse(reason, "queue is missing: the pull driver needs "
                                   "one, see ncp_config_set_queue()");
    const char *name = config_idle_callback(config);
    if (name != NULL)
        return ncp__refuse(reason,
                           "%s is set and driver is pull, which hands this "
                           "work out as events: remove it, or use the push "
                           "driver",
                           name);
    if (num[NCP_OPTION_PREWARM_BLOCKING])
        return ncp__refuse(reason, "prewarm_blocking is on and driver is pull, "
                                   "which cannot dial while it waits: turn it "
                                   "off, or use the push driver");
    return NCP_OK;
}

/* Ranges first: the others rely on them. */
static const config_rule config_rules[] = {
    rule_ranges,  rule_min,    rule_expiry,     rule_check_interval,
    rule_backoff, rule_target, rule_push_parts, rule_pull_parts,
};

int ncp_config_validate(ncp_config *config)
{
    int64_t num[NCP__OPTION_END];

    if (config == NULL)
        return NCP_EINVALIDCONFIG;
    memcpy(num, config->num, sizeof num);
    for (size_t i = 0;
         i < sizeof config_corrections / sizeof config_corrections[0]; i++)
        config_corrections[i](num);
    for (size_t i = 0; i < sizeof config_rules / sizeof config_rules[0]; i++) {
        int status = config_rules[i](config, num, config->reason);
        if (status != NCP_OK)
            return status;
    }
    memcpy(config->num, num, sizeof num);
    config->reason[0] = '\0';
    return NCP_OK;
}

/* ----------------------------------------------------------- pool/work.c */

/* The work of a pool that its host has to do: dials, checks, closes. It waits in a
 * list of slots until the queue is polled. */

void ncp__pull_work(ncp_pool *pool, uint32_t index, int type)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp__cold *cold = ncp__cold(slot);

    if (ncp__release_tells(pool, index, type))
        return;

    ncp__engine_lock(engine);
    bool queued = cold->work != 0;
    cold->work = (uint8_t)type;
    if (!queued) {
        cold->link = NCP__NO_SLOT;
        if (pool->work_head == NCP__NO_SLOT)
            pool->work_head = index;
        else
            ncp__cold(ncp__engine_slot(engine, pool->work_tail))->link = index;
        pool->work_tail = index;
        pool->events_out++;
    }
    ncp__engine_unlock(engine);
    ncp__queue_push_pool(pool->config.queue, pool);
}

/* ---------------------------------------------------------------------- needless */

/* The first DIAL or CHECK that was not handed out yet; few can be. */
static uint32_t unlink_needless_locked(ncp_pool *pool, int *type)
{
    struct ncp__engine *engine = &pool->engine;
    uint32_t before = NCP__NO_SLOT, index = pool->work_head;

    while (index != NCP__NO_SLOT &&
           ncp__cold(ncp__engine_slot(engine, index))->work ==
               NCP_EVENT_CLOSE) {
        before = index;
        index = ncp__cold(ncp__engine_slot(engine, index))->link;
    }
    if (index == NCP__NO_SLOT)
        return index;
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp__cold *cold = ncp__cold(slot);
    if (before == NCP__NO_SLOT)
        pool->work_head = cold->link;
    else
        ncp__cold(ncp__engine_slot(engine, before))->link = cold->link;
    if (pool->work_tail == index)
        pool->work_tail = before;
    *type = cold->work;
    cold->work = 0;
    pool->events_out--;
    return index;
}

/* The pool is closed: no dial is wanted. */
static void end_dial(ncp_pool *pool, uint32_t index)
{
    struct ncp__acts acts = NCP__NO_ACTS;

    (void)ncp__engine_dial_wanted(&pool->engine, index,
                                  ncp__engine_now(&pool->engine), &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
}

void ncp__pull_drop_needless(ncp_pool *pool)
{
    for (;;) {
        int type = 0;
        ncp__engine_lock(&pool->engine);
        uint32_t index = unlink_needless_locked(pool, &type);
        ncp__engine_unlock(&pool->engine);
        if (index == NCP__NO_SLOT)
            return;
        if (type == NCP_EVENT_DIAL)
            end_dial(pool, index);
        else
            (void)ncp__pull_end_check(pool, index, true);
    }
}

/* ------------------------------------------------------------------------ closes */

/* What is left to do for a slot whose close was told. */
enum after_close { KEEP_SLOT, TAKE_SLOT_BACK, FREE_SLOT };

/* Lock held: the slot of a lease that was taken away stays until it is put, and
 * that may be now. */
static enum after_close tell_close_locked(ncp_pool *pool, uint32_t index,
                                          ncp_event *event)
{
    const struct ncp__slot *slot = ncp__engine_slot(&pool->engine, index);
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);

    ncp__event_slot(event, pool, index, NCP_EVENT_CLOSE);
    event->lease = 0;
    event->reason = ncp__cold(slot)->reason;
    if (ncp__word_state(word) != NCP__CLOSING)
        return KEEP_SLOT;
    return (ncp__cold(slot)->dial_flags & NCP__SLOT_OUT) != 0 ? TAKE_SLOT_BACK
                                                              : FREE_SLOT;
}

static void after_close(ncp_pool *pool, uint32_t index, enum after_close what,
                        const ncp_event *event)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;

    ncp__log(pool, NCP_LOG_DEBUG, event->conn_id, "event=close reason=%s",
             ncp_reason_text(event->reason));
    if (what == TAKE_SLOT_BACK)
        ncp__engine_taken_back(engine, index, &acts);
    else if (what == FREE_SLOT)
        ncp__engine_closed_one(engine, index, ncp__engine_now(engine), &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
}

void ncp__pull_tell_close(ncp_pool *pool, uint32_t index, ncp_event *event)
{
    ncp__event_clear(event, pool);
    ncp__engine_lock(&pool->engine);
    enum after_close what = tell_close_locked(pool, index, event);
    ncp__engine_unlock(&pool->engine);
    after_close(pool, index, what, event);
}

/* ------------------------------------------------------------------- handing out */

/* A DIAL that nobody needs any more is ended before the host hears of it. */
static void dial_event(ncp_pool *pool, uint32_t index, ncp_event *event)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    uint64_t now_ns = ncp__engine_now(engine);
    bool wanted = ncp__engine_dial_wanted(engine, index, now_ns, &acts);

    if (wanted) {
        ncp__engine_lock(engine);
        ncp__event_dial_locked(event, pool, index, now_ns);
        ncp__engine_unlock(engine);
    }
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
}

static void check_event(ncp_pool *pool, uint32_t index, ncp_event *event)
{
    ncp__event_slot(event, pool, index, NCP_EVENT_CHECK);
    event->timeout_ms = ncp__pool_num(pool, NCP_OPTION_HEALTH_CHECK_TIMEOUT);
}

static uint32_t pop_work_locked(ncp_pool *pool, int *type)
{
    uint32_t index = pool->work_head;

    if (index == NCP__NO_SLOT)
        return index;
    struct ncp__slot *slot = ncp__engine_slot(&pool->engine, index);
    struct ncp__cold *cold = ncp__cold(slot);
    pool->work_head = cold->link;
    *type = cold->work;
    cold->work = 0;
    pool->events_out--;
    return index;
}

/* Takes one piece of work out; false when there is none left. A piece that has
 * become needless leaves the event as it is: NONE. */
static bool next_work(ncp_pool *pool, ncp_event *event)
{
    struct ncp__engine *engine = &pool->engine;
    enum after_close what = KEEP_SLOT;
    int type = 0;

    ncp__event_clear(event, pool);
    ncp__engine_lock(engine);
    uint32_t index = pop_work_locked(pool, &type);
    if (type == NCP_EVENT_CLOSE)
        what = tell_close_locked(pool, index, event);
    ncp__engine_unlock(engine);
    if (index == NCP__NO_SLOT)
        return false;
    if (type == NCP_EVENT_CLOSE)
        after_close(pool, index, what, event);
    else if (type == NCP_EVENT_DIAL)
        dial_event(pool, index, event);
    else
        check_event(pool, index, event);
    return true;
}

int ncp__pull_work_events(ncp_pool *pool, ncp_event *events, int max,
                          bool *more)
{
    int count = 0;

    while (count < max && (ncp__host_next(pool, &events[count]) ||
                           next_work(pool, &events[count])))
        count += events[count].type != NCP_EVENT_NONE;
    ncp__engine_lock(&pool->engine);
    *more = pool->work_head != NCP__NO_SLOT || ncp__host_more_locked(pool);
    ncp__engine_unlock(&pool->engine);
    return count;
}

/* ---------------------------------------------------------- net/accept.c */

/* net/accept.h */
/*
 * Accepting for a server pool.
 */
#ifndef NCP_NET_ACCEPT_H
#define NCP_NET_ACCEPT_H


/* As wait_client and accept of struct ncp__transport. */
int ncp__wait_client(int listener_fd, int wake_fd, int64_t timeout_ms);
int ncp__accept(const struct ncp_config *config, int listener_fd, int *out_fd);

#endif

/* net/detect.h */
/*
 * What a descriptor is.
 */
#ifndef NCP_NET_DETECT_H
#define NCP_NET_DETECT_H

/* As ncp_fd_detect(), for any fd; neither pointer is NULL. */
void ncp__detect(int fd, int *protocol, int *ip);

#endif

/* net/probe.h */
/*
 * Whether a connection is alive.
 */
#ifndef NCP_NET_PROBE_H
#define NCP_NET_PROBE_H

#include <stdbool.h>

/* As ncp_fd_alive(), for any fd. */
bool ncp__alive(int fd);
/* Whether a client can neither be read from nor written to any more: it was
 * reset, or it left without a word. One that only stopped sending is no such
 * client. */
bool ncp__client_gone(int fd);

#endif

/* net/socket_options.h */
/*
 * Socket options of a configuration.
 */
#ifndef NCP_NET_SOCKET_OPTIONS_H
#define NCP_NET_SOCKET_OPTIONS_H


struct ncp__socket_options {
    bool nodelay;
    int keepalive_s;   /* 0 off */
    int send_bytes;    /* 0 the system's */
    int receive_bytes; /* 0 the system's */
};

void ncp__socket_options_read(const struct ncp_config *config,
                              struct ncp__socket_options *out);
/* Sets what fits the protocol. Best effort: a system that refuses a size or an
 * interval still gives a usable connection. Call it before connect, so that the
 * buffers count for the window of TCP. */
void ncp__socket_options_apply(int fd, int protocol,
                               const struct ncp__socket_options *options);

#endif

/* net/wait.h */
/*
 * Deadlines and a poll that keeps them, whatever signal comes.
 */
#ifndef NCP_NET_WAIT_H
#define NCP_NET_WAIT_H


#include <poll.h>

enum { NCP__SLICE_MS = 50 }; /* how long nobody asks whether to stop */

/* The moment `ms` from now; NCP__NEVER below 0. */
uint64_t ncp__deadline_in(int64_t ms);
bool ncp__deadline_passed(uint64_t deadline_ns);
/* Whichever is first: the deadline, or the end of a slice that begins now. */
uint64_t ncp__deadline_or_slice(uint64_t deadline_ns);
/* poll(2) until a deadline that may have passed: it looks at least once.
 * Entries with a negative descriptor are left out. */
int ncp__poll(struct pollfd *fds, size_t count, uint64_t deadline_ns);

#endif



#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static int bad_descriptor(void)
{
    errno = EBADF;
    return NCP_ESYS;
}

int ncp__wait_client(int listener_fd, int wake_fd, int64_t timeout_ms)
{
    struct pollfd polled[] = {{.fd = listener_fd, .events = POLLIN},
                              {.fd = wake_fd, .events = POLLIN}};

    if (listener_fd < 0)
        return bad_descriptor();
    int ready = ncp__poll(polled, 2, ncp__deadline_in(timeout_ms));
    if (ready < 0)
        return NCP_ESYS;
    if (ready == 0)
        return NCP_ETIMEOUT;
    if (polled[1].revents != 0)
        return NCP_EAGAIN;
    return polled[0].revents & POLLNVAL ? bad_descriptor() : NCP_OK;
}

/* Nobody there any more, another was faster, or the client failed between its
 * connect and our accept (accept(2), "Error handling"). */
static bool is_passing(int error)
{
    static const int passing[] = {
        EAGAIN,      EINTR,     ECONNABORTED, EPROTO,      ECONNRESET, ENETDOWN,
        ENOPROTOOPT, EHOSTDOWN, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT,
    };

    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
        if (error == passing[i])
            return true;
    return false;
}

static void prepare__net_accept(const struct ncp_config *config, int fd)
{
    struct ncp__socket_options options;
    int protocol, ip;

    ncp__detect(fd, &protocol, &ip);
    ncp__socket_options_read(config, &options);
    ncp__socket_options_apply(fd, protocol, &options);
}

int ncp__accept(const struct ncp_config *config, int listener_fd, int *out_fd)
{
    int fd = accept4(listener_fd, NULL, NULL, SOCK_CLOEXEC);

    *out_fd = -1;
    if (fd < 0)
        return is_passing(errno) ? NCP_EAGAIN : NCP_ESYS;
    if (ncp__client_gone(fd)) {
        close(fd);
        return NCP_EAGAIN;
    }
    prepare__net_accept(config, fd);
    *out_fd = fd;
    return NCP_OK;
}

/* --------------------------------------------------------- net/address.c */

/* net/address.h */
/*
 * Socket addresses, and the list of those that a name stands for.
 */
#ifndef NCP_NET_ADDRESS_H
#define NCP_NET_ADDRESS_H


#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
    NCP__ADDRESSES_MAX = 32, /* of one name; further ones are not tried */
    NCP__ADDRESS_TEXT = 64   /* "[v6]:port" with its end */
};

union ncp__sockaddr {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
    struct sockaddr_storage storage;
};

struct ncp__address {
    union ncp__sockaddr at;
    socklen_t size;
};

struct ncp__addresses {
    int count;
    struct ncp__address item[NCP__ADDRESSES_MAX];
};

/* A value of enum ncp_ip; an IPv4 address mapped into IPv6 is IPv4. */
int ncp__address_ip(const union ncp__sockaddr *at);
/* "127.0.0.1:80", "[::1]:80"; "" for another family. */
void ncp__address_text(const union ncp__sockaddr *at, char *text, size_t size);
/* Whether both ends of a TCP connection are the same socket: a connect to a
 * port without a listener that was lent to the connect itself. */
bool ncp__address_same(const union ncp__sockaddr *a,
                       const union ncp__sockaddr *b);

/* Adds an address of IPv4 or IPv6; doubles and those past the end are left
 * out. */
void ncp__addresses_add(struct ncp__addresses *list, const struct sockaddr *at,
                        socklen_t size);
/* Keeps only those of an IP version, unless there are none or any will do. */
void ncp__addresses_prefer_ip(struct ncp__addresses *list, int ip);
/* RFC 8305, section 4: families in turn, IPv6 first, otherwise in order. */
void ncp__addresses_interleave(struct ncp__addresses *list);

#endif


#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

int ncp__address_ip(const union ncp__sockaddr *at)
{
    if (at->any.sa_family == AF_INET)
        return NCP_IP_V4;
    if (at->any.sa_family != AF_INET6)
        return NCP_IP_UNKNOWN;
    return IN6_IS_ADDR_V4MAPPED(&at->v6.sin6_addr) ? NCP_IP_V4 : NCP_IP_V6;
}

void ncp__address_text(const union ncp__sockaddr *at, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN];

    text[0] = '\0';
    if (at->any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &at->v4.sin_addr, host, sizeof host);
        snprintf(text, size, "%s:%u", host, ntohs(at->v4.sin_port));
    }
    if (at->any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &at->v6.sin6_addr, host, sizeof host);
        snprintf(text, size, "[%s]:%u", host, ntohs(at->v6.sin6_port));
    }
}

bool ncp__address_same(const union ncp__sockaddr *a,
                       const union ncp__sockaddr *b)
{
    if (a->any.sa_family != b->any.sa_family)
        return false;
    if (a->any.sa_family == AF_INET)
        return a->v4.sin_port == b->v4.sin_port &&
               a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
    if (a->any.sa_family == AF_INET6)
        return a->v6.sin6_port == b->v6.sin6_port &&
               a->v6.sin6_scope_id == b->v6.sin6_scope_id &&
               IN6_ARE_ADDR_EQUAL(&a->v6.sin6_addr, &b->v6.sin6_addr);
    return false;
}

static bool listed(const struct ncp__addresses *list,
                   const union ncp__sockaddr *at)
{
    for (int i = 0; i < list->count; i++)
        if (ncp__address_same(&list->item[i].at, at))
            return true;
    return false;
}

void ncp__addresses_add(struct ncp__addresses *list, const struct sockaddr *at,
                        socklen_t size)
{
    struct ncp__address *slot = &list->item[list->count];

    if (list->count == NCP__ADDRESSES_MAX || size > sizeof slot->at)
        return;
    if (at->sa_family != AF_INET && at->sa_family != AF_INET6)
        return;

    memset(slot, 0, sizeof *slot);
    memcpy(&slot->at, at, size);
    slot->size = size;
    if (!listed(list, &slot->at))
        list->count++;
}

void ncp__addresses_prefer_ip(struct ncp__addresses *list, int ip)
{
    int kept = 0;

    if (ip == NCP_IP_UNKNOWN)
        return;
    for (int i = 0; i < list->count; i++)
        if (ncp__address_ip(&list->item[i].at) == ip)
            list->item[kept++] = list->item[i];
    if (kept > 0)
        list->count = kept;
}

static int next_of(const struct ncp__addresses *list, int from, bool v6)
{
    while (from < list->count &&
           (list->item[from].at.any.sa_family == AF_INET6) != v6)
        from++;
    return from;
}

void ncp__addresses_interleave(struct ncp__addresses *list)
{
    struct ncp__addresses turn = {0};
    int next[2] = {next_of(list, 0, true), next_of(list, 0, false)};

    for (int family = 0; turn.count < list->count; family = !family) {
        int i = next[family];
        if (i == list->count)
            continue;
        turn.item[turn.count++] = list->item[i];
        next[family] = next_of(list, i + 1, family == 0);
    }
    *list = turn;
}

/* ---------------------------------------------------------- net/detect.c */



#include <netinet/in.h>

/* A number of SOL_SOCKET, -1 when fd is no socket. */
static int socket_number(int fd, int name)
{
    int value = -1;
    socklen_t size = sizeof value;

    return getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

/* The address of the peer, or the own one while there is none. */
static void find_address(int fd, union ncp__sockaddr *out)
{
    socklen_t size = sizeof *out;

    if (getpeername(fd, &out->any, &size) == 0)
        return;
    size = sizeof *out;
    if (getsockname(fd, &out->any, &size) != 0)
        out->any.sa_family = AF_UNSPEC;
}

/* A type alone does not tell: SCTP streams too, and ICMP has datagrams. */
static int protocol_of(int fd)
{
    int type = socket_number(fd, SO_TYPE);
    int number = socket_number(fd, SO_PROTOCOL);

    if (type == SOCK_DGRAM && number == IPPROTO_UDP)
        return NCP_PROTOCOL_UDP;
    if (type == SOCK_STREAM &&
        (number == IPPROTO_TCP || number == IPPROTO_MPTCP))
        return NCP_PROTOCOL_TCP;
    return NCP_PROTOCOL_UNKNOWN;
}

void ncp__detect(int fd, int *protocol, int *ip)
{
    union ncp__sockaddr at = {0};

    find_address(fd, &at);
    *ip = ncp__address_ip(&at);
    *protocol = *ip == NCP_IP_UNKNOWN ? NCP_PROTOCOL_UNKNOWN : protocol_of(fd);
}

int ncp_fd_detect(int fd, int *protocol, int *ip)
{
    int found_protocol = NCP_PROTOCOL_UNKNOWN;
    int found_ip = NCP_IP_UNKNOWN;

    if (fd >= 0)
        ncp__detect(fd, &found_protocol, &found_ip);
    if (protocol != NULL)
        *protocol = found_protocol;
    if (ip != NULL)
        *ip = found_ip;
    return fd < 0 ? NCP_EINVAL : NCP_OK;
}

/* ------------------------------------------------------------ net/dial.c */

/* net/target.h */
/*
 * Target strings: what is to be dialed or listened on.
 */
#ifndef NCP_NET_TARGET_H
#define NCP_NET_TARGET_H


#include <sys/un.h>

enum {
    NCP__HOST_SIZE = 254, /* a name has at most 253 bytes */
    NCP__PATH_SIZE = sizeof(((struct sockaddr_un *)0)->sun_path),
    NCP__TARGET_TEXT = 288
};

struct ncp__target {
    int protocol; /* NCP_PROTOCOL_UNKNOWN: a unix socket */
    int family;   /* AF_UNSPEC, AF_INET, AF_INET6, AF_UNIX */
    uint16_t port;
    char host[NCP__HOST_SIZE];   /* without brackets */
    char path[NCP__PATH_SIZE];   /* of a unix socket */
    char text[NCP__TARGET_TEXT]; /* as it was written */
};

/* Reads a target. `lowest_port` is 1, or 0 to let the system choose. Returns
 * NCP_OK, or NCP_EINVALIDCONFIG with a sentence in `reason`, which may be NULL
 * when `size` is 0. */
int ncp__target_parse(const char *text, int lowest_port,
                      struct ncp__target *out, char *reason, size_t size);
/* The same for a target to dial, without a result. */
int ncp__target_check(const char *text, char *reason, size_t size);

#endif

/* net/dial.h */
/*
 * One dial of a target, and why it failed.
 */
#ifndef NCP_NET_DIAL_H
#define NCP_NET_DIAL_H


enum { NCP__FAILURE_TEXT = 120 }; /* what ncp_dial_fail() keeps */

struct ncp__dialing {
    const struct ncp__target *target;
    const struct ncp__socket_options *options;
    int64_t stagger_ms;
    int ip; /* wanted; NCP_IP_UNKNOWN any */
    uint64_t deadline_ns;
    const ncp_dial *dial; /* asked whether to stop; may be NULL */
};

struct ncp__failure {
    int code;                    /* an errno */
    const char *step;            /* such as "connect to" */
    const char *reason;          /* NULL: the text of the errno */
    struct ncp__address address; /* size 0: of none */
};

/* Each returns a connected descriptor, blocking and close-on-exec, or -1. */
int ncp__dial_tcp(const struct ncp__dialing *dialing,
                  struct ncp__failure *failure);
int ncp__dial_udp(const struct ncp__dialing *dialing,
                  struct ncp__failure *failure);
int ncp__dial_unix(const struct ncp__dialing *dialing,
                   struct ncp__failure *failure);

/* "connect to tcp://host:1 (127.0.0.1:1): Connection refused" in at most
 * NCP__FAILURE_TEXT bytes: a long target is shortened, the rest is not. */
void ncp__failure_text(const struct ncp__failure *failure,
                       const struct ncp__target *target,
                       char text[NCP__FAILURE_TEXT]);

#endif


#include <stdio.h>
#include <string.h>

/* " (address)", unless the target says the same already. */
static void tell_address(const struct ncp__failure *failure,
                         const struct ncp__target *target, char *out,
                         size_t size)
{
    char address[NCP__ADDRESS_TEXT];

    out[0] = '\0';
    if (failure->address.size == 0)
        return;
    ncp__address_text(&failure->address.at, address, sizeof address);
    if (address[0] != '\0' && strstr(target->text, address) == NULL)
        snprintf(out, size, " (%s)", address);
}

void ncp__failure_text(const struct ncp__failure *failure,
                       const struct ncp__target *target,
                       char text[NCP__FAILURE_TEXT])
{
    char where[NCP__ADDRESS_TEXT + 4];
    char buffer[64];
    const char *why = failure->reason;
    const char *cut = "";

    if (why == NULL)
        why = strerror_r(failure->code, buffer, sizeof buffer);
    tell_address(failure, target, where, sizeof where);

    int shown = (int)strlen(target->text);
    int room = NCP__FAILURE_TEXT - 1 - (int)strlen(failure->step) -
               (int)strlen(where) - (int)strlen(why) - 3;
    if (shown > room) {
        cut = "...";
        shown = room > 3 ? room - 3 : 0;
    }
    snprintf(text, NCP__FAILURE_TEXT, "%s %.*s%s%s: %s", failure->step, shown,
             target->text, cut, where, why);
}

/* --------------------------------------------------------- net/dial_ip.c */

/* net/race.h */
/*
 * Happy eyeballs (RFC 8305, section 5): connects to several addresses, a little
 * apart; the first that answers wins, the others are closed.
 */
#ifndef NCP_NET_RACE_H
#define NCP_NET_RACE_H


struct ncp__race {
    const struct ncp__addresses *addresses; /* at least one, in order */
    const struct ncp__socket_options *options;
    int64_t stagger_ms; /* until the next starts; at once when one fails */
    uint64_t deadline_ns;
    const ncp_dial *dial; /* asked whether to stop; may be NULL */
};

/* Returns 0 with a connected TCP socket, blocking and close-on-exec, or an
 * errno: ETIMEDOUT, ECANCELED, or why the attempt failed that says most.
 * `blamed` is the index of that attempt, -1 when it is the fault of none. */
int ncp__race(const struct ncp__race *race, int *out_fd, int *blamed);

#endif

/* net/resolve.h */
/*
 * Names into addresses.
 */
#ifndef NCP_NET_RESOLVE_H
#define NCP_NET_RESOLVE_H


/* The addresses of a target that is no unix socket, in the order of the
 * resolver. `passive` for listening. Returns 0 or a code of getaddrinfo(3).
 *
 * An address as a host never leaves the process. A name may block as long as
 * the system's resolver does (resolv.conf: timeout times attempts times
 * servers): that call cannot be interrupted, so callers look at their deadline
 * afterwards. */
int ncp__resolve(const struct ncp__target *target, bool passive,
                 struct ncp__addresses *out);
/* The errno that says most of such a code. */
int ncp__resolve_errno(int code);
/* The text of such a code, static; NULL when it is that of the errno. */
const char *ncp__resolve_text(int code);

#endif


#include <errno.h>
#include <unistd.h>

static int dial_failed__net_dial_ip(struct ncp__failure *failure, const char *step, int code)
{
    *failure = (struct ncp__failure){.code = code, .step = step};
    return -1;
}

/* 0, or -1: the addresses to try, in order. */
static int find_addresses(const struct ncp__dialing *dialing,
                          struct ncp__addresses *out,
                          struct ncp__failure *failure)
{
    int code = ncp__resolve(dialing->target, false, out);

    if (code != 0) {
        dial_failed__net_dial_ip(failure, "resolve", ncp__resolve_errno(code));
        failure->reason = ncp__resolve_text(code);
        return -1;
    }
    if (ncp__deadline_passed(dialing->deadline_ns))
        return dial_failed__net_dial_ip(failure, "resolve", ETIMEDOUT);
    ncp__addresses_prefer_ip(out, dialing->ip);
    ncp__addresses_interleave(out);
    return 0;
}

int ncp__dial_tcp(const struct ncp__dialing *dialing,
                  struct ncp__failure *failure)
{
    struct ncp__addresses addresses;
    int fd, blamed;

    if (find_addresses(dialing, &addresses, failure) != 0)
        return -1;

    const struct ncp__race race = {.addresses = &addresses,
                                   .options = dialing->options,
                                   .stagger_ms = dialing->stagger_ms,
                                   .deadline_ns = dialing->deadline_ns,
                                   .dial = dialing->dial};
    int code = ncp__race(&race, &fd, &blamed);
    if (code == 0)
        return fd;
    dial_failed__net_dial_ip(failure, "connect to", code);
    if (blamed >= 0)
        failure->address = addresses.item[blamed];
    return -1;
}

/* The descriptor, or minus the errno. */
static int connect_udp(const struct ncp__address *to,
                       const struct ncp__socket_options *options)
{
    int fd = socket(to->at.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    ncp__socket_options_apply(fd, NCP_PROTOCOL_UDP, options);
    if (connect(fd, &to->at.any, to->size) == 0)
        return fd;

    int error = errno;
    close(fd);
    return -error;
}

int ncp__dial_udp(const struct ncp__dialing *dialing,
                  struct ncp__failure *failure)
{
    struct ncp__addresses addresses;
    int fd = -1;

    if (find_addresses(dialing, &addresses, failure) != 0)
        return -1;
    for (int i = 0; i < addresses.count; i++) {
        fd = connect_udp(&addresses.item[i], dialing->options);
        if (fd >= 0)
            return fd;
        dial_failed__net_dial_ip(failure, "connect to", -fd);
        failure->address = addresses.item[i];
    }
    return -1;
}

/* ------------------------------------------------------- net/dial_unix.c */


#include <errno.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static void set_send_timeout_ms(int fd, int64_t ms)
{
    const struct timeval time = {.tv_sec = (time_t)(ms / 1000),
                                 .tv_usec = (suseconds_t)(ms % 1000 * 1000)};

    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
}

/* The end of the wait that connect(2) does for a place in a full queue of the
 * listener: the send timeout. Poll cannot wait for that place. */
static int64_t slice_ms(uint64_t deadline_ns)
{
    uint64_t until = ncp__deadline_or_slice(deadline_ns);
    uint64_t now = ncp__monotonic_ns();

    return until <= now ? 1 : (int64_t)((until - now) / NCP__NS_PER_MS) + 1;
}

/* 0, or an errno. */
static int connect_local(int fd, const struct ncp__dialing *dialing)
{
    union ncp__sockaddr to = {.local.sun_family = AF_UNIX};

    strcpy(to.local.sun_path, dialing->target->path);
    for (;;) {
        if (ncp_dial_stopped(dialing->dial) == 1)
            return ECANCELED;
        if (ncp__deadline_passed(dialing->deadline_ns))
            return ETIMEDOUT;
        set_send_timeout_ms(fd, slice_ms(dialing->deadline_ns));
        if (connect(fd, &to.any, sizeof to.local) == 0)
            return 0;
        if (errno != EAGAIN && errno != EINTR)
            return errno;
    }
}

int ncp__dial_unix(const struct ncp__dialing *dialing,
                   struct ncp__failure *failure)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int error = errno;

    if (fd >= 0) {
        ncp__socket_options_apply(fd, NCP_PROTOCOL_UNKNOWN, dialing->options);
        error = connect_local(fd, dialing);
        if (error == 0) {
            set_send_timeout_ms(fd, 0);
            return fd;
        }
        close(fd);
    }
    *failure = (struct ncp__failure){.code = error, .step = "connect to"};
    return -1;
}

/* ---------------------------------------------------------- net/dialer.c */

/* net/dialer.h */
/*
 * The built-in dialer: what a target and a configuration become.
 */
#ifndef NCP_NET_DIALER_H
#define NCP_NET_DIALER_H


/* As dialer_new of struct ncp__transport. NCP_EINVALIDCONFIG, NCP_ENOMEM. */
int ncp__dialer_new(const struct ncp_config *config, struct ncp__hook **out);

#endif



struct dialer {
    struct ncp__target target;
    struct ncp__socket_options options;
    int64_t stagger_ms;
};

static int dial_target(const struct ncp__dialing *dialing,
                       struct ncp__failure *failure)
{
    switch (dialing->target->protocol) {
    case NCP_PROTOCOL_TCP:
        return ncp__dial_tcp(dialing, failure);
    case NCP_PROTOCOL_UDP:
        return ncp__dial_udp(dialing, failure);
    default:
        return ncp__dial_unix(dialing, failure);
    }
}

/* The version that was dialed: that of the address of the peer. */
static int peer_ip(int fd)
{
    union ncp__sockaddr peer = {0};
    socklen_t size = sizeof peer;

    if (getpeername(fd, &peer.any, &size) != 0)
        return NCP_IP_UNKNOWN;
    return ncp__address_ip(&peer);
}

static int dial_failed__net_dialer(const struct dialer *dialer, ncp_dial *dial,
                       const struct ncp__failure *failure)
{
    char text[NCP__FAILURE_TEXT];

    ncp__failure_text(failure, &dialer->target, text);
    ncp_dial_fail(dial, failure->code, text);
    return NCP_EDIAL;
}

/* The protocol that is wanted changes nothing: a target has one, and the pool
 * judges the result. It works up to the hard limit, not that of the caller. */
static int dialer_dial(void *user, ncp_dial *dial)
{
    const struct dialer *dialer = user;
    const struct ncp__dialing dialing = {
        .target = &dialer->target,
        .options = &dialer->options,
        .stagger_ms = dialer->stagger_ms,
        .ip = ncp_dial_ip(dial),
        .deadline_ns = ncp__deadline_in(ncp_dial_timeout_ms(dial)),
        .dial = dial,
    };
    struct ncp__failure failure = {0};

    int fd = dial_target(&dialing, &failure);
    if (fd < 0)
        return dial_failed__net_dialer(dialer, dial, &failure);
    return ncp_dial_done(dial, (uint64_t)fd, fd, dialer->target.protocol,
                         peer_ip(fd));
}

int ncp__dialer_new(const struct ncp_config *config, struct ncp__hook **out)
{
    const char *target = config->text[NCP_OPTION_TARGET];

    *out = NULL;
    if (target == NULL)
        return NCP_EINVALIDCONFIG;

    struct dialer *dialer = ncp__alloc(sizeof *dialer);
    struct ncp__hook *hook = ncp__alloc(sizeof *hook);
    int status = dialer == NULL || hook == NULL ? NCP_ENOMEM : NCP_OK;
    if (status == NCP_OK)
        status = ncp__target_parse(target, 1, &dialer->target, NULL, 0);
    if (status != NCP_OK) {
        ncp__free(hook);
        ncp__free(dialer);
        return status;
    }

    ncp__socket_options_read(config, &dialer->options);
    dialer->stagger_ms = config->num[NCP_OPTION_HAPPY_EYEBALLS_DELAY];
    atomic_init(&hook->refs, 1);
    hook->fn.dial = dialer_dial;
    hook->user = dialer;
    hook->drop = ncp__free;
    *out = hook;
    return NCP_OK;
}

/* ---------------------------------------------------------- net/listen.c */


#include <errno.h>
#include <string.h>
#include <unistd.h>

static void set_on(int fd, int level, int name, int on)
{
    (void)setsockopt(fd, level, name, &on, sizeof on);
}

/* tcp:// on an IPv6 wildcard takes IPv4 clients too, on every system alike. */
static void set_listen_options(int fd, const struct ncp__target *target,
                               int family)
{
    if (target->protocol == NCP_PROTOCOL_TCP)
        set_on(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (family == AF_INET6)
        set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY, target->family == AF_INET6);
}

/* The listener, or minus the errno. It does not block: several pools, threads
 * or processes may then accept from it, and none gets stuck when another was
 * faster. */
static int listen_at__net_listen(const struct ncp__target *target,
                     const struct ncp__address *at, int backlog)
{
    int family = at->at.any.sa_family;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    set_listen_options(fd, target, family);
    if (bind(fd, &at->at.any, at->size) == 0 && listen(fd, backlog) == 0)
        return fd;

    int error = errno;
    close(fd);
    return -error;
}

static int listen_local(const struct ncp__target *target, int backlog)
{
    struct ncp__address at = {.at.local.sun_family = AF_UNIX,
                              .size = sizeof at.at.local};

    strcpy(at.at.local.sun_path, target->path);
    return listen_at__net_listen(target, &at, backlog);
}

static int listen_tcp(const struct ncp__target *target, int backlog)
{
    struct ncp__addresses addresses;
    int code = ncp__resolve(target, true, &addresses);

    if (code != 0)
        return -ncp__resolve_errno(code);

    int fd = -1;
    for (int i = 0; i < addresses.count && fd < 0; i++)
        fd = listen_at__net_listen(target, &addresses.item[i], backlog);
    return fd;
}

int ncp_listen(const char *target, int backlog, int *out)
{
    struct ncp__target parsed;

    if (out == NULL)
        return NCP_EINVAL;
    *out = -1;
    if (target == NULL || backlog < 1)
        return NCP_EINVAL;

    int status = ncp__target_parse(target, 0, &parsed, NULL, 0);
    if (status != NCP_OK)
        return status;
    if (parsed.protocol == NCP_PROTOCOL_UDP)
        return NCP_EINVALIDCONFIG;

    int fd = parsed.protocol == NCP_PROTOCOL_TCP
                 ? listen_tcp(&parsed, backlog)
                 : listen_local(&parsed, backlog);
    if (fd < 0) {
        errno = -fd;
        return NCP_ESYS;
    }
    *out = fd;
    return NCP_OK;
}

/* ----------------------------------------------------------- net/probe.c */



#include <errno.h>
#include <sys/socket.h>

/* What poll(2) says now; POLLNVAL when it fails. */
static int events_now(int fd)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN | POLLRDHUP};

    if (ncp__poll(&polled, 1, 0) < 0)
        return POLLNVAL;
    return polled.revents;
}

/* Reads the pending error, which clears it: dead is what is dead anyway. On a
 * socket without one, POLLERR tells of its error queue (time stamps, ends of
 * zero-copy sends), which harms nobody. */
static bool has_error(int fd)
{
    int error = 0;
    socklen_t size = sizeof error;

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 ||
           error != 0;
}

static bool is_stream(int fd)
{
    int type = 0;
    socklen_t size = sizeof type;

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
           type == SOCK_STREAM;
}

/* The first byte that waits, without taking it: 1, or 0 at the end of the
 * stream; -1 with errno otherwise. */
static int peek(int fd)
{
    char byte;
    ssize_t got;

    do {
        got = recv(fd, &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    return (int)got;
}

static bool has_ended(int fd)
{
    int got = peek(fd);

    return got == 0 || (got < 0 && errno != EAGAIN);
}

/* A peer that ended its side is dead for reuse, whatever it sent before: it
 * will never answer a new request. */
bool ncp__alive(int fd)
{
    int events = events_now(fd);

    if (events == 0)
        return true;
    if (events & (POLLNVAL | POLLHUP | POLLRDHUP))
        return false;
    if ((events & POLLERR) && has_error(fd))
        return false;
    return !(events & POLLIN) || !is_stream(fd) || !has_ended(fd);
}

bool ncp__client_gone(int fd)
{
    return (events_now(fd) & (POLLERR | POLLHUP)) != 0 && peek(fd) <= 0;
}

int ncp_fd_alive(int fd)
{
    if (fd < 0)
        return NCP_EINVAL;
    return ncp__alive(fd) ? 1 : 0;
}

/* ------------------------------------------------------------ net/race.c */



#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Lane i runs to address i; its descriptor is -1 when it does not run. */
struct lanes {
    struct pollfd lane[NCP__ADDRESSES_MAX];
    int started;
    int running;
    uint64_t next_ns; /* when the next lane starts; 0 at once */
    int error;        /* of the failed lane that says most, and which it was */
    int blamed;
};

/* Of the machine, not of the peer: another failure says more. */
static bool says_little(int error)
{
    return error == ENETUNREACH || error == EHOSTUNREACH ||
           error == EADDRNOTAVAIL || error == EAFNOSUPPORT;
}

static void lane_lost(struct lanes *lanes, int i, int error)
{
    if (lanes->lane[i].fd >= 0) {
        close(lanes->lane[i].fd);
        lanes->lane[i].fd = -1;
        lanes->running--;
    }
    lanes->next_ns = 0;
    if (lanes->error == 0 ||
        (says_little(lanes->error) && !says_little(error))) {
        lanes->error = error;
        lanes->blamed = i;
    }
}

/* 0 when connected, or why not. */
static int lane_result(int fd)
{
    union ncp__sockaddr here = {0}, there = {0};
    socklen_t here_size = sizeof here, there_size = sizeof there;
    int error = 0;
    socklen_t size = sizeof error;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        return errno;
    if (error != 0)
        return error;
    if (getpeername(fd, &there.any, &there_size) != 0 ||
        getsockname(fd, &here.any, &here_size) != 0)
        return errno;
    return ncp__address_same(&here, &there) ? ECONNREFUSED : 0;
}

/* Whether a lane that has an answer has won; it has lost otherwise. */
static bool lane_won(struct lanes *lanes, int i)
{
    int error = lane_result(lanes->lane[i].fd);

    if (error != 0)
        lane_lost(lanes, i, error);
    return error == 0;
}

static bool lane_start(const struct ncp__race *race, struct lanes *lanes)
{
    int i = lanes->started++;
    const struct ncp__address *to = &race->addresses->item[i];
    int fd = socket(to->at.any.sa_family,
                    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    lanes->lane[i] = (struct pollfd){.fd = fd, .events = POLLOUT};
    lanes->next_ns = ncp__deadline_in(race->stagger_ms);
    if (fd < 0) {
        lane_lost(lanes, i, errno);
        return false;
    }
    lanes->running++;
    ncp__socket_options_apply(fd, NCP_PROTOCOL_TCP, race->options);
    if (connect(fd, &to->at.any, to->size) == 0)
        return lane_won(lanes, i);
    if (errno != EINPROGRESS && errno != EINTR)
        lane_lost(lanes, i, errno);
    return false;
}

/* The lane that won, or -1. */
static int look__net_race(struct lanes *lanes)
{
    for (int i = 0; i < lanes->started; i++)
        if (lanes->lane[i].fd >= 0 && lanes->lane[i].revents != 0 &&
            lane_won(lanes, i))
            return i;
    return -1;
}

static bool may_start(const struct ncp__race *race, const struct lanes *lanes)
{
    if (lanes->started == race->addresses->count)
        return false;
    return lanes->running == 0 || ncp__deadline_passed(lanes->next_ns);
}

static uint64_t wait_until(const struct ncp__race *race,
                           const struct lanes *lanes)
{
    uint64_t until = ncp__deadline_or_slice(race->deadline_ns);

    if (lanes->started == race->addresses->count)
        return until;
    return lanes->next_ns < until ? lanes->next_ns : until;
}

static int give_up__net_race(struct lanes *lanes, int error)
{
    lanes->error = error;
    lanes->blamed = -1;
    return -1;
}

/* The lane that won; -1 with the error in `lanes`. */
static int run(const struct ncp__race *race, struct lanes *lanes)
{
    for (;;) {
        if (ncp_dial_stopped(race->dial) == 1)
            return give_up__net_race(lanes, ECANCELED);
        if (ncp__deadline_passed(race->deadline_ns))
            return give_up__net_race(lanes, ETIMEDOUT);
        if (may_start(race, lanes)) {
            if (lane_start(race, lanes))
                return lanes->started - 1;
            continue;
        }
        if (lanes->running == 0)
            return -1;
        if (ncp__poll(lanes->lane, (size_t)lanes->started,
                      wait_until(race, lanes)) < 0)
            return give_up__net_race(lanes, errno);
        int winner = look__net_race(lanes);
        if (winner >= 0)
            return winner;
    }
}

static void close_others(struct lanes *lanes, int winner)
{
    for (int i = 0; i < lanes->started; i++)
        if (i != winner && lanes->lane[i].fd >= 0)
            close(lanes->lane[i].fd);
}

int ncp__race(const struct ncp__race *race, int *out_fd, int *blamed)
{
    struct lanes lanes = {.blamed = -1};
    int winner = run(race, &lanes);

    close_others(&lanes, winner);
    *out_fd = winner < 0 ? -1 : lanes.lane[winner].fd;
    *blamed = lanes.blamed;
    if (winner < 0)
        return lanes.error;
    fcntl(*out_fd, F_SETFL, fcntl(*out_fd, F_GETFL) & ~O_NONBLOCK);
    return 0;
}

/* --------------------------------------------------------- net/resolve.c */


#include <errno.h>
#include <netdb.h>
#include <stdio.h>

static int socket_type(const struct ncp__target *target)
{
    return target->protocol == NCP_PROTOCOL_UDP ? SOCK_DGRAM : SOCK_STREAM;
}

int ncp__resolve(const struct ncp__target *target, bool passive,
                 struct ncp__addresses *out)
{
    struct addrinfo hints = {.ai_family = target->family,
                             .ai_socktype = socket_type(target),
                             .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char port[8];

    out->count = 0;
    if (passive)
        hints.ai_flags |= AI_PASSIVE;
    snprintf(port, sizeof port, "%u", target->port);

    int code = getaddrinfo(target->host, port, &hints, &found);
    if (code != 0)
        return code;
    for (const struct addrinfo *a = found; a != NULL; a = a->ai_next)
        ncp__addresses_add(out, a->ai_addr, a->ai_addrlen);
    freeaddrinfo(found);
    return out->count > 0 ? 0 : EAI_NONAME;
}

int ncp__resolve_errno(int code)
{
    switch (code) {
    case EAI_SYSTEM:
        return errno;
    case EAI_AGAIN:
        return EAGAIN;
    case EAI_MEMORY:
        return ENOMEM;
    default:
        return EHOSTUNREACH;
    }
}

const char *ncp__resolve_text(int code)
{
    return code == EAI_SYSTEM ? NULL : gai_strerror(code);
}

/* -------------------------------------------------- net/socket_options.c */


#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

enum { KEEPALIVE_MAX_S = 32767 }; /* the most that Linux takes */

static int clamp(int64_t value, int max)
{
    if (value <= 0)
        return 0;
    return value < max ? (int)value : max;
}

static int seconds_up(int64_t ms)
{
    return ms <= 0 ? 0 : clamp((ms - 1) / 1000 + 1, KEEPALIVE_MAX_S);
}

void ncp__socket_options_read(const struct ncp_config *config,
                              struct ncp__socket_options *out)
{
    const int64_t *num = config->num;

    out->nodelay = num[NCP_OPTION_TCP_NODELAY] != 0;
    out->keepalive_s = seconds_up(num[NCP_OPTION_TCP_KEEPALIVE]);
    out->send_bytes = clamp(num[NCP_OPTION_SEND_BUFFER], INT_MAX);
    out->receive_bytes = clamp(num[NCP_OPTION_RECEIVE_BUFFER], INT_MAX);
}

static void set(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

static void apply_tcp(int fd, const struct ncp__socket_options *options)
{
    set(fd, IPPROTO_TCP, TCP_NODELAY, options->nodelay);
    set(fd, SOL_SOCKET, SO_KEEPALIVE, options->keepalive_s > 0);
    if (options->keepalive_s == 0)
        return;
    set(fd, IPPROTO_TCP, TCP_KEEPIDLE, options->keepalive_s);
    set(fd, IPPROTO_TCP, TCP_KEEPINTVL, options->keepalive_s);
}

void ncp__socket_options_apply(int fd, int protocol,
                               const struct ncp__socket_options *options)
{
    if (options->send_bytes > 0)
        set(fd, SOL_SOCKET, SO_SNDBUF, options->send_bytes);
    if (options->receive_bytes > 0)
        set(fd, SOL_SOCKET, SO_RCVBUF, options->receive_bytes);
    if (protocol == NCP_PROTOCOL_TCP)
        apply_tcp(fd, options);
}

/* ---------------------------------------------------------- net/target.c */


#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Where a refusal is written; `target` is shortened and made printable. */
struct refusal__net_target {
    char target[64];
    char *reason;
    size_t size;
};

static const struct scheme {
    const char *name;
    int protocol;
    int family;
} schemes[] = {
    {"tcp", NCP_PROTOCOL_TCP, AF_UNSPEC}, {"tcp4", NCP_PROTOCOL_TCP, AF_INET},
    {"tcp6", NCP_PROTOCOL_TCP, AF_INET6}, {"udp", NCP_PROTOCOL_UDP, AF_UNSPEC},
    {"udp4", NCP_PROTOCOL_UDP, AF_INET},  {"udp6", NCP_PROTOCOL_UDP, AF_INET6},
};

static int refuse(const struct refusal__net_target *refusal__net_target, const char *why)
{
    snprintf(refusal__net_target->reason, refusal__net_target->size, "target \"%s\": %s",
             refusal__net_target->target, why);
    return NCP_EINVALIDCONFIG;
}

static void quote(const char *text, char *out, size_t size)
{
    size_t length = strlen(text);
    size_t shown = length < size ? length : size - 4;

    for (size_t i = 0; i < shown; i++)
        out[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    strcpy(out + shown, shown < length ? "..." : "");
}

static bool is_digits(const char *text)
{
    return text[strspn(text, "0123456789")] == '\0';
}

static int read_port(const char *text, int lowest, struct ncp__target *out,
                     const struct refusal__net_target *refusal__net_target)
{
    int port = 0;

    if (*text == '\0')
        return refuse(refusal__net_target, "the port is missing: write host:port");
    if (!is_digits(text))
        return refuse(refusal__net_target, "the port must be a number, and nothing may "
                               "follow it");
    for (; *text != '\0' && port <= UINT16_MAX; text++)
        port = port * 10 + (*text - '0');
    if (port > UINT16_MAX || port < lowest)
        return refuse(refusal__net_target, "the port must be from 1 to 65535");
    out->port = (uint16_t)port;
    return NCP_OK;
}

static bool is_zone(const char *text)
{
    return *text != '\0' &&
           text[strspn(text, "abcdefghijklmnopqrstuvwxyz"
                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] ==
               '\0';
}

static bool is_ipv6(const char *host)
{
    char address[INET6_ADDRSTRLEN];
    struct in6_addr ignored;
    size_t length = strcspn(host, "%");

    if (length >= sizeof address)
        return false;
    if (host[length] == '%' && !is_zone(host + length + 1))
        return false;
    memcpy(address, host, length);
    address[length] = '\0';
    return inet_pton(AF_INET6, address, &ignored) == 1;
}

static bool is_ipv4(const char *host)
{
    struct in_addr ignored;

    return inet_pton(AF_INET, host, &ignored) == 1;
}

/* No top-level domain is a number: such a host is an address, or wrong. */
static bool ends_in_number(const char *host)
{
    const char *label = strrchr(host, '.');

    label = label == NULL ? host : label + 1;
    return *label != '\0' && is_digits(label);
}

static bool is_name(const char *host)
{
    for (; *host != '\0'; host++)
        if (*host <= ' ' || *host > '~' || strchr("/?#@[]%\\\"", *host))
            return false;
    return true;
}

static int check_bracketed(const struct ncp__target *target,
                           const struct refusal__net_target *refusal__net_target)
{
    if (!is_ipv6(target->host))
        return refuse(refusal__net_target, "what stands in brackets is not an IPv6 "
                               "address");
    if (target->family == AF_INET)
        return refuse(refusal__net_target, "an IPv6 address where the scheme asks for "
                               "IPv4");
    return NCP_OK;
}

static int check_plain(const struct ncp__target *target,
                       const struct refusal__net_target *refusal__net_target)
{
    const char *host = target->host;

    if (*host == '\0')
        return refuse(refusal__net_target, "the host is missing: write host:port");
    if (strchr(host, ':') != NULL)
        return refuse(refusal__net_target, "more than one colon: an IPv6 address stands "
                               "in brackets");
    if (!is_name(host))
        return refuse(refusal__net_target, "a host must not contain blanks or any of "
                               "/?#@[]%\\\"");
    if (ends_in_number(host) && !is_ipv4(host))
        return refuse(refusal__net_target, "the host looks like an IPv4 address and is "
                               "none");
    if (is_ipv4(host) && target->family == AF_INET6)
        return refuse(refusal__net_target, "an IPv4 address where the scheme asks for "
                               "IPv6");
    return NCP_OK;
}

static int read_host(const char *text, size_t length, struct ncp__target *out,
                     const struct refusal__net_target *refusal__net_target)
{
    bool bracketed = length >= 2 && text[0] == '[' && text[length - 1] == ']';

    if (bracketed) {
        text++;
        length -= 2;
    }
    if (length >= sizeof out->host)
        return refuse(refusal__net_target, "the host has more than 253 bytes");
    memcpy(out->host, text, length);
    out->host[length] = '\0';
    return bracketed ? check_bracketed(out, refusal__net_target)
                     : check_plain(out, refusal__net_target);
}

/* "host:port", "[v6]:port" */
static int read_authority(const char *text, int lowest_port,
                          struct ncp__target *out,
                          const struct refusal__net_target *refusal__net_target)
{
    const char *colon = strrchr(text, ':');
    const char *bracket = strrchr(text, ']');

    if (text[0] == '[' && bracket == NULL)
        return refuse(refusal__net_target, "the closing bracket is missing");
    if (colon == NULL || (bracket != NULL && colon < bracket))
        return refuse(refusal__net_target, "the port is missing: write host:port");

    int status = read_host(text, (size_t)(colon - text), out, refusal__net_target);
    if (status != NCP_OK)
        return status;
    return read_port(colon + 1, lowest_port, out, refusal__net_target);
}

static int read_path(const char *path, struct ncp__target *out,
                     const struct refusal__net_target *refusal__net_target)
{
    char why[96];

    if (*path == '\0')
        return refuse(refusal__net_target, "the path is missing: write unix:path");
    if (strlen(path) >= sizeof out->path) {
        snprintf(why, sizeof why, "the path has %zu bytes, at most %zu fit",
                 strlen(path), sizeof out->path - 1);
        return refuse(refusal__net_target, why);
    }
    strcpy(out->path, path);
    out->protocol = NCP_PROTOCOL_UNKNOWN;
    out->family = AF_UNIX;
    return NCP_OK;
}

static const struct scheme *find_scheme(const char *text, size_t length)
{
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strlen(schemes[i].name) == length &&
            strncasecmp(schemes[i].name, text, length) == 0)
            return &schemes[i];
    return NULL;
}

static int read_target(const char *text, int lowest_port,
                       struct ncp__target *out, const struct refusal__net_target *refusal__net_target)
{
    const char *separator = strstr(text, "://");

    if (*text == '\0')
        return refuse(refusal__net_target, "it is empty: write tcp://host:port, "
                               "udp://host:port or unix:path");
    if (strncasecmp(text, "unix:", 5) == 0)
        return read_path(text + 5, out, refusal__net_target);
    if (separator == NULL)
        return refuse(refusal__net_target, "the scheme is missing: write tcp://host:port, "
                               "udp://host:port or unix:path");

    const struct scheme *scheme = find_scheme(text, (size_t)(separator - text));
    if (scheme == NULL)
        return refuse(refusal__net_target, "the scheme must be tcp, tcp4, tcp6, udp, udp4, "
                               "udp6 or unix");
    out->protocol = scheme->protocol;
    out->family = scheme->family;
    return read_authority(separator + 3, lowest_port, out, refusal__net_target);
}

int ncp__target_parse(const char *text, int lowest_port,
                      struct ncp__target *out, char *reason, size_t size)
{
    struct refusal__net_target refusal__net_target = {.reason = reason, .size = size};

    if (size > 0)
        reason[0] = '\0';
    memset(out, 0, sizeof *out);
    quote(text, refusal__net_target.target, sizeof refusal__net_target.target);

    int status = read_target(text, lowest_port, out, &refusal__net_target);
    if (status == NCP_OK)
        snprintf(out->text, sizeof out->text, "%s", text);
    return status;
}

int ncp__target_check(const char *text, char *reason, size_t size)
{
    struct ncp__target ignored;

    return ncp__target_parse(text, 1, &ignored, reason, size);
}

int ncp_target_check(const char *target, char *reason, size_t size)
{
    if (reason == NULL && size > 0)
        return NCP_EINVAL;
    if (size > 0)
        reason[0] = '\0';
    if (target == NULL)
        return NCP_EINVAL;
    return ncp__target_check(target, reason, size);
}

/* ------------------------------------------------------- net/transport.c */

/* net/udp.h */
/*
 * Stale datagrams.
 */
#ifndef NCP_NET_UDP_H
#define NCP_NET_UDP_H

#include <stdint.h>

/* As ncp_udp_drain(), for any fd; `out` is not NULL. */
int ncp__udp_drain(int fd, int64_t timeout_ms, int max_packets, int *out);

#endif



#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static void transport_shutdown(int fd)
{
    (void)shutdown(fd, SHUT_RDWR);
}

/* Never repeated: on Linux the descriptor is gone whatever close says, and its
 * number may be another's already. Interrupted is closed, then. */
static int transport_close(int fd)
{
    if (close(fd) == 0 || errno == EINTR)
        return 0;
    return errno;
}

static int transport_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0)
        return -1;
    return (flags & O_NONBLOCK) != 0;
}

static void transport_set_nonblocking(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);
    int wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;

    if (flags >= 0 && flags != wanted)
        (void)fcntl(fd, F_SETFL, wanted);
}

const struct ncp__transport ncp__net = {
    .dialer_new = ncp__dialer_new,
    .target_check = ncp__target_check,
    .wait_client = ncp__wait_client,
    .accept = ncp__accept,
    .detect = ncp__detect,
    .alive = ncp__alive,
    .drain = ncp__udp_drain,
    .shutdown = transport_shutdown,
    .close = transport_close,
    .nonblocking = transport_nonblocking,
    .set_nonblocking = transport_set_nonblocking,
};

/* ------------------------------------------------------------- net/udp.c */



#include <errno.h>
#include <sys/socket.h>

enum { DEFAULT_TIMEOUT_MS = 100, DEFAULT_PACKETS = 100 };

static bool is_udp(int fd)
{
    int protocol, ip;

    ncp__detect(fd, &protocol, &ip);
    return protocol == NCP_PROTOCOL_UDP;
}

static bool is_readable(int fd)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};

    return ncp__poll(&polled, 1, 0) > 0 && (polled.revents & POLLIN) != 0;
}

/* 1 a datagram, 0 none, -1 an error such as an ICMP answer to what was sent
 * before; the error is gone then. */
static int drop_one(int fd)
{
    char byte;

    if (recv(fd, &byte, sizeof byte, MSG_DONTWAIT) >= 0)
        return 1;
    return errno == EAGAIN ? 0 : -1;
}

/* Errors are limited like packets, so that a socket on which every read fails
 * ends the loop. */
int ncp__udp_drain(int fd, int64_t timeout_ms, int max_packets, int *out)
{
    int most = max_packets > 0 ? max_packets : DEFAULT_PACKETS;
    int errors = 0;

    *out = 0;
    uint64_t deadline =
        ncp__deadline_in(timeout_ms > 0 ? timeout_ms : DEFAULT_TIMEOUT_MS);
    while (*out < most && errors < most) {
        int dropped = drop_one(fd);
        if (dropped == 0)
            return NCP_OK;
        if (dropped > 0)
            (*out)++;
        else
            errors++;
        if (ncp__deadline_passed(deadline))
            break;
    }
    return is_readable(fd) ? NCP_EAGAIN : NCP_OK;
}

int ncp_udp_drain(int fd, int64_t timeout_ms, int max_packets, int *out)
{
    int dropped = 0;
    int status = fd < 0 ? NCP_EINVAL : NCP_OK;

    if (status == NCP_OK && is_udp(fd))
        status = ncp__udp_drain(fd, timeout_ms, max_packets, &dropped);
    if (out != NULL)
        *out = dropped;
    return status;
}

int ncp_udp_has_data(int fd)
{
    if (fd < 0)
        return NCP_EINVAL;
    return is_udp(fd) && is_readable(fd) ? 1 : 0;
}

/* ------------------------------------------------------------ net/wait.c */


#include <errno.h>
#include <limits.h>

uint64_t ncp__deadline_in(int64_t ms)
{
    if (ms < 0)
        return NCP__NEVER;

    uint64_t now = ncp__monotonic_ns();
    if ((uint64_t)ms > (NCP__NEVER - now) / NCP__NS_PER_MS)
        return NCP__NEVER;
    return now + (uint64_t)ms * NCP__NS_PER_MS;
}

bool ncp__deadline_passed(uint64_t deadline_ns)
{
    return deadline_ns != NCP__NEVER && ncp__monotonic_ns() >= deadline_ns;
}

uint64_t ncp__deadline_or_slice(uint64_t deadline_ns)
{
    uint64_t slice = ncp__deadline_in(NCP__SLICE_MS);

    return slice < deadline_ns ? slice : deadline_ns;
}

/* Rounded up: a poll that ends early would be repeated for nothing. */
static int poll_ms_left(uint64_t deadline_ns)
{
    if (deadline_ns == NCP__NEVER)
        return -1;

    uint64_t now = ncp__monotonic_ns();
    if (now >= deadline_ns)
        return 0;

    uint64_t ms = (deadline_ns - now - 1) / NCP__NS_PER_MS + 1;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

int ncp__poll(struct pollfd *fds, size_t count, uint64_t deadline_ns)
{
    for (;;) {
        int ms = poll_ms_left(deadline_ns);
        int ready = poll(fds, (nfds_t)count, ms);
        if (ready > 0 || (ready < 0 && errno != EINTR))
            return ready;
        if (ready == 0 && ncp__deadline_passed(deadline_ns))
            return 0;
    }
}
