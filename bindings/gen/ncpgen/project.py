"""What the writers work from: the model, the core, the hand-written pieces."""
import dataclasses
import pathlib

import yaml

from ncpgen import amalgam, library, reader

HEADER = "core/include/netconnpool.h"
JSON_HEADER = "core/include/netconnpool_json.h"


@dataclasses.dataclass
class Project:
    root: pathlib.Path
    header: object  # model.Header
    json_header: object
    amalgamation: str
    names: dict

    def text(self, path):
        """A file that somebody wrote by hand; "" when it is not there."""
        place = self.root / path
        return place.read_text(encoding="utf-8") if place.exists() else ""


def read_header(root):
    return reader.read_public(root / HEADER, HEADER)


def load(root):
    """Reads everything but the tables of the library."""
    root = pathlib.Path(root)
    with open(root / "bindings/gen/names.yaml", encoding="utf-8") as file:
        names = yaml.safe_load(file)
    return Project(
        root, read_header(root),
        reader.read_public(root / JSON_HEADER, JSON_HEADER,
                           "typedef struct ncp_config ncp_config;"),
        amalgam.text(amalgam.sources(root)), names)


def ask_library(project):
    """Fills in the tables of the library; library.Unbuilt when the core does
    not compile."""
    project.header.library = library.tables(
        project.root / "core/include", project.amalgamation)
