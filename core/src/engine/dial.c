/* Dials: who needs one, when it may begin, and where its result goes. */
#include "engine/engine.h"

#include <errno.h>
#include <string.h>

enum {
    MISMATCHES = 3,
    PASSES = 32 /* after so many its kind gets a place */
};              /* fresh connections that may not fit their waiter */

/* ------------------------------------------------------------------- reserving */

bool ncp__has_room_locked(const struct ncp__engine *engine)
{
    uint32_t max = engine->limits.max;

    return max == 0 || engine->open + engine->dialing + engine->closing < max;
}

static bool has_permit(const struct ncp__engine *engine)
{
    const struct ncp__engine_limits *limits = &engine->limits;

    if (limits->one_dial)
        return engine->dialing == 0;
    return limits->max_creates == 0 || engine->creating < limits->max_creates;
}

static void retry_at(struct ncp__engine *engine, uint64_t at_ns,
                     struct ncp__acts *acts)
{
    if (at_ns >= engine->retry_ns)
        return;
    engine->retry_ns = at_ns;
    acts->due_changed = true;
}

static void append_dial(struct ncp__engine *engine, uint32_t index,
                        struct ncp__acts *acts)
{
    ncp__cold(ncp__engine_slot(engine, index))->link = NCP__NO_SLOT;
    if (acts->dial_head == NCP__NO_SLOT)
        acts->dial_head = index;
    else
        ncp__cold(ncp__engine_slot(engine, acts->dial_tail))->link = index;
    acts->dial_tail = index;
}

/* Capacity and a slot; NCP__NO_SLOT when out of memory. */
static uint32_t reserve(struct ncp__engine *engine, enum ncp__dial_kind kind,
                        int protocol, int ip, uint64_t now_ns)
{
    uint32_t index = ncp__slots_reserve(&engine->slots);
    uint64_t due_ns = now_ns + engine->limits.connection_timeout_ns;

    if (index == NCP__NO_SLOT)
        return index;
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp__cold *cold = ncp__cold(slot);
    cold->dial_kind = (uint8_t)kind;
    cold->dial_flags = NCP__DIAL_PERMIT;
    cold->protocol = (uint8_t)protocol;
    cold->ip = (uint8_t)ip;
    cold->fd = -1;
    slot->handle = 0;
    cold->id = 0;
    cold->created_ns = now_ns;
    cold->due_ns = engine->limits.server ? NCP__NEVER : due_ns;
    slot->of.owner = NULL;
    cold->work = 0;
    atomic_store_explicit(
        &slot->epoch,
        atomic_load_explicit(&engine->epoch, memory_order_relaxed),
        memory_order_relaxed);
    atomic_store_explicit(&slot->flags, 0, memory_order_relaxed);
    ncp__pace_begun(&engine->pace, now_ns);
    cold->dials_next = engine->dials;
    engine->dials = index;
    engine->dialing++;
    engine->creating++;
    return index;
}

static void release_permit(struct ncp__engine *engine, struct ncp__slot *slot)
{
    if ((ncp__cold(slot)->dial_flags & NCP__DIAL_PERMIT) == 0)
        return;
    ncp__cold(slot)->dial_flags &= (uint8_t)~NCP__DIAL_PERMIT;
    engine->creating--;
}

/* The dial is over: its capacity is free, the slot is the caller's. */
static void unreserve(struct ncp__engine *engine, uint32_t index)
{
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    uint32_t *at = &engine->dials;

    while (*at != index)
        at = &ncp__cold(ncp__engine_slot(engine, *at))->dials_next;
    *at = ncp__cold(slot)->dials_next;
    ncp__cold(slot)->dials_next = NCP__NO_SLOT;
    release_permit(engine, slot);
    engine->dialing--;
}

/* -------------------------------------------------------------------- covering */

static void cover(struct ncp__engine *engine, struct ncp__waiter *waiter,
                  uint32_t index)
{
    ncp__lines_covered(&engine->lines, waiter);
    waiter->dial = index;
    ncp__engine_slot(engine, index)->of.owner = waiter;
}

static void uncover(struct ncp__engine *engine, struct ncp__waiter *waiter)
{
    waiter->dial = NCP__NO_SLOT;
    if (waiter->queued)
        ncp__lines_need(&engine->lines, waiter);
}

/* A dial that serves nobody is taken over by the oldest it may serve. */
static bool adopt(struct ncp__engine *engine, uint32_t index)
{
    struct ncp__cold *cold = ncp__cold(ncp__engine_slot(engine, index));
    struct ncp__waiter *waiter = engine->lines.needs_head;

    if (cold->dial_kind != NCP__DIAL_DEMAND ||
        (cold->dial_flags & NCP__DIAL_OVERDUE) != 0)
        return false;
    for (; waiter != NULL; waiter = waiter->needs_next) {
        if (waiter->dials_itself ||
            !ncp__fits(cold->protocol, cold->ip, waiter->protocol, waiter->ip))
            continue;
        cover(engine, waiter, index);
        cold->dial_flags |= NCP__DIAL_ADOPTED;
        return true;
    }
    return false;
}

