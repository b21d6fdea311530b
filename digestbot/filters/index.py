"""
The filter engine: match any number of filters against a batch of papers.

Returns exactly the result of `evaluate` for every pair of filter and paper, some thousand times
faster. Imports NumPy, so quick commands must not import it. Begin at `Index`.
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
"""Changes that may wait before a merge; in a large index, an eighth of its size."""


@dataclass(frozen=True)
class Hits:
    """Matching pairs of filter and announcement, sorted by key, then by place."""

    batch: Batch
    keys: Array
    places: Array
    """Index of the announcement in the batch, for each key."""

    def __len__(self) -> int:
        return len(self.keys)

    def of(self, key: int) -> tuple[Announcement, ...]:
        """Return the announcements that the filter *key* matches, in batch order."""
        return tuple(self.batch.announcements[place] for place in self.places_of(key))

    def places_of(self, key: int) -> Array:
        """Return the indexes of those announcements in the batch."""
        first, end = np.searchsorted(self.keys, [key, key + 1])
        return self.places[first:end]

    def by_key(self) -> Iterator[tuple[int, tuple[Announcement, ...]]]:
        """Yield each filter that matches anything, with its announcements."""
        announcements = self.batch.announcements
        starts = np.nonzero(np.diff(self.keys, prepend=self.keys[:1] - 1))[0].tolist()
        places = self.places.tolist()
        for start, end in pairwise([*starts, len(places)]):
            found = tuple(announcements[place] for place in places[start:end])
            yield int(self.keys[start]), found


class Index:
    """
    Filters by key (a signed 64-bit integer), all matched at once.

    A change takes effect at the next match without a rebuild: changes are kept apart from the large
    sorted part and merged into it once there are many. Not thread-safe.
    """

    def __init__(self) -> None:
        self._base = Builder().segment()
        self._gone = np.zeros(0, dtype=bool)
        self._fresh = Builder()
        self._fresh_segment: Segment | None = None

    @classmethod
    def open(cls, path: Path) -> "Index":
        """
        Open a saved index, mapped into memory and read on demand.

        Raises:
            InvalidIndex: The file is not an index or has another version; rebuild it.
            OSError: The file cannot be read.
        """
        index = cls()
        index._base = load(path)
        index._gone = np.zeros(len(index._base.keys), dtype=bool)
        return index

    def save(self, path: Path) -> None:
        """Replace *path* with this index; processes that have the old file open keep it."""
        self.merge()
        save(self._base, path)

    def __len__(self) -> int:
        return len(self._gone) - int(np.count_nonzero(self._gone)) + len(self._fresh)

    def __contains__(self, key: int) -> bool:
        row = self._row(key)
        return key in self._fresh or (row is not None and not self._gone[row])

    @property
    def size_bytes(self) -> int:
        """Size of the merged part, in memory or mapped."""
        return self._base.size_bytes

    def put(self, key: int, filter_: Filter) -> None:
        """Add the filter under *key*, replacing any other."""
        self._fresh.put(key, filter_)
        self._mark_gone(key)

    def remove(self, key: int) -> None:
        """
        Remove the filter *key*.

        Raises:
            KeyError: *key* has no filter.
        """
        if key not in self:
            raise KeyError(key)
        self._fresh.remove(key)
        self._mark_gone(key)

    def match(self, batch: Batch) -> Hits:
        """Match all filters against all announcements of *batch*."""
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
        """Merge all changes into the sorted part; takes about as long as building it."""
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

    def _mark_gone(self, key: int) -> None:
        """Mark *key* as removed from the merged part; the fresh part may have a new filter."""
        self._fresh_segment = None
        row = self._row(key)
        if row is not None:
            self._gone[row] = True
