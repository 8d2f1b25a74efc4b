"""The module for Ruby: each file of ruby/ is a program of its own, beside an echo
server."""
import os
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).with_name("ruby")
BUILD = pathlib.Path(os.environ["NCP_BUILD_DIR"])
MODULE = BUILD / "bindings/swig/ruby"
ECHO = BUILD / "examples/ncp-echo"
LIMIT = 200  # seconds


@pytest.mark.parametrize("name", ["pull", "push", "misuse", "gc"])
def test_ruby(name, run, need):
    printed = run(ECHO, need("ruby"), "-w", "-I", MODULE,
                  HERE / f"{name}_test.rb", "{tcp}", "{udp}", timeout=LIMIT)
    assert "0 failures, 0 errors, 0 skips" in printed, printed
    assert "warning:" not in printed, printed


def test_ruby_has_nothing_to_warn_of(run, need, source):
    files = sorted([*HERE.glob("*.rb"), source / "bindings/swig/ruby/ncp.rb"])
    for path in files:
        assert run(need("ruby"), "-wc", path) == "Syntax OK\n"
        for number, line in enumerate(path.read_text().splitlines(), 1):
            assert len(line) <= 100, f"{path}:{number}: too long"


ENDINGS = ["", "exit", "exit!(0)", "GC.start", "pool.free",
           "Thread.new { pool.get }; Thread.pass until pool.waiting_count == 1",
           "Process.wait(fork { pool.close })", "raise 'on purpose'"]


@pytest.mark.parametrize("last", ENDINGS)
def test_a_program_ends_whatever_is_still_open(last, need, tmp_path):
    script = tmp_path / "ends.rb"
    script.write_text(f"""
        require "ncp"
        queue = Ncp::Queue.new
        pulled = Ncp::Pool.new(target: ARGV[0], driver: "pull", queue: queue)
        pulled.acquire(queue: queue)
        pool = Ncp::Pool.new(target: ARGV[0], max_connections: 2)
        2.times {{ pool.get }}
        $stdout.write("so far\\n")
        $stdout.flush
        {last}
        """)
    for _ in range(5):
        done = subprocess.run([ECHO, need("ruby"), "-I", MODULE, script,
                               "{tcp}"], timeout=LIMIT, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert done.stdout == "so far\n", done.stderr
        assert done.returncode == (1 if "raise" in last else 0), done.stderr
