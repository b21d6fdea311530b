"""
Find the passages of a text that a term stands for.

Term and text are canonical words. Both can be read in several ways: a term's words may be one word
in the text (``pre training``: *pretraining*), and a compound of the text counts as one word, too
(``pretraining``: *pre-training*). Begin at `passages`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from digestbot.text import (
    NOTE,
    CanonicalWord,
    canonical_words,
    compound_readings,
    forms,
    term_readings,
)
from digestbot.text.spelling import spellings


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A run of words in a text, and the characters it spans."""

    first: int
    last: int
    """Index of the last word, inclusive."""
    start: int
    end: int


def passages(words: tuple[str, ...], text: str, *, is_prefix: bool = False) -> Iterator[Passage]:
    """Yield the passages of *text* that the term *words* finds, the shortest at each place."""
    term, read = _term(words, is_prefix), _text(text)
    if any(needed.isdisjoint(read.vocabulary) for needed in term.needed):
        return  # nearly every term stops here
    for first in range(len(read.words)):
        end = term.end_in(read, first)
        if end is not None:
            start, stop = read.words[first].start, read.words[end - 1].end
            yield Passage(first=first, last=end - 1, start=start, end=stop)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Text:
    words: tuple[CanonicalWord, ...]
    readings: tuple[tuple[tuple[int, str], ...], ...]
    """For each place: the end of each word that begins there, and the word, joined or not."""
    vocabulary: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Term:
    readings: tuple[tuple[tuple[int, Callable[[str], bool]], ...], ...]
    """For each word: the end of each reading that begins there, and which words it accepts."""
    needed: tuple[frozenset[str], ...]
    """For each word: a text must contain one of these."""

    def end_in(self, text: _Text, first: int) -> int | None:
        """Return the end of the shortest passage that begins with the word *first*."""
        reached: list[set[int]] = [set() for _ in range(len(self.readings) + 1)]
        reached[0].add(first)
        for place, readings in enumerate(self.readings):
            for start in reached[place]:
                for end, word in text.readings[start] if start < len(text.words) else ():
                    for after, accepts in readings:
                        if accepts(word):
                            reached[after].add(end)
        return min(reached[-1], default=None)


@lru_cache(maxsize=4096)
def _text(text: str) -> _Text:
    words = canonical_words(text)
    readings = [[(place + 1, word.text)] for place, word in enumerate(words)]
    for first, end in _compounds(words):
        for start, stop, joined in compound_readings([word.text for word in words[first:end]]):
            readings[first + start].append((first + stop, joined))
    return _Text(
        words=words,
        readings=tuple(map(tuple, readings)),
        vocabulary=frozenset(word for row in readings for _, word in row),
    )


def _compounds(words: tuple[CanonicalWord, ...]) -> Iterator[tuple[int, int]]:
    """Yield the range of each compound that has readings."""
    starts = [place for place, word in enumerate(words) if not word.is_attached]
    for start, end in pairwise((*starts, len(words))):
        if end - start > 1 or NOTE in words[start].text:
            yield start, end


@lru_cache(maxsize=20_000)
def _term(words: tuple[str, ...], is_prefix: bool) -> _Term:
    whole = len(words) - is_prefix
    runs = [*((k, k + 1, word) for k, word in enumerate(words)), *term_readings(words)]
    readings: list[list[tuple[int, Callable[[str], bool]]]] = [[] for _ in words]
    for start, end, word in runs:
        accepts = forms(word).__contains__ if end <= whole else _begins_with(word)
        readings[start].append((end, accepts))
    return _Term(readings=tuple(map(tuple, readings)), needed=tuple(_needed(words, whole, runs)))


def _needed(
    words: tuple[str, ...], whole: int, runs: list[tuple[int, int, str]]
) -> Iterator[frozenset[str]]:
    """Yield the words that one may stand for, unless it may be part of a prefix."""
    for place in range(len(words)):
        covering = [run for run in runs if run[0] <= place < run[1]]
        if all(end <= whole for _, end, _ in covering):
            yield frozenset(form for _, _, word in covering for form in forms(word))


def _begins_with(beginning: str) -> Callable[[str], bool]:
    beginnings = tuple(spellings(beginning))
    return lambda word: word.startswith(beginnings)
