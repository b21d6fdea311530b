"""
Works: papers with different ids that are one work, such as a preprint and its journal version.

Each pair is a row of `merges`, with the record that named both; the works are the groups that these
pairs connect. A group is labelled in the table `works`, for fast lookups. Nothing else about its
papers changes, so that a pair can be taken apart again. Begin at `Works`; `join` is a part of
`Papers.ingest`.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, delete, or_, select

from digestbot.ids import is_preprint, is_publication
from digestbot.model import AnnounceType
from digestbot.store import aliases
from digestbot.store.aliases import Link, Pair, Resolution, pair
from digestbot.store.database import INGEST_LOCK, Database, chunks
from digestbot.store.tables import announcements, merges, paper_aliases, papers, works

BY_HAND = "by hand"
"""Reason of the operator's decisions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Two papers that are one work, or that the operator keeps apart."""

    papers: Pair
    is_apart: bool
    source: str | None
    """Source of the record that names both; None for the operator."""
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """An alias of a paper."""

    name: str
    paper_id: str
    source: str
    record: str
    """Id of the record that states it, as served."""
    at: datetime
    """When it was first stated."""


class Works:
    """The part of the store that knows which papers are one work."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, ids: Collection[str]) -> dict[str, frozenset[str]]:
        """Map each of *ids* to all papers of its work, itself included."""
        with self._database.read() as connection:
            return _groups(connection, ids)

    def known_as(self, name: str) -> str | None:
        """Return the stored paper with the id or alias *name*."""
        with self._database.read() as connection:
            return _stored_as(connection, name)

    def names(self, ids: Collection[str]) -> tuple[Name, ...]:
        """List the aliases of papers, oldest first."""
        rows = paper_aliases.c
        query = select(paper_aliases).where(rows.paper_id.in_(sorted(ids)))
        with self._database.read() as connection:
            found = connection.execute(query.order_by(rows.at, rows.name)).all()
        return tuple(
            Name(name=r.name, paper_id=r.paper_id, source=r.source, record=r.record, at=r.at)
            for r in found
        )

    def decisions(self, ids: Collection[str]) -> tuple[Decision, ...]:
        """List the decisions about pairs with any of *ids*, oldest first."""
        with self._database.read() as connection:
            rows = _pairs(connection, ids)
        return tuple(sorted(map(_to_decision, rows), key=lambda each: (each.at, each.papers)))

    def merge(self, one: str, other: str, now: datetime) -> bool:
        """
        Declare two stored papers one work; lift what keeps them apart.

        Return False if they are one already.
        """
        with self._database.write() as connection:
            self._database.take_lock(connection, INGEST_LOCK)
            groups = _groups(connection, (one, other))
            if other in groups[one]:
                return False
            _allow(connection, groups[one], groups[other])
            _record(connection, self._database, pair(one, other), None, BY_HAND, now)
            _label(connection, self._database, groups[one] | groups[other])
            return True

    def split(self, name: str, now: datetime) -> tuple[str, ...]:
        """
        Keep *name* apart from the other papers of its work; return these papers.

        The others stay one work. *name* is a paper's id, or an identifier that was stored as an
        alias of another paper: its next record becomes a paper.
        """
        with self._database.write() as connection:
            self._database.take_lock(connection, INGEST_LOCK)
            alias_of = aliases.target(connection, name)
            others = _groups(connection, [name])[name] - {name}
            if alias_of:
                others |= _groups(connection, [alias_of])[alias_of] - {name}
                _forget(connection, name)
            if not others:
                return ()
            rest = sorted(others, key=_preference)
            joined = [pair(rest[0], each) for each in rest[1:]]
            for chained in joined:
                _record(connection, self._database, chained, None, f"joined by {name} before", now)
            for each in rest:
                _keep_apart(connection, self._database, pair(name, each), now)
            connection.execute(delete(works).where(works.c.paper_id.in_([name, *rest])))
            _label(connection, self._database, frozenset(rest))
            return tuple(rest)


def join(
    connection: Connection,
    database: Database,
    resolution: Resolution,
    links: Sequence[Link],
    now: datetime,
) -> None:
    """Make the papers of each link one work, unless the operator keeps any two of them apart."""
    if not links:
        return
    groups = _groups(connection, {each for link in links for each in link.papers})
    for link in links:
        one, other = link.papers
        if other in groups[one] or _are_apart(groups[one], groups[other], resolution.apart):
            continue
        _record(connection, database, link.papers, resolution.source, link.reason, now)
        joined = groups[one] | groups[other]
        _label(connection, database, joined)
        groups |= dict.fromkeys(joined, joined)


def newly_published(
    connection: Connection, resolution: Resolution, links: Sequence[Link]
) -> list[tuple[str, int]]:
    """
    Return the stored preprints that this page is the first to call published.

    Call it before the names of the page are stored.
    """
    named = {
        home.id
        for paper, home in zip(resolution.fetched, resolution.papers, strict=True)
        if is_preprint(home.id) and home.id in resolution.stored
        if _is_journal(paper.journal_ref, home.id)
        or any(map(is_publication, resolution.joining_names(paper)))
    }
    ends = [ends for link in links for ends in (link.papers, link.papers[::-1])]
    named |= {one for one, other in ends if is_preprint(one) and is_publication(other)}
    stored = named & resolution.stored.keys()
    fresh = sorted(stored - _published(connection, stored))
    return [(each, resolution.stored[each]) for each in fresh]


def _is_journal(journal_ref: str | None, paper_id: str) -> bool:
    """Return True for a reference to a journal; indexes may name the preprint server there."""
    is_stated = bool(journal_ref) and paper_id.startswith("arxiv:")
    return is_stated and "arxiv" not in (journal_ref or "").lower()


def _published(connection: Connection, ids: Collection[str]) -> set[str]:
    """Return those of *ids* that are known to be published."""
    if not ids:
        return set()
    found: set[str] = set()
    groups = _groups(connection, ids)
    members = sorted({each for group in groups.values() for each in group})
    for some in chunks(members):
        rows = connection.execute(
            select(papers.c.paper_id, papers.c.doi, papers.c.journal_ref).where(
                papers.c.paper_id.in_(some)
            )
        )
        found |= {
            row.paper_id
            for row in rows
            if _is_journal(row.journal_ref, row.paper_id)
            or (row.doi and is_publication(f"doi:{row.doi.lower()}"))
        }
        names = select(paper_aliases.c.paper_id, paper_aliases.c.name)
        named = connection.execute(names.where(paper_aliases.c.paper_id.in_(some)))
        found |= {row.paper_id for row in named if is_publication(row.name)}
        log = announcements.c
        told = select(log.paper_id).where(
            log.paper_id.in_(some), log.type == AnnounceType.PUBLISHED
        )
        found |= set(connection.execute(told).scalars())
    return {each for each in ids if not found.isdisjoint(groups[each])}


def _groups(connection: Connection, ids: Collection[str]) -> dict[str, frozenset[str]]:
    labels = _labels(connection, works.c.paper_id, ids)
    members: dict[str, set[str]] = {}
    for paper_id, work in _labels(connection, works.c.work, set(labels.values())).items():
        members.setdefault(work, set()).add(paper_id)
    return {each: frozenset(members.get(labels.get(each, ""), {each})) for each in ids}


def _labels(connection: Connection, column: object, values: Collection[str]) -> dict[str, str]:
    """Map papers to the labels of their works, where *column* has one of *values*."""
    found: dict[str, str] = {}
    for some in chunks(sorted(values)):
        rows = connection.execute(select(works).where(column.in_(some)))  # type: ignore[attr-defined]
        found |= {row.paper_id: row.work for row in rows}
    return found


def _label(connection: Connection, database: Database, group: frozenset[str]) -> None:
    """Label the papers of *group* as one work; a single paper needs no label."""
    if len(group) < 2:
        return
    work = min(group, key=_preference)
    rows = [{"paper_id": each, "work": work} for each in sorted(group)]
    insert = database.insert(works)
    updated = insert.on_conflict_do_update(
        index_elements=["paper_id"], set_={"work": insert.excluded.work}
    )
    connection.execute(updated, rows)


def _preference(paper_id: str) -> tuple[bool, bool, str]:
    """Sort arXiv's ids first and those of feed items last."""
    return not paper_id.startswith("arxiv:"), paper_id.startswith("feed:"), paper_id


