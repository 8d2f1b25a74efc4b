#include "net/address.h"
#include "net/resolve.h"
#include "net/target.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void set_on(int fd, int level, int name, int on)
{
    (void)setsockopt(fd, level, name, &on, sizeof on);
}

/* tcp:// on an IPv6 wildcard takes IPv4 clients too, on every system alike. */
static void set_listen_options(int fd, const struct ncp__target *target,
                               int family)
{
    if (target->protocol == NCP_PROTOCOL_TCP)
        set_on(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (family == AF_INET6)
        set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY, target->family == AF_INET6);
}

/* The listener, or minus the errno. It does not block: several pools, threads
 * or processes may then accept from it, and none gets stuck when another was
 * faster. */
static int listen_at(const struct ncp__target *target,
                     const struct ncp__address *at, int backlog)
{
    int family = at->at.any.sa_family;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    set_listen_options(fd, target, family);
    if (bind(fd, &at->at.any, at->size) == 0 && listen(fd, backlog) == 0)
        return fd;

    int error = errno;
    close(fd);
    return -error;
}

static int listen_local(const struct ncp__target *target, int backlog)
{
    struct ncp__address at = {.at.local.sun_family = AF_UNIX,
                              .size = sizeof at.at.local};

    strcpy(at.at.local.sun_path, target->path);
    return listen_at(target, &at, backlog);
}

static int listen_tcp(const struct ncp__target *target, int backlog)
{
    struct ncp__addresses addresses;
    int code = ncp__resolve(target, true, &addresses);

    if (code != 0)
        return -ncp__resolve_errno(code);

    int fd = -1;
    for (int i = 0; i < addresses.count && fd < 0; i++)
        fd = listen_at(target, &addresses.item[i], backlog);
    return fd;
}

int ncp_listen(const char *target, int backlog, int *out)
{
    struct ncp__target parsed;

    if (out == NULL)
        return NCP_EINVAL;
    *out = -1;
    if (target == NULL || backlog < 1)
        return NCP_EINVAL;

    int status = ncp__target_parse(target, 0, &parsed, NULL, 0);
    if (status != NCP_OK)
        return status;
    if (parsed.protocol == NCP_PROTOCOL_UDP)
        return NCP_EINVALIDCONFIG;

    int fd = parsed.protocol == NCP_PROTOCOL_TCP
                 ? listen_tcp(&parsed, backlog)
                 : listen_local(&parsed, backlog);
    if (fd < 0) {
        errno = -fd;
        return NCP_ESYS;
    }
    *out = fd;
    return NCP_OK;
}
