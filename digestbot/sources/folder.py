"""
A folder of saved responses as a source: whatever another kind can parse, recognized by its content.

Fill it with your script, from mail attachments, or with responses that you kept: feeds,
arXiv's query API and daily feeds, and the JSON or XML of the other kinds. The dates of the papers
mean what they mean in the source that the response came from; a paper counts as announced when its
file is read. A pass reads the files that are new or changed since the last one. One that cannot be
read, or that is still being written, is reported and read again once it changes. The folder can
miss what you never saved. Begin at `FolderOptions.fetch`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from digestbot import __version__
from digestbot.errors import BadAnswer, SourceRefused
from digestbot.model import FetchedPaper
from digestbot.sources.local_files import check_path, read_file, reason
from digestbot.sources.memory import best_types
from digestbot.sources.parser_pool import ParserStopped
from digestbot.sources.protocols import Page, check_span
from digestbot.sources.retry import LATE_PAUSE
from digestbot.sources.saved_files import Listing, Record, SavedFile, digest_of, list_files

if TYPE_CHECKING:
    from digestbot.net import Client
    from digestbot.sources.parser_pool import Parse

log = logging.getLogger(__name__)

PAGE_FILES = 200
PAGE_PAPERS = 2_000
MAX_NAMED = 3
"""Files that a note names."""
MAX_CAUSE = 200
"""Characters of a problem in the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderOptions:
    """Papers in a folder of saved responses."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "use_attribute_docstrings": True,
    }

    path: str
    """The folder, relative to the config; subfolders are read, symbolic links are ignored."""
    pattern: str = "*"
    """Names of the files to read: `*.xml`, or `nature/*.rss` with the last folders."""
    categories: tuple[str, ...] = ()
    """Categories added to every paper, for use in filters."""
    backfill: timedelta | None = None
    """How far back the first pass reports papers by their own dates; by default all of them."""

    def __post_init__(self) -> None:
        check_path(self.path)
        if not self.pattern.strip():
            raise ValueError("pattern is empty")
        if self.backfill is not None:
            check_span("backfill", self.backfill)

    def located(self, folder: Path) -> "FolderOptions":
        """Return the options with the path resolved against *folder*."""
        return replace(self, path=str(folder / self.path))

    def fetch(
        self,
        name: str,
        client: "Client",
        memory: Mapping[str, str],
        now: datetime,
        *,
        parse: "Parse",
    ) -> AsyncIterator[Page]:
        """Make one pass; see `Options.fetch`."""
        return FolderPass(
            options=self, name=name, client=client, memory=memory, now=now, parse=parse
        ).pages()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """Outcome of one file."""

    papers: tuple[FetchedPaper, ...] = ()
    digest: str = ""
    problem: str = ""
    is_final: bool = True
    """False if the same file may be readable next time."""


@dataclass(slots=True, kw_only=True)
class FolderPass:
    """One pass over the folder; the later fields record its progress."""

    options: FolderOptions
    name: str
    client: "Client"
    memory: Mapping[str, str]
    now: datetime
    parse: "Parse"
    records: dict[str, str] = field(default_factory=dict)
    """Records of the files that are in the folder, by their keys."""
    problems: list[str] = field(default_factory=list)
    since: datetime | None = None
    """In a first pass, papers with an older date are backlog."""
    done: int = 0

    async def pages(self) -> AsyncIterator[Page]:
        """
        Yield the papers of several files per page.

        Raises:
            SourceRefused: The folder cannot be read.
        """
        listing = await self._list()
        self.since = self._first_since()
        known = self._known_files(listing)
        papers: list[FetchedPaper] = []
        pending = 0
        for file in listing.files:
            if file.key in known and known[file.key].is_of(file):
                self._note(file, known[file.key].problem)
                continue
            papers += await self._read(listing, file, known.get(file.key))
            pending += 1
            if pending >= PAGE_FILES or len(papers) >= PAGE_PAPERS:
                yield self._page(papers)
                papers, pending = [], 0
        yield self._last_page(papers, listing)

    async def _list(self) -> Listing:
        path = self.options.path
        try:
            return await asyncio.to_thread(list_files, path, self.options.pattern)
        except OSError as error:
            cause = f'cannot read the folder "{path}": {reason(error)}; check the path'
            retry_at = self.client.clock() + LATE_PAUSE
            raise SourceRefused(f"{self.name}: {cause}", retry_at=retry_at) from error

    def _first_since(self) -> datetime | None:
        """Return the date that divides news from backlog in the first pass."""
        if self.options.backfill is None or "begun" in self.memory:
            return None
        pending = self.memory.get("pending")
        return datetime.fromisoformat(pending) if pending else self.now - self.options.backfill

    def _known_files(self, listing: Listing) -> dict[str, Record]:
        """Return the records of the files in the folder; a new version tries failed ones again."""
        is_same_version = self.memory.get("version") == __version__
        known = {}
        for file in listing.files:
            record = Record.read(self.memory.get(file.key, ""))
            if record is not None and (is_same_version or not record.problem):
                known[file.key] = record
                self.records[file.key] = record.written()
        return known

    async def _read(
        self, listing: Listing, file: SavedFile, before: Record | None
    ) -> tuple[FetchedPaper, ...]:
        """Read *file* and record it, unless the same content may be readable next time."""
        reading = await self._fenced(listing, file, before)
        self._note(file, reading.problem)
        if reading.is_final:
            now_ns = int(self.client.clock().timestamp() * 1e9)
            record = Record.of(file, reading.digest, reading.problem[:MAX_CAUSE], now_ns)
            self.records[file.key] = record.written()
        else:
            self.records.pop(file.key, None)
        papers = tuple(map(self._labelled, reading.papers))
        self.done += len(papers)
        return papers

    async def _fenced(self, listing: Listing, file: SavedFile, before: Record | None) -> _Reading:
        """Read *file*; return a failure as its outcome."""
        path = Path(listing.root, file.name)
        digest = ""
        try:
            body = await asyncio.to_thread(_body, path)
            digest = digest_of(body)
            if before is not None and before.digest == digest:
                return _Reading(digest=digest, problem=before.problem)
            return await self._parsed(body, digest, file)
        except OSError as error:
            return _Reading(problem=reason(error), is_final=False)
        except ParserStopped as error:
            return _Reading(problem=str(error), is_final=False)
        except BadAnswer as error:
            problem = str(error).removesuffix("; check the URL")  # here it is a file
            return _Reading(digest=digest or "-", problem=problem)
        except Exception as error:
            log.exception("file failed unexpectedly", extra={"source": self.name})
            problem = f"{type(error).__name__}: a bug, see the log"
            return _Reading(problem=problem, is_final=False)

    async def _parsed(self, body: bytes, digest: str, file: SavedFile) -> _Reading:
        from digestbot.sources.saved_responses import parse_saved

        name = f"{self.name}/{file.name}".encode("utf-8", "replace").decode()
        saved = await self.parse(parse_saved, body, name, self.now)
        return _Reading(papers=saved.papers, digest=digest, problem=saved.problem)

    def _labelled(self, paper: FetchedPaper) -> FetchedPaper:
        """Return *paper* with the configured categories, as backlog if it is too old."""
        categories = tuple(dict.fromkeys([*paper.categories, *self.options.categories]))
        at = paper.updated or paper.published
        is_old = self.since is not None and at is not None and at < self.since
        return replace(paper, categories=categories, backlog=paper.backlog or is_old)

    def _note(self, file: SavedFile, problem: str) -> None:
        if problem:
            self.problems.append(f"{file.label}: {problem}")

    def _page(self, papers: list[FetchedPaper]) -> Page:
        state = {"version": __version__}
        if self.since is not None:
            state["pending"] = self.since.isoformat()
        elif "begun" in self.memory:
            state["begun"] = "yes"
        return Page(
            papers=best_types(papers),
            memory={**self.records, **state},
            done=self.done,
        )

    def _last_page(self, papers: list[FetchedPaper], listing: Listing) -> Page:
        page = self._page(papers)
        had_files = any(key.startswith("f.") for key in self.memory)
        if not listing.files and had_files:
            # The disk may not be mounted: keep the memory of its files.
            note = "the folder is empty, although it had files before"
            return replace(page, memory=self.memory, note=note)
        problems = [*self.problems, *listing.problems]
        notes = [*problems[:MAX_NAMED]]
        if len(problems) > MAX_NAMED:
            notes.append(f"and {len(problems) - MAX_NAMED} more")
        if listing.links:
            notes.append(f"symbolic links not followed: {listing.links}")
        if not listing.files and not notes:
            notes.append("the folder has no files")
        memory = {**self.records, "version": __version__, "begun": "yes"}
        return replace(page, memory=memory, complete=not problems, note="; ".join(notes) or None)


def _body(path: Path) -> bytes:
    """
    Return the content of a file of the folder.

    Raises:
        OSError: It cannot be read.
        BadAnswer: It is a device, too large, or behind a symbolic link.
    """
    if path.resolve() != path:
        raise BadAnswer("a symbolic link, which is not followed")
    body, _ = read_file(path, follow=False)
    return body
