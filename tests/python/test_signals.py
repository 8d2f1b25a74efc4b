"""Ctrl-C and other signals, while the main thread waits."""
import gc
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from conftest import LONG, start, until

import netconnpool
from netconnpool import Pool

NOTICED = 5.0  # seconds; it takes 0.05, but the machine may be busy


class Raised(Exception):
    pass


@pytest.fixture
def alarm():
    """alarm(handler) sends a signal to this process after a moment, and tells
    with `sent` when."""
    previous = signal.getsignal(signal.SIGUSR1)

    def send(handler, delay=0.1):
        signal.signal(signal.SIGUSR1, handler)

        def kill():
            send.sent = time.monotonic()
            os.kill(os.getpid(), signal.SIGUSR1)

        timer = threading.Timer(delay, kill)
        timer.start()
        timers.append(timer)

    timers = []
    yield send
    for timer in timers:
        timer.join()
    signal.signal(signal.SIGUSR1, previous)


def throw(*_):
    raise Raised


def test_a_handler_that_throws_ends_a_waiting_get(make, things, alarm):
    pool = make(things, max_connections=1)
    with pool.connection():
        alarm(throw)
        with pytest.raises(Raised):
            pool.getconn(timeout=LONG)
        assert time.monotonic() - alarm.sent < NOTICED
        assert pool.waiting_count == 0
    with pool.connection(timeout=LONG):
        pass
    assert pool.stats().canceled == 1


def test_a_handler_that_does_not_throw_keeps_the_place_in_line(make, things, alarm):
    ran = threading.Event()
    pool = make(things, max_connections=1)
    conn = pool.getconn()
    alarm(lambda *_: ran.set())

    def give():
        assert ran.wait(LONG)
        other = start(pool.getconn, LONG)  # comes later, and is served later
        until(lambda: pool.waiting_count == 2)
        pool.putconn(conn)
        return other

    giver = start(give)
    mine = pool.getconn(timeout=LONG)
    other = giver.join()
    assert other.is_alive
    pool.putconn(mine)
    pool.putconn(other.join())


def test_the_wait_for_the_end_of_a_pool_is_interrupted(make, things, alarm):
    pool = make(things)
    conn = pool.getconn()
    alarm(throw)
    with pytest.raises(Raised):
        pool.close_wait()
    pool.putconn(conn)


def test_a_hanging_dial_is_interrupted(make, things, alarm):
    gate = threading.Event()

    def dial():
        gate.wait(LONG)
        return things()

    pool = make(dial)
    alarm(throw)
    with pytest.raises(Raised):
        pool.getconn(timeout=LONG)
    gate.set()
    until(lambda: pool.idle_count == 1)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_signals_at_every_moment_lose_no_connection(make):
    """A handler that throws wherever the main thread is. What it has borrowed at
    that moment is given back, or collected as garbage and closed."""
    armed, dice = [False], random.Random(1)

    def strike(*_):
        if armed[0]:
            armed[0] = False
            raise Raised

    pool = make(object, max_connections=2)
    previous = signal.signal(signal.SIGALRM, strike)
    caught, end = 0, time.monotonic() + 2
    while time.monotonic() < end:
        try:
            armed[0] = True
            signal.setitimer(signal.ITIMER_REAL, dice.uniform(1e-5, 2e-4))
            for _ in range(100):
                with pool.connection(timeout=LONG) as conn:
                    conn.raw  # noqa: B018
            armed[0] = False
        except Raised:
            caught += 1
    armed[0] = False
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, previous)
    del conn
    gc.collect()
    assert caught > 100
    assert pool.active_count == 0
    first, second = pool.getconn(timeout=LONG), pool.getconn(timeout=LONG)
    pool.putconn(first)
    pool.putconn(second)


CTRL_C = """
import sys, threading
from netconnpool import Pool

pool = Pool(object, max_connections=1, min_connections=0)
conn = pool.getconn()
print("waiting", flush=True)
{wait}
"""


@pytest.mark.parametrize("wait", [
    "pool.getconn(timeout=-1)", "pool.connection(timeout=600).__enter__()",
    "pool.close_wait()", "pool.drain(600)"])
def test_ctrl_c_ends_a_program_that_waits(wait):
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CTRL_C).format(wait=wait)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "waiting\n"
    time.sleep(0.2)
    begin = time.monotonic()
    child.send_signal(signal.SIGINT)
    _, error = child.communicate(timeout=LONG)
    assert "KeyboardInterrupt" in error
    assert child.returncode in (1, -signal.SIGINT)
    assert time.monotonic() - begin < NOTICED


def test_the_program_may_stop_what_other_threads_wait_for(things):
    with Pool(things, max_connections=1, min_connections=0) as pool:
        conn = pool.getconn()
        waiter = start(pool.getconn, LONG)
        until(lambda: pool.waiting_count == 1)
        pool.close()
        with pytest.raises(netconnpool.PoolClosed):
            waiter.join()
        pool.putconn(conn)
