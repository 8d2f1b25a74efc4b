"""Dialers and hooks: what they are given, and what becomes of what they throw."""
import functools
import logging
import os
import threading

import pytest
from conftest import LONG, settled, start, until

import netconnpool
from netconnpool import ConnectFailed, HookFailed, Pool


class Refused(Exception):
    """An exception that is nobody else's."""


# --------------------------------------------------------------------- dialers


def test_a_dialers_exception_comes_back_as_the_same_object(make):
    error = Refused("no route to the moon")

    def dial():
        raise error

    pool = make(dial)
    with pytest.raises(ConnectFailed, match="no route to the moon") as caught:
        pool.getconn()
    assert caught.value.__cause__ is error
    assert isinstance(caught.value, ConnectionError)
    assert pool.dial_error().error is error


def test_every_waiter_gets_the_exception_of_its_own_dial(make):
    numbers = iter(range(1000))

    def dial():
        number = next(numbers)
        raise Refused(number)

    pool = make(dial, max_concurrent_creates=0)

    def borrow():
        with pytest.raises(ConnectFailed) as caught:
            pool.getconn()
        return caught.value.__cause__.args[0]

    workers = [start(borrow) for _ in range(20)]
    found = [worker.join() for worker in workers]
    assert len(set(found)) == 20


def test_with_fail_all_every_waiter_gets_the_same_exception(make):
    gate, error = threading.Event(), Refused()

    def dial():
        gate.wait(LONG)
        raise error

    pool = make(dial, max_connections=1, dial_policy="fail_all")

    def borrow():
        with pytest.raises(ConnectFailed) as caught:
            pool.getconn(LONG)
        return caught.value.__cause__

    workers = [start(borrow) for _ in range(4)]
    until(lambda: pool.waiting_count == 4)
    gate.set()
    assert [worker.join() is error for worker in workers] == [True] * 4


def test_a_failed_dial_loses_no_place(make, things):
    answers = iter([Refused("one"), Refused("two"), None])

    def dial():
        error = next(answers)
        if error is not None:
            raise error
        return things()

    pool = make(dial, max_connections=1)
    for text in ("one", "two"):
        with pytest.raises(ConnectFailed, match=text):
            pool.getconn()
    assert pool.dial_error().count == 2
    with pool.connection():
        assert pool.dial_error() is None
    assert pool.stats().connection_errors == 2


def test_the_errno_of_an_exception_is_the_librarys_code(make):
    def dial():
        raise OSError(113, "no route to the moon")

    pool = make(dial)
    for _ in range(3):
        with pytest.raises(ConnectFailed):
            pool.getconn()
        last = pool.dial_error()
        assert (last.code, last.text) == (113, "no route to the moon")
        assert "113" in pool.describe()


def test_retries_are_counted_for_the_dialer(make, things):
    attempts = []

    def dial(request):
        attempts.append(request.attempt)
        if len(attempts) < 3:
            raise Refused
        return things()

    pool = make(dial, create_retries=5, create_retry_interval=0.001)
    with pool.connection():
        assert attempts == [0, 1, 2]


def test_a_dialer_that_returns_nothing_is_an_invalid_connection(make):
    with pytest.raises(netconnpool.InvalidConnection):
        make(lambda: None).getconn()


def test_a_dialer_is_told_what_is_wanted(make, things):
    seen = []

    def dial(request):
        seen.append(request)
        request.tell(request.protocol, request.ip)
        return things()

    pool = make(dial, connection_timeout=7, get_timeout=5)
    with pool.udp(), pool.connection(protocol="tcp", ip="6", timeout=60) as conn:
        assert conn.protocol == netconnpool.Protocol.TCP
        assert conn.ip == netconnpool.Ip.V6
    udp, tcp = seen
    assert udp.protocol == netconnpool.Protocol.UDP
    assert udp.ip == netconnpool.Ip.UNKNOWN
    assert 0 < udp.deadline <= 5
    assert 5 < udp.timeout <= 7
    assert (tcp.protocol, tcp.ip) == (1, 2)
    assert 5 < tcp.deadline <= 7
    assert tcp.listener is None
    assert "TCP" in repr(tcp)


def test_a_limit_that_is_none_is_none(make, things):
    seen = []

    def dial(request):
        seen.append(request)
        return things()

    pool = make(dial)
    with pool.connection(timeout=-1):
        assert seen[0].deadline is not None  # connection_timeout holds
    from netconnpool._host import seconds
    assert seconds(-1) is seconds(2**63 - 1) is None
    assert seconds(0) == 0.001


def test_a_dialer_learns_that_nobody_wants_its_result(make, things):
    began, told = threading.Event(), []

    def dial(request):
        told.append(request.stopped())
        began.set()
        until(request.stopped)
        told.append(True)
        return things()

    pool = make(dial)
    waiter = start(pool.getconn, LONG)
    began.wait(LONG)
    pool.close()
    with pytest.raises(netconnpool.PoolClosed):
        waiter.join()
    until(lambda: told == [False, True])
    until(lambda: things.made and things.made[0].closed)


