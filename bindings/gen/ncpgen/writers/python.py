"""What the Python package needs from CFFI and beside it."""
import contextlib
import io
import keyword
import os
import tempfile

from ncpgen import ctext

FOLDER = "python/netconnpool"
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


def source(project):
    """The C that stands before what CFFI makes."""
    glue = project.text(f"{FOLDER}/_glue.h")
    return '#include "netconnpool.h"\n' \
        + (f"\n/* _glue.h */\n{glue}" if glue else "")


def files(project):
    return {f"{FOLDER}/_ffi.cdef.txt": cdef(project)}


def emit(project):
    """_ffi.c as this interpreter's CFFI writes it."""
    import cffi
    ffi = cffi.FFI()
    ffi.cdef(cdef(project))
    ffi.set_source("netconnpool._ffi", source(project), py_limited_api=True)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "_ffi.c")
        with contextlib.redirect_stdout(io.StringIO()):
            ffi.emit_c_code(path)
        with open(path, encoding="utf-8") as file:
            return file.read()