void ncp__orphan_dial_locked(struct ncp__engine *engine,
                             struct ncp__waiter *waiter, struct ncp__acts *acts)
{
    uint32_t index = waiter->dial;

    if (index == NCP__NO_SLOT)
        return;
    waiter->dial = NCP__NO_SLOT;
    ncp__engine_slot(engine, index)->of.owner = NULL;
    if (!adopt(engine, index))
        acts->nobody_needs = true;
}

/* -------------------------------------------------------------------- beginning */

static struct ncp__waiter *next_needing(struct ncp__engine *engine,
                                        uint64_t now_ns, struct ncp__acts *acts)
{
    struct ncp__waiter *waiter = engine->lines.needs_head;

    while (waiter != NULL && waiter->not_before_ns > now_ns) {
        retry_at(engine, waiter->not_before_ns, acts);
        waiter = waiter->needs_next;
    }
    return waiter;
}

/* At the limit, an idle connection that this waiter cannot use gives way: the
 * least recently used one. */
static void make_room(struct ncp__engine *engine,
                      const struct ncp__waiter *waiter, uint64_t now_ns,
                      struct ncp__acts *acts)
{
    if (waiter->protocol == NCP_PROTOCOL_UNKNOWN &&
        waiter->ip == NCP_IP_UNKNOWN)
        return; /* it can use any: what is idle has just come back, for it */
    if (engine->closing >= engine->lines.needing)
        return; /* enough of them are on their way out */
    uint32_t index =
        ncp__idle_take_oldest(&engine->idle, waiter->protocol, waiter->ip);
    if (index != NCP__NO_SLOT)
        ncp__begin_close_locked(engine, index, NCP_REASON_EVICTED, now_ns,
                                acts);
}

/* Whether nothing would stop a dial but the lack of a place. */
static bool could_dial(const struct ncp__engine *engine, uint64_t now_ns)
{
    const struct ncp__gatekeeper *gatekeeper = &engine->gatekeeper;

    return !engine->limits.server && has_permit(engine) &&
           gatekeeper->breaker == NCP__BREAKER_CLOSED &&
           now_ns >= gatekeeper->not_before_ns;
}

bool ncp__passes_over_locked(const struct ncp__engine *engine,
                             const struct ncp__slot *slot,
                             const struct ncp__waiter *waiter, uint64_t now_ns)
{
    struct ncp__waiter *older = engine->lines.needs_head;

    if (NCP__LIKELY(older == NULL || older->sequence >= waiter->sequence ||
                    ncp__fits(ncp__cold(slot)->protocol, ncp__cold(slot)->ip,
                              older->protocol, older->ip)) ||
        ncp__has_room_locked(engine) || !could_dial(engine, now_ns))
        return false;
    /* A dial costs more than a hand-over: not for everybody, and not at once. */
    if (older->passed < PASSES) {
        older->passed++;
        return false;
    }
    if (now_ns < older->since_ns + engine->pace.dial_ns)
        return false;
    older->passed = 0;
    return true;
}

/* The breaker is open and nothing can come back: no reason to wait. */
static void fail_needing(struct ncp__engine *engine, int status,
                         struct ncp__acts *acts)
{
    struct ncp__waiter *waiter;

    while ((waiter = engine->lines.needs_head) != NULL)
        ncp__decide_locked(engine, waiter, status, acts);
}

/* False when no dial may begin now. */
static bool may_dial(struct ncp__engine *engine, uint64_t now_ns,
                     struct ncp__acts *acts)
{
    uint64_t at_ns = NCP__NEVER;
    int rc = ncp__gatekeeper_ask(&engine->gatekeeper, now_ns, &at_ns);

    if (rc == NCP_OK)
        return true;
    if (rc == NCP_EBREAKER && engine->open == 0 && engine->dialing == 0 &&
        engine->limits.dial_policy != NCP_DIAL_WAIT)
        fail_needing(engine, NCP_EBREAKER, acts);
    retry_at(engine, at_ns, acts);
    return false;
}

/* Whether this waiter could have any connection that comes back. */
static bool all_fit(const struct ncp__engine *engine,
                    const struct ncp__waiter *waiter)
{
    const struct ncp__tally *tally = &engine->tally;

    return (waiter->protocol == NCP_PROTOCOL_UNKNOWN ||
            tally->current_by_protocol[waiter->protocol] == engine->open) &&
           (waiter->ip == NCP_IP_UNKNOWN ||
            tally->current_by_ip[waiter->ip] == engine->open);
}

