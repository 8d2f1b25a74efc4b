/* Housekeeping of one pool: what is due is done, and the next time planned. */
#include "pool/pool.h"

static uint64_t earlier(uint64_t a_ns, uint64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

/* -------------------------------------------------------------- health checks */

/* By a callback or by the host, which may take its time. */
static bool checked_elsewhere(const ncp_pool *pool)
{
    return pool->pull || pool->config.conn[NCP_CALLBACK_CHECKER] != NULL;
}

static uint64_t check_due(const ncp_pool *pool, const struct ncp__slot *slot)
{
    const struct ncp__cold *cold = ncp__cold(slot);
    uint64_t last_ns =
        cold->checked_ns != 0 ? cold->checked_ns : cold->created_ns;

    return last_ns +
           ncp__pool_option_ns(pool, NCP_OPTION_HEALTH_CHECK_INTERVAL);
}

/* Reserves the slots of a chunk whose check is due, at most `room` of them. A
 * get that finds nothing meanwhile looks again under the lock. */
static uint32_t reserve_due(ncp_pool *pool, uint32_t chunk, uint64_t now_ns,
                            uint32_t room, uint32_t *reserved)
{
    struct ncp__engine *engine = &pool->engine;
    uint32_t count = 0;

    ncp__engine_lock(engine);
    uint64_t mask = ncp__idle_candidates(&engine->idle, chunk);

    for (; mask != 0; mask &= mask - 1) {
        uint32_t index =
            chunk * NCP__CHUNK_SLOTS + (uint32_t)__builtin_ctzll(mask);
        const struct ncp__slot *slot = ncp__engine_slot(engine, index);
        if (!ncp__idle_claim(&engine->idle, index))
            continue;
        uint64_t due_ns = check_due(pool, slot);
        if (now_ns >= due_ns && count < room) {
            ncp__begin_check_locked(engine, index, now_ns);
            reserved[count++] = index;
            continue;
        }
        ncp__idle_unclaim(&engine->idle, index);
        pool->next_check_ns = earlier(pool->next_check_ns, due_ns);
    }
    if (checked_elsewhere(pool))
        pool->checks_out += count;
    ncp__engine_unlock(engine);
    return count;
}

static void check_here(ncp_pool *pool, uint32_t index)
{
    struct ncp__engine *engine = &pool->engine;
    int fd = ncp__cold(ncp__engine_slot(engine, index))->fd;
    struct ncp__acts acts = NCP__NO_ACTS;

    ncp__engine_check_done(engine, index, fd < 0 || ncp__net.alive(fd),
                           ncp__engine_now(engine), &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
}

static void check_reserved(ncp_pool *pool, uint32_t index)
{
    if (pool->pull)
        ncp__pull_work(pool, index, NCP_EVENT_CHECK);
    else if (checked_elsewhere(pool))
        ncp__service_job(pool, index);
    else
        check_here(pool, index);
}

static uint32_t room_for_checks(ncp_pool *pool)
{
    if (!checked_elsewhere(pool))
        return NCP__CHUNK_SLOTS;
    ncp__engine_lock(&pool->engine);
    uint32_t out = pool->checks_out;
    for (int i = 0; i < NCP__MAX_CHECKS; i++)
        out += pool->late_checks[i] != 0;
    ncp__engine_unlock(&pool->engine);
    return out < NCP__MAX_CHECKS ? NCP__MAX_CHECKS - out : 0;
}

static void check_health(ncp_pool *pool, uint64_t now_ns)
{
    uint32_t chunks = ncp__chunk_count(&pool->engine.slots);
    uint64_t interval_ns =
        ncp__pool_option_ns(pool, NCP_OPTION_HEALTH_CHECK_INTERVAL);
    uint32_t reserved[NCP__CHUNK_SLOTS];

    /* What is borrowed now may come back overdue, what is new is due later. */
    pool->next_check_ns = now_ns + interval_ns / 2 + 1;
    for (uint32_t chunk = 0; chunk < chunks; chunk++) {
        uint32_t count =
            reserve_due(pool, chunk, now_ns, room_for_checks(pool), reserved);
        for (uint32_t i = 0; i < count; i++)
            check_reserved(pool, reserved[i]);
    }
    /* What found no room is due already: come back soon. */
    if (pool->next_check_ns <= now_ns)
        pool->next_check_ns = now_ns + interval_ns / 10 + 1;
}

void ncp__check_run(ncp_pool *pool, uint32_t index)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp_conn conn = {pool, slot, index};
    struct ncp__acts acts = NCP__NO_ACTS;
    int rc = ncp__conn_call(&conn, NCP_CALLBACK_CHECKER, NCP_REASON_NONE,
                            NCP_EUNHEALTHY);
    bool ours = ncp__engine_check_done(engine, index, rc == NCP_OK,
                                       ncp__engine_now(engine), &acts);

    ncp__engine_lock(engine);
    pool->checks_out--;
    ncp__engine_unlock(engine);
    if (!ours) {
        (void)ncp__conn_close(&conn, NCP_REASON_UNHEALTHY);
        ncp__engine_taken_back(engine, index, &acts);
    }
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
}

/* The host has not answered this check: until it does, it may hang there. */
static void note_late(ncp_pool *pool, uint32_t index, ncp_lease lease)
{
    ncp__engine_lock(&pool->engine);
    pool->checks_out--;
    bool told = ncp__cold(ncp__engine_slot(&pool->engine, index))->work == 0;
    for (int i = 0; told && i < NCP__MAX_CHECKS; i++)
        if (pool->late_checks[i] == 0) {
            pool->late_checks[i] = lease;
            break;
        }
    ncp__engine_unlock(&pool->engine);
}

void ncp__check_answered_late(ncp_pool *pool, ncp_lease lease)
{
    ncp__engine_lock(&pool->engine);
    for (int i = 0; i < NCP__MAX_CHECKS; i++)
        if (pool->late_checks[i] == lease)
            pool->late_checks[i] = 0;
    ncp__engine_unlock(&pool->engine);
}

/* A check that takes too long has failed: the connection leaves the pool. Its
 * checker goes on until it returns, and the connection is closed then. */
static void check_overdue(ncp_pool *pool, uint32_t index, uint64_t now_ns)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    ncp_lease lease = ncp__engine_lease(engine, index);

    if (!ncp__engine_check_overdue(engine, index, !pool->pull, now_ns, &acts))
        return;
    ncp__log(pool, NCP_LOG_WARN, 0, "event=check_timed_out");
    if (pool->pull) {
        note_late(pool, index, lease);
        ncp__pull_work(pool, index, NCP_EVENT_CLOSE);
    }
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
}

