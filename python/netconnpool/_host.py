"""The user's side of a pool: the objects it holds, the functions it calls.

The library knows a pool's host by a number and a connection by a number (its
handle). Here they are found again. Everything below may be entered by threads of
the library, by the garbage collector, and again from inside a hook; a dict or a
list is changed by one operation at a time, so no lock is needed, and none is
held while a user's function runs.
"""
from __future__ import annotations

import itertools
import logging
import os
import socket
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from netconnpool._constants import (
    Callback,
    DialPolicy,
    Ip,
    LogLevel,
    Option,
    Protocol,
    Reason,
    Status,
)
from netconnpool._ffi import ffi, lib
from netconnpool._functions import last_if_wanted

if TYPE_CHECKING:
    from netconnpool._clock import ManualClock
    from netconnpool._ffi import CData

LOGGER = logging.getLogger("netconnpool")
LOGGER.addHandler(logging.NullHandler())

# Codes of errors that have no errno of their own start here.
FIRST_CODE = 1_000_000
LAST_CODE = 2**31 - 1
ERRORS_KEPT = 256
FOREVER_MS = 2**62  # the library says INT64_MAX, or -1, for no limit

LEVELS = {
    LogLevel.ERROR: logging.ERROR,
    LogLevel.WARN: logging.WARNING,
    LogLevel.INFO: logging.INFO,
    LogLevel.DEBUG: logging.DEBUG,
}
REASONS = {reason.value: reason.name.lower() for reason in Reason}

#: The keywords of a pool that are functions.
HOOKS = (
    "close",
    "check",
    "on_created",
    "on_borrow",
    "on_return",
    "on_close",
    "on_leak",
)


def seconds(milliseconds: int) -> float | None:
    """A limit as Python says it: None for none, and never 0, which would mean
    "do not wait" to a socket."""
    if milliseconds < 0 or milliseconds > FOREVER_MS:
        return None
    return max(milliseconds, 1) / 1000


class DialRequest:
    """What is wanted of a dialer or an acceptor."""

    __slots__ = (
        "_told",
        "attempt",
        "deadline",
        "ip",
        "listener",
        "protocol",
        "stopped",
        "timeout",
    )

    def __init__(
        self,
        protocol: int,
        ip: int,
        deadline_ms: int,
        timeout_ms: int,
        attempt: int,
        listener: socket.socket | None,
        stopped: Callable[[], bool],
    ) -> None:
        #: The protocol that is wanted; UNKNOWN for any.
        self.protocol = Protocol(protocol)
        #: The IP version that is wanted; UNKNOWN for any.
        self.ip = Ip(ip)
        #: Seconds until the caller gives up or the creation has to end; None for
        #: no limit.
        self.deadline = seconds(deadline_ms)
        #: Seconds until the creation has to end (``connection_timeout``); None
        #: for no limit. A dial that ends after its caller gave up is kept.
        self.timeout = seconds(timeout_ms)
        #: 0, then 1, 2, ... for retries.
        self.attempt = attempt
        #: The listener of a server pool.
        self.listener = listener
        #: Whether the result is no longer wanted.
        self.stopped = stopped
        self._told: tuple[int, int, int] | None = None

    def tell(self, protocol: int = 0, ip: int = 0, fd: int = -1) -> None:
        """Says what is made, when the object cannot be asked: ``fd`` is a socket
        that the pool may probe and shut down."""
        self._told = fd, int(protocol), int(ip)

    def __repr__(self) -> str:
        return (
            f"<DialRequest {self.protocol.name} {self.ip.name} "
            f"timeout={self.timeout} attempt={self.attempt}>"
        )


def detect(fd: int) -> tuple[int, int]:
    """Protocol and IP version of a socket."""
    found = ffi.new("int[2]")
    lib.ncp_fd_detect(fd, found, found + 1)
    return found[0], found[1]


def descriptor(raw: object) -> int:
    """The descriptor of an object, -1 when it has none."""
    fileno = getattr(raw, "fileno", None)
    if fileno is None:
        return -1
    try:
        fd = fileno()
    except (OSError, ValueError, TypeError, NotImplementedError):
        return -1
    return fd if isinstance(fd, int) and fd >= 0 else -1


def text_of(error: BaseException) -> str:
    """What an exception says, short enough for a line of log."""
    if isinstance(error, OSError) and error.strerror:
        return str(error.strerror)
    return str(error) or type(error).__name__


