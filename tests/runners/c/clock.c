/*
 * Virtual time. The conductor moves it, and only when nothing else can happen:
 * no actor runs, and the kernel says that every thread of the process is
 * blocked. It jumps to the next moment at which somebody wants something.
 */
#include "runner.h"

#include <stdio.h>
#include <string.h>

#define START_NS (UINT64_C(1000000) * RUN_NS_PER_MS)
#define DEADLOCK_NS (UINT64_C(4000) * RUN_NS_PER_MS)

static struct {
    pthread_mutex_t lock;
    pthread_cond_t conductor;
    _Atomic bool is_virtual;
    bool stop;
    pthread_t thread;
    _Atomic uint64_t now;
    _Atomic uint64_t start;
    uint64_t moment;  /* counts jumps of time */
    uint64_t changes; /* counts changes of any actor */
    struct actor *actors;
    int frames; /* callbacks in progress that can be a dial */
    struct {
        ncp_pool *pool;
        bool push;
    } pools[RUN_POOLS];
    int pool_count;
    bool pools_busy; /* the conductor calls them just now */
    pthread_cond_t pools_free;
} clk = {.lock = PTHREAD_MUTEX_INITIALIZER,
         .conductor = PTHREAD_COND_INITIALIZER,
         .pools_free = PTHREAD_COND_INITIALIZER};

static _Thread_local struct actor *self;

/* --------------------------------------------------------------- reading it */

bool clock_is_virtual(void)
{
    return clk.is_virtual;
}

uint64_t clock_now_ns(void)
{
    if (!clk.is_virtual)
        return real_now_ns();
    return atomic_load_explicit(&clk.now, memory_order_acquire);
}

uint64_t clock_library(void *user)
{
    (void)user;
    return clock_now_ns();
}

double clock_since_start_ms(void)
{
    return (double)(clock_now_ns() - clk.start) / (double)RUN_NS_PER_MS;
}

static uint64_t due_after(int64_t ms)
{
    return clock_now_ns() + (uint64_t)ms * RUN_NS_PER_MS;
}

/* ------------------------------------------------------------------- actors */

static void changed(void) /* with the lock held */
{
    clk.changes++;
    pthread_cond_signal(&clk.conductor);
}

static void link_actor(struct actor *actor, const char *what)
{
    memset(actor, 0, sizeof *actor);
    pthread_cond_init(&actor->cond, NULL);
    actor->what = what;
    pthread_mutex_lock(&clk.lock);
    actor->next = clk.actors;
    clk.actors = actor;
    changed();
    pthread_mutex_unlock(&clk.lock);
}

static void unlink_actor(struct actor *actor)
{
    pthread_mutex_lock(&clk.lock);
    struct actor **at = &clk.actors;
    while (*at != actor)
        at = &(*at)->next;
    *at = actor->next;
    changed();
    pthread_mutex_unlock(&clk.lock);
    pthread_cond_destroy(&actor->cond);
}

void actor_begin(struct actor *actor, const char *what)
{
    link_actor(actor, what);
}

void actor_adopt(struct actor *actor)
{
    self = actor;
}

void actor_end(struct actor *actor)
{
    self = NULL;
    unlink_actor(actor);
}

static void set_state(enum actor_state state)
{
    pthread_mutex_lock(&clk.lock);
    self->state = state;
    changed();
    pthread_mutex_unlock(&clk.lock);
}

void actor_join(pthread_t thread)
{
    set_state(ACTOR_JOINING);
    pthread_join(thread, NULL);
    set_state(ACTOR_RUNNING);
}

void call_begin(int64_t timeout_ms)
{
    pthread_mutex_lock(&clk.lock);
    self->state = ACTOR_CALLING;
    self->call_due = timeout_ms > 0 ? due_after(timeout_ms) : 0;
    changed();
    pthread_mutex_unlock(&clk.lock);
}

void call_end(void)
{
    pthread_mutex_lock(&clk.lock);
    self->state = ACTOR_RUNNING;
    self->call_due = 0;
    changed();
    pthread_mutex_unlock(&clk.lock);
}

void frame_enter(struct actor_frame *frame, const char *what, int64_t limit_ms)
{
    frame->nested = self != NULL;
    if (!frame->nested) {
        link_actor(&frame->own, what);
        self = &frame->own;
    }
    frame->actor = self;
    pthread_mutex_lock(&clk.lock);
    frame->state = self->state;
    frame->limit_due = self->limit_due;
    self->state = ACTOR_RUNNING;
    if (limit_ms > 0)
        self->limit_due = due_after(limit_ms);
    clk.frames++;
    changed();
    pthread_mutex_unlock(&clk.lock);
}

