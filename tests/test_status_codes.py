"""Codes and texts of mail servers."""

import pytest

from digestbot.status_codes import SHOWN_MAX, enhanced_code, one_line


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


def test_one_line_is_bounded() -> None:
    shown = one_line("x" * 1000)
    assert len(shown) == SHOWN_MAX
    assert shown.endswith("…")
