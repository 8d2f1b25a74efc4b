/* The built-in dialer, from a configuration to a connection. */
#include "net_support.h"

#include "net/dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* ------------------------------------------- a name service of our own */

int __real_getaddrinfo(const char *host, const char *service,
                       const struct addrinfo *hints, struct addrinfo **out);
int __wrap_getaddrinfo(const char *host, const char *service,
                       const struct addrinfo *hints, struct addrinfo **out);

static int lookup_ms;   /* how long the name "slow" takes */
static int lookup_code; /* what the name "fails" answers */

/* "both" is ::1 and 127.0.0.1. */
static int both(const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    int code = __real_getaddrinfo("127.0.0.1", service, hints, out);

    if (code != 0)
        return code;
    return __real_getaddrinfo("::1", service, hints, &(*out)->ai_next);
}

int __wrap_getaddrinfo(const char *host, const char *service,
                       const struct addrinfo *hints, struct addrinfo **out)
{
    if (strcmp(host, "both") == 0)
        return both(service, hints, out);
    if (strcmp(host, "fails") == 0)
        return lookup_code;
    if (strcmp(host, "slow") == 0) {
        pause_ms(lookup_ms);
        host = "127.0.0.1";
    }
    return __real_getaddrinfo(host, service, hints, out);
}

/* ------------------------------------------------------------ dialing */

static int descriptors_before;

static int begin(void **state)
{
    (void)state;
    descriptors_before = open_descriptors();
    return 0;
}

static int nothing_is_left_open(void **state)
{
    (void)state;
    return open_descriptors() == descriptors_before ? 0 : -1;
}

/* A configuration of our own making: the dialer needs these alone. */
static struct ncp_config config_for(char *target)
{
    struct ncp_config config = {0};

    config.text[NCP_OPTION_TARGET] = target;
    config.num[NCP_OPTION_TCP_NODELAY] = 1;
    config.num[NCP_OPTION_TCP_KEEPALIVE] = 1500;
    config.num[NCP_OPTION_HAPPY_EYEBALLS_DELAY] = 250;
    return config;
}

static int dial_with(struct ncp_config *config, struct ncp_dial *dial)
{
    struct ncp__hook *hook;

    assert_int_equal(ncp__net.dialer_new(config, &hook), NCP_OK);
    assert_int_equal(atomic_load(&hook->refs), 1);
    int status = hook->fn.dial(hook->user, dial);
    hook->drop(hook->user);
    ncp__free(hook);
    assert_int_equal(dial->done, status == NCP_OK ? 1 : 0);
    assert_true(status == NCP_OK || status == NCP_EDIAL);
    return status;
}

static int dial_target(const char *target, struct ncp_dial *dial)
{
    char copy[NCP__TARGET_TEXT];
    struct ncp_config config = config_for(copy);

    snprintf(copy, sizeof copy, "%s", target);
    if (dial->timeout_ms == 0)
        dial->timeout_ms = 5000;
    return dial_with(&config, dial);
}

static const char *target_to(const char *host, int port)
{
    static char text[NCP__TARGET_TEXT];

    snprintf(text, sizeof text, "%s:%d", host, port);
    return text;
}

static void assert_dialed(const struct ncp_dial *dial, int protocol, int ip)
{
    assert_true(dial->fd >= 0);
    assert_true(dial->handle == (uint64_t)dial->fd);
    assert_int_equal(dial->done_protocol, protocol);
    assert_int_equal(dial->done_ip, ip);
    assert_true(is_blocking(dial->fd));
    assert_true(is_close_on_exec(dial->fd));
}

static void tcp_is_dialed_with_its_options(void **state)
{
    int listener = listening("127.0.0.1");
    struct ncp_dial dial = {0};

    (void)state;
    assert_int_equal(
        dial_target(target_to("tcp://127.0.0.1", port_of(listener)), &dial),
        NCP_OK);
    assert_dialed(&dial, NCP_PROTOCOL_TCP, NCP_IP_V4);
    assert_int_not_equal(socket_option(dial.fd, IPPROTO_TCP, TCP_NODELAY), 0);
    /* 1500 ms, rounded up. */
    assert_int_equal(socket_option(dial.fd, IPPROTO_TCP, TCP_KEEPIDLE), 2);
    close(dial.fd);
    close(listener);
}

