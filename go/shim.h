/*
 * What the Go package calls: the functions of netconnpool.h, in the shape that
 * costs cgo least. Small structs travel by value, so that nothing escapes to the
 * heap of Go and no pointer of Go comes here.
 */
#ifndef NCP_GO_SHIM_H
#define NCP_GO_SHIM_H

#include "netconnpool.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef CLOCK_MONOTONIC_COARSE
#define NCPGO_CLOCK CLOCK_MONOTONIC_COARSE
#else
#define NCPGO_CLOCK CLOCK_MONOTONIC
#endif

/* The answer to acquire, fulfil, fail and checked. */
struct ncpgo_answer {
    int32_t status;
    int16_t type;
    int16_t flag; /* CONN: whether it is reused; PENDING: whether the queue has
                     events */
    uint64_t lease;
    uint64_t name;  /* PENDING: the ticket, else the handle */
    int64_t number; /* CONN: ncpgo_now_ns(); of a failure the code; else
                       timeout_ms */
};

/* What a release says, and the event that came with it, if any. */
struct ncpgo_released {
    int32_t status;
    int16_t type; /* of the event; NONE when there is none */
    int16_t reused;
    int64_t now_ns; /* ncpgo_now_ns() */
    uintptr_t pool; /* cgo would look at a pointer */
    uint64_t ticket;
    uint64_t lease;
    uint64_t handle;
    int64_t number;       /* of a failed ticket the code; CONN: now_ns; else
                             timeout_ms */
    int32_t event_status; /* CLOSE: the reason */
    int32_t whole; /* 1: `number` is the address of the whole event, which
                      ncpgo_take_whole() copies and frees */
};

struct ncpgo_counters {
    uint64_t value[NCP_COUNTER_COUNT];
};

struct ncpgo_range {
    int64_t def, min, max;
};

struct ncpgo_number {
    int64_t status;
    int64_t value;
};

/* Monotonic, as of the kernel's last tick: a few milliseconds coarse, and no
 * system call. */