def _no() -> bool:
    return False


class Host:
    """What a pool needs of its user. Shared by both drivers."""

    def __init__(
        self,
        connect: Callable[..., Any] | None,
        acceptor: Callable[..., Any] | None,
        listener: socket.socket | None,
        hooks: Mapping[str, Callable[..., Any] | None],
        clock: ManualClock | None,
        logger: logging.Logger | None,
    ) -> None:
        self.number = next(_numbers)
        #: What the dialer made, by handle.
        self.objects: dict[int, Any] = {}
        #: Those of them whose handle fits into a token, for the fast path; none
        #: when each borrow has something to write down.
        self.small: dict[int, Any] = {}
        self.captures_stacks = False
        #: Whether the library makes the sockets itself; the handle is then the
        #: descriptor.
        self.builtin = connect is None and acceptor is None
        self.listener = listener
        self.clock = clock
        self.logger = logger or LOGGER
        self.name = ""
        self.is_closed: Callable[[], bool] = _no
        self.pops_errors = True
        self.restores_timeout = False
        #: The last exception of a dial, or None after a success.
        self.dial_error: BaseException | None = None
        self.thrown = threading.local()
        #: Identities of objects that were inherited by a forked child.
        self.inherited: set[int] = set()
        self._errors: dict[int, BaseException] = {}
        self._codes = itertools.count(FIRST_CODE)
        self._free: list[int] = []
        self._handles = itertools.count(1)
        self._timeouts: dict[int, float | None] = {}
        #: Whether the library calls back (push) or hands out work (pull).
        self.push = False
        self._set_functions(connect, acceptor, hooks)
        _resting[self.number] = self

    def _set_functions(
        self,
        connect: Callable[..., Any] | None,
        acceptor: Callable[..., Any] | None,
        hooks: Mapping[str, Callable[..., Any] | None],
    ) -> None:
        self.dial = last_if_wanted(connect, 0, "request") if connect else None
        self.accept = last_if_wanted(acceptor, 1, "request") if acceptor else None
        wanted = {name: function for name, function in hooks.items() if function}
        for name in ("close", "on_close", "on_leak"):
            if name in wanted:
                wanted[name] = last_if_wanted(wanted[name], 1, "reason")
        self._close: Callable[..., Any] | None = wanted.get("close")
        self.check: Callable[..., Any] | None = wanted.get("check")
        self.on_created: Callable[..., Any] | None = wanted.get("on_created")
        self.on_borrow: Callable[..., Any] | None = wanted.get("on_borrow")
        self.on_return: Callable[..., Any] | None = wanted.get("on_return")
        self.on_close: Callable[..., Any] | None = wanted.get("on_close")
        self.on_leak: Callable[..., Any] | None = wanted.get("on_leak")

    # -------------------------------------------------------------- configuration

    def configure(self, config: CData, *, push: bool) -> None:
        """Reads of a configuration what concerns the host, and sets the callbacks
        of a push pool."""
        value = ffi.new("int64_t *")
        lib.ncp_config_get_int(config, Option.DIAL_POLICY, value)
        self.pops_errors = value[0] != DialPolicy.FAIL_ALL
        lib.ncp_config_get_int(config, Option.RESTORE_BLOCKING, value)
        self.restores_timeout = bool(value[0])
        lib.ncp_config_get_int(config, Option.CAPTURE_STACKS, value)
        self.captures_stacks = bool(value[0])
        text = ffi.new("char[256]")
        lib.ncp_config_get(config, b"name", text, 256)
        self.name = ffi.string(text).decode(errors="replace")
        if self.clock is not None:
            lib.ncp_py_set_clock(config, self.clock._cell)
        self.push = push
        if push:
            _hosts[self.number] = self
            self._set_callbacks(config)

    def _set_callbacks(self, config: CData) -> None:
        if self.dial is not None:
            lib.ncp_py_set_dialer(config, self.number)
        if self.accept is not None:
            lib.ncp_py_set_acceptor(config, self.number)
        wanted = {
            Callback.CLOSER: True,
            Callback.CHECKER: self.check,
            Callback.ON_CREATED: self.on_created and not self.builtin,
            Callback.ON_BORROW: self.on_borrow,
            Callback.ON_RETURN: self.on_return or self.restores_timeout,
            Callback.ON_CLOSE: self.on_close,
            Callback.ON_LEAK: self.on_leak,
        }
        for callback, is_wanted in wanted.items():
            if is_wanted:
                lib.ncp_py_set_callback(config, callback, self.number)
        if self.builtin:
            lib.ncp_py_set_socket_callback(config, self.number)
        lib.ncp_py_set_log(config, self.number)

    # --------------------------------------------------------------------- errors

    def keep_error(self, error: BaseException) -> int:
        """Keeps an exception until its code comes back. The code is its errno,
        while that is not taken, so that it can be read in descriptions."""
        code = error.errno if isinstance(error, OSError) else None
        if (
            self.builtin
            or not code
            or code <= 0
            or code in self._errors
            or self._errors.setdefault(code, error) is not error
        ):
            code = next(self._codes)
            if code == LAST_CODE:
                self._codes = itertools.count(FIRST_CODE)
            self._errors[code] = error
        self._forget_errors()
        return code

    def _forget_errors(self) -> None:
        """Those of prewarming, for instance, are never asked for."""
        while len(self._errors) > ERRORS_KEPT:
            try:
                self._errors.pop(next(iter(self._errors)), None)
            except (RuntimeError, StopIteration):  # another thread does it
                return

    def take_error(self, code: int) -> BaseException | None:
        """The exception of a code."""
        if self.pops_errors:
            return self._errors.pop(code, None)
        return self._errors.get(code)

    def take_thrown(self) -> BaseException | None:
        """What a hook threw on this thread, under the call that has ended."""
        error: BaseException | None = self.thrown.__dict__.pop("error", None)
        return error

    # -------------------------------------------------------------------- objects

    def add(
        self, raw: Any, request: DialRequest | None = None
    ) -> tuple[int, int, int, int]:
        """Takes what a dialer made: its handle, descriptor, protocol and IP
        version."""
        told = request._told if request is not None else None
        if told is None:
            fd = descriptor(raw)
            told = (fd, *detect(fd)) if fd >= 0 else (-1, 0, 0)
        return (self._keep(raw), *told)

    def _add_socket(self, conn: CData) -> Any:
        """Takes a socket that the library made. Its handle is not the descriptor,
        whose number is another's as soon as a borrower closes it."""
        raw = socket.socket(fileno=lib.ncp_conn_fd(conn))
        raw.settimeout(socket.getdefaulttimeout())
        lib.ncp_conn_set_handle(conn, self._keep(raw))
        return raw

    def _keep(self, raw: Any) -> int:
        """The handle of an object from now on."""
        try:
            handle = self._free.pop()
        except IndexError:
            handle = next(self._handles)
        if self.restores_timeout and hasattr(raw, "gettimeout"):
            self._timeouts[handle] = raw.gettimeout()
        self.objects[handle] = raw
        if handle < lib.NCP_PY_HANDLE_LARGE and not self.captures_stacks:
            self.small[handle] = raw
        return handle

    def remove(self, handle: int) -> Any:
        """Lets go of an object; None when there is none. Its handle is used
        again."""
        self.small.pop(handle, None)
        raw = self.objects.pop(handle, None)
        self._timeouts.pop(handle, None)
        if raw is not None:
            self._free.append(handle)
        return raw

    def close(self, raw: Any, reason: str) -> Any:
        """Closes an object, as the user said or by its own ``close``."""
        if self._close is not None:
            return self._close(raw, reason)
        close = getattr(raw, "close", None)
        return close() if close is not None else None

    def restore_timeout(self, handle: int) -> None:
        """Gives a socket back the timeout that it had when it was made."""
        if handle in self._timeouts:
            self.objects[handle].settimeout(self._timeouts[handle])

    # ---------------------------------------------------------- called by the pool

    def dialed(self, accepts: bool, dial: CData) -> int:
        """Dials or accepts, for a push pool."""
        request = DialRequest(
            lib.ncp_dial_protocol(dial),
            lib.ncp_dial_ip(dial),
            lib.ncp_dial_deadline_ms(dial),
            lib.ncp_dial_timeout_ms(dial),
            lib.ncp_dial_attempt(dial),
            self.listener,
            self.is_closed,
        )
        try:
            raw = self.make(request, accepts)
            if raw is not None:
                lib.ncp_dial_done(dial, *self.add(raw, request))
        except BaseException as error:
            code = self.failed_dial(error)
            lib.ncp_dial_fail(dial, code, text_of(error).encode())
            return Status.EDIAL
        return Status.OK

    def make(self, request: DialRequest, accepts: bool) -> Any:
        """Calls the user's dialer or acceptor."""
        if accepts:
            assert self.accept is not None
            return self.accept(self.listener, request)
        assert self.dial is not None
        return self.dial(request)

    def failed_dial(self, error: BaseException) -> int:
        """Keeps the exception of a dial."""
        self.dial_error = error
        return self.keep_error(error)

    def called(self, callback: int, handle: int, reason: int) -> int:
        """One of the connection callbacks of a push pool."""
        function = _CALLED[callback]
        return function(self, handle, REASONS.get(reason, "unknown"))

    def _closed(self, handle: int, reason: str) -> int:
        raw = self.remove(handle)
        if raw is None:
            if handle >> lib.NCP_PY_HANDLE_FD_SHIFT:  # it became no object
                os.close(handle & _FD_BITS)
            return Status.OK
        try:
            self.close(raw, reason)
        except BaseException as error:
            self.thrown.error = error
            return self._overheard(error, "closing a connection", Status.ECLOSEHOOK)
        return Status.OK

    def _checked(self, handle: int, reason: str) -> int:
        assert self.check is not None
        try:
            return Status.OK if fit(self.check(self.objects[handle])) else _NOT_FIT
        except BaseException as error:
            return self._overheard(error, "a health check", _NOT_FIT)

    def made_socket(self, conn: CData) -> int:
        """The library has dialed, or accepted."""
        return self._welcomed(lambda: self._add_socket(conn))

    def _created(self, handle: int, reason: str) -> int:
        return self._welcomed(lambda: self.objects[handle])

    def _welcomed(self, find: Callable[[], Any]) -> int:
        try:
            raw = find()
            if self.on_created is not None:
                self.on_created(raw)
        except BaseException as error:
            return self.failed_dial(error)
        self.dial_error = None
        return Status.OK

    def _borrowed(self, handle: int, reason: str) -> int:
        assert self.on_borrow is not None
        try:
            self.on_borrow(self.objects[handle])
        except BaseException as error:
            return self.keep_error(error)
        return Status.OK

    def _returned(self, handle: int, reason: str) -> int:
        try:
            self.restore_timeout(handle)
            if self.on_return is not None:
                self.on_return(self.objects[handle])
        except BaseException as error:
            self.thrown.error = error
            return Status.EHOOK
        return Status.OK

    def _closes(self, handle: int, reason: str) -> int:
        return self._tell(self.on_close, "on_close", handle, reason)

    def _leaked(self, handle: int, reason: str) -> int:
        return self._tell(self.on_leak, "on_leak", handle, reason)

    def _tell(
        self, hook: Callable[..., Any] | None, name: str, handle: int, reason: str
    ) -> int:
        """A hook whose result nobody waits for."""
        raw = self.objects.get(handle)
        if hook is None or raw is None:
            return Status.OK
        try:
            hook(raw, reason)
        except BaseException as error:
            return self._overheard(error, name, Status.OK)
        return Status.OK

    def _overheard(self, error: BaseException, what: str, status: int) -> int:
        """An exception that no caller may ever see: it is logged, or, if it came
        from a signal, kept for the call that the main thread is in."""
        if not isinstance(error, Exception) and is_main_thread():
            interrupts.append(error)
            return lib.NCP_PY_INTERRUPTED
        self.logger.error("%s%s failed", self.prefix, what, exc_info=error)
        return status

    # ------------------------------------------------------------------------ log

    @property
    def prefix(self) -> str:
        """Begins each line of log."""
        return f"{self.name}: " if self.name else ""

    def log(self, level: int, conn_id: int, text: str) -> None:
        """A line of the library's log."""
        about = f"connection={conn_id} " if conn_id else ""
        self.logger.log(
            LEVELS.get(LogLevel(level), logging.DEBUG),
            "%s%s%s",
            self.prefix,
            about,
            text,
        )

    # ----------------------------------------------------------------------- life

    def rest(self) -> None:
        """The pool is closed: from now on its host may go with whoever knows it,
        even where its hooks know the pool."""
        _hosts.pop(self.number, None)

    def last_days(self) -> None:
        """The pool is being given back: its last callbacks are still to come."""
        if self.push:
            _hosts[self.number] = self

    def forget_inherited(self) -> None:
        """In a forked child: the connections are the parent's. The library has
        closed the descriptors that it knew. No object may say goodbye to the peer,
        now or when it is collected, and none may close a number that is someone
        else's by then."""
        inherited = list(self.objects.values())
        self.objects.clear()
        self.small.clear()
        self._timeouts.clear()
        self._free.clear()
        self.inherited.update(id(raw) for raw in inherited)
        for raw in inherited:
            if isinstance(raw, socket.socket):
                fd = raw.detach()
                if fd >= 0 and not self.push:
                    os.close(fd)
        _keep_for_ever(inherited)


