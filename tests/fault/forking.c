/*
 * fork(): the pool of the child is empty and works, what it inherited is closed
 * without a goodbye, the pool of the parent does not notice, nobody deadlocks.
 *
 * usage: fault_fork [case] [forks, 0: none beside other threads]
 */
#include "child.h"
#include "snapshot.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX = 4, HANG_S = 120, FORKS = 1000, HAMMERS = 6, SKIPPED = 77 };

/* The far ends of the socket pairs, by the number of the near end. No lock:
 * a fork may come at any moment. */
enum { DESCRIPTORS = 1024 };
static atomic_int far_end[DESCRIPTORS];
/* That a number of a descriptor is used again tells of what was done with it only
 * to the kernel: this tells the thread sanitizer. */
static atomic_uint talks;

static int dialer(void *user, ncp_dial *dial)
{
    int pair[2];

    (void)user;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return NCP_EDIAL;
    REQUIRE(pair[0] < DESCRIPTORS && pair[1] < DESCRIPTORS);
    int old = atomic_exchange(&far_end[pair[0]], pair[1]);
    atomic_fetch_add(&talks, 1); /* after the last talk over the old one */
    if (old > 0)
        close(old);
    return ncp_dial_done(dial, (uint64_t)pair[0], pair[0], NCP_PROTOCOL_TCP,
                         NCP_IP_V4);
}

static ncp_pool *open_pool(int min, bool checks)
{
    const struct {
        int option;
        int64_t value;
    } options[] = {
        {NCP_OPTION_MAX_CONNECTIONS, MAX},
        {NCP_OPTION_MIN_CONNECTIONS, min},
        {NCP_OPTION_GET_TIMEOUT, 60000},
        {NCP_OPTION_HEALTH_CHECK, checks},
        {NCP_OPTION_HEALTH_CHECK_INTERVAL, 2},
        {NCP_OPTION_IDLE_TIMEOUT, 50},
        {NCP_OPTION_CLEANUP_INTERVAL, 2},
        {NCP_OPTION_LEAK_TIMEOUT, 0},
        {NCP_OPTION_LOG_LEVEL, 0},
    };
    ncp_config *config = NULL;
    ncp_pool *pool = NULL;

    REQUIRE_EQ(ncp_config_new(NCP_MODE_CLIENT, &config), NCP_OK);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        REQUIRE_EQ(
            ncp_config_set_int(config, options[i].option, options[i].value),
            NCP_OK);
    REQUIRE_EQ(ncp_config_set_dialer(config, dialer, NULL, NULL), NCP_OK);
    REQUIRE_EQ(ncp_pool_new(config, &pool), NCP_OK);
    ncp_config_free(config);
    expect_about(pool);
    return pool;
}

/* Both ends of the connection of a lease talk to each other. */
static void require_talks(ncp_pool *pool, ncp_lease lease)
{
    char byte = 0;
    int fd = ncp_lease_fd(pool, lease);

    REQUIRE(fd >= 0);
    int far = atomic_load(&far_end[fd]);
    REQUIRE_EQ(send(fd, "?", 1, MSG_NOSIGNAL), 1);
    REQUIRE_EQ(recv(far, &byte, 1, 0), 1);
    REQUIRE_EQ(send(far, "!", 1, MSG_NOSIGNAL), 1);
    REQUIRE_EQ(recv(fd, &byte, 1, 0), 1);
    REQUIRE_EQ(byte, '!');
    atomic_fetch_add(&talks, 1);
}

/* Runs `function` in a child and requires that it ends well. */
static void in_child(void (*function)(void *), void *arg)
{
    int status = 0;

    fflush(NULL);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        alarm(HANG_S);
        function(arg);
        _exit(0);
    }
    while (waitpid(pid, &status, 0) < 0)
        REQUIRE_EQ(errno, EINTR);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        expect_failed(__FILE__, __LINE__, "the child hangs", 0, 0, false);
    REQUIRE_EQ(status, 0);
}

