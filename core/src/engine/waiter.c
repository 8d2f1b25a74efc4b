#include "engine/waiter.h"

#include "engine/idle.h"

void ncp__waiter_init(struct ncp__waiter *waiter, int protocol, int ip,
                      uint64_t now_ns, uint64_t deadline_ns)
{
    *waiter = (struct ncp__waiter){.slot = NCP__NO_SLOT,
                                   .dial = NCP__NO_SLOT,
                                   .protocol = (uint8_t)protocol,
                                   .ip = (uint8_t)ip,
                                   .since_ns = now_ns,
                                   .deadline_ns = deadline_ns};
}

void ncp__waiter_poke(struct ncp__waiter *waiter)
{
    unsigned parked = NCP__PARKED;

    /* Seq_cst: pairs with the announcement. */
    if (atomic_compare_exchange_strong_explicit(
            &waiter->state, &parked, NCP__WAITING, memory_order_seq_cst,
            memory_order_seq_cst))
        ncp__unpark(&waiter->state);
}

static unsigned line_of(int protocol, int ip)
{
    return (unsigned)protocol * 3 + (unsigned)ip;
}

void ncp__lines_add(struct ncp__lines *lines, struct ncp__waiter *waiter)
{
    unsigned line = line_of(waiter->protocol, waiter->ip);
    struct ncp__waiter *after = lines->line[line].tail;

    if (waiter->sequence == 0)
        waiter->sequence = ++lines->sequence;
    if (after != NULL && lines->line[line].head->sequence > waiter->sequence)
        after = NULL; /* it was the oldest of all */
    while (after != NULL && after->sequence > waiter->sequence)
        after = after->previous;
    waiter->previous = after;
    waiter->next = after != NULL ? after->next : lines->line[line].head;
    if (waiter->next != NULL)
        waiter->next->previous = waiter;
    else
        lines->line[line].tail = waiter;
    if (after != NULL)
        after->next = waiter;
    else
        lines->line[line].head = waiter;
    waiter->queued = true;
    lines->waiting++;
}

void ncp__lines_remove(struct ncp__lines *lines, struct ncp__waiter *waiter)
{
    unsigned line = line_of(waiter->protocol, waiter->ip);

    if (waiter->previous != NULL)
        waiter->previous->next = waiter->next;
    else
        lines->line[line].head = waiter->next;
    if (waiter->next != NULL)
        waiter->next->previous = waiter->previous;
    else
        lines->line[line].tail = waiter->previous;
    waiter->next = NULL;
    waiter->previous = NULL;
    waiter->queued = false;
    lines->waiting--;
    ncp__lines_covered(lines, waiter);
}

void ncp__lines_need(struct ncp__lines *lines, struct ncp__waiter *waiter)
{
    if (waiter->needs)
        return;
    struct ncp__waiter *after = lines->needs_tail;
    if (after != NULL && lines->needs_head->sequence > waiter->sequence)
        after = NULL;
    while (after != NULL && after->sequence > waiter->sequence)
        after = after->needs_previous;
    waiter->needs_previous = after;
    waiter->needs_next = after != NULL ? after->needs_next : lines->needs_head;
    if (waiter->needs_next != NULL)
        waiter->needs_next->needs_previous = waiter;
    else
        lines->needs_tail = waiter;
    if (after != NULL)
        after->needs_next = waiter;
    else
        lines->needs_head = waiter;
    waiter->needs = true;
    lines->needing++;
}

void ncp__lines_covered(struct ncp__lines *lines, struct ncp__waiter *waiter)
{
    if (!waiter->needs)
        return;
    if (waiter->needs_previous != NULL)
        waiter->needs_previous->needs_next = waiter->needs_next;
    else
        lines->needs_head = waiter->needs_next;
    if (waiter->needs_next != NULL)
        waiter->needs_next->needs_previous = waiter->needs_previous;
    else
        lines->needs_tail = waiter->needs_previous;
    waiter->needs_next = NULL;
    waiter->needs_previous = NULL;
    waiter->needs = false;
    lines->needing--;
}

struct ncp__waiter *ncp__lines_oldest_for(const struct ncp__lines *lines,
                                          int protocol, int ip)
{
    const unsigned candidates[4] = {line_of(0, 0), line_of(protocol, 0),
                                    line_of(0, ip), line_of(protocol, ip)};
    struct ncp__waiter *oldest = NULL;

    for (int i = 0; i < 4; i++) {
        struct ncp__waiter *head = lines->line[candidates[i]].head;
        if (head != NULL &&
            (oldest == NULL || head->sequence < oldest->sequence))
            oldest = head;
    }
    return oldest;
}

struct ncp__waiter *ncp__lines_oldest(const struct ncp__lines *lines,
                                      unsigned skip, unsigned *line)
{
    struct ncp__waiter *oldest = NULL;

    for (unsigned i = 0; i < NCP__LINES; i++) {
        struct ncp__waiter *head = lines->line[i].head;
        if ((skip >> i & 1) != 0 || head == NULL)
            continue;
        if (oldest == NULL || head->sequence < oldest->sequence) {
            oldest = head;
            *line = i;
        }
    }
    return oldest;
}

bool ncp__lines_all_fit(const struct ncp__lines *lines, int protocol, int ip)
{
    for (int line = 0; line < NCP__LINES; line++) {
        const struct ncp__waiter *waiter = lines->line[line].head;
        if (waiter != NULL &&
            !ncp__fits(protocol, ip, waiter->protocol, waiter->ip))
            return false;
    }
    return true;
}
