"""Semantic Scholar: the bulk search, and papers with few or many identifiers."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from digestbot.errors import BadAnswer
from digestbot.model import FetchedPaper
from digestbot.secret import Secret
from digestbot.sources.semanticscholar import SemanticScholarOptions, read_page
from digestbot.sources.web_api import ApiPage, Window
from tests.sources.passes import NOW

WINDOW = Window(floor=NOW - timedelta(days=3), since=NOW, until=NOW)


def read(**paper: Any) -> FetchedPaper:
    listed = {"paperId": "2d56", "title": "A Paper", **paper}
    (record,) = read_page(json.dumps({"total": 1, "data": [listed]}).encode(), "").records
    return record.paper


def test_a_search_is_limited_to_its_window() -> None:
    options = SemanticScholarOptions(
        query=" gpu -survey ", venues=("Nature", "OSDI"), fields=("Physics",)
    )
    params = options.request(WINDOW, "T1").params
    assert params["query"] == "gpu -survey"
    assert params["publicationDateOrYear"] == "2026-11-20:"
    assert (params["venue"], params["fieldsOfStudy"]) == ("Nature,OSDI", "Physics")
    assert params["token"] == "T1"
    assert "token" not in options.request(WINDOW, "").params


def test_the_key_is_a_header_and_never_shown() -> None:
    options = SemanticScholarOptions(query="gpu", api_key=Secret("planted"))
    request = options.request(WINDOW, "")
    assert request.headers == {"x-api-key": "planted"}
    assert "planted" not in f"{options!r}{request!r}"


def test_without_a_key_requests_are_rarer() -> None:
    assert SemanticScholarOptions(query="gpu").interval_s == 3
    assert SemanticScholarOptions(query="gpu", api_key=Secret("x")).interval_s == 1
    mirror = SemanticScholarOptions(query="gpu", url="http://x.example/", interval=timedelta(0))
    assert mirror.interval_s == 0


@pytest.mark.parametrize(
    ("ids", "id_", "doi"),
    [
        ({"ArXiv": "2603.20941", "DOI": "10.5555/X"}, "arxiv:2603.20941", "10.5555/x"),
        ({"DOI": "10.48550/arXiv.2603.20941"}, "arxiv:2603.20941", None),
        ({"ArXiv": "math/0309136", "CorpusId": 7}, "arxiv:math/0309136", None),
        ({"DOI": "10.5555/X"}, "doi:10.5555/x", "10.5555/x"),
        ({"CorpusId": 7}, "feed:", None),
        (None, "feed:", None),
    ],
)
def test_papers_have_their_best_id(ids: Any, id_: str, doi: str | None) -> None:
    paper = read(externalIds=ids)
    assert paper.id.startswith(id_)
    assert paper.doi == doi
    assert "url://semanticscholar.org/paper/2d56" in paper.aliases


def test_fields_are_read() -> None:
    paper = read(
        title="[PDF] A Paper",
        abstract="Text.",
        authors=[{"authorId": "1", "name": "Ada Xu"}, {"name": None}],
        publicationDate="2026-11-20",
        journal={"name": "J. Ex.", "volume": "7"},
        venue="Example",
        fieldsOfStudy=["Physics"],
        openAccessPdf={"url": "https://x.example/p.pdf"},
    )
    assert (paper.title, paper.abstract) == ("A Paper", "Text.")
    assert [author.name for author in paper.authors] == ["Ada Xu"]
    assert (paper.published, paper.published_is_date) == (datetime(2026, 11, 20, tzinfo=UTC), True)
    assert (paper.journal_ref, paper.categories) == ("J. Ex.", ("Physics",))
    assert paper.pdf_url == "https://x.example/p.pdf"
    assert paper.url == "https://www.semanticscholar.org/paper/2d56"


@pytest.mark.parametrize(
    ("body", "cursor"),
    [
        ({"data": [{"paperId": "1", "title": "A"}], "token": "T"}, "T"),
        ({"data": [{"paperId": "1", "title": "A"}], "token": None}, None),
        ({"data": [], "token": "T"}, None),
    ],
)
def test_the_token_leads_on(body: dict[str, Any], cursor: str | None) -> None:
    assert read_page(json.dumps(body).encode(), "").cursor == cursor


def test_no_results_are_no_error() -> None:
    assert read_page(b'{"total": 0, "offset": 0}', "") == ApiPage()


@pytest.mark.parametrize(
    "body",
    [
        b'{"message": "Too Many Requests."}',
        b'{"total": 5}',
        b'{"data": [{"id": "1", "attributes": {}}]}',
        b"{}",
    ],
)
def test_other_answers_are_errors(body: bytes) -> None:
    with pytest.raises(BadAnswer):
        read_page(body, "")


def test_an_empty_query_is_refused() -> None:
    with pytest.raises(ValueError, match="query"):
        SemanticScholarOptions(query=" ")
