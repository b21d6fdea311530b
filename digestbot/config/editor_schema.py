"""The JSON Schema of config.yaml, for editors; `filter_schema` has the part on filters."""

from dataclasses import is_dataclass
from datetime import timedelta
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from digestbot import schedule
from digestbot.bounces.settings import BouncesSettings
from digestbot.config import filter_schema
from digestbot.config.schema import DEFINED, DURATION, DigestKeys, adapter, file_keys, more_sections
from digestbot.deliver import SlackSettings, SmtpSettings
from digestbot.sending_limits import SendingLimits
from digestbot.sources import REGISTRY
from digestbot.sources.enrichment import EnrichmentSettings

_CLOCK = {"type": "string", "pattern": f"^({schedule.CLOCK.pattern})$", "examples": ["07:00"]}
_SCHEDULE: dict[str, Any] = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {
                "after": {
                    "const": schedule.ANNOUNCEMENT,
                    "description": "What to wait for: arXiv's announcement of the day.",
                },
                "earliest": {
                    **_CLOCK,
                    "description": "Local time from which the edition may be made; three hours"
                    " before `latest` by default.",
                },
                "latest": {
                    **_CLOCK,
                    "description": "Local time at which it is made, complete or not; three hours"
                    " after `earliest` by default.",
                },
                "days": {
                    "type": "string",
                    "description": "Weekdays as in cron; every day by default.",
                    "examples": ["mon-fri"],
                },
            },
            "required": ["after"],
            "additionalProperties": False,
        },
    ]
}
"""Input of `schedule.parse_schedule`; cron is plain text to editors."""


def json_schema() -> dict[str, Any]:
    """
    Return the JSON Schema (2020-12) of config.yaml.

    It accepts a little more than `load_config`: references, addresses and cron are plain text to
    it, and ``${NAME}`` may replace a number.
    """
    definitions: dict[str, Any] = {"Source": {"oneOf": [_of_source(kind) for kind in REGISTRY]}}
    sections = (SmtpSettings, SlackSettings, *more_sections().values())
    for kind in (*sections, EnrichmentSettings, SendingLimits, BouncesSettings, DigestKeys):
        definitions |= _definitions(kind)
    file = _definitions(file_keys())["FileKeys"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **file,
        "title": "config.yaml of digestbot",
        "$defs": {**definitions, "Schedule": _SCHEDULE, **filter_schema.DEFINITIONS},
    }


def _of_source(kind: str) -> dict[str, Any]:
    """Return the schema of one kind of source, with its key ``kind``."""
    (schema,) = _definitions(REGISTRY[kind]).values()
    named = {"kind": {"const": kind, "description": "Kind of source."}}
    required = ["kind", *schema.get("required", [])]
    return {**schema, "properties": named | schema["properties"], "required": required}


def _definitions(kind: type) -> dict[str, Any]:
    """Return the schemas of a dataclass and its nested ones, by name."""
    schema = adapter(kind).json_schema(schema_generator=_Generator)
    inner = schema.pop("$defs", {})
    # pydantic reads the docstrings of one class only, not of those that it inherits from.
    for base in filter(is_dataclass, kind.__mro__[1:]):
        for key, inherited in _definitions(base)[base.__name__].get("properties", {}).items():
            schema["properties"][key] = inherited | schema["properties"][key]
    return {kind.__name__: _with_refs(schema), **_with_refs(inner)}


def _with_refs(schema: Any) -> Any:
    """Replace the marks of `schema._schema_of` in *schema* by references."""
    if isinstance(schema, list):
        return [_with_refs(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    renamed = {key: _with_refs(value) for key, value in schema.items() if key != DEFINED}
    return renamed | ({"$ref": f"#/$defs/{schema[DEFINED]}"} if DEFINED in schema else {})


class _Generator(GenerateJsonSchema):
    """Durations and numbers as written in YAML; omits titles that repeat the key."""

    def timedelta_schema(self, schema: Any) -> dict[str, Any]:
        return {
            "anyOf": [{"type": "string", "pattern": f"{DURATION}|\\$\\{{"}, {"type": "number"}],
            "examples": ["7d", "90m", "1h30m"],
        }

    def int_schema(self, schema: Any) -> dict[str, Any]:
        number = super().int_schema(schema)
        return {"anyOf": [number, {"type": "string", "pattern": r"\$\{"}]}

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def encode_default(self, dft: Any) -> Any:
        if isinstance(dft, timedelta):
            return f"{dft.total_seconds():g}s"
        return sorted(dft) if isinstance(dft, frozenset) else super().encode_default(dft)
