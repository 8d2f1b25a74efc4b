/* Target strings: what is understood, and why the rest is refused. */
#include "net_support.h"

#include "net/target.h"

#include <stdlib.h>
#include <string.h>

static struct ncp__target parsed(const char *text)
{
    struct ncp__target target;
    char reason[200] = "untouched";

    if (ncp__target_parse(text, 1, &target, reason, sizeof reason) != NCP_OK)
        fail_msg("%s", reason);
    assert_string_equal(reason, "");
    assert_string_equal(target.text, text);
    return target;
}

static void assert_refused(const char *text, const char *because)
{
    char reason[200] = "";

    assert_int_equal(ncp_target_check(text, reason, sizeof reason),
                     NCP_EINVALIDCONFIG);
    if (strstr(reason, because) == NULL)
        fail_msg("\"%s\" was refused with: %s", text, reason);
}

static void assert_parts(const char *text, int protocol, int family,
                         const char *host, int port)
{
    struct ncp__target target = parsed(text);

    assert_int_equal(target.protocol, protocol);
    assert_int_equal(target.family, family);
    assert_string_equal(target.host, host);
    assert_int_equal(target.port, port);
}

static void every_scheme_is_understood(void **state)
{
    (void)state;
    assert_parts("tcp://localhost:80", NCP_PROTOCOL_TCP, AF_UNSPEC, "localhost",
                 80);
    assert_parts("tcp4://a.example:1", NCP_PROTOCOL_TCP, AF_INET, "a.example",
                 1);
    assert_parts("tcp6://[::1]:65535", NCP_PROTOCOL_TCP, AF_INET6, "::1",
                 65535);
    assert_parts("udp://127.0.0.1:53", NCP_PROTOCOL_UDP, AF_UNSPEC, "127.0.0.1",
                 53);
    assert_parts("udp4://b:9", NCP_PROTOCOL_UDP, AF_INET, "b", 9);
    assert_parts("udp6://b:9", NCP_PROTOCOL_UDP, AF_INET6, "b", 9);
    assert_parts("TCP://UPPER:80", NCP_PROTOCOL_TCP, AF_UNSPEC, "UPPER", 80);
    assert_parts("tcp://[fe80::1%eth0]:80", NCP_PROTOCOL_TCP, AF_UNSPEC,
                 "fe80::1%eth0", 80);
    assert_parts("tcp://[::ffff:1.2.3.4]:80", NCP_PROTOCOL_TCP, AF_UNSPEC,
                 "::ffff:1.2.3.4", 80);
    assert_parts("tcp://under_score.host-1:00080", NCP_PROTOCOL_TCP, AF_UNSPEC,
                 "under_score.host-1", 80);
}

static void unix_paths_are_taken_as_they_are(void **state)
{
    (void)state;
    struct ncp__target target = parsed("unix:/run/a b:c.sock");

    assert_int_equal(target.protocol, NCP_PROTOCOL_UNKNOWN);
    assert_int_equal(target.family, AF_UNIX);
    assert_string_equal(target.path, "/run/a b:c.sock");
    assert_string_equal(parsed("unix:relative").path, "relative");
}

