/*
 * System calls that fail: each script runs in a process of its own, once for
 * every call it makes and every error that call knows, at the n-th time, and
 * from the n-th time on until the script is through. Every get succeeds or says
 * why, and when the fault is over the pool works again. Nothing leaks.
 *
 * The calls are replaced at link time (-Wl,--wrap).
 *
 * usage: fault_system_calls [script]
 */
#include "child.h"
#include "echo.h"
#include "snapshot.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum call {
    CALL_SOCKET,
    CALL_CONNECT,
    CALL_ACCEPT4,
    CALL_POLL,
    CALL_EVENTFD,
    CALL_PTHREAD_CREATE,
    CALL_GETADDRINFO,
    CALL_SETSOCKOPT,
    CALL_GETSOCKOPT,
    CALL_RECV,
    CALL_FUTEX,
    CALL_OTHER, /* syscall() of anything but a futex */
    CALLS
};

static const struct {
    const char *name;
    int errors[6]; /* 0 ends */
} calls[CALLS] = {
    [CALL_SOCKET] = {"socket", {EMFILE, ENOMEM, EAFNOSUPPORT}},
    [CALL_CONNECT] = {"connect",
                      {ECONNREFUSED, ETIMEDOUT, EINTR, ENETUNREACH, EAGAIN}},
    [CALL_ACCEPT4] = {"accept4", {EMFILE, ENOMEM, EINTR, ECONNABORTED, EAGAIN}},
    [CALL_POLL] = {"poll", {EINTR, ENOMEM}},
    [CALL_EVENTFD] = {"eventfd", {EMFILE, ENOMEM}},
    [CALL_PTHREAD_CREATE] = {"pthread_create", {EAGAIN}},
    [CALL_GETADDRINFO] = {"getaddrinfo", {EAI_AGAIN, EAI_MEMORY, EAI_SYSTEM}},
    [CALL_SETSOCKOPT] = {"setsockopt", {ENOMEM, EINVAL}},
    [CALL_GETSOCKOPT] = {"getsockopt", {ENOBUFS}},
    [CALL_RECV] = {"recv", {EINTR, ENOMEM, ECONNRESET}},
    [CALL_FUTEX] = {"futex", {EINTR}},
    [CALL_OTHER] = {"syscall", {ENOSYS, EMFILE, ENOMEM, EINTR}},
};

enum { INTERRUPTIONS = 100 };

static struct {
    atomic_bool on;
    enum call call;
    int error;
    long at;
    bool for_good;
    atomic_long count[CALLS];
} fault;

/* The peers of a script are played by this process: they do not fail. */
static _Thread_local bool spared;

/* The error that this call has to answer; 0 to do it. */
static int fails(enum call call)
{
    if (spared || !atomic_load(&fault.on))
        return 0;
    long count = atomic_fetch_add(&fault.count[call], 1) + 1;
    if (fault.at == 0 || call != fault.call || count < fault.at)
        return 0;
    /* Nothing is interrupted for ever. */
    long last =
        fault.at + (fault.error == EINTR ? INTERRUPTIONS : LONG_MAX / 2);
    return count == fault.at || (fault.for_good && count < last) ? fault.error
                                                                 : 0;
}

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);
int __real_connect(int fd, const struct sockaddr *address, socklen_t size);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size);
int __real_accept4(int fd, struct sockaddr *address, socklen_t *size,
                   int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *size,
                   int flags);
int __real_poll(struct pollfd *fds, nfds_t count, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout);
int __real_eventfd(unsigned value, int flags);
int __wrap_eventfd(unsigned value, int flags);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *arg);
int __real_getaddrinfo(const char *node, const char *service,
                       const struct addrinfo *hints, struct addrinfo **out);
int __wrap_getaddrinfo(const char *node, const char *service,
                       const struct addrinfo *hints, struct addrinfo **out);
int __real_setsockopt(int fd, int level, int option, const void *value,
                      socklen_t size);
int __wrap_setsockopt(int fd, int level, int option, const void *value,
                      socklen_t size);
int __real_getsockopt(int fd, int level, int option, void *value,
                      socklen_t *size);
int __wrap_getsockopt(int fd, int level, int option, void *value,
                      socklen_t *size);
