/*
 * Steps of the pull driver: the scenario does the work the pool hands out.
 */
#include "runner.h"

#include <stdio.h>
#include <string.h>

enum { EVENTS_MAX = 16 };

static struct var *from(const json_t *step, struct task *task)
{
    char name[RUN_NAME_SIZE];
    name_expand(text_at(step, "from", "?"), task->index, name);
    struct var *var = var_find(name, task->scope);
    if (!var->has_event)
        fail("%s is no event", name);
    return var;
}

static void expect_type(const json_t *wanted, const ncp_event *event)
{
    const char *name = json_string_value(wanted);
    int type = event_of(name);
    count_check();
    if (type < 0)
        fail("the answer is %s, expected %s", event_text(event->type), name);
    if (event->type != type)
        fail("the answer is %s, expected %s", event_text(event->type), name);
    if (event->reserved32 != 0)
        fail("the spare space of an event is used");
}

static void event_kept(struct pool *pool, const char *name,
                       const ncp_event *event, struct task *task)
{
    struct var *var = var_new(name, task->scope);
    var->pool = pool;
    var->event = *event;
    var->has_event = true;
    if (event->type == NCP_EVENT_CONN)
        lease_got(var, pool, event->lease);
    if (event->type == NCP_EVENT_CHECK || event->type == NCP_EVENT_BORROW)
        var->conn = conn_by_handle(event->handle);
}

/* Judges an answer: an event type, or a status that is no success. */
static void answered(const json_t *step, struct task *task, struct pool *pool,
                     int status, const ncp_event *out)
{
    const json_t *wanted = json_object_get(step, "expect");
    const char *name =
        json_is_string(wanted) ? json_string_value(wanted) : "OK";
    if (event_of(name) < 0) {
        expect_status(step, status, text_at(step, "op", ""));
        if (status != NCP_OK && out->type != NCP_EVENT_NONE)
            fail("an error left the answer %s", event_text(out->type));
        return;
    }
    if (status != NCP_OK)
        fail("%s: %s, expected %s", text_at(step, "op", ""),
             result_text(status), name);
    expect_type(wanted, out);
    char as[RUN_NAME_SIZE];
    name_expand(text_at(step, "as", "(event)"), task->index, as);
    event_kept(pool, as, out, task);
}

static ncp_queue *step_queue(const json_t *step, const struct pool *pool)
{
    if (strcmp(text_at(step, "queue", "main"), "none") == 0)
        return NULL;
    return pool->queue;
}

static int word_or_any(const json_t *step, const char *key,
                       int (*reads)(const json_t *value))
{
    const json_t *value = json_object_get(step, key);
    return value == NULL ? 0 : reads(value);
}

static void op_acquire(const json_t *step, struct task *task)
{
    struct pool *pool = step_pool(step);
    int flags = (bool_at(step, "dials") ? NCP_FLAG_DIALS : 0) |
                (bool_at(step, "try") ? NCP_FLAG_TRY : 0) |
                (bool_at(step, "take") ? NCP_FLAG_TAKE : 0);
    ncp_event out;
    memset(&out, 0x5a, sizeof out);
    int status =
        ncp_pool_acquire(pool->pool, step_queue(step, pool),
                         word_or_any(step, "want_protocol", protocol_of),
                         word_or_any(step, "want_ip", ip_of),
                         int_at(step, "timeout_ms", NCP_TIMEOUT_DEFAULT),
                         (uint64_t)int_at(step, "tag", 0), flags, &out);
    answered(step, task, pool, status, &out);
}

/* Dials as the key `dial` of the case says, and hands the result in. */
static void op_fulfil(const json_t *step, struct task *task)
{
    struct var *var = from(step, task);
    struct conn *conn = dial_next(var->event.protocol, var->event.ip);
    ncp_event out;
    int status =
        ncp_pool_fulfil(var->pool->pool, var->event.lease, conn->handle,
                        conn->type == CONN_PIPE ? -1 : conn->fd, conn->protocol,
                        conn->ip, &out);
    if (status == NCP_EINVALIDCONN)
        atomic_store(&conn->ours, true);
    answered(step, task, var->pool, status, &out);
}

