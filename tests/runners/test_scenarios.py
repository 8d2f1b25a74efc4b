"""Every scenario in every runner, and the scenarios themselves."""
import json
import pathlib
import sys

import pytest
import yaml

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from harness import matrix, run, spec  # noqa: E402 (the path has to be set before)

DOCUMENTS = spec.documents()
RUNNERS = run.runners()
SKIPS = yaml.safe_load((HERE / "skips.yaml").read_text(encoding="utf-8"))
PAIRS = [(scenario, runner) for scenario in DOCUMENTS for runner in RUNNERS]


@pytest.fixture(scope="module")
def crew(request):
    """Starts everything that was asked for, so that it runs side by side."""
    found = run.Crew()
    wanted = {runner: {} for runner in RUNNERS}
    for item in request.session.items:
        if "crew" in item.fixturenames:
            scenario = item.callspec.params["scenario"]
            chosen = item.callspec.params.get("runner")
            for runner in [chosen] if chosen else RUNNERS:
                wanted[runner][scenario] = DOCUMENTS[scenario]
    for runner, documents in wanted.items():
        found.start(list(documents.values()), RUNNERS[runner])
    yield found
    request.config.ncp_matrix = _matrix(found, wanted)
    found.close()


def _matrix(crew, wanted):
    """The lines of the matrix, for the end of the report."""
    names, everything = list(RUNNERS), []
    lines = [matrix.header(names)]
    for scenario, document in DOCUMENTS.items():
        if all(scenario in wanted[name] for name in names):
            outcomes = [crew.outcome(scenario, name) for name in names]
            everything += outcomes
            lines.append(matrix.row(document, outcomes))
    return lines + matrix.totals(names, everything)


def test_there_is_a_runner():
    if not RUNNERS:
        pytest.skip("no runner was built")


@pytest.mark.parametrize(("scenario", "runner"), PAIRS)
def test_scenario(crew, scenario, runner):
    outcome = crew.outcome(scenario, runner)
    if outcome.result == "skip":
        reason = SKIPS.get(runner, {}).get(outcome.reason)
        if reason is None:
            pytest.fail(f"it was left out, and skips.yaml does not say why: "
                        f"{outcome.reason}", pytrace=False)
        pytest.skip(f"{outcome.reason}: {reason}")
    if outcome.result != "pass":
        pytest.fail(f"{scenario}: {DOCUMENTS[scenario]['title']}\n"
                    f"{outcome.reason}", pytrace=False)


@pytest.mark.parametrize("scenario", list(DOCUMENTS))
def test_languages_count_alike(crew, scenario):
    outcomes = [crew.outcome(scenario, runner) for runner in RUNNERS]
    differences = matrix.differences(scenario, outcomes)
    if differences:
        pytest.fail("\n".join(differences), pytrace=False)


# ------------------------------------------------------------- the scenarios

def test_every_rule_has_a_scenario():
    assert spec.uncovered_rules() == []


def test_scenarios_name_only_rules_that_exist():
    assert spec.unknown_rules() == []


def test_every_scenario_looks_at_something():
    """A case without any expectation could not fail."""
    def looks(value):
        if isinstance(value, dict):
            return any(key in LOOKING or looks(inner)
                       for key, inner in value.items()) or \
                value.get("op") in LOOKING
        if isinstance(value, list):
            return any(looks(inner) for inner in value)
        return False

    blind = [f"{name}, case {number}" for name, one in DOCUMENTS.items()
             for number, case in enumerate(one["cases"])
             if not looks({key: case[key] for key in case if key != "config"})
             and name not in CHECKED_BY_THE_END]
    assert blind == []


LOOKING = {"expect", "within_ms", "stats", "dials", "that", "events", "order",
           "effective", "new", "new_within_ms", "same_as", "differs_from",
           "misuse", "config_roundtrip", "values", "reads", "is", "contains",
           "assert_open", "assert_closed", "assert_peer_eof", "detect",
           "best_ns", "conns", "length"}

# These look at what is left after the pool is gone, which every case does.
CHECKED_BY_THE_END = {"T-CLOSE-06", "T-CLOSE-07"}


@pytest.mark.parametrize("damage", [
    {"title": "too short"},
    {"rule": "no rule"},
    {"unknown": 1},
    {"steps": [{"op": "no_such_step"}]},
    {"steps": [{"op": "get", "no_such_key": 1}]},
    {"steps": [{"op": "get", "expect": "NO_SUCH_RESULT"}]},
    {"hooks": {"no_such_hook": {}}},
    {"dial": {"no_such_key": 1}},
    {"that": [["dials", "~", 1]]},
])
def test_the_schema_refuses(damage):
    scenario = {"id": "T-X-01", "rule": "P-1", "title": "a scenario that is fine",
                "steps": [{"op": "get", "as": "a"}]}
    assert spec.complaints({"scenarios": [scenario]}) == []
    assert spec.complaints({"scenarios": [{**scenario, **damage}]}) != []


