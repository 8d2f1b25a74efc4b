/*
 * A configuration: numbers and texts by option, callbacks by reference.
 */
#ifndef NCP_POOL_CONFIG_H
#define NCP_POOL_CONFIG_H

#include "engine/base.h"

enum {
    NCP__OPTION_END = NCP_OPTION_HOST_EVENTS + 1,
    NCP__CALLBACK_END = NCP_CALLBACK_ON_LEAK + 1,
    NCP__REASON_SIZE = 256
};

/* One callback, shared by every configuration and pool that uses it; `drop`
 * runs when the last of them lets go. */
struct ncp__hook {
    atomic_int refs;
    union {
        ncp_dial_fn dial;
        ncp_conn_fn conn;
        ncp_log_fn log;
        ncp_clock_fn clock;
    } fn;
    void *user;
    ncp_drop_fn drop;
};

struct ncp_config {
    int64_t num[NCP__OPTION_END]; /* by option; 0 for text options */
    char *text[NCP__OPTION_END];  /* by option; NULL unless it is a text set */
    struct ncp__hook *dialer;     /* each NULL or one reference */
    struct ncp__hook *acceptor;
    struct ncp__hook *conn[NCP__CALLBACK_END];
    struct ncp__hook *log;
    struct ncp__hook *clock;
    ncp_queue *queue; /* NULL or one reference */
    char reason[NCP__REASON_SIZE];
};

struct ncp__hook *ncp__hook_ref(struct ncp__hook *hook); /* NULL stays NULL */
void ncp__hook_unref(struct ncp__hook *hook);            /* accepts NULL */

/* Fills `config` with what `from` says; on NCP_ENOMEM it is left empty. */
int ncp__config_copy_into(struct ncp_config *config,
                          const struct ncp_config *from);
/* Lets go of everything inside; the struct itself stays. */
void ncp__config_clear(struct ncp_config *config);
/* Checks one option alone against its range; for ncp_pool_set. Returns NCP_OK or
 * NCP_EINVALIDCONFIG with the sentence in `reason` (NCP__REASON_SIZE bytes). */
int ncp__option_check(int option, int64_t value, char *reason);

/* Implemented by the queue (pull driver); both accept NULL. */
ncp_queue *ncp__queue_ref(ncp_queue *queue);
void ncp__queue_unref(ncp_queue *queue);

#endif
