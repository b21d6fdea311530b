"""
Announcements tokenized once, to be matched against any number of filters.

Words become numbers; values that are compared as a whole (categories, types, sources, ids) become
facts. Begin at `Batch`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from digestbot.filters.arrays import Array, hashes, offsets, ranges
from digestbot.filters.evaluate import field_text
from digestbot.model import Announcement
from digestbot.text import folded_words, unpack_words

FIELDS = {"title": 1, "abstract": 2, "comment": 4, "journal": 8, "author": 16}
"""Fields with words, each with its bit; each author's name is a separate text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """The words of one or more fields of all papers, with the word 0 between texts."""

    words: Array
    papers: Array
    """Index in the batch of each word's announcement."""
    fields: Array
    """Bit of each word's field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTable:
    """Distinct texts, and the announcements that have each of them."""

    texts: tuple[str, ...]
    numbers: Array
    """Index in *texts*, one for each occurrence …"""
    papers: Array
    """… and the index of the announcement that has it."""


class Batch:
    """
    A batch of announcements, ready to be matched repeatedly.

    Titles and abstracts are tokenized at once; comments, journals and authors when the first filter
    needs them.
    """

    def __init__(self, announcements: Sequence[Announcement]) -> None:
        self.announcements = tuple(announcements)
        self._numbers: defaultdict[str, int] = defaultdict()
        self._numbers.default_factory = self._numbers.__len__
        self._numbers[""]  # reserves the word 0, which occurs in no text
        self._streams: dict[int, Stream] = {}
        self._hashes = hashes([""])
        for bit in (FIELDS["title"], FIELDS["abstract"]):
            self._field(bit)

    @classmethod
    def of(cls, announcements: Iterable[Announcement]) -> "Batch":
        """Build a batch from *announcements*."""
        return cls(tuple(announcements))

    def __len__(self) -> int:
        return len(self.announcements)

    def stream(self, mask: int) -> Stream:
        """Return the words of the fields in *mask*, a sum of bits from `FIELDS`."""
        if mask not in self._streams:
            parts = [self._field(bit) for bit in FIELDS.values() if mask & bit]
            self._streams[mask] = Stream(
                words=np.concatenate([part.words for part in parts]),
                papers=np.concatenate([part.papers for part in parts]),
                fields=np.concatenate([part.fields for part in parts]),
            )
        return self._streams[mask]

    def vocabulary(self) -> tuple[str, ...]:
        """Return the distinct words of all fields tokenized so far, in order of their numbers."""
        return tuple(self._numbers)

    def word_hashes(self) -> Array:
        """Return the hash of each word in `vocabulary`."""
        known = len(self._hashes)
        if known < len(self._numbers):
            new = hashes(list(self._numbers)[known:])
            self._hashes = np.concatenate([self._hashes, new])
        return self._hashes

    @cached_property
    def facts(self) -> TextTable:
        """Values that are compared as a whole; see `fact`."""
        return _text_table(_facts(announcement) for announcement in self.announcements)

    @cached_property
    def fact_hashes(self) -> Array:
        """Hash of each of the `facts`."""
        return hashes(self.facts.texts)

    @cached_property
    def authors(self) -> TextTable:
        """Distinct author names, as printed."""
        return _text_table(
            (author.name for author in announcement.paper.authors)
            for announcement in self.announcements
        )

    def texts(self, field: str) -> tuple[str, ...]:
        """Return the displayed text of *field* per announcement; author names one per line."""
        papers = (announcement.paper for announcement in self.announcements)
        if field == "author":
            return tuple("\n".join(author.name for author in paper.authors) for paper in papers)
        return tuple(field_text(paper, field) for paper in papers)

    def _field(self, bit: int) -> Stream:
        if bit not in self._streams:
            name = next(name for name, its_bit in FIELDS.items() if its_bit == bit)
            self._streams[bit] = self._tokenize(name, bit)
        return self._streams[bit]

    def _tokenize(self, field: str, bit: int) -> Stream:
        listed = self.authors if field == "author" else None
        found = map(folded_words, listed.texts) if listed else self._words_of(field)
        numbers, lengths = self._numbered(found)
        papers = np.arange(len(lengths))
        if listed is not None:
            bounds = offsets(lengths)
            numbers = numbers[ranges(bounds[listed.numbers], lengths[listed.numbers])]
            papers, lengths = listed.papers, lengths[listed.numbers]
        return Stream(
            words=numbers,
            papers=np.repeat(papers, lengths),
            fields=np.full(len(numbers), bit, dtype=np.uint8),
        )

    def _words_of(self, field: str) -> Iterator[Sequence[str]]:
        """Yield the words of *field* per announcement, as stored or else split now."""
        stored = {"title": "title_words", "abstract": "abstract_words"}.get(field)
        for announcement, text in zip(self.announcements, self.texts(field), strict=True):
            packed = getattr(announcement.paper, stored) if stored else None
            found = unpack_words(packed)
            yield folded_words(text) if found is None else found

    def _numbered(self, texts: Iterable[Sequence[str]]) -> tuple[Array, Array]:
        """Number the words of all texts, each text closed by a 0, and count them per text."""
        number = self._numbers.__getitem__
        numbers: list[int] = []
        ends: list[int] = []
        for text in texts:
            numbers += map(number, text)
            numbers.append(0)
            ends.append(len(numbers))
        return np.array(numbers, dtype=np.int64), np.diff(np.array(ends, dtype=np.int64), prepend=0)


def fact(kind: str, value: str) -> str:
    """Encode "the *kind* of this announcement is *value*" as one text."""
    return f"{kind}\0{value}"


def _facts(announcement: Announcement) -> Iterator[str]:
    """Yield every value that `evaluate.hits` compares as a whole."""
    paper = announcement.paper
    for code in paper.categories:
        yield from _category_facts("category", code)
    if paper.primary_category:
        yield from _category_facts("primary", paper.primary_category)
    yield fact("type", announcement.type)
    yield fact("document", paper.document_type)
    yield fact("source", announcement.source)
    yield fact("id", paper.id)
    yield fact("doi", (paper.doi or "").lower())
    if paper.id.startswith("doi:"):
        yield fact("doi", paper.id.removeprefix("doi:"))


@lru_cache(maxsize=4096)
def _category_facts(kind: str, code: str) -> tuple[str, ...]:
    return tuple({fact(kind, code), fact(kind, code.casefold())})


def _text_table(rows: Iterable[Iterable[str]]) -> TextTable:
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    found: list[int] = []
    papers: list[int] = []
    for paper, row in enumerate(rows):
        texts = [numbers[text] for text in row]
        found += texts
        papers += [paper] * len(texts)
    return TextTable(
        texts=tuple(numbers),
        numbers=np.array(found, dtype=np.int64),
        papers=np.array(papers, dtype=np.int64),
    )
