/* The descriptor of a queue: an eventfd. */
#ifdef __linux__

#include "pool/queue.h"

#include <sys/eventfd.h>
#include <unistd.h>

int ncp__queue_open(int *fd, int *write_fd)
{
    *fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    *write_fd = *fd;
    return *fd < 0 ? NCP_ESYS : NCP_OK;
}

void ncp__queue_signal(int write_fd)
{
    uint64_t one = 1;

    if (write(write_fd, &one, sizeof(one)) < 0)
        return; /* it is readable already */
}

void ncp__queue_unsignal(int fd)
{
    uint64_t count;

    if (read(fd, &count, sizeof(count)) < 0)
        return; /* it was not readable */
}

#endif
