"""Declarations of the model as C text, for those who read C again."""
import re
import textwrap

from ncpgen import model


def named(kind, name):
    """A type and a name, the star beside the name."""
    return kind + name if kind.endswith("*") else f"{kind} {name}"


def parameters(item):
    return ", ".join(named(each.type, each.name)
                     for each in item.parameters) or "void"


def callable_text(item):
    if isinstance(item, model.Callback):
        return f"typedef {named(item.returns, '')}" \
               f"(*{item.name})({parameters(item)});"
    return f"{named(item.returns, item.name)}({parameters(item)});"


def wrapped(text):
    """Broken after commas, aligned with what follows the last parenthesis that
    opens the parameters."""
    start = text.rindex("(") + 1
    whole = re.sub(r"(?<!,) ", "\0", text)
    lines = textwrap.wrap(whole, 79, subsequent_indent=" " * start,
                          break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines).replace("\0", " ")


def enum(item):
    lines = [f"    {value.name} = {value.value}" for value in item.values]
    return f"enum {item.name} {{\n" + ",\n".join(lines) + "\n};"


def struct(item):
    lines = [f"    {named(field.type, field.name)}"
             + (f"[{field.count}]" if field.count else "") + ";"
             for field in item.fields]
    return f"struct {item.name} {{\n" + "\n".join(lines) + "\n};"


def declaration(item):
    """An item of the model; "" for a macro."""
    if isinstance(item, model.Macro):
        return ""
    if isinstance(item, model.Enum):
        return enum(item)
    if isinstance(item, model.Opaque):
        return f"typedef struct {item.name} {item.name};"
    if isinstance(item, model.Scalar):
        return f"typedef {item.type} {item.name};"
    if isinstance(item, model.Struct):
        return struct(item)
    return wrapped(callable_text(item))


def declarations(header):
    """All of them, in the order of the header."""
    lines = [declaration(item) for item in header.items]
    return "\n".join(line for line in lines if line) + "\n"
