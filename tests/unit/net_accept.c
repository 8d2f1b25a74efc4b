/* Accepting: deadlines, wake-ups, lost races, clients that leave. */
#include "net_support.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

/* --------------------------------------------------- accept that fails */

int __real_accept4(int fd, struct sockaddr *at, socklen_t *size, int flags);
int __wrap_accept4(int fd, struct sockaddr *at, socklen_t *size, int flags);

static atomic_int accept_error; /* of the next accept; 0: it really accepts */

int __wrap_accept4(int fd, struct sockaddr *at, socklen_t *size, int flags)
{
    int error = atomic_exchange(&accept_error, 0);

    if (error == 0)
        return __real_accept4(fd, at, size, flags);
    errno = error;
    return -1;
}

/* ------------------------------------------------------------- helpers */

static struct ncp_config config;
static int wake_fd;
static int descriptors_before;

static int begin(void **state)
{
    (void)state;
    memset(&config, 0, sizeof config);
    accept_error = 0;
    descriptors_before = open_descriptors();
    wake_fd = eventfd(0, EFD_CLOEXEC);
    return wake_fd < 0 ? -1 : 0;
}

static int nothing_is_left_open(void **state)
{
    (void)state;
    close(wake_fd);
    return open_descriptors() == descriptors_before ? 0 : -1;
}

/* A listener as a server pool makes it. */
static int quiet(int listener)
{
    ncp__net.set_nonblocking(listener, true);
    return listener;
}

static int wait_for(int listener, int64_t timeout_ms)
{
    return ncp__net.wait_client(listener, wake_fd, timeout_ms);
}

static int accept_now(int listener, int *fd)
{
    return ncp__net.accept(&config, listener, fd);
}

/* The client that is there or comes soon. */
static int accepted(int listener)
{
    int fd = -1;

    assert_int_equal(wait_for(listener, 5000), NCP_OK);
    assert_int_equal(accept_now(listener, &fd), NCP_OK);
    assert_true(fd >= 0);
    return fd;
}

static void wake(void)
{
    const uint64_t one = 1;

    assert_int_equal(write(wake_fd, &one, sizeof one), sizeof one);
}

/* ------------------------------------------------------------- waiting */

static void *connect_later(void *user)
{
    pause_ms(80);
    return (void *)(intptr_t)client_of(*(int *)user);
}

static void a_client_that_comes_later_is_waited_for(void **state)
{
    int listener = quiet(listening("::1"));
    pthread_t thread;
    void *client;

    (void)state;
    pthread_create(&thread, NULL, connect_later, &listener);
    assert_int_equal(wait_for(listener, -1), NCP_OK);
    close(accepted(listener));
    pthread_join(thread, &client);
    close((int)(intptr_t)client);
    close(listener);
}

static void nobody_comes_until_the_deadline(void **state)
{
    int listener = quiet(listening("127.0.0.1"));
    uint64_t start = now_ms();

    (void)state;
    assert_int_equal(wait_for(listener, 120), NCP_ETIMEOUT);
    assert_in_range(now_ms() - start, 119, 5000);
    assert_int_equal(wait_for(listener, 0), NCP_ETIMEOUT);
    close(listener);
}

static void waiting_takes_no_client(void **state)
{
    int listener = quiet(listening("127.0.0.1"));
    int client = client_of(listener);

    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(wait_for(listener, 5000), NCP_OK);
    close(accepted(listener));
    assert_int_equal(wait_for(listener, 0), NCP_ETIMEOUT);
    close(client);
    close(listener);
}

static void a_wake_up_ends_the_wait_and_stays_readable(void **state)
{
    int listener = quiet(listening("127.0.0.1"));
    int client = client_of(listener);
    uint64_t count = 0;

    (void)state;
    wake();
    assert_int_equal(wait_for(listener, -1), NCP_EAGAIN);
    assert_int_equal(wait_for(listener, -1), NCP_EAGAIN);
    assert_int_equal(read(wake_fd, &count, sizeof count), sizeof count);
    assert_int_equal(count, 1);
    close(accepted(listener));
    close(client);
    close(listener);
}

static void *wake_later(void *user)
{
    (void)user;
    pause_ms(80);
    wake();
    return NULL;
}

