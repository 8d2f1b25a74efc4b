"""Virtual time among threads. The conductor moves it, and only when nothing else
can happen: no actor runs, and the kernel says that every thread of the process is
blocked. It jumps to the next moment at which somebody wants something."""
import contextlib
import ctypes
import os
import threading
import time

from netconnpool._ffi import lib

from .verdict import fail

MS = 1_000_000
DEADLOCK_S = 4.0

_self = threading.local()


class Quiet:
    """What the kernel knows of this process; a small library, which is called
    without the interpreter's lock, so that who waits for the lock runs."""

    def __init__(self):
        library = ctypes.CDLL(os.environ["NCP_QUIET_LIBRARY"])
        library.threads_quiet.restype = ctypes.c_bool
        self.quiet = library.threads_quiet
        self.threads = library.threads_count
        self.descriptors = library.fds_count
        library.wall_clock_jump.argtypes = [ctypes.c_int64]
        self.wall_clock_jump = library.wall_clock_jump


class Actor:
    """A thread of the scenario, or a callback on a thread of the library."""

    def __init__(self, what):
        self.what = what
        self.state = "running"  # sleeping, calling, joining, polling
        self.sleep_due = 0      # in ns; 0 none
        self.call_due = 0
        self.limit_due = 0      # a limit the library keeps for a callback
        self.looked = 0         # the quiet moment in which a polling actor looked
        self.wake = threading.Semaphore(0)


