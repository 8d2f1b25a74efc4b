/*
 * Builds the pools of a case and takes them down again, and proves that nothing
 * of them is left.
 */
#include "runner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { END_LIMIT_MS = 600000, GONE_LIMIT_MS = 3000 };

static const struct {
    const char *name;
    const char *event;
    int which;
} HOOKS[] = {
    {"on_created", "created", NCP_CALLBACK_ON_CREATED},
    {"on_borrow", "borrow", NCP_CALLBACK_ON_BORROW},
    {"on_return", "return", NCP_CALLBACK_ON_RETURN},
    {"on_close", "close", NCP_CALLBACK_ON_CLOSE},
    {"on_leak", "leak", NCP_CALLBACK_ON_LEAK},
    {"close_conn", "close_conn", NCP_CALLBACK_CLOSER},
    {"checker", "check", NCP_CALLBACK_CHECKER},
    {"log", "log", 0},
};

/* ------------------------------------------------------------------- set up */

/* The library says that a callback is no longer needed: nothing calls it after
 * this. */
static void dropped(void *user)
{
    (void)user;
    atomic_fetch_add(&scene.callbacks_dropped, 1);
}

static void given(int status, const char *what)
{
    if (status != NCP_OK)
        fail("the callback %s was refused: %s", what, result_text(status));
    atomic_fetch_add(&scene.callbacks_given, 1);
}

struct pool *pool_named(const char *name)
{
    for (int i = 0; i < scene.pool_count; i++)
        if (strcmp(scene.pools[i].name, name) == 0)
            return &scene.pools[i];
    fail("no pool is called %s", name);
}

static void config_set(ncp_config *config, const char *key, const json_t *value)
{
    int option, status;
    if (ncp_option_find(key, &option) != NCP_OK)
        fail("the library has no option %s", key);
    if (json_is_string(value))
        status = ncp_config_set(config, key, json_string_value(value));
    else if (json_is_boolean(value))
        status = ncp_config_set_int(config, option, json_is_true(value));
    else
        status = ncp_config_set_int(config, option, json_integer_value(value));
    if (status != NCP_OK)
        fail("option %s: %s (%s)", key, result_text(status),
             ncp_config_reason(config));
}

void config_apply(ncp_config *config, const json_t *options)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)options, key, value)
        if (strcmp(key, "mode") != 0)
            config_set(config, key, value);
}

static int mode_of(const json_t *options)
{
    const json_t *mode = json_object_get(options, "mode");
    if (json_is_integer(mode))
        return (int)json_integer_value(mode);
    return ncp_mode_parse(text_at(options, "mode", "client"));
}

static ncp_config *config_make(const json_t *options)
{
    ncp_config *config;
    int mode = mode_of(options);
    if (ncp_config_new(mode, &config) != NCP_OK) {
        /* A mode that is none: refused at once, and as an option later. */
        if (config != NULL)
            fail("ncp_config_new failed and left a pointer");
        if (ncp_config_new(NCP_MODE_CLIENT, &config) != NCP_OK ||
            ncp_config_set_int(config, NCP_OPTION_MODE, mode) != NCP_OK)
            fail("no configuration");
    }
    if (config == NULL)
        fail("ncp_config_new succeeded without a configuration");
    /* The same scenarios for each idle store. */
    const char *store = getenv("NCP_TEST_STORE");
    if (store != NULL && ncp_config_set(config, "store", store) != NCP_OK)
        fail("no store is called %s", store);
    config_apply(config, options);
    if (clock_is_virtual())
        given(ncp_config_set_clock(config, clock_library, NULL, dropped),
              "clock");
    return config;
}

static bool is_none(const json_t *value)
{
    return json_is_string(value) &&
           strcmp(json_string_value(value), "none") == 0;
}

