"""Each work is delivered once, whatever its feed does to its items between two fetches."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.config import Config, load_config
from digestbot.net import Client, Response
from digestbot.pipeline import fetch, make_editions
from digestbot.render import load_templates
from digestbot.sources.parser_pool import ParserPool, in_thread
from digestbot.store import Store, open_store
from digestbot.syncing import sync_config
from tests.pipeline.conftest import MONDAY

CONFIG = """\
timezone: UTC
sources:
  j: {kind: feed, url: "https://j.example/feed", newest: 1000, backfill: 36500d, interval: 0s}
digests: {d: {schedule: daily 09:00, deliver: [{folder: out}]}}
"""
WORKS = 5
TEMPLATES = load_templates(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One work as the feed shows it now."""

    number: int
    is_listed: bool = True
    scheme: str = "http"
    link: int = 0
    """Session token in the link; each change is one."""
    guid: int | None = None
    """Version of a guid that is no URL; None without guid."""
    has_doi: bool = False
    day: int = 1

    @property
    def title(self) -> str:
        return f"Study {self.number:02} of alloys"

    def item(self) -> str:
        link = f"{self.scheme}://j.example/{self.number}?session={self.link}"
        guid = "" if self.guid is None else f"<guid>j-{self.number}-{self.guid}</guid>"
        doi = f"<prism:doi>10.5555/j.{self.number}</prism:doi>" if self.has_doi else ""
        return (
            f"<item><title>{self.title}</title><link>{escape(link)}</link>{guid}{doi}"
            f"<dc:creator>Author {'ABCDE'[self.number]}. Bee</dc:creator>"
            f"<pubDate>2026-09-{self.day:02}</pubDate></item>"
        )


Works = tuple[Work, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One change that a feed makes from one fetch to the next."""

    kind: str
    number: int

    def made_to(self, works: Works) -> Works:
        if self.kind == "https":
            return tuple(replace(work, scheme="https") for work in works)
        work = works[self.number]
        changed = {
            "list": replace(work, is_listed=True),
            "unlist": replace(work, is_listed=False),
            "date": replace(work, day=work.day + 1),
            "link": replace(work, link=work.link + 1),
            "guid": replace(work, guid=0 if work.guid is None else work.guid + 1),
            "no guid": replace(work, guid=None),
            "doi": replace(work, has_doi=True),
        }[self.kind]
        return (*works[: self.number], changed, *works[self.number + 1 :])


KINDS = ("list", "unlist", "date", "link", "guid", "no guid", "doi", "https")
changes = st.lists(
    st.builds(Change, st.sampled_from(KINDS), st.integers(0, WORKS - 1)), max_size=20
)
starts = st.tuples(
    *(
        st.builds(
            Work,
            number=st.just(number),
            is_listed=st.booleans(),
            guid=st.sampled_from((None, 0)),
            has_doi=st.booleans(),
        )
        for number in range(WORKS)
    )
)


@dataclass(slots=True)
class Journal:
    """Feed that answers without a network."""

    works: Works = field(default=())

    async def get(self, url: str, **_: object) -> Response:
        items = "".join(work.item() for work in self.works if work.is_listed)
        body = (
            '<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"'
            ' xmlns:prism="http://prismstandard.org/namespaces/basic/2.0/">'
            f"<channel><title>J</title>{items}</channel></rss>"
        )
        headers = {"content-type": "application/rss+xml"}
        return Response(status=200, headers=headers, body=body.encode(), url=url)


def cycle(store: Store, config: Config, now: datetime) -> list[str]:
    """Fetch, make the edition, and return the titles in it."""
    (fetched,) = asyncio.run(fetch(store, config, clock=lambda: now))
    assert fetched.problem is None
    (made,) = make_editions(store, config, TEMPLATES, now=now, force=True)
    if made.edition is None:
        return []
    edition = store.editions.get("d", int(made.edition.partition("/")[2]))
    assert edition is not None
    return [paper.paper.title for paper in edition.papers]


def delivered(config: Config, journal: Journal, works: Works, steps: list[Change]) -> Counter[str]:
    """Count how often each title is delivered while the feed makes *steps* one at a time."""
    found: Counter[str] = Counter()
    with open_store("sqlite://") as store:
        sync_config(store, config, MONDAY)
        for number in range(len(steps) + 1):
            journal.works = works
            found.update(cycle(store, config, MONDAY + timedelta(hours=number)))
            works = steps[number].made_to(works) if number < len(steps) else works
    return found


def ever_listed(works: Works, steps: list[Change]) -> set[str]:
    seen = {work.title for work in works if work.is_listed}
    for step in steps:
        works = step.made_to(works)
        seen |= {work.title for work in works if work.is_listed}
    return seen


def served(monkeypatch: pytest.MonkeyPatch) -> Journal:
    """Let every fetch ask one journal, and parse in this process."""
    journal = Journal()

    async def get(_: Client, url: str, **__: object) -> Response:
        return await journal.get(url)

    async def parse(_: ParserPool, *args: object, **options: Mapping[str, object]) -> object:
        return await in_thread(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Client, "get", get)
    monkeypatch.setattr(ParserPool, "__call__", parse)
    return journal


@given(works=starts, steps=changes)
def test_each_work_is_delivered_once(works: Works, steps: list[Change]) -> None:
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        journal = served(patch)
        path = Path(folder) / "config.yaml"
        path.write_text(CONFIG)
        found = delivered(load_config(path, {}), journal, works, steps)
    assert found == Counter(ever_listed(works, steps))
