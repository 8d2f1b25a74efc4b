/*
 * An allocator that runs dry at a chosen allocation and counts what is live.
 */
#ifndef CONFIG_MEMORY_H
#define CONFIG_MEMORY_H

#include <stdlib.h>

static long memory_left = -1; /* allocations that succeed; below 0 all */
static long memory_live;

static inline void *memory_take(size_t size)
{
    if (memory_left == 0)
        return NULL;
    memory_left -= memory_left > 0;
    void *memory = malloc(size);
    memory_live += memory != NULL;
    return memory;
}

static inline void memory_give(void *memory)
{
    memory_live -= memory != NULL;
    free(memory);
}

static inline void *memory_alloc(void *user, size_t size)
{
    (void)user;
    return memory_take(size);
}

static inline void memory_release(void *user, void *memory)
{
    (void)user;
    memory_give(memory);
}

#endif
