"""The pool for threads."""
from __future__ import annotations

import logging
import socket
import sys
import time
import traceback
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from netconnpool import _config, _handle, _host, errors
from netconnpool._constants import (
    STATUS_TEXTS,
    TIMEOUT_DEFAULT,
    Driver,
    Ip,
    Mode,
    Protocol,
    Status,
)
from netconnpool._ffi import ffi, lib
from netconnpool.connection import GONE, Connection

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from netconnpool._clock import ManualClock
    from netconnpool._ffi import CData
    from netconnpool._tables import Options

__all__ = ["Borrow", "Cancel", "Pool"]

C = TypeVar("C")

_getframe = sys._getframe
_new = object.__new__
_SHIFT = lib.NCP_PY_HANDLE_SHIFT
_STATUS_MASK = (1 << lib.NCP_PY_CODE_SHIFT) - 1
_SLICE = 0.05  # how long a signal handler may have to wait, in seconds

#: What a caller may ask for: a member of the enumeration, its name, or None.
WantedProtocol = Protocol | int | str | None
WantedIp = Ip | int | str | None


class Cancel:
    """Ends every get that carries it, now and later, in any number of pools."""

    def __init__(self) -> None:
        out = ffi.new("ncp_cancel **")
        if lib.ncp_py_cancel_new(out) != Status.OK:
            raise MemoryError
        self._c = ffi.gc(out[0], lib.ncp_cancel_free)

    def fire(self) -> None:
        """Has them raise :exc:`~netconnpool.GetCanceled`."""
        lib.ncp_cancel_fire(self._c)


def wanted_protocol(value: WantedProtocol) -> int:
    """A protocol as the library takes it."""
    if isinstance(value, str):
        found = lib.ncp_protocol_parse(value.encode())
        if found == Protocol.UNKNOWN:
            raise errors.of(Status.EUNSUPPORTEDPROTO, f"{value!r} is none")
        return int(found)
    return int(value or 0)


def wanted_ip(value: WantedIp) -> int:
    """An IP version as the library takes it."""
    if isinstance(value, str):
        found = lib.ncp_ip_parse(value.encode())
        if found == Ip.UNKNOWN:
            raise errors.of(Status.EUNSUPPORTEDIP, f"{value!r} is none")
        return int(found)
    return int(value or 0)


def wanted_timeout(timeout: float | None) -> int:
    """The limit of a get as the library takes it."""
    return TIMEOUT_DEFAULT if timeout is None else _config.milliseconds(timeout)


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
        frame = _getframe(1)
        conn._code = frame.f_code
        conn._instruction = frame.f_lasti
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
            self._pool._give_back_after(conn, discard=not self._keeps)


