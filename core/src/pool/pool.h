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

#include "engine/engine.h"
#include "pool/alarm.h"
#include "pool/config.h"
#include "pool/transport.h"

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
