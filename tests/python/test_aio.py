"""The pool for asyncio."""
import asyncio
import contextlib
import contextvars
import functools
import gc
import os
import random
import socket
import subprocess
import sys
import textwrap
import threading
import warnings
import weakref

import pytest
from conftest import LONG

import netconnpool
from netconnpool import AsyncPool, ManualClock, StreamConnection
from netconnpool import aio as module


class Thing:
    """A connection of no particular kind."""

    def __init__(self, number=0):
        self.number = number
        self.closed = 0

    def close(self):
        self.closed += 1


class Things:
    """A dialer that notes what it makes."""

    def __init__(self, delay=None):
        self.made = []
        self.requests = []
        self.delay = delay
        self.failure = None

    async def __call__(self, request):
        self.requests.append(request)
        if self.delay is not None:
            await asyncio.sleep(self.delay)
        if self.failure is not None:
            raise self.failure
        self.made.append(Thing(len(self.made)))
        return self.made[-1]


def run(main):
    """Runs a coroutine function in a loop of its own, for so long at most."""
    async def limited():
        return await asyncio.wait_for(main(), LONG)
    return asyncio.run(limited())


async def turns(count=5):
    for _ in range(count):
        await asyncio.sleep(0)


def quiet(**options):
    """Options with which nothing happens by itself."""
    return {"min_connections": 0, "health_check": False, **options}


# ---------------------------------------------------------------------- borrowing

def test_a_returned_connection_is_lent_again():
    things = Things()

    async def main():
        async with AsyncPool(things, **quiet()) as pool:
            async with pool.connection() as first:
                assert first.raw is things.made[0]
                assert first.number == 0
                number = first.id
            async with pool.connection() as second:
                assert second.id == number and second.reuse_count == 1
            assert second is not first
            assert pool.stats().successful == 2
        assert things.made[0].closed == 1
    run(main)


def test_a_block_left_by_an_exception_closes_unless_told_otherwise():
    things = Things()

    async def main():
        async with AsyncPool(things, **quiet()) as pool:
            with pytest.raises(KeyError):
                async with pool.connection():
                    raise KeyError("half of an answer")
            assert (pool.idle_count, things.made[0].closed) == (0, 1)
            with pytest.raises(KeyError):
                async with pool.connection(keep_on_error=True):
                    raise KeyError("a whole answer")
            assert pool.idle_count == 1
    run(main)


def test_who_waits_is_served_in_order_and_in_the_same_turn():
    async def main():
        async with AsyncPool(Things(), **quiet(max_connections=1)) as pool:
            held, order = await pool.getconn(), []

            async def wait(index):
                async with pool.connection():
                    order.append(index)
            waiting = [asyncio.create_task(wait(index)) for index in range(5)]
            await turns()
            assert pool.waiting_count == 5
            await pool.putconn(held)
            await asyncio.gather(*waiting)
            assert order == [0, 1, 2, 3, 4]
    run(main)


def test_a_second_put_and_one_into_another_pool_are_refused():
    async def main():
        async with AsyncPool(Things(), **quiet()) as one, \
                AsyncPool(Things(), **quiet()) as other:
            conn = await one.getconn()
            with pytest.raises(netconnpool.InvalidConnection):
                await other.putconn(conn)
            await one.putconn(conn)
            with pytest.raises(netconnpool.InvalidConnection):
                await one.putconn(conn)
            with pytest.raises(netconnpool.InvalidConnection):
                _ = conn.number
            for nonsense in (None, 7, Thing()):
                with pytest.raises(netconnpool.InvalidConnection):
                    await one.putconn(nonsense)
    run(main)


def test_timeouts_and_tries():
    async def main():
        async with AsyncPool(Things(), **quiet(max_connections=1)) as pool:
            assert await pool.try_getconn() is None
            conn = await pool.getconn()
            with pytest.raises(netconnpool.PoolTimeout, match="1 of 1 in use"):
                await pool.getconn(0.02)
            with pytest.raises(TimeoutError):
                await pool.getconn(timeout=0.01)
            with pytest.raises(netconnpool.PoolExhausted):
                await pool.getconn(0)
            await pool.putconn(conn)
            assert (await pool.try_getconn()).raw is not None
            gc.collect()
    with pytest.warns(ResourceWarning, match="lost"):
        run(main)


