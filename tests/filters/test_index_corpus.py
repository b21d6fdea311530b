"""
Compare the engine with the evaluator on real papers, real filters and random trees.

`evaluate.hits` is called once for each atom and paper; the trees are then evaluated here in the
simplest way, over all papers at a time. This decides tens of millions of pairs of filter and paper.
"""

import gzip
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from digestbot.errors import InvalidFilter
from digestbot.filters import Filter, parse_filter
from digestbot.filters.arrays import Array
from digestbot.filters.evaluate import TITLE_FACTOR, field_text, hits
from digestbot.filters.index import Batch, Index
from digestbot.filters.tree import AllOf, AnyOf, Atom, Node, NoneOf, Words
from digestbot.model import Announcement, AnnounceType, Author, DocumentType
from digestbot.text import plain
from tests.factories import make_announcement, make_paper
from tests.filters.oracle import finds


def real_papers(corpus: Path, count: int) -> tuple[Announcement, ...]:
    """Return the first papers, with all announce types and two sources."""
    with gzip.open(corpus / "papers" / "arxiv-papers-A.jsonl.gz", "rt", encoding="utf-8") as file:
        return tuple(
            _announcement(json.loads(line), number)
            for number, line in enumerate(islice(file, count))
        )


def _announcement(row: dict[str, Any], number: int) -> Announcement:
    authors = row["authors"]
    names = [one["name"] if isinstance(one, dict) else str(one) for one in authors]
    paper = make_paper(
        id=f"arxiv:{row['id'].removeprefix('arxiv:')}",
        title=plain(row["title"], one_line=True),
        abstract=plain(row["abstract"]),
        authors=tuple(Author(name=name) for name in names),
        categories=tuple(row["categories"]),
        primary_category=row["primary_category"],
        comment=row.get("comment"),
        journal_ref=row.get("journal_ref"),
        doi=row.get("doi"),
        published=_moment(row["published"]),
    )
    type_ = tuple(AnnounceType)[number % 4]
    return make_announcement(paper=paper, type=type_, source=("arxiv", "feed")[number % 2])


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)


SAMPLED = 40
"""Every so many papers, each term is also compared with the oracle for terms."""


class Oracle:
    """Verdicts of filters on papers, based on `evaluate.hits`."""

    def __init__(self, announced: Sequence[Announcement]) -> None:
        self._announced = announced
        self._hits: dict[Atom, Array] = {}
        self._titles: dict[Atom, Array] = {}

    def ask(self, filters: Sequence[Filter]) -> None:
        """Evaluate every atom on every paper; paper by paper, to split its words once."""
        new = {atom for one in filters for atom in _all_atoms(one.root)} - self._hits.keys()
        atoms = sorted(new, key=repr)
        found = np.zeros((len(atoms), len(self._announced)), dtype=bool)
        in_title = np.zeros_like(found)
        for place, announcement in enumerate(self._announced):
            for number, atom in enumerate(atoms):
                matches = hits(atom, announcement)
                if place % SAMPLED == 0 and isinstance(atom, Words):
                    assert bool(matches) is _finds(atom, announcement), atom.describe()
                if matches:
                    found[number, place] = True
                    in_title[number, place] = any(one.field == "title" for one in matches)
        self._hits |= zip(atoms, found, strict=True)
        self._titles |= zip(atoms, in_title, strict=True)

    def matched(self, filter_: Filter) -> Array:
        """Return a truth value per paper: does the filter match it?"""
        found = self._holds(filter_.root)
        if filter_.min_score is None:
            return found
        score = np.zeros(len(self._announced))
        for atom in _counted(filter_.root):
            factor = np.where(self._titles[_plain(atom)], TITLE_FACTOR, 1.0)
            score += np.where(self._hits[_plain(atom)], atom.weight * factor, 0.0)
        return np.asarray(found & (score >= filter_.min_score))

    def _holds(self, node: Node) -> Array:
        if not isinstance(node, (AllOf, AnyOf, NoneOf)):
            return self._hits[_plain(node)]
        found = np.full(len(self._announced), isinstance(node, AllOf))
        for child in node.children:
            if isinstance(node, AllOf):
                found &= self._holds(child)
            else:
                found |= self._holds(child)
        return ~found if isinstance(node, NoneOf) else found


