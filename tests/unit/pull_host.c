/* The dialer that a host of a pull pool may use, and guards that are asked after
 * they were fired. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netconnpool.h"

/* A pull pool with a target, unless it is NULL. */
static ncp_pool *open_pool(const char *target)
{
    ncp_config *config;
    ncp_queue *queue;
    ncp_pool *pool;

    assert_int_equal(ncp_config_new(NCP_MODE_CLIENT, &config), NCP_OK);
    assert_int_equal(ncp_queue_new(&queue), NCP_OK);
    ncp_config_set_int(config, NCP_OPTION_DRIVER, NCP_DRIVER_PULL);
    ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, 0);
    if (target != NULL)
        assert_int_equal(ncp_config_set(config, "target", target), NCP_OK);
    assert_int_equal(ncp_config_set_queue(config, queue), NCP_OK);
    assert_int_equal(ncp_pool_new(config, &pool), NCP_OK);
    ncp_queue_free(queue);
    ncp_config_free(config);
    return pool;
}

static int listener_at(char *target, size_t size)
{
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    int fd;

    assert_int_equal(ncp_listen("tcp://127.0.0.1:0", 4, &fd), NCP_OK);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    snprintf(target, size, "tcp://127.0.0.1:%d", ntohs(address.sin_port));
    return fd;
}

static void a_host_may_dial_the_target_itself(void **state)
{
    char target[64], text[128];
    int listener = listener_at(target, sizeof target);
    ncp_pool *pool = open_pool(target);
    ncp_event event;
    int64_t code = 5;
    int fd = 77;

    (void)state;
    assert_int_equal(
        ncp_pool_acquire(pool, NULL, 0, 0, 1000, 0, NCP_FLAG_DIALS, &event),
        NCP_OK);
    assert_int_equal(event.type, NCP_EVENT_DIAL);
    assert_int_equal(ncp_pool_dial_target(pool, event.protocol, event.ip, -1,
                                          &code, text, sizeof text, &fd),
                     NCP_OK);
    assert_true(fd >= 0);
    assert_int_equal(code, 0);
    assert_string_equal(text, "");
    assert_int_equal(ncp_pool_fulfil(pool, event.lease, (uint64_t)fd, fd,
                                     NCP_PROTOCOL_TCP, NCP_IP_V4, &event),
                     NCP_OK);
    assert_int_equal(event.type, NCP_EVENT_CONN);
    assert_int_equal(ncp_pool_detach(pool, event.lease, NULL), NCP_OK);
    close(fd);
    close(listener);
    ncp_pool_free(pool);
}

static void a_dial_that_fails_says_why(void **state)
{
    char target[64], text[128];
    int listener = listener_at(target, sizeof target);
    ncp_pool *pool = open_pool(target);
    int64_t code = 0;
    int fd = 77;

    (void)state;
    close(listener);
    assert_int_equal(
        ncp_pool_dial_target(pool, 0, 0, 1000, &code, text, sizeof text, &fd),
        NCP_EDIAL);
    assert_int_equal(fd, -1);
    assert_int_equal(code, ECONNREFUSED);
    assert_non_null(strstr(text, "refused"));
    assert_int_equal(ncp_pool_dial_target(pool, 0, 0, 1000, NULL, NULL, 0, &fd),
                     NCP_EDIAL);
    assert_int_equal(ncp_pool_close(pool), NCP_OK);
    assert_int_equal(ncp_pool_dial_target(pool, 0, 0, 1000, NULL, NULL, 0, &fd),
                     NCP_ECLOSED);
    ncp_pool_free(pool);
}

static void a_dial_without_a_target_or_time_is_refused(void **state)
{
    ncp_pool *pool = open_pool(NULL);
    int fd = 77;

    (void)state;
    assert_int_equal(ncp_pool_dial_target(pool, 0, 0, -1, NULL, NULL, 0, &fd),
                     NCP_ESTATE);
    assert_int_equal(fd, -1);
    assert_int_equal(ncp_pool_dial_target(pool, 0, 0, 0, NULL, NULL, 0, &fd),
                     NCP_EINVAL);
    assert_int_equal(ncp_pool_dial_target(pool, 0, 0, -1, NULL, NULL, 9, &fd),
                     NCP_EINVAL);
    assert_int_equal(ncp_pool_dial_target(pool, 0, 0, -1, NULL, NULL, 0, NULL),
                     NCP_EINVAL);
    assert_int_equal(ncp_pool_dial_target(NULL, 0, 0, -1, NULL, NULL, 0, &fd),
                     NCP_EINVAL);
    ncp_pool_free(pool);
}

static ncp_lease lend(ncp_pool *pool)
{
    ncp_event event;

    assert_int_equal(
        ncp_pool_acquire(pool, NULL, 0, 0, 1000, 0, NCP_FLAG_DIALS, &event),
        NCP_OK);
    assert_int_equal(ncp_pool_fulfil(pool, event.lease, 1, -1, 0, 0, &event),
                     NCP_OK);
    return event.lease;
}

