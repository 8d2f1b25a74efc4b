/* The idle stores, each by itself: order, kinds, claims, counts, and bits that are
 * set although nothing is idle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/idle.h"

enum { ROOM = 70 /* more than a chunk */ };

struct store {
    struct ncp__slots slots;
    struct ncp__idle idle;
};

/* A connection of a kind, owned by the test. */
static uint32_t join(struct store *store, int protocol, int ip)
{
    uint32_t index = ncp__slots_reserve(&store->slots);
    struct ncp__slot *slot = ncp__slot_at(&store->slots, index);

    ncp__cold(slot)->protocol = (uint8_t)protocol;
    ncp__cold(slot)->ip = (uint8_t)ip;
    atomic_store(&slot->word, ncp__word(7, NCP__HELD));
    ncp__idle_join(&store->idle, index);
    return index;
}

static uint32_t take(struct store *store, int protocol, int ip)
{
    bool returned;

    return ncp__idle_take(&store->idle, protocol, ip, &returned);
}

static void give(struct store *store, uint32_t index)
{
    ncp__idle_publish(&store->idle, index);
}

static void open_store(struct store *store, int kind, bool fifo, bool exact)
{
    *store = (struct store){0};
    ncp__slots_init(&store->slots);
    assert_int_equal(ncp__idle_init(&store->idle, &store->slots, kind, fifo),
                     NCP_OK);
    ncp__idle_count_exactly(&store->idle, exact);
}

static void close_store(struct store *store)
{
    ncp__idle_destroy(&store->idle);
    ncp__slots_destroy(&store->slots);
}

/* Runs a test with every store, in both orders, counting bits and not. */
static void with_each(void (*test)(struct store *store, bool fifo))
{
    for (int kind = NCP_STORE_LOCKFREE; kind <= NCP_STORE_SHARDED; kind++)
        for (int way = 0; way < 4; way++) {
            struct store store;
            open_store(&store, kind, (way & 1) != 0, (way & 2) != 0);
            test(&store, (way & 1) != 0);
            close_store(&store);
        }
}

static void check_order(struct store *store, bool fifo)
{
    uint32_t index[ROOM];

    for (int i = 0; i < ROOM; i++)
        index[i] = join(store, NCP_PROTOCOL_TCP, NCP_IP_V4);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < ROOM; i++)
            give(store, index[i]);
        for (int i = 0; i < ROOM; i++)
            assert_int_equal(take(store, 0, 0), index[fifo ? i : ROOM - 1 - i]);
        assert_int_equal(take(store, 0, 0), NCP__NO_SLOT);
    }
}

static void what_is_taken_comes_in_order(void **state)
{
    (void)state;
    with_each(check_order);
}

static void check_kinds(struct store *store, bool fifo)
{
    uint32_t tcp = join(store, NCP_PROTOCOL_TCP, NCP_IP_V6);
    uint32_t udp = join(store, NCP_PROTOCOL_UDP, NCP_IP_V4);

    (void)fifo;
    give(store, tcp);
    give(store, udp);
    assert_int_equal(take(store, NCP_PROTOCOL_TCP, NCP_IP_V4), NCP__NO_SLOT);
    assert_int_equal(take(store, NCP_PROTOCOL_UDP, 0), udp);
    assert_int_equal(take(store, NCP_PROTOCOL_UDP, 0), NCP__NO_SLOT);
    assert_int_equal(take(store, 0, NCP_IP_V6), tcp);
    give(store, udp);
    give(store, tcp);
    assert_int_equal(take(store, 0, 0), tcp); /* its bucket is first */
}

static void a_want_takes_its_kind(void **state)
{
    (void)state;
    with_each(check_kinds);
}

static void check_claims(struct store *store, bool fifo)
{
    uint32_t index[3];

    for (int i = 0; i < 3; i++)
        give(store, index[i] = join(store, NCP_PROTOCOL_TCP, NCP_IP_V4));
    for (int i = 0; i < 3; i++)
        assert_true(ncp__idle_claim(&store->idle, index[i]));
    assert_false(ncp__idle_claim(&store->idle, index[1]));
    assert_int_equal(take(store, 0, 0), NCP__NO_SLOT);
    for (int i = 2; i >= 0; i--)
        ncp__idle_unclaim(&store->idle, index[i]);
    assert_int_equal(take(store, 0, 0), index[fifo ? 0 : 2]);
    assert_int_equal(ncp__idle_take_oldest(&store->idle, 0, 0),
                     index[fifo ? 1 : 0]);
}

static void what_was_claimed_comes_back_to_its_place(void **state)
{
    (void)state;
    with_each(check_claims);
}

static void check_counts(struct store *store, bool fifo)
{
    uint32_t index[ROOM];

    (void)fifo;
    for (int i = 0; i < ROOM; i++)
        give(store, index[i] = join(store, NCP_PROTOCOL_TCP, NCP_IP_V4));
    uint32_t lent = take(store, 0, 0);
    assert_int_equal(ncp__idle_count(&store->idle), ROOM - 1);
    assert_true(ncp__idle_reaches(&store->idle, ROOM - 1));
    assert_false(ncp__idle_reaches(&store->idle, ROOM));
    uint32_t checked = lent == index[0] ? index[1] : index[0];
    assert_true(ncp__idle_claim(&store->idle, checked));
    ncp__idle_begin_check(&store->idle, checked);
    assert_int_equal(ncp__idle_count(&store->idle), ROOM - 1);
    assert_true(ncp__idle_reaches(&store->idle, ROOM - 1));
    ncp__idle_end_check(&store->idle);
    ncp__idle_leave(&store->idle, checked);
    assert_int_equal(ncp__idle_count(&store->idle), ROOM - 2);
    uint64_t swept = ncp__idle_sweep(&store->idle, 0) |
                     ncp__idle_sweep(&store->idle, 1) << 1;
    assert_int_not_equal(swept, 0);
    assert_int_equal(ncp__idle_count(&store->idle), 0);
}

static void what_is_idle_is_counted_with_what_is_checked(void **state)
{
    (void)state;
    with_each(check_counts);
}

/* A scan clears the bits of what is lent; the return sets them again. */
static void a_stale_bit_hides_nothing(void **state)
{
    struct store store;

    (void)state;
    open_store(&store, NCP_STORE_LOCKFREE, false, false);
    uint32_t one = join(&store, NCP_PROTOCOL_TCP, NCP_IP_V4);
    give(&store, one);
    assert_int_equal(take(&store, 0, 0), one);
    assert_int_equal(ncp__idle_candidates(&store.idle, 0), 1); /* stale */
    assert_int_equal(take(&store, 0, 0), NCP__NO_SLOT);
    assert_int_equal(ncp__idle_candidates(&store.idle, 0), 0);
    give(&store, one);
    assert_int_equal(ncp__idle_candidates(&store.idle, 0), 1);
    atomic_store(&store.idle.shards[0].first[0],
                 NCP__NO_SLOT); /* a lost hint */
    assert_int_equal(take(&store, 0, 0), one);
    close_store(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_taken_comes_in_order),
        cmocka_unit_test(a_want_takes_its_kind),
        cmocka_unit_test(what_was_claimed_comes_back_to_its_place),
        cmocka_unit_test(what_is_idle_is_counted_with_what_is_checked),
        cmocka_unit_test(a_stale_bit_hides_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
