/* Values as text and as numbers: ncp_config_set, _get, _set_int, _get_int. */
#include "netconnpool.h"

#include "config_test.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static ncp_config *config;

static int make(void **state)
{
    (void)state;
    return ncp_config_new(NCP_MODE_CLIENT, &config);
}

static int unmake(void **state)
{
    (void)state;
    ncp_config_free(config);
    return 0;
}

static int64_t number(const char *name)
{
    int64_t value;
    int option;

    assert_int_equal(ncp_option_find(name, &option), NCP_OK);
    assert_int_equal(ncp_config_get_int(config, option, &value), NCP_OK);
    return value;
}

/* The text is read as `value`, and written as `written`. */
static void accepts(const char *name, const char *text, int64_t value,
                    const char *written)
{
    char got[64];

    if (ncp_config_set(config, name, text) != NCP_OK)
        fail_msg("%s", ncp_config_reason(config));
    assert_string_equal(ncp_config_reason(config), "");
    assert_int_equal(number(name), value);
    assert_int_equal(ncp_config_get(config, name, got, sizeof got),
                     strlen(written));
    assert_string_equal(got, written);
}

/* The text is refused by a reason that holds both, and nothing changes. */
static void refuses(const char *name, const char *text)
{
    int64_t before = number(name);
    const char *reason = ncp_config_reason(config);

    assert_int_equal(ncp_config_set(config, name, text), NCP_EINVALIDCONFIG);
    if (strstr(reason, name) == NULL || strstr(reason, text) == NULL ||
        strstr(reason, ": use ") == NULL)
        fail_msg("the reason is no help: %s", reason);
    assert_int_equal(number(name), before);
}

static void durations_are_read_and_written(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
        const char *written;
    } cases[] = {
        {"250ms", 250, "250ms"},
        {"30s", 30000, "30s"},
        {"5m0s", 300000, "5m0s"},
        {"5m", 300000, "5m0s"},
        {"1h30m", 5400000, "1h30m0s"},
        {"1.5s", 1500, "1.5s"},
        {"0.25h", 900000, "15m0s"},
        {"1m1.5s", 61500, "1m1.5s"},
        {"1h0m0.001s", 3600001, "1h0m0.001s"},
        {"1000us", 1, "1ms"},
        {"1000\xc2\xb5s", 1, "1ms"},
        {"1000\xce\xbcs", 1, "1ms"},
        {"2000000ns", 2, "2ms"},
        {"0.5us999.5us", 1, "1ms"},
        {"1.000000s", 1000, "1s"},
        {"1.00000000000000000000s", 1000, "1s"},
        {"90s", 90000, "1m30s"},
        {"0", 0, "0s"},
        {"0s", 0, "0s"},
        {"1234", 1234, "1.234s"},
        {"-1", -1, "-1"},
        {"-1s", -1000, "-1000"},
        {"-1.5s", -1500, "-1500"},
        {"87600h", INT64_C(315360000000), "87600h0m0s"},
        {"9223372036854775807", INT64_MAX, "9223372036854775807"},
        {"-9223372036854775808", INT64_MIN, "-9223372036854775808"},
        {"9223372036854ms", INT64_C(9223372036854), "2562047h47m16.854s"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        accepts("idle_timeout", cases[i].text, cases[i].ms, cases[i].written);
        accepts("idle_timeout", cases[i].written, cases[i].ms,
                cases[i].written);
    }
}

static void texts_that_are_no_duration_are_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "-",
        "s",
        "ms",
        "5 m",
        " 5m",
        "5m ",
        "5x",
        "five",
        "1.s",
        ".5s",
        "1.5",
        "1..5s",
        "--1s",
        "+1s",
        "1s-1s",
        "5m0",
        "0x10",
        "1e3",
        "1.5ns",
        "1500us",
        "1ns",
        "0.0001s",
        "1.0000000001s",
        "1.00000000000000000001s",
        "1h1",
        "1S",
        "1h -1m",
        "nan",
        "inf",
        "99999999999999999999",
        "9223372036854775808",
        "9999999h",
        "99999999999999999999h",
        "9223372036854775807ns1ns",
        "2562047h48m",
        "9223372036854.9999ms",
        "-99999999999999999999",
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        refuses("idle_timeout", wrong[i]);
}

