"""Bounce scoring: a table of kinds, and the score of an address."""

from datetime import UTC, datetime, timedelta

import pytest

from digestbot.bounces.scoring import classify, score, suppression_reason
from digestbot.model import BounceKind

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("action", "status", "kind"),
    [
        ("failed", "5.1.1", "hard"),
        ("Failed (see below)", "5.1.2", "hard"),
        ("failed", "5.1.6", "hard"),
        ("failed", "5.1.10", "hard"),
        ("error", "5.2.1", "hard"),
        ("failed", "5.2.2", "soft"),
        ("failed", "5.0.0", "soft"),
        ("failed", "5.4.1", "soft"),
        ("failed", "4.4.7", "soft"),
        ("failed", "4.1.1", "soft"),
        ("failed", "5.2.3", "other"),
        ("failed", "5.3.4", "other"),
        ("failed", "5.5.1", "other"),
        ("failed", "5.6.0", "other"),
        ("failed", "5.7.1", "other"),
        ("delayed", "5.1.1", "delayed"),
        ("delayed", "4.4.1", "delayed"),
        ("delivered", "2.0.0", None),
        ("relayed", "5.1.1", None),
        ("expanded", "2.0.0", None),
        ("", "5.1.1", None),
    ],
)
def test_only_dead_mailboxes_are_hard_bounces(action: str, status: str, kind: str | None) -> None:
    assert classify(action, status) == kind


def after(*days: float) -> list[datetime]:
    """Return moments that many days ago."""
    return [NOW - day * DAY for day in days]


@pytest.mark.parametrize(
    ("days", "points"),
    [
        ((), 0.0),
        ((0,), 1.0),
        ((0, 0.1, 0.2), 1.0),
        ((14,), 0.5),
        ((0, 14, 28), 1.75),
        ((-3,), 1.0),
    ],
    ids=["none", "one", "one-day", "faded", "three", "clock-set-back"],
)
def test_score_is_a_decaying_point_a_day(days: tuple[float, ...], points: float) -> None:
    assert score(after(*days), NOW) == pytest.approx(points)


@pytest.mark.parametrize(
    ("days", "is_suppressed"),
    [
        ((0, 1), False),
        ((0, 1, 2), True),
        ((0, 7, 14), False),
        ((0, 7, 14, 21), True),
        (tuple(range(0, 3000, 30)), False),
        ((0, 0.1, 0.2, 0.3), False),
    ],
    ids=["two-days", "three-days", "three-weeks", "four-weeks", "every-month", "one-day"],
)
def test_soft_bounces_suppress_by_score(days: tuple[float, ...], is_suppressed: bool) -> None:
    reason = suppression_reason(BounceKind.SOFT, after(*days), NOW)
    assert reason == ("bounced again and again" if is_suppressed else None)


@pytest.mark.parametrize("kind", BounceKind)
def test_hard_bounces_and_complaints_suppress_at_once(kind: BounceKind) -> None:
    wanted = {BounceKind.HARD: "bounced", BounceKind.COMPLAINT: "complained"}
    assert suppression_reason(kind, [], NOW) == wanted.get(kind)