static void give_dialer(ncp_config *config, const json_t *doc, bool server,
                        bool pull)
{
    const json_t *dial = json_object_get(doc, "dial");
    const json_t *acceptor = json_object_get(doc, "acceptor");
    if (acceptor != NULL) {
        dialer_check(acceptor);
        scene.acceptor.spec = acceptor;
        scene.acceptor.event = "accept";
        scene.acceptor.accepts = true;
        given(ncp_config_set_acceptor(config, dialer_callback, &scene.acceptor,
                                      dropped),
              "acceptor");
    }
    if (server || is_none(dial))
        return;
    dialer_check(dial);
    scene.dialer.spec = dial;
    scene.dialer.event = "dial";
    if (pull)
        return; /* its dials are steps */
    given(
        ncp_config_set_dialer(config, dialer_callback, &scene.dialer, dropped),
        "dialer");
}

static struct hook *hook_make(const char *name, const json_t *spec)
{
    for (int i = 0; i < scene.hook_count; i++)
        if (scene.hooks[i].spec == spec)
            return &scene.hooks[i]; /* shared by several pools */
    for (size_t i = 0; i < sizeof HOOKS / sizeof *HOOKS; i++) {
        if (strcmp(HOOKS[i].name, name) != 0)
            continue;
        struct hook *hook = &scene.hooks[scene.hook_count++];
        hook->event = HOOKS[i].event;
        hook->which = HOOKS[i].which;
        hook->spec = spec;
        return hook;
    }
    fail("no such hook: %s", name);
}

static void give_hooks(ncp_config *config, const json_t *doc)
{
    const char *name;
    json_t *spec;
    json_object_foreach(json_object_get(doc, "hooks"), name, spec) {
        keys_only(
            spec,
            "record fail_first fail_always as_user sleep_ms sleep_after call "
            "once",
            name);
        struct hook *hook = hook_make(name, spec);
        int status;
        if (hook->which == 0)
            status = ncp_config_set_log(config, log_callback, hook, NULL);
        else
            status = ncp_config_set_callback(config, hook->which, hook_callback,
                                             hook, NULL);
        if (status != NCP_OK)
            fail("the hook %s was refused: %s", name, result_text(status));
        if (hook->which == NCP_CALLBACK_CLOSER)
            scene.closer = hook;
    }
}

static void give_queue(struct pool *pool)
{
    if (!pool->pull)
        return;
    if (ncp_queue_new(&pool->queue) != NCP_OK ||
        ncp_config_set_queue(pool->config, pool->queue) != NCP_OK)
        fail("no queue");
}

static void give_listener(struct pool *pool, const json_t *doc, bool server)
{
    pool->listener = -1;
    if (!server || is_none(json_object_get(doc, "listener")))
        return;
    pool->listener = listener_new();
    ncp_config_set_int(pool->config, NCP_OPTION_LISTENER_FD, pool->listener);
}

static void check_effective(struct pool *pool, const json_t *wanted)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)wanted, key, value) {
        int option;
        int64_t in_pool, in_config;
        if (ncp_option_find(key, &option) != NCP_OK ||
            ncp_pool_option(pool->pool, option, &in_pool) != NCP_OK ||
            ncp_config_get_int(pool->config, option, &in_config) != NCP_OK)
            fail("the option %s cannot be read", key);
        check_bound(value, (double)in_pool, key);
        check_bound(value, (double)in_config,
                    key); /* the caller's is corrected */
    }
}

static void check_refused(struct pool *pool, ncp_pool *made, int status)
{
    if (made != NULL)
        fail("a pool that was refused left a pointer");
    if (status == NCP_EINVALIDCONFIG && pool->config != NULL &&
        ncp_config_reason(pool->config)[0] == '\0')
        fail("a configuration was refused without a reason");
}

