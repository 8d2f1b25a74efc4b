/*
 * The threads of the library: one housekeeper a process for all push pools,
 * started with the first of them and gone with the last; and workers, which run
 * what may block (dialers, user health checks, closers called by housekeeping),
 * started when a job finds none free and gone after a while without work.
 */
#include "pool/pool.h"
#include "pool/thread.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

enum { MAX_WORKERS = 256 };
#define IDLE_NS (2 * 1000 * NCP__NS_PER_MS) /* a worker's patience */
#define TICK_NS (10 * NCP__NS_PER_MS)
/* How long the end of the process waits for threads on their way out. */
#define FAREWELL_NS (100 * NCP__NS_PER_MS)

enum { PUTS_BEFORE_TICKS = 1024 };

static struct {
    pthread_mutex_t lock;
    ncp_pool *ready_head,
        *ready_tail; /* pools with jobs, linked by ready_next */
    uint32_t pools;  /* that take part */
    uint32_t jobs;   /* that wait for a worker */
    uint32_t workers, idle;
    atomic_bool housekeeper; /* it runs; changed under the lock */
    atomic_uint work_word;   /* moved on: a job, or time to go */
    atomic_uint keep_word;   /* moved on: look at the pools again */
    ncp_pool *members;       /* linked by member_next */
    uint64_t pass;
    int ending[MAX_WORKERS]; /* numbers of threads that may not be gone yet */
    uint32_t endings;
} service = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Closers and on_close are left to a worker by this thread. */
static _Thread_local bool defers_closes;

bool ncp__service_defer_closes(bool on)
{
    bool before = defers_closes;

    defers_closes = on;
    return before;
}

bool ncp__service_defers_closes(void)
{
    return defers_closes;
}

static void announce(atomic_uint *word)
{
    atomic_fetch_add_explicit(word, 1, memory_order_seq_cst);
    ncp__unpark(word);
}

/* ------------------------------------------------------------------- farewells */

/* This thread is about to end. Lock held. */
static void note_end_locked(void)
{
    service.ending[service.endings++ % MAX_WORKERS] = ncp__thread_number();
}

static bool all_gone(void)
{
    pthread_mutex_lock(&service.lock);
    bool gone = service.workers == 0 && !service.housekeeper;
    uint32_t count =
        service.endings < MAX_WORKERS ? service.endings : MAX_WORKERS;
    for (uint32_t i = 0; gone && i < count; i++)
        gone = !ncp__thread_lives(service.ending[i]);
    pthread_mutex_unlock(&service.lock);
    return gone;
}

/* The process ends. Threads that are leaving, because no pool is left, may still
 * run destructors of libraries that are about to clean up (OpenSSL): they are
 * seen off. Threads of pools that are still open stay asleep. */
static void see_threads_off(void)
{
    uint64_t until_ns = ncp__monotonic_ns() + FAREWELL_NS;
    atomic_uint never;

    pthread_mutex_lock(&service.lock);
    bool leaving = service.pools == 0;
    pthread_mutex_unlock(&service.lock);
    atomic_init(&never, 0);
    while (leaving && !all_gone() && ncp__monotonic_ns() < until_ns)
        ncp__park(&never, 0, ncp__monotonic_ns() + NCP__NS_PER_MS / 4);
}

static void expect_the_end(void)
{
    (void)atexit(see_threads_off);
}

void ncp__service_dialer_ran(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, expect_the_end);
}

/* Detached, with every signal blocked: signals are the program's business. */
static bool start_thread(void *(*body)(void *))
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;

    if (pthread_attr_init(&attributes) != 0)
        return false;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&thread, &attributes, body, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return rc == 0;
}

/* ------------------------------------------------------------------------ jobs */

/* Takes the next job; the pool comes with a reference. Lock held. */
static ncp_pool *next_job_locked(uint32_t *index)
{
    ncp_pool *pool = service.ready_head;

    if (pool == NULL)
        return NULL;
    struct ncp__engine *engine = &pool->engine;
    *index = pool->job_head;
    pool->job_head = ncp__cold(ncp__engine_slot(engine, *index))->link;
    service.jobs--;
    ncp__pool_hold(pool);
    if (pool->job_head != NCP__NO_SLOT && pool->ready_next == NULL)
        return pool; /* the only one, with more to do */
    service.ready_head = pool->ready_next;
    if (service.ready_head == NULL)
        service.ready_tail = NULL;
    pool->ready_next = NULL;
    if (pool->job_head == NCP__NO_SLOT) {
        pool->ready = false;
        ncp__pool_release(pool); /* of the list; ours remains */
        return pool;
    }
    service.ready_tail->ready_next = pool; /* its turn comes again */
    service.ready_tail = pool;
    return pool;
}

