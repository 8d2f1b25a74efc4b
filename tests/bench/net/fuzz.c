/*
 * The mixed fuzz as the original project runs it for 120 seconds: 50 threads
 * on one pool write their payloads without blocking, look once for a reply, and
 * give the socket back; nobody waits for what the server says. What cannot be
 * written because the peer is behind counts as a failed operation, not as a
 * failed get.
 *
 * The work of an operation is the original's, too: its payload is made anew,
 * and so is the buffer for the reply, and the socket is made non-blocking.
 */
#include "fuzz.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    FULL_SECONDS = 120,
    STREAM_REPLY = 8192,
    DATAGRAM_REPLY = 65536,
    GETS_A_STATS = 100,
    GETS_A_TIMING = 17 /* so that threads that alternate are seen evenly */
};

/* Counted by one thread, added up at the end. */
struct tally {
    uint64_t done[3], failed[3]; /* operations, by protocol */
    uint64_t sent, received;     /* bytes */
    uint64_t failed_gets;
    struct histogram get_ns; /* of every GETS_A_TIMING-th */
};

struct scene {
    const struct task *task;
    struct echo echo;
    ncp_pool *pool;
    uint64_t end_ns;
};

struct fuzzer {
    struct scene *scene;
    unsigned iteration;
    struct tally tally;
};

/* What the supervised process leaves behind. */
struct result {
    struct scene scene;
    struct tally all;
    uint64_t counters[NCP_COUNTER_COUNT];
    double seconds;
};

/* ------------------------------------------------------------------- operations */

static bool write_all(int fd, const char *payload, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, payload, size, MSG_NOSIGNAL);
        if (sent < 0)
            return false;
        payload += sent;
        size -= (size_t)sent;
    }
    return true;
}

static bool write_payload(int fd, int protocol, const char *payload,
                          size_t size)
{
    if (protocol == NCP_PROTOCOL_TCP)
        return write_all(fd, payload, size);
    return send(fd, payload, size, MSG_NOSIGNAL) >= 0;
}

/* Nothing there yet is as good as a reply. */
static bool look_for_reply(int fd, size_t room, struct tally *tally)
{
    char *reply = calloc(room > 0 ? room : 1, 1);

    bench_require(reply != NULL, "no memory");
    ssize_t got = recv(fd, reply, room, 0);
    if (got > 0)
        tally->received += (uint64_t)got;
    bool good = got >= 0 || errno == EAGAIN;
    free(reply);
    return good;
}

static bool operate(int fd, int protocol, const char *payload, size_t size,
                    struct tally *tally)
{
    int on = 1;
    size_t room = size < STREAM_REPLY ? size : STREAM_REPLY;

    ioctl(fd, FIONBIO, &on);
    if (!write_payload(fd, protocol, payload, size))
        return false;
    tally->sent += size;
    return look_for_reply(
        fd, protocol == NCP_PROTOCOL_UDP ? DATAGRAM_REPLY : room, tally);
}

/* ------------------------------------------------------------------------ gets */

static bool get(struct fuzzer *fuzzer, fuzz_get *how, ncp_lease *lease)
{
    bool timed = fuzzer->iteration % GETS_A_TIMING == 0;
    uint64_t begin_ns = timed ? bench_now_ns() : 0;
    int status = how(fuzzer->scene->pool, lease);

    if (timed)
        histogram_add(&fuzzer->tally.get_ns, bench_now_ns() - begin_ns);
    if (status != NCP_OK)
        fuzzer->tally.failed_gets++;
    return status == NCP_OK;
}

static void put(struct fuzzer *fuzzer, ncp_lease lease)
{
    bench_require(ncp_pool_put(fuzzer->scene->pool, lease) == NCP_OK,
                  "put failed");
}

/* --------------------------------------------------------------------- threads */

static void transfer(struct fuzzer *fuzzer, int number, fuzz_get *how)
{
    struct tally *tally = &fuzzer->tally;
    unsigned pattern = (unsigned)number * 100 + fuzzer->iteration;
    size_t size = fuzz_payload_size(pattern);
    char *payload = malloc(size > 0 ? size : 1);
    int protocol = fuzz_protocol(how);
    bool good = false;
    ncp_lease lease;

    bench_require(payload != NULL, "no memory");
    fuzz_payload_fill(pattern, payload);
    if (get(fuzzer, how, &lease)) {
        int fd = ncp_lease_fd(fuzzer->scene->pool, lease);
        good = operate(fd, protocol, payload, size, tally);
        put(fuzzer, lease);
    }
    (good ? tally->done : tally->failed)[protocol]++;
    free(payload);
}

static void try_feature(struct fuzzer *fuzzer, fuzz_get *how)
{
    uint64_t counters[NCP_COUNTER_COUNT];
    ncp_lease lease;

    if (get(fuzzer, how, &lease))
        put(fuzzer, lease);
    if (fuzzer->iteration % GETS_A_STATS == 0)
        ncp_pool_stats(fuzzer->scene->pool, counters, NCP_COUNTER_COUNT);
}

