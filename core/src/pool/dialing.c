/* Running a dialer or an acceptor for a reserved slot. */
#include "pool/pool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct ncp_dial {
    ncp_pool *pool;
    uint64_t deadline_ns; /* the caller's */
    uint64_t timeout_ns;  /* connection_timeout */
    int protocol, ip, attempt;
    /* result */
    bool done;
    bool nonblocking;
    struct ncp__made made;
    int64_t code;
    char text[121];
};

/* ---------------------------------------------------------- what dialers call */

int ncp_dial_protocol(const ncp_dial *dial)
{
    return dial == NULL ? NCP_PROTOCOL_UNKNOWN : dial->protocol;
}

int ncp_dial_ip(const ncp_dial *dial)
{
    return dial == NULL ? NCP_IP_UNKNOWN : dial->ip;
}

static int64_t left_ms(const ncp_dial *dial, uint64_t end_ns)
{
    return end_ns == NCP__NEVER
               ? INT64_MAX
               : ncp__ms_until(ncp__engine_now(&dial->pool->engine), end_ns);
}

int64_t ncp_dial_deadline_ms(const ncp_dial *dial)
{
    if (dial == NULL)
        return 0;
    return left_ms(dial, dial->deadline_ns < dial->timeout_ns
                             ? dial->deadline_ns
                             : dial->timeout_ns);
}

int64_t ncp_dial_timeout_ms(const ncp_dial *dial)
{
    return dial == NULL ? 0 : left_ms(dial, dial->timeout_ns);
}

int ncp_dial_attempt(const ncp_dial *dial)
{
    return dial == NULL ? 0 : dial->attempt;
}

int ncp_dial_listener_fd(const ncp_dial *dial)
{
    if (dial == NULL ||
        ncp__pool_num(dial->pool, NCP_OPTION_MODE) != NCP_MODE_SERVER)
        return -1;
    return (int)ncp__pool_num(dial->pool, NCP_OPTION_LISTENER_FD);
}

int ncp_dial_stopped(const ncp_dial *dial)
{
    return dial != NULL && ncp__engine_closed(&dial->pool->engine);
}

int ncp_dial_done(ncp_dial *dial, uint64_t handle, int fd, int protocol, int ip)
{
    if (dial == NULL)
        return NCP_EINVAL;
    dial->made = ncp__made(handle, fd, protocol, ip);
    dial->done = true;
    return NCP_OK;
}

int ncp_dial_done_fd(ncp_dial *dial, int fd)
{
    int protocol, ip;

    if (dial == NULL || fd < 0)
        return NCP_EINVAL;
    ncp__net.detect(fd, &protocol, &ip);
    return ncp_dial_done(dial, (uint64_t)fd, fd, protocol, ip);
}

void ncp_dial_fail(ncp_dial *dial, int64_t code, const char *text)
{
    if (dial == NULL)
        return;
    dial->code = code;
    snprintf(dial->text, sizeof(dial->text), "%s", text == NULL ? "" : text);
}

/* Whether it is still wanted after waiting for a worker or for a client; when
 * not, it has been ended. */
static bool still_wanted(ncp_pool *pool, uint32_t index)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;
    bool wanted =
        ncp__engine_dial_wanted(engine, index, ncp__engine_now(engine), &acts);

    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    return wanted;
}

/* ------------------------------------------------------------------- accepting */

void ncp__dial_interrupt(const ncp_pool *pool)
{
    if (pool->wake.fd >= 0)
        ncp__alarm_ring(&pool->wake);
}

/* Such as "accept: Too many open files". */
static int accept_failed(ncp_dial *dial, const char *call)
{
    int error = errno;
    char buffer[64], text[sizeof(dial->text)];

    snprintf(text, sizeof(text), "%s: %s", call,
             strerror_r(error, buffer, sizeof(buffer)));
    ncp_dial_fail(dial, error, text);
    return NCP_EDIAL;
}

/* Accepts from the listener for as long as somebody waits: they may all have
 * left meanwhile, so that is asked before a client is taken. NCP_ECANCELED: the
 * dial was ended, nobody waits. The engine allows one such dial at a time, so no
 * other misses an interrupt that is drained here. */
static int accept_one(ncp_pool *pool, uint32_t index, ncp_dial *dial)
{
    int listener = (int)ncp__pool_num(pool, NCP_OPTION_LISTENER_FD);
    int fd = -1;

    for (;;) {
        int waited = ncp__net.wait_client(listener, pool->wake.fd, -1);
        if (waited == NCP_EAGAIN)
            ncp__alarm_silence(&pool->wake);
        else if (waited != NCP_OK)
            return accept_failed(dial, "poll");
        if (!still_wanted(pool, index))
            return NCP_ECANCELED;
        if (waited == NCP_EAGAIN)
            continue;
        int rc = ncp__net.accept(&pool->config, listener, &fd);
        if (rc == NCP_OK)
            return ncp_dial_done_fd(dial, fd);
        if (rc != NCP_EAGAIN)
            return accept_failed(dial, "accept");
    }
}

/* -------------------------------------------------------------------- one dial */

static void read_request(ncp_pool *pool, uint32_t index, ncp_dial *dial)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp__cold *cold = ncp__cold(slot);

    *dial = (ncp_dial){.pool = pool, .deadline_ns = NCP__NEVER};
    ncp__engine_lock(engine);
    dial->protocol = cold->protocol;
    dial->ip = cold->ip;
    dial->timeout_ns = cold->due_ns;
    if (slot->of.owner != NULL) {
        dial->deadline_ns = slot->of.owner->deadline_ns;
        dial->attempt = slot->of.owner->attempts;
    }
    ncp__engine_unlock(engine);
}

