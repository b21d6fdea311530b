"""
Papers, and the log of their announcements.

The log only grows, and seq follows the order of commits, on PostgreSQL too: a reader that has seen
seq 7 never finds a new 6 afterwards. Every cursor depends on that.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, delete, func, select, update

from digestbot.model import (
    NOTICES,
    REPLACEMENTS,
    STATUS_CHANGES,
    Announcement,
    AnnounceType,
    Author,
    Channel,
    ChannelCheck,
    DocumentType,
    FetchedPaper,
    Paper,
)
from digestbot.store import aliases, batches, enrichments, notices, works
from digestbot.store.database import INGEST_LOCK, Database, chunks
from digestbot.store.stored_words import rebuild_words
from digestbot.store.tables import (
    PassStatus,
    announcements,
    digests,
    edition_papers,
    papers,
    sources,
    storable,
)
from digestbot.store.values import (
    Completion,
    FieldCounts,
    Incomplete,
    Ingested,
    authors_from_json,
    authors_to_json,
)
from digestbot.text import pack_words, plain

_Key = tuple[str, int]

_RANK: Final = {kind: place for place, kind in enumerate(AnnounceType)}

_TITLES: Final = 1000
"""Rows fetched at a time by `Papers.titles`."""

PAPER_COLUMNS: Final = tuple(papers.c)


class Papers:
    """The part of the store that fetching writes and matching reads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ingest(
        self,
        source: str,
        fetched: Sequence[FetchedPaper],
        memory: Mapping[str, str],
        now: datetime,
        *,
        channel: Channel | None = None,
        checks: Sequence[ChannelCheck] = (),
        texts: "PlainTexts | None" = None,
        lacks_fields: Callable[[FetchedPaper], bool] | None = None,
    ) -> Ingested:
        """
        Store a page of papers and the source's memory.

        This is one transaction, so a killed source remembers exactly the pages that are stored.
        Empty fields leave the values of other sources for the same version unchanged.

        Args:
            source: Name of the source in the config.
            fetched: Papers in the order for the log; repeats are merged.
            memory: The source's own notes after this page.
            now: When the papers were fetched.
            channel: Which of the source's channels served them; see `batches`.
            checks: What the channels served of each day's announcements.
            texts: From `plain_texts`; None to compute them here.
            lacks_fields: Returns True for new papers to be completed by `complete`; None for none.
        """
        texts = texts or self.plain_texts(fetched)
        with self._database.write() as connection:
            self._database.take_lock(connection, INGEST_LOCK)
            resolved = aliases.resolve(connection, source, fetched)
            links = tuple(resolved.links())
            published = works.newly_published(connection, resolved, links)
            aliases.remember(connection, self._database, resolved, now)
            works.join(connection, self._database, resolved, links, now)
            versions = notices.as_versions(connection, resolved.papers)
            merged = _merge(versions)
            updated, withdrawn = _store_papers(connection, merged, texts)
            new = _append(connection, source, merged, now, channel)
            _append_status(connection, source, published, AnnounceType.PUBLISHED, now)
            _append_status(connection, source, withdrawn, AnnounceType.NOTICE, now)
            batches.confirm(connection, source, merged, channel)
            batches.record(connection, self._database, source, checks)
            served = {(r.id, r.version): p for p, r in zip(fetched, versions, strict=True)}
            if lacks_fields is not None:
                queued = [
                    key for key in new if not served[key].backlog and lacks_fields(served[key])
                ]
                enrichments.enqueue(connection, self._database, source, queued, now)
            counts = FieldCounts.of(served[key] for key in new)
            self._remember(connection, source, memory, counts)
        return Ingested(new=len(new), known=len(merged) - len(new), updated=updated)

    def incomplete(
        self, sources: Collection[str], now: datetime, *, limit: int
    ) -> tuple[Incomplete, ...]:
        """List the queued papers of *sources* that are due, the latest announced first."""
        with self._database.read() as connection:
            rows = enrichments.due(connection, sources, now, limit=limit)
        return tuple(
            Incomplete(
                source=row.source,
                paper=to_paper(row),
                queued_at=row.queued_at,
                tries=row.tries,
            )
            for row in rows
        )

    def complete(self, completions: Sequence[Completion], now: datetime) -> int:
        """
        Fill in empty fields of stored papers and mark the look-ups, in one transaction.

        A field that has a value by now keeps it, and nothing is announced. Return the number of
        papers changed.
        """
        texts = PlainTexts()
        changed = 0
        with self._database.write() as connection:
            self._database.take_lock(connection, INGEST_LOCK)
            stored = _stored(connection, [each.paper_id for each in completions])
            for each in completions:
                old = stored.get((each.paper_id, each.version))
                found = _without_late_notice(connection, each)
                row = texts.add_to(_filled(old, found) if old and found else {})
                if row:
                    this = (papers.c.paper_id == each.paper_id, papers.c.version == each.version)
                    connection.execute(update(papers).where(*this).values(row))
                    aliases.add_doi(connection, self._database, each.paper_id, row.get("doi"), now)
                    changed += 1
                enrichments.mark(connection, each, row, now)
        return changed

    def get(self, paper_id: str, version: int | None = None) -> Paper | None:
        """Return a version of the paper, by default the newest."""
        query = select(papers).where(papers.c.paper_id == paper_id)
        if version is not None:
            query = query.where(papers.c.version == version)
        with self._database.read() as connection:
            row = connection.execute(query.order_by(papers.c.version.desc()).limit(1)).first()
        return to_paper(row) if row else None

    def versions_before(self, versions: Mapping[str, int]) -> dict[str, Paper]:
        """
        Return the newest older version of each paper.

        Args:
            versions: Paper id → version; the result has the one before it, if stored.
        """
        with self._database.read() as connection:
            return versions_before(connection, versions)

    def announcements(
        self,
        after: int,
        upto: int | None,
        *,
        sources: Collection[str] | None,
        types: Collection[AnnounceType] | None,
        since: datetime | None = None,
        backlog: bool = False,
        chunk: int = 500,
    ) -> Iterator[Announcement]:
        """
        Yield the rows of the log in ``(after, upto]``.

        Reads *chunk* rows per transaction: a window of any size needs little memory and blocks no
        writer.

        Args:
            after: Seq before the first row.
            upto: Seq of the last row; None for the head of the log when reading begins.
            sources: Names of sources; None for all.
            types: Announce types; None for all.
            since: Earliest time of fetching.
            backlog: Include the backlog of a source's first fetch.
            chunk: Rows per query.
        """
        end = self.head() if upto is None else upto
        query = _window(sources=sources, types=types, since=since, backlog=backlog).limit(chunk)
        while True:
            bounded = query.where(announcements.c.seq > after, announcements.c.seq <= end)
            with self._database.read() as connection:
                rows = connection.execute(bounded).all()
            yield from map(to_announcement, rows)
            if len(rows) < chunk:
                return
            after = rows[-1].seq

    def notices(self, after: int, upto: int) -> tuple[Announcement, ...]:
        """
        List the rows in ``(after, upto]`` that are news about a known paper, of all sources.

        These are retractions, withdrawals, concerns and the publications of preprints.
        """
        log = announcements.c
        query = _joined().where(log.seq > after, log.seq <= upto).order_by(log.seq)
        is_notice = papers.c.document_type.in_(sorted(NOTICES))
        query = query.where(is_notice | log.type.in_(sorted(STATUS_CHANGES)))
        with self._database.read() as connection:
            return tuple(map(to_announcement, connection.execute(query)))

    def count_announcements(self, after: int, *, sources: Collection[str] | None = None) -> int:
        """Count the rows of sources (default: all) after a seq, except backlog."""
        log = announcements.c
        query = select(func.count()).where(log.seq > after, ~log.backlog)
        if sources is not None:
            query = query.where(log.source.in_(sorted(sources)))
        with self._database.read() as connection:
            return connection.execute(query).scalar_one()

    def of_paper(self, paper_id: str) -> tuple[Announcement, ...]:
        """List the announcements of all versions of a paper."""
        query = _joined().where(announcements.c.paper_id == paper_id)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(announcements.c.seq)).all()
        return tuple(map(to_announcement, rows))

    def with_doi(self, doi: str) -> str | None:
        """Find a paper by its DOI in lower case. Slow: scans the table."""
        query = select(papers.c.paper_id).where(func.lower(papers.c.doi) == doi).limit(1)
        with self._database.read() as connection:
            return connection.execute(query).scalar()

    def titles(self) -> Iterator[tuple[str, str]]:
        """Yield id and title of every version of every paper, by id, newest first. Slow."""
        query = select(papers.c.paper_id, papers.c.title)
        query = query.order_by(papers.c.paper_id.desc(), papers.c.version.desc())
        with self._database.read() as connection:
            rows = connection.execute(query.execution_options(yield_per=_TITLES))
            yield from ((row.paper_id, row.title) for row in rows)

    def head(self) -> int:
        """Return the newest seq; 0 for an empty log."""
        with self._database.read() as connection:
            return connection.execute(select(func.max(announcements.c.seq))).scalar() or 0

    def first_seq_since(self, moment: datetime) -> int:
        """Return the seq before the first row fetched at *moment* or later."""
        # Without "+ 0" both databases read the log from its beginning until a row is late enough;
        # for an expression they use the index on seen_at.
        least = func.min(announcements.c.seq + 0)
        query = select(least).where(announcements.c.seen_at >= moment)
        with self._database.read() as connection:
            first = connection.execute(query).scalar()
        return self.head() if first is None else first - 1

    def first_seen(self, source: str) -> datetime | None:
        """Return when the first paper of *source* was fetched, if any was."""
        log = announcements.c
        query = select(log.seen_at).where(log.source == source).order_by(log.seq).limit(1)
        with self._database.read() as connection:
            return connection.execute(query).scalar()

    def count(self) -> int:
        """Count the stored papers, each version separately."""
        with self._database.read() as connection:
            return connection.execute(select(func.count()).select_from(papers)).scalar_one()

    def rebuild_words(self) -> int:
        """Rebuild the words of papers split by older rules, as `stored_words.rebuild_words`."""
        return rebuild_words(self._database)

    def plain_texts(self, fetched: Sequence[FetchedPaper]) -> "PlainTexts":
        """Do the slow part of `ingest` before its transaction."""
        texts = PlainTexts()
        with self._database.read() as connection:
            stored = _stored(connection, [paper.id for paper in fetched])
        for paper in fetched:
            texts.add_to(_changes(stored.get((paper.id, paper.version)), paper))
        return texts

    def _remember(
        self, connection: Connection, source: str, memory: Mapping[str, str], new: FieldCounts
    ) -> None:
        values: dict[str, Any] = {"memory": dict(memory)}
        first = {"name": source, "status": PassStatus.NEVER, "failures": 0, "fields": asdict(new)}
        if new.papers:
            query = select(sources.c.fields).where(sources.c.name == source)
            before = FieldCounts(**connection.execute(query).scalar() or {})
            values["fields"] = asdict(before.with_more(new))
        insert = self._database.insert(sources).values(first | values)
        connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_=values))


