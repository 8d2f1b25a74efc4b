#include "pool/queue.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The queue whose events this thread takes out itself in a moment. */
static _Thread_local ncp_queue *hushed;

/* -------------------------------------------------------------------------- life */

int ncp_queue_new(ncp_queue **out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = NULL;
    ncp_queue *queue = ncp__alloc(sizeof(*queue));
    if (queue == NULL)
        return NCP_ENOMEM;
    queue->listen_fd = -1;
    queue->peer_fd = -1;
    atomic_init(&queue->refs, 1);
    pthread_mutex_init(&queue->lock, NULL);
    int rc = ncp__alarm_open(&queue->alarm);
    if (rc != NCP_OK) {
        pthread_mutex_destroy(&queue->lock);
        ncp__free(queue);
        return rc;
    }
    ncp__registry_add_queue(queue);
    *out = queue;
    return NCP_OK;
}

ncp_queue *ncp__queue_ref(ncp_queue *queue)
{
    if (queue != NULL)
        atomic_fetch_add_explicit(&queue->refs, 1, memory_order_relaxed);
    return queue;
}

static void close_listener(ncp_queue *queue)
{
    if (queue->listen_fd < 0)
        return;
    close(queue->listen_fd);
    unlink(queue->path);
    ncp__free(queue->path);
    queue->listen_fd = -1;
    queue->path = NULL;
}

void ncp__queue_unref(ncp_queue *queue)
{
    if (queue == NULL ||
        atomic_fetch_sub_explicit(&queue->refs, 1, memory_order_acq_rel) != 1)
        return;
    ncp__registry_remove_queue(queue);
    close_listener(queue);
    if (queue->peer_fd >= 0)
        close(queue->peer_fd);
    ncp__alarm_close(&queue->alarm);
    pthread_mutex_destroy(&queue->lock);
    ncp__free(queue);
}

void ncp_queue_free(ncp_queue *queue)
{
    ncp__queue_unref(queue);
}

/* --------------------------------------------------------------------- signalling */

static bool is_empty(const ncp_queue *queue)
{
    return queue->tickets_head == NULL && queue->pools_head == NULL &&
           queue->kicks == 0;
}

