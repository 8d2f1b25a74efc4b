/*
 * Sequences of calls with every kind of nonsense: NULL, tokens that are freed,
 * foreign or made up, enormous numbers, wrong enumerations. The bytes of the
 * input choose the calls and their arguments. After every call the counters of
 * every pool hold together; at the end every connection is closed once.
 *
 * Nothing waits for long: limits of time are a millisecond, dials happen in
 * memory and on the caller's thread.
 */
#include "fuzz.h"
#include "snapshot.h"
#include "world.h"

#include <stdlib.h>
#include <string.h>

enum {
    POOLS = 3,
    CONFIGS = 2,
    QUEUES = 2,
    TOKENS = 12,
    GUARDS = 2,
    CANCELS = 2,
    STEPS = 200,
    LEDGER = 4096
};

struct input {
    const uint8_t *data;
    size_t left;
};

struct play {
    struct input input;
    struct world *world;
    ncp_config *config[CONFIGS];
    ncp_queue *queue[QUEUES];
    ncp_pool *pool[POOLS];
    /* Leases, reservations and tickets, of any pool, at any stage. */
    uint64_t token[TOKENS];
    /* Every token there ever was: what is still owed is found by trying. */
    uint64_t ledger[LEDGER];
    size_t owed;
    ncp_guard *guard[GUARDS];
    ncp_cancel *cancel[CANCELS];
    atomic_bool fails; /* dialers and hooks */
    uint64_t before[POOLS][NCP_COUNTER_COUNT];
};

static uint8_t byte(struct play *play)
{
    if (play->input.left == 0)
        return 0;
    play->input.left--;
    return *play->input.data++;
}

static int64_t number(struct play *play)
{
    static const int64_t interesting[] = {0,
                                          1,
                                          2,
                                          3,
                                          -1,
                                          -2,
                                          7,
                                          10,
                                          100,
                                          1000,
                                          99999,
                                          100000,
                                          100001,
                                          INT32_MAX,
                                          INT32_MIN,
                                          INT64_MAX,
                                          INT64_MIN,
                                          1LL << 53,
                                          1LL << 32,
                                          UINT32_MAX,
                                          4096,
                                          65536,
                                          NCP_TIMEOUT_DEFAULT,
                                          1000000000};
    uint8_t which = byte(play);

    if (which < sizeof(interesting) / sizeof(interesting[0]))
        return interesting[which];
    if (which < 128)
        return which - 60;
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | byte(play);
    return (int64_t)value;
}

static int small(struct play *play)
{
    return (int)(byte(play) % 64) - 4;
}

/* One of the pools, or NULL. */
static ncp_pool *a_pool(struct play *play)
{
    uint8_t which = byte(play) % (POOLS + 1);
    return which < POOLS ? play->pool[which] : NULL;
}

static ncp_queue *a_queue(struct play *play)
{
    uint8_t which = byte(play) % (QUEUES + 1);
    return which < QUEUES ? play->queue[which] : NULL;
}

static ncp_config *a_config(struct play *play)
{
    uint8_t which = byte(play) % (CONFIGS + 1);
    return which < CONFIGS ? play->config[which] : NULL;
}

static uint64_t a_token(struct play *play)
{
    uint8_t which = byte(play);
    return which < 240 ? play->token[which % TOKENS] : (uint64_t)number(play);
}

static void keep_token(struct play *play, uint64_t token)
{
    if (!token)
        return;
    REQUIRE(play->owed < LEDGER);
    play->ledger[play->owed++] = token;
    play->token[byte(play) % TOKENS] = token;
}

/* Limits of time: none that is long. */
static int64_t a_moment(struct play *play)
{
    return byte(play) % 2;
}

static int dialer(void *user, ncp_dial *dial)
{
    struct play *play = user;

    REQUIRE(ncp_dial_deadline_ms(dial) >= 0);
    REQUIRE(ncp_dial_timeout_ms(dial) >= 0);
    REQUIRE(ncp_dial_attempt(dial) >= 0);
    if (play->fails || !world_has_room(play->world))
        return NCP_EDIAL;
    return world_dialer(play->world, dial);
}

