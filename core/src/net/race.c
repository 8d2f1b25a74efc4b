#include "net/race.h"

#include "net/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Lane i runs to address i; its descriptor is -1 when it does not run. */
struct lanes {
    struct pollfd lane[NCP__ADDRESSES_MAX];
    int started;
    int running;
    uint64_t next_ns; /* when the next lane starts; 0 at once */
    int error;        /* of the failed lane that says most, and which it was */
    int blamed;
};

/* Of the machine, not of the peer: another failure says more. */
static bool says_little(int error)
{
    return error == ENETUNREACH || error == EHOSTUNREACH ||
           error == EADDRNOTAVAIL || error == EAFNOSUPPORT;
}

static void lane_lost(struct lanes *lanes, int i, int error)
{
    if (lanes->lane[i].fd >= 0) {
        close(lanes->lane[i].fd);
        lanes->lane[i].fd = -1;
        lanes->running--;
    }
    lanes->next_ns = 0;
    if (lanes->error == 0 ||
        (says_little(lanes->error) && !says_little(error))) {
        lanes->error = error;
        lanes->blamed = i;
    }
}

/* 0 when connected, or why not. */
static int lane_result(int fd)
{
    union ncp__sockaddr here = {0}, there = {0};
    socklen_t here_size = sizeof here, there_size = sizeof there;
    int error = 0;
    socklen_t size = sizeof error;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        return errno;
    if (error != 0)
        return error;
    if (getpeername(fd, &there.any, &there_size) != 0 ||
        getsockname(fd, &here.any, &here_size) != 0)
        return errno;
    return ncp__address_same(&here, &there) ? ECONNREFUSED : 0;
}

/* Whether a lane that has an answer has won; it has lost otherwise. */
static bool lane_won(struct lanes *lanes, int i)
{
    int error = lane_result(lanes->lane[i].fd);

    if (error != 0)
        lane_lost(lanes, i, error);
    return error == 0;
}

static bool lane_start(const struct ncp__race *race, struct lanes *lanes)
{
    int i = lanes->started++;
    const struct ncp__address *to = &race->addresses->item[i];
    int fd = socket(to->at.any.sa_family,
                    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    lanes->lane[i] = (struct pollfd){.fd = fd, .events = POLLOUT};
    lanes->next_ns = ncp__deadline_in(race->stagger_ms);
    if (fd < 0) {
        lane_lost(lanes, i, errno);
        return false;
    }
    lanes->running++;
    ncp__socket_options_apply(fd, NCP_PROTOCOL_TCP, race->options);
    if (connect(fd, &to->at.any, to->size) == 0)
        return lane_won(lanes, i);
    if (errno != EINPROGRESS && errno != EINTR)
        lane_lost(lanes, i, errno);
    return false;
}

/* The lane that won, or -1. */
static int look(struct lanes *lanes)
{
    for (int i = 0; i < lanes->started; i++)
        if (lanes->lane[i].fd >= 0 && lanes->lane[i].revents != 0 &&
            lane_won(lanes, i))
            return i;
    return -1;
}

static bool may_start(const struct ncp__race *race, const struct lanes *lanes)
{
    if (lanes->started == race->addresses->count)
        return false;
    return lanes->running == 0 || ncp__deadline_passed(lanes->next_ns);
}

static uint64_t wait_until(const struct ncp__race *race,
                           const struct lanes *lanes)
{
    uint64_t until = ncp__deadline_or_slice(race->deadline_ns);

    if (lanes->started == race->addresses->count)
        return until;
    return lanes->next_ns < until ? lanes->next_ns : until;
}

static int give_up(struct lanes *lanes, int error)
{
    lanes->error = error;
    lanes->blamed = -1;
    return -1;
}

/* The lane that won; -1 with the error in `lanes`. */
static int run(const struct ncp__race *race, struct lanes *lanes)
{
    for (;;) {
        if (ncp_dial_stopped(race->dial) == 1)
            return give_up(lanes, ECANCELED);
        if (ncp__deadline_passed(race->deadline_ns))
            return give_up(lanes, ETIMEDOUT);
        if (may_start(race, lanes)) {
            if (lane_start(race, lanes))
                return lanes->started - 1;
            continue;
        }
        if (lanes->running == 0)
            return -1;
        if (ncp__poll(lanes->lane, (size_t)lanes->started,
                      wait_until(race, lanes)) < 0)
            return give_up(lanes, errno);
        int winner = look(lanes);
        if (winner >= 0)
            return winner;
    }
}

static void close_others(struct lanes *lanes, int winner)
{
    for (int i = 0; i < lanes->started; i++)
        if (i != winner && lanes->lane[i].fd >= 0)
            close(lanes->lane[i].fd);
}

int ncp__race(const struct ncp__race *race, int *out_fd, int *blamed)
{
    struct lanes lanes = {.blamed = -1};
    int winner = run(race, &lanes);

    close_others(&lanes, winner);
    *out_fd = winner < 0 ? -1 : lanes.lane[winner].fd;
    *blamed = lanes.blamed;
    if (winner < 0)
        return lanes.error;
    fcntl(*out_fd, F_SETFL, fcntl(*out_fd, F_GETFL) & ~O_NONBLOCK);
    return 0;
}
