"""Writes netconnpool/_tables.py from the tables of the library.

    python3 tables.py [--check]

The package must be importable. --check writes nothing and fails if the file is
not what would be written.
"""
import importlib.util
import pathlib
import sys
import textwrap

PACKAGE = pathlib.Path(__file__).resolve().parents[1] / "netconnpool"

HEAD = '''"""The options and the counters of the library, as types.

Written by python/tools/tables.py from the tables of the library; not to be
edited.
"""
from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TypedDict

'''

OPTIONS = '''
class Options(TypedDict, total=False):
    """Every option by its name. Durations are in seconds; None stands for no
    limit, never, or off, where an option has a value for that. Any option may be
    given as text, such as "30s"."""

'''

STATS = '''
@dataclasses.dataclass(frozen=True)
class Stats:
    """A consistent snapshot of the counters of a pool. Times are in seconds,
    ratios are fractions."""

'''

OF = '''
    @classmethod
    def of(cls, values: Sequence[int]) -> Stats:
        """From the numbers of the library, in its order and units."""
        return cls(
{arguments}        )
'''

FIXED = {"driver", "host_events"}  # decided by the class
FACTORS = {"ns": "1e9", "millionths": "1e6"}


def load():
    """The compiled module, wherever it is, without the package, which may need
    the very file that is to be written."""
    for place in sys.path:
        for found in pathlib.Path(place).glob("netconnpool/_ffi*.so"):
            spec = importlib.util.spec_from_file_location(
                "netconnpool._ffi", found)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module.ffi, module.lib
    sys.exit("netconnpool._ffi is not on the path")


def text(ffi, value):
    return ffi.string(value).decode()


def options(ffi, lib):
    out, index = ffi.new("int *"), 0
    while lib.ncp_option_at(index, out) == lib.NCP_OK:
        yield out[0]
        index += 1


def counters(ffi, lib):
    name, unit, about = (ffi.new("const char **") for _ in range(3))
    index = 0
    while lib.ncp_counter_at(index, ffi.NULL, name, unit, about) == lib.NCP_OK:
        yield text(ffi, name[0]), text(ffi, unit[0]), text(ffi, about[0])
        index += 1


def comment(words):
    return "".join(f"    #: {line}\n" for line in textwrap.wrap(words, 78))


def is_limit(ffi, lib, option):
    least = ffi.new("int64_t *")
    lib.ncp_option_range(option, 0, ffi.NULL, least, ffi.NULL)
    return least[0] <= 0


def option_type(ffi, lib, option):
    kinds = {lib.NCP_TYPE_INT: "int", lib.NCP_TYPE_BOOL: "bool",
             lib.NCP_TYPE_DURATION: "float"}
    kind = lib.ncp_option_type(option)
    if kind not in kinds:
        return "str"
    none = ""
    if kind != lib.NCP_TYPE_BOOL and is_limit(ffi, lib, option):
        none = " | None"
    return f"{kinds[kind]} | str{none}"


def write():
    ffi, lib = load()
    parts = [HEAD, OPTIONS]
    for option in options(ffi, lib):
        name = text(ffi, lib.ncp_option_name(option))
        if name in FIXED:
            continue
        parts.append(comment(text(ffi, lib.ncp_option_help(option))))
        parts.append(f"    {name}: {option_type(ffi, lib, option)}\n")
    parts += ["\n", STATS]
    arguments = []
    for index, (name, unit, about) in enumerate(counters(ffi, lib)):
        parts.append(comment(about))
        parts.append(f"    {name}: {'float' if unit in FACTORS else 'int'}\n")
        factor = f" / {FACTORS[unit]}" if unit in FACTORS else ""
        arguments.append(f"            values[{index}]{factor},\n")
    parts.append(OF.format(arguments="".join(arguments)))
    return "".join(parts)


def main():
    path, found = PACKAGE / "_tables.py", write()
    if sys.argv[1:] == ["--check"]:
        if not path.exists() or path.read_text() != found:
            sys.exit(f"{path} is stale: run python/tools/tables.py")
        return
    path.write_text(found)


if __name__ == "__main__":
    main()
