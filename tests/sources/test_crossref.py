"""Crossref: partial dates, notices and their subjects, other versions, what is no paper."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from digestbot.model import DocumentType, FetchedPaper
from digestbot.sources.crossref import CrossrefOptions, read_page
from digestbot.sources.web_api import ApiPage, Window
from tests.servers.crossref import item
from tests.sources.conformance import NOW, make_works

WINDOW = Window(floor=NOW - timedelta(days=7), since=NOW, until=NOW)


def page(*items: Any, **message: Any) -> ApiPage:
    return read_page(json.dumps({"message": {"items": list(items), **message}}).encode(), "")


def paper(**fields: Any) -> FetchedPaper:
    return page(item(make_works(1)[0]) | fields).records[0].paper


def dated(*parts: object) -> dict[str, Any]:
    return {"date-parts": [list(parts)]}


@pytest.mark.parametrize(
    ("dates", "day"),
    [
        ({"issued": dated(2026, 3, 9)}, "2026-03-09"),
        ({"issued": dated(2027, 1, 1), "published-online": dated(2026, 3, 9)}, "2026-03-09"),
        ({"issued": dated(2027), "published-print": dated(2026, 3, 9)}, "2026-03-09"),
        ({"posted": dated(2026, 3, 9)}, "2026-03-09"),
        ({"issued": dated(2026, 3)}, "2026-11-02"),
        ({"issued": dated(None)}, "2026-11-02"),
        ({"issued": {"date-parts": []}}, "2026-11-02"),
        ({"issued": None}, "2026-11-02"),
        ({"issued": dated(2026, 13, 40)}, "2026-11-02"),
    ],
)
def test_a_day_of_publication_else_of_registration(dates: dict[str, Any], day: str) -> None:
    found = paper(**{"issued": None, "created": {"date-time": "2026-11-02T20:12:04Z"}} | dates)
    assert found.published is not None
    assert found.published.date().isoformat() == day
    assert found.published_is_date is (day != "2026-11-02")


def test_the_pass_is_about_the_day_of_registration() -> None:
    found = page(item(make_works(1)[0]) | {"created": {"date-time": "2026-11-02T20:12:04Z"}})
    assert found.records[0].at == datetime(2026, 11, 2, 20, 12, 4, tzinfo=UTC)


def test_texts_lose_markup_and_line_breaks_of_xml() -> None:
    found = paper(
        title=["The genome of\n      <i>Vibrio</i>\n      str. N139"],
        abstract="<jats:p>\n  We report\n  <jats:italic>Vibrio</jats:italic>\n  N139.\n</jats:p>",
    )
    assert found.title == "The genome of Vibrio str. N139"
    assert found.abstract == "We report Vibrio N139."


def test_names_of_authors_in_all_forms() -> None:
    people = [
        {"given": "Ada", "family": "Xu", "suffix": "Jr."},
        {"family": "Doantam Phan"},
        {"name": "The XYZ Consortium"},
        {"given": "Bo", "family": "Li", "affiliation": [{"name": "Uni X"}]},
        {},
        None,
    ]
    found = paper(author=people).authors
    assert [each.name for each in found] == [
        "Ada Xu Jr.", "Doantam Phan", "The XYZ Consortium", "Bo Li",
    ]  # fmt: skip
    assert found[3].affiliations == ("Uni X",)


@pytest.mark.parametrize(
    ("fields", "type_", "about"),
    [
        (
            {"update-to": [{"type": "retraction", "DOI": "10.5555/Y"}]},
            DocumentType.RETRACTION,
            "doi:10.5555/y",
        ),
        (
            {"update-to": [{"type": "expression_of_concern", "DOI": "10.5555/y"}]},
            DocumentType.CONCERN,
            "doi:10.5555/y",
        ),
        (
            {"update-to": [{"type": "correction", "DOI": "10.5/y"}]},
            DocumentType.CORRECTION,
            None,
        ),
        (
            {"update-to": [{"type": "withdrawal", "DOI": "10.5555/work.1"}]},
            DocumentType.WITHDRAWAL,
            None,
        ),
        (
            {"updated-by": [{"type": "retraction", "DOI": "10.5/y"}]},
            DocumentType.RETRACTION,
            None,
        ),
        ({"updated-by": [{"type": "erratum", "DOI": "10.5555/y"}]}, DocumentType.PAPER, None),
    ],
)
def test_notices_name_their_subject(
    fields: dict[str, Any], type_: DocumentType, about: str | None
) -> None:
    found = paper(**fields)
    assert (found.document_type, found.about) == (type_, about)


def test_other_versions_are_aliases() -> None:
    relation = {
        "is-preprint-of": [{"id-type": "doi", "id": "10.5555/J.1"}],
        "has-version": {"id-type": "arxiv", "id": "2603.20941"},
        "has-review": [{"id-type": "doi", "id": "10.5555/review"}],
        "is-version-of": "broken",
    }
    found = paper(relation=relation)
    assert found.aliases[:3] == ("arxiv:2603.20941", "doi:10.5555/work.1", "doi:10.5555/j.1")


def test_what_is_no_paper_is_ignored() -> None:
    work = item(make_works(1)[0])
    found = page(work | {"type": "component"}, work | {"type": "journal-issue"}, work)
    assert (len(found.records), found.ignored, found.skipped) == (1, 2, 0)


def test_a_single_work_is_read_too() -> None:
    body = json.dumps({"message": item(make_works(1)[0])}).encode()
    assert read_page(body, "").records[0].paper.id == "doi:10.5555/work.1"


def test_the_page_after_the_last_ends_the_list() -> None:
    assert page(item(make_works(1)[0]), **{"next-cursor": "x"}).cursor == "x"
    assert page(**{"next-cursor": "x", "total-results": 0}).cursor is None


def test_the_request_has_all_filters() -> None:
    options = CrossrefOptions(
        issn=("2167-8359", "1050-124x"), query=" fire ", types=("journal-article",)
    )
    found = options.request(WINDOW, "")
    assert found.params["filter"] == (
        "from-created-date:2026-11-16,issn:2167-8359,issn:1050-124X,type:journal-article"
    )
    assert (found.params["query"], found.params["cursor"]) == ("fire", "*")
    assert "abstract" in found.params["select"]
    assert options.request(WINDOW, "abc").params["cursor"] == "abc"
