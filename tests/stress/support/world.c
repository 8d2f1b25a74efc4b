#include "world.h"

#include <stdlib.h>

enum { INDEX_BITS = 14 };

#define WORD(generation, open, owners)                                         \
    ((uint64_t)(generation) << 16 | (uint64_t)(open) << 8 | (uint64_t)(owners))
#define GENERATION(word) ((word) >> 16)
#define OPEN(word) ((word) >> 8 & 0xff)
#define OWNERS(word) ((word)&0xff)

_Static_assert(WORLD_PEERS == 1 << INDEX_BITS, "the index fits the handle");

struct world *world_new(long limit)
{
    struct world *world = calloc(1, sizeof(*world));

    REQUIRE(world != NULL);
    REQUIRE_EQ(pthread_mutex_init(&world->lock, NULL), 0);
    atomic_init(&world->limit, limit);
    for (uint32_t i = 0; i < WORLD_PEERS; i++)
        world->free_peer[i] = WORLD_PEERS - 1 - i;
    world->free_count = WORLD_PEERS;
    return world;
}

void world_free(struct world *world)
{
    pthread_mutex_destroy(&world->lock);
    free(world);
}

static struct world_peer *peer_of(struct world *world, uint64_t handle)
{
    REQUIRE(handle != 0);
    return &world->peer[handle & (WORLD_PEERS - 1)];
}

static uint64_t word_of(struct world *world, uint64_t handle)
{
    return atomic_load_explicit(&peer_of(world, handle)->word,
                                memory_order_relaxed);
}

static bool swap(struct world_peer *peer, uint64_t *seen, uint64_t next)
{
    return atomic_compare_exchange_weak_explicit(
        &peer->word, seen, next, memory_order_relaxed, memory_order_relaxed);
}

void world_dial(struct world *world)
{
    long open = atomic_fetch_add(&world->open, 1) + 1;
    long limit = atomic_load(&world->limit);

    if (open > limit)
        expect_failed(__FILE__, __LINE__, "open + dialing <= max", open, limit,
                      true);
}

void world_dial_failed(struct world *world)
{
    atomic_fetch_sub(&world->open, 1);
}

uint64_t world_open(struct world *world, int protocol, int ip)
{
    pthread_mutex_lock(&world->lock);
    REQUIRE(world->free_count > 0);
    uint32_t index = world->free_peer[--world->free_count];
    pthread_mutex_unlock(&world->lock);

    struct world_peer *peer = &world->peer[index];
    uint64_t word = atomic_load_explicit(&peer->word, memory_order_relaxed);
    uint64_t generation = GENERATION(word) + 1;
    REQUIRE(!OPEN(word) && !OWNERS(word));
    peer->protocol = protocol;
    peer->ip = ip;
    peer->scratch = 0;
    atomic_store_explicit(&peer->word, WORD(generation, 1, 0),
                          memory_order_relaxed);
    atomic_fetch_add(&world->opened, 1);
    return generation << INDEX_BITS | index;
}

bool world_has_room(struct world *world)
{
    pthread_mutex_lock(&world->lock);
    bool room = world->free_count > 0;
    pthread_mutex_unlock(&world->lock);
    return room;
}

void world_close(struct world *world, uint64_t handle)
{
    struct world_peer *peer = peer_of(world, handle);
    uint64_t word = word_of(world, handle);
    bool may_take_away = atomic_load(&world->may_take_away);

    do {
        REQUIRE_EQ(GENERATION(word), handle >> INDEX_BITS);
        REQUIRE_EQ(OPEN(word), 1); /* else it is closed a second time */
        if (!may_take_away)
            REQUIRE_EQ(OWNERS(word), 0); /* else it is closed under its owner */
    } while (!swap(peer, &word, WORD(GENERATION(word), 0, 0)));
    if (!may_take_away)
        peer->scratch++;
    pthread_mutex_lock(&world->lock);
    world->free_peer[world->free_count++] = (uint32_t)(peer - world->peer);
    pthread_mutex_unlock(&world->lock);
    atomic_fetch_sub(&world->open, 1);
    /* Last: who has seen all of them closed may free the world. */
    atomic_fetch_add(&world->closed, 1);
}

void world_own(struct world *world, uint64_t handle)
{
    struct world_peer *peer = peer_of(world, handle);
    uint64_t word = word_of(world, handle);

    do {
        /* Taken away between the borrow and now: nobody's any more. */
        if (atomic_load(&world->may_take_away) &&
            (GENERATION(word) != handle >> INDEX_BITS || !OPEN(word)))
            return;
        REQUIRE_EQ(GENERATION(word), handle >> INDEX_BITS);
        REQUIRE_EQ(OPEN(word), 1);   /* else a closed connection was lent */
        REQUIRE_EQ(OWNERS(word), 0); /* else it has two owners */
    } while (!swap(peer, &word, word + 1));
}

bool world_disown(struct world *world, uint64_t handle)
{
    struct world_peer *peer = peer_of(world, handle);
    uint64_t word = word_of(world, handle);

    do {
        bool taken = GENERATION(word) != handle >> INDEX_BITS || !OPEN(word);
        if (taken && atomic_load(&world->may_take_away))
            return false;
        REQUIRE(!taken);
        REQUIRE_EQ(OWNERS(word), 1);
    } while (!swap(peer, &word, word - 1));
    return true;
}

void world_touch(struct world *world, uint64_t handle)
{
    if (!atomic_load(&world->may_take_away))
        peer_of(world, handle)->scratch++;
}

bool world_is_open(struct world *world, uint64_t handle)
{
    uint64_t word = word_of(world, handle);
    return GENERATION(word) == handle >> INDEX_BITS && OPEN(word);
}

int world_protocol(struct world *world, uint64_t handle)
{
    return peer_of(world, handle)->protocol;
}

int world_ip(struct world *world, uint64_t handle)
{
    return peer_of(world, handle)->ip;
}

void world_require_empty(struct world *world)
{
    REQUIRE_SOON(atomic_load(&world->open) == 0);
    REQUIRE_EQ(atomic_load(&world->closed), atomic_load(&world->opened));
    for (uint32_t i = 0; i < WORLD_PEERS; i++) {
        uint64_t word = atomic_load(&world->peer[i].word);
        REQUIRE_EQ(OPEN(word), 0);
        REQUIRE_EQ(OWNERS(word), 0);
    }
}

int world_dialer(void *user, ncp_dial *dial)
{
    struct world *world = user;
    int protocol = ncp_dial_protocol(dial);
    int ip = ncp_dial_ip(dial);

    world_dial(world);
    protocol = protocol ? protocol : NCP_PROTOCOL_TCP;
    ip = ip ? ip : NCP_IP_V4;
    return ncp_dial_done(dial, world_open(world, protocol, ip), -1, protocol,
                         ip);
}

int world_closer(void *user, const ncp_conn *conn, int reason)
{
    (void)reason;
    world_close(user, ncp_conn_handle(conn));
    return NCP_OK;
}

void world_store(ncp_config *config)
{
    const char *store = getenv("NCP_TEST_STORE");

    if (store != NULL)
        REQUIRE_EQ(ncp_config_set(config, "store", store), NCP_OK);
}
