"""The daily cap on deliveries to one destination."""

from datetime import datetime

from digestbot.model import DeliveryState as S
from digestbot.store import Cap, Store
from tests.store import steps
from tests.store.samples import DAY, FOLDER, NOW, claimed_addresses, mail, record_edition


def test_deliveries_beyond_the_cap_wait_a_day(store: Store) -> None:
    cap = Cap(per_day=2, day="2026-11-23", next_at=NOW + DAY)
    ids = [record_edition(store, f"d{n}", mail("R@x.org"), FOLDER)[0].id for n in range(3)]
    record_edition(store, "other", mail("b@x.org"))
    assert sorted(claimed_addresses(store, cap=cap)) == ["/out"] * 3 + ["R@x.org"] * 2 + ["b@x.org"]
    waiting = store.outbox.get(ids[2])
    assert waiting is not None
    assert (waiting.state, waiting.attempts, waiting.next_at) == (S.QUEUED, 0, NOW + DAY)
    assert waiting.last_error == ("reached the limit of 2 on 2026-11-23; waits for the next day")
    record_edition(store, "late", mail("r@X.org"))
    assert claimed_addresses(store, cap=cap) == []
    tomorrow = Cap(per_day=2, day="2026-11-24", next_at=NOW + 2 * DAY)
    assert sorted(claimed_addresses(store, NOW + DAY, cap=tomorrow)) == ["R@x.org", "r@X.org"]


def test_retries_do_not_count(store: Store) -> None:
    cap = Cap(per_day=1, day="2026-11-23", next_at=NOW + DAY)
    (delivery,) = record_edition(store, "d")
    for _ in range(3):
        assert claimed_addresses(store, cap=cap) == ["reader@example.org"]
        steps.retry(store, delivery.id, "busy", "450", NOW)


def day_of(at: datetime) -> str:
    return at.date().isoformat()


def test_released_claim_frees_its_place(store: Store) -> None:
    cap = Cap(per_day=2, day="2026-11-23", next_at=NOW + DAY)
    ids = [record_edition(store, f"d{n}", mail("R@x.org"))[0].id for n in range(3)]
    assert len(claimed_addresses(store, cap=cap)) == 2
    assert store.outbox.release_claims({ids[0]: 1, ids[1]: 1}, NOW, cap_day=day_of) == 2
    again = store.outbox.claim(NOW, lease_s=60, limit=100, cap=cap)
    assert [d.id for d in again] == ids[:2]
    steps.retry(store, ids[0], "busy", "450", NOW)
    assert claimed_addresses(store, cap=cap) == ["R@x.org"]
    assert store.outbox.release_claims({ids[0]: 2}, NOW, cap_day=day_of) == 1
    record_edition(store, "more", mail("R@x.org"))
    assert claimed_addresses(store, cap=cap) == [
        "R@x.org"
    ]  # its first attempt was counted, and once


def test_release_after_midnight_frees_no_new_place(store: Store) -> None:
    (late,) = record_edition(store, "late")
    today = Cap(per_day=1, day="2026-11-23", next_at=NOW + DAY)
    tomorrow = Cap(per_day=1, day="2026-11-24", next_at=NOW + 2 * DAY)
    assert claimed_addresses(store, cap=today) == ["reader@example.org"]
    record_edition(store, "d")
    assert claimed_addresses(store, NOW + DAY, cap=tomorrow) == ["reader@example.org"]
    assert store.outbox.release_claims({late.id: 1}, NOW + DAY, cap_day=day_of) == 1
    assert claimed_addresses(store, NOW + DAY, cap=tomorrow) == []


def test_postponed_deliveries_take_no_place(store: Store) -> None:
    ids = [record_edition(store, f"d{n}")[0].id for n in range(4)]
    cap = Cap(per_day=1, day="2026-11-23", next_at=NOW + DAY)
    assert len(claimed_addresses(store, cap=cap)) == 1
    assert store.outbox.release_claims({ids[0]: 1}, NOW, cap_day=day_of) == 1
    assert len(claimed_addresses(store, cap=cap)) == 1
