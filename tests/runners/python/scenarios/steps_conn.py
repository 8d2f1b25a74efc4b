"""Steps on a connection: what its borrower does, what its peer does."""
import os
import select
import socket
import time

from netconnpool._ffi import ffi, lib

from . import facts
from .steps import conn_of, expanded, expect, operation, pool_of, var_of
from .verdict import checked, fail

RECV_MS = 1000
SEEN_S = 2.0


def _send(sock, step):
    data = step.get("data", "x").encode()
    for _ in range(step.get("count", 1)):
        if sock.send(data) != len(data):
            fail("not all was sent")


@operation("send", "conn data count")
async def op_send(scene, step, task):
    _send(conn_of(scene, step, task).sock, step)


@operation("peer_send", "conn data count")
async def op_peer_send(scene, step, task):
    _send(conn_of(scene, step, task).peer, step)


def _readable(sock, ms):
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    return bool(poll.poll(ms))


@operation("recv", "conn expect real_ms")
async def op_recv(scene, step, task):
    sock = conn_of(scene, step, task).sock
    checked()
    if "expect" not in step:
        if _readable(sock, step.get("real_ms", 30)):
            fail(f"received {sock.recv(256)!r}, expected nothing")
        return
    wanted, data = step["expect"].encode(), b""
    while len(data) < len(wanted) and _readable(sock, RECV_MS):
        more = sock.recv(256)
        if not more:
            break
        data += more
    if data != wanted:
        fail(f"received {data!r}, expected {wanted!r}")


@operation("peer_close", "conn reset")
async def op_peer_close(scene, step, task):
    scene.peers.end_peer(conn_of(scene, step, task), step.get("reset", False))


@operation("peer_shutdown", "conn")
async def op_peer_shutdown(scene, step, task):
    conn_of(scene, step, task).peer.shutdown(socket.SHUT_WR)


@operation("client_connect", "pool")
async def op_client_connect(scene, step, task):
    scene.peers.connect(pool_of(scene, step).listener)


# -------------------------------------------------------------- what is seen

def _soon(condition):
    """Whether it becomes true within the real time that a thread may need."""
    end = time.monotonic() + SEEN_S
    while not condition() and time.monotonic() < end:
        time.sleep(0.001)
    return condition()


async def _assert_each(scene, step, task, wanted):
    for conn in scene.conns(expanded(step.get("conn", "?"), task), task):
        checked()
        # Open is looked at once: it must not only become so.
        is_open = conn.is_open() if wanted else \
            not _soon(lambda conn=conn: not conn.is_open())
        if is_open is not wanted:
            fail(f"connection {conn.index} is {'closed' if wanted else 'still open'}")


@operation("assert_open", "conn")
async def op_assert_open(scene, step, task):
    await _assert_each(scene, step, task, True)


@operation("assert_closed", "conn")
async def op_assert_closed(scene, step, task):
    await _assert_each(scene, step, task, False)


@operation("assert_peer_eof", "conn")
async def op_assert_peer_eof(scene, step, task):
    conn = conn_of(scene, step, task)
    checked()
    if not _soon(lambda: conn.peer_eof):
        fail(f"the peer of connection {conn.index} does not see its end")


# -------------------------------------------------------------- the library's

@operation("set_healthy", "conn healthy expect")
async def op_set_healthy(scene, step, task):
    var = var_of(scene, step, task)
    outcome = await scene.world.attempt(
        lambda: setattr(var.lease, "healthy", bool(step["healthy"])))
    expect(scene, step, outcome, "set_healthy")


@operation("set_tag", "conn tag expect")
async def op_set_tag(scene, step, task):
    var = var_of(scene, step, task)
    outcome = await scene.world.attempt(
        lambda: setattr(var.lease, "tag", step["tag"]))
    expect(scene, step, outcome, "set_tag")


@operation("renew", "conn type expect")
async def op_renew(scene, step, task):
    var = var_of(scene, step, task)
    fresh = scene.peers.make(step.get("type", "tcp4"))
    outcome = await scene.world.attempt(lambda: var.lease.renew(fresh.raw))
    gone = var.conn if outcome.ok else fresh
    gone.ours = True
    gone.close()
    if outcome.ok:
        gone.owners -= 1
        fresh.owners += 1
        var.conn = fresh
    expect(scene, step, outcome, "renew")


@operation("set_nonblocking", "conn")
async def op_set_nonblocking(scene, step, task):
    os.set_blocking(conn_of(scene, step, task).fd, False)


@operation("udp_has_data", "conn is")
async def op_udp_has_data(scene, step, task):
    facts.check_bound(step["is"], lib.ncp_udp_has_data(conn_of(scene, step, task).fd),
                      "udp_has_data")


@operation("udp_drain", "conn timeout_ms max dropped expect")
async def op_udp_drain(scene, step, task):
    dropped = ffi.new("int *", -1)
    status = lib.ncp_udp_drain(conn_of(scene, step, task).fd,
                               step.get("timeout_ms", 0), step.get("max", 0), dropped)
    expect(scene, step, scene.world.outcome_of(status), "udp_drain")
    facts.check_bound(step["dropped"], dropped[0], "the datagrams dropped")


@operation("fd_alive", "conn is")
async def op_fd_alive(scene, step, task):
    facts.check_bound(step["is"], lib.ncp_fd_alive(conn_of(scene, step, task).fd),
                      "fd_alive")


@operation("leases", "pool conns")
async def op_leases(scene, step, task):
    found = await scene.world.do(pool_of(scene, step).pool.leases)
    ids = [scene.world.lease_number(lease) for lease in found]
    wanted = [scene.world.lease_number(scene.var(name, task).lease)
              for name in step["conns"]]
    checked()
    if ids != wanted:
        fail(f"the leases {ids} are out, expected {wanted}")


@operation("stack", "conn length")
async def op_stack(scene, step, task):
    text = var_of(scene, step, task).lease.stack
    facts.check_bound(step["length"], len(text or ""), "the length of the stack")
