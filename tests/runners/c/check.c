/*
 * Expectations: bounds, facts, invariants.
 */
#include "runner.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------- bounds */

static bool edge(const json_t *limit, double value, bool low)
{
    if (limit == NULL || json_is_null(limit))
        return true;
    double number = json_number_value(limit);
    return low ? value >= number : value <= number;
}

bool bound_holds(const json_t *bound, double value)
{
    if (json_is_boolean(bound))
        return (value != 0) == json_is_true(bound);
    if (json_is_number(bound))
        return value == json_number_value(bound);
    if (!json_is_array(bound) || json_array_size(bound) != 2)
        fail("a bound is a number, true, false, or [low, high]");
    return edge(json_array_get(bound, 0), value, true) &&
           edge(json_array_get(bound, 1), value, false);
}

void check_bound(const json_t *bound, double value, const char *what)
{
    count_check();
    if (bound_holds(bound, value))
        return;
    char *text = json_dumps(bound, JSON_COMPACT | JSON_ENCODE_ANY);
    fail("%s is %.15g, expected %s", what, value, text);
}

void check_within(const json_t *step, double begin_ms)
{
    const json_t *within = json_object_get(step, "within_ms");
    if (within != NULL)
        check_bound(within, clock_since_start_ms() - begin_ms,
                    "the time in ms");
}

/* --------------------------------------------------------------- references */

static double stat_value(const char *name)
{
    char plain[RUN_NAME_SIZE];
    snprintf(plain, sizeof plain, "%s", name);
    struct pool *pool = &scene.pools[0];
    char *at = strchr(plain, '@');
    if (at != NULL) {
        *at = '\0';
        pool = pool_named(at + 1);
    }
    uint64_t stats[NCP_COUNTER_COUNT];
    if (ncp_pool_stats(pool->pool, stats, NCP_COUNTER_COUNT) != NCP_OK)
        fail("no statistics");
    const char *known;
    for (int i = 0; ncp_counter_at(i, NULL, &known, NULL, NULL) == NCP_OK; i++)
        if (strcmp(known, plain) == 0)
            return (double)stats[i];
    fail("the library has no counter %s", plain);
}

static double lease_value(const struct var *var, const char *what)
{
    static const struct {
        const char *name;
        int info;
        double unit;
    } INFOS[] = {
        {"id", NCP_INFO_ID, 1},
        {"handle", NCP_INFO_HANDLE, 1},
        {"protocol", NCP_INFO_PROTOCOL, 1},
        {"ip", NCP_INFO_IP, 1},
        {"age_ms", NCP_INFO_AGE_NS, 1e6},
        {"idle_ms", NCP_INFO_IDLE_NS, 1e6},
        {"reuse", NCP_INFO_REUSE_COUNT, 1},
        {"in_use", NCP_INFO_IN_USE, 1},
        {"healthy", NCP_INFO_HEALTHY, 1},
        {"leak_detected", NCP_INFO_LEAK_DETECTED, 1},
        {"borrowed_ms", NCP_INFO_BORROWED_NS, 1e6},
        {"tag", NCP_INFO_TAG, 1},
        {"created_at_ms", NCP_INFO_CREATED_AT_NS, 1e6},
        {"last_used_at_ms", NCP_INFO_LAST_USED_AT_NS, 1e6},
        {"last_check_at_ms", NCP_INFO_LAST_CHECK_AT_NS, 1e6},
    };
    if (strcmp(what, "remembered_id") == 0)
        return (double)var->conn_id;
    if (strcmp(what, "nonblocking") == 0)
        return (fcntl(var->conn->fd, F_GETFL) & O_NONBLOCK) != 0;
    for (size_t i = 0; i < sizeof INFOS / sizeof *INFOS; i++) {
        if (strcmp(INFOS[i].name, what) != 0)
            continue;
        uint64_t value;
        int status =
            ncp_lease_info(var->pool->pool, var->lease, INFOS[i].info, &value);
        if (status != NCP_OK)
            fail("%s of %s: %s", what, var->name, result_text(status));
        return (double)value / INFOS[i].unit;
    }
    fail("a connection has no fact %s", what);
}

static double event_value(const struct var *var, const char *what)
{
    const ncp_event *event = &var->event;
    if (strcmp(what, "timeout_ms") == 0)
        return (double)event->timeout_ms;
    if (strcmp(what, "tag") == 0)
        return (double)event->tag;
    if (strcmp(what, "reused") == 0)
        return event->reused;
    if (strcmp(what, "reason") == 0)
        return event->reason;
    if (strcmp(what, "attempt") == 0)
        return event->reason;
    if (strcmp(what, "protocol") == 0)
        return event->protocol;
    if (strcmp(what, "ip") == 0)
        return event->ip;
    if (strcmp(what, "status") == 0)
        return event->status;
    if (strcmp(what, "code") == 0)
        return (double)event->code;
    if (strcmp(what, "creation_ms") == 0)
        return (double)event->creation_ms;
    fail("an event has no fact %s", what);
}

