"""The schema of filters accepts the documented conditions and marks unknown ones."""

from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from digestbot.config.filter_schema import DEFINITIONS

SCHEMA = {"$ref": "#/$defs/Filter", "$defs": DEFINITIONS}


@pytest.mark.parametrize(
    "data",
    [
        {"any": ["serverless", {"title": "mixture of experts"}]},
        {"all": [{"category": ["cs.DC", "stat.*"]}], "none": [{"title": "survey"}]},
        {"any": [{"near": ["serverless", "cold start"], "within": 12}]},
        {"any": [{"text": "diffusion", "weight": 3}]},
        {"any": [{"author": "Ion Stoica", "weight": 3}]},
    ],
)
def test_documented_conditions_are_accepted(data: Any) -> None:
    jsonschema.validate(data, SCHEMA)


@pytest.mark.parametrize("data", [{"any": [{"titel": "x"}]}, {"some": ["x"]}])
def test_mistakes_are_marked(data: Any) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, SCHEMA)
