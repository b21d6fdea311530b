"""
The schema: one SQLAlchemy Core metadata for SQLite and PostgreSQL.

Add a column here and in a new file in ``migrations/versions``; a test compares the two. Begin at
`papers` and read on: the tables follow the flow of data.
"""

import json
import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Dialect,
    Enum,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeEngine

from digestbot.model import (
    AnnounceType,
    BatchOutcome,
    BounceKind,
    Channel,
    DeliveryState,
    DocumentType,
    Form,
    Origin,
    SubscriptionState,
)

HEAD = "0001"
"""Revision of these tables; the newest file in ``migrations/versions``."""

# PostgreSQL text cannot contain U+0000, and no encoding has half a surrogate pair.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class PassStatus(StrEnum):
    """Outcome of a pass over a source, and state of the source after it."""

    NEVER = "never"
    """Waits for its first pass."""
    RUNNING = "running"
    """A pass has begun; if it is old, its process was killed."""
    OK = "ok"
    """A complete answer with entries."""
    EMPTY = "empty"
    """A complete answer with zero entries."""
    PARTIAL = "partial"
    """A readable answer with entries missing; `Pass.note` says which."""
    LATE = "late"
    """The server was unreachable or busy; the next pass reads what was missed."""
    REFUSED = "refused"
    """The server rejected the request; the operator should check the source's options."""
    BROKEN = "broken"
    """An unreadable answer."""


def storable(text: str) -> str:
    """Replace NUL and lone surrogates, which databases reject, with U+FFFD."""
    # Most texts are ASCII, and the expression takes a hundred times as long as these checks.
    if "\0" not in text and (text.isascii() or text.isprintable()):
        return text
    return _UNSTORABLE.sub("\ufffd", text)


class StoredText(TypeDecorator[str]):
    """Text of any origin and length, made `storable`."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(value)

    # No process_result_value: even one that returns its argument adds a quarter to the time of
    # reading a window of 20,000 papers.


class StoredJson(TypeDecorator[Any]):
    """
    A JSON value in a text column, with the same bytes in both databases.

    PostgreSQL's jsonb would refuse ``\\u0000``, and no query looks inside these values.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        return storable(json.dumps(value, ensure_ascii=False, separators=(",", ":")))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


