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

#include "engine/gatekeeper.h"
#include "engine/idle.h"
#include "engine/latency.h"
#include "engine/pace.h"
#include "engine/waiter.h"

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
