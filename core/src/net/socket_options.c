#include "net/socket_options.h"

#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

enum { KEEPALIVE_MAX_S = 32767 }; /* the most that Linux takes */

static int clamp(int64_t value, int max)
{
    if (value <= 0)
        return 0;
    return value < max ? (int)value : max;
}

static int seconds_up(int64_t ms)
{
    return ms <= 0 ? 0 : clamp((ms - 1) / 1000 + 1, KEEPALIVE_MAX_S);
}

void ncp__socket_options_read(const struct ncp_config *config,
                              struct ncp__socket_options *out)
{
    const int64_t *num = config->num;

    out->nodelay = num[NCP_OPTION_TCP_NODELAY] != 0;
    out->keepalive_s = seconds_up(num[NCP_OPTION_TCP_KEEPALIVE]);
    out->send_bytes = clamp(num[NCP_OPTION_SEND_BUFFER], INT_MAX);
    out->receive_bytes = clamp(num[NCP_OPTION_RECEIVE_BUFFER], INT_MAX);
}

static void set(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

static void apply_tcp(int fd, const struct ncp__socket_options *options)
{
    set(fd, IPPROTO_TCP, TCP_NODELAY, options->nodelay);
    set(fd, SOL_SOCKET, SO_KEEPALIVE, options->keepalive_s > 0);
    if (options->keepalive_s == 0)
        return;
    set(fd, IPPROTO_TCP, TCP_KEEPIDLE, options->keepalive_s);
    set(fd, IPPROTO_TCP, TCP_KEEPINTVL, options->keepalive_s);
}

void ncp__socket_options_apply(int fd, int protocol,
                               const struct ncp__socket_options *options)
{
    if (options->send_bytes > 0)
        set(fd, SOL_SOCKET, SO_SNDBUF, options->send_bytes);
    if (options->receive_bytes > 0)
        set(fd, SOL_SOCKET, SO_RCVBUF, options->receive_bytes);
    if (protocol == NCP_PROTOCOL_TCP)
        apply_tcp(fd, options);
}