static void op_fail(const json_t *step, struct task *task)
{
    struct var *var = from(step, task);
    ncp_event out;
    int status = ncp_pool_fail(var->pool->pool, var->event.lease,
                               result_of(text_at(step, "status", "DIAL")),
                               int_at(step, "code", 111),
                               text_at(step, "text", NULL), &out);
    answered(step, task, var->pool, status, &out);
}

static void op_checked(const json_t *step, struct task *task)
{
    struct var *var = from(step, task);
    ncp_event out;
    int status = ncp_pool_checked(var->pool->pool, var->event.lease,
                                  bool_at(step, "healthy"), &out);
    answered(step, task, var->pool, status, &out);
}

static void op_take(const json_t *step, struct task *task)
{
    struct var *var = from(step, task);
    ncp_event out;
    int status = ncp_ticket_take(var->pool->pool, var->event.ticket, &out);
    answered(step, task, var->pool, status, &out);
}

static void op_ticket_wait(const json_t *step, struct task *task)
{
    struct var *var = from(step, task);
    ncp_event out;
    int64_t timeout = int_at(step, "timeout_ms", -1);
    double begin = clock_since_start_ms();
    call_begin(timeout);
    int status =
        ncp_ticket_wait(var->pool->pool, var->event.ticket, timeout, &out);
    call_end();
    answered(step, task, var->pool, status, &out);
    check_within(step, begin);
}

static void op_abandon(const json_t *step, struct task *task)
{
    struct var *var = from(step, task);
    expect_status(
        step,
        ncp_ticket_abandon(var->pool->pool, var->event.ticket,
                           result_of(text_at(step, "status", "CANCELED"))),
        "abandon");
}

static void op_work(const json_t *step, struct task *task)
{
    (void)task;
    expect_status(step, ncp_pool_work(step_pool(step)->pool), "work");
}

/* -------------------------------------------------------- taking events out */

static void do_close(const ncp_event *event)
{
    struct conn *conn = conn_by_handle(event->handle);
    if (conn == NULL || atomic_fetch_add(&conn->closer_calls, 1) != 0)
        fail("a CLOSE event for a handle that is unknown or closed");
    if (atomic_load(&conn->owners) != 0 &&
        event->reason != NCP_REASON_POOL_CLOSED &&
        event->reason != NCP_REASON_LEAKED)
        fail("connection %d is closed while it is lent (%s)", conn->index,
             ncp_reason_text(event->reason));
    conn_close_client(conn);
    event_record("close:%s", ncp_reason_text(event->reason));
}

static void events_taken(const json_t *step, struct task *task,
                         struct pool *pool, const ncp_event *events, int count)
{
    const json_t *wanted = json_object_get(step, "events");
    if ((size_t)count != json_array_size(wanted)) {
        char got[256] = "";
        for (int i = 0; i < count; i++) {
            strncat(got, " ", sizeof got - strlen(got) - 1);
            strncat(got, event_text(events[i].type),
                    sizeof got - strlen(got) - 1);
        }
        fail("%d events:%s, expected %zu", count, got, json_array_size(wanted));
    }
    for (int i = 0; i < count; i++) {
        char name[RUN_NAME_SIZE];
        expect_type(json_array_get(wanted, (size_t)i), &events[i]);
        snprintf(name, sizeof name, "%.30s.%d", text_at(step, "as", "(event)"),
                 i);
        event_kept(pool, name, &events[i], task);
        if (events[i].type == NCP_EVENT_CLOSE)
            do_close(&events[i]);
    }
}

static void op_poll(const json_t *step, struct task *task)
{
    struct pool *pool = step_pool(step);
    ncp_event events[EVENTS_MAX];
    int count = ncp_queue_poll(pool->queue, events, EVENTS_MAX);
    events_taken(step, task, pool, events, count);
}

static void op_queue_wait(const json_t *step, struct task *task)
{
    struct pool *pool = step_pool(step);
    ncp_event events[EVENTS_MAX];
    int count = ncp_queue_wait(pool->queue, events, EVENTS_MAX,
                               int_at(step, "real_ms", 1000));
    events_taken(step, task, pool, events, count);
}

