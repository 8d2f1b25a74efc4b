/* Configurations as JSON: refusals by name and position, all or nothing, and
 * the round trip of CFG-16. */
#include "netconnpool_json.h"

#include "config_memory.h"
#include "config_test.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_SIZE = 16384, REASON_SIZE = 256, STEPS_MAX = 2000 };

static ncp_config *make(int mode)
{
    ncp_config *config;

    assert_int_equal(ncp_config_new(mode, &config), NCP_OK);
    return config;
}

static void assert_same(const ncp_config *a, const ncp_config *b)
{
    static char left[TEXT_SIZE];
    static char right[TEXT_SIZE];
    int option;

    for (int i = 0; ncp_option_at(i, &option) == NCP_OK; i++) {
        const char *name = ncp_option_name(option);
        if (option == NCP_OPTION_LISTENER_FD)
            continue;
        assert_true(ncp_config_get(a, name, left, sizeof left) >= 0);
        assert_true(ncp_config_get(b, name, right, sizeof right) >= 0);
        if (strcmp(left, right) != 0)
            fail_msg("%s is %s here and %s there", name, left, right);
    }
}

static int read_text(ncp_config *config, const char *text, char *reason)
{
    return ncp_json_read(config, text, strlen(text), reason, REASON_SIZE);
}

struct refusal {
    const char *text;
    const char *reason;
};

static const struct refusal refusals[] = {
    /* names */
    {"{\"max_conections\": 1}",
     "line 1, column 2: \"max_conections\" is no option: did you mean "
     "max_connections?"},
    {"{\n  \"stats\": true,\n  \"colour\": 1\n}",
     "line 3, column 3: \"colour\" is no option"},
    {"{\"name\": \"\xc3\xa4\\\"{,\",  \"colour\": 1}", "line 1, column 20: "},
    {"{\"\": 1}", "line 1, column 2: \"\" is no option"},
    {"{\"stats\": true, \"stats\": false}",
     "line 1, column 17: stats: duplicate object key"},
    {"{\"stats\": true,\n \"\\u0073tats\": false}",
     "line 2, column 2: \\u0073tats: duplicate object key"},
    {"{\"listener_fd\": 3}", "line 1, column 2: listener_fd belongs"},
    {"{\"dialer\": \"x\"}", "line 1, column 2: \"dialer\" is no option"},
    /* types */
    {"{\"max_connections\": \"5\"}", "max_connections is a text: use a whole"},
    {"{\"max_connections\": 5.0}", "max_connections is no whole number"},
    {"{\"max_connections\": 1e3}", "max_connections is no whole number"},
    {"{\"max_connections\": true}", "max_connections is a boolean"},
    {"{\"max_connections\": null}", "max_connections is null"},
    {"{\"max_connections\": [5]}", "max_connections is an array"},
    {"{\"stats\": 1}", "stats is a number: use true or false"},
    {"{\"stats\": \"true\"}", "stats is a text: use true or false"},
    {"{\"idle_timeout\": 1.5}", "idle_timeout is no whole number"},
    {"{\"idle_timeout\": false}", "idle_timeout is a boolean"},
    {"{\"idle_timeout\": \"5 min\"}", "idle_timeout is \"5 min\": use"},
    {"{\"idle_order\": 0}", "idle_order is a number: use one of its names"},
    {"{\"idle_order\": \"last\"}", "idle_order is \"last\": use lifo or fifo"},
    {"{\"name\": 5}", "name is a number: use a text"},
    {"{\"name\": \"a\\nb\"}", "name is \"a?b\": remove the control"},
    {"{\"target\": {\"stats\": 1, \"name\": {}}}", "target is an object"},
    {"{\"stats\": true, \"name\": {\"stats\": 1}}",
     "line 1, column 17: name is an object"},
    /* ranges */
    {"{\"max_connections\": -1}",
     "line 1, column 2: max_connections is -1: use 0 to 100000"},
    {"{\"max_connections\": 100001}", "max_connections is 100001"},
    {"{\"idle_timeout\": -1}", "idle_timeout is -1: use 0 to"},
    {"{\"idle_timeout\": \"87601h\"}", "idle_timeout is 315363600000"},
    {"{\"stats\": true,\n\"max_waiters\": 99999999999999999999}",
     "line 2, column 1: max_waiters: too big integer"},
    {"{\"x\": [-99999999999999999999]}", "line 1, column 2: x: too big neg"},
    {"{\"dial_rate\": 1e999}", "line 1, column 2: dial_rate: real number"},
    {"[99999999999999999999]", "too big integer"},
    /* no JSON */
    {"", "line 1, column 1: "},
    {"   ", "line 1, column "},
    {"{", "line 1, column "},
    {"{\"stats\": true", "line 1, column "},
    {"{\"stats\": true,}", "line 1, column "},
    {"{\"stats\": tru}", "line 1, column "},
    {"{stats: true}", "line 1, column "},
    {"{'stats': true}", "line 1, column "},
    {"{\"stats\": true // yes\n}", "line 1, column "},
    {"{\"max_waiters\": 01}", "line 1, column "},
    {"{\"max_waiters\": +1}", "line 1, column "},
    {"{\"stats\": true} x", "line 1, column 17: end of file expected"},
    {"{\"stats\": true}\n{}", "line 2, column "},
    {"\xef\xbb\xbf{}", "line 1, column "},
    {"true", "line 1, column "},
    {"\"stats\"", "line 1, column "},
    {"[]", "line 1, column 1: the text is an array"},
    {"[{\"stats\": true}]", "line 1, column 1: the text is an array"},
    /* texts */
    {"{\"name\": \"a\\u0000b\"}", "\\u0000"},
    {"{\"na\\u0000me\": \"a\"}", "\\u0000"},
    {"{\"name\": \"\xff\"}", "byte 0xff"},
    {"{\"name\": \"\xc3\"}", "unable to decode byte"},
    {"{\"name\": \"\xed\xa0\x80\"}", "unable to decode byte"},
    {"{\"\xc0\xaf\": 1}", "unable to decode byte"},
    {"{\"name\": \"\\ud800\"}", "\\ud800"},
    {"{\"name\": \"a\tb\"}", "control character"},
};

