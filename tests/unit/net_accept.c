/* Accepting: deadlines, wake-ups, lost races, clients that leave. */
#include "net_support.h"

#include "net/accept_now.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ------------------------------------- accept and io_uring, disturbed */

int __real_accept4(int fd, struct sockaddr *at, socklen_t *size, int flags);
int __wrap_accept4(int fd, struct sockaddr *at, socklen_t *size, int flags);
long __real_syscall(long number, long a, long b, long c, long d, long e,
                    long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e,
                    long f);

static void (*before_accept)(int listener); /* within the library */
static atomic_bool disturbing;              /* the next accept, once */
static int accept_errors[4]; /* of the next accepts; 0: it really accepts */
static atomic_int accepts;
static int ring_error; /* what io_uring_setup answers */
static atomic_int rings;

int __wrap_accept4(int fd, struct sockaddr *at, socklen_t *size, int flags)
{
    int n = atomic_fetch_add(&accepts, 1);
    int error = n < 4 ? accept_errors[n] : 0;

    if (atomic_exchange(&disturbing, false))
        before_accept(fd);
    if (error != 0) {
        errno = error;
        return -1;
    }
    return __real_accept4(fd, at, size, flags);
}

static void disturb(void (*what)(int listener))
{
    before_accept = what;
    atomic_store(&disturbing, true);
}

long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    if (number == SYS_io_uring_setup) {
        rings++;
        if (ring_error != 0) {
            errno = ring_error;
            return -1;
        }
    }
    return __real_syscall(number, a, b, c, d, e, f);
}

/* ------------------------------------------------------------- helpers */

static struct ncp_config config;
static int wake_fd;
static int descriptors_before;

