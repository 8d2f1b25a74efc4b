"""The reference names everything, and nothing that is not there."""
import re

import genfiles
import ncpheader
import pytest

FOLDER = genfiles.ROOT / "docs" / "reference"
PAGES = sorted(FOLDER.glob("*.md"))


def anchors(path):
    """The anchors of the headings of a page."""
    titles = re.findall(r"^#+ (.*)$", path.read_text(), flags=re.M)
    return {re.sub(r"[^\w-]", "", title.lower().replace(" ", "-"))
            for title in titles}


def test_every_page_is_linked_from_the_first():
    first = (FOLDER / "README.md").read_text()
    assert len(PAGES) > 5
    for page in PAGES:
        assert page.name == "README.md" or f"({page.name})" in first


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    wrong = []
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        name, _, anchor = target.partition("#")
        place = (page.parent / name) if name else page
        if not place.exists() or (anchor and anchor not in anchors(place)):
            wrong.append(target)
    assert wrong == []


def test_every_function_and_constant_has_its_place():
    text = "".join(page.read_text() for page in PAGES)
    for item in genfiles.api()["functions"] + genfiles.api()["callbacks"]:
        assert f"\n### {item['name']}\n" in text
    for enum in genfiles.api()["enums"]:
        for value in enum["values"]:
            told = value["name"].removeprefix("NCP_COUNTER_").lower()
            assert f"`{value['name']}`" in text or f"`{told}`" in text \
                or enum["name"] == "ncp_option" \
                or value["name"] == "NCP_COUNTER_COUNT", value["name"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_exist(page):
    known = set(ncpheader.names()) | set(ncpheader.constants()) \
        | set(ncpheader.macros())
    api = genfiles.api()
    known |= {item["name"] for kind in ("objects", "scalars", "enums",
                                        "structs", "callbacks")
              for item in api[kind]}
    known |= {item["name"] for item in api["json"]["functions"]}
    text = re.sub(r'"[^"\n]*"', "", page.read_text())  # a quoted name is text
    found = set(re.findall(r"\b(?:ncp|NCP)_\w*\w\b(?!\\?\*)", text))
    assert found - known == set()


def test_options_have_their_own_page():
    page = genfiles.ROOT / "docs" / "options.md"
    for option in genfiles.api()["library"]["options"]:
        assert f"| `{option['name']}` |" in page.read_text()
