/* Whether a connection is alive; nothing is consumed. */
#include "net_support.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static void assert_alive(int fd)
{
    assert_int_equal(ncp_fd_alive(fd), 1);
    assert_true(ncp__net.alive(fd));
}

static void assert_dead(int fd)
{
    assert_int_equal(ncp_fd_alive(fd), 0);
    assert_false(ncp__net.alive(fd));
}

static void assert_reads(int fd, char wanted)
{
    char got = 0;

    assert_int_equal(recv(fd, &got, 1, MSG_DONTWAIT), 1);
    assert_int_equal(got, wanted);
}

static void silence_and_unread_data_are_life(void **state)
{
    int client, server;

    (void)state;
    tcp_pair("127.0.0.1", &client, &server);
    assert_alive(client);
    assert_int_equal(send(server, "x", 1, 0), 1);
    await_events(client, POLLIN);
    for (int i = 0; i < 3; i++)
        assert_alive(client);
    assert_reads(client, 'x');
    assert_true(is_blocking(client));
    close(client);
    close(server);
}

static void the_end_of_the_stream_is_death(void **state)
{
    int client, server;

    (void)state;
    tcp_pair("::1", &client, &server);
    close(server);
    await_events(client, POLLRDHUP);
    assert_dead(client);
    close(client);
}

/* It will never answer again; what it sent before stays readable. */
static void a_peer_that_stopped_sending_is_dead_for_reuse(void **state)
{
    int client, server;

    (void)state;
    tcp_pair("127.0.0.1", &client, &server);
    assert_int_equal(send(server, "y", 1, 0), 1);
    shutdown(server, SHUT_WR);
    await_events(client, POLLRDHUP);
    assert_dead(client);
    assert_reads(client, 'y');
    assert_alive(server); /* we did not stop */
    close(client);
    close(server);
}

static void a_reset_is_death(void **state)
{
    int client, server;

    (void)state;
    tcp_pair("127.0.0.1", &client, &server);
    reset_and_close(server);
    await_events(client, POLLERR);
    assert_dead(client);
    assert_dead(client);
    close(client);
}

static void a_socket_that_we_shut_down_is_dead(void **state)
{
    int client, server;

    (void)state;
    tcp_pair("127.0.0.1", &client, &server);
    ncp__net.shutdown(client);
    assert_dead(client);
    assert_int_equal(fcntl(client, F_GETFD) >= 0, 1);
    close(client);
    close(server);
}

static void a_pending_error_of_udp_is_death(void **state)
{
    int a, b;

    (void)state;
    udp_pair("127.0.0.1", &a, &b);
    assert_alive(a);
    close(b);
    assert_int_equal(send(a, "z", 1, 0), 1);
    await_events(a, POLLERR);
    assert_int_equal(ncp_fd_alive(a), 0);
    close(a);
}

static void a_waiting_datagram_is_life_and_stays(void **state)
{
    int a, b;

    (void)state;
    udp_pair("127.0.0.1", &a, &b);
    assert_int_equal(send(b, "", 0, 0), 0);
    assert_int_equal(send(b, "q", 1, 0), 1);
    await_events(a, POLLIN);
    assert_alive(a); /* the first has no bytes: no end, for datagrams */
    assert_int_equal(recv(a, (char[1]){0}, 1, MSG_DONTWAIT), 0);
    assert_alive(a);
    assert_reads(a, 'q');
    close(a);
    close(b);
}

static void unix_streams_and_pipes_are_probed(void **state)
{
    int pair[2], ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_alive(pair[0]);
    assert_int_equal(send(pair[1], "p", 1, 0), 1);
    assert_alive(pair[0]);
    close(pair[1]);
    assert_dead(pair[0]);
    close(pair[0]);

    assert_int_equal(pipe(ends), 0);
    assert_alive(ends[0]);
    assert_alive(ends[1]);
    assert_int_equal(write(ends[1], "p", 1), 1);
    assert_alive(ends[0]);
    close(ends[1]);
    assert_dead(ends[0]);
    close(ends[0]);
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    assert_dead(ends[1]);
    close(ends[1]);
}

/* An entry of the error queue is no error of the connection. */
static void a_message_in_the_error_queue_is_no_death(void **state)
{
    int a, b, on = 1;
    char text[256];
    struct iovec part = {text, sizeof text};
    char control[512];
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};

    (void)state;
    udp_pair("127.0.0.1", &a, &b);
    close(b);
    assert_int_equal(setsockopt(a, IPPROTO_IP, IP_RECVERR, &on, sizeof on), 0);
    assert_int_equal(send(a, "z", 1, 0), 1);
    await_events(a, POLLERR);
    /* Takes the pending error; its message stays in the queue. */
    assert_int_equal(socket_option(a, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
    await_events(a, POLLERR);
    assert_alive(a);
    assert_true(recvmsg(a, &message, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0);
    close(a);
}

static void nonsense_is_dead_or_refused(void **state)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    (void)state;
    assert_alive(fd);
    close(fd);
    assert_dead(fd);
    assert_int_equal(ncp_fd_alive(-1), NCP_EINVAL);
    assert_int_equal(ncp_fd_alive(-77), NCP_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_and_unread_data_are_life),
        cmocka_unit_test(the_end_of_the_stream_is_death),
        cmocka_unit_test(a_peer_that_stopped_sending_is_dead_for_reuse),
        cmocka_unit_test(a_reset_is_death),
        cmocka_unit_test(a_socket_that_we_shut_down_is_dead),
        cmocka_unit_test(a_pending_error_of_udp_is_death),
        cmocka_unit_test(a_waiting_datagram_is_life_and_stays),
        cmocka_unit_test(unix_streams_and_pipes_are_probed),
        cmocka_unit_test(a_message_in_the_error_queue_is_no_death),
        cmocka_unit_test(nonsense_is_dead_or_refused),
    };

    require_ipv6();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
