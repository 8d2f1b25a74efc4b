"""The world of asyncio: `netconnpool.AsyncPool`.

Virtual time needs no kernel here: everything runs on one thread, so when the loop
has nothing ready, nothing can happen but the passing of time.
"""
import asyncio
import selectors
from inspect import isawaitable

import netconnpool
from netconnpool import ManualClock
from netconnpool._ffi import lib
from netconnpool.aio import AsyncPool

from . import steps, world
from .callbacks import DialError
from .threads import run
from .verdict import fail, where
from .world import Outcome

CAPABILITIES = frozenset({
    "threads", "cancel", "hooks", "udp", "server", "opaque", "wall_clock", "unix",
    "async_dial", "ex", "lease_api"})

ABSENT_OPTIONS = frozenset({"dial_in_caller"})

START_S = 1000.0
MS = 1_000_000


class JumpingSelector(selectors.DefaultSelector):
    """Does not wait: time jumps instead."""

    def __init__(self):
        super().__init__()
        self.jump = None  # of the world

    def select(self, timeout=None):
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0) or self.jump is None:
            return ready
        self.jump(timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is that of a clock."""

    def __init__(self, clock):
        self._clock = clock
        self.selector = JumpingSelector()
        super().__init__(self.selector)

    def time(self):
        return self._clock.now_ns / 1e9


class Token:
    """Cancels the tasks that carry it."""

    def __init__(self):
        self._tasks = set()

    def carry(self, task):
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def fire(self):
        for task in list(self._tasks):
            task.cancel()


class World(world.World):
    """One case among tasks."""

    def __init__(self, is_virtual, quiet, resources):
        super().__init__(quiet, resources)
        self.manual = ManualClock(START_S) if is_virtual else None
        self._loop = None
        self._start = 0.0
        self._pools = set()     # handles of those whose time passes
        self._pollers = []      # (future, the moment in which it looked)
        self._moment = 1        # counts jumps of time

    # -------------------------------------------------------------------- life

    def play(self, case):
        self._loop = asyncio.new_event_loop() if self.manual is None else \
            VirtualLoop(self.manual)
        self.resources = self.quiet.descriptors(), self.quiet.threads()
        self._start = self._loop.time()
        if self.is_virtual:
            self._loop.selector.jump = self._jump
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(case())
            left = asyncio.all_tasks(self._loop)
            if left:
                fail(f"tasks are left behind: {left}")
        finally:
            asyncio.set_event_loop(None)
            if self.is_virtual:
                self._loop.selector.jump = None
            self._loop.close()

    @property
    def is_virtual(self):
        return self.manual is not None

    def describe(self):
        tasks = asyncio.all_tasks(self._loop) if self._loop is not None else ()
        return f"at {self.now_ms():.3f} ms; " + "; ".join(map(str, tasks))

    def now_ms(self):
        return round((self._loop.time() - self._start) * 1000, 6)

    def threads_more(self):
        return self.quiet.threads() - self.resources[1]

    async def breathe(self):
        await asyncio.sleep(0)

    def soon(self, what, coroutine):
        self._loop.create_task(coroutine, name=what)

    # -------------------------------------------------------------------- time

    def _jump(self, timeout):
        """Nothing is ready: those look who wait for something to become true, then
        time jumps to the next moment at which anything is due."""
        if self._let_look():
            return
        now, due = self.manual.now_ns, []
        if timeout is not None:
            due.append(now + max(round(timeout * 1e9), 1))
        for handle in self._pools:
            ms = lib.ncp_pool_next_due_ms(handle)
            if ms >= 0:
                due.append(now + max(ms * MS, 1))
        if not due:
            fail("nothing can ever happen again: " + self.describe())
        self._moment += 1
        self.manual.set_ns(min(due))  # wakes the pools

    def _let_look(self):
        chosen = [one for one in self._pollers if one[1] != self._moment]
        self._pollers = [one for one in self._pollers if one[1] == self._moment]
        for poller, _ in chosen:
            if not poller.done():
                poller.set_result(None)
        return bool(chosen)

    async def sleep(self, ms):
        if ms > 0:
            await asyncio.sleep(ms / 1000)

    async def wait(self, condition, limit_ms):
        end, looked = self.now_ms() + limit_ms, 0
        while True:
            if condition():
                return True
            if self.now_ms() > end:
                return False
            if not self.is_virtual:
                await asyncio.sleep(0.001)
                continue
            poller = self._loop.create_future()
            self._pollers.append((poller, looked))
            alarm = self._loop.call_later((end - self.now_ms()) / 1000 + 1e-6,
                                          _end_wait, poller)
            await poller
            alarm.cancel()
            looked = self._moment

    # ------------------------------------------------------------------- calls

    async def do(self, call, *arguments, limit_ms=-1):
        found = call(*arguments)
        return await found if isawaitable(found) else found

    async def attempt(self, call, limit_ms=-1):
        try:
            return Outcome("OK", await self.do(call))
        except netconnpool.PoolError as error:
            return self.outcome_from(error)

    def borrow(self, pool, timeout):
        return pool.getconn(timeout)

    # ------------------------------------------------------------------- pools

    def dialer(self, dialer):
        """A coroutine function; a plain one where nothing is waited for."""
        async def dial(request):
            return await dialer(request)
        if dialer.spec.get("delay_ms") or dialer.spec.get("call"):
            return dial
        return lambda request: run(dialer(request))

    def acceptor(self, acceptor):
        async def accept(listener, request):
            return await acceptor(request)
        return accept

    def hook(self, hook):
        async def wait(raw, *reason):
            return await hook(raw, *reason)

        def call(raw, *reason):
            return run(hook(raw, *reason))
        made = wait if hook.waits else call
        if hook.name in ("on_close", "on_leak"):
            return lambda raw, reason: made(raw, reason)
        return lambda raw: made(raw)

    async def accept(self, request):
        request.listener.setblocking(False)
        accepting = self._loop.sock_accept(request.listener)
        try:
            return (await asyncio.wait_for(accepting, request.deadline))[0]
        except asyncio.TimeoutError:
            raise DialError("no client came") from None

    def pool_of_nothing(self):
        return AsyncPool(None)

    async def make(self, pool, keywords):
        outcome = await self.attempt(lambda: AsyncPool(clock=self.manual, **keywords))
        if outcome.ok:
            pool.pool = outcome.value
            opened = await self.attempt(pool.pool.open)
            if not opened.ok:
                return opened
            pool.handle = pool.pool._c
        return outcome

    def watch(self, pool):
        self._pools.add(pool.handle)

    def forget(self, pool):
        self._pools.discard(pool.handle)

    # ------------------------------------------------------- get and give back

    def token(self, scene, name):
        return scene.tokens.setdefault(name, Token())

    async def get(self, request, task):
        if request.cancel is None and request.cancel_after_ms is None:
            return await self.attempt(lambda: self._borrowed(request))
        getting = self._loop.create_task(self._borrowed(request))
        if request.cancel is not None:
            self.token(task.scene, request.cancel).carry(getting)
        else:
            self._loop.call_later(request.cancel_after_ms / 1000, getting.cancel)
        try:
            return Outcome("OK", await getting)
        except (netconnpool.PoolError, asyncio.CancelledError) as error:
            return self.outcome_from(error)

    async def _borrowed(self, request):
        pool = request.pool.pool
        if request.via == "try" and request.plain:
            found = await pool.try_getconn()
            if found is None:
                raise netconnpool.errors.of(lib.NCP_EEXHAUSTED)
            return found
        if request.plain and request.via != "any":
            return await getattr(pool, request.via)(request.timeout).__aenter__()
        return await pool.getconn(request.timeout, request.protocol, request.ip,
                                  request.tag or 0)

    async def give(self, pool, lease, how):
        owner = pool.pool if pool.pool is not None else lease._pool
        return await self.attempt(lambda: GIVE[how](owner, lease))

    async def give_number(self, pool, number, how):
        return await self.attempt(lambda: GIVE[how](pool.pool, number))

    async def give_anything(self, pool, thing):
        return await self.attempt(lambda: pool.pool.putconn(thing))

    # ------------------------------------------------------------------- tasks

    async def _play_task(self, task):
        with where(f"task {task.name}.{task.index}"):
            try:
                await steps.run(task.scene, task.steps, task)
            except BaseException as error:  # the process ends with the verdict
                fail(f"{type(error).__name__}: {error}")

    async def start(self, task):
        task.handle = self._loop.create_task(self._play_task(task))
        await asyncio.sleep(0)  # it begins, as a thread would

    async def start_together(self, tasks):
        for task in tasks:
            task.handle = self._loop.create_task(self._play_task(task))

    async def join(self, task):
        await task.handle


def _end_wait(poller):
    if not poller.done():
        poller.set_result(None)


GIVE = {
    "put": lambda pool, lease: pool.putconn(lease),
    "discard": lambda pool, lease: pool.putconn(lease, discard=True),
    "close": lambda pool, lease: lease.close(),
    "detach": lambda pool, lease: pool.detach(lease),
}
