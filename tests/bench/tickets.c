#include "tickets.h"

#include <stdlib.h>

enum { TIMEOUT_MS = 1000, BATCH = 64 };

static const uint64_t SECOND_NS = 1000000000U;

enum step { ENQUEUE, CANCEL, HAND_OFF, TIME_OUT, STEPS };

struct line {
    ncp_pool *pool;
    ncp_queue *queue;
    ncp_lease lease; /* of the only connection */
    uint64_t clock;  /* of the pool, in ns */
    int callers;
    ncp_ticket *tickets;
    int *order;             /* in which they are cancelled */
    double spent_ns[STEPS]; /* of processor time */
    uint64_t operations[STEPS];
};

/* Fisher and Yates, with the generator of the C standard's example: the order
 * is the same in every run. */
static void shuffle(int *order, int count)
{
    uint32_t state = 1;
    for (int i = 0; i < count; i++)
        order[i] = i;
    for (int i = count - 1; i > 0; i--) {
        state = state * 1103515245U + 12345U;
        int other = (int)((state >> 8) % (uint32_t)(i + 1));
        int kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
}

static void open_line(struct line *line, ncp_config *config)
{
    ncp_event event;
    bench_require(ncp_queue_new(&line->queue) == NCP_OK &&
                      ncp_config_set(config, "driver", "pull") == NCP_OK &&
                      ncp_config_set_queue(config, line->queue) == NCP_OK,
                  "no queue");
    line->clock = SECOND_NS;
    ncp_config_set_clock(config, ncp_manual_clock, &line->clock, NULL);
    ncp_config_set_dialer(config, NULL, NULL, NULL);
    ncp_config_set_int(config, NCP_OPTION_MAX_CONNECTIONS, 1);
    ncp_config_set_int(config, NCP_OPTION_MAX_IDLE_CONNECTIONS, 1);
    ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, 0);
    /* Time is moved on here until connections would be too old. */
    ncp_config_set_int(config, NCP_OPTION_MAX_LIFETIME, 0);
    ncp_config_set_int(config, NCP_OPTION_LEAK_TIMEOUT, 0);
    bench_require(ncp_pool_new(config, &line->pool) == NCP_OK, "no pool");
    ncp_config_free(config);
    bench_require(ncp_pool_acquire(line->pool, line->queue, 0, 0, -1, 0,
                                   NCP_FLAG_DIALS, &event) == NCP_OK &&
                      event.type == NCP_EVENT_DIAL &&
                      ncp_pool_fulfil(line->pool, event.lease, 1, -1,
                                      NCP_PROTOCOL_TCP, NCP_IP_V4,
                                      &event) == NCP_OK &&
                      event.type == NCP_EVENT_CONN,
                  "no connection");
    line->lease = event.lease;
}

static void enqueue(struct line *line)
{
    ncp_event event;
    for (int i = 0; i < line->callers; i++) {
        bench_require(ncp_pool_acquire(line->pool, line->queue, 0, 0,
                                       TIMEOUT_MS, (uint64_t)i, 0,
                                       &event) == NCP_OK &&
                          event.type == NCP_EVENT_PENDING,
                      "no ticket");
        line->tickets[i] = event.ticket;
    }
}

static void cancel(struct line *line)
{
    for (int i = 0; i < line->callers; i++)
        bench_require(ncp_ticket_abandon(line->pool,
                                         line->tickets[line->order[i]],
                                         NCP_ECANCELED) == NCP_OK,
                      "not cancelled");
}

static void hand_off(struct line *line)
{
    ncp_event event;
    int status;
    for (int i = 0; i < line->callers; i++) {
        bench_require(ncp_pool_release(line->pool, line->lease, 0, line->queue,
                                       &event, 1, &status) == 1 &&
                          status == NCP_OK && event.type == NCP_EVENT_READY &&
                          event.tag == (uint64_t)i &&
                          ncp_ticket_take(line->pool, event.ticket, &event) ==
                              NCP_OK &&
                          event.type == NCP_EVENT_CONN,
                      "the oldest was not served");
        line->lease = event.lease;
    }
}

static void time_out(struct line *line)
{
    ncp_event events[BATCH], taken;
    int left = line->callers;
    line->clock += 2 * TIMEOUT_MS * (SECOND_NS / 1000);
    bench_require(ncp_pool_work(line->pool) == NCP_OK, "no work");
    while (left > 0) {
        int count = ncp_queue_poll(line->queue, events, BATCH);
        bench_require(count > 0, "a ticket was forgotten");
        for (int i = 0; i < count; i++)
            bench_require(events[i].type == NCP_EVENT_READY &&
                              ncp_ticket_take(line->pool, events[i].ticket,
                                              &taken) == NCP_ETIMEOUT,
                          "it did not time out");
        left -= count;
    }
}

static void timed(struct line *line, enum step step, void (*run)(struct line *))
{
    uint64_t begin = bench_cpu_ns();
    run(line);
    line->spent_ns[step] += (double)(bench_cpu_ns() - begin);
    line->operations[step] += (uint64_t)line->callers;
}

static void whole_storm(struct line *line)
{
    timed(line, ENQUEUE, enqueue);
    timed(line, CANCEL, cancel);
    timed(line, ENQUEUE, enqueue);
    timed(line, HAND_OFF, hand_off);
    timed(line, ENQUEUE, enqueue);
    timed(line, TIME_OUT, time_out);
}

void tickets_measure(ncp_config *config, int callers, double seconds,
                     struct sample *sample)
{
    static const char *const names[STEPS] = {"enqueue_ns", "cancel_ns",
                                             "handoff_ns", "timeout_ns"};
    struct line line = {
        .callers = callers,
        .tickets = bench_alloc((size_t)callers * sizeof *line.tickets),
        .order = bench_alloc((size_t)callers * sizeof *line.order)};
    double ns = 0, operations = 0;
    open_line(&line, config);
    shuffle(line.order, callers);
    whole_storm(&line); /* the memory it needs is there now */
    for (int step = 0; step < STEPS; step++)
        line.spent_ns[step] = 0, line.operations[step] = 0;
    uint64_t end = bench_now_ns() + (uint64_t)(seconds * 1e9);
    do
        whole_storm(&line);
    while (bench_now_ns() < end);
    sample->clock = "cpu";
    for (int step = 0; step < STEPS; step++) {
        ns += line.spent_ns[step];
        operations += (double)line.operations[step];
    }
    sample_add(sample, "ns_per_op", ns / operations);
    for (int step = 0; step < STEPS; step++)
        sample_add(sample, names[step],
                   line.spent_ns[step] / (double)line.operations[step]);
    sample_add(sample, "ops", operations);
    ncp_pool_put(line.pool, line.lease);
    ncp_pool_free(line.pool);
    ncp_queue_free(line.queue);
    free(line.tickets);
    free(line.order);
}
