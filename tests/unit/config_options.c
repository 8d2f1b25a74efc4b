/* The option table, against the header and the defaults of CFG-15. */
#include "netconnpool.h"

#include "config_header.h"
#include "config_test.h"

#include <limits.h>
#include <stdbool.h>

enum { VALUES_MAX = 128 };

static void names_are_those_of_the_header(void **state)
{
    struct header_value values[VALUES_MAX];
    size_t count = header_enum("ncp_option", values, VALUES_MAX);
    char name[64];
    int option;

    (void)state;
    assert_in_range(count, 50, VALUES_MAX);
    for (size_t i = 0; i < count; i++) {
        header_lower(name, values[i].name, "NCP_OPTION_");
        assert_string_equal(ncp_option_name(values[i].value), name);
        assert_int_equal(ncp_option_at((int)i, &option), NCP_OK);
        assert_int_equal(option, values[i].value);
        assert_int_equal(ncp_option_find(name, &option), NCP_OK);
        assert_int_equal(option, values[i].value);
    }
    assert_int_equal(ncp_option_at((int)count, &option), NCP_ENOTFOUND);
    assert_int_equal(option, 0);
}

static void what_is_no_option_is_not_found(void **state)
{
    static const int wrong[] = {0, -1, 1000, INT_MAX, INT_MIN};
    int64_t n = 7;
    int option = 7;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_null(ncp_option_name(wrong[i]));
        assert_null(ncp_option_help(wrong[i]));
        assert_null(ncp_option_unit(wrong[i]));
        assert_int_equal(ncp_option_type(wrong[i]), NCP_ENOTFOUND);
        assert_int_equal(ncp_option_runtime(wrong[i]), NCP_ENOTFOUND);
        n = 7;
        assert_int_equal(
            ncp_option_range(wrong[i], NCP_MODE_CLIENT, &n, NULL, NULL),
            NCP_ENOTFOUND);
        assert_int_equal(n, 0);
    }
    assert_int_equal(ncp_option_at(-1, &option), NCP_ENOTFOUND);
    assert_int_equal(option, 0);
    option = 7;
    assert_int_equal(ncp_option_find("no_such_option", &option), NCP_ENOTFOUND);
    assert_int_equal(option, 0);
    assert_int_equal(ncp_option_find("MODE", &option), NCP_ENOTFOUND);
    assert_int_equal(ncp_option_find(NULL, &option), NCP_EINVAL);
    assert_int_equal(ncp_option_find("mode", NULL), NCP_EINVAL);
    assert_int_equal(ncp_option_at(0, NULL), NCP_EINVAL);
}

static void every_row_is_complete(void **state)
{
    int option;

    (void)state;
    for (int i = 0; ncp_option_at(i, &option) == NCP_OK; i++) {
        assert_in_range(ncp_option_type(option), NCP_TYPE_INT, NCP_TYPE_TEXT);
        assert_in_range(ncp_option_runtime(option), 0, 1);
        assert_in_range(strlen(ncp_option_help(option)), 10, 200);
        assert_null(strchr(ncp_option_help(option), '\n'));
        bool time = ncp_option_type(option) == NCP_TYPE_DURATION;
        assert_int_equal(strcmp(ncp_option_unit(option), "ms") == 0, time);
    }
}

static void defaults_are_in_range(void **state)
{
    int64_t def;
    int64_t min;
    int64_t max;
    int option;

    (void)state;
    for (int i = 0; ncp_option_at(i, &option) == NCP_OK; i++) {
        for (int mode = NCP_MODE_CLIENT; mode <= NCP_MODE_SERVER; mode++) {
            int status = ncp_option_range(option, mode, &def, &min, &max);
            if (ncp_option_type(option) == NCP_TYPE_TEXT) {
                assert_int_equal(status, NCP_EINVAL);
                continue;
            }
            assert_int_equal(status, NCP_OK);
            assert_true(min <= def && def <= max);
        }
        assert_int_equal(ncp_option_range(option, 2, &def, &min, &max),
                         NCP_EINVAL);
        assert_int_equal(ncp_option_range(option, -1, NULL, NULL, NULL),
                         NCP_EINVAL);
    }
}

