"""The pool for asyncio."""
from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import logging
import socket
import sys
import traceback
import types
import weakref
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from netconnpool import _host, errors, streams
from netconnpool._constants import (
    EventType,
    Flag,
    Ip,
    Protocol,
    Status,
)
from netconnpool._ffi import lib
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
    just,
    perform,
)
from netconnpool._target import SocketOptions, parse
from netconnpool.streams import StreamConnection

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from netconnpool._clock import ManualClock
    from netconnpool._tables import Options
    from netconnpool.pool import WantedIp, WantedProtocol

__all__ = ["AsyncBorrow", "AsyncConnection", "AsyncPool", "StreamConnection"]

C = TypeVar("C")

_getframe = sys._getframe
_running_loop = asyncio.get_running_loop
_create_future = asyncio.BaseEventLoop.create_future
_PENDING = int(EventType.PENDING)
_DISCARD = int(Flag.DISCARD)


# ------------------------------------------------------------- one queue a loop

class LoopMachine(Machine):
    """The machine of an event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = weakref.ref(loop)
        self._doors: dict[int, streams.Door] = {}
        loop.add_reader(self.fd, self.pump)

    async def accept(self, listener: socket.socket) -> socket.socket:
        """Accepts a client. A loop hears of a listener but once, so all pools of
        this loop that share one wait at the same door."""
        door = self._doors.setdefault(listener.fileno(), streams.Door(listener))
        try:
            return await door.accept()
        finally:
            if not door.waiting:
                self._doors.pop(listener.fileno(), None)

    def leave(self, address: int) -> None:
        """A pool has nothing left to do; the last one ends the machine."""
        self.pump()  # what is left in the queue keeps a pool of the library
        self.pools.pop(address, None)
        self._end_if_alone()

    def forget(self, address: int) -> None:
        """A pool was collected as garbage; its address may be that of another one
        by now."""
        self.pump()
        known = self.pools.get(address)
        if known is not None and not known._is_open:  # a warning keeps it
            self.pools.pop(address, None)
        self._end_if_alone()

    def _end_if_alone(self) -> None:
        loop = self._loop()
        if self.pools or loop is None or _known_machine(loop) is not self:
            return
        del _machines[loop]
        if not loop.is_closed():
            loop.remove_reader(self.fd)


# The loop keeps its machine, as what reads a descriptor, until it is closed; then
# only pools do, which may be garbage together with both.
_machines: weakref.WeakKeyDictionary[
    asyncio.AbstractEventLoop, weakref.ref[LoopMachine]
] = weakref.WeakKeyDictionary()


def _known_machine(loop: asyncio.AbstractEventLoop) -> LoopMachine | None:
    known = _machines.get(loop)
    return None if known is None else known()


def _machine_of(loop: asyncio.AbstractEventLoop) -> LoopMachine:
    machine = _known_machine(loop)
    if machine is None:
        machine = LoopMachine(loop)
        _machines[loop] = weakref.ref(machine)
    return machine


# ---------------------------------------------------------------------- borrows

class AsyncConnection(PullLease[C]):
    """A connection borrowed from an :class:`AsyncPool`.

    It goes back by ``await pool.putconn(conn)``, or at the end of an ``async with``
    block. One that is lost, collected as garbage without having been given back,
    is closed, with a :exc:`ResourceWarning` that names the place where it was
    borrowed.
    """

    __slots__ = ()

    _pool: AsyncPool[C]

    async def close(self) -> None:
        """Closes the connection: its place in the pool is free at once. Giving it
        back afterwards is allowed and does nothing."""
        await self._pool._wait_closed(self._pool._close_lease(self))

    async def __aenter__(self) -> AsyncConnection[C]:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: object, trace: object
    ) -> None:
        await self._pool._end_block(self, discard=kind is not None)


class AsyncBorrow(Generic[C]):
    """The context manager of :meth:`AsyncPool.connection`."""

    __slots__ = ("_arguments", "_conn", "_keeps", "_pool")

    def __init__(
        self, pool: AsyncPool[C], keeps: bool, arguments: tuple[Any, ...]
    ) -> None:
        self._pool = pool
        self._keeps = keeps
        self._arguments = arguments
        self._conn: AsyncConnection[C] | None = None

    async def __aenter__(self) -> AsyncConnection[C]:
        pool = self._pool
        conn = pool._take(*self._arguments)
        if conn.__class__ is not AsyncConnection:
            if conn.__class__ is tuple:  # as _settle does, without another coroutine
                waiter, ticket = conn
                try:
                    conn = await waiter
                except BaseException:
                    pool._give_up(ticket, waiter)
                    raise
            if conn.__class__ is not AsyncConnection:
                conn = await pool._settle(conn, *self._arguments)
            pool._note(conn)
        if pool._captures:
            pool._capture(conn, _getframe(1))
        self._conn = conn
        return conn  # type: ignore[no-any-return]

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        conn = self._conn
        self._conn = None
        if conn is None or not conn._token:
            return  # given back, or taken out, inside of the block
        if kind is not None:
            await self._pool._end_block(conn, discard=not self._keeps)
        elif (closing := self._pool._give(conn)) is False:
            await self._pool.putconn(conn)
        elif closing is not None:
            await self._pool._wait_closed(closing)


# ------------------------------------------------------------------------- pool

class AsyncPool(PullPool[C]):
    """A pool of connections for asyncio. It has no thread: everything happens in
    the event loop it is used in.

    ``connect`` is what to dial: a target such as ``"tcp://localhost:6379"``, whose
    connections are :class:`StreamConnection` (for UDP a non-blocking
    :class:`socket.socket`), or a function, usually a coroutine function, that
    returns a connection, which may be any object; a pair of reader and writer
    becomes a :class:`StreamConnection`. It is run in a task of its own, without
    arguments, or with a :class:`DialRequest` if it has a parameter named
    ``request`` or one without a default. It is cancelled when the option
    ``connection_timeout`` ends; whoever waits for it may give up before, and then
    what it makes is kept for the next one.

    ``listener``, a listening socket, makes a pool of accepted connections instead;
    ``acceptor(listener)`` accepts one, and without it the pool does so itself.

    The other keywords are functions that get the object that was made. Each may
    be a coroutine function; a plain one holds up the loop while it runs.

    - ``close(conn)`` closes it, in place of ``conn.close()``;
    - ``check(conn)`` looks whether it works: False, or an exception, says no;
    - ``on_created(conn)``, ``on_borrow(conn)`` and ``on_return(conn)`` refuse it
      by an exception, which reaches the caller as ``__cause__``;
    - ``on_close(conn, reason)`` and ``on_leak(conn, reason)`` are told, the reason
      being a word such as ``"idle_timeout"``; either may leave it out.

    ``clock`` is a :class:`ManualClock` for tests, ``logger`` replaces
    ``logging.getLogger("netconnpool")``. Every option of the library is a keyword
    by its name; durations are in seconds, None stands for no limit.

    Use it as ``async with AsyncPool(...) as pool``, or open it by :meth:`open`, or
    just use it: it belongs to the event loop in which that happens first. Only
    what is no coroutine may be called from other threads.
    """

    _machine: LoopMachine
    _lease_class = AsyncConnection
    _stop = asyncio.CancelledError

    @overload
    def __init__(
        self: AsyncPool[StreamConnection],
        connect: str,
        *,
        close: Callable[..., object] | None = None,
        check: Callable[[StreamConnection], object] | None = None,
        on_created: Callable[[StreamConnection], object] | None = None,
        on_borrow: Callable[[StreamConnection], object] | None = None,
        on_return: Callable[[StreamConnection], object] | None = None,
        on_close: Callable[..., object] | None = None,
        on_leak: Callable[..., object] | None = None,
        clock: ManualClock | None = None,
        logger: logging.Logger | None = None,
        **options: Unpack[Options],
    ) -> None: ...

    @overload
    def __init__(
        self,
        connect: Callable[..., Awaitable[C]] | Callable[..., C] | None = None,
        *,
        listener: socket.socket | None = None,
        acceptor: Callable[..., Awaitable[C]] | Callable[..., C] | None = None,
        close: Callable[..., object] | None = None,
        check: Callable[[C], object] | None = None,
        on_created: Callable[[C], object] | None = None,
        on_borrow: Callable[[C], object] | None = None,
        on_return: Callable[[C], object] | None = None,
        on_close: Callable[..., object] | None = None,
        on_leak: Callable[..., object] | None = None,
        clock: ManualClock | None = None,
        logger: logging.Logger | None = None,
        **options: Unpack[Options],
    ) -> None: ...

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
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_in_loop = False  # until there is nothing left to do in it
        self._timer: asyncio.TimerHandle | None = None
        #: Dials, checks and closes that run.
        self._tasks: set[asyncio.Task[Any]] = set()
        #: Those of them that end with the pool: its own dials, and accepts.
        self._own_dials: set[asyncio.Task[Any]] = set()
        self._was_closed = False
        self._configure(connect, listener, acceptor, clock, logger, given)
        self._captures = self._host.captures_stacks
        if self._target is not None:
            self._where = parse(self._target)
            self._socket_options = SocketOptions.of(self._config)

    # --------------------------------------------------------------- its loop

    async def open(self) -> None:
        """Begins: dials ``min_connections`` in the background, or waits for them
        with the option ``prewarm_blocking``."""
        self._ready()
        if self._prewarms:
            await self._until(self._is_warm, None)

    async def __aenter__(self) -> AsyncPool[C]:
        await self.open()
        return self

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        await self.close()

    def _ready(self) -> Machine:
        """The machine of this loop, which has to be the pool's."""
        loop = _running_loop()
        if loop is self._loop:
            return self._machine
        if self._loop is not None:
            ended = " that has ended" if self._loop.is_closed() else ""
            raise errors.of(
                Status.ESTATE,
                f"the pool belongs to another event loop{ended}: make one a loop",
            )
        if self._was_closed:
            raise errors.of(Status.ECLOSED, "it was closed before it was opened")
        self._context = contextvars.copy_context()
        self._loop = loop
        try:
            self._open(_machine_of(loop))
        except BaseException:
            self._loop = None
            raise
        self._runs_in(loop.is_running, _maker_of_futures(loop))
        self._is_in_loop = True
        return self._machine

    def _pump_if_mine(self) -> None:
        try:
            mine = _running_loop() is self._loop
        except RuntimeError:
            return
        if mine:
            self._machine.pump()
            self._rearm()

    def wake(self) -> None:
        """Has the pool look at its clock again; from any thread."""
        if not self._is_open or self._loop is None or self._loop.is_closed():
            return
        lib.ncp_pool_wake(self._c)
        try:
            mine = _running_loop() is self._loop
        except RuntimeError:
            mine = False
        if mine:
            self._tick()
        else:
            self._loop.call_soon_threadsafe(_tick_of, weakref.ref(self))

    def _arm(self, seconds: float | None) -> None:
        timer, loop = self._timer, self._loop
        if loop is None or loop.is_closed():
            return
        if timer is not None:
            if seconds is not None and timer.when() <= loop.time() + seconds:
                return  # it rings early enough, and is set anew then
            timer.cancel()
            self._timer = None
        if seconds is not None and not self._is_gone():
            call = functools.partial(_tick_of, weakref.ref(self))
            self._timer = loop.call_later(seconds, call)

    def _rang(self) -> None:
        self._timer = None
        self._tick()

    # ------------------------------------------------------- how something waits

    def _post(self, waiter: asyncio.Future[Any], value: Any) -> bool:
        if waiter.done():
            return False
        waiter.set_result(value)
        return True

    def _spawn(self, flow: Flow[Any]) -> asyncio.Task[Any] | None:
        try:
            return self._task(flow, next(flow))
        except StopIteration:
            return None

    def _begin(self, flow: Flow[Any]) -> Any:
        """What the flow returned, or the task that runs the rest of it."""
        try:
            call = next(flow)
            while True:
                result = perform(call)
                if isawaitable(result):
                    return self._task(flow, Call(just, (result,)))
                if isinstance(result, Raised):
                    call = flow.throw(result.error)
                else:
                    call = flow.send(result)
        except StopIteration as stop:
            return stop.value

    def _task(self, flow: Flow[Any], call: Call) -> asyncio.Task[Any]:
        """Runs the rest of a flow in a task of its own, from a call on. It has
        nothing to do with whoever happens to run now, so it does not get his
        context."""
        assert self._loop is not None
        start = self._context.copy().run
        task: asyncio.Task[Any] = start(
            self._loop.create_task, self._continue(flow, call)
        )
        self._tasks.add(task)
        task.add_done_callback(functools.partial(self._ended, flow, call))
        return task

    def _ended(self, flow: Flow[Any], call: Call, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self._own_dials.discard(task)
        # Cancelled before it began.
        if inspect.getgeneratorstate(flow) != inspect.GEN_CLOSED:
            abort(flow, call, asyncio.CancelledError)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._host.logger.error(
                "%sa task of the pool ended", self._host.prefix, exc_info=error
            )
        self._retire()

    async def _drive(self, flow: Flow[Any]) -> Any:
        """Runs a flow as a part of this task."""
        try:
            call = next(flow)
        except StopIteration as stop:
            return stop.value
        return await self._continue(flow, call)

    async def _continue(self, flow: Flow[Any], call: Call) -> Any:
        """Runs the rest of a flow as a part of this task, from a call on."""
        try:
            while True:
                result = perform(call)
                try:
                    if isawaitable(result):
                        result = await _within(result, call.limit)
                    elif isinstance(result, Raised):
                        raise result.error
                except BaseException as error:
                    call = flow.throw(error)
                else:
                    call = flow.send(result)
        except StopIteration as stop:
            return stop.value

    # ------------------------------------------------------------------- dials

    def _dial(self, event: Event) -> None:
        """In the next turn: a loop that ends calls off all tasks, and a dial that
        ends so is not to begin another."""
        assert self._loop is not None
        self._loop.call_soon(self._dial_now, event)

    def _dial_now(self, event: Event) -> None:
        task = self._spawn(self._dialing(event))
        if task is not None and (self._dials_itself or self._accepts):
            self._own_dials.add(task)

    async def _make(self, request: _host.DialRequest) -> Any:
        made = super()._make(request)
        return streams.as_connection(await made if isawaitable(made) else made)

    async def _dial_target(self, request: _host.DialRequest) -> Any:
        return await streams.dial(self._where, self._socket_options, request)

    async def _accept_one(
        self, listener: socket.socket, request: _host.DialRequest
    ) -> socket.socket:
        return await self._machine.accept(listener)

    def _alive(self, raw: C) -> bool:
        if isinstance(raw, StreamConnection) and not raw.is_alive:
            return False
        return super()._alive(raw)

    # --------------------------------------------------------------- borrowing

    async def getconn(
        self,
        timeout: float | None = None,
        protocol: WantedProtocol = None,
        ip: WantedIp = None,
        tag: int = 0,
    ) -> AsyncConnection[C]:
        """Borrows a connection: an idle one, else a new one, else waits in line.

        ``timeout`` is in seconds: None for the option ``get_timeout``, 0 to take
        an idle connection or fail, negative or infinite for no limit. ``tag`` is
        a number of yours, shown in lists of borrowers. Cancelling it, at any
        moment, loses nothing.

        Raises :exc:`PoolTimeout`, :exc:`PoolClosed`, :exc:`ConnectFailed`,
        :exc:`PoolExhausted`, :exc:`HookFailed`.
        """
        conn = self._take(timeout, protocol, ip, tag)
        if conn.__class__ is not AsyncConnection:
            if conn.__class__ is tuple:  # as _settle does, without another coroutine
                waiter, ticket = conn
                try:
                    conn = await waiter
                except BaseException:
                    self._give_up(ticket, waiter)
                    raise
            if conn.__class__ is not AsyncConnection:
                conn = await self._settle(conn, timeout, protocol, ip, tag)
            self._note(conn)
        if self._captures:
            self._capture(conn, _getframe(1))
        return conn  # type: ignore[no-any-return]

    async def _settle(
        self,
        taken: Any,
        timeout: float | None,
        protocol: WantedProtocol,
        ip: WantedIp,
        tag: int,
    ) -> AsyncConnection[C]:
        """From what `_take` answered, or what somebody who waits got, to a
        connection."""
        answer = taken
        if answer is None:
            answer = self._ask(self._ready(), timeout, protocol, ip, tag)
        if isinstance(answer, int):
            answer = self._answer(answer, timeout)
        elif isinstance(answer, tuple) and not isinstance(answer, Event):
            answer = await self._turn(*answer)
        while isinstance(answer, Event):
            if answer.type == _PENDING:
                answer = await self._stand_in_line(answer.ticket)
            else:
                answer = await self._drive(self._settling(answer, timeout))
        return answer  # type: ignore[no-any-return]

    def _capture(self, conn: AsyncConnection[C], frame: types.FrameType) -> None:
        self._stacks[conn._token] = "".join(traceback.format_stack(frame))

    async def _stand_in_line(self, ticket: int) -> PullLease[C] | Event:
        assert self._loop is not None
        waiter = self._loop.create_future()
        self._waits(ticket, waiter)
        self._machine.pump()
        return await self._turn(waiter, ticket)

    async def _turn(
        self, waiter: asyncio.Future[Any], ticket: int
    ) -> PullLease[C] | Event:
        """Waits for the answer to a ticket."""
        try:
            answer: PullLease[C] | Event = await waiter
        except BaseException:
            self._give_up(ticket, waiter)
            raise
        return answer

    def _give_up(self, ticket: int, waiter: asyncio.Future[Any]) -> None:
        """Whoever waited was cancelled; what he may have got goes to the next."""
        if not self._is_open:
            return  # a task of the same garbage as its pool
        if self._waiter_of(ticket) is not None:
            lib.ncp_ticket_abandon(self._c, ticket, Status.ECANCELED)
        elif waiter.done() and not waiter.cancelled():
            answer = waiter.result()
            if not isinstance(answer, Event):
                self._never_mind(answer)
            elif answer.lease:
                lib.ncp_pool_put(self._c, answer.lease)
        self._machine.pump()
        self._look()

    async def try_getconn(
        self, protocol: WantedProtocol = None, ip: WantedIp = None, tag: int = 0
    ) -> AsyncConnection[C] | None:
        """Borrows an idle connection; None when there is none. Never dials and
        never stands in line."""
        try:
            conn = await self.getconn(0, protocol, ip, tag)
        except errors.PoolExhausted:
            return None
        frame = _getframe(1)
        conn._code = frame.f_code
        conn._instruction = frame.f_lasti
        return conn

    def connection(
        self,
        timeout: float | None = None,
        protocol: WantedProtocol = None,
        ip: WantedIp = None,
        tag: int = 0,
        *,
        keep_on_error: bool = False,
    ) -> AsyncBorrow[C]:
        """Borrows a connection for an ``async with`` block.

        A block that is left by an exception, cancellation included, closes the
        connection, because nobody knows what is still to be read from it;
        ``keep_on_error`` gives it back all the same. The other arguments are those
        of :meth:`getconn`.
        """
        return AsyncBorrow(self, keep_on_error, (timeout, protocol, ip, tag))

    def tcp(self, timeout: float | None = None, **more: Any) -> AsyncBorrow[C]:
        """:meth:`connection` over TCP."""
        return self.connection(timeout, Protocol.TCP, **more)

    def udp(self, timeout: float | None = None, **more: Any) -> AsyncBorrow[C]:
        """:meth:`connection` over UDP."""
        return self.connection(timeout, Protocol.UDP, **more)

    def ipv4(self, timeout: float | None = None, **more: Any) -> AsyncBorrow[C]:
        """:meth:`connection` over IPv4."""
        return self.connection(timeout, ip=Ip.V4, **more)

    def ipv6(self, timeout: float | None = None, **more: Any) -> AsyncBorrow[C]:
        """:meth:`connection` over IPv6."""
        return self.connection(timeout, ip=Ip.V6, **more)

    # ------------------------------------------------------------- giving back

    async def putconn(self, conn: AsyncConnection[C], discard: bool = False) -> None:
        """Gives a connection back; with ``discard`` it is closed. It waits for
        nothing but ``on_return`` and ``close``, if these are coroutine functions;
        cancelled meanwhile, the connection is closed.

        Raises :exc:`InvalidConnection` for one that has been given back already
        or that another pool lent, :exc:`ConnectionLeaked` for one that had been
        taken away, :exc:`HookFailed` and :exc:`CloseFailed`; the connection is
        gone all the same.
        """
        closing = False if discard else self._give(conn)
        if closing is False:
            self._own(conn)
            self._ready()
            if discard or not self._returns:
                closing = self._release(conn, _DISCARD if discard else 0)
            else:
                closing = await self._drive(self._returning(conn))
        if closing is not None:
            await self._wait_closed(closing)

    async def _wait_closed(self, closing: Any) -> None:
        """Waits until a connection is closed, and raises how that failed."""
        if isinstance(closing, asyncio.Task):
            closing = await asyncio.shield(closing)
        if closing is not None:
            raise self._error(Status.ECLOSEHOOK, closing) from closing

    async def _end_block(self, conn: AsyncConnection[C], discard: bool) -> None:
        """Ends a borrow when an exception may be on its way, which is the one that
        its user wants to see."""
        if not conn._token:
            return
        try:
            await self.putconn(conn, discard)
        except errors.PoolError as error:
            self._host.logger.warning("%s%s", self._host.prefix, error)

    # -------------------------------------------------------------------- steers

    async def set(self, name: str, value: object) -> None:  # type: ignore[override]
        """Changes an option of the living pool. Durations are in seconds."""
        self._ready()
        await self._wait_all(self._set(name, value))

    async def resize(  # type: ignore[override]
        self, max_connections: int | None
    ) -> None:
        """Changes ``max_connections``; None for no limit. Growing serves those who
        wait; shrinking closes idle connections now and borrowed ones when they
        come back."""
        self._ready()
        await self._wait_all(self._resize(max_connections))

    async def flush(self) -> None:  # type: ignore[override]
        """Closes what is idle now, and what is borrowed when it comes back."""
        self._ready()
        await self._wait_all(self._flush())

    # ------------------------------------------------------------ the end of it

    async def close(self) -> None:
        """Stops lending: closes what is idle, and those in line get
        :exc:`PoolClosed`. What is borrowed stays usable and is closed when it
        comes back. A dial that runs is not waited for; what it makes is closed.
        Again, it does nothing."""
        if self._has_begun():
            await self._end(self._close())

    async def close_now(self) -> None:
        """:meth:`close`, and shuts down what is borrowed."""
        if self._has_begun():
            await self._end(self._close_now())

    async def close_wait(self, timeout: float | None = None) -> None:
        """:meth:`close`, then waits until the last connection is back.
        :exc:`PoolTimeout` when some are still out after ``timeout`` seconds."""
        if not self._has_begun():
            return
        await self._end(self._close())
        if not await self._until(self._is_over, timeout):
            raise self._error(Status.ETIMEOUT, waited=timeout)

    async def drain(self, timeout: float | None = None) -> None:
        """:meth:`close_wait`, then :meth:`close_now` for what is still out, with
        :exc:`PoolTimeout`."""
        try:
            await self.close_wait(timeout)
        except errors.PoolTimeout:
            await self._end(self._close_now())
            raise

    async def prewarm_wait(self, timeout: float | None = None) -> None:
        """Waits until ``min_connections`` have been made in advance.
        :exc:`PoolTimeout`; :exc:`ConnectFailed` when that ended without
        success."""
        self._ready()
        if not await self._until(self._is_warm, timeout):
            raise self._error(Status.ETIMEOUT, waited=timeout)
        self._check_warm()

    def _has_begun(self) -> bool:
        """Whether there is something to close; one that never began does not begin
        any more."""
        if self._loop is None:
            self._was_closed = True
            return False
        self._ready()
        return True

    async def _end(self, closings: Closings) -> None:
        """What the pool began by itself ends; waits for the closes, and raises how
        the first of them failed."""
        for task in list(self._own_dials):
            task.cancel()
        failures = await self._wait_all(closings)
        self._retire()
        if failures:
            raise failures[0]

    async def _wait_all(self, closings: Closings) -> list[errors.PoolError]:
        """Waits for several closes. How they failed has been logged."""
        failures: list[errors.PoolError] = []
        for _, closing in closings:
            try:
                await self._wait_closed(closing)
            except errors.CloseFailed as error:
                failures.append(error)
        return failures

    async def _until(
        self, condition: Callable[[], bool], timeout: float | None
    ) -> bool:
        """Waits until a condition holds; False when it took too long."""
        if condition():
            return True
        assert self._loop is not None
        waiter = self._loop.create_future()
        self._watchers.append((condition, waiter))
        timer = None
        if timeout is not None and timeout >= 0 and timeout != float("inf"):
            timer = self._loop.call_later(timeout, self._post, waiter, False)
        try:
            return bool(await waiter)
        finally:
            self._watchers[:] = [one for one in self._watchers if one[1] is not waiter]
            if timer is not None:
                timer.cancel()

    def _is_gone(self) -> bool:
        return self._is_open and self.is_closed and not (
            self._tasks
            or lib.ncp_pool_active_count(self._c)
            or lib.ncp_pool_dialing_count(self._c)
        )

    def _retire(self) -> None:
        """Leaves the loop when there is nothing left to do in it."""
        if self._is_in_loop and self._is_gone():
            self._is_in_loop = False
            self._arm(None)
            self._machine.leave(self._address)

    def _look(self) -> None:
        super()._look()
        if self.is_closed:
            self._retire()

    def __del__(self) -> None:
        loop = self._loop
        try:
            super().__del__()
        finally:
            if self._is_in_loop and loop is not None and not loop.is_closed():
                # This may be any thread: the garbage collector chose it.
                loop.call_soon_threadsafe(self._machine.forget, self._address)

    def _drop_result(self, result: Any) -> None:
        if not isawaitable(result):
            return
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(asyncio.ensure_future, result)
        elif asyncio.iscoroutine(result):
            result.close()


def _maker_of_futures(
    loop: asyncio.AbstractEventLoop,
) -> Callable[[], asyncio.Future[Any]]:
    """What loop.create_future() does, with nothing in between where that is known."""
    if getattr(type(loop), "create_future", None) is _create_future:
        return functools.partial(asyncio.Future, loop=loop)
    return loop.create_future


def _tick_of(pool: weakref.ref[AsyncPool[Any]]) -> None:
    """A timer rang for a pool that may be gone."""
    found = pool()
    if found is not None:
        found._rang()


async def _within(awaitable: Awaitable[Any], seconds: float | None) -> Any:
    """Awaits in this task, which is cancelled for it when the time has passed; a
    TimeoutError then."""
    if seconds is None:
        return await awaitable
    task: asyncio.Task[Any] | None = asyncio.current_task()
    assert task is not None
    cancel, is_late = task.cancel, False

    def ring() -> None:
        nonlocal is_late
        is_late = True
        cancel()

    timer = _running_loop().call_later(seconds, ring)
    try:
        return await awaitable
    except asyncio.CancelledError:
        if not is_late:
            raise
        if sys.version_info >= (3, 11):
            task.uncancel()
        raise TimeoutError(f"not made within {seconds:g} s") from None
    finally:
        timer.cancel()
