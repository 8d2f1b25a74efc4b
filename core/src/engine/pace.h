/*
 * The pace of dials: whether one more is worth beginning.
 *
 * A burst of callers on a pool whose connections come back soon is served by
 * those long before a dial is done; connections dialed for it are needed by
 * nobody then. So the first dial for a line begins at once, and another beside it
 * when it is likely to be of use:
 *   nothing could come back, or nothing has for a part of a dial's time; or
 *   in a dial's time fewer are served by what comes back, at the rate seen, than
 *   stand in line beyond those whom the dials under way will serve; or
 *   what is under way takes much longer than a dial does: it may hang.
 * A waiter is held up by a quarter of a dial's time at most, and never while
 * nothing is known or dials are short.
 *
 * Guarded by the engine's lock.
 */
#ifndef NCP_ENGINE_PACE_H
#define NCP_ENGINE_PACE_H

#include "engine/base.h"

struct ncp__pace {
    uint64_t dial_ns;  /* how long a dial takes, smoothed; 0: not known */
    uint64_t begun_ns; /* when the last dial began */
    uint64_t since_ns; /* since when `served` is looked at, from `base` on */
    uint64_t
        progress_ns;     /* when one more had been served; or the line formed */
    uint64_t look_ns;    /* when somebody was asked to look again */
    uint32_t served;     /* waiters, ever, by what came back */
    uint32_t base, seen; /* of those: before since_ns, before progress_ns */
    bool formed;         /* the line is known to the look below */
};

/* How things stand when it is asked. */
struct ncp__pace_state {
    uint32_t waiting;   /* in line */
    uint32_t under_way; /* dials */
    uint32_t there;     /* connections that may come back */
};

/* A waiter was served by a connection that came back. */
static inline void ncp__pace_served(struct ncp__pace *pace)
{
    pace->served++;
}

/* Somebody is about to stand where nobody stood. */
static inline void ncp__pace_new_line(struct ncp__pace *pace)
{
    pace->formed = false;
}

/* A dial was begun; it took so long to succeed. */
void ncp__pace_begun(struct ncp__pace *pace, uint64_t now_ns);
void ncp__pace_dialed(struct ncp__pace *pace, uint64_t took_ns);

/* Notes what has changed since the last look. */
void ncp__pace_look(struct ncp__pace *pace, uint64_t now_ns);

/* Whether a dial is worth beginning now; if not, when to ask again at the
 * latest. */
bool ncp__pace_allows(const struct ncp__pace *pace,
                      const struct ncp__pace_state *state, uint64_t now_ns,
                      uint64_t *again_ns);

#endif