static void tcp_over_ipv6_is_dialed(void **state)
{
    int listener = listening("::1");
    struct ncp_dial dial = {0};

    (void)state;
    assert_int_equal(
        dial_target(target_to("tcp6://[::1]", port_of(listener)), &dial),
        NCP_OK);
    assert_dialed(&dial, NCP_PROTOCOL_TCP, NCP_IP_V6);
    close(dial.fd);
    close(listener);
}

static void a_mapped_address_counts_as_ipv4(void **state)
{
    int listener = listening("127.0.0.1");
    struct ncp_dial dial = {0};

    (void)state;
    assert_int_equal(
        dial_target(target_to("tcp://[::ffff:127.0.0.1]", port_of(listener)),
                    &dial),
        NCP_OK);
    assert_dialed(&dial, NCP_PROTOCOL_TCP, NCP_IP_V4);
    close(dial.fd);
    close(listener);
}

static void a_name_falls_back_to_ipv4_at_once(void **state)
{
    int listener = listening("127.0.0.1");
    struct ncp_dial dial = {0};
    uint64_t start = now_ms();
    char target[NCP__TARGET_TEXT];
    struct ncp_config config = config_for(target);

    (void)state;
    snprintf(target, sizeof target, "tcp://both:%d", port_of(listener));
    config.num[NCP_OPTION_HAPPY_EYEBALLS_DELAY] = 20000;
    dial.timeout_ms = 30000;
    assert_int_equal(dial_with(&config, &dial), NCP_OK);
    assert_true(now_ms() - start < 5000);
    assert_dialed(&dial, NCP_PROTOCOL_TCP, NCP_IP_V4);
    close(dial.fd);
    close(listener);
}

/* Listeners of both families on one port; their descriptors. */
static int dual_port(int listeners[2])
{
    for (int attempt = 0; attempt < 50; attempt++) {
        listeners[0] = listening("::1");
        int port = port_of(listeners[0]);
        struct ncp__address at = address_of("127.0.0.1", port);
        listeners[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (bind(listeners[1], &at.at.any, at.size) == 0 &&
            listen(listeners[1], 8) == 0)
            return port;
        close(listeners[0]);
        close(listeners[1]);
    }
    fail_msg("no port is free in both families");
    return -1;
}

static void a_wanted_version_chooses_among_the_addresses_of_a_name(void **state)
{
    static const struct {
        int wanted, got;
    } cases[] = {{NCP_IP_UNKNOWN, NCP_IP_V6},
                 {NCP_IP_V4, NCP_IP_V4},
                 {NCP_IP_V6, NCP_IP_V6}};
    int listeners[2];
    int port = dual_port(listeners);

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct ncp_dial dial = {.ip = cases[i].wanted};
        assert_int_equal(dial_target(target_to("tcp://both", port), &dial),
                         NCP_OK);
        assert_dialed(&dial, NCP_PROTOCOL_TCP, cases[i].got);
        close(dial.fd);
    }
    close(listeners[0]);
    close(listeners[1]);
}

/* The pool judges a mismatch; a dial that fails would say something else. */
static void a_wish_the_target_cannot_grant_is_dialed_all_the_same(void **state)
{
    int listener = listening("127.0.0.1");
    struct ncp_dial dial = {.ip = NCP_IP_V6, .protocol = NCP_PROTOCOL_UDP};

    (void)state;
    assert_int_equal(
        dial_target(target_to("tcp4://127.0.0.1", port_of(listener)), &dial),
        NCP_OK);
    assert_dialed(&dial, NCP_PROTOCOL_TCP, NCP_IP_V4);
    close(dial.fd);
    close(listener);
}

