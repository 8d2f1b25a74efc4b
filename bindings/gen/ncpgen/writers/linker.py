"""The version scripts: a library exports what its header declares."""
import pathlib

NODES = {"netconnpool": "NETCONNPOOL_0.1",
         "netconnpool_json": "NETCONNPOOL_JSON_0.1"}


def script(header, node):
    names = sorted(item.name for item in header.functions)
    lines = "".join(f"        {name};\n" for name in names)
    return ("/* Written by bindings/gen/gen.py from the public header. */\n"
            f"{node} {{\n    global:\n{lines}    local:\n        *;\n}};\n")


def files(project):
    found = {}
    for header in (project.header, project.json_header):
        stem = pathlib.PurePath(header.path).stem
        found[f"core/{stem}.map"] = script(header, NODES[stem])
    return found
