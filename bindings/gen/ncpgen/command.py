"""The command line.

    gen.py                          writes every generated file
    gen.py --check                  compares; names what is stale
    gen.py --coverage [LANGUAGE..]  which functions a language does not bind
                                    without saying why

The exit code is 1 when there is something to complain about.
"""
import pathlib
import sys

from ncpgen import coverage, emit, library, project as projects
from ncpgen.source import Refused
from ncpgen.writers import (api_json, go, linker, lua, python,
                            python_constants, python_stub, reference, swig)

ROOT = pathlib.Path(__file__).resolve().parents[3]
WRITERS = (api_json, linker, python, python_stub, python_constants, lua, go,
           swig, reference)
AGAIN = "run bindings/gen/gen.py and commit what it writes"


def outputs(project):
    """{path: text} of everything that is generated, but for _ffi.c."""
    found = {}
    for writer in WRITERS:
        found.update(writer.files(project))
    return found


def present(path):
    place = ROOT / path
    return place.read_text(encoding="utf-8") if place.exists() else None


def ffi_source(project, may_install):
    """{path: text} of _ffi.c; {} where it cannot be made here, but what is
    there was made by the pinned CFFI of the same declarations."""
    stamp = python.stamp(project, emit.pinned())
    fresh = (present(python.SOURCE) or "").startswith(stamp)
    try:
        made = emit.source("netconnpool._ffi", python.cdef(project),
                           python.preamble(project),
                           may_install and not fresh)
    except emit.Unavailable:
        if fresh:
            return {}
        raise
    return {python.SOURCE: stamp + made}


def write(found):
    for path, text in found.items():
        if present(path) == text:
            continue
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8")
        print(f"wrote {path}")


def stale(found):
    return [path for path, text in found.items() if present(path) != text]


def generate(check):
    """Writes or compares everything; the complaints."""
    complaints = []
    project = projects.load(ROOT)
    try:
        projects.ask_library(project)
    except library.Unbuilt as error:
        complaints.append(f"{error}\nthe core does not compile: what is made of "
                          "it is left as it is")
    found = outputs(project)
    try:
        found.update(ffi_source(project, may_install=not check))
    except emit.Unavailable as error:
        complaints.append(f"{python.SOURCE} is stale, and {error}: install "
                          "bindings/gen/requirements.txt, then " + AGAIN)
    except emit.Rejected as error:
        complaints.append(f"{error}\nCFFI does not take the declarations: look"
                          f" at {python.FOLDER}/_glue.cdef.txt")
    if check:
        complaints += [f"{path} is stale: {AGAIN}" for path in stale(found)]
    else:
        write(found)
    return complaints


def run(arguments):
    if arguments and arguments[0] == "--coverage":
        header = projects.read_header(ROOT)
        return coverage.check(ROOT, header, arguments[1:])
    if arguments not in ([], ["--check"]):
        sys.exit(__doc__)
    return generate(check=bool(arguments))


def main(arguments):
    try:
        complaints = run(arguments)
    except Refused as error:
        complaints = [str(error)]
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0
