/*
 * Steps that start threads, wait and repeat.
 */
#include "runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *task_main(void *user)
{
    struct task *task = user;
    actor_adopt(&task->actor);
    where_push("thread %s.%d", task->name, task->index);
    if (task->barrier != NULL)
        pthread_barrier_wait(task->barrier);
    steps_run(task->steps, task);
    where_pop();
    actor_end(&task->actor);
    return NULL;
}

static struct task *task_new(const json_t *steps, const char *name, int index,
                             bool own_names)
{
    struct task *task = calloc(1, sizeof *task);
    task->steps = steps;
    snprintf(task->name, sizeof task->name, "%s", name);
    task->index = index;
    pthread_mutex_lock(&scene.lock);
    if (scene.task_count == RUN_THREADS)
        fail("more than %d threads in one case", RUN_THREADS);
    task->scope = own_names ? scene.task_count : -2;
    scene.tasks[scene.task_count++] = task;
    pthread_mutex_unlock(&scene.lock);
    return task;
}

static void task_start(struct task *task)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 512 * 1024);
    actor_begin(&task->actor, task->name);
    if (pthread_create(&task->thread, &attributes, task_main, task) != 0)
        fail("no thread");
    task->started = true;
    pthread_attr_destroy(&attributes);
}

static void task_join(struct task *task)
{
    if (task->joined)
        return;
    task->joined = true;
    actor_join(task->thread);
}

void tasks_join_all(void)
{
    for (int i = 0; i < scene.task_count; i++)
        task_join(scene.tasks[i]);
}

static void op_spawn(const json_t *step, struct task *task)
{
    (void)task;
    task_start(task_new(json_object_get(step, "steps"),
                        text_at(step, "name", "?"), 0, false));
}

static void op_spawn_many(const json_t *step, struct task *task)
{
    (void)task;
    for (int i = 0; i < int_at(step, "n", 1); i++) {
        task_start(task_new(json_object_get(step, "steps"),
                            text_at(step, "name", "many"), i, true));
        clock_sleep_ms(int_at(step, "gap_ms", 0));
    }
}

/* All threads begin at the same moment, as well as a barrier can do it. */
static void start_together(struct task **tasks, int count)
{
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, (unsigned)count);
    for (int i = 0; i < count; i++) {
        tasks[i]->barrier = &barrier;
        task_start(tasks[i]);
    }
    for (int i = 0; i < count; i++)
        task_join(tasks[i]);
    pthread_barrier_destroy(&barrier);
}

static void op_parallel(const json_t *step, struct task *task)
{
    (void)task;
    struct task *tasks[RUN_THREADS];
    int count = (int)int_at(step, "n", 1);
    for (int i = 0; i < count; i++)
        tasks[i] =
            task_new(json_object_get(step, "steps"), "parallel", i, true);
    start_together(tasks, count);
}

static void op_together(const json_t *step, struct task *task)
{
    (void)task;
    struct task *tasks[RUN_THREADS];
    size_t index;
    const json_t *steps;
    const json_t *threads = json_object_get(step, "threads");
    json_array_foreach(threads, index, steps)
        tasks[index] = task_new(steps, "together", (int)index, false);
    start_together(tasks, (int)json_array_size(threads));
}

static void op_join(const json_t *step, struct task *task)
{
    (void)task;
    const char *name = text_at(step, "name", NULL);
    double begin = clock_since_start_ms();
    bool any = false;
    for (int i = 0; i < scene.task_count; i++) {
        if (name != NULL && strcmp(scene.tasks[i]->name, name) != 0)
            continue;
        task_join(scene.tasks[i]);
        any = true;
    }
    if (!any)
        fail("no thread to join");
    check_within(step, begin);
}

static void op_sleep(const json_t *step, struct task *task)
{
    (void)task;
    clock_sleep_ms(int_at(step, "ms", 0));
}

static void op_log_order(const json_t *step, struct task *task)
{
    (void)step;
    pthread_mutex_lock(&scene.lock);
    if (scene.order_count < RUN_THREADS)
        scene.order[scene.order_count++] = task->index;
    pthread_mutex_unlock(&scene.lock);
}

static void op_repeat(const json_t *step, struct task *task)
{
    for (int i = 0; i < int_at(step, "n", 1); i++)
        steps_run(json_object_get(step, "steps"), task);
}

/* Takes snapshots without a pause until the case ends. */
static void op_watch(const json_t *step, struct task *task)
{
    (void)task;
    for (int i = 0; i < int_at(step, "n", 1); i++) {
        check_invariants(step_pool(step));
        atomic_fetch_add(&scene.watched, 1);
    }
}

/* Random gets, tries, puts and closes by the holder. */
static void op_stress(const json_t *step, struct task *task)
{
    struct pool *pool = step_pool(step);
    unsigned seed = (unsigned)task->index * 7919u + 17u;
    for (int i = 0; i < int_at(step, "n", 1); i++) {
        ncp_lease lease;
        int64_t timeout =
            rand_r(&seed) % 4 == 0 ? 0 : int_at(step, "timeout_ms", 50);
        call_begin(timeout);
        int status = ncp_pool_get_timeout(pool->pool, timeout, &lease);
        call_end();
        if (status != NCP_OK) {
            expect_status(step, status, "get");
            continue;
        }
        struct var var = {.name = "stress"};
        lease_got(&var, pool, lease);
        if (rand_r(&seed) % 8 == 0)
            clock_sleep_ms(1);
        lease_back(&var);
        call_begin(-1);
        status = rand_r(&seed) % 16 == 0 ? ncp_pool_discard(pool->pool, lease)
                                         : ncp_pool_put(pool->pool, lease);
        call_end();
        if (status != NCP_OK)
            fail("giving back: %s", result_text(status));
    }
}

const struct step_op steps_task[] = {
    {"spawn", "op name steps", op_spawn},
    {"spawn_many", "op name n gap_ms steps", op_spawn_many},
    {"parallel", "op n steps", op_parallel},
    {"together", "op threads", op_together},
    {"join", "op name within_ms", op_join},
    {"sleep", "op ms", op_sleep},
    {"log_order", "op", op_log_order},
    {"repeat", "op n steps", op_repeat},
    {"watch", "op pool n", op_watch},
    {"stress", "op pool n timeout_ms expect", op_stress},
    {NULL, NULL, NULL}};
