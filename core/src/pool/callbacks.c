/*
 * The callbacks of a configuration: shared hooks, whose `drop` runs once.
 */
#include "pool/options.h"

struct ncp__hook *ncp__hook_ref(struct ncp__hook *hook)
{
    /* relaxed: who takes a reference holds one already */
    if (hook != NULL)
        atomic_fetch_add_explicit(&hook->refs, 1, memory_order_relaxed);
    return hook;
}

void ncp__hook_unref(struct ncp__hook *hook)
{
    if (hook == NULL)
        return;
    /* acq_rel, pairs with itself: who drops the hook sees what the others
     * did with it before they let go */
    if (atomic_fetch_sub_explicit(&hook->refs, 1, memory_order_acq_rel) > 1)
        return;
    if (hook->drop != NULL)
        hook->drop(hook->user);
    ncp__free(hook);
}

static struct ncp__hook *hook_new(void *user, ncp_drop_fn drop)
{
    struct ncp__hook *hook = ncp__alloc(sizeof *hook);

    if (hook == NULL)
        return NULL;
    atomic_init(&hook->refs, 1);
    hook->user = user;
    hook->drop = drop;
    return hook;
}

/* The call is over and nothing keeps `user`. */
static int hook_refuse(int status, void *user, ncp_drop_fn drop)
{
    if (drop != NULL)
        drop(user);
    return status;
}

/* Puts `hook` in `place`; last, because dropping the old one calls out. */
static int hook_replace(ncp_config *config, struct ncp__hook **place,
                        struct ncp__hook *hook)
{
    struct ncp__hook *old = *place;

    config->reason[0] = '\0';
    *place = hook;
    ncp__hook_unref(old);
    return NCP_OK;
}

static int hook_remove(ncp_config *config, struct ncp__hook **place, void *user,
                       ncp_drop_fn drop)
{
    hook_replace(config, place, NULL);
    return hook_refuse(NCP_OK, user, drop);
}

static int hook_no_memory(ncp_config *config, void *user, ncp_drop_fn drop)
{
    ncp__refuse(config->reason, "the callback is not set: out of memory");
    return hook_refuse(NCP_ENOMEM, user, drop);
}

static int hook_set_dial(ncp_config *config, struct ncp__hook **place,
                         ncp_dial_fn function, void *user, ncp_drop_fn drop)
{
    if (function == NULL)
        return hook_remove(config, place, user, drop);
    struct ncp__hook *hook = hook_new(user, drop);
    if (hook == NULL)
        return hook_no_memory(config, user, drop);
    hook->fn.dial = function;
    return hook_replace(config, place, hook);
}

int ncp_config_set_dialer(ncp_config *config, ncp_dial_fn dial, void *user,
                          ncp_drop_fn drop)
{
    if (config == NULL)
        return hook_refuse(NCP_EINVAL, user, drop);
    return hook_set_dial(config, &config->dialer, dial, user, drop);
}

int ncp_config_set_acceptor(ncp_config *config, ncp_dial_fn acceptor,
                            void *user, ncp_drop_fn drop)
{
    if (config == NULL)
        return hook_refuse(NCP_EINVAL, user, drop);
    return hook_set_dial(config, &config->acceptor, acceptor, user, drop);
}

int ncp_config_set_callback(ncp_config *config, int callback,
                            ncp_conn_fn function, void *user, ncp_drop_fn drop)
{
    if (config == NULL)
        return hook_refuse(NCP_EINVAL, user, drop);
    if (callback < NCP_CALLBACK_CLOSER || callback >= NCP__CALLBACK_END) {
        ncp__refuse(config->reason,
                    "%d is no callback: use a value of enum ncp_callback",
                    callback);
        return hook_refuse(NCP_EINVAL, user, drop);
    }
    if (function == NULL)
        return hook_remove(config, &config->conn[callback], user, drop);
    struct ncp__hook *hook = hook_new(user, drop);
    if (hook == NULL)
        return hook_no_memory(config, user, drop);
    hook->fn.conn = function;
    return hook_replace(config, &config->conn[callback], hook);
}

int ncp_config_set_log(ncp_config *config, ncp_log_fn log, void *user,
                       ncp_drop_fn drop)
{
    if (config == NULL)
        return hook_refuse(NCP_EINVAL, user, drop);
    if (log == NULL)
        return hook_remove(config, &config->log, user, drop);
    struct ncp__hook *hook = hook_new(user, drop);
    if (hook == NULL)
        return hook_no_memory(config, user, drop);
    hook->fn.log = log;
    return hook_replace(config, &config->log, hook);
}

int ncp_config_set_clock(ncp_config *config, ncp_clock_fn clock, void *user,
                         ncp_drop_fn drop)
{
    if (config == NULL)
        return hook_refuse(NCP_EINVAL, user, drop);
    if (clock == NULL)
        return hook_remove(config, &config->clock, user, drop);
    struct ncp__hook *hook = hook_new(user, drop);
    if (hook == NULL)
        return hook_no_memory(config, user, drop);
    hook->fn.clock = clock;
    return hook_replace(config, &config->clock, hook);
}

int ncp_config_set_queue(ncp_config *config, ncp_queue *queue)
{
    if (config == NULL)
        return NCP_EINVAL;
    ncp_queue *old = config->queue;
    config->reason[0] = '\0';
    config->queue = ncp__queue_ref(queue);
    ncp__queue_unref(old);
    return NCP_OK;
}

/* ----------------------------------------------------------- a clock by hand */

uint64_t ncp_manual_clock(void *user)
{
    return __atomic_load_n((const uint64_t *)user, __ATOMIC_ACQUIRE);
}
