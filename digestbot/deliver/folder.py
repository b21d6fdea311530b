"""
Destination ``folder``: editions as files on this machine.

Writes are atomic and repeatable: a second attempt writes the same names and bytes.
"""

import asyncio
import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Final

from digestbot.atomic_files import write_atomically
from digestbot.deliver.protocols import Checkpoint, DestinationConfig, DestinationType
from digestbot.errors import DiscreetError, PermanentFailure, TransientFailure
from digestbot.model import EXPORTS, Delivery, DestinationKind, Form, OutgoingMessage, Receipt

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
"""In the order of writing: programs watch for the JSON file, which completes the set."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+|^[.]+")


class FolderSender:
    """
    Writes ``<folder>/<digest>-<number>-<date>`` with .eml, .html, .txt and .json.

    Exports (.md, .bib, .ris, .atom) are written if the message has them.
    """

    async def send(self, outgoing: OutgoingMessage, checkpoint: Checkpoint) -> Receipt:
        """
        Write the files of *outgoing*, creating the folder if needed.

        Raises:
            TransientFailure: Disk full, missing or not writable; the text names the path.
        """
        folder = Path(outgoing.delivery.destination.address)
        stem = file_stem(outgoing.delivery)
        await checkpoint.data_done()
        await asyncio.to_thread(_write_all, folder, stem, outgoing)
        suffixes = ",".join(suffix.removeprefix(".") for suffix in _suffixes(outgoing).values())
        return Receipt(detail=f"{folder / stem}.{{{suffixes}}}")

    async def check(self, addresses: Collection[str]) -> str:
        """Create each folder and write a probe file to it."""
        for folder in addresses:
            await asyncio.to_thread(_try_to_write, Path(folder))
        count = len(addresses)
        return f"{count} folder{'s' if count != 1 else ''}: writable"

    async def close(self) -> None:
        """Return at once: all files are closed already."""


def file_stem(delivery: Delivery) -> str:
    """
    Return ``systems-0012-2026-11-23`` for edition ``systems/12``; the date is in UTC.

    Raises:
        PermanentFailure: The edition's name is not ``digest/number``.
    """
    digest, _, number = delivery.edition_name.rpartition("/")
    name = _UNSAFE.sub("_", digest)
    if not name or not (number.isascii() and number.isdigit()):
        text = f'cannot make a file name from the edition "{delivery.edition_name}"'
        raise PermanentFailure(text)
    return f"{name}-{int(number):04}-{delivery.created_at:%Y-%m-%d}"


def _suffixes(outgoing: OutgoingMessage) -> dict[Form, str]:
    """Return the file suffix of each form to be written."""
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


def _sync_folder(folder: Path) -> None:
    """Flush the new file names to disk. Windows has no such call."""
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


def check_folder(text: str) -> str:
    """
    Return *text* if it can be a path in the config.

    Raises:
        DiscreetError: It is empty, has a null byte or begins with ``~``.
    """
    if not text.strip() or "\0" in text:
        raise DiscreetError("must be a path")
    if text.startswith("~"):
        raise DiscreetError('"~" is not expanded; write ${HOME}')
    return text


def _open(config: DestinationConfig) -> FolderSender:
    return FolderSender()


FOLDER: Final = DestinationType(
    kind=DestinationKind.FOLDER,
    description="A folder for the .eml, .html, .txt and .json of each edition, relative to the"
    " config.",
    open=_open,
    forms=frozenset(_SUFFIXES).difference(EXPORTS),
    check_value=check_folder,
    address=lambda value, folder: str(folder / value),
    is_archive=True,
)