/* No sum of two and no product of those that are multiplied overflows. */
static void ranges_leave_room_for_arithmetic(void **state)
{
    int64_t most[VALUES_MAX] = {0};
    int64_t ns;
    int option;

    (void)state;
    for (int i = 0; ncp_option_at(i, &option) == NCP_OK; i++) {
        ncp_option_range(option, NCP_MODE_CLIENT, NULL, NULL, &most[option]);
        if (ncp_option_type(option) == NCP_TYPE_DURATION)
            assert_false(__builtin_mul_overflow(most[option], 3000000, &ns));
    }
    assert_false(__builtin_mul_overflow(most[NCP_OPTION_LEAK_TIMEOUT] * 1000000,
                                        most[NCP_OPTION_LEAK_EVICT_MULTIPLIER],
                                        &ns));
    assert_false(
        __builtin_mul_overflow(most[NCP_OPTION_CREATE_RETRY_INTERVAL] * 1000000,
                               most[NCP_OPTION_CREATE_RETRIES], &ns));
}

struct default_case {
    int option;
    int64_t client;
    int64_t server;
};

static void defaults_of_both_modes_are_as_promised(void **state)
{
    static const struct default_case cases[] = {
        {NCP_OPTION_MODE, NCP_MODE_CLIENT, NCP_MODE_SERVER},
        {NCP_OPTION_DRIVER, NCP_DRIVER_PUSH, NCP_DRIVER_PUSH},
        {NCP_OPTION_LISTENER_FD, -1, -1},
        {NCP_OPTION_MAX_CONNECTIONS, 10, 100},
        {NCP_OPTION_MIN_CONNECTIONS, 2, 0},
        {NCP_OPTION_MAX_IDLE_CONNECTIONS, 10, 50},
        {NCP_OPTION_CONNECTION_TIMEOUT, 10000, 10000},
        {NCP_OPTION_IDLE_TIMEOUT, 300000, 300000},
        {NCP_OPTION_MAX_LIFETIME, 1800000, 1800000},
        {NCP_OPTION_EXPIRY_JITTER, 3, 3},
        {NCP_OPTION_GET_TIMEOUT, 5000, 5000},
        {NCP_OPTION_HEALTH_CHECK, 1, 1},
        {NCP_OPTION_HEALTH_CHECK_INTERVAL, 30000, 30000},
        {NCP_OPTION_HEALTH_CHECK_TIMEOUT, 3000, 3000},
        {NCP_OPTION_CHECK_ON_BORROW, 0, 0},
        {NCP_OPTION_LEAK_TIMEOUT, 300000, 300000},
        {NCP_OPTION_LEAK_INTERVAL, 0, 0},
        {NCP_OPTION_LEAK_EVICT_MULTIPLIER, 2, 2},
        {NCP_OPTION_CAPTURE_STACKS, 0, 0},
        {NCP_OPTION_STATS, 1, 1},
        {NCP_OPTION_LATENCY_SAMPLES, 1000, 1000},
        {NCP_OPTION_CLEAR_UDP, 1, 1},
        {NCP_OPTION_UDP_CLEAR_TIMEOUT, 100, 100},
        {NCP_OPTION_MAX_BUFFER_CLEAR_PACKETS, 100, 100},
        {NCP_OPTION_RESTORE_BLOCKING, 0, 0},
        {NCP_OPTION_MAX_CONCURRENT_CREATES, 5, 5},
        {NCP_OPTION_CREATE_RETRIES, 0, 0},
        {NCP_OPTION_CREATE_RETRY_INTERVAL, 10, 10},
        {NCP_OPTION_DIAL_IN_CALLER, 0, 0},
        {NCP_OPTION_DIAL_RATE, 0, 0},
        {NCP_OPTION_DIAL_BURST, 1, 1},
        {NCP_OPTION_DIAL_BACKOFF, 0, 0},
        {NCP_OPTION_DIAL_BACKOFF_MAX, 30000, 30000},
        {NCP_OPTION_BREAKER_FAILURES, 0, 0},
        {NCP_OPTION_BREAKER_COOLDOWN, 5000, 5000},
        {NCP_OPTION_DIAL_POLICY, NCP_DIAL_FAIL_ONE, NCP_DIAL_FAIL_ONE},
        {NCP_OPTION_CLEANUP_INTERVAL, 0, 0},
        {NCP_OPTION_MAINTAIN_MIN, 0, 0},
        {NCP_OPTION_PREWARM_RETRY, 0, 0},
        {NCP_OPTION_PREWARM_MAX_RETRIES, 3, 3},
        {NCP_OPTION_PREWARM_RETRY_INTERVAL, 100, 100},
        {NCP_OPTION_PREWARM_BLOCKING, 0, 0},
        {NCP_OPTION_IDLE_ORDER, NCP_IDLE_LIFO, NCP_IDLE_LIFO},
        {NCP_OPTION_FAIRNESS, NCP_FAIRNESS_STRICT, NCP_FAIRNESS_STRICT},
        {NCP_OPTION_STORE, NCP_STORE_LOCKFREE, NCP_STORE_LOCKFREE},
        {NCP_OPTION_MAX_WAITERS, 0, 0},
        {NCP_OPTION_LOG_LEVEL, NCP_LOG_WARN, NCP_LOG_WARN},
        {NCP_OPTION_TCP_NODELAY, 1, 1},
        {NCP_OPTION_TCP_KEEPALIVE, 15000, 15000},
        {NCP_OPTION_SEND_BUFFER, 0, 0},
        {NCP_OPTION_RECEIVE_BUFFER, 0, 0},
        {NCP_OPTION_HAPPY_EYEBALLS_DELAY, 250, 250},
        {NCP_OPTION_HOST_EVENTS, 0, 0},
    };
    enum { CASES = sizeof cases / sizeof cases[0], TEXTS = 2 };
    ncp_config *config;
    int64_t value;
    int option;
    int options = 0;

    (void)state;
    while (ncp_option_at(options, &option) == NCP_OK)
        options++;
    assert_int_equal(options, CASES + TEXTS);
    for (int mode = NCP_MODE_CLIENT; mode <= NCP_MODE_SERVER; mode++) {
        assert_int_equal(ncp_config_new(mode, &config), NCP_OK);
        for (size_t i = 0; i < CASES; i++) {
            assert_int_equal(
                ncp_config_get_int(config, cases[i].option, &value), NCP_OK);
            assert_int_equal(value, mode == NCP_MODE_CLIENT ? cases[i].client
                                                            : cases[i].server);
        }
        ncp_config_free(config);
    }
}