static void append_job_locked(ncp_pool *pool, uint32_t index)
{
    struct ncp__engine *engine = &pool->engine;

    ncp__cold(ncp__engine_slot(engine, index))->link = NCP__NO_SLOT;
    if (pool->job_head == NCP__NO_SLOT)
        pool->job_head = index;
    else
        ncp__cold(ncp__engine_slot(engine, pool->job_tail))->link = index;
    pool->job_tail = index;
    service.jobs++;
    if (pool->ready)
        return;
    pool->ready = true;
    ncp__pool_hold(pool);
    pool->ready_next = NULL;
    if (service.ready_head == NULL)
        service.ready_head = pool;
    else
        service.ready_tail->ready_next = pool;
    service.ready_tail = pool;
}

static void run_job(ncp_pool *pool, uint32_t index)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__slot *slot = ncp__engine_slot(engine, index);
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
    struct ncp_conn conn = {pool, slot, index};
    struct ncp__acts acts = NCP__NO_ACTS;

    if (ncp__word_state(word) == NCP__CREATING) {
        ncp__dial_run(pool, index);
    } else if (ncp__word_state(word) == NCP__CLOSING) {
        (void)ncp__conn_close(&conn, ncp__cold(slot)->reason);
        ncp__engine_closed_one(engine, index, ncp__engine_now(engine), &acts);
        ncp__pool_act(pool, &acts, NCP__NO_SLOT);
    } else {
        ncp__check_run(pool, index);
    }
    ncp__pool_settle(pool);
    ncp__pool_release(pool);
}

/* Sleeps until there may be a job; false when it is time to go. Lock held, and
 * again on return. */
static bool wait_for_job_locked(void)
{
    unsigned word =
        atomic_load_explicit(&service.work_word, memory_order_seq_cst);
    uint64_t until_ns = ncp__monotonic_ns() + IDLE_NS;

    if (service.pools == 0)
        return false;
    service.idle++;
    pthread_mutex_unlock(&service.lock);
    ncp__park(&service.work_word, word, until_ns);
    pthread_mutex_lock(&service.lock);
    service.idle--;
    return service.jobs != 0 || ncp__monotonic_ns() < until_ns;
}

static void *worker(void *unused)
{
    uint32_t index;

    (void)unused;
    pthread_mutex_lock(&service.lock);
    for (;;) {
        ncp_pool *pool = next_job_locked(&index);
        if (pool == NULL) {
            if (wait_for_job_locked())
                continue;
            break;
        }
        pthread_mutex_unlock(&service.lock);
        run_job(pool, index);
        pthread_mutex_lock(&service.lock);
    }
    service.workers--;
    note_end_locked();
    pthread_mutex_unlock(&service.lock);
    return NULL;
}

/* A worker for a job that finds none. Lock held. */
static bool hire_locked(void)
{
    if (service.jobs <= service.idle)
        return true;
    if (service.workers >= MAX_WORKERS)
        return true; /* one of them will come to it */
    if (!start_thread(worker))
        return service.workers != 0;
    service.workers++;
    return true;
}

void ncp__service_job(ncp_pool *pool, uint32_t index)
{
    uint32_t own = NCP__NO_SLOT;
    ncp_pool *ours = NULL;

    pthread_mutex_lock(&service.lock);
    append_job_locked(pool, index);
    if (!hire_locked())
        ours = next_job_locked(&own);
    pthread_mutex_unlock(&service.lock);
    announce(&service.work_word);
    if (ours != NULL)
        run_job(ours, own);
}

/* ---------------------------------------------------------------- housekeeping */

/* A member that is due, not yet seen in this pass, with a reference; else when
 * the next one will be. Lock held. */
static ncp_pool *next_due_locked(uint64_t now_ns, uint64_t *next_ns)
{
    for (ncp_pool *pool = service.members; pool != NULL;
         pool = pool->member_next) {
        uint64_t due_ns = ncp__upkeep_due(pool);
        if (due_ns > now_ns || pool->seen == service.pass) {
            *next_ns = due_ns < *next_ns ? due_ns : *next_ns;
            continue;
        }
        pool->seen = service.pass;
        ncp__pool_hold(pool);
        return pool;
    }
    return NULL;
}

/* Writes the time for a pool that was used since the last tick, and stops when
 * it was not. Returns when to come again. */
static uint64_t tick(ncp_pool *pool, uint64_t now_ns)
{
    struct ncp__engine *engine = &pool->engine;
    uint32_t order = ncp__idle_puts(&engine->idle);

    if (!atomic_load_explicit(&pool->ticks, memory_order_relaxed))
        return NCP__NEVER;
    bool used = order != pool->tick_order;
    bool begins = used && atomic_load_explicit(&engine->tick_ns,
                                               memory_order_relaxed) == 0;
    if (begins || now_ns >= pool->tick_since_ns + TICK_NS) {
        pool->tick_order = order;
        pool->tick_since_ns = now_ns;
        atomic_store_explicit(&engine->tick_ns, used ? now_ns : 0,
                              memory_order_relaxed);
    }
    if (atomic_load_explicit(&engine->tick_ns, memory_order_relaxed) == 0)
        return NCP__NEVER;
    return pool->tick_since_ns + TICK_NS;
}

