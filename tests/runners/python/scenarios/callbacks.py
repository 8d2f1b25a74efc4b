"""What the pools of a case call: dialers, acceptors, hooks, the log."""
import contextvars
import errno
import logging

from netconnpool._ffi import lib

from . import facts, words
from .verdict import checked, fail

DIAL_KEYS = ("type sequence cycle by_hint fail_first fail_always as_user delay_ms "
             "heed record hints call code text detect")
HOOK_KEYS = "record fail_first fail_always as_user sleep_ms sleep_after call once"

# The names of hooks in scenarios, and what is recorded when they run.
HOOKS = {"on_created": "created", "on_borrow": "borrow", "on_return": "return",
         "on_close": "close", "on_leak": "leak", "close_conn": "close_conn",
         "checker": "check"}

# A fact of the process, not of a case: whether we are inside a call from a callback.
_inside = contextvars.ContextVar("inside", default=False)


class HookError(Exception):
    """What a hook of a scenario raises."""


class DialError(OSError):
    """What a dialer of a scenario raises."""


def _fails(spec, n):
    return spec.get("fail_always", False) or n < spec.get("fail_first", 0)


# --------------------------------------------------------------------- dialers

class Dialer:
    """The dialer or acceptor of a case, as its key says."""

    def __init__(self, scene, spec, event, accepts=False):
        words.keys_only(spec, DIAL_KEYS, event)
        self.scene = scene
        self.spec = spec
        self.event = event
        self.accepts = accepts
        self.begun = 0
        self.running = 0
        self.most_running = 0
        self.called_back = False

    async def __call__(self, request):
        with self.scene.lock:
            n = self.begun
            self.begun += 1
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        try:
            return await self._once(request, n)
        finally:
            with self.scene.lock:
                self.running -= 1

    async def _once(self, request, n):
        spec, scene = self.spec, self.scene
        hint = scene.world.hint(request)
        if spec.get("record"):
            scene.record(self.event)
        with scene.lock:
            scene.hints.append({**hint, "at_ms": scene.world.now_ms()})
        self._check_limit()
        await call_back(scene, self, None, once=True)
        limit = {"creation": hint["timeout_ms"], "caller": hint["deadline_ms"],
                 "none": float("inf")}[spec.get("heed", "creation")]
        delay = self._delay(n)
        await scene.world.sleep(min(delay, limit))
        if delay >= limit:
            self._throw(errno.ETIMEDOUT, "too slow")
        if self.accepts and not _fails(spec, n):
            return await scene.world.accept(request)
        return self._made(self._kind(n, hint["protocol"], hint["ip"]))

    def _made(self, kind):
        if kind == "fail":
            self._throw(errno.ECONNREFUSED, "refused by the scenario")
        return None if kind == "nil" else self.scene.peers.make(kind).raw

    def _throw(self, code, text):
        self.scene.throw(DialError(self.spec.get("code", code),
                                   self.spec.get("text", text)))

    def _delay(self, n):
        delay = self.spec.get("delay_ms", 0)
        return delay[min(n, len(delay) - 1)] if isinstance(delay, list) else delay

    def _kind(self, n, protocol, ip):
        """What dial number `n` is to become."""
        spec = self.spec
        if _fails(spec, n):
            return "fail"
        sequence = spec.get("sequence")
        if sequence:
            return sequence[n % len(sequence) if spec.get("cycle") else
                            min(n, len(sequence) - 1)]
        if spec.get("by_hint"):
            return (("udp" if protocol == words.PROTOCOLS["UDP"] else "tcp") +
                    ("6" if ip == words.IPS["IPv6"] else "4"))
        return spec.get("type", "tcp4")

    def next(self, protocol, ip):
        """The next connection for the raw pull driver, whose dials are steps."""
        kind = self._kind(self.begun, protocol, ip)
        self.begun += 1
        if kind in words.NO_KINDS:
            fail("this dial was to fail: use the step `fail`")
        return self.scene.peers.make(kind)

    def _check_limit(self):
        """P-3, seen from inside a dial."""
        pool = self.scene.pools.get("main")
        if pool is None or pool.handle is None or len(self.scene.pools) != 1 or \
                pool.resized:
            return
        most = facts.option(pool.handle, "max_connections")
        used = facts.stats(pool.handle)
        used = used["current"] + used["dialing"]
        if most and used > most:
            fail(f"{used} connections are open or being dialed, the limit is {most}")
        checked()


# ----------------------------------------------------------------------- hooks

