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
OTHER_VERSION = 77
SCRIPT = f"""
import contextlib, io, json, os, sys, tempfile
order = json.load(sys.stdin)
try:
    import cffi
    found = cffi.__version__
except ImportError:
    found = None
if found != order["version"]:
    sys.exit({OTHER_VERSION})
ffi = cffi.FFI()
try:
    ffi.cdef(order["cdef"])
except Exception as error:
    sys.exit(f"{{type(error).__name__}}: {{error}}")
ffi.set_source(order["module"], order["preamble"])
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "made.c")
    with contextlib.redirect_stdout(io.StringIO()):
        ffi.emit_c_code(path)
    sys.stdout.write(open(path, encoding="utf-8").read())
"""


class Unavailable(Exception):
    """The pinned CFFI is not here and cannot be had."""


class Rejected(Exception):
    """CFFI does not take the declarations."""


def pinned():
    text = (HERE / "requirements.txt").read_text(encoding="utf-8")
    return re.search(r"^cffi==(\S+)$", text, flags=re.M).group(1)


def source(module, cdef, preamble, may_install, folder=None):
    """The C source of a module. The pinned CFFI is looked for in this Python,
    then in `folder`, and put there when it may be."""
    order = json.dumps({"version": pinned(), "module": module, "cdef": cdef,
                        "preamble": preamble})
    folder = folder or CACHE / f"cffi-{pinned()}"
    done = _run(order, None)
    if done.returncode == OTHER_VERSION:
        if may_install and not folder.exists():
            install(folder)
        done = _run(order, folder)
    if done.returncode == OTHER_VERSION:
        raise Unavailable(f"cffi {pinned()} is not installed")
    if done.returncode != 0:
        raise Rejected(done.stderr.strip())
    return done.stdout


def _run(order, folder):
    environment = dict(os.environ)
    if folder:
        environment["PYTHONPATH"] = str(folder)
    return subprocess.run([sys.executable, "-c", SCRIPT], input=order, text=True,
                          capture_output=True, env=environment)


def install(folder):
    """Fetches the pinned CFFI into a folder of its own; whether that worked."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--target",
         str(folder), "--no-deps", f"cffi=={pinned()}"],
        capture_output=True, text=True)
    return done.returncode == 0
