#include "net/dial.h"
#include "net/wait.h"

#include <errno.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static void set_send_timeout_ms(int fd, int64_t ms)
{
    const struct timeval time = {.tv_sec = (time_t)(ms / 1000),
                                 .tv_usec = (suseconds_t)(ms % 1000 * 1000)};

    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
}

/* The end of the wait that connect(2) does for a place in a full queue of the
 * listener: the send timeout. Poll cannot wait for that place. */
static int64_t slice_ms(uint64_t deadline_ns)
{
    uint64_t until = ncp__deadline_or_slice(deadline_ns);
    uint64_t now = ncp__monotonic_ns();

    return until <= now ? 1 : (int64_t)((until - now) / NCP__NS_PER_MS) + 1;
}

/* 0, or an errno. */
static int connect_local(int fd, const struct ncp__dialing *dialing)
{
    union ncp__sockaddr to = {.local.sun_family = AF_UNIX};

    strcpy(to.local.sun_path, dialing->target->path);
    for (;;) {
        if (ncp_dial_stopped(dialing->dial) == 1)
            return ECANCELED;
        if (ncp__deadline_passed(dialing->deadline_ns))
            return ETIMEDOUT;
        set_send_timeout_ms(fd, slice_ms(dialing->deadline_ns));
        if (connect(fd, &to.any, sizeof to.local) == 0)
            return 0;
        if (errno != EAGAIN && errno != EINTR)
            return errno;
    }
}

int ncp__dial_unix(const struct ncp__dialing *dialing,
                   struct ncp__failure *failure)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int error = errno;

    if (fd >= 0) {
        ncp__socket_options_apply(fd, NCP_PROTOCOL_UNKNOWN, dialing->options);
        error = connect_local(fd, dialing);
        if (error == 0) {
            set_send_timeout_ms(fd, 0);
            return fd;
        }
        close(fd);
    }
    *failure = (struct ncp__failure){.code = error, .step = "connect to"};
    return -1;
}
