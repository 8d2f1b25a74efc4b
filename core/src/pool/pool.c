/* The life of a pool: new, references, options, and what changes all of it. */
#include "pool/pool.h"

#include <string.h>

#define WAIT_POLICY_BACKOFF_NS (10 * NCP__NS_PER_MS)

/* ------------------------------------------------------------------- references */

void ncp__pool_hold(ncp_pool *pool)
{
    atomic_fetch_add_explicit(&pool->refs, 1, memory_order_relaxed);
}

static void destroy(ncp_pool *pool)
{
    ncp__registry_remove(pool);
    ncp__service_leave(pool);
    ncp__pull_destroy(pool);
    ncp__stack_free(pool);
    ncp__config_clear(&pool->config);
    ncp__alarm_close(&pool->wake);
    ncp__engine_destroy(&pool->engine);
    ncp__free_aligned(pool);
}

void ncp__pool_release(ncp_pool *pool)
{
    if (atomic_fetch_sub_explicit(&pool->refs, 1, memory_order_acq_rel) == 1)
        destroy(pool);
}

void ncp__pool_settle(ncp_pool *pool)
{
    struct ncp__engine *engine = &pool->engine;

    if (!atomic_load_explicit(&pool->orphaned, memory_order_acquire))
        return;
    ncp__engine_lock(engine);
    bool now = !pool->settled && engine->open == 0 && engine->dialing == 0 &&
               engine->closing == 0 && engine->out == 0 &&
               pool->checks_out == 0 && pool->events_out == 0;
    if (now)
        pool->settled = true;
    ncp__engine_unlock(engine);
    if (!now)
        return;
    if (pool->pull)
        ncp__queue_remove_pool(pool->config.queue, pool);
    ncp__pool_release(pool);
}

ncp_pool *ncp_pool_ref(ncp_pool *pool)
{
    if (pool != NULL)
        atomic_fetch_add_explicit(&pool->handles, 1, memory_order_relaxed);
    return pool;
}

/* What was taken away and never put keeps no descriptor. */
static void let_go_of_taken(ncp_pool *pool)
{
    uint32_t count =
        ncp__chunk_count(&pool->engine.slots) * (uint32_t)NCP__CHUNK_SLOTS;

    for (uint32_t index = 0; index < count; index++)
        ncp__conn_abandoned(pool, index);
}

void ncp_pool_free(ncp_pool *pool)
{
    if (pool == NULL ||
        atomic_fetch_sub_explicit(&pool->handles, 1, memory_order_acq_rel) != 1)
        return;
    ncp__pool_hold(pool);
    (void)ncp_pool_close(pool);
    let_go_of_taken(pool);
    ncp__service_leave(pool);
    atomic_store_explicit(&pool->orphaned, true, memory_order_release);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
}

int ncp_pool_find(const char *name, ncp_pool **out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = NULL;
    if (name == NULL)
        return NCP_EINVAL;
    *out = ncp__registry_find(name);
    return *out == NULL ? NCP_ENOTFOUND : NCP_OK;
}

/* ----------------------------------------------------------------------- limits */

static uint32_t count_of(const ncp_pool *pool, int option)
{
    return (uint32_t)ncp__pool_num(pool, option);
}

static void apply_gatekeeper(ncp_pool *pool)
{
    struct ncp__gatekeeper *gatekeeper = &pool->engine.gatekeeper;

    gatekeeper->rate = count_of(pool, NCP_OPTION_DIAL_RATE);
    gatekeeper->burst = count_of(pool, NCP_OPTION_DIAL_BURST);
    gatekeeper->backoff_ns = ncp__pool_option_ns(pool, NCP_OPTION_DIAL_BACKOFF);
    gatekeeper->backoff_max_ns =
        ncp__pool_option_ns(pool, NCP_OPTION_DIAL_BACKOFF_MAX);
    gatekeeper->breaker_failures = count_of(pool, NCP_OPTION_BREAKER_FAILURES);
    gatekeeper->cooldown_ns =
        ncp__pool_option_ns(pool, NCP_OPTION_BREAKER_COOLDOWN);
    /* Waiters that nobody tells of a failure must not dial in a circle. */
    if (ncp__pool_num(pool, NCP_OPTION_DIAL_POLICY) == NCP_DIAL_WAIT &&
        gatekeeper->backoff_ns == 0)
        gatekeeper->backoff_ns = WAIT_POLICY_BACKOFF_NS;
    if (gatekeeper->backoff_max_ns < gatekeeper->backoff_ns)
        gatekeeper->backoff_max_ns = gatekeeper->backoff_ns;
}

