/* The counters: one consistent snapshot of them all. */
#include "engine/engine.h"

enum { MILLION = 1000000, TORN_READS = 4 };

/* Idle connections, those under check included. */
struct idle_view {
    uint64_t all, tcp, udp, ipv4, ipv6;
};

static uint64_t count_bits(uint64_t mask)
{
    return (uint64_t)__builtin_popcountll(mask);
}

/* Opening and closing take the lock, so the set of connections stands still;
 * each of them is idle or not at the moment its chunk is read. */
static uint64_t idle_in(const struct ncp__chunk *chunk)
{
    uint64_t mask = atomic_load_explicit(&chunk->open, memory_order_relaxed);
    uint64_t idle = 0;

    for (; mask != 0; mask &= mask - 1) {
        enum ncp__state state =
            ncp__state_of(&chunk->slots[__builtin_ctzll(mask)]);
        if (state == NCP__IDLE || state == NCP__CHECKING)
            idle |= mask & -mask;
    }
    return idle;
}

static void view_idle_locked(const struct ncp__engine *engine,
                             struct idle_view *view)
{
    uint32_t chunks = ncp__chunk_count(&engine->slots);

    *view = (struct idle_view){0};
    for (uint32_t i = 0; i < chunks; i++) {
        const struct ncp__chunk *chunk = ncp__chunk_at(&engine->slots, i);
        uint64_t idle = idle_in(chunk);
        view->all += count_bits(idle);
        view->tcp += count_bits(
            idle & atomic_load_explicit(&chunk->tcp, memory_order_relaxed));
        view->udp += count_bits(
            idle & atomic_load_explicit(&chunk->udp, memory_order_relaxed));
        view->ipv4 += count_bits(
            idle & atomic_load_explicit(&chunk->ipv4, memory_order_relaxed));
        view->ipv6 += count_bits(
            idle & atomic_load_explicit(&chunk->ipv6, memory_order_relaxed));
    }
}

static void at_most(uint64_t *value, uint64_t limit)
{
    if (*value > limit)
        *value = limit;
}

static void keep_limit(struct idle_view *view, uint64_t limit)
{
    at_most(&view->all, limit);
    at_most(&view->tcp, limit);
    at_most(&view->udp, limit - view->tcp);
    at_most(&view->ipv4, limit);
    at_most(&view->ipv6, limit - view->ipv4);
}

/* Chunks are read one after the other, so a connection may be counted idle in
 * two of them in turn: read again until the limit is kept. */
static void view_idle(const struct ncp__engine *engine, struct idle_view *view)
{
    for (int i = 0; i < TORN_READS; i++) {
        view_idle_locked(engine, view);
        if (view->all <= engine->max_idle)
            return;
    }
    keep_limit(view, engine->max_idle);
}

static uint64_t fast_gets(const struct ncp__engine *engine)
{
    uint32_t chunks = ncp__chunk_count(&engine->slots);
    uint64_t sum = 0;

    for (uint32_t c = 0; c < chunks; c++) {
        const struct ncp__chunk *chunk = ncp__chunk_at(&engine->slots, c);
        for (int i = 0; i < NCP__CHUNK_SLOTS; i++)
            sum += atomic_load_explicit(&chunk->slots[i].gets,
                                        memory_order_relaxed);
    }
    return sum;
}

/* part / whole in millionths. */
static uint64_t ratio(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : (uint64_t)((double)part / (double)whole * MILLION);
}

static void connections(const struct ncp__engine *engine, uint64_t *v)
{
    const struct ncp__tally *tally = &engine->tally;
    struct idle_view idle;

    view_idle(engine, &idle);
    v[NCP_COUNTER_CREATED] = tally->created;
    v[NCP_COUNTER_CLOSED] = tally->closed;
    v[NCP_COUNTER_CURRENT] = engine->open;
    v[NCP_COUNTER_IDLE] = idle.all;
    v[NCP_COUNTER_ACTIVE] = engine->open - idle.all;
    v[NCP_COUNTER_IPV4] = tally->current_by_ip[NCP_IP_V4];
    v[NCP_COUNTER_IPV6] = tally->current_by_ip[NCP_IP_V6];
    v[NCP_COUNTER_TCP] = tally->current_by_protocol[NCP_PROTOCOL_TCP];
    v[NCP_COUNTER_UDP] = tally->current_by_protocol[NCP_PROTOCOL_UDP];
    v[NCP_COUNTER_IPV4_IDLE] = idle.ipv4;
    v[NCP_COUNTER_IPV6_IDLE] = idle.ipv6;
    v[NCP_COUNTER_TCP_IDLE] = idle.tcp;
    v[NCP_COUNTER_UDP_IDLE] = idle.udp;
    v[NCP_COUNTER_DIALING] = engine->dialing;
    v[NCP_COUNTER_WAITING] = engine->lines.waiting;
    v[NCP_COUNTER_DETACHED] = tally->detached;
    v[NCP_COUNTER_EVICTED] = tally->evicted;
    v[NCP_COUNTER_LEAKED] = tally->leaked;
    v[NCP_COUNTER_AVERAGE_LIFETIME] =
        tally->closed == 0 ? 0 : tally->lifetime_ns / tally->closed;
    v[NCP_COUNTER_UTILIZATION] =
        ratio(v[NCP_COUNTER_ACTIVE], engine->limits.max);
}

