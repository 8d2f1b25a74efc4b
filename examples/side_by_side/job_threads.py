"""The job in Python: threads share a pool.

    job_threads.py TARGET WORKERS CONNECTIONS SECONDS DIALS

Each worker sends 64 bytes and reads them back, again and again: first over a pool,
for SECONDS, then over a connection dialed for each request, DIALS of them. Prints one
line of JSON, which table.py turns into a row.
"""
import dataclasses
import json
import math
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from netconnpool import Pool, PoolError


def ask(sock, text):
    """Whether what was sent comes back."""
    sock.sendall(text)
    reply = b""
    while len(reply) < len(text):
        piece = sock.recv(len(text) - len(reply))
        if not piece:
            raise ConnectionResetError("the server has hung up")
        reply += piece
    return reply == text


def run(workers, request, seconds=math.inf, count=math.inf):
    """Lets workers call request(text) for a time, or each so often."""
    begin = time.monotonic()

    def work(number):
        good = failed = 0
        while good + failed < count and time.monotonic() < begin + seconds:
            try:
                fine = request(b"%-32d%32d" % (number, good))
            except (OSError, PoolError) as error:
                print(f"worker {number}: {error}", file=sys.stderr)
                fine = False
            good += fine
            failed += not fine
        return good, failed

    with ThreadPoolExecutor(workers) as threads:
        results = list(threads.map(work, range(workers)))
    return {"seconds": time.monotonic() - begin,
            "requests": sum(good for good, _ in results),
            "failed": sum(failed for _, failed in results)}


def main(target, workers, connections, seconds, dials):
    pool = Pool(target, max_connections=int(connections), min_connections=0,
                latency_samples=10000)

    def pooled(text):
        with pool.connection() as conn:
            return ask(conn, text)

    host, port = target.removeprefix("tcp://").split(":")

    def dialing(text):
        with socket.create_connection((host, int(port))) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return ask(sock, text)

    result = run(int(workers), pooled, seconds=float(seconds))
    pool.drain()
    stats = pool.stats()
    print(json.dumps({
        "language": "Python", "workers": "threads",
        "pool": {**result, "counters": dataclasses.asdict(stats),
                 "p50_us": stats.p50_get_time * 1e6,
                 "p99_us": stats.p99_get_time * 1e6},
        "dialing": run(int(workers), dialing,
                       count=int(dials) // int(workers))}))


if __name__ == "__main__":
    main(*sys.argv[1:])
