"""
Find the files of a folder to read, and remember those that were read.

A file is known by name, size, time of change and hash. Symbolic links, hidden files and names of
unfinished downloads are left out. Begin at `list_files`.
"""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from digestbot.sources.feed_kind import shown

MAX_FILES = 20_000
"""Maximum files in a folder: the source's memory has a line for each, stored with every page."""
RACY_NS = 2_000_000_000
"""Age in nanoseconds below which a file may change again without a new time of change."""
_UNFINISHED = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".download", ".swp", "~")
"""Suffixes of unfinished files, which the program that writes them renames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedFile:
    """A regular file in the folder."""

    name: str
    """Relative to the folder, with slashes."""
    size: int
    mtime_ns: int

    @property
    def key(self) -> str:
        """Key of its record in the memory of the source."""
        return "f." + hashlib.sha256(os.fsencode(self.name)).hexdigest()[:16]

    @property
    def label(self) -> str:
        """Name for messages."""
        return f'"{shown(self.name)}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Memory of a file that was read."""

    size: int
    mtime_ns: int
    """0 if a later change may have kept the time."""
    digest: str
    problem: str = ""
    """Why papers of it may be missing; empty if it was read completely."""

    @classmethod
    def read(cls, text: str) -> "Record | None":
        """Return the record that `written` returned as *text*."""
        size, _, rest = text.partition(" ")
        mtime, _, rest = rest.partition(" ")
        digest, _, problem = rest.partition(" ")
        if not (size.isdecimal() and mtime.isdecimal() and digest):
            return None
        return cls(size=int(size), mtime_ns=int(mtime), digest=digest, problem=problem)

    @classmethod
    def of(cls, file: SavedFile, digest: str, problem: str, now_ns: int) -> "Record":
        """Return the record of *file*, whose content has *digest*, as read at *now_ns*."""
        is_settled = 0 < file.mtime_ns < now_ns - RACY_NS
        mtime_ns = file.mtime_ns if is_settled else 0
        return cls(size=file.size, mtime_ns=mtime_ns, digest=digest, problem=problem)

    def written(self) -> str:
        """Return the record as text for the memory."""
        return f"{self.size} {self.mtime_ns} {self.digest} {self.problem}".rstrip()

    def is_of(self, file: SavedFile) -> bool:
        """Return True if *file* is certainly unchanged."""
        is_settled = self.mtime_ns > 0
        return is_settled and (self.size, self.mtime_ns) == (file.size, file.mtime_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The files of a folder, those changed first at the front."""

    root: str
    """Real path of the folder."""
    files: tuple[SavedFile, ...]
    problems: tuple[str, ...] = ()
    """Why files may be missing, one line each."""
    links: int = 0
    """Symbolic links that were ignored."""


def digest_of(body: bytes) -> str:
    """Return the hash of the content of a file."""
    return hashlib.sha256(body).hexdigest()[:24]


def list_files(folder: str, pattern: str) -> Listing:
    """
    List the files of *folder* and its subfolders whose names match *pattern*.

    Raises:
        OSError: *folder* cannot be read.
    """
    root = os.path.realpath(folder, strict=True)
    os.scandir(root).close()
    errors: list[OSError] = []
    files: list[SavedFile] = []
    links = 0
    for parent, folders, names in os.walk(root, onerror=errors.append):
        links += sum(Path(parent, each).is_symlink() for each in folders)
        folders[:] = [each for each in folders if not each.startswith(".")]
        for name in filter(_is_finished, names):
            path = Path(parent, name)
            relative = path.relative_to(root).as_posix()
            state = _state(path, errors) if PurePosixPath(relative).match(pattern) else None
            if state is None:
                continue
            links += stat.S_ISLNK(state.st_mode)
            if stat.S_ISREG(state.st_mode):
                mtime_ns = max(state.st_mtime_ns, 0)
                files.append(SavedFile(name=relative, size=state.st_size, mtime_ns=mtime_ns))
    files.sort(key=lambda file: (file.mtime_ns, file.name))
    problems = [_problem(error, root) for error in errors]
    if len(files) > MAX_FILES:
        problems.append(f"more than {MAX_FILES:,} files; move old ones away")
    return Listing(
        root=root, files=tuple(files[-MAX_FILES:]), problems=tuple(problems), links=links
    )


def _is_finished(name: str) -> bool:
    return not name.startswith(".") and not name.lower().endswith(_UNFINISHED)


def _state(path: Path, errors: list[OSError]) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:  # removed or renamed since it was listed
        return None
    except OSError as error:
        errors.append(error)
        return None


def _problem(error: OSError, root: str) -> str:
    name = os.path.relpath(os.fsdecode(error.filename or root), root)
    return f'"{shown(name)}": {(error.strerror or type(error).__name__).lower()}'
