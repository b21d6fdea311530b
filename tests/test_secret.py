import copy
import json
import pickle
from dataclasses import dataclass

import pytest
from pydantic import TypeAdapter, ValidationError

from digestbot.errors import ConfigError, Problem, TransientFailure
from digestbot.secret import Secret, hide, masked


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


@pytest.fixture
def url() -> str:
    return "https://us%65r:pass-w0rd@Feeds.Example.org:8443/rss/K3y-of-mine/feed?token=t0ken&n=1"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://feeds.example.org:8443/rss/K3y-of-mine/feed: late", "https://***:8443***: late"),
        ("no such host: FEEDS.EXAMPLE.ORG", "no such host: ***"),
        ("GET /rss/K3y-of-mine/feed", "GET ***"),
        ("the key K3y-of-mine is unknown", "the key *** is unknown"),
        ("?token=t0ken&n=1", "?***"),
        ('password of "user" is not pass-w0rd', 'password of "***" is not ***'),
        ("an unusual feeder", "an unusual feeder"),
    ],
)
def test_the_parts_of_a_hidden_url_are_masked(url: str, text: str, shown: str) -> None:
    hide([url])
    assert masked(text) == shown


def test_forms_of_a_hidden_text_are_masked() -> None:
    hide(["pl4nted/ä key", "line one of a key\nline two of a key"])
    for form in ("pl4nted/ä key", "pl4nted%2F%C3%A4%20key", "PL4NTED/Ä KEY", "line two of a key"):
        assert masked(f"<{form}>") == "<***>"


def test_short_texts_are_masked_as_words_only() -> None:
    hide(["bot", "25"])
    assert masked("user bot of digestbot: 25") == "user *** of digestbot: 25"


def test_hide_replaces_what_was_hidden() -> None:
    hide(["first one"])
    hide(["second one"])
    assert masked("first one, second one") == "first one, ***"
    hide(())
    assert masked("second one") == "second one"


def test_errors_are_masked_when_they_are_made() -> None:
    hide(["pl4nted"])
    assert str(TransientFailure("refused by pl4nted", code="451")) == "refused by ***"
    problem = Problem(file="config.yaml", line=1, column=1, message="pl4nted?")
    assert ConfigError([problem]).problems[0].message == "***?"
