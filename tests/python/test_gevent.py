"""The pool for greenlets. Each test is a program of its own: what gevent patches
stays patched."""
import os
import subprocess
import sys
import textwrap

import pytest
from conftest import LONG

pytest.importorskip("gevent")

BEGIN = """
    import gc, os, socket, sys, weakref
    import warnings; warnings.simplefilter("error")
    import gevent, gevent.event
    from gevent import monkey
    PATCH = {patch}
    if PATCH:
        monkey.patch_all()
    if os.environ.get("NCP_PY_HOSTILE"):
        gc.set_threshold(1)
    import netconnpool
    import netconnpool.gevent
    from netconnpool import ManualClock
    Pool = netconnpool.Pool if PATCH else netconnpool.gevent.Pool

    class Thing:
        closed = 0
        def close(self):
            gevent.sleep(0)
            self.closed += 1

    class Things:
        def __init__(self, delay=0):
            self.made, self.delay, self.failure, self.begun = [], delay, None, 0
        def __call__(self):
            self.begun += 1
            gevent.sleep(self.delay)
            if self.failure is not None:
                raise self.failure
            self.made.append(Thing())
            return self.made[-1]

    def turns(count=5):
        for _ in range(count):
            gevent.sleep(0)

    def quiet(**options):
        return {{"min_connections": 0, "health_check": False, **options}}

    def intact(pool):
        return (pool.active_count, pool.waiting_count,
                pool.stats().in_flight) == (0, 0, 0)

    class raises:
        def __init__(self, kind):
            self.kind = kind
        def __enter__(self):
            return self
        def __exit__(self, kind, error, trace):
            assert kind is not None and issubclass(kind, self.kind), (kind, error)
            self.error = error
            return True
"""


def run(body, patch=False):
    program = textwrap.dedent(BEGIN.format(patch=patch)) + textwrap.dedent(body)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True,
                          text=True, timeout=LONG, check=False, env=dict(os.environ))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr


both = pytest.mark.parametrize("patch", [False, True], ids=["plain", "patched"])


def test_a_pool_is_one_of_greenlets_once_threads_are_patched():
    run("""
        pool = netconnpool.Pool(Things(), **quiet())
        assert type(pool) is netconnpool.gevent.Pool
        pool.close()
    """, patch=True)
    run("""
        pool = netconnpool.Pool(object, **quiet())
        assert type(pool) is netconnpool.Pool
        pool.close()
    """)


@both
def test_waiting_does_not_stop_the_hub(patch):
    run("""
        pool, ticks = Pool(Things(), **quiet(max_connections=2)), []

        def tick():
            while True:
                ticks.append(1)
                gevent.sleep(0.002)

        def use(index):
            with pool.connection(timeout=5) as conn:
                gevent.sleep(0.01)
                return index

        ticking = gevent.spawn(tick)
        users = [gevent.spawn(use, index) for index in range(10)]
        gevent.joinall(users)
        assert [user.value for user in users] == list(range(10))
        assert len(ticks) > 5 and pool.stats().created == 2
        ticking.kill()
        pool.close()
        turns()
        assert intact(pool)
        assert not hasattr(netconnpool.gevent._here, "machine")
    """, patch)


@both
def test_a_target_is_dialed_beside_the_hub(patch):
    run("""
        from gevent.server import StreamServer

        def echo(sock, address):
            while data := sock.recv(100):
                sock.sendall(data)

        server = StreamServer(("127.0.0.1", 0), echo)
        server.start()
        pool = Pool(f"tcp://127.0.0.1:{server.server_port}", **quiet())
        with pool.tcp() as conn:
            assert isinstance(conn.raw, gevent.socket.socket)
            conn.sendall(b"over the wire")
            assert conn.recv(100) == b"over the wire"
        pool.close()
        server.stop()
        refused = Pool(f"tcp://127.0.0.1:{server.server_port or 1}", **quiet())
        with raises(netconnpool.ConnectFailed) as caught:
            refused.getconn()
        assert isinstance(caught.error.__cause__, OSError), caught.error.__cause__
        refused.close()
    """, patch)


