/* The push driver: get and put of C programs and threads. */
#include "pool/event.h"
#include "pool/quick.h"

enum {
    SPINS = 30,            /* looks at an answer before a thread sleeps */
    SPINS_LONG = 4000,     /* longer than it takes to wake somebody */
    SPINS_LONG_EVERY = 64, /* waits of which at least one looks for so long */
    NAP_NS = 50000 /* adaptive: how long one that was told too late sleeps */
};

/* One get, from its call to its answer. */
struct get {
    int protocol, ip;
    int64_t timeout_ms;
    ncp_cancel *cancel;
    uint64_t tag;
    /* answers, beside the lease */
    bool fresh;   /* the connection was made for it */
    int64_t code; /* what the dial or hook that failed it said */
};

/* --------------------------------------------------------------- borrow work */

/* A connection that may not be lent: it is closed and the get goes on. */
void ncp__get_reject(ncp_pool *pool, uint32_t index, int reason)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    ncp_lease lease = ncp__engine_lease(engine, index);
    uint32_t owned;

    if (ncp__engine_end_lease(engine, lease, NCP__CLOSING, &owned) != NCP_OK) {
        if (owned != NCP__NO_SLOT)
            (void)ncp__conn_taken_back(pool, owned); /* close_now was first */
        return;
    }
    ncp__engine_begin_close(engine, index, reason, ncp__engine_now(engine),
                            &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
}

static bool is_healthy(ncp_pool *pool, const struct ncp_conn *conn)
{
    int fd = ncp__cold(conn->slot)->fd;
    bool healthy =
        pool->config.conn[NCP_CALLBACK_CHECKER] != NULL
            ? ncp__conn_call(conn, NCP_CALLBACK_CHECKER, NCP_REASON_NONE,
                             NCP_EUNHEALTHY) == NCP_OK
            : fd < 0 || ncp__net.alive(fd);

    ncp__engine_count_check(&pool->engine, healthy);
    return healthy;
}

bool ncp__get_clean(const ncp_pool *pool, uint32_t index)
{
    const struct ncp__slot *slot = ncp__engine_slot(&pool->engine, index);
    uint8_t flags = atomic_load_explicit(&slot->flags, memory_order_relaxed);

    if ((pool->borrow_work & NCP__BORROW_DRAIN) == 0 ||
        (flags & NCP__FLAG_DATAGRAM) == 0)
        return true;
    int64_t timeout_ms = ncp__pool_num(pool, NCP_OPTION_UDP_CLEAR_TIMEOUT);
    int packets = (int)ncp__pool_num(pool, NCP_OPTION_MAX_BUFFER_CLEAR_PACKETS);
    int dropped;
    return ncp__net.drain(ncp__cold(slot)->fd, timeout_ms, packets, &dropped) ==
           NCP_OK;
}

/* What is done to a connection before its borrower sees it. NCP_EAGAIN: it was
 * closed, take another. */
static int borrow(ncp_pool *pool, uint32_t index, bool reused, int64_t *code)
{
    struct ncp__slot *slot = ncp__engine_slot(&pool->engine, index);
    struct ncp_conn conn = {pool, slot, index};
    uint8_t work = pool->borrow_work;
    int reason = NCP_REASON_NONE;

    if (reused && (work & NCP__BORROW_CHECK) != 0 && !is_healthy(pool, &conn))
        reason = NCP_REASON_UNHEALTHY;
    else if (reused && !ncp__get_clean(pool, index))
        reason = NCP_REASON_DIRTY;
    if (reason != NCP_REASON_NONE) {
        ncp__get_reject(pool, index, reason);
        return NCP_EAGAIN;
    }
    if ((work & NCP__BORROW_STACK) != 0) {
        ncp__stack_keep(pool, index);
        atomic_fetch_or_explicit(&slot->flags, NCP__FLAG_STACK,
                                 memory_order_relaxed);
    }
    if ((work & NCP__BORROW_HOOK) == 0)
        return NCP_OK;
    int rc = pool->on_borrow(pool->on_borrow_user, &conn, NCP_REASON_NONE);
    if (rc == NCP_OK)
        return rc;
    *code = rc > 0 ? rc : 0;
    ncp__get_reject(pool, index, NCP_REASON_HOOK);
    return rc == NCP_EUSER ? rc : NCP_EHOOK;
}

