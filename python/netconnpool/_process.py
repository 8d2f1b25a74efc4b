"""What happens to pools when the process forks or ends."""
from __future__ import annotations

import atexit
import os
import threading
import time

from netconnpool import _handle, _host, _lease
from netconnpool._ffi import ffi, lib

CLOSE_MS = 1000  # how long closing may hold up the end of the program
SETTLE = 0.02  # seconds, for callbacks that are on their way into Python


def _at_exit() -> None:
    """Closes every pool, then lets nobody into Python any more: a thread of the
    library that came while the interpreter is taken apart would crash it. A dial
    that hangs is left behind; it ends with the process."""
    alive = list(_handle.living.values())  # and so they stay, meanwhile
    # One that another thread is just collecting has none any more.
    pools = [each for pool in alive if (each := vars(pool).get("_c"))]
    if pools:
        lib.ncp_py_close_all(ffi.new("ncp_pool *[]", pools), len(pools), CLOSE_MS)
    lib.ncp_py_shut()
    if lib.ncp_py_inside() > 0:
        time.sleep(SETTLE)


def _in_child() -> None:
    """Pools begin anew in a forked child; the parent's connections are none of
    its business."""
    lib.ncp_py_begin(threading.get_ident())
    _lease.forked()
    for host in _host.hosts():
        host.forget_inherited()


def begin() -> None:
    lib.ncp_py_begin(threading.main_thread().ident or threading.get_ident())
    atexit.register(_at_exit)
    os.register_at_fork(after_in_child=_in_child)


begin()