/* The pool in a child: empty, and it works with its whole capacity. */
static void require_fresh(ncp_pool *pool)
{
    uint64_t value[NCP_COUNTER_COUNT];
    ncp_lease lease[MAX];

    for (int i = 0; i < MAX; i++) {
        REQUIRE_EQ(ncp_pool_get(pool, &lease[i]), NCP_OK);
        require_talks(pool, lease[i]);
    }
    snapshot_take(pool, value, MAX, MAX);
    REQUIRE_EQ(value[NCP_COUNTER_ACTIVE], MAX);
    for (int i = 0; i < MAX; i++)
        REQUIRE_EQ(ncp_pool_put(pool, lease[i]), NCP_OK);
    REQUIRE_EQ(ncp_pool_active_count(pool), 0);
    REQUIRE(ncp_pool_describe(pool, NULL, 0) > 0);
}

struct inheritance {
    ncp_pool *pool;
    ncp_lease borrowed;
    int borrowed_fd;
    int idle_fd;
    ino_t borrowed_socket;
    ino_t idle_socket;
};

static ino_t socket_of(int fd)
{
    struct stat about;
    return fstat(fd, &about) == 0 ? about.st_ino : 0;
}

static void inherit(void *arg)
{
    struct inheritance *inheritance = arg;
    ncp_pool *pool = inheritance->pool;
    uint64_t value = 0;

    REQUIRE_EQ(ncp_pool_active_count(pool), 0);
    REQUIRE_EQ(ncp_pool_idle_count(pool), 0);
    /* Leases of the parent are none of ours. */
    REQUIRE_EQ(ncp_pool_put(pool, inheritance->borrowed), NCP_EINVALIDCONN);
    REQUIRE_EQ(ncp_pool_discard(pool, inheritance->borrowed), NCP_EINVALIDCONN);
    REQUIRE_EQ(ncp_lease_handle(pool, inheritance->borrowed, &value),
               NCP_EINVALIDCONN);
    REQUIRE_EQ(ncp_lease_fd(pool, inheritance->borrowed), NCP_EINVALIDCONN);
    /* The parent's far ends keep the pairs alive there, not here. */
    int idle_far = atomic_load(&far_end[inheritance->idle_fd]);
    REQUIRE_EQ(ncp_pool_try_get(pool, &inheritance->borrowed), NCP_EEXHAUSTED);
    REQUIRE_SOON(socket_of(inheritance->borrowed_fd) !=
                 inheritance->borrowed_socket);
    REQUIRE_SOON(socket_of(inheritance->idle_fd) != inheritance->idle_socket);
    REQUIRE(socket_of(idle_far) != 0);
    require_fresh(pool);
    REQUIRE_EQ(ncp_pool_close(pool), NCP_OK);
    ncp_pool_free(pool);
}

static void child_has_an_empty_pool_that_works(void)
{
    struct inheritance inheritance = {.pool = open_pool(0, false)};
    ncp_pool *pool = inheritance.pool;
    ncp_lease idle = 0;
    uint64_t before[NCP_COUNTER_COUNT], after[NCP_COUNTER_COUNT];

    REQUIRE_EQ(ncp_pool_set(pool, NCP_OPTION_IDLE_TIMEOUT, 0), NCP_OK);
    REQUIRE_EQ(ncp_pool_get(pool, &inheritance.borrowed), NCP_OK);
    REQUIRE_EQ(ncp_pool_get(pool, &idle), NCP_OK);
    inheritance.borrowed_fd = ncp_lease_fd(pool, inheritance.borrowed);
    inheritance.idle_fd = ncp_lease_fd(pool, idle);
    inheritance.borrowed_socket = socket_of(inheritance.borrowed_fd);
    inheritance.idle_socket = socket_of(inheritance.idle_fd);
    REQUIRE_EQ(ncp_pool_put(pool, idle), NCP_OK);
    snapshot_take(pool, before, MAX, MAX);
    for (int i = 0; i < 20; i++) {
        in_child(inherit, &inheritance);
        /* Nobody said goodbye: both connections of the parent work. */
        require_talks(pool, inheritance.borrowed);
        REQUIRE_EQ(ncp_pool_try_get(pool, &idle), NCP_OK);
        REQUIRE_EQ(ncp_lease_fd(pool, idle), inheritance.idle_fd);
        require_talks(pool, idle);
        REQUIRE_EQ(ncp_pool_put(pool, idle), NCP_OK);
    }
    snapshot_take(pool, after, MAX, MAX);
    REQUIRE_EQ(after[NCP_COUNTER_CREATED], before[NCP_COUNTER_CREATED]);
    REQUIRE_EQ(after[NCP_COUNTER_CLOSED], before[NCP_COUNTER_CLOSED]);
    REQUIRE_EQ(after[NCP_COUNTER_ACTIVE], 1);
    REQUIRE_EQ(ncp_pool_put(pool, inheritance.borrowed), NCP_OK);
    ncp_pool_free(pool);
}

