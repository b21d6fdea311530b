"""Floods and days, as tables of cases."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from digestbot.sending_limits import SendingLimits, day_of, flood

USUAL = (100, 120, 80, 100, 90)
"""The median is 100."""


@pytest.mark.parametrize(
    ("today", "days", "is_flood"),
    [
        (1001, USUAL, True),
        (1000, USUAL, False),
        (1001, (0, *USUAL, 0), True),
        (1_000_000, USUAL[:4], False),
        (1_000_000, (), False),
        (500, (1, 1, 1, 1, 1), False),
        (501, (1, 1, 1, 1, 1), True),
        (50_000, (6000, 1, 1, 6000, 6000), False),
    ],
    ids=["more", "just", "idle-days", "few-days", "new", "small", "above-floor", "median"],
)
def test_flood_is_measured_against_usual_days(
    today: int, days: tuple[int, ...], is_flood: bool
) -> None:
    assert (flood(SendingLimits(), today, days) is not None) == is_flood


def test_flood_reason_has_the_figures() -> None:
    assert flood(SendingLimits(), 2000, USUAL) == (
        "2000 deliveries today, 100 on a usual day; release them to send them"
    )


@pytest.mark.parametrize(
    ("settings", "is_flood"),
    [
        (SendingLimits(volume=0), False),
        (SendingLimits(volume=30), False),
        (SendingLimits(volume_floor=2000), False),
        (SendingLimits(volume_floor=0), True),
    ],
    ids=["off", "higher", "higher-floor", "no-floor"],
)
def test_settings_decide_what_is_a_flood(settings: SendingLimits, is_flood: bool) -> None:
    assert (flood(settings, 2000, USUAL) is not None) == is_flood


@pytest.mark.parametrize(
    ("now", "name", "next_at"),
    [
        ("2026-11-23T08:00", "2026-11-23", "2026-11-23T23:00"),
        ("2026-11-23T23:30", "2026-11-24", "2026-11-24T23:00"),
        ("2026-10-25T00:30", "2026-10-25", "2026-10-25T23:00"),
        ("2026-03-29T00:30", "2026-03-29", "2026-03-29T22:00"),
    ],
    ids=["morning", "after-midnight", "of-25-hours", "of-23-hours"],
)
def test_day_is_local_and_ends_at_midnight(now: str, name: str, next_at: str) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    day = day_of(moment, ZoneInfo("Europe/Berlin"))
    assert (day.name, day.next_at) == (name, datetime.fromisoformat(next_at).replace(tzinfo=UTC))
