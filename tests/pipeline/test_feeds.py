"""Feeds that rename their items, through the whole pipeline: each work is announced once."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from digestbot.config import load_config
from digestbot.model import AnnounceType, DocumentType
from digestbot.pipeline import fetch, make_editions
from digestbot.pipeline.fetching import Fetched
from digestbot.render import load_templates
from digestbot.sources import parser_pool
from digestbot.store import Store, open_store
from digestbot.syncing import sync_config
from tests.servers.web import Reply, WebServer

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


def item(number: int, token: str) -> str:
    """An item as CNKI serves it: the link carries a token of the session, and no guid."""
    return (
        f"<item><title>Study {number:02} of alloys</title>"
        f"<link>https://kns.example/article?v={token}{number}</link>"
        f"<pubDate>2026-09-{1 + number:02}</pubDate><author>Bee A;Dee C</author></item>"
    )


def feed(*items: str) -> Reply:
    body = f'<rss version="2.0"><channel><title>J</title>{"".join(items)}</channel></rss>'
    return Reply(body=body.encode(), headers={"content-type": "application/rss+xml"})


def fetch_all(store: Store, folder: Path, *urls: str, hours: int = 0) -> Sequence[Fetched]:
    sources = "".join(
        f'  s{n}: {{kind: feed, url: "{url}", newest: 50, backfill: 3650d, interval: 0s}}\n'
        for n, url in enumerate(urls)
    )
    path = folder / "config.yaml"
    path.write_text(f"sources:\n{sources}digests: {{d: {{deliver: [{{folder: out}}]}}}}\n")
    now = NOW + timedelta(hours=hours)
    return asyncio.run(fetch(store, load_config(path, {}), clock=lambda: now))


def test_links_with_session_tokens_are_one_paper(tmp_path: Path) -> None:
    before = [item(n, "AAAA") for n in range(20)]
    after = [item(n, "BBBB") for n in range(5, 25)]
    with (
        WebServer.of(feed(*before), feed(*after)) as server,
        open_store("sqlite://") as store,
    ):
        (first,) = fetch_all(store, tmp_path, server.url)
        (second,) = fetch_all(store, tmp_path, server.url, hours=1)
    assert (first.new, second.new) == (20, 5)


def test_two_feeds_of_a_journal_share_their_papers(tmp_path: Path) -> None:
    def plain(number: int) -> str:
        link = f"http://journal.example/a/{number}"
        return (
            f"<item><title>Paper {number}</title><link>{link}</link><guid>j-{number}</guid></item>"
        )

    with (
        WebServer.of(feed(plain(1), plain(2))) as one,
        WebServer.of(feed(plain(2), plain(3))) as other,
        open_store("sqlite://") as store,
    ):
        fetch_all(store, tmp_path, one.url, other.url)
        assert store.papers.count() == 3


def test_a_hostile_feed_affects_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is killed after its time; the other source is read."""
    monkeypatch.setattr(parser_pool, "TIMEOUT_S", 0.0)
    plain = feed(item(1, "A"))
    with WebServer.of(plain) as server, open_store("sqlite://") as store:
        (stopped,) = fetch_all(store, tmp_path, server.url)
    assert stopped.error is not None
    assert "parsing took longer than 0 s" in stopped.error
    assert stopped.status == "broken"


GOLD = "<guid>https://doi.org/10.1234/gold</guid><pubDate>2026-11-20</pubDate>"
LATER = [
    f"<item><title>RETRACTED: Gold lattices</title>{GOLD}</item>",
    "<item><title>Retraction Note: Gold lattices</title><guid>https://doi.org/10.1234/note</guid>"
    "<description>The authors retract https://doi.org/10.1234/GOLD.</description></item>",
]


@pytest.mark.parametrize("later", LATER)
def test_a_retraction_reaches_those_who_had_the_paper(tmp_path: Path, later: str) -> None:
    """Once, whatever their filter and types; and nobody else."""
    gold = f"<item><title>Gold lattices</title><description>Melted.</description>{GOLD}</item>"
    digests = (
        "  had: {filter: {abstract: melted, title: gold, none: [retracted, retraction]}}\n"
        "  other: {filter: {title: silver}}\n"
    )
    templates = load_templates(None)
    with WebServer.of(feed(gold), feed(gold, later)) as server, open_store("sqlite://") as store:
        path = tmp_path / "config.yaml"
        source = f'{{kind: feed, url: "{server.url}", backfill: 3650d, interval: 0s}}'
        path.write_text(f"sources:\n  s: {source}\ndigests:\n{digests}")
        config = load_config(path, {})
        sync_config(store, config, NOW)
        papers: list[list[tuple[str, int]]] = []
        for hours in range(4):
            now = NOW + timedelta(hours=hours)
            asyncio.run(fetch(store, config, clock=lambda now=now: now))  # type: ignore[misc]
            made = make_editions(store, config, templates, now=now, force=True)
            papers.append([(one.digest, one.papers) for one in made if one.papers])
        assert papers == [[("had", 1)], [("had", 1)], [], []]
        edition = store.editions.get("had", 2)
        assert edition is not None
        (entry,) = edition.papers
        assert entry.paper.document_type is DocumentType.RETRACTION
        assert (entry.paper.version, entry.type) == (2, AnnounceType.REPLACE)


@pytest.mark.parametrize("link", ["", "<link>https://example.org/{}</link>"])
def test_bare_numbers_as_guids_hold_in_their_feed_only(tmp_path: Path, link: str) -> None:
    """A feed parser makes ``https://host/folder/1`` of them, for every feed in that folder."""

    def numbered(name: str) -> Reply:
        place = link.format(name)
        return feed(
            *(f"<item><title>{name} {n}</title><guid>{n}</guid>{place}</item>" for n in (1, 2))
        )

    replies = {"/a.xml": numbered("Alloys"), "/b.xml": numbered("Bees")}
    with WebServer(lambda request: replies[request.path]) as web, open_store("sqlite://") as store:
        fetch_all(store, tmp_path, f"{web.url}/a.xml", f"{web.url}/b.xml")
        titles = {
            row.paper.title for row in store.papers.announcements(0, None, sources=None, types=None)
        }
    assert titles == {"Alloys 1", "Alloys 2", "Bees 1", "Bees 2"}
