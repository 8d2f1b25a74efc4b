#include "pool/event.h"

#include "pool/pull.h"

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
