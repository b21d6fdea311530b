"""Export and import of the ledger, between any two stores."""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from digestbot import audit
from digestbot.errors import LedgerError
from digestbot.model import BatchOutcome, Bounce, BounceKind, Channel, ChannelCheck, Form, Origin
from digestbot.model import DeliveryState as S
from digestbot.model import SubscriptionState as State
from digestbot.store import AWAITING_OPERATOR, Store, from_line, open_store, to_line
from digestbot.store.ledger import DERIVED, EXCLUDED, IDENTIFIED_BY
from digestbot.store.tables import metadata
from digestbot.store.transitions import IMPORTED_AS
from tests.store import steps
from tests.store.samples import DAY, NOW, edition, fetched, ingest, log, mail, register, shown

Rows = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Store]:
    """Open a second store, in SQLite."""
    with open_store(f"sqlite:///{tmp_path / 'other.db'}") as opened:
        yield opened


def fill(store: Store) -> None:
    """Fill a store with four papers, an edition, and deliveries in several states."""
    known = [fetched(n, aliases=("guid:1",) if n == 1 else ()) for n in (1, 2, 3)]
    check = ChannelCheck(
        channel=Channel.RSS, announced_on=NOW.date(), outcome=BatchOutcome.PARTIAL, at=NOW
    )
    store.papers.ingest(
        "arxiv", known, {}, NOW, channel=Channel.RSS, checks=[check], lacks_fields=bool
    )
    rows = log(store)
    register(store)
    reader = store.subscriptions.add(
        "systems", mail(), origin=Origin.WEB, state=State.CONFIRMED, name="Zoë\u2028Ø", now=NOW
    )
    made = edition([shown(rows[0])], to_seq=3)
    fragments = (b"short", b"x" * 300, b"\x00\xff")
    to = [(mail(), reader.id), (mail("b@x.org"), None), (mail("c@x.org"), None)]
    store.editions.record(
        "systems",
        made,
        [shown(rows[1])],
        {Form.TEXT: "the text", Form.EML: fragments},
        to,
        NOW + DAY,
        NOW,
        message_domain="example.org",
        expires_at=NOW + DAY,
    )
    first, second, _ = (d.id for d in store.outbox.claim(NOW, lease_s=60, limit=3))
    steps.sent(store, first, "250 taken", NOW)
    steps.retry(store, second, "busy", "450", NOW + DAY)
    store.subscriptions.suppress("d@x.org", "left", NOW)
    soft = Bounce(delivery_id=first, kind=BounceKind.SOFT, code=None, detail="", at=NOW)
    store.bounces.record(soft, "a", lambda moments: None)
    store.bounces.set_mark("box", "7:12")
    store.papers.ingest("arxiv", [fetched(4)], {"mark": "4"}, NOW)
    store.works.merge(fetched(1).id, fetched(2).id, NOW)


def exported(store: Store) -> Rows:
    """Return the ledger of *store*, encoded and decoded as in a file."""
    return [from_line(to_line(*row)) for row in store.ledger.export_rows()]


def test_imported_ledger_exports_identically(store: Store, other: Store) -> None:
    fill(other)
    ledger = exported(other)
    assert {name for name, _ in ledger} == {"ledger", *(table.name for table in IDENTIFIED_BY)}
    assert store.ledger.import_rows(ledger) == len(ledger) - 1
    assert exported(store) == ledger


def test_import_into_sqlite_can_be_repeated(store: Store, other: Store) -> None:
    fill(store)
    ledger = exported(store)
    assert other.ledger.import_rows(ledger) == len(ledger) - 1
    assert exported(other) == ledger
    assert other.ledger.import_rows(ledger) == 0


def test_unfinished_deliveries_are_imported_as_held(store: Store, other: Store) -> None:
    fill(store)
    before = {d.id: d for d in store.outbox.list()}
    other.ledger.import_rows(exported(store))
    after = {d.id: d for d in other.outbox.list()}
    assert {d.id: d.message_id for d in before.values()} == {
        d.id: d.message_id for d in after.values()
    }
    assert sorted((d.state, d.last_error) for d in after.values()) == [
        (S.HELD, "was retrying when it was exported; release it to send it from here"),
        (S.HELD, "was sending when it was exported; release it to send it from here"),
        (S.SENT, None),
    ]
    assert other.outbox.claim(NOW + DAY, lease_s=60, limit=9) == ()
    assert other.editions.rendition(1, Form.EML) == (b"short", b"x" * 300, b"\x00\xff")
    assert other.outbox.requeue(list(after), NOW, states=AWAITING_OPERATOR) == 2


