"""Documentation comments: text and tags."""
import re

from ncpgen.model import Doc

TAGS = ("param", "returns", "errors", "since")


def bare(comment):
    """The text of a comment without its frame, lines kept."""
    body = re.sub(r"^/\*\*?<?|\*/$", "", comment)
    lines = [re.sub(r"^[ \t]*\* ?", "", line) if number else line
             for number, line in enumerate(body.split("\n"))]
    return "\n".join(line.strip() for line in lines).strip()


def one_line(text):
    return " ".join(text.split())


def trailing(comment):
    """A comment that stands after a value or a field, as one line."""
    return one_line(bare(comment))


def parse(comment, refuse):
    """Makes a Doc of a comment; refuse(text) complains."""
    doc = Doc()
    parts = re.split(r"(?:^|(?<=\s))@(\w+)\s+", bare(comment))
    doc.text = [one_line(paragraph)
                for paragraph in re.split(r"\n\s*\n", parts[0])
                if paragraph.strip()]
    for tag, text in zip(parts[1::2], parts[2::2]):
        if tag not in TAGS:
            refuse(f"@{tag} is no tag; use one of @{', @'.join(TAGS)}")
        _add(doc, tag, one_line(text), refuse)
    return doc


def _add(doc, tag, text, refuse):
    if tag == "param":
        names, _, about = text.partition(" ")
        for name in names.split(","):
            if name in doc.params:
                refuse(f"@param {name} stands twice; keep one")
            doc.params[name] = about
        return
    if getattr(doc, tag):
        refuse(f"@{tag} stands twice; keep one")
    setattr(doc, tag, text)
