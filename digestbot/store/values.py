"""
What the store answers where `digestbot.model` has no word for it, and how values become JSON.

Frozen, like all values; datetimes are aware and in UTC.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from digestbot.model import Author, CategoryCoverage, DeliveryState, Match, Origin, SourceCoverage
from digestbot.store.tables import PassStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """What one call of `Papers.ingest` changed."""

    new: int
    """Announcements appended to the log."""
    known: int
    """Given papers that this source had announced before."""
    updated: int
    """Stored papers whose metadata changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """How a source stands after its last pass."""

    name: str
    memory: Mapping[str, str]
    """The source's own notes, as of the last page that was stored."""
    asked: str | None
    """The `asked` of `Sources.begin_pass` at the last pass; None if it had none."""
    status: PassStatus
    last_try_at: datetime | None
    last_ok_at: datetime | None
    """When it last answered completely."""
    last_new_at: datetime | None
    """When a pass last ended that had brought something new."""
    next_try_at: datetime | None
    """Not before then; None if at any time."""
    failures: int
    """Passes in a row that did not end well."""
    last_error: str | None
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One attempt to read a source from the top to where it is known."""

    id: int
    source: str
    started_at: datetime
    ended_at: datetime | None
    """None while it runs, or for ever if its process was killed."""
    status: PassStatus
    pages: int
    entries: int
    new: int
    error: str | None
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestState:
    """How far a digest has read the log."""

    id: int
    name: str
    origin: Origin
    fingerprint: str
    """Stands for its schedule; empty for a digest removed from the config."""
    cursor: int
    """The last seq that an edition, or the decision to make none, has dealt with."""
    next_due_at: datetime | None
    """None: never."""
    last_error: str | None
    editions: int
    """How many there are; the next one's number is one more."""
    last_edition_at: datetime | None

    @property
    def is_removed(self) -> bool:
        """True once a sync has ended the digest because the config no longer has it."""
        return not self.fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionSummary:
    """An edition without its papers, for lists."""

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
    """One step of one delivery, which its holder wants to have written down."""

    delivery_id: int
    to: DeliveryState
    """The state that it leads to; ``sending`` when one of several messages was taken."""
    at: datetime | None
    """Of ``data_done`` and ``sent`` the moment; of ``retrying`` when it is due; of ``sending`` when
    the lease ends; None else."""
    attempt: int | None = None
    """The attempt that the holder has; None for whoever holds it."""
    receipt: str | None = None
    error: str | None = None
    code: str | None = None
    acknowledged: str | None = None
    in_doubt: bool = False
    """The other side may have taken it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxState:
    """How a mailbox for bounces stands after the last look into it."""

    name: str
    mark: str
    """How far it is read; empty at first."""
    last_ok_at: datetime | None
    last_error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to send a delivery."""

    attempt: int
    """From 1."""
    at: datetime
    """When it began; of one that succeeded, when that was."""
    outcome: DeliveryState
    """The state that it led to; ``sending`` if it runs or its process was killed."""
    code: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """How many deliveries one destination gets on one day."""

    per_day: int
    day: str
    """The day that it is, by any name that no other day has."""
    next_at: datetime
    """When the next day begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What became of the deliveries whose holder died."""

    retrying: int
    unknown: int
    quarantined: int


def authors_to_json(authors: Sequence[Author]) -> list[Any]:
    """Names alone where there is no affiliation: most authors, and the column is read often."""
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
            "categories": [[each.category, each.announced, each.matched] for each in c.categories],
            "status": c.status,
            "as_of": c.as_of.isoformat() if c.as_of else None,
            "note": c.note,
        }
        for c in coverage
    ]


def coverage_from_json(stored: list[Any]) -> tuple[SourceCoverage, ...]:
    return tuple(
        SourceCoverage(
            source=item["source"],
            announced=item["announced"],
            matched=item["matched"],
            omitted=item["omitted"],
            first_at=_moment(item["first_at"]),
            last_at=_moment(item["last_at"]),
            categories=tuple(
                CategoryCoverage(category=category, announced=announced, matched=matched)
                for category, announced, matched in item["categories"]
            ),
            status=item["status"],
            as_of=_moment(item["as_of"]),
            note=item["note"],
        )
        for item in stored
    )


def _moment(stored: str | None) -> datetime | None:
    return datetime.fromisoformat(stored) if stored else None