_CALLED: dict[int, Callable[[Host, int, str], int]] = {
    Callback.CLOSER: Host._closed,
    Callback.CHECKER: Host._checked,
    Callback.ON_CREATED: Host._created,
    Callback.ON_BORROW: Host._borrowed,
    Callback.ON_RETURN: Host._returned,
    Callback.ON_CLOSE: Host._closes,
    Callback.ON_LEAK: Host._leaked,
}
_NOT_FIT = int(Status.EUNHEALTHY)
_FD_BITS = (1 << 32) - 1


def fit(result: object) -> bool:
    """What the result of a health check means: it says no by False, or by
    throwing; one that returns nothing says yes."""
    return result is None or bool(result)


# --------------------------------------------------------------- hosts by number

_numbers = itertools.count(1)
# The library keeps the host of an open push pool; the others belong to who knows
# them, and are here to be found by a forked child.
_hosts: dict[int, Host] = {}
_resting: weakref.WeakValueDictionary[int, Host] = weakref.WeakValueDictionary()


def _find(number: int) -> Host | None:
    return _hosts.get(number) or _resting.get(number)


def hosts() -> list[Host]:
    """Every host there is."""
    return list({*_hosts.values(), *_resting.values()})


_immortal: list[Any] = []


def _keep_for_ever(objects: list[Any]) -> None:
    """Not even the end of the interpreter may finalize them."""
    _immortal.extend(objects)
    try:
        import ctypes

        for raw in objects:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(raw))
    except Exception:  # not CPython: the list has to do
        LOGGER.debug("inherited objects are kept by a list", exc_info=True)


