/* Callbacks are taken over, shared by copies and dropped once (CFG-14). */
#include "netconnpool.h"
#include "pool/config.h"

#include "config_test.h"

#include <string.h>

static int drops;

static void drop(void *user)
{
    assert_ptr_equal(user, &drops);
    drops++;
}

static int dial(void *user, ncp_dial *dialing)
{
    (void)user;
    (void)dialing;
    return NCP_EUSER;
}

static int tell(void *user, const ncp_conn *conn, int reason)
{
    (void)user;
    (void)conn;
    return reason;
}

static void hear(void *user, int level, uint64_t conn_id, const char *text)
{
    (void)user;
    (void)level;
    (void)conn_id;
    (void)text;
}

static uint64_t tick(void *user)
{
    (void)user;
    return 1;
}

enum { SETTERS = 4 + NCP_CALLBACK_ON_LEAK };

/* Calls setter `which` of all there are; `on` 0 sets none. */
static int set(ncp_config *config, int which, int on)
{
    void *user = &drops;

    if (which == 0)
        return ncp_config_set_dialer(config, on ? dial : NULL, user, drop);
    if (which == 1)
        return ncp_config_set_acceptor(config, on ? dial : NULL, user, drop);
    if (which == 2)
        return ncp_config_set_log(config, on ? hear : NULL, user, drop);
    if (which == 3)
        return ncp_config_set_clock(config, on ? tick : NULL, user, drop);
    return ncp_config_set_callback(config, which - 3, on ? tell : NULL, user,
                                   drop);
}

static ncp_config *make(void)
{
    ncp_config *config;

    drops = 0;
    assert_int_equal(ncp_config_new(NCP_MODE_CLIENT, &config), NCP_OK);
    return config;
}

static void a_callback_is_dropped_with_its_configuration(void **state)
{
    (void)state;
    for (int i = 0; i < SETTERS; i++) {
        ncp_config *config = make();
        assert_int_equal(set(config, i, 1), NCP_OK);
        assert_int_equal(drops, 0);
        ncp_config_free(config);
        assert_int_equal(drops, 1);
    }
}

static void a_callback_is_dropped_when_it_is_replaced(void **state)
{
    (void)state;
    for (int i = 0; i < SETTERS; i++) {
        ncp_config *config = make();
        set(config, i, 1);
        assert_int_equal(set(config, i, 1), NCP_OK);
        assert_int_equal(drops, 1);
        /* None: the old one goes, and nothing keeps what came with it. */
        assert_int_equal(set(config, i, 0), NCP_OK);
        assert_int_equal(drops, 3);
        ncp_config_free(config);
        assert_int_equal(drops, 3);
    }
}

static void a_callback_is_dropped_at_once_when_the_call_fails(void **state)
{
    (void)state;
    drops = 0;
    for (int i = 0; i < SETTERS; i++) {
        assert_int_equal(set(NULL, i, 1), NCP_EINVAL);
        assert_int_equal(drops, i + 1);
    }
    ncp_config *config = make();
    assert_int_equal(ncp_config_set_callback(config, 0, tell, &drops, drop),
                     NCP_EINVAL);
    assert_int_equal(drops, 1);
    assert_non_null(strstr(ncp_config_reason(config), "callback"));
    assert_int_equal(ncp_config_set_callback(config, NCP_CALLBACK_ON_LEAK + 1,
                                             tell, &drops, drop),
                     NCP_EINVAL);
    assert_int_equal(drops, 2);
    assert_int_equal(ncp_config_set_callback(config, -1, tell, &drops, NULL),
                     NCP_EINVAL);
    ncp_config_free(config);
    assert_int_equal(drops, 2);
}

