"""What a C file keeps to itself: the names at file scope that another file may
use for something else."""
import re

WORD = r"[A-Za-z_]\w*"


SILENT = r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''


def blank(text):
    """C text without comments, literals and directives."""
    text = re.sub(SILENT, " ", text, flags=re.S)
    return re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", "", text, flags=re.M)


def macros(text):
    """The macros a file defines."""
    return re.findall(rf"^[ \t]*#[ \t]*define[ \t]+({WORD})", text, flags=re.M)


def private(text):
    """Static functions and variables, tags, enumeration constants and type
    names of a file, in its order."""
    found = []
    for head, body in _declarations(blank(text)):
        found += _of(head, body)
    return list(dict.fromkeys(found))


def _declarations(code):
    """(what stands before the braces, what is between them) at file scope."""
    head, body, depth = "", "", 0
    for char in code:
        if char == "{":
            depth += 1
        if depth == 0 and char not in ";":
            head += char
        elif depth > 0:
            body += char
        ended = char == ";" and depth == 0
        if char == "}":
            depth -= 1
            ended = depth == 0 and _is_function(head)
        if ended:
            yield head.strip(), body
            head, body = "", ""


def _is_function(head):
    return "(" in head and "=" not in head


def _of(head, body):
    tag = re.match(rf"(?:typedef\s+)?(struct|union|enum)\b\s*({WORD})?", head)
    found = []
    if tag and body and "(" not in head and "=" not in head:
        found += [tag.group(2)] if tag.group(2) else []
        if tag.group(1) == "enum":
            found += re.findall(rf"[{{,]\s*({WORD})", body)
    if head.startswith("typedef"):
        named = re.search(rf"\(\*({WORD})\)|({WORD})\s*$", head)
        found.append(named.group(1) or named.group(2))
    elif re.search(r"\bstatic\b", head):
        pointer = re.search(rf"\(\s*\*\s*(?:const\s+)?({WORD})", head)
        before = re.split(r"[=(\[]", head)[0]
        found.append((pointer or re.search(rf"({WORD})\s*$", before)).group(1))
    return found


def rename(text, chosen, suffix):
    """Gives names a suffix, but not in comments, literals and after a dot or an
    arrow: fields are no names at file scope."""
    if not chosen:
        return text
    pattern = re.compile(
        rf"(?P<silent>{SILENT})|(?<![.\w])(?<!->)(?:{'|'.join(chosen)})\b",
        flags=re.S)
    return pattern.sub(
        lambda found: found.group() + ("" if found.group("silent") else suffix),
        text)
