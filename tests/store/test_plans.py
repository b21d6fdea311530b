"""Query plans of SQLite for the queries that matter in a large store."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from digestbot.model import (
    AnnounceType,
    Bounce,
    BounceKind,
    DestinationKind,
    Form,
    Origin,
    SubscriptionState,
)
from digestbot.store import Store, open_store
from tests.store import steps
from tests.store.samples import (
    DAY,
    NOW,
    Statement,
    edition,
    fetched,
    ingest,
    log,
    mail,
    queue,
    record,
    shown,
    statements,
)


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Store]:
    """Open a store with a row in every table."""
    with open_store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        ingest(store, 1, 2, 3)
        (claimed,) = queue(store)
        queue(store, mail("b@x.org"))
        store.outbox.claim(NOW, lease_s=60, limit=1)
        made = edition([shown(log(store)[0])], digest="digest-0", number=2, slot="2", to_seq=1)
        record(store, made)
        store.subscriptions.sync_config("digest-0", [mail()], NOW)
        store.sources.begin_pass("arxiv", NOW)
        store.sources.pace("arxiv.org", 3, 60, NOW)
        assert claimed == 1
        yield store


def plan(store: Store, statement: Statement) -> list[str]:
    with store._database.read() as connection:
        sql, values = statement
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)
        return [row.detail for row in rows]


CALLS: dict[str, Callable[[Store], object]] = {
    "papers of batches": lambda s: list(s.batches.papers(NOW - DAY, sources=["arxiv"])),
    "checks of batches": lambda s: s.batches.checks(NOW.date(), sources=["arxiv"]),
    "first days of batches": lambda s: s.batches.first_days(["arxiv"]),
    "ingest": lambda s: s.papers.ingest("arxiv", [fetched(1, title="x"), fetched(9)], {}, NOW),
    "window": lambda s: log(s, since=NOW, types={AnnounceType.NEW}),
    "window of a source": lambda s: log(s, sources={"arxiv"}),
    "window of two sources": lambda s: log(s, sources={"a", "b"}),
    "head": lambda s: s.papers.head(),
    "since": lambda s: s.papers.first_seq_since(NOW),
    "get": lambda s: s.papers.get("arxiv:2611.00001"),
    "of paper": lambda s: s.papers.of_paper("arxiv:2611.00001"),
    "waiting": lambda s: s.papers.count_announcements(1),
    "state of a source": lambda s: s.sources.state("arxiv"),
    "begin pass": lambda s: s.sources.begin_pass("arxiv", NOW),
    "passes": lambda s: s.sources.passes("arxiv"),
    "pace": lambda s: s.sources.pace("arxiv.org", 3, 60, NOW),
    "due": lambda s: s.digests.due(NOW, limit=100),
    "state of a digest": lambda s: s.digests.state("digest-0"),
    "record": lambda s: record(s, edition(digest="digest-0", number=3, slot="3", from_seq=1)),
    "advance": lambda s: s.editions.advance("digest-0", 1, 2, NOW),
    "offered": lambda s: s.editions.offered("digest-0", {"arxiv:2611.00001"}),
    "editions of a paper": lambda s: s.editions.of_paper("digest-0", "arxiv:2611.00001"),
    "whole edition": lambda s: s.editions.get("digest-0", 1),
    "rendition": lambda s: s.editions.rendition(1, Form.TEXT),
    "newest editions": lambda s: s.editions.list(limit=10),
    "claim": lambda s: s.outbox.claim(NOW, lease_s=60, limit=100),
    "claim of a kind": lambda s: s.outbox.claim(
        NOW, lease_s=60, limit=100, kinds={DestinationKind.EMAIL}
    ),
    "in doubt": lambda s: s.outbox.in_doubt(NOW + DAY),
    "recover": lambda s: s.outbox.recover(NOW + DAY),
    "data done": lambda s: steps.data_done(s, 1, NOW, attempt=1),
    "sent": lambda s: steps.sent(s, 1, "250", NOW, attempt=1),
    "requeue": lambda s: s.outbox.requeue([1, 2], NOW),
    "newest deliveries": lambda s: s.outbox.list(limit=10),
    "subscribe": lambda s: s.subscriptions.add(
        "digest-0", mail(), origin=Origin.WEB, state=SubscriptionState.PENDING, now=NOW
    ),
    "out of step": lambda s: s.subscriptions.out_of_step({"digest-0": [mail()]}),
    "confirmed": lambda s: s.subscriptions.confirmed("digest-0"),
    "unsubscribe from all": lambda s: s.subscriptions.remove(None, mail(), NOW),
    "bounce": lambda s: s.bounces.record(
        Bounce(delivery_id=1, kind=BounceKind.SOFT, code=None, detail="", at=NOW), "x", lambda _: ""
    ),
    "bounces of a delivery": lambda s: s.bounces.of_delivery(1),
    "unsuppress": lambda s: s.subscriptions.unsuppress("a@x.org"),
    "is suppressed": lambda s: s.subscriptions.is_suppressed("a@x.org"),
}

# Read backwards by primary key, up to the limit; or all of a partial index that has few rows.
BY_PRIMARY_KEY = {
    "newest editions": "SCAN editions",
    "newest deliveries": "SCAN deliveries",
    "ingest": "SCAN merges USING INDEX ix_merges_paper_id_other_id",
}


@pytest.mark.parametrize("name", CALLS)
def test_queries_scan_no_table(filled: Store, name: str) -> None:
    with statements(filled) as sent:
        CALLS[name](filled)
    assert sent
    for statement in sent:
        steps = plan(filled, statement)
        # Parameters of the statement appear as a virtual table.
        scans = [s for s in steps if s.startswith("SCAN") and "VIRTUAL TABLE" not in s]
        assert set(scans) <= {BY_PRIMARY_KEY.get(name)}, (statement, steps)


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("claim of a kind", "ix_deliveries_kind_next_at_id_lost (kind=? AND next_at<?)"),
        ("recover", "ix_deliveries_lease_until (lease_until<?)"),
        ("window", "announcements USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("due", "ix_digests_next_due_at (next_due_at<?)"),
        ("since", "ix_announcements_seen_at_seq (seen_at>?)"),
    ],
)
def test_frequent_queries_use_their_index(filled: Store, name: str, index: str) -> None:
    with statements(filled) as sent:
        CALLS[name](filled)
    plans = [step for statement in sent for step in plan(filled, statement)]
    assert any(index in step for step in plans), plans


@pytest.mark.parametrize(
    "name", ["window", "window of a source", "window of two sources", "due", "newest deliveries"]
)
def test_ordered_queries_need_no_sort(filled: Store, name: str) -> None:
    with statements(filled) as sent:
        CALLS[name](filled)
    assert not [s for s in sent if any("TEMP B-TREE" in step for step in plan(filled, s))]


def test_claim_reads_its_index_in_order(filled: Store) -> None:
    with statements(filled) as sent:
        CALLS["claim of a kind"](filled)
    assert plan(filled, sent[0]) == [
        "SEARCH deliveries USING COVERING INDEX ix_deliveries_kind_next_at_id_lost "
        "(kind=? AND next_at<?)"
    ]