def _finds(atom: Words, announcement: Announcement) -> bool:
    paper = announcement.paper
    names = [author.name for author in paper.authors]
    texts = [
        text
        for field in atom.fields
        for text in (names if field == "author" else [field_text(paper, field)])
    ]
    return any(finds(atom.words, text, is_prefix=atom.is_prefix) for text in texts)


def _plain(atom: Atom) -> Atom:
    return replace(atom, weight=1.0)


def _all_atoms(node: Node) -> Iterator[Atom]:
    if isinstance(node, (AllOf, AnyOf, NoneOf)):
        for child in node.children:
            yield from _all_atoms(child)
    else:
        yield _plain(node)


def _counted(node: Node) -> Iterator[Atom]:
    if isinstance(node, (AllOf, AnyOf)):
        for child in node.children:
            yield from _counted(child)
    elif not isinstance(node, NoneOf):
        yield node


def decisions_that_agree(announced: Sequence[Announcement], filters: Sequence[Filter]) -> int:
    """Compare engine and oracle; return the number of pairs, or fail at a difference."""
    oracle = Oracle(announced)
    oracle.ask(filters)
    index = Index()
    for key, filter_ in enumerate(filters):
        index.put(key, filter_)
    found = index.match(Batch.of(announced))
    bounds = np.searchsorted(found.keys, np.arange(len(filters) + 1))
    for key, filter_ in enumerate(filters):
        wanted = np.flatnonzero(oracle.matched(filter_))
        places = found.places[bounds[key] : bounds[key + 1]]
        assert np.array_equal(places, wanted), filter_.describe()
    assert len(found) > len(announced), "these filters match almost nothing"
    return len(announced) * len(filters)


# real filters from other programs


def real_filters(corpus: Path) -> tuple[Filter, ...]:
    folder = corpus / "configs"
    written = [
        *_topics(folder / "arxivdigest_topics.csv"),
        *_daily(folder / "cv-arxiv-daily"),
        *_owls(folder / "carrier-owl"),
        *_bots(folder / "arxiv_rss_bot"),
        *_people(folder / "people"),
    ]
    return tuple(one for data in written if (one := _read(data)) is not None)


def _read(data: object) -> Filter | None:
    """Parse a filter. None if invalid: an empty list, only signs, an unknown category."""
    try:
        return parse_filter(data)
    except InvalidFilter:
        return None


def _topics(path: Path) -> list[object]:
    return [{"any": [line], "min_score": 2} for line in path.read_text("utf-8").splitlines()]


def _daily(folder: Path) -> Iterator[object]:
    for path in sorted(folder.glob("*.yaml")):
        topics = _yaml(path).get("keywords") or {}
        for topic in topics.values():
            yield topic["filters"]


def _owls(folder: Path) -> Iterator[object]:
    for path in sorted(folder.glob("*.yaml")):
        config = _yaml(path)
        subject = str(config.get("subject", ""))
        codes = [part.strip("() ").removeprefix("cat:") for part in subject.split(" OR ")]
        keywords = (config.get("keywords") or {}).items()
        terms = [{"abstract": str(word), "weight": weight} for word, weight in keywords]
        terms += [{"title": str(word), "weight": weight} for word, weight in keywords]
        yield {"any": terms, "min_score": config.get("score_threshold")}
        yield {"any": terms, "category": codes}


def _bots(folder: Path) -> Iterator[object]:
    for path in sorted(folder.glob("config_0*.json")):
        config = json.loads(path.read_text("utf-8"))
        keywords, excluded = config["keywords"], config["exclude_keywords"]
        yield {"any": keywords, "none": excluded, "category": config["categories"]}


def _people(folder: Path) -> Iterator[object]:
    for path in sorted(folder.glob("*.yaml")):
        config = _yaml(path)
        for key in ("keywords", "include_keywords"):
            if isinstance(words := config.get(key), list):
                yield {"any": words}


