"""
The filter engine: any number of filters, a batch of papers, and who gets what.

It gives exactly what `evaluate` gives, filter by filter and paper by paper, some thousand times
faster. Imports NumPy, so the small commands must not import it. Begin at `Index`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from digestbot.filters.arrays import Array
from digestbot.filters.batch import Batch
from digestbot.filters.builder import Builder
from digestbot.filters.matching import match
from digestbot.filters.parser import Filter
from digestbot.filters.saving import load, save
from digestbot.filters.segment import Segment, assemble
from digestbot.model import Announcement

__all__ = ["Batch", "Hits", "Index"]

FRESH_MAX = 4096
"""Changes that are kept apart in any case; from there on, an eighth of the index."""


@dataclass(frozen=True)
class Hits:
    """Which filters let which announcements in: pairs, sorted by key, then by place."""

    batch: Batch
    keys: Array
    places: Array
    """Of the announcement in the batch, for each key."""

    def __len__(self) -> int:
        return len(self.keys)

    def of(self, key: int) -> tuple[Announcement, ...]:
        """What the filter of that key lets in, in the order of the batch."""
        return tuple(self.batch.announcements[place] for place in self.places_of(key))

    def places_of(self, key: int) -> Array:
        """Where in the batch that stands."""
        first, end = np.searchsorted(self.keys, [key, key + 1])
        return self.places[first:end]

    def by_key(self) -> Iterator[tuple[int, tuple[Announcement, ...]]]:
        """Each filter that lets something in, and what."""
        announcements = self.batch.announcements
        starts = np.nonzero(np.diff(self.keys, prepend=self.keys[:1] - 1))[0].tolist()
        places = self.places.tolist()
        for start, end in pairwise([*starts, len(places)]):
            found = tuple(announcements[place] for place in places[start:end])
            yield int(self.keys[start]), found


class Index:
    """
    Filters under whole numbers (of 64 bits with a sign), to be matched all at once.

    What is put or removed takes effect at the next match, without anything being built anew: it is
    kept beside the large, sorted part, and merged into it when it has grown. Not for several
    threads at a time.
    """

    def __init__(self) -> None:
        self._base = Builder().segment()
        self._gone = np.zeros(0, dtype=bool)
        self._fresh = Builder()
        self._fresh_segment: Segment | None = None

    @classmethod
    def open(cls, path: Path) -> "Index":
        """
        The index that was saved there, mapped into memory: read where and when it is needed.

        Raises:
            InvalidIndex: No index, or one of another version; build it anew.
            OSError: The file cannot be read.
        """
        index = cls()
        index._base = load(path)
        index._gone = np.zeros(len(index._base.keys), dtype=bool)
        return index

    def save(self, path: Path) -> None:
        """Write it all to *path*, in place of what is there; whoever has that open keeps it."""
        self.merge()
        save(self._base, path)

    def __len__(self) -> int:
        return len(self._gone) - int(np.count_nonzero(self._gone)) + len(self._fresh)

    def __contains__(self, key: int) -> bool:
        row = self._row(key)
        return key in self._fresh or (row is not None and not self._gone[row])

    @property
    def size_bytes(self) -> int:
        """Of the merged part, in memory or mapped."""
        return self._base.size_bytes

    def put(self, key: int, filter_: Filter) -> None:
        """Keep the filter under *key*, in place of the one that is there."""
        self._fresh.put(key, filter_)
        self._bury(key)

    def remove(self, key: int) -> None:
        """
        Forget the filter of that key.

        Raises:
            KeyError: There is none.
        """
        if key not in self:
            raise KeyError(key)
        self._fresh.remove(key)
        self._bury(key)

    def match(self, batch: Batch) -> Hits:
        """Which filters match which announcements of the batch."""
        if self._fresh.length > max(FRESH_MAX, len(self._gone) // 8):
            self.merge()
        rows, places = match(self._base, self._gone, batch)
        keys = self._base.keys[rows]
        if len(self._fresh):
            fresh = self._fresh_part()
            more, more_places = match(fresh, np.zeros(len(fresh.keys), dtype=bool), batch)
            keys = np.concatenate([keys, fresh.keys[more]])
            order = np.argsort(keys, kind="stable")
            keys, places = keys[order], np.concatenate([places, more_places])[order]
        return Hits(batch, keys, places)

    def merge(self) -> None:
        """Bring all changes into the sorted part; takes about as long as it took to build it."""
        if not self._fresh.length and not self._gone.any():
            return
        fresh = self._fresh_part()
        kept = [~self._gone, np.ones(len(fresh.keys), dtype=bool)]
        self._base = assemble([self._base, fresh], kept)
        self._gone = np.zeros(len(self._base.keys), dtype=bool)
        self._fresh = Builder()
        self._fresh_segment = None

    def _fresh_part(self) -> Segment:
        if self._fresh_segment is None:
            self._fresh_segment = self._fresh.segment()
        return self._fresh_segment

    def _row(self, key: int) -> int | None:
        row = int(np.searchsorted(self._base.keys, key))
        return row if row < len(self._gone) and self._base.keys[row] == key else None

    def _bury(self, key: int) -> None:
        """The merged part no longer has the filter; a new one may be among the fresh."""
        self._fresh_segment = None
        row = self._row(key)
        if row is not None:
            self._gone[row] = True
