/*
 * The counters of the pools at the end of each case, for the comparison of
 * languages.
 */
#include "runner.h"

#include <stdlib.h>

static json_t *finals; /* an array of cases, each {pool: {counter: value}} */

static json_t *counters_of(const struct pool *pool)
{
    uint64_t stats[NCP_COUNTER_COUNT];
    const char *name;
    json_t *values = json_object();

    if (ncp_pool_stats(pool->pool, stats, NCP_COUNTER_COUNT) != NCP_OK)
        fail("no statistics");
    for (int i = 0; ncp_counter_at(i, NULL, &name, NULL, NULL) == NCP_OK; i++)
        json_object_set_new(values, name, json_integer((json_int_t)stats[i]));
    return values;
}

static bool second_look(void *user)
{
    int *looks = user;
    return ++*looks == 2;
}

/* What the last step began has come to rest; time stands still meanwhile. */
static void settle(void)
{
    int looks = 0;
    if (clock_is_virtual())
        clock_wait(second_look, &looks, 0);
}

void finals_keep(void)
{
    json_t *pools = json_object();

    settle();
    for (int i = 0; i < scene.pool_count; i++)
        if (!scene.pools[i].freed)
            json_object_set_new(pools, scene.pools[i].name,
                                counters_of(&scene.pools[i]));
    if (finals == NULL)
        finals = json_array();
    json_array_append_new(finals, pools);
}

json_t *finals_take(void)
{
    json_t *taken = finals == NULL ? json_array() : finals;
    finals = NULL;
    return taken;
}
