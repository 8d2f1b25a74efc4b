/* What can be asked and said of a connection while it is borrowed. */
#include "pool/pool.h"

#include <stdlib.h>

struct ncp__slot *ncp__lease_slot(const ncp_pool *pool, ncp_lease lease)
{
    struct ncp__slot *slot = ncp__slot_of(&pool->engine.slots, lease);
    uint64_t word = ncp__word(ncp__token_generation(lease), NCP__LEASED);

    if (slot == NULL ||
        atomic_load_explicit(&slot->word, memory_order_acquire) != word)
        return NULL;
    return slot;
}

/* ------------------------------------------------------------------------ facts */

static bool is_leased(const struct ncp__slot *slot)
{
    return ncp__word_state(atomic_load_explicit(
               &slot->word, memory_order_relaxed)) == NCP__LEASED;
}

static uint64_t since(const struct ncp_conn *conn, uint64_t at_ns)
{
    uint64_t now_ns = ncp__engine_now(&conn->pool->engine);

    return now_ns > at_ns ? now_ns - at_ns : 0;
}

static uint64_t touched(const struct ncp_conn *conn)
{
    return atomic_load_explicit(&conn->slot->touched_ns, memory_order_relaxed);
}

static bool has_flag(const struct ncp_conn *conn, uint8_t flag)
{
    return (atomic_load_explicit(&conn->slot->flags, memory_order_relaxed) &
            flag) != 0;
}

static uint64_t fact_handle(const struct ncp_conn *conn)
{
    return conn->slot->handle;
}

static uint64_t fact_fd(const struct ncp_conn *conn)
{
    return (uint64_t)(int64_t)ncp__cold(conn->slot)->fd;
}

static uint64_t fact_id(const struct ncp_conn *conn)
{
    return ncp__cold(conn->slot)->id;
}

static uint64_t fact_protocol(const struct ncp_conn *conn)
{
    return ncp__cold(conn->slot)->protocol;
}

static uint64_t fact_ip(const struct ncp_conn *conn)
{
    return ncp__cold(conn->slot)->ip;
}

static uint64_t fact_age(const struct ncp_conn *conn)
{
    return since(conn, ncp__cold(conn->slot)->created_ns);
}

static uint64_t fact_idle(const struct ncp_conn *conn)
{
    return is_leased(conn->slot) ? 0 : since(conn, touched(conn));
}

static uint64_t fact_reuse(const struct ncp_conn *conn)
{
    uint32_t gets =
        (uint32_t)atomic_load_explicit(&conn->slot->gets, memory_order_relaxed);

    return (uint32_t)(gets - ncp__cold(conn->slot)->gets_base) +
           (uint64_t)ncp__cold(conn->slot)->slow_gets;
}

static uint64_t fact_in_use(const struct ncp_conn *conn)
{
    return is_leased(conn->slot);
}

static uint64_t fact_healthy(const struct ncp_conn *conn)
{
    return !has_flag(conn, NCP__FLAG_UNHEALTHY);
}

static uint64_t fact_leak(const struct ncp_conn *conn)
{
    return has_flag(conn, NCP__FLAG_LEAK_SEEN);
}

static uint64_t fact_borrowed(const struct ncp_conn *conn)
{
    return is_leased(conn->slot) ? since(conn, touched(conn)) : 0;
}

static uint64_t fact_tag(const struct ncp_conn *conn)
{
    return has_flag(conn, NCP__FLAG_TAGGED)
               ? __atomic_load_n(&conn->slot->of.tag, __ATOMIC_RELAXED)
               : 0;
}

static uint64_t fact_created_at(const struct ncp_conn *conn)
{
    return ncp__cold(conn->slot)->created_ns;
}

static uint64_t fact_checked_at(const struct ncp_conn *conn)
{
    return ncp__cold(conn->slot)->checked_ns;
}

static uint64_t fact_lease(const struct ncp_conn *conn)
{
    uint64_t word =
        atomic_load_explicit(&conn->slot->word, memory_order_relaxed);

    return is_leased(conn->slot)
               ? ncp__token(ncp__word_generation(word), conn->index)
               : 0;
}

