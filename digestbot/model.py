"""
Plain, frozen values that all packages of digestbot share.

Read them in the order in which data flows: a source yields a `FetchedPaper`, the store turns it
into a `Paper` and an `Announcement`, an `Edition` collects announcements that match a digest's
filter, and a `Delivery` takes one edition to one `Destination`. All datetimes are aware and in UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final


class AnnounceType(StrEnum):
    """arXiv's announce types, best first: of several for one paper, the first listed counts."""

    NEW = "new"
    """First version."""
    CROSS = "cross"
    """First version, in a category other than its primary one."""
    REPLACE = "replace"
    """Later version."""
    REPLACE_CROSS = "replace-cross"
    """Later version, in a category other than its primary one."""
    NOTICE = "notice"
    """Retraction, withdrawal or concern stated about a version that was announced before."""
    PUBLISHED = "published"
    """Publication of a preprint that was announced before: a journal's DOI or reference."""


FRESH = frozenset({AnnounceType.NEW, AnnounceType.CROSS})
"""Types of first announcements."""
REPLACEMENTS = frozenset({AnnounceType.REPLACE, AnnounceType.REPLACE_CROSS})
"""Types of later versions."""
STATUS_CHANGES = frozenset({AnnounceType.NOTICE, AnnounceType.PUBLISHED})
"""Types of news about a version that was announced before."""


class UpdateKind(StrEnum):
    """Kind of news about a paper that goes to every digest that had it."""

    PUBLISHED = "published"
    """A preprint was published."""
    NOTICE = "notice"
    """A paper was retracted or withdrawn, or there is a concern."""


class DocumentType(StrEnum):
    """Type of a document: journals list more than papers in their feeds."""

    PAPER = "paper"
    """Everything that is none of the others."""
    EDITORIAL = "editorial"
    CORRECTION = "correction"
    """Also an erratum, a corrigendum or an addendum."""
    RETRACTION = "retraction"
    """A retracted paper, or the notice about it."""
    WITHDRAWAL = "withdrawal"
    """A paper that its authors or the server withdrew, as on arXiv."""
    CONCERN = "concern"
    """An expression of concern."""
    FRONT_MATTER = "front-matter"
    """Cover, editorial board, table of contents, issue information, index."""
    NEWS = "news"
    """News, obituaries, calls and calendars."""