static void udp_is_connected_to_its_peer(void **state)
{
    static const struct {
        const char *host, *target;
        int ip;
    } cases[] = {{"127.0.0.1", "udp://127.0.0.1", NCP_IP_V4},
                 {"127.0.0.1", "udp4://localhost", NCP_IP_V4},
                 {"::1", "udp6://[::1]", NCP_IP_V6}};
    char byte = 'u';

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        int peer = bound(cases[i].host, SOCK_DGRAM);
        struct ncp_dial dial = {0};
        assert_int_equal(
            dial_target(target_to(cases[i].target, port_of(peer)), &dial),
            NCP_OK);
        assert_dialed(&dial, NCP_PROTOCOL_UDP, cases[i].ip);
        assert_int_equal(send(dial.fd, &byte, 1, 0), 1);
        await_events(peer, POLLIN);
        assert_int_equal(recv(peer, &byte, 1, MSG_DONTWAIT), 1);
        close(dial.fd);
        close(peer);
    }
}

static int unix_listener(const char *path, int backlog)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(at.sun_path, path);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static void a_unix_socket_is_dialed(void **state)
{
    const char *path = fresh_path();
    int listener = unix_listener(path, 8);
    struct ncp_dial dial = {0};
    char target[NCP__TARGET_TEXT];
    struct timeval timeout;
    socklen_t size = sizeof timeout;

    (void)state;
    snprintf(target, sizeof target, "unix:%s", path);
    assert_int_equal(dial_target(target, &dial), NCP_OK);
    assert_dialed(&dial, NCP_PROTOCOL_UNKNOWN, NCP_IP_UNKNOWN);
    assert_int_equal(
        getsockopt(dial.fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, &size), 0);
    assert_int_equal(timeout.tv_sec, 0);
    assert_int_equal(timeout.tv_usec, 0);
    close(dial.fd);
    close(listener);
}

static void a_missing_unix_socket_is_named(void **state)
{
    struct ncp_dial dial = {0};
    char target[96], wanted[200];

    (void)state;
    snprintf(target, sizeof target, "unix:%s", fresh_path());
    assert_int_equal(dial_target(target, &dial), NCP_EDIAL);
    assert_int_equal(dial.code, ENOENT);
    snprintf(wanted, sizeof wanted, "connect to %s: No such file or directory",
             target);
    assert_string_equal(dial.text, wanted);
}

static void *stop_soon(void *user)
{
    struct ncp_dial *dial = user;

    pause_ms(100);
    atomic_store(&dial->stopped, 1);
    return NULL;
}

static void a_full_unix_listener_is_waited_for_until_the_end(void **state)
{
    const char *path = fresh_path();
    int listener = unix_listener(path, 0);
    struct ncp_dial first = {0}, late = {.timeout_ms = 150},
                    stopped = {.timeout_ms = 30000};
    char target[NCP__TARGET_TEXT];
    pthread_t thread;

    (void)state;
    snprintf(target, sizeof target, "unix:%s", path);
    assert_int_equal(dial_target(target, &first), NCP_OK);

    uint64_t start = now_ms();
    assert_int_equal(dial_target(target, &late), NCP_EDIAL);
    assert_int_equal(late.code, ETIMEDOUT);
    assert_in_range(now_ms() - start, 149, 3000);

    start = now_ms();
    pthread_create(&thread, NULL, stop_soon, &stopped);
    assert_int_equal(dial_target(target, &stopped), NCP_EDIAL);
    assert_int_equal(stopped.code, ECANCELED);
    assert_in_range(now_ms() - start, 99, 5000);
    pthread_join(thread, NULL);
    close(first.fd);
    close(listener);
}

static void *accept_soon(void *user)
{
    pause_ms(120);
    close(accept4(*(int *)user, NULL, NULL, SOCK_CLOEXEC));
    return NULL;
}

