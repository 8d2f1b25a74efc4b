"""Requests that vanish give back what they held."""
import socket
import threading

from common import GET, LOCATIONS, POOL, opening, stats, wait_for

ABORT = "lua_check_client_abort on;\n"
ABORTED = ("client prematurely closed", "client abort", "broken pipe")


def aborting():
    get = f"{ABORT} content_by_lua_block {{ {GET} }}"
    return {**LOCATIONS, "/get": get}


def all_back(one, idle=None):
    def look():
        counted = stats(one)
        return counted["active"] == 0 and counted["waiting"] == 0 and (
            idle is None or counted["idle"] == idle)
    return wait_for(look)


def test_a_client_that_leaves_gives_back_what_its_request_held(nginx, peer):
    one = nginx(aborting(), init_worker=opening(peer, max_connections=1),
                allow=ABORTED)
    sock = one.open_request("/get?hold=20000")
    assert wait_for(lambda: stats(one)["active"] == 1)
    sock.close()
    assert one.text("/get?timeout=5000") == "2 hello", "its connection was lent on"
    assert peer.wait_for_open(1) == 1
    assert all_back(one)


def test_a_client_that_leaves_the_line_swallows_no_connection(nginx, peer):
    one = nginx(aborting(), init_worker=opening(peer, max_connections=1),
                allow=ABORTED)
    holder = one.open_request("/get?hold=500")
    assert wait_for(lambda: stats(one)["active"] == 1)
    leaving = [one.open_request("/get") for _ in range(10)]
    assert wait_for(lambda: stats(one)["waiting"] == 10)
    staying = one.open_request("/get?text=stays")
    assert wait_for(lambda: stats(one)["waiting"] == 11)
    for sock in leaving:
        sock.close()
    assert wait_for(lambda: stats(one)["waiting"] == 1)
    assert b"1 stays" in staying.recv(4096)
    for sock in (holder, staying):
        sock.close()
    assert all_back(one)
    assert stats(one)["canceled"] == 10


