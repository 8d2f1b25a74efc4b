/*
 * Steps that look: at counters, texts, errors.
 */
#include "runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void op_check(const json_t *step, struct task *task)
{
    check_facts(step, task->scope);
}

struct waiting {
    const json_t *facts;
    int scope;
    char why[512];
};

static bool facts_true(void *user)
{
    struct waiting *waiting = user;
    return facts_hold(waiting->facts, waiting->scope, waiting->why,
                      sizeof waiting->why);
}

static void op_wait_until(const json_t *step, struct task *task)
{
    struct waiting waiting = {.facts = step, .scope = task->scope};
    int64_t limit = int_at(step, "limit_ms", 1000);
    if (!clock_wait(facts_true, &waiting, limit))
        fail("not within %lld ms: %s", (long long)limit, waiting.why);
}

static void texts_in(const json_t *texts, const char *all, bool wanted)
{
    size_t index;
    const json_t *text;
    json_array_foreach(texts, index, text) {
        count_check();
        if ((strstr(all, json_string_value(text)) != NULL) != wanted)
            fail("\"%s\" is %s in: %s", json_string_value(text),
                 wanted ? "missing" : "found", all);
    }
}

static void op_describe(const json_t *step, struct task *task)
{
    (void)task;
    char text[8192], small[8];
    ncp_pool *pool = step_pool(step)->pool;
    int length = ncp_pool_describe(pool, text, sizeof text);
    if (length <= 0 ||
        (length < (int)sizeof text && length != (int)strlen(text)))
        fail("describe says %d", length);
    if (ncp_pool_describe(pool, small, sizeof small) < length - 64 ||
        strlen(small) >= sizeof small || ncp_pool_describe(pool, NULL, 0) <= 0)
        fail("describe into a small buffer");
    texts_in(json_object_get(step, "contains"), text, true);
    texts_in(json_object_get(step, "omits"), text, false);
}

static void op_dial_error(const json_t *step, struct task *task)
{
    (void)task;
    int64_t code = 0, age = 0;
    uint64_t count = 0;
    char text[128] = "";
    int status = ncp_pool_dial_error(step_pool(step)->pool, &code, &age, &count,
                                     text, sizeof text);
    expect_status(step, status, "dial_error");
    const json_t *bound = json_object_get(step, "code");
    if (bound != NULL)
        check_bound(bound, (double)code, "the code");
    if ((bound = json_object_get(step, "age_ms")) != NULL)
        check_bound(bound, (double)age, "the age in ms");
    if ((bound = json_object_get(step, "count")) != NULL)
        check_bound(bound, (double)count, "the failures in a row");
    const char *wanted = text_at(step, "text", NULL);
    if (wanted != NULL && strcmp(text, wanted) != 0)
        fail("the text of the dial error is \"%s\"", text);
}

static void op_log(const json_t *step, struct task *task)
{
    (void)task;
    size_t index;
    const json_t *text;
    json_array_foreach(json_object_get(step, "contains"), index, text) {
        bool found = false;
        pthread_mutex_lock(&scene.lock);
        for (size_t i = 0; i < scene.log_count; i++)
            found =
                found || strstr(scene.logs[i], json_string_value(text)) != NULL;
        pthread_mutex_unlock(&scene.lock);
        if (!found)
            fail("no line of the log says %s", json_string_value(text));
        count_check();
    }
}

/* Every function that takes a pointer answers NULL, and none crashes on values
 * that nobody ever gave out. */
static void is(const char *what, int status, int wanted)
{
    count_check();
    if (status != wanted)
        fail("%s: %s, expected %s", what, result_text(status),
             result_text(wanted));
}

static void misuse_pool(ncp_pool *pool)
{
    ncp_lease lease;
    is("get without out", ncp_pool_get(pool, NULL), NCP_EINVAL);
    is("get of nothing", ncp_pool_get(NULL, &lease), NCP_EINVAL);
    is("close of nothing", ncp_pool_close(NULL), NCP_EINVAL);
    is("is_closed of nothing", ncp_pool_is_closed(NULL), NCP_EINVAL);
    is("active_count of nothing", ncp_pool_active_count(NULL), NCP_EINVAL);
    is("stats of nothing", ncp_pool_stats(NULL, NULL, 0), NCP_EINVAL);
    is("describe of nothing", ncp_pool_describe(NULL, NULL, 0), NCP_EINVAL);
    is("wake of nothing", ncp_pool_wake(NULL), NCP_EINVAL);
    is("find of nothing", ncp_pool_find(NULL, NULL), NCP_EINVAL);
    is("new of nothing", ncp_pool_new(NULL, &pool), NCP_EINVALIDCONFIG);
    ncp_pool_free(NULL);
    ncp_config_free(NULL);
    ncp_queue_free(NULL);
    ncp_cancel_free(NULL);
    ncp_guard_fire(NULL);
}