/* Whether anybody would be turned away for want of a dial (max_waiters). */
static bool line_is_full(const struct ncp__engine *engine)
{
    return engine->limits.max_waiters != 0 &&
           engine->lines.needing > engine->limits.max_waiters;
}

/* Has the pace looked at again, once for all who ask meanwhile. */
static void look_again(struct ncp__engine *engine, uint64_t at_ns,
                       uint64_t now_ns, struct ncp__acts *acts)
{
    uint64_t *look_ns = &engine->pace.look_ns;

    if (*look_ns <= now_ns || *look_ns > at_ns) {
        *look_ns = at_ns;
        retry_at(engine, at_ns, acts);
    } else if (*look_ns < engine->retry_ns) {
        engine->retry_ns = *look_ns;
    }
}

/* Whether the line will not be served before the dial is done. A dial of a server
 * is an accept: it costs nothing. */
static bool is_worth_it(struct ncp__engine *engine,
                        const struct ncp__waiter *waiter, uint64_t now_ns,
                        struct ncp__acts *acts)
{
    /* What was dialed and has not joined yet is about to. */
    const struct ncp__pace_state state = {
        .waiting = engine->lines.waiting,
        .under_way = engine->creating,
        .there = engine->open + engine->dialing - engine->creating};
    uint64_t again_ns = NCP__NEVER;

    if (engine->limits.server || !all_fit(engine, waiter) ||
        line_is_full(engine) ||
        ncp__pace_allows(&engine->pace, &state, now_ns, &again_ns))
        return true;
    look_again(engine, again_ns, now_ns, acts);
    return false;
}

/* Hands the reservation to a waiter that dials itself. */
static void give_reservation(struct ncp__engine *engine,
                             struct ncp__waiter *waiter, uint32_t index,
                             struct ncp__acts *acts)
{
    struct ncp__slot *slot = ncp__engine_slot(engine, index);

    ncp__leave_line_locked(engine, waiter, acts);
    ncp__cold(slot)->dial_kind = NCP__DIAL_BOUND;
    slot->of.owner = waiter;
    waiter->status = NCP_OK;
    waiter->outcome = NCP_EVENT_DIAL;
    waiter->slot = index;
    ncp__append_decided(acts, waiter);
}

/* One dial for one waiter; false when no more can begin. */
static bool begin_one(struct ncp__engine *engine, uint64_t now_ns,
                      struct ncp__acts *acts)
{
    struct ncp__waiter *waiter = next_needing(engine, now_ns, acts);

    if (waiter == NULL || !has_permit(engine))
        return false;
    if (!ncp__has_room_locked(engine))
        make_room(engine, waiter, now_ns, acts);
    if (!ncp__has_room_locked(engine) ||
        !is_worth_it(engine, waiter, now_ns, acts) ||
        !may_dial(engine, now_ns, acts))
        return false;
    uint32_t index =
        reserve(engine, NCP__DIAL_DEMAND, waiter->protocol, waiter->ip, now_ns);
    if (index == NCP__NO_SLOT) {
        ncp__gatekeeper_void(&engine->gatekeeper);
        ncp__decide_locked(engine, waiter, NCP_ENOMEM, acts);
        return true;
    }
    if (waiter->dials_itself) {
        give_reservation(engine, waiter, index, acts);
        return true;
    }
    cover(engine, waiter, index);
    append_dial(engine, index, acts);
    acts->due_changed = true;
    return true;
}

static void end_prewarm(struct ncp__engine *engine, bool failed,
                        struct ncp__acts *acts)
{
    engine->prewarm.ended = true;
    engine->prewarm.failed = failed;
    acts->signal = true;
}

/* The first one alone: when it fails, it was only one. */
static bool may_prewarm(struct ncp__engine *engine, uint64_t now_ns,
                        struct ncp__acts *acts)
{
    const struct ncp__prewarm *prewarm = &engine->prewarm;

    if (prewarm->ended || prewarm->started >= prewarm->target ||
        (prewarm->created == 0 && prewarm->started == 1))
        return false;
    if (now_ns < prewarm->not_before_ns) {
        retry_at(engine, prewarm->not_before_ns, acts);
        return false;
    }
    if (!ncp__has_room_locked(engine)) {
        if (prewarm->started == prewarm->created)
            end_prewarm(engine, false, acts);
        return false;
    }
    return has_permit(engine) && may_dial(engine, now_ns, acts);
}

