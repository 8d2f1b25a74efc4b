/*
 * When the next dial may begin: a rate limit (token bucket), a back-off with
 * decorrelated jitter, and a circuit breaker with a single probe. Pure
 * arithmetic on times it is given; guarded by the engine's lock.
 */
#ifndef NCP_ENGINE_GATEKEEPER_H
#define NCP_ENGINE_GATEKEEPER_H

#include "engine/base.h"

enum ncp__breaker {
    NCP__BREAKER_CLOSED = 0,
    NCP__BREAKER_OPEN = 1,   /* nobody dials until the cool-down ends */
    NCP__BREAKER_PROBING = 2 /* one dial is under way to find out */
};

struct ncp__gatekeeper {
    /* settings, changed under the lock */
    uint64_t rate;                       /* dials a second, 0 no limit */
    uint64_t burst;                      /* at least 1 */
    uint64_t backoff_ns, backoff_max_ns; /* 0 none */
    uint64_t breaker_failures;           /* 0 no breaker */
    uint64_t cooldown_ns;
    /* state */
    uint64_t token_at_ns;   /* when the bucket would be empty, virtually */
    uint64_t not_before_ns; /* back-off */
    uint64_t pause_ns;      /* the last one drawn */
    uint64_t failures;      /* in a row */
    uint64_t trips;
    uint64_t open_until_ns;
    uint64_t random;
    enum ncp__breaker breaker;
};

void ncp__gatekeeper_init(struct ncp__gatekeeper *gatekeeper, uint64_t seed);

/* NCP_OK: a dial may begin now, and is accounted for. NCP_EAGAIN: not before
 * *retry_ns. NCP_EBREAKER: not before *retry_ns because the breaker is open;
 * *retry_ns is NCP__NEVER while the probe is under way. */
int ncp__gatekeeper_ask(struct ncp__gatekeeper *gatekeeper, uint64_t now_ns,
                        uint64_t *retry_ns);
void ncp__gatekeeper_success(struct ncp__gatekeeper *gatekeeper);
void ncp__gatekeeper_failure(struct ncp__gatekeeper *gatekeeper,
                             uint64_t now_ns);
/* A dial ended without telling anything about the peer. */
void ncp__gatekeeper_void(struct ncp__gatekeeper *gatekeeper);

/* A number below `bound`; bound is not 0. */
uint64_t ncp__random_below(uint64_t *state, uint64_t bound);

#endif
