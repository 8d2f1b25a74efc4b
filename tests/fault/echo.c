#include "echo.h"
#include "expect.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SOCKETS = 256 };

static void echo_datagram(int fd)
{
    char buffer[2048];
    struct sockaddr_storage from;
    socklen_t size = sizeof(from);
    ssize_t length = recvfrom(fd, buffer, sizeof(buffer), 0,
                              (struct sockaddr *)&from, &size);
    if (length > 0)
        sendto(fd, buffer, (size_t)length, 0, (struct sockaddr *)&from, size);
}

/* False when the client is gone. */
static int echo_stream(int fd)
{
    char buffer[2048];
    ssize_t length = recv(fd, buffer, sizeof(buffer), 0);
    return length > 0 &&
           send(fd, buffer, (size_t)length, MSG_NOSIGNAL) == length;
}

_Noreturn static void serve(int tcp, int udp, int local)
{
    struct pollfd socket_of[SOCKETS] = {
        {tcp, POLLIN, 0}, {udp, POLLIN, 0}, {local, POLLIN, 0}};
    nfds_t count = 3;

    for (;;) {
        if (poll(socket_of, count, -1) <= 0)
            continue;
        for (nfds_t i = 3; i < count; i++) {
            if (!socket_of[i].revents || echo_stream(socket_of[i].fd))
                continue;
            close(socket_of[i].fd);
            socket_of[i--] = socket_of[--count];
        }
        if (socket_of[1].revents)
            echo_datagram(udp);
        for (nfds_t i = 0; i < 3 && count < SOCKETS; i += 2)
            if (socket_of[i].revents)
                socket_of[count++] = (struct pollfd){
                    accept(socket_of[i].fd, NULL, NULL), POLLIN, 0};
    }
}

void echo_start(struct echo *echo)
{
    struct sockaddr_in inet = {.sin_family = AF_INET};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    socklen_t size = sizeof(inet);
    int tcp = socket(AF_INET, SOCK_STREAM, 0);
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    int unix_fd = socket(AF_UNIX, SOCK_STREAM, 0);

    memset(echo, 0, sizeof(*echo));
    inet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE_EQ(bind(tcp, (struct sockaddr *)&inet, sizeof(inet)), 0);
    REQUIRE_EQ(getsockname(tcp, (struct sockaddr *)&inet, &size), 0);
    REQUIRE_EQ(bind(udp, (struct sockaddr *)&inet, sizeof(inet)), 0);
    echo->port = ntohs(inet.sin_port);
    snprintf(echo->directory, sizeof(echo->directory), "/tmp/ncp-echo-XXXXXX");
    REQUIRE(mkdtemp(echo->directory) != NULL);
    snprintf(echo->path, sizeof(echo->path), "%s/socket", echo->directory);
    memcpy(local.sun_path, echo->path, strlen(echo->path) + 1);
    REQUIRE_EQ(bind(unix_fd, (struct sockaddr *)&local, sizeof(local)), 0);
    REQUIRE_EQ(listen(tcp, 128), 0);
    REQUIRE_EQ(listen(unix_fd, 128), 0);

    pid_t parent = getpid();
    echo->pid = fork();
    REQUIRE(echo->pid >= 0);
    if (echo->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(0);
        serve(tcp, udp, unix_fd);
    }
    close(tcp);
    close(udp);
    close(unix_fd);
}

void echo_stop(struct echo *echo)
{
    kill(echo->pid, SIGKILL);
    waitpid(echo->pid, NULL, 0);
    unlink(echo->path);
    rmdir(echo->directory);
}