static void prewarm(struct ncp__engine *engine, uint64_t now_ns,
                    struct ncp__acts *acts)
{
    while (may_prewarm(engine, now_ns, acts)) {
        uint32_t index = reserve(engine, NCP__DIAL_PREWARM, 0, 0, now_ns);
        if (index == NCP__NO_SLOT) {
            ncp__gatekeeper_void(&engine->gatekeeper);
            end_prewarm(engine, true, acts);
            return;
        }
        engine->prewarm.started++;
        append_dial(engine, index, acts);
        acts->due_changed = true;
    }
}

void ncp__begin_dials_locked(struct ncp__engine *engine, uint64_t now_ns,
                             struct ncp__acts *acts)
{
    uint64_t gate = atomic_load_explicit(&engine->gate, memory_order_relaxed);

    if ((gate & (NCP__GATE_CLOSED | NCP__GATE_SUSPENDED)) != 0)
        return;
    engine->retry_ns = NCP__NEVER;
    ncp__pace_look(&engine->pace, now_ns);
    while (begin_one(engine, now_ns, acts))
        continue;
    prewarm(engine, now_ns, acts);
}

void ncp__engine_refill(struct ncp__engine *engine, uint64_t now_ns,
                        struct ncp__acts *acts)
{
    const struct ncp__engine_limits *limits = &engine->limits;

    ncp__engine_lock(engine);
    while (limits->maintain_min && !limits->server && engine->prewarm.ended &&
           !ncp__engine_closed(engine) &&
           engine->open + engine->dialing < limits->min &&
           ncp__has_room_locked(engine) && has_permit(engine) &&
           may_dial(engine, now_ns, acts)) {
        uint32_t index = reserve(engine, NCP__DIAL_REFILL, 0, 0, now_ns);
        if (index == NCP__NO_SLOT) {
            ncp__gatekeeper_void(&engine->gatekeeper);
            break;
        }
        append_dial(engine, index, acts);
        acts->due_changed = true;
    }
    ncp__engine_unlock(engine);
}

/* --------------------------------------------------------------------- success */

void ncp__dialed_locked(struct ncp__engine *engine, struct ncp__slot *slot,
                        const struct ncp__made *made, uint64_t now_ns,
                        struct ncp__acts *acts)
{
    struct ncp__cold *cold = ncp__cold(slot);
    static _Atomic uint64_t ids; /* process-wide, from 1 */

    slot->handle = made->handle;
    cold->fd = made->fd;
    cold->protocol = (uint8_t)made->protocol;
    cold->ip = (uint8_t)made->ip;
    if (cold->id == 0)
        cold->id = atomic_fetch_add_explicit(&ids, 1, memory_order_relaxed) + 1;
    if ((cold->dial_flags & NCP__DIAL_PERMIT) != 0)
        ncp__pace_dialed(&engine->pace, now_ns > cold->created_ns
                                            ? now_ns - cold->created_ns
                                            : 0);
    cold->created_ns = now_ns;
    uint8_t flags = made->nonblocking ? NCP__FLAG_NONBLOCKING : 0;
    flags |= made->datagram ? NCP__FLAG_DATAGRAM : 0;
    atomic_store_explicit(&slot->flags, flags, memory_order_relaxed);
    release_permit(engine, slot);
    ncp__begin_dials_locked(engine, now_ns, acts);
}

void ncp__engine_dialed(struct ncp__engine *engine, uint32_t index,
                        const struct ncp__made *made, uint64_t now_ns,
                        struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    ncp__dialed_locked(engine, ncp__engine_slot(engine, index), made, now_ns,
                       acts);
    ncp__engine_unlock(engine);
}

/* Between this share of the limit and the limit, drawn once a connection. */
static uint64_t shortened(struct ncp__engine *engine, uint64_t limit_ns)
{
    uint64_t most = limit_ns / 100 * engine->limits.jitter_percent;

    return limit_ns - ncp__random_below(&engine->random, most + 1);
}

/* Ages begin, limits are drawn. */
static void begin_life(struct ncp__engine *engine, struct ncp__slot *slot,
                       uint64_t now_ns)
{
    struct ncp__cold *cold = ncp__cold(slot);
    const struct ncp__engine_limits *limits = &engine->limits;
    uint64_t end_ns = NCP__NEVER, idle_ns = NCP__NEVER;

    if (limits->max_lifetime_ns != 0)
        end_ns = now_ns + shortened(engine, limits->max_lifetime_ns);
    if (limits->idle_timeout_ns != 0)
        idle_ns = shortened(engine, limits->idle_timeout_ns);
    atomic_store_explicit(&slot->lifetime_end_ns, end_ns, memory_order_relaxed);
    atomic_store_explicit(&cold->idle_limit_ns, idle_ns, memory_order_relaxed);
    cold->created_ns = now_ns;
    cold->checked_ns = 0;
}

