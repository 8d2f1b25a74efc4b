/* A borrow that says everything about its connection, and a get that looks for
 * itself whether it should go on waiting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "netconnpool.h"

struct world {
    ncp_pool *pool;
    atomic_int dials;
    int dial_result; /* of the dialer: NCP_OK makes an opaque connection */
    int hook_result; /* of on_created or on_borrow */
    uint64_t handle; /* what the hook wants it to be, unless 0 */
    int handle_result;
};

static int dial(void *user, ncp_dial *dial)
{
    struct world *world = user;
    int number = atomic_fetch_add(&world->dials, 1) + 1;

    if (world->dial_result != NCP_OK) {
        ncp_dial_fail(dial, 4711, "no such luck");
        return world->dial_result;
    }
    return ncp_dial_done(dial, (uint64_t)number * 10, -1, NCP_PROTOCOL_TCP,
                         NCP_IP_V6);
}

static int hook(void *user, const ncp_conn *conn, int reason)
{
    const struct world *world = user;

    (void)reason;
    if (world->handle != 0)
        assert_int_equal(ncp_conn_set_handle(conn, world->handle),
                         world->handle_result);
    return world->hook_result;
}

/* With a callback, unless it is 0. */
static void open_world(struct world *world, int callback)
{
    ncp_config *config;

    assert_int_equal(ncp_config_new(NCP_MODE_CLIENT, &config), NCP_OK);
    ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, 0);
    ncp_config_set_int(config, NCP_OPTION_MAX_CONNECTIONS, 1);
    ncp_config_set_dialer(config, dial, world, NULL);
    if (callback != 0)
        ncp_config_set_callback(config, callback, hook, world, NULL);
    assert_int_equal(ncp_pool_new(config, &world->pool), NCP_OK);
    ncp_config_free(config);
}

static int borrow(const struct world *world, int64_t timeout_ms,
                  ncp_cancel *cancel, ncp_event *out)
{
    memset(out, 0x5a, sizeof *out);
    return ncp_pool_borrow(world->pool, NCP_PROTOCOL_UNKNOWN, NCP_IP_UNKNOWN,
                           timeout_ms, cancel, 7, out);
}

static uint64_t borrowed_handle(struct world *world)
{
    ncp_event event;

    assert_int_equal(borrow(world, 1000, NULL, &event), NCP_OK);
    uint64_t handle = event.handle;
    assert_int_equal(ncp_pool_put(world->pool, event.lease), NCP_OK);
    ncp_pool_free(world->pool);
    return handle;
}

static void on_created_may_give_a_connection_another_handle(void **state)
{
    struct world world = {.handle = 4242};

    (void)state;
    open_world(&world, NCP_CALLBACK_ON_CREATED);
    assert_int_equal(borrowed_handle(&world), 4242);
}

static void nobody_else_may_give_a_connection_another_handle(void **state)
{
    struct world world = {.handle = 4242, .handle_result = NCP_ESTATE};

    (void)state;
    assert_int_equal(ncp_conn_set_handle(NULL, 1), NCP_EINVAL);
    open_world(&world, NCP_CALLBACK_ON_BORROW);
    assert_int_equal(borrowed_handle(&world), 10);
}

static void a_borrow_says_everything_about_its_connection(void **state)
{
    struct world world = {0};
    ncp_event event;

    (void)state;
    open_world(&world, 0);
    for (int reused = 0; reused < 2; reused++) {
        assert_int_equal(borrow(&world, 1000, NULL, &event), NCP_OK);
        assert_int_equal(event.type, NCP_EVENT_CONN);
        assert_int_equal(event.status, NCP_OK);
        assert_int_equal(event.code, 0);
        assert_int_equal(event.handle, 10);
        assert_int_equal(event.fd, -1);
        assert_int_equal(event.protocol, NCP_PROTOCOL_TCP);
        assert_int_equal(event.ip, NCP_IP_V6);
        assert_int_equal(event.reused, reused);
        assert_int_equal(event.tag, 7);
        assert_true(event.conn_id != 0);
        assert_int_equal(ncp_pool_put(world.pool, event.lease), NCP_OK);
    }
    ncp_pool_free(world.pool);
}

