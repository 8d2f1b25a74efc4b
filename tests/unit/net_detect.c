/* What a descriptor is. */
#include "net_support.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void assert_detected(int fd, int protocol, int ip)
{
    int found_protocol = -1, found_ip = -1;

    assert_int_equal(ncp_fd_detect(fd, &found_protocol, &found_ip), NCP_OK);
    assert_int_equal(found_protocol, protocol);
    assert_int_equal(found_ip, ip);
    ncp__net.detect(fd, &found_protocol, &found_ip);
    assert_int_equal(found_protocol, protocol);
    assert_int_equal(found_ip, ip);
}

static void connections_are_recognized(void **state)
{
    int client, server;

    (void)state;
    tcp_pair("127.0.0.1", &client, &server);
    assert_detected(client, NCP_PROTOCOL_TCP, NCP_IP_V4);
    assert_detected(server, NCP_PROTOCOL_TCP, NCP_IP_V4);
    close(client);
    close(server);
    tcp_pair("::1", &client, &server);
    assert_detected(client, NCP_PROTOCOL_TCP, NCP_IP_V6);
    close(client);
    close(server);
    udp_pair("127.0.0.1", &client, &server);
    assert_detected(client, NCP_PROTOCOL_UDP, NCP_IP_V4);
    close(client);
    close(server);
    udp_pair("::1", &client, &server);
    assert_detected(client, NCP_PROTOCOL_UDP, NCP_IP_V6);
    close(client);
    close(server);
}

static void a_mapped_peer_is_ipv4(void **state)
{
    int listener;

    (void)state;
    assert_int_equal(ncp_listen("tcp://[::]:0", 8, &listener), NCP_OK);
    assert_detected(listener, NCP_PROTOCOL_TCP, NCP_IP_V6);
    struct ncp__address at = address_of("127.0.0.1", port_of(listener));
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, &at.at.any, at.size), 0);
    await_events(listener, POLLIN);
    int server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_detected(server, NCP_PROTOCOL_TCP, NCP_IP_V4);
    close(server);
    close(client);
    close(listener);
}

static void without_a_peer_the_own_address_counts(void **state)
{
    int udp = bound("127.0.0.1", SOCK_DGRAM);
    int listener = listening("::1");

    (void)state;
    assert_detected(udp, NCP_PROTOCOL_UDP, NCP_IP_V4);
    assert_detected(listener, NCP_PROTOCOL_TCP, NCP_IP_V6);
    close(udp);
    close(listener);
}

static void everything_else_is_unknown(void **state)
{
    int pair[2], ends[2];
    int file = open("/dev/null", O_RDWR | O_CLOEXEC);

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(pipe(ends), 0);
    assert_detected(pair[0], NCP_PROTOCOL_UNKNOWN, NCP_IP_UNKNOWN);
    assert_detected(ends[0], NCP_PROTOCOL_UNKNOWN, NCP_IP_UNKNOWN);
    assert_detected(file, NCP_PROTOCOL_UNKNOWN, NCP_IP_UNKNOWN);
    close(pair[0]);
    close(pair[1]);
    close(ends[0]);
    close(ends[1]);
    close(file);
    assert_detected(file, NCP_PROTOCOL_UNKNOWN, NCP_IP_UNKNOWN);
}

/* Whatever its path contains. */
static void a_unix_socket_is_unknown(void **state)
{
    int listener, protocol = 9;
    char target[64] = "unix:";

    (void)state;
    strcat(target, fresh_path());
    assert_int_equal(ncp_listen(target, 8, &listener), NCP_OK);
    int client = client_of(listener);
    assert_detected(client, NCP_PROTOCOL_UNKNOWN, NCP_IP_UNKNOWN);
    assert_int_equal(ncp_fd_detect(client, &protocol, NULL), NCP_OK);
    assert_int_equal(protocol, NCP_PROTOCOL_UNKNOWN);
    close(client);
    close(listener);
}

static void a_negative_descriptor_is_refused(void **state)
{
    int protocol = 9, ip = 9;

    (void)state;
    assert_int_equal(ncp_fd_detect(-1, &protocol, &ip), NCP_EINVAL);
    assert_int_equal(protocol, NCP_PROTOCOL_UNKNOWN);
    assert_int_equal(ip, NCP_IP_UNKNOWN);
    assert_int_equal(ncp_fd_detect(-1, NULL, NULL), NCP_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_are_recognized),
        cmocka_unit_test(a_mapped_peer_is_ipv4),
        cmocka_unit_test(without_a_peer_the_own_address_counts),
        cmocka_unit_test(everything_else_is_unknown),
        cmocka_unit_test(a_unix_socket_is_unknown),
        cmocka_unit_test(a_negative_descriptor_is_refused),
    };

    require_ipv6();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