void frame_leave(struct actor_frame *frame)
{
    pthread_mutex_lock(&clk.lock);
    clk.frames--;
    self->state = frame->state;
    self->limit_due = frame->limit_due;
    changed();
    pthread_mutex_unlock(&clk.lock);
    if (!frame->nested) {
        self = NULL;
        unlink_actor(&frame->own);
    }
}

void actors_dump(char *buffer, size_t size)
{
    static const char *const names[] = {"running", "sleeping", "calling",
                                        "joining", "polling"};
    size_t used =
        (size_t)snprintf(buffer, size, "at %.3f ms", clock_since_start_ms());
    pthread_mutex_lock(&clk.lock);
    for (struct actor *actor = clk.actors; actor != NULL && used < size;
         actor = actor->next)
        used += (size_t)snprintf(buffer + used, size - used, "; %s is %s",
                                 actor->what, names[actor->state]);
    pthread_mutex_unlock(&clk.lock);
    for (int i = 0; i < clk.pool_count && used < size; i++)
        used += (size_t)snprintf(
            buffer + used, size - used,
            "; pool: active %d idle %d waiting %d dialing %d next_due %lld",
            ncp_pool_active_count(clk.pools[i].pool),
            ncp_pool_idle_count(clk.pools[i].pool),
            ncp_pool_waiting_count(clk.pools[i].pool),
            ncp_pool_dialing_count(clk.pools[i].pool),
            (long long)ncp_pool_next_due_ms(clk.pools[i].pool));
}

/* ------------------------------------------------------------------ waiting */

void clock_sleep_ms(int64_t ms)
{
    if (ms <= 0)
        return;
    if (!clk.is_virtual) {
        real_sleep_us((long)ms * 1000);
        return;
    }
    pthread_mutex_lock(&clk.lock);
    enum actor_state before = self->state;
    self->state = ACTOR_SLEEPING;
    self->sleep_due = due_after(ms);
    changed();
    while (self->sleep_due != 0)
        pthread_cond_wait(&self->cond, &clk.lock);
    self->state = before;
    changed();
    pthread_mutex_unlock(&clk.lock);
}

bool clock_wait(bool (*done)(void *user), void *user, int64_t limit_ms)
{
    uint64_t due = due_after(limit_ms);
    for (;;) {
        if (done(user))
            return true;
        if (clock_now_ns() > due)
            return false;
        if (!clk.is_virtual) {
            real_sleep_us(1000);
            continue;
        }
        pthread_mutex_lock(&clk.lock);
        self->state = ACTOR_POLLING;
        self->sleep_due = due + 1;
        changed();
        while (self->state == ACTOR_POLLING)
            pthread_cond_wait(&self->cond, &clk.lock);
        self->sleep_due = 0;
        pthread_mutex_unlock(&clk.lock);
    }
}

/* ---------------------------------------------------------------- conductor */

void clock_watch_pool(ncp_pool *pool, bool push)
{
    pthread_mutex_lock(&clk.lock);
    while (clk.pools_busy)
        pthread_cond_wait(&clk.pools_free, &clk.lock);
    clk.pools[clk.pool_count].pool = pool;
    clk.pools[clk.pool_count].push = push;
    clk.pool_count++;
    pthread_mutex_unlock(&clk.lock);
}

void clock_forget_pool(ncp_pool *pool)
{
    pthread_mutex_lock(&clk.lock);
    while (clk.pools_busy)
        pthread_cond_wait(&clk.pools_free, &clk.lock);
    for (int i = 0; i < clk.pool_count; i++)
        if (clk.pools[i].pool == pool) {
            clk.pools[i] = clk.pools[--clk.pool_count];
            break;
        }
    pthread_mutex_unlock(&clk.lock);
}

static bool somebody_runs(void)
{
    for (struct actor *actor = clk.actors; actor != NULL; actor = actor->next)
        if (actor->state == ACTOR_RUNNING)
            return true;
    return false;
}

static void nearer(uint64_t *best, uint64_t due)
{
    if (due != 0 && due > clk.now && (*best == 0 || due < *best))
        *best = due;
}

/* Lets those look who poll and did not look at this moment. */
static bool let_look(void)
{
    bool any = false;
    for (struct actor *actor = clk.actors; actor != NULL; actor = actor->next) {
        if (actor->state != ACTOR_POLLING || actor->looked == clk.moment)
            continue;
        actor->looked = clk.moment;
        actor->state = ACTOR_RUNNING;
        pthread_cond_signal(&actor->cond);
        any = true;
    }
    return any;
}

