"""Mutated answers of web APIs: records or one clear error, and a bad record costs itself only."""

import random
from pathlib import Path

import pytest

from tests.sources.api_fuzz import (
    PARSERS,
    SEEDS,
    check_answer,
    check_neighbors,
    damaged_record,
)
from tests.sources.feed_fuzz import mutated

SERVICES = sorted({*PARSERS} - {"pubmed-search"})


def test_every_parser_has_a_seed() -> None:
    assert {path.stem for path in SEEDS.iterdir()} == set(PARSERS)


@pytest.mark.parametrize("path", sorted(SEEDS.iterdir()), ids=lambda path: path.name)
def test_seeds_are_read_whole(path: Path) -> None:
    page = check_answer(path.stem, path.read_bytes())
    assert page is not None
    assert page.skipped == 0
    assert len(page.records) == {"pubmed": 4, "pubmed-search": 0}.get(path.stem, 3)


@pytest.mark.parametrize("path", sorted(SEEDS.iterdir()), ids=lambda path: path.name)
def test_mutated_answers_give_records_or_one_error(path: Path) -> None:
    dice = random.Random(path.name)
    for _ in range(200):
        check_answer(path.stem, mutated(path.read_bytes(), dice))


@pytest.mark.parametrize("name", SERVICES)
def test_a_bad_record_costs_itself_only(name: str) -> None:
    dice = random.Random(name)
    for _ in range(150):
        check_neighbors(name, damaged_record(name, dice), dice.randint(0, 3))


FOUND = (
    ("pubmed", "<x><ERROR>bad\u2028query\x85\u202e</ERROR></x>".encode()),
    ("pubmed-search", b'{"esearchresult": {"ERROR": "bad\\u2028 query\\u202e"}}'),
    ("pubmed-search", b'{"esearchresult":{"count":0,"errorlist":{"phrasesnotfound":"a\\u202e"}}}'),
    ("biorxiv", b'{"messages": [{"status": "Error\\u2028x"}], "collection": []}'),
    ("dblp", b'{"result": {"status": {"@code": "500", "text": "Error\\u2028"}}}'),
)
"""Answers like those that the fuzzer found: an error of the service that breaks a line."""


@pytest.mark.parametrize(("name", "body"), FOUND)
def test_found_answers_give_records_or_one_error(name: str, body: bytes) -> None:
    check_answer(name, body)


@pytest.mark.corpus
def test_mutated_real_answers_give_records_or_one_error(corpus: Path) -> None:
    dice = random.Random(11)
    for name in SERVICES:
        folder = {"dblp-xml": "dblp", "semanticscholar": "s2"}.get(name, name)
        for path in sorted((corpus / "services" / folder).rglob("*")):
            for _ in range(5):
                check_answer(name, mutated(path.read_bytes()[:30_000], dice))
