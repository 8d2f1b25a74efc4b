"""What simulate.py makes of traces."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import simulate  # noqa: E402
from simulate import Access, Costs  # noqa: E402

COSTS = Costs(work=20.0, near=50.0, far=120.0, per_socket=4)


def pair(*accesses):
    return [Access(kind, line) for kind, line in accesses], 1


def private(core):
    return pair(("r", core), ("w", core))


def test_what_is_a_cores_own_costs_what_one_core_costs():
    one = simulate.play([private(0)], COSTS)
    many = simulate.play([private(core) for core in range(16)], COSTS)
    assert one.ns == pytest.approx(20, rel=0.01)
    assert many.ns == pytest.approx(20, rel=0.1)
    assert many.rate == pytest.approx(16 * one.rate, rel=0.1)
    assert many.transfers == 0


def test_what_all_read_and_nobody_writes_costs_nothing():
    many = simulate.play([pair(("r", 99), ("r", core)) for core in range(4)],
                         COSTS)
    assert many.transfers == 0
    assert many.ns == pytest.approx(20, rel=0.1)


def test_a_line_that_all_write_makes_them_wait_for_each_other():
    shared = [pair(("w", 99), ("w", core)) for core in range(4)]
    two = simulate.play(shared[:2], COSTS, times=500)
    four = simulate.play(shared, COSTS, times=500)
    assert two.ns > 1.5 * 20
    assert four.ns > 1.5 * two.ns
    assert four.rate < 1.2 * two.rate  # one line, one after the other


def test_another_socket_is_farther():
    caches = simulate.Caches(COSTS)
    caches.take(0, Access("w", 99))
    assert caches.distance(3, 99) == COSTS.near
    assert caches.distance(4, 99) == COSTS.far
    assert caches.distance(0, 99) == 0
    two = [pair(("w", 99))] * 2
    apart = simulate.play(two, COSTS._replace(per_socket=1), times=500)
    assert apart.ns > simulate.play(two, COSTS, times=500).ns


def test_a_reader_of_what_another_writes_fetches_it_each_time():
    played = simulate.play([pair(("w", 99)), pair(("r", 99))], COSTS,
                           times=200)
    assert played.transfers > 0.2


def test_who_has_a_line_uses_it_until_it_is_taken():
    caches = simulate.Caches(COSTS)
    write = Access("w", 99)
    caches.take(0, write)
    taken, arrives = caches.ask(1, 99, 100.0)
    assert (taken, arrives) == (125.0, 150.0)
    assert caches.has(0, write)
    caches.take(1, write)
    assert not caches.has(0, write) and caches.has(1, write)
    assert caches.ask(2, 99, 110.0) == (175.0, 200.0)  # after the first one


def test_a_read_leaves_the_writer_its_copy_and_a_write_takes_all_of_them():
    caches = simulate.Caches(COSTS)
    for core, kind in ((0, "w"), (1, "r"), (2, "r")):
        caches.take(core, Access(kind, 7))
    assert all(caches.has(core, Access("r", 7)) for core in range(3))
    assert not caches.has(0, Access("w", 7))
    caches.take(2, Access("w", 7))
    assert not any(caches.has(core, Access("r", 7)) for core in range(2))


def test_under_a_mutex_one_goes_at_a_time():
    def locked(core):
        return pair(("lock", 50), ("w", core), ("unlock", 50))
    one = simulate.play([locked(0)], COSTS, times=100)
    four = simulate.play([locked(core) for core in range(4)], COSTS, times=100)
    assert four.rate == pytest.approx(one.rate, rel=0.1)


def lackey(*rows):
    return [f" {row}" for row in rows]


def test_a_trace_is_read_core_by_core_between_its_marks():
    marks, end = 0x10000, 64
    at = {mark: f"S {marks + 64 * mark:x},1" for mark in range(end + 3)}
    text = lackey(at[0], "S 999000,8", at[end], at[0], "L 200040,8",
                  "S 200044,4", at[65], "M 300000,4", at[66], at[1],
                  "M 200040,8", "L 7f0000,8", at[end], "S 200040,8")
    traces = simulate.read_trace(["I  400000,3", *text], marks, 0x7f0010,
                                 0x800000, 2, end)
    assert traces == [
        [("r", 0x8001), ("w", 0x8001), ("lock", 0xc000), ("r", 0xc000),
         ("w", 0xc000), ("unlock", 0xc000)],
        [("r", 0x8001), ("w", 0x8001)]]


def test_a_trace_without_an_end_is_trouble():
    with pytest.raises(simulate.Trouble):
        simulate.read_trace(lackey("S 11000,1"), 0x10000, 0, 0, 1, 64)


def test_shared_is_what_one_writes_and_another_uses():
    traces = [pair(("w", 1), ("r", 2), ("w", 3)), pair(("r", 1), ("r", 2)),
              pair(("w", 3), ("w", 4))]
    assert simulate.shared_writes(traces) == {1: ({0}, {1}),
                                              3: ({0, 2}, set())}
