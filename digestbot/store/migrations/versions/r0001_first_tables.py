"""First tables: papers, the log, sources, digests, editions, subscriptions and the outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# SQLite generates keys only for a column declared INTEGER.
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
SHORT_MOMENT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
WAITING = sa.text("next_at IS NOT NULL")
LEASED = sa.text("lease_until IS NOT NULL")
NOT_SENT = sa.text("state <> 'sent'")
ON_A_DAY = sa.text("announced_on IS NOT NULL")
FROM_CONFIG = sa.text("origin = 'config'")
APART = sa.text("is_apart")
ANNOUNCE_TYPES = ("new", "cross", "replace", "replace-cross", "notice", "published")


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=20)


def upgrade() -> None:
    op.create_table(
        "digests",
        sa.Column("id", BIG, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("origin", _enum("origin", "config", "command", "web"), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("cursor", BIG, nullable=False),
        sa.Column("covered_to", MOMENT, nullable=True),
        sa.Column("skipped", sa.Text(), nullable=True),
        sa.Column("next_due_at", MOMENT, nullable=True),
        sa.Column("editions", sa.Integer(), nullable=False),
        sa.Column("last_edition_at", MOMENT, nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_digests")),
        sa.UniqueConstraint("name", name=op.f("uq_digests_name")),
    )
    op.create_index(op.f("ix_digests_next_due_at"), "digests", ["next_due_at"], unique=False)
    op.create_table(
        "pacing",
        sa.Column("group_name", sa.Text(), nullable=False),
        sa.Column("next_at", MOMENT, nullable=False),
        sa.Column("span_s", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("group_name", name=op.f("pk_pacing")),
    )
    op.create_table(
        "papers",
        sa.Column("paper_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("abstract", sa.Text(), nullable=False),
        sa.Column("title_raw", sa.Text(), nullable=False),
        sa.Column("abstract_raw", sa.Text(), nullable=False),
        sa.Column("authors", sa.Text(), nullable=False),
        sa.Column("categories", sa.Text(), nullable=False),
        sa.Column("primary_category", sa.Text(), nullable=True),
        sa.Column("published", MOMENT, nullable=True),
        sa.Column("published_is_date", sa.Boolean(), nullable=False),
        sa.Column("updated", MOMENT, nullable=True),
        sa.Column("updated_is_date", sa.Boolean(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("journal_ref", sa.Text(), nullable=True),
        sa.Column("doi", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("pdf_url", sa.Text(), nullable=True),
        sa.Column(
            "document_type",
            _enum(
                "document_type",
                "paper",
                "editorial",
                "correction",
                "retraction",
                "withdrawal",
                "concern",
                "front-matter",
                "news",
            ),
            nullable=False,
        ),
        sa.Column("title_words", sa.Text(), nullable=True),
        sa.Column("abstract_words", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("paper_id", "version", name=op.f("pk_papers")),
    )
    op.create_table(
        "enrichments",
        sa.Column("paper_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("queued_at", MOMENT, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("tried_at", MOMENT, nullable=True),
        sa.Column("next_at", MOMENT, nullable=True),
        sa.Column("filled", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("paper_id", "version", name=op.f("pk_enrichments")),
    )
    op.create_index(
        op.f("ix_enrichments_next_at"),
        "enrichments",
        ["next_at"],
        unique=False,
        sqlite_where=WAITING,
        postgresql_where=WAITING,
    )
    op.create_table(
        "enrichment_services",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("last_ok_at", MOMENT, nullable=True),
        sa.Column("failed_at", MOMENT, nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("rests_until", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_enrichment_services")),
    )
    op.create_table(
        "passes",
        sa.Column("id", BIG, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column(
            "status",
            _enum(
                "status", "never", "running", "ok", "empty", "partial", "late", "refused", "broken"
            ),
            nullable=False,
        ),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("new", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passes")),
    )
    op.create_index(op.f("ix_passes_source_id"), "passes", ["source", "id"], unique=False)
    op.create_table(
        "sources",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("memory", sa.Text(), nullable=False),
        sa.Column("asked", sa.Text(), nullable=True),
        sa.Column(
            "status",
            _enum(
                "status", "never", "running", "ok", "empty", "partial", "late", "refused", "broken"
            ),
            nullable=False,
        ),
        sa.Column("last_try_at", MOMENT, nullable=True),
        sa.Column("last_ok_at", MOMENT, nullable=True),
        sa.Column("last_new_at", MOMENT, nullable=True),
        sa.Column("next_try_at", MOMENT, nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sources")),
    )
    op.create_table(
        "subscriptions",
        sa.Column("id", BIG, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("address_key", sa.Text(), nullable=False),
        sa.Column(
            "state", _enum("state", "pending", "confirmed", "unsubscribed", "ended"), nullable=False
        ),
        sa.Column("origin", _enum("origin", "config", "command", "web"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriptions")),
        sa.UniqueConstraint(
            "digest", "kind", "address_key", name=op.f("uq_subscriptions_digest_kind_address_key")
        ),
    )
    op.create_index(
        op.f("ix_subscriptions_kind_address_key"),
        "subscriptions",
        ["kind", "address_key"],
        unique=False,
    )
    op.create_index(
        op.f("ix_subscriptions_digest"),
        "subscriptions",
        ["digest"],
        unique=False,
        sqlite_where=FROM_CONFIG,
        postgresql_where=FROM_CONFIG,
    )
    op.create_table(
        "suppressions",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_suppressions")),
    )
    op.create_table(
        "word_rebuilds",
        sa.Column("rules", sa.Text(), nullable=False),
        sa.Column("paper_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("is_complete", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("rules", name=op.f("pk_word_rebuilds")),
    )
    op.create_table(
        "announcements",
        sa.Column("seq", BIG, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("paper_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("type", _enum("type", *ANNOUNCE_TYPES), nullable=False),
        sa.Column("backlog", sa.Boolean(), nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("announced_on", sa.Date(), nullable=True),
        sa.Column("channels", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["paper_id", "version"],
            ["papers.paper_id", "papers.version"],
            name=op.f("fk_announcements_paper_id_version"),
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_announcements")),
        sa.UniqueConstraint(
            "paper_id",
            "version",
            "source",
            "type",
            name=op.f("uq_announcements_paper_id_version_source_type"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_announcements_seen_at_seq"), "announcements", ["seen_at", "seq"], unique=False
    )
    op.create_index(
        op.f("ix_announcements_announced_on_source"),
        "announcements",
        ["announced_on", "source"],
        unique=False,
        sqlite_where=ON_A_DAY,
        postgresql_where=ON_A_DAY,
    )
    op.create_table(
        "channel_checks",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("announced_on", sa.Date(), nullable=False),
        sa.Column("channel", _enum("channel", "rss", "oai", "api"), nullable=False),
        sa.Column(
            "outcome",
            _enum("outcome", "complete", "empty", "stale", "partial", "down"),
            nullable=False,
        ),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint(
            "source", "announced_on", "channel", name=op.f("pk_channel_checks")
        ),
    )
    op.create_table(
        "paper_aliases",
        sa.Column("alias", sa.Text(), nullable=False),
        sa.Column("paper_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("alias", name=op.f("pk_paper_aliases")),
    )
    op.create_index(op.f("ix_paper_aliases_paper_id"), "paper_aliases", ["paper_id"], unique=False)
    op.create_table(
        "works",
        sa.Column("paper_id", sa.Text(), nullable=False),
        sa.Column("work", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("paper_id", name=op.f("pk_works")),
    )
    op.create_index(op.f("ix_works_work"), "works", ["work"], unique=False)
    op.create_table(
        "merges",
        sa.Column("paper_id", sa.Text(), nullable=False),
        sa.Column("other_id", sa.Text(), nullable=False),
        sa.Column("is_apart", sa.Boolean(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.CheckConstraint("paper_id <> other_id", name=op.f("ck_merges_pair")),
        sa.PrimaryKeyConstraint("paper_id", "other_id", name=op.f("pk_merges")),
    )
    op.create_index(op.f("ix_merges_other_id"), "merges", ["other_id"], unique=False)
    op.create_index(
        op.f("ix_merges_paper_id_other_id"),
        "merges",
        ["paper_id", "other_id"],
        unique=False,
        sqlite_where=APART,
        postgresql_where=APART,
    )
    op.create_table(
        "editions",
        sa.Column("id", BIG, nullable=False),
        sa.Column("digest_id", BIG, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("slot", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("from_seq", BIG, nullable=False),
        sa.Column("to_seq", BIG, nullable=False),
        sa.Column("papers", sa.Integer(), nullable=False),
        sa.Column("omitted", sa.Integer(), nullable=False),
        sa.Column("carried", sa.Integer(), nullable=False),
        sa.Column("covers_from", MOMENT, nullable=True),
        sa.Column("covers_to", MOMENT, nullable=False),
        sa.Column("considered", sa.Integer(), nullable=False),
        sa.Column("coverage", sa.Text(), nullable=False),
        sa.Column("message_domain", sa.Text(), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["digest_id"], ["digests.id"], name=op.f("fk_editions_digest_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_editions")),
        sa.UniqueConstraint("digest_id", "number", name=op.f("uq_editions_digest_id_number")),
        sa.UniqueConstraint("digest_id", "slot", name=op.f("uq_editions_digest_id_slot")),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", BIG, nullable=False),
        sa.Column("edition_id", BIG, nullable=False),
        sa.Column("subscription_id", BIG, nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column(
            "state",
            _enum(
                "state",
                "queued",
                "sending",
                "data_done",
                "sent",
                "retrying",
                "dead",
                "unknown",
                "quarantined",
                "held",
                "cancelled",
            ),
            nullable=False,
        ),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", SHORT_MOMENT, nullable=False),
        sa.Column("next_at", SHORT_MOMENT, nullable=True),
        sa.Column("begun_at", SHORT_MOMENT, nullable=True),
        sa.Column("lease_until", SHORT_MOMENT, nullable=True),
        sa.Column("sent_at", SHORT_MOMENT, nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("last_code", sa.Text(), nullable=True),
        sa.Column("acknowledged", sa.Text(), nullable=False),
        sa.Column("receipt", sa.Text(), nullable=True),
        sa.Column("lost", sa.Integer(), nullable=False),
        sa.Column("doubts", sa.Integer(), nullable=False),
        sa.Column("released_at", SHORT_MOMENT, nullable=True),
        sa.CheckConstraint(
            "(begun_at IS NOT NULL) = (lease_until IS NOT NULL)",
            name=op.f("ck_deliveries_begun"),
        ),
        sa.CheckConstraint(
            "(lease_until IS NOT NULL) = (state IN ('sending', 'data_done'))",
            name=op.f("ck_deliveries_leased"),
        ),
        sa.CheckConstraint(
            "(next_at IS NOT NULL) = (state IN ('queued', 'retrying'))",
            name=op.f("ck_deliveries_waiting"),
        ),
        sa.ForeignKeyConstraint(
            ["edition_id"], ["editions.id"], name=op.f("fk_deliveries_edition_id")
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscriptions.id"], name=op.f("fk_deliveries_subscription_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint(
            "edition_id", "kind", "address", name=op.f("uq_deliveries_edition_id_kind_address")
        ),
    )
    op.create_index(
        op.f("ix_deliveries_kind_next_at_id_lost"),
        "deliveries",
        ["kind", "next_at", "id", "lost"],
        unique=False,
        sqlite_where=WAITING,
        postgresql_where=WAITING,
    )
    op.create_index(
        op.f("ix_deliveries_lease_until"),
        "deliveries",
        ["lease_until"],
        unique=False,
        sqlite_where=LEASED,
        postgresql_where=LEASED,
    )
    op.create_index(
        op.f("ix_deliveries_state"),
        "deliveries",
        ["state"],
        unique=False,
        sqlite_where=NOT_SENT,
        postgresql_where=NOT_SENT,
    )
    op.create_table(
        "edition_papers",
        sa.Column("edition_id", BIG, autoincrement=False, nullable=False),
        sa.Column("rank", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest_id", BIG, nullable=False),
        sa.Column("paper_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "document_type",
            _enum(
                "document_type",
                "paper",
                "editorial",
                "correction",
                "retraction",
                "withdrawal",
                "concern",
                "front-matter",
                "news",
            ),
            nullable=False,
        ),
        sa.Column("included", sa.Boolean(), nullable=False),
        sa.Column("waits", sa.Integer(), nullable=False),
        sa.Column("seq", BIG, nullable=False),
        sa.Column("type", _enum("type", *ANNOUNCE_TYPES), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("matches", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["digest_id"], ["digests.id"], name=op.f("fk_edition_papers_digest_id")
        ),
        sa.ForeignKeyConstraint(
            ["edition_id"], ["editions.id"], name=op.f("fk_edition_papers_edition_id")
        ),
        sa.ForeignKeyConstraint(
            ["paper_id", "version"],
            ["papers.paper_id", "papers.version"],
            name=op.f("fk_edition_papers_paper_id_version"),
        ),
        sa.PrimaryKeyConstraint("edition_id", "rank", name=op.f("pk_edition_papers")),
    )
    op.create_index(
        op.f("ix_edition_papers_digest_id_paper_id_version"),
        "edition_papers",
        ["digest_id", "paper_id", "version"],
        unique=False,
    )
    op.create_table(
        "renditions",
        sa.Column("edition_id", BIG, autoincrement=False, nullable=False),
        sa.Column(
            "form",
            _enum(
                "form",
                "subject",
                "html",
                "text",
                "slack",
                "json",
                "markdown",
                "bibtex",
                "ris",
                "atom",
                "eml",
            ),
            nullable=False,
        ),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("fragments", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("(body IS NULL) <> (fragments IS NULL)", name=op.f("ck_renditions_one")),
        sa.ForeignKeyConstraint(
            ["edition_id"], ["editions.id"], name=op.f("fk_renditions_edition_id")
        ),
        sa.PrimaryKeyConstraint("edition_id", "form", name=op.f("pk_renditions")),
    )
    op.create_table(
        "fragments",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_fragments")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "delivery_attempts",
        sa.Column("delivery_id", BIG, autoincrement=False, nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column(
            "outcome",
            _enum(
                "outcome",
                "queued",
                "sending",
                "data_done",
                "sent",
                "retrying",
                "dead",
                "unknown",
                "quarantined",
                "held",
                "cancelled",
            ),
            nullable=False,
        ),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["deliveries.id"], name=op.f("fk_delivery_attempts_delivery_id")
        ),
        sa.PrimaryKeyConstraint("delivery_id", "attempt", name=op.f("pk_delivery_attempts")),
    )
    op.create_table(
        "bounces",
        sa.Column("id", BIG, nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("delivery_id", BIG, nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column(
            "kind",
            _enum("kind", "hard", "soft", "other", "delayed", "complaint", "unsubscribe"),
            nullable=False,
        ),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("counts", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["deliveries.id"], name=op.f("fk_bounces_delivery_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bounces")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_bounces_fingerprint")),
    )
    op.create_index(op.f("ix_bounces_address_at"), "bounces", ["address", "at"], unique=False)
    op.create_index(op.f("ix_bounces_delivery_id"), "bounces", ["delivery_id"], unique=False)
    op.create_table(
        "mailboxes",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("mark", sa.Text(), nullable=False),
        sa.Column("last_ok_at", MOMENT, nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_mailboxes")),
    )
    op.create_table(
        "volumes",
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("deliveries", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_volumes")),
    )
    op.create_table(
        "days",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("deliveries", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "address", name=op.f("pk_days")),
    )
    op.create_table(
        "processes",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("is_complete", sa.Boolean(), nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("host", "pid", name=op.f("pk_processes")),
    )
    op.create_table(
        "pauses",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("needs_operator", sa.Boolean(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_pauses")),
    )