static void a_full_unix_listener_that_makes_room_is_reached(void **state)
{
    const char *path = fresh_path();
    int listener = unix_listener(path, 0);
    struct ncp_dial first = {0}, second = {.timeout_ms = 10000};
    char target[NCP__TARGET_TEXT];
    pthread_t thread;

    (void)state;
    snprintf(target, sizeof target, "unix:%s", path);
    assert_int_equal(dial_target(target, &first), NCP_OK);
    pthread_create(&thread, NULL, accept_soon, &listener);
    assert_int_equal(dial_target(target, &second), NCP_OK);
    pthread_join(thread, NULL);
    close(first.fd);
    close(second.fd);
    close(listener);
}

static void a_refusal_names_target_and_address(void **state)
{
    int port = refused_port("127.0.0.1");
    struct ncp_dial dial = {0}, named = {0};
    char wanted[200];

    (void)state;
    assert_int_equal(dial_target(target_to("tcp://127.0.0.1", port), &dial),
                     NCP_EDIAL);
    assert_int_equal(dial.code, ECONNREFUSED);
    snprintf(wanted, sizeof wanted,
             "connect to tcp://127.0.0.1:%d: Connection refused", port);
    assert_string_equal(dial.text, wanted);

    assert_int_equal(dial_target(target_to("tcp4://localhost", port), &named),
                     NCP_EDIAL);
    snprintf(wanted, sizeof wanted,
             "connect to tcp4://localhost:%d (127.0.0.1:%d): "
             "Connection refused",
             port, port);
    assert_string_equal(named.text, wanted);
}

/* Sending to everybody was not asked for. */
static void a_udp_address_that_is_forbidden_is_named(void **state)
{
    struct ncp_dial dial = {0};

    (void)state;
    assert_int_equal(dial_target("udp://255.255.255.255:9", &dial), NCP_EDIAL);
    assert_int_equal(dial.code, EACCES);
    assert_string_equal(
        dial.text, "connect to udp://255.255.255.255:9: Permission denied");
}

static void without_descriptors_a_dial_fails(void **state)
{
    static const char *const targets[] = {"tcp://127.0.0.1:9",
                                          "udp://127.0.0.1:9", "unix:/nowhere"};
    struct rlimit before, none;

    (void)state;
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = 0;
    for (size_t i = 0; i < 3; i++) {
        struct ncp_dial dial = {0};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        int status = dial_target(targets[i], &dial);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(status, NCP_EDIAL);
        assert_int_equal(dial.code, EMFILE);
    }
}

static void a_dial_ends_at_the_hard_limit(void **state)
{
    struct full_listener hanging = full_listening("127.0.0.1");
    struct ncp_dial dial = {.timeout_ms = 150};
    uint64_t start = now_ms();

    (void)state;
    assert_int_equal(
        dial_target(target_to("tcp://127.0.0.1", port_of(hanging.fd)), &dial),
        NCP_EDIAL);
    assert_int_equal(dial.code, ETIMEDOUT);
    assert_non_null(strstr(dial.text, "Connection timed out"));
    assert_in_range(now_ms() - start, 149, 3000);
    full_listener_close(&hanging);
}

static void a_dial_of_a_closed_pool_is_canceled(void **state)
{
    struct ncp_dial dial = {.stopped = 1};

    (void)state;
    assert_int_equal(dial_target("tcp://127.0.0.1:9", &dial), NCP_EDIAL);
    assert_int_equal(dial.code, ECANCELED);
}

static void a_lookup_that_outlived_the_limit_is_a_timeout(void **state)
{
    struct ncp_dial dial = {.timeout_ms = 20};

    (void)state;
    lookup_ms = 60;
    assert_int_equal(dial_target("tcp://slow:9", &dial), NCP_EDIAL);
    assert_int_equal(dial.code, ETIMEDOUT);
    assert_string_equal(dial.text,
                        "resolve tcp://slow:9: Connection timed out");
}

static void a_lookup_that_fails_says_so(void **state)
{
    struct ncp_dial dial = {0}, system = {0};

    (void)state;
    lookup_code = EAI_NONAME;
    assert_int_equal(dial_target("tcp://fails:9", &dial), NCP_EDIAL);
    assert_int_equal(dial.code, EHOSTUNREACH);
    assert_string_equal(dial.text,
                        "resolve tcp://fails:9: Name or service not known");
    lookup_code = EAI_SYSTEM;
    errno = EMFILE;
    assert_int_equal(dial_target("udp://fails:9", &system), NCP_EDIAL);
    assert_non_null(strstr(system.text, "resolve udp://fails:9: "));
}

