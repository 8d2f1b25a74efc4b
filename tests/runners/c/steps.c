/*
 * Runs a list of steps: finds each operation, refuses keys it does not know.
 */
#include "runner.h"

#include <stdio.h>
#include <string.h>

static const struct step_op *const FAMILIES[] = {
    steps_pool, steps_conn, steps_task, steps_check, steps_pull, steps_config};

static const struct step_op *op_named(const char *name)
{
    for (size_t i = 0; i < sizeof FAMILIES / sizeof *FAMILIES; i++)
        for (const struct step_op *op = FAMILIES[i]; op->name != NULL; op++)
            if (strcmp(op->name, name) == 0)
                return op;
    fail("this runner does not know the operation %s", name);
}

struct pool *step_pool(const json_t *step)
{
    return pool_named(text_at(step, "pool", "main"));
}

static bool one_of(const json_t *wanted, int status)
{
    if (json_is_string(wanted))
        return status == result_of(json_string_value(wanted));
    size_t index;
    const json_t *one;
    json_array_foreach(wanted, index, one)
        if (status == result_of(json_string_value(one)))
            return true;
    return false;
}

void expect_status(const json_t *step, int status, const char *what)
{
    const json_t *wanted = json_object_get(step, "expect");
    bool fine = wanted == NULL ? status == NCP_OK : one_of(wanted, status);
    count_check();
    if (fine)
        return;
    char *text = wanted == NULL
                     ? NULL
                     : json_dumps(wanted, JSON_COMPACT | JSON_ENCODE_ANY);
    char error[128] = "";
    if (status == NCP_EDIAL || status == NCP_ETIMEOUT)
        ncp_pool_dial_error(scene.pools[0].pool, NULL, NULL, NULL, error,
                            sizeof error);
    fail("%s: %s, expected %s%s%s", what, result_text(status),
         text == NULL ? "OK" : text, error[0] ? "; last dial error: " : "",
         error);
}

void steps_run(const json_t *steps, struct task *task)
{
    size_t index;
    const json_t *step;
    json_array_foreach(steps, index, step) {
        const char *name = text_at(step, "op", "?");
        where_push("step %zu (%s)", index, name);
        const struct step_op *op = op_named(name);
        keys_only(step, op->keys, name);
        op->run(step, task);
        if (task->scope == -1)
            for (int i = 0; i < scene.pool_count; i++)
                check_invariants(&scene.pools[i]);
        where_pop();
    }
}
