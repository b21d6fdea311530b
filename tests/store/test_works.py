"""Papers with different ids become one work, and can be taken apart again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import event

from digestbot.model import AnnounceType, DocumentType, FetchedPaper
from digestbot.store import Store

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ARXIV = "arxiv:2603.20941"
JOURNAL = "doi:10.5555/j.1"
BIORXIV = "doi:10.1101/2026.03.01.123456"


def record(paper_id: str, *aliases: str, **facts: Any) -> FetchedPaper:
    """Make a record as sources do, with its own DOI as an alias."""
    doi = paper_id.removeprefix("doi:") if paper_id.startswith("doi:") else None
    given = {
        "id": paper_id,
        "title": "Gold",
        "abstract": "",
        "url": "https://x.example",
        "doi": doi,
        "aliases": (*([paper_id] if doi else []), *aliases),
    }
    return FetchedPaper(**{**given, **facts})


Page = tuple[str, FetchedPaper]

arxiv = record(ARXIV)
arxiv_with_doi = record(ARXIV, doi="10.5555/J.1")
journal = record(JOURNAL, "guid:1")
of_arxiv = record(JOURNAL, ARXIV, "guid:1")
biorxiv = record(BIORXIV)
biorxiv_published = record(BIORXIV, JOURNAL)
item = record("feed:a", "url://j.example/1")
item_with_doi = record(JOURNAL, "url://j.example/1")
on_pubmed = record(JOURNAL, "pmid:7")
only_pmid = record("feed:p", "pmid:7", "url://pubmed.example/7")
crossref = record(JOURNAL, BIORXIV)


def ingest(store: Store, *pages: Page, start: int = 0) -> None:
    for number, (source, paper) in enumerate(pages, start):
        store.papers.ingest(source, [paper], {}, NOW + timedelta(minutes=number))


def log(store: Store) -> list[tuple[str, AnnounceType]]:
    rows = store.papers.announcements(0, None, sources=None, types=None)
    return [(row.paper.id, row.type) for row in rows]


def published(store: Store) -> list[str]:
    return [paper_id for paper_id, type_ in log(store) if type_ is AnnounceType.PUBLISHED]


@pytest.mark.parametrize(
    ("pages", "work", "now_published"),
    [
        ([journal, arxiv_with_doi], {JOURNAL, ARXIV}, []),
        ([journal, arxiv, arxiv_with_doi], {JOURNAL, ARXIV}, [ARXIV]),
        ([arxiv, journal, arxiv_with_doi, journal], {JOURNAL, ARXIV}, [ARXIV]),
        ([arxiv, of_arxiv], {JOURNAL, ARXIV}, [ARXIV]),
        ([arxiv, of_arxiv, arxiv_with_doi, of_arxiv], {JOURNAL, ARXIV}, [ARXIV]),
        ([of_arxiv, arxiv], {JOURNAL, ARXIV}, []),
        ([arxiv_with_doi, journal], {ARXIV}, []),
        ([arxiv, arxiv_with_doi, arxiv_with_doi], {ARXIV}, [ARXIV]),
        ([biorxiv, biorxiv_published, biorxiv_published], {BIORXIV}, [BIORXIV]),
        ([biorxiv, journal, biorxiv_published], {BIORXIV, JOURNAL}, [BIORXIV]),
        ([biorxiv, crossref], {BIORXIV, JOURNAL}, [BIORXIV]),
        ([item, journal, item_with_doi], {"feed:a", JOURNAL}, []),
        ([only_pmid, journal, on_pubmed], {"feed:p", JOURNAL}, []),
    ],
)
def test_records_become_one_work(
    store: Store, pages: list[FetchedPaper], work: set[str], now_published: list[str]
) -> None:
    ingest(store, *((f"s{number}", page) for number, page in enumerate(pages)))
    stored = {paper_id for paper_id, _ in log(store)}
    assert stored == work
    assert store.works.of(work) == dict.fromkeys(work, work)
    assert published(store) == now_published


@pytest.mark.parametrize(
    "pages",
    [
        [arxiv, journal],
        [record("feed:a", "link://j.example/"), record(JOURNAL, "link://j.example/")][:1],
        [journal, record("doi:10.5555/c", JOURNAL, document_type=DocumentType.CORRECTION), biorxiv],
        [arxiv, record(ARXIV, journal_ref="arXiv (Cornell University)")],
        [arxiv, record(ARXIV, doi="10.48550/arXiv.2603.20941")],
    ],
)
def test_others_stay_apart(store: Store, pages: list[FetchedPaper]) -> None:
    ingest(store, *(("s", page) for page in pages))
    for paper_id, _ in log(store):
        assert store.works.of({paper_id}) == {paper_id: {paper_id}}
    assert published(store) == []


def test_a_journal_reference_is_a_publication(store: Store) -> None:
    ingest(store, ("s", arxiv), ("s", record(ARXIV, journal_ref="Gold 7 (2026) 1")), ("t", arxiv))
    assert log(store) == [(ARXIV, "new"), (ARXIV, "published"), (ARXIV, "new")]


def test_a_withdrawal_in_a_later_comment_is_logged_once(store: Store) -> None:
    withdrawn = record(ARXIV, document_type=DocumentType.WITHDRAWAL)
    ingest(store, *(("s", each) for each in (arxiv, withdrawn, withdrawn, arxiv, withdrawn)))
    assert log(store) == [(ARXIV, "new"), (ARXIV, "notice")]


def test_a_retraction_notice_joins_the_preprint(store: Store) -> None:
    notice = record("doi:10.5555/n", about=JOURNAL, document_type=DocumentType.RETRACTION)
    ingest(store, ("s", arxiv_with_doi), ("j", notice))
    assert store.works.of({ARXIV}) == {ARXIV: {ARXIV, "doi:10.5555/n"}}


def test_the_record_that_joined_two_papers_is_kept(store: Store) -> None:
    ingest(store, ("j", journal), ("a", arxiv_with_doi))
    (decision,) = store.works.decisions({ARXIV})
    assert (decision.papers, decision.source) == ((ARXIV, JOURNAL), "a")
    assert (decision.is_apart, decision.reason) == (False, f"{ARXIV} names {JOURNAL}")
    assert decision.at == NOW + timedelta(minutes=1)
    names = [(name.name, name.source, name.record) for name in store.works.names({ARXIV, JOURNAL})]
    assert names == [("guid:1", "j", JOURNAL), (JOURNAL, "a", ARXIV)]


def test_a_split_survives_later_records(store: Store) -> None:
    pages = [("j", journal), ("a", arxiv_with_doi), ("b", of_arxiv)]
    ingest(store, *pages)
    assert store.works.split(JOURNAL, NOW) == (ARXIV,)
    ingest(store, *pages)
    assert store.works.of({ARXIV, JOURNAL}) == {ARXIV: {ARXIV}, JOURNAL: {JOURNAL}}
    assert store.works.split(JOURNAL, NOW) == ()


def test_a_name_that_was_never_a_paper_can_be_split(store: Store) -> None:
    ingest(store, ("a", arxiv_with_doi), ("j", journal))
    assert store.works.known_as(JOURNAL) == ARXIV
    assert store.works.split(JOURNAL, NOW) == (ARXIV,)
    assert store.works.known_as(JOURNAL) is None
    ingest(store, ("j", journal), ("a", arxiv_with_doi), ("j", journal))
    assert store.works.known_as(JOURNAL) == JOURNAL
    assert store.works.of({ARXIV}) == {ARXIV: {ARXIV}}


def test_the_others_stay_one_work(store: Store) -> None:
    ingest(store, ("j", journal), ("f", item), ("a", arxiv_with_doi), ("f", item_with_doi))
    assert store.works.split(JOURNAL, NOW) == (ARXIV, "feed:a")
    assert store.works.of({ARXIV, JOURNAL}) == {ARXIV: {ARXIV, "feed:a"}, JOURNAL: {JOURNAL}}


def test_a_merge_by_hand_lifts_a_split(store: Store) -> None:
    ingest(store, ("j", journal), ("a", arxiv))
    assert store.works.merge(ARXIV, JOURNAL, NOW)
    assert not store.works.merge(JOURNAL, ARXIV, NOW)
    store.works.split(ARXIV, NOW)
    assert store.works.merge(ARXIV, JOURNAL, NOW)
    assert store.works.of({ARXIV}) == {ARXIV: {ARXIV, JOURNAL}}


class Killed(BaseException):
    """The process dies."""


@contextmanager
def killed_at(store: Store, nth: int) -> Iterator[None]:
    """Die at the *nth* statement within the block."""
    numbers = count(1)

    def die(*_: Any) -> None:
        if next(numbers) == nth:
            raise Killed

    engine = store._database._engine
    event.listen(engine, "before_cursor_execute", die)
    try:
        yield
    except Killed:
        pass
    finally:
        event.remove(engine, "before_cursor_execute", die)


@pytest.mark.parametrize(
    "act",
    [
        lambda store: store.papers.ingest("a", [arxiv_with_doi], {}, NOW),
        lambda store: store.works.split("feed:a", NOW),
        lambda store: store.works.merge(ARXIV, "feed:a", NOW),
    ],
)
def test_a_kill_at_any_statement_changes_nothing(
    store: Store, act: Callable[[Store], object]
) -> None:
    ingest(store, ("j", journal), ("f", item), ("a", arxiv), ("f", item_with_doi))
    before = list(store.ledger.export_rows())
    for nth in count(1):
        with killed_at(store, nth):
            act(store)
            break
        assert list(store.ledger.export_rows()) == before
    assert nth > 3
    assert list(store.ledger.export_rows()) != before
