"""What the pool does to sockets, for sockets of your own.

Each function takes a socket, or anything that has ``fileno()``, or a descriptor.
"""
from __future__ import annotations

import socket
from typing import Protocol as Structure

from netconnpool import _config, errors
from netconnpool._constants import Ip, Protocol, Status
from netconnpool._ffi import ffi, lib

__all__ = ["check_target", "detect", "drain", "has_datagram", "is_alive", "listen"]


class HasFileno(Structure):
    """Anything with a descriptor."""

    def fileno(self) -> int:
        """The descriptor."""


def _descriptor(what: HasFileno | int) -> int:
    fd = what if isinstance(what, int) else what.fileno()
    if fd < 0:
        raise ValueError("a closed socket has no descriptor")
    return fd


def detect(what: HasFileno | int) -> tuple[Protocol, Ip]:
    """Protocol and IP version. An IPv4 address mapped into IPv6 counts as IPv4;
    unix sockets and everything else are unknown."""
    found = ffi.new("int[2]")
    lib.ncp_fd_detect(_descriptor(what), found, found + 1)
    return Protocol(found[0]), Ip(found[1])


def is_alive(what: HasFileno | int) -> bool:
    """Whether a connection is alive, without reading from it and without
    blocking. A peer that has stopped sending is dead; silence is life."""
    return lib.ncp_fd_alive(_descriptor(what)) == 1


def drain(
    what: HasFileno | int, timeout: float = 0.1, max_packets: int = 100
) -> tuple[int, bool]:
    """Drops the datagrams that wait in a UDP socket, without blocking: how many,
    and whether it is empty now. Other sockets are left alone."""
    dropped = ffi.new("int *")
    status = lib.ncp_udp_drain(
        _descriptor(what), _config.milliseconds(timeout), max_packets, dropped
    )
    return int(dropped[0]), status == Status.OK


def has_datagram(what: HasFileno | int) -> bool:
    """Whether a datagram waits in a UDP socket. Nothing is read."""
    return lib.ncp_udp_has_data(_descriptor(what)) == 1


def listen(target: str, backlog: int = 128) -> socket.socket:
    """A listening socket for a server pool: ``"tcp://host:port"``, port 0 for one
    that the system chooses, or ``"unix:path"``. It is non-blocking."""
    out = ffi.new("int *")
    status = lib.ncp_listen(target.encode(), backlog, out)
    if status == Status.ESYS:
        raise OSError(ffi.errno, f"listening on {target}")
    if status != Status.OK:
        raise errors.of(status, target)
    return socket.socket(fileno=out[0])


def check_target(target: str) -> None:
    """Raises :exc:`~netconnpool.InvalidConfig`, which says what is wrong, for a
    target that the built-in dialer does not understand."""
    reason = ffi.new("char[]", 256)
    status = lib.ncp_target_check(target.encode(), reason, 256)
    if status != Status.OK:
        raise errors.of(status, ffi.string(reason).decode(errors="replace"))
