/* Who borrowed: the stack of a get, kept while the lease is out. For finding
 * leaks; costs a microsecond or more a get. */
#include "pool/pool.h"

#if defined(__GLIBC__) || defined(__APPLE__)
#include <execinfo.h>
#define NCP__HAS_BACKTRACE 1
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES = 24, SKIPPED = 1 /* ncp__stack_keep */ };

struct frames {
    int count;
    void *frame[FRAMES];
};

/* By slot; guarded by the engine's lock. */
struct ncp__stacks {
    uint32_t room;
    struct frames *of;
};

static int capture(struct frames *frames)
{
#ifdef NCP__HAS_BACKTRACE
    frames->count = backtrace(frames->frame, FRAMES);
#else
    frames->count = 0;
#endif
    return frames->count;
}

static bool make_room(ncp_pool *pool, uint32_t index)
{
    struct ncp__stacks *stacks = pool->stacks;
    uint32_t room = (index / NCP__CHUNK_SLOTS + 1) * NCP__CHUNK_SLOTS;

    if (stacks == NULL) {
        stacks = ncp__alloc(sizeof(*stacks));
        if (stacks == NULL)
            return false;
        pool->stacks = stacks;
    }
    if (index < stacks->room)
        return true;
    struct frames *of = ncp__alloc(room * sizeof(*of));
    if (of == NULL)
        return false;
    if (stacks->room != 0)
        memcpy(of, stacks->of, stacks->room * sizeof(*of));
    ncp__free(stacks->of);
    stacks->of = of;
    stacks->room = room;
    return true;
}

void ncp__stack_keep(ncp_pool *pool, uint32_t index)
{
    struct frames frames;

    if (capture(&frames) == 0)
        return;
    ncp__engine_lock(&pool->engine);
    if (make_room(pool, index))
        pool->stacks->of[index] = frames;
    ncp__engine_unlock(&pool->engine);
}

void ncp__stack_free(ncp_pool *pool)
{
    if (pool->stacks != NULL)
        ncp__free(pool->stacks->of);
    ncp__free(pool->stacks);
}

static int frames_text(const struct frames *frames, char *buffer, size_t size)
{
    size_t length = 0;

#ifdef NCP__HAS_BACKTRACE
    char **names = backtrace_symbols(frames->frame, frames->count);
    for (int i = SKIPPED; names != NULL && i < frames->count; i++) {
        size_t left = length < size ? size - length : 0;
        length += (size_t)snprintf(left != 0 ? buffer + length : NULL, left,
                                   "%s\n", names[i]);
    }
    free(names);
#else
    (void)frames;
#endif
    if (length == 0 && size != 0)
        buffer[0] = '\0';
    return (int)length;
}

int ncp__stack_text(const ncp_pool *pool, uint32_t index, char *buffer,
                    size_t size)
{
    struct frames frames = {0, {NULL}};
    struct ncp__engine *engine = ncp__pool_engine(pool);

    ncp__engine_lock(engine);
    if (pool->stacks != NULL && index < pool->stacks->room)
        frames = pool->stacks->of[index];
    ncp__engine_unlock(engine);
    return frames_text(&frames, buffer, size);
}
