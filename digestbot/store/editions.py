"""
Editions: recorded once, together with their deliveries, and immutable afterwards.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, insert, select, update

from digestbot.model import (
    REPLACEMENTS,
    Body,
    DeliveryState,
    Destination,
    Edition,
    EditionPaper,
    Form,
    Offered,
    Paper,
)
from digestbot.store import renditions
from digestbot.store.database import Database, chunks
from digestbot.store.papers import PAPER_COLUMNS, to_paper, versions_before
from digestbot.store.tables import (
    digests,
    edition_papers,
    editions,
    papers,
    volumes,
)
from digestbot.store.transitions import create
from digestbot.store.values import (
    EditionSummary,
    Skipped,
    coverage_from_json,
    coverage_to_json,
    matches_from_json,
    matches_to_json,
    skipped_to_json,
)

FloodCheck = Callable[[int, Sequence[int]], str | None]
"""Returns a reason to hold an edition, given the deliveries of today and of each day before."""
HISTORY = timedelta(days=30)
"""Period of the days that a `FloodCheck` compares with."""
Envelope = tuple[Destination, int | None]
"""A destination, and the subscription it belongs to, if any."""


class Editions:
    """The part of the store with editions; recording one also queues its deliveries."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._fragments = renditions.FragmentCache()

    def record(
        self,
        digest: str,
        edition: Edition,
        waiting: Sequence[EditionPaper],
        bodies: Mapping[Form, Body],
        destinations: Sequence[Envelope],
        next_due_at: datetime | None,
        now: datetime,
        *,
        message_domain: str,
        expires_at: datetime | None = None,
        flood_check: FloodCheck = lambda today, days: None,
    ) -> int | None:
        """
        Record an edition, queue its deliveries and advance the digest.

        This is one transaction.

        Args:
            digest: Name of the digest.
            edition: The edition; its ``from_seq`` is the cursor it was made from.
            waiting: Papers that wait for the next edition, see `waiting`.
            bodies: Its forms, as they are sent in every attempt.
            destinations: Destinations; a repeated one gets one delivery.
            next_due_at: When the digest is due next.
            now: When the deliveries are made; also the Date of their messages.
            message_domain: Right side of their Message-IDs, see `delivery_queries.message_id`.
            expires_at: When deliveries not sent yet are held; None for never.
            flood_check: Called within the transaction; a reason holds all the deliveries.

        Returns:
            The edition's key, or None if another process was first: the cursor has moved, or the
            slot has an edition.
        """
        with self._database.write() as connection:
            digest_id = self._advance_for(connection, digest, edition, next_due_at, now)
            if digest_id is None or _has_slot(connection, digest_id, edition.slot):
                connection.rollback()
                return None
            edition_id = _insert_edition(connection, digest_id, edition, message_domain, expires_at)
            _insert_papers(connection, digest_id, edition_id, edition, waiting)
            renditions.insert_forms(self._database, connection, edition_id, bodies)
            envelopes = _once(destinations)
            reason = self._hold_reason(connection, len(envelopes), now, flood_check)
            _insert_deliveries(connection, edition_id, envelopes, now, reason)
            return edition_id

    def _hold_reason(
        self, connection: Connection, added: int, now: datetime, flood_check: FloodCheck
    ) -> str | None:
        """Count *added* deliveries. Return the reason to hold them, if any."""
        if not added:
            return None
        today, first = (day.date().isoformat() for day in (now, now - HISTORY))
        count = self._database.insert(volumes).values(day=today, deliveries=added)
        count = count.on_conflict_do_update(
            index_elements=["day"], set_={"deliveries": volumes.c.deliveries + added}
        )
        total = connection.execute(count.returning(volumes.c.deliveries)).scalar_one()
        before = select(volumes.c.deliveries).where(volumes.c.day >= first, volumes.c.day < today)
        return flood_check(total, connection.execute(before).scalars().all())

    def advance(
        self,
        digest: str,
        from_seq: int,
        to_seq: int,
        next_due_at: datetime | None,
        *,
        skipped: Skipped | None = None,
    ) -> bool:
        """
        Move the cursor without an edition. Return False unless it was at *from_seq*.

        *skipped* has the counts of all windows since the last edition.
        """
        here = (digests.c.name == digest, digests.c.cursor == from_seq)
        moved = {
            "cursor": to_seq,
            "next_due_at": next_due_at,
            "skipped": skipped_to_json(skipped),
        }
        with self._database.write() as connection:
            return connection.execute(update(digests).where(*here).values(moved)).rowcount == 1

    def offered(self, digest: str, ids: Collection[str]) -> tuple[Offered, ...]:
        """Return what earlier editions showed or listed of the papers *ids*, in any version."""
        rows = edition_papers.c
        query = select(rows.paper_id, rows.version, rows.type, rows.document_type).distinct()
        query = query.join_from(edition_papers, digests, digests.c.id == rows.digest_id)
        query = query.where(digests.c.name == digest, rows.waits == 0)
        found: list[Offered] = []
        with self._database.read() as connection:
            for some in chunks(sorted(ids)):
                answer = connection.execute(query.where(rows.paper_id.in_(some)))
                found += (Offered(**row._mapping) for row in answer)
        return tuple(found)

    def receivers(self, ids: Collection[str]) -> dict[str, set[str]]:
        """Return the names of the digests that matched each paper in any version."""
        rows = edition_papers.c
        query = select(rows.paper_id, digests.c.name).distinct()
        query = query.join_from(edition_papers, digests, digests.c.id == rows.digest_id)
        found: dict[str, set[str]] = {}
        with self._database.read() as connection:
            for some in chunks(sorted(ids)):
                for row in connection.execute(query.where(rows.paper_id.in_(some))):
                    found.setdefault(row.paper_id, set()).add(row.name)
        return found

    def of_paper(self, digest: str, paper_id: str) -> dict[str, bool]:
        """
        Return the editions that have any version of the paper, oldest first.

        Maps the name of each to True if it shows the paper in full, False if in one line.
        """
        rows = edition_papers.c
        query = select(editions.c.number, rows.included).join_from(edition_papers, editions)
        query = query.join(digests, digests.c.id == rows.digest_id)
        query = query.where(digests.c.name == digest, rows.paper_id == paper_id, rows.waits == 0)
        with self._database.read() as connection:
            found = connection.execute(query.order_by(editions.c.number, rows.included)).all()
        return {f"{digest}/{row.number}": row.included for row in found}

    def waiting(self, digest: str) -> tuple[EditionPaper, ...]:
        """Return the papers that wait for the digest's next edition, best first."""
        query = select(editions.c.id).join_from(editions, digests)
        last = (digests.c.name == digest, editions.c.number == digests.c.editions)
        with self._database.read() as connection:
            edition_id = connection.execute(query.where(*last)).scalar()
            if edition_id is None:
                return ()
            return _papers_of(connection, edition_id, edition_papers.c.waits > 0)

    def list(
        self, digest: str | None = None, *, limit: int = 50, offset: int = 0
    ) -> tuple[EditionSummary, ...]:
        """List editions, newest first, of one digest or all."""
        query = _summaries().order_by(editions.c.id.desc()).limit(limit).offset(offset)
        if digest is not None:
            query = query.where(digests.c.name == digest)
        with self._database.read() as connection:
            return tuple(map(_to_summary, connection.execute(query)))

    def last(self, digest: str) -> EditionSummary | None:
        """Return the digest's newest edition."""
        return next(iter(self.list(digest, limit=1)), None)

    def get(self, digest: str, number: int) -> Edition | None:
        """
        Return the edition with its papers, best first.

        Their metadata is the current one, which a source may have corrected since. The offsets of
        the matches refer to the text of that day. `rendition` has what was sent.
        """
        query = select(editions, digests.c.name.label("digest")).join_from(editions, digests)
        query = query.where(digests.c.name == digest, editions.c.number == number)
        with self._database.read() as connection:
            row = connection.execute(query).first()
            if row is None:
                return None
            rows = edition_papers.c
            included = _papers_of(connection, row.id, rows.included)
            listed = _papers_of(connection, row.id, ~rows.included & (rows.waits == 0))
            return _to_edition(row, included, listed)

    def rendition(self, edition_id: int, form: Form) -> Body | None:
        """Return one form of an edition, if it was rendered."""
        return self.renditions({edition_id}, {form}).get((edition_id, form))

    def renditions(
        self, edition_ids: Collection[int], forms: Collection[Form]
    ) -> dict[tuple[int, Form], Body]:
        """Read forms of several editions together. Missing ones are left out."""
        with self._database.read() as connection:
            return renditions.read_forms(connection, edition_ids, forms, self._fragments)

    def _advance_for(
        self,
        connection: Connection,
        digest: str,
        edition: Edition,
        next_due_at: datetime | None,
        now: datetime,
    ) -> int | None:
        """
        Advance the digest if its cursor is at the edition's start, and return its key.

        The row stays locked until the transaction ends, so that a second process finds it moved.
        The number of editions is compared too: an empty edition leaves the cursor unchanged.
        """
        here = (
            digests.c.name == digest,
            digests.c.cursor == edition.from_seq,
            digests.c.editions == edition.number - 1,
        )
        moved = {
            "cursor": edition.to_seq,
            "covered_to": edition.covers_to,
            "skipped": None,
            "next_due_at": next_due_at,
            "editions": edition.number,
            "last_edition_at": now,
            "last_error": None,
        }
        change = update(digests).where(*here).values(moved).returning(digests.c.id)
        key: int | None = connection.execute(change).scalar()
        return key