static void options_of_a_living_pool_are_marked(void **state)
{
    static const int live[] = {
        NCP_OPTION_MAX_CONNECTIONS,
        NCP_OPTION_MIN_CONNECTIONS,
        NCP_OPTION_MAX_IDLE_CONNECTIONS,
        NCP_OPTION_CONNECTION_TIMEOUT,
        NCP_OPTION_IDLE_TIMEOUT,
        NCP_OPTION_MAX_LIFETIME,
        NCP_OPTION_GET_TIMEOUT,
        NCP_OPTION_HEALTH_CHECK_INTERVAL,
        NCP_OPTION_HEALTH_CHECK_TIMEOUT,
        NCP_OPTION_LEAK_TIMEOUT,
        NCP_OPTION_LEAK_INTERVAL,
        NCP_OPTION_LEAK_EVICT_MULTIPLIER,
        NCP_OPTION_DIAL_RATE,
        NCP_OPTION_DIAL_BURST,
        NCP_OPTION_DIAL_BACKOFF,
        NCP_OPTION_DIAL_BACKOFF_MAX,
        NCP_OPTION_BREAKER_FAILURES,
        NCP_OPTION_BREAKER_COOLDOWN,
        NCP_OPTION_DIAL_POLICY,
        NCP_OPTION_CREATE_RETRIES,
        NCP_OPTION_CREATE_RETRY_INTERVAL,
        NCP_OPTION_MAX_WAITERS,
        NCP_OPTION_FAIRNESS,
        NCP_OPTION_LOG_LEVEL,
        NCP_OPTION_MAX_CONCURRENT_CREATES,
        NCP_OPTION_MAINTAIN_MIN,
    };
    int option;
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < sizeof live / sizeof live[0]; i++)
        assert_int_equal(ncp_option_runtime(live[i]), 1);
    for (int i = 0; ncp_option_at(i, &option) == NCP_OK; i++)
        count += (size_t)ncp_option_runtime(option);
    assert_int_equal(count, sizeof live / sizeof live[0]);
}

