/* What the host of a pull pool wants to be told besides: leaks, lines of log, and
 * that time has become shorter. */
#include "pool/queue.h"

#include <stdio.h>
#include <string.h>

enum { LINES_KEPT = 256 };

struct note {
    struct note *next;
    ncp_event event;
};

struct line {
    struct line *next;
    uint64_t conn_id;
    int level;
    char text[];
};

/* The lists are guarded by the engine's lock. */
struct ncp__host {
    int64_t wants; /* of enum ncp_host_event; never changes */
    struct note *notes_head, *notes_tail;
    struct line *lines_head, *lines_tail;
    uint32_t lines;
    uint64_t lost;            /* lines that found no room */
    bool log_told;            /* of lines that were not all read yet */
    bool log_untold;          /* the LOG event is to be polled */
    _Atomic bool due_untold;  /* the DUE event is to be polled */
    _Atomic uint64_t told_ns; /* when the host thinks that work is due */
};

/* A pool without handles has no host that it could tell anything but what is
 * left to close. */
static bool wants(const ncp_pool *pool, int what)
{
    return pool->host != NULL && (pool->host->wants & what) != 0 &&
           !atomic_load_explicit(&pool->orphaned, memory_order_acquire);
}

int ncp__host_init(ncp_pool *pool)
{
    int64_t bits = ncp__pool_num(pool, NCP_OPTION_HOST_EVENTS);

    if ((bits & ~(int64_t)NCP_HOST_BORROW) == 0)
        return NCP_OK;
    struct ncp__host *host = ncp__alloc(sizeof(*host));
    if (host == NULL)
        return NCP_ENOMEM;
    host->wants = bits;
    atomic_init(&host->told_ns, NCP__NEVER);
    pool->host = host;
    return NCP_OK;
}

static void drop_notes(struct ncp__host *host)
{
    while (host->notes_head != NULL) {
        struct note *note = host->notes_head;
        host->notes_head = note->next;
        ncp__free(note);
    }
    host->notes_tail = NULL;
}

static void drop_lines(struct ncp__host *host)
{
    while (host->lines_head != NULL) {
        struct line *line = host->lines_head;
        host->lines_head = line->next;
        ncp__free(line);
    }
    host->lines_tail = NULL;
    host->lines = 0;
}

void ncp__host_destroy(ncp_pool *pool)
{
    if (pool->host == NULL)
        return;
    drop_notes(pool->host);
    drop_lines(pool->host);
    ncp__free(pool->host);
    pool->host = NULL;
}

/* What was about the parent's connections is not the child's. */
void ncp__host_forked(ncp_pool *pool)
{
    struct ncp__host *host = pool->host;

    if (host == NULL)
        return;
    drop_notes(host);
    drop_lines(host);
    host->lost = 0;
    host->log_told = false;
    host->log_untold = false;
    atomic_store_explicit(&host->due_untold, false, memory_order_relaxed);
    atomic_store_explicit(&host->told_ns, NCP__NEVER, memory_order_relaxed);
}

/* ------------------------------------------------------------------------ leaks */

bool ncp__host_leak(ncp_pool *pool, ncp_lease lease,
                    const struct ncp__slot *slot, int reason)
{
    const struct ncp__cold *cold = ncp__cold(slot);

    if (!wants(pool, NCP_HOST_LEAK))
        return false;
    struct note *note = ncp__alloc(sizeof(*note));
    if (note == NULL)
        return true; /* the counters tell of it all the same */
    ncp__event_clear(&note->event, pool);
    note->event.type = NCP_EVENT_LEAK;
    note->event.lease = lease;
    note->event.reason = reason;
    note->event.handle = slot->handle;
    note->event.conn_id = cold->id;
    note->event.fd = cold->fd;
    note->event.protocol = cold->protocol;
    note->event.ip = cold->ip;
    ncp__engine_lock(&pool->engine);
    if (pool->host->notes_head == NULL)
        pool->host->notes_head = note;
    else
        pool->host->notes_tail->next = note;
    pool->host->notes_tail = note;
    ncp__engine_unlock(&pool->engine);
    ncp__queue_push_pool(pool->config.queue, pool);
    return true;
}

/* -------------------------------------------------------------------------- log */

static void append_line(struct ncp__host *host, struct line *line)
{
    if (host->lines_head == NULL)
        host->lines_head = line;
    else
        host->lines_tail->next = line;
    host->lines_tail = line;
    host->lines++;
}

void ncp__host_log(const ncp_pool *pool, int level, uint64_t conn_id,
                   const char *text)
{
    size_t size = strlen(text) + 1;

    if (!wants(pool, NCP_HOST_LOG))
        return;
    struct ncp__host *host = pool->host;
    struct line *line = ncp__alloc(sizeof(*line) + size);
    if (line != NULL) {
        line->level = level;
        line->conn_id = conn_id;
        memcpy(line->text, text, size);
    }
    ncp__engine_lock(ncp__pool_engine(pool));
    bool kept = line != NULL && host->lines < LINES_KEPT;
    if (kept)
        append_line(host, line);
    else
        host->lost++;
    bool tell = !host->log_told;
    host->log_told = true;
    host->log_untold |= tell;
    ncp__engine_unlock(ncp__pool_engine(pool));
    if (!kept)
        ncp__free(line);
    if (tell)
        ncp__queue_push_pool(pool->config.queue, (ncp_pool *)(uintptr_t)pool);
}

