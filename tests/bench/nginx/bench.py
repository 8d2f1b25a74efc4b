#!/usr/bin/env python3
"""What a borrow costs inside nginx, beside nginx's own cosocket keep-alive.

    NCP_LIBRARY=.../libnetconnpool.so python3 bench.py [--smoke]

Two tables. "Pieces": one light thread, no contention, nanoseconds for each, best of
several runs. "Requests": wrk against one worker; every request borrows a connection
to a Redis on loopback, asks PING and gives it back. Rivals run in turns, so that a
disturbance meets all of them.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "nginx"))

import redis_peer  # noqa: E402 (the path has to be set before)
import server  # noqa: E402

PIECES = """
    local now, update = ngx.now, ngx.update_time
    local ffi = require("ffi")
    local sys = require("netconnpool.sys")
    local tcp = ngx.socket.tcp
    local pool = assert(require("resty.netconnpool").pool("redis"))
    local count = tonumber(ngx.var.arg_count)
    local own = {pool = "own", pool_size = 1}

    local pieces = {
        {"native: connect + setkeepalive", function()
            local sock = tcp()
            assert(sock:connect("127.0.0.1", PORT))
            assert(sock:setkeepalive(60000, 100))
        end},
        {"native, named pool of 1", function()
            local sock = tcp()
            assert(sock:connect("127.0.0.1", PORT, own))
            assert(sock:setkeepalive(60000, 1))
        end},
        {"acquire + connect + put", function()
            local lease = assert(pool:acquire(1000))
            assert(lease:connect())
            assert(lease:put())
        end},
        {"acquire + put", function()
            local lease = assert(pool:acquire(1000))
            assert(lease:put())
        end},
        {"try_acquire + put", function()
            local lease = assert(pool:try_acquire())
            assert(lease:put())
        end},
        {"nothing idle: try_acquire", function()
            local lease = EMPTY:try_acquire()
            assert(not lease)
        end},
        {"native: a new connection", function()
            local sock = tcp()
            assert(sock:connect("127.0.0.1", PORT, {pool = "fresh", pool_size = 1}))
            sock:close()
        end, 400},
        {"discard + a new connection", function()
            local lease = assert(pool:acquire(10000))
            lease:discard()
        end, 400}, -- few: the peer has to keep up with accepting
    }
    for _, piece in ipairs(pieces) do
        local times = math.max(10, math.floor(count / (piece[3] or 1)))
        for _ = 1, times / 10 do piece[2]() end
        collectgarbage() collectgarbage()
        local begin = sys.now()
        for _ = 1, times do piece[2]() end
        ngx.say(piece[1], "=", (sys.now() - begin) / times * 1e6)
        ngx.sleep(0)
    end
"""

NATIVE = """
    local client = require("resp").new()
    assert(client:connect("127.0.0.1", PORT, {pool = "native", pool_size = 512}))
    local answer = client:ping()
    client:set_keepalive(60000, 512)
    ngx.say(answer)
"""

NATIVE_LIMITED = """
    local client = require("resp").new()
    client:set_timeouts(60000, 60000, 60000)
    assert(client:connect("127.0.0.1", PORT,
                          {pool = "limited", pool_size = 4, backlog = 4096}))
    local answer = client:ping()
    ngx.sleep(0.001)
    client:set_keepalive(60000, 4)
    ngx.say(answer)
"""


def pooled(name, hold=""):
    return f"""
    local lease = assert(require("resty.netconnpool").pool("{name}"):acquire(60000))
    local client = assert(lease:connect(require("resp").new()))
    local answer = client:ping()
    {hold}
    lease:put()
    ngx.say(answer)
