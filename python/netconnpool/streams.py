"""Connections of asyncio, and how a target is dialed in an event loop."""
from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

from netconnpool._constants import Ip, Protocol
from netconnpool._target import SocketOptions, Target

if TYPE_CHECKING:
    from netconnpool._host import DialRequest

__all__ = ["StreamConnection"]

_Address = tuple[int, int, int, Any]  # family, kind, protocol number, address


class StreamConnection:
    """A reader and a writer of asyncio that belong together.

    What :class:`~netconnpool.AsyncPool` makes of a TCP or unix target, and of a
    dialer that returns such a pair, as :func:`asyncio.open_connection` does. It
    can be taken apart: ``reader, writer = connection``.
    """

    __slots__ = ("__weakref__", "reader", "writer")

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.reader = reader
        self.writer = writer

    def __iter__(self) -> Iterator[Any]:
        yield self.reader
        yield self.writer

    def fileno(self) -> int:
        """The descriptor of the socket; -1 when it is closed or has none."""
        sock = self.writer.get_extra_info("socket")
        return int(sock.fileno()) if sock is not None else -1

    @property
    def is_alive(self) -> bool:
        """Whether neither side has closed it, as far as is known here."""
        return not (
            self.writer.is_closing()
            or self.reader.at_eof()
            or self.reader.exception() is not None
        )

    async def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes, b"" at the end; all until the end for -1."""
        return await self.reader.read(size)

    async def readexactly(self, size: int) -> bytes:
        """Exactly ``size`` bytes, or :exc:`asyncio.IncompleteReadError`."""
        return await self.reader.readexactly(size)

    async def readline(self) -> bytes:
        """Until the end of a line, which is included."""
        return await self.reader.readline()

    async def readuntil(self, separator: bytes = b"\n") -> bytes:
        """Until a separator, which is included."""
        return await self.reader.readuntil(separator)

    async def send(self, data: bytes) -> None:
        """Writes, and waits while the peer does not keep up."""
        self.writer.write(data)
        await self.writer.drain()

    def close(self) -> Awaitable[None]:
        """Closes it. To await the result is to wait until it is closed."""
        self.writer.close()
        return self._closed()

    async def _closed(self) -> None:
        try:
            await self.writer.wait_closed()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the peer was faster

    def __repr__(self) -> str:
        peer = self.writer.get_extra_info("peername")
        return f"<StreamConnection to {peer!r}>"


def as_connection(raw: Any) -> Any:
    """What a dialer returned; a pair of reader and writer becomes one object."""
    if (
        isinstance(raw, tuple)
        and len(raw) == 2
        and isinstance(raw[0], asyncio.StreamReader)
        and isinstance(raw[1], asyncio.StreamWriter)
    ):
        return StreamConnection(*raw)
    return raw


# --------------------------------------------------------------------- accepting

class Door:
    """Where several wait for the clients of one listener, in their order."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        #: Those who wait.
        self.waiting: list[asyncio.Future[socket.socket]] = []

    async def accept(self) -> socket.socket:
        """The next client, as a non-blocking socket."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[socket.socket] = loop.create_future()
        if not self.waiting:
            self._listener.setblocking(False)
            loop.add_reader(self._listener.fileno(), self._knocked)
        self.waiting.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                waiter.result().close()
            raise
        finally:
            if waiter in self.waiting:
                self.waiting.remove(waiter)
            if not self.waiting:
                loop.remove_reader(self._listener.fileno())

    def _knocked(self) -> None:
        """There may be clients."""
        while self.waiting:
            waiter = self.waiting[0]
            if not waiter.done():
                try:
                    client, _ = self._listener.accept()
                except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                    return
                except OSError as error:
                    waiter.set_exception(error)
                else:
                    client.setblocking(False)
                    waiter.set_result(client)
            self.waiting.remove(waiter)


# ---------------------------------------------------------------------- dialing

async def dial(
    target: Target, options: SocketOptions, request: DialRequest
) -> StreamConnection | socket.socket:
    """Connects to a target: a stream, or for UDP a non-blocking socket."""
    sock = await _connected(target, options, request.ip)
    if target.protocol == Protocol.UDP:
        return sock
    try:
        return StreamConnection(*await asyncio.open_connection(sock=sock))
    except BaseException:
        sock.close()
        raise


async def _connected(
    target: Target, options: SocketOptions, wanted: Ip
) -> socket.socket:
    if target.is_unix:
        path: _Address = (socket.AF_UNIX, target.kind, 0, target.host)
        return await _connect(path, options)
    addresses = await _addresses(target, target.family(wanted))
    if len(addresses) == 1:
        return await _connect(addresses[0], options)
    return await _first_of(
        [functools.partial(_connect, one, options) for one in addresses],
        options.happy_eyeballs,
    )


async def _addresses(target: Target, family: int) -> list[_Address]:
    """Where a name leads to; the families take turns."""
    wanted = {"family": family, "type": target.kind}
    try:  # an address needs no resolver
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        found = socket.getaddrinfo(target.host, target.port, flags=flags, **wanted)
    except socket.gaierror:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(target.host, target.port, **wanted)
    lines: dict[int, list[_Address]] = {}
    for kin, kind, number, _, address in found:
        lines.setdefault(kin, []).append((kin, kind, number, address))
    turns: list[_Address] = []
    for index in range(max(map(len, lines.values()))):
        turns += [line[index] for line in lines.values() if index < len(line)]
    return turns


async def _connect(where: _Address, options: SocketOptions) -> socket.socket:
    family, kind, number, address = where
    sock = socket.socket(family, kind, number)
    try:
        sock.setblocking(False)
        options.apply(sock)
        await asyncio.get_running_loop().sock_connect(sock, address)
        if sock.family != socket.AF_UNIX and sock.getsockname() == sock.getpeername():
            raise ConnectionRefusedError("it connected to itself")
    except BaseException:
        sock.close()
        raise
    return sock


async def _first_of(
    starts: list[Callable[[], Awaitable[socket.socket]]], delay: float
) -> socket.socket:
    """Starts one after the other, each when the one before fails or takes longer
    than `delay`; the first success wins."""
    waiting = list(starts)
    running: set[asyncio.Future[socket.socket]] = set()
    failures: list[BaseException] = []
    try:
        while waiting or running:
            if waiting:
                running.add(asyncio.ensure_future(waiting.pop(0)()))
            ended, running = await asyncio.wait(
                running,
                timeout=delay if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            won = [one.result() for one in ended if one.exception() is None]
            for loser in won[1:]:
                loser.close()
            if won:
                return won[0]
            failures += [error for one in ended if (error := one.exception())]
    finally:
        await _call_off(running)
    raise failures[0]


async def _call_off(running: set[asyncio.Future[socket.socket]]) -> None:
    for one in running:
        one.cancel()
    for result in await asyncio.gather(*running, return_exceptions=True):
        if isinstance(result, socket.socket):
            result.close()