static int begin(void **state)
{
    (void)state;
    memset(&config, 0, sizeof config);
    memset(accept_errors, 0, sizeof accept_errors);
    accepts = 0;
    rings = 0;
    ring_error = 0;
    disturbing = false;
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

static int accept_for(int listener, int64_t timeout_ms, int *fd)
{
    return ncp__net.accept(&config, listener, wake_fd, timeout_ms, fd);
}

static void wake(void)
{
    const uint64_t one = 1;

    assert_int_equal(write(wake_fd, &one, sizeof one), sizeof one);
}

static bool ring_works(void)
{
    int listener = listening("127.0.0.1");
    int result = ncp__accept_ring(listener);

    close(listener);
    if (result == -ENOSYS)
        print_message("io_uring is not available here: that part is "
                      "SKIPPED\n");
    return result != -ENOSYS;
}

static void set_listener_mode(int listener, bool blocking)
{
    int flags = fcntl(listener, F_GETFL);

    fcntl(listener, F_SETFL,
          blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

/* --------------------------------------------------------- one at a time */

static void a_client_is_accepted_with_the_options(void **state)
{
    (void)state;
    config.num[NCP_OPTION_TCP_NODELAY] = 1;
    config.num[NCP_OPTION_TCP_KEEPALIVE] = 9000;
    for (int blocking = 0; blocking < 2; blocking++) {
        int listener = listening("127.0.0.1");
        set_listener_mode(listener, blocking == 1);
        int client = client_of(listener);
        int fd;
        assert_int_equal(accept_for(listener, 5000, &fd), NCP_OK);
        assert_true(is_blocking(fd));
        assert_true(is_close_on_exec(fd));
        assert_int_not_equal(socket_option(fd, IPPROTO_TCP, TCP_NODELAY), 0);
        assert_int_equal(socket_option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 9);
        assert_int_equal(is_blocking(listener), blocking);
        close(fd);
        close(client);
        close(listener);
    }
}

static void *connect_later(void *user)
{
    pause_ms(80);
    return (void *)(intptr_t)client_of(*(int *)user);
}

static void a_client_that_comes_later_is_waited_for(void **state)
{
    int listener = listening("::1");
    pthread_t thread;
    void *client;
    int fd;

    (void)state;
    pthread_create(&thread, NULL, connect_later, &listener);
    assert_int_equal(accept_for(listener, -1, &fd), NCP_OK);
    pthread_join(thread, &client);
    close(fd);
    close((int)(intptr_t)client);
    close(listener);
}

static void a_unix_client_is_accepted(void **state)
{
    char target[64] = "unix:";
    int listener, fd;

    (void)state;
    strcat(target, fresh_path());
    assert_int_equal(ncp_listen(target, 8, &listener), NCP_OK);
    int client = client_of(listener);
    assert_int_equal(accept_for(listener, 5000, &fd), NCP_OK);
    close(fd);
    close(client);
    close(listener);
}

static void nobody_comes_until_the_deadline(void **state)
{
    int listener = listening("127.0.0.1");
    int fd = 7;
    uint64_t start = now_ms();

    (void)state;
    assert_int_equal(accept_for(listener, 120, &fd), NCP_ETIMEOUT);
    assert_in_range(now_ms() - start, 119, 5000);
    assert_int_equal(fd, -1);
    assert_int_equal(accept_for(listener, 0, &fd), NCP_ETIMEOUT);
    close(listener);
}

/* Nobody is left in accept who would take it. */
static void a_timeout_does_not_eat_the_next_client(void **state)
{
    int listener = listening("127.0.0.1");
    int fd;

    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(accept_for(listener, 10, &fd), NCP_ETIMEOUT);
    int client = client_of(listener);
    pause_ms(30);
    await_events(listener, POLLIN);
    fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    close(fd);
    close(client);
    close(listener);
}

static void a_wake_up_ends_the_wait_and_stays_readable(void **state)
{
    int listener = listening("127.0.0.1");
    int client = client_of(listener);
    uint64_t count = 0;
    int fd;

    (void)state;
    wake();
    assert_int_equal(accept_for(listener, -1, &fd), NCP_EAGAIN);
    assert_int_equal(fd, -1);
    assert_int_equal(read(wake_fd, &count, sizeof count), sizeof count);
    assert_int_equal(count, 1);
    assert_int_equal(accept_for(listener, -1, &fd), NCP_OK);
    close(fd);
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
    int listener = listening("127.0.0.1");
    pthread_t thread;
    int fd;

    (void)state;
    pthread_create(&thread, NULL, wake_later, NULL);
    assert_int_equal(accept_for(listener, -1, &fd), NCP_EAGAIN);
    pthread_join(thread, NULL);
    close(listener);
}

static void a_client_that_vanished_is_passed_over(void **state)
{
    int listener = listening("127.0.0.1");
    int fd;

    (void)state;
    reset_and_close(client_of(listener));
    pause_ms(20);
    assert_int_equal(accept_for(listener, 60, &fd), NCP_ETIMEOUT);
    reset_and_close(client_of(listener));
    int client = client_of(listener);
    assert_int_equal(accept_for(listener, 5000, &fd), NCP_OK);
    assert_int_equal(send(client, "v", 1, 0), 1);
    await_events(fd, POLLIN);
    close(fd);
    close(client);
    close(listener);
}

/* It has nothing more to say, and may still listen. */
static void a_client_that_only_stopped_sending_is_accepted(void **state)
{
    int listener = listening("127.0.0.1");
    int client = client_of(listener);
    int fd;

    (void)state;
    shutdown(client, SHUT_WR);
    pause_ms(20);
    assert_int_equal(accept_for(listener, 5000, &fd), NCP_OK);
    close(fd);
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
    assert_int_equal(accept_for(listener, 30, &fd), NCP_ETIMEOUT);
    int client = client_of(listener);
    assert_int_equal(send(client, "w", 1, 0), 1);
    close(client);
    assert_int_equal(accept_for(listener, 5000, &fd), NCP_OK);
    close(fd);
    close(listener);
}

static void passing_errors_are_waited_out(void **state)
{
    int listener, fd;

    (void)state;
    assert_int_equal(ncp_listen("tcp://127.0.0.1:0", 8, &listener), NCP_OK);
    int client = client_of(listener);
    accept_errors[0] = ECONNABORTED;
    accept_errors[1] = EINTR;
    accept_errors[2] = EPROTO;
    accept_errors[3] = EAGAIN;
    assert_int_equal(accept_for(listener, 5000, &fd), NCP_OK);
    assert_int_equal(accepts, 5);
    close(fd);
    close(client);
    close(listener);
}

static void lasting_errors_are_told(void **state)
{
    static const int errors[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM};
    int listener, fd;

    (void)state;
    assert_int_equal(ncp_listen("tcp://127.0.0.1:0", 8, &listener), NCP_OK);
    int client = client_of(listener);
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        accepts = 0;
        accept_errors[0] = errors[i];
        errno = 0;
        assert_int_equal(accept_for(listener, 5000, &fd), NCP_ESYS);
        assert_int_equal(errno, errors[i]);
        assert_int_equal(fd, -1);
    }
    close(client);
    close(listener);
}

/* Really without descriptors; the client waits and is accepted afterwards. */
static void without_descriptors_the_client_keeps_waiting(void **state)
{
    (void)state;
    for (int blocking = 0; blocking < 2; blocking++) {
        struct rlimit before, none;
        int listener = listening("127.0.0.1");
        int client = client_of(listener);
        int fd;
        set_listener_mode(listener, blocking == 1);
        await_events(listener, POLLIN);
        getrlimit(RLIMIT_NOFILE, &before);
        none = before;
        none.rlim_cur = (rlim_t)client + 1;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        int status = accept_for(listener, 5000, &fd);
        int error = errno;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(status, NCP_ESYS);
        assert_int_equal(error, EMFILE);
        assert_int_equal(accept_for(listener, 5000, &fd), NCP_OK);
        close(fd);
        close(client);
        close(listener);
    }
}

/* The last free descriptor is the client's, not the ring's. */
static void the_last_descriptor_is_enough(void **state)
{
    struct rlimit before, one;
    int listener = listening("127.0.0.1");
    int client = client_of(listener);
    int fd;

    (void)state;
    await_events(listener, POLLIN);
    getrlimit(RLIMIT_NOFILE, &before);
    one = before;
    one.rlim_cur = (rlim_t)client + 2;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &one), 0);
    int status = accept_for(listener, 5000, &fd);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(status, NCP_OK);
    close(fd);
    close(client);
    close(listener);
}

