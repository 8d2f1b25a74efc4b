#include "net/accept_now.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/socket.h>

int ncp__accept_plain(int listener_fd)
{
    int fd = accept4(listener_fd, NULL, NULL, SOCK_CLOEXEC);

    return fd >= 0 ? fd : -errno;
}

int ncp__accept_now(int listener_fd)
{
    int flags = fcntl(listener_fd, F_GETFL);

    if (flags < 0)
        return -errno;
    if (flags & O_NONBLOCK)
        return ncp__accept_plain(listener_fd);

    int fd = ncp__accept_ring(listener_fd);
    return fd == -ENOSYS ? ncp__accept_turn(listener_fd) : fd;
}
