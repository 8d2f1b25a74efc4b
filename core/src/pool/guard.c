/* A guard: gives back what somebody held who vanished. */
#include "pool/pool.h"

struct entry {
    struct entry *next;
    ncp_pool *pool; /* one handle */
    ncp_lease lease;
    ncp_ticket ticket;
};

struct ncp_guard {
    struct entry *entries;
};

int ncp_guard_new(ncp_guard **out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = ncp__alloc(sizeof(**out));
    return *out == NULL ? NCP_ENOMEM : NCP_OK;
}

int ncp_guard_hold(ncp_guard *guard, ncp_pool *pool, ncp_lease lease,
                   ncp_ticket ticket)
{
    if (guard == NULL || pool == NULL)
        return NCP_EINVAL;
    struct entry *entry = ncp__alloc(sizeof(*entry));
    if (entry == NULL)
        return NCP_ENOMEM;
    *entry = (struct entry){guard->entries, ncp_pool_ref(pool), lease, ticket};
    guard->entries = entry;
    return NCP_OK;
}

int ncp_guard_drop(ncp_guard *guard, ncp_pool *pool, ncp_lease lease,
                   ncp_ticket ticket)
{
    if (guard == NULL || pool == NULL)
        return NCP_EINVAL;
    for (struct entry **at = &guard->entries; *at != NULL; at = &(*at)->next) {
        struct entry *entry = *at;
        if (entry->pool != pool || entry->lease != lease ||
            entry->ticket != ticket)
            continue;
        *at = entry->next;
        ncp_pool_free(entry->pool);
        ncp__free(entry);
        break;
    }
    return NCP_OK;
}

/* What was given back meanwhile is refused as stale, which is as it should. */
void ncp_guard_fire(void *memory)
{
    ncp_guard *guard = memory;

    if (guard == NULL)
        return;
    bool before = ncp__service_defer_closes(true);
    while (guard->entries != NULL) {
        struct entry *entry = guard->entries;
        guard->entries = entry->next;
        if (entry->ticket != 0)
            (void)ncp_ticket_abandon(entry->pool, entry->ticket, NCP_ECANCELED);
        if (entry->lease != 0)
            (void)ncp_pool_discard(entry->pool, entry->lease);
        ncp_pool_free(entry->pool);
        ncp__free(entry);
    }
    (void)ncp__service_defer_closes(before);
    ncp__free(guard);
}
