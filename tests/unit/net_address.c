/* Lists of addresses: order, wishes, doubles, text. */
#include "net_support.h"

#include "net/resolve.h"
#include "net/target.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

static void add(struct ncp__addresses *list, const char *host)
{
    struct ncp__address at = address_of(host, 80);

    ncp__addresses_add(list, &at.at.any, at.size);
}

static void assert_order(const struct ncp__addresses *list, const char *wanted)
{
    char all[512] = "", one[NCP__ADDRESS_TEXT];

    for (int i = 0; i < list->count; i++) {
        ncp__address_text(&list->item[i].at, one, sizeof one);
        strcat(strcat(all, i > 0 ? " " : ""), one);
    }
    assert_string_equal(all, wanted);
}

static void families_take_turns_and_ipv6_begins(void **state)
{
    struct ncp__addresses list = {0};

    (void)state;
    add(&list, "10.0.0.1");
    add(&list, "10.0.0.2");
    add(&list, "10.0.0.3");
    add(&list, "fd00::1");
    add(&list, "fd00::2");
    ncp__addresses_interleave(&list);
    assert_order(&list, "[fd00::1]:80 10.0.0.1:80 [fd00::2]:80 10.0.0.2:80 "
                        "10.0.0.3:80");
}

static void one_family_keeps_its_order(void **state)
{
    struct ncp__addresses list = {0};

    (void)state;
    ncp__addresses_interleave(&list);
    assert_int_equal(list.count, 0);
    add(&list, "10.0.0.2");
    add(&list, "10.0.0.1");
    ncp__addresses_interleave(&list);
    assert_order(&list, "10.0.0.2:80 10.0.0.1:80");
    list.count = 0;
    add(&list, "fd00::2");
    add(&list, "fd00::1");
    ncp__addresses_interleave(&list);
    assert_order(&list, "[fd00::2]:80 [fd00::1]:80");
}

static void a_wish_for_a_version_keeps_that_version(void **state)
{
    struct ncp__addresses list = {0};

    (void)state;
    add(&list, "fd00::1");
    add(&list, "10.0.0.1");
    add(&list, "::ffff:10.0.0.2");
    struct ncp__addresses copy = list;
    ncp__addresses_prefer_ip(&copy, NCP_IP_UNKNOWN);
    assert_int_equal(copy.count, 3);
    ncp__addresses_prefer_ip(&copy, NCP_IP_V4);
    assert_order(&copy, "10.0.0.1:80 [::ffff:10.0.0.2]:80");
    ncp__addresses_prefer_ip(&list, NCP_IP_V6);
    assert_order(&list, "[fd00::1]:80");
}

static void a_wish_that_none_can_grant_keeps_all(void **state)
{
    struct ncp__addresses list = {0};

    (void)state;
    add(&list, "10.0.0.1");
    add(&list, "10.0.0.2");
    ncp__addresses_prefer_ip(&list, NCP_IP_V6);
    assert_order(&list, "10.0.0.1:80 10.0.0.2:80");
}

static void doubles_strangers_and_overflow_are_left_out(void **state)
{
    struct ncp__addresses list = {0};
    const struct sockaddr stranger = {.sa_family = AF_UNIX};
    char host[32];

    (void)state;
    add(&list, "10.0.0.1");
    add(&list, "10.0.0.1");
    add(&list, "fd00::1");
    add(&list, "fd00::1");
    ncp__addresses_add(&list, &stranger, sizeof stranger);
    assert_order(&list, "10.0.0.1:80 [fd00::1]:80");
    for (int i = 0; i < 2 * NCP__ADDRESSES_MAX; i++) {
        snprintf(host, sizeof host, "10.0.1.%d", i);
        add(&list, host);
    }
    assert_int_equal(list.count, NCP__ADDRESSES_MAX);
}

static void a_version_is_read_from_an_address(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        int ip;
    } cases[] = {{"10.0.0.1", NCP_IP_V4},
                 {"::1", NCP_IP_V6},
                 {"::ffff:1.2.3.4", NCP_IP_V4}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ncp__address at = address_of(cases[i].host, 1);
        assert_int_equal(ncp__address_ip(&at.at), cases[i].ip);
    }
    const union ncp__sockaddr local = {.any.sa_family = AF_UNIX};
    assert_int_equal(ncp__address_ip(&local), NCP_IP_UNKNOWN);
}

static void hosts_that_are_addresses_need_no_name_service(void **state)
{
    struct ncp__target target;
    struct ncp__addresses list;

    (void)state;
    assert_int_equal(
        ncp__target_parse("udp://[::ffff:1.2.3.4]:5", 1, &target, NULL, 0),
        NCP_OK);
    assert_int_equal(ncp__resolve(&target, false, &list), 0);
    assert_order(&list, "[::ffff:1.2.3.4]:5");
    ncp__target_parse("tcp://192.0.2.7:9", 1, &target, NULL, 0);
    assert_int_equal(ncp__resolve(&target, true, &list), 0);
    assert_order(&list, "192.0.2.7:9");
}

static void a_name_stands_for_its_addresses(void **state)
{
    struct ncp__target target;
    struct ncp__addresses list;

    (void)state;
    ncp__target_parse("tcp4://localhost:7", 1, &target, NULL, 0);
    assert_int_equal(ncp__resolve(&target, false, &list), 0);
    assert_order(&list, "127.0.0.1:7");
}

static void failures_of_the_resolver_become_an_errno(void **state)
{
    (void)state;
    errno = EMFILE;
    assert_int_equal(ncp__resolve_errno(EAI_SYSTEM), EMFILE);
    assert_null(ncp__resolve_text(EAI_SYSTEM));
    assert_int_equal(ncp__resolve_errno(EAI_MEMORY), ENOMEM);
    assert_int_equal(ncp__resolve_errno(EAI_AGAIN), EAGAIN);
    assert_int_equal(ncp__resolve_errno(EAI_NONAME), EHOSTUNREACH);
    assert_string_equal(ncp__resolve_text(EAI_NONAME),
                        gai_strerror(EAI_NONAME));
}

static void deadlines_do_not_overflow(void **state)
{
    (void)state;
    assert_true(ncp__deadline_in(-1) == NCP__NEVER);
    assert_true(ncp__deadline_in(INT64_MAX) == NCP__NEVER);
    assert_false(ncp__deadline_passed(NCP__NEVER));
    assert_true(ncp__deadline_passed(ncp__deadline_in(0)));
    assert_false(ncp__deadline_passed(ncp__deadline_in(60000)));
    assert_true(ncp__deadline_or_slice(1) == 1);
    assert_true(ncp__deadline_or_slice(NCP__NEVER) <=
                ncp__deadline_in(NCP__SLICE_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_take_turns_and_ipv6_begins),
        cmocka_unit_test(one_family_keeps_its_order),
        cmocka_unit_test(a_wish_for_a_version_keeps_that_version),
        cmocka_unit_test(a_wish_that_none_can_grant_keeps_all),
        cmocka_unit_test(doubles_strangers_and_overflow_are_left_out),
        cmocka_unit_test(a_version_is_read_from_an_address),
        cmocka_unit_test(hosts_that_are_addresses_need_no_name_service),
        cmocka_unit_test(a_name_stands_for_its_addresses),
        cmocka_unit_test(failures_of_the_resolver_become_an_errno),
        cmocka_unit_test(deadlines_do_not_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
