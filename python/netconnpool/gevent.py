"""The pool for greenlets.

``netconnpool.Pool`` is this one by itself when gevent has patched ``threading``:
the other would stop the hub, and all greenlets with it, while one of them waits.
"""
from __future__ import annotations

import functools
import inspect
import logging
import os
import socket
import sys
import traceback
import types
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import gevent
import gevent.event
import gevent.socket
from gevent.monkey import get_original

from netconnpool import _config, errors
from netconnpool._constants import EventType, Flag, Ip, Protocol, Status
from netconnpool._ffi import ffi, lib
from netconnpool._pull import (
    Call,
    Closings,
    Event,
    Flow,
    Machine,
    PullLease,
    PullPool,
    Raised,
    abort,
    perform,
)

if TYPE_CHECKING:
    from netconnpool._clock import ManualClock
    from netconnpool._host import DialRequest
    from netconnpool.pool import WantedIp, WantedProtocol

__all__ = ["Borrow", "Connection", "Pool"]

C = TypeVar("C")

_READ = 1  # of the watchers of a hub
_TEXT = 256
_getframe = sys._getframe
_DISCARD = int(Flag.DISCARD)
_PENDING = int(EventType.PENDING)


# -------------------------------------------------------------- one queue a hub

class HubMachine(Machine):
    """The machine of a hub, that is, of a thread."""

    def __init__(self, hub: Any) -> None:
        super().__init__()
        self.hub = hub
        self._is_coming = False
        self._watcher = hub.loop.io(self.fd, _READ)
        self._watcher.start(self._readable)

    def _readable(self) -> None:
        """Runs in the hub, which must not wait; a greenlet may."""
        if not self._is_coming:
            self._is_coming = True
            gevent.spawn(self._come)

    def _come(self) -> None:
        self._is_coming = False
        self.pump()

    def leave(self, address: int) -> None:
        """A pool has nothing left to do; the last one ends the machine."""
        self.pump()  # what is left in the queue keeps a pool of the library
        self.pools.pop(address, None)
        if not self.pools and getattr(_here, "machine", None) is self:
            self._watcher.stop()
            self._watcher.close()
            del _here.machine


# The machine of this thread. It must not be patched: that would be one a greenlet.
_here: Any = get_original("threading", "local")()


def _machine_here() -> HubMachine:
    hub = gevent.get_hub()
    machine: HubMachine | None = getattr(_here, "machine", None)
    if machine is None or machine.hub is not hub:
        machine = _here.machine = HubMachine(hub)
    return machine


class _Waiter:
    """A greenlet that waits for an answer."""

    __slots__ = ("_result", "is_gone")

    def __init__(self) -> None:
        self._result = gevent.event.AsyncResult()
        self.is_gone = False

    def post(self, value: Any) -> bool:
        if self.is_gone or self._result.ready():
            return False
        self._result.set(value)
        return True

    def wait(self, timeout: float | None = None) -> Any:
        """The answer; False when it took too long."""
        try:
            return self._result.get(timeout=timeout)
        except gevent.Timeout:
            if self._result.ready():  # somebody else's, and too late
                raise
            if timeout is None:
                raise
            return False

    def answer(self) -> Any:
        """What was answered to a greenlet that was called away; None for
        nothing."""
        self.is_gone = True
        return self._result.value if self._result.ready() else None


# ---------------------------------------------------------------------- borrows

class Connection(PullLease[C]):
    """A connection borrowed from a pool; see :class:`netconnpool.Connection`."""

    __slots__ = ()

    _pool: Pool[C]

    def close(self) -> None:
        """Closes the connection: its place in the pool is free at once. Giving it
        back afterwards is allowed and does nothing."""
        self._pool._wait_closed(self._pool._close_lease(self))

    def __enter__(self) -> Connection[C]:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._pool._end_block(self, discard=kind is not None)


