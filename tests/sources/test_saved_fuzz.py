"""Mutated saved responses and lists of feeds: papers or feeds, or one clear error."""

import logging
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sources.feed_fuzz import mutated
from tests.sources.saved_fuzz import OPML, check, check_opml, check_saved, seeds

ALL = list(seeds())


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Silence the warnings about unreadable items, thousands here."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize(("name", "body"), ALL, ids=[name for name, _ in ALL])
def test_seeds_are_read(name: str, body: bytes) -> None:
    is_list = name.endswith(".opml")
    assert check_opml(body) == (2 if is_list else 0)
    assert bool(check_saved(body)) is not (is_list or name == "pubmed-search.json")


@pytest.mark.parametrize(("name", "body"), ALL, ids=[name for name, _ in ALL])
def test_mutated_files_give_papers_or_one_error(name: str, body: bytes) -> None:
    dice = random.Random(name)
    for _ in range(40):
        check_saved(mutated(body, dice))


def test_mutated_lists_give_feeds_or_one_error() -> None:
    dice = random.Random(3)
    for _ in range(500):
        check_opml(mutated(OPML, dice))


@pytest.mark.corpus
def test_mutated_real_files_give_papers_or_one_error(corpus: Path) -> None:
    dice = random.Random(17)
    for folder in ("services", "arxiv-api", "arxiv-rss", "configs/opml"):
        for path in sorted((corpus / folder).rglob("*")):
            if path.suffix in (".json", ".xml", ".opml"):
                check(mutated(path.read_bytes()[:30_000], dice))