static void the_code_of_a_failed_dial_reaches_its_borrow(void **state)
{
    const int results[] = {NCP_EUSER, 1};
    const int statuses[] = {NCP_EUSER, NCP_EDIAL};
    ncp_event event;

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct world world = {.dial_result = results[i]};
        open_world(&world, 0);
        assert_int_equal(borrow(&world, 1000, NULL, &event), statuses[i]);
        assert_int_equal(event.type, NCP_EVENT_NONE);
        assert_int_equal(event.status, statuses[i]);
        assert_int_equal(event.code, 4711);
        assert_int_equal(event.lease, 0);
        ncp_pool_free(world.pool);
    }
}

static void a_positive_result_of_a_hook_is_its_code(void **state)
{
    const int callbacks[] = {NCP_CALLBACK_ON_CREATED, NCP_CALLBACK_ON_BORROW};
    ncp_event event;

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct world world = {.hook_result = 99};
        open_world(&world, callbacks[i]);
        assert_int_equal(borrow(&world, 1000, NULL, &event), NCP_EHOOK);
        assert_int_equal(event.code, 99);
        assert_int_equal(event.type, NCP_EVENT_NONE);
        world.hook_result = NCP_EUSER;
        assert_int_equal(borrow(&world, 1000, NULL, &event), NCP_EUSER);
        assert_int_equal(event.code, 0);
        world.hook_result = NCP_OK;
        assert_int_equal(borrow(&world, 1000, NULL, &event), NCP_OK);
        assert_int_equal(ncp_pool_put(world.pool, event.lease), NCP_OK);
        ncp_pool_free(world.pool);
    }
}

static void a_borrow_that_finds_nothing_says_so(void **state)
{
    struct world world = {0};
    ncp_event event, other;

    (void)state;
    open_world(&world, 0);
    assert_int_equal(borrow(&world, 0, NULL, &event), NCP_EEXHAUSTED);
    assert_int_equal(event.status, NCP_EEXHAUSTED);
    assert_int_equal(borrow(&world, 1000, NULL, &event), NCP_OK);
    assert_int_equal(borrow(&world, 1, NULL, &other), NCP_ETIMEOUT);
    assert_int_equal(other.status, NCP_ETIMEOUT);
    assert_int_equal(ncp_pool_borrow(NULL, 0, 0, 0, NULL, 0, &other),
                     NCP_EINVAL);
    assert_int_equal(other.type, NCP_EVENT_NONE);
    assert_int_equal(ncp_pool_borrow(world.pool, 0, 0, 0, NULL, 0, NULL),
                     NCP_EINVAL);
    assert_int_equal(ncp_pool_borrow(world.pool, 9, 0, 0, NULL, 0, &other),
                     NCP_EUNSUPPORTEDPROTO);
    ncp_pool_put(world.pool, event.lease);
    ncp_pool_free(world.pool);
}

/* ---------------------------------------------------------------- looking */

struct looker {
    struct world *world;
    ncp_cancel *cancel;
    atomic_int looks;
    int enough; /* looks until it wants to stop */
    int status;
    ncp_event event;
};

static int look(void *user)
{
    struct looker *looker = user;

    return atomic_fetch_add(&looker->looks, 1) + 1 >= looker->enough;
}

static void *wait_in_line(void *user)
{
    struct looker *looker = user;

    looker->status = borrow(looker->world, -1, looker->cancel, &looker->event);
    return NULL;
}

static void until(const struct world *world, int waiting)
{
    while (ncp_pool_waiting_count(world->pool) != waiting)
        usleep(1000);
}

static void a_waiting_get_looks_for_itself_and_keeps_its_place(void **state)
{
    struct world world = {0};
    struct looker first = {.world = &world, .enough = 1 << 30};
    struct looker second = {.world = &world, .enough = 1 << 30};
    pthread_t threads[2];
    ncp_event event;

    (void)state;
    open_world(&world, 0);
    assert_int_equal(ncp_cancel_new(&first.cancel), NCP_OK);
    assert_int_equal(ncp_cancel_new(&second.cancel), NCP_OK);
    assert_int_equal(ncp_cancel_set_poll(first.cancel, look, &first, 1),
                     NCP_OK);
    assert_int_equal(borrow(&world, 1000, NULL, &event), NCP_OK);
    pthread_create(&threads[0], NULL, wait_in_line, &first);
    until(&world, 1);
    pthread_create(&threads[1], NULL, wait_in_line, &second);
    until(&world, 2);
    while (atomic_load(&first.looks) < 5)
        usleep(1000);
    ncp_pool_put(world.pool, event.lease);
    pthread_join(threads[0], NULL); /* the second would be first otherwise */
    assert_int_equal(first.status, NCP_OK);
    ncp_pool_put(world.pool, first.event.lease);
    pthread_join(threads[1], NULL);
    assert_int_equal(second.status, NCP_OK);
    ncp_pool_put(world.pool, second.event.lease);
    ncp_cancel_free(first.cancel);
    ncp_cancel_free(second.cancel);
    ncp_pool_free(world.pool);
}

