/*
 * Strict fairness: whoever stands in line is served before everybody who came
 * later.
 *
 * usage: stress_fifo <rounds> <seed>
 */
#include "snapshot.h"
#include "world.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 8, PUSHERS = 4, PARTIES = LINE + PUSHERS, TICKETS = 64 };

struct queue_up;

struct person {
    struct queue_up *queue_up;
    int id; /* 0 .. LINE - 1 stand in line, the others push */
    pthread_t thread;
};

struct queue_up {
    ncp_pool *pool;
    struct world *world;
    struct person person[PARTIES];
    atomic_uint turn[PARTIES]; /* the round in which this one may go */
    atomic_int came_back;
    atomic_bool stop;
    /* Written by the owner of the only connection: it needs no lock. */
    int served[PARTIES];
    int served_count;
};

static ncp_pool *new_pool(int driver, ncp_queue *queue, struct world *world,
                          int max, int order)
{
    ncp_config *config = NULL;
    ncp_pool *pool = NULL;
    const struct {
        int option;
        int64_t value;
    } options[] = {
        {NCP_OPTION_DRIVER, driver},
        {NCP_OPTION_MAX_CONNECTIONS, max},
        {NCP_OPTION_MIN_CONNECTIONS, 0},
        {NCP_OPTION_MAX_IDLE_CONNECTIONS, max},
        {NCP_OPTION_IDLE_ORDER, order},
        {NCP_OPTION_FAIRNESS, NCP_FAIRNESS_STRICT},
        {NCP_OPTION_GET_TIMEOUT, -1},
        {NCP_OPTION_HEALTH_CHECK, 0},
        {NCP_OPTION_LEAK_TIMEOUT, 0},
        {NCP_OPTION_LOG_LEVEL, 0},
    };

    REQUIRE_EQ(ncp_config_new(NCP_MODE_CLIENT, &config), NCP_OK);
    world_store(config);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        REQUIRE_EQ(
            ncp_config_set_int(config, options[i].option, options[i].value),
            NCP_OK);
    if (queue) {
        REQUIRE_EQ(ncp_config_set_queue(config, queue), NCP_OK);
    } else {
        REQUIRE_EQ(ncp_config_set_dialer(config, world_dialer, world, NULL),
                   NCP_OK);
        REQUIRE_EQ(ncp_config_set_callback(config, NCP_CALLBACK_CLOSER,
                                           world_closer, world, NULL),
                   NCP_OK);
    }
    REQUIRE_EQ(ncp_pool_new(config, &pool), NCP_OK);
    ncp_config_free(config);
    return pool;
}

static void borrow_and_note(struct person *person)
{
    struct queue_up *queue_up = person->queue_up;
    bool pushes = person->id >= LINE;
    ncp_lease lease = 0;
    int status;

    do {
        status = pushes && person->id % 2
                     ? ncp_pool_try_get(queue_up->pool, &lease)
                     : ncp_pool_get(queue_up->pool, &lease);
        if (status == NCP_EEXHAUSTED)
            sched_yield();
    } while (status == NCP_EEXHAUSTED);
    REQUIRE_EQ(status, NCP_OK);
    queue_up->served[queue_up->served_count++] = person->id;
    REQUIRE_EQ(ncp_pool_put(queue_up->pool, lease), NCP_OK);
}

static void *stand(void *arg)
{
    struct person *person = arg;
    struct queue_up *queue_up = person->queue_up;

    for (unsigned round = 1;; round++) {
        while (atomic_load(&queue_up->turn[person->id]) != round) {
            if (atomic_load(&queue_up->stop))
                return NULL;
            sched_yield();
        }
        watchdog_beat(person->id, "in line");
        borrow_and_note(person);
        watchdog_rest(person->id);
        atomic_fetch_add(&queue_up->came_back, 1);
    }
}

/* The line forms one by one, then others push: nobody of the line is passed. */
static void play_push(struct queue_up *queue_up, struct rng *rng)
{
    ncp_lease lease = 0;

    queue_up->served_count = 0;
    atomic_store(&queue_up->came_back, 0);
    REQUIRE_EQ(ncp_pool_get(queue_up->pool, &lease), NCP_OK);
    for (int i = 0; i < LINE; i++) {
        atomic_fetch_add(&queue_up->turn[i], 1);
        REQUIRE_SOON(ncp_pool_waiting_count(queue_up->pool) == i + 1);
    }
    for (int i = LINE; i < PARTIES; i++)
        atomic_fetch_add(&queue_up->turn[i], 1);
    for (uint32_t i = rng_below(rng, 200); i > 0; i--)
        sched_yield();
    REQUIRE_EQ(queue_up->served_count, 0);
    /* The place counts as much as the connection. */
    if (rng_one_in(rng, 2))
        REQUIRE_EQ(ncp_pool_put(queue_up->pool, lease), NCP_OK);
    else
        REQUIRE_EQ(ncp_pool_discard(queue_up->pool, lease), NCP_OK);
    REQUIRE_SOON(atomic_load(&queue_up->came_back) == PARTIES);
    REQUIRE_EQ(queue_up->served_count, PARTIES);
    for (int i = 0; i < LINE; i++)
        REQUIRE_EQ(queue_up->served[i], i);
}