/* The slots of a chunk whose check began too long ago; the next one's time. */
static uint64_t overdue_in(ncp_pool *pool, uint32_t chunk, uint64_t now_ns,
                           uint64_t *overdue)
{
    struct ncp__engine *engine = &pool->engine;
    uint64_t timeout_ns =
        ncp__pool_option_ns(pool, NCP_OPTION_HEALTH_CHECK_TIMEOUT);
    uint64_t next_ns = NCP__NEVER;

    *overdue = 0;
    ncp__engine_lock(engine);
    uint64_t mask = ncp__engine_checking_locked(engine, chunk);
    for (; mask != 0; mask &= mask - 1) {
        uint64_t bit = mask & -mask;
        const struct ncp__slot *slot = ncp__engine_slot(
            engine, chunk * NCP__CHUNK_SLOTS + (uint32_t)__builtin_ctzll(mask));
        uint64_t end_ns = ncp__cold(slot)->checked_ns + timeout_ns;
        if (now_ns > end_ns)
            *overdue |= bit;
        else
            next_ns = earlier(next_ns, end_ns + 1);
    }
    ncp__engine_unlock(engine);
    return next_ns;
}

static uint64_t find_overdue_checks(ncp_pool *pool, uint64_t now_ns)
{
    uint32_t chunks = ncp__chunk_count(&pool->engine.slots);
    uint64_t next_ns = NCP__NEVER, overdue;

    for (uint32_t chunk = 0; chunk < chunks; chunk++) {
        next_ns = earlier(next_ns, overdue_in(pool, chunk, now_ns, &overdue));
        for (; overdue != 0; overdue &= overdue - 1)
            check_overdue(pool,
                          chunk * NCP__CHUNK_SLOTS +
                              (uint32_t)__builtin_ctzll(overdue),
                          now_ns);
    }
    return next_ns;
}

