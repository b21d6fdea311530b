"""Transitions: the table of states, and everything that writes them."""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import select

from digestbot.model import DeliveryState as S
from digestbot.store import Store, Transition
from digestbot.store.database import Database
from digestbot.store.tables import deliveries
from digestbot.store.transitions import (
    CREATED_AS,
    ENTERED_FROM,
    FAILED,
    LEASED,
    WAITING,
    ForbiddenTransition,
    create,
    lock,
    move,
    move_each,
    set_each,
    write_checked,
)
from tests.store import steps
from tests.store.samples import (
    DAY,
    NOW,
    SLACK,
    claim,
    force_state,
    get,
    mails,
    queue,
    state_of,
    statements,
)

PACKAGE = Path(__file__).parents[2] / "digestbot"
ALLOWED = """
    queued      -> sending held cancelled
    sending     -> queued sending data_done sent retrying dead unknown quarantined
    data_done   -> sending data_done sent retrying dead unknown
    sent        ->
    retrying    -> queued sending held cancelled
    dead        -> queued cancelled
    unknown     -> queued cancelled
    quarantined -> queued cancelled
    held        -> queued cancelled
    cancelled   -> queued
"""
PAIRS = {
    (S(before), S(to))
    for before, _, after in (line.partition("->") for line in ALLOWED.strip().splitlines())
    for before in [before.strip()]
    for to in after.split()
}


def columns_of(state: S) -> dict[str, Any]:
    """Return the columns that the table's constraints demand of a delivery in *state*."""
    return {
        "next_at": NOW if state in WAITING else None,
        "lease_until": NOW + DAY if state in LEASED else None,
        "begun_at": NOW if state in LEASED else None,
    }


def try_move(database: Database, key: int, to: S, *, as_one: bool) -> bool:
    """Move one delivery by `move` or `move_each`; return False if it was forbidden."""
    try:
        with database.write() as connection:
            row = lock(connection, [key])[key]
            if as_one:
                move(connection, [row], to, **columns_of(to))
            else:
                move_each(connection, [(row, to, columns_of(to))])
    except ForbiddenTransition:
        return False
    return True


@pytest.mark.parametrize("as_one", [True, False])
def test_exactly_the_allowed_pairs_succeed(store: Store, *, as_one: bool) -> None:
    (key,) = queue(store)
    succeeded = set()
    for before in S:
        for to in S:
            force_state(store, key, before)
            if try_move(store._database, key, to, as_one=as_one):
                succeeded.add((before, to))
            assert state_of(store, key) is (to if (before, to) in succeeded else before)
    assert succeeded == PAIRS


@pytest.mark.parametrize("state", S)
def test_deliveries_are_created_as_queued_or_held(store: Store, state: S) -> None:
    queue(store)
    fields = {"edition_id": 1, "kind": "email", "address": "b@x.org", "created_at": NOW}
    row = {**fields, "state": state, "next_at": NOW if state in WAITING else None}
    with store._database.write() as connection:
        if state in {S.QUEUED, S.HELD}:
            create(connection, [row])
        else:
            with pytest.raises(ForbiddenTransition, match=f"cannot be created as {state}"):
                create(connection, [row])
    assert len(store.outbox.list()) == 1 + (state in CREATED_AS)


def test_set_each_cannot_change_a_state(store: Store) -> None:
    (key,) = queue(store)
    with pytest.raises(ForbiddenTransition), store._database.write() as connection:
        set_each(connection, [{"key": key, "state": S.SENT}])
    assert state_of(store, key) is S.QUEUED


def test_every_state_has_an_entry_in_the_table() -> None:
    assert set(ENTERED_FROM) == set(S)


SQL_WRITE = re.compile(r"(?i)\b(?:update|insert\s+into|delete\s+from)\s+deliveries\b")


def writes_to_deliveries(source: str) -> Iterator[int]:
    """Yield the lines that build an INSERT, UPDATE or DELETE of ``deliveries``."""
    verbs = {"insert", "update", "delete"}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            name = node.func.id if isinstance(node.func, ast.Name) else name
            owner = node.func.value if isinstance(node.func, ast.Attribute) else None
            tables = [*node.args[:1], *([owner] if owner is not None else [])]
            if name in verbs and any(ast.unparse(t).endswith("deliveries") for t in tables):
                yield node.lineno
        elif isinstance(node, ast.Constant) and SQL_WRITE.search(str(node.value)):
            yield node.lineno


@pytest.mark.parametrize(
    "source",
    [
        "update(deliveries).values(state='sent')",
        "connection.execute(insert(tables.deliveries), rows)",
        "self._database.insert(deliveries).values(row)",
        "deliveries.update().values(state='sent')",
        "text('UPDATE deliveries SET state = :x')",
    ],
)
def test_the_check_below_finds_every_form_of_write(source: str) -> None:
    assert list(writes_to_deliveries(source)) == [1]


def test_only_transitions_writes_deliveries() -> None:
    """The ledger's import is the other writer; it asks `IMPORTED_AS` (see test_ledger)."""
    writers = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if list(writes_to_deliveries(path.read_text(encoding="utf-8")))
    }
    assert writers == {"store/transitions.py"}