/* Something was put in. Wakes once until everything is out again. */
static void signal_locked(ncp_queue *queue)
{
    atomic_store_explicit(&queue->ready, 1, memory_order_seq_cst);
    if (queue->signalled || hushed == queue)
        return;
    queue->signalled = true;
    ncp__alarm_ring(&queue->alarm);
    if (queue->peer_fd >= 0 &&
        send(queue->peer_fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        queue->signalled = true; /* full: it has plenty to read */
    if (atomic_load_explicit(&queue->sleepers, memory_order_seq_cst) != 0)
        ncp__unpark(&queue->ready);
}

static void unsignal_locked(ncp_queue *queue)
{
    atomic_store_explicit(&queue->ready, 0, memory_order_seq_cst);
    if (!queue->signalled)
        return;
    queue->signalled = false;
    ncp__alarm_silence(&queue->alarm);
}

void ncp__queue_hush(ncp_queue *queue)
{
    hushed = queue;
}

void ncp__queue_unhush(ncp_queue *queue)
{
    hushed = NULL;
    if (queue == NULL || ncp_queue_ready(queue) == 0)
        return;
    pthread_mutex_lock(&queue->lock);
    if (!is_empty(queue))
        signal_locked(queue);
    pthread_mutex_unlock(&queue->lock);
}

int ncp_queue_fd(const ncp_queue *queue)
{
    return queue == NULL ? NCP_EINVAL : queue->alarm.fd;
}

int ncp_queue_ready(const ncp_queue *queue)
{
    if (queue == NULL)
        return NCP_EINVAL;
    return atomic_load_explicit(&queue->ready, memory_order_acquire) != 0;
}

int ncp_queue_kick(ncp_queue *queue)
{
    if (queue == NULL)
        return NCP_EINVAL;
    pthread_mutex_lock(&queue->lock);
    queue->kicks = 1; /* several are one */
    signal_locked(queue);
    pthread_mutex_unlock(&queue->lock);
    return NCP_OK;
}

/* ------------------------------------------------------------------------ putting */

void ncp__queue_push_pool(ncp_queue *queue, ncp_pool *pool)
{
    pthread_mutex_lock(&queue->lock);
    if (!pool->in_queue) {
        pool->in_queue = true;
        pool->work_next = NULL;
        ncp__pool_hold(pool);
        if (queue->pools_head == NULL)
            queue->pools_head = pool;
        else
            queue->pools_tail->work_next = pool;
        queue->pools_tail = pool;
    }
    signal_locked(queue);
    pthread_mutex_unlock(&queue->lock);
}

void ncp__queue_push_ticket(ncp_queue *queue, struct ncp__waiter *ticket)
{
    pthread_mutex_lock(&queue->lock);
    ticket->queue_next = NULL;
    __atomic_store_n(&ticket->in_queue, true, __ATOMIC_RELAXED);
    if (queue->tickets_head == NULL)
        queue->tickets_head = ticket;
    else
        queue->tickets_tail->queue_next = ticket;
    queue->tickets_tail = ticket;
    /* From here on the ticket may be taken; who frees it takes our lock first. */
    if (atomic_exchange_explicit(&ticket->state, NCP__DECIDED,
                                 memory_order_acq_rel) == NCP__PARKED)
        ncp__unpark(&ticket->state);
    signal_locked(queue);
    pthread_mutex_unlock(&queue->lock);
}

/* It is out, and nothing reads it here any more: who frees it may go on. Release
 * pairs with ncp__queue_holds. */
static void let_go(struct ncp__waiter *ticket)
{
    __atomic_store_n(&ticket->in_queue, false, __ATOMIC_RELEASE);
}

bool ncp__queue_holds(const struct ncp__waiter *ticket)
{
    return __atomic_load_n(&ticket->in_queue, __ATOMIC_ACQUIRE);
}

void ncp__queue_remove_ticket(ncp_queue *queue, struct ncp__waiter *ticket)
{
    struct ncp__waiter *before = NULL, *at;

    if (!ncp__queue_holds(ticket))
        return;
    pthread_mutex_lock(&queue->lock);
    for (at = queue->tickets_head; at != NULL && at != ticket;
         at = at->queue_next)
        before = at;
    if (at != NULL) {
        if (before == NULL)
            queue->tickets_head = ticket->queue_next;
        else
            before->queue_next = ticket->queue_next;
        if (queue->tickets_tail == ticket)
            queue->tickets_tail = before;
        let_go(ticket);
    }
    if (is_empty(queue))
        unsignal_locked(queue);
    pthread_mutex_unlock(&queue->lock);
}

void ncp__queue_remove_pool(ncp_queue *queue, ncp_pool *pool)
{
    ncp_pool *before = NULL, *at;

    pthread_mutex_lock(&queue->lock);
    for (at = queue->pools_head; at != NULL && at != pool; at = at->work_next)
        before = at;
    if (at != NULL) {
        if (before == NULL)
            queue->pools_head = pool->work_next;
        else
            before->work_next = pool->work_next;
        if (queue->pools_tail == pool)
            queue->pools_tail = before;
        pool->in_queue = false;
    }
    if (is_empty(queue))
        unsignal_locked(queue);
    pthread_mutex_unlock(&queue->lock);
    if (at != NULL)
        ncp__pool_release(pool);
}

/* ------------------------------------------------------------------------- taking */

static int take_kick_locked(ncp_queue *queue, ncp_event *event)
{
    if (queue->kicks == 0)
        return 0;
    queue->kicks = 0;
    *event = (ncp_event){.type = NCP_EVENT_KICK, .fd = -1};
    return 1;
}

/* The next ticket in the queue; it lives until it is let go. */
static struct ncp__waiter *pop_ticket_locked(ncp_queue *queue)
{
    struct ncp__waiter *ticket = queue->tickets_head;

    queue->tickets_head = ticket->queue_next;
    if (queue->tickets_head == NULL)
        queue->tickets_tail = NULL;
    return ticket;
}

/* The tickets up to the first whose result the queue takes by itself. */
static int take_tickets_locked(ncp_queue *queue, ncp_event *events, int max)
{
    int count = 0;

    while (count < max && queue->tickets_head != NULL &&
           !queue->tickets_head->takes) {
        struct ncp__waiter *ticket = pop_ticket_locked(queue);
        ncp__pull_ticket_event(ticket, &events[count++]);
        let_go(ticket);
    }
    return count;
}

/* The next pool with work, with the reference of the list. */
static ncp_pool *take_pool_locked(ncp_queue *queue)
{
    ncp_pool *pool = queue->pools_head;

    if (pool == NULL)
        return NULL;
    queue->pools_head = pool->work_next;
    if (queue->pools_head == NULL)
        queue->pools_tail = NULL;
    pool->in_queue = false;
    return pool;
}

/* What a look into the queue found that is done without its lock: a ticket whose
 * result is to be taken, or else the work of a pool. */
struct errand {
    ncp_pool *pool; /* with a reference; NULL: there is nothing to do */
    ncp_ticket ticket;
};

static struct errand find_errand_locked(ncp_queue *queue)
{
    struct errand errand = {0};

    if (queue->tickets_head == NULL) {
        errand.pool = take_pool_locked(queue);
        return errand;
    }
    struct ncp__waiter *ticket = pop_ticket_locked(queue);
    errand.pool = ticket->pool;
    errand.ticket = ticket->ticket;
    ncp__pool_hold(errand.pool);
    let_go(ticket);
    return errand;
}

/* A pool that has more comes back; the queue went on being ready meanwhile. */
static int take_work(ncp_queue *queue, ncp_pool *pool, ncp_event *events,
                     int max)
{
    bool more;
    int count = ncp__pull_work_events(pool, events, max, &more);

    if (more)
        ncp__queue_push_pool(queue, pool);
    pthread_mutex_lock(&queue->lock);
    if (is_empty(queue))
        unsignal_locked(queue);
    pthread_mutex_unlock(&queue->lock);
    return count;
}

static int run_errand(ncp_queue *queue, const struct errand *errand,
                      ncp_event *events, int max)
{
    int count;

    if (errand->pool == NULL)
        return 0;
    if (errand->ticket != 0)
        count = ncp__pull_take(errand->pool, errand->ticket, events);
    else
        count = take_work(queue, errand->pool, events, max);
    ncp__pool_settle(errand->pool);
    ncp__pool_release(errand->pool);
    return count;
}

/* One look, and what comes of it: at most one errand. */
static int poll_once(ncp_queue *queue, ncp_event *events, int max)
{
    struct errand errand = {0};

    pthread_mutex_lock(&queue->lock);
    int count = take_kick_locked(queue, events);
    count += take_tickets_locked(queue, events + count, max - count);
    if (count < max)
        errand = find_errand_locked(queue);
    if (is_empty(queue) && (errand.pool == NULL || errand.ticket != 0))
        unsignal_locked(queue);
    pthread_mutex_unlock(&queue->lock);
    return count + run_errand(queue, &errand, events + count, max - count);
}

int ncp_queue_poll(ncp_queue *queue, ncp_event *events, int max)
{
    int count = 0;

    if (queue == NULL || max < 0 || (events == NULL && max != 0))
        return NCP_EINVAL;
    while (count < max && ncp_queue_ready(queue) != 0)
        count += poll_once(queue, events + count, max - count);
    return count;
}

int ncp_queue_wait(ncp_queue *queue, ncp_event *events, int max,
                   int64_t timeout_ms)
{
    uint64_t deadline_ns = ncp__deadline(ncp__monotonic_ns(), timeout_ms);
    int count = ncp_queue_poll(queue, events, max);

    if (count != 0 || max == 0)
        return count;
    atomic_fetch_add_explicit(&queue->sleepers, 1, memory_order_seq_cst);
    while (count == 0) {
        ncp__park(&queue->ready, 0, deadline_ns);
        count = ncp_queue_poll(queue, events, max);
        if (count == 0 && ncp__monotonic_ns() >= deadline_ns)
            break;
    }
    atomic_fetch_sub_explicit(&queue->sleepers, 1, memory_order_relaxed);
    return count;
}

/* ----------------------------------------------- loops that can only connect */

static int listen_at(const struct sockaddr_un *address, int *out)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return NCP_ESYS;
    if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 ||
        listen(fd, 1) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return NCP_ESYS;
    }
    *out = fd;
    return NCP_OK;
}

