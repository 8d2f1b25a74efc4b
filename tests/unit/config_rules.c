/* Which configurations make a pool: the rules CFG-1 to CFG-12. */
#include "netconnpool.h"

#include "config_test.h"

#include <stdio.h>
#include <string.h>

enum { SETTINGS_MAX = 4 };

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
    (void)reason;
    return NCP_OK;
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

/* A client with a dialer, or a server with a listener: nothing is missing. */
static ncp_config *complete(int mode)
{
    ncp_config *config;

    assert_int_equal(ncp_config_new(mode, &config), NCP_OK);
    if (mode == NCP_MODE_CLIENT)
        ncp_config_set_dialer(config, dial, NULL, NULL);
    else
        ncp_config_set_int(config, NCP_OPTION_LISTENER_FD, 0);
    return config;
}

/* Sets "option=number", or "option=text". */
static void apply(ncp_config *config, const char *setting)
{
    char name[64];
    long long value;
    int option;
    const char *sign = strchr(setting, '=');

    snprintf(name, sizeof name, "%.*s", (int)(sign - setting), setting);
    assert_int_equal(ncp_option_find(name, &option), NCP_OK);
    if (ncp_option_type(option) == NCP_TYPE_TEXT) {
        assert_int_equal(ncp_config_set(config, name, sign + 1), NCP_OK);
        return;
    }
    assert_int_equal(sscanf(sign + 1, "%lld", &value), 1);
    assert_int_equal(ncp_config_set_int(config, option, value), NCP_OK);
}

static void apply_all(ncp_config *config, const char *const *settings)
{
    for (int i = 0; i < SETTINGS_MAX && settings[i] != NULL; i++)
        apply(config, settings[i]);
}

static void has(const ncp_config *config, const char *setting)
{
    char name[64];
    long long want;
    int64_t got;
    int option;

    assert_int_equal(sscanf(setting, "%63[a-z_]=%lld", name, &want), 2);
    assert_int_equal(ncp_option_find(name, &option), NCP_OK);
    assert_int_equal(ncp_config_get_int(config, option, &got), NCP_OK);
    if (got != want)
        fail_msg("%s, but it is %lld", setting, (long long)got);
}

/* A reason names what is wrong, then says what to do. */
static void reason_says(const ncp_config *config, const char *words)
{
    const char *reason = ncp_config_reason(config);

    if (strstr(reason, words) == NULL || strstr(reason, ": ") == NULL)
        fail_msg("\"%s\" is not in \"%s\"", words, reason);
}

struct refusal {
    const char *words; /* of the reason */
    const char *settings[SETTINGS_MAX];
};

static const struct refusal refusals[] = {
    /* CFG-1 */
    {"mode is 7: use client (0), server (1)", {"mode=7"}},
    {"mode", {"mode=-1"}},
    {"listener_fd", {"mode=1"}},
    {"driver", {"driver=2"}},
    {"queue", {"driver=1"}},
    {"target: ", {"target=nonsense"}},
    {"target: ", {"target=http://localhost"}},
    /* CFG-2 */
    {"min_connections is -1", {"min_connections=-1"}},
    {"min_connections is 11 and max_connections 10", {"min_connections=11"}},
    {"max_connections is -1", {"max_connections=-1"}},
    /* CFG-3 */
    {"max_idle_connections is 0: use 1", {"max_idle_connections=0"}},
    {"max_idle_connections", {"max_idle_connections=-1"}},
    {"connection_timeout is 0: use 1", {"connection_timeout=0"}},
    {"connection_timeout", {"connection_timeout=-1"}},
    /* CFG-9, D-1 */
    {"get_timeout is 0: use a positive number of milliseconds",
     {"get_timeout=0"}},
    {"-1 for no limit", {"get_timeout=0"}},
    {"get_timeout", {"get_timeout=315360000001"}},
    /* CFG-10 */
    {"max_connections is 100001: use 0 (unlimited), or 1 to 100000",
     {"max_connections=100001"}},
    /* CFG-11 */
    {"idle_timeout is 10000 ms and max_lifetime 5000 ms",
     {"idle_timeout=10000", "max_lifetime=5000"}},
    /* CFG-12 */
    {"health_check_interval is 0", {"health_check_interval=0"}},
    {"health_check off", {"health_check_interval=0"}},
    {"health_check_interval is -1", {"health_check_interval=-1"}},
    /* the others */
    {"dial_backoff is 31000 ms and dial_backoff_max 30000 ms",
     {"dial_backoff=31000"}},
    {"happy_eyeballs_delay is 9: use 10 to", {"happy_eyeballs_delay=9"}},
    {"listener_fd is -2: use -1 to", {"listener_fd=-2"}},
    {"idle_order is 2: use lifo (0), fifo (1)", {"idle_order=2"}},
    {"stats is 2: use 0 (off) or 1 (on)", {"stats=2"}},
};