def _stored_as(connection: Connection, name: str) -> str | None:
    if aliases.newest_versions(connection, [name]):
        return name
    return aliases.target(connection, name)


def _pairs(connection: Connection, ids: Collection[str]) -> Sequence[Row[tuple[object, ...]]]:
    wanted = sorted(ids)
    here = or_(merges.c.paper_id.in_(wanted), merges.c.other_id.in_(wanted))
    return connection.execute(select(merges).where(here)).all()


def _to_decision(row: Row[tuple[object, ...]]) -> Decision:
    return Decision(
        papers=(row.paper_id, row.other_id),
        is_apart=row.is_apart,
        source=row.source,
        reason=row.reason,
        at=row.at,
    )


def _are_apart(one: Iterable[str], other: Iterable[str], apart: frozenset[Pair]) -> bool:
    return bool(apart) and any(pair(a, b) in apart for a in one for b in other)


def _record(
    connection: Connection,
    database: Database,
    papers: Pair,
    source: str | None,
    reason: str,
    now: datetime,
) -> None:
    """Store that two papers are one work; keep an existing decision."""
    row = _row(papers, is_apart=False, source=source, reason=reason, now=now)
    connection.execute(database.insert(merges).values(row).on_conflict_do_nothing())


def _keep_apart(connection: Connection, database: Database, papers: Pair, now: datetime) -> None:
    """Store that two papers are kept apart; replace an earlier decision."""
    row = _row(papers, is_apart=True, source=None, reason=BY_HAND, now=now)
    insert = database.insert(merges).values(row)
    keys = ["paper_id", "other_id"]
    changed = {name: value for name, value in row.items() if name not in keys}
    connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=changed))


def _row(
    papers: Pair, *, is_apart: bool, source: str | None, reason: str, now: datetime
) -> dict[str, object]:
    return {
        "paper_id": papers[0],
        "other_id": papers[1],
        "is_apart": is_apart,
        "source": source,
        "reason": reason,
        "at": now,
    }


def _allow(connection: Connection, one: Iterable[str], other: Iterable[str]) -> None:
    """Delete the decisions that keep papers of two works apart."""
    for each in sorted({pair(a, b) for a in one for b in other}):
        here = (merges.c.paper_id == each[0], merges.c.other_id == each[1], merges.c.is_apart)
        connection.execute(delete(merges).where(*here))


def _forget(connection: Connection, name: str) -> None:
    """Delete the alias *name*, and the aliases that its own record brought."""
    here = or_(paper_aliases.c.name == name, paper_aliases.c.record == name)
    target = aliases.target(connection, name)
    connection.execute(delete(paper_aliases).where(paper_aliases.c.paper_id == target, here))
