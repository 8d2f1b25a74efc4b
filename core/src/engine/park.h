/*
 * Waiting on a word: the one way in which the library blocks a thread.
 */
#ifndef NCP_ENGINE_PARK_H
#define NCP_ENGINE_PARK_H

#include "engine/base.h"

/* Sleeps while *word == expected, until ncp__unpark, `deadline_ns` (monotonic;
 * NCP__NEVER for none) or for no reason at all: the caller looks again. */
void ncp__park(atomic_uint *word, unsigned expected, uint64_t deadline_ns);

/* Wakes the sleepers of a word; the word may be gone already. */
void ncp__unpark(atomic_uint *word);

#endif
