/* Threads have no numbers: the end of the process does not wait for them. */
#ifndef __linux__

#include "pool/thread.h"

int ncp__thread_number(void)
{
    return 0;
}

bool ncp__thread_lives(int number)
{
    (void)number;
    return false;
}

#endif