# ------------------------------------------------------- entered by the library

# Exceptions of signals that came while the main thread was in a callback.
interrupts: list[BaseException] = []


def is_main_thread() -> bool:
    """Whether signals are handled on this thread."""
    return threading.get_ident() == threading.main_thread().ident


def take_interrupt() -> BaseException | None:
    """The exception of a signal that ended the call before, on the main thread."""
    if not interrupts or not is_main_thread():
        return None
    lib.ncp_py_interrupts_take()
    return interrupts.pop(0)


def _escaped(kind: object, error: BaseException, trace: object) -> int | None:
    """An exception that came between the lines: a signal's."""
    if is_main_thread():
        interrupts.append(error)
        return lib.NCP_PY_INTERRUPTED
    LOGGER.error("a callback failed", exc_info=error)
    return None


def _unheard(kind: object, error: BaseException, trace: object) -> None:
    """One that no call of the main thread waits for."""
    if is_main_thread():
        interrupts.append(error)
    else:
        LOGGER.error("a callback failed", exc_info=error)


@ffi.def_extern(error=Status.EDIAL, onerror=_unheard)
def ncp_py_on_dial(number: int, accepts: int, dial: CData) -> int:
    host = _find(number)
    return host.dialed(bool(accepts), dial) if host else Status.EDIAL


@ffi.def_extern(error=Status.EHOOK, onerror=_escaped)
def ncp_py_on_conn(
    number: int, callback: int, handle: int, conn_id: int, reason: int
) -> int:
    host = _find(number)
    return host.called(callback, handle, reason) if host else Status.OK


@ffi.def_extern(error=Status.EHOOK, onerror=_escaped)
def ncp_py_on_socket(number: int, conn: CData) -> int:
    host = _find(number)
    return host.made_socket(conn) if host else Status.OK


@ffi.def_extern(onerror=_unheard)
def ncp_py_on_log(number: int, level: int, conn_id: int, text: CData) -> None:
    host = _find(number)
    if host is not None:
        host.log(level, conn_id, ffi.string(text).decode(errors="replace"))


@ffi.def_extern(onerror=_unheard)
def ncp_py_on_drop(number: int) -> None:
    _hosts.pop(number, None)


@ffi.def_extern(error=lib.NCP_PY_INTERRUPTED, onerror=_escaped)
def ncp_py_on_poll() -> int:
    """That it runs is enough: the interpreter runs the signal handlers first, and
    what one throws ends the wait."""
    return 0