void ncp__pool_apply_limits(ncp_pool *pool)
{
    bool server = ncp__pool_num(pool, NCP_OPTION_MODE) == NCP_MODE_SERVER;

    pool->engine.limits = (struct ncp__engine_limits){
        .max = count_of(pool, NCP_OPTION_MAX_CONNECTIONS),
        .max_idle = count_of(pool, NCP_OPTION_MAX_IDLE_CONNECTIONS),
        .min = count_of(pool, NCP_OPTION_MIN_CONNECTIONS),
        .max_creates = count_of(pool, NCP_OPTION_MAX_CONCURRENT_CREATES),
        .max_waiters = count_of(pool, NCP_OPTION_MAX_WAITERS),
        .create_retries = count_of(pool, NCP_OPTION_CREATE_RETRIES),
        .create_retry_ns =
            ncp__pool_option_ns(pool, NCP_OPTION_CREATE_RETRY_INTERVAL),
        .connection_timeout_ns =
            ncp__pool_option_ns(pool, NCP_OPTION_CONNECTION_TIMEOUT),
        .idle_timeout_ns = ncp__pool_option_ns(pool, NCP_OPTION_IDLE_TIMEOUT),
        .max_lifetime_ns = ncp__pool_option_ns(pool, NCP_OPTION_MAX_LIFETIME),
        .jitter_percent = count_of(pool, NCP_OPTION_EXPIRY_JITTER),
        .dial_policy = (uint8_t)ncp__pool_num(pool, NCP_OPTION_DIAL_POLICY),
        .adaptive =
            ncp__pool_num(pool, NCP_OPTION_FAIRNESS) == NCP_FAIRNESS_ADAPTIVE,
        .server = server,
        .one_dial = server && !pool->pull && pool->config.acceptor == NULL,
        .close_first = !pool->pull,
        .prewarm_retry = ncp__pool_num(pool, NCP_OPTION_PREWARM_RETRY) != 0,
        .prewarm_max_retries = count_of(pool, NCP_OPTION_PREWARM_MAX_RETRIES),
        .prewarm_retry_ns =
            ncp__pool_option_ns(pool, NCP_OPTION_PREWARM_RETRY_INTERVAL),
        .maintain_min = ncp__pool_num(pool, NCP_OPTION_MAINTAIN_MIN) != 0,
        .stats = ncp__pool_num(pool, NCP_OPTION_STATS) != 0,
    };
    apply_gatekeeper(pool);
}

static uint32_t prewarm_target(const ncp_pool *pool)
{
    uint32_t min = count_of(pool, NCP_OPTION_MIN_CONNECTIONS);
    uint32_t max = count_of(pool, NCP_OPTION_MAX_CONNECTIONS);
    uint32_t max_idle = count_of(pool, NCP_OPTION_MAX_IDLE_CONNECTIONS);

    if (ncp__pool_num(pool, NCP_OPTION_MODE) == NCP_MODE_SERVER)
        return 0;
    min = min < max_idle ? min : max_idle;
    return max != 0 && max < min ? max : min;
}

/* ---------------------------------------------------------------------- making */

static ncp_conn_fn hook_of(const ncp_pool *pool, int callback, void **user)
{
    const struct ncp__hook *hook = pool->config.conn[callback];

    *user = hook == NULL ? NULL : hook->user;
    return hook == NULL ? NULL : hook->fn.conn;
}

