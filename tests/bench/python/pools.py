"""The pools of Python that are compared, all of which lend the same trivial objects.

SIZE connections unless an Opening says otherwise. Those for event loops are in aio.py.
"""
import dataclasses
import functools
import os
import queue
import threading
import time
from collections.abc import Callable

SIZE = 4  # connections of every pool


class Ledger:
    """Counts what was opened and lent, whatever the pool itself says."""

    def __init__(self):
        self._lock = threading.Lock()
        self.opened = self.lent = self.peak = self.lent_twice = 0

    def count_opened(self):
        with self._lock:
            self.opened += 1

    def begin(self, conn):
        """From here to end() nobody else may have this connection."""
        with self._lock:
            self.lent_twice += conn.held
            conn.held = True
            self.lent += 1
            self.peak = max(self.peak, self.lent)

    def end(self, conn):
        with self._lock:
            self.lent -= 1
            conn.held = False


class Fake:
    """A connection that costs nothing."""

    closed = False
    held = False

    def close(self):
        self.closed = True


@dataclasses.dataclass
class Opening:
    """How a pool is to be opened."""

    size: int = SIZE
    idle: int = 0  # connections that it keeps idle, where it can be told to
    dial: float = 0  # seconds
    waits: bool = False  # more callers than connections
    ledger: Ledger = dataclasses.field(default_factory=Ledger)

    def dialed(self, conn):
        """What making a connection costs."""
        if self.dial:
            time.sleep(self.dial)
        self.ledger.count_opened()
        return conn


@dataclasses.dataclass
class Contender:
    """A pool at work, by single calls, and by a `with` block where it has one."""

    borrow: Callable
    give_back: Callable
    block: Callable | None = None
    raw: Callable = staticmethod(lambda lent: lent)  # the object behind what is lent
    close: Callable = staticmethod(lambda: None)


def netconnpool(opening):
    import netconnpool as ours
    pool = ours.Pool(
        lambda: opening.dialed(Fake()), max_connections=opening.size,
        min_connections=opening.idle, prewarm_blocking=True, health_check=False)
    return Contender(pool.getconn, pool.putconn, pool.connection,
                     raw=lambda lent: lent.raw, close=pool.close)


def lifo_queue(opening):
    """queue.LifoQueue: what many programs write themselves."""
    pool = queue.LifoQueue()
    for _ in range(opening.size):
        pool.put(opening.dialed(Fake()))
    return Contender(pool.get, pool.put)


def sqlalchemy(opening):
    from sqlalchemy.pool import QueuePool

    class Connection(Fake):
        def rollback(self):
            pass

        def commit(self):
            pass

        def cursor(self):
            return self

    pool = QueuePool(lambda: opening.dialed(Connection()), pool_size=opening.size,
                     max_overflow=0, reset_on_return=None)

    class Block:
        def __enter__(self):
            self.conn = pool.connect()

        def __exit__(self, *error):
            self.conn.close()

    return Contender(pool.connect, lambda conn: conn.close(), Block,
                     raw=lambda lent: lent.dbapi_connection, close=pool.dispose)


def redis(opening):
    from redis.connection import BlockingConnectionPool, ConnectionPool

    class Connection(Fake):
        pid = os.getpid()

        def __init__(self, **given):
            opening.dialed(self)

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

    # Only the blocking one waits; the other is the default.
    kind = BlockingConnectionPool if opening.waits else ConnectionPool
    pool = kind(connection_class=Connection, max_connections=opening.size)
    borrow = pool.get_connection
    try:
        pool.release(borrow())
    except TypeError:  # before version 5 it wants to know what for
        borrow = functools.partial(pool.get_connection, "PING")
    return Contender(borrow, pool.release)


def psycopg_pool(opening):
    import psycopg_pool
    from psycopg.pq import TransactionStatus

    class Connection(Fake):
        class pgconn:  # noqa: N801
            transaction_status = TransactionStatus.IDLE

        info = pgconn

        @classmethod
        def connect(cls, *args, **options):
            return opening.dialed(cls())

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

    pool = psycopg_pool.ConnectionPool(
        "", connection_class=Connection, min_size=opening.idle or opening.size,
        max_size=opening.size, open=True)
    pool.wait(10)
    return Contender(pool.getconn, pool.putconn, pool.connection, close=pool.close)


def urllib3(opening):
    from urllib3.connectionpool import HTTPConnectionPool

    class Connection(Fake):
        is_connected = True
        proxy_is_verified = None

        def __init__(self, **given):
            opening.dialed(self)

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    pool = Pool("localhost", maxsize=opening.size, block=True)
    return Contender(pool._get_conn, pool._put_conn)


#: By the names in the table of bench.py.
CONTENDERS = {
    "netconnpool": netconnpool,
    "queue.LifoQueue": lifo_queue,
    "urllib3": urllib3,
    "redis": redis,
    "psycopg_pool": psycopg_pool,
    "sqlalchemy QueuePool": sqlalchemy,
}
