"""A day that a feed states without a time is the same day in every form and time zone."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from digestbot.config import Config, load_config
from digestbot.model import Edition, Form
from digestbot.pipeline import next_edition
from digestbot.pipeline.messages import render_context
from digestbot.render import load_templates, render
from digestbot.sources.feed_items import parse_feed
from digestbot.store import Store, open_store
from tests.filters.tables import table

NOW = datetime(2026, 9, 3, 20, tzinfo=UTC)
TEMPLATES = load_templates(None)
ROWS = table("stated_days.tsv")
ZONES = ("America/Los_Angeles", "Europe/Berlin", "Pacific/Auckland")
SPACES = (
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" '
    'xmlns:prism="http://prismstandard.org/namespaces/basic/2.0/"'
)
FORMS = {
    Form.HTML: r"\b3 Sep 2026",
    Form.TEXT: r"\b3 Sep 2026",
    Form.SLACK: r"\b3 Sep 2026",
    Form.MARKDOWN: r"\b3 Sep 2026",
    Form.JSON: '"published": "2026-09-03T00:00:00Z",\n      "published_is_date": true',
    Form.ATOM: "<published>2026-09-03T12:00:00[+-]",
    Form.RIS: "DA  - 2026/09/03",
    Form.BIBTEX: r"year = \{2026\}",
}


def feed(dated: str) -> bytes:
    item = f"<item><title>Dated</title><link>https://e.example/1</link><guid>g</guid>{dated}</item>"
    return f'<rss version="2.0" {SPACES}><channel><title>J</title>{item}</channel></rss>'.encode()


@contextmanager
def edition_of(folder: Path, body: bytes, zone: str, condition: str = "Dated") -> Iterator[Edition]:
    with open_store("sqlite://") as store:
        config = configured(folder, zone, condition)
        yield made(store, config, body)


def configured(folder: Path, zone: str, condition: str) -> Config:
    path = folder / "config.yaml"
    path.write_text(
        f"timezone: {zone}\n"
        "sources: {j: {kind: feed, url: 'https://j.example/feed'}}\n"
        f"digests: {{d: {{filter: {{any: ['{condition}']}}, deliver: [{{folder: out}}]}}}}\n"
    )
    return load_config(path, {})


def made(store: Store, config: Config, body: bytes) -> Edition:
    papers = parse_feed(body, {}, feed_url="https://j.example/feed", now=NOW).papers
    store.papers.ingest("j", papers, {}, NOW)
    since = NOW - timedelta(days=1)
    edition, _ = next_edition(store, config.digests["d"], None, now=NOW, since=since)
    return edition


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[-1])
def test_a_day_without_a_time_is_shown_unchanged(row: list[str], zone: str, tmp_path: Path) -> None:
    date, element, _ = row
    with edition_of(tmp_path, feed(f"<{element}>{date}</{element}>"), zone) as edition:
        config = configured(tmp_path, zone, "Dated")
        context = render_context(config, TEMPLATES, config.digests["d"], next_edition_at=None)
        for form, pattern in FORMS.items():
            assert re.search(pattern, render(edition, form, context)), form


def test_a_time_is_shown_in_the_time_zone_of_the_digest(tmp_path: Path) -> None:
    dated = "<pubDate>Thu, 03 Sep 2026 02:00:00 GMT</pubDate>"
    with edition_of(tmp_path, feed(dated), "America/Los_Angeles") as edition:
        config = configured(tmp_path, "America/Los_Angeles", "Dated")
        context = render_context(config, TEMPLATES, config.digests["d"], next_edition_at=None)
        assert "2 Sep 2026" in render(edition, Form.TEXT, context)
        (paper,) = json.loads(render(edition, Form.JSON, context))["papers"]
    assert paper["published"] == "2026-09-03T02:00:00Z"
    assert not paper["published_is_date"]


def test_a_day_that_has_begun_only_in_the_east_is_kept(tmp_path: Path) -> None:
    """At 20:00 UTC it is the 4th in Auckland; the date is no mistake."""
    with edition_of(tmp_path, feed("<pubDate>2026-09-04</pubDate>"), "Pacific/Auckland") as edition:
        config = configured(tmp_path, "Pacific/Auckland", "Dated")
        context = render_context(config, TEMPLATES, config.digests["d"], next_edition_at=None)
        assert "4 Sep 2026" in render(edition, Form.TEXT, context)


@pytest.mark.parametrize(
    ("hours", "is_in"),
    [("202609030000 TO 202609030600", True), ("202609031200 TO 202609040600", True),
     ("202609022300 TO 202609022359", False), ("202609040000 TO 202609041200", False)],
)  # fmt: skip
def test_a_day_matches_a_range_that_contains_a_part_of_it(
    hours: str, is_in: bool, tmp_path: Path
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "sources: {j: {kind: feed, url: 'https://j.example/feed'}}\n"
        f"digests: {{d: {{filter: {{all: [{{query: 'submittedDate:[{hours}]'}}]}},"
        " deliver: [{folder: out}]}}\n"
    )
    with open_store("sqlite://") as store:
        edition = made(store, load_config(path, {}), feed("<pubDate>2026-09-03</pubDate>"))
    assert bool(edition.papers) == is_in


def test_a_date_that_gains_a_time_loses_its_mark() -> None:
    with open_store("sqlite://") as store:
        for dated in ("2026-09-03", "Thu, 03 Sep 2026 10:00:00 GMT"):
            body = feed(f"<pubDate>{dated}</pubDate>")
            papers = parse_feed(body, {}, feed_url="https://j.example/feed", now=NOW).papers
            store.papers.ingest("j", papers, {}, NOW)
        paper = store.papers.get(papers[0].id)
    assert paper is not None
    assert paper.published == datetime(2026, 9, 3, 10, tzinfo=UTC)
    assert not paper.published_is_date
