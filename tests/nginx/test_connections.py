"""The life of a connection: dial, idle, check, age, close."""
import time

from common import LOCATIONS, POOL, at_once, opening, stats, wait_for


def test_an_answer_that_nobody_read_closes_the_connection(nginx, peer):
    one = nginx({**LOCATIONS, "/unread": POOL + """
        local lease = assert(pool:acquire(1000))
        local sock = assert(lease:connect())
        sock:send("one\\ntwo\\n")
        sock:receive()
        ngx.sleep(0.05)          -- "two" is there by now
        ngx.say(lease:put())
    """}, init_worker=opening(peer, max_connections=1))
    assert one.text("/unread") == "true"
    assert one.text("/get?text=mine") == "2 mine", "somebody else's answer was read"
    assert wait_for(lambda: stats(one)["closed"] == 1)
    assert peer.wait_for_open(1) == 1


def test_a_client_that_was_closed_is_not_kept(nginx, peer):
    one = nginx({**LOCATIONS, "/closed": POOL + """
        local lease = assert(pool:acquire(1000))
        assert(lease:connect()):close()
        ngx.say(lease:put())
    """}, init_worker=opening(peer, max_connections=1))
    assert one.text("/closed") == "true"
    assert one.text("/get") == "2 hello"
    assert stats(one)["closed"] == 1


def test_discard_closes_and_makes_room(nginx, peer):
    one = nginx({**LOCATIONS, "/discard": POOL + """
        local lease = assert(pool:acquire(1000))
        assert(lease:connect())
        ngx.say((lease:discard()))
    """}, init_worker=opening(peer, max_connections=1))
    assert one.text("/discard") == "true"
    assert peer.wait_for_open(0) == 0
    assert one.text("/get") == "2 hello"


def test_idle_connections_are_closed_after_idle_timeout(nginx, peer):
    one = nginx(LOCATIONS, init_worker=opening(peer, idle_timeout=300,
                                               cleanup_interval=50))
    assert one.text("/get") == "1 hello"
    begin = time.monotonic()
    assert peer.wait_for_open(0) == 0
    assert time.monotonic() - begin > 0.15
    assert wait_for(lambda: stats(one)["closed"] == 1)
    assert stats(one)["idle"] == 0
    assert one.text("/get") == "2 hello"


def test_nginx_closes_an_idle_connection_itself_when_the_pool_does_not(nginx, peer):
    """The pool's own time has been stopped; nginx's goes on."""
    one = nginx(LOCATIONS, init_worker="CLOCK = require('resty.netconnpool')"
                ".manual_clock() " + opening(peer, idle_timeout=100, max_lifetime=0, clock="=CLOCK"),
                allow=("writing a global",))
    assert one.text("/get") == "1 hello"
    assert peer.wait_for_open(0) == 0
    assert stats(one)["idle"] == 1, "the pool does not know yet"
    assert one.text("/get") == "2 hello", "its borrower gets a new one"
    assert stats(one)["renewed"] == 1


def test_a_connection_is_closed_after_max_lifetime(nginx, peer):
    one = nginx(LOCATIONS, init_worker=opening(
        peer, max_connections=1, max_lifetime=250, idle_timeout=200, expiry_jitter=0,
        cleanup_interval=50))
    assert one.text("/get?hold=400") == "1 hello", "never under its borrower"
    assert peer.wait_for_open(0) == 0
    assert one.text("/get") == "2 hello"
    begin = time.monotonic()
    assert peer.wait_for_open(0) == 0, "an idle one is closed for its age too"
    assert time.monotonic() - begin < 5
    assert wait_for(lambda: stats(one)["closed"] == 2)


def test_a_check_finds_what_the_peer_closed(nginx, peer):
    one = nginx(LOCATIONS, init_worker=opening(
        peer, max_connections=3, min_connections=3, health_check_interval=200,
        health_check_timeout=100, maintain_min=False))
    assert peer.wait_for_open(3) == 3
    assert wait_for(lambda: stats(one)["hc_attempts"] >= 3)
    assert stats(one)["hc_failures"] == 0 and peer.accepted == 3
    peer.close_all()
    assert wait_for(lambda: stats(one)["idle"] == 0)
    counted = stats(one)
    assert counted["hc_failures"] == 3 and counted["closed"] == 3
    assert peer.accepted == 3, "a check dialed"


PING = """=function(sock)
    sock:send(CHECKS_WITH .. "\\n")
    CHECKS = CHECKS + 1
    return sock:receive() ~= nil
end"""