static void use_and_go_deeper(void *arg)
{
    void **level = arg;
    ncp_pool *pool = level[0];
    ncp_lease lease = 0;

    require_fresh(pool);
    REQUIRE_EQ(ncp_pool_get(pool, &lease), NCP_OK);
    if (level[1]) {
        void *deeper[2] = {pool, (void *)((uintptr_t)level[1] - 1)};
        in_child(use_and_go_deeper, deeper);
    }
    require_talks(pool, lease);
    REQUIRE_EQ(ncp_pool_put(pool, lease), NCP_OK);
}

static void children_have_children(void)
{
    ncp_pool *pool = open_pool(2, true);
    void *level[2] = {pool, (void *)(uintptr_t)4};

    use_and_go_deeper(level);
    ncp_pool_free(pool);
}

/* A token that a thread of the parent waits with is used by the child, which has
 * no such thread. */
struct waiting_with_token {
    ncp_pool *pool;
    ncp_cancel *cancel;
    int status;
};

static int get_with_token(struct waiting_with_token *with, int64_t timeout_ms)
{
    ncp_lease lease = 0;

    return ncp_pool_get_ex(with->pool, 0, 0, timeout_ms, with->cancel, 0,
                           &lease);
}

static void *wait_with_token(void *arg)
{
    struct waiting_with_token *with = arg;

    with->status = get_with_token(with, -1);
    return NULL;
}

static void use_token(void *arg)
{
    struct waiting_with_token *with = arg;
    ncp_lease lease[MAX];

    for (int i = 0; i < MAX; i++)
        REQUIRE_EQ(ncp_pool_get(with->pool, &lease[i]), NCP_OK);
    REQUIRE_EQ(get_with_token(with, 1), NCP_ETIMEOUT);
    REQUIRE_EQ(ncp_cancel_fire(with->cancel), NCP_OK);
    REQUIRE_EQ(get_with_token(with, -1), NCP_ECANCELED);
}

/* Fired before anything waits with it here. */
static void fire_token(void *arg)
{
    struct waiting_with_token *with = arg;

    REQUIRE_EQ(ncp_cancel_fire(with->cancel), NCP_OK);
    REQUIRE_EQ(get_with_token(with, -1), NCP_ECANCELED);
}

static void tokens_forget_the_threads_of_the_parent(void)
{
    struct waiting_with_token with = {.pool = open_pool(0, false)};
    ncp_lease lease[MAX];
    pthread_t thread;

    REQUIRE_EQ(ncp_cancel_new(&with.cancel), NCP_OK);
    for (int i = 0; i < MAX; i++)
        REQUIRE_EQ(ncp_pool_get(with.pool, &lease[i]), NCP_OK);
    REQUIRE_EQ(pthread_create(&thread, NULL, wait_with_token, &with), 0);
    REQUIRE_SOON(ncp_pool_waiting_count(with.pool) == 1);
    for (int i = 0; i < 5; i++) {
        in_child(use_token, &with);
        in_child(fire_token, &with);
    }
    REQUIRE_EQ(ncp_pool_waiting_count(with.pool), 1);
    REQUIRE_EQ(ncp_cancel_fire(with.cancel), NCP_OK);
    pthread_join(thread, NULL);
    REQUIRE_EQ(with.status, NCP_ECANCELED);
    for (int i = 0; i < MAX; i++)
        REQUIRE_EQ(ncp_pool_put(with.pool, lease[i]), NCP_OK);
    ncp_cancel_free(with.cancel);
    ncp_pool_free(with.pool);
}

