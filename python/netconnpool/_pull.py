"""The machine behind pools of event loops: it does the work that they hand out.

A pull pool never blocks, calls nothing back and starts no thread: it answers with
events. The machine takes them out of one queue and turns them into connections
for those who wait, and into dials, checks, closes and hooks.

What is the user's may have to be waited for, and how that is done differs from one
kind of loop to the next. So whatever may wait is written as a *flow*: a generator
that yields the calls it wants to have made and is sent their results. asyncio
awaits these results, gevent lets the greenlet wait inside the call; the flows are
the same.

Everything here runs on the thread of its loop, and between two yields nothing else
runs: no state needs a lock.
"""
from __future__ import annotations

import inspect
import os
import socket
import struct
import sys
import warnings
import weakref
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

from netconnpool import _config, _handle, _host, _lease, errors
from netconnpool._constants import (
    Driver,
    EventType,
    Flag,
    HostEvent,
    Mode,
    Option,
    Reason,
    Status,
)
from netconnpool._ffi import ffi, lib
from netconnpool.connection import GONE, Lease, address_of
from netconnpool.pool import (
    KEYWORDS,
    wanted_ip,
    wanted_protocol,
    wanted_timeout,
    where_from,
)

if TYPE_CHECKING:
    import logging

    from netconnpool._clock import ManualClock
    from netconnpool._ffi import CData
    from netconnpool.pool import WantedIp, WantedProtocol

C = TypeVar("C")

ROOM = 64  # events taken out at a time

_NOWHERE = (lambda: None).__code__  # where a borrow was made, until that is known

_EVENT = struct.Struct("@iiPQQQQQqiiiiiiqqQQQ")
_LOG_LINE = 1024

_unpack = _EVENT.unpack_from

_CONN = int(EventType.CONN)
_READY = int(EventType.READY)
_PENDING = int(EventType.PENDING)
_BORROW = int(EventType.BORROW)
_CHECK = int(EventType.CHECK)
_TAKE = int(Flag.TAKE)
# What a ticket comes to. A CHECK without a ticket is work, and so is any DIAL.
_ANSWERS = frozenset((_CONN, _READY, _BORROW, _CHECK))

_HOST_EVENTS = HostEvent.LEAK | HostEvent.LOG | HostEvent.DUE


class Event(NamedTuple):
    """An event of the library, copied."""

    type: int
    status: int
    pool: int
    lease: int
    ticket: int
    tag: int
    handle: int
    conn_id: int
    timeout_ms: int
    fd: int
    protocol: int
    ip: int
    reason: int
    reused: int
    reserved32: int
    code: int
    creation_ms: int
    spare0: int
    spare1: int
    spare2: int


class Call(NamedTuple):
    """What a flow wants to have done: something of the user's."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    #: Seconds after which it is to be ended by a TimeoutError, where that is
    #: possible; None for never.
    limit: float | None = None


#: A flow yields calls, is sent their results and returns something.
Flow = Generator[Call, Any, C]

#: Closes that have begun: the handle, and what `_begin` answered.
Closings = list[tuple[int, Any]]


def _closing_of(handle: int, closings: Closings | None) -> Any:
    """The close of one connection among several."""
    for closed, closing in closings or ():
        if closed == handle:
            return closing
    return None


class Raised:
    """Stands for the result of a call that raised."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


def just(result: Any) -> Any:
    """The call whose result is there already."""
    return result


def perform(call: Call) -> Any:
    """Makes a call of a flow."""
    try:
        return call.function(*call.arguments)
    except BaseException as error:
        return Raised(error)


def abort(flow: Flow[Any], call: Call, stop: type[BaseException]) -> None:
    """Lets a flow end that nobody runs any more, from a call on; what it still
    wants to wait for is called off."""
    for argument in call.arguments:
        if inspect.iscoroutine(argument):
            argument.close()
    try:
        call = flow.throw(stop())
        while True:
            result = perform(call)
            if inspect.iscoroutine(result):
                result.close()
            call = flow.throw(stop())
    except (StopIteration, stop):
        pass


