#include "engine/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ------------------------------------------------------------------ assert */

void ncp__assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "netconnpool: invariant broken: %s (%s:%d)\n", condition,
            file, line);
    abort();
}

/* ------------------------------------------------------------------ memory */

static struct {
    ncp_alloc_fn alloc; /* NULL: malloc and free */
    ncp_release_fn release;
    void *user;
    atomic_size_t blocks; /* in use: the allocator may change only at 0 */
} memory;

int ncp_set_allocator(ncp_alloc_fn alloc, ncp_release_fn release, void *user)
{
    if ((alloc == NULL) != (release == NULL))
        return NCP_EINVAL;
    if (atomic_load_explicit(&memory.blocks, memory_order_relaxed) != 0)
        return NCP_ESTATE;
    memory.alloc = alloc;
    memory.release = release;
    memory.user = user;
    return NCP_OK;
}

static void *allocate(size_t size)
{
    void *block =
        memory.alloc != NULL ? memory.alloc(memory.user, size) : malloc(size);
    if (block != NULL)
        atomic_fetch_add_explicit(&memory.blocks, 1, memory_order_relaxed);
    return block;
}

void *ncp__alloc(size_t size)
{
    void *block = allocate(size);
    if (block != NULL)
        memset(block, 0, size);
    return block;
}

void ncp__free(void *block)
{
    if (block == NULL)
        return;
    if (memory.release != NULL)
        memory.release(memory.user, block);
    else
        free(block);
    atomic_fetch_sub_explicit(&memory.blocks, 1, memory_order_relaxed);
}

void *ncp__alloc_aligned(size_t size, size_t alignment)
{
    /* The block begins with room for the pointer to give back. */
    char *block = allocate(size + alignment + sizeof(void *));
    if (block == NULL)
        return NULL;
    uintptr_t at = (uintptr_t)block + sizeof(void *);
    at = (at + alignment - 1) & ~(uintptr_t)(alignment - 1);
    memcpy((char *)at - sizeof(void *), &block, sizeof(void *));
    memset((void *)at, 0, size);
    return (void *)at;
}

void ncp__free_aligned(void *aligned)
{
    if (aligned == NULL)
        return;
    void *block;
    memcpy(&block, (char *)aligned - sizeof(void *), sizeof(void *));
    ncp__free(block);
}

char *ncp__strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = ncp__alloc(size);
    if (copy != NULL)
        memcpy(copy, text, size);
    return copy;
}

/* ------------------------------------------------------------------- clock */

static uint64_t clock_ns(clockid_t which)
{
    struct timespec now;
    clock_gettime(which, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

uint64_t ncp__monotonic_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t ncp__monotonic_coarse_ns(void)
{
#ifdef CLOCK_MONOTONIC_COARSE
    return clock_ns(CLOCK_MONOTONIC_COARSE);
#else
    return clock_ns(CLOCK_MONOTONIC);
#endif
}

/* ------------------------------------------------------------------ processors */

uint32_t ncp__processors(void)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);

    return online < 1 ? 1 : (uint32_t)online;
}