/* A fork in a callback: parent and child both come back from it. */
static atomic_int forks_in_callbacks;

static int forking_hook(void *user, const ncp_conn *conn, int reason)
{
    ncp_pool *pool = *(ncp_pool **)user;
    int status = 0;

    (void)conn;
    (void)reason;
    if (!pool || atomic_fetch_add(&forks_in_callbacks, 1) > 20)
        return NCP_OK;
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        alarm(HANG_S);
        atomic_store(&forks_in_callbacks, 100);
        require_fresh(pool);
        _exit(0);
    }
    REQUIRE_EQ(waitpid(pid, &status, 0), pid);
    REQUIRE_EQ(status, 0);
    return NCP_OK;
}

static int forking_dialer(void *user, ncp_dial *dial)
{
    forking_hook(user, NULL, 0);
    return dialer(NULL, dial);
}

static void fork_in_a_callback(void)
{
    static ncp_pool *pool;
    static const int callbacks[] = {
        NCP_CALLBACK_ON_CREATED, NCP_CALLBACK_ON_BORROW, NCP_CALLBACK_ON_RETURN,
        NCP_CALLBACK_ON_CLOSE, NCP_CALLBACK_CHECKER};
    ncp_pool *made = NULL;

    for (int i = 0; i < 6; i++) {
        ncp_config *config = NULL;
        ncp_lease lease = 0;
        REQUIRE_EQ(ncp_config_new(NCP_MODE_CLIENT, &config), NCP_OK);
        REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_MAX_CONNECTIONS, MAX),
                   0);
        REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, 0),
                   0);
        REQUIRE_EQ(
            ncp_config_set_int(config, NCP_OPTION_HEALTH_CHECK_INTERVAL, 2), 0);
        REQUIRE_EQ(ncp_config_set_dialer(
                       config, i == 5 ? forking_dialer : dialer, &pool, NULL),
                   NCP_OK);
        if (i < 5)
            REQUIRE_EQ(ncp_config_set_callback(config, callbacks[i],
                                               forking_hook, &pool, NULL),
                       NCP_OK);
        REQUIRE_EQ(ncp_pool_new(config, &made), NCP_OK);
        ncp_config_free(config);
        atomic_store(&forks_in_callbacks, 0);
        pool = made;
        expect_about(pool);
        for (int j = 0; j < 3; j++) {
            REQUIRE_EQ(ncp_pool_get_timeout(pool, 60000, &lease), NCP_OK);
            require_talks(pool, lease);
            REQUIRE_EQ(j == 1 ? ncp_pool_discard(pool, lease)
                              : ncp_pool_put(pool, lease),
                       NCP_OK);
        }
        REQUIRE_SOON(atomic_load(&forks_in_callbacks) > 0);
        pool = NULL; /* a closed pool is closed in a child too */
        REQUIRE_EQ(ncp_pool_close(made), NCP_OK);
        expect_about(NULL);
        ncp_pool_free(made);
    }
}

struct pull {
    ncp_pool *pool;
    ncp_queue *queue;
    ncp_lease lease;
    ncp_ticket ticket;
};

static ncp_lease pull_one(ncp_pool *pool, ncp_queue *queue, uint64_t handle)
{
    ncp_event event, answer;

    REQUIRE_EQ(
        ncp_pool_acquire(pool, queue, 0, 0, -1, 0, NCP_FLAG_DIALS, &event),
        NCP_OK);
    REQUIRE_EQ(event.type, NCP_EVENT_DIAL);
    REQUIRE_EQ(ncp_pool_fulfil(pool, event.lease, handle, -1, 1, 1, &answer),
               NCP_OK);
    REQUIRE_EQ(answer.type, NCP_EVENT_CONN);
    return answer.lease;
}

