/* No accept by ring: any system but Linux. */
#include "net/accept_now.h"

#ifndef __linux__

#include <errno.h>

int ncp__accept_ring(int listener_fd)
{
    (void)listener_fd;
    return -ENOSYS;
}

#endif
