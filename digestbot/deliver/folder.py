"""
Editions as files in a folder of this machine.

Every write is atomic and gives the same names and bytes again, so that a repeat changes nothing.
"""

import asyncio
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from digestbot.deliver.protocols import Checkpoint
from digestbot.errors import PermanentFailure, TransientFailure
from digestbot.model import EXPORTS, Delivery, Form, OutgoingMessage, Receipt

_SUFFIXES = {
    Form.EML: ".eml",
    Form.HTML: ".html",
    Form.TEXT: ".txt",
    Form.MARKDOWN: ".md",
    Form.BIBTEX: ".bib",
    Form.RIS: ".ris",
    Form.ATOM: ".atom",
    Form.JSON: ".json",
}
"""In the order of writing: programs watch for the JSON, which comes when all is there."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+|^[.]+")


class FolderSender:
    """
    Writes ``<folder>/<digest>-<number>-<date>`` with .eml, .html, .txt and .json.

    Exports (.md, .bib, .ris, .atom) are written if the letter has them.
    """

    forms: ClassVar[frozenset[Form]] = frozenset(_SUFFIXES).difference(EXPORTS)

    def __init__(self, folders: Iterable[str] = ()) -> None:
        """*folders* are those that `check` tries; each letter names its own."""
        self._folders = tuple(Path(folder) for folder in folders)

    async def send(self, outgoing: OutgoingMessage, checkpoint: Checkpoint) -> Receipt:
        """
        Write the files of *outgoing*; the folder is made if it is not there.

        Raises:
            TransientFailure: No space, no permission, no such disk; the path is in the text.
        """
        folder = Path(outgoing.delivery.destination.address)
        stem = file_stem(outgoing.delivery)
        await checkpoint.data_done()
        await asyncio.to_thread(_write_all, folder, stem, outgoing)
        endings = ",".join(suffix.removeprefix(".") for suffix in _suffixes(outgoing).values())
        return Receipt(detail=f"{folder / stem}.{{{endings}}}")

    async def check(self) -> str:
        """Makes each folder that it was given and writes to it."""
        for folder in self._folders:
            await asyncio.to_thread(_try_to_write, folder)
        count = len(self._folders)
        return f"{count} folder{'s' if count != 1 else ''}: writable"

    async def close(self) -> None:
        """Nothing is held open."""


def file_stem(delivery: Delivery) -> str:
    """
    ``systems-0012-2026-11-23`` for edition ``systems/12``; the date is the delivery's, in UTC.

    Raises:
        PermanentFailure: The edition's name is not ``digest/number``.
    """
    digest, _, number = delivery.edition_name.rpartition("/")
    name = _UNSAFE.sub("_", digest)
    if not name or not (number.isascii() and number.isdigit()):
        raise PermanentFailure(f'no file name can be made of the edition "{delivery.edition_name}"')
    return f"{name}-{int(number):04}-{delivery.created_at:%Y-%m-%d}"


def _suffixes(outgoing: OutgoingMessage) -> dict[Form, str]:
    """The forms that are written, with their endings."""
    left_out = set(EXPORTS).difference(outgoing.bodies)
    return {form: suffix for form, suffix in _SUFFIXES.items() if form not in left_out}


def _write_all(folder: Path, stem: str, outgoing: OutgoingMessage) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for form, suffix in _suffixes(outgoing).items():
            write_atomically(folder / f"{stem}{suffix}", _content(outgoing, form))
        _sync_folder(folder)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _content(outgoing: OutgoingMessage, form: Form) -> bytes:
    # A lone surrogate from a broken feed must not make the edition unwritable.
    return outgoing.mime if form is Form.EML else outgoing.bodies[form].encode("utf-8", "replace")


def write_atomically(path: Path, content: bytes) -> None:
    """Give *path* this content, whole or not at all, also when the power fails."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """The new names are on the disk too; Windows has no such call and needs none."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _try_to_write(folder: Path) -> None:
    probe = folder / ".digestbot-check"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(probe, b"")
        probe.unlink()
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: OSError) -> TransientFailure:
    reason = error.strerror or type(error).__name__
    return TransientFailure(f'cannot write to the folder "{folder}": {reason.lower()}')
