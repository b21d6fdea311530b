"""
Benchmark the filter engine against tantivy and SQLite FTS5: ``make bench``.

Uses real papers, and filters made from real phrases with a fixed seed. Each engine builds its index
before the clock starts: ours of the filters, theirs of the papers. All three get the papers as
canonical words, ours as the store keeps them; the time to split the text is reported separately.
The rivals know neither compounds nor words written apart, so the three must agree on every filter
whose terms mean the same without them on that day; the times are those of all filters.
"""

import argparse
import gzip
import json
import math
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import tantivy

from digestbot.backtest import backtest
from digestbot.config import load_config
from digestbot.filters import Filter
from digestbot.filters.arrays import Array
from digestbot.filters.conditions import READERS
from digestbot.filters.index import Batch, Index
from digestbot.filters.tree import AllOf, AnyOf, CategoryIs, NoneOf, Words
from digestbot.model import Announcement, Author, FetchedPaper
from digestbot.store import open_store
from digestbot.text import NOTE, canonical_words, forms, pack_words, plain, term_readings, words
from tests.factories import make_announcement, make_paper

SEED = 3
DAY = 1000
"""About the number of papers that arXiv announces per day."""
MONTH = 20_000
PHRASES = 60_000
TRIES = 5
RIVAL_TRIES = 3

