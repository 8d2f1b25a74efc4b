"""faults.toml against the sources, and what faults.py makes of it."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import faults  # noqa: E402

FAULT = {"name": "f", "file": "a.c", "before": "look();", "after": "skip();",
         "pause": "write();", "runs": ["sharded mix plenty 100 1"]}


@pytest.mark.parametrize("name", faults.read_faults())
def test_what_a_fault_changes_is_in_the_sources_once(name):
    fault = faults.read_faults()[name]
    text = (faults.SOURCE / "core/src" / fault["file"]).read_text()
    assert faults.changed(text, fault) != faults.paused(text, fault)
    for run in fault["runs"]:
        _, program, _ = faults.split(run)
        assert (faults.SOURCE / f"tests/stress/{program}.c").exists()


def test_the_pause_is_there_with_and_without_the_fault():
    text = "    write();\n    look();\n"
    without, with_it = faults.paused(text, FAULT), faults.changed(text, FAULT)
    assert "pause" in without and "look();" in without
    assert "pause" in with_it and "skip();" in with_it
    assert without.index("pause") < without.index("write();")


@pytest.mark.parametrize("text", ["    write();\n", "look(); look(); write();"])
def test_a_fault_that_is_not_there_once_is_trouble(text):
    with pytest.raises(faults.Trouble):
        faults.changed(text, FAULT)


def test_a_run_may_name_its_store():
    assert faults.split("lock mix plenty 80 1") == ("lock", "mix",
                                                    ["plenty", "80", "1"])
    assert faults.split("rendezvous 3 1") == (None, "rendezvous", ["3", "1"])
