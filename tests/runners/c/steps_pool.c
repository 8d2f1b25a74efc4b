/*
 * Steps that borrow, give back and steer.
 */
#include "runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------------- get */

struct request {
    struct pool *pool;
    const char *via;
    int protocol;
    int ip;
    bool ex; /* needs ncp_pool_get_ex */
    bool has_timeout;
    int64_t timeout_ms;
    uint64_t tag;
    ncp_cancel *cancel;
};

static const struct {
    const char *via;
    int protocol;
    int ip;
    int (*get)(ncp_pool *pool, ncp_lease *out);
} VIAS[] = {
    {"any", 0, 0, ncp_pool_get},
    {"try", 0, 0, ncp_pool_try_get},
    {"tcp", NCP_PROTOCOL_TCP, 0, ncp_pool_get_tcp},
    {"udp", NCP_PROTOCOL_UDP, 0, ncp_pool_get_udp},
    {"ipv4", 0, NCP_IP_V4, ncp_pool_get_ipv4},
    {"ipv6", 0, NCP_IP_V6, ncp_pool_get_ipv6},
};

static size_t via_index(const char *via)
{
    for (size_t i = 0; i < sizeof VIAS / sizeof *VIAS; i++)
        if (strcmp(VIAS[i].via, via) == 0)
            return i;
    fail("there is no way to get via %s", via);
}

static struct request request_of(const json_t *step)
{
    struct request request = {.pool = step_pool(step),
                              .via = text_at(step, "via", "any"),
                              .timeout_ms = NCP_TIMEOUT_DEFAULT};
    size_t via = via_index(request.via);
    request.protocol = VIAS[via].protocol;
    request.ip = VIAS[via].ip;
    const json_t *value = json_object_get(step, "want_protocol");
    if (value != NULL) {
        request.protocol = protocol_of(value);
        request.ex = true;
    }
    value = json_object_get(step, "want_ip");
    if (value != NULL) {
        request.ip = ip_of(value);
        request.ex = true;
    }
    value = json_object_get(step, "timeout_ms");
    if (value != NULL) {
        request.timeout_ms = json_integer_value(value);
        request.has_timeout = true;
        request.ex = request.ex || via != 0;
    }
    value = json_object_get(step, "tag");
    if (value != NULL) {
        request.tag = (uint64_t)json_integer_value(value);
        request.ex = true;
    }
    return request;
}

static int64_t timeout_of(const struct request *request)
{
    int64_t timeout = request->timeout_ms;
    if (!request->has_timeout)
        ncp_pool_option(request->pool->pool, NCP_OPTION_GET_TIMEOUT, &timeout);
    return timeout;
}

static int do_get(const struct request *request, ncp_lease *lease)
{
    ncp_pool *pool = request->pool->pool;
    if (request->ex || request->cancel != NULL)
        return ncp_pool_get_ex(pool, request->protocol, request->ip,
                               request->timeout_ms, request->cancel,
                               request->tag, lease);
    if (request->has_timeout)
        return ncp_pool_get_timeout(pool, request->timeout_ms, lease);
    return VIAS[via_index(request->via)].get(pool, lease);
}

static void check_fact(const json_t *step, const char *key,
                       const struct var *var, int info,
                       int (*reads)(const json_t *value))
{
    const json_t *value = json_object_get(step, key);
    uint64_t fact = 0;
    if (value == NULL)
        return;
    ncp_lease_info(var->pool->pool, var->lease, info, &fact);
    if (fact != (uint64_t)reads(value))
        fail("%s of the connection is %llu", key, (unsigned long long)fact);
    count_check();
}

static int plain_int(const json_t *value)
{
    return (int)json_integer_value(value);
}

static void check_got(const json_t *step, const struct var *var,
                      struct task *task)
{
    char name[RUN_NAME_SIZE];
    const char *other = text_at(step, "same_as", NULL);
    if (other != NULL) {
        name_expand(other, task->index, name);
        if (var_find(name, task->scope)->conn_id != var->conn_id)
            fail("the connection is another one than %s", name);
        count_check();
    }
    other = text_at(step, "differs_from", NULL);
    if (other != NULL) {
        name_expand(other, task->index, name);
        if (var_find(name, task->scope)->conn_id == var->conn_id)
            fail("the connection is the same as %s", name);
        count_check();
    }
    check_fact(step, "reuse", var, NCP_INFO_REUSE_COUNT, plain_int);
    check_fact(step, "protocol", var, NCP_INFO_PROTOCOL, protocol_of);
    check_fact(step, "ip", var, NCP_INFO_IP, ip_of);
}

/* Fires a token after a while, beside the get that carries it. */
struct firing {
    struct actor actor;
    pthread_t thread;
    ncp_cancel *cancel;
    int64_t after_ms;
};