static double hint_value(const char *rest)
{
    char *end;
    long index = strtol(rest, &end, 10);
    pthread_mutex_lock(&scene.lock);
    int count = scene.hint_count;
    pthread_mutex_unlock(&scene.lock);
    if (index < 0 || index >= count || *end != '.')
        fail("there are %d hints, none is %s", count, rest);
    const struct hint *hint = &scene.hints[index];
    const char *what = end + 1;
    if (strcmp(what, "protocol") == 0)
        return hint->protocol;
    if (strcmp(what, "ip") == 0)
        return hint->ip;
    if (strcmp(what, "deadline_ms") == 0)
        return (double)hint->deadline_ms;
    if (strcmp(what, "timeout_ms") == 0)
        return (double)hint->timeout_ms;
    if (strcmp(what, "attempt") == 0)
        return hint->attempt;
    if (strcmp(what, "at_ms") == 0)
        return hint->at_ms;
    fail("a hint has no fact %s", what);
}

/* "name.fact", where the name may have a dot of its own. */
static double var_value(const char *rest, int scope, bool event)
{
    char name[RUN_NAME_SIZE];
    const char *dot = strrchr(rest, '.');
    if (dot == NULL || (size_t)(dot - rest) >= sizeof name)
        fail("no fact is named in %s", rest);
    memcpy(name, rest, (size_t)(dot - rest));
    name[dot - rest] = '\0';
    const struct var *var = var_find(name, scope);
    return event ? event_value(var, dot + 1) : lease_value(var, dot + 1);
}

static double option_value(const char *name)
{
    int option;
    int64_t value;
    if (ncp_option_find(name, &option) != NCP_OK ||
        ncp_pool_option(scene.pools[0].pool, option, &value) != NCP_OK)
        fail("the option %s cannot be read", name);
    return (double)value;
}

static double plain_value(const char *name)
{
    ncp_pool *pool = scene.pools[0].pool;
    if (strcmp(name, "dials") == 0)
        return atomic_load(&scene.dialer.count);
    if (strcmp(name, "most_dials_at_once") == 0)
        return atomic_load(&scene.dialer.most_running);
    if (strcmp(name, "active_count") == 0)
        return ncp_pool_active_count(pool);
    if (strcmp(name, "idle_count") == 0)
        return ncp_pool_idle_count(pool);
    if (strcmp(name, "waiting_count") == 0)
        return ncp_pool_waiting_count(pool);
    if (strcmp(name, "dialing_count") == 0)
        return ncp_pool_dialing_count(pool);
    if (strcmp(name, "is_closed") == 0)
        return ncp_pool_is_closed(pool);
    if (strcmp(name, "next_due_ms") == 0)
        return (double)ncp_pool_next_due_ms(pool);
    if (strcmp(name, "queue_ready") == 0)
        return ncp_queue_ready(scene.pools[0].queue);
    if (strcmp(name, "now_ms") == 0)
        return clock_since_start_ms();
    if (strcmp(name, "snapshots") == 0)
        return atomic_load(&scene.watched);
    if (strcmp(name, "threads") == 0)
        return threads_count() - scene.start_threads;
    fail("there is no fact %s", name);
}

static const struct {
    const char *name;
    double value;
} WORDS[] = {{"TCP", NCP_PROTOCOL_TCP},
             {"UDP", NCP_PROTOCOL_UDP},
             {"UNKNOWN", 0},
             {"IPv4", NCP_IP_V4},
             {"IPv6", NCP_IP_V6}};

static double fact_value(const json_t *fact, int scope)
{
    if (json_is_boolean(fact))
        return json_is_true(fact);
    if (json_is_number(fact))
        return json_number_value(fact);
    const char *text = json_string_value(fact);
    if (text == NULL)
        fail("a fact is a number or a name");
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        if (strcmp(WORDS[i].name, text) == 0)
            return WORDS[i].value;
    if (strncmp(text, "stat.", 5) == 0)
        return stat_value(text + 5);
    if (strncmp(text, "conn.", 5) == 0)
        return var_value(text + 5, scope, false);
    if (strncmp(text, "event.", 6) == 0)
        return var_value(text + 6, scope, true);
    if (strncmp(text, "hint.", 5) == 0)
        return hint_value(text + 5);
    if (strncmp(text, "count.", 6) == 0)
        return (double)count_of(text + 6);
    if (strncmp(text, "option.", 7) == 0)
        return option_value(text + 7);
    return plain_value(text);
}

