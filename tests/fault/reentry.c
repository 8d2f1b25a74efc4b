/*
 * Every callback calls every function of the pool it is called by, close and
 * free included: nothing deadlocks, nothing is lost.
 *
 * usage: fault_reentry [callback]
 */
#include "child.h"
#include "snapshot.h"
#include "world.h"

#include <stdio.h>
#include <string.h>

enum { DIALER = 0, LOG = 100 }; /* beside the values of enum ncp_callback */

struct scene {
    ncp_pool *_Atomic pool;
    struct world *world;
    int callback; /* the one that calls back */
    size_t function;
    atomic_bool armed;
    atomic_bool called;
    atomic_int users; /* callbacks that may still be called */
};

static void not_called_any_more(void *user)
{
    struct scene *scene = user;

    atomic_fetch_sub(&scene->users, 1);
}

/* One more callback is set; it is dropped when it cannot be called any more. */
static ncp_drop_fn used_by(struct scene *scene)
{
    atomic_fetch_add(&scene->users, 1);
    return not_called_any_more;
}

static void call_try(ncp_pool *pool, uint64_t own)
{
    ncp_lease lease = 0;

    (void)own;
    if (ncp_pool_try_get(pool, &lease) == NCP_OK)
        ncp_pool_put(pool, lease);
}

static void call_get(ncp_pool *pool, uint64_t own)
{
    ncp_lease lease = 0;

    (void)own;
    if (ncp_pool_get_timeout(pool, 5, &lease) == NCP_OK)
        ncp_pool_put(pool, lease);
}

static void call_put(ncp_pool *pool, uint64_t own)
{
    /* Its own connection is on its way already. */
    int status = ncp_pool_put(pool, own);
    REQUIRE(status == NCP_EINVALIDCONN || status == NCP_OK ||
            status == NCP_ELEAKED);
}

static void call_discard(ncp_pool *pool, uint64_t own)
{
    int status = ncp_pool_discard(pool, own);
    REQUIRE(status == NCP_EINVALIDCONN || status == NCP_OK ||
            status == NCP_ELEAKED);
}

static void call_set_healthy(ncp_pool *pool, uint64_t own)
{
    ncp_lease_set_healthy(pool, own, 0);
}

static void call_stats(ncp_pool *pool, uint64_t own)
{
    uint64_t value[NCP_COUNTER_COUNT];

    (void)own;
    snapshot_take(pool, value, 0, 0);
}

static void call_describe(ncp_pool *pool, uint64_t own)
{
    char text[4096];
    ncp_lease leases[8];
    size_t out = 0;

    REQUIRE(ncp_pool_describe(pool, text, sizeof(text)) > 0);
    REQUIRE_EQ(ncp_pool_leases(pool, leases, 8, &out), NCP_OK);
    ncp_lease_stack(pool, own, text, sizeof(text));
    ncp_pool_dial_error(pool, NULL, NULL, NULL, NULL, 0);
}

static void call_counts(ncp_pool *pool, uint64_t own)
{
    (void)own;
    REQUIRE(ncp_pool_active_count(pool) >= 0);
    REQUIRE(ncp_pool_idle_count(pool) >= 0);
    REQUIRE(ncp_pool_waiting_count(pool) >= 0);
    REQUIRE(ncp_pool_dialing_count(pool) >= 0);
    REQUIRE(ncp_pool_is_closed(pool) >= 0);
    REQUIRE(ncp_pool_next_due_ms(pool) >= -1);
}

static void call_flush(ncp_pool *pool, uint64_t own)
{
    (void)own;
    ncp_pool_flush(pool);
}

static void call_suspend(ncp_pool *pool, uint64_t own)
{
    (void)own;
    ncp_pool_suspend(pool);
    ncp_pool_resume(pool);
}

static void call_resize(ncp_pool *pool, uint64_t own)
{
    (void)own;
    ncp_pool_resize(pool, 1);
    ncp_pool_resize(pool, 4);
}

static void call_set(ncp_pool *pool, uint64_t own)
{
    (void)own;
    ncp_pool_set(pool, NCP_OPTION_IDLE_TIMEOUT, 1000);
    ncp_pool_wake(pool);
    ncp_pool_prewarm_wait(pool, 0);
}