static void choose_work(ncp_pool *pool)
{
    pool->on_borrow =
        hook_of(pool, NCP_CALLBACK_ON_BORROW, &pool->on_borrow_user);
    pool->on_return =
        hook_of(pool, NCP_CALLBACK_ON_RETURN, &pool->on_return_user);
    if (pool->on_borrow != NULL ||
        (ncp__pool_num(pool, NCP_OPTION_HOST_EVENTS) & NCP_HOST_BORROW) != 0)
        pool->borrow_work |= NCP__BORROW_HOOK;
    if (ncp__pool_num(pool, NCP_OPTION_CHECK_ON_BORROW) != 0)
        pool->borrow_work |= NCP__BORROW_CHECK;
    if (ncp__pool_num(pool, NCP_OPTION_CLEAR_UDP) != 0)
        pool->borrow_work |= NCP__BORROW_DRAIN;
    if (ncp__pool_num(pool, NCP_OPTION_CAPTURE_STACKS) != 0)
        pool->borrow_work |= NCP__BORROW_STACK;
    if (pool->on_return != NULL)
        pool->return_work |= NCP__RETURN_HOOK;
    if (ncp__pool_num(pool, NCP_OPTION_RESTORE_BLOCKING) != 0)
        pool->return_work |= NCP__RETURN_BLOCKING;
}

/* Stale datagrams are dropped on the long way. */
static void choose_quick(ncp_pool *pool)
{
    pool->quick_stop = NCP__FLAG_UNHEALTHY;
    if ((pool->borrow_work & NCP__BORROW_DRAIN) != 0)
        pool->quick_stop |= NCP__FLAG_DATAGRAM;
    if ((pool->borrow_work & ~NCP__BORROW_DRAIN) == 0)
        pool->quick |= NCP__QUICK_GET;
    if (pool->return_work == 0 && (pool->borrow_work & NCP__BORROW_ASK) == 0)
        pool->quick |= NCP__QUICK_PUT;
}

/* A dialer for the target, unless the user has one of his own. */
static int choose_dialer(ncp_pool *pool)
{
    struct ncp_config *config = &pool->config;

    if (pool->pull || config->dialer != NULL ||
        ncp__pool_num(pool, NCP_OPTION_MODE) == NCP_MODE_SERVER)
        return NCP_OK;
    return ncp__net.dialer_new(config, &config->dialer);
}

/* Several pools, threads or processes may accept from one listener: it does not
 * block, so that none gets stuck when another was faster. */
static int prepare_accept(ncp_pool *pool)
{
    pool->accepts = ncp__pool_num(pool, NCP_OPTION_MODE) == NCP_MODE_SERVER &&
                    !pool->pull && pool->config.acceptor == NULL;
    if (!pool->accepts)
        return NCP_OK;
    if (ncp__alarm_open(&pool->wake) != NCP_OK)
        return NCP_ESYS;
    ncp__net.set_nonblocking((int)ncp__pool_num(pool, NCP_OPTION_LISTENER_FD),
                             true);
    return NCP_OK;
}

static int init_engine(ncp_pool *pool)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__engine_limits limits;
    struct ncp__acts acts = NCP__NO_ACTS;

    ncp__pool_apply_limits(pool);
    limits = engine->limits;
    if (pool->config.clock != NULL) {
        engine->clock = pool->config.clock->fn.clock;
        engine->clock_user = pool->config.clock->user;
    }
    int rc = ncp__engine_init(
        engine, &limits, (int)ncp__pool_num(pool, NCP_OPTION_STORE),
        ncp__pool_num(pool, NCP_OPTION_IDLE_ORDER) == NCP_IDLE_FIFO,
        count_of(pool, NCP_OPTION_LATENCY_SAMPLES));
    if (rc != NCP_OK)
        return rc;
    apply_gatekeeper(pool);
    engine->prewarm.ended = true; /* until ncp_pool_new says so */
    ncp__engine_limits_changed(engine, ncp__engine_now(engine), &acts);
    return NCP_OK;
}

