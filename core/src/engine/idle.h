/*
 * The idle store: which connections can be lent, and which one first.
 *
 * The truth is one bit a connection (slot.h): a connection is idle while its
 * bit is set, and who clears the bit owns it. Everything else here is a hint
 * that may be stale: the chain of returned slots, the order stamps, the masks
 * of kinds. Order is exact among returns that do not overlap in time.
 */
#ifndef NCP_ENGINE_IDLE_H
#define NCP_ENGINE_IDLE_H

#include "engine/slot.h"

/* The buckets: protocol x IP version, in the order in which a get that wants
 * any of them looks. */
enum { NCP__BUCKETS = 9 };

struct ncp__idle {
    struct ncp__slots *slots;
    bool fifo;
    _Atomic uint32_t kinds; /* bit b: bucket b was ever used */
    _Atomic uint32_t first; /* hint: what to take next */
    _Atomic uint32_t last;  /* hint, FIFO: after what to append */
    _Atomic uint32_t order; /* stamp of the latest return */
};

void ncp__idle_init(struct ncp__idle *idle, struct ncp__slots *slots,
                    bool fifo);

/* Does a connection of (protocol, ip) serve who wants (want_protocol, want_ip)?
 * Unknown in a want is any. */
static inline bool ncp__fits(int protocol, int ip, int want_protocol,
                             int want_ip)
{
    return (want_protocol == NCP_PROTOCOL_UNKNOWN ||
            want_protocol == protocol) &&
           (want_ip == NCP_IP_UNKNOWN || want_ip == ip);
}

/* Tells the store that a slot holds a connection now, or no more. The engine's
 * lock is held; the slot is owned. */
void ncp__idle_join(struct ncp__idle *idle, uint32_t index);
void ncp__idle_leave(struct ncp__idle *idle, uint32_t index);

/* Takes an idle connection that fits; the caller owns the slot. NCP__NO_SLOT
 * when there is none. Lock-free. A slot of the wrong kind may have been taken
 * and put back: *returned says so, and without the lock that is a put (the
 * caller looks at the gate). */
uint32_t ncp__idle_take(struct ncp__idle *idle, int want_protocol, int want_ip,
                        bool *returned);

/* Makes an owned slot idle: newest in order. The write of the bit is seq_cst: it
 * pairs with the scan of a waiter that has announced itself (engine.c). */
void ncp__idle_publish(struct ncp__idle *idle, uint32_t index);

/* Takes one certain slot, for maintenance. False when it is not idle. */
bool ncp__idle_claim(struct ncp__idle *idle, uint32_t index);

/* The same for a health check: it goes on counting as idle, and comes back in
 * its old place with ncp__idle_checked; ncp__idle_failed ends the check for a
 * slot that will not come back. */
bool ncp__idle_claim_for_check(struct ncp__idle *idle, uint32_t index);
void ncp__idle_checked(struct ncp__idle *idle, uint32_t index);
void ncp__idle_failed(struct ncp__idle *idle, uint32_t index);

/* Takes the least recently returned connection of all; with a want other than
 * any, only one that does not fit it. NCP__NO_SLOT when there is none. */
uint32_t ncp__idle_take_oldest(struct ncp__idle *idle, int unless_protocol,
                               int unless_ip);

/* Takes every idle slot of a chunk at once: their bits. */
uint64_t ncp__idle_sweep(struct ncp__idle *idle, uint32_t chunk);

/* How many are idle, those under check included. */
uint32_t ncp__idle_count(const struct ncp__idle *idle);

#endif
