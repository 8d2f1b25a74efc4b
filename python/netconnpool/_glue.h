/*
 * What the Python binding adds to the C ABI: the way into Python for callbacks,
 * and a borrow that answers with one integer. The generator puts this file into
 * _ffi.c, after netconnpool.h.
 */
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

/* extern "Python": CFFI defines them; they take the GIL. */
static int ncp_py_on_dial(int64_t host, int accepts, ncp_dial *dial);
static int ncp_py_on_conn(int64_t host, int callback, uint64_t handle,
                          uint64_t conn_id, int reason);
static int ncp_py_on_socket(int64_t host, const ncp_conn *conn);
static void ncp_py_on_log(int64_t host, int level, uint64_t conn_id,
                          const char *text);
static void ncp_py_on_drop(int64_t host);
static int ncp_py_on_poll(void);

/* ------------------------------------------------------------------- the gate */

/* Once shut nobody enters Python any more: the interpreter ends. */
static atomic_int ncp_py_gate_is_shut;
static atomic_int ncp_py_inside_count; /* callbacks that are in Python */

/* Seq_cst, both: whoever shuts the gate and then counts sees everybody who did
 * not see it shut. */
static int ncp_py_enter(void)
{
    atomic_fetch_add(&ncp_py_inside_count, 1);
    if (!atomic_load(&ncp_py_gate_is_shut))
        return 1;
    atomic_fetch_sub(&ncp_py_inside_count, 1);
    return 0;
}

static void ncp_py_leave(void)
{
    atomic_fetch_sub(&ncp_py_inside_count, 1);
}

static int ncp_py_inside(void)
{
    return atomic_load(&ncp_py_inside_count);
}

static void ncp_py_shut(void)
{
    atomic_store(&ncp_py_gate_is_shut, 1);
}

static int ncp_py_is_shut(void)
{
    return atomic_load(&ncp_py_gate_is_shut);
}

/* ------------------------------------------------------------------ callbacks */

static int64_t ncp_py_host(void *user)
{
    return (int64_t)(intptr_t)user;
}

static int ncp_py_dials(void *user, int accepts, ncp_dial *dial)
{
    if (!ncp_py_enter())
        return NCP_EDIAL;
    int rc = ncp_py_on_dial(ncp_py_host(user), accepts, dial);
    ncp_py_leave();
    return rc;
}

static int ncp_py_dialer(void *user, ncp_dial *dial)
{
    return ncp_py_dials(user, 0, dial);
}

static int ncp_py_acceptor(void *user, ncp_dial *dial)
{
    return ncp_py_dials(user, 1, dial);
}

/* What a callback answers when it was ended by a signal on the main thread: the
 * exception waits in Python, and the call that the main thread is in says so. */
enum { NCP_PY_INTERRUPTED = INT_MAX };
static atomic_int ncp_py_interrupts;

static int ncp_py_heard(int rc, int otherwise)
{
    if (rc != NCP_PY_INTERRUPTED)
        return rc;
    atomic_fetch_add(&ncp_py_interrupts, 1);
    return otherwise;
}

/* How many there were since the last call. */
static int ncp_py_interrupts_take(void)
{
    return atomic_exchange(&ncp_py_interrupts, 0);
}

static int ncp_py_conn(void *user, int callback, const ncp_conn *conn,
                       int reason)
{
    if (!ncp_py_enter())
        return NCP_OK;
    int rc = ncp_py_on_conn(ncp_py_host(user), callback, ncp_conn_handle(conn),
                            ncp_conn_id(conn), reason);
    ncp_py_leave();
    return ncp_py_heard(rc, NCP_EHOOK);
}

static int ncp_py_closer(void *user, const ncp_conn *conn, int reason)
{
    return ncp_py_conn(user, NCP_CALLBACK_CLOSER, conn, reason);
}

static int ncp_py_checker(void *user, const ncp_conn *conn, int reason)
{
    return ncp_py_conn(user, NCP_CALLBACK_CHECKER, conn, reason);
}

static int ncp_py_created(void *user, const ncp_conn *conn, int reason)
{
    return ncp_py_conn(user, NCP_CALLBACK_ON_CREATED, conn, reason);
}

