"""What was measured: samples, medians, ratios."""
import dataclasses
import statistics

WALL = "wall_"


@dataclasses.dataclass
class Series:
    """All samples of a subject in a variant of a case."""
    case: str
    variant: dict
    subject: str
    language: str
    version: str = ""
    notes: str = ""
    samples: list[dict] = dataclasses.field(default_factory=list)

    def values(self, metric):
        """Of each round; None where a round has no such figure."""
        return [sample.get(metric) for sample in self.samples]

    def metrics(self):
        """The names of all figures, in the order in which they came."""
        names = {}
        for sample in self.samples:
            for name, value in sample.items():
                if is_number(value):
                    names[name] = None
        return list(names)

    def clock(self):
        return self.samples[0].get("clock", "wall") if self.samples else "wall"


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@dataclasses.dataclass(frozen=True)
class Spread:
    median: float
    least: float
    most: float


def spread(values):
    """Median, least and most; None when there is nothing."""
    there = [value for value in values if value is not None]
    if not there:
        return None
    return Spread(statistics.median(there), min(there), max(there))


def _comparable(ours, rival, metric):
    """The figures of the same clock, when both have one of it."""
    if (ours.clock() != rival.clock()
            and f"{WALL}{metric}" in {*ours.metrics(), *rival.metrics()}):
        def wall(series):
            there = f"{WALL}{metric}" in series.metrics()
            return series.values(f"{WALL}{metric}" if there else metric)
        return wall(ours), wall(rival)
    return ours.values(metric), rival.values(metric)


def ratio(ours, rival, metric, rival_metric=None):
    """The median of ours / rival, round by round; None without a pair."""
    if rival_metric is None:
        pairs = zip(*_comparable(ours, rival, metric))
    else:
        pairs = zip(ours.values(metric), rival.values(rival_metric))
    ratios = [a / b for a, b in pairs if a is not None and b]
    return statistics.median(ratios) if ratios else None


class Results:
    """All series, to be found by case, variant and subject."""

    def __init__(self, series=()):
        self.series = list(series)

    def find(self, case, subject, variant=None):
        """The series; the variant may name a part of what it was run with."""
        wanted = variant or {}
        for one in self.series:
            if (one.case == case and one.subject == subject and one.samples
                    and wanted.items() <= one.variant.items()):
                return one
        return None

    def of_case(self, case):
        """A list of series for every variant, in the order they came."""
        groups = {}
        for one in self.series:
            if one.case == case and one.samples:
                key = tuple(sorted((k, str(v)) for k, v in one.variant.items()))
                groups.setdefault(key, []).append(one)
        return list(groups.values())
