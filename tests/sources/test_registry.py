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
    "dblp": {"venue": "OSDI"},
    "europepmc": {"query": "organoid"},
    "openalex": {"filter": "type:article"},
    "openreview": {"venue": "ICLR.cc/2026/Conference"},
    "pubmed": {"query": "organoids[tiab]"},
    "semanticscholar": {"query": "serverless"},
}
"""Required options of a kind besides ``url`` or ``path``, if it has any."""


def names_of(kind: str) -> list[str]:
    return [field.name for field in dataclasses.fields(REGISTRY[kind])]  # type: ignore[arg-type]


ON_WEB = [kind for kind in KINDS if "url" in names_of(kind)]


def options(kind: str, url: str) -> Options:
    return REGISTRY[kind](**settings(kind, url))


def settings(kind: str, url: str) -> dict[str, Any]:
    common = {"url": url, "interval": timedelta(0), "path": "saved"}
    given = {name: value for name, value in common.items() if name in names_of(kind)}
    return given | REQUIRED.get(kind, {})


@pytest.mark.parametrize("kind", KINDS)
def test_options_are_frozen_and_documented(kind: str) -> None:
    schemas = json_schema()["$defs"]["Source"]["oneOf"]
    kinds = {schema["properties"]["kind"]["const"]: schema["properties"] for schema in schemas}
    properties = kinds[kind]
    assert set(properties) == {*names_of(kind), "kind"}
    assert not [name for name, schema in properties.items() if not schema.get("description")]
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(options(kind, "https://x.example/"), names_of(kind)[0], "y")


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_keys_are_refused(kind: str) -> None:
    given = settings(kind, "https://x.example/") | {"nonsense": 1}
    with pytest.raises(ValidationError, match="nonsense"):
        TypeAdapter(REGISTRY[kind]).validate_python(given)


@pytest.mark.parametrize("kind", ON_WEB)
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
