"""The bench program runs, and its figures are numbers; no speed is judged."""
import json
import os
import sys


def test_the_bench_runs(run, need, source, library, tmp_path):
    report = tmp_path / "report.json"
    run(need("luajit"), source / "tests/bench/lua/main.lua", "--quick", "--json",
        report, env={**os.environ, "NETCONNPOOL_LIBRARY": str(library)}, timeout=100)
    figures = json.loads(report.read_text())
    assert {"bare FFI call", "push: get + put", "pull: get + put",
            "a pool in pure Lua"} <= {one["name"] for one in figures}
    assert all(one["best_ns"] > 0 and one["median_ns"] >= one["best_ns"]
               for one in figures)


def test_the_bench_speaks_the_protocol(run, need, source, library):
    bench = source / "tests/bench"
    run(sys.executable, "-B", bench / "python/check_contestant.py", need("luajit"),
        bench / "lua/protocol.lua",
        env={**os.environ, "NETCONNPOOL_LIBRARY": str(library)}, timeout=60)
