"""Measures a borrow and a return in an event loop, beside what asyncio has.

    python aio.py [--quick] [--json FILE] [--rounds N]

Alone: one task, a connection is always idle. Contended: 64 tasks share 4
connections and let the loop turn while they hold one, so that nearly every borrow
waits. All pools lend the same trivial objects. Rounds are interleaved: every pool
takes its turn in each, so that what else the machine does hits them alike.
"""
import argparse
import asyncio
import collections
import gc
import json
import platform
import statistics
import sys
import time

SIZE = 4
TASKS = 64


class Fake:
    """A connection that costs nothing."""

    def close(self):
        pass


class Netconnpool:
    """AsyncPool, by getconn and putconn."""

    name = "netconnpool"

    def __init__(self, size=SIZE):
        self.size = size

    async def open(self):
        from netconnpool import AsyncPool
        self.pool = AsyncPool(Fake, max_connections=self.size, min_connections=0,
                              health_check=False)
        self.acquire, self.release = self.pool.getconn, self.pool.putconn

    async def close(self):
        await self.pool.close()


class NetconnpoolBlock(Netconnpool):
    """AsyncPool, by `async with pool.connection()`."""

    name = "netconnpool, async with"

    async def use(self, turns):
        async with self.pool.connection():
            for _ in range(turns):
                await asyncio.sleep(0)


class SemaphoreAndQueue:
    """What the aim is: a Semaphore for the places, a LifoQueue for what is idle."""

    name = "Semaphore + LifoQueue"

    def __init__(self, size=SIZE):
        self.size = size

    async def open(self):
        self.places = asyncio.Semaphore(self.size)
        self.idle = asyncio.LifoQueue()
        for _ in range(self.size):
            self.idle.put_nowait(Fake())

    async def acquire(self):
        await self.places.acquire()
        try:
            return await self.idle.get()
        except BaseException:
            self.places.release()
            raise

    async def release(self, conn):
        await self.idle.put(conn)
        self.places.release()

    async def close(self):
        pass


class SemaphoreAndDeque(SemaphoreAndQueue):
    """The least that works: no limit of time, no check, no statistics."""

    name = "Semaphore + deque"

    async def open(self):
        self.places = asyncio.Semaphore(self.size)
        self.idle = collections.deque(Fake() for _ in range(self.size))

    async def acquire(self):
        await self.places.acquire()
        return self.idle.pop()

    async def release(self, conn):
        self.idle.append(conn)
        self.places.release()


class SemaphoreWithTimeout(SemaphoreAndDeque):
    """The same with a limit of time for the wait, which a pool has."""

    name = "wait_for(Semaphore) + deque"

    async def acquire(self):
        await asyncio.wait_for(self.places.acquire(), 5.0)
        return self.idle.pop()


CONTENDERS = (Netconnpool, NetconnpoolBlock, SemaphoreAndQueue, SemaphoreAndDeque,
              SemaphoreWithTimeout)


async def take_all(contender, count):
    """All can be had together: none got lost."""
    for conn in [await asyncio.wait_for(contender.acquire(), 5)
                 for _ in range(count)]:
        await contender.release(conn)


async def _use(contender, turns):
    use = getattr(contender, "use", None)
    if use is not None:
        await use(turns)
        return
    conn = await contender.acquire()
    for _ in range(turns):
        await asyncio.sleep(0)
    await contender.release(conn)


async def _repeat(contender, turns, count):
    for _ in range(count):
        await _use(contender, turns)


async def alone(contender, count):
    """ns a borrow and return of one task."""
    begin = time.perf_counter_ns()
    await _repeat(contender, 0, count)
    return (time.perf_counter_ns() - begin) / count


async def contended(contender, count):
    """ns a borrow and return when nearly all wait."""
    each = max(1, count // TASKS)
    begin = time.perf_counter_ns()
    await asyncio.gather(*(_repeat(contender, 1, each) for _ in range(TASKS)))
    return (time.perf_counter_ns() - begin) / (each * TASKS)


async def measure(rounds, count):
    contenders = [kind() for kind in CONTENDERS]
    for one in contenders:
        await one.open()
    found = {one.name: {"alone": [], "contended": []} for one in contenders}
    for _ in range(rounds + 1):  # the first round warms up
        for one in contenders:
            gc.collect()
            for way in (alone, contended):
                found[one.name][way.__name__].append(await way(one, count))
    for one in contenders:
        await one.close()
    return {name: {way: statistics.median(times[1:]) for way, times in ways.items()}
            for name, ways in found.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    rounds, count = (1, 640) if arguments.quick else (arguments.rounds, 12800)
    results = asyncio.run(measure(rounds, count))
    print(f"Python {platform.python_version()}, median of {rounds} rounds, "
          f"ns a borrow and return")
    print(f"{'':30}{'alone':>10}{'contended':>12}")
    for name, ways in results.items():
        print(f"{name:30}{ways['alone']:10.0f}{ways['contended']:12.0f}")
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