Pairs = set[tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Filters as numbers of terms and categories."""

    terms: tuple[Words, ...]
    codes: tuple[CategoryIs, ...]
    any_of: tuple[Array, Array]
    within: tuple[Array, Array]
    none_of: tuple[Array, Array]

    def parts(self, number: int) -> tuple[list[int], list[int], list[int]]:
        """Return the terms, categories and excluded terms of one filter."""
        any_of, within, none_of = (
            numbers[bounds[number] : bounds[number + 1]].tolist()
            for bounds, numbers in (self.any_of, self.within, self.none_of)
        )
        return any_of, within, none_of

    def filter(self, number: int) -> Filter:
        """Return one filter as if parsed from YAML."""
        any_of, within, none_of = self.parts(number)
        children: list[AnyOf | NoneOf] = [AnyOf(children=tuple(self.terms[i] for i in any_of))]
        if within:
            children.append(AnyOf(children=tuple(self.codes[i] for i in within)))
        if none_of:
            children.append(NoneOf(children=tuple(self.terms[i] for i in none_of)))
        return Filter(root=AllOf(children=tuple(children)))


def read_papers(corpus: Path, count: int) -> tuple[Announcement, ...]:
    """Read the first papers of the corpus, in the form of the store."""
    return tuple(map(_announcement, _rows(corpus, count)))


def _rows(corpus: Path, count: int) -> Iterator[dict[str, Any]]:
    with gzip.open(corpus / "papers" / "arxiv-papers-A.jsonl.gz", "rt", encoding="utf-8") as file:
        yield from map(json.loads, islice(file, count))


def _announcement(row: dict[str, Any]) -> Announcement:
    title, abstract = plain(row["title"], one_line=True), plain(row["abstract"])
    paper = make_paper(
        title=title,
        abstract=abstract,
        title_words=pack_words(title),
        abstract_words=pack_words(abstract),
        authors=tuple(Author(name=str(author)) for author in row["authors"]),
        categories=tuple(row["categories"]),
        primary_category=row["primary_category"],
        comment=row.get("comment"),
    )
    return make_announcement(paper=paper)


def without_words(day: Sequence[Announcement]) -> tuple[Announcement, ...]:
    """Remove the stored words, as if the splitting rules had changed."""
    papers = (
        replace(announcement.paper, title_words=None, abstract_words=None) for announcement in day
    )
    return tuple(
        replace(announcement, paper=paper) for announcement, paper in zip(day, papers, strict=True)
    )


def make_workload(corpus: Path, papers: Sequence[Announcement], count: int) -> Workload:
    """Make *count* filters from real search phrases and from phrases of titles."""
    lines = (corpus / "keywords.txt").read_text(encoding="utf-8").splitlines()
    real = _terms(line.split("\t")[0] for line in lines)
    titles = (words(announcement.paper.title) for announcement in papers[DAY:])
    grams = {
        " ".join(word.text for word in title[i : i + size])
        for title in titles
        for size in (1, 2, 3)
        for i in range(len(title) - size + 1)
    }
    chosen = sorted(grams)
    random.Random(SEED).shuffle(chosen)
    terms = (*real, *_terms(islice(chosen, PHRASES)))
    codes = sorted({code for announcement in papers for code in announcement.paper.categories})
    rng = np.random.default_rng(SEED)

    def pick(sizes: Array) -> tuple[Array, Array]:
        some = rng.integers(0, len(terms), sizes.sum())
        well_known = rng.integers(0, len(real), sizes.sum())
        chosen = np.where(rng.random(sizes.sum()) < 0.5, well_known, some)
        return np.concatenate([[0], np.cumsum(sizes)]), chosen.astype(np.int32)

    category_counts = rng.integers(0, 4, count)
    within = rng.integers(0, len(codes), category_counts.sum()).astype(np.int32)
    return Workload(
        terms=terms,
        codes=tuple(
            CategoryIs(term=code, codes=frozenset((code, code.casefold()))) for code in codes
        ),
        any_of=pick(rng.integers(3, 9, count)),
        within=(np.concatenate([[0], np.cumsum(category_counts)]), within),
        none_of=pick(rng.choice((0, 0, 1, 2), count)),
    )


def _terms(texts: Iterator[str]) -> tuple[Words, ...]:
    read = (READERS[""](text, "", 1.0, ()) for text in texts if canonical_words(text))
    found = [atom for atom in read if isinstance(atom, Words) and not atom.is_prefix]
    return tuple(atom for atom in found if all(_is_simple(word) for word in atom.words))


def _is_simple(word: str) -> bool:
    """Return True if all forms of *word* have the same forms, so that one token represents them."""
    found = _plain_forms(word)
    return word in found and all(_plain_forms(form) == found for form in found)


def _plain_forms(word: str) -> frozenset[str]:
    """Return the forms of *word* without those of symbols; see `means_the_same` for these."""
    return frozenset(form for form in forms(word) if NOTE not in form)


def token(word: str) -> str:
    """Return a token for *word* and all its forms that no tokenizer changes."""
    return "w" + min(_plain_forms(word), default=word).encode().hex()


def as_tokens(announcement: Announcement) -> str:
    """Return title and abstract as tokens, separated by a token that occurs in no term."""
    texts = (announcement.paper.title, announcement.paper.abstract)
    return " end ".join(
        " ".join(token(word.text) for word in canonical_words(text)) for text in texts
    )


def means_the_same(workload: Workload, day: Sequence[Announcement]) -> Array:
    """Return a truth value per filter: do its terms need neither joined words nor words apart?"""
    batch = Batch.of(day)
    stream, vocabulary = batch.stream(3), batch.vocabulary()
    joined = {vocabulary[number] for number in np.unique(stream.joined_words)}
    known = {vocabulary[number] for number in np.unique(stream.words)} | joined
    differs = np.array(
        [
            any(not forms(word).isdisjoint(joined) for word in atom.words)
            or any(not forms(word).isdisjoint(known) for _, _, word in term_readings(atom.words))
            for atom in workload.terms
        ]
    )
    same = np.ones(len(workload.any_of[0]) - 1, dtype=bool)
    for bounds, terms in (workload.any_of, workload.none_of):
        same &= np.diff(np.concatenate([[0], np.cumsum(differs[terms])])[bounds]) == 0
    return same


# the rivals


def tantivy_engine(day: Sequence[Announcement]) -> Callable[[Workload, Sequence[int]], Pairs]:
    """Index the papers in memory; build the queries before the clock starts."""
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("text", tokenizer_name="whitespace")
    builder.add_text_field("category", tokenizer_name="raw")
    builder.add_integer_field("number", stored=True, fast=True)
    schema = builder.build()
    index = tantivy.Index(schema)
    writer = index.writer(heap_size=200_000_000, num_threads=1)
    for number, announcement in enumerate(day):
        document = tantivy.Document(text=as_tokens(announcement), number=number)
        for code in announcement.paper.categories:
            document.add_text("category", code)
        writer.add_document(document)
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()
    assert searcher.num_segments == 1, "document numbers are those of one segment"
    query = tantivy.Query
    must, should, must_not = tantivy.Occur.Must, tantivy.Occur.Should, tantivy.Occur.MustNot

    def of_term(atom: Words) -> Any:
        tokens = [token(word) for word in atom.words]
        if len(tokens) == 1:
            return query.term_query(schema, "text", tokens[0], index_option="basic")
        return query.phrase_query(schema, "text", list(tokens))

    def of_filter(workload: Workload, number: int) -> Any:
        any_of, within, none_of = workload.parts(number)
        clauses = [
            (must, query.boolean_query([(should, of_term(workload.terms[i])) for i in any_of]))
        ]
        if within:
            codes = [query.term_query(schema, "category", workload.codes[i].term) for i in within]
            clauses.append((must, query.boolean_query([(should, one) for one in codes])))
        clauses += [(must_not, of_term(workload.terms[i])) for i in none_of]
        return query.boolean_query(clauses)

    def run(workload: Workload, numbers: Sequence[int]) -> Pairs:
        queries = [of_filter(workload, number) for number in numbers]
        started = time.process_time()
        found = [searcher.search(one, limit=DAY, count=False).hits for one in queries]
        timings["tantivy"] = time.process_time() - started
        return {
            (number, address.doc)
            for number, these in zip(numbers, found, strict=True)
            for _, address in these
        }

    return run


def fts5_engine(day: Sequence[Announcement]) -> Callable[[Workload, Sequence[int]], Pairs]:
    """Index the papers in an in-memory table; run one MATCH per filter."""
    database = sqlite3.connect(":memory:")
    database.execute("CREATE VIRTUAL TABLE papers USING fts5(text, category, detail=full)")
    for number, announcement in enumerate(day):
        codes = " ".join(f"c{code.encode().hex()}" for code in announcement.paper.categories)
        database.execute(
            "INSERT INTO papers(rowid, text, category) VALUES (?, ?, ?)",
            (number, as_tokens(announcement), codes),
        )
    database.execute("INSERT INTO papers(papers) VALUES ('optimize')")

    def of_term(atom: Words) -> str:
        return '"' + " ".join(token(word) for word in atom.words) + '"'

    def of_filter(workload: Workload, number: int) -> str:
        any_of, within, none_of = workload.parts(number)
        text = "(" + " OR ".join(f"text:{of_term(workload.terms[i])}" for i in any_of) + ")"
        if within:
            codes = (f"category:c{workload.codes[i].term.encode().hex()}" for i in within)
            text += f" AND ({' OR '.join(codes)})"
        if none_of:
            shut_out = " OR ".join(f"text:{of_term(workload.terms[i])}" for i in none_of)
            text = f"({text}) NOT ({shut_out})"
        return text

    def run(workload: Workload, numbers: Sequence[int]) -> Pairs:
        matches = [of_filter(workload, number) for number in numbers]
        ask = "SELECT rowid FROM papers WHERE papers MATCH ?"
        started = time.process_time()
        found = [database.execute(ask, (text,)).fetchall() for text in matches]
        timings["FTS5"] = time.process_time() - started
        return {
            (number, row) for number, rows in zip(numbers, found, strict=True) for (row,) in rows
        }

    return run


timings: dict[str, float] = {}
"""Seconds of the latest run of each rival."""

# the measurements


def median_of(tries: int, measured: Callable[[], object]) -> float:
    """Return the median CPU time of several runs, in seconds."""
    taken = []
    for _ in range(tries):
        started = time.process_time()
        measured()
        taken.append(time.process_time() - started)
    return median(taken)


def resident_mb(path: Path, corpus: Path) -> float:
    """Measure the memory of an opened index after a match: mapped pages and objects."""
    command = [sys.executable, "-m", "tests.bench.bench_filters", "--resident", str(path)]
    environment = {**os.environ, "DIGESTBOT_CORPUS": str(corpus)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return float(done.stdout)


def print_resident(path: Path, corpus: Path) -> None:
    day = read_papers(corpus, DAY)
    Index.open(path).match(Batch.of(day))  # warm up caches that do not belong to the index
    tracemalloc.start()
    index = Index.open(path)
    index.match(Batch.of(day))
    kept, _ = tracemalloc.get_traced_memory()
    say(f"{kept / 1e6 + _mapped_kb(path) / 1000:.2f}")


def _mapped_kb(path: Path) -> int:
    """Return the size of the pages in memory; of the whole file on systems other than Linux."""
    if sys.platform != "linux":
        return path.stat().st_size // 1024
    _, _, mapping = Path("/proc/self/smaps").read_text(encoding="utf-8").partition(f"{path}\n")
    return int(mapping.split("Rss:")[1].split()[0])


def say(line: str = "") -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Figures:
    """Prints measurements with their targets, and counts missed targets."""

    def __init__(self) -> None:
        self.missed = 0

    def least(self, what: str, value: float, wanted: float, unit: str = "") -> None:
        self._say(what, f"{value:.3g}{unit}", f">= {wanted:g}{unit}", value >= wanted)

    def most(self, what: str, value: float, wanted: float, unit: str = "") -> None:
        self._say(what, f"{value:.3g}{unit}", f"<= {wanted:g}{unit}", value <= wanted)

    def _say(self, what: str, value: str, wanted: str, is_met: bool) -> None:
        self.missed += not is_met
        say(f"  {what:<58}{value:>12}{wanted:>12}  {'ok' if is_met else 'MISSED'}")


WANTED = {100_000: (25, 45), 1_000_000: (60, 110)}
"""Required speed-up over tantivy and FTS5, by number of filters."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=1_000_000, help="filters in the largest run")
    parser.add_argument("--rivals", type=int, default=100_000, help="filters the rivals are given")
    parser.add_argument("--resident", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if "DIGESTBOT_CORPUS" not in os.environ:
        parser.error("DIGESTBOT_CORPUS names no folder of real papers")
    corpus = Path(os.environ["DIGESTBOT_CORPUS"])
    if given.resident:
        print_resident(given.resident, corpus)
        return 0
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        measure(corpus, Path(folder), given.most, given.rivals, figures)
        measure_month(corpus, Path(folder), figures)
    return 1 if figures.missed else 0


def measure(corpus: Path, folder: Path, most: int, rivals: int, figures: Figures) -> None:
    papers = read_papers(corpus, 6 * DAY)
    day = papers[:DAY]
    workload = make_workload(corpus, papers, most)
    say(f"{len(day)} papers, {len(workload.terms)} terms, {len(workload.codes)} categories")
    same = means_the_same(workload, day)
    engines = {"tantivy": tantivy_engine(day), "FTS5": fts5_engine(day)}
    taken: dict[int, float] = {}
    for count in (10_000, 100_000, 1_000_000):
        if count <= most:
            taken[count] = measure_size(
                corpus,
                folder / f"{count}",
                workload,
                day,
                count,
                min(count, rivals),
                same,
                engines,
                figures,
            )
    sizes = sorted(taken)
    if len(sizes) > 1:
        growth = math.log(taken[sizes[-1]] / taken[sizes[0]]) / math.log(sizes[-1] / sizes[0])
        figures.most(f"growth from {sizes[0]} to {sizes[-1]}: N to the power of", growth, 0.6)
    one = Index()
    one.put(1, workload.filter(1))
    unstored = without_words(day)
    alone = median_of(TRIES, lambda: one.match(Batch.of(unstored)))
    figures.most("one filter, one day, with its text split again", alone, 0.25, " s")


def measure_size(
    corpus: Path,
    path: Path,
    workload: Workload,
    day: Sequence[Announcement],
    count: int,
    rivals: int,
    same: Array,
    engines: dict[str, Callable[[Workload, Sequence[int]], Pairs]],
    figures: Figures,
) -> float:
    say()
    started = time.process_time()
    index = Index()
    for number in range(count):
        index.put(number, workload.filter(number))
    index.merge()
    built = time.process_time() - started
    index.save(path)
    stored = median_of(TRIES, lambda: Batch.of(day))
    unstored = without_words(day)
    apart = median_of(TRIES, lambda: Batch.of(unstored))
    whole = median_of(TRIES, lambda: index.match(Batch.of(day)))
    found = index.match(Batch.of(day))
    say(f"{count} filters: built in {built:.1f} s, {len(found)} pairs match")
    say(f"  matched in {whole:.3f} s, of which the words {stored:.3f} s; split again {apart:.3f} s")
    compare(workload, found.keys, found.places, count, rivals, whole, same, engines, figures)
    per_hundred_thousand = 100_000 / count
    if count >= 100_000:
        size = index.size_bytes / 1e6 * per_hundred_thousand
        figures.most("index, in memory, for each 100,000 filters", size, 14, " MB")
        resident = resident_mb(path, corpus) * per_hundred_thousand
        figures.most("resident after opening and matching", resident, 14, " MB")
    figures.most("open the saved index", median_of(TRIES, lambda: Index.open(path)), 0.5, " s")
    changing = Index.open(path)
    change = median_of(TRIES, lambda: change_one(changing, workload))
    figures.most("change one filter and rebuild its segment", change * 1000, 1, " ms")
    changed = changing.match(Batch.of(day))
    assert changed.of(5) == changed.of(6), "the changed filter is not visible"
    return whole


CONFIG = """
sources:
  arxiv: {kind: arxiv, categories: [cs.DC]}
digests:
  d:
    filter:
      any: [serverless, cold start, gpu, energy*, federated learning, language model]
      all: [{any: [{title: mixture of experts}, {author: Ion Stoica}, {exact: RAG}, training]}]
      category: [cs.DC, cs.CL, cs.LG]
      none: [{title: survey}]
    deliver: []
"""


def measure_month(corpus: Path, folder: Path, figures: Figures) -> None:
    """Measure a backtest over a month of arXiv from SQLite."""
    now = datetime(2026, 11, 23, tzinfo=UTC)
    path = folder / "config.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    config = load_config(path, {})
    with open_store(f"sqlite:///{folder}/month.db") as store:
        for day, some in enumerate(batches(_rows(corpus, MONTH))):
            store.papers.ingest("arxiv", some, {}, now - timedelta(days=20 - day))
        since = now - timedelta(days=30)
        taken = median_of(
            TRIES, lambda: backtest(store, config, config.digests["d"], since=since, now=now)
        )
        found = backtest(store, config, config.digests["d"], since=since, now=now)
    say(f"\n{found.considered} papers of a month in the store, {found.matched} match")
    figures.most("backtest over them", taken, 2, " s")


def batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[FetchedPaper]]:
    while some := list(islice(rows, DAY)):
        yield [
            FetchedPaper(
                id=f"arxiv:{row['id'].removeprefix('arxiv:')}",
                title=row["title"],
                abstract=row["abstract"],
                authors=tuple(Author(name=str(author)) for author in row["authors"]),
                categories=tuple(row["categories"]),
                primary_category=row["primary_category"],
                comment=row.get("comment"),
                url=f"https://arxiv.org/abs/{row['id']}",
            )
            for row in some
        ]


def change_one(index: Index, workload: Workload) -> None:
    """Replace a filter and build the segment that the next match needs."""
    index.put(5, workload.filter(6))
    index._fresh_part()


def compare(
    workload: Workload,
    keys: Array,
    places: Array,
    count: int,
    rivals: int,
    whole: float,
    same: Array,
    engines: dict[str, Callable[[Workload, Sequence[int]], Pairs]],
    figures: Figures,
) -> None:
    """Compare with the rivals; extrapolate their time linearly if they get fewer filters."""
    numbers = range(rivals)
    comparable = {number for number in numbers if same[number]}
    ours = {
        pair for pair in zip(keys.tolist(), places.tolist(), strict=True) if pair[0] in comparable
    }
    say(f"  {len(comparable)} of {rivals} filters mean the same to the rivals")
    wanted = WANTED.get(count, (0, 0))
    for (name, engine), ratio in zip(engines.items(), wanted, strict=True):
        taken = []
        for _ in range(RIVAL_TRIES):
            theirs = engine(workload, numbers)
            taken.append(timings[name])
        differ = len({pair for pair in theirs if pair[0] in comparable} ^ ours)
        assert not differ, f"{name} and we differ in {differ} of {len(ours)} pairs"
        seconds = median(taken) * count / rivals
        figures.least(f"faster than {name} ({seconds:.1f} s), times", seconds / whole, ratio)


if __name__ == "__main__":
    sys.exit(main())
