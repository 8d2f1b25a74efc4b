#include "net/accept.h"

#include "net/detect.h"
#include "net/probe.h"
#include "net/socket_options.h"
#include "net/wait.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static int bad_descriptor(void)
{
    errno = EBADF;
    return NCP_ESYS;
}

int ncp__wait_client(int listener_fd, int wake_fd, int64_t timeout_ms)
{
    struct pollfd polled[] = {{.fd = listener_fd, .events = POLLIN},
                              {.fd = wake_fd, .events = POLLIN}};

    if (listener_fd < 0)
        return bad_descriptor();
    int ready = ncp__poll(polled, 2, ncp__deadline_in(timeout_ms));
    if (ready < 0)
        return NCP_ESYS;
    if (ready == 0)
        return NCP_ETIMEOUT;
    if (polled[1].revents != 0)
        return NCP_EAGAIN;
    return polled[0].revents & POLLNVAL ? bad_descriptor() : NCP_OK;
}

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

static void prepare(const struct ncp_config *config, int fd)
{
    struct ncp__socket_options options;
    int protocol, ip;

    ncp__detect(fd, &protocol, &ip);
    ncp__socket_options_read(config, &options);
    ncp__socket_options_apply(fd, protocol, &options);
}

int ncp__accept(const struct ncp_config *config, int listener_fd, int *out_fd)
{
    int fd = accept4(listener_fd, NULL, NULL, SOCK_CLOEXEC);

    *out_fd = -1;
    if (fd < 0)
        return is_passing(errno) ? NCP_EAGAIN : NCP_ESYS;
    if (ncp__client_gone(fd)) {
        close(fd);
        return NCP_EAGAIN;
    }
    prepare(config, fd);
    *out_fd = fd;
    return NCP_OK;
}
