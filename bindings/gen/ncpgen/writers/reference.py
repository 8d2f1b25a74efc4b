"""docs/reference: what the header and the library say, for readers."""
import re

from ncpgen import ctext, meaning, model

FOLDER = "docs/reference"
WRITTEN = "<!-- Written by bindings/gen/gen.py; not to be edited. -->\n"
KINDS = {1: "cumulative", 2: "gauge", 3: "derived"}


class Page:
    """A page of Markdown that knows where everything is described."""

    def __init__(self, title, places):
        self.lines = [f"# {title}", "", WRITTEN]
        self.places = places

    def add(self, *lines):
        self.lines += [*lines, ""]

    def said(self, text):
        """Text of a comment: names become links, nothing becomes markup."""
        text = re.sub(r"(?<!`)([*<>|])(?!`)", r"\\\1", text)
        text = re.sub(r"(?<![`\w])(NCP_[A-Z0-9_]*[A-Z0-9])(?![\w*\\`])", r"`\1`",
                      text)
        return re.sub(r"`?\b(ncp_\w+(?:\(\))?)`?(?!\w)", self._link, text)

    def _link(self, found):
        name = found.group(1)
        place = self.places.get(name.removesuffix("()"))
        return f"[`{name}`]({place})" if place else f"`{name}`"

    def table(self, *columns):
        self.lines += ["| " + " | ".join(columns) + " |",
                       "|" + "---|" * len(columns)]

    def row(self, *cells):
        self.lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")

    def text(self):
        return "\n".join(self.lines).rstrip("\n") + "\n"


def places(header):
    """Where each name is described."""
    found = {item.name: f"functions.md#{item.name}" for item in
             header.functions + header.callbacks}
    found.update({item.name: "functions.md#objects" for item in
                  header.opaques + header.scalars})
    found.update({item.name: f"constants.md#{item.name}"
                  for item in header.enums})
    found.update({item.name: "events.md" for item in header.structs})
    found["ncp_status"] = "statuses.md"
    found["ncp_counter"] = "counters.md"
    found["ncp_option"] = "../options.md"
    found["ncp_event_type"] = "events.md#types"
    return found


def anchor(title):
    return re.sub(r"[^\w-]", "", title.lower().replace(" ", "-"))


# ------------------------------------------------------------------ functions

def functions(header):
    page = Page("Functions", places(header))
    groups = list(dict.fromkeys(
        item.group for item in header.functions + header.callbacks))
    page.add("Every function and callback of the C ABI, grouped as in"
             " `netconnpool.h`. Unless", "something else is said a function may"
             " be called from any thread at any time, from",
             "callbacks too. A pointer that is returned is borrowed; one that"
             " comes through `**out`", "is the caller's.")
    page.add("[objects](#objects), " + ", ".join(
        f"[{group}](#{anchor(group)})" for group in groups))
    objects(page, header)
    for group in groups:
        page.add(f"## {group}")
        for item in header.callbacks + header.functions:
            if item.group == group:
                function(page, item)
    return page.text()


def objects(page, header):
    page.add("## objects")
    page.table("type", "what it is")
    for item in header.opaques + header.scalars:
        page.row(f"`{item.name}`", page.said(" ".join(item.doc.text)))
    page.add()


def function(page, item):
    page.add(f"### {item.name}")
    page.add("```c", ctext.declaration(item), "```")
    doc = item.doc or model.Doc()
    for paragraph in doc.text:
        page.add(page.said(paragraph))
    facts = [f"- `{each.name}` ({', '.join(about(each))}): "
             f"{page.said(each.doc)}".removesuffix(": ")
             for each in item.parameters
             if each.doc or each.direction != "in"]
    if doc.returns:
        facts.append(f"- returns {page.said(doc.returns)}")
    if doc.errors:
        facts.append(f"- errors: {page.said(doc.errors)}")
    if item.threads not in ("", meaning.ANY_THREAD) \
            and item.threads not in " ".join(doc.text):
        facts.append(f"- threads: {page.said(item.threads)}")
    if doc.since:
        facts.append(f"- since {doc.since}")
    if facts:
        page.add(*facts)


def about(parameter):
    """What a caller has to know of a parameter, in words."""
    found = [parameter.direction]
    if parameter.ownership == "caller":
        if "yours" not in parameter.doc:
            found.append("yours")
    elif parameter.ownership:
        found.append(parameter.ownership)
    if parameter.nullable and "NULL" not in parameter.doc:
        found.append("may be NULL")
    if parameter.length and "room" not in parameter.doc:
        found.append(f"room for `{parameter.length}`")
    return found


