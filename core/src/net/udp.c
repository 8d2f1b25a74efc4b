#include "net/udp.h"

#include "net/detect.h"
#include "net/wait.h"

#include <errno.h>
#include <sys/socket.h>

enum { DEFAULT_TIMEOUT_MS = 100, DEFAULT_PACKETS = 100 };

static bool is_udp(int fd)
{
    int protocol, ip;

    ncp__detect(fd, &protocol, &ip);
    return protocol == NCP_PROTOCOL_UDP;
}

static bool is_readable(int fd)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};

    return ncp__poll(&polled, 1, 0) > 0 && (polled.revents & POLLIN) != 0;
}

/* 1 a datagram, 0 none, -1 an error such as an ICMP answer to what was sent
 * before; the error is gone then. */
static int drop_one(int fd)
{
    char byte;

    if (recv(fd, &byte, sizeof byte, MSG_DONTWAIT) >= 0)
        return 1;
    return errno == EAGAIN ? 0 : -1;
}

/* Errors are limited like packets, so that a socket on which every read fails
 * ends the loop. */
int ncp__udp_drain(int fd, int64_t timeout_ms, int max_packets, int *out)
{
    int most = max_packets > 0 ? max_packets : DEFAULT_PACKETS;
    int errors = 0;

    *out = 0;
    uint64_t deadline =
        ncp__deadline_in(timeout_ms > 0 ? timeout_ms : DEFAULT_TIMEOUT_MS);
    while (*out < most && errors < most) {
        int dropped = drop_one(fd);
        if (dropped == 0)
            return NCP_OK;
        if (dropped > 0)
            (*out)++;
        else
            errors++;
        if (ncp__deadline_passed(deadline))
            break;
    }
    return is_readable(fd) ? NCP_EAGAIN : NCP_OK;
}

int ncp_udp_drain(int fd, int64_t timeout_ms, int max_packets, int *out)
{
    int dropped = 0;
    int status = fd < 0 ? NCP_EINVAL : NCP_OK;

    if (status == NCP_OK && is_udp(fd))
        status = ncp__udp_drain(fd, timeout_ms, max_packets, &dropped);
    if (out != NULL)
        *out = dropped;
    return status;
}

int ncp_udp_has_data(int fd)
{
    if (fd < 0)
        return NCP_EINVAL;
    return is_udp(fd) && is_readable(fd) ? 1 : 0;
}
