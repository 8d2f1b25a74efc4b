"""Many threads on few connections."""
import gc
import random
import threading

import pytest
from conftest import HOSTILE, LONG, settled, start, until

import netconnpool
from netconnpool import Pool

TURNS = 60 if HOSTILE else 400


class Owned:
    """An object that notices when two threads use it."""

    def __init__(self):
        self.owner = None
        self.closed = 0

    def use(self, check=3):
        me = threading.get_ident()
        assert self.owner is None, "lent twice"
        assert not self.closed, "lent after it was closed"
        self.owner = me
        for _ in range(check):
            assert self.owner == me, "lent twice"
        self.owner = None

    def close(self):
        assert self.owner is None, "closed under its borrower"
        self.closed += 1


@pytest.fixture
def owned():
    made = []

    def dial():
        made.append(Owned())
        return made[-1]

    dial.made = made
    return dial


def test_a_connection_has_one_owner_at_a_time(owned):
    def work(seed):
        dice = random.Random(seed)
        for _ in range(TURNS):
            with pool.connection(timeout=LONG) as conn:
                conn.use()
                if dice.random() < 0.05:
                    pool.putconn(conn, discard=True)

    with Pool(owned, max_connections=3, min_connections=0) as pool:
        for worker in [start(work, seed) for seed in range(8)]:
            worker.join()
        assert pool.stats().successful == 8 * TURNS
    until(lambda: settled(pool))
    assert all(each.closed == 1 for each in owned.made)


def test_those_who_wait_are_served_in_order(make, things):
    order = []

    def work(index):
        with pool.connection(timeout=LONG):
            order.append(index)

    pool = make(things, max_connections=1)
    with pool.connection():
        workers = []
        for index in range(8):
            workers.append(start(work, index))
            until(lambda index=index: pool.waiting_count == index + 1)
    for worker in workers:
        worker.join()
    assert order == list(range(8))


def test_a_return_on_one_thread_wakes_a_borrower_on_another(make, things):
    def work():
        for _ in range(TURNS):
            with pool.connection(timeout=LONG):
                pass

    pool = make(things, max_connections=1)
    workers = [start(work) for _ in range(4)]
    for worker in workers:
        worker.join()
    assert pool.stats().timeout == 0
    assert len(things.made) == 1


def test_everything_at_once_keeps_the_books(owned):
    """Gets, timeouts, discards, detaches, losses, flushes, resizes and a close."""
    stop = threading.Event()

    def work(seed):
        dice = random.Random(seed)
        while not stop.is_set():
            try:
                conn = pool.getconn(timeout=dice.choice([0, 0.001, 0.01, LONG]))
            except netconnpool.PoolError:
                if pool.is_closed:
                    return
                continue
            conn.use()
            way = dice.random()
            if way < 0.7:
                pool.putconn(conn)
            elif way < 0.8:
                pool.putconn(conn, discard=True)
            elif way < 0.85:
                pool.detach(conn).close()
            elif way < 0.9:
                conn.close()
            else:
                lost[0] += 1
                with lock:
                    del conn  # nobody gives it back

    def disturb():
        dice = random.Random(0)
        for _ in range(TURNS // 4):
            dice.choice([pool.flush, pool.stats, pool.describe, pool.leases,
                         lambda: pool.resize(dice.randint(1, 6)), gc.collect])()

    lock, lost = threading.Lock(), [0]
    pool = Pool(owned, max_connections=4, min_connections=0)
    with pytest.warns(ResourceWarning):
        workers = [start(work, seed) for seed in range(6)]
        start(disturb).join()
        until(lambda: lost[0] > 3)
        pool.close()
        stop.set()
        for worker in workers:
            worker.join()
        gc.collect()
    until(lambda: settled(pool), pool.describe())
    stats = pool.stats()
    assert stats.total == (stats.successful + stats.failed + stats.timeout
                           + stats.in_flight)
    assert all(each.closed == 1 for each in owned.made)


def test_snapshots_add_up_while_threads_work(make, things):
    stop = threading.Event()

    def work():
        while not stop.is_set():
            with pool.connection(timeout=LONG):
                pass

    pool = make(things, max_connections=2)
    workers = [start(work) for _ in range(3)]
    for _ in range(TURNS):
        stats = pool.stats()
        assert stats.created - stats.closed == stats.current
        assert stats.idle + stats.active == stats.current
        assert stats.total == (stats.successful + stats.failed + stats.timeout
                               + stats.in_flight)
    stop.set()
    for worker in workers:
        worker.join()


def test_pools_come_and_go_while_others_work(things):
    stop = threading.Event()

    def work():
        while not stop.is_set():
            with steady.connection(timeout=LONG):
                pass

    with Pool(things, max_connections=1, min_connections=0) as steady:
        worker = start(work)
        for _ in range(TURNS // 4):
            with Pool(object, min_connections=1) as pool:
                with pool.connection():
                    pass
        stop.set()
        worker.join()


def test_a_thread_may_end_with_a_connection_in_its_hands(make, things):
    def work():
        local = threading.local()
        local.conn = pool.getconn()

    pool = make(things, max_connections=1)
    with pytest.warns(ResourceWarning):
        start(work).join()
        until(lambda: gc.collect() is not None and pool.active_count == 0)
    with pool.connection(timeout=LONG):
        pass
