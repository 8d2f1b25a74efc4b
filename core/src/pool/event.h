/*
 * What an event says. Field by field: a block of zeroes with some of them written
 * over takes longer than a get itself.
 */
#ifndef NCP_POOL_EVENT_H
#define NCP_POOL_EVENT_H

#include "engine/slot.h"

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
