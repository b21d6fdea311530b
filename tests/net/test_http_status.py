"""Retryable statuses and Retry-After."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.net import BUSY, is_retryable, parse_retry_after

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize("status", [204, 302, 406, 408, 425, 429, 500, 502, 503, 504, 520])
def test_temporary_statuses_are_retryable(status: int) -> None:
    assert is_retryable(status)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 407, 410, 418, 451])
def test_refusals_are_final(status: int) -> None:
    assert not is_retryable(status)


def test_busy_statuses_are_retryable() -> None:
    assert all(map(is_retryable, BUSY))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("1.5", 1.5),
        ("9" * 400, 86_400.0),
        ("Mon, 23 Nov 2026 08:01:00 GMT", 60.0),
        ("Mon, 23 Nov 2026 07:00:00 GMT", 0.0),
        ("Mon, 23 Nov 2026 08:01:00 -0000", 60.0),
        ("Sun, 23 Nov 9999 08:01:00 GMT", 86_400.0),
        ("Mon, 99 Nov 2026 08:01:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


@given(st.text(max_size=60))
def test_retry_after_accepts_any_text(value: str) -> None:
    wait_s = parse_retry_after(value, NOW)
    assert wait_s is None or 0 <= wait_s <= timedelta(days=1).total_seconds()
