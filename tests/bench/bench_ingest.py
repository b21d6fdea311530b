"""
Time to ingest 20,000 real papers into SQLite, beside an older version of the code.

``python -m tests.bench.bench_ingest --before FOLDER`` runs this file in turn against this tree and
against another checkout in *FOLDER*, with the same interpreter, each in a fresh process. All times
are CPU times. Exits with 1 if the ratio misses its target. `ingest` uses only what both versions
have, so import nothing from `tests` here.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from digestbot.model import Author, FetchedPaper
from digestbot.store import open_store

PAPERS = 20_000
PAGE = 1000
RATIO = 1.3
NOW = datetime(2026, 11, 23, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


def ingest(corpus: Path, folder: Path) -> float:
    """Ingest the papers of *corpus* into a new store in *folder*; return the seconds it took."""
    pages = [[_paper(row) for row in rows] for rows in _pages(corpus)]
    with open_store(f"sqlite:///{folder / 'papers.db'}") as store:
        started = time.process_time()
        for number, page in enumerate(pages):
            store.papers.ingest("arxiv", page, {}, NOW + timedelta(hours=number))
        taken = time.process_time() - started
        assert store.papers.count() == sum(map(len, pages))
    return taken


def _pages(corpus: Path) -> Iterator[list[dict[str, Any]]]:
    with gzip.open(corpus / "papers" / "arxiv-papers-A.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = map(json.loads, islice(file, PAPERS))
        while page := list(islice(rows, PAGE)):
            yield page


def _paper(row: dict[str, Any]) -> FetchedPaper:
    return FetchedPaper(
        id=f"arxiv:{row['id'].removeprefix('arxiv:')}",
        title=row["title"],
        abstract=row["abstract"],
        authors=tuple(Author(name=str(author)) for author in row["authors"]),
        categories=tuple(row["categories"]),
        primary_category=row["primary_category"],
        comment=row.get("comment"),
        url=f"https://arxiv.org/abs/{row['id']}",
    )


def measure(tree: Path, corpus: Path) -> float:
    """Return the seconds that the code in *tree* takes, in a process of its own."""
    with TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, __file__, "--into", folder],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree), "DIGESTBOT_CORPUS": str(corpus)},
        )
    return float(done.stdout)


def main() -> int:
    """Print the times; return 1 if the ratio misses its target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, help="checkout of the version to compare with")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if "DIGESTBOT_CORPUS" not in os.environ:
        parser.error("DIGESTBOT_CORPUS names no folder of real papers")
    corpus = Path(os.environ["DIGESTBOT_CORPUS"]).resolve()
    if given.into:
        sys.stdout.write(f"{ingest(corpus, given.into)}\n")
        return 0
    trees = [ROOT, *([given.before.resolve()] if given.before else [])]
    rounds = [[measure(tree, corpus) for tree in trees] for _ in range(given.rounds)]
    for tree, taken in zip(trees, zip(*rounds, strict=True), strict=True):
        sys.stdout.write(f"{tree}: {median(taken):.2f} s for {PAPERS:,} papers\n")
    if not given.before:
        return 0
    ratio = median(ours / theirs for ours, theirs in rounds)
    sys.stdout.write(f"ratio {ratio:.2f}, wanted at most {RATIO}\n")
    return 0 if ratio <= RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
