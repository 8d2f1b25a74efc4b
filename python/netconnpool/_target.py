"""Targets of the built-in dialer, as hosts that dial by themselves read them."""
from __future__ import annotations

import socket
from typing import TYPE_CHECKING, NamedTuple

from netconnpool import errors
from netconnpool._constants import Ip, Option, Protocol, Status
from netconnpool._ffi import ffi, lib

if TYPE_CHECKING:
    from netconnpool._ffi import CData

_KEEPALIVE_MAX_S = 32767  # the most that Linux takes
_FAMILIES = {Ip.UNKNOWN: 0, Ip.V4: socket.AF_INET, Ip.V6: socket.AF_INET6}


class Target(NamedTuple):
    """Where to connect to."""

    protocol: Protocol  # UNKNOWN for a unix socket
    ip: Ip
    host: str  # or the path of a unix socket
    port: str

    @property
    def is_unix(self) -> bool:
        return self.protocol == Protocol.UNKNOWN

    @property
    def kind(self) -> socket.SocketKind:
        if self.protocol == Protocol.UDP:
            return socket.SOCK_DGRAM
        return socket.SOCK_STREAM

    def family(self, wanted: Ip) -> int:
        """The address family when a caller wants this IP version."""
        return _FAMILIES[self.ip or wanted]


def parse(text: str) -> Target:
    """Reads a target that the library has accepted."""
    reason = ffi.new("char[256]")
    status = lib.ncp_target_check(text.encode(), reason, 256)
    if status != Status.OK:
        raise errors.of(status, ffi.string(reason).decode(errors="replace"))
    scheme, _, rest = text.partition(":")
    scheme = scheme.lower()
    if scheme == "unix":
        return Target(Protocol.UNKNOWN, Ip.UNKNOWN, rest, "")
    host, _, port = rest[2:].rpartition(":")
    ip = {"4": Ip.V4, "6": Ip.V6}.get(scheme[-1], Ip.UNKNOWN)
    return Target(Protocol[scheme[:3].upper()], ip, host.strip("[]"), port)


class SocketOptions(NamedTuple):
    """What the options of a pool say about the sockets that it makes."""

    nodelay: bool
    keepalive_ms: int
    send_buffer: int
    receive_buffer: int
    happy_eyeballs: float  # seconds between two addresses

    @classmethod
    def of(cls, config: CData) -> SocketOptions:
        found = []
        value = ffi.new("int64_t *")
        for option in (
            Option.TCP_NODELAY,
            Option.TCP_KEEPALIVE,
            Option.SEND_BUFFER,
            Option.RECEIVE_BUFFER,
            Option.HAPPY_EYEBALLS_DELAY,
        ):
            lib.ncp_config_get_int(config, option, value)
            found.append(value[0])
        return cls(bool(found[0]), found[1], found[2], found[3], found[4] / 1000)

    def apply(self, sock: socket.socket) -> None:
        """Sets them on a socket that is not connected yet."""
        if self.send_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.send_buffer)
        if self.receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        if sock.family == socket.AF_UNIX or sock.type != socket.SOCK_STREAM:
            return
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, self.nodelay)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, self.keepalive_ms > 0)
        if self.keepalive_ms > 0:
            self._time_keepalive(sock)

    def _time_keepalive(self, sock: socket.socket) -> None:
        seconds = min(-(-self.keepalive_ms // 1000), _KEEPALIVE_MAX_S)
        for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL"):
            number = getattr(socket, name, None)
            if number is not None:
                sock.setsockopt(socket.IPPROTO_TCP, number, seconds)
