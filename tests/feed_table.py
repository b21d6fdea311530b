"""
Write the table of what the recorded feeds say: ``tests/data/recorded_feeds.tsv``.

Run ``DIGESTBOT_CORPUS=… python -m tests.feed_table`` after a change of the parsers, and review the
table as a diff against the raw files. Its first lines say which rows were compared by eye.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from digestbot.errors import BadAnswer
from digestbot.model import FetchedPaper
from digestbot.sources import arxiv_atom
from digestbot.sources.arxiv_rss import is_announcement, parse_announcements
from digestbot.sources.feed_items import parse_feed

TABLE = Path(__file__).parent / "data" / "recorded_feeds.tsv"
HEAD = "# file\titem\ttitle\tauthors\tdoi\tday\tjournal"
URL = "https://feeds.example/feed.xml"
NOW = datetime(2027, 1, 1, tzinfo=UTC)
ITEMS = 3
"""Items of each file that the table has."""
FOLDERS = ("feeds", "services", "arxiv-api", "arxiv-rss")
SUFFIXES = (".xml", ".json", ".rss", ".atom", ".rdf", ".html", "")
LONGEST = 160
"""Characters of a cell; authors are counted beyond it."""


def rows(corpus: Path) -> Iterator[str]:
    """Yield the rows of all feeds in *corpus*, in order of their paths."""
    for folder in FOLDERS:
        for path in sorted((corpus / folder).rglob("*")):
            if path.is_file() and path.suffix in SUFFIXES:
                yield from _rows_of(path, str(path.relative_to(corpus)))


def _rows_of(path: Path, name: str) -> Iterator[str]:
    try:
        papers = _papers(path.read_bytes())
    except BadAnswer:
        return
    for number, paper in enumerate(papers[:ITEMS], start=1):
        yield "\t".join((name, str(number), *_cells(paper)))


def _papers(body: bytes) -> tuple[FetchedPaper, ...]:
    if b"http://arxiv.org/schemas/atom" in body and b"opensearch" in body:
        return arxiv_atom.parse(body).entries
    if is_announcement(body):
        return parse_announcements(body)
    return parse_feed(body, {}, feed_url=URL, now=NOW).papers


def _cells(paper: FetchedPaper) -> tuple[str, ...]:
    day = paper.published.date().isoformat() if paper.published else ""
    authors = " | ".join(author.name for author in paper.authors)
    return tuple(
        _cell(text)
        for text in (paper.title, authors, paper.doi or "", day, paper.journal_ref or "")
    )


def _cell(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}… ({len(line)})"


def main() -> None:
    corpus = Path(os.environ["DIGESTBOT_CORPUS"])
    notes = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if line[:2] == "##"]
    text = "\n".join((*notes, HEAD, *rows(corpus), ""))
    TABLE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
