/* When one more dial is worth beginning. Times are in milliseconds here. */
#include "config_test.h"

#include "engine/pace.h"

static uint64_t again_ms;

static uint64_t ns(uint64_t at_ms)
{
    return at_ms * NCP__NS_PER_MS;
}

/* The line has formed at `at_ms`; a dial takes 100 ms. */
static struct ncp__pace pace_from(uint64_t at_ms)
{
    struct ncp__pace pace = {0};

    ncp__pace_dialed(&pace, ns(100));
    ncp__pace_begun(&pace, ns(at_ms));
    ncp__pace_new_line(&pace);
    ncp__pace_look(&pace, ns(at_ms));
    return pace;
}

static void serve(struct ncp__pace *pace, int waiters, uint64_t at_ms)
{
    for (int i = 0; i < waiters; i++)
        ncp__pace_served(pace);
    ncp__pace_look(pace, ns(at_ms));
}

static bool allows(const struct ncp__pace *pace, uint32_t waiting,
                   uint32_t under_way, uint32_t there, uint64_t at_ms)
{
    const struct ncp__pace_state state = {waiting, under_way, there};
    uint64_t again_ns = NCP__NEVER;
    bool allowed = ncp__pace_allows(pace, &state, ns(at_ms), &again_ns);

    again_ms = again_ns / NCP__NS_PER_MS;
    return allowed;
}

static void the_first_dial_begins_at_once(void **state)
{
    struct ncp__pace pace = pace_from(1000);

    (void)state;
    assert_true(allows(&pace, 1, 0, 5, 1000));
    assert_false(allows(&pace, 1, 1, 5, 1000));
}

static void nothing_is_held_back_while_nothing_can_come_back(void **state)
{
    struct ncp__pace pace = pace_from(1000);

    (void)state;
    assert_true(allows(&pace, 50, 4, 0, 1000));
}

static void nothing_is_held_back_while_nothing_is_known(void **state)
{
    struct ncp__pace pace = {0};

    (void)state;
    ncp__pace_new_line(&pace);
    ncp__pace_look(&pace, ns(1000));
    assert_true(allows(&pace, 50, 4, 5, 1000));
}

static void short_dials_are_not_held_back(void **state)
{
    struct ncp__pace pace = {0};

    (void)state;
    ncp__pace_dialed(&pace, ns(1));
    ncp__pace_new_line(&pace);
    ncp__pace_look(&pace, ns(1000));
    assert_true(allows(&pace, 50, 4, 5, 1000));
}

static void a_line_that_is_not_served_is_held_up_for_a_quarter(void **state)
{
    struct ncp__pace pace = pace_from(1000);

    (void)state;
    assert_false(allows(&pace, 50, 1, 5, 1024));
    assert_int_equal(again_ms, 1025);
    assert_true(allows(&pace, 50, 1, 5, 1025));
}

static void each_one_that_is_served_gives_the_line_time(void **state)
{
    struct ncp__pace pace = pace_from(1000);

    (void)state;
    serve(&pace, 5, 1020);
    assert_false(allows(&pace, 10, 1, 5, 1040));
    assert_int_equal(again_ms, 1045);
    assert_true(allows(&pace, 10, 1, 5, 1045));
}

/* One in 10 ms: ten of them in a dial's time, and one by the dial under way. */
static void those_who_would_be_left_get_a_dial(void **state)
{
    struct ncp__pace pace = pace_from(1000);

    (void)state;
    serve(&pace, 2, 1020);
    assert_false(allows(&pace, 11, 1, 5, 1020));
    assert_true(allows(&pace, 12, 1, 5, 1020));
    assert_false(allows(&pace, 12, 2, 5, 1020));
}

static void a_dial_that_takes_too_long_counts_no_more(void **state)
{
    struct ncp__pace pace = pace_from(1000);

    (void)state;
    for (uint64_t at_ms = 1010; at_ms <= 1190; at_ms += 10)
        serve(&pace, 5, at_ms);
    assert_false(allows(&pace, 3, 1, 5, 1199));
    assert_true(allows(&pace, 3, 1, 5, 1200));
    ncp__pace_begun(&pace, ns(1200));
    assert_false(allows(&pace, 3, 2, 5, 1201));
}

static void a_new_line_begins_anew(void **state)
{
    struct ncp__pace pace = pace_from(1000);

    (void)state;
    serve(&pace, 1, 1010);
    ncp__pace_new_line(&pace);
    ncp__pace_look(&pace, ns(90000));
    ncp__pace_begun(&pace, ns(90000));
    assert_false(allows(&pace, 50, 1, 5, 90000));
    assert_int_equal(again_ms, 90025);
}

static void what_was_long_ago_is_forgotten(void **state)
{
    struct ncp__pace pace = pace_from(1000);

    (void)state;
    for (uint64_t at_ms = 1001; at_ms <= 1200; at_ms++) /* one each ms */
        serve(&pace, 1, at_ms);
    ncp__pace_begun(&pace, ns(1200));
    assert_false(allows(&pace, 60, 1, 5, 1200));
    for (uint64_t at_ms = 1220; at_ms <= 3200; at_ms += 20)
        serve(&pace, 1, at_ms);
    ncp__pace_begun(&pace, ns(3200));
    assert_true(allows(&pace, 60, 1, 5, 3200));
}

static void the_time_of_a_dial_is_an_average(void **state)
{
    struct ncp__pace pace = {0};

    (void)state;
    ncp__pace_dialed(&pace, ns(100));
    assert_int_equal(pace.dial_ns, ns(100));
    ncp__pace_dialed(&pace, ns(20));
    assert_int_equal(pace.dial_ns, ns(80));
    for (int i = 0; i < 100; i++)
        ncp__pace_dialed(&pace, ns(8));
    assert_in_range(pace.dial_ns, ns(8), ns(8) + 4);
}

static void a_clock_that_lags_does_no_harm(void **state)
{
    struct ncp__pace pace = pace_from(1000);

    (void)state;
    serve(&pace, 1, 990);
    assert_false(allows(&pace, 50, 1, 5, 980));
    assert_false(allows(&pace, 50, 1, 5, 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_dial_begins_at_once),
        cmocka_unit_test(nothing_is_held_back_while_nothing_can_come_back),
        cmocka_unit_test(nothing_is_held_back_while_nothing_is_known),
        cmocka_unit_test(short_dials_are_not_held_back),
        cmocka_unit_test(a_line_that_is_not_served_is_held_up_for_a_quarter),
        cmocka_unit_test(each_one_that_is_served_gives_the_line_time),
        cmocka_unit_test(those_who_would_be_left_get_a_dial),
        cmocka_unit_test(a_dial_that_takes_too_long_counts_no_more),
        cmocka_unit_test(a_new_line_begins_anew),
        cmocka_unit_test(what_was_long_ago_is_forgotten),
        cmocka_unit_test(the_time_of_a_dial_is_an_average),
        cmocka_unit_test(a_clock_that_lags_does_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
