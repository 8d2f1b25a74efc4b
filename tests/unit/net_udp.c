/* Stale datagrams: dropped within limits, or only looked for. */
#include "net_support.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* ------------------------------------------------ a receive that fails */

ssize_t __real_recv(int fd, void *buffer, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags);

static int recv_error; /* of every recv; 0: it really receives */
static int recv_errors_left;
static int recv_pause_ms;
static int recvs;

ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags)
{
    recvs++;
    assert_true(flags & MSG_DONTWAIT);
    if (recv_pause_ms > 0)
        pause_ms(recv_pause_ms);
    if (recv_errors_left > 0) {
        recv_errors_left--;
        errno = recv_error;
        return -1;
    }
    return __real_recv(fd, buffer, size, flags);
}

/* -------------------------------------------------------------- pairs */

static int ends[2];

static int open_pair(void **state)
{
    (void)state;
    recv_errors_left = recv_pause_ms = recvs = 0;
    udp_pair("127.0.0.1", &ends[0], &ends[1]);
    return 0;
}

static int close_pair(void **state)
{
    (void)state;
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static void send_many(int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(send(ends[1], "stale", 5, 0), 5);
    await_events(ends[0], POLLIN);
}

static void assert_drains(int64_t timeout_ms, int max, int status, int count)
{
    int dropped = -1;

    assert_int_equal(ncp_udp_drain(ends[0], timeout_ms, max, &dropped), status);
    assert_int_equal(dropped, count);
}

static void nothing_to_drop_is_empty_at_once(void **state)
{
    uint64_t start = now_ms();

    (void)state;
    assert_drains(10000, 100, NCP_OK, 0);
    assert_true(now_ms() - start < 5000);
    assert_true(is_blocking(ends[0]));
}

static void everything_that_waits_is_dropped(void **state)
{
    (void)state;
    send_many(20);
    assert_drains(0, 0, NCP_OK, 20);
    assert_int_equal(ncp_udp_has_data(ends[0]), 0);
    send_many(3);
    assert_int_equal(ncp_udp_drain(ends[0], 100, 100, NULL), NCP_OK);
    assert_int_equal(ncp_udp_has_data(ends[0]), 0);
}

static void the_limit_of_packets_holds(void **state)
{
    (void)state;
    send_many(30);
    assert_drains(10000, 10, NCP_EAGAIN, 10);
    assert_drains(10000, 20, NCP_OK, 20); /* exactly all */
    send_many(130);
    assert_drains(10000, 0, NCP_EAGAIN, 100); /* 100 unless told */
}

static void the_limit_of_time_holds(void **state)
{
    int dropped;

    (void)state;
    send_many(30);
    recv_pause_ms = 10;
    uint64_t start = now_ms();
    assert_int_equal(ncp_udp_drain(ends[0], 35, 1000, &dropped), NCP_EAGAIN);
    assert_in_range(dropped, 1, 10);
    assert_in_range(now_ms() - start, 34, 5000);
}

static void datagrams_without_bytes_count_too(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(send(ends[1], "", 0, 0), 0);
    await_events(ends[0], POLLIN);
    assert_int_equal(ncp_udp_has_data(ends[0]), 1);
    assert_drains(1000, 100, NCP_OK, 4);
}

static void a_pending_icmp_error_does_not_stop_it(void **state)
{
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;

    (void)state;
    send_many(5);
    assert_int_equal(getpeername(ends[0], (struct sockaddr *)&peer, &size), 0);
    close(ends[1]);
    assert_int_equal(send(ends[0], "?", 1, 0), 1);
    await_events(ends[0], POLLERR);
    assert_drains(1000, 100, NCP_OK, 5);
    assert_int_equal(socket_option(ends[0], SOL_SOCKET, SO_ERROR), 0);
    ends[1] = dup(ends[0]); /* for the closing of the pair */
}

static void errors_and_signals_are_limited_too(void **state)
{
    (void)state;
    send_many(2);
    recv_error = EINTR;
    recv_errors_left = 3;
    assert_drains(1000, 100, NCP_OK, 2);
    send_many(1);
    recv_error = ENOMEM;
    recv_errors_left = 1000000;
    recvs = 0;
    assert_drains(10000, 50, NCP_EAGAIN, 0);
    assert_int_equal(recvs, 50);
}

static void looking_consumes_nothing(void **state)
{
    char text[8];

    (void)state;
    assert_int_equal(ncp_udp_has_data(ends[0]), 0);
    send_many(1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ncp_udp_has_data(ends[0]), 1);
    assert_int_equal(recvs, 0);
    assert_int_equal(recv(ends[0], text, sizeof text, MSG_DONTWAIT), 5);
    assert_int_equal(ncp_udp_has_data(ends[0]), 0);
}

static void modes_and_deadlines_stay(void **state)
{
    struct timeval before = {.tv_sec = 3}, after = {0};
    socklen_t size = sizeof after;

    (void)state;
    assert_int_equal(
        setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &before, sizeof before),
        0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    send_many(2);
    assert_drains(100, 100, NCP_OK, 2);
    assert_false(is_blocking(ends[0]));
    assert_int_equal(
        getsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &after, &size), 0);
    assert_int_equal(after.tv_sec, 3);
}

static void other_sockets_are_left_alone(void **state)
{
    int pair[2], client, server, dropped = 9;
    char text[4];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
    assert_int_equal(send(pair[1], "d", 1, 0), 1);
    assert_int_equal(ncp_udp_drain(pair[0], 100, 100, &dropped), NCP_OK);
    assert_int_equal(dropped, 0);
    assert_int_equal(ncp_udp_has_data(pair[0]), 0);
    assert_int_equal(recv(pair[0], text, sizeof text, MSG_DONTWAIT), 1);
    close(pair[0]);
    close(pair[1]);

    tcp_pair("127.0.0.1", &client, &server);
    assert_int_equal(send(server, "t", 1, 0), 1);
    await_events(client, POLLIN);
    assert_int_equal(ncp_udp_drain(client, 100, 100, &dropped), NCP_OK);
    assert_int_equal(ncp_udp_has_data(client), 0);
    assert_int_equal(recv(client, text, sizeof text, MSG_DONTWAIT), 1);
    close(client);
    close(server);
}

static void a_negative_descriptor_is_refused(void **state)
{
    int dropped = 9;

    (void)state;
    assert_int_equal(ncp_udp_drain(-1, 100, 100, &dropped), NCP_EINVAL);
    assert_int_equal(dropped, 0);
    assert_int_equal(ncp_udp_drain(-1, 100, 100, NULL), NCP_EINVAL);
    assert_int_equal(ncp_udp_has_data(-1), NCP_EINVAL);
}

#define UDP(name) cmocka_unit_test_setup_teardown(name, open_pair, close_pair)

int main(void)
{
    const struct CMUnitTest tests[] = {
        UDP(nothing_to_drop_is_empty_at_once),
        UDP(everything_that_waits_is_dropped),
        UDP(the_limit_of_packets_holds),
        UDP(the_limit_of_time_holds),
        UDP(datagrams_without_bytes_count_too),
        UDP(a_pending_icmp_error_does_not_stop_it),
        UDP(errors_and_signals_are_limited_too),
        UDP(looking_consumes_nothing),
        UDP(modes_and_deadlines_stay),
        UDP(other_sockets_are_left_alone),
        UDP(a_negative_descriptor_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