/* What the library dialed: the number of a descriptor is used again as soon as its
 * borrower closes it, so Python gives the connection a handle of its own; until
 * then it has one that no object has. */
enum { NCP_PY_HANDLE_FD_SHIFT = 40 };

static int ncp_py_created_socket(void *user, const ncp_conn *conn, int reason)
{
    uint64_t fd = (uint64_t)(uint32_t)ncp_conn_fd(conn);

    (void)reason;
    (void)ncp_conn_set_handle(conn, fd | UINT64_C(1) << NCP_PY_HANDLE_FD_SHIFT);
    if (!ncp_py_enter())
        return NCP_OK;
    int rc = ncp_py_on_socket(ncp_py_host(user), conn);
    ncp_py_leave();
    return ncp_py_heard(rc, NCP_EHOOK);
}

static int ncp_py_borrowed(void *user, const ncp_conn *conn, int reason)
{
    return ncp_py_conn(user, NCP_CALLBACK_ON_BORROW, conn, reason);
}

static int ncp_py_returned(void *user, const ncp_conn *conn, int reason)
{
    return ncp_py_conn(user, NCP_CALLBACK_ON_RETURN, conn, reason);
}

static int ncp_py_closes(void *user, const ncp_conn *conn, int reason)
{
    return ncp_py_conn(user, NCP_CALLBACK_ON_CLOSE, conn, reason);
}

static int ncp_py_leaked(void *user, const ncp_conn *conn, int reason)
{
    return ncp_py_conn(user, NCP_CALLBACK_ON_LEAK, conn, reason);
}

static const ncp_conn_fn ncp_py_conn_functions[] = {
    [NCP_CALLBACK_CLOSER] = ncp_py_closer,
    [NCP_CALLBACK_CHECKER] = ncp_py_checker,
    [NCP_CALLBACK_ON_CREATED] = ncp_py_created,
    [NCP_CALLBACK_ON_BORROW] = ncp_py_borrowed,
    [NCP_CALLBACK_ON_RETURN] = ncp_py_returned,
    [NCP_CALLBACK_ON_CLOSE] = ncp_py_closes,
    [NCP_CALLBACK_ON_LEAK] = ncp_py_leaked,
};

static void ncp_py_log(void *user, int level, uint64_t conn_id,
                       const char *text)
{
    if (!ncp_py_enter())
        return;
    ncp_py_on_log(ncp_py_host(user), level, conn_id, text);
    ncp_py_leave();
}

static void ncp_py_drop(void *user)
{
    if (!ncp_py_enter())
        return;
    ncp_py_on_drop(ncp_py_host(user));
    ncp_py_leave();
}

static void *ncp_py_user(int64_t host)
{
    return (void *)(intptr_t)host;
}

static int ncp_py_set_dialer(ncp_config *config, int64_t host)
{
    return ncp_config_set_dialer(config, ncp_py_dialer, ncp_py_user(host),
                                 NULL);
}

static int ncp_py_set_acceptor(ncp_config *config, int64_t host)
{
    return ncp_config_set_acceptor(config, ncp_py_acceptor, ncp_py_user(host),
                                   NULL);
}

static int ncp_py_set_socket_callback(ncp_config *config, int64_t host)
{
    return ncp_config_set_callback(config, NCP_CALLBACK_ON_CREATED,
                                   ncp_py_created_socket, ncp_py_user(host),
                                   NULL);
}

static int ncp_py_set_callback(ncp_config *config, int callback, int64_t host)
{
    if (callback < NCP_CALLBACK_CLOSER || callback > NCP_CALLBACK_ON_LEAK)
        return NCP_EINVAL;
    return ncp_config_set_callback(config, callback,
                                   ncp_py_conn_functions[callback],
                                   ncp_py_user(host), NULL);
}

/* Every host has a log, so its drop stands for all of its callbacks. */
static int ncp_py_set_log(ncp_config *config, int64_t host)
{
    return ncp_config_set_log(config, ncp_py_log, ncp_py_user(host),
                              ncp_py_drop);
}

/* ---------------------------------------------------------------- manual clock */

/* Lives as long as its object or a pool that reads it, whichever is longer: at
 * the end of the interpreter that is the pool. `now_ns` comes first, it is what
 * ncp_manual_clock() reads. */
