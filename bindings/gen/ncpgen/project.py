"""What the writers work from: the model, the core, the hand-written pieces."""
import dataclasses
import pathlib

import yaml

from ncpgen import amalgam, library, reader
from ncpgen.source import Refused

NAMES = "bindings/gen/names.yaml"
HEADER = "core/include/netconnpool.h"
JSON_HEADER = "core/include/netconnpool_json.h"
# Private, for the one host that is compiled together with the core.
LANE_HEADER = "core/src/pool/lane.h"


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
    header = read_header(root)
    with open(root / NAMES, encoding="utf-8") as file:
        names = yaml.safe_load(file)
    complaints = list(unnamed(header, names))
    if complaints:
        raise Refused("\n".join(complaints))
    return Project(
        root, header,
        reader.read_public(root / JSON_HEADER, JSON_HEADER,
                           "typedef struct ncp_config ncp_config;",
                           header.names),
        amalgam.text(amalgam.sources(root)), names)


def unnamed(header, names):
    """Every status has an error in Go, or is listed as having none."""
    statuses = {value.name for value in header.enum("ncp_status").values}
    listed = list(names["go_errors"]) + names["go_no_errors"]
    for name in sorted(statuses - set(listed)):
        yield f"{NAMES}: {name} has no name in Go; add it to go_errors, or to" \
              " go_no_errors"
    for name in sorted(set(listed) - statuses):
        yield f"{NAMES}: {name} is no status; drop it"
    for name in sorted(names["go_errors"]):
        if name in names["go_no_errors"]:
            yield f"{NAMES}: {name} is listed twice; drop one"


def ask_library(project):
    """Fills in the tables of the library; library.Unbuilt when the core does
    not compile."""
    project.header.library = library.tables(
        project.root / "core/include", project.amalgamation)