def versions_before(connection: Connection, versions: Mapping[str, int]) -> dict[str, Paper]:
    found: dict[str, Paper] = {}
    query = select(papers).order_by(papers.c.paper_id, papers.c.version)
    for some in chunks(list(versions)):
        rows = connection.execute(query.where(papers.c.paper_id.in_(some)))
        found |= {
            row.paper_id: to_paper(row) for row in rows if row.version < versions[row.paper_id]
        }
    return found


def to_paper(row: Row[Any]) -> Paper:
    """Make a paper of a row with `PAPER_COLUMNS`."""
    return Paper(
        id=row.paper_id,
        version=row.version,
        title=row.title,
        abstract=row.abstract,
        title_raw=row.title_raw,
        abstract_raw=row.abstract_raw,
        authors=authors_from_json(row.authors),
        categories=tuple(row.categories),
        primary_category=row.primary_category,
        published=row.published,
        updated=row.updated,
        comment=row.comment,
        journal_ref=row.journal_ref,
        doi=row.doi,
        url=row.url,
        pdf_url=row.pdf_url,
        document_type=row.document_type,
        published_is_date=row.published_is_date,
        updated_is_date=row.updated_is_date,
        title_words=row.title_words,
        abstract_words=row.abstract_words,
    )


def to_announcement(row: Row[Any]) -> Announcement:
    return Announcement(
        seq=row.seq,
        paper=to_paper(row),
        type=row.type,
        source=row.source,
        seen_at=row.seen_at,
        backlog=row.backlog,
        announced_on=row.announced_on,
    )