static void run_push(uint64_t rounds, struct rng *rng)
{
    static struct queue_up queue_up;

    memset(&queue_up, 0, sizeof(queue_up));
    queue_up.world = world_new(1);
    queue_up.pool = new_pool(NCP_DRIVER_PUSH, NULL, queue_up.world, 1,
                             (int)rng_below(rng, 2));
    expect_about(queue_up.pool);
    for (int i = 0; i < PARTIES; i++) {
        queue_up.person[i] = (struct person){.queue_up = &queue_up, .id = i};
        REQUIRE_EQ(pthread_create(&queue_up.person[i].thread, NULL, stand,
                                  &queue_up.person[i]),
                   0);
    }
    for (uint64_t i = 0; i < rounds; i++)
        play_push(&queue_up, rng);
    atomic_store(&queue_up.stop, true);
    for (int i = 0; i < PARTIES; i++)
        pthread_join(queue_up.person[i].thread, NULL);
    REQUIRE_EQ(ncp_pool_close(queue_up.pool), NCP_OK);
    expect_about(NULL);
    ncp_pool_free(queue_up.pool);
    world_require_empty(queue_up.world);
    world_free(queue_up.world);
}

/*
 * The same with tickets of all classes, where the order is exact: numbers are
 * drawn and tickets are taken under one lock, by several threads.
 */
enum { MAX = 3, DRAWERS = 4, CLASSES = 9 };

struct drawn {
    ncp_ticket ticket;
    int class;
};

struct tickets {
    ncp_pool *pool;
    ncp_queue *queue;
    pthread_mutex_t lock; /* guards all below */
    struct rng rng;
    struct drawn line[TICKETS]; /* in the order in which they were drawn */
    int count;
    ncp_lease lease[MAX];
    int leases;
    uint64_t steps;
    uint64_t served;
};

static bool class_fits(int wanted, int class)
{
    int protocol = wanted / 3, ip = wanted % 3;
    return (!protocol || protocol == class / 3) && (!ip || ip == class % 3);
}

static void dial_for(struct tickets *tickets, ncp_event *event)
{
    int protocol = event->protocol ? event->protocol : NCP_PROTOCOL_TCP;
    int ip = event->ip ? event->ip : NCP_IP_V4;

    REQUIRE_EQ(ncp_pool_fulfil(tickets->pool, event->lease, 1, -1, protocol, ip,
                               event),
               NCP_OK);
}

static void take_lease(struct tickets *tickets, const ncp_event *event)
{
    REQUIRE(tickets->leases < MAX);
    tickets->lease[tickets->leases++] = event->lease;
    tickets->served++;
}

/* A ticket was decided: no older ticket in line may have wanted the same. */
static void take_ticket(struct tickets *tickets, ncp_ticket ticket)
{
    ncp_event event;
    int at = 0;

    REQUIRE_EQ(ncp_ticket_take(tickets->pool, ticket, &event), NCP_OK);
    while (event.type == NCP_EVENT_DIAL)
        dial_for(tickets, &event);
    REQUIRE_EQ(event.type, NCP_EVENT_CONN);
    while (at < tickets->count && tickets->line[at].ticket != ticket)
        at++;
    REQUIRE(at < tickets->count);
    for (int i = 0; i < at; i++)
        REQUIRE(
            !class_fits(tickets->line[i].class, event.protocol * 3 + event.ip));
    memmove(&tickets->line[at], &tickets->line[at + 1],
            (size_t)(tickets->count - at - 1) * sizeof(tickets->line[0]));
    tickets->count--;
    take_lease(tickets, &event);
}

static void take_decided(struct tickets *tickets)
{
    ncp_event event[TICKETS];
    int count;

    while ((count = ncp_queue_poll(tickets->queue, event, TICKETS)) > 0)
        for (int i = 0; i < count; i++)
            if (event[i].type == NCP_EVENT_READY)
                take_ticket(tickets, event[i].ticket);
}

