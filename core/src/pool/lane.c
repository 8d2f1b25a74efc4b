/* Lanes: see lane.h. */
#include "pool/lane.h"
#include "pool/pull.h"
#include "pool/quick.h"

#define SAME(name)                                                             \
    _Static_assert(offsetof(struct ncp__lane_slot, name) ==                    \
                       offsetof(struct ncp__slot, name),                       \
                   "a lane sees the slot as it is: " #name)

SAME(word);
SAME(handle);
SAME(gets);
SAME(touched_ns);
SAME(lifetime_end_ns);
SAME(epoch);
SAME(flags);
SAME(where);
SAME(next);
SAME(stamp);
SAME(cold_after);
_Static_assert(sizeof(struct ncp__lane_slot) == sizeof(struct ncp__slot),
               "and is as long");
_Static_assert(offsetof(struct ncp__lane_cold, idle_limit_ns) ==
                   offsetof(struct ncp__cold, idle_limit_ns),
               "and sees its cold part as it is");
_Static_assert(offsetof(struct ncp__chunk, slots) == 0, "slots come first");
_Static_assert((int)NCP__LANE_IDLE == (int)NCP__IDLE &&
                   (int)NCP__LANE_LEASED == (int)NCP__LEASED &&
                   (int)NCP__LANE_STATE_BITS == (int)NCP__STATE_BITS &&
                   (int)NCP__LANE_SLOT_BITS == (int)NCP__SLOT_BITS &&
                   (int)NCP__LANE_GENERATION_BITS ==
                       (int)NCP__GENERATION_BITS &&
                   (int)NCP__LANE_CHUNK_SLOTS == (int)NCP__CHUNK_SLOTS &&
                   (int)NCP__LANE_TOLD == (int)NCP__GATE_TOLD &&
                   (int)NCP__LANE_WAITER == (int)NCP__GATE_WAITER &&
                   (int)NCP__LANE_PUT_STOP == (int)NCP__FLAGS_ODD &&
                   (int)NCP__LANE_SAMPLE_EVERY == (int)NCP__LATENCY_EVERY,
               "a lane goes by the numbers of the core");

/* One shard, newest first, nothing to be done at a get or a put: as most pools
 * are. */
static bool has_lane(const ncp_pool *pool)
{
    const struct ncp__engine *engine = &pool->engine;

    return pool->pull && pool->quick == (NCP__QUICK_GET | NCP__QUICK_PUT) &&
           engine->idle.list == NULL && engine->idle.shard_mask == 0 &&
           !engine->idle.fifo && engine->clock == NULL;
}

bool ncp__lane_open(ncp_pool *pool, struct ncp__lane *lane)
{
    struct ncp__engine *engine = &pool->engine;
    struct ncp__idle *idle = &engine->idle;

    if (!has_lane(pool))
        return false;
    *lane = (struct ncp__lane){
        .gate64 = &engine->gate,
        .get_mask64 = &engine->get_mask,
        .epoch32 = &engine->epoch,
        .chunks32 = &engine->slots.chunks,
        .table = &engine->slots.table,
        .chunk_idle64 = offsetof(struct ncp__chunk, idle),
        .order32 = &idle->shards->order,
        .first32 = idle->shards->first,
        .kinds32 = &idle->kinds,
        .quick32 = &idle->quick,
        .fitting = ncp__fitting,
        .get_stop = pool->quick_stop,
    };
    return true;
}

void ncp__lane_sample(void)
{
    ncp__get_sample_next();
}

int ncp__lane_serve(ncp_pool *pool, ncp_queue *queue, ncp_event *events,
                    int max)
{
    return ncp__release_serve(pool, queue, events, max);
}
