"""A lease cannot lie: what a borrower holds, and what it no longer holds."""
import gc
import logging
import sys
import tracemalloc
import weakref

import pytest
from conftest import HOSTILE, LONG, start, until

import netconnpool
from netconnpool import InvalidConnection


def test_attributes_are_those_of_the_object(make, pairs):
    pool = make(pairs)
    with pool.connection() as conn:
        conn.sendall(b"hello")
        assert pairs.far[0].recv(5) == b"hello"
        assert conn.fileno() == conn.raw.fileno() == conn.fd
        with pytest.raises(AttributeError):
            conn.no_such_thing  # noqa: B018


def test_facts_are_of_this_borrow(make, pairs):
    pool = make(pairs)
    with pool.connection(tag=7) as conn:
        assert conn.id > 0
        assert conn.lease > 0
        assert conn.protocol == netconnpool.Protocol.UNKNOWN
        assert conn.ip == netconnpool.Ip.UNKNOWN
        assert conn.healthy
        assert not conn.leak_detected
        assert conn.tag == 7
        assert conn.reuse_count == 0
        assert 0 <= conn.borrowed <= conn.age < LONG
        assert conn.stack == ""


def test_nothing_can_be_done_after_it_was_given_back(make, pairs):
    pool = make(pairs)
    conn = pool.getconn()
    pool.putconn(conn)
    for use in (lambda: conn.sendall(b"x"), lambda: conn.id, lambda: conn.age,
                conn.close, lambda: pool.putconn(conn), lambda: pool.detach(conn),
                lambda: pool.putconn(conn, discard=True)):
        with pytest.raises(InvalidConnection):
            use()
    assert conn.lease == 0
    assert (pool.active_count, pool.idle_count) == (0, 1)


def test_a_second_return_never_hits_the_next_borrower(make, pairs):
    pool = make(pairs, max_connections=1)
    first = pool.getconn()
    pool.putconn(first)
    second = pool.getconn()
    for _ in range(3):
        with pytest.raises(InvalidConnection):
            pool.putconn(first)
    second.sendall(b"mine")
    assert pool.active_count == 1
    pool.putconn(second)


def test_a_connection_of_another_pool_is_refused_and_stays_usable(make, pairs):
    pool, other = make(pairs), make(pairs, name="other")
    conn = pool.getconn()
    for use in (other.putconn, other.detach):
        with pytest.raises(InvalidConnection, match="other"):
            use(conn)
    conn.sendall(b"x")
    pool.putconn(conn)


@pytest.mark.parametrize("junk", [None, 5, "conn", object()])
def test_what_is_no_connection_is_refused(make, pairs, junk):
    pool = make(pairs)
    with pytest.raises(InvalidConnection):
        pool.putconn(junk)
    with pytest.raises(InvalidConnection):
        pool.putconn(junk, discard=True)


def test_the_object_itself_is_no_connection(make, pairs):
    pool = make(pairs)
    with pool.connection() as conn, pytest.raises(InvalidConnection):
        pool.putconn(conn.raw)


def test_it_may_be_given_back_on_another_thread(make, pairs):
    pool = make(pairs)
    conn = start(pool.getconn).join()
    start(pool.putconn, conn).join()
    assert pool.idle_count == 1


def test_its_holder_may_close_it(make, pairs):
    pool = make(pairs, max_connections=1)
    conn = pool.getconn()
    conn.close()
    assert pairs.near[0].fileno() == -1
    with pool.connection(timeout=LONG) as other:
        other.sendall(b"x")
    pool.putconn(conn)  # allowed, and does nothing
    assert pool.stats().closed == 1


def test_it_may_be_a_block_of_its_own(make, pairs):
    pool = make(pairs)
    with pool.getconn() as conn:
        conn.sendall(b"x")
    assert pool.idle_count == 1
    with pytest.raises(KeyError), pool.getconn():
        raise KeyError
    assert pool.idle_count == 0


def test_one_that_is_not_healthy_is_closed_at_its_return(make, pairs):
    pool = make(pairs)
    with pool.connection() as conn:
        conn.healthy = False
        assert not conn.healthy
    assert pool.idle_count == 0
    assert pairs.near[0].fileno() == -1


def test_a_replaced_connection_keeps_its_lease(make, things):
    pool = make(things)
    with pool.connection() as conn:
        number = conn.id
        things.made[0].close()
        new = things()
        conn.renew(new)
        assert conn.raw is new
        assert conn.lease
        assert conn.id >= number
    with pool.connection() as conn:
        assert conn.raw is new


def lose(pool):
    """Borrows, and forgets. Returns the line where it borrowed."""
    pool.getconn()
    return sys._getframe().f_lineno - 1


def lost(pool, borrow):
    """Has `borrow` lose a connection; returns the line, and the warning."""
    with pytest.warns(ResourceWarning) as caught:
        line = borrow(pool)
        gc.collect()
        until(lambda: pool.active_count == 0)
    return line, caught[0]


