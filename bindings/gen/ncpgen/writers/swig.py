"""bindings/swig/netconnpool_api.i: what SWIG wraps. Languages that cannot be
called back from other threads use it, so nothing that needs a callback is in
it; modules and typemaps are written by hand around it."""
import re

from ncpgen import ctext, model

HEAD = """\
/*
 * Written by bindings/gen/gen.py from the public header; not to be edited.
 *
 * Constants, the event and every function that needs no callback. Not in here,
 * because only callbacks could use them:
{left_out}
 */
"""


def base(kind):
    return re.sub(r"\bconst\b|\*", "", kind).strip()


def needs_callback(header):
    """The functions that take a callback, or an object only callbacks see."""
    callbacks = {item.name for item in header.callbacks}
    given = {base(each.type) for item in header.functions
             for each in item.parameters if each.type.endswith("**")}
    unseen = {item.name for item in header.opaques
              if item.name not in given} \
        - {item.name for item in header.structs}
    return [item for item in header.functions
            if any(base(each.type) in callbacks | unseen
                   for each in item.parameters)]


def macro(item):
    return f"#define {item.name} {item.spelling}\n"


def interface(project):
    header = project.header
    left_out = needs_callback(header)
    wrapped = [item for item in header.items
               if not isinstance(item, (model.Callback, model.Macro))
               and item not in left_out]
    names = "".join(f" *   {item.name}\n" for item in left_out).rstrip("\n")
    return (HEAD.format(left_out=names)
            + "".join(macro(item) for item in header.macros)
            + "".join(ctext.declaration(item) + "\n" for item in wrapped))


def files(project):
    return {"bindings/swig/netconnpool_api.i": interface(project)}