static void *fire_later(void *user)
{
    struct firing *firing = user;
    actor_adopt(&firing->actor);
    clock_sleep_ms(firing->after_ms);
    ncp_cancel_fire(firing->cancel);
    actor_end(&firing->actor);
    return NULL;
}

static ncp_cancel *cancel_of(const json_t *step, struct firing *firing)
{
    const char *name = text_at(step, "cancel", NULL);
    if (name != NULL)
        return token_named(name);
    bool at_once = bool_at(step, "cancelled");
    int64_t after = int_at(step, "cancel_after_ms", -1);
    if (!at_once && after < 0)
        return NULL;
    if (ncp_cancel_new(&firing->cancel) != NCP_OK)
        fail("no token");
    if (at_once) {
        ncp_cancel_fire(firing->cancel);
        return firing->cancel;
    }
    firing->after_ms = after;
    actor_begin(&firing->actor, "canceller");
    if (pthread_create(&firing->thread, NULL, fire_later, firing) != 0)
        fail("no thread for a cancel");
    return firing->cancel;
}

static void cancel_end(struct firing *firing)
{
    if (firing->after_ms > 0)
        actor_join(firing->thread);
    ncp_cancel_free(firing->cancel);
}

static void get_into(const json_t *step, struct task *task, const char *as)
{
    struct request request = request_of(step);
    struct firing firing = {.cancel = NULL};
    request.cancel = cancel_of(step, &firing);
    double begin = clock_since_start_ms();
    ncp_lease lease = 77;
    call_begin(timeout_of(&request));
    int status = do_get(&request, &lease);
    call_end();
    char count[RUN_NAME_SIZE];
    snprintf(count, sizeof count, "get:%s", result_text(status));
    count_up(count);
    if (status != NCP_OK && lease != 0)
        fail("a get that failed left the lease %llu",
             (unsigned long long)lease);
    struct var *var = status == NCP_OK ? var_new(as, task->scope) : NULL;
    if (var != NULL)
        lease_got(var, request.pool, lease);
    expect_status(step, status, "get");
    check_within(step, begin);
    cancel_end(&firing);
    if (var != NULL)
        check_got(step, var, task);
}

static void op_get(const json_t *step, struct task *task)
{
    char name[RUN_NAME_SIZE];
    name_expand(text_at(step, "as", "(dropped)"), task->index, name);
    get_into(step, task, name);
}

static void op_get_many(const json_t *step, struct task *task)
{
    const char *group = text_at(step, "as", "(dropped)");
    for (int i = 0; i < int_at(step, "n", 1); i++) {
        char name[RUN_NAME_SIZE];
        snprintf(name, sizeof name, "%.30s.%d", group, i);
        get_into(step, task, name);
    }
}

/* ---------------------------------------------------------------- give back */

typedef int (*give_fn)(ncp_pool *pool, ncp_lease lease);

static void give_one(const json_t *step, struct var *var, give_fn call,
                     bool back)
{
    struct pool *pool =
        json_object_get(step, "pool") != NULL ? step_pool(step) : var->pool;
    double begin = clock_since_start_ms();
    if (back && pool == var->pool)
        lease_back(var);
    call_begin(-1);
    int status = call(pool->pool, var->lease);
    call_end();
    expect_status(step, status, text_at(step, "op", ""));
    check_within(step, begin);
}

static void give_nothing(const json_t *step, give_fn call)
{
    uint64_t lease = (uint64_t)int_at(step, "lease", 0);
    expect_status(step, call(step_pool(step)->pool, lease), "give back");
}

static void give_named(const json_t *step, struct task *task, const char *text,
                       give_fn call, bool back)
{
    char name[RUN_NAME_SIZE], member[RUN_NAME_SIZE];
    name_expand(text, task->index, name);
    struct var *var = var_lookup(name, task->scope);
    if (var != NULL) {
        give_one(step, var, call, back);
        return;
    }
    int count = 0;
    for (;; count++) {
        snprintf(member, sizeof member, "%.30s.%d", name, count);
        var = var_lookup(member, task->scope);
        if (var == NULL)
            break;
        give_one(step, var, call, back);
    }
    if (count == 0 && !bool_at(step, "if_got"))
        fail("nothing is called %s here", name);
}

static void give(const json_t *step, struct task *task, give_fn call, bool back)
{
    const json_t *conn = json_object_get(step, "conn");
    if (!json_is_string(conn))
        give_nothing(step, call);
    else
        give_named(step, task, json_string_value(conn), call, back);
}

static void op_put(const json_t *step, struct task *task)
{
    give(step, task, ncp_pool_put, true);
}

static void op_discard(const json_t *step, struct task *task)
{
    give(step, task, ncp_pool_discard, true);
}

static void op_conn_close(const json_t *step, struct task *task)
{
    give(step, task, ncp_lease_close, true);
}

