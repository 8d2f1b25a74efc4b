/* Statistics: the table of counters and the snapshot. */
#include "pool/pool.h"

#include <string.h>

static const struct {
    int kind;
    const char *name, *unit, *help;
} counters[NCP_COUNTER_COUNT] = {
#define ROW(counter, kind, name, unit, help)                                   \
    [NCP_COUNTER_##counter] = {NCP_KIND_##kind, name, unit, help}
    ROW(CREATED, CUMULATIVE, "created", "", "connections that joined the pool"),
    ROW(CLOSED, CUMULATIVE, "closed", "", "connections that left it"),
    ROW(CURRENT, GAUGE, "current", "", "created - closed = idle + active"),
    ROW(IDLE, GAUGE, "idle", "", "connections that wait to be borrowed"),
    ROW(ACTIVE, GAUGE, "active", "", "connections that are borrowed"),
    ROW(IPV4, GAUGE, "ipv4", "", "current connections over IPv4"),
    ROW(IPV6, GAUGE, "ipv6", "", "current connections over IPv6"),
    ROW(IPV4_IDLE, GAUGE, "ipv4_idle", "", "idle connections over IPv4"),
    ROW(IPV6_IDLE, GAUGE, "ipv6_idle", "", "idle connections over IPv6"),
    ROW(TCP, GAUGE, "tcp", "", "current TCP connections"),
    ROW(UDP, GAUGE, "udp", "", "current UDP connections"),
    ROW(TCP_IDLE, GAUGE, "tcp_idle", "", "idle TCP connections"),
    ROW(UDP_IDLE, GAUGE, "udp_idle", "", "idle UDP connections"),
    ROW(TOTAL, CUMULATIVE, "total", "",
        "gets: successful + failed + timeout + in_flight"),
    ROW(SUCCESSFUL, CUMULATIVE, "successful", "", "gets that succeeded"),
    ROW(FAILED, CUMULATIVE, "failed", "", "gets that failed"),
    ROW(TIMEOUT, CUMULATIVE, "timeout", "", "gets whose deadline passed"),
    ROW(IN_FLIGHT, GAUGE, "in_flight", "", "gets that have not ended"),
    ROW(HC_ATTEMPTS, CUMULATIVE, "hc_attempts", "", "health checks that ended"),
    ROW(HC_FAILURES, CUMULATIVE, "hc_failures", "",
        "health checks that failed or timed out"),
    ROW(UNHEALTHY, CUMULATIVE, "unhealthy", "",
        "connections removed by a health check"),
    ROW(CONNECTION_ERRORS, CUMULATIVE, "connection_errors", "",
        "failed attempts to create a connection"),
    ROW(LEAKED, CUMULATIVE, "leaked", "", "leases flagged as leaked"),
    ROW(EVICTED, CUMULATIVE, "evicted", "", "leases taken away as leaked"),
    ROW(REUSED, CUMULATIVE, "reused", "",
        "gets served by a connection that existed"),
    ROW(CANCELED, CUMULATIVE, "canceled", "",
        "failed gets that were cancelled"),
    ROW(DETACHED, CUMULATIVE, "detached", "", "closed: taken out of the pool"),
    ROW(AVERAGE_REUSE, DERIVED, "average_reuse", "millionths",
        "reused / created"),
    ROW(TOTAL_GET_TIME, CUMULATIVE, "total_get_time", "ns",
        "time of successful gets; of fast ones a sample is taken"),
    ROW(AVERAGE_GET_TIME, DERIVED, "average_get_time", "ns",
        "total_get_time / successful"),
    ROW(MAX_GET_TIME, GAUGE, "max_get_time", "ns", "longest get measured"),
    ROW(P50_GET_TIME, DERIVED, "p50_get_time", "ns",
        "half of the recent gets took no longer"),
    ROW(P95_GET_TIME, DERIVED, "p95_get_time", "ns",
        "95 % of the recent gets took no longer"),
    ROW(P99_GET_TIME, DERIVED, "p99_get_time", "ns",
        "99 % of the recent gets took no longer"),
    ROW(UTILIZATION, DERIVED, "utilization", "millionths",
        "active / max_connections; 0 when that is unlimited"),
    ROW(CREATION_FAILURE_RATE, DERIVED, "creation_failure_rate", "millionths",
        "connection_errors / (created + connection_errors)"),
    ROW(HC_SUCCESS_RATE, DERIVED, "hc_success_rate", "millionths",
        "1 - hc_failures / hc_attempts; 1 when there were none"),
    ROW(AVERAGE_LIFETIME, DERIVED, "average_lifetime", "ns",
        "mean age of connections when they left the pool"),
    ROW(PREWARM_TARGET, GAUGE, "prewarm_target", "", "connections to prewarm"),
    ROW(PREWARM_CREATED, GAUGE, "prewarm_created", "", "connections prewarmed"),
    ROW(PREWARM_COMPLETED, GAUGE, "prewarm_completed", "",
        "1 when pre-warming has ended without a failed dial"),
    ROW(WAITING, GAUGE, "waiting", "", "callers in line"),
    ROW(DIALING, GAUGE, "dialing", "", "creations in progress"),
    ROW(BREAKER_OPEN, GAUGE, "breaker_open", "",
        "1 while the circuit breaker is not closed"),
    ROW(BREAKER_TRIPS, CUMULATIVE, "breaker_trips", "",
        "how often the circuit breaker opened"),
    ROW(LAST_UPDATE, GAUGE, "last_update", "ns",
        "the moment of the snapshot on the pool's clock"),
#undef ROW
};

int ncp_counter_at(int index, int *kind, const char **name, const char **unit,
                   const char **help)
{
    if (index < 0 || index >= NCP_COUNTER_COUNT)
        return NCP_ENOTFOUND;
    if (kind != NULL)
        *kind = counters[index].kind;
    if (name != NULL)
        *name = counters[index].name;
    if (unit != NULL)
        *unit = counters[index].unit;
    if (help != NULL)
        *help = counters[index].help;
    return NCP_OK;
}

int ncp_pool_stats(const ncp_pool *pool, uint64_t *values, size_t count)
{
    uint64_t all[NCP_COUNTER_COUNT];

    if (values == NULL && count != 0)
        return NCP_EINVAL;
    if (count != 0)
        memset(values, 0, count * sizeof(*values));
    if (pool == NULL)
        return NCP_EINVAL;
    ncp__engine_snapshot(ncp__pool_engine(pool), all);
    if (count > NCP_COUNTER_COUNT)
        count = NCP_COUNTER_COUNT;
    if (count != 0)
        memcpy(values, all, count * sizeof(*values));
    return NCP_OK;
}

int ncp_pool_active_count(const ncp_pool *pool)
{
    uint32_t idle, active;

    if (pool == NULL)
        return NCP_EINVAL;
    ncp__engine_counts(ncp__pool_engine(pool), &idle, &active);
    return (int)active;
}

int ncp_pool_idle_count(const ncp_pool *pool)
{
    uint32_t idle, active;

    if (pool == NULL)
        return NCP_EINVAL;
    ncp__engine_counts(ncp__pool_engine(pool), &idle, &active);
    return (int)idle;
}

int ncp_pool_waiting_count(const ncp_pool *pool)
{
    if (pool == NULL)
        return NCP_EINVAL;
    ncp__engine_lock(ncp__pool_engine(pool));
    uint32_t waiting = pool->engine.lines.waiting;
    ncp__engine_unlock(ncp__pool_engine(pool));
    return (int)waiting;
}

int ncp_pool_dialing_count(const ncp_pool *pool)
{
    if (pool == NULL)
        return NCP_EINVAL;
    ncp__engine_lock(ncp__pool_engine(pool));
    uint32_t dialing = pool->engine.dialing;
    ncp__engine_unlock(ncp__pool_engine(pool));
    return (int)dialing;
}

int ncp_pool_dial_error(const ncp_pool *pool, int64_t *code, int64_t *age_ms,
                        uint64_t *count, char *text, size_t size)
{
    struct ncp__dial_error error;

    if (pool == NULL || (text == NULL && size != 0))
        return NCP_EINVAL;
    ncp__engine_lock(ncp__pool_engine(pool));
    error = pool->engine.dial_error;
    ncp__engine_unlock(ncp__pool_engine(pool));
    uint64_t now_ns = ncp__engine_now(&pool->engine);
    if (code != NULL)
        *code = error.count == 0 ? 0 : error.code;
    if (count != NULL)
        *count = error.count;
    if (age_ms != NULL)
        *age_ms = error.count == 0 || now_ns < error.at_ns
                      ? 0
                      : (int64_t)((now_ns - error.at_ns) / NCP__NS_PER_MS);
    if (size != 0) {
        size_t length = error.count == 0 ? 0 : strlen(error.text);
        length = length < size ? length : size - 1;
        memcpy(text, error.text, length);
        text[length] = '\0';
    }
    return error.count == 0 ? NCP_ENOTFOUND : NCP_OK;
}