class Pool(_handle.Handle[C]):
    """A pool of connections for threads.

    ``connect`` is what to dial: a target of the built-in dialer such as
    ``"tcp://localhost:6379"``, whose connections are :class:`socket.socket`, or a
    function that returns a connection, which may be any object. It is called on
    a thread of its own, without arguments, or with a :class:`DialRequest` if it
    has a parameter named ``request`` or one without a default.

    ``listener`` makes a pool of accepted connections instead; ``acceptor(listener)``
    accepts one, and without it the pool does so itself.

    The other keywords, functions that get the object that was made:

    - ``close(conn)`` closes it, in place of ``conn.close()``;
    - ``check(conn)`` looks whether it works: False, or an exception, says no;
    - ``on_created(conn)``, ``on_borrow(conn)`` and ``on_return(conn)`` refuse it
      by an exception, which reaches the caller as ``__cause__``;
    - ``on_close(conn, reason)`` and ``on_leak(conn, reason)`` are told, the reason
      being a word such as ``"idle_timeout"``; either may leave it out.

    ``clock`` is a :class:`ManualClock` for tests, ``logger`` replaces
    ``logging.getLogger("netconnpool")``. Every option of the library is a keyword
    by its name; durations are in seconds, None stands for no limit.

    A pool may be used by any number of threads. Close it when it is no longer
    needed, for instance by ``with``.
    """

    @overload
    def __init__(
        self: Pool[socket.socket],
        connect: str,
        *,
        close: Callable[..., object] | None = None,
        check: Callable[[socket.socket], object] | None = None,
        on_created: Callable[[socket.socket], object] | None = None,
        on_borrow: Callable[[socket.socket], object] | None = None,
        on_return: Callable[[socket.socket], object] | None = None,
        on_close: Callable[..., object] | None = None,
        on_leak: Callable[..., object] | None = None,
        clock: ManualClock | None = None,
        logger: logging.Logger | None = None,
        **options: Unpack[Options],
    ) -> None: ...

    @overload
    def __init__(
        self,
        connect: Callable[..., C] | None = None,
        *,
        listener: socket.socket | None = None,
        acceptor: Callable[..., C] | None = None,
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
        hooks = {name: given.pop(name, None) for name in _host.HOOKS}
        connect, mode = where_from(connect, listener, acceptor, given)
        config = _config.make(
            given, mode=mode, driver=Driver.PUSH, known=KEYWORDS
        )
        host = _host.Host(connect, acceptor, listener, hooks, clock, logger)
        host.configure(config, push=True)
        self._objects = host.small
        self._get = lib.ncp_py_get
        self._put = self._put_captured if host.captures_stacks else lib.ncp_py_put
        super().__init__(config, host)

    # ------------------------------------------------------------------- borrowing

    def getconn(
        self,
        timeout: float | None = None,
        protocol: WantedProtocol = None,
        ip: WantedIp = None,
        tag: int = 0,
        cancel: Cancel | None = None,
    ) -> Connection[C]:
        """Borrows a connection: an idle one, else a new one, else waits in line.

        ``timeout`` is in seconds: None for the option ``get_timeout``, 0 to take
        an idle connection or fail, negative or infinite for no limit. ``tag`` is
        a number of yours, shown in lists of borrowers.

        Raises :exc:`PoolTimeout`, :exc:`PoolClosed`, :exc:`ConnectFailed`,
        :exc:`PoolExhausted`, :exc:`HookFailed`, :exc:`GetCanceled`.
        """
        try:
            if (
                timeout is None
                and protocol is None
                and ip is None
                and cancel is None
                and not tag
            ):
                token = self._get(self._c)
            else:
                token = self._get_by(timeout, protocol, ip, tag, cancel)
            if token > 0:
                frame = _getframe(1)
                conn: Connection[C] = _new(Connection)
                conn._token = token
                conn._pool = self
                conn._code = frame.f_code
                conn._instruction = frame.f_lasti
                conn.raw = self._objects[token >> _SHIFT]
                return conn
        except KeyError:
            return self._found(conn)
        except BaseException:
            self._interrupted()
            raise
        raise self._get_failed(-token, timeout)

    def try_getconn(
        self, protocol: WantedProtocol = None, ip: WantedIp = None, tag: int = 0
    ) -> Connection[C] | None:
        """Borrows an idle connection; None when there is none. Never dials and
        never waits."""
        try:
            conn = self.getconn(0, protocol, ip, tag)
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
        cancel: Cancel | None = None,
        *,
        keep_on_error: bool = False,
    ) -> Borrow[C]:
        """Borrows a connection for a ``with`` block.

        A block that is left by an exception closes the connection, because nobody
        knows what is still to be read from it; ``keep_on_error`` gives it back
        all the same. The other arguments are those of :meth:`getconn`.
        """
        return Borrow(self, keep_on_error, (timeout, protocol, ip, tag, cancel))

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

    def _get_by(
        self,
        timeout: float | None,
        protocol: WantedProtocol,
        ip: WantedIp,
        tag: int,
        cancel: Cancel | None,
    ) -> int:
        return int(
            lib.ncp_py_borrow(
                self._c,
                wanted_protocol(protocol),
                wanted_ip(ip),
                wanted_timeout(timeout),
                ffi.NULL if cancel is None else cancel._c,
                tag,
            )
        )

    def _found(self, conn: Connection[C]) -> Connection[C]:
        """Completes a connection that is not found by its token alone."""
        handle = ffi.new("uint64_t *")
        self._check(lib.ncp_lease_handle(self._c, conn.lease, handle))
        conn.raw = self._host.objects.get(handle[0], GONE)
        if conn.raw is GONE:  # it was closed under its borrower at once
            self._give_back(conn, True)
            raise self._error(Status.ECONNCLOSED)
        if self._host.captures_stacks:
            stack = traceback.format_stack(_getframe(2))
            self._stacks[conn.lease] = "".join(stack)
        return conn

    def _interrupted(self) -> None:
        """A signal ended getconn() when it may have borrowed something."""
        token = lib.ncp_py_last()
        if token > 0:
            lib.ncp_pool_discard(self._c, lib.ncp_py_lease(token))

    def _get_failed(self, failure: int, timeout: float | None) -> BaseException:
        """Why there is no connection."""
        status = -(failure & _STATUS_MASK)
        code = failure >> lib.NCP_PY_CODE_SHIFT
        error = _host.take_interrupt()
        if error is not None:
            return error
        cause = self._dial_cause(code)
        if is_signal(cause, status):
            assert cause is not None
            return cause
        waited = None
        if status == Status.ETIMEOUT:
            waited = self.option("get_timeout") if timeout is None else timeout
        return self._error(status, cause, waited)  # type: ignore[arg-type]

    # -------------------------------------------------------------- giving it back

    def putconn(self, conn: Connection[C], discard: bool = False) -> None:
        """Gives a connection back; with ``discard`` it is closed.

        Raises :exc:`InvalidConnection` for one that has been given back already
        or that another pool lent, :exc:`ConnectionLeaked` for one that had been
        taken away, :exc:`HookFailed` and :exc:`CloseFailed`; the connection is
        gone all the same.
        """
        try:
            if discard or conn._pool is not self:
                self._give_back(conn, discard)
                return
            status = self._put(self._c, conn._token)
        except AttributeError:
            raise errors.of(
                Status.EINVALIDCONN, f"{conn!r} is no connection of a pool"
            ) from None
        if status:
            self._put_failed(status, conn)
        conn._token = 0
        conn.raw = GONE

    def detach(self, conn: Connection[C]) -> C:
        """Takes a connection out of the pool for good: it is yours to close, and
        its place is free."""
        self._own(conn)
        raw, handle = conn.raw, ffi.new("uint64_t *")
        status = lib.ncp_pool_detach(self._c, conn.lease, handle)
        if status == Status.OK:
            self._host.remove(handle[0])
        self._end(conn, status)
        return raw

    def _own(self, conn: Connection[C]) -> None:
        if getattr(conn, "_pool", None) is not self:
            raise errors.of(
                Status.EINVALIDCONN, f"{conn!r} was not lent by {self!r}"
            )

    def _give_back(self, conn: Connection[C], discard: bool) -> None:
        self._own(conn)
        give = lib.ncp_pool_discard if discard else lib.ncp_pool_put
        self._end(conn, give(self._c, conn.lease))

    def _give_back_after(self, conn: Connection[C], discard: bool) -> None:
        """Gives back when an exception is on its way, which is the one that its
        user wants to see."""
        try:
            self._give_back(conn, discard)
        except errors.PoolError as error:
            self._host.logger.warning("%s%s", self._host.prefix, error)

    def _end(self, conn: Connection[C], status: int) -> None:
        self._stacks.pop(conn.lease, None)
        if status != Status.OK:
            self._put_failed(status, conn)
        conn._ended()
        error = _host.take_interrupt()
        if error is not None:
            raise error

    def _put_captured(self, pool: CData, token: int) -> int:
        self._stacks.pop(lib.ncp_py_lease(token), None)
        return int(lib.ncp_py_put(pool, token))

    def _put_failed(self, status: int, conn: Connection[C]) -> None:
        """Raises why a connection did not go back as it should have."""
        raw = conn.raw
        conn._ended()
        cause = self._host.take_thrown()
        error = _host.take_interrupt()
        if error is not None:
            raise error
        if status == Status.EINVALIDCONN and id(raw) in self._host.inherited:
            return  # it is the parent's, and was forgotten in this process
        if is_signal(cause, status):
            assert cause is not None
            raise cause
        raise self._error(status, cause)

    # ------------------------------------------------------------------ the end of it

    def close(self) -> None:
        """Stops lending: closes what is idle, and those in line get
        :exc:`PoolClosed`. What is borrowed stays usable and is closed when it
        comes back. Again, it does nothing."""
        self._closed(lib.ncp_pool_close(self._c))

    def close_now(self) -> None:
        """:meth:`close`, and shuts down what is borrowed."""
        self._closed(lib.ncp_pool_close_now(self._c))

    def close_wait(self, timeout: float | None = None) -> None:
        """:meth:`close`, then waits until the last connection is back.
        :exc:`PoolTimeout` when some are still out after ``timeout`` seconds."""
        status = self._wait(lib.ncp_pool_close_wait, timeout)
        self._closed(status, timeout)

    def drain(self, timeout: float | None = None) -> None:
        """:meth:`close_wait`, then :meth:`close_now` for what is still out, with
        :exc:`PoolTimeout`."""
        status = self._wait(lib.ncp_pool_close_wait, timeout)
        if status == Status.ETIMEOUT:
            status = lib.ncp_pool_drain(self._c, 0)
        self._closed(status, timeout)

    def prewarm_wait(self, timeout: float | None = None) -> None:
        """Waits until ``min_connections`` have been made in advance.
        :exc:`PoolTimeout`; :exc:`ConnectFailed` when that ended without
        success."""
        status = self._wait(lib.ncp_pool_prewarm_wait, timeout)
        error = _host.take_interrupt()
        if error is not None:
            raise error
        if status == Status.EDIAL:
            raise self._error(status, self._host.dial_error)
        if status != Status.OK:
            raise self._error(status, waited=timeout)

    def __enter__(self) -> Pool[C]:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()

    def _closed(self, status: int, waited: float | None = None) -> None:
        self._host.rest()
        error = _host.take_interrupt()
        if error is not None:
            raise error
        if status != Status.OK:
            raise self._error(status, self._host.take_thrown(), waited)

    def _wait(
        self, call: Callable[[Any, int], int], timeout: float | None
    ) -> int:
        """Waits inside of the library; on the main thread by slices, so that
        signal handlers run."""
        limit = float("inf") if timeout is None else timeout
        if self._host.clock is not None or not _host.is_main_thread():
            return call(self._c, _config.milliseconds(limit))
        end = time.monotonic() + limit
        while True:
            left = max(0.0, min(end - time.monotonic(), _SLICE))
            status = call(self._c, _config.milliseconds(left))
            if status != Status.ETIMEOUT or left < _SLICE:
                return status

    @classmethod
    def find(cls, name: str) -> Pool[Any] | None:
        """The living pool of that name in this process; None for none."""
        pool = _handle.find(name)
        return pool if isinstance(pool, Pool) else None