static int closer(void *user, const ncp_conn *conn, int reason)
{
    struct play *play = user;

    REQUIRE(strcmp(ncp_reason_text(reason), "unknown") != 0);
    world_close(play->world, ncp_conn_handle(conn));
    return play->fails ? NCP_EUSER : NCP_OK;
}

static int hook(void *user, const ncp_conn *conn, int reason)
{
    struct play *play = user;
    uint64_t value = 0;

    (void)reason;
    for (int info = NCP_INFO_HANDLE; info <= NCP_INFO_LEASE; info++)
        REQUIRE_EQ(ncp_conn_info(conn, info, &value), NCP_OK);
    return play->fails ? NCP_EUSER : NCP_OK;
}

/* In a pull pool the host dials and closes: callbacks would be refused. */
static ncp_config *new_config(struct play *play, int mode, int driver)
{
    ncp_config *config = NULL;

    if (ncp_config_new(mode, &config) != NCP_OK) {
        REQUIRE(config == NULL);
        return NULL;
    }
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_LOG_LEVEL, 0), NCP_OK);
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_MAX_CONNECTIONS, 3), 0);
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, 0), 0);
    REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_DRIVER, driver), NCP_OK);
    if (driver == NCP_DRIVER_PULL) {
        REQUIRE_EQ(ncp_config_set_queue(config, play->queue[0]), NCP_OK);
        return config;
    }
    REQUIRE_EQ(ncp_config_set_dialer(config, dialer, play, NULL), NCP_OK);
    REQUIRE_EQ(ncp_config_set_callback(config, NCP_CALLBACK_CLOSER, closer,
                                       play, NULL),
               NCP_OK);
    return config;
}

/* Does the work of the queues, in the way that ends it. */
static void settle(struct play *play)
{
    ncp_event event, answer;

    for (int i = 0; i < QUEUES; i++) {
        while (ncp_queue_poll(play->queue[i], &event, 1) == 1) {
            if (event.type == NCP_EVENT_CLOSE)
                world_close(play->world, event.handle);
            else if (event.type == NCP_EVENT_DIAL)
                ncp_pool_fail(event.pool, event.lease, NCP_EDIAL, 0, NULL,
                              &answer);
            else if (event.type == NCP_EVENT_CHECK)
                ncp_pool_checked(event.pool, event.lease, 0, &answer);
            else if (event.type == NCP_EVENT_READY)
                ncp_ticket_abandon(event.pool, event.ticket, NCP_ECANCELED);
        }
    }
}

/* Ends a pool and gives back all that it is owed, under whatever name. */
static void retire(struct play *play, ncp_pool *pool)
{
    ncp_lease leases[64];
    ncp_event event;
    size_t out = 0;

    if (!pool)
        return;
    ncp_pool_close_now(pool);
    settle(play);
    for (size_t i = 0; i < play->owed; i++) {
        ncp_pool_fail(pool, play->ledger[i], NCP_EDIAL, 0, NULL, &event);
        ncp_pool_checked(pool, play->ledger[i], 0, &event);
        ncp_ticket_abandon(pool, play->ledger[i], NCP_ECANCELED);
        ncp_pool_discard(pool, play->ledger[i]);
    }
    REQUIRE_EQ(ncp_pool_leases(pool, leases, 64, &out), NCP_OK);
    REQUIRE_EQ(out, 0);
    settle(play);
    ncp_pool_free(pool);
}

