#include "net/accept_now.h"

#include "net/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* The process whose thread accepts, 0 nobody. Record locks do not tell threads
 * of one process apart; this word does. With the id of the process in it, a
 * child that was forked meanwhile does not wait for a thread it lacks. */
static atomic_int holder;

enum { STUCK_US = 20000 }; /* how long an accept lasts that was robbed */

static bool take_word(void)
{
    int self = (int)getpid();
    int seen = 0;

    if (atomic_compare_exchange_strong_explicit(
            &holder, &seen, self, memory_order_acquire, memory_order_relaxed))
        return true;
    return seen != self && atomic_compare_exchange_strong_explicit(
                               &holder, &seen, self, memory_order_acquire,
                               memory_order_relaxed);
}

static void leave_word(void)
{
    /* Pairs with the acquire of take_word. */
    atomic_store_explicit(&holder, 0, memory_order_release);
}

/* A system that cannot lock a socket leaves the turn to the word alone. */
static bool lock_record(int listener_fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    return fcntl(listener_fd, F_SETLK, &lock) == 0 ||
           (errno != EAGAIN && errno != EACCES);
}

static void unlock_record(int listener_fd)
{
    struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

    (void)fcntl(listener_fd, F_SETLK, &lock);
}

static void set_timeout(int fd, const struct timeval *time)
{
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, time, sizeof *time);
}

/* The client may have been born with the timeout of the listener: it gets what
 * it would have had without us. */
static int accept_bounded(int listener_fd)
{
    const struct timeval stuck = {.tv_usec = STUCK_US};
    struct timeval before = {0};
    socklen_t size = sizeof before;

    (void)getsockopt(listener_fd, SOL_SOCKET, SO_RCVTIMEO, &before, &size);
    set_timeout(listener_fd, &stuck);
    int fd = ncp__accept_plain(listener_fd);
    set_timeout(listener_fd, &before);
    if (fd >= 0)
        set_timeout(fd, &before);
    return fd;
}

static int look_again(int listener_fd)
{
    struct pollfd polled = {.fd = listener_fd, .events = POLLIN};

    return ncp__poll(&polled, 1, 0) > 0 ? accept_bounded(listener_fd) : -EAGAIN;
}

int ncp__accept_turn(int listener_fd)
{
    int fd = -EAGAIN;

    if (!take_word())
        return fd;
    if (lock_record(listener_fd)) {
        fd = look_again(listener_fd);
        unlock_record(listener_fd);
    }
    leave_word();
    return fd;
}
