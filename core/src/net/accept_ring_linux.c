/* An accept by io_uring: an accept and its cancellation, handed in together.
 * The accept ends at once, with a client or with ECANCELED. The ring lives for
 * one call: that costs some microseconds for a listener that blocks and leaves
 * nothing behind for a fork or for the end of a thread.
 *
 * When the kernel takes the ring down it interrupts the thread that used it: a
 * wait with a timeout may then end with EINTR as after SIGSTOP and SIGCONT
 * (signal(7)). The waits of this library go on. */
#ifdef __linux__

#include "net/accept_now.h"

#include "engine/base.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ACCEPT_TAG = 1, CANCEL_TAG = 2, RING_ENTRIES = 2 };

struct ring {
    int fd;
    struct io_uring_params params;
    unsigned char *queues; /* both queues in one mapping */
    size_t queues_size;
    struct io_uring_sqe *entries;
    size_t entries_size;
};

/* Set for good when the system has no io_uring for us. */
static atomic_bool ring_refused;

static bool map_ring(struct ring *ring)
{
    const struct io_uring_params *p = &ring->params;
    size_t submit = p->sq_off.array + p->sq_entries * sizeof(unsigned);
    size_t complete =
        p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
    void *map;

    ring->queues_size = submit > complete ? submit : complete;
    map = mmap(NULL, ring->queues_size, PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQ_RING);
    if (map == MAP_FAILED)
        return false;
    ring->queues = map;

    ring->entries_size = p->sq_entries * sizeof(struct io_uring_sqe);
    map = mmap(NULL, ring->entries_size, PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQES);
    if (map == MAP_FAILED)
        return false;
    ring->entries = map;
    return true;
}

static void close_ring(struct ring *ring)
{
    if (ring->entries != NULL)
        munmap(ring->entries, ring->entries_size);
    if (ring->queues != NULL)
        munmap(ring->queues, ring->queues_size);
    close(ring->fd);
}

static bool open_ring(struct ring *ring)
{
    long fd = syscall(SYS_io_uring_setup, RING_ENTRIES, &ring->params);

    if (fd < 0) {
        if (errno == ENOSYS || errno == EPERM || errno == EACCES)
            atomic_store_explicit(&ring_refused, true, memory_order_relaxed);
        return false;
    }
    ring->fd = (int)fd;
    if ((ring->params.features & IORING_FEAT_SINGLE_MMAP) && map_ring(ring))
        return true;
    close_ring(ring);
    return false;
}

static _Atomic unsigned *queue_word(const struct ring *ring, unsigned offset)
{
    return (_Atomic unsigned *)(void *)(ring->queues + offset);
}

static void fill_entries(struct ring *ring, int listener_fd)
{
    const struct io_sqring_offsets *at = &ring->params.sq_off;
    unsigned *order = (unsigned *)(void *)(ring->queues + at->array);

    ring->entries[0] = (struct io_uring_sqe){.opcode = IORING_OP_ACCEPT,
                                             .fd = listener_fd,
                                             .accept_flags = SOCK_CLOEXEC,
                                             .user_data = ACCEPT_TAG};
    ring->entries[1] = (struct io_uring_sqe){.opcode = IORING_OP_ASYNC_CANCEL,
                                             .fd = -1,
                                             .addr = ACCEPT_TAG,
                                             .user_data = CANCEL_TAG};
    order[0] = 0;
    order[1] = 1;
    /* Pairs with the acquire of the kernel, which reads the entries then. */
    atomic_store_explicit(queue_word(ring, at->tail), RING_ENTRIES,
                          memory_order_release);
}

static unsigned completed(const struct ring *ring)
{
    /* Pairs with the release of the kernel, which wrote the results before. */
    return atomic_load_explicit(queue_word(ring, ring->params.cq_off.tail),
                                memory_order_acquire);
}

/* Both results must be there: an accept that was handed in must not be left to
 * its fate, it may hold a client. */
static bool submit(const struct ring *ring)
{
    unsigned handed_in = 0;

    while (completed(ring) < RING_ENTRIES) {
        long n = syscall(SYS_io_uring_enter, ring->fd, RING_ENTRIES - handed_in,
                         RING_ENTRIES, IORING_ENTER_GETEVENTS, NULL, 0);
        if (n > 0)
            handed_in += (unsigned)n;
        if (n < 0 && errno != EINTR && handed_in == 0)
            return false;
    }
    return true;
}

static int accept_result(const struct ring *ring)
{
    const struct io_uring_cqe *results =
        (const struct io_uring_cqe *)(const void *)(ring->queues +
                                                    ring->params.cq_off.cqes);

    for (int i = 0; i < RING_ENTRIES; i++)
        if (results[i].user_data == ACCEPT_TAG)
            return results[i].res;
    return -ENOSYS;
}

/* Failures that the ring may have for itself, without accept(2) having them. */
static bool is_of_ring(int result)
{
    return result == -EINVAL || result == -EMFILE || result == -ENFILE ||
           result == -ENOMEM || result == -EOPNOTSUPP;
}

int ncp__accept_ring(int listener_fd)
{
    struct ring ring = {0};
    int result = -ENOSYS;

    if (atomic_load_explicit(&ring_refused, memory_order_relaxed) ||
        !open_ring(&ring))
        return -ENOSYS;
    fill_entries(&ring, listener_fd);
    if (submit(&ring))
        result = accept_result(&ring);
    close_ring(&ring);
    if (result == -ECANCELED)
        return -EAGAIN;
    return is_of_ring(result) ? -ENOSYS : result;
}

#endif
