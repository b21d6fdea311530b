"""Family names that tell how a name is built."""

import pytest

from digestbot.filters.surnames import (
    EAST_ASIAN,
    SPANISH,
    is_pinyin,
    is_spanish,
    is_syllable,
    second_letters,
)
from digestbot.text import fold


@pytest.mark.parametrize("name", ["xiaoming", "wei", "zichen", "lvjun", "anna"])
def test_syllables_make_pinyin(name: str) -> None:
    assert is_pinyin(name)


@pytest.mark.parametrize("name", ["smolin", "thomas", "seunghyun", "ab", "xiaomingweihua", ""])
def test_other_names_are_not_pinyin(name: str) -> None:
    assert not is_pinyin(name)


@pytest.mark.parametrize(("name", "is_one"), [("ming", True), ("anna", False), ("mr", False)])
def test_one_syllable(name: str, is_one: bool) -> None:
    assert is_syllable(name) is is_one


@pytest.mark.parametrize("name", ["García", "Rodríguez", "Torres", "Núñez"])
def test_spanish_names_are_known_by_list_or_ending(name: str) -> None:
    assert is_spanish(fold(name))


@pytest.mark.parametrize("name", ["smith", "paul", "luis", "ez", "inez2"])
def test_other_names_are_not_spanish(name: str) -> None:
    assert not is_spanish(name)


@pytest.mark.parametrize(
    ("name", "letters"),
    [("xiaoming", "m"), ("jinan", "na"), ("xuan", ""), ("ming", ""), ("robert", "")],
)
def test_second_letters_come_from_every_division(name: str, letters: str) -> None:
    assert second_letters(name) == set(letters)


def test_names_are_listed_as_compared() -> None:
    assert all(fold(name) == name and name.isalpha() for name in EAST_ASIAN | SPANISH)