class Machine:
    """One queue, and what waits for its events."""

    def __init__(self) -> None:
        assert _EVENT.size == ffi.sizeof("ncp_event")
        out = ffi.new("ncp_queue **")
        status = lib.ncp_queue_new(out)
        if status != Status.OK:
            raise errors.of(status, "no queue for this loop")
        self.queue = ffi.gc(out[0], lib.ncp_queue_free)
        self.fd = int(lib.ncp_queue_fd(self.queue))
        self.events = ffi.new("ncp_event[]", ROOM)
        self.out = ffi.new("ncp_event *")
        self.status = ffi.new("int *")
        self._buffer = ffi.buffer(self.events)
        #: Pools at which somebody waits; their base fills it.
        self.wanted: set[PullPool[Any]] = set()
        #: Pools by address. A pool that its user forgot may go.
        self.pools: weakref.WeakValueDictionary[int, PullPool[Any]] = (
            weakref.WeakValueDictionary()
        )
        self._pumping = False

    def pump(self) -> None:
        """Takes everything out of the queue and acts on it."""
        if self._pumping:
            return  # whoever does it goes on until the queue is empty
        self._pumping = True
        try:
            while (count := lib.ncp_queue_poll(self.queue, self.events, ROOM)) > 0:
                self.dispatch(count)
        finally:
            self._pumping = False

    def dispatch(self, count: int) -> None:
        """Acts on the events of the buffer: first on those that others wait
        for."""
        later = []
        for at in range(0, count * _EVENT.size, _EVENT.size):
            row = _unpack(self._buffer, at)
            if row[0] in _ANSWERS and row[4]:
                pool = self.pools.get(row[2])
                if pool is not None:
                    pool._deliver(row)
            else:
                later.append(Event(*row))
        for event in later:
            if event.type == EventType.KICK:
                self.tick()
                continue
            theirs = self.pools.get(event.pool)
            if theirs is not None:
                theirs._act_on(event)

    def tick(self) -> None:
        """Somebody on another thread moved a clock."""
        for pool in list(self.pools.values()):
            pool._tick()


class PullLease(Lease[C]):
    """A connection borrowed from a pool of an event loop."""

    __slots__ = ()

    _pool: PullPool[C]

    @property
    def place(self) -> str:
        """Where it was borrowed: "file:line"."""
        return "{}:{}".format(*self._place())

    def _place(self) -> tuple[str, int]:
        code = self._code
        for begin, end, line in code.co_lines():
            if begin <= self._instruction < end and line is not None:
                return code.co_filename, line
        return code.co_filename, code.co_firstlineno

    def _lost(self) -> None:
        """It was collected as garbage, on whatever thread that happened; the loop
        closes it when it finds the event. Called by the base."""
        pool, raw = self._pool, self.raw
        if id(raw) in pool._host.inherited:
            return
        if pool._lose(self) != Status.OK or not pool._is_open:
            return  # given back, or taken away, before; or gone with its pool
        text = f"a connection was lost without having been given back: {raw!r}"
        file, line = self._place()
        pool._host.logger.warning(
            "%s%s, borrowed at %s:%d", pool._host.prefix, text, file, line
        )
        warnings.warn_explicit(text, ResourceWarning, file, line, source=self)


class _Unopened:
    """Stands for the pool of the library until there is one."""

    def __get__(self, pool: object, owner: object) -> Any:
        if pool is None:
            return self
        raise errors.of(Status.ESTATE, "the pool is not open: open it in its loop")