class Borrow(Generic[C]):
    """The context manager of :meth:`Pool.connection`."""

    __slots__ = ("_arguments", "_conn", "_keeps", "_pool")

    def __init__(self, pool: Pool[C], keeps: bool, arguments: tuple[Any, ...]) -> None:
        self._pool = pool
        self._keeps = keeps
        self._arguments = arguments
        self._conn: Connection[C] | None = None

    def __enter__(self) -> Connection[C]:
        conn = self._conn = self._pool.getconn(*self._arguments)
        _note_place(conn, _getframe(1))
        return conn

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        conn = self._conn
        self._conn = None
        if conn is None or not conn._token:
            return  # given back, or taken out, inside of the block
        if kind is None:
            self._pool.putconn(conn)
        else:
            self._pool._end_block(conn, discard=not self._keeps)


def _note_place(conn: Connection[Any], frame: types.FrameType) -> None:
    conn._code = frame.f_code
    conn._instruction = frame.f_lasti


# ------------------------------------------------------------------------- pool

class Pool(PullPool[C]):
    """A pool of connections for the greenlets of one thread.

    It is used as :class:`netconnpool.Pool` is. A dialer, the hooks and what closes
    run in greenlets and may wait as such. A target is dialed on a thread of the
    hub's pool of threads, and its connections are sockets of gevent. A greenlet
    that is killed, or that a :class:`gevent.Timeout` reaches, while it waits loses
    nothing.
    """

    _machine: HubMachine
    _lease_class = Connection
    _stop = gevent.GreenletExit
    _ordinary = (Exception, gevent.Timeout)

    def __init__(
        self,
        connect: Any = None,
        *,
        listener: socket.socket | None = None,
        acceptor: Callable[..., Any] | None = None,
        clock: ManualClock | None = None,
        logger: logging.Logger | None = None,
        **given: Any,
    ) -> None:
        self._timer: Any = None
        #: Dials, checks and closes that run.
        self._greenlets: set[gevent.Greenlet] = set()
        #: Those of them that end with the pool: its own dials, and accepts.
        self._own_dials: set[gevent.Greenlet] = set()
        self._is_in_hub = False
        self._configure(connect, listener, acceptor, clock, logger, given)
        self._open(_machine_here())
        self._is_in_hub = True
        self._rearm()
        if self._prewarms:
            self._until(self._is_warm, None)

    def __enter__(self) -> Pool[C]:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()

    # ----------------------------------------------------- how something waits

    def _here(self) -> HubMachine:
        """The machine, if this is its thread."""
        if getattr(_here, "machine", None) is not self._machine and (
            gevent.get_hub() is not self._machine.hub
        ):
            raise errors.of(
                Status.ESTATE, "the pool belongs to the greenlets of another thread"
            )
        return self._machine

    def _post(self, waiter: _Waiter, value: Any) -> bool:
        return waiter.post(value)

    def _spawn(self, flow: Flow[Any]) -> gevent.Greenlet | None:
        try:
            call = next(flow)
        except StopIteration:
            return None
        greenlet = gevent.Greenlet(self._continue, flow, call)
        self._greenlets.add(greenlet)
        greenlet.rawlink(functools.partial(self._ended, flow, call))
        greenlet.start()
        return greenlet

    def _begin(self, flow: Flow[Any]) -> Any:
        """What the flow returned if it has no call to make, else its greenlet."""
        return self._spawn(flow)

    def _ended(
        self, flow: Flow[Any], call: Call, greenlet: gevent.Greenlet
    ) -> None:
        """Runs in the hub."""
        self._greenlets.discard(greenlet)
        self._own_dials.discard(greenlet)
        # Killed before it began.
        if inspect.getgeneratorstate(flow) != inspect.GEN_CLOSED:
            gevent.spawn(abort, flow, call, gevent.GreenletExit)
        if self.is_closed and self._is_in_hub:
            gevent.spawn(self._retire)

    def _drive(self, flow: Flow[Any]) -> Any:
        """Runs a flow in this greenlet."""
        try:
            call = next(flow)
        except StopIteration as stop:
            return stop.value
        return self._continue(flow, call)

    def _continue(self, flow: Flow[Any], call: Call) -> Any:
        """Runs the rest of a flow in this greenlet, from a call on."""
        try:
            while True:
                with gevent.Timeout(
                    call.limit,
                    TimeoutError(f"not made within {call.limit or 0:g} s"),
                ):
                    result = perform(call)
                if isinstance(result, Raised):
                    call = flow.throw(result.error)
                else:
                    call = flow.send(result)
        except StopIteration as stop:
            return stop.value

    def _pump_if_mine(self) -> None:
        if gevent.get_hub() is self._machine.hub:
            self._machine.pump()
            self._rearm()

    def wake(self) -> None:
        """Has the pool look at its clock again; from any thread."""
        lib.ncp_pool_wake(self._c)
        lib.ncp_queue_kick(self._machine.queue)

    def _arm(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None
        if seconds is not None and not self._is_gone():
            self._timer = self._machine.hub.loop.timer(max(seconds, 0.0))
            self._timer.start(_tick_of, weakref.ref(self))

    def _until(self, condition: Callable[[], bool], timeout: float | None) -> bool:
        """Waits until a condition holds; False when it took too long."""
        if condition():
            return True
        waiter = _Waiter()
        self._watchers.append((condition, waiter))
        limited = timeout is not None and 0 <= timeout < float("inf")
        try:
            return bool(waiter.wait(timeout if limited else None))
        finally:
            self._watchers[:] = [one for one in self._watchers if one[1] is not waiter]

    # ------------------------------------------------------------------- dials

    def _dial(self, event: Event) -> None:
        greenlet = self._spawn(self._dialing(event))
        if greenlet is not None and (self._dials_itself or self._accepts):
            self._own_dials.add(greenlet)

    def _dial_target(self, request: DialRequest) -> socket.socket:
        """Dials on a native thread. One that was called off is closed when it
        comes."""
        limit = -1 if request.timeout is None else _config.milliseconds(request.timeout)
        threads = self._machine.hub.threadpool
        # A reference of the dial's own: it may outlive the pool and this greenlet.
        pool = ffi.gc(lib.ncp_pool_ref(self._c), lib.ncp_pool_free)
        dialing = threads.spawn(
            _dial_natively, pool, int(request.protocol), int(request.ip), limit
        )
        try:
            fd, error = dialing.get()
        except BaseException:
            dialing.rawlink(_close_late)
            raise
        if error is not None:
            raise error
        return gevent.socket.socket(fileno=fd)  # type: ignore[no-any-return]

    def _accept_one(
        self, listener: socket.socket, request: DialRequest
    ) -> socket.socket:
        while True:
            gevent.socket.wait_read(listener.fileno())
            listener.setblocking(False)
            try:
                sock, _ = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                continue
            return gevent.socket.socket(  # type: ignore[no-any-return]
                fileno=sock.detach()
            )

    # --------------------------------------------------------------- borrowing

    def getconn(
        self,
        timeout: float | None = None,
        protocol: WantedProtocol = None,
        ip: WantedIp = None,
        tag: int = 0,
    ) -> Connection[C]:
        """Borrows a connection; see :meth:`netconnpool.Pool.getconn`. Only the
        calling greenlet waits."""
        status = self._ask(self._here(), timeout, protocol, ip, tag)
        answer = self._answer(status, timeout)
        while isinstance(answer, Event):
            if answer.type == _PENDING:
                answer = self._stand_in_line(answer.ticket)
            else:
                answer = self._drive(self._settling(answer, timeout))
        frame = _getframe(1)
        _note_place(answer, frame)  # type: ignore[arg-type]
        if self._host.captures_stacks:
            self._stacks[answer.lease] = "".join(traceback.format_stack(frame))
        return answer  # type: ignore[return-value]

    def _stand_in_line(self, ticket: int) -> PullLease[C] | Event:
        waiter = _Waiter()
        self._waits(ticket, waiter)
        try:
            self._machine.pump()
            answer: PullLease[C] | Event = waiter.wait()
        except BaseException:
            self._give_up(ticket, waiter)
            raise
        return answer

    def _give_up(self, ticket: int, waiter: _Waiter) -> None:
        """Whoever waited was called away; what he may have got goes to the
        next."""
        answer = waiter.answer()
        if not self._is_open:
            return  # a greenlet of the same garbage as its pool
        if self._waiter_of(ticket) is not None:
            lib.ncp_ticket_abandon(self._c, ticket, Status.ECANCELED)
        elif isinstance(answer, Event):
            if answer.lease:
                lib.ncp_pool_put(self._c, answer.lease)
        elif answer is not None:
            self._never_mind(answer)
        self._machine.pump()
        self._look()

    def try_getconn(
        self, protocol: WantedProtocol = None, ip: WantedIp = None, tag: int = 0
    ) -> Connection[C] | None:
        """Borrows an idle connection; None when there is none. Never dials and
        never stands in line."""
        try:
            conn = self.getconn(0, protocol, ip, tag)
        except errors.PoolExhausted:
            return None
        _note_place(conn, _getframe(1))
        return conn

    def connection(
        self,
        timeout: float | None = None,
        protocol: WantedProtocol = None,
        ip: WantedIp = None,
        tag: int = 0,
        *,
        keep_on_error: bool = False,
    ) -> Borrow[C]:
        """Borrows a connection for a ``with`` block; see
        :meth:`netconnpool.Pool.connection`."""
        return Borrow(self, keep_on_error, (timeout, protocol, ip, tag))

    def tcp(self, timeout: float | None = None, **more: Any) -> Borrow[C]:
        """:meth:`connection` over TCP."""
        return self.connection(timeout, Protocol.TCP, **more)

    def udp(self, timeout: float | None = None, **more: Any) -> Borrow[C]:
        """:meth:`connection` over UDP."""
        return self.connection(timeout, Protocol.UDP, **more)

    def ipv4(self, timeout: float | None = None, **more: Any) -> Borrow[C]:
        """:meth:`connection` over IPv4."""
        return self.connection(timeout, ip=Ip.V4, **more)

    def ipv6(self, timeout: float | None = None, **more: Any) -> Borrow[C]:
        """:meth:`connection` over IPv6."""
        return self.connection(timeout, ip=Ip.V6, **more)

    # ------------------------------------------------------------- giving back

    def putconn(self, conn: Connection[C], discard: bool = False) -> None:
        """Gives a connection back; with ``discard`` it is closed. See
        :meth:`netconnpool.Pool.putconn`."""
        self._own(conn)
        self._here()
        if discard or not self._returns:
            closing = self._release(conn, _DISCARD if discard else 0)
        else:
            closing = self._drive(self._returning(conn))
        if closing is not None:
            self._wait_closed(closing)

    def _wait_closed(self, closing: Any) -> None:
        """Waits until a connection is closed, and raises how that failed."""
        failure = closing.get() if isinstance(closing, gevent.Greenlet) else closing
        if failure is not None and not isinstance(failure, gevent.GreenletExit):
            raise self._error(Status.ECLOSEHOOK, failure) from failure

    def _end_block(self, conn: Connection[C], discard: bool) -> None:
        """Ends a borrow when an exception may be on its way, which is the one that
        its user wants to see."""
        if not conn._token:
            return
        try:
            self.putconn(conn, discard)
        except errors.PoolError as error:
            self._host.logger.warning("%s%s", self._host.prefix, error)

    # -------------------------------------------------------------------- steers

    def set(self, name: str, value: object) -> None:
        """Changes an option of the living pool. Durations are in seconds."""
        self._here()
        self._wait_all(self._set(name, value))

    def resize(self, max_connections: int | None) -> None:
        """Changes ``max_connections``; None for no limit. Growing serves those who
        wait; shrinking closes idle connections now and borrowed ones when they
        come back."""
        self._here()
        self._wait_all(self._resize(max_connections))

    def flush(self) -> None:
        """Closes what is idle now, and what is borrowed when it comes back."""
        self._here()
        self._wait_all(self._flush())

    # ------------------------------------------------------------ the end of it

    def close(self) -> None:
        """Stops lending: closes what is idle, and those in line get
        :exc:`PoolClosed`. What is borrowed stays usable and is closed when it
        comes back. Again, it does nothing."""
        self._here()
        self._end(self._close())

    def close_now(self) -> None:
        """:meth:`close`, and shuts down what is borrowed."""
        self._here()
        self._end(self._close_now())

    def close_wait(self, timeout: float | None = None) -> None:
        """:meth:`close`, then waits until the last connection is back.
        :exc:`PoolTimeout` when some are still out after ``timeout`` seconds."""
        self.close()
        if not self._until(self._is_over, timeout):
            raise self._error(Status.ETIMEOUT, waited=timeout)

    def drain(self, timeout: float | None = None) -> None:
        """:meth:`close_wait`, then :meth:`close_now` for what is still out, with
        :exc:`PoolTimeout`."""
        try:
            self.close_wait(timeout)
        except errors.PoolTimeout:
            self.close_now()
            raise

    def prewarm_wait(self, timeout: float | None = None) -> None:
        """Waits until ``min_connections`` have been made in advance.
        :exc:`PoolTimeout`; :exc:`ConnectFailed` when that ended without
        success."""
        self._here()
        if not self._until(self._is_warm, timeout):
            raise self._error(Status.ETIMEOUT, waited=timeout)
        self._check_warm()

    def _end(self, closings: Closings) -> None:
        """What the pool began by itself ends; waits for the closes, and raises how
        the first of them failed."""
        for greenlet in list(self._own_dials):
            greenlet.kill(block=False)
        failures = self._wait_all(closings)
        self._retire()
        if failures:
            raise failures[0]

    def _wait_all(self, closings: Closings) -> list[errors.PoolError]:
        """Waits for several closes. How they failed has been logged."""
        failures: list[errors.PoolError] = []
        for _, closing in closings:
            try:
                self._wait_closed(closing)
            except errors.CloseFailed as error:
                failures.append(error)
        return failures

    def _is_gone(self) -> bool:
        return self._is_open and self.is_closed and not (
            self._greenlets
            or lib.ncp_pool_active_count(self._c)
            or lib.ncp_pool_dialing_count(self._c)
        )

    def _retire(self) -> None:
        """Leaves the hub when there is nothing left to do."""
        if self._is_in_hub and self._is_gone():
            self._is_in_hub = False
            self._arm(None)
            self._machine.leave(self._address)

    def _look(self) -> None:
        super()._look()
        if self._is_in_hub and self.is_closed:
            self._retire()


def _tick_of(pool: weakref.ref[Pool[Any]]) -> None:
    """A timer rang, in the hub, which must not wait; for a pool that may be
    gone."""
    found = pool()
    if found is not None:
        gevent.spawn(found._tick)


def _dial_natively(
    pool: Any, protocol: int, ip: int, timeout_ms: int
) -> tuple[int, OSError | None]:
    """Runs on a thread of its own, where nothing may be raised."""
    code, fd = ffi.new("int64_t *"), ffi.new("int *")
    text = ffi.new("char[]", _TEXT)
    status = lib.ncp_pool_dial_target(
        pool, protocol, ip, timeout_ms, code, text, _TEXT, fd
    )
    if status == Status.OK:
        return int(fd[0]), None
    said = ffi.string(text).decode(errors="replace")
    if code[0] > 0:
        return -1, OSError(code[0], said or os.strerror(code[0]))
    return -1, ConnectionError(said or "the target could not be dialed")


def _close_late(dialing: Any) -> None:
    if dialing.successful() and dialing.value[0] >= 0:
        os.close(dialing.value[0])
