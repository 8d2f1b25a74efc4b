"""bindings/api.json: the model, one fact a line, so that its difference is what
a reviewer of the API reads."""
import json

from ncpgen import model


def text(paragraphs):
    return paragraphs if len(paragraphs) != 1 else paragraphs[0]


def documented(item):
    doc = item.doc or model.Doc()
    found = {"name": item.name, "group": item.group}
    if doc.text:
        found["doc"] = text(doc.text)
    if doc.since:
        found["since"] = doc.since
    return found


def macro(item):
    return {**documented(item), "value": item.value}


def enum(item):
    values = [{"name": value.name, "value": value.value,
               **({"doc": value.doc} if value.doc else {})}
              for value in item.values]
    return {**documented(item), "values": values}


def scalar(item):
    return {**documented(item), "type": item.type}


def parameter(item):
    found = {"name": item.name, "type": item.type, "direction": item.direction}
    if item.ownership:
        found["ownership"] = item.ownership
    if "*" in item.type or item.nullable:
        found["nullable"] = item.nullable
    if item.length:
        found["length"] = item.length
    if item.doc:
        found["doc"] = item.doc
    return found


def returned(item):
    found = {"type": item.returns}
    if item.gives:
        found["gives"] = item.gives
    if item.ownership:
        found["ownership"] = item.ownership
    if item.doc and item.doc.returns:
        found["doc"] = item.doc.returns
    return found


def function(item):
    found = {**documented(item), "returns": returned(item),
             "parameters": [parameter(each) for each in item.parameters]}
    if item.codes:
        found["errors"] = item.codes
    if item.doc and item.doc.errors:
        found["errors_doc"] = item.doc.errors
    if item.threads:
        found["threads"] = item.threads
    return found


def struct(item):
    fields = [{"name": field.name, "type": field.type,
               **({"count": field.count} if field.count else {}),
               "offset": field.offset,
               "size": field.size * max(field.count, 1),
               **({"doc": field.doc} if field.doc else {})}
              for field in item.fields]
    return {**documented(item), "size": item.size, "fields": fields}


def describe(header):
    """The model of a header as plain data."""
    return {
        "header": header.path,
        "macros": [macro(item) for item in header.macros],
        "objects": [documented(item) for item in header.opaques],
        "scalars": [scalar(item) for item in header.scalars],
        "enums": [enum(item) for item in header.enums],
        "structs": [struct(item) for item in header.structs],
        "callbacks": [function(item) for item in header.callbacks],
        "functions": [function(item) for item in header.functions],
    }


def files(project):
    if not project.header.library:
        return {}
    found = {
        "about": "Written by bindings/gen/gen.py; not to be edited. Sizes and"
                 " offsets are in bytes, where pointers have 64 bits.",
        **describe(project.header),
        "library": project.header.library,
        "json": describe(project.json_header),
    }
    return {"bindings/api.json":
            json.dumps(found, indent=1, ensure_ascii=False) + "\n"}
