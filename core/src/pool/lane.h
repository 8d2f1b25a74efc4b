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

#include "netconnpool.h"

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
