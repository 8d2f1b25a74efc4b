"""How a scenario ended: one line of JSON, printed once."""
import contextlib
import contextvars
import json
import os
import threading

_where = contextvars.ContextVar("where", default=())
_lock = threading.Lock()
_scenario = "?"
_extra = None  # a function that tells more counters
_checks = 0


class CannotRun(Exception):
    """The scenario needs something that this runner does not have."""


def begin(scenario_id, extra):
    """From now on verdicts are about this scenario."""
    global _scenario, _extra, _checks
    _scenario, _extra, _checks = scenario_id, extra, 0


def line(result, reason, counters):
    """The line of a verdict."""
    return json.dumps({"id": _scenario, "result": result, "reason": reason,
                       "counters": counters}, separators=(",", ":")) + "\n"


def write(text):
    """Prints past any buffer, so that it is out before the process ends."""
    data = text.encode("utf-8", "replace")
    while data:
        data = data[os.write(1, data):]


def _end(result, reason, counters, code):
    with _lock:  # never given back: one verdict a process
        write(line(result, reason, counters))
        os._exit(code)


def fail(reason):
    """Ends the process with the result "fail"; may be called on any thread."""
    where = ", ".join(_where.get())
    _end("fail", f"{where}: {reason}" if where else str(reason), {}, 1)


def passed(cases):
    counters = {"cases": cases, "checks": _checks}
    counters.update(_extra() if _extra is not None else {})
    _end("pass", "", counters, 0)


def skipped(need):
    _end("skip", need, {}, 0)


def checked():
    """One more expectation was looked at."""
    global _checks
    _checks += 1  # a lost count among threads does not matter


@contextlib.contextmanager
def where(text):
    """Where this thread or task is, for the reason of a failure."""
    token = _where.set(_where.get() + (text,))
    try:
        yield
    finally:
        _where.reset(token)
