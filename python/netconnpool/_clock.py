"""A clock that stands still until it is moved, for tests."""
from __future__ import annotations

import weakref
from typing import Protocol

from netconnpool._ffi import ffi, lib

_NS = 1_000_000_000


class _Wakes(Protocol):
    def wake(self) -> None: ...


class ManualClock:
    """Time for the tests of a program that uses pools.

    Give it to a pool (``Pool(..., clock=clock)``): its timeouts, ages and checks
    then pass only when :meth:`advance` is called. One clock may serve any number
    of pools, and any thread may move it.
    """

    def __init__(self, now: float = 1.0) -> None:
        cell = lib.ncp_py_clock_new(round(now * _NS))
        if not cell:
            raise MemoryError
        self._cell = ffi.gc(cell, lib.ncp_py_clock_release)
        self._pools: weakref.WeakSet[_Wakes] = weakref.WeakSet()

    @property
    def now(self) -> float:
        """The time in seconds."""
        return self.now_ns / _NS

    @property
    def now_ns(self) -> int:
        """The time in nanoseconds."""
        return int(lib.ncp_py_clock_now(self._cell))

    def advance(self, seconds: float) -> None:
        """Moves the clock forward and lets every pool look at it."""
        self.set_ns(self.now_ns + round(seconds * _NS))

    def set_ns(self, now_ns: int) -> None:
        """Sets the clock, in nanoseconds; it must not go back."""
        if now_ns < self.now_ns:
            raise ValueError("a clock of pools must not go back")
        lib.ncp_py_clock_set(self._cell, now_ns)
        for pool in list(self._pools):
            pool.wake()

    def _serves(self, pool: _Wakes) -> None:
        self._pools.add(pool)

    def __repr__(self) -> str:
        return f"<ManualClock at {self.now:.9f} s>"
