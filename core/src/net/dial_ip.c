#include "net/dial.h"
#include "net/race.h"
#include "net/resolve.h"
#include "net/wait.h"

#include <errno.h>
#include <unistd.h>

static int dial_failed(struct ncp__failure *failure, const char *step, int code)
{
    *failure = (struct ncp__failure){.code = code, .step = step};
    return -1;
}

/* 0, or -1: the addresses to try, in order. */
static int find_addresses(const struct ncp__dialing *dialing,
                          struct ncp__addresses *out,
                          struct ncp__failure *failure)
{
    int code = ncp__resolve(dialing->target, false, out);

    if (code != 0) {
        dial_failed(failure, "resolve", ncp__resolve_errno(code));
        failure->reason = ncp__resolve_text(code);
        return -1;
    }
    if (ncp__deadline_passed(dialing->deadline_ns))
        return dial_failed(failure, "resolve", ETIMEDOUT);
    ncp__addresses_prefer_ip(out, dialing->ip);
    ncp__addresses_interleave(out);
    return 0;
}

int ncp__dial_tcp(const struct ncp__dialing *dialing,
                  struct ncp__failure *failure)
{
    struct ncp__addresses addresses;
    int fd, blamed;

    if (find_addresses(dialing, &addresses, failure) != 0)
        return -1;

    const struct ncp__race race = {.addresses = &addresses,
                                   .options = dialing->options,
                                   .stagger_ms = dialing->stagger_ms,
                                   .deadline_ns = dialing->deadline_ns,
                                   .dial = dialing->dial};
    int code = ncp__race(&race, &fd, &blamed);
    if (code == 0)
        return fd;
    dial_failed(failure, "connect to", code);
    if (blamed >= 0)
        failure->address = addresses.item[blamed];
    return -1;
}

/* The descriptor, or minus the errno. */
static int connect_udp(const struct ncp__address *to,
                       const struct ncp__socket_options *options)
{
    int fd = socket(to->at.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    ncp__socket_options_apply(fd, NCP_PROTOCOL_UDP, options);
    if (connect(fd, &to->at.any, to->size) == 0)
        return fd;

    int error = errno;
    close(fd);
    return -error;
}

int ncp__dial_udp(const struct ncp__dialing *dialing,
                  struct ncp__failure *failure)
{
    struct ncp__addresses addresses;
    int fd = -1;

    if (find_addresses(dialing, &addresses, failure) != 0)
        return -1;
    for (int i = 0; i < addresses.count; i++) {
        fd = connect_udp(&addresses.item[i], dialing->options);
        if (fd >= 0)
            return fd;
        dial_failed(failure, "connect to", -fd);
        failure->address = addresses.item[i];
    }
    return -1;
}
