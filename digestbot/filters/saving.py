"""
Save a segment as one file that can be mapped into memory.

The file has a magic line, the length and checksum of the head, the head itself (JSON with the
type, length and offset of each array), then the arrays.
"""

import json
import zlib
from dataclasses import fields
from pathlib import Path

import numpy as np

import digestbot
from digestbot.atomic_files import replacing
from digestbot.errors import InvalidIndex
from digestbot.filters.segment import Segment
from digestbot.text.canonical import RULES

VERSIONS = {"format": 2, "digestbot": digestbot.__version__, "words": RULES}
"""Versions a file must match; with other plural rules, saved terms would match differently."""
_ALIGNED = 64
_MAGIC = b"digestbot filter index\n"
_LENGTHS = len(_MAGIC) + 16


def save(segment: Segment, path: Path) -> None:
    """Write the segment to *path* atomically and flush it to disk."""
    arrays = {
        field.name: np.ascontiguousarray(getattr(segment, field.name)) for field in fields(segment)
    }
    head, places = {}, {}
    end = 0
    for name, array in arrays.items():
        places[name] = end
        head[name] = [array.dtype.str, len(array), end]
        end = _aligned(end + array.nbytes)
    text = json.dumps({**VERSIONS, "size": end, "arrays": head}).encode()
    start = _aligned(_LENGTHS + len(text))
    with replacing(path) as file:
        file.write(_MAGIC)
        file.write(len(text).to_bytes(8, "little") + zlib.crc32(text).to_bytes(8, "little"))
        file.write(text)
        for name, array in arrays.items():
            file.seek(start + places[name])
            file.write(array.data)
        file.truncate(start + end)


def load(path: Path) -> Segment:
    """
    Map the segment in the file into memory, read-only.

    Raises:
        InvalidIndex: The file is not an index, is damaged, or was written by another version, whose
            plurals and word boundaries may differ.
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        lengths = file.read(_LENGTHS)
        size = int.from_bytes(lengths[-16:-8], "little")
        if not lengths.startswith(_MAGIC) or size > path.stat().st_size:
            raise InvalidIndex(f"{path}: not a filter index; rebuild it")
        text = file.read(size)
    if zlib.crc32(text) != int.from_bytes(lengths[-8:], "little"):
        raise InvalidIndex(f"{path}: damaged filter index; rebuild it")
    head = json.loads(text)
    if any(head.get(name) != value for name, value in VERSIONS.items()):
        raise InvalidIndex(f"{path}: filter index of another version; rebuild it")
    start = _aligned(_LENGTHS + size)
    if path.stat().st_size != start + head["size"]:
        raise InvalidIndex(f"{path}: filter index of the wrong length; rebuild it")
    whole = np.memmap(path, dtype=np.uint8, mode="r")
    return Segment(
        **{
            name: np.ndarray(length, dtype=dtype, buffer=whole.data, offset=start + place)
            for name, (dtype, length, place) in head["arrays"].items()
        }
    )


def _aligned(place: int) -> int:
    return -(-place // _ALIGNED) * _ALIGNED
