/*
 * The mixed fuzz with every reply awaited and compared: the same crew and
 * payloads, each behind a stamp that no other request has. The feature threads
 * end their leases in every odd way there is besides. Whatever the pool mixed up
 * would be seen: a reply to somebody else, a datagram that was left behind, a
 * reply that never comes.
 */
#include "fuzz.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    OPERATIONS_AN_ODD_END = 128,
    ANSWER_WITHIN_MS = ANSWER_WITHIN_S * 1000,
    SMALLER = 2 /* times, for a moment */
};

/* Counted by one thread, added up at the end. */
struct tally {
    uint64_t outcomes[OUTCOMES]; /* of enum outcome, stale streams */
    uint64_t stale_datagrams;
    uint64_t refused; /* datagrams that are too large: as it should be */
    uint64_t get_timeouts, get_failures;
    uint64_t surprises; /* the pool said something else than it documents */
    uint64_t odd_ends;
};

struct scene {
    const struct task *task;
    struct echo echo;
    ncp_pool *pool; /* NULL: private sockets */
    uint64_t end_ns;
};

struct prober {
    struct scene *scene;
    int thread;
    uint64_t number; /* of the request */
    int kept[3];     /* private sockets, by protocol; 0 none yet */
    char *request;
    struct tally tally;
};

struct result {
    struct scene scene;
    struct tally all;
    uint64_t counters[NCP_COUNTER_COUNT];
    double seconds;
};

static void expect(struct prober *prober, bool held)
{
    if (!held)
        prober->tally.surprises++;
}

/* ------------------------------------------------------------------- exchanges */

static size_t compose(struct prober *prober, unsigned pattern)
{
    request_stamp(prober->request, prober->thread, prober->number++);
    fuzz_payload_fill(pattern, prober->request + STAMP_SIZE);
    return STAMP_SIZE + fuzz_payload_size(pattern);
}

/* The system refuses it, and the socket is as good as before. */
static void send_too_much(struct prober *prober, int fd, size_t size)
{
    ssize_t sent = send(fd, prober->request, size, MSG_NOSIGNAL);

    expect(prober, sent < 0 && errno == EMSGSIZE);
    prober->tally.refused++;
}

/* False when the socket is of no use any more. */
static bool exchange(struct prober *prober, int fd, int protocol,
                     unsigned pattern)
{
    size_t size = compose(prober, pattern);

    if (protocol == NCP_PROTOCOL_UDP && size > FUZZ_PAYLOAD_MAX) {
        send_too_much(prober, fd, size);
        return true;
    }
    enum outcome outcome = socket_exchange(fd, protocol, prober->request, size);
    if (outcome == STALE && protocol == NCP_PROTOCOL_UDP)
        prober->tally.stale_datagrams++;
    else
        prober->tally.outcomes[outcome]++;
    return outcome == ANSWERED;
}

/* ------------------------------------------------------------- ends of a lease */

static void end_by_put(struct prober *prober, ncp_lease lease)
{
    expect(prober, ncp_pool_put(prober->scene->pool, lease) == NCP_OK);
}

static void end_twice(struct prober *prober, ncp_lease lease)
{
    end_by_put(prober, lease);
    expect(prober,
           ncp_pool_put(prober->scene->pool, lease) == NCP_EINVALIDCONN);
}

static void end_by_discard(struct prober *prober, ncp_lease lease)
{
    expect(prober, ncp_pool_discard(prober->scene->pool, lease) == NCP_OK);
}

static void end_unhealthy(struct prober *prober, ncp_lease lease)
{
    expect(prober,
           ncp_lease_set_healthy(prober->scene->pool, lease, 0) == NCP_OK);
    end_by_put(prober, lease);
}

static void end_by_detach(struct prober *prober, ncp_lease lease)
{
    uint64_t handle;

    bool detached =
        ncp_pool_detach(prober->scene->pool, lease, &handle) == NCP_OK;
    expect(prober, detached);
    if (detached)
        close((int)handle);
}

/* A reply is there and nobody has read it: the next borrower must not get it.
 * Only of datagrams: a stream is the business of its borrower. */