static uint64_t (*const facts[])(const struct ncp_conn *conn) = {
    [NCP_INFO_HANDLE] = fact_handle,
    [NCP_INFO_FD] = fact_fd,
    [NCP_INFO_ID] = fact_id,
    [NCP_INFO_PROTOCOL] = fact_protocol,
    [NCP_INFO_IP] = fact_ip,
    [NCP_INFO_AGE_NS] = fact_age,
    [NCP_INFO_IDLE_NS] = fact_idle,
    [NCP_INFO_REUSE_COUNT] = fact_reuse,
    [NCP_INFO_IN_USE] = fact_in_use,
    [NCP_INFO_HEALTHY] = fact_healthy,
    [NCP_INFO_LEAK_DETECTED] = fact_leak,
    [NCP_INFO_BORROWED_NS] = fact_borrowed,
    [NCP_INFO_TAG] = fact_tag,
    [NCP_INFO_CREATED_AT_NS] = fact_created_at,
    [NCP_INFO_LAST_USED_AT_NS] = touched,
    [NCP_INFO_LAST_CHECK_AT_NS] = fact_checked_at,
    [NCP_INFO_LEASE] = fact_lease,
};

int ncp_conn_info(const ncp_conn *conn, int info, uint64_t *out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = 0;
    if (conn == NULL)
        return NCP_EINVAL;
    if (info < 0 || (size_t)info >= sizeof(facts) / sizeof(facts[0]) ||
        facts[info] == NULL)
        return NCP_ENOTFOUND;
    *out = facts[info](conn);
    return NCP_OK;
}

uint64_t ncp_conn_handle(const ncp_conn *conn)
{
    return conn == NULL ? 0 : conn->slot->handle;
}

int ncp_conn_set_handle(const ncp_conn *conn, uint64_t handle)
{
    if (conn == NULL)
        return NCP_EINVAL;
    if (ncp__state_of(conn->slot) != NCP__CREATING)
        return NCP_ESTATE;
    conn->slot->handle = handle;
    return NCP_OK;
}

int ncp_conn_fd(const ncp_conn *conn)
{
    return conn == NULL ? -1 : ncp__cold(conn->slot)->fd;
}

uint64_t ncp_conn_id(const ncp_conn *conn)
{
    return conn == NULL ? 0 : ncp__cold(conn->slot)->id;
}

int ncp_lease_info(const ncp_pool *pool, ncp_lease lease, int info,
                   uint64_t *out)
{
    struct ncp_conn conn = {pool, NULL, ncp__token_index(lease)};

    if (out == NULL)
        return NCP_EINVAL;
    *out = 0;
    if (pool == NULL)
        return NCP_EINVAL;
    /* Whoever asks may not be the borrower: under the lock a slot does not change
     * hands. */
    struct ncp__engine *engine = ncp__pool_engine(pool);
    ncp__engine_lock(engine);
    conn.slot = ncp__lease_slot(pool, lease);
    int rc =
        conn.slot == NULL ? NCP_EINVALIDCONN : ncp_conn_info(&conn, info, out);
    ncp__engine_unlock(engine);
    return rc;
}

int ncp_lease_fd(const ncp_pool *pool, ncp_lease lease)
{
    if (pool == NULL)
        return NCP_EINVAL;
    struct ncp__slot *slot = ncp__lease_slot(pool, lease);
    return slot == NULL ? NCP_EINVALIDCONN : ncp__cold(slot)->fd;
}

int ncp_lease_keeps(const ncp_pool *pool, ncp_lease lease)
{
    if (pool == NULL)
        return NCP_EINVAL;
    const struct ncp__slot *slot = ncp__lease_slot(pool, lease);
    if (slot == NULL)
        return NCP_EINVALIDCONN;
    if (ncp__engine_closed(&pool->engine))
        return NCP_REASON_POOL_CLOSED;
    return ncp__engine_expired(&pool->engine, slot,
                               ncp__engine_now(&pool->engine), true);
}

int ncp_lease_handle(const ncp_pool *pool, ncp_lease lease, uint64_t *out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = 0;
    if (pool == NULL)
        return NCP_EINVAL;
    struct ncp__slot *slot = ncp__lease_slot(pool, lease);
    if (slot == NULL)
        return NCP_EINVALIDCONN;
    *out = slot->handle;
    return NCP_OK;
}

/* ---------------------------------------------------------------------- changes */

