"""Writes the version script of a library from its public header.

    exports.py HEADER NODE [OUTPUT]     the script, to OUTPUT or the standard
                                        output
    exports.py --list HEADER            the names alone, one a line

The exported names are those declared with NCP_API, and no others.
"""
import re
import sys


def names(header):
    """The functions a header declares with NCP_API, in its order."""
    with open(header, encoding="utf-8") as file:
        text = file.read()
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    text = re.sub(r"^[ \t]*#.*(?:\\\n.*)*$", "", text, flags=re.M)
    found = []
    for part in text.split("NCP_API")[1:]:
        match = re.match(r"[^;{]*?\b(ncp_\w+)\s*\(", part)
        if not match:
            sys.exit(f"{header}: NCP_API without a function: {part[:60]!r}")
        found.append(match.group(1))
    if not found:
        sys.exit(f"{header}: no NCP_API function")
    if len(set(found)) != len(found):
        sys.exit(f"{header}: a function is declared twice")
    return found


def script(header, node):
    lines = "".join(f"        {name};\n" for name in sorted(names(header)))
    return (
        "/* Written by bindings/gen/gen.py from the public header. */\n"
        f"{node} {{\n    global:\n{lines}    local:\n        *;\n}};\n"
    )


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "--list":
        print("\n".join(names(arguments[1])))
        return
    if len(arguments) not in (2, 3):
        sys.exit(__doc__)
    text = script(arguments[0], arguments[1])
    if len(arguments) == 3:
        with open(arguments[2], "w", encoding="utf-8") as file:
            file.write(text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main(sys.argv[1:])
