"""Lets the pinned CFFI write C source; it runs in a process of its own, since
this one may have loaded another version already."""
import json
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parents[1]
CACHE = HERE.parents[1] / "build" / "gen"
SCRIPT = """
import contextlib, io, json, os, sys, tempfile
import cffi
order = json.load(sys.stdin)
if cffi.__version__ != order["version"]:
    sys.exit(77)
ffi = cffi.FFI()
ffi.cdef(order["cdef"])
ffi.set_source(order["module"], order["preamble"])
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "made.c")
    with contextlib.redirect_stdout(io.StringIO()):
        ffi.emit_c_code(path)
    sys.stdout.write(open(path, encoding="utf-8").read())
"""


class Unavailable(Exception):
    """The pinned CFFI is not here and cannot be had."""


def pinned():
    text = (HERE / "requirements.txt").read_text(encoding="utf-8")
    return re.search(r"^cffi==(\S+)$", text, flags=re.M).group(1)


def source(module, cdef, preamble, may_install):
    """The C source of a module."""
    order = json.dumps({"version": pinned(), "module": module, "cdef": cdef,
                        "preamble": preamble})
    folder = CACHE / f"cffi-{pinned()}"
    for path in ("", str(folder)):
        done = _run(order, path)
        if done.returncode == 0:
            return done.stdout
    if may_install and _install(folder):
        done = _run(order, str(folder))
        if done.returncode == 0:
            return done.stdout
    if "cffi" in done.stderr and "CDefError" in done.stderr:
        raise ValueError(done.stderr)
    raise Unavailable(f"cffi {pinned()} is not installed")


def _run(order, path):
    environment = dict(os.environ)
    if path:
        environment["PYTHONPATH"] = path
    return subprocess.run([sys.executable, "-c", SCRIPT], input=order, text=True,
                          capture_output=True, env=environment)


def _install(folder):
    """Fetches the pinned CFFI into a folder of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--target",
         str(folder), "--no-deps", f"cffi=={pinned()}"],
        capture_output=True, text=True)
    return done.returncode == 0
