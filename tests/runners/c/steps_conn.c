/*
 * Steps on a connection: what its borrower does, what its peer does.
 */
#include "runner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RECV_MS = 1000, SEEN_MS = 2000 };

static struct conn *step_conn(const json_t *step, struct task *task)
{
    char name[RUN_NAME_SIZE];
    name_expand(text_at(step, "conn", "?"), task->index, name);
    return conn_named(name, task->scope);
}

static struct var *step_var(const json_t *step, struct task *task)
{
    char name[RUN_NAME_SIZE];
    name_expand(text_at(step, "conn", "?"), task->index, name);
    return var_find(name, task->scope);
}

static void send_text(int fd, const json_t *step)
{
    const char *data = text_at(step, "data", "x");
    for (int64_t i = 0; i < int_at(step, "count", 1); i++)
        if (send(fd, data, strlen(data), MSG_NOSIGNAL) != (ssize_t)strlen(data))
            fail("cannot send: %s", strerror(errno));
}

static void op_send(const json_t *step, struct task *task)
{
    send_text(step_conn(step, task)->fd, step);
}

static void op_peer_send(const json_t *step, struct task *task)
{
    send_text(step_conn(step, task)->peer, step);
}

static bool readable(int fd, int64_t ms)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    return poll(&wait, 1, (int)ms) == 1;
}

static void op_recv(const json_t *step, struct task *task)
{
    int fd = step_conn(step, task)->fd;
    const char *wanted = text_at(step, "expect", NULL);
    char data[256];
    size_t used = 0, length = wanted == NULL ? 1 : strlen(wanted);
    count_check();
    if (wanted == NULL && !readable(fd, int_at(step, "real_ms", 30)))
        return;
    while (used < length && used < sizeof data && readable(fd, RECV_MS)) {
        ssize_t got = recv(fd, data + used, sizeof data - used, 0);
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    if (wanted == NULL)
        fail("received %zu bytes, expected nothing", used);
    if (used != length || memcmp(data, wanted, length) != 0)
        fail("received %zu bytes \"%.*s\", expected \"%s\"", used, (int)used,
             data, wanted);
}

static void op_peer_close(const json_t *step, struct task *task)
{
    peer_end(step_conn(step, task), bool_at(step, "reset"));
}

static void op_peer_shutdown(const json_t *step, struct task *task)
{
    if (shutdown(step_conn(step, task)->peer, SHUT_WR) != 0)
        fail("shutdown: %s", strerror(errno));
}

static void op_client_connect(const json_t *step, struct task *task)
{
    (void)task;
    client_connect(step_pool(step)->listener);
}

/* ------------------------------------------------------------- what is seen */

static bool open_wanted(struct conn *conn, bool wanted)
{
    for (int ms = 0; conn_is_open(conn) != wanted && ms < SEEN_MS; ms++)
        real_sleep_us(1000);
    return conn_is_open(conn) == wanted;
}

static void assert_open(struct conn *conn, bool wanted)
{
    count_check();
    /* Open is checked once: it must not only become so. */
    bool fine = wanted ? conn_is_open(conn) : open_wanted(conn, false);
    if (!fine)
        fail("connection %d is %s", conn->index,
             wanted ? "closed" : "still open");
}

static void assert_each(const json_t *step, struct task *task, bool wanted)
{
    char name[RUN_NAME_SIZE], member[RUN_NAME_SIZE];
    name_expand(text_at(step, "conn", "?"), task->index, name);
    bool single = strncmp(name, "dialed.", 7) == 0 ||
                  var_lookup(name, task->scope) != NULL;
    if (single) {
        assert_open(conn_named(name, task->scope), wanted);
        return;
    }
    for (int i = 0;; i++) {
        snprintf(member, sizeof member, "%.30s.%d", name, i);
        if (var_lookup(member, task->scope) == NULL) {
            if (i == 0)
                fail("nothing is called %s here", name);
            return;
        }
        assert_open(conn_named(member, task->scope), wanted);
    }
}

static void op_assert_open(const json_t *step, struct task *task)
{
    assert_each(step, task, true);
}

static void op_assert_closed(const json_t *step, struct task *task)
{
    assert_each(step, task, false);
}

static void op_assert_peer_eof(const json_t *step, struct task *task)
{
    struct conn *conn = step_conn(step, task);
    for (int ms = 0; !atomic_load(&conn->peer_eof) && ms < SEEN_MS; ms++)
        real_sleep_us(1000);
    if (!atomic_load(&conn->peer_eof))
        fail("the peer of connection %d does not see its end", conn->index);
    count_check();
}

/* ------------------------------------------------------------ the library's */

static void op_set_healthy(const json_t *step, struct task *task)
{
    struct var *var = step_var(step, task);
    expect_status(step,
                  ncp_lease_set_healthy(var->pool->pool, var->lease,
                                        bool_at(step, "healthy")),
                  "set_healthy");
}

static void op_set_tag(const json_t *step, struct task *task)
{
    struct var *var = step_var(step, task);
    expect_status(step,
                  ncp_lease_set_tag(var->pool->pool, var->lease,
                                    (uint64_t)int_at(step, "tag", 0)),
                  "set_tag");
}

static void op_renew(const json_t *step, struct task *task)
{
    struct var *var = step_var(step, task);
    struct conn *fresh = conn_make(conn_type_of(text_at(step, "type", "tcp4")));
    int status = ncp_lease_renew(var->pool->pool, var->lease, fresh->handle,
                                 fresh->fd, fresh->protocol, fresh->ip);
    struct conn *gone = status == NCP_OK ? var->conn : fresh;
    atomic_store(&gone->ours, true);
    conn_close_client(gone);
    if (status == NCP_OK) {
        atomic_fetch_sub(&gone->owners, 1);
        atomic_fetch_add(&fresh->owners, 1);
        var->conn = fresh;
    }
    expect_status(step, status, "renew");
}

static void op_set_nonblocking(const json_t *step, struct task *task)
{
    int fd = step_conn(step, task)->fd;
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0)
        fail("fcntl: %s", strerror(errno));
}

