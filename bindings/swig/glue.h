/*
 * What the wrappers that SWIG writes need in C, for every language.
 */
#ifndef NCP_SWIG_GLUE_H
#define NCP_SWIG_GLUE_H

#include <netconnpool.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NCP_GLUE_EVENTS = 64,    /* taken out of a queue at once, at most */
    NCP_GLUE_COUNTERS = 128, /* more than there are */
    NCP_GLUE_SENTENCE = 256,
    NCP_GLUE_LINE = 4096, /* of log; a longer one is cut */
    NCP_GLUE_MORE = 64    /* what was measured may have grown meanwhile */
};

/* ----------------------------------------------------------------------- texts */

/* The sentence, unless it is empty; static or borrowed. */
static const char *ncp_glue_sentence(int status, const char *sentence)
{
    return sentence[0] == '\0' ? ncp_status_text(status) : sentence;
}

static const char *ncp_glue_reason(const ncp_config *config, int status)
{
    return ncp_glue_sentence(status, ncp_config_reason(config));
}

static const char *ncp_glue_errno(int status)
{
    return status == NCP_ESYS ? strerror(errno) : ncp_status_text(status);
}

/* The text of a status, and for a failed dial what was wrong with it. */
static const char *ncp_glue_said(const ncp_pool *pool, int status,
                                 char said[NCP_GLUE_SENTENCE])
{
    char reason[NCP_GLUE_SENTENCE / 2];
    if (status != NCP_EDIAL ||
        ncp_pool_dial_error(pool, NULL, NULL, NULL, reason, sizeof reason) !=
            NCP_OK ||
        reason[0] == '\0')
        return ncp_status_text(status);
    snprintf(said, NCP_GLUE_SENTENCE, "%s: %s", ncp_status_text(status),
             reason);
    return said;
}

/* --------------------------------------------------------------------- objects */

/* The same number for every handle on a pool, and in its events. */
static uint64_t ncp_pool_key(const ncp_pool *pool)
{
    return (uint64_t)(uintptr_t)pool;
}

/* A copy for an object of the language; NULL without memory. */
static ncp_event *ncp_glue_copy(const ncp_event *event)
{
    ncp_event *copy = malloc(sizeof *copy);
    if (copy != NULL)
        *copy = *event;
    return copy;
}

/* A clock for tests. The configuration and the pools that use it keep it. */
typedef struct ncp_clock {
    _Atomic uint64_t now_ns; /* first: what ncp_manual_clock() reads */
    atomic_int refs;
} ncp_clock;

static int ncp_clock_new(ncp_clock **out)
{
    *out = malloc(sizeof **out);
    if (*out == NULL)
        return NCP_ENOMEM;
    atomic_init(&(*out)->now_ns, 0);
    atomic_init(&(*out)->refs, 1);
    return NCP_OK;
}

static void ncp_clock_free(ncp_clock *clock)
{
    if (clock != NULL &&
        atomic_fetch_sub_explicit(&clock->refs, 1, memory_order_acq_rel) == 1)
        free(clock);
}

static void ncp_glue_drop_clock(void *user)
{
    ncp_clock_free(user);
}

static int ncp_clock_set(ncp_clock *clock, uint64_t now_ns)
{
    if (clock == NULL)
        return NCP_EINVAL;
    atomic_store_explicit(&clock->now_ns, now_ns, memory_order_seq_cst);
    return NCP_OK;
}

static int ncp_glue_set_clock(ncp_config *config, ncp_clock *clock)
{
    if (config == NULL || clock == NULL)
        return NCP_EINVAL;
    atomic_fetch_add_explicit(&clock->refs, 1, memory_order_relaxed);
    return ncp_config_set_clock(config, ncp_manual_clock, clock,
                                ncp_glue_drop_clock);
}

#endif