static void a_fired_guard_may_still_be_asked(void **state)
{
    ncp_pool *pool = open_pool(NULL);
    ncp_lease lease = lend(pool);
    ncp_guard *guard;

    (void)state;
    assert_int_equal(ncp_guard_new(&guard), NCP_OK);
    assert_ptr_equal(ncp_guard_ref(guard), guard);
    assert_int_equal(ncp_guard_hold(guard, pool, lease, 0), NCP_OK);
    ncp_guard_fire(guard);
    assert_int_equal(ncp_pool_put(pool, lease), NCP_EINVALIDCONN);
    assert_int_equal(ncp_guard_hold(guard, pool, lease, 0), NCP_ESTATE);
    assert_int_equal(ncp_guard_drop(guard, pool, lease, 0), NCP_OK);
    ncp_guard_free(guard);
    ncp_pool_free(pool);
}

static void a_guard_that_nobody_fires_gives_back_when_it_is_freed(void **state)
{
    ncp_pool *pool = open_pool(NULL);
    ncp_lease lease = lend(pool);
    ncp_guard *guard;

    (void)state;
    ncp_guard_free(NULL);
    assert_null(ncp_guard_ref(NULL));
    assert_int_equal(ncp_guard_new(&guard), NCP_OK);
    assert_int_equal(ncp_guard_hold(guard, pool, lease, 0), NCP_OK);
    ncp_guard_ref(guard);
    ncp_guard_free(guard);
    assert_int_equal(ncp_pool_active_count(pool), 1);
    ncp_guard_free(guard);
    assert_int_equal(ncp_pool_active_count(pool), 0);
    ncp_pool_free(pool);
}

static void log_next_answers_nonsense_with_an_error(void **state)
{
    ncp_pool *pool = open_pool(NULL);
    char text[8] = "x";
    uint64_t conn_id = 5;
    int level = 5;

    (void)state;
    assert_int_equal(ncp_pool_log_next(NULL, NULL, NULL, text, 8), NCP_EINVAL);
    assert_int_equal(ncp_pool_log_next(pool, NULL, NULL, NULL, 8), NCP_EINVAL);
    assert_int_equal(ncp_pool_log_next(pool, NULL, NULL, text, 0), NCP_EINVAL);
    assert_int_equal(ncp_pool_log_next(pool, &level, &conn_id, text, 8), 0);
    assert_int_equal(level, NCP_LOG_OFF);
    assert_int_equal(conn_id, 0);
    assert_string_equal(text, "");
    ncp_pool_free(pool);
}

static ncp_lease reservation(ncp_pool *pool)
{
    ncp_event event;

    assert_int_equal(
        ncp_pool_acquire(pool, NULL, 0, 0, 1000, 0, NCP_FLAG_DIALS, &event),
        NCP_OK);
    assert_int_equal(event.type, NCP_EVENT_DIAL);
    return event.lease;
}

/* With one creation at a time. */
static ncp_pool *open_narrow_pool(void)
{
    ncp_pool *pool = open_pool(NULL);

    assert_int_equal(ncp_pool_set(pool, NCP_OPTION_MAX_CONCURRENT_CREATES, 1),
                     NCP_OK);
    return pool;
}

static void a_dial_that_ended_lets_the_next_begin(void **state)
{
    ncp_pool *pool = open_narrow_pool();
    ncp_lease first = reservation(pool);
    uint64_t id = 0, again = 0, lent = 0;
    ncp_event event;

    (void)state;
    assert_int_equal(
        ncp_pool_acquire(pool, NULL, 0, 0, 1000, 0, NCP_FLAG_DIALS, &event),
        NCP_OK);
    assert_int_equal(event.type, NCP_EVENT_PENDING);
    ncp_ticket ticket = event.ticket;
    assert_int_equal(ncp_ticket_take(pool, ticket, &event), NCP_EAGAIN);
    assert_int_equal(ncp_pool_dialed(pool, first, 5, -1, 1, 1, &id), NCP_OK);
    assert_true(id != 0);
    assert_int_equal(ncp_ticket_take(pool, ticket, &event), NCP_OK);
    assert_int_equal(event.type, NCP_EVENT_DIAL);
    ncp_lease second = event.lease;
    assert_int_equal(ncp_pool_dialed(pool, first, 5, -1, 1, 1, &again), NCP_OK);
    assert_true(again == id);
    assert_int_equal(ncp_pool_fulfil(pool, first, 5, -1, 1, 1, &event), NCP_OK);
    assert_int_equal(event.type, NCP_EVENT_CONN);
    assert_int_equal(ncp_lease_info(pool, event.lease, NCP_INFO_ID, &lent),
                     NCP_OK);
    assert_true(lent == id);
    assert_int_equal(ncp_pool_dialed(pool, first, 5, -1, 1, 1, &again),
                     NCP_EINVALIDCONN);
    assert_true(again == 0);
    assert_int_equal(ncp_pool_put(pool, event.lease), NCP_OK);
    assert_int_equal(ncp_pool_dialed(pool, second, 6, -1, 1, 1, NULL), NCP_OK);
    assert_int_equal(ncp_pool_fail(pool, second, NCP_EHOOK, 3, "no", &event),
                     NCP_OK);
    assert_int_equal(ncp_pool_dialing_count(pool), 0);
    assert_int_equal(ncp_pool_idle_count(pool), 1);
    ncp_pool_free(pool);
}