def _yaml(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(path.read_text("utf-8"))
    return found


# random trees of conditions that hit real papers


def pool(
    corpus: Path, announced: Sequence[Announcement], rng: random.Random, size: int
) -> list[Node]:
    """Return conditions of every kind, about twice *size* of them on words."""
    lines = (corpus / "keywords.txt").read_text(encoding="utf-8").splitlines()
    words = [line.split("\t")[0] for line in lines]
    names = [author.name for one in announced for author in one.paper.authors]
    papers = [one.paper for one in announced]
    few = max(size // 6, 1)
    written: list[object] = [
        *rng.sample(words, size),
        *({"title": word} for word in rng.sample(words, size // 2)),
        *({"abstract": word} for word in rng.sample(words, size // 4)),
        *(f"{word[:4]}*" for word in rng.sample([w for w in words if w[:4].isalpha()], few)),
        *({"comment": word} for word in ("pages", "accepted", "figures", "ICML", "code")),
        *({"journal": word} for word in ("physical review", "Lett.", "Phys. Rev. B")),
        *({"author": name} for name in rng.sample(names, 5)),
        *({"author": name.split()[-1]} for name in rng.sample(names, 5)),
        *({"category": paper.categories[-1]} for paper in rng.sample(papers, few)),
        *({"category": code} for code in ("cs", "math.*", "stat", "physics", "cs.LG")),
        *({"primary": code} for code in ("cs", "math", "cs.CV")),
        *({"type": str(one)} for one in AnnounceType),
        *({"document": str(one)} for one in DocumentType),
        *({"source": one} for one in ("arxiv", "feed", "nobody")),
        *({"id": paper.id} for paper in rng.sample(papers, 5)),
        *({"exact": word} for word in rng.sample(words, few)),
        *({"exact": word} for word in ("GPU", "RAG", "LLM", "we", "-based", "α")),
        *({"regex": one} for one in ("(?i)gpu", "^A ", r"\d+ ?%", "state.of.the.art")),
        *({"near": rng.sample(words, 2)} for _ in range(few)),
        *({"query": f'ti:"{word}" OR abs:{word.split()[0]}'} for word in rng.sample(words, few)),
        *({"query": f"all:{word.split()[0]}"} for word in rng.sample(words, few)),
        {"query": "submittedDate:[202401010000 TO 202506010000]"},
        *({"near": pair} for pair in (["neural", "network"], ["data", "training"])),
    ]
    return [one.root for data in written if (one := _read(data)) is not None]


def random_tree(conditions: Sequence[Node], rng: random.Random, depth: int = 4) -> Node:
    if depth == 0 or rng.random() < 0.35:
        return _weighed(rng.choice(conditions), rng)
    kind = rng.choice((AnyOf, AnyOf, AllOf, NoneOf))
    several = range(rng.choice((0, 1, 2, 2, 3, 3, 4)))
    return kind(children=tuple(random_tree(conditions, rng, depth - 1) for _ in several))


def _weighed(node: Node, rng: random.Random) -> Node:
    if isinstance(node, (AllOf, AnyOf, NoneOf)):
        return node
    return replace(node, weight=rng.choice((1.0, 1.0, 0.1, 0.7, 2.0, -1.0)))


def random_filters(conditions: Sequence[Node], rng: random.Random, count: int) -> list[Filter]:
    roots = (random_tree(conditions, rng) for _ in range(count))
    scores = (None, None, None, 0.0, 0.8, 2.0)
    return [Filter(root=root, min_score=rng.choice(scores)) for root in roots]


@pytest.mark.corpus
def test_real_filters_get_the_same_papers(corpus: Path) -> None:
    filters = real_filters(corpus)
    assert len(filters) > 1500
    assert decisions_that_agree(real_papers(corpus, 500), filters) > 750_000


@pytest.mark.corpus
def test_random_trees_agree_on_twenty_million_pairs(corpus: Path) -> None:
    rng = random.Random(20)
    announced = real_papers(corpus, 1500)
    filters = random_filters(pool(corpus, announced, rng, 100), rng, 13_500)
    assert decisions_that_agree(announced, filters) > 20_000_000


@pytest.mark.corpus
@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
def test_random_trees_agree_on_a_billion_pairs(corpus: Path, seed: int) -> None:
    rng = random.Random(seed)
    announced = real_papers(corpus, 8000)
    filters = random_filters(pool(corpus, announced, rng, 500), rng, 25_000)
    assert decisions_that_agree(announced, filters) == 200_000_000