/* What could make a call wait for long is taken back before a pool is made. */
static void tame(ncp_config *config)
{
    int64_t driver = NCP_DRIVER_PUSH, min = 0;

    REQUIRE_EQ(ncp_config_get_int(config, NCP_OPTION_DRIVER, &driver), NCP_OK);
    const struct {
        int option;
        int64_t value;
    } tame[] = {
        {NCP_OPTION_DIAL_IN_CALLER, driver == NCP_DRIVER_PUSH},
        {NCP_OPTION_GET_TIMEOUT, 1},
        {NCP_OPTION_PREWARM_BLOCKING, 0},
        {NCP_OPTION_HEALTH_CHECK, 0},
        {NCP_OPTION_LISTENER_FD, -1},
        {NCP_OPTION_MODE, NCP_MODE_CLIENT},
    };

    for (size_t i = 0; i < sizeof(tame) / sizeof(tame[0]); i++)
        REQUIRE_EQ(ncp_config_set_int(config, tame[i].option, tame[i].value),
                   NCP_OK);
    REQUIRE_EQ(ncp_config_get_int(config, NCP_OPTION_MIN_CONNECTIONS, &min),
               NCP_OK);
    if (min > 4)
        REQUIRE_EQ(ncp_config_set_int(config, NCP_OPTION_MIN_CONNECTIONS, 4),
                   NCP_OK);
}

static void make_pool(struct play *play)
{
    uint8_t at = byte(play) % POOLS;
    ncp_config *config = a_config(play);
    ncp_pool *pool = NULL;

    if (config)
        tame(config);
    int status = ncp_pool_new(config, &pool);
    REQUIRE_EQ(status == NCP_OK, pool != NULL);
    if (!pool) {
        REQUIRE(status == NCP_EINVALIDCONFIG || status == NCP_ENOMEM);
        if (config && status == NCP_EINVALIDCONFIG)
            REQUIRE(ncp_config_reason(config)[0] != 0);
        return;
    }
    retire(play, play->pool[at]);
    play->pool[at] = pool;
    memset(play->before[at], 0, sizeof(play->before[at]));
}

static void handle_event(struct play *play, const ncp_event *event)
{
    switch (event->type) {
    case NCP_EVENT_CLOSE:
        world_close(play->world, event->handle);
        return;
    case NCP_EVENT_CONN:
    case NCP_EVENT_DIAL:
    case NCP_EVENT_CHECK:
        REQUIRE(event->lease != 0 && event->lease < UINT64_C(1) << 53);
        keep_token(play, event->lease);
        return;
    case NCP_EVENT_PENDING:
    case NCP_EVENT_READY:
        REQUIRE(event->ticket != 0 && event->ticket < UINT64_C(1) << 53);
        keep_token(play, event->ticket);
        return;
    default:
        return;
    }
}

static void handle_answer(struct play *play, int status, const ncp_event *event)
{
    if (status == NCP_OK)
        handle_event(play, event);
    else
        REQUIRE_EQ(event->type, NCP_EVENT_NONE);
}

static void play_config(struct play *play)
{
    ncp_config **at = &play->config[byte(play) % CONFIGS];
    ncp_config *copy = NULL;
    int64_t value = 0;

    switch (byte(play) % 6) {
    case 0:
        ncp_config_free(*at);
        *at = new_config(play, byte(play) % 8, byte(play) % 2);
        return;
    case 1:
        ncp_config_set_int(*at, small(play), number(play));
        return;
    case 2:
        ncp_config_get_int(a_config(play), small(play), &value);
        return;
    case 3:
        if (ncp_config_copy(*at, &copy) == NCP_OK) {
            ncp_config_free(*at);
            *at = copy;
        }
        return;
    case 4:
        ncp_config_validate(*at);
        REQUIRE(ncp_config_reason(*at) != NULL);
        return;
    default:
        ncp_config_set_queue(*at, a_queue(play));
        ncp_config_get_int(*at, NCP_OPTION_DRIVER, &value);
        if (value == NCP_DRIVER_PULL)
            return;
        ncp_config_set_callback(*at, small(play) | NCP_CALLBACK_ON_BORROW, hook,
                                play, NULL);
        /* The closer keeps count of the connections: it stays. */
        ncp_config_set_callback(*at, NCP_CALLBACK_CLOSER, closer, play, NULL);
        return;
    }
}