typedef struct ncp_py_clock {
    uint64_t now_ns;
    atomic_int references;
} ncp_py_clock;

static void ncp_py_clock_release(void *clock)
{
    ncp_py_clock *it = clock;

    if (it != NULL && atomic_fetch_sub(&it->references, 1) == 1)
        free(it);
}

static ncp_py_clock *ncp_py_clock_new(uint64_t now_ns)
{
    ncp_py_clock *clock = malloc(sizeof(*clock));

    if (clock == NULL)
        return NULL;
    clock->now_ns = now_ns;
    atomic_init(&clock->references, 1);
    return clock;
}

static void ncp_py_clock_set(ncp_py_clock *clock, uint64_t now_ns)
{
    __atomic_store_n(&clock->now_ns, now_ns, __ATOMIC_SEQ_CST);
}

static uint64_t ncp_py_clock_now(const ncp_py_clock *clock)
{
    return __atomic_load_n(&clock->now_ns, __ATOMIC_SEQ_CST);
}

static int ncp_py_set_clock(ncp_config *config, ncp_py_clock *clock)
{
    atomic_fetch_add(&clock->references, 1);
    return ncp_config_set_clock(config, ncp_manual_clock, clock,
                                ncp_py_clock_release);
}

/* -------------------------------------------------------------------- signals */

enum { NCP_PY_POLL_MS = 50 };

/* The thread that runs the signal handlers of Python, and the token that its
 * gets carry, so that they are not kept from it. Written with the GIL. */
static uint64_t ncp_py_main_ident;
static ncp_cancel *ncp_py_main_cancel;

static int ncp_py_is_main(void)
{
    return (uint64_t)(uintptr_t)pthread_self() == ncp_py_main_ident;
}

static int ncp_py_poll(void *unused)
{
    (void)unused;
    if (!ncp_py_is_main() || !ncp_py_enter())
        return 0;
    int stop = ncp_py_on_poll();
    ncp_py_leave();
    return ncp_py_heard(stop, 1);
}

/* A token whose gets run signal handlers when they wait on the main thread. */
static int ncp_py_cancel_new(ncp_cancel **out)
{
    int rc = ncp_cancel_new(out);

    return rc != NCP_OK
               ? rc
               : ncp_cancel_set_poll(*out, ncp_py_poll, NULL, NCP_PY_POLL_MS);
}

/* `ident` is that of threading.main_thread(). Called again in a forked child:
 * its one thread is the main thread, it is in no callback that would come to an
 * end, and the token of the parent, which may list gets that do not exist here,
 * is left alone. */
static int ncp_py_begin(uint64_t ident)
{
    ncp_cancel *cancel;
    int rc = ncp_py_cancel_new(&cancel);

    if (rc != NCP_OK)
        return rc;
    ncp_py_main_cancel = cancel;
    ncp_py_main_ident = ident;
    atomic_store(&ncp_py_inside_count, 0);
    return NCP_OK;
}

/* ------------------------------------------------------------- borrow and return */

/* A token is a lease with the handle of its connection in the bits above, or
 * NCP_PY_HANDLE_LARGE when it does not fit. */
enum { NCP_PY_HANDLE_SHIFT = 53, NCP_PY_HANDLE_LARGE = 1023 };
/* A failure is negative: status below, code above. */
enum { NCP_PY_CODE_SHIFT = 6 };

static uint64_t ncp_py_lease(int64_t token)
{
    return (uint64_t)token & ((UINT64_C(1) << NCP_PY_HANDLE_SHIFT) - 1);
}

static int ncp_py_is_interrupted(void)
{
    return atomic_load_explicit(&ncp_py_interrupts, memory_order_relaxed) !=
               0 &&
           ncp_py_is_main();
}

static int64_t ncp_py_failure(int status, int64_t code)
{
    uint64_t above = code > 0 ? (uint64_t)code << NCP_PY_CODE_SHIFT : 0;

    return -(int64_t)(above | (uint64_t)-status);
}