static void what_is_no_listener_is_told(void **state)
{
    int plain = bound("127.0.0.1", SOCK_STREAM);
    int udp = bound("127.0.0.1", SOCK_DGRAM);
    int fd;

    (void)state;
    assert_int_equal(accept_for(-1, 100, &fd), NCP_ESYS);
    assert_int_equal(errno, EBADF);
    assert_int_equal(accept_for(plain, 100, &fd), NCP_ESYS);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(accept_for(udp, 20, &fd), NCP_ETIMEOUT);
    close(plain);
    close(udp);
    assert_int_equal(accept_for(plain, 100, &fd), NCP_ESYS);
    assert_int_equal(errno, EBADF);
}

/* -------------------------------------------- a listener that blocks */

/* What another who accepts from the same listener does meanwhile. */
static void rob(int listener)
{
    int fd = __real_accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    assert_true(fd >= 0);
    close(fd);
}

/* Interrupted without a signal: the kernel cleans up after a ring. */
static void assert_nobody(int result)
{
    assert_true(result == -EAGAIN || result == -EINTR);
}

static void receive_timeout(int fd, struct timeval *out)
{
    socklen_t size = sizeof *out;

    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, out, &size), 0);
}

static void a_ring_does_not_wait_on_an_empty_listener(void **state)
{
    int listener = listening("127.0.0.1");

    (void)state;
    if (ring_works()) {
        uint64_t start = now_ms();
        for (int i = 0; i < 100; i++)
            assert_int_equal(ncp__accept_ring(listener), -EAGAIN);
        assert_true(now_ms() - start < 5000);
        int client = client_of(listener);
        int fd = ncp__accept_ring(listener);
        assert_true(fd >= 0);
        assert_true(is_close_on_exec(fd));
        assert_true(is_blocking(fd));
        close(fd);
        close(client);
        assert_true(is_blocking(listener));
    }
    close(listener);
}

