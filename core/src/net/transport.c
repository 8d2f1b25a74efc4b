#include "pool/transport.h"

#include "net/accept.h"
#include "net/detect.h"
#include "net/dialer.h"
#include "net/probe.h"
#include "net/target.h"
#include "net/udp.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static void transport_shutdown(int fd)
{
    (void)shutdown(fd, SHUT_RDWR);
}

/* Never repeated: on Linux the descriptor is gone whatever close says, and its
 * number may be another's already. Interrupted is closed, then. */
static int transport_close(int fd)
{
    if (close(fd) == 0 || errno == EINTR)
        return 0;
    return errno;
}

static int transport_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0)
        return -1;
    return (flags & O_NONBLOCK) != 0;
}

static void transport_set_nonblocking(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);
    int wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;

    if (flags >= 0 && flags != wanted)
        (void)fcntl(fd, F_SETFL, wanted);
}

const struct ncp__transport ncp__net = {
    .dialer_new = ncp__dialer_new,
    .target_check = ncp__target_check,
    .wait_client = ncp__wait_client,
    .accept = ncp__accept,
    .detect = ncp__detect,
    .alive = ncp__alive,
    .drain = ncp__udp_drain,
    .shutdown = transport_shutdown,
    .close = transport_close,
    .nonblocking = transport_nonblocking,
    .set_nonblocking = transport_set_nonblocking,
};
