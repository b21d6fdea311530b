"""Europe PMC: both types of results, preprints, notices, and the end of the cursor."""

import json
from datetime import timedelta
from typing import Any

import pytest

from digestbot.model import DocumentType, FetchedPaper
from digestbot.sources.europepmc import EuropepmcOptions, read_page
from digestbot.sources.web_api import Window
from tests.servers.europepmc import result
from tests.sources.conformance import NOW, make_works

WINDOW = Window(floor=NOW - timedelta(days=7), since=NOW, until=NOW)


def body(*results: Any, **more: Any) -> bytes:
    return json.dumps({"hitCount": 9, "resultList": {"result": list(results)}} | more).encode()


def paper(**fields: Any) -> FetchedPaper:
    return read_page(body(result(make_works(1)[0]) | fields), "").records[0].paper


def related(kind: str, reference: str) -> dict[str, Any]:
    return {"commentCorrection": [{"type": kind, "reference": reference}]}


def test_a_lite_result_has_its_fields_elsewhere() -> None:
    found = paper(
        authorList=None,
        authorString="Schoenfeld JD, Haas-Kogan DA, O'Neill AF.",
        journalInfo=None,
        journalTitle="Lancet",
        journalVolume="404",
        issue="10471",
        pageInfo="2603-2604",
    )
    assert [each.name for each in found.authors] == ["Schoenfeld JD", "Haas-Kogan DA", "O'Neill AF"]
    assert found.journal_ref == "Lancet, 404(10471), 2603-2604"


def test_publication_online_goes_before_the_issue() -> None:
    found = paper(electronicPublicationDate="2026-11-20", firstPublicationDate="2027-01-01")
    assert found.published is not None
    assert found.published.date().isoformat() == "2026-11-20"
    assert found.published_is_date


def test_escaped_markup_becomes_plain() -> None:
    found = paper(title="m&lt;sup&gt;6&lt;/sup&gt;A and &lt;i&gt;EZH2&lt;/i&gt;.")
    assert found.title == "m⁶A and EZH2"


def test_records_of_pubmed_are_the_same_paper_there() -> None:
    assert "url://pubmed.ncbi.nlm.nih.gov/1" in paper().aliases
    other = paper(source="PPR", id="PPR9", pmid=None, doi=None)
    assert other.url == "https://europepmc.org/article/PPR/PPR9"
    assert other.id.startswith("feed:")


def test_preprint_and_article_are_one_work() -> None:
    comments = related("Preprint in", "bioRxiv. 2026. doi: 10.1101/2026.01.01.123456.")
    assert "doi:10.1101/2026.01.01.123456" in paper(commentCorrectionList=comments).aliases


@pytest.mark.parametrize(
    ("fields", "type_", "about"),
    [
        (
            {
                "pubTypeList": {"pubType": ["Retraction of Publication"]},
                "title": "Retraction: A study",
                "commentCorrectionList": related("Retraction of", "Gut. doi: 10.5555/Y."),
            },
            DocumentType.RETRACTION,
            "doi:10.5555/y",
        ),
        (
            {"commentCorrectionList": related("Retraction in", "Gut. doi: 10.5555/Y.")},
            DocumentType.RETRACTION,
            None,
        ),
        ({"pubType": "published erratum; correction"}, DocumentType.CORRECTION, None),
        ({"pubTypeList": {"pubType": ["News"]}}, DocumentType.NEWS, None),
        ({"pubTypeList": {"pubType": "Journal Article"}}, DocumentType.PAPER, None),
    ],
)
def test_types_are_told(fields: dict[str, Any], type_: DocumentType, about: str | None) -> None:
    found = paper(**fields)
    assert (found.document_type, found.about) == (type_, about)


@pytest.mark.parametrize(
    ("mark", "cursor", "following"),
    [("b", "a", "b"), ("a", "a", None), (None, "a", None), ("b", "", "b")],
)
def test_the_last_page_repeats_its_cursor(
    mark: str | None, cursor: str, following: str | None
) -> None:
    answer = body(result(make_works(1)[0]), nextCursorMark=mark)
    assert read_page(answer, cursor).cursor == following
    assert read_page(body(nextCursorMark="new"), cursor).cursor is None


def test_the_request_adds_the_days_to_the_query() -> None:
    found = EuropepmcOptions(query="a OR b").request(WINDOW, "")
    assert found.params["query"] == "(a OR b) AND (FIRST_IDATE:[2026-11-16 TO 2026-11-24])"
    assert (found.params["cursorMark"], found.params["resultType"]) == ("*", "core")