static void a_turn_that_is_robbed_ends_soon_and_leaves_no_trace(void **state)
{
    int listener = listening("127.0.0.1");
    int client = client_of(listener);
    struct timeval timeout;
    uint64_t start = now_ms();

    (void)state;
    await_events(listener, POLLIN);
    disturb(rob);
    assert_nobody(ncp__accept_turn(listener));
    assert_true(now_ms() - start < 5000);
    assert_int_equal(accepts, 1);
    assert_true(is_blocking(listener));
    receive_timeout(listener, &timeout);
    assert_true(timeout.tv_sec == 0 && timeout.tv_usec == 0);

    assert_int_equal(ncp__accept_turn(listener), -EAGAIN); /* did not look */
    assert_int_equal(accepts, 1);
    close(client);
    close(listener);
}

static int born_client;

static void be_born(int listener)
{
    born_client = client_of(listener);
}

/* Connected while the listener had the timeout of the turn. */
static void a_client_of_a_turn_keeps_no_timeout(void **state)
{
    int listener = listening("127.0.0.1");
    int first = client_of(listener);
    struct timeval timeout;

    (void)state;
    await_events(listener, POLLIN);
    disturb(be_born);
    int fd = ncp__accept_turn(listener);
    assert_true(fd >= 0);
    close(fd);
    fd = ncp__accept_turn(listener);
    assert_true(fd >= 0);
    receive_timeout(fd, &timeout);
    assert_true(timeout.tv_sec == 0 && timeout.tv_usec == 0);
    close(fd);
    close(first);
    close(born_client);
    close(listener);
}

/* A process forked in the middle of a turn, which another process holds. */
static int child_result;

