"""Runs documents with runners: one process a scenario, with a time limit.

A runner is a program that is given the path of a document and prints one line
of JSON: {id, result: pass|fail|skip, reason, counters}. The library prints
nothing, so anything beside that line is a failure. A runner that starts slowly
may take several paths: it prints a line for each, in their order.
"""
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import select
import shlex
import subprocess
import tempfile
import time

RESULTS = ("pass", "fail", "skip")
LIMIT_S = 20  # a runner ends itself then
GRACE_S = 10  # and is ended after this many more
BATCH = 16    # documents that are given at once to a runner that takes many


@dataclasses.dataclass(frozen=True)
class Runner:
    """How the scenarios are run in a language."""

    name: str
    command: tuple
    takes_many: bool = False

    @classmethod
    def parse(cls, text):
        """From "name=command" or, for one that takes many documents at once,
        "name+=command"; None for anything else."""
        name, separator, command = text.partition("=")
        if not separator:
            return None
        name = name.strip()
        return cls(name.removesuffix("+"), tuple(shlex.split(command)),
                   name.endswith("+"))


@dataclasses.dataclass
class Outcome:
    """What became of one scenario in one runner."""

    scenario: str
    runner: str
    result: str
    reason: str
    seconds: float
    counters: dict


def scale():
    """How much slower everything is here, under a sanitizer for instance."""
    return float(os.environ.get("NCP_SPEC_SCALE", "1"))


def limit():
    """Seconds after which a runner ends a scenario by itself."""
    return LIMIT_S * scale()


def runners():
    """The runners by language, from NCP_RUNNERS: "c=/path/to/it;lua=...". A
    value may be a command with arguments."""
    found = map(Runner.parse, os.environ.get("NCP_RUNNERS", "").split(";"))
    return {one.name: one for one in found if one is not None}


# -------------------------------------------------------------------- verdicts

def _failed(reason):
    return {"result": "fail", "reason": reason, "counters": {}}


def _read(document, line, reason):
    """The verdict in a line; `reason` is what there is to say without one."""
    try:
        verdict = json.loads(line)
        known = verdict["result"] in RESULTS
    except (ValueError, KeyError, TypeError):
        return _failed(reason)
    if not known or verdict.get("id") != document["id"]:
        return _failed(f"not a result: {line}")
    return verdict


def _outcome(document, runner, verdict, seconds):
    return Outcome(document["id"], runner.name, verdict["result"],
                   verdict.get("reason", ""), seconds, verdict.get("counters", {}))


def _with_printed(verdict, printed, code):
    """A scenario after which something was printed, or that ended badly, has
    failed."""
    if verdict["result"] == "fail":
        reason = "\n".join([verdict.get("reason", ""), printed]).strip()
        return {**verdict, "reason": reason}
    if code != 0:
        return _failed(f"exit code {code}: {printed}")
    return _failed(f"something was printed: {printed}") if printed else verdict


# --------------------------------------------------------------------- running

class _Process:
    """A runner that works through documents, line by line."""

    def __init__(self, documents, runner, folder):
        paths = []
        for number, document in enumerate(documents):
            path = pathlib.Path(folder) / f"{number}.json"
            path.write_text(json.dumps(document), encoding="utf-8")
            paths.append(str(path))
        self._errors = open(pathlib.Path(folder) / "stderr", "w+b")
        self._process = subprocess.Popen(
            [*runner.command, *paths], stdout=subprocess.PIPE, stderr=self._errors,
            env={**os.environ, "NCP_SCENARIO_LIMIT": str(int(limit()))})
        self._data = b""

    def line(self):
        """The next line, "" at the end, None when it takes too long."""
        end = time.monotonic() + limit() + GRACE_S
        fd = self._process.stdout.fileno()
        while b"\n" not in self._data:
            ready, _, _ = select.select([fd], [], [],
                                        max(0, end - time.monotonic()))
            if not ready:
                self._process.kill()
                return None
            more = os.read(fd, 1 << 16)
            if not more:
                return self._take(len(self._data))
            self._data += more
        return self._take(self._data.index(b"\n") + 1)

    def _take(self, size):
        line, self._data = self._data[:size], self._data[size:]
        return line.decode(errors="replace").strip()

    def end(self):
        """What else was printed, and the exit code."""
        try:
            rest, _ = self._process.communicate(timeout=limit() + GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            rest, _ = self._process.communicate()
        self._errors.seek(0)
        printed = self._data + rest + self._errors.read()
        self._errors.close()
        return printed.decode(errors="replace").strip(), self._process.returncode


def _verdicts(process, documents):
    """The verdict of each document, as far as there is a line, and when it came.
    None in place of one that hangs, which ends it."""
    for document in documents:
        line = process.line()
        if line is None:
            yield _failed(f"it hangs: ended after {limit() + GRACE_S:.0f} s")
            return
        if not line:
            return
        yield _read(document, line, f"not a result: {line}")


def _run(documents, runner):
    """Outcomes of the first documents, at least of one."""
    outcomes, begin = [], time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ncp-spec-") as folder:
        try:
            process = _Process(documents, runner, folder)
        except OSError as error:
            return [_outcome(documents[0], runner,
                             _failed(f"the runner does not start: {error}"), 0)]
        verdicts = []
        for verdict in _verdicts(process, documents):
            verdicts.append((verdict, time.monotonic() - begin))
            begin = time.monotonic()
        printed, code = process.end()
    if not verdicts:
        verdicts = [(_failed(f"exit code {code} and no result"),
                     time.monotonic() - begin)]
    if printed or (len(documents) == 1 and code != 0):
        verdicts = [(_with_printed(verdict, printed, code), seconds)
                    for verdict, seconds in verdicts]
    for document, (verdict, seconds) in zip(documents, verdicts):
        outcomes.append(_outcome(document, runner, verdict, seconds))
    return outcomes


def run_document(document, runner):
    """One scenario in one runner."""
    return _run([document], runner)[0]


def jobs():
    """How many scenarios run at once."""
    return int(os.environ.get("NCP_SPEC_JOBS", "2"))


class Crew:
    """Runs scenarios beside each other; results are asked for one by one."""

    def __init__(self):
        self._pool = concurrent.futures.ThreadPoolExecutor(jobs())
        self._futures = {}

    def start(self, documents, runner):
        size = BATCH if runner.takes_many else 1
        new = [one for one in documents
               if (one["id"], runner.name) not in self._futures]
        for document in new:
            self._futures[(document["id"], runner.name)] = \
                concurrent.futures.Future()
        for at in range(0, len(new), size):
            self._pool.submit(self._work, new[at:at + size], runner)

    def _work(self, documents, runner):
        while documents:
            try:
                outcomes = _run(documents, runner)
            except Exception as error:  # a mistake here must not wait for ever
                outcomes = [_outcome(one, runner, _failed(f"harness: {error!r}"), 0)
                            for one in documents]
            for outcome in outcomes:
                self._futures[(outcome.scenario, runner.name)].set_result(outcome)
            documents = documents[len(outcomes):]

    def outcome(self, scenario, runner):
        return self._futures[(scenario, runner)].result()

    def close(self):
        self._pool.shutdown(cancel_futures=True)