"""


def init_worker(port):
    return f"""
        PORT = {port}
        local netconnpool = require("resty.netconnpool")
        local function open(name, max)
            return assert(netconnpool.open({{name = name, host = "127.0.0.1",
                port = PORT, max_connections = max, min_connections = 0,
                max_idle_connections = max}}))
        end
        open("redis", 512)
        open("limited", 4)
        EMPTY = open("empty", 1)
    """


def locations():
    return {
        "/pieces": PIECES,
        "/hello": "ngx.say('PONG')",
        "/native": NATIVE,
        "/pool": pooled("redis"),
        "/native_limited": NATIVE_LIMITED,
        "/pool_limited": pooled("limited", "ngx.sleep(0.001)"),
    }


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def best_pieces(one, rounds, count):
    best = {}
    for _ in range(rounds):
        for line in one.text(f"/pieces?count={count}", limit=120).splitlines():
            name, value = line.split("=")
            best[name] = min(best.get(name, 1e12), float(value))
    return best


def to_ms(text):
    value, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(value) * {"us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4}[unit]


def load(one, wrk, path, clients, seconds):
    """Requests a second, p50 and p99 in ms, CPU of the worker a request in us, how
    many answers were errors."""
    (worker,) = one.workers()
    before = cpu_seconds(worker)
    said = subprocess.run(
        [wrk, "-t1", f"-c{clients}", f"-d{seconds}s", "--latency",
         f"http://127.0.0.1:{one.port}{path}"],
        check=True, capture_output=True, text=True).stdout
    used = cpu_seconds(worker) - before
    total = int(re.search(r"(\d+) requests in", said)[1])
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    return (float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]),
            to_ms(re.search(r"\n\s+50%\s+(\S+)", said)[1]),
            to_ms(re.search(r"\n\s+99%\s+(\S+)", said)[1]),
            used / max(total, 1) * 1e6, int(bad[1]) if bad else 0)


def print_pieces(best):
    print("pieces (one light thread, nothing waits)              ns")
    for name, value in best.items():
        print(f"  {name:42}{value:14.0f}")
    more = best["acquire + connect + put"] - best["native, named pool of 1"]
    print(f"  the pool costs {more:.0f} ns more than native keep-alive\n")
    return more


def print_load(one, wrk, rounds, clients, seconds):
    print(f"requests ({clients} clients)          req/s     p50 ms     p99 ms"
          "   CPU us/req   errors")
    failed = 0
    for paths in (["/hello", "/native", "/pool"],
                  ["/native_limited", "/pool_limited"]):
        results = {path: [] for path in paths}
        for _ in range(rounds):
            for path in paths:
                results[path].append(load(one, wrk, path, clients, seconds))
        for path, rows in results.items():
            middle = sorted(rows)[len(rows) // 2]
            failed += middle[4] if path != "/native_limited" else 0
            print(f"  {path:24}{middle[0]:12.0f}{middle[1]:11.2f}{middle[2]:11.2f}"
                  f"{middle[3]:13.1f}{middle[4]:9d}")
    print("  (limited: 4 connections, each held for 1 ms; median of "
          f"{rounds} runs of {seconds} s)\n")
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true",
                        help="small numbers; only whether it runs")
    smoke = parser.parse_args().smoke
    program, wrk = shutil.which("nginx"), shutil.which("wrk")
    redis_server = shutil.which("redis-server")
    if not program or not redis_server or not server.module_lines():
        print("nginx with its Lua module, or redis-server, is missing")
        return 77
    with tempfile.TemporaryDirectory(prefix="ncp-bench-") as name:
        folder = pathlib.Path(name)
        redis = redis_peer.Redis(redis_server, folder).start()
        one = server.Nginx(program, os.environ["NCP_LIBRARY"], folder, locations(),
                           init_worker=init_worker(redis.port))
        try:
            one.start()
            print_pieces(best_pieces(one, 1 if smoke else 5,
                                     1000 if smoke else 100000))
            failed = 0
            if wrk:
                failed = print_load(one, wrk, 1 if smoke else 3,
                                    16 if smoke else 64, 1 if smoke else 4)
            else:
                print("wrk is missing: no table of requests")
            bad = one.complaints(("writing a global",)) if smoke else []
            return 1 if failed or bad else 0
        finally:
            one.kill()
            redis.stop()


if __name__ == "__main__":
    sys.exit(main())