def _joined() -> Select[Any]:
    """Select announcements with their papers."""
    log = announcements.c
    return select(
        log.seq, log.source, log.type, log.backlog, log.seen_at, log.announced_on, *PAPER_COLUMNS
    ).join_from(announcements, papers)


def _window(
    *,
    sources: Collection[str] | None,
    types: Collection[AnnounceType] | None,
    since: datetime | None,
    backlog: bool,
) -> Select[Any]:
    """Select part of the log by seq, its primary key."""
    query = _joined().order_by(announcements.c.seq)
    if sources is not None:
        query = query.where(announcements.c.source.in_(sorted(sources)))
    if types is not None:
        query = query.where(announcements.c.type.in_(sorted(types)))
    if since is not None:
        query = query.where(announcements.c.seen_at >= since)
    return query if backlog else query.where(~announcements.c.backlog)


def _merge(fetched: Iterable[FetchedPaper]) -> list[FetchedPaper]:
    """
    Merge repeats of a version at their first place.

    The last text wins, with the best announce type: arXiv's daily feeds can list one paper as new
    in one category and as a cross-list in another.
    """
    merged: dict[_Key, FetchedPaper] = {}
    for paper in fetched:
        key = (paper.id, paper.version)
        if before := merged.get(key):
            best = min(before.type, paper.type, key=_RANK.__getitem__)
            merged[key] = replace(paper, type=best, backlog=before.backlog and paper.backlog)
        else:
            merged[key] = paper
    return list(merged.values())


