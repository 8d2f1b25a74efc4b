"""What the tests of the Python package share."""
import gc
import os
import socket
import sys
import threading
import time

import pytest

HOSTILE = bool(os.environ.get("NCP_PY_HOSTILE"))
LONG = 30.0  # seconds: "for ever", in a test that works


def pytest_configure(config):
    config.addinivalue_line("filterwarnings", "error")
    if HOSTILE:
        gc.set_threshold(1)
        sys.setswitchinterval(1e-6)


class Echo:
    """A server that sends back what it gets, each connection on a thread."""

    def __init__(self, family=socket.AF_INET, address=("127.0.0.1", 0)):
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        self._listener.bind(address)
        self._listener.listen(128)
        self.connections = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def address(self):
        return self._listener.getsockname()

    @property
    def target(self):
        if self._listener.family == socket.AF_UNIX:
            return f"unix:{self.address}"
        host, port = self.address[:2]
        return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"

    def _accept(self):
        while True:
            try:
                conn, _ = self._listener.accept()
            except OSError:
                return
            self.connections.append(conn)
            thread = threading.Thread(target=self._serve, args=(conn,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, conn):
        try:
            while data := conn.recv(65536):
                conn.sendall(data)
        except OSError:
            pass

    def hang_up(self):
        """Ends every connection."""
        for conn in self.connections:
            try:
                conn.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(LONG)
        for conn in self.connections:
            conn.close()


@pytest.fixture
def echo():
    server = Echo()
    yield server
    server.close()


class Pairs:
    """A dialer that makes pairs of sockets and keeps the far ends."""

    def __init__(self):
        self.near, self.far = [], []

    def __call__(self):
        near, far = socket.socketpair()
        self.near.append(near)
        self.far.append(far)
        return near

    @property
    def dials(self):
        return len(self.near)

    def close(self):
        for end in self.far:
            end.close()


@pytest.fixture
def pairs():
    dialer = Pairs()
    yield dialer
    dialer.close()


class Things:
    """A dialer that makes plain objects."""

    class Thing:
        def __init__(self, number):
            self.number = number
            self.closed = 0

        def close(self):
            self.closed += 1

    def __init__(self):
        self.made = []

    def __call__(self):
        thing = self.Thing(len(self.made))
        self.made.append(thing)
        return thing

    @property
    def alive(self):
        return [thing for thing in self.made if not thing.closed]


@pytest.fixture
def things():
    """At the end everything that was made has been closed exactly once."""
    dialer = Things()
    yield dialer
    until(lambda: not dialer.alive)
    assert [thing.closed for thing in dialer.made] == [1] * len(dialer.made)


@pytest.fixture
def make(pairs, things):
    """Makes pools, and looks at the end whether their books are right. What dials
    for them lives longer."""
    from netconnpool import Pool
    pools = []

    def pool(*given, **options):
        options.setdefault("min_connections", 0)
        pools.append(Pool(*given, **options))
        return pools[-1]

    yield pool
    for each in pools:
        each.close()
    for each in pools:
        until(lambda each=each: settled(each), f"{each.describe()}")


def settled(pool):
    stats = pool.stats()
    return (stats.created == stats.closed and stats.current == 0
            and stats.active == 0 and stats.idle == 0 and pool.dialing_count == 0)


def until(condition, text="it did not come true", limit=LONG):
    """Waits for something that another thread does."""
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, text
        time.sleep(0.001)


def start(function, *arguments):
    """Runs a function on a thread; join() returns what it returned, or raises
    what it raised."""
    return Worker(function, arguments)


class Worker:
    def __init__(self, function, arguments):
        self._result = self._error = None
        self._thread = threading.Thread(
            target=self._run, args=(function, arguments), daemon=True)
        self._thread.start()

    def _run(self, function, arguments):
        try:
            self._result = function(*arguments)
        except BaseException as error:
            self._error = error

    @property
    def is_alive(self):
        return self._thread.is_alive()

    def join(self):
        self._thread.join(LONG)
        assert not self._thread.is_alive(), "the thread hangs"
        if self._error is not None:
            raise self._error
        return self._result