ssize_t __real_recv(int fd, void *buffer, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags);
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

#define FAIL_OR(call, otherwise)                                               \
    do {                                                                       \
        int error_ = fails(call);                                              \
        if (!error_)                                                           \
            return otherwise;                                                  \
        errno = error_;                                                        \
        return -1;                                                             \
    } while (0)

int __wrap_socket(int domain, int type, int protocol)
{
    FAIL_OR(CALL_SOCKET, __real_socket(domain, type, protocol));
}

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    int error = fails(CALL_CONNECT);

    if (!error)
        return __real_connect(fd, address, size);
    /* A connect that was interrupted goes on all the same. */
    if (error == EINTR)
        __real_connect(fd, address, size);
    errno = error;
    return -1;
}

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    FAIL_OR(CALL_ACCEPT4, __real_accept4(fd, address, size, flags));
}

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout)
{
    FAIL_OR(CALL_POLL, __real_poll(fds, count, timeout));
}

int __wrap_eventfd(unsigned value, int flags)
{
    FAIL_OR(CALL_EVENTFD, __real_eventfd(value, flags));
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *arg)
{
    int error = fails(CALL_PTHREAD_CREATE);
    return error ? error
                 : __real_pthread_create(thread, attributes, start, arg);
}

int __wrap_getaddrinfo(const char *node, const char *service,
                       const struct addrinfo *hints, struct addrinfo **out)
{
    int error = fails(CALL_GETADDRINFO);

    if (error == EAI_SYSTEM)
        errno = ENOMEM;
    return error ? error : __real_getaddrinfo(node, service, hints, out);
}

int __wrap_setsockopt(int fd, int level, int option, const void *value,
                      socklen_t size)
{
    FAIL_OR(CALL_SETSOCKOPT, __real_setsockopt(fd, level, option, value, size));
}

int __wrap_getsockopt(int fd, int level, int option, void *value,
                      socklen_t *size)
{
    FAIL_OR(CALL_GETSOCKOPT, __real_getsockopt(fd, level, option, value, size));
}

ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags)
{
    FAIL_OR(CALL_RECV, __real_recv(fd, buffer, size, flags));
}

long __wrap_syscall(long number, ...)
{
    va_list args;
    long value[6];

    va_start(args, number);
    for (int i = 0; i < 6; i++)
        value[i] = va_arg(args, long);
    va_end(args);
    /* A wake does not fail, only a wait is interrupted. */
    if (number == SYS_futex) {
        int command = (int)value[1] & FUTEX_CMD_MASK;
        if (command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET)
            FAIL_OR(CALL_FUTEX,
                    __real_syscall(number, value[0], value[1], value[2],
                                   value[3], value[4], value[5]));
    } else {
        FAIL_OR(CALL_OTHER, __real_syscall(number, value[0], value[1], value[2],
                                           value[3], value[4], value[5]));
    }
    return __real_syscall(number, value[0], value[1], value[2], value[3],
                          value[4], value[5]);
}

static struct echo echo;

static void require_expected(int status)
{
    static const int expected[] = {NCP_OK,     NCP_EDIAL,     NCP_ETIMEOUT,
                                   NCP_ENOMEM, NCP_ESYS,      NCP_EWAITERS,
                                   NCP_EAGAIN, NCP_EEXHAUSTED};

    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        if (status == expected[i])
            return;
    expect_failed(__FILE__, __LINE__, ncp_status_name(status), status, 0, true);
}

struct setting {
    int option;
    int64_t value;
};

static void configure(ncp_config *config, const struct setting *settings)
{
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_LOG_LEVEL, 0), NCP_OK);
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_DIAL_BACKOFF, 0), NCP_OK);
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_BREAKER_FAILURES, 0),
               NCP_OK);
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_MAX_CONNECTIONS, 2),
               NCP_OK);
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, 0),
               NCP_OK);
    for (; settings && settings->option; settings++)
        REQUIRE_EQ(
            ncp_config_set_int(config, settings->option, settings->value),
            NCP_OK);
}

