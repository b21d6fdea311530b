"""
Results of the store beyond `digestbot.model`, and the JSON form of some values.

All are frozen; datetimes are aware and in UTC.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from digestbot.model import (
    Author,
    Batch,
    BatchOutcome,
    BatchState,
    CategoryCoverage,
    Channel,
    ChannelAnswer,
    DeliveryState,
    FetchedPaper,
    Match,
    Origin,
    Paper,
    SourceCoverage,
)
from digestbot.store.tables import PassStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """Counts of one `Papers.ingest`."""

    new: int
    """Announcements appended to the log."""
    known: int
    """Papers of the page that this source had announced before."""
    updated: int
    """Stored papers whose metadata changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incomplete:
    """A queued paper that lacks fields, and is due to be looked up again."""

    source: str
    """Of its first announcement."""
    paper: Paper
    queued_at: datetime
    tries: int
    """Earlier look-ups that were answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """Result of a look-up, for `Papers.complete`."""

    paper_id: str
    version: int
    found: FetchedPaper | None = None
    """Values of the fields in `origins`."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Field of `enrichments.FIELDS` → service that knows it."""
    next_at: datetime | None
    """When to look up the paper again; None if it is complete or given up."""
    is_answered: bool
    """True if the services answered, so that the look-up counts as one of the tries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceState:
    """State of a service that completes papers."""

    name: str
    last_ok_at: datetime | None
    failed_at: datetime | None
    """Last failure, unless it has answered since."""
    last_error: str | None
    rests_until: datetime | None = None
    """When it may be asked again, if it wanted rest."""


RECENT_PAPERS = 200
"""Papers by which older ones are half forgotten in `FieldCounts`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldCounts:
    """How many of a source's recent papers came with which field."""

    papers: int = 0
    abstracts: int = 0
    authors: int = 0
    dois: int = 0
    dates: int = 0

    @classmethod
    def of(cls, papers: Iterable[FetchedPaper]) -> "FieldCounts":
        """Count the fields of *papers* as the source served them."""
        given = list(papers)
        return cls(
            papers=len(given),
            abstracts=sum(bool(paper.abstract) for paper in given),
            authors=sum(bool(paper.authors) for paper in given),
            dois=sum(bool(paper.doi) for paper in given),
            dates=sum(bool(paper.published or paper.updated) for paper in given),
        )

    def with_more(self, more: "FieldCounts") -> "FieldCounts":
        """Add *more*; what is older than some hundred papers loses its weight."""
        excess = self.papers + more.papers > 2 * RECENT_PAPERS
        kept = min(self.papers, RECENT_PAPERS) / self.papers if excess and self.papers else 1
        return FieldCounts(
            papers=round(self.papers * kept) + more.papers,
            abstracts=round(self.abstracts * kept) + more.abstracts,
            authors=round(self.authors * kept) + more.authors,
            dois=round(self.dois * kept) + more.dois,
            dates=round(self.dates * kept) + more.dates,
        )

    def shares(self) -> dict[str, float | None]:
        """Return the share of papers with each field; None without papers."""
        counts = {
            "abstracts": self.abstracts,
            "authors": self.authors,
            "dois": self.dois,
            "dates": self.dates,
        }
        return {
            name: round(count / self.papers, 3) if self.papers else None
            for name, count in counts.items()
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """State of a source after its last pass."""

    name: str
    memory: Mapping[str, str]
    """The source's own notes, as of the last page stored."""
    asked: str | None
    """Fingerprint of the options at the last pass; see `Sources.begin_pass`."""
    status: PassStatus
    last_try_at: datetime | None
    last_ok_at: datetime | None
    """Last complete answer."""
    last_new_at: datetime | None
    """End of the last pass that found something new."""
    next_try_at: datetime | None
    """Earliest time of the next try, if limited."""
    failures: int
    """Failed passes in a row."""
    last_error: str | None
    note: str | None
    fields: FieldCounts
    """Of its recent papers, as served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One reading of a source, from the newest entry back to a known one."""

    id: int
    source: str
    started_at: datetime
    ended_at: datetime | None
    """End of the pass, unless it runs or its process was killed."""
    status: PassStatus
    pages: int
    entries: int
    new: int
    error: str | None
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """Counts of windows that brought no edition; the next edition adds them to its own."""

    considered: int
    coverage: tuple[SourceCoverage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestState:
    """State of a digest: its position in the log and its schedule."""

    id: int
    name: str
    origin: Origin
    fingerprint: str
    """Fingerprint of its schedule; empty for a digest removed from the config."""
    cursor: int
    """Last seq that an edition, or a decision to skip one, has covered."""
    covered_to: datetime | None
    """End of the last edition's window; None before the first edition."""
    skipped: Skipped | None
    """Counts of the windows between the last edition and the cursor, if any."""
    next_due_at: datetime | None
    """When the next edition is due, if ever."""
    last_error: str | None
    editions: int
    """Editions so far; the next one has the next number."""
    last_edition_at: datetime | None

    @property
    def is_removed(self) -> bool:
        """True once a sync has ended the digest because the config no longer has it."""
        return not self.fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionSummary:
    """Summary of an edition, for lists."""

    id: int
    digest: str
    number: int
    slot: str
    title: str
    created_at: datetime
    from_seq: int
    to_seq: int
    papers: int
    omitted: int
    considered: int

    @property
    def name(self) -> str:
        """``systems/12``."""
        return f"{self.digest}/{self.number}"


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of one delivery's state, as its worker requests it."""

    delivery_id: int
    to: DeliveryState
    """The new state; ``sending`` after one of several messages was accepted."""
    at: datetime | None
    """For ``data_done`` and ``sent`` the time of the change, for ``retrying`` when it is due, for
    ``sending`` when the lease ends; otherwise None."""
    attempt: int | None = None
    """The worker's attempt; None to skip the check of the attempt."""
    receipt: str | None = None
    """Reply with which the server accepted the message."""
    error: str | None = None
    code: str | None = None
    acknowledged: str | None = None
    """The message that was accepted, such as Slack's ``ts``."""
    in_doubt: bool = False
    """The failed attempt may have been accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxState:
    """State of a mailbox for bounces after the last check."""

    name: str
    mark: str
    """Position up to which it is read; empty at first."""
    last_ok_at: datetime | None
    last_error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt to send a delivery."""

    attempt: int
    """Counted from 1."""
    at: datetime
    """When it began; for a successful one, when it succeeded."""
    outcome: DeliveryState
    """The state it led to; ``sending`` while its lease lasts."""
    code: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """Daily limit of deliveries to one destination."""

    per_day: int
    day: str
    """Unique name of the current day."""
    next_at: datetime
    """Start of the next day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindPause:
    """Pause of a kind of destination whose server refuses us."""

    kind: str
    until: datetime
    failures: int
    """Failures of the server in a row."""
    needs_operator: bool
    """The settings have to change first."""
    error: str
    """Last reply of the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """Counts of deliveries recovered from dead workers, by new state."""

    retrying: int
    unknown: int
    quarantined: int


def authors_to_json(authors: Sequence[Author]) -> list[Any]:
    """Encode authors. Most have only a name, which keeps reads fast."""
    return [[a.name, *a.affiliations] if a.affiliations else a.name for a in authors]


def authors_from_json(stored: list[Any]) -> tuple[Author, ...]:
    return tuple(
        Author(name=item)
        if isinstance(item, str)
        else Author(name=item[0], affiliations=tuple(item[1:]))
        for item in stored
    )


def matches_to_json(matches: Sequence[Match]) -> list[Any]:
    return [[m.field, m.term, m.text, m.start, m.end] for m in matches]


def matches_from_json(stored: list[Any]) -> tuple[Match, ...]:
    return tuple(
        Match(field=field, term=term, text=text, start=start, end=end)
        for field, term, text, start, end in stored
    )


def coverage_to_json(coverage: Sequence[SourceCoverage]) -> list[Any]:
    return [
        {
            "source": c.source,
            "announced": c.announced,
            "matched": c.matched,
            "omitted": c.omitted,
            "first_at": c.first_at.isoformat() if c.first_at else None,
            "last_at": c.last_at.isoformat() if c.last_at else None,
            "categories": [[k.category, k.announced, k.matched] for k in c.categories],
            "status": c.status,
            "as_of": c.as_of.isoformat() if c.as_of else None,
            "note": c.note,
            "batches": [_batch_to_json(batch) for batch in c.batches],
        }
        for c in coverage
    ]


def _batch_to_json(batch: Batch) -> list[Any]:
    answers = [
        [a.channel, a.outcome, a.at.isoformat() if a.at else None, a.lacks] for a in batch.answers
    ]
    again = batch.asked_again_at.isoformat() if batch.asked_again_at else None
    facts = [batch.category, batch.day.isoformat(), batch.state, batch.papers, batch.misplaced]
    return [*facts, again, answers]


def _batch_from_json(source: str, stored: list[Any]) -> Batch:
    category, day, state, papers, misplaced, again, answers = stored
    return Batch(
        source=source,
        category=category,
        day=date.fromisoformat(day),
        state=BatchState(state),
        papers=papers,
        misplaced=misplaced,
        asked_again_at=_datetime(again),
        answers=tuple(
            ChannelAnswer(
                channel=Channel(channel),
                outcome=BatchOutcome(outcome) if outcome else None,
                at=_datetime(at),
                lacks=lacks,
            )
            for channel, outcome, at, lacks in answers
        ),
    )


def coverage_from_json(stored: list[Any]) -> tuple[SourceCoverage, ...]:
    return tuple(
        SourceCoverage(
            source=item["source"],
            announced=item["announced"],
            matched=item["matched"],
            omitted=item["omitted"],
            first_at=_datetime(item["first_at"]),
            last_at=_datetime(item["last_at"]),
            categories=tuple(
                CategoryCoverage(category=category, announced=announced, matched=matched)
                for category, announced, matched in item["categories"]
            ),
            status=item["status"],
            as_of=_datetime(item["as_of"]),
            note=item["note"],
            batches=tuple(_batch_from_json(item["source"], each) for each in item["batches"]),
        )
        for item in stored
    )


def skipped_to_json(skipped: Skipped | None) -> dict[str, Any] | None:
    if skipped is None:
        return None
    coverage = coverage_to_json(skipped.coverage)
    return {"considered": skipped.considered, "coverage": coverage}


def skipped_from_json(stored: dict[str, Any] | None) -> Skipped | None:
    if stored is None:
        return None
    coverage = coverage_from_json(stored["coverage"])
    return Skipped(considered=stored["considered"], coverage=coverage)


def _datetime(stored: str | None) -> datetime | None:
    return datetime.fromisoformat(stored) if stored else None
