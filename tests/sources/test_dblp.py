"""DBLP: its JSON and XML, with their oddities, and the lists that a pass reads."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from digestbot.errors import BadAnswer
from digestbot.model import FetchedPaper
from digestbot.sources.dblp import DblpOptions, read_page, read_xml
from digestbot.sources.web_api import ApiPage, Window
from tests.sources.passes import NOW

WINDOW = Window(floor=NOW, since=NOW, until=NOW)


def info(**more: Any) -> dict[str, Any]:
    return {"key": "conf/ex/1", "title": "A Paper.", "year": "2026", "type": "Informal", **more}


def body(*hits: dict[str, Any], total: int | None = None) -> bytes:
    found: dict[str, Any] = {"@total": str(len(hits) if total is None else total)}
    if hits:
        found["hit"] = [{"info": each} for each in hits]
    return json.dumps({"result": {"hits": found}}).encode()


def read(*hits: dict[str, Any]) -> list[FetchedPaper]:
    return [record.paper for record in read_page(body(*hits), "").records]


def names(paper: FetchedPaper) -> list[str]:
    return [author.name for author in paper.authors]


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("A Paper.", "A Paper"),
        ("Why?", "Why?"),
        ("PIM Meets Web 2.0.", "PIM Meets Web 2.0"),
        ("Lessons from Cray, Inc.", "Lessons from Cray, Inc."),
        ("R&amp;D in &quot;C&quot;.", 'R&D in "C"'),
    ],
)
def test_the_final_full_stop_is_dropped(title: str, shown: str) -> None:
    assert read(info(title=title))[0].title == shown


@pytest.mark.parametrize(
    ("author", "shown"),
    [
        ([{"@pid": "1", "text": "Ada Xu 0009"}, {"text": "Bo Li"}], ["Ada Xu", "Bo Li"]),
        ({"@pid": "1", "text": "Wei Wang 0010"}, ["Wei Wang"]),
        ("Wei Wang 0010", ["Wei Wang"]),
        (["Agent 47", {"text": "Louis 14 0001"}], ["Agent 47", "Louis 14"]),
        (None, []),
    ],
)  # fmt: skip
def test_authors_lose_their_homonym_numbers(author: Any, shown: list[str]) -> None:
    assert names(read(info(authors={"author": author}))[0]) == shown


@pytest.mark.parametrize(
    ("more", "id_", "url"),
    [
        ({"doi": "10.1007/S11063-1"}, "doi:10.1007/s11063-1", "https://doi.org/10.1007/s11063-1"),
        (
            {"doi": "10.48550/ARXIV.2603.20941", "venue": "CoRR"},
            "arxiv:2603.20941",
            "https://arxiv.org/abs/2603.20941",
        ),
        (
            {"ee": ["https://x.example/", "http://arxiv.org/abs/2603.20941"]},
            "arxiv:2603.20941",
            "https://arxiv.org/abs/2603.20941",
        ),
        ({"ee": "https://www.usenix.org/p"}, "feed:", "https://www.usenix.org/p"),
        ({}, "feed:", "https://dblp.org/rec/conf/ex/1"),
    ],
)
def test_papers_have_their_best_id(more: dict[str, Any], id_: str, url: str) -> None:
    (paper,) = read(info(**more))
    assert paper.id.startswith(id_)
    assert paper.url == url
    assert "url://dblp.org/rec/conf/ex/1" in paper.aliases


def test_a_year_is_no_day() -> None:
    (record,) = read_page(body(info()), "").records
    assert record.paper.published is None
    assert record.at == datetime(2026, 1, 1, tzinfo=UTC)


def test_the_reference_has_venue_volume_year_and_pages() -> None:
    (paper,) = read(info(venue="Commun. ACM", volume="53", number="3", pages="97-105"))
    assert paper.journal_ref == "Commun. ACM 53(3), 2026, 97-105"


def test_volumes_and_data_are_no_papers() -> None:
    page = read_page(body(info(type="Editorship"), info(type="Data and Artifacts"), info()), "")
    assert (len(page.records), page.ignored, page.skipped) == (1, 2, 0)


def test_no_hits_are_no_error() -> None:
    assert read_page(body(), "") == ApiPage(total=0)


@pytest.mark.parametrize(
    "answer",
    [b"{}", b'{"result": {"hits": {"@total": "x"}}}', b'{"result": {"status": {"@code": "500"}}}'],
)
def test_other_answers_are_errors(answer: bytes) -> None:
    with pytest.raises(BadAnswer, match="DBLP answered with an error"):
        read_page(answer, "")


def test_a_venue_is_read_year_by_year() -> None:
    options = DblpOptions(venue="Commun. ACM")
    years = options.years(NOW)
    places = []
    cursor, sizes = "", {2025: 3, 2026: 0, 2027: 1}
    while True:
        request = options.request(WINDOW, cursor)
        query = request.params["q"]
        year = int(query.rpartition("year:")[2].strip(":"))
        start = int(request.params["f"])
        places.append((query, start))
        hits = [info(key=f"{year}/{n}") for n in range(start, min(start + 2, sizes[year]))]
        page = read_page(body(*hits, total=sizes[year]), cursor, years=years)
        if page.cursor is None:
            break
        cursor = page.cursor
    assert places == [
        ("venue:Commun._ACM: year:2025:", 0),
        ("venue:Commun._ACM: year:2025:", 2),
        ("venue:Commun._ACM: year:2026:", 0),
        ("venue:Commun._ACM: year:2027:", 0),
    ]
    assert page.total == 4


def test_an_author_is_read_whole() -> None:
    request = DblpOptions(author="Wei Wang 0010").request(WINDOW, "")
    assert request.params["q"] == "author:Wei_Wang_0010:"
    assert request.params["h"] == "1000"


@pytest.mark.parametrize("settings", [{}, {"venue": " "}, {"venue": "OSDI", "author": "A B"}])
def test_one_of_venue_and_author_is_needed(settings: dict[str, str]) -> None:
    with pytest.raises(ValueError, match='either "venue" or "author"'):
        DblpOptions(**settings)  # type: ignore[arg-type]


SEARCH = b"""<?xml version="1.0"?><result><hits total="9" sent="1"><hit id="1"><info><authors>
<author pid="1">Ada Xu 0002</author><author pid="2">Bo Li</author></authors>
<title>On <i>k</i>-Sets.</title><venue>OSDI</venue><year>2026</year>
<type>Conference and Workshop Papers</type><key>conf/osdi/XuL26</key><doi>10.5555/X</doi>
<ee>https://doi.org/10.5555/x</ee></info></hit></hits></result>"""
RECORDS = """<?xml version="1.0" encoding="ISO-8859-1"?><!DOCTYPE dblp SYSTEM "dblp.dtd"><dblp>
<article key="journals/ex/B26"><author>Oded B&ouml;hlen</author><title>A Paper.</title>
<journal>Ex</journal><volume>7</volume><year>2026</year><ee>https://doi.org/10.5555/y</ee></article>
<proceedings key="conf/ex/2026"><editor>X Y</editor><title>All of it.</title></proceedings>
<www key="homepages/b/B"><author>Oded B&ouml;hlen</author><title>Home Page</title></www></dblp>"""


def test_the_search_in_xml_says_the_same() -> None:
    (paper,) = [record.paper for record in read_xml(SEARCH, "").records]
    assert (paper.id, paper.title, names(paper)) == (
        "doi:10.5555/x",
        "On k-Sets",
        ["Ada Xu", "Bo Li"],
    )
    assert paper.journal_ref == "OSDI, 2026"


def test_files_of_records_are_read() -> None:
    page = read_xml(RECORDS.encode("latin-1"), "")
    (record,) = page.records
    assert (record.key, names(record.paper)) == ("journals/ex/B26", ["Oded Böhlen"])
    assert (page.ignored, page.skipped) == (2, 0)


def test_other_xml_is_refused() -> None:
    with pytest.raises(BadAnswer, match="no DBLP publications"):
        read_xml(b"<a/>", "")
