"""Borrowing and giving back: who gets which connection, and when."""
import re
import threading
import time

from common import GET, LOCATIONS, POOL, at_once, opening, stats, wait_for


def test_a_connection_is_used_again_by_the_next_request(nginx, peer):
    one = nginx(LOCATIONS, init_worker=opening(peer))
    answers = {one.text(f"/get?text=t{i}") for i in range(20)}
    assert answers == {f"1 t{i}" for i in range(20)}
    assert peer.accepted == 1
    counted = stats(one)
    assert counted["created"] == 1 and counted["reused"] == 19
    assert counted["active"] == 0 and counted["idle"] == 1
    assert counted["successful"] == 20


def test_the_limit_holds_and_replies_are_not_mixed_up(nginx, peer):
    one = nginx(LOCATIONS, init_worker=opening(peer, max_connections=4))
    paths = [f"/get?text=unique{i}" for i in range(400)]
    replies = at_once(one, paths, threads=32)
    assert [reply.status for reply in replies] == [200] * 400
    said = [re.fullmatch(r"(\d+) (unique\d+)\n", reply.body) for reply in replies]
    assert [match[2] for match in said] == [f"unique{i}" for i in range(400)]
    assert {int(match[1]) for match in said} <= {1, 2, 3, 4}
    assert peer.accepted <= 4 and peer.most <= 4
    counted = stats(one)
    assert counted["created"] <= 4 and counted["closed"] == 0
    assert counted["active"] == 0 and counted["waiting"] == 0
    assert counted["renewed"] == 0


def test_who_waits_is_served_in_order(nginx, peer):
    one = nginx(LOCATIONS, init_worker=opening(peer, max_connections=1))
    waiting = []
    first = threading.Thread(target=one.get, args=("/get?hold=1500",))
    first.start()
    assert wait_for(lambda: stats(one)["active"] == 1)
    for number in range(8):
        waiting.append(threading.Thread(
            target=one.text, args=(f"/get?text=n{number}",)))
        waiting[-1].start()
        assert wait_for(lambda number=number: stats(one)["waiting"] == number + 1)
    for thread in [first, *waiting]:
        thread.join()
    assert peer.lines == ["hello"] + [f"n{number}" for number in range(8)]
    assert peer.accepted == 1


def test_waiting_ends_at_its_limit(nginx, peer):
    one = nginx(LOCATIONS, init_worker=opening(peer, max_connections=1))
    holder = threading.Thread(target=one.get, args=("/get?hold=1500",))
    holder.start()
    assert wait_for(lambda: stats(one)["active"] == 1)
    begin = time.monotonic()
    reply = one.get("/get?timeout=150")
    took = time.monotonic() - begin
    assert reply.status == 503 and reply.body.startswith("timeout: ")
    assert "pool p: 1 in use" in reply.body
    assert 0.14 <= took < 1.4
    reply = one.get("/get?timeout=0")
    assert reply.status == 503 and reply.body.startswith("exhausted: ")
    holder.join()
    counted = stats(one)
    assert counted["timeout"] == 1 and counted["waiting"] == 0
    assert counted["active"] == 0


def test_the_worker_is_not_blocked_while_requests_wait(nginx, peer):
    one = nginx(LOCATIONS, init_worker=opening(peer, max_connections=1))
    sockets = [one.open_request("/get?hold=300") for _ in range(12)]
    assert wait_for(lambda: stats(one)["waiting"] == 11)
    begin = time.monotonic()
    for _ in range(20):
        assert one.text("/hello") == "hello"
    assert time.monotonic() - begin < 1.5, "other requests had to wait"
    for sock in sockets:
        sock.close()


def test_connections_are_made_in_advance(nginx, peer):
    one = nginx(LOCATIONS, init_worker=opening(peer, max_connections=4,
                                               min_connections=3))
    assert peer.wait_for_open(3) == 3
    assert wait_for(lambda: stats(one)["idle"] == 3)
    assert one.text("/get").endswith(" hello")
    assert peer.accepted == 3, "a connection that was made in advance was not used"