static void *run(void *data)
{
    struct worker *worker = data;
    struct fuzzer *fuzzer = worker->user;
    int number;
    enum role role = fuzz_role(worker->number, &number);

    while (bench_now_ns() < fuzzer->scene->end_ns) {
        fuzz_get *how = fuzz_wanted(role, number, ++fuzzer->iteration);
        if (role == ROLE_FEATURE)
            try_feature(fuzzer, how);
        else
            transfer(fuzzer, number, how);
    }
    return NULL;
}

/* ---------------------------------------------------------------------- sample */

static void add_up(struct tally *all, const struct tally *one)
{
    for (int i = 0; i < 3; i++) {
        all->done[i] += one->done[i];
        all->failed[i] += one->failed[i];
    }
    all->sent += one->sent;
    all->received += one->received;
    all->failed_gets += one->failed_gets;
    histogram_merge(&all->get_ns, &one->get_ns);
}

static void require_consistent(const uint64_t *counters, int max)
{
    bench_require(counters[NCP_COUNTER_ACTIVE] == 0, "a lease is missing");
    bench_require(counters[NCP_COUNTER_CREATED] -
                          counters[NCP_COUNTER_CLOSED] ==
                      counters[NCP_COUNTER_IDLE],
                  "the counters do not add up");
    bench_require(counters[NCP_COUNTER_CURRENT] <= (uint64_t)max,
                  "more connections than allowed");
}

static void fuzz(void *user)
{
    static struct fuzzer fuzzers[FUZZ_THREADS];
    static struct worker workers[FUZZ_THREADS];
    struct result *result = user;
    struct scene *scene = &result->scene;
    const struct bounds bounds = fuzz_bounds(scene->task);

    scene->pool = net_pool(&scene->echo, scene->task->store, &bounds);
    uint64_t begin_ns = bench_now_ns();
    scene->end_ns = begin_ns + seconds_to_ns(scene->task->seconds);
    for (int i = 0; i < FUZZ_THREADS; i++) {
        fuzzers[i].scene = scene;
        workers[i] = (struct worker){.number = i, .user = &fuzzers[i]};
    }
    workers_run(workers, FUZZ_THREADS, run);
    result->seconds = (double)(bench_now_ns() - begin_ns) / 1e9;
    for (int i = 0; i < FUZZ_THREADS; i++)
        add_up(&result->all, &fuzzers[i].tally);
    ncp_pool_stats(scene->pool, result->counters, NCP_COUNTER_COUNT);
    require_consistent(result->counters, bounds.max);
    ncp_pool_free(scene->pool);
}

static void add_figures(const struct result *result, struct sample *sample)
{
    const struct tally *all = &result->all;
    const uint64_t *counters = result->counters;
    double gets = (double)counters[NCP_COUNTER_SUCCESSFUL];
    double seconds = result->seconds;

    bench_require(gets > 0, "no get at all");
    sample->clock = "wall";
    sample_add(sample, "ns_per_op", seconds * 1e9 / gets);
    sample_add(sample, "ops", gets);
    sample_add(sample, "gets", gets);
    sample_add(sample, "seconds", seconds);
    /* scaled up when the sample was shorter */
    sample_add(sample, "gets_in_120_s", gets * FULL_SECONDS / seconds);
    sample_add(sample, "average_get_ns",
               (double)counters[NCP_COUNTER_AVERAGE_GET_TIME]);
    sample_add(sample, "get_p50_ns", histogram_percentile(&all->get_ns, 0.50));
    sample_add(sample, "get_p99_ns", histogram_percentile(&all->get_ns, 0.99));
    sample_add(sample, "failed_gets", (double)all->failed_gets);
    sample_add(sample, "tcp_done", (double)all->done[NCP_PROTOCOL_TCP]);
    sample_add(sample, "tcp_failed", (double)all->failed[NCP_PROTOCOL_TCP]);
    sample_add(sample, "udp_done", (double)all->done[NCP_PROTOCOL_UDP]);
    sample_add(sample, "udp_failed", (double)all->failed[NCP_PROTOCOL_UDP]);
    sample_add(sample, "sent_bytes", (double)all->sent);
    sample_add(sample, "received_bytes", (double)all->received);
    sample_add(sample, "opened", (double)counters[NCP_COUNTER_CREATED]);
    sample_add(sample, "closed", (double)counters[NCP_COUNTER_CLOSED]);
    sample_add(sample, "threads", FUZZ_THREADS);
}

int run_fuzz(const struct task *task, struct sample *sample)
{
    struct result *result = fuzz_shared(sizeof *result);
    int exit_code;

    result->scene.task = task;
    echo_start(&result->scene.echo);
    bool crashed = fuzz_supervised(fuzz, result, &exit_code);
    echo_stop(&result->scene.echo);
    sample_add(sample, "crashes", crashed);
    if (exit_code == 0)
        add_figures(result, sample);
    return exit_code;
}
