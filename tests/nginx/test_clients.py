"""Clients made like lua-resty-redis, with a real Redis."""
import threading
import time

import pytest
import redis_peer
from common import POOL, STATS, at_once, opening, stats, wait_for


@pytest.fixture
def redis(need, tmp_path):
    folder = tmp_path / "redis"
    folder.mkdir()
    one = redis_peer.Redis(need("redis-server"), folder, unix=True).start()
    yield one
    one.stop()


INCREMENT = POOL + """
    local lease, err, status = pool:acquire(5000)
    if not lease then ngx.status = 503 ngx.say(status, " ", tostring(err)) return end
    local redis = require("resp").new()
    redis:set_timeouts(1000, 1000, 1000)
    local ok
    ok, err = lease:connect(redis)
    if not ok then lease:discard() ngx.status = 502 ngx.say(err) return end
    local count
    count, err = redis:incr("count")
    if not count then lease:discard() ngx.status = 502 ngx.say(err) return end
    lease:put()
    ngx.say(count)
"""

LOCATIONS = {"/incr": INCREMENT, "/stats": STATS, "/hello": "ngx.say('hello')"}


def connections_of(redis):
    """How many clients there are, besides the one that asks."""
    return redis.info("connected_clients") - 1


def test_a_client_is_connected_by_its_lease(nginx, redis):
    one = nginx(LOCATIONS, init_worker=opening(redis, max_connections=3))
    before = redis.info("total_connections_received")
    replies = at_once(one, ["/incr"] * 200, threads=16)
    assert sorted(int(reply.body) for reply in replies) == list(range(1, 201))
    assert redis.info("total_connections_received") - before <= 3 + 1
    assert wait_for(lambda: connections_of(redis) == stats(one)["current"])


def test_options_are_passed_to_a_client_that_connects_by_itself(nginx, redis):
    one = nginx({**LOCATIONS, "/own": POOL + """
        local lease = assert(pool:acquire(1000))
        local redis = require("resp").new()
        local options = lease:options({backlog = 1})
        assert(redis:connect(options.host, options.port, options))
        assert(lease:uses(redis))
        ngx.say(options.pool, " ", options.pool_size, " ", redis:ping(), " ",
                tostring(lease:is_first_use()))
        lease:put()
    """}, init_worker=opening(redis, max_connections=1))
    assert one.text("/own") == "ncp:p:1 1 PONG true"
    assert one.text("/own") == "ncp:p:1 1 PONG false"
    assert stats(one)["created"] == 1 and stats(one)["renewed"] == 0


def test_a_function_makes_the_client_ready_once_a_connection(nginx, redis):
    """What a password, a database or a prepared statement need."""
    connect = """=function(options)
        local client = require("resp").new()
        local ok, err = client:connect(options.host, options.port, options)
        if not ok then return nil, err end
        if client:get_reused_times() == 0 then
            MADE = MADE + 1
            assert(client:select(3))
            assert(client:client("setname", "worker"))
        end
        return client
    end"""
    one = nginx({**LOCATIONS, "/name": POOL + """
        local lease = assert(pool:acquire(1000))
        local redis = assert(lease:connect())
        ngx.say(redis:client("getname"), " ", MADE)
        lease:put()
    """}, init_worker="MADE = 0 " + opening(redis, max_connections=1,
                                            connect=connect),
        allow=("writing a global",))
    assert [one.text("/name") for _ in range(3)] == ["worker 1"] * 3


def test_a_unix_socket(nginx, redis):
    one = nginx(LOCATIONS, init_worker=opening(
        redis, host=None, port=None, target=f"unix:{redis.unix}"))
    assert [one.text("/incr") for _ in range(3)] == ["1", "2", "3"]
    assert stats(one)["created"] == 1
    assert stats(one)["tcp"] == 0


def test_a_redis_that_is_restarted_is_used_again(nginx, redis):
    one = nginx(LOCATIONS, init_worker=opening(redis, max_connections=3),
                allow=("Connection refused", "Connection reset"))
    at_once(one, ["/incr"] * 10)
    redis.stop()
    assert wait_for(lambda: one.get("/incr").status in (502, 503))
    redis.start()
    assert wait_for(lambda: one.get("/incr").status == 200)
    replies = at_once(one, ["/incr"] * 20)
    assert {reply.status for reply in replies} == {200}
    assert wait_for(lambda: stats(one)["active"] == 0)
    assert connections_of(redis) <= 3


def test_a_redis_that_is_killed_under_load(nginx, redis):
    one = nginx(LOCATIONS, init_worker=opening(redis, max_connections=4),
                allow=("Connection refused", "Connection reset", "Broken pipe"))
    stop, counts = threading.Event(), {200: 0}

    def work():
        while not stop.is_set():
            status = one.get("/incr").status
            counts[status] = counts.get(status, 0) + 1

    crew = [threading.Thread(target=work) for _ in range(6)]
    for thread in crew:
        thread.start()
    for _ in range(2):
        time.sleep(0.4)
        redis.kill()
        time.sleep(0.2)
        redis.start()
    time.sleep(0.4)
    stop.set()
    for thread in crew:
        thread.join()
    assert set(counts) <= {200, 502, 503}
    assert counts[200] > 50
    assert {reply.status for reply in at_once(one, ["/incr"] * 20)} == {200}
    assert wait_for(lambda: stats(one)["active"] == 0)
    assert wait_for(lambda: connections_of(redis) == stats(one)["current"])


def test_a_pipeline_that_was_not_read_to_its_end_is_not_lent_on(nginx, redis):
    one = nginx({**LOCATIONS, "/half": POOL + """
        local lease = assert(pool:acquire(1000))
        local redis = assert(lease:connect(require("resp").new()))
        redis.sock:send("PING\\r\\nECHO left-over\\r\\n")
        ngx.say(redis.sock:receive())
        ngx.sleep(0.05)
        lease:put()
    """}, init_worker=opening(redis, max_connections=1))
    assert one.text("/half") == "+PONG"
    assert one.text("/incr") == "1"
    assert stats(one)["closed"] == 1
