"""
Announcements tokenized once, to be matched against any number of filters.

Words become numbers; values that are compared as a whole (categories, types, sources, ids) become
facts. Begin at `Batch`.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice

import numpy as np

from digestbot.filters.arrays import Array, hashes, offsets, ranges
from digestbot.filters.evaluate import field_text
from digestbot.model import Announcement
from digestbot.text import NOTE, compound_readings, compounds, unpack_words

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
    joined_words: Array
    """Words read from several words of a compound …"""
    joined_starts: Array
    """… and the places of the first of these …"""
    joined_sizes: Array
    """… and their number."""


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
        self._numbers[_END]  # reserves the word 0, which occurs in no text
        self._compounds = _Compounds(self._numbers)
        self._streams: dict[int, Stream] = {}
        self._hashes = hashes([_END])
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
            self._streams[mask] = _concatenated(
                [self._field(bit) for bit in FIELDS.values() if mask & bit]
            )
        return self._streams[mask]

    def vocabulary(self) -> tuple[str, ...]:
        """Return the words and compounds of all fields tokenized so far, by number."""
        return tuple(self._numbers)

    def word_hashes(self) -> Array:
        """Return the hash of each word in `vocabulary`; 0 for a compound, which no term has."""
        known = len(self._hashes)
        if known < len(self._numbers):
            new = list(islice(self._numbers, known, None))
            words = [place for place, text in enumerate(new, known) if "-" not in text]
            found = np.zeros(len(self._numbers), dtype=np.uint64)
            found[:known] = self._hashes
            found[words] = hashes([new[place - known] for place in words])
            self._hashes = found
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
        found = map(_joined, listed.texts) if listed else self._words_of(field)
        numbers, lengths = self._numbered(found)
        papers = np.arange(len(lengths))
        if listed is not None:
            bounds = offsets(lengths)
            numbers = numbers[ranges(bounds[listed.numbers], lengths[listed.numbers])]
            papers, lengths = listed.papers, lengths[listed.numbers]
        return self._compounds.stream(numbers, np.repeat(papers, lengths), bit)

    def _words_of(self, field: str) -> Iterator[str]:
        """Yield the compounds of *field* per announcement, as stored or else split now."""
        stored = {"title": "title_words", "abstract": "abstract_words"}.get(field)
        for announcement, text in zip(self.announcements, self.texts(field), strict=True):
            packed = getattr(announcement.paper, stored) if stored else None
            found = unpack_words(packed)
            yield _joined(text) if found is None else found

    def _numbered(self, texts: Iterable[str]) -> tuple[Array, Array]:
        """Number the compounds of all texts, each closed by a 0, and count them per text."""
        # One split and one look-up for all texts take half the time of one per text.
        words = "".join([f"{text} {_END} " for text in texts]).split()
        numbers = np.fromiter(map(self._numbers.__getitem__, words), np.int64, len(words))
        return numbers, np.diff(np.flatnonzero(numbers == 0), prepend=-1)


_END = "."
"""Closes a text; never a word."""


def _joined(text: str) -> str:
    return " ".join(compounds(text))


class _Compounds:
    """Compounds by number, each with the numbers of its words and of their readings."""

    def __init__(self, numbers: defaultdict[str, int]) -> None:
        self._numbers = numbers
        self._read = 0
        self._compounds = array("i")
        self._sizes = array("i")
        self._words = array("i")
        self._reading_counts = array("i")
        self._readings = array("i")

    def stream(self, numbers: Array, papers: Array, bit: int) -> Stream:
        """Return the words of the words and compounds *numbers*, which belong to *papers*."""
        self._read_new()
        total = len(self._numbers)
        compounds = _ints(self._compounds)
        sizes = np.ones(total, dtype=np.int64)
        sizes[compounds] = _ints(self._sizes)
        lengths = sizes[numbers]
        starts = offsets(lengths)
        words = np.repeat(numbers, lengths)
        rows = np.full(total, -1, dtype=np.int64)
        rows[compounds] = np.arange(len(compounds))
        several = np.flatnonzero(rows[numbers] >= 0)
        rows = rows[numbers[several]]
        bounds = offsets(_ints(self._sizes))
        words[ranges(starts[several], lengths[several])] = _ints(self._words)[
            ranges(bounds[rows], lengths[several])
        ]
        counts = _ints(self._reading_counts)
        readings = ranges(offsets(counts)[rows], counts[rows])
        first, size, word = _ints(self._readings).reshape(-1, 3)[readings].T
        return Stream(
            words=words,
            papers=np.repeat(papers, lengths),
            fields=np.full(len(words), bit, dtype=np.uint8),
            joined_words=word,
            joined_starts=np.repeat(starts[several], counts[rows]) + first,
            joined_sizes=size,
        )

    def _read_new(self) -> None:
        """Split the compounds that have been numbered since the last call."""
        number = self._numbers
        new = list(islice(number, self._read, None))
        self._read = len(number)  # a word numbered below may be a compound, too
        new = [one for one in new if "-" in one or NOTE in one]
        read = [_read(compound) for compound in new]
        self._compounds.extend([number[compound] for compound in new])
        self._sizes.extend([len(words) for words, _ in read])
        self._words.extend([number[word] for words, _ in read for word in words])
        self._reading_counts.extend([len(readings) for _, readings in read])
        self._readings.extend(
            [
                value
                for _, readings in read
                for start, end, joined in readings
                for value in (start, end - start, number[joined])
            ]
        )


@lru_cache(maxsize=1 << 16)
def _read(compound: str) -> tuple[tuple[str, ...], tuple[tuple[int, int, str], ...]]:
    words = tuple(compound.split("-"))
    return words, tuple(compound_readings(words))


def _ints(numbers: "array[int]") -> Array:
    return np.array(numbers, dtype=np.int64)


def _concatenated(parts: Sequence[Stream]) -> Stream:
    def column(name: str) -> Array:
        return np.concatenate([getattr(part, name) for part in parts])

    shifts = offsets(np.array([len(part.words) for part in parts]))[:-1]
    counts = [len(part.joined_words) for part in parts]
    return Stream(
        words=column("words"),
        papers=column("papers"),
        fields=column("fields"),
        joined_words=column("joined_words"),
        joined_starts=column("joined_starts") + np.repeat(shifts, counts),
        joined_sizes=column("joined_sizes"),
    )


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
