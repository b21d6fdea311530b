"""
An edition in RIS, for reference managers.

Zotero, EndNote and Mendeley read it. The format is that of Research Information Systems (2011): a
tag of two characters, two spaces, a hyphen, a space, a value on one line; CRLF line ends. Begin at
`ris`.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from digestbot.model import Edition, EditionPaper, Paper
from digestbot.render.context import RenderContext
from digestbot.render.sanitize import line, url


def ris(edition: Edition, context: RenderContext) -> str:
    """Return one record per paper, in the order of the edition."""
    return "\r\n".join(
        row for entry in (*edition.papers, *edition.more) for row in (*_record(entry), "")
    )


def _record(entry: EditionPaper) -> Iterator[str]:
    # RIS has no type for preprints; Zotero and EndNote use "unpublished".
    yield from _row("TY", "JOUR" if entry.paper.journal_ref else "UNPB")
    for tag, value in _fields(entry.paper):
        yield from _row(tag, value)
    yield "ER  - "


def _fields(paper: Paper) -> Iterator[tuple[str, str | None]]:
    yield "TI", paper.title or "(no title)"
    for author in paper.authors:
        yield "AU", author.name
    when = paper.published or paper.updated
    yield "PY", str(when.year) if when else None
    yield "DA", _date(when) if when else None
    yield "JO", paper.journal_ref
    yield "DO", paper.doi
    yield "UR", url(paper.url)
    yield "L1", url(paper.pdf_url)
    number = paper.id.removeprefix("arxiv:")
    yield "AN", f"arXiv:{number}" if number != paper.id else None
    for category in paper.categories:
        yield "KW", category
    yield "N1", paper.comment
    yield "AB", paper.abstract


def _row(tag: str, value: str | None) -> Iterator[str]:
    clean = line(value or "")
    if clean:
        yield f"{tag}  - {clean}"


def _date(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y/%m/%d}"
