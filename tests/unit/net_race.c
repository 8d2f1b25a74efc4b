/* Happy eyeballs over addresses that are given, not resolved. */
#include "net_support.h"

#include "net/race.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

/* -------------------------------------------- connect and poll, disturbed */

int __real_connect(int fd, const struct sockaddr *to, socklen_t size);
int __wrap_connect(int fd, const struct sockaddr *to, socklen_t size);
int __real_poll(struct pollfd *fds, nfds_t count, int ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int ms);

static int connect_errors[8]; /* of the next connects; 0: it really connects */
static int connects;
static bool connect_to_itself;
static int interrupted_polls;
static int poll_error; /* of every poll; 0: it really polls */

int __wrap_connect(int fd, const struct sockaddr *to, socklen_t size)
{
    int error = connects < 8 ? connect_errors[connects] : 0;

    connects++;
    if (error != 0) {
        errno = error;
        return -1;
    }
    if (connect_to_itself)
        assert_int_equal(bind(fd, to, size), 0);
    return __real_connect(fd, to, size);
}

int __wrap_poll(struct pollfd *fds, nfds_t count, int ms)
{
    if (interrupted_polls > 0) {
        interrupted_polls--;
        errno = EINTR;
        return -1;
    }
    if (poll_error != 0) {
        errno = poll_error;
        return -1;
    }
    return __real_poll(fds, count, ms);
}

/* ------------------------------------------------------------------- races */

static const struct ncp__socket_options plain;

static int descriptors_before;

static int begin(void **state)
{
    (void)state;
    memset(connect_errors, 0, sizeof connect_errors);
    connects = 0;
    connect_to_itself = false;
    interrupted_polls = 0;
    poll_error = 0;
    descriptors_before = open_descriptors();
    return 0;
}

static int nothing_is_left_open(void **state)
{
    (void)state;
    return open_descriptors() == descriptors_before ? 0 : -1;
}

static void add(struct ncp__addresses *list, const char *host, int port)
{
    struct ncp__address at = address_of(host, port);

    ncp__addresses_add(list, &at.at.any, at.size);
}

static struct ncp__race race_of(const struct ncp__addresses *list,
                                int stagger_ms, int timeout_ms)
{
    return (struct ncp__race){.addresses = list,
                              .options = &plain,
                              .stagger_ms = stagger_ms,
                              .deadline_ns = ncp__deadline_in(timeout_ms)};
}

static int peer_port(int fd)
{
    union ncp__sockaddr at;
    socklen_t size = sizeof at;

    assert_int_equal(getpeername(fd, &at.any, &size), 0);
    return ntohs(at.any.sa_family == AF_INET ? at.v4.sin_port
                                             : at.v6.sin6_port);
}

static void a_listener_is_reached(void **state)
{
    int listener = listening("127.0.0.1");
    struct ncp__addresses list = {0};
    int fd, blamed;

    (void)state;
    add(&list, "127.0.0.1", port_of(listener));
    const struct ncp__race race = race_of(&list, 250, 5000);
    assert_int_equal(ncp__race(&race, &fd, &blamed), 0);
    assert_int_equal(peer_port(fd), port_of(listener));
    assert_true(is_blocking(fd));
    assert_true(is_close_on_exec(fd));
    close(fd);
    close(listener);
}

static void an_address_that_refuses_costs_no_delay(void **state)
{
    int listener = listening("127.0.0.1");
    struct ncp__addresses list = {0};
    int fd, blamed;
    uint64_t start = now_ms();

    (void)state;
    add(&list, "::1", refused_port("::1"));
    add(&list, "127.0.0.1", port_of(listener));
    const struct ncp__race race = race_of(&list, 20000, 30000);
    assert_int_equal(ncp__race(&race, &fd, &blamed), 0);
    assert_true(now_ms() - start < 5000);
    assert_int_equal(peer_port(fd), port_of(listener));
    close(fd);
    close(listener);
}