static void pool_make(const json_t *doc, const char *name,
                      const json_t *options)
{
    struct pool *pool = &scene.pools[scene.pool_count];
    snprintf(pool->name, sizeof pool->name, "%s", name);
    pool->listener = -1;
    if (!json_is_null(options)) {
        pool->config = config_make(options);
        bool server = mode_of(options) == NCP_MODE_SERVER;
        pool->pull = strcmp(text_at(options, "driver", "push"), "pull") == 0;
        give_dialer(pool->config, doc, server, pool->pull);
        give_hooks(pool->config, doc);
        give_listener(pool, doc, server);
        give_queue(pool);
    }
    scene.pool_count++;
    ncp_pool *made;
    double begin = clock_since_start_ms();
    call_begin(-1);
    int status = ncp_pool_new(pool->config, &made);
    call_end();
    int wanted = result_of(text_at(doc, "new", "OK"));
    if (status != wanted)
        fail("new: %s (%s), expected %s", result_text(status),
             ncp_config_reason(pool->config), result_text(wanted));
    count_check();
    const json_t *within = json_object_get(doc, "new_within_ms");
    if (within != NULL)
        check_bound(within, clock_since_start_ms() - begin, "the time of new");
    if (status != NCP_OK) {
        check_refused(pool, made, status);
        pool->freed = true;
        return;
    }
    atomic_store(&pool->pool, made);
    clock_watch_pool(made, !pool->pull);
    check_effective(pool, json_object_get(doc, "effective"));
}

void pools_make(const json_t *doc)
{
    const char *name;
    json_t *more;
    pool_make(doc, "main", json_object_get(doc, "config"));
    json_object_foreach(json_object_get(doc, "pools"), name, more) {
        if (scene.pool_count == RUN_POOLS)
            fail("more than %d pools", RUN_POOLS);
        pool_make(doc, name, more);
    }
}

/* ---------------------------------------------------------------- take down */

static void end_event(struct var *var)
{
    ncp_event out;
    ncp_pool *pool = var->pool->pool;
    switch (var->event.type) {
    case NCP_EVENT_DIAL:
        ncp_pool_fail(pool, var->event.lease, NCP_ECANCELED, 0, NULL, &out);
        break;
    case NCP_EVENT_CHECK:
        if (ncp_pool_checked(pool, var->event.lease, 0, &out) == NCP_OK &&
            out.type == NCP_EVENT_CONN)
            ncp_pool_put(pool, out.lease);
        break;
    case NCP_EVENT_PENDING:
    case NCP_EVENT_READY:
        ncp_ticket_abandon(pool, var->event.ticket, NCP_ECANCELED);
        break;
    default:
        break;
    }
}

static void leases_end(void)
{
    for (struct var *var = scene.vars; var != NULL; var = var->next) {
        if (var->out) {
            lease_back(var);
            call_begin(-1);
            int status = ncp_pool_put(var->pool->pool, var->lease);
            call_end();
            if (status == NCP_EINVALIDCONN)
                fail("the lease %s, out till the end, is unknown to the pool",
                     var->name);
        }
        if (var->has_event)
            end_event(var);
    }
}

/* Does the CLOSE work that a pull pool hands out. */
static void queue_drain(struct pool *pool)
{
    ncp_event event;
    while (pool->queue != NULL && ncp_queue_poll(pool->queue, &event, 1) == 1) {
        if (event.type == NCP_EVENT_CLOSE) {
            struct conn *conn = conn_by_handle(event.handle);
            if (conn == NULL || atomic_fetch_add(&conn->closer_calls, 1) != 0)
                fail("a CLOSE event for a handle that is unknown or closed");
            conn_close_client(conn);
        }
        if (event.type == NCP_EVENT_DIAL) {
            ncp_event out;
            ncp_pool_fail(pool->pool, event.lease, NCP_ECANCELED, 0, NULL,
                          &out);
        }
        if (event.type == NCP_EVENT_CHECK) {
            ncp_event out;
            ncp_pool_checked(pool->pool, event.lease, 0, &out);
        }
    }
}

static bool conn_gone(const struct conn *conn)
{
    const struct pool *pool = &scene.pools[0];
    if (atomic_load(&conn->ours))
        return true;
    if (scene.closer != NULL || pool->pull)
        return atomic_load(&conn->closer_calls) == 1;
    return conn->type == CONN_PIPE || !conn_is_open(conn);
}

static bool all_gone(void *unused)
{
    (void)unused;
    for (int i = 0; i < conn_count(); i++)
        if (!conn_gone(conn_at(i)))
            return false;
    return atomic_load(&scene.dialer.running) == 0 &&
           atomic_load(&scene.acceptor.running) == 0;
}