static void a_long_target_is_shortened_and_the_reason_is_not(void **state)
{
    struct ncp__target target = {0};
    struct ncp__failure failure = {
        .code = ECONNREFUSED,
        .step = "connect to",
        .address = address_of("2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", 65535)};
    char text[NCP__FAILURE_TEXT];

    (void)state;
    memset(target.text, 'h', sizeof target.text - 1);
    memcpy(target.text, "tcp://", 6);
    ncp__failure_text(&failure, &target, text);
    assert_int_equal(strncmp(text, "connect to tcp://hhh", 20), 0);
    assert_non_null(strstr(text, "... ([2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]"
                                 ":65535): Connection refused"));
}

static void a_dialer_needs_a_good_target(void **state)
{
    char target[] = "tcp://nowhere";
    struct ncp_config config = {0};
    struct ncp__hook *hook = (struct ncp__hook *)&config;

    (void)state;
    assert_int_equal(ncp__net.dialer_new(&config, &hook), NCP_EINVALIDCONFIG);
    assert_null(hook);
    config.text[NCP_OPTION_TARGET] = target;
    assert_int_equal(ncp__net.dialer_new(&config, &hook), NCP_EINVALIDCONFIG);
    assert_null(hook);
}

static int allocations_left;

static void *rationed(void *user, size_t size)
{
    (void)user;
    return allocations_left-- > 0 ? malloc(size) : NULL;
}

static void given_back(void *user, void *memory)
{
    (void)user;
    free(memory);
}

static void without_memory_there_is_no_dialer(void **state)
{
    char target[] = "tcp://127.0.0.1:9";
    struct ncp_config config = config_for(target);
    struct ncp__hook *hook;

    (void)state;
    assert_int_equal(ncp_set_allocator(rationed, given_back, NULL), NCP_OK);
    for (int n = 0; n < 2; n++) {
        allocations_left = n;
        assert_int_equal(ncp__net.dialer_new(&config, &hook), NCP_ENOMEM);
        assert_null(hook);
    }
    /* Refused while a block is in use: nothing leaked, then. */
    assert_int_equal(ncp_set_allocator(NULL, NULL, NULL), NCP_OK);
}

#define DIAL(name)                                                             \
    cmocka_unit_test_setup_teardown(name, begin, nothing_is_left_open)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIAL(tcp_is_dialed_with_its_options),
        DIAL(tcp_over_ipv6_is_dialed),
        DIAL(a_mapped_address_counts_as_ipv4),
        DIAL(a_name_falls_back_to_ipv4_at_once),
        DIAL(a_wanted_version_chooses_among_the_addresses_of_a_name),
        DIAL(a_wish_the_target_cannot_grant_is_dialed_all_the_same),
        DIAL(udp_is_connected_to_its_peer),
        DIAL(a_unix_socket_is_dialed),
        DIAL(a_missing_unix_socket_is_named),
        DIAL(a_full_unix_listener_is_waited_for_until_the_end),
        DIAL(a_full_unix_listener_that_makes_room_is_reached),
        DIAL(a_refusal_names_target_and_address),
        DIAL(a_udp_address_that_is_forbidden_is_named),
        DIAL(without_descriptors_a_dial_fails),
        DIAL(a_dial_ends_at_the_hard_limit),
        DIAL(a_dial_of_a_closed_pool_is_canceled),
        DIAL(a_lookup_that_outlived_the_limit_is_a_timeout),
        DIAL(a_lookup_that_fails_says_so),
        DIAL(a_long_target_is_shortened_and_the_reason_is_not),
        DIAL(a_dialer_needs_a_good_target),
        DIAL(without_memory_there_is_no_dialer),
    };

    require_ipv6();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