static void call_close(ncp_pool *pool, uint64_t own)
{
    (void)own;
    REQUIRE_EQ(ncp_pool_close(pool), NCP_OK);
}

static void call_close_now(ncp_pool *pool, uint64_t own)
{
    (void)own;
    REQUIRE_EQ(ncp_pool_close_now(pool), NCP_OK);
}

static void call_close_wait(ncp_pool *pool, uint64_t own)
{
    (void)own;
    int status = ncp_pool_close_wait(pool, 2);
    REQUIRE(status == NCP_OK || status == NCP_ETIMEOUT);
}

static void call_drain(ncp_pool *pool, uint64_t own)
{
    (void)own;
    int status = ncp_pool_drain(pool, 2);
    REQUIRE(status == NCP_OK || status == NCP_ETIMEOUT);
}

static void call_ref(ncp_pool *pool, uint64_t own)
{
    (void)own;
    REQUIRE(ncp_pool_ref(pool) == pool);
    ncp_pool_free(pool);
}

static const struct {
    const char *name;
    void (*call)(ncp_pool *pool, uint64_t own);
} functions[] = {
    {"try_get", call_try},
    {"get", call_get},
    {"put", call_put},
    {"discard", call_discard},
    {"healthy", call_set_healthy},
    {"stats", call_stats},
    {"describe", call_describe},
    {"counts", call_counts},
    {"flush", call_flush},
    {"suspend", call_suspend},
    {"resize", call_resize},
    {"set", call_set},
    {"close", call_close},
    {"close_now", call_close_now},
    {"close_wait", call_close_wait},
    {"drain", call_drain},
    {"ref", call_ref},
};

enum { FUNCTIONS = sizeof(functions) / sizeof(functions[0]) };

/* Once a scene, so that the call's own callbacks do not call again. */
static void call_back(struct scene *scene, int callback, const ncp_conn *conn)
{
    ncp_pool *pool = atomic_load(&scene->pool);
    uint64_t own = 0;

    if (!pool || callback != scene->callback ||
        !atomic_exchange(&scene->armed, false))
        return;
    if (conn)
        ncp_conn_info(conn, NCP_INFO_LEASE, &own);
    functions[scene->function].call(pool, own);
    atomic_store(&scene->called, true);
}

static int dialer(void *user, ncp_dial *dial)
{
    struct scene *scene = user;

    call_back(scene, DIALER, NULL);
    return world_dialer(scene->world, dial);
}

static void log_line(void *user, int level, uint64_t conn_id, const char *text)
{
    (void)level;
    (void)conn_id;
    REQUIRE(text != NULL);
    call_back(user, LOG, NULL);
}

#define CALLBACK(name, value)                                                  \
    static int name(void *user, const ncp_conn *conn, int reason)              \
    {                                                                          \
        (void)reason;                                                          \
        call_back(user, value, conn);                                          \
        return NCP_OK;                                                         \
    }

CALLBACK(checker, NCP_CALLBACK_CHECKER)
CALLBACK(on_created, NCP_CALLBACK_ON_CREATED)
CALLBACK(on_borrow, NCP_CALLBACK_ON_BORROW)
CALLBACK(on_return, NCP_CALLBACK_ON_RETURN)
CALLBACK(on_close, NCP_CALLBACK_ON_CLOSE)
CALLBACK(on_leak, NCP_CALLBACK_ON_LEAK)

static int closer(void *user, const ncp_conn *conn, int reason)
{
    struct scene *scene = user;

    (void)reason;
    world_close(scene->world, ncp_conn_handle(conn));
    call_back(scene, NCP_CALLBACK_CLOSER, conn);
    return NCP_OK;
}

