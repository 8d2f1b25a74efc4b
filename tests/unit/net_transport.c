/* The small entries of the table the pool uses, and socket options. */
#include "net_support.h"

#include "net/socket_options.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

int __real_close(int fd);
int __wrap_close(int fd);

static int close_error; /* of the next close, which closes all the same */

int __wrap_close(int fd)
{
    int error = close_error;

    close_error = 0;
    if (__real_close(fd) != 0)
        return -1;
    if (error == 0)
        return 0;
    errno = error;
    return -1;
}

static void every_entry_is_there(void **state)
{
    (void)state;
    assert_non_null(ncp__net.dialer_new);
    assert_non_null(ncp__net.wait_client);
    assert_non_null(ncp__net.accept);
    char reason[128];
    assert_int_equal(ncp__net.target_check("tcp://a:1", reason, sizeof reason),
                     NCP_OK);
    assert_int_equal(ncp__net.target_check("tcp://a", reason, sizeof reason),
                     NCP_EINVALIDCONFIG);
    assert_non_null(strstr(reason, "the port is missing"));
}

static void close_is_done_once_and_says_what_failed(void **state)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    (void)state;
    assert_int_equal(ncp__net.close(fd), 0);
    assert_int_equal(ncp__net.close(fd), EBADF);

    fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    close_error = EINTR; /* it is closed: nothing failed */
    assert_int_equal(ncp__net.close(fd), 0);
    assert_int_equal(fcntl(fd, F_GETFD), -1);

    fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    close_error = EIO;
    assert_int_equal(ncp__net.close(fd), EIO);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void *read_one(void *user)
{
    char byte;

    return (void *)(intptr_t)recv(*(int *)user, &byte, 1, 0);
}

static void shutdown_ends_a_read_and_keeps_the_descriptor(void **state)
{
    int client, server;
    pthread_t thread;
    void *got = &client;

    (void)state;
    tcp_pair("127.0.0.1", &client, &server);
    pthread_create(&thread, NULL, read_one, &client);
    pause_ms(30);
    ncp__net.shutdown(client);
    pthread_join(thread, &got);
    assert_null(got); /* the end of the stream */
    assert_true(fcntl(client, F_GETFD) >= 0);
    close(client);
    close(server);
    ncp__net.shutdown(client); /* none: harmless */
}

static void the_mode_is_read_and_set(void **state)
{
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(ncp__net.nonblocking(ends[0]), 0);
    ncp__net.set_nonblocking(ends[0], true);
    assert_int_equal(ncp__net.nonblocking(ends[0]), 1);
    ncp__net.set_nonblocking(ends[0], true);
    assert_int_equal(ncp__net.nonblocking(ends[0]), 1);
    ncp__net.set_nonblocking(ends[0], false);
    assert_int_equal(ncp__net.nonblocking(ends[0]), 0);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(ncp__net.nonblocking(ends[0]), -1);
    ncp__net.set_nonblocking(ends[0], true); /* none: harmless */
}

static struct ncp__socket_options options_of(int64_t keepalive_ms,
                                             int64_t bytes)
{
    struct ncp_config config = {0};
    struct ncp__socket_options options;

    config.num[NCP_OPTION_TCP_KEEPALIVE] = keepalive_ms;
    config.num[NCP_OPTION_SEND_BUFFER] = bytes;
    config.num[NCP_OPTION_RECEIVE_BUFFER] = bytes;
    ncp__socket_options_read(&config, &options);
    return options;
}

static void milliseconds_become_seconds_rounded_up(void **state)
{
    (void)state;
    assert_int_equal(options_of(0, 0).keepalive_s, 0);
    assert_int_equal(options_of(-5, 0).keepalive_s, 0);
    assert_int_equal(options_of(1, 0).keepalive_s, 1);
    assert_int_equal(options_of(1000, 0).keepalive_s, 1);
    assert_int_equal(options_of(1001, 0).keepalive_s, 2);
    assert_int_equal(options_of(INT64_MAX, 0).keepalive_s, 32767);
    assert_int_equal(options_of(0, -1).send_bytes, 0);
    assert_int_equal(options_of(0, INT64_MAX).receive_bytes, INT_MAX);
}

static void options_that_are_off_are_off(void **state)
{
    int client, server;
    struct ncp__socket_options options = options_of(0, 0);

    (void)state;
    tcp_pair("127.0.0.1", &client, &server);
    int bytes = socket_option(client, SOL_SOCKET, SO_SNDBUF);
    ncp__socket_options_apply(client, NCP_PROTOCOL_TCP, &options);
    assert_int_equal(socket_option(client, IPPROTO_TCP, TCP_NODELAY), 0);
    assert_int_equal(socket_option(client, SOL_SOCKET, SO_KEEPALIVE), 0);
    assert_int_equal(socket_option(client, SOL_SOCKET, SO_SNDBUF), bytes);
    close(client);
    close(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_entry_is_there),
        cmocka_unit_test(close_is_done_once_and_says_what_failed),
        cmocka_unit_test(shutdown_ends_a_read_and_keeps_the_descriptor),
        cmocka_unit_test(the_mode_is_read_and_set),
        cmocka_unit_test(milliseconds_become_seconds_rounded_up),
        cmocka_unit_test(options_that_are_off_are_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
