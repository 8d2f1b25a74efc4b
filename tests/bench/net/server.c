/* The echo server: one thread, one epoll, TCP and UDP. */
#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    BUFFER_SIZE = 64 * 1024,
    EVENTS = 64,
    DATAGRAMS_IN_A_ROW = 64,
    UDP_BUFFER = 4 * 1024 * 1024, /* as much of it as the system grants */
    BACKLOG = 1024
};

enum kind { LISTENER, DATAGRAMS, STREAM, LIFELINE };

/* A descriptor of the server. */
struct end {
    enum kind kind;
    int fd;
    size_t from, to; /* of a STREAM: what of `buffer` is still to be sent */
    char *buffer;
};

/* ------------------------------------------------------------------ listening */

static int bound(int type, uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    bench_require(fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0 &&
                      getsockname(fd, (struct sockaddr *)&address, &size) == 0,
                  "no socket for the echo server");
    *port = ntohs(address.sin_port);
    return fd;
}

static void watch(int epoll, int operation, struct end *end, uint32_t events)
{
    struct epoll_event event = {.events = events, .data = {.ptr = end}};

    bench_require(epoll_ctl(epoll, operation, end->fd, &event) == 0,
                  "epoll_ctl failed");
}

static void add(int epoll, struct end *end, enum kind kind, int fd)
{
    *end = (struct end){.kind = kind, .fd = fd};
    watch(epoll, EPOLL_CTL_ADD, end, EPOLLIN);
}

/* What the server hears on before anybody connects. */
struct ears {
    int epoll;
    struct end listeners[ECHO_TCP_PORTS], datagrams, lifeline;
};

/* The ports are known when this returns. */
static void listen_on_all(struct ears *ears, struct echo *echo)
{
    const int size = UDP_BUFFER;

    ears->epoll = epoll_create1(EPOLL_CLOEXEC);
    bench_require(ears->epoll >= 0, "no epoll");
    for (int i = 0; i < ECHO_TCP_PORTS; i++) {
        int fd = bound(SOCK_STREAM | SOCK_NONBLOCK, &echo->tcp_ports[i]);
        bench_require(listen(fd, BACKLOG) == 0, "no listener");
        add(ears->epoll, &ears->listeners[i], LISTENER, fd);
    }
    int fd = bound(SOCK_DGRAM, &echo->udp_port);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    add(ears->epoll, &ears->datagrams, DATAGRAMS, fd);
}

static void stop_listening(const struct ears *ears)
{
    for (int i = 0; i < ECHO_TCP_PORTS; i++)
        close(ears->listeners[i].fd);
    close(ears->datagrams.fd);
    close(ears->epoll);
}

/* -------------------------------------------------------------------- serving */

static void welcome(int epoll, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    const int on = 1;

    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    add(epoll, bench_alloc(sizeof(struct end)), STREAM, fd);
}

static void answer_datagrams(int fd)
{
    static char buffer[BUFFER_SIZE];
    struct sockaddr_in peer;

    for (int i = 0; i < DATAGRAMS_IN_A_ROW; i++) {
        socklen_t size = sizeof peer;
        ssize_t got = recvfrom(fd, buffer, sizeof buffer, MSG_DONTWAIT,
                               (struct sockaddr *)&peer, &size);
        if (got < 0)
            return;
        sendto(fd, buffer, (size_t)got, 0, (struct sockaddr *)&peer, size);
    }
}

static void leave(struct end *end)
{
    close(end->fd);
    free(end->buffer);
    free(end);
}

/* Sends what is left; false when the connection is over. */
static bool send_rest(struct end *end)
{
    while (end->from < end->to) {
        ssize_t sent = send(end->fd, end->buffer + end->from,
                            end->to - end->from, MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN;
        end->from += (size_t)sent;
    }
    return true;
}

/* Reads no more before everything is sent, as a server with one blocking thread
 * for a connection would; false when the connection is over. */
static bool answer(int epoll, struct end *end)
{
    bool was_behind = end->from < end->to;

    if (!was_behind) {
        if (end->buffer == NULL)
            end->buffer = bench_alloc(BUFFER_SIZE);
        ssize_t got = recv(end->fd, end->buffer, BUFFER_SIZE, 0);
        if (got <= 0)
            return got < 0 && errno == EAGAIN;
        end->from = 0;
        end->to = (size_t)got;
    }
    if (!send_rest(end))
        return false;
    bool is_behind = end->from < end->to;
    if (is_behind != was_behind)
        watch(epoll, EPOLL_CTL_MOD, end, is_behind ? EPOLLOUT : EPOLLIN);
    return true;
}

static void serve_one(int epoll, struct end *end)
{
    switch (end->kind) {
    case LISTENER:
        welcome(epoll, end->fd);
        break;
    case DATAGRAMS:
        answer_datagrams(end->fd);
        break;
    case STREAM:
        if (!answer(epoll, end))
            leave(end);
        break;
    case LIFELINE:
        exit(0);
    }
}

static _Noreturn void serve(int epoll)
{
    struct epoll_event events[EVENTS];

    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++)
            serve_one(epoll, events[i].data.ptr);
    }
}

/* -------------------------------------------------------------------- process */

void echo_start(struct echo *echo)
{
    struct ears ears;
    pid_t parent = getpid();

    listen_on_all(&ears, echo);
    fflush(NULL);
    pid_t process = fork();
    bench_require(process >= 0, "no process for the echo server");
    if (process > 0) {
        echo->process =
            process; /* not before: `echo` may be in shared memory */
        stop_listening(&ears);
        return;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(0);
    serve(ears.epoll);
}

void echo_stop(const struct echo *echo)
{
    kill(echo->process, SIGKILL);
    waitpid(echo->process, NULL, 0);
}

int echo_main(void)
{
    struct echo echo;
    struct ears ears;

    listen_on_all(&ears, &echo);
    add(ears.epoll, &ears.lifeline, LIFELINE, STDIN_FILENO);
    for (int i = 0; i < ECHO_TCP_PORTS; i++)
        printf("%d ", echo.tcp_ports[i]);
    printf("%d\n", echo.udp_port);
    fflush(stdout);
    serve(ears.epoll);
}
