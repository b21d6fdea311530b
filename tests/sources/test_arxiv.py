"""Options of an arXiv source."""

from datetime import timedelta

import pytest

from digestbot.net import ARXIV_INTERVAL_S
from digestbot.sources.arxiv import ArxivOptions


def test_the_default_interval_is_arxivs() -> None:
    assert ArxivOptions(categories=("cs.DC",)).interval.total_seconds() == ARXIV_INTERVAL_S


@pytest.mark.parametrize(
    ("url", "interval_s", "kept_s"),
    [
        ("https://export.arxiv.org/api/query", 0, 3),
        ("https://export.arxiv.org/api/query", 10, 10),
        ("http://127.0.0.1:8080/api/query", 0, 0),
        ("https://arxiv.mirror.example/api/query", 1, 1),
    ],
)
def test_the_interval_of_arxiv_has_a_minimum(url: str, interval_s: int, kept_s: int) -> None:
    source = ArxivOptions(query="all:gpu", url=url, interval=timedelta(seconds=interval_s))
    assert source.interval_s == kept_s


def test_an_archive_is_queried_as_its_categories() -> None:
    search = ArxivOptions(categories=("econ",)).search
    assert search == "cat:econ.EM OR cat:econ.GN OR cat:econ.TH OR cat:q-fin.EC"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, 'set "categories" or "query"$'),
        ({"query": "all:gpu", "url": None}, 'url is null, but a "query" needs it'),
        ({"categories": ("cs.DC",), "url": ""}, "^url must be an http or https address, or null"),
        ({"categories": ("cs.DC",), "rss_url": "no"}, "^rss_url must be an http or https address"),
        ({"categories": ("cs.DC",), "oai_url": "oaipmh.arxiv.org/oai"}, "^oai_url must be an http"),
        (
            {"categories": ("cs.DC",), "query": "all:gpu"},
            'set either "categories" or "query", not both',
        ),
        ({"query": "  "}, '"query" is empty'),
        ({"categories": ("cs.DX",)}, 'arXiv has no category "cs.DX"; did you mean "cs.'),
        ({"query": "all:gpu", "page_size": 0}, "page_size must be from 1 to 2000, not 0"),
        ({"query": "all:gpu", "page_size": 2001}, "page_size must be from 1 to 2000, not 2001"),
        ({"query": "all:gpu", "max_pages": 0}, "max_pages must be at least 1, not 0"),
        (
            {"query": "all:gpu", "backfill": -timedelta(days=1)},
            "backfill must be between 0 and 100 years",
        ),
        (
            {"query": "all:gpu", "overlap": -timedelta(days=1)},
            "overlap must be between 0 and 100 years",
        ),
        ({"query": "all:gpu", "interval": -timedelta(days=1)}, "interval must be 0 or longer"),
    ],
)
def test_invalid_options_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ArxivOptions(**settings)  # type: ignore[arg-type]