static inline bool has_work(const ncp_pool *pool, const struct ncp__slot *slot)
{
    uint8_t work = pool->borrow_work;

    return (work & ~NCP__BORROW_DRAIN) != 0 ||
           ((work & NCP__BORROW_DRAIN) != 0 &&
            ncp__cold(slot)->protocol == NCP_PROTOCOL_UDP);
}

static inline void set_tag(struct ncp__slot *slot, uint64_t tag)
{
    if (NCP__LIKELY(tag == 0))
        return;
    __atomic_store_n(&slot->of.tag, tag, __ATOMIC_RELAXED);
    atomic_fetch_or_explicit(&slot->flags, NCP__FLAG_TAGGED,
                             memory_order_release);
}

void ncp__get_mark(ncp_pool *pool, uint32_t index, uint64_t tag)
{
    set_tag(ncp__engine_slot(&pool->engine, index), tag);
}

/* -------------------------------------------------------------------- latency */

/* One fast get in NCP__LATENCY_EVERY is timed. The first of a thread is. */
bool ncp__get_sampled(const ncp_pool *pool)
{
    ncp__thread_enroll();
    return ncp__thread.gets++ % NCP__LATENCY_EVERY == 0 &&
           pool->engine.latency != NULL;
}

void ncp__get_record(ncp_pool *pool, uint64_t since_ns, uint32_t weight)
{
    struct ncp__latency *latency = pool->engine.latency;
    uint64_t now_ns;

    if (latency == NULL)
        return;
    now_ns = ncp__engine_now(&pool->engine);
    ncp__latency_record(latency, now_ns > since_ns ? now_ns - since_ns : 0,
                        weight);
}

/* -------------------------------------------------------------------- waiting */

/* Without a housekeeper its work is done by those who wait. */
static uint64_t help_out(ncp_pool *pool, uint64_t now_ns, uint64_t deadline_ns)
{
    const uint64_t slice_ns = 20 * NCP__NS_PER_MS;

    if (ncp__service_keeps_house())
        return deadline_ns;
    ncp__upkeep(pool);
    return deadline_ns < now_ns + slice_ns ? deadline_ns : now_ns + slice_ns;
}

/* Why a waiter that is awake should stop waiting: NCP_OK to go on. */
static int reason_to_stop(const struct ncp__waiter *waiter,
                          const ncp_cancel *cancel, uint64_t now_ns)
{
    if (ncp__cancel_fired(cancel) || ncp__cancel_polled(cancel))
        return NCP_ECANCELED;
    return now_ns >= waiter->deadline_ns ? NCP_ETIMEOUT : NCP_OK;
}

static void give_up(ncp_pool *pool, struct ncp__waiter *waiter, int status,
                    uint64_t now_ns)
{
    struct ncp__acts acts = NCP__NO_ACTS;

    if (ncp__engine_give_up(&pool->engine, waiter, status, now_ns, &acts))
        atomic_store_explicit(&waiter->state, NCP__DECIDED,
                              memory_order_relaxed);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
}

/* Adaptive: told that something came back, or old enough to be served first. One
 * that was told and comes too late naps before it wants to be told again: those
 * who run return and take meanwhile without a look at it. */
static bool try_for_itself(ncp_pool *pool, struct ncp__waiter *waiter,
                           uint64_t now_ns)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    bool starving = now_ns >= waiter->since_ns + NCP__STARVING_NS;

    if (!ncp__engine_adaptive(engine) ||
        (!starving &&
         !atomic_load_explicit(&waiter->woken, memory_order_seq_cst)))
        return false;
    bool again = starving || waiter->naps || engine->clock != NULL;
    bool got = ncp__engine_try_woken(engine, waiter, again, now_ns, &acts);
    waiter->naps = !again;
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    return got;
}

