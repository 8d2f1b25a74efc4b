"""Runs documents with runners: one process a scenario, with a time limit.

A runner is a program that is given the path of a document and prints one line
of JSON: {id, result: pass|fail|skip, reason, counters}. The library prints
nothing, so anything beside that line is a failure.
"""
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import shlex
import subprocess
import tempfile
import time

RESULTS = ("pass", "fail", "skip")
LIMIT_S = 20  # a runner ends itself then
GRACE_S = 10  # and is ended after this many more


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


def runners():
    """The runners by language, from NCP_RUNNERS: "c=/path/to/it;lua=...". A
    value may be a command with arguments."""
    found = {}
    for part in os.environ.get("NCP_RUNNERS", "").split(";"):
        name, separator, command = part.partition("=")
        if separator:
            found[name.strip()] = shlex.split(command)
    return found


def _failed(reason):
    return {"result": "fail", "reason": reason, "counters": {}}


def _verdict(document, done):
    lines = done.stdout.splitlines()
    said = (done.stdout + done.stderr).strip()
    try:
        verdict = json.loads(lines[-1])
        known = verdict["result"] in RESULTS
    except (IndexError, ValueError, KeyError, TypeError):
        return _failed(f"exit code {done.returncode} and no result: {said}")
    if not known or verdict.get("id") != document["id"]:
        return _failed(f"not a result: {lines[-1]}")
    if verdict["result"] == "fail":
        return {**_failed(verdict.get("reason", "")),
                "reason": "\n".join([verdict.get("reason", ""), done.stderr])
                          .strip()}
    if done.returncode != 0:
        return _failed(f"exit code {done.returncode}: {said}")
    if len(lines) != 1 or done.stderr:
        return _failed(f"something was printed: {said}")
    return verdict


def run_document(document, runner, command):
    """One scenario in one runner."""
    limit = LIMIT_S * scale()
    environment = {**os.environ, "NCP_SCENARIO_LIMIT": str(int(limit))}
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ncp-spec-") as folder:
        path = pathlib.Path(folder) / "scenario.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        try:
            done = subprocess.run(
                [*command, str(path)], capture_output=True, text=True,
                errors="replace", env=environment, check=False,
                timeout=limit + GRACE_S)
            verdict = _verdict(document, done)
        except subprocess.TimeoutExpired:
            verdict = _failed(f"it hangs: ended after {limit + GRACE_S:.0f} s")
        except OSError as error:
            verdict = _failed(f"the runner does not start: {error}")
    return Outcome(document["id"], runner, verdict["result"],
                   verdict.get("reason", ""), time.monotonic() - begin,
                   verdict.get("counters", {}))


def jobs():
    """How many scenarios run at once."""
    return int(os.environ.get("NCP_SPEC_JOBS", "2"))


class Crew:
    """Runs scenarios beside each other; results are asked for one by one."""

    def __init__(self):
        self._pool = concurrent.futures.ThreadPoolExecutor(jobs())
        self._futures = {}

    def start(self, document, runner, command):
        key = (document["id"], runner)
        if key not in self._futures:
            self._futures[key] = self._pool.submit(run_document, document, runner,
                                                   command)

    def outcome(self, scenario, runner):
        return self._futures[(scenario, runner)].result()

    def close(self):
        self._pool.shutdown(cancel_futures=True)
