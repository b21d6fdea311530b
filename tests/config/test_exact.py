"""`exact.build` agrees with pydantic on all data that it accepts."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest

from digestbot.config import exact, load_config, schema
from digestbot.config.annotations import (
    AfterValidator,
    BeforeValidator,
    Described,
    Ge,
    Le,
    MinLen,
    ReadAs,
)
from digestbot.errors import ConfigError
from digestbot.secret import Secret

CONFIGS = sorted((Path(__file__).parent / "bad").glob("*.yaml"))
EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"


class Color(StrEnum):
    """An enum."""

    RED = "red"


@dataclass(frozen=True, kw_only=True)
class Inner:
    """A dataclass in another one."""

    size: int = 1

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError("size must not be negative")


@dataclass(frozen=True, kw_only=True)
class Wider(Inner):
    """A subclass."""

    depth: int = 0


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One field of each kind of annotation."""

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid"}

    name: Annotated[str, AfterValidator(str.strip), AfterValidator(str.upper)] = ""
    many: Annotated[tuple[str, ...], BeforeValidator(lambda v: [v] if v == "x" else v)] = ()
    count: Annotated[int, Ge(1), Le(5)] = 1
    share: float = 0.5
    kinds: Annotated[frozenset[Color], MinLen(1)] = frozenset()
    mode: Literal["a", "b"] = "a"
    secret: Secret | None = None
    inner: Inner | None = None
    wide: Annotated[Inner, ReadAs(lambda: Wider), Described("wide")] | None = None
    more: dict[Annotated[str, AfterValidator(str.lower)], Any] = field(default_factory=dict)
    span: timedelta = timedelta(0)
    is_on: bool = False


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"name": " a ", "many": ["x", "y"], "count": 5, "share": 0.25, "mode": "b"},
        {"many": "x", "kinds": ["red"], "secret": "s", "span": timedelta(days=1), "is_on": True},
        {"inner": {"size": 3}, "secret": None},
        {"wide": {"size": 1, "depth": 2}},
        {"inner": None, "more": {"KEY": [1, {"a": None}]}},
    ],
)
def test_exact_data_is_read_as_by_pydantic(data: dict[str, Any]) -> None:
    assert exact.build(Sample, data) == schema.adapter(Sample).validate_python(data)


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {"nmae": "a"},
        {"name": 1},
        {"name": None},
        {"many": ("x",)},
        {"many": ["x", 1]},
        {"count": "3"},
        {"count": True},
        {"count": 0},
        {"count": 6},
        {"share": 1},
        {"kinds": []},
        {"kinds": ["blue"]},
        {"mode": "c"},
        {"secret": 1},
        {"inner": {"size": -1}},
        {"inner": {"size": "1"}},
        {"inner": {"other": 1}},
        {"more": []},
        {"more": {1: 2}},
        {"is_on": "true"},
    ],
)
def test_anything_else_is_left_to_pydantic(data: object) -> None:
    with pytest.raises(ValueError, match=r"^(?!.*\n)"):
        exact.build(Sample, data)


@pytest.mark.parametrize("path", [*CONFIGS, EXAMPLE], ids=lambda path: path.stem)
def test_real_sections_are_read_as_by_pydantic(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original: Callable[[type[Any], object], Any] = exact.build

    def build(kind: type[Any], data: object) -> Any:
        value = original(kind, data)
        hashable: Any = kind
        assert value == schema.adapter(hashable).validate_python(data)
        return value

    monkeypatch.setattr(exact, "build", build)
    environ = {"SMTP_PASSWORD": "p", "SLACK_BOT_TOKEN": "t", "SLACK_WEBHOOK_URL": "https://h/x"}
    with suppress(ConfigError):
        load_config(path, environ)
