"""A forked child has an empty pool; the parent's connections do not notice."""
import multiprocessing
import os
import signal
import socket
import threading

import pytest
from conftest import LONG, start, until

import netconnpool
from netconnpool import Pool


def in_child(function):
    """Runs a function in a forked child, and fails with what it raised."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(int(LONG))
        try:
            function()
            text = b""
        except BaseException as error:
            text = repr(error).encode()
        os.write(writer, text)
        os._exit(1 if text else 0)
    os.close(writer)
    _, status = os.waitpid(pid, 0)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    assert status == 0, f"{status} {text}"


def ask(conn, text):
    conn.sendall(text)
    assert conn.recv(100) == text


def test_the_pool_of_a_child_is_empty_and_works(make, echo):
    pool = make(echo.target, max_connections=2)
    with pool.connection() as conn:
        ask(conn, b"parent")

    def child():
        assert (pool.active_count, pool.idle_count) == (0, 0)
        with pool.connection() as one, pool.connection(timeout=LONG) as two:
            ask(one, b"one")
            ask(two, b"two")
        pool.close()

    in_child(child)
    assert pool.idle_count == 1
    with pool.connection() as conn:
        assert conn.reuse_count == 1
        ask(conn, b"still here")
    until(lambda: len(echo.connections) == 3)


def test_what_is_lent_stays_the_parents(make, echo):
    pool = make(echo.target)
    with pool.connection() as conn:
        raw = conn.raw

        def child():
            assert raw.fileno() == -1
            pool.putconn(conn)  # forgotten there, and no error

        in_child(child)
        ask(conn, b"after the fork")
    assert pool.idle_count == 1


def test_a_child_that_ends_says_nothing_to_the_peers(make, echo):
    """Neither when it is done with the pool nor when its garbage is collected."""
    said = []

    class Polite:
        def __init__(self):
            self.sock = socket.create_connection(echo.address)

        def close(self):
            self.sock.sendall(b"QUIT")
            self.sock.close()

        def __del__(self):
            if self.sock.fileno() >= 0:
                said.append("QUIT")
                self.sock.sendall(b"QUIT")

    pool = make(Polite, on_close=lambda raw: said.append("on_close"))
    held = pool.getconn()
    pool.putconn(pool.getconn())

    def child():
        import gc
        nonlocal held
        held = None
        gc.collect()
        pool.close()
        gc.collect()
        assert not said

    in_child(child)
    held.sock.settimeout(LONG)
    ask(held.sock, b"hello")  # and no QUIT before it
    pool.putconn(held)


def test_a_number_that_was_freed_is_not_closed_again_in_the_child(make, echo):
    pool = make(echo.target)
    conn = pool.getconn()

    def child():
        pair = socket.socketpair()  # takes the numbers that have become free
        nonlocal conn
        raw = conn.raw
        conn = None
        raw.close()
        del raw
        import gc
        gc.collect()
        pair[0].sendall(b"x")
        assert pair[1].recv(1) == b"x"

    in_child(child)
    pool.putconn(conn)


def test_forks_beside_working_threads_do_not_hang(make, echo):
    stop = threading.Event()

    def work():
        while not stop.is_set():
            with pool.connection(timeout=LONG) as conn:
                ask(conn, b"work")

    def child():
        with pool.connection(timeout=LONG) as conn:
            ask(conn, b"child")
        pool.close()

    pool = make(echo.target, max_connections=2)
    workers = [start(work) for _ in range(4)]
    for _ in range(20):
        in_child(child)
    stop.set()
    for worker in workers:
        worker.join()
    assert pool.stats().timeout == 0


def test_a_child_forked_while_others_wait_can_wait_itself(make, echo):
    pool = make(echo.target, max_connections=1)
    conn = pool.getconn()
    waiter = start(pool.getconn, LONG)
    until(lambda: pool.waiting_count == 1)

    def child():
        assert pool.waiting_count == 0
        mine = pool.getconn(timeout=LONG)
        with pytest.raises(netconnpool.PoolTimeout):
            pool.getconn(timeout=0.05)
        pool.putconn(mine)

    in_child(child)
    pool.putconn(conn)
    pool.putconn(waiter.join())


def test_a_fork_on_another_thread_makes_it_the_main_thread(make, echo):
    pool = make(echo.target, max_connections=1)

    def child():
        previous = signal.signal(signal.SIGUSR1, lambda *_: 1 / 0)
        held = pool.getconn()
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        with pytest.raises(ZeroDivisionError):
            pool.getconn(timeout=LONG)
        pool.putconn(held)
        signal.signal(signal.SIGUSR1, previous)

    start(in_child, child).join()


def _served(target):
    """What a worker of multiprocessing does."""
    with Pool(target, min_connections=1) as pool:
        with pool.connection() as conn:
            ask(conn, b"own pool")
    if _INHERITED:
        with _INHERITED[0].connection() as conn:
            ask(conn, b"inherited pool")
    return os.getpid()


_INHERITED = []


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_works(make, echo, method):
    pool = make(echo.target)
    pool.putconn(pool.getconn())
    _INHERITED[:] = [pool] if method == "fork" else []
    with multiprocessing.get_context(method).Pool(2) as processes:
        found = processes.map_async(_served, [echo.target] * 6).get(4 * LONG)
        processes.close()
        processes.join()
    _INHERITED.clear()
    assert os.getpid() not in found
    with pool.connection() as conn:
        ask(conn, b"parent")


def test_prefork_workers_each_have_their_own_connections(make, echo):
    """As servers do that load the program once and then fork."""
    pool = make(echo.target, min_connections=2, max_connections=4)
    pool.prewarm_wait(LONG)
    readers = []
    for number in range(3):
        reader, writer = os.pipe()
        if os.fork() == 0:
            signal.alarm(int(LONG))
            try:
                for turn in range(50):
                    with pool.connection(timeout=LONG) as conn:
                        ask(conn, b"%d:%d" % (number, turn))
                os.write(writer, b"fine")
            finally:
                os._exit(0)
        os.close(writer)
        readers.append(reader)
    for reader in readers:
        assert os.read(reader, 10) == b"fine"
        os.close(reader)
    for _ in readers:
        os.wait()
    with pool.connection() as conn:
        ask(conn, b"parent")
    assert pool.idle_count == 2