static void a_lease_tells_whether_it_would_be_kept(void **state)
{
    ncp_pool *pool = open_pool(NULL);
    ncp_lease lease = lend(pool);
    ncp_lease ill = lend(pool);

    (void)state;
    assert_int_equal(ncp_lease_keeps(pool, lease), NCP_REASON_NONE);
    assert_int_equal(ncp_lease_set_healthy(pool, ill, 0), NCP_OK);
    assert_int_equal(ncp_lease_keeps(pool, ill), NCP_REASON_UNHEALTHY);
    assert_int_equal(ncp_pool_flush(pool), NCP_OK);
    assert_int_equal(ncp_lease_keeps(pool, lease), NCP_REASON_FLUSHED);
    assert_int_equal(ncp_pool_close(pool), NCP_OK);
    assert_int_equal(ncp_lease_keeps(pool, lease), NCP_REASON_POOL_CLOSED);
    assert_int_equal(ncp_pool_put(pool, lease), NCP_OK);
    assert_int_equal(ncp_pool_put(pool, ill), NCP_OK);
    assert_int_equal(ncp_lease_keeps(pool, lease), NCP_EINVALIDCONN);
    assert_int_equal(ncp_lease_keeps(NULL, lease), NCP_EINVAL);
    ncp_pool_free(pool);
}

static void a_get_that_was_over_before_it_began_is_counted(void **state)
{
    ncp_pool *pool = open_pool(NULL);
    uint64_t values[NCP_COUNTER_COUNT];

    (void)state;
    assert_int_equal(ncp_pool_refuse(pool, NCP_ECANCELED), NCP_OK);
    assert_int_equal(ncp_pool_refuse(pool, NCP_ETIMEOUT), NCP_OK);
    assert_int_equal(ncp_pool_stats(pool, values, NCP_COUNTER_COUNT), NCP_OK);
    assert_int_equal(values[NCP_COUNTER_TOTAL], 2);
    assert_int_equal(values[NCP_COUNTER_FAILED], 1);
    assert_int_equal(values[NCP_COUNTER_CANCELED], 1);
    assert_int_equal(values[NCP_COUNTER_TIMEOUT], 1);
    assert_int_equal(ncp_pool_close(pool), NCP_OK);
    assert_int_equal(ncp_pool_refuse(pool, NCP_ETIMEOUT), NCP_ECLOSED);
    assert_int_equal(ncp_pool_refuse(NULL, NCP_ETIMEOUT), NCP_EINVAL);
    ncp_pool_free(pool);
}

enum { CHECKED = 12, AT_A_TIME = 10 };

/* A pool whose idle connections are checked, by a clock of ours. */
static ncp_pool *open_checked_pool(ncp_queue *queue, uint64_t *now_ns)
{
    static const struct {
        int option;
        int64_t value;
    } settings[] = {
        {NCP_OPTION_DRIVER, NCP_DRIVER_PULL},
        {NCP_OPTION_MIN_CONNECTIONS, 0},
        {NCP_OPTION_MAX_CONNECTIONS, CHECKED},
        {NCP_OPTION_MAX_IDLE_CONNECTIONS, CHECKED},
        {NCP_OPTION_MAX_CONCURRENT_CREATES, 0},
        {NCP_OPTION_HEALTH_CHECK_INTERVAL, 100},
        {NCP_OPTION_HEALTH_CHECK_TIMEOUT, 40},
    };
    ncp_lease lease[CHECKED];
    ncp_config *config;
    ncp_pool *pool;

    assert_int_equal(ncp_config_new(NCP_MODE_CLIENT, &config), NCP_OK);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        ncp_config_set_int(config, settings[i].option, settings[i].value);
    ncp_config_set_queue(config, queue);
    ncp_config_set_clock(config, ncp_manual_clock, now_ns, NULL);
    assert_int_equal(ncp_pool_new(config, &pool), NCP_OK);
    ncp_config_free(config);
    for (int i = 0; i < CHECKED; i++)
        lease[i] = lend(pool);
    for (int i = 0; i < CHECKED; i++)
        assert_int_equal(ncp_pool_put(pool, lease[i]), NCP_OK);
    return pool;
}

