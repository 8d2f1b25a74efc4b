"""A get and a put on a warm pool: no system call, no allocation."""
import collections
import os
import re
import shutil
import subprocess

import pytest

PROGRAM = os.environ["NCP_WARM_PUT"]
LINE = re.compile(r"^(\d+) +(.*)$")
MARK = re.compile(r"close\(-(1001|1002)\b")
WAKE = re.compile(r"futex\((0x[0-9a-f]+), FUTEX_WAKE")
# Of a thread, that find a pool resting, before it wakes the housekeeper.
PUTS_BEFORE_WAKE = 1024

# The calls in it; how many puts found the pool resting; how often it allocated.
Window = collections.namedtuple("Window", "calls resting allocations")


def calls_in_windows(trace):
    """The system calls of the thread that made the marks, window by window; the
    threads of the library sleep and wake as they like."""
    lines = [match.groups() for match in map(LINE.match, trace.splitlines())
             if match]
    thread = next(pid for pid, call in lines if MARK.match(call))
    windows, inside = [], False
    for call in (call for pid, call in lines if pid == thread):
        mark = MARK.match(call)
        if mark:
            inside = mark[1] == "1001"
            windows += [[]] if inside else []
        # The second line of a call that another thread's interrupted in the trace.
        elif inside and not call.startswith("<... "):
            windows[-1].append(call)
    return windows


@pytest.fixture
def traced(tmp_path):
    if shutil.which("strace") is None:
        if os.environ.get("NCP_REQUIRE_TOOLS"):
            pytest.fail("strace is not installed")
        pytest.skip("strace is not installed")
    probe = subprocess.run(["strace", "-o", os.devnull, "true"],
                           capture_output=True, text=True)
    if probe.returncode != 0:
        pytest.skip(f"strace cannot trace here: {probe.stderr.strip()}")

    def run(*arguments):
        trace = tmp_path / "trace"
        done = subprocess.run(["strace", "-f", "-o", trace, PROGRAM, *arguments],
                              capture_output=True, text=True, timeout=50)
        assert done.returncode == 0, done.stderr
        calls = calls_in_windows(trace.read_text())
        said = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
        assert len(calls) == len(said)
        return [Window(*one) for one in ((a, *b) for a, b in zip(calls, said))]
    return run


def check_calls(windows):
    """The only call is to wake the housekeeper, and 1,024 puts that found the pool
    resting come before each. That is so at every moment, however long this thread had
    to wait for a processor: a put that finds the pool in use makes no call."""
    woken, resting, words = 0, 0, set()
    for window in windows:
        wakes = [WAKE.match(call) for call in window.calls]
        assert all(wakes), window
        words |= {wake[1] for wake in wakes}
        woken += len(wakes)
        resting += window.resting
        # The put that wakes may be told the time already, and is then not counted.
        assert PUTS_BEFORE_WAKE * woken <= resting + woken, windows
    assert len(words) <= 1  # one sleeper
    return woken


ways = pytest.mark.parametrize("way", ["pool", "tap"])
stores = pytest.mark.parametrize("store", ["lockfree", "lock", "sharded"])


@ways
@stores
def test_a_warm_get_and_put_make_no_system_call_and_allocate_nothing(
        traced, store, way):
    windows = traced(store, way, "busy")
    assert sum(window.allocations for window in windows) == 0
    assert len([window for window in windows if window.resting == 0]) == 30
    check_calls(windows)


@ways
@stores
def test_after_a_rest_they_wake_the_housekeeper_once_and_allocate_nothing(
        traced, store, way):
    windows = traced(store, way, "rested")  # of 1,024 puts
    assert sum(window.allocations for window in windows) == 0
    assert len([window for window in windows if window.resting]) == 10
    assert all(len(window.calls) <= 1 for window in windows)
    assert check_calls(windows) > 0


def test_what_a_cold_pool_does_is_seen(traced):
    windows = traced("lockfree", "pool", "cold")
    assert len(windows) == 30
    for window in windows:
        assert window.calls and window.allocations >= 20  # twenty dials