NOTICES = frozenset({DocumentType.RETRACTION, DocumentType.WITHDRAWAL, DocumentType.CONCERN})
"""Types that are news to everyone who received the paper."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """One author, spelled as on the paper."""

    name: str
    affiliations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedPaper:
    """One version of one paper as a source serves it, with its text unchanged."""

    id: str
    """Such as ``arxiv:2603.20941``, ``doi:10.1000/xyz`` (lower case) or ``feed:<hash>``."""
    version: int = 1
    type: AnnounceType = AnnounceType.NEW
    title: str
    abstract: str
    """As served, with LaTeX and line breaks; empty if the source has none."""
    authors: tuple[Author, ...] = ()
    """In the order of the paper."""
    categories: tuple[str, ...] = ()
    primary_category: str | None = None
    published: datetime | None = None
    """Submission of version 1; the announcement comes later."""
    published_is_date: bool = False
    """Only the day of `published` is known: midnight UTC, the same day in every time zone."""
    updated: datetime | None = None
    """Submission of this version."""
    updated_is_date: bool = False
    """Like `published_is_date`."""
    comment: str | None = None
    journal_ref: str | None = None
    doi: str | None = None
    url: str
    """Web page about the paper (arXiv's abs page), http or https."""
    pdf_url: str | None = None
    aliases: tuple[str, ...] = ()
    """Other names of the paper, the most reliable first: ``doi:``, ``arxiv:``, ``pmid:``,
    ``pmcid:`` and ``url:`` hold in every source, ``guid:``, ``link:`` and ``work:`` in this one."""
    document_type: DocumentType = DocumentType.PAPER
    about: str | None = None
    """Of a notice: the ``doi:`` of the paper that it is about, if that is another one."""
    backlog: bool = False
    """Too old to be news on a source's first fetch: logged, but left out of editions."""
    announced_on: date | None = None
    """Day of the announcement: the date of arXiv's daily feed (US Eastern); None if unknown."""


class Channel(StrEnum):
    """One of the ways in which arXiv publishes its announcements."""

    RSS = "rss"
    """Daily feed: announce types and what was announced today."""
    OAI = "oai"
    """OAI-PMH: every record changed since a day."""
    API = "api"
    """Query API: the newest versions of what matches a query."""


class BatchOutcome(StrEnum):
    """Outcome of reading one day's announcements from one channel."""

    COMPLETE = "complete"
    """Everything that it should have, with papers."""
    EMPTY = "empty"
    """Readable, without papers of that day."""
    STALE = "stale"
    """The papers of an earlier day under the new date."""
    PARTIAL = "partial"
    """A part of what it should have."""
    DOWN = "down"
    """No useful answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelCheck:
    """Last reading of one day's announcements from one channel."""

    channel: Channel
    announced_on: date
    """Like `FetchedPaper.announced_on`."""
    outcome: BatchOutcome
    at: datetime
    detail: str | None = None
    """Why the outcome is not complete, in words for readers."""


class BatchState(StrEnum):
    """State of what arXiv announced in one category on one day."""

    ANNOUNCED = "announced"
    """At least one channel has everything that any channel served."""
    WEEKEND = "weekend"
    HOLIDAY = "holiday"
    NOT_YET = "not yet"
    """Too early to say: it is not due yet, or its papers may follow."""
    STALE = "stale"
    """The channels that answer show an earlier day."""
    PARTIAL = "partial"
    """A channel that answered lacks papers of another, or says itself that it lacks some."""
    DOWN = "source down"
    """All channels failed."""


INCOMPLETE = frozenset({BatchState.STALE, BatchState.PARTIAL, BatchState.DOWN})
"""States in which papers may be missing after the time of the announcement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelAnswer:
    """Answer of one configured channel about one batch."""

    channel: Channel
    outcome: BatchOutcome | None = None
    """Outcome of reading it; None before the first reading."""
    at: datetime | None = None
    """When it was last read for this day."""
    lacks: int = 0
    """Papers of the batch that only others have served."""
    detail: str | None = None
    """See `ChannelCheck.detail`; left out of editions."""

    @property
    def confirms(self) -> bool:
        """True if it has served everything that any channel served."""
        return self.outcome in (BatchOutcome.COMPLETE, BatchOutcome.EMPTY) and not self.lacks


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Announcement of one day in one category, as far as a source knows it."""

    source: str
    category: str
    """As in the config: a category or an archive; empty for a source with a query."""
    day: date
    """Like `FetchedPaper.announced_on`."""
    state: BatchState
    papers: int
    """New and cross-listed papers known of it."""
    matched: int | None = None
    """Of these, papers that any digest matched; counted on request."""
    answers: tuple[ChannelAnswer, ...] = ()
    """One for each configured channel."""
    misplaced: int = 0
    """Papers whose identifiers belong to another day: perhaps they were announced then."""
    asked_again_at: datetime | None = None
    """When the source is read again, while that can still complete the batch."""

    @property
    def verified_by(self) -> tuple[Channel, ...]:
        """Channels that have served everything that any channel served."""
        return tuple(answer.channel for answer in self.answers if answer.confirms)

    @property
    def is_verified(self) -> bool:
        """True if two channels agree."""
        return self.state is BatchState.ANNOUNCED and len(self.verified_by) > 1

    @property
    def verified_at(self) -> datetime | None:
        """When the last of `verified_by` confirmed it, if it is verified."""
        times = [answer.at for answer in self.answers if answer.confirms and answer.at]
        return max(times, default=None) if self.is_verified else None

    @property
    def unverified(self) -> tuple[Channel, ...]:
        """All other channels, among them those that the config leaves out."""
        return tuple(channel for channel in Channel if channel not in self.verified_by)

    @property
    def missing(self) -> Mapping[Channel, int]:
        """Papers that each channel with an answer lacks."""
        answered = (BatchOutcome.COMPLETE, BatchOutcome.EMPTY, BatchOutcome.PARTIAL)
        return {a.channel: a.lacks for a in self.answers if a.outcome in answered and a.lacks}

    @property
    def is_incomplete(self) -> bool:
        """True if papers may be missing after the time of the announcement."""
        return self.state in INCOMPLETE


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """One version of one paper, as stored, matched and displayed."""

    id: str
    version: int
    title: str
    """Plain Unicode on one line, no LaTeX."""
    abstract: str
    """Plain Unicode, no LaTeX; paragraphs are separated by one line break."""
    title_raw: str
    abstract_raw: str
    authors: tuple[Author, ...]
    categories: tuple[str, ...]
    primary_category: str | None
    published: datetime | None
    updated: datetime | None
    comment: str | None
    """Plain Unicode on one line, like `journal_ref`."""
    journal_ref: str | None
    doi: str | None
    url: str
    pdf_url: str | None
    document_type: DocumentType = DocumentType.PAPER
    published_is_date: bool = False
    """See `FetchedPaper.published_is_date`; likewise `updated_is_date`."""
    updated_is_date: bool = False
    title_words: str | None = field(default=None, compare=False, repr=False)
    """Words of the title, encoded by `text.pack_words`; None if not tokenized yet."""
    abstract_words: str | None = field(default=None, compare=False, repr=False)
    """Words of the abstract, like `title_words`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """One row of the log: a source announced a version of a paper."""

    seq: int
    """Position in the log; grows in the order of commits."""
    paper: Paper
    type: AnnounceType
    source: str
    seen_at: datetime
    """When it was fetched."""
    backlog: bool = False
    """See `FetchedPaper.backlog`."""
    announced_on: date | None = None
    """See `FetchedPaper.announced_on`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One filter condition that matched, and the text that it matched."""

    field: str
    """``title``, ``abstract``, ``author``, ``category``, ``comment`` …"""
    term: str
    """The condition, as written in a filter."""
    text: str
    """The matching words, as displayed."""
    start: int
    """Offset of `text` in the displayed field, or in the one author or category."""
    end: int
    """Offset just after `text`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Result of a filter for one announcement."""

    matched: bool
    score: float
    matches: tuple[Match, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionPaper:
    """A paper in an edition, with the reasons for its selection."""

    seq: int
    paper: Paper
    type: AnnounceType
    source: str
    seen_at: datetime
    score: float
    matches: tuple[Match, ...]
    previous: Paper | None = None
    """The version before, if this is a replacement and the store has it."""
    waits: int = 0
    """Editions whose limit has deferred it so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """One entry of an earlier edition, shown or listed."""

    paper_id: str
    version: int
    type: AnnounceType
    document_type: DocumentType
    """As shown then; it may have changed since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryCoverage:
    """Papers a source announced in one category; a paper counts in each of its categories."""

    category: str
    announced: int
    matched: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCoverage:
    """Papers that one source announced in the window of an edition."""

    source: str
    announced: int
    """Announced in the window, before the filter."""
    matched: int = 0
    """Of these, in the edition: shown or omitted."""
    omitted: int = 0
    """Of these, cut by the digest's limit."""
    first_at: datetime | None = None
    """When the first of them was fetched; None if there are none."""
    last_at: datetime | None = None
    """When the last of them was fetched."""
    categories: tuple[CategoryCoverage, ...] = ()
    """Largest first; bounded in number."""
    status: str
    """One of `store.PassStatus`."""
    as_of: datetime | None
    """Last complete answer of the source."""
    note: str | None = None
    """Details of what is missing, if the source reported any."""
    batches: tuple[Batch, ...] = ()
    """Of arXiv: the batches of the window, by day and category; bounded in number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """
    One issue of a digest: the matches in ``(from_seq, to_seq]``, ranked.

    The limit decides which papers appear in full; the others are listed or wait.
    """

    digest: str
    title: str
    number: int
    """Counted from 1 within the digest."""
    slot: str
    """Scheduled time that it was made for; unique within the digest."""
    created_at: datetime
    from_seq: int
    to_seq: int
    papers: tuple[EditionPaper, ...]
    """Papers in full, best first."""
    more: tuple[EditionPaper, ...] = ()
    """Papers beyond the limit, best first; one line each."""
    waiting: int = 0
    """Papers beyond the limit that wait for the next edition."""
    carried: int = 0
    """Papers that waited for this edition, counted in one of the three above."""
    covers_from: datetime | None = None
    """End of the previous edition's window; None for the first one."""
    covers_to: datetime
    """End of its window, where the next one begins."""
    considered: int
    """Papers in the window that the filter was applied to."""
    coverage: tuple[SourceCoverage, ...]
    id: int | None = None
    """Key in the store; None for a preview."""

    @property
    def omitted(self) -> int:
        """Number of matching papers beyond the limit."""
        return len(self.more) + self.waiting

    @property
    def name(self) -> str:
        """Name in JSON and in messages: ``systems/12``."""
        return f"{self.digest}/{self.number}"


class Form(StrEnum):
    """A form that an edition can be rendered to; each is one text."""

    SUBJECT = "subject"
    """Subject of the email: one line of plain Unicode."""
    HTML = "html"
    TEXT = "text"
    SLACK = "slack"
    """JSON list of messages ``{"text": str, "blocks": [...]}``: the parent, then its thread."""
    JSON = "json"
    MARKDOWN = "markdown"
    BIBTEX = "bibtex"
    RIS = "ris"
    ATOM = "atom"
    EML = "eml"
    """Complete message (RFC 5322) in 7-bit ASCII with CRLF line ends."""


Fragments = tuple[bytes, ...]
"""Encoded text of a message in fragments, to be joined; see `render.quoted_printable`."""
Body = str | Fragments
"""One form of an edition; emails are fragments, which editions share."""


EXPORTS = (Form.MARKDOWN, Form.BIBTEX, Form.RIS, Form.ATOM)
"""Forms for other programs; made only if the digest asks for them."""


class Overflow(StrEnum):
    """Where the papers beyond a digest's limit go."""

    LIST = "list"
    """Into the edition, one line each."""
    NEXT = "next"
    """Into the next edition, ranked with its new papers."""
    ATTACH = "attach"
    """Into a list attached to the email; other forms list them."""


class Theme(StrEnum):
    """How much of each paper the readable forms show."""

    DEFAULT = "default"
    """Abstracts cut to about 700 characters."""
    COMPACT = "compact"
    """Titles, with authors and links on one line."""
    FULL = "full"
    """Abstracts of any length that arXiv accepts."""


class DestinationKind:
    """
    Names of the built-in kinds of destination.

    Kinds are plain strings, the keys of `digestbot.deliver.REGISTRY`; a new one needs no entry
    here, nor in the database.
    """

    EMAIL: Final = "email"
    SLACK: Final = "slack"
    WEBHOOK: Final = "webhook"
    FOLDER: Final = "folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where deliveries go. Holds no secret: a webhook's address is the fingerprint of its URL."""

    kind: str
    """Key of `digestbot.deliver.REGISTRY`."""
    address: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.address}"