static void play_get(struct play *play)
{
    ncp_pool *pool = a_pool(play);
    ncp_lease lease = 7;
    int status;

    switch (byte(play) % 4) {
    case 0:
        status = ncp_pool_try_get(pool, &lease);
        break;
    case 1:
        status = ncp_pool_get_timeout(pool, a_moment(play), &lease);
        break;
    case 2:
        status = ncp_pool_get_ex(pool, small(play), small(play), a_moment(play),
                                 play->cancel[byte(play) % CANCELS],
                                 (uint64_t)number(play), &lease);
        break;
    default:
        REQUIRE_EQ(ncp_pool_get(NULL, &lease), NCP_EINVAL);
        REQUIRE_EQ(ncp_pool_try_get(pool, NULL), NCP_EINVAL);
        REQUIRE_EQ(lease, 0);
        return;
    }
    REQUIRE_EQ(status == NCP_OK, lease != 0);
    REQUIRE(lease < UINT64_C(1) << 53);
    keep_token(play, lease);
}

/* A detached connection, or one that is closed by its holder, is closed here. */
static void play_end(struct play *play)
{
    ncp_pool *pool = a_pool(play);
    uint64_t token = a_token(play), handle = 0;

    switch (byte(play) % 5) {
    case 0:
        ncp_pool_put(pool, token);
        return;
    case 1:
        ncp_pool_discard(pool, token);
        return;
    case 2:
        ncp_lease_close(pool, token);
        return;
    case 3:
        if (ncp_pool_detach(pool, token, &handle) == NCP_OK)
            world_close(play->world, handle);
        else
            REQUIRE_EQ(handle, 0);
        return;
    default:
        if (ncp_lease_handle(pool, token, &handle) != NCP_OK ||
            !world_has_room(play->world))
            return;
        uint64_t fresh = world_open(play->world, 1, 1);
        if (ncp_lease_renew(pool, token, fresh, -1, small(play), small(play)) ==
            NCP_OK) {
            atomic_fetch_add(&play->world->open, 1);
            world_close(play->world, handle);
        } else {
            atomic_fetch_add(&play->world->open, 1);
            world_close(play->world, fresh);
        }
        return;
    }
}

static void play_lease(struct play *play)
{
    ncp_pool *pool = a_pool(play);
    uint64_t token = a_token(play), value = 7;
    ncp_lease leases[4];
    char text[64];
    size_t out = 7;

    switch (byte(play) % 6) {
    case 0:
        if (ncp_lease_info(pool, token, small(play), &value) != NCP_OK)
            REQUIRE_EQ(value, 0);
        return;
    case 1:
        REQUIRE(ncp_lease_fd(pool, token) >= NCP_EINVAL);
        return;
    case 2:
        ncp_lease_set_healthy(pool, token, small(play));
        return;
    case 3:
        ncp_lease_set_tag(pool, token, (uint64_t)number(play));
        return;
    case 4:
        ncp_lease_stack(pool, token, text, sizeof(text));
        return;
    default:
        if (ncp_pool_leases(pool, leases, byte(play) % 5, &out) != NCP_OK)
            REQUIRE_EQ(out, 0);
        return;
    }
}

static void play_pool(struct play *play)
{
    uint8_t at = byte(play) % POOLS;
    ncp_pool *pool = play->pool[at], *found = NULL;
    int64_t value = 0;

    switch (byte(play) % 14) {
    case 0:
        ncp_pool_close(pool);
        return;
    case 1:
        ncp_pool_close_now(pool);
        return;
    case 2:
        ncp_pool_close_wait(pool, a_moment(play));
        return;
    case 3:
        ncp_pool_drain(pool, a_moment(play));
        return;
    case 4:
        ncp_pool_flush(pool);
        return;
    case 5:
        ncp_pool_suspend(pool);
        return;
    case 6:
        ncp_pool_resume(pool);
        return;
    case 7:
        ncp_pool_resize(pool, number(play));
        return;
    case 8: {
        int option = small(play);
        value = number(play);
        if (option != NCP_OPTION_GET_TIMEOUT &&
            option != NCP_OPTION_LOG_LEVEL &&
            option != NCP_OPTION_MIN_CONNECTIONS &&
            option != NCP_OPTION_DIAL_IN_CALLER)
            ncp_pool_set(pool, option, value);
        return;
    }
    case 9:
        ncp_pool_option(pool, small(play), &value);
        return;
    case 10:
        ncp_pool_prewarm_wait(pool, a_moment(play));
        return;
    case 11:
        ncp_pool_wake(pool);
        return;
    case 12:
        retire(play, pool);
        play->pool[at] = NULL;
        return;
    default:
        REQUIRE_EQ(ncp_pool_find("no such pool", &found), NCP_ENOTFOUND);
        ncp_pool_free(ncp_pool_ref(pool));
        return;
    }
}

