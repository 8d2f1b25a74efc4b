/*
 * Threads that play hosts of a pull pool: each has a queue, does the work that
 * the pool hands out, and leaves its place in line whenever it likes. With
 * `events` they let their queues take tickets, look at each connection before it
 * is lent, and want to hear of log and time.
 *
 * usage: stress_pull <tickets|events> <operations> <seed>
 */
#include "snapshot.h"
#include "world.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HOSTS = 8,
    MAX = 4,
    TICKETS = 6,
    LEASES = 2,
    BATCH = 8,
    ROUND_CALLS = 1000
};

struct pull;

struct place {
    ncp_ticket ticket;
    uint64_t tag;
    bool queued; /* its READY comes through the queue of the host */
    bool limited;
    bool takes; /* the queue takes it by itself */
};

struct held {
    ncp_lease lease;
    uint64_t handle;
};

struct host {
    struct pull *pull;
    int id;
    pthread_t thread;
    struct rng rng;
    ncp_queue *queue;
    struct place place[TICKETS];
    struct held held[LEASES];
    bool tries; /* the acquire that is answered may neither dial nor wait */
    uint64_t calls;
    uint64_t tags;
    uint64_t total;
    uint64_t ok;
    uint64_t timeout;
    uint64_t failed;
    uint64_t left; /* abandoned: counted by the status, or as decided before */
    uint64_t dial_errors;
};

struct pull {
    ncp_pool *pool;
    ncp_queue *queue; /* of the pool: work */
    struct world *world;
    uint64_t rounds;
    bool events; /* the variant */
    pthread_barrier_t barrier;
    struct host host[HOSTS];
};

static void keep_lease(struct host *host, const ncp_event *event)
{
    struct pull *pull = host->pull;
    uint64_t handle = 0;

    host->ok++;
    REQUIRE(event->lease != 0);
    REQUIRE_EQ(ncp_lease_handle(pull->pool, event->lease, &handle), NCP_OK);
    REQUIRE_EQ(handle, event->handle);
    REQUIRE(event->protocol == world_protocol(pull->world, handle));
    world_own(pull->world, handle);
    world_touch(pull->world, handle);
    for (int i = 0; i < LEASES; i++) {
        if (!host->held[i].lease) {
            host->held[i] = (struct held){event->lease, handle};
            return;
        }
    }
    /* No hand is free: it goes straight back. */
    REQUIRE(world_disown(pull->world, handle));
    REQUIRE_EQ(ncp_pool_put(pull->pool, event->lease), NCP_OK);
    host->calls++;
}

static void keep_ticket(struct host *host, const ncp_event *event,
                        struct place kind)
{
    REQUIRE(event->ticket != 0);
    for (int i = 0; i < TICKETS; i++) {
        if (!host->place[i].ticket) {
            host->place[i] = kind;
            host->place[i].ticket = event->ticket;
            host->place[i].tag = event->tag;
            return;
        }
    }
    REQUIRE_EQ(
        ncp_ticket_abandon(host->pull->pool, event->ticket, NCP_ECANCELED),
        NCP_OK);
    host->left++;
    host->calls++;
}

/* How a get failed that had begun. */
static void count_failure(struct host *host, int status)
{
    switch (status) {
    case NCP_ETIMEOUT:
        host->timeout++;
        return;
    case NCP_EDIAL:
    case NCP_EUSER:
    case NCP_ENOPROTO:
    case NCP_ENOIP:
    case NCP_EEXHAUSTED:
    case NCP_EHOOK:
        host->failed++;
        return;
    default:
        expect_failed(__FILE__, __LINE__, ncp_status_name(status), status, 0,
                      true);
    }
}

static void fail_dial(struct host *host, const ncp_event *event,
                      ncp_event *answer)
{
    ncp_pool *pool = host->pull->pool;
    /* A host that gives up is no failure of the peer. */
    bool gives_up = rng_one_in(&host->rng, 3);
    ncp_event again;

    host->dial_errors += !gives_up;
    REQUIRE_EQ(ncp_pool_fail(pool, event->lease,
                             gives_up ? NCP_ECANCELED : NCP_EDIAL, 111,
                             "refused by chance", answer),
               NCP_OK);
    /* A reservation is good for one answer. */
    REQUIRE_EQ(ncp_pool_fulfil(pool, event->lease, 1, -1, 1, 1, &again),
               NCP_EINVALIDCONN);
}