static void copies_share_callbacks_until_the_last_is_gone(void **state)
{
    ncp_config *config = make();
    ncp_config *copy;

    (void)state;
    for (int i = 0; i < SETTERS; i++)
        set(config, i, 1);
    assert_int_equal(ncp_config_copy(config, &copy), NCP_OK);
    for (int i = 0; i < SETTERS; i++)
        set(config, i, 0);
    assert_int_equal(drops, SETTERS); /* only what came with none */
    ncp_config_free(config);
    assert_int_equal(drops, SETTERS);
    ncp_config_free(copy);
    assert_int_equal(drops, 2 * SETTERS);
}

static void a_copy_is_not_reached_by_later_changes(void **state)
{
    ncp_config *config = make();
    ncp_config *copy;
    int64_t value;
    char text[64];

    (void)state;
    ncp_config_set(config, "name", "first");
    ncp_config_set_int(config, NCP_OPTION_MAX_CONNECTIONS, 1);
    ncp_config_set(config, "stats", "nonsense");
    assert_int_equal(ncp_config_copy(config, &copy), NCP_OK);
    assert_string_equal(ncp_config_reason(copy), "");
    ncp_config_set(config, "name", "second");
    ncp_config_set_int(config, NCP_OPTION_MAX_CONNECTIONS, 5);
    ncp_config_get(copy, "name", text, sizeof text);
    assert_string_equal(text, "first");
    ncp_config_get_int(copy, NCP_OPTION_MAX_CONNECTIONS, &value);
    assert_int_equal(value, 1);
    ncp_config_set(copy, "name", "third");
    ncp_config_get(config, "name", text, sizeof text);
    assert_string_equal(text, "second");
    ncp_config_free(config);
    ncp_config_free(copy);
}

static void a_configuration_inside_a_pool_is_filled_and_cleared(void **state)
{
    ncp_config *config = make();
    struct ncp_config inside;

    (void)state;
    memset(&inside, 0xa5, sizeof inside);
    for (int i = 0; i < SETTERS; i++)
        set(config, i, 1);
    ncp_config_set(config, "target", "tcp://localhost:1");
    assert_int_equal(ncp__config_copy_into(&inside, config), NCP_OK);
    ncp_config_free(config);
    assert_int_equal(drops, 0);
    assert_string_equal(inside.text[NCP_OPTION_TARGET], "tcp://localhost:1");
    assert_null(inside.text[NCP_OPTION_NAME]);
    assert_ptr_equal(inside.dialer->fn.dial, dial);
    assert_ptr_equal(inside.conn[NCP_CALLBACK_CHECKER]->fn.conn, tell);
    assert_ptr_equal(inside.log->fn.log, hear);
    assert_ptr_equal(inside.clock->fn.clock, tick);
    ncp__config_clear(&inside);
    assert_int_equal(drops, SETTERS);
    assert_null(inside.dialer);
    assert_null(inside.text[NCP_OPTION_TARGET]);
    ncp__config_clear(&inside);
    assert_int_equal(drops, SETTERS);
}

static void one_option_alone_is_checked_against_its_range(void **state)
{
    char reason[NCP__REASON_SIZE];

    (void)state;
    assert_int_equal(ncp__option_check(NCP_OPTION_MAX_WAITERS, 0, reason),
                     NCP_OK);
    assert_int_equal(ncp__option_check(NCP_OPTION_MAX_WAITERS, -1, reason),
                     NCP_EINVALIDCONFIG);
    assert_non_null(strstr(reason, "max_waiters is -1"));
    assert_int_equal(ncp__option_check(NCP_OPTION_GET_TIMEOUT, 0, reason),
                     NCP_EINVALIDCONFIG);
    assert_int_equal(ncp__option_check(NCP_OPTION_GET_TIMEOUT, -77, reason),
                     NCP_OK);
    assert_int_equal(ncp__option_check(NCP_OPTION_NAME, 0, reason),
                     NCP_EINVALIDCONFIG);
    assert_non_null(strstr(reason, "name is a text"));
    assert_int_equal(ncp__option_check(999, 0, reason), NCP_EINVALIDCONFIG);
    assert_non_null(strstr(reason, "999 is no option"));
}