def test_a_lost_connection_is_closed_with_a_warning_that_names_the_place(
        make, pairs, caplog):
    pool = make(pairs, name="books")
    with caplog.at_level(logging.WARNING, "netconnpool"):
        line, warning = lost(pool, lose)
    assert (warning.filename, warning.lineno) == (__file__, line)
    assert "lost" in str(warning.message)
    assert f"{__file__}:{line}" in caplog.text
    assert "books" in caplog.text
    assert pairs.near[0].fileno() == -1
    assert pool.idle_count == 0


def test_a_block_that_is_never_left_names_its_place_too(make, pairs):
    def borrow(pool):
        manager = pool.connection()
        manager.__enter__()
        return sys._getframe().f_lineno - 1

    pool = make(pairs)
    line, warning = lost(pool, borrow)
    assert (warning.filename, warning.lineno) == (__file__, line)


def test_a_lost_connection_in_a_cycle_is_found(make, pairs):
    def borrow(pool):
        conn = pool.getconn()
        cycle = [conn]
        cycle.append(cycle)
        return sys._getframe().f_lineno - 3

    pool = make(pairs)
    line, warning = lost(pool, borrow)
    assert warning.lineno == line


def test_its_place_serves_who_waits(make, pairs):
    pool = make(pairs, max_connections=1)
    conn = pool.getconn()
    waiter = start(pool.getconn, LONG)
    until(lambda: pool.waiting_count == 1)
    with pytest.warns(ResourceWarning):
        del conn
        gc.collect()
        pool.putconn(waiter.join())


@pytest.mark.skipif(HOSTILE, reason="tracing every allocation takes too long then")
def test_the_warning_leads_tracemalloc_to_the_allocation(make, pairs):
    tracemalloc.start(5)
    try:
        _, warning = lost(make(pairs), lose)
        assert warning.source is not None
    finally:
        tracemalloc.stop()


def test_one_that_was_given_back_is_silent(make, pairs):
    pool = make(pairs)
    for _ in range(10):
        conn = pool.getconn()
        pool.putconn(conn)
        del conn
    gc.collect()
    assert pool.stats().created == 1


def test_it_can_be_weakly_known(make, pairs):
    pool = make(pairs)
    conn = pool.getconn()
    known = weakref.ref(conn)
    assert known() is conn
    pool.putconn(conn)


def test_the_place_is_where_it_was_borrowed(make, pairs):
    pool = make(pairs)
    conn = pool.getconn(); line = sys._getframe().f_lineno  # noqa: E702
    assert conn.place == f"{__file__}:{line}"
    pool.putconn(conn)


def test_stacks_are_captured_when_they_are_wanted(make, pairs):
    pool = make(pairs, capture_stacks=True)
    with pool.connection() as conn:
        assert "test_stacks_are_captured_when_they_are_wanted" in conn.stack
        assert __file__ in pool.leases()[0].stack
        lease = conn.lease
    assert lease not in pool._stacks
    conn = pool.getconn()
    pool.putconn(conn, discard=True)
    assert not pool._stacks


def test_nothing_is_left_of_a_borrow_but_what_was_there(make, things):
    """References that C takes are given back, on every way."""
    def work():
        with pool.connection() as conn:
            conn.number  # noqa: B018
        with pool.connection(timeout=1.0, tag=3):
            pass
        pool.putconn(pool.getconn(1, None, None, 5))
        with pytest.raises(InvalidConnection):
            pool.putconn(object())
        with pytest.raises(TypeError):
            pool.getconn(no_such=1)
        with pytest.raises(netconnpool.PoolTimeout), pool.connection():
            pool.getconn(timeout=0.0001)

    def counts():
        gc.collect()
        return [sys.getrefcount(each) for each in watched]

    pool = make(things, max_connections=1)
    work()
    watched = [pool, things.made[0], type(pool), netconnpool.Connection,
               work.__code__, netconnpool.connection.GONE]
    before = counts()
    for _ in range(200):
        work()
    assert counts() == before


def test_many_connections_are_told_apart(make, things):
    """More than fit beside a lease in one number."""
    pool = make(things, max_connections=1500, max_idle_connections=1500,
                max_concurrent_creates=0)
    held = [pool.getconn() for _ in range(1100)]
    assert {conn.raw for conn in held} == set(things.made)
    for conn in held:
        assert conn.raw.number == conn.number
        pool.putconn(conn)
    pool.putconn(pool.getconn())


def test_an_evicted_connection_is_reported_at_its_return(make, pairs):
    clock = netconnpool.ManualClock()
    leaks = []
    pool = make(pairs, clock=clock, leak_timeout=10, leak_interval=1,
                on_leak=lambda raw, reason: leaks.append((raw, reason)))
    conn = pool.getconn()
    clock.advance(11.5)
    until(lambda: leaks)
    assert leaks == [(pairs.near[0], "none")]
    assert conn.leak_detected
    clock.advance(12)
    until(lambda: len(leaks) == 2)
    assert leaks[1] == (pairs.near[0], "leaked")
    with pytest.raises(netconnpool.ConnectionLeaked):
        pool.putconn(conn)
    assert pairs.near[0].fileno() == -1
    assert pool.stats().evicted == 1