/* Ages that are judged to the millisecond want the clock itself. */
static bool is_coarse(const ncp_pool *pool)
{
    static const int ages[] = {NCP_OPTION_IDLE_TIMEOUT, NCP_OPTION_MAX_LIFETIME,
                               NCP_OPTION_LEAK_TIMEOUT};
    const int64_t shortest_ms = 10000;

    for (size_t i = 0; i < sizeof(ages) / sizeof(ages[0]); i++) {
        int64_t age_ms = ncp__pool_num(pool, ages[i]);
        if (age_ms != 0 && age_ms < shortest_ms)
            return false;
    }
    return pool->engine.clock == NULL && !pool->pull;
}

/* Everything that can fail; what was made is undone by the caller. */
static int build(ncp_pool *pool, const ncp_config *config)
{
    int rc = ncp__config_copy_into(&pool->config, config);

    if (rc != NCP_OK)
        return rc;
    pool->pull = ncp__pool_num(pool, NCP_OPTION_DRIVER) == NCP_DRIVER_PULL;
    rc = choose_dialer(pool);
    if (rc == NCP_OK)
        rc = prepare_accept(pool);
    if (rc == NCP_OK)
        rc = ncp__pull_init(pool);
    return rc == NCP_OK ? init_engine(pool) : rc;
}

static void unbuild(ncp_pool *pool)
{
    ncp__alarm_close(&pool->wake);
    ncp__pull_destroy(pool);
    ncp__config_clear(&pool->config);
    ncp__free_aligned(pool);
}

static void prewarm(ncp_pool *pool)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;

    ncp__engine_lock(engine);
    engine->prewarm.target = prewarm_target(pool);
    engine->prewarm.ended = engine->prewarm.target == 0;
    ncp__serve_locked(engine, ncp__engine_now(engine), &acts);
    ncp__engine_unlock(engine);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    if (ncp__pool_num(pool, NCP_OPTION_PREWARM_BLOCKING) != 0)
        (void)ncp_pool_prewarm_wait(pool, -1);
}

int ncp_pool_new(ncp_config *config, ncp_pool **out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = NULL;
    if (config == NULL)
        return NCP_EINVALIDCONFIG;
    bool derives_cleanup = config->num[NCP_OPTION_CLEANUP_INTERVAL] == 0;
    bool derives_leak = config->num[NCP_OPTION_LEAK_INTERVAL] == 0;
    int rc = ncp_config_validate(config);
    if (rc != NCP_OK)
        return rc;
    ncp_pool *pool = ncp__alloc_aligned(sizeof(*pool), NCP__CACHE_LINE);
    if (pool == NULL)
        return NCP_ENOMEM;
    pool->wake = (struct ncp__alarm){-1, -1};
    pool->job_head = NCP__NO_SLOT;
    pool->job_tail = NCP__NO_SLOT;
    pool->derives_cleanup = derives_cleanup;
    pool->derives_leak = derives_leak;
    atomic_init(&pool->handles, 1);
    atomic_init(&pool->refs, 1);
    rc = build(pool, config);
    if (rc != NCP_OK) {
        unbuild(pool);
        return rc;
    }
    atomic_init(&pool->get_timeout_ms,
                ncp__pool_num(pool, NCP_OPTION_GET_TIMEOUT));
    choose_work(pool);
    choose_quick(pool);
    ncp__service_set_ticks(pool, is_coarse(pool));
    ncp__upkeep_plan(pool, ncp__engine_now(&pool->engine));
    ncp__registry_add(pool);
    if (!pool->pull)
        ncp__service_join(pool);
    prewarm(pool);
    *out = pool;
    return NCP_OK;
}

/* --------------------------------------------------------------------- options */

/* Intervals that follow a timeout follow it again. */
static int checked_copy(const ncp_pool *pool, int option, int64_t value,
                        struct ncp_config *copy)
{
    int rc = ncp__config_copy_into(copy, &pool->config);