static void a_wait_without_limit_is_woken(void **state)
{
    int listener = quiet(listening("127.0.0.1"));
    pthread_t thread;

    (void)state;
    pthread_create(&thread, NULL, wake_later, NULL);
    assert_int_equal(wait_for(listener, -1), NCP_EAGAIN);
    pthread_join(thread, NULL);
    close(listener);
}

/* ----------------------------------------------------------- accepting */

static void a_client_is_accepted_with_the_options(void **state)
{
    int listener = quiet(listening("127.0.0.1"));
    int client = client_of(listener);

    (void)state;
    config.num[NCP_OPTION_TCP_NODELAY] = 1;
    config.num[NCP_OPTION_TCP_KEEPALIVE] = 9000;
    int fd = accepted(listener);
    assert_true(is_blocking(fd));
    assert_true(is_close_on_exec(fd));
    assert_int_not_equal(socket_option(fd, IPPROTO_TCP, TCP_NODELAY), 0);
    assert_int_equal(socket_option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 9);
    close(fd);
    close(client);
    close(listener);
}

static void a_unix_client_is_accepted(void **state)
{
    char target[64] = "unix:";
    int listener;

    (void)state;
    strcat(target, fresh_path());
    assert_int_equal(ncp_listen(target, 8, &listener), NCP_OK);
    int client = client_of(listener);
    close(accepted(listener));
    close(client);
    close(listener);
}

static void an_empty_listener_is_told_at_once(void **state)
{
    int listener = quiet(listening("127.0.0.1"));
    uint64_t start = now_ms();

    (void)state;
    for (int i = 0; i < 100; i++) {
        int fd = 7;
        assert_int_equal(accept_now(listener, &fd), NCP_EAGAIN);
        assert_int_equal(fd, -1);
    }
    assert_true(now_ms() - start < 5000);
    close(listener);
}

static void a_client_that_vanished_is_passed_over(void **state)
{
    int listener = quiet(listening("127.0.0.1"));
    int fd = 7;

    (void)state;
    reset_and_close(client_of(listener));
    pause_ms(20);
    int client = client_of(listener);
    assert_int_equal(wait_for(listener, 5000), NCP_OK);
    assert_int_equal(accept_now(listener, &fd), NCP_EAGAIN);
    assert_int_equal(fd, -1);
    fd = accepted(listener);
    assert_int_equal(send(client, "v", 1, 0), 1);
    await_events(fd, POLLIN);
    close(fd);
    close(client);
    close(listener);
}

/* It has nothing more to say, and may still listen. */
static void a_client_that_only_stopped_sending_is_accepted(void **state)
{
    int listener = quiet(listening("127.0.0.1"));
    int client = client_of(listener);

    (void)state;
    shutdown(client, SHUT_WR);
    pause_ms(20);
    close(accepted(listener));
    close(client);
    close(listener);
}

static void a_unix_client_that_left_words_is_accepted(void **state)
{
    char target[64] = "unix:";
    int listener, fd;

    (void)state;
    strcat(target, fresh_path());
    assert_int_equal(ncp_listen(target, 8, &listener), NCP_OK);
    close(client_of(listener));
    assert_int_equal(wait_for(listener, 5000), NCP_OK);
    assert_int_equal(accept_now(listener, &fd), NCP_EAGAIN);
    int client = client_of(listener);
    assert_int_equal(send(client, "w", 1, 0), 1);
    close(client);
    close(accepted(listener));
    close(listener);
}

/* ----------------------------------------------------------- failures */

static void passing_errors_are_nobody(void **state)
{
    static const int errors[] = {ECONNABORTED, EINTR, EPROTO, EAGAIN};
    int listener = quiet(listening("127.0.0.1"));
    int client = client_of(listener);

    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        int fd = 7;
        accept_error = errors[i];
        assert_int_equal(accept_now(listener, &fd), NCP_EAGAIN);
        assert_int_equal(fd, -1);
    }
    close(accepted(listener));
    close(client);
    close(listener);
}

static void lasting_errors_are_told(void **state)
{
    static const int errors[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM};
    int listener = quiet(listening("127.0.0.1"));
    int client = client_of(listener);

    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        int fd = 7;
        accept_error = errors[i];
        errno = 0;
        assert_int_equal(accept_now(listener, &fd), NCP_ESYS);
        assert_int_equal(errno, errors[i]);
        assert_int_equal(fd, -1);
    }
    close(client);
    close(listener);
}

