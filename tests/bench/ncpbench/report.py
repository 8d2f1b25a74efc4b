"""What a run is told as: JSON, and Markdown that reads well in a terminal too."""
import collections
import dataclasses
import datetime
import os
import platform

from . import cases, figures, targets

NOTHING = "-"


def number(value):
    """Four digits that matter, and no exponent."""
    if value is None:
        return NOTHING
    if value != 0 and abs(value) < 0.001:
        return f"{value:.2e}"
    for limit, decimals in ((0.1, 4), (10, 3), (100, 2), (1000, 1)):
        if abs(value) < limit and value != int(value):
            return f"{value:.{decimals}f}"
    return f"{value:,.0f}"


def table(header, rows):
    """A Markdown table, its columns aligned; all but the first to the right."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [header, *rows])
              for i in range(len(header))]

    def line(cells):
        parts = [cell.ljust(width) if i == 0 else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(cells, widths))]
        return f"| {' | '.join(parts)} |"

    rule = [("-" * width if i == 0 else "-" * (width - 1) + ":")
            for i, width in enumerate(widths)]
    return "\n".join([line(header), line(rule), *map(line, rows)])


def machine():
    """What the figures depend on."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    model = line.split(":", 1)[1].strip()
                    break
    except OSError:
        pass
    return {"processors": os.cpu_count(), "model": model,
            "system": f"{platform.system()} {platform.release()}",
            "load_at_start": round(os.getloadavg()[0], 2)}


@dataclasses.dataclass
class Outcome:
    """All that a report tells."""
    results: figures.Results
    verdicts: list
    missing: list
    failures: list
    rounds: int
    quick: bool
    machine: dict
    version: str = ""
    left_out: list = dataclasses.field(default_factory=list)


# ------------------------------------------------------------------------ parts


def _reference(case, group, language):
    """Ours to compare with: of that language, or what the case says."""
    for one in group:
        if language is None and one.subject == case.reference:
            return one
        if (language not in (None, "c") and one.language == language
                and targets.is_ours(one.subject)):
            return one
    return None


def _ratio_text(ours, one, metric):
    if ours is None or one is ours:
        return NOTHING
    return number(figures.ratio(ours, one, metric))


def _row(case, group, one, more):
    spread = figures.spread(one.values(case.metric))
    others = [figures.spread(one.values(metric)) for metric in more]
    name = f"{one.subject} {one.version}".strip()
    return [name, one.language, number(spread.median),
            f"{number(spread.least)} to {number(spread.most)}",
            _ratio_text(_reference(case, group, None), one, case.metric),
            _ratio_text(_reference(case, group, one.language), one,
                        case.metric),
            *(number(other.median) if other else NOTHING for other in others)]


def case_table(case, group):
    """The table of one variant of a case."""
    told = [one for one in group if figures.spread(one.values(case.metric))]
    if not told:
        return ""
    more = [metric for metric in case.more
            if any(metric in one.metrics() for one in told)]
    header = ["", "language", case.metric, "least to most", "C / it",
              "its language's / it", *more]
    return table(header, [_row(case, told, one, more) for one in told])


def targets_table(verdicts):
    return table(
        ["target", "limit", "found", "verdict"],
        [[f"({one.target.letter}) {one.target.what}",
          one.target.limit_text(), number(one.value), one.state]
         for one in verdicts])


def _notes(results):
    notes = {one.subject: one.notes for one in results.series if one.notes}
    return [f"- {subject}: {text}" for subject, text in sorted(notes.items())]


def _list(title, items):
    if not items:
        return []
    return [f"\n## {title}\n", *(f"- {one.name}: {one.why}" for one in items)]


# ---------------------------------------------------------------------- the whole


def markdown(outcome):
    kind = "quick run" if outcome.quick else "run"
    where = outcome.machine
    lines = [
        f"# netconnpool {outcome.version}: what a {kind} found", "",
        f"{outcome.rounds} rounds on {where['processors']} processors "
        f"({where['model']}, {where['system']}), load "
        f"{where['load_at_start']} at the start. Medians; \"C / it\" is the "
        f"median of the ratio of {targets.LOCKFREE} to the subject in the same "
        "round (of another one of ours where the case says so), \"its "
        "language's / it\" that of ours in the same language."]
    for case in cases.CASES:
        groups = outcome.results.of_case(case.name)
        if groups:
            lines.append(f"\n## ({case.letter}) {case.title}")
            if case.reference != targets.LOCKFREE:
                lines.append(f"\nCompared with {case.reference}.")
        for group in groups:
            variant = cases.variant_text(group[0].variant)
            text = case_table(case, group)
            if text:
                lines += ["", *([f"{variant}:", ""] if variant else []), text]
    if outcome.verdicts:
        lines += ["\n## Targets\n", targets_table(outcome.verdicts)]
    notes = _notes(outcome.results)
    if notes:
        lines += ["\n## Notes\n", *notes]
    if outcome.left_out:
        counts = collections.Counter(outcome.left_out)
        lines += ["\n## No time\n", "This run ended before these samples: "
                  + ", ".join(f"{case} {count}"
                              for case, count in counts.items())]
    lines += _list("Missing", outcome.missing)
    lines += _list("Failed", outcome.failures)
    return "\n".join(lines) + "\n"


def _series_record(one):
    record = {"case": one.case, "variant": one.variant, "subject": one.subject,
              "language": one.language, "version": one.version,
              "notes": one.notes, "clock": one.clock(), "figures": {}}
    for metric in one.metrics():
        values = one.values(metric)
        spread = figures.spread(values)
        record["figures"][metric] = {**dataclasses.asdict(spread),
                                     "samples": values}
    return record


def record(outcome, now=None):
    """The run as it is written to JSON."""
    now = now or datetime.datetime.now(datetime.timezone.utc)
    return {
        "netconnpool": outcome.version,
        "time": now.isoformat(timespec="seconds"),
        "machine": outcome.machine,
        "quick": outcome.quick,
        "rounds": outcome.rounds,
        "series": [_series_record(one) for one in outcome.results.series
                   if one.samples],
        "targets": [{"letter": one.target.letter, "what": one.target.what,
                     "limit": one.target.limit_text(), "value": one.value,
                     "verdict": one.state} for one in outcome.verdicts],
        "missing": [dataclasses.asdict(one) for one in outcome.missing],
        "failures": [dataclasses.asdict(one) for one in outcome.failures]}
