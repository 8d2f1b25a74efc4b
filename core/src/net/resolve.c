#include "net/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>

static int socket_type(const struct ncp__target *target)
{
    return target->protocol == NCP_PROTOCOL_UDP ? SOCK_DGRAM : SOCK_STREAM;
}

int ncp__resolve(const struct ncp__target *target, bool passive,
                 struct ncp__addresses *out)
{
    struct addrinfo hints = {.ai_family = target->family,
                             .ai_socktype = socket_type(target),
                             .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char port[8];

    out->count = 0;
    if (passive)
        hints.ai_flags |= AI_PASSIVE;
    snprintf(port, sizeof port, "%u", target->port);

    int code = getaddrinfo(target->host, port, &hints, &found);
    if (code != 0)
        return code;
    for (const struct addrinfo *a = found; a != NULL; a = a->ai_next)
        ncp__addresses_add(out, a->ai_addr, a->ai_addrlen);
    freeaddrinfo(found);
    return out->count > 0 ? 0 : EAI_NONAME;
}

int ncp__resolve_errno(int code)
{
    switch (code) {
    case EAI_SYSTEM:
        return errno;
    case EAI_AGAIN:
        return EAGAIN;
    case EAI_MEMORY:
        return ENOMEM;
    default:
        return EHOSTUNREACH;
    }
}

const char *ncp__resolve_text(int code)
{
    return code == EAI_SYSTEM ? NULL : gai_strerror(code);
}