static void check_conns_gone(void)
{
    if (!clock_wait(all_gone, NULL, END_LIMIT_MS))
        for (int i = 0; i < conn_count(); i++)
            if (!conn_gone(conn_at(i)))
                fail("connection %d is not closed after the pool is gone", i);
    for (int i = 0; i < conn_count(); i++) {
        struct conn *conn = conn_at(i);
        bool with_closer = scene.closer != NULL || scene.pools[0].pull;
        if (atomic_load(&conn->ours) && atomic_load(&conn->closer_calls) != 0)
            fail("connection %d was given away and closed all the same", i);
        bool left = atomic_load(&conn->ours) ||
                    (conn->type == CONN_PIPE && !with_closer);
        if (left && conn_is_open(conn))
            conn_close_client(conn);
    }
    count_check();
}

static void check_resources_gone(void)
{
    int fds = 0, threads = 0;
    for (int ms = 0; ms < GONE_LIMIT_MS; ms++) {
        fds = fds_count();
        threads = threads_count();
        if (fds == scene.start_fds && threads == scene.start_threads)
            return;
        real_sleep_us(1000);
    }
    fail("left behind: %d descriptors and %d threads, at the start %d and %d",
         fds, threads, scene.start_fds, scene.start_threads);
}

static void pool_end(struct pool *pool)
{
    if (!pool->freed) {
        call_begin(-1);
        ncp_pool_close(pool->pool);
        call_end();
        queue_drain(pool);
        clock_forget_pool(pool->pool);
        call_begin(-1);
        ncp_pool_free(pool->pool);
        call_end();
    }
}

/* After everything is back and closed, CLOSE-6 holds. */
static bool all_zero(void *user)
{
    struct pool *pool = user;
    uint64_t stats[NCP_COUNTER_COUNT];
    ncp_pool_stats(pool->pool, stats, NCP_COUNTER_COUNT);
    for (int i = NCP_COUNTER_CURRENT; i <= NCP_COUNTER_UDP_IDLE; i++)
        if (stats[i] != 0)
            return false;
    return stats[NCP_COUNTER_CREATED] == stats[NCP_COUNTER_CLOSED];
}

static void check_closed_stats(struct pool *pool)
{
    if (pool->freed)
        return;
    call_begin(-1);
    ncp_pool_close(pool->pool);
    call_end();
    queue_drain(pool);
    if (!clock_wait(all_zero, pool, END_LIMIT_MS))
        fail("pool %s is closed, all is back, its counters are not zero",
             pool->name);
    count_check();
}

static bool all_dropped(void *unused)
{
    (void)unused;
    return atomic_load(&scene.callbacks_dropped) >=
           atomic_load(&scene.callbacks_given);
}

/* Configurations and pools are gone: each callback is dropped once. */
static void check_callbacks_dropped(void)
{
    bool all = clock_wait(all_dropped, NULL, END_LIMIT_MS);
    if (!all || atomic_load(&scene.callbacks_dropped) !=
                    atomic_load(&scene.callbacks_given))
        fail("%d of %d callbacks were dropped",
             atomic_load(&scene.callbacks_dropped),
             atomic_load(&scene.callbacks_given));
    count_check();
}

static void tokens_end(void)
{
    for (int i = 0; i < scene.token_count; i++)
        ncp_cancel_free(scene.tokens[i].cancel);
}

void pools_end(void)
{
    where_push("end");
    if (scene.guard != NULL)
        ncp_guard_fire(scene.guard);
    leases_end();
    for (int i = 0; i < scene.pool_count; i++)
        check_closed_stats(&scene.pools[i]);
    for (int i = 0; i < scene.pool_count; i++)
        pool_end(&scene.pools[i]);
    tokens_end();
    for (int i = 0; i < scene.pool_count; i++) {
        ncp_config_free(scene.pools[i].config);
        ncp_queue_free(scene.pools[i].queue);
    }
    check_callbacks_dropped();
    check_conns_gone();
    for (int i = 0; i < scene.pool_count; i++)
        if (scene.pools[i].listener >= 0)
            close(scene.pools[i].listener);
    echo_reset();
    check_resources_gone();
    where_pop();
}
