"""The few operations on arrays that the filter engine is made of. Imports NumPy."""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_ODD = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)


def hashes(texts: Iterable[str]) -> Array:
    """64 bits of BLAKE2b for each text: the same in every process, and nobody can make two meet."""
    return hashes_of_bytes([text.encode("utf-8", "surrogatepass") for text in texts])


def hashes_of_bytes(texts: Iterable[bytes]) -> Array:
    """64 bits of BLAKE2b for each text."""
    found = b"".join([blake2b(text, digest_size=8).digest() for text in texts])
    return np.frombuffer(found, dtype="<u8").astype(np.uint64, copy=False)


def rolled(columns: Iterable[Array]) -> Array:
    """One hash for each row of equally long columns of hashes; their order counts."""
    total: Any = np.uint64(0)
    with np.errstate(over="ignore"):
        for column in columns:
            total = (total + column) * _ODD
            total = total ^ (total >> _SHIFT)
    return np.asarray(total, dtype=np.uint64)


def offsets(lengths: Array) -> Array:
    """Where each of the rows of these lengths begins, and where the last one ends."""
    out = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=out[1:])
    return out


def spread(starts: Array, lengths: Array) -> Array:
    """The places ``start … start + length - 1`` of every row, one row after the other."""
    ends = offsets(lengths)
    return np.asarray(np.arange(ends[-1]) + np.repeat(np.asarray(starts) - ends[:-1], lengths))


def taken(bounds: Array, rows: Array) -> tuple[Array, Array]:
    """For some rows of a ragged table: their new bounds, and the places of what they hold."""
    lengths = np.diff(bounds)[rows]
    return offsets(lengths), spread(bounds[:-1][rows], lengths)


def joined(keys: Array, wanted: Array) -> tuple[Array, Array]:
    """All pairs (place in *wanted*, place in *keys*) of equal values; *keys* is sorted."""
    left = np.searchsorted(keys, wanted, side="left")
    lengths = np.searchsorted(keys, wanted, side="right") - left
    return np.repeat(np.arange(len(wanted)), lengths), spread(left, lengths)


def joined_numbers(keys: Array, wanted: Array, count: int) -> tuple[Array, Array]:
    """The same for sorted numbers from 0 below *count*: faster, since nothing is searched for."""
    bounds = offsets(np.bincount(keys, minlength=count))
    lengths = np.diff(bounds)[wanted]
    return np.repeat(np.arange(len(wanted)), lengths), spread(bounds[:-1][wanted], lengths)


def contains(keys: Array, wanted: Array) -> Array:
    """Which of *wanted* are among the sorted *keys*."""
    if not len(keys):
        return np.zeros(len(wanted), dtype=bool)
    places = np.searchsorted(keys, wanted)
    places[places == len(keys)] = 0
    return np.asarray(keys[places] == wanted)
