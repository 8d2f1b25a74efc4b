/*
 * The far side of the pool, in memory: every connection is a word that knows
 * whether it is open and how many owners it has. More than one owner, a use
 * after the close or a second close ends the program.
 */
#ifndef NCP_TEST_WORLD_H
#define NCP_TEST_WORLD_H

#include "expect.h"

#include <pthread.h>
#include <stdatomic.h>

enum { WORLD_PEERS = 1 << 14 };

struct world_peer {
    /* generation << 16 | open << 8 | owners. Changed by compare and swap with
     * relaxed order, so that it brings no order into the threads that the pool
     * did not bring. */
    _Atomic uint64_t word;
    /* Written by each owner without any lock: the thread sanitizer sees when
     * the pool hands a connection over without an order between the owners. */
    uint64_t scratch;
    int protocol;
    int ip;
};

struct world {
    struct world_peer peer[WORLD_PEERS];
    pthread_mutex_t lock; /* guards free_peer and free_count */
    uint32_t free_peer[WORLD_PEERS];
    uint32_t free_count;
    atomic_long open;  /* open + dialing, seen from here */
    atomic_long limit; /* what `open` must never exceed */
    atomic_ulong opened;
    atomic_ulong closed;
    atomic_bool may_take_away; /* closing under an owner is allowed */
};

struct world *world_new(long limit);
void world_free(struct world *world);

/* A dial begins: open + dialing grows, and must keep the limit. */
void world_dial(struct world *world);
/* It failed. */
void world_dial_failed(struct world *world);
/* It succeeded: the handle, never 0. */
uint64_t world_open(struct world *world, int protocol, int ip);
/* Whether another connection fits into this world. */
bool world_has_room(struct world *world);
/* The connection is closed, for the first and only time. */
void world_close(struct world *world, uint64_t handle);

/* The caller owns it from now on: nobody else may. */
void world_own(struct world *world, uint64_t handle);
/* The caller lets go, before it tells the pool. False when it was taken away. */
bool world_disown(struct world *world, uint64_t handle);
/* An owner leaves its mark. */
void world_touch(struct world *world, uint64_t handle);

bool world_is_open(struct world *world, uint64_t handle);
int world_protocol(struct world *world, uint64_t handle);
int world_ip(struct world *world, uint64_t handle);

/* Every connection has been closed, nobody owns one. */
void world_require_empty(struct world *world);

/* Chooses the idle store that NCP_TEST_STORE names, if it is set. */
void world_store(ncp_config *config);

/* Callbacks; `user` is the world. The dialer makes what is wanted, TCP over
 * IPv4 when nothing is. */
int world_dialer(void *user, ncp_dial *dial);
int world_closer(void *user, const ncp_conn *conn, int reason);

#endif
