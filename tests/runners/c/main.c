/*
 * Reads the document, runs its cases, prints one line of JSON.
 */
#include "runner.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HARD_LIMIT_S = 20, WHERE_DEPTH = 8, WHERE_SIZE = 96 };

struct scene scene;

static const char *scenario_id = "?";
static int own_fds, own_threads; /* of the runner, between two cases */
static pthread_mutex_t verdict_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_long checks;
static _Thread_local char where[WHERE_DEPTH][WHERE_SIZE];
static _Thread_local int where_depth;

static const char *const CAPABILITIES[] = {
    "threads", "cancel",     "hooks",     "udp",        "server",
    "opaque",  "wall_clock", "unix",      "async_dial", "pull",
    "push",    "ex",         "lease_api", "precancel"};

static void print_result(const char *result, const char *reason, int cases)
{
    json_t *line = json_pack("{s:s, s:s, s:s, s:{s:i, s:I, s:f, s:o}}", "id",
                             scenario_id, "result", result, "reason", reason,
                             "counters", "cases", cases, "checks",
                             (json_int_t)atomic_load(&checks), "virtual_ms",
                             clock_is_virtual() ? clock_since_start_ms() : 0.0,
                             "pools", finals_take());
    char *text = json_dumps(line, JSON_COMPACT);
    printf("%s\n", text);
    fflush(stdout);
    free(text);
    json_decref(line);
}

void fail(const char *format, ...)
{
    char reason[2048];
    size_t used = 0;
    for (int i = 0; i < where_depth && i < WHERE_DEPTH; i++)
        used += (size_t)snprintf(reason + used, sizeof reason - used, "%s%s",
                                 where[i], i + 1 < where_depth ? ", " : ": ");
    va_list args;
    va_start(args, format);
    vsnprintf(reason + used, sizeof reason - used, format, args);
    va_end(args);
    pthread_mutex_lock(&verdict_lock); /* never given back: one verdict */
    print_result("fail", reason, 0);
    _exit(1);
}

void where_push(const char *format, ...)
{
    if (where_depth < WHERE_DEPTH) {
        va_list args;
        va_start(args, format);
        vsnprintf(where[where_depth], WHERE_SIZE, format, args);
        va_end(args);
    }
    where_depth++;
}

void where_pop(void)
{
    where_depth--;
}

void count_check(void)
{
    atomic_fetch_add_explicit(&checks, 1, memory_order_relaxed);
}

static void *watchdog(void *unused)
{
    (void)unused;
    long limit = HARD_LIMIT_S;
    const char *text = getenv("NCP_SCENARIO_LIMIT");
    if (text != NULL)
        limit = atol(text);
    sleep((unsigned)limit);
    char dump[1500];
    actors_dump(dump, sizeof dump);
    fail("not done after %ld s: %s", limit, dump);
}

static bool capable_of(const char *need)
{
    if (strcmp(need, "ipv6") == 0)
        return ipv6_works();
    for (size_t i = 0; i < sizeof CAPABILITIES / sizeof *CAPABILITIES; i++)
        if (strcmp(need, CAPABILITIES[i]) == 0)
            return true;
    return false;
}

static const char *missing_need(const json_t *doc)
{
    size_t index;
    const json_t *need;
    json_array_foreach(json_object_get(doc, "needs"), index, need)
        if (!capable_of(json_string_value(need)))
            return json_string_value(need);
    return NULL;
}

static void scene_reset(const json_t *doc)
{
    memset(&scene, 0, sizeof scene);
    pthread_mutex_init(&scene.lock, NULL);
    scene.doc = doc;
}

static void scene_free(void)
{
    for (size_t i = 0; i < scene.event_count; i++)
        free(scene.events[i]);
    free(scene.events);
    for (size_t i = 0; i < scene.log_count; i++)
        free(scene.logs[i]);
    free(scene.logs);
    while (scene.vars != NULL) {
        struct var *var = scene.vars;
        scene.vars = var->next;
        free(var);
    }
    for (int i = 0; i < scene.task_count; i++)
        free(scene.tasks[i]);
    pthread_mutex_destroy(&scene.lock);
}

static void run_case(const json_t *doc)
{
    keys_only(
        doc,
        "clock config dial acceptor listener hooks pools new new_within_ms "
        "effective steps dials stats events order that",
        "case");
    scene_reset(doc);
    clock_start(strcmp(text_at(doc, "clock", "virtual"), "virtual") == 0);
    struct task task = {.scope = -1};
    actor_begin(&task.actor, "main");
    actor_adopt(&task.actor);
    scene.start_fds = own_fds;
    scene.start_threads = own_threads + (clock_is_virtual() ? 1 : 0);
    pools_make(doc);
    steps_run(json_object_get(doc, "steps"), &task);
    tasks_join_all();
    check_end(doc);
    finals_keep();
    pools_end();
    actor_end(&task.actor);
    clock_stop();
    scene_free();
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: ncp-scenario FILE.json\n");
        return 2;
    }
    json_error_t error;
    json_t *doc = json_load_file(argv[1], JSON_REJECT_DUPLICATES, &error);
    if (doc == NULL)
        fail("%s:%d: %s", argv[1], error.line, error.text);
    scenario_id = text_at(doc, "id", "?");
    keys_only(doc, "id title rules needs cases", "document");
    const char *missing = missing_need(doc);
    if (missing != NULL) {
        print_result("skip", missing, 0);
        return 0;
    }
    echo_start();
    pthread_t thread;
    if (pthread_create(&thread, NULL, watchdog, NULL) != 0)
        fail("no thread for the watchdog");
    pthread_detach(thread);
    own_fds = fds_count();
    own_threads = threads_count();
    size_t index;
    const json_t *one;
    json_t *cases = json_object_get(doc, "cases");
    json_array_foreach(cases, index, one) {
        where_push("case %zu", index);
        run_case(one);
        where_pop();
    }
    pthread_mutex_lock(&verdict_lock);
    print_result("pass", "", (int)json_array_size(cases));
    pthread_mutex_unlock(&verdict_lock);
    json_decref(doc);
    return 0;
}
