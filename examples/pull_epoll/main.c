/*
 * The pull driver: a single-threaded epoll loop is the host of a pool.
 *
 * The pool never blocks, calls nothing and starts no thread. It answers with
 * events that say what to do: dial, use, check, close. 64 tasks share four
 * connections; a task that has to wait is a ticket in line, not a thread.
 */
#include "echo_server.h"

#include <netconnpool.h>

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    TASKS = 64,
    EACH = 25, /* requests a task */
    CONNECTIONS = 4,
    MAX_FD = 256,
    BATCH = 16
};

/* What the host knows of a descriptor. */
struct conn {
    enum { UNUSED, DIALING, IDLE, ASKING } state;
    ncp_lease lease;       /* ASKING: the lease; DIALING: the reservation */
    uint64_t task;         /* for whom; 0 nobody */
    int64_t give_up_at_ms; /* DIALING */
};

static struct host {
    int epoll;
    ncp_queue *queue;
    ncp_pool *pool;
    struct sockaddr_in server;
    struct conn conns[MAX_FD];
    int left[TASKS + 1]; /* requests a task has still to make; from 1 */
    int running;         /* tasks that are not finished */
    int failed, served, dialed, closed, most_waiting;
} host;

static void on_event(const ncp_event *event);

static int64_t now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void watch(int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(host.epoll, EPOLL_CTL_MOD, fd, &event) < 0 &&
        epoll_ctl(host.epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        perror("epoll_ctl");
}

/* ----------------------------------------------------------------------- tasks */

static void task_failed(uint64_t task, int status)
{
    fprintf(stderr, "task %" PRIu64 ": %s\n", task, ncp_status_text(status));
    host.failed++;
    host.running--;
}

/* The next request of a task begins with a connection. */
static void task_continue(uint64_t task)
{
    ncp_event event;
    if (host.left[task]-- == 0) {
        host.running--;
        return;
    }
    int status = ncp_pool_acquire(host.pool, host.queue, NCP_PROTOCOL_TCP,
                                  NCP_IP_UNKNOWN, NCP_TIMEOUT_DEFAULT, task,
                                  NCP_FLAG_DIALS, &event);
    if (status == NCP_OK)
        on_event(&event);
    else
        task_failed(task, status);
    int waiting = ncp_pool_waiting_count(host.pool);
    if (waiting > host.most_waiting)
        host.most_waiting = waiting;
}

static int request_of(uint64_t task, char text[32])
{
    return snprintf(text, 32, "task %" PRIu64 ", %d to go", task,
                    host.left[task]);
}

/* The lease goes back; who waited for it comes out of the same call. */
static void give_back(int fd, int flags)
{
    ncp_event events[BATCH];
    struct conn *conn = &host.conns[fd];
    conn->state = IDLE;
    int count = ncp_pool_release(host.pool, conn->lease, flags, host.queue,
                                 events, BATCH, NULL);
    for (int i = 0; i < count; i++)
        on_event(&events[i]);
}

static void begin_request(const ncp_event *event)
{
    char text[32];
    struct conn *conn = &host.conns[event->fd];
    int size = request_of(event->tag, text);
    conn->state = ASKING;
    conn->lease = event->lease;
    conn->task = event->tag;
    watch(event->fd, EPOLLIN);
    if (send(event->fd, text, (size_t)size, MSG_NOSIGNAL) == size)
        return;
    give_back(event->fd, NCP_FLAG_DISCARD);
    task_failed(event->tag, NCP_ESYS);
}

/* A short answer comes in one piece on loopback; a real protocol would collect
 * it. */
static void end_request(int fd)
{
    char expected[32], answer[32];
    uint64_t task = host.conns[fd].task;
    int size = request_of(task, expected);
    ssize_t n = recv(fd, answer, sizeof answer, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    bool good = n == size && memcmp(expected, answer, (size_t)size) == 0;
    give_back(fd, good ? 0 : NCP_FLAG_DISCARD);
    if (!good) {
        task_failed(task, NCP_ESYS);
        return;
    }
    host.served++;
    task_continue(task);
}

/* ----------------------------------------------------------------------- dials */

static void dial_failed(ncp_lease reservation, uint64_t task, int error)
{
    ncp_event event;
    ncp_pool_fail(host.pool, reservation, NCP_EDIAL, error, strerror(error),
                  &event);
    if (event.type == NCP_EVENT_NONE && task != 0)
        task_failed(task, NCP_EDIAL);
    else
        on_event(&event); /* to be tried again, or back in line */
}

static void begin_dial(const ncp_event *event)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || fd >= MAX_FD) {
        int error = fd < 0 ? errno : EMFILE;
        if (fd >= 0)
            close(fd);
        dial_failed(event->lease, event->tag, error);
        return;
    }
    if (connect(fd, (struct sockaddr *)&host.server, sizeof host.server) < 0 &&
        errno != EINPROGRESS) {
        int error = errno;
        close(fd);
        dial_failed(event->lease, event->tag, error);
        return;
    }
    host.conns[fd] = (struct conn){
        .state = DIALING,
        .lease = event->lease,
        .task = event->tag,
        .give_up_at_ms =
            event->timeout_ms < 0 ? INT64_MAX : now_ms() + event->timeout_ms,
    };
    watch(fd, EPOLLOUT);
}

