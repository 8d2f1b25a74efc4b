"""Worker threads (ngx.run_worker_thread) and the pools of their worker."""
import threading

from common import LOCATIONS, POOL, opening, stats, wait_for

THREADS = "thread_pool jobs threads=4;"

JOB = """
local job = {}

function job.hold(name, ms, timeout_ms)
    local pool = assert(require("resty.netconnpool.thread").find(name))
    local lease, err, status = pool:acquire(timeout_ms)
    if not lease then
        return status .. ": " .. err
    end
    local ffi = require("ffi")
    ffi.cdef("int usleep(unsigned int)")
    ffi.C.usleep(ms * 1000)
    assert(lease:put())
    return "held", lease.id
end

function job.count(name)
    return require("resty.netconnpool.thread").find(name):stats().active
end

function job.nobody()
    local pool, err, status = require("resty.netconnpool.thread").find("nobody")
    return tostring(pool), status
end

return job
"""

THREAD = """
    local ok, said = ngx.run_worker_thread("jobs", "job", "hold", "p",
        tonumber(ngx.var.arg_ms), tonumber(ngx.var.arg_timeout or 5000))
    ngx.say(tostring(ok), " ", tostring(said))
"""


def start(nginx, tmp_path, peer, extra=None, **options):
    (tmp_path / "job.lua").write_text(JOB)
    return nginx({**LOCATIONS, "/thread": THREAD, **(extra or {})}, main=THREADS,
                 lua_path=f"{tmp_path}/?.lua;", init_worker=opening(peer, **options))


def test_a_thread_stands_in_the_same_line_as_requests(nginx, peer, tmp_path):
    one = start(nginx, tmp_path, peer, max_connections=1)
    assert one.text("/thread?ms=1") == "true held", "the worker dialed for it"
    thread = threading.Thread(target=one.text, args=("/thread?ms=400",))
    thread.start()
    assert wait_for(lambda: stats(one)["active"] == 1)
    assert one.text("/hello") == "hello", "the worker is blocked"
    assert one.text("/get?text=after") == "1 after", "woken by another thread"
    thread.join()
    assert peer.accepted == 1
    counted = stats(one)
    assert counted["successful"] == 3 and counted["active"] == 0


def test_a_thread_waits_for_a_request(nginx, peer, tmp_path):
    one = start(nginx, tmp_path, peer, max_connections=1)
    holder = one.open_request("/get?hold=300")
    assert wait_for(lambda: stats(one)["active"] == 1)
    assert one.text("/thread?ms=1&timeout=50").startswith("true timeout: ")
    assert one.text("/thread?ms=1&timeout=5000") == "true held"
    holder.close()


def test_hand_offs_between_threads_and_requests_lose_nothing(nginx, peer, tmp_path):
    one = start(nginx, tmp_path, peer, max_connections=2)
    failed = []

    def ask(path, wanted):
        for _ in range(15):
            if wanted not in one.text(path):
                failed.append(path)

    crew = [threading.Thread(target=ask, args=("/thread?ms=2", "held"))
            for _ in range(4)]
    crew += [threading.Thread(target=ask, args=("/get?hold=2", "hello"))
             for _ in range(6)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    assert failed == []
    counted = stats(one)
    assert counted["successful"] == 15 * 10
    assert counted["active"] == 0 and counted["waiting"] == 0
    assert peer.most <= 2


def test_a_thread_sees_the_counters_and_a_name_that_is_none(nginx, peer, tmp_path):
    one = start(nginx, tmp_path, peer, extra={"/look": POOL + """
        local lease = assert(pool:acquire(1000))
        ngx.say(select(2, ngx.run_worker_thread("jobs", "job", "count", "p")))
        lease:put()
        local _, pool_is, status = ngx.run_worker_thread("jobs", "job", "nobody")
        ngx.say(pool_is, " ", status)
    """})
    assert one.text("/look").splitlines() == ["1", "nil notfound"]