class SubscriptionState(StrEnum):
    """pending → confirmed → unsubscribed or ended."""

    PENDING = "pending"
    """Waits for the subscriber's confirmation (double opt-in)."""
    CONFIRMED = "confirmed"
    """Receives editions."""
    UNSUBSCRIBED = "unsubscribed"
    """Left by the subscriber, or removed by the operator."""
    ENDED = "ended"
    """Removed from the config."""


class Origin(StrEnum):
    """Origin of a digest or a subscription."""

    CONFIG = "config"
    COMMAND = "command"
    WEB = "web"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A digest and a destination."""

    id: int
    digest: str
    destination: Destination
    state: SubscriptionState
    origin: Origin
    created_at: datetime
    name: str = ""
    """The operator's name for the reader; may be empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """An address that receives no further email."""

    address: str
    reason: str
    """``unsubscribed``, ``bounced``, ``complained``, or the operator's reason."""
    created_at: datetime


class DeliveryState(StrEnum):
    """
    State of a delivery; `store.transitions` draws the allowed changes.

    ``data_done`` is committed just before the server can accept the message. After a crash the
    state therefore tells "surely not delivered" (``sending``) from "perhaps" (``data_done``).
    """

    QUEUED = "queued"
    """Due at `Delivery.next_at` for its first attempt, or queued again by the operator."""
    SENDING = "sending"
    """Leased by a worker; surely not delivered yet."""
    DATA_DONE = "data_done"
    """Leased by a worker; perhaps delivered, the server's reply is outstanding."""
    SENT = "sent"
    """Accepted by the server."""
    RETRYING = "retrying"
    """An attempt failed or its worker crashed; the next one is due at `Delivery.next_at`."""
    DEAD = "dead"
    """Rejected permanently, or given up after the last retry."""
    UNKNOWN = "unknown"
    """Perhaps delivered: two attempts ended before the server's reply."""
    QUARANTINED = "quarantined"
    """Three workers crashed while sending it; waits for the operator."""
    HELD = "held"
    """Part of a flood, or too old to be news; waits for the operator."""
    CANCELLED = "cancelled"
    """Dropped by the operator, or because its reader unsubscribed or is suppressed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One edition to one destination."""

    id: int
    edition_id: int
    edition_name: str
    digest: str
    destination: Destination
    state: DeliveryState
    message_id: str
    """``<…@domain>``; the same for every attempt."""
    attempts: int
    """Attempts begun so far, the current one included."""
    created_at: datetime
    """Also the Date header of the message."""
    next_at: datetime | None = None
    """When it is due, while it waits."""
    lease_until: datetime | None = None
    """When the lease expires, while a worker has it."""
    sent_at: datetime | None = None
    last_error: str | None = None
    last_code: str | None = None
    """Reply code of the last error, such as ``450 4.7.1`` or an HTTP status."""
    doubts: int = 0
    """Attempts since it was queued that the server may have accepted."""
    acknowledged: tuple[str, ...] = ()
    """Accepted messages of a delivery that has several, such as Slack's ``ts``."""