def test_a_get_may_want_its_limit_and_its_tag_in_a_table(nginx, peer):
    one = nginx({**LOCATIONS, "/tag": POOL + """
        local lease = assert(pool:acquire({timeout_ms = 1000, tag = 77,
                                           protocol = "tcp", ip = "ipv4"}))
        ngx.say(pool:leases()[1].tag, " ", lease:protocol(), " ", lease:ip())
        lease:put()
        local none, _, status = pool:acquire({timeout_ms = 1000, ip = "ipv6"})
        ngx.say(tostring(none), " ", status)
    """}, init_worker=opening(peer))
    assert one.text("/tag") == "77 TCP IPv4\nnil noip"


def test_a_lease_ends_once(nginx, peer):
    one = nginx({**LOCATIONS, "/twice": POOL + """
        local lease = assert(pool:acquire(1000))
        ngx.say(lease:is_out(), " ", lease:put(), " ", lease:is_out())
        local ok, err, status = lease:put()
        ngx.say(tostring(ok), " ", status)
        ngx.say(select(2, lease:connect()))
        local other = assert(pool:acquire(1000))
        lease:discard()
        ngx.say(other:is_out())
        other:put()
    """}, init_worker=opening(peer, max_connections=1))
    assert one.text("/twice").splitlines() == [
        "true true false", "nil invalidconn", "the lease has ended", "true"]
    assert stats(one)["idle"] == 1


def test_with_gives_back_and_discards_after_an_error(nginx, peer):
    one = nginx({**LOCATIONS, "/with": POOL + """
        local answer = pool:with(function(lease)
            local sock = assert(lease:connect())
            sock:send("x\\n")
            return sock:receive()
        end, 1000)
        ngx.say(answer)
        local mine = {}
        local ok, thrown = pcall(pool.with, pool, function(lease)
            assert(lease:connect())
            error(mine)
        end, 1000)
        ngx.say(ok, " ", thrown == mine)
    """}, init_worker=opening(peer))
    assert one.text("/with").splitlines() == ["1 x", "false true"]
    assert wait_for(lambda: stats(one)["closed"] == 1)
    assert peer.wait_for_open(0) == 0


def test_light_threads_of_one_request_share_the_pool(nginx, peer):
    one = nginx({**LOCATIONS, "/threads": POOL + """
        local function task(i)
            local lease = assert(pool:acquire(5000))
            local sock = assert(lease:connect())
            sock:send("n" .. i .. "\\n")
            local answer = sock:receive():match(" (.*)")
            ngx.sleep(0.002)
            lease:put()
            return answer
        end
        local threads = {}
        for i = 1, 30 do threads[i] = ngx.thread.spawn(task, i) end
        for i = 1, 30 do
            local ok, answer = ngx.thread.wait(threads[i])
            assert(ok and answer == "n" .. i)
        end
        ngx.say("done")
    """}, init_worker=opening(peer, max_connections=3))
    assert one.text("/threads") == "done"
    assert peer.accepted <= 3
    assert stats(one)["successful"] == 30


def test_timers_borrow_too(nginx, peer):
    one = nginx({**LOCATIONS, "/timer": POOL + """
        local done = require("ngx.semaphore").new(0)
        ngx.timer.at(0, function()
            for _ = 1, 5 do
                local lease = assert(pool:acquire(1000))
                local sock = assert(lease:connect())
                sock:send("t\\n")
                sock:receive()
                lease:put()
            end
            done:post(1)
        end)
        ngx.say((done:wait(5)))
    """}, init_worker=opening(peer))
    assert one.text("/timer") == "true"
    assert peer.accepted == 1
    assert stats(one)["active"] == 0


def test_every_worker_has_pools_of_its_own(nginx, peer):
    one = nginx({**LOCATIONS, "/pid": GET + "ngx.say(ngx.worker.pid())"},
                workers=2, init_worker=opening(peer, max_connections=1))
    replies = at_once(one, ["/pid?hold=100"] * 12)
    pids = {reply.body.split()[-1] for reply in replies}
    assert len(one.workers()) == 2
    assert peer.accepted == len(pids)
    assert peer.most <= 2
