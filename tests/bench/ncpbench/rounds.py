"""Runs the contestants, in turns: every round is one sample of each."""
import dataclasses
import json
import subprocess
import time

from . import cases, targets
from .contestants import Missing
from .figures import Series

CANNOT = 77  # the exit code of who cannot do it here
GRACE_SECONDS, QUICK_GRACE_SECONDS = 120, 20  # besides a sample's own time


@dataclasses.dataclass(frozen=True)
class Plan:
    """How long and how often."""
    rounds: int
    quick: bool = False
    budget: float | None = None  # seconds for all rounds
    seconds: float | None = None  # of every sample


@dataclasses.dataclass
class Job:
    case: cases.Case
    program: str
    series: Series
    over: bool = False  # it failed or cannot


def _is_quick(entry):
    """Whether a quick run has it: everybody in the first case, then what the
    targets name, the stores side by side, and the rivals in C."""
    case = cases.by_name(entry.case)
    if (case.name == "uncontended" or entry.subject == case.reference
            or entry.subject in targets.named(case.name)):
        return True
    return entry.language == "c" and (
        case.name == "parallel" or not targets.is_ours(entry.subject))


def _variants_of(entry, case, quick):
    if not entry.variants:
        return case.quick_variants if quick else case.variants
    return entry.variants[:case.quick_own] if quick else entry.variants


def jobs_of(entries, chosen, quick):
    """A job for each subject in each variant, case by case."""
    jobs = []
    for case in chosen:
        listed = [(entry, _variants_of(entry, case, quick)) for entry in entries
                  if entry.case == case.name and (not quick or _is_quick(entry))]
        variants = []
        for _, own in listed:
            variants += [one for one in own if one not in variants]
        jobs += [Job(case, entry.program,
                     Series(case.name, variant, entry.subject, entry.language,
                            entry.version, entry.notes))
                 for variant in variants for entry, own in listed
                 if variant in own]
    return jobs


def seconds_of(job, plan):
    if plan.seconds is not None:
        return plan.seconds
    return job.case.quick_seconds if plan.quick else job.case.seconds


def run_sample(job, seconds, grace=GRACE_SECONDS):
    """One sample. LookupError: it cannot do it here; another one: it failed."""
    series = job.series
    command = [job.program, "--case", series.case, "--subject", series.subject,
               "--seconds", str(seconds), *cases.arguments(series.variant)]
    done = subprocess.run(command, capture_output=True, text=True,
                          timeout=seconds * 5 + grace)
    if done.returncode == CANNOT:
        raise LookupError(done.stderr.strip() or "it cannot do this here")
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        said = done.stderr.strip().splitlines()
        raise ValueError(f"exit code {done.returncode}: "
                         f"{said[-1] if said else 'it said nothing'}")
    return json.loads(lines[-1])


class Run:
    """All rounds; what came of them is in jobs, missing and failures."""

    def __init__(self, jobs, plan, say, clock=time.monotonic):
        self.jobs = jobs
        self.plan = plan
        self.say = say
        self.clock = clock
        self.missing = []
        self.failures = []
        self.left_out = []  # names of cases, for each sample there was no time for
        self.rounds = 0

    def _name(self, job):
        variant = cases.variant_text(job.series.variant)
        case = f"{job.case.name} ({variant})" if variant else job.case.name
        return f"{case}: {job.series.subject}"

    def _sample(self, job, seconds):
        return run_sample(job, seconds, QUICK_GRACE_SECONDS if self.plan.quick
                          else GRACE_SECONDS)

    def _take(self, job, sample):
        try:
            job.series.samples.append(
                sample(job, seconds_of(job, self.plan)))
        except LookupError as reason:
            job.over = True
            self.missing.append(Missing(self._name(job), str(reason)))
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            job.over = True
            self.failures.append(Missing(self._name(job), str(error)))

    def _due(self, number):
        return [job for job in self.jobs if not job.over
                and number < self._rounds_of(job.case)]

    def _rounds_of(self, case):
        most = case.quick_rounds if self.plan.quick else None
        return min(self.plan.rounds, most or case.rounds or self.plan.rounds)

    def _fits(self, spent, last):
        """Whether another round like the last one is within the budget."""
        return self.plan.budget is None or spent + last <= self.plan.budget

    def all_rounds(self, sample=None):
        sample = sample or self._sample
        began = self.clock()
        last = 0.0
        for number in range(self.plan.rounds):
            if not self._fits(self.clock() - began, last):
                self.say(f"no time for round {number + 1}")
                break
            begin = self.clock()
            due = self._due(number)
            for place, job in enumerate(due, 1):
                if not self._fits(self.clock() - began, 0):
                    self.left_out.append(job.case.name)
                    continue
                self.say(f"round {number + 1} of {self.plan.rounds}, "
                         f"{place} of {len(due)}: {self._name(job)}")
                self._take(job, sample)
            last = self.clock() - begin
            self.rounds = number + 1
        return self
