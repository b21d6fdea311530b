"""
Validators in the annotations of keys, for `digestbot.config.exact` and for pydantic alike.

They have the names and the meaning of pydantic's, which reads them through its hooks, and import
nothing of it: pydantic takes longer to load than the rest of the config.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class AfterValidator:
    """Pass a value that has the annotated type to *function*; its result counts."""

    function: Callable[[Any], Any]

    def __get_pydantic_core_schema__(self, source: object, handler: Callable[[object], Any]) -> Any:
        function = {"type": "no-info", "function": self.function}
        return {"type": "function-after", "schema": handler(source), "function": function}


@dataclass(frozen=True, slots=True)
class BeforeValidator:
    """Pass the raw value to *function* first; its result is read as the annotated type."""

    function: Callable[[Any], Any]

    def __get_pydantic_core_schema__(self, source: object, handler: Callable[[object], Any]) -> Any:
        function = {"type": "no-info", "function": self.function}
        return {"type": "function-before", "schema": handler(source), "function": function}


@dataclass(frozen=True, slots=True)
class PlainValidator:
    """Let *function* alone turn the raw value into the annotated type."""

    function: Callable[[Any], Any]

    def __get_pydantic_core_schema__(self, source: object, handler: Callable[[object], Any]) -> Any:
        function = {"type": "no-info", "function": self.function}
        return {"type": "function-plain", "function": function}


@dataclass(frozen=True, slots=True)
class WithJsonSchema:
    """Show *json_schema* to editors instead of what the type says."""

    json_schema: dict[str, Any]

    def __get_pydantic_json_schema__(self, schema: object, handler: object) -> dict[str, Any]:
        return self.json_schema.copy()