class Clock:
    """Real or virtual, for one case."""

    def __init__(self, manual, quiet):
        self._manual = manual  # a ManualClock; None: real time
        self._quiet = quiet
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._actors = []
        self._pools = {}  # whether it is a pull pool
        self._busy = False  # the conductor calls the pools just now
        self._frames = 0   # callbacks in progress that can be a dial
        self._changes = 0
        self._moment = 1   # counts jumps of time
        self._stop = False
        self._start = self.now_ns()
        self._thread = None

    # ------------------------------------------------------------- reading

    @property
    def is_virtual(self):
        return self._manual is not None

    def now_ns(self):
        return self._manual.now_ns if self.is_virtual else time.monotonic_ns()

    def now_ms(self):
        return (self.now_ns() - self._start) / MS

    def _after(self, ms):
        return self.now_ns() + int(ms * MS)

    # -------------------------------------------------------------- actors

    def start(self):
        if self.is_virtual:
            self._thread = threading.Thread(target=self._conduct, name="conductor",
                                            daemon=True)
            self._thread.start()

    def stop(self):
        if self._thread is None:
            return
        with self._lock:
            self._stop = True
            self._changed.notify_all()
        self._thread.join()

    def _change(self):  # with the lock held
        self._changes += 1
        self._changed.notify_all()

    def begin(self, actor):
        """By who starts it: it runs from now on."""
        with self._lock:
            self._actors.append(actor)
            self._change()

    def adopt(self, actor):
        """By its own thread."""
        _self.actor = actor

    def end(self, actor):
        _self.actor = None
        with self._lock:
            self._actors.remove(actor)
            self._change()

    @contextlib.contextmanager
    def _being(self, state, sleep_due=0, call_due=0):
        actor = _self.actor
        with self._lock:
            before, actor.state = actor.state, state
            actor.sleep_due, actor.call_due = sleep_due, call_due
            self._change()
        try:
            yield actor
        finally:
            with self._lock:
                actor.state = before
                actor.sleep_due = actor.call_due = 0
                self._change()

    def calling(self, timeout_ms):
        """Around every call of the library that may block."""
        limited = timeout_ms is not None and timeout_ms > 0
        return self._being("calling",
                           call_due=self._after(timeout_ms) if limited else 0)

    def joining(self):
        return self._being("joining")

    @contextlib.contextmanager
    def callback(self, what, limit_ms=0):
        """Around every callback, which may run on an actor's thread."""
        actor = getattr(_self, "actor", None)
        nested = actor is not None
        if not nested:
            actor = Actor(what)
            self.begin(actor)
            self.adopt(actor)
        with self._lock:
            before = actor.state, actor.limit_due
            actor.state = "running"
            if limit_ms > 0:
                actor.limit_due = self._after(limit_ms)
            self._frames += 1
            self._change()
        try:
            yield
        finally:
            with self._lock:
                self._frames -= 1
                actor.state, actor.limit_due = before
                self._change()
            if not nested:
                self.end(actor)

    def describe(self):
        with self._lock:
            actors = [f"{one.what} is {one.state}" for one in self._actors]
            pools = list(self._pools)
        for handle in pools:
            actors.append(f"pool: active {lib.ncp_pool_active_count(handle)}"
                          f" idle {lib.ncp_pool_idle_count(handle)}"
                          f" waiting {lib.ncp_pool_waiting_count(handle)}"
                          f" dialing {lib.ncp_pool_dialing_count(handle)}"
                          f" next_due {lib.ncp_pool_next_due_ms(handle)}")
        return f"at {self.now_ms():.3f} ms; " + "; ".join(actors)

    # ------------------------------------------------------------- waiting

    def sleep(self, ms):
        if ms <= 0:
            return
        if not self.is_virtual:
            time.sleep(ms / 1000)
            return
        with self._being("sleeping", sleep_due=self._after(ms)) as actor:
            actor.wake.acquire()

    def wait(self, done, limit_ms):
        """Looks until `done` says so or the time passed; what it said last."""
        end = self._after(limit_ms)
        while True:
            if done():
                return True
            if self.now_ns() > end:
                return False
            if not self.is_virtual:
                time.sleep(0.001)
                continue
            actor = _self.actor
            with self._lock:
                actor.state = "polling"
                actor.sleep_due = end + 1
                self._change()
            actor.wake.acquire()
            with self._lock:
                actor.sleep_due = 0

    # ----------------------------------------------------------- conductor

    def watch(self, handle, is_pull):
        """What a pull pool wants to do is the scenario's to do."""
        with self._lock:
            self._pools[handle] = is_pull

    def forget(self, handle):
        """The conductor calls this pool no more."""
        with self._lock:
            self._pools.pop(handle, None)
            self._changed.wait_for(lambda: not self._busy)

    def _somebody_runs(self):
        return any(actor.state == "running" for actor in self._actors)

    def _let_look(self):
        """Lets those look who poll and did not look at this moment."""
        chosen = [actor for actor in self._actors if actor.state == "polling" and
                  actor.looked != self._moment]
        for actor in chosen:
            actor.looked = self._moment
            actor.state = "running"
            actor.wake.release()
        return bool(chosen)

    def _actors_due(self):
        now = self.now_ns()
        return [due for actor in self._actors
                for due in (actor.sleep_due, actor.call_due, actor.limit_due)
                if due > now]

    # The pools are called without our lock: they may call the log, an actor.

    @contextlib.contextmanager
    def _calling_pools(self):
        pools = dict(self._pools)
        self._busy = True
        self._lock.release()
        try:
            yield pools
        finally:
            self._lock.acquire()
            self._busy = False
            self._changed.notify_all()

    def _pools_due(self):
        """When the pools want to act; and whether one of them says it is late."""
        due, late, dialing = [], False, 0
        with self._calling_pools() as pools:
            for handle in (one for one, is_pull in pools.items() if not is_pull):
                ms = lib.ncp_pool_next_due_ms(handle)
                late = late or ms == 0
                if ms > 0:
                    due.append(self._after(ms))
                dialing += lib.ncp_pool_dialing_count(handle)
        # A dial outside our callbacks waits for a moment only the pool knows.
        if dialing > self._frames:
            due.append(self._after(1))
        return due, late

    def _wake_pools(self):
        with self._calling_pools() as pools:
            for handle in pools:
                lib.ncp_pool_wake(handle)

    def _jump(self, to):
        lib.ncp_py_clock_set(self._manual._cell, to)
        self._moment += 1
        for actor in self._actors:
            if 0 < actor.sleep_due <= to:
                actor.sleep_due = 0
                actor.state = "running"
                actor.wake.release()
        self._wake_pools()

    def _one_thing(self, late_before):
        """The system is quiet: one thing happens. Returns how often in a row a pool
        was late, and whether anything can happen at all."""
        if self._let_look():
            return 0, True
        due = self._actors_due()
        pools_due, late = self._pools_due()
        if late and late_before < 2:
            self._wake_pools()
            return late_before + 1, True
        due += [self._after(1)] if late else pools_due
        due = [moment for moment in due if moment > self.now_ns()]
        if due:
            self._jump(min(due))
        return 0, bool(due)

    def _conduct(self):
        late, stuck_since = 0, None
        with self._lock:
            while not self._stop:
                if self._somebody_runs() or not self._actors:
                    stuck_since = None
                    self._changed.wait()
                    continue
                changes = self._changes
                self._lock.release()
                quiet = self._quiet.quiet()
                if not quiet:
                    time.sleep(30e-6)
                self._lock.acquire()
                if not quiet or changes != self._changes or self._stop or \
                        self._somebody_runs():
                    continue
                late, any_thing = self._one_thing(late)
                if any_thing:
                    stuck_since = None
                    continue
                stuck_since = stuck_since or time.monotonic()
                self._lock.release()
                if time.monotonic() - stuck_since > DEADLOCK_S:
                    fail("nothing can ever happen again: " + self.describe())
                time.sleep(200e-6)
                self._lock.acquire()
