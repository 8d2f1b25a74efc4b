#include "net/dialer.h"

#include "net/dial.h"
#include "net/wait.h"

struct dialer {
    struct ncp__target target;
    struct ncp__socket_options options;
    int64_t stagger_ms;
};

static int dial_target(const struct ncp__dialing *dialing,
                       struct ncp__failure *failure)
{
    switch (dialing->target->protocol) {
    case NCP_PROTOCOL_TCP:
        return ncp__dial_tcp(dialing, failure);
    case NCP_PROTOCOL_UDP:
        return ncp__dial_udp(dialing, failure);
    default:
        return ncp__dial_unix(dialing, failure);
    }
}

/* The version that was dialed: that of the address of the peer. */
static int peer_ip(int fd)
{
    union ncp__sockaddr peer = {0};
    socklen_t size = sizeof peer;

    if (getpeername(fd, &peer.any, &size) != 0)
        return NCP_IP_UNKNOWN;
    return ncp__address_ip(&peer);
}

static int dial_failed(const struct dialer *dialer, ncp_dial *dial,
                       const struct ncp__failure *failure)
{
    char text[NCP__FAILURE_TEXT];

    ncp__failure_text(failure, &dialer->target, text);
    ncp_dial_fail(dial, failure->code, text);
    return NCP_EDIAL;
}

/* The protocol that is wanted changes nothing: a target has one, and the pool
 * judges the result. It works up to the hard limit, not that of the caller. */
static int dialer_dial(void *user, ncp_dial *dial)
{
    const struct dialer *dialer = user;
    const struct ncp__dialing dialing = {
        .target = &dialer->target,
        .options = &dialer->options,
        .stagger_ms = dialer->stagger_ms,
        .ip = ncp_dial_ip(dial),
        .deadline_ns = ncp__deadline_in(ncp_dial_timeout_ms(dial)),
        .dial = dial,
    };
    struct ncp__failure failure = {0};

    int fd = dial_target(&dialing, &failure);
    if (fd < 0)
        return dial_failed(dialer, dial, &failure);
    return ncp_dial_done(dial, (uint64_t)fd, fd, dialer->target.protocol,
                         peer_ip(fd));
}

int ncp__dialer_new(const struct ncp_config *config, struct ncp__hook **out)
{
    const char *target = config->text[NCP_OPTION_TARGET];

    *out = NULL;
    if (target == NULL)
        return NCP_EINVALIDCONFIG;

    struct dialer *dialer = ncp__alloc(sizeof *dialer);
    struct ncp__hook *hook = ncp__alloc(sizeof *hook);
    int status = dialer == NULL || hook == NULL ? NCP_ENOMEM : NCP_OK;
    if (status == NCP_OK)
        status = ncp__target_parse(target, 1, &dialer->target, NULL, 0);
    if (status != NCP_OK) {
        ncp__free(hook);
        ncp__free(dialer);
        return status;
    }

    ncp__socket_options_read(config, &dialer->options);
    dialer->stagger_ms = config->num[NCP_OPTION_HAPPY_EYEBALLS_DELAY];
    atomic_init(&hook->refs, 1);
    hook->fn.dial = dialer_dial;
    hook->user = dialer;
    hook->drop = ncp__free;
    *out = hook;
    return NCP_OK;
}
