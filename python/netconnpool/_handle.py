"""What every kind of pool can do: everything that waits for nobody."""
from __future__ import annotations

import dataclasses
import warnings
import weakref
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from netconnpool import _config, errors
from netconnpool._constants import (
    OPTIONS,
    Info,
    Ip,
    Protocol,
    Status,
)
from netconnpool._ffi import ffi, lib
from netconnpool._host import take_interrupt
from netconnpool._tables import Stats

if TYPE_CHECKING:
    from netconnpool._ffi import CData
    from netconnpool._host import Host

C = TypeVar("C")

_NS = 1_000_000_000
_TEXT = 240  # how much of the last failed dial is read

# Living pools, by the address of the library's, and in the order of their making.
living: weakref.WeakValueDictionary[int, Handle[Any]] = weakref.WeakValueDictionary()


@dataclasses.dataclass(frozen=True)
class Borrower:
    """One connection that is out."""

    #: The number of the borrow.
    lease: int
    #: The number of the connection.
    id: int
    protocol: Protocol
    ip: Ip
    #: Seconds since it was borrowed.
    borrowed: float
    #: The number that the borrower attached.
    tag: int
    #: The stack of the borrower, with the option ``capture_stacks``; else "".
    stack: str


@dataclasses.dataclass(frozen=True)
class DialError:
    """The last failed dial."""

    #: An errno, or 0.
    code: int
    text: str
    #: Seconds since then.
    age: float
    #: Failed dials in a row.
    count: int
    #: What the dialer threw, if it is one of Python.
    error: BaseException | None