/* Dials what was asked for; one in sixteen dials misunderstands. */
static int dial(struct host *host, const ncp_event *event, ncp_event *answer)
{
    struct pull *pull = host->pull;
    struct rng *rng = &host->rng;
    bool deaf = rng_one_in(rng, 16);
    int protocol = event->protocol;
    int ip = event->ip;

    if (protocol == NCP_PROTOCOL_UNKNOWN || deaf)
        protocol = 1 + (int)rng_below(rng, 2);
    if (ip == NCP_IP_UNKNOWN || deaf)
        ip = 1 + (int)rng_below(rng, 2);
    if (rng_one_in(rng, 4))
        sched_yield();
    world_dial(pull->world);
    return ncp_pool_fulfil(pull->pool, event->lease,
                           world_open(pull->world, protocol, ip), -1, protocol,
                           ip, answer);
}

/* Does what a DIAL, CHECK or BORROW asks for. True when the acquire goes on with
 * `answer`. */
static bool answer_event(struct host *host, const ncp_event *event, bool mine,
                         ncp_event *answer)
{
    int status = NCP_OK;
    bool failed = false;

    REQUIRE(event->lease != 0);
    host->calls++;
    if (event->type == NCP_EVENT_CHECK || event->type == NCP_EVENT_BORROW) {
        status = ncp_pool_checked(host->pull->pool, event->lease,
                                  !rng_one_in(&host->rng, 8), answer);
    } else if (rng_one_in(&host->rng, 12)) {
        fail_dial(host, event, answer);
        failed = answer->type == NCP_EVENT_NONE;
    } else {
        status = dial(host, event, answer);
    }
    if (!mine) {
        REQUIRE_EQ(status, NCP_OK);
        REQUIRE_EQ(answer->type, NCP_EVENT_NONE);
        return false;
    }
    if (status != NCP_OK)
        count_failure(host, status);
    if (failed)
        host->failed++;
    return status == NCP_OK && !failed;
}

static bool wants_work(const ncp_event *event)
{
    return event->type == NCP_EVENT_DIAL || event->type == NCP_EVENT_CHECK ||
           event->type == NCP_EVENT_BORROW;
}

/* Goes on until the acquire behind `event` has an end or a place in line. */
static void follow(struct host *host, ncp_event event, struct place kind,
                   bool mine)
{
    ncp_event answer;

    while (wants_work(&event)) {
        if (mine && host->tries)
            REQUIRE(event.type != NCP_EVENT_DIAL);
        if (!answer_event(host, &event, mine, &answer))
            return;
        event = answer;
    }
    REQUIRE(event.type == NCP_EVENT_CONN || event.type == NCP_EVENT_PENDING);
    if (host->tries)
        REQUIRE_EQ(event.type, NCP_EVENT_CONN);
    if (event.type == NCP_EVENT_CONN)
        keep_lease(host, &event);
    else
        keep_ticket(host, &event, kind);
}

static int64_t draw_timeout(struct rng *rng)
{
    if (rng_one_in(rng, 3))
        return 1 + (int64_t)rng_below(rng, 3);
    return rng_one_in(rng, 8) ? 0 : -1;
}

static void acquire(struct host *host)
{
    struct pull *pull = host->pull;
    struct rng *rng = &host->rng;
    bool queued = !rng_one_in(rng, 3);
    int64_t timeout_ms = draw_timeout(rng);
    bool takes = pull->events && queued && rng_one_in(rng, 2);
    int flags = (rng_one_in(rng, 2) ? NCP_FLAG_DIALS : 0) |
                (rng_one_in(rng, 8) ? NCP_FLAG_TRY : 0) |
                (takes ? NCP_FLAG_TAKE : 0);
    struct place kind = {
        .queued = queued, .limited = timeout_ms > 0, .takes = takes};
    uint64_t tag = ++host->tags;
    ncp_event event;
    int status = ncp_pool_acquire(
        pull->pool, queued ? host->queue : NULL, (int)rng_below(rng, 3),
        (int)rng_below(rng, 3), timeout_ms, tag, flags, &event);

    host->calls++;
    host->total++;
    if (status != NCP_OK) {
        count_failure(host, status);
        return;
    }
    if (!(flags & NCP_FLAG_DIALS))
        REQUIRE(event.type != NCP_EVENT_DIAL);
    host->tries = timeout_ms == 0 || (flags & NCP_FLAG_TRY);
    follow(host, event, kind, true);
    host->tries = false;
}

/* The ticket is at its end: with a result, or with an error. */
static void take_result(struct host *host, struct place *place, int status,
                        const ncp_event *event)
{
    struct place was = *place;

    if (status == NCP_EAGAIN)
        return;
    *place = (struct place){0};
    REQUIRE(status != NCP_EINVALIDCONN);
    if (status != NCP_OK) {
        if (!was.limited)
            REQUIRE(status != NCP_ETIMEOUT);
        count_failure(host, status);
        return;
    }
    REQUIRE_EQ(event->tag, was.tag);
    follow(host, *event, was, true);
}