    if (rc != NCP_OK)
        return rc;
    if (pool->derives_cleanup)
        copy->num[NCP_OPTION_CLEANUP_INTERVAL] = 0;
    if (pool->derives_leak)
        copy->num[NCP_OPTION_LEAK_INTERVAL] = 0;
    copy->num[option] = value;
    return ncp_config_validate(copy);
}

static void take_numbers(ncp_pool *pool, const struct ncp_config *from)
{
    for (int option = 0; option < NCP__OPTION_END; option++)
        if (ncp_option_runtime(option) == 1 ||
            option == NCP_OPTION_CLEANUP_INTERVAL)
            __atomic_store_n(&pool->config.num[option], from->num[option],
                             __ATOMIC_RELAXED);
}

static int set_option(ncp_pool *pool, int option, int64_t value)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    struct ncp_config copy = {.queue = NULL};
    int rc = checked_copy(pool, option, value, &copy);

    if (rc == NCP_OK) {
        ncp__engine_lock(engine);
        take_numbers(pool, &copy);
        ncp__pool_apply_limits(pool);
        ncp__limits_changed_locked(engine, ncp__engine_now(engine), &acts);
        ncp__engine_unlock(engine);
        atomic_store_explicit(&pool->get_timeout_ms,
                              ncp__pool_num(pool, NCP_OPTION_GET_TIMEOUT),
                              memory_order_relaxed);
        ncp__service_set_ticks(pool, is_coarse(pool));
        ncp__upkeep_replan(pool);
        ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    }
    ncp__config_clear(&copy);
    return rc;
}

int ncp_pool_set(ncp_pool *pool, int option, int64_t value)
{
    int runtime = ncp_option_runtime(option);

    if (pool == NULL)
        return NCP_EINVAL;
    if (runtime < 0)
        return runtime;
    if (runtime == 0)
        return NCP_ESTATE;
    if (ncp__engine_closed(&pool->engine))
        return NCP_ECLOSED;
    return set_option(pool, option, value);
}

int ncp_pool_resize(ncp_pool *pool, int64_t max_connections)
{
    struct ncp__engine *engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    char reason[NCP__REASON_SIZE];

    if (pool == NULL)
        return NCP_EINVAL;
    if (ncp__option_check(NCP_OPTION_MAX_CONNECTIONS, max_connections,
                          reason) != NCP_OK)
        return NCP_EINVALIDCONFIG;
    engine = &pool->engine;
    int rc = ncp__engine_resize(engine, (uint32_t)max_connections,
                                ncp__engine_now(engine), &acts);
    if (rc == NCP_OK)
        __atomic_store_n(&pool->config.num[NCP_OPTION_MAX_CONNECTIONS],
                         max_connections, __ATOMIC_RELAXED);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    return rc;
}

/* A lowered limit lowers what may not exceed it. */
static int64_t in_force(const ncp_pool *pool, int option, int64_t value)
{
    int64_t max = ncp__pool_num(pool, NCP_OPTION_MAX_CONNECTIONS);

    if (option != NCP_OPTION_MAX_IDLE_CONNECTIONS &&
        option != NCP_OPTION_MIN_CONNECTIONS)
        return value;
    return max != 0 && max < value ? max : value;
}

int ncp_pool_option(const ncp_pool *pool, int option, int64_t *out)
{
    int type = ncp_option_type(option);

    if (out == NULL)
        return NCP_EINVAL;
    *out = 0;
    if (pool == NULL)
        return NCP_EINVAL;
    if (type < 0)
        return type;
    if (type == NCP_TYPE_TEXT)
        return NCP_EINVALIDCONFIG;
    *out = in_force(pool, option, ncp__pool_num(pool, option));
    return NCP_OK;
}

/* ---------------------------------------------------------------------- closing */

static void note_close_status(ncp_pool *pool, int status)
{
    int none = NCP_OK;

    atomic_compare_exchange_strong_explicit(&pool->close_status, &none, status,
                                            memory_order_relaxed,
                                            memory_order_relaxed);
}

