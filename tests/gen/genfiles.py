"""What the tests of the generator share."""
import json
import sys

import ncpheader

ROOT = ncpheader.SOURCE
sys.path.insert(0, str(ROOT / "bindings" / "gen"))

from ncpgen import lint, reader  # noqa: E402
from ncpgen.source import Refused, Source  # noqa: E402


def api():
    return json.loads((ROOT / "bindings/api.json").read_text())


def model(text, known=""):
    """The model of a header that a test writes down."""
    return reader.read(Source("x.h", text), known)


def complaints(text):
    """What the generator has against such a header, without the file name."""
    source = Source("x.h", text)
    try:
        header = reader.read(source)
    except Refused as refused:
        return [str(refused).removeprefix("x.h:")]
    return [each.removeprefix("x.h:")
            for each in lint.complaints(source, header)]
