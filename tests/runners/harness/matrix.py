"""What all runners say together: the matrix, and whether they count alike."""
from harness import spec

MARKS = {"pass": ".", "fail": "FAIL", "skip": "skip"}

# What depends on how fast a machine is, and what is computed from other counters.
NOT_COMPARED = frozenset({
    "total_get_time", "average_get_time", "max_get_time", "p50_get_time",
    "p95_get_time", "p99_get_time", "average_lifetime", "last_update",
    "average_reuse", "utilization", "creation_failure_rate", "hc_success_rate"})


def header(names):
    return f"{'scenario':16}" + "".join(f"{name:>9}" for name in names)


def row(document, outcomes):
    """A line of the matrix."""
    cells = "".join(f"{MARKS[one.result]:>9}" for one in outcomes)
    return f"{document['id']:16}{cells}  {document['title']}"


def totals(names, outcomes):
    """The last lines: how often each result, by runner."""
    lines = []
    for result in ("pass", "skip", "fail"):
        counts = [sum(one.runner == name and one.result == result
                      for one in outcomes) for name in names]
        lines.append(f"{result:16}" + "".join(f"{count:>9}" for count in counts))
    return lines


# -------------------------------------------------------------- alike or not

def _varying(scenario):
    """The counters of a scenario that may differ; None for all of them."""
    varies = spec.varies().get(scenario)
    return frozenset() if varies is None else varies.get("counters")


def _case_differences(number, one, other, ignored):
    for pool in sorted(one.keys() | other.keys()):
        if pool not in one or pool not in other:
            yield f"case {number}: there is no pool {pool}"
            continue
        for name, value in one[pool].items():
            if name not in ignored and other[pool].get(name) != value:
                yield (f"case {number}: {name} of {pool} is {value} and "
                       f"{other[pool].get(name)}")


def differences(scenario, outcomes):
    """How the counters of the runners that passed differ, as sentences."""
    varying = _varying(scenario)
    passed = [one for one in outcomes if one.result == "pass"]
    found = [f"{one.runner} tells no counters" for one in passed
             if "pools" not in one.counters]
    told = [one for one in passed if "pools" in one.counters]
    if varying is None or len(told) < 2:
        return found
    first, ignored = told[0], NOT_COMPARED | frozenset(varying)
    for other in told[1:]:
        cases, others = first.counters["pools"], other.counters["pools"]
        if len(cases) != len(others):
            found.append(f"{first.runner} has {len(cases)} cases, {other.runner} "
                         f"{len(others)}")
        for number, (one, two) in enumerate(zip(cases, others)):
            found += [f"{first.runner} and {other.runner}, {difference}"
                      for difference in _case_differences(number, one, two, ignored)]
    return found
