"""
Write the table of what the recorded answers of web APIs say: ``tests/data/recorded_apis.tsv``.

Run ``DIGESTBOT_CORPUS=… python -m tests.api_table`` after a change of the parsers, and review the
table as a diff against the raw files. Its first lines say which rows were compared by eye. An
answer that is refused, such as one in MEDLINE's format, has one row with the error.
"""

import gzip
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from digestbot.errors import BadAnswer
from digestbot.model import FetchedPaper
from digestbot.sources import (
    biorxiv,
    crossref,
    dblp,
    europepmc,
    huggingface,
    openalex,
    openreview,
    pubmed,
    semanticscholar,
)
from digestbot.sources.web_api import ApiPage, ReadPage

TABLE = Path(__file__).parent / "data" / "recorded_apis.tsv"
HEAD = "# file\titem\tid\ttitle\tauthors\tday\tjournal\ttype\tabstract"
ITEMS = 5
"""Records of each file that the table has."""
LONGEST = 120
"""Characters of a cell."""


def _pubmed(body: bytes, cursor: str, /) -> ApiPage:
    is_xml = body.lstrip().startswith(b"<")
    return pubmed.read_page(body, json.dumps({"history": "x", "days": []}) if is_xml else "")


def _dblp(body: bytes, cursor: str, /) -> ApiPage:
    is_xml = body.lstrip().startswith(b"<")
    return dblp.read_xml(body, "") if is_xml else dblp.read_page(body, "")


READERS: Mapping[str, ReadPage] = {
    "biorxiv": biorxiv.read_page,
    "crossref": crossref.read_page,
    "dblp": _dblp,
    "europepmc": europepmc.read_page,
    "huggingface": huggingface.read_page,
    "openalex": openalex.read_page,
    "openreview": openreview.read_page,
    "pubmed": _pubmed,
    "s2": semanticscholar.read_page,
}
"""Folder below ``services`` → the parser of its answers."""


def rows(corpus: Path) -> Iterator[str]:
    """Yield the rows of all answers in *corpus*, in order of their paths."""
    for folder, read in sorted(READERS.items()):
        for path in sorted((corpus / "services" / folder).rglob("*")):
            body = path.read_bytes()
            yield from _rows_of(
                path.name, gzip.decompress(body) if path.suffix == ".gz" else body, read
            )


def _rows_of(name: str, body: bytes, read: ReadPage) -> Iterator[str]:
    try:
        page = read(body, "")
    except BadAnswer as error:
        yield "\t".join((name, "0", "", f"refused: {error}", "", "", "", "", ""))
        return
    facts = f"{len(page.records)} records, {page.ignored} ignored, {page.skipped} skipped"
    yield "\t".join((name, "0", "", f"{facts}, total {page.total}", "", "", "", "", ""))
    for number, record in enumerate(page.records[:ITEMS], start=1):
        yield "\t".join((name, str(number), *_cells(record.paper)))


def _cells(paper: FetchedPaper) -> tuple[str, ...]:
    day = paper.updated.date().isoformat() if paper.updated else ""
    first = paper.authors[0].name if paper.authors else ""
    return (
        f"{paper.id}v{paper.version}",
        _cell(paper.title),
        f"{len(paper.authors)}: {first}",
        day,
        _cell(paper.journal_ref or ""),
        paper.document_type.value,
        f"{len(paper.abstract)} characters",
    )


def _cell(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"


def main() -> None:
    corpus = Path(os.environ["DIGESTBOT_CORPUS"])
    notes = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if line[:2] == "##"]
    TABLE.write_text("\n".join((*notes, HEAD, *rows(corpus), "")), encoding="utf-8")


if __name__ == "__main__":
    main()