static void a_refusal_says_what_is_wrong(void **state)
{
    static const struct {
        const char *text, *because;
    } cases[] = {
        {"", "it is empty"},
        {"localhost:80", "the scheme is missing"},
        {"tcp:localhost:80", "the scheme is missing"},
        {"http://localhost:80", "the scheme must be"},
        {"tcp5://localhost:80", "the scheme must be"},
        {"://localhost:80", "the scheme must be"},
        {"tcp://", "the port is missing"},
        {"tcp://localhost", "the port is missing"},
        {"tcp://localhost:", "the port is missing"},
        {"tcp://[::1]", "the port is missing"},
        {"tcp://:80", "the host is missing"},
        {"tcp://localhost:0", "the port must be from 1 to 65535"},
        {"tcp://localhost:65536", "the port must be from 1 to 65535"},
        {"tcp://localhost:99999999999999999999", "from 1 to 65535"},
        {"tcp://localhost:80/path", "the port must be a number"},
        {"tcp://localhost:http", "the port must be a number"},
        {"tcp://localhost:-1", "the port must be a number"},
        {"tcp://localhost: 80", "the port must be a number"},
        {"tcp://::1:80", "stands in brackets"},
        {"tcp://[::1:80", "closing bracket"},
        {"tcp://[::1]80", "the port is missing"},
        {"tcp://[::1]x:80", "stands in brackets"},
        {"tcp://[]:80", "not an IPv6 address"},
        {"tcp://[localhost]:80", "not an IPv6 address"},
        {"tcp://[127.0.0.1]:80", "not an IPv6 address"},
        {"tcp://[::1%]:80", "not an IPv6 address"},
        {"tcp://[::1%a b]:80", "not an IPv6 address"},
        {"tcp4://[::1]:80", "asks for IPv4"},
        {"udp4://[::1]:80", "asks for IPv4"},
        {"tcp6://127.0.0.1:80", "asks for IPv6"},
        {"tcp://300.1.1.1:80", "is none"},
        {"tcp://1.2.3:80", "is none"},
        {"tcp://80:80", "is none"},
        {"tcp://user@host:80", "must not contain"},
        {"tcp://a b:80", "must not contain"},
        {"tcp://h\xc3\xb6st:80", "must not contain"},
        {"tcp://a\nb:80", "must not contain"},
        {"unix:", "the path is missing"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(cases[i].text, cases[i].because);
}

static void a_reason_quotes_nothing_that_cannot_be_printed(void **state)
{
    char reason[200];

    (void)state;
    ncp_target_check("tcp://a\x1b[2J\xff:80", reason, sizeof reason);
    for (const char *c = reason; *c != '\0'; c++)
        assert_true(*c >= ' ' && *c <= '~');
}

static void lengths_have_limits_that_are_named(void **state)
{
    char text[512] = "unix:";
    struct ncp__target target;

    (void)state;
    memset(text + 5, 'p', 107);
    target = parsed(text);
    assert_int_equal(strlen(target.path), 107);
    strcat(text, "p");
    assert_refused(text, "the path has 108 bytes, at most 107 fit");

    strcpy(text, "tcp://");
    memset(text + 6, 'h', 253);
    strcpy(text + 6 + 253, ":65535");
    target = parsed(text);
    assert_int_equal(strlen(target.host), 253);
    memset(text + 6, 'h', 254);
    strcpy(text + 6 + 254, ":65535");
    assert_refused(text, "more than 253 bytes");
}

static void port_zero_is_for_listening(void **state)
{
    struct ncp__target target;

    (void)state;
    assert_int_equal(
        ncp__target_parse("tcp://localhost:0", 0, &target, NULL, 0), NCP_OK);
    assert_int_equal(target.port, 0);
}

static void nonsense_is_answered_with_a_code(void **state)
{
    char reason[8] = "before";
    char nothing = 'x';

    (void)state;
    assert_int_equal(ncp_target_check(NULL, reason, sizeof reason), NCP_EINVAL);
    assert_string_equal(reason, "");
    assert_int_equal(ncp_target_check("tcp://a:1", NULL, 8), NCP_EINVAL);
    assert_int_equal(ncp_target_check("tcp://a:1", NULL, 0), NCP_OK);
    assert_int_equal(ncp_target_check("nonsense", NULL, 0), NCP_EINVALIDCONFIG);
    assert_int_equal(ncp_target_check("nonsense", &nothing, 0),
                     NCP_EINVALIDCONFIG);
    assert_int_equal(nothing, 'x');
    assert_int_equal(ncp_target_check("nonsense", reason, sizeof reason),
                     NCP_EINVALIDCONFIG);
    assert_int_equal(strlen(reason), sizeof reason - 1);
}

/* Whatever the bytes are: an answer, no crash, a printable reason. */
static void any_bytes_get_an_answer(void **state)
{
    static const char alphabet[] = "tcpud46nix:/[].%0189a@ \xff\n";
    unsigned seed = 7;
    char text[40], reason[100];

    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t length = (size_t)rand_r(&seed) % (sizeof text - 7);
        strcpy(text, round % 2 ? "tcp://" : "");
        size_t start = strlen(text);
        for (size_t i = 0; i < length; i++)
            text[start + i] =
                alphabet[(size_t)rand_r(&seed) % (sizeof alphabet - 1)];
        text[start + length] = '\0';
        int status = ncp_target_check(text, reason, sizeof reason);
        assert_true(status == NCP_OK || status == NCP_EINVALIDCONFIG);
        assert_int_equal(status == NCP_OK, reason[0] == '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_scheme_is_understood),
        cmocka_unit_test(unix_paths_are_taken_as_they_are),
        cmocka_unit_test(a_refusal_says_what_is_wrong),
        cmocka_unit_test(a_reason_quotes_nothing_that_cannot_be_printed),
        cmocka_unit_test(lengths_have_limits_that_are_named),
        cmocka_unit_test(port_zero_is_for_listening),
        cmocka_unit_test(nonsense_is_answered_with_a_code),
        cmocka_unit_test(any_bytes_get_an_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