/* ----------------------------------------------------------------------- leaks */

/* A lease that is out, as far as can be told without owning its slot. */
struct lease_view {
    struct ncp__slot *slot;
    uint32_t index;
    uint64_t word;
    uint64_t age_ns;
};

static void tell_leak(ncp_pool *pool, const struct lease_view *lease,
                      int reason)
{
    struct ncp_conn conn = {pool, lease->slot, lease->index};
    const struct ncp__slot *slot = lease->slot;
    uint8_t flags = atomic_load_explicit(&slot->flags, memory_order_relaxed);
    char stack[2048] = "";

    if ((flags & NCP__FLAG_STACK) != 0)
        ncp__stack_text(pool, lease->index, stack, sizeof(stack));
    for (char *c = stack; *c != '\0'; c++)
        *c = *c == '\n' ? ';' : *c;
    ncp__log(pool, NCP_LOG_WARN, ncp__cold(slot)->id,
             "event=%s lease=%llu age_ms=%llu tag=%llu stack=\"%s\"",
             reason == NCP_REASON_LEAKED ? "evict" : "leak",
             (unsigned long long)ncp__token(ncp__word_generation(lease->word),
                                            lease->index),
             (unsigned long long)(lease->age_ns / NCP__NS_PER_MS),
             (unsigned long long)((flags & NCP__FLAG_TAGGED) != 0 ? slot->of.tag
                                                                  : 0),
             stack);
    if (!ncp__host_leak(
            pool, ncp__token(ncp__word_generation(lease->word), lease->index),
            slot, reason))
        (void)ncp__conn_call(&conn, NCP_CALLBACK_ON_LEAK, reason, NCP_EHOOK);
}

/* Flags a lease once. It may have ended meanwhile, and another begun. */
static bool flag_leak(const struct lease_view *lease)
{
    struct ncp__slot *slot = lease->slot;
    uint8_t before = atomic_fetch_or_explicit(&slot->flags, NCP__FLAG_LEAK_SEEN,
                                              memory_order_acq_rel);

    if ((before & NCP__FLAG_LEAK_SEEN) != 0)
        return false;
    if (atomic_load_explicit(&slot->word, memory_order_acquire) == lease->word)
        return true;
    atomic_fetch_and_explicit(&slot->flags, (uint8_t)~NCP__FLAG_LEAK_SEEN,
                              memory_order_relaxed);
    return false;
}

static void evict(ncp_pool *pool, const struct lease_view *lease)
{
    struct ncp__slot_copy copy;
    struct lease_view taken = *lease;

    taken.slot = &copy.slot;
    if (ncp__conn_take_away(pool, lease->index,
                            ncp__word_generation(lease->word), NCP__EVICTED,
                            NCP_REASON_LEAKED, &copy))
        tell_leak(pool, &taken, NCP_REASON_LEAKED);
}

/* It is told of what the lease was when it was flagged. */
static void note_leak(ncp_pool *pool, const struct lease_view *lease)
{
    struct ncp__slot_copy copy;
    struct lease_view noted = *lease;

    ncp__engine_lock(&pool->engine);
    ncp__slot_view(&copy, lease->slot);
    ncp__engine_unlock(&pool->engine);
    ncp__engine_count_leak(&pool->engine);
    noted.slot = &copy.slot;
    tell_leak(pool, &noted, NCP_REASON_NONE);
}

