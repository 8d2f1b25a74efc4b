#include "net/accept.h"

#include "net/accept_now.h"
#include "net/detect.h"
#include "net/probe.h"
#include "net/socket_options.h"
#include "net/wait.h"

#include <errno.h>
#include <unistd.h>

/* Nobody there any more, another was faster, or the client failed between its
 * connect and our accept (accept(2), "Error handling"). */
static bool is_passing(int error)
{
    static const int passing[] = {
        EAGAIN,      EINTR,     ECONNABORTED, EPROTO,      ECONNRESET, ENETDOWN,
        ENOPROTOOPT, EHOSTDOWN, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT,
    };

    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
        if (error == passing[i])
            return true;
    return false;
}

static int failed(int error)
{
    errno = error;
    return NCP_ESYS;
}

/* NCP_OK when a client may be there. */
static int wait_for_client(int listener_fd, int wake_fd, uint64_t deadline_ns)
{
    struct pollfd polled[] = {{.fd = listener_fd, .events = POLLIN},
                              {.fd = wake_fd, .events = POLLIN}};
    int ready = ncp__poll(polled, 2, deadline_ns);

    if (ready < 0)
        return failed(errno);
    if (ready == 0)
        return NCP_ETIMEOUT;
    if (polled[1].revents != 0)
        return NCP_EAGAIN;
    return polled[0].revents & POLLNVAL ? failed(EBADF) : NCP_OK;
}

static void prepare(const struct ncp_config *config, int fd)
{
    struct ncp__socket_options options;
    int protocol, ip;

    ncp__detect(fd, &protocol, &ip);
    ncp__socket_options_read(config, &options);
    ncp__socket_options_apply(fd, protocol, &options);
}

int ncp__accept(const struct ncp_config *config, int listener_fd, int wake_fd,
                int64_t timeout_ms, int *out_fd)
{
    uint64_t deadline = ncp__deadline_in(timeout_ms);

    *out_fd = -1;
    if (listener_fd < 0)
        return failed(EBADF);
    for (;;) {
        int status = wait_for_client(listener_fd, wake_fd, deadline);
        if (status != NCP_OK)
            return status;

        int fd = ncp__accept_now(listener_fd);
        if (fd < 0 && !is_passing(-fd))
            return failed(-fd);
        if (fd >= 0 && !ncp__client_gone(fd)) {
            prepare(config, fd);
            *out_fd = fd;
            return NCP_OK;
        }
        if (fd >= 0)
            close(fd);
    }
}