static const struct {
    const char *name;
    int callback;
    ncp_conn_fn function;
} callbacks[] = {
    {"dialer", DIALER, NULL},
    {"log", LOG, NULL},
    {"closer", NCP_CALLBACK_CLOSER, closer},
    {"checker", NCP_CALLBACK_CHECKER, checker},
    {"on_created", NCP_CALLBACK_ON_CREATED, on_created},
    {"on_borrow", NCP_CALLBACK_ON_BORROW, on_borrow},
    {"on_return", NCP_CALLBACK_ON_RETURN, on_return},
    {"on_close", NCP_CALLBACK_ON_CLOSE, on_close},
    {"on_leak", NCP_CALLBACK_ON_LEAK, on_leak},
};

static ncp_pool *open_pool(struct scene *scene, bool in_caller)
{
    const struct {
        int option;
        int64_t value;
    } options[] = {
        {NCP_OPTION_MAX_CONNECTIONS, 2},
        {NCP_OPTION_MIN_CONNECTIONS, 0},
        {NCP_OPTION_GET_TIMEOUT, 50},
        {NCP_OPTION_DIAL_IN_CALLER, in_caller},
        {NCP_OPTION_HEALTH_CHECK, scene->callback == NCP_CALLBACK_CHECKER},
        {NCP_OPTION_HEALTH_CHECK_INTERVAL, 1},
        {NCP_OPTION_HEALTH_CHECK_TIMEOUT, 1000},
        {NCP_OPTION_LEAK_TIMEOUT, scene->callback == NCP_CALLBACK_ON_LEAK},
        {NCP_OPTION_LEAK_INTERVAL, 1},
        {NCP_OPTION_CAPTURE_STACKS, 1},
        {NCP_OPTION_LOG_LEVEL,
         scene->callback == LOG ? NCP_LOG_DEBUG : NCP_LOG_OFF},
    };
    ncp_config *config = NULL;
    ncp_pool *pool = NULL;

    REQUIRE_EQ(ncp_config_new(NCP_MODE_CLIENT, &config), NCP_OK);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        REQUIRE_EQ(
            ncp_config_set_int(config, options[i].option, options[i].value),
            NCP_OK);
    REQUIRE_EQ(ncp_config_set_dialer(config, dialer, scene, used_by(scene)),
               NCP_OK);
    REQUIRE_EQ(ncp_config_set_log(config, log_line, scene, used_by(scene)),
               NCP_OK);
    for (size_t i = 0; i < sizeof(callbacks) / sizeof(callbacks[0]); i++)
        if (callbacks[i].function)
            REQUIRE_EQ(ncp_config_set_callback(config, callbacks[i].callback,
                                               callbacks[i].function, scene,
                                               used_by(scene)),
                       NCP_OK);
    REQUIRE_EQ(ncp_pool_new(config, &pool), NCP_OK);
    ncp_config_free(config);
    return pool;
}

static bool borrow(ncp_pool *pool, ncp_lease *lease)
{
    int status = ncp_pool_get(pool, lease);

    REQUIRE(status == NCP_OK || status == NCP_ECLOSED ||
            status == NCP_ETIMEOUT);
    return status == NCP_OK;
}

static void end_lease(int status)
{
    REQUIRE(status == NCP_OK || status == NCP_ELEAKED ||
            status == NCP_EINVALIDCONN);
}

static void play(struct scene *scene, ncp_pool *pool)
{
    ncp_lease lease[2] = {0};
    bool leaks = scene->callback == NCP_CALLBACK_ON_LEAK;
    bool checks = scene->callback == NCP_CALLBACK_CHECKER;

    bool first = borrow(pool, &lease[0]);
    bool second = borrow(pool, &lease[1]);
    if (leaks)
        REQUIRE_SOON(atomic_load(&scene->called));
    if (first)
        end_lease(ncp_pool_put(pool, lease[0]));
    if (checks)
        REQUIRE_SOON(atomic_load(&scene->called));
    if (second)
        end_lease(ncp_pool_discard(pool, lease[1]));
    if (borrow(pool, &lease[0]))
        end_lease(ncp_pool_put(pool, lease[0]));
    ncp_pool_close(pool);
    REQUIRE_SOON(atomic_load(&scene->called));
}

