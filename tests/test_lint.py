"""Doubts about valid filters: each kind once, and none about filters that people use."""

import pytest

from digestbot.filters import parse_filter
from digestbot.lint import ENOUGH, Doubt, doubts
from digestbot.model import Announcement
from tests.factories import make_announcement, make_paper


def papers(count: int = ENOUGH) -> tuple[Announcement, ...]:
    """Half of them about learning, one in ten about serverless RAG."""
    titles = ("Deep Learning", "Graphs", "Learning to Rank", "Sorting", "Serverless rag")
    return tuple(
        make_announcement(
            seq=n,
            paper=make_paper(id=f"arxiv:2611.{n:05}", title=titles[n % 5], abstract="We study it."),
        )
        for n in range(count)
    )


LOG = papers()
CASES = [
    (["serverless", "serverless computing"], ((1,), '"serverless computing" hits only where')),
    (["gpu", "GPU"], ((1,), '"GPU" hits only where "gpu" does; one of them is enough')),
    (
        [{"title": "sorting"}, "sorting"],
        ((0, "title"), '"title: sorting" hits only where "sorting" does'),
    ),
    (
        {"any": ["sorting"], "none": ["sorting"]},
        (("any", 0), '"sorting" is asked for and excluded: it brings nothing'),
    ),
    (["graph", "wombat"], ((1,), '"wombat" hit none of 500 papers')),
    (
        ["graph", {"exact": "RAG"}],
        ((1, "exact"), '"exact: RAG" hit none of 500 papers; in another form it does: "rag"'),
    ),
    (["graph", "learning"], ((1,), '"learning" alone brings 40% of all papers')),
    ({"title": "study"}, ((), "matches none of 500 papers")),
    ({"abstract": "study"}, ((), "matches every one of 500 papers")),
]


@pytest.mark.parametrize(("data", "expected"), CASES)
def test_a_doubt_names_its_place_and_what_is_doubted(
    data: object, expected: tuple[tuple[str | int, ...], str]
) -> None:
    found = doubts(parse_filter(data), LOG)
    path, message = expected
    assert any(d.path == path and d.message.startswith(message) for d in found), found


@pytest.mark.parametrize(
    "data",
    [
        ["serverless", "graph"],
        [{"title": "graph", "weight": 3}, "graph"],
        ["rank", "learning*"],
        {"any": ["serverless"], "none": [{"title": "survey"}]},
        {"all": [{"any": ["serverless", "graph"]}, {"category": "cs.*"}]},
    ],
)
def test_there_is_none_about_a_filter_that_is_meant(data: object) -> None:
    loud = [d for d in doubts(parse_filter(data), LOG) if "alone brings" not in d.message]
    assert loud == []


def test_few_papers_are_no_evidence() -> None:
    assert doubts(parse_filter(["wombat"]), LOG[: ENOUGH - 1]) == ()


def test_no_filter_no_doubt() -> None:
    assert doubts(parse_filter(None), LOG) == ()


def test_doubts_come_in_the_order_of_the_yaml() -> None:
    found = doubts(parse_filter(["wombat", "graph", "yeti"]), LOG)
    assert [d.path for d in found] == [(0,), (2,)]
    assert all(isinstance(d, Doubt) for d in found)
