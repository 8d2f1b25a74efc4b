"""Every constant of Go is the one that C sees in the header, and the library
that is loaded has the same tables."""
import json
import re

import gotools


def test_the_constants_are_those_of_c(run, facts, tmp_path):
    out = tmp_path / "constants.json"
    run(gotools.go(), "test", "-count=1", "-run", "TestWriteConstants|Tables",
        ".", cwd=gotools.MODULE,
        env=gotools.environment(NCP_CONSTANTS_OUT=str(out)))
    ours = {row["Name"]: row["Value"] for row in json.loads(out.read_text())}
    theirs = {}
    for line in facts:
        found = re.fullmatch(r"const (\w+) (-?\d+)", line)
        if found:
            theirs[found[1]] = int(found[2])
    assert len(theirs) > 100
    assert {name: ours.get(name) for name in theirs} == theirs


def test_the_event_of_go_is_that_of_c(run, facts, tmp_path):
    out = tmp_path / "layout.json"
    run(gotools.go(), "test", "-count=1", "-run", "TestWriteLayout", ".",
        cwd=gotools.MODULE, env=gotools.environment(NCP_LAYOUT_OUT=str(out)))
    ours = json.loads(out.read_text())
    assert f"sizeof ncp_event {ours.pop('size')}" in facts
    for field, offset in ours.items():
        assert f"offset ncp_event.{field} {offset}" in facts
