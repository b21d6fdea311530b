"""
Every name that a paper is known by: DOI, arXiv id, guid, link; and the one id that they lead to.

A feed renames its items: http becomes https, a DOI comes later, links carry session tokens. So a
paper is looked up by all its aliases before it is stored, and keeps the id of its first one. Papers
that turn out to be one only after both were stored are joined by `works`. Begin at `resolve`.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, text

from digestbot.model import NOTICES, DocumentType, FetchedPaper
from digestbot.store.database import Database, chunks
from digestbot.store.tables import APART, merges, paper_aliases, papers

IDENTIFIERS = ("arxiv:", "doi:", "pmid:", "pmcid:")
"""Names that belong to one work."""
_GLOBAL = (*IDENTIFIERS, "url:")
"""Aliases that mean the same in every source; the others are scoped by theirs."""
_OF_ITEMS = ("url:", "guid:")
"""Names by which a feed's item is recognized once it gets an identifier."""
_ABOUT_OTHERS = frozenset({
    DocumentType.CORRECTION, DocumentType.EDITORIAL, DocumentType.FRONT_MATTER, DocumentType.NEWS,
})  # fmt: skip
"""Documents that name the works they are about."""
_SHOWN = 200
"""Characters of a name that are kept for explanations."""

Pair = tuple[str, str]


def pair(one: str, other: str) -> Pair:
    """Return the two ids in the order of the table `merges`."""
    return (one, other) if one < other else (other, one)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Two stored papers that one record names."""

    papers: Pair
    name: str
    """The name that leads to both."""
    record: str
    """Id of the record, as served."""

    @property
    def reason(self) -> str:
        """Return the reason in words, for `merges`."""
        record, name = self.record[:_SHOWN], self.name[:_SHOWN]
        others = " and ".join(each for each in self.papers if each != record)
        return f"{record} is a name of {others}" if name == record else f"{record} names {name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """Ids under which the papers of one page are stored, and why."""

    source: str
    fetched: tuple[FetchedPaper, ...]
    papers: tuple[FetchedPaper, ...]
    """The same, under the ids that they are known by."""
    known: Mapping[str, str]
    """Hash of an alias → paper."""
    stored: Mapping[str, int]
    """Id → newest stored version, of the ids that the page names."""
    apart: frozenset[Pair]
    """Pairs that the operator keeps apart."""

    def is_apart(self, paper: FetchedPaper, other: str) -> bool:
        """Return True if *other* is kept apart from a name of *paper*."""
        if not self.apart:
            return False
        return any(pair(name, other) in self.apart for name in (paper.id, *_names(paper)))

    def joining_names(self, paper: FetchedPaper) -> Iterator[str]:
        """Yield the names of *paper* that make it one work with other papers."""
        if paper.document_type in _ABOUT_OTHERS:
            return
        yield from (name for name in _names(paper) if name.startswith((*IDENTIFIERS, *_OF_ITEMS)))
        # A notice joins the paper that it is about only if that was announced first.
        if paper.about and paper.id not in self.stored:
            yield paper.about

    def links(self) -> Iterator[Link]:
        """Yield the pairs of papers that names of this page lead to."""
        homes = self._homes()
        for (name, record), found in homes.items():
            first, *others = found
            for other in others:
                is_item = first.startswith("feed:") != other.startswith("feed:")
                if is_item or name.startswith(IDENTIFIERS):
                    yield Link(papers=pair(first, other), name=name, record=record)

    def _homes(self) -> dict[tuple[str, str], dict[str, None]]:
        """Map each name, with the first record that states it, to the papers it leads to."""
        homes: dict[str, dict[str, None]] = {}
        records: dict[str, str] = {}
        own = {now.id for now in self.papers}
        for paper, now in zip(self.fetched, self.papers, strict=True):
            for name in self.joining_names(paper):
                found = homes.setdefault(name, {})
                records.setdefault(name, paper.id)
                target = self.known.get(_key(self.source, name))
                leads_to = (target, name if name in self.stored or name in own else None, now.id)
                found |= {each: None for each in leads_to if each}
        return {(n, records[n]): found for n, found in homes.items() if len(found) > 1}


def resolve(connection: Connection, source: str, fetched: Sequence[FetchedPaper]) -> Resolution:
    """
    Look up *fetched* by their aliases, and return them under the ids that these are known by.

    The first known alias decides, so the order of `FetchedPaper.aliases` matters. An arXiv id is
    never replaced: it is the paper's own, with versions. Nor is an id that is stored already.
    """
    keys = {_key(source, name) for paper in fetched for name in _names(paper)}
    abouts = [_key("", paper.about) for paper in fetched if paper.about]
    named = {name for paper in fetched for name in _identifiers(paper)}
    found = Resolution(
        source=source,
        fetched=tuple(fetched),
        papers=(),
        known=_known(connection, sorted({*keys, *abouts})),
        stored=newest_versions(connection, sorted(named)),
        apart=_apart(connection),
    )
    ids = [_id(found, paper) for paper in fetched]
    moved = {new for paper, new in zip(fetched, ids, strict=True) if new != paper.id}
    versions = newest_versions(connection, sorted(moved))
    resolved = (_as(paper, new, versions) for paper, new in zip(fetched, ids, strict=True))
    return replace(found, papers=tuple(resolved), stored={**found.stored, **versions})


def _identifiers(paper: FetchedPaper) -> Iterator[str]:
    """Yield the ids under which *paper* may be stored, but arXiv's that say nothing else."""
    names = [name for name in _names(paper) if name.startswith(IDENTIFIERS)]
    if len(names) > 1 or paper.journal_ref or not paper.id.startswith("arxiv:"):
        yield from names
        yield paper.id
    if paper.about:
        yield paper.about