static int call_dialer(ncp_pool *pool, uint32_t index, ncp_dial *dial)
{
    const struct ncp__hook *hook =
        ncp__pool_num(pool, NCP_OPTION_MODE) == NCP_MODE_SERVER
            ? pool->config.acceptor
            : pool->config.dialer;

    if (pool->accepts)
        return accept_one(pool, index, dial);
    int rc = hook->fn.dial(hook->user, dial);
    ncp__service_dialer_ran();
    if (rc == NCP_OK)
        return dial->done ? NCP_OK : NCP_EINVALIDCONN;
    return rc == NCP_EUSER ? rc : NCP_EDIAL;
}

static void fail(ncp_pool *pool, uint32_t index, int status,
                 const ncp_dial *dial)
{
    struct ncp__engine *engine = &pool->engine;
    bool bound = ncp__cold(ncp__engine_slot(engine, index))->dial_kind ==
                 NCP__DIAL_BOUND;
    struct ncp__acts acts = NCP__NO_ACTS;
    const char *text = status == NCP_EINVALIDCONN && dial->text[0] == '\0'
                           ? "the dialer returned no connection"
                           : dial->text;

    ncp__log(pool, NCP_LOG_WARN, 0,
             "event=dial_failed status=%s code=%lld text=\"%s\"",
             ncp_status_name(status), (long long)dial->code, text);
    if (bound)
        (void)ncp__engine_bound_failed(engine, index, status, dial->code, text,
                                       ncp__engine_now(engine), &acts);
    else
        ncp__engine_dial_failed(engine, index, status, dial->code, text,
                                ncp__engine_now(engine), &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
}

/* on_created, with the permit given back. */
static int created(ncp_pool *pool, uint32_t index, ncp_dial *dial)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__acts acts = NCP__NO_ACTS;

    ncp__conn_examine(pool, &dial->made);
    ncp__engine_dialed(engine, index, &dial->made, ncp__engine_now(engine),
                       &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    struct ncp_conn conn = {pool, ncp__engine_slot(engine, index), index};
    int64_t code;
    int rc = ncp__conn_ask(&conn, NCP_CALLBACK_ON_CREATED, NCP_REASON_NONE,
                           NCP_EHOOK, &code);
    if (rc == NCP_OK)
        return rc;
    ncp_dial_fail(dial, code, "on_created refused the connection");
    (void)ncp__conn_close(&conn, NCP_REASON_HOOK);
    return rc;
}

static void succeed(ncp_pool *pool, uint32_t index)
{
    struct ncp__engine *engine = &pool->engine;
    const struct ncp__slot *slot = ncp__engine_slot(engine, index);
    struct ncp__acts acts = NCP__NO_ACTS;

    ncp__conn_created(pool, slot);
    if (ncp__cold(slot)->dial_kind == NCP__DIAL_BOUND)
        (void)ncp__engine_bound_connected(engine, index,
                                          ncp__engine_now(engine), &acts);
    else
        ncp__engine_connected(engine, index, ncp__engine_now(engine), &acts);
    ncp__pool_act(pool, &acts, NCP__NO_SLOT);
}

void ncp__dial_run(ncp_pool *pool, uint32_t index)
{
    ncp_dial dial;

    if (!still_wanted(pool, index))
        return;
    read_request(pool, index, &dial);
    int rc = call_dialer(pool, index, &dial);
    if (rc == NCP_ECANCELED)
        return; /* an accept that was ended */
    if (rc == NCP_OK)
        rc = created(pool, index, &dial);
    if (rc == NCP_OK)
        succeed(pool, index);
    else
        fail(pool, index, rc, &dial);
}

/* ----------------------------------------------------------- for pull hosts */

static int dial_for_host(ncp_pool *pool, struct ncp__hook *dialer,
                         ncp_dial *dial, int *out)
{
    int rc = dialer->fn.dial(dialer->user, dial);

    ncp__hook_unref(dialer);
    if (rc != NCP_OK)
        return ncp__engine_closed(&pool->engine) ? NCP_ECLOSED : NCP_EDIAL;
    *out = dial->made.fd;
    return NCP_OK;
}

int ncp_pool_dial_target(ncp_pool *pool, int protocol, int ip,
                         int64_t timeout_ms, int64_t *code, char *text,
                         size_t size, int *out)
{
    struct ncp__hook *dialer;

    if (code != NULL)
        *code = 0;
    if (text != NULL && size > 0)
        text[0] = '\0';
    if (out == NULL)
        return NCP_EINVAL;
    *out = -1;
    if (pool == NULL || timeout_ms == 0 || (text == NULL && size > 0))
        return NCP_EINVAL;
    if (pool->config.text[NCP_OPTION_TARGET] == NULL)
        return NCP_ESTATE;
    int rc = ncp__net.dialer_new(&pool->config, &dialer);
    if (rc != NCP_OK)
        return rc;
    if (timeout_ms < 0)
        timeout_ms = ncp__pool_num(pool, NCP_OPTION_CONNECTION_TIMEOUT);
    uint64_t until_ns =
        ncp__deadline(ncp__engine_now(&pool->engine), timeout_ms);
    ncp_dial dial = {.pool = pool,
                     .protocol = protocol,
                     .ip = ip,
                     .deadline_ns = until_ns,
                     .timeout_ns = until_ns};
    ncp__pool_hold(pool);
    rc = dial_for_host(pool, dialer, &dial, out);
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
    if (code != NULL)
        *code = dial.code;
    if (text != NULL && rc != NCP_OK)
        snprintf(text, size, "%s", dial.text);
    return rc;
}