static void what_is_refused_is_named_and_changes_nothing(void **state)
{
    char reason[REASON_SIZE];
    ncp_config *config = make(NCP_MODE_CLIENT);
    ncp_config *before = make(NCP_MODE_CLIENT);

    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        assert_int_equal(read_text(config, refusals[i].text, reason),
                         NCP_EINVALIDCONFIG);
        if (strstr(reason, refusals[i].reason) == NULL ||
            strncmp(reason, "line ", 5) != 0)
            fail_msg("%s: %s", refusals[i].text, reason);
        assert_same(config, before);
    }
    ncp_config_free(before);
    ncp_config_free(config);
}

/* A good member before a bad one is not applied either. */
static void a_text_is_applied_wholly_or_not_at_all(void **state)
{
    static const char *const texts[] = {
        "{\"name\": \"x\", \"stats\": false, \"idle_order\": \"no\"}",
        "{\"name\": \"x\", \"target\": \"tcp://a:1\", \"max_waiters\": -1}",
        "{\"name\": \"\", \"max_connections\": 5, \"colour\": 1}",
    };
    char reason[REASON_SIZE];
    ncp_config *before;
    ncp_config *config = make(NCP_MODE_CLIENT);

    (void)state;
    ncp_config_set(config, "name", "before");
    assert_int_equal(ncp_config_copy(config, &before), NCP_OK);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(read_text(config, texts[i], reason),
                         NCP_EINVALIDCONFIG);
        assert_same(config, before);
    }
    ncp_config_free(before);
    ncp_config_free(config);
}

static void nul_bytes_end_nothing(void **state)
{
    static const char inside[] = "{\"name\": \"a\0b\"}";
    static const char after[] = "{}\0";
    char reason[REASON_SIZE];
    ncp_config *config = make(NCP_MODE_CLIENT);

    (void)state;
    assert_int_equal(
        ncp_json_read(config, inside, sizeof inside - 1, reason, sizeof reason),
        NCP_EINVALIDCONFIG);
    assert_non_null(strstr(reason, "line 1, column "));
    assert_int_equal(
        ncp_json_read(config, after, sizeof after - 1, reason, sizeof reason),
        NCP_EINVALIDCONFIG);
    ncp_config_free(config);
}

static void a_text_needs_no_end(void **state)
{
    char text[] = {'{', '"', 's', 't', 'a', 't', 's', '"',
                   ':', 'f', 'a', 'l', 's', 'e', '}'};
    char reason[REASON_SIZE] = "#";
    int64_t value;
    ncp_config *config = make(NCP_MODE_CLIENT);

    (void)state;
    assert_int_equal(
        ncp_json_read(config, text, sizeof text, reason, sizeof reason),
        NCP_OK);
    assert_string_equal(reason, "");
    ncp_config_get_int(config, NCP_OPTION_STATS, &value);
    assert_int_equal(value, 0);
    ncp_config_free(config);
}

