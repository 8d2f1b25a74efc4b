/* Taps: what a thread's own handle of a pool does as the pool does, and what only
 * it has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "netconnpool.h"

static int dial(void *user, ncp_dial *dial)
{
    int *dials = user;

    return ncp_dial_done(dial, (uint64_t)++ * dials, -1, NCP_PROTOCOL_TCP,
                         NCP_IP_V4);
}

static int count_close(void *user, const ncp_conn *conn, int reason)
{
    (void)conn;
    (void)reason;
    ++*(int *)user;
    return NCP_OK;
}

struct world {
    ncp_pool *pool;
    ncp_tap *tap;
    int dials, closes;
};

static ncp_pool *open_pool(struct world *world, int store)
{
    ncp_config *config;
    ncp_pool *pool;

    assert_int_equal(ncp_config_new(NCP_MODE_CLIENT, &config), NCP_OK);
    ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, 0);
    ncp_config_set_int(config, NCP_OPTION_MAX_CONNECTIONS, 2);
    ncp_config_set_int(config, NCP_OPTION_GET_TIMEOUT, 20);
    ncp_config_set_int(config, NCP_OPTION_STORE, store);
    ncp_config_set_dialer(config, dial, &world->dials, NULL);
    ncp_config_set_callback(config, NCP_CALLBACK_CLOSER, count_close,
                            &world->closes, NULL);
    assert_int_equal(ncp_pool_new(config, &pool), NCP_OK);
    ncp_config_free(config);
    return pool;
}

static int open_world(void **state)
{
    static struct world world;

    world = (struct world){0};
    world.pool = open_pool(&world, NCP_STORE_LOCKFREE);
    assert_int_equal(ncp_tap_new(world.pool, &world.tap), NCP_OK);
    *state = &world;
    return 0;
}

static int close_world(void **state)
{
    struct world *world = *state;

    ncp_tap_free(world->tap);
    ncp_pool_free(world->pool);
    assert_int_equal(world->closes, world->dials);
    return 0;
}

static void a_tap_lends_what_the_pool_has(void **state)
{
    struct world *world = *state;
    uint64_t values[NCP_COUNTER_COUNT];
    ncp_lease lease;

    for (int i = 0; i < 1000; i++) {
        assert_int_equal(ncp_tap_get(world->tap, &lease), NCP_OK);
        assert_int_equal(ncp_tap_put(world->tap, lease), NCP_OK);
        assert_int_equal(ncp_tap_put(world->tap, lease), NCP_EINVALIDCONN);
    }
    assert_int_equal(world->dials, 1);
    assert_int_equal(ncp_pool_stats(world->pool, values, NCP_COUNTER_COUNT),
                     NCP_OK);
    assert_int_equal(values[NCP_COUNTER_SUCCESSFUL], 1000);
    assert_int_equal(values[NCP_COUNTER_REUSED], 999);
    assert_true(values[NCP_COUNTER_TOTAL_GET_TIME] > 0); /* it is sampled */
}

static void what_a_tap_lends_the_pool_takes_back_and_the_other_way(void **state)
{
    struct world *world = *state;
    ncp_lease one, two;

    assert_int_equal(ncp_tap_get(world->tap, &one), NCP_OK);
    assert_int_equal(ncp_pool_get(world->pool, &two), NCP_OK);
    assert_int_equal(ncp_pool_put(world->pool, one), NCP_OK);
    assert_int_equal(ncp_tap_put(world->tap, two), NCP_OK);
    assert_int_equal(ncp_pool_idle_count(world->pool), 2);
}

static void a_tap_waits_and_fails_as_the_pool_does(void **state)
{
    struct world *world = *state;
    ncp_lease held[2], lease = 7;

    assert_int_equal(ncp_tap_get(world->tap, &held[0]), NCP_OK);
    assert_int_equal(ncp_tap_get(world->tap, &held[1]), NCP_OK);
    assert_int_equal(ncp_tap_get(world->tap, &lease), NCP_ETIMEOUT);
    assert_int_equal(lease, 0);
    assert_int_equal(ncp_tap_put(world->tap, held[0]), NCP_OK);
    ncp_pool_close(world->pool);
    assert_int_equal(ncp_tap_get(world->tap, &lease), NCP_ECLOSED);
    assert_int_equal(ncp_tap_put(world->tap, held[1]), NCP_OK);
    assert_int_equal(world->closes, 2);
}

