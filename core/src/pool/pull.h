/*
 * The pull driver inside: what its files ask of each other.
 *
 * A get is a waiter (ticket.c) that takes its place (place.c), is decided by the
 * engine and comes to an answer (answer.c). Whoever calls for it holds it without
 * a name meanwhile: nobody else can take, abandon or free it.
 */
#ifndef NCP_POOL_PULL_H
#define NCP_POOL_PULL_H

#include "pool/queue.h"

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