static uint64_t sleep_until(ncp_pool *pool, const struct ncp__waiter *waiter,
                            const ncp_cancel *cancel, uint64_t now_ns)
{
    uint64_t until_ns =
        ncp__cancel_look_again(cancel, now_ns, waiter->deadline_ns);
    uint64_t starving_ns = waiter->since_ns + NCP__STARVING_NS;

    if (waiter->naps && now_ns + NAP_NS < until_ns)
        until_ns = now_ns + NAP_NS;
    if (ncp__engine_adaptive(&pool->engine) && now_ns < starving_ns &&
        starving_ns < until_ns)
        until_ns = starving_ns;
    return help_out(pool, now_ns, until_ns);
}

/* How a thread looks for its answer before it sleeps. Two threads that hand one
 * connection to each other could go on to sleep and wake each other for ever; a long
 * look after a short one that failed finds out that both are running. When short
 * ones go on to fail, long ones become rare. */
static _Thread_local struct {
    uint32_t left; /* short looks until a long one */
    uint32_t step; /* how many there are between two long ones */
} looks __attribute__((tls_model("initial-exec")));

static void note_long_look(void)
{
    looks.step = (2 * looks.step + 1) % SPINS_LONG_EVERY;
    looks.left = looks.step;
}

static void note_short_look(bool found)
{
    if (found) {
        looks.step = 0;
        looks.left = SPINS_LONG_EVERY;
        return;
    }
    looks.left--;
    if (looks.left > looks.step)
        looks.left = looks.step;
}

static bool is_decided(const struct ncp__waiter *waiter)
{
    return atomic_load_explicit(&waiter->state, memory_order_acquire) ==
           NCP__DECIDED;
}

/* Only the first in line has a chance that it is worth while. */
static bool look(const ncp_pool *pool, const struct ncp__waiter *waiter)
{
    uint64_t gate =
        atomic_load_explicit(&pool->engine.gate, memory_order_relaxed);
    bool longer = looks.left == 0, found = false;

    if (gate >= 2 * NCP__GATE_WAITER)
        return false;
    for (int i = longer ? SPINS_LONG : SPINS; i > 0 && !found; i--) {
        ncp__relax();
        found = is_decided(waiter);
    }
    if (longer)
        note_long_look();
    else
        note_short_look(found);
    return found;
}

/* Announces its sleep, then looks once more, then sleeps: whoever changes
 * something and then pokes is heard. */
static void wait_decided(ncp_pool *pool, struct ncp__waiter *waiter,
                         const ncp_cancel *cancel)
{
    if (is_decided(waiter) || look(pool, waiter))
        return;
    for (;;) {
        unsigned waiting = NCP__WAITING;
        if (!atomic_compare_exchange_strong_explicit(
                &waiter->state, &waiting, NCP__PARKED, memory_order_seq_cst,
                memory_order_acquire) &&
            waiting == NCP__DECIDED)
            return;
        uint64_t now_ns = ncp__engine_now(&pool->engine);
        int status = reason_to_stop(waiter, cancel, now_ns);
        if (status != NCP_OK)
            give_up(pool, waiter, status, now_ns);
        else if (!try_for_itself(pool, waiter, now_ns))
            ncp__pool_park(pool, &waiter->state, NCP__PARKED,
                           sleep_until(pool, waiter, cancel, now_ns));
        if (is_decided(waiter))
            return;
        ncp__relax();
    }
}

/* create_retries: the pause before the next attempt. */
static void pause_before_dial(ncp_pool *pool, const struct ncp__waiter *waiter)
{
    struct ncp__engine *engine = &pool->engine;
    uint64_t until_ns = waiter->not_before_ns < waiter->deadline_ns
                            ? waiter->not_before_ns
                            : waiter->deadline_ns;

    atomic_fetch_add_explicit(&engine->signal_waiters, 1, memory_order_seq_cst);
    for (;;) {
        unsigned seen =
            atomic_load_explicit(&engine->signal, memory_order_seq_cst);
        if (ncp__engine_now(engine) >= until_ns || ncp__engine_closed(engine))
            break;
        ncp__pool_park(pool, &engine->signal, seen, until_ns);
    }
    atomic_fetch_sub_explicit(&engine->signal_waiters, 1, memory_order_seq_cst);
}