static void a_tap_keeps_its_pool(void **state)
{
    struct world *world = *state;
    ncp_lease lease;

    assert_int_equal(ncp_tap_get(world->tap, &lease), NCP_OK);
    ncp_pool_free(world->pool);
    assert_int_equal(ncp_tap_put(world->tap, lease), NCP_OK);
    assert_int_equal(world->closes, 0);
    ncp_tap_free(world->tap);
    assert_int_equal(world->closes, 1);
    world->pool = NULL;
    world->tap = NULL;
}

static void every_store_has_taps(void **state)
{
    struct world *world = *state;
    const int stores[] = {NCP_STORE_LOCK, NCP_STORE_SHARDED};

    for (int i = 0; i < 2; i++) {
        ncp_pool *pool = open_pool(world, stores[i]);
        ncp_tap *taps[3];
        ncp_lease lease;
        for (int t = 0; t < 3; t++)
            assert_int_equal(ncp_tap_new(pool, &taps[t]), NCP_OK);
        for (int turn = 0; turn < 300; turn++) {
            assert_int_equal(ncp_tap_get(taps[turn % 3], &lease), NCP_OK);
            assert_int_equal(ncp_tap_put(taps[(turn + 1) % 3], lease), NCP_OK);
        }
        assert_int_equal(world->dials, i + 1);
        for (int t = 0; t < 3; t++)
            ncp_tap_free(taps[t]);
        ncp_pool_free(pool);
    }
}

static void a_tap_of_nothing_is_refused(void **state)
{
    struct world *world = *state;
    ncp_tap *tap = world->tap;
    ncp_lease lease = 7;

    assert_int_equal(ncp_tap_new(world->pool, NULL), NCP_EINVAL);
    assert_int_equal(ncp_tap_new(NULL, &tap), NCP_EINVAL);
    assert_null(tap);
    assert_int_equal(ncp_tap_get(NULL, &lease), NCP_EINVAL);
    assert_int_equal(ncp_tap_get(world->tap, NULL), NCP_EINVAL);
    assert_int_equal(ncp_tap_put(NULL, lease), NCP_EINVAL);
    assert_int_equal(ncp_tap_put(world->tap, 0), NCP_EINVALIDCONN);
    ncp_tap_free(NULL);
}

static void a_pull_pool_has_no_taps(void **state)
{
    ncp_config *config;
    ncp_queue *queue;
    ncp_pool *pool;
    ncp_tap *tap;

    (void)state;
    assert_int_equal(ncp_queue_new(&queue), NCP_OK);
    assert_int_equal(ncp_config_new(NCP_MODE_CLIENT, &config), NCP_OK);
    ncp_config_set_int(config, NCP_OPTION_DRIVER, NCP_DRIVER_PULL);
    ncp_config_set_queue(config, queue);
    assert_int_equal(ncp_pool_new(config, &pool), NCP_OK);
    ncp_config_free(config);
    assert_int_equal(ncp_tap_new(pool, &tap), NCP_ESTATE);
    assert_null(tap);
    ncp_pool_free(pool);
    ncp_queue_free(queue);
}

#define IN_A_WORLD(test)                                                       \
    cmocka_unit_test_setup_teardown(test, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_WORLD(a_tap_lends_what_the_pool_has),
        IN_A_WORLD(what_a_tap_lends_the_pool_takes_back_and_the_other_way),
        IN_A_WORLD(a_tap_waits_and_fails_as_the_pool_does),
        IN_A_WORLD(a_tap_keeps_its_pool),
        IN_A_WORLD(every_store_has_taps),
        IN_A_WORLD(a_tap_of_nothing_is_refused),
        cmocka_unit_test(a_pull_pool_has_no_taps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
