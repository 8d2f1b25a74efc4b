"""What is known of C11, asked of c11.py."""
import itertools
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import c11  # noqa: E402
from c11 import ACQ_REL, ACQUIRE, RELAXED, RELEASE, SEQ_CST  # noqa: E402


def store_buffering(store, load, other_store=None, other_load=None):
    """Each writes its place and reads the other's: may both miss?"""
    def thread(mine, its, store, load):
        def body(t):
            t.store(mine, 1, store)
            return t.load(its, load)
        return body
    return c11.allows([thread("x", "y", store, load),
                       thread("y", "x", other_store or store,
                              other_load or load)],
                      lambda results: results == (0, 0))


def test_two_that_write_and_look_see_each_other_only_if_all_is_seq_cst():
    assert not store_buffering(SEQ_CST, SEQ_CST)
    assert store_buffering(RELEASE, ACQUIRE)
    assert store_buffering(RELEASE, SEQ_CST, SEQ_CST, SEQ_CST)
    assert store_buffering(SEQ_CST, ACQUIRE, SEQ_CST, SEQ_CST)


@pytest.mark.parametrize("order, missed", [(SEQ_CST, False), (ACQ_REL, True)])
def test_a_fence_between_the_write_and_the_look_does_it_too(order, missed):
    def thread(mine, its):
        def body(t):
            t.store(mine, 1, RELAXED)
            t.fence(order)
            return t.load(its, RELAXED)
        return body
    assert c11.allows([thread("x", "y"), thread("y", "x")],
                      lambda results: results == (0, 0)) == missed


def test_a_fence_pairs_with_accesses_that_are_seq_cst():
    def fenced(t):
        t.store("x", 1, RELAXED)
        t.fence(SEQ_CST)
        return t.load("y", RELAXED)

    def plain(t):
        t.store("y", 1, SEQ_CST)
        return t.load("x", SEQ_CST)
    assert not c11.allows([fenced, plain], lambda results: results == (0, 0))


def test_a_read_modify_write_that_is_not_seq_cst_is_no_fence():
    def thread(mine, its, order):
        def body(t):
            t.add(mine, 1, order)
            return t.load(its, SEQ_CST)
        return body
    both = lambda results: results == (0, 0)  # noqa: E731
    assert not c11.allows([thread("x", "y", SEQ_CST),
                           thread("y", "x", SEQ_CST)], both)
    assert c11.allows([thread("x", "y", ACQ_REL), thread("y", "x", SEQ_CST)],
                      both)


@pytest.mark.parametrize("write, read", list(itertools.product(
    (RELAXED, RELEASE, SEQ_CST), (RELAXED, ACQUIRE, SEQ_CST))))
def test_a_message_arrives_by_release_and_acquire(write, read):
    def sender(t):
        t.store("data", 1, RELAXED)
        t.store("flag", 1, write)

    def receiver(t):
        return t.load("flag", read), t.load("data", RELAXED)
    lost = c11.allows([sender, receiver],
                      lambda results: results[1] == (1, 0))
    assert lost == (write == RELAXED or read == RELAXED)


def test_a_release_sequence_goes_on_through_a_read_modify_write_only():
    def sender(t):
        t.store("data", 1, RELAXED)
        t.store("flag", 1, RELEASE)

    def adder(t):
        t.wait_until(t.add("flag", 1, RELAXED) == 1)

    def storer(t):
        t.wait_until(t.load("flag", RELAXED) == 1)
        t.store("flag", 2, RELAXED)

    def receiver(t):
        return t.load("flag", ACQUIRE), t.load("data", RELAXED)
    lost = lambda results: results[2] == (2, 0)  # noqa: E731
    assert not c11.allows([sender, adder, receiver], lost)
    assert c11.allows([sender, storer, receiver], lost)


def test_a_place_never_goes_back():
    def writer(t):
        t.store("x", 1, RELAXED)
        t.store("x", 2, RELAXED)

    def reader(t):
        return t.load("x", RELAXED), t.load("x", RELAXED)
    for seen, allowed in (((1, 2), True), ((2, 1), False), ((1, 0), False)):
        assert c11.allows([writer, reader],
                          lambda results: results[1] == seen) == allowed


def test_nothing_comes_out_of_thin_air():
    def copier(source, target):
        def body(t):
            value = t.load(source, RELAXED)
            t.store(target, value, RELAXED)
            return value
        return body
    assert not c11.allows([copier("x", "y"), copier("y", "x")],
                          lambda results: results != (0, 0))


@pytest.mark.parametrize("read, disagree", [(SEQ_CST, False), (ACQUIRE, True)])
def test_two_who_look_agree_on_who_was_first_if_all_is_seq_cst(read, disagree):
    def writer(place):
        return lambda t: t.store(place, 1, SEQ_CST)

    def reader(first, second):
        return lambda t: (t.load(first, read), t.load(second, read))
    assert c11.allows(
        [writer("x"), writer("y"), reader("x", "y"), reader("y", "x")],
        lambda results: results[2:] == ((1, 0), (1, 0))) == disagree


def test_no_two_win_one_bit_and_no_count_is_lost():
    def taker(t):
        return t.clear_bits("mask", 1, RELAXED) & 1

    def counter(t):
        return t.add("count", 1, RELAXED)
    assert not c11.allows([taker, taker], lambda results: results == (1, 1),
                          {"mask": 1})
    ends = {memory["count"]
            for _, memory in c11.executions([counter] * 3)}
    assert ends == {3}


def test_what_was_done_under_a_lock_is_seen_under_it():
    def writer(t):
        t.lock("lock")
        t.store("x", 1, RELAXED)
        t.store("y", 1, RELAXED)
        t.unlock("lock")

    def reader(t):
        t.lock("lock")
        seen = t.load("x", RELAXED), t.load("y", RELAXED)
        t.unlock("lock")
        return seen
    seen = {results[1] for results, _ in c11.executions([writer, reader])}
    assert seen == {(0, 0), (1, 1)}


def test_a_failed_compare_and_swap_is_a_load_of_its_failure_order():
    def announces(t):
        t.compare_and_swap("state", 0, 1, SEQ_CST, SEQ_CST)
        return t.load("fired", SEQ_CST)

    def fires(failure):
        def body(t):
            t.store("fired", 1, SEQ_CST)
            return t.compare_and_swap("state", 1, 0, SEQ_CST, failure)
        return body
    lost = lambda results: results == (0, False)  # noqa: E731
    assert not c11.allows([announces, fires(SEQ_CST)], lost)
    assert c11.allows([announces, fires(RELAXED)], lost)
