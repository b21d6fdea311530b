"""
The values that travel through the house: frozen, plain, known to every room.

Begin at `FetchedPaper`, what a source says; the store makes a `Paper` and an `Announcement` of it;
an `Edition` gathers announcements; a `Delivery` brings one edition to one `Destination`.
All datetimes are aware and in UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final


class AnnounceType(StrEnum):
    """What happened to a paper, in arXiv's words; the best of several is the first listed."""

    NEW = "new"
    CROSS = "cross"
    REPLACE = "replace"
    REPLACE_CROSS = "replace-cross"


REPLACEMENTS = frozenset({AnnounceType.REPLACE, AnnounceType.REPLACE_CROSS})
"""Of a paper that is known already: a later version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """One author, named as on the paper."""

    name: str
    affiliations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedPaper:
    """What a source says of one version of one paper, its text untouched."""

    id: str
    """``arxiv:2603.20941``, ``doi:10.1000/xyz`` (lower case) or ``feed:<hash>``; no version."""
    version: int = 1
    type: AnnounceType = AnnounceType.NEW
    title: str
    abstract: str
    """As served, LaTeX and line breaks included; empty if the source gives none."""
    authors: tuple[Author, ...] = ()
    """In the order of the paper."""
    categories: tuple[str, ...] = ()
    primary_category: str | None = None
    published: datetime | None = None
    """When version 1 was submitted; not when it was announced."""
    updated: datetime | None = None
    """When this version was submitted."""
    comment: str | None = None
    journal_ref: str | None = None
    doi: str | None = None
    url: str
    """The page for people (arXiv's abs page), http or https."""
    pdf_url: str | None = None
    backlog: bool = False
    """In a source's very first answer and too old to be news: logged, never in an edition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """One version of one paper as it is stored, matched and shown."""

    id: str
    version: int
    title: str
    """Plain Unicode on one line, no LaTeX."""
    abstract: str
    """Plain Unicode, no LaTeX; paragraphs are parted by one line break."""
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
    title_words: str | None = field(default=None, compare=False, repr=False)
    """The words of the title as `text.pack_words` packs them; None: not taken apart yet."""
    abstract_words: str | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """One row of the log: this source told of this version of this paper, then."""

    seq: int
    """The row's place in the log; grows with the order of commits."""
    paper: Paper
    type: AnnounceType
    source: str
    seen_at: datetime
    backlog: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One condition that hit, and where."""

    field: str
    """``title``, ``abstract``, ``author``, ``category``, ``comment`` …"""
    term: str
    """The condition, as a person would write it."""
    text: str
    """The words that it hit, as displayed."""
    start: int
    """First character of *text* in the displayed field, or in that one author or category."""
    end: int
    """One past the last character."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a filter says of one announcement."""

    matched: bool
    score: float
    matches: tuple[Match, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionPaper:
    """A paper in an edition, and why it is there."""

    seq: int
    paper: Paper
    type: AnnounceType
    source: str
    seen_at: datetime
    score: float
    matches: tuple[Match, ...]
    previous: Paper | None = None
    """Of a replacement the version before it, if the store has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryCoverage:
    """How much of one category a source announced; a paper counts in each of its categories."""

    category: str
    announced: int
    matched: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCoverage:
    """What one source brought into the window of one edition."""

    source: str
    announced: int
    """Papers announced in the window, before the filter."""
    matched: int = 0
    """Those of them that the edition offers, shown or omitted."""
    omitted: int = 0
    """Those that matched and fell to the limit."""
    first_at: datetime | None = None
    """When the first of them was seen; None if there was none."""
    last_at: datetime | None = None
    categories: tuple[CategoryCoverage, ...] = ()
    """The most announced first; bounded."""
    status: str
    """``ok``, ``empty``, ``partial``, ``late``, ``refused``, ``broken`` or ``never`` (fetched)."""
    as_of: datetime | None
    """When the source last answered completely."""
    note: str | None = None
    """What is missing, if the source said more of it than its status does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """One issue of a digest: what matches of ``(from_seq, to_seq]``, ranked and cut."""

    digest: str
    title: str
    number: int
    """From 1, within the digest."""
    slot: str
    """The moment of the schedule that it answers; unique within the digest."""
    created_at: datetime
    from_seq: int
    to_seq: int
    papers: tuple[EditionPaper, ...]
    """Best first."""
    omitted: int
    """Papers that matched and fell to the limit."""
    considered: int
    """Papers in the window that the filter was asked about."""
    coverage: tuple[SourceCoverage, ...]
    id: int | None = None
    """The row's key; None for a preview."""

    @property
    def name(self) -> str:
        """How people and JSON name it: ``systems/12``."""
        return f"{self.digest}/{self.number}"


class Form(StrEnum):
    """What an edition can be rendered to; every form is one text."""

    SUBJECT = "subject"
    """The mail's subject: one line of plain Unicode."""
    HTML = "html"
    TEXT = "text"
    SLACK = "slack"
    """A JSON list of messages ``{"text": str, "blocks": [...]}``: the parent, then its thread."""
    JSON = "json"
    MARKDOWN = "markdown"
    BIBTEX = "bibtex"
    RIS = "ris"
    ATOM = "atom"
    EML = "eml"
    """A whole message (RFC 5322) in 7-bit ASCII with CRLF line ends."""


Fragments = tuple[bytes, ...]
"""Encoded text of a message, in fragments that can be joined: see `render.quoted_printable`."""
Body = str | Fragments
"""One form of an edition: those of a mail are pieces, which editions share."""


EXPORTS = (Form.MARKDOWN, Form.BIBTEX, Form.RIS, Form.ATOM)
"""Forms for other programs, made with an edition only if its digest asks for them."""


class Theme(StrEnum):
    """How much of each paper the forms for people show."""

    DEFAULT = "default"
    """The abstract to about 700 characters."""
    COMPACT = "compact"
    """Titles, with authors and links on one line."""
    FULL = "full"
    """Abstracts as long as arXiv takes them."""


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
    """pending → confirmed → unsubscribed; ended if the owner took it out of the config."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    UNSUBSCRIBED = "unsubscribed"
    ENDED = "ended"


class Origin(StrEnum):
    """Who made a subscription."""

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
    """What the owner calls the reader; may be empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """An address that must not be written to any more."""

    address: str
    reason: str
    """``unsubscribed``, ``bounced``, ``complained`` or the owner's words."""
    created_at: datetime


class DeliveryState(StrEnum):
    """
    queued → sending → data_done → sent, or retrying, dead, unknown, quarantined, held, cancelled.

    ``data_done`` is committed just before the server may accept, so that a crash tells "surely not
    delivered" (sending) from "perhaps" (data_done). ``unknown`` is the latter after recovery.
    """

    QUEUED = "queued"
    SENDING = "sending"
    DATA_DONE = "data_done"
    SENT = "sent"
    RETRYING = "retrying"
    DEAD = "dead"
    UNKNOWN = "unknown"
    QUARANTINED = "quarantined"
    HELD = "held"
    CANCELLED = "cancelled"


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
    created_at: datetime
    """Also the message's Date."""
    next_at: datetime | None = None
    lease_until: datetime | None = None
    sent_at: datetime | None = None
    last_error: str | None = None
    last_code: str | None = None
    doubts: int = 0
    """Attempts that may have been accepted without our knowing, since it was queued."""
    acknowledged: tuple[str, ...] = ()
    """What was confirmed of a delivery of several messages, such as Slack's ``ts``."""


class BounceKind(StrEnum):
    """What a returned mail says; what follows from it, `bounces.scoring` decides."""

    HARD = "hard"
    """There is no such mailbox."""
    SOFT = "soft"
    """Not delivered, for a reason that may pass."""
    OTHER = "other"
    """Refused for what was sent or by whom, which says nothing of the mailbox."""
    DELAYED = "delayed"
    """Still on its way."""
    COMPLAINT = "complaint"
    """The reader called it spam."""
    UNSUBSCRIBE = "unsubscribe"
    """The reader asked by mail not to get this digest any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounce:
    """A returned mail that names one of our deliveries."""

    delivery_id: int
    kind: BounceKind
    code: str | None
    """Such as ``5.1.1``."""
    detail: str
    """The server's words on one line, without addresses."""
    at: datetime
    """When we read it: what the mail says of its time, anybody can write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """All that a destination needs in order to send one delivery."""

    delivery: Delivery
    bodies: Mapping[Form, str] = field(repr=False)
    mime: bytes = field(default=b"", repr=False)
    """
    The whole message (RFC 5322) as it goes over the wire, where `Form.EML` is wanted.

    Every line ends in CRLF and none begins with a dot, by the way it is encoded: so the doubling of
    dots (RFC 5321 4.5.2) changes nothing, and no server can read a second message out of it.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the destination said when it took a delivery."""

    detail: str
