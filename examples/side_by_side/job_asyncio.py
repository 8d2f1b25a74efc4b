"""The job in Python: tasks of asyncio share a pool.

    job_asyncio.py TARGET WORKERS CONNECTIONS SECONDS DIALS

Each worker sends 64 bytes and reads them back, again and again: first over a pool,
for SECONDS, then over a connection dialed for each request, DIALS of them. Prints one
line of JSON, which table.py turns into a row.
"""
import asyncio
import dataclasses
import json
import math
import sys
import time

from netconnpool import PoolError
from netconnpool.aio import AsyncPool


async def run(workers, request, seconds=math.inf, count=math.inf):
    """Lets workers await request(text) for a time, or each so often."""
    begin = time.monotonic()

    async def work(number):
        good = failed = 0
        while good + failed < count and time.monotonic() < begin + seconds:
            try:
                fine = await request(b"%-32d%32d" % (number, good))
            except (OSError, EOFError, PoolError) as error:
                print(f"worker {number}: {error}", file=sys.stderr)
                fine = False
            good += fine
            failed += not fine
        return good, failed

    results = await asyncio.gather(*map(work, range(workers)))
    return {"seconds": time.monotonic() - begin,
            "requests": sum(good for good, _ in results),
            "failed": sum(failed for _, failed in results)}


async def main(target, workers, connections, seconds, dials):
    pool = AsyncPool(target, max_connections=int(connections), min_connections=0,
                     latency_samples=10000)

    async def pooled(text):
        async with pool.connection() as conn:
            await conn.send(text)
            return await conn.readexactly(len(text)) == text

    host, port = target.removeprefix("tcp://").split(":")

    async def dialing(text):
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(text)
            return await reader.readexactly(len(text)) == text
        finally:
            writer.close()
            await writer.wait_closed()

    result = await run(int(workers), pooled, seconds=float(seconds))
    await pool.drain()
    stats = pool.stats()
    print(json.dumps({
        "language": "Python", "workers": "asyncio",
        "pool": {**result, "counters": dataclasses.asdict(stats),
                 "p50_us": stats.p50_get_time * 1e6,
                 "p99_us": stats.p99_get_time * 1e6},
        "dialing": await run(int(workers), dialing,
                             count=int(dials) // int(workers))}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