static void end_with_reply(struct prober *prober, ncp_lease lease)
{
    ncp_pool *pool = prober->scene->pool;
    uint64_t protocol = NCP_PROTOCOL_UNKNOWN;
    struct pollfd polled = {.fd = ncp_lease_fd(pool, lease), .events = POLLIN};

    expect(prober,
           ncp_lease_info(pool, lease, NCP_INFO_PROTOCOL, &protocol) == NCP_OK);
    if (protocol == NCP_PROTOCOL_UDP) {
        size_t size = compose(prober, 0);
        expect(prober, send(polled.fd, prober->request, size, MSG_NOSIGNAL) ==
                           (ssize_t)size);
        if (poll(&polled, 1, ANSWER_WITHIN_MS) != 1)
            prober->tally.outcomes[TIMED_OUT]++;
    }
    end_by_put(prober, lease);
}

static void end_and_resize(struct prober *prober, ncp_lease lease)
{
    ncp_pool *pool = prober->scene->pool;

    int max = fuzz_bounds(prober->scene->task).max;

    expect(prober, ncp_pool_resize(pool, max / SMALLER) == NCP_OK);
    end_by_put(prober, lease);
    expect(prober, ncp_pool_resize(pool, max) == NCP_OK);
}

static void end_and_flush(struct prober *prober, ncp_lease lease)
{
    expect(prober, ncp_pool_flush(prober->scene->pool) >= 0);
    end_by_put(prober, lease);
}

static void end_and_count(struct prober *prober, ncp_lease lease)
{
    uint64_t counters[NCP_COUNTER_COUNT];

    expect(prober, ncp_pool_stats(prober->scene->pool, counters,
                                  NCP_COUNTER_COUNT) >= 0);
    expect(prober,
           counters[NCP_COUNTER_CREATED] - counters[NCP_COUNTER_CLOSED] ==
               counters[NCP_COUNTER_CURRENT]);
    expect(prober, counters[NCP_COUNTER_IDLE] + counters[NCP_COUNTER_ACTIVE] ==
                       counters[NCP_COUNTER_CURRENT]);
    end_by_put(prober, lease);
}

static void (*const odd_ends[])(struct prober *prober, ncp_lease lease) = {
    end_twice,      end_by_discard, end_unhealthy, end_by_detach,
    end_with_reply, end_and_resize, end_and_flush, end_and_count,
};
enum { ODD_ENDS = sizeof odd_ends / sizeof *odd_ends };

static void end_oddly(struct prober *prober, ncp_lease lease)
{
    odd_ends[prober->tally.odd_ends++ % ODD_ENDS](prober, lease);
}

/* --------------------------------------------------------------------- threads */

static void count_failed_get(struct prober *prober, int status)
{
    if (status == NCP_ETIMEOUT)
        prober->tally.get_timeouts++;
    else
        prober->tally.get_failures++;
}

static void with_lease(struct prober *prober, fuzz_get *how, unsigned pattern,
                       bool odd)
{
    ncp_pool *pool = prober->scene->pool;
    uint64_t protocol = NCP_PROTOCOL_UNKNOWN;
    ncp_lease lease;

    int status = how(pool, &lease);
    if (status != NCP_OK) {
        count_failed_get(prober, status);
        return;
    }
    ncp_lease_info(pool, lease, NCP_INFO_PROTOCOL, &protocol);
    bool good =
        exchange(prober, ncp_lease_fd(pool, lease), (int)protocol, pattern);
    (!good ? end_by_discard : odd ? end_oddly : end_by_put)(prober, lease);
}

static void with_private(struct prober *prober, int protocol, unsigned pattern)
{
    int *fd = &prober->kept[protocol];

    if (*fd == 0)
        *fd = socket_dial(&prober->scene->echo, protocol);
    bench_require(*fd >= 0, "no connection");
    if (exchange(prober, *fd, protocol, pattern))
        return;
    close(*fd);
    *fd = 0;
}

static void *run(void *data)
{
    struct worker *worker = data;
    struct prober *prober = worker->user;
    int number;
    enum role role = fuzz_role(worker->number, &number);

    for (unsigned i = 1; bench_now_ns() < prober->scene->end_ns; i++) {
        fuzz_get *how = fuzz_wanted(role, number, i);
        unsigned pattern = (unsigned)number * 100 + i;
        bool odd = role == ROLE_FEATURE && i % OPERATIONS_AN_ODD_END == 0;
        if (prober->scene->pool == NULL)
            with_private(prober, fuzz_protocol(how), pattern);
        else
            with_lease(prober, how, pattern, odd);
    }
    return NULL;
}

/* ---------------------------------------------------------------------- sample */