static void op_udp_has_data(const json_t *step, struct task *task)
{
    int has = ncp_udp_has_data(step_conn(step, task)->fd);
    check_bound(json_object_get(step, "is"), has, "udp_has_data");
}

static void op_udp_drain(const json_t *step, struct task *task)
{
    int dropped = -1;
    int status =
        ncp_udp_drain(step_conn(step, task)->fd, int_at(step, "timeout_ms", 0),
                      (int)int_at(step, "max", 0), &dropped);
    expect_status(step, status, "udp_drain");
    check_bound(json_object_get(step, "dropped"), dropped,
                "the datagrams dropped");
}

static void op_fd_alive(const json_t *step, struct task *task)
{
    check_bound(json_object_get(step, "is"),
                ncp_fd_alive(step_conn(step, task)->fd), "fd_alive");
}

static void op_leases(const json_t *step, struct task *task)
{
    const json_t *wanted = json_object_get(step, "conns");
    ncp_lease leases[64];
    size_t count, index;
    const json_t *name;
    if (ncp_pool_leases(step_pool(step)->pool, leases, 64, &count) != NCP_OK ||
        count != json_array_size(wanted))
        fail("%zu leases are out, expected %zu", count,
             json_array_size(wanted));
    json_array_foreach(wanted, index, name)
        if (leases[index] !=
            var_find(json_string_value(name), task->scope)->lease)
            fail("lease %zu is not %s", index, json_string_value(name));
    count_check();
}

static void op_stack(const json_t *step, struct task *task)
{
    struct var *var = step_var(step, task);
    char text[4096];
    int length =
        ncp_lease_stack(var->pool->pool, var->lease, text, sizeof text);
    check_bound(json_object_get(step, "length"), length,
                "the length of the stack");
}

const struct step_op steps_conn[] = {
    {"send", "op conn data count", op_send},
    {"peer_send", "op conn data count", op_peer_send},
    {"recv", "op conn expect real_ms", op_recv},
    {"peer_close", "op conn reset", op_peer_close},
    {"peer_shutdown", "op conn", op_peer_shutdown},
    {"client_connect", "op pool", op_client_connect},
    {"assert_open", "op conn", op_assert_open},
    {"assert_closed", "op conn", op_assert_closed},
    {"assert_peer_eof", "op conn", op_assert_peer_eof},
    {"set_healthy", "op conn healthy expect", op_set_healthy},
    {"set_tag", "op conn tag expect", op_set_tag},
    {"renew", "op conn type expect", op_renew},
    {"set_nonblocking", "op conn", op_set_nonblocking},
    {"udp_has_data", "op conn is", op_udp_has_data},
    {"udp_drain", "op conn timeout_ms max dropped expect", op_udp_drain},
    {"fd_alive", "op conn is", op_fd_alive},
    {"leases", "op pool conns", op_leases},
    {"stack", "op conn length", op_stack},
    {NULL, NULL, NULL}};
