"""Borrowing and returning, statistics, the life of a pool."""
import contextlib
import gc
import math
import time
import warnings
import weakref

import pytest
from conftest import LONG, settled, start, until

import netconnpool
from netconnpool import Pool


def test_a_returned_connection_is_lent_again(make, things):
    pool = make(things)
    first = pool.getconn()
    raw, number = first.raw, first.id
    pool.putconn(first)
    with pool.connection() as second:
        assert second.raw is raw
        assert second.id == number
        assert second.reuse_count == 1
        assert second is not first
    assert len(things.made) == 1


def test_a_block_that_ends_well_gives_back(make, things):
    pool = make(things)
    with pool.connection() as conn:
        assert pool.active_count == 1
        assert conn.number == 0
    assert (pool.active_count, pool.idle_count) == (0, 1)


def test_a_block_that_is_left_by_an_exception_closes(make, things):
    pool = make(things)
    with pytest.raises(KeyError, match="half"), pool.connection():
        raise KeyError("half of an answer")
    assert pool.idle_count == 0
    assert things.made[0].closed == 1


def test_a_block_may_keep_its_connection_in_spite_of_an_exception(make, things):
    pool = make(things)
    with pytest.raises(KeyError), pool.connection(keep_on_error=True):
        raise KeyError
    assert pool.idle_count == 1


def test_a_block_may_give_back_by_itself(make, things):
    pool = make(things)
    with pool.connection() as conn:
        pool.putconn(conn)
    with pool.connection() as conn:
        pool.detach(conn).close()
    with pytest.raises(KeyError), pool.connection() as conn:
        pool.putconn(conn)
        raise KeyError
    assert pool.idle_count == 1


def test_discard_closes_and_makes_room(make, things):
    pool = make(things, max_connections=1)
    conn = pool.getconn()
    pool.putconn(conn, discard=True)
    assert things.made[0].closed == 1
    with pool.connection(timeout=LONG) as conn:
        assert conn.raw is things.made[1]


def test_detach_takes_it_out_for_good(make, things):
    pool = make(things, max_connections=1)
    raw = pool.detach(pool.getconn())
    assert raw.closed == 0
    with pool.connection(timeout=LONG) as conn:
        assert conn.raw is not raw
    assert pool.stats().detached == 1
    raw.close()


def test_a_full_pool_times_out_and_says_in_what_state_it_is(make, things):
    pool = make(things, max_connections=1, name="books")
    with pool.connection(), pytest.raises(netconnpool.PoolTimeout) as caught:
        pool.getconn(timeout=0.01)
    text = str(caught.value)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.status == netconnpool.Status.ETIMEOUT
    for part in ("waited 0.010 s", "'books'", "1 of 1 in use", "0 idle", "waiting"):
        assert part in text


def test_the_limit_of_a_get_is_the_configured_one_unless_said(make, things):
    pool = make(things, max_connections=1, get_timeout=0.02)
    with pool.connection(LONG):
        begin = time.monotonic()
        with pytest.raises(netconnpool.PoolTimeout, match=r"waited 0\.020 s"):
            pool.getconn()
        assert time.monotonic() - begin >= 0.02
        waiter = start(pool.getconn, LONG)
        until(lambda: pool.waiting_count == 1)
    pool.putconn(waiter.join())


@pytest.mark.parametrize("timeout", [-1, math.inf])
def test_a_get_without_limit_waits(make, things, timeout):
    pool = make(things, max_connections=1, get_timeout=0.01)
    conn = pool.getconn(LONG)
    waiter = start(pool.getconn, timeout)
    until(lambda: pool.waiting_count == 1)
    time.sleep(0.03)
    assert waiter.is_alive
    pool.putconn(conn)
    pool.putconn(waiter.join())


def test_a_try_never_dials_and_never_waits(make, things):
    pool = make(things)
    assert pool.try_getconn() is None
    with pytest.raises(netconnpool.PoolExhausted):
        pool.getconn(timeout=0)
    assert not things.made
    pool.putconn(pool.getconn())
    conn = pool.try_getconn()
    assert conn.raw is things.made[0]
    assert conn.place.startswith(__file__)
    pool.putconn(conn)


def test_a_timeout_that_is_not_a_number_is_refused(make, things):
    with pytest.raises(ValueError, match="not a number"):
        make(things).getconn(timeout=math.nan)


def test_a_tag_is_shown_in_the_list_of_borrowers(make, things):
    pool = make(things)
    first = pool.getconn(tag=41)
    second = pool.getconn()
    second.tag = 42
    assert [each.tag for each in pool.leases()] == [41, 42]
    assert [each.id for each in pool.leases()] == [first.id, second.id]
    assert pool.leases()[0].lease == first.lease
    pool.putconn(first)
    pool.putconn(second)
    assert pool.leases() == []


