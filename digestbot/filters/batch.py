"""
Announcements taken apart once, so that any number of filters can be asked about them.

Words become numbers; everything that is compared as a whole (categories, types, sources, ids)
becomes a fact. Begin at `Batch`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from digestbot.filters.arrays import Array, hashes, offsets, spread
from digestbot.filters.evaluate import text_of
from digestbot.model import Announcement
from digestbot.text import folded_words, unpack_words

FIELDS = {"title": 1, "abstract": 2, "comment": 4, "journal": 8, "author": 16}
"""Fields with words, each with its bit; an author's name is a text of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """The words of one or more fields of all papers; the word 0 stands between two texts."""

    words: Array
    papers: Array
    """For each word, the place of its announcement in the batch."""
    fields: Array
    """For each word, the bit of its field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """Distinct texts, and at which announcements each stands: the pairs (*of*, *papers*)."""

    texts: tuple[str, ...]
    of: Array
    papers: Array


class Batch:
    """
    A batch of announcements, ready to be matched, as often as one likes.

    Titles and abstracts are taken apart at once; comments, journals, and authors when the first
    filter asks about them.
    """

    def __init__(self, announcements: Sequence[Announcement]) -> None:
        self.announcements = tuple(announcements)
        self._numbers: defaultdict[str, int] = defaultdict()
        self._numbers.default_factory = self._numbers.__len__
        self._numbers[""]  # the word 0: no text has it
        self._streams: dict[int, Stream] = {}
        self._hashes = hashes([""])
        for bit in (FIELDS["title"], FIELDS["abstract"]):
            self._field(bit)

    @classmethod
    def of(cls, announcements: Iterable[Announcement]) -> "Batch":
        """The batch of these announcements."""
        return cls(tuple(announcements))

    def __len__(self) -> int:
        return len(self.announcements)

    def stream(self, mask: int) -> Stream:
        """The words of the fields in *mask*, the sum of their bits in `FIELDS`."""
        if mask not in self._streams:
            parts = [self._field(bit) for bit in FIELDS.values() if mask & bit]
            self._streams[mask] = Stream(
                words=np.concatenate([part.words for part in parts]),
                papers=np.concatenate([part.papers for part in parts]),
                fields=np.concatenate([part.fields for part in parts]),
            )
        return self._streams[mask]

    def vocabulary(self) -> tuple[str, ...]:
        """The distinct words of all fields taken apart so far; a word's number is its place."""
        return tuple(self._numbers)

    def word_hashes(self) -> Array:
        """The hash of each word in `vocabulary`."""
        known = len(self._hashes)
        if known < len(self._numbers):
            new = hashes(list(self._numbers)[known:])
            self._hashes = np.concatenate([self._hashes, new])
        return self._hashes

    @cached_property
    def facts(self) -> Listed:
        """What is compared as a whole: see `fact`."""
        return _listed(_facts(announcement) for announcement in self.announcements)

    @cached_property
    def fact_hashes(self) -> Array:
        """The hash of each of the `facts`."""
        return hashes(self.facts.texts)

    @cached_property
    def authors(self) -> Listed:
        """The distinct names, as printed."""
        return _listed(
            (author.name for author in announcement.paper.authors)
            for announcement in self.announcements
        )

    def texts(self, field: str) -> tuple[str, ...]:
        """The displayed text of a field, for each announcement; of names, one to a line."""
        papers = (announcement.paper for announcement in self.announcements)
        if field == "author":
            return tuple("\n".join(author.name for author in paper.authors) for paper in papers)
        return tuple(text_of(paper, field) for paper in papers)

    def _field(self, bit: int) -> Stream:
        if bit not in self._streams:
            name = next(name for name, its_bit in FIELDS.items() if its_bit == bit)
            self._streams[bit] = self._taken_apart(name, bit)
        return self._streams[bit]

    def _taken_apart(self, field: str, bit: int) -> Stream:
        listed = self.authors if field == "author" else None
        found = map(folded_words, listed.texts) if listed else self._words_of(field)
        numbers, lengths = self._numbered(found)
        papers = np.arange(len(lengths))
        if listed is not None:
            bounds = offsets(lengths)
            numbers = numbers[spread(bounds[listed.of], lengths[listed.of])]
            papers, lengths = listed.papers, lengths[listed.of]
        return Stream(
            words=numbers,
            papers=np.repeat(papers, lengths),
            fields=np.full(len(numbers), bit, dtype=np.uint8),
        )

    def _words_of(self, field: str) -> Iterator[Sequence[str]]:
        """For each announcement the words of a field, which the store may have kept."""
        stored = {"title": "title_words", "abstract": "abstract_words"}.get(field)
        for announcement, text in zip(self.announcements, self.texts(field), strict=True):
            packed = getattr(announcement.paper, stored) if stored else None
            found = unpack_words(packed)
            yield folded_words(text) if found is None else found

    def _numbered(self, texts: Iterable[Sequence[str]]) -> tuple[Array, Array]:
        """The words of all texts, each text with a 0 at its end, and how many each text has."""
        number = self._numbers.__getitem__
        numbers: list[int] = []
        ends: list[int] = []
        for text in texts:
            numbers += map(number, text)
            numbers.append(0)
            ends.append(len(numbers))
        return np.array(numbers, dtype=np.int64), np.diff(np.array(ends, dtype=np.int64), prepend=0)


def fact(kind: str, value: str) -> str:
    """How "the *kind* of this announcement is *value*" is written."""
    return f"{kind}\0{value}"


def _facts(announcement: Announcement) -> Iterator[str]:
    """Everything that `evaluate.hits` compares for the atoms that look at no words."""
    paper = announcement.paper
    for code in paper.categories:
        yield from _category_facts("category", code)
    if paper.primary_category:
        yield from _category_facts("primary", paper.primary_category)
    yield fact("type", announcement.type)
    yield fact("source", announcement.source)
    yield fact("id", paper.id)
    yield fact("doi", (paper.doi or "").lower())
    if paper.id.startswith("doi:"):
        yield fact("doi", paper.id.removeprefix("doi:"))


@lru_cache(maxsize=4096)
def _category_facts(kind: str, code: str) -> tuple[str, ...]:
    return tuple({fact(kind, code), fact(kind, code.casefold())})


def _listed(rows: Iterable[Iterable[str]]) -> Listed:
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    of: list[int] = []
    papers: list[int] = []
    for paper, row in enumerate(rows):
        found = [numbers[text] for text in row]
        of += found
        papers += [paper] * len(found)
    return Listed(
        texts=tuple(numbers),
        of=np.array(of, dtype=np.int64),
        papers=np.array(papers, dtype=np.int64),
    )
