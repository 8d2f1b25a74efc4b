"""Steps of the pull driver: the scenario does the work the pool hands out, by the
calls of the library themselves."""
from netconnpool._ffi import ffi, lib

from . import raw, words
from .steps import (check_within, expanded, expect, expected_of, operation, pool_of,
                    var_of)
from .verdict import checked, fail

EVENTS_MAX = 16
# What the steps of these scenarios may wait for in real time.
WAIT_MS = 1000


class Event:
    """A copy of an event."""

    FIELDS = ("type", "status", "lease", "ticket", "tag", "handle", "conn_id",
              "timeout_ms", "fd", "protocol", "ip", "reason", "reused", "code",
              "creation_ms")

    def __init__(self, event):
        for field in self.FIELDS:
            setattr(self, field, getattr(event, field))
        self.is_clean = event.reserved32 == 0

    @property
    def name(self):
        return words.EVENT_NAMES.get(self.type, f"event {self.type}")

    def facts(self):
        found = {field: getattr(self, field) for field in self.FIELDS}
        found["attempt"] = self.reason
        return found


def _from(scene, step, task):
    var = var_of(scene, step, task, "from")
    if var.event is None:
        fail(f"{step['from']} is no event")
    return var


def _expect_type(wanted, event):
    checked()
    if event.name != wanted:
        fail(f"the answer is {event.name}, expected {wanted}")
    if not event.is_clean:
        fail("the spare space of an event is used")


def _keep(scene, pool, name, event, task):
    var = scene.new_var(name, task, pool)
    var.event = event
    if event.type == lib.NCP_EVENT_CONN:
        scene.lend(var, event.lease, raw.conn_of(scene, pool, event.handle),
                   event.conn_id)
    if event.type in (lib.NCP_EVENT_CHECK, lib.NCP_EVENT_BORROW):
        var.conn = raw.conn_of(scene, pool, event.handle)


def _answered(scene, step, task, pool, status, out):
    """Judges an answer: an event type, or a status that is no success."""
    wanted = step.get("expect", "OK")
    event = Event(out)
    if wanted not in words.EVENTS:
        expect(scene, step, scene.world.outcome_of(status), step["op"])
        if status != lib.NCP_OK and event.type != lib.NCP_EVENT_NONE:
            fail(f"an error left the answer {event.name}")
        return
    if status != lib.NCP_OK:
        fail(f"{step['op']}: {words.result_name(status)}, expected {wanted}")
    _expect_type(wanted, event)
    _keep(scene, pool, expanded(step.get("as", "(event)"), task), event, task)


def _queue(step, pool):
    none = pool.queue is None or step.get("queue", "main") == "none"
    return ffi.NULL if none else pool.queue


def _flags(step, **flags):
    """Those of `flags` whose key is set in a step."""
    return sum(flag for key, flag in flags.items() if step.get(key))


@operation("acquire", "pool as queue want_protocol want_ip timeout_ms tag dials try "
                      "take expect")
async def op_acquire(scene, step, task):
    pool = pool_of(scene, step)
    flags = _flags(step, dials=lib.NCP_FLAG_DIALS, take=lib.NCP_FLAG_TAKE,
                   **{"try": lib.NCP_FLAG_TRY})
    out = ffi.new("ncp_event *")
    ffi.memmove(out, b"\x5a" * ffi.sizeof("ncp_event"), ffi.sizeof("ncp_event"))
    status = lib.ncp_pool_acquire(
        pool.handle, _queue(step, pool),
        words.number(words.PROTOCOLS, step.get("want_protocol", 0)),
        words.number(words.IPS, step.get("want_ip", 0)),
        step.get("timeout_ms", lib.NCP_TIMEOUT_DEFAULT), step.get("tag", 0), flags,
        out)
    _answered(scene, step, task, pool, status, out)


@operation("fulfil", "from as expect")
async def op_fulfil(scene, step, task):
    """Dials as the key `dial` of the case says, and hands the result in."""
    var = _from(scene, step, task)
    conn = scene.dialer.next(var.event.protocol, var.event.ip)
    handle, fd = raw.add(var.pool, conn)
    out = ffi.new("ncp_event *")
    status = lib.ncp_pool_fulfil(var.pool.handle, var.event.lease, handle, fd,
                                 conn.protocol, conn.ip, out)
    conn.ours = status == lib.NCP_EINVALIDCONN
    _answered(scene, step, task, var.pool, status, out)