class Hook:
    """One hook of a case; several pools may share it."""

    def __init__(self, scene, name, spec):
        words.keys_only(spec, HOOK_KEYS, name)
        self.scene = scene
        self.name = name
        self.spec = spec
        self.event = HOOKS[name]
        self.count = 0
        self.called_back = False

    @property
    def waits(self):
        """Whether it does anything that takes time or awaits."""
        return bool(self.spec.get("sleep_ms") or self.spec.get("call"))

    async def __call__(self, raw, reason=None):
        scene, spec = self.scene, self.spec
        with scene.lock:
            n = self.count
            self.count += 1
        conn = scene.peers.of(raw)
        self._begins(conn)
        if spec.get("record"):
            told = "" if reason is None else f":{reason}"
            scene.record(self.event + told)
        await call_back(scene, self, conn, once=spec.get("once", False))
        if n >= spec.get("sleep_after", 0):
            await scene.world.sleep(spec.get("sleep_ms", 0))
        self._ends(conn)
        if not _fails(spec, n):
            return True
        if self.name == "checker" and not spec.get("as_user"):
            return False
        return scene.throw(HookError(f"{self.name} refuses"))

    def _begins(self, conn):
        """It is nobody's while it is checked, and is closed once."""
        with conn.lock:
            conn.checks += self.name == "checker"
            conn.closer_calls += self.name == "close_conn"
        if self.name == "checker" and conn.owners:
            fail(f"connection {conn.index} is checked while it is lent")
        if self.name == "close_conn" and conn.closer_calls != 1:
            fail(f"connection {conn.index} is closed twice")

    def _ends(self, conn):
        with conn.lock:
            conn.checks -= self.name == "checker"
        if self.name == "close_conn":
            conn.close()


class Log(logging.Handler):
    """Keeps the lines of the log."""

    def __init__(self, scene, spec):
        words.keys_only(spec, HOOK_KEYS, "log")
        super().__init__()
        self.scene = scene
        self.spec = spec
        self.called_back = False

    def createLock(self):
        """None: the pool is called back from here, and logs on other threads."""
        self.lock = None

    def emit(self, record):
        text = record.getMessage()
        if record.levelno not in (logging.ERROR, logging.WARNING, logging.INFO,
                                  logging.DEBUG):
            fail(f"a line of log with the level {record.levelno}")
        if "\n" in text:
            fail(f"a line of log has an end of line inside: {text}")
        with self.scene.lock:
            self.scene.logs.append(text)
            self.scene.counts["log"] += 1
        if "call" in self.spec:
            self.scene.world.soon("log", call_back(self.scene, self, None,
                                                   self.spec.get("once", False)))


# ------------------------------------------------------- calling the pool back

async def _borrow_and_put(scene, pool, timeout):
    outcome = await scene.world.attempt(
        lambda: scene.world.borrow(pool, timeout), timeout * 1000)
    if outcome.ok:
        await scene.world.do(pool.putconn, outcome.value)


async def _resize(scene, pool):
    await scene.world.do(pool.resize,
                         facts.option(scene.pool().handle, "max_connections"))


async def _suspend(scene, pool):
    await scene.world.do(pool.suspend)
    await scene.world.do(pool.resume)


async def _counts(scene, _):
    counts = [facts.fact(scene, name, None) for name in (
        "active_count", "idle_count", "waiting_count", "dialing_count", "is_closed")]
    if min(counts) < 0:
        fail("a count from a callback is negative")


async def _describe(scene, pool):
    if not await scene.world.do(pool.describe):
        fail("describe from a callback says nothing")


async def _wake(scene, pool):
    await scene.world.do(pool.wake)
    lib.ncp_pool_next_due_ms(scene.pool().handle)


CALLS = {
    "stats": lambda scene, pool: scene.world.do(pool.stats),
    "describe": _describe,
    "leases": lambda scene, pool: scene.world.do(pool.leases),
    "try_get_put": lambda scene, pool: _borrow_and_put(scene, pool, 0),
    "get_put": lambda scene, pool: _borrow_and_put(scene, pool, 0.02),
    "counts": _counts,
    "wake": _wake,
    "dial_error": lambda scene, pool: scene.world.do(pool.dial_error),
    "prewarm_wait": lambda scene, pool: scene.world.attempt(
        lambda: pool.prewarm_wait(0), 0),
    "ref": lambda scene, pool: scene.world.do(lambda: repr(pool)),
    "resize": _resize,
    "suspend": _suspend,
}
CALLS_THAT_CHANGE = {
    "flush": lambda scene, pool: scene.world.attempt(pool.flush),
    "close": lambda scene, pool: scene.world.attempt(pool.close),
}


async def _put_own(scene, pool, conn):
    """The hook is inside a call with the lease it was given."""
    leases = [var.lease for var in scene.vars.values() if var.conn is conn]
    if not leases:
        fail("a hook was given a connection that nobody borrowed")
    for lease in leases:
        outcome = await scene.world.attempt(lambda lease=lease: pool.putconn(lease))
        if outcome.name != "INVALID_CONN":
            fail(f"put of its own connection from a callback: {outcome}")


async def call_back(scene, caller, conn, once):
    """Calls the functions of the pool that the key `call` of a callback lists."""
    names = caller.spec.get("call")
    main = scene.pools.get("main")
    if names is None or _inside.get() or main is None or main.pool is None:
        return
    with scene.lock:
        if once and caller.called_back:
            return
        caller.called_back = True
    token = _inside.set(True)
    try:
        for name in names:
            await _call_one(scene, main.pool, conn, name)
    finally:
        _inside.reset(token)
    scene.count("called")


async def _call_one(scene, pool, conn, name):
    if name == "put_own":
        await _put_own(scene, pool, conn)
        return
    chosen = list(CALLS.values()) if name == "all" else \
        [{**CALLS, **CALLS_THAT_CHANGE}.get(name)]
    if None in chosen:
        fail(f"no such call from a callback: {name}")
    for call in chosen:
        await call(scene, pool)