def test_the_exception_of_a_dial_comes_back_as_the_cause():
    things = Things()
    things.failure = OSError(4711, "no route to the moon")

    async def main():
        async with AsyncPool(things, **quiet()) as pool:
            with pytest.raises(netconnpool.ConnectFailed) as caught:
                await pool.getconn()
            assert caught.value.__cause__ is things.failure
            error = pool.dial_error()
            assert (error.code, error.text) == (4711, "no route to the moon")
            assert error.error is things.failure
            things.failure = None
            async with pool.connection():
                assert pool.dial_error() is None
    run(main)


def test_a_dialer_may_be_plain_or_return_nothing():
    results = [None, Thing()]

    async def main():
        async with AsyncPool(lambda: results.pop(0), **quiet()) as pool:
            with pytest.raises(netconnpool.InvalidConnection):
                await pool.getconn()
            async with pool.connection() as conn:
                assert isinstance(conn.raw, Thing)
    run(main)


def test_a_dialer_is_told_what_is_wanted():
    things = Things()

    async def main():
        async with AsyncPool(things, **quiet(connection_timeout=7.0)) as pool:
            with pytest.raises(netconnpool.NoMatchingConnection):
                await pool.getconn(2.0, "tcp", "ipv6")
            request = things.requests[0]
            assert (request.protocol.name, request.ip.name) == ("TCP", "V6")
            assert 1.0 < request.deadline <= 2.0 < request.timeout <= 7.0
    run(main)


# ------------------------------------------------------------------- cancellation

class Hooks:
    """Hooks that wait, so that there are many moments to be cancelled in."""

    @staticmethod
    async def wait(conn, reason=None):
        await turns(2)


def _intact(pool, limit):
    return (pool.active_count, pool.waiting_count, pool.stats().in_flight) == (
        0, 0, 0) and pool.stats().current <= limit


@pytest.mark.parametrize("moment", range(14))
def test_cancelling_at_any_moment_loses_nothing(moment):
    things = Things(delay=0)
    hooks = dict.fromkeys(
        ("on_created", "on_borrow", "on_return", "on_close", "check"), Hooks.wait)

    async def main():
        pool = AsyncPool(things, **quiet(max_connections=2, check_on_borrow=True),
                         **hooks)

        async def use():
            conn = await pool.getconn()
            await pool.putconn(conn)

        async with pool:
            for _ in range(6):
                users = [asyncio.create_task(use()) for _ in range(5)]
                await turns(moment)
                for user in users[::2]:
                    user.cancel()
                await asyncio.gather(*users, return_exceptions=True)
                await turns(20)
                assert _intact(pool, 2), pool.describe()
            async with pool.connection(), pool.connection():
                pass
        await turns(20)
        assert all(thing.closed == 1 for thing in things.made)
    run(main)


def test_a_hand_over_that_meets_a_cancellation_serves_the_next():
    async def main():
        async with AsyncPool(Things(), **quiet(max_connections=1)) as pool:
            for order in ("put first", "cancel first"):
                held = await pool.getconn()
                first = asyncio.create_task(pool.getconn())
                second = asyncio.create_task(pool.getconn())
                await turns()
                if order == "put first":
                    await pool.putconn(held)
                    first.cancel()
                else:
                    first.cancel()
                    await pool.putconn(held)
                with pytest.raises(asyncio.CancelledError):
                    await first
                await pool.putconn(await second)
                assert _intact(pool, 1) and pool.idle_count == 1
    run(main)


