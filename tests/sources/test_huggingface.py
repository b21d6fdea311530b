"""Hugging Face: the lists of several days, and the papers on them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from digestbot.errors import BadAnswer
from digestbot.sources import huggingface
from digestbot.sources.huggingface import HuggingfaceOptions, read_page
from digestbot.sources.web_api import Record, Window
from tests.sources.passes import NOW


def entry(**paper: Any) -> dict[str, Any]:
    listed = {
        "id": "2606.00467",
        "title": "A  Paper",
        "summary": "Text.",
        "publishedAt": "2026-05-30T00:00:00.000Z",
        "submittedOnDailyAt": "2026-06-12T00:00:00.000Z",
        "authors": [{"name": "Ada Xu", "hidden": False}, {"name": "Bo Li"}, {"_id": "1"}],
        **paper,
    }
    return {"paper": listed, "publishedAt": "2026-05-29T20:00:00.000Z"}


def record(**paper: Any) -> Record:
    (found,) = read_page(json.dumps([entry(**paper)]).encode(), "").records
    return found


def test_a_paper_is_arxivs_with_its_own_date() -> None:
    paper = record().paper
    assert (paper.id, paper.title, paper.abstract) == ("arxiv:2606.00467", "A Paper", "Text.")
    assert [author.name for author in paper.authors] == ["Ada Xu", "Bo Li"]
    assert (paper.published, paper.published_is_date) == (datetime(2026, 5, 30, tzinfo=UTC), True)
    assert paper.url == "https://arxiv.org/abs/2606.00467"
    assert paper.pdf_url == "https://arxiv.org/pdf/2606.00467"
    assert "url://huggingface.co/papers/2606.00467" in paper.aliases


def test_the_day_of_the_list_counts_for_the_pass() -> None:
    assert record().at == datetime(2026, 6, 12, tzinfo=UTC)
    assert record(submittedOnDailyAt=None).at is None


def test_a_paper_from_elsewhere_has_an_id_of_its_own() -> None:
    paper = record(id="some-paper").paper
    assert paper.id.startswith("feed:")
    assert paper.url == "https://huggingface.co/papers/some-paper"


def days(first: str, last: str, sizes: dict[str, int]) -> list[tuple[str, str | None]]:
    """Return the requests of a pass, as days and parts."""
    window = Window(floor=datetime.fromisoformat(f"{first}T00:00+00:00"), since=NOW, until=NOW)
    asked: list[tuple[str, str | None]] = []
    cursor: str | None = ""
    while cursor is not None:
        params = HuggingfaceOptions().request(window, cursor).params
        day, part = params["date"], params.get("p")
        asked.append((day, part))
        size = min(max(0, sizes.get(day, 0) - int(part or 0) * 2), 2)
        body = json.dumps([entry() for _ in range(size)]).encode()
        cursor = read_page(body, cursor, first=window.first_day, last=last).cursor
    return asked


def test_every_day_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface, "PER_PAGE", 2)
    assert days("2026-02-27", "2026-03-02", {"2026-02-28": 3, "2026-03-01": 2}) == [
        ("2026-02-27", None),
        ("2026-02-28", None),
        ("2026-02-28", "1"),
        ("2026-03-01", None),
        ("2026-03-01", "1"),
        ("2026-03-02", None),
    ]


def test_a_saved_list_has_no_next_page() -> None:
    assert read_page(b"[]", "").cursor is None


@pytest.mark.parametrize("body", [b'{"error": "Invalid date"}', b'[{"a": 1}]', b"[1]", b'"x"'])
def test_other_answers_are_errors(body: bytes) -> None:
    with pytest.raises(BadAnswer, match="Hugging Face answered"):
        read_page(body, "")
