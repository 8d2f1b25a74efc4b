# The shortest way of a borrow and of a return; see _lease.c.
import asyncio
import types
from collections.abc import Callable
from typing import Any, Generic, Literal, TypeVar

from netconnpool._pull import Machine, PullLease
from netconnpool.connection import Connection
from netconnpool.pool import Cancel, WantedIp, WantedProtocol

C = TypeVar("C")

class Lease:
    _token: int
    _handle: int
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

class Puller(Generic[C]):
    _ends: bool
    _is_slow: bool

    def _lends(
        self,
        pool: int,
        machine: Machine,
        queue: int,
        out: int,
        events: int,
        room: int,
        wanted: set[Any],
        objects: dict[int, C],
        lease_type: type[PullLease[C]],
        taken: dict[int, str],
        stacks: dict[int, str],
        watchers: list[tuple[Callable[[], bool], Any]],
        /,
    ) -> None: ...
    def _runs_in(
        self,
        is_running: Callable[[], bool],
        new_future: Callable[[], asyncio.Future[Any]],
        /,
    ) -> None: ...
    def _lends_no_more(self) -> None: ...
    def _lend(self, lease: int, handle: int, /) -> Any: ...
    def _note(self, conn: PullLease[C], /) -> None: ...
    def _waits(self, ticket: int, waiter: Any, /) -> None: ...
    def _waiter_of(self, ticket: int, /) -> Any | None: ...
    def _take(
        self, timeout: float | None, protocol: object, ip: object, tag: int, /
    ) -> Any: ...
    def _give(self, conn: object, /) -> Any | Literal[False] | None: ...
    def _lose(self, conn: PullLease[C], /) -> int: ...

def use(
    borrow: int,
    put: int,
    discard: int,
    is_shut: int,
    ref: int,
    free: int,
    handle_shift: int,
    timeout_default: int,
    gone: object,
    /,
) -> None: ...
def use_for_loops(
    acquire: int,
    release: int,
    put: int,
    discard: int,
    queue_ready: int,
    getframe: Callable[[int], types.FrameType],
    nowhere: types.CodeType,
    /,
) -> None: ...
def forked() -> None: ...
