"""Real papers: stored, read back, and known the second time."""

import gzip
import itertools
import json
from pathlib import Path

import pytest

from digestbot.model import Author, FetchedPaper
from digestbot.store import Ingested, Store
from tests.store.samples import NOW, log

COUNT = 2000


def real_papers(corpus: Path) -> list[FetchedPaper]:
    path = corpus / "papers" / "arxiv-papers-oai-A.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        records = map(json.loads, itertools.islice(lines, COUNT))
        return [
            FetchedPaper(
                id=f"arxiv:{record['id']}",
                title=record["title"],
                abstract=record["abstract"],
                authors=tuple(Author(name=name) for name in record["authors"]),
                categories=tuple(record["categories"]),
                primary_category=record["primary_category"],
                comment=record["comment"],
                journal_ref=record["journal_ref"],
                doi=record["doi"],
                url=f"https://arxiv.org/abs/{record['id']}",
            )
            for record in records
        ]


@pytest.mark.corpus
def test_real_papers_round_trip_and_are_known_again(store: Store, corpus: Path) -> None:
    papers = real_papers(corpus)
    first = store.papers.ingest("arxiv", papers, {}, NOW)
    assert first == Ingested(new=COUNT, known=0, updated=0)
    for given, row in zip(papers, log(store), strict=True):
        assert (row.paper.id, row.paper.title_raw) == (given.id, given.title)
        assert row.paper.abstract_raw == given.abstract
        assert (row.paper.categories, row.paper.doi) == (given.categories, given.doi)
        assert "\n" not in row.paper.title
    again = store.papers.ingest("arxiv", papers, {}, NOW)
    assert again == Ingested(new=0, known=COUNT, updated=0)