static void a_look_that_wants_to_stop_ends_its_own_get_alone(void **state)
{
    struct world world = {0};
    struct looker looker = {.world = &world, .enough = 3};
    ncp_event event;

    (void)state;
    open_world(&world, 0);
    assert_int_equal(ncp_cancel_new(&looker.cancel), NCP_OK);
    assert_int_equal(ncp_cancel_set_poll(looker.cancel, look, &looker, 1),
                     NCP_OK);
    assert_int_equal(borrow(&world, 1000, looker.cancel, &event), NCP_OK);
    wait_in_line(&looker);
    assert_int_equal(looker.status, NCP_ECANCELED);
    assert_int_equal(ncp_pool_waiting_count(world.pool), 0);
    ncp_pool_put(world.pool, event.lease);
    assert_int_equal(borrow(&world, 1000, looker.cancel, &event), NCP_OK);
    ncp_pool_put(world.pool, event.lease);
    ncp_cancel_free(looker.cancel);
    ncp_pool_free(world.pool);
}

static atomic_int signals;

static void note_signal(int number)
{
    (void)number;
    atomic_fetch_add(&signals, 1);
}

static void a_signal_makes_a_waiting_get_look(void **state)
{
    struct sigaction action = {.sa_handler = note_signal};
    struct world world = {0};
    struct looker looker = {.world = &world, .enough = 2};
    pthread_t thread;
    ncp_event event;

    (void)state;
    sigaction(SIGUSR1, &action, NULL);
    open_world(&world, 0);
    assert_int_equal(ncp_cancel_new(&looker.cancel), NCP_OK);
    /* An hour: only the signal can be what makes it look a second time. */
    assert_int_equal(ncp_cancel_set_poll(looker.cancel, look, &looker, 3600000),
                     NCP_OK);
    assert_int_equal(borrow(&world, 1000, NULL, &event), NCP_OK);
    pthread_create(&thread, NULL, wait_in_line, &looker);
    until(&world, 1);
    while (atomic_load(&looker.looks) < 2) {
        pthread_kill(thread, SIGUSR1);
        usleep(1000);
    }
    pthread_join(thread, NULL);
    assert_int_equal(looker.status, NCP_ECANCELED);
    ncp_pool_put(world.pool, event.lease);
    ncp_cancel_free(looker.cancel);
    ncp_pool_free(world.pool);
}

static void a_token_refuses_a_useless_interval(void **state)
{
    ncp_cancel *cancel;

    (void)state;
    assert_int_equal(ncp_cancel_new(&cancel), NCP_OK);
    assert_int_equal(ncp_cancel_set_poll(cancel, look, NULL, 0), NCP_EINVAL);
    assert_int_equal(ncp_cancel_set_poll(cancel, look, NULL, INT64_MAX),
                     NCP_EINVAL);
    assert_int_equal(ncp_cancel_set_poll(NULL, look, NULL, 1), NCP_EINVAL);
    assert_int_equal(ncp_cancel_set_poll(cancel, NULL, NULL, 1), NCP_OK);
    ncp_cancel_free(cancel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_created_may_give_a_connection_another_handle),
        cmocka_unit_test(nobody_else_may_give_a_connection_another_handle),
        cmocka_unit_test(a_borrow_says_everything_about_its_connection),
        cmocka_unit_test(the_code_of_a_failed_dial_reaches_its_borrow),
        cmocka_unit_test(a_positive_result_of_a_hook_is_its_code),
        cmocka_unit_test(a_borrow_that_finds_nothing_says_so),
        cmocka_unit_test(a_waiting_get_looks_for_itself_and_keeps_its_place),
        cmocka_unit_test(a_look_that_wants_to_stop_ends_its_own_get_alone),
        cmocka_unit_test(a_signal_makes_a_waiting_get_look),
        cmocka_unit_test(a_token_refuses_a_useless_interval),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