/* Really without descriptors; the client waits and is accepted afterwards. */
static void without_descriptors_the_client_keeps_waiting(void **state)
{
    struct rlimit before, none;
    int listener = quiet(listening("127.0.0.1"));
    int client = client_of(listener);
    int fd;

    (void)state;
    await_events(listener, POLLIN);
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = (rlim_t)client + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int status = accept_now(listener, &fd);
    int error = errno;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(status, NCP_ESYS);
    assert_int_equal(error, EMFILE);
    close(accepted(listener));
    close(client);
    close(listener);
}

static void what_is_no_listener_is_told(void **state)
{
    int plain = bound("127.0.0.1", SOCK_STREAM);
    int udp = bound("127.0.0.1", SOCK_DGRAM);
    int fd;

    (void)state;
    assert_int_equal(wait_for(-1, 100), NCP_ESYS);
    assert_int_equal(errno, EBADF);
    assert_int_equal(wait_for(plain, 5000), NCP_OK); /* accept tells */
    assert_int_equal(accept_now(plain, &fd), NCP_ESYS);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(accept_now(udp, &fd), NCP_ESYS);
    assert_int_equal(errno, EOPNOTSUPP);
    close(plain);
    close(udp);
    assert_int_equal(wait_for(plain, 100), NCP_ESYS);
    assert_int_equal(errno, EBADF);
    assert_int_equal(accept_now(plain, &fd), NCP_ESYS);
    assert_int_equal(errno, EBADF);
}

/* --------------------------------------------------------- the herd */

enum { CLIENTS = 300, HERD = 8 };

struct herd {
    int listener;
    atomic_int accepted;
    atomic_int failed;
};

static void *acceptor(void *user)
{
    struct herd *herd = user;

    for (;;) {
        int fd = -1;
        int status = wait_for(herd->listener, -1);
        if (status == NCP_EAGAIN)
            return NULL;
        if (status == NCP_OK)
            status = accept_now(herd->listener, &fd);
        if (status == NCP_OK) {
            /* Counted first: the client goes on when it is closed. */
            atomic_fetch_add(&herd->accepted, 1);
            close(fd);
        } else if (status != NCP_EAGAIN) {
            atomic_fetch_add(&herd->failed, 1);
            return NULL;
        }
    }
}

static void a_herd_loses_no_client_and_nobody_hangs(void **state)
{
    struct herd herd = {.listener = quiet(listening("127.0.0.1"))};
    pthread_t threads[HERD];
    uint64_t start = now_ms();

    (void)state;
    for (int i = 0; i < HERD; i++)
        pthread_create(&threads[i], NULL, acceptor, &herd);
    for (int i = 0; i < CLIENTS; i++) {
        int client = client_of(herd.listener);
        char byte;
        /* The end of the stream: somebody accepted it. */
        assert_int_equal(recv(client, &byte, 1, 0), 0);
        close(client);
    }
    wake();
    for (int i = 0; i < HERD; i++)
        pthread_join(threads[i], NULL);
    assert_true(now_ms() - start < 30000);
    assert_int_equal(atomic_load(&herd.failed), 0);
    assert_int_equal(atomic_load(&herd.accepted), CLIENTS);
    close(herd.listener);
}

#define ACCEPT(name)                                                           \
    cmocka_unit_test_setup_teardown(name, begin, nothing_is_left_open)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ACCEPT(a_client_that_comes_later_is_waited_for),
        ACCEPT(nobody_comes_until_the_deadline),
        ACCEPT(waiting_takes_no_client),
        ACCEPT(a_wake_up_ends_the_wait_and_stays_readable),
        ACCEPT(a_wait_without_limit_is_woken),
        ACCEPT(a_client_is_accepted_with_the_options),
        ACCEPT(a_unix_client_is_accepted),
        ACCEPT(an_empty_listener_is_told_at_once),
        ACCEPT(a_client_that_vanished_is_passed_over),
        ACCEPT(a_client_that_only_stopped_sending_is_accepted),
        ACCEPT(a_unix_client_that_left_words_is_accepted),
        ACCEPT(passing_errors_are_nobody),
        ACCEPT(lasting_errors_are_told),
        ACCEPT(without_descriptors_the_client_keeps_waiting),
        ACCEPT(what_is_no_listener_is_told),
        ACCEPT(a_herd_loses_no_client_and_nobody_hangs),
    };

    require_ipv6();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