/* What is written is what is read, for every length of every part. */
static void every_duration_survives_being_written(void **state)
{
    char text[64];
    int64_t ms = 0;

    (void)state;
    for (int64_t step = 1; ms < INT64_C(315360000000); step += step / 7 + 1) {
        ms += step;
        ncp_config_set_int(config, NCP_OPTION_IDLE_TIMEOUT, ms);
        ncp_config_get(config, "idle_timeout", text, sizeof text);
        ncp_config_set_int(config, NCP_OPTION_IDLE_TIMEOUT, 0);
        assert_int_equal(ncp_config_set(config, "idle_timeout", text), NCP_OK);
        assert_int_equal(number("idle_timeout"), ms);
    }
}

static void whole_numbers_are_read_and_written(void **state)
{
    (void)state;
    accepts("max_connections", "0", 0, "0");
    accepts("max_connections", "100", 100, "100");
    accepts("max_connections", "-7", -7, "-7");
    accepts("max_connections", "007", 7, "7");
    accepts("max_connections", "9223372036854775807", INT64_MAX,
            "9223372036854775807");
    accepts("max_connections", "-9223372036854775808", INT64_MIN,
            "-9223372036854775808");
    refuses("max_connections", "");
    refuses("max_connections", "-");
    refuses("max_connections", "ten");
    refuses("max_connections", "1 ");
    refuses("max_connections", "1.0");
    refuses("max_connections", "10s");
    refuses("max_connections", "9223372036854775808");
    refuses("max_connections", "-9223372036854775809");
}

static void booleans_are_read_in_any_case(void **state)
{
    static const char *const words[] = {"false", "true", "off", "on",
                                        "no",    "yes",  "0",   "1",
                                        "FALSE", "True", "oFF", "ON"};

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        accepts("stats", words[i], (int64_t)(i % 2), i % 2 ? "true" : "false");
    refuses("stats", "2");
    refuses("stats", "");
    refuses("stats", "tru");
    refuses("stats", "true ");
}

static void enumerations_are_read_in_any_case(void **state)
{
    (void)state;
    accepts("idle_order", "FIFO", NCP_IDLE_FIFO, "fifo");
    accepts("idle_order", "Lifo", NCP_IDLE_LIFO, "lifo");
    refuses("idle_order", "");
    refuses("idle_order", "1");
    refuses("idle_order", "lifo,fifo");
    assert_non_null(strstr(ncp_config_reason(config), "use lifo or fifo"));
}

static void numbers_out_of_range_are_written_as_numbers(void **state)
{
    char text[8];

    (void)state;
    ncp_config_set_int(config, NCP_OPTION_IDLE_ORDER, 9);
    assert_int_equal(ncp_config_get(config, "idle_order", text, sizeof text),
                     1);
    assert_string_equal(text, "9");
    ncp_config_set_int(config, NCP_OPTION_STATS, -3);
    assert_int_equal(ncp_config_get(config, "stats", text, sizeof text), 2);
    assert_string_equal(text, "-3");
}

static void texts_are_kept_as_they_are(void **state)
{
    char got[64];

    (void)state;
    assert_int_equal(ncp_config_get(config, "name", got, sizeof got), 0);
    assert_string_equal(got, "");
    assert_int_equal(ncp_config_set(config, "name",
                                    "b\xc3\xbc"
                                    "cher 1"),
                     NCP_OK);
    assert_int_equal(ncp_config_get(config, "name", got, sizeof got), 9);
    assert_string_equal(got, "b\xc3\xbc"
                             "cher 1");
    assert_int_equal(ncp_config_set(config, "name", "x"), NCP_OK);
    assert_int_equal(ncp_config_get(config, "name", got, sizeof got), 1);
    assert_string_equal(got, "x");
    assert_int_equal(ncp_config_set(config, "name", ""), NCP_OK);
    assert_int_equal(ncp_config_get(config, "name", got, sizeof got), 0);
}