static void add_up(struct tally *all, const struct tally *one)
{
    for (int i = 0; i < OUTCOMES; i++)
        all->outcomes[i] += one->outcomes[i];
    all->stale_datagrams += one->stale_datagrams;
    all->refused += one->refused;
    all->get_timeouts += one->get_timeouts;
    all->get_failures += one->get_failures;
    all->surprises += one->surprises;
    all->odd_ends += one->odd_ends;
}

static void finish_pool(struct result *result)
{
    ncp_pool *pool = result->scene.pool;
    const uint64_t *counters = result->counters;
    int max = fuzz_bounds(result->scene.task).max;

    if (pool == NULL)
        return;
    ncp_pool_stats(pool, result->counters, NCP_COUNTER_COUNT);
    if (counters[NCP_COUNTER_ACTIVE] != 0 ||
        counters[NCP_COUNTER_CURRENT] > (uint64_t)max)
        result->all.surprises++;
    ncp_pool_free(pool);
}

static void fuzz(void *user)
{
    static struct prober probers[FUZZ_THREADS];
    static struct worker workers[FUZZ_THREADS];
    struct result *result = user;
    struct scene *scene = &result->scene;
    const struct bounds bounds = fuzz_bounds(scene->task);
    char *requests = bench_alloc((size_t)FUZZ_THREADS * REQUEST_MAX);

    if (scene->task->way == WAY_POOL)
        scene->pool = net_pool(&scene->echo, scene->task->store, &bounds);
    uint64_t begin_ns = bench_now_ns();
    scene->end_ns = begin_ns + seconds_to_ns(scene->task->seconds);
    for (int i = 0; i < FUZZ_THREADS; i++) {
        probers[i].scene = scene;
        probers[i].thread = i;
        probers[i].request = requests + (size_t)i * REQUEST_MAX;
        workers[i] = (struct worker){.number = i, .user = &probers[i]};
    }
    workers_run(workers, FUZZ_THREADS, run);
    result->seconds = (double)(bench_now_ns() - begin_ns) / 1e9;
    for (int i = 0; i < FUZZ_THREADS; i++)
        add_up(&result->all, &probers[i].tally);
    finish_pool(result);
    free(requests);
}

static uint64_t faults(const struct tally *all)
{
    uint64_t sum = all->stale_datagrams + all->get_timeouts +
                   all->get_failures + all->surprises;

    for (int i = 0; i < OUTCOMES; i++)
        sum += i == ANSWERED ? 0 : all->outcomes[i];
    return sum;
}

static void add_figures(const struct result *result, struct sample *sample)
{
    const struct tally *all = &result->all;
    double exchanges = (double)all->outcomes[ANSWERED];
    double seconds = result->seconds;

    bench_require(exchanges > 0, "no reply at all");
    sample->clock = "wall";
    sample_add(sample, "ns_per_op", seconds * 1e9 / exchanges);
    sample_add(sample, "ops", exchanges);
    sample_add(sample, "seconds", seconds);
    sample_add(sample, "exchanges_per_s", exchanges / seconds);
    sample_add(sample, "threads", FUZZ_THREADS);
    sample_add(sample, "wrong_bytes", (double)all->outcomes[WRONG_BYTES]);
    sample_add(sample, "stale_datagrams", (double)all->stale_datagrams);
    sample_add(sample, "stale_streams", (double)all->outcomes[STALE]);
    sample_add(sample, "timeouts",
               (double)(all->outcomes[TIMED_OUT] + all->get_timeouts));
    sample_add(sample, "broken", (double)all->outcomes[BROKEN]);
    sample_add(sample, "get_failures", (double)all->get_failures);
    sample_add(sample, "surprises", (double)all->surprises);
    sample_add(sample, "too_large", (double)all->refused);
    sample_add(sample, "odd_ends", (double)all->odd_ends);
    sample_add(sample, "opened", (double)result->counters[NCP_COUNTER_CREATED]);
    sample_add(sample, "closed", (double)result->counters[NCP_COUNTER_CLOSED]);
}

int run_verified(const struct task *task, struct sample *sample)
{
    struct result *result = fuzz_shared(sizeof *result);
    int exit_code;

    result->scene.task = task;
    echo_start(&result->scene.echo);
    bool crashed = fuzz_supervised(fuzz, result, &exit_code);
    echo_stop(&result->scene.echo);
    sample_add(sample, "crashes", crashed);
    if (exit_code != 0)
        return exit_code;
    add_figures(result, sample);
    if (faults(&result->all) == 0)
        return 0;
    fprintf(stderr, "ncp-bench-net: not every reply was the one asked for\n");
    return 1;
}
