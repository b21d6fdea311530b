"""OpenReview: notes of a venue, with dates, authors and links as its users fill them in."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from digestbot.errors import BadAnswer
from digestbot.model import FetchedPaper
from digestbot.sources.openreview import OpenreviewOptions, read_page
from digestbot.sources.web_api import Window
from tests.sources.passes import NOW

WINDOW = Window(floor=NOW, since=NOW, until=NOW)


def note(*, content: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    fields = {"title": "A Paper", "abstract": "Text.", "venueid": "Ex.cc/2026", **(content or {})}
    wrapped = {name: {"value": value} for name, value in fields.items()}
    return {"id": "abc", "forum": "abc", "content": wrapped, **more}


def read(*notes: dict[str, Any], venue: str = "") -> list[FetchedPaper]:
    body = json.dumps({"notes": notes, "count": len(notes)}).encode()
    return [record.paper for record in read_page(body, "", venue=venue).records]


def test_a_venue_is_asked_by_its_id() -> None:
    request = OpenreviewOptions(venue=" ICLR.cc/2026/Conference ").request(WINDOW, "1000")
    assert request.url == "https://api2.openreview.net/notes"
    assert request.params["content.venueid"] == "ICLR.cc/2026/Conference"
    assert (request.params["limit"], request.params["offset"]) == ("1000", "1000")


def test_other_venues_are_left_out() -> None:
    rejected = note(content={"venueid": "Ex.cc/2026/Rejected_Submission"}, id="no", forum="no")
    assert [paper.url for paper in read(rejected, note(), venue="Ex.cc/2026")] == [
        "https://openreview.net/forum?id=abc"
    ]


def test_reviews_are_left_out() -> None:
    assert read(note(id="review", forum="abc")) == []


@pytest.mark.parametrize(
    "value",
    [["Ada Xu", "Bo Li"], [{"fullname": "Ada Xu", "username": "~Ada_Xu1"}, {"fullname": "Bo Li"}]],
)
def test_authors_are_texts_or_objects(value: Any) -> None:
    (paper,) = read(note(content={"authors": value}))
    assert [author.name for author in paper.authors] == ["Ada Xu", "Bo Li"]


def milliseconds(year: int, month: int, day: int, hour: int = 0) -> int:
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("dates", "day", "is_date"),
    [
        ({"cdate": milliseconds(2026, 2, 3, 4)}, "2026-02-03", False),
        (
            {"cdate": milliseconds(2026, 2, 3, 4), "pdate": milliseconds(2026, 5, 6, 7)},
            "2026-05-06",
            False,
        ),
        ({"pdate": milliseconds(2026, 5, 6)}, "2026-05-06", True),
        # A month or a year, as records imported from DBLP have it.
        ({"pdate": milliseconds(2026, 1, 1), "cdate": milliseconds(2026, 8, 9, 1)}, "", False),
        ({"pdate": None, "odate": "x", "cdate": -1}, "", False),
        ({}, "", False),
    ],
)
def test_the_first_date_counts(dates: dict[str, Any], day: str, is_date: bool) -> None:
    (paper,) = read(note(**dates))
    assert (paper.published.date().isoformat() if paper.published else "") == day
    assert paper.published_is_date is is_date


@pytest.mark.parametrize(
    ("more", "id_"),
    [
        ({"externalIds": ["dblp:x", "doi:10.5555/ABC"]}, "doi:10.5555/abc"),
        ({"content": {"html": "https://doi.org/10.5555/abc"}}, "doi:10.5555/abc"),
        ({"content": {"html": "https://arxiv.org/abs/2603.20941"}}, "arxiv:2603.20941"),
        ({"content": {"html": "https://site.example/"}}, "feed:"),
        ({}, "feed:"),
    ],
)
def test_papers_have_their_best_id(more: dict[str, Any], id_: str) -> None:
    (paper,) = read(note(**more))
    (again,) = read(note(**more, mdate=1))
    assert paper.id.startswith(id_)
    assert again.id == paper.id
    assert "url://openreview.net/forum?id=abc" in paper.aliases


@pytest.mark.parametrize(
    ("pdf", "url"),
    [
        ("/pdf/0123.pdf", "https://openreview.net/pdf?id=abc"),
        ("https://site.example/x.pdf", "https://site.example/x.pdf"),
        ("", None),
        ("javascript:1", None),
    ],
)
def test_only_its_own_pdfs_are_relative(pdf: str, url: str | None) -> None:
    assert read(note(content={"pdf": pdf}))[0].pdf_url == url


def test_a_venue_that_repeats_the_title_is_none() -> None:
    assert read(note(content={"venue": "A Paper"}))[0].journal_ref is None
    assert read(note(content={"venue": "ICLR 2026 Oral"}))[0].journal_ref == "ICLR 2026 Oral"


def test_an_empty_venue_is_refused() -> None:
    with pytest.raises(ValueError, match="venue"):
        OpenreviewOptions(venue=" ")


def test_the_servers_message_is_quoted() -> None:
    with pytest.raises(BadAnswer, match="no access"):
        read_page(b'{"name": "ForbiddenError", "message": "no access"}', "")
