/* Statuses, names of enumerations, the version (CONN-2). */
#include "netconnpool.h"

#include "config_header.h"
#include "config_test.h"

#include <limits.h>

enum { VALUES_MAX = 128 };

struct name_case {
    const char *text;
    int value;
};

static void every_status_of_the_header_has_its_name(void **state)
{
    struct header_value values[VALUES_MAX];
    size_t count = header_enum("ncp_status", values, VALUES_MAX);
    int status;

    (void)state;
    assert_in_range(count, 20, VALUES_MAX);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(ncp_status_name(values[i].value), values[i].name);
        assert_string_not_equal(ncp_status_text(values[i].value),
                                "unknown status");
        assert_int_equal(ncp_status_at((int)i, &status), NCP_OK);
        assert_int_equal(status, values[i].value);
    }
    assert_int_equal(ncp_status_at((int)count, &status), NCP_ENOTFOUND);
    assert_int_equal(status, 0);
}

static void texts_of_statuses_differ(void **state)
{
    int a;
    int b;

    (void)state;
    for (int i = 0; ncp_status_at(i, &a) == NCP_OK; i++) {
        for (int j = 0; j < i; j++) {
            assert_int_equal(ncp_status_at(j, &b), NCP_OK);
            assert_string_not_equal(ncp_status_text(a), ncp_status_text(b));
        }
    }
}

static void texts_of_errors_are_those_of_the_go_package(void **state)
{
    static const struct name_case cases[] = {
        {"pool is closed", NCP_ECLOSED},
        {"connection is closed", NCP_ECONNCLOSED},
        {"get connection timeout", NCP_ETIMEOUT},
        {"max connections limit reached", NCP_EMAXCONN},
        {"invalid connection", NCP_EINVALIDCONN},
        {"connection unhealthy", NCP_EUNHEALTHY},
        {"invalid config parameters", NCP_EINVALIDCONFIG},
        {"connection leak detected: connection not returned within timeout",
         NCP_ELEAKED},
        {"pool exhausted, cannot create new connection", NCP_EEXHAUSTED},
        {"unsupported IP version", NCP_EUNSUPPORTEDIP},
        {"no available connection for specified IP version", NCP_ENOIP},
        {"unsupported protocol type", NCP_EUNSUPPORTEDPROTO},
        {"no available connection for specified protocol", NCP_ENOPROTO},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(ncp_status_text(cases[i].value), cases[i].text);
}

static void what_is_no_status_is_unknown(void **state)
{
    static const int wrong[] = {1, 100, -1000, INT_MAX, INT_MIN};
    int status = 7;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_string_equal(ncp_status_text(wrong[i]), "unknown status");
        assert_string_equal(ncp_status_name(wrong[i]), "NCP_UNKNOWN");
    }
    assert_int_equal(ncp_status_at(-1, &status), NCP_ENOTFOUND);
    assert_int_equal(status, 0);
    assert_int_equal(ncp_status_at(INT_MAX, &status), NCP_ENOTFOUND);
    assert_int_equal(ncp_status_at(0, NULL), NCP_EINVAL);
}

static void modes_are_written_and_read_in_any_case(void **state)
{
    (void)state;
    assert_string_equal(ncp_mode_text(NCP_MODE_CLIENT), "client");
    assert_string_equal(ncp_mode_text(NCP_MODE_SERVER), "server");
    assert_string_equal(ncp_mode_text(2), "unknown");
    assert_string_equal(ncp_mode_text(-1), "unknown");
    assert_int_equal(ncp_mode_parse("server"), NCP_MODE_SERVER);
    assert_int_equal(ncp_mode_parse("SeRvEr"), NCP_MODE_SERVER);
    assert_int_equal(ncp_mode_parse("CLIENT"), NCP_MODE_CLIENT);
    assert_int_equal(ncp_mode_parse("serve"), NCP_MODE_CLIENT);
    assert_int_equal(ncp_mode_parse("servers"), NCP_MODE_CLIENT);
    assert_int_equal(ncp_mode_parse(""), NCP_MODE_CLIENT);
    assert_int_equal(ncp_mode_parse(NULL), NCP_MODE_CLIENT);
}