/* "NCP_<prefix>_FAIL_ONE" of the header is the text "fail_one". */
static void check_enum(ncp_config *config, int option, const char *name,
                       const char *prefix)
{
    struct header_value values[VALUES_MAX];
    size_t count = header_enum(name, values, VALUES_MAX);
    int64_t min;
    int64_t max;
    char text[64];
    char got[64];

    assert_int_equal(ncp_option_type(option), NCP_TYPE_ENUM);
    assert_int_equal(ncp_option_range(option, 0, NULL, &min, &max), NCP_OK);
    assert_int_equal(min, values[0].value);
    assert_int_equal(max, values[count - 1].value);
    for (size_t i = 0; i < count; i++) {
        int64_t value;
        header_lower(text, values[i].name, prefix);
        assert_int_equal(ncp_config_set(config, ncp_option_name(option), text),
                         NCP_OK);
        ncp_config_get_int(config, option, &value);
        assert_int_equal(value, values[i].value);
        ncp_config_get(config, ncp_option_name(option), got, sizeof got);
        assert_string_equal(got, text);
        assert_non_null(strstr(ncp_option_help(option), text));
    }
}

static void names_of_enumerations_are_those_of_the_header(void **state)
{
    ncp_config *config;

    (void)state;
    assert_int_equal(ncp_config_new(NCP_MODE_CLIENT, &config), NCP_OK);
    check_enum(config, NCP_OPTION_MODE, "ncp_mode", "NCP_MODE_");
    check_enum(config, NCP_OPTION_DRIVER, "ncp_driver", "NCP_DRIVER_");
    check_enum(config, NCP_OPTION_IDLE_ORDER, "ncp_idle_order", "NCP_IDLE_");
    check_enum(config, NCP_OPTION_FAIRNESS, "ncp_fairness", "NCP_FAIRNESS_");
    check_enum(config, NCP_OPTION_DIAL_POLICY, "ncp_dial_policy", "NCP_DIAL_");
    check_enum(config, NCP_OPTION_STORE, "ncp_store", "NCP_STORE_");
    check_enum(config, NCP_OPTION_LOG_LEVEL, "ncp_log_level", "NCP_LOG_");
    ncp_config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_those_of_the_header),
        cmocka_unit_test(what_is_no_option_is_not_found),
        cmocka_unit_test(every_row_is_complete),
        cmocka_unit_test(defaults_are_in_range),
        cmocka_unit_test(ranges_leave_room_for_arithmetic),
        cmocka_unit_test(defaults_of_both_modes_are_as_promised),
        cmocka_unit_test(options_of_a_living_pool_are_marked),
        cmocka_unit_test(names_of_enumerations_are_those_of_the_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
