"""Encoded pieces: joined in any order they are a valid body and decode to the texts they were."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.render.cache import BoundedCache
from digestbot.render.quoted_printable import (
    FIELD_MAX,
    decoded,
    encode_fragments,
    encoded,
    field,
    filled,
    merged,
    size,
)

LETTERS = st.text("ab=. \t\nFrom é分\u2028") | st.text(".", max_size=300) | st.text()
TEXTS = LETTERS.map(lambda text: text.replace("\r", "").replace("\x00", ""))


@given(st.lists(TEXTS.filter(bool), max_size=6))
def test_joined_pieces_decode_to_the_joined_texts(texts: list[str]) -> None:
    pieces = [encoded(text) for text in texts]
    assert decoded(pieces) == "".join(texts)
    assert decoded(merged(tuple(pieces))) == "".join(texts)


@given(TEXTS.filter(bool))
def test_a_piece_is_whole_lines_that_nothing_on_the_way_changes(text: str) -> None:
    piece = encoded(text)
    assert piece.endswith(b"\r\n")
    assert piece.isascii()
    assert b"\n" not in piece.replace(b"\r\n", b"")
    for line in piece.split(b"\r\n"):
        assert len(line) <= 76
        assert not line.startswith((b".", b"From "))
        assert not line.endswith((b" ", b"\t"))


@pytest.mark.parametrize("before", range(60, 80))
@pytest.mark.parametrize("end", ["", "é", ".", " ", "==", "From "])
def test_a_soft_end_fits_wherever_a_text_ends(before: int, end: str) -> None:
    text = "x" * before + end
    assert decoded([encoded(text), encoded("next\n")]) == text + "next\n"
    assert max(map(len, encoded(text).split(b"\r\n"))) <= 76


def test_other_line_ends_become_one() -> None:
    assert decoded([encoded("a\r\nb\rc\n")]) == "a\nb\nc\n"


def test_a_lone_surrogate_becomes_a_question_mark() -> None:
    assert decoded([encoded("\ud800\n")]) == "?\n"


def test_fields_stay_open_until_they_are_filled_in() -> None:
    pieces = encode_fragments(f"a{field('one')}b{field('two')}\n")
    assert [piece[0] == 0 for piece in pieces] == [False, True, False, True, False]
    assert decoded(pieces) == "ab\n"
    half = filled(pieces, {"one": (encoded("1"),)})
    assert size(half) == sum(len(piece) for piece in half if piece[0]) + FIELD_MAX
    assert len(merged(half)) == 3
    assert decoded(filled(merged(half), {"two": (encoded("2"),)})) == "a1b2\n"
    assert decoded(filled(half, {"two": ()})) == "a1b\n"


def test_no_text_makes_no_piece() -> None:
    assert encode_fragments("") == ()
    assert merged(()) == ()


def test_what_is_kept_is_bounded_and_what_is_asked_for_stays() -> None:
    kept = BoundedCache(entries=8)
    made = []

    def make(number: int) -> int:
        made.append(number)
        return number

    for number in range(100):
        assert kept.once(number, lambda number=number: make(number)) == number  # type: ignore[misc]
        assert kept.once("often", lambda: make(-1)) == -1
        assert len(kept) <= 8
    assert made.count(-1) == 1
    assert all(later > earlier for earlier, later in pairwise(n for n in made if n >= 0))