# --------------------------------------------------------------- the runners

def _document(**case):
    scenario = {"id": "T-X-01", "rule": "P-1", "title": "made by a test", **case}
    return spec.document(scenario)


# Each of these has to fail, in every runner: a runner that cannot fail proves
# nothing.
BROKEN = {
    "an operation it does not know": {"steps": [{"op": "levitate"}]},
    "a key it does not know": {"steps": [{"op": "get", "as": "a", "colour": 1}]},
    "a key of a case it does not know": {"colour": 1},
    "a counter it does not know": {"stats": {"no_such_counter": 0}},
    "an option it does not know": {"config": {"no_such_option": 0}},
    "a wrong result": {"steps": [{"op": "get", "expect": "TIMEOUT"}]},
    "a wrong counter": {"steps": [{"op": "get", "as": "a"}],
                        "stats": {"created": 2}},
    "a wrong number of dials": {"steps": [{"op": "get", "as": "a"}], "dials": 0},
    "a wrong event": {"hooks": {"on_borrow": {"record": True}},
                      "steps": [{"op": "get", "as": "a"}], "events": ["return"]},
    "an event too many": {"hooks": {"on_borrow": {"record": True}},
                          "steps": [{"op": "get", "as": "a"}], "events": []},
    "a fact that does not hold": {"that": [["dials", ">", 0]]},
    "a wrong time": {"config": {"max_connections": 1},
                     "steps": [{"op": "get", "as": "a"},
                               {"op": "get", "timeout_ms": 50, "expect": "TIMEOUT",
                                "within_ms": [60, 70]}]},
    "a wait in vain": {"steps": [{"op": "wait_until", "stats": {"created": 1}}]},
    "a failure on another thread": {
        "steps": [{"op": "spawn", "name": "w",
                   "steps": [{"op": "get", "expect": "TIMEOUT"}]},
                  {"op": "join", "name": "w"}]},
    "a connection that is open": {"steps": [{"op": "get", "as": "a"},
                                            {"op": "assert_closed", "conn": "a"}]},
    "a configuration that is fine": {"new": "INVALID_CONFIG"},
}


@pytest.mark.parametrize("runner", list(RUNNERS))
@pytest.mark.parametrize("what", list(BROKEN))
def test_the_runner_refuses(runner, what):
    outcome = run.run_document(_document(**BROKEN[what]), RUNNERS[runner])
    assert outcome.result == "fail", outcome
    assert outcome.reason, "a failure without a reason"


@pytest.mark.parametrize("runner", list(RUNNERS))
def test_the_runner_counts_what_it_checked(runner):
    document = _document(steps=[{"op": "get", "as": "a"}, {"op": "put", "conn": "a"}])
    outcome = run.run_document(document, RUNNERS[runner])
    assert outcome.result == "pass", outcome.reason
    assert outcome.counters["cases"] == 1
    assert outcome.counters["checks"] > 0
    assert outcome.counters["pools"][0]["main"]["created"] == 1


def _counted(runner, **counters):
    return run.Outcome("T-X-01", runner, "pass", "", 0, counters)


def test_a_difference_of_counters_is_found():
    one = _counted("one", pools=[{"main": {"created": 1, "last_update": 7}}])
    two = _counted("two", pools=[{"main": {"created": 2, "last_update": 9}}])
    assert matrix.differences("T-X-01", [one, one]) == []
    assert matrix.differences("T-X-01", [one, two]) == [
        "one and two, case 0: created of main is 1 and 2"]
    assert matrix.differences("T-X-01", [one, _counted("three")]) == [
        "three tells no counters"]
    assert matrix.differences("T-X-01", [one, _counted("four", pools=[])]) != []


def test_what_may_differ_says_why_and_is_known():
    known = set(DOCUMENTS)
    assert {name for name in spec.varies() if name not in known} == set()


@pytest.mark.parametrize("runner", [name for name, one in RUNNERS.items()
                                    if one.takes_many])
def test_a_runner_that_takes_many_keeps_them_apart(runner):
    """One that fails, or ends its process, says nothing of the others."""
    fine = _document(steps=[{"op": "get", "as": "a"}, {"op": "put", "conn": "a"}])
    wrong = {**_document(stats={"created": 2}), "id": "T-X-02"}
    last = {**fine, "id": "T-X-03"}
    crew = run.Crew()
    crew.start([fine, wrong, last], RUNNERS[runner])
    results = [crew.outcome(one["id"], runner).result for one in (fine, wrong, last)]
    crew.close()
    assert results == ["pass", "fail", "pass"]


def test_documents_are_plain_data():
    assert json.loads(json.dumps(DOCUMENTS)) == DOCUMENTS
