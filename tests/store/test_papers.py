"""Papers and the log."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digestbot.model import FRESH, REPLACEMENTS, AnnounceType, Author, FetchedPaper
from digestbot.store import Ingested, Store
from digestbot.text import pack_words
from tests.store.samples import DAY, MINUTE, NOW, fetched, ingest, log

NEW, CROSS, REPLACE = AnnounceType.NEW, AnnounceType.CROSS, AnnounceType.REPLACE


def give(store: Store, *papers: FetchedPaper, source: str = "arxiv") -> Ingested:
    return store.papers.ingest(source, papers, {}, NOW)


def test_paper_round_trips_raw_and_plain(store: Store) -> None:
    given_paper = fetched(
        title=r"Poincar\'e maps" + "\n  in $O(n)$",
        abstract="First.\n\nSecond.",
        version=2,
        type=REPLACE,
        authors=(Author(name="Ana Pérez", affiliations=("U Sevilla", "CERN")), Author(name="李明")),
        categories=("cs.DC", "math.NA"),
        primary_category="cs.DC",
        published=NOW - DAY,
        updated=NOW - MINUTE,
        comment=r"In honour of G\"odel",
        journal_ref="J. Sys. 3",
        doi="10.1000/xyz",
        pdf_url="https://arxiv.org/pdf/2611.00001v2",
    )
    give(store, given_paper)
    paper = store.papers.get("arxiv:2611.00001")
    assert paper is not None
    for name in ("id", "version", "authors", "categories", "primary_category", "published"):
        assert getattr(paper, name) == getattr(given_paper, name)
    for name in ("updated", "journal_ref", "doi", "url", "pdf_url"):
        assert getattr(paper, name) == getattr(given_paper, name)
    assert (paper.title_raw, paper.abstract_raw) == (given_paper.title, given_paper.abstract)
    assert paper.title.startswith("Poincaré maps in")
    assert paper.abstract == "First.\nSecond."
    assert paper.comment == "In honour of Gödel"
    assert paper.title_words == pack_words(paper.title)
    assert paper.abstract_words == pack_words(paper.abstract)


def test_log_has_each_version_once_per_source(store: Store) -> None:
    assert give(store, fetched(1), fetched(2)) == Ingested(new=2, known=0, updated=0)
    assert give(store, fetched(1), fetched(3)) == Ingested(new=1, known=1, updated=0)
    assert give(store, fetched(1), source="feed") == Ingested(new=1, known=0, updated=0)
    assert give(store, fetched(1, version=2)) == Ingested(new=1, known=0, updated=0)
    assert [(a.seq, a.source, a.paper.id[-1], a.paper.version) for a in log(store)] == [
        (1, "arxiv", "1", 1),
        (2, "arxiv", "2", 1),
        (3, "arxiv", "3", 1),
        (4, "feed", "1", 1),
        (5, "arxiv", "1", 2),
    ]


def test_known_papers_use_no_seq(store: Store) -> None:
    for _ in range(5):
        ingest(store, 1, 2)
    ingest(store, 3)
    assert store.papers.head() == 3


def test_announcement_keeps_type_time_and_order(store: Store) -> None:
    give(store, fetched(2, type=CROSS), fetched(1, backlog=True))
    first, second = log(store, backlog=True)
    assert (first.paper.id, first.type, first.seen_at, first.backlog) == (
        "arxiv:2611.00002",
        CROSS,
        NOW,
        False,
    )
    assert second.backlog


@pytest.mark.parametrize(
    ("types", "best"), [((CROSS, NEW), NEW), ((NEW, CROSS), NEW), ((REPLACE, CROSS), CROSS)]
)
def test_best_type_of_a_page_is_logged(
    store: Store, types: tuple[AnnounceType, ...], best: AnnounceType
) -> None:
    counts = give(store, *(fetched(type=kind) for kind in types))
    assert counts == Ingested(new=1, known=0, updated=0)
    assert [a.type for a in log(store)] == [best]


def test_corrected_metadata_is_not_announced(store: Store) -> None:
    give(store, fetched(title="Serverles", comment="8 pages"))
    changed = give(store, fetched(title="Serverless"))
    assert changed == Ingested(new=0, known=1, updated=1)
    paper = store.papers.get("arxiv:2611.00001")
    assert paper is not None
    assert (paper.title, paper.title_raw, paper.comment) == ("Serverless", "Serverless", "8 pages")
    assert paper.title_words == pack_words("Serverless")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("abstract", ""),
        ("authors", ()),
        ("categories", ()),
        ("doi", None),
        ("published", None),
        ("comment", ""),
    ],
)
def test_empty_fields_overwrite_nothing(store: Store, field: str, value: Any) -> None:
    full = fetched(
        authors=(Author(name="Ana"),),
        categories=("cs.DC",),
        doi="10.1/x",
        published=NOW,
        comment="8 pages",
    )
    give(store, full)
    before = store.papers.get(full.id)
    less = replace(full, **{field: value})
    assert give(store, less, source="feed") == Ingested(new=1, known=0, updated=0)
    assert store.papers.get(full.id) == before


def test_get_returns_the_newest_or_given_version(store: Store) -> None:
    give(store, fetched(version=10), fetched(version=9))
    newest, ninth = store.papers.get("arxiv:2611.00001"), store.papers.get("arxiv:2611.00001", 9)
    assert newest is not None
    assert ninth is not None
    assert (newest.version, ninth.version) == (10, 9)
    assert store.papers.get("arxiv:2611.00001", 3) is None
    assert store.papers.get("arxiv:9999.99999") is None


def test_version_before_is_the_newest_older_one(store: Store) -> None:
    give(store, fetched(version=10), fetched(version=9), fetched(version=2), fetched(2, version=1))
    one, two = "arxiv:2611.00001", "arxiv:2611.00002"
    assert store.papers.versions_before({one: 10, two: 1}) == {one: store.papers.get(one, 9)}
    found = store.papers.versions_before({one: 9, two: 5, "arxiv:9999.99999": 2})
    assert {key: paper.version for key, paper in found.items()} == {one: 2, two: 1}


def test_window_excludes_after_and_includes_upto(store: Store) -> None:
    ingest(store, *range(1, 8))
    window = store.papers.announcements(2, 5, sources=None, types=None)
    assert [a.seq for a in window] == [3, 4, 5]


def test_window_can_be_filtered(store: Store) -> None:
    give(store, fetched(1), fetched(2, type=CROSS), fetched(3, backlog=True))
    store.papers.ingest("feed", [fetched(4)], {}, NOW + DAY)
    assert [a.seq for a in log(store)] == [1, 2, 4]
    assert [a.seq for a in log(store, sources={"feed"})] == [4]
    assert [a.seq for a in log(store, sources=())] == []
    assert [a.seq for a in log(store, types={CROSS})] == [2]
    assert [a.seq for a in log(store, since=NOW + MINUTE)] == [4]
    assert [a.seq for a in log(store, backlog=True)] == [1, 2, 3, 4]


@pytest.mark.parametrize("chunk", [1, 2, 3, 6, 7, 8, 100])
def test_chunk_size_does_not_change_the_log(store: Store, chunk: int) -> None:
    ingest(store, *range(1, 8))
    assert [a.seq for a in log(store, chunk=chunk)] == [1, 2, 3, 4, 5, 6, 7]


def test_open_window_ends_at_the_first_head(store: Store) -> None:
    ingest(store, 1, 2)
    window = store.papers.announcements(0, None, sources=None, types=None, chunk=1)
    first = next(window)
    ingest(store, 3)
    assert [first.seq, *(a.seq for a in window)] == [1, 2]


def test_half_read_window_blocks_no_writer(store: Store) -> None:
    ingest(store, 1, 2, 3)
    window = store.papers.announcements(0, None, sources=None, types=None, chunk=1)
    next(window)
    ingest(store, 4)
    assert store.papers.head() == 4


def test_announcements_of_one_paper(store: Store) -> None:
    give(store, fetched(1), fetched(2))
    give(store, fetched(1, version=2, type=REPLACE), source="feed")
    assert [(a.seq, a.source, a.paper.version) for a in store.papers.of_paper(fetched(1).id)] == [
        (1, "arxiv", 1),
        (3, "feed", 2),
    ]


def test_first_seq_since_a_time(store: Store) -> None:
    assert store.papers.first_seq_since(NOW) == 0
    ingest(store, 1, at=NOW - DAY)
    ingest(store, 2, at=NOW)
    ingest(store, 3, at=NOW + DAY)
    assert store.papers.first_seq_since(NOW - 2 * DAY) == 0
    assert store.papers.first_seq_since(NOW) == 1
    assert store.papers.first_seq_since(NOW + MINUTE) == 2
    assert store.papers.first_seq_since(NOW + 2 * DAY) == 3


def test_first_seq_since_survives_a_clock_change(store: Store) -> None:
    ingest(store, 1, at=NOW)
    ingest(store, 2, at=NOW - timedelta(hours=1))
    assert store.papers.first_seq_since(NOW - MINUTE) == 0


def test_papers_and_announcements_are_counted(store: Store) -> None:
    assert (store.papers.count(), store.papers.head()) == (0, 0)
    give(store, fetched(1), fetched(1, version=2), fetched(2, backlog=True))
    give(store, fetched(1), source="feed")
    assert store.papers.count() == 3
    assert store.papers.count_announcements(0) == 3
    assert store.papers.count_announcements(1) == 2
    assert store.papers.count_announcements(0, sources={"feed"}) == 1


def test_papers_and_memory_are_stored_together(store: Store) -> None:
    store.papers.ingest("arxiv", [fetched(1)], {"mark": "2026-11-23"}, NOW)
    assert store.sources.state("arxiv").memory == {"mark": "2026-11-23"}
    with pytest.raises(AttributeError):
        # The second paper is broken: neither the first nor the memory may stay.
        store.papers.ingest("arxiv", [fetched(2), object()], {"mark": "x"}, NOW)  # type: ignore[list-item]
    assert store.papers.head() == 1
    assert store.sources.state("arxiv").memory == {"mark": "2026-11-23"}


def test_empty_page_stores_the_memory(store: Store) -> None:
    assert give(store) == Ingested(new=0, known=0, updated=0)
    store.papers.ingest("arxiv", [], {"mark": "2"}, NOW)
    assert store.sources.state("arxiv").memory == {"mark": "2"}


def test_page_larger_than_one_statement(store: Store) -> None:
    numbers = range(1, 3001)
    ingest(store, *numbers)
    ingest(store, *numbers)
    assert store.papers.head() == 3000


def test_huge_values_are_stored_whole(store: Store) -> None:
    authors = tuple(Author(name=f"Author {number}") for number in range(5000))
    give(store, fetched(title="word " * 20_000, abstract="x" * 1_000_000, authors=authors))
    paper = store.papers.get(fetched().id)
    assert paper is not None
    assert len(paper.abstract) == 1_000_000
    assert paper.title_raw == "word " * 20_000
    assert paper.authors == authors


PAPERS = st.builds(
    fetched,
    st.integers(1, 4),
    version=st.integers(1, 2),
    type=st.sampled_from(sorted(FRESH | REPLACEMENTS)),
    abstract=st.sampled_from(["", "a", "b"]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pages=st.lists(st.tuples(st.sampled_from("ab"), st.lists(PAPERS, max_size=6)), max_size=6))
def test_log_grows_by_new_papers_only(
    store: Store, pages: list[tuple[str, list[FetchedPaper]]]
) -> None:
    before = log(store)
    known = {(a.source, a.paper.id, a.paper.version) for a in before}
    expected: list[tuple[str, str, int]] = []
    for source, papers in pages:
        fresh = dict.fromkeys((source, p.id, p.version) for p in papers)
        expected += [key for key in fresh if key not in known]
        known |= set(fresh)
        store.papers.ingest(source, papers, {}, NOW)
    after = log(store)
    assert [(a.source, a.paper.id, a.paper.version) for a in after[len(before) :]] == expected
    assert [a.seq for a in after] == list(range(1, len(after) + 1))


def test_paper_is_found_by_doi_in_any_case(store: Store) -> None:
    store.papers.ingest("a", [fetched(doi="10.1145/ABC.7")], {}, NOW)
    assert store.papers.with_doi("10.1145/abc.7") == fetched().id
    assert store.papers.with_doi("10.1145/abc.8") is None
