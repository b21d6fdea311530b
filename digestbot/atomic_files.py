"""
Replace files in one step.

A reader, or a power failure, meets the old content or the new, never a part. The process's umask
decides who may read the result (config key ``umask``).
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

# Windows has neither flag: opening is binary by default elsewhere, and links are rare there.
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_FLAGS |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """
    Open a new file that replaces *path* once the block ends; discard it if the block raises.

    Its name is random and must not exist: a link that somebody placed in a shared folder is never
    followed (CWE-377). A link at *path* itself is replaced, not followed.

    A device or a pipe, such as /dev/stdout, is written to in place.

    Raises:
        OSError: The folder is missing, full or not writable.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    part = path.with_name(f".{path.name[:200]}.{secrets.token_hex(8)}.part")
    descriptor = os.open(part, _FLAGS, 0o666)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, content: bytes) -> None:
    """Replace the content of *path*; see `replacing`."""
    with replacing(path) as file:
        file.write(content)
