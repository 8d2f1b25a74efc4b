"""Whether every language binds every function, or says why not."""
import re

import yaml

COMMENTS = {
    ".py": r"#[^\n]*",
    ".go": r"//[^\n]*|/\*.*?\*/",
    ".lua": r"--\[\[.*?\]\]|--[^\n]*",
    ".h": r"//[^\n]*|/\*.*?\*/",
    ".c": r"//[^\n]*|/\*.*?\*/",
    ".i": r"//[^\n]*|/\*.*?\*/",
}


def load(root):
    with open(root / "bindings/gen/coverage.yaml", encoding="utf-8") as file:
        return yaml.safe_load(file)


def used(root, language):
    """The names that the sources of a language call."""
    found = set()
    for source in language["sources"]:
        for path in sorted(root.glob(source["files"])):
            text = path.read_text(encoding="utf-8")
            bare = re.sub(COMMENTS[path.suffix], " ", text, flags=re.S)
            found |= set(re.findall(source["calls"], bare))
    return found


def complaints(header, name, language, called):
    """What is wrong with the section of a language; `called` are the names its
    sources use."""
    functions = {item.name for item in header.functions}
    listed = {}
    for reason, names in (language["not_bound"] or {}).items():
        for each in names:
            if each in listed:
                yield f"{name}: {each} is listed twice"
            listed[each] = reason
    place = "bindings/gen/coverage.yaml"
    for each in sorted(set(listed) - functions):
        yield f"{name}: {each} is no function of the header; drop it from" \
              f" {place}"
    for each in sorted(set(listed) & called):
        yield f"{name}: {each} is used and listed as not bound; drop it from" \
              f" {place}"
    for each in sorted(functions - called - set(listed)):
        yield f"{name}: {each} is neither used nor listed; bind it, or list it" \
              f" with a reason in {place}"


def check(root, header, chosen=()):
    """The complaints about the chosen languages, or about all of them."""
    languages = load(root)
    unknown = set(chosen) - set(languages)
    if unknown:
        return [f"no such language: {', '.join(sorted(unknown))}"]
    return [complaint for name, language in languages.items()
            if not chosen or name in chosen
            for complaint in complaints(header, name, language,
                                        used(root, language))]
