#include "net/probe.h"

#include "net/wait.h"

#include <errno.h>
#include <sys/socket.h>

/* What poll(2) says now; POLLNVAL when it fails. */
static int events_now(int fd)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN | POLLRDHUP};

    if (ncp__poll(&polled, 1, 0) < 0)
        return POLLNVAL;
    return polled.revents;
}

/* Reads the pending error, which clears it: dead is what is dead anyway. On a
 * socket without one, POLLERR tells of its error queue (time stamps, ends of
 * zero-copy sends), which harms nobody. */
static bool has_error(int fd)
{
    int error = 0;
    socklen_t size = sizeof error;

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 ||
           error != 0;
}

static bool is_stream(int fd)
{
    int type = 0;
    socklen_t size = sizeof type;

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
           type == SOCK_STREAM;
}

/* The first byte that waits, without taking it: 1, or 0 at the end of the
 * stream; -1 with errno otherwise. */
static int peek(int fd)
{
    char byte;
    ssize_t got;

    do {
        got = recv(fd, &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    return (int)got;
}

static bool has_ended(int fd)
{
    int got = peek(fd);

    return got == 0 || (got < 0 && errno != EAGAIN);
}

/* A peer that ended its side is dead for reuse, whatever it sent before: it
 * will never answer a new request. */
bool ncp__alive(int fd)
{
    int events = events_now(fd);

    if (events == 0)
        return true;
    if (events & (POLLNVAL | POLLHUP | POLLRDHUP))
        return false;
    if ((events & POLLERR) && has_error(fd))
        return false;
    return !(events & POLLIN) || !is_stream(fd) || !has_ended(fd);
}

bool ncp__client_gone(int fd)
{
    return (events_now(fd) & (POLLERR | POLLHUP)) != 0 && peek(fd) <= 0;
}

int ncp_fd_alive(int fd)
{
    if (fd < 0)
        return NCP_EINVAL;
    return ncp__alive(fd) ? 1 : 0;
}
