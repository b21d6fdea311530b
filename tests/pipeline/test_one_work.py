"""One work with many records is delivered once, and its news once, in any order."""

from collections import Counter
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digestbot.config import Config, load_config
from digestbot.model import AnnounceType, DocumentType, FetchedPaper
from digestbot.pipeline import make_editions
from digestbot.render import load_templates
from digestbot.store import Store, open_store
from digestbot.syncing import sync_config
from tests.pipeline.conftest import MONDAY, LoadConfig, Make, answered, paper

CONFIG = """\
timezone: UTC
sources: {arxiv: {kind: arxiv, categories: [cs.DC]}, j: {kind: feed, url: "https://j.example/f"}}
digests:
  both: {schedule: daily 09:00, limit: LIMIT, overflow: next, deliver: [{folder: out}]}
  preprints: {schedule: daily 09:00, sources: [arxiv], deliver: [{folder: out}]}
  quiet: {schedule: daily 09:00, sources: [arxiv], updates: [], deliver: [{folder: out}]}
"""
TEMPLATES = load_templates(None)
HOUR = timedelta(hours=1)
WORKS = 3

Step = tuple[str, int]


def records(number: int) -> dict[str, tuple[str, FetchedPaper]]:
    """Return everything that sources may say about work *number*, by name."""
    arxiv, doi, other = f"arxiv:2611.{number:05}", f"10.5555/j.{number}", f"10.1101/{number:06}"
    named = {"id": f"doi:{doi}", "doi": doi, "url": f"https://doi.org/{doi}"}
    title = f"Gold {number}"
    preprint = {"id": f"doi:{other}", "doi": other, "url": f"https://doi.org/{other}"}
    withdrawn = DocumentType.WITHDRAWAL
    return {
        "arxiv": ("arxiv", paper(number, title)),
        "arxiv with doi": ("arxiv", paper(number, title, doi=doi)),
        "withdrawn": ("arxiv", paper(number, title, document_type=withdrawn)),
        "journal": ("j", paper(number, title, **named, aliases=(f"doi:{doi}", "guid:1"))),
        "of arxiv": ("j", paper(number, title, **named, aliases=(f"doi:{doi}", arxiv))),
        "biorxiv": ("j", paper(number, title, **preprint, aliases=(f"doi:{other}",))),
        "all": ("j", paper(number, title, **named, aliases=(arxiv, f"doi:{other}"))),
    }


# Until a record says that they are one work, its parts are two works; so each run begins with it.
JOINED = ("arxiv with doi", "all")
steps = st.lists(
    st.tuples(st.sampled_from([*sorted(records(0)), "edition"]), st.integers(0, WORKS - 1)),
    max_size=15,
)


def delivered(
    config: Config, store: Store, played: list[Step], *, day: int = 0, is_down: bool = False
) -> dict[str, Counter[str]]:
    """
    Count for each digest how often each title is delivered as new, or as which news.

    While the sources are down, an empty edition leaves the cursor where it is.
    """
    found: dict[str, Counter[str]] = {name: Counter() for name in config.digests}
    sync_config(store, config, MONDAY)
    if not is_down:
        answered(store, *config.sources)
    ending = [("edition", 0)] * 6
    for hour, (name, number) in enumerate([*played, *ending]):
        now = MONDAY + (24 * day + hour) * HOUR
        if name != "edition":
            source, record = records(number)[name]
            store.papers.ingest(source, [record], {}, now)
            continue
        for made in make_editions(store, config, TEMPLATES, now=now, force=True):
            assert made.error is None
            if made.edition is None:
                continue
            edition = store.editions.get(made.digest, int(made.edition.partition("/")[2]))
            assert edition is not None
            for entry in (*edition.papers, *edition.more):
                kind = entry.type if entry.type in ("published", "notice") else "new"
                found[made.digest][f"{entry.paper.title} {kind}"] += 1
    return found


