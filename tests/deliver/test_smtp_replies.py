"""The table `smtp_replies.csv`: what each answer in each phase amounts to."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.deliver.retry import UNKNOWN_CODE
from digestbot.deliver.smtp_replies import Phase, classify
from digestbot.errors import OutcomeUnknown, PermanentFailure, TransientFailure
from digestbot.status_codes import SHOWN_MAX, enhanced_code, one_line

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
    if isinstance(error, TransientFailure):
        assert error.retry_after_s == (float(detail) if detail else None)


@pytest.mark.parametrize("phase", list(Phase))
def test_missing_reply_is_in_doubt_only_after_the_dot(phase: Phase) -> None:
    error = classify(phase, None, None, "Connection lost")
    assert isinstance(error, OutcomeUnknown if phase is Phase.DOT else TransientFailure)
    assert error.code == (UNKNOWN_CODE if phase is Phase.DOT else None)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("5.1.1 no such user", "5.1.1"),
        ("5.1.10", "5.1.10"),
        ("  4.7.1: greylisted", "4.7.1"),
        ("relay 5.7.1 denied", None),  # only what it begins with is the code (RFC 2034)
        ("5.1", None),
        ("192.0.2.1 is listed", None),
        ("3.0.0 no such class", None),
        ("", None),
    ],
)
def test_enhanced_code_is_read_from_the_beginning(text: str, code: str | None) -> None:
    assert enhanced_code(text) == code


def test_one_line_masks_addresses() -> None:
    text = "5.1.1 <reader@example.org>:\n5.1.1 user\tunknown\x1b[31m"
    assert one_line(text) == "5.1.1 <address>: 5.1.1 user unknown [31m"


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
