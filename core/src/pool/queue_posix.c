/* The descriptor of a queue: a pipe. */
#ifndef __linux__

#include "pool/queue.h"

#include <fcntl.h>
#include <unistd.h>

static void prepare(int fd)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
}

int ncp__queue_open(int *fd, int *write_fd)
{
    int ends[2];

    if (pipe(ends) != 0)
        return NCP_ESYS;
    prepare(ends[0]);
    prepare(ends[1]);
    *fd = ends[0];
    *write_fd = ends[1];
    return NCP_OK;
}

void ncp__queue_signal(int write_fd)
{
    if (write(write_fd, "", 1) < 0)
        return; /* it is readable already */
}

void ncp__queue_unsignal(int fd)
{
    char bytes[64];

    while (read(fd, bytes, sizeof(bytes)) > 0)
        continue;
}

#endif