class Handle(Generic[C]):
    """A pool of the library, and the host that belongs to it."""

    _c: CData = ffi.NULL  # until there is a pool
    _host: Host

    def __init__(self, config: CData, host: Host) -> None:
        #: Stacks of borrowers by lease, with capture_stacks.
        self._stacks: dict[int, str] = {}
        self._host = host
        myself = weakref.ref(self)

        def is_closed() -> bool:
            pool = myself()
            return pool is None or pool.is_closed

        host.is_closed = is_closed
        out = ffi.new("ncp_pool **")
        status = lib.ncp_pool_new(config, out)
        if status != Status.OK:
            host.last_days()
            raise _config.refused(config, status)
        self._c = out[0]
        living[_address(self._c)] = self
        if host.clock is not None:
            host.clock._serves(self)

    def __del__(self) -> None:
        if not self._c or lib.ncp_py_is_shut():
            return
        forgotten = "" if self.is_closed else f"a pool was not closed: {self!r}"
        pool, self._c = self._c, ffi.NULL
        self._host.last_days()
        # The base has another reference, for whatever of the same garbage still
        # looks at this pool.
        lib.ncp_pool_close(pool)
        lib.ncp_pool_free(pool)
        if forgotten:  # last, because a warning may be made an exception
            warnings.warn(forgotten, ResourceWarning, 2, source=self)

    # ------------------------------------------------------------------- failures

    def _check(self, status: int) -> None:
        """Raises what a status says; also what a signal said meanwhile."""
        error = take_interrupt()
        if error is not None:
            raise error
        if status != Status.OK:
            raise self._error(status)

    def _error(
        self,
        status: int,
        cause: BaseException | None = None,
        waited: float | None = None,
    ) -> errors.PoolError:
        """The exception of a status, with the state of the pool."""
        text = self._state()
        if cause is None and status == Status.EDIAL:
            found = self.dial_error()
            text = f"{found.text}; {text}" if found is not None else text
        if waited is not None:
            text = f"waited {waited:.3f} s; {text}"
        return errors.of(status, text, cause)

    def _state(self) -> str:
        name = f"pool {self._host.name!r}" if self._host.name else "pool"
        if not self._c:
            return f"{name}, which was collected as garbage"
        most = self.option("max_connections")
        return (
            f"{name}: {self.active_count} of {most or 'any'} in use, "
            f"{self.idle_count} idle, {self.waiting_count} waiting, "
            f"{self.dialing_count} being made"
            + (", closed" if self.is_closed else "")
        )

    def _dial_cause(self, code: int) -> BaseException | None:
        """The exception behind the code of a failed dial or hook."""
        error = self._host.take_error(code) if code else None
        if error is not None or not self._host.builtin or not code:
            return error
        found = self.dial_error()
        text = found.text if found is not None and found.code == code else ""
        return OSError(code, text)

    # ---------------------------------------------------------------------- looks

    @property
    def name(self) -> str:
        """The option ``name``."""
        return self._host.name

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
        return lib.ncp_pool_is_closed(self._c) == 1

    @property
    def active_count(self) -> int:
        """How many connections are borrowed."""
        return int(lib.ncp_pool_active_count(self._c))

    @property
    def idle_count(self) -> int:
        """How many connections wait to be borrowed."""
        return int(lib.ncp_pool_idle_count(self._c))

    @property
    def waiting_count(self) -> int:
        """How many callers stand in line."""
        return int(lib.ncp_pool_waiting_count(self._c))

    @property
    def dialing_count(self) -> int:
        """How many connections are being made."""
        return int(lib.ncp_pool_dialing_count(self._c))

    def stats(self) -> Stats:
        """A consistent snapshot of the counters; all 0 when the option ``stats``
        is off."""
        values = ffi.new("uint64_t[]", lib.NCP_COUNTER_COUNT)
        self._check(lib.ncp_pool_stats(self._c, values, lib.NCP_COUNTER_COUNT))
        return Stats.of(ffi.unpack(values, lib.NCP_COUNTER_COUNT))

    def describe(self) -> str:
        """The state of the pool for humans: connections, who waits, dials, the
        last failed dial, borrowers."""
        size = 1024
        while True:
            buffer = ffi.new("char[]", size)
            length = lib.ncp_pool_describe(self._c, buffer, size)
            if length < size:
                return ffi.string(buffer).decode(errors="replace")
            size = length + 256

    def leases(self) -> list[Borrower]:
        """The borrowers, the one that has kept a connection longest first."""
        out = ffi.new("size_t *")
        lib.ncp_pool_leases(self._c, ffi.NULL, 0, out)
        room = out[0] + 16
        numbers = ffi.new("ncp_lease[]", room)
        lib.ncp_pool_leases(self._c, numbers, room, out)
        found = [self._borrower(numbers[i]) for i in range(min(room, out[0]))]
        return [each for each in found if each is not None]

    def _borrower(self, lease: int) -> Borrower | None:
        facts = ffi.new("uint64_t[5]")
        wanted = (Info.ID, Info.PROTOCOL, Info.IP, Info.BORROWED_NS, Info.TAG)
        for i, info in enumerate(wanted):
            if lib.ncp_lease_info(self._c, lease, info, facts + i) != Status.OK:
                return None  # it was given back meanwhile
        return Borrower(
            lease,
            facts[0],
            Protocol(facts[1]),
            Ip(facts[2]),
            facts[3] / _NS,
            facts[4],
            self._stacks.get(lease, ""),
        )

    def dial_error(self) -> DialError | None:
        """The last failed dial; None when there was none since the last
        success."""
        code, age = ffi.new("int64_t *"), ffi.new("int64_t *")
        count, text = ffi.new("uint64_t *"), ffi.new("char[]", _TEXT)
        status = lib.ncp_pool_dial_error(self._c, code, age, count, text, _TEXT)
        if status != Status.OK:
            return None
        error = self._host.dial_error
        errno = getattr(error, "errno", None) or 0
        return DialError(
            code[0] if error is None else errno,
            ffi.string(text).decode(errors="replace"),
            age[0] / 1000,
            count[0],
            error,
        )

    def option(self, name: str) -> float | int | bool | str:
        """The value that an option has in this pool, corrections included.
        Durations are in seconds."""
        if name not in OPTIONS:
            raise _config.unknown(name, OPTIONS)
        out = ffi.new("int64_t *")
        self._check(lib.ncp_pool_option(self._c, OPTIONS[name], out))
        return _config.in_python(name, out[0])

    # ---------------------------------------------------------------------- steers

    def set(self, name: str, value: object) -> None:
        """Changes an option of the living pool. Durations are in seconds."""
        if name not in OPTIONS:
            raise _config.unknown(name, OPTIONS)
        number = _config.number(name, value)
        if number is None:
            number = _of_text(name, value)
        self._check(lib.ncp_pool_set(self._c, OPTIONS[name], number))

    def resize(self, max_connections: int | None) -> None:
        """Changes ``max_connections``; None for no limit. Growing serves those who
        wait; shrinking closes idle connections now and borrowed ones when they
        come back."""
        self._check(lib.ncp_pool_resize(self._c, max_connections or 0))

    def flush(self) -> None:
        """Closes what is idle now, and what is borrowed when it comes back."""
        self._check(lib.ncp_pool_flush(self._c))

    def suspend(self) -> None:
        """Stops lending until :meth:`resume`: callers stand in line."""
        self._check(lib.ncp_pool_suspend(self._c))

    def resume(self) -> None:
        """Lends again, first to those who stand in line."""
        self._check(lib.ncp_pool_resume(self._c))

    def wake(self) -> None:
        """Has every wait look at the clock again."""
        lib.ncp_pool_wake(self._c)

    def __repr__(self) -> str:
        name = f" {self._host.name!r}" if self._host.name else ""
        if not self._c:
            return f"<{type(self).__name__}{name} that was refused>"
        return (
            f"<{type(self).__name__}{name} active={self.active_count} "
            f"idle={self.idle_count} waiting={self.waiting_count}"
            + (" closed>" if self.is_closed else ">")
        )


def _of_text(name: str, value: object) -> int:
    """What a text means as the value of an option."""
    out = ffi.new("ncp_config **")
    if not isinstance(value, str):
        raise TypeError(f"{name} cannot be {value!r}")
    if lib.ncp_config_new(0, out) != Status.OK:
        raise MemoryError
    config = ffi.gc(out[0], lib.ncp_config_free)
    status = lib.ncp_config_set(config, name.encode(), value.encode())
    if status != Status.OK:
        raise _config.refused(config, status)
    number = ffi.new("int64_t *")
    lib.ncp_config_get_int(config, OPTIONS[name], number)
    return int(number[0])


def _address(pool: CData) -> int:
    return int(ffi.cast("uintptr_t", pool))


def find(name: str) -> Handle[Any] | None:
    """The living pool of that name in this process."""
    out = ffi.new("ncp_pool **")
    if lib.ncp_pool_find(name.encode(), out) != Status.OK:
        return None
    pool = living.get(_address(out[0]))
    lib.ncp_pool_free(out[0])
    return pool