@both
def test_a_greenlet_that_is_called_away_loses_nothing(patch):
    run("""
        def wait(conn):
            turns(2)

        things = Things()
        pool = Pool(things, on_created=wait, on_borrow=wait, on_return=wait,
                    check_on_borrow=True, check=lambda conn: turns(1) is None,
                    **quiet(max_connections=2))

        def use():
            pool.putconn(pool.getconn())

        for moment in range(14):
            users = [gevent.spawn(use) for _ in range(5)]
            turns(moment)
            for user in users[::2]:
                user.kill(block=False)
            gevent.joinall(users)
            turns(30)
            assert intact(pool), pool.describe()
            with pool.connection(), pool.connection():
                pass
        one, two = pool.getconn(), pool.getconn()
        with gevent.Timeout(0.01, False):
            pool.getconn()
        with raises(netconnpool.PoolTimeout):
            pool.getconn(0.01)
        pool.putconn(one)
        pool.putconn(two)
        assert intact(pool)
        pool.close()
        turns(30)
        assert all(thing.closed == 1 for thing in things.made)
    """, patch)


def test_errors_come_back_as_the_same_objects():
    run("""
        things = Things()
        things.failure = OSError(4711, "no route to the moon")
        pool = Pool(things, **quiet())
        with raises(netconnpool.ConnectFailed) as caught:
            pool.getconn()
        assert caught.error.__cause__ is things.failure
        things.failure = None

        def refuse(conn):
            raise LookupError("not this one")

        other = Pool(things, on_return=refuse, **quiet())
        conn = other.getconn()
        with raises(netconnpool.HookFailed) as caught:
            other.putconn(conn)
        assert isinstance(caught.error.__cause__, LookupError)
        with raises(netconnpool.InvalidConnection):
            other.putconn(conn)
        pool.close()
        other.close()
    """)


def test_a_dial_that_takes_too_long_is_ended():
    run("""
        pool = Pool(Things(delay=60), **quiet(connection_timeout=0.05))
        with raises(netconnpool.ConnectFailed):
            pool.getconn()
        gevent.sleep(0.05)
        assert pool.dialing_count == 0
        pool.close()
    """)


def test_a_server_accepts_in_greenlets():
    run("""
        def catch():
            try:
                return pool.getconn()
            except netconnpool.PoolError as error:
                return error

        with socket.create_server(("127.0.0.1", 0)) as listener:
            pool = Pool(listener=listener, **quiet())
            gets = [gevent.spawn(catch) for _ in range(3)]
            turns()
            clients = [socket.create_connection(listener.getsockname()) for _ in gets]
            gevent.joinall(gets)
            assert len({get.value.raw.fileno() for get in gets}) == 3
            waiting = gevent.spawn(catch)
            turns()
            pool.close()
            waiting.join()
            assert isinstance(waiting.value, netconnpool.PoolClosed)
            for get, client in zip(gets, clients):
                pool.putconn(get.value)
                client.close()
            turns()
    """)


def test_with_a_manual_clock_nothing_passes_but_by_advance():
    run("""
        clock = ManualClock()
        pool = Pool(Things(), clock=clock, **quiet(max_connections=1))
        held = pool.getconn()

        def get():
            try:
                return pool.getconn(3.0)
            except netconnpool.PoolTimeout as error:
                return error

        waiting = gevent.spawn(get)
        gevent.sleep(0.02)
        assert not waiting.ready()
        clock.advance(3.1)
        waiting.join(5)
        assert isinstance(waiting.value, netconnpool.PoolTimeout)
        pool.putconn(held)
        pool.close()
    """)


def test_the_greenlets_of_another_thread_are_refused():
    run("""
        pool = Pool(Things(), **quiet())

        def elsewhere():
            try:
                pool.getconn()
            except netconnpool.NotPossible as error:
                return str(error)

        said = gevent.get_hub().threadpool.apply(elsewhere)
        assert "another thread" in said, said
        pool.close()
    """)
