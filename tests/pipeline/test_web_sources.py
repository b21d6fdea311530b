"""Web APIs through the fetch stage, with parsers in processes: each work is one paper."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from digestbot.config import load_config
from digestbot.pipeline import fetch
from digestbot.pipeline.fetching import Fetched
from digestbot.store import Store, open_store
from tests.servers.biorxiv import entry
from tests.servers.crossref import KIND as CROSSREF
from tests.servers.web import Reply, WebServer
from tests.sources.conformance import NOW, Service, make_works
from tests.sources.test_conformance import KINDS


def in_seconds(span: timedelta) -> str:
    return f"{span.total_seconds():.0f}s"


def config(folder: Path, sources: Mapping[str, Mapping[str, object]]) -> Path:
    """Write a config with *sources*, name → keys."""
    path = folder / "config.yaml"
    lines = [
        f"  {name}: {json.dumps({**keys, 'interval': '0s'}, default=in_seconds)}"
        for name, keys in sources.items()
    ]
    digests = "digests: {d: {deliver: [{folder: out}]}}"
    path.write_text("\n".join(["sources:", *lines, digests, ""]), encoding="utf-8")
    return path


def fetched(store: Store, path: Path, *, hours: int = 0) -> Sequence[Fetched]:
    now = NOW + timedelta(hours=hours)
    return asyncio.run(fetch(store, load_config(path, {}), clock=lambda: now))


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_second_fetch_adds_nothing(name: str, tmp_path: Path) -> None:
    service = Service(kind=KINDS[name], works=make_works(10))
    with service, open_store("sqlite://") as store:
        keys = {"kind": name, "url": service.web.url, **KINDS[name].required}
        path = config(tmp_path, {"s": keys})
        (first,) = fetched(store, path)
        (second,) = fetched(store, path, hours=1)
    assert (first.status, first.new, second.status, second.new) == ("ok", 10, "ok", 0)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_pass_that_failed_midway_is_completed(name: str, tmp_path: Path) -> None:
    service = Service(kind=KINDS[name], works=make_works(10))
    with service, open_store("sqlite://") as store:
        keys = {"kind": name, "url": service.web.url, **KINDS[name].required}
        path = config(tmp_path, {"s": keys})
        # Daily lists begin with days that have no papers.
        begin = 7 if name == "huggingface" else 3
        service.faults = dict.fromkeys(range(begin, 99), Reply(status=500))
        (first,) = fetched(store, path)
        service.faults.clear()
        (second,) = fetched(store, path, hours=1)
    assert first.status == "late"
    assert 0 < first.new < 10
    assert (second.status, first.new + second.new) == ("ok", 10)


def test_a_preprint_and_its_article_are_one_paper(tmp_path: Path) -> None:
    """The preprint names the article's DOI, which Crossref announces later."""
    works = make_works(1)
    preprint = entry(works[0]) | {"doi": "10.1101/2026.11.01.123456", "published": works[0].doi}
    message = {"status": "ok", "cursor": 0, "count": 1, "total": "1"}
    answer = json.dumps({"messages": [message], "collection": [preprint]}).encode()
    with (
        WebServer.of(Reply(body=answer)) as server,
        Service(kind=CROSSREF, works=works) as crossref,
        open_store("sqlite://") as store,
    ):
        keys: dict[str, object] = {"kind": "crossref", "url": crossref.web.url, "query": "x"}
        fetched(store, config(tmp_path, {"a": {"kind": "biorxiv", "url": server.url}}))
        fetched(store, config(tmp_path, {"b": keys}), hours=1)
        assert store.papers.count() == 1


def test_a_query_is_not_decoded_as_arxivs(tmp_path: Path) -> None:
    """Only arXiv's query may come from a URL; "+" and "%" mean something elsewhere."""
    keys = {"kind": "pubmed", "url": "http://127.0.0.1:9/", "query": "a+b %28c%29"}
    found: object = load_config(config(tmp_path, {"s": keys}), {}).sources["s"]
    assert found.query == "a+b %28c%29"  # type: ignore[attr-defined]


def test_a_wrong_option_is_named_with_its_place(tmp_path: Path) -> None:
    path = config(tmp_path, {"s": {"kind": "biorxiv", "server": "chemrxiv"}})
    with pytest.raises(Exception, match="server") as caught:
        load_config(path, {})
    assert "biorxiv" in str(caught.value)
