/* Carrying out what the engine decided: with no lock held. */
#include "pool/pool.h"

/* The first of a list linked by cold.link, taken out. */
static uint32_t pop(const ncp_pool *pool, uint32_t *head)
{
    uint32_t index = *head;

    if (index != NCP__NO_SLOT)
        *head = ncp__cold(ncp__engine_slot(&pool->engine, index))->link;
    return index;
}

/* In a pull pool the host dials: for a ticket its queue, else the pool's. */
static void start_dial(ncp_pool *pool, uint32_t index)
{
    if (pool->pull)
        ncp__pull_work(pool, index, NCP_EVENT_DIAL);
    else
        ncp__service_job(pool, index);
}

static void start_dials(ncp_pool *pool, struct ncp__acts *acts)
{
    uint32_t index;

    while ((index = pop(pool, &acts->dial_head)) != NCP__NO_SLOT)
        start_dial(pool, index);
    acts->dial_tail = NCP__NO_SLOT;
}

/* A closer may take its time: some threads leave it to a worker. */
static bool close_elsewhere(const ncp_pool *pool)
{
    return ncp__service_defers_closes() &&
           (pool->config.conn[NCP_CALLBACK_CLOSER] != NULL ||
            pool->config.conn[NCP_CALLBACK_ON_CLOSE] != NULL);
}

/* Slots whose connections are closed, linked by cold.link. */
struct closed {
    uint32_t head;
    uint32_t count;
};

/* How many closes of a closed pool may wait for the engine to hear of them. */
enum { CLOSED_AT_ONCE = 64 };

static void tell_closed(ncp_pool *pool, struct closed *closed,
                        struct ncp__acts *acts)
{
    struct ncp__engine *engine = &pool->engine;

    if (closed->count != 0)
        ncp__engine_closed_some(engine, closed->head, ncp__engine_now(engine),
                                acts);
    *closed = (struct closed){NCP__NO_SLOT, 0};
}

static int close_one(ncp_pool *pool, uint32_t index, struct closed *closed)
{
    struct ncp_conn conn = {pool, ncp__engine_slot(&pool->engine, index),
                            index};

    if (pool->pull) {
        ncp__pull_work(pool, index, NCP_EVENT_CLOSE);
        return NCP_OK;
    }
    if (close_elsewhere(pool)) {
        ncp__service_job(pool, index);
        return NCP_OK;
    }
    int rc = ncp__conn_close(&conn, ncp__cold(conn.slot)->reason);
    ncp__cold(conn.slot)->link = closed->head;
    closed->head = index;
    closed->count++;
    return rc;
}

static int close_all(ncp_pool *pool, struct ncp__acts *acts, uint32_t mine)
{
    struct closed closed = {NCP__NO_SLOT, 0};
    int status = NCP_OK;
    uint32_t index;

    while ((index = pop(pool, &acts->close_head)) != NCP__NO_SLOT) {
        int rc = close_one(pool, index, &closed);
        if (status == NCP_OK && (mine == NCP__NO_SLOT || mine == index))
            status = rc;
        mine = mine == index ? NCP__MAX_SLOTS : mine; /* once */
        if (closed.count == CLOSED_AT_ONCE ||
            !ncp__engine_closed(
                &pool->engine)) /* somebody may want the place */
            tell_closed(pool, &closed, acts);
    }
    tell_closed(pool, &closed, acts);
    return status;
}

static void tell_signal(ncp_pool *pool)
{
    struct ncp__engine *engine = &pool->engine;

    /* Seq_cst: pairs with ncp__pool_wait, which announces itself first. */
    atomic_fetch_add_explicit(&engine->signal, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&engine->signal_waiters, memory_order_seq_cst) !=
        0)
        ncp__unpark(&engine->signal);
}

int ncp__pool_act(ncp_pool *pool, struct ncp__acts *acts, uint32_t mine)
{
    int status = NCP_OK;

    while (!ncp__acts_empty(acts)) {
        bool nobody_needs = acts->nobody_needs, signal = acts->signal;
        bool due_changed = acts->due_changed;

        acts->nobody_needs = acts->signal = acts->due_changed = false;
        ncp__engine_wake(acts, ncp__pull_notify, pool);
        start_dials(pool, acts);
        if (nobody_needs && pool->accepts)
            ncp__dial_interrupt(pool);
        int rc = close_all(pool, acts, mine);
        status = status == NCP_OK ? rc : status;
        if (due_changed)
            ncp__upkeep_soon(pool);
        if (signal)
            tell_signal(pool);
    }
    return status;
}