/* -------------------------------------------------------------------- facts */

static bool compare(double left, const char *op, double right)
{
    if (strcmp(op, "==") == 0)
        return left == right;
    if (strcmp(op, "!=") == 0)
        return left != right;
    if (strcmp(op, "<") == 0)
        return left < right;
    if (strcmp(op, "<=") == 0)
        return left <= right;
    if (strcmp(op, ">") == 0)
        return left > right;
    if (strcmp(op, ">=") == 0)
        return left >= right;
    fail("there is no comparison %s", op);
}

static bool that_holds(const json_t *that, int scope, char *why, size_t size)
{
    const json_t *left = json_array_get(that, 0),
                 *right = json_array_get(that, 2);
    const char *op = json_string_value(json_array_get(that, 1));
    if (op == NULL || json_array_size(that) != 3)
        fail("a fact is [left, comparison, right]");
    double a = fact_value(left, scope), b = fact_value(right, scope);
    count_check();
    if (compare(a, op, b))
        return true;
    char *text = json_dumps(that, JSON_COMPACT);
    snprintf(why, size, "%s does not hold: %.15g and %.15g", text, a, b);
    free(text);
    return false;
}

static bool stats_hold(const json_t *stats, char *why, size_t size)
{
    const char *name;
    json_t *bound;
    json_object_foreach((json_t *)(uintptr_t)stats, name, bound) {
        double value = stat_value(name);
        count_check();
        if (bound_holds(bound, value))
            continue;
        char *text = json_dumps(bound, JSON_COMPACT | JSON_ENCODE_ANY);
        snprintf(why, size, "counter %s is %.15g, expected %s", name, value,
                 text);
        free(text);
        return false;
    }
    return true;
}

bool facts_hold(const json_t *facts, int scope, char *why, size_t size)
{
    if (!stats_hold(json_object_get(facts, "stats"), why, size))
        return false;
    const json_t *dials = json_object_get(facts, "dials");
    if (dials != NULL &&
        !bound_holds(dials, atomic_load(&scene.dialer.count))) {
        snprintf(why, size, "%d dials", atomic_load(&scene.dialer.count));
        return false;
    }
    size_t index;
    const json_t *that;
    json_array_foreach(json_object_get(facts, "that"), index, that)
        if (!that_holds(that, scope, why, size))
            return false;
    return true;
}

void check_facts(const json_t *facts, int scope)
{
    char why[512];
    if (!facts_hold(facts, scope, why, sizeof why))
        fail("%s", why);
}

/* --------------------------------------------------------------- invariants */

static void must(bool holds, const char *name, const uint64_t *stats)
{
    if (holds)
        return;
    char text[900];
    size_t used = 0;
    const char *counter;
    for (int i = 0; ncp_counter_at(i, NULL, &counter, NULL, NULL) == NCP_OK &&
                    used < sizeof text;
         i++)
        if (stats[i] != 0)
            used +=
                (size_t)snprintf(text + used, sizeof text - used, " %s=%llu",
                                 counter, (unsigned long long)stats[i]);
    fail("invariant %s is broken:%s", name, text);
}

static void check_cumulative(const uint64_t *stats)
{
    int kind;
    pthread_mutex_lock(&scene.lock);
    for (int i = 0; i < NCP_COUNTER_COUNT; i++) {
        if (ncp_counter_at(i, &kind, NULL, NULL, NULL) != NCP_OK ||
            kind != NCP_KIND_CUMULATIVE)
            continue;
        if (scene.last_valid && (int64_t)stats[i] < scene.last[i])
            must(false, "I7 (a cumulative counter went down)", stats);
        scene.last[i] = (int64_t)stats[i];
    }
    scene.last_valid = true;
    pthread_mutex_unlock(&scene.lock);
}

/* STAT-2, on one snapshot. I7 compares with the snapshot before, which is only
 * meaningful on one thread at a time: callers of several threads pass through
 * the lock with a snapshot taken inside it. */
