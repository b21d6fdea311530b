"""Rules for every kind of source; a new kind joins with its line in the registry."""

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from digestbot.sources import REGISTRY, Options
from tests.servers.web import Reply, WebServer
from tests.sources.passes import run_pass

KINDS = sorted(REGISTRY)
EXTRA: dict[str, dict[str, Any]] = {"arxiv": {"query": "all:gpu"}, "feed": {}}
"""Required options of each kind besides ``url``."""


def options(kind: str, url: str) -> Options:
    settings = {"url": url, "interval": timedelta(0)} | EXTRA[kind]
    return REGISTRY[kind](**settings)


@pytest.mark.parametrize("kind", KINDS)
def test_options_are_frozen_and_documented(kind: str) -> None:
    adapter = TypeAdapter(REGISTRY[kind])
    properties = adapter.json_schema()["properties"]
    fields = {field.name for field in dataclasses.fields(REGISTRY[kind])}  # type: ignore[arg-type]
    assert set(properties) == fields
    assert not [name for name, schema in properties.items() if not schema.get("description")]
    with pytest.raises(dataclasses.FrozenInstanceError):
        options(kind, "https://x.example/").url = "https://y.example/"  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_keys_are_refused(kind: str) -> None:
    settings = {"url": "https://x.example/", "nonsense": 1} | EXTRA[kind]
    with pytest.raises(ValidationError, match="nonsense"):
        TypeAdapter(REGISTRY[kind]).validate_python(settings)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=500),
        Reply(status=403, body=b"<html>Access Denied"),
        Reply(reset=True),
        Reply(body=b"\0\xff garbage", headers={"Content-Type": "application/xml"}),
        Reply(body=b"x", headers={"Content-Encoding": "gzip"}),
        Reply(body=b"x" * 40_000_000),
    ],
    ids=["500", "403", "reset", "garbage", "no gzip", "40 MB"],
)
def test_failures_name_the_source_and_the_next_try(kind: str, reply: Reply) -> None:
    with WebServer.of(reply) as server:
        result = run_pass(options(kind, server.url + "/x?key=secret"))
    assert result.error is not None
    assert str(result.error).startswith("source: ")
    assert "secret" not in str(result.error)
    assert "\n" not in str(result.error)
    assert result.error.retry_at is not None