static void protocols_are_written_and_read_in_any_case(void **state)
{
    static const struct name_case cases[] = {
        {"TCP", NCP_PROTOCOL_TCP},      {"tcp", NCP_PROTOCOL_TCP},
        {"Tcp", NCP_PROTOCOL_TCP},      {"UDP", NCP_PROTOCOL_UDP},
        {"udp", NCP_PROTOCOL_UDP},      {"uDP", NCP_PROTOCOL_UDP},
        {"tcp4", NCP_PROTOCOL_UNKNOWN}, {" tcp", NCP_PROTOCOL_UNKNOWN},
        {"tc", NCP_PROTOCOL_UNKNOWN},   {"", NCP_PROTOCOL_UNKNOWN},
        {"unix", NCP_PROTOCOL_UNKNOWN}, {NULL, NCP_PROTOCOL_UNKNOWN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(ncp_protocol_parse(cases[i].text), cases[i].value);
    assert_string_equal(ncp_protocol_text(NCP_PROTOCOL_UNKNOWN), "Unknown");
    assert_string_equal(ncp_protocol_text(NCP_PROTOCOL_TCP), "TCP");
    assert_string_equal(ncp_protocol_text(NCP_PROTOCOL_UDP), "UDP");
    assert_string_equal(ncp_protocol_text(3), "Unknown");
    assert_string_equal(ncp_protocol_text(INT_MIN), "Unknown");
}

static void ip_versions_are_written_and_read_in_any_case(void **state)
{
    static const struct name_case cases[] = {
        {"IPv4", NCP_IP_V4},       {"ipv4", NCP_IP_V4},
        {"IPV4", NCP_IP_V4},       {"4", NCP_IP_V4},
        {"IPv6", NCP_IP_V6},       {"ipv6", NCP_IP_V6},
        {"6", NCP_IP_V6},          {"5", NCP_IP_UNKNOWN},
        {"v4", NCP_IP_UNKNOWN},    {"IPv", NCP_IP_UNKNOWN},
        {"44", NCP_IP_UNKNOWN},    {"", NCP_IP_UNKNOWN},
        {"IPv4 ", NCP_IP_UNKNOWN}, {NULL, NCP_IP_UNKNOWN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(ncp_ip_parse(cases[i].text), cases[i].value);
    assert_string_equal(ncp_ip_text(NCP_IP_UNKNOWN), "Unknown");
    assert_string_equal(ncp_ip_text(NCP_IP_V4), "IPv4");
    assert_string_equal(ncp_ip_text(NCP_IP_V6), "IPv6");
    assert_string_equal(ncp_ip_text(INT_MAX), "Unknown");
}

static void what_is_written_can_be_read(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ncp_protocol_parse(ncp_protocol_text(i)), i);
        assert_int_equal(ncp_ip_parse(ncp_ip_text(i)), i);
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(ncp_mode_parse(ncp_mode_text(i)), i);
}

static void every_reason_of_the_header_has_its_name(void **state)
{
    struct header_value values[VALUES_MAX];
    size_t count = header_enum("ncp_reason", values, VALUES_MAX);
    char name[64];

    (void)state;
    assert_in_range(count, 10, VALUES_MAX);
    for (size_t i = 0; i < count; i++) {
        header_lower(name, values[i].name, "NCP_REASON_");
        assert_string_equal(ncp_reason_text(values[i].value), name);
    }
    assert_string_equal(ncp_reason_text((int)count), "unknown");
    assert_string_equal(ncp_reason_text(-1), "unknown");
}

static void version_text_says_the_version(void **state)
{
    char text[32];
    int version = ncp_version();

    (void)state;
    assert_int_equal(version, NCP_VERSION_MAJOR * 1000000 +
                                  NCP_VERSION_MINOR * 1000 + NCP_VERSION_PATCH);
    snprintf(text, sizeof text, "%d.%d.%d", version / 1000000,
             version / 1000 % 1000, version % 1000);
    assert_string_equal(ncp_version_text(), text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_of_the_header_has_its_name),
        cmocka_unit_test(texts_of_statuses_differ),
        cmocka_unit_test(texts_of_errors_are_those_of_the_go_package),
        cmocka_unit_test(what_is_no_status_is_unknown),
        cmocka_unit_test(modes_are_written_and_read_in_any_case),
        cmocka_unit_test(protocols_are_written_and_read_in_any_case),
        cmocka_unit_test(ip_versions_are_written_and_read_in_any_case),
        cmocka_unit_test(what_is_written_can_be_read),
        cmocka_unit_test(every_reason_of_the_header_has_its_name),
        cmocka_unit_test(version_text_says_the_version),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
