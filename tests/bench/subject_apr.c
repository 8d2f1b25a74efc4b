/*
 * The resource list of APR: its documentation says who waits is served in no
 * order.
 */
#include "subject.h"

#ifdef NCP_BENCH_APR

#include <apr_reslist.h>
#include <apr_version.h>
#include <apu_version.h>
#include <stdlib.h>

struct list {
    apr_pool_t *memory;
    apr_reslist_t *reslist;
};

static apr_status_t construct(void **resource, void *params, apr_pool_t *memory)
{
    (void)params, (void)memory;
    *resource = (void *)(uintptr_t)dials_open();
    return APR_SUCCESS;
}

static apr_status_t destruct(void *resource, void *params, apr_pool_t *memory)
{
    (void)params, (void)memory;
    dials_close((uint64_t)(uintptr_t)resource);
    return APR_SUCCESS;
}

static void *open_list(const struct subject *subject, const struct setup *setup)
{
    (void)subject;
    struct list *list = bench_alloc(sizeof *list);
    bench_require(apr_initialize() == APR_SUCCESS &&
                      apr_pool_create(&list->memory, NULL) == APR_SUCCESS &&
                      apr_reslist_create(&list->reslist, setup->warm,
                                         setup->max, setup->max, 0, construct,
                                         destruct, NULL,
                                         list->memory) == APR_SUCCESS,
                  "no reslist");
    return list;
}

static void close_list(void *user)
{
    struct list *list = user;
    apr_reslist_destroy(list->reslist);
    apr_pool_destroy(list->memory);
    free(list);
}

static uint64_t get(void *user)
{
    struct list *list = user;
    void *resource;
    bench_require(apr_reslist_acquire(list->reslist, &resource) == APR_SUCCESS,
                  "acquire failed");
    return (uint64_t)(uintptr_t)resource;
}

static void put(void *user, uint64_t resource)
{
    struct list *list = user;
    bench_require(
        apr_reslist_release(list->reslist, (void *)(uintptr_t)resource) ==
            APR_SUCCESS,
        "release failed");
}

static void pairs(void *list, uint64_t operations)
{
    for (uint64_t i = 0; i < operations; i++)
        put(list, get(list));
}

const struct subject subject_apr = {
    .name = "apr_reslist",
    .notes = "no order, no cancel, no statistics; dials hold its lock",
    .cases = CASE_UNCONTENDED | CASE_THREADS | CASE_WAITERS | CASE_SPIKE |
             CASE_CLOSE,
    .version = apu_version_string,
    .open = open_list,
    .close = close_list,
    .get = get,
    .put = put,
    .pairs = pairs};

#else

static const char *missing(const struct subject *subject)
{
    (void)subject;
    return "built without libaprutil1-dev";
}

const struct subject subject_apr = {.name = "apr_reslist", .missing = missing};

#endif