def test_keys_continue_after_the_imported_ones(store: Store, other: Store) -> None:
    fill(other)
    other.editions.advance("systems", 3, 4, NOW)
    store.ledger.import_rows(exported(other))
    assert log(store) == log(other)
    assert store.sources.state("arxiv").memory == {"mark": "4"}
    ingest(store, 5)
    assert [row.seq for row in log(store)] == [1, 2, 3, 4, 5]
    register(store, "another")
    store.editions.record(
        "another",
        edition(digest="another"),
        [],
        {},
        [(mail(), None)],
        None,
        NOW,
        message_domain="x",
    )
    assert len(store.outbox.list()) == 4
    offered = store.editions.offered("systems", {fetched(n).id for n in range(1, 6)})
    assert {entry.paper_id for entry in offered} == {fetched(1).id, fetched(2).id}


def test_repeated_import_leaves_newer_rows_alone(store: Store, other: Store) -> None:
    fill(other)
    ledger = exported(other)
    store.ledger.import_rows(ledger)
    store.editions.advance("systems", 3, 4, NOW)
    store.subscriptions.remove("systems", mail(), NOW)
    after = exported(store)
    assert store.ledger.import_rows(ledger) == 0
    assert exported(store) == after


def test_papers_seen_before_the_move_stay_old(store: Store, other: Store) -> None:
    """Also those that no digest was offered: a new digest must not announce them."""
    fill(other)
    old = [fetched(n, title=rf"Gr\"obner bases, $\alpha_{n}$") for n in range(6, 9)]
    other.papers.ingest("arxiv", [replace(p, backlog=True) for p in old], {}, NOW - 30 * DAY)
    other.editions.advance("systems", 3, other.papers.head(), NOW)
    store.ledger.import_rows(exported(other))
    assert log(store, backlog=True) == log(other, backlog=True)
    again = [*(fetched(n) for n in range(1, 5)), *old]
    assert store.papers.ingest("arxiv", again, {}, NOW + DAY).new == 0
    assert store.papers.first_seq_since(NOW + DAY) == store.papers.head()


def test_import_computes_the_derived_columns(store: Store, other: Store) -> None:
    other.papers.ingest("arxiv", [fetched(title=r"Gr\"obner", abstract=r"An $\alpha$.")], {}, NOW)
    store.ledger.import_rows(exported(other))
    query = select(*DERIVED)
    with store._database.read() as here, other._database.read() as there:
        assert here.execute(query).all() == there.execute(query).all()


def test_a_paper_announced_since_the_import_is_kept(store: Store, other: Store) -> None:
    """The announcement of an old paper gives its row of the log a new number."""
    fill(other)
    other.papers.ingest("arxiv", [fetched(6, backlog=True)], {}, NOW)
    ledger = exported(other)
    store.ledger.import_rows(ledger)
    store.papers.ingest("arxiv", [fetched(6, announced_on=NOW.date())], {}, NOW + DAY)
    after = exported(store)
    assert store.ledger.import_rows(ledger) == 0
    assert exported(store) == after


def test_a_row_that_fails_is_found_within_its_batch(store: Store, other: Store) -> None:
    fill(other)
    ledger = exported(other)
    at = max(n for n, (name, _) in enumerate(ledger) if name == "announcements")
    ledger[at][1]["paper_id"] = "arxiv:2611.99999"
    with pytest.raises(LedgerError, match="not a row of announcements") as caught:
        store.ledger.import_rows(ledger)
    assert caught.value.number == at + 1
    assert row_count(store) == 0


