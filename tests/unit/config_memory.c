/* Memory runs out at every allocation in turn: nothing leaks, nothing is half
 * done. */
#include "netconnpool.h"

#include "config_memory.h"
#include "config_test.h"

#include <string.h>

enum { STEPS_MAX = 100 };

static int drops;

static void drop(void *user)
{
    (void)user;
    drops++;
}

static int tell(void *user, const ncp_conn *conn, int reason)
{
    (void)user;
    (void)conn;
    return reason;
}

static int dial(void *user, ncp_dial *dialing)
{
    (void)user;
    (void)dialing;
    return NCP_EUSER;
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

/* A configuration with everything; `status` says how the setters went. */
static ncp_config *build(int *status)
{
    ncp_config *config = NULL;

    drops = 0;
    *status = ncp_config_new(NCP_MODE_CLIENT, &config);
    if (*status == NCP_OK)
        *status = ncp_config_set(config, "name", "pool");
    if (*status == NCP_OK)
        *status = ncp_config_set(config, "target", "tcp://localhost:80");
    if (*status == NCP_OK)
        *status = ncp_config_set_callback(config, NCP_CALLBACK_CLOSER, tell,
                                          NULL, drop);
    return config;
}

static void building_gives_up_cleanly(void **state)
{
    int status = NCP_ENOMEM;
    int n = 0;

    (void)state;
    for (; status != NCP_OK; n++) {
        assert_in_range(n, 0, STEPS_MAX);
        memory_left = n;
        ncp_config *config = build(&status);
        memory_left = -1;
        assert_true(status == NCP_OK || status == NCP_ENOMEM);
        assert_int_equal(config == NULL, n == 0);
        if (config != NULL && status == NCP_ENOMEM)
            assert_non_null(strstr(ncp_config_reason(config), "out of memory"));
        ncp_config_free(config);
        assert_int_equal(memory_live, 0);
    }
    assert_int_equal(n, 5); /* four allocations, and none that failed */
    assert_int_equal(drops, 1);
}

static void a_callback_that_finds_no_memory_is_dropped(void **state)
{
    ncp_config *config;
    int calls = 0;

    (void)state;
    assert_int_equal(ncp_config_new(NCP_MODE_CLIENT, &config), NCP_OK);
    drops = 0;
    memory_left = 0;
    for (int i = NCP_CALLBACK_CLOSER; i <= NCP_CALLBACK_ON_LEAK; i++) {
        assert_int_equal(ncp_config_set_callback(config, i, tell, NULL, drop),
                         NCP_ENOMEM);
        assert_int_equal(drops, ++calls);
    }
    assert_int_equal(ncp_config_set_dialer(config, dial, NULL, drop),
                     NCP_ENOMEM);
    assert_int_equal(ncp_config_set_acceptor(config, dial, NULL, drop),
                     NCP_ENOMEM);
    assert_int_equal(ncp_config_set_log(config, hear, NULL, drop), NCP_ENOMEM);
    assert_int_equal(ncp_config_set_clock(config, tick, NULL, drop),
                     NCP_ENOMEM);
    assert_int_equal(drops, calls + 4);
    assert_non_null(strstr(ncp_config_reason(config), "out of memory"));
    /* None needs no memory. */
    assert_int_equal(ncp_config_set_dialer(config, NULL, NULL, drop), NCP_OK);
    assert_int_equal(drops, calls + 5);
    memory_left = -1;
    ncp_config_free(config);
    assert_int_equal(drops, calls + 5);
    assert_int_equal(memory_live, 0);
}

static void copying_gives_up_cleanly(void **state)
{
    ncp_config *copy = NULL;
    int status;
    int n = 0;

    (void)state;
    ncp_config *config = build(&status);
    assert_int_equal(status, NCP_OK);
    long before = memory_live;
    for (;; n++) {
        assert_in_range(n, 0, STEPS_MAX);
        memory_left = n;
        status = ncp_config_copy(config, &copy);
        memory_left = -1;
        if (status == NCP_OK)
            break;
        assert_int_equal(status, NCP_ENOMEM);
        assert_null(copy);
        assert_int_equal(memory_live, before);
    }
    assert_int_equal(n, 3);
    ncp_config_free(copy);
    assert_int_equal(memory_live, before);
    assert_int_equal(drops, 0);
    ncp_config_free(config);
    assert_int_equal(drops, 1);
    assert_int_equal(memory_live, 0);
}

static void a_text_is_replaced_without_memory(void **state)
{
    char text[64];
    int status;

    (void)state;
    ncp_config *config = build(&status);
    memory_left = 0;
    assert_int_equal(
        ncp_config_set(config, "name", "a name longer than the first one"),
        NCP_OK);
    assert_int_equal(ncp_config_set(config, "stats", "off"), NCP_OK);
    assert_int_equal(ncp_config_validate(config), NCP_OK);
    memory_left = -1;
    ncp_config_get(config, "name", text, sizeof text);
    assert_string_equal(text, "a name longer than the first one");
    ncp_config_free(config);
    assert_int_equal(memory_live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(building_gives_up_cleanly),
        cmocka_unit_test(a_callback_that_finds_no_memory_is_dropped),
        cmocka_unit_test(copying_gives_up_cleanly),
        cmocka_unit_test(a_text_is_replaced_without_memory),
    };

    if (ncp_set_allocator(memory_alloc, memory_release, NULL) != NCP_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