static void take_ready(struct host *host, ncp_ticket ticket)
{
    ncp_event event;

    for (int i = 0; i < TICKETS; i++) {
        struct place *place = &host->place[i];
        if (place->ticket != ticket)
            continue;
        host->calls++;
        int status = ncp_ticket_take(host->pull->pool, ticket, &event);
        REQUIRE(status != NCP_EAGAIN);
        take_result(host, place, status, &event);
        return;
    }
    /* It was abandoned when the word was under way already. */
    REQUIRE_EQ(ncp_ticket_take(host->pull->pool, ticket, &event),
               NCP_EINVALIDCONN);
}

/* What a ticket came to that the queue took. */
static bool was_taken(struct host *host, const ncp_event *event)
{
    for (int i = 0; i < TICKETS; i++) {
        struct place *place = &host->place[i];
        if (!place->takes || place->ticket != event->ticket)
            continue;
        host->calls++;
        take_result(host, place,
                    event->type == NCP_EVENT_READY ? event->status : NCP_OK,
                    event);
        return true;
    }
    return false;
}

static void read_log(struct host *host)
{
    char line[256];

    while (ncp_pool_log_next(host->pull->pool, NULL, NULL, line, sizeof line) >
           0)
        REQUIRE(strncmp(line, "event=", 6) == 0);
}

static void handle_event(struct host *host, const ncp_queue *queue,
                         const ncp_event *event)
{
    REQUIRE(event->pool == host->pull->pool || event->type == NCP_EVENT_KICK);
    if (queue == host->queue && event->ticket != 0 && was_taken(host, event))
        return;
    switch (event->type) {
    case NCP_EVENT_DIAL:
    case NCP_EVENT_CHECK:
        follow(host, *event, (struct place){0}, false);
        return;
    case NCP_EVENT_LOG:
        read_log(host);
        return;
    case NCP_EVENT_DUE:
        REQUIRE(ncp_pool_next_due_ms(host->pull->pool) >= -1);
        return;
    case NCP_EVENT_CLOSE:
        world_close(host->pull->world, event->handle);
        return;
    case NCP_EVENT_READY:
        take_ready(host, event->ticket);
        return;
    case NCP_EVENT_KICK:
        return;
    default:
        expect_failed(__FILE__, __LINE__, "an event of a queue", event->type, 0,
                      true);
    }
}

static void handle_events(struct host *host, ncp_queue *queue)
{
    ncp_event event[BATCH];
    int count =
        ncp_queue_poll(queue, event, 1 + (int)rng_below(&host->rng, BATCH));

    REQUIRE(count >= 0);
    host->calls += (uint64_t)count;
    for (int i = 0; i < count; i++)
        handle_event(host, queue, &event[i]);
}

static void release(struct host *host, struct held *held)
{
    struct pull *pull = host->pull;
    struct held was = *held;
    ncp_event event[BATCH];
    int flags = rng_one_in(&host->rng, 8) ? NCP_FLAG_DISCARD : 0;
    int status = NCP_EINVAL;

    *held = (struct held){0};
    world_touch(pull->world, was.handle);
    REQUIRE(world_disown(pull->world, was.handle));
    host->calls++;
    if (rng_one_in(&host->rng, 3)) {
        REQUIRE_EQ(ncp_pool_put(pull->pool, was.lease), NCP_OK);
        return;
    }
    int count = ncp_pool_release(pull->pool, was.lease, flags, host->queue,
                                 event, BATCH, &status);
    REQUIRE_EQ(status, NCP_OK);
    REQUIRE(count >= 0);
    for (int i = 0; i < count; i++)
        handle_event(host, host->queue, &event[i]);
    if (rng_one_in(&host->rng, 8))
        REQUIRE_EQ(ncp_pool_put(pull->pool, was.lease), NCP_EINVALIDCONN);
}

static void abandon(struct host *host, struct place *place)
{
    int status = rng_one_in(&host->rng, 2) ? NCP_ETIMEOUT : NCP_ECANCELED;

    /* It may be decided already: what it was given goes back. */
    REQUIRE_EQ(ncp_ticket_abandon(host->pull->pool, place->ticket, status),
               NCP_OK);
    REQUIRE_EQ(ncp_ticket_abandon(host->pull->pool, place->ticket, status),
               NCP_EINVALIDCONN);
    host->left++;
    *place = (struct place){0};
    host->calls += 2;
}

