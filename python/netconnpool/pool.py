"""The pool for threads."""
from __future__ import annotations

import importlib
import logging
import socket
import sys
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from netconnpool import _config, _handle, _host, _lease, errors
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
    from netconnpool._tables import Options

__all__ = ["Cancel", "Pool"]

C = TypeVar("C")

_STATUS_MASK = (1 << lib.NCP_PY_CODE_SHIFT) - 1
_SLICE = 0.05  # how long a signal handler may have to wait, in seconds

#: What a caller may ask for: a member of the enumeration, its name, or None.
WantedProtocol = Protocol | int | str | None
WantedIp = Ip | int | str | None


_Request = tuple[int, int, int, int, int, bool, "Cancel | None"]


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


class Pool(_handle.Handle[C], _lease.Lender[C]):
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

    def __new__(cls, *given: Any, **named: Any) -> Any:
        """With gevent's threads a pool is one of netconnpool.gevent."""
        if cls is Pool and _threads_are_greenlets():
            greenlets = importlib.import_module("netconnpool.gevent")
            return greenlets.Pool(*given, **named)
        return super().__new__(cls)

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
        super().__init__(config, host)
        address = int(ffi.cast("uintptr_t", self._c))
        self._lends(address, host.small, Connection, host.captures_stacks)

    # ------------------------------------------------------------------- borrowing

    def try_getconn(
        self, protocol: WantedProtocol = None, ip: WantedIp = None, tag: int = 0
    ) -> Connection[C] | None:
        """Borrows an idle connection; None when there is none. Never dials and
        never waits."""
        try:
            conn = self.getconn(0, protocol, ip, tag)
        except errors.PoolExhausted:
            return None
        frame = sys._getframe(1)
        conn._code = frame.f_code
        conn._instruction = frame.f_lasti
        return conn

    def tcp(self, timeout: float | None = None, **more: Any) -> _lease.Borrow[C]:
        """:meth:`connection` over TCP."""
        return self.connection(timeout, Protocol.TCP, **more)

    def udp(self, timeout: float | None = None, **more: Any) -> _lease.Borrow[C]:
        """:meth:`connection` over UDP."""
        return self.connection(timeout, Protocol.UDP, **more)

    def ipv4(self, timeout: float | None = None, **more: Any) -> _lease.Borrow[C]:
        """:meth:`connection` over IPv4."""
        return self.connection(timeout, ip=Ip.V4, **more)

    def ipv6(self, timeout: float | None = None, **more: Any) -> _lease.Borrow[C]:
        """:meth:`connection` over IPv6."""
        return self.connection(timeout, ip=Ip.V6, **more)

    # What getconn() and connection() of the base ask for.

    def _wanted(
        self,
        timeout: float | None = None,
        protocol: WantedProtocol = None,
        ip: WantedIp = None,
        tag: int = 0,
        cancel: Cancel | None = None,
    ) -> _Request:
        """The arguments of getconn() as the library takes them, and whether to
        keep the connection in spite of an exception, and what has to live."""
        token = 0 if cancel is None else int(ffi.cast("uintptr_t", cancel._c))
        return (
            wanted_protocol(protocol),
            wanted_ip(ip),
            wanted_timeout(timeout),
            token,
            tag,
            False,
            cancel,
        )

    def _wanted_block(
        self, *given: Any, keep_on_error: bool = False, **named: Any
    ) -> _Request:
        """The arguments of connection()."""
        *request, _, cancel = self._wanted(*given, **named)
        return (*request, keep_on_error, cancel)  # type: ignore[return-value]

    def _found(self, conn: Connection[C]) -> None:
        """Completes a connection that is not found by its token alone."""
        handle = ffi.new("uint64_t *")
        self._check(lib.ncp_lease_handle(self._c, conn.lease, handle))
        raw = self._host.objects.get(handle[0], GONE)
        if raw is GONE:  # it was closed under its borrower at once
            self._give_back(conn, True)
            raise self._error(Status.ECONNCLOSED)
        conn.raw = raw
        if self._host.captures_stacks:
            stack = traceback.format_stack(sys._getframe(1))
            self._stacks[conn.lease] = "".join(stack)

    def _get_failed(self, failure: int, timeout_ms: int) -> BaseException:
        """Why there is no connection."""
        status = -(failure & _STATUS_MASK)
        code = failure >> lib.NCP_PY_CODE_SHIFT
        error = _host.take_interrupt()
        if error is not None:
            return error
        cause = self._dial_cause(code)
        if cause is not None and is_for_the_program(cause, status):
            return cause
        return self._error(status, cause, self._waited(status, timeout_ms))

    def _waited(self, status: int, timeout_ms: int) -> float | None:
        """How long a get has waited in vain, in seconds."""
        if status != Status.ETIMEOUT:
            return None
        if timeout_ms == TIMEOUT_DEFAULT:
            return float(self.option("get_timeout"))
        return timeout_ms / 1000

    # -------------------------------------------------------------- giving it back

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

    def _give_back(self, conn: Connection[C], discard: bool = False) -> None:
        """putconn() of the base, when it is not as short as can be."""
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
        error = None if status == Status.OK else self._put_failed(status, conn)
        error = error or _host.take_interrupt()
        conn._ended()
        if error is not None:
            raise error

    def _put_failed(self, status: int, conn: Connection[C]) -> BaseException | None:
        """Why a connection did not go back as it should have."""
        raw = conn.raw
        conn._ended()
        cause = self._host.take_thrown()
        error = _host.take_interrupt()
        if error is not None:
            return error
        if status == Status.EINVALIDCONN and id(raw) in self._host.inherited:
            return None  # it is the parent's, and was forgotten in this process
        if cause is not None and is_for_the_program(cause, status):
            return cause
        return self._error(status, cause)

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


def _threads_are_greenlets() -> bool:
    """Whether gevent has replaced the threads of this program: one that blocked in
    the library would block them all."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


#: The keywords of a pool that are no options.
KEYWORDS = ("connect", "listener", "acceptor", "clock", "logger", *_host.HOOKS)


def where_from(
    connect: Any,
    listener: socket.socket | None,
    acceptor: object,
    options: dict[str, Any],
) -> tuple[Callable[..., Any] | None, int]:
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
        mode = Mode.__members__.get(mode.upper(), mode)
    if not isinstance(mode, int):
        reason = f"{mode!r} is no mode: say client or server"
        raise errors.of(Status.EINVALIDCONFIG, reason)
    if "listener_fd" in options or acceptor is not None:
        mode = Mode.SERVER
    return connect, mode


def is_for_the_program(cause: BaseException, status: int) -> bool:
    """Whether what a hook threw is not for the caller to handle:
    KeyboardInterrupt, and what else is no Exception when the hook ran on the
    caller's thread."""
    if isinstance(cause, Exception):
        return False
    return isinstance(cause, KeyboardInterrupt) or status == Status.EHOOK


assert len(STATUS_TEXTS) <= _STATUS_MASK
