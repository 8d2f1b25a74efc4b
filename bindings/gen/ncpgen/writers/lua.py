"""What LuaJIT needs: declarations, constants, layouts."""
from ncpgen import ctext

FOLDER = "lua/lib/netconnpool"
WRITTEN = "-- Written by bindings/gen/gen.py from the public header; not to be" \
          " edited.\n"


def cdef(project):
    return (
        f"{WRITTEN}"
        "-- The declarations of the library. They are made once a Lua state,"
        " even when\n-- somebody loads this module again.\n"
        'local ffi = require("ffi")\n\n'
        'if not pcall(ffi.typeof, "struct ncp_event") then\n'
        f"    ffi.cdef([[\n{ctext.declarations(project.header)}]])\n"
        "end\n\nreturn true\n")


def constants(project):
    lines = []
    for enum in project.header.enums:
        lines.append(f"    -- enum {enum.name}")
        lines += [f"    {value.name} = {value.value},"
                  for value in enum.values]
    lines.append("    -- macros")
    lines += [f"    {macro.name} = {_macro(macro)},"
              for macro in project.header.macros]
    body = "\n".join(lines)
    return f"{WRITTEN}-- The constants of the library, by their C names.\n" \
           f"return {{\n{body}\n}}\n"


def _macro(macro):
    """A Lua number, or the 64-bit integer that a number cannot hold."""
    if abs(macro.value) < 2 ** 53:
        return str(macro.value)
    return f"{macro.value + 1}LL - 1" if macro.value < 0 else f"{macro.value}LL"


def layout(project):
    lines = []
    for struct in project.header.structs:
        lines.append(f"    {struct.name} = {{")
        lines.append(f"        size = {struct.size},")
        lines.append("        offsets = {")
        lines += [f"            {field.name} = {field.offset},"
                  for field in struct.fields]
        lines.append("        },\n    },")
    body = "\n".join(lines)
    return f"{WRITTEN}-- The layout of the structs where pointers have 64" \
           f" bits, in bytes.\nreturn {{\n{body}\n}}\n"


def files(project):
    return {f"{FOLDER}/cdef.lua": cdef(project),
            f"{FOLDER}/constants.lua": constants(project),
            f"{FOLDER}/layout.lua": layout(project)}