static void play_look(struct play *play)
{
    ncp_pool *pool = a_pool(play);
    char text[256];
    uint64_t value[4];

    switch (byte(play) % 4) {
    case 0:
        ncp_pool_describe(pool, text, byte(play));
        return;
    case 1:
        ncp_pool_dial_error(pool, NULL, NULL, NULL, text, sizeof(text));
        return;
    case 2:
        ncp_pool_stats(pool, value, byte(play) % 5);
        return;
    default:
        REQUIRE(ncp_pool_next_due_ms(pool) >= NCP_EINVAL);
        REQUIRE(strcmp(ncp_status_text((int)number(play)), "") != 0);
        return;
    }
}

static void play_acquire(struct play *play)
{
    ncp_pool *pool = a_pool(play);
    ncp_event event;
    int status;

    memset(&event, 0x55, sizeof(event));
    switch (byte(play) % 4) {
    case 0:
    case 1:
        status = ncp_pool_acquire(
            pool, a_queue(play), small(play) & 3, small(play) & 3,
            a_moment(play) - 1, (uint64_t)number(play), byte(play) & 7, &event);
        break;
    case 2:
        status = ncp_ticket_take(pool, a_token(play), &event);
        break;
    default:
        status = ncp_ticket_wait(pool, a_token(play), a_moment(play), &event);
        break;
    }
    handle_answer(play, status, &event);
}

static void play_answer(struct play *play)
{
    ncp_pool *pool = a_pool(play);
    uint64_t token = a_token(play);
    ncp_event event;
    int status;

    memset(&event, 0x55, sizeof(event));
    switch (byte(play) % 5) {
    case 0:
    case 1: {
        if (!world_has_room(play->world))
            return;
        atomic_fetch_add(&play->world->open, 1);
        uint64_t handle = world_open(play->world, 1, 1);
        status = ncp_pool_fulfil(pool, token, handle, -1, small(play),
                                 small(play), &event);
        /* Refused: it stays with the one who dialed it. */
        if (status == NCP_EINVALIDCONN || status == NCP_EINVAL ||
            status == NCP_ESTATE)
            world_close(play->world, handle);
        break;
    }
    case 2:
        status = ncp_pool_fail(pool, token, small(play) - 20, number(play),
                               "chance", &event);
        break;
    case 3:
        status = ncp_pool_checked(pool, token, byte(play) & 1, &event);
        break;
    default:
        ncp_ticket_abandon(pool, token, small(play) - 20);
        return;
    }
    handle_answer(play, status, &event);
}

static void play_queue(struct play *play)
{
    ncp_queue *queue = a_queue(play);
    ncp_event event[3];
    int count = 0, status = 0;

    switch (byte(play) % 7) {
    case 0:
        count = ncp_queue_poll(queue, event, byte(play) % 4);
        break;
    case 1:
        count = ncp_queue_wait(queue, event, 3, a_moment(play));
        break;
    case 2:
        ncp_queue_kick(queue);
        return;
    case 3:
        REQUIRE(ncp_queue_ready(queue) <= 1);
        REQUIRE(ncp_queue_fd(queue) >= NCP_EINVAL);
        return;
    case 4:
        ncp_pool_work(a_pool(play));
        return;
    case 5:
        REQUIRE_EQ(ncp_queue_poll(queue, NULL, 3), NCP_EINVAL);
        return;
    default: {
        ncp_pool *pool = a_pool(play);
        count = ncp_pool_release(pool, a_token(play), byte(play) & 7, queue,
                                 event, 3, &status);
        break;
    }
    }
    for (int i = 0; i < count; i++)
        handle_event(play, &event[i]);
}