static void draw(struct tickets *tickets)
{
    int class = (int)rng_below(&tickets->rng, CLASSES);
    ncp_event event;

    if (tickets->count == TICKETS)
        return;
    REQUIRE_EQ(ncp_pool_acquire(tickets->pool, tickets->queue, class / 3,
                                class % 3, -1, 0, NCP_FLAG_DIALS, &event),
               NCP_OK);
    while (event.type == NCP_EVENT_DIAL)
        dial_for(tickets, &event);
    if (event.type == NCP_EVENT_PENDING) {
        tickets->line[tickets->count++] = (struct drawn){event.ticket, class};
        return;
    }
    REQUIRE_EQ(event.type, NCP_EVENT_CONN);
    /* A newcomer was served at once: nobody in line may have wanted it. */
    for (int i = 0; i < tickets->count; i++)
        REQUIRE(
            !class_fits(tickets->line[i].class, event.protocol * 3 + event.ip));
    take_lease(tickets, &event);
}

static void give_back(struct tickets *tickets)
{
    if (tickets->leases == 0)
        return;
    uint32_t at = rng_below(&tickets->rng, (uint32_t)tickets->leases);
    ncp_lease lease = tickets->lease[at];
    tickets->lease[at] = tickets->lease[--tickets->leases];
    REQUIRE_EQ(rng_one_in(&tickets->rng, 6)
                   ? ncp_pool_discard(tickets->pool, lease)
                   : ncp_pool_put(tickets->pool, lease),
               NCP_OK);
    /* Its successor is decided before anybody else may draw. */
    take_decided(tickets);
}

static void leave(struct tickets *tickets)
{
    if (tickets->count == 0)
        return;
    int at = (int)rng_below(&tickets->rng, (uint32_t)tickets->count);
    REQUIRE_EQ(ncp_ticket_abandon(tickets->pool, tickets->line[at].ticket,
                                  NCP_ECANCELED),
               NCP_OK);
    memmove(&tickets->line[at], &tickets->line[at + 1],
            (size_t)(tickets->count - at - 1) * sizeof(tickets->line[0]));
    tickets->count--;
    take_decided(tickets);
}

static void *draw_and_return(void *arg)
{
    struct tickets *tickets = arg;

    for (uint64_t i = 0; i < tickets->steps; i++) {
        pthread_mutex_lock(&tickets->lock);
        uint32_t dice = rng_below(&tickets->rng, 16);
        if (dice < 8)
            draw(tickets);
        else if (dice < 15)
            give_back(tickets);
        else
            leave(tickets);
        pthread_mutex_unlock(&tickets->lock);
    }
    return NULL;
}

static void run_tickets(uint64_t steps, uint64_t seed, int order)
{
    static struct tickets tickets;
    pthread_t thread[DRAWERS];

    memset(&tickets, 0, sizeof(tickets));
    tickets.rng.state = seed;
    tickets.steps = steps / DRAWERS;
    REQUIRE_EQ(pthread_mutex_init(&tickets.lock, NULL), 0);
    REQUIRE_EQ(ncp_queue_new(&tickets.queue), NCP_OK);
    tickets.pool = new_pool(NCP_DRIVER_PULL, tickets.queue, NULL, MAX, order);
    expect_about(tickets.pool);
    for (int i = 0; i < DRAWERS; i++)
        REQUIRE_EQ(pthread_create(&thread[i], NULL, draw_and_return, &tickets),
                   0);
    for (int i = 0; i < DRAWERS; i++)
        pthread_join(thread[i], NULL);
    while (tickets.count > 0) {
        REQUIRE(tickets.leases > 0); /* else somebody waits for nothing */
        give_back(&tickets);
    }
    REQUIRE(tickets.served > steps / 8);
    expect_about(NULL);
    ncp_pool_free(tickets.pool);
    while (tickets.leases > 0)
        give_back(&tickets);
    ncp_queue_free(tickets.queue);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: stress_fifo <rounds> <seed>\n");
        return 2;
    }
    uint64_t rounds = strtoull(argv[1], NULL, 10);
    struct rng rng = {strtoull(argv[2], NULL, 10)};

    expect_context("stress_fifo %s %s", argv[1], argv[2]);
    watchdog_start(0);
    run_push(rounds, &rng);
    run_push(rounds, &rng);
    run_tickets(rounds * 100, rng_next(&rng), NCP_IDLE_LIFO);
    run_tickets(rounds * 100, rng_next(&rng), NCP_IDLE_FIFO);
    watchdog_stop();
    printf("fifo: nobody was passed in %" PRIu64 " rounds\n", 2 * rounds);
    return 0;
}
