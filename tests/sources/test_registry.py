"""Rules for every kind of source; a new kind joins with its line in the registry."""

import dataclasses
import json
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from digestbot.config import load_config
from digestbot.config.editor_schema import json_schema
from digestbot.net import Client
from digestbot.sources import REGISTRY, Options, Page
from tests.servers.web import Reply, WebServer
from tests.sources.passes import run_pass

KINDS = sorted(REGISTRY)
REQUIRED: dict[str, dict[str, Any]] = {
    "arxiv": {"query": "all:gpu"},
    "crossref": {"issn": ("2167-8359",)},
    "europepmc": {"query": "organoid"},
    "openalex": {"filter": "type:article"},
    "pubmed": {"query": "organoids[tiab]"},
}
"""Required options of a kind besides ``url``, if it has any."""


def options(kind: str, url: str) -> Options:
    settings = {"url": url, "interval": timedelta(0)} | REQUIRED.get(kind, {})
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
    settings = {"url": "https://x.example/", "nonsense": 1} | REQUIRED.get(kind, {})
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


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EmptyOptions:
    """Source without papers."""

    url: str

    async def fetch(
        self, name: str, client: Client, memory: Mapping[str, str], now: datetime
    ) -> AsyncIterator[Page]:
        yield Page(papers=(), memory=memory, complete=True)


def test_a_registry_line_adds_a_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Config and JSON schema follow the registry."""
    monkeypatch.setitem(REGISTRY, "empty", EmptyOptions)
    path = tmp_path / "config.yaml"
    path.write_text(
        'sources: {none: {kind: empty, url: "https://x.example/"}}\n'
        "digests: {d: {schedule: daily 09:00}}\n",
        encoding="utf-8",
    )
    found: object = load_config(path, {}).sources["none"]
    assert found == EmptyOptions(url="https://x.example/")
    assert '"const": "empty"' in json.dumps(json_schema())