/* The connection counts from now on. */
static void join(struct ncp__engine *engine, uint32_t index, uint64_t now_ns)
{
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp__cold *cold = ncp__cold(slot);
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
    uint64_t gets = atomic_load_explicit(&slot->gets, memory_order_relaxed);

    begin_life(engine, slot, now_ns);
    atomic_store_explicit(&slot->touched_ns, now_ns, memory_order_relaxed);
    cold->slow_gets = 0;
    cold->gets_base = (uint32_t)gets;
    slot->of.tag = 0;
    /* A reservation is no lease: its generation ends here. */
    uint64_t generation = ncp__next_generation(ncp__word_generation(word));
    atomic_store_explicit(&slot->word, ncp__word(generation, NCP__HELD),
                          memory_order_release);
    engine->open++;
    engine->tally.created++;
    engine->tally.current_by_protocol[cold->protocol]++;
    engine->tally.current_by_ip[cold->ip]++;
    ncp__idle_join(&engine->idle, index);
    if (!ncp__idle_one_kind(&engine->idle))
        ncp__forget_told_locked(engine, NCP__GATE_TOLD);
}

/* A client that was accepted for somebody who left is not sent away unserved:
 * one that was served before goes instead. */
static bool give_way(struct ncp__engine *engine, uint64_t now_ns,
                     struct ncp__acts *acts)
{
    uint32_t index = engine->limits.server
                         ? ncp__idle_take_oldest(&engine->idle, 0, 0)
                         : NCP__NO_SLOT;

    if (index == NCP__NO_SLOT)
        return false;
    ncp__begin_close_locked(engine, index, NCP_REASON_IDLE_FULL, now_ns, acts);
    return true;
}

/* A new connection: to the oldest it serves, else idle, else closed. Who it was
 * dialed for may be somebody else. */
static void place(struct ncp__engine *engine, uint32_t index, uint64_t now_ns,
                  struct ncp__acts *acts)
{
    const struct ncp__slot *slot = ncp__engine_slot(engine, index);
    uint64_t gate = atomic_load_explicit(&engine->gate, memory_order_relaxed);
    uint32_t epoch = atomic_load_explicit(&slot->epoch, memory_order_relaxed);
    struct ncp__waiter *waiter = NULL;
    int reason = NCP_REASON_NONE;

    if ((gate & NCP__GATE_CLOSED) != 0)
        reason = NCP_REASON_POOL_CLOSED;
    else if (epoch !=
             atomic_load_explicit(&engine->epoch, memory_order_relaxed))
        reason = NCP_REASON_FLUSHED;
    else if (ncp__over_by_locked(engine) != 0)
        reason = NCP_REASON_SHRUNK;
    else if ((gate & NCP__GATE_SUSPENDED) == 0)
        waiter = ncp__lines_oldest_for(
            &engine->lines, ncp__cold(slot)->protocol, ncp__cold(slot)->ip);
    if (waiter != NULL) {
        ncp__give_locked(engine, waiter, index, true, now_ns, acts);
        return;
    }
    if (reason == NCP_REASON_NONE &&
        ncp__idle_reaches(&engine->idle, engine->max_idle) &&
        !give_way(engine, now_ns, acts))
        reason = NCP_REASON_MISMATCH;
    if (reason != NCP_REASON_NONE)
        ncp__begin_close_locked(engine, index, reason, now_ns, acts);
    else
        ncp__idle_publish(&engine->idle, index);
}

/* One more connection that its waiter could not use; false after three. */
static bool may_try_again(struct ncp__waiter *waiter, int *status, int protocol)
{
    *status =
        waiter->protocol != NCP_PROTOCOL_UNKNOWN && waiter->protocol != protocol
            ? NCP_ENOPROTO
            : NCP_ENOIP;
    return ++waiter->mismatches < MISMATCHES;
}

static void prewarm_connected(struct ncp__engine *engine,
                              struct ncp__acts *acts)
{
    engine->prewarm.created++;
    engine->prewarm.failures = 0;
    if (engine->prewarm.created == engine->prewarm.target)
        end_prewarm(engine, false, acts);
}

/* The reservation has become a connection. */
static void welcome(struct ncp__engine *engine, uint32_t index, uint64_t now_ns)
{
    unreserve(engine, index);
    join(engine, index, now_ns);
    ncp__gatekeeper_success(&engine->gatekeeper);
    engine->dial_error.count = 0;
}

static void connected_locked(struct ncp__engine *engine, uint32_t index,
                             uint64_t now_ns, struct ncp__acts *acts)
{
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp__cold *cold = ncp__cold(slot);
    struct ncp__waiter *owner = slot->of.owner;
    int protocol = cold->protocol, ip = cold->ip, status;

    if (cold->dial_kind == NCP__DIAL_PREWARM)
        prewarm_connected(engine, acts);
    if (owner != NULL)
        uncover(engine, owner); /* first: it may take over another's dial */
    welcome(engine, index, now_ns);
    place(engine, index, now_ns, acts);
    if (owner != NULL && owner->queued &&
        !ncp__fits(protocol, ip, owner->protocol, owner->ip) &&
        !may_try_again(owner, &status, protocol))
        ncp__decide_locked(engine, owner, status, acts);
    ncp__serve_locked(engine, now_ns, acts);
}

