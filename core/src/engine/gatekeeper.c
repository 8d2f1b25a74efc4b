#include "engine/gatekeeper.h"

#define NS_PER_SECOND UINT64_C(1000000000)

uint64_t ncp__random_below(uint64_t *state, uint64_t bound)
{
    /* splitmix64: good enough to spread times. */
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (z ^ (z >> 31)) % bound;
}

void ncp__gatekeeper_init(struct ncp__gatekeeper *gatekeeper, uint64_t seed)
{
    gatekeeper->random = seed;
    gatekeeper->breaker = NCP__BREAKER_CLOSED;
}

static int ask_breaker(struct ncp__gatekeeper *gatekeeper, uint64_t now_ns,
                       uint64_t *retry_ns)
{
    if (gatekeeper->breaker == NCP__BREAKER_CLOSED ||
        gatekeeper->breaker_failures == 0)
        return NCP_OK;
    if (gatekeeper->breaker == NCP__BREAKER_PROBING) {
        *retry_ns = NCP__NEVER;
        return NCP_EBREAKER;
    }
    if (now_ns < gatekeeper->open_until_ns) {
        *retry_ns = gatekeeper->open_until_ns;
        return NCP_EBREAKER;
    }
    return NCP_OK;
}

/* The bucket as a time: each dial moves it on by 1/rate, and it may run ahead
 * of the clock by at most burst - 1 dials. */
static int ask_rate(struct ncp__gatekeeper *gatekeeper, uint64_t now_ns,
                    uint64_t *retry_ns)
{
    if (gatekeeper->rate == 0)
        return NCP_OK;
    uint64_t each = NS_PER_SECOND / gatekeeper->rate;
    uint64_t ahead = each * (gatekeeper->burst - 1);

    if (gatekeeper->token_at_ns < now_ns)
        gatekeeper->token_at_ns = now_ns;
    if (gatekeeper->token_at_ns > now_ns + ahead) {
        *retry_ns = gatekeeper->token_at_ns - ahead;
        return NCP_EAGAIN;
    }
    gatekeeper->token_at_ns += each;
    return NCP_OK;
}

int ncp__gatekeeper_ask(struct ncp__gatekeeper *gatekeeper, uint64_t now_ns,
                        uint64_t *retry_ns)
{
    int rc = ask_breaker(gatekeeper, now_ns, retry_ns);

    if (rc != NCP_OK)
        return rc;
    if (gatekeeper->breaker == NCP__BREAKER_CLOSED &&
        now_ns < gatekeeper->not_before_ns) {
        *retry_ns = gatekeeper->not_before_ns;
        return NCP_EAGAIN;
    }
    rc = ask_rate(gatekeeper, now_ns, retry_ns);
    if (rc == NCP_OK && gatekeeper->breaker == NCP__BREAKER_OPEN)
        gatekeeper->breaker = NCP__BREAKER_PROBING;
    return rc;
}

void ncp__gatekeeper_success(struct ncp__gatekeeper *gatekeeper)
{
    gatekeeper->failures = 0;
    gatekeeper->pause_ns = 0;
    gatekeeper->not_before_ns = 0;
    gatekeeper->breaker = NCP__BREAKER_CLOSED;
}

/* Decorrelated jitter: between the base and three times the last pause. */
static void back_off(struct ncp__gatekeeper *gatekeeper, uint64_t now_ns)
{
    uint64_t base = gatekeeper->backoff_ns;
    uint64_t last = gatekeeper->pause_ns < base ? base : gatekeeper->pause_ns;
    uint64_t pause =
        base + ncp__random_below(&gatekeeper->random, last * 3 - base + 1);

    if (pause > gatekeeper->backoff_max_ns)
        pause = gatekeeper->backoff_max_ns;
    gatekeeper->pause_ns = pause;
    gatekeeper->not_before_ns = now_ns + pause;
}

void ncp__gatekeeper_failure(struct ncp__gatekeeper *gatekeeper,
                             uint64_t now_ns)
{
    gatekeeper->failures++;
    if (gatekeeper->backoff_ns != 0)
        back_off(gatekeeper, now_ns);
    if (gatekeeper->breaker_failures == 0)
        return;
    if (gatekeeper->breaker != NCP__BREAKER_PROBING &&
        gatekeeper->failures < gatekeeper->breaker_failures)
        return;
    if (gatekeeper->breaker == NCP__BREAKER_CLOSED)
        gatekeeper->trips++;
    gatekeeper->breaker = NCP__BREAKER_OPEN;
    gatekeeper->open_until_ns = now_ns + gatekeeper->cooldown_ns;
}

void ncp__gatekeeper_void(struct ncp__gatekeeper *gatekeeper)
{
    /* The probe told nothing: the next one may try at once. */
    if (gatekeeper->breaker == NCP__BREAKER_PROBING)
        gatekeeper->breaker = NCP__BREAKER_OPEN;
}