/* A pool may be refused while the fault lasts: then it ends here. */
static ncp_pool *open_pool(const char *target, const struct setting *settings)
{
    ncp_config *config = NULL;
    ncp_pool *pool = NULL;

    REQUIRE_EQ(ncp_config_new(NCP_MODE_CLIENT, &config), NCP_OK);
    configure(config, settings);
    REQUIRE_EQ(ncp_config_set(config, "target", target), NCP_OK);
    int status = ncp_pool_new(config, &pool);
    require_expected(status);
    if (status != NCP_OK) {
        REQUIRE(pool == NULL);
        atomic_store(&fault.on, false);
        REQUIRE_EQ(ncp_pool_new(config, &pool), NCP_OK);
    }
    ncp_config_free(config);
    expect_about(pool);
    return pool;
}

/* The borrower's own calls do not fail. */
static bool talk(ncp_pool *pool, ncp_lease lease)
{
    char answer[4] = {0};
    struct timeval patience = {30, 0};
    int fd = ncp_lease_fd(pool, lease);

    REQUIRE(fd >= 0);
    spared = true;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    bool well = send(fd, "ping", 4, MSG_NOSIGNAL) == 4 &&
                recv(fd, answer, 4, MSG_WAITALL) == 4 &&
                memcmp(answer, "ping", 4) == 0;
    spared = false;
    return well;
}

static void borrow_two(ncp_pool *pool, bool must)
{
    ncp_lease lease[2] = {0};

    for (int i = 0; i < 2; i++) {
        int status = ncp_pool_get_timeout(pool, must ? 60000 : 200, &lease[i]);
        if (must)
            REQUIRE_EQ(status, NCP_OK);
        require_expected(status);
        if (status == NCP_OK)
            REQUIRE(talk(pool, lease[i]));
        else
            REQUIRE_EQ(lease[i], 0);
    }
    for (int i = 0; i < 2; i++)
        if (lease[i])
            REQUIRE_EQ(i == 1 ? ncp_pool_discard(pool, lease[i])
                              : ncp_pool_put(pool, lease[i]),
                       NCP_OK);
}

static void end_pool(ncp_pool *pool)
{
    uint64_t value[NCP_COUNTER_COUNT];

    REQUIRE_SOON(ncp_pool_dialing_count(pool) == 0);
    REQUIRE_EQ(ncp_pool_close(pool), NCP_OK);
    REQUIRE_SOON((ncp_pool_stats(pool, value, NCP_COUNTER_COUNT),
                  value[NCP_COUNTER_CURRENT] == 0));
    snapshot_take(pool, value, 2, 2);
    REQUIRE_EQ(value[NCP_COUNTER_IN_FLIGHT], 0);
    expect_about(NULL);
    ncp_pool_free(pool);
}

/* Borrows under the fault, and again when it is over. */
static void use_target(const char *target, const struct setting *settings)
{
    ncp_pool *pool = open_pool(target, settings);

    for (int i = 0; i < 3; i++)
        borrow_two(pool, false);
    atomic_store(&fault.on, false);
    borrow_two(pool, true);
    end_pool(pool);
}

static void use_host(const char *form, const struct setting *settings)
{
    char target[128];
    snprintf(target, sizeof(target), "%s:%d", form, echo.port);
    use_target(target, settings);
}

static void script_tcp(void)
{
    static const struct setting settings[] = {
        {NCP_OPTION_CHECK_ON_BORROW, 1},
        {NCP_OPTION_TCP_KEEPALIVE, 1000},
        {NCP_OPTION_SEND_BUFFER, 65536},
        {0, 0},
    };
    use_host("tcp://127.0.0.1", settings);
}

static void script_tcp_by_name(void)
{
    use_host("tcp://localhost", NULL);
}

static void script_udp(void)
{
    static const struct setting settings[] = {
        {NCP_OPTION_CLEAR_UDP, 1},
        {NCP_OPTION_CHECK_ON_BORROW, 1},
        {0, 0},
    };
    use_host("udp://127.0.0.1", settings);
}

static void script_unix(void)
{
    char target[128];
    snprintf(target, sizeof(target), "unix:%s", echo.path);
    use_target(target, NULL);
}

static void script_in_caller(void)
{
    static const struct setting settings[] = {
        {NCP_OPTION_DIAL_IN_CALLER, 1},
        {0, 0},
    };
    use_host("tcp://127.0.0.1", settings);
}