# ------------------------------------------------------------------- the rest

def statuses(header):
    page = Page("Statuses", places(header))
    page.add("What functions return. A status is 0 or negative, and its value"
             " is never reused. The", "texts are those of"
             f" {page.said('ncp_status_text()')}, the names those of"
             f" {page.said('ncp_status_name()')}.")
    said = {value.name: value.doc for value in header.enum("ncp_status").values}
    page.table("name", "value", "text", "meaning")
    for row in header.library["statuses"]:
        page.row(f"`{row['name']}`", row["value"], row["text"],
                 page.said(said[row["name"]]))
    return page.text()


def counters(header):
    page = Page("Counters", places(header))
    page.add(page.said("What ncp_pool_stats() fills in, by number. Ratios are in"
                       " millionths; `derived` is computed from others, a"
                       " `gauge` goes up and down, `cumulative` never"
                       " decreases. The names and units are those of"
                       " ncp_counter_at()."))
    page.table("number", "name", "kind", "unit", "what it counts")
    for row in header.library["counters"]:
        page.row(row["value"], f"`{row['name']}`", KINDS[row["kind"]],
                 row["unit"], page.said(row["help"]))
    return page.text()


def events(header):
    page = Page("Events", places(header))
    struct = next(item for item in header.structs if item.name == "ncp_event")
    page.add(page.said("What the pull driver says to its host; taken out of a"
                       " queue with ncp_queue_poll(), or the answer of a call"
                       " such as ncp_pool_acquire(). How they follow each"
                       " other: [pull-driver.md](../pull-driver.md)."))
    page.add("## types")
    values(page, header.enum("ncp_event_type"))
    page.add("", f"## struct {struct.name}")
    page.add(page.said(" ".join(struct.doc.text)) + " Offsets are in bytes,"
             " where pointers have 64 bits.")
    page.table("field", "type", "offset", "meaning")
    for field in struct.fields:
        kind = field.type + (f"[{field.count}]" if field.count else "")
        page.row(f"`{field.name}`", f"`{kind}`", field.offset,
                 page.said(field.doc))
    return page.text()


def values(page, enum):
    page.table("name", "value", "meaning")
    for value in enum.values:
        page.row(f"`{value.name}`", value.value, page.said(value.doc))


def constants(header):
    page = Page("Constants", places(header))
    page.add("The enumerations and macros that have no page of their own."
             " Values never change and", "are never reused.")
    for enum in header.enums:
        if places(header)[enum.name].startswith("constants.md"):
            page.add(f"## {enum.name}")
            page.add(page.said(" ".join(enum.doc.text)))
            values(page, enum)
            page.add()
    page.add("## macros")
    page.table("name", "value", "meaning")
    for macro in header.macros:
        page.row(f"`{macro.name}`", f"`{macro.spelling}`",
                 page.said(macro.doc.brief) if macro.doc else "")
    return page.text()


def json(project):
    header = project.json_header
    found = {**places(project.header), **{
        item.name: f"json.md#{item.name}" for item in header.functions}}
    page = Page("JSON", found)
    page.add("The functions of `netconnpool_json.h`, in the library"
             " `netconnpool-json`.")
    for item in header.functions:
        function(page, item)
    return page.text()


def index(header):
    page = Page("Reference", places(header))
    page.add("Written from the public header and from the tables of the library"
             " itself.")
    page.table("page", "what")
    page.row("[functions.md](functions.md)",
             f"{len(header.functions)} functions, the callbacks, the objects")
    page.row("[../options.md](../options.md)",
             "every option with default, range and unit")
    page.row("[statuses.md](statuses.md)",
             "what functions return, with texts")
    page.row("[counters.md](counters.md)", "the statistics")
    page.row("[events.md](events.md)", "the events of the pull driver")
    page.row("[constants.md](constants.md)", "the other enumerations")
    page.row("[json.md](json.md)", "configurations as JSON")
    return page.text()


def files(project):
    if not project.header.library:
        return {}
    pages = {"README.md": index, "functions.md": functions,
             "statuses.md": statuses, "counters.md": counters,
             "events.md": events, "constants.md": constants}
    found = {f"{FOLDER}/{name}": write(project.header)
             for name, write in pages.items()}
    found[f"{FOLDER}/json.md"] = json(project)
    return found