static void what_breaks_a_rule_is_refused_with_a_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        ncp_config *config = complete(NCP_MODE_CLIENT);
        apply_all(config, refusals[i].settings);
        assert_int_equal(ncp_config_validate(config), NCP_EINVALIDCONFIG);
        reason_says(config, refusals[i].words);
        for (int j = 0; j < SETTINGS_MAX && refusals[i].settings[j]; j++) {
            if (strstr(refusals[i].settings[j], "target=") == NULL)
                has(config, refusals[i].settings[j]);
        }
        ncp_config_free(config);
    }
}

static void a_refused_configuration_is_not_corrected(void **state)
{
    ncp_config *config = complete(NCP_MODE_CLIENT);

    (void)state;
    apply(config, "max_idle_connections=50");
    apply(config, "get_timeout=0");
    assert_int_equal(ncp_config_validate(config), NCP_EINVALIDCONFIG);
    has(config, "max_idle_connections=50");
    has(config, "leak_interval=0");
    apply(config, "get_timeout=1");
    assert_int_equal(ncp_config_validate(config), NCP_OK);
    assert_string_equal(ncp_config_reason(config), "");
    has(config, "max_idle_connections=10");
    has(config, "leak_interval=60000");
    ncp_config_free(config);
}

struct acceptance {
    const char *settings[SETTINGS_MAX];
    const char *effective[SETTINGS_MAX];
};