static uint64_t actors_due(void)
{
    uint64_t best = 0;
    for (struct actor *actor = clk.actors; actor != NULL; actor = actor->next) {
        nearer(&best, actor->sleep_due);
        nearer(&best, actor->call_due);
        nearer(&best, actor->limit_due);
    }
    return best;
}

static void pools_wake(void)
{
    for (int i = 0; i < clk.pool_count; i++)
        ncp_pool_wake(clk.pools[i].pool);
}

/* When the pools want to act; `now` set when one of them says it is late. */
static uint64_t pools_due(bool *now)
{
    uint64_t best = 0;
    int dialing = 0;
    *now = false;
    for (int i = 0; i < clk.pool_count; i++) {
        if (!clk.pools[i].push)
            continue;
        int64_t ms = ncp_pool_next_due_ms(clk.pools[i].pool);
        if (ms == 0)
            *now = true;
        else if (ms > 0)
            nearer(&best, due_after(ms));
        dialing += ncp_pool_dialing_count(clk.pools[i].pool);
    }
    /* A dial outside our callbacks waits for a moment only the pool knows. */
    if (dialing > clk.frames)
        nearer(&best, due_after(1));
    return best;
}

static void jump(uint64_t to)
{
    atomic_store_explicit(&clk.now, to, memory_order_release);
    clk.moment++;
    for (struct actor *actor = clk.actors; actor != NULL; actor = actor->next) {
        if (actor->sleep_due == 0 || actor->sleep_due > to)
            continue;
        actor->sleep_due = 0;
        actor->state = ACTOR_RUNNING;
        pthread_cond_signal(&actor->cond);
    }
}

/* The system is quiet: one thing happens. False when nothing can. */
static bool conduct(int *late)
{
    if (let_look())
        return true;
    uint64_t due = actors_due();
    clk.pools_busy = true;
    pthread_mutex_unlock(&clk.lock);
    bool now;
    uint64_t pool_due = pools_due(&now);
    if (now && ++*late <= 2) {
        pools_wake();
    } else {
        *late = 0;
        if (now)
            pool_due = due_after(1);
        nearer(&due, pool_due);
        if (due != 0) {
            pthread_mutex_lock(&clk.lock);
            jump(due);
            pthread_mutex_unlock(&clk.lock);
            pools_wake();
        }
    }
    pthread_mutex_lock(&clk.lock);
    clk.pools_busy = false;
    pthread_cond_broadcast(&clk.pools_free);
    return now || due != 0;
}

static void *conductor(void *unused)
{
    (void)unused;
    int late = 0;
    uint64_t stuck_since = 0;
    pthread_mutex_lock(&clk.lock);
    while (!clk.stop) {
        if (somebody_runs() || clk.actors == NULL) {
            stuck_since = 0;
            pthread_cond_wait(&clk.conductor, &clk.lock);
            continue;
        }
        uint64_t changes = clk.changes;
        pthread_mutex_unlock(&clk.lock);
        bool quiet = threads_quiet();
        if (!quiet)
            real_sleep_us(30);
        pthread_mutex_lock(&clk.lock);
        if (!quiet || changes != clk.changes || somebody_runs() || clk.stop)
            continue;
        if (conduct(&late)) {
            stuck_since = 0;
            continue;
        }
        if (stuck_since == 0)
            stuck_since = real_now_ns();
        if (real_now_ns() - stuck_since > DEADLOCK_NS) {
            pthread_mutex_unlock(&clk.lock);
            char dump[1500];
            actors_dump(dump, sizeof dump);
            fail("nothing can ever happen again: %s", dump);
        }
        pthread_mutex_unlock(&clk.lock);
        real_sleep_us(200);
        pthread_mutex_lock(&clk.lock);
    }
    pthread_mutex_unlock(&clk.lock);
    return NULL;
}

void clock_start(bool is_virtual)
{
    clk.is_virtual = is_virtual;
    clk.stop = false;
    clk.moment = 1;
    clk.pool_count = 0;
    atomic_store(&clk.now, START_NS);
    clk.start = clock_now_ns();
    if (is_virtual && pthread_create(&clk.thread, NULL, conductor, NULL) != 0)
        fail("no thread for the conductor");
}

void clock_stop(void)
{
    if (!clk.is_virtual)
        return;
    pthread_mutex_lock(&clk.lock);
    clk.stop = true;
    pthread_cond_signal(&clk.conductor);
    pthread_mutex_unlock(&clk.lock);
    pthread_join(clk.thread, NULL);
}
