"""What only the library knows: the texts of statuses, the ranges of options,
the units of counters. It is compiled from the amalgamation and asked."""
import os
import pathlib
import shlex
import subprocess
import tempfile

ASK = pathlib.Path(__file__).resolve().parents[1] / "tables.c"
FLAGS = ["-std=c11", "-O0", "-w", "-pthread"]

SHOWN = 12  # lines of the compiler's complaints


class Unbuilt(Exception):
    """The core does not compile at the moment."""


def tables(include, amalgamation):
    """Compiles the core, asks it, and returns its tables."""
    with tempfile.TemporaryDirectory() as folder:
        core = pathlib.Path(folder) / "core.c"
        core.write_text(amalgamation, encoding="utf-8")
        program = pathlib.Path(folder) / "tables"
        command = [*shlex.split(os.environ.get("CC", "cc")), *FLAGS,
                   f"-I{include}", "-o", str(program), str(core), str(ASK)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise Unbuilt("\n".join(done.stderr.splitlines()[:SHOWN]))
        printed = subprocess.run([str(program)], check=True,
                                 capture_output=True, text=True).stdout
    return parse(printed)


def parse(printed):
    found = {"statuses": [], "options": [], "counters": [], "texts": {}}
    for line in printed.splitlines():
        kind, *columns = line.split("\t")
        _ROWS[kind](found, columns)
    return found


def _status(found, columns):
    value, name, text = columns
    found["statuses"].append({"value": int(value), "name": name, "text": text})


def _option(found, columns):
    value, name, kind, unit, runtime, text = columns
    found["options"].append({
        "value": int(value), "name": name, "type": int(kind), "unit": unit,
        "runtime": runtime == "1", "help": text, "ranges": {}})


def _range(found, columns):
    _, mode, default, low, high = columns
    found["options"][-1]["ranges"][mode] = {
        "default": int(default), "min": int(low), "max": int(high)}


def _counter(found, columns):
    value, name, kind, unit, text = columns
    found["counters"].append({"value": int(value), "name": name,
                              "kind": int(kind), "unit": unit, "help": text})


def _text(found, columns):
    enum, value, text = columns
    found["texts"].setdefault(enum, {})[int(value)] = text


_ROWS = {"status": _status, "option": _option, "range": _range,
         "counter": _counter, "text": _text}
