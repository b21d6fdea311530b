"""Words, as they are compared: folded, with their places in the text that is shown."""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache
from string import ascii_letters, digits
from typing import NamedTuple

RULES = f"1/{unicodedata.unidata_version}"
"""
Names the rules by which a text becomes words; those of Unicode are Python's.

Raise the first number with any change of what `words` gives: words that are stored were made by the
rules that stand beside them, and others are not believed.
"""

# What casefold and decomposition leave of European letters that have a plain form; the joiners
# are seen by nobody.
_PLAIN_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ŧ": "t", "æ": "ae", "œ": "oe"}
    | {"þ": "th", "ŋ": "n", "ȷ": "j", "ƒ": "f", "ŀ": "l", "\u200c": "", "\u200d": ""}
)
# Accents of alphabets. Marks of other scripts are no accents: in Hindi they are the vowels, in
# Japanese they make another consonant.
_ACCENTS = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")

# Scripts that put no blanks between words: each character is a word, so that a term finds itself
# within a longer run. Han, kana (half-width ones with their voicing mark), Hangul (whose particles
# cling to the word), and Thai, Lao, Burmese, Khmer.
_SINGLE = (
    "[\uff66-\uff9d][\uff9e\uff9f]?|"
    "[\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff]"
)
_SIGNS = "[+#\uff0b\uff03⁺₊]"  # as in C++, C# and Na⁺
_SIMPLE_WORD = re.compile(rf"[^\W_]+(?:{_SIGNS}++(?![^\W_]))?")
_ASCII_WORD = re.compile(r"[A-Za-z0-9]+(?:[+#]++(?![A-Za-z0-9]))?")


# These two take 5 ms to compile, and ASCII needs neither.
@cache
def _single() -> re.Pattern[str]:
    return re.compile(_SINGLE)


@cache
def _any_word() -> re.Pattern[str]:
    return re.compile(rf"(?:{_SINGLE})|(?:(?!{_SINGLE})[^\W_])+(?:{_SIGNS}++(?![^\W_]))?")


class Word(NamedTuple):
    """One word; a tuple and no dataclass because an abstract has two hundred of them."""

    text: str
    """Folded."""
    start: int
    """First character in the text that was split."""
    end: int
    """One past the last."""


def fold(text: str) -> str:
    """
    *text* as it is compared: NFKC, case folded, accents dropped, ``ß`` → ``ss``, ``ø`` → ``o``.

    Subscripts, superscripts and the letters of formulas become plain ones: ``H₂O`` → ``h2o``.
    Marks that are no accents stay (the vowel signs of Hindi).
    """
    return text.lower() if text.isascii() else _fold(text)


def words(text: str) -> tuple[Word, ...]:
    """
    The words of *text*, folded, with their places in it.

    It is split at everything that is no letter, digit or mark; ``+`` and ``#`` stay at a word's end
    (``C++``, ``C#``). Hyphens, slashes and underscores separate. In scripts without blanks between
    words (Chinese, Japanese …) each character is a word.
    """
    if text.isascii():
        return tuple(
            Word(found[0].lower(), found.start(), found.end())
            for found in _ASCII_WORD.finditer(text)
        )
    # Most texts that are not ASCII have a dash or an é in them, and no script that needs care.
    pattern = _any_word() if _single().search(text) else _SIMPLE_WORD
    out: list[Word] = []
    for found in pattern.finditer(_marks_as_letters(text)):
        start, end = found.span()
        word = text[start:end]
        if word.isascii():
            out.append(Word(word.lower(), start, end))
        else:
            out.extend(_folded(word, start, end))
    return tuple(out)


_RULES_HEAD = f"{RULES} "
_LETTERS = {ord(char): char.lower() for char in ascii_letters + digits}
_ASCII = str.maketrans({chr(code): _LETTERS.get(code, " ") for code in range(128)})


def folded_words(text: str) -> list[str]:
    """
    The words of *text* as `words` gives them, without their places.

    In ASCII words are runs of letters and digits, but for ``+`` and ``#``; cut like that, the
    thousand papers of a day take 0.05 s and not 0.17 s.
    """
    if text.isascii() and "+" not in text and "#" not in text:
        return text.translate(_ASCII).split()
    return [word.text for word in words(text)]


def pack_words(text: str) -> str:
    """The words of *text* as one text that can be stored, with the rules they were made by."""
    return _RULES_HEAD + " ".join(folded_words(text))


def unpack_words(packed: str | None) -> Sequence[str] | None:
    """The words that `pack_words` packed; None if there are none, or by other rules."""
    if packed is None or not packed.startswith(_RULES_HEAD):
        return None
    return packed[len(_RULES_HEAD) :].split()


@lru_cache(maxsize=10_000)
def _fold(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    # Folding can bring back what decomposition takes apart, and the other way round.
    bare = _ACCENTS.sub("", unicodedata.normalize("NFKD", decomposed).casefold())
    return unicodedata.normalize("NFKC", bare.translate(_PLAIN_LETTERS))


def _marks_as_letters(text: str) -> str:
    r"""*text*, as long as before, with letters for marks: the ``\w`` of `re` knows no marks."""
    marks = {ord(char): "a" for char in set(text) if char > "\x7f" and _joins(char)}
    return text.translate(marks) if marks else text


def _joins(char: str) -> bool:
    is_mark = unicodedata.category(char)[0] == "M" or char in "\u200c\u200d"
    return is_mark and not _single().match(char)


def _folded(letters: str, start: int, end: int) -> list[Word]:
    """What one run of letters becomes: nearly always one word, of ``½`` two."""
    run = _fold(letters)
    if run.isalnum():
        return [Word(run, start, end)]
    return [
        Word(run[found.start() : found.end()], start, end)
        for found in _any_word().finditer(_marks_as_letters(run))
    ]
