"""A retraction of a known paper is a new version of it, announced once."""

from datetime import UTC, datetime
from typing import Any

import pytest

from digestbot.model import Announcement, AnnounceType, Author, DocumentType, FetchedPaper
from digestbot.store import Store

NOW = datetime(2026, 11, 23, tzinfo=UTC)
DOI = "10.1/x"
RETRACTED = DocumentType.RETRACTION


def paper(title: str = "Gold", doi: str = DOI, **facts: Any) -> FetchedPaper:
    given: dict[str, Any] = {
        "id": f"doi:{doi}",
        "title": title,
        "abstract": "We melt it.",
        "authors": (Author(name="Ada Bee"),),
        "url": f"https://doi.org/{doi}",
        "doi": doi,
        "aliases": (f"doi:{doi}",),
    }
    return FetchedPaper(**{**given, **facts})


def retracted(**facts: Any) -> FetchedPaper:
    return paper("RETRACTED: Gold", document_type=RETRACTED, **facts)


def notice() -> FetchedPaper:
    return paper(
        "Retraction: Gold",
        "10.1/notice",
        abstract="",
        authors=(),
        about=f"doi:{DOI}",
        document_type=RETRACTED,
    )


def ingest(store: Store, *papers: FetchedPaper, source: str = "s") -> int:
    return store.papers.ingest(source, papers, {}, NOW).new


def log(store: Store) -> list[Announcement]:
    return list(store.papers.announcements(0, None, sources=None, types=None))


@pytest.mark.parametrize("later", [retracted(), retracted(backlog=True), notice()])
def test_a_retraction_is_announced_once_as_a_version(store: Store, later: FetchedPaper) -> None:
    assert ingest(store, paper()) == 1
    assert ingest(store, later) == 1
    assert ingest(store, later) == 0
    _, row = log(store)
    assert (row.paper.id, row.paper.version) == (f"doi:{DOI}", 2)
    assert (row.type, row.paper.document_type) == (AnnounceType.REPLACE, RETRACTED)
    assert (row.paper.abstract, row.paper.authors) == ("We melt it.", (Author(name="Ada Bee"),))
    first = store.papers.get(f"doi:{DOI}", 1)
    assert first is not None
    assert (first.title, first.document_type) == ("Gold", DocumentType.PAPER)


def test_the_original_title_does_not_return(store: Store) -> None:
    """Another source may not know of the retraction."""
    for each, source in ((paper(), "a"), (retracted(), "a"), (paper(), "b"), (retracted(), "a")):
        ingest(store, each, source=source)
    assert [(row.source, row.paper.version) for row in log(store)] == [
        ("a", 1),
        ("a", 2),
        ("b", 1),
    ]


def test_an_unknown_retracted_paper_is_a_first_version(store: Store) -> None:
    assert ingest(store, retracted()) == 1
    assert ingest(store, retracted()) == 0
    assert [row.paper.version for row in log(store)] == [1]


def test_a_notice_that_comes_first_stays_apart(store: Store) -> None:
    ingest(store, notice())
    ingest(store, paper())
    assert ingest(store, notice()) == 0
    assert [row.paper.id for row in log(store)] == ["doi:10.1/notice", f"doi:{DOI}"]


def test_a_concern_may_become_a_retraction(store: Store) -> None:
    concern = paper("Expression of Concern: Gold", document_type=DocumentType.CONCERN)
    for each in (paper(), concern, concern, retracted(), concern, retracted()):
        ingest(store, each)
    assert [row.paper.document_type for row in log(store)] == ["paper", "concern", "retraction"]


def test_versions_of_arxiv_stay_its_own(store: Store) -> None:
    arxiv = paper(id="arxiv:2603.20941")
    ingest(store, arxiv)
    withdrawn = paper(
        id="arxiv:2603.20941", version=2, document_type=DocumentType.WITHDRAWAL, type="replace"
    )
    assert ingest(store, withdrawn) == 1
    assert ingest(store, retracted(), source="journal") == 1
    found = [(row.paper.id, row.paper.version) for row in log(store)]
    assert found == [("arxiv:2603.20941", 1), ("arxiv:2603.20941", 2), (f"doi:{DOI}", 1)]
    assert store.works.of({f"doi:{DOI}"}) == {f"doi:{DOI}": {f"doi:{DOI}", "arxiv:2603.20941"}}


def test_a_later_comment_marks_the_stored_version(store: Store) -> None:
    """arXiv's daily feed has no comments; its query API has."""
    ingest(store, paper(id="arxiv:2603.20941", aliases=()))
    withdrawn = paper(id="arxiv:2603.20941", document_type=DocumentType.WITHDRAWAL, aliases=())
    assert ingest(store, withdrawn) == 0
    assert ingest(store, paper(id="arxiv:2603.20941", aliases=())) == 0
    found = store.papers.get("arxiv:2603.20941")
    assert found is not None
    assert found.document_type is DocumentType.WITHDRAWAL


def test_notices_are_listed_of_all_sources(store: Store) -> None:
    ingest(store, paper(), paper("Cover", "10.1/c", document_type=DocumentType.FRONT_MATTER))
    ingest(store, retracted(), source="other")
    head = store.papers.head()
    assert [row.seq for row in store.papers.notices(0, head)] == [head]
    assert store.papers.notices(head, head) == ()