def test_a_dial_outlives_who_asked_for_it_and_is_kept():
    things = Things(delay=0.05)

    async def main():
        async with AsyncPool(things, **quiet(max_connections=1)) as pool:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(pool.getconn(), 0.01)
            assert pool.dialing_count == 1
            async with pool.connection() as conn:
                assert conn.raw is things.made[0]
            assert len(things.requests) == 1
    run(main)


def test_a_dial_is_cancelled_when_connection_timeout_ends():
    ended = []

    async def hang():
        try:
            await asyncio.sleep(LONG)
        except asyncio.CancelledError:
            ended.append(True)
            raise

    async def main():
        async with AsyncPool(hang, **quiet(connection_timeout=0.05)) as pool:
            with pytest.raises(netconnpool.ConnectFailed):
                await pool.getconn()
            await asyncio.sleep(0.05)
            assert ended and pool.dialing_count == 0
    run(main)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="no TaskGroup")
def test_task_groups_and_timeouts():
    async def main():
        async with AsyncPool(Things(), **quiet(max_connections=2)) as pool:
            async def use():
                async with pool.connection():
                    await asyncio.sleep(0.001)
            async with asyncio.TaskGroup() as group:
                for _ in range(20):
                    group.create_task(use())
            held = [await pool.getconn(), await pool.getconn()]
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await pool.getconn()
            for conn in held:
                await pool.putconn(conn)
            assert _intact(pool, 2)
    run(main)


# -------------------------------------------------------------------------- hooks

def test_hooks_may_be_coroutine_functions_and_refuse():
    told, refusals = [], []

    def hook(name):
        async def call(conn, reason=None):
            await asyncio.sleep(0)
            told.append(name if reason is None else f"{name}:{reason}")
            if name in refusals:
                refusals.remove(name)
                raise LookupError(name)
        return call

    async def main():
        hooks = {name: hook(name) for name in
                 ("on_created", "on_borrow", "on_return", "on_close", "close")}
        async with AsyncPool(Things(), **quiet(), **hooks) as pool:
            async with pool.connection():
                pass
        assert told == ["on_created", "on_borrow", "on_return",
                        "on_close:pool_closed", "close:pool_closed"]
        async with AsyncPool(Things(), **quiet(), **hooks) as pool:
            refusals[:] = ["on_created"]
            with pytest.raises(netconnpool.HookFailed) as caught:
                await pool.getconn()
            assert isinstance(caught.value.__cause__, LookupError)
            refusals[:] = ["on_borrow"]
            with pytest.raises(netconnpool.HookFailed):
                await pool.getconn()
            conn = await pool.getconn()
            refusals[:] = ["on_return"]
            with pytest.raises(netconnpool.HookFailed):
                await pool.putconn(conn)
            conn = await pool.getconn()
            refusals[:] = ["close"]
            with pytest.raises(netconnpool.CloseFailed) as caught:
                await pool.putconn(conn, discard=True)
            assert str(caught.value.__cause__) == "close"
            assert pool.stats().current == 0
    run(main)


def test_on_return_sees_only_what_is_kept():
    told = []

    async def main():
        async with AsyncPool(Things(), on_return=told.append, **quiet()) as pool:
            conn = await pool.getconn()
            conn.healthy = False
            await pool.putconn(conn)
            assert told == []
            async with pool.connection() as conn:
                raw = conn.raw
            assert told == [raw]
    run(main)


def test_a_check_that_is_a_coroutine_finds_what_is_dead():
    things = Things()

    async def check(conn):
        await asyncio.sleep(0)
        return conn.number != 0

    async def main():
        clock = ManualClock()
        pool = AsyncPool(things, check=check, clock=clock, min_connections=0,
                         health_check_interval=1.0)
        async with pool:
            held = [await pool.getconn(), await pool.getconn()]
            for conn in held:
                await pool.putconn(conn)
            clock.advance(1.5)
            await turns(10)
            assert pool.stats().unhealthy == 1
            assert [thing.closed for thing in things.made] == [1, 0]
    run(main)


# --------------------------------------------------------------------------- time

