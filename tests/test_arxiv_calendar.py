"""arXiv's announcement calendar: weekends, holidays, deadlines and clock changes."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.arxiv_calendar import (
    Occasion,
    announced_at,
    calendar_with,
    feed_at,
    feed_day,
    oai_at,
)

EASTERN = ZoneInfo("America/New_York")
CALENDAR = calendar_with()
ZONES = [UTC, EASTERN, ZoneInfo("Asia/Tokyo")]
moments = st.builds(
    lambda minutes, zone: (datetime(2026, 1, 5, tzinfo=UTC) + minutes).astimezone(zone),
    st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=500)),
    st.sampled_from(ZONES),
)


@pytest.mark.parametrize(
    ("submitted", "announced"),
    [
        ("2026-11-16T13:59", "2026-11-17"),  # Monday before the deadline
        ("2026-11-16T14:00", "2026-11-18"),
        ("2026-11-18T15:00", "2026-11-20"),  # Wednesday after it: Thursday evening
        ("2026-11-19T15:00", "2026-11-23"),  # Thursday after it: Sunday evening
        ("2026-11-20T13:59", "2026-11-23"),
        ("2026-11-20T14:00", "2026-11-24"),  # Friday after it: Monday evening
        ("2026-11-22T09:00", "2026-11-24"),  # Sunday
        ("2026-11-26T10:00", "2026-11-30"),  # Thanksgiving: with Friday's, on Sunday evening
        ("2026-12-24T15:00", "2026-12-29"),  # Christmas, a Friday: with Monday's
        ("2026-12-28T15:00", "2026-12-31"),
    ],
)
def test_days_of_submissions(submitted: str, announced: str) -> None:
    at = datetime.fromisoformat(submitted).replace(tzinfo=EASTERN)
    assert CALENDAR.expected_day(at) == date.fromisoformat(announced)


@pytest.mark.parametrize(
    ("day", "occasion"),
    [
        ("2026-11-25", Occasion.ANNOUNCEMENT),
        ("2026-11-27", Occasion.HOLIDAY),
        ("2026-11-28", Occasion.WEEKEND),
        ("2026-11-29", Occasion.WEEKEND),
        ("2026-11-30", Occasion.ANNOUNCEMENT),
        ("2026-12-28", Occasion.HOLIDAY),  # Christmas on Friday: no announcement on Sunday evening
    ],
)
def test_occasions(day: str, occasion: Occasion) -> None:
    assert CALENDAR.occasion(date.fromisoformat(day)) is occasion


def test_the_operator_adds_holidays() -> None:
    own = calendar_with([date(2026, 11, 18)])
    assert own.occasion(date(2026, 11, 19)) is Occasion.HOLIDAY
    assert own.occasion(date(2026, 11, 27)) is Occasion.HOLIDAY
    assert CALENDAR.occasion(date(2026, 11, 19)) is Occasion.ANNOUNCEMENT


def test_channels_follow_in_order_in_summer_and_winter() -> None:
    assert announced_at(date(2026, 11, 18)) == datetime(2026, 11, 18, 1, tzinfo=UTC)
    assert oai_at(date(2026, 11, 18)) == datetime(2026, 11, 18, 3, 30, tzinfo=UTC)
    assert feed_at(date(2026, 11, 18)) == datetime(2026, 11, 18, 5, tzinfo=UTC)
    assert announced_at(date(2026, 7, 15)) == datetime(2026, 7, 15, 0, tzinfo=UTC)
    assert feed_at(date(2026, 7, 15)) == datetime(2026, 7, 15, 4, tzinfo=UTC)
    assert feed_day(datetime(2026, 11, 18, 4, 59, tzinfo=UTC)) == date(2026, 11, 17)


@given(moments)
def test_the_latest_day_is_announced_and_the_next_is_not(moment: datetime) -> None:
    latest = CALENDAR.latest_day(moment)
    assert announced_at(latest) <= moment < announced_at(CALENDAR.next_day(latest))
    assert CALENDAR.has_announcement(latest)


@given(moments)
def test_paper_is_expected_within_a_week_of_submission(moment: datetime) -> None:
    day = CALENDAR.expected_day(moment)
    assert moment < announced_at(day) <= moment + timedelta(days=8)
    assert CALENDAR.has_announcement(day)


@given(moments, st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=9)))
def test_later_submissions_are_announced_no_earlier(moment: datetime, later: timedelta) -> None:
    # Added in UTC: wall-clock addition goes back an hour where clocks do.
    after = moment.astimezone(UTC) + later
    assert CALENDAR.expected_day(moment) <= CALENDAR.expected_day(after)