def test_a_late_dial_is_kept_for_the_next(make, things):
    gate = threading.Event()

    def dial():
        gate.wait(LONG)
        return things()

    pool = make(dial)
    with pytest.raises(netconnpool.PoolTimeout):
        pool.getconn(timeout=0.01)
    gate.set()
    until(lambda: pool.idle_count == 1)
    with pool.connection():
        assert len(things.made) == 1


def plain():
    return "plain"


def with_default(host="a"):
    return host


def with_request(request):
    return request


def with_keyword(*, request):
    return request


@pytest.mark.parametrize(("dial", "gets"), [
    (plain, "plain"), (with_default, "a"), (with_request, "REQUEST"),
    (with_keyword, "REQUEST"), (functools.partial(with_default, "b"), "b"),
    (functools.partial(with_request, "c"), "c"), (dict, {}),
    (lambda *args: args, ()), (lambda **more: more, {})])
def test_a_dialer_gets_the_request_only_if_it_asks_for_it(make, dial, gets):
    made = []

    @functools.wraps(dial)
    def spy(*args, **more):
        made.append(dial(*args, **more))
        return made[-1]

    with make(spy if callable(getattr(dial, "__code__", None)) else dial).connection() \
            as conn:
        raw = conn.raw
    if gets == "REQUEST":
        assert isinstance(raw, netconnpool.DialRequest)
    else:
        assert raw == gets


# ----------------------------------------------------------------------- hooks


def test_hooks_come_in_order_and_get_the_object(make, things):
    seen = []

    def note(name):
        return lambda raw, *more: seen.append((name, raw.number, *more))

    def on_close(raw, reason):
        seen.append(("on_close", raw.number, reason))

    def close(raw, reason):
        seen.append(("close", raw.number, reason))
        raw.close()

    pool = make(things, on_created=note("on_created"), on_borrow=note("on_borrow"),
                on_return=note("on_return"), on_close=on_close, close=close)
    with pool.connection():
        seen.append("used")
    with pool.connection() as conn:
        pool.putconn(conn, discard=True)
    assert seen == [
        ("on_created", 0), ("on_borrow", 0), "used", ("on_return", 0),
        ("on_borrow", 0), ("on_close", 0, "discarded"), ("close", 0, "discarded")]


@pytest.mark.parametrize("hook", ["on_created", "on_borrow"])
def test_a_hook_that_throws_refuses_the_connection(make, things, hook):
    errors = iter([Refused("not this one"), None])
    thrown = []

    def refuse(raw):
        error = next(errors)
        if error is not None:
            thrown.append(error)
            raise error

    pool = make(things, max_connections=1, **{hook: refuse})
    with pytest.raises(HookFailed, match="not this one") as caught:
        pool.getconn()
    assert caught.value.__cause__ is thrown[0]
    assert things.made[0].closed == 1
    with pool.connection(timeout=LONG) as conn:
        assert conn.raw is things.made[1]


def test_an_on_return_that_throws_closes_and_is_reported(make, things):
    error = Refused("dirty")

    def on_return(raw):
        raise error

    pool = make(things, max_connections=1, on_return=on_return)
    conn = pool.getconn()
    with pytest.raises(HookFailed) as caught:
        pool.putconn(conn)
    assert caught.value.__cause__ is error
    assert things.made[0].closed == 1
    with pytest.raises(netconnpool.InvalidConnection):
        pool.putconn(conn)
    assert pool.active_count == 0


def test_a_closer_that_throws_is_reported_once_and_the_place_is_free(make, things):
    error = Refused("stuck")

    def close(raw):
        raw.close()
        raise error

    pool = make(things, max_connections=1, close=close)
    conn = pool.getconn()
    with pytest.raises(netconnpool.CloseFailed) as caught:
        pool.putconn(conn, discard=True)
    assert caught.value.__cause__ is error
    other = pool.getconn(timeout=LONG)
    with pytest.raises(netconnpool.CloseFailed):
        other.close()
    assert pool.stats().closed == 2


def test_close_reports_the_first_closer_that_threw(things):
    def close(raw):
        raw.close()
        raise Refused(raw.number)

    pool = Pool(things, min_connections=2, close=close)
    pool.prewarm_wait(LONG)
    with pytest.raises(netconnpool.CloseFailed):
        pool.close()
    pool.close()


def test_hooks_that_nobody_waits_for_are_logged(make, things, caplog):
    def on_close(raw, reason):
        raise Refused("in on_close")

    pool = make(things, on_close=on_close, name="books")
    with caplog.at_level(logging.ERROR, "netconnpool"):
        with pool.connection() as conn:
            pool.putconn(conn, discard=True)
    assert "books: on_close failed" in caplog.text
    assert "in on_close" in caplog.text
    assert things.made[0].closed == 1


@pytest.mark.parametrize(("answer", "kept"), [
    (True, True), (None, True), (1, True), (False, False), (0, False),
    (Refused(), False)])
def test_a_check_says_no_by_false_or_by_an_exception(make, things, answer, kept):
    def check(raw):
        if isinstance(answer, Exception):
            raise answer
        return answer

    pool = make(things, check=check, check_on_borrow=True)
    pool.putconn(pool.getconn())
    with pool.connection() as conn:
        assert (conn.raw is things.made[0]) == kept
    assert pool.stats().hc_failures == (not kept)