static void texts_too_long_or_with_control_characters_are_refused(void **state)
{
    static const struct {
        const char *name;
        size_t most;
    } cases[] = {{"name", 255}, {"target", 1023}};
    char text[2048];
    char got[2048];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *name = cases[i].name;
        memset(text, 'x', sizeof text);
        text[cases[i].most] = '\0';
        assert_int_equal(ncp_config_set(config, name, text), NCP_OK);
        assert_int_equal(ncp_config_get(config, name, got, sizeof got),
                         cases[i].most);
        text[cases[i].most] = 'x';
        text[cases[i].most + 1] = '\0';
        assert_int_equal(ncp_config_set(config, name, text),
                         NCP_EINVALIDCONFIG);
        assert_non_null(strstr(ncp_config_reason(config), name));
        assert_int_equal(ncp_config_set(config, name, "a\nb"),
                         NCP_EINVALIDCONFIG);
        assert_non_null(strstr(ncp_config_reason(config), name));
        assert_int_equal(ncp_config_set(config, name, "a\x7f"),
                         NCP_EINVALIDCONFIG);
        assert_int_equal(ncp_config_get(config, name, got, sizeof got),
                         cases[i].most);
    }
}

static void get_counts_as_snprintf_does(void **state)
{
    char text[4] = "###";

    (void)state;
    assert_int_equal(ncp_config_get(config, "idle_timeout", NULL, 0), 4);
    assert_int_equal(ncp_config_get(config, "idle_timeout", text, 3), 4);
    assert_string_equal(text, "5m");
    assert_int_equal(ncp_config_get(config, "idle_timeout", text, 1), 4);
    assert_string_equal(text, "");
    ncp_config_set(config, "name", "abcdef");
    assert_int_equal(ncp_config_get(config, "name", text, sizeof text), 6);
    assert_string_equal(text, "abc");
}

static void misspelt_names_are_answered_with_a_suggestion(void **state)
{
    static const struct {
        const char *name;
        const char *hint;
    } cases[] = {
        {"max_conections", "did you mean max_connections?"},
        {"max_connection", "did you mean max_connections?"},
        {"Idle_timeout", "did you mean idle_timeout?"},
        {"tagret", "did you mean target?"},
        {"colour", "ncp_option_at()"},
        {"", "ncp_option_at()"},
        {"a_name_that_is_far_too_long_to_be_the_name_of_any_option", "..."},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(ncp_config_set(config, cases[i].name, "1"),
                         NCP_ENOTFOUND);
        if (strstr(ncp_config_reason(config), cases[i].hint) == NULL)
            fail_msg("%s", ncp_config_reason(config));
    }
    assert_int_equal(ncp_config_get(config, "colour", NULL, 0), NCP_ENOTFOUND);
}

static void reasons_are_plain_text_whatever_was_said(void **state)
{
    static const char *const names[] = {"idle\ntimeout", "\x01\xff", "%s%n"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(ncp_config_set(config, names[i], "1"), NCP_ENOTFOUND);
        for (const char *c = ncp_config_reason(config); *c != '\0'; c++)
            assert_in_range(*c, ' ', '~');
    }
}

static void a_success_clears_the_reason(void **state)
{
    (void)state;
    ncp_config_set(config, "stats", "maybe");
    assert_string_not_equal(ncp_config_reason(config), "");
    assert_int_equal(ncp_config_set(config, "stats", "on"), NCP_OK);
    assert_string_equal(ncp_config_reason(config), "");
    ncp_config_set(config, "stats", "maybe");
    assert_int_equal(ncp_config_set_int(config, NCP_OPTION_STATS, 0), NCP_OK);
    assert_string_equal(ncp_config_reason(config), "");
    ncp_config_set(config, "stats", "maybe");
    assert_int_equal(ncp_config_set_dialer(config, NULL, NULL, NULL), NCP_OK);
    assert_string_equal(ncp_config_reason(config), "");
    ncp_config_set(config, "stats", "maybe");
    assert_int_equal(ncp_config_set_queue(config, NULL), NCP_OK);
    assert_string_equal(ncp_config_reason(config), "");
}

