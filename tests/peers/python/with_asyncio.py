"""Keeps a real server busy through a pool of an event loop:
with_asyncio.py PROTOCOL TARGET."""
import asyncio
import gc
import os
import ssl
import sys

import load
from load import LIMIT_S, Outcome

import netconnpool
from netconnpool.aio import AsyncPool


class Wire:
    """A connection while a request uses it."""

    def __init__(self, stream):
        self.stream = stream
        self.answered = False

    async def receive(self, size):
        """In parts, so that it is known whether anything came."""
        data = await self.stream.readexactly(1)
        self.answered = True
        return data + await self.stream.readexactly(size - 1)

    async def line(self):
        data = await self.stream.readuntil(b"\r\n")
        self.answered = True
        return data[:-2].decode("ascii")


async def exchange(wire, request, wanted):
    await wire.stream.send(request)
    return Outcome.RIGHT if await wire.receive(len(wanted)) == wanted \
        else Outcome.WRONG


async def ask_http(wire, text):
    await wire.stream.send(
        f"GET /echo?text={text} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
    status = await wire.line()
    headers = {}
    while line := await wire.line():
        name, _, value = line.partition(": ")
        headers[name.lower()] = value.lower()
    body = await wire.receive(int(headers["content-length"]))
    if not status.startswith("HTTP/1.1 200 ") or body != text.encode():
        return Outcome.WRONG
    return Outcome.LAST if headers.get("connection") == "close" else Outcome.RIGHT


TALKS = {"redis": lambda wire, text: exchange(wire, *load.redis_exchange(text)),
         "tls": lambda wire, text: exchange(wire, *load.line_exchange(text)),
         "http": ask_http}


async def ask(talk, stream, text):
    """The outcome, and what ended the connection."""
    wire = Wire(stream)
    try:
        return await asyncio.wait_for(talk(wire, text), LIMIT_S), None
    except (OSError, EOFError, asyncio.TimeoutError) as error:
        return Outcome.CUT if wire.answered else Outcome.MISSING, error


def tls_dialer(target):
    _, (host, port) = load.address_of(target)
    context = ssl.create_default_context(cafile=os.environ["NCP_PEERS_CA"])

    async def dial():
        return await asyncio.open_connection(host, port, ssl=context)
    return dial


class Load:
    """One server kept busy."""

    def __init__(self, protocol, pool):
        self._talk = TALKS[protocol]
        self._pool = pool
        self._book = load.Book()
        self._stats = None
        self._stop = False

    async def _once(self, text):
        conn = await self._pool.getconn()
        ended = await ask(self._talk, conn.raw, text)
        reused, right = conn.reuse_count > 0, ended[0] is Outcome.RIGHT
        try:
            await self._pool.putconn(conn, discard=not right)
        except netconnpool.CloseFailed:
            if right:
                raise
        return ended, reused

    async def _answered(self, text, phase):
        for attempt in range(2):
            try:
                ended, reused = await self._once(text)
            except (netconnpool.ConnectFailed, netconnpool.PoolTimeout) as error:
                return self._book.refused(phase, error)
            verdict = self._book.judge(phase, ended, reused, attempt == 0)
            if verdict is not None:
                return verdict
        return False

    async def _work(self, number):
        n = 0
        while not self._stop:
            n += 1
            phase = self._book.begin()
            ok = await self._answered(load.payload("a", number, n), phase)
            self._book.end(phase, ok)
            if not ok:
                await asyncio.sleep(load.PAUSE_S)

    async def _begin_phase(self, name):
        before = self._book.begin_phase(name)
        while before is not None and before.in_progress():
            await asyncio.sleep(0.001)
        print("ok", flush=True)

    async def _await(self, count):
        while self._book.phase.ok < int(count):
            await asyncio.sleep(0.001)
        print("ok", flush=True)

    async def _obey(self, commands):
        while line := await commands.readline():
            command, _, argument = line.decode().strip().partition(" ")
            if command == "end":
                return
            await {"phase": self._begin_phase, "await": self._await}[command](argument)
        raise EOFError("the input has ended")

    async def run(self, commands):
        await self._begin_phase("start")
        workers = [asyncio.create_task(self._work(number))
                   for number in range(load.WORKERS)]
        await self._obey(commands)
        self._stop = True
        await asyncio.gather(*workers)
        await self._pool.close_wait(LIMIT_S)
        self._stats = self._pool.stats()
        del self._pool  # as long as it is there it keeps the queue of its loop

    def report(self, **rest):
        return self._book.report(self._stats, **rest)


async def at_last(count, wanted):
    """Waits until a count is what it should be; what it is then."""
    gc.collect()
    loop = asyncio.get_running_loop()
    end = loop.time() + LIMIT_S
    while count() != wanted and loop.time() < end:
        await asyncio.sleep(0.001)
    return count()


def tasks():
    return len(asyncio.all_tasks())


async def read_commands():
    """The standard input, read by the loop."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def main(protocol, target):
    connect = tls_dialer(target) if protocol == "tls" else target
    commands = await read_commands()
    before = load.descriptors()
    busy = Load(protocol, AsyncPool(connect, **load.OPTIONS))
    await busy.run(commands)
    print(busy.report(
        descriptors=[before, await at_last(load.descriptors, before)],
        tasks=[1, await at_last(tasks, 1)]), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