static void judge_lease(ncp_pool *pool, const struct lease_view *lease)
{
    uint64_t timeout_ns = ncp__pool_option_ns(pool, NCP_OPTION_LEAK_TIMEOUT);
    uint64_t times =
        (uint64_t)ncp__pool_num(pool, NCP_OPTION_LEAK_EVICT_MULTIPLIER);
    uint8_t flags =
        atomic_load_explicit(&lease->slot->flags, memory_order_relaxed);

    if ((flags & NCP__FLAG_BORROW_CHECK) != 0)
        return; /* the host looks at it: nobody has it yet */
    if (lease->age_ns > timeout_ns && flag_leak(lease))
        note_leak(pool, lease);
    if (times != 0 && lease->age_ns > timeout_ns * times)
        evict(pool, lease);
}

static void find_leaks(ncp_pool *pool, uint64_t now_ns)
{
    struct ncp__engine *engine = &pool->engine;
    uint32_t count =
        ncp__chunk_count(&engine->slots) * (uint32_t)NCP__CHUNK_SLOTS;

    for (uint32_t index = 0; index < count; index++) {
        struct lease_view lease = {ncp__engine_slot(engine, index), index, 0,
                                   0};
        lease.word =
            atomic_load_explicit(&lease.slot->word, memory_order_acquire);
        if (ncp__word_state(lease.word) != NCP__LEASED)
            continue;
        uint64_t since_ns =
            atomic_load_explicit(&lease.slot->touched_ns, memory_order_relaxed);
        lease.age_ns = now_ns > since_ns ? now_ns - since_ns : 0;
        judge_lease(pool, &lease);
    }
    pool->next_leak_ns =
        now_ns + ncp__pool_option_ns(pool, NCP_OPTION_LEAK_INTERVAL);
}

/* -------------------------------------------------------------------- planning */

static bool checks_health(const ncp_pool *pool)
{
    return ncp__pool_num(pool, NCP_OPTION_HEALTH_CHECK) != 0 &&
           ncp__pool_num(pool, NCP_OPTION_HEALTH_CHECK_INTERVAL) > 0;
}

static bool finds_leaks(const ncp_pool *pool)
{
    return ncp__pool_num(pool, NCP_OPTION_LEAK_TIMEOUT) > 0;
}

static void set_due(ncp_pool *pool, uint64_t due_ns)
{
    atomic_store_explicit(&pool->due_ns, due_ns, memory_order_seq_cst);
}

static void plan(ncp_pool *pool, uint64_t now_ns)
{
    uint64_t cleanup_ns =
        ncp__pool_option_ns(pool, NCP_OPTION_CLEANUP_INTERVAL);

    pool->next_ticket_ns = NCP__NEVER;
    pool->next_cleanup_ns = now_ns + cleanup_ns;
    pool->next_check_ns = NCP__NEVER;
    pool->next_leak_ns = NCP__NEVER;
    if (checks_health(pool))
        pool->next_check_ns =
            now_ns +
            ncp__pool_option_ns(pool, NCP_OPTION_HEALTH_CHECK_INTERVAL);
    if (finds_leaks(pool))
        pool->next_leak_ns =
            now_ns + ncp__pool_option_ns(pool, NCP_OPTION_LEAK_INTERVAL);
}

void ncp__upkeep_plan(ncp_pool *pool, uint64_t now_ns)
{
    plan(pool, now_ns);
    set_due(pool, earlier(pool->next_cleanup_ns,
                          earlier(pool->next_check_ns, pool->next_leak_ns)));
}