static void inherit_pull(void *arg)
{
    struct pull *pull = arg;
    ncp_event event;

    REQUIRE_EQ(ncp_pool_put(pull->pool, pull->lease), NCP_EINVALIDCONN);
    REQUIRE_EQ(ncp_ticket_take(pull->pool, pull->ticket, &event),
               NCP_EINVALIDCONN);
    REQUIRE_EQ(ncp_ticket_abandon(pull->pool, pull->ticket, NCP_ECANCELED),
               NCP_EINVALIDCONN);
    REQUIRE_EQ(ncp_pool_active_count(pull->pool), 0);
    REQUIRE_EQ(ncp_pool_waiting_count(pull->pool), 0);
    /* The queue of the child is its own: a kick here is not heard there. */
    while (ncp_queue_poll(pull->queue, &event, 1) > 0)
        ;
    REQUIRE_EQ(ncp_queue_kick(pull->queue), NCP_OK);
    REQUIRE_EQ(ncp_queue_wait(pull->queue, &event, 1, 60000), 1);
    REQUIRE_EQ(event.type, NCP_EVENT_KICK);
    ncp_lease lease = pull_one(pull->pool, pull->queue, 900);
    REQUIRE_EQ(ncp_pool_put(pull->pool, lease), NCP_OK);
    REQUIRE_EQ(ncp_pool_work(pull->pool), NCP_OK);
    ncp_pool_free(pull->pool);
    ncp_queue_free(pull->queue);
}

static void pull_pools_and_queues(void)
{
    struct pull pull = {0};
    ncp_config *config = NULL;
    ncp_event event;

    REQUIRE_EQ(ncp_queue_new(&pull.queue), NCP_OK);
    REQUIRE_EQ(ncp_config_new(NCP_MODE_CLIENT, &config), NCP_OK);
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_DRIVER, NCP_DRIVER_PULL),
               NCP_OK);
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_MAX_CONNECTIONS, 1), 0);
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, 0), 0);
    REQUIRE_EQ(ncp_config_set_queue(config, pull.queue), NCP_OK);
    REQUIRE_EQ(ncp_pool_new(config, &pull.pool), NCP_OK);
    ncp_config_free(config);
    pull.lease = pull_one(pull.pool, pull.queue, 42);
    REQUIRE_EQ(ncp_pool_acquire(pull.pool, pull.queue, 0, 0, -1, 5, 0, &event),
               NCP_OK);
    REQUIRE_EQ(event.type, NCP_EVENT_PENDING);
    pull.ticket = event.ticket;
    for (int i = 0; i < 20; i++) {
        in_child(inherit_pull, &pull);
        REQUIRE_EQ(ncp_queue_ready(pull.queue), 0);
    }
    /* The parent's ticket stands in line still. */
    REQUIRE_EQ(ncp_pool_waiting_count(pull.pool), 1);
    REQUIRE_EQ(ncp_pool_put(pull.pool, pull.lease), NCP_OK);
    REQUIRE_EQ(ncp_queue_wait(pull.queue, &event, 1, 60000), 1);
    REQUIRE_EQ(event.ticket, pull.ticket);
    REQUIRE_EQ(ncp_ticket_take(pull.pool, pull.ticket, &event), NCP_OK);
    REQUIRE_EQ(event.handle, 42);
    REQUIRE_EQ(ncp_pool_put(pull.pool, event.lease), NCP_OK);
    ncp_pool_free(pull.pool);
    ncp_queue_free(pull.queue);
}

/* Threads that use everything while the process forks. */
struct hammer {
    ncp_pool *pool;
    ncp_queue *queue;
    int id;
    pthread_t thread;
    atomic_bool stop;
    atomic_ulong turns;
};

static void hammer_pool(ncp_pool *pool)
{
    ncp_lease lease = 0;

    REQUIRE_EQ(ncp_pool_get(pool, &lease), NCP_OK);
    require_talks(pool, lease);
    REQUIRE_EQ(ncp_pool_put(pool, lease), NCP_OK);
}

static void hammer_queue(ncp_queue *queue)
{
    ncp_event event[4];

    REQUIRE_EQ(ncp_queue_kick(queue), NCP_OK);
    REQUIRE(ncp_queue_wait(queue, event, 4, 1) >= 0);
}

