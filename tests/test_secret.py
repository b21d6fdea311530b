import copy
import json
import pickle
from dataclasses import dataclass

import pytest
from pydantic import TypeAdapter, ValidationError

from digestbot.secret import Secret


@dataclass(frozen=True)
class Holder:
    token: Secret


def test_prints_as_stars_everywhere() -> None:
    secret = Secret("pl4nted")
    shown = [repr(secret), str(secret), f"{secret}", "%s" % secret, repr(Holder(secret))]  # noqa: UP031
    assert all("***" in text and "pl4nted" not in text for text in shown)


def test_reveal_returns_the_text() -> None:
    assert Secret("pl4nted").reveal() == "pl4nted"


def test_equals_another_secret_but_no_string() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1


def test_an_empty_secret_is_false() -> None:
    assert not Secret("")
    assert Secret("x")


def test_json_and_pickle_are_refused() -> None:
    with pytest.raises(TypeError):
        json.dumps(Secret("pl4nted"))
    with pytest.raises(TypeError):
        pickle.dumps(Secret("pl4nted"))
    with pytest.raises(TypeError):
        copy.copy(Secret("pl4nted"))


def test_pydantic_reads_a_string_or_a_secret() -> None:
    adapter = TypeAdapter(Holder)
    assert adapter.validate_python({"token": "x"}).token == Secret("x")
    assert adapter.validate_python({"token": Secret("x")}).token == Secret("x")
    assert adapter.json_schema()["properties"]["token"]["type"] == "string"
    with pytest.raises(ValidationError):
        adapter.validate_python({"token": 5})