void ncp__service_set_ticks(ncp_pool *pool, bool on)
{
    pthread_mutex_lock(&service.lock);
    atomic_store_explicit(&pool->ticks, on, memory_order_relaxed);
    if (!on)
        atomic_store_explicit(&pool->engine.tick_ns, 0, memory_order_relaxed);
    pthread_mutex_unlock(&service.lock);
}

void ncp__tick_wanted(ncp_pool *pool)
{
    static _Thread_local uint32_t puts
        __attribute__((tls_model("initial-exec")));

    if (atomic_load_explicit(&pool->ticks, memory_order_relaxed) &&
        ++puts % PUTS_BEFORE_TICKS == 0)
        ncp__service_kick();
}

static uint64_t tick_all_locked(uint64_t now_ns)
{
    uint64_t next_ns = NCP__NEVER;

    for (ncp_pool *pool = service.members; pool != NULL;
         pool = pool->member_next) {
        uint64_t again_ns = tick(pool, now_ns);
        next_ns = again_ns < next_ns ? again_ns : next_ns;
    }
    return next_ns;
}

/* Everything that is due, once; returns when to come again. Lock held. */
static uint64_t keep_house_locked(void)
{
    uint64_t now_ns = ncp__monotonic_ns(), next_ns = NCP__NEVER;
    ncp_pool *pool;

    service.pass++;
    while ((pool = next_due_locked(now_ns, &next_ns)) != NULL) {
        pthread_mutex_unlock(&service.lock);
        ncp__upkeep(pool);
        ncp__pool_settle(pool);
        ncp__pool_release(pool);
        pthread_mutex_lock(&service.lock);
        next_ns = NCP__NEVER;
    }
    uint64_t tick_ns = tick_all_locked(now_ns);
    return tick_ns < next_ns ? tick_ns : next_ns;
}

static void *housekeeper(void *unused)
{
    (void)unused;
    defers_closes = true;
    pthread_mutex_lock(&service.lock);
    while (service.pools != 0) {
        unsigned word =
            atomic_load_explicit(&service.keep_word, memory_order_seq_cst);
        uint64_t next_ns = keep_house_locked();
        if (service.pools == 0)
            break;
        pthread_mutex_unlock(&service.lock);
        ncp__park(&service.keep_word, word, next_ns);
        pthread_mutex_lock(&service.lock);
    }
    service.housekeeper = false;
    note_end_locked();
    pthread_mutex_unlock(&service.lock);
    return NULL;
}

bool ncp__service_keeps_house(void)
{
    return atomic_load_explicit(&service.housekeeper, memory_order_relaxed);
}

void ncp__service_kick(void)
{
    announce(&service.keep_word);
}

void ncp__service_join(ncp_pool *pool)
{
    pthread_mutex_lock(&service.lock);
    if (!pool->in_service) {
        pool->in_service = true;
        pool->member_previous = NULL;
        pool->member_next = service.members;
        if (service.members != NULL)
            service.members->member_previous = pool;
        service.members = pool;
        service.pools++;
    }
    if (!service.housekeeper)
        service.housekeeper = start_thread(housekeeper);
    pthread_mutex_unlock(&service.lock);
    ncp__service_kick();
}

void ncp__service_leave(ncp_pool *pool)
{
    pthread_mutex_lock(&service.lock);
    if (pool->in_service) {
        pool->in_service = false;
        atomic_store_explicit(&pool->engine.tick_ns, 0, memory_order_relaxed);
        if (pool->member_previous != NULL)
            pool->member_previous->member_next = pool->member_next;
        else
            service.members = pool->member_next;
        if (pool->member_next != NULL)
            pool->member_next->member_previous = pool->member_previous;
        service.pools--;
    }
    bool last = service.pools == 0;
    pthread_mutex_unlock(&service.lock);
    if (!last)
        return;
    announce(&service.keep_word);
    announce(&service.work_word);
}

/* ------------------------------------------------------------------------ fork */

void ncp__service_before_fork(void)
{
    pthread_mutex_lock(&service.lock);
}

/* The child has none of the threads, and none of the jobs: the engines have
 * forgotten their slots. References that threads held stay behind for ever;
 * those of the ready list are given back. */
static void forget_threads(void)
{
    pthread_mutex_init(&service.lock, NULL);
    while (service.ready_head != NULL) {
        ncp_pool *pool = service.ready_head;
        service.ready_head = pool->ready_next;
        pool->ready = false;
        pool->ready_next = NULL;
        atomic_fetch_sub_explicit(&pool->refs, 1, memory_order_relaxed);
    }
    service.ready_tail = NULL;
    service.jobs = 0;
    service.workers = 0;
    service.idle = 0;
    service.endings = 0;
    service.housekeeper = false;
    defers_closes = false;
}

void ncp__service_after_fork(bool child)
{
    if (child)
        forget_threads();
    else
        pthread_mutex_unlock(&service.lock);
}
