/*
 * A fault ends, at worst, one process: each attempt runs in a child.
 */
#ifndef NCP_TEST_CHILD_H
#define NCP_TEST_CHILD_H

#include "expect.h"

/* What an attempt tells its parent, in memory both see. */
struct child_note {
    _Atomic long reached; /* how often the place of the fault was passed */
    _Atomic long extra[32];
};

/* Memory shared with children to come. */
struct child_note *child_note_new(void);

/* Runs `attempt` in a child, which ends with exit(0); any other end is a
 * failure, a child that hangs for minutes too. */
void child_run(void (*attempt)(void *), void *arg);

/* A case of a program, by the name of its function. */
struct child_case {
    const char *name;
    void (*run)(void);
};

#define CHILD_CASE(function)                                                   \
    {                                                                          \
        .name = #function, .run = (function)                                   \
    }

/* Runs each case in a child, or only the one that is named by the first
 * argument, and requires that no thread is left behind. Returns the exit
 * code. */
int child_cases(int argc, char **argv, const struct child_case *cases,
                size_t count);

#endif
