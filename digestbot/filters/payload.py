"""
Conditions as JSON and back; a safe alternative to pickle for saved indexes.

Handles every frozen dataclass of the filter tree, including kinds added later.
"""

import dataclasses
import json
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any

from digestbot import model
from digestbot.filters import tree


def encode(atom: tree.Atom) -> bytes:
    """Encode the condition, except its path, as canonical UTF-8 JSON."""
    return json.dumps(_written(atom), ensure_ascii=True, separators=(",", ":")).encode()


def decode(text: bytes) -> tree.Atom:
    """Decode a condition written by `encode`."""
    atom: tree.Atom = _read(json.loads(text))
    return atom


def _written(value: Any) -> Any:
    if isinstance(value, Enum):
        return {"enum": type(value).__name__, "value": value.value}
    if isinstance(value, datetime):
        return {"datetime": value.isoformat()}
    if isinstance(value, frozenset):
        return {"set": [_written(item) for item in sorted(value)]}
    if isinstance(value, tuple):
        return [_written(item) for item in value]
    if dataclasses.is_dataclass(value):
        fields = (field.name for field in dataclasses.fields(value) if field.name != "path")
        return {
            "is": type(value).__name__,
            "of": {name: _written(getattr(value, name)) for name in fields},
        }
    return value


def _read(data: Any) -> Any:
    if isinstance(data, list):
        return tuple(_read(item) for item in data)
    if not isinstance(data, dict):
        return data
    if "is" in data:
        return _classes()[data["is"]](**{name: _read(item) for name, item in data["of"].items()})
    if "enum" in data:
        return _classes()[data["enum"]](data["value"])
    if "set" in data:
        return frozenset(_read(item) for item in data["set"])
    return datetime.fromisoformat(data["datetime"])


@cache
def _classes() -> dict[str, Any]:
    return {
        name: value
        for module in (model, tree)
        for name, value in vars(module).items()
        if isinstance(value, type)
    }
