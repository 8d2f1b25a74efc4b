"""One very short run of every subject in every case; judges no speed."""
import json
import math
import os
import subprocess

import pytest

PROGRAM = os.environ["NCP_BENCH"]
SHORT = ["--seconds", "0.01", "--callers", "20", "--connections", "50",
         "--dial-ms", "5", "--use-ms", "1"]
# What a case must at least tell, besides being numbers.
TOLD = {
    "uncontended": {"ns_per_op", "wall_ns_per_op", "ops"},
    "parallel": {"ns_per_op", "ops", "ops_per_s", "fairness"},
    "contended": {"ns_per_op", "fairness", "p50_wait_ns", "p99_wait_ns",
                  "max_wait_ns", "ideal_wait_ns", "lost_wakeups"},
    "duel": {"ns_per_op", "ops"},
    "waiters": {"ns_per_op", "handoff_ns"},
    "spike": {"opened", "peak", "total_ms"},
    "memory": {"pool_bytes"},
    "close": {"close_us"},
}


def listed():
    done = subprocess.run([PROGRAM, "--list"], capture_output=True, text=True,
                          check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


LISTED = listed()
ENTRIES = [(one["case"], one["subject"]) for one in LISTED if "case" in one]


def run(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True,
                          timeout=50)


def test_every_store_is_listed_for_every_case_a_store_can_do():
    for store in ("lockfree", "lock", "sharded"):
        cases = {case for case, subject in ENTRIES
                 if subject == f"netconnpool/{store}"}
        assert cases == set(TOLD)


def test_a_rival_that_is_not_built_in_is_said_to_be_missing():
    there = {subject for _, subject in ENTRIES}
    missing = {one["missing"] for one in LISTED if "missing" in one}
    for rival in ("apr_reslist", "GAsyncQueue"):
        assert (rival in there) != (rival in missing)


@pytest.mark.parametrize("case,subject", ENTRIES)
def test_a_sample_is_one_line_of_numbers(case, subject):
    done = run("--case", case, "--subject", subject, *SHORT)
    if done.returncode == 77:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    sample = json.loads(done.stdout)
    assert (sample["case"], sample["subject"]) == (case, subject)
    numbers = {key: value for key, value in sample.items()
               if not isinstance(value, str)}
    assert TOLD[case] <= set(numbers)
    for name, value in numbers.items():
        assert math.isfinite(value) and value >= 0, name


def test_an_empty_pool_a_connection_and_a_waiter_are_weighed():
    done = run("--case", "memory", "--subject", "netconnpool/lockfree")
    sample = json.loads(done.stdout)
    assert sample["pool_bytes"] > 1000
    assert 16 < sample["connection_bytes"] < 1000
    assert sample["ticket_bytes"] > 16


def test_what_is_not_known_is_refused():
    for arguments in (["--case", "nothing", "--subject", "netconnpool/lock"],
                      ["--case", "duel", "--subject", "nothing"]):
        done = run(*arguments)
        assert done.returncode == 1
        assert "--list" in done.stderr
    assert run("--case", "duel").returncode == 2
    assert run("--case", "duel", "--subject", "netconnpool/lock",
               "--colour", "1").returncode == 2


def test_a_case_that_a_subject_cannot_do_is_told():
    done = run("--case", "spike", "--subject", "pthread-mutex")
    assert done.returncode == 77
    assert "cannot" in done.stderr