def test_a_token_cancels_a_waiting_get(make, things):
    pool = make(things, max_connections=1)
    cancel = netconnpool.Cancel()
    with pool.connection():
        waiter = start(lambda: pool.getconn(LONG, cancel=cancel))
        until(lambda: pool.waiting_count == 1)
        cancel.fire()
        with pytest.raises(netconnpool.GetCanceled):
            waiter.join()
    with pytest.raises(netconnpool.GetCanceled):
        pool.getconn(cancel=cancel)
    assert pool.idle_count == 1


def test_a_block_keeps_its_token_alive(make, things):
    pool = make(things)
    cancel = netconnpool.Cancel()
    known = weakref.ref(cancel)
    block = pool.connection(cancel=cancel)
    cancel.fire()
    del cancel
    gc.collect()
    assert known() is not None
    with pytest.raises(netconnpool.GetCanceled), block:
        pass
    del block
    gc.collect()
    assert known() is None


def test_a_block_is_entered_by_one_at_a_time(make, things):
    pool = make(things)
    block = pool.connection()
    with block as conn:
        with pytest.raises(RuntimeError, match="entered already"), block:
            pass
        assert conn.number == 0
    with block as conn:
        assert conn.number == 0
    with pytest.raises(TypeError):
        type(block)()


def test_the_snapshot_has_every_counter_in_seconds_and_fractions(make, things):
    pool = make(things, max_connections=4)
    with pool.connection(), pool.connection():
        stats = pool.stats()
    assert (stats.created, stats.active, stats.idle, stats.total) == (2, 2, 0, 2)
    assert stats.utilization == 0.5
    assert 0 < stats.max_get_time < LONG
    with pytest.raises(AttributeError):
        stats.created = 3


def test_describe_is_complete_even_when_it_is_long(make, things):
    pool = make(things, max_connections=200, name="x" * 200)
    held = [pool.getconn() for _ in range(100)]
    text = pool.describe()
    assert "x" * 200 in text
    assert "100 in use" in text
    for conn in held:
        pool.putconn(conn)


def test_resize_serves_who_waits(make, things):
    pool = make(things, max_connections=1)
    conn = pool.getconn()
    waiter = start(pool.getconn, LONG)
    until(lambda: pool.waiting_count == 1)
    pool.resize(2)
    other = waiter.join()
    assert pool.option("max_connections") == 2
    pool.putconn(conn)
    pool.putconn(other)
    pool.resize(1)
    until(lambda: pool.idle_count == 1)


def test_options_of_a_living_pool_can_be_changed(make, things):
    pool = make(things)
    pool.set("idle_timeout", 1.5)
    assert pool.option("idle_timeout") == 1.5
    pool.set("idle_timeout", None)
    assert pool.option("idle_timeout") == 0
    pool.set("get_timeout", "2s")
    assert pool.option("get_timeout") == 2.0
    with pytest.raises(netconnpool.NotPossible):
        pool.set("stats", False)
    with pytest.raises(netconnpool.InvalidConfig):
        pool.set("max_idle_connections", 0)
    with pytest.raises(TypeError, match="did you mean 'idle_timeout'"):
        pool.set("idle_timout", 1)
    with pytest.raises(TypeError, match="did you mean 'max_waiters'"):
        pool.option("max_waiter")


def test_flush_closes_what_is_idle_now_and_what_is_out_later(make, things):
    pool = make(things)
    with pool.connection():
        pool.putconn(pool.getconn())
        pool.flush()
        assert [thing.closed for thing in things.made] == [0, 1]
    assert [thing.closed for thing in things.made] == [1, 1]


def test_a_suspended_pool_lends_nothing_until_it_resumes(make, things):
    pool = make(things)
    pool.suspend()
    waiter = start(pool.getconn, LONG)
    until(lambda: pool.waiting_count == 1)
    assert not things.made
    pool.resume()
    pool.putconn(waiter.join())


def test_prewarm_wait_waits_until_all_are_made(things):
    with Pool(things, min_connections=3) as pool:
        pool.prewarm_wait(LONG)
        assert pool.idle_count == 3
        assert pool.stats().prewarm_created == 3


def test_prewarm_wait_tells_of_the_dialers_exception():
    error = RuntimeError("nobody there")

    def dial():
        raise error

    with Pool(dial, min_connections=2) as pool:
        with pytest.raises(netconnpool.ConnectFailed) as caught:
            pool.prewarm_wait(LONG)
        assert caught.value.__cause__ is error


def test_closing_ends_those_who_wait_and_leaves_borrowers_alone(make, things):
    pool = make(things, max_connections=1)
    conn = pool.getconn()
    waiter = start(pool.getconn, LONG)
    until(lambda: pool.waiting_count == 1)
    pool.close()
    with pytest.raises(netconnpool.PoolClosed, match="closed"):
        waiter.join()
    assert conn.raw.closed == 0
    pool.putconn(conn)
    assert things.made[0].closed == 1
    with pytest.raises(netconnpool.PoolClosed):
        pool.getconn()
    pool.close()
    assert pool.is_closed


def test_a_pool_may_be_a_block(things):
    with Pool(things, min_connections=1) as pool:
        pool.prewarm_wait(LONG)
    assert pool.is_closed
    assert pool.stats().closed == 1


