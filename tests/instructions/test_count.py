"""What count.py makes of what it counted."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import count  # noqa: E402


def test_a_pair_is_the_difference_divided_by_the_pairs():
    assert count.per_pair([1030, 2030, 1030, 2030], 10) == 100


def test_a_round_in_which_something_happened_does_not_count():
    assert count.per_pair([1030, 2030, 1900, 2999], 10) == 100


@pytest.mark.parametrize("totals", [[], [1000], [1000, 2000, 1000], [0, 0],
                                    [1000, 0]])
def test_what_callgrind_did_not_count_is_trouble(totals):
    with pytest.raises(count.Trouble):
        count.per_pair(totals, 10)


@pytest.mark.parametrize("counted, recorded, expected", [
    (100, 100, None),
    (104.9, 100, None),
    (95.1, 100, None),
    (105.1, 100, "costs more"),
    (94.9, 100, "costs less"),
    (100, None, "write it down"),
    (None, 100, "cannot do it"),
    (None, None, None),
])
def test_five_percent_more_or_less_is_too_much(counted, recorded, expected):
    said = count.judge("get_put", counted, recorded)
    assert (said is None) == (expected is None)
    assert expected is None or expected in said


def test_what_is_too_much_says_how_to_accept_it():
    assert "update.sh get_put" in count.judge("get_put", 200, 100)


def test_every_case_has_a_line_and_the_wrong_ones_are_counted():
    lines, wrong = count.compare({"a": 100.0, "b": 200.0, "c": None},
                                 {"a": 100, "b": 100})
    assert wrong == 1
    assert [line[:4] for line in lines] == ["ok  ", "FAIL", "ok  "]
    assert "+100.0%" in lines[1]


def test_an_update_keeps_the_numbers_of_others(tmp_path, monkeypatch):
    monkeypatch.setattr(count, "COUNTS", tmp_path / "counts.json")
    count.write_counts("gcc 12 x86_64", {"a": 1.5, "b": 2.0, "c": None})
    count.write_counts("gcc 13 x86_64", {"a": 3.0})
    count.write_counts("gcc 12 x86_64", {"b": 4.0})
    assert count.read_counts() == {"gcc 12 x86_64": {"a": 1.5, "b": 4.0},
                                   "gcc 13 x86_64": {"a": 3.0}}


def test_the_parts_come_in_order_and_the_end_of_the_program_is_none(tmp_path):
    for name, total in (("out", 5), ("out.2", 20), ("out.10", 30),
                        ("out.1", 10)):
        (tmp_path / name).write_text(f"version: 1\ntotals: {total}\n")
    assert count.parts(tmp_path) == [10, 20, 30]


def test_the_recorded_numbers_are_those_of_the_compiler_of_the_tests():
    recorded = count.read_counts()["gcc 12 x86_64"]
    assert recorded["get_put"] > 0
