"""A get and a put on a warm pool: no system call, no allocation."""
import os
import re
import shutil
import subprocess

import pytest

PROGRAM = os.environ["NCP_WARM_PUT"]
WINDOWS = 30
LINE = re.compile(r"^(\d+) +(.*)$")
MARK = re.compile(r"close\(-(1001|1002)\b")


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
        # The second line of a call, here of a mark, that another thread's
        # interrupted in the trace.
        elif inside and not call.startswith("<... close resumed"):
            windows[-1].append(call)
    assert len(windows) == WINDOWS
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
        return calls_in_windows(trace.read_text()), int(done.stdout)
    return run


@pytest.mark.parametrize("way", ["pool", "tap"])
@pytest.mark.parametrize("store", ["lockfree", "lock", "sharded"])
def test_a_warm_get_and_put_make_no_system_call_and_allocate_nothing(
        traced, store, way):
    windows, allocations = traced(store, way)
    assert allocations == 0
    # A pool that was not used for 10 ms, because its thread had to wait for a
    # processor, wakes the housekeeper, who tells it the time from then on. A
    # window is long enough that nothing which comes now and then is overlooked.
    others = [call for calls in windows for call in calls
              if not re.match(r"(futex\(.*FUTEX_WAKE|<... futex)", call)]
    assert others == []
    assert len([calls for calls in windows if not calls]) >= WINDOWS / 2


def test_what_a_cold_pool_does_is_seen(traced):
    windows, allocations = traced("lockfree", "pool", "cold")
    assert all(windows)  # twenty dials, in each
    assert allocations >= 20 * WINDOWS