static void script_upkeep(void)
{
    static const struct setting settings[] = {
        {NCP_OPTION_MIN_CONNECTIONS, 2},       {NCP_OPTION_MAINTAIN_MIN, 1},
        {NCP_OPTION_IDLE_TIMEOUT, 20},         {NCP_OPTION_CLEANUP_INTERVAL, 2},
        {NCP_OPTION_HEALTH_CHECK_INTERVAL, 2}, {NCP_OPTION_PREWARM_RETRY, 1},
        {NCP_OPTION_LEAK_TIMEOUT, 0},          {0, 0},
    };
    char target[128];

    snprintf(target, sizeof(target), "tcp://127.0.0.1:%d", echo.port);
    ncp_pool *pool = open_pool(target, settings);
    sleep_us(20000);
    borrow_two(pool, false);
    atomic_store(&fault.on, false);
    borrow_two(pool, true);
    end_pool(pool);
}

struct crowd {
    ncp_pool *pool;
    pthread_t thread;
};

static void *borrow_some(void *arg)
{
    struct crowd *crowd = arg;

    for (int i = 0; i < 20; i++) {
        ncp_lease lease = 0;
        int status = ncp_pool_get_timeout(crowd->pool, 200, &lease);
        require_expected(status);
        if (status == NCP_OK)
            REQUIRE_EQ(ncp_pool_put(crowd->pool, lease), NCP_OK);
    }
    return NULL;
}

