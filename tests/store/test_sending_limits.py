"""What waits for a person or for tomorrow, decided where deliveries are made and claimed."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from digestbot.model import Delivery, Destination, DestinationKind, Form
from digestbot.model import DeliveryState as S
from digestbot.store import AWAITING_OPERATOR, Cap, Store
from tests.store import marks
from tests.store.samples import DAY, MINUTE, NOW, edition, mail, register

FOLDER = Destination(kind=DestinationKind.FOLDER, address="/out")


def make(
    store: Store, name: str, *to: Destination, at: datetime = NOW, **options: Any
) -> list[Delivery]:
    """An edition of a digest of its own; its deliveries."""
    register(store, name)
    made = edition(digest=name, created_at=at)
    envelopes = [(destination, None) for destination in to or (mail(),)]
    options |= {"message_domain": "example.org"}
    store.editions.record(name, made, [], {Form.TEXT: "text"}, envelopes, None, at, **options)
    return sorted(store.outbox.list(digest=name), key=lambda d: d.id)


def claimed(store: Store, now: datetime = NOW, cap: Cap | None = None) -> list[str]:
    claim = partial(store.outbox.claim, now, lease_s=60, limit=100, cap=cap)
    found = claim(kinds={DestinationKind.FOLDER}, is_archive=True)
    return [d.destination.address for d in (*found, *claim(kinds={DestinationKind.EMAIL}))]


def test_all_deliveries_of_an_edition_that_is_too_much_are_held(store: Store) -> None:
    (one, two) = make(
        store, "d", mail("a@x.org"), mail("b@x.org"), flood_check=lambda today, days: "why"
    )
    assert [(d.state, d.next_at, d.last_error) for d in (one, two)] == [(S.HELD, None, "why")] * 2
    assert claimed(store) == []
    assert store.outbox.counts()[S.HELD] == 2
    assert store.outbox.requeue([one.id, two.id], NOW) == 0
    assert store.outbox.requeue([one.id], NOW, states=AWAITING_OPERATOR) == 1
    assert store.outbox.cancel(two.id, "by your word")
    assert claimed(store) == ["a@x.org"]


def test_the_brake_is_told_of_today_and_of_the_month_before(store: Store) -> None:
    asked: list[tuple[int, list[int]]] = []

    def flood_check(today: int, days: Sequence[int]) -> str | None:
        asked.append((today, list(days)))
        return None

    two = (mail("a@x.org"), mail("b@x.org"))
    make(store, "long-ago", at=NOW - 31 * DAY)
    make(store, "month", *two, at=NOW - 30 * DAY)
    make(store, "yesterday", at=NOW - DAY)
    make(store, "today", *two, mail("a@x.org"), flood_check=flood_check)
    make(store, "again", flood_check=flood_check)
    assert [(today, sorted(days)) for today, days in asked] == [(2, [1, 2]), (3, [1, 2])]


def test_an_edition_that_is_not_made_counts_nothing(store: Store) -> None:
    asked: list[int] = []

    def flood_check(today: int, days: Sequence[int]) -> str | None:
        asked.append(today)
        return None

    make(store, "d", flood_check=flood_check)
    assert (
        store.editions.record(
            "d", edition(digest="d"), [], {}, [(mail(), None)], None, NOW, message_domain="x.org"
        )
        is None
    )
    make(store, "e", flood_check=flood_check)
    assert asked == [1, 2]


@pytest.mark.parametrize("late", [timedelta(0), DAY])
def test_what_is_too_old_is_held_and_sent_when_it_is_released(
    store: Store, late: timedelta
) -> None:
    (old, folder) = make(store, "d", mail(), FOLDER, expires_at=NOW + DAY)
    make(store, "ageless", mail("b@x.org"))
    at = NOW + DAY + late
    assert sorted(claimed(store, at)) == ["/out", "b@x.org"]
    held = store.outbox.get(old.id)
    assert held is not None
    assert (held.state, held.attempts, held.next_at) == (S.HELD, 0, None)
    assert held.last_error == "the edition of 2026-11-23 is too old; release it to send it anyway"
    assert folder.id != old.id
    store.outbox.requeue([old.id], at, states=AWAITING_OPERATOR)
    assert claimed(store, at) == ["reader@example.org"]
    marks.retry(store, old.id, "busy", "450", at)
    assert claimed(store, at + DAY) == ["reader@example.org"]


def test_what_is_still_news_is_sent(store: Store) -> None:
    make(store, "d", expires_at=NOW + DAY)
    assert claimed(store, NOW + DAY - MINUTE) == ["reader@example.org"]


def test_what_is_beyond_the_cap_waits_for_the_next_day(store: Store) -> None:
    cap = Cap(per_day=2, day="2026-11-23", next_at=NOW + DAY)
    ids = [make(store, f"d{n}", mail("R@x.org"), FOLDER)[0].id for n in range(3)]
    make(store, "other", mail("b@x.org"))
    assert sorted(claimed(store, cap=cap)) == ["/out"] * 3 + ["R@x.org"] * 2 + ["b@x.org"]
    waiting = store.outbox.get(ids[2])
    assert waiting is not None
    assert (waiting.state, waiting.attempts, waiting.next_at) == (S.QUEUED, 0, NOW + DAY)
    assert waiting.last_error == ("reached the limit of 2 on 2026-11-23; waits for the next day")
    make(store, "late", mail("r@X.org"))
    assert claimed(store, cap=cap) == []
    tomorrow = Cap(per_day=2, day="2026-11-24", next_at=NOW + 2 * DAY)
    assert sorted(claimed(store, NOW + DAY, cap=tomorrow)) == ["R@x.org", "r@X.org"]


def test_a_second_attempt_is_not_counted(store: Store) -> None:
    cap = Cap(per_day=1, day="2026-11-23", next_at=NOW + DAY)
    (delivery,) = make(store, "d")
    for _ in range(3):
        assert claimed(store, cap=cap) == ["reader@example.org"]
        marks.retry(store, delivery.id, "busy", "450", NOW)


def day_of(at: datetime) -> str:
    return at.date().isoformat()


def test_what_is_given_back_frees_its_place_of_the_day(store: Store) -> None:
    cap = Cap(per_day=2, day="2026-11-23", next_at=NOW + DAY)
    ids = [make(store, f"d{n}", mail("R@x.org"))[0].id for n in range(3)]
    assert len(claimed(store, cap=cap)) == 2
    assert store.outbox.release_claims({ids[0]: 1, ids[1]: 1}, NOW, cap_day=day_of) == 2
    again = store.outbox.claim(NOW, lease_s=60, limit=100, cap=cap)
    assert [d.id for d in again] == ids[:2]
    marks.retry(store, ids[0], "busy", "450", NOW)
    assert claimed(store, cap=cap) == ["R@x.org"]
    assert store.outbox.release_claims({ids[0]: 2}, NOW, cap_day=day_of) == 1
    make(store, "more", mail("R@x.org"))
    assert claimed(store, cap=cap) == ["R@x.org"]  # its first attempt was counted, and once


def test_what_is_given_back_after_midnight_frees_no_place_of_the_new_day(store: Store) -> None:
    (late,) = make(store, "late")
    today = Cap(per_day=1, day="2026-11-23", next_at=NOW + DAY)
    tomorrow = Cap(per_day=1, day="2026-11-24", next_at=NOW + 2 * DAY)
    assert claimed(store, cap=today) == ["reader@example.org"]
    make(store, "d")
    assert claimed(store, NOW + DAY, cap=tomorrow) == ["reader@example.org"]
    assert store.outbox.release_claims({late.id: 1}, NOW + DAY, cap_day=day_of) == 1
    assert claimed(store, NOW + DAY, cap=tomorrow) == []


def test_what_waits_for_tomorrow_takes_no_place_of_today(store: Store) -> None:
    ids = [make(store, f"d{n}")[0].id for n in range(4)]
    cap = Cap(per_day=1, day="2026-11-23", next_at=NOW + DAY)
    assert len(claimed(store, cap=cap)) == 1
    assert store.outbox.release_claims({ids[0]: 1}, NOW, cap_day=day_of) == 1
    assert len(claimed(store, cap=cap)) == 1