static void visit_ticket(struct host *host, struct place *place, bool leave)
{
    ncp_event event;
    int status;

    if (leave && rng_one_in(&host->rng, 3)) {
        abandon(host, place);
        return;
    }
    if (place->queued) {
        /* Looking early is allowed too. */
        status = ncp_ticket_take(host->pull->pool, place->ticket, &event);
    } else {
        status = ncp_ticket_wait(host->pull->pool, place->ticket,
                                 rng_below(&host->rng, 2), &event);
    }
    take_result(host, place, status, &event);
}

static void step(struct host *host)
{
    uint32_t dice = rng_below(&host->rng, 100);
    struct place *place = &host->place[rng_below(&host->rng, TICKETS)];
    struct held *held = &host->held[rng_below(&host->rng, LEASES)];

    watchdog_beat(host->id, "step");
    if (dice < 25)
        acquire(host);
    else if (dice < 60 && held->lease)
        release(host, held);
    else if (dice < 70 && place->ticket)
        visit_ticket(host, place, true);
    else if (dice < 80)
        handle_events(host, host->pull->queue);
    else if (dice < 95)
        handle_events(host, host->queue);
    else if (dice < 98)
        REQUIRE_EQ(ncp_pool_work(host->pull->pool), NCP_OK);
    else
        REQUIRE_EQ(ncp_queue_kick(host->queue), NCP_OK);
    host->calls++;
}

static bool is_idle(const struct host *host)
{
    for (int i = 0; i < TICKETS; i++)
        if (host->place[i].ticket)
            return false;
    for (int i = 0; i < LEASES; i++)
        if (host->held[i].lease)
            return false;
    return true;
}

/* Gives everything back and stays in line until every ticket is decided: as
 * nobody holds a connection, each of them must be. */
static void settle(struct host *host)
{
    struct pull *pull = host->pull;

    watchdog_beat(host->id, "settle");
    while (!is_idle(host)) {
        for (int i = 0; i < LEASES; i++)
            if (host->held[i].lease)
                release(host, &host->held[i]);
        for (int i = 0; i < TICKETS; i++)
            if (host->place[i].ticket && !host->place[i].queued)
                visit_ticket(host, &host->place[i], false);
        handle_events(host, pull->queue);
        handle_events(host, host->queue);
        REQUIRE_EQ(ncp_pool_work(pull->pool), NCP_OK);
        sched_yield();
    }
    watchdog_rest(host->id);
}

static void drain_queues(struct pull *pull, struct host *host)
{
    while (ncp_queue_ready(pull->queue) == 1)
        handle_events(host, pull->queue);
    for (int i = 0; i < HOSTS; i++)
        while (ncp_queue_ready(pull->host[i].queue) == 1)
            handle_events(host, pull->host[i].queue);
}

static void check_rest(struct pull *pull, struct host *host)
{
    uint64_t value[NCP_COUNTER_COUNT];
    uint64_t total = 0, ok = 0, timeout = 0, failed = 0, left = 0;
    uint64_t dial_errors = 0;

    drain_queues(pull, host);
    for (int i = 0; i < HOSTS; i++) {
        const struct host *one = &pull->host[i];
        total += one->total;
        ok += one->ok;
        timeout += one->timeout;
        failed += one->failed;
        left += one->left;
        dial_errors += one->dial_errors;
    }
    snapshot_take(pull->pool, value, MAX, MAX);
    REQUIRE_EQ(value[NCP_COUNTER_ACTIVE], 0);
    REQUIRE_EQ(value[NCP_COUNTER_DIALING], 0);
    REQUIRE_EQ(value[NCP_COUNTER_IN_FLIGHT], 0);
    REQUIRE_EQ(value[NCP_COUNTER_WAITING], 0);
    REQUIRE_EQ(value[NCP_COUNTER_CURRENT], atomic_load(&pull->world->open));
    REQUIRE_EQ(value[NCP_COUNTER_TOTAL], total);
    REQUIRE_EQ(value[NCP_COUNTER_SUCCESSFUL], ok);
    REQUIRE_EQ(value[NCP_COUNTER_TIMEOUT] + value[NCP_COUNTER_FAILED],
               timeout + failed + left);
    REQUIRE(value[NCP_COUNTER_TIMEOUT] >= timeout);
    REQUIRE(value[NCP_COUNTER_FAILED] >= failed);
    REQUIRE_EQ(value[NCP_COUNTER_CONNECTION_ERRORS], dial_errors);
}

static void *play_host(void *arg)
{
    struct host *host = arg;
    struct pull *pull = host->pull;

    for (uint64_t round = 1; round <= pull->rounds; round++) {
        while (host->calls < round * ROUND_CALLS)
            step(host);
        settle(host);
        if (pthread_barrier_wait(&pull->barrier) ==
            PTHREAD_BARRIER_SERIAL_THREAD)
            check_rest(pull, host);
        pthread_barrier_wait(&pull->barrier);
    }
    return NULL;
}