static const struct acceptance acceptances[] = {
    /* CFG-2, CFG-10 */
    {{"min_connections=11", "max_connections=0"}, {"min_connections=11"}},
    {{"min_connections=10", "max_connections=10"}, {"min_connections=10"}},
    {{"max_connections=100000"}, {"max_connections=100000"}},
    /* CFG-5 */
    {{"max_connections=5", "max_idle_connections=50"},
     {"max_idle_connections=5"}},
    {{"max_connections=0", "max_idle_connections=50"},
     {"max_idle_connections=50"}},
    {{"max_connections=5", "max_idle_connections=999999"},
     {"max_idle_connections=5"}},
    {{"health_check_interval=1000"}, {"health_check_timeout=500"}},
    {{"health_check_interval=3000"}, {"health_check_timeout=3000"}},
    {{"health_check_interval=1"}, {"health_check_timeout=1"}},
    {{"health_check_interval=1000", "health_check=0"},
     {"health_check_timeout=500"}},
    {{"health_check_timeout=0"}, {"health_check_timeout=3000"}},
    {{"health_check_timeout=-9"}, {"health_check_timeout=3000"}},
    {{"health_check_timeout=0", "health_check_interval=4000"},
     {"health_check_timeout=2000"}},
    {{"health_check_timeout=0", "health_check_interval=1"},
     {"health_check_timeout=1"}},
    {{"health_check_timeout=0", "health_check=0"}, {"health_check_timeout=0"}},
    {{"health_check_timeout=-1", "health_check=0"}, {"health_check_timeout=0"}},
    {{"health_check_timeout=0", "health_check=0", "check_on_borrow=1",
      "health_check_interval=0"},
     {"health_check_timeout=3000"}},
    {{"max_buffer_clear_packets=0"}, {"max_buffer_clear_packets=100"}},
    {{"max_buffer_clear_packets=-5"}, {"max_buffer_clear_packets=100"}},
    {{"udp_clear_timeout=0"}, {"udp_clear_timeout=100"}},
    {{"udp_clear_timeout=-5"}, {"udp_clear_timeout=100"}},
    /* CFG-8 */
    {{"leak_timeout=4000"}, {"leak_interval=2000"}},
    {{"leak_timeout=1000"}, {"leak_interval=1000"}},
    {{"leak_timeout=600000"}, {"leak_interval=60000"}},
    {{"leak_timeout=0"}, {"leak_interval=0"}},
    {{"leak_timeout=1"}, {"leak_interval=1000"}},
    {{"leak_timeout=4000", "leak_interval=-1"}, {"leak_interval=2000"}},
    {{"leak_timeout=4000", "leak_interval=7"}, {"leak_interval=7"}},
    {{"leak_timeout=0", "leak_interval=-1"}, {"leak_interval=0"}},
    /* CFG-9 */
    {{"get_timeout=-1"}, {"get_timeout=-1"}},
    {{"get_timeout=-12345"}, {"get_timeout=-1"}},
    {{"get_timeout=1"}, {"get_timeout=1"}},
    /* CFG-11 */
    {{"idle_timeout=10000", "max_lifetime=0"}, {"idle_timeout=10000"}},
    {{"idle_timeout=0", "max_lifetime=5000"}, {"idle_timeout=0"}},
    {{"idle_timeout=5000", "max_lifetime=5000"}, {"idle_timeout=5000"}},
    /* CFG-12 */
    {{"health_check=0", "health_check_interval=0"},
     {"health_check_interval=0"}},
    /* cleanup_interval is derived */
    {{"idle_timeout=300000"}, {"cleanup_interval=30000"}},
    {{"idle_timeout=10000"}, {"cleanup_interval=5000"}},
    {{"idle_timeout=0", "max_lifetime=8000"}, {"cleanup_interval=4000"}},
    {{"idle_timeout=6000", "max_lifetime=8000"}, {"cleanup_interval=3000"}},
    {{"idle_timeout=0", "max_lifetime=0"}, {"cleanup_interval=30000"}},
    {{"idle_timeout=1", "max_lifetime=1"}, {"cleanup_interval=1"}},
    {{"cleanup_interval=77"}, {"cleanup_interval=77"}},
    {{"cleanup_interval=-1"}, {"cleanup_interval=30000"}},
    {{"dial_backoff=30000"}, {"dial_backoff_max=30000"}},
    {{"target=tcp://localhost:80"}, {"mode=0"}},
    {{"mode=1", "listener_fd=0"}, {"listener_fd=0"}},
};

static void what_has_one_obvious_meaning_is_corrected(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof acceptances / sizeof acceptances[0]; i++) {
        ncp_config *config = complete(NCP_MODE_CLIENT);
        apply_all(config, acceptances[i].settings);
        if (ncp_config_validate(config) != NCP_OK)
            fail_msg("%s: %s", acceptances[i].settings[0],
                     ncp_config_reason(config));
        for (int j = 0; j < SETTINGS_MAX && acceptances[i].effective[j]; j++)
            has(config, acceptances[i].effective[j]);
        assert_int_equal(ncp_config_validate(config), NCP_OK);
        has(config, acceptances[i].effective[0]);
        ncp_config_free(config);
    }
}

/* Whether a correction looks at the option before its range is checked. */
static int is_corrected(int option)
{
    return option == NCP_OPTION_MAX_IDLE_CONNECTIONS ||
           option == NCP_OPTION_HEALTH_CHECK_TIMEOUT;
}

static void one_beyond_the_range_is_refused_by_name(void **state)
{
    int64_t max;
    int option;

    (void)state;
    for (int i = 0; ncp_option_at(i, &option) == NCP_OK; i++) {
        if (ncp_option_type(option) == NCP_TYPE_TEXT || is_corrected(option))
            continue;
        ncp_config *config = complete(NCP_MODE_CLIENT);
        ncp_option_range(option, NCP_MODE_CLIENT, NULL, NULL, &max);
        ncp_config_set_int(config, option, max + 1);
        assert_int_equal(ncp_config_validate(config), NCP_EINVALIDCONFIG);
        reason_says(config, ncp_option_name(option));
        ncp_config_free(config);
    }
}