def test_a_delivery_in_doubt_stays_in_doubt(store: Store, other: Store) -> None:
    """Through two moves: the old machine's server may have accepted it."""
    fill(other)
    sending = next(d.id for d in other.outbox.list() if d.state is S.SENDING)
    steps.data_done(other, sending, NOW)
    with open_store("sqlite://") as third:
        third.ledger.import_rows(exported(other))
        store.ledger.import_rows(exported(third))
    found = store.outbox.get(sending)
    assert found is not None
    assert (found.state, found.doubts) == (S.HELD, 1)
    assert audit.of_delivery(found)[0] is audit.Sent.PERHAPS


def test_every_table_is_exported_or_excluded() -> None:
    assert not EXCLUDED & IDENTIFIED_BY.keys()
    assert EXCLUDED | IDENTIFIED_BY.keys() == set(metadata.tables.values())


def row_count(store: Store) -> int:
    with store._database.read() as connection:
        return sum(
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in IDENTIFIED_BY
        )


@pytest.mark.parametrize(
    ("number", "change", "message"),
    [
        (1, {"revision": "9999"}, "the ledger has revision 9999, this version of digestbot"),
        (1, {"head": None}, "not a ledger; write one"),
        (5, {"more": 1}, "the columns are not those of papers"),
        (5, {"version": "one"}, "not a row of papers"),
        (5, {"title_raw": None}, "not a row of papers"),
        (5, {"published": "2026-11-23T08:00:00"}, "not a row of papers: .*without a time zone"),
        (-1, {"deliveries": "many"}, "not a row of volumes: deliveries is str"),
        (-1, {"deliveries": True}, "not a row of volumes: deliveries is bool"),
    ],
)
def test_bad_row_undoes_the_import(
    store: Store, other: Store, number: int, change: dict[str, Any], message: str
) -> None:
    fill(other)
    ledger = exported(other)
    place = number - 1 if number > 0 else number
    name, row = ledger[place]
    ledger[place] = (name, row | change)
    with pytest.raises(LedgerError, match=message) as caught:
        store.ledger.import_rows(ledger)
    assert caught.value.number == (number if number > 0 else len(ledger))
    assert row_count(store) == 0


@pytest.mark.parametrize("state", S)
def test_no_delivery_is_imported_ready_to_send(store: Store, other: Store, state: S) -> None:
    fill(other)
    ledger = exported(other)
    at = next(n for n, (name, _) in enumerate(ledger) if name == "deliveries")
    ledger[at][1].update(state=state, next_at=None, lease_until=None, begun_at=None)
    if state in IMPORTED_AS:
        assert store.ledger.import_rows(ledger)
    else:
        with pytest.raises(LedgerError, match=f"cannot be imported as {state}"):
            store.ledger.import_rows(ledger)


def test_incomplete_ledgers_are_refused(store: Store, other: Store) -> None:
    fill(other)
    ledger = [row for row in exported(other) if row[0] != "editions"]
    with pytest.raises(LedgerError, match="not a row of edition_papers"):
        store.ledger.import_rows(ledger)
    assert row_count(store) == 0
    with pytest.raises(LedgerError, match='unknown table "fragments"'):
        store.ledger.import_rows([ledger[0], ("fragments", {})])
    with pytest.raises(LedgerError, match="the ledger is empty"):
        store.ledger.import_rows([])


def test_import_into_a_used_store_is_refused(store: Store, other: Store) -> None:
    fill(other)
    ingest(store, 9)
    refused = r'announcements "arxiv .*" differs in this store; import into a new store, before'
    with pytest.raises(LedgerError, match=refused):
        store.ledger.import_rows(exported(other))
    register(store, now=NOW + DAY)
    with pytest.raises(LedgerError, match=refused):
        store.ledger.import_rows(exported(other))
    assert row_count(store) == 4  # a paper and its announcement, a source, a digest


@pytest.mark.parametrize("fragment", [b"a\r\n.\r\nMAIL", b".\r\n", b"a\nb\r\n", b"a\rb\r\n"])
def test_body_that_could_end_its_mail_early_is_refused(
    store: Store, other: Store, fragment: bytes
) -> None:
    fill(other)
    ledger = exported(other)
    at = next(n for n, (_, row) in enumerate(ledger) if row.get("fragments"))
    ledger[at][1]["fragments"][0] = b64encode(fragment).decode()
    with pytest.raises(LedgerError, match="a dot at the start of a line"):
        store.ledger.import_rows(ledger)
    assert store.editions.list() == ()
