"""The JSON Schema agrees with the loader and describes every key; durations."""

import dataclasses
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its stubs are another package
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.config import load_config
from digestbot.config.editor_schema import json_schema
from digestbot.config.interpolation import interpolate
from digestbot.config.schema import DigestKeys, FileKeys, deliver_to, parse_duration
from digestbot.config.yaml_reader import read_yaml
from digestbot.deliver import SlackSettings, SmtpSettings
from digestbot.errors import ConfigError
from digestbot.filters.parser import KEYS
from digestbot.sources import REGISTRY

BAD = Path(__file__).parent / "bad"
EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"
KINDS = (FileKeys, DigestKeys, deliver_to(), SmtpSettings, SlackSettings, *REGISTRY.values())
# Mistakes that an editor can mark: keys, types and choices.
SEEN_BY_EDITORS = (
    "top-unknown-key",
    "top-no-sources",
    "top-sections-of-wrong-kind",
    "source-no-kind",
    "source-unknown-kind",
    "source-unknown-key",
    "source-category-text",
    "source-feed-without-url",
    "source-page-size-text",
    "source-duration",
    "smtp-unknown-key",
    "smtp-security",
    "smtp-port-text",
    "digest-type",
    "digest-limit-zero",
    "digest-when-empty",
    "filter-unknown-key",
    "filter-many",
    "filter-examples",
    "deliver-mapping",
    "deliver-unknown-key",
)


def raw(path: Path) -> Any:
    """Return the data of a config as an editor sees it, without interpolation."""
    root, _ = read_yaml(path.read_text(encoding="utf-8").replace("${", "$${"), path.name)
    return interpolate(root, {}, path.parent).data


def is_valid(data: object) -> bool:
    return bool(jsonschema.Draft202012Validator(json_schema()).is_valid(data))


def test_it_is_a_json_schema() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(schema)) == schema
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_reference_resolves() -> None:
    schema = json_schema()
    named = set(json.dumps(schema).split('"#/$defs/')[1:])
    assert {each.partition('"')[0] for each in named} == set(schema["$defs"])


def test_the_example_is_valid() -> None:
    assert is_valid(raw(EXAMPLE))


@pytest.mark.parametrize("name", SEEN_BY_EDITORS)
def test_an_editor_sees_mistakes(name: str) -> None:
    assert not is_valid(raw(BAD / f"{name}.yaml"))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_key_has_a_description(kind: type) -> None:
    schema = json_schema()
    known = [schema, *schema["$defs"].values(), *schema["$defs"]["Source"]["oneOf"]]
    keys = {field.name for field in dataclasses.fields(kind)}
    (found,) = [
        each for each in known if set(each.get("properties", {})) - {"kind"} == keys and keys
    ]
    assert all(described.get("description") for described in found["properties"].values())


def test_it_covers_the_filter_language() -> None:
    conditions = json_schema()["$defs"]["Condition"]["anyOf"][-1]["properties"]
    assert set(conditions) == set(KEYS)
    assert all(described.get("description") for described in conditions.values())


@pytest.mark.parametrize(
    "filter_",
    [
        None,
        "gpu",
        ["gpu", {"title": "x"}],
        {"any": "gpu"},
        {"all": [{"none": [{"category": ["cs.DC", "cs.*"]}]}], "min_score": 1.5},
        {"title": 2024, "weight": 2},
        {"any": ["x"], "examples": {"match": ["arxiv:2603.20941"], "skip": []}},
    ],
)
def test_filters_are_valid(filter_: object) -> None:
    digest = {"schedule": "daily 09:00", "filter": filter_}
    data = {"sources": {"a": {"kind": "feed", "url": "x"}}, "digests": {"d": digest}}
    assert is_valid(data)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7d", timedelta(days=7)),
        ("3s", timedelta(seconds=3)),
        ("90m", timedelta(minutes=90)),
        ("2w", timedelta(weeks=2)),
        ("1h30m", timedelta(minutes=90)),
        ("0.5h", timedelta(minutes=30)),
        ("0s", timedelta(0)),
        (0, timedelta(0)),
        (1.5, timedelta(seconds=1.5)),
        ("3", None),
        ("", None),
        ("3 s", None),
        ("3D", None),
        ("-3s", None),
        ("3months", None),
        ("P7D", None),
        ("1..5h", None),
        ("٣s", None),
        ("9" * 60 + "w", None),
        ("9999999999w", None),
        (-1, None),
        (10**30, None),
        (float("nan"), None),
        (float("inf"), None),
        (True, None),
        (None, None),
        ([], None),
    ],
)
def test_durations(value: object, expected: timedelta | None) -> None:
    assert parse_duration(value) == expected


@given(st.text() | st.from_regex(r"([0-9.]+[wdhms])+", fullmatch=True) | st.floats())
def test_no_value_breaks_durations(value: object) -> None:
    found = parse_duration(value)
    assert found is None or found >= timedelta(0)


def test_mistakes_in_editors_are_also_load_errors() -> None:
    for name in SEEN_BY_EDITORS:
        with pytest.raises(ConfigError):
            load_config(BAD / f"{name}.yaml", {})