/* A line that stands for those that were lost; it comes before what is left. */
static int tell_lost(uint64_t lost, int *level, uint64_t *conn_id, char *buffer,
                     size_t size)
{
    if (level != NULL)
        *level = NCP_LOG_WARN;
    if (conn_id != NULL)
        *conn_id = 0;
    return snprintf(buffer, size, "event=log_lost lines=%llu",
                    (unsigned long long)lost);
}

static struct line *pop_line_locked(struct ncp__host *host)
{
    struct line *line = host->lines_head;

    if (line == NULL) {
        host->log_told = false;
        return NULL;
    }
    host->lines_head = line->next;
    if (line->next == NULL)
        host->lines_tail = NULL;
    host->lines--;
    return line;
}

int ncp_pool_log_next(ncp_pool *pool, int *level, uint64_t *conn_id,
                      char *buffer, size_t size)
{
    if (pool == NULL || buffer == NULL || size == 0)
        return NCP_EINVAL;
    buffer[0] = '\0';
    if (level != NULL)
        *level = NCP_LOG_OFF;
    if (conn_id != NULL)
        *conn_id = 0;
    if (!wants(pool, NCP_HOST_LOG))
        return 0;
    ncp__engine_lock(&pool->engine);
    uint64_t lost = pool->host->lost;
    pool->host->lost = 0;
    struct line *line = lost == 0 ? pop_line_locked(pool->host) : NULL;
    ncp__engine_unlock(&pool->engine);
    if (lost != 0)
        return tell_lost(lost, level, conn_id, buffer, size);
    if (line == NULL)
        return 0;
    if (level != NULL)
        *level = line->level;
    if (conn_id != NULL)
        *conn_id = line->conn_id;
    int length = snprintf(buffer, size, "%s", line->text);
    ncp__free(line);
    return length;
}

/* ------------------------------------------------------------------------- time */

/* Seq_cst on due_ns and told_ns, here and below: the host says that it knows
 * nothing, then reads; who plans an earlier time writes, then asks what the host
 * knows. One of them sees the other. */
uint64_t ncp__host_tell_due(const ncp_pool *pool)
{
    struct ncp__host *host = pool->host;

    if (host == NULL)
        return atomic_load_explicit(&pool->due_ns, memory_order_seq_cst);
    atomic_store_explicit(&host->told_ns, NCP__NEVER, memory_order_seq_cst);
    uint64_t due_ns = atomic_load_explicit(&pool->due_ns, memory_order_seq_cst);
    atomic_store_explicit(&host->told_ns, due_ns, memory_order_seq_cst);
    return due_ns;
}

void ncp__host_due(ncp_pool *pool, uint64_t due_ns)
{
    struct ncp__host *host = pool->host;

    if (!wants(pool, NCP_HOST_DUE) ||
        due_ns >= atomic_load_explicit(&host->told_ns, memory_order_seq_cst) ||
        atomic_exchange_explicit(&host->due_untold, true, memory_order_acq_rel))
        return;
    ncp__queue_push_pool(pool->config.queue, pool);
}

/* ----------------------------------------------------------------------- taking */

static bool next_note_locked(struct ncp__host *host, ncp_event *event)
{
    struct note *note = host->notes_head;

    if (note == NULL)
        return false;
    host->notes_head = note->next;
    if (note->next == NULL)
        host->notes_tail = NULL;
    *event = note->event;
    ncp__free(note);
    return true;
}

bool ncp__host_next(ncp_pool *pool, ncp_event *event)
{
    struct ncp__host *host = pool->host;
    int type = NCP_EVENT_NONE;

    if (host == NULL ||
        atomic_load_explicit(&pool->orphaned, memory_order_acquire))
        return false;
    ncp__event_clear(event, pool);
    ncp__engine_lock(&pool->engine);
    bool noted = next_note_locked(host, event);
    if (!noted && host->log_untold) {
        host->log_untold = false;
        type = NCP_EVENT_LOG;
    }
    ncp__engine_unlock(&pool->engine);
    if (noted)
        return true;
    if (type == NCP_EVENT_NONE &&
        atomic_exchange_explicit(&host->due_untold, false,
                                 memory_order_acq_rel))
        type = NCP_EVENT_DUE;
    event->type = type;
    return type != NCP_EVENT_NONE;
}

bool ncp__host_more_locked(const ncp_pool *pool)
{
    const struct ncp__host *host = pool->host;

    return host != NULL &&
           !atomic_load_explicit(&pool->orphaned, memory_order_acquire) &&
           (host->notes_head != NULL || host->log_untold ||
            atomic_load_explicit(&host->due_untold, memory_order_acquire));
}