static void fork_inside(int listener)
{
    pid_t child = fork();
    int status = -1;

    if (child == 0) {
        int own = listening("127.0.0.1");
        int client = client_of(own);
        bool shared_is_taken = ncp__accept_turn(listener) == -EAGAIN;
        bool own_is_free = ncp__accept_turn(own) >= 0;
        _exit(client >= 0 && shared_is_taken && own_is_free ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    child_result = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void a_turn_survives_a_fork_and_excludes_processes(void **state)
{
    int listener = listening("127.0.0.1");
    int client = client_of(listener);

    (void)state;
    await_events(listener, POLLIN);
    child_result = -1;
    disturb(fork_inside);
    int fd = ncp__accept_turn(listener);
    assert_true(fd >= 0);
    assert_int_equal(child_result, 0);
    close(fd);
    close(client);
    close(listener);
}

/* --------------------------------------------------------- the herd */

enum { CLIENTS = 300, OURS = 6, FOREIGN = 2 };

struct herd {
    int listener;
    atomic_int accepted;
    atomic_int failed;
    atomic_bool over;
};

/* In a sandbox that has no io_uring the library goes on by itself. */
static void *our_acceptor(void *user)
{
    struct herd *herd = user;
    int fd;

    for (;;) {
        int status = accept_for(herd->listener, 20, &fd);
        if (status == NCP_OK) {
            /* Counted first: the client goes on when it is closed. */
            atomic_fetch_add(&herd->accepted, 1);
            close(fd);
        } else if (status == NCP_EAGAIN) {
            return NULL;
        } else if (status != NCP_ETIMEOUT) {
            atomic_fetch_add(&herd->failed, 1);
            return NULL;
        }
    }
}

/* Somebody else's loop around a blocking accept; a last client ends it. */
static void *foreign_acceptor(void *user)
{
    struct herd *herd = user;

    while (!atomic_load(&herd->over)) {
        int fd = __real_accept4(herd->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            atomic_fetch_add(&herd->accepted, 1);
            close(fd);
        }
    }
    return NULL;
}

static void run_herd(int foreign)
{
    struct herd herd = {.listener = listening("127.0.0.1")};
    pthread_t ours[OURS], others[FOREIGN];
    uint64_t start = now_ms();

    for (int i = 0; i < OURS; i++)
        pthread_create(&ours[i], NULL, our_acceptor, &herd);
    for (int i = 0; i < foreign; i++)
        pthread_create(&others[i], NULL, foreign_acceptor, &herd);
    for (int i = 0; i < CLIENTS; i++) {
        int client = client_of(herd.listener);
        char byte;
        /* The end of the stream: somebody accepted it. */
        assert_int_equal(recv(client, &byte, 1, 0), 0);
        close(client);
    }
    wake();
    for (int i = 0; i < OURS; i++)
        pthread_join(ours[i], NULL);
    assert_true(now_ms() - start < 30000);
    assert_int_equal(atomic_load(&herd.failed), 0);
    assert_int_equal(atomic_load(&herd.accepted), CLIENTS);

    atomic_store(&herd.over, true);
    for (int i = 0; i < foreign; i++)
        close(client_of(herd.listener));
    for (int i = 0; i < foreign; i++)
        pthread_join(others[i], NULL);
    close(herd.listener);
}

static void a_herd_loses_no_client_and_nobody_hangs(void **state)
{
    (void)state;
    run_herd(0);
}

static void a_herd_with_strangers_loses_no_client(void **state)
{
    (void)state;
    run_herd(FOREIGN);
}

/* From here on the library believes that io_uring is refused. */
static void a_herd_without_a_ring_takes_turns(void **state)
{
    (void)state;
    ring_error = EPERM;
    run_herd(0);
    assert_in_range(rings, 1, OURS);
    run_herd(FOREIGN);
    assert_in_range(rings, 1, OURS); /* asked for good, not every time */
}

#define ACCEPT(name)                                                           \
    cmocka_unit_test_setup_teardown(name, begin, nothing_is_left_open)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ACCEPT(a_client_is_accepted_with_the_options),
        ACCEPT(a_client_that_comes_later_is_waited_for),
        ACCEPT(a_unix_client_is_accepted),
        ACCEPT(nobody_comes_until_the_deadline),
        ACCEPT(a_timeout_does_not_eat_the_next_client),
        ACCEPT(a_wake_up_ends_the_wait_and_stays_readable),
        ACCEPT(a_wait_without_limit_is_woken),
        ACCEPT(a_client_that_vanished_is_passed_over),
        ACCEPT(a_client_that_only_stopped_sending_is_accepted),
        ACCEPT(a_unix_client_that_left_words_is_accepted),
        ACCEPT(passing_errors_are_waited_out),
        ACCEPT(lasting_errors_are_told),
        ACCEPT(without_descriptors_the_client_keeps_waiting),
        ACCEPT(the_last_descriptor_is_enough),
        ACCEPT(what_is_no_listener_is_told),
        ACCEPT(a_ring_does_not_wait_on_an_empty_listener),
        ACCEPT(a_turn_that_is_robbed_ends_soon_and_leaves_no_trace),
        ACCEPT(a_client_of_a_turn_keeps_no_timeout),
        ACCEPT(a_turn_survives_a_fork_and_excludes_processes),
        ACCEPT(a_herd_loses_no_client_and_nobody_hangs),
        ACCEPT(a_herd_with_strangers_loses_no_client),
        ACCEPT(a_herd_without_a_ring_takes_turns),
    };

    require_ipv6();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
