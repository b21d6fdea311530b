"""Effect of a filter's weights, min_score, categories and types on an edition."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.cli.conftest import Bot, a_paper, configure
from tests.factories import NOW
from tests.servers.arxiv import ArxivServer

DIGESTS = """\
  weighed: {filter: {any: [{title: serverless, weight: 3}, {abstract: energy}, gpu]}}
  least: {filter: {any: [{title: serverless, weight: 3}, {abstract: energy}, gpu], min_score: 2}}
  negative: {filter: {any: [serverless, {title: survey, weight: -9}], min_score: 0}}
  primary: {filter: {primary: cs.LG}}
  category: {filter: {category: cs.LG}}
  replaced: {types: [new, replace], filter: {type: replace}}
  everything: {types: [new, replace]}
  cut: {limit: 2}
"""
EQUAL = {"published": NOW - timedelta(hours=7), "updated": NOW - timedelta(hours=7)}
PAPERS = (
    a_paper(1, "GPUs for All", categories=("cs.DC", "cs.LG")),
    a_paper(2, "Serverless Inference", categories=("cs.LG", "cs.DC")),
    a_paper(3, "A Quiet Paper", abstract="It is about energy."),
    a_paper(4, "A Survey of Serverless Computing"),
    a_paper(6, "Twins", **EQUAL),
    a_paper(5, "Twins", **EQUAL),
    a_paper(7, "GPUs, Again", version=2),
)


@pytest.fixture
def fetched(bot: Bot) -> Iterator[None]:
    with ArxivServer(PAPERS) as server:
        configure(server.url, more=DIGESTS)
        assert bot("fetch").code == 0
        yield


def edition(bot: Bot, digest: str) -> dict[str, Any]:
    called = bot("preview", digest, "--json")
    assert (called.code, called.err) == (0, "")
    found: dict[str, Any] = json.loads(called.out)
    return found


def numbers(bot: Bot, digest: str) -> list[int]:
    """Return the last digit of each paper's id, in the order of the edition."""
    return [int(paper["id"][-1]) for paper in edition(bot, digest)["papers"]]


EXPECTED = {
    "weighed": [2, 4, 1, 3],  # a title hit counts twice; then newest first
    "least": [2, 4, 1],  # papers below min_score are excluded
    "negative": [2],  # a negative weight lowers the score
    "primary": [2],  # primary category only
    "category": [1, 2],  # any category
    "replaced": [7],  # announce type
    "everything": [1, 2, 3, 4, 5, 6, 7],  # newest first, then by id
    "cut": [1, 2],  # the limit keeps the highest ranked
}


@pytest.mark.usefixtures("fetched")
def test_selection_and_order_are_deterministic(bot: Bot) -> None:
    for _ in range(2):
        assert {digest: numbers(bot, digest) for digest in EXPECTED} == EXPECTED


@pytest.mark.usefixtures("fetched")
def test_scores_are_sums_of_weights(bot: Bot) -> None:
    scores = [paper["score"] for paper in edition(bot, "weighed")["papers"]]
    assert scores == [6.0, 6.0, 2.0, 1.0]


@pytest.mark.usefixtures("fetched")
def test_omitted_papers_are_counted(bot: Bot) -> None:
    assert edition(bot, "cut")["omitted"] == 4
    assert edition(bot, "everything")["omitted"] == 0
    assert "4 more" in bot("preview", "cut", "--format", "text").out


@pytest.mark.usefixtures("fetched")
def test_match_offsets_refer_to_the_displayed_text(bot: Bot) -> None:
    """A match's offsets refer to the field as the edition shows it."""
    found = [
        (paper[match["field"]][match["start"] : match["end"]], match["text"])
        for paper in edition(bot, "weighed")["papers"]
        for match in paper["matched"]
    ]
    assert found == [
        ("Serverless", "Serverless"),
        ("Serverless", "Serverless"),
        ("GPUs", "GPUs"),
        ("energy", "energy"),
    ]