static inline int64_t ncpgo_now_ns(void)
{
    struct timespec now;

    clock_gettime(NCPGO_CLOCK, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The number of an answer that is not CONN. */
static inline int64_t ncpgo_number_of(int status, const ncp_event *event)
{
    return status != NCP_OK ? event->code : event->timeout_ms;
}

static inline struct ncpgo_answer ncpgo_answer_of(int status,
                                                  const ncp_event *event)
{
    struct ncpgo_answer answer = {
        .status = status,
        .type = (int16_t)event->type,
        .flag = (int16_t)event->reused,
        .lease = event->lease,
        .name =
            event->type == NCP_EVENT_PENDING ? event->ticket : event->handle,
        .number = event->type == NCP_EVENT_CONN
                      ? ncpgo_now_ns()
                      : ncpgo_number_of(status, event),
    };
    return answer;
}

/* Pools and queues come as numbers where it counts: cgo looks at pointers. */
static inline struct ncpgo_answer ncpgo_acquire(uintptr_t pool, uintptr_t queue,
                                                int protocol, int ip,
                                                int64_t timeout_ms,
                                                uint64_t tag, int flags)
{
    ncp_event event;
    int status = ncp_pool_acquire((ncp_pool *)pool, (ncp_queue *)queue,
                                  protocol, ip, timeout_ms, tag, flags, &event);
    struct ncpgo_answer answer = ncpgo_answer_of(status, &event);

    if (event.type == NCP_EVENT_PENDING)
        answer.flag = (int16_t)ncp_queue_ready((ncp_queue *)queue);
    return answer;
}

static inline struct ncpgo_answer ncpgo_checked(ncp_pool *pool, uint64_t lease,
                                                int healthy)
{
    ncp_event event;
    int status = ncp_pool_checked(pool, lease, healthy, &event);
    return ncpgo_answer_of(status, &event);
}

static inline struct ncpgo_answer ncpgo_fulfil(ncp_pool *pool,
                                               uint64_t reservation,
                                               uint64_t handle, int fd,
                                               int protocol, int ip)
{
    ncp_event event;
    int status =
        ncp_pool_fulfil(pool, reservation, handle, fd, protocol, ip, &event);
    return ncpgo_answer_of(status, &event);
}

/* `text` need not be terminated; it is cut. */
static inline struct ncpgo_answer ncpgo_fail(ncp_pool *pool,
                                             uint64_t reservation, int failure,
                                             int64_t code, const char *text,
                                             size_t size)
{
    char sentence[128];
    ncp_event event;

    if (size > sizeof(sentence) - 1)
        size = sizeof(sentence) - 1;
    if (size > 0)
        memcpy(sentence, text, size);
    sentence[size] = '\0';
    int status =
        ncp_pool_fail(pool, reservation, failure, code, sentence, &event);
    return ncpgo_answer_of(status, &event);
}

static inline void ncpgo_carry(struct ncpgo_released *released,
                               const ncp_event *event)
{
    released->type = (int16_t)event->type;
    released->reused = (int16_t)event->reused;
    released->pool = (uintptr_t)event->pool;
    released->ticket = event->ticket;
    released->lease = event->lease;
    released->handle = event->handle;
    released->number = event->type == NCP_EVENT_CONN
                           ? released->now_ns
                           : ncpgo_number_of(event->status, event);
    released->event_status =
        event->type == NCP_EVENT_CLOSE ? event->reason : event->status;
}

/* Work that needs more room than `released` has. */
static inline void ncpgo_carry_whole(struct ncpgo_released *released,
                                     const ncp_event *event)
{
    ncp_event *copy = malloc(sizeof(*copy));

    if (copy == NULL)
        abort(); /* as the runtime of Go does without memory */
    *copy = *event;
    released->number = (int64_t)(intptr_t)copy;
    released->whole = 1;
}

/* What a release says, with the first of the events that came with it. */
static inline struct ncpgo_released ncpgo_released_with(int status, int count,
                                                        const ncp_event *event)
{
    struct ncpgo_released released;

    released.status = status;
    released.type = NCP_EVENT_NONE;
    released.whole = 0;
    released.now_ns = ncpgo_now_ns();
    if (count == 0)
        return released;
    ncpgo_carry(&released, event);
    if (event->type == NCP_EVENT_DIAL || event->type == NCP_EVENT_LEAK ||
        (event->type == NCP_EVENT_CHECK && event->ticket == 0))
        ncpgo_carry_whole(&released, event);
    return released;
}

static inline struct ncpgo_released
ncpgo_release(uintptr_t pool, uint64_t lease, int flags, uintptr_t queue)
{
    ncp_event event;
    int status = NCP_OK;
    int count = ncp_pool_release((ncp_pool *)pool, lease, flags,
                                 (ncp_queue *)queue, &event, 1, &status);

    return ncpgo_released_with(status, count, &event);
}

static inline void ncpgo_take_whole(int64_t address, ncp_event *out)
{
    ncp_event *event = (ncp_event *)(intptr_t)address;

    *out = *event;
    free(event);
}

/* The id that the connection will have. */
static inline struct ncpgo_number ncpgo_dialed(ncp_pool *pool,
                                               uint64_t reservation,
                                               uint64_t handle, int fd,
                                               int protocol, int ip)
{
    struct ncpgo_number number;
    uint64_t conn_id = 0;

    number.status =
        ncp_pool_dialed(pool, reservation, handle, fd, protocol, ip, &conn_id);
    number.value = (int64_t)conn_id;
    return number;
}

static inline struct ncpgo_counters ncpgo_stats(const ncp_pool *pool)
{
    struct ncpgo_counters counters;

    memset(&counters, 0, sizeof(counters));
    (void)ncp_pool_stats(pool, counters.value, NCP_COUNTER_COUNT);
    return counters;
}

static inline struct ncpgo_number ncpgo_lease_info(const ncp_pool *pool,
                                                   uint64_t lease, int info)
{
    uint64_t value = 0;
    struct ncpgo_number number;

    number.status = ncp_lease_info(pool, lease, info, &value);
    number.value = (int64_t)value;
    return number;
}

static inline struct ncpgo_number ncpgo_pool_option(const ncp_pool *pool,
                                                    int option)
{
    struct ncpgo_number number = {0, 0};

    number.status = ncp_pool_option(pool, option, &number.value);
    return number;
}

static inline struct ncpgo_number ncpgo_config_int(const ncp_config *config,
                                                   int option)
{
    struct ncpgo_number number = {0, 0};

    number.status = ncp_config_get_int(config, option, &number.value);
    return number;
}

/* All 0 for a text. */
static inline struct ncpgo_range ncpgo_option_range(int option, int mode)
{
    struct ncpgo_range range = {0, 0, 0};

    (void)ncp_option_range(option, mode, &range.def, &range.min, &range.max);
    return range;
}

static inline struct ncpgo_number ncpgo_udp_drain(int fd, int64_t timeout_ms,
                                                  int max_packets)
{
    struct ncpgo_number number = {0, 0};
    int dropped = 0;

    number.status = ncp_udp_drain(fd, timeout_ms, max_packets, &dropped);
    number.value = dropped;
    return number;
}

/* A clock of C memory, which Go sets. */
static inline uint64_t *ncpgo_clock_new(uint64_t now_ns)
{
    uint64_t *clock = malloc(sizeof(*clock));

    if (clock != NULL)
        *clock = now_ns;
    return clock;
}

static inline void ncpgo_clock_set(uint64_t *clock, uint64_t now_ns)
{
    __atomic_store_n(clock, now_ns, __ATOMIC_SEQ_CST);
}

static inline int ncpgo_config_set_clock(ncp_config *config, uint64_t *clock)
{
    return ncp_config_set_clock(config, ncp_manual_clock, clock, NULL);
}

#endif
