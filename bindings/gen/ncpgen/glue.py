"""The hand-written declarations of the Python package beside the header:
callbacks that Python implements, small helpers in C."""
import dataclasses
import re

from ncpgen import ctext, model, names, reader
from ncpgen.source import Source

PATH = "python/netconnpool/_glue.cdef.txt"


@dataclasses.dataclass
class Glue:
    callbacks: list  # names of the functions that Python implements
    functions: list  # model.Function
    macros: list  # names of constants


def read(project):
    source = Source(PATH, project.text(PATH))
    code, callbacks = _without_callbacks(source.code)
    known = re.sub(r"\n", " ", ctext.declarations(project.header))
    header = reader.read(Source(PATH, code), known)
    return Glue(callbacks, header.of(model.Function),
                names.macros(source.text))


def _without_callbacks(code):
    """Takes out what is extern "Python", alone or in braces."""
    callbacks = []

    def take(found):
        callbacks.extend(re.findall(r"(\w+)\s*\([^;]*\)\s*;", found.group()))
        return re.sub(r"[^\n]", " ", found.group())

    code = re.sub(r'extern\s+"Python(?:\+C)?"\s*(?:\{[^}]*\}|[^;{]*;)', take,
                  code)
    return code, callbacks
