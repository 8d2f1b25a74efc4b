"""Keywords, values, and what is said to those that are wrong."""
import socket

import pytest

import netconnpool
from netconnpool import InvalidConfig, Pool
from netconnpool._constants import OPTION_TYPES, Type


def made(**options):
    options.setdefault("min_connections", 0)
    with Pool(lambda: None, **options) as pool:
        return pool


@pytest.mark.parametrize("name", sorted(OPTION_TYPES))
def test_every_option_is_a_keyword(name):
    """Its own value, taken from a pool that has the defaults, is accepted."""
    if name in ("driver", "host_events"):
        with pytest.raises(TypeError, match="class decides"):
            made(**{name: 1})
        return
    if name in ("target", "listener_fd", "mode"):
        return  # each has tests of its own below
    if OPTION_TYPES[name] == Type.TEXT:
        assert made(**{name: "of this name"}).name == "of this name"
        return
    value = made().option(name)
    assert made(**{name: value}).option(name) == value


@pytest.mark.parametrize(("given", "seconds"), [
    (2, 2.0), (0.25, 0.25), (0.0001, 0.001), ("250ms", 0.25), ("1m0s", 60.0),
    (True, None)])
def test_durations_are_seconds_or_text(given, seconds):
    if seconds is None:
        with pytest.raises(TypeError, match="must be seconds"):
            made(get_timeout=given)
    else:
        assert made(get_timeout=given).option("get_timeout") == seconds


@pytest.mark.parametrize(("name", "value"), [
    ("get_timeout", -0.001), ("idle_timeout", 0), ("max_lifetime", 0),
    ("leak_timeout", 0), ("max_connections", 0), ("max_waiters", 0)])
def test_none_stands_for_no_limit(name, value):
    assert made(**{name: None}).option(name) == value


def test_none_is_refused_where_it_means_nothing():
    with pytest.raises(TypeError, match="connection_timeout cannot be None"):
        made(connection_timeout=None)


@pytest.mark.parametrize(("name", "value"), [
    ("max_connections", 2.5), ("max_connections", object()),
    ("idle_timeout", object()), ("name", 5), ("idle_order", [])])
def test_a_value_of_the_wrong_type_is_a_type_error(name, value):
    with pytest.raises(TypeError, match=name):
        made(**{name: value})


@pytest.mark.parametrize(("name", "value", "reason"), [
    ("max_connections", -1, "max_connections is -1"),
    ("get_timeout", 0, "get_timeout"),
    ("idle_order", "sideways", "sideways"),
    ("health_check", "perhaps", "perhaps"),
    ("max_idle_connections", 0, "max_idle_connections"),
    ("target", "http://x", "http")])
def test_a_value_that_is_refused_is_explained(name, value, reason):
    with pytest.raises(InvalidConfig, match=reason) as caught:
        made(**{name: value})
    assert isinstance(caught.value, ValueError)
    assert caught.value.status == netconnpool.Status.EINVALIDCONFIG


@pytest.mark.parametrize(("wrong", "right"), [
    ("max_conections", "max_connections"), ("on_borow", "on_borrow"),
    ("listner", "listener"), ("idletimeout", "idle_timeout")])
def test_an_unknown_keyword_is_told_the_nearest(wrong, right):
    with pytest.raises(TypeError, match=f"{wrong!r}; did you mean {right!r}"):
        made(**{wrong: 1})


def test_an_unknown_keyword_like_none_of_ours_is_only_named():
    with pytest.raises(TypeError, match="unknown keyword 'qqq'$"):
        made(qqq=1)


def test_a_pool_needs_something_to_dial():
    with pytest.raises(InvalidConfig, match="target"):
        Pool()
    with pytest.raises(TypeError, match="must be a target or a function"):
        Pool(42)
    with pytest.raises(TypeError, match="twice"):
        Pool("tcp://127.0.0.1:1", target="tcp://127.0.0.1:1")


def test_the_target_may_be_a_keyword(echo):
    with Pool(target=echo.target, min_connections=0) as pool:
        with pool.connection() as conn:
            assert isinstance(conn.raw, socket.socket)


def test_what_is_obvious_is_corrected():
    assert made(max_connections=3).option("max_idle_connections") == 3


def test_the_mode_may_be_said():
    assert made(mode="client").option("mode") == 0
    with pytest.raises(InvalidConfig, match="listener"):
        Pool(mode="server")
    with pytest.raises(InvalidConfig, match="sideways"):
        Pool(mode="sideways")


def test_numbers_of_other_types_are_numbers():
    class Ten:
        def __index__(self):
            return 10

    assert made(max_connections=Ten()).option("max_connections") == 10


def test_wrong_protocols_and_versions_are_refused_at_once(make, things):
    pool = make(things)
    for wanted in ({"protocol": "sctp"}, {"protocol": 7}, {"ip": "ipv5"}, {"ip": -1}):
        with pytest.raises(netconnpool.InvalidArgument):
            pool.getconn(**wanted)
    assert not things.made
