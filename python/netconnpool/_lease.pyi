# The shortest way of a borrow and of a return; see _lease.c.
import types
from typing import Generic, TypeVar

from netconnpool.connection import Connection
from netconnpool.pool import Cancel, WantedIp, WantedProtocol

C = TypeVar("C")

class Lease:
    _token: int
    _code: types.CodeType
    _instruction: int

class Borrow(Generic[C]):
    """The context manager of Pool.connection()."""

    def __enter__(self) -> Connection[C]: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
        /,
    ) -> None: ...

class Lender(Generic[C]):
    def getconn(
        self,
        timeout: float | None = None,
        protocol: WantedProtocol = None,
        ip: WantedIp = None,
        tag: int = 0,
        cancel: Cancel | None = None,
    ) -> Connection[C]: ...
    def connection(
        self,
        timeout: float | None = None,
        protocol: WantedProtocol = None,
        ip: WantedIp = None,
        tag: int = 0,
        cancel: Cancel | None = None,
        *,
        keep_on_error: bool = False,
    ) -> Borrow[C]: ...
    def putconn(self, conn: Connection[C], /, discard: bool = False) -> None: ...
    def _lends(
        self,
        pool: int,
        objects: dict[int, C],
        lease_type: type[Connection[C]],
        is_slow: bool,
        /,
    ) -> None: ...

def use(
    borrow: int,
    put: int,
    discard: int,
    is_shut: int,
    handle_shift: int,
    timeout_default: int,
    gone: object,
    /,
) -> None: ...