def test_with_a_manual_clock_nothing_passes_but_by_advance():
    async def main():
        clock = ManualClock()
        pool = AsyncPool(Things(), clock=clock, **quiet(
            max_connections=1, idle_timeout=10.0, cleanup_interval=1.0))
        async with pool:
            held = await pool.getconn()
            waiting = asyncio.create_task(pool.getconn(3.0))
            await asyncio.sleep(0.02)
            assert not waiting.done()
            clock.advance(3.1)
            with pytest.raises(netconnpool.PoolTimeout):
                await waiting
            await pool.putconn(held)
            clock.advance(12.0)
            await turns()
            assert pool.stats().closed == 1
    run(main)


# ------------------------------------------------------------------ closing, loops

def test_close_does_not_wait_for_what_is_out_and_close_wait_does():
    things = Things()

    async def main():
        pool = AsyncPool(things, **quiet())
        conn, idle = await pool.getconn(), await pool.getconn()
        await pool.putconn(idle)
        await pool.close()
        assert [thing.closed for thing in things.made] == [0, 1]
        with pytest.raises(netconnpool.PoolTimeout):
            await pool.close_wait(0.01)
        with pytest.raises(netconnpool.PoolClosed):
            await pool.getconn()
        waiting = asyncio.create_task(pool.close_wait(LONG))
        await turns()
        await pool.putconn(conn)
        await waiting
        assert things.made[0].closed == 1
        await pool.close()
    run(main)


def test_drain_shuts_down_what_stays_out(echo):
    async def main():
        pool = AsyncPool(echo.target, **quiet())
        conn = await pool.getconn()
        reader = conn.reader
        with pytest.raises(netconnpool.PoolTimeout):
            await pool.drain(0.01)
        assert await reader.read(1) == b""
        await pool.putconn(conn)
        await turns(10)
    run(main)


def test_close_waits_for_closers_and_tells_the_first_failure():
    ended = []

    async def close(conn):
        await asyncio.sleep(0.01)
        ended.append(conn)
        raise OSError("it hung up first")

    async def main():
        pool = AsyncPool(Things(), close=close, **quiet())
        held = [await pool.getconn() for _ in range(3)]
        for conn in held:
            await pool.putconn(conn)
        with pytest.raises(netconnpool.CloseFailed, match="hung up"):
            await pool.close()
        assert len(ended) == 3
    run(main)


def test_a_pool_belongs_to_one_loop():
    pool = AsyncPool(Things(), **quiet())
    with pytest.raises(netconnpool.NotPossible, match="not open"):
        pool.stats()

    pools = [pool]

    async def use():
        async with pools[0].connection():
            pass

    async def leave():
        await pools[0].close()
    run(use)
    with pytest.raises(netconnpool.NotPossible, match="has ended"):
        run(use)
    with pytest.raises(netconnpool.NotPossible, match="another event loop"):
        run(leave)
    del pool
    with pytest.warns(ResourceWarning, match="not closed"):
        pools.clear()
        gc.collect()


def test_pools_of_a_loop_share_a_queue_that_goes_with_the_last():
    async def main():
        loop = asyncio.get_running_loop()
        pools = [AsyncPool(Things(), **quiet()) for _ in range(3)]
        for pool in pools:
            await pool.open()
        assert len({id(pool._machine) for pool in pools}) == 1
        machine = weakref.ref(pools[0]._machine)
        for pool in pools:
            assert loop in module._machines
            await pool.close()
        assert loop not in module._machines
        del pool, pools
        gc.collect()
        await turns()
        assert machine() is None
    run(main)


def test_there_is_no_thread(echo):
    async def main():
        before = len(os.listdir("/proc/self/task"))
        target = echo.target
        async with AsyncPool(target, max_connections=3, min_connections=3) as pool:
            await pool.prewarm_wait()
            async with pool.connection() as conn:
                await conn.send(b"x")
                await conn.readexactly(1)
                # The server has a thread a connection.
                assert len(os.listdir("/proc/self/task")) == before + 3
    if sys.platform == "linux":
        run(main)