class UtcDateTime(TypeDecorator[datetime]):
    """
    An aware datetime, read back in UTC.

    SQLite has no such type: there the column is text, ``YYYY-MM-DD HH:MM:SS.ffffff``, which sorts
    in order of time.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"datetime without a time zone: {value.isoformat()}")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class ShortUtcDateTime(UtcDateTime):
    """
    A compact `UtcDateTime` for the table with a row for every message.

    On SQLite it is the number of microseconds since 1970: 8 bytes instead of 27.
    """

    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        is_sqlite = dialect.name == "sqlite"
        return dialect.type_descriptor(BigInteger() if is_sqlite else self.impl_instance)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None or value.tzinfo is None or dialect.name != "sqlite":
            return super().process_bind_param(value, dialect)
        return (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if isinstance(value, int):
            return _EPOCH + value * _MICROSECOND
        return super().process_result_value(value, dialect)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def _enum(kind: type[StrEnum], name: str) -> Enum:
    """Make a column type for *kind* with a CHECK constraint."""
    return Enum(
        kind,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=20,
        values_callable=lambda members: [member.value for member in members],
    )


# SQLite generates keys only for a column declared INTEGER.
_Big = BigInteger().with_variant(Integer(), "sqlite")


def _key() -> Column[int]:
    """Make a primary key that the database generates."""
    return Column("id", _Big, primary_key=True)


def _index_where(condition: str, *columns: str) -> Index:
    """Make a partial index of the rows that meet *condition*."""
    where = text(condition)
    return Index(None, *columns, sqlite_where=where, info={"where": where})


def set_postgresql_options() -> None:
    """Give partial indexes their condition on PostgreSQL; this loads its dialect, 20 ms."""
    for index in (index for table in metadata.tables.values() for index in table.indexes):
        if "where" in index.info:
            index.dialect_options["postgresql"]["where"] = index.info["where"]


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

papers = Table(
    "papers",
    metadata,
    Column("paper_id", StoredText, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("title", StoredText, nullable=False),
    Column("abstract", StoredText, nullable=False),
    Column("title_raw", StoredText, nullable=False),
    Column("abstract_raw", StoredText, nullable=False),
    Column("authors", StoredJson, nullable=False),
    Column("categories", StoredJson, nullable=False),
    Column("primary_category", StoredText),
    Column("published", UtcDateTime),
    Column("published_is_date", Boolean, nullable=False),
    Column("updated", UtcDateTime),
    Column("updated_is_date", Boolean, nullable=False),
    Column("comment", StoredText),
    Column("journal_ref", StoredText),
    Column("doi", StoredText),
    Column("url", StoredText, nullable=False),
    Column("pdf_url", StoredText),
    Column("document_type", _enum(DocumentType, "document_type"), nullable=False),
    # Encoded by `text.pack_words`, so that a text is tokenized once and not at each matching.
    Column("title_words", StoredText),
    Column("abstract_words", StoredText),
)

# How far `stored_words.rebuild_words` has got with the papers, for each version of the rules.
word_rebuilds = Table(
    "word_rebuilds",
    metadata,
    Column("rules", StoredText, primary_key=True),
    Column("paper_id", StoredText, nullable=False),
    Column("version", Integer, nullable=False),
    Column("is_complete", Boolean, nullable=False),
)

# The log. AUTOINCREMENT keeps SQLite from using a number twice. The paper comes first in the unique
# index: with the source first, SQLite reads a window by that index and sorts the whole log.
announcements = Table(
    "announcements",
    metadata,
    Column("seq", _Big, primary_key=True),
    Column("source", StoredText, nullable=False),
    Column("paper_id", StoredText, nullable=False),
    Column("version", Integer, nullable=False),
    Column("type", _enum(AnnounceType, "type"), nullable=False),
    Column("backlog", Boolean, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    # The day of the announcement and the channels that served it, one bit each; both are completed
    # later, since a channel that is late confirms what another has announced.
    Column("announced_on", Date),
    Column("channels", Integer, nullable=False),
    ForeignKeyConstraint(["paper_id", "version"], ["papers.paper_id", "papers.version"]),
    UniqueConstraint("paper_id", "version", "source", "type"),
    Index(None, "seen_at", "seq"),
    _index_where("announced_on IS NOT NULL", "announced_on", "source"),
    sqlite_autoincrement=True,
)

# What each channel of a source served of each day's announcements.
channel_checks = Table(
    "channel_checks",
    metadata,
    Column("source", StoredText, primary_key=True),
    Column("announced_on", Date, primary_key=True),
    Column("channel", _enum(Channel, "channel"), primary_key=True),
    Column("outcome", _enum(BatchOutcome, "outcome"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("detail", StoredText),
)

# Keyed by hashes of names: guids and links are long. The other columns are for explanations, and to
# undo what a record has joined.
paper_aliases = Table(
    "paper_aliases",
    metadata,
    Column("alias", StoredText, primary_key=True),
    Column("paper_id", StoredText, nullable=False),
    Column("name", StoredText, nullable=False),
    Column("source", StoredText, nullable=False),
    # Id of the record that states the name, as served.
    Column("record", StoredText, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Index(None, "paper_id"),
)

# Papers that are one work, and its name, one of their ids. Derived from `merges`; most papers are
# the only one of their work, without a row.
works = Table(
    "works",
    metadata,
    Column("paper_id", StoredText, primary_key=True),
    Column("work", StoredText, nullable=False),
    Index(None, "work"),
)

APART = "is_apart"
"""Condition of the few pairs that every page is checked against."""

# Decisions about pairs of ids, the lower one first: one work, or kept apart. The source is null for
# a decision of the operator, which no fetch changes.
merges = Table(
    "merges",
    metadata,
    Column("paper_id", StoredText, primary_key=True),
    Column("other_id", StoredText, primary_key=True),
    Column("is_apart", Boolean, nullable=False),
    Column("source", StoredText),
    Column("reason", StoredText, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    CheckConstraint("paper_id <> other_id", name="pair"),
    Index(None, "other_id"),
    _index_where(APART, "paper_id", "other_id"),
)

# Papers that came without an abstract, authors or DOI, and what other services filled in.
enrichments = Table(
    "enrichments",
    metadata,
    Column("paper_id", StoredText, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("source", StoredText, nullable=False),
    Column("queued_at", UtcDateTime, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("tried_at", UtcDateTime),
    # When to ask again; NULL once the paper is complete or given up.
    Column("next_at", UtcDateTime),
    # Field → [service, hash of the value], so that a later value of the publisher is told apart.
    Column("filled", StoredJson, nullable=False),
    _index_where("next_at IS NOT NULL", "next_at"),
)

# The state of each service that completes papers.
enrichment_services = Table(
    "enrichment_services",
    metadata,
    Column("name", StoredText, primary_key=True),
    Column("last_ok_at", UtcDateTime),
    Column("failed_at", UtcDateTime),
    Column("last_error", StoredText),
    Column("rests_until", UtcDateTime),
)

sources = Table(
    "sources",
    metadata,
    Column("name", StoredText, primary_key=True),
    Column("memory", StoredJson, nullable=False),
    Column("asked", StoredText),
    Column("status", _enum(PassStatus, "status"), nullable=False),
    Column("last_try_at", UtcDateTime),
    Column("last_ok_at", UtcDateTime),
    Column("last_new_at", UtcDateTime),
    Column("next_try_at", UtcDateTime),
    Column("failures", Integer, nullable=False),
    Column("last_error", StoredText),
    Column("note", StoredText),
    # Of recent papers: how many had which field; see `FieldCounts`.
    Column("fields", StoredJson, nullable=False),
)

passes = Table(
    "passes",
    metadata,
    _key(),
    Column("source", StoredText, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("status", _enum(PassStatus, "status"), nullable=False),
    Column("pages", Integer, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("new", Integer, nullable=False),
    Column("error", StoredText),
    Column("note", StoredText),
    Index(None, "source", "id"),
)

pacing = Table(
    "pacing",
    metadata,
    Column("group_name", StoredText, primary_key=True),
    Column("next_at", UtcDateTime, nullable=False),
    # How far next_at was ahead of its writer's clock. A longer wait means that the clock was set
    # back.
    Column("span_s", Float, nullable=False),
)

digests = Table(
    "digests",
    metadata,
    _key(),
    Column("name", StoredText, nullable=False, unique=True),
    Column("origin", _enum(Origin, "origin"), nullable=False),
    Column("fingerprint", StoredText, nullable=False),
    Column("cursor", _Big, nullable=False),
    # End of the last edition's window, and the counts of the windows skipped since.
    Column("covered_to", UtcDateTime),
    Column("skipped", StoredJson),
    Column("next_due_at", UtcDateTime),
    Column("editions", Integer, nullable=False),
    Column("last_edition_at", UtcDateTime),
    Column("last_error", StoredText),
    Column("created_at", UtcDateTime, nullable=False),
    Index(None, "next_due_at"),
)

editions = Table(
    "editions",
    metadata,
    _key(),
    Column("digest_id", _Big, ForeignKey("digests.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("slot", StoredText, nullable=False),
    Column("title", StoredText, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("from_seq", _Big, nullable=False),
    Column("to_seq", _Big, nullable=False),
    Column("papers", Integer, nullable=False),
    Column("omitted", Integer, nullable=False),
    Column("carried", Integer, nullable=False),
    Column("covers_from", UtcDateTime),
    Column("covers_to", UtcDateTime, nullable=False),
    Column("considered", Integer, nullable=False),
    Column("coverage", StoredJson, nullable=False),
    # Right side of its Message-IDs; their other parts are in this row too.
    Column("message_domain", StoredText, nullable=False),
    # Deliveries not sent by then are held.
    Column("expires_at", UtcDateTime),
    UniqueConstraint("digest_id", "slot"),
    UniqueConstraint("digest_id", "number"),
)

# All matches, so that a paper is never offered twice. Those beyond the limit are not `included`;
# they are listed in one line, or wait for the next edition, `waits` counting how often.
edition_papers = Table(
    "edition_papers",
    metadata,
    Column("edition_id", _Big, ForeignKey("editions.id"), primary_key=True, autoincrement=False),
    Column("rank", Integer, primary_key=True, autoincrement=False),
    Column("digest_id", _Big, ForeignKey("digests.id"), nullable=False),
    Column("paper_id", StoredText, nullable=False),
    Column("version", Integer, nullable=False),
    # As shown; the paper's may change later.
    Column("document_type", _enum(DocumentType, "document_type"), nullable=False),
    Column("included", Boolean, nullable=False),
    Column("waits", Integer, nullable=False),
    Column("seq", _Big, nullable=False),
    Column("type", _enum(AnnounceType, "type"), nullable=False),
    Column("source", StoredText, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("score", Float, nullable=False),
    Column("matches", StoredJson, nullable=False),
    ForeignKeyConstraint(["paper_id", "version"], ["papers.paper_id", "papers.version"]),
    Index(None, "digest_id", "paper_id", "version"),
)

renditions = Table(
    "renditions",
    metadata,
    Column("edition_id", _Big, ForeignKey("editions.id"), primary_key=True, autoincrement=False),
    Column("form", _enum(Form, "form"), primary_key=True),
    Column("body", StoredText),
    # An email: short fragments in full, long ones as keys of the table `fragments`.
    Column("fragments", LargeBinary),
    CheckConstraint("(body IS NULL) <> (fragments IS NULL)", name="one"),
)

# Fragments of emails, keyed by content, so that editions share them.
fragments = Table(
    "fragments",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

FROM_CONFIG = "origin = 'config'"
"""Condition of the few subscriptions that every tick reads."""

# Keyed by the digest's name: a reader can subscribe before the digest has ever run.
subscriptions = Table(
    "subscriptions",
    metadata,
    _key(),
    Column("digest", StoredText, nullable=False),
    Column("kind", StoredText, nullable=False),
    Column("address", StoredText, nullable=False),
    # The address in the form for comparison: email addresses in lower case.
    Column("address_key", StoredText, nullable=False),
    Column("state", _enum(SubscriptionState, "state"), nullable=False),
    Column("origin", _enum(Origin, "origin"), nullable=False),
    Column("name", StoredText, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    UniqueConstraint("digest", "kind", "address_key"),
    Index(None, "kind", "address_key"),
    _index_where(FROM_CONFIG, "digest"),
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("address", StoredText, primary_key=True),
    Column("reason", StoredText, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

NOT_SENT = "state <> 'sent'"
"""Condition of the few deliveries that are searched by state."""

# One small row per message, since a large service makes a hundred million a year: values common to
# an edition are in `editions`. next_at is set exactly while a delivery waits, lease_until exactly
# while a worker has it: the indexes cover only these few rows, however many were sent.
# Only `store.transitions` writes this table.
deliveries = Table(
    "deliveries",
    metadata,
    _key(),
    Column("edition_id", _Big, ForeignKey("editions.id"), nullable=False),
    Column("subscription_id", _Big, ForeignKey("subscriptions.id")),
    Column("kind", StoredText, nullable=False),
    Column("address", StoredText, nullable=False),
    Column("state", _enum(DeliveryState, "state"), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", ShortUtcDateTime, nullable=False),
    Column("next_at", ShortUtcDateTime),
    # When the current attempt began.
    Column("begun_at", ShortUtcDateTime),
    Column("lease_until", ShortUtcDateTime),
    Column("sent_at", ShortUtcDateTime),
    Column("last_error", StoredText),
    Column("last_code", StoredText),
    Column("acknowledged", StoredJson, nullable=False),
    Column("receipt", StoredText),
    # Leases that expired while sending, and attempts left in doubt (data_done).
    Column("lost", Integer, nullable=False),
    Column("doubts", Integer, nullable=False),
    # When the operator released it or queued it again.
    Column("released_at", ShortUtcDateTime),
    UniqueConstraint("edition_id", "kind", "address"),
    CheckConstraint("(next_at IS NOT NULL) = (state IN ('queued', 'retrying'))", name="waiting"),
    CheckConstraint(
        "(lease_until IS NOT NULL) = (state IN ('sending', 'data_done'))", name="leased"
    ),
    CheckConstraint("(begun_at IS NOT NULL) = (lease_until IS NOT NULL)", name="begun"),
    _index_where("next_at IS NOT NULL", "kind", "next_at", "id", "lost"),
    _index_where("lease_until IS NOT NULL", "lease_until"),
    _index_where(NOT_SENT, "state"),
)

# Failed attempts; a successful one is described by the delivery itself.
delivery_attempts = Table(
    "delivery_attempts",
    metadata,
    Column("delivery_id", _Big, ForeignKey("deliveries.id"), primary_key=True, autoincrement=False),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("outcome", _enum(DeliveryState, "outcome"), nullable=False),
    Column("code", StoredText),
    Column("error", StoredText),
)

# Deliveries made on each day (UTC), to recognize a flood.
volumes = Table(
    "volumes",
    metadata,
    Column("day", StoredText, primary_key=True),
    Column("deliveries", Integer, nullable=False),
)

# Deliveries to each destination on its latest day; only if a daily cap is configured.
days = Table(
    "days",
    metadata,
    Column("kind", StoredText, primary_key=True),
    Column("address", StoredText, primary_key=True),
    Column("day", StoredText, nullable=False),
    Column("deliveries", Integer, nullable=False),
)

# Kinds of destination whose server refuses us, until a delivery succeeds.
pauses = Table(
    "pauses",
    metadata,
    Column("kind", StoredText, primary_key=True),
    Column("until", UtcDateTime, nullable=False),
    # Failures in a row.
    Column("failures", Integer, nullable=False),
    # The settings have to change first.
    Column("needs_operator", Boolean, nullable=False),
    Column("error", StoredText, nullable=False),
)

# Returned emails. The address is the delivery's, as in `suppressions`: a report may name another
# one, to which the email was forwarded.
bounces = Table(
    "bounces",
    metadata,
    _key(),
    # Of the returned email, so that reading it twice counts once.
    Column("fingerprint", StoredText, nullable=False, unique=True),
    Column("delivery_id", _Big, ForeignKey("deliveries.id"), nullable=False),
    Column("address", StoredText, nullable=False),
    Column("kind", _enum(BounceKind, "kind"), nullable=False),
    Column("code", StoredText),
    Column("detail", StoredText, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    # True if it adds to the address's score; cleared when a suppression is lifted.
    Column("counts", Boolean, nullable=False),
    Index(None, "address", "at"),
    Index(None, "delivery_id"),
)

# Processes that send, to recognize a copied file; see `processes`.
processes = Table(
    "processes",
    metadata,
    Column("host", StoredText, primary_key=True),
    Column("pid", Integer, primary_key=True, autoincrement=False),
    # Number of the SQLite file in its file system (inode).
    Column("file", StoredText, nullable=False),
    # In a copy: True if it came with its -wal file, or needed none.
    Column("is_complete", Boolean, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
)

mailboxes = Table(
    "mailboxes",
    metadata,
    Column("name", StoredText, primary_key=True),
    # Position up to which it is read, in the format of the mailbox type.
    Column("mark", StoredText, nullable=False),
    Column("last_ok_at", UtcDateTime),
    Column("last_error", StoredText),
)
