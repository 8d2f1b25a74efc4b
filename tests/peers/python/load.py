"""What the clients in Python share: what became of requests, phase by phase, and
what is sent and expected in each protocol; see README.md of tests/peers."""
import collections
import dataclasses
import enum
import json
import os
import threading

WORKERS = 8
CONNECTIONS = 4
LIMIT_S = 5
PAUSE_S = 0.002

OPTIONS = {"max_connections": CONNECTIONS, "min_connections": 1,
           "maintain_min": True, "check_on_borrow": True,
           "health_check_interval": 0.05, "get_timeout": LIMIT_S}


class Outcome(enum.Enum):
    """What became of one request on one connection."""

    RIGHT = enum.auto()
    LAST = enum.auto()  # right, and the server closes the connection now
    WRONG = enum.auto()  # what came is not the answer to what was sent
    MISSING = enum.auto()  # the connection ended before a byte of it came
    CUT = enum.auto()  # it ended in the middle


class Phase:
    """Counts the requests that began in it."""

    def __init__(self, name):
        self.name = name
        self.begun = self.ok = self.failed = self.retried = 0
        self.why = collections.Counter()  # what kept requests from their answers

    def in_progress(self):
        return self.begun != self.ok + self.failed


class Book:
    """What became of every request. Its lock is for workers that are threads."""

    def __init__(self):
        self._lock = threading.Lock()
        self._phases = []
        self.wrong = 0

    def begin_phase(self, name):
        """Returns the phase before, None at first."""
        with self._lock:
            before = self._phases[-1] if self._phases else None
            self._phases.append(Phase(name))
            return before

    @property
    def phase(self):
        return self._phases[-1]

    def begin(self):
        with self._lock:
            self.phase.begun += 1
            return self.phase

    def end(self, phase, ok):
        with self._lock:
            if ok:
                phase.ok += 1
            else:
                phase.failed += 1

    def refused(self, phase, error):
        """There was no connection; False, as the request ends."""
        with self._lock:
            phase.why[f"get: {innermost(error)}"] += 1
            return False

    def judge(self, phase, ended, reused, first):
        """True or False as the request ends, None when it is to be tried again."""
        outcome, error = ended
        if outcome in (Outcome.RIGHT, Outcome.LAST):
            return True
        age = "used" if reused else "new"
        with self._lock:
            phase.why[f"{outcome.name.lower()} on a {age} connection: "
                      f"{innermost(error)}"] += 1
            self.wrong += outcome is Outcome.WRONG
            if outcome is not Outcome.MISSING or not reused or not first:
                return False
            phase.retried += 1
            return None

    def report(self, stats, **rest):
        phases = {phase.name: {"ok": phase.ok, "failed": phase.failed,
                               "retried": phase.retried, "why": phase.why}
                  for phase in self._phases}
        return json.dumps({"phases": phases, "wrong": self.wrong,
                           "counters": dataclasses.asdict(stats), **rest})


def innermost(error):
    """The cause of all, which names neither ports nor the state of the pool."""
    while error is not None and error.__cause__ is not None:
        error = error.__cause__
    return repr(error)


def payload(letter, worker, n):
    return f"{letter}{worker}-{n}-{(n * 2654435761 + worker) % 2**32:08x}"


def redis_exchange(text):
    """Stores a text under a key of its own and asks for it, in one go."""
    bulk = f"${len(text)}\r\n{text}\r\n"
    request = f"*3\r\n$3\r\nSET\r\n{bulk}{bulk}*2\r\n$3\r\nGET\r\n{bulk}"
    return request.encode(), f"+OK\r\n{bulk}".encode()


def line_exchange(text):
    return f"{text}\n".encode(), f"{text}\n".encode()


def entries(path):
    return len(os.listdir(path))


def descriptors():
    return entries("/proc/self/fd") - 1  # without that of the folder


def threads():
    return entries("/proc/self/task")


def address_of(target):
    """("tcp", (host, port)) or ("unix", path)."""
    if target.startswith("unix:"):
        return "unix", target.removeprefix("unix:")
    host, _, port = target.removeprefix("tcp://").rpartition(":")
    return "tcp", (host, int(port))
