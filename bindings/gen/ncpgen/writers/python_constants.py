"""_constants.py: the enumerations of the header as those of Python."""
import json
import re
import textwrap

from ncpgen.writers.python import FOLDER, WRITTEN

HEAD = '''\
"""The constants of the library.

{written}
"""
import enum
from typing import Final

'''


def class_name(enum):
    """ncp_idle_order as IdleOrder."""
    words = enum.name[len("ncp_"):].split("_")
    return "".join(word.capitalize() for word in words)


def is_bits(enum):
    """Whether values may be added up: its comment calls them flags or bits."""
    said = enum.doc.brief if enum.doc else ""
    return re.search(r"\bFlags\b|\bbits\b", said) is not None


def comment(text):
    """What stands before a member to describe it."""
    if not text:
        return ""
    return "\n".join(textwrap.wrap(text, 79, initial_indent="    #: ",
                                   subsequent_indent="    #: ",
                                   break_long_words=False)) + "\n"


def enum_class(enum):
    base = "IntFlag" if is_bits(enum) else "IntEnum"
    doc = "\n\n".join(textwrap.fill(paragraph, 75, subsequent_indent="    ",
                                    break_long_words=False)
                      for paragraph in (enum.doc.text if enum.doc else []))
    members = [comment(value.doc) + f"    {enum.short(value)} = {value.value}\n"
               for value in enum.values]
    return f"\nclass {class_name(enum)}(enum.{base}):\n" \
           f'    """{doc}"""\n\n' + "".join(members) + "\n"


def macros(header):
    lines = []
    for macro in header.macros:
        lines += [f"#: {macro.doc.brief}"] if macro.doc else []
        lines.append(f"{macro.name[len('NCP_'):]}: Final = {macro.value}")
    return "\n" + "\n".join(lines) + "\n"


def table(name, kind, doc, rows):
    body = "".join(f"    {key}: {value},\n" for key, value in rows)
    return f"\n#: {doc}\n{name}: Final[{kind}] = {{\n{body}}}\n"


def texts(header):
    """The tables that only the library knows."""
    known = {value.value: f"Status.{status.short(value)}"
             for status in [header.enum("ncp_status")]
             for value in status.values}
    rows = header.library
    return (
        table("STATUS_TEXTS", "dict[Status, str]", "The text of each status.",
              [(known[row["value"]], json.dumps(row["text"]))
               for row in rows["statuses"]])
        + table("OPTIONS", "dict[str, Option]", "The options by name.",
                [(json.dumps(row["name"]), f"Option.{row['name'].upper()}")
                 for row in rows["options"]])
        + table("OPTION_HELP", "dict[str, str]",
                "What each option is for.",
                [(json.dumps(row["name"]), json.dumps(row["help"]))
                 for row in rows["options"]])
        + table("OPTION_TYPES", "dict[str, Type]", "The type of each option.",
                [(json.dumps(row["name"]), f"Type({row['type']})")
                 for row in rows["options"]])
        + table("COUNTER_HELP", "dict[str, str]",
                "What each counter counts.",
                [(json.dumps(row["name"]), json.dumps(row["help"]))
                 for row in rows["counters"]]))


def everything(header):
    """Every constant by its C name, for the comparison with the library."""
    rows = [(json.dumps(value.name), value.value)
            for enum in header.enums for value in enum.values]
    rows += [(json.dumps(macro.name), macro.value) for macro in header.macros]
    return table("CONSTANTS", "dict[str, int]",
                 "Every constant by its name in C.", rows)


def files(project):
    if not project.header.library:
        return {}
    header = project.header
    text = HEAD.format(written=WRITTEN) \
        + "".join(enum_class(enum) for enum in header.enums) \
        + macros(header) + texts(header) + everything(header)
    return {f"{FOLDER}/_constants.py": text}
