"""The picture of coverage: well formed, accessible, harmless and legible."""

import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from lxml import etree

from digestbot.batch_words import English
from digestbot.model import Batch, BatchState
from digestbot.render.coverage_svg import KINDS, coverage_svg
from tests.factories import VERIFIED_AT, make_batch
from tests.render.editions import HOSTILE
from tests.render.pages import contrast

SVG = "{http://www.w3.org/2000/svg}"
FRIDAY = VERIFIED_AT.date()


def draw(*batches: Batch) -> etree._Element:
    return etree.fromstring(coverage_svg(batches, English(), ZoneInfo("UTC")).encode())


def cells(root: etree._Element) -> dict[str, str]:
    """Return the class of each cell by its tooltip."""
    return {
        group.findtext(f"{SVG}title") or "": group.get("class") or ""
        for group in root.iter(f"{SVG}g")
        if group.find(f"{SVG}title") is not None
    }


def test_every_batch_is_a_cell_with_its_sentence() -> None:
    days = [FRIDAY + timedelta(days=n) for n in range(2)]
    found = cells(
        draw(
            make_batch(day=days[0]),
            make_batch(day=days[1], state=BatchState.WEEKEND, papers=0, answers=()),
            make_batch(day=days[0], category="cs.OS", answers=make_batch().answers[:1]),
        )
    )
    assert found == {
        "cs.DC: all 41 papers of Fri 20 Nov, verified at 05:10 UTC against two channels": (
            "verified"
        ),
        "cs.DC: Sat 21 Nov": "off",
        "cs.OS: 41 papers of Fri 20 Nov, unverified: only the daily feed is configured": (
            "announced"
        ),
    }


def test_picture_has_a_title_and_a_description() -> None:
    root = draw(make_batch(), make_batch(category="cs.OS", state=BatchState.PARTIAL))
    assert (root.get("role"), root.get("aria-labelledby")) == ("img", "t d")
    assert root.findtext(f"{SVG}title") == "arXiv coverage, 20 Nov to 20 Nov 2026"
    assert root.findtext(f"{SVG}desc") == (
        "82 announcements by category; batches: 1 verified by two channels, 1 partial"
    )


def test_without_batches_it_is_still_a_picture() -> None:
    assert draw().findtext(f"{SVG}desc") == "0 announcements by category; batches: none"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_stay_text(text: str) -> None:
    root = draw(make_batch(source=text, category=text), make_batch(source=text, category=""))
    allowed = {"svg", "title", "desc", "style", "rect", "text", "path", "g"}
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= allowed
    assert not {name for each in root.iter() for name in each.attrib if name.startswith("on")}


def test_it_loads_nothing() -> None:
    text = coverage_svg([make_batch()], English(), ZoneInfo("UTC"))
    assert set(re.findall(r"https?://[^\"' ]+", text)) == {"http://www.w3.org/2000/svg"}
    assert "url(" not in text
    assert not re.search("@import|@font-face", text)


def test_numbers_are_legible_in_light_and_dark() -> None:
    text = coverage_svg([make_batch()], English(), ZoneInfo("UTC"))
    for block in re.findall(r"svg\{(--[^}]*)\}", text):
        colour = dict(each.split(":") for each in block.split(";"))
        for kind in ("ok", "warn", "bad"):
            assert contrast(colour[f"--{kind}"], colour[f"--{kind}-ink"]) >= 4.5, kind
        for ink in ("--ink", "--mute"):
            assert contrast(colour["--paper"], colour[ink]) >= 4.5, ink


@pytest.mark.parametrize(
    ("papers", "shown"), [(0, "0"), (999, "999"), (1234, "1.2k"), (20100, "20k")]
)
def test_large_numbers_fit_into_a_cell(papers: int, shown: str) -> None:
    root = draw(make_batch(papers=papers))
    (cell,) = [group for group in root.iter(f"{SVG}g") if group.find(f"{SVG}title") is not None]
    assert cell.findtext(f"{SVG}text") == shown


def test_legend_names_every_kind() -> None:
    texts = [element.text for element in draw(make_batch()).iter(f"{SVG}text")]
    assert set(KINDS.values()) <= set(texts)