static void end_reservation(ncp_pool *pool, uint32_t index, uint64_t now_ns)
{
    struct ncp__acts acts = NCP__NO_ACTS;

    (void)ncp__engine_bound_failed(&pool->engine, index, NCP_ETIMEOUT, 0, NULL,
                                   now_ns, &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
}

/* The waiter was given a reservation: it dials, here. */
static void dial_here(ncp_pool *pool, struct ncp__waiter *waiter)
{
    while (waiter->outcome == NCP_EVENT_DIAL) {
        uint64_t now_ns = ncp__engine_now(&pool->engine);
        if (waiter->not_before_ns > now_ns)
            pause_before_dial(pool, waiter);
        now_ns = ncp__engine_now(&pool->engine);
        if (now_ns >= waiter->deadline_ns)
            end_reservation(pool, waiter->slot, now_ns);
        else
            ncp__dial_run(pool, waiter->slot);
    }
}

/* Stands in line until decided. The waiter's slot is leased on NCP_OK. */
static int stand_in_line(ncp_pool *pool, struct ncp__waiter *waiter,
                         ncp_cancel *cancel)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    struct ncp__cancel_entry entry;

    atomic_store_explicit(&waiter->state, NCP__WAITING, memory_order_relaxed);
    int rc =
        ncp__engine_enqueue(engine, waiter, ncp__engine_now(engine), &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    if (rc != NCP_OK)
        return rc;
    (void)ncp__cancel_watch(&entry, cancel, waiter);
    wait_decided(pool, waiter, cancel);
    while (waiter->status == NCP_OK && waiter->outcome != NCP_EVENT_CONN) {
        dial_here(pool, waiter);
        if (waiter->status == NCP_OK && waiter->outcome != NCP_EVENT_CONN)
            wait_decided(pool, waiter, cancel);
    }
    ncp__cancel_unwatch(&entry);
    return waiter->status;
}

static int take_slow(ncp_pool *pool, struct ncp__waiter *waiter,
                     const struct get *get)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;

    if (get->timeout_ms != 0)
        return stand_in_line(pool, waiter, get->cancel);
    int rc = ncp__engine_try(engine, waiter, ncp__engine_now(engine), &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    return rc;
}

void ncp__pool_after_fork(ncp_pool *pool)
{
    struct ncp__engine *engine = &pool->engine;

    if ((ncp__engine_gate(engine) & NCP__GATE_FORKED) == 0)
        return;
    atomic_fetch_and_explicit(&engine->gate, ~(uint64_t)NCP__GATE_FORKED,
                              memory_order_seq_cst);
    ncp__upkeep_replan(pool);
    if (!pool->pull)
        ncp__service_join(pool);
}

/* Everything but the shortest way. Counts the get, whatever becomes of it. */
static int get_slow(ncp_pool *pool, struct get *get, ncp_lease *out)
{
    struct ncp__engine *engine = &pool->engine;
    uint64_t now_ns = ncp__engine_now(engine);
    struct ncp__waiter waiter;
    int rc;

    ncp__pool_after_fork(pool);
    if (ncp__engine_closed(engine))
        return NCP_ECLOSED;
    if (ncp__cancel_fired(get->cancel)) {
        ncp__engine_count_failure(engine, NCP_ECANCELED);
        return NCP_ECANCELED;
    }
    ncp__waiter_init(&waiter, get->protocol, get->ip, now_ns,
                     ncp__deadline(now_ns, get->timeout_ms));
    waiter.dials_itself = ncp__pool_num(pool, NCP_OPTION_DIAL_IN_CALLER) != 0;
    waiter.plain = (pool->borrow_work & ~NCP__BORROW_DRAIN) == 0;
    do {
        rc = take_slow(pool, &waiter, get);
        get->code = waiter.code;
        if (rc == NCP_OK)
            rc = borrow(pool, waiter.slot, !waiter.fresh, &get->code);
    } while (rc == NCP_EAGAIN);
    get->fresh = waiter.fresh;
    if (waiter.counted)
        ncp__engine_count_end(engine, &waiter, rc, !waiter.fresh);
    if (rc != NCP_OK)
        return rc;
    ncp__get_record(pool, now_ns, 1);
    set_tag(ncp__engine_slot(engine, waiter.slot), get->tag);
    *out = ncp__engine_lease(engine, waiter.slot);
    return NCP_OK;
}

static int get_held(ncp_pool *pool, struct get *get, ncp_lease *out)
{
    ncp__pool_hold(pool);
    int rc = get_slow(pool, get, out);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

/* A fast get that still has to do something with its connection. */
static int get_with_work(ncp_pool *pool, uint32_t index, struct get *get,
                         uint64_t since_ns, ncp_lease *out)
{
    struct ncp__engine *engine = &pool->engine;
    int rc;

    if (ncp__cancel_fired(get->cancel)) {
        (void)ncp_pool_put(pool, ncp__engine_lease(engine, index));
        return get_held(pool, get, out);
    }
    rc = borrow(pool, index, true, &get->code);
    if (rc == NCP_EAGAIN)
        return get_held(pool, get, out);
    if (rc != NCP_OK) {
        ncp__engine_count_failure(engine, rc);
        return rc;
    }
    if (since_ns != 0)
        ncp__get_record(pool, since_ns, NCP__LATENCY_EVERY);
    ncp__engine_count_fast(ncp__engine_slot(engine, index));
    set_tag(ncp__engine_slot(engine, index), get->tag);
    *out = ncp__engine_lease(engine, index);
    return NCP_OK;
}

static int get(ncp_pool *pool, struct get *get, ncp_lease *out)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    uint64_t since_ns = ncp__get_sampled(pool) ? ncp__engine_now(engine) : 0;
    uint32_t index = ncp__engine_fast_get(
        engine, get->protocol, get->ip, ncp__engine_now_coarse(engine), &acts);

    if (NCP__UNLIKELY(!ncp__acts_empty(&acts)))
        ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    if (index == NCP__NO_SLOT)
        return get_held(pool, get, out);
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    if (NCP__UNLIKELY(has_work(pool, slot) || since_ns != 0 ||
                      get->cancel != NULL))
        return get_with_work(pool, index, get, since_ns, out);
    ncp__engine_count_fast(slot);
    set_tag(slot, get->tag);
    *out = ncp__engine_lease(engine, index);
    return NCP_OK;
}

/* --------------------------------------------------------------- public: get */

int ncp__want_check(int protocol, int ip)
{
    if (protocol < NCP_PROTOCOL_UNKNOWN || protocol > NCP_PROTOCOL_UDP)
        return NCP_EUNSUPPORTEDPROTO;
    if (ip < NCP_IP_UNKNOWN || ip > NCP_IP_V6)
        return NCP_EUNSUPPORTEDIP;
    return NCP_OK;
}

/* `*out` is 0. */
static int answer(ncp_pool *pool, struct get *request, ncp_lease *out)
{
    if (NCP__UNLIKELY(pool == NULL))
        return NCP_EINVAL;
    if (NCP__UNLIKELY(pool->pull))
        return NCP_ESTATE;
    int rc = ncp__want_check(request->protocol, request->ip);
    if (NCP__UNLIKELY(rc != NCP_OK))
        return rc;
    if (request->timeout_ms == NCP_TIMEOUT_DEFAULT)
        request->timeout_ms =
            atomic_load_explicit(&pool->get_timeout_ms, memory_order_relaxed);
    return get(pool, request, out);
}

/* A connection now, from a pool of the push driver; 0 when that takes longer. */
static inline ncp_lease quick(ncp_pool *pool, int protocol, int ip)
{
    if (NCP__UNLIKELY(pool == NULL || pool->pull))
        return 0;
    return ncp__quick_get(pool, ncp__idle_home(&pool->engine.idle),
                          &ncp__thread.gets, protocol, ip);
}

/* The same for somebody who marks it. */
static inline ncp_lease quick_tagged(ncp_pool *pool, int protocol, int ip,
                                     uint64_t tag)
{
    ncp_lease lease = quick(pool, protocol, ip);

    if (lease != 0)
        set_tag(ncp__engine_slot(&pool->engine, ncp__token_index(lease)), tag);
    return lease;
}

int ncp_pool_get_ex(ncp_pool *pool, int protocol, int ip, int64_t timeout_ms,
                    ncp_cancel *cancel, uint64_t tag, ncp_lease *out)
{
    struct get request = {protocol, ip, timeout_ms, cancel, tag, false, 0};

    if (NCP__UNLIKELY(out == NULL))
        return NCP_EINVAL;
    *out = 0;
    if (NCP__LIKELY(cancel == NULL))
        *out = quick_tagged(pool, protocol, ip, tag);
    return NCP__LIKELY(*out != 0) ? NCP_OK : answer(pool, &request, out);
}

int ncp_pool_borrow(ncp_pool *pool, int protocol, int ip, int64_t timeout_ms,
                    ncp_cancel *cancel, uint64_t tag, ncp_event *out)
{
    struct get request = {protocol, ip, timeout_ms, cancel, tag, false, 0};
    ncp_lease lease = 0;

    if (NCP__UNLIKELY(out == NULL))
        return NCP_EINVAL;
    if (NCP__LIKELY(cancel == NULL))
        lease = quick_tagged(pool, protocol, ip, tag);
    if (NCP__LIKELY(lease != 0)) {
        uint32_t index = ncp__token_index(lease);
        ncp__event_lend(out, pool, ncp__engine_slot(&pool->engine, index),
                        lease, tag);
        return NCP_OK;
    }
    ncp__event_clear(out, pool);
    out->status = answer(pool, &request, &lease);
    out->tag = tag;
    if (NCP__UNLIKELY(out->status != NCP_OK)) {
        out->code = request.code;
        return out->status;
    }
    ncp__event_slot(out, pool, ncp__token_index(lease), NCP_EVENT_CONN);
    out->reused = !request.fresh;
    return NCP_OK;
}

int ncp_pool_get(ncp_pool *pool, ncp_lease *out)
{
    ncp_lease lease = NCP__LIKELY(out != NULL) ? quick(pool, 0, 0) : 0;

    if (NCP__LIKELY(lease != 0)) {
        *out = lease;
        return NCP_OK;
    }
    return ncp_pool_get_ex(pool, NCP_PROTOCOL_UNKNOWN, NCP_IP_UNKNOWN,
                           NCP_TIMEOUT_DEFAULT, NULL, 0, out);
}

int ncp_pool_get_timeout(ncp_pool *pool, int64_t timeout_ms, ncp_lease *out)
{
    return ncp_pool_get_ex(pool, NCP_PROTOCOL_UNKNOWN, NCP_IP_UNKNOWN,
                           timeout_ms, NULL, 0, out);
}

int ncp_pool_try_get(ncp_pool *pool, ncp_lease *out)
{
    return ncp_pool_get_timeout(pool, 0, out);
}

int ncp_pool_get_tcp(ncp_pool *pool, ncp_lease *out)
{
    return ncp_pool_get_ex(pool, NCP_PROTOCOL_TCP, NCP_IP_UNKNOWN,
                           NCP_TIMEOUT_DEFAULT, NULL, 0, out);
}

int ncp_pool_get_udp(ncp_pool *pool, ncp_lease *out)
{
    return ncp_pool_get_ex(pool, NCP_PROTOCOL_UDP, NCP_IP_UNKNOWN,
                           NCP_TIMEOUT_DEFAULT, NULL, 0, out);
}

int ncp_pool_get_ipv4(ncp_pool *pool, ncp_lease *out)
{
    return ncp_pool_get_ex(pool, NCP_PROTOCOL_UNKNOWN, NCP_IP_V4,
                           NCP_TIMEOUT_DEFAULT, NULL, 0, out);
}

int ncp_pool_get_ipv6(ncp_pool *pool, ncp_lease *out)
{
    return ncp_pool_get_ex(pool, NCP_PROTOCOL_UNKNOWN, NCP_IP_V6,
                           NCP_TIMEOUT_DEFAULT, NULL, 0, out);
}
