"""The command line.

    gen.py            writes every generated file
    gen.py --check    compares; names what is stale and exits with 1
"""
import pathlib
import sys

from ncpgen import library, project as projects
from ncpgen.source import Refused
from ncpgen.writers import go, linker, lua, python

ROOT = pathlib.Path(__file__).resolve().parents[3]
WRITERS = (linker, python, lua, go)


def outputs(project):
    """{path: text} of everything that is generated."""
    found = {}
    for writer in WRITERS:
        found.update(writer.files(project))
    return found


def write(found):
    for path, text in found.items():
        place = ROOT / path
        if place.exists() and place.read_text(encoding="utf-8") == text:
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        print(f"wrote {path}")


def main(arguments):
    try:
        project = projects.load(ROOT)
    except Refused as error:
        sys.exit(str(error))
    status = 0
    try:
        projects.ask_library(project)
    except library.Unbuilt as error:
        print(f"{error}\nthe core does not compile; what needs its tables is "
              "left as it is", file=sys.stderr)
        status = 1
    write(outputs(project))
    return status