def test_a_check_of_the_users_own_is_asked_with_a_client(nginx, peer):
    one = nginx({**LOCATIONS, "/checks": "ngx.say(CHECKS)",
                 "/sicken": "CHECKS_WITH = ':close'"},
                init_worker="CHECKS, CHECKS_WITH = 0, 'ping' " + opening(
                    peer, max_connections=1, check=PING, check_on_borrow=True,
                    health_check=False),
                allow=("writing a global", "failed to write"))
    assert one.text("/get") == "1 hello"
    assert one.text("/get") == "1 hello"
    assert one.text("/checks") == "1", "a new connection needs no check"
    one.text("/sicken")
    assert one.text("/get") == "2 hello", "a sick one was lent"
    assert one.text("/checks") == "2"
    assert stats(one)["hc_failures"] >= 1


def test_a_borrower_never_sees_what_the_peer_closed(nginx, peer):
    one = nginx(LOCATIONS, init_worker=opening(peer, max_connections=4,
                                               health_check=False))
    at_once(one, ["/get?hold=50"] * 4)
    for _ in range(5):
        peer.close_all()
        assert peer.wait_for_open(0) == 0
        replies = at_once(one, ["/get?hold=20"] * 8)
        assert [reply.status for reply in replies] == [200] * 8
    assert peer.most <= 4
    counted = stats(one)
    assert counted["renewed"] >= 4
    assert counted["active"] == 0


def test_flush_closes_what_is_idle_now_and_what_is_lent_later(nginx, peer):
    one = nginx({**LOCATIONS, "/flush": POOL + "ngx.say(pool:flush())",
                 "/lent": POOL + """
        local a, b = assert(pool:acquire(1000)), assert(pool:acquire(1000))
        a:connect() b:connect()
        b:put()
        pool:flush()
        ngx.sleep(0.1)
        ngx.say(pool:active_count(), " ", pool:idle_count())
        local sock = a:connect()
        sock:send("still\\n")
        ngx.say(sock:receive():match(" (.*)"))
        a:put()
    """}, init_worker=opening(peer))
    assert one.text("/lent").splitlines() == ["1 0", "still"]
    assert peer.wait_for_open(0) == 0
    assert wait_for(lambda: stats(one)["closed"] == 2)


def test_resize_serves_who_waits_and_closes_what_is_too_many(nginx, peer):
    one = nginx({**LOCATIONS, "/resize": POOL + """
        assert(pool:resize(tonumber(ngx.var.arg_to)))
        ngx.say((pool:set("max_idle_connections", tonumber(ngx.var.arg_to))))"""},
        init_worker=opening(peer, max_connections=1))
    sockets = [one.open_request("/get?hold=400") for _ in range(4)]
    assert wait_for(lambda: stats(one)["waiting"] == 3)
    assert one.text("/resize?to=4") == "true"
    assert wait_for(lambda: stats(one)["active"] == 4), "who waits was not served"
    for sock in sockets:
        assert b"200 OK" in sock.recv(4096)
        sock.close()
    assert wait_for(lambda: stats(one)["idle"] == 4)
    one.text("/resize?to=2")
    assert peer.wait_for_open(2) == 2
    assert stats(one)["idle"] == 2


def test_a_suspended_pool_lends_nothing_until_it_is_resumed(nginx, peer):
    one = nginx({**LOCATIONS, "/suspend": POOL + "ngx.say(pool:suspend())",
                 "/resume": POOL + "ngx.say(pool:resume())"},
                init_worker=opening(peer))
    one.text("/get")
    one.text("/suspend")
    assert one.get("/get?timeout=100").body.startswith("timeout: ")
    waiting = one.open_request("/get")
    assert wait_for(lambda: stats(one)["waiting"] == 1)
    one.text("/resume")
    assert b"200 OK" in waiting.recv(4096)
    waiting.close()


def test_drain_waits_for_what_is_lent_without_blocking(nginx, peer):
    one = nginx({**LOCATIONS, "/drain": POOL + """
        local begin = ngx.now()
        local ok, err, status = pool:drain(tonumber(ngx.var.arg_ms))
        ngx.update_time()
        ngx.say(tostring(ok), " ", tostring(status), " ", ngx.now() - begin >= 0.2)
    """}, init_worker=opening(peer, max_connections=3))
    holder = one.open_request("/get?hold=400")
    assert wait_for(lambda: stats(one)["active"] == 1)
    draining = one.open_request("/drain?ms=5000")
    begin = time.monotonic()
    assert one.text("/hello") == "hello"
    assert time.monotonic() - begin < 0.3, "drain blocked the worker"
    reply = one.get("/get")
    assert reply.status == 503 and reply.body.startswith("closed: ")
    assert b"1 hello" in holder.recv(4096)
    assert b"true nil true" in draining.recv(4096)
    assert peer.wait_for_open(0) == 0
    for sock in (holder, draining):
        sock.close()


