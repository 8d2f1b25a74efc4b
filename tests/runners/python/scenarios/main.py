"""Reads documents, runs their cases, prints a line of JSON for each.

Each document runs in a process of its own, forked from this one before it has
begun anything: what one leaves behind does not reach the next, and the interpreter
starts only once.
"""
import faulthandler
import json
import os
import signal
import sys
import threading
import time
import traceback

from . import (facts, peers, pools, steps, steps_check, steps_config, steps_conn,
               steps_pool, steps_pull, steps_task, verdict, words)
from .scene import Scene, Task
from .threads_clock import Quiet

CASE_KEYS = ("clock config dial acceptor listener hooks pools new new_within_ms "
             "effective steps dials stats events order that")
# What Python has of its own: JSON documents are read by its module.
ABSENT_STEPS = frozenset({"config_json"})
LIMIT_S = 20
GRACE_S = 5

__all__ = ["steps_check", "steps_config", "steps_conn", "steps_pool", "steps_pull"]


def _missing(document, worlds):
    """What the document needs and this world cannot do; None when it can all."""
    for need in document.get("needs", []):
        able = peers.ipv6_works() if need == "ipv6" else need in worlds.CAPABILITIES
        if not able:
            return need
    for case in document["cases"]:
        for option in case.get("config") or ():
            if option in worlds.ABSENT_OPTIONS:
                return option
        for step in case.get("steps", []):
            if step.get("op") in ABSENT_STEPS:
                return step["op"]
    return None


async def run_case(scene):
    """One case, from the making of its pools to the proof that they are gone."""
    words.keys_only(scene.doc, CASE_KEYS, "case")
    task = Task(scene, "main", scene.doc.get("steps", []))
    await pools.make(scene)
    await steps.run(scene, task.steps, task)
    await steps_task.join_all(scene)
    facts.check_end(scene, task)
    await scene.world.settle()
    scene.keep_counters()
    await pools.end(scene)


class Runner:
    """One document in one world."""

    def __init__(self, worlds, document):
        self.worlds = worlds
        self.document = document
        self.world = None
        self.finals = []
        self.virtual_ms = 0.0

    def more_counters(self):
        return {"virtual_ms": self.virtual_ms, "pools": self.finals}

    def run(self):
        words.keys_only(self.document, "id title rules needs cases", "document")
        missing = _missing(self.document, self.worlds)
        if missing is not None:
            verdict.skipped(missing)
        quiet, crowd = Quiet(), peers.Peers()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        resources = quiet.descriptors(), quiet.threads()
        for index, doc in enumerate(self.document["cases"]):
            with verdict.where(f"case {index}"):
                self.world = self.worlds.World(doc.get("clock", "virtual") == "virtual",
                                               quiet, resources)
                scene = Scene(doc, self.world, crowd)
                self.world.play(lambda scene=scene: run_case(scene))
                self.finals.append(scene.finals)
                if self.world.is_virtual:
                    self.virtual_ms = self.world.now_ms()
        verdict.passed(len(self.document["cases"]))

    def _watch(self):
        limit = int(os.environ.get("NCP_SCENARIO_LIMIT", LIMIT_S))
        time.sleep(limit)
        told = self.world.describe() if self.world is not None else "not begun"
        verdict.fail(f"not done after {limit} s: {told}")


def _child(worlds, path):
    faulthandler.enable()
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        runner = Runner(worlds, document)
        verdict.begin(document.get("id", "?"), runner.more_counters)
        runner.run()
    except BaseException:  # whatever it is, the scenario has failed
        verdict.fail(traceback.format_exc())


def _id_of(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file).get("id", "?")
    except (OSError, ValueError, AttributeError):
        return "?"


def _run(worlds, path):
    """Runs a document in a child and answers for it if it dies; its exit code."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        os.dup2(writing, 1)
        os.close(writing)
        _child(worlds, path)
    os.close(writing)
    limit = float(os.environ.get("NCP_SCENARIO_LIMIT", LIMIT_S)) + GRACE_S
    said = _read(reading, pid, time.monotonic() + limit)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if not said.endswith(b"\n"):
        verdict.begin(_id_of(path), None)
        said = verdict.line("fail", f"it ended with {code}: "
                            f"{said.decode(errors='replace')}", {}).encode()
    verdict.write(said.decode(errors="replace"))
    return code


def _read(fd, pid, end):
    """What the child says until it ends; it is ended when that takes too long."""
    import select
    data = b""
    while True:
        ready, _, _ = select.select([fd], [], [], max(0, end - time.monotonic()))
        if not ready:
            os.kill(pid, signal.SIGKILL)
            break
        more = os.read(fd, 65536)
        if not more:
            break
        data += more
    os.close(fd)
    return data


def main(worlds):
    paths = sys.argv[2:]
    if not paths:
        print("usage: run.py threads|asyncio FILE.json ...", file=sys.stderr)
        return 2
    return 1 if any([_run(worlds, path) for path in paths]) else 0
