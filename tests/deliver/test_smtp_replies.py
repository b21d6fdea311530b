"""Classification of replies by the table `smtp_replies.csv`."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.deliver.retry import UNKNOWN_CODE
from digestbot.deliver.smtp_answers import EARLY
from digestbot.deliver.smtp_replies import Phase, classify
from digestbot.errors import (
    OutcomeUnknown,
    PermanentFailure,
    ServerUnavailable,
    TransientFailure,
)
from digestbot.status_codes import SHOWN_MAX, enhanced_code

TABLE = Path(__file__).with_name("smtp_replies.csv")
ROWS = [
    tuple(line.split(";"))
    for line in TABLE.read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} {row[1]}")
def test_each_reply_is_classified(row: tuple[str, ...]) -> None:
    phase, reply, kind, code, detail, _ = row
    number, text = reply.split(" ", 1)
    error = classify(Phase[phase], int(number), enhanced_code(text), text)
    assert type(error).__name__ == kind
    assert (error.code or "") == code
    assert text in str(error)
    if isinstance(error, PermanentFailure):
        assert error.suppress == (detail == "yes")
    if isinstance(error, ServerUnavailable):
        assert error.until_tomorrow == (detail == "tomorrow")
        assert error.retry_after_s == (float(detail) if detail.isdecimal() else None)


@pytest.mark.parametrize("phase", list(Phase))
def test_missing_reply_is_in_doubt_only_after_the_dot(phase: Phase) -> None:
    error = classify(phase, None, None, "Connection lost")
    about_us = phase in EARLY
    kind = ServerUnavailable if about_us else TransientFailure
    assert isinstance(error, OutcomeUnknown if phase is Phase.DOT else kind)
    assert error.code == (UNKNOWN_CODE if phase is Phase.DOT else None)


@given(
    phase=st.sampled_from(list(Phase)),
    code=st.none() | st.integers(-1, 999),
    text=st.text(max_size=2000),
)
def test_any_reply_gives_one_short_line(phase: Phase, code: int | None, text: str) -> None:
    message = str(classify(phase, code, enhanced_code(text), text))
    assert len(message) < SHOWN_MAX + 150
    assert "\n" not in message
    assert message.isprintable()
