"""The collector at full speed, errors from every function, calls back into the pool,
things that are dropped."""
import threading

import pytest
from common import GET, LOCATIONS, POOL, at_once, opening, stats, wait_for

# A full cycle at each request, and steps of the collector all the time.
BUSY = "collectgarbage('setpause', 1) collectgarbage('setstepmul', 100000) "


def test_under_a_collector_at_full_speed_nothing_is_lost(nginx, peer):
    one = nginx({**LOCATIONS, "/get": "collectgarbage()\n" + GET + "collectgarbage()"},
                init_worker=BUSY + opening(peer, max_connections=3,
                                           health_check_interval=50,
                                           health_check_timeout=40))
    replies = at_once(one, [f"/get?text=g{i}&hold={i % 4}" for i in range(200)],
                      threads=16)
    assert [reply.body.split()[-1] for reply in replies] == [
        f"g{i}" for i in range(200)]
    counted = stats(one)
    assert counted["lost"] == 0 and counted["active"] == 0
    assert counted["created"] <= 3


def test_the_collector_takes_nothing_away_from_who_borrows(nginx, peer):
    """Compiled code that borrows and gives back, met by the end of many cycles."""
    one = nginx({**LOCATIONS, "/loop": POOL + """
        local function once()           -- as a request does
            local lease = assert(pool:acquire(1000))
            assert(lease:is_out(), "it was taken away")
            assert(lease:put())
        end
        for _ = 1, 20000 do ngx.thread.wait(ngx.thread.spawn(once)) end
        ngx.say(pool:stats().lost)
    """}, init_worker="collectgarbage('setpause', 100) " + opening(
        peer, max_connections=64, max_idle_connections=64, min_connections=64,
        idle_order="fifo"))
    assert wait_for(lambda: stats(one)["idle"] == 64)
    for _ in range(5):
        assert one.text("/loop") == "0"


def test_without_the_compiler_it_is_the_same_pool(nginx, peer):
    one = nginx(LOCATIONS, init_worker="jit.off() " + opening(peer))
    replies = at_once(one, [f"/get?text=i{i}" for i in range(60)], threads=8)
    assert [reply.body.split()[-1] for reply in replies] == [
        f"i{i}" for i in range(60)]
    assert peer.most <= 2


def test_a_lease_that_is_dropped_is_found_before_its_request_ends(nginx, peer):
    """The guard would give it back at the end; the collector is sooner."""
    one = nginx({**LOCATIONS, "/drop": POOL + """
        do local lease = assert(pool:acquire(1000)) lease:connect() lease = nil end
        for _ = 1, 5 do collectgarbage() ngx.sleep(0.01) end
        local lease, err = pool:acquire(1000)
        ngx.say(lease ~= nil, " ", tostring(err), " ", pool:stats().lost)
        lease:put()
    """}, init_worker=opening(peer, max_connections=1))
    assert one.text("/drop") == "true nil 1"


def test_without_a_guard_the_collector_gives_back(nginx, peer):
    """How it is in the stream subsystem, which has no chain of clean-ups."""
    one = nginx({**LOCATIONS, "/fail": POOL + """
        assert(pool:acquire(1000))
        error("the user's mistake")
    """, "/collect": "collectgarbage() collectgarbage() ngx.say('ok')"},
        init_worker="require('resty.netconnpool.guard').available = false "
        + opening(peer, max_connections=1), allow=("the user's mistake",))
    assert one.get("/fail").status == 500
    assert wait_for(lambda: one.text("/collect") and stats(one)["active"] == 0)
    assert one.text("/get?timeout=2000").endswith(" hello")
    assert stats(one)["lost"] >= 1


HOOKS = {
    "on_created": "dial", "on_borrow": "hook", "on_return": None, "on_close": None,
    "check": None,
}