void ncp__engine_connected(struct ncp__engine *engine, uint32_t index,
                           uint64_t now_ns, struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    connected_locked(engine, index, now_ns, acts);
    ncp__engine_unlock(engine);
}

/* --------------------------------------------------------------------- failure */

static void note_error(struct ncp__engine *engine, int64_t code,
                       const char *text, uint64_t now_ns)
{
    struct ncp__dial_error *error = &engine->dial_error;
    size_t length = text == NULL ? 0 : strlen(text);

    if (length >= sizeof(error->text))
        length = sizeof(error->text) - 1;
    if (length != 0)
        memcpy(error->text, text, length);
    error->text[length] = '\0';
    error->code = code;
    error->at_ns = now_ns;
    error->count++;
    engine->tally.connection_errors++;
    ncp__gatekeeper_failure(&engine->gatekeeper, now_ns);
}

static bool retries(const struct ncp__engine *engine,
                    struct ncp__waiter *waiter, uint64_t now_ns)
{
    if (waiter->attempts >= engine->limits.create_retries)
        return false;
    waiter->attempts++;
    waiter->not_before_ns =
        now_ns + engine->limits.create_retry_ns * waiter->attempts;
    return true;
}

static void fail_one(struct ncp__engine *engine, struct ncp__waiter *waiter,
                     int status, int64_t code, struct ncp__acts *acts)
{
    waiter->code = code;
    ncp__decide_locked(engine, waiter, status, acts);
}

static void fail_all(struct ncp__engine *engine, int status, int64_t code,
                     struct ncp__acts *acts)
{
    struct ncp__waiter *waiter;
    unsigned line;

    while ((waiter = ncp__lines_oldest(&engine->lines, 0, &line)) != NULL)
        fail_one(engine, waiter, status, code, acts);
}

/* Whether the owner of a failed dial goes on waiting. One who adopted it may have
 * come when the peer was back: it says nothing about a dial of his own. */
static bool goes_on(const struct ncp__engine *engine, struct ncp__waiter *owner,
                    bool adopted, uint64_t now_ns)
{
    int policy = engine->limits.dial_policy;

    return (adopted && policy == NCP_DIAL_FAIL_ONE) ||
           retries(engine, owner, now_ns) || policy == NCP_DIAL_WAIT;
}

/* Who is told of a failed dial, after the policy. `owner` may be NULL. */
static void blame(struct ncp__engine *engine, struct ncp__waiter *owner,
                  bool adopted, int status, int64_t code, uint64_t now_ns,
                  struct ncp__acts *acts)
{
    if (owner != NULL)
        owner->dial = NCP__NO_SLOT;
    if (owner != NULL && goes_on(engine, owner, adopted, now_ns)) {
        uncover(engine, owner);
        return;
    }
    if (owner != NULL)
        fail_one(engine, owner, status, code, acts);
    if (engine->limits.dial_policy == NCP_DIAL_FAIL_ALL)
        fail_all(engine, status, code, acts);
}

static void prewarm_failed(struct ncp__engine *engine, uint64_t now_ns,
                           struct ncp__acts *acts)
{
    struct ncp__prewarm *prewarm = &engine->prewarm;
    const struct ncp__engine_limits *limits = &engine->limits;

    if (prewarm->ended)
        return;
    prewarm->started--;
    if (limits->prewarm_retry &&
        prewarm->failures++ < limits->prewarm_max_retries)
        prewarm->not_before_ns = now_ns + limits->prewarm_retry_ns;
    else
        end_prewarm(engine, true, acts);
}

static void dial_failed_locked(struct ncp__engine *engine, uint32_t index,
                               int status, int64_t code, const char *text,
                               uint64_t now_ns, struct ncp__acts *acts)
{
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    const struct ncp__cold *cold = ncp__cold(slot);
    struct ncp__waiter *owner = slot->of.owner;
    bool told = (cold->dial_flags & NCP__DIAL_OVERDUE) != 0;
    bool adopted = (cold->dial_flags & NCP__DIAL_ADOPTED) != 0;
    bool prewarming = cold->dial_kind == NCP__DIAL_PREWARM;

    unreserve(engine, index);
    ncp__slots_release(&engine->slots, index);
    if (status == NCP_ECANCELED)
        ncp__gatekeeper_void(&engine->gatekeeper);
    else if (!told)
        note_error(engine, code, text, now_ns);
    if (prewarming)
        prewarm_failed(engine, now_ns, acts);
    else if (status == NCP_ECANCELED && owner != NULL)
        uncover(engine, owner);
    else if (!told && status != NCP_ECANCELED)
        blame(engine, owner, adopted, status, code, now_ns, acts);
    ncp__serve_locked(engine, now_ns, acts);
    acts->signal = true;
}