static void hammer_rest(ncp_pool *pool)
{
    uint64_t value[NCP_COUNTER_COUNT];
    char text[2048];
    ncp_config *config = NULL;
    ncp_pool *other = NULL;

    snapshot_take(pool, value, MAX, MAX);
    REQUIRE(ncp_pool_describe(pool, text, sizeof(text)) > 0);
    REQUIRE_EQ(ncp_pool_flush(pool), NCP_OK);
    REQUIRE_EQ(ncp_pool_wake(pool), NCP_OK);
    /* Pools come and go, and with them the housekeeping. */
    REQUIRE_EQ(ncp_config_new(NCP_MODE_CLIENT, &config), NCP_OK);
    REQUIRE_EQ(ncp_config_set_dialer(config, dialer, NULL, NULL), NCP_OK);
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, 0), 0);
    REQUIRE_EQ(ncp_pool_new(config, &other), NCP_OK);
    ncp_config_free(config);
    ncp_pool_free(other);
}

static void *hammer_away(void *arg)
{
    struct hammer *hammer = arg;

    while (!atomic_load(&hammer->stop)) {
        if (hammer->id < HAMMERS - 2)
            hammer_pool(hammer->pool);
        else if (hammer->id == HAMMERS - 2)
            hammer_queue(hammer->queue);
        else
            hammer_rest(hammer->pool);
        atomic_fetch_add(&hammer->turns, 1);
    }
    return NULL;
}

static void use_everything(void *arg)
{
    struct hammer *hammer = arg;

    hammer_pool(hammer->pool);
    hammer_queue(hammer->queue);
    hammer_rest(hammer->pool);
}

static long hammer_forks = FORKS;

static void forks_under_fire(void)
{
    static struct hammer hammer[HAMMERS];
    ncp_pool *pool = open_pool(1, true);
    ncp_queue *queue = NULL;

    REQUIRE_EQ(ncp_queue_new(&queue), NCP_OK);
    for (int i = 0; i < HAMMERS; i++) {
        hammer[i].pool = pool;
        hammer[i].queue = queue;
        hammer[i].id = i;
        REQUIRE_EQ(
            pthread_create(&hammer[i].thread, NULL, hammer_away, &hammer[i]),
            0);
    }
    for (long i = 0; i < hammer_forks; i++)
        in_child(use_everything, &hammer[0]);
    /* Nobody stopped in the parent either. */
    for (int i = 0; i < HAMMERS; i++) {
        unsigned long turns = atomic_load(&hammer[i].turns);
        REQUIRE_SOON(atomic_load(&hammer[i].turns) > turns);
    }
    for (int i = 0; i < HAMMERS; i++)
        atomic_store(&hammer[i].stop, true);
    for (int i = 0; i < HAMMERS; i++)
        pthread_join(hammer[i].thread, NULL);
    REQUIRE_EQ(ncp_pool_close(pool), NCP_OK);
    expect_about(NULL);
    ncp_pool_free(pool);
    ncp_queue_free(queue);
}

static const struct {
    const char *name;
    void (*run)(void);
    bool threads; /* it forks beside threads of the library */
} cases[] = {
#define CASE(name, threads)                                                    \
    {                                                                          \
#name, name, threads                                                   \
    }
    CASE(child_has_an_empty_pool_that_works, true),
    CASE(children_have_children, true),
    CASE(tokens_forget_the_threads_of_the_parent, true),
    CASE(fork_in_a_callback, true),
    CASE(pull_pools_and_queues, false),
    CASE(forks_under_fire, true),
};

static void run_case(void *arg)
{
    void (*const *run)(void) = arg;
    (*run)();
}

int main(int argc, char **argv)
{
    int found = 0;

    if (argc > 2)
        hammer_forks = strtol(argv[2], NULL, 10);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        void (*run)(void) = cases[i].run;
        if (argc > 1 && strcmp(argv[1], cases[i].name) != 0)
            continue;
        found++;
        if (cases[i].threads && hammer_forks == 0) {
            printf("%s skipped: the allocator of the address sanitizer does "
                   "not survive a fork beside other threads\n",
                   cases[i].name);
            return SKIPPED;
        }
        expect_context("case %s", cases[i].name);
        printf("%s\n", cases[i].name);
        child_run(run_case, &run);
    }
    return found ? 0 : 2;
}
