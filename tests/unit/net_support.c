#include "net_support.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---------------------------------------------------------------- the dial */

int ncp_dial_protocol(const ncp_dial *dial)
{
    return dial->protocol;
}

int ncp_dial_ip(const ncp_dial *dial)
{
    return dial->ip;
}

int64_t ncp_dial_timeout_ms(const ncp_dial *dial)
{
    return dial->timeout_ms;
}

int ncp_dial_stopped(const ncp_dial *dial)
{
    return dial == NULL ? NCP_EINVAL : atomic_load(&dial->stopped);
}

int ncp_dial_done(ncp_dial *dial, uint64_t handle, int fd, int protocol, int ip)
{
    dial->done++;
    dial->handle = handle;
    dial->fd = fd;
    dial->done_protocol = protocol;
    dial->done_ip = ip;
    return NCP_OK;
}

void ncp_dial_fail(ncp_dial *dial, int64_t code, const char *text)
{
    dial->code = code;
    snprintf(dial->text, sizeof dial->text, "%s", text);
}

/* --------------------------------------------------------------- measuring */

uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void pause_ms(int ms)
{
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000L};

    nanosleep(&time, NULL);
}

int open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count - 3; /* ".", ".." and that of the folder */
}

int socket_option(int fd, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof value;

    assert_int_equal(getsockopt(fd, level, name, &value, &size), 0);
    return value;
}

bool is_blocking(int fd)
{
    return (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
}

bool is_close_on_exec(int fd)
{
    return (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

/* ----------------------------------------------------------------- sockets */

void require_ipv6(void)
{
    struct ncp__address at = address_of("::1", 0);
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, &at.at.any, at.size) != 0) {
        fprintf(stderr, "SKIPPED: this machine has no ::1\n");
        exit(77);
    }
    close(fd);
}

struct ncp__address address_of(const char *host, int port)
{
    struct ncp__address out = {.size = sizeof out.at.v4};

    memset(&out.at, 0, sizeof out.at);
    out.at.v4.sin_family = AF_INET;
    out.at.v4.sin_port = htons((uint16_t)port);
    if (inet_pton(AF_INET, host, &out.at.v4.sin_addr) == 1)
        return out;
    memset(&out.at, 0, sizeof out.at);
    out.size = sizeof out.at.v6;
    out.at.v6.sin6_family = AF_INET6;
    out.at.v6.sin6_port = htons((uint16_t)port);
    assert_int_equal(inet_pton(AF_INET6, host, &out.at.v6.sin6_addr), 1);
    return out;
}

static union ncp__sockaddr own_address(int fd, socklen_t *size)
{
    union ncp__sockaddr at;

    memset(&at, 0, sizeof at);
    *size = sizeof at;
    assert_int_equal(getsockname(fd, &at.any, size), 0);
    return at;
}

int port_of(int fd)
{
    socklen_t size;
    union ncp__sockaddr at = own_address(fd, &size);

    return ntohs(at.any.sa_family == AF_INET ? at.v4.sin_port
                                             : at.v6.sin6_port);
}

int bound(const char *host, int type)
{
    struct ncp__address at = address_of(host, 0);
    int fd = socket(at.at.any.sa_family, type | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, &at.at.any, at.size), 0);
    return fd;
}

int listening(const char *host)
{
    int fd = bound(host, SOCK_STREAM);

    assert_int_equal(listen(fd, 64), 0);
    return fd;
}

struct full_listener full_listening(const char *host)
{
    struct full_listener full = {.fd = bound(host, SOCK_STREAM)};
    socklen_t size;

    assert_int_equal(listen(full.fd, 0), 0);
    union ncp__sockaddr at = own_address(full.fd, &size);
    for (int i = 0; i < 4; i++) {
        full.fillers[i] = socket(at.any.sa_family,
                                 SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(full.fillers[i], &at.any, size);
    }
    pause_ms(20);
    return full;
}

void full_listener_close(struct full_listener *full)
{
    for (int i = 0; i < 4; i++)
        close(full->fillers[i]);
    close(full->fd);
}

int refused_port(const char *host)
{
    int fd = bound(host, SOCK_STREAM);
    int port = port_of(fd);

    close(fd);
    return port;
}

int client_of(int listener)
{
    socklen_t size;
    union ncp__sockaddr at = own_address(listener, &size);
    int fd = socket(at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, &at.any, size), 0);
    return fd;
}

void reset_and_close(int fd)
{
    const struct linger now = {.l_onoff = 1};

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now),
                     0);
    close(fd);
}

void tcp_pair(const char *host, int *client, int *server)
{
    int listener = listening(host);

    *client = client_of(listener);
    *server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(*server >= 0);
    close(listener);
}

void udp_pair(const char *host, int *a, int *b)
{
    socklen_t size;

    *a = bound(host, SOCK_DGRAM);
    *b = bound(host, SOCK_DGRAM);
    union ncp__sockaddr at = own_address(*a, &size);
    assert_int_equal(connect(*b, &at.any, size), 0);
    at = own_address(*b, &size);
    assert_int_equal(connect(*a, &at.any, size), 0);
}

void await_events(int fd, short events)
{
    struct pollfd polled = {.fd = fd, .events = events};

    assert_int_equal(poll(&polled, 1, 1000), 1);
    assert_true(polled.revents & events);
}

static char path_folder[] = "/tmp/ncp-net-XXXXXX";
static char path[64];

static void remove_path(void)
{
    unlink(path);
    rmdir(path_folder);
}

const char *fresh_path(void)
{
    if (path[0] == '\0') {
        assert_non_null(mkdtemp(path_folder));
        snprintf(path, sizeof path, "%s/socket", path_folder);
        atexit(remove_path);
    }
    unlink(path);
    return path;
}