@operation("fail", "from status code text as expect")
async def op_fail(scene, step, task):
    var = _from(scene, step, task)
    out = ffi.new("ncp_event *")
    text = step["text"].encode() if "text" in step else ffi.NULL
    status = lib.ncp_pool_fail(var.pool.handle, var.event.lease,
                               words.status_of(step.get("status", "DIAL")),
                               step.get("code", 111), text, out)
    _answered(scene, step, task, var.pool, status, out)


@operation("checked", "from healthy as expect")
async def op_checked(scene, step, task):
    var = _from(scene, step, task)
    out = ffi.new("ncp_event *")
    status = lib.ncp_pool_checked(var.pool.handle, var.event.lease,
                                  bool(step["healthy"]), out)
    _answered(scene, step, task, var.pool, status, out)


@operation("take", "from as expect")
async def op_take(scene, step, task):
    var = _from(scene, step, task)
    out = ffi.new("ncp_event *")
    status = lib.ncp_ticket_take(var.pool.handle, var.event.ticket, out)
    _answered(scene, step, task, var.pool, status, out)


@operation("ticket_wait", "from timeout_ms as expect within_ms")
async def op_ticket_wait(scene, step, task):
    var = _from(scene, step, task)
    out = ffi.new("ncp_event *")
    timeout_ms = step.get("timeout_ms", -1)
    begin = scene.world.now_ms()
    status = await scene.world.do(
        lambda: lib.ncp_ticket_wait(var.pool.handle, var.event.ticket, timeout_ms,
                                    out), limit_ms=timeout_ms)
    _answered(scene, step, task, var.pool, status, out)
    check_within(scene, step, begin)


@operation("abandon", "from status expect")
async def op_abandon(scene, step, task):
    var = _from(scene, step, task)
    status = lib.ncp_ticket_abandon(var.pool.handle, var.event.ticket,
                                    words.status_of(step.get("status", "CANCELED")))
    expect(scene, step, scene.world.outcome_of(status), "abandon")


@operation("work", "pool expect")
async def op_work(scene, step, task):
    status = lib.ncp_pool_work(pool_of(scene, step).handle)
    expect(scene, step, scene.world.outcome_of(status), "work")


# --------------------------------------------------------- taking events out

def do_close(scene, pool, event):
    """Closes what a CLOSE event tells to close."""
    conn = raw.conn_of(scene, pool, event.handle)
    conn.closer_calls += 1
    if conn.closer_calls != 1:
        fail(f"connection {conn.index} is closed twice")
    if conn.owners and event.reason not in (lib.NCP_REASON_POOL_CLOSED,
                                            lib.NCP_REASON_LEAKED):
        fail(f"connection {conn.index} is closed while it is lent")
    conn.close()


def _taken(scene, step, task, pool, events, count):
    wanted = step["events"]
    found = [Event(events[index]) for index in range(count)]
    names = [event.name for event in found]
    if len(found) != len(wanted):
        fail(f"the events are {names}, expected {wanted}")
    for index, event in enumerate(found):
        _expect_type(wanted[index], event)
        _keep(scene, pool, f"{step.get('as', '(event)')}.{index}", event, task)
        if event.type == lib.NCP_EVENT_CLOSE:
            do_close(scene, pool, event)
            reason = ffi.string(lib.ncp_reason_text(event.reason)).decode()
            scene.record(f"close:{reason}")


@operation("poll", "pool events as")
async def op_poll(scene, step, task):
    pool = pool_of(scene, step)
    events = ffi.new("ncp_event[]", EVENTS_MAX)
    count = lib.ncp_queue_poll(pool.queue, events, EVENTS_MAX)
    _taken(scene, step, task, pool, events, count)


@operation("queue_wait", "pool real_ms events as")
async def op_queue_wait(scene, step, task):
    pool = pool_of(scene, step)
    events = ffi.new("ncp_event[]", EVENTS_MAX)
    count = lib.ncp_queue_wait(pool.queue, events, EVENTS_MAX,
                               step.get("real_ms", WAIT_MS))
    _taken(scene, step, task, pool, events, count)


