"""Files of the operator as sources: their paths in the config, and reads that cannot hang."""

import os
import stat
from pathlib import Path

from digestbot.errors import BadAnswer

MAX_BYTES = 32 * 1024 * 1024
"""Size limit of a file; a page of arXiv with 2,000 papers has about 6 MB."""
_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)  # opening a named pipe would wait for its writer
)


def check_path(text: str) -> None:
    """
    Check a path of the config.

    Raises:
        ValueError: It is empty, has a null byte or begins with ``~``.
    """
    if not text.strip() or "\0" in text:
        raise ValueError("path is empty or has a null byte")
    if text.startswith("~"):
        raise ValueError('path: "~" is not expanded; write ${HOME}')


def read_file(path: Path, *, follow: bool = True) -> tuple[bytes, os.stat_result]:
    """
    Return the content of a regular file, and its state when it was opened.

    Args:
        path: The file.
        follow: Follow *path* if it is a symbolic link.

    Raises:
        OSError: It cannot be read.
        BadAnswer: It is a folder, a device or a pipe, or has more than `MAX_BYTES`.
    """
    handle = os.open(path, _FLAGS | (0 if follow else getattr(os, "O_NOFOLLOW", 0)))
    with os.fdopen(handle, "rb") as file:
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode):
            raise BadAnswer("not a regular file")
        body = file.read(MAX_BYTES + 1)
    if len(body) > MAX_BYTES:
        raise BadAnswer(f"more than {MAX_BYTES // 1024**2} MB")
    return body, state


def reason(error: OSError) -> str:
    """Return the reason of *error* for a message."""
    return (error.strerror or type(error).__name__).lower()
