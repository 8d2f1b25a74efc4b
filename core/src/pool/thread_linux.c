/* Threads are numbered by the kernel. */
#ifdef __linux__

#include "pool/thread.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

int ncp__thread_number(void)
{
    return (int)syscall(SYS_gettid);
}

bool ncp__thread_lives(int number)
{
    return number != 0 &&
           (syscall(SYS_tgkill, getpid(), number, 0) == 0 || errno != ESRCH);
}

#endif