void ncp__engine_dial_failed(struct ncp__engine *engine, uint32_t index,
                             int status, int64_t code, const char *text,
                             uint64_t now_ns, struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    dial_failed_locked(engine, index, status, code, text, now_ns, acts);
    ncp__engine_unlock(engine);
}

/* The error is delivered, the dial goes on: what it brings will be kept. */
static void overdue(struct ncp__engine *engine, struct ncp__slot *slot,
                    uint64_t now_ns, struct ncp__acts *acts)
{
    struct ncp__cold *cold = ncp__cold(slot);
    struct ncp__waiter *owner = slot->of.owner;
    bool adopted = (cold->dial_flags & NCP__DIAL_ADOPTED) != 0;

    cold->dial_flags |= NCP__DIAL_OVERDUE;
    slot->of.owner = NULL;
    note_error(engine, ETIMEDOUT, "the dial exceeded connection_timeout",
               now_ns);
    if (cold->dial_kind == NCP__DIAL_PREWARM) {
        cold->dial_kind = NCP__DIAL_REFILL;
        prewarm_failed(engine, now_ns, acts);
    } else {
        blame(engine, owner, adopted, NCP_EDIAL, ETIMEDOUT, now_ns, acts);
    }
}

/* A dial whose error is still to be delivered when it takes too long. */
static bool can_be_overdue(const struct ncp__slot *slot)
{
    const struct ncp__cold *cold = ncp__cold(slot);

    return cold->dial_kind != NCP__DIAL_BOUND && cold->id == 0 &&
           (cold->dial_flags & NCP__DIAL_OVERDUE) == 0;
}

void ncp__engine_overdue_dials(struct ncp__engine *engine, uint64_t now_ns,
                               struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    for (uint32_t i = engine->dials; i != NCP__NO_SLOT;
         i = ncp__cold(ncp__engine_slot(engine, i))->dials_next) {
        struct ncp__slot *slot = ncp__engine_slot(engine, i);
        if (can_be_overdue(slot) && now_ns >= ncp__cold(slot)->due_ns)
            overdue(engine, slot, now_ns, acts);
    }
    ncp__serve_locked(engine, now_ns, acts);
    ncp__engine_unlock(engine);
}

uint64_t ncp__engine_next_dial_due(struct ncp__engine *engine)
{
    ncp__engine_lock(engine);
    uint64_t next_ns = engine->retry_ns;
    for (uint32_t i = engine->dials; i != NCP__NO_SLOT;
         i = ncp__cold(ncp__engine_slot(engine, i))->dials_next) {
        const struct ncp__slot *slot = ncp__engine_slot(engine, i);
        if (can_be_overdue(slot) && ncp__cold(slot)->due_ns < next_ns)
            next_ns = ncp__cold(slot)->due_ns;
    }
    ncp__engine_unlock(engine);
    return next_ns;
}

/* ---------------------------------------------------------- caller-bound dials */

/* The caller goes on waiting, at its old place. */
static void stand_again(struct ncp__engine *engine, struct ncp__waiter *waiter)
{
    waiter->slot = NCP__NO_SLOT;
    waiter->outcome = NCP_EVENT_NONE;
    atomic_store_explicit(&waiter->state, NCP__WAITING, memory_order_relaxed);
    ncp__enter_line_locked(engine, waiter);
}

static void end_bound(struct ncp__engine *engine, struct ncp__waiter *waiter,
                      int status)
{
    waiter->status = status;
    waiter->outcome = NCP_EVENT_NONE;
    waiter->slot = NCP__NO_SLOT;
    ncp__count_end_locked(engine, waiter, status, false);
}

static bool bound_connected_locked(struct ncp__engine *engine, uint32_t index,
                                   uint64_t now_ns, struct ncp__acts *acts)
{
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp__waiter *owner = slot->of.owner;
    uint32_t epoch = atomic_load_explicit(&slot->epoch, memory_order_relaxed);
    int protocol = ncp__cold(slot)->protocol, ip = ncp__cold(slot)->ip, status;
    bool flushed =
        epoch != atomic_load_explicit(&engine->epoch, memory_order_relaxed);

    if (owner == NULL) {
        connected_locked(engine, index, now_ns, acts);
        return false;
    }
    welcome(engine, index, now_ns);
    if (ncp__engine_closed(engine)) {
        ncp__begin_close_locked(engine, index, NCP_REASON_POOL_CLOSED, now_ns,
                                acts);
        end_bound(engine, owner, NCP_ECLOSED);
        return false;
    }
    if (!flushed && ncp__fits(protocol, ip, owner->protocol, owner->ip)) {
        struct ncp__acts own = NCP__NO_ACTS; /* the caller needs no telling */
        ncp__give_locked(engine, owner, index, true, now_ns, &own);
        ncp__serve_locked(engine, now_ns, acts);
        return false;
    }
    place(engine, index, now_ns, acts);
    bool stands = flushed || may_try_again(owner, &status, protocol);
    if (stands)
        stand_again(engine, owner);
    else
        end_bound(engine, owner, status);
    ncp__serve_locked(engine, now_ns, acts);
    return stands;
}