/* Whatever is set, a second validation changes nothing that the first let pass;
 * the sanitizers watch the arithmetic. */
static void extreme_numbers_are_judged_without_overflow(void **state)
{
    static const int64_t values[] = {INT64_MIN, INT64_MIN + 1, -1,
                                     0,         INT64_MAX - 1, INT64_MAX};
    int option;
    int accepted = 0;
    int refused = 0;

    (void)state;
    for (int i = 0; ncp_option_at(i, &option) == NCP_OK; i++) {
        for (size_t j = 0; j < sizeof values / sizeof values[0]; j++) {
            ncp_config *config = complete(NCP_MODE_CLIENT);
            ncp_config_set_int(config, option, values[j]);
            int status = ncp_config_validate(config);
            assert_int_equal(ncp_config_validate(config), status);
            accepted += status == NCP_OK;
            refused += status == NCP_EINVALIDCONFIG;
            ncp_config_free(config);
        }
    }
    assert_in_range(accepted, 50, 300);
    assert_in_range(refused, 150, 300);
}

static void a_client_needs_a_dialer_or_a_target(void **state)
{
    ncp_config *config;

    (void)state;
    assert_int_equal(ncp_config_new(NCP_MODE_CLIENT, &config), NCP_OK);
    assert_int_equal(ncp_config_validate(config), NCP_EINVALIDCONFIG);
    reason_says(config, "dialer");
    reason_says(config, "target");
    apply(config, "target=tcp://localhost:80");
    assert_int_equal(ncp_config_validate(config), NCP_OK);
    apply(config, "target=");
    assert_int_equal(ncp_config_validate(config), NCP_EINVALIDCONFIG);
    ncp_config_set_dialer(config, dial, NULL, NULL);
    assert_int_equal(ncp_config_validate(config), NCP_OK);
    ncp_config_set_dialer(config, NULL, NULL, NULL);
    assert_int_equal(ncp_config_validate(config), NCP_EINVALIDCONFIG);
    ncp_config_set_acceptor(config, dial, NULL, NULL);
    assert_int_equal(ncp_config_validate(config), NCP_EINVALIDCONFIG);
    ncp_config_free(config);
}

static void a_server_needs_a_listener_even_with_an_acceptor(void **state)
{
    ncp_config *config;

    (void)state;
    assert_int_equal(ncp_config_new(NCP_MODE_SERVER, &config), NCP_OK);
    assert_int_equal(ncp_config_validate(config), NCP_EINVALIDCONFIG);
    reason_says(config, "listener_fd");
    ncp_config_set_acceptor(config, dial, NULL, NULL);
    ncp_config_set_dialer(config, dial, NULL, NULL);
    assert_int_equal(ncp_config_validate(config), NCP_EINVALIDCONFIG);
    reason_says(config, "listener_fd");
    apply(config, "listener_fd=0");
    assert_int_equal(ncp_config_validate(config), NCP_OK);
    ncp_config_set_acceptor(config, NULL, NULL, NULL);
    assert_int_equal(ncp_config_validate(config), NCP_OK);
    ncp_config_free(config);
}

static ncp_config *pull(int mode)
{
    ncp_config *config;
    ncp_queue *queue;

    assert_int_equal(ncp_config_new(mode, &config), NCP_OK);
    assert_int_equal(ncp_queue_new(&queue), NCP_OK);
    assert_int_equal(ncp_config_set_queue(config, queue), NCP_OK);
    ncp_queue_free(queue);
    apply(config, "driver=1");
    return config;
}

static void a_pull_pool_needs_a_queue_and_nothing_else(void **state)
{
    (void)state;
    for (int mode = NCP_MODE_CLIENT; mode <= NCP_MODE_SERVER; mode++) {
        ncp_config *config = pull(mode);
        assert_int_equal(ncp_config_validate(config), NCP_OK);
        apply(config, "target=tcp://localhost:80");
        ncp_config_set_log(config, hear, NULL, NULL);
        ncp_config_set_clock(config, tick, NULL, NULL);
        ncp_config_set_callback(config, NCP_CALLBACK_ON_LEAK, tell, NULL, NULL);
        assert_int_equal(ncp_config_validate(config), NCP_OK);
        ncp_config_set_queue(config, NULL);
        assert_int_equal(ncp_config_validate(config), NCP_EINVALIDCONFIG);
        reason_says(config, "queue");
        ncp_config_free(config);
    }
}

