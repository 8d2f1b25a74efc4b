"""What can go wrong, as exceptions.

Every exception of the pool is a :class:`PoolError`. Its ``status`` says which
(a value of :class:`netconnpool.Status`), its text says in what state the pool
was, and ``__cause__`` is the very exception that a dialer or a hook threw, if
one did.
"""
from __future__ import annotations

from typing import ClassVar

from netconnpool._constants import STATUS_TEXTS, Status

__all__ = [
    "BreakerOpen",
    "CloseFailed",
    "ConnectFailed",
    "ConnectionLeaked",
    "GetCanceled",
    "HookFailed",
    "InvalidArgument",
    "InvalidConfig",
    "InvalidConnection",
    "NoMatchingConnection",
    "NotFound",
    "NotPossible",
    "OutOfMemory",
    "PoolClosed",
    "PoolError",
    "PoolExhausted",
    "PoolTimeout",
    "SystemFailed",
    "TooManyWaiters",
]


_Statuses = tuple[Status, ...]


class PoolError(Exception):
    """Something that a pool could not do."""

    #: Which one, as the library says it.
    status: Status = Status.EUSER
    _statuses: ClassVar[_Statuses] = ()


class PoolTimeout(PoolError, TimeoutError):
    """No connection came in time."""

    status = Status.ETIMEOUT
    _statuses: ClassVar[_Statuses] = (Status.ETIMEOUT,)


class PoolClosed(PoolError):
    """The pool is closed."""

    status = Status.ECLOSED
    _statuses: ClassVar[_Statuses] = (Status.ECLOSED,)


class PoolExhausted(PoolError):
    """Nothing is idle, and no waiting was asked for."""

    status = Status.EEXHAUSTED
    _statuses: ClassVar[_Statuses] = (Status.EEXHAUSTED, Status.EMAXCONN)


class TooManyWaiters(PoolExhausted):
    """``max_waiters`` callers wait already."""

    status = Status.EWAITERS
    _statuses: ClassVar[_Statuses] = (Status.EWAITERS,)


class ConnectFailed(PoolError, ConnectionError):
    """A connection could not be made. ``__cause__`` is what the dialer threw."""

    status = Status.EDIAL
    _statuses: ClassVar[_Statuses] = (Status.EDIAL,)


class NoMatchingConnection(ConnectFailed):
    """Connections were made, but never of the protocol or IP version that was
    wanted."""

    status = Status.ENOPROTO
    _statuses: ClassVar[_Statuses] = (Status.ENOPROTO, Status.ENOIP)


class BreakerOpen(ConnectFailed):
    """The circuit breaker is open: too many dials failed in a row."""

    status = Status.EBREAKER
    _statuses: ClassVar[_Statuses] = (Status.EBREAKER,)


class HookFailed(PoolError):
    """A hook refused the connection. ``__cause__`` is what it threw."""

    status = Status.EHOOK
    _statuses: ClassVar[_Statuses] = (Status.EHOOK, Status.EUSER)


class CloseFailed(PoolError):
    """Closing the connection failed; it is gone all the same. ``__cause__`` is
    what was thrown."""

    status = Status.ECLOSEHOOK
    _statuses: ClassVar[_Statuses] = (Status.ECLOSEHOOK,)


class InvalidConnection(PoolError):
    """No connection that this pool has lent: given back twice, of another pool,
    used after it was given back; or a dialer that returned nothing."""

    status = Status.EINVALIDCONN
    _statuses: ClassVar[_Statuses] = (
        Status.EINVALIDCONN,
        Status.ECONNCLOSED,
        Status.EUNHEALTHY,
    )


class ConnectionLeaked(PoolError):
    """The connection had been taken away, because it was kept for too long."""

    status = Status.ELEAKED
    _statuses: ClassVar[_Statuses] = (Status.ELEAKED,)


class GetCanceled(PoolError):
    """The caller canceled the get."""

    status = Status.ECANCELED
    _statuses: ClassVar[_Statuses] = (Status.ECANCELED,)


class InvalidArgument(PoolError, ValueError):
    """An argument has a value that is not possible."""

    status = Status.EINVAL
    _statuses: ClassVar[_Statuses] = (
        Status.EINVAL,
        Status.EUNSUPPORTEDIP,
        Status.EUNSUPPORTEDPROTO,
    )


class InvalidConfig(PoolError, ValueError):
    """The configuration is refused; the text says what to change."""

    status = Status.EINVALIDCONFIG
    _statuses: ClassVar[_Statuses] = (Status.EINVALIDCONFIG,)


class NotPossible(PoolError):
    """Not possible for this pool, or not now."""

    status = Status.ESTATE
    _statuses: ClassVar[_Statuses] = (Status.ESTATE, Status.EAGAIN)


class NotFound(PoolError, LookupError):
    """There is nothing of that name."""

    status = Status.ENOTFOUND
    _statuses: ClassVar[_Statuses] = (Status.ENOTFOUND,)


class OutOfMemory(PoolError, MemoryError):
    """There is not enough memory."""

    status = Status.ENOMEM
    _statuses: ClassVar[_Statuses] = (Status.ENOMEM,)


class SystemFailed(PoolError):
    """A system call failed."""

    status = Status.ESYS
    _statuses: ClassVar[_Statuses] = (Status.ESYS,)


def _family(parent: type[PoolError]) -> list[type[PoolError]]:
    found = [parent]
    for child in parent.__subclasses__():
        found += _family(child)
    return found


_BY_STATUS: dict[int, type[PoolError]] = {
    status: kind for kind in _family(PoolError) for status in kind._statuses
}


def of(
    status: int, pool_text: str = "", cause: BaseException | None = None
) -> PoolError:
    """The exception of a status, to be raised.

    ``pool_text`` says in what state the pool was; ``cause`` becomes
    ``__cause__``.
    """
    text = STATUS_TEXTS[Status(status)]
    if cause is not None:
        text += f" ({type(cause).__name__}: {cause})"
    if pool_text:
        text += f"; {pool_text}"
    error = _BY_STATUS[status](text)
    error.status = Status(status)
    error.__cause__ = cause
    return error
