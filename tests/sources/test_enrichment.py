"""Which papers are looked up, which answers fill in what, and when to ask again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.model import Author, DocumentType, FetchedPaper
from digestbot.sources.enrichment import (
    Answer,
    EnrichmentSettings,
    Filling,
    Gaps,
    gaps_of,
    next_try,
    pii_in,
    services_for,
)
from digestbot.sources.feed import FeedOptions

NOW = datetime(2026, 11, 23, tzinfo=UTC)
AUTHORS = (Author(name="Ada Xu"),)
PAPER = FetchedPaper(id="doi:10.1016/x", title="Heat", abstract="", url="https://doi.org/10.1016/x")


def fields(paper: FetchedPaper) -> set[str]:
    gaps = gaps_of(paper)
    return set(gaps.fields) if gaps else set()


def test_what_is_missing_is_looked_up() -> None:
    assert fields(PAPER) == {"abstract", "authors"}
    assert fields(replace(PAPER, abstract="Hot.")) == {"authors"}
    assert fields(replace(PAPER, abstract="Hot.", authors=AUTHORS)) == set()


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "arxiv:2611.00001", "doi": "10.1016/x"},
        {"id": "doi:10.5555/12345678"},
        {"id": "doi:10.48550/arxiv.2611.00001"},
        {"id": "feed:0123", "url": "https://example.org/1"},
        {"document_type": DocumentType.EDITORIAL},
    ],
)
def test_papers_that_no_service_can_complete_are_left_alone(changes: dict[str, str]) -> None:
    assert gaps_of(replace(PAPER, **changes)) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "pii"),
    [
        (
            "https://www.sciencedirect.com/science/article/pii/S0029549326001235",
            "S0029549326001235",
        ),
        ("https://x.example/pii/S002954932600123X?via=rss", "S002954932600123X"),
        ("https://x.example/article/PIIS0029-5493(26)00123-5/fulltext", "S0029549326001235"),
        ("https://x.example/S0029-5493%2826%2900123-5", "S0029549326001235"),
        ("https://x.example/S00295493260012355", None),
        ("https://x.example/?pii=S0029549326001235", None),
        ("http://[", None),
    ],
)
def test_a_pii_is_read_from_the_path(url: str, pii: str | None) -> None:
    assert pii_in(url) == pii


@pytest.mark.parametrize(
    ("url", "enrich", "default", "count"),
    [
        ("https://journal.example.org/feed", None, True, 3),
        ("https://journal.example.org/feed", None, False, 0),
        ("https://journal.example.org/feed", False, True, 0),
        ("https://journal.example.org/feed", True, False, 3),
        ("http://127.0.0.1:8080/feed", None, True, 0),
        ("http://[::1]/feed", None, True, 0),
        ("http://2130706433/feed", None, True, 0),
        ("http://127.1/feed", None, True, 0),
        ("http://localhost/feed", None, True, 0),
        ("http://10.1.2.3/feed", None, True, 0),
        ("http://intranet/feed", None, True, 0),
        ("http://127.0.0.1:8080/feed", True, True, 3),
    ],
)
def test_internal_feeds_are_told_to_nobody(
    url: str, enrich: bool | None, default: bool, count: int
) -> None:
    options = FeedOptions(url=url, enrich=enrich)
    assert len(services_for(options, EnrichmentSettings(), default=default)) == count


def test_internal_feeds_may_use_internal_services() -> None:
    settings = EnrichmentSettings(crossref_url="http://127.0.0.1:9/works", pubmed_url=None)
    options = FeedOptions(url="http://127.0.0.1/feed")
    assert services_for(options, settings, default=True) == {"crossref"}


def test_other_kinds_of_sources_are_not_enriched() -> None:
    assert services_for(object(), EnrichmentSettings(), default=True) == frozenset()


def answer(**changes: object) -> Answer:
    paper = replace(PAPER, doi="10.1016/x", abstract="Hot.", authors=AUTHORS, **changes)  # type: ignore[arg-type]
    return Answer(names=frozenset({"doi:10.1016/x"}), paper=paper)


@given(has=st.sets(st.sampled_from(["abstract", "authors"]), max_size=1))
def test_only_gaps_are_filled_in(has: set[str]) -> None:
    values = {"abstract": "The publisher's.", "authors": (Author(name="Bo Li"),)}
    gaps = gaps_of(replace(PAPER, **{name: values[name] for name in has}))  # type: ignore[arg-type]
    assert gaps is not None
    filling = Filling(gaps=gaps).with_answer("crossref", answer())
    assert set(filling.origins) == {"abstract", "authors"} - has
    assert not filling.missing
    assert (
        filling.with_answer("openalex", answer(journal_ref="J")).origins[
            "abstract" if "abstract" not in has else "authors"
        ]
        == "crossref"
    )


@pytest.mark.parametrize(
    ("title", "is_same"),
    [
        ("Heat of reactors", True),
        ("Research article: Heat of reactors", True),
        ("RETRACTED: Heat of reactors", True),
        ("Sheep and their diet", False),
    ],
)
def test_the_titles_must_agree(title: str, is_same: bool) -> None:
    gaps = Gaps(fields=frozenset({"abstract"}), doi="10.1016/x", title="Heat of reactors")
    filling = Filling(gaps=gaps).with_answer("crossref", answer(title=title))
    assert bool(filling.origins) is is_same


def test_waits_grow_and_end() -> None:
    tries, moment = 0, NOW
    moments = []
    while True:
        tries += 1
        following = next_try(tries, NOW, moment, timedelta(days=14))
        if following is None:
            break
        moments.append(following)
        moment = following
    waits = [b - a for a, b in zip([NOW, *moments], moments, strict=False)]
    assert waits == sorted(waits)
    assert moments[-1] - NOW <= timedelta(days=14)
    assert 4 <= len(moments) <= 8
