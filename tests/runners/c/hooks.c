/*
 * The callbacks of the scenarios: they record, sleep, fail and call the pool.
 */
#include "runner.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --------------------------------------------------------- what is recorded */

static void append(char ***list, size_t *count, size_t *room, const char *text)
{
    if (*count == *room) {
        *room = *room == 0 ? 64 : *room * 2;
        *list = realloc(*list, *room * sizeof **list);
    }
    (*list)[(*count)++] = strdup(text);
}

static void bump(const char *name) /* with the lock held */
{
    for (int i = 0; i < scene.counter_count; i++)
        if (strcmp(scene.counters[i].name, name) == 0) {
            scene.counters[i].count++;
            return;
        }
    if (scene.counter_count == 64)
        fail("more than 64 names of events");
    struct counter *counter = &scene.counters[scene.counter_count++];
    snprintf(counter->name, sizeof counter->name, "%s", name);
    counter->count = 1;
}

void count_up(const char *name)
{
    pthread_mutex_lock(&scene.lock);
    bump(name);
    pthread_mutex_unlock(&scene.lock);
}

int64_t count_of(const char *name)
{
    int64_t count = 0;
    pthread_mutex_lock(&scene.lock);
    for (int i = 0; i < scene.counter_count; i++)
        if (strcmp(scene.counters[i].name, name) == 0)
            count = scene.counters[i].count;
    pthread_mutex_unlock(&scene.lock);
    return count;
}

void event_record(const char *format, ...)
{
    char text[96];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    pthread_mutex_lock(&scene.lock);
    append(&scene.events, &scene.event_count, &scene.event_room, text);
    bump(text);
    pthread_mutex_unlock(&scene.lock);
}

/* ---------------------------------------------------- calling the pool back */

static void must_be(const char *what, int status, int wanted)
{
    if (status != wanted)
        fail("%s from a callback: %s, expected %s", what, result_text(status),
             result_text(wanted));
}

static void call_stats(ncp_pool *pool)
{
    uint64_t stats[NCP_COUNTER_COUNT];
    must_be("stats", ncp_pool_stats(pool, stats, NCP_COUNTER_COUNT), NCP_OK);
}

static void call_describe(ncp_pool *pool)
{
    char text[256];
    if (ncp_pool_describe(pool, text, sizeof text) <= 0)
        fail("describe from a callback says nothing");
}

static void call_leases(ncp_pool *pool)
{
    ncp_lease leases[8];
    size_t count;
    must_be("leases", ncp_pool_leases(pool, leases, 8, &count), NCP_OK);
}

static void put_what(ncp_pool *pool, int status, ncp_lease lease)
{
    if (status == NCP_OK)
        must_be("put", ncp_pool_put(pool, lease), NCP_OK);
}

static void call_try(ncp_pool *pool)
{
    ncp_lease lease;
    int status = ncp_pool_try_get(pool, &lease);
    put_what(pool, status, lease);
}

static void call_get(ncp_pool *pool)
{
    ncp_lease lease;
    call_begin(20);
    int status = ncp_pool_get_timeout(pool, 20, &lease);
    call_end();
    put_what(pool, status, lease);
}

static void call_close(ncp_pool *pool)
{
    ncp_pool_close(pool);
}

static void call_flush(ncp_pool *pool)
{
    ncp_pool_flush(pool);
}

static void call_suspend(ncp_pool *pool)
{
    ncp_pool_suspend(pool);
    ncp_pool_resume(pool);
}

static void call_resize(ncp_pool *pool)
{
    int64_t max;
    must_be("option", ncp_pool_option(pool, NCP_OPTION_MAX_CONNECTIONS, &max),
            NCP_OK);
    ncp_pool_resize(pool, max);
}

static void call_counts(ncp_pool *pool)
{
    if (ncp_pool_active_count(pool) < 0 || ncp_pool_idle_count(pool) < 0 ||
        ncp_pool_waiting_count(pool) < 0 || ncp_pool_dialing_count(pool) < 0 ||
        ncp_pool_is_closed(pool) < 0)
        fail("a count from a callback is negative");
}

static void call_wake(ncp_pool *pool)
{
    must_be("wake", ncp_pool_wake(pool), NCP_OK);
    ncp_pool_next_due_ms(pool);
}

static void call_error(ncp_pool *pool)
{
    char text[64];
    ncp_pool_dial_error(pool, NULL, NULL, NULL, text, sizeof text);
}

static void call_prewarm(ncp_pool *pool)
{
    ncp_pool_prewarm_wait(pool, 0);
}

static void call_ref(ncp_pool *pool)
{
    ncp_pool_free(ncp_pool_ref(pool));
}

static const struct {
    const char *name;
    void (*call)(ncp_pool *pool);
    bool in_all;
} CALLS[] = {
    {"stats", call_stats, true},
    {"describe", call_describe, true},
    {"leases", call_leases, true},
    {"try_get_put", call_try, true},
    {"get_put", call_get, true},
    {"counts", call_counts, true},
    {"wake", call_wake, true},
    {"dial_error", call_error, true},
    {"prewarm_wait", call_prewarm, true},
    {"ref", call_ref, true},
    {"resize", call_resize, true},
    {"suspend", call_suspend, true},
    {"flush", call_flush, false},
    {"close", call_close, false},
};

