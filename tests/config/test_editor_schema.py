"""The JSON Schema for editors is valid and accepts the example config."""

from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest

from digestbot.config.editor_schema import json_schema
from digestbot.config.interpolation import interpolate
from digestbot.config.yaml_reader import read_yaml
from digestbot.sources import REGISTRY

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"


def test_the_schema_is_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


def test_every_kind_of_source_is_offered() -> None:
    offered = json_schema()["$defs"]["Source"]["oneOf"]
    assert {each["properties"]["kind"]["const"] for each in offered} == set(REGISTRY)


@pytest.mark.parametrize("key", ["digest", "sorces"])
def test_unknown_keys_are_marked(key: str) -> None:
    with pytest.raises(jsonschema.ValidationError, match=key):
        jsonschema.validate({"sources": {}, "digests": {}, key: {}}, json_schema())


def test_the_example_is_accepted() -> None:
    root, _ = read_yaml(EXAMPLE.read_text(encoding="utf-8"), EXAMPLE.name)
    data = interpolate(root, {}, EXAMPLE.parent).data
    assert isinstance(data, dict)
    jsonschema.validate({k: data[k] for k in ("sources", "digests")}, json_schema())
