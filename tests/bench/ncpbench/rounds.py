"""Runs the contestants, in turns: every round is one sample of each."""
import dataclasses
import json
import subprocess
import time

from . import cases
from .contestants import Missing
from .figures import Series

CANNOT = 77  # the exit code of who cannot do it here
GRACE_SECONDS = 120  # for a sample, besides its own time


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


def jobs_of(entries, chosen, quick):
    """A job for each subject in each variant, case by case."""
    jobs = []
    for case in chosen:
        usual = case.quick_variants if quick else case.variants
        listed = [entry for entry in entries if entry.case == case.name]
        variants = []
        for entry in listed:
            variants += [one for one in entry.variants or usual
                         if one not in variants]
        jobs += [Job(case, entry.program,
                     Series(case.name, variant, entry.subject, entry.language,
                            entry.version, entry.notes))
                 for variant in variants for entry in listed
                 if variant in (entry.variants or usual)]
    return jobs


def seconds_of(job, plan):
    if plan.seconds is not None:
        return plan.seconds
    return job.case.quick_seconds if plan.quick else job.case.seconds


def run_sample(job, seconds):
    """One sample; raises Missing's reason as OSError or ValueError."""
    series = job.series
    command = [job.program, "--case", series.case, "--subject", series.subject,
               "--seconds", str(seconds), *cases.arguments(series.variant)]
    done = subprocess.run(command, capture_output=True, text=True,
                          timeout=seconds * 5 + GRACE_SECONDS)
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
        self.rounds = 0

    def _name(self, job):
        variant = cases.variant_text(job.series.variant)
        case = f"{job.case.name} ({variant})" if variant else job.case.name
        return f"{case}: {job.series.subject}"

    def _take(self, job, sample=run_sample):
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
                and number < (job.case.rounds or self.plan.rounds)]

    def _fits(self, spent, last):
        """Whether another round like the last one is within the budget."""
        return self.plan.budget is None or spent + last <= self.plan.budget

    def all_rounds(self, sample=run_sample):
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
                    self.missing.append(Missing(
                        self._name(job), f"no time for round {number + 1}"))
                    continue
                self.say(f"round {number + 1} of {self.plan.rounds}, "
                         f"{place} of {len(due)}: {self._name(job)}")
                self._take(job, sample)
            last = self.clock() - begin
            self.rounds = number + 1
        return self