int ncp_lease_set_healthy(ncp_pool *pool, ncp_lease lease, int healthy)
{
    if (pool == NULL)
        return NCP_EINVAL;
    struct ncp__slot *slot = ncp__lease_slot(pool, lease);
    if (slot == NULL)
        return NCP_EINVALIDCONN;
    if (healthy != 0)
        atomic_fetch_and_explicit(&slot->flags, (uint8_t)~NCP__FLAG_UNHEALTHY,
                                  memory_order_relaxed);
    else
        atomic_fetch_or_explicit(&slot->flags, NCP__FLAG_UNHEALTHY,
                                 memory_order_relaxed);
    return NCP_OK;
}

int ncp_lease_set_tag(ncp_pool *pool, ncp_lease lease, uint64_t tag)
{
    if (pool == NULL)
        return NCP_EINVAL;
    struct ncp__slot *slot = ncp__lease_slot(pool, lease);
    if (slot == NULL)
        return NCP_EINVALIDCONN;
    __atomic_store_n(&slot->of.tag, tag, __ATOMIC_RELAXED);
    atomic_fetch_or_explicit(&slot->flags, NCP__FLAG_TAGGED,
                             memory_order_release);
    return NCP_OK;
}

int ncp_lease_renew(ncp_pool *pool, ncp_lease lease, uint64_t handle, int fd,
                    int protocol, int ip)
{
    struct ncp__made made = ncp__made(handle, fd, protocol, ip);

    made.datagram = ncp__is_datagram(fd);
    if (pool == NULL)
        return NCP_EINVAL;
    if (ncp__lease_slot(pool, lease) == NULL)
        return NCP_EINVALIDCONN;
    ncp__engine_renew(&pool->engine, ncp__token_index(lease), &made,
                      ncp__engine_now(&pool->engine));
    return NCP_OK;
}

/* ------------------------------------------------------------------------ lists */

struct borrowed {
    ncp_lease lease;
    uint64_t since_ns;
};

static int by_age(const void *a, const void *b)
{
    const struct borrowed *x = a, *y = b;

    return (x->since_ns > y->since_ns) - (x->since_ns < y->since_ns);
}

/* What is out, as each slot is looked at; `list` may be NULL. */
static size_t collect(const ncp_pool *pool, struct borrowed *list, size_t room)
{
    uint32_t slots =
        ncp__chunk_count(&pool->engine.slots) * (uint32_t)NCP__CHUNK_SLOTS;
    size_t count = 0;

    for (uint32_t i = 0; i < slots; i++) {
        const struct ncp__slot *slot = ncp__engine_slot(&pool->engine, i);
        uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
        if (ncp__word_state(word) != NCP__LEASED)
            continue;
        if (count < room)
            list[count] = (struct borrowed){
                ncp__token(ncp__word_generation(word), i),
                atomic_load_explicit(&slot->touched_ns, memory_order_relaxed)};
        count++;
    }
    return count;
}

int ncp_pool_leases(const ncp_pool *pool, ncp_lease *leases, size_t capacity,
                    size_t *out)
{
    if (out == NULL)
        return NCP_EINVAL;
    *out = 0;
    if (pool == NULL || (leases == NULL && capacity != 0))
        return NCP_EINVAL;
    size_t room = collect(pool, NULL, 0);
    struct borrowed *list = ncp__alloc((room + 1) * sizeof(*list));
    if (list == NULL)
        return NCP_ENOMEM;
    *out = collect(pool, list, room);
    room = *out < room ? *out : room;
    qsort(list, room, sizeof(*list), by_age);
    for (size_t i = 0; i < room && i < capacity; i++)
        leases[i] = list[i].lease;
    if (room<capacity && * out> room)
        *out = room; /* more were borrowed while we looked */
    ncp__free(list);
    return NCP_OK;
}

int ncp_lease_stack(const ncp_pool *pool, ncp_lease lease, char *buffer,
                    size_t size)
{
    if (pool == NULL || (buffer == NULL && size != 0))
        return NCP_EINVAL;
    if (size != 0)
        buffer[0] = '\0';
    const struct ncp__slot *slot = ncp__lease_slot(pool, lease);
    if (slot == NULL)
        return NCP_EINVALIDCONN;
    if ((atomic_load_explicit(&slot->flags, memory_order_relaxed) &
         NCP__FLAG_STACK) == 0)
        return 0;
    return ncp__stack_text(pool, ncp__token_index(lease), buffer, size);
}