def test_checks_run_in_the_background(make, things):
    checked = []
    pool = make(things, check=checked.append, health_check_interval=0.01)
    pool.putconn(pool.getconn())
    until(lambda: len(checked) > 2)
    assert set(checked) == {things.made[0]}


def test_plain_objects_need_no_close(make):
    pool = make(object)
    with pool.connection() as conn:
        pool.putconn(conn, discard=True)
    assert pool.stats().closed == 1


def test_what_a_hook_throws_at_the_program_is_not_wrapped(make, things):
    def on_borrow(raw):
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        make(things, on_borrow=on_borrow).getconn()

    def on_return(raw):
        raise KeyboardInterrupt

    pool = make(things, on_return=on_return)
    conn = pool.getconn()
    with pytest.raises(KeyboardInterrupt):
        pool.putconn(conn)

    def on_close(raw):
        raise KeyboardInterrupt

    pool = make(things, on_close=on_close)
    conn = pool.getconn()
    with pytest.raises(KeyboardInterrupt):
        pool.putconn(conn, discard=True)
    assert things.made[-1].closed == 1


def test_a_dialers_exit_is_the_cause_not_the_end_of_the_caller(make):
    def dial():
        raise SystemExit

    with pytest.raises(ConnectFailed) as caught:
        make(dial).getconn()
    assert isinstance(caught.value.__cause__, SystemExit)


# -------------------------------------------------------------------- re-entry


def everything(pool):
    """Every call that leaves a pool usable."""
    pool.stats()
    pool.describe()
    pool.leases()
    pool.dial_error()
    pool.set("idle_timeout", 60)
    pool.option("idle_timeout")
    pool.resize(20)
    pool.wake()
    repr(pool)
    if not pool.is_closed:
        pool.suspend()
        pool.resume()


@pytest.mark.parametrize("hook", [
    "dial", "on_created", "on_borrow", "on_return", "on_close", "close", "check"])
def test_a_callback_may_call_the_pool(things, hook):
    called = []

    def callback(raw=None, reason=None):
        called.append(hook)
        if len(called) == 1:
            everything(pool)
            with pool.connection(timeout=LONG):
                pass
        if hook == "close":
            raw.close()

    def dial():
        if hook == "dial":
            callback()
        return things()

    hooks = {} if hook == "dial" else {hook: callback}
    pool = Pool(dial, min_connections=0, max_connections=20, check_on_borrow=True,
                **hooks)
    for _ in range(2):
        with pool.connection():
            pass
    with pool.connection() as conn:
        pool.putconn(conn, discard=True)
    pool.close()
    assert called
    until(lambda: settled(pool))


@pytest.mark.parametrize("hook", [
    "dial", "on_created", "on_borrow", "on_return", "on_close", "close", "check"])
def test_a_callback_may_close_the_pool(things, hook):
    def callback(raw=None, reason=None):
        pool.close()
        if hook == "close":
            raw.close()

    def dial():
        if hook == "dial":
            callback()
        return things()

    hooks = {} if hook == "dial" else {hook: callback}
    pool = Pool(dial, min_connections=0, check_on_borrow=True, **hooks)
    try:
        pool.putconn(pool.getconn())
        pool.putconn(pool.getconn(), discard=True)
    except netconnpool.PoolError:
        pass
    pool.close()
    until(lambda: settled(pool))
    assert pool.is_closed


def test_on_return_cannot_give_its_own_connection_back_again(make, things):
    seen = []

    def on_return(raw):
        with pytest.raises(netconnpool.InvalidConnection) as caught:
            pool.putconn(conn)
        seen.append(caught.value)

    pool = make(things, on_return=on_return)
    conn = pool.getconn()
    pool.putconn(conn)
    assert len(seen) == 1
    assert pool.idle_count == 1


# ------------------------------------------------------------------------- log


def test_the_log_is_pythons(make, things, caplog):
    pool = make(things, name="books", log_level="debug")
    with caplog.at_level(logging.DEBUG, "netconnpool"):
        with pool.connection() as conn:
            number = conn.id
    line = f"books: connection={number} event=create"
    assert any(record.getMessage().startswith(line) for record in caplog.records)


def test_another_logger_may_be_given(make, caplog):
    def dial():
        raise Refused("never")

    with caplog.at_level(logging.WARNING, "of.mine"):
        with pytest.raises(ConnectFailed):
            make(dial, logger=logging.getLogger("of.mine")).getconn()
    assert {record.name for record in caplog.records} == {"of.mine"}
    assert "never" in caplog.text


def test_nothing_is_printed(make, things, capfd):
    def fail(*args):
        raise Refused("loud")

    pool = make(things, on_close=fail, on_return=fail, check=fail,
                check_on_borrow=True)
    for _ in range(3):
        conn = pool.getconn()
        with pytest.raises(netconnpool.PoolError):
            pool.putconn(conn)
    pool.close()
    os.sync()
    assert capfd.readouterr() == ("", "")