@pytest.mark.parametrize("hook", list(HOOKS))
def test_what_a_function_throws_loses_no_slot(nginx, peer, hook):
    """The first three calls throw."""
    one = nginx({**LOCATIONS, "/try": POOL + """
        for _ = 1, 6 do
            local lease, err = pool:acquire(500)
            if lease then
                assert(lease:connect())
                local ok, put_err = lease:put()
                SAME = SAME or rawequal(put_err, MINE)
            else
                SAME = SAME or rawequal(err, MINE)
            end
        end
        ngx.say(tostring(SAME))
    """}, init_worker="MINE, CALLS, SAME = {}, 0, false " + opening(
        peer, max_connections=1, create_retries=0, idle_timeout=100,
        max_lifetime=0, cleanup_interval=20, health_check_interval=60,
        health_check_timeout=50, check_on_borrow=hook == "check",
        **{hook: "=function() CALLS = CALLS + 1 "
                 "if CALLS <= 3 then error(MINE) end return true end"}),
        allow=("writing a global",))
    said = one.text("/try")
    if hook in ("on_created", "on_borrow", "on_return"):
        assert said == "true", "the error is another one"
    assert wait_for(lambda: stats(one)["active"] == 0)
    assert one.text("/get?timeout=2000").endswith(" hello")
    counted = stats(one)
    assert counted["waiting"] == 0 and counted["dialing"] == 0
    assert counted["current"] <= 1
    assert wait_for(lambda: peer.open_count() == stats(one)["current"])


def test_functions_may_call_the_pool(nginx, peer):
    calls = """=function(connection)
        local pool = require("resty.netconnpool").pool("p")
        if not pool then return true end
        pool:stats() pool:describe() pool:leases() pool:resize(2)
        local lease = pool:try_acquire()
        if lease then lease:put() end
        return true
    end"""
    one = nginx(LOCATIONS, init_worker=opening(
        peer, max_connections=2, on_created=calls, on_borrow=calls, on_return=calls,
        on_close=calls, check=calls, check_on_borrow=True))
    replies = at_once(one, ["/get"] * 40, threads=6)
    assert {reply.status for reply in replies} == {200}
    assert wait_for(lambda: stats(one)["active"] == 0)


def test_a_dial_may_borrow_from_another_pool(nginx, peer):
    """A function that connects is in a place that can wait."""
    one = nginx({**LOCATIONS, "/other": """
        ngx.say(require("resty.netconnpool").pool("permits"):stats().successful)
    """}, init_worker=opening(None, name="permits", host=None, port=None,
                              max_connections=1, dial="=function() return {} end")
        + opening(peer, max_connections=3, connect="""=function(options)
            local permit = assert(require("resty.netconnpool").pool("permits")
                :acquire(2000))
            local sock = ngx.socket.tcp()
            local ok, err = sock:connect(options.host, options.port, options)
            ngx.sleep(0.01)
            permit:put()
            return ok and sock, err
        end"""))
    replies = at_once(one, ["/get?hold=50"] * 3)
    assert {reply.status for reply in replies} == {200}
    assert int(one.text("/other")) >= 6, "each dial and each connect took a permit"


def test_closing_the_pool_under_load_ends_every_request(nginx, peer):
    one = nginx({**LOCATIONS, "/close": POOL + "ngx.say(tostring((pool:close())))",
                 "/reopen": opening(peer) + "ngx.say('open')"},
                init_worker=opening(peer))
    replies = []
    crew = [threading.Thread(target=lambda: replies.extend(
        at_once(one, ["/get?hold=5"] * 20, threads=4))) for _ in range(3)]
    for thread in crew:
        thread.start()
    assert wait_for(lambda: stats(one)["successful"] > 5)
    assert one.text("/close") == "true"
    for thread in crew:
        thread.join()
    assert len(replies) == 60
    assert {reply.status for reply in replies} <= {200, 503}
    assert peer.wait_for_open(0) == 0
    assert one.text("/reopen") == "open", "a name can be used again after a close"
    assert one.get("/get").status == 200
