"""What a declaration means to a binding: who owns what, what goes in and out,
which errors come, on which threads. Follows the conventions that the top of the
header states; nothing here knows a function by its name."""
import re

from ncpgen import model

NUMBERS = {"int", "int32_t", "uint32_t", "int64_t", "uint64_t", "size_t"}
LENGTHS = ("size", "max", "capacity", "count")
CODE = re.compile(r"\bNCP_E[A-Z]+\b")
LIKE = re.compile(r"\b[Aa]s (?:in )?(ncp_\w+)\(\)")
ANY_THREAD = "any"


def add(header):
    """Fills in what follows from types, names and comments."""
    seen = NUMBERS | {item.name for item in header.scalars + header.structs}
    callbacks = {item.name for item in header.callbacks}
    by_name = {item.name: item for item in header.functions}
    for item in header.callbacks + header.functions:
        _parameters(item, seen, callbacks, by_name)
        item.ownership = _ownership(item.returns, item.doc)
    habits = _habits(header.functions)
    for item in header.functions:
        item.codes = sorted(_codes(item, by_name, set()))
        item.gives = _gives(item, by_name, set())
        item.threads = _threads(item, habits)


# ----------------------------------------------------------------- parameters

def _parameters(item, seen, callbacks, by_name):
    for parameter, after in zip(item.parameters, item.parameters[1:] + [None]):
        base = re.sub(r"\bconst\b|\*", "", parameter.type).strip()
        is_pointer = parameter.type.endswith("*")
        if is_pointer and after and after.name in LENGTHS \
                and not after.type.endswith("*"):
            parameter.length = after.name
        parameter.direction = _direction(parameter, base, seen)
        parameter.ownership = _parameter_ownership(parameter)
        parameter.nullable = (is_pointer or base in callbacks) \
            and _nullable(item, parameter, by_name)


def _direction(parameter, base, seen):
    """`seen` are the types a caller sees into; others are objects, which go in
    whatever happens to them."""
    if parameter.type.endswith("**"):
        return "out"
    if not parameter.type.endswith("*") or parameter.type.startswith("const"):
        return "in"
    is_buffer = base == "char" and parameter.length
    return "out" if base in seen or is_buffer else "in"


def _parameter_ownership(parameter):
    if parameter.type.endswith("**"):
        is_text = parameter.type.startswith("const char")
        return "static" if is_text else "caller"
    if re.search(r"\byours\b", parameter.doc) and parameter.direction == "out":
        return "caller"
    return ""


def _nullable(item, parameter, by_name):
    said = _about(item, parameter.name, by_name, {item.name})
    if re.search(r"\bNULL\b", said):
        return not re.search(r"\bnot NULL\b", said)
    return parameter.name == "user" or item.name.endswith("_free")


def _about(item, name, by_name, seen):
    """What is said of a parameter, here or where the comment refers to."""
    doc = item.doc or model.Doc()
    said = doc.params.get(name, "")
    if said and not LIKE.match(said):
        return said
    for other in LIKE.findall(said or " ".join(doc.text)):
        if other in by_name and other not in seen:
            return _about(by_name[other], name, by_name, seen | {other})
    return ""


# -------------------------------------------------------------------- results

def _ownership(returns, doc):
    if not returns.endswith("*"):
        return ""
    said = doc.returns if doc else ""
    return "static" if re.search(r"\bstatic\b", said) else "borrowed"


def _said(item):
    """What the comment says of the result."""
    doc = item.doc or model.Doc()
    return f"{doc.returns} {doc.errors}".strip() or " ".join(doc.text)


def _codes(item, by_name, seen):
    """The errors of a function, those of the functions it refers to too."""
    if item.returns != "int" or item.name in seen:
        return set()
    seen.add(item.name)
    said = _said(item)
    found = set(CODE.findall(said))
    for name in LIKE.findall(said):
        if name in by_name:
            found |= _codes(by_name[name], by_name, seen)
    return found


def _gives(item, by_name, seen):
    if item.returns == "void":
        return "nothing"
    if item.returns.endswith("*"):
        return "pointer"
    if item.returns != "int":
        return "value"
    doc = item.doc or model.Doc()
    if doc.errors or re.search(r"\bNCP_OK\b", doc.returns):
        return "status"
    like = LIKE.search(_said(item))
    other = like and by_name.get(like.group(1))
    if other and other.name not in seen and not re.match(r"\d", doc.returns):
        return _gives(other, by_name, seen | {item.name})
    return "value or error" if item.codes else "value"


# -------------------------------------------------------------------- threads

def _sentences(paragraphs):
    for paragraph in paragraphs:
        yield from re.split(r"(?<=[.:]) +(?=[A-Z])", paragraph)


def _about_threads(item):
    doc = item.doc or model.Doc()
    return " ".join(
        sentence for sentence in _sentences(doc.text)
        if re.search(r"\bthreads?\b|^Call it before\b", sentence))


def _habits(functions):
    """What the maker of an object says of threads holds for the object."""
    return {item.name.removesuffix("_new"): _about_threads(item)
            for item in functions
            if item.name.endswith("_new") and _about_threads(item)}


def _threads(item, habits):
    own = _about_threads(item)
    if own or not item.parameters:
        return own or ANY_THREAD
    first = re.sub(r"\bconst\b|\*", "", item.parameters[0].type).strip()
    return habits.get(first, ANY_THREAD)