#: The keywords of a pool that are no options.
KEYWORDS = ("connect", "listener", "acceptor", "clock", "logger", *_host.HOOKS)


def where_from(
    connect: Any,
    listener: socket.socket | None,
    acceptor: object,
    options: dict[str, Any],
) -> tuple[Callable[..., Any] | None, Mode]:
    """The dialer and the mode of a pool; the options say the rest."""
    if isinstance(connect, str):
        if "target" in options:
            raise TypeError("the target is given twice")
        options["target"] = connect
        connect = None
    elif connect is not None and not callable(connect):
        raise TypeError(f"connect must be a target or a function, not {connect!r}")
    if listener is not None:
        options.setdefault("listener_fd", listener.fileno())
    mode = options.pop("mode", Mode.CLIENT)
    if isinstance(mode, str):
        if mode.lower() not in ("client", "server"):
            raise errors.of(Status.EINVALIDCONFIG, f"{mode!r} is no mode")
        mode = Mode[mode.upper()]
    if "listener_fd" in options or acceptor is not None:
        mode = Mode.SERVER
    return connect, mode


def is_signal(cause: BaseException | None, status: int) -> bool:
    """Whether what a hook threw is meant for the program and not for the caller:
    KeyboardInterrupt, and what else is no Exception when the hook ran on the
    caller's thread."""
    if cause is None or isinstance(cause, Exception):
        return False
    return isinstance(cause, KeyboardInterrupt) or status == Status.EHOOK


assert len(STATUS_TEXTS) <= _STATUS_MASK