static void a_pull_pool_refuses_callbacks_it_would_not_call(void **state)
{
    static const struct {
        int callback;
        const char *name;
    } cases[] = {
        {NCP_CALLBACK_CLOSER, "closer"},
        {NCP_CALLBACK_CHECKER, "checker"},
        {NCP_CALLBACK_ON_CREATED, "on_created"},
        {NCP_CALLBACK_ON_BORROW, "on_borrow"},
        {NCP_CALLBACK_ON_RETURN, "on_return"},
        {NCP_CALLBACK_ON_CLOSE, "on_close"},
    };
    ncp_config *config = pull(NCP_MODE_CLIENT);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ncp_config_set_callback(config, cases[i].callback, tell, NULL, NULL);
        assert_int_equal(ncp_config_validate(config), NCP_EINVALIDCONFIG);
        reason_says(config, cases[i].name);
        reason_says(config, "driver is pull");
        ncp_config_set_callback(config, cases[i].callback, NULL, NULL, NULL);
        assert_int_equal(ncp_config_validate(config), NCP_OK);
    }
    ncp_config_set_dialer(config, dial, NULL, NULL);
    assert_int_equal(ncp_config_validate(config), NCP_EINVALIDCONFIG);
    reason_says(config, "dialer");
    ncp_config_set_dialer(config, NULL, NULL, NULL);
    ncp_config_set_acceptor(config, dial, NULL, NULL);
    assert_int_equal(ncp_config_validate(config), NCP_EINVALIDCONFIG);
    reason_says(config, "acceptor");
    ncp_config_set_acceptor(config, NULL, NULL, NULL);
    apply(config, "prewarm_blocking=1");
    assert_int_equal(ncp_config_validate(config), NCP_EINVALIDCONFIG);
    reason_says(config, "prewarm_blocking");
    ncp_config_free(config);
}

static void a_push_pool_takes_every_callback(void **state)
{
    ncp_config *config = complete(NCP_MODE_CLIENT);

    (void)state;
    for (int i = NCP_CALLBACK_CLOSER; i <= NCP_CALLBACK_ON_LEAK; i++)
        ncp_config_set_callback(config, i, tell, NULL, NULL);
    apply(config, "prewarm_blocking=1");
    assert_int_equal(ncp_config_validate(config), NCP_OK);
    ncp_config_free(config);
}

static void no_configuration_is_an_invalid_one(void **state)
{
    ncp_config *config = (ncp_config *)&config;

    (void)state;
    assert_int_equal(ncp_config_validate(NULL), NCP_EINVALIDCONFIG);
    assert_int_equal(ncp_config_new(7, &config), NCP_EINVALIDCONFIG);
    assert_null(config);
    assert_int_equal(ncp_config_new(-1, &config), NCP_EINVALIDCONFIG);
    assert_int_equal(ncp_config_new(NCP_MODE_CLIENT, NULL), NCP_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_breaks_a_rule_is_refused_with_a_reason),
        cmocka_unit_test(a_refused_configuration_is_not_corrected),
        cmocka_unit_test(what_has_one_obvious_meaning_is_corrected),
        cmocka_unit_test(one_beyond_the_range_is_refused_by_name),
        cmocka_unit_test(extreme_numbers_are_judged_without_overflow),
        cmocka_unit_test(a_client_needs_a_dialer_or_a_target),
        cmocka_unit_test(a_server_needs_a_listener_even_with_an_acceptor),
        cmocka_unit_test(a_pull_pool_needs_a_queue_and_nothing_else),
        cmocka_unit_test(a_pull_pool_refuses_callbacks_it_would_not_call),
        cmocka_unit_test(a_push_pool_takes_every_callback),
        cmocka_unit_test(no_configuration_is_an_invalid_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