static int detach(ncp_pool *pool, ncp_lease lease)
{
    uint64_t handle;
    int status = ncp_pool_detach(pool, lease, &handle);
    if (status != NCP_OK)
        return status;
    struct conn *conn = conn_by_handle(handle);
    if (conn == NULL)
        fail("detach gave the unknown handle %llu", (unsigned long long)handle);
    atomic_store(&conn->ours, true);
    return status;
}

static void op_detach(const json_t *step, struct task *task)
{
    give(step, task, detach, true);
}

/* -------------------------------------------------------------------- steer */

typedef int (*steer_fn)(ncp_pool *pool, int64_t number);

static void steer(const json_t *step, steer_fn call, int64_t number,
                  int64_t limit)
{
    double begin = clock_since_start_ms();
    call_begin(limit);
    int status = call(step_pool(step)->pool, number);
    call_end();
    expect_status(step, status, text_at(step, "op", ""));
    check_within(step, begin);
}

#define STEER(name, function)                                                  \
    static int name(ncp_pool *pool, int64_t unused)                            \
    {                                                                          \
        (void)unused;                                                          \
        return function(pool);                                                 \
    }                                                                          \
    static void op_##name(const json_t *step, struct task *task)               \
    {                                                                          \
        (void)task;                                                            \
        steer(step, name, 0, -1);                                              \
    }

STEER(close_pool, ncp_pool_close)
STEER(close_now, ncp_pool_close_now)
STEER(flush, ncp_pool_flush)
STEER(suspend, ncp_pool_suspend)
STEER(resume, ncp_pool_resume)

#define STEER_MS(name, function)                                               \
    static void op_##name(const json_t *step, struct task *task)               \
    {                                                                          \
        (void)task;                                                            \
        int64_t ms = int_at(step, "timeout_ms", -1);                           \
        steer(step, function, ms, ms);                                         \
    }

STEER_MS(close_wait, ncp_pool_close_wait)
STEER_MS(drain, ncp_pool_drain)
STEER_MS(prewarm_wait, ncp_pool_prewarm_wait)

static void op_resize(const json_t *step, struct task *task)
{
    (void)task;
    step_pool(step)->resized = true;
    steer(step, ncp_pool_resize, int_at(step, "max", 0), -1);
}

static void op_set(const json_t *step, struct task *task)
{
    (void)task;
    int option;
    const char *name = text_at(step, "option", "?");
    const json_t *value = json_object_get(step, "value");
    if (ncp_option_find(name, &option) != NCP_OK)
        fail("the library has no option %s", name);
    int64_t number = json_is_boolean(value) ? json_is_true(value)
                                            : json_integer_value(value);
    expect_status(step, ncp_pool_set(step_pool(step)->pool, option, number),
                  "set");
}

static void op_free(const json_t *step, struct task *task)
{
    (void)task;
    struct pool *pool = step_pool(step);
    double begin = clock_since_start_ms();
    pool->freed = true;
    clock_forget_pool(pool->pool);
    call_begin(-1);
    ncp_pool_free(pool->pool);
    call_end();
    check_within(step, begin);
}

static void op_cancel(const json_t *step, struct task *task)
{
    (void)task;
    expect_status(step,
                  ncp_cancel_fire(token_named(text_at(step, "token", "?"))),
                  "cancel");
}

#define GET_KEYS                                                               \
    "op pool as n via want_protocol want_ip timeout_ms tag cancel cancelled "  \
    "cancel_after_ms expect within_ms same_as differs_from reuse protocol ip"
#define GIVE_KEYS "op pool conn lease expect within_ms if_got"

const struct step_op steps_pool[] = {
    {"get", GET_KEYS, op_get},
    {"get_many", GET_KEYS, op_get_many},
    {"put", GIVE_KEYS, op_put},
    {"discard", GIVE_KEYS, op_discard},
    {"conn_close", GIVE_KEYS, op_conn_close},
    {"detach", GIVE_KEYS, op_detach},
    {"close", "op pool expect within_ms", op_close_pool},
    {"close_now", "op pool expect within_ms", op_close_now},
    {"close_wait", "op pool timeout_ms expect within_ms", op_close_wait},
    {"drain", "op pool timeout_ms expect within_ms", op_drain},
    {"prewarm_wait", "op pool timeout_ms expect within_ms", op_prewarm_wait},
    {"flush", "op pool expect within_ms", op_flush},
    {"suspend", "op pool expect within_ms", op_suspend},
    {"resume", "op pool expect within_ms", op_resume},
    {"resize", "op pool max expect within_ms", op_resize},
    {"set", "op pool option value expect", op_set},
    {"free", "op pool within_ms", op_free},
    {"cancel", "op token expect", op_cancel},
    {NULL, NULL, NULL}};
