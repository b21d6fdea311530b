"""
Retractions of known papers: each becomes a new version, so that the log announces it once.

A journal changes the title of a retracted paper, or publishes a notice about it; neither has
a version number. Begin at `as_versions`.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, select

from digestbot.model import NOTICES, AnnounceType, DocumentType, FetchedPaper
from digestbot.store.database import chunks
from digestbot.store.tables import papers
from digestbot.store.values import authors_from_json


def as_versions(connection: Connection, fetched: Sequence[FetchedPaper]) -> list[FetchedPaper]:
    """
    Return *fetched*, with each notice about a known paper as the paper's next version.

    Versions of arXiv are its own: there, a withdrawal already is a new version.
    """
    notices = [paper for paper in fetched if _is_unversioned(paper)]
    if not notices:
        return list(fetched)
    known = _versions(connection, sorted({paper.id for paper in notices}))
    return [
        _as_version(paper, known.get(paper.id, [])) if _is_unversioned(paper) else paper
        for paper in fetched
    ]


def _is_unversioned(paper: FetchedPaper) -> bool:
    return paper.document_type in NOTICES and not paper.id.startswith("arxiv:")


def _as_version(paper: FetchedPaper, known: Sequence[Row[Any]]) -> FetchedPaper:
    """Return *paper* as the known version with its type, or else as the next version."""
    same = [row for row in known if row.document_type is paper.document_type]
    if not known or same:
        return replace(paper, version=same[-1].version) if same else paper
    newest = known[-1]
    if newest.document_type in NOTICES and newest.document_type is not DocumentType.CONCERN:
        # Retracted in other words, or already more than a concern.
        type_, title = newest.document_type, newest.title_raw
        return replace(paper, version=newest.version, document_type=type_, title=title)
    return _next(paper, newest)


def _next(paper: FetchedPaper, known: Row[Any]) -> FetchedPaper:
    """Return *paper* as the version after *known*, with the fields that a notice lacks."""
    return replace(
        paper,
        version=known.version + 1,
        type=AnnounceType.REPLACE,
        backlog=False,
        abstract=paper.abstract or known.abstract_raw,
        authors=paper.authors or authors_from_json(known.authors),
        categories=paper.categories or tuple(known.categories),
        journal_ref=paper.journal_ref or known.journal_ref,
        published=paper.published or known.published,
        doi=paper.doi or known.doi,
        url=paper.url or known.url,
    )


def _versions(connection: Connection, ids: Sequence[str]) -> dict[str, list[Row[Any]]]:
    """Return the stored versions of each paper, oldest first."""
    query = select(papers).order_by(papers.c.version)
    found: dict[str, list[Row[Any]]] = {}
    for some in chunks(ids):
        for row in connection.execute(query.where(papers.c.paper_id.in_(some))):
            found.setdefault(row.paper_id, []).append(row)
    return found