def test_a_dial_does_not_see_the_context_of_who_happens_to_ask():
    name, seen = contextvars.ContextVar("name", default="none"), []

    async def dial():
        seen.append(name.get())
        return Thing()

    async def main():
        async with AsyncPool(dial, **quiet()) as pool:
            name.set("of a request")
            async with pool.connection():
                pass
    run(main)
    assert seen == ["none"]


def test_a_lost_connection_is_closed_and_told_with_its_place():
    things = Things()

    async def main():
        async with AsyncPool(things, **quiet(max_connections=1)) as pool:
            await pool.getconn()
            gc.collect()
            await turns()
            assert (pool.active_count, things.made[0].closed) == (0, 1)
    with pytest.warns(ResourceWarning, match="lost") as caught:
        run(main)
    assert caught[0].filename == __file__


def test_a_forgotten_pool_closes_its_connections():
    things = Things()

    async def main():
        pool = AsyncPool(things, **quiet())
        async with pool.connection():
            pass
        del pool
        await turns()
        gc.collect()
        await turns()
        assert things.made[0].closed == 1
        assert asyncio.get_running_loop() not in module._machines
    with pytest.warns(ResourceWarning, match="not closed"):
        run(main)


def test_a_loop_that_ends_under_its_pool_leaves_nothing_behind():
    """asyncio.run() cancels what still runs, dials that did not begin too."""
    things = Things(delay=LONG)

    async def main():
        pool = AsyncPool(things, **quiet())
        main.pool = pool
        for _ in range(3):
            asyncio.ensure_future(pool.getconn())
        await turns(1)
    run(main)
    pool = main.__dict__.pop("pool")
    assert pool.waiting_count == 0
    with pytest.warns(ResourceWarning, match="not closed"):
        del pool
        gc.collect()


def test_garbage_that_looks_at_a_pool_of_the_same_garbage_finds_none():
    """Which finaliser of a cycle runs first is not ours to say."""
    seen = []

    class Last:
        def __del__(self):
            seen.append(repr(self.pool))
            with pytest.raises(netconnpool.NotPossible, match="not open"):
                _ = self.pool.active_count
            seen.append("looked")

    async def main():
        pool = AsyncPool(Things(), **quiet())
        async with pool.connection():
            pass
        main.pool = pool
    run(main)
    pool = main.__dict__.pop("pool")
    pool.last, pool.myself = Last(), pool
    pool.last.pool = pool
    with pytest.warns(ResourceWarning, match="not closed"):
        del pool
        gc.collect()
    assert seen == ["<AsyncPool that is not open>", "looked"]


def test_the_table_of_those_who_wait_loses_nobody():
    dice = random.Random(5)

    async def main():
        async with AsyncPool(Things(), **quiet()) as pool:
            known = {}
            for _ in range(20_000):
                ticket = dice.choice([dice.randint(1, 300), dice.randint(1, 2**53)])
                if dice.random() < 0.5 and ticket not in known:
                    known[ticket] = Thing(ticket)
                    pool._waits(ticket, known[ticket])
                else:
                    assert pool._waiter_of(ticket) is known.pop(ticket, None)
            assert (pool in pool._machine.wanted) == bool(known)
            with pytest.raises(RuntimeError):
                pool._waits(next(iter(known)), None)
            with pytest.raises(RuntimeError):
                pool._waits(0, None)
            things = weakref.WeakSet(known.values())
            while known:
                ticket, thing = known.popitem()
                assert pool._waiter_of(ticket) is thing
            del thing
            assert not things
            assert pool not in pool._machine.wanted
    run(main)


