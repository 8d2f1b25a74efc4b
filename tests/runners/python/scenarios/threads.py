"""The world of threads: `netconnpool.Pool`, and the raw pull driver."""
import select
import threading

import netconnpool
from netconnpool import Cancel, ManualClock, Pool
from netconnpool._ffi import lib

from . import facts, steps, world
from .callbacks import DialError
from .threads_clock import Actor, Clock
from .verdict import fail, where
from .world import Outcome

CAPABILITIES = frozenset({
    "threads", "cancel", "precancel", "hooks", "udp", "server", "opaque",
    "wall_clock", "unix", "async_dial", "pull", "push", "ex", "lease_api"})

ABSENT_OPTIONS = frozenset()

START_S = 1000.0


def run(coroutine):
    """Runs a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise RuntimeError("a step of the world of threads was suspended")


class World(world.World):
    """One case among threads."""

    def __init__(self, is_virtual, quiet, resources):
        descriptors, threads = resources
        conductors = 1 if is_virtual else 0
        super().__init__(quiet, (descriptors, threads + conductors))
        self.manual = ManualClock(START_S) if is_virtual else None
        self.clock = Clock(self.manual, quiet)
        self._main = Actor("main")

    # -------------------------------------------------------------------- life

    def play(self, case):
        """Runs a case on this thread."""
        self.clock.begin(self._main)
        self.clock.adopt(self._main)
        self.clock.start()
        run(case())
        self.clock.end(self._main)
        self.clock.stop()

    @property
    def is_virtual(self):
        return self.clock.is_virtual

    def describe(self):
        return self.clock.describe()

    def now_ms(self):
        return self.clock.now_ms()

    def threads_more(self):
        return self.quiet.threads() - self.resources[1]

    async def sleep(self, ms):
        self.clock.sleep(ms)

    async def wait(self, condition, limit_ms):
        return self.clock.wait(condition, limit_ms)

    async def breathe(self):
        """Threads need not let others run."""

    def soon(self, what, coroutine):
        """Runs a callback that is no dialer and no hook."""
        with self.clock.callback(what):
            run(coroutine)

    # ------------------------------------------------------------------- calls

    async def do(self, call, *arguments, limit_ms=-1):
        """A call of the package; `limit_ms` is when it has ended at the latest."""
        with self.clock.calling(limit_ms):
            return call(*arguments)

    async def attempt(self, call, limit_ms=-1):
        """How a call ends."""
        try:
            with self.clock.calling(limit_ms):
                return Outcome("OK", call())
        except netconnpool.PoolError as error:
            return self.outcome_from(error)

    def borrow(self, pool, timeout):
        return pool.getconn(timeout)

    # ------------------------------------------------------------------- pools

    def dialer(self, dialer):
        def dial(request):
            with self.clock.callback(dialer.event, (request.timeout or 0) * 1000):
                return run(dialer(request))
        return dial

    def acceptor(self, acceptor):
        def accept(listener, request):
            with self.clock.callback(acceptor.event, (request.timeout or 0) * 1000):
                return run(acceptor(request))
        return accept

    def hook(self, hook):
        def call(raw, *reason):
            limit = 0
            main = hook.scene.pools["main"]
            if hook.name == "checker" and main.handle is not None:
                limit = facts.option(main.handle, "health_check_timeout")
            with self.clock.callback(hook.event, limit):
                return run(hook(raw, *reason))
        if hook.name in ("on_close", "on_leak"):
            return lambda raw, reason: call(raw, reason)
        return lambda raw: call(raw)

    async def accept(self, request):
        wait = select.poll()
        wait.register(request.listener.fileno(), select.POLLIN)
        if not wait.poll((request.deadline or 0) * 1000):
            raise DialError("no client came")
        return request.listener.accept()[0]

    def pool_of_nothing(self):
        return Pool(None)

    async def make(self, pool, keywords):
        outcome = await self.attempt(lambda: Pool(clock=self.manual, **keywords))
        if outcome.ok:
            pool.pool = outcome.value
            pool.handle = pool.pool._c
        return outcome

    def watch(self, pool):
        self.clock.watch(pool.handle, is_pull=pool.queue is not None)

    def forget(self, pool):
        self.clock.forget(pool.handle)

    # ------------------------------------------------------- get and give back

    def token(self, scene, name):
        with scene.lock:
            return scene.tokens.setdefault(name, Cancel())

    async def get(self, request, task):
        cancel, canceller = self._cancel_of(request, task)
        outcome = await self.attempt(lambda: self._borrowed(request, cancel),
                                     request.limit_ms())
        if canceller is not None:
            with self.clock.joining():
                canceller.join()
        return outcome

    def _borrowed(self, request, cancel):
        pool = request.pool.pool
        if request.via == "try" and cancel is None and request.plain:
            found = pool.try_getconn()
            if found is None:
                raise netconnpool.errors.of(lib.NCP_EEXHAUSTED)
            return found
        if request.plain and cancel is None and request.via != "any":
            return getattr(pool, request.via)(request.timeout).__enter__()
        return pool.getconn(request.timeout, request.protocol, request.ip,
                            request.tag or 0, cancel)

    def _cancel_of(self, request, task):
        if request.cancel is not None:
            return self.token(task.scene, request.cancel), None
        if not request.cancelled and request.cancel_after_ms is None:
            return None, None
        cancel = Cancel()
        if request.cancelled:
            cancel.fire()
            return cancel, None
        return cancel, self._thread("canceller", lambda: (
            self.clock.sleep(request.cancel_after_ms), cancel.fire()))

    async def give(self, pool, lease, how):
        owner = pool.pool if pool.pool is not None else lease._pool
        return await self.attempt(lambda: GIVE[how](owner, lease))

    async def give_number(self, pool, number, how):
        if how == "close":
            fail("the holder closes a lease, not a number")
        return await self.attempt(lambda: GIVE[how](pool.pool, number))

    async def give_anything(self, pool, thing):
        return await self.attempt(lambda: pool.pool.putconn(thing))

    # ----------------------------------------------------------------- threads

    def _thread(self, what, function):
        actor = Actor(what)
        self.clock.begin(actor)

        def body():
            self.clock.adopt(actor)
            try:
                function()
            except BaseException as error:  # the process ends with the verdict
                fail(f"{what}: {type(error).__name__}: {error}")
            self.clock.end(actor)

        thread = threading.Thread(target=body, name=what, daemon=True)
        thread.start()
        return thread

    def _start(self, task, barrier):
        def body():
            with where(f"thread {task.name}.{task.index}"):
                if barrier is not None:
                    barrier.wait()
                run(steps.run(task.scene, task.steps, task))
        task.handle = self._thread(task.name, body)

    async def start(self, task):
        self._start(task, None)

    async def start_together(self, tasks):
        barrier = threading.Barrier(len(tasks))
        for task in tasks:
            self._start(task, barrier)

    async def join(self, task):
        with self.clock.joining():
            task.handle.join()


GIVE = {
    "put": lambda pool, lease: pool.putconn(lease),
    "discard": lambda pool, lease: pool.putconn(lease, discard=True),
    "close": lambda pool, lease: lease.close(),
    "detach": lambda pool, lease: pool.detach(lease),
}