static void the_ends_of_every_range_belong_to_it(void **state)
{
    char reason[NCP__REASON_SIZE];
    int64_t min;
    int64_t max;
    int option;

    (void)state;
    for (int i = 0; ncp_option_at(i, &option) == NCP_OK; i++) {
        if (ncp_option_range(option, 0, NULL, &min, &max) != NCP_OK)
            continue;
        assert_int_equal(ncp__option_check(option, min, reason), NCP_OK);
        assert_int_equal(ncp__option_check(option, max, reason), NCP_OK);
        assert_int_equal(ncp__option_check(option, max + 1, reason),
                         NCP_EINVALIDCONFIG);
        /* Any number below 0 is no limit. */
        int below =
            option == NCP_OPTION_GET_TIMEOUT ? NCP_OK : NCP_EINVALIDCONFIG;
        assert_int_equal(ncp__option_check(option, min - 1, reason), below);
    }
}

static ncp_config *dropped_into;

static void drop_and_set(void *user)
{
    (void)user;
    drops++;
    ncp_config_set(dropped_into, "name", "set while dropping");
    ncp_config_set_dialer(dropped_into, dial, NULL, NULL);
}

static void a_drop_may_use_the_configuration(void **state)
{
    (void)state;
    dropped_into = make();
    ncp_config_set_log(dropped_into, hear, NULL, drop_and_set);
    ncp_config_set_log(dropped_into, NULL, NULL, NULL);
    assert_int_equal(drops, 1);
    assert_int_equal(ncp_config_get(dropped_into, "name", NULL, 0), 18);
    ncp_config_free(dropped_into);
}

static void nothing_can_be_freed_or_copied(void **state)
{
    ncp_config *copy = (ncp_config *)&copy;

    (void)state;
    ncp_config_free(NULL);
    assert_int_equal(ncp_config_copy(NULL, &copy), NCP_EINVAL);
    assert_null(copy);
    ncp_config *config = make();
    assert_int_equal(ncp_config_copy(config, NULL), NCP_EINVAL);
    assert_int_equal(ncp_config_set_queue(NULL, NULL), NCP_EINVAL);
    ncp_config_free(config);
    ncp__hook_unref(ncp__hook_ref(NULL));
}

/* The configuration, its copy and the queue's owner may go in any order. */
static void a_queue_lives_as_long_as_who_uses_it(void **state)
{
    ncp_config *config = make();
    ncp_config *copy;
    ncp_queue *queue;
    ncp_event event;

    (void)state;
    assert_int_equal(ncp_queue_new(&queue), NCP_OK);
    assert_int_equal(ncp_config_set_queue(config, queue), NCP_OK);
    assert_int_equal(ncp_config_set_queue(config, queue), NCP_OK);
    assert_int_equal(ncp_config_copy(config, &copy), NCP_OK);
    ncp_queue_free(queue);
    ncp_config_free(config);
    assert_int_equal(ncp_queue_kick(queue), NCP_OK);
    assert_int_equal(ncp_queue_poll(queue, &event, 1), 1);
    assert_int_equal(event.type, NCP_EVENT_KICK);
    ncp_config_free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_callback_is_dropped_with_its_configuration),
        cmocka_unit_test(a_callback_is_dropped_when_it_is_replaced),
        cmocka_unit_test(a_callback_is_dropped_at_once_when_the_call_fails),
        cmocka_unit_test(copies_share_callbacks_until_the_last_is_gone),
        cmocka_unit_test(a_copy_is_not_reached_by_later_changes),
        cmocka_unit_test(a_configuration_inside_a_pool_is_filled_and_cleared),
        cmocka_unit_test(one_option_alone_is_checked_against_its_range),
        cmocka_unit_test(the_ends_of_every_range_belong_to_it),
        cmocka_unit_test(a_drop_may_use_the_configuration),
        cmocka_unit_test(nothing_can_be_freed_or_copied),
        cmocka_unit_test(a_queue_lives_as_long_as_who_uses_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