def random_transition(dice: Random, key: int, *, is_common: bool) -> Transition:
    """Make a random transition, one of the two common ones if *is_common*."""
    failed = [S.SENDING, S.RETRYING, S.DEAD, S.UNKNOWN, S.CANCELLED]
    to = dice.choice([S.DATA_DONE, S.SENT, *(() if is_common else failed)])
    return Transition(
        key,
        to,
        NOW + (0 if is_common else dice.choice([0, 0, 2])) * DAY,
        1 if is_common else dice.choice([1, 1, 2, None]),
        receipt=dice.choice(["250 ok", "", 'a "quote" \\', "☃ 😀", "\udcff and \x00"]),
        error="busy" if to in FAILED else None,
        code="450" if to in FAILED else None,
        acknowledged="1.0" if to is S.SENDING else None,
        in_doubt=dice.random() < 0.5,
    )


def rows_of(store: Store, keys: Sequence[int]) -> list[dict[str, Any]]:
    """Return all columns of the deliveries but the id and address."""
    query = select(deliveries).where(deliveries.c.id.in_(keys)).order_by(deliveries.c.id)
    with store._database.read() as connection:
        return [
            {name: row[name] for name in row if name not in {"id", "address"}}
            for row in connection.execute(query).mappings()
        ]


def test_fast_and_checked_writes_agree(store: Store) -> None:
    """The twins get the same transitions, each written alone by the checked way."""
    dice = Random(4)
    keys = queue(store, *mails(12))
    ours, twins = keys[:6], keys[6:]
    all_made = 0
    for _ in range(150):
        is_common = dice.random() < 0.3
        chosen = dice.choices(range(6), k=dice.randrange(1, 8))
        for at in range(6):
            before = dice.choice(sorted(LEASED) if is_common else sorted(S))
            for key in (ours[at], twins[at]):
                force_state(store, key, before)
        chosen_steps = [(at, random_transition(dice, 0, is_common=is_common)) for at in chosen]
        made = store.outbox.apply([replace(t, delivery_id=ours[at]) for at, t in chosen_steps])
        one_by_one = [
            made
            for at, t in chosen_steps
            for made in store.outbox._writer.write_with(
                write_checked, [replace(t, delivery_id=twins[at])]
            )
        ]
        assert made == one_by_one
        assert rows_of(store, ours) == rows_of(store, twins)
        all_made += all(made)
    assert 20 < all_made < 130


def test_repeated_acknowledgement_counts_once(store: Store) -> None:
    """It is written again when the reply to a commit was lost."""
    (key,) = queue(store, SLACK)
    claim(store)
    for mark in ("1.0", "1.0", "2.0", "1.0"):
        assert steps.acknowledge(store, key, mark, NOW + DAY, attempt=1)
    assert get(store, key).acknowledged == ("1.0", "2.0")


def test_refused_transitions_leave_the_others(store: Store) -> None:
    keys = queue(store, *mails(4))
    claim(store, limit=3)
    made = store.outbox.apply(
        [
            Transition(keys[0], S.SENT, NOW, 1, receipt="250"),
            Transition(keys[1], S.RETRYING, NOW, 1, error="busy"),
            Transition(keys[2], S.CANCELLED, None, error="no"),
            Transition(keys[3], S.DATA_DONE, NOW, 0),
        ]
    )
    assert made == [True, True, False, False]
    assert [state_of(store, key) for key in keys] == [S.SENT, S.RETRYING, S.SENDING, S.QUEUED]


def test_mixed_transitions_are_written_together(store: Store) -> None:
    keys = queue(store, *mails(6))
    first, second, third, foreign, _ = (d.id for d in claim(store, limit=5))
    made = store.outbox.apply(
        [
            Transition(first, S.DATA_DONE, NOW, 1),
            Transition(first, S.SENT, NOW, 1, receipt="250 one"),
            Transition(second, S.RETRYING, NOW + DAY, 1, error="greylisted", code="450"),
            Transition(third, S.DATA_DONE, NOW + DAY, 1),
            Transition(foreign, S.SENT, NOW, 2, receipt="250 of another attempt"),
            Transition(keys[5], S.SENT, NOW, 1, receipt="250 without a lease"),
            Transition(99, S.SENT, NOW, 1, receipt="250 of an unknown delivery"),
        ]
    )
    assert made == [True, True, True, False, False, False, False]
    states = [state_of(store, key) for key in keys]
    assert states == [S.SENT, S.RETRYING, S.SENDING, S.SENDING, S.SENDING, S.QUEUED]
    assert store.outbox.apply([]) == []


def test_common_transitions_are_one_statement(store: Store) -> None:
    keys = queue(store, *mails(20))
    claim(store)
    common = [Transition(key, S.DATA_DONE, NOW, 1) for key in keys[:10]]
    common += [Transition(key, S.SENT, NOW, 1, receipt="250") for key in keys[10:]]
    with statements(store) as sent:
        assert all(store.outbox.apply(common))
    assert [statement.split()[0] for statement, _ in sent] == ["UPDATE"]
