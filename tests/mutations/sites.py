"""The atomic operations of the core, found in its sources, with their orders."""
import collections
import pathlib
import re

# An order of an operation; a compare-and-swap has two, success and failure.
# `at` is how mutations.toml names it: file, function, operation, object.
Site = collections.namedtuple("Site", "at kind order begin end path line")

OPERATION = re.compile(
    r"\b(?:atomic_(?P<c11>load|store|exchange|fetch_(?:add|sub|or|and|xor)|"
    r"compare_exchange_(?:strong|weak))(?P<explicit>_explicit)?|"
    r"atomic_(?P<fence>thread_fence|flag_\w+)|"
    r"__(?:atomic|sync)_(?P<builtin>\w+))\s*\(")
ORDER = re.compile(r"\s*(?:memory_order_|__ATOMIC_)(\w+)\s*$")
SEQ_CST = re.compile(r"\b(?:memory_order_seq_cst|__ATOMIC_SEQ_CST)\b")
NOT_CODE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'
                      r"'(?:\\.|[^'\\\n])*'", re.S)
WEAKER = {"load": "acquire", "store": "release"}


class Unknown(Exception):
    """Something in the sources that is not understood here."""


def code_of(text):
    """The text with comments and strings blanked; every offset stays."""
    return NOT_CODE.sub(
        lambda found: re.sub(r"[^\n]", " ", found.group()), text)


def _end_of_call(code, begin):
    depth = 0
    for index in range(begin, len(code)):
        depth += {"(": 1, ")": -1}.get(code[index], 0)
        if depth == 0:
            return index
    raise Unknown("a call that does not end")


def _arguments(code, begin, end):
    """(begin, end) of each argument between two parentheses."""
    depth, start, found = 0, begin + 1, []
    for index in range(begin + 1, end):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(
            code[index], 0)
        if code[index] == "," and depth == 0:
            found.append((start, index))
            start = index + 1
    return found + [(start, end)]


def _functions(code):
    """(begin of the body, name), in order. Bodies begin with { at the margin."""
    found = []
    for brace in re.finditer(r"^\{", code, re.M):
        header = re.split(r"[;}]\s*\n|\n\s*\n|^#.*\n", code[:brace.start()],
                          flags=re.M)[-1]
        name = re.search(r"(\w+)\s*\(", header)
        found.append((brace.start(), name.group(1) if name else "?"))
    return found


def _function_at(functions, offset):
    names = [name for begin, name in functions if begin <= offset]
    return names[-1] if names else "?"


def _kind(match):
    if match["c11"]:
        return match["c11"].replace("_strong", "").replace("_weak", "")
    if match["fence"]:
        return match["fence"]
    return re.sub(r"_n$", "", match["builtin"])


def _object(code, argument):
    text = re.sub(r"\s+", " ", code[slice(*argument)]).strip()
    return text.removeprefix("&")


def _orders(code, match, arguments):
    """Where each order is written, or None for one that is implied."""
    if match["c11"] and not match["explicit"]:
        return [None]
    return [argument for argument in arguments
            if ORDER.match(code[slice(*argument)])]


def sites_of(text, path):
    """Every order of every atomic operation of a file."""
    code = code_of(text)
    functions = _functions(code)
    times = collections.Counter()
    found = []
    for match in OPERATION.finditer(code):
        begin = match.end() - 1
        end = _end_of_call(code, begin)
        arguments = _arguments(code, begin, end)
        kind = _kind(match)
        where = (f"{path} {_function_at(functions, match.start())} {kind} "
                 f"{_object(code, arguments[0])}")
        times[where] += 1
        if times[where] > 1:
            where += f" #{times[where]}"
        line = code.count("\n", 0, match.start()) + 1
        for number, argument in enumerate(_orders(code, match, arguments)):
            order = "seq_cst"
            span = (match.start(), match.start())
            if argument:
                word = ORDER.match(code, *argument)
                order, span = word.group(1).lower(), word.span(1)
            at = where + (" failing" if number else "")
            found.append(Site(at, kind, order, *span, path, line))
    spans = [(site.begin, site.end) for site in found]
    for word in SEQ_CST.finditer(code):
        if not any(word.start() < end <= word.end() for _, end in spans):
            line = code.count("\n", 0, word.start()) + 1
            raise Unknown(f"{path}:{line}: a seq_cst that belongs to no atomic "
                          "operation")
    return found


def sites(source):
    """Of all of the core: {at: Site}."""
    source = pathlib.Path(source)
    found = {}
    for path in sorted(source.rglob("*.[ch]")):
        name = path.relative_to(source).as_posix()
        for site in sites_of(path.read_text(), name):
            found[site.at] = site
    return found


def weaker(site):
    """The next weaker order; what a mutant has in its place."""
    if site.kind == "thread_fence":
        return "acq_rel"
    if site.at.endswith(" failing"):
        return "acquire"
    return WEAKER.get(site.kind, "acq_rel")


def weakened(text, site):
    """The text of its file with a site that is weaker."""
    if site.begin == site.end:
        raise Unknown(f"{site.at}: its order is implied, write it out")
    was = text[site.begin:site.end]
    order = weaker(site)
    return (text[:site.begin] + (order.upper() if was.isupper() else order) +
            text[site.end:])
