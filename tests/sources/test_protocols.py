"""Checks of options that all sources share."""

from datetime import timedelta

import pytest

from digestbot.sources.protocols import check_interval, check_span


@pytest.mark.parametrize("days", [0, 7, 36_500])
def test_spans_of_up_to_a_century_are_accepted(days: int) -> None:
    check_span("backfill", timedelta(days=days))


@pytest.mark.parametrize("days", [-1, 36_501])
def test_negative_and_longer_spans_are_refused(days: int) -> None:
    with pytest.raises(ValueError, match=r"^backfill must be between 0 and 100 years$"):
        check_span("backfill", timedelta(days=days))


def test_negative_intervals_are_refused() -> None:
    check_interval(timedelta(0))
    with pytest.raises(ValueError, match=r"^interval must be 0 or longer$"):
        check_interval(timedelta(seconds=-1))
