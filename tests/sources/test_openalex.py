"""OpenAlex: inverted abstracts, other locations, retractions, and the key."""

import json
from datetime import timedelta
from typing import Any

import pytest

from digestbot.model import DocumentType, FetchedPaper
from digestbot.secret import Secret
from digestbot.sources.openalex import OpenalexOptions, abstract_of, read_page
from digestbot.sources.web_api import Window
from tests.servers.openalex import result
from tests.sources.conformance import NOW, make_works

WINDOW = Window(floor=NOW - timedelta(days=7), since=NOW, until=NOW)


def body(*works: Any) -> bytes:
    return json.dumps({"meta": {"count": len(works)}, "results": list(works)}).encode()


def paper(**fields: Any) -> FetchedPaper:
    return read_page(body(result(make_works(1)[0]) | fields), "").records[0].paper


@pytest.mark.parametrize(
    ("index", "text"),
    [
        ({"study": [1, 3], "We": ["0"], "the": ["2"]}, "We the"),
        ({"study": ["1", "3"], "We": ["0"], "the": ["2"]}, "We study the study"),
        ({"b": ["7"], "a": ["2"]}, "a b"),
        ({"a": None, "b": ["x", "-1", "9" * 30], "c": {}}, ""),
        ({"a\x00": ["0"]}, "a"),
        (None, ""),
        ([], ""),
    ],
)
def test_abstracts_are_put_in_order(index: Any, text: str) -> None:
    """JSON numbers arrive as text; see `api_json.read_json`."""
    assert abstract_of(index) == text


def test_a_huge_abstract_is_bounded() -> None:
    index = {"word": [str(n) for n in range(100_000)]}
    assert len(abstract_of(index)) <= 200_000


def test_an_arxiv_location_gives_the_id() -> None:
    found = paper(locations=[{"landing_page_url": "http://arxiv.org/abs/2111.07624"}])
    assert found.id == "arxiv:2111.07624"
    assert "doi:10.5555/work.1" in found.aliases


def test_a_repositorys_page_is_no_name() -> None:
    found = paper(doi=None, locations=[{"landing_page_url": "https://repo.example/"}],
                  primary_location=None)  # fmt: skip
    assert not [name for name in found.aliases if "repo.example" in name]
    assert found.url == "https://repo.example/"


def test_a_pubmed_record_is_the_same_paper() -> None:
    found = paper(ids={"pmid": "https://pubmed.ncbi.nlm.nih.gov/8759451"})
    assert "url://pubmed.ncbi.nlm.nih.gov/8759451" in found.aliases


@pytest.mark.parametrize(
    ("fields", "type_"),
    [
        ({"is_retracted": True}, DocumentType.RETRACTION),
        ({"type": "retraction"}, DocumentType.RETRACTION),
        ({"type": "erratum"}, DocumentType.CORRECTION),
        ({"type": "editorial"}, DocumentType.EDITORIAL),
        ({"is_paratext": True}, DocumentType.FRONT_MATTER),
        ({"is_retracted": "true"}, DocumentType.PAPER),
    ],
)
def test_types_are_told(fields: dict[str, Any], type_: DocumentType) -> None:
    assert paper(**fields).document_type is type_


def test_titles_lose_markup() -> None:
    assert paper(title="The <scp>DNA</scp> of <i>E. coli</i>").title == "The DNA of E. coli"
    assert paper(title=None, display_name="Shown").title == "Shown"


def test_datasets_are_ignored() -> None:
    work = result(make_works(1)[0])
    found = read_page(body(work | {"type": "dataset"}, work, work | {"title": None}), "")
    assert (len(found.records), found.ignored, found.skipped) == (1, 1, 1)


def test_a_single_work_is_read_too() -> None:
    found = read_page(json.dumps(result(make_works(1)[0])).encode(), "")
    assert found.records[0].paper.id == "doi:10.5555/work.1"


def test_the_date_of_a_record_follows_the_option() -> None:
    work = result(make_works(1)[0]) | {"created_date": "2026-11-22T07:00:00"}
    published = read_page(body(work), "").records[0].at
    created = read_page(body(work), "", dates="created").records[0].at
    assert published is not None
    assert created is not None
    assert (published.day, created.day) == (19, 22)


def test_the_request_has_filter_search_and_key() -> None:
    options = OpenalexOptions(filter="type:article", search=" fire ", api_key=Secret("planted"))
    found = options.request(WINDOW, "")
    assert found.params["filter"] == "type:article,from_publication_date:2026-11-16"
    assert found.params["sort"] == "publication_date:desc"
    assert (found.params["search"], found.params["api_key"]) == ("fire", "planted")
    assert "planted" not in f"{found!r}{options!r}"
    created = OpenalexOptions(search="fire", dates="created").request(WINDOW, "c")
    assert created.params["filter"] == "from_created_date:2026-11-16"
    assert "sort" not in created.params
