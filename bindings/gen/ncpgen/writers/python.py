"""What CFFI needs: the declarations, and the C source that it makes of them."""
import hashlib
import re

from ncpgen import ctext

FOLDER = "python/netconnpool"
SOURCE = f"{FOLDER}/_ffi.c"
WRITTEN = "Written by bindings/gen/gen.py from the public header; not to be" \
          " edited."


def cdef(project):
    """The declarations for CFFI: of the library, then of the glue."""
    macros = "".join(f"#define {macro.name} ...\n"
                     for macro in project.header.macros)
    glue = project.text(f"{FOLDER}/_glue.cdef.txt")
    return f"/* {WRITTEN} */\n{macros}" \
           f"{ctext.declarations(project.header)}" \
           + (f"\n/* _glue.cdef.txt */\n{glue}" if glue else "")


def preamble(project):
    """The C that stands before what CFFI makes."""
    glue = project.text(f"{FOLDER}/_glue.h")
    return '#include "netconnpool.h"\n' \
        + (f"\n/* _glue.h */\n{glue}" if glue else "")


def stamp(project, version):
    """The first line of _ffi.c: by it anybody sees whether it is stale."""
    made_of = f"{cdef(project)}\0{preamble(project)}".encode()
    return f"/* cffi {version} made this of the declarations with SHA-256" \
           f" {hashlib.sha256(made_of).hexdigest()} */\n"


def version_of(text):
    """The version of CFFI that a stamped _ffi.c was made with, or None."""
    found = re.match(r"/\* cffi (\S+) made this ", text)
    return found.group(1) if found else None


def files(project):
    return {f"{FOLDER}/_ffi.cdef.txt": cdef(project)}