static void an_address_that_hangs_is_overtaken_after_the_delay(void **state)
{
    struct full_listener hanging = full_listening("127.0.0.1");
    int listener = listening("127.0.0.1");
    struct ncp__addresses list = {0};
    int fd, blamed;

    (void)state;
    add(&list, "127.0.0.1", port_of(hanging.fd));
    add(&list, "127.0.0.1", port_of(listener));
    uint64_t start = now_ms();
    const struct ncp__race race = race_of(&list, 100, 30000);
    assert_int_equal(ncp__race(&race, &fd, &blamed), 0);
    uint64_t took = now_ms() - start;
    assert_in_range(took, 99, 5000);
    assert_int_equal(peer_port(fd), port_of(listener));
    close(fd);
    close(listener);
    full_listener_close(&hanging);
}

/* The first was slow, not dead: it may still win, and the other is closed. */
static void the_first_that_answers_wins(void **state)
{
    int listeners[2] = {listening("127.0.0.1"), listening("127.0.0.1")};
    struct ncp__addresses list = {0};
    int fd, blamed;

    (void)state;
    add(&list, "127.0.0.1", port_of(listeners[0]));
    add(&list, "127.0.0.1", port_of(listeners[1]));
    const struct ncp__race race = race_of(&list, 0, 5000);
    assert_int_equal(ncp__race(&race, &fd, &blamed), 0);
    assert_true(peer_port(fd) == port_of(listeners[0]) ||
                peer_port(fd) == port_of(listeners[1]));
    close(fd);
    close(listeners[0]);
    close(listeners[1]);
}

static void a_race_ends_at_its_deadline(void **state)
{
    struct full_listener hanging = full_listening("127.0.0.1");
    struct ncp__addresses list = {0};
    int fd = 7, blamed;

    (void)state;
    add(&list, "127.0.0.1", port_of(hanging.fd));
    uint64_t start = now_ms();
    const struct ncp__race race = race_of(&list, 250, 150);
    assert_int_equal(ncp__race(&race, &fd, &blamed), ETIMEDOUT);
    assert_in_range(now_ms() - start, 149, 3000);
    assert_int_equal(fd, -1);
    assert_int_equal(blamed, -1);
    full_listener_close(&hanging);
}

static void a_race_without_time_does_not_start(void **state)
{
    struct ncp__addresses list = {0};
    int fd, blamed;

    (void)state;
    add(&list, "127.0.0.1", 9);
    const struct ncp__race race = race_of(&list, 250, 0);
    assert_int_equal(ncp__race(&race, &fd, &blamed), ETIMEDOUT);
    assert_int_equal(connects, 0);
}

static void *stop_soon(void *user)
{
    struct ncp_dial *dial = user;

    pause_ms(100);
    atomic_store(&dial->stopped, 1);
    return NULL;
}

static void a_closing_pool_stops_a_race(void **state)
{
    struct full_listener hanging = full_listening("127.0.0.1");
    struct ncp__addresses list = {0};
    struct ncp_dial dial = {0};
    pthread_t thread;
    int fd, blamed;

    (void)state;
    add(&list, "127.0.0.1", port_of(hanging.fd));
    struct ncp__race race = race_of(&list, 250, 30000);
    race.dial = &dial;
    uint64_t start = now_ms();
    pthread_create(&thread, NULL, stop_soon, &dial);
    assert_int_equal(ncp__race(&race, &fd, &blamed), ECANCELED);
    assert_in_range(now_ms() - start, 99, 5000);
    pthread_join(thread, NULL);
    full_listener_close(&hanging);
}

static void all_refusing_is_the_error_of_the_first(void **state)
{
    struct ncp__addresses list = {0};
    int fd, blamed;

    (void)state;
    add(&list, "127.0.0.1", refused_port("127.0.0.1"));
    add(&list, "127.0.0.2", refused_port("127.0.0.2"));
    const struct ncp__race race = race_of(&list, 250, 5000);
    assert_int_equal(ncp__race(&race, &fd, &blamed), ECONNREFUSED);
    assert_int_equal(blamed, 0);
    assert_int_equal(connects, 2);
}

