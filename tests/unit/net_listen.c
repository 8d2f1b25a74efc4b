/* Listening sockets. */
#include "net_support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static int listen_on(const char *target)
{
    int fd = -1;

    assert_int_equal(ncp_listen(target, 8, &fd), NCP_OK);
    assert_true(fd >= 0);
    assert_true(is_close_on_exec(fd));
    assert_int_equal(socket_option(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
    return fd;
}

static void the_system_chooses_a_port(void **state)
{
    int fd = listen_on("tcp://127.0.0.1:0");
    int client = client_of(fd);

    (void)state;
    assert_true(port_of(fd) > 0);
    close(client);
    close(fd);
}

/* Accepting from it can then never hang, whoever else accepts. */
static void a_listener_does_not_block(void **state)
{
    int fd = listen_on("tcp://127.0.0.1:0");

    (void)state;
    assert_false(is_blocking(fd));
    assert_int_equal(accept(fd, NULL, NULL), -1);
    assert_int_equal(errno, EAGAIN);
    close(fd);
}

static void a_port_can_be_used_again_at_once(void **state)
{
    char target[64];
    int fd = listen_on("tcp://127.0.0.1:0");
    int client = client_of(fd);

    (void)state;
    snprintf(target, sizeof target, "tcp://127.0.0.1:%d", port_of(fd));
    int server = accept(fd, NULL, NULL);
    close(server); /* the side that closes first keeps the port for a while */
    close(fd);
    close(client);
    close(listen_on(target));
}

static int connect_to(const char *host, int port)
{
    struct ncp__address at = address_of(host, port);
    int fd = socket(at.at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int result = connect(fd, &at.at.any, at.size);
    int error = errno;

    close(fd);
    return result == 0 ? 0 : error;
}

static void an_ipv6_wildcard_serves_both_versions_unless_told(void **state)
{
    int both = listen_on("tcp://[::]:0");
    int only = listen_on("tcp6://[::]:0");

    (void)state;
    assert_int_equal(connect_to("127.0.0.1", port_of(both)), 0);
    assert_int_equal(connect_to("::1", port_of(both)), 0);
    assert_int_equal(connect_to("127.0.0.1", port_of(only)), ECONNREFUSED);
    assert_int_equal(connect_to("::1", port_of(only)), 0);
    close(both);
    close(only);
}

static void a_unix_path_is_listened_on(void **state)
{
    char target[96];
    const char *path = fresh_path();

    (void)state;
    snprintf(target, sizeof target, "unix:%s", path);
    int fd = listen_on(target);
    int client = client_of(fd);
    int second = -1;
    assert_int_equal(ncp_listen(target, 8, &second), NCP_ESYS);
    assert_int_equal(errno, EADDRINUSE);
    assert_int_equal(second, -1);
    close(client);
    close(fd);
}

static void what_cannot_be_listened_on_is_refused(void **state)
{
    int fd = 7;
    int taken = listen_on("tcp://127.0.0.1:0");
    char target[64];

    (void)state;
    assert_int_equal(ncp_listen("nonsense", 8, &fd), NCP_EINVALIDCONFIG);
    assert_int_equal(fd, -1);
    assert_int_equal(ncp_listen("udp://127.0.0.1:0", 8, &fd),
                     NCP_EINVALIDCONFIG);
    assert_int_equal(ncp_listen("tcp://127.0.0.1:0", 0, &fd), NCP_EINVAL);
    assert_int_equal(ncp_listen(NULL, 8, &fd), NCP_EINVAL);
    assert_int_equal(ncp_listen("tcp://127.0.0.1:0", 8, NULL), NCP_EINVAL);

    snprintf(target, sizeof target, "tcp://127.0.0.1:%d", port_of(taken));
    assert_int_equal(ncp_listen(target, 8, &fd), NCP_ESYS);
    assert_int_equal(errno, EADDRINUSE);
    assert_int_equal(ncp_listen("tcp://192.0.2.1:0", 8, &fd), NCP_ESYS);
    assert_int_equal(errno, EADDRNOTAVAIL);
    assert_int_equal(ncp_listen("unix:/nowhere/at/all", 8, &fd), NCP_ESYS);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(fd, -1);
    close(taken);
}

static void without_descriptors_nothing_is_listened_on(void **state)
{
    struct rlimit before, none;
    int fd;

    (void)state;
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int status = ncp_listen("tcp://127.0.0.1:0", 8, &fd);
    int error = errno;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(status, NCP_ESYS);
    assert_int_equal(error, EMFILE);
    assert_int_equal(fd, -1);
}

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

#define LISTEN(name)                                                           \
    cmocka_unit_test_setup_teardown(name, begin, nothing_is_left_open)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LISTEN(the_system_chooses_a_port),
        LISTEN(a_listener_does_not_block),
        LISTEN(a_port_can_be_used_again_at_once),
        LISTEN(an_ipv6_wildcard_serves_both_versions_unless_told),
        LISTEN(a_unix_path_is_listened_on),
        LISTEN(what_cannot_be_listened_on_is_refused),
        LISTEN(without_descriptors_nothing_is_listened_on),
    };

    require_ipv6();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
