"""Measures a borrow and a return, beside the pools that Python has today.

    python bench.py [--quick] [--json FILE] [--rounds N]

All pools lend the same trivial objects. Rounds are interleaved: every pool takes
its turn in each, so that what else the machine does hits them alike. A pool that
is not installed is shown as missing.
"""
import argparse
import functools
import gc
import json
import os
import platform
import queue
import statistics
import sys
import threading
import time

SIZE = 4  # connections of every pool
THREADS = 4


class Fake:
    """A connection that costs nothing."""

    closed = False

    def close(self):
        self.closed = True


# ------------------------------------------------------------------- contenders
# Each returns (borrow, give_back) for single calls, and a context manager factory
# where the pool has one.


def netconnpool():
    import netconnpool
    pool = netconnpool.Pool(Fake, max_connections=SIZE, min_connections=0,
                            health_check=False)
    return pool.getconn, pool.putconn, pool.connection


def lifo_queue():
    """queue.LifoQueue: what many programs write themselves."""
    pool = queue.LifoQueue()
    for _ in range(SIZE):
        pool.put(Fake())
    return pool.get, pool.put, None


def sqlalchemy():
    from sqlalchemy.pool import QueuePool

    class Connection(Fake):
        def rollback(self):
            pass

        def commit(self):
            pass

        def cursor(self):
            return self

    pool = QueuePool(Connection, pool_size=SIZE, max_overflow=0,
                     reset_on_return=None)

    class Block:
        def __enter__(self):
            self.conn = pool.connect()

        def __exit__(self, *error):
            self.conn.close()

    return pool.connect, lambda conn: conn.close(), Block


def redis():
    from redis.connection import ConnectionPool

    class Connection(Fake):
        pid = os.getpid()

        def __init__(self, **given):
            pass

        def connect(self):
            pass

        def disconnect(self, *args):
            pass

        def can_read(self, timeout=0):
            return False

        def should_reconnect(self):
            return False

        def reset_should_reconnect(self):
            pass

        def set_re_auth_token(self, *args):
            pass

        def re_auth(self, *args):
            pass

    pool = ConnectionPool(connection_class=Connection, max_connections=SIZE)
    borrow = pool.get_connection
    try:
        pool.release(borrow())
    except TypeError:  # before version 5 it wants to know what for
        borrow = functools.partial(pool.get_connection, "PING")
    return borrow, pool.release, None


def psycopg_pool():
    import psycopg_pool
    from psycopg.pq import TransactionStatus

    class Connection(Fake):
        class pgconn:  # noqa: N801
            transaction_status = TransactionStatus.IDLE

        info = pgconn

        @classmethod
        def connect(cls, *args, **options):
            return cls()

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

    pool = psycopg_pool.ConnectionPool(
        "", connection_class=Connection, min_size=SIZE, max_size=SIZE, open=True)
    pool.wait(10)
    return pool.getconn, pool.putconn, pool.connection


def urllib3():
    from urllib3.connectionpool import HTTPConnectionPool

    class Connection(Fake):
        is_connected = True
        proxy_is_verified = None

        def __init__(self, **given):
            pass

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    pool = Pool("localhost", maxsize=SIZE, block=True)
    return pool._get_conn, pool._put_conn, None


CONTENDERS = {
    "netconnpool": netconnpool,
    "queue.LifoQueue": lifo_queue,
    "urllib3": urllib3,
    "redis": redis,
    "psycopg_pool": psycopg_pool,
    "sqlalchemy QueuePool": sqlalchemy,
}

# ------------------------------------------------------------------ measurements


def calls(borrow, give_back, block, turns):
    for _ in range(turns):
        give_back(borrow())


def blocks(borrow, give_back, block, turns):
    if block is None:
        return False
    for _ in range(turns):
        with block():
            pass
    return True


def threads(borrow, give_back, block, turns):
    """Each thread does its share; the time is that of all."""
    barrier = threading.Barrier(THREADS)

    def work():
        barrier.wait()
        calls(borrow, give_back, block, turns // THREADS)

    workers = [threading.Thread(target=work) for _ in range(THREADS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


MEASUREMENTS = {
    "get + put": calls,
    "with block": blocks,
    f"get + put, {THREADS} threads": threads,
}


def timed(measure, contender, turns):
    """Nanoseconds a turn; None when it does not have this way."""
    gc.collect()
    begin = time.perf_counter_ns()
    done = measure(*contender, turns)
    took = time.perf_counter_ns() - begin
    return None if done is False else took / turns


def contenders():
    found, missing = {}, {}
    for name, make in CONTENDERS.items():
        try:
            found[name] = make()
        except ImportError as error:
            missing[name] = str(error)
    return found, missing


def measured(found, rounds, turns):
    figures = {}
    for _ in range(rounds):
        for title, measure in MEASUREMENTS.items():
            for name, contender in found.items():
                value = timed(measure, contender, turns)
                if value is not None:
                    figures.setdefault((title, name), []).append(value)
    return figures


def table(figures, missing):
    for title in MEASUREMENTS:
        ours = statistics.median(figures[title, "netconnpool"])
        print(f"\n{title:28}{'median ns':>10}{'min':>9}{'max':>9}{'ratio':>8}")
        for name in CONTENDERS:
            values = figures.get((title, name))
            if name in missing:
                print(f"  {name:26}{'MISSING':>10}  {missing[name]}")
            elif values is None:
                print(f"  {name:26}{'has none':>10}")
            else:
                middle = statistics.median(values)
                print(f"  {name:26}{middle:10.0f}{min(values):9.0f}"
                      f"{max(values):9.0f}{middle / ours:7.1f}x")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    rounds = arguments.rounds or (3 if arguments.quick else 11)
    turns = 400 if arguments.quick else 20_000
    found, missing = contenders()
    print(f"Python {platform.python_version()}, {rounds} rounds of {turns} turns, "
          f"{SIZE} connections")
    figures = measured(found, rounds, turns)
    table(figures, missing)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"missing": missing, "figures": [
                {"name": f"{title}: {name}", "unit": "ns",
                 "median": statistics.median(values), "min": min(values),
                 "max": max(values)}
                for (title, name), values in figures.items()]}, file, indent=1)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