/* A guard calls no closer: in a push pool it holds only what has none. */
static void hold(struct play *play, ncp_guard *guard)
{
    ncp_pool *pool = a_pool(play);
    int64_t driver = NCP_DRIVER_PUSH;
    uint64_t lease = a_token(play), ticket = a_token(play);

    ncp_pool_option(pool, NCP_OPTION_DRIVER, &driver);
    ncp_guard_hold(guard, pool, driver == NCP_DRIVER_PULL ? lease : 0, ticket);
}

static void play_guard(struct play *play)
{
    ncp_guard **guard = &play->guard[byte(play) % GUARDS];
    ncp_cancel **cancel = &play->cancel[byte(play) % CANCELS];

    switch (byte(play) % 6) {
    case 0:
        if (!*guard)
            REQUIRE_EQ(ncp_guard_new(guard), NCP_OK);
        return;
    case 1:
        hold(play, *guard);
        return;
    case 2:
        ncp_guard_drop(*guard, a_pool(play), a_token(play), a_token(play));
        return;
    case 3:
        ncp_guard_fire(*guard);
        *guard = NULL;
        return;
    case 4:
        ncp_cancel_free(*cancel);
        REQUIRE_EQ(ncp_cancel_new(cancel), NCP_OK);
        return;
    default:
        REQUIRE_EQ(ncp_cancel_fire(*cancel), *cancel ? NCP_OK : NCP_EINVAL);
        return;
    }
}

static void check(struct play *play)
{
    uint64_t value[NCP_COUNTER_COUNT];

    for (int i = 0; i < POOLS; i++) {
        if (!play->pool[i])
            continue;
        REQUIRE_EQ(ncp_pool_stats(play->pool[i], value, NCP_COUNTER_COUNT),
                   NCP_OK);
        /* A pool without statistics says nothing. */
        snapshot_check(value, 0, 0);
        snapshot_check_order(play->before[i], value);
        memcpy(play->before[i], value, sizeof(value));
        REQUIRE(ncp_pool_waiting_count(play->pool[i]) >= 0);
    }
}

static void step(struct play *play)
{
    static void (*const moves[])(struct play *) = {
        play_config,  make_pool,   play_get,   play_get,   play_end,
        play_end,     play_lease,  play_pool,  play_look,  play_acquire,
        play_acquire, play_answer, play_queue, play_queue, play_guard,
    };
    uint8_t which = byte(play);

    if (which >= 250)
        play->fails = which & 1;
    else
        moves[which % (sizeof(moves) / sizeof(moves[0]))](play);
    check(play);
}

static void begin(struct play *play)
{
    for (int i = 0; i < QUEUES; i++)
        REQUIRE_EQ(ncp_queue_new(&play->queue[i]), NCP_OK);
    play->config[0] = new_config(play, NCP_MODE_CLIENT, NCP_DRIVER_PUSH);
    play->config[1] = new_config(play, NCP_MODE_CLIENT, NCP_DRIVER_PULL);
    for (int i = 0; i < 2; i++) {
        tame(play->config[i]);
        if (ncp_pool_new(play->config[i], &play->pool[i]) != NCP_OK)
            expect_failed(__FILE__, __LINE__,
                          ncp_config_reason(play->config[i]), 0, 0, false);
    }
}

static void end(struct play *play)
{
    play->fails = false;
    for (int i = 0; i < GUARDS; i++)
        ncp_guard_fire(play->guard[i]);
    for (int i = 0; i < POOLS; i++)
        retire(play, play->pool[i]);
    for (int i = 0; i < CONFIGS; i++)
        ncp_config_free(play->config[i]);
    for (int i = 0; i < CANCELS; i++)
        ncp_cancel_free(play->cancel[i]);
    settle(play);
    for (int i = 0; i < QUEUES; i++)
        ncp_queue_free(play->queue[i]);
    world_require_empty(play->world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct play play;

    memset(&play, 0, sizeof(play));
    play.input = (struct input){data, size};
    play.world = world_new(WORLD_PEERS);
    atomic_store(&play.world->may_take_away, true);
    begin(&play);
    for (int i = 0; i < STEPS && play.input.left > 0; i++)
        step(&play);
    end(&play);
    world_free(play.world);
    return 0;
}