static void members_are_read_by_their_types(void **state)
{
    static const char text[] =
        " {\"mode\": \"SERVER\", \"max_connections\": 7, \"stats\": false,\n"
        "  \"idle_timeout\": \"1m30s\", \"max_lifetime\": 90000,\n"
        "  \"get_timeout\": -1, \"leak_timeout\": \"0\",\n"
        "  \"na\\u006de\": \"b\\u00fccher\",\n"
        "  \"target\": \"tcp://[::1]:80\"} \n";
    static const struct refusal values[] = {
        {"mode", "server"},
        {"max_connections", "7"},
        {"stats", "false"},
        {"idle_timeout", "1m30s"},
        {"max_lifetime", "1m30s"},
        {"get_timeout", "-1"},
        {"leak_timeout", "0s"},
        {"name", "b\xc3\xbc"
                 "cher"},
        {"target", "tcp://[::1]:80"},
        {"fairness", "strict"},
    };
    char reason[REASON_SIZE];
    char got[64];
    ncp_config *config = make(NCP_MODE_CLIENT);

    (void)state;
    assert_int_equal(read_text(config, text, reason), NCP_OK);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        ncp_config_get(config, values[i].text, got, sizeof got);
        assert_string_equal(got, values[i].reason);
    }
    assert_int_equal(read_text(config, "{}", reason), NCP_OK);
    ncp_config_get(config, "mode", got, sizeof got);
    assert_string_equal(got, "server");
    ncp_config_free(config);
}

static void writing_counts_as_snprintf_does(void **state)
{
    static char whole[TEXT_SIZE];
    static char part[TEXT_SIZE];
    ncp_config *config = make(NCP_MODE_CLIENT);
    int length = ncp_json_write(config, NULL, 0);

    (void)state;
    assert_in_range(length, 500, TEXT_SIZE - 1);
    assert_int_equal(ncp_json_write(config, whole, sizeof whole), length);
    assert_int_equal(strlen(whole), length);
    assert_null(strstr(whole, "listener_fd"));
    for (int size = 1; size <= length + 2; size++) {
        memset(part, '#', sizeof part);
        assert_int_equal(ncp_json_write(config, part, (size_t)size), length);
        int kept = size - 1 < length ? size - 1 : length;
        assert_memory_equal(part, whole, (size_t)kept);
        assert_int_equal(part[kept], '\0');
        assert_int_equal(part[size], '#');
    }
    ncp_config_free(config);
}

static void what_could_not_be_read_is_not_written(void **state)
{
    char text[8] = "#";
    ncp_config *config = make(NCP_MODE_CLIENT);

    (void)state;
    ncp_config_set_int(config, NCP_OPTION_IDLE_ORDER, 9);
    assert_int_equal(ncp_json_write(config, text, sizeof text),
                     NCP_EINVALIDCONFIG);
    assert_string_equal(text, "");
    ncp_config_set_int(config, NCP_OPTION_IDLE_ORDER, 0);
    assert_true(ncp_json_write(config, NULL, 0) > 0);
    ncp_config_set(config, "name", "\xff");
    assert_int_equal(ncp_json_write(config, NULL, 0), NCP_EINVALIDCONFIG);
    ncp_config_free(config);
}

static void null_is_answered_never_followed(void **state)
{
    char text[8] = "#";
    ncp_config *config = make(NCP_MODE_CLIENT);

    (void)state;
    assert_int_equal(ncp_json_read(NULL, "{}", 2, text, sizeof text),
                     NCP_EINVAL);
    assert_string_equal(text, "");
    assert_int_equal(ncp_json_read(config, NULL, 2, NULL, 0), NCP_EINVAL);
    assert_int_equal(ncp_json_read(config, "{}", 2, NULL, 5), NCP_EINVAL);
    assert_int_equal(ncp_json_read(config, "{}", 2, NULL, 0), NCP_OK);
    assert_int_equal(ncp_json_read(config, "{", 1, NULL, 0),
                     NCP_EINVALIDCONFIG);
    assert_int_equal(ncp_json_read(config, "{", 1, text, sizeof text),
                     NCP_EINVALIDCONFIG);
    assert_string_equal(text, "line 1,");
    assert_int_equal(ncp_json_write(NULL, text, sizeof text), NCP_EINVAL);
    assert_string_equal(text, "");
    assert_int_equal(ncp_json_write(config, NULL, 5), NCP_EINVAL);
    ncp_config_free(config);
}

/* --------------------------------------------------------------- round trip */

static uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t roll(uint64_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % below;
}

static int64_t random_number(int option)
{
    int64_t min;
    int64_t max;

    ncp_option_range(option, NCP_MODE_CLIENT, NULL, &min, &max);
    uint64_t width = (uint64_t)(max - min) + 1;
    switch (roll(4)) {
    case 0:
        return min;
    case 1:
        return max;
    case 2:
        return min + (int64_t)roll(width < 100000 ? width : 100000);
    default:
        return min + (int64_t)roll(width);
    }
}

