"""netconnpool: one connection pool for C, Python, Go and Lua.

    from netconnpool import Pool

    with Pool("tcp://localhost:6379", max_connections=20) as pool:
        with pool.connection(timeout=2.0) as conn:
            conn.sendall(b"PING\\r\\n")
"""
from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from netconnpool import _process  # noqa: F401  before any pool
from netconnpool._clock import ManualClock
from netconnpool._constants import Ip, Protocol, Reason, Status
from netconnpool._ffi import ffi as _ffi
from netconnpool._ffi import lib as _lib
from netconnpool._handle import Borrower, DialError
from netconnpool._host import DialRequest
from netconnpool._options import OptionInfo, options
from netconnpool._tables import Options, Stats
from netconnpool.connection import Connection, Lease
from netconnpool.errors import (
    BreakerOpen,
    CloseFailed,
    ConnectFailed,
    ConnectionLeaked,
    GetCanceled,
    HookFailed,
    InvalidArgument,
    InvalidConfig,
    InvalidConnection,
    NoMatchingConnection,
    NotFound,
    NotPossible,
    OutOfMemory,
    PoolClosed,
    PoolError,
    PoolExhausted,
    PoolTimeout,
    SystemFailed,
    TooManyWaiters,
)
from netconnpool.pool import Cancel, Pool

if TYPE_CHECKING:
    from netconnpool.aio import AsyncBorrow, AsyncConnection, AsyncPool
    from netconnpool.streams import StreamConnection

# Those who use threads need not wait for asyncio to be imported.
_LATER = {
    "AsyncBorrow": "netconnpool.aio",
    "AsyncConnection": "netconnpool.aio",
    "AsyncPool": "netconnpool.aio",
    "StreamConnection": "netconnpool.streams",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LATER[name]), name)


#: The version of the library.
__version__: str = _ffi.string(_lib.ncp_version_text()).decode()

__all__ = [
    "AsyncBorrow",
    "AsyncConnection",
    "AsyncPool",
    "Borrower",
    "BreakerOpen",
    "Cancel",
    "CloseFailed",
    "ConnectFailed",
    "Connection",
    "ConnectionLeaked",
    "DialError",
    "DialRequest",
    "GetCanceled",
    "HookFailed",
    "InvalidArgument",
    "InvalidConfig",
    "InvalidConnection",
    "Ip",
    "Lease",
    "ManualClock",
    "NoMatchingConnection",
    "NotFound",
    "NotPossible",
    "OptionInfo",
    "Options",
    "OutOfMemory",
    "Pool",
    "PoolClosed",
    "PoolError",
    "PoolExhausted",
    "PoolTimeout",
    "Protocol",
    "Reason",
    "Stats",
    "Status",
    "StreamConnection",
    "SystemFailed",
    "TooManyWaiters",
    "__version__",
    "options",
]
