/* A guard: gives back what somebody held who vanished. */
#include "pool/pool.h"

struct entry {
    struct entry *next;
    ncp_pool *pool; /* one handle */
    ncp_lease lease;
    ncp_ticket ticket;
};

struct ncp_guard {
    int refs; /* a guard belongs to one thread */
    bool fired;
    struct entry *entries;
};

int ncp_guard_new(ncp_guard **out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = ncp__alloc(sizeof(**out));
    if (*out == NULL)
        return NCP_ENOMEM;
    (*out)->refs = 1;
    return NCP_OK;
}

ncp_guard *ncp_guard_ref(ncp_guard *guard)
{
    if (guard != NULL)
        guard->refs++;
    return guard;
}

static void unref(ncp_guard *guard)
{
    if (--guard->refs == 0)
        ncp__free(guard);
}

int ncp_guard_hold(ncp_guard *guard, ncp_pool *pool, ncp_lease lease,
                   ncp_ticket ticket)
{
    if (guard == NULL || pool == NULL)
        return NCP_EINVAL;
    if (guard->fired)
        return NCP_ESTATE;
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
static void give_all_back(ncp_guard *guard)
{
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
}

void ncp_guard_fire(void *guard)
{
    if (guard == NULL)
        return;
    ((ncp_guard *)guard)->fired = true;
    give_all_back(guard);
    unref(guard);
}

void ncp_guard_free(ncp_guard *guard)
{
    if (guard == NULL)
        return;
    if (guard->refs == 1 && !guard->fired)
        ncp_guard_fire(guard);
    else
        unref(guard);
}