def test_aborts_under_load_lose_nothing(nginx, peer):
    one = nginx(aborting(), init_worker=opening(peer, max_connections=4),
                allow=ABORTED)

    def abort_some(seed):
        for number in range(40):
            sock = one.open_request(f"/get?hold={(number * 7 + seed) % 15}")
            if number % 3:
                sock.settimeout((number % 5) * 0.003 + 0.001)
                try:
                    sock.recv(4096)
                except socket.timeout:
                    pass
            sock.close()

    def work(results):
        for number in range(40):
            results.append(one.get(f"/get?text=w{number}").body)

    results = []
    crew = [threading.Thread(target=abort_some, args=(seed,)) for seed in range(6)]
    crew += [threading.Thread(target=work, args=(results,)) for _ in range(2)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    assert sorted(body.split()[1] for body in results) == sorted(
        f"w{number}" for number in range(40) for _ in range(2))
    assert all_back(one)
    counted = stats(one)
    assert counted["current"] <= 4
    assert counted["total"] == (counted["successful"] + counted["failed"]
                                + counted["timeout"])
    assert wait_for(lambda: peer.open_count() == stats(one)["current"])


def test_a_lua_error_while_holding_gives_back(nginx, peer):
    one = nginx({**LOCATIONS, "/fail": POOL + """
        local lease = assert(pool:acquire(1000))
        lease:connect()
        error("the user's mistake")
    """}, init_worker=opening(peer, max_connections=1),
        allow=("the user's mistake",))
    for _ in range(5):
        assert one.get("/fail").status == 500
    assert one.text("/get") == "6 hello"
    assert all_back(one)
    assert stats(one)["closed"] == 5


def test_an_exit_while_holding_gives_back(nginx, peer):
    one = nginx({**LOCATIONS, "/exit": POOL + """
        assert(pool:acquire(1000))
        ngx.exit(204)
    """}, init_worker=opening(peer, max_connections=1))
    for _ in range(5):
        assert one.get("/exit").status == 204
    assert one.get("/get").status == 200
    assert all_back(one)


def test_a_timer_that_forgets_and_one_that_dies_give_back(nginx, peer):
    one = nginx({**LOCATIONS, "/timers": POOL + """
        ngx.timer.at(0, function() assert(pool:acquire(1000)) end)
        ngx.timer.at(0, function() assert(pool:acquire(1000)) error("dies") end)
        ngx.sleep(0.1)
        ngx.say(pool:active_count())
    """}, init_worker=opening(peer), allow=("dies",))
    assert one.text("/timers") == "0"
    assert all_back(one)


def test_a_light_thread_that_is_killed_gives_back_with_its_request(nginx, peer):
    one = nginx({**LOCATIONS, "/kill": POOL + """
        local held = assert(pool:acquire(1000))
        local thread = ngx.thread.spawn(function() pool:acquire(10000) end)
        ngx.sleep(0.01)
        ngx.say(pool:waiting_count())
        ngx.thread.kill(thread)
        held:put()
        ngx.sleep(0.05)
        ngx.say(pool:waiting_count())
    """}, init_worker=opening(peer, max_connections=1))
    assert one.text("/kill").splitlines()[0] == "1"
    assert one.text("/get?timeout=2000").endswith(" hello")
    assert all_back(one)


def test_a_request_that_is_redirected_inside_nginx_gives_back_at_its_end(nginx, peer):
    """ngx.exec() takes ngx.ctx away; the request is the same."""
    one = nginx({**LOCATIONS, "/exec": POOL + """
        assert(pool:acquire(1000))
        ngx.exec("/after")
    """, "/after": POOL + """
        local lease = assert(pool:acquire(1000))
        ngx.say(pool:active_count())
        lease:put()
        ngx.say(pool:active_count())
    """}, init_worker=opening(peer))
    assert one.text("/exec").splitlines() == ["2", "1"]
    assert all_back(one)


def test_a_context_that_is_shared_with_a_timer_guards_both(nginx, peer):
    """The timer runs on when the request, whose ngx.ctx it was given, is long over."""
    one = nginx({**LOCATIONS, "/share": POOL + """
        local first = assert(pool:acquire(1000))
        local ctx = ngx.ctx
        ngx.timer.at(0.05, function()
            ngx.ctx = ctx
            local lease = assert(pool:acquire(1000))
            assert(lease:connect())
            ngx.sleep(0.1)
            STILL = lease:is_out() and pool:active_count()
            assert(pool:acquire(1000))      -- never given back
        end)
        first:put()
        ngx.say("started")
    """, "/still": "ngx.say(STILL)"}, init_worker="STILL = false "
        + opening(peer, max_connections=8), allow=("writing a global",))
    for _ in range(4):
        assert one.text("/share") == "started"
    assert wait_for(lambda: one.text("/still") != "false")
    assert int(one.text("/still")) >= 1
    assert all_back(one)


def test_sub_requests_are_guarded_with_their_request(nginx, peer):
    one = nginx({**LOCATIONS, "/outer": POOL + """
        ngx.location.capture("/inner", {ctx = ngx.ctx})
        ngx.location.capture("/inner")
        ngx.say(pool:active_count())
    """, "/inner": POOL + "assert(pool:acquire(1000)) ngx.say('ok')"},
        init_worker=opening(peer))
    assert one.text("/outer") == "2"
    assert all_back(one)


def test_leaks_are_evicted_and_told(nginx, peer):
    one = nginx({**LOCATIONS, "/keep": POOL + """
        local lease = assert(pool:acquire(1000))
        assert(lease:connect())
        ngx.sleep(1.2)
        local ok, err, status = lease:put()
        ngx.say(tostring(ok), " ", status)
    """, "/leaks": "ngx.say(LEAKS)"},
        init_worker="LEAKS = '' " + opening(
            peer, max_connections=1, leak_timeout=200, leak_interval=50,
            leak_evict_multiplier=2,
            on_leak="=function(_, reason) LEAKS = LEAKS .. reason .. ' ' end"),
        allow=("writing a global",))
    keeper = one.open_request("/keep")
    assert wait_for(lambda: stats(one)["evicted"] + stats(one)["leaked"] >= 1)
    assert one.text("/get?timeout=5000").endswith(" hello"), "its place is free"
    assert b"nil " in keeper.recv(4096)
    keeper.close()
    assert one.text("/leaks") == "none leaked"
    assert all_back(one)
    assert peer.wait_for_open(1) == 1, "what was taken away stayed open"
