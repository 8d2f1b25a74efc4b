/* A server pool and its listener. */
#include "netconnpool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { GETS = 8 };

static void pause_ms(int ms)
{
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000L};

    nanosleep(&time, NULL);
}

/* A blocking one, as socket(2) makes them. */
static int listening(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 64), 0);
    return fd;
}

static int client_of(int listener)
{
    struct sockaddr_in at;
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &size), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, size), 0);
    return fd;
}

static bool is_blocking(int fd)
{
    return (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
}

static ncp_config *config_of(int listener)
{
    ncp_config *config;

    assert_int_equal(ncp_config_new(NCP_MODE_SERVER, &config), NCP_OK);
    assert_int_equal(
        ncp_config_set_int(config, NCP_OPTION_LISTENER_FD, listener), NCP_OK);
    return config;
}

static ncp_pool *pool_of(ncp_config *config)
{
    ncp_pool *pool;

    assert_int_equal(ncp_pool_new(config, &pool), NCP_OK);
    ncp_config_free(config);
    return pool;
}

static void await_dialing(const ncp_pool *pool, int count)
{
    for (int i = 0; i < 1000 && ncp_pool_dialing_count(pool) != count; i++)
        pause_ms(5);
    assert_int_equal(ncp_pool_dialing_count(pool), count);
}

static void a_pool_that_accepts_makes_its_listener_non_blocking(void **state)
{
    int listener = listening();
    ncp_pool *pool = pool_of(config_of(listener));

    (void)state;
    assert_false(is_blocking(listener));
    ncp_pool_free(pool);
    assert_false(is_blocking(listener));
    assert_int_equal(close(listener), 0);
}

static int no_client(void *user, ncp_dial *dial)
{
    (void)user;
    (void)dial;
    return NCP_EUSER;
}

static void an_acceptor_finds_the_listener_as_it_was(void **state)
{
    int listener = listening();
    ncp_config *config = config_of(listener);

    (void)state;
    assert_int_equal(ncp_config_set_acceptor(config, no_client, NULL, NULL),
                     NCP_OK);
    ncp_pool *pool = pool_of(config);
    assert_true(is_blocking(listener));
    ncp_pool_free(pool);
    close(listener);
}

static void a_pull_pool_leaves_the_listener_as_it_was(void **state)
{
    int listener = listening();
    ncp_config *config = config_of(listener);
    ncp_queue *queue;

    (void)state;
    assert_int_equal(ncp_queue_new(&queue), NCP_OK);
    assert_int_equal(
        ncp_config_set_int(config, NCP_OPTION_DRIVER, NCP_DRIVER_PULL), NCP_OK);
    assert_int_equal(ncp_config_set_queue(config, queue), NCP_OK);
    ncp_pool *pool = pool_of(config);
    assert_true(is_blocking(listener));
    ncp_pool_free(pool);
    ncp_queue_free(queue);
    close(listener);
}

/* The pool says which call failed, the client is accepted afterwards. */
static void without_descriptors_the_get_fails_and_the_client_waits(void **state)
{
    struct rlimit before, none;
    int listener = listening();
    ncp_pool *pool = pool_of(config_of(listener));
    int client = client_of(listener);
    int64_t code = 0;
    char text[128] = "";
    ncp_lease lease;

    (void)state;
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = (rlim_t)client + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int status = ncp_pool_get_timeout(pool, 5000, &lease);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(status, NCP_EDIAL);
    assert_int_equal(
        ncp_pool_dial_error(pool, &code, NULL, NULL, text, sizeof text),
        NCP_OK);
    assert_int_equal(code, EMFILE);
    assert_string_equal(text, "accept: Too many open files");
    assert_int_equal(ncp_pool_get_timeout(pool, 5000, &lease), NCP_OK);
    assert_int_equal(ncp_pool_put(pool, lease), NCP_OK);
    ncp_pool_free(pool);
    close(client);
    close(listener);
}

struct get {
    ncp_pool *pool;
    int64_t timeout_ms;
    int expected;
    pthread_t thread;
};

static void *run_get(void *user)
{
    struct get *get = user;
    ncp_lease lease;

    assert_int_equal(ncp_pool_get_timeout(get->pool, get->timeout_ms, &lease),
                     get->expected);
    return NULL;
}

static void start_gets(struct get gets[GETS], ncp_pool *pool,
                       int64_t timeout_ms, int expected)
{
    for (int i = 0; i < GETS; i++) {
        gets[i] = (struct get){pool, timeout_ms, expected, 0};
        pthread_create(&gets[i].thread, NULL, run_get, &gets[i]);
    }
}

static void join_gets(struct get gets[GETS])
{
    for (int i = 0; i < GETS; i++)
        pthread_join(gets[i].thread, NULL);
}

static void nobody_accepts_for_those_who_left(void **state)
{
    int listener = listening();
    ncp_pool *pool = pool_of(config_of(listener));
    struct get gets[GETS];

    (void)state;
    for (int round = 0; round < 20; round++) {
        start_gets(gets, pool, 20, NCP_ETIMEOUT);
        join_gets(gets);
        await_dialing(pool, 0);
    }
    int client = client_of(listener);
    pause_ms(20);
    int fd = accept(listener, NULL, NULL); /* nobody has taken it */
    assert_true(fd >= 0);
    close(fd);
    close(client);
    ncp_pool_free(pool);
    close(listener);
}

static void close_ends_the_accept_and_every_get(void **state)
{
    int listener = listening();

    (void)state;
    for (int round = 0; round < 20; round++) {
        ncp_pool *pool = pool_of(config_of(listener));
        struct get gets[GETS];
        start_gets(gets, pool, -1, NCP_ECLOSED);
        await_dialing(pool, 1);
        assert_int_equal(ncp_pool_close_wait(pool, 10000), NCP_OK);
        join_gets(gets);
        await_dialing(pool, 0);
        ncp_pool_free(pool);
    }
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pool_that_accepts_makes_its_listener_non_blocking),
        cmocka_unit_test(an_acceptor_finds_the_listener_as_it_was),
        cmocka_unit_test(a_pull_pool_leaves_the_listener_as_it_was),
        cmocka_unit_test(
            without_descriptors_the_get_fails_and_the_client_waits),
        cmocka_unit_test(nobody_accepts_for_those_who_left),
        cmocka_unit_test(close_ends_the_accept_and_every_get),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