def _has_slot(connection: Connection, digest_id: int, slot: str) -> bool:
    here = (editions.c.digest_id == digest_id, editions.c.slot == slot)
    return connection.execute(select(editions.c.id).where(*here)).first() is not None


def _insert_edition(
    connection: Connection,
    digest_id: int,
    edition: Edition,
    message_domain: str,
    expires_at: datetime | None,
) -> int:
    row = {
        "digest_id": digest_id,
        "number": edition.number,
        "slot": edition.slot,
        "title": edition.title,
        "created_at": edition.created_at,
        "from_seq": edition.from_seq,
        "to_seq": edition.to_seq,
        "papers": len(edition.papers),
        "omitted": edition.omitted,
        "carried": edition.carried,
        "covers_from": edition.covers_from,
        "covers_to": edition.covers_to,
        "considered": edition.considered,
        "coverage": coverage_to_json(edition.coverage),
        "message_domain": message_domain,
        "expires_at": expires_at,
    }
    made = connection.execute(insert(editions).values(row).returning(editions.c.id))
    key: int = made.scalar_one()
    return key


def _insert_papers(
    connection: Connection,
    digest_id: int,
    edition_id: int,
    edition: Edition,
    waiting: Sequence[EditionPaper],
) -> None:
    shown = [(True, paper) for paper in edition.papers]
    ranked = shown + [(False, paper) for paper in (*edition.more, *waiting)]
    rows = [
        {
            "edition_id": edition_id,
            "rank": rank,
            "digest_id": digest_id,
            "paper_id": paper.paper.id,
            "version": paper.paper.version,
            "document_type": paper.paper.document_type,
            "included": is_included,
            "waits": paper.waits,
            "seq": paper.seq,
            "type": paper.type,
            "source": paper.source,
            "seen_at": paper.seen_at,
            "score": paper.score,
            "matches": matches_to_json(paper.matches),
        }
        for rank, (is_included, paper) in enumerate(ranked, start=1)
    ]
    if rows:
        connection.execute(insert(edition_papers), rows)