void check_invariants(struct pool *pool)
{
    if (pool->freed || pool->pool == NULL)
        return;
    int64_t max = 0, max_idle = 0, stats_on = 0;
    ncp_pool_option(pool->pool, NCP_OPTION_MAX_CONNECTIONS, &max);
    ncp_pool_option(pool->pool, NCP_OPTION_MAX_IDLE_CONNECTIONS, &max_idle);
    ncp_pool_option(pool->pool, NCP_OPTION_STATS, &stats_on);
    if (!stats_on)
        return;
    static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&turn);
    uint64_t s[NCP_COUNTER_COUNT];
    if (ncp_pool_stats(pool->pool, s, NCP_COUNTER_COUNT) != NCP_OK)
        fail("no statistics");
    for (int i = 0; i < NCP_COUNTER_COUNT; i++)
        must((int64_t)s[i] >= 0, "I8 (a counter is negative)", s);
    must(s[NCP_COUNTER_CREATED] - s[NCP_COUNTER_CLOSED] ==
             s[NCP_COUNTER_CURRENT],
         "I1 (created - closed = current)", s);
    must(s[NCP_COUNTER_IDLE] + s[NCP_COUNTER_ACTIVE] == s[NCP_COUNTER_CURRENT],
         "I2 (idle + active = current)", s);
    must(s[NCP_COUNTER_TCP] + s[NCP_COUNTER_UDP] <= s[NCP_COUNTER_CURRENT] &&
             s[NCP_COUNTER_IPV4] + s[NCP_COUNTER_IPV6] <=
                 s[NCP_COUNTER_CURRENT],
         "I3 (parts of current)", s);
    must(s[NCP_COUNTER_TCP_IDLE] + s[NCP_COUNTER_UDP_IDLE] <=
                 s[NCP_COUNTER_IDLE] &&
             s[NCP_COUNTER_IPV4_IDLE] + s[NCP_COUNTER_IPV6_IDLE] <=
                 s[NCP_COUNTER_IDLE],
         "I3 (parts of idle)", s);
    must(s[NCP_COUNTER_TOTAL] ==
             s[NCP_COUNTER_SUCCESSFUL] + s[NCP_COUNTER_FAILED] +
                 s[NCP_COUNTER_TIMEOUT] + s[NCP_COUNTER_IN_FLIGHT],
         "I4 (total = successful + failed + timeout + in flight)", s);
    must(s[NCP_COUNTER_SUCCESSFUL] >= s[NCP_COUNTER_REUSED], "I5", s);
    must(max == 0 || pool->resized ||
             s[NCP_COUNTER_CURRENT] + s[NCP_COUNTER_DIALING] <= (uint64_t)max,
         "I6 (current + dialing <= max)", s);
    must(pool->resized || s[NCP_COUNTER_IDLE] <= (uint64_t)max_idle,
         "I6 (idle <= max_idle)", s);
    must(s[NCP_COUNTER_P50_GET_TIME] <= s[NCP_COUNTER_P95_GET_TIME] &&
             s[NCP_COUNTER_P95_GET_TIME] <= s[NCP_COUNTER_P99_GET_TIME],
         "I9 (p50 <= p95 <= p99)", s);
    if (pool == &scene.pools[0])
        check_cumulative(s);
    pthread_mutex_unlock(&turn);
    count_check();
}

/* ---------------------------------------------------------- after the steps */

static void check_events(const json_t *wanted)
{
    size_t index;
    const json_t *event;
    json_array_foreach(wanted, index, event) {
        const char *name = json_string_value(event);
        if (index >= scene.event_count)
            fail("event %zu is missing: %s", index, name);
        if (strcmp(scene.events[index], name) != 0)
            fail("event %zu is %s, expected %s", index, scene.events[index],
                 name);
        count_check();
    }
    if (scene.event_count > json_array_size(wanted))
        fail("one event too many: %s", scene.events[json_array_size(wanted)]);
}

static void check_order(const json_t *wanted)
{
    if ((size_t)scene.order_count != json_array_size(wanted))
        fail("%d threads logged their turn", scene.order_count);
    for (int i = 0; i < scene.order_count; i++) {
        int64_t index = json_integer_value(json_array_get(wanted, (size_t)i));
        if (scene.order[i] != index)
            fail("turn %d was that of thread %d, expected %lld", i,
                 scene.order[i], (long long)index);
    }
    count_check();
}

void check_end(const json_t *doc)
{
    where_push("then");
    if (json_object_get(doc, "stats") != NULL ||
        json_object_get(doc, "that") != NULL ||
        json_object_get(doc, "dials") != NULL)
        check_facts(doc, -1);
    if (json_object_get(doc, "events") != NULL)
        check_events(json_object_get(doc, "events"));
    if (json_object_get(doc, "order") != NULL)
        check_order(json_object_get(doc, "order"));
    for (int i = 0; i < scene.pool_count; i++)
        check_invariants(&scene.pools[i]);
    where_pop();
}