class PullPool(_handle.Handle[C], _lease.Puller[C]):
    """What the pools of all kinds of loops have in common.

    A subclass says how something waits:

    - ``_post(waiter, value)`` ends a wait; False when nobody waits any more;
    - ``_spawn(flow)`` runs a flow beside everything else;
    - ``_begin(flow)`` runs a flow now, as far as it goes without waiting; what it
      returns is handed to ``_closings`` and understood by the subclass alone;
    - ``_arm(seconds)`` calls :meth:`_tick` then; None for never;
    - ``_pump_if_mine()`` acts on what a call caused, on the thread of the loop; on
      another one the loop finds it.
    """

    _lease_class: ClassVar[type[PullLease[Any]]] = PullLease
    #: What ends a task from outside; a dial that ends so has not failed.
    _stop: ClassVar[type[BaseException]]
    #: What a function of the user's may raise without ending more than itself.
    _ordinary: ClassVar[tuple[type[BaseException], ...]] = (Exception,)

    _c: Any = _Unopened()
    _machine: Machine

    def _post(self, waiter: Any, value: Any) -> bool:
        raise NotImplementedError

    def _spawn(self, flow: Flow[Any]) -> Any:
        raise NotImplementedError

    def _begin(self, flow: Flow[Any]) -> Any:
        raise NotImplementedError

    def _arm(self, seconds: float | None) -> None:
        raise NotImplementedError

    def _pump_if_mine(self) -> None:
        raise NotImplementedError

    def _alive(self, raw: C) -> bool:
        """Whether a connection lives, as far as can be seen from outside."""
        fd = _host.descriptor(raw)
        if fd < 0:
            # No descriptor: nothing to look at. A socket that was closed has -1.
            return not isinstance(raw, socket.socket)
        return lib.ncp_fd_alive(fd) == 1

    # ---------------------------------------------------------------- making it

    def _configure(
        self,
        connect: Any,
        listener: socket.socket | None,
        acceptor: Callable[..., Any] | None,
        clock: ManualClock | None,
        logger: logging.Logger | None,
        given: dict[str, Any],
    ) -> None:
        """Everything that can be wrong is found out here; :meth:`_open` makes the
        pool."""
        hooks = {name: given.pop(name, None) for name in _host.HOOKS}
        #: The option prewarm_blocking: the library cannot dial while it waits.
        self._prewarms = bool(given.pop("prewarm_blocking", False))
        if given.pop("dial_in_caller", False):
            raise errors.of(
                Status.EINVALIDCONFIG,
                "dial_in_caller is not for event loops: a dial is a task of its own",
            )
        connect, mode = where_from(connect, listener, acceptor, given)
        self._target: str | None = given.get("target")
        config = _config.make(given, mode=mode, driver=Driver.PULL, known=KEYWORDS)
        if mode == Mode.CLIENT and connect is None and self._target is None:
            raise errors.of(
                Status.EINVALIDCONFIG,
                "nothing to dial: give a function or a target",
            )
        if mode == Mode.SERVER and listener is None:
            raise errors.of(
                Status.EINVALIDCONFIG, "a pool that accepts needs a listener"
            )
        self._accepts = mode == Mode.SERVER
        #: Whether the pool dials or accepts by itself.
        self._dials_itself = (acceptor if self._accepts else connect) is None
        if self._dials_itself and self._accepts:
            acceptor = self._accept_one
        elif self._dials_itself:
            connect = self._dial_target
        self._host = _host.Host(connect, acceptor, listener, hooks, clock, logger)
        self._host.configure(config, push=False)
        self._host.rest()  # nothing asks for it by its number
        self._host_events(config)
        self._validate(config)
        self._config: Any = config
        self._objects = self._host.objects
        #: Whether on_return, or what is like it, has to be run.
        self._returns = (
            self._host.on_return is not None or self._host.restores_timeout
        )
        self._is_slow = self._returns
        #: Leases whose on_return runs.
        self._busy: set[int] = set()
        self._ends = False
        #: Handles that were taken away from their borrowers, with the reason.
        self._taken: dict[int, str] = {}
        #: Handles whose check runs; a reason once they are to be closed after it.
        self._checks: dict[int, str | None] = {}
        #: Closes begun by the call that is being made; None outside of one.
        self._closings: Closings | None = None
        #: Reservations and checks that the library waits for: whether it is a dial.
        self._unanswered: dict[int, bool] = {}
        #: Those who wait until something is so.
        self._watchers: list[tuple[Callable[[], bool], Any]] = []

    def _host_events(self, config: CData) -> None:
        wanted = int(_HOST_EVENTS)
        if self._host.on_borrow is not None:
            wanted |= HostEvent.BORROW
        lib.ncp_config_set_int(config, Option.HOST_EVENTS, wanted)

    def _validate(self, config: CData) -> None:
        """With a queue for the time being: its loop may not run yet."""
        out = ffi.new("ncp_queue **")
        if lib.ncp_queue_new(out) != Status.OK:
            raise errors.of(Status.ESYS, "no queue")
        queue = ffi.gc(out[0], lib.ncp_queue_free)
        lib.ncp_config_set_queue(config, queue)
        status = lib.ncp_config_validate(config)
        if status != Status.OK:
            raise _config.refused(config, status)
        lib.ncp_config_set_queue(config, ffi.NULL)

    def _open(self, machine: Machine) -> None:
        """Makes the pool of the library, in its loop."""
        config, self._config = self._config, None
        lib.ncp_config_set_queue(config, machine.queue)
        self._machine = machine
        super().__init__(config, self._host)
        self._address = _handle._address(self._c)
        self._lends(
            self._address,
            machine,
            _handle._address(machine.queue),
            _handle._address(machine.out),
            _handle._address(machine.events),
            ROOM,
            machine.wanted,
            self._objects,
            self._lease_class,
            self._taken,
            self._stacks,
            self._watchers,
        )
        machine.pools[self._address] = self
        machine.pump()
        self._rearm()

    @property
    def _is_open(self) -> bool:
        return "_c" in self.__dict__

    def _dial_target(self, request: _host.DialRequest) -> Any:
        raise NotImplementedError

    def _accept_one(self, listener: socket.socket, request: _host.DialRequest) -> Any:
        raise NotImplementedError

    # ---------------------------------------------------------------- borrowing

    def _never_mind(self, conn: PullLease[C]) -> None:
        """Nobody waits for it any more: the next one gets it. No hook has seen
        it."""
        lease = conn._token
        conn._ended()
        lib.ncp_pool_put(self._c, lease)

    def _ask(
        self,
        machine: Machine,
        timeout: float | None,
        protocol: WantedProtocol,
        ip: WantedIp,
        tag: int,
    ) -> int:
        """Asks for a connection; the answer is in the event of the machine."""
        return int(
            lib.ncp_pool_acquire(
                self._c,
                machine.queue,
                wanted_protocol(protocol),
                wanted_ip(ip),
                wanted_timeout(timeout),
                tag,
                _TAKE,
                machine.out,
            )
        )

    def _answer(
        self, status: int, timeout: float | None = None
    ) -> PullLease[C] | Event:
        """What the library answered into the event of the machine."""
        out = self._machine.out
        if status != Status.OK:
            raise self._get_failed(status, out.code, timeout)
        if out.type == _CONN:
            conn: PullLease[C] = self._lend(out.lease, out.handle)
            return conn
        return Event(*_EVENT.unpack(ffi.buffer(out)))

    def _get_failed(
        self, status: int, code: int, timeout: float | None
    ) -> errors.PoolError:
        """Why there is no connection, as an exception."""
        cause = self._host.take_error(code) if code else None
        if status == Status.EBREAKER:
            cause = self._host.dial_error
        waited = None
        if status == Status.ETIMEOUT:
            waited = self.option("get_timeout") if timeout is None else timeout
        return self._error(status, cause, waited)  # type: ignore[arg-type]

    def _settling(
        self, event: Event, timeout: float | None
    ) -> Flow[PullLease[C] | Event]:
        """From an answer to a connection, or to another one to wait for."""
        answer: PullLease[C] | Event = event
        while isinstance(answer, Event) and answer.type != _PENDING:
            if answer.type == _BORROW:
                answer = yield from self._borrowing(answer, timeout)
            elif answer.type == _CHECK:
                healthy = yield from self._looking(answer)
                answer = self._checked(answer.lease, healthy, timeout)
            else:
                raise self._get_failed(answer.status, answer.code, timeout)
        self._machine.pump()
        return answer

    def _checked(
        self, lease: int, healthy: bool, timeout: float | None
    ) -> PullLease[C] | Event:
        """Tells how a look at a connection that is to be lent came out."""
        status = lib.ncp_pool_checked(self._c, lease, healthy, self._machine.out)
        if status == Status.EINVALIDCONN and self.is_closed:
            status = Status.ECLOSED  # it was taken away meanwhile
        try:
            return self._answer(status, timeout)
        except BaseException:
            self._machine.pump()
            raise

    def _borrowing(
        self, event: Event, timeout: float | None
    ) -> Flow[PullLease[C] | Event]:
        """Has on_borrow look at a connection."""
        assert self._host.on_borrow is not None
        try:
            yield Call(self._host.on_borrow, (self._host.objects[event.handle],))
        except GeneratorExit:
            self._abandon(event.lease)
            raise
        except BaseException as error:
            lib.ncp_pool_checked(self._c, event.lease, 0, ffi.NULL)
            self._machine.pump()
            if isinstance(error, Exception):
                raise self._error(Status.EHOOK, error) from error
            raise
        return self._checked(event.lease, True, timeout)

    def _looking(self, event: Event) -> Flow[bool]:
        """Has a connection checked before it is lent; a look that is cut short
        costs it."""
        try:
            return (yield from self._judging(self._host.objects[event.handle]))
        except BaseException:
            self._abandon(event.lease)
            raise

    def _abandon(self, lease: int) -> None:
        """Discards what was about to be lent. A flow of the same garbage as its
        pool may end after it, and finds that all was answered."""
        if self._is_open:
            lib.ncp_pool_discard(self._c, lease)
            self._machine.pump()

    # ------------------------------------------------------------- giving back

    def _own(self, conn: object) -> None:
        if not isinstance(conn, PullLease) or conn._pool is not self:
            raise errors.of(
                Status.EINVALIDCONN, f"{conn!r} was not lent by {self!r}"
            )

    def _release(self, conn: PullLease[C], flags: int) -> Any:
        """Ends a lease and serves who waits. Returns what is still to be waited
        for, raises what went wrong."""
        lease, handle, raw = conn._token, conn._handle, conn.raw
        machine = self._machine
        conn._token = 0
        conn.raw = GONE
        count = lib.ncp_pool_release(
            self._c, lease, flags, machine.queue, machine.events, ROOM, machine.status
        )
        return self._given(count, machine.status[0], lease, handle, raw)

    def _given(self, count: int, status: int, lease: int, handle: int, raw: Any) -> Any:
        """Acts on what the library answered to a release. The base calls it for
        what is not as usual."""
        closing = self._dispatch(count, handle) if count else None
        if status or self._taken or self._stacks or self._watchers or self._ends:
            self._released(status, lease, handle, raw)
        return closing

    def _dispatch(self, count: int, handle: int) -> Any:
        """Acts on the events of a release. Returns the close of its connection, if
        it was closed."""
        before, self._closings = self._closings, []
        try:
            self._machine.dispatch(count)
        finally:
            closings, self._closings = self._closings, before
        return _closing_of(handle, closings)

    def _released(self, status: int, lease: int, handle: int, raw: Any) -> None:
        """What else a release may have to do."""
        self._stacks.pop(lease, None)
        self._look()
        if handle in self._taken and self._host.objects.get(handle) is raw:
            reason = self._taken.pop(handle)
            self._begin(self._ending(handle, reason))
        if status == Status.OK:
            return
        if status == Status.EINVALIDCONN and id(raw) in self._host.inherited:
            return  # it is the parent's, and was forgotten in this process
        raise self._error(status)

    def _returning(self, conn: PullLease[C]) -> Flow[Any]:
        """Gives a connection back by way of on_return, which sees only what will
        be kept."""
        if conn._token in self._busy:
            raise errors.of(
                Status.EINVALIDCONN, f"{conn!r} is being given back already"
            )
        lease = conn._token
        if lib.ncp_lease_keeps(self._c, lease) != Reason.NONE:
            return self._release(conn, 0)
        self._busy.add(lease)
        try:
            self._host.restore_timeout(conn._handle)
            if self._host.on_return is not None:
                yield Call(self._host.on_return, (conn.raw,))
        except GeneratorExit:
            self._abandon(lease)
            raise
        except BaseException as error:
            self._release(conn, Flag.HOOK)
            if isinstance(error, Exception):
                raise self._error(Status.EHOOK, error) from error
            raise
        finally:
            self._busy.discard(lease)
        return self._release(conn, 0)

    def detach(self, conn: PullLease[C]) -> C:
        """Takes a connection out of the pool for good: it is yours to close, and
        its place is free."""
        self._own(conn)
        lease, handle, raw = conn.lease, conn._handle, conn.raw
        status = lib.ncp_pool_detach(self._c, lease, ffi.NULL)
        conn._ended()
        self._machine.pump()
        if status == Status.OK:
            self._host.remove(handle)
        self._released(status, lease, handle, raw)
        return raw

    def _close_lease(self, conn: PullLease[C]) -> Any:
        """The holder closes its connection; it may still give it back, which does
        nothing."""
        handle = conn._handle
        lease = conn.lease
        conn.raw = GONE
        closings = self._collecting(lambda: lib.ncp_lease_close(self._c, lease))
        return _closing_of(handle, closings)

    # ------------------------------------------------------------------- events

    def _deliver(self, row: tuple[Any, ...]) -> None:
        """Hands the answer to a ticket to who waits for it."""
        waiter = self._waiter_of(row[4])
        if row[0] == _CONN:
            lease = self._lend(row[3], row[6])
            if waiter is None or not self._post(waiter, lease):
                self._never_mind(lease)
        elif (
            waiter is None or not self._post(waiter, Event(*row))
        ) and row[0] != _READY:
            lib.ncp_pool_put(self._c, row[3])

    def _act_on(self, event: Event) -> None:
        """Does a piece of work that nobody waits for in particular."""
        if event.type in (EventType.DIAL, EventType.CHECK):
            self._unanswered[event.lease] = event.type == EventType.DIAL
        getattr(self, _ACTS[event.type])(event)

    def _dial(self, event: Event) -> None:
        self._spawn(self._dialing(event))

    def _check_work(self, event: Event) -> None:
        if self._host.check is not None:
            self._checks[event.handle] = None
            self._spawn(self._checking(event))
            return
        alive = self._alive(self._host.objects[event.handle])
        self._unanswered.pop(event.lease, None)
        lib.ncp_pool_checked(self._c, event.lease, alive, ffi.NULL)

    def _close_work(self, event: Event) -> None:
        reason = _host.REASONS.get(event.reason, "unknown")
        handle = event.handle
        if handle in self._checks:
            self._checks[handle] = reason  # its check still uses it
            return
        if event.reason == Reason.LEAKED:
            self._taken[handle] = reason
        closing = self._begin(self._closing(handle, reason, event.fd))
        if self._closings is not None:
            self._closings.append((handle, closing))

    def _leak(self, event: Event) -> None:
        hook = self._host.on_leak
        raw = self._host.objects.get(event.handle)
        if hook is not None and raw is not None:
            reason = _host.REASONS.get(event.reason, "unknown")
            self._begin(self._telling(hook, "on_leak", raw, reason))

    def _log(self, event: Event) -> None:
        level, conn_id = ffi.new("int *"), ffi.new("uint64_t *")
        line = ffi.new("char[]", _LOG_LINE)
        while lib.ncp_pool_log_next(self._c, level, conn_id, line, _LOG_LINE) > 0:
            text = ffi.string(line).decode(errors="replace")
            self._host.log(level[0], conn_id[0], text)

    def _due(self, event: Event) -> None:
        self._rearm()

    # -------------------------------------------------------------------- dials

    def _dialing(self, event: Event) -> Flow[None]:
        """Makes a connection. It may outlive whoever asked for it: what comes is
        kept for the next one."""
        request = _host.DialRequest(
            event.protocol,
            event.ip,
            event.timeout_ms,
            event.creation_ms,
            event.reason,
            self._host.listener,
            self._host.is_closed,
        )
        # With a clock of its own the library alone says when it took too long.
        limit = request.timeout if self._host.clock is None else None
        try:
            raw = yield Call(self._make, (request,), limit)
        except BaseException as error:
            self._dial_failed(event.lease, error)
            if isinstance(error, self._ordinary):
                return
            raise
        if raw is None:
            text = b"the dialer returned no connection"
            self._fail(event.lease, Status.EINVALIDCONN, 0, text)
            return
        yield from self._made(event.lease, raw, request)

    def _make(self, request: _host.DialRequest) -> Any:
        return self._host.make(request, self._accepts)

    def _made(
        self, reservation: int, raw: Any, request: _host.DialRequest
    ) -> Flow[None]:
        handle, fd, protocol, ip = self._host.add(raw, request)
        if self._host.on_created is not None:
            lib.ncp_pool_dialed(
                self._c, reservation, handle, fd, protocol, ip, ffi.NULL
            )
            self._machine.pump()
            try:
                yield Call(self._host.on_created, (raw,))
            except GeneratorExit:
                raise  # with its pool, which closes what it has
            except BaseException as error:
                yield from self._closing(handle, "hook", -1)
                code = self._host.failed_dial(error)
                text = b"on_created refused the connection"
                self._fail(reservation, Status.EHOOK, code, text)
                if isinstance(error, self._ordinary):
                    return
                raise
        self._host.dial_error = None
        self._unanswered.pop(reservation, None)
        status = lib.ncp_pool_fulfil(
            self._c, reservation, handle, fd, protocol, ip, ffi.NULL
        )
        self._machine.pump()
        self._look()
        if status == Status.EINVALIDCONN:  # the pool knows nothing of it
            yield from self._ending(handle, "none")

    def _dial_failed(self, reservation: int, error: BaseException) -> None:
        if isinstance(error, self._stop):
            self._fail(reservation, Status.ECANCELED, 0, b"")
            return
        code = self._host.failed_dial(error)
        self._fail(reservation, Status.EDIAL, code, _host.text_of(error).encode())

    def _fail(self, reservation: int, status: int, code: int, text: bytes) -> None:
        if not self._is_open:
            return  # a flow of the same garbage as its pool: all is answered
        self._unanswered.pop(reservation, None)
        lib.ncp_pool_fail(self._c, reservation, status, code, text, ffi.NULL)
        self._machine.pump()
        self._look()

    # ------------------------------------------------------------------- checks

    def _judging(self, raw: C) -> Flow[bool]:
        """Whether a connection is healthy."""
        check = self._host.check
        if check is None:
            return self._alive(raw)
        try:
            return _host.fit((yield Call(check, (raw,))))
        except self._ordinary as error:
            self._host.logger.warning(
                "%sa health check failed", self._host.prefix, exc_info=error
            )
            return False

    def _checking(self, event: Event) -> Flow[None]:
        """A check that is work. The library has closed the connection meanwhile
        when it took too long."""
        healthy = False
        try:
            healthy = yield from self._judging(self._host.objects[event.handle])
        finally:
            if self._is_open:
                self._judged(event, healthy)

    def _judged(self, event: Event, healthy: bool) -> None:
        """Tells how a check that was work came out."""
        reason = self._checks.pop(event.handle)
        self._unanswered.pop(event.lease, None)
        lib.ncp_pool_checked(self._c, event.lease, healthy, ffi.NULL)
        self._machine.pump()
        self._look()
        if reason is not None:
            self._begin(self._closing(event.handle, reason, -1))

    # ------------------------------------------------------------------- closes

    def _closing(self, handle: int, reason: str, fd: int) -> Flow[Any]:
        """Closes a connection; of one that was taken away from its borrower only
        the socket is shut down, lest its number be used again under the
        borrower. Returns the exception of the close, or None."""
        raw = self._host.objects.get(handle)
        if raw is None:
            return None
        if self._host.on_close is not None:
            yield from self._telling(self._host.on_close, "on_close", raw, reason)
        if handle in self._taken:
            if fd >= 0:
                shut_down(fd)
                return None
            del self._taken[handle]
        return (yield from self._ending(handle, reason))

    def _ending(self, handle: int, reason: str) -> Flow[Any]:
        """Lets go of a connection, once."""
        raw = self._host.remove(handle)
        if raw is None:
            return None
        try:
            yield Call(self._host.close, (raw, reason))
        except self._ordinary as error:
            self._host.logger.error(
                "%sclosing %r failed", self._host.prefix, raw, exc_info=error
            )
            return error
        return None

    def _telling(
        self, hook: Callable[..., Any], name: str, raw: Any, reason: str
    ) -> Flow[None]:
        """A hook whose result nobody waits for."""
        try:
            yield Call(hook, (raw, reason))
        except self._ordinary as error:
            self._host.logger.error(
                "%s%s failed", self._host.prefix, name, exc_info=error
            )

    # --------------------------------------------------------------------- time

    def _tick(self) -> None:
        """Does what is due."""
        lib.ncp_pool_work(self._c)
        self._machine.pump()
        self._look()
        self._rearm()

    def _rearm(self) -> None:
        if self._host.clock is not None:
            return  # whoever moves it wakes us
        ms = lib.ncp_pool_next_due_ms(self._c)
        self._arm(None if ms < 0 else ms / 1000)

    # ------------------------------------------------------------------ waiting

    def _look(self) -> None:
        """Ends the waits of those whose condition is true now."""
        if not self._watchers:
            return
        still = []
        for condition, waiter in self._watchers:
            if not condition() or not self._post(waiter, True):
                still.append((condition, waiter))
        self._watchers[:] = still

    def _is_over(self) -> bool:
        """Whether every connection is back after a close."""
        return lib.ncp_pool_close_wait(self._c, 0) != Status.ETIMEOUT

    def _is_warm(self) -> bool:
        return lib.ncp_pool_prewarm_wait(self._c, 0) != Status.ETIMEOUT

    def _check_warm(self) -> None:
        """Raises how prewarming has ended."""
        status = lib.ncp_pool_prewarm_wait(self._c, 0)
        if status == Status.EDIAL:
            raise self._error(status, self._host.dial_error)
        self._check(status)

    # ------------------------------------------------------------------ the end

    def _collecting(self, call: Callable[[], int]) -> Closings:
        """The closes that a call causes; raises what else it answers."""
        before, self._closings = self._closings, []
        try:
            status = call()
            self._machine.pump()
        finally:
            closings, self._closings = self._closings, before
        self._look()
        self._rearm()
        self._check(status)
        return closings or []

    def _close(self) -> Closings:
        self._ends = True
        return self._collecting(lambda: lib.ncp_pool_close(self._c))

    def _close_now(self) -> Closings:
        """What is borrowed is taken away: it is shut down now and closed when it
        comes back."""
        self._ends = True
        for borrower in self.leases():
            handle = ffi.new("uint64_t *")
            if lib.ncp_lease_handle(self._c, borrower.lease, handle) == Status.OK:
                self._taken[handle[0]] = "pool_closed"
        return self._collecting(lambda: lib.ncp_pool_close_now(self._c))

    # -------------------------------------------------------------------- steers

    def _set(self, name: str, value: object) -> Closings:
        def call() -> int:
            _handle.Handle.set(self, name, value)
            return Status.OK

        return self._collecting(call)

    def _resize(self, max_connections: int | None) -> Closings:
        limit = max_connections or 0
        return self._collecting(lambda: lib.ncp_pool_resize(self._c, limit))

    def _flush(self) -> Closings:
        return self._collecting(lambda: lib.ncp_pool_flush(self._c))

    def resume(self) -> None:
        """Lends again, first to those who stand in line."""
        super().resume()
        self._pump_if_mine()

    def __repr__(self) -> str:
        if not self._is_open:
            return f"<{type(self).__name__} that is not open>"
        return super().__repr__()

    # ------------------------------------------------------------ without a close

    def __del__(self) -> None:
        if not self._is_open:
            return
        self._lends_no_more()
        forgotten = not self.is_closed and not lib.ncp_py_is_shut()
        if not lib.ncp_py_is_shut():
            lib.ncp_pool_close(self._c)
            self._answer_all()
            for handle in list(self._host.objects):
                self._drop(self._host.remove(handle))
        # Other objects of the same garbage may still look at this one.
        lib.ncp_pool_free(self.__dict__.pop("_c"))
        if forgotten:
            name = f" {self._host.name!r}" if self._host.name else ""
            text = f"<{type(self).__name__}{name}> was not closed"
            warnings.warn(text, ResourceWarning, stacklevel=1, source=self)

    def _answer_all(self) -> None:
        """A loop that ended under its pool left work undone, for which the library
        would keep its memory."""
        for lease, is_dial in self._unanswered.items():
            if is_dial:
                lib.ncp_pool_fail(
                    self._c, lease, Status.ECANCELED, 0, ffi.NULL, ffi.NULL
                )
            else:
                lib.ncp_pool_checked(self._c, lease, 0, ffi.NULL)

    def _drop(self, raw: Any) -> None:
        """Closes a connection of a pool that is being collected as garbage."""
        try:
            if self._host.on_close is not None:
                self._drop_result(self._host.on_close(raw, "pool_closed"))
            self._drop_result(self._host.close(raw, "pool_closed"))
        except Exception as error:
            self._host.logger.error(
                "%sclosing %r failed", self._host.prefix, raw, exc_info=error
            )

    def _drop_result(self, result: Any) -> None:
        """What a function of the user's answered; nothing of the pool is left to
        wait for it."""


_lease.use_for_loops(
    address_of("ncp_pool_acquire"),
    address_of("ncp_pool_release"),
    address_of("ncp_pool_put"),
    address_of("ncp_pool_discard"),
    address_of("ncp_queue_ready"),
    sys._getframe,
    _NOWHERE,
)

# Which method acts on an event.
_ACTS = {
    int(EventType.DIAL): "_dial",
    int(EventType.CHECK): "_check_work",
    int(EventType.CLOSE): "_close_work",
    int(EventType.LEAK): "_leak",
    int(EventType.LOG): "_log",
    int(EventType.DUE): "_due",
}


def shut_down(fd: int) -> None:
    """Ends a connection in both directions and leaves its descriptor open."""
    try:
        with socket.socket(fileno=os.dup(fd)) as sock:
            sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it is no socket, or its peer has gone already