bool ncp__engine_bound_connected(struct ncp__engine *engine, uint32_t index,
                                 uint64_t now_ns, struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    bool stood = bound_connected_locked(engine, index, now_ns, acts);
    ncp__engine_unlock(engine);
    return stood;
}

static bool bound_failed_locked(struct ncp__engine *engine, uint32_t index,
                                int status, int64_t code, const char *text,
                                uint64_t now_ns, struct ncp__acts *acts)
{
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp__waiter *owner = slot->of.owner;
    bool failed = status != NCP_ECANCELED && status != NCP_ETIMEOUT;
    bool closed = ncp__engine_closed(engine);

    if (owner == NULL) {
        dial_failed_locked(engine, index, status, code, text, now_ns, acts);
        return false;
    }
    if (failed)
        note_error(engine, code, text, now_ns);
    if (failed && !closed && retries(engine, owner, now_ns))
        return false; /* the same reservation, after a pause */
    unreserve(engine, index);
    ncp__slots_release(&engine->slots, index);
    acts->signal = true;
    if (!failed)
        ncp__gatekeeper_void(&engine->gatekeeper);
    bool stands =
        failed && !closed && engine->limits.dial_policy == NCP_DIAL_WAIT;
    if (stands)
        stand_again(engine, owner);
    else
        end_bound(engine, owner, closed ? NCP_ECLOSED : status);
    owner->code = failed && !stands && !closed ? code : 0;
    if (failed && engine->limits.dial_policy == NCP_DIAL_FAIL_ALL)
        fail_all(engine, status, code, acts);
    ncp__serve_locked(engine, now_ns, acts);
    return stands;
}

bool ncp__engine_bound_failed(struct ncp__engine *engine, uint32_t index,
                              int status, int64_t code, const char *text,
                              uint64_t now_ns, struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    bool stood =
        bound_failed_locked(engine, index, status, code, text, now_ns, acts);
    ncp__engine_unlock(engine);
    return stood;
}

bool ncp__engine_dial_wanted(struct ncp__engine *engine, uint32_t index,
                             uint64_t now_ns, struct ncp__acts *acts)
{
    ncp__engine_lock(engine);
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp__cold *cold = ncp__cold(slot);
    bool wanted = !ncp__engine_closed(engine);
    if (wanted && cold->dial_kind == NCP__DIAL_DEMAND)
        wanted = slot->of.owner != NULL || adopt(engine, index);
    cold->dial_flags &= (uint8_t)~NCP__DIAL_ADOPTED; /* it begins only now */
    if (!wanted && cold->dial_kind == NCP__DIAL_BOUND)
        (void)bound_failed_locked(engine, index, NCP_ECANCELED, 0, NULL, now_ns,
                                  acts);
    else if (!wanted)
        dial_failed_locked(engine, index, NCP_ECANCELED, 0, NULL, now_ns, acts);
    ncp__engine_unlock(engine);
    return wanted;
}

/* ------------------------------------------------------------------------ renewal */

void ncp__engine_renew(struct ncp__engine *engine, uint32_t index,
                       const struct ncp__made *made, uint64_t now_ns)
{
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp__cold *cold = ncp__cold(slot);
    struct ncp__tally *tally = &engine->tally;

    ncp__engine_lock(engine);
    ncp__idle_leave(&engine->idle, index);
    tally->current_by_protocol[cold->protocol]--;
    tally->current_by_ip[cold->ip]--;
    slot->handle = made->handle;
    cold->fd = made->fd;
    cold->protocol = (uint8_t)made->protocol;
    cold->ip = (uint8_t)made->ip;
    if (!made->datagram)
        atomic_fetch_and_explicit(&slot->flags, (uint8_t)~NCP__FLAG_DATAGRAM,
                                  memory_order_relaxed);
    begin_life(engine, slot, now_ns);
    tally->current_by_protocol[cold->protocol]++;
    tally->current_by_ip[cold->ip]++;
    ncp__idle_join(&engine->idle, index);
    ncp__engine_unlock(engine);
}