def _append(
    connection: Connection,
    source: str,
    fetched: Sequence[FetchedPaper],
    now: datetime,
    channel: Channel | None,
) -> list[_Key]:
    """
    Log the papers that are new from *source*. Return their ids and versions.

    OAI-PMH serves a cross-list of an old paper like any edit or replacement; only the daily feed
    announces it. The row of such a paper moves to the end of the log, so that digests that have
    passed it see the announcement; editions remember what they had.

    The query before the INSERT is safe under `INGEST_LOCK`. ON CONFLICT would use up a seq on
    PostgreSQL for every known row.
    """
    known = _announced(connection, source, [paper.id for paper in fetched])
    new = [
        paper for paper in fetched if _is_news(paper, known.get((paper.id, paper.version)), channel)
    ]
    again = [row for paper in new if (row := known.get((paper.id, paper.version)))]
    for some in chunks([row.seq for row in again]):
        connection.execute(delete(announcements).where(announcements.c.seq.in_(some)))
    channels = {(row.paper_id, row.version): row.channels for row in again}
    rows = [
        {
            "source": source,
            "paper_id": paper.id,
            "version": paper.version,
            "type": paper.type,
            "backlog": paper.backlog,
            "seen_at": now,
            "announced_on": paper.announced_on,
            "channels": batches.bit(channel) | channels.get((paper.id, paper.version), 0),
        }
        for paper in new
    ]
    if rows:
        connection.execute(announcements.insert(), rows)
    return [(paper.id, paper.version) for paper in new]


def _append_status(
    connection: Connection, source: str, keys: Sequence[_Key], type_: AnnounceType, now: datetime
) -> None:
    """Log that the status of versions has changed, once from each source."""
    log = announcements.c
    rows = [
        {
            "source": source,
            "paper_id": paper_id,
            "version": version,
            "type": type_,
            "backlog": False,
            "seen_at": now,
            "channels": 0,
        }
        for paper_id, version in keys
    ]
    query = select(log.paper_id, log.version).where(log.source == source, log.type == type_)
    known: set[_Key] = set()
    for some in chunks([paper_id for paper_id, _ in keys]):
        found = connection.execute(query.where(log.paper_id.in_(some)))
        known |= {(row.paper_id, row.version) for row in found}
    if fresh := [row for row in rows if (row["paper_id"], row["version"]) not in known]:
        connection.execute(announcements.insert(), fresh)


def _is_news(paper: FetchedPaper, row: Row[Any] | None, channel: Channel | None) -> bool:
    """Return True if *paper* needs a row at the end of the log; *row* is its present one."""
    if row is None:
        return True
    if paper.backlog or paper.announced_on is None:
        return False
    is_mistaken = row.type in REPLACEMENTS and paper.type not in REPLACEMENTS
    return bool(row.backlog) or (channel is Channel.RSS and is_mistaken)


def _announced(connection: Connection, source: str, ids: Sequence[str]) -> dict[_Key, Row[Any]]:
    log = announcements.c
    query = select(log.seq, log.paper_id, log.version, log.type, log.backlog, log.channels)
    query = query.where(log.source == source, log.type.not_in(sorted(STATUS_CHANGES)))
    found: dict[_Key, Row[Any]] = {}
    for some in chunks(ids):
        rows = connection.execute(query.where(log.paper_id.in_(some)))
        found |= {(row.paper_id, row.version): row for row in rows}
    return found


def _stored(connection: Connection, ids: Sequence[str]) -> dict[_Key, Row[Any]]:
    found: dict[_Key, Row[Any]] = {}
    for some in chunks(ids):
        rows = connection.execute(select(papers).where(papers.c.paper_id.in_(some)))
        found |= {(row.paper_id, row.version): row for row in rows}
    return found


