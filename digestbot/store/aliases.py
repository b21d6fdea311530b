"""
Every name that a paper is known by: DOI, arXiv id, guid, link; and the one id that they lead to.

A feed renames its items: http becomes https, a DOI comes later, links carry session tokens. So a
paper is looked up by all its aliases before it is stored, and keeps the id of its first one.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, func, select

from digestbot.model import NOTICES, FetchedPaper
from digestbot.store.database import Database, chunks
from digestbot.store.tables import paper_aliases, papers

_GLOBAL = ("arxiv:", "doi:", "url:")
"""Aliases that mean the same in every source; the others are scoped by theirs."""


def resolve(
    connection: Connection, source: str, fetched: Sequence[FetchedPaper]
) -> list[FetchedPaper]:
    """
    Return *fetched* under the ids that their aliases are known by.

    The first known alias decides, so the order of `FetchedPaper.aliases` matters. An arXiv id is
    never replaced: it is the paper's own, with versions.
    """
    keys = [_keys(source, paper) for paper in fetched]
    known = _known(connection, sorted({key for each in keys for key in each}))
    subjects = _subjects(connection, fetched)
    ids = [
        _id(paper, next((known[key] for key in each if key in known), None), subjects)
        for paper, each in zip(fetched, keys, strict=True)
    ]
    moved = {new for paper, new in zip(fetched, ids, strict=True) if new != paper.id}
    versions = _newest_versions(connection, sorted(moved))
    return [_as(paper, new, versions) for paper, new in zip(fetched, ids, strict=True)]


def _id(paper: FetchedPaper, known: str | None, subjects: Mapping[str, str]) -> str:
    if paper.id.startswith("arxiv:"):
        return paper.id
    if paper.document_type not in NOTICES:
        return known or paper.id
    found = known or subjects.get(paper.id)
    # A journal's retraction of an arXiv paper is not one of arXiv's versions.
    return paper.id if found is None or found.startswith("arxiv:") else found


def _subjects(connection: Connection, fetched: Sequence[FetchedPaper]) -> dict[str, str]:
    """Return the known paper that each new notice is about."""
    about = {paper.id: paper.about for paper in fetched if paper.about}
    if not about:
        return {}
    stored = _newest_versions(connection, sorted({*about, *about.values()}))
    known = _known(connection, [_key("", name) for name in about.values()])
    subjects = {
        notice: known.get(_key("", name)) or (name if name in stored else None)
        for notice, name in about.items()
        if notice not in stored
    }
    return {notice: paper_id for notice, paper_id in subjects.items() if paper_id}


def same_papers(connection: Connection, ids: Sequence[str]) -> dict[str, str]:
    """Return the other id, such as arXiv's, under which each of *ids* is known, if any."""
    known = _known(connection, [_key("", paper_id) for paper_id in ids])
    return {each: known[key] for each in ids if (key := _key("", each)) in known}


def remember(
    connection: Connection,
    database: Database,
    source: str,
    fetched: Sequence[FetchedPaper],
    resolved: Sequence[FetchedPaper],
) -> None:
    """
    Store the aliases of *fetched*, which were *resolved*; an alias keeps its first paper.

    The paper's own id is left out.
    """
    rows = {
        _key(source, name): {"alias": _key(source, name), "paper_id": now.id}
        for paper, now in zip(fetched, resolved, strict=True)
        for name in _names(paper)
        if name != now.id
    }
    known = _known(connection, sorted(rows))
    fresh = [row for key, row in rows.items() if key not in known]
    if fresh:
        insert = database.insert(paper_aliases).on_conflict_do_nothing()
        connection.execute(insert, fresh)


def add_doi(connection: Connection, database: Database, paper_id: str, doi: str | None) -> None:
    """
    Remember a DOI of the paper that was learned later; an alias keeps its first paper.

    A paper already stored under the DOI keeps its id: it would be announced again under this one.
    """
    name = f"doi:{doi.lower()}" if doi else ""
    if name and name != paper_id and not _newest_versions(connection, [name]):
        row = {"alias": _key("", name), "paper_id": paper_id}
        connection.execute(database.insert(paper_aliases).on_conflict_do_nothing(), [row])


def _as(paper: FetchedPaper, new: str, versions: Mapping[str, int]) -> FetchedPaper:
    """Return *paper* as a version of the known paper *new*."""
    if new == paper.id:
        return paper
    paper = replace(paper, id=new, version=versions.get(new, paper.version))
    if not new.startswith("arxiv:"):
        return paper
    # arXiv's own words stay; a journal adds where the paper was published.
    return replace(paper, title="", abstract="", authors=(), categories=(), url="", pdf_url=None)


def _names(paper: FetchedPaper) -> tuple[str, ...]:
    """Return the id of *paper*, its DOI and its aliases, the most reliable first."""
    doi = f"doi:{paper.doi.lower()}" if paper.doi else ""
    own = () if paper.id.startswith("feed:") else (paper.id,)
    return tuple(dict.fromkeys(filter(None, (*own, doi, *paper.aliases))))


def _keys(source: str, paper: FetchedPaper) -> list[str]:
    return [_key(source, name) for name in _names(paper)]


def _key(source: str, alias: str) -> str:
    scope = "" if alias.startswith(_GLOBAL) else source
    return hashlib.sha256(f"{scope}\n{alias}".encode("utf-8", "replace")).hexdigest()[:32]


def _known(connection: Connection, keys: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    query = select(paper_aliases.c.alias, paper_aliases.c.paper_id)
    for some in chunks(keys):
        rows = connection.execute(query.where(paper_aliases.c.alias.in_(some)))
        found |= {row.alias: row.paper_id for row in rows}
    return found


def _newest_versions(connection: Connection, ids: Sequence[Any]) -> dict[str, int]:
    found: dict[str, int] = {}
    newest = func.max(papers.c.version).label("version")
    query = select(papers.c.paper_id, newest).group_by(papers.c.paper_id)
    for some in chunks(ids):
        rows = connection.execute(query.where(papers.c.paper_id.in_(some)))
        found |= {row.paper_id: row.version for row in rows}
    return found