static int64_t ncp_py_borrow(ncp_pool *pool, int protocol, int ip,
                             int64_t timeout_ms, ncp_cancel *cancel,
                             uint64_t tag)
{
    ncp_event event;

    if (cancel == NULL && ncp_py_is_main())
        cancel = ncp_py_main_cancel;
    int rc =
        ncp_pool_borrow(pool, protocol, ip, timeout_ms, cancel, tag, &event);
    if (rc != NCP_OK)
        return ncp_py_failure(rc, event.code);
    if (ncp_py_is_interrupted()) { /* it came too late to end the wait */
        (void)ncp_pool_put(pool, event.lease);
        return ncp_py_failure(NCP_ECANCELED, 0);
    }
    uint64_t handle =
        event.handle < NCP_PY_HANDLE_LARGE ? event.handle : NCP_PY_HANDLE_LARGE;
    return (int64_t)(handle << NCP_PY_HANDLE_SHIFT | event.lease);
}

static int ncp_py_put(ncp_pool *pool, int64_t token)
{
    int rc = ncp_pool_put(pool, ncp_py_lease(token));

    return rc == NCP_OK && ncp_py_is_interrupted() ? NCP_ECANCELED : rc;
}

static int ncp_py_discard(ncp_pool *pool, int64_t token)
{
    return ncp_pool_discard(pool, ncp_py_lease(token));
}

/* ------------------------------------------------------------------------- exit */

/* Closers are the user's and may hang, so pools are closed by a thread of their
 * own, which the end of the interpreter waits for as long as it likes. */
struct ncp_py_closing {
    atomic_int left; /* references: the thread and who waits for it */
    pthread_mutex_t lock;
    pthread_cond_t ended;
    int is_over;
    int count;
    ncp_pool *pools[];
};

static void ncp_py_closing_release(struct ncp_py_closing *closing)
{
    if (atomic_fetch_sub(&closing->left, 1) > 1)
        return;
    for (int i = 0; i < closing->count; i++)
        ncp_pool_free(closing->pools[i]);
    pthread_cond_destroy(&closing->ended);
    pthread_mutex_destroy(&closing->lock);
    free(closing);
}

static void *ncp_py_closing_run(void *argument)
{
    struct ncp_py_closing *closing = argument;

    for (int i = 0; i < closing->count; i++)
        (void)ncp_pool_close(closing->pools[i]);
    pthread_mutex_lock(&closing->lock);
    closing->is_over = 1;
    pthread_cond_signal(&closing->ended);
    pthread_mutex_unlock(&closing->lock);
    ncp_py_closing_release(closing);
    return NULL;
}

static int ncp_py_closing_start(struct ncp_py_closing *closing)
{
    pthread_attr_t attributes;
    pthread_t thread;

    if (pthread_attr_init(&attributes) != 0)
        return NCP_ENOMEM;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int rc = pthread_create(&thread, &attributes, ncp_py_closing_run, closing);
    pthread_attr_destroy(&attributes);
    return rc == 0 ? NCP_OK : NCP_ESYS;
}

static int ncp_py_closing_wait(struct ncp_py_closing *closing, int timeout_ms)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    int rc = 0;
    pthread_mutex_lock(&closing->lock);
    while (!closing->is_over && rc == 0)
        rc = pthread_cond_timedwait(&closing->ended, &closing->lock, &until);
    int is_over = closing->is_over;
    pthread_mutex_unlock(&closing->lock);
    return is_over ? NCP_OK : NCP_ETIMEOUT;
}

/* Closes pools, for at most `timeout_ms`. */
static int ncp_py_close_all(ncp_pool **pools, int count, int timeout_ms)
{
    struct ncp_py_closing *closing =
        malloc(sizeof(*closing) + (size_t)count * sizeof(closing->pools[0]));

    if (closing == NULL)
        return NCP_ENOMEM;
    atomic_init(&closing->left, 2);
    pthread_mutex_init(&closing->lock, NULL);
    pthread_cond_init(&closing->ended, NULL);
    closing->is_over = 0;
    closing->count = count;
    for (int i = 0; i < count; i++)
        closing->pools[i] = ncp_pool_ref(pools[i]);
    int rc = ncp_py_closing_start(closing);
    if (rc == NCP_OK)
        rc = ncp_py_closing_wait(closing, timeout_ms);
    else
        ncp_py_closing_release(closing);
    ncp_py_closing_release(closing);
    return rc;
}