static void end_dial(int fd, int error)
{
    ncp_event event;
    struct conn *conn = &host.conns[fd];
    socklen_t size = sizeof error;
    if (error == 0)
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
        conn->state = UNUSED;
        close(fd);
        dial_failed(conn->lease, conn->task, error);
        return;
    }
    conn->state = IDLE;
    host.dialed++;
    watch(fd, EPOLLIN);
    int status = ncp_pool_fulfil(host.pool, conn->lease, (uint64_t)fd, fd,
                                 NCP_PROTOCOL_TCP, NCP_IP_V4, &event);
    if (status == NCP_OK)
        on_event(&event);
    else if (conn->task != 0)
        task_failed(conn->task, status);
}

/* ---------------------------------------------------------------------- events */

static void check(const ncp_event *event)
{
    ncp_event next;
    int status = ncp_pool_checked(host.pool, event->lease,
                                  ncp_fd_alive(event->fd) == 1, &next);
    if (status == NCP_OK)
        on_event(&next);
    else if (event->tag != 0)
        task_failed(event->tag, status);
}

static void take_ticket(const ncp_event *event)
{
    ncp_event next;
    int status = ncp_ticket_take(host.pool, event->ticket, &next);
    if (status == NCP_OK)
        on_event(&next);
    else
        task_failed(event->tag, status);
}

static void on_event(const ncp_event *event)
{
    switch (event->type) {
    case NCP_EVENT_CONN:
        begin_request(event);
        break;
    case NCP_EVENT_DIAL:
        begin_dial(event);
        break;
    case NCP_EVENT_CHECK:
        check(event);
        break;
    case NCP_EVENT_READY:
        take_ticket(event);
        break;
    case NCP_EVENT_CLOSE:
        host.conns[event->fd].state = UNUSED;
        host.closed++;
        close(event->fd);
        break;
    default: /* PENDING: READY follows. NONE, KICK: nothing to do. */
        break;
    }
}

static void drain_queue(void)
{
    ncp_event events[BATCH];
    int count;
    while ((count = ncp_queue_poll(host.queue, events, BATCH)) > 0)
        for (int i = 0; i < count; i++)
            on_event(&events[i]);
}

static void on_fd(int fd)
{
    if (fd == ncp_queue_fd(host.queue))
        drain_queue();
    else if (host.conns[fd].state == DIALING)
        end_dial(fd, 0);
    else if (host.conns[fd].state == ASKING)
        end_request(fd);
    else /* an idle one whose peer hung up: the pool finds out by itself */
        epoll_ctl(host.epoll, EPOLL_CTL_DEL, fd, NULL);
}

/* ------------------------------------------------------------------------ loop */

/* Ends dials that took too long; milliseconds until the next one does. */
static int64_t expire_dials(void)
{
    int64_t now = now_ms(), next = INT64_MAX;
    for (int fd = 0; fd < MAX_FD; fd++) {
        if (host.conns[fd].state != DIALING)
            continue;
        if (host.conns[fd].give_up_at_ms <= now)
            end_dial(fd, ETIMEDOUT);
        else if (host.conns[fd].give_up_at_ms - now < next)
            next = host.conns[fd].give_up_at_ms - now;
    }
    return next;
}

static void run(void)
{
    struct epoll_event events[BATCH];
    while (host.running > 0) {
        int64_t wait_ms = ncp_pool_next_due_ms(host.pool);
        int64_t dials_ms = expire_dials();
        if (wait_ms == 0)
            ncp_pool_work(host.pool);
        if (wait_ms < 0 || wait_ms > dials_ms)
            wait_ms = dials_ms;
        if (wait_ms > 60000)
            wait_ms = 60000;
        int count = epoll_wait(host.epoll, events, BATCH, (int)wait_ms);
        for (int i = 0; i < count; i++)
            on_fd(events[i].data.fd);
    }
}

static int open_host(const char *target)
{
    ncp_config *config;
    host.server.sin_family = AF_INET;
    host.server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    host.server.sin_port =
        htons((uint16_t)strtoul(strrchr(target, ':') + 1, NULL, 10));
    host.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (host.epoll < 0 || ncp_queue_new(&host.queue) != NCP_OK) {
        perror("host");
        return NCP_ESYS;
    }
    watch(ncp_queue_fd(host.queue), EPOLLIN);

    ncp_config_new(NCP_MODE_CLIENT, &config);
    ncp_config_set(config, "driver", "pull");
    ncp_config_set_int(config, NCP_OPTION_MAX_CONNECTIONS, CONNECTIONS);
    ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, 0);
    ncp_config_set_queue(config, host.queue);
    int status = ncp_pool_new(config, &host.pool);
    if (status != NCP_OK)
        fprintf(stderr, "pool: %s\n", ncp_config_reason(config));
    ncp_config_free(config);
    return status;
}

int main(void)
{
    struct echo_server *server = echo_server_start();
    if (server == NULL || open_host(echo_server_tcp(server)) != NCP_OK)
        return 1;

    host.running = TASKS;
    for (uint64_t task = 1; task <= TASKS; task++)
        host.left[task] = EACH;
    for (uint64_t task = 1; task <= TASKS; task++)
        task_continue(task);
    run();
    ncp_pool_close(host.pool);
    drain_queue(); /* the CLOSE of every idle connection */
    ncp_pool_free(host.pool);
    ncp_queue_free(host.queue);
    close(host.epoll);
    echo_server_stop(server);

    printf("%d tasks in one thread, %d at most in line\n"
           "%d requests over %d connections, %d closed, %d tasks failed\n",
           TASKS, host.most_waiting, host.served, host.dialed, host.closed,
           host.failed);
    return host.failed != 0 || host.served != TASKS * EACH ||
           host.dialed != host.closed;
}
