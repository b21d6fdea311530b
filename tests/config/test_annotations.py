"""The light validators mean to pydantic what they mean to `digestbot.config.exact`."""

from dataclasses import dataclass
from typing import Annotated

import pytest
from pydantic import TypeAdapter, ValidationError

from digestbot.config import exact
from digestbot.config.annotations import (
    AfterValidator,
    BeforeValidator,
    Described,
    Ge,
    Le,
    MinLen,
    PlainValidator,
    WithJsonSchema,
)


@dataclass(frozen=True)
class Keys:
    """Keys with every kind of validator."""

    number: Annotated[int, Ge(1), Le(9)] = 1
    name: Annotated[str, AfterValidator(str.strip)] = ""
    some: Annotated[tuple[str, ...], MinLen(1)] = ("a",)
    many: Annotated[
        tuple[str, ...], BeforeValidator(lambda v: [v] if isinstance(v, str) else v)
    ] = ()
    size: Annotated[int, PlainValidator(len), WithJsonSchema({"type": "string"})] = 0
    text: Annotated[str, Described("Any text.")] = ""


@pytest.mark.parametrize(
    "data",
    [{"number": 5}, {"name": " x "}, {"many": "b"}, {"many": ["b", "c"]}, {"size": "four"}, {}],
)
def test_both_readers_agree_on_good_values(data: dict[str, object]) -> None:
    assert exact.build(Keys, data) == TypeAdapter(Keys).validate_python(data)


@pytest.mark.parametrize("data", [{"number": 0}, {"number": 10}, {"some": []}, {"name": 3}])
def test_both_readers_refuse_bad_values(data: dict[str, object]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - NotExact is private to the readers
        exact.build(Keys, data)
    with pytest.raises(ValidationError):
        TypeAdapter(Keys).validate_python(data)


def test_descriptions_reach_the_schema() -> None:
    keys = TypeAdapter(Keys).json_schema()["properties"]
    assert keys["text"]["description"] == "Any text."
    assert keys["size"]["type"] == "string"
    assert (keys["number"]["minimum"], keys["number"]["maximum"]) == (1, 9)
