"""
A segment as one file that can be mapped into memory.

First a line that says what it is, the length of the head and its checksum; then the head, which is
JSON and names every array with its place; then the arrays.
"""

import json
import os
import zlib
from dataclasses import fields
from pathlib import Path

import numpy as np

import digestbot
from digestbot.errors import InvalidIndex
from digestbot.filters.segment import Segment
from digestbot.text.tokens import RULES

VERSIONS = {"format": 1, "digestbot": digestbot.__version__, "words": RULES}
"""What a file must have been written by: with other plurals, saved terms would mean less."""
_ALIGNED = 64
_MAGIC = b"digestbot filter index\n"
_LENGTHS = len(_MAGIC) + 16


def save(segment: Segment, path: Path) -> None:
    """Write the segment, or leave what is there if that fails; it is on the disk on return."""
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
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        with temporary.open("wb") as file:
            file.write(_MAGIC)
            file.write(len(text).to_bytes(8, "little") + zlib.crc32(text).to_bytes(8, "little"))
            file.write(text)
            for name, array in arrays.items():
                file.seek(start + places[name])
                file.write(array.data)
            file.truncate(start + end)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def load(path: Path) -> Segment:
    """
    The segment in the file, mapped into memory, read-only.

    Raises:
        InvalidIndex: Not such a file, damaged, or written by another version, whose plurals and
            word boundaries may differ.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        lengths = file.read(_LENGTHS)
        size = int.from_bytes(lengths[-16:-8], "little")
        if not lengths.startswith(_MAGIC) or size > path.stat().st_size:
            raise InvalidIndex(f"{path}: no filter index; build it anew")
        text = file.read(size)
    if zlib.crc32(text) != int.from_bytes(lengths[-8:], "little"):
        raise InvalidIndex(f"{path}: a damaged filter index; build it anew")
    head = json.loads(text)
    if any(head.get(name) != value for name, value in VERSIONS.items()):
        raise InvalidIndex(f"{path}: a filter index of another version; build it anew")
    start = _aligned(_LENGTHS + size)
    if path.stat().st_size != start + head["size"]:
        raise InvalidIndex(f"{path}: a filter index that was cut off; build it anew")
    whole = np.memmap(path, dtype=np.uint8, mode="r")
    return Segment(
        **{
            name: np.ndarray(length, dtype=dtype, buffer=whole.data, offset=start + place)
            for name, (dtype, length, place) in head["arrays"].items()
        }
    )


def _aligned(place: int) -> int:
    return -(-place // _ALIGNED) * _ALIGNED
