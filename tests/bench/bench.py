"""Lets netconnpool and its rivals take turns, and says who is how fast.

    bench.py [--quick] [--only CASE,...] [--json FILE] [--markdown FILE]
             [--plots FOLDER] [--rounds N] [--seconds S] [--subjects NAME,...]
             [--languages NAME,...]

Builds everything in release mode into NCP_BUILD_DIR, or build/bench. A case is
a name or a letter of docs/benchmarks.md. Judges the targets and says so; the
exit code is 0 all the same, and 1 when a program failed.
"""
import argparse
import json
import os
import pathlib
import sys
import time

from ncpbench import cases, contestants, figures, plots, report, rounds, targets

QUICK_ROUNDS, ROUNDS = 3, 5
# Seconds of a quick run: for building and measuring, and for measuring at least.
QUICK_SECONDS, QUICK_MEASURING = 105, 40


class Progress:
    """One line that is written over in a terminal, a line each elsewhere."""

    def __init__(self):
        self.stream = sys.stderr
        self.length = 0

    def say(self, text):
        if not self.stream.isatty():
            print(text, file=self.stream, flush=True)
            return
        text = text[:os.get_terminal_size(self.stream.fileno()).columns - 1]
        self.stream.write("\r" + text.ljust(self.length))
        self.stream.flush()
        self.length = len(text)

    def end(self):
        if self.length:
            self.stream.write("\r" + " " * self.length + "\r")
            self.length = 0


def words(text):
    return [word for word in text.split(",") if word]


def arguments(argv):
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true",
                        help="under two minutes, with fewer rounds")
    parser.add_argument("--only", type=words, default=[], metavar="CASE,...")
    parser.add_argument("--subjects", type=words, default=[],
                        metavar="NAME,...", help="these and no others")
    parser.add_argument("--languages", type=words, default=[],
                        metavar="NAME,...", help="besides c, these alone")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of every sample")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--markdown", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--plots", type=pathlib.Path, metavar="FOLDER")
    return parser.parse_args(argv)


def version_of(entries):
    return next((entry.version for entry in entries
                 if entry.subject == targets.LOCKFREE), "")


def plan_of(options, spent):
    """How often and how long, after so many seconds of building."""
    if not options.quick:
        return rounds.Plan(options.rounds or ROUNDS, seconds=options.seconds)
    return rounds.Plan(options.rounds or QUICK_ROUNDS, quick=True,
                       budget=max(QUICK_SECONDS - spent, QUICK_MEASURING),
                       seconds=options.seconds)


def measure(options, plan, entries, missing, say):
    """Runs all rounds and judges."""
    chosen = cases.selected(options.only)
    if options.subjects:
        entries = [one for one in entries if one.subject in options.subjects]
    machine = report.machine()
    run = rounds.Run(rounds.jobs_of(entries, chosen, options.quick), plan, say)
    run.all_rounds()
    results = figures.Results([job.series for job in run.jobs])
    verdicts = targets.judge(results, {case.letter for case in chosen},
                             options.quick)
    return report.Outcome(results, verdicts, [*missing, *run.missing],
                          run.failures, run.rounds, options.quick, machine,
                          version_of(entries), run.left_out)


def write(options, outcome, text):
    for path, content in (
            (options.markdown, text),
            (options.json, json.dumps(report.record(outcome), indent=1))):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
    if options.plots is not None:
        for path in plots.write(outcome.results, options.plots):
            print(f"drawn: {path}", file=sys.stderr)


def main(argv=None):
    options = arguments(argv)
    progress = Progress()
    try:
        cases.selected(options.only)
        build = os.environ.get("NCP_BUILD_DIR") or contestants.ROOT / "build/bench"
        began = time.monotonic()
        entries, missing = contestants.gather(pathlib.Path(build).resolve(),
                                              progress.say,
                                              options.languages,
                                              options.quick)
        plan = plan_of(options, time.monotonic() - began)
        outcome = measure(options, plan, entries, missing, progress.say)
    except (ValueError, RuntimeError) as error:
        progress.end()
        print(f"bench.py: {error}", file=sys.stderr)
        return 2
    progress.end()
    text = report.markdown(outcome)
    print(text)
    write(options, outcome, text)
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main())