/* Time goes on; the CHECK events that come of it, the CLOSE ones are counted. */
static int work_after(ncp_pool *pool, ncp_queue *queue, uint64_t *now_ns,
                      int ms, ncp_event *checks, int *closes)
{
    ncp_event event;
    int count = 0;

    *now_ns += (uint64_t)ms * 1000000;
    *closes = 0;
    assert_int_equal(ncp_pool_work(pool), NCP_OK);
    while (ncp_queue_poll(queue, &event, 1) == 1) {
        if (event.type == NCP_EVENT_CHECK)
            checks[count++] = event;
        else if (event.type == NCP_EVENT_CLOSE)
            ++*closes;
    }
    return count;
}

static void checks_that_hang_at_the_host_are_at_most_ten(void **state)
{
    uint64_t now_ns = 1000000000;
    ncp_event late[CHECKED], more[CHECKED], answer;
    ncp_queue *queue;
    int closes;

    (void)state;
    assert_int_equal(ncp_queue_new(&queue), NCP_OK);
    ncp_pool *pool = open_checked_pool(queue, &now_ns);
    assert_int_equal(work_after(pool, queue, &now_ns, 101, late, &closes),
                     AT_A_TIME);
    assert_int_equal(work_after(pool, queue, &now_ns, 50, more, &closes), 0);
    assert_int_equal(closes, AT_A_TIME);
    assert_int_equal(work_after(pool, queue, &now_ns, 101, more, &closes), 0);
    for (int i = 0; i < 2; i++) /* the second answer changes nothing */
        assert_int_equal(ncp_pool_checked(pool, late[0].lease, 1, &answer),
                         NCP_EINVALIDCONN);
    assert_int_equal(work_after(pool, queue, &now_ns, 101, more, &closes), 1);
    assert_int_equal(ncp_pool_checked(pool, more[0].lease, 1, &answer), NCP_OK);
    for (int i = 1; i < AT_A_TIME; i++)
        assert_int_equal(ncp_pool_checked(pool, late[i].lease, 0, &answer),
                         NCP_EINVALIDCONN);
    assert_int_equal(work_after(pool, queue, &now_ns, 101, more, &closes), 2);
    ncp_pool_free(pool);
    while (ncp_queue_poll(queue, &answer, 1) == 1)
        continue;
    ncp_queue_free(queue);
}

static int descriptors(void)
{
    int count = 0;

    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) != -1;
    return count;
}

/* The queue is never polled: whoever forgets a pool that is about to dial leaves
 * nothing behind. */
static void a_pool_that_was_about_to_dial_goes_with_its_queue(void **state)
{
    int before = descriptors();
    ncp_event event;

    (void)state;
    for (int abandoned = 0; abandoned < 2; abandoned++) {
        ncp_pool *pool = open_pool(NULL);
        assert_int_equal(ncp_pool_acquire(pool, NULL, 0, 0, 1000, 0, 0, &event),
                         NCP_OK);
        assert_int_equal(event.type, NCP_EVENT_PENDING);
        if (abandoned)
            assert_int_equal(
                ncp_ticket_abandon(pool, event.ticket, NCP_ECANCELED), NCP_OK);
        else
            assert_int_equal(ncp_pool_close(pool), NCP_OK);
        if (!abandoned)
            assert_int_equal(ncp_ticket_take(pool, event.ticket, &event),
                             NCP_ECLOSED);
        ncp_pool_free(pool);
    }
    assert_int_equal(descriptors(), before);
}

static void a_manual_clock_tells_what_is_stored(void **state)
{
    uint64_t now_ns = 123;

    (void)state;
    assert_int_equal(ncp_manual_clock(&now_ns), 123);
    now_ns = UINT64_C(1) << 60;
    assert_true(ncp_manual_clock(&now_ns) == UINT64_C(1) << 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_may_dial_the_target_itself),
        cmocka_unit_test(a_dial_that_fails_says_why),
        cmocka_unit_test(a_dial_without_a_target_or_time_is_refused),
        cmocka_unit_test(a_fired_guard_may_still_be_asked),
        cmocka_unit_test(a_guard_that_nobody_fires_gives_back_when_it_is_freed),
        cmocka_unit_test(log_next_answers_nonsense_with_an_error),
        cmocka_unit_test(a_dial_that_ended_lets_the_next_begin),
        cmocka_unit_test(a_lease_tells_whether_it_would_be_kept),
        cmocka_unit_test(a_get_that_was_over_before_it_began_is_counted),
        cmocka_unit_test(checks_that_hang_at_the_host_are_at_most_ten),
        cmocka_unit_test(a_pool_that_was_about_to_dial_goes_with_its_queue),
        cmocka_unit_test(a_manual_clock_tells_what_is_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
