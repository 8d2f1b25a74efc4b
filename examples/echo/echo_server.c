#include "echo_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER_SIZE = 65536, EVENTS = 64, BACKLOG = 4096, ASK_MAX = 1024 };

struct client {
    struct client *next, *prev;
    int fd;
    bool mute;
};

struct echo_server {
    int epoll, listener, udp, wake;
    char tcp_target[64], udp_target[64];
    pthread_t thread;
    struct client clients; /* ring with this as its head; thread only */
    atomic_ulong accepted;
    char buffer[BUFFER_SIZE];
};

static bool is_passing(int error)
{
    return error == EAGAIN || error == EINTR;
}

static void client_close(struct client *client)
{
    client->prev->next = client->next;
    client->next->prev = client->prev;
    close(client->fd);
    free(client);
}

static void accept_all(struct echo_server *server)
{
    for (;;) {
        int fd =
            accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        struct client *client = calloc(1, sizeof *client);
        if (client == NULL) {
            close(fd);
            return;
        }
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        client->fd = fd;
        client->next = server->clients.next;
        client->prev = &server->clients;
        client->next->prev = client;
        server->clients.next = client;
        atomic_fetch_add(&server->accepted, 1);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
        if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
            client_close(client);
    }
}

/* A slow reader would fill its socket; the examples never send more than fits,
 * so what cannot be written at once ends the connection. */
static void echo_tcp(struct echo_server *server, struct client *client)
{
    ssize_t n = recv(client->fd, server->buffer, BUFFER_SIZE, 0);
    if (n < 0 && is_passing(errno))
        return;
    if (n <= 0) {
        client_close(client);
        return;
    }
    if (n == (ssize_t)strlen(ECHO_MUTE) &&
        memcmp(server->buffer, ECHO_MUTE, (size_t)n) == 0)
        client->mute = true;
    if (client->mute)
        return;
    if (send(client->fd, server->buffer, (size_t)n, MSG_NOSIGNAL) != n)
        client_close(client);
}

static void echo_udp(struct echo_server *server)
{
    struct sockaddr_in peer;
    for (;;) {
        socklen_t size = sizeof peer;
        ssize_t n = recvfrom(server->udp, server->buffer, BUFFER_SIZE, 0,
                             (struct sockaddr *)&peer, &size);
        if (n < 0)
            return;
        sendto(server->udp, server->buffer, (size_t)n, 0,
               (struct sockaddr *)&peer, size);
    }
}

static void *serve(void *user)
{
    struct echo_server *server = user;
    struct epoll_event events[EVENTS];
    for (;;) {
        int n = epoll_wait(server->epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            void *what = events[i].data.ptr;
            if (what == &server->wake)
                return NULL;
            if (what == &server->listener)
                accept_all(server);
            else if (what == &server->udp)
                echo_udp(server);
            else
                echo_tcp(server, what);
        }
    }
}

/* A non-blocking socket bound to a free port of loopback. */
static int open_socket(int type, const char *scheme, char target[64])
{
    int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(fd, (struct sockaddr *)&address, size) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0 ||
        (type == SOCK_STREAM && listen(fd, BACKLOG) < 0)) {
        close(fd);
        return -1;
    }
    snprintf(target, 64, "%s://127.0.0.1:%u", scheme,
             (unsigned)ntohs(address.sin_port));
    return fd;
}

static int watch(struct echo_server *server, int *fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = fd};
    return epoll_ctl(server->epoll, EPOLL_CTL_ADD, *fd, &event);
}

static void server_free(struct echo_server *server)
{
    while (server->clients.next != &server->clients)
        client_close(server->clients.next);
    int *fds[] = {&server->wake, &server->udp, &server->listener,
                  &server->epoll};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (*fds[i] >= 0)
            close(*fds[i]);
    free(server);
}

struct echo_server *echo_server_start(void)
{
    struct echo_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return NULL;
    server->clients.next = server->clients.prev = &server->clients;
    server->listener = open_socket(SOCK_STREAM, "tcp", server->tcp_target);
    server->udp = open_socket(SOCK_DGRAM, "udp", server->udp_target);
    server->wake = eventfd(0, EFD_CLOEXEC);
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (server->listener < 0 || server->udp < 0 || server->wake < 0 ||
        server->epoll < 0 || watch(server, &server->listener) < 0 ||
        watch(server, &server->udp) < 0 || watch(server, &server->wake) < 0 ||
        pthread_create(&server->thread, NULL, serve, server) != 0) {
        server_free(server);
        return NULL;
    }
    return server;
}

void echo_server_stop(struct echo_server *server)
{
    if (server == NULL)
        return;
    eventfd_write(server->wake, 1);
    pthread_join(server->thread, NULL);
    server_free(server);
}

const char *echo_server_tcp(const struct echo_server *server)
{
    return server->tcp_target;
}

const char *echo_server_udp(const struct echo_server *server)
{
    return server->udp_target;
}

unsigned long echo_server_accepted(const struct echo_server *server)
{
    return atomic_load(&server->accepted);
}

int echo_ask(int fd, const void *request, size_t size)
{
    char reply[ASK_MAX];
    if (size == 0 || size > sizeof reply) {
        errno = EINVAL;
        return -1;
    }
    if (send(fd, request, size, MSG_NOSIGNAL) != (ssize_t)size)
        return -1;
    for (size_t got = 0; got < size;) {
        ssize_t n = recv(fd, reply + got, size - got, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0) {
            errno = ECONNRESET;
            return -1;
        }
        got += (size_t)n;
    }
    if (memcmp(request, reply, size) != 0) {
        errno = EPROTO;
        return -1;
    }
    return 0;
}
