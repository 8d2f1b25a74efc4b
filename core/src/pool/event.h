/* What an event says: of a connection that is lent at once. */
#ifndef NCP_POOL_EVENT_H
#define NCP_POOL_EVENT_H

#include "engine/slot.h"

/* CONN, whole. Field by field: a block of zeroes with some of them written over
 * takes longer than the get itself. */
static inline void ncp__event_lend(ncp_event *event, ncp_pool *pool,
                                   const struct ncp__slot *slot,
                                   ncp_lease lease, uint64_t tag)
{
    event->type = NCP_EVENT_CONN;
    event->status = NCP_OK;
    event->pool = pool;
    event->lease = lease;
    event->ticket = 0;
    event->tag = tag;
    event->handle = slot->handle;
    event->conn_id = slot->id;
    event->timeout_ms = 0;
    event->fd = slot->fd;
    event->protocol = slot->protocol;
    event->ip = slot->ip;
    event->reason = NCP_REASON_NONE;
    event->reused = 1;
    event->reserved32 = 0;
    event->code = 0;
    event->creation_ms = 0;
    for (int i = 0; i < 3; i++)
        event->spare[i] = 0;
}

#endif