static void the_error_of_the_peer_says_more_than_a_missing_route(void **state)
{
    struct ncp__addresses list = {0};
    int fd, blamed;

    (void)state;
    connect_errors[0] = ENETUNREACH;
    add(&list, "::1", 9);
    add(&list, "127.0.0.1", refused_port("127.0.0.1"));
    const struct ncp__race race = race_of(&list, 250, 5000);
    assert_int_equal(ncp__race(&race, &fd, &blamed), ECONNREFUSED);
    assert_int_equal(blamed, 1);

    connects = 0;
    connect_errors[1] = EADDRNOTAVAIL;
    assert_int_equal(ncp__race(&race, &fd, &blamed), ENETUNREACH);
    assert_int_equal(blamed, 0);
}

static void a_connection_to_itself_is_refused(void **state)
{
    struct ncp__addresses list = {0};
    int fd, blamed;

    (void)state;
    connect_to_itself = true;
    add(&list, "127.0.0.1", refused_port("127.0.0.1"));
    add(&list, "::1", refused_port("::1"));
    const struct ncp__race race = race_of(&list, 250, 5000);
    assert_int_equal(ncp__race(&race, &fd, &blamed), ECONNREFUSED);
    assert_int_equal(connects, 2);
}

static void signals_disturb_nothing(void **state)
{
    int listener = listening("127.0.0.1");
    struct full_listener hanging = full_listening("127.0.0.1");
    struct ncp__addresses list = {0};
    int fd, blamed;

    (void)state;
    interrupted_polls = 5;
    connect_errors[0] = EINTR;
    add(&list, "127.0.0.1", port_of(hanging.fd));
    add(&list, "127.0.0.1", port_of(listener));
    const struct ncp__race race = race_of(&list, 20, 10000);
    assert_int_equal(ncp__race(&race, &fd, &blamed), 0);
    assert_int_equal(interrupted_polls, 0);
    close(fd);
    close(listener);
    full_listener_close(&hanging);
}

static void a_poll_that_fails_ends_the_race(void **state)
{
    struct full_listener hanging = full_listening("127.0.0.1");
    struct ncp__addresses list = {0};
    int fd, blamed;

    (void)state;
    add(&list, "127.0.0.1", port_of(hanging.fd));
    poll_error = ENOMEM;
    const struct ncp__race race = race_of(&list, 250, 5000);
    assert_int_equal(ncp__race(&race, &fd, &blamed), ENOMEM);
    assert_int_equal(fd, -1);
    full_listener_close(&hanging);
}

static void options_are_set_on_the_winner(void **state)
{
    int listener = listening("127.0.0.1");
    const struct ncp__socket_options options = {.nodelay = true,
                                                .keepalive_s = 7,
                                                .send_bytes = 32768,
                                                .receive_bytes = 65536};
    struct ncp__addresses list = {0};
    int fd, blamed;

    (void)state;
    add(&list, "127.0.0.1", port_of(listener));
    struct ncp__race race = race_of(&list, 250, 5000);
    race.options = &options;
    assert_int_equal(ncp__race(&race, &fd, &blamed), 0);
    assert_int_not_equal(socket_option(fd, IPPROTO_TCP, TCP_NODELAY), 0);
    assert_int_not_equal(socket_option(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    assert_int_equal(socket_option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 7);
    assert_int_equal(socket_option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 7);
    /* The kernel doubles what is asked for. */
    assert_int_equal(socket_option(fd, SOL_SOCKET, SO_SNDBUF), 2 * 32768);
    assert_int_equal(socket_option(fd, SOL_SOCKET, SO_RCVBUF), 2 * 65536);
    close(fd);
    close(listener);
}

#define RACE(name)                                                             \
    cmocka_unit_test_setup_teardown(name, begin, nothing_is_left_open)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RACE(a_listener_is_reached),
        RACE(an_address_that_refuses_costs_no_delay),
        RACE(an_address_that_hangs_is_overtaken_after_the_delay),
        RACE(the_first_that_answers_wins),
        RACE(a_race_ends_at_its_deadline),
        RACE(a_race_without_time_does_not_start),
        RACE(a_closing_pool_stops_a_race),
        RACE(all_refusing_is_the_error_of_the_first),
        RACE(the_error_of_the_peer_says_more_than_a_missing_route),
        RACE(a_connection_to_itself_is_refused),
        RACE(signals_disturb_nothing),
        RACE(a_poll_that_fails_ends_the_race),
        RACE(options_are_set_on_the_winner),
    };

    require_ipv6();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