def test_close_wait_waits_for_the_last_connection(make, things):
    pool = make(things)
    conn = pool.getconn()
    with pytest.raises(netconnpool.PoolTimeout):
        pool.close_wait(0.02)
    waiter = start(pool.close_wait, LONG)
    pool.putconn(conn)
    waiter.join()


def test_close_now_takes_away_what_is_out(make, pairs):
    pool = make(pairs)
    conn = pool.getconn()
    pool.close_now()
    assert pairs.far[0].recv(1) == b""
    assert conn.recv(1) == b""
    pool.putconn(conn)


def test_drain_waits_then_takes_away(make, pairs):
    pool = make(pairs)
    conn = pool.getconn()
    with pytest.raises(netconnpool.PoolTimeout):
        pool.drain(0.02)
    assert pairs.far[0].recv(1) == b""
    pool.putconn(conn)
    other = make(pairs)
    other.drain(LONG)


def test_a_connection_may_outlive_the_last_name_of_its_pool(things):
    pool = Pool(things, min_connections=0)
    conn = pool.getconn()
    pool.close()
    known = weakref.ref(pool)
    del pool
    gc.collect()
    conn._pool.putconn(conn)
    assert things.made[0].closed == 1
    del conn
    until(lambda: gc.collect() is not None and known() is None)


def test_a_pool_that_is_forgotten_is_closed_with_a_warning(things):
    pool = Pool(things, min_connections=1)
    pool.prewarm_wait(LONG)
    with pytest.warns(ResourceWarning, match="not closed"):
        del pool
        gc.collect()
    until(lambda: things.made[0].closed == 1)


@pytest.mark.parametrize("ending", ["", "close", "close_now"])
def test_garbage_may_call_a_pool_of_the_same_garbage(things, ending):
    """Which finaliser of a cycle runs first is not ours to say."""
    seen = []

    class Last:
        def __del__(self):
            pool, conn = self.known
            with contextlib.suppress(netconnpool.PoolClosed):
                pool.putconn(pool.getconn())
            with contextlib.suppress(netconnpool.PoolClosed), pool.connection():
                pass
            seen.append((repr(pool), repr(conn), pool.active_count))

    pool = Pool(things, min_connections=0, max_connections=2)
    pool.putconn(pool.getconn())
    last = Last()
    last.known = pool, pool.getconn()
    pool.last = last
    if ending:
        getattr(pool, ending)()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del pool, last
        gc.collect()
    assert len(seen) == 1
    messages = [str(one.message) for one in caught]
    assert any("was not closed" in text for text in messages) == (not ending), messages
    until(lambda: all(thing.closed == 1 for thing in things.made))


def test_a_closed_pool_goes_although_its_hooks_know_it(things):
    class Knows:
        def on_return(self, raw):
            self.pool.stats()

    knows = Knows()
    knows.pool = Pool(things, min_connections=0, on_return=knows.on_return)
    known = weakref.ref(knows.pool)
    knows.pool.putconn(knows.pool.getconn())
    knows.pool.close()
    del knows
    until(lambda: gc.collect() is not None and known() is None)


def test_a_pool_is_found_by_its_name(make, things):
    pool = make(things, name="the one and only")
    assert Pool.find("the one and only") is pool
    assert Pool.find("another") is None


def test_repr_tells_the_state(make, things):
    pool = make(things, name="books")
    with pool.connection() as conn:
        assert repr(pool) == "<Pool 'books' active=1 idle=0 waiting=0>"
        assert repr(conn) == f"<Connection {things.made[0]!r}>"
    assert "given back" in repr(conn)
    pool.close()
    assert "closed" in repr(pool)


def test_time_passes_only_by_the_clock(make, things):
    clock = netconnpool.ManualClock(10.0)
    pool = make(things, clock=clock, idle_timeout=60, max_lifetime=0,
                expiry_jitter=0, health_check=False, cleanup_interval=1.0)
    with pool.connection() as conn:
        clock.advance(5)
        assert conn.age == conn.borrowed == 5
        assert conn.created_at == 10
        assert conn.last_used_at == 10
        assert conn.last_check_at == 0
    assert clock.now == 15.0
    clock.advance(61.5)
    until(lambda: things.made[0].closed == 1)
    with pytest.raises(ValueError, match="go back"):
        clock.advance(-1)


def test_a_waiting_get_ends_by_the_clock(make, things):
    clock = netconnpool.ManualClock()
    pool = make(things, clock=clock, max_connections=1, leak_timeout=None)
    with pool.connection():
        waiter = start(pool.getconn, 3600)
        until(lambda: pool.waiting_count == 1)
        clock.advance(3599)
        assert waiter.is_alive
        clock.advance(1.001)
        with pytest.raises(netconnpool.PoolTimeout):
            waiter.join()


def test_books_are_right_after_everything(things):
    pool = Pool(things, min_connections=0, max_connections=3)
    for turn in range(50):
        conn = pool.getconn()
        pool.putconn(conn, discard=turn % 3 == 0)
    pool.close()
    until(lambda: settled(pool))
    assert pool.stats().total == 50