static void play_scene(int callback, size_t function, bool in_caller)
{
    struct scene scene = {.callback = callback, .function = function};
    uint64_t value[NCP_COUNTER_COUNT];

    scene.world = world_new(8);
    atomic_store(&scene.world->may_take_away, true);
    ncp_pool *pool = open_pool(&scene, in_caller);
    expect_about(pool);
    atomic_store(&scene.armed, true);
    atomic_store(&scene.pool, pool);
    play(&scene, pool);
    REQUIRE_SOON(ncp_pool_dialing_count(pool) == 0);
    REQUIRE_SOON((ncp_pool_stats(pool, value, NCP_COUNTER_COUNT),
                  value[NCP_COUNTER_CREATED] == value[NCP_COUNTER_CLOSED]));
    snapshot_take(pool, value, 0, 0);
    REQUIRE_EQ(value[NCP_COUNTER_IN_FLIGHT], 0);
    expect_about(NULL);
    ncp_pool_free(pool);
    /* The housekeeper may still be in one of them. */
    REQUIRE_SOON(atomic_load(&scene.users) == 0);
    world_require_empty(scene.world);
    world_free(scene.world);
}

static void play_callback(void *arg)
{
    const int *callback = arg;

    for (size_t i = 0; i < FUNCTIONS; i++) {
        for (int in_caller = 0; in_caller < 2; in_caller++) {
            expect_context("callback %d calls %s%s", *callback,
                           functions[i].name,
                           in_caller ? ", dialing in the caller" : "");
            play_scene(*callback, i, in_caller);
        }
    }
}

/* The last reference goes while a callback of the last lease runs. */
static int free_in_callback(void *user, const ncp_conn *conn, int reason)
{
    struct scene *scene = user;
    ncp_pool *pool = atomic_exchange(&scene->pool, NULL);

    (void)conn;
    (void)reason;
    ncp_pool_free(pool);
    return NCP_OK;
}

static void free_inside(int callback)
{
    struct scene scene = {.callback = -1};
    ncp_config *config = NULL;
    ncp_pool *pool = NULL;
    ncp_lease lease = 0;

    scene.world = world_new(2);
    REQUIRE_EQ(ncp_config_new(NCP_MODE_CLIENT, &config), NCP_OK);
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_LOG_LEVEL, 0), NCP_OK);
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, 0), 0);
    REQUIRE_EQ(ncp_config_set_dialer(config, world_dialer, scene.world, NULL),
               NCP_OK);
    REQUIRE_EQ(ncp_config_set_callback(config, NCP_CALLBACK_CLOSER,
                                       world_closer, scene.world, NULL),
               NCP_OK);
    REQUIRE_EQ(ncp_config_set_callback(config, callback, free_in_callback,
                                       &scene, NULL),
               NCP_OK);
    REQUIRE_EQ(ncp_pool_new(config, &pool), NCP_OK);
    ncp_config_free(config);
    atomic_store(&scene.pool, pool);
    REQUIRE_EQ(ncp_pool_get(pool, &lease), NCP_OK);
    int status = callback == NCP_CALLBACK_ON_RETURN
                     ? ncp_pool_put(pool, lease)
                     : ncp_pool_discard(pool, lease);
    REQUIRE_EQ(status, NCP_OK);
    REQUIRE(atomic_load(&scene.pool) == NULL);
    world_require_empty(scene.world);
    world_free(scene.world);
}

static void free_inside_callbacks(void *arg)
{
    (void)arg;
    int threads = count_threads();
    free_inside(NCP_CALLBACK_ON_RETURN);
    free_inside(NCP_CALLBACK_ON_CLOSE);
    REQUIRE_SOON(count_threads() == threads);
}

int main(int argc, char **argv)
{
    int found = 0;

    for (size_t i = 0; i < sizeof(callbacks) / sizeof(callbacks[0]); i++) {
        int callback = callbacks[i].callback;
        if (argc > 1 && strcmp(argv[1], callbacks[i].name) != 0)
            continue;
        found++;
        printf("%s\n", callbacks[i].name);
        child_run(play_callback, &callback);
    }
    if (argc == 1 || strcmp(argv[1], "free") == 0) {
        found++;
        printf("free\n");
        child_run(free_inside_callbacks, NULL);
    }
    return found ? 0 : 2;
}
