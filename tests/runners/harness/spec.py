"""The scenarios as data: reads them, checks them, makes flat documents.

A document is what a runner gets: {id, title, rules, needs, cases}. A case is
complete in itself; what repeats or varies has been written out.
"""
import copy
import functools
import json
import pathlib

import jsonschema
import yaml

SPEC = pathlib.Path(__file__).resolve().parents[2] / "spec"
NOT_SCENARIOS = {"rules.yaml", "defaults.yaml"}

# What a variant takes over from its scenario unless it says something else.
INHERITED = ("clock", "dial", "acceptor", "listener", "hooks", "pools")
OF_THE_SCENARIO = ("id", "rule", "title", "after", "needs", "also", "repeat",
                   "for_each_dial", "varies")


class SpecError(Exception):
    """A file of scenarios is not what it has to be."""


def _read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@functools.lru_cache(maxsize=None)
def rules():
    """Every rule with its line."""
    return _read(SPEC / "rules.yaml")


@functools.lru_cache(maxsize=None)
def _defaults():
    return _read(SPEC / "defaults.yaml")


@functools.lru_cache(maxsize=None)
def _validator():
    schema = json.loads((SPEC / "schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def files():
    return sorted(path for path in SPEC.glob("*.yaml")
                  if path.name not in NOT_SCENARIOS)


def complaints(content):
    """What is wrong with the content of a file, as lines."""
    lines = []
    for error in _validator().iter_errors(content):
        deepest = jsonschema.exceptions.best_match([error])
        where = "/".join(str(part) for part in deepest.absolute_path)
        lines.append(f"{where}: {deepest.message}")
    return lines


def _rule_list(scenario):
    rule = scenario["rule"]
    return [rule] if isinstance(rule, str) else list(rule)


def _merged(options):
    return {**_defaults()["config"], **options}


def _completed(case):
    case = copy.deepcopy(case)
    config = case.get("config", {})
    case["config"] = None if config is None else _merged(config)
    case.setdefault("dial", copy.deepcopy(_defaults()["dial"]))
    case.setdefault("clock", "virtual")
    if "pools" in case:
        case["pools"] = {name: _merged(options)
                         for name, options in case["pools"].items()}
    return case


def _variants(scenario):
    base = {key: value for key, value in scenario.items()
            if key not in OF_THE_SCENARIO}
    yield base
    inherited = {key: base[key] for key in INHERITED if key in base}
    for variant in scenario.get("also", []):
        yield {**inherited, **variant}


def _with_dials(case, types):
    if not types:
        yield case
        return
    for kind in types:
        yield {**case, "dial": {**case["dial"], "type": kind}}


def document(scenario):
    """The flat document of one scenario."""
    cases = [dialed for variant in _variants(scenario)
             for dialed in _with_dials(_completed(variant),
                                       scenario.get("for_each_dial"))]
    return {"id": scenario["id"], "title": scenario["title"],
            "rules": _rule_list(scenario), "needs": scenario.get("needs", []),
            "cases": cases * scenario.get("repeat", 1)}


@functools.lru_cache(maxsize=None)
def _scenarios():
    """All scenarios by id, in the order of their files."""
    found = {}
    for path in files():
        content = _read(path)
        wrong = complaints(content)
        if wrong:
            raise SpecError("\n".join(f"{path.name}: {line}" for line in wrong))
        for scenario in content["scenarios"]:
            if scenario["id"] in found:
                raise SpecError(f"{path.name}: {scenario['id']} is there twice")
            found[scenario["id"]] = scenario
    return found


@functools.lru_cache(maxsize=None)
def documents():
    """All documents by id."""
    return {name: document(scenario) for name, scenario in _scenarios().items()}


@functools.lru_cache(maxsize=None)
def varies():
    """By id, what the counters of a scenario depend on and which they are."""
    return {name: scenario["varies"] for name, scenario in _scenarios().items()
            if "varies" in scenario}


def uncovered_rules():
    """Rules without a scenario."""
    covered = {rule for one in documents().values() for rule in one["rules"]}
    return sorted(set(rules()) - covered)


def unknown_rules():
    """What scenarios name and no rule is."""
    return sorted({rule for one in documents().values() for rule in one["rules"]}
                  - set(rules()))
