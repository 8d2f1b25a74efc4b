/*
 * ncp-scenario: runs one scenario document against the C library.
 *
 * A scenario is a list of cases; a case builds its pools, runs its steps on the
 * main thread and on the threads the steps start, and is torn down completely.
 * The first broken expectation ends the process with the result "fail", so no
 * function here has an error to hand back.
 */
#ifndef NCP_RUNNER_H
#define NCP_RUNNER_H

#include "netconnpool.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    RUN_NAME_SIZE = 48,
    RUN_POOLS = 4,
    RUN_CONNS = 8192,
    RUN_THREADS = 512,
    RUN_HINTS = 512
};

#define RUN_NS_PER_MS UINT64_C(1000000)

/* ----------------------------------------------------------- main: verdicts */

/* Ends the process with the result "fail". */
_Noreturn void fail(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
/* Where this thread is, for the reason of a failure. */
void where_push(const char *format, ...) __attribute__((format(printf, 1, 2)));
void where_pop(void);
void count_check(void);

/* ------------------------------------------------------------ clock: actors */

/* What a thread of the runner, or a callback on a thread of the library, does.
 * Virtual time moves only while nobody is RUNNING. */
enum actor_state {
    ACTOR_RUNNING = 0,
    ACTOR_SLEEPING = 1, /* until sleep_due */
    ACTOR_CALLING = 2,  /* inside a call of the library, at most to call_due */
    ACTOR_JOINING = 3,  /* waits for other actors */
    ACTOR_POLLING = 4   /* looks again whenever the system is quiet */
};

struct actor {
    struct actor *next;
    enum actor_state state;
    const char *what;
    uint64_t sleep_due; /* 0 none */
    uint64_t call_due;  /* 0 none */
    uint64_t limit_due; /* 0 none: a limit the library keeps for a callback */
    uint64_t looked;    /* the quiet moment in which a POLLING actor looked */
    pthread_cond_t cond;
};

/* Saved around a callback, which may run on an actor's thread. */
struct actor_frame {
    struct actor own;
    struct actor *actor;
    enum actor_state state;
    uint64_t limit_due;
    bool nested;
};

void clock_start(bool is_virtual);
void clock_stop(void);
bool clock_is_virtual(void);
uint64_t clock_now_ns(void);
uint64_t clock_library(void *user); /* an ncp_clock_fn */
double clock_since_start_ms(void);
void clock_sleep_ms(int64_t ms);
/* Looks until `done` says so or `limit_ms` passed; what it said last. */
bool clock_wait(bool (*done)(void *user), void *user, int64_t limit_ms);
void clock_watch_pool(ncp_pool *pool, bool push);
void clock_forget_pool(ncp_pool *pool);

void actor_begin(struct actor *actor, const char *what); /* by the parent */
void actor_adopt(struct actor *actor);                   /* by the thread */
void actor_end(struct actor *actor);
void actor_join(pthread_t thread);
/* Around every call of the library that may block. */
void call_begin(int64_t timeout_ms);
void call_end(void);
/* Around every callback. */
void frame_enter(struct actor_frame *frame, const char *what, int64_t limit_ms);
void frame_leave(struct actor_frame *frame);
void actors_dump(char *buffer, size_t size);

/* Whether no other thread of the process runs or can run. */
bool threads_quiet(void);
int threads_count(void);
int fds_count(void);
void real_sleep_us(long us);
uint64_t real_now_ns(void);
void wall_clock_jump(int64_t seconds);

/* ---------------------------------------------------------- echo: the peers */

enum conn_type {
    CONN_TCP4 = 0,
    CONN_TCP6 = 1,
    CONN_UDP4 = 2,
    CONN_UDP6 = 3,
    CONN_UNIX = 4,
    CONN_PIPE = 5, /* no descriptor the pool knows of */
    CONN_FAIL = 6, /* in a sequence: this dial fails */
    CONN_NIL = 7   /* in a sequence: this dial returns nothing */
};

/* One connection as the runner made it. */
struct conn {
    int index;
    enum conn_type type;
    uint64_t handle;
    int fd;
    ino_t inode; /* tells a closed descriptor from a reused number */
    int protocol;
    int ip;
    int peer;
    bool server; /* accepted by the library: handle and fd are its own */
    atomic_bool peer_eof;
    atomic_int owners;
    atomic_int checks; /* checkers inside */
    atomic_int closer_calls;
    atomic_bool ours; /* detached, replaced or refused: the runner closes it */
};

void echo_start(void);
void echo_reset(void); /* closes every connection that is left */
struct conn *conn_make(enum conn_type type);
struct conn *conn_adopt(uint64_t handle, int fd);
struct conn *conn_by_handle(uint64_t handle);
/* The pool finds out itself what it is: its handle is the descriptor. */
void conn_by_descriptor(struct conn *conn);
struct conn *conn_at(int index);
int conn_count(void);
bool conn_is_open(const struct conn *conn);
void conn_close_client(struct conn *conn);
void peer_end(struct conn *conn, bool reset);
enum conn_type conn_type_of(const char *name);
int listener_new(void);           /* a TCP listener on 127.0.0.1 */
int client_connect(int listener); /* a client of it, known as a peer */
bool ipv6_works(void);

/* ----------------------------------------------------------- data of a case */

struct hook {
    const char *event;
    int which; /* enum ncp_callback */
    const json_t *spec;
    atomic_int count;
    atomic_bool called_back;
};

struct dialer {
    const json_t *spec;
    const char *event;
    atomic_int count;
    atomic_int running;
    atomic_int most_running;
    atomic_bool called_back;
    bool accepts;
};

struct hint {
    int protocol;
    int ip;
    int64_t deadline_ms;
    int64_t timeout_ms;
    int attempt;
    double at_ms;
};

struct pool {
    char name[RUN_NAME_SIZE];
    ncp_config *config;
    _Atomic(ncp_pool *) pool;
    ncp_queue *queue;
    int listener;
    bool pull;
    bool freed;
    atomic_bool resized;
};

/* One lease, or one event of the pull driver, under a name. */
struct var {
    struct var *next;
    char name[RUN_NAME_SIZE];
    int scope; /* the thread whose name it is, -1 everybody's */
    struct pool *pool;
    ncp_lease lease;
    uint64_t conn_id;
    struct conn *conn;
    bool out;
    bool has_event;
    ncp_event event;
};

/* A thread of the scenario. */
struct task {
    struct actor actor;
    pthread_t thread;
    char name[RUN_NAME_SIZE];
    const json_t *steps;
    int index;
    int scope;
    bool joined;
    bool started;
    pthread_barrier_t *barrier;
};

struct token {
    char name[RUN_NAME_SIZE];
    ncp_cancel *cancel;
};

struct counter {
    char name[RUN_NAME_SIZE];
    int64_t count;
};

struct scene {
    const json_t *doc;
    struct pool pools[RUN_POOLS];
    int pool_count;
    struct dialer dialer;
    struct dialer acceptor;
    struct hook hooks[8];
    int hook_count;
    struct hook *closer; /* NULL without close_conn */
    struct hook *log;

    pthread_mutex_t lock; /* guards everything below */
    struct var *vars;
    struct task *tasks[RUN_THREADS];
    int task_count;
    struct token tokens[8];
    int token_count;
    char **events;
    size_t event_count, event_room;
    char **logs;
    size_t log_count, log_room;
    struct counter counters[64];
    int counter_count;
    int order[RUN_THREADS];
    int order_count;
    struct hint hints[RUN_HINTS];
    int hint_count;
    int64_t last[NCP_COUNTER_COUNT]; /* for I7 */
    bool last_valid;
    ncp_guard *guard;
    atomic_int callbacks_given; /* to configurations */
    atomic_int callbacks_dropped;
    int start_fds, start_threads;
    atomic_bool watching;
    atomic_int watched;
};

extern struct scene scene;

/* -------------------------------------------------------------------- names */

const char *result_text(int status);
int result_of(const char *name);
bool result_known(const char *name);
const char *event_text(int type);
int event_of(const char *name); /* -1 for a name that is none */
int protocol_of(const json_t *value);
int ip_of(const json_t *value);
/* Fails on a key that is not in `keys` (separated by spaces). */
void keys_only(const json_t *object, const char *keys, const char *what);
const char *text_at(const json_t *object, const char *key,
                    const char *otherwise);
int64_t int_at(const json_t *object, const char *key, int64_t otherwise);
bool bool_at(const json_t *object, const char *key);

/* ------------------------------------------------- records of what happened */

void event_record(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
void count_up(const char *name);
int64_t count_of(const char *name);

/* -------------------------------------------------------------------- parts */

void dialer_check(const json_t *spec);
int dialer_callback(void *user, ncp_dial *dial);
struct conn *dial_next(int protocol, int ip); /* for the pull driver */
int hook_callback(void *user, const ncp_conn *conn, int reason);
void log_callback(void *user, int level, uint64_t conn_id, const char *text);
/* Calls the functions of the pool that the key `call` lists, from a callback;
 * not again when `done` is set. */
void call_back(const json_t *spec, const ncp_conn *conn, atomic_bool *done);

struct pool *pool_named(const char *name);
void pools_make(const json_t *doc);
void pools_end(void);
void config_apply(ncp_config *config, const json_t *options);

struct var *var_new(const char *name, int scope);
struct var *var_find(const char *name, int scope);   /* fails when unknown */
struct var *var_lookup(const char *name, int scope); /* NULL when unknown */
struct conn *conn_named(const char *name, int scope);
void name_expand(const char *name, int index, char *out);

void steps_run(const json_t *steps, struct task *task);
void tasks_join_all(void);
void lease_got(struct var *var, struct pool *pool, ncp_lease lease);
void lease_back(struct var *var);

/* Checks bounds: a number, or [low, high] with null for an open end. */
void check_bound(const json_t *bound, double value, const char *what);
bool bound_holds(const json_t *bound, double value);
void check_within(const json_t *step, double begin_ms);
bool facts_hold(const json_t *facts, int scope, char *why, size_t size);
void check_facts(const json_t *facts, int scope);
void check_invariants(struct pool *pool);
void check_end(const json_t *doc);
/* The counters as they are now, for the result; time does not move. */
void finals_keep(void);
json_t *finals_take(void); /* the caller's; those of every case so far */

/* Families of steps: true when the operation was theirs. */
typedef void (*step_fn)(const json_t *step, struct task *task);
struct step_op {
    const char *name;
    const char *keys;
    step_fn run;
};
extern const struct step_op steps_pool[];
extern const struct step_op steps_conn[];
extern const struct step_op steps_task[];
extern const struct step_op steps_check[];
extern const struct step_op steps_pull[];
extern const struct step_op steps_config[];

/* Shared by the families. */
struct pool *step_pool(const json_t *step);
void expect_status(const json_t *step, int status, const char *what);
ncp_cancel *token_named(const char *name);

#endif