def test_a_loop_may_go_on_in_another_thread_but_not_two_at_once():
    """One that stands still is not there for another thread, or another loop."""
    loop = asyncio.new_event_loop()
    things = Things()
    pool = AsyncPool(things, **quiet(max_connections=1))

    async def use():
        async with pool.connection() as conn:
            waiting = asyncio.ensure_future(pool.getconn())
            await turns()
            assert pool.waiting_count == 1
            await pool.putconn(conn)
        await pool.putconn(await waiting)

    async def misuse(conn):
        with pytest.raises(netconnpool.NotPossible, match="another event loop"):
            await pool.getconn()
        with pytest.raises(netconnpool.NotPossible, match="another event loop"):
            await pool.putconn(conn)

    def with_loop(main):
        loop.run_until_complete(asyncio.wait_for(main, LONG))

    with_loop(use())
    thread = threading.Thread(target=with_loop, args=(use(),))
    thread.start()
    thread.join(LONG)
    with_loop(use())
    conn = loop.run_until_complete(pool.getconn())
    run(functools.partial(misuse, conn))
    loop.run_until_complete(pool.putconn(conn))
    assert pool.stats().successful == 7
    loop.run_until_complete(pool.close())
    loop.close()
    assert [thing.closed for thing in things.made] == [1]


@pytest.mark.parametrize("is_late", [False, True])
def test_what_is_borrowed_ends_with_a_pool_of_the_same_garbage(is_late):
    """The lease, and a task that still waits: the pool tells, they do not."""
    things = Things()

    async def main():
        pool = AsyncPool(things, **quiet(max_connections=1))
        pool.early = [await pool.getconn()]
        pool.waits = pool.getconn()
        assert asyncio.isfuture(pool.waits.send(None))
        if is_late:
            gc.collect()
            pool.waits, pool.late = None, pool.waits
        main.pool = pool
    run(main)
    pool = main.__dict__.pop("pool")
    known = weakref.ref(pool)
    pool.myself = pool
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del pool
        gc.collect()
    assert known() is None
    told = [one for one in caught if "was not closed" in str(one.message)]
    assert len(told) == 1, [str(one.message) for one in caught]
    assert things.made[0].closed == 1


def test_a_collected_pool_does_not_take_another_one_off_the_list():
    """The library may put a new pool where an old one was."""
    async def main():
        seen = set()
        for _ in range(20):
            pool = AsyncPool(Things(), **quiet())
            await pool.open()
            is_again = pool._address in seen
            seen.add(pool._address)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                del pool
                gc.collect()
            pool = AsyncPool(Things(), **quiet())
            await pool.open()
            await turns(2)
            assert pool._machine.pools.get(pool._address) is pool
            await asyncio.wait_for(_use(pool), LONG)
            await pool.close()
            if is_again:
                break
    run(main)


async def _use(pool):
    async with pool.connection():
        pass


@pytest.mark.parametrize("ending", ["pass", "raise SystemExit(0)",
                                    "asyncio.get_running_loop().stop()"])
def test_the_interpreter_ends_with_pools_open(ending):
    program = f"""
        import asyncio, socket
        from netconnpool import AsyncPool

        async def dial():
            await asyncio.sleep(0)
            return socket.socketpair()[0]

        async def main():
            global pool, conn
            pool = AsyncPool(dial, max_connections=3, min_connections=2)
            conn = await pool.getconn()
            asyncio.ensure_future(pool.getconn(timeout=60))
            await asyncio.sleep(0.01)
            {ending}

        try:
            asyncio.run(main())
        except RuntimeError as error:
            assert "stopped" in str(error), error
    """
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)],
                              capture_output=True, text=True, timeout=LONG,
                              check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# ------------------------------------------------------------------------ sockets

async def _talks(conn):
    await conn.send(b"over the wire\n")
    assert await conn.readline() == b"over the wire\n"


def test_a_target_gives_streams(echo):
    async def main():
        async with AsyncPool(echo.target, **quiet(tcp_nodelay=True)) as pool:
            async with pool.tcp() as conn:
                assert isinstance(conn.raw, StreamConnection)
                reader, writer = conn.raw
                assert reader is conn.reader and writer is conn.writer
                assert (conn.protocol.name, conn.ip.name) == ("TCP", "V4")
                await _talks(conn)
    run(main)