uint64_t ncp__upkeep_due(const ncp_pool *pool)
{
    if (atomic_load_explicit(&pool->keeping, memory_order_seq_cst))
        return NCP__NEVER; /* somebody is at it */
    if (pool->engine.clock == NULL)
        return atomic_load_explicit(&pool->due_ns, memory_order_seq_cst);
    return atomic_load_explicit(&pool->wake_pending, memory_order_seq_cst)
               ? 0
               : NCP__NEVER;
}

void ncp__upkeep_at(ncp_pool *pool, uint64_t due_ns)
{
    uint64_t planned_ns =
        atomic_load_explicit(&pool->due_ns, memory_order_seq_cst);

    while (due_ns < planned_ns)
        if (atomic_compare_exchange_weak_explicit(&pool->due_ns, &planned_ns,
                                                  due_ns, memory_order_seq_cst,
                                                  memory_order_seq_cst)) {
            if (pool->pull)
                ncp__host_due(pool, due_ns);
            else if (pool->engine.clock == NULL)
                ncp__service_kick();
            return;
        }
}

void ncp__upkeep_soon(ncp_pool *pool)
{
    ncp__upkeep_at(pool, ncp__engine_next_dial_due(&pool->engine));
}

void ncp__upkeep_replan(ncp_pool *pool)
{
    atomic_store_explicit(&pool->replan, true, memory_order_seq_cst);
    ncp__upkeep_at(pool, 0);
}

static void clean_up(ncp_pool *pool, uint64_t now_ns, struct ncp__acts *acts)
{
    ncp__engine_expire_idle(&pool->engine, now_ns, acts);
    ncp__engine_refill(&pool->engine, now_ns, acts);
    pool->next_cleanup_ns =
        now_ns + ncp__pool_option_ns(pool, NCP_OPTION_CLEANUP_INTERVAL);
}

static void keep(ncp_pool *pool)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    uint64_t now_ns = ncp__engine_now(engine);
    uint64_t checks_end_ns = NCP__NEVER;

    /* Whoever plans an earlier time from now on is heard. */
    set_due(pool, NCP__NEVER);
    if (atomic_exchange_explicit(&pool->replan, false, memory_order_seq_cst))
        plan(pool, now_ns);
    ncp__engine_overdue_dials(engine, now_ns, &acts);
    if (now_ns >= pool->next_cleanup_ns)
        clean_up(pool, now_ns, &acts);
    if (pool->pull)
        pool->next_ticket_ns =
            ncp__engine_expire_tickets(engine, now_ns, &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    if (checks_health(pool) && now_ns >= pool->next_check_ns)
        check_health(pool, now_ns);
    if (checked_elsewhere(pool))
        checks_end_ns = find_overdue_checks(pool, now_ns);
    if (finds_leaks(pool) && now_ns >= pool->next_leak_ns)
        find_leaks(pool, now_ns);

    uint64_t next_ns = earlier(pool->next_cleanup_ns, checks_end_ns);
    next_ns = earlier(next_ns, pool->next_ticket_ns);
    if (checks_health(pool))
        next_ns = earlier(next_ns, pool->next_check_ns);
    if (finds_leaks(pool))
        next_ns = earlier(next_ns, pool->next_leak_ns);
    next_ns = earlier(next_ns, ncp__engine_next_dial_due(engine));
    ncp__upkeep_at(pool, next_ns);
}

void ncp__upkeep(ncp_pool *pool)
{
    bool idle = false;

    if (!atomic_compare_exchange_strong_explicit(&pool->keeping, &idle, true,
                                                 memory_order_seq_cst,
                                                 memory_order_relaxed))
        return;
    atomic_store_explicit(&pool->wake_pending, false, memory_order_seq_cst);
    if (!ncp__engine_closed(&pool->engine) ||
        !atomic_load_explicit(&pool->orphaned, memory_order_acquire))
        keep(pool);
    atomic_store_explicit(&pool->keeping, false, memory_order_seq_cst);
    if (atomic_load_explicit(&pool->wake_pending, memory_order_seq_cst))
        ncp__service_kick();
}