static void gets(const struct ncp__engine *engine, uint64_t *v)
{
    const struct ncp__tally *tally = &engine->tally;
    uint64_t fast = fast_gets(engine);

    v[NCP_COUNTER_SUCCESSFUL] = fast + tally->slow_successful;
    v[NCP_COUNTER_REUSED] = fast + tally->slow_reused;
    v[NCP_COUNTER_FAILED] = tally->failed;
    v[NCP_COUNTER_TIMEOUT] = tally->timeout;
    v[NCP_COUNTER_CANCELED] = tally->canceled;
    v[NCP_COUNTER_IN_FLIGHT] = tally->in_flight;
    v[NCP_COUNTER_TOTAL] = v[NCP_COUNTER_SUCCESSFUL] + tally->failed +
                           tally->timeout + tally->in_flight;
    v[NCP_COUNTER_AVERAGE_REUSE] =
        ratio(v[NCP_COUNTER_REUSED], v[NCP_COUNTER_CREATED]);
}

static void times(const struct ncp__engine *engine, uint64_t *v)
{
    struct ncp__latency *latency = engine->latency;
    struct ncp__percentiles percentiles = ncp__latency_percentiles(latency);
    uint64_t total =
        atomic_load_explicit(&latency->total_ns, memory_order_relaxed);
    uint64_t successful = v[NCP_COUNTER_SUCCESSFUL];

    v[NCP_COUNTER_TOTAL_GET_TIME] = total;
    v[NCP_COUNTER_AVERAGE_GET_TIME] = successful == 0 ? 0 : total / successful;
    v[NCP_COUNTER_MAX_GET_TIME] = percentiles.max_ns;
    v[NCP_COUNTER_P50_GET_TIME] = percentiles.p50_ns;
    v[NCP_COUNTER_P95_GET_TIME] = percentiles.p95_ns;
    v[NCP_COUNTER_P99_GET_TIME] = percentiles.p99_ns;
}

static void creations(const struct ncp__engine *engine, uint64_t *v)
{
    const struct ncp__tally *tally = &engine->tally;
    uint64_t attempts = tally->hc_attempts;

    v[NCP_COUNTER_CONNECTION_ERRORS] = tally->connection_errors;
    v[NCP_COUNTER_CREATION_FAILURE_RATE] = ratio(
        tally->connection_errors, tally->created + tally->connection_errors);
    v[NCP_COUNTER_HC_ATTEMPTS] = attempts;
    v[NCP_COUNTER_HC_FAILURES] = tally->hc_failures;
    v[NCP_COUNTER_UNHEALTHY] = tally->unhealthy;
    v[NCP_COUNTER_HC_SUCCESS_RATE] =
        attempts == 0 ? MILLION
                      : ratio(attempts - tally->hc_failures, attempts);
    v[NCP_COUNTER_PREWARM_TARGET] = engine->prewarm.target;
    v[NCP_COUNTER_PREWARM_CREATED] = engine->prewarm.created;
    v[NCP_COUNTER_PREWARM_COMPLETED] =
        engine->prewarm.ended && !engine->prewarm.failed;
    v[NCP_COUNTER_BREAKER_OPEN] =
        engine->gatekeeper.breaker != NCP__BREAKER_CLOSED;
    v[NCP_COUNTER_BREAKER_TRIPS] = engine->gatekeeper.trips;
}

void ncp__engine_snapshot(struct ncp__engine *engine, uint64_t *values)
{
    for (int i = 0; i < NCP_COUNTER_COUNT; i++)
        values[i] = 0;
    if (engine->latency == NULL)
        return; /* statistics are off */
    ncp__engine_lock(engine);
    connections(engine, values);
    gets(engine, values);
    times(engine, values);
    creations(engine, values);
    ncp__engine_unlock(engine);
    values[NCP_COUNTER_LAST_UPDATE] = ncp__engine_now(engine);
}

void ncp__engine_counts(struct ncp__engine *engine, uint32_t *idle,
                        uint32_t *active)
{
    struct idle_view view;

    ncp__engine_lock(engine);
    view_idle(engine, &view);
    *idle = (uint32_t)view.all;
    *active = engine->open - (uint32_t)view.all;
    ncp__engine_unlock(engine);
}