int ncp_pool_close(ncp_pool *pool)
{
    struct ncp__acts acts = NCP__NO_ACTS;

    if (pool == NULL)
        return NCP_EINVAL;
    ncp__pool_hold(pool);
    bool first = !ncp__engine_closed(&pool->engine);
    ncp__log(pool, NCP_LOG_INFO, 0, "event=pool_close first=%d", first);
    ncp__engine_close(&pool->engine, ncp__engine_now(&pool->engine), &acts);
    int rc = ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    if (pool->pull)
        ncp__pull_drop_needless(pool);
    note_close_status(pool, rc);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return first ? rc : NCP_OK;
}

static bool all_back(const ncp_pool *pool)
{
    const struct ncp__engine *engine = &pool->engine;

    return engine->open == 0 && engine->dialing == 0 && engine->closing == 0;
}

int ncp_pool_close_wait(ncp_pool *pool, int64_t timeout_ms)
{
    int rc = ncp_pool_close(pool);

    if (rc == NCP_EINVAL)
        return rc;
    int waited = ncp__pool_wait(pool, timeout_ms, all_back);
    return waited != NCP_OK ? waited : rc;
}

void ncp__pool_take_away_all(ncp_pool *pool)
{
    struct ncp__engine *engine = &pool->engine;
    uint32_t count =
        ncp__chunk_count(&engine->slots) * (uint32_t)NCP__CHUNK_SLOTS;

    for (uint32_t index = 0; index < count; index++) {
        struct ncp__slot_copy copy;
        uint64_t word = atomic_load_explicit(
            &ncp__engine_slot(engine, index)->word, memory_order_acquire);
        if (ncp__word_state(word) != NCP__LEASED)
            continue;
        uint64_t generation = ncp__word_generation(word);
        ncp_lease lease = ncp__token(generation, index);
        if (ncp__pull_drop_check(pool, lease, NCP_ECLOSED))
            (void)ncp__lease_discard(pool, lease, NCP_REASON_POOL_CLOSED);
        else
            (void)ncp__conn_take_away(pool, index, generation, NCP__TAKEN,
                                      NCP_REASON_POOL_CLOSED, &copy);
    }
}