def test_a_pair_that_a_dialer_returns_becomes_a_stream(echo):
    async def dial():
        return await asyncio.open_connection(*echo.address)

    async def main():
        async with AsyncPool(dial, **quiet()) as pool:
            async with pool.connection() as conn:
                await _talks(conn)
    run(main)


def test_a_name_is_tried_at_all_its_addresses(echo):
    """The listener is at 127.0.0.1 alone, localhost may be ::1 as well."""
    async def main():
        target = f"tcp://localhost:{echo.address[1]}"
        async with AsyncPool(target, **quiet()) as pool:
            async with pool.connection() as conn:
                await _talks(conn)
    run(main)


def test_a_refused_target_says_so():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        target = f"tcp://127.0.0.1:{sock.getsockname()[1]}"

    async def main():
        async with AsyncPool(target, **quiet()) as pool:
            with pytest.raises(netconnpool.ConnectFailed) as caught:
                await pool.getconn()
            assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    run(main)


def test_udp_targets_give_sockets():
    async def main():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.bind(("127.0.0.1", 0))
            target = f"udp://127.0.0.1:{peer.getsockname()[1]}"
            async with AsyncPool(target, **quiet()) as pool:
                async with pool.udp() as conn:
                    loop = asyncio.get_running_loop()
                    await loop.sock_sendall(conn.raw, b"ping")
                    data, address = peer.recvfrom(16)
                    peer.sendto(data, address)
                    assert await loop.sock_recv(conn.raw, 16) == b"ping"
    run(main)


def test_a_stream_whose_peer_is_gone_is_replaced(echo):
    async def main():
        async with AsyncPool(echo.target, **quiet(check_on_borrow=True)) as pool:
            async with pool.connection() as conn:
                await _talks(conn)
                first = conn.id
            for peer in echo.connections:
                with contextlib.suppress(OSError):
                    peer.shutdown(socket.SHUT_RDWR)
            await asyncio.sleep(0.05)
            async with pool.connection() as conn:
                assert conn.id != first
                await _talks(conn)
    run(main)


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield found


def test_a_server_lends_its_clients_each_once(listener):
    async def main():
        async with AsyncPool(listener=listener, **quiet()) as one, \
                AsyncPool(listener=listener, **quiet()) as other:
            gets = [asyncio.create_task(pool.getconn()) for pool in (one, one, other)]
            await turns()
            clients = [socket.create_connection(listener.getsockname())
                       for _ in gets]
            conns = await asyncio.gather(*gets)
            assert len({conn.raw.fileno() for conn in conns}) == 3
            for conn in conns:
                await conn._pool.putconn(conn)
            for client in clients:
                client.close()
    run(main)


def test_a_server_that_is_closed_takes_no_client_any_more(listener):
    async def main():
        pool = AsyncPool(listener=listener, **quiet())
        get = asyncio.create_task(pool.getconn())
        await turns()
        await pool.close()
        with pytest.raises(netconnpool.PoolClosed):
            await get
        await turns()
        with socket.create_connection(listener.getsockname()) as client:
            listener.setblocking(True)
            accepted, address = listener.accept()
            assert address == client.getsockname()
            accepted.close()
    run(main)


# -------------------------------------------------------------------- other loops

def test_with_uvloop(echo):
    uvloop = pytest.importorskip("uvloop")

    async def main():
        async with AsyncPool(echo.target, **quiet(max_connections=2)) as pool:
            async def use():
                async with pool.connection() as conn:
                    await _talks(conn)
            await asyncio.gather(*(use() for _ in range(20)))
            assert pool.stats().created <= 2
            held = [await pool.getconn(), await pool.getconn()]
            with pytest.raises(netconnpool.PoolTimeout):
                await pool.getconn(0.01)
            for conn in held:
                await pool.putconn(conn)

    loop = uvloop.new_event_loop()
    try:
        loop.run_until_complete(asyncio.wait_for(main(), LONG))
    finally:
        loop.close()
