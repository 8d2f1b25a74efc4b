"""One borrow of one connection."""
from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from netconnpool import _lease, errors
from netconnpool._constants import TIMEOUT_DEFAULT, Info, Ip, Protocol, Status
from netconnpool._ffi import ffi, lib

if TYPE_CHECKING:
    from netconnpool._handle import Handle
    from netconnpool.pool import Pool

C = TypeVar("C")

_NS = 1_000_000_000
_LEASE_BITS = (1 << lib.NCP_PY_HANDLE_SHIFT) - 1


class _Gone:
    """Stands where the object of a connection was that has been given back."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        raise errors.of(
            Status.EINVALIDCONN, "it has been given back and is no longer yours"
        )

    def __repr__(self) -> str:
        return "<given back>"


GONE: Any = _Gone()


class Lease(_lease.Lease, Generic[C]):
    """One borrow of one connection: what it is, and what is known of it.

    Attributes that it does not have itself are those of :attr:`raw`, the object
    that the dialer made. After the connection was given back, everything but
    ``repr()`` raises :exc:`~netconnpool.InvalidConnection`; the next borrower has
    a lease of its own.
    """

    __slots__ = ()

    #: What the dialer made.
    raw: C
    _pool: Handle[C]

    def __getattr__(self, name: str) -> Any:
        if name == "raw":  # it is not complete yet, and may never be
            raise AttributeError(name)
        return getattr(self.raw, name)

    @property
    def lease(self) -> int:
        """The number of this borrow; 0 when it has ended."""
        return self._token & _LEASE_BITS

    def _fact(self, info: int) -> int:
        out = ffi.new("uint64_t *")
        status = lib.ncp_lease_info(self._pool._c, self.lease, info, out)
        if status != Status.OK:
            raise errors.of(status, "it has been given back and is no longer yours")
        return int(out[0])

    @property
    def id(self) -> int:
        """The number of the connection: unique in the process, from 1."""
        return self._fact(Info.ID)

    @property
    def fd(self) -> int:
        """The descriptor that the pool knows, -1 for none."""
        value = self._fact(Info.FD)
        return value if value < 2**63 else -1

    @property
    def protocol(self) -> Protocol:
        """TCP, UDP, or UNKNOWN for anything else."""
        return Protocol(self._fact(Info.PROTOCOL))

    @property
    def ip(self) -> Ip:
        """V4, V6, or UNKNOWN for neither."""
        return Ip(self._fact(Info.IP))

    @property
    def age(self) -> float:
        """Seconds since the connection was made."""
        return self._fact(Info.AGE_NS) / _NS

    @property
    def borrowed(self) -> float:
        """Seconds since it was borrowed."""
        return self._fact(Info.BORROWED_NS) / _NS

    @property
    def created_at(self) -> float:
        """When it was made, in seconds on the pool's clock."""
        return self._fact(Info.CREATED_AT_NS) / _NS

    @property
    def last_used_at(self) -> float:
        """When it was borrowed or returned last, in seconds on the pool's
        clock."""
        return self._fact(Info.LAST_USED_AT_NS) / _NS

    @property
    def last_check_at(self) -> float:
        """When it was checked last, in seconds on the pool's clock; 0 never."""
        return self._fact(Info.LAST_CHECK_AT_NS) / _NS

    @property
    def reuse_count(self) -> int:
        """How many gets it has served while it existed already."""
        return self._fact(Info.REUSE_COUNT)

    @property
    def leak_detected(self) -> bool:
        """Whether this borrow has passed ``leak_timeout``."""
        return bool(self._fact(Info.LEAK_DETECTED))

    @property
    def healthy(self) -> bool:
        """Whether it is to be kept; False has it closed when it is returned."""
        return bool(self._fact(Info.HEALTHY))

    @healthy.setter
    def healthy(self, value: bool) -> None:
        self._pool._check(
            lib.ncp_lease_set_healthy(self._pool._c, self.lease, bool(value))
        )

    @property
    def tag(self) -> int:
        """A number of yours, shown in lists of borrowers."""
        return self._fact(Info.TAG)

    @tag.setter
    def tag(self, value: int) -> None:
        self._pool._check(lib.ncp_lease_set_tag(self._pool._c, self.lease, value))

    @property
    def stack(self) -> str:
        """The stack of the borrower, with the option ``capture_stacks``; else
        ""."""
        return self._pool._stacks.get(self.lease, "")

    def renew(self, raw: C) -> None:
        """Says that the connection was replaced: ``raw`` is a new one under the
        same lease, and its age begins anew. The old one was closed by you."""
        pool = self._pool
        old = self._fact(Info.HANDLE)
        handle, fd, protocol, ip = pool._host.add(raw)
        status = lib.ncp_lease_renew(pool._c, self.lease, handle, fd, protocol, ip)
        pool._host.remove(old if status == Status.OK else handle)
        pool._check(status)
        self.raw = raw

    def _ended(self) -> None:
        self._token = 0
        self.raw = GONE

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.raw!r}>"


class Connection(Lease[C]):
    """A connection borrowed from a :class:`~netconnpool.Pool`.

    It goes back by :meth:`~netconnpool.Pool.putconn`, or at the end of a ``with``
    block. One that is lost, collected as garbage without having been given back,
    is closed, with a :exc:`ResourceWarning` that names the place where it was
    borrowed.
    """

    __slots__ = ()

    _pool: Pool[C]

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

    def close(self) -> None:
        """Closes the connection: its place in the pool is free at once. Giving it
        back afterwards is allowed and does nothing."""
        pool = self._pool
        status = lib.ncp_lease_close(pool._c, self.lease)
        self.raw = GONE
        pool._check(status)

    def __enter__(self) -> Connection[C]:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if not self._token:
            return
        if kind is None:
            self._pool.putconn(self)
        else:
            self._pool._give_back_after(self, True)

    def _lost(self, status: int, what: str | None) -> None:
        """It was collected as garbage, and closed; the status is how that went.
        Called by the base."""
        if status not in (Status.OK, Status.ECLOSEHOOK):
            return  # it had been taken away, or was inherited by a fork
        host = self._pool._host
        text = f"a connection was lost without having been given back: {what}"
        file, line = self._place()
        host.logger.warning("%s%s, borrowed at %s:%d", host.prefix, text, file, line)
        warnings.warn_explicit(text, ResourceWarning, file, line, source=self)


def address_of(name: str) -> int:
    """Where a function of the library is."""
    return int(ffi.cast("uintptr_t", ffi.addressof(lib, name)))


_lease.use(
    address_of("ncp_py_borrow"),
    address_of("ncp_py_put"),
    address_of("ncp_py_discard"),
    address_of("ncp_py_is_shut"),
    address_of("ncp_pool_ref"),
    address_of("ncp_pool_free"),
    lib.NCP_PY_HANDLE_SHIFT,
    TIMEOUT_DEFAULT,
    GONE,
)