/* The callback is inside a call with the lease it was given. */
static void call_put_own(ncp_pool *pool, const ncp_conn *conn)
{
    uint64_t lease = 0;
    ncp_conn_info(conn, NCP_INFO_LEASE, &lease);
    must_be("put of its own connection", ncp_pool_put(pool, lease),
            NCP_EINVALIDCONN);
}

static void call_one(const char *name, ncp_pool *pool, const ncp_conn *conn)
{
    if (strcmp(name, "put_own") == 0) {
        call_put_own(pool, conn);
        return;
    }
    bool known = false;
    for (size_t i = 0; i < sizeof CALLS / sizeof *CALLS; i++) {
        bool meant = strcmp(name, CALLS[i].name) == 0 ||
                     (strcmp(name, "all") == 0 && CALLS[i].in_all);
        if (meant)
            CALLS[i].call(pool);
        known = known || meant;
    }
    if (!known)
        fail("no such call from a callback: %s", name);
}

void call_back(const json_t *spec, const ncp_conn *conn, atomic_bool *done)
{
    static _Thread_local int depth; /* the pool calls us from these calls too */
    const json_t *names = json_object_get(spec, "call");
    ncp_pool *pool = atomic_load(&scene.pools[0].pool);
    size_t index;
    const json_t *name;
    if (names == NULL || depth > 0 || pool == NULL)
        return;
    if (done != NULL && atomic_exchange(done, true))
        return;
    depth++;
    json_array_foreach(names, index, name)
        call_one(json_string_value(name), pool, conn);
    depth--;
    count_up("called");
}

/* -------------------------------------------------------------------- hooks */

static bool hook_fails(const json_t *spec, int n)
{
    return bool_at(spec, "fail_always") || n < int_at(spec, "fail_first", 0);
}

static void hook_record(const struct hook *hook, const struct conn *conn,
                        int reason)
{
    if (!bool_at(hook->spec, "record"))
        return;
    if (hook->which == NCP_CALLBACK_ON_CLOSE ||
        hook->which == NCP_CALLBACK_ON_LEAK)
        event_record("%s:%s", hook->event,
                     reason == NCP_REASON_NONE ? "none"
                                               : ncp_reason_text(reason));
    else
        event_record("%s", hook->event);
    (void)conn;
}

static struct conn *hook_conn(const ncp_conn *conn)
{
    uint64_t id = 0;
    if (ncp_conn_info(conn, NCP_INFO_ID, &id) != NCP_OK || id == 0 ||
        id != ncp_conn_id(conn))
        fail("a callback was given a connection without an id");
    return conn_adopt(ncp_conn_handle(conn), ncp_conn_fd(conn));
}

/* The connection is nobody's while it is checked, and is closed once. */
static void hook_begins(const struct hook *hook, struct conn *conn)
{
    if (hook->which == NCP_CALLBACK_CHECKER) {
        atomic_fetch_add(&conn->checks, 1);
        if (atomic_load(&conn->owners) != 0)
            fail("connection %d is checked while it is lent", conn->index);
    }
    if (hook->which == NCP_CALLBACK_CLOSER &&
        atomic_fetch_add(&conn->closer_calls, 1) != 0)
        fail("connection %d is closed twice", conn->index);
}

static void hook_ends(const struct hook *hook, struct conn *conn)
{
    if (hook->which == NCP_CALLBACK_CHECKER)
        atomic_fetch_sub(&conn->checks, 1);
    if (hook->which == NCP_CALLBACK_CLOSER)
        conn_close_client(conn);
}

int hook_callback(void *user, const ncp_conn *about, int reason)
{
    struct hook *hook = user;
    const json_t *spec = hook->spec;
    struct actor_frame frame;
    int64_t limit = 0;
    ncp_pool *pool = atomic_load(&scene.pools[0].pool);
    if (hook->which == NCP_CALLBACK_CHECKER && pool != NULL)
        ncp_pool_option(pool, NCP_OPTION_HEALTH_CHECK_TIMEOUT, &limit);
    frame_enter(&frame, hook->event, limit);
    int n = atomic_fetch_add(&hook->count, 1);
    struct conn *conn = hook_conn(about);
    hook_begins(hook, conn);
    hook_record(hook, conn, reason);
    call_back(spec, about, bool_at(spec, "once") ? &hook->called_back : NULL);
    if (n >= int_at(spec, "sleep_after", 0))
        clock_sleep_ms(int_at(spec, "sleep_ms", 0));
    hook_ends(hook, conn);
    frame_leave(&frame);
    if (!hook_fails(spec, n))
        return NCP_OK;
    return bool_at(spec, "as_user") ? NCP_EUSER : NCP_EHOOK;
}

void log_callback(void *user, int level, uint64_t conn_id, const char *text)
{
    struct hook *hook = user;
    struct actor_frame frame;
    frame_enter(&frame, "log", 0);
    if (level < NCP_LOG_ERROR || level > NCP_LOG_DEBUG)
        fail("a line of log with the level %d", level);
    if (strchr(text, '\n') != NULL)
        fail("a line of log has an end of line inside: %s", text);
    (void)conn_id;
    pthread_mutex_lock(&scene.lock);
    append(&scene.logs, &scene.log_count, &scene.log_room, text);
    bump("log");
    pthread_mutex_unlock(&scene.lock);
    call_back(hook->spec, NULL,
              bool_at(hook->spec, "once") ? &hook->called_back : NULL);
    frame_leave(&frame);
}