/* Waiters, so that threads sleep and are woken. */
static void script_waiting(void)
{
    char target[128];
    struct crowd crowd[4];

    snprintf(target, sizeof(target), "tcp://127.0.0.1:%d", echo.port);
    ncp_pool *pool = open_pool(target, NULL);
    for (int i = 0; i < 4; i++) {
        crowd[i].pool = pool;
        REQUIRE_EQ(__real_pthread_create(&crowd[i].thread, NULL, borrow_some,
                                         &crowd[i]),
                   0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(crowd[i].thread, NULL);
    atomic_store(&fault.on, false);
    borrow_two(pool, true);
    end_pool(pool);
}

static void serve_one(ncp_pool *pool, const struct sockaddr_in *address,
                      bool must)
{
    ncp_lease lease = 0;
    char byte = 0;

    spared = true;
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE_EQ(
        connect(client, (const struct sockaddr *)address, sizeof(*address)), 0);
    spared = false;
    int status = ncp_pool_get_timeout(pool, must ? 60000 : 200, &lease);
    if (must)
        REQUIRE_EQ(status, NCP_OK);
    require_expected(status);
    spared = true;
    if (status == NCP_OK) {
        int fd = ncp_lease_fd(pool, lease);
        REQUIRE_EQ(send(fd, "!", 1, MSG_NOSIGNAL), 1);
        /* The clients of gets that failed stand before ours. */
        if (!must && fault.at == 0)
            REQUIRE(recv(client, &byte, 1, 0) == 1 && byte == '!');
    }
    close(client);
    spared = false;
    if (status == NCP_OK)
        REQUIRE_EQ(ncp_pool_discard(pool, lease), NCP_OK);
}

static void script_server(void)
{
    static const struct setting none[] = {{0, 0}};
    struct sockaddr_in address;
    socklen_t size = sizeof(address);
    ncp_config *config = NULL;
    ncp_pool *pool = NULL;
    int listener = -1;

    spared = true;
    REQUIRE_EQ(ncp_listen("tcp://127.0.0.1:0", 64, &listener), NCP_OK);
    REQUIRE_EQ(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    spared = false;
    REQUIRE_EQ(ncp_config_new(NCP_MODE_SERVER, &config), NCP_OK);
    configure(config, none);
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_LISTENER_FD, listener),
               NCP_OK);
    int status = ncp_pool_new(config, &pool);
    require_expected(status);
    if (status != NCP_OK) {
        atomic_store(&fault.on, false);
        REQUIRE_EQ(ncp_pool_new(config, &pool), NCP_OK);
    }
    ncp_config_free(config);
    expect_about(pool);
    for (int i = 0; i < 3; i++)
        serve_one(pool, &address, false);
    atomic_store(&fault.on, false);
    serve_one(pool, &address, true);
    end_pool(pool);
    close(listener);
}

static void script_queue(void)
{
    char path[128];
    ncp_queue *queue = NULL;
    ncp_event event;

    snprintf(path, sizeof(path), "%s/queue", echo.directory);
    int status = ncp_queue_new(&queue);
    require_expected(status);
    if (status != NCP_OK) {
        REQUIRE(queue == NULL);
        atomic_store(&fault.on, false);
        REQUIRE_EQ(ncp_queue_new(&queue), NCP_OK);
    }
    status = ncp_queue_listen_unix(queue, path);
    require_expected(status);
    if (status == NCP_OK) {
        status = ncp_queue_accept(queue);
        REQUIRE(status == NCP_EAGAIN || status == NCP_ESYS);
    }
    REQUIRE_EQ(ncp_queue_kick(queue), NCP_OK);
    /* A wait that is disturbed may come back early, not late. */
    int count = ncp_queue_wait(queue, &event, 1, 60000);
    REQUIRE(count == 1 || count == 0 || count == NCP_ESYS);
    atomic_store(&fault.on, false);
    if (count != 1)
        REQUIRE_EQ(ncp_queue_poll(queue, &event, 1), 1);
    REQUIRE_EQ(event.type, NCP_EVENT_KICK);
    ncp_queue_free(queue);
    unlink(path);
}

static const struct {
    const char *name;
    void (*run)(void);
} scripts[] = {
    {"tcp", script_tcp},
    {"tcp_by_name", script_tcp_by_name},
    {"udp", script_udp},
    {"unix", script_unix},
    {"in_caller", script_in_caller},
    {"upkeep", script_upkeep},
    {"waiting", script_waiting},
    {"server", script_server},
    {"queue", script_queue},
};

struct attempt {
    void (*run)(void);
    struct child_note *note;
    enum call call;
    int error;
    long at; /* 0 nothing fails */
    bool for_good;
};

static void try_script(void *arg)
{
    struct attempt *attempt = arg;
    int fds = count_fds();
    int threads = count_threads();

    fault.call = attempt->call;
    fault.error = attempt->error;
    fault.at = attempt->at;
    fault.for_good = attempt->for_good;
    atomic_store(&fault.on, true);
    attempt->run();
    atomic_store(&fault.on, false);
    for (int i = 0; i < CALLS; i++)
        atomic_store(&attempt->note->extra[i], atomic_load(&fault.count[i]));
    REQUIRE_SOON(count_threads() == threads);
    REQUIRE_SOON(count_fds() == fds);
}

enum { DEEPEST = 6 };

static long fail_call(struct attempt *attempt, const char *script,
                      enum call call, long times)
{
    long attempts = 0;

    attempt->call = call;
    for (int e = 0; e < 6 && calls[call].errors[e]; e++) {
        attempt->error = calls[call].errors[e];
        for (long n = 1; n <= times && n <= DEEPEST; n++) {
            for (int for_good = 0; for_good < 2; for_good++, attempts++) {
                attempt->at = n;
                attempt->for_good = for_good;
                expect_context("script %s, %s() fails with %d at call %ld%s",
                               script, calls[call].name, attempt->error, n,
                               for_good ? " and later" : "");
                child_run(try_script, attempt);
            }
        }
    }
    return attempts;
}

static long fail_every_call(const char *name, void (*run)(void))
{
    struct attempt attempt = {.run = run, .note = child_note_new()};
    long times[CALLS];
    long attempts = 0;

    expect_context("script %s, nothing fails", name);
    child_run(try_script, &attempt);
    for (int i = 0; i < CALLS; i++)
        times[i] = atomic_load(&attempt.note->extra[i]);
    for (int i = 0; i < CALLS; i++)
        attempts += fail_call(&attempt, name, (enum call)i, times[i]);
    return attempts;
}

int main(int argc, char **argv)
{
    int found = 0;

    echo_start(&echo);
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        if (argc > 1 && strcmp(argv[1], scripts[i].name) != 0)
            continue;
        found++;
        long survived = fail_every_call(scripts[i].name, scripts[i].run);
        printf("%s: %ld failures survived\n", scripts[i].name, survived);
        REQUIRE(survived > 0);
    }
    echo_stop(&echo);
    if (!found)
        fprintf(stderr, "no such script\n");
    return found ? 0 : 2;
}
