/*
 * Whether a thread that has said goodbye is gone: what follows its last line (the
 * destructors of thread-specific data) belongs to other libraries, which may not
 * survive the end of the process.
 */
#ifndef NCP_POOL_THREAD_H
#define NCP_POOL_THREAD_H

#include <stdbool.h>

/* One file a platform. A number for the calling thread; 0 when it has none. */
int ncp__thread_number(void);
bool ncp__thread_lives(int number);

#endif
