/*
 * The dialers and acceptors of the scenarios, as their key `dial` says.
 */
#include "runner.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char DIAL_KEYS[] =
    "type sequence cycle by_hint fail_first fail_always as_user delay_ms heed "
    "record hints call code text detect";

static enum conn_type type_by_hint(int protocol, int ip)
{
    if (protocol == NCP_PROTOCOL_UDP)
        return ip == NCP_IP_V6 ? CONN_UDP6 : CONN_UDP4;
    return ip == NCP_IP_V6 ? CONN_TCP6 : CONN_TCP4;
}

/* What dial number `n` is to become. */
static enum conn_type type_of_dial(const json_t *spec, int n, int protocol,
                                   int ip)
{
    if (bool_at(spec, "fail_always") || n < int_at(spec, "fail_first", 0))
        return CONN_FAIL;
    const json_t *sequence = json_object_get(spec, "sequence");
    size_t length = json_array_size(sequence);
    if (length > 0) {
        size_t at = (size_t)n;
        if (at >= length)
            at = bool_at(spec, "cycle") ? at % length : length - 1;
        return conn_type_of(json_string_value(json_array_get(sequence, at)));
    }
    if (bool_at(spec, "by_hint"))
        return type_by_hint(protocol, ip);
    return conn_type_of(text_at(spec, "type", "tcp4"));
}

static int64_t delay_of(const json_t *spec, int n)
{
    const json_t *delay = json_object_get(spec, "delay_ms");
    if (!json_is_array(delay))
        return int_at(spec, "delay_ms", 0);
    size_t at = (size_t)n, length = json_array_size(delay);
    return json_integer_value(
        json_array_get(delay, at < length ? at : length - 1));
}

static void note_hint(const ncp_dial *dial)
{
    pthread_mutex_lock(&scene.lock);
    if (scene.hint_count < RUN_HINTS) {
        struct hint *hint = &scene.hints[scene.hint_count++];
        hint->protocol = ncp_dial_protocol(dial);
        hint->ip = ncp_dial_ip(dial);
        hint->deadline_ms = ncp_dial_deadline_ms(dial);
        hint->timeout_ms = ncp_dial_timeout_ms(dial);
        hint->attempt = ncp_dial_attempt(dial);
        hint->at_ms = clock_since_start_ms();
    }
    pthread_mutex_unlock(&scene.lock);
}

/* Sleeps as long as the scenario says, or until the limit that it heeds. False
 * when the limit came first. */
static bool dial_takes(const json_t *spec, int n, const ncp_dial *dial)
{
    int64_t delay = delay_of(spec, n);
    const char *heed = text_at(spec, "heed", "creation");
    int64_t limit = INT64_MAX;
    if (strcmp(heed, "creation") == 0)
        limit = ncp_dial_timeout_ms(dial);
    else if (strcmp(heed, "caller") == 0)
        limit = ncp_dial_deadline_ms(dial);
    clock_sleep_ms(delay < limit ? delay : limit);
    return delay < limit;
}

static int dial_failed(const json_t *spec, ncp_dial *dial, int64_t code,
                       const char *text)
{
    ncp_dial_fail(dial, int_at(spec, "code", code),
                  text_at(spec, "text", text));
    return bool_at(spec, "as_user") ? NCP_EUSER : NCP_EDIAL;
}

/* Accepts from the listener of the pool, as a dial of the runner's own. */
static struct conn *accept_one(ncp_dial *dial)
{
    struct pollfd wait = {.fd = ncp_dial_listener_fd(dial), .events = POLLIN};
    if (poll(&wait, 1, (int)ncp_dial_deadline_ms(dial)) != 1)
        return NULL;
    int fd = accept4(wait.fd, NULL, NULL, SOCK_CLOEXEC);
    return fd < 0 ? NULL : conn_adopt((uint64_t)fd, fd);
}

/* P-3, seen from inside a dial: what is open and dialing never exceeds max. */
static void check_limit(void)
{
    ncp_pool *pool = atomic_load(&scene.pools[0].pool);
    int64_t max = 0;
    if (pool == NULL || scene.pool_count != 1 || scene.pools[0].resized ||
        ncp_pool_option(pool, NCP_OPTION_MAX_CONNECTIONS, &max) != NCP_OK ||
        max == 0)
        return;
    uint64_t stats[NCP_COUNTER_COUNT];
    if (ncp_pool_stats(pool, stats, NCP_COUNTER_COUNT) != NCP_OK)
        fail("no statistics from inside a dial");
    uint64_t used = stats[NCP_COUNTER_CURRENT] + stats[NCP_COUNTER_DIALING];
    if (used > (uint64_t)max)
        fail("%llu connections are open or being dialed, the limit is %lld",
             (unsigned long long)used, (long long)max);
    count_check();
}

static int deliver(const json_t *spec, ncp_dial *dial, struct conn *conn)
{
    if (conn->server || bool_at(spec, "detect")) {
        conn_by_descriptor(conn);
        return ncp_dial_done_fd(dial, conn->fd);
    }
    return ncp_dial_done(dial, conn->handle,
                         conn->type == CONN_PIPE ? -1 : conn->fd,
                         conn->protocol, conn->ip);
}

static int dial_once(struct dialer *dialer, ncp_dial *dial)
{
    const json_t *spec = dialer->spec;
    int n = atomic_fetch_add(&dialer->count, 1);
    if (bool_at(spec, "record"))
        event_record("%s", dialer->event);
    note_hint(dial);
    check_limit();
    call_back(spec, NULL, &dialer->called_back);
    if (!dial_takes(spec, n, dial))
        return dial_failed(spec, dial, ETIMEDOUT, "too slow");
    enum conn_type type =
        type_of_dial(spec, n, ncp_dial_protocol(dial), ncp_dial_ip(dial));
    if (type == CONN_FAIL)
        return dial_failed(spec, dial, ECONNREFUSED, "refused by the scenario");
    if (type == CONN_NIL)
        return NCP_OK;
    struct conn *conn = dialer->accepts ? accept_one(dial) : conn_make(type);
    if (conn == NULL)
        return dial_failed(spec, dial, ETIMEDOUT, "no client came");
    return deliver(spec, dial, conn);
}

int dialer_callback(void *user, ncp_dial *dial)
{
    struct dialer *dialer = user;
    struct actor_frame frame;
    frame_enter(&frame, dialer->event, ncp_dial_timeout_ms(dial));
    int running = atomic_fetch_add(&dialer->running, 1) + 1;
    int most = atomic_load(&dialer->most_running);
    while (running > most &&
           !atomic_compare_exchange_weak(&dialer->most_running, &most, running))
        continue;
    int status = dial_once(dialer, dial);
    atomic_fetch_sub(&dialer->running, 1);
    frame_leave(&frame);
    return status;
}

struct conn *dial_next(int protocol, int ip)
{
    int n = atomic_fetch_add(&scene.dialer.count, 1);
    enum conn_type type = type_of_dial(scene.dialer.spec, n, protocol, ip);
    if (type >= CONN_FAIL)
        fail("this dial was to fail: use the step `fail`");
    return conn_make(type);
}

void dialer_check(const json_t *spec)
{
    keys_only(spec, DIAL_KEYS, "dial");
}
