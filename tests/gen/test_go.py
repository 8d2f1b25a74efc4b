"""What is generated for Go: every constant, an error for every status."""
import re

import genfiles
import pytest

from ncpgen import project as projects
from ncpgen.writers import go

FOLDER = genfiles.ROOT / "go"
HEADER = genfiles.model("""
/** S. */
enum ncp_status {
    NCP_OK = 0, /**< fine */
    NCP_EBAD = -1 /**< not fine */
};
""")


def test_names_follow_from_those_of_c():
    assert [go.name(name) for name in (
        "NCP_OK", "NCP_ECLOSED", "NCP_OPTION_MAX_IDLE_CONNECTIONS",
        "NCP_COUNTER_P50_GET_TIME")] == [
        "ncpOk", "ncpEclosed", "ncpOptionMaxIdleConnections",
        "ncpCounterP50GetTime"]


@pytest.mark.parametrize("names, complaint", [
    ({"go_errors": {"NCP_EBAD": "ErrBad"}, "go_no_errors": ["NCP_OK"]}, None),
    ({"go_errors": {}, "go_no_errors": ["NCP_OK"]}, "NCP_EBAD has no name"),
    ({"go_errors": {"NCP_EBAD": "ErrBad", "NCP_EX": "ErrX"},
      "go_no_errors": ["NCP_OK"]}, "NCP_EX is no status"),
    ({"go_errors": {"NCP_EBAD": "ErrBad"},
      "go_no_errors": ["NCP_OK", "NCP_EBAD"]}, "NCP_EBAD is listed twice"),
])
def test_every_status_has_a_name_or_is_listed(names, complaint):
    found = [each.split(": ")[1].split(";")[0]
             for each in projects.unnamed(HEADER, names)]
    assert [each for each in found if complaint and complaint in each] == found
    assert bool(found) == bool(complaint)


def test_constants_are_those_of_the_model():
    text = (FOLDER / "zz_constants.go").read_text()
    written = dict(re.findall(r"^\t(ncp\w+) = (-?\d+)$", text, flags=re.M))
    api = genfiles.api()
    expected = {go.name(value["name"]): str(value["value"])
                for enum in api["enums"] for value in enum["values"]}
    expected.update({go.name(macro["name"]): str(macro["value"])
                     for macro in api["macros"]})
    assert written == expected
    table = re.findall(r'^\t\{"(NCP_\w+)", (ncp\w+)\},$', text, flags=re.M)
    assert {go.name(c_name): go_name for c_name, go_name in table} \
        == {name: name for name in expected}


def test_errors_carry_the_texts_of_the_library():
    text = (FOLDER / "zz_errors.go").read_text()
    written = dict(re.findall(r'= newSentinel\((ncp\w+), "(.*)"\)', text))
    names = projects.load(genfiles.ROOT).names
    assert written == {
        go.name(row["name"]): row["text"]
        for row in genfiles.api()["library"]["statuses"]
        if row["name"] not in names["go_no_errors"]}


def test_gofmt_has_nothing_to_say(run, need):
    printed = run(need("gofmt"), "-l", FOLDER / "zz_constants.go",
                  FOLDER / "zz_errors.go")
    assert printed == ""


def test_header_beside_it_is_the_public_one():
    assert (FOLDER / "netconnpool.h").read_text() \
        == (genfiles.ROOT / projects.HEADER).read_text()


def test_header_of_lanes_beside_it_is_that_of_the_core():
    assert (FOLDER / "netconnpool_lane.h").read_text() \
        == (genfiles.ROOT / projects.LANE_HEADER).read_text()