def _once(envelopes: Sequence[Envelope]) -> Mapping[Destination, int | None]:
    """Map each destination to its first subscription."""
    first: dict[Destination, int | None] = {}
    for destination, subscription_id in envelopes:
        first.setdefault(destination, subscription_id)
    return first


def _insert_deliveries(
    connection: Connection,
    edition_id: int,
    envelopes: Mapping[Destination, int | None],
    now: datetime,
    held: str | None,
) -> None:
    """Insert deliveries, queued or, given a reason in *held*, held."""
    rows: list[dict[str, Any]] = [
        {
            "edition_id": edition_id,
            "subscription_id": subscription_id,
            "kind": destination.kind,
            "address": destination.address,
            "state": DeliveryState.QUEUED if held is None else DeliveryState.HELD,
            "created_at": now,
            "next_at": now if held is None else None,
            "last_error": held,
        }
        for destination, subscription_id in envelopes.items()
    ]
    create(connection, rows)


def _summaries() -> Select[Any]:
    return select(editions, digests.c.name.label("digest")).join_from(editions, digests)


def _to_summary(row: Row[Any]) -> EditionSummary:
    return EditionSummary(
        id=row.id,
        digest=row.digest,
        number=row.number,
        slot=row.slot,
        title=row.title,
        created_at=row.created_at,
        from_seq=row.from_seq,
        to_seq=row.to_seq,
        papers=row.papers,
        omitted=row.omitted,
        considered=row.considered,
    )


def _to_edition(
    row: Row[Any], included: tuple[EditionPaper, ...], listed: tuple[EditionPaper, ...]
) -> Edition:
    return Edition(
        id=row.id,
        digest=row.digest,
        title=row.title,
        number=row.number,
        slot=row.slot,
        created_at=row.created_at,
        from_seq=row.from_seq,
        to_seq=row.to_seq,
        papers=included,
        more=listed,
        waiting=row.omitted - len(listed),
        carried=row.carried,
        covers_from=row.covers_from,
        covers_to=row.covers_to,
        considered=row.considered,
        coverage=coverage_from_json(row.coverage),
    )


def _papers_of(
    connection: Connection, edition_id: int, wanted: ColumnElement[bool]
) -> tuple[EditionPaper, ...]:
    """Return the *wanted* papers of the edition, best first."""
    rows = edition_papers.c
    why = (rows.seq, rows.type, rows.source, rows.seen_at, rows.score, rows.matches, rows.waits)
    query = select(*why, *PAPER_COLUMNS).join_from(edition_papers, papers)
    query = query.where(rows.edition_id == edition_id, wanted).order_by(rows.rank)
    found = connection.execute(query).all()
    updated = {row.paper_id: row.version for row in found if row.type in REPLACEMENTS}
    previous = versions_before(connection, updated)
    return tuple(_to_edition_paper(row, previous.get(row.paper_id)) for row in found)


def _to_edition_paper(row: Row[Any], previous: Paper | None) -> EditionPaper:
    return EditionPaper(
        seq=row.seq,
        paper=to_paper(row),
        type=row.type,
        source=row.source,
        seen_at=row.seen_at,
        score=row.score,
        matches=matches_from_json(row.matches),
        previous=previous,
        waits=row.waits,
    )