int ncp_pool_close_now(ncp_pool *pool)
{
    if (pool == NULL)
        return NCP_EINVAL;
    ncp__pool_hold(pool);
    int rc = ncp_pool_close(pool);
    ncp__pool_take_away_all(pool);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

int ncp_pool_drain(ncp_pool *pool, int64_t timeout_ms)
{
    int rc = ncp_pool_close_wait(pool, timeout_ms);

    if (rc != NCP_ETIMEOUT)
        return rc;
    (void)ncp_pool_close_now(pool);
    return rc;
}

int ncp_pool_is_closed(const ncp_pool *pool)
{
    return pool == NULL ? NCP_EINVAL : ncp__engine_closed(&pool->engine);
}

int ncp_pool_flush(ncp_pool *pool)
{
    struct ncp__acts acts = NCP__NO_ACTS;

    if (pool == NULL)
        return NCP_EINVAL;
    int rc =
        ncp__engine_flush(&pool->engine, ncp__engine_now(&pool->engine), &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    return rc;
}

static int suspend(ncp_pool *pool, bool on)
{
    struct ncp__acts acts = NCP__NO_ACTS;

    if (pool == NULL)
        return NCP_EINVAL;
    int rc = ncp__engine_suspend(&pool->engine, on,
                                 ncp__engine_now(&pool->engine), &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    return rc;
}

int ncp_pool_suspend(ncp_pool *pool)
{
    return suspend(pool, true);
}

int ncp_pool_resume(ncp_pool *pool)
{
    return suspend(pool, false);
}

/* ---------------------------------------------------------------------- waiting */

int64_t ncp__ms_until(uint64_t now_ns, uint64_t deadline_ns)
{
    if (deadline_ns == NCP__NEVER)
        return -1;
    if (deadline_ns <= now_ns)
        return 0;
    return (int64_t)((deadline_ns - now_ns + NCP__NS_PER_MS - 1) /
                     NCP__NS_PER_MS);
}

void ncp__pool_park(const ncp_pool *pool, atomic_uint *word, unsigned expected,
                    uint64_t deadline_ns)
{
    ncp__park(word, expected,
              pool->engine.clock == NULL ? deadline_ns : NCP__NEVER);
}

static bool is_done(ncp_pool *pool, bool (*done)(const ncp_pool *pool))
{
    ncp__engine_lock(&pool->engine);
    bool result = done(pool);
    ncp__engine_unlock(&pool->engine);
    return result;
}

int ncp__pool_wait(ncp_pool *pool, int64_t timeout_ms,
                   bool (*done)(const ncp_pool *pool))
{
    struct ncp__engine *engine = &pool->engine;
    uint64_t deadline_ns = ncp__deadline(ncp__engine_now(engine), timeout_ms);
    int rc = NCP_OK;

    ncp__pool_hold(pool);
    /* Seq_cst: pairs with tell_signal in acts.c. */
    atomic_fetch_add_explicit(&engine->signal_waiters, 1, memory_order_seq_cst);
    for (;;) {
        unsigned seen =
            atomic_load_explicit(&engine->signal, memory_order_seq_cst);
        if (is_done(pool, done))
            break;
        if (ncp__engine_now(engine) >= deadline_ns) {
            rc = NCP_ETIMEOUT;
            break;
        }
        ncp__pool_park(pool, &engine->signal, seen, deadline_ns);
    }
    atomic_fetch_sub_explicit(&engine->signal_waiters, 1, memory_order_relaxed);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

static bool prewarm_ended(const ncp_pool *pool)
{
    return pool->engine.prewarm.ended;
}

int ncp_pool_prewarm_wait(ncp_pool *pool, int64_t timeout_ms)
{
    if (pool == NULL)
        return NCP_EINVAL;
    int rc = ncp__pool_wait(pool, timeout_ms, prewarm_ended);
    if (rc != NCP_OK)
        return rc;
    ncp__engine_lock(&pool->engine);
    bool failed = pool->engine.prewarm.failed;
    ncp__engine_unlock(&pool->engine);
    if (failed)
        return ncp__engine_closed(&pool->engine) ? NCP_ECLOSED : NCP_EDIAL;
    return NCP_OK;
}

static void poke_all(struct ncp__engine *engine)
{
    ncp__engine_lock(engine);
    for (int line = 0; line < NCP__LINES; line++)
        for (struct ncp__waiter *waiter = engine->lines.line[line].head;
             waiter != NULL; waiter = waiter->next)
            ncp__waiter_poke(waiter);
    ncp__engine_unlock(engine);
}

int ncp_pool_wake(ncp_pool *pool)
{
    if (pool == NULL)
        return NCP_EINVAL;
    if (!pool->pull)
        atomic_store_explicit(&pool->wake_pending, true, memory_order_seq_cst);
    poke_all(&pool->engine);
    atomic_fetch_add_explicit(&pool->engine.signal, 1, memory_order_seq_cst);
    ncp__unpark(&pool->engine.signal);
    if (pool->pull)
        ncp__host_due(pool, 0);
    else
        ncp__service_kick();
    return NCP_OK;
}

/* ------------------------------------------------------------------------- fork */

void ncp__pool_forked(ncp_pool *pool,
                      void (*drop)(void *context, struct ncp__slot *slot))
{
    ncp__engine_forked(&pool->engine, drop, pool);
    pool->job_head = NCP__NO_SLOT;
    pool->job_tail = NCP__NO_SLOT;
    pool->checks_out = 0;
    memset(pool->late_checks, 0, sizeof(pool->late_checks));
    pool->events_out = 0;
    atomic_store_explicit(&pool->keeping, false, memory_order_relaxed);
    ncp__pull_forked(pool);
    ncp__alarm_forked(&pool->wake);
}
