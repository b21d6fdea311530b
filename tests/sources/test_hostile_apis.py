"""Time to parse a hostile answer of a web API grows with its size, whatever its members repeat."""

import json
from typing import Any

import pytest

from tests.growth import is_linear
from tests.sources.api_fuzz import PARSERS
from tests.sources.conformance import make_works

SIZE = 8_000
"""Characters of each member at first; then twice and four times as many."""
UNITS = (
    "a", " ", "\n", "@", "a@", ".", ";", ", ", "and ", "<sub>", "<b", "&lt;", "[", "{", "{beta}",
    "<mml:math>", "<math><mfrac>", "$", "\\", "10.1/", "https://x.example/", "O_FIG ", "O_LI ",
    "O_ST_ABS", "O_FIG C_TBL ", "O_LI C_LI ", "org.highwire.dtl.DTLVardef@a",
    "View larger version ", "graphical abstract ", "Abstract\n", "electronic address: ",
    "retraction ",
    "doi:", "A. B., ",
)  # fmt: skip
IDENTIFIERS = {"DOI", "doi", "id", "paperId", "type"}
SERVICES = sorted(set(PARSERS) - {"pubmed-search"})


def filled(value: Any, text: str) -> Any:
    """Return *value* with *text* in each string but those that a parser needs."""
    if isinstance(value, dict):
        return {
            name: each if name in IDENTIFIERS else filled(each, text)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [filled(each, text) for each in value]
    return text if isinstance(value, str) else value


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("name", SERVICES)
def test_time_grows_with_the_length_of_each_member(name: str, unit: str) -> None:
    parser = PARSERS[name]
    record = parser.record(make_works(1)[0])

    def make(size: int) -> bytes:
        text = (unit * (size // len(unit) + 1))[:size]
        if isinstance(record, str):
            inside = text.replace("&", "&amp;").replace("<", "&lt;")
            return parser.wrap([record.replace("Serverless Study 1", inside).encode()])
        return parser.wrap([json.dumps(filled(record, text)).encode()])

    assert is_linear(make, lambda body: parser.read(body, parser.cursor), SIZE)