static void op_release(const json_t *step, struct task *task)
{
    char name[RUN_NAME_SIZE];
    name_expand(text_at(step, "conn", "?"), task->index, name);
    struct var *var = var_find(name, task->scope);
    ncp_event events[EVENTS_MAX];
    int status = 77;
    lease_back(var);
    int count =
        ncp_pool_release(var->pool->pool, var->lease,
                         (bool_at(step, "discard") ? NCP_FLAG_DISCARD : 0) |
                             (bool_at(step, "hook") ? NCP_FLAG_HOOK : 0),
                         step_queue(step, var->pool), events,
                         (int)int_at(step, "max", EVENTS_MAX), &status);
    expect_status(step, status, "release");
    events_taken(step, task, var->pool, events, count);
}

static void op_kick(const json_t *step, struct task *task)
{
    (void)task;
    expect_status(step, ncp_queue_kick(step_pool(step)->queue), "kick");
}

/* Reads lines of log until there are no more. */
static void op_log_next(const json_t *step, struct task *task)
{
    ncp_pool *pool = step_pool(step)->pool;
    const char *wanted = text_at(step, "contains", "");
    bool found = *wanted == '\0';
    int64_t lines = 0;
    char text[512];
    int level;
    uint64_t conn_id;
    (void)task;
    while (ncp_pool_log_next(pool, &level, &conn_id, text, sizeof text) > 0) {
        if (level < NCP_LOG_ERROR || level > NCP_LOG_DEBUG)
            fail("a line of log has level %d", level);
        found = found || strstr(text, wanted) != NULL;
        lines++;
    }
    count_check();
    if (!found)
        fail("no line of log contains \"%s\"", wanted);
    if (int_at(step, "lines", lines) != lines)
        fail("%lld lines of log, expected %lld", (long long)lines,
             (long long)int_at(step, "lines", lines));
}

/* ------------------------------------------------------------------- guards */

static void op_guard_hold(const json_t *step, struct task *task)
{
    struct var *var = var_find(text_at(step, "conn", "?"), task->scope);
    if (scene.guard == NULL && ncp_guard_new(&scene.guard) != NCP_OK)
        fail("no guard");
    bool lease = var->out;
    if (ncp_guard_hold(scene.guard, var->pool->pool, lease ? var->lease : 0,
                       lease ? 0 : var->event.ticket) != NCP_OK)
        fail("the guard does not hold");
}

static void op_guard_drop(const json_t *step, struct task *task)
{
    struct var *var = var_find(text_at(step, "conn", "?"), task->scope);
    if (ncp_guard_drop(scene.guard, var->pool->pool, var->lease,
                       var->event.ticket) != NCP_OK)
        fail("the guard does not let go");
}

static void op_guard_fire(const json_t *step, struct task *task)
{
    (void)step;
    (void)task;
    size_t index;
    const json_t *name;
    json_array_foreach(json_object_get(step, "holds"), index, name)
        lease_back(var_find(json_string_value(name), task->scope));
    ncp_guard_fire(scene.guard);
    scene.guard = NULL;
}

const struct step_op steps_pull[] = {
    {"acquire",
     "op pool as queue want_protocol want_ip timeout_ms tag dials try take "
     "expect",
     op_acquire},
    {"fulfil", "op from as expect", op_fulfil},
    {"fail", "op from status code text as expect", op_fail},
    {"checked", "op from healthy as expect", op_checked},
    {"take", "op from as expect", op_take},
    {"ticket_wait", "op from timeout_ms as expect within_ms", op_ticket_wait},
    {"abandon", "op from status expect", op_abandon},
    {"work", "op pool expect", op_work},
    {"poll", "op pool events as", op_poll},
    {"queue_wait", "op pool real_ms events as", op_queue_wait},
    {"release", "op conn discard hook queue max events as expect", op_release},
    {"log_next", "op pool contains lines", op_log_next},
    {"kick", "op pool expect", op_kick},
    {"guard_hold", "op conn", op_guard_hold},
    {"guard_drop", "op conn", op_guard_drop},
    {"guard_fire", "op holds", op_guard_fire},
    {NULL, NULL, NULL}};
