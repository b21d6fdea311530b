"""Encoded fragments form a valid body in any order and decode to their texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.render.quoted_printable import (
    FIELD_MAX,
    decode,
    encode,
    encode_fragments,
    field,
    fill_fields,
    merge_fragments,
    size,
)

LETTERS = st.text("ab=. \t\nFrom é分\u2028") | st.text(".", max_size=300) | st.text()
TEXTS = LETTERS.map(lambda text: text.replace("\r", "").replace("\x00", ""))


@given(st.lists(TEXTS.filter(bool), max_size=6))
def test_joined_fragments_decode_to_the_joined_texts(texts: list[str]) -> None:
    fragments = [encode(text) for text in texts]
    assert decode(fragments) == "".join(texts)
    assert decode(merge_fragments(tuple(fragments))) == "".join(texts)


@given(TEXTS.filter(bool))
def test_fragment_is_whole_lines_safe_in_transit(text: str) -> None:
    fragment = encode(text)
    assert fragment.endswith(b"\r\n")
    assert fragment.isascii()
    assert b"\n" not in fragment.replace(b"\r\n", b"")
    for line in fragment.split(b"\r\n"):
        assert len(line) <= 76
        assert not line.startswith((b".", b"From "))
        assert not line.endswith((b" ", b"\t"))


@pytest.mark.parametrize("before", range(60, 80))
@pytest.mark.parametrize("end", ["", "é", ".", " ", "==", "From "])
def test_soft_line_break_fits_after_any_text(before: int, end: str) -> None:
    text = "x" * before + end
    assert decode([encode(text), encode("next\n")]) == text + "next\n"
    assert max(map(len, encode(text).split(b"\r\n"))) <= 76


def test_other_line_endings_become_newlines() -> None:
    assert decode([encode("a\r\nb\rc\n")]) == "a\nb\nc\n"


def test_lone_surrogate_becomes_a_question_mark() -> None:
    assert decode([encode("\ud800\n")]) == "?\n"


def test_fields_stay_open_until_filled() -> None:
    fragments = encode_fragments(f"a{field('one')}b{field('two')}\n")
    assert [fragment[0] == 0 for fragment in fragments] == [False, True, False, True, False]
    assert decode(fragments) == "ab\n"
    half = fill_fields(fragments, {"one": (encode("1"),)})
    assert size(half) == sum(len(fragment) for fragment in half if fragment[0]) + FIELD_MAX
    assert len(merge_fragments(half)) == 3
    assert decode(fill_fields(merge_fragments(half), {"two": (encode("2"),)})) == "a1b2\n"
    assert decode(fill_fields(half, {"two": ()})) == "a1b\n"


def test_empty_text_has_no_fragments() -> None:
    assert encode_fragments("") == ()
    assert merge_fragments(()) == ()