/* Up to 40 pieces, those that JSON must escape among them. */
static void random_text(char *text)
{
    static const char *const pieces[] = {
        "a",
        "Z",
        "0",
        " ",
        "\"",
        "\\",
        "/",
        "\\u0041",
        "{",
        "}",
        ":",
        ",",
        "\xc3\xa4",
        "\xe2\x82\xac",
        "\xf0\x9f\x8c\x8d",
        "\xc2\x80",
        "\xef\xbf\xbf",
        "unix:",
        "tcp://",
        "null",
    };
    uint64_t count = roll(40);

    *text = '\0';
    while (count-- > 0)
        strcat(text, pieces[roll(sizeof pieces / sizeof pieces[0])]);
}

static void randomize(ncp_config *config)
{
    char text[512];
    int option;

    for (int i = 0; ncp_option_at(i, &option) == NCP_OK; i++) {
        if (ncp_option_type(option) != NCP_TYPE_TEXT) {
            ncp_config_set_int(config, option, random_number(option));
            continue;
        }
        random_text(text);
        assert_int_equal(ncp_config_set(config, ncp_option_name(option), text),
                         NCP_OK);
    }
}

static void every_configuration_survives_the_round_trip(void **state)
{
    static char text[TEXT_SIZE];
    char reason[REASON_SIZE];

    (void)state;
    for (int i = 0; i < 10000; i++) {
        ncp_config *config = make(i % 2);
        ncp_config *back = make(i / 2 % 2);
        randomize(config);
        if (i % 3 == 0)
            randomize(back);
        int length = ncp_json_write(config, text, sizeof text);
        assert_in_range(length, 1, sizeof text - 1);
        if (read_text(back, text, reason) != NCP_OK)
            fail_msg("configuration %d: %s\n%s", i, reason, text);
        assert_same(config, back);
        ncp_config_free(back);
        ncp_config_free(config);
    }
}

/* ------------------------------------------------------------------- memory */

/* The parser takes some failed allocations for a fault of the text. */
static void check_reading(ncp_config *config, const char *text)
{
    char reason[REASON_SIZE];
    ncp_config *before;
    int status = NCP_ENOMEM;
    int short_of_memory = 0;

    for (int n = 0; status != NCP_OK; n++) {
        assert_in_range(n, 0, STEPS_MAX);
        assert_int_equal(ncp_config_copy(config, &before), NCP_OK);
        long live = memory_live;
        memory_left = n;
        status = read_text(config, text, reason);
        memory_left = -1;
        if (status == NCP_ENOMEM) {
            short_of_memory++;
            assert_string_equal(reason, "out of memory");
        }
        if (status != NCP_OK) {
            assert_true(status == NCP_ENOMEM || status == NCP_EINVALIDCONFIG);
            assert_same(config, before);
            assert_int_equal(memory_live, live);
        }
        ncp_config_free(before);
    }
    assert_in_range(short_of_memory, 10, STEPS_MAX);
}

static void reading_without_memory_changes_nothing(void **state)
{
    static const char text[] = "{\"stats\": false, \"name\": \"after\", "
                               "\"idle_timeout\": \"1m0s\", "
                               "\"target\": \"tcp://after:1\"}";
    static const char *const names[] = {"", "before"};

    (void)state;
    for (int i = 0; i < 4; i++) {
        ncp_config *config = make(NCP_MODE_CLIENT);
        ncp_config_set(config, "name", names[i % 2]);
        ncp_config_set(config, "target", names[i / 2]);
        check_reading(config, text);
        ncp_config_free(config);
        assert_int_equal(memory_live, 0);
    }
}

static void writing_without_memory_writes_nothing(void **state)
{
    static char text[TEXT_SIZE];
    ncp_config *config = make(NCP_MODE_CLIENT);
    int length = NCP_ENOMEM;
    long live = memory_live;

    (void)state;
    for (int n = 0; length == NCP_ENOMEM; n++) {
        assert_in_range(n, 0, STEPS_MAX);
        memory_left = n;
        length = ncp_json_write(config, text, sizeof text);
        memory_left = -1;
        assert_int_equal(memory_live, live);
        assert_int_equal(strlen(text), length < 0 ? 0 : length);
    }
    assert_true(length > 0);
    ncp_config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_refused_is_named_and_changes_nothing),
        cmocka_unit_test(a_text_is_applied_wholly_or_not_at_all),
        cmocka_unit_test(nul_bytes_end_nothing),
        cmocka_unit_test(a_text_needs_no_end),
        cmocka_unit_test(members_are_read_by_their_types),
        cmocka_unit_test(writing_counts_as_snprintf_does),
        cmocka_unit_test(what_could_not_be_read_is_not_written),
        cmocka_unit_test(null_is_answered_never_followed),
        cmocka_unit_test(every_configuration_survives_the_round_trip),
        cmocka_unit_test(reading_without_memory_changes_nothing),
        cmocka_unit_test(writing_without_memory_writes_nothing),
    };

    json_set_alloc_funcs(memory_take, memory_give);
    if (ncp_set_allocator(memory_alloc, memory_release, NULL) != NCP_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
