/*
 * The asynchronous queue of GLib, filled with connections: a pool as many
 * programs have it.
 */
#include "subject.h"

#ifdef NCP_BENCH_GLIB

#include <glib.h>
#include <stdio.h>

static const char *version(void)
{
    static char text[32];
    snprintf(text, sizeof text, "%u.%u.%u", glib_major_version,
             glib_minor_version, glib_micro_version);
    return text;
}

static void *open_queue(const struct subject *subject,
                        const struct setup *setup)
{
    (void)subject;
    GAsyncQueue *queue = g_async_queue_new();
    for (int i = 0; i < setup->warm; i++)
        g_async_queue_push(queue, (gpointer)(uintptr_t)dials_open());
    return queue;
}

static void close_queue(void *queue)
{
    gpointer connection;
    while ((connection = g_async_queue_try_pop(queue)) != NULL)
        dials_close((uint64_t)(uintptr_t)connection);
    g_async_queue_unref(queue);
}

static uint64_t get(void *queue)
{
    return (uint64_t)(uintptr_t)g_async_queue_pop(queue);
}

static void put(void *queue, uint64_t connection)
{
    g_async_queue_push(queue, (gpointer)(uintptr_t)connection);
}

static void pairs(void *queue, uint64_t operations)
{
    for (uint64_t i = 0; i < operations; i++)
        g_async_queue_push(queue, g_async_queue_pop(queue));
}

const struct subject subject_glib = {
    .name = "GAsyncQueue",
    .notes = "no order of who waits, no statistics, no dials",
    .cases = CASE_UNCONTENDED | CASE_THREADS | CASE_WAITERS | CASE_MEMORY |
             CASE_CLOSE,
    .version = version,
    .open = open_queue,
    .close = close_queue,
    .get = get,
    .put = put,
    .pairs = pairs};

#else

static const char *missing(const struct subject *subject)
{
    (void)subject;
    return "built without libglib2.0-dev";
}

const struct subject subject_glib = {.name = "GAsyncQueue", .missing = missing};

#endif