def _id(resolution: Resolution, paper: FetchedPaper) -> str:
    is_feed = paper.id.startswith("feed:")
    if paper.id.startswith("arxiv:") or (not is_feed and paper.id in resolution.stored):
        return paper.id
    known = _first_known(resolution, paper)
    if paper.document_type not in NOTICES:
        return known or paper.id
    found = known or _subject(resolution, paper)
    # A journal's retraction of an arXiv paper is not one of arXiv's versions.
    return paper.id if found is None or found.startswith("arxiv:") else found


def _first_known(resolution: Resolution, paper: FetchedPaper) -> str | None:
    targets = (resolution.known.get(key) for key in _keys(resolution.source, paper))
    return next((t for t in targets if t and not resolution.is_apart(paper, t)), None)


def _subject(resolution: Resolution, paper: FetchedPaper) -> str | None:
    """Return the known paper that a new notice is about."""
    about = paper.about
    if about is None:
        return None
    found = resolution.known.get(_key("", about)) or (about if about in resolution.stored else None)
    return found if found and not resolution.is_apart(paper, found) else None


def remember(
    connection: Connection, database: Database, resolution: Resolution, now: datetime
) -> None:
    """
    Store the aliases of a page; an alias keeps its first paper.

    The paper's own id is left out.
    """
    source = resolution.source
    rows = {
        key: {
            "alias": key,
            "paper_id": home.id,
            "name": name[:_SHOWN],
            "source": source,
            "record": paper.id,
            "at": now,
        }
        for paper, home in zip(resolution.fetched, resolution.papers, strict=True)
        for name in _names(paper)
        if name != home.id and pair(name, home.id) not in resolution.apart
        if (key := _key(source, name)) not in resolution.known
    }
    if rows:
        insert = database.insert(paper_aliases).on_conflict_do_nothing()
        connection.execute(insert, list(rows.values()))


def target(connection: Connection, name: str) -> str | None:
    """Return the paper that *name*, valid in every source, is an alias of."""
    return _known(connection, [_key("", name)]).get(_key("", name))


def add_doi(
    connection: Connection, database: Database, paper_id: str, doi: str | None, now: datetime
) -> None:
    """
    Remember a DOI of the paper that was learned later; an alias keeps its first paper.

    A paper already stored under the DOI keeps its id: it would be announced again under this one.
    """
    name = f"doi:{doi.lower()}" if doi else ""
    if name and name != paper_id and not newest_versions(connection, [name]):
        row = {
            "alias": _key("", name),
            "paper_id": paper_id,
            "name": name[:_SHOWN],
            "source": "enrichment",
            "record": paper_id,
            "at": now,
        }
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


def _apart(connection: Connection) -> frozenset[Pair]:
    query = select(merges.c.paper_id, merges.c.other_id).where(text(APART))
    return frozenset((row.paper_id, row.other_id) for row in connection.execute(query))


def newest_versions(connection: Connection, ids: Iterable[Any]) -> dict[str, int]:
    """Map each of *ids* that is stored to its newest version."""
    found: dict[str, int] = {}
    newest = func.max(papers.c.version).label("version")
    query = select(papers.c.paper_id, newest).group_by(papers.c.paper_id)
    for some in chunks(list(ids)):
        rows = connection.execute(query.where(papers.c.paper_id.in_(some)))
        found |= {row.paper_id: row.version for row in rows}
    return found
