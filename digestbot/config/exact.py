"""
Build a dataclass of keys or options from data that already has exactly the right types.

This is what a config without mistakes needs, at a tenth of what pydantic costs to start. Anything
else, such as a number in quotes, is left to pydantic, which converts it or words the error; the two
agree on every value that this module accepts (``tests/config/test_exact.py``). Begin at `build`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from datetime import timedelta
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from digestbot.config.annotations import (
    AfterValidator,
    BeforeValidator,
    Described,
    Ge,
    Le,
    MinLen,
    PlainValidator,
    ReadAs,
    WithJsonSchema,
)
from digestbot.secret import Secret

T = TypeVar("T")


class NotExact(ValueError):
    """A value of another type than annotated, or one that fails a check."""


def build(kind: type[T], data: object) -> T:
    """
    Return *data*, a mapping by field names, as an instance of *kind*.

    Raises:
        ValueError: pydantic must read *data*: a key is unknown or missing, a value is of
            another type, or a validator refuses it.
    """
    hashable: Any = kind  # mypy does not see that a class is hashable
    hints, required = _fields_of(hashable)
    if type(data) is not dict or not required <= data.keys() <= hints.keys():
        raise NotExact
    return kind(**{key: _value(hints[key], value) for key, value in data.items()})


@cache
def _fields_of(kind: type[Any]) -> tuple[Mapping[str, Any], frozenset[str]]:
    """Return the fields' annotations by name, and the names of required fields."""
    hints = get_type_hints(kind, include_extras=True)
    found = [field for field in fields(kind) if field.init]
    required = {
        field.name
        for field in found
        if field.default is MISSING and field.default_factory is MISSING
    }
    return {field.name: hints[field.name] for field in found}, frozenset(required)


def _value(hint: Any, value: Any) -> Any:
    """Return *value* as *hint* says."""
    origin = get_origin(hint)
    if hint is Any:
        return value
    if origin is Annotated:
        inner, *validators = get_args(hint)
        return _annotated(inner, validators, value)
    if origin is Union or origin is UnionType:
        return _first_of(get_args(hint), value)
    if origin is Literal:
        return _literal(get_args(hint), value)
    if origin in (tuple, frozenset):
        return _collection(hint, value)
    if origin is dict:
        key_hint, value_hint = get_args(hint)
        if type(value) is not dict:
            raise NotExact
        return {_value(key_hint, key): _value(value_hint, each) for key, each in value.items()}
    return _plain(hint, value) if isinstance(hint, type) else _refuse()


def _plain(kind: type, value: Any) -> Any:
    """Return *value* as a plain class."""
    if kind in (str, int, float, bool, NoneType, timedelta):
        return value if type(value) is kind else _refuse()
    if kind is Secret:
        return Secret(value) if type(value) is str else _refuse()
    if issubclass(kind, Enum):
        return kind(value) if type(value) is str else _refuse()
    return build(kind, value) if is_dataclass(kind) else _refuse()


def _annotated(inner: Any, validators: Sequence[Any], value: Any) -> Any:
    """Apply *validators* in pydantic's order.

    Validators before the type check run right to left, the others left to right.
    """
    for validator in reversed(validators):
        if isinstance(validator, BeforeValidator):
            value = validator.function(value)
        elif isinstance(validator, ReadAs):
            inner = validator.kind()
    plain = [each for each in validators if isinstance(each, PlainValidator)]
    checked = plain[-1].function(value) if plain else _value(inner, value)
    for validator in validators:
        checked = _after(validator, checked)
    return checked


def _after(validator: Any, value: Any) -> Any:
    match validator:
        case AfterValidator():
            return validator.function(value)
        case Ge():
            return value if value >= validator.limit else _refuse()
        case Le():
            return value if value <= validator.limit else _refuse()
        case MinLen():
            return value if len(value) >= validator.limit else _refuse()
        case BeforeValidator() | PlainValidator() | ReadAs() | Described() | WithJsonSchema():
            return value
    return _refuse()


def _first_of(hints: Sequence[Any], value: Any) -> Any:
    """Return *value* as the first of *hints* that it has exactly."""
    for hint in hints:
        try:
            return _value(hint, value)
        except NotExact:
            continue
    return _refuse()


def _literal(choices: Sequence[object], value: Any) -> Any:
    return value if type(value) is str and value in choices else _refuse()


def _collection(hint: Any, value: Any) -> Any:
    """Return the list *value* as ``tuple[X, ...]`` or ``frozenset[X]``."""
    one, *rest = get_args(hint)
    if type(value) is not list or rest not in ([], [...]):
        raise NotExact
    return get_origin(hint)(_value(one, each) for each in value)


def _refuse() -> Any:
    raise NotExact
