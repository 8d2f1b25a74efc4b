/* Reservations: dials that the host does, and what comes of them. */
#include "pool/pull.h"

/* The slot of a reservation that was told and has not ended. Lock held. */
static struct ncp__slot *told_locked(ncp_pool *pool, ncp_lease reservation)
{
    struct ncp__slot *slot = ncp__slot_of(&pool->engine.slots, reservation);
    uint64_t word =
        ncp__word(ncp__token_generation(reservation), NCP__CREATING);

    if (slot == NULL || ncp__cold(slot)->work != 0 ||
        atomic_load_explicit(&slot->word, memory_order_acquire) != word)
        return NULL;
    return slot;
}

/* Takes a reservation from its host: its number is used up. */
static int claim_reservation(ncp_pool *pool, ncp_lease reservation,
                             uint32_t *index)
{
    uint64_t generation = ncp__token_generation(reservation);
    uint64_t word = ncp__word(generation, NCP__CREATING);

    if (!pool->pull)
        return NCP_ESTATE;
    ncp__engine_lock(&pool->engine);
    struct ncp__slot *slot = told_locked(pool, reservation);
    bool ours = slot != NULL &&
                atomic_compare_exchange_strong_explicit(
                    &slot->word, &word,
                    ncp__word(ncp__next_generation(generation), NCP__CREATING),
                    memory_order_acq_rel, memory_order_relaxed);
    ncp__engine_unlock(&pool->engine);
    *index = ncp__token_index(reservation);
    return ours ? NCP_OK : NCP_EINVALIDCONN;
}

/* Whose dial it is, if the caller's own. */
static struct ncp__waiter *bound_owner(ncp_pool *pool, uint32_t index)
{
    struct ncp__slot *slot = ncp__engine_slot(&pool->engine, index);

    ncp__engine_lock(&pool->engine);
    struct ncp__waiter *owner =
        ncp__cold(slot)->dial_kind == NCP__DIAL_BOUND ? slot->of.owner : NULL;
    ncp__engine_unlock(&pool->engine);
    return owner;
}

static int dialed(ncp_pool *pool, ncp_lease reservation,
                  const struct ncp__made *made, uint64_t *out)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;

    ncp__engine_lock(engine);
    struct ncp__slot *slot = told_locked(pool, reservation);
    if (slot != NULL) {
        ncp__dialed_locked(engine, slot, made, ncp__engine_now(engine), &acts);
        *out = ncp__cold(slot)->id;
    }
    ncp__engine_unlock(engine);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    return slot == NULL ? NCP_EINVALIDCONN : NCP_OK;
}

int ncp_pool_dialed(ncp_pool *pool, ncp_lease reservation, uint64_t handle,
                    int fd, int protocol, int ip, uint64_t *out)
{
    struct ncp__made made = ncp__made(handle, fd, protocol, ip);
    uint64_t unused;

    out = out == NULL ? &unused : out;
    *out = 0;
    if (pool == NULL)
        return NCP_EINVAL;
    if (!pool->pull)
        return NCP_ESTATE;
    ncp__pool_hold(pool);
    ncp__conn_examine(pool, &made);
    int rc = dialed(pool, reservation, &made, out);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

static int fulfil(ncp_pool *pool, uint32_t index, const struct ncp__made *made,
                  ncp_event *out)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__waiter *owner = bound_owner(pool, index);
    struct ncp__acts acts = NCP__NO_ACTS;
    uint64_t now_ns = ncp__engine_now(engine);
    struct ncp__pending pending;

    ncp__engine_dialed(engine, index, made, now_ns, &acts);
    ncp__conn_created(pool, ncp__engine_slot(engine, index));
    if (owner == NULL) {
        ncp__engine_connected(engine, index, now_ns, &acts);
        ncp__pool_act(pool, &acts, NCP__NO_SLOT);
        return ncp__engine_closed(engine) ? NCP_ECLOSED : NCP_OK;
    }
    pending = ncp__pull_name(pool, owner);
    bool stood = ncp__engine_bound_connected(engine, index, now_ns, &acts);
    return ncp__pull_answer_or_pend(pool, owner, stood, &pending, &acts, out);
}

int ncp_pool_fulfil(ncp_pool *pool, ncp_lease reservation, uint64_t handle,
                    int fd, int protocol, int ip, ncp_event *out)
{
    struct ncp__made made = ncp__made(handle, fd, protocol, ip);
    ncp_event unused;
    uint32_t index;

    out = out == NULL ? &unused : out;
    ncp__event_clear(out, pool);
    if (pool == NULL)
        return NCP_EINVAL;
    int rc = claim_reservation(pool, reservation, &index);
    if (rc != NCP_OK)
        return rc;
    ncp__pool_hold(pool);
    ncp__conn_examine(pool, &made);
    rc = fulfil(pool, index, &made, out);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}

static int fail(ncp_pool *pool, uint32_t index, int status, int64_t code,
                const char *text, ncp_event *out)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__waiter *owner = bound_owner(pool, index);
    struct ncp__acts acts = NCP__NO_ACTS;
    uint64_t now_ns = ncp__engine_now(engine);
    struct ncp__pending pending;

    ncp__log(pool, NCP_LOG_WARN, 0,
             "event=dial_failed status=%s code=%lld text=\"%s\"",
             ncp_status_name(status), (long long)code,
             text == NULL ? "" : text);
    if (owner == NULL) {
        ncp__engine_dial_failed(engine, index, status, code, text, now_ns,
                                &acts);
        ncp__pool_act(pool, &acts, NCP__NO_SLOT);
        return NCP_OK;
    }
    pending = ncp__pull_name(pool, owner);
    bool stood = ncp__engine_bound_failed(engine, index, status, code, text,
                                          now_ns, &acts);
    int rc = ncp__pull_answer_or_pend(pool, owner, stood, &pending, &acts, out);
    /* The caller knows how it failed; NONE says that the get is over. */
    return rc == status ? NCP_OK : rc;
}

static bool is_failure(int status)
{
    return status == NCP_EDIAL || status == NCP_EUSER || status == NCP_EHOOK ||
           status == NCP_EINVALIDCONN || status == NCP_ECANCELED;
}

int ncp_pool_fail(ncp_pool *pool, ncp_lease reservation, int status,
                  int64_t code, const char *text, ncp_event *out)
{
    ncp_event unused;
    uint32_t index;

    out = out == NULL ? &unused : out;
    ncp__event_clear(out, pool);
    if (pool == NULL || !is_failure(status))
        return NCP_EINVAL;
    int rc = claim_reservation(pool, reservation, &index);
    if (rc != NCP_OK)
        return rc;
    ncp__pool_hold(pool);
    rc = fail(pool, index, status, code, text, out);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    return rc;
}
