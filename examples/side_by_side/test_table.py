"""The table notices what is wrong with a job."""
import copy

import pytest

import table

GOOD = {
    "pool": {"requests": 100, "failed": 0, "seconds": 1, "p50_us": 1, "p99_us": 2,
             "counters": {"created": 8, "closed": 8, "current": 0, "active": 0,
                          "total": 101, "successful": 100, "failed": 1, "timeout": 0,
                          "in_flight": 0}},
    "dialing": {"requests": 50, "failed": 0, "seconds": 1}}
ACCEPTED = 8 + 50


def test_a_job_that_did_well_holds():
    assert all(table.checks(GOOD, ACCEPTED).values())


def test_what_nginx_renewed_was_made_as_well():
    result = copy.deepcopy(GOOD)
    result["pool"]["counters"]["renewed"] = 2
    assert all(table.checks(result, ACCEPTED + 2).values())


@pytest.mark.parametrize("part, name, value", [
    ("pool", "failed", 1), ("pool", "requests", 0), ("dialing", "failed", 1),
    ("dialing", "requests", 0), ("counters", "created", 9), ("counters", "created", 0),
    ("counters", "closed", 7), ("counters", "current", 1), ("counters", "active", 1),
    ("counters", "total", 100), ("counters", "successful", 99),
    ("counters", "in_flight", 1)])
def test_a_job_that_did_not_is_noticed(part, name, value):
    result = copy.deepcopy(GOOD)
    where = result["pool"]["counters"] if part == "counters" else result[part]
    where[name] = value
    assert not all(table.checks(result, ACCEPTED).values())


@pytest.mark.parametrize("accepted", [ACCEPTED - 1, ACCEPTED + 1])
def test_a_connection_that_only_one_side_knows_is_noticed(accepted):
    assert not all(table.checks(GOOD, accepted).values())
