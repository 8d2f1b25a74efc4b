#include "net/detect.h"

#include "net/address.h"

#include <netinet/in.h>

/* A number of SOL_SOCKET, -1 when fd is no socket. */
static int socket_number(int fd, int name)
{
    int value = -1;
    socklen_t size = sizeof value;

    return getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

/* The address of the peer, or the own one while there is none. */
static void find_address(int fd, union ncp__sockaddr *out)
{
    socklen_t size = sizeof *out;

    if (getpeername(fd, &out->any, &size) == 0)
        return;
    size = sizeof *out;
    if (getsockname(fd, &out->any, &size) != 0)
        out->any.sa_family = AF_UNSPEC;
}

/* A type alone does not tell: SCTP streams too, and ICMP has datagrams. */
static int protocol_of(int fd)
{
    int type = socket_number(fd, SO_TYPE);
    int number = socket_number(fd, SO_PROTOCOL);

    if (type == SOCK_DGRAM && number == IPPROTO_UDP)
        return NCP_PROTOCOL_UDP;
    if (type == SOCK_STREAM &&
        (number == IPPROTO_TCP || number == IPPROTO_MPTCP))
        return NCP_PROTOCOL_TCP;
    return NCP_PROTOCOL_UNKNOWN;
}

void ncp__detect(int fd, int *protocol, int *ip)
{
    union ncp__sockaddr at = {0};

    find_address(fd, &at);
    *ip = ncp__address_ip(&at);
    *protocol = *ip == NCP_IP_UNKNOWN ? NCP_PROTOCOL_UNKNOWN : protocol_of(fd);
}

int ncp_fd_detect(int fd, int *protocol, int *ip)
{
    int found_protocol = NCP_PROTOCOL_UNKNOWN;
    int found_ip = NCP_IP_UNKNOWN;

    if (fd >= 0)
        ncp__detect(fd, &found_protocol, &found_ip);
    if (protocol != NULL)
        *protocol = found_protocol;
    if (ip != NULL)
        *ip = found_ip;
    return fd < 0 ? NCP_EINVAL : NCP_OK;
}
