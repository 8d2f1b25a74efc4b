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

#include "engine/park.h"
#include "engine/slot.h"

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
