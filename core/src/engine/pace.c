#include "engine/pace.h"

enum {
    PARTS = 4,    /* a line is held up for this part of a dial's time */
    WINDOW = 64,  /* who was served before these is forgotten by halves */
    PATIENCE = 2, /* a dial that takes so many times the usual may hang */
    SMOOTH = 4    /* the share of the latest dial in the average */
};

/* Shorter dials are cheaper than to think about them. */
#define SHORT_NS (2 * NCP__NS_PER_MS)
#define LONGEST_PAUSE_NS (1000 * NCP__NS_PER_MS)

/* A clock that lags is no reason to go back. */
static uint64_t past(uint64_t now_ns, uint64_t at_ns)
{
    return now_ns > at_ns ? now_ns - at_ns : 0;
}

void ncp__pace_begun(struct ncp__pace *pace, uint64_t now_ns)
{
    pace->begun_ns = now_ns;
}

void ncp__pace_dialed(struct ncp__pace *pace, uint64_t took_ns)
{
    if (pace->dial_ns == 0)
        pace->dial_ns = took_ns;
    else
        pace->dial_ns += took_ns / SMOOTH - pace->dial_ns / SMOOTH;
}

static void begin_line(struct ncp__pace *pace, uint64_t now_ns)
{
    pace->since_ns = now_ns;
    pace->progress_ns = now_ns;
    pace->base = pace->served;
    pace->seen = pace->served;
    pace->formed = true;
}

void ncp__pace_look(struct ncp__pace *pace, uint64_t now_ns)
{
    if (!pace->formed)
        begin_line(pace, now_ns);
    if (pace->seen != pace->served) {
        pace->seen = pace->served;
        pace->progress_ns = now_ns;
    }
    if (pace->served - pace->base >= WINDOW) {
        pace->base = pace->served - WINDOW / 2;
        pace->since_ns += past(now_ns, pace->since_ns) / 2;
    }
}

/* How many are served by what comes back while a dial is under way. */
static uint64_t served_in_a_dial(const struct ncp__pace *pace, uint64_t now_ns)
{
    uint64_t each_ns =
        past(now_ns, pace->since_ns) / (pace->served - pace->base);

    return pace->dial_ns / (each_ns == 0 ? 1 : each_ns);
}

bool ncp__pace_allows(const struct ncp__pace *pace,
                      const struct ncp__pace_state *state, uint64_t now_ns,
                      uint64_t *again_ns)
{
    uint64_t pause_ns = pace->dial_ns / PARTS;

    if (state->under_way == 0 || state->there == 0 || pace->dial_ns < SHORT_NS)
        return true;
    if (pause_ns > LONGEST_PAUSE_NS)
        pause_ns = LONGEST_PAUSE_NS;
    if (past(now_ns, pace->progress_ns) >= pause_ns ||
        past(now_ns, pace->begun_ns) / PATIENCE >= pace->dial_ns)
        return true;
    *again_ns = pace->progress_ns + pause_ns;
    return pace->served != pace->base &&
           state->waiting > served_in_a_dial(pace, now_ns) + state->under_way;
}