@operation("release", "conn discard hook queue max events as expect")
async def op_release(scene, step, task):
    var = var_of(scene, step, task)
    events = ffi.new("ncp_event[]", EVENTS_MAX)
    status = ffi.new("int *", 77)
    scene.give_back(var)
    count = lib.ncp_pool_release(
        var.pool.handle, var.lease,
        _flags(step, discard=lib.NCP_FLAG_DISCARD, hook=lib.NCP_FLAG_HOOK),
        _queue(step, var.pool), events, step.get("max", EVENTS_MAX), status)
    expect(scene, step, scene.world.outcome_of(status[0]), "release")
    _taken(scene, step, task, var.pool, events, count)


@operation("kick", "pool expect")
async def op_kick(scene, step, task):
    status = lib.ncp_queue_kick(pool_of(scene, step).queue)
    expect(scene, step, scene.world.outcome_of(status), "kick")


@operation("log_next", "pool contains lines")
async def op_log_next(scene, step, task):
    """Reads lines of log until there are no more."""
    pool, lines = pool_of(scene, step).handle, []
    level, conn_id = ffi.new("int *"), ffi.new("uint64_t *")
    text = ffi.new("char[]", 512)
    while lib.ncp_pool_log_next(pool, level, conn_id, text, 512) > 0:
        if not lib.NCP_LOG_ERROR <= level[0] <= lib.NCP_LOG_DEBUG:
            fail(f"a line of log has level {level[0]}")
        lines.append(ffi.string(text).decode())
    checked()
    wanted = step.get("contains", "")
    if wanted and not any(wanted in line for line in lines):
        fail(f"no line of log contains {wanted!r}")
    if step.get("lines", len(lines)) != len(lines):
        fail(f"{len(lines)} lines of log, expected {step['lines']}")


# --------------------------------------------------------------------- guards

@operation("guard_hold", "conn")
async def op_guard_hold(scene, step, task):
    var = var_of(scene, step, task)
    if scene.guard is None:
        out = ffi.new("ncp_guard **")
        if lib.ncp_guard_new(out) != lib.NCP_OK:
            fail("no guard")
        scene.guard = out[0]
    lease, ticket = (var.lease, 0) if var.out else (0, var.event.ticket)
    if lib.ncp_guard_hold(scene.guard, var.pool.handle, lease, ticket) != lib.NCP_OK:
        fail("the guard does not hold")


@operation("guard_drop", "conn")
async def op_guard_drop(scene, step, task):
    var = var_of(scene, step, task)
    if lib.ncp_guard_drop(scene.guard, var.pool.handle, var.lease or 0,
                          var.event.ticket) != lib.NCP_OK:
        fail("the guard does not let go")


@operation("guard_fire", "holds")
async def op_guard_fire(scene, step, task):
    for name in step.get("holds", []):
        scene.give_back(scene.var(name, task))
    lib.ncp_guard_fire(scene.guard)
    scene.guard = None
    expected_of(step)


# -------------------------------------------------------------------- the end

def end_event(var):
    """What an event that nobody answered is worth at the end."""
    out = ffi.new("ncp_event *")
    pool, event = var.pool.handle, var.event
    if event.type == lib.NCP_EVENT_DIAL:
        lib.ncp_pool_fail(pool, event.lease, lib.NCP_ECANCELED, 0, ffi.NULL, out)
    elif event.type == lib.NCP_EVENT_CHECK:
        status = lib.ncp_pool_checked(pool, event.lease, 0, out)
        if status == lib.NCP_OK and out.type == lib.NCP_EVENT_CONN:
            lib.ncp_pool_put(pool, out.lease)
    elif event.type in (lib.NCP_EVENT_PENDING, lib.NCP_EVENT_READY):
        lib.ncp_ticket_abandon(pool, event.ticket, lib.NCP_ECANCELED)


def drain(scene, pool):
    """Does the work that is left in the queue of a pull pool."""
    out = ffi.new("ncp_event *")
    unused = ffi.new("ncp_event *")
    while pool.queue is not None and lib.ncp_queue_poll(pool.queue, out, 1) == 1:
        event = Event(out)
        if event.type == lib.NCP_EVENT_CLOSE:
            do_close(scene, pool, event)
        elif event.type == lib.NCP_EVENT_DIAL:
            lib.ncp_pool_fail(pool.handle, event.lease, lib.NCP_ECANCELED, 0,
                              ffi.NULL, unused)
        elif event.type == lib.NCP_EVENT_CHECK:
            lib.ncp_pool_checked(pool.handle, event.lease, 0, unused)
