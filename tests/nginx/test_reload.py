"""HUP and QUIT: an old worker is gone as soon as its requests are."""
import threading
import time

from common import LOCATIONS, POOL, opening, stats, wait_for


def gone(one, worker, limit=10):
    """How long it took until a worker was gone."""
    begin = time.monotonic()
    assert wait_for(lambda: worker not in one.workers(), limit), "it is stuck"
    return time.monotonic() - begin


def test_an_idle_worker_leaves_at_once(nginx, peer):
    one = nginx(LOCATIONS, init_worker=opening(peer, max_connections=4,
                                               min_connections=3))
    assert peer.wait_for_open(3) == 3
    (old,) = one.workers()
    one.reload()
    took = gone(one, old)
    print(f"old worker gone in {took * 1000:.0f} ms")
    assert took < 5
    assert peer.wait_for_open(3) == 3, "the old ones are open still, or no new ones"
    assert one.text("/get").endswith(" hello")


def test_quit_ends_the_workers(nginx, peer):
    one = nginx(LOCATIONS, init_worker=opening(peer))
    one.text("/get")
    took = one.stop()
    assert took < 5
    assert peer.wait_for_open(0) == 0


def test_requests_of_the_old_worker_finish(nginx, peer):
    """They hold, wait and borrow anew after the worker was told to exit."""
    one = nginx({**LOCATIONS, "/late": POOL + """
        ngx.sleep(0.5)
        for i = 1, 3 do
            local lease = assert(pool:acquire(5000))
            local sock = assert(lease:connect())
            sock:send("late" .. i .. "\\n")
            ngx.say(sock:receive():match(" (.*)"))
            lease:put()
        end
        ngx.say(ngx.worker.exiting())
    """}, init_worker=opening(peer, max_connections=1))
    (old,) = one.workers()
    late = one.open_request("/late")
    holder = one.open_request("/get?hold=700&text=holder")
    assert wait_for(lambda: stats(one)["active"] == 1)
    waiter = one.open_request("/get?text=waiter")
    assert wait_for(lambda: stats(one)["waiting"] == 1)
    one.reload()
    assert wait_for(lambda: len(one.workers()) == 2)
    assert b"holder" in holder.recv(4096)
    assert b"waiter" in waiter.recv(4096)
    said = b""
    while b"true" not in said:
        piece = late.recv(4096)
        assert piece, said
        said += piece
    assert b"late1" in said and b"late3" in said
    for sock in (late, holder, waiter):
        sock.close()
    assert gone(one, old) < 5


def test_reloads_under_load_lose_no_request(nginx, peer):
    one = nginx(LOCATIONS, init_worker=opening(peer, max_connections=3))
    stop, failed, done = threading.Event(), [], []

    def work(number):
        count = 0
        while not stop.is_set():
            text = f"n{number}x{count}"
            try:
                reply = one.get(f"/get?hold=3&text={text}")
            except OSError as error:
                # A listening socket is never closed by a reload.
                failed.append(repr(error))
                continue
            if reply.status != 200 or not reply.body.endswith(f" {text}\n"):
                failed.append(repr(reply))
            count += 1
        done.append(count)

    crew = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in crew:
        thread.start()
    for _ in range(4):
        before = one.workers()
        one.reload()
        for worker in before:
            assert gone(one, worker) < 8
    stop.set()
    for thread in crew:
        thread.join()
    assert failed == []
    assert sum(done) > 50
    assert wait_for(lambda: stats(one)["active"] == 0)
    assert peer.wait_for_open(stats(one)["current"]) == stats(one)["current"]


def test_a_dial_that_hangs_does_not_keep_the_old_worker_for_long(nginx, peer):
    one = nginx({**LOCATIONS, "/start": POOL + """
        local lease, _, status = pool:acquire(100)
        ngx.say(tostring(lease), " ", status)
    """}, init_worker=opening(peer, connection_timeout=1500, create_retries=0,
                              connect="=function() ngx.sleep(1.5) error('slow') end"))
    assert one.text("/start") == "nil timeout"
    (old,) = one.workers()
    one.reload()
    assert gone(one, old) < 6


def test_nothing_is_left_in_the_folder_of_the_sockets(nginx, peer, tmp_path,
                                                      monkeypatch):
    folder = tmp_path / "sockets"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("TMPDIR", str(folder))
    one = nginx(LOCATIONS, init_worker=opening(peer))
    assert one.text("/get") == "1 hello"
    assert wait_for(lambda: not list(folder.iterdir()))
    one.reload()
    assert wait_for(lambda: one.text("/get") == "2 hello")
    assert wait_for(lambda: not list(folder.iterdir()))


def test_without_a_folder_for_the_socket_it_works_by_looking(nginx, peer,
                                                             monkeypatch):
    monkeypatch.setenv("TMPDIR", "/nonexistent")
    one = nginx(LOCATIONS, init_worker=opening(peer, max_connections=1),
                allow=("no socket for the queue",))
    threads = [threading.Thread(target=one.text, args=("/get?hold=20",))
               for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stats(one)["successful"] == 5
    assert "no socket for the queue: /nonexistent/netconnpool-XXXXXX" in one.log()
