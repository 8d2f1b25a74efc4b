/* What is done to one connection: callbacks, and the ways of closing it. */
#include "pool/pool.h"

int ncp__conn_ask(const struct ncp_conn *conn, int callback, int reason,
                  int failure, int64_t *code)
{
    const struct ncp__hook *hook = conn->pool->config.conn[callback];

    *code = 0;
    if (hook == NULL)
        return NCP_OK;
    int rc = hook->fn.conn(hook->user, conn, reason);
    if (rc == NCP_OK || rc == NCP_EUSER)
        return rc;
    *code = rc > 0 ? rc : 0;
    return failure;
}

int ncp__conn_call(const struct ncp_conn *conn, int callback, int reason,
                   int failure)
{
    int64_t code;

    return ncp__conn_ask(conn, callback, reason, failure, &code);
}

static int close_descriptor(const struct ncp_conn *conn)
{
    const struct ncp__cold *cold = ncp__cold(conn->slot);

    if (cold->fd < 0)
        return NCP_OK;
    int error = ncp__net.close(cold->fd);
    if (error == 0)
        return NCP_OK;
    ncp__log(conn->pool, NCP_LOG_ERROR, cold->id, "event=close_failed errno=%d",
             error);
    return NCP_ECLOSEHOOK;
}

/* The closer, or close(2): once a connection. The slot forgets the descriptor
 * first: a child forked meanwhile must not close what its number has become. */
static int let_go(const struct ncp_conn *conn, int reason)
{
    struct ncp__slot_copy copy;
    struct ncp_conn view = {conn->pool, &copy.slot, conn->index};

    ncp__slot_view(&copy, conn->slot);
    /* Who looks at leases may still look at this one. */
    __atomic_store_n(&ncp__cold(conn->slot)->fd, -1, __ATOMIC_RELAXED);
    if (conn->pool->config.conn[NCP_CALLBACK_CLOSER] == NULL)
        return close_descriptor(&view);
    int rc = ncp__conn_call(&view, NCP_CALLBACK_CLOSER, reason, NCP_ECLOSEHOOK);
    if (rc != NCP_OK)
        ncp__log(conn->pool, NCP_LOG_ERROR, copy.cold.id,
                 "event=close_failed reason=%s status=%s",
                 ncp_reason_text(reason), ncp_status_name(rc));
    return rc;
}

static void announce(const struct ncp_conn *conn, int reason)
{
    const struct ncp__slot *slot = conn->slot;
    const struct ncp__cold *cold = ncp__cold(slot);

    ncp__log(conn->pool, NCP_LOG_DEBUG, cold->id,
             "event=close reason=%s protocol=%s ip=%s", ncp_reason_text(reason),
             ncp_protocol_text(cold->protocol), ncp_ip_text(cold->ip));
    (void)ncp__conn_call(conn, NCP_CALLBACK_ON_CLOSE, reason, NCP_EHOOK);
}

int ncp__conn_close(const struct ncp_conn *conn, int reason)
{
    announce(conn, reason);
    return let_go(conn, reason);
}

bool ncp__conn_take_away(ncp_pool *pool, uint32_t index, uint64_t generation,
                         enum ncp__state state, int reason,
                         struct ncp__slot_copy *copy)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp__cold *cold = ncp__cold(slot);
    struct ncp_conn conn = {pool, &copy->slot, index};
    struct ncp__acts acts = NCP__NO_ACTS;
    uint64_t now_ns = ncp__engine_now(engine);

    ncp__engine_lock(engine);
    /* While the host looks at it the borrow has not begun. */
    bool begun = (atomic_load_explicit(&slot->flags, memory_order_relaxed) &
                  NCP__FLAG_BORROW_CHECK) == 0;
    bool ours = begun && ncp__take_away_locked(engine, index, generation, state,
                                               now_ns, &acts);
    if (ours) {
        cold->reason = (uint8_t)reason;
        ncp__slot_view(copy, slot); /* the borrower may put it any moment */
        /* Under the lock, which a put takes before it closes the descriptor. */
        if (cold->fd >= 0 && !pool->pull)
            ncp__net.shutdown(cold->fd);
    }
    ncp__engine_unlock(engine);
    if (ours && pool->pull)
        ncp__pull_work(pool, index, NCP_EVENT_CLOSE);
    else if (ours)
        announce(&conn, reason);
    if (ours && !pool->pull && copy->cold.fd < 0)
        (void)let_go(&conn, reason);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    return ours;
}

int ncp__conn_taken_back(ncp_pool *pool, uint32_t index)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp__cold *cold = ncp__cold(slot);
    struct ncp_conn conn = {pool, slot, index};
    struct ncp__acts acts = NCP__NO_ACTS;
    int rc = NCP_OK;

    ncp__engine_lock(engine); /* who took it away is done with it */
    bool to_close = cold->fd >= 0 && !pool->pull;
    bool to_tell = cold->work != 0; /* pull: its CLOSE event frees the slot */
    if (to_tell)
        ncp__mark_closing_locked(slot);
    ncp__engine_unlock(engine);
    if (to_tell)
        return NCP_OK;
    if (to_close)
        rc = let_go(&conn, cold->reason);
    ncp__engine_taken_back(engine, index, &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    return rc;
}

void ncp__conn_abandoned(ncp_pool *pool, uint32_t index)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp__slot_copy copy = {.cold.fd = -1};
    struct ncp_conn conn = {pool, &copy.slot, index};

    ncp__engine_lock(engine);
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
    enum ncp__state state = ncp__word_state(word);
    if (state == NCP__EVICTED || state == NCP__TAKEN) {
        ncp__slot_view(&copy, slot);
        ncp__cold(slot)->fd = -1;
    }
    ncp__engine_unlock(engine);
    if (copy.cold.fd >= 0 && !pool->pull)
        (void)let_go(&conn, copy.cold.reason);
}

void ncp__conn_examine(const ncp_pool *pool, struct ncp__made *made)
{
    if (ncp__pool_num(pool, NCP_OPTION_RESTORE_BLOCKING) != 0 && made->fd >= 0)
        made->nonblocking = ncp__net.nonblocking(made->fd) == 1;
    made->datagram = ncp__is_datagram(made->fd);
}

void ncp__conn_created(const ncp_pool *pool, const struct ncp__slot *slot)
{
    const struct ncp__cold *cold = ncp__cold(slot);

    ncp__log(pool, NCP_LOG_DEBUG, cold->id, "event=create protocol=%s ip=%s",
             ncp_protocol_text(cold->protocol), ncp_ip_text(cold->ip));
}

bool ncp__is_datagram(int fd)
{
    int protocol = NCP_PROTOCOL_UNKNOWN, ip;

    if (fd >= 0)
        ncp__net.detect(fd, &protocol, &ip);
    return protocol == NCP_PROTOCOL_UDP;
}