int ncp_queue_listen_unix(ncp_queue *queue, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (queue == NULL || path == NULL ||
        strlen(path) >= sizeof(address.sun_path))
        return NCP_EINVAL;
    if (queue->listen_fd >= 0 || queue->peer_fd >= 0)
        return NCP_ESTATE;
    memcpy(address.sun_path, path, strlen(path));
    queue->path = ncp__strdup(path);
    if (queue->path == NULL)
        return NCP_ENOMEM;
    int rc = listen_at(&address, &queue->listen_fd);
    if (rc != NCP_OK) {
        ncp__free(queue->path);
        queue->path = NULL;
    }
    return rc;
}

int ncp_queue_accept(ncp_queue *queue)
{
    if (queue == NULL)
        return NCP_EINVAL;
    if (queue->listen_fd < 0)
        return NCP_ESTATE;
    int fd =
        accept4(queue->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ||
                       errno == ECONNABORTED
                   ? NCP_EAGAIN
                   : NCP_ESYS;
    pthread_mutex_lock(&queue->lock);
    close_listener(queue);
    queue->peer_fd = fd;
    if (!is_empty(queue)) { /* it has not heard of those yet */
        queue->signalled = false;
        signal_locked(queue);
    }
    pthread_mutex_unlock(&queue->lock);
    return NCP_OK;
}

/* --------------------------------------------------------------------------- fork */

void ncp__queue_forked(ncp_queue *queue)
{
    pthread_mutex_init(&queue->lock, NULL);
    while (queue->pools_head != NULL)
        atomic_fetch_sub_explicit(&take_pool_locked(queue)->refs, 1,
                                  memory_order_relaxed);
    queue->tickets_head = queue->tickets_tail = NULL;
    queue->kicks = 0;
    queue->signalled = false;
    atomic_store_explicit(&queue->ready, 0, memory_order_relaxed);
    atomic_store_explicit(&queue->sleepers, 0, memory_order_relaxed);
    if (queue->listen_fd >= 0)
        close(queue->listen_fd); /* the path is the parent's */
    if (queue->peer_fd >= 0)
        close(queue->peer_fd);
    ncp__free(queue->path);
    queue->path = NULL;
    queue->listen_fd = queue->peer_fd = -1;
    ncp__alarm_forked(&queue->alarm);
}
