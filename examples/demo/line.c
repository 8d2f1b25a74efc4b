/*
 * Exhaustion: two connections, eight callers in line, and a ninth that does not
 * want to wait that long.
 */
#include "demo.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

enum { POOL = 2, CALLERS = 8, SHORT_MS = 100, TEXT = 2048 };

struct line {
    ncp_pool *pool;
    pthread_mutex_t lock; /* guards served, count */
    int served[CALLERS];
    int count;
    sem_t got;
};

struct caller {
    pthread_t thread;
    struct line *line;
    int number;
    int status;
    sem_t give_back;
};

static void *wait_in_line(void *user)
{
    struct caller *caller = user;
    struct line *line = caller->line;
    ncp_lease lease;
    caller->status = ncp_pool_get_timeout(line->pool, -1, &lease);

    pthread_mutex_lock(&line->lock);
    line->served[line->count++] = caller->number;
    pthread_mutex_unlock(&line->lock);
    sem_post(&line->got);

    if (caller->status != NCP_OK)
        return NULL;
    while (sem_wait(&caller->give_back) < 0)
        continue;
    caller->status = ncp_pool_put(line->pool, lease);
    return NULL;
}

/* Starts one caller and waits until it stands in line. */
static void arrive(struct line *line, struct caller *caller, int number)
{
    caller->line = line;
    caller->number = number;
    sem_init(&caller->give_back, 0, 0);
    if (pthread_create(&caller->thread, NULL, wait_in_line, caller) != 0) {
        perror("thread");
        exit(1);
    }
    while (ncp_pool_waiting_count(line->pool) < number)
        demo_sleep_ms(1);
    printf(" %d", number);
    fflush(stdout);
}

static void try_a_ninth(struct demo *demo, struct line *line)
{
    ncp_lease lease;
    char text[TEXT];
    double begin = demo_now();
    int status = ncp_pool_get_timeout(line->pool, SHORT_MS, &lease);
    double waited_ms = (demo_now() - begin) * 1e3;
    printf("   a ninth waits %d ms at most: %s, \"%s\", after %.1f ms\n",
           SHORT_MS, ncp_status_name(status), ncp_status_text(status),
           waited_ms);
    printf("   what the pool says of itself at that moment:\n");
    ncp_pool_describe(line->pool, text, sizeof text);
    demo_quote(text);
    demo_check(demo, status == NCP_ETIMEOUT && waited_ms >= SHORT_MS,
               "the ninth was told when its time was over, not before");
}

/* Gives the connections back one at a time; each goes to who is next. */
static void serve_all(struct line *line, struct caller *callers,
                      const ncp_lease *leases)
{
    printf("   served ");
    for (int i = 0; i < CALLERS; i++) {
        if (i < POOL)
            ncp_pool_put(line->pool, leases[i]);
        else
            sem_post(&callers[line->served[i - POOL] - 1].give_back);
        while (sem_wait(&line->got) < 0)
            continue;
        printf(" %d", line->served[i]);
        fflush(stdout);
    }
    for (int i = CALLERS - POOL; i < CALLERS; i++)
        sem_post(&callers[line->served[i] - 1].give_back);
    printf("\n");
}

void demo_line(struct demo *demo)
{
    static struct line line = {.lock = PTHREAD_MUTEX_INITIALIZER};
    static struct caller callers[CALLERS];
    ncp_lease leases[POOL];
    bool in_order = true, all_served = true;

    printf(
        "2. A pool of %d, both lent; %d callers come one after the other\n\n",
        POOL, CALLERS);
    const char *const options[] = {"name", "two", NULL};
    line.pool = demo_pool(demo->tcp, POOL, options);
    sem_init(&line.got, 0, 0);
    for (int i = 0; i < POOL; i++) {
        int status = ncp_pool_get(line.pool, &leases[i]);
        if (status != NCP_OK) {
            fprintf(stderr, "get: %s\n", ncp_status_text(status));
            exit(1);
        }
    }
    printf("   arrived");
    for (int i = 0; i < CALLERS; i++)
        arrive(&line, &callers[i], i + 1);
    printf("\n");
    try_a_ninth(demo, &line);
    serve_all(&line, callers, leases);

    for (int i = 0; i < CALLERS; i++) {
        pthread_join(callers[i].thread, NULL);
        sem_destroy(&callers[i].give_back);
        in_order = in_order && line.served[i] == i + 1;
        all_served = all_served && callers[i].status == NCP_OK;
    }
    demo_check(demo, all_served, "everybody was served");
    demo_check(demo, in_order, "in the order in which they came");
    printf("\n");
    ncp_pool_free(line.pool);
    sem_destroy(&line.got);
}