static void want_events(ncp_config *config)
{
    REQUIRE_EQ(
        ncp_config_set_int(config, NCP_OPTION_HOST_EVENTS,
                           NCP_HOST_BORROW | NCP_HOST_LOG | NCP_HOST_DUE),
        NCP_OK);
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_LOG_LEVEL, NCP_LOG_DEBUG),
               NCP_OK);
}

static ncp_pool *new_pool(struct pull *pull)
{
    static const struct {
        int option;
        int64_t value;
    } options[] = {
        {NCP_OPTION_DRIVER, NCP_DRIVER_PULL},
        {NCP_OPTION_MAX_CONNECTIONS, MAX},
        {NCP_OPTION_MAX_IDLE_CONNECTIONS, MAX - 1},
        {NCP_OPTION_MIN_CONNECTIONS, 0},
        {NCP_OPTION_GET_TIMEOUT, -1},
        {NCP_OPTION_CHECK_ON_BORROW, 1},
        {NCP_OPTION_HEALTH_CHECK, 0},
        {NCP_OPTION_LEAK_TIMEOUT, 0},
        {NCP_OPTION_DIAL_BACKOFF, 0},
        {NCP_OPTION_BREAKER_FAILURES, 0},
        {NCP_OPTION_LOG_LEVEL, 0},
    };
    ncp_config *config = NULL;
    ncp_pool *pool = NULL;

    REQUIRE_EQ(ncp_config_new(NCP_MODE_CLIENT, &config), NCP_OK);
    world_store(config);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        REQUIRE_EQ(
            ncp_config_set_int(config, options[i].option, options[i].value),
            NCP_OK);
    if (pull->events)
        want_events(config);
    REQUIRE_EQ(ncp_config_set_queue(config, pull->queue), NCP_OK);
    REQUIRE_EQ(ncp_pool_new(config, &pool), NCP_OK);
    ncp_config_free(config);
    return pool;
}

static void run(struct pull *pull, struct rng *rng)
{
    REQUIRE_EQ(pthread_barrier_init(&pull->barrier, NULL, HOSTS), 0);
    for (int i = 0; i < HOSTS; i++) {
        struct host *host = &pull->host[i];
        host->pull = pull;
        host->id = i;
        host->rng.state = rng_next(rng);
        REQUIRE_EQ(ncp_queue_new(&host->queue), NCP_OK);
    }
    for (int i = 0; i < HOSTS; i++)
        REQUIRE_EQ(pthread_create(&pull->host[i].thread, NULL, play_host,
                                  &pull->host[i]),
                   0);
    for (int i = 0; i < HOSTS; i++)
        pthread_join(pull->host[i].thread, NULL);
}

int main(int argc, char **argv)
{
    static struct pull pull;
    struct sampler sampler;
    uint64_t calls = 0;

    if (argc != 4) {
        fprintf(stderr,
                "usage: stress_pull <tickets|events> <operations> <seed>\n");
        return 2;
    }
    struct rng rng = {strtoull(argv[3], NULL, 10)};
    expect_context("stress_pull %s %s %s", argv[1], argv[2], argv[3]);
    pull.rounds = strtoull(argv[2], NULL, 10) / HOSTS / ROUND_CALLS + 1;
    pull.events = strcmp(argv[1], "events") == 0;
    /* A host closes when it gets round to it, its place is free before that. */
    pull.world = world_new(WORLD_PEERS);
    REQUIRE_EQ(ncp_queue_new(&pull.queue), NCP_OK);
    pull.pool = new_pool(&pull);
    expect_about(pull.pool);
    watchdog_start(0);
    sampler_start(&sampler, pull.pool, MAX, MAX - 1);

    run(&pull, &rng);

    sampler_stop(&sampler);
    REQUIRE_EQ(ncp_pool_close(pull.pool), NCP_OK);
    drain_queues(&pull, &pull.host[0]);
    world_require_empty(pull.world);
    watchdog_stop();
    expect_about(NULL);
    ncp_pool_free(pull.pool);
    ncp_queue_free(pull.queue);
    for (int i = 0; i < HOSTS; i++) {
        calls += pull.host[i].calls;
        ncp_queue_free(pull.host[i].queue);
    }
    printf("pull: %" PRIu64 " operations, %lu connections, %lu snapshots\n",
           calls, (unsigned long)pull.world->opened, sampler.taken);
    world_free(pull.world);
    return 0;
}