def _store_papers(
    connection: Connection, fetched: Sequence[FetchedPaper], texts: "PlainTexts"
) -> tuple[int, list[_Key]]:
    """
    Insert new versions and update others.

    Return the number changed, and those of them that were withdrawn or retracted since.
    """
    stored = _stored(connection, [paper.id for paper in fetched])
    fresh = []
    changed = 0
    withdrawn: list[_Key] = []
    for paper in fetched:
        old = stored.get((paper.id, paper.version))
        row = texts.add_to(_changes(old, paper))
        if old is None:
            fresh.append(row)
        elif row:
            changed += 1
            this = (papers.c.paper_id == paper.id, papers.c.version == paper.version)
            connection.execute(update(papers).where(*this).values(row))
            if row.get("document_type") in NOTICES and old.document_type not in NOTICES:
                withdrawn.append((paper.id, paper.version))
    if fresh:
        connection.execute(papers.insert(), fresh)
    return changed, withdrawn


def _changes(old: Row[Any] | None, paper: FetchedPaper) -> dict[str, Any]:
    """Return the columns of *paper* with new values."""
    row = _row(paper)
    if old is None:
        return row
    stored = old._mapping
    # PAPER is the default of sources that know less.
    given = {name for name, value in row.items() if value and value is not DocumentType.PAPER}
    given |= {f"{name}_is_date" for name in ("published", "updated") if row[name]}
    return {name: row[name] for name in row if name in given and row[name] != stored[name]}


_FILLABLE: Final = ("abstract_raw", "authors", "doi", "journal_ref", "document_type")
"""Columns that `Papers.complete` fills in if they are empty."""


def _without_late_notice(connection: Connection, completion: Completion) -> FetchedPaper | None:
    """
    Return what was found, without a retraction of a paper that an edition has.

    The publisher's own notice, a new version, tells its readers.
    """
    found = completion.found
    if found is None or found.document_type not in NOTICES:
        return found
    sent = edition_papers.c
    query = select(sent.paper_id).where(
        sent.digest_id.in_(select(digests.c.id)),  # an index begins with it
        sent.paper_id == completion.paper_id,
        sent.version == completion.version,
    )
    is_sent = connection.execute(query.limit(1)).first() is not None
    return replace(found, document_type=DocumentType.PAPER) if is_sent else found


def _filled(old: Row[Any], found: FetchedPaper) -> dict[str, Any]:
    """Return the columns that are empty in *old* and have a value in *found*."""
    stored = old._mapping
    empty = {name for name in _FILLABLE if not stored[name] or stored[name] is DocumentType.PAPER}
    return {name: value for name, value in _changes(old, found).items() if name in empty}


def _row(paper: FetchedPaper) -> dict[str, Any]:
    """Return the columns of *paper* but the plain forms, which are slow to compute."""
    return {
        "paper_id": paper.id,
        "version": paper.version,
        "title_raw": storable(paper.title),
        "abstract_raw": storable(paper.abstract),
        "authors": authors_to_json([_plain_author(author) for author in paper.authors]),
        "categories": list(paper.categories),
        "primary_category": paper.primary_category,
        "published": paper.published,
        "published_is_date": paper.published_is_date,
        "updated": paper.updated,
        "updated_is_date": paper.updated_is_date,
        "comment": _line(paper.comment),
        "journal_ref": _line(paper.journal_ref),
        "doi": paper.doi,
        "url": paper.url,
        "pdf_url": paper.pdf_url,
        "document_type": paper.document_type,
    }


def _line(raw: str | None) -> str | None:
    return None if raw is None else plain(raw, one_line=True)


def _plain_author(author: Author) -> Author:
    """Convert TeX accents in names, which arXiv's oldest papers have."""
    texts = (author.name, *author.affiliations)
    if not any("\\" in part or "$" in part for part in texts):
        return author
    name, *affiliations = (plain(part, one_line=True) for part in texts)
    return Author(name=name, affiliations=tuple(affiliations))


class PlainTexts:
    """Plain forms and words of titles and abstracts, each computed once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], dict[str, str]] = {}

    def add_to(self, row: dict[str, Any]) -> dict[str, Any]:
        """Add the plain forms and words of the raw texts in *row*."""
        for name in ("title", "abstract"):
            if f"{name}_raw" in row:
                row = row | self._forms(name, row[f"{name}_raw"])
        return row

    def _forms(self, name: str, raw: str) -> dict[str, str]:
        if (name, raw) not in self._known:
            text = storable(plain(raw, one_line=name == "title"))
            self._known[name, raw] = {name: text, f"{name}_words": pack_words(text)}
        return self._known[name, raw]