def test_drain_takes_away_what_does_not_come_back(nginx, peer):
    one = nginx({**LOCATIONS, "/drain": POOL + """
        ngx.say(select(3, pool:drain(100)))"""}, init_worker=opening(peer))
    holder = one.open_request("/get?hold=600")
    assert wait_for(lambda: stats(one)["active"] == 1)
    assert one.text("/drain") == "timeout"
    holder.recv(4096)
    holder.close()
    assert peer.wait_for_open(0) == 0
    assert stats(one)["active"] == 0


def test_describe_tells_the_state(nginx, peer):
    one = nginx(LOCATIONS, init_worker=opening(peer))
    one.text("/get")
    said = one.text("/describe")
    assert "pool p: open" in said and "1 idle" in said and "limit 2" in said


def test_a_failed_dial_is_told_with_its_reason(nginx, peer):
    one = nginx(LOCATIONS, init_worker=opening(peer, create_retries=0, port=1),
                allow=("Connection refused",))
    reply = one.get("/get")
    assert reply.status == 503
    assert reply.body == "dial: connection refused\n"
    assert "last dial" in one.text("/describe") or "refused" in one.text("/describe")
    assert stats(one)["connection_errors"] == 1
    assert stats(one)["failed"] == 1


def test_what_connect_throws_comes_out_as_the_same_value(nginx, peer):
    one = nginx({**LOCATIONS, "/mine": POOL + """
        local lease, err, status = pool:acquire(1000)
        ngx.say(tostring(lease), " ", rawequal(err, MINE), " ", status)
    """}, init_worker="MINE = {} " + opening(
        peer, create_retries=0, connect="=function() error(MINE) end"),
        allow=("writing a global",))
    assert one.text("/mine") == "nil true dial"
    assert one.text("/mine") == "nil true dial"


def test_a_dial_that_nobody_waits_for_any_more_is_kept(nginx, peer):
    slow = """=function(options)
        ngx.sleep(0.3)
        local sock = ngx.socket.tcp()
        assert(sock:connect(options.host, options.port, options))
        return sock
    end"""
    one = nginx({**LOCATIONS, "/peek": POOL + "ngx.say(pool:idle_count())"},
                init_worker=opening(peer, connect=slow))
    assert one.get("/get?timeout=100").body.startswith("timeout: ")
    assert wait_for(lambda: one.text("/peek") == "1")
    assert peer.accepted == 1


def test_a_pool_of_other_things_is_dialed_by_the_users_function(nginx, peer):
    """Not only cosockets: whatever the function makes is lent and closed."""
    one = nginx({**LOCATIONS, "/thing": POOL + """
        local a = assert(pool:acquire(1000))
        local b = assert(pool:acquire(1000))
        ngx.say(a:object().number, b:object().number)
        local c, _, status = pool:acquire(50)
        ngx.say(tostring(c), " ", status)
        a:put()
        b:discard()
        ngx.sleep(0.05)
        ngx.say(CLOSED, " ", pool:idle_count())
    """}, init_worker="MADE, CLOSED = 0, '' " + opening(
        None, host=None, port=None,
        dial="=function() MADE = MADE + 1 return {number = MADE} end",
        close="=function(connection, reason) CLOSED = CLOSED .. "
              "connection.object.number .. reason end"),
        allow=("writing a global",))
    assert one.text("/thing").splitlines() == ["12", "nil timeout", "2discarded 1"]


def test_memory_does_not_grow_with_the_requests(nginx, peer):
    one = nginx({**LOCATIONS, "/many": POOL + """
        for _ = 1, 4000 do
            local lease = assert(pool:acquire(1000))
            assert(lease:connect())
            lease:put()
        end
        for _ = 1, 20 do                       -- dials and closes too
            local lease = assert(pool:acquire(1000))
            lease:connect()
            lease:discard()
        end
        collectgarbage() collectgarbage()
        ngx.say(math.floor(collectgarbage("count")))
    """}, init_worker=opening(peer))
    for _ in range(4):
        one.text("/many")
    lua_before, before = int(one.text("/many")), one.memory_kb()
    for _ in range(12):
        lua_after = int(one.text("/many"))
    assert lua_after < lua_before * 1.2 + 100
    assert one.memory_kb() < before * 1.15 + 1500
    assert stats(one)["active"] == 0