static void misuse_leases(ncp_pool *pool)
{
    static const ncp_lease NEVER[] = {
        0, 1, 12345, UINT64_C(1) << 52, (UINT64_C(1) << 53) - 1, UINT64_MAX};
    uint64_t value;
    for (size_t i = 0; i < sizeof NEVER / sizeof *NEVER; i++) {
        is("put", ncp_pool_put(pool, NEVER[i]), NCP_EINVALIDCONN);
        is("discard", ncp_pool_discard(pool, NEVER[i]), NCP_EINVALIDCONN);
        is("detach", ncp_pool_detach(pool, NEVER[i], &value), NCP_EINVALIDCONN);
        is("close", ncp_lease_close(pool, NEVER[i]), NCP_EINVALIDCONN);
        is("handle", ncp_lease_handle(pool, NEVER[i], &value),
           NCP_EINVALIDCONN);
        is("info", ncp_lease_info(pool, NEVER[i], NCP_INFO_ID, &value),
           NCP_EINVALIDCONN);
        is("fd", ncp_lease_fd(pool, NEVER[i]), NCP_EINVALIDCONN);
        is("healthy", ncp_lease_set_healthy(pool, NEVER[i], 0),
           NCP_EINVALIDCONN);
    }
    int status = ncp_pool_put(NULL, 1);
    if (status != NCP_EINVAL && status != NCP_EINVALIDCONN)
        fail("put into nothing: %s", result_text(status));
}

static void misuse_rest(ncp_pool *pool)
{
    int64_t number;
    ncp_config *config = (ncp_config *)&number;
    is("config of no mode", ncp_config_new(99, &config), NCP_EINVALIDCONFIG);
    is("config without out", ncp_config_new(0, NULL), NCP_EINVAL);
    is("validate of nothing", ncp_config_validate(NULL), NCP_EINVALIDCONFIG);
    is("no such option", ncp_pool_option(pool, 9999, &number), NCP_ENOTFOUND);
    is("no such option", ncp_pool_set(pool, 9999, 1), NCP_ENOTFOUND);
    is("cancel of nothing", ncp_cancel_fire(NULL), NCP_EINVAL);
    is("queue of nothing", ncp_queue_fd(NULL), NCP_EINVAL);
    is("a negative fd", ncp_fd_alive(-1), NCP_EINVAL);
    is("a negative fd", ncp_udp_has_data(-1), NCP_EINVAL);
    is("no listener target", ncp_listen("nonsense", 1, (int *)&number),
       NCP_EINVALIDCONFIG);
    if (strcmp(ncp_status_text(12345), "unknown status") != 0 ||
        strcmp(ncp_config_reason(NULL), "") != 0)
        fail("a text for nothing");
}

static void op_misuse(const json_t *step, struct task *task)
{
    (void)task;
    ncp_pool *pool = step_pool(step)->pool;
    misuse_pool(pool);
    misuse_leases(pool);
    misuse_rest(pool);
}

/* Reading the statistics is cheap; the bound is far above what it takes. */
static void op_time_stats(const json_t *step, struct task *task)
{
    (void)task;
    int64_t n = int_at(step, "n", 1000);
    uint64_t stats[NCP_COUNTER_COUNT], best = UINT64_MAX;
    for (int64_t i = 0; i < n; i++) {
        uint64_t begin = real_now_ns();
        ncp_pool_stats(step_pool(step)->pool, stats, NCP_COUNTER_COUNT);
        uint64_t took = real_now_ns() - begin;
        best = took < best ? took : best;
    }
    const char *scale = getenv("NCP_SPEC_SCALE"); /* sanitizers are slow */
    check_bound(json_object_get(step, "best_ns"),
                (double)best / (scale == NULL ? 1 : atof(scale)),
                "ns a snapshot");
}

static void op_wall_clock(const json_t *step, struct task *task)
{
    (void)task;
    wall_clock_jump(int_at(step, "seconds", 0));
}

const struct step_op steps_check[] = {
    {"check", "op stats dials that", op_check},
    {"wait_until", "op stats dials that limit_ms", op_wait_until},
    {"describe", "op pool contains omits", op_describe},
    {"dial_error", "op pool expect code age_ms count text", op_dial_error},
    {"log", "op contains", op_log},
    {"misuse", "op pool", op_misuse},
    {"time_stats", "op pool n best_ns", op_time_stats},
    {"wall_clock", "op seconds", op_wall_clock},
    {NULL, NULL, NULL}};