static void any_number_is_taken_and_given_back(void **state)
{
    static const int64_t values[] = {0, 1, -1, INT64_MAX, INT64_MIN};
    int64_t got;
    int option;

    (void)state;
    for (int i = 0; ncp_option_at(i, &option) == NCP_OK; i++) {
        if (ncp_option_type(option) == NCP_TYPE_TEXT)
            continue;
        for (size_t j = 0; j < sizeof values / sizeof values[0]; j++) {
            assert_int_equal(ncp_config_set_int(config, option, values[j]),
                             NCP_OK);
            assert_int_equal(ncp_config_get_int(config, option, &got), NCP_OK);
            assert_int_equal(got, values[j]);
        }
    }
}

static void numbers_do_not_fit_texts_nor_what_is_no_option(void **state)
{
    int64_t got = 7;

    (void)state;
    assert_int_equal(ncp_config_set_int(config, NCP_OPTION_NAME, 1),
                     NCP_EINVALIDCONFIG);
    assert_non_null(strstr(ncp_config_reason(config), "name"));
    assert_int_equal(ncp_config_get_int(config, NCP_OPTION_NAME, &got),
                     NCP_EINVALIDCONFIG);
    assert_int_equal(got, 0);
    assert_int_equal(ncp_config_set_int(config, 0, 1), NCP_ENOTFOUND);
    assert_non_null(strstr(ncp_config_reason(config), "0 is no option"));
    assert_int_equal(ncp_config_set_int(config, INT_MAX, 1), NCP_ENOTFOUND);
    assert_int_equal(ncp_config_get_int(config, -1, &got), NCP_ENOTFOUND);
}

static void null_is_answered_never_followed(void **state)
{
    int64_t value;
    char text[8] = "#";

    (void)state;
    assert_int_equal(ncp_config_set_int(NULL, NCP_OPTION_STATS, 1), NCP_EINVAL);
    assert_int_equal(ncp_config_get_int(NULL, NCP_OPTION_STATS, &value),
                     NCP_EINVAL);
    assert_int_equal(ncp_config_get_int(config, NCP_OPTION_STATS, NULL),
                     NCP_EINVAL);
    assert_int_equal(ncp_config_set(NULL, "stats", "1"), NCP_EINVAL);
    assert_int_equal(ncp_config_set(config, NULL, "1"), NCP_EINVAL);
    assert_non_null(strstr(ncp_config_reason(config), "NULL"));
    assert_int_equal(ncp_config_set(config, "stats", NULL), NCP_EINVAL);
    assert_int_equal(ncp_config_get(NULL, "stats", text, sizeof text),
                     NCP_EINVAL);
    assert_string_equal(text, "");
    assert_int_equal(ncp_config_get(config, NULL, text, sizeof text),
                     NCP_EINVAL);
    assert_int_equal(ncp_config_get(config, "stats", NULL, 5), NCP_EINVAL);
    assert_string_equal(ncp_config_reason(NULL), "");
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, make, unmake)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(durations_are_read_and_written),
        TEST(texts_that_are_no_duration_are_refused),
        TEST(every_duration_survives_being_written),
        TEST(whole_numbers_are_read_and_written),
        TEST(booleans_are_read_in_any_case),
        TEST(enumerations_are_read_in_any_case),
        TEST(numbers_out_of_range_are_written_as_numbers),
        TEST(texts_are_kept_as_they_are),
        TEST(texts_too_long_or_with_control_characters_are_refused),
        TEST(get_counts_as_snprintf_does),
        TEST(misspelt_names_are_answered_with_a_suggestion),
        TEST(reasons_are_plain_text_whatever_was_said),
        TEST(a_success_clears_the_reason),
        TEST(any_number_is_taken_and_given_back),
        TEST(numbers_do_not_fit_texts_nor_what_is_no_option),
        TEST(null_is_answered_never_followed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