@settings(max_examples=15, deadline=None)
@given(played=steps, limit=st.integers(1, 3), is_down=st.booleans())
def test_a_work_is_new_once_whatever_its_records(
    played: list[Step], limit: int, is_down: bool
) -> None:
    first = [(name, number) for number in range(WORKS) for name in JOINED]
    with TemporaryDirectory() as folder, open_store("sqlite://") as store:
        path = Path(folder) / "config.yaml"
        path.write_text(CONFIG.replace("LIMIT", str(limit)))
        found = delivered(load_config(path, {}), store, [*first, *played], is_down=is_down)
    for counts in found.values():
        news = {title: n for title, n in counts.items() if title.endswith(" new")}
        assert news == {f"Gold {number} new": 1 for number in range(WORKS)}
        assert set(counts.values()) == {1}
    assert not any(title.endswith((" notice", " published")) for title in found["quiet"])


@settings(max_examples=15, deadline=None)
@given(played=steps, is_down=st.booleans())
def test_no_part_of_a_work_comes_after_it_was_joined(played: list[Step], is_down: bool) -> None:
    """Parts that were delivered before count for the whole work."""
    whole = [(name, number) for number in range(WORKS) for name in JOINED]
    again = [(name, number) for number in range(WORKS) for name in records(number)]
    with TemporaryDirectory() as folder, open_store("sqlite://") as store:
        path = Path(folder) / "config.yaml"
        path.write_text(CONFIG.replace("LIMIT", "30"))
        config = load_config(path, {})
        before = delivered(config, store, [*played, *whole], is_down=is_down)
        after = delivered(config, store, again, day=2, is_down=is_down)
    for digest in config.digests:
        assert not any(title.endswith(" new") for title in after[digest]), after[digest]
        both = before[digest] + after[digest]
        assert all(n == 1 for title, n in both.items() if not title.endswith(" new")), both


def entries(store: Store, digest: str) -> list[tuple[str, str]]:
    """Return the ids and types of the entries of all editions, oldest first."""
    listed = reversed(store.editions.list(digest))
    editions = [store.editions.get(digest, each.number) for each in listed]
    return [(e.paper.id, e.type) for each in editions if each for e in each.papers]


def test_news_of_a_paper_reach_its_readers_only(
    store: Store, configured: LoadConfig, make: Make
) -> None:
    config = configured(
        "  a: {sources: [a], filter: gold}\n"
        "  off: {sources: [a], filter: gold, updates: [notice]}\n"
        "  other: {sources: [a], filter: silver}\n"
    )
    make(config, MONDAY)
    arxiv = paper(1, "Gold")
    published = paper(1, "Gold", doi="10.5555/j.1", journal_ref="Gold 7 (2026)")
    withdrawn = paper(1, "Gold", comment="Withdrawn", document_type=DocumentType.WITHDRAWAL)
    for hour, each in enumerate((arxiv, published, published, withdrawn, withdrawn), 1):
        store.papers.ingest("a", [each], {}, MONDAY + hour * HOUR)
        make(config, MONDAY + hour * HOUR)
    first, notice = (arxiv.id, AnnounceType.NEW), (arxiv.id, AnnounceType.NOTICE)
    assert entries(store, "a") == [first, (arxiv.id, AnnounceType.PUBLISHED), notice]
    assert entries(store, "off") == [first, notice]
    assert entries(store, "other") == []


@pytest.mark.parametrize("is_split", [False, True])
def test_a_split_paper_can_be_sent_after_all(
    store: Store, configured: LoadConfig, make: Make, is_split: bool
) -> None:
    config = configured("  d: {filter: null}\n")
    make(config, MONDAY)
    store.papers.ingest("a", [paper(1)], {}, MONDAY + HOUR)
    make(config, MONDAY + HOUR)
    store.papers.ingest("b", [paper(2, aliases=(paper(1).id,))], {}, MONDAY + 2 * HOUR)
    make(config, MONDAY + 2 * HOUR)
    if is_split:
        store.works.split(paper(2).id, MONDAY + 3 * HOUR)
    make(config, MONDAY + 3 * HOUR, missed_since=MONDAY)
    hidden = [(paper(2).id, AnnounceType.NEW)] if is_split else []
    assert entries(store, "d") == [(paper(1).id, AnnounceType.NEW), *hidden]