class BounceKind(StrEnum):
    """Meaning of a returned email; `bounces.scoring` decides the consequences."""

    HARD = "hard"
    """The mailbox does not exist."""
    SOFT = "soft"
    """Temporary failure."""
    OTHER = "other"
    """Refused because of the content or the sender; the mailbox may be fine."""
    DELAYED = "delayed"
    """Still being tried by a relay."""
    COMPLAINT = "complaint"
    """The reader marked it as spam."""
    UNSUBSCRIBE = "unsubscribe"
    """The reader unsubscribed from this digest by email."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounce:
    """A returned email that names one of our deliveries."""

    delivery_id: int
    kind: BounceKind
    code: str | None
    """Enhanced status code such as ``5.1.1`` (RFC 3463)."""
    detail: str
    """The server's text on one line, without addresses."""
    at: datetime
    """When it was read; the Date header of a bounce cannot be trusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """Everything a destination needs to send one delivery."""

    delivery: Delivery
    bodies: Mapping[Form, str] = field(repr=False)
    mime: bytes = field(default=b"", repr=False)
    """
    Complete message (RFC 5322) as sent over the wire, if the destination takes `Form.EML`.

    Its encoding ends every line in CRLF and begins none with a dot. Dot-stuffing (RFC 5321, 4.5.2)
    would therefore change nothing, and no server can read a second message out of it.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Reply of a destination that accepted a delivery."""

    detail: str
