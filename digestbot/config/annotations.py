"""
Validators in the annotations of keys, for `digestbot.config.exact` and for pydantic alike.

They have the names and meanings of pydantic's and annotated_types', and pydantic reads them through
its hooks. Those packages take longer to load than the rest of the config, and only a config with
mistakes needs them. For the same reason these are plain classes: a dataclass takes 0.6 ms to make.
"""

from collections.abc import Callable
from typing import Any


class _Function:
    """A validator that calls a function."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    @property
    def no_info(self) -> dict[str, Any]:
        """The function as pydantic-core's schema names it."""
        return {"type": "no-info", "function": self.function}


class AfterValidator(_Function):
    """Pass a value that has the annotated type to *function* and use the result."""

    def __get_pydantic_core_schema__(self, source: object, handler: Callable[[object], Any]) -> Any:
        return {"type": "function-after", "schema": handler(source), "function": self.no_info}


class BeforeValidator(_Function):
    """Pass the raw value to *function* and read the result as the annotated type."""

    def __get_pydantic_core_schema__(self, source: object, handler: Callable[[object], Any]) -> Any:
        return {"type": "function-before", "schema": handler(source), "function": self.no_info}


class PlainValidator(_Function):
    """Let *function* alone turn the raw value into the annotated type."""

    def __get_pydantic_core_schema__(self, source: object, handler: Callable[[object], Any]) -> Any:
        return {"type": "function-plain", "function": self.no_info}


class WithJsonSchema:
    """Show *json_schema* to editors instead of the annotated type's."""

    __slots__ = ("json_schema",)

    def __init__(self, json_schema: dict[str, Any]) -> None:
        self.json_schema = json_schema

    def __get_pydantic_json_schema__(self, schema: object, handler: object) -> dict[str, Any]:
        return self.json_schema.copy()


class _Bound:
    """A limit that pydantic-core's schema has a key for."""

    __slots__ = ("limit",)
    KEY = ""

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def __get_pydantic_core_schema__(self, source: object, handler: Callable[[object], Any]) -> Any:
        return {**handler(source), self.KEY: self.limit}


class Ge(_Bound):
    """A number of at least *limit*."""

    KEY = "ge"


class Le(_Bound):
    """A number of at most *limit*."""

    KEY = "le"


class MinLen(_Bound):
    """A collection of at least *limit* values."""

    KEY = "min_length"


class ReadAs:
    """Read the value as the class that *kind* returns, a subclass of the annotated one."""

    __slots__ = ("kind",)

    def __init__(self, kind: Callable[[], type]) -> None:
        self.kind = kind

    def __get_pydantic_core_schema__(self, source: object, handler: Any) -> Any:
        return handler.generate_schema(self.kind())


class Described:
    """Show *text* to editors, for a key whose field has no docstring."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __get_pydantic_json_schema__(self, schema: object, handler: Any) -> dict[str, Any]:
        return {**handler(schema), "description": self.text}
