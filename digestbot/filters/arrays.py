"""Array operations of the filter engine. Imports NumPy."""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_ODD = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)


def hashes(texts: Iterable[str]) -> Array:
    """Return 64 bits of BLAKE2b per text: stable across processes, safe from forged collisions."""
    return hashes_of_bytes([text.encode("utf-8", "surrogatepass") for text in texts])


def hashes_of_bytes(texts: Iterable[bytes]) -> Array:
    """Return 64 bits of BLAKE2b per text."""
    found = b"".join([blake2b(text, digest_size=8).digest() for text in texts])
    return np.frombuffer(found, dtype="<u8").astype(np.uint64, copy=False)


def combine_hashes(columns: Iterable[Array]) -> Array:
    """Combine equally long columns of hashes into one hash per row; order matters."""
    total: Any = np.uint64(0)
    for column in columns:
        total = extend_hashes(total, column)
    return np.asarray(total, dtype=np.uint64)


def extend_hashes(total: Any, column: Array) -> Array:
    """Extend hashes made by `combine_hashes` by one column."""
    with np.errstate(over="ignore"):
        total = (total + column) * _ODD
    return np.asarray(total ^ (total >> _SHIFT), dtype=np.uint64)


def offsets(lengths: Array) -> Array:
    """Return the start of each row of these lengths, and the end of the last one."""
    out = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.add.accumulate(lengths, out=out[1:])
    return out


def ranges(starts: Array, lengths: Array) -> Array:
    """Concatenate the ranges ``start … start + length - 1`` of all rows."""
    ends = offsets(lengths)
    return np.asarray(np.arange(ends[-1]) + (np.asarray(starts) - ends[:-1]).repeat(lengths))


def take_rows(bounds: Array, rows: Array) -> tuple[Array, Array]:
    """Select rows of a ragged table: return their new bounds and the indexes of their items."""
    if not len(rows):
        return np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int64)
    starts = bounds[rows]
    lengths = bounds[1:][rows] - starts
    return offsets(lengths), ranges(starts, lengths)


def distinct_rows(columns: Sequence[Array]) -> list[Array]:
    """Return the distinct rows of *columns*, sorted; faster than `np.unique` with an axis."""
    order = np.lexsort(columns[::-1])
    found = [column[order] for column in columns]
    is_new = np.ones(len(order), dtype=bool)
    is_new[1:] = False
    for column in found:
        is_new[1:] |= column[1:] != column[:-1]
    return [column[is_new] for column in found]


def equal_pairs(keys: Array, wanted: Array) -> tuple[Array, Array]:
    """Return all pairs (index in *wanted*, index in *keys*) of equal values; *keys* is sorted."""
    left = np.searchsorted(keys, wanted, side="left")
    lengths = np.searchsorted(keys, wanted, side="right") - left
    return np.repeat(np.arange(len(wanted)), lengths), ranges(left, lengths)


def equal_hash_pairs(keys: Array, wanted: Array) -> tuple[Array, Array]:
    """Like `equal_pairs`, for hashes; three times as fast, because they are evenly distributed."""
    if not len(keys):
        return equal_pairs(keys, wanted)
    left = _hash_places(keys, wanted)
    which = np.flatnonzero(keys[np.minimum(left, len(keys) - 1)] == wanted)
    is_first = np.diff(keys, prepend=~keys[:1]) != 0
    ends = np.append(np.flatnonzero(is_first)[1:], len(keys))
    left = left[which]
    lengths = ends[np.cumsum(is_first)[left] - 1] - left
    return np.repeat(which, lengths), ranges(left, lengths)


_STEPS = 6
"""Keys compared one after the other before a binary search; nearly all places are found sooner."""


def _hash_places(keys: Array, wanted: Array) -> Array:
    """Like `np.searchsorted`, by a table of the leading bits."""
    bits = np.uint64(64 - max(8, len(keys).bit_length()))
    bounds = offsets(np.bincount((keys >> bits).astype(np.int64), minlength=1 << (64 - int(bits))))
    bucket = (wanted >> bits).astype(np.int64)
    place, end = bounds[bucket], bounds[bucket + 1]
    todo = np.flatnonzero(place < end)
    for _ in range(_STEPS):
        todo = todo[keys[place[todo]] < wanted[todo]]
        place[todo] += 1
        todo = todo[place[todo] < end[todo]]
    todo = todo[keys[place[todo]] < wanted[todo]]
    place[todo] = np.searchsorted(keys, wanted[todo])
    return np.asarray(place)


def equal_number_pairs(keys: Array, wanted: Array, count: int) -> tuple[Array, Array]:
    """Like `equal_pairs`, for sorted numbers from 0 to *count* - 1; faster."""
    bounds = offsets(np.bincount(keys, minlength=count))
    lengths = np.diff(bounds)[wanted]
    return np.repeat(np.arange(len(wanted)), lengths), ranges(bounds[:-1][wanted], lengths)


def contains(keys: Array, wanted: Array) -> Array:
    """Return a truth value for each of *wanted*: is it among the sorted *keys*?"""
    if not len(keys):
        return np.zeros(len(wanted), dtype=bool)
    places = np.searchsorted(keys, wanted)
    places[places == len(keys)] = 0
    return np.asarray(keys[places] == wanted)


def probably_among(keys: Array, wanted: Array) -> Array:
    """Return a truth value for each of *wanted* hashes: True if among *keys*, rarely otherwise."""
    size = 1 << max(10, len(keys).bit_length() + 3)
    low = np.uint64(size - 1)
    table: Array = np.zeros(size, dtype=bool)
    table[keys & low] = True
    return np.asarray(table[wanted & low])
