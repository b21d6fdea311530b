"""
Batches: what arXiv announced on each day, and which of its channels served it.

A row of the log has the day of its announcement and a bit for each channel that served it. A later
channel completes both: one that is sure of the day, the daily feed or OAI-PMH, also corrects the
type that the query API could only guess. `digestbot.batches` tells from this what is verified.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Connection, func, select, update

from digestbot.model import (
    STATUS_CHANGES,
    AnnounceType,
    BatchOutcome,
    Channel,
    ChannelCheck,
    FetchedPaper,
)
from digestbot.store.database import Database, chunks
from digestbot.store.tables import announcements, channel_checks, papers

_BITS: Final[Mapping[Channel | None, int]] = {
    None: 0,
    Channel.RSS: 1,
    Channel.OAI: 2,
    Channel.API: 4,
}
_FETCH: Final = 1000

# Batches leave out changes of status, such as a publication.
_is_announcement: Final = announcements.c.type.not_in(sorted(STATUS_CHANGES))


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPaper:
    """One row of the log, as part of a batch."""

    source: str
    paper_id: str
    version: int
    type: AnnounceType
    announced_on: date | None
    """None if only the query API has served it."""
    published: datetime | None
    updated: datetime | None
    seen_at: datetime
    categories: tuple[str, ...]
    channels: frozenset[Channel]
    """The channels that have served this version."""


class Batches:
    """The part of the store with the announcements of each day and the state of the channels."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def checks(
        self, since: date, *, sources: Collection[str] | None = None
    ) -> tuple[tuple[str, ChannelCheck], ...]:
        """List what the channels of each source served of the days from *since* on, by day."""
        table = channel_checks.c
        query = select(channel_checks).where(table.announced_on >= since)
        if sources is not None:
            query = query.where(table.source.in_(sorted(sources)))
        query = query.order_by(table.announced_on, table.source, table.channel)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return tuple((row.source, _check(row._mapping)) for row in rows)

    def first_days(self, sources: Collection[str]) -> dict[str, date]:
        """
        Return the first day of each source on which a channel had papers, or failed.

        A first pass finds the days before its backfill empty.
        """
        table = channel_checks.c
        query = select(table.source, func.min(table.announced_on).label("day"))
        query = query.where(
            table.source.in_(sorted(sources)), table.outcome != BatchOutcome.EMPTY
        ).group_by(table.source)
        with self._database.read() as connection:
            return {row.source: row.day for row in connection.execute(query)}

    def papers(
        self, since: datetime, *, sources: Collection[str] | None = None
    ) -> Iterator[BatchPaper]:
        """
        Yield the rows of the log announced or fetched since the aware *since*, except backlog.

        Papers whose day is known are those from that day on.
        """
        log = announcements.c
        columns = (log.source, log.paper_id, log.version, log.type, log.announced_on, log.seen_at)
        query = select(
            *columns, log.channels, papers.c.published, papers.c.updated, papers.c.categories
        ).join_from(announcements, papers)
        query = query.where(~log.backlog, _is_announcement)
        query = query.execution_options(yield_per=_FETCH)
        if sources is not None:
            query = query.where(log.source.in_(sorted(sources)))
        # Two queries, each with its index: joined by OR they read the whole log.
        dated = log.announced_on >= since.date()
        undated = log.announced_on.is_(None) & (log.seen_at >= since)
        with self._database.read() as connection:
            for is_recent in (dated, undated):
                for row in connection.execute(query.where(is_recent)):
                    yield _batch_paper(row._mapping)


def bit(channel: Channel | None) -> int:
    """Return the bit of *channel* in the log."""
    return _BITS[channel]


def confirm(
    connection: Connection,
    source: str,
    fetched: Sequence[FetchedPaper],
    channel: Channel | None,
) -> None:
    """Record in the rows of *fetched* that *channel* served them, and the day if it is new."""
    if channel is None:
        return
    log = announcements.c
    served = {(paper.id, paper.version): paper for paper in fetched}
    for some in chunks([paper.id for paper in fetched]):
        query = select(log.seq, log.paper_id, log.version, log.channels, log.announced_on)
        query = query.where(log.source == source, _is_announcement, log.paper_id.in_(some))
        rows = connection.execute(query).all()
        for row in rows:
            paper = served.get((row.paper_id, row.version))
            values = _completed(row._mapping, paper, channel) if paper else {}
            if values:
                connection.execute(update(announcements).where(log.seq == row.seq).values(values))


def _completed(row: Mapping[Any, Any], paper: FetchedPaper, channel: Channel) -> dict[str, Any]:
    """Return the columns of a row that *channel* completes."""
    values: dict[str, Any] = {}
    if not row["channels"] & bit(channel):
        values["channels"] = row["channels"] | bit(channel)
    if row["announced_on"] is None and paper.announced_on is not None:
        values |= {"announced_on": paper.announced_on, "type": paper.type}
    return values


def record(
    connection: Connection, database: Database, source: str, checks: Sequence[ChannelCheck]
) -> None:
    """Store *checks*; each replaces an incomplete one of its channel and day."""
    for check in checks:
        row = {
            "channel": check.channel,
            "announced_on": check.announced_on,
            "outcome": check.outcome,
            "at": check.at,
            "detail": check.detail,
        }
        insert = database.insert(channel_checks).values(source=source, **row)
        changed = {key: insert.excluded[key] for key in ("outcome", "at", "detail")}
        connection.execute(
            insert.on_conflict_do_update(
                index_elements=["source", "announced_on", "channel"],
                set_=changed,
                where=channel_checks.c.outcome != BatchOutcome.COMPLETE,
            )
        )


def _check(row: Mapping[Any, Any]) -> ChannelCheck:
    return ChannelCheck(**{key: row[key] for key in row if key != "source"})


def _batch_paper(row: Mapping[Any, Any]) -> BatchPaper:
    channels = frozenset(each for each in Channel if row["channels"] & bit(each))
    values = dict(row) | {"channels": channels, "categories": tuple(row["categories"])}
    return BatchPaper(**values)
